//! The search for one functional: best first, in rounds; when to stop, and what is then known.

use super::Means;
use super::case::{Problem, Relaxed, Solved, Start, Verdict};
use super::checkpoint::{Checkpoint, Saved};
use super::tree::{Neuron, Open, State, Tree};
use crate::best_first::{Entry, Turn, in_turn};
use crate::bound::BoundError;
use crate::dual::Recovery;
use crate::lower::{GradientBound, InputRules, Realiser, pattern_inside, search_inputs};
use crate::observer::{Event, Observer};
use crate::options::Options;
use crate::place::Fixing;
use crate::proof::{Branch, Certificate, Claim, Proof};
use crate::relaxation::{Pattern, VectorNetwork};
use crate::report::{Bound, Method, Stop};
use crate::slopes::SlopeNetwork;
use rayon::prelude::*;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Cases taken up in one round: a number of its own, so that results do not depend on the number of threads.
const ROUND: usize = 8;
/// The part of the tolerance that closed cases may use.
const TARGET: f64 = 0.9;
/// Open cases up to which each gets the best bound it can have when a search is stopped; more are bounded by the largest of
/// their values, and this much more.
const FEW: usize = 32;
const NEAR: f64 = 1e-4;
/// Multiply–adds of the search for an input that is as steep as a better pattern, for every effort.
const INPUT_WORK: f64 = 1e8;

/// Closes the gap of every bound, if that can be done before the limits: the same bounds, better where the search found
/// something. With `largest`, bounds matter only as far as they exceed what another one is known to reach.
pub(crate) fn close(
    network: &SlopeNetwork,
    options: &Options,
    means: Means,
    (bounds, largest): (Vec<Bound>, bool),
    mut checkpoint: Option<&mut Checkpoint>,
    observer: &dyn Observer,
    started: Instant,
) -> Result<Vec<Bound>, BoundError> {
    let limit = (started, options.time_limit);
    in_turn(
        (bounds, largest),
        limit,
        |bound| bound.pattern_lower,
        |bound, Turn { index, reached, deadline }| {
            let searcher = Searcher { network, options, means, observer, index, limit: deadline };
            let mut bound = searcher.improve(bound, reached, checkpoint.as_deref_mut())?;
            bound.time = started.elapsed();
            Ok(bound)
        },
    )
}

/// One search.
struct Searcher<'a> {
    network: &'a SlopeNetwork,
    options: &'a Options,
    means: Means,
    observer: &'a dyn Observer,
    /// The bound's place in the report.
    index: usize,
    /// When to stop.
    limit: Option<Instant>,
}

/// What a search has come to.
struct Progress {
    tree: Tree,
    queue: BinaryHeap<Entry>,
    /// The best pattern's rounded-down value, or what other bounds are known to reach.
    lower: f64,
    best: Option<Pattern>,
    /// The largest bound of a case without neurons to split.
    stuck: f64,
    sweeps: usize,
    /// Points that may still be kept.
    room: usize,
    /// Time that solving cases took, over all threads, and how many.
    effort: (Duration, u32),
}

/// A case to be taken up.
struct Job {
    case: SlopeNetwork,
    start: Option<Arc<Start>>,
}

impl Searcher<'_> {
    /// The bound with what a search adds to it.
    fn improve(
        &self,
        mut bound: Bound,
        reached: f64,
        mut checkpoint: Option<&mut Checkpoint>,
    ) -> Result<Bound, BoundError> {
        let (tol, norm, seed) = (self.options.tol, self.options.norm, self.options.seed);
        if bound.upper() <= bound.pattern_lower.max(reached) * (1.0 + tol) || bound.upper() == 0.0 {
            return Ok(bound);
        }
        let whole = VectorNetwork::new(self.network, norm);
        let functional = bound.functional.clone();
        let recovery = Recovery::new(&whole, std::slice::from_ref(&functional));
        let gradient = GradientBound::new(self.network, norm);
        let layer = Problem::layer(self.network, norm, &functional);
        if layer.is_none() && self.means == Means::Cuts {
            return Err(BoundError::Cuts { output: functional.to_string() });
        }
        let problem =
            Problem { norm, functional, recovery: &recovery, seed, splits: self.means == Means::Search, layer };

        // the network itself
        let relaxed = Relaxed::new(&problem, self.network);
        let origin = problem.origin(&whole, bound.rank, self.index as u64);
        let Some(root) = relaxed.converge(&origin) else { return Ok(bound) };
        let origin = Arc::new(root.start);
        let Verdict::Open(split) = root.verdict else { return Ok(bound) };
        let mut progress = Progress {
            tree: Tree::new(self.network, Open { value: root.value, split, start: Some(Arc::clone(&origin)) }),
            queue: BinaryHeap::from([Entry { value: root.value, id: 0 }]),
            lower: bound.pattern_lower.max(reached),
            best: (bound.pattern.value >= reached).then(|| bound.pattern.clone()),
            stuck: 0.0,
            sweeps: root.sweeps,
            room: self.options.memory_limit / 4 / origin.bytes().max(1),
            effort: (Duration::ZERO, 0),
        };

        if let Some((checkpoint, saved)) = checkpoint.as_ref().and_then(|c| Some((c, c.saved(self.index)?))) {
            self.resume(&problem, &gradient, &mut progress, saved)
                .map_err(|reason| checkpoint.refuse(self.index, reason))?;
        }
        let stop = match self.means {
            Means::Search => self.run(&problem, &gradient, &origin, &mut progress, checkpoint.as_deref_mut()),
            Means::Cuts => bound.stop,
        };
        if let Some(checkpoint) = checkpoint {
            checkpoint.save(Saved::of(self.index, self.network, &progress.tree, progress.best.as_ref()));
        }
        if stop != Stop::Converged || self.means == Means::Cuts {
            self.bound_open_cases(&problem, &origin, &mut progress);
        }
        bound.iterations += progress.sweeps;
        bound.stop = stop;
        let (cases, proved) = (progress.tree.len(), progress.tree.closed());
        let better = progress.tree.certificate().filter(|certificate| certificate.upper() < bound.upper());
        bound.method = match better.as_ref().map(Certificate::proof) {
            Some(Proof::Signs(proof)) => Method::Cuts { cuts: proof.cuts.len() },
            None if self.means == Means::Cuts => bound.method,
            Some(_) | None => Method::BranchAndBound { cases, proved },
        };
        bound.certificate = better.unwrap_or(bound.certificate);
        let inside = |pattern| pattern_inside(self.network, &gradient, &problem.functional, pattern);
        // parts bound the Lipschitz constant, not the formal one of the whole region: patterns of that may exceed them
        let by_parts = match bound.certificate.proof() {
            Proof::Tree(tree) => tree.iter().any(|branch| matches!(branch, Branch::Input(..) | Branch::Side(..))),
            _ => false,
        };
        let best = progress.best.filter(|_| !by_parts).map(inside);
        if let Some(pattern) = best.filter(|pattern| pattern.value > bound.pattern.value) {
            let realiser = Realiser::new(self.network);
            let functionals = std::slice::from_ref(&problem.functional);
            let patterns = std::slice::from_ref(&pattern);
            let rules = InputRules { work: INPUT_WORK * self.options.effort, seed };
            let witnesses =
                search_inputs(self.network, norm, &gradient, functionals, patterns, realiser.as_ref(), rules);
            if let Some(witness) = witnesses.into_iter().find(|witness| witness.lower > bound.witness.lower) {
                bound.witness = witness;
            }
            bound.pattern_lower = bound.pattern_lower.max(pattern.value).max(bound.witness.lower);
            bound.pattern = pattern;
        }
        Ok(bound)
    }

    /// Goes back to what was saved.
    fn resume(
        &self,
        problem: &Problem<'_>,
        gradient: &GradientBound<'_>,
        progress: &mut Progress,
        saved: &Saved,
    ) -> Result<(), &'static str> {
        let check = |case: &SlopeNetwork, upper: f64, proof: &Proof| {
            let claim = Claim { output: problem.functional.clone(), upper, proof: proof.clone() };
            Relaxed::new(problem, case).recheck(&claim).ok_or("one of its proofs does not hold")
        };
        progress.tree = Tree::read(self.network, &saved.tree, check).ok_or("its tree is not whole")??;
        if let Some(pattern) = saved.pattern(self.network) {
            progress.learn(problem, gradient, pattern);
        }
        let proved = progress.tree.proved();
        if proved > progress.lower * (1.0 + self.options.tol) {
            progress.stuck = proved; // nothing else is closed above the target
        }
        let entry = |id| match &progress.tree.case(id).state {
            State::Open(open) => Some(Entry { value: open.value, id }),
            State::Split(..) | State::Closed(_) => None,
        };
        progress.queue = (0..progress.tree.len()).filter_map(entry).collect();
        Ok(())
    }

    /// Round after round, until all cases are closed or a limit is met.
    fn run(
        &self,
        problem: &Problem<'_>,
        gradient: &GradientBound<'_>,
        origin: &Arc<Start>,
        progress: &mut Progress,
        mut checkpoint: Option<&mut Checkpoint>,
    ) -> Stop {
        loop {
            let target = progress.target(self.options.tol);
            let Some(top) = progress.queue.peek() else {
                let open = progress.tree.open().is_empty();
                let exact = open && progress.stuck <= progress.lower * (1.0 + self.options.tol);
                return if exact { Stop::Converged } else { Stop::Stalled };
            };
            let gap = (top.value / progress.lower - 1.0).max(0.0);
            let (cases, open) = (progress.tree.len(), progress.queue.len());
            self.observer.event(Event::Searched { index: self.index, cases, open, gap });
            if let Some(stop) = self.stopped(progress) {
                return stop;
            }
            if let Some(checkpoint) = checkpoint.as_deref_mut().filter(|checkpoint| checkpoint.is_due()) {
                checkpoint.save(Saved::of(self.index, self.network, &progress.tree, progress.best.as_ref()));
            }
            let round: Vec<Entry> = (0..ROUND).map_while(|_| progress.queue.pop()).collect();
            let jobs: Vec<(usize, Option<Neuron>, Vec<Job>)> =
                round.iter().map(|entry| progress.jobs(entry.id, target)).collect();
            let flat: Vec<&Job> = jobs.iter().flat_map(|(_, _, jobs)| jobs).collect();
            let solved: Vec<(Solved, Duration)> = flat
                .into_par_iter()
                .filter_map(|job| {
                    let begun = Instant::now();
                    let start = job.start.as_ref().unwrap_or(origin);
                    let solved = Relaxed::new(problem, &job.case).solve(start, target)?;
                    Some((solved, begun.elapsed()))
                })
                .collect();
            let mut solved = solved.into_iter();
            for (id, neuron, jobs) in jobs {
                let results: Vec<Solved> = jobs
                    .iter()
                    .zip(&mut solved)
                    .map(|(_, (solved, time))| {
                        progress.effort = (progress.effort.0 + time, progress.effort.1 + 1);
                        solved
                    })
                    .collect();
                progress.take(problem, gradient, id, neuron, results);
            }
        }
    }

    fn stopped(&self, progress: &Progress) -> Option<Stop> {
        // open cases have to be bounded before the limit, which takes about as long as solving them took
        let threads = u32::try_from(rayon::current_num_threads()).unwrap_or(u32::MAX);
        let open = u32::try_from(progress.queue.len()).unwrap_or(u32::MAX);
        let (time, count) = progress.effort;
        let ending = if count == 0 { Duration::ZERO } else { time / count * open / threads };
        if self.observer.cancelled() {
            Some(Stop::Interrupted)
        } else if self.limit.is_some_and(|limit| Instant::now() + ending >= limit) {
            Some(Stop::TimeLimit)
        } else if progress.tree.len() >= self.options.case_limit {
            Some(Stop::CaseLimit)
        } else {
            None
        }
    }

    /// Proves for every open case what its own relaxation gives, so that the tree as it stands is a bound: where there are
    /// many, a bound near the largest of them will do, which costs no more than solving them did.
    fn bound_open_cases(&self, problem: &Problem<'_>, origin: &Arc<Start>, progress: &mut Progress) {
        let open = progress.tree.open();
        let tree = &progress.tree;
        let value = |id: &usize| match &tree.case(*id).state {
            State::Open(open) => open.value,
            State::Split(..) | State::Closed(_) => 0.0,
        };
        let highest = open.iter().map(value).fold(progress.stuck, f64::max);
        let target = progress.target(self.options.tol);
        let near = (open.len() > FEW && highest.is_finite()).then_some((highest * (1.0 + NEAR)).max(target));
        let bounded: Vec<(usize, Certificate)> = open
            .par_iter()
            .filter_map(|&id| {
                let case = tree.case(id);
                let State::Open(open) = &case.state else { return None };
                let start = open.start.as_ref().unwrap_or(origin);
                let network = tree.network(&case.fixings)?;
                let relaxed = Relaxed::new(problem, &network);
                if let Some(Verdict::Closed(case)) = near.and_then(|near| Some(relaxed.solve(start, near)?.verdict)) {
                    return Some((id, *case));
                }
                let solved = relaxed.converge(start)?;
                let own = (solved.value * (1.0 + TARGET * self.options.tol)).max(target);
                let bounded = relaxed.bound(&solved.start, own);
                if bounded.as_ref().is_some_and(|case| near.is_none_or(|near| case.upper() <= near.max(own))) {
                    return Some((id, bounded?));
                }
                // an ascent that ended in a bad place: once more, from the solution of the whole
                let again = relaxed.converge(origin).and_then(|solved| relaxed.bound(&solved.start, own));
                let best = bounded.into_iter().chain(again).min_by(|a, b| a.upper().total_cmp(&b.upper()));
                Some((id, best?))
            })
            .collect();
        for (id, case) in bounded {
            progress.tree.set(id, State::Closed(Box::new(case)));
        }
    }
}

impl Progress {
    /// The bound that closes a case.
    fn target(&self, tol: f64) -> f64 {
        (self.lower * (1.0 + TARGET * tol)).max(self.stuck)
    }

    /// Takes note of a pattern, if it is better than the best.
    fn learn(&mut self, problem: &Problem<'_>, gradient: &GradientBound<'_>, pattern: Pattern) {
        if pattern.value > self.lower {
            let lower = gradient.lower(&problem.functional, &pattern.weights, &pattern.slopes);
            if lower > self.lower {
                self.lower = lower;
                self.best = Some(pattern);
            }
        }
    }

    /// What is to be solved for an open case: its two children if it has to be split, else (it was left open for a lower
    /// bound that has risen since, or it is not known where to split it) the case itself.
    fn jobs(&self, id: usize, target: f64) -> (usize, Option<Neuron>, Vec<Job>) {
        let case = self.tree.case(id);
        let State::Open(open) = &case.state else { return (id, None, Vec::new()) };
        let job = |path: &[Fixing]| Some(Job { case: self.tree.network(path)?, start: open.start.clone() });
        match open.split {
            Some(neuron) if open.value > target || open.value.is_nan() => {
                let paths = [false, true].map(|upper| self.tree.path(id, neuron, upper));
                (id, Some(neuron), paths.iter().filter_map(|path| job(path)).collect())
            }
            Some(_) | None => (id, None, job(&case.fixings).into_iter().collect()),
        }
    }

    /// Puts what was found for an open case into the tree.
    fn take(
        &mut self,
        problem: &Problem<'_>,
        gradient: &GradientBound<'_>,
        id: usize,
        neuron: Option<Neuron>,
        results: Vec<Solved>,
    ) {
        if let State::Open(Open { start: Some(start), .. }) = &self.tree.case(id).state
            && Arc::strong_count(start) == 1
        {
            self.room += 1;
        }
        let mut states = Vec::new();
        for solved in results {
            self.sweeps += solved.sweeps;
            if let Some(pattern) = solved.pattern {
                self.learn(problem, gradient, pattern);
            }
            states.push(match solved.verdict {
                Verdict::Closed(case) => State::Closed(case),
                Verdict::Open(split) => {
                    let keep = self.room > 0;
                    self.room -= usize::from(keep);
                    State::Open(Open { value: solved.value, split, start: keep.then(|| Arc::new(solved.start)) })
                }
            });
        }
        let mut ids = vec![id];
        match (neuron, <[State; 2]>::try_from(states)) {
            (Some(neuron), Ok(states)) => ids = self.tree.split(id, neuron, states).to_vec(),
            (None, Err(states)) => states.into_iter().for_each(|state| self.tree.set(id, state)),
            (Some(_), Err(_)) | (None, Ok(_)) => {}
        }
        for id in ids {
            self.queue_up(problem, id);
        }
    }

    /// An open case joins the queue; one without neurons to split is bounded as it is.
    fn queue_up(&mut self, problem: &Problem<'_>, id: usize) {
        let case = self.tree.case(id);
        let State::Open(open) = &case.state else { return };
        if open.split.is_some() {
            self.queue.push(Entry { value: open.value, id });
            return;
        }
        let bounded = self.tree.network(&case.fixings).zip(open.start.as_ref()).and_then(|(network, start)| {
            let relaxed = Relaxed::new(problem, &network);
            relaxed.bound(&relaxed.converge(start)?.start, self.lower)
        });
        if let Some(case) = bounded {
            self.stuck = self.stuck.max(case.upper());
            self.tree.set(id, State::Closed(Box::new(case)));
        }
    }
}
