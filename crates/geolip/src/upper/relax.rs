//! The relaxation of every functional, in batches: ascent → multipliers → check → lower bounds.

use super::Question;
use super::closed_form::by_itself;
use super::quick::QuickCuts;
use crate::dual::{Budget, Form, Recovery};
use crate::error::BoundError;
use crate::form::Draws;
use crate::lower::{GradientBound, InputRules, Realiser, pattern_inside, search_inputs, witness_at};
use crate::problem::Functional;
use crate::proof::{Certificate, certify_by_intervals};
use crate::relaxation::{PatternRules, Point, VectorNetwork, search_patterns};
use crate::report::{Bound, Method, Stop};
use crate::solve::{Context, Outcome};
use rayon::prelude::*;
use std::sync::atomic::AtomicUsize;

/// What bounds are completed with, the same for all of a network.
#[derive(Clone, Copy)]
struct Means<'a> {
    exact: &'a GradientBound<'a>,
    realiser: Option<&'a Realiser>,
    quick: Option<&'a QuickCuts<'a>>,
}

/// Every functional by the relaxation.
pub(super) fn solve(question: Question<'_>, functionals: &[Functional]) -> Result<Vec<Bound>, BoundError> {
    let Question { network, options, .. } = question;
    let exact = GradientBound::new(network, options.norm);
    let realiser = Realiser::new(network);
    let quick = (!options.relaxation_only).then(|| QuickCuts::new(network, options)).flatten();
    let means = Means { exact: &exact, realiser: realiser.as_ref(), quick: quick.as_ref() };
    relaxations(question, functionals, |context, outcomes| complete(context, means, outcomes))
}

/// The certificates of all functionals by the relaxation, where there are any, without looking from below.
pub(super) fn certificates(
    question: Question<'_>,
    functionals: &[Functional],
) -> Result<Vec<Option<Certificate>>, BoundError> {
    let certificates =
        |_: &Context<'_>, outcomes: Vec<Outcome>| Ok(outcomes.into_iter().map(|outcome| outcome.certificate).collect());
    relaxations(question, functionals, certificates)
}

/// Problems side by side in one batch: enough columns for a fast matrix product, few enough to share out between cores.
const BATCH: usize = 5;
/// Numbers per feature (inputs and neurons) up to which that holds; beyond, columns are plenty and problems are shared out
/// more evenly two by two, and beyond the second number each has a batch to itself, for the memory it takes.
const LARGE: (usize, usize) = (1 << 12, 1 << 16);

/// What `complete` makes of the relaxations of batches of the functionals, in their order.
fn relaxations<T: Send>(
    Question { network, options, observer, started }: Question<'_>,
    functionals: &[Functional],
    complete: impl Fn(&Context<'_>, Vec<Outcome>) -> Result<Vec<T>, BoundError> + Sync,
) -> Result<Vec<T>, BoundError> {
    let vector_network = VectorNetwork::new(network, options.norm);
    let rows = functionals.iter().map(|f| f.row_count(network.outputs())).max().unwrap_or(1);
    let form = Form::choose(network, (options.memory_limit, options.affordable), rows);
    let recovery = Recovery::new(&vector_network, functionals);
    let problems: Vec<(usize, Functional)> = functionals.iter().cloned().enumerate().collect();
    let batches = batches(
        &problems,
        match network.inputs() + network.neurons() {
            n if n < LARGE.0 => BATCH,
            n if n < LARGE.1 => 2,
            _ => 1,
        },
    );
    let context = Context {
        network: &vector_network,
        form: &form,
        recovery: &recovery,
        options,
        draws: Draws::of_maker(options.seed),
        budget: Budget::of(network),
        observer,
        started,
        batches: batches.len(),
        begun: AtomicUsize::new(0),
    };

    let found: Result<Vec<Vec<(usize, T)>>, BoundError> = batches
        .into_par_iter()
        .map(|batch| {
            let outcomes = context.solve(batch);
            let indices = outcomes.iter().map(|(index, _)| *index).collect::<Vec<_>>();
            let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
            Ok(indices.into_iter().zip(complete(&context, outcomes)?).collect())
        })
        .collect();
    let mut all: Vec<(usize, T)> = found?.into_iter().flatten().collect();
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, one)| one).collect())
}

/// Evaluations per neuron that the bounds from below of small networks are worth.
const REPEATS: f64 = 300.0;
/// Bounds from below get as many multiply–adds as the ascent took, up to this many; beyond, their number grows like its cube root.
const MUCH: f64 = 1e9;
/// Multiply–adds per second of a time limit that are asked for: kicks that help take ten times as many.
const PACE: f64 = 5e7;
/// Work on real inputs, in units of that on patterns.
const INPUTS: f64 = 2.0;

/// Adds what is known from below to what was found from above.
fn complete(context: &Context<'_>, means: Means<'_>, outcomes: Vec<Outcome>) -> Result<Vec<Bound>, BoundError> {
    let (outcomes, lost): (Vec<_>, Vec<_>) =
        outcomes.into_iter().enumerate().partition(|(_, outcome)| outcome.relaxation.is_finite());
    let lost = lost.into_iter().map(|(place, outcome)| Ok((place, without_relaxation(context, means.exact, outcome)?)));
    let mut all = lost.collect::<Result<Vec<(usize, Bound)>, BoundError>>()?;
    let (places, outcomes): (Vec<usize>, Vec<Outcome>) = outcomes.into_iter().unzip();
    if !outcomes.is_empty() {
        all.extend(places.into_iter().zip(with_lower_bounds(context, means, outcomes)?));
    }
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, bound)| bound).collect())
}

/// The bound by intervals, where the relaxation overflows.
fn without_relaxation(context: &Context<'_>, exact: &GradientBound<'_>, outcome: Outcome) -> Result<Bound, BoundError> {
    let (network, norm) = (context.network.network(), context.options.norm);
    let functional = outcome.functional;
    let certificate = certify_by_intervals(network, norm, &functional)
        .ok_or_else(|| BoundError::Overflow { output: functional.to_string() })?;
    let x = network.region().map_or_else(|| vec![0.0; network.inputs()], |region| region.centre());
    let (witness, pattern) = witness_at(network, norm, exact, &functional, &x);
    let pattern = pattern_inside(network, exact, &functional, pattern);
    Ok(Bound {
        relaxation: certificate.upper(),
        certificate,
        pattern_lower: pattern.value.max(witness.lower),
        pattern,
        witness,
        functional,
        method: Method::ClosedForm { exact: false },
        lip_is_fgl: false,
        stop: unless_converged(outcome.stop),
        iterations: outcome.iterations,
        rank: outcome.solution.k,
        time: outcome.time,
    })
}

/// Work that ended by itself has stalled where its result is not proved.
fn unless_converged(stop: Stop) -> Stop {
    if stop == Stop::Converged { Stop::Stalled } else { stop }
}

/// As [`complete`], where the relaxations are finite.
fn with_lower_bounds(
    context: &Context<'_>,
    means: Means<'_>,
    outcomes: Vec<Outcome>,
) -> Result<Vec<Bound>, BoundError> {
    let Means { exact, realiser, quick } = means;
    let (network, options) = (context.network, context.options);
    let (one, neurons) = (network.network().multiply_adds() as f64, network.network().neurons() as f64);
    let spent =
        outcomes.iter().map(|o| (o.iterations * o.solution.k) as f64).sum::<f64>() / outcomes.len() as f64 * one;
    let spent = if spent > MUCH { MUCH * (spent / MUCH).cbrt() } else { spent };
    let wanted = options.effort * (PatternRules::DEFAULT.work.min(REPEATS * one * neurons) + spent);
    let work = match context.time_left() {
        Some(left) => wanted.min(PACE * left.as_secs_f64()),
        None => wanted,
    };
    let rules = PatternRules { seed: options.seed, work, ..PatternRules::DEFAULT };
    let functionals: Vec<Functional> = outcomes.iter().map(|o| o.functional.clone()).collect();
    let solutions: Vec<&Point> = outcomes.iter().map(|o| &o.solution).collect();
    let limits: Vec<f64> = outcomes.iter().map(|o| o.relaxation).collect();
    let patterns = search_patterns(network, &functionals, &solutions, &limits, rules);
    let rules = InputRules { seed: options.seed, work: work * INPUTS };
    let witnesses = search_inputs(network.network(), options.norm, exact, &functionals, &patterns, realiser, rules);
    let all = outcomes.into_iter().zip(patterns).zip(witnesses);
    all.map(|((outcome, pattern), witness)| {
        let pattern = pattern_inside(network.network(), exact, &outcome.functional, pattern);
        let pattern_lower = pattern.value.max(witness.lower);
        let tighter = quick.and_then(|quick| quick.better(context, &outcome, pattern_lower));
        let Outcome { functional, relaxation, solution, stop, iterations, time, .. } = outcome;
        // where no multipliers are accepted, as at extreme scales, intervals still prove something
        let (certificate, method, relaxation, stop) = match outcome.certificate {
            Some(certificate) => (certificate, Method::Relaxation, relaxation, stop),
            None => {
                let certificate = certify_by_intervals(network.network(), options.norm, &functional)
                    .ok_or_else(|| BoundError::NotCertified { output: functional.to_string(), relaxation })?;
                let relaxation = relaxation.min(certificate.upper());
                (certificate, Method::ClosedForm { exact: false }, relaxation, unless_converged(stop))
            }
        };
        let (rank, lip_is_fgl) = (solution.k, realiser.is_some());
        let (certificate, method) = tighter.unwrap_or((certificate, method));
        let open = certificate.upper() > pattern_lower * (1.0 + options.tol);
        let tightened = certificate.upper();
        let certificate = match open && !options.relaxation_only {
            true => by_itself(network.network(), options.norm, &functional, certificate),
            false => certificate,
        };
        // what is known of the relaxation's factor holds for a better bound, too
        let by_itself = certificate.upper() < tightened;
        let exact = by_itself && pattern_lower >= certificate.upper() * (1.0 - options.tol);
        let method = match (exact, by_itself) {
            (true, _) => Method::ClosedForm { exact },
            (false, true) => Method::Relaxation,
            (false, false) => method,
        };
        let relaxation = if by_itself { relaxation.min(certificate.upper()) } else { relaxation };
        Ok(Bound {
            functional,
            certificate,
            relaxation,
            pattern_lower,
            pattern,
            witness,
            method,
            lip_is_fgl,
            stop,
            iterations,
            rank,
            time,
        })
    })
    .collect()
}

/// Cuts the problems into batches of nearly equal size, at most `most` each: by their number alone.
fn batches(problems: &[(usize, Functional)], most: usize) -> Vec<&[(usize, Functional)]> {
    let count = problems.len().div_ceil(most);
    (0..count).map(|b| &problems[b * problems.len() / count..(b + 1) * problems.len() / count]).collect()
}
