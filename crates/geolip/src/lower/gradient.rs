//! ‖J(v)ᵀu‖ (or ‖J(v)‖, for a norm of the output) for given slopes v, rounded down: the one evaluation behind every lower
//! bound that is reported.

use super::proved::SMALLEST;
use crate::matrix::{Matrix, Store};
use crate::network::NodeId;
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::relaxation::Pattern;
use crate::rounding::{UNIT, add_up, gamma_up, mul_up};
use crate::slopes::{SlopeNetwork, SlopeOp};
use crate::spectral;
use std::sync::OnceLock;

/// A norm of weights below which dividing by it would lose digits.
const LEAST_SIZE: f64 = 1e-290;
/// Relative loss by the entrywise error bound above which the normwise one is tried too.
const LOSS: f64 = 1e-9;

/// Steps of the alternation between input and output that looks for the best u.
const STEPS: usize = 12;

/// Lower bounds of ‖J(v)ᵀu‖ for one network and norm.
///
/// **Claim.** [`GradientBound::lower`] is at most the exact dual norm for exactly the slopes given; for a norm of
/// the output it is ‖J(v)ᵀu‖ over the dual norm of some u, which ‖J(v)‖ is the largest of. **Rounding.** Two bounds
/// on the error of the computed gradient g are carried along, and the better result counts:
///
/// * *entrywise*, e ← |A|ᵀe + γ|A|ᵀ|g| through a linear map whose longest sum has n terms, γ = γ_{n+4}, and |v|e + 2u|v g|
///   through an activation; the norm is taken of max(|gᵢ| − eᵢ, 0);
/// * *normwise*, ε ← ‖A‖₂ε + ‖γ|A|ᵀ|g|‖₂ with a certified bound of ‖A‖₂, and max|v|·ε + ‖2u|v g|‖₂; from the dual norm
///   of g, ε is subtracted, √n₀ times for ℓ∞ and ℓp. In deep networks it grows far more slowly.
///
/// Where a slope is known up to ± r only, both also carry r|g|. Numbers of these bounds are rounded up one by one; sums that
/// matrix products make of them are inflated for the additions at a node, of whatever terms, and get 2⁻¹⁰⁷⁴ for every product
/// that may have underflowed. A gradient that overflows, or is not a number, anywhere has the bound 0.
#[derive(Debug)]
pub struct GradientBound<'a> {
    network: &'a SlopeNetwork,
    norm: InputNorm,
    /// Covers the rounding of sums of error bounds, of as many non-negative terms as any node adds up.
    inflate: f64,
    /// Bounds of ‖A‖₂ per node and term: made when first needed.
    spectral: OnceLock<Vec<Vec<f64>>>,
}

/// A pattern with its slopes inside the network's intervals (of its region, if it has one: relaxations may have widened these),
/// worth what `exact`, of the same network, says.
pub(crate) fn pattern_inside(
    network: &SlopeNetwork,
    exact: &GradientBound<'_>,
    functional: &Functional,
    mut pattern: Pattern,
) -> Pattern {
    let intervals = network.tight_slopes();
    for (slopes, own) in pattern.slopes.iter_mut().zip(intervals) {
        slopes.iter_mut().zip(own).for_each(|(v, own)| *v = v.clamp(own.lower, own.upper));
    }
    pattern.value = exact.lower(functional, &pattern.weights, &pattern.slopes);
    pattern
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
    pub fn new(network: &'a SlopeNetwork, norm: InputNorm) -> Self {
        let additions = additions(network).saturating_mul(8) as f64 * UNIT;
        Self { network, norm, inflate: 1.0 + additions.max(1e-9), spectral: OnceLock::new() }
    }

    /// At most ‖J(v)ᵀu‖, or ‖J(v)‖. **Shapes.** `slopes` holds one list per activation layer in topological order;
    /// `weights` one number per output, where the search for u begins (of no meaning for a linear functional).
    pub fn lower(&self, functional: &Functional, weights: &[f64], slopes: &[Vec<f64>]) -> f64 {
        self.lower_of_all(functional, weights, slopes, &[])
    }

    /// As [`Self::lower`], for all slopes that differ from the given ones by at most `open`: one list per activation layer,
    /// or none at all for the given slopes themselves.
    pub(super) fn lower_of_all(
        &self,
        functional: &Functional,
        weights: &[f64],
        slopes: &[Vec<f64>],
        open: &[Vec<f64>],
    ) -> f64 {
        match functional {
            Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => {
                self.along(&functional.entries().unwrap_or_default(), slopes, open)
            }
            Functional::Norm(norm) => {
                let u = self.best_weights(*norm, weights, slopes);
                let size = norm.dual(u.iter().copied()) * (1.0 + (u.len() + 8) as f64 * UNIT);
                let entries: Vec<(usize, f64)> = u.into_iter().enumerate().filter(|(_, v)| *v != 0.0).collect();
                if !(size >= LEAST_SIZE && size.is_finite()) {
                    return 0.0;
                }
                let value = self.along(&entries, slopes, open) / size * (1.0 - 4.0 * UNIT) - 4.0 * SMALLEST;
                if value.is_finite() { value.max(0.0) } else { 0.0 }
            }
        }
    }

    /// A u of large ‖J(v)ᵀu‖ for its dual norm: x ← the direction that Jᵀu grows in most, u ← the weights that Jx has most
    /// of, from two starts.
    fn best_weights(&self, norm: OutputNorm, weights: &[f64], slopes: &[Vec<f64>]) -> Vec<f64> {
        let columns: Vec<Matrix> = slopes.iter().map(|v| Matrix::from_vec(v.len(), 1, v.clone())).collect();
        let m = weights.len();
        let mut best = (vec![0.0; m], 0.0);
        for mut u in [weights.to_vec(), vec![1.0; m]] {
            for _ in 0..STEPS {
                let size = norm.dual(u.iter().copied());
                let gradients = self.network.adjoint(&columns, &Matrix::from_vec(m, 1, u.clone()));
                let g = gradients.of(NodeId::INPUT).data();
                let value = self.norm.dual(g.iter().copied()) / size;
                if value.is_nan() || value <= best.1 * (1.0 + 1e-12) {
                    break;
                }
                best = (u, value);
                let x = self.norm.steepest_direction(g);
                let values = self.network.forward(&columns, &Matrix::from_vec(x.len(), 1, x));
                let y = values.of(self.network.output()).data();
                let largest = y.iter().map(|v| v.abs()).fold(0.0, f64::max);
                u = y
                    .iter()
                    .map(|v| match norm {
                        OutputNorm::L1 => v.signum(),
                        OutputNorm::L2 => v / largest,
                        OutputNorm::Linf => {
                            if v.abs() == largest {
                                v.signum()
                            } else {
                                0.0
                            }
                        }
                    })
                    .collect();
            }
        }
        best.0
    }

    /// At most ‖J(v)ᵀu‖, with u by its non-zero entries, for all slopes within `open` of the given ones.
    pub(super) fn along(&self, u: &[(usize, f64)], slopes: &[Vec<f64>], open: &[Vec<f64>]) -> f64 {
        let Some(entrywise) = self.gradient(u, slopes, open, None) else { return 0.0 };
        let certain = entrywise.g.data().iter().zip(entrywise.entrywise.data());
        // an error that is no number leaves nothing
        let certain = certain.map(|(g, e)| (g.abs() - mul_up(*e, self.inflate)).next_down()).map(|g| g.max(0.0));
        let bound = self.rounded_down(certain, 0.0);
        let plain = self.norm.dual(entrywise.g.data().iter().copied());
        if bound >= plain * (1.0 - LOSS) {
            return bound;
        }
        let spectral = self.spectral.get_or_init(|| spectral_norms(self.network));
        let Some(normwise) = self.gradient(u, slopes, open, Some(spectral)) else { return bound };
        let factor = match self.norm {
            InputNorm::Linf | InputNorm::Lp(_) => (self.network.inputs() as f64).sqrt(),
            InputNorm::L2 | InputNorm::L1 => 1.0,
        };
        let loss = mul_up(mul_up(factor, self.inflate), normwise.normwise);
        bound.max(self.rounded_down(normwise.g.data().iter().map(|g| g.abs()), loss))
    }

    /// The dual norm less `loss`, with the rounding of both taken off; 0 where that is negative or not finite.
    fn rounded_down(&self, g: impl Iterator<Item = f64> + Clone, loss: f64) -> f64 {
        let norm = self.norm.dual(g) * (1.0 - self.norm.dual_error(self.network.inputs()) - 4.0 * UNIT);
        let value = (norm - loss) * (1.0 - 4.0 * UNIT) - 8.0 * SMALLEST; // relative errors hold above the subnormal numbers
        if value.is_finite() { value.max(0.0) } else { 0.0 }
    }

    /// The gradient with respect to the input; normwise errors only where spectral norms are given. None where a number on the
    /// way is not finite.
    fn gradient(
        &self,
        u: &[(usize, f64)],
        slopes: &[Vec<f64>],
        open: &[Vec<f64>],
        spectral: Option<&Vec<Vec<f64>>>,
    ) -> Option<Computed> {
        let nodes = self.network.nodes();
        let zero = |len| Computed { g: Matrix::zeros(len, 1), entrywise: Matrix::zeros(len, 1), normwise: 0.0 };
        let mut computed: Vec<Computed> = nodes.iter().map(|n| zero(n.len)).collect();
        let top = &mut computed[self.network.output().index()].g;
        u.iter().for_each(|(i, u)| *top.at_mut(*i, 0) = *u);
        let mut layer = slopes.len();
        for (index, node) in nodes.iter().enumerate().rev() {
            let (before, rest) = computed.split_at_mut(index);
            let own = &rest[0];
            if own.g.data().iter().any(|g| !g.is_finite()) {
                return None;
            }
            match &node.op {
                SlopeOp::Input => {}
                SlopeOp::Affine { terms } => {
                    for (t, term) in terms.iter().enumerate() {
                        let target = &mut before[term.parent.index()];
                        let rounding = gamma_up(term.map.longest_sum() + 4);
                        // by itself first: a product that is added up onto another sum would also round that at every step
                        let mut product = Matrix::zeros(target.g.rows(), 1);
                        term.map.adjoint(&own.g, Store::Replace, &mut product);
                        target.g.data_mut().iter_mut().zip(product.data()).for_each(|(g, p)| *g += p);
                        let mut source = own.g.abs();
                        source.data_mut().iter_mut().for_each(|g| *g = mul_up(rounding, *g));
                        let underflow = 2.0 * (term.map.longest_sum() + 4) as f64 * SMALLEST;
                        if let Some(spectral) = spectral {
                            let mut fresh = Matrix::zeros(target.g.rows(), 1);
                            term.map.abs_adjoint(&source, Store::Replace, &mut fresh);
                            target.add_normwise(spectral[index][t], own.normwise, &fresh, self.inflate);
                        } else {
                            let errors = source.data_mut().iter_mut().zip(own.entrywise.data());
                            errors.for_each(|(s, e)| *s = mul_up(add_up(*s, *e), self.inflate));
                            term.map.abs_adjoint(&source, Store::Add, &mut target.entrywise);
                        }
                        target.add_rounding(underflow, self.inflate);
                    }
                }
                SlopeOp::Neurons { parent } => {
                    layer -= 1;
                    let target = &mut before[parent.index()];
                    let mut fresh = Matrix::zeros(node.len, 1);
                    let mut steepest: f64 = 0.0;
                    for (j, v) in slopes[layer].iter().enumerate() {
                        let open = open.get(layer).map_or(0.0, |open| open[j]);
                        let most = if open == 0.0 { v.abs() } else { add_up(v.abs(), open) };
                        steepest = steepest.max(most);
                        let g = own.g.at(j, 0);
                        *target.g.at_mut(j, 0) += v * g;
                        let off = mul_up(2.0 * UNIT, v.abs());
                        *fresh.at_mut(j, 0) = mul_up(if open == 0.0 { off } else { add_up(off, open) }, g.abs());
                        if spectral.is_none() {
                            // the sums of e are inflated where they are read
                            let carried = mul_up(mul_up(most, own.entrywise.at(j, 0)), self.inflate);
                            let e = target.entrywise.at_mut(j, 0);
                            *e = add_up(*e, add_up(carried, fresh.at(j, 0)));
                        }
                    }
                    if spectral.is_some() {
                        target.add_normwise(steepest, own.normwise, &fresh, self.inflate);
                    }
                    target.add_rounding(4.0 * SMALLEST, self.inflate);
                }
            }
        }
        Some(computed.swap_remove(0))
    }
}

impl Computed {
    /// ε ← ε + factor·(ε of the reader) + ‖fresh‖₂
    fn add_normwise(&mut self, factor: f64, reader: f64, fresh: &Matrix, inflate: f64) {
        let more = add_up(mul_up(factor, reader), mul_up(length(fresh), inflate));
        self.normwise = add_up(self.normwise, more);
    }

    /// The rounding of the sum that has just been stored at a node with several readers, and what products that underflowed on
    /// the way to one of its entries were at most.
    fn add_rounding(&mut self, underflow: f64, inflate: f64) {
        let pairs = self.entrywise.data_mut().iter_mut().zip(self.g.data());
        pairs.for_each(|(e, g)| *e = add_up(*e, add_up(mul_up(2.0 * UNIT, g.abs()), underflow)));
        let rounding = mul_up(mul_up(2.0 * UNIT, inflate), length(&self.g));
        let underflow = mul_up(self.g.rows() as f64, underflow) + 8.0 * SMALLEST;
        self.normwise = add_up(self.normwise, add_up(rounding, underflow));
    }
}

/// The most numbers that are added up at a node on the way back.
fn additions(network: &SlopeNetwork) -> usize {
    let mut count = vec![8_usize; network.nodes().len()];
    for node in network.nodes() {
        match &node.op {
            SlopeOp::Input => {}
            SlopeOp::Affine { terms } => {
                terms.iter().for_each(|t| count[t.parent.index()] += t.map.longest_sum() + 8);
            }
            SlopeOp::Neurons { parent } => count[parent.index()] += 8,
        }
    }
    let longest = network.nodes().iter().map(|node| node.len).max().unwrap_or(0); // of ‖·‖₂
    count.into_iter().max().unwrap_or(0).max(longest)
}

/// ‖v‖₂, up to the relative rounding of its sum.
fn length(v: &Matrix) -> f64 {
    InputNorm::L2.dual(v.data().iter().copied())
}

fn spectral_norms(network: &SlopeNetwork) -> Vec<Vec<f64>> {
    let norms = network.nodes().iter().map(|node| match &node.op {
        SlopeOp::Input | SlopeOp::Neurons { .. } => Vec::new(),
        SlopeOp::Affine { terms } => terms.iter().map(|t| spectral::roughly(&t.map)).collect(),
    });
    norms.collect()
}
