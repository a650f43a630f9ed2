//! A bound with what cuts alone add to it: no search, one proof for the whole.

use super::Searcher;
use super::engine::Best;
use crate::cuts::{self, Solution, tighten};
use crate::error::BoundError;
use crate::lower::GradientBound;
use crate::problem::InputNorm;
use crate::relaxation::{PatternRules, VectorNetwork, search_patterns};
use crate::report::{Bound, Method, Stop};
use std::time::Instant;

/// The bound, tightened where that is possible, and what cases begin with.
pub(super) fn cut(searcher: &Searcher<'_>, mut bound: Bound) -> Result<(Bound, Option<Solution>), BoundError> {
    let (network, options, turn) = (searcher.network(), searcher.options(), searcher.turn);
    if options.norm == InputNorm::L1 {
        return Err(BoundError::Cuts { output: bound.functional.to_string() });
    }
    let reached = bound.pattern_lower.max(turn.reached);
    if bound.upper() <= reached * (1.0 + options.tol) || bound.upper() == 0.0 {
        return Ok((bound, None));
    }
    let vectors = VectorNetwork::new(network, options.norm);
    let observer = searcher.question.observer;
    let cancelled = || observer.cancelled();
    let functional = bound.functional.clone();
    let tightened = tighten(cuts::Question {
        vectors: &vectors,
        functional: &functional,
        seed: options.seed,
        memory: options.memory_limit,
        lower: reached,
        deadline: turn.deadline,
        cancelled: &cancelled,
    });
    let Some(tightened) = tightened else { return Ok((bound, None)) };
    bound.iterations += tightened.evaluations;
    if let Some(certificate) = tightened.certificate.filter(|certificate| certificate.upper() < bound.upper()) {
        (bound.certificate, bound.method) = (certificate, Method::Cuts { cuts: tightened.cuts });
    }
    if cancelled() {
        bound.stop = Stop::Interrupted;
    } else if turn.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
        bound.stop = Stop::TimeLimit;
    }
    let rules =
        PatternRules { seed: options.seed, work: PatternRules::DEFAULT.work * options.effort, ..PatternRules::DEFAULT };
    let functionals = std::slice::from_ref(&functional);
    let pattern =
        search_patterns(&vectors, functionals, &[&tightened.point], &[bound.upper()], rules).into_iter().next();
    let gradient = GradientBound::new(network, options.norm);
    let best = Best { lower: bound.pattern_lower, pattern, witness: None, formal: true };
    searcher.add_pattern(&mut bound, &gradient, best);
    bound.time = searcher.question.started.elapsed();
    Ok((bound, Some(tightened.solution)))
}
