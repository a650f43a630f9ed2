//! One batch of problems from random directions to checked certificates: ascent, repair, rank escalation, when to stop.

use crate::certificate::Certificate;
use crate::dual::{Budget, Form, Recovery, Repair, Repaired};
use crate::network::LinearMap;
use crate::observer::{Event, Observer};
use crate::options::Options;
use crate::problem::Functional;
use crate::relaxation::{Ascent, Point, VectorNetwork};
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
/// The same where a random test decides: it costs more than many sweeps.
const RANDOM_CALM: f64 = 0.35;
/// Random tests that fail at one rank before it is raised, and before the highest rank is given up: multipliers settle
/// later than the value.
const RANDOM_FAILURES: usize = 2;
const LAST_RANDOM_FAILURES: usize = 8;
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
                    Verdict::Widen if !widest => wider.push(self.widened(&ascent, p, track)),
                    Verdict::Widen => done.push((track.index, self.finish(&ascent, p, &track, Stop::Stalled))),
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
        let point = point.widen(self.network.norm(), 2 * rank, 1e-2, self.options.seed);
        Some((wider.into_iter().map(|(track, _)| track).collect(), point))
    }

    /// Problem `p` as it goes on at a higher rank, with what can be certified without it: the work may be stopped any time.
    fn widened(&self, ascent: &Ascent<'_>, p: usize, track: Track) -> (Track, Point) {
        let best = match self.is_probabilistic() {
            false => self.best(ascent, p, &track),
            true => Best { solution: ascent.settle(p).0, value: ascent.value(p), certificate: track.known.clone() },
        };
        let fresh = self.track(track.index, track.functional.clone());
        let earlier_sweeps = track.earlier_sweeps + ascent.sweeps(p);
        (Track { earlier_sweeps, known: best.certificate, ..fresh }, best.solution)
    }

    fn track(&self, index: usize, functional: Functional) -> Track {
        let calm = (if self.is_probabilistic() { RANDOM_CALM } else { CALM } * self.gap()).powi(2).max(STILL);
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
            self.budget.rank // widening later would cost another test
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
        let most = if self.is_probabilistic() { self.budget.rank } else { LAST_RANK };
        most.min(((2 * constraints) as f64).sqrt().ceil() as usize)
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
        let (solution, value, repair) = self.repair(ascent, p, track);
        if !value.is_finite() {
            return Verdict::Done(Box::new(self.finish(ascent, p, track, Stop::Stalled)));
        }
        let gap = self.gap();
        if let Some(certificate) = repair.within(gap, value).and_then(|r| self.certify(&track.functional, r)) {
            // a random test may aim at more than the tolerance asked for
            let stop = if gap < self.options.tol { Stop::Converged } else { Stop::Stalled };
            let best = Best { solution, value, certificate: Some(certificate) };
            return Verdict::Done(Box::new(self.outcome(ascent, p, track, best, stop)));
        }
        track.failures += 1;
        track.not_before = sweeps + 3 + sweeps / 8;
        track.calm = (0.25 * track.calm).max(STILL);
        let last = ascent.rank() >= self.last_rank();
        let generous = GAP_PER_ROOT_GAIN * gain.max(STILL).sqrt();
        let hopeless = match self.form {
            Form::Eliminated(_) => {
                !last && track.failures.is_multiple_of(3) && generous > gap && repair.within(generous, value).is_none()
            }
            Form::MatrixFree(_) => track.failures >= if last { LAST_RANDOM_FAILURES } else { RANDOM_FAILURES },
        };
        let patience = if last { LAST_PATIENCE } else { PATIENCE };
        let settled = gain <= STILL && {
            let since = *track.still_since.get_or_insert(sweeps);
            sweeps >= since + (patience.0 * since).max(patience.1)
        };
        if hopeless || settled { Verdict::Widen } else { Verdict::GoOn }
    }

    /// Problem `p` as it stands: its solution and value, and its multipliers ready for repair.
    fn repair(&self, ascent: &Ascent<'_>, p: usize, track: &Track) -> (Point, f64, Repair<'_>) {
        let (solution, sweep) = ascent.settle(p);
        let multipliers = self.recovery.multipliers(track.index, &track.functional, &sweep);
        let repair = Repair::new(self.form, self.network.norm(), track.functional.clone(), multipliers);
        (solution, sweep.value[0], repair)
    }

    /// Problem `p` as it stands, with the best that can be certified for it.
    fn best(&self, ascent: &Ascent<'_>, p: usize, track: &Track) -> Best {
        let (solution, value, repair) = self.repair(ascent, p, track);
        // where every elimination counts, a guess at the gap comes before the search for the best
        let root = ascent.recent_gain(p).min(1.0).sqrt();
        let guesses = [3.0, 30.0, 300.0].map(|factor| (factor * root).clamp(self.gap(), 0.3));
        let guesses = guesses.into_iter().filter(|_| self.form.is_slow() && value.is_finite());
        let guessed =
            guesses.filter_map(|gap| repair.within(gap, value)).find_map(|r| self.certify(&track.functional, r));
        if guessed.is_some() {
            return Best { solution, value, certificate: guessed };
        }
        let from = if track.failures == 0 { self.gap() } else { 2.0 * self.gap() };
        let mut proposals = value.is_finite().then(|| repair.proposals(from)).into_iter().flatten();
        let found = proposals.find_map(|repaired| self.certify(&track.functional, repaired));
        let certificates = found.into_iter().chain(track.known.clone());
        let certificate = certificates.min_by(|a, b| a.upper().total_cmp(&b.upper()));
        Best { solution, value, certificate }
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
    Widen,
}
