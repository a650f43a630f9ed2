//! The formal constant: branch and bound on slopes, with the relaxation as the bound.
//!
//! The formal constant is attained at a pattern of slopes, each at an end of its interval ([`crate::proof::tree`]). A search
//! splits the patterns by the slope of one neuron after the other; a neuron that is fixed is linear, so that a case is a vector
//! network like any other and its relaxation is solved from the point of the case above. A case whose certified bound is no
//! more than the best pattern known is closed; the closed cases together are the proof. Open cases are bounded by their own
//! relaxations when a search is stopped.
//!
//! | file | what |
//! | --- | --- |
//! | `case.rs` | one case, whatever its relaxation |
//! | `vectors.rs` | a case as a vector network: ascent, certificate, or the neuron to split by |
//! | `lifted.rs` | the same with cuts ([`crate::cuts`]) |
//! | `ending.rs` | what is proved of open cases when a search is stopped |
//! | `signs/` | a case of one hidden layer as a program over signs, with cuts |

mod case;
mod ending;
mod lifted;
mod signs;
mod vectors;

use super::engine::{Expert, Found, Progress, Verdict, Work};
use super::tree::{Open, Tree};
use super::{Checkpoint, Searcher, cut};
use crate::dual::Recovery;
use crate::error::BoundError;
use crate::lower::GradientBound;
use crate::place::Twins;
use crate::proof::{Certificate, Proof, certify_by_intervals};
use crate::relaxation::VectorNetwork;
use crate::report::{Bound, Method, Stop};
use crate::slopes::SlopeNetwork;
use case::Limits;
pub(super) use case::{Problem, Relaxed, Start};
use std::sync::Arc;

/// What bounding an open case at the end takes, as a multiple of what solving one takes, which mostly ends before it is accurate; with cuts.
const ENDING: (f64, f64) = (6.0, 2.0);
/// The part of the first solution's size that a proof of a case with cuts takes, about: most cuts are slack there.
const KEPT: usize = 4;

/// The bound with what a search adds to it.
pub(super) fn search(
    searcher: &Searcher<'_>,
    mut bound: Bound,
    checkpoint: Option<&mut Checkpoint>,
) -> Result<Bound, BoundError> {
    let (network, options, turn) = (searcher.network(), searcher.options(), searcher.turn);
    let norm = options.norm;
    let mut solution = None;
    if options.cuts {
        (bound, solution) = cut::cut(searcher, bound, None)?;
    }
    let best = searcher.best(&bound, true);
    if bound.upper() <= best.lower * (1.0 + options.tol) || bound.upper() == 0.0 {
        return Ok(bound);
    }
    let functional = bound.functional.clone();
    let layer = Problem::layer(network, norm, &functional);
    let whole = VectorNetwork::new(network, norm);
    let recovery = Recovery::new(&whole, std::slice::from_ref(&functional));
    let gradient = GradientBound::new(network, norm);
    let observer = searcher.question.observer;
    let cancelled = || observer.cancelled();
    let limits = Limits { memory: options.memory_limit, deadline: turn.deadline, cancelled: &cancelled };
    let solution = solution.filter(|_| layer.is_none());
    let cuts = solution.is_some().then_some(limits);
    let problem =
        Problem { norm, functional: functional.clone(), recovery: &recovery, seed: options.seed, layer, cuts };

    // the network itself
    let origin = problem.origin((&whole, bound.rank), solution, turn.index as u64);
    let Some(root) = Relaxed::new(&problem, network).converge(&origin) else { return Ok(bound) };
    let Verdict::Open(knife, certificate) = root.verdict else { return Ok(bound) };
    let origin = Arc::new(root.kept);
    let open = Open { value: root.value, knife, certificate, kept: Some(Arc::clone(&origin)) };
    let room = options.memory_limit / 4 / origin.bytes().max(1);
    let mut progress = Progress::new(Tree::new(network, Twins::none(), open), best, room);
    progress.sweeps = root.sweeps;
    // proofs with cuts are long: half of the memory is for those of the cases that are closed, about every second one
    let proofs = match &*origin {
        Start::Lifted(state) => {
            (options.memory_limit / 2 / (state.solution.bytes() / KEPT).max(1)).saturating_mul(2).max(1)
        }
        Start::Vectors(_) | Start::Signs(_) => usize::MAX,
    };
    let mut cases = Cases { problem: &problem, origin, tol: options.tol };
    let engine = searcher.engine((&functional, &gradient), options.case_limit.min(proofs));
    let stop = searcher.run((&engine, &mut cases), &mut progress, checkpoint)?;
    if stop != Stop::Converged {
        cases.bound_open(&mut progress, searcher.end());
    }
    bound.iterations += progress.sweeps;
    bound.stop = stop;
    let (count, proved) = (progress.tree.len(), progress.tree.closed());
    let better = progress.tree.certificate().filter(|certificate| certificate.upper() < bound.upper());
    bound.method = match better.as_ref().map(Certificate::proof) {
        Some(Proof::Signs(proof)) => Method::Cuts { cuts: proof.cuts.len() },
        Some(_) | None => Method::BranchAndBound { cases: count, proved },
    };
    bound.certificate = better.unwrap_or(bound.certificate);
    searcher.add_pattern(&mut bound, &gradient, progress.best);
    Ok(bound)
}

/// Bounds cases by their relaxations.
pub(super) struct Cases<'a> {
    pub problem: &'a Problem<'a>,
    /// The solution of the whole.
    pub origin: Arc<Start>,
    /// The tolerance of the search.
    pub tol: f64,
}

impl Expert for Cases<'_> {
    type Kept = Start;
    const ROUND: usize = 8;

    fn bound(&self, local: &SlopeNetwork, above: &Open<Start>, work: Work) -> Option<Found<Start>> {
        self.solve(&Relaxed::new(self.problem, local), local, self.start(above), work.target)
    }

    fn ending(&self) -> f64 {
        if self.problem.cuts.is_some() { ENDING.1 } else { ENDING.0 }
    }

    fn end(&self, local: &SlopeNetwork, open: &Open<Start>, enough: f64) -> Option<Certificate> {
        self.bound_one(&Relaxed::new(self.problem, local), self.start(open), enough)
    }

    fn last(&self, local: &SlopeNetwork, open: &Open<Start>, lower: f64) -> Option<Certificate> {
        let relaxed = Relaxed::new(self.problem, local);
        relaxed.bound(&relaxed.converge(open.kept.as_ref()?)?.kept, lower)
    }
}

impl Cases<'_> {
    /// Where work on a case, or on those below it, starts.
    fn start<'b>(&'b self, open: &'b Open<Start>) -> &'b Start {
        open.kept.as_ref().unwrap_or(&self.origin)
    }

    /// A case with a bound of `target`, or what it is to be split by.
    fn solve(&self, relaxed: &Relaxed<'_>, local: &SlopeNetwork, start: &Start, target: f64) -> Option<Found<Start>> {
        let mut found = relaxed.solve(start, target)?;
        if let Verdict::Open(None, None) = found.verdict {
            // no slope is free: a form may prove nothing where the terms of the gradient cancel, but intervals are its size, up to rounding
            let known = certify_by_intervals(local, self.problem.norm, &self.problem.functional).map(Box::new);
            if let Some(known) = known.filter(|known| known.upper() <= target) {
                found.verdict = Verdict::Closed(known);
            }
        }
        if matches!(found.verdict, Verdict::Open(..)) {
            // a value that is not proved is no reason to try again: the case is to be split
            found.value = found.value.max(target.next_up());
        }
        Some(found)
    }
}
