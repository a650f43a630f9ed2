//! The relaxation of a program over signs at given multipliers of its cuts: unit vectors of a few features in the place of
//! signs, found by block coordinate ascent.
//!
//! In ℓ∞ the objective is ⟨A − C, X Tᵀ⟩ with unit rows of X (inputs) and T (neurons and the constant) and C = Σ μσ: X and T are
//! maximised in turn. In ℓ2 it is ⟨AᵀA − C, T Tᵀ⟩, the square of ‖A T‖_F and the products of neurons; row after row of T is
//! maximised (the mixing method: Wang, Chang, Kolter, 2017). For ℓ2 values and constants are those of squares.

use super::cuts::{Cuts, Products};
use crate::matrix::{Matrix, product};
use crate::problem::InputNorm;
use crate::random::gaussian;
use crate::relaxation::Momentum;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Features.
const RANK: usize = 16;

/// A program without its cuts.
#[derive(Clone, Debug)]
pub(super) struct Objective {
    pub norm: InputNorm,
    pub inputs: usize,
    /// A in ℓ∞, AᵀA in ℓ2.
    matrix: Matrix,
    /// Which of the neurons (and the constant) are variables.
    pub free: Vec<bool>,
}

/// What is known after a sweep.
pub(super) struct Swept {
    /// ⟨reduced objective, vectors⟩.
    pub value: f64,
    /// X in ℓ∞; nothing in ℓ2.
    x: Matrix,
}

impl Objective {
    /// Of a stored program; `free` tells which columns are variables.
    pub fn new(norm: InputNorm, a: &Matrix, free: Vec<bool>) -> Self {
        let matrix = match norm {
            InputNorm::Linf => a.clone(),
            _ => product(a.t(), a.view()),
        };
        Self { norm, inputs: a.rows(), matrix, free }
    }

    /// Neurons, and the constant.
    pub fn signs(&self) -> usize {
        self.matrix.cols()
    }

    /// What one step of the multipliers may be, in units of a multiplier per unit of violation.
    pub fn scale(&self, value: f64) -> f64 {
        value / (self.matrix.rows() * self.matrix.cols()) as f64
    }

    pub fn random(&self, seed: u64) -> Matrix {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut t = Matrix::from_fn(self.signs(), RANK, |_, _| gaussian(&mut rng));
        t.normalise_rows();
        t
    }

    /// The objective less the cuts.
    pub fn reduced(&self, cuts: &Cuts) -> Matrix {
        let mut reduced = self.matrix.clone();
        cuts.for_each_edge(|a, b, value| {
            let (low, high) = (a.min(b), a.max(b) - self.inputs);
            match self.norm {
                InputNorm::Linf => *reduced.at_mut(low, high) -= value,
                _ => {
                    *reduced.at_mut(low - self.inputs, high) -= value;
                    *reduced.at_mut(high, low - self.inputs) -= value;
                }
            }
        });
        reduced
    }

    /// The constants of the cuts, in units of the value.
    pub fn constants(&self, cuts: &Cuts) -> f64 {
        match self.norm {
            InputNorm::Linf => cuts.constants(),
            _ => 2.0 * cuts.constants(),
        }
    }

    /// The bound that a value (constants and all) stands for.
    pub fn bound_of(&self, value: f64) -> f64 {
        if self.norm == InputNorm::Linf { value } else { value.max(0.0).sqrt() }
    }

    /// The total weight of cuts whose loss costs at most this part of the bound `bound`: unit vectors exceed a cycle's
    /// inequality by at most 2√2 − 2 (length four), ½ (three).
    pub fn weight_worth(&self, part: f64, bound: f64) -> f64 {
        match self.norm {
            InputNorm::Linf => part * bound / 0.83,
            _ => 2.0 * part * bound * bound,
        }
    }

    /// One sweep.
    pub fn sweep(&self, reduced: &Matrix, t: &mut Matrix) -> Swept {
        match self.norm {
            InputNorm::Linf => {
                let mut x = product(reduced.view(), t.view());
                x.normalise_rows();
                let g = product(reduced.t(), x.view());
                let value = replace_rows(t, &g);
                Swept { value, x }
            }
            _ => {
                let mut value = 0.0;
                let mut g = vec![0.0; t.cols()];
                for j in (0..t.rows()).filter(|j| self.free[*j]) {
                    g.fill(0.0);
                    for (l, q) in reduced.row(j).iter().enumerate() {
                        g.iter_mut().zip(t.row(l)).for_each(|(g, t)| *g += q * t);
                    }
                    let own = reduced.at(j, j);
                    g.iter_mut().zip(t.row(j)).for_each(|(g, t)| *g -= own * t);
                    let length = g.iter().map(|g| g * g).sum::<f64>().sqrt();
                    if length > 0.0 {
                        t.row_mut(j).iter_mut().zip(&g).for_each(|(t, g)| *t = g / length);
                    }
                    value += length + own;
                }
                Swept { value, x: Matrix::zeros(0, 0) }
            }
        }
    }

    /// Sweeps until the value gains less than `gain`, relatively, in one; with momentum in ℓ∞.
    pub fn converge(&self, reduced: &Matrix, t: &mut Matrix, gain: f64, most: usize) -> (Swept, usize) {
        let mut ahead = t.clone();
        let (mut pace, mut last, mut sweep) = (Momentum::START, f64::NEG_INFINITY, 0);
        loop {
            sweep += 1;
            let before = t.clone();
            let swept = self.sweep(reduced, &mut ahead);
            if swept.value < last && !pace.is_fresh() && sweep < most {
                (pace, ahead) = (Momentum::START, before);
                continue;
            }
            *t = ahead.clone();
            if swept.value - last <= gain * swept.value.abs() || sweep >= most || swept.value.is_nan() {
                return (swept, sweep);
            }
            last = swept.value;
            if self.norm == InputNorm::Linf {
                let momentum = pace.advance();
                ahead.data_mut().iter_mut().zip(before.data()).for_each(|(a, b)| *a += momentum * (*a - b));
                ahead.normalise_rows();
            }
        }
    }

    /// The products of a sweep's vectors.
    pub fn products(&self, swept: &Swept, t: &Matrix) -> Products {
        let matrix = match self.norm {
            InputNorm::Linf => product(t.view(), swept.x.t()),
            _ => product(t.view(), t.t()),
        };
        Products { norm: self.norm, inputs: self.inputs, free: self.free.clone(), matrix }
    }

    /// γ and δ at a solution: the lengths of what each vector is multiplied by. For ℓ2, γ = 1.
    pub fn multipliers(&self, reduced: &Matrix, swept: &Swept, t: &Matrix) -> (Vec<f64>, Vec<f64>) {
        match self.norm {
            InputNorm::Linf => {
                let g = product(reduced.view(), t.view());
                let h = product(reduced.t(), swept.x.view());
                (g.row_lengths(), h.row_lengths())
            }
            _ => {
                let mut g = product(reduced.view(), t.view());
                let own: Vec<f64> = (0..t.rows()).map(|j| reduced.at(j, j)).collect();
                for (j, own) in own.iter().enumerate() {
                    let row = t.row(j).to_vec();
                    g.row_mut(j).iter_mut().zip(row).for_each(|(g, t)| *g -= own * t);
                }
                (vec![1.0], g.row_lengths().iter().zip(&own).map(|(length, own)| length + own).collect())
            }
        }
    }

    /// By how much γ and δ (in ℓ2 δ alone) are too small, as a factor.
    pub fn shortfall(&self, reduced: &Matrix, gamma: &[f64], delta: &[f64]) -> Option<f64> {
        let root = |v: &f64| if *v > 0.0 { 1.0 / v.sqrt() } else { 0.0 };
        let (rows, columns): (Vec<f64>, Vec<f64>) =
            (gamma.iter().map(root).collect(), delta.iter().map(root).collect());
        let gram = match self.norm {
            InputNorm::Linf => {
                let scaled =
                    Matrix::from_fn(reduced.rows(), reduced.cols(), |i, j| rows[i] * reduced.at(i, j) * columns[j]);
                product(scaled.t(), scaled.view())
            }
            _ => Matrix::from_fn(reduced.rows(), reduced.cols(), |i, j| columns[i] * reduced.at(i, j) * columns[j]),
        };
        let largest = largest_eigenvalue(&gram)?;
        Some(if self.norm == InputNorm::Linf { largest.sqrt() } else { largest })
    }
}

/// The largest eigenvalue of a symmetric matrix; none where it holds no finite numbers.
fn largest_eigenvalue(gram: &Matrix) -> Option<f64> {
    if gram.rows() == 0 || !gram.data().iter().all(|v| v.is_finite()) {
        return None;
    }
    let view = faer::MatRef::from_row_major_slice(gram.data(), gram.rows(), gram.cols());
    view.self_adjoint_eigenvalues(faer::Side::Lower).ok()?.last().copied()
}

/// t ← the rows of g, normalised; the sum of their lengths. Rows of zeros leave t as it is.
fn replace_rows(t: &mut Matrix, g: &Matrix) -> f64 {
    let lengths = g.row_lengths();
    for (j, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0.0) {
        t.row_mut(j).iter_mut().zip(g.row(j)).for_each(|(t, g)| *t = g / length);
    }
    lengths.iter().sum()
}
