//! Random steps from the best inputs of a region: of all entries, or of a few.

use super::domain::{Domain, half_side};
use super::portfolio::Search;
use super::tuning::perturb::{MOVING, ROUNDS, STEPS, TRIALS};
use crate::matrix::Matrix;
use crate::random::gaussian;
use rand::RngExt;

/// Steps from the best input of every functional.
pub(super) fn run(search: &mut Search<'_>, passes: f64) {
    let Domain::Region(region) = search.domain else { return };
    let rounds = ((passes / TRIALS as f64 / 2.0) as usize).clamp(ROUNDS.0, ROUNDS.1);
    let n = region.inputs();
    for p in 0..search.best.count() {
        for round in 0..rounds {
            let length = STEPS[round % STEPS.len()];
            let mut x = Matrix::zeros(n, TRIALS);
            for j in 0..TRIALS {
                let share = MOVING[j % MOVING.len()];
                for i in 0..n {
                    let moves = share == 1.0 || n < 4 || search.rng.random::<f64>() < share;
                    let step = if moves { length * half_side(region, i) * gaussian(&mut search.rng) } else { 0.0 };
                    *x.at_mut(i, j) = search.best.input(p)[i] + step;
                }
            }
            search.domain.keep_inside(&mut x);
            search.best.offer_each(&x, &[p; TRIALS]);
        }
    }
}
