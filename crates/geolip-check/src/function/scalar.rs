//! What every file of a family says about its functions, and the arithmetic in which it says it.

use super::{Ends, Pieces, Slope};

/// Absolute error of a smooth value or derivative of order one, generously: `libm` is off by a few units in the last place, and
/// every formula here is well conditioned in the absolute sense (|s|ᵏ only meets e^{−|s|}), so this is more than a hundred times
/// what can be lost.
pub(super) const MARGIN: f64 = 1e-13;
/// How close to a critical point its extreme value counts.
pub(super) const NEAR: f64 = 1e-6;

/// A formula of s, evaluated in some arithmetic.
pub(super) trait Formula: Fn(&Arithmetic, f64) -> f64 + Copy {}
impl<F: Fn(&Arithmetic, f64) -> f64 + Copy> Formula for F {}

/// All facts about a function φ of one number, for one neuron.
#[derive(Clone, Copy)]
pub(super) struct Scalar<V, D> {
    /// φ(s)
    pub value: V,
    /// φ'(s); at a kink, the derivative from the right.
    pub derivative: D,
    /// An interval that holds every secant slope.
    pub slope: Slope,
    /// How φ' runs.
    pub shape: Shape,
    /// How far the formulas are off in [`PORTABLE`] arithmetic.
    pub error: Error,
    /// Where it is defined.
    pub domain: Domain,
}

impl<V: Formula, D: Formula> Scalar<V, D> {
    /// Its facts, in the order of the fields; it is defined everywhere.
    pub fn new(value: V, derivative: D, slope: Slope, shape: Shape, error: Error) -> Self {
        Self { value, derivative, slope, shape, error, domain: Domain::Line }
    }

    /// Defined there alone.
    pub fn on(self, domain: Domain) -> Self {
        Self { domain, ..self }
    }
}

/// Where a function is defined, and its derivative runs as its [`Shape`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// Everywhere.
    Line,
    /// Right of zero.
    Positive,
    /// Left of zero, and right of it.
    NotZero,
}

impl Domain {
    /// Whether all of \[l, u\] is in one piece of it.
    pub fn holds(self, l: f64, u: f64) -> bool {
        match self {
            Self::Line => true,
            Self::Positive => l > 0.0,
            Self::NotZero => l > 0.0 || u < 0.0,
        }
    }
}

/// How a derivative runs.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// It has a formula of its own between any two seams.
    Pieces(Pieces),
    /// It has the ends of the slope interval at these places, if anywhere, and is monotone between and beyond them.
    Extremes { lowest: Option<f64>, highest: Option<f64> },
    /// Its period is 2π, it is −1 at `lowest`, 1 half a turn on, and monotone between.
    Wave { lowest: f64 },
}

/// How far formulas are off.
#[derive(Clone, Copy)]
pub(super) enum Error {
    /// They are exact.
    Exact,
    /// Values below zero are one rounded product.
    Product,
    /// Values by this many times [`MARGIN`]·(1 + |s|), derivatives by the other number.
    Near(f64, f64),
    /// Values and derivatives by this part of themselves, and by underflow.
    Relative(f64),
}

/// Of values and derivatives of order one.
pub(super) const SMALL: Error = Error::Near(1.0, MARGIN);

/// Numbers l ≤ u, and whether they count.
#[derive(Clone, Copy)]
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

/// Elementary functions, and what becomes of ∞·0 in a product of an exponential and a power.
pub(super) struct Arithmetic {
    pub exp: fn(f64) -> f64,
    pub exp_m1: fn(f64) -> f64,
    pub ln_1p: fn(f64) -> f64,
    pub tanh: fn(f64) -> f64,
    pub sin: fn(f64) -> f64,
    pub cos: fn(f64) -> f64,
    pub product: fn(f64) -> f64,
}

/// The standard library's functions: fast, and in the last digits different between machines.
pub(super) const NATIVE: Arithmetic = Arithmetic {
    exp: f64::exp,
    exp_m1: f64::exp_m1,
    ln_1p: f64::ln_1p,
    tanh: f64::tanh,
    sin: f64::sin,
    cos: f64::cos,
    product: |v| v,
};

/// `libm`'s, the same on every machine: what claims are made of. ∞·0 is 0: an exponential wins against any power.
pub(super) const PORTABLE: Arithmetic = Arithmetic {
    exp: libm::exp,
    exp_m1: libm::expm1,
    ln_1p: libm::log1p,
    tanh: libm::tanh,
    sin: libm::sin,
    cos: libm::cos,
    product: |v| if v.is_nan() { 0.0 } else { v },
};
