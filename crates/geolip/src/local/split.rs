//! Splitting a region: the largest bound of its parts is a bound, and in few dimensions it converges to the local Lipschitz
//! constant itself.
//!
//! Best first, anytime: the part with the largest bound is cut in two, along the input that moves its undecided neurons most,
//! or, where these are few, at the kink of the one that matters most: then neurons with a fixed sign are half-spaces of inputs,
//! within which later pre-activations are bounded, and patterns that no input has fall away. Each half gets slope intervals of its
//! own, and the better of two bounds: intervals for the gradient's entries (a millisecond), for the patterns of a few undecided
//! neurons one by one, and, where that pays, the relaxation. A part whose bound is no more than the best gradient found (to the
//! tolerance) is left alone. A point inside every part is a sample for the bound from below.
//!
//! What does not converge: parts whose sides meet in a set without interior (kinks through one point), which cannot be told from
//! empty ones in floating point.
//!
//! Where there are too many inputs to cut, cases of undecided neurons ([`crate::exact`]) are what is split: they converge to the
//! formal local constant.

use super::by_patterns;
use crate::best_first::{Entry, Turn, in_turn};
use crate::bound::{self, BoundError};
use crate::exact::{self, Means};
use crate::function::ranges::linear_pieces;
use crate::lower::{GradientBound, Witness, witness_at};
use crate::matrix::Matrix;
use crate::network::Activation;
use crate::observer::{Event, Observer};
use crate::options::{Options, OptionsError};
use crate::place::Twins;
use crate::place::{Knife, Part, Region};
use crate::problem::{Functional, InputNorm};
use crate::proof::intervals::MOST_UNDECIDED;
use crate::proof::{Certificate, CheckedBranch, certify_by_intervals};
use crate::relaxation::Pattern;
use crate::report::{Bound, Method, Stop};
use crate::slopes::{Origin, SlopeNetwork};
use rayon::prelude::*;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Inputs up to which regions are cut.
const MOST_INPUTS: usize = 24;
/// Parts cut in one round: a number of its own, so that results do not depend on the number of threads.
const ROUND: usize = 16;
/// Parts at most: each takes some hundred bytes per input.
const MOST_PARTS: usize = 400_000;
/// Undecided neurons up to which parts get their relaxation in any case: where gradients turn, intervals add up entries of
/// different patterns, and no cut helps.
const FEW: usize = 14;
/// Undecided neurons, per input, up to which parts are cut at a neuron's kink: it settles one for good, but the part hardly
/// shrinks; with more of them, half an input settles more.
const FEW_PER_INPUT: usize = 5;
/// Beyond, the relaxation is tried on every so many parts, to find out whether it pays.
const TRY: usize = 32;
/// Where a relaxation costs at most so many times the bound by intervals, it is also tried on a half whose bound is not this part
/// of the whole's.
const CHEAP: f64 = 25.0;
const WORTH: f64 = 0.98;
/// How much of the running averages a round keeps.
const MEMORY: f64 = 0.9;
/// The tolerance of relaxations of parts, relative to the gap that is left, and at most.
const PART_TOL: f64 = 0.03;
const MOST_TOL: f64 = 0.1;
/// The part of the tolerance that parts may use.
const TARGET: f64 = 0.9;

/// The same bounds, better where splitting helps, after `limit` at most; it is shared out between them. With `largest`, bounds
/// matter only as far as they exceed what another one is known to reach.
pub(crate) fn split(
    network: &SlopeNetwork,
    options: &Options,
    (bounds, largest): (Vec<Bound>, bool),
    limit: Duration,
    observer: &dyn Observer,
) -> Result<Vec<Bound>, BoundError> {
    let begun = Instant::now();
    let Some(region) = network.region() else { return Ok(bounds) };
    if region.inputs() > MOST_INPUTS {
        let options = Options { time_limit: Some(limit), ..options.clone() };
        if options.norm == InputNorm::L1 {
            return Err(OptionsError::SplitL1 { most: MOST_INPUTS }.into());
        }
        return exact::close(network, &options, Means::Search, (bounds, largest), None, observer, begun);
    }
    let twins = Twins::new(network.network());
    let limit = (begun, Some(limit));
    in_turn(
        (bounds, largest),
        limit,
        |bound| bound.witness.lower,
        |bound, Turn { index, reached, deadline }| {
            let splitter = Splitter { network, twins: &twins, options, observer, index, deadline };
            let before = bound.time;
            let mut bound = splitter.improve(bound, region, reached);
            bound.time = before + begun.elapsed();
            Ok(bound)
        },
    )
}

struct Splitter<'a> {
    /// On the whole region.
    network: &'a SlopeNetwork,
    twins: &'a Twins,
    options: &'a Options,
    observer: &'a dyn Observer,
    index: usize,
    deadline: Option<Instant>,
}

/// What bounds cost and bring, averaged over the rounds.
#[derive(Clone, Copy, Debug)]
struct Costs {
    /// Seconds for a part by intervals, and more for its relaxation.
    intervals: f64,
    relaxation: f64,
    /// The logarithm of what a cut leaves of the bound by intervals.
    cut: f64,
}

impl Costs {
    /// Whether a relaxation that leaves `gain` of the bound is cheaper than as many cuts: k of them make 2ᵏ parts.
    fn relaxation_pays(&self, gain: f64) -> bool {
        let cuts = gain.ln() / self.cut.min(-1e-3);
        gain < 1.0 && self.relaxation < self.intervals * cuts.min(60.0).exp2()
    }

    fn learn(&mut self, parts: &[Measured]) {
        let mean = |values: Vec<f64>, old: &mut f64| {
            if !values.is_empty() {
                *old = MEMORY * *old + (1.0 - MEMORY) * values.iter().sum::<f64>() / values.len() as f64;
            }
        };
        mean(parts.iter().map(|m| m.intervals).collect(), &mut self.intervals);
        mean(parts.iter().filter_map(|m| m.relaxation).collect(), &mut self.relaxation);
        mean(parts.iter().map(|m| m.cut).filter(|cut| cut.is_finite()).collect(), &mut self.cut);
    }
}

/// What one part cost and brought.
#[derive(Clone, Copy, Debug)]
struct Measured {
    intervals: f64,
    relaxation: Option<f64>,
    cut: f64,
}

/// A part of the region with its bounds.
struct Bounded {
    /// The bound by intervals.
    plain: f64,
    measured: Measured,
    certificate: Certificate,
    /// The bound by the relaxation over that by intervals, here or where it was last tried.
    gain: f64,
    /// Where to cut it.
    knife: Option<Knife>,
    /// The gradient at its centre.
    witness: Witness,
    pattern: Pattern,
}

/// A part with its bound by intervals.
struct Half {
    local: SlopeNetwork,
    plain: Certificate,
}

enum Node {
    Cut(Knife, [usize; 2]),
    Leaf(Box<Bounded>),
}

/// A part to be cut, with what the bounds of its halves begin with.
struct Job {
    id: usize,
    knife: Knife,
    gain: f64,
    plain: f64,
    /// The bound of the whole part.
    upper: f64,
    part: Part,
}

impl Node {
    /// What there is to do with a part; nothing for one that is cut, or cannot be.
    fn job(&self, id: usize) -> Option<Job> {
        let Self::Leaf(bounded) = self else { return None };
        let part = bounded.certificate.part()?.clone();
        let upper = bounded.certificate.upper();
        Some(Job { id, knife: bounded.knife?, gain: bounded.gain, plain: bounded.plain, upper, part })
    }
}

impl Splitter<'_> {
    fn improve(&self, mut bound: Bound, region: &Region, reached: f64) -> Bound {
        let close = 1.0 + TARGET * self.options.tol;
        let mut lower = bound.witness.lower.max(reached);
        if bound.upper() <= lower * close {
            return bound;
        }
        let functional = bound.functional.clone();
        let exact = GradientBound::new(self.network, self.options.norm);
        let (witness, pattern) = (bound.witness.clone(), bound.pattern.clone());
        let knife = where_to_cut(self.network, region, &functional, false);
        let plain =
            certify_by_intervals(self.network, self.options.norm, &functional).map_or(f64::INFINITY, |c| c.upper());
        let measured = Measured { intervals: 0.0, relaxation: None, cut: 0.0 };
        let gain = bound.upper() / plain;
        let root = Bounded { plain, measured, certificate: bound.certificate.clone(), gain, knife, witness, pattern };
        let mut costs = Costs { intervals: 1e-3, relaxation: 2e-2, cut: -0.1 };
        let mut nodes = vec![Node::Leaf(Box::new(root))];
        let mut queue = BinaryHeap::from([Entry { value: bound.upper(), id: 0 }]);
        let mut stop = Stop::Converged;
        let mut round = 0;
        loop {
            if queue.peek().is_none_or(|top| top.value <= lower * close) {
                break;
            }
            if self.observer.cancelled() {
                stop = Stop::Interrupted;
                break;
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) || nodes.len() > MOST_PARTS {
                stop = if nodes.len() > MOST_PARTS { Stop::CaseLimit } else { Stop::TimeLimit };
                break;
            }
            let taken: Vec<Entry> = std::iter::from_fn(|| queue.pop()).take(ROUND).collect();
            let jobs: Vec<Job> = taken.iter().filter_map(|entry| nodes[entry.id].job(entry.id)).collect();
            if jobs.is_empty() {
                stop = Stop::Stalled; // parts too small to be cut
                break;
            }
            let halves: Vec<(Job, Option<[Bounded; 2]>)> = jobs
                .into_par_iter()
                .map(|job| {
                    let relaxes = costs.relaxation_pays(job.gain) || (round + job.id).is_multiple_of(TRY);
                    let cheap = costs.relaxation < CHEAP * costs.intervals;
                    let aim = if relaxes {
                        0.0
                    } else if cheap {
                        job.upper * WORTH
                    } else {
                        f64::INFINITY
                    };
                    let known = (job.gain, job.plain, job.upper, aim);
                    let halves = self.halves(&job, &functional).map(|(halves, time)| {
                        halves.map(|half| self.bounded(half, time, &functional, &exact, lower * close, known))
                    });
                    (job, halves)
                })
                .collect();
            let mut measured = Vec::new();
            for (Job { id, knife, .. }, halves) in halves {
                let Some(parts) = halves else { continue };
                measured.extend(parts.iter().map(|part| part.measured));
                for part in &parts {
                    if part.witness.lower > bound.witness.lower {
                        bound.witness = part.witness.clone();
                        lower = lower.max(bound.witness.lower);
                    }
                    if part.pattern.value > bound.pattern.value {
                        bound.pattern = part.pattern.clone();
                    }
                }
                let ids = parts.map(|part| {
                    queue.push(Entry { value: part.certificate.upper(), id: nodes.len() });
                    nodes.push(Node::Leaf(Box::new(part)));
                    nodes.len() - 1
                });
                nodes[id] = Node::Cut(knife, ids);
            }
            costs.learn(&measured);
            round += 1;
            let open = queue.iter().filter(|entry| entry.value > lower * close).count();
            let gap = queue.peek().map_or(0.0, |top| top.value / lower - 1.0);
            self.observer.event(Event::Searched { index: self.index, cases: nodes.len(), open, gap });
        }
        self.finish(&mut bound, &nodes, stop);
        if stop == Stop::Converged && bound.upper() > lower * close {
            bound.stop = Stop::Stalled; // what is left cannot be cut
        }
        bound
    }

    /// What the parts prove together.
    fn finish(&self, bound: &mut Bound, nodes: &[Node], stop: Stop) {
        let (mut waiting, mut tree, mut parts) = (vec![0], Vec::new(), 0);
        while let Some(id) = waiting.pop() {
            match &nodes[id] {
                Node::Cut(knife, [below, above]) => {
                    tree.push(CheckedBranch::Branch(*knife));
                    waiting.extend([*above, *below]);
                }
                Node::Leaf(part) => {
                    parts += 1;
                    tree.push(CheckedBranch::Leaf(&part.certificate));
                }
            }
        }
        bound.stop = stop;
        bound.pattern_lower = bound.pattern.value.max(bound.witness.lower);
        if let Some(certificate) = Certificate::of_tree(self.network, self.twins, &tree)
            && certificate.upper() < bound.upper()
        {
            // formal constants of parts are smaller: patterns of the whole region may exceed them
            bound.certificate = certificate;
            bound.method = Method::Parts { parts };
            bound.relaxation = bound.relaxation.min(bound.certificate.upper());
            bound.pattern_lower = bound.witness.lower;
            bound.pattern.value = bound.pattern.value.min(bound.witness.lower);
        }
    }

    /// Both halves of a part with their bounds by intervals, and the seconds that one took; none if not even intervals bound
    /// them.
    fn halves(&self, job: &Job, functional: &Functional) -> Option<([Half; 2], f64)> {
        let begun = Instant::now();
        let half = |part: Part| {
            let local = self.network.within(part.into()).ok()?;
            let plain = certify_by_intervals(&local, self.options.norm, functional)?;
            Some(Half { local, plain })
        };
        let (below, above) = job.part.cut(job.knife, self.twins)?;
        Some(([half(below)?, half(above)?], 0.5 * begun.elapsed().as_secs_f64()))
    }

    /// A half with its better bounds.
    fn bounded(
        &self,
        Half { local, plain: mut certificate }: Half,
        time: f64,
        functional: &Functional,
        exact: &GradientBound<'_>,
        enough: f64,
        (gain, plain_before, upper_before, aim): (f64, f64, f64, f64),
    ) -> Bounded {
        let begun = Instant::now();
        let norm = self.options.norm;
        // in the whole region: its slopes hold at every input of it
        let inside = local.inside().unwrap_or_default();
        let (witness, pattern) = witness_at(self.network, norm, exact, functional, inside);
        let (mut gain, plain) = (gain, certificate.upper());
        let intervals = time + begun.elapsed().as_secs_f64();
        let cut = (plain / plain_before).ln().min(0.0);
        let mut measured = Measured { intervals, relaxation: None, cut };
        let enough = enough.max(witness.lower);
        let undecided = local.slopes().iter().flatten().filter(|slope| !slope.is_fixed()).count();
        if certificate.upper() > enough && undecided <= MOST_UNDECIDED {
            certificate = by_patterns(&local, norm, functional, certificate);
        } else if certificate.upper() > enough && (certificate.upper() > aim || undecided <= FEW) {
            let begun = Instant::now();
            let tol = (PART_TOL * (upper_before / enough - 1.0)).min(MOST_TOL).max(TARGET * self.options.tol);
            let options = Options { tol, sweep_limit: 400, time_limit: None, ..self.options.clone() };
            if let Some(found) = bound::certificate(&local, &options, functional) {
                gain = found.upper() / certificate.upper();
                if found.upper() < certificate.upper() {
                    certificate = found;
                }
            }
            measured.relaxation = Some(begun.elapsed().as_secs_f64());
        }
        let knife = match (local.region(), certificate.upper() > enough) {
            (Some(region), true) => {
                where_to_cut(&local, region, functional, undecided <= FEW_PER_INPUT * region.inputs())
            }
            _ => None,
        };
        Bounded { plain, measured, certificate, gain, knife, witness, pattern }
    }
}

/// Where a part is cut: in the middle of the input that moves its undecided neurons most, weighted by what they matter; or at
/// the kink of the undecided neuron whose slope does most to the gradient, where `few` are undecided or no input can be cut.
///
/// With r the half-widths of slopes, G bounds of the gradients and H those of how far input i moves a pre-activation,
/// Σ r G H is what intervals lose to input i, and to a neuron; the largest is cut.
fn where_to_cut(local: &SlopeNetwork, region: &Region, functional: &Functional, few: bool) -> Option<Knife> {
    let n = region.inputs();
    let moved = local.abs_forward(&Matrix::identity(n));
    let mut seed = Matrix::zeros(local.outputs(), 1);
    functional.rows(local.outputs()).iter().flatten().for_each(|(i, u)| *seed.at_mut(*i, 0) += u.abs());
    let matter = local.abs_adjoint(&seed);
    let mut scores: Vec<f64> = vec![0.0; n];
    let mut neuron: (f64, Option<Knife>) = (0.0, None);
    let layers = local.layers().zip(local.origins()).zip(local.slopes());
    for (layer, (((node, parent), origin), slopes)) in layers.enumerate() {
        for (j, slope) in slopes.iter().enumerate().filter(|(_, slope)| !slope.is_fixed()) {
            let weight = slope.radius() * matter.of(node).at(j, 0);
            let moves = moved.of(parent).row(j);
            scores.iter_mut().zip(moves).for_each(|(score, h)| *score += weight * h);
            let score = weight * moves.iter().sum::<f64>();
            if score > neuron.0
                && let Origin::Activation(activation, _) = origin
                && let Some(at) = only_kink(activation, j)
            {
                neuron = (score, Some(Knife::Side(layer, j, at)));
            }
        }
    }
    let middle = |i: usize| 0.5 * region.lower()[i] + 0.5 * region.upper()[i];
    let can = |i: &usize| region.lower()[*i] < middle(*i) && middle(*i) < region.upper()[*i];
    let width = |i: usize| scores[i] * (region.upper()[i] - region.lower()[i]);
    let input = (0..n).filter(can).max_by(|a, b| width(*a).total_cmp(&width(*b)));
    let input = input.map(|i| Knife::Input(i, middle(i)));
    if few { neuron.1.or(input) } else { input.or(neuron.1) }
}

/// The kink of an activation that is linear on both sides of it.
fn only_kink(activation: &Activation, index: usize) -> Option<f64> {
    let pieces = linear_pieces(activation, index).filter(|pieces| pieces.exact)?;
    match pieces.kinks.as_slice() {
        [kink] => Some(*kink),
        _ => None,
    }
}
