//! A ramp between two constants: clip, hard sigmoid.
//!
//! The slope interval is the hull of 0 and the ramp's slope. **Rounded:** nothing of a clip. A hard sigmoid's value is two
//! roundings off, and its kinks are where a rounded quotient says, so an interval near one counts as touching it.

use super::scalar::{Arithmetic, Scalar, near};
use super::{LinearPieces, Slope};

/// max(`min`, min(`max`, s))
#[derive(Clone, Copy)]
pub(super) struct Clip {
    pub min: f64,
    pub max: f64,
}

/// max(0, min(1, `slope`·s + `offset`))
#[derive(Clone, Copy)]
pub(super) struct HardSigmoid {
    pub slope: f64,
    pub offset: f64,
}

impl Scalar for Clip {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        s.clamp(self.min, self.max)
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        if (self.min..self.max).contains(&s) { 1.0 } else { 0.0 }
    }
    fn slope(self) -> Slope {
        Slope::new(0.0, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        let value = s.clamp(self.min, self.max);
        (value, value)
    }
    fn pieces(self) -> Option<LinearPieces> {
        Some(LinearPieces::ramp(self.min, self.max, 1.0, true))
    }
}

impl Scalar for HardSigmoid {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        (self.slope * s + self.offset).clamp(0.0, 1.0)
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        if (0.0..1.0).contains(&(self.slope * s + self.offset)) { self.slope } else { 0.0 }
    }
    fn slope(self) -> Slope {
        Slope::hull(0.0, self.slope)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0 + self.slope.abs() + self.offset.abs())
    }
    fn pieces(self) -> Option<LinearPieces> {
        if self.slope == 0.0 {
            return Some(LinearPieces::straight(0.0));
        }
        let (zero, one) = (-self.offset / self.slope, (1.0 - self.offset) / self.slope);
        let (from, to) = if self.slope > 0.0 { (zero, one) } else { (one, zero) };
        Some(LinearPieces::ramp(from, to, self.slope, false))
    }
}

#[cfg(test)]
mod tests {
    use crate::function::Activation;
    use crate::function::ranges::{Ends, derivative_range};

    #[test]
    fn kinks_that_overflow_hide_no_piece() {
        // slope 1e-300 on a ramp far from zero, and kinks at −∞: everything is possible where an end is infinite, too
        for (slope, offset) in [(1e-300, 1e10), (-1e-300, 1e10), (1e-10, -1e300), (-1e-310, -5.0)] {
            let activation = Activation::HardSigmoid { slope, offset };
            for ends in
                [(f64::NEG_INFINITY, 0.0), (0.0, f64::INFINITY), (f64::NEG_INFINITY, f64::INFINITY), (-1e308, 1e308)]
            {
                assert_eq!(
                    derivative_range(&activation, 0, ends, Ends::Closed),
                    activation.slope(0),
                    "{slope} {ends:?}"
                );
            }
        }
    }
}
