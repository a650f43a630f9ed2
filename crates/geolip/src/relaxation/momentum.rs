//! Nesterov's momentum: how far an accelerated ascent extrapolates each step.

/// The sequence t ← (1 + √(1 + 4t²))/2 from t = 1. A step from a to b is extrapolated to b + m(b − a), m = (t − 1)/t⁺: nothing at
/// first, nearly the whole step again later.
///
/// ```
/// use geolip::relaxation::Momentum;
///
/// let mut momentum = Momentum::START;
/// assert!(momentum.is_fresh() && momentum.advance() == 0.0);
/// let golden = f64::midpoint(1.0, 5.0_f64.sqrt()); // t after one step
/// assert_eq!(momentum.advance(), (golden - 1.0) / f64::midpoint(1.0, (1.0 + 4.0 * golden * golden).sqrt()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Momentum {
    t: f64,
}

impl Momentum {
    /// None yet.
    pub const START: Self = Self { t: 1.0 };

    /// Whether the last step was not extrapolated, or there was none.
    pub fn is_fresh(self) -> bool {
        self.t == 1.0
    }

    /// How far the step just made is extrapolated.
    pub fn advance(&mut self) -> f64 {
        let next = 0.5 * (1.0 + (1.0 + 4.0 * self.t * self.t).sqrt());
        let momentum = (self.t - 1.0) / next;
        self.t = next;
        momentum
    }
}
