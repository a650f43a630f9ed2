//! Real inputs with steep gradients: sampled, steered towards the best activation pattern, then improved by small steps.

use super::gradient::GradientBound;
use super::realise::Realiser;
use crate::matrix::Matrix;
use crate::network::{Activation, Network, NodeId, Values};
use crate::problem::{Functional, InputNorm};
use crate::random::gaussian;
use crate::relaxation::Pattern;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// An input and the norm of the gradient there: feed it to the network and check.
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    /// The input.
    pub input: Vec<f64>,
    /// ‖∇(uᵀy)(x)‖ in the dual norm, rounded down: the Lipschitz constant is at least this.
    pub lower: f64,
}

/// Inputs sampled for all functionals together.
const SAMPLES: usize = 64;
/// Numbers (inputs and neurons, for all samples) evaluated at once, roughly.
const LARGEST_BATCH: usize = 1 << 23;
/// Steps towards the pattern, one input per functional.
const STEERING_STEPS: usize = 30;
/// Rounds of small random steps, and inputs per functional in each.
const CLIMBING_ROUNDS: usize = 12;
const CLIMBERS: usize = 4;

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
    seed: u64,
) -> Vec<Witness> {
    let weights = functionals.iter().zip(patterns).map(|(functional, pattern)| {
        functional.entries().unwrap_or_else(|| pattern.weights.iter().copied().enumerate().collect())
    });
    let mut search = Search::new(network, norm, weights.collect(), seed);
    search.sample(SAMPLES, &|| false);
    if !realiser.is_some_and(|realiser| search.realise(realiser, patterns)) {
        search.steer(patterns);
        search.climb();
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

    /// Moves one input per functional so that more neurons are on the side of their kink that its pattern asks for:
    /// a perceptron-like step along the adjoint of the neurons that are on the wrong side.
    fn steer(&mut self, patterns: &[Pattern]) {
        let m = self.weights.len();
        let own: Vec<usize> = (0..m).collect();
        let nothing = Matrix::zeros(self.network.outputs(), m);
        let wanted = self.wanted_sides(patterns);
        let mut x = Matrix::from_fn(self.network.inputs(), m, |i, p| self.best[p].0[i]);
        for step in 0..STEERING_STEPS {
            let values = self.network.evaluate_batch(x.clone());
            let slopes = self.slopes(&values);
            self.offer(&x, &slopes, &own);
            let layers = self.network.activations().zip(&wanted);
            let pushes: Vec<Matrix> = layers
                .map(|((_, parent, _), wanted)| {
                    let h = values.of(parent);
                    Matrix::from_fn(h.rows(), m, |i, p| {
                        let side = wanted.at(i, p);
                        if side * h.at(i, p) <= 0.0 { side } else { 0.0 }
                    })
                })
                .collect();
            let pulled = self.network.adjoint_with(&slopes, &nothing, &pushes);
            let direction = pulled.of(NodeId::INPUT);
            let (length, size) = (column_lengths(direction), column_lengths(&x));
            let pace =
                |p: usize| 0.3 * size[p].max(1.0) / (1.0 + step as f64).sqrt() / length[p].max(f64::MIN_POSITIVE);
            x = Matrix::from_fn(x.rows(), m, |i, p| x.at(i, p) + pace(p) * direction.at(i, p));
        }
    }

    /// Per layer and functional: +1 where the pattern's slope is the one far to the right, −1 far to the left, 0 where
    /// the two do not differ (smooth bumps).
    fn wanted_sides(&self, patterns: &[Pattern]) -> Vec<Matrix> {
        const FAR: f64 = 1e3;
        let layers = self.network.activations().enumerate();
        layers
            .map(|(a, (node, _, activation))| {
                Matrix::from_fn(self.network.node(node).len, patterns.len(), |i, p| {
                    let v = patterns[p].slopes[a][i];
                    let (left, right) = (activation.derivative(i, -FAR), activation.derivative(i, FAR));
                    match (v - left).abs().total_cmp(&(v - right).abs()) {
                        std::cmp::Ordering::Less => -1.0,
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.0,
                    }
                })
            })
            .collect()
    }

    /// Random steps around the best inputs, kept where they help, shorter where they do not.
    fn climb(&mut self) {
        let (n, m) = (self.network.inputs(), self.weights.len());
        let own: Vec<usize> = (0..m * CLIMBERS).map(|j| j / CLIMBERS).collect();
        let mut radius = vec![0.1; m];
        for _ in 0..CLIMBING_ROUNDS {
            let before: Vec<f64> = self.best.iter().map(|b| b.1).collect();
            let size = |p: usize| (self.best[p].0.iter().map(|v| v * v).sum::<f64>() / n as f64).sqrt().max(1e-2);
            let scale: Vec<f64> = (0..m).map(|p| radius[p] * size(p)).collect();
            let (rng, best) = (&mut self.rng, &self.best);
            let mut x = Matrix::zeros(n, own.len());
            for i in 0..n {
                let mut signs: u64 = rng.random();
                for (x, &p) in x.row_mut(i).iter_mut().zip(&own) {
                    *x = best[p].0[i] + if signs & 1 == 0 { scale[p] } else { -scale[p] };
                    signs = signs.rotate_right(1); // a batch has far fewer columns than 64
                }
            }
            let slopes = self.slopes(&self.network.evaluate_batch(x.clone()));
            self.offer(&x, &slopes, &own);
            for (p, radius) in radius.iter_mut().enumerate() {
                *radius *= if self.best[p].1 > before[p] { 1.5 } else { 0.6 };
            }
        }
    }

    fn witnesses(self, exact: &GradientBound<'_>, functionals: &[Functional]) -> Vec<Witness> {
        let columns = Matrix::from_fn(self.network.inputs(), self.best.len(), |i, p| self.best[p].0[i]);
        let slopes = self.slopes(&self.network.evaluate_batch(columns));
        let witness = |(p, (input, _)): (usize, &(Vec<f64>, f64))| {
            let own: Vec<Vec<f64>> = slopes.iter().map(|s| s.column(p)).collect();
            let mut weights = vec![0.0; self.network.outputs()];
            self.weights[p].iter().for_each(|(i, u)| weights[*i] = *u);
            Witness { input: input.clone(), lower: exact.lower(&functionals[p], &weights, &own) }
        };
        self.best.iter().enumerate().map(witness).collect()
    }
}

fn column_lengths(m: &Matrix) -> Vec<f64> {
    (0..m.cols()).map(|j| (0..m.rows()).map(|i| m.at(i, j).powi(2)).sum::<f64>().sqrt()).collect()
}

/// φ'(s), kept inside the slope interval whatever its rounding.
fn derivative(activation: &Activation, index: usize, s: f64) -> f64 {
    let slope = activation.slope(index);
    activation.derivative(index, s).clamp(slope.lower, slope.upper)
}
