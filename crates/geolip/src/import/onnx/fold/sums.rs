//! Many numbers into one: products of matrices, sums and other reductions over axes.

use super::elementwise::{DOUBT, constant};
use super::{affordable, axis};
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor, broadcast, elements, expand};
use crate::import::onnx::types::rounded;
use crate::import::onnx::{NodeOutputs, Reason};
use crate::matrix::{Matrix, Store, multiply};

/// The products of the last two axes, the axes before spread over each other by numpy's rules.
pub(super) fn matmul(call: &mut Call<'_>) -> NodeOutputs {
    let (a, b) = (constant(call, 0)?, constant(call, 1)?);
    Ok(vec![product(call, &a, &b)?.into()])
}

/// The product of two stacks of matrices; a vector is a row on the left, a column on the right.
pub(in crate::import::onnx) fn product(call: &mut Call<'_>, a: &Tensor, b: &Tensor) -> Result<Tensor, Reason> {
    let misfit = || format!("cannot multiply the shapes {:?} and {:?}", a.shape, b.shape);
    let (before_a, rows, inner) = match a.shape.as_slice() {
        [] => return Err(misfit()),
        &[inner] => (&[][..], 1, inner),
        [before @ .., rows, inner] => (before, *rows, *inner),
    };
    let (before_b, depth, cols) = match b.shape.as_slice() {
        [] => return Err(misfit()),
        &[depth] => (&[][..], depth, 1),
        [before @ .., depth, cols] => (before, *depth, *cols),
    };
    if inner != depth {
        return Err(misfit());
    }
    let batch = broadcast(before_a, before_b)?;
    let mut shape = batch.clone();
    shape.extend((a.shape.len() > 1).then_some(rows));
    shape.extend((b.shape.len() > 1).then_some(cols));
    affordable(&shape)?;
    if elements(&shape)? == 0 || inner == 0 {
        return Ok(Tensor::floats(shape.clone(), vec![0.0; elements(&shape)?]));
    }
    let spread = |tensor: &Tensor, before: &[usize], matrix: [usize; 2]| {
        expand(tensor.as_floats()?, &[before, &matrix].concat(), &[&batch[..], &matrix].concat())
    };
    let (p, q) = (spread(a, before_a, [rows, inner])?, spread(b, before_b, [inner, cols])?);
    let mut products = Vec::with_capacity(elements(&shape)?);
    for (p, q) in p.chunks(rows * inner).zip(q.chunks(inner * cols)) {
        let (p, q) = (Matrix::from_vec(rows, inner, p.to_vec()), Matrix::from_vec(inner, cols, q.to_vec()));
        products.extend_from_slice(matrices(call, &p, &q)?.data());
    }
    Ok(Tensor::floats(shape, products))
}

/// The product of two matrices.
fn matrices(call: &mut Call<'_>, p: &Matrix, q: &Matrix) -> Result<Matrix, Reason> {
    let (rows, inner, cols) = (p.rows(), p.cols(), q.cols());
    let mut product = Matrix::zeros(rows, cols);
    multiply(&mut product, Store::Replace, 1.0, p.view(), q.view());
    if let Some(element_type) = call.element_type {
        let in_order = |i: usize, j: usize| {
            (0..inner).fold(0.0, |sum, t| rounded(sum + rounded(p.at(i, t) * q.at(t, j), element_type), element_type))
        };
        let size = |i: usize, j: usize| (0..inner).map(|t| (p.at(i, t) * q.at(t, j)).abs()).sum::<f64>();
        for i in 0..rows {
            for j in 0..cols {
                expect_near(call, product.at(i, j), in_order(i, j), size(i, j))?;
            }
        }
    }
    Ok(product)
}

/// A reduction: what it starts from, what it does with a number, and what it does in the end with the count.
pub(super) struct Reduction {
    start: f64,
    step: fn(f64, f64) -> f64,
    finish: fn(f64, usize) -> f64,
    /// On integers, where it has a meaning.
    integers: Option<fn(i64, i64) -> Option<i64>>,
}

const fn reduction(start: f64, step: fn(f64, f64) -> f64, integers: Option<fn(i64, i64) -> Option<i64>>) -> Reduction {
    Reduction { start, step, finish: |v, _| v, integers }
}

pub(super) const SUM: Reduction = reduction(0.0, |s, v| s + v, Some(i64::checked_add));
pub(super) const PRODUCT: Reduction = reduction(1.0, |s, v| s * v, Some(i64::checked_mul));
pub(super) const MAX: Reduction = reduction(f64::NEG_INFINITY, f64::max, Some(|a, b| Some(a.max(b))));
pub(super) const MIN: Reduction = reduction(f64::INFINITY, f64::min, Some(|a, b| Some(a.min(b))));
pub(super) const SQUARES: Reduction = reduction(0.0, |s, v| s + v * v, None);
pub(super) const L2: Reduction = Reduction { finish: |v, _| v.sqrt(), ..SQUARES };
pub(super) const MEAN: Reduction = Reduction { finish: |v, count| v / count as f64, integers: None, ..SUM };

/// Axes are an attribute or, from operator set 13 (ReduceSum) or 18 on, an input; none means all of them.
pub(super) fn reduce(call: &mut Call<'_>, reduction: &Reduction) -> NodeOutputs {
    let tensor = constant(call, 0)?;
    tensor.expect_numbers()?;
    let given = match call.attributes.integers("axes")? {
        Some(axes) => Some(axes.to_vec()),
        None => call.take_integers(1)?,
    };
    let keep = call.attributes.integer("keepdims", 1)? != 0;
    let nothing = call.attributes.integer("noop_with_empty_axes", 0)? != 0;
    let rank = tensor.shape.len();
    let axes = match given.filter(|axes| !axes.is_empty()) {
        Some(axes) => axes.into_iter().map(|given| axis(given, rank)).collect::<Result<Vec<_>, _>>()?,
        None if nothing => return Err("has no axes, which is not supported here".to_owned()),
        None => (0..rank).collect(),
    };
    let shape: Vec<usize> = (0..rank).map(|a| if axes.contains(&a) { 1 } else { tensor.shape[a] }).collect();
    let places = places(&tensor.shape, &shape)?;
    let count = elements(&shape)?;
    let reduced = match &tensor.data {
        Data::Float(data) => {
            let per_sum = tensor.len().checked_div(count).unwrap_or(0);
            let all = |round: &dyn Fn(f64) -> f64| -> Vec<f64> {
                let mut sums = vec![reduction.start; count];
                places.iter().zip(data).for_each(|(&at, &v)| sums[at] = round((reduction.step)(sums[at], v)));
                sums.into_iter().map(|sum| round((reduction.finish)(sum, per_sum))).collect()
            };
            let sums = all(&|v| v);
            if let Some(element_type) = call.element_type {
                let in_order = all(&|v| rounded(v, element_type));
                for (&exact, &stepwise) in sums.iter().zip(&in_order) {
                    expect_near(call, exact, stepwise, exact.abs())?;
                }
            }
            Tensor::floats(shape, sums)
        }
        Data::Integer(data) => {
            let step = reduction.integers.ok_or("reduces integers, which is not supported here")?;
            let mut sums: Vec<Option<i64>> = vec![None; count];
            for (&at, &v) in places.iter().zip(data) {
                sums[at] = Some(sums[at].map_or(Some(v), |sum| step(sum, v)).ok_or("overflows")?);
            }
            let empty = (reduction.start == 0.0 || reduction.start == 1.0).then_some(reduction.start as i64);
            let sums: Option<Vec<i64>> = sums.into_iter().map(|sum| sum.or(empty)).collect();
            Tensor::integers(shape, sums.ok_or("reduces an axis without entries")?)
        }
    };
    let kept = (0..rank).filter(|a| keep || !axes.contains(a)).map(|a| reduced.shape[a]).collect();
    Ok(vec![reduced.reshaped(kept).into()])
}

/// A sum in double precision beside the one in order that is rounded step by step, of terms of that size: they have to be near,
/// and where they are not the same the sum is rough.
fn expect_near(call: &mut Call<'_>, exact: f64, stepwise: f64, size: f64) -> Result<(), Reason> {
    if exact == stepwise {
        return Ok(());
    }
    call.rough = true;
    let near = (exact - stepwise).abs() <= DOUBT * exact.abs().max(1e-3 * size);
    if near {
        Ok(())
    } else {
        Err("adds up numbers that cancel or overflow, which implementations do differently".to_owned())
    }
}

/// For every entry of a tensor, the place in the reduced one, whose shape has a 1 for every axis that is summed over.
fn places(from: &[usize], to: &[usize]) -> Result<Vec<usize>, Reason> {
    let mut places = vec![0_usize; elements(from)?.min(1)];
    for (&size, &kept) in from.iter().zip(to) {
        let step = |i: usize| if kept == 1 { 0 } else { i };
        places = places.iter().flat_map(|place| (0..size).map(move |i| place * kept + step(i))).collect();
    }
    Ok(places)
}
