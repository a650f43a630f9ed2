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
//! also the most by which the FGL can differ in either norm. A computed gⱼ is within γGⱼ of the exact one, with Gⱼ from the same pass
//! over absolute values, to which each map adds `PAID`; likewise ∂hⱼ/∂xᵢ. With gⱼrⱼ and gⱼcⱼ as [`Ball`]s b ± e, column j is off by
//! at most |b|γΣᵢHᵢ + e Σᵢ(|∂hⱼ/∂xᵢ| + γHᵢ), and by (n+2)u|b|Σᵢ|∂hⱼ/∂xᵢ| and an η each for its products and, in the last column, n+1 additions.

use crate::function::Slope;
use crate::matrix::{Matrix, Store};
use crate::network::{LinearMap, NodeId};
use crate::rounding::{Ball, INFLATE, TINY, UNIT, gamma_up};
use crate::slopes::{SlopeNetwork, SlopeNode, SlopeOp};

/// Numbers in the forward pass of an identity matrix.
pub const LARGEST: usize = 1 << 26;
/// Added to every bound on a size: its γ-th part, at least 10⁻²⁹⁶, pays for the underflow of the products of a map.
const PAID: f64 = 1e-280;

/// ∂h/∂x of the one hidden layer, and bounds on the sizes behind its entries.
#[derive(Clone, Debug)]
pub struct OneHidden {
    /// One with this graph; its slopes play no part.
    network: SlopeNetwork,
    layer: Option<Layer>,
    /// Roundings behind one coefficient.
    roundings: usize,
}

#[derive(Clone, Debug)]
struct Layer {
    node: NodeId,
    /// ∂h/∂x, n × n₀, and the same with all weights replaced by their absolute values.
    jacobian: Matrix,
    /// Σᵢ |∂hⱼ/∂xᵢ| and Σᵢ Hᵢ per neuron.
    sums: Vec<(f64, f64)>,
}

/// A, taken as exact, and what the FGL may be more.
#[derive(Clone, Debug)]
pub struct Program {
    /// n₀ × (n+1).
    pub matrix: Matrix,
    /// What the FGL may be more than the largest value over signs.
    pub slack: f64,
}

/// Why a network has no such program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsuitable {
    /// It has so many activation layers.
    Layers(usize),
    /// Its matrices would hold so many numbers, more than [`LARGEST`].
    Numbers(usize),
}

impl OneHidden {
    /// The layer of a network that has one at most.
    pub fn new(network: &SlopeNetwork) -> Result<Self, Unsuitable> {
        let layers: Vec<_> = network.layers().collect();
        let inputs = network.inputs();
        let layer = match layers.as_slice() {
            [] => None,
            [(node, parent)] => {
                let numbers = network.nodes().iter().map(|n| n.len).sum::<usize>().saturating_mul(inputs);
                if numbers > LARGEST {
                    return Err(Unsuitable::Numbers(numbers));
                }
                let identity = Matrix::identity(inputs);
                let blank = |_: usize, h: &Matrix| Matrix::zeros(h.rows(), h.cols());
                let jacobian = network.push_forward(&identity, LinearMap::forward, blank).of(*parent).clone();
                let sizes = network.push_forward(&identity, abs_forward, blank).of(*parent).clone();
                let sum = |row: &[f64]| row.iter().map(|v| v.abs()).sum::<f64>() * INFLATE;
                let sums = (0..sizes.rows()).map(|j| (sum(jacobian.row(j)), sum(sizes.row(j)))).collect();
                Some(Layer { node: *node, jacobian, sums })
            }
            more => return Err(Unsuitable::Layers(more.len())),
        };
        Ok(Self { network: network.clone(), layer, roundings: roundings(network) })
    }

    /// Whether a slope network has the same layer, with whatever slopes.
    pub fn is_of(&self, network: &SlopeNetwork) -> bool {
        self.network.has_graph_of(network)
    }

    /// The network.
    pub fn network(&self) -> &SlopeNetwork {
        &self.network
    }

    /// The slope intervals of the layer; empty without one.
    pub fn slopes(&self) -> &[Slope] {
        self.network.slopes().first().map_or(&[], Vec::as_slice)
    }

    /// A for u, given by its non-zero entries, with these slope intervals (which lie in the layer's own): columns of neurons
    /// with a fixed slope are zero.
    ///
    /// # Panics
    /// When there is not one interval per neuron.
    pub fn program(&self, u: &[(usize, f64)], slopes: &[Slope]) -> Program {
        assert_eq!(slopes.len(), self.slopes().len(), "one slope interval per neuron");
        let (inputs, network) = (self.network.inputs(), &self.network);
        let mut seed = Matrix::zeros(network.outputs(), 1);
        u.iter().for_each(|(i, u)| *seed.at_mut(*i, 0) = *u);
        let blank = |_: usize, g: &Matrix| Matrix::zeros(g.rows(), g.cols());
        let gradient = network.pull_back(&seed, LinearMap::adjoint, blank);
        let size = network.pull_back(&seed.abs(), abs_adjoint, blank);
        let neurons = slopes.len();
        let mut matrix = Matrix::zeros(inputs, neurons + 1);
        let (skip, most) = (gradient.of(NodeId::INPUT), size.of(NodeId::INPUT));
        let gamma = gamma_up(self.roundings + 8) * INFLATE; // the sizes are rounded, too
        let per_sum = (neurons + 4) as f64 * UNIT;
        let mut slack = 0.0;
        for i in 0..inputs {
            *matrix.at_mut(i, neurons) = skip.at(i, 0);
            slack += gamma * most.at(i, 0) + per_sum * skip.at(i, 0).abs() + TINY;
        }
        if let Some(Layer { node, jacobian, sums, .. }) = &self.layer {
            for (j, slope) in slopes.iter().enumerate() {
                let g = Ball { value: gradient.of(*node).at(j, 0), error: gamma * size.of(*node).at(j, 0) + TINY };
                let (lower, upper) = (Ball::exact(slope.lower), Ball::exact(slope.upper));
                let half = |ball: Ball| g.times(Ball::exact(0.5).times(ball));
                let (by_radius, by_centre) = (half(upper.plus(Ball::exact(-slope.lower))), half(upper.plus(lower)));
                for (i, h) in jacobian.row(j).iter().enumerate() {
                    *matrix.at_mut(i, j) = by_radius.value * h;
                    *matrix.at_mut(i, neurons) += by_centre.value * h;
                }
                let (lengths, sizes) = sums[j];
                for ball in [by_radius, by_centre].into_iter().filter(|ball| *ball != Ball::exact(0.0)) {
                    let off = ball.error + per_sum * ball.magnitude() + TINY;
                    slack += ball.magnitude() * (gamma * sizes + TINY) + off * (lengths + TINY);
                    slack += inputs as f64 * TINY;
                }
            }
        }
        Program { matrix, slack: if slack.is_nan() { f64::INFINITY } else { slack * INFLATE } }
    }
}

/// The number of roundings behind any coefficient that is computed by one pass through the network.
pub fn roundings(network: &SlopeNetwork) -> usize {
    // what is added onto a sum rounds that once for every addition: terms that meet at a node count together
    let node = |node: &SlopeNode| match &node.op {
        SlopeOp::Input => 0,
        SlopeOp::Affine { terms } => terms.iter().map(|t| t.map.longest_sum() + 2).sum::<usize>() + 2,
        SlopeOp::Neurons { .. } => 4,
    };
    network.nodes().iter().map(node).sum()
}

fn abs_forward(map: &LinearMap, x: &Matrix, into: Store, y: &mut Matrix) {
    map.abs_forward(x, into, y);
    y.data_mut().iter_mut().for_each(|y| *y += PAID);
}

fn abs_adjoint(map: &LinearMap, y: &Matrix, into: Store, x: &mut Matrix) {
    map.abs_adjoint(y, into, x);
    x.data_mut().iter_mut().for_each(|x| *x += PAID);
}
