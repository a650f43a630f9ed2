//! Operators that move numbers and change none: each arranges [`Places`] and becomes one gather. They work on constants
//! alike. Padding is in [`super::pad`].

use super::assembly::{Part, assembled};
use super::axes::{counted, positions, single};
use super::places::{Places, moved};
use crate::import::Quoted;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::broadcast;
use crate::import::onnx::value::Value;
use crate::import::onnx::{NodeOutputs, Reason};
use std::ops::Range;

pub(super) fn transpose(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let rank = value.shape().len();
    let axes = match call.attributes.integers("perm")? {
        Some(axes) if axes.len() == rank => positions(axes, rank)?,
        Some(axes) => return Err(format!("has the permutation {axes:?} for the shape {:?}", value.shape())),
        None => (0..rank).rev().collect(),
    };
    match value {
        Value::Constant(tensor) => Ok(vec![tensor.transposed(&axes).into()]),
        value @ Value::Variable(_) => arranged(call, value, |places| Ok(places.transposed(&axes))),
    }
}

/// Moves a tensor as `arrange` moves its places.
fn arranged(call: &mut Call<'_>, value: Value, arrange: impl FnOnce(Places) -> Result<Places, Reason>) -> NodeOutputs {
    let places = arrange(Places::of(value.shape())?)?;
    Ok(vec![moved(call, value, places)?])
}

/// The bounds are attributes before operator set 10 and inputs from then on.
pub(super) fn slice(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let shape = value.shape().to_vec();
    let [starts, ends, axes, steps] = if call.opset < 10 {
        let mut list = |name| Ok::<_, Reason>(call.attributes.integers(name)?.map(<[i64]>::to_vec));
        [list("starts")?, list("ends")?, list("axes")?, None]
    } else {
        [call.take_integers(1)?, call.take_integers(2)?, call.take_integers(3)?, call.take_integers(4)?]
    };
    let (starts, ends) = (starts.ok_or("lacks its starts")?, ends.ok_or("lacks its ends")?);
    let axes = match axes {
        Some(axes) => positions(&axes, shape.len())?,
        None => (0..starts.len().min(shape.len())).collect(),
    };
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("does not name one start, end, axis and step for every axis it cuts".to_owned());
    }
    arranged(call, value, |mut places| {
        for (i, &axis) in axes.iter().enumerate() {
            let (first, count) = range(shape[axis], starts[i], ends[i], steps[i])?;
            let pick = |at: usize| usize::try_from(first + at as i128 * i128::from(steps[i])).ok();
            places = places.picked(axis, count, pick)?;
        }
        Ok(places)
    })
}

/// The first index and the number of indices of start:end:step on an axis. What lies outside is moved to the nearest end.
fn range(size: usize, start: i64, end: i64, step: i64) -> Result<(i128, usize), Reason> {
    if size == 0 {
        return Ok((0, 0));
    }
    let (size, step) = (size as i128, i128::from(step));
    let from_front = |at: i64| i128::from(at) + if at < 0 { size } else { 0 };
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let (first, end) = (from_front(start).clamp(0, high), from_front(end).clamp(low, high));
    let count = match step {
        0 => return Err("slices with step 0".to_owned()),
        1.. => (end - first + step - 1) / step,
        _ => (first - end - step - 1) / -step,
    };
    Ok((first, usize::try_from(count).unwrap_or(0)))
}

/// Without sizes the parts are equal: before operator set 18 exactly, from then on but for a smaller last one.
pub(super) fn split(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let axis = single(call, 0, value.shape().len())?;
    let size = value.shape()[axis];
    let outputs = call.outputs.max(1);
    let sizes =
        if call.opset < 13 { call.attributes.integers("split")?.map(<[i64]>::to_vec) } else { call.take_integers(1)? };
    let parts = if call.opset < 18 { 0 } else { call.attributes.integer("num_outputs", 0)? };
    let parts = match (sizes, usize::try_from(parts).ok()) {
        (Some(sizes), Some(0)) => listed_parts(&sizes, size)?,
        (None, Some(0)) if size.is_multiple_of(outputs) => equal_parts(size, outputs),
        (None, Some(parts)) if parts == outputs => equal_parts(size, parts),
        _ => return Err(format!("does not say how {size} entries become {outputs} parts")),
    };
    if parts.len() != outputs {
        return Err(format!("gives {} parts for {outputs} outputs", parts.len()));
    }
    let mut outputs = Vec::with_capacity(parts.len());
    for part in parts {
        let places = Places::of(value.shape())?.picked(axis, part.len(), |i| Some(part.start + i))?;
        outputs.push(moved(call, value.clone(), places)?);
    }
    Ok(outputs)
}

/// Parts of the given sizes, which add up.
fn listed_parts(sizes: &[i64], whole: usize) -> Result<Vec<Range<usize>>, Reason> {
    let mut start = 0_usize;
    let mut parts = Vec::with_capacity(sizes.len());
    for size in sizes {
        let end = usize::try_from(*size).ok().and_then(|size| start.checked_add(size));
        let end = end.filter(|end| *end <= whole);
        parts.push(start..end.ok_or_else(|| format!("splits {whole} entries into parts of {sizes:?}"))?);
        start = parts.last().map_or(0, |part| part.end);
    }
    if start == whole { Ok(parts) } else { Err(format!("splits {whole} entries into parts of {sizes:?}")) }
}

/// `count` parts of equal size, the last ones smaller where they do not go into the whole.
fn equal_parts(whole: usize, count: usize) -> Vec<Range<usize>> {
    let size = whole.div_ceil(count);
    (0..count).map(|i| (i * size).min(whole)..((i + 1) * size).min(whole)).collect()
}

/// Every tensor is put in its place among zeros, and the results are added up; constants become the bias.
pub(super) fn concat(call: &mut Call<'_>) -> NodeOutputs {
    let values: Vec<Value> = (0..call.inputs.len()).map(|index| call.take(index)).collect::<Result<_, _>>()?;
    let mut shape = values.first().ok_or("has no inputs")?.shape().to_vec();
    let axis = single(call, i64::MAX, shape.len())?;
    for value in &values[1..] {
        let fits = value.shape().len() == shape.len()
            && (0..shape.len()).all(|other| other == axis || value.shape()[other] == shape[other]);
        if !fits {
            return Err(format!("cannot join the shapes {shape:?} and {:?} along axis {axis}", value.shape()));
        }
        shape[axis] = shape[axis].saturating_add(value.shape()[axis]);
    }
    let (mut parts, mut start) = (vec![], 0);
    for (input, value) in values.into_iter().enumerate().filter(|(_, value)| !value.shape().contains(&0)) {
        let places = Places::of(value.shape())?.picked(axis, shape[axis], |i| i.checked_sub(start))?;
        start += value.shape()[axis];
        parts.push(Part { input, value, places });
    }
    assembled(call, parts, shape)
}

/// The indices are constant; negative ones count back from the end.
pub(super) fn gather(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let indices = call.take_constant(1)?.ok_or("lacks its indices")?;
    let axis = single(call, 0, value.shape().len())?;
    let size = value.shape()[axis];
    let numbers = indices.as_integers().map_err(|reason| format!("its indices: {reason}"))?;
    let place = |&at: &i64| counted(at, size).filter(|at| *at < size);
    let picks: Vec<usize> = numbers
        .iter()
        .map(|at| place(at).ok_or_else(|| format!("picks index {at} of an axis of size {size}")))
        .collect::<Result<_, _>>()?;
    let shape = [&value.shape()[..axis], &indices.shape, &value.shape()[axis + 1..]].concat();
    arranged(call, value, |places| places.picked(axis, picks.len(), |i| Some(picks[i]))?.reshaped(shape))
}

pub(super) fn expand_to(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let target = call.take_integers(1)?.ok_or("lacks its shape")?;
    let target = sizes(&target).ok_or_else(|| format!("has the target shape {target:?}"))?;
    let shape = broadcast(value.shape(), &target)?;
    arranged(call, value, |places| places.expanded(&shape))
}

pub(super) fn tile(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let repeats = call.take_integers(1)?.ok_or("lacks its repeats")?;
    let shape = value.shape().to_vec();
    let counts = sizes(&repeats).filter(|counts| counts.len() == shape.len());
    let counts = counts.ok_or_else(|| format!("repeats the shape {shape:?} by {repeats:?}"))?;
    arranged(call, value, |mut places| {
        for (axis, count) in counts.into_iter().enumerate() {
            let size = shape[axis];
            places = places.picked(axis, size.saturating_mul(count), |i| Some(i % size))?;
        }
        Ok(places)
    })
}

/// None negative.
fn sizes(integers: &[i64]) -> Option<Vec<usize>> {
    integers.iter().map(|&d| usize::try_from(d).ok()).collect()
}

pub(super) fn depth_to_space(call: &mut Call<'_>) -> NodeOutputs {
    let (value, [n, c, h, w], block) = image(call)?;
    let mode = if call.opset < 11 { "DCR".to_owned() } else { call.attributes.text("mode", "DCR")? };
    let depth = c / (block * block);
    let (split, axes) = match mode.as_str() {
        "DCR" => (vec![n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => (vec![n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(format!("has mode = {}; 'DCR' and 'CRD' are defined", Quoted(other))),
    };
    if !c.is_multiple_of(block * block) {
        return Err(format!("cannot turn {c} channels into blocks of {block} by {block}"));
    }
    let shape = vec![n, depth, h.saturating_mul(block), w.saturating_mul(block)];
    arranged(call, value, |places| places.reshaped(split)?.transposed(&axes).reshaped(shape))
}

pub(super) fn space_to_depth(call: &mut Call<'_>) -> NodeOutputs {
    let (value, [n, c, h, w], block) = image(call)?;
    if !h.is_multiple_of(block) || !w.is_multiple_of(block) {
        return Err(format!("cannot cut an image of {h} by {w} into blocks of {block} by {block}"));
    }
    let (high, wide) = (h / block, w / block);
    let shape = vec![n, c.saturating_mul(block * block), high, wide];
    arranged(call, value, |places| {
        let blocks = places.reshaped(vec![n, c, high, block, wide, block])?;
        blocks.transposed(&[0, 3, 5, 1, 2, 4]).reshaped(shape)
    })
}

/// A batch of images, their dimensions, and the size of a block.
fn image(call: &mut Call<'_>) -> Result<(Value, [usize; 4], usize), Reason> {
    let value = call.take(0)?;
    let shape = <[usize; 4]>::try_from(value.shape())
        .map_err(|_| format!("works on images, but has an input of shape {:?}", value.shape()))?;
    let block = call.attributes.integer("blocksize", 0)?;
    let block = usize::try_from(block).ok().filter(|block| (1..1 << 16).contains(block));
    Ok((value, shape, block.ok_or("lacks a block size that makes sense")?))
}
