//! Constants out of shapes and bounds. The shape of a tensor is known even where its numbers depend on the input.

use super::affordable;
use super::elementwise::{doubtful, is_nearly_whole};
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor, elements};
use crate::import::onnx::{NodeOutputs, Reason};

/// The dimensions of a tensor, or those from `start` to `end`. A symbolic batch is 1.
pub(in crate::import::onnx) fn shape(call: &mut Call<'_>) -> NodeOutputs {
    let shape = call.take(0)?.shape().to_vec();
    let rank = i64::try_from(shape.len()).unwrap_or(i64::MAX);
    let (mut start, mut end) = (0, rank);
    if call.opset >= 15 {
        start = call.attributes.integer("start", 0)?;
        end = call.attributes.integer("end", rank)?;
    }
    let place = |given: i64| (if given < 0 { given.saturating_add(rank) } else { given }).clamp(0, rank) as usize;
    let dimensions: Vec<i64> =
        shape[place(start).min(place(end))..place(end)].iter().map(|&d| i64::try_from(d).unwrap_or(i64::MAX)).collect();
    Ok(vec![Tensor::integers(vec![dimensions.len()], dimensions).into()])
}

/// The number of entries.
pub(in crate::import::onnx) fn size(call: &mut Call<'_>) -> NodeOutputs {
    let count = elements(call.take(0)?.shape())?;
    Ok(vec![Tensor::integers(vec![], vec![i64::try_from(count).unwrap_or(i64::MAX)]).into()])
}

pub(super) fn constant_of_shape(call: &mut Call<'_>) -> NodeOutputs {
    let shape = call.take_integers(0)?.ok_or("lacks its shape")?;
    let shape: Vec<usize> =
        shape.iter().map(|&d| usize::try_from(d).map_err(|_| negative(d))).collect::<Result<_, _>>()?;
    let count = affordable(&shape)?;
    let value = call.attributes.tensor("value")?;
    let tensor = match value.as_ref().map(|value| &value.data) {
        None => Tensor::floats(shape, vec![0.0; count]),
        Some(Data::Float(data)) if data.len() == 1 => Tensor::floats(shape, vec![data[0]; count]),
        Some(Data::Integer(data)) if data.len() == 1 => Tensor::integers(shape, vec![data[0]; count]),
        Some(_) => return Err("fills with several values where one is needed".to_owned()),
    };
    Ok(vec![tensor.into()])
}

fn negative(d: i64) -> Reason {
    format!("has the dimension {d}; dimensions are never negative")
}

/// start, start + step, … before the limit.
pub(super) fn range(call: &mut Call<'_>) -> NodeOutputs {
    let mut bound = |index| super::elementwise::constant(call, index);
    let (start, limit, step) = (bound(0)?, bound(1)?, bound(2)?);
    let count =
        |length: f64| if length.is_nan() { Err("has the step 0".to_owned()) } else { Ok(length.ceil().max(0.0)) };
    match (&start.data, &limit.data, &step.data) {
        (Data::Float(a), Data::Float(b), Data::Float(s)) => {
            let (&[a], &[b], &[s]) = (a.as_slice(), b.as_slice(), s.as_slice()) else { return Err(several()) };
            let length = (b - a) / s;
            if length.fract() != 0.0 && is_nearly_whole(length) {
                return Err(doubtful());
            }
            call.rough |= [a, b, s].iter().any(|v| v.fract() != 0.0); // implementations add the steps up, or multiply
            let count = affordable(&[count(length)? as usize])?;
            Ok(vec![Tensor::floats(vec![count], (0..count).map(|i| a + i as f64 * s).collect()).into()])
        }
        (Data::Integer(a), Data::Integer(b), Data::Integer(s)) => {
            let (&[a], &[b], &[s]) = (a.as_slice(), b.as_slice(), s.as_slice()) else { return Err(several()) };
            let length = i128::from(b) - i128::from(a);
            let whole = length.checked_div(s.into()).ok_or("has the step 0")?;
            let rest = i128::from(length % i128::from(s) != 0 && whole >= 0 && (length > 0) == (s > 0));
            let count = affordable(&[usize::try_from((whole + rest).max(0)).unwrap_or(usize::MAX)])?;
            let numbers = (0..count as i64).map(|i| a.wrapping_add(i.wrapping_mul(s))).collect(); // all below the limit
            Ok(vec![Tensor::integers(vec![count], numbers).into()])
        }
        _ => Err("mixes integers with floating-point numbers".to_owned()),
    }
}

/// For each index, a line along a new axis that is on at that place and off elsewhere. An index beyond the line is nowhere.
pub(super) fn one_hot(call: &mut Call<'_>) -> NodeOutputs {
    let given = call.attributes.integer("axis", -1)?;
    let mut input = |index| super::elementwise::constant(call, index);
    let (indices, depth, values) = (input(0)?, input(1)?, input(2)?);
    let depth = match depth.whole()?.as_slice() {
        [depth] => usize::try_from(*depth).map_err(|_| format!("has the depth {depth}"))?,
        others => return Err(format!("has {} depths where one is needed", others.len())),
    };
    let axis = super::axis(given, indices.shape.len() + 1)?;
    let shape = [&indices.shape[..axis], &[depth], &indices.shape[axis..]].concat();
    let count = affordable(&shape)?;
    let inner = elements(&shape[axis + 1..])?;
    let numbers = indices.whole()?;
    let is_on = |at: usize| {
        let (outer, place, rest) = (at / (inner * depth), at / inner % depth, at % inner);
        let index = numbers[outer * inner + rest];
        index == place as i64 || index.checked_add_unsigned(depth as u64) == Some(place as i64)
    };
    match &values.data {
        Data::Float(data) => {
            let &[off, on] = data.as_slice() else { return Err(no_pair()) };
            Ok(vec![Tensor::floats(shape, (0..count).map(|at| if is_on(at) { on } else { off }).collect()).into()])
        }
        Data::Integer(data) => {
            let &[off, on] = data.as_slice() else { return Err(no_pair()) };
            Ok(vec![Tensor::integers(shape, (0..count).map(|at| if is_on(at) { on } else { off }).collect()).into()])
        }
    }
}

fn no_pair() -> Reason {
    "needs two values, for off and on".to_owned()
}

fn several() -> Reason {
    "needs one number for start, limit and step".to_owned()
}
