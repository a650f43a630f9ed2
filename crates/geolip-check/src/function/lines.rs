//! Lines below and above an activation on an interval: what backward linear bounds are made of.
//!
//! **Claim.** For all s ∈ \[l, u\]: a·s + b ≤ φ(s) ≤ a'·s + b', with (a, b) and (a', b') of [`lines`].
//!
//! The slopes are free: among a few candidates (the chord, and derivatives on the interval) the one counts whose line leaves
//! the least area, which for ReLU is the usual adaptive choice. Offsets follow from the slope k: the extremes of
//! g(s) = φ(s) − k·s. The interval is cut into cells (at kinks, and evenly for curved activations); on a cell \[s, t\] of width
//! w with φ' ∈ \[d, D\], g(s + τ) ≤ min(g(s) + (D − k)τ, g(t) − (d − k)(w − τ)), and for a rising first and a falling second
//! line and *any* τ the maximum of both at τ bounds that minimum everywhere. So piecewise linear activations are exact, curved
//! ones off by the square of a cell.
//!
//! **Rounded** outwards: values by [`ranges::value`], sums by a margin of a few units in their last place, and products for underflow
//! (the rule of [`crate::rounding`]). What is not a number makes the line infinite, which says nothing.

use crate::function::ranges::{self, Ends};
use crate::function::{Activation, Slope};
use crate::rounding::TINY;

/// s ↦ slope·s + offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Its slope.
    pub slope: f64,
    /// Its value at zero.
    pub offset: f64,
}

/// A line below, a line above, and the range of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lines {
    /// The line below.
    pub lower: Line,
    /// The line above.
    pub upper: Line,
    /// Between which numbers the values are.
    pub range: (f64, f64),
}

/// Cells of a curved activation, at least.
const CELLS: usize = 8;
/// A few roundings, relative to the largest number in a sum.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// Lines for neuron `index` whose pre-activation lies in \[l, u\].
pub fn lines(activation: &Activation, index: usize, (l, u): (f64, f64)) -> Lines {
    let everything = Lines {
        lower: Line { slope: 0.0, offset: f64::NEG_INFINITY },
        upper: Line { slope: 0.0, offset: f64::INFINITY },
        range: (f64::NEG_INFINITY, f64::INFINITY),
    };
    if !(l.is_finite() && u.is_finite() && l <= u) {
        return everything;
    }
    let cells = Cells::new(activation, index, l, u);
    let (least, most) = (-cells.highest(0.0, -1.0), cells.highest(0.0, 1.0));
    if l == u {
        let flat = |offset| Line { slope: 0.0, offset };
        return Lines { lower: flat(least), upper: flat(most), range: (least, most) };
    }
    let middle = 0.5 * l + 0.5 * u;
    let mut best = Lines {
        lower: Line { slope: 0.0, offset: least },
        upper: Line { slope: 0.0, offset: most },
        range: (least, most),
    };
    for slope in cells.candidates() {
        let (below, above) = (-cells.highest(slope, -1.0), cells.highest(slope, 1.0));
        let at_middle = |line: Line| line.slope * middle + line.offset;
        let (below, above) = (Line { slope, offset: below }, Line { slope, offset: above });
        if at_middle(below) > at_middle(best.lower) {
            best.lower = below;
        }
        if at_middle(above) < at_middle(best.upper) {
            best.upper = above;
        }
    }
    best
}

/// An interval cut into cells, with what is known at the cuts and between.
struct Cells {
    points: Vec<f64>,
    values: Vec<(f64, f64)>,
    slopes: Vec<Slope>,
}

impl Cells {
    fn new(activation: &Activation, index: usize, l: f64, u: f64) -> Self {
        let mut points = vec![l];
        match ranges::linear_pieces(activation, index) {
            Some(pieces) => points.extend(pieces.kinks),
            None => {
                points.extend((1..CELLS).map(|i| l + (u - l) * (i as f64 / CELLS as f64)));
                points.extend(ranges::jumps(activation));
            }
        }
        points.retain(|s| l <= *s && *s < u);
        points.push(u);
        points.sort_by(f64::total_cmp);
        points.dedup();
        let values = points.iter().map(|s| ranges::value(activation, index, *s)).collect();
        let slope = |pair: &[f64]| ranges::derivative_range(activation, index, (pair[0], pair[1]), Ends::Open);
        let slopes = points.windows(2).map(slope).collect();
        Self { points, values, slopes }
    }

    /// Slopes worth trying: the chord, and derivatives from left to right.
    fn candidates(&self) -> Vec<f64> {
        let (first, last) = (0, self.points.len() - 1);
        let rise = 0.5 * (self.values[last].0 + self.values[last].1 - self.values[first].0 - self.values[first].1);
        let chord = rise / (self.points[last] - self.points[first]);
        let least = self.slopes.iter().map(|s| s.lower).fold(f64::INFINITY, f64::min);
        let most = self.slopes.iter().map(|s| s.upper).fold(f64::NEG_INFINITY, f64::max);
        let between = self.slopes.iter().map(|s| s.centre());
        std::iter::once(chord.clamp(least, most)).chain(between).filter(|k| k.is_finite()).collect()
    }

    /// At least the maximum of sign·(φ(s) − slope·s).
    fn highest(&self, slope: f64, sign: f64) -> f64 {
        let at = |p: usize| {
            let (s, (below, above)) = (self.points[p], self.values[p]);
            let value = if sign > 0.0 { above } else { -below };
            let product = slope * s;
            value - sign * product + ROUNDING * (value.abs() + product.abs()) + TINY
        };
        // (`f64::max` would drop a number that is none)
        let larger = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) };
        let mut highest = larger(at(0), at(self.points.len() - 1));
        for (p, range) in self.slopes.iter().enumerate() {
            let (left, right) = (at(p), at(p + 1));
            let ends = [sign * (range.lower - slope), sign * (range.upper - slope)];
            let (fall, rise) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
            let width = self.points[p + 1] - self.points[p];
            // where it rises or falls throughout, it is highest at an end; the slack covers the rounding of the difference
            let cell = if rise <= 0.0 || fall >= 0.0 {
                larger(left, right)
            } else {
                let turn = ((right - left - fall * width) / (rise - fall)).clamp(0.0, width);
                let (up, down) = (left + rise * turn, right - fall * (width - turn));
                larger(up, down) + ROUNDING * (left.abs() + right.abs() + (rise - fall) * width) + TINY
            };
            highest = larger(highest, cell);
        }
        if highest.is_nan() { f64::INFINITY } else { highest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relu_has_its_chord_and_the_adaptive_line_below() {
        let of = |l, u| lines(&Activation::Relu, 0, (l, u));
        let wide = of(-1.0, 3.0);
        assert!((wide.upper.slope - 0.75).abs() < 1e-12 && (wide.upper.offset - 0.75).abs() < 1e-12);
        assert!(wide.lower.slope == 1.0 && wide.lower.offset.abs() < 1e-12, "mostly active: below is s itself");
        assert!(of(-3.0, 1.0).lower.slope == 0.0, "mostly inactive: below is zero");
        assert!((of(1.0, 2.0).lower.offset.abs() < 1e-12) && of(1.0, 2.0).upper.slope == 1.0);
    }

    #[test]
    fn lines_hold_every_sampled_value() {
        let mut seed = 3_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        };
        for name in Activation::NAMES {
            let activation = Activation::from_name(name).expect("a name");
            for round in 0..1000 {
                let l = 12.0 * (random() - 0.5);
                let u = l + [0.0, 1e-12, 1e-3, 1.0, 12.0][round % 5] * random();
                let found = lines(&activation, 0, (l, u));
                for i in 0..=100 {
                    let s = (l + (u - l) * f64::from(i) / 100.0).min(u);
                    let v = activation.value(0, s);
                    let at = |line: Line| line.slope * s + line.offset;
                    let slack = 1e-15 * (1.0 + v.abs()); // of this test's own arithmetic
                    assert!(at(found.lower) <= v + slack && v <= at(found.upper) + slack, "{name}({s}) on [{l}, {u}]");
                    assert!(found.range.0 <= v && v <= found.range.1, "{name}({s}) on [{l}, {u}]");
                }
            }
        }
    }
}
