//! A ramp between two constants: clip, hard sigmoid.
//!
//! The slope interval is the hull of 0 and the ramp's slope. **Rounded:** nothing of a clip. A hard sigmoid's value is two
//! roundings off, and its kinks are where a rounded quotient says, so an interval near one counts as touching it.

use super::Slope;
use super::pieces::{Piece, Pieces};
use super::scalar::{Error, Formula, MARGIN, Scalar, Shape};

pub(super) fn clip(min: f64, max: f64) -> Scalar<impl Formula, impl Formula> {
    let derivative = move |_: &_, s| if (min..max).contains(&s) { 1.0 } else { 0.0 };
    let pieces = Pieces::between(0.0, [min, max], Piece::Line(1.0), 0.0, true);
    Scalar::new(move |_, s| s.clamp(min, max), derivative, Slope::new(0.0, 1.0), Shape::Pieces(pieces), Error::Exact)
}

pub(super) fn hard_sigmoid(slope: f64, offset: f64) -> Scalar<impl Formula, impl Formula> {
    let derivative = move |_: &_, s| if (0.0..1.0).contains(&(slope * s + offset)) { slope } else { 0.0 };
    let (zero, one) = (-offset / slope, (1.0 - offset) / slope);
    let kinks = if slope > 0.0 { [zero, one] } else { [one, zero] };
    let pieces = match slope == 0.0 {
        true => Pieces::straight(0.0),
        false => Pieces::between(0.0, kinks, Piece::Line(slope), 0.0, false),
    };
    let error = Error::Near(1.0 + slope.abs() + offset.abs(), MARGIN);
    let value = move |_: &_, s: f64| (slope * s + offset).clamp(0.0, 1.0);
    Scalar::new(value, derivative, Slope::hull(0.0, slope), Shape::Pieces(pieces), error)
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
