//! GeoLIP's natural form of one hidden layer, as a program of its own: found and proved without the network's relaxation.
//!
//! The FGL is max ‖A (t, 1)‖* over signs t ([`geolip_check::proof::one_hidden`]). Its semidefinite relaxation puts unit vectors in the place of
//! signs: with T ∈ R^{(n+1)×k} of unit rows,
//!
//! > value = max over T of Σᵢ ‖(A T)ᵢ‖ for ℓ∞ (Grothendieck), ‖A T‖_F for ℓ2 (Nesterov).
//!
//! **The way up.** X = the direction of A T (unit rows, or unit Frobenius norm), T ← the rows of AᵀX, normalised: block
//! coordinate ascent of Burer and Monteiro, with Nesterov's momentum.
//!
//! **The proof.** For any positive d, e: xᵀA τ ≤ σ·√(Σ dᵢ)·√(Σ eⱼ) for all |xᵢ| ≤ 1, |τⱼ| ≤ 1, with σ the largest singular
//! value of diag(d)^−½ A diag(e)^−½; for ‖x‖₂ ≤ 1, ‖A τ‖₂ ≤ σ·√(Σ eⱼ) with d = 1. That is the dual program,
//! diag(y) − B ⪰ 0, written for a bipartite B. At the optimum dᵢ = ‖(A T)ᵢ‖, eⱼ = ‖(AᵀX)ⱼ‖ give σ = 1 and the value itself.
//! σ is proved by a factorisation ([`geolip::spectral`]).
//!
//! **Rounding.** d and e are what 1/s² is for the scales s used, rounded up; the scaled matrix is off by 3u of itself.
//! **Source.** Wang, Prakriya, Jha, *A quantitative geometric approach to neural-network smoothness*, NeurIPS 2022, §3–4.

use crate::question::{Ball, Clock};
use crate::{Estimate, Guarantee, NotApplicable, Question, entries, one_hidden};
use geolip::relaxation::Momentum;
use geolip::spectral;
use geolip_check::matrix::{Matrix, Store, multiply};
use geolip_check::network::LinearMap;
use geolip_check::proof::one_hidden::Program;
use geolip_check::random::gaussian;
use geolip_check::rounding::{UNIT, add_up, mul_up, sqrt_up, sum_up};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Columns of T, tried in turn until the proof closes.
const RANKS: [usize; 3] = [8, 16, 48];
/// Sweeps per rank.
const SWEEPS: usize = 4000;
/// Smallest d and e, as a fraction of their row's absolute sum.
const FLOOR: f64 = 1e-12;

pub(crate) fn run(question: &Question<'_>, clock: Clock<'_>) -> Result<Estimate, NotApplicable> {
    let network = one_hidden(question)?;
    let (tol, seed) = (question.options.tol, question.options.seed);
    let (ball, note) = Ball::around(question.options.norm);
    let values = question.each(|functional| {
        let program = network.program(&entries(functional)?, network.slopes());
        let bound = solve(&program, ball, tol, seed, clock);
        Ok(add_up(bound, program.slack))
    })?;
    Ok(Question::estimate(values, Guarantee::Certified, Some(note.unwrap_or("its own solver and proof").to_owned())))
}

/// A certified upper bound of max ‖A (t, 1)‖*, within `tol` of the relaxation's value unless stopped.
fn solve(program: &Program, ball: Ball, tol: f64, seed: u64, clock: Clock<'_>) -> f64 {
    let a = &program.matrix;
    let mut best = f64::INFINITY;
    for k in RANKS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut at = Matrix::from_fn(a.cols(), k, |_, _| gaussian(&mut rng));
        at.normalise_rows();
        let mut ahead = at.clone();
        let (mut momentum, mut value, mut calm) = (Momentum::START, 0.0, (4.0 * tol).powi(2));
        for sweep in 0..SWEEPS {
            let step = Step::from(a, ball, &ahead);
            let gain = (step.value - value) / step.value.max(f64::MIN_POSITIVE);
            if gain < -1e-14 && !momentum.is_fresh() {
                (momentum, ahead) = (Momentum::START, at.clone());
                continue;
            }
            let last = sweep + 1 == SWEEPS || gain.abs() < 1e-16 || gain.is_nan() || clock.stopped();
            if gain.abs() <= calm || last {
                best = best.min(prove(a, ball, &step));
                if best <= step.value * (1.0 + 0.5 * tol) || !step.value.is_finite() || clock.stopped() {
                    return best;
                }
                calm *= 0.1;
            }
            if last {
                break;
            }
            let m = momentum.advance();
            let moved = step.t.data().iter().zip(at.data()).map(|(new, old)| new + m * (new - old)).collect();
            ahead = Matrix::from_vec(a.cols(), k, moved);
            ahead.normalise_rows();
            (at, value) = (step.t, step.value);
        }
    }
    best
}

/// One sweep from T.
struct Step {
    value: f64,
    /// The new T.
    t: Matrix,
    /// ‖(A T)ᵢ‖ and ‖(AᵀX)ⱼ‖.
    d: Vec<f64>,
    e: Vec<f64>,
}

impl Step {
    fn from(a: &Matrix, ball: Ball, t: &Matrix) -> Self {
        let mut x = Matrix::zeros(a.rows(), t.cols());
        multiply(&mut x, Store::Replace, 1.0, a.view(), t.view());
        let d = x.row_lengths();
        let value = norm_of_rows(ball, &d);
        match ball {
            Ball::Cube => x.normalise_rows(),
            Ball::Round if value > 0.0 => x.data_mut().iter_mut().for_each(|x| *x /= value),
            Ball::Round => {}
        }
        let mut g = Matrix::zeros(a.cols(), t.cols());
        multiply(&mut g, Store::Replace, 1.0, a.t(), x.view());
        let e = g.row_lengths();
        for (j, e) in e.iter().enumerate() {
            if *e > 0.0 {
                g.row_mut(j).iter_mut().for_each(|g| *g /= e);
            } else {
                g.row_mut(j).copy_from_slice(t.row(j));
            }
        }
        Self { value, t: g, d, e }
    }
}

/// Σ‖xᵢ‖, or ‖X‖_F, from the row norms.
fn norm_of_rows(ball: Ball, d: &[f64]) -> f64 {
    ball.norm().dual(d.iter().copied())
}

/// The bound that d and e prove.
fn prove(a: &Matrix, ball: Ball, step: &Step) -> f64 {
    let sums = |i: usize| a.row(i).iter().map(|v| v.abs()).sum::<f64>();
    let rows = Scales::of(&step.d, (0..a.rows()).map(sums));
    let mut columns = vec![0.0; a.cols()];
    (0..a.rows()).for_each(|i| columns.iter_mut().zip(a.row(i)).for_each(|(sum, v)| *sum += v.abs()));
    let columns = Scales::of(&step.e, columns.into_iter());
    let row_scale = |i: usize| match ball {
        Ball::Cube => rows.scales[i],
        Ball::Round => 1.0,
    };
    let scaled = Matrix::from_fn(a.rows(), a.cols(), |i, j| row_scale(i) * a.at(i, j) * columns.scales[j]);
    let size = scaled.data().iter().map(|v| v * v).sum::<f64>().sqrt();
    // 3u for two products, and what underflows: entries are scaled to at most about 1
    let error = size * 4.0 * UNIT + 1e-300 * scaled.data().len() as f64;
    let sigma = add_up(spectral::tightly(&LinearMap::Dense(scaled)), error);
    let sums = match ball {
        Ball::Cube => mul_up(rows.sum, columns.sum),
        Ball::Round => columns.sum,
    };
    mul_up(sigma, sqrt_up(sums))
}

/// s = d^−½ as used, and at least Σ 1/s².
struct Scales {
    scales: Vec<f64>,
    sum: f64,
}

impl Scales {
    /// Rows of zeros (sum 0) need none: their scale is 0 and they add nothing.
    fn of(d: &[f64], sums: impl Iterator<Item = f64>) -> Self {
        let scale = |(d, sum): (&f64, f64)| if sum > 0.0 { 1.0 / d.max(FLOOR * sum).sqrt() } else { 0.0 };
        let scales: Vec<f64> = d.iter().zip(sums).map(scale).collect();
        let inverse = |s: &f64| if *s > 0.0 { (1.0 / (s * s).next_down()).next_up() } else { 0.0 };
        Self { sum: sum_up(scales.iter().map(inverse)), scales }
    }
}
