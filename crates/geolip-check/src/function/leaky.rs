//! Linear on either side of zero: ReLU, leaky ReLU (and PReLU, one for every neuron), |s|.
//!
//! The slopes are parameters, and the ends of the slope interval. **Rounded:** nothing but the product of a parameter and s, by
//! less than a unit in the last place: the numbers next to it enclose it, underflow included.

use super::scalar::{Arithmetic, Portable, Scalar};
use super::{LinearPieces, Slope};

/// max(0, s)
#[derive(Clone, Copy)]
pub(super) struct Relu;

/// s for s ≥ 0, `below`·s for others.
#[derive(Clone, Copy)]
pub(super) struct Leaky {
    pub below: f64,
}

/// |s|
#[derive(Clone, Copy)]
pub(super) struct Abs;

fn derivative(s: f64, below: f64) -> f64 {
    if s >= 0.0 { 1.0 } else { below }
}

impl Scalar for Relu {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        s.max(0.0)
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        derivative(s, 0.0)
    }
    fn slope(self) -> Slope {
        Slope::new(0.0, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        (s.max(0.0), s.max(0.0))
    }
    fn pieces(self) -> Option<LinearPieces> {
        Some(LinearPieces::at_zero(0.0, 1.0))
    }
}

impl Scalar for Leaky {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        if s >= 0.0 { s } else { self.below * s }
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        derivative(s, self.below)
    }
    fn slope(self) -> Slope {
        Slope::hull(self.below, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        let value = self.value::<Portable>(s);
        if s >= 0.0 { (value, value) } else { (value.next_down(), value.next_up()) }
    }
    fn pieces(self) -> Option<LinearPieces> {
        Some(LinearPieces::at_zero(self.below, 1.0))
    }
}

impl Scalar for Abs {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        s.abs()
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        derivative(s, -1.0)
    }
    fn slope(self) -> Slope {
        Slope::new(-1.0, 1.0)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        (s.abs(), s.abs())
    }
    fn pieces(self) -> Option<LinearPieces> {
        Some(LinearPieces::at_zero(-1.0, 1.0))
    }
}
