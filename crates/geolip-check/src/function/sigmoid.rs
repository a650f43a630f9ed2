//! Bounded and odd about their value at zero: sigmoid, tanh, softsign.
//!
//! The derivative is even, positive, falls on either side of zero, and is largest there: 1/4 for σ' = σ(s)·σ(−s), and 1 for
//! tanh' = 1 − tanh² and for softsign' = (1 + |s|)⁻². **Rounded:** all numbers are of order one.

use super::Slope;
use super::scalar::{Arithmetic, Formula, SMALL, Scalar, Shape};

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
