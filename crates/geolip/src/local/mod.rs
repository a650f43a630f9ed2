//! Bounds on a region: what is known without an ascent, the ascent for the rest, and the better of both.
//!
//! On a small region most slopes are fixed or nearly so, and intervals for the gradient's entries
//! ([`crate::proof::intervals::entrywise_bound`]) meet the gradient at the centre: then nothing else is needed. Where they
//! do not, the usual pipeline runs on the restricted network.

pub(crate) mod radius;

use crate::error::BoundError;
use crate::lower::{GradientBound, Witness, witness_at};
use crate::observer::Event;
use crate::options::Options;
use crate::problem::Functional;
use crate::proof::{Certificate, certify_by_intervals};
use crate::relaxation::Pattern;
use crate::report::{Bound, Method, Stop};
use crate::slopes::SlopeNetwork;
use crate::upper::{self, Question, by_patterns};
use std::time::Instant;

/// Bounds every functional on the network's region.
pub(crate) fn solve(question: Question<'_>, functionals: &[Functional]) -> Result<Vec<Bound>, BoundError> {
    let Question { network, options, observer, started } = question;
    let quick: Vec<Option<Bound>> = functionals.iter().map(|f| quick(network, options, f, started)).collect();
    let done = |bound: &Option<Bound>| {
        bound.as_ref().is_some_and(|bound| bound.witness.lower >= bound.upper() * (1.0 - options.tol))
    };
    let open: Vec<Functional> =
        functionals.iter().zip(&quick).filter(|(_, b)| !done(b)).map(|(f, _)| f.clone()).collect();
    for (index, bound) in quick.iter().enumerate() {
        if done(bound) {
            observer.event(Event::Finished { index });
        }
    }
    let found = match open.as_slice() {
        [] => Vec::new(),
        open => match upper::solve(question, open) {
            // where no multipliers are accepted, intervals are what there is
            Err(BoundError::NotCertified { .. } | BoundError::Overflow { .. }) if quick.iter().all(Option::is_some) => {
                return Ok(quick.into_iter().flatten().collect());
            }
            found => found?,
        },
    };
    let mut found = found.into_iter();
    let better = |quick: Option<Bound>| match (done(&quick), quick) {
        (true, Some(quick)) => Some(quick),
        (_, quick) => found.next().map(|found| better(quick, found)),
    };
    Ok(quick.into_iter().filter_map(better).collect())
}

/// The bound by intervals, and the gradient at the centre.
pub(crate) fn quick(
    network: &SlopeNetwork,
    options: &Options,
    functional: &Functional,
    started: Instant,
) -> Option<Bound> {
    let certificate = certify_by_intervals(network, options.norm, functional)?;
    let exact = GradientBound::new(network, options.norm);
    let (witness, pattern) = witness_at(network, options.norm, &exact, functional, &network.region()?.centre());
    let certificate = match certificate.upper() > witness.lower * (1.0 + options.tol) {
        true => by_patterns(network, options.norm, functional, certificate),
        false => certificate,
    };
    Some(by_intervals(certificate, witness, pattern, options, started))
}

fn by_intervals(
    certificate: Certificate,
    witness: Witness,
    pattern: Pattern,
    options: &Options,
    started: Instant,
) -> Bound {
    Bound {
        functional: certificate.functional().clone(),
        relaxation: certificate.upper(),
        pattern_lower: pattern.value.max(witness.lower),
        method: Method::ClosedForm { exact: witness.lower >= certificate.upper() * (1.0 - options.tol) },
        certificate,
        pattern,
        witness,
        lip_is_fgl: false,
        stop: Stop::Converged,
        iterations: 0,
        rank: 1,
        time: started.elapsed(),
    }
}

/// The better upper bound, and the better bounds from below.
fn better(quick: Option<Bound>, mut found: Bound) -> Bound {
    let Some(quick) = quick else { return found };
    if quick.upper() < found.upper() {
        found.certificate = quick.certificate;
        found.relaxation = found.relaxation.min(quick.relaxation);
        found.method = quick.method;
    }
    if quick.witness.lower > found.witness.lower {
        found.witness = quick.witness;
    }
    if quick.pattern.value > found.pattern.value {
        found.pattern = quick.pattern;
    }
    found.pattern_lower = found.pattern_lower.max(quick.pattern_lower);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use crate::place::Region;
    use crate::problem::InputNorm;

    /// relu(x + 1) − relu(x − 1) on an interval.
    fn ramp(lower: f64, upper: f64) -> SlopeNetwork {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let ones = LinearMap::Dense(Matrix::from_vec(2, 1, vec![1.0, 1.0]));
        let h = b.affine("h", vec![(b.input(), ones)], Some(vec![1.0, -1.0])).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let difference = LinearMap::Dense(Matrix::from_vec(1, 2, vec![1.0, -1.0]));
        let y = b.affine("y", vec![(z, difference)], None).expect("shapes");
        let region = Region::new_box(vec![lower], vec![upper]).expect("a box");
        SlopeNetwork::new(&b.finish(y), region).expect("a region")
    }

    fn solved(network: &SlopeNetwork) -> Bound {
        let functionals = [Functional::output(0)];
        let (options, observer, started) = (&Options::default(), &crate::Silent, Instant::now());
        let bounds = solve(Question { network, options, observer, started }, &functionals);
        bounds.expect("bounded").remove(0)
    }

    #[test]
    fn where_all_slopes_are_known_the_gradient_is_the_bound() {
        for (ends, slope) in [((-0.5, 0.5), 1.0), ((2.0, 3.0), 0.0), ((-3.0, -2.0), 0.0)] {
            let bound = solved(&ramp(ends.0, ends.1));
            assert!(bound.upper() <= slope + 1e-12 && bound.witness.lower >= slope * (1.0 - 1e-12));
        }
    }

    #[test]
    fn few_undecided_neurons_are_looked_at_pattern_by_pattern() {
        let bound = solved(&ramp(-0.5, 1.5));
        assert!((bound.upper() - 1.0).abs() < 1e-12, "intervals alone give 1, too, and patterns no less");
        let network = ramp(-2.0, 2.0);
        let intervals = certify_by_intervals(&network, InputNorm::Linf, &Functional::output(0)).expect("finite");
        let patterns = by_patterns(&network, InputNorm::Linf, &Functional::output(0), intervals.clone());
        assert!(patterns.upper() <= intervals.upper());
    }

    #[test]
    fn the_better_of_two_bounds_keeps_what_is_known_from_below() {
        let (mut quick, found) = (solved(&ramp(-0.5, 0.5)), solved(&ramp(-0.5, 0.5)));
        quick.pattern_lower = 7.0;
        assert_eq!(better(Some(quick), found.clone()).pattern_lower, 7.0);
        assert_eq!(better(None, found.clone()).upper(), found.upper());
    }
}
