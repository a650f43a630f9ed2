//! The FGL by brute force: every slope pattern, each slope at an end of its interval.
//!
//! **Claim.** The dual norm is convex and J(v)ᵀu is affine in every single slope, so the maximum over v ∈ Π\[α, β\] is
//! attained at a pattern of ends; all of them are tried.
//!
//! With the slopes of all later layers fixed, the gradient is an affine function of those of the first layer (the one whose
//! pre-activations depend on the input alone): Σⱼ vⱼ Gⱼ ∂hⱼ/∂x plus what bypasses it. Patterns of the later layers are
//! passed backward in batches; those of the first are visited in the order of a Gray code, one addition of a row per
//! pattern, from a fresh start every 2¹⁰ patterns.
//!
//! **Rounding.** The winner is evaluated again and rounded down ([`GradientBound`]); `above` adds to the largest computed
//! norm a bound on all rounding, sizes of coefficients times γ of the operations behind them.

use crate::question::Clock;
use crate::{Estimate, Guarantee, NotApplicable, Question, entries};
use geolip::lower::GradientBound;
use geolip::{Observer, Silent};
use geolip_check::function::Slope;
use geolip_check::matrix::{Matrix, power_of_two_near};
use geolip_check::network::{LinearMap, NodeId};
use geolip_check::problem::{Functional, InputNorm};
use geolip_check::proof::one_hidden::roundings;
use geolip_check::rounding::gamma_up;
use geolip_check::slopes::SlopeNetwork;
use rayon::prelude::*;

/// Neurons with more than one slope for which it is done.
const MOST_NEURONS: usize = 24;
/// Neurons whose patterns one Gray code visits.
const CODE: usize = 10;
/// Patterns of later layers passed backward at once.
const BATCH: usize = 256;
/// Covers what underflows.
const TINY: f64 = 1e-280;

/// The FGL, enclosed.
#[derive(Clone, Debug, PartialEq)]
pub struct Exhaustive {
    /// The FGL is at least this: the norm for `slopes`, rounded down.
    pub below: f64,
    /// The FGL is at most this, if the search is complete.
    pub above: f64,
    /// The steepest pattern found, one list per activation layer.
    pub slopes: Vec<Vec<f64>>,
    /// Whether all patterns were tried.
    pub complete: bool,
}

/// The FGL of a functional by trying every slope pattern; refused above 24 neurons with more than one slope.
///
/// **Claim.** below ≤ FGL ≤ above; the two differ by rounding only.
pub fn exhaustive(
    network: &SlopeNetwork,
    norm: InputNorm,
    functional: &Functional,
) -> Result<Exhaustive, NotApplicable> {
    let clock = Clock { observer: &Silent as &dyn Observer, deadline: None };
    Patterns::of(network, norm)?.search(functional, clock)
}

pub(crate) fn run(question: &Question<'_>, clock: Clock<'_>) -> Result<Estimate, NotApplicable> {
    let patterns = Patterns::of(question.network, question.options.norm)?;
    let found: Result<Vec<Exhaustive>, _> = question.functionals.iter().map(|f| patterns.search(f, clock)).collect();
    let found = found?;
    let values = found.iter().map(|f| f.below).collect();
    let neurons = patterns.first.len() + patterns.later.len();
    Ok(if found.iter().all(|f| f.complete) {
        Question::estimate(values, Guarantee::Exact, Some(format!("2^{neurons} slope patterns")))
    } else {
        let note = format!("stopped before all 2^{neurons} slope patterns were tried");
        Question::estimate(values, Guarantee::PatternAttained, Some(note))
    })
}

/// A neuron with more than one slope: (layer, index).
type Place = (usize, usize);

struct Patterns<'a> {
    network: &'a SlopeNetwork,
    norm: InputNorm,
    intervals: &'a [Vec<Slope>],
    /// The neurons of the first layer, and all others.
    first: Vec<Place>,
    later: Vec<Place>,
    /// ∂h/∂x of the first layer's neurons, a row each.
    jacobian: Matrix,
}

impl<'a> Patterns<'a> {
    fn of(network: &'a SlopeNetwork, norm: InputNorm) -> Result<Self, NotApplicable> {
        let intervals = network.slopes();
        let layers = intervals.iter().enumerate();
        let free = layers.flat_map(|(a, layer)| {
            layer.iter().enumerate().filter(|(_, slope)| !slope.is_fixed()).map(move |(j, _)| (a, j))
        });
        let (first, later): (Vec<Place>, Vec<Place>) = free.partition(|(a, _)| *a == 0);
        let neurons = first.len() + later.len();
        if neurons > MOST_NEURONS {
            return Err(NotApplicable::Patterns { neurons, limit: MOST_NEURONS });
        }
        let mut jacobian = Matrix::zeros(first.len(), network.inputs());
        if let (Some((_, parent)), false) = (network.layers().next(), first.is_empty()) {
            let (all, places) = (jacobian_of(network, parent), first.iter().enumerate());
            places.for_each(|(row, (_, j))| jacobian.row_mut(row).copy_from_slice(all.row(*j)));
        }
        Ok(Self { network, norm, intervals, first, later, jacobian })
    }

    fn search(&self, functional: &Functional, clock: Clock<'_>) -> Result<Exhaustive, NotApplicable> {
        let u = entries(functional)?;
        let patterns = 1_usize << self.later.len();
        let batches: Vec<usize> = (0..patterns).step_by(BATCH).collect();
        let best = batches.into_par_iter().map(|start| {
            if clock.stopped() {
                return Best { complete: false, ..Best::NONE };
            }
            let count = BATCH.min(patterns - start);
            let slopes = self.batch(start, count);
            let mut seed = Matrix::zeros(self.network.outputs(), count);
            u.iter().for_each(|(i, u)| seed.row_mut(*i).fill(*u));
            let gradients = self.network.adjoint(&slopes, &seed);
            let columns = (0..count).into_par_iter().map(|column| {
                let (constant, rows) = self.affine(&gradients, column);
                self.visit(start + column, &constant, &rows, clock)
            });
            columns.reduce(|| Best::NONE, Best::better)
        });
        let best = best.reduce(|| Best::NONE, Best::better);
        let slopes = self.slopes(best.later, best.first);
        let below = GradientBound::new(self.network, self.norm).lower(functional, &[], &slopes);
        let above = (best.value * (1.0 + self.norm.dual_error(self.network.inputs())) + self.rounding(&u)).next_up();
        Ok(Exhaustive { below, above, slopes, complete: best.complete })
    }

    /// Slopes for the patterns start.. of the later layers, a column each; those of the first layer are at their lower end.
    fn batch(&self, start: usize, count: usize) -> Vec<Matrix> {
        let lower = |layer: &Vec<Slope>| Matrix::from_fn(layer.len(), count, |i, _| layer[i].lower);
        let mut slopes: Vec<Matrix> = self.intervals.iter().map(lower).collect();
        for (bit, (a, j)) in self.later.iter().enumerate() {
            let row = slopes[*a].row_mut(*j).iter_mut().enumerate();
            row.filter(|(c, _)| (start + c) >> bit & 1 == 1).for_each(|(_, v)| *v = self.intervals[*a][*j].upper);
        }
        slopes
    }

    /// The gradient as a function of the first layer's slopes: with all at their lower ends, and what raising each adds.
    fn affine(&self, gradients: &geolip_check::network::Values, column: usize) -> (Vec<f64>, Matrix) {
        let constant = gradients.of(NodeId::INPUT).column(column);
        let mut rows = self.jacobian.clone();
        if let Some((node, _)) = self.network.layers().next() {
            let g = gradients.of(node);
            for (row, (_, j)) in self.first.iter().enumerate() {
                let factor = g.at(*j, column) * (self.intervals[0][*j].upper - self.intervals[0][*j].lower);
                rows.row_mut(row).iter_mut().for_each(|v| *v *= factor);
            }
        }
        (constant, rows)
    }

    /// The best pattern of the first layer.
    fn visit(&self, later: usize, constant: &[f64], rows: &Matrix, clock: Clock<'_>) -> Best {
        let (low, high) = (rows.rows().min(CODE), rows.rows().saturating_sub(CODE));
        // by a power of two, exactly: squares neither overflow nor vanish
        let largest = constant.iter().chain(rows.data()).fold(0.0, |most: f64, v| most.max(v.abs()));
        let unit = if largest > 0.0 && largest.is_finite() { power_of_two_near(largest) } else { 1.0 };
        let constant: Vec<f64> = constant.iter().map(|v| v / unit).collect();
        let rows = Matrix::from_vec(rows.rows(), rows.cols(), rows.data().iter().map(|v| v / unit).collect());
        let blocks = (0..1_usize << high).into_par_iter().map(|block| {
            if clock.stopped() {
                return Best { complete: false, ..Best::NONE };
            }
            let mut gradient = constant.clone();
            let raised = (0..high).filter(|bit| block >> bit & 1 == 1);
            raised.for_each(|bit| _ = self.add(&mut gradient, rows.row(low + bit), 1.0));
            let mut best = Best::NONE;
            let nothing = vec![0.0; gradient.len()];
            let mut pattern = block << low;
            for step in 0..1_usize << low {
                let value = if step == 0 {
                    self.add(&mut gradient, &nothing, 1.0)
                } else {
                    let bit = step.trailing_zeros() as usize;
                    pattern ^= 1 << bit;
                    self.add(&mut gradient, rows.row(bit), if pattern >> bit & 1 == 1 { 1.0 } else { -1.0 })
                };
                best = best.better(Best { value: unit * value, later, first: pattern, complete: true });
            }
            best
        });
        blocks.reduce(|| Best::NONE, Best::better)
    }

    /// gradient ← gradient + sign·row; returns its dual norm. Entries are of order one.
    fn add(&self, gradient: &mut [f64], row: &[f64], sign: f64) -> f64 {
        match self.norm {
            InputNorm::Linf => add_and_sum(gradient, row, sign, f64::abs),
            InputNorm::L2 => add_and_sum(gradient, row, sign, |g| g * g).sqrt(),
            InputNorm::L1 | InputNorm::Lp(_) => {
                gradient.iter_mut().zip(row).for_each(|(g, v)| *g += sign * v);
                self.norm.dual(gradient.iter().copied())
            }
        }
    }

    fn slopes(&self, later: usize, first: usize) -> Vec<Vec<f64>> {
        let mut slopes: Vec<Vec<f64>> = self.intervals.iter().map(|l| l.iter().map(|s| s.lower).collect()).collect();
        for (places, pattern) in [(&self.first, first), (&self.later, later)] {
            let raised = places.iter().enumerate().filter(|(bit, _)| pattern >> bit & 1 == 1);
            raised.for_each(|(_, (a, j))| slopes[*a][*j] = self.intervals[*a][*j].upper);
        }
        slopes
    }

    /// At least what a computed norm may be too small.
    fn rounding(&self, u: &[(usize, f64)]) -> f64 {
        let mut seed = Matrix::zeros(self.network.outputs(), 1);
        u.iter().for_each(|(i, u)| *seed.at_mut(*i, 0) = u.abs());
        // both ends of a slope interval and their difference are at most twice the magnitude
        let steepest = |a: usize| self.intervals[a].iter().map(|s| 4.0 * s.magnitude()).collect::<Vec<_>>();
        let sizes = self.network.pull_back(
            &seed,
            |map, y, into, x| {
                map.abs_adjoint(y, into, x);
                x.data_mut().iter_mut().for_each(|x| *x += TINY);
            },
            |a, g| Matrix::from_vec(g.rows(), 1, g.data().iter().zip(steepest(a)).map(|(g, s)| g * s + TINY).collect()),
        );
        let total: f64 = sizes.of(NodeId::INPUT).data().iter().sum();
        let operations = 2 * roundings(self.network) + (1 << CODE) + MOST_NEURONS + 2 * self.network.inputs() + 20;
        gamma_up(operations) * total * 1.000_1
    }
}

/// ∂h/∂x of a node that depends on the input alone.
fn jacobian_of(network: &SlopeNetwork, node: NodeId) -> Matrix {
    let blank = |_: usize, h: &Matrix| Matrix::zeros(h.rows(), h.cols());
    network.push_forward(&Matrix::identity(network.inputs()), LinearMap::forward, blank).of(node).clone()
}

/// Partial sums side by side, so that additions need not wait for each other.
const LANES: usize = 8;

/// gradient ← gradient + sign·row; returns Σ size(gradientᵢ).
fn add_and_sum(gradient: &mut [f64], row: &[f64], sign: f64, size: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    for (gradient, row) in gradient.chunks_mut(LANES).zip(row.chunks(LANES)) {
        for ((g, v), sum) in gradient.iter_mut().zip(row).zip(&mut sums) {
            *g += sign * v;
            *sum += size(*g);
        }
    }
    sums.iter().sum()
}

/// The steepest pattern so far; of equal ones the first in order, whoever found it.
#[derive(Clone, Copy)]
struct Best {
    value: f64,
    later: usize,
    first: usize,
    complete: bool,
}

impl Best {
    const NONE: Self = Self { value: -1.0, later: 0, first: 0, complete: true };

    fn better(self, other: Self) -> Self {
        let key = |b: &Self| (b.later, b.first);
        let first = self.value > other.value || self.value == other.value && key(&self) <= key(&other);
        let complete = self.complete && other.complete;
        Self { complete, ..if first { self } else { other } }
    }
}
