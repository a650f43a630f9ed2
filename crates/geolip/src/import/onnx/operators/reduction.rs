//! ReduceSum, ReduceMean, ReduceMax, ReduceMin, and what is made of sums: norms, sums of squares, logarithms of sums.
//!
//! Sums over neighbouring axes are convolutions whose kernel is as long as these axes; other axes are brought together
//! first. Maxima and minima are trees ([`super::trees`]).

use super::axes::{listed, positions};
use super::convolution::{convolution, of_windows, still};
use super::maximum::{largest, smallest};
use super::places::{Places, transposed};
use super::smooth::power;
use super::trees::Groups;
use super::windows::Window;
use crate::import::onnx::call::Call;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::{Activation, LinearMap};

pub(super) fn reduce_sum(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 13, |call, x, axes| weighted_sum(call, x, axes, 1.0))
}

pub(super) fn reduce_mean(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 18, mean)
}

pub(super) fn reduce_max(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 18, |call, x, axes| extreme(call, x, axes, largest))
}

pub(super) fn reduce_min(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 18, |call, x, axes| extreme(call, x, axes, smallest))
}

/// Σ|x|
pub(super) fn reduce_l1(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 18, |call, x, axes| {
        let sizes = call.function(x, Activation::Abs)?;
        weighted_sum(call, sizes, axes, 1.0)
    })
}

pub(super) fn reduce_l2(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 18, length)
}

pub(super) fn reduce_sum_square(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 18, sum_of_squares)
}

pub(super) fn reduce_log_sum(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 18, |call, x, axes| {
        let sum = weighted_sum(call, x, axes, 1.0)?;
        call.function(sum, Activation::Log)
    })
}

/// √Σx² over axes, which keep size 1.
pub(super) fn length(call: &mut Call<'_>, x: Variable, axes: &[usize]) -> Result<Variable, Reason> {
    let sum = sum_of_squares(call, x, axes)?;
    power(call, sum, 0.5)
}

fn sum_of_squares(call: &mut Call<'_>, x: Variable, axes: &[usize]) -> Result<Variable, Reason> {
    let squares = call.product(x.clone(), x)?;
    weighted_sum(call, squares, axes, 1.0)
}

/// Reads the axes, an input from operator set `since` on, and shapes what `reduce` gives, in which they have size 1.
pub(super) fn reduced(
    call: &mut Call<'_>,
    since: i64,
    reduce: impl FnOnce(&mut Call<'_>, Variable, &[usize]) -> Result<Variable, Reason>,
) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let rank = x.shape.len();
    let axes = listed(call, since)?.filter(|axes| !axes.is_empty());
    let keep = call.attributes.integer("keepdims", 1)? != 0;
    let still = call.opset >= since && call.attributes.flag("noop_with_empty_axes")?;
    let mut axes = match axes {
        Some(axes) => positions(&axes, rank)?,
        // what surrounds a sum is done all the same: |x|, x², log x
        None if still => vec![],
        None => (0..rank).collect(),
    };
    axes.sort_unstable();
    if x.shape.contains(&0) {
        return Err("works on a tensor without entries".to_owned());
    }
    let y = reduce(call, x, &axes)?;
    let kept = (0..rank).filter(|axis| keep || !axes.contains(axis)).map(|axis| y.shape[axis]).collect();
    Ok(vec![Value::Variable(Variable { shape: kept, ..y })])
}

/// The mean over axes, which keep size 1.
pub(super) fn mean(call: &mut Call<'_>, x: Variable, axes: &[usize]) -> Result<Variable, Reason> {
    let count: usize = axes.iter().map(|&axis| x.shape[axis]).product();
    weighted_sum(call, x, axes, 1.0 / count as f64)
}

/// `weight` times the sum over axes in increasing order, which keep size 1.
pub(super) fn weighted_sum(call: &mut Call<'_>, x: Variable, axes: &[usize], weight: f64) -> Result<Variable, Reason> {
    let shape = without(&x.shape, axes);
    let axes: Vec<usize> = axes.iter().copied().filter(|&axis| x.shape[axis] > 1).collect();
    let (Some(&first), Some(&last)) = (axes.first(), axes.last()) else {
        return Ok(Variable { shape, ..x }); // of one entry each, whose weight is 1
    };
    let between = (first..=last).filter(|axis| x.shape[*axis] > 1).count();
    if between > axes.len() {
        let order = together(x.shape.len(), &axes);
        let x = transposed(call, x, &order)?;
        let moved: Vec<usize> = (x.shape.len() - axes.len()..x.shape.len()).collect();
        let y = weighted_sum(call, x, &moved, weight)?;
        return Ok(Variable { shape, ..y });
    }
    let size = |axes: &[usize]| axes.iter().product::<usize>();
    let (before, count, after) = (size(&x.shape[..first]), size(&x.shape[first..=last]), size(&x.shape[last + 1..]));
    let whole = Window { input: count, output: 1, kernel: count, stride: 1, dilation: 1, before: 0, after: 0 };
    let sum = of_windows((1, 1, 1), &[still(before), whole, still(after)]).ok_or("has too many axes")?;
    let map = LinearMap::Convolution(convolution(sum, vec![weight; count])?);
    call.linear(vec![(x.id, map)], None, shape)
}

/// The shape with size 1 at the given axes.
pub(super) fn without(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    shape.iter().enumerate().map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect()
}

/// All axes, the given ones last.
pub(super) fn together(rank: usize, axes: &[usize]) -> Vec<usize> {
    (0..rank).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).collect()
}

type Tree = fn(&mut Call<'_>, Variable, Groups, Vec<usize>) -> Result<Variable, Reason>;

/// The largest or smallest entry over axes, which keep size 1.
fn extreme(call: &mut Call<'_>, x: Variable, axes: &[usize], tree: Tree) -> Result<Variable, Reason> {
    let order = Places::of(&x.shape)?.transposed(&together(x.shape.len(), axes));
    let entries = order.sources.into_iter().flatten().collect();
    let count = axes.iter().map(|&axis| x.shape[axis]).product();
    let shape = without(&x.shape, axes);
    tree(call, x, Groups::of_size(count, entries), shape)
}
