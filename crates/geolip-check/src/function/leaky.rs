//! Linear on either side of zero: ReLU, leaky ReLU (and PReLU, one for every neuron), |s|.
//!
//! The slopes are parameters, and the ends of the slope interval. **Rounded:** nothing but the product of a parameter and s, by
//! less than a unit in the last place: the numbers next to it enclose it, underflow included.

use super::Slope;
use super::pieces::{Piece, Pieces};
use super::scalar::{Error, Formula, Scalar, Shape};

/// The slope `below` zero, and 1 above.
fn at_zero(value: impl Formula, below: f64, error: Error) -> Scalar<impl Formula, impl Formula> {
    let derivative = move |_: &_, s| if s >= 0.0 { 1.0 } else { below };
    let pieces = Pieces::at_zero(Piece::Line(below), 1.0);
    Scalar::new(value, derivative, Slope::hull(below, 1.0), Shape::Pieces(pieces), error)
}

pub(super) fn relu() -> Scalar<impl Formula, impl Formula> {
    at_zero(|_, s| s.max(0.0), 0.0, Error::Exact)
}

pub(super) fn leaky_relu(below: f64) -> Scalar<impl Formula, impl Formula> {
    at_zero(move |_, s| if s >= 0.0 { s } else { below * s }, below, Error::Product)
}

pub(super) fn abs() -> Scalar<impl Formula, impl Formula> {
    at_zero(|_, s| s.abs(), -1.0, Error::Exact)
}
