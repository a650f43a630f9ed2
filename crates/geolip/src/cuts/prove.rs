//! From multipliers to a claim that the checker accepts.
//!
//! What the ascent leaves is feasible up to its own error. A convex combination of valid forms is one, so a part s of the relaxation's own form, whose
//! multipliers are tilted until it is positive definite, is mixed in; the smallest s that is proved is looked for. At s = 1 the bound is near the relaxation's.

use super::Question;
use super::cut::{Cut, Kind};
use super::start::Sizes;
use crate::form::support::input_support;
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::proof::cuts::bound;
use crate::proof::{Apart, Certificate, Claim, CutProof, Proof, Sign, Triangle, VertexCut, Whole, prove};
use crate::slopes::SlopeNetwork;
use crate::slopes::choices::Choice;

/// The part of the relaxation that is tried first, what it is multiplied or divided by, and where to give up.
const FIRST: f64 = 4e-5;
const STEP: f64 = 3.0;
const LARGEST: f64 = 0.3;
/// The part that is tried first where a bound may lose about as much.
const ROUGH: f64 = 1e-3;
/// The least multiplier of a sign, as a fraction of their mean, of what is mixed in.
const LEAST_SIGN: f64 = 1e-3;

/// Multipliers of the lifted form, for an objective divided by the relaxation's value.
#[derive(Clone, Debug)]
pub(super) struct Lifted {
    pub constant: f64,
    pub zeta: Vec<f64>,
    pub gamma: Vec<f64>,
    /// Per free neuron λ and τ, κ and ν, of p = P/(β − α) and n = N/(β − α); λ of −2pn.
    pub lambda: Vec<f64>,
    pub tau: Vec<f64>,
    pub kappa: Vec<f64>,
    pub nu: Vec<f64>,
    pub cuts: Vec<Cut>,
}

/// What proposals are made of.
pub(super) struct Prover<'a> {
    network: &'a SlopeNetwork,
    choices: &'a [Choice],
    norm: InputNorm,
    functional: &'a Functional,
    sizes: &'a Sizes,
    memory: usize,
}

impl<'a> Prover<'a> {
    pub fn new(question: Question<'a>, sizes: &'a Sizes) -> Self {
        let norm = question.vectors.norm();
        let (network, choices) = match question.groups {
            None => (question.vectors.network(), &[][..]),
            Some(groups) => (groups.network, groups.choices.as_slice()),
        };
        Self { network, choices, norm, functional: question.functional, sizes, memory: question.memory }
    }

    /// The proof with a part `s` of the relaxation.
    fn proposal(&self, lifted: &Lifted, s: f64) -> CutProof {
        let (definite, neurons) = (&self.sizes.definite, &self.sizes.neurons);
        let own = (1.0 - s) * self.sizes.value;
        let free = |own_multiplier: f64, other: f64| own * own_multiplier + s * other;
        let mix = |own_multiplier: f64, other: f64| free(own_multiplier.max(0.0), other);
        // the relaxation's, scaled so that both halves of its bound are equal
        let outputs = match self.functional {
            Functional::Norm(OutputNorm::L1) => definite.zeta.iter().sum::<f64>(),
            _ => definite.zeta[0],
        };
        let rho = (input_support(self.norm, &definite.gamma) / outputs).sqrt();
        let pairs = lifted.gamma.iter().zip(&definite.gamma);
        let gamma = pairs.map(|(gamma, other)| mix(*gamma, other / rho)).collect();
        let zeta = lifted.zeta.iter().zip(&definite.zeta).map(|(zeta, other)| mix(*zeta, other * rho)).collect();
        // with a norm of the output the constant stands in links and cuts alone
        let constant = if self.functional.is_norm() { self.sizes.value } else { definite.zeta[0] * rho };
        let constant = free(lifted.constant, constant);
        let scaled = |lambda: &Vec<f64>| lambda.iter().map(|l| s * l / rho).collect();
        let mut lambda: Vec<Vec<f64>> = definite.lambda.iter().map(scaled).collect();
        let least = LEAST_SIGN * lifted.tau.iter().map(|t| t.max(0.0)).sum::<f64>() / neurons.len() as f64;
        let signs = neurons.iter().enumerate().map(|(j, neuron)| {
            lambda[neuron.layer][neuron.index] += 2.0 * own * lifted.lambda[j].max(0.0) / neuron.width().powi(2);
            let tau = free(lifted.tau[j], self.sizes.value * (lifted.tau[j].max(0.0) + least));
            let link = |multiplier: f64| own * multiplier / neuron.width();
            Sign(neuron.layer, neuron.index, tau, link(lifted.kappa[j]), link(lifted.nu[j]))
        });
        let signs = signs.collect();
        let (mut triangles, mut vertices) = (Vec::new(), Vec::new());
        let (mut apart, mut whole) = (Vec::new(), Vec::new());
        for cut in lifted.cuts.iter().filter(|cut| cut.mu != 0.0) {
            let weight = own * cut.mu;
            match &cut.kind {
                Kind::Apart([a, b], which) => {
                    let mut multipliers = [0.0; 4];
                    multipliers[usize::from(*which)] = weight;
                    apart.push(Apart(*a as usize, *b as usize, multipliers));
                }
                Kind::Whole(group, ..) => whole.push(Whole(*group as usize, weight)),
                Kind::Triangle(variables, signs) => {
                    triangles.push(Triangle(variables.map(|v| v as usize), *signs, weight));
                }
                Kind::Vertex([a, b], coefficients) => {
                    let (a, b, root) = (*a as usize, *b as usize, weight.sqrt());
                    let of = |variable: usize, c: &[f64]| match neurons.get(variable - 1) {
                        Some(neuron) => {
                            vec![root * c[0] / neuron.width(), root * c[1], root * c[2] / neuron.width(), root * c[3]]
                        }
                        None => vec![root * c[0], root * c[1]],
                    };
                    vertices.push(VertexCut(a, b, [of(a, &coefficients[..4]), of(b, &coefficients[4..])].concat()));
                }
            }
        }
        let choices = self.choices.to_vec();
        CutProof { constant, zeta, gamma, lambda, signs, triangles, vertices, choices, apart, whole }
    }

    /// The certificate with a small part of the relaxation, and that part: the first that is proved of a few, smaller ones as long as what they may save
    /// is worth more than `worth`, relatively.
    pub fn certify(&self, lifted: &Lifted, worth: f64) -> Option<(Certificate, f64)> {
        let attempt = |part: f64| self.attempt(self.proposal(lifted, part)).map(|certificate| (certificate, part));
        let Some(mut best) = attempt(FIRST) else {
            return parts(FIRST * STEP).find_map(attempt);
        };
        while best.1 > worth {
            let Some(next) = attempt(best.1 / STEP) else { break };
            best = next;
        }
        Some(best)
    }

    fn attempt(&self, proof: CutProof) -> Option<Certificate> {
        let upper = bound((self.norm, self.functional), &proof);
        let claim = Claim { output: self.functional.clone(), upper, proof: Proof::Cuts(proof) };
        prove(self.network, self.norm, &claim, self.memory).ok()
    }

    /// The certificate with the first part that is proved, from one that needs no exact solution.
    pub fn roughly(&self, lifted: &Lifted) -> Option<Certificate> {
        parts(ROUGH).find_map(|part| self.attempt(self.proposal(lifted, part)))
    }

    /// A certificate of at most `target`, with as large a part of the relaxation as that allows.
    pub fn within(&self, lifted: &Lifted, target: f64) -> Option<Certificate> {
        let bound_with = |part: f64| bound((self.norm, self.functional), &self.proposal(lifted, part));
        let (own, other) = (bound_with(0.0), bound_with(LARGEST));
        let left = (target - own) / (other - own).max(f64::MIN_POSITIVE);
        if left.is_nan() || left <= 0.0 {
            return None;
        }
        let mut part = LARGEST * left.min(1.0);
        let mut proof = self.proposal(lifted, part);
        while bound((self.norm, self.functional), &proof) > target {
            part *= 1.0 - 1e-3;
            if part < LARGEST * 1e-12 {
                return None;
            }
            proof = self.proposal(lifted, part);
        }
        self.attempt(proof)
    }
}

/// Parts of the relaxation, the first, and larger ones.
fn parts(first: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(first), |part| (*part < LARGEST).then_some(part * STEP))
}
