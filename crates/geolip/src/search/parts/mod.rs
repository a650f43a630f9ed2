//! Splitting a region: the largest bound of its parts is a bound, and in few dimensions it converges to the local Lipschitz
//! constant itself.
//!
//! The part with the largest bound is cut in two, along the input that moves its undecided neurons most, or, where these are few,
//! at the kink of the one that matters most: then neurons with a fixed sign are half-spaces of inputs, within which later
//! pre-activations are bounded, and patterns that no input has fall away. Each half gets slope intervals of its own, and the
//! better of two bounds: intervals for the gradient's entries (a millisecond), for the patterns of a few undecided neurons one by
//! one, and, where that pays, the relaxation. A point inside every part is a sample for the bound from below.
//!
//! Where slopes are to be branched by, too, they are in parts that cannot be cut; where inputs are not cut at all (in ℓ1, or
//! everywhere), it is the formal constant that is searched for, and patterns count from below.
//!
//! What does not converge: parts whose sides meet in a set without interior (kinks through one point), which cannot be told from
//! empty ones in floating point.

mod costs;
mod knife;

use super::engine::{Best, Expert, Found, Progress, TARGET, Verdict, Work};
use super::tree::{Open, Tree};
use super::{Checkpoint, Searcher};
use crate::error::BoundError;
use crate::lower::{GradientBound, Witness, witness_at};
use crate::options::Options;
use crate::place::{Knife, Twins};
use crate::problem::Functional;
use crate::proof::intervals::MOST_UNDECIDED;
use crate::proof::{Branch, Certificate, Proof, certify_by_intervals};
use crate::relaxation::Pattern;
use crate::report::{Bound, Method};
use crate::slopes::SlopeNetwork;
use crate::upper;
use crate::upper::by_patterns;
use costs::{Costs, Measured};
use knife::Losses;
use std::time::Instant;

/// Undecided neurons up to which parts get their relaxation in any case: where gradients turn, intervals add up entries of
/// different patterns, and no cut helps.
const FEW: usize = 14;
/// Beyond, the relaxation is tried on every so many parts, to find out whether it pays.
const TRY: usize = 32;
/// Where a relaxation costs at most so many times the bound by intervals, it is also tried on a half whose bound is not this part
/// of the whole's.
const CHEAP: f64 = 25.0;
const WORTH: f64 = 0.98;
/// The tolerance of relaxations of parts, relative to the gap that is left, and at most.
const PART_TOL: f64 = 0.03;
const MOST_TOL: f64 = 0.1;

/// The bound with what a search adds to it; `cuts`: whether inputs are cut.
pub(super) fn search(
    searcher: &Searcher<'_>,
    mut bound: Bound,
    cuts: bool,
    checkpoint: Option<&mut Checkpoint>,
) -> Result<Bound, BoundError> {
    let (network, options) = (searcher.network(), searcher.options());
    let best = searcher.best(&bound, !cuts);
    let close = 1.0 + TARGET * options.tol;
    if bound.upper() <= best.lower * close || bound.upper() == 0.0 {
        return Ok(bound);
    }
    let functional = bound.functional.clone();
    let gradient = GradientBound::new(network, options.norm);
    let plain = certify_by_intervals(network, options.norm, &functional).map_or(f64::INFINITY, |c| c.upper());
    let mut parts = Parts {
        network,
        options,
        functional: &functional,
        gradient: &gradient,
        branches: Branches { cuts, slopes: options.exact || !cuts },
        pattern: bound.pattern.clone(),
        costs: Costs::FIRST,
    };
    let gain = bound.upper() / plain;
    let open = Open {
        value: bound.upper(),
        knife: parts.knife(network),
        certificate: Some(Box::new(bound.certificate.clone())),
        kept: Some(Part { plain, gain, measured: Measured::NOTHING }.into()),
    };
    let twins = if cuts { Twins::new(network.network()) } else { Twins::none() };
    let mut progress = Progress::new(Tree::new(network, twins, open), best, usize::MAX);
    // a tree of so many parts
    let engine = searcher.engine((&functional, &gradient), options.case_limit.saturating_mul(2));
    let stop = searcher.run((&engine, &mut parts), &mut progress, checkpoint)?;
    let (cases, proved) = (progress.tree.len(), progress.tree.closed());
    bound.stop = stop;
    bound.iterations += progress.sweeps;
    let better = progress.tree.certificate().filter(|certificate| certificate.upper() < bound.upper());
    if !cuts {
        bound.method = Method::BranchAndBound { cases, proved };
        bound.certificate = better.unwrap_or(bound.certificate);
        searcher.add_pattern(&mut bound, &gradient, progress.best);
        return Ok(bound);
    }
    let Best { pattern, witness, .. } = progress.best;
    bound.witness = witness.unwrap_or(bound.witness);
    bound.pattern = pattern.unwrap_or(bound.pattern);
    bound.pattern_lower = bound.pattern.value.max(bound.witness.lower);
    if let Some(certificate) = better {
        bound.certificate = certificate;
        bound.relaxation = bound.relaxation.min(bound.certificate.upper());
        let tree = if let Proof::Tree(tree) = bound.certificate.proof() { tree.as_slice() } else { &[] };
        let parts = tree.iter().filter(|branch| matches!(branch, Branch::Leaf(_))).count();
        let is_cut = tree.iter().any(|branch| matches!(branch, Branch::Input(..) | Branch::Side(..)));
        bound.method = if is_cut { Method::Parts { parts } } else { Method::BranchAndBound { cases, proved } };
        if is_cut {
            // formal constants of parts are smaller: patterns of the whole region may exceed them
            bound.pattern_lower = bound.witness.lower;
            bound.pattern.value = bound.pattern.value.min(bound.witness.lower);
        }
    }
    Ok(bound)
}

/// What parts are branched by.
#[derive(Clone, Copy, Debug)]
struct Branches {
    /// Inputs and sides.
    cuts: bool,
    /// Slopes, where there is nothing else.
    slopes: bool,
}

/// What is kept of a part for its halves.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// The bound by intervals.
    plain: f64,
    /// The bound by the relaxation over that by intervals, here or where it was last tried.
    gain: f64,
    measured: Measured,
}

/// Bounds parts.
struct Parts<'a> {
    /// On the whole region.
    network: &'a SlopeNetwork,
    options: &'a Options,
    functional: &'a Functional,
    gradient: &'a GradientBound<'a>,
    branches: Branches,
    /// The best pattern known when the search began.
    pattern: Pattern,
    costs: Costs,
}

impl Expert for Parts<'_> {
    type Kept = Part;
    const ROUND: usize = 16;

    fn bound(
        &self,
        local: &SlopeNetwork,
        above: &Open<Part>,
        Work { target, turn, begun, deadline }: Work,
    ) -> Option<Found<Part>> {
        let norm = self.options.norm;
        let mut certificate = certify_by_intervals(local, norm, self.functional)?;
        let plain = certificate.upper();
        let Part { plain: plain_before, mut gain, .. } =
            above.kept.as_deref().copied().unwrap_or(Part { plain, gain: 1.0, measured: Measured::NOTHING });
        let (witness, pattern) = self.below(local);
        let intervals = begun.elapsed().as_secs_f64();
        let mut measured = Measured { intervals, relaxation: None, cut: (plain / plain_before).ln().min(0.0) };
        let enough = target.max(witness.as_ref().map_or(0.0, |witness| witness.lower));
        let undecided = local.slopes().iter().flatten().filter(|slope| !slope.is_fixed()).count();
        if certificate.upper() > enough && undecided <= MOST_UNDECIDED {
            certificate = by_patterns(local, norm, self.functional, certificate);
        } else if certificate.upper() > enough && (certificate.upper() > self.aim(above, turn) || undecided <= FEW) {
            let begun = Instant::now();
            let left = above.value / enough - 1.0;
            let tol = (PART_TOL * left).min(MOST_TOL).max(TARGET * self.options.tol);
            let time_limit = deadline.map(|deadline| deadline.saturating_duration_since(begun));
            let options = Options { tol, sweep_limit: 400, time_limit, ..self.options.clone() };
            if let Some(found) = upper::certificate(local, &options, self.functional) {
                gain = found.upper() / certificate.upper();
                if found.upper() < certificate.upper() {
                    certificate = found;
                }
            }
            measured.relaxation = Some(begun.elapsed().as_secs_f64());
        }
        let (value, kept) = (certificate.upper(), Part { plain, gain, measured });
        let certificate = Box::new(certificate);
        let verdict = match value > enough {
            true => Verdict::Open(self.knife(local), Some(certificate)),
            false => Verdict::Closed(certificate),
        };
        Some(Found { value, verdict, kept, sweeps: 0, pattern, witness })
    }

    fn last(&self, local: &SlopeNetwork, _: &Open<Part>, _: f64) -> Option<Certificate> {
        certify_by_intervals(local, self.options.norm, self.functional)
    }

    fn learn(&mut self, found: &[Found<Part>]) {
        let measured: Vec<Measured> = found.iter().map(|found| found.kept.measured).collect();
        self.costs.learn(&measured);
    }
}

impl Parts<'_> {
    /// The bound by intervals above which a half gets its relaxation.
    fn aim(&self, above: &Open<Part>, turn: usize) -> f64 {
        let gain = above.kept.as_deref().map_or(1.0, |part| part.gain);
        if self.costs.relaxation_pays(gain) || turn.is_multiple_of(TRY) {
            0.0
        } else if self.costs.relaxation < CHEAP * self.costs.intervals {
            above.value * WORTH
        } else {
            f64::INFINITY
        }
    }

    /// What a point of the part attains, in the whole region: its slopes hold at every input of it. Where inputs are not cut, the best
    /// pattern known with the slopes of the case.
    fn below(&self, local: &SlopeNetwork) -> (Option<Witness>, Option<Pattern>) {
        if self.branches.cuts {
            let inside = local.inside().unwrap_or_default();
            let (witness, pattern) =
                witness_at(self.network, self.options.norm, self.gradient, self.functional, inside);
            return (Some(witness), Some(pattern));
        }
        let mut pattern = self.pattern.clone();
        for (slopes, intervals) in pattern.slopes.iter_mut().zip(local.tight_slopes()) {
            slopes.iter_mut().zip(intervals).for_each(|(v, interval)| *v = v.clamp(interval.lower, interval.upper));
        }
        pattern.value = self.gradient.lower(self.functional, &pattern.weights, &pattern.slopes);
        (None, Some(pattern))
    }

    /// What to branch a part by.
    fn knife(&self, local: &SlopeNetwork) -> Option<Knife> {
        let losses = Losses::of(local, self.functional);
        let cut = local.region().filter(|_| self.branches.cuts).and_then(|region| losses.cut(region));
        cut.or_else(|| losses.slope().filter(|_| self.branches.slopes))
    }
}
