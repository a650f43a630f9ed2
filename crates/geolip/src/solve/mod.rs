//! One batch of problems from random directions to checked certificates: ascent, repair, rank escalation, when to stop.

mod eliminated;
mod matrix_free;
mod track;

use crate::dual::{Budget, Form, Recovery, Repaired};
use crate::form::Draws;
use crate::network::LinearMap;
use crate::observer::{Event, Observer};
use crate::options::Options;
use crate::problem::Functional;
use crate::proof::Certificate;
use crate::relaxation::{Ascent, Point, VectorNetwork};
use crate::report::Stop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use track::{STILL, Track};

/// What all batches share.
pub(crate) struct Context<'a> {
    pub network: &'a VectorNetwork<'a>,
    pub form: &'a Form<'a>,
    pub recovery: &'a Recovery<'a>,
    pub options: &'a Options,
    /// The random numbers of tests.
    pub draws: Draws,
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
/// sweep is below [`CALM`] times that gap (see `eliminated.rs`).
const TARGET: f64 = 0.9;
const CALM: f64 = 4.0;
/// The gap that a random test aims at, likewise: what it proves is known beforehand.
const RANDOM_TARGET: f64 = 0.98;
/// Features added at a time where it is known which.
const MORE_FEATURES: usize = 8;
/// The size of new columns that are noise.
const NEW_COLUMNS: f64 = 1e-2;
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
            Some(columns) => {
                (ascent.point(p).widen_along(norm, rank, &columns, NEW_COLUMNS, seed), track.known.clone())
            }
            // so does the search for the best where every elimination counts: what is stopped is bounded then
            None if track.widened || self.form.is_slow() => {
                (ascent.settle(p).0.widen(norm, rank, NEW_COLUMNS, seed), track.known.clone())
            }
            None => {
                let best = self.best(ascent, p, &track);
                (best.solution.widen(norm, rank, NEW_COLUMNS, seed), best.certificate)
            }
        };
        let (earlier_sweeps, tests) = (track.earlier_sweeps + ascent.sweeps(p), track.tests);
        let (repaired, widened) = (track.repaired, track.widened);
        let mut track = self.track(track.index, track.functional);
        (track.earlier_sweeps, track.known, track.tests) = (earlier_sweeps, known, tests);
        (track.repaired, track.widened) = (repaired, widened);
        (track, point)
    }

    /// Problem `p` as it stands, with the best that can be certified for it.
    fn best(&self, ascent: &Ascent<'_>, p: usize, track: &Track) -> Best {
        let (solution, sweep) = ascent.settle(p);
        let value = sweep.value[0];
        let found = match self.form {
            _ if !value.is_finite() => None,
            Form::Eliminated(form) => self.best_elimination(form, ascent.recent_gain(p), track, &sweep),
            Form::MatrixFree(form) => self.best_test(form, track, (&ascent.point(p), &sweep)),
        };
        // the smaller bound, if there was one at a lower rank
        let all = found.into_iter().chain(track.known.clone());
        Best { solution, value, certificate: all.min_by(|a, b| a.upper().total_cmp(&b.upper())) }
    }

    fn track(&self, index: usize, functional: Functional) -> Track {
        Track::new(index, functional, (CALM * self.gap()).powi(2).max(STILL))
    }

    fn is_probabilistic(&self) -> bool {
        matches!(self.form, Form::MatrixFree(_))
    }

    /// The gap aimed at.
    fn gap(&self) -> f64 {
        match self.form {
            Form::Eliminated(_) => TARGET * self.options.tol,
            Form::MatrixFree(_) => RANDOM_TARGET * self.options.tol.max(self.budget.gap),
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

    /// The rank that follows: where a random test says which features lack, a few at a time.
    fn next_rank(&self, rank: usize) -> usize {
        let next = if self.is_probabilistic() { rank + MORE_FEATURES } else { 2 * rank };
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
        match self.form {
            Form::Eliminated(form) => self.try_elimination(form, ascent, p, track),
            Form::MatrixFree(form) => self.try_test(form, ascent, p, track),
        }
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
    fn certify(&self, track: &Track, repaired: Repaired) -> Option<Certificate> {
        let test = (&self.draws, track.next_test());
        self.form.certify(self.network.norm(), &repaired.claim(&track.functional), test)
    }

    /// When a batch that begins now has to end, so that the batches still to come get their share of the time limit.
    fn deadline(&self) -> Option<Instant> {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        let rounds = (self.batches - begun).div_ceil(rayon::current_num_threads()).max(1);
        let left = self.options.time_limit?.saturating_sub(self.started.elapsed());
        Instant::now().checked_add(left / u32::try_from(rounds).unwrap_or(u32::MAX))
    }

    /// What is left of the time limit for a batch that is solved, if those still to come get as much.
    pub fn time_left(&self) -> Option<Duration> {
        let rounds = (self.batches - self.begun.load(Ordering::Relaxed)).div_ceil(rayon::current_num_threads());
        let left = self.options.time_limit?.saturating_sub(self.started.elapsed());
        Some(left / u32::try_from(1 + rounds).unwrap_or(u32::MAX))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Affordable;
    use crate::matrix::Matrix;
    use crate::network::{Activation, NetworkBuilder};
    use crate::problem::InputNorm;
    use crate::slopes::SlopeNetwork;

    struct Cancelled;

    impl Observer for Cancelled {
        fn cancelled(&self) -> bool {
            true
        }
    }

    /// Two hidden layers of three ReLUs, two outputs.
    fn network() -> SlopeNetwork {
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let mut at = b.input();
        for (layer, (rows, cols)) in [(3, 2), (3, 3), (2, 3)].into_iter().enumerate() {
            let w = Matrix::from_fn(rows, cols, |i, j| ((7 * i + 3 * j + 5 * layer) as f64).sin());
            at = b.affine("w", vec![(at, LinearMap::Dense(w))], None).expect("shapes");
            if layer < 2 {
                at = b.activate("z", at, Activation::Relu).expect("relu");
            }
        }
        SlopeNetwork::everywhere(&b.finish(at)).expect("bounded")
    }

    fn solve(options: &Options, observer: &dyn Observer, outputs: &[usize]) -> Vec<(usize, Outcome)> {
        let network = network();
        let vectors = VectorNetwork::new(&network, InputNorm::L2);
        let functionals: Vec<Functional> = outputs.iter().map(|i| Functional::output(*i)).collect();
        let form = Form::choose(&network, (options.memory_limit, Affordable::default()), 1);
        let recovery = Recovery::new(&vectors, &functionals);
        let context = Context {
            network: &vectors,
            form: &form,
            recovery: &recovery,
            options,
            draws: Draws::of_maker(0),
            budget: Budget::of(&network),
            observer,
            started: Instant::now(),
            batches: 1,
            begun: AtomicUsize::new(0),
        };
        let problems: Vec<(usize, Functional)> = functionals.into_iter().enumerate().collect();
        context.solve(&problems)
    }

    #[test]
    fn every_problem_of_a_batch_ends_within_its_tolerance() {
        let options = Options { norm: InputNorm::L2, ..Options::default() };
        let outcomes = solve(&options, &crate::Silent, &[0, 1]);
        assert_eq!(outcomes.len(), 2);
        for (_, outcome) in outcomes {
            let upper = outcome.certificate.expect("a proof").upper();
            assert_eq!(outcome.stop, Stop::Converged);
            assert!(outcome.relaxation <= upper && upper <= outcome.relaxation * (1.0 + options.tol));
        }
    }

    #[test]
    fn what_is_stopped_early_is_proved_all_the_same() {
        let whole = Options { norm: InputNorm::L2, ..Options::default() };
        let stopped = [
            (solve(&Options { sweep_limit: 2, ..whole.clone() }, &crate::Silent, &[0]), Stop::IterationLimit),
            (
                solve(&Options { time_limit: Some(Duration::ZERO), ..whole.clone() }, &crate::Silent, &[0]),
                Stop::TimeLimit,
            ),
            (solve(&whole, &Cancelled, &[0]), Stop::Interrupted),
        ];
        let least = solve(&whole, &crate::Silent, &[0])[0].1.relaxation;
        for (outcomes, stop) in stopped {
            let outcome = &outcomes[0].1;
            assert_eq!(outcome.stop, stop);
            assert!(outcome.certificate.as_ref().is_some_and(|c| c.upper() >= least && c.upper() < 100.0 * least));
        }
    }
}
