//! Random inputs: everywhere at many scales; of a region its centre, its vertices, points inside, and the vertices that the
//! patterns point to.

use super::best::Best;
use super::domain::{Domain, half_side};
use super::gradient::GradientBound;
use super::portfolio::Search;
use super::tuning::LARGEST_BATCH;
use super::tuning::sample::SAMPLES;
use super::witness::Witness;
use crate::matrix::Matrix;
use crate::place::Region;
use crate::problem::{Functional, InputNorm};
use crate::random::gaussian;
use crate::slopes::SlopeNetwork;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Offers random inputs to all functionals.
pub(super) fn run(search: &mut Search<'_>) {
    match search.domain {
        Domain::Everywhere => {
            everywhere(&mut search.best, &mut search.rng, SAMPLES, &|| false);
        }
        Domain::Region(region) => in_region(search, region),
    }
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
    let mut best = Best::new(network, norm, exact, weights, &vec![0.0; network.inputs()]);
    let made = everywhere(&mut best, &mut ChaCha8Rng::seed_from_u64(seed), samples, stopped);
    (made, best.witnesses(functionals))
}

/// Normal samples at scales from a hundredth to a hundred, and the origin; returns how many were evaluated.
fn everywhere(best: &mut Best<'_>, rng: &mut ChaCha8Rng, count: usize, stopped: &dyn Fn() -> bool) -> usize {
    let inputs = best.network.inputs();
    let together = (LARGEST_BATCH / (inputs + best.network.neurons())).clamp(1, SAMPLES);
    for block in (0..count).step_by(SAMPLES) {
        let samples = Matrix::from_fn(inputs, SAMPLES.min(count - block), |_, j| match block + j {
            0 => 0.0,
            _ => 10f64.powi(j as i32 % 5 - 2) * gaussian(rng),
        });
        for first in (0..samples.cols()).step_by(together) {
            if stopped() {
                return block + first;
            }
            let x = samples.columns(first..(first + together).min(samples.cols()));
            best.offer_to_all(&x);
        }
    }
    count
}

/// The centre, where the patterns point to from there, vertices, and points inside.
fn in_region(search: &mut Search<'_>, region: &Region) {
    let (n, centre, patterns) = (region.inputs(), region.centre(), search.asked.patterns);
    let mut x = Matrix::zeros(n, SAMPLES + 2 * patterns.len());
    for j in 0..x.cols() {
        for (i, c) in centre.iter().enumerate() {
            let random = 2.0 * search.rng.random::<f64>() - 1.0;
            let step = match (j, j % 2) {
                (0, _) => 0.0,
                (j, _) if j >= SAMPLES => {
                    let d = patterns[(j - SAMPLES) / 2].direction[i];
                    if j % 2 == 0 { d.signum() } else { -d.signum() }
                }
                (_, 0) => random,
                (_, _) => random.signum(),
            };
            *x.at_mut(i, j) = c + step * half_side(region, i);
        }
    }
    search.domain.keep_inside(&mut x);
    search.best.offer_to_all(&x);
}
