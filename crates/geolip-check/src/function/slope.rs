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

    /// The hull of two slopes, in either order.
    pub(super) fn hull(a: f64, b: f64) -> Self {
        Self { lower: a.min(b), upper: a.max(b) }
    }

    /// The hull of some slopes, each off by at most `margin`; NaN makes it NaN.
    pub(super) fn hull_of(slopes: impl Iterator<Item = f64>, margin: f64) -> Self {
        let undefined = Self::new(f64::NAN, f64::NAN); // which `min` and `max` would drop
        slopes.fold(Self::new(f64::INFINITY, f64::NEG_INFINITY), |h, v| match v.is_nan() || h.lower.is_nan() {
            true => undefined,
            false => Self::new(h.lower.min(v - margin), h.upper.max(v + margin)),
        })
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
