//! The trusted checker: the only place where a [`Certificate`] can be made.
//!
//! It takes a claim (ζ, γ, λ and the bound they are said to prove) and the network, and re-does the proof from these
//! numbers alone: that they are finite and non-negative, that the form q of [`super::form`] is non-negative (proved in
//! floating point by [`super::cholesky`], or tested by [`super::randomised`]), and that what then follows
//! ([`super::support`]), rounded up, does not exceed the bound claimed. For the largest of all outputs it checks a claim for
//! each; for ℓ1, the claims about single inputs, and an interval ([`super::intervals`]) for every other input; case by case
//! ([`super::cases`]), that the cases are all there are, and each by itself; for one hidden layer, programs on signs
//! ([`super::signs`]); on a region, with slope intervals that it works out itself ([`crate::region`]), and part by part
//! ([`super::parts`]), that the parts cover it. It knows nothing of how the multipliers were found, and imports nothing from
//! the solver.
//!
//! | file | what |
//! | --- | --- |
//! | `check.rs` | certificates, and claims that are proved by one form or one program |
//! | `check/file.rs` | all claims of a file |
//! | `check/trees.rs` | claims case by case, and part by part |
//! | `check/inputs.rs` | claims input by input, and by intervals |
//! | `check/room.rs` | the memory that this may take |
//!
//! What you trust when you trust a certificate: this folder, [`crate::matrix`], the network's own definition
//! ([`crate::network`]: weights, slope intervals) and its import, for local bounds [`crate::region`], and IEEE-754 arithmetic.

mod file;
mod inputs;
mod room;
mod trees;

use super::form::{Defect, Multipliers, QuadraticForm};
use super::format::{Claim, FormProof, Proof};
use super::one_hidden::OneHidden;
use super::randomised::{MatrixFreeForm, RandomTest};
use super::randomness::{Draws, Tester};
use super::rejection::Rejection;
use super::signs;
use super::support::proved_bound;
use crate::network::{Network, Slope};
use crate::problem::{Functional, InputNorm, OutputNorm, ProblemError};
use crate::region::{Part, Region};
pub use file::{CheckOptions, check_file, check_file_with};
pub use inputs::{certify_by_intervals, certify_by_patterns, check_inputs, check_intervals};
pub use trees::{CheckedBranch, CheckedCase, check_case};
pub(crate) use trees::{CheckedCut, check_sign_case};

/// A checked upper bound: for every slope pattern v ∈ \[α, β\], ‖J(v)ᵀu‖ in the dual of `norm` (for a norm of the output,
/// the operator norm of J(v)) is at most `upper`, and so is the Lipschitz constant. A theorem about the imported network in
/// real arithmetic, unless its [failure probability](Self::failure_probability) is not zero; only the checker makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    norm: InputNorm,
    /// Where it holds; none for everywhere.
    part: Option<Part>,
    claim: Claim,
    /// Who ran its random tests; none where there are none.
    tested: Option<Tester>,
}

impl Certificate {
    /// The bound.
    pub fn upper(&self) -> f64 {
        self.claim.upper
    }

    /// The norm of input perturbations.
    pub fn norm(&self) -> InputNorm {
        self.norm
    }

    /// Where it holds: on this region, or everywhere.
    pub fn region(&self) -> Option<&Region> {
        self.part.as_ref().map(Part::region)
    }

    /// The part of that region, where it is one.
    pub(crate) fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    /// What is measured of the output.
    pub fn functional(&self) -> &Functional {
        &self.claim.output
    }

    /// What proves it.
    pub fn proof(&self) -> &Proof {
        &self.claim.proof
    }

    /// 0 for a proof; for a probabilistic certificate, the probability that its tests pass what is not true.
    pub fn failure_probability(&self) -> f64 {
        failure_probability(&self.claim.proof)
    }

    /// Who ran the random tests behind it; none where it is proved outright.
    pub fn tested_by(&self) -> Option<Tester> {
        self.tested
    }

    /// The claim this certificate proves, for a file.
    pub fn claim(&self) -> Claim {
        self.claim.clone()
    }

    /// The same bound in ℓ1, whose unit ball lies in that of ℓ2; none if this is not one in ℓ2.
    pub fn of_l2_in_l1(self) -> Option<Self> {
        (self.norm == InputNorm::L2).then_some(Self { norm: InputNorm::L1, ..self })
    }

    /// The certificate of the largest output, from those of all outputs of a network in their order; none if these are
    /// something else.
    pub fn of_largest_output(network: &Network, outputs: &[Self]) -> Option<Self> {
        let norm = outputs.first()?.norm;
        let part = network.part();
        let fits =
            |(i, c): (usize, &Self)| c.norm == norm && c.part() == part && *c.functional() == Functional::Output(i);
        if outputs.len() != network.outputs() || !outputs.iter().enumerate().all(fits) {
            return None;
        }
        let upper = outputs.iter().map(Self::upper).fold(0.0, f64::max);
        let proof = Proof::Outputs(outputs.iter().map(Self::claim).collect());
        let tested = outputs.iter().find_map(|certificate| certificate.tested);
        let claim = Claim { output: Functional::Norm(OutputNorm::Linf), upper, proof };
        Some(Self { norm, part: part.cloned(), claim, tested })
    }
}

/// Checks one claim that is to be proved on signs, with these slope intervals.
fn check_signs(
    layer: &OneHidden<'_>,
    norm: InputNorm,
    claim: &Claim,
    slopes: &[Slope],
) -> Result<Certificate, Rejection> {
    check_output(layer.network(), claim)?;
    let Proof::Signs(proof) = &claim.proof else {
        return Err(unfit(claim, "it has to be proved on signs, but is not"));
    };
    let u = claim.output.entries().ok_or_else(|| unfit(claim, "a norm of the output is not proved on signs"))?;
    let proved =
        signs::proved_bound(&layer.program(&u, slopes), norm, proof).map_err(|reason| unfit(claim, &reason))?;
    accept(layer.network(), norm, claim, proved)
}

/// At most the sum over all random tests behind a proof.
fn failure_probability(proof: &Proof) -> f64 {
    let of = |form: &FormProof| form.random_test.map_or(0.0, |test| test.failure_probability);
    match proof {
        Proof::Multipliers(form) => of(form),
        Proof::Outputs(claims) => claims.iter().map(|claim| failure_probability(&claim.proof)).sum(),
        Proof::Inputs(inputs) => inputs.iter().map(|input| of(&input.multipliers)).sum(),
        // the checker refuses random tests there
        Proof::Signs(_) | Proof::Cases(_) | Proof::Intervals | Proof::Patterns | Proof::Parts(_) => 0.0,
    }
}

/// Checks one claim that is to be proved outright by one form.
///
/// The form has to be that of the network itself: one of a case ([`check_case`]) proves nothing about the others.
pub fn check(form: &QuadraticForm<'_>, norm: InputNorm, claim: &Claim) -> Result<Certificate, Rejection> {
    if !form.fixings().is_empty() {
        return Err(unfit(claim, "the form fixes some neurons"));
    }
    check_form(form.network(), norm, claim, |functional, multipliers, _| {
        form.prove(norm, functional, multipliers).map_err(|defect| describe(form.network(), defect))
    })
}

/// Checks one claim by its random test number `test` (see [`super::randomised`]); a claim that has none is rejected. Another
/// number, or another tester, draws other random vectors. Whether an elimination is affordable is not asked here.
pub fn check_probabilistic(
    form: &MatrixFreeForm<'_>,
    norm: InputNorm,
    claim: &Claim,
    (draws, test): (&Draws, u64),
) -> Result<Certificate, Rejection> {
    let certificate = check_form(form.network(), norm, claim, |functional, multipliers, random_test| {
        let random_test = random_test.ok_or("it is too large for an elimination, and the claim has no random test")?;
        // the margin and the top are hints, fitted to the draws of whoever made the claim
        let random_test = match draws.tester() {
            Tester::Maker => random_test,
            Tester::Checker(_) => random_test.with_room(),
        };
        form.test(norm, functional, multipliers, random_test, &mut draws.stream(test))
    })?;
    Ok(Certificate { tested: Some(draws.tester()), ..certificate })
}

/// Everything about a claim with one form but that this is non-negative, which `prove` answers for.
fn check_form(
    network: &Network,
    norm: InputNorm,
    claim: &Claim,
    prove: impl FnOnce(&Functional, &Multipliers, Option<RandomTest>) -> Result<(), String>,
) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    let Proof::Multipliers(form) = &claim.proof else {
        return Err(unfit(claim, "it has to be proved by multipliers, but has none of its own"));
    };
    check_shapes(network, norm, &claim.output, form)?;
    check_numbers(claim, form)?;
    let multipliers = form.multipliers();
    let proved = proved_bound(norm, &claim.output, &multipliers);
    prove(&claim.output, &multipliers, form.random_test)
        .map_err(|reason| Rejection::NotProved { output: claim.output.to_string(), reason })?;
    accept(network, norm, claim, proved)
}

/// The certificate, if what is proved is what is claimed.
fn accept(network: &Network, norm: InputNorm, claim: &Claim, proved: f64) -> Result<Certificate, Rejection> {
    if claim.upper >= proved && claim.upper.is_finite() {
        Ok(Certificate { norm, part: network.part().cloned(), claim: claim.clone(), tested: None })
    } else {
        Err(Rejection::Claim { output: claim.output.to_string(), proved, claimed: claim.upper })
    }
}

fn unfit(claim: &Claim, reason: &str) -> Rejection {
    Rejection::NotProved { output: claim.output.to_string(), reason: reason.to_owned() }
}

fn check_output(network: &Network, claim: &Claim) -> Result<(), Rejection> {
    claim.output.fits(network).map_err(|error: ProblemError| Rejection::Output {
        output: claim.output.to_string(),
        reason: error.to_string(),
    })
}

fn check_shapes(
    network: &Network,
    norm: InputNorm,
    functional: &Functional,
    form: &FormProof,
) -> Result<(), Rejection> {
    let check = |what: String, found: usize, expected: usize| {
        if found == expected {
            Ok(())
        } else {
            Err(Rejection::Shape { output: functional.to_string(), what, found, expected })
        }
    };
    let gammas = match norm {
        InputNorm::Linf | InputNorm::Lp(_) => network.inputs(),
        InputNorm::L2 | InputNorm::L1 => 1,
    };
    check("zeta".into(), form.zeta.len(), functional.zetas(network.outputs()))?;
    check("gamma".into(), form.gamma.len(), gammas)?;
    check("lambda".into(), form.lambda.len(), network.activations().count())?;
    for (a, (lambda, (node, _, _))) in form.lambda.iter().zip(network.activations()).enumerate() {
        check(format!("lambda[{a}]"), lambda.len(), network.node(node).len)?;
    }
    Ok(())
}

fn check_numbers(claim: &Claim, form: &FormProof) -> Result<(), Rejection> {
    let lambdas = form.lambda.iter().enumerate();
    let numbers = std::iter::once(("upper".to_owned(), claim.upper))
        .chain(form.zeta.iter().enumerate().map(|(i, v)| (format!("zeta[{i}]"), *v)))
        .chain(form.gamma.iter().enumerate().map(|(i, v)| (format!("gamma[{i}]"), *v)))
        .chain(lambdas.flat_map(|(a, l)| l.iter().enumerate().map(move |(j, v)| (format!("lambda[{a}][{j}]"), *v))));
    for (what, value) in numbers {
        if !(0.0..f64::INFINITY).contains(&value) {
            return Err(Rejection::Number { output: claim.output.to_string(), what, value });
        }
    }
    Ok(())
}

fn describe(network: &Network, defect: Defect) -> String {
    let layers = network.activations().count();
    let variable = |block: usize, index: usize| match block {
        0 => format!("input {index}"),
        b if b <= layers => format!("neuron {index} of activation layer {}", b - 1),
        _ => "the bound itself (zeta)".to_owned(),
    };
    match defect {
        Defect::Diagonal { block, index } => format!("{} has no positive multiplier", variable(block, index)),
        Defect::Range { block, index } => {
            format!("the multiplier of {} is outside the range that can be computed with", variable(block, index))
        }
        Defect::Pivot(at) => {
            format!("its matrix is not positive semidefinite (found at {})", variable(at.block, at.index))
        }
    }
}
