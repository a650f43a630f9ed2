//! One case as a vector network: the ascent of its relaxation, and what follows: a certificate that closes it, or the neuron to split it by.

use super::super::engine::Verdict;
use super::case::{Problem, Solved, Start, in_digits};
use crate::dual::{Repair, Repaired};
use crate::form::QuadraticForm;
use crate::network::Slope;
use crate::place::Knife;
use crate::proof::{Certificate, Claim, FormProof, Proof, check};
use crate::relaxation::{Ascent, PatternRules, Point, Sweep, VectorNetwork, search_patterns};
use crate::slopes::SlopeNetwork;
use std::cell::OnceCell;

/// A certificate is tried when the root of the value's relative gain per sweep is below this many times the gap that is
/// left for it.
const CALM: f64 = 4.0;
/// A value that moves less than this has stopped.
const STILL: f64 = 2e-15;
/// Sweeps before anything is decided, and sweeps after which a case is split for lack of a certificate.
const FIRST_SWEEPS: usize = 4;
const LAST_SWEEPS: usize = 400;
/// Certificates that fail before a case is split all the same.
const MOST_FAILURES: i32 = 5;
/// A case that will be split is solved until its value gains less than this per sweep, for the sake of the choice of the
/// neuron, or for so many sweeps.
const SPLIT_GAIN: f64 = 1e-5;
const SPLIT_SWEEPS: usize = 40;
/// The accuracy to which a case is solved for a bound of its own.
const BOUND_GAIN: f64 = 1e-11;
/// What that bound may lose.
const BOUND_GAP: f64 = 1e-5;
/// The part of a gap that γ may be rounded by.
const ROUNDED: f64 = 0.05;
/// The most that a bound is let above its value.
const MOST_ROOM: f64 = 1.0;
/// Random directions and sweeps of the search for patterns in a case.
const TRIES: usize = 3;
const PATTERN_SWEEPS: usize = 20;

/// A case with what it takes to solve it.
pub(in crate::search) struct Relaxed<'a> {
    problem: &'a Problem<'a>,
    case: &'a SlopeNetwork,
    network: VectorNetwork<'a>,
    form: OnceCell<Option<QuadraticForm<'a>>>,
}

impl<'a> Relaxed<'a> {
    /// A case, given by its slope network.
    pub fn new(problem: &'a Problem<'a>, case: &'a SlopeNetwork) -> Self {
        Self { problem, case, network: VectorNetwork::new(case, problem.norm), form: OnceCell::new() }
    }

    /// Solves the relaxation until the case is closed by a bound of `target`, or is to be split.
    pub fn solve(&self, start: Point, target: f64) -> Solved {
        let mut ascent = Ascent::new(&self.network, vec![self.problem.functional.clone()], start);
        let (mut not_before, mut still_since, mut failures) = (FIRST_SWEEPS, None, 0);
        loop {
            ascent.step();
            let (value, gain, sweeps) = (ascent.value(0), ascent.recent_gain(0), ascent.sweeps(0));
            if sweeps < not_before {
                continue;
            }
            let gap = room(target, value).unwrap_or(0.0);
            if gap <= 0.0 && (gain <= SPLIT_GAIN || sweeps >= SPLIT_SWEEPS) || !value.is_finite() {
                return self.open(&ascent);
            }
            if gap > 0.0 && gain <= (0.5_f64.powi(failures) * CALM * gap).powi(2).max(STILL) {
                let (point, sweep) = ascent.settle(0);
                if let Some(case) = self.certify(&sweep, target) {
                    let verdict = Verdict::Closed(Box::new(case));
                    let kept = Start::Vectors(point);
                    return Solved { value, kept, sweeps, verdict, pattern: None, witness: None };
                }
                failures += 1;
                not_before = sweeps + 3 + sweeps / 8;
                if failures >= MOST_FAILURES {
                    return self.open(&ascent);
                }
            }
            if gain <= STILL {
                let since = *still_since.get_or_insert(sweeps);
                if sweeps >= 2 * since + 20 {
                    return self.open(&ascent);
                }
            }
            if sweeps >= LAST_SWEEPS {
                return self.open(&ascent);
            }
        }
    }

    /// Solves the relaxation for its value.
    pub fn converge(&self, start: Point) -> Solved {
        let mut ascent = Ascent::new(&self.network, vec![self.problem.functional.clone()], start);
        while ascent.sweeps(0) < FIRST_SWEEPS
            || ascent.recent_gain(0) > BOUND_GAIN && ascent.sweeps(0) < LAST_SWEEPS && ascent.value(0).is_finite()
        {
            ascent.step();
        }
        self.open(&ascent)
    }

    /// The bound of a converged case: `target` if that is within reach, else the best there is.
    pub fn bound(&self, point: &Point, target: f64) -> Option<Certificate> {
        let ascent = Ascent::new(&self.network, vec![self.problem.functional.clone()], point.clone());
        let (_, sweep) = ascent.settle(0);
        let near = target.max(sweep.value[0] * (1.0 + BOUND_GAP));
        self.certify(&sweep, near).or_else(|| {
            let form = self.form()?;
            self.check(form, self.repair(form, &sweep, 0.0).best()?)
        })
    }

    fn form(&self) -> Option<&QuadraticForm<'a>> {
        self.form.get_or_init(|| QuadraticForm::within(self.case, f64::INFINITY)).as_ref()
    }

    /// A bound of at most `target`.
    fn certify(&self, sweep: &Sweep, target: f64) -> Option<Certificate> {
        let gap = room(target, sweep.value[0]).filter(|gap| *gap > 0.0)?;
        let form = self.form()?;
        self.check(form, self.repair(form, sweep, gap).within(gap, sweep.value[0])?)
    }

    /// γ is rounded to as many digits as a gap needs: it is most of what is written to files.
    fn repair<'f>(&self, form: &'f QuadraticForm<'f>, sweep: &Sweep, gap: f64) -> Repair<'f> {
        let recovery = self.problem.recovery.with_slopes_of(&self.network);
        let mut multipliers = recovery.multipliers(0, &self.problem.functional, sweep);
        let error = ROUNDED * gap;
        multipliers.gamma.iter_mut().for_each(|g| *g = in_digits(*g, error));
        Repair::new(form, self.problem.norm, self.problem.functional.clone(), multipliers)
    }

    fn check(&self, form: &QuadraticForm<'_>, repaired: Repaired) -> Option<Certificate> {
        let proof = Proof::Multipliers(FormProof::new(repaired.multipliers, None));
        let claim = Claim { output: self.problem.functional.clone(), upper: repaired.upper, proof };
        check(form, self.problem.norm, &claim).ok()
    }

    /// A case that stays open: where to split it, and what patterns it has.
    fn open(&self, ascent: &Ascent<'_>) -> Solved {
        let (point, sweep) = ascent.settle(0);
        let at = ascent.point(0);
        let split = self.most_undecided(&at, &sweep);
        let rules = PatternRules { tries: TRIES, sweeps: PATTERN_SWEEPS, work: 0.0, seed: self.problem.seed };
        let functionals = std::slice::from_ref(&self.problem.functional);
        let (value, sweeps) = (sweep.value[0], ascent.sweeps(0));
        let pattern = search_patterns(&self.network, functionals, &[&point], &[value], rules).into_iter().next();
        let (kept, verdict) = (Start::Vectors(point), Verdict::Open(split, None));
        Solved { value, kept, sweeps, verdict, pattern, witness: None }
    }

    /// The neuron of the largest (1 − |⟨s, h/‖h‖⟩|)·‖G‖‖h‖r: its vectors s and h are parallel in a pattern, and what the
    /// relaxation gains by turning them counts with its share of the objective.
    fn most_undecided(&self, at: &Point, sweep: &Sweep) -> Option<Knife> {
        let mut best: Option<((f64, f64), Knife)> = None;
        for (a, slopes) in self.network.slopes().iter().enumerate() {
            let h = sweep.pre_activation(&self.network, a);
            let free = slopes.iter().enumerate().filter(|(_, slope): &(usize, &Slope)| !slope.is_fixed());
            for (j, slope) in free {
                let (h_norm, g_norm) = (sweep.h_norms[a].at(j, 0), sweep.g_norms[a].at(j, 0));
                let cosine = if h_norm > 0.0 {
                    at.s[a].row(j).iter().zip(h.row(j)).map(|(s, h)| s * h).sum::<f64>().abs() / h_norm
                } else {
                    1.0
                };
                let share = h_norm * g_norm * slope.radius();
                let score = ((1.0 - cosine).max(0.0) * share, share);
                if best.as_ref().is_none_or(|(most, _)| score > *most) {
                    best = Some((score, Knife::Slope(a, j)));
                }
            }
        }
        best.map(|(_, knife)| knife)
    }
}

/// By how much a target exceeds a value, relatively; 1 for a value of zero, none if there is no saying.
fn room(target: f64, value: f64) -> Option<f64> {
    let gap = if value > 0.0 { target / value - 1.0 } else { 1.0 };
    gap.is_finite().then_some(gap.min(MOST_ROOM))
}
