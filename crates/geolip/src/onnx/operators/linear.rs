//! Gemm and MatMul: one factor constant, the other from the network.
//!
//! Both come down to one matrix applied to several vectors that lie in the flattened tensors with fixed strides
//! ([`Spread`]). With a single vector, the usual case, that is the matrix itself.

use super::arithmetic::multiple;
use crate::matrix::Matrix;
use crate::network::LinearMap;
use crate::onnx::call::Call;
use crate::onnx::tensor::{LARGEST_EXPANSION, Tensor, broadcast, elements, expand};
use crate::onnx::value::{Value, Variable};
use crate::onnx::{Lowered, Reason};

/// `y[c·copy_y + i·entry_y] = Σ_k w[i, k] · x[c·copy_x + k·entry_x]` for the vectors c < `copies`.
struct Spread {
    copies: usize,
    copy_x: usize,
    entry_x: usize,
    copy_y: usize,
    entry_y: usize,
}

impl Spread {
    /// The map from all of x to all of y.
    fn map(&self, w: Matrix) -> Result<LinearMap, Reason> {
        if self.copies == 1 {
            return Ok(LinearMap::Dense(w));
        }
        let (rows, cols) = (self.copies.saturating_mul(w.rows()), self.copies.saturating_mul(w.cols()));
        if rows.saturating_mul(cols) > LARGEST_EXPANSION {
            return Err(format!("applies one matrix to {} vectors; only few are supported yet", self.copies));
        }
        let mut dense = Matrix::zeros(rows, cols);
        for copy in 0..self.copies {
            for i in 0..w.rows() {
                for k in 0..w.cols() {
                    let (row, col) = (copy * self.copy_y + i * self.entry_y, copy * self.copy_x + k * self.entry_x);
                    *dense.at_mut(row, col) = w.at(i, k);
                }
            }
        }
        Ok(LinearMap::Dense(dense))
    }
}

/// factor times the rows × cols matrix stored in `data` row by row, or column by column.
fn stored(data: &[f64], rows: usize, cols: usize, by_columns: bool, factor: f64) -> Matrix {
    let scaled: Vec<f64> = data.iter().map(|v| factor * v).collect();
    if by_columns { Matrix::from_vec(cols, rows, scaled).transposed() } else { Matrix::from_vec(rows, cols, scaled) }
}

/// alpha·A′·B′ + beta·C, where ′ is an optional transposition.
pub(super) fn gemm(call: &mut Call<'_>) -> Lowered {
    let (a, b) = (call.take(0)?, call.take(1)?);
    let alpha = call.attributes.float("alpha", 1.0)?;
    let beta = call.attributes.float("beta", 1.0)?;
    let (trans_a, trans_b) = (call.attributes.flag("transA")?, call.attributes.flag("transB")?);
    let (rows, inner) = oriented(a.shape(), trans_a)?;
    let (depth, cols) = oriented(b.shape(), trans_b)?;
    if inner != depth {
        return Err(misfit(a.shape(), b.shape()));
    }
    let (x, map) = match (a, b) {
        (Value::Variable(x), Value::Constant(b)) => {
            let w = stored(call.weights(1, &b)?, cols, inner, !trans_b, alpha);
            let (copy_x, entry_x) = if trans_a { (1, rows) } else { (inner, 1) };
            (x, Spread { copies: rows, copy_x, entry_x, copy_y: cols, entry_y: 1 }.map(w)?)
        }
        (Value::Constant(a), Value::Variable(x)) => {
            let w = stored(call.weights(0, &a)?, rows, inner, trans_a, alpha);
            let (copy_x, entry_x) = if trans_b { (inner, 1) } else { (1, cols) };
            (x, Spread { copies: cols, copy_x, entry_x, copy_y: 1, entry_y: cols }.map(w)?)
        }
        factors => return Err(not_linear(&factors)),
    };
    let shape = vec![rows, cols];
    let mut terms = vec![(x.id, map)];
    let mut bias = None;
    match call.take_optional(2).filter(|_| beta != 0.0) {
        None => {}
        Some(Value::Constant(c)) => {
            let c = expand(call.weights(2, &c)?, &c.shape, &shape)?;
            bias = Some(c.into_iter().map(|c| beta * c).collect());
        }
        Some(Value::Variable(c)) if broadcast(&c.shape, &shape)? == shape && c.len() == rows * cols => {
            terms.push((c.id, multiple(beta, c.len())));
        }
        Some(Value::Variable(c)) => {
            return Err(format!(
                "adds a tensor of shape {:?} to one of {shape:?}, which is not supported yet",
                c.shape
            ));
        }
    }
    call.affine(terms, bias, shape)
}

/// Rows and columns of a matrix after an optional transposition.
fn oriented(shape: &[usize], transposed: bool) -> Result<(usize, usize), Reason> {
    match (shape, transposed) {
        (&[rows, cols], false) | (&[cols, rows], true) => Ok((rows, cols)),
        _ => Err(format!("works on matrices, but has an input of shape {shape:?}")),
    }
}

pub(super) fn matmul(call: &mut Call<'_>) -> Lowered {
    match (call.take(0)?, call.take(1)?) {
        (Value::Variable(x), Value::Constant(b)) => times_constant(call, x, &b),
        (Value::Constant(a), Value::Variable(x)) => constant_times(call, &a, x),
        factors => Err(not_linear(&factors)),
    }
}

/// x·B: every row of x meets the same matrix.
fn times_constant(call: &mut Call<'_>, x: Variable, b: &Tensor) -> Lowered {
    let product = Product::of(&x.shape, &b.shape)?;
    if elements(&product.right.batch)? != 1 {
        return Err("multiplies by a different matrix for every batch entry, which is not supported yet".to_owned());
    }
    let (inner, cols) = (product.inner, product.right.outer);
    let w = stored(call.weights(1, b)?, cols, inner, true, 1.0);
    let copies = elements(&product.left.batch)? * product.left.outer;
    let map = Spread { copies, copy_x: inner, entry_x: 1, copy_y: cols, entry_y: 1 }.map(w)?;
    call.affine(vec![(x.id, map)], None, product.shape)
}

/// A·x: every column of x meets the same matrix.
fn constant_times(call: &mut Call<'_>, a: &Tensor, x: Variable) -> Lowered {
    let product = Product::of(&a.shape, &x.shape)?;
    if elements(&product.left.batch)? != 1 || elements(&product.right.batch)? != 1 {
        return Err("multiplies a batch of matrices from the left, which is not supported yet".to_owned());
    }
    let (inner, rows, cols) = (product.inner, product.left.outer, product.right.outer);
    let w = stored(call.weights(0, a)?, rows, inner, false, 1.0);
    let map = Spread { copies: cols, copy_x: 1, entry_x: cols, copy_y: 1, entry_y: cols }.map(w)?;
    call.affine(vec![(x.id, map)], None, product.shape)
}

/// The shapes of a matrix product by numpy's rules.
struct Product {
    left: Factor,
    right: Factor,
    inner: usize,
    shape: Vec<usize>,
}

/// The dimensions of a factor but the one that is summed over.
struct Factor {
    batch: Vec<usize>,
    outer: usize,
}

impl Product {
    fn of(a: &[usize], b: &[usize]) -> Result<Self, Reason> {
        let (left, inner) = match a {
            [] => return Err(misfit(a, b)),
            [inner] => (Factor { batch: vec![], outer: 1 }, *inner),
            [batch @ .., rows, inner] => (Factor { batch: batch.to_vec(), outer: *rows }, *inner),
        };
        let (depth, right) = match b {
            [] => return Err(misfit(a, b)),
            [depth] => (*depth, Factor { batch: vec![], outer: 1 }),
            [batch @ .., depth, cols] => (*depth, Factor { batch: batch.to_vec(), outer: *cols }),
        };
        if inner != depth {
            return Err(misfit(a, b));
        }
        let mut shape = broadcast(&left.batch, &right.batch)?;
        shape.extend((a.len() > 1).then_some(left.outer));
        shape.extend((b.len() > 1).then_some(right.outer));
        Ok(Self { left, right, inner, shape })
    }
}

fn misfit(a: &[usize], b: &[usize]) -> Reason {
    format!("cannot multiply the shapes {a:?} and {b:?}")
}

fn not_linear(factors: &(Value, Value)) -> Reason {
    match factors {
        (Value::Variable(_), Value::Variable(_)) => {
            "multiplies two tensors that depend on the input, which has no Lipschitz constant".to_owned()
        }
        _ => "multiplies two constants, which is not supported yet; fold constants before exporting".to_owned(),
    }
}
