//! Cuts: bounds below the semidefinite relaxation, at any depth.
//!
//! # The claim
//!
//! ‖J(v)ᵀu‖ is convex in every single slope v, so the FGL is attained at *vertices*, where every slope is α or β. A vertex gives every neuron a sign
//! t (1: v = β, −1: v = α), and
//!
//! > P = z − αh, N = βh − z: P = 0 where t = −1, N = 0 where t = 1.
//!
//! In ℓ∞ the inputs of a vertex are signs, too. With e the constant 1, multipliers ζ, γ, λ, μ ≥ 0 and ε, τ, κ, ν, ρ, ω of any sign, let
//!
//! > q = ε e² + Σ ζᵢ wᵢ² + Σ γᵢ xᵢ² + Σ τⱼ tⱼ² − Σ λⱼ Pⱼ Nⱼ − 2 e uᵀy − 2 Σ κⱼ Pⱼ(tⱼ − e) − 2 Σ νⱼ Nⱼ(tⱼ + e)
//! >   \+ 2 Σ_c μ_c (s₀ ab + s₁ ac + s₂ bc) − 2 Σ_c Q_c + 2 Σ_c A_c + 2 Σ_g ω_g e(Σ (e + t) − 2e),
//!
//! with 2 wᵀy in the place of 2 e uᵀy for a norm of the output. A *triangle* c has three variables a, b, c among e, signs and inputs, and signs s with
//! s₀s₁s₂ = −1. A *vertex cut* c has two of them, A and B, neither e, with
//!
//! > ψ⁺ = a P + b (e + t), ψ⁻ = c N + d (e − t) for a sign, ψ⁺ = c (e + x), ψ⁻ = d (e − x) for an input,
//! > Q = ψ_A⁺² + ψ_A⁻² + ψ_B⁺² + ψ_B⁻² − 2(ψ_A⁺ψ_B⁺ + ψ_A⁺ψ_B⁻ + ψ_A⁻ψ_B⁺ − ψ_A⁻ψ_B⁻),
//!
//! and any coefficients. A and the sums with ω are about *groups*, if there are any: then all of this is about the network with groups that the choices of
//! the proof give ([`crate::slopes::grouped`]), and vertices are those at which exactly one slope of each group is 1. For two neurons of one group,
//! P, t of the one and P′, t′ of the other,
//!
//! > A = ρ₀ PP′ + ρ₁ P(e + t′) + ρ₂ (e + t)P′ + ρ₃ (e + t)(e + t′),
//!
//! and the sum with ω is over all neurons of the group g.
//!
//! **Claim.** If q ≥ 0 everywhere, then FGL ≤ ½(ε + Z + Σ τ + Γ) + Σ μ, where Γ bounds Σ γᵢxᵢ² and Z bounds Σ ζᵢwᵢ² on their unit
//! balls ([`crate::form::support`]; for a functional Z = 0).
//!
//! *Proof.* At the vertex that attains the FGL (with e = 1, and for a norm w in the unit ball of its dual that attains it) PⱼNⱼ = Pⱼ(tⱼ − e) = Nⱼ(tⱼ + e) = 0.
//! Three products of signs whose product is −1 (that of ab, ac, bc is 1) have a sum of at most 1. On either side of a vertex cut one ψ is 0, and what is
//! left of Q is (ψ_A − ψ_B)² ≥ 0, or (ψ_A + ψ_B)² where both are ψ⁻. Of two neurons of a group one at least is off, so that its P and e + t are 0 and A = 0; and one of
//! all is on, so that the sum of e + t is 2e. With e² = t² = 1, 2 FGL ≤ ε + Z + Σ τ + Γ + 2 Σ μ. ∎
//!
//! Unit vectors in the place of signs break triangles and vertex cuts, which is why these bounds can be below the relaxation.
//! For pairs of slopes without signs, vertex cuts with b = d = 0 are the quadratic constraints of full-block multipliers (LipSDP-Network and its kin) in closed form.
//!
//! | file | what |
//! | --- | --- |
//! | `mod.rs` | the claim, and what is asked of its numbers |
//! | `shape.rs` | where the variables stand |
//! | `atoms.rs` | q as a form of the variables and the pre-activations, with an error bound for every entry |
//! | `lifted.rs` | the pre-activations put in, and the proof that q ≥ 0 |

mod atoms;
mod lifted;
mod shape;

use super::certificate::{Certificate, check_output, fits, unfit};
use super::file::{Claim, Proof};
use super::rejection::Rejection;
use super::room::Room;
use crate::form::coefficients::expand;
use crate::form::support::input_support;
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::rounding::{add_up, mul_up, sum_up};
use crate::slopes::SlopeNetwork;
use crate::slopes::choices::Choice;
use crate::slopes::grouped::Grouped;
use atoms::Atoms;
use serde::{Deserialize, Serialize};
use shape::{Shape, bytes};

/// What proves a bound with cuts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutProof {
    /// ε.
    pub constant: f64,
    /// ζ ≥ 0: none for a functional, one for the ℓ2 norm of the output, one per output for ℓ1.
    pub zeta: Vec<f64>,
    /// γ ≥ 0: one per input in ℓ∞ and ℓp, a single one in ℓ2.
    pub gamma: Vec<f64>,
    /// λ ≥ 0: one per neuron, by layer.
    pub lambda: Vec<Vec<f64>>,
    /// The neurons that have signs: variables 1, 2, … in this order; the constant is variable 0, and inputs follow after the signs.
    pub signs: Vec<Sign>,
    /// The triangles.
    pub triangles: Vec<Triangle>,
    /// The vertex cuts.
    pub vertices: Vec<VertexCut>,
    /// The entries that are choices. Where there are any, all else is about the grouped network and its layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// Of two signs of one group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<Apart>,
    /// Of all signs of one group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whole: Vec<Whole>,
}

impl CutProof {
    /// Whether anything in it is about groups.
    pub fn has_groups(&self) -> bool {
        !(self.choices.is_empty() && self.apart.is_empty() && self.whole.is_empty())
    }
}

/// (layer, neuron, τ, κ, ν) of a neuron whose slope is not fixed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sign(pub usize, pub usize, pub f64, pub f64, pub f64);

/// Variables a, b, c, the signs of ab, ac, bc, and μ ≥ 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Triangle(pub [usize; 3], pub [i8; 3], pub f64);

/// Variables A and B, with the coefficients of ψ: four for a sign, two for an input, those of A first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VertexCut(pub usize, pub usize, pub Vec<f64>);

/// Checks one claim that is to be proved by cuts, with so much room for its form.
pub(super) fn check(
    network: &SlopeNetwork,
    norm: InputNorm,
    claim: &Claim,
    room: Room,
) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    let Proof::Cuts(proof) = &claim.proof else {
        return Err(unfit(claim, "it has to be proved by cuts, but is not"));
    };
    let unfit = |reason: String| unfit(claim, &reason);
    room.writes_out(network, claim)?;
    let grouped = match proof.choices.as_slice() {
        [] => None,
        choices => Some(Grouped::new(network, choices, room.bytes()).map_err(unfit)?),
    };
    let (inner, groups) = grouped.as_ref().map_or((network, &[][..]), |grouped| (grouped.network(), grouped.groups()));
    check_numbers(inner, (norm, &claim.output), proof).map_err(unfit)?;
    room.writes_out(inner, claim)?;
    let (layers, output) = expand(inner, room.bytes()).ok_or_else(|| room.exceeded(claim))?;
    let shape = Shape::new((inner, groups), &layers, &claim.output, proof).map_err(unfit)?;
    room.fits(shape.bytes(), claim)?;
    let rows = claim.output.rows(network.outputs());
    let atoms = Atoms::new(&shape, (norm, proof), (&layers, &output), &rows).map_err(unfit)?;
    let holds = lifted::prove(&shape, atoms, &layers);
    holds
        .map_err(|place| unfit(format!("its matrix is not positive semidefinite (found at {})", shape.name(place))))?;
    Certificate::accept(network, norm, claim, bound((norm, &claim.output), proof))
}

/// Variables A and B, signs t and t′ of two neurons of one group, and the multipliers of PP′, P(e + t′), (e + t)P′ and (e + t)(e + t′).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Apart(pub usize, pub usize, pub [f64; 4]);

/// A group all of whose neurons have signs, by its number, and the multiplier of e(Σ (e + t) − 2e).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whole(pub usize, pub f64);

/// What a proof with these numbers proves, rounded up.
pub fn bound((norm, output): (InputNorm, &Functional), proof: &CutProof) -> f64 {
    let outputs = match output {
        Functional::Norm(_) => sum_up(proof.zeta.iter().copied()), // a single one in ℓ2
        Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => 0.0,
    };
    let signs = sum_up(proof.signs.iter().map(|Sign(_, _, tau, _, _)| *tau));
    let squares = sum_up([proof.constant, outputs, signs, input_support(norm, &proof.gamma)]);
    add_up(mul_up(0.5, squares), sum_up(proof.triangles.iter().map(|Triangle(_, _, weight)| *weight)))
}

/// That lists are of the lengths asked for, and their numbers in range.
fn check_numbers(
    network: &SlopeNetwork,
    (norm, output): (InputNorm, &Functional),
    proof: &CutProof,
) -> Result<(), String> {
    let gammas = match norm {
        InputNorm::Linf | InputNorm::Lp(_) => network.inputs(),
        InputNorm::L2 => 1,
        InputNorm::L1 => return Err("cuts prove bounds in linf, l2 and lp".to_owned()),
    };
    let zetas = match output {
        Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => 0,
        Functional::Norm(OutputNorm::L2) => 1,
        Functional::Norm(OutputNorm::L1) => network.outputs(),
        Functional::Norm(OutputNorm::Linf) => return Err("the largest output is proved output by output".to_owned()),
    };
    fits("zeta", proof.zeta.len(), zetas)?;
    fits("gamma", proof.gamma.len(), gammas)?;
    fits("lambda", proof.lambda.len(), network.slopes().len())?;
    for (a, (lambda, slopes)) in proof.lambda.iter().zip(network.slopes()).enumerate() {
        fits(&format!("lambda[{a}]"), lambda.len(), slopes.len())?;
    }
    let lists = proof.zeta.iter().chain(&proof.gamma).chain(proof.lambda.iter().flatten());
    let weights = proof.triangles.iter().map(|Triangle(_, _, weight)| weight);
    if !lists.chain(weights).all(|v| (0.0..f64::INFINITY).contains(v)) {
        return Err("multipliers of what may be positive are finite and not negative".to_owned());
    }
    let signs = proof.signs.iter().flat_map(|Sign(_, _, tau, kappa, nu)| [tau, kappa, nu]);
    let apart = proof.apart.iter().flat_map(|Apart(_, _, multipliers)| multipliers);
    let whole = proof.whole.iter().map(|Whole(_, multiplier)| multiplier);
    let coefficients = proof.vertices.iter().flat_map(|VertexCut(_, _, coefficients)| coefficients);
    let mut free = signs.chain(apart).chain(whole).chain(coefficients).chain([&proof.constant]);
    match free.all(|v| v.is_finite()) {
        true => Ok(()),
        false => Err("multipliers of equations and coefficients of vertex cuts are finite".to_owned()),
    }
}

/// At least the bytes of any proof by cuts about a network, for a claim of so many rows; with groups, whose neurons are at most twice as many as those that
/// their choices write out.
pub(super) fn most_bytes(network: &SlopeNetwork, rows: usize, with_groups: bool) -> f64 {
    let neurons = network.neurons() as f64 * if with_groups { 3.0 } else { 1.0 };
    bytes(network.inputs() as f64, neurons, neurons + rows as f64 + 1.0)
}
