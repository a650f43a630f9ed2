//! Trilu, CumSum and EyeLike: what is above or below a diagonal.

use super::axes::position;
use super::linear::{Layout, each};
use super::places::{Places, bounded, moved};
use crate::import::onnx::call::Call;
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::tensor::{Data, Tensor, elements, is_float};
use crate::import::onnx::types::rounded;
use crate::import::onnx::value::Value;
use crate::import::onnx::{NodeOutputs, Reason};
use crate::matrix::Matrix;

/// The entries on and above a diagonal of the last two axes, or on and below it; zeros for the rest.
pub(super) fn trilu(call: &mut Call<'_>) -> NodeOutputs {
    let upper = call.attributes.integer("upper", 1)? != 0;
    let value = call.take(0)?;
    let diagonal = call.take_integers(1)?.map_or(Ok(0), |k| one(&k))?;
    let &[.., rows, cols] = value.shape() else {
        return Err(format!("works on matrices, but has an input of shape {:?}", value.shape()));
    };
    let mut places = Places::of(value.shape())?;
    for (at, source) in places.sources.iter_mut().enumerate() {
        let (row, column) = (at / cols % rows, at % cols);
        let above = column as i128 - row as i128 - i128::from(diagonal);
        *source = source.filter(|_| if upper { above >= 0 } else { above <= 0 });
    }
    Ok(vec![moved(call, value, places)?])
}

/// Sums along an axis up to each entry, with the entry or without it, from the front or from the end.
pub(super) fn cum_sum(call: &mut Call<'_>) -> NodeOutputs {
    let (exclusive, reverse) = (call.attributes.flag("exclusive")?, call.attributes.flag("reverse")?);
    let value = call.take(0)?;
    let axis = one(&call.take_integers(1)?.ok_or("lacks its axis")?)?;
    let shape = value.shape().to_vec();
    let axis = position(axis, shape.len(), shape.len())?;
    let size = shape[axis];
    let (before, after) = (elements(&shape[..axis])?, elements(&shape[axis + 1..])?);
    match value {
        Value::Variable(x) => {
            bounded(&[size, size])?;
            let counts = |i: usize, j: usize| {
                let earlier = if reverse { j > i } else { j < i };
                earlier || (!exclusive && i == j)
            };
            let triangle = Matrix::from_fn(size, size, |i, j| if counts(i, j) { 1.0 } else { 0.0 });
            let layout = Layout { before, after };
            let term = each(call, x, triangle, layout, layout)?;
            call.affine(vec![term], None, shape)
        }
        Value::Constant(tensor) => {
            let steps = |at: usize| if reverse { size - 1 - at } else { at };
            let mut order = Vec::with_capacity(tensor.len());
            for outer in 0..before {
                for inner in 0..after {
                    order.push((0..size).map(move |at| (outer * size + steps(at)) * after + inner));
                }
            }
            Ok(vec![match &tensor.data {
                Data::Float(data) => {
                    let round = |v: f64| call.element_type.map_or(v, |to| rounded(v, to));
                    let sums = running(data, order, exclusive, |sum, v| Some(round(sum + v)))?;
                    call.rough |= size > 2;
                    Tensor::floats(shape, sums).into()
                }
                Data::Integer(data) => {
                    Tensor::integers(shape, running(data, order, exclusive, i64::checked_add)?).into()
                }
            }])
        }
    }
}

/// The sums of the entries of each line so far.
fn running<T: Copy + Default>(
    data: &[T],
    lines: Vec<impl Iterator<Item = usize>>,
    exclusive: bool,
    add: impl Fn(T, T) -> Option<T>,
) -> Result<Vec<T>, Reason> {
    let mut sums = vec![T::default(); data.len()];
    for line in lines {
        let mut sum = T::default();
        for at in line {
            let next = add(sum, data[at]).ok_or("overflows")?;
            sums[at] = if exclusive { sum } else { next };
            sum = next;
        }
    }
    Ok(sums)
}

/// Ones on a diagonal of a matrix of the shape of the input, whose numbers do not matter.
pub(super) fn eye_like(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let diagonal = call.attributes.integer("k", 0)?;
    let &[rows, cols] = value.shape() else {
        return Err(format!("works on matrices, but has an input of shape {:?}", value.shape()));
    };
    bounded(&[rows, cols])?;
    let same = if matches!(&value, Value::Constant(tensor) if tensor.as_integers().is_ok()) { 7 } else { 1 };
    let to = call.attributes.integer("dtype", same)?;
    let to = i32::try_from(to).ok().and_then(|to| DataType::try_from(to).ok());
    let is_one = |at: usize| (at % cols) as i128 - (at / cols) as i128 == i128::from(diagonal);
    let shape = vec![rows, cols];
    Ok(vec![
        match to {
            Some(to) if is_float(to) => {
                Tensor::floats(shape, (0..rows * cols).map(|at| f64::from(is_one(at))).collect())
            }
            _ => Tensor::integers(shape, (0..rows * cols).map(|at| i64::from(is_one(at))).collect()),
        }
        .into(),
    ])
}

/// The one number of a list.
fn one(numbers: &[i64]) -> Result<i64, Reason> {
    match numbers {
        [number] => Ok(*number),
        others => Err(format!("has {} numbers where one is needed", others.len())),
    }
}
