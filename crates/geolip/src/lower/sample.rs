//! Real inputs with steep gradients: sampled, then improved by ascent (`ascend.rs`) and by moves along
//! coordinates (`climb.rs`), these also from where a pattern is nearly realised (`program.rs`); or at once among the steepest, where
//! a pattern can be realised (`realise.rs`) or the linear pieces be visited one by one (`pieces.rs`).

use super::ascend::Ascender;
use super::best::Best;
use super::climb::{Climber, Space};
use super::first_layer::FirstLayer;
use super::gradient::GradientBound;
use super::proved::ProvedSlopes;
use super::realise::Realiser;
use super::slopes::{derivative, slopes_at};
use super::{pieces, program};
use crate::matrix::Matrix;
use crate::network::NodeId;
use crate::problem::{Functional, InputNorm};
use crate::random::gaussian;
use crate::relaxation::Pattern;
use crate::slopes::SlopeNetwork;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// An input and the norm of the gradient there: feed it to the network and check.
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    /// The input.
    pub input: Vec<f64>,
    /// ‖∇(uᵀy)(x)‖ in the dual norm, rounded down: the Lipschitz constant is at least this.
    pub lower: f64,
    /// For a network with one input and piecewise linear activations: how many linear pieces were found, of which this is the
    /// steepest. Kinks are located in plain floating point: pieces shorter than its resolution may be missed, so this proves
    /// nothing about the others.
    pub pieces: Option<usize>,
}

/// How hard to search.
#[derive(Clone, Copy, Debug)]
pub struct InputRules {
    /// Multiply–adds per functional. At least `LEAST_PASSES` evaluations are made in any case.
    pub work: f64,
    /// Seed of the samples.
    pub seed: u64,
}

/// Inputs sampled for all functionals together.
const SAMPLES: usize = 64;
/// Numbers (inputs and neurons, for all samples) evaluated at once, roughly.
const LARGEST_BATCH: usize = 1 << 23;
/// Passes through the network that an ascent may take per functional, at least and at most, and those of one step.
const LEAST_PASSES: f64 = 150.0;
const MOST_PASSES: f64 = 40_000.0;
const PASSES_OF_STEP: f64 = 6.0;
/// The part of the work that ascents have, and the passes per functional from which the rest goes into moves along
/// coordinates.
const ASCENT: f64 = 0.25;
const LEAST_CLIMB: f64 = 500.0;
/// Pieces whose slopes are proved, at most.
const MOST_PROVED: usize = 1000;
/// Relative distance to the pattern's value at which that counts as met.
const MET: f64 = 1e-10;
/// Far to the right of every kink.
const FAR: f64 = 1e3;
/// Inputs per functional that ascend side by side at most, and how many steps each should have before there are more.
const CLIMBERS: usize = 8;
const STEPS: f64 = 60.0;

/// The best real input found for every functional, its gradient norm evaluated by `exact` (of the same network and norm).
/// `patterns` (one per functional) is where steep gradients may be; `realiser` gives inputs for them, where there is one.
///
/// Deterministic for a seed. A slope that is not proved to be on one side of its kinks counts as unknown.
pub fn search_inputs(
    network: &SlopeNetwork,
    norm: InputNorm,
    exact: &GradientBound<'_>,
    functionals: &[Functional],
    patterns: &[Pattern],
    realiser: Option<&Realiser>,
    rules: InputRules,
) -> Vec<Witness> {
    if let Some(region) = network.region() {
        return super::local::search(network, region, norm, exact, functionals, patterns, rules);
    }
    if let Some(points) = pieces::points(network) {
        return visit(network, exact, functionals, &points);
    }
    let weights = functionals.iter().zip(patterns).map(|(functional, pattern)| {
        functional.entries().unwrap_or_else(|| pattern.weights.iter().copied().enumerate().collect())
    });
    let mut search = Search::new(network, norm, exact, weights.collect(), rules.seed);
    search.sample(SAMPLES, &|| false);
    if !realiser.is_some_and(|realiser| search.realise(realiser, patterns)) {
        search.improve(patterns, rules);
    }
    search.best.witnesses(functionals)
}

/// The steepest of `samples` random inputs for every functional, and how many were looked at before `stopped` said so:
/// sampling alone, without steering or climbing.
pub fn sample_inputs(
    network: &SlopeNetwork,
    norm: InputNorm,
    exact: &GradientBound<'_>,
    functionals: &[Functional],
    seed: u64,
    samples: usize,
    stopped: &dyn Fn() -> bool,
) -> (usize, Vec<Witness>) {
    let ones = || (0..network.outputs()).map(|i| (i, 1.0)).collect();
    let weights = functionals.iter().map(|functional| functional.entries().unwrap_or_else(ones)).collect();
    let mut search = Search::new(network, norm, exact, weights, seed);
    let made = search.sample(samples, stopped);
    (made, search.best.witnesses(functionals))
}

struct Search<'a> {
    rng: ChaCha8Rng,
    best: Best<'a>,
}

impl<'a> Search<'a> {
    fn new(
        network: &'a SlopeNetwork,
        norm: InputNorm,
        exact: &'a GradientBound<'a>,
        weights: Vec<Vec<(usize, f64)>>,
        seed: u64,
    ) -> Self {
        let origin = vec![0.0; network.inputs()];
        Self { rng: ChaCha8Rng::seed_from_u64(seed), best: Best::new(network, norm, exact, weights, &origin) }
    }

    fn network(&self) -> &'a SlopeNetwork {
        self.best.network
    }

    /// Normal samples at scales from a hundredth to a hundred, and the origin; returns how many were evaluated.
    fn sample(&mut self, count: usize, stopped: &dyn Fn() -> bool) -> usize {
        let together = (LARGEST_BATCH / (self.network().inputs() + self.network().neurons())).clamp(1, SAMPLES);
        for block in (0..count).step_by(SAMPLES) {
            let (inputs, rng) = (self.network().inputs(), &mut self.rng);
            let samples = Matrix::from_fn(inputs, SAMPLES.min(count - block), |_, j| match block + j {
                0 => 0.0,
                _ => 10f64.powi(j as i32 % 5 - 2) * gaussian(rng),
            });
            for first in (0..samples.cols()).step_by(together) {
                if stopped() {
                    return block + first;
                }
                let x = samples.columns(first..(first + together).min(samples.cols()));
                self.best.offer_to_all(&x);
            }
        }
        count
    }

    /// Offers inputs that realise the patterns; whether they attain what these promise.
    fn realise(&mut self, realiser: &Realiser, patterns: &[Pattern]) -> bool {
        let realised: Vec<Vec<f64>> = patterns.iter().map(|pattern| realiser.realise(pattern)).collect();
        let x = Matrix::from_fn(self.network().inputs(), realised.len(), |i, p| realised[p][i]);
        let slopes = self.best.offer_each(&x, &(0..patterns.len()).collect::<Vec<_>>());
        let attained = |(p, pattern): (usize, &Pattern)| {
            pattern.slopes.iter().zip(&slopes).all(|(wanted, found)| *wanted == found.column(p))
        };
        patterns.iter().enumerate().all(attained)
    }

    /// Ascent, then moves along coordinates from the best of it and from where the pattern is nearly realised.
    fn improve(&mut self, patterns: &[Pattern], rules: InputRules) {
        if self.network().neurons() == 0 {
            return;
        }
        let first = FirstLayer::new(self.network(), rules.work);
        let passes = rules.work / self.network().multiply_adds().max(1) as f64;
        let climbs = passes > LEAST_CLIMB;
        self.ascend(patterns, first.as_ref(), if climbs { ASCENT * rules.work } else { rules.work });
        if climbs {
            let first = first.as_ref();
            self.climb(patterns, Space { network: self.network(), norm: self.best.norm, first }, rules);
        }
    }

    /// Moves along coordinates, every functional by itself.
    fn climb(&mut self, patterns: &[Pattern], space: Space<'_>, rules: InputRules) {
        let rest = space.rest();
        let realises =
            space.first.is_none_or(FirstLayer::is_onto) && program::cost(rest).is_some_and(|c| c < rules.work);
        let passes = (1.0 - ASCENT) * rules.work / self.network().multiply_adds().max(1) as f64;
        let climb = |p: usize| {
            let mut starts = vec![space.at(self.best.input(p))];
            if realises {
                starts.extend(program::realise(rest, self.best.weights(p), &patterns[p]));
            }
            let rng = ChaCha8Rng::seed_from_u64(rules.seed ^ (p as u64 + 1).rotate_left(32));
            let enough = patterns[p].value * (1.0 - MET);
            let climber = Climber { space, u: self.best.weights(p), enough, passes, rng };
            space.input(&climber.run(starts))
        };
        let found: Vec<Vec<f64>> = (0..self.best.count()).into_par_iter().map(climb).collect();
        let x = Matrix::from_fn(self.network().inputs(), found.len(), |i, p| found[p][i]);
        self.best.offer_each(&x, &(0..found.len()).collect::<Vec<_>>());
    }

    /// Ascends from the best inputs known, from the directions of the patterns and from random inputs, half of them guided by
    /// the patterns at first.
    fn ascend(&mut self, patterns: &[Pattern], first: Option<&FirstLayer>, work: f64) {
        let (n, m) = (self.network().inputs(), self.best.count());
        let passes = (work / self.network().multiply_adds().max(1) as f64).clamp(LEAST_PASSES, MOST_PASSES);
        let together = (LARGEST_BATCH / (n + self.network().neurons()) / m).max(1);
        let climbers = ((passes / PASSES_OF_STEP / STEPS) as usize).clamp(1, CLIMBERS.min(together));
        let steps = (passes / PASSES_OF_STEP) as usize / climbers;
        let own: Vec<usize> = (0..m * climbers).map(|j| j / climbers).collect();
        let mut x = Matrix::zeros(n, own.len());
        for (j, &p) in own.iter().enumerate() {
            let realised = match (first, j % climbers) {
                (Some(first), 0) => Some(first.input(&self.wanted_start(first.node(), &patterns[p]))),
                _ => None,
            };
            for i in 0..n {
                *x.at_mut(i, j) = match (j % climbers, &realised) {
                    (_, Some(realised)) => realised[i],
                    (0, None) => 10.0 * patterns[p].direction[i] + self.best.input(p)[i],
                    (1, None) => self.best.input(p)[i],
                    (c, None) => 10f64.powi(c as i32 % 3) * gaussian(&mut self.rng),
                };
            }
        }
        let guides =
            own.iter().enumerate().map(|(j, p)| (j % climbers).is_multiple_of(2).then_some(&patterns[*p])).collect();
        let (network, norm) = (self.network(), self.best.norm);
        let ascender = Ascender { network, norm, seeds: self.best.seeds(&own), guides, first };
        ascender.run(x, steps, |x, values| {
            self.best.offer(x, values, &slopes_at(network, values), &own);
        });
    }

    /// A first pre-activation with the signs that a pattern asks for, well away from the biases.
    fn wanted_start(&self, node: NodeId, pattern: &Pattern) -> Vec<f64> {
        let size = 10.0;
        let network = self.network().network();
        let layer = network.activations().position(|(_, parent, _)| parent == node);
        let slopes = layer.map(|a| (&pattern.slopes[a], network.activations().nth(a)));
        match slopes {
            Some((v, Some((_, _, activation)))) => v
                .iter()
                .enumerate()
                .map(|(i, v)| {
                    let (left, right) = (derivative(activation, i, -FAR), derivative(activation, i, FAR));
                    if (v - right).abs() <= (v - left).abs() { size } else { -size }
                })
                .collect(),
            Some((_, None)) | None => vec![size; self.network().node(node).len],
        }
    }
}

/// The steepest of the linear pieces of a network with one input, for every functional: in the order of what plain floating
/// point makes of them, until none that is left promises more than one is proved to have.
fn visit(
    network: &SlopeNetwork,
    exact: &GradientBound<'_>,
    functionals: &[Functional],
    points: &[f64],
) -> Vec<Witness> {
    let x = Matrix::from_vec(1, points.len(), points.to_vec());
    let values = network.network().evaluate_batch(x.clone());
    let slopes = slopes_at(network, &values);
    let moved = network.forward(&slopes, &Matrix::from_vec(1, points.len(), vec![1.0; points.len()]));
    let moved = moved.of(network.output());
    let steepest = |functional: &Functional| {
        let value = |p: usize| match functional {
            Functional::Norm(norm) => norm.of((0..moved.rows()).map(|i| moved.at(i, p))),
            Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => {
                functional.entries().into_iter().flatten().map(|(i, u)| u * moved.at(i, p)).sum::<f64>().abs()
            }
        };
        let mut order: Vec<(f64, usize)> = (0..points.len()).map(|p| (value(p), p)).collect();
        order.retain(|(value, _)| value.is_finite());
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut best = Witness { input: vec![0.0], lower: 0.0, pieces: Some(points.len()) };
        for (value, p) in order.into_iter().take(MOST_PROVED) {
            if best.lower >= value * (1.0 - MET) {
                break;
            }
            let Some(own) = ProvedSlopes::at(network, &x, &values, p) else { continue };
            let lower = exact.lower_of_all(functional, &moved.column(p), &own.v, &own.open);
            if lower > best.lower {
                best = Witness { input: vec![points[p]], lower, pieces: Some(points.len()) };
            }
        }
        best
    };
    functionals.iter().map(steepest).collect()
}
