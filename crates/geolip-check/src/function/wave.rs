//! sin and cos.
//!
//! Derivatives have period 2π, are −1 somewhere, 1 half a turn on, and monotone between. **Rounded:** [`near`]; the range has
//! an extreme value where an interval comes near it, and beyond |s| = 10⁶, where the phase would lose digits, both.

use super::Slope;
use super::scalar::{Arithmetic, Interval, MARGIN, NEAR, Portable, Scalar, near};
use std::f64::consts::{FRAC_PI_2, PI};

/// sin(s)
#[derive(Clone, Copy)]
pub(super) struct Sin;

/// cos(s)
#[derive(Clone, Copy)]
pub(super) struct Cos;

/// The range of φ', which is −1 at `lowest`.
fn range(wave: impl Scalar, Interval { l, u, .. }: Interval, lowest: f64) -> Slope {
    // nearly a whole turn has everything
    if u - l >= 2.0 * PI || l.abs() > 1e6 || u.abs() > 1e6 {
        return Slope::new(-1.0, 1.0);
    }
    let holds = |at: f64| ((u - at + NEAR) / (2.0 * PI)).floor() >= ((l - at - NEAR) / (2.0 * PI)).ceil();
    let extremes = [holds(lowest).then_some(-1.0), holds(lowest - PI).then_some(1.0)];
    let ends = [l, u].map(|s| wave.derivative::<Portable>(s));
    Slope::hull_of(extremes.into_iter().flatten().chain(ends), MARGIN)
}

impl Scalar for Sin {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        A::sin(s)
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        A::cos(s)
    }
    fn slope(self) -> Slope {
        Slope::new(-1.0, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0)
    }
    fn range(self, on: Interval) -> Slope {
        range(self, on, PI)
    }
}

impl Scalar for Cos {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        A::cos(s)
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        -A::sin(s)
    }
    fn slope(self) -> Slope {
        Slope::new(-1.0, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0)
    }
    fn range(self, on: Interval) -> Slope {
        range(self, on, FRAC_PI_2)
    }
}
