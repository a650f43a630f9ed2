//! An interval of slopes.

/// A closed interval that holds every secant slope of one neuron.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// α, the smallest slope.
    pub lower: f64,
    /// β, the largest slope.
    pub upper: f64,
}

impl Slope {
    /// The interval [lower, upper].
    pub const fn new(lower: f64, upper: f64) -> Self {
        Self { lower, upper }
    }

    /// The hull of two slopes, in either order. (What is not a number is dropped.)
    pub(super) fn hull(a: f64, b: f64) -> Self {
        Self { lower: a.min(b), upper: a.max(b) }
    }

    /// The hull of two intervals.
    pub(super) fn join(self, other: Self) -> Self {
        Self { lower: self.lower.min(other.lower), upper: self.upper.max(other.upper) }
    }

    /// c = (α + β)/2, rounded to nearest.
    pub fn centre(self) -> f64 {
        0.5 * (self.lower + self.upper)
    }

    /// r = (β − α)/2, rounded to nearest.
    pub fn radius(self) -> f64 {
        0.5 * (self.upper - self.lower)
    }

    /// max(|α|, |β|).
    pub fn magnitude(self) -> f64 {
        self.lower.abs().max(self.upper.abs())
    }

    /// Whether the slope is one fixed number, so that the neuron is linear.
    pub fn is_fixed(self) -> bool {
        self.lower == self.upper
    }
}
