//! Numbers moved, repeated, or made of shapes.

use super::array::{Array, common};
use super::node::{Node, axis};
use super::{Outputs, Reason};
use crate::import::onnx::proto::tensor_proto::DataType;

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    let one = |made: Result<Array, Reason>| made.map(|array| vec![array]);
    Some(match node.operator() {
        "Concat" => one(concat(node)),
        "Constant" => one(constant(node)),
        "ConstantOfShape" => one(constant_of_shape(node)),
        "DepthToSpace" => one(depth_to_space(node)),
        "Expand" => one(expand(node)),
        "Flatten" => one(flatten(node)),
        "Gather" => one(gather(node)),
        "Pad" => one(pad(node)),
        "Range" => one(range(node)),
        "Reshape" => one(reshape(node)),
        "Shape" => one(shape(node)),
        "Size" => one(node.input(0).map(|x| Array { shape: vec![], ..Array::integers(&[x.data.len() as i64]) })),
        "Slice" => one(slice(node)),
        "SpaceToDepth" => one(space_to_depth(node)),
        "Split" => split(node),
        "Squeeze" => one(squeeze(node)),
        "Tile" => one(tile(node)),
        "Transpose" => one(transpose(node)),
        "Unsqueeze" => one(unsqueeze(node)),
        _ => return None,
    })
}

/// The tensor of a shape whose entry at an index is the entry of x at another one.
fn moved(x: &Array, shape: Vec<usize>, from: impl Fn(&[usize]) -> Vec<usize>) -> Array {
    Array::filled(shape, x.kind, |index| x.at(&from(index)))
}

/// An index with one entry replaced.
fn replaced(index: &[usize], axis: usize, entry: usize) -> Vec<usize> {
    let mut index = index.to_vec();
    index[axis] = entry;
    index
}

fn concat(node: &Node<'_>) -> Result<Array, Reason> {
    let first = node.input(0)?;
    let along = axis(node.int("axis", 0), first.shape.len())?;
    let mut parts = Vec::new();
    for index in 0..node.inputs.len() {
        let part = node.input(index)?;
        parts.extend((0..part.shape[along]).map(|i| (part, i)));
    }
    let mut shape = first.shape.clone();
    shape[along] = parts.len();
    Ok(Array::filled(shape, first.kind, |index| {
        let (part, i) = parts[index[along]];
        part.at(&replaced(index, along, i))
    }))
}

fn constant(node: &Node<'_>) -> Result<Array, Reason> {
    if let Some(stored) = node.tensor("value") {
        return stored;
    }
    let float = |shape: Vec<usize>, data: Vec<f64>| Array::new(shape, data, DataType::Float);
    let attribute = node.proto.attribute.first().ok_or("no value")?;
    match attribute.name.as_str() {
        "value_float" => Ok(float(vec![], vec![attribute.f.into()])),
        "value_floats" => Ok(float(vec![attribute.floats.len()], attribute.floats.iter().map(|&v| v.into()).collect())),
        "value_int" => Ok(Array { shape: vec![], ..Array::integers(&[attribute.i]) }),
        "value_ints" => Ok(Array::integers(&attribute.ints)),
        _ => Err("no value of numbers".to_owned()),
    }
}

fn constant_of_shape(node: &Node<'_>) -> Result<Array, Reason> {
    let shape: Vec<usize> = node.integers(0).ok_or("no shape")?.iter().map(|&d| d as usize).collect();
    let (value, kind) = match node.tensor("value") {
        Some(stored) => stored.map(|stored| (stored.data.first().copied().unwrap_or(0.0), stored.kind))?,
        None => (0.0, DataType::Float),
    };
    Ok(Array::filled(shape, kind, |_| value))
}

fn range(node: &Node<'_>) -> Result<Array, Reason> {
    let number = |index: usize| Ok::<f64, Reason>(*node.input(index)?.data.first().ok_or("no number")?);
    let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
    let count = ((limit - start) / step).ceil().max(0.0) as usize;
    let data = (0..count).map(|i| start + i as f64 * step).collect();
    Ok(Array::new(vec![count], data, node.input(0)?.kind))
}

fn shape(node: &Node<'_>) -> Result<Array, Reason> {
    let shape: Vec<i64> = node.input(0)?.shape.iter().map(|&d| d as i64).collect();
    let rank = shape.len() as i64;
    let place = |given: i64| (if given < 0 { given + rank } else { given }).clamp(0, rank) as usize;
    let (start, end) = (place(node.int("start", 0)), place(node.int("end", rank)));
    Ok(Array::integers(&shape[start.min(end)..end]))
}

fn expand(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let shape: Vec<usize> = node.integers(1).ok_or("no shape")?.iter().map(|&d| d as usize).collect();
    Ok(x.spread(&common(&x.shape, &shape)?))
}

fn flatten(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let given = node.int("axis", 1);
    let at = if given < 0 { given + x.shape.len() as i64 } else { given } as usize;
    let rows = x.shape[..at].iter().product();
    x.with_shape(vec![rows, x.shape[at..].iter().product()])
}

fn reshape(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let target = node.integers(1).or_else(|| node.ints("shape")).ok_or("no shape")?;
    let keep = node.int("allowzero", 0) == 0;
    let size = |(place, &d): (usize, &i64)| if d == 0 && keep { x.shape[place] as i64 } else { d };
    let mut shape: Vec<i64> = target.iter().enumerate().map(size).collect();
    let known: i64 = shape.iter().filter(|d| **d != -1).product();
    let open = if known == 0 { 0 } else { x.data.len() as i64 / known };
    shape.iter_mut().filter(|d| **d == -1).for_each(|d| *d = open);
    x.with_shape(shape.into_iter().map(|d| d as usize).collect())
}

fn squeeze(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let gone = match node.ints("axes").or_else(|| node.integers(1)) {
        Some(axes) => axes.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).filter(|&a| x.shape[a] == 1).collect(),
    };
    x.with_shape((0..rank).filter(|a| !gone.contains(a)).map(|a| x.shape[a]).collect())
}

fn unsqueeze(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let axes = node.ints("axes").or_else(|| node.integers(1)).ok_or("no axes")?;
    let rank = x.shape.len() + axes.len();
    let new = axes.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut old = x.shape.iter();
    x.with_shape((0..rank).map(|a| if new.contains(&a) { 1 } else { old.next().copied().unwrap_or(1) }).collect())
}

fn transpose(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let order: Vec<usize> = match node.ints("perm") {
        Some(axes) => axes.into_iter().map(|a| axis(a, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let shape = order.iter().map(|&a| x.shape[a]).collect();
    Ok(moved(x, shape, |index| {
        let mut from = vec![0; rank];
        order.iter().zip(index).for_each(|(&a, &i)| from[a] = i);
        from
    }))
}

fn gather(node: &Node<'_>) -> Result<Array, Reason> {
    let (x, places) = (node.input(0)?, node.input(1)?);
    let along = axis(node.int("axis", 0), x.shape.len())?;
    let size = x.shape[along];
    let wrong = |v: f64| v < -(size as f64) || v >= size as f64;
    if places.data.iter().any(|&v| wrong(v)) {
        return Err("an index beyond the axis".to_owned());
    }
    let shape = [&x.shape[..along], &places.shape, &x.shape[along + 1..]].concat();
    let inner = along + places.shape.len();
    Ok(moved(x, shape, |index| {
        let place = places.at(&index[along..inner]);
        let place = if place < 0.0 { place + size as f64 } else { place } as usize;
        [&index[..along], &[place], &index[inner..]].concat()
    }))
}

fn slice(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let list = |name: &str, index: usize| node.ints(name).or_else(|| node.integers(index));
    let (starts, ends) = (list("starts", 1).ok_or("no starts")?, list("ends", 2).ok_or("no ends")?);
    let axes = list("axes", 3).unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = node.integers(4).unwrap_or_else(|| vec![1; starts.len()]);
    let mut picked: Vec<Vec<usize>> = x.shape.iter().map(|&size| (0..size).collect()).collect();
    for (((start, end), given), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
        let along = axis(given, x.shape.len())?;
        let size = x.shape[along] as i128;
        let from_front = |v: i64| if v < 0 { i128::from(v) + size } else { i128::from(v) };
        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let (mut at, end) = (from_front(start).clamp(low.max(0), high.max(0)), from_front(end).clamp(low, high));
        let step = i128::from(step);
        let mut places = Vec::new();
        while (step > 0 && at < end || step < 0 && at > end) && size > 0 {
            places.push(at as usize);
            at += step;
        }
        picked[along] = places;
    }
    let shape = picked.iter().map(Vec::len).collect();
    Ok(moved(x, shape, |index| index.iter().zip(&picked).map(|(&i, places)| places[i]).collect()))
}

fn split(node: &Node<'_>) -> Outputs {
    let x = node.input(0)?;
    let along = axis(node.int("axis", 0), x.shape.len())?;
    let (size, count) = (x.shape[along], node.proto.output.len());
    let sizes: Vec<usize> = match node.ints("split").or_else(|| node.integers(1)) {
        Some(sizes) => sizes.into_iter().map(|d| d as usize).collect(),
        None => {
            let even = size.div_ceil(count);
            (0..count).map(|part| even.min(size.saturating_sub(part * even))).collect()
        }
    };
    let mut start = 0;
    let mut parts = Vec::new();
    for part in sizes {
        let mut shape = x.shape.clone();
        shape[along] = part;
        parts.push(moved(x, shape, |index| replaced(index, along, index[along] + start)));
        start += part;
    }
    Ok(parts)
}

fn tile(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let repeats = node.integers(1).ok_or("no repeats")?;
    let shape = x.shape.iter().zip(&repeats).map(|(&size, &times)| size * times as usize).collect();
    Ok(moved(x, shape, |index| index.iter().zip(&x.shape).map(|(&i, &size)| i % size).collect()))
}

fn pad(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let pads = node.ints("pads").or_else(|| node.integers(1)).ok_or("no pads")?;
    let axes = match node.integers(3) {
        Some(axes) => axes.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    let value = match node.optional(2) {
        Some(value) => value.data.first().copied().unwrap_or(0.0),
        None => node.float("value", 0.0),
    };
    let (mut before, mut shape) = (vec![0_i64; rank], x.shape.clone());
    for (place, &a) in axes.iter().enumerate() {
        let (left, right) = (pads[place], pads[axes.len() + place]);
        before[a] = left;
        shape[a] = usize::try_from(x.shape[a] as i64 + left + right).map_err(|_| "a negative size")?;
    }
    let mode = node.text("mode", "constant");
    let source = |i: usize, a: usize| -> Option<usize> {
        let (at, size) = (i as i64 - before[a], x.shape[a] as i64);
        let place = match mode.as_str() {
            "edge" => at.clamp(0, size - 1),
            "wrap" => at.rem_euclid(size),
            "reflect" if size > 1 => {
                let period = 2 * (size - 1);
                let folded = at.rem_euclid(period);
                folded.min(period - folded)
            }
            _ => at,
        };
        usize::try_from(place).ok().filter(|&place| place < x.shape[a])
    };
    Ok(Array::filled(shape, x.kind, |index| {
        let from: Option<Vec<usize>> = index.iter().enumerate().map(|(a, &i)| source(i, a)).collect();
        from.map_or(value, |from| x.at(&from))
    }))
}

fn depth_to_space(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let &[n, c, h, w] = x.shape.as_slice() else { return Err("no image".to_owned()) };
    let b = node.int("blocksize", 1) as usize;
    let deep = c / (b * b);
    let rows_first = node.text("mode", "DCR") == "DCR";
    Ok(moved(x, vec![n, deep, h * b, w * b], |index| {
        let (row, column) = (index[2] % b, index[3] % b);
        let channel =
            if rows_first { (row * b + column) * deep + index[1] } else { index[1] * b * b + row * b + column };
        vec![index[0], channel, index[2] / b, index[3] / b]
    }))
}

fn space_to_depth(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let &[n, c, h, w] = x.shape.as_slice() else { return Err("no image".to_owned()) };
    let b = node.int("blocksize", 1) as usize;
    Ok(moved(x, vec![n, c * b * b, h / b, w / b], |index| {
        let (block, channel) = (index[1] / c, index[1] % c);
        vec![index[0], channel, index[2] * b + block / b, index[3] * b + block % b]
    }))
}
