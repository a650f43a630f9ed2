//! The whole pipeline on one screen: problem → ascent → multipliers → check → lower bounds → report.

use crate::dual::{Budget, Form, Recovery};
use crate::lower::{GradientBound, search_inputs};
use crate::network::Network;
use crate::observer::{Event, Observer};
use crate::options::{Options, OptionsError};
use crate::problem::{Functional, ProblemError};
use crate::relaxation::{PatternRules, Point, VectorNetwork, search_patterns};
use crate::report::{Bound, Report};
use crate::solve::{Context, Outcome};
use rayon::prelude::*;
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
/// **Claim.** Every [`Bound`] of the report has passed [`crate::certificate::check()`]: its upper bound is at least the
/// formal global Lipschitz constant of that output, for the network's weights as real numbers. Lower bounds are rounded
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
    on_threads(options.threads, || run(network, options, &functionals, observer))?
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
/// How hard patterns are searched for: random directions and sweeps from each.
const PATTERN_TRIES: usize = 8;
const PATTERN_SWEEPS: usize = 30;

fn run(
    network: &Network,
    options: &Options,
    functionals: &[Functional],
    observer: &dyn Observer,
) -> Result<Report, BoundError> {
    let started = Instant::now();
    observer.event(Event::Started { bounds: functionals.len() });

    let vector_network = VectorNetwork::new(network, options.norm);
    let form = Form::choose(network, options.memory_limit);
    let recovery = Recovery::new(&vector_network, functionals);
    let problems: Vec<(usize, Functional)> = functionals.iter().copied().enumerate().collect();
    let batches = batches(
        &problems,
        match network.inputs() + network.neurons() {
            n if n < LARGE.0 => BATCH,
            n if n < LARGE.1 => 2,
            _ => 1,
        },
    );
    let exact = GradientBound::new(network, options.norm);
    let context = Context {
        network: &vector_network,
        form: &form,
        recovery: &recovery,
        options,
        budget: Budget::of(network),
        observer,
        started,
        batches: batches.len(),
        begun: AtomicUsize::new(0),
    };

    let found: Result<Vec<Vec<(usize, Bound)>>, BoundError> = batches
        .into_par_iter()
        .map(|batch| {
            let outcomes = context.solve(batch);
            let indices = outcomes.iter().map(|(index, _)| *index).collect::<Vec<_>>();
            let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
            Ok(indices.into_iter().zip(complete(&vector_network, &exact, options, outcomes)?).collect())
        })
        .collect();
    let mut bounds: Vec<(usize, Bound)> = found?.into_iter().flatten().collect();
    bounds.sort_by_key(|(index, _)| *index);
    let bounds = bounds.into_iter().map(|(_, bound)| bound).collect();
    Ok(Report { norm: options.norm, tol: options.tol, bounds, time: started.elapsed() })
}

/// Adds what is known from below to what was found from above.
fn complete(
    network: &VectorNetwork<'_>,
    exact: &GradientBound<'_>,
    options: &Options,
    outcomes: Vec<Outcome>,
) -> Result<Vec<Bound>, BoundError> {
    if let Some(outcome) = outcomes.iter().find(|o| !o.relaxation.is_finite()) {
        return Err(BoundError::Overflow { output: outcome.functional.to_string() });
    }
    let rules = PatternRules { tries: PATTERN_TRIES, sweeps: PATTERN_SWEEPS, seed: options.seed };
    let functionals: Vec<Functional> = outcomes.iter().map(|o| o.functional).collect();
    let solutions: Vec<&Point> = outcomes.iter().map(|o| &o.solution).collect();
    let patterns = search_patterns(network, &functionals, &solutions, rules);
    let witnesses = search_inputs(network.network(), options.norm, exact, &functionals, &patterns, options.seed);
    let all = outcomes.into_iter().zip(&patterns).zip(witnesses);
    all.map(|((outcome, pattern), witness)| {
        let Outcome { functional, relaxation, solution, stop, iterations, time, .. } = outcome;
        let Some(certificate) = outcome.certificate else {
            return Err(BoundError::NotCertified { output: functional.to_string(), relaxation });
        };
        let found = exact.lower(functional, &pattern.slopes);
        let (pattern_lower, rank) = (found.max(witness.lower), solution.k);
        Ok(Bound { functional, certificate, relaxation, pattern_lower, witness, stop, iterations, rank, time })
    })
    .collect()
}

/// Cuts the problems into batches of nearly equal size, at most `most` each: by their number alone.
fn batches(problems: &[(usize, Functional)], most: usize) -> Vec<&[(usize, Functional)]> {
    let count = problems.len().div_ceil(most);
    (0..count).map(|b| &problems[b * problems.len() / count..(b + 1) * problems.len() / count]).collect()
}
