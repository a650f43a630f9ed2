//! A problem on its way: what its repairs and looks at it have told so far.

use crate::dual::Remembered;
use crate::problem::Functional;
use crate::proof::Certificate;
use std::cell::Cell;

/// A value that moves less than this has stopped.
pub(super) const STILL: f64 = 2e-15;
/// The multipliers settle later than the value: sweeps allowed after it has stopped, as a multiple of those made until
/// then and at least, before the rank is raised, and before the highest rank is given up.
const PATIENCE: (usize, usize) = (2, 100);
const LAST_PATIENCE: (usize, usize) = (3, 200);
/// Modes that keep this part of their distance from zero are stuck.
const STUCK: f64 = 0.85;
/// Repairs that come closer to the value by less than this part of their distance have come to rest.
const RESTING: f64 = 0.05;

/// A problem on its way.
pub(super) struct Track {
    pub index: usize,
    pub functional: Functional,
    /// Try a repair when the value moves less than this …
    pub calm: f64,
    /// … and at least this many sweeps are made.
    pub not_before: usize,
    /// Repairs that failed.
    pub failures: usize,
    /// The bound of the last repair, whether good enough or not.
    pub repaired: Option<f64>,
    /// Whether the rank was raised because repairs no longer became better.
    pub widened: bool,
    /// The sweep at which the value had stopped.
    still_since: Option<usize>,
    /// Sweeps at an earlier look at the lowest modes, and how far below zero they were.
    looked: Option<(usize, f64)>,
    /// The lowest modes found there.
    pub modes: Option<Remembered>,
    /// Sweeps made at lower ranks.
    pub earlier_sweeps: usize,
    /// What was certified at lower ranks.
    pub known: Option<Certificate>,
    /// Random tests so far.
    pub tests: Cell<u64>,
}

impl Track {
    /// A problem at its start, to be repaired when its value moves less than `calm`.
    pub fn new(index: usize, functional: Functional, calm: f64) -> Self {
        Self {
            index,
            functional,
            calm,
            not_before: 5,
            failures: 0,
            repaired: None,
            widened: false,
            still_since: None,
            looked: None,
            modes: None,
            earlier_sweeps: 0,
            known: None,
            tests: Cell::new(0),
        }
    }

    /// The number of the random test that comes now, different for all tests of all problems: each has random numbers of its own.
    pub fn next_test(&self) -> u64 {
        let test = self.tests.get();
        self.tests.set(test + 1);
        (self.index as u64) << 32 | test
    }

    /// Whether a repair's bound is hardly better than the last one's, whose distance from the value is all that is left to gain.
    pub fn rests(&mut self, upper: f64, value: f64) -> bool {
        let last = self.repaired.replace(upper);
        last.is_some_and(|last| last - upper < RESTING * (upper - value))
    }

    /// Whether half as many sweeps again have not brought the lowest modes closer to zero: they lack columns to grow in.
    pub fn is_stuck(&mut self, sweeps: usize, defect: f64) -> bool {
        match self.looked {
            Some((then, _)) if 2 * sweeps < 3 * then => false,
            Some((_, before)) if defect > STUCK * before => true,
            _ => {
                self.looked = Some((sweeps, defect));
                false
            }
        }
    }

    /// Whether the value has stopped for so long that more sweeps at this rank are in vain.
    pub fn has_settled(&mut self, gain: f64, sweeps: usize, last: bool) -> bool {
        let patience = if last { LAST_PATIENCE } else { PATIENCE };
        gain <= STILL && {
            let since = *self.still_since.get_or_insert(sweeps);
            sweeps >= since + (patience.0 * since).max(patience.1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track() -> Track {
        Track::new(3, Functional::output(0), 1e-6)
    }

    #[test]
    fn no_two_tests_have_the_same_number() {
        let (first, second) = (track(), Track::new(4, Functional::output(0), 1e-6));
        let numbers: Vec<u64> = (0..3).map(|_| first.next_test()).chain((0..3).map(|_| second.next_test())).collect();
        assert_eq!(numbers.iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
    }

    #[test]
    fn repairs_rest_when_they_hardly_become_better() {
        let mut track = track();
        assert!(!track.rests(1.5, 1.0), "nothing to compare with");
        assert!(!track.rests(1.2, 1.0), "much better");
        assert!(track.rests(1.195, 1.0));
        assert!(track.rests(1.3, 1.0), "worse");
    }

    #[test]
    fn modes_that_come_closer_to_zero_are_not_stuck() {
        let mut track = track();
        assert!(!track.is_stuck(100, 1.0), "nothing to compare with");
        assert!(!track.is_stuck(120, 1.0), "too early");
        assert!(!track.is_stuck(150, 0.8), "closer");
        assert!(track.is_stuck(225, 0.79));
    }

    #[test]
    fn a_value_has_settled_only_after_it_stood_still_for_long() {
        let mut track = track();
        assert!(!track.has_settled(1e-3, 5000, false), "it moves");
        assert!(!track.has_settled(0.0, 100, false) && !track.has_settled(0.0, 299, false));
        assert!(track.has_settled(0.0, 300, false) && !track.has_settled(0.0, 300, true));
        assert!(track.has_settled(0.0, 400, true));
    }
}
