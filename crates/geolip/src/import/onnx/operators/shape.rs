//! Operators that move no number: the vector stays, its shape changes. They work on constants alike.

use super::axes::{self, position, positions};
use crate::import::onnx::NodeOutputs;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::elements;
use crate::import::onnx::value::Value;

pub(super) fn flatten(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let shape = value.shape();
    let axis = call.attributes.integer("axis", 1)?;
    let axis = position(axis, shape.len() + 1, shape.len())?;
    let flat = vec![elements(&shape[..axis])?, elements(&shape[axis..])?];
    relabel(value, flat)
}

/// 0 keeps a dimension (unless allowzero is set), −1 is whatever is left.
pub(super) fn reshape(call: &mut Call<'_>) -> NodeOutputs {
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

pub(super) fn squeeze(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let shape = value.shape();
    let dropped = match axes::listed(call, 13)? {
        Some(axes) => positions(&axes, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if let Some(axis) = dropped.iter().find(|&&axis| shape[axis] != 1) {
        return Err(format!("drops axis {axis} of the shape {shape:?}, which is not of size 1"));
    }
    let kept = (0..shape.len()).filter(|axis| !dropped.contains(axis)).map(|axis| shape[axis]).collect();
    relabel(value, kept)
}

pub(super) fn unsqueeze(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let axes = axes::listed(call, 13)?.ok_or("lacks its axes")?;
    let rank = value.shape().len() + axes.len();
    let added = positions(&axes, rank)?;
    let mut old = value.shape().iter().copied();
    let shape = (0..rank).map(|axis| if added.contains(&axis) { 1 } else { old.next().unwrap_or(1) }).collect();
    relabel(value, shape)
}

fn relabel(value: Value, shape: Vec<usize>) -> NodeOutputs {
    Ok(vec![value.reshaped(shape)?])
}
