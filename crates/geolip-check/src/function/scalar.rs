//! What every file of a family says about its functions, and the arithmetic in which it says it.

use super::{Ends, LinearPieces, Slope};

/// Absolute error of a smooth value or derivative of order one, generously: `libm` is off by a few units in the last place, and
/// every formula here is well conditioned in the absolute sense (|s|ᵏ only meets e^{−|s|}), so this is more than a hundred times
/// what can be lost.
pub(super) const MARGIN: f64 = 1e-13;
/// How close to a critical point its extreme value counts.
pub(super) const NEAR: f64 = 1e-6;

/// All facts about a function φ of one number, for one neuron.
///
/// What has a default here may be left at it: that is sound, and loose.
pub(super) trait Scalar: Copy {
    /// φ(s).
    fn value<A: Arithmetic>(self, s: f64) -> f64;

    /// φ'(s); at a kink, the derivative from the right.
    fn derivative<A: Arithmetic>(self, s: f64) -> f64;

    /// An interval that holds every secant slope.
    fn slope(self) -> Slope;

    /// Two numbers that φ(s) lies between.
    fn enclose(self, s: f64) -> (f64, f64);

    /// The pieces of a function that is piecewise linear; none for others.
    fn pieces(self) -> Option<LinearPieces> {
        None
    }

    /// Where the formula of a curved function changes.
    fn seams(self) -> &'static [f64] {
        &[]
    }

    /// The slope where a curved function is linear on the whole interval.
    fn linear_on(self, _on: Interval) -> Option<f64> {
        None
    }

    /// An interval that holds φ' on an interval, of a curved function.
    fn range(self, _on: Interval) -> Slope {
        self.slope()
    }

    /// What a function of the form c·(eˢ − 1) subtracts near zero: implementations lose what is below a rounding of it.
    fn saturation(self) -> f64 {
        0.0
    }
}

/// Numbers l ≤ u, and whether they count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub l: f64,
    pub u: f64,
    pub ends: Ends,
}

impl Interval {
    /// Whether it has points left of a kink, or touches it with an end that counts.
    pub fn reaches_below(self, kink: f64) -> bool {
        if self.ends == Ends::Closed { self.l <= kink } else { self.l < kink }
    }

    /// Whether it has points right of a kink, or touches it with an end that counts.
    pub fn reaches_above(self, kink: f64) -> bool {
        if self.ends == Ends::Closed { kink <= self.u } else { kink < self.u }
    }
}

/// Elementary functions, and what becomes of ∞·0.
pub(super) trait Arithmetic {
    fn exp(s: f64) -> f64;
    fn exp_m1(s: f64) -> f64;
    fn ln_1p(s: f64) -> f64;
    fn tanh(s: f64) -> f64;
    fn sin(s: f64) -> f64;
    fn cos(s: f64) -> f64;
    /// A product in which an exponential meets a power.
    fn product(v: f64) -> f64;
}

/// The standard library's: fast, and in the last digits different between machines.
pub(super) struct Native;

impl Arithmetic for Native {
    fn exp(s: f64) -> f64 {
        s.exp()
    }
    fn exp_m1(s: f64) -> f64 {
        s.exp_m1()
    }
    fn ln_1p(s: f64) -> f64 {
        s.ln_1p()
    }
    fn tanh(s: f64) -> f64 {
        s.tanh()
    }
    fn sin(s: f64) -> f64 {
        s.sin()
    }
    fn cos(s: f64) -> f64 {
        s.cos()
    }
    fn product(v: f64) -> f64 {
        v
    }
}

/// `libm`'s, the same on every machine: what claims are made of.
pub(super) struct Portable;

impl Arithmetic for Portable {
    fn exp(s: f64) -> f64 {
        libm::exp(s)
    }
    fn exp_m1(s: f64) -> f64 {
        libm::expm1(s)
    }
    fn ln_1p(s: f64) -> f64 {
        libm::log1p(s)
    }
    fn tanh(s: f64) -> f64 {
        libm::tanh(s)
    }
    fn sin(s: f64) -> f64 {
        libm::sin(s)
    }
    fn cos(s: f64) -> f64 {
        libm::cos(s)
    }
    /// ∞·0 is 0: an exponential wins against any power.
    fn product(v: f64) -> f64 {
        if v.is_nan() { 0.0 } else { v }
    }
}

/// φ(s) as [`Portable`] arithmetic has it, ± `scale` times [`MARGIN`]·(1 + |s|).
pub(super) fn near(function: impl Scalar, s: f64, scale: f64) -> (f64, f64) {
    let (value, margin) = (function.value::<Portable>(s), MARGIN * scale * (1.0 + s.abs()));
    (value - margin, value + margin)
}

/// The range of a derivative that is monotone between `critical` points, each with its extreme value; all off by `margin`.
pub(super) fn between(function: impl Scalar, on: Interval, critical: &[(f64, f64)], margin: f64) -> Slope {
    let touched = critical.iter().filter(|(at, _)| on.l <= at + NEAR && at - NEAR <= on.u).map(|(_, extreme)| *extreme);
    Slope::hull_of(touched.chain([on.l, on.u].map(|s| function.derivative::<Portable>(s))), margin)
}
