//! The first layer as the variable: where W₁ has full row rank, every pre-activation h = W₁x + b is reached by some input.
//!
//! Steps of h become steps of x by the least change of x, W₁ᵀ(W₁W₁ᵀ)⁻¹ Δh, in plain floating point (with a small ridge, so
//! nothing here proves the rank: an input that misses its h is just another input).

use super::realise::{cholesky, solve};
use crate::matrix::{Matrix, Store, multiply};
use crate::network::{Network, NodeId, Op};

/// Most rows of W₁.
const MOST_ROWS: usize = 1024;
/// The ridge, in units of the mean diagonal entry of W₁W₁ᵀ.
const RIDGE: f64 = 1e-9;

/// W₁ with the Cholesky factor of W₁W₁ᵀ.
pub(super) struct FirstLayer {
    node: NodeId,
    w: Matrix,
    bias: Vec<f64>,
    factor: Matrix,
}

impl FirstLayer {
    /// None where several nodes read the input, or W₁ has more rows than columns.
    pub fn new(network: &Network, work: f64) -> Option<Self> {
        let reads = |id: &NodeId| match &network.node(*id).op {
            Op::Input => false,
            Op::Affine { terms, .. } => terms.iter().any(|t| t.parent == NodeId::INPUT),
            Op::Activate { parent, .. } => *parent == NodeId::INPUT,
        };
        let mut readers = network.ids().filter(reads);
        let (Some(node), None) = (readers.next(), readers.next()) else { return None };
        let Op::Affine { terms, bias } = &network.node(node).op else { return None };
        let [term] = terms.as_slice() else { return None };
        let (rows, cols) = (term.map.rows(), term.map.cols());
        if node == network.output() || rows > cols || rows > MOST_ROWS || (rows * rows * cols) as f64 > work {
            return None;
        }
        let mut w = Matrix::zeros(rows, cols);
        let sparse = term.map.to_sparse();
        (0..rows).for_each(|i| sparse.row(i).for_each(|(j, v)| *w.at_mut(i, j) = v));
        let mut gram = Matrix::zeros(rows, rows);
        multiply(&mut gram, Store::Replace, 1.0, w.view(), w.t());
        let ridge = RIDGE * (0..rows).map(|i| gram.at(i, i)).sum::<f64>() / rows as f64;
        (0..rows).for_each(|i| *gram.at_mut(i, i) += ridge);
        let bias = bias.clone().unwrap_or_else(|| vec![0.0; rows]);
        Some(Self { node, w, bias, factor: cholesky(gram)? })
    }

    /// The pre-activation.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Δx of given Δh, columnwise.
    pub fn input_step(&self, wanted: &Matrix) -> Matrix {
        let mut solved = Matrix::zeros(wanted.rows(), wanted.cols());
        for p in 0..wanted.cols() {
            let mut y = wanted.column(p);
            solve(&self.factor, &mut y);
            y.into_iter().enumerate().for_each(|(i, y)| *solved.at_mut(i, p) = y);
        }
        let mut step = Matrix::zeros(self.w.cols(), wanted.cols());
        multiply(&mut step, Store::Replace, 1.0, self.w.t(), solved.view());
        step
    }

    /// An input with the given pre-activation.
    pub fn input(&self, h: &[f64]) -> Vec<f64> {
        let y = h.iter().zip(&self.bias).map(|(h, b)| h - b).collect();
        self.input_step(&Matrix::from_vec(h.len(), 1, y)).column(0)
    }
}
