//! Piecewise linear functions: slopes between kinks.

use super::scalar::{Interval, NEAR};
use super::{Ends, Slope};

/// A piecewise linear function: slopes between at most two kinks in ascending order.
#[derive(Clone, Copy, Debug)]
pub struct LinearPieces {
    places: [f64; 2],
    slopes: [f64; 3],
    count: usize,
    /// Whether the kinks are exactly these numbers.
    pub exact: bool,
}

impl LinearPieces {
    /// A straight line.
    pub(super) fn straight(slope: f64) -> Self {
        Self { places: [0.0; 2], slopes: [slope; 3], count: 0, exact: true }
    }

    /// One kink, at zero.
    pub(super) fn at_zero(left: f64, right: f64) -> Self {
        Self { places: [0.0; 2], slopes: [left, right, right], count: 1, exact: true }
    }

    /// A ramp between two constants.
    pub(super) fn ramp(from: f64, to: f64, slope: f64, exact: bool) -> Self {
        Self { places: [from, to], slopes: [0.0, slope, 0.0], count: 2, exact }
    }

    /// Where the slope changes.
    pub fn kinks(&self) -> &[f64] {
        &self.places[..self.count]
    }

    /// The kink of a function that has one, exactly.
    pub fn only_kink(&self) -> Option<f64> {
        (self.exact && self.count == 1).then_some(self.places[0])
    }

    /// The slopes on an interval, both sides of a kink that it touches; none where nothing is known.
    pub(super) fn range(&self, on: Interval) -> Option<Slope> {
        let kinks = self.kinks();
        // kinks that overflowed are nowhere in particular
        if !self.exact && [on.l, on.u].iter().chain(kinks).any(|end| !end.is_finite()) {
            return None;
        }
        let slack = |kink: f64| if self.exact || on.ends == Ends::Open { 0.0 } else { NEAR * (1.0 + kink.abs()) };
        let touched = (0..=self.count).filter(|p| {
            (*p == 0 || on.reaches_above(kinks[p - 1] - slack(kinks[p - 1])))
                && (*p == self.count || on.reaches_below(kinks[*p] + slack(kinks[*p])))
        });
        let slopes = touched.map(|p| Slope::new(self.slopes[p], self.slopes[p]));
        slopes.reduce(|hull, slope| Slope::new(hull.lower.min(slope.lower), hull.upper.max(slope.upper)))
    }
}
