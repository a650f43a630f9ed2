//! An exponential on the left, (nearly) a line on the right: ELU, CELU, SELU, softplus.
//!
//! Left of zero the derivatives are f·eˢ (e^{s/α} for CELU), monotone between 0 and f, right of it one number: the slope interval
//! is the hull of 0, f and that. At the seam at zero the derivative of ELU and SELU jumps unless f is the slope on the right; that of
//! CELU never does, but its formula changes there all the same. Softplus' is σ, which rises from 0 to 1.
//!
//! **Rounded:** errors grow with the factors. The one rounded product in a slope interval is SELU's f = α·γ: one step outwards
//! covers it.

use super::Slope;
use super::pieces::{Piece, Pieces};
use super::scalar::{Arithmetic, Error, Formula, MARGIN, SMALL, Scalar, Shape};
use super::sigmoid::logistic;

/// log(1 + eˢ)
pub(super) fn log_1p_exp(a: &Arithmetic, s: f64) -> f64 {
    s.max(0.0) + (a.ln_1p)((a.exp)(-s.abs()))
}

/// The derivative `factor`·e^{s/`rate`} left of zero, and `right` on its right; values are off by `size` margins.
fn at_zero(
    value: impl Formula,
    derivative: impl Formula,
    slope: Slope,
    (factor, rate, right): (f64, f64, f64),
    size: f64,
) -> Scalar<impl Formula, impl Formula> {
    let pieces = Pieces::at_zero(Piece::Exponential { factor, rate }, right);
    let error = Error::Near(size, MARGIN * (1.0 + factor.abs() + right.abs()));
    Scalar::new(value, derivative, slope, Shape::Pieces(pieces), error)
}

pub(super) fn elu(alpha: f64) -> Scalar<impl Formula, impl Formula> {
    at_zero(
        move |a, s| if s >= 0.0 { s } else { alpha * (a.exp_m1)(s) },
        move |a, s| if s >= 0.0 { 1.0 } else { alpha * (a.exp)(s) },
        Slope::new(alpha.min(0.0), alpha.max(1.0)),
        (alpha, 1.0, 1.0),
        1.0 + alpha.abs(),
    )
}

pub(super) fn celu(alpha: f64) -> Scalar<impl Formula, impl Formula> {
    at_zero(
        move |a, s| if s > 0.0 { s } else { s.max(0.0) + (alpha * (a.exp_m1)(s / alpha)).min(0.0) },
        move |a, s| if s >= 0.0 { 1.0 } else { (a.exp)(s / alpha) },
        Slope::new(0.0, 1.0),
        (1.0, alpha, 1.0),
        1.0 + alpha.abs(),
    )
}

pub(super) fn selu(alpha: f64, gamma: f64) -> Scalar<impl Formula, impl Formula> {
    let (steepest, right) = (alpha * gamma, Slope::hull(0.0, gamma));
    at_zero(
        move |a, s| gamma * if s >= 0.0 { s } else { alpha * (a.exp_m1)(s) },
        move |a, s| gamma * if s >= 0.0 { 1.0 } else { alpha * (a.exp)(s) },
        right.join(Slope::new(steepest.next_down(), steepest.next_up())),
        (steepest, 1.0, gamma),
        (1.0 + alpha.abs()) * (1.0 + gamma.abs()),
    )
}

pub(super) fn softplus() -> Scalar<impl Formula, impl Formula> {
    let shape = Shape::Extremes { lowest: None, highest: None };
    Scalar::new(log_1p_exp, logistic, Slope::new(0.0, 1.0), shape, SMALL)
}
