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

/// The bound, tightened where that is possible, and what cases begin with. `with_groups` only where there are no cases: what is found with groups is of no use to them.
pub(super) fn cut(
    searcher: &Searcher<'_>,
    mut bound: Bound,
    with_groups: bool,
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
    let tightened = |vectors: &VectorNetwork<'_>, groups: Option<&Groups<'_>>| {
        tighten(cuts::Question {
            vectors,
            groups,
            functional: &functional,
            seed: options.seed,
            memory: options.memory_limit,
            lower: reached,
            deadline: turn.deadline,
            cancelled: &cancelled,
        })
    };
    let with_groups = with_groups
        .then(|| Groups::new(network, options.memory_limit))
        .flatten()
        .and_then(|groups| tightened(&VectorNetwork::new(groups.grouped.network(), options.norm), Some(&groups)));
    let improved = with_groups.is_some_and(|tightened| improve(&mut bound, &tightened));
    let vectors = VectorNetwork::new(network, options.norm);
    let tightened = (!improved).then(|| tightened(&vectors, None)).flatten();
    if let Some(tightened) = &tightened {
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
fn improve(bound: &mut Bound, tightened: &Tightened) -> bool {
    bound.iterations += tightened.evaluations;
    let better = tightened.certificate.as_ref().filter(|certificate| certificate.upper() < bound.upper());
    if let Some(certificate) = better {
        (bound.certificate, bound.method) = (certificate.clone(), Method::Cuts { cuts: tightened.cuts });
    }
    better.is_some()
}
