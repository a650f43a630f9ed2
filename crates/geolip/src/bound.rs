//! The whole pipeline on one screen: problem → ascent → multipliers → check → lower bounds → report.

use crate::dual::{Budget, Form, Recovery};
use crate::form::Draws;
use crate::inputs;
use crate::invariants::{Broken, checked};
use crate::local;
use crate::lower::{GradientBound, InputRules, Realiser, pattern_inside, search_inputs, witness_at};
use crate::network::Network;
use crate::observer::{Event, Observer};
use crate::options::{Options, OptionsError};
use crate::place::{Place, PlaceError};
use crate::problem::{Functional, InputNorm, OutputNorm, ProblemError};
use crate::proof::{Certificate, certify_by_intervals};
use crate::relaxation::{PatternRules, Point, VectorNetwork, search_patterns};
use crate::report::{Bound, Method, Report, Stop};
use crate::results::ResultsError;
use crate::search::{self, Checkpoint};
use crate::slopes::SlopeNetwork;
use crate::solve::{Context, Outcome};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

/// Why no report can be given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BoundError {
    /// The question makes no sense for this network.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// An option is outside its range.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The region is none of this network, or slopes are not bounded there.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The numbers overflow.
    #[error("the bound of output {output} overflows double precision; scale the weights down")]
    Overflow {
        /// The functional.
        output: String,
    },
    /// No multipliers were accepted by the checker.
    #[error(
        "no bound of output {output} could be certified; its relaxation is about {relaxation}; \
             a longer time limit, or rescaling layers of very different size, may help"
    )]
    NotCertified {
        /// The functional.
        output: String,
        /// The uncertified value.
        relaxation: f64,
    },
    /// Cuts were asked for where there are none.
    #[error(
        "output {output}: cuts work for networks with one hidden layer, in linf and l2, for single outputs, margins and \
         vectors; leave --cuts out, or use --exact"
    )]
    Cuts {
        /// The functional.
        output: String,
    },
    /// What was found contradicts itself, so something that is trusted is wrong; the result is withheld.
    #[error(
        "internal error: output {output}: {broken}; the results of this run are withheld; \
             please report it with the network file and the command"
    )]
    Broken {
        /// The functional.
        output: String,
        /// What does not hold.
        broken: Broken,
    },
    /// The file of an exact search is of no use.
    #[error("checkpoint {0}")]
    Checkpoint(#[from] ResultsError),
    /// The worker threads cannot be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system says.
        reason: String,
    },
}

/// Bounds a network: certified from above, attained from below.
///
/// **Claim.** Every [`Bound`] of the report has passed [`crate::proof::check()`]: its upper bound is at least the
/// formal global Lipschitz constant of that output (on a region, the formal local one, and so the local Lipschitz constant),
/// for the network's weights as real numbers. Lower bounds are rounded
/// down. The result depends on network, options and seed, not on the number of threads (a time limit or cancellation
/// may end it at different sweeps).
///
/// ```
/// use geolip::network::{Activation, LinearMap, NetworkBuilder};
/// use geolip::{Matrix, Options, Silent, bound};
///
/// // y = relu(x₁ + x₂) − relu(x₁ − x₂): at most |x₁ + x₂| or |x₁ − x₂| or their difference can move it, so Lip = 2 in ℓ∞
/// let mut b = NetworkBuilder::new(2)?;
/// let w = Matrix::from_vec(2, 2, vec![1.0, 1.0, 1.0, -1.0]);
/// let h = b.affine("fc1", vec![(b.input(), LinearMap::Dense(w))], None)?;
/// let z = b.activate("relu", h, Activation::Relu)?;
/// let y = b.affine("fc2", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 2, vec![1.0, -1.0])))], None)?;
/// let report = bound(&b.finish(y), &Options::default(), &Silent)?;
/// let bound = &report.bounds[0];
/// assert!(bound.pattern_lower <= 2.0 && 2.0 <= bound.upper());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bound(network: &Network, options: &Options, observer: &dyn Observer) -> Result<Report, BoundError> {
    options.validate()?;
    let functionals = options.outputs.functionals(network)?;
    let place = options.region.clone().map_or_else(Place::everywhere, Place::from);
    on_threads(options.threads, || run(&SlopeNetwork::new(network, place)?, options, &functionals, observer))?
}

/// Runs something on so many worker threads, or on the caller's.
pub(crate) fn on_threads<T: Send>(threads: Option<usize>, run: impl FnOnce() -> T + Send) -> Result<T, BoundError> {
    match threads {
        None => Ok(run()),
        Some(threads) => rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| BoundError::Threads { threads, reason: e.to_string() })
            .map(|pool| pool.install(run)),
    }
}

/// Problems side by side in one batch: enough columns for a fast matrix product, few enough to share out between cores.
const BATCH: usize = 5;
/// Numbers per feature (inputs and neurons) up to which that holds; beyond, columns are plenty and problems are shared out
/// more evenly two by two, and beyond the second number each has a batch to itself, for the memory it takes.
const LARGE: (usize, usize) = (1 << 12, 1 << 16);
fn run(
    network: &SlopeNetwork,
    options: &Options,
    functionals: &[Functional],
    observer: &dyn Observer,
) -> Result<Report, BoundError> {
    let started = Instant::now();
    let largest = functionals == [Functional::Norm(OutputNorm::Linf)];
    let each: Vec<Functional> = match largest {
        true => (0..network.outputs()).map(Functional::output).collect(),
        false => functionals.to_vec(),
    };
    let open = |path: &PathBuf| Checkpoint::open(path, network, options, &each);
    let mut checkpoint = options.checkpoint.as_ref().map(open).transpose()?;
    observer.event(Event::Started { bounds: each.len() });
    let bounds = match network.region() {
        Some(_) => local::solve(network, options, &each, observer, started)?,
        None => solve(network, options, &each, observer, started)?,
    };
    let question = search::Question { network, options, observer, started };
    let mut bounds = search::close(question, (bounds, largest), checkpoint.as_mut())?;
    if largest {
        bounds = largest_output(network, bounds).into_iter().collect();
    }
    let (region, time) = (network.region().cloned(), started.elapsed());
    let unsaved = checkpoint.and_then(Checkpoint::failure);
    checked(network, Report { norm: options.norm, region, tol: options.tol, bounds, time, unsaved })
}

/// Every functional, by what the input norm asks for.
pub(crate) fn solve(
    network: &SlopeNetwork,
    options: &Options,
    functionals: &[Functional],
    observer: &dyn Observer,
    started: Instant,
) -> Result<Vec<Bound>, BoundError> {
    match options.norm {
        InputNorm::L1 => inputs::solve(network, options, functionals, observer, started),
        InputNorm::Linf | InputNorm::L2 | InputNorm::Lp(_) => relax(network, options, functionals, observer, started),
    }
}

/// The bound of the ℓ∞ norm of the output, which is that of the largest output: one bound from those of all outputs.
fn largest_output(network: &SlopeNetwork, bounds: Vec<Bound>) -> Option<Bound> {
    let certificates: Vec<Certificate> = bounds.iter().map(|b| b.certificate.clone()).collect();
    let certificate = Certificate::of_largest_output(network, &certificates)?;
    let most = |f: fn(&Bound) -> f64| bounds.iter().map(f).fold(0.0, f64::max);
    let (relaxation, pattern_lower) = (most(|b| b.relaxation), most(|b| b.pattern_lower));
    let iterations = bounds.iter().map(|b| b.iterations).sum();
    let rank = bounds.iter().map(|b| b.rank).max()?;
    let time = bounds.iter().map(|b| b.time).max()?;
    // what matters is how the largest upper bound came about
    let top = bounds.iter().max_by(|a, b| a.upper().total_cmp(&b.upper()))?;
    let (stop, method, lip_is_fgl) = (top.stop, top.method, top.lip_is_fgl);
    let witness = bounds.iter().map(|b| &b.witness).max_by(|a, b| a.lower.total_cmp(&b.lower))?.clone();
    let pattern = bounds.iter().map(|b| &b.pattern).max_by(|a, b| a.value.total_cmp(&b.value))?.clone();
    let functional = Functional::Norm(OutputNorm::Linf);
    Some(Bound {
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
}

/// The certificate of one functional by what the input norm asks for, without looking from below; none if nothing is proved.
pub(crate) fn certificate(network: &SlopeNetwork, options: &Options, functional: &Functional) -> Option<Certificate> {
    let (functionals, started) = (std::slice::from_ref(functional), Instant::now());
    match options.norm {
        InputNorm::L1 => {
            let bounds = inputs::solve(network, options, functionals, &crate::Silent, started);
            bounds.ok()?.pop().map(|bound| bound.certificate)
        }
        InputNorm::Linf | InputNorm::L2 | InputNorm::Lp(_) => {
            let outcomes = |_: &Context<'_>, outcomes: Vec<Outcome>| Ok(outcomes);
            let outcomes = relaxations(network, options, functionals, (&crate::Silent, started), outcomes);
            outcomes.ok()?.pop()?.certificate
        }
    }
}

/// Every functional by the relaxation.
pub(crate) fn relax(
    network: &SlopeNetwork,
    options: &Options,
    functionals: &[Functional],
    observer: &dyn Observer,
    started: Instant,
) -> Result<Vec<Bound>, BoundError> {
    let exact = GradientBound::new(network, options.norm);
    let realiser = Realiser::new(network);
    relaxations(network, options, functionals, (observer, started), |context, outcomes| {
        complete(context, &exact, realiser.as_ref(), outcomes)
    })
}

/// What `complete` makes of the relaxations of batches of the functionals, in their order.
fn relaxations<T: Send>(
    network: &SlopeNetwork,
    options: &Options,
    functionals: &[Functional],
    (observer, started): (&dyn Observer, Instant),
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
fn complete(
    context: &Context<'_>,
    exact: &GradientBound<'_>,
    realiser: Option<&Realiser>,
    outcomes: Vec<Outcome>,
) -> Result<Vec<Bound>, BoundError> {
    let (outcomes, lost): (Vec<_>, Vec<_>) =
        outcomes.into_iter().enumerate().partition(|(_, outcome)| outcome.relaxation.is_finite());
    let lost = lost.into_iter().map(|(place, outcome)| Ok((place, without_relaxation(context, exact, outcome)?)));
    let mut all = lost.collect::<Result<Vec<(usize, Bound)>, BoundError>>()?;
    let (places, outcomes): (Vec<usize>, Vec<Outcome>) = outcomes.into_iter().unzip();
    if !outcomes.is_empty() {
        all.extend(places.into_iter().zip(with_lower_bounds(context, exact, realiser, outcomes)?));
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
    exact: &GradientBound<'_>,
    realiser: Option<&Realiser>,
    outcomes: Vec<Outcome>,
) -> Result<Vec<Bound>, BoundError> {
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
        let pattern = pattern_inside(network.network(), exact, &functional, pattern);
        let (pattern_lower, rank, lip_is_fgl) = (pattern.value.max(witness.lower), solution.k, realiser.is_some());
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
