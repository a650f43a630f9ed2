//! Entries picked from constants: Gather, Slice, Concat, Expand, Tile.

use super::elementwise::constant;
use super::{affordable, axis};
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor, broadcast, elements, expand as spread};
use crate::import::onnx::value::Value;
use crate::import::onnx::{NodeOutputs, Reason};

/// The slices of an axis that the indices name.
pub(super) fn gather(call: &mut Call<'_>) -> NodeOutputs {
    let given = call.attributes.integer("axis", 0)?;
    let (tensor, indices) = (constant(call, 0)?, constant(call, 1)?);
    let axis = axis(given, tensor.shape.len())?;
    let size = tensor.shape[axis];
    let places = indices.as_integers()?.iter().map(|&index| super::axis(index, size)).collect::<Result<Vec<_>, _>>();
    let places = places.map_err(|_| format!("names an entry that an axis of size {size} does not have"))?;
    let (outer, inner) = (&tensor.shape[..axis], &tensor.shape[axis + 1..]);
    let shape = [outer, &indices.shape, inner].concat();
    affordable(&shape)?;
    Ok(vec![along(&tensor, axis, &places, shape)?])
}

/// The entries of `places` on one axis, in the given shape.
fn along(tensor: &Tensor, axis: usize, places: &[usize], shape: Vec<usize>) -> Result<Value, Reason> {
    let (outer, inner) = (elements(&tensor.shape[..axis])?, elements(&tensor.shape[axis + 1..])?);
    let size = tensor.shape[axis];
    let sources = (0..outer).flat_map(|o| places.iter().map(move |place| (o * size + place) * inner));
    Ok(match &tensor.data {
        Data::Float(data) => Tensor::floats(shape, sources.flat_map(|at| &data[at..at + inner]).copied().collect()),
        Data::Integer(data) => Tensor::integers(shape, sources.flat_map(|at| &data[at..at + inner]).copied().collect()),
    }
    .into())
}

/// Starts, ends, axes and steps are attributes before operator set 10, without steps, and inputs from then on.
pub(super) fn slice(call: &mut Call<'_>) -> NodeOutputs {
    let tensor = constant(call, 0)?;
    let (starts, ends, axes, steps) = if call.opset < 10 {
        let list = |list: Option<&[i64]>| list.map(<[i64]>::to_vec);
        let starts = list(call.attributes.integers("starts")?);
        (starts, list(call.attributes.integers("ends")?), list(call.attributes.integers("axes")?), None)
    } else {
        (call.take_integers(1)?, call.take_integers(2)?, call.take_integers(3)?, call.take_integers(4)?)
    };
    let (starts, ends) = (starts.ok_or("lacks its starts")?, ends.ok_or("lacks its ends")?);
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("has starts, ends, axes and steps of different lengths".to_owned());
    }
    let mut value = Value::Constant(tensor);
    for (((start, end), given), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
        let Value::Constant(tensor) = &value else { break };
        let axis = axis(given, tensor.shape.len())?;
        let places = places(start, end, step, tensor.shape[axis])?;
        let mut shape = tensor.shape.clone();
        shape[axis] = places.len();
        value = along(tensor, axis, &places, shape)?;
    }
    Ok(vec![value])
}

/// start, start + step, … before the end, on an axis of the given size. Ends beyond the axis mean its ends.
pub(super) fn places(start: i64, end: i64, step: i64, size: usize) -> Result<Vec<usize>, Reason> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let from_front = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (low, high) = if step < 0 { (-1, size - 1) } else { (0, size) };
    let (start, end) = (from_front(start).clamp(low.max(0), high.max(0)), from_front(end).clamp(low, high));
    if step == 0 {
        return Err("has the step 0".to_owned());
    }
    let mut places = Vec::new();
    if size == 0 {
        return Ok(places);
    }
    let mut at = start;
    while (step > 0 && at < end) || (step < 0 && at > end) {
        places.push(usize::try_from(at).map_err(|_| "names a place before the start")?);
        at = at.saturating_add(step);
    }
    Ok(places)
}

pub(super) fn concat(call: &mut Call<'_>) -> NodeOutputs {
    let given = call.attributes.integer("axis", i64::MAX)?;
    let parts = (0..call.inputs.len()).map(|index| constant(call, index)).collect::<Result<Vec<_>, _>>()?;
    let first = parts.first().ok_or("joins nothing")?;
    let axis = axis(given, first.shape.len())?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for part in &parts {
        let fits = part.shape.len() == shape.len() && (0..shape.len()).all(|a| a == axis || part.shape[a] == shape[a]);
        if !fits {
            return Err(format!("joins the shapes {:?} and {:?}", first.shape, part.shape));
        }
        shape[axis] += part.shape[axis];
    }
    let outer = elements(&shape[..axis])?;
    let block = |part: &Tensor, o: usize| {
        let len = part.len().checked_div(outer).unwrap_or(0);
        o * len..(o + 1) * len
    };
    let order = (0..outer).flat_map(|o| parts.iter().map(move |part| (part, o)));
    let joined = match &first.data {
        Data::Float(_) => {
            let mut data = Vec::with_capacity(elements(&shape)?.min(parts.iter().map(|part| part.len()).sum()));
            for (part, o) in order {
                data.extend_from_slice(&part.as_floats()?[block(part, o)]);
            }
            Tensor::floats(shape, data)
        }
        Data::Integer(_) => {
            let mut data = Vec::new();
            for (part, o) in order {
                data.extend_from_slice(&part.as_integers()?[block(part, o)]);
            }
            Tensor::integers(shape, data)
        }
    };
    Ok(vec![joined.into()])
}

/// Repeats by numpy's rules, in both directions: a dimension of 1 in the target keeps what is there.
pub(super) fn expand(call: &mut Call<'_>) -> NodeOutputs {
    let tensor = constant(call, 0)?;
    let target = call.take_integers(1)?.ok_or("lacks its shape")?;
    let target: Vec<usize> = target
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| format!("has the target shape {target:?}")))
        .collect::<Result<_, _>>()?;
    let shape = broadcast(&tensor.shape, &target)?;
    affordable(&shape)?;
    Ok(vec![
        match &tensor.data {
            Data::Float(data) => Tensor::floats(shape.clone(), spread(data, &tensor.shape, &shape)?),
            Data::Integer(data) => Tensor::integers(shape.clone(), spread(data, &tensor.shape, &shape)?),
        }
        .into(),
    ])
}

/// The whole tensor, several times along each axis.
pub(super) fn tile(call: &mut Call<'_>) -> NodeOutputs {
    let mut tensor = constant(call, 0)?;
    let repeats = call.take_integers(1)?.ok_or("lacks its repeats")?;
    if repeats.len() != tensor.shape.len() {
        return Err(format!("repeats the shape {:?} by {repeats:?}", tensor.shape));
    }
    for (axis, &times) in repeats.iter().enumerate() {
        let times = usize::try_from(times).map_err(|_| format!("repeats {times} times"))?;
        let mut shape = tensor.shape.clone();
        let size = shape[axis];
        shape[axis] = size.saturating_mul(times);
        affordable(&shape)?;
        let places: Vec<usize> = (0..shape[axis]).map(|place| place % size.max(1)).collect();
        let Value::Constant(tiled) = along(&tensor, axis, &places, shape)? else { break };
        tensor = tiled;
    }
    Ok(vec![Value::Constant(tensor)])
}
