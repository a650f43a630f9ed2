//! When an elimination is tried on a problem under way, and what follows from its failure.

use super::track::{STILL, Track};
use super::{Best, Context, Verdict};
use crate::dual::Repair;
use crate::form::QuadraticForm;
use crate::proof::Certificate;
use crate::relaxation::{Ascent, Sweep};
use crate::report::Stop;

/// Where the rank suffices, the gap that multipliers can prove shrinks like the square root of the value's relative gain
/// per sweep, with a factor between a tenth and 100 on every network measured. A gap above this many times the root means
/// that the rank does not suffice.
const GAP_PER_ROOT_GAIN: f64 = 300.0;

impl Context<'_> {
    /// One elimination at the gap aimed at.
    pub(super) fn try_elimination(
        &self,
        form: &QuadraticForm<'_>,
        ascent: &Ascent<'_>,
        p: usize,
        track: &mut Track,
    ) -> Verdict {
        let (gain, sweeps, gap) = (ascent.recent_gain(p), ascent.sweeps(p), self.gap());
        let (solution, sweep) = ascent.settle(p);
        let value = sweep.value[0];
        let repair = self.repair(form, track, &sweep);
        let repaired = repair.towards(gap, value);
        let reached = repaired.as_ref().is_some_and(|r| r.upper <= (1.0 + gap) * value);
        let resting = self.form.is_slow() && repaired.as_ref().is_some_and(|r| track.rests(r.upper, value));
        if let Some(certificate) = repaired.filter(|_| reached || resting).and_then(|r| self.certify(track, r)) {
            if resting && !reached && !track.widened && ascent.rank() < self.last_rank() {
                (track.widened, track.known) = (true, Some(certificate));
                return Verdict::Widen(None);
            }
            let stop = if reached { Stop::Converged } else { Stop::Stalled };
            let best = Best { solution, value, certificate: Some(certificate) };
            return Verdict::Done(Box::new(self.outcome(ascent, p, track, best, stop)));
        }
        track.failures += 1;
        track.not_before = sweeps + 3 + sweeps / 8;
        track.calm = (0.25 * track.calm).max(STILL);
        let last = ascent.rank() >= self.last_rank();
        let generous = GAP_PER_ROOT_GAIN * gain.max(STILL).sqrt();
        let hopeless =
            !last && track.failures.is_multiple_of(3) && generous > gap && repair.within(generous, value).is_none();
        if hopeless || track.has_settled(gain, sweeps, last) { Verdict::Widen(None) } else { Verdict::GoOn }
    }

    /// The best that eliminations prove.
    pub(super) fn best_elimination(
        &self,
        form: &QuadraticForm<'_>,
        gain: f64,
        track: &Track,
        sweep: &Sweep,
    ) -> Option<Certificate> {
        let repair = self.repair(form, track, sweep);
        // where every elimination counts, a guess at the gap comes before the search for the best
        let root = gain.min(1.0).sqrt();
        let guesses = [3.0, 30.0, 300.0].map(|factor| (factor * root).min(0.3).max(self.gap()));
        let guesses = guesses.into_iter().filter(|_| self.form.is_slow());
        let mut guessed = guesses.filter_map(|gap| repair.within(gap, sweep.value[0]));
        guessed.find_map(|r| self.certify(track, r)).or_else(|| repair.best().and_then(|r| self.certify(track, r)))
    }

    fn repair<'f>(&self, form: &'f QuadraticForm<'f>, track: &Track, sweep: &Sweep) -> Repair<'f> {
        let multipliers = self.recovery.multipliers(track.index, &track.functional, sweep);
        Repair::new(form, self.network.norm(), track.functional.clone(), multipliers)
    }
}
