//! The product of operator norms, along every path of the graph.
//!
//! **Claim.** L(input) = 1, L(Σ A_t·parent_t) = Σ ‖A_t‖ L(parent_t), L(φ(parent)) = max(|α|, |β|)·L(parent) bounds, for
//! every slope pattern, the operator norm of the formal Jacobian of each node from the input norm to itself. For a
//! functional of an affine output, uᵀy moves by at most Σ ‖A_tᵀu‖* L(parent_t); for an output that is itself an
//! activation, the entries are taken one by one. Where a node sorts, or is otherwise made of small blocks of neurons between it
//! and a node that all paths pass through, L(node) is at most the norm of these blocks times L there (`blocks`): MaxMin counts as 1.
//!
//! ‖A‖∞ is the largest absolute row sum and ‖A‖₁ the largest absolute column sum, exact but for rounding; ‖A‖_p is at
//! most ‖A‖₂^{2/p}‖A‖∞^{1−2/p} for p ≥ 2 (Riesz and Thorin); ‖A‖₂ is the largest singular value, proved to about nine
//! digits ([`geolip::spectral`]), or √(‖A‖₁‖A‖∞) where that is too large. **Rounding.** Upwards everywhere.
//!
//! A map A that reads an input in units D counts as the matrix AD, where that is not too large. What is computed in its place is off by
//! at most u|AD| and an underflow, entry by entry, and no operator norm of a matrix is larger than the sum of its absolute entries.
//! **Source.** Szegedy et al., *Intriguing properties of neural networks*, ICLR 2014, §4.3.

use crate::blocks;
use crate::{Estimate, Guarantee, NotApplicable, Question, entries};
use geolip::spectral;
use geolip_check::matrix::{Matrix, Store};
use geolip_check::network::{LinearMap, NodeId, Term};
use geolip_check::problem::{Functional, InputNorm};
use geolip_check::rounding::{UNIT, add_up, gamma_up, mul_up, pow_up, sum_up};
use geolip_check::slopes::{SlopeNetwork, SlopeOp};

/// Numbers of a matrix that units are multiplied into.
const LARGEST: usize = 1 << 24;

pub(crate) fn run(question: &Question<'_>) -> Result<Estimate, NotApplicable> {
    let (network, norm) = (question.network, question.options.norm);
    let product = Product::new(network, norm);
    let values: Result<Vec<f64>, _> = question.functionals.iter().map(|functional| product.of(functional)).collect();
    let singular = matches!(norm, InputNorm::L2 | InputNorm::Lp(_));
    let rough = singular && network.terms().any(|t| spectral::is_too_large(&t.map));
    let note = rough.then(|| "singular values of large maps bounded by row and column sums".to_owned());
    Ok(Question::estimate(values?, Guarantee::Certified, note))
}

struct Product<'a> {
    network: &'a SlopeNetwork,
    norm: InputNorm,
    /// L per node. That of the output is not used.
    constants: Vec<f64>,
}

impl<'a> Product<'a> {
    fn new(network: &'a SlopeNetwork, norm: InputNorm) -> Self {
        let mut constants: Vec<f64> = Vec::with_capacity(network.nodes().len());
        let mut slopes = network.slopes().iter();
        let bases = blocks::bases(network);
        let source = network.source();
        for (id, node) in network.ids().zip(network.nodes()) {
            let index = id.index();
            constants.push(match &node.op {
                SlopeOp::Input => 1.0,
                SlopeOp::Affine { .. } if index == network.output().index() => 0.0,
                SlopeOp::Affine { terms } => {
                    let base = bases[index];
                    let path = terms
                        .iter()
                        .map(|t| {
                            let apart = mul_up(operator_norm(&t.map, norm), constants[t.parent.index()]);
                            in_units(source, t)
                                .map_or(apart, |(map, off)| add_up(operator_norm(&map, norm), off).min(apart))
                        })
                        .fold(0.0, add_up_or_keep);
                    // a node that reads its base alone, by maps, has no neurons between
                    let between = terms.iter().any(|t| t.parent != base);
                    let blocks = between.then(|| blocks::factor(network, base, id, norm)).flatten();
                    blocks.map_or(path, |factor| path.min(times(factor, constants[base.index()])))
                }
                SlopeOp::Neurons { parent } => {
                    let own = slopes.next().into_iter().flatten();
                    times(own.map(|slope| slope.magnitude()).fold(0.0, f64::max), constants[parent.index()])
                }
            });
        }
        Self { network, norm, constants }
    }

    fn of(&self, functional: &Functional) -> Result<f64, NotApplicable> {
        Ok(self.at(self.network.output(), &entries(functional)?))
    }

    /// At least the dual norm of the gradient of Σ uᵢ·(entry i of the node).
    fn at(&self, node: NodeId, entries: &[(usize, f64)]) -> f64 {
        match &self.network.node(node).op {
            SlopeOp::Input => dual_up(self.norm, entries.iter().map(|(_, u)| u.abs()), entries.len()),
            SlopeOp::Affine { terms } => terms
                .iter()
                .map(|t| {
                    let apart = mul_up(row_norm(&t.map, entries, self.norm), self.constants[t.parent.index()]);
                    let largest = entries.iter().map(|(_, u)| u.abs()).fold(0.0, f64::max);
                    let whole =
                        |(map, off): (LinearMap, f64)| add_up(row_norm(&map, entries, self.norm), mul_up(largest, off));
                    in_units(self.network.source(), t).map(whole).map_or(apart, |whole| whole.min(apart))
                })
                .fold(0.0, add_up_or_keep),
            SlopeOp::Neurons { parent } => {
                let layer = self.network.layers().zip(self.network.slopes()).find(|((id, _), _)| *id == node);
                let slopes = layer.map_or(&[][..], |(_, slopes)| slopes.as_slice());
                let of = |(i, u): &(usize, f64)| {
                    times(times(slopes[*i].magnitude(), u.abs()), self.at(*parent, &[(*i, 1.0)]))
                };
                entries.iter().map(of).fold(0.0, add_up_or_keep)
            }
        }
    }
}

/// AD of a map that reads the input in units, if it does and that is not too large; and at least the sum of what its entries are off by.
fn in_units((source, units): (NodeId, Option<&[f64]>), term: &Term) -> Option<(LinearMap, f64)> {
    let units = units.filter(|_| term.parent == source)?;
    let (rows, cols) = (term.map.rows(), term.map.cols());
    (rows.saturating_mul(cols) <= LARGEST).then_some(())?;
    let mut matrix = Matrix::zeros(rows, cols);
    let sparse = term.map.to_sparse();
    (0..rows).for_each(|i| sparse.row(i).for_each(|(j, v)| *matrix.at_mut(i, j) = v * units[j]));
    let off = matrix.data().iter().filter(|v| **v != 0.0).map(|v| mul_up(2.0 * UNIT, v.abs()));
    let off = add_up(sum_up(off), mul_up((rows * cols) as f64, f64::from_bits(1)));
    Some((LinearMap::Dense(matrix), off))
}

/// a + b, rounded up unless a term is zero.
fn add_up_or_keep(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { a + b } else { add_up(a, b) }
}

/// a · b, rounded up unless a factor is one.
fn times(a: f64, b: f64) -> f64 {
    if a == 1.0 || b == 1.0 { a * b } else { mul_up(a, b) }
}

/// At least ‖A‖ from the norm to itself.
fn operator_norm(map: &LinearMap, norm: InputNorm) -> f64 {
    match norm {
        InputNorm::Linf => {
            let mut sums = Matrix::zeros(map.rows(), 1);
            map.abs_forward(&ones(map.cols()), Store::Replace, &mut sums);
            inflated(sums.data().iter().copied().fold(0.0, f64::max), map)
        }
        InputNorm::L1 => {
            let mut sums = Matrix::zeros(map.cols(), 1);
            map.abs_adjoint(&ones(map.rows()), Store::Replace, &mut sums);
            inflated(sums.data().iter().copied().fold(0.0, f64::max), map)
        }
        InputNorm::L2 => spectral::tightly(map),
        InputNorm::Lp(p) => {
            // ‖A‖_p ≤ ‖A‖₂^θ ‖A‖∞^{1−θ}, θ = 2/p: as the larger of the two times a power of a ratio of at most one
            let (a, b) = (operator_norm(map, InputNorm::L2), operator_norm(map, InputNorm::Linf));
            let (theta, larger) = (2.0 / p.get(), a.max(b));
            if larger == 0.0 || !larger.is_finite() {
                return larger;
            }
            let share = if a < b { theta.next_down() } else { (1.0 - theta).next_down() };
            mul_up(larger, pow_up((a.min(b) / larger).next_up().min(1.0), share.max(0.0)))
        }
    }
}

fn ones(n: usize) -> Matrix {
    Matrix::from_fn(n, 1, |_, _| 1.0)
}

/// At least ‖Aᵀu‖*.
fn row_norm(map: &LinearMap, entries: &[(usize, f64)], norm: InputNorm) -> f64 {
    let mut u = Matrix::zeros(map.rows(), 1);
    entries.iter().for_each(|(i, v)| *u.at_mut(*i, 0) = *v);
    let (mut row, mut size) = (Matrix::zeros(map.cols(), 1), Matrix::zeros(map.cols(), 1));
    map.adjoint(&u, Store::Replace, &mut row);
    map.abs_adjoint(&u.abs(), Store::Replace, &mut size);
    // one output alone: nothing is rounded
    let gamma = if matches!(entries, [(_, u)] if u.abs() == 1.0) { 0.0 } else { gamma_up(map.longest_sum() + 2) };
    let largest =
        row.data().iter().zip(size.data()).map(|(v, s)| if gamma == 0.0 { v.abs() } else { v.abs() + gamma * s });
    dual_up(norm, largest, map.cols())
}

/// At least the dual norm of `count` non-negative numbers.
fn dual_up(norm: InputNorm, numbers: impl Iterator<Item = f64> + Clone, count: usize) -> f64 {
    let dual = norm.dual(numbers);
    let exact = dual == 0.0 || norm == InputNorm::L1 || norm == InputNorm::Linf && count == 1;
    if exact { dual } else { (dual * (1.0 + norm.dual_error(count) * 1.000_001 + gamma_up(2))).next_up() }
}

/// A computed sum of weights' absolute values, raised by what its rounding may have lost.
fn inflated(sum: f64, map: &LinearMap) -> f64 {
    let exact = match map {
        LinearMap::Identity(_) | LinearMap::Scale(_) | LinearMap::Gather(_) => true,
        LinearMap::Dense(_) | LinearMap::Convolution(_) | LinearMap::Transpose(_) => sum == 0.0,
    };
    if exact { sum } else { (sum * (1.0 + gamma_up(map.longest_sum() + 4))).next_up() }
}
