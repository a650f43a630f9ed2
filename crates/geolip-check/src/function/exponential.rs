//! An exponential on the left, (nearly) a line on the right: ELU, CELU, SELU, softplus.
//!
//! Left of zero the derivatives are f·eˢ (f·e^{s/α} for CELU), monotone between 0 and f, right of it one number: the slope
//! interval is the hull of 0, f and that. Softplus' is σ, which rises from 0 to 1. At the seam at zero the derivative of ELU and SELU jumps
//! unless f is the slope on the right; that of CELU (f = 1) never does, but on its right, too, it is a line.
//!
//! **Rounded:** [`near`] with the sizes of the factors in the margin. The one rounded product in a slope interval is SELU's
//! f = α·γ: one step outwards covers it.

use super::Slope;
use super::scalar::{Arithmetic, Interval, MARGIN, Portable, Scalar, between, near};
use super::sigmoid::sigmoid;

/// s for s ≥ 0, `alpha`·(eˢ − 1) below.
#[derive(Clone, Copy)]
pub(super) struct Elu {
    pub alpha: f64,
}

/// max(0, s) + min(0, `alpha`·(e^{s/alpha} − 1)), of a positive `alpha`.
#[derive(Clone, Copy)]
pub(super) struct Celu {
    pub alpha: f64,
}

/// `gamma`·s for s ≥ 0, `gamma`·`alpha`·(eˢ − 1) below.
#[derive(Clone, Copy)]
pub(super) struct Selu {
    pub alpha: f64,
    pub gamma: f64,
}

/// log(1 + eˢ)
#[derive(Clone, Copy)]
pub(super) struct Softplus;

pub(super) fn softplus<A: Arithmetic>(s: f64) -> f64 {
    s.max(0.0) + A::ln_1p(A::exp(-s.abs()))
}

/// The range of what is `factor`·e^{s/rate} left of zero and `right` on its right.
fn one_sided(on: Interval, factor: f64, rate: f64, right: f64) -> Slope {
    let left = on.reaches_below(0.0).then(|| [on.l, on.u.min(0.0)].map(|s| factor * Portable::exp(s / rate)));
    let slopes = left.into_iter().flatten().chain(on.reaches_above(0.0).then_some(right));
    Slope::hull_of(slopes, MARGIN * (1.0 + factor.abs() + right.abs()))
}

impl Scalar for Elu {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        if s >= 0.0 { s } else { self.alpha * A::exp_m1(s) }
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        if s >= 0.0 { 1.0 } else { self.alpha * A::exp(s) }
    }
    fn slope(self) -> Slope {
        Slope::new(self.alpha.min(0.0), self.alpha.max(1.0))
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0 + self.alpha.abs())
    }
    fn seams(self) -> &'static [f64] {
        &[0.0]
    }
    fn linear_on(self, on: Interval) -> Option<f64> {
        (!on.reaches_below(0.0)).then_some(1.0)
    }
    fn range(self, on: Interval) -> Slope {
        one_sided(on, self.alpha, 1.0, 1.0)
    }
    fn saturation(self) -> f64 {
        self.alpha.abs()
    }
}

impl Scalar for Celu {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        if s > 0.0 { s } else { s.max(0.0) + (self.alpha * A::exp_m1(s / self.alpha)).min(0.0) }
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        if s >= 0.0 { 1.0 } else { A::exp(s / self.alpha) }
    }
    fn slope(self) -> Slope {
        Slope::new(0.0, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0 + self.alpha.abs())
    }
    fn seams(self) -> &'static [f64] {
        &[0.0]
    }
    fn linear_on(self, on: Interval) -> Option<f64> {
        (!on.reaches_below(0.0)).then_some(1.0)
    }
    fn range(self, on: Interval) -> Slope {
        one_sided(on, 1.0, self.alpha, 1.0)
    }
    fn saturation(self) -> f64 {
        self.alpha.abs()
    }
}

impl Scalar for Selu {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        self.gamma * if s >= 0.0 { s } else { self.alpha * A::exp_m1(s) }
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        self.gamma * if s >= 0.0 { 1.0 } else { self.alpha * A::exp(s) }
    }
    fn slope(self) -> Slope {
        let steepest = self.alpha * self.gamma;
        let right = Slope::hull(0.0, self.gamma);
        Slope::new(right.lower.min(steepest.next_down()), right.upper.max(steepest.next_up()))
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, (1.0 + self.alpha.abs()) * (1.0 + self.gamma.abs()))
    }
    fn seams(self) -> &'static [f64] {
        &[0.0]
    }
    fn linear_on(self, on: Interval) -> Option<f64> {
        (!on.reaches_below(0.0)).then_some(self.gamma)
    }
    fn range(self, on: Interval) -> Slope {
        one_sided(on, self.alpha * self.gamma, 1.0, self.gamma)
    }
    fn saturation(self) -> f64 {
        (self.alpha * self.gamma).abs()
    }
}

impl Scalar for Softplus {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        softplus::<A>(s)
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        sigmoid::<A>(s)
    }
    fn slope(self) -> Slope {
        Slope::new(0.0, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0)
    }
    fn range(self, on: Interval) -> Slope {
        between(self, on, &[], MARGIN)
    }
}
