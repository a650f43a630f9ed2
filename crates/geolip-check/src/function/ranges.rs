//! What an activation does on an interval: its values, and the range of its derivative. Part of what has to be trusted.
//!
//! **Claim.** For every activation φ and numbers l ≤ u, [`derivative_range`] holds φ'(s) for every s ∈ \[l, u\] where it
//! exists, hence by the mean value theorem every secant slope between two points of \[l, u\]; [`value`] holds φ(s).
//!
//! A derivative is taken apart into pieces on which it is monotone, so its range is the hull of its values at both ends and at
//! the critical points between them, whose extreme values are the ends of [`Activation::slope`]. Where it jumps (ReLU at
//! 0), an interval that touches the kink has both sides.
//!
//! **Rounded** outwards. Smooth functions are evaluated with `libm`, the same on every machine, with a margin for its errors
//! (each family's file says which). Ranges of smooth derivatives are then widened to multiples of `GRID`, so that last digits that
//! differ between processors (fused products) do not show.

use super::scalar::{Error, Formula, Interval, MARGIN, NEAR, PORTABLE, Scalar, Shape};
use super::{Activation, Slope};
use crate::rounding::TINY;
use std::f64::consts::PI;

/// 2⁻³⁴.
const GRID: f64 = 1.0 / (1_u64 << 34) as f64;

/// Whether the ends of an interval count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// \[l, u\]: at a kink, both sides.
    Closed,
    /// (l, u). (Kinks of `hard-sigmoid` and `clip` are rounded numbers: points within a rounding of them count on either side.)
    Open,
}

/// The range of φ' on an interval; where φ is not defined on all of it, the slope interval.
pub fn derivative_range(activation: &Activation, index: usize, (l, u): (f64, f64), ends: Ends) -> Slope {
    activation.range(index, Interval { l, u, ends }, |smooth, sizes| {
        let (below, above) = (grid(smooth.lower, sizes), grid(smooth.upper, sizes));
        Slope::new((smooth.lower / below).floor() * below, (smooth.upper / above).ceil() * above)
    })
}

/// [`GRID`] times the power of two at or below a number, if that is at least 1 or the function has derivatives of all `sizes`:
/// its multiples have few digits.
fn grid(v: f64, sizes: bool) -> f64 {
    let exponent = ((v.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    GRID * 2f64.powi(exponent.max(if sizes { -980 } else { 0 }))
}

/// As [`derivative_range`] of a closed interval, but not widened to multiples of `GRID`: for intervals of a few units in the
/// last place around one number, whose ranges are hardly wider.
pub fn derivative_near(activation: &Activation, index: usize, (l, u): (f64, f64)) -> Slope {
    activation.range(index, Interval { l, u, ends: Ends::Closed }, |smooth, _| smooth)
}

/// φ(s), enclosed; the whole line where it is not defined.
pub fn value(activation: &Activation, index: usize, s: f64) -> (f64, f64) {
    activation.enclose(index, s)
}

impl<V: Formula, D: Formula> Scalar<V, D> {
    /// φ(s), enclosed; the whole line where it is not defined.
    pub(super) fn enclose(&self, s: f64) -> (f64, f64) {
        if !self.domain.holds(s, s) {
            return (f64::NEG_INFINITY, f64::INFINITY);
        }
        let value = (self.value)(&PORTABLE, s);
        let margin = match self.error {
            Error::Product if s < 0.0 || s.is_nan() => return (value.next_down(), value.next_up()),
            Error::Exact | Error::Product => return (value, value),
            Error::Near(size, _) => MARGIN * size * (1.0 + s.abs()),
            Error::Relative(part) => part * value.abs().min(f64::MAX) + TINY,
        };
        let (below, above) = (value - margin, value + margin);
        // what overflows is at least, or at most, the largest number
        match below.is_nan() || above.is_nan() {
            true => (f64::NEG_INFINITY, f64::INFINITY),
            false => (below.min(f64::MAX), above.max(f64::MIN)),
        }
    }

    /// The range of φ'. Where it is not exact it is what `outwards` makes of it, as far as that is in the slope interval; the second
    /// argument says whether its errors are relative ones.
    pub(super) fn range(&self, on: Interval, outwards: impl Fn(Slope, bool) -> Slope) -> Slope {
        let whole = self.slope;
        if on.l.is_nan() || on.u.is_nan() || on.l > on.u || !self.domain.holds(on.l, on.u) {
            return whole;
        }
        let hull = |lowest: bool, highest: bool| {
            let (left, right) = ((self.derivative)(&PORTABLE, on.l), (self.derivative)(&PORTABLE, on.u));
            let mut hull = (!left.is_nan() && !right.is_nan()).then(|| Slope::hull(left, right))?;
            for (_, extreme) in
                [(lowest, whole.lower), (highest, whole.upper)].into_iter().filter(|(touched, _)| *touched)
            {
                hull = hull.join(Slope::new(extreme, extreme));
            }
            Some(hull)
        };
        let hull = match self.shape {
            Shape::Pieces(pieces) => match pieces.range(on) {
                Some((exact, true)) => return exact,
                Some((hull, false)) => Some(hull),
                None => None,
            },
            Shape::Extremes { lowest, highest } => {
                let touches = |at: f64| on.l <= at + NEAR && at - NEAR <= on.u;
                hull(lowest.is_some_and(touches), highest.is_some_and(touches))
            }
            // beyond 10⁶ the phase would lose digits; nearly a whole turn has everything
            Shape::Wave { .. } if on.u - on.l >= 2.0 * PI || on.l.abs() > 1e6 || on.u.abs() > 1e6 => None,
            Shape::Wave { lowest } => {
                let (first, last) =
                    (|at: f64| (on.l - at - NEAR) / (2.0 * PI), |at: f64| (on.u - at + NEAR) / (2.0 * PI));
                let touches = |at: f64| last(at).floor() >= first(at).ceil();
                hull(touches(lowest), touches(lowest - PI))
            }
        };
        let Some(hull) = hull else { return whole };
        let margin = |end: f64| match self.error {
            Error::Near(_, margin) => margin,
            Error::Relative(part) => part * end.abs() + TINY,
            Error::Exact | Error::Product => 0.0,
        };
        let relative = matches!(self.error, Error::Relative(_));
        let range = outwards(Slope::new(hull.lower - margin(hull.lower), hull.upper + margin(hull.upper)), relative);
        if range.lower.is_nan() || range.upper.is_nan() {
            return whole; // which `max` and `min` would drop
        }
        let inside = Slope::new(range.lower.max(whole.lower), range.upper.min(whole.upper));
        if inside.lower <= inside.upper { inside } else { whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::activation::examples;

    fn random(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[test]
    fn ranges_hold_every_sampled_derivative_and_value_and_are_tight() {
        let mut seed = 7;
        for activation in examples() {
            for round in 0..3000 {
                let width = [1e-9, 1e-3, 0.3, 3.0, 30.0][round % 5];
                let l = 12.0 * (random(&mut seed) - 0.5);
                let u = l + width * random(&mut seed);
                let range = derivative_range(&activation, 0, (l, u), Ends::Closed);
                let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
                for i in 0..=200 {
                    let s = (l + (u - l) * f64::from(i) / 200.0).min(u);
                    let d = activation.derivative(0, s);
                    assert!(range.lower <= d && d <= range.upper, "{activation}'({s}) = {d} is outside {range:?}");
                    least = least.min(d);
                    most = most.max(d);
                    let (below, above) = value(&activation, 0, s);
                    let v = activation.value(0, s);
                    assert!(below <= v && v <= above && above - below < 1e-6, "{activation}({s})");
                }
                let smooth = activation.pieces(0).is_none();
                if smooth {
                    let loose = (least - range.lower).max(range.upper - most);
                    assert!(loose < 1e-7 + 1e-2 * (u - l), "{activation} on [{l}, {u}]: {range:?} is loose by {loose}");
                }
            }
        }
    }

    #[test]
    fn kinks_have_both_sides_and_critical_points_their_extremes() {
        let range = |a: &Activation, l, u| derivative_range(a, 0, (l, u), Ends::Closed);
        assert_eq!(range(&Activation::Relu, 0.0, 1.0), Slope::new(0.0, 1.0));
        assert_eq!(range(&Activation::Relu, 1e-300, 1.0), Slope::new(1.0, 1.0));
        assert_eq!(range(&Activation::Relu, -1.0, -1e-300), Slope::new(0.0, 0.0));
        assert_eq!(derivative_range(&Activation::Relu, 0, (0.0, 1.0), Ends::Open), Slope::new(1.0, 1.0));
        assert_eq!(range(&Activation::Sigmoid, -0.1, 0.1).upper, 0.25);
        let whole = Activation::Gelu.slope(0);
        assert_eq!(range(&Activation::Gelu, -2.0, 2.0), whole);
        assert_eq!(range(&Activation::Sin, -1e9, 1.0), Slope::new(-1.0, 1.0));
        for activation in examples() {
            let whole = activation.slope(0);
            for ends in [(f64::NEG_INFINITY, f64::INFINITY), (f64::NAN, 1.0), (-1e308, 1e308)] {
                let range = derivative_range(&activation, 0, ends, Ends::Closed);
                assert!(range.lower <= range.upper && whole.lower <= range.lower && range.upper <= whole.upper);
                if !ends.0.is_nan() {
                    assert!(range.upper - range.lower > 0.9 * (whole.upper - whole.lower), "{activation}: {range:?}");
                }
            }
        }
    }
}
