//! The whole pipeline on one screen: question → place → slope network → bounds from above and below → searches → report.

use crate::error::BoundError;
use crate::invariants::checked;
use crate::local;
use crate::network::Network;
use crate::observer::{Event, Observer};
use crate::options::Options;
use crate::place::Place;
use crate::problem::{Functional, OutputNorm};
use crate::proof::Certificate;
use crate::report::{Bound, Report};
use crate::search::{self, Checkpoint};
use crate::slopes::SlopeNetwork;
use crate::threads::on_threads;
use crate::upper::{self, Question};
use std::path::PathBuf;
use std::time::Instant;

/// Bounds a network: certified from above, attained from below.
///
/// **Claim.** Every [`Bound`] of the report has passed [`crate::proof::check()`]: its upper bound is at least the
/// formal global Lipschitz constant of that output (on a region, the formal local one, and so the local Lipschitz constant),
/// for the network's weights as real numbers, in the units of its input, if it is asked in some. Lower bounds are rounded
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
    let slopes = || SlopeNetwork::in_units(network, place, options.unit.as_ref());
    on_threads(options.threads, || run(&slopes()?, options, &functionals, observer))?
}

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
    let question = Question { network, options, observer, started };
    let bounds = match network.region() {
        Some(_) => local::solve(question, &each)?,
        None => upper::solve(question, &each)?,
    };
    let mut bounds = search::close(question, (bounds, largest), checkpoint.as_mut())?;
    if largest {
        bounds = largest_output(network, bounds).into_iter().collect();
    }
    let (region, time) = (network.region().cloned(), started.elapsed());
    let unsaved = checkpoint.and_then(Checkpoint::failure);
    let (norm, unit) = (options.norm, options.unit.clone());
    checked(network, Report { norm, unit, region, tol: options.tol, bounds, time, unsaved })
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
    let (stop, lip_is_fgl) = (top.stop, top.lip_is_fgl);
    // but a bound that is about inputs makes the whole one about inputs
    let on_sides = bounds.iter().find(|bound| bound.certificate.takes_sides() && !top.certificate.takes_sides());
    let method = on_sides.unwrap_or(top).method;
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
