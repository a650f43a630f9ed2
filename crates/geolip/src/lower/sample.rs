//! Real inputs with steep gradients: sampled, then improved by ascent (`ascend.rs`); or known to be the steepest, where a
//! pattern can be realised (`realise.rs`) or all linear pieces be visited (`pieces.rs`).

use super::ascend::Ascender;
use super::first_layer::FirstLayer;
use super::gradient::GradientBound;
use super::pieces;
use super::realise::Realiser;
use crate::matrix::Matrix;
use crate::network::{Activation, Network, NodeId, Values};
use crate::problem::{Functional, InputNorm};
use crate::random::gaussian;
use crate::relaxation::Pattern;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// An input and the norm of the gradient there: feed it to the network and check.
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    /// The input.
    pub input: Vec<f64>,
    /// ‖∇(uᵀy)(x)‖ in the dual norm, rounded down: the Lipschitz constant is at least this.
    pub lower: f64,
    /// For a network with one input and piecewise linear activations: how many linear pieces it has, all of which were
    /// visited, so that `lower` is the Lipschitz constant up to rounding.
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
/// Far to the right of every kink.
const FAR: f64 = 1e3;
/// Inputs per functional that ascend side by side at most, and how many steps each should have before there are more.
const CLIMBERS: usize = 8;
const STEPS: f64 = 60.0;

/// The best real input found for every functional, its gradient norm evaluated by `exact` (of the same network and norm).
/// `patterns` (one per functional) is where steep gradients may be; `realiser` gives inputs for them, where there is one.
///
/// Deterministic for a seed. At a kink of an activation the derivative is taken from the right, so a witness lies in the
/// closure of a linear region with this gradient; generic inputs have no kinks.
pub fn search_inputs(
    network: &Network,
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
        return visit(network, norm, exact, functionals, &points);
    }
    let weights = functionals.iter().zip(patterns).map(|(functional, pattern)| {
        functional.entries().unwrap_or_else(|| pattern.weights.iter().copied().enumerate().collect())
    });
    let mut search = Search::new(network, norm, weights.collect(), rules.seed);
    search.sample(SAMPLES, &|| false);
    if !realiser.is_some_and(|realiser| search.realise(realiser, patterns)) {
        search.ascend(patterns, rules.work);
    }
    search.witnesses(exact, functionals)
}

/// The steepest of `samples` random inputs for every functional, and how many were looked at before `stopped` said so:
/// sampling alone, without steering or climbing.
pub(crate) fn sample_inputs(
    network: &Network,
    norm: InputNorm,
    exact: &GradientBound<'_>,
    functionals: &[Functional],
    seed: u64,
    samples: usize,
    stopped: &dyn Fn() -> bool,
) -> (usize, Vec<Witness>) {
    let ones = || (0..network.outputs()).map(|i| (i, 1.0)).collect();
    let weights = functionals.iter().map(|functional| functional.entries().unwrap_or_else(ones)).collect();
    let mut search = Search::new(network, norm, weights, seed);
    let made = search.sample(samples, stopped);
    (made, search.witnesses(exact, functionals))
}

struct Search<'a> {
    network: &'a Network,
    norm: InputNorm,
    /// u per functional: its own, or that of its pattern.
    weights: Vec<Vec<(usize, f64)>>,
    rng: ChaCha8Rng,
    /// The best input per functional, and its gradient norm in plain floating point.
    best: Vec<(Vec<f64>, f64)>,
}

impl<'a> Search<'a> {
    fn new(network: &'a Network, norm: InputNorm, weights: Vec<Vec<(usize, f64)>>, seed: u64) -> Self {
        let best = vec![(vec![0.0; network.inputs()], 0.0); weights.len()];
        Self { network, norm, weights, rng: ChaCha8Rng::seed_from_u64(seed), best }
    }

    /// Normal samples at scales from a hundredth to a hundred, and the origin; returns how many were evaluated.
    fn sample(&mut self, count: usize, stopped: &dyn Fn() -> bool) -> usize {
        let together = (LARGEST_BATCH / (self.network.inputs() + self.network.neurons())).clamp(1, SAMPLES);
        for block in (0..count).step_by(SAMPLES) {
            let rng = &mut self.rng;
            let samples = Matrix::from_fn(self.network.inputs(), SAMPLES.min(count - block), |_, j| match block + j {
                0 => 0.0,
                _ => 10f64.powi(j as i32 % 5 - 2) * gaussian(rng),
            });
            for first in (0..samples.cols()).step_by(together) {
                if stopped() {
                    return block + first;
                }
                let x = samples.columns(first..(first + together).min(samples.cols()));
                let slopes = self.slopes(&self.network.evaluate_batch(x.clone()));
                for p in 0..self.weights.len() {
                    self.offer(&x, &slopes, &vec![p; x.cols()]);
                }
            }
        }
        count
    }

    /// Takes every column of x that is better than what is known for the functional it is offered to.
    fn offer(&mut self, x: &Matrix, slopes: &[Matrix], functionals: &[usize]) {
        let mut seed = Matrix::zeros(self.network.outputs(), x.cols());
        for (j, p) in functionals.iter().enumerate() {
            self.weights[*p].iter().for_each(|(i, u)| *seed.at_mut(*i, j) = *u);
        }
        let gradients = self.network.adjoint(slopes, &seed);
        let gradient = gradients.of(NodeId::INPUT);
        for (j, p) in functionals.iter().enumerate() {
            let norm = self.norm.dual((0..gradient.rows()).map(|i| gradient.at(i, j)));
            if norm > self.best[*p].1 {
                self.best[*p] = (x.column(j), norm);
            }
        }
    }

    /// The derivatives of every activation layer at the evaluated inputs.
    fn slopes(&self, values: &Values) -> Vec<Matrix> {
        let layers = self.network.activations();
        layers
            .map(|(_, parent, activation)| {
                let h = values.of(parent);
                Matrix::from_fn(h.rows(), h.cols(), |i, j| derivative(activation, i, h.at(i, j)))
            })
            .collect()
    }

    /// Offers inputs that realise the patterns; whether they attain what these promise.
    fn realise(&mut self, realiser: &Realiser, patterns: &[Pattern]) -> bool {
        let realised: Vec<Vec<f64>> = patterns.iter().map(|pattern| realiser.realise(pattern)).collect();
        let x = Matrix::from_fn(self.network.inputs(), realised.len(), |i, p| realised[p][i]);
        let slopes = self.slopes(&self.network.evaluate_batch(x.clone()));
        self.offer(&x, &slopes, &(0..patterns.len()).collect::<Vec<_>>());
        let attained = |(p, pattern): (usize, &Pattern)| {
            pattern.slopes.iter().zip(&slopes).all(|(wanted, found)| *wanted == found.column(p))
        };
        patterns.iter().enumerate().all(attained)
    }

    /// Ascends from the best inputs known, from the directions of the patterns and from random inputs, half of them guided by
    /// the patterns at first.
    fn ascend(&mut self, patterns: &[Pattern], work: f64) {
        let (n, m) = (self.network.inputs(), self.weights.len());
        if self.network.neurons() == 0 {
            return;
        }
        let passes = (work / self.network.multiply_adds().max(1) as f64).clamp(LEAST_PASSES, MOST_PASSES);
        let together = (LARGEST_BATCH / (n + self.network.neurons()) / m).max(1);
        let climbers = ((passes / PASSES_OF_STEP / STEPS) as usize).clamp(1, CLIMBERS.min(together));
        let steps = (passes / PASSES_OF_STEP) as usize / climbers;
        let own: Vec<usize> = (0..m * climbers).map(|j| j / climbers).collect();
        let first = FirstLayer::new(self.network, work);
        let mut x = Matrix::zeros(n, own.len());
        for (j, &p) in own.iter().enumerate() {
            let realised = match (&first, j % climbers) {
                (Some(first), 0) => Some(first.input(&self.wanted_start(first.node(), &patterns[p]))),
                _ => None,
            };
            for i in 0..n {
                *x.at_mut(i, j) = match (j % climbers, &realised) {
                    (_, Some(realised)) => realised[i],
                    (0, None) => 10.0 * patterns[p].direction[i] + self.best[p].0[i],
                    (1, None) => self.best[p].0[i],
                    (c, None) => 10f64.powi(c as i32 % 3) * gaussian(&mut self.rng),
                };
            }
        }
        let mut seeds = Matrix::zeros(self.network.outputs(), own.len());
        for (j, p) in own.iter().enumerate() {
            self.weights[*p].iter().for_each(|(i, u)| *seeds.at_mut(*i, j) = *u);
        }
        let guides =
            own.iter().enumerate().map(|(j, p)| (j % climbers).is_multiple_of(2).then_some(&patterns[*p])).collect();
        let ascender = Ascender { network: self.network, norm: self.norm, seeds, guides, first: first.as_ref() };
        ascender.run(x, steps, |x, values| {
            let slopes = self.slopes(values);
            self.offer(x, &slopes, &own);
        });
    }

    /// A first pre-activation with the signs that a pattern asks for, well away from the biases.
    fn wanted_start(&self, node: NodeId, pattern: &Pattern) -> Vec<f64> {
        let size = 10.0;
        let layer = self.network.activations().position(|(_, parent, _)| parent == node);
        let slopes = layer.map(|a| (&pattern.slopes[a], self.network.activations().nth(a)));
        match slopes {
            Some((v, Some((_, _, activation)))) => v
                .iter()
                .enumerate()
                .map(|(i, v)| {
                    let (left, right) = (derivative(activation, i, -FAR), derivative(activation, i, FAR));
                    if (v - right).abs() <= (v - left).abs() { size } else { -size }
                })
                .collect(),
            Some((_, None)) | None => vec![size; self.network.node(node).len],
        }
    }

    fn witnesses(self, exact: &GradientBound<'_>, functionals: &[Functional]) -> Vec<Witness> {
        let columns = Matrix::from_fn(self.network.inputs(), self.best.len(), |i, p| self.best[p].0[i]);
        let slopes = self.slopes(&self.network.evaluate_batch(columns));
        let witness = |(p, (input, _)): (usize, &(Vec<f64>, f64))| {
            let own: Vec<Vec<f64>> = slopes.iter().map(|s| s.column(p)).collect();
            let mut weights = vec![0.0; self.network.outputs()];
            self.weights[p].iter().for_each(|(i, u)| weights[*i] = *u);
            Witness { input: input.clone(), lower: exact.lower(&functionals[p], &weights, &own), pieces: None }
        };
        self.best.iter().enumerate().map(witness).collect()
    }
}

/// The steepest of the linear pieces of a network with one input, for every functional.
fn visit(
    network: &Network,
    norm: InputNorm,
    exact: &GradientBound<'_>,
    functionals: &[Functional],
    points: &[f64],
) -> Vec<Witness> {
    let search = Search::new(network, norm, Vec::new(), 0);
    let slopes = search.slopes(&network.evaluate_batch(Matrix::from_vec(1, points.len(), points.to_vec())));
    let moved = network.forward(&slopes, &Matrix::from_vec(1, points.len(), vec![1.0; points.len()]));
    let moved = moved.of(network.output());
    let steepest = |functional: &Functional| {
        let value = |p: &usize| match functional {
            Functional::Norm(norm) => norm.of((0..moved.rows()).map(|i| moved.at(i, *p))),
            Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => {
                functional.entries().into_iter().flatten().map(|(i, u)| u * moved.at(i, *p)).sum::<f64>().abs()
            }
        };
        let best = (0..points.len()).max_by(|a, b| value(a).total_cmp(&value(b))).unwrap_or(0);
        let own: Vec<Vec<f64>> = slopes.iter().map(|s| s.column(best)).collect();
        let lower = exact.lower(functional, &moved.column(best), &own);
        Witness { input: vec![points[best]], lower, pieces: Some(points.len()) }
    };
    functionals.iter().map(steepest).collect()
}

/// φ'(s), kept inside the slope interval whatever its rounding.
pub(super) fn derivative(activation: &Activation, index: usize, s: f64) -> f64 {
    let slope = activation.slope(index);
    activation.derivative(index, s).clamp(slope.lower, slope.upper)
}
