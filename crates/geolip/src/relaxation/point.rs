//! The variables of the vector network: input vectors and one unit vector per neuron, for many problems side by side.

use super::rows;
use super::sweep::VectorNetwork;
use crate::matrix::Matrix;
use crate::problem::{InputNorm, power_norm};
use crate::random::gaussian;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// (X, S) for a batch of problems that share the network: problem p owns the columns p·k .. (p+1)·k of every matrix.
#[derive(Clone, Debug)]
pub struct Point {
    /// k, the number of features.
    pub k: usize,
    /// How many problems lie side by side.
    pub problems: usize,
    /// X, n₀ × (problems·k): per problem on the unit sphere of the input norm, taken of the row lengths: unit
    /// rows for ℓ∞, unit Frobenius norm for ℓ2.
    pub x: Matrix,
    /// S, one n_a × (problems·k) matrix of unit rows per activation layer.
    pub s: Vec<Matrix>,
}

impl Point {
    /// A point of the right shape without meaning.
    pub fn empty(network: &VectorNetwork<'_>, k: usize, problems: usize) -> Self {
        let columns = k * problems;
        Self {
            k,
            problems,
            x: Matrix::zeros(network.inputs(), columns),
            s: network.layer_sizes().map(|n| Matrix::zeros(n, columns)).collect(),
        }
    }

    /// One problem at random directions; the same (seed, stream) gives the same point on every machine.
    pub fn random(network: &VectorNetwork<'_>, k: usize, seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let mut point = Self::empty(network, k, 1);
        for matrix in std::iter::once(&mut point.x).chain(&mut point.s) {
            matrix.data_mut().iter_mut().for_each(|v| *v = gaussian(&mut rng));
        }
        point.normalise(network.norm());
        point
    }

    /// The problems of several points of equal k, side by side.
    ///
    /// # Panics
    /// When there are none, or their k differ.
    pub fn concat(points: &[&Self]) -> Self {
        let k = points[0].k;
        assert!(points.iter().all(|p| p.k == k), "points side by side have one k");
        let join = |parts: Vec<&Matrix>| {
            let cols: usize = parts.iter().map(|m| m.cols()).sum();
            let mut data = Vec::with_capacity(parts[0].rows() * cols);
            for i in 0..parts[0].rows() {
                parts.iter().for_each(|m| data.extend_from_slice(m.row(i)));
            }
            Matrix::from_vec(parts[0].rows(), cols, data)
        };
        Self {
            k,
            problems: points.iter().map(|p| p.problems).sum(),
            x: join(points.iter().map(|p| &p.x).collect()),
            s: (0..points[0].s.len()).map(|a| join(points.iter().map(|p| &p.s[a]).collect())).collect(),
        }
    }

    /// The given problems alone, in the given order.
    pub fn select(&self, problems: &[usize]) -> Self {
        let pick = |m: &Matrix| {
            let mut data = Vec::with_capacity(m.rows() * problems.len() * self.k);
            for i in 0..m.rows() {
                let row = m.row(i);
                problems.iter().for_each(|p| data.extend_from_slice(&row[p * self.k..(p + 1) * self.k]));
            }
            Matrix::from_vec(m.rows(), problems.len() * self.k, data)
        };
        Self { k: self.k, problems: problems.len(), x: pick(&self.x), s: self.s.iter().map(pick).collect() }
    }

    /// The same point in more features: new columns start as small noise, so that the ascent can leave the subspace.
    pub fn widen(&self, norm: InputNorm, k: usize, noise: f64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut grow = |m: &Matrix| {
            let mut data = Vec::with_capacity(m.rows() * self.problems * k);
            for i in 0..m.rows() {
                for old in m.row(i).chunks(self.k) {
                    let length = old.iter().map(|v| v * v).sum::<f64>().sqrt();
                    data.extend_from_slice(old);
                    data.extend((self.k..k).map(|_| noise * length * gaussian(&mut rng)));
                }
            }
            Matrix::from_vec(m.rows(), self.problems * k, data)
        };
        let mut wide = Self { k, problems: self.problems, x: grow(&self.x), s: self.s.iter().map(&mut grow).collect() };
        wide.normalise(norm);
        wide
    }

    /// As [`Self::widen`], for one problem, with the given columns as the first of the new ones.
    pub fn widen_along(&self, norm: InputNorm, k: usize, columns: &[Self], noise: f64, seed: u64) -> Self {
        let mut wide = self.widen(norm, k, noise, seed);
        for (f, column) in (self.k..k).zip(columns) {
            (0..wide.x.rows()).for_each(|i| *wide.x.at_mut(i, f) = column.x.at(i, 0));
            for (s, column) in wide.s.iter_mut().zip(&column.s) {
                (0..s.rows()).for_each(|j| *s.at_mut(j, f) = column.at(j, 0));
            }
        }
        wide.normalise(norm);
        wide
    }

    /// Puts X back on its sphere(s) and every row of S on the unit sphere. Zero rows stay zero.
    pub fn normalise(&mut self, norm: InputNorm) {
        if norm == InputNorm::Linf {
            rows::normalise(&mut self.x, self.k);
        }
        self.normalise_input(norm);
        self.s.iter_mut().for_each(|s| rows::normalise(s, self.k));
    }

    /// Puts X back on its sphere, given that its rows are of unit length for ℓ∞.
    pub(super) fn normalise_input(&mut self, norm: InputNorm) {
        let (k, problems) = (self.k, self.problems);
        let sizes = match norm {
            InputNorm::Linf => return,
            InputNorm::L2 => problem_squares(&self.x, k, problems).into_iter().map(f64::sqrt).collect(),
            InputNorm::Lp(p) => of_row_lengths(&self.x, k, problems, |lengths| power_norm(lengths, p.get())),
            InputNorm::L1 => of_row_lengths(&self.x, k, problems, |lengths| lengths.sum()),
        };
        scale_problems(&mut self.x, k, &sizes);
    }
}

/// Per problem, a norm of the lengths of its rows.
fn of_row_lengths(
    x: &Matrix,
    k: usize,
    problems: usize,
    norm: impl Fn(std::iter::Copied<std::slice::Iter<'_, f64>>) -> f64,
) -> Vec<f64> {
    let mut lengths = vec![vec![0.0; x.rows()]; problems];
    for i in 0..x.rows() {
        for (chunk, lengths) in x.row(i).chunks(k).zip(&mut lengths) {
            lengths[i] = chunk.iter().map(|v| v * v).sum::<f64>().sqrt();
        }
    }
    lengths.iter().map(|lengths| norm(lengths.iter().copied())).collect()
}

/// Divides each problem's columns by its size; by nothing where that is zero.
fn scale_problems(x: &mut Matrix, k: usize, sizes: &[f64]) {
    let scale: Vec<f64> = sizes.iter().map(|s| if *s > 0.0 { 1.0 / s } else { 0.0 }).collect();
    for i in 0..x.rows() {
        for (chunk, scale) in x.row_mut(i).chunks_mut(k).zip(&scale) {
            chunk.iter_mut().for_each(|v| *v *= scale);
        }
    }
}

/// The squared Frobenius norm of each problem's columns.
pub(super) fn problem_squares(x: &Matrix, k: usize, problems: usize) -> Vec<f64> {
    let mut squares = vec![0.0; problems];
    for i in 0..x.rows() {
        for (chunk, square) in x.row(i).chunks(k).zip(&mut squares) {
            *square += chunk.iter().map(|v| v * v).sum::<f64>();
        }
    }
    squares
}
