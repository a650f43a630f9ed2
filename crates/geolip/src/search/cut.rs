//! A bound with what cuts alone add to it: no search, one proof for the whole.

use super::Searcher;
use super::engine::Best;
use crate::cuts::{self, Groups, Solution, Tightened, tighten};
use crate::error::BoundError;
use crate::lower::GradientBound;
use crate::problem::InputNorm;
use crate::relaxation::{PatternRules, VectorNetwork, search_patterns};
use crate::report::{Bound, Method, Stop};
use std::time::Instant;

/// The bound, tightened where that is possible, and what cases begin with. Groups are for where there are no cases: what is found with them is of no use to
/// these.
pub(super) fn cut(
    searcher: &Searcher<'_>,
    mut bound: Bound,
    groups: Option<&Groups<'_>>,
) -> Result<(Bound, Option<Solution>), BoundError> {
    let (network, options, turn) = (searcher.network(), searcher.options(), searcher.turn);
    if options.norm == InputNorm::L1 {
        return Err(BoundError::Cuts { output: bound.functional.to_string() });
    }
    let reached = bound.pattern_lower.max(turn.reached);
    if bound.upper() <= reached * (1.0 + options.tol) || bound.upper() == 0.0 {
        return Ok((bound, None));
    }
    let observer = searcher.question.observer;
    let cancelled = || observer.cancelled();
    let functional = bound.functional.clone();
    let vectors = VectorNetwork::new(network, options.norm);
    let question = cuts::Question {
        vectors: &vectors,
        groups: None,
        functional: &functional,
        seed: options.seed,
        memory: options.memory_limit,
        lower: reached,
        deadline: turn.deadline,
        cancelled: &cancelled,
    };
    let with_groups = groups.and_then(|groups| groups.tighten(question));
    let improved = with_groups.is_some_and(|mut tightened| improve(&mut bound, &mut tightened));
    let mut tightened = (!improved).then(|| tighten(question)).flatten();
    if let Some(tightened) = &mut tightened {
        improve(&mut bound, tightened);
    }
    if cancelled() {
        bound.stop = Stop::Interrupted;
    } else if turn.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
        bound.stop = Stop::TimeLimit;
    }
    if let Some(tightened) = &tightened {
        let work = PatternRules::DEFAULT.work * options.effort;
        let rules = PatternRules { seed: options.seed, work, ..PatternRules::DEFAULT };
        let (functionals, upper) = (std::slice::from_ref(&functional), bound.upper());
        let pattern = search_patterns(&vectors, functionals, &[&tightened.point], &[upper], rules).into_iter().next();
        let gradient = GradientBound::new(network, options.norm);
        let best = Best { lower: bound.pattern_lower, pattern, witness: None, formal: true };
        searcher.add_pattern(&mut bound, &gradient, best);
    }
    bound.time = searcher.question.started.elapsed();
    Ok((bound, tightened.map(|tightened| tightened.solution)))
}

/// The better one of two bounds; whether that is the new one.
fn improve(bound: &mut Bound, tightened: &mut Tightened) -> bool {
    bound.iterations += tightened.evaluations;
    let better = tightened.certificate.take().filter(|certificate| certificate.upper() < bound.upper());
    let improved = better.is_some();
    if let Some(certificate) = better {
        (bound.certificate, bound.method) = (certificate, Method::Cuts { cuts: tightened.cuts });
    }
    improved
}
