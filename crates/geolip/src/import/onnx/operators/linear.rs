//! Gemm and MatMul: one factor constant, the other from the network.
//!
//! Both come down to one matrix applied to several vectors that lie next to or across each other in a tensor ([`Layout`]).
//! With a single vector, the usual case, that is the matrix itself; with several it is a convolution that stops at every
//! vector. Stacks of different matrices are convolutions in groups.

use super::arithmetic::{multiple, term};
use super::convolution::{convolution, of_windows, still};
use super::places::{Places, bounded, gathered, repeated, transposed};
use super::reduction::weighted_sum;
use super::windows::Window;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{LARGEST_EXPANSION, Tensor, broadcast, elements, expand};
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason, fold};
use crate::matrix::Matrix;
use crate::network::{LinearMap, NodeId};

/// Where vectors lie in a tensor of shape `before` × (length of a vector) × `after`.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) before: usize,
    pub(super) after: usize,
}

impl Layout {
    /// The vectors are the rows of a matrix.
    fn rows(count: usize) -> Self {
        Self { before: count, after: 1 }
    }

    /// The vectors are the columns of a matrix.
    fn columns(count: usize) -> Self {
        Self { before: 1, after: count }
    }
}

/// The term that applies `w` to every vector of x, and arranges the results as `to` says.
pub(super) fn each(
    call: &mut Call<'_>,
    x: Variable,
    w: Matrix,
    from: Layout,
    to: Layout,
) -> Result<(NodeId, LinearMap), Reason> {
    if from.before * from.after == 1 {
        return Ok((x.id, LinearMap::Dense(w)));
    }
    let (rows, inner) = (w.rows(), w.cols());
    let shape = if from.before == 1 {
        of_windows((inner, rows, 1), &[still(from.after)])
    } else {
        of_windows((1, rows, 1), &[still(from.before), whole(inner), still(from.after)])
    };
    let map = LinearMap::Convolution(convolution(shape.ok_or("has too many axes")?, w.data().to_vec())?);
    if to.before == 1 || rows == 1 {
        return Ok((x.id, map));
    }
    let places = Places::of(&[rows, to.before, to.after])?.transposed(&[1, 0, 2]);
    let y = call.linear(vec![(x.id, map)], None, vec![rows, to.before, to.after])?;
    call.made += places.sources.len();
    Ok((y.id, places.map()?))
}

/// A window as long as the axis.
fn whole(size: usize) -> Window {
    Window { input: size, output: 1, kernel: size, stride: 1, dilation: 1, before: 0, after: 0 }
}

/// factor times the rows × cols matrix stored in `data` row by row, or column by column.
fn stored(data: &[f64], rows: usize, cols: usize, by_columns: bool, factor: f64) -> Matrix {
    let scaled: Vec<f64> = data.iter().map(|v| factor * v).collect();
    if by_columns { Matrix::from_vec(cols, rows, scaled).transposed() } else { Matrix::from_vec(rows, cols, scaled) }
}

/// alpha·A′·B′ + beta·C, where ′ is an optional transposition.
pub(super) fn gemm(call: &mut Call<'_>) -> NodeOutputs {
    let (a, b) = (call.take(0)?, call.take(1)?);
    let alpha = call.attributes.float("alpha", 1.0)?;
    let beta = call.attributes.float("beta", 1.0)?;
    let (trans_a, trans_b) = (call.attributes.flag("transA")?, call.attributes.flag("transB")?);
    let (rows, inner) = oriented(a.shape(), trans_a)?;
    let (depth, cols) = oriented(b.shape(), trans_b)?;
    if inner != depth {
        return Err(misfit(a.shape(), b.shape()));
    }
    let shape = vec![rows, cols];
    bounded(&shape)?;
    let layout = |by_rows, count| if by_rows { Layout::rows(count) } else { Layout::columns(count) };
    let product = match (a, b) {
        (Value::Variable(x), Value::Constant(b)) => {
            let w = stored(call.weights(1, &b)?, cols, inner, !trans_b, alpha);
            each(call, x, w, layout(!trans_a, rows), Layout::rows(rows))?
        }
        (Value::Constant(a), Value::Variable(x)) => {
            let w = stored(call.weights(0, &a)?, rows, inner, trans_a, alpha);
            each(call, x, w, layout(trans_b, cols), Layout::columns(cols))?
        }
        (Value::Variable(a), Value::Variable(b)) => {
            let a = if trans_a { transposed(call, a, &[1, 0])? } else { a };
            let b = if trans_b { transposed(call, b, &[1, 0])? } else { b };
            let product = of_variables(call, a, b)?;
            (product.id, multiple(alpha, product.len()))
        }
        (Value::Constant(a), Value::Constant(b)) => {
            let (a, b) = (turned(&a, trans_a), turned(&b, trans_b));
            let product = fold::product(call, &a, &b)?.map_floats(|v| alpha * v)?;
            return plus(call, product, beta);
        }
    };
    let mut terms = vec![product];
    let mut bias = None;
    match call.take_optional(2).filter(|_| beta != 0.0) {
        None => {}
        Some(Value::Constant(c)) => {
            let c = expand(call.weights(2, &c)?, &c.shape, &shape)?;
            bias = Some(c.into_iter().map(|c| beta * c).collect());
        }
        Some(Value::Variable(c)) if broadcast(&c.shape, &shape)? == shape => {
            terms.push(term(call, c, beta, &shape)?);
        }
        Some(Value::Variable(c)) => {
            return Err(format!("adds a tensor of shape {:?} to one of {shape:?}", c.shape));
        }
    }
    call.affine(terms, bias, shape)
}

/// A matrix, transposed or not.
fn turned(matrix: &Tensor, transposed: bool) -> Tensor {
    if transposed { matrix.transposed(&[1, 0]) } else { matrix.clone() }
}

/// A constant product plus beta·C.
fn plus(call: &mut Call<'_>, product: Tensor, beta: f64) -> NodeOutputs {
    let shape = product.shape.clone();
    match call.take_optional(2).filter(|_| beta != 0.0) {
        None => Ok(vec![product.into()]),
        Some(Value::Constant(c)) => {
            let c = expand(call.weights(2, &c)?, &c.shape, &shape)?;
            let sums = product.as_floats()?.iter().zip(c).map(|(p, c)| p + beta * c).collect();
            call.rough = true; // fused with the product, or not
            Ok(vec![Tensor::floats(shape, sums).into()])
        }
        Some(Value::Variable(c)) if broadcast(&c.shape, &shape)? == shape => {
            let term = term(call, c, beta, &shape)?;
            call.affine(vec![term], Some(product.as_floats()?.to_vec()), shape)
        }
        Some(Value::Variable(c)) => Err(format!("adds a tensor of shape {:?} to one of {shape:?}", c.shape)),
    }
}

/// Rows and columns of a matrix after an optional transposition.
fn oriented(shape: &[usize], transposed: bool) -> Result<(usize, usize), Reason> {
    match (shape, transposed) {
        (&[rows, cols], false) | (&[cols, rows], true) => Ok((rows, cols)),
        _ => Err(format!("works on matrices, but has an input of shape {shape:?}")),
    }
}

pub(super) fn matmul(call: &mut Call<'_>) -> NodeOutputs {
    match (call.take(0)?, call.take(1)?) {
        (Value::Variable(x), Value::Constant(b)) => times_constant(call, x, &b),
        (Value::Constant(a), Value::Variable(x)) => constant_times(call, &a, x),
        (Value::Variable(a), Value::Variable(b)) => Ok(vec![Value::Variable(of_variables(call, a, b)?)]),
        (Value::Constant(_), Value::Constant(_)) => Err(CONSTANTS.to_owned()),
    }
}

/// A·B, both of which depend on the input: every product by itself, and their sums.
pub(super) fn of_variables(call: &mut Call<'_>, a: Variable, b: Variable) -> Result<Variable, Reason> {
    let Product { left, right, inner, batch, shape } = Product::of(&a.shape, &b.shape)?;
    // [.., rows, cols, inner]
    let all = [&batch[..], &[left.outer, right.outer, inner]].concat();
    bounded(&all)?;
    let rows = Places::of(&a.shape)?.reshaped([&left.batch[..], &[left.outer, 1, inner]].concat())?.expanded(&all)?;
    let matrices = [&right.batch[..], &[inner, right.outer]].concat();
    let last = right.batch.len();
    let order: Vec<usize> = (0..last).chain([last + 1, last]).collect();
    let cols = Places::of(&b.shape)?.reshaped(matrices)?.transposed(&order);
    let cols = cols.reshaped([&right.batch[..], &[1, right.outer, inner]].concat())?.expanded(&all)?;
    let (a, b) = (gathered(call, a, rows)?, gathered(call, b, cols)?);
    let products = call.product(a, b)?;
    let sum = weighted_sum(call, products, &[all.len() - 1], 1.0)?;
    Ok(Variable { shape, ..sum })
}

/// x·B
pub(super) fn times_constant(call: &mut Call<'_>, x: Variable, b: &Tensor) -> NodeOutputs {
    let product = Product::of(&x.shape, &b.shape)?;
    let (rows, inner, cols) = (product.left.outer, product.inner, product.right.outer);
    let w = call.weights(1, b)?;
    if elements(&product.right.batch)? == 1 {
        let w = stored(w, cols, inner, true, 1.0);
        let count = Layout::rows(elements(&product.left.batch)? * rows);
        let term = each(call, x, w, count, count)?;
        return call.affine(vec![term], None, product.shape);
    }
    let (count, w) = product.stacked(w, &product.right, [inner, cols])?;
    let w: Vec<f64> = w.chunks(inner * cols).flat_map(|w| stored(w, cols, inner, true, 1.0).data().to_vec()).collect();
    let x = repeated(call, x, &product.with_batch([rows, inner]))?;
    let shape = of_windows((count, count * cols, count), &[still(rows), whole(inner)]).ok_or("has too many axes")?;
    let map = LinearMap::Convolution(convolution(shape, w)?);
    let y = call.linear(vec![(x.id, map)], None, vec![count, cols, rows])?;
    let places = Places::of(&y.shape)?.transposed(&[0, 2, 1]).reshaped(product.shape)?;
    Ok(vec![Value::Variable(gathered(call, y, places)?)])
}

/// A·x
fn constant_times(call: &mut Call<'_>, a: &Tensor, x: Variable) -> NodeOutputs {
    let product = Product::of(&a.shape, &x.shape)?;
    let (rows, inner, cols) = (product.left.outer, product.inner, product.right.outer);
    let w = call.weights(0, a)?;
    if elements(&product.left.batch)? == 1 {
        let w = stored(w, rows, inner, false, 1.0);
        let layout = Layout { before: elements(&product.right.batch)?, after: cols };
        let term = each(call, x, w, layout, layout)?;
        return call.affine(vec![term], None, product.shape);
    }
    let (count, w) = product.stacked(w, &product.left, [rows, inner])?;
    let column = product.right.batch.iter().copied().chain([inner, cols]).collect();
    let x = Variable { shape: column, ..x }; // a vector is a column
    let x = repeated(call, x, &product.with_batch([inner, cols]))?;
    let shape = of_windows((count * inner, count * rows, count), &[still(cols)]).ok_or("has too many axes")?;
    let map = LinearMap::Convolution(convolution(shape, w)?);
    call.affine(vec![(x.id, map)], None, product.shape)
}

/// The shapes of a matrix product by numpy's rules.
struct Product {
    left: Factor,
    right: Factor,
    inner: usize,
    /// The dimensions of the result that count matrices.
    batch: Vec<usize>,
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
        let batch = broadcast(&left.batch, &right.batch)?;
        let mut shape = batch.clone();
        shape.extend((a.len() > 1).then_some(left.outer));
        shape.extend((b.len() > 1).then_some(right.outer));
        Ok(Self { left, right, inner, batch, shape })
    }

    /// The shape of a factor with a matrix for every matrix of the result.
    fn with_batch(&self, matrix: [usize; 2]) -> Vec<usize> {
        [&self.batch, &matrix[..]].concat()
    }

    /// The number of matrices of the result, and the weights of a factor repeated for each of them.
    fn stacked(&self, w: &[f64], factor: &Factor, matrix: [usize; 2]) -> Result<(usize, Vec<f64>), Reason> {
        let from = [&factor.batch, &matrix[..]].concat();
        let shape = self.with_batch(matrix);
        let (count, numbers) = (elements(&self.batch)?, elements(&shape)?);
        if numbers == 0 || numbers > LARGEST_EXPANSION {
            return Err(format!("multiplies by {count} matrices of {matrix:?}, which is empty or too large"));
        }
        Ok((count, expand(w, &from, &shape)?))
    }
}

fn misfit(a: &[usize], b: &[usize]) -> Reason {
    format!("cannot multiply the shapes {a:?} and {b:?}")
}

const CONSTANTS: &str = "multiplies two constants, which is not supported yet; fold constants before exporting";
