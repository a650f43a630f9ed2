//! Bounds on programs over signs, with cuts: below the semidefinite relaxation.
//!
//! # The claim
//!
//! For one hidden layer, FGL = max ‖A s‖* over s = (t, 1), t ∈ {−1, 1}ⁿ (`one_hidden.rs`), which is the maximum of
//! xᵀA s over signs x in ℓ∞, over ‖x‖₂ ≤ 1 in ℓ2. Call all these variables y, with the constant 1 among them. Let c be
//! cycles of variables with a sign σ on every edge, an odd number of them negative, and
//!
//! > q(y) = Σ γᵢ xᵢ² + Σ δⱼ sⱼ² − 2 xᵀA s + 2 Σ_c μ_c Σ_{ab ∈ c} σ_ab y_a y_b,  γ, δ, μ ≥ 0.
//!
//! **Claim.** If q ≥ 0 everywhere then, with |c| the length of a cycle and M = Σ μ_c (|c| − 2),
//!
//! > FGL ≤ √(Σγ Σδ) + M in ℓ∞, when every edge joins an input and a neuron (or the constant);
//! > FGL ≤ √(γ (Σδ + 2M)) in ℓ2, all γᵢ = γ, when no cycle visits an input.
//!
//! *Proof.* The product of y_a y_b over the edges of a cycle is 1 for signs y, that of σ is −1, so some σ_ab y_a y_b is −1 and
//! their sum at most |c| − 2: a triangle inequality of the cut polytope for |c| = 3, and for |c| = 4 the inequality that
//! separates classical from quantum correlations (Clauser, Horne, Shimony, Holt). So 2 xᵀA s ≤ Σγᵢxᵢ² + Σδⱼ + 2M. In
//! ℓ∞ replace x by x·ρ and s by s/ρ, which leaves all products of an input and a neuron alone: q ≥ 0 also with ρ²γ and δ/ρ²,
//! and the best ρ makes ½(ρ²Σγ + Σδ/ρ²) the root. In ℓ2 the cycles scale with δ. ∎
//! Unit vectors in the place of signs may exceed these inequalities, which is why the bounds can be below GeoLIP's.
//!
//! # Rounding
//!
//! Entries of A − Σ μσ (and of Σ μσ between neurons) are computed one subtraction after the other; what they are off by, and
//! the slack of A itself, is multiplied by numbers of absolute value at most 1, so the sum of the errors is added to the bound
//! (in ℓ2, that between neurons to Σδ + 2M). The stored form is scaled by powers of two, which is exact but for underflow (by the rule of
//! [`crate::rounding`], [`TINY`] an entry), and proved by [`crate::form::elimination`].

use super::certificate::{Certificate, check_output, fits, unfit};
use super::file::{Claim, Proof};
use super::one_hidden::OneHidden;
use super::rejection::Rejection;
use crate::form::elimination::BlockMatrix;
use crate::matrix::Matrix;
use crate::problem::InputNorm;
use crate::proof::one_hidden::Program;
use crate::rounding::{INFLATE, TINY, UNIT, add_up, mul_up, sqrt_up, sum_up, usable_scale};
use crate::slopes::SlopeNetwork;
use serde::{Deserialize, Serialize};

/// What proves a bound on the program of one hidden layer. Inputs are variables 0, …, n₀ − 1, then come the neurons, and the
/// constant last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignProof {
    /// γ ≥ 0: one per input in ℓ∞, a single one in ℓ2.
    pub gamma: Vec<f64>,
    /// δ ≥ 0: one per neuron, and one for the constant.
    pub delta: Vec<f64>,
    /// The cycles.
    pub cuts: Vec<SignCut>,
}

/// A cycle: (variables in their order, the sign of the edge from each to the next, μ ≥ 0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignCut(pub Vec<usize>, pub Vec<i8>, pub f64);

/// Checks one claim that is to be proved on signs, about a slope network with this one hidden layer.
///
/// # Panics
/// When the layer is another network's.
pub fn check(
    hidden: &OneHidden,
    network: &SlopeNetwork,
    norm: InputNorm,
    claim: &Claim,
) -> Result<Certificate, Rejection> {
    assert!(hidden.is_of(network), "one hidden layer of one network");
    check_output(network, claim)?;
    let Proof::Signs(proof) = &claim.proof else {
        return Err(unfit(claim, "it has to be proved on signs, but is not"));
    };
    let u = claim.output.entries().ok_or_else(|| unfit(claim, "a norm of the output is not proved on signs"))?;
    let slopes = network.slopes().first().map_or(&[][..], Vec::as_slice);
    let proved = proved_bound(&hidden.program(&u, slopes), norm, proof).map_err(|reason| unfit(claim, &reason))?;
    Certificate::accept(network, norm, claim, proved)
}

/// The bound that a proof gives, rounded up; or why it gives none.
pub(crate) fn proved_bound(program: &Program, norm: InputNorm, proof: &SignProof) -> Result<f64, String> {
    let form = Form::assemble(program, norm, proof)?;
    form.prove()?;
    Ok(form.bound(norm, proof, program.slack))
}

/// The bound that a proof gives if its form is not negative; infinite if it makes no sense. For the solver.
pub fn claim(program: &Program, norm: InputNorm, proof: &SignProof) -> f64 {
    Form::assemble(program, norm, proof).map_or(f64::INFINITY, |form| form.bound(norm, proof, program.slack))
}

/// q, stored.
struct Form {
    gamma: Vec<f64>,
    delta: Vec<f64>,
    /// A − Σ μσ between inputs and neurons.
    across: Matrix,
    /// Σ μσ between neurons, lower triangle; none where there are no such edges.
    among: Option<Matrix>,
    /// The sum of what entries may be off by.
    error: f64,
}

impl Form {
    fn assemble(program: &Program, norm: InputNorm, proof: &SignProof) -> Result<Self, String> {
        let (inputs, signs) = (program.matrix.rows(), program.matrix.cols());
        let gammas = match norm {
            InputNorm::Linf => inputs,
            InputNorm::L2 => 1,
            InputNorm::L1 | InputNorm::Lp(_) => return Err("programs on signs prove bounds in linf and l2".to_owned()),
        };
        fits("gamma", proof.gamma.len(), gammas)?;
        fits("delta", proof.delta.len(), signs)?;
        let weights = proof.cuts.iter().map(|SignCut(_, _, weight)| weight);
        if !proof.gamma.iter().chain(&proof.delta).chain(weights).all(|v| (0.0..f64::INFINITY).contains(v)) {
            return Err("multipliers are finite and not negative".to_owned());
        }
        let (mut across, mut among, mut error) = (program.matrix.clone(), None, 0.0);
        for cut in &proof.cuts {
            for (a, b, value) in edges(cut, inputs + signs)? {
                let (low, high) = (a.min(b), a.max(b));
                let entry = match (low < inputs, high < inputs) {
                    (true, false) if norm == InputNorm::Linf => across.at_mut(low, high - inputs),
                    (false, false) if norm == InputNorm::L2 => {
                        let among = among.get_or_insert_with(|| Matrix::zeros(signs, signs));
                        among.at_mut(high - inputs, low - inputs)
                    }
                    _ => return Err(format!("the product of variables {low} and {high} has no place in this norm")),
                };
                *entry -= value;
                error += UNIT * entry.abs() + TINY; // a difference is rounded once, its bound may underflow
            }
        }
        if let Some(among) = &mut among {
            among.data_mut().iter_mut().for_each(|v| *v = -*v);
        }
        let gamma = if gammas == 1 { vec![proof.gamma[0]; inputs] } else { proof.gamma.clone() };
        Ok(Self { gamma, delta: proof.delta.clone(), across, among, error: error * INFLATE })
    }

    fn bound(&self, norm: InputNorm, proof: &SignProof, slack: f64) -> f64 {
        let constant = |SignCut(cycle, _, weight): &SignCut| mul_up((cycle.len() - 2) as f64, *weight);
        let constants = sum_up(proof.cuts.iter().map(constant));
        let (gamma, delta) = (sum_up(proof.gamma.iter().copied()), sum_up(proof.delta.iter().copied()));
        let bound = match norm {
            InputNorm::Linf => add_up(add_up(sqrt_up(mul_up(gamma, delta)), constants), self.error),
            _ => sqrt_up(mul_up(gamma, add_up(delta, mul_up(2.0, add_up(constants, self.error))))),
        };
        add_up(bound, slack)
    }

    /// That q ≥ 0, by an elimination of the inputs and then of the neurons.
    fn prove(&self) -> Result<(), String> {
        let rows = self.scales(&self.gamma, "input", |i| self.across.row(i).iter().all(|v| *v == 0.0))?;
        let alone = |j: usize| {
            let among = |m: &Matrix| (0..m.rows()).all(|l| m.at(j.max(l), j.min(l)) == 0.0);
            (0..self.across.rows()).all(|i| self.across.at(i, j) == 0.0) && self.among.as_ref().is_none_or(among)
        };
        let columns = self.scales(&self.delta, "neuron", alone)?;
        let mut matrix = BlockMatrix::zeros(vec![rows.len(), columns.len(), 1]);
        if !rows.is_empty() && !columns.is_empty() {
            let entry = |(j, s): (usize, f64), (i, r): (usize, f64)| -self.across.at(i, j) * (s * r);
            *matrix.block_mut(1, 0) = Matrix::from_fn(columns.len(), rows.len(), |j, i| entry(columns[j], rows[i]));
        }
        if let Some(among) = &self.among {
            let entry = |(j, s): (usize, f64), (l, r): (usize, f64)| among.at(j.max(l), j.min(l)) * (s * r);
            let lower = |j: usize, l: usize| if l < j { entry(columns[j], columns[l]) } else { 0.0 };
            *matrix.block_mut(1, 1) = Matrix::from_fn(columns.len(), columns.len(), lower);
        }
        let backward = matrix.backward_error();
        let underflow = (rows.len() + columns.len()) as f64 * TINY; // of a whole row
        for (block, (variables, multipliers)) in [(&rows, &self.gamma), (&columns, &self.delta)].into_iter().enumerate()
        {
            for (at, (index, scale)) in variables.iter().enumerate() {
                let entry = multipliers[*index] * (scale * scale);
                *matrix.diagonal_mut(block, at) = (entry - (backward[block] + underflow) * INFLATE).next_down();
            }
        }
        *matrix.diagonal_mut(2, 0) = 1.0; // isolated
        let found = |block: usize, index: usize| match block {
            0 => format!("input {}", rows.get(index).map_or(index, |(i, _)| *i)),
            _ => format!("neuron {}", columns.get(index).map_or(index, |(j, _)| *j)),
        };
        if let Some((block, index)) = matrix.oversized() {
            return Err(format!(
                "the multiplier of {} is outside the range that can be computed with",
                found(block, index)
            ));
        }
        let proved = matrix.eliminate().map(|_| ());
        proved.map_err(|at| format!("its matrix is not positive semidefinite (found at {})", found(at.block, at.index)))
    }

    /// The variables that stand in the form, with powers of two that bring their multipliers near 1.
    fn scales(
        &self,
        multipliers: &[f64],
        what: &str,
        alone: impl Fn(usize) -> bool,
    ) -> Result<Vec<(usize, f64)>, String> {
        let mut found = Vec::new();
        for (index, multiplier) in multipliers.iter().enumerate() {
            if *multiplier > 0.0 {
                let outside =
                    || format!("the multiplier of {what} {index} is outside the range that can be computed with");
                found.push((index, usable_scale(*multiplier).ok_or_else(outside)?));
            } else if !alone(index) {
                return Err(format!("{what} {index} has no positive multiplier"));
            }
        }
        Ok(found)
    }
}

/// The edges of a cycle with μσ; an error if it is none, or its inequality does not hold for signs. Its variables are distinct:
/// an edge from a variable to itself would be a square, which the form has a place for on its diagonal alone.
fn edges(cut: &SignCut, variables: usize) -> Result<Vec<(usize, usize, f64)>, String> {
    let SignCut(cycle, signs, weight) = cut;
    if cycle.len() < 3 || cycle.len() != signs.len() {
        return Err("a cut is not a cycle of at least three variables with a sign for each edge".to_owned());
    }
    if cycle.iter().any(|v| *v >= variables) {
        return Err("a cut visits a variable that does not exist".to_owned());
    }
    let mut visited = cycle.clone();
    visited.sort_unstable();
    if visited.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("a cut visits a variable twice".to_owned());
    }
    if signs.iter().any(|s| !matches!(s, -1 | 1)) || signs.iter().filter(|s| **s < 0).count() % 2 == 0 {
        return Err("a cut needs signs 1 and -1, an odd number of them negative".to_owned());
    }
    let next = |at: usize| cycle[(at + 1) % cycle.len()];
    let edge = |(at, (v, sign)): (usize, (&usize, &i8))| (*v, next(at), f64::from(*sign) * weight);
    Ok(cycle.iter().zip(signs).enumerate().map(edge).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// max over signs x, s of xᵀAs for the 2 × 2 matrix of that inequality: 2, its relaxation 2√2.
    fn program() -> Program {
        Program { matrix: Matrix::from_vec(2, 2, vec![1.0, 1.0, 1.0, -1.0]), slack: 0.0 }
    }

    fn proof(weight: f64, diagonal: f64) -> SignProof {
        let cut = SignCut(vec![0, 2, 1, 3], vec![1, 1, -1, 1], weight);
        SignProof { gamma: vec![diagonal; 2], delta: vec![diagonal; 2], cuts: vec![cut] }
    }

    #[test]
    fn a_cut_closes_what_the_relaxation_leaves_open() {
        let root = 2.0_f64.sqrt();
        let bound = |weight, diagonal| proved_bound(&program(), InputNorm::Linf, &proof(weight, diagonal));
        assert!((bound(0.0, root * (1.0 + 1e-9)).expect("proved") / (2.0 * root) - 1.0).abs() < 1e-8);
        assert!(bound(0.0, root * (1.0 - 1e-9)).is_err());
        let tight = bound(1.0, 1e-9).expect("the cut is the objective itself");
        assert!((2.0..2.000_000_1).contains(&tight), "{tight}");
    }

    #[test]
    fn inequalities_that_signs_break_are_refused() {
        let bound = |cut: SignCut| {
            let proof = SignProof { cuts: vec![cut], ..proof(0.0, 3.0) };
            proved_bound(&program(), InputNorm::Linf, &proof)
        };
        assert!(bound(SignCut(vec![0, 2, 1, 3], vec![1, 1, -1, 1], 0.5)).is_ok());
        assert!(bound(SignCut(vec![0, 2, 1, 3], vec![1, 1, 1, 1], 0.5)).is_err(), "all products may be 1");
        assert!(bound(SignCut(vec![0, 2, 1, 3], vec![1, -1, -1, 1], 0.5)).is_err(), "and here");
        assert!(bound(SignCut(vec![0, 2, 1, 3], vec![1, 2, -1, 1], 0.5)).is_err(), "no sign");
        assert!(bound(SignCut(vec![0, 1, 2], vec![1, 1, -1], 0.5)).is_err(), "two inputs in a row");
        assert!(bound(SignCut(vec![0, 4, 1, 3], vec![1, 1, -1, 1], 0.5)).is_err(), "no such variable");
        assert!(bound(SignCut(vec![0, 2, 0, 3], vec![1, 1, -1, 1], 0.5)).is_err(), "a variable twice");
        assert!(bound(SignCut(vec![0, 2, 1, 3], vec![1, -128, -1, 1], 0.5)).is_err(), "the smallest number");
        assert!(bound(SignCut(vec![0, 2], vec![1, -1], 0.5)).is_err(), "too short");
        assert!(bound(SignCut(vec![0, 2, 1, 3], vec![1, 1, -1, 1], -0.5)).is_err(), "negative");
        assert!(bound(SignCut(vec![0, 2, 1, 3], vec![1, 1, -1, 1], f64::NAN)).is_err(), "not a number");
    }

    #[test]
    fn triangles_hold_among_neurons_in_l2() {
        // three unit columns at 120°: ‖As‖² = 3 − (s₀s₁ + s₀s₂ + s₁s₂) is at most 4 over signs, 4.5 over unit vectors
        let a = Matrix::from_vec(2, 3, vec![1.0, -0.5, -0.5, 0.0, 0.75_f64.sqrt(), -0.75_f64.sqrt()]);
        let program = Program { matrix: a, slack: 0.0 };
        let proof = |weight: f64, delta: f64| SignProof {
            gamma: vec![1.0],
            delta: vec![delta * (1.0 + 1e-9); 3],
            cuts: vec![SignCut(vec![2, 3, 4], vec![-1, -1, -1], weight)],
        };
        let bound = |weight, delta| proved_bound(&program, InputNorm::L2, &proof(weight, delta)).expect("proved");
        assert!((bound(0.0, 1.5).powi(2) - 4.5).abs() < 1e-7);
        // with μ = ½ all products vanish: q = Σ(δ − 1)s²
        assert!((bound(0.5, 1.0).powi(2) - 4.0).abs() < 1e-7, "{}", bound(0.5, 1.0).powi(2));
        let twice = |cycle| SignProof { cuts: vec![SignCut(cycle, vec![-1, 1, 1], 0.125)], ..proof(0.0, 3.0) };
        for cycle in [vec![2, 2, 3], vec![2, 3, 3], vec![3, 2, 3]] {
            assert!(proved_bound(&program, InputNorm::L2, &twice(cycle)).is_err(), "a variable twice");
        }
        let across = SignCut(vec![0, 2, 1, 3], vec![1, 1, -1, 1], 0.5);
        let proof = SignProof { cuts: vec![across], ..proof(0.0, 3.0) };
        assert!(proved_bound(&program, InputNorm::L2, &proof).is_err(), "inputs are no signs in l2");
    }
}
