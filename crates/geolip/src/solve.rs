//! One batch of problems from random directions to checked certificates: ascent, repair, rank escalation, when to stop.

use crate::certificate::{Certificate, MatrixFreeForm, QuadraticForm};
use crate::dual::{Budget, Form, RandomRepair, Recovery, Repair, Repaired};
use crate::network::LinearMap;
use crate::observer::{Event, Observer};
use crate::options::Options;
use crate::problem::Functional;
use crate::relaxation::{Ascent, Point, Sweep, VectorNetwork};
use crate::report::Stop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What all batches share.
pub(crate) struct Context<'a> {
    pub network: &'a VectorNetwork<'a>,
    pub form: &'a Form<'a>,
    pub recovery: &'a Recovery<'a>,
    pub options: &'a Options,
    /// What random tests can afford; without meaning where there are none.
    pub budget: Budget,
    pub observer: &'a dyn Observer,
    pub started: Instant,
    /// How many batches there are, and how many have begun.
    pub batches: usize,
    pub begun: AtomicUsize,
}

/// How one problem ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub functional: Functional,
    /// None if no multipliers were found that the checker accepts.
    pub certificate: Option<Certificate>,
    pub relaxation: f64,
    pub solution: Point,
    pub stop: Stop,
    pub iterations: usize,
    pub time: Duration,
}

/// Features at first: fully connected networks have optima of rank 1 to 7, others of 9 to 17.
const FIRST_RANK: usize = 8;
const FIRST_RANK_OF_CONVOLUTIONS: usize = 16;
/// Features at most (see [`Context::last_rank`]).
const LAST_RANK: usize = 64;
/// The gap aimed at, as a fraction of the tolerance. A repair is first tried when the root of the value's relative gain per
/// sweep is below [`CALM`] times that gap (see [`GAP_PER_ROOT_GAIN`]).
const TARGET: f64 = 0.9;
const CALM: f64 = 4.0;
/// Random tests that fail although the known modes leave them a margin, before a wider gap is tried.
const RANDOM_FAILURES: usize = 3;
/// The size of new columns that are noise.
const NEW_COLUMNS: f64 = 1e-2;
/// A value that moves less than this has stopped.
const STILL: f64 = 2e-15;
/// Where the rank suffices, the gap that multipliers can prove shrinks like the square root of the value's relative gain
/// per sweep, with a factor between a tenth and 100 on every network measured. A gap above this many times the root means
/// that the rank does not suffice.
const GAP_PER_ROOT_GAIN: f64 = 300.0;
/// The multipliers settle later than the value: sweeps allowed after it has stopped, as a multiple of those made until
/// then and at least, before the rank is raised, and before the highest rank is given up.
const PATIENCE: (usize, usize) = (2, 100);
const LAST_PATIENCE: (usize, usize) = (3, 200);

/// A problem on its way.
struct Track {
    index: usize,
    functional: Functional,
    /// Try a repair when the value moves less than this …
    calm: f64,
    /// … and at least this many sweeps are made.
    not_before: usize,
    /// Repairs that failed.
    failures: usize,
    /// The sweep at which the value had stopped.
    still_since: Option<usize>,
    /// Sweeps made at lower ranks.
    earlier_sweeps: usize,
    /// What was certified at lower ranks.
    known: Option<Certificate>,
}

impl Track {
    /// Whether the value has stopped for so long that more sweeps at this rank are in vain.
    fn has_settled(&mut self, gain: f64, sweeps: usize, last: bool) -> bool {
        let patience = if last { LAST_PATIENCE } else { PATIENCE };
        gain <= STILL && {
            let since = *self.still_since.get_or_insert(sweeps);
            sweeps >= since + (patience.0 * since).max(patience.1)
        }
    }
}

impl Context<'_> {
    /// Solves the problems (index in the report, functional) side by side.
    pub fn solve(&self, problems: &[(usize, Functional)]) -> Vec<(usize, Outcome)> {
        let starts: Vec<Point> = problems
            .iter()
            .map(|(index, _)| Point::random(self.network, self.first_rank(), self.options.seed, *index as u64))
            .collect();
        let deadline = self.deadline();
        let tracks = problems.iter().map(|(index, functional)| self.track(*index, functional.clone())).collect();
        let mut done = Vec::new();
        let mut waiting =
            self.at_one_rank(tracks, Point::concat(&starts.iter().collect::<Vec<_>>()), deadline, &mut done);
        while let Some((tracks, point)) = waiting {
            waiting = self.at_one_rank(tracks, point, deadline, &mut done);
        }
        done
    }

    /// Runs until every problem is done or needs a higher rank; returns the latter, already widened.
    fn at_one_rank(
        &self,
        mut tracks: Vec<Track>,
        start: Point,
        deadline: Option<Instant>,
        done: &mut Vec<(usize, Outcome)>,
    ) -> Option<(Vec<Track>, Point)> {
        let rank = start.k;
        let widest = rank >= self.last_rank();
        let functionals = tracks.iter().map(|t| t.functional.clone()).collect();
        let mut ascent = Ascent::new(self.network, functionals, start);
        let mut wider: Vec<(Track, Point)> = Vec::new();
        while !tracks.is_empty() {
            if let Some(stop) = self.stopped(deadline) {
                for (p, track) in tracks.drain(..).enumerate() {
                    done.push((track.index, self.finish(&ascent, p, &track, stop)));
                }
                break;
            }
            ascent.step();
            let mut kept = Vec::new();
            let mut left = Vec::new();
            for (p, mut track) in tracks.drain(..).enumerate() {
                match self.judge(&ascent, p, &mut track) {
                    Verdict::GoOn => {
                        kept.push(p);
                        left.push(track);
                    }
                    Verdict::Done(outcome) => done.push((track.index, *outcome)),
                    Verdict::Widen(along) if !widest => wider.push(self.widened(&ascent, p, track, along)),
                    Verdict::Widen(_) => done.push((track.index, self.finish(&ascent, p, &track, Stop::Stalled))),
                }
            }
            tracks = left;
            if !tracks.is_empty() {
                ascent.keep(&kept);
            }
        }
        if wider.is_empty() {
            return None;
        }
        let point = Point::concat(&wider.iter().map(|(_, point)| point).collect::<Vec<_>>());
        Some((wider.into_iter().map(|(track, _)| track).collect(), point))
    }

    /// Problem `p` as it goes on at a higher rank, with what can be certified without it: the work may be stopped any time.
    fn widened(&self, ascent: &Ascent<'_>, p: usize, track: Track, along: Option<Vec<Point>>) -> (Track, Point) {
        let (norm, rank, seed) = (self.network.norm(), self.next_rank(ascent.rank()), self.options.seed);
        let (point, known) = match along {
            // a test before its time costs more than the sweeps to come
            Some(columns) => (ascent.point(p).widen_along(norm, rank, &columns, NEW_COLUMNS, seed), track.known.clone()),
            None => {
                let best = self.best(ascent, p, &track);
                (best.solution.widen(norm, rank, NEW_COLUMNS, seed), best.certificate)
            }
        };
        let earlier_sweeps = track.earlier_sweeps + ascent.sweeps(p);
        (Track { earlier_sweeps, known, ..self.track(track.index, track.functional) }, point)
    }

    fn track(&self, index: usize, functional: Functional) -> Track {
        let calm = (CALM * self.gap()).powi(2).max(STILL);
        Track { index, functional, calm, not_before: 5, failures: 0, still_since: None, earlier_sweeps: 0, known: None }
    }

    fn is_probabilistic(&self) -> bool {
        matches!(self.form, Form::MatrixFree(_))
    }

    /// The gap aimed at.
    fn gap(&self) -> f64 {
        TARGET
            * match self.form {
                Form::Eliminated(_) => self.options.tol,
                Form::MatrixFree(_) => self.options.tol.max(self.budget.gap),
            }
    }

    fn first_rank(&self) -> usize {
        let connected =
            |map: &LinearMap| matches!(map, LinearMap::Identity(_) | LinearMap::Scale(_) | LinearMap::Dense(_));
        let rank = if self.is_probabilistic() {
            self.budget.rank
        } else if self.network.network().terms().all(|t| connected(&t.map)) {
            FIRST_RANK
        } else {
            FIRST_RANK_OF_CONVOLUTIONS
        };
        rank.min(self.last_rank())
    }

    /// The largest rank worth trying: a semidefinite program with n constraints has an optimum of rank r with
    /// r(r+1)/2 ≤ n (Barvinok 1995, Pataki 1998), and the relaxation has one constraint per input and neuron.
    fn last_rank(&self) -> usize {
        let constraints = self.network.inputs() + self.network.layer_sizes().sum::<usize>() + 1;
        let most = if self.is_probabilistic() { 2 * self.budget.rank } else { LAST_RANK };
        most.min(((2 * constraints) as f64).sqrt().ceil() as usize)
    }

    /// The rank that follows: random tests mostly lack a few features, and each costs.
    fn next_rank(&self, rank: usize) -> usize {
        let next = if self.is_probabilistic() { rank + (rank / 2).next_multiple_of(8) } else { 2 * rank };
        next.min(self.last_rank())
    }

    /// Looks at problem `p` after a sweep: repairs it if it is calm enough for that to succeed.
    fn judge(&self, ascent: &Ascent<'_>, p: usize, track: &mut Track) -> Verdict {
        let (gain, sweeps) = (ascent.recent_gain(p), ascent.sweeps(p));
        if sweeps + track.earlier_sweeps >= self.options.sweep_limit {
            return Verdict::Done(Box::new(self.finish(ascent, p, track, Stop::IterationLimit)));
        }
        if gain > track.calm || sweeps < track.not_before {
            return Verdict::GoOn;
        }
        if !ascent.value(p).is_finite() {
            return Verdict::Done(Box::new(self.finish(ascent, p, track, Stop::Stalled)));
        }
        track.not_before = sweeps + 3 + sweeps / 8;
        match self.form {
            Form::Eliminated(form) => self.try_elimination(form, ascent, p, track),
            Form::MatrixFree(form) => self.try_test(form, ascent, p, track),
        }
    }

    fn try_elimination(&self, form: &QuadraticForm<'_>, ascent: &Ascent<'_>, p: usize, track: &mut Track) -> Verdict {
        let (gain, sweeps, gap) = (ascent.recent_gain(p), ascent.sweeps(p), self.gap());
        let (solution, sweep) = ascent.settle(p);
        let value = sweep.value[0];
        let repair = self.repair(form, track, &sweep);
        if let Some(certificate) = repair.within(gap, value).and_then(|r| self.certify(&track.functional, r)) {
            let best = Best { solution, value, certificate: Some(certificate) };
            return Verdict::Done(Box::new(self.outcome(ascent, p, track, best, Stop::Converged)));
        }
        track.failures += 1;
        track.calm = (0.25 * track.calm).max(STILL);
        let last = ascent.rank() >= self.last_rank();
        let generous = GAP_PER_ROOT_GAIN * gain.max(STILL).sqrt();
        let hopeless =
            !last && track.failures.is_multiple_of(3) && generous > gap && repair.within(generous, value).is_none();
        if hopeless || track.has_settled(gain, sweeps, last) { Verdict::Widen(None) } else { Verdict::GoOn }
    }

    /// A random test, where the lowest modes give it a chance.
    fn try_test(&self, form: &MatrixFreeForm<'_>, ascent: &Ascent<'_>, p: usize, track: &mut Track) -> Verdict {
        let (gap, at, last) = (self.gap(), ascent.point(p), ascent.rank() >= self.last_rank());
        let (solution, sweep) = ascent.settle(p);
        let value = sweep.value[0];
        let mut repair = self.random_repair(form, track, (&at, &sweep));
        let settled = track.has_settled(ascent.recent_gain(p), ascent.sweeps(p), last);
        if !repair.fits(gap) && !settled {
            return Verdict::GoOn;
        }
        if let Some(certificate) = repair.within(gap).and_then(|r| self.certify(&track.functional, r)) {
            // it may aim at more than the tolerance asked for
            let stop = if gap < self.options.tol { Stop::Converged } else { Stop::Stalled };
            let best = Best { solution, value, certificate: Some(certificate) };
            return Verdict::Done(Box::new(self.outcome(ascent, p, track, best, stop)));
        }
        track.failures += 1;
        repair.search();
        let lacking = !repair.fits(gap);
        if lacking && !last {
            Verdict::Widen(Some(repair.directions(gap, &sweep)))
        } else if lacking || settled || track.failures >= RANDOM_FAILURES {
            let best = self.best_test(&repair, track, solution, value);
            Verdict::Done(Box::new(self.outcome(ascent, p, track, best, Stop::Stalled)))
        } else {
            Verdict::GoOn
        }
    }

    fn repair<'f>(&self, form: &'f QuadraticForm<'f>, track: &Track, sweep: &Sweep) -> Repair<'f> {
        let multipliers = self.recovery.multipliers(track.index, &track.functional, sweep);
        Repair::new(form, self.network.norm(), track.functional.clone(), multipliers)
    }

    fn random_repair<'f>(
        &'f self,
        form: &'f MatrixFreeForm<'f>,
        track: &Track,
        solution: (&Point, &Sweep),
    ) -> RandomRepair<'f> {
        let multipliers = self.recovery.multipliers(track.index, &track.functional, solution.1);
        RandomRepair::new(form, self.network, track.functional.clone(), multipliers, solution)
    }

    /// Problem `p` as it stands, with the best that can be certified for it.
    fn best(&self, ascent: &Ascent<'_>, p: usize, track: &Track) -> Best {
        let (solution, sweep) = ascent.settle(p);
        let value = sweep.value[0];
        if !value.is_finite() {
            return Best { solution, value, certificate: track.known.clone() };
        }
        match self.form {
            Form::Eliminated(form) => {
                let repair = self.repair(form, track, &sweep);
                // where every elimination counts, a guess at the gap comes before the search for the best
                let root = ascent.recent_gain(p).min(1.0).sqrt();
                let guesses = [3.0, 30.0, 300.0].map(|factor| (factor * root).clamp(self.gap(), 0.3));
                let mut guesses = guesses.into_iter().filter(|_| self.form.is_slow());
                let guessed = guesses
                    .find_map(|gap| repair.within(gap, value).and_then(|r| self.certify(&track.functional, r)));
                let certificate = guessed.or_else(|| {
                    let searched = repair.best().and_then(|r| self.certify(&track.functional, r));
                    better(searched, track.known.clone())
                });
                Best { solution, value, certificate }
            }
            Form::MatrixFree(form) => {
                let at = ascent.point(p);
                let mut repair = self.random_repair(form, track, (&at, &sweep));
                repair.search();
                self.best_test(&repair, track, solution, value)
            }
        }
    }

    /// The best that random tests accept.
    fn best_test(&self, repair: &RandomRepair<'_>, track: &Track, solution: Point, value: f64) -> Best {
        let certificate = repair.proposals(self.gap()).find_map(|r| self.certify(&track.functional, r));
        Best { solution, value, certificate: better(certificate, track.known.clone()) }
    }

    /// Ends work on problem `p`.
    fn finish(&self, ascent: &Ascent<'_>, p: usize, track: &Track, stop: Stop) -> Outcome {
        self.outcome(ascent, p, track, self.best(ascent, p, track), stop)
    }

    fn outcome(&self, ascent: &Ascent<'_>, p: usize, track: &Track, best: Best, stop: Stop) -> Outcome {
        self.observer.event(Event::Finished { index: track.index });
        Outcome {
            functional: track.functional.clone(),
            certificate: best.certificate,
            relaxation: best.value,
            solution: best.solution,
            stop,
            iterations: track.earlier_sweeps + ascent.sweeps(p),
            time: self.started.elapsed(),
        }
    }

    /// Hands a proposal to the checker.
    fn certify(&self, functional: &Functional, repaired: Repaired) -> Option<Certificate> {
        self.form.certify(self.network.norm(), &repaired.claim(functional))
    }

    /// When a batch that begins now has to end, so that the batches still to come get their share of the time limit.
    fn deadline(&self) -> Option<Instant> {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        let rounds = (self.batches - begun).div_ceil(rayon::current_num_threads()).max(1);
        let left = self.options.time_limit?.saturating_sub(self.started.elapsed());
        Instant::now().checked_add(left / u32::try_from(rounds).unwrap_or(u32::MAX))
    }

    fn stopped(&self, deadline: Option<Instant>) -> Option<Stop> {
        if self.observer.cancelled() {
            Some(Stop::Interrupted)
        } else if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Some(Stop::TimeLimit)
        } else {
            None
        }
    }
}

/// The state of one problem.
struct Best {
    solution: Point,
    value: f64,
    certificate: Option<Certificate>,
}

enum Verdict {
    GoOn,
    Done(Box<Outcome>),
    /// With columns to add, if any are known.
    Widen(Option<Vec<Point>>),
}

/// The one with the smaller bound.
fn better(a: Option<Certificate>, b: Option<Certificate>) -> Option<Certificate> {
    a.into_iter().chain(b).min_by(|a, b| a.upper().total_cmp(&b.upper()))
}
