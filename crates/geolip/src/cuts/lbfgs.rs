//! Limited-memory BFGS: maximises a smooth function from its values and gradients.

use super::real::{Real, axpy, dot};
use rayon::prelude::*;

/// Pairs remembered.
const MEMORY: usize = 10;
/// Numbers per block of a sum, so that sums do not depend on the number of threads.
const BLOCK: usize = 1 << 13;
/// Blocks that are worth another thread.
const BLOCKS: usize = 4;

fn product<T: Real>(a: &[T], b: &[T]) -> f64 {
    let arch = pulp::Arch::new();
    let sums: Vec<f64> = a
        .par_chunks(BLOCK)
        .with_min_len(BLOCKS)
        .zip(b.par_chunks(BLOCK))
        .map(|(a, b)| {
            arch.dispatch(
                #[inline(always)]
                || dot(a, b).get(),
            )
        })
        .collect();
    sums.into_iter().sum()
}

fn add<T: Real>(y: &mut [T], a: f64, x: &[T]) {
    let arch = pulp::Arch::new();
    y.par_chunks_mut(BLOCK).with_min_len(BLOCKS).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| {
        arch.dispatch(
            #[inline(always)]
            || axpy(y, T::of(a), x),
        );
    });
}

/// Maximises `f`, which writes its gradient into its second argument, from `x`, in at most so many steps, until a step gains less than the
/// fraction `gain`, or `stop` says so.
pub(super) fn maximise<T: Real>(
    x: &mut Vec<T>,
    (steps, least): (usize, f64),
    mut f: impl FnMut(&[T], &mut [T]) -> f64,
    mut stop: impl FnMut() -> bool,
) -> usize {
    let n = x.len();
    let mut gradient = vec![T::default(); n];
    let mut value = f(x, &mut gradient);
    let mut evaluations = 1;
    let mut memory: Vec<(Vec<T>, Vec<T>, f64)> = Vec::new();
    let (mut trial, mut next) = (vec![T::default(); n], vec![T::default(); n]);
    for _ in 0..steps {
        if stop() {
            break;
        }
        // the direction H g
        let mut direction = gradient.clone();
        let mut factors = Vec::with_capacity(memory.len());
        for (s, y, rho) in memory.iter().rev() {
            let factor = rho * product(s, &direction);
            add(&mut direction, -factor, y);
            factors.push(factor);
        }
        let scale = match memory.last() {
            Some((_, y, rho)) => 1.0 / (rho * product(y, y)),
            None => 0.1 / product(&gradient, &gradient).sqrt().max(1e-30),
        };
        direction.iter_mut().for_each(|d| *d = T::of(scale) * *d);
        for ((s, y, rho), factor) in memory.iter().zip(factors.iter().rev()) {
            let back = rho * product(y, &direction);
            add(&mut direction, factor - back, s);
        }
        let mut slope = product(&gradient, &direction);
        if slope <= 0.0 || slope.is_nan() {
            memory.clear();
            direction.copy_from_slice(&gradient);
            slope = product(&gradient, &gradient);
            if slope <= 0.0 || slope.is_nan() {
                break;
            }
        }
        // backtracking by parabolas
        let (mut step, mut gained) = (1.0, None);
        for _ in 0..12 {
            trial.copy_from_slice(x);
            add(&mut trial, step, &direction);
            let reached = f(&trial, &mut next);
            evaluations += 1;
            if reached >= value + 1e-4 * step * slope {
                gained = Some(reached);
                break;
            }
            let bend = 2.0 * (value + step * slope - reached) / (step * step);
            let best = if reached.is_finite() && bend > 0.0 { slope / bend } else { 0.0 };
            step = best.clamp(0.1 * step, 0.5 * step);
        }
        let Some(reached) = gained else {
            if memory.is_empty() {
                break;
            }
            memory.clear();
            continue;
        };
        let mut s = trial.clone();
        add(&mut s, -1.0, x);
        let mut y = gradient.clone();
        add(&mut y, -1.0, &next);
        let curvature = product(&s, &y);
        if curvature > 1e-10 * (product(&s, &s) * product(&y, &y)).sqrt() {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((s, y, 1.0 / curvature));
        }
        std::mem::swap(x, &mut trial);
        std::mem::swap(&mut gradient, &mut next);
        let gain = reached - value;
        value = reached;
        if gain < least * value.abs() {
            break;
        }
    }
    evaluations
}
