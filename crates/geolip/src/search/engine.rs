//! The search for one functional: best first, in rounds; when to stop, and what is then known. How a place is bounded and what
//! it is branched by is the business of an [`Expert`].

use super::checkpoint::{Checkpoint, Saved};
use super::queue::Entry;
use super::tree::{Open, State, Tree};
use crate::lower::{GradientBound, Witness};
use crate::observer::{Event, Observer};
use crate::options::Options;
use crate::place::{Knife, Place};
use crate::problem::Functional;
use crate::proof::{Certificate, Claim, Proof, prove};
use crate::relaxation::Pattern;
use crate::report::Stop;
use crate::slopes::SlopeNetwork;
use rayon::prelude::*;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The part of the tolerance that closed places may use.
pub(super) const TARGET: f64 = 0.9;
/// The part of the time limit by which a search may be late at the end; what is not bounded by then is left open.
pub(super) const LATE: f64 = 0.05;
/// How near its value an open place is bounded at the end: by this part of the gap, and by the second number relatively. A bound that need not be sharp takes no
/// longer than it took to branch the place.
const NEAR: (f64, f64) = (0.02, 1e-4);
/// Places from which on it is measured how long that takes, and of how many.
const REHEARSAL: usize = 48;
const REHEARSED: usize = 7;
/// The time kept back for it, as a multiple of what was measured.
const MARGIN: f64 = 1.25;

/// Bounds places, and says what to branch them by.
pub(super) trait Expert: Sync {
    /// What is kept of a place for those below it.
    type Kept: Send + Sync;
    /// Places taken up in one round: a number of its own, so that results do not depend on the number of threads.
    const ROUND: usize;

    /// Bounds the place of a network; none if nothing is known of it. `above` is what is known of the place above it, or of this
    /// place.
    fn bound(&self, local: &SlopeNetwork, above: &Open<Self::Kept>, work: Work) -> Option<Found<Self::Kept>>;

    /// A bound of an open place that can be branched by nothing.
    fn last(&self, local: &SlopeNetwork, open: &Open<Self::Kept>, lower: f64) -> Option<Certificate>;

    /// What bounding an open place at the end takes, as a multiple of what bounding one takes in the search, until that is measured; 0 where they have bounds.
    fn ending(&self) -> f64 {
        0.0
    }

    /// The bound of an open place at the end, `enough` if that is within reach.
    fn end(&self, local: &SlopeNetwork, open: &Open<Self::Kept>, enough: f64) -> Option<Certificate> {
        let _ = (local, open, enough);
        None
    }

    /// What else it knows by the end of a round.
    fn learn(&mut self, found: &[Found<Self::Kept>]) {
        let _ = found;
    }
}

/// What to do with a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// The bound to be met, if that is within reach.
    pub target: f64,
    /// The number of the work.
    pub turn: usize,
    /// When it began: making the slope network of a place is a part of it.
    pub begun: Instant,
    /// When it has to end.
    pub deadline: Option<Instant>,
}

/// What work for a node came to, and how long it took.
type Timed<K> = (usize, Found<K>, Duration);

/// What work on a place came to.
pub(super) struct Found<K> {
    pub value: f64,
    pub verdict: Verdict,
    pub kept: K,
    pub sweeps: usize,
    /// The best pattern found.
    pub pattern: Option<Pattern>,
    /// The best input found.
    pub witness: Option<Witness>,
}

pub(super) enum Verdict {
    Closed(Box<Certificate>),
    /// Without interior, by the sides of these neurons (layer and neuron).
    Thin(Vec<(usize, usize)>),
    /// With what to branch by, if there is something, and a bound, if there is one.
    Open(Option<Knife>, Option<Box<Certificate>>),
}

/// From below: what is known, and by what.
pub(super) struct Best {
    /// The best value, or what other bounds are known to reach.
    pub lower: f64,
    pub pattern: Option<Pattern>,
    pub witness: Option<Witness>,
    /// Whether patterns count: the formal constant is what is searched for.
    pub formal: bool,
}

/// What a search has come to.
pub(super) struct Progress<K> {
    pub tree: Tree<K>,
    pub best: Best,
    queue: BinaryHeap<Entry>,
    /// The largest bound of a place that can be branched by nothing.
    stuck: f64,
    pub sweeps: usize,
    /// Open places of which something may still be kept.
    room: usize,
    /// Time that bounding places took, over all threads, and how many.
    effort: (Duration, u32),
    /// What bounding an open place at the end takes, measured when the tree had half the size at which it is measured again.
    ending: Option<Duration>,
    rehearsal: usize,
}

/// One search.
pub(super) struct Engine<'a> {
    pub network: &'a SlopeNetwork,
    pub functional: &'a Functional,
    pub options: &'a Options,
    pub observer: &'a dyn Observer,
    pub gradient: &'a GradientBound<'a>,
    /// The bound's place in the report.
    pub index: usize,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Places at most.
    pub most: usize,
}

/// A place to be bounded.
struct Job {
    place: Place,
    /// The node it is, or whose child it will be.
    id: usize,
}

impl Best {
    /// Takes note of a pattern and an input, if they are better than the best.
    fn learn(&mut self, engine: &Engine<'_>, pattern: Option<Pattern>, witness: Option<Witness>) {
        if let Some(witness) = witness
            && witness.lower > self.witness.as_ref().map_or(0.0, |best| best.lower)
        {
            self.lower = self.lower.max(witness.lower);
            self.witness = Some(witness);
        }
        let Some(pattern) = pattern else { return };
        if !self.formal {
            if pattern.value > self.pattern.as_ref().map_or(0.0, |best| best.value) {
                self.pattern = Some(pattern);
            }
        } else if pattern.value > self.lower {
            let lower = engine.gradient.lower(engine.functional, &pattern.weights, &pattern.slopes);
            if lower > self.lower {
                self.lower = lower;
                self.pattern = Some(pattern);
            }
        }
    }
}

impl<K: Send + Sync> Progress<K> {
    /// At the root, of which something is kept for `room` open places.
    pub fn new(tree: Tree<K>, best: Best, room: usize) -> Self {
        let value = tree.open(0).map_or(0.0, |open| open.value);
        let queue = BinaryHeap::from([Entry { value, id: 0 }]);
        Self {
            tree,
            best,
            queue,
            stuck: 0.0,
            sweeps: 0,
            room,
            effort: (Duration::ZERO, 0),
            ending: None,
            rehearsal: REHEARSAL,
        }
    }

    /// The bound that closes a place.
    pub fn target(&self, tol: f64) -> f64 {
        (self.best.lower * (1.0 + TARGET * tol)).max(self.stuck)
    }

    /// The largest value of an open place, or of one that can be branched by nothing.
    pub fn highest(&self) -> f64 {
        let open = self.tree.all_open();
        open.iter().filter_map(|id| self.tree.open(*id)).map(|open| open.value).fold(self.stuck, f64::max)
    }

    /// A bound that is near enough for open places at the end of a search.
    pub fn near(&self, tol: f64) -> f64 {
        let highest = self.highest();
        let gap = (highest - self.best.lower).max(0.0);
        (highest + (NEAR.0 * gap).max(NEAR.1 * highest)).max(self.target(tol))
    }

    /// What bounding an open place at the end takes.
    pub fn ending(&self, guess: f64) -> Duration {
        self.ending.unwrap_or_else(|| self.pace().mul_f64(guess))
    }

    /// What bounding a place took, on average.
    pub fn pace(&self) -> Duration {
        let (time, count) = self.effort;
        if count > 0 { time / count } else { Duration::ZERO }
    }

    /// What is to be done with an open place: its two children are bounded if it has to be branched, else (it was left open for a
    /// lower bound that has risen since, or it is not known what to branch it by) it is itself.
    fn jobs(&self, id: usize, target: f64) -> Option<(Option<Knife>, Vec<Job>)> {
        let open = self.tree.open(id)?;
        let job = |place: Option<Place>| Some(Job { place: place?, id });
        match open.knife {
            Some(knife) if open.value > target || open.value.is_nan() => {
                let children = [false, true].map(|upper| job(self.tree.child(id, knife, upper)));
                Some((Some(knife), children.into_iter().flatten().collect()))
            }
            Some(_) | None => Some((None, job(self.tree.place(id)).into_iter().collect())),
        }
    }

    /// Puts what was found for an open place into the tree.
    fn take<E: Expert<Kept = K>>(
        &mut self,
        (engine, expert): (&Engine<'_>, &E),
        (id, knife): (usize, Option<Knife>),
        found: Vec<Found<K>>,
    ) {
        let wanted = if knife.is_some() { 2 } else { 1 };
        if found.len() < wanted {
            if engine.is_late() {
                self.queue.extend(self.tree.open(id).map(|open| Entry { value: open.value, id })); // not begun
            } else {
                self.give_up(id); // not all of it could be bounded
            }
            return;
        }
        // a place is at most as steep as those around it
        let around = self.tree.open(id).filter(|open| open.certificate.is_some()).map_or(f64::INFINITY, |o| o.value);
        if let Some(kept) = self.tree.open(id).and_then(|open| open.kept.as_ref())
            && Arc::strong_count(kept) == 1
        {
            self.room = self.room.saturating_add(1);
        }
        let mut states = Vec::with_capacity(2);
        for found in found {
            self.sweeps += found.sweeps;
            self.best.learn(engine, found.pattern, found.witness);
            states.push(match found.verdict {
                Verdict::Closed(certificate) => State::Closed(certificate),
                Verdict::Thin(named) => State::Thin(named),
                Verdict::Open(knife, certificate) => {
                    let keep = self.room > 0;
                    self.room -= usize::from(keep);
                    let kept = keep.then(|| Arc::new(found.kept));
                    let value = if found.value > around { around } else { found.value };
                    State::Open(Open { value, knife, certificate, kept })
                }
            });
        }
        let mut ids = vec![id];
        match (knife, <[State<K>; 2]>::try_from(states)) {
            (Some(knife), Ok(states)) => ids = self.tree.branch(id, knife, states).to_vec(),
            (None, Err(states)) => states.into_iter().for_each(|state| self.tree.set(id, state)),
            (Some(_), Err(_)) | (None, Ok(_)) => {}
        }
        for id in ids {
            self.queue_up((engine, expert), id);
        }
    }

    /// An open place joins the queue; one that can be branched by nothing is bounded as it is.
    fn queue_up<E: Expert<Kept = K>>(&mut self, (engine, expert): (&Engine<'_>, &E), id: usize) {
        let Some(open) = self.tree.open(id) else { return };
        let value = open.value;
        if open.is_proved(self.target(engine.options.tol)) {
            self.tree.close(id);
        } else if open.knife.is_some() {
            self.queue.push(Entry { value, id });
        } else if open.certificate.is_some() {
            self.give_up(id);
        } else {
            let local = self.tree.place(id).and_then(|place| self.tree.network(place));
            let bounded = local.and_then(|local| expert.last(&local, self.tree.open(id)?, self.best.lower));
            if let Some(certificate) = bounded {
                self.stuck = self.stuck.max(certificate.upper());
                self.tree.set(id, State::Closed(Box::new(certificate)));
            }
        }
    }

    /// A place stays with the bound it has.
    fn give_up(&mut self, id: usize) {
        let value = self.tree.open(id).map_or(0.0, |open| open.value);
        if self.tree.close(id) {
            self.stuck = self.stuck.max(value);
        }
    }
}

impl Engine<'_> {
    /// Goes back to what was saved.
    pub fn resume<K: Send + Sync>(&self, progress: &mut Progress<K>, saved: &Saved) -> Result<(), &'static str> {
        let norm = self.options.norm;
        let check = |place: &SlopeNetwork, upper: f64, proof: &Proof| {
            let claim = Claim { output: self.functional.clone(), upper, proof: proof.clone() };
            prove(place, norm, &claim, usize::MAX).map_err(|_| "has a proof that does not hold")
        };
        progress.tree.read(&saved.tree, check).ok_or("has a tree that is not whole")??;
        let at = saved.witness(self.network, norm, self.gradient, self.functional);
        let pattern = saved.pattern(self.network).filter(|_| progress.best.formal);
        progress.best.learn(self, pattern, at);
        let proved = progress.tree.proved();
        if proved > progress.best.lower * (1.0 + self.options.tol) {
            progress.stuck = proved; // nothing else is closed above the target
        }
        let entry = |id| Some(Entry { value: progress.tree.open(id)?.value, id });
        progress.queue = progress.tree.all_open().into_iter().filter_map(entry).collect();
        Ok(())
    }

    /// Round after round, until all places are closed or a limit is met.
    pub fn run<E: Expert>(
        &self,
        expert: &mut E,
        progress: &mut Progress<E::Kept>,
        mut checkpoint: Option<&mut Checkpoint>,
    ) -> Stop {
        let mut rounds = 0;
        loop {
            let target = progress.target(self.options.tol);
            let Some(top) = progress.queue.peek() else {
                let open = progress.tree.all_open().is_empty();
                let exact = open && progress.stuck <= progress.best.lower * (1.0 + self.options.tol);
                return if exact { Stop::Converged } else { Stop::Stalled };
            };
            let gap = (top.value / progress.best.lower - 1.0).max(0.0);
            let (cases, open) = (progress.tree.len(), progress.queue.len());
            self.observer.event(Event::Searched { index: self.index, cases, open, gap });
            if let Some(stop) = self.stopped(expert, progress) {
                return stop;
            }
            if self.deadline.is_some() && expert.ending() > 0.0 && cases >= progress.rehearsal {
                self.rehearse(expert, progress);
            }
            if let Some(checkpoint) = checkpoint.as_deref_mut().filter(|checkpoint| checkpoint.is_due()) {
                checkpoint.save(self.saved(progress));
            }
            let mut round: Vec<(usize, Option<Knife>, Vec<Job>)> = Vec::new();
            while round.len() < E::ROUND
                && progress.tree.len() + 2 * round.len() < self.most
                && let Some(entry) = progress.queue.pop()
            {
                let known = progress.tree.open(entry.id);
                if known.is_some_and(|open| open.is_proved(target)) {
                    progress.tree.close(entry.id);
                } else if let Some((knife, jobs)) = progress.jobs(entry.id, target) {
                    round.push((entry.id, knife, jobs));
                }
            }
            let tree = &progress.tree;
            let flat: Vec<Job> = round.iter_mut().flat_map(|(_, _, jobs)| std::mem::take(jobs)).collect();
            let own: &E = expert;
            let found: Vec<Option<Timed<E::Kept>>> = flat
                .into_par_iter()
                .map(|Job { place, id }| {
                    let begun = Instant::now();
                    if self.is_late() {
                        return None;
                    }
                    let local = tree.network(place)?;
                    let found = own.bound(
                        &local,
                        tree.open(id)?,
                        Work { target, turn: rounds + id, begun, deadline: self.deadline },
                    )?;
                    Some((id, found, begun.elapsed()))
                })
                .collect();
            let (mut ids, mut all) = (Vec::new(), Vec::new());
            for (id, found, time) in found.into_iter().flatten() {
                progress.effort = (progress.effort.0 + time, progress.effort.1 + 1);
                ids.push(id);
                all.push(found);
            }
            expert.learn(&all);
            let mut all = ids.into_iter().zip(all).peekable();
            for (id, knife, _) in round {
                let own = std::iter::from_fn(|| all.next_if(|(of, _)| *of == id)).map(|(_, found)| found).collect();
                progress.take((self, &*expert), (id, knife), own);
            }
            rounds += 1;
        }
    }

    /// Bounds a few open places, the highest and others, as at the end of the search, to know how long that takes.
    fn rehearse<E: Expert>(&self, expert: &E, progress: &mut Progress<E::Kept>) {
        let (open, near) = (progress.tree.all_open(), progress.near(self.options.tol));
        let highest = progress.queue.peek().map(|entry| entry.id);
        let some = open.iter().step_by(open.len().div_ceil(REHEARSED)).copied();
        let tree = &progress.tree;
        let bounded: Vec<(usize, Option<Certificate>, Duration)> = highest
            .into_iter()
            .chain(some)
            .collect::<Vec<usize>>()
            .into_par_iter()
            .filter(|_| !self.is_late())
            .filter_map(|id| {
                let begun = Instant::now();
                let local = tree.network(tree.place(id)?)?;
                let found = expert.end(&local, tree.open(id)?, near);
                Some((id, found, begun.elapsed()))
            })
            .collect();
        let count = u32::try_from(bounded.len()).unwrap_or(u32::MAX).max(1);
        progress.ending = Some(bounded.iter().map(|(_, _, time)| *time).sum::<Duration>() / count);
        progress.rehearsal = 2 * progress.tree.len();
        for (id, certificate, _) in bounded {
            certificate.into_iter().for_each(|certificate| progress.tree.prove(id, certificate));
        }
    }

    /// Whether its time is over.
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// What a checkpoint holds of it.
    pub fn saved<K>(&self, progress: &Progress<K>) -> Saved {
        Saved::of(self.index, self.network, &progress.tree, &progress.best)
    }

    fn stopped<E: Expert>(&self, expert: &E, progress: &Progress<E::Kept>) -> Option<Stop> {
        let threads = u32::try_from(rayon::current_num_threads()).unwrap_or(u32::MAX);
        let open = u32::try_from(progress.queue.len()).unwrap_or(u32::MAX);
        let ending = (progress.ending(expert.ending()) * open / threads).mul_f64(MARGIN);
        if self.observer.cancelled() {
            Some(Stop::Interrupted)
        } else if self.deadline.is_some_and(|limit| Instant::now() + ending >= limit) {
            Some(Stop::TimeLimit)
        } else if progress.tree.len() >= self.most {
            Some(Stop::CaseLimit)
        } else {
            None
        }
    }
}
