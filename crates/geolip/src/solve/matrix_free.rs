//! When a random test is tried on a problem under way, and what follows from its failure.
//!
//! A test takes as long as a hundred sweeps or more, so it is tried only where the lowest modes of the form leave it a
//! margin: first those in the span of the solution, which cost little to look at, then those that a search finds.

use super::track::Track;
use super::{Best, Context, Verdict};
use crate::dual::RandomRepair;
use crate::form::MatrixFreeForm;
use crate::proof::{Certificate, certify_by_intervals};
use crate::relaxation::{Ascent, Point, Sweep};
use crate::report::Stop;

/// Tests that fail although the known modes leave them a margin, before a wider gap is tried, and how much wider.
const FAILURES: usize = 3;
const WIDER: f64 = 1.4;

impl Context<'_> {
    /// A random test, where the lowest modes give it a chance.
    pub(super) fn try_test(
        &self,
        form: &MatrixFreeForm<'_>,
        ascent: &Ascent<'_>,
        p: usize,
        track: &mut Track,
    ) -> Verdict {
        let (gap, sweeps, last) = (self.gap(), ascent.sweeps(p), ascent.rank() >= self.last_rank());
        let (at, (solution, sweep)) = (ascent.point(p), ascent.settle(p));
        track.not_before = sweeps + 3 + sweeps / 6;
        let settled = track.has_settled(ascent.recent_gain(p), sweeps, last);
        if sweep.value[0] == 0.0
            && let Some(certificate) = self.proved_zero(track)
        {
            let best = Best { solution, value: 0.0, certificate: Some(certificate) };
            return Verdict::Done(Box::new(self.outcome(ascent, p, track, best, Stop::Converged)));
        }
        let Some(mut repair) = self.random_repair(form, track, (&at, &sweep)) else {
            return if settled {
                Verdict::Done(Box::new(self.finish(ascent, p, track, Stop::Stalled)))
            } else {
                Verdict::GoOn
            };
        };
        if !repair.fits(gap) && !settled {
            return Verdict::GoOn;
        }
        track.modes = Some(repair.search());
        let value = sweep.value[0];
        if repair.fits(gap) {
            if let Some(certificate) = repair.within(gap).and_then(|r| self.certify(track, r)) {
                // it may aim at more than the tolerance asked for
                let stop = if gap < self.options.tol { Stop::Converged } else { Stop::Stalled };
                let best = Best { solution, value, certificate: Some(certificate) };
                return Verdict::Done(Box::new(self.outcome(ascent, p, track, best, stop)));
            }
            track.failures += 1;
        }
        let lacking = !repair.fits(gap);
        if lacking {
            track.not_before += sweeps / 8; // such modes grow slowly
        }
        let stuck = lacking && track.is_stuck(sweeps, repair.defect());
        if !last && (stuck || repair.lacks_features(gap)) {
            Verdict::Widen(Some(repair.directions(gap, &sweep)))
        } else if stuck || settled || track.failures >= FAILURES {
            Verdict::Done(Box::new(self.finish(ascent, p, track, Stop::Stalled)))
        } else {
            Verdict::GoOn
        }
    }

    /// The best that random tests accept.
    pub(super) fn best_test(
        &self,
        form: &MatrixFreeForm<'_>,
        track: &Track,
        solution: (&Point, &Sweep),
    ) -> Option<Certificate> {
        if solution.1.value[0] == 0.0 {
            return self.proved_zero(track);
        }
        let mut repair = self.random_repair(form, track, solution)?;
        repair.search();
        let gap = if track.failures > 0 { WIDER * self.gap() } else { self.gap() };
        repair.proposals(gap).find_map(|r| self.certify(track, r))
    }

    /// What does not depend on the input at all is proved by intervals: no multipliers would be positive.
    fn proved_zero(&self, track: &Track) -> Option<Certificate> {
        let certificate = certify_by_intervals(self.network.network(), self.network.norm(), &track.functional);
        certificate.filter(|certificate| certificate.upper() == 0.0)
    }

    fn random_repair<'f>(
        &'f self,
        form: &'f MatrixFreeForm<'f>,
        track: &Track,
        solution: (&Point, &Sweep),
    ) -> Option<RandomRepair<'f>> {
        let multipliers = self.recovery.multipliers(track.index, &track.functional, solution.1);
        let multipliers = self.recovery.all_positive(multipliers, solution.1, form.variables());
        RandomRepair::new(form, self.network, track.functional.clone(), multipliers, solution, track.modes.as_ref())
    }
}
