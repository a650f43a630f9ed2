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
//! | `signs/` | a case of one hidden layer as a program over signs, with cuts |

mod case;
mod lifted;
mod signs;
mod vectors;

use super::engine::{Expert, Found, Progress, TARGET, Verdict, Work};
use super::tree::{Open, State, Tree};
use super::{Checkpoint, Searcher, cut};
use crate::dual::Recovery;
use crate::error::BoundError;
use crate::lower::GradientBound;
use crate::options::Options;
use crate::place::Twins;
use crate::proof::{Certificate, Proof, certify_by_intervals};
use crate::relaxation::VectorNetwork;
use crate::report::{Bound, Method, Stop};
use crate::slopes::SlopeNetwork;
use case::Limits;
pub(super) use case::{Problem, Relaxed, Start};
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// Open cases up to which each gets the best bound it can have when a search is stopped; more are bounded by the largest of
/// their values, and this much more.
const FEW: usize = 32;
const NEAR: f64 = 1e-4;
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
        (bound, solution) = cut::cut(searcher, bound, false)?;
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
    let mut cases = Cases { problem: &problem, origin };
    let engine = searcher.engine((&functional, &gradient), options.case_limit.min(proofs));
    let stop = searcher.run((&engine, &mut cases), &mut progress, checkpoint)?;
    if stop != Stop::Converged {
        cases.bound_open(options, &mut progress, searcher.end());
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
}

impl Expert for Cases<'_> {
    type Kept = Start;
    const ROUND: usize = 8;

    fn bound(&self, local: &SlopeNetwork, above: &Open<Start>, work: Work) -> Option<Found<Start>> {
        let start = above.kept.as_ref().unwrap_or(&self.origin);
        let mut found = Relaxed::new(self.problem, local).solve(start, work.target)?;
        if let Verdict::Open(None, None) = found.verdict {
            // no slope is free: a form may prove nothing where the terms of the gradient cancel, but intervals are its size, up to rounding
            let known = certify_by_intervals(local, self.problem.norm, &self.problem.functional).map(Box::new);
            if let Some(known) = known.filter(|known| known.upper() <= work.target) {
                found.verdict = Verdict::Closed(known);
            }
        }
        if matches!(found.verdict, Verdict::Open(..)) {
            // a value that is not proved is no reason to try again: the case is to be split
            found.value = found.value.max(work.target.next_up());
        }
        Some(found)
    }

    fn ending(&self) -> f64 {
        if self.problem.cuts.is_some() { ENDING.1 } else { ENDING.0 }
    }

    fn last(&self, local: &SlopeNetwork, open: &Open<Start>, lower: f64) -> Option<Certificate> {
        let relaxed = Relaxed::new(self.problem, local);
        relaxed.bound(&relaxed.converge(open.kept.as_ref()?)?.kept, lower)
    }
}

impl Cases<'_> {
    /// Proves for every open case what its own relaxation gives, so that the tree as it stands is a bound: where there are
    /// many, a bound near the largest of them will do, which costs no more than solving them did.
    pub fn bound_open(&self, options: &Options, progress: &mut Progress<Start>, end: Option<Instant>) {
        let open = progress.tree.all_open();
        let tree = &progress.tree;
        let (highest, target) = (progress.highest(), progress.target(options.tol));
        let near = (open.len() > FEW && highest.is_finite()).then_some((highest * (1.0 + NEAR)).max(target));
        let bounded: Vec<(usize, Certificate)> = open
            .par_iter()
            .filter_map(|&id| {
                if end.is_some_and(|end| Instant::now() >= end) {
                    return None;
                }
                let start = tree.open(id)?.kept.as_ref().unwrap_or(&self.origin);
                let network = tree.network(tree.place(id)?)?;
                let relaxed = Relaxed::new(self.problem, &network);
                if self.problem.cuts.is_some() {
                    return Some((id, relaxed.bound(start, near.unwrap_or(target))?));
                }
                if let Some(Verdict::Closed(case)) = near.and_then(|near| Some(relaxed.solve(start, near)?.verdict)) {
                    return Some((id, *case));
                }
                let solved = relaxed.converge(start)?;
                let own = (solved.value * (1.0 + TARGET * options.tol)).max(target);
                let bounded = relaxed.bound(&solved.kept, own);
                if bounded.as_ref().is_some_and(|case| near.is_none_or(|near| case.upper() <= near.max(own))) {
                    return Some((id, bounded?));
                }
                // an ascent that ended in a bad place: once more, from the solution of the whole
                let again = relaxed.converge(&self.origin).and_then(|solved| relaxed.bound(&solved.kept, own));
                let best = bounded.into_iter().chain(again).min_by(|a, b| a.upper().total_cmp(&b.upper()));
                Some((id, best?))
            })
            .collect();
        for (id, case) in bounded {
            progress.tree.set(id, State::Closed(Box::new(case)));
        }
    }
}
