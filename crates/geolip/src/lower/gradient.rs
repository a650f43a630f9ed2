//! ‖J(v)ᵀu‖ for given slopes v, rounded down: the one evaluation behind every lower bound that is reported.

use crate::certificate::rounding::UNIT;
use crate::matrix::{Matrix, Store};
use crate::network::{Network, Op};
use crate::problem::{Functional, InputNorm};
use crate::spectral;
use std::sync::OnceLock;

/// Covers the rounding of the error bounds themselves, sums of fewer than 10⁶ non-negative terms.
const INFLATE: f64 = 1.0 + 1e-9;
/// Relative loss by the entrywise error bound above which the normwise one is tried too.
const LOSS: f64 = 1e-9;

/// Lower bounds of ‖J(v)ᵀu‖ for one network and norm.
///
/// **Claim.** [`GradientBound::lower`] is at most the exact dual norm for exactly the slopes given. **Rounding.** Two bounds
/// on the error of the computed gradient g are carried along, and the better result counts:
///
/// * *entrywise*, e ← |A|ᵀe + ρ|A|ᵀ|g| through a linear map whose longest sum has n terms, ρ = (n+4)u, and |v|e + 2u|v g|
///   through an activation; the norm is taken of max(|gᵢ| − eᵢ, 0);
/// * *normwise*, ε ← ‖A‖₂ε + ‖ρ|A|ᵀ|g|‖₂ with a certified bound of ‖A‖₂, and max|v|·ε + ‖2u|v g|‖₂; from the dual norm
///   of g, ε is subtracted, √n₀ times for ℓ1. In deep networks it grows far more slowly.
#[derive(Debug)]
pub struct GradientBound<'a> {
    network: &'a Network,
    norm: InputNorm,
    /// Bounds of ‖A‖₂ per node and term: made when first needed.
    spectral: OnceLock<Vec<Vec<f64>>>,
}

/// A computed gradient at one node with both error bounds.
#[derive(Clone)]
struct Computed {
    g: Matrix,
    entrywise: Matrix,
    normwise: f64,
}

impl<'a> GradientBound<'a> {
    /// Prepares for a network.
    pub fn new(network: &'a Network, norm: InputNorm) -> Self {
        Self { network, norm, spectral: OnceLock::new() }
    }

    /// At most ‖J(v)ᵀu‖. **Shapes.** `slopes` holds one list per activation layer in topological order.
    pub fn lower(&self, functional: Functional, slopes: &[Vec<f64>]) -> f64 {
        let entrywise = self.gradient(functional, slopes, None);
        let certain = entrywise.g.data().iter().zip(entrywise.entrywise.data());
        let bound = self.rounded_down(certain.map(|(g, e)| (g.abs() - e * INFLATE).max(0.0)), 0.0);
        let plain = self.norm.dual(entrywise.g.data().iter().copied());
        if bound >= plain * (1.0 - LOSS) {
            return bound;
        }
        let spectral = self.spectral.get_or_init(|| spectral_norms(self.network));
        let normwise = self.gradient(functional, slopes, Some(spectral));
        let factor = match self.norm {
            InputNorm::Linf => (self.network.inputs() as f64).sqrt(),
            InputNorm::L2 => 1.0,
        };
        let loss = factor * normwise.normwise * INFLATE;
        bound.max(self.rounded_down(normwise.g.data().iter().map(|g| g.abs()), loss))
    }

    /// The dual norm less `loss`, with the rounding of both taken off; 0 where that is negative or not finite.
    fn rounded_down(&self, g: impl Iterator<Item = f64> + Clone, loss: f64) -> f64 {
        let norm = self.norm.dual(g) * (1.0 - (self.network.inputs() + 8) as f64 * UNIT);
        let value = ((norm - loss) * (1.0 - 4.0 * UNIT)).max(0.0);
        if value.is_finite() { value } else { 0.0 }
    }

    /// The gradient with respect to the input; normwise errors only where spectral norms are given.
    fn gradient(&self, functional: Functional, slopes: &[Vec<f64>], spectral: Option<&Vec<Vec<f64>>>) -> Computed {
        let nodes = self.network.nodes();
        let zero = |len| Computed { g: Matrix::zeros(len, 1), entrywise: Matrix::zeros(len, 1), normwise: 0.0 };
        let mut computed: Vec<Computed> = nodes.iter().map(|n| zero(n.len)).collect();
        functional.entries().for_each(|(i, u)| *computed[self.network.output().index()].g.at_mut(i, 0) = u);
        let mut layer = slopes.len();
        for (index, node) in nodes.iter().enumerate().rev() {
            let (before, rest) = computed.split_at_mut(index);
            let own = &rest[0];
            match &node.op {
                Op::Input => {}
                Op::Affine { terms, .. } => {
                    for (t, term) in terms.iter().enumerate() {
                        let target = &mut before[term.parent.index()];
                        let rounding = (term.map.longest_sum() + terms.len() + 4) as f64 * UNIT;
                        term.map.adjoint(&own.g, Store::Add, &mut target.g);
                        let mut source = own.g.abs();
                        source.data_mut().iter_mut().for_each(|g| *g *= rounding * INFLATE);
                        if let Some(spectral) = spectral {
                            let mut fresh = Matrix::zeros(target.g.rows(), 1);
                            term.map.abs_adjoint(&source, Store::Replace, &mut fresh);
                            target.normwise += (spectral[index][t] * own.normwise + length(&fresh)) * INFLATE;
                        }
                        source.data_mut().iter_mut().zip(own.entrywise.data()).for_each(|(s, e)| *s += e * INFLATE);
                        source.data_mut().iter_mut().for_each(|s| *s *= INFLATE);
                        term.map.abs_adjoint(&source, Store::Add, &mut target.entrywise);
                        add_rounding(target);
                    }
                }
                Op::Activate { parent, .. } => {
                    layer -= 1;
                    let target = &mut before[parent.index()];
                    let mut fresh = Matrix::zeros(node.len, 1);
                    let mut steepest: f64 = 0.0;
                    for (j, v) in slopes[layer].iter().enumerate() {
                        steepest = steepest.max(v.abs());
                        *target.g.at_mut(j, 0) += v * own.g.at(j, 0);
                        *fresh.at_mut(j, 0) = 2.0 * UNIT * v.abs() * own.g.at(j, 0).abs();
                        let carried = v.abs() * own.entrywise.at(j, 0);
                        *target.entrywise.at_mut(j, 0) += (carried + fresh.at(j, 0)) * INFLATE;
                    }
                    target.normwise += (steepest * own.normwise + length(&fresh)) * INFLATE;
                    add_rounding(target);
                }
            }
        }
        computed.swap_remove(0)
    }
}

/// The rounding of the sum that has just been stored at a node with several readers, and a guard against underflow.
fn add_rounding(target: &mut Computed) {
    let pairs = target.entrywise.data_mut().iter_mut().zip(target.g.data());
    pairs.for_each(|(e, g)| *e += 2.0 * UNIT * g.abs() + f64::MIN_POSITIVE);
    target.normwise += (2.0 * UNIT * length(&target.g) + target.g.rows() as f64 * f64::MIN_POSITIVE) * INFLATE;
}

/// ‖v‖₂, up to INFLATE.
fn length(v: &Matrix) -> f64 {
    InputNorm::L2.dual(v.data().iter().copied())
}

fn spectral_norms(network: &Network) -> Vec<Vec<f64>> {
    let norms = network.nodes().iter().map(|node| match &node.op {
        Op::Input | Op::Activate { .. } => Vec::new(),
        Op::Affine { terms, .. } => terms.iter().map(|t| spectral::roughly(&t.map)).collect(),
    });
    norms.collect()
}
