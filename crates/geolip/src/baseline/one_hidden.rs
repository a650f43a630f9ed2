//! Networks with at most one hidden layer as bilinear programs over signs.
//!
//! **Claim.** Where x is the only activation layer's input, uᵀJ(v) = s + Σⱼ gⱼ vⱼ ∂hⱼ/∂x, with v = c + r∘t, t ∈ \[−1, 1\]ⁿ.
//! So with the n₀ × (n+1) matrix A, Aᵢⱼ = gⱼ rⱼ ∂hⱼ/∂xᵢ and last column sᵢ + Σⱼ gⱼ cⱼ ∂hⱼ/∂xᵢ,
//!
//! > FGL = max over t of ‖A (t, 1)‖* = max over signs t of the same.
//!
//! For a ReLU network without skips this is A = ½\[W₁ᵀdiag(u), W₁ᵀu\] (GeoLIP, NeurIPS 2022, §3).
//!
//! **Rounding.** The stored matrix differs from the exact one by at most `slack` in the sum of all absolute values, which is
//! also the most by which the FGL can differ in either norm.

use super::{NotApplicable, Question, entries, roundings};
use crate::certificate::rounding::gamma_up;
use crate::matrix::{Matrix, Store};
use crate::network::{LinearMap, Network, NodeId, Slope};
use crate::problem::Functional;

/// Numbers in the forward pass of an identity matrix.
const LARGEST: usize = 1 << 26;
/// Added to every bound on a size, so that what underflows is still paid for.
const TINY: f64 = 1e-280;

/// ∂h/∂x of the one hidden layer, and bounds on the sizes behind its entries.
pub(super) struct OneHidden<'a> {
    network: &'a Network,
    layer: Option<Layer>,
    /// Roundings behind one coefficient.
    roundings: usize,
}

struct Layer {
    node: NodeId,
    slopes: Vec<Slope>,
    /// ∂h/∂x, n × n₀, and the same with all weights replaced by their absolute values.
    jacobian: Matrix,
    sizes: Matrix,
}

/// A, taken as exact, and what the FGL may be more.
pub(super) struct Program {
    /// n₀ × (n+1).
    pub matrix: Matrix,
    pub slack: f64,
}

impl<'a> OneHidden<'a> {
    pub(super) fn of(question: &Question<'a>) -> Result<Self, NotApplicable> {
        let network = question.network;
        let layers: Vec<_> = network.activations().collect();
        let inputs = network.inputs();
        let layer = match layers.as_slice() {
            [] => None,
            [(node, parent, activation)] => {
                let numbers = network.nodes().iter().map(|n| n.len).sum::<usize>().saturating_mul(inputs);
                if numbers > LARGEST {
                    let what = "numbers in the matrix of the hidden layer";
                    return Err(NotApplicable::Size { what, size: numbers, limit: LARGEST });
                }
                let identity = Matrix::identity(inputs);
                let blank = |_: usize, h: &Matrix| Matrix::zeros(h.rows(), h.cols());
                let jacobian = network.push_forward(&identity, LinearMap::forward, blank).of(*parent).clone();
                let sizes = network.push_forward(&identity, abs_forward, blank).of(*parent).clone();
                Some(Layer { node: *node, slopes: activation.slopes(network.node(*node).len), jacobian, sizes })
            }
            more => return Err(NotApplicable::Layers { layers: more.len() }),
        };
        Ok(Self { network, layer, roundings: roundings(network) })
    }

    pub(super) fn program(&self, functional: &Functional) -> Result<Program, NotApplicable> {
        let (inputs, network) = (self.network.inputs(), self.network);
        let mut seed = Matrix::zeros(network.outputs(), 1);
        entries(functional)?.into_iter().for_each(|(i, u)| *seed.at_mut(i, 0) = u);
        let blank = |_: usize, g: &Matrix| Matrix::zeros(g.rows(), g.cols());
        let gradient = network.pull_back(&seed, LinearMap::adjoint, blank);
        let size = network.pull_back(&seed.abs(), abs_adjoint, blank);
        let neurons = self.layer.as_ref().map_or(0, |layer| layer.slopes.len());
        let mut matrix = Matrix::zeros(inputs, neurons + 1);
        let mut total: f64 = size.of(NodeId::INPUT).data().iter().sum();
        let skip = gradient.of(NodeId::INPUT);
        (0..inputs).for_each(|i| *matrix.at_mut(i, neurons) = skip.at(i, 0));
        if let Some(Layer { node, slopes, jacobian, sizes }) = &self.layer {
            for (j, slope) in slopes.iter().enumerate() {
                let (g, g_size) = (gradient.of(*node).at(j, 0), size.of(*node).at(j, 0) * slope.magnitude());
                let (by_radius, by_centre) = (g * slope.radius(), g * slope.centre());
                for (i, (h, h_size)) in jacobian.row(j).iter().zip(sizes.row(j)).enumerate() {
                    *matrix.at_mut(i, j) = by_radius * h;
                    *matrix.at_mut(i, neurons) += by_centre * h;
                    total += 2.0 * g_size * h_size;
                }
            }
        }
        let gamma = gamma_up(2 * self.roundings + neurons + 20) * 1.000_01; // the sizes are rounded, too
        Ok(Program { matrix, slack: (gamma * total).next_up() })
    }
}

fn abs_forward(map: &LinearMap, x: &Matrix, into: Store, y: &mut Matrix) {
    map.abs_forward(x, into, y);
    y.data_mut().iter_mut().for_each(|y| *y += TINY);
}

fn abs_adjoint(map: &LinearMap, y: &Matrix, into: Store, x: &mut Matrix) {
    map.abs_adjoint(y, into, x);
    x.data_mut().iter_mut().for_each(|x| *x += TINY);
}
