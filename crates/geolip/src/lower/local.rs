//! Real inputs with steep gradients inside a region: samples, ascent with every step projected back, and random steps from the
//! best inputs found.
//!
//! What an input is worth, and what a slope on a kink counts, is decided as everywhere (`best.rs`, `slopes.rs`).

use super::ascend::Ascender;
use super::best::Best;
use super::gradient::GradientBound;
use super::proved::ProvedSlopes;
use super::sample::{InputRules, Witness};
use super::slopes::slopes_at;
use crate::matrix::Matrix;
use crate::network::NodeId;
use crate::place::Region;
use crate::problem::{Functional, InputNorm};
use crate::random::gaussian;
use crate::relaxation::Pattern;
use crate::slopes::SlopeNetwork;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Inputs sampled for all functionals together.
const SAMPLES: usize = 64;
/// Inputs that ascend side by side per functional, the passes through the network of one step, and most steps.
const CLIMBERS: usize = 4;
const PASSES_OF_STEP: f64 = 6.0;
const MOST_STEPS: usize = 400;
/// Random steps tried at once, and the rounds of them at most.
const TRIALS: usize = 16;
const MOST_ROUNDS: usize = 200;
/// The part of the work that ascent gets, and the fewest passes altogether.
const ASCENT: f64 = 0.5;
const LEAST_PASSES: f64 = 600.0;
/// Step lengths of random steps, in units of the region.
const STEPS: [f64; 5] = [1.0, 0.3, 0.1, 0.03, 0.01];

/// The witness that an input is; with the pattern there, whose slopes are those that plain floating point finds.
pub(crate) fn witness_at(
    network: &SlopeNetwork,
    norm: InputNorm,
    exact: &GradientBound<'_>,
    functional: &Functional,
    x: &[f64],
) -> (Witness, Pattern) {
    let input = Matrix::from_vec(x.len(), 1, x.to_vec());
    let values = network.network().evaluate_batch(input.clone());
    let columns = slopes_at(network, &values);
    let slopes: Vec<Vec<f64>> = columns.iter().map(|m| m.column(0)).collect();
    let mut weights = vec![0.0; network.outputs()];
    match functional.entries() {
        Some(entries) => entries.iter().for_each(|(i, u)| weights[*i] = *u),
        None => weights.fill(1.0),
    }
    let value = exact.lower(functional, &weights, &slopes);
    let lower = match ProvedSlopes::at(network, &input, &values, 0) {
        None => 0.0,
        Some(own) if !own.is_open() && own.v == slopes => value,
        Some(own) => exact.lower_of_all(functional, &weights, &own.v, &own.open),
    };
    let gradient = network.adjoint(&columns, &Matrix::from_vec(weights.len(), 1, weights.clone()));
    let direction = norm.steepest_direction(gradient.of(NodeId::INPUT).data());
    let pattern = Pattern { slopes, weights, direction, value };
    (Witness { input: x.to_vec(), lower, pieces: None }, pattern)
}

/// Projects every column into the network's region, if it has one.
pub(super) fn keep_inside(network: &SlopeNetwork, x: &mut Matrix) {
    let Some(region) = network.region() else { return };
    for j in 0..x.cols() {
        let mut column = x.column(j);
        region.project(&mut column);
        column.into_iter().enumerate().for_each(|(i, v)| *x.at_mut(i, j) = v);
    }
}

/// The best input found in the region for every functional.
pub(super) fn search(
    network: &SlopeNetwork,
    region: &Region,
    norm: InputNorm,
    exact: &GradientBound<'_>,
    functionals: &[Functional],
    patterns: &[Pattern],
    rules: InputRules,
) -> Vec<Witness> {
    let ones = |pattern: &Pattern| pattern.weights.iter().copied().enumerate().collect();
    let weights = functionals.iter().zip(patterns).map(|(f, pattern)| f.entries().unwrap_or_else(|| ones(pattern)));
    let rng = ChaCha8Rng::seed_from_u64(rules.seed);
    let best = Best::new(network, norm, exact, weights.collect(), &region.centre());
    let mut search = Search { region, rng, best };
    search.sample(patterns);
    if region.size() > 0.0 && network.neurons() > 0 {
        let passes = (rules.work / network.multiply_adds().max(1) as f64).max(LEAST_PASSES);
        search.ascend(patterns, ASCENT * passes);
        search.step_randomly((1.0 - ASCENT) * passes);
    }
    search.best.witnesses(functionals)
}

struct Search<'a> {
    region: &'a Region,
    rng: ChaCha8Rng,
    best: Best<'a>,
}

impl Search<'_> {
    /// Half the side of the region along input i.
    fn half(&self, i: usize) -> f64 {
        0.5 * self.region.upper()[i] - 0.5 * self.region.lower()[i]
    }

    /// The centre, where the patterns point to from there, vertices, and points inside.
    fn sample(&mut self, patterns: &[Pattern]) {
        let (n, centre) = (self.region.inputs(), self.region.centre());
        let mut x = Matrix::zeros(n, SAMPLES + 2 * patterns.len());
        for j in 0..x.cols() {
            for (i, c) in centre.iter().enumerate() {
                let random = 2.0 * self.rng.random::<f64>() - 1.0;
                let step = match (j, j % 2) {
                    (0, _) => 0.0,
                    (j, _) if j >= SAMPLES => {
                        let d = patterns[(j - SAMPLES) / 2].direction[i];
                        if j % 2 == 0 { d.signum() } else { -d.signum() }
                    }
                    (_, 0) => random,
                    (_, _) => random.signum(),
                };
                *x.at_mut(i, j) = c + step * self.half(i);
            }
        }
        keep_inside(self.best.network, &mut x);
        self.best.offer_to_all(&x);
    }

    /// Ascent from the best inputs, the centre and random ones; every other column follows its pattern at first.
    fn ascend(&mut self, patterns: &[Pattern], passes: f64) {
        let steps = ((passes / PASSES_OF_STEP / CLIMBERS as f64) as usize).clamp(8, MOST_STEPS);
        let own: Vec<usize> = (0..patterns.len() * CLIMBERS).map(|j| j / CLIMBERS).collect();
        let (n, centre) = (self.region.inputs(), self.region.centre());
        let mut x = Matrix::zeros(n, own.len());
        for (j, p) in own.iter().enumerate() {
            for (i, centre) in centre.iter().enumerate() {
                *x.at_mut(i, j) = match j % CLIMBERS {
                    0 => *centre,
                    1 => self.best.input(*p)[i],
                    _ => centre + (2.0 * self.rng.random::<f64>() - 1.0) * self.half(i),
                };
            }
        }
        keep_inside(self.best.network, &mut x);
        let guides = own.iter().enumerate().map(|(j, p)| (j % 2 == 0).then_some(&patterns[*p])).collect();
        let (network, norm) = (self.best.network, self.best.norm);
        let ascender = Ascender { network, norm, seeds: self.best.seeds(&own), guides, first: None };
        ascender.run(x, steps, |x, values| {
            self.best.offer(x, values, &slopes_at(network, values), &own);
        });
    }

    /// Random steps from the best inputs: of all entries, or of a few.
    fn step_randomly(&mut self, passes: f64) {
        let rounds = ((passes / TRIALS as f64 / 2.0) as usize).clamp(4, MOST_ROUNDS);
        let n = self.region.inputs();
        for p in 0..self.best.count() {
            for round in 0..rounds {
                let length = STEPS[round % STEPS.len()];
                let mut x = Matrix::zeros(n, TRIALS);
                for j in 0..TRIALS {
                    let share = [1.0, 0.3, 0.05][j % 3];
                    for i in 0..n {
                        let moves = share == 1.0 || n < 4 || self.rng.random::<f64>() < share;
                        let step = if moves { length * self.half(i) * gaussian(&mut self.rng) } else { 0.0 };
                        *x.at_mut(i, j) = self.best.input(p)[i] + step;
                    }
                }
                keep_inside(self.best.network, &mut x);
                self.best.offer_each(&x, &[p; TRIALS]);
            }
        }
    }
}
