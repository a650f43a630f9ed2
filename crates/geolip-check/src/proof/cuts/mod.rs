//! Cuts: bounds below the semidefinite relaxation, at any depth.
//!
//! # The claim
//!
//! ‖J(v)ᵀu‖ is convex in every single slope v, so the FGL is attained at *vertices*, where every slope is α or β. A vertex gives every neuron a sign
//! t (1: v = β, −1: v = α), and
//!
//! > P = z − αh, N = βh − z: P = 0 where t = −1, N = 0 where t = 1.
//!
//! In ℓ∞ the inputs of a vertex are signs, too. With e the constant 1, multipliers ε, ζ, γ, λ, τ, μ ≥ 0 and κ, ν of any sign, let
//!
//! > q = ε e² + Σ ζᵢ wᵢ² + Σ γᵢ xᵢ² + Σ τⱼ tⱼ² − Σ λⱼ Pⱼ Nⱼ − 2 e uᵀy − 2 Σ κⱼ Pⱼ(tⱼ − e) − 2 Σ νⱼ Nⱼ(tⱼ + e)
//! >   \+ 2 Σ_c μ_c (s₀ ab + s₁ ac + s₂ bc) − 2 Σ_c Q_c,
//!
//! with 2 wᵀy in the place of 2 e uᵀy for a norm of the output. A *triangle* c has three variables a, b, c among e, signs and inputs, and signs s with
//! s₀s₁s₂ = −1. A *vertex cut* c has two of them, A and B, neither e, with
//!
//! > ψ⁺ = a P + b (e + t), ψ⁻ = c N + d (e − t) for a sign, ψ⁺ = c (e + x), ψ⁻ = d (e − x) for an input,
//! > Q = ψ_A⁺² + ψ_A⁻² + ψ_B⁺² + ψ_B⁻² − 2(ψ_A⁺ψ_B⁺ + ψ_A⁺ψ_B⁻ + ψ_A⁻ψ_B⁺ − ψ_A⁻ψ_B⁻),
//!
//! and any coefficients. **Claim.** If q ≥ 0 everywhere, then FGL ≤ ½(ε + Z + Σ τ + Γ) + Σ μ, where Γ bounds Σ γᵢxᵢ² and Z bounds Σ ζᵢwᵢ² on their unit
//! balls ([`crate::form::support`]; for a functional Z = 0).
//!
//! *Proof.* At the vertex that attains the FGL (with e = 1, and for a norm w in the unit ball of its dual that attains it) PⱼNⱼ = Pⱼ(tⱼ − e) = Nⱼ(tⱼ + e) = 0.
//! Three products of signs whose product is −1 (that of ab, ac, bc is 1) have a sum of at most 1. On either side of a vertex cut one ψ is 0, and what is
//! left of Q is (ψ_A − ψ_B)² ≥ 0, or (ψ_A + ψ_B)² where both are ψ⁻. So 2 FGL ≤ ε + Z + Σ τ + Γ + 2 Σ μ. ∎
//!
//! Unit vectors in the place of signs break triangles and vertex cuts, which is why these bounds can be below the relaxation.
//! For pairs of slopes without signs, vertex cuts with b = d = 0 are the quadratic constraints of full-block multipliers (LipSDP-Network and its kin) in closed form.
//!
//! | file | what |
//! | --- | --- |
//! | `mod.rs` | the claim, and what is asked of its numbers |
//! | `atoms.rs` | q as a form of the variables and the pre-activations, with an error bound for every entry |
//! | `lifted.rs` | the pre-activations put in, and the proof that q ≥ 0 |

mod atoms;
mod lifted;

use super::certificate::{Certificate, check_output, fits, unfit};
use super::file::{Claim, Proof};
use super::rejection::Rejection;
use super::room::Room;
use crate::form::coefficients::{LayerForm, expand, free_neurons};
use crate::form::support::input_support;
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::rounding::{add_up, mul_up, sum_up};
use crate::slopes::SlopeNetwork;
use atoms::Atoms;
use serde::{Deserialize, Serialize};

/// What proves a bound with cuts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutProof {
    /// ε ≥ 0.
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
}

/// (layer, neuron, τ ≥ 0, κ, ν) of a neuron whose slope is not fixed.
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
    check_numbers(network, (norm, &claim.output), proof).map_err(unfit)?;
    room.writes_out(network, claim)?;
    let (layers, output) = expand(network, room.bytes()).ok_or_else(|| room.exceeded(claim))?;
    let shape = Shape::new(network, &layers, &claim.output, proof).map_err(unfit)?;
    room.fits(shape.bytes(), claim)?;
    let rows = claim.output.rows(network.outputs());
    let atoms = Atoms::new(&shape, (norm, proof), (&layers, &output), &rows).map_err(unfit)?;
    let holds = lifted::prove(&shape, atoms, &layers);
    holds
        .map_err(|place| unfit(format!("its matrix is not positive semidefinite (found at {})", shape.name(place))))?;
    Certificate::accept(network, norm, claim, bound((norm, &claim.output), proof))
}

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
    let taus = proof.signs.iter().map(|Sign(_, _, tau, _, _)| tau);
    let mut squares = lists.chain(weights).chain(taus).chain([&proof.constant]);
    if !squares.all(|v| (0.0..f64::INFINITY).contains(v)) {
        return Err("multipliers are finite and not negative".to_owned());
    }
    let mut free = proof.signs.iter().flat_map(|Sign(_, _, _, kappa, nu)| [kappa, nu]);
    let mut coefficients = proof.vertices.iter().flat_map(|VertexCut(_, _, coefficients)| coefficients);
    match free.all(|v| v.is_finite()) && coefficients.all(|v| v.is_finite()) {
        true => Ok(()),
        false => Err("the multipliers of links and the coefficients of vertex cuts are finite".to_owned()),
    }
}

/// Bytes that a proof takes, about: the form and its errors, the matrix with what is made on the way, and its blocks.
fn bytes(inputs: f64, neurons: f64, others: f64) -> f64 {
    let variables = inputs + neurons + others;
    let form = 2.0 * (variables + neurons - inputs) * (variables + neurons);
    8.0 * (form + 2.5 * variables * variables + neurons * (variables + neurons))
}

/// At least the bytes of any proof by cuts about a network, for a claim of so many rows.
pub(super) fn most_bytes(network: &SlopeNetwork, rows: usize) -> f64 {
    let neurons = network.neurons() as f64;
    bytes(network.inputs() as f64, neurons, neurons + rows as f64 + 1.0)
}

/// What a variable of a cut is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Constant,
    Sign(usize),
    Input(usize),
}

/// Where everything stands among the variables: inputs, signs, free neurons by layer, rows of the output, the constant; and after them, as no
/// variables of their own, the pre-activations of the free neurons.
struct Shape {
    inputs: usize,
    /// Per sign, its free neuron.
    signs: Vec<usize>,
    /// (layer, neuron) of every free neuron.
    neurons: Vec<(usize, usize)>,
    /// Where the free neurons of each layer begin, and their end.
    layers: Vec<usize>,
    /// Rows of a norm of the output; none for a functional.
    rows: usize,
}

impl Shape {
    fn new(
        network: &SlopeNetwork,
        layers: &[LayerForm<'_>],
        output: &Functional,
        proof: &CutProof,
    ) -> Result<Self, String> {
        let neurons = free_neurons(layers);
        let starts = (0..=layers.len()).map(|a| neurons.partition_point(|(layer, _)| *layer < a)).collect();
        let mut signs = Vec::with_capacity(proof.signs.len());
        let mut taken = vec![false; neurons.len()];
        for Sign(layer, neuron, ..) in &proof.signs {
            let at = neurons.binary_search(&(*layer, *neuron));
            let at = at.map_err(|_| {
                format!("neuron {neuron} of activation layer {layer} has no sign: it is none whose slope is free")
            })?;
            if std::mem::replace(&mut taken[at], true) {
                return Err(format!("neuron {neuron} of activation layer {layer} has two signs"));
            }
            signs.push(at);
        }
        let rows = if output.is_norm() { network.outputs() } else { 0 };
        Ok(Self { inputs: network.inputs(), signs, neurons, layers: starts, rows })
    }

    fn sign(&self, sign: usize) -> usize {
        self.inputs + sign
    }

    fn neuron(&self, neuron: usize) -> usize {
        self.inputs + self.signs.len() + neuron
    }

    fn row(&self, row: usize) -> usize {
        self.neuron(self.neurons.len()) + row
    }

    fn constant(&self) -> usize {
        self.row(self.rows)
    }

    /// How many variables there are.
    fn variables(&self) -> usize {
        self.constant() + 1
    }

    /// Of a free neuron.
    fn pre_activation(&self, neuron: usize) -> usize {
        self.variables() + neuron
    }

    /// Variables and pre-activations.
    fn atoms(&self) -> usize {
        self.pre_activation(self.neurons.len())
    }

    /// A variable of a cut.
    fn variable(&self, number: usize) -> Result<Variable, String> {
        let (signs, inputs) = (self.signs.len(), self.inputs);
        match number {
            0 => Ok(Variable::Constant),
            n if n <= signs => Ok(Variable::Sign(n - 1)),
            n if n - signs <= inputs => Ok(Variable::Input(n - signs - 1)),
            n => Err(format!("a cut has variable {n}, which does not exist")),
        }
    }

    /// Bytes that a proof takes, about.
    fn bytes(&self) -> f64 {
        let others = self.variables() - self.inputs - self.neurons.len();
        bytes(self.inputs as f64, self.neurons.len() as f64, others as f64)
    }

    fn name(&self, variable: usize) -> String {
        let neuron = |at: usize| {
            let (layer, neuron) = self.neurons[at];
            format!("neuron {neuron} of activation layer {layer}")
        };
        let (first_sign, first_neuron, first_row) = (self.sign(0), self.neuron(0), self.row(0));
        match variable {
            i if i < first_sign => format!("input {i}"),
            t if t < first_neuron => format!("the sign of {}", neuron(self.signs[t - first_sign])),
            z if z < first_row => neuron(z - first_neuron),
            w if w < self.constant() => format!("output {}", w - first_row),
            _ => "the constant".to_owned(),
        }
    }
}
