//! Operators that move no number: the vector stays, its shape changes. They work on constants alike.

use crate::import::Quoted;
use crate::onnx::call::Call;
use crate::onnx::tensor::elements;
use crate::onnx::value::Value;
use crate::onnx::{Lowered, Reason};

pub(super) fn flatten(call: &mut Call<'_>) -> Lowered {
    let value = call.take(0)?;
    let shape = value.shape();
    let axis = call.attributes.integer("axis", 1)?;
    let axis = position(axis, shape.len() + 1, shape.len())?;
    let flat = vec![elements(&shape[..axis])?, elements(&shape[axis..])?];
    relabel(value, flat)
}

/// 0 keeps a dimension (unless allowzero is set), −1 is whatever is left.
pub(super) fn reshape(call: &mut Call<'_>) -> Lowered {
    let value = call.take(0)?;
    let target = call.take_integers(1)?.ok_or("lacks its shape")?;
    let keep_zeros = call.opset >= 14 && call.attributes.flag("allowzero")?;
    let mut shape = Vec::with_capacity(target.len());
    let mut rest = None;
    for (axis, &d) in target.iter().enumerate() {
        shape.push(match d {
            0 if !keep_zeros => *value.shape().get(axis).ok_or("keeps a dimension that is not there")?,
            -1 if rest.replace(axis).is_none() => 1,
            _ => usize::try_from(d).map_err(|_| format!("has the target shape {target:?}"))?,
        });
    }
    if let Some(axis) = rest {
        let others = elements(&shape)?;
        shape[axis] = elements(value.shape())?.checked_div(others).ok_or("leaves a dimension undetermined")?;
    }
    relabel(value, shape)
}

pub(super) fn squeeze(call: &mut Call<'_>) -> Lowered {
    let value = call.take(0)?;
    let shape = value.shape();
    let dropped = match axes(call)? {
        Some(axes) => positions(&axes, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if let Some(axis) = dropped.iter().find(|&&axis| shape[axis] != 1) {
        return Err(format!("drops axis {axis} of the shape {shape:?}, which is not of size 1"));
    }
    let kept = (0..shape.len()).filter(|axis| !dropped.contains(axis)).map(|axis| shape[axis]).collect();
    relabel(value, kept)
}

pub(super) fn unsqueeze(call: &mut Call<'_>) -> Lowered {
    let value = call.take(0)?;
    let axes = axes(call)?.ok_or("lacks its axes")?;
    let rank = value.shape().len() + axes.len();
    let added = positions(&axes, rank)?;
    let mut old = value.shape().iter().copied();
    let shape = (0..rank).map(|axis| if added.contains(&axis) { 1 } else { old.next().unwrap_or(1) }).collect();
    relabel(value, shape)
}

/// Constants are transposed. A tensor that depends on the input may only have axes of size 1 moved past others.
pub(super) fn transpose(call: &mut Call<'_>) -> Lowered {
    let value = call.take(0)?;
    let rank = value.shape().len();
    let axes = match call.attributes.integers("perm")? {
        Some(axes) if axes.len() == rank => positions(axes, rank)?,
        Some(axes) => return Err(format!("has the permutation {axes:?} for the shape {:?}", value.shape())),
        None => (0..rank).rev().collect(),
    };
    match value {
        Value::Constant(tensor) => Ok(vec![tensor.transposed(&axes).into()]),
        Value::Variable(x) => {
            if !axes.iter().filter(|&&axis| x.shape[axis] != 1).is_sorted() {
                return Err("reorders a tensor that depends on the input, which is not supported yet".to_owned());
            }
            let shape = axes.iter().map(|&axis| x.shape[axis]).collect();
            relabel(Value::Variable(x), shape)
        }
    }
}

fn relabel(value: Value, shape: Vec<usize>) -> Lowered {
    Ok(vec![value.reshaped(shape)?])
}

/// The axes of Squeeze and Unsqueeze: an attribute before operator set 13, an input from then on.
fn axes(call: &mut Call<'_>) -> Result<Option<Vec<i64>>, Reason> {
    if call.opset < 13 { Ok(call.attributes.integers("axes")?.map(<[i64]>::to_vec)) } else { call.take_integers(1) }
}

/// Axes counted from the front, each once.
fn positions(axes: &[i64], rank: usize) -> Result<Vec<usize>, Reason> {
    let found: Vec<usize> = axes.iter().map(|&axis| position(axis, rank, rank)).collect::<Result<_, _>>()?;
    let mut sorted = found.clone();
    sorted.sort_unstable();
    if sorted.is_sorted_by(|a, b| a < b) { Ok(found) } else { Err(format!("names an axis twice in {axes:?}")) }
}

/// The place of an axis among `count`, where negative ones count back from `end`.
fn position(axis: i64, count: usize, end: usize) -> Result<usize, Reason> {
    let from_front = if axis < 0 { axis.checked_add_unsigned(end as u64) } else { Some(axis) };
    from_front
        .and_then(|axis| usize::try_from(axis).ok())
        .filter(|&axis| axis < count)
        .ok_or_else(|| format!("names the axis {}, which is not there", Quoted(&axis.to_string())))
}
