//! Bounded and odd about their value at zero: sigmoid, tanh, softsign.
//!
//! The derivative is even, positive, falls on either side of zero, and is largest there: 1/4 for σ' = σ(s)·σ(−s), and 1 for
//! tanh' = 1 − tanh² and for softsign' = (1 + |s|)⁻². **Rounded:** [`near`] and [`between`] with a margin of one unit.

use super::Slope;
use super::scalar::{Arithmetic, Interval, MARGIN, Scalar, between, near};

/// 1 / (1 + e⁻ˢ)
#[derive(Clone, Copy)]
pub(super) struct Sigmoid;

/// tanh(s)
#[derive(Clone, Copy)]
pub(super) struct Tanh;

/// s / (1 + |s|)
#[derive(Clone, Copy)]
pub(super) struct Softsign;

/// σ(s), without overflow.
pub(super) fn sigmoid<A: Arithmetic>(s: f64) -> f64 {
    let e = A::exp(-s.abs());
    if s >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// tanh'(s): 1 − tanh² cancels for large |s|; 4e/(1+e)² with e = exp(−2|s|) does not.
pub(super) fn sech_squared<A: Arithmetic>(s: f64) -> f64 {
    let e = A::exp(-2.0 * s.abs());
    4.0 * e / ((1.0 + e) * (1.0 + e))
}

impl Scalar for Sigmoid {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        sigmoid::<A>(s)
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        sigmoid::<A>(s) * sigmoid::<A>(-s)
    }
    fn slope(self) -> Slope {
        Slope::new(0.0, 0.25)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0)
    }
    fn range(self, on: Interval) -> Slope {
        between(self, on, &[(0.0, 0.25)], MARGIN)
    }
}

impl Scalar for Tanh {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        A::tanh(s)
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        sech_squared::<A>(s)
    }
    fn slope(self) -> Slope {
        Slope::new(0.0, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0)
    }
    fn range(self, on: Interval) -> Slope {
        between(self, on, &[(0.0, 1.0)], MARGIN)
    }
}

impl Scalar for Softsign {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        A::product(s / (1.0 + s.abs()))
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        1.0 / ((1.0 + s.abs()) * (1.0 + s.abs()))
    }
    fn slope(self) -> Slope {
        Slope::new(0.0, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0)
    }
    fn range(self, on: Interval) -> Slope {
        between(self, on, &[(0.0, 1.0)], MARGIN)
    }
}
