//! Odd about their value at zero, and flatter and flatter away from it: sigmoid, tanh, softsign, erf, atan, asinh.
//!
//! The derivative is even, positive, falls on either side of zero, and is largest there: 1/4 for σ' = σ(s)·σ(−s), 2/√π =
//! 1.12837916709551257… for erf' = 2/√π·e^{−s²}, and 1 for tanh' = 1 − tanh², softsign' = (1 + |s|)⁻², atan' = 1/(1 + s²) and
//! asinh' = (1 + s²)^{−1/2}. **Rounded:** all numbers are of order one (asinh of the order of s), and 2/√π outwards.

use super::Slope;
use super::scalar::{Arithmetic, Formula, SMALL, Scalar, Shape};
use std::f64::consts::FRAC_2_SQRT_PI;

/// σ(s), without overflow.
pub(super) fn logistic(a: &Arithmetic, s: f64) -> f64 {
    let e = (a.exp)(-s.abs());
    if s >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// tanh'(s): 1 − tanh² cancels for large |s|; 4e/(1+e)² with e = exp(−2|s|) does not.
pub(super) fn sech_squared(a: &Arithmetic, s: f64) -> f64 {
    let e = (a.exp)(-2.0 * s.abs());
    4.0 * e / ((1.0 + e) * (1.0 + e))
}

/// With a derivative that is `steepest` at zero.
fn odd(value: impl Formula, derivative: impl Formula, steepest: f64) -> Scalar<impl Formula, impl Formula> {
    let shape = Shape::Extremes { lowest: None, highest: Some(0.0) };
    Scalar::new(value, derivative, Slope::new(0.0, steepest), shape, SMALL)
}

pub(super) fn sigmoid() -> Scalar<impl Formula, impl Formula> {
    odd(logistic, |a, s| logistic(a, s) * logistic(a, -s), 0.25)
}

pub(super) fn tanh() -> Scalar<impl Formula, impl Formula> {
    odd(|a, s| (a.tanh)(s), sech_squared, 1.0)
}

pub(super) fn softsign() -> Scalar<impl Formula, impl Formula> {
    odd(|a, s| (a.product)(s / (1.0 + s.abs())), |_, s| 1.0 / ((1.0 + s.abs()) * (1.0 + s.abs())), 1.0)
}

pub(super) fn erf() -> Scalar<impl Formula, impl Formula> {
    odd(|_, s| libm::erf(s), |a, s| FRAC_2_SQRT_PI * (a.exp)(-s * s), FRAC_2_SQRT_PI.next_up())
}

pub(super) fn atan() -> Scalar<impl Formula, impl Formula> {
    odd(|_, s| libm::atan(s), |_, s| 1.0 / (1.0 + s * s), 1.0)
}

pub(super) fn asinh() -> Scalar<impl Formula, impl Formula> {
    odd(|_, s| libm::asinh(s), |_, s| 1.0 / libm::hypot(1.0, s), 1.0)
}
