//! Backward linear bounds of a node on a region (CROWN), matrix-free and for many neurons at once.
//!
//! A linear function of a node is carried back to the input: through an affine map by its adjoint, through an activation by
//! the line below or above it ([`crate::function::lines`]), whichever a coefficient's sign asks for. What arrives is a linear function of
//! the input that bounds the neuron from below; its minimum over the region is in closed form: −|a|ᵀr for a box, −‖a‖₂ρ for a
//! ball, −‖a∘u‖₂ρ for one in units u. An upper bound is a lower bound of the negative. (H. Zhang et al., *Efficient neural network robustness certification
//! with general activation functions*, NeurIPS 2018.)
//!
//! **Claim.** Both numbers of [`Backward::bounds`] hold for every x in the region. **Rounded** outwards, without carrying
//! errors of coefficients: whatever coefficients Λ' are computed in the place of Λ = AᵀΛ₀ (rounding included), the exact
//! identity Λ₀ᵀAz = Λ'ᵀz + (Λ − Λ')ᵀz holds, and the last summand is at most Σ|Λ − Λ'||z| ≤ γ|Λ₀|ᵀ|A||z|, where |z| is
//! bounded by the intervals known already. So every step adds a number to the error of the constant, and goes on with
//! its computed coefficients as if they were exact. Underflow follows the rule of [`crate::rounding`]: a coefficient that
//! should not be zero, and is, may be off by nη ≤ TINY, which is worth TINY·Σ|z| whatever Λ₀ is.
//! (H. Zhang et al. leave rounding aside.)

use crate::function::Plane;
use crate::function::lines::Lines;
use crate::matrix::{Matrix, Store};
use crate::network::{Network, NodeId, Op};
use crate::place::Region;
use crate::place::enclosure::Interval;
use crate::place::program::{HalfSpace, Outcome, multipliers};
use crate::rounding::{TINY, UNIT, add_up, gamma_up, mul_up, sqrt_up};
use rayon::prelude::*;

/// What a step through a node needs besides the network.
#[derive(Clone, Debug)]
pub(crate) enum Fixed {
    Input,
    /// Σ|A||z| per entry.
    Affine {
        magnitudes: Vec<f64>,
        /// What underflow in the coefficients of its parents may be worth.
        underflow: f64,
    },
    Activation {
        lines: Vec<Lines>,
        /// ReLUs that may be on either side: s ↦ a·s with any a ∈ [0, 1] is a line below.
        free: Vec<bool>,
        /// What underflow in the coefficients of its parent may be worth.
        underflow: f64,
    },
    Combination {
        /// A plane below and one above, per entry.
        planes: Vec<(Plane, Plane)>,
        /// What underflow in the coefficients of its parents may be worth.
        underflow: f64,
    },
}

/// The nodes so far.
pub(crate) struct Backward<'a> {
    pub network: &'a Network,
    pub region: &'a Region,
    pub nodes: &'a [Interval],
    pub fixed: &'a [Fixed],
    /// What all inputs of the part of a box satisfy.
    pub half_spaces: &'a [HalfSpace],
}

/// Neurons carried back together.
const TOGETHER: usize = 128;
/// Covers the rounding of error bounds themselves: sums of fewer than 10⁹ non-negative numbers.
const INFLATE: f64 = 1.0 + 1e-6;

impl Backward<'_> {
    /// Bounds of the given entries of a node; `refine` improves the lines for that many steps (`refine.rs`).
    pub fn bounds(&self, node: NodeId, rows: &[usize], refine: usize) -> Vec<(f64, f64)> {
        rows.par_chunks(TOGETHER).flat_map_iter(|rows| self.batch(node, rows, refine)).collect()
    }

    fn batch(&self, node: NodeId, rows: &[usize], refine: usize) -> Vec<(f64, f64)> {
        let k = 2 * rows.len();
        let mut start = Matrix::zeros(self.network.node(node).len, k);
        for (j, row) in rows.iter().enumerate() {
            *start.at_mut(*row, 2 * j) = 1.0;
            *start.at_mut(*row, 2 * j + 1) = -1.0;
        }
        let lower = match refine {
            0 => self.minima(node, start),
            steps => self.refined(node, &start, steps),
        };
        (0..rows.len()).map(|j| (lower[2 * j], -lower[2 * j + 1])).collect()
    }

    /// At most the minimum over the region of ⟨column, node⟩, for every column.
    pub fn minima(&self, node: NodeId, start: Matrix) -> Vec<f64> {
        self.pass(node, start, None).0
    }

    /// As [`Self::minima`] with given slopes of the lines below free ReLUs, per node (none for those of `fixed`); and the
    /// coefficients that every node was met with.
    pub(crate) fn pass(
        &self,
        node: NodeId,
        start: Matrix,
        slopes: Option<&[Option<Matrix>]>,
    ) -> (Vec<f64>, Vec<Option<Matrix>>) {
        let k = start.cols();
        let (total, met) = self.carry(node, start, slopes);
        let least = match &met[0] {
            Some(own) => self.least(own),
            None => vec![(0.0, 0.0); k],
        };
        ((0..k).map(|j| total.lower(j, least[j])).collect(), met)
    }

    /// Linear functions of the input below those of the node: the coefficients that every node was met with, the input's at
    /// last, and the constants.
    fn carry(&self, node: NodeId, start: Matrix, slopes: Option<&[Option<Matrix>]>) -> (Total, Vec<Option<Matrix>>) {
        let k = start.cols();
        let mut coefficients: Vec<Option<Matrix>> = vec![None; node.index() + 1];
        let mut met: Vec<Option<Matrix>> = vec![None; node.index() + 1];
        coefficients[node.index()] = Some(start);
        let mut total = Total::new(k);
        for index in (1..=node.index()).rev() {
            let Some(own) = coefficients[index].take() else { continue };
            match (&self.network.nodes()[index].op, &self.fixed[index]) {
                (Op::Affine { terms, bias }, Fixed::Affine { magnitudes, underflow }) => {
                    let longest = terms.iter().map(|t| t.map.longest_sum()).max().unwrap_or(1);
                    let gamma = gamma_up(longest + 8);
                    total.spread(&own, |i| gamma * magnitudes[i] + TINY);
                    total.lose(*underflow);
                    if let Some(bias) = bias {
                        total.add(&own, |i, _| bias[i]);
                    }
                    for term in terms {
                        let mut product = Matrix::zeros(term.map.cols(), k);
                        term.map.adjoint(&own, Store::Replace, &mut product);
                        self.collect(&mut coefficients[term.parent.index()], product, term.parent, &mut total);
                    }
                }
                (Op::Activate { parent, .. }, Fixed::Activation { lines, free, underflow }) => {
                    let chosen = slopes.and_then(|slopes| slopes[index].as_ref());
                    let mut product = own.clone();
                    for (i, lines) in lines.iter().enumerate() {
                        let chosen = chosen.filter(|_| free[i]).map(|chosen| chosen.row(i));
                        for (j, v) in product.row_mut(i).iter_mut().enumerate() {
                            *v *= match (*v >= 0.0, chosen) {
                                (true, Some(chosen)) => chosen[j].clamp(0.0, 1.0),
                                (true, None) => lines.lower.slope,
                                (false, _) => lines.upper.slope,
                            };
                        }
                    }
                    let offset = |i: usize, v: f64| match (v >= 0.0, chosen.is_some() && free[i]) {
                        (true, true) => 0.0, // relu(s) ≥ a·s
                        (true, false) => lines[i].lower.offset,
                        (false, _) => lines[i].upper.offset,
                    };
                    total.add(&own, offset);
                    let before = &self.nodes[parent.index()];
                    total.spread(&product, |i| 2.0 * UNIT * before.magnitude(i) + TINY);
                    total.lose(*underflow);
                    self.collect(&mut coefficients[parent.index()], product, *parent, &mut total);
                }
                (Op::Combine { parents, .. }, Fixed::Combination { planes, underflow }) => {
                    let plane = |i: usize, v: f64| if v >= 0.0 { &planes[i].0 } else { &planes[i].1 };
                    total.add(&own, |i, v| plane(i, v).offset);
                    total.lose(*underflow);
                    for (argument, parent) in parents.iter().enumerate() {
                        let slope = |i: usize, v: f64| v * plane(i, v).slopes[argument];
                        let product = Matrix::from_fn(own.rows(), k, |i, j| slope(i, own.at(i, j)));
                        let before = &self.nodes[parent.index()];
                        total.spread(&product, |i| 2.0 * UNIT * before.magnitude(i) + TINY);
                        self.collect(&mut coefficients[parent.index()], product, *parent, &mut total);
                    }
                }
                // `fixed` follows the network node by node
                (Op::Input | Op::Affine { .. } | Op::Activate { .. } | Op::Combine { .. }, _) => {
                    total.value.fill(f64::NEG_INFINITY);
                    return (total, met);
                }
            }
            met[index] = Some(own);
        }
        met[0] = coefficients[0].take();
        (total, met)
    }

    /// A half-space in which all inputs of the region lie at which entry `row` of a node is at least `at` (`above`), or at most;
    /// none where there is no bound.
    ///
    /// From ±h ≥ gᵀx + d on the region and ∓at ≤ ∓h: gᵀx + (d ∓ at) ≤ 0, the constant rounded down.
    pub fn half_space(&self, node: NodeId, row: usize, at: f64, above: bool) -> Option<HalfSpace> {
        let sign = if above { -1.0 } else { 1.0 };
        let mut start = Matrix::zeros(self.network.node(node).len, 1);
        *start.at_mut(row, 0) = sign;
        let (total, met) = self.carry(node, start, None);
        let offset = (total.lower(0, (0.0, 0.0)) - sign * at).next_down();
        let normal = met[0].as_ref().map_or_else(|| vec![0.0; self.region.inputs()], |g| g.column(0));
        let finite = offset.is_finite() && normal.iter().all(|g| g.is_finite());
        finite.then_some(HalfSpace { normal, offset })
    }

    /// Whether the half-spaces are found to leave nothing of the box.
    pub fn is_empty(&self) -> bool {
        let nothing = Matrix::zeros(self.region.inputs(), 1);
        let (least, error) = self.least(&nothing)[0];
        !self.half_spaces.is_empty() && least - error > 0.0
    }

    /// Adds coefficients to those that other readers of the node have left there.
    fn collect(&self, at: &mut Option<Matrix>, product: Matrix, node: NodeId, total: &mut Total) {
        match at {
            None => *at = Some(product),
            Some(sum) => {
                sum.data_mut().iter_mut().zip(product.data()).for_each(|(s, p)| *s += p);
                let interval = &self.nodes[node.index()];
                total.spread(sum, |i| 2.0 * UNIT * interval.magnitude(i) + TINY);
            }
        }
    }

    /// min ⟨a, x⟩ over the region and a bound on its error, for every column a.
    fn least(&self, a: &Matrix) -> Vec<(f64, f64)> {
        let (k, n) = (a.cols(), a.rows());
        let gamma = gamma_up(n + 8);
        let (mut sum, mut size) = (vec![0.0; k], vec![0.0; k]);
        let (lower, upper) = (self.region.lower(), self.region.upper());
        for i in 0..n {
            let (l, u) = (lower[i], upper[i]);
            let largest = l.abs().max(u.abs());
            for (j, a) in a.row(i).iter().enumerate() {
                sum[j] += a * if *a >= 0.0 { l } else { u };
                size[j] += a.abs() * largest;
            }
        }
        let on_box = |j: usize| (sum[j], gamma * size[j] * INFLATE + n as f64 * TINY);
        let Some(ball) = self.region.ball() else {
            return match self.half_spaces {
                [] => (0..k).map(on_box).collect(),
                _ => (0..k).map(|j| self.least_of_part(&a.column(j), on_box(j))).collect(),
            };
        };
        let (mut sum, mut size, mut largest) = (vec![0.0; k], vec![0.0; k], vec![0.0_f64; k]);
        // |a|∘u, rounded up one by one
        let scaled = |i: usize, a: f64| if ball.unit.is_some() { mul_up(a.abs(), ball.unit_of(i)) } else { a.abs() };
        for (i, c) in ball.centre.iter().enumerate() {
            for (j, a) in a.row(i).iter().enumerate() {
                sum[j] += a * c;
                size[j] += (a * c).abs();
                largest[j] = largest[j].max(scaled(i, *a));
            }
        }
        let mut squares = vec![0.0; k];
        for i in 0..n {
            for (j, a) in a.row(i).iter().enumerate() {
                let part = if largest[j] > 0.0 { scaled(i, *a) / largest[j] } else { 0.0 };
                squares[j] += part * part;
            }
        }
        let on_ball = |j: usize| {
            // n squares of quotients, the largest of them 1: what underflows is below γ, and all else is rounded up
            let length = mul_up(largest[j], sqrt_up(squares[j] * (1.0 + 2.0 * gamma)));
            let reach = mul_up(length, ball.radius);
            let error = gamma * (size[j] + reach) * INFLATE + n as f64 * TINY;
            (sum[j] - reach, error)
        };
        let better = |j: usize| {
            let (a, b) = (on_box(j), on_ball(j));
            if b.0 - b.1 > a.0 - a.1 { b } else { a }
        };
        (0..k).map(better).collect()
    }
}

impl Backward<'_> {
    /// As [`Self::least`] for one column, with the half-spaces; infinite where they are found to leave nothing.
    ///
    /// For β ≥ 0 and every x of the part aᵀx ≥ (a + Σ βₖgₖ)ᵀx + Σ βₖdₖ, whose minimum over the box is in closed form. Whatever β is
    /// taken, what is computed in the place of a + Σ βₖgₖ is off by at most γ(|a| + Σ βₖ|gₖ|), and by [`TINY`]. A summand is rounded at most
    /// K times there, and n + K + 1 times in the whole sum, with n inputs and K half-spaces.
    fn least_of_part(&self, a: &[f64], on_box: (f64, f64)) -> (f64, f64) {
        let (lower, upper) = (self.region.lower(), self.region.upper());
        let bound = |a: Option<&[f64]>, multipliers: &[f64]| {
            let (mut sum, mut size, mut underflow) = (0.0, 0.0, 0.0);
            for i in 0..lower.len() {
                let start = a.map_or(0.0, |a| a[i]);
                let (mut total, mut total_size) = (start, start.abs());
                for (h, b) in self.half_spaces.iter().zip(multipliers).filter(|(_, b)| **b > 0.0) {
                    total += b * h.normal[i];
                    total_size += b * h.normal[i].abs();
                }
                sum += total * if total >= 0.0 { lower[i] } else { upper[i] };
                let largest = lower[i].abs().max(upper[i].abs());
                size += total_size * largest;
                underflow = add_up(underflow, mul_up(TINY, largest));
            }
            for (h, b) in self.half_spaces.iter().zip(multipliers).filter(|(_, b)| **b > 0.0) {
                sum += b * h.offset;
                size += b * h.offset.abs();
            }
            let terms = lower.len() + 2 * self.half_spaces.len() + 16;
            (sum, (gamma_up(terms) * size + 2.0 * underflow) * INFLATE + terms as f64 * TINY)
        };
        match multipliers(a, (lower, upper), self.half_spaces) {
            Outcome::Best(multipliers, _) => {
                let better = bound(Some(a), &multipliers);
                if better.0 - better.1 > on_box.0 - on_box.1 { better } else { on_box }
            }
            Outcome::Empty(ray) => {
                let (least, error) = bound(None, &ray);
                if least - error > 0.0 { (f64::INFINITY, 0.0) } else { on_box }
            }
        }
    }
}

/// The constant of every column's linear function, with what its computed value may be off.
struct Total {
    value: Vec<f64>,
    /// Σ|summand|, and how many there were.
    size: Vec<f64>,
    count: usize,
    error: Vec<f64>,
}

impl Total {
    fn new(k: usize) -> Self {
        Self { value: vec![0.0; k], size: vec![0.0; k], count: 0, error: vec![0.0; k] }
    }

    /// value ← value + Σ a·offset(row, a).
    fn add(&mut self, a: &Matrix, offset: impl Fn(usize, f64) -> f64) {
        for i in 0..a.rows() {
            for (j, a) in a.row(i).iter().enumerate() {
                let summand = if *a == 0.0 { 0.0 } else { a * offset(i, *a) };
                self.value[j] += summand;
                self.size[j] += summand.abs();
            }
        }
        self.count += a.rows();
    }

    /// error ← error + Σ|a|·per(row).
    fn spread(&mut self, a: &Matrix, per: impl Fn(usize) -> f64) {
        for i in 0..a.rows() {
            let per = per(i);
            self.error.iter_mut().zip(a.row(i)).for_each(|(e, a)| *e += a.abs() * per);
        }
        self.lose(TINY); // these products may underflow, too
    }

    /// error ← error + loss, for every column.
    fn lose(&mut self, loss: f64) {
        self.error.iter_mut().for_each(|e| *e += loss);
    }

    /// The constant plus the least value of the rest, rounded down; −∞ where a number is not finite.
    fn lower(&self, j: usize, (least, error): (f64, f64)) -> f64 {
        let sums = gamma_up(self.count + 8) * self.size[j] + TINY * (self.count + 1) as f64;
        let off = (self.error[j] + error + sums) * INFLATE + TINY;
        let value = self.value[j] + least;
        let lower = value - off - 4.0 * UNIT * (self.value[j].abs() + least.abs() + off);
        if lower.is_nan() { f64::NEG_INFINITY } else { lower.next_down() }
    }
}
