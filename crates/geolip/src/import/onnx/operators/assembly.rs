//! Tensors put together of entries of others: what Concat, Where and the scatters have in common.

use super::places::Places;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor};
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::LinearMap;

/// What an input, by its number, puts where.
pub(super) struct Part {
    pub(super) input: usize,
    pub(super) value: Value,
    /// The result's shape; no place where this part puts nothing.
    pub(super) places: Places,
}

/// The sum of the parts, all of one shape. Constants become the bias; without anything from the network's input, so does
/// the whole. What a part does not put anywhere has no say, so it need not be a number.
pub(super) fn assembled(call: &mut Call<'_>, parts: Vec<Part>, shape: Vec<usize>) -> NodeOutputs {
    let (mut terms, mut still, mut bias, mut integers) = (vec![], None, None, None);
    for Part { input, value, places } in parts {
        if places.sources.iter().all(Option::is_none) {
            continue;
        }
        match value {
            Value::Variable(x) => {
                call.made += places.sources.len();
                let map = places.map()?;
                still = matches!(map, LinearMap::Identity(_)).then_some(x.id);
                terms.push((x.id, map));
            }
            Value::Constant(tensor) => match &tensor.data {
                Data::Float(data) => add(&mut bias, &places, |at| finite(call, input, data[at]))?,
                Data::Integer(data) => add(&mut integers, &places, |at| Ok(data[at]))?,
            },
        }
    }
    if let (1, Some(id), None, None) = (terms.len(), still, &bias, &integers) {
        return Ok(vec![Value::Variable(Variable { id, shape })]);
    }
    match (terms.len(), bias, integers) {
        (_, Some(_), Some(_)) | (1.., None, Some(_)) => Err("mixes integers with floating-point numbers".to_owned()),
        (0, None, Some(data)) => Ok(vec![Tensor::integers(shape, data).into()]),
        (0, Some(data), None) => Ok(vec![Tensor::floats(shape, data).into()]),
        (0, None, None) => Err("puts nothing together".to_owned()),
        (_, bias, None) => call.affine(terms, bias, shape),
    }
}

/// Adds what is at the places.
fn add<T: Copy + Default + std::ops::AddAssign>(
    sum: &mut Option<Vec<T>>,
    places: &Places,
    number: impl Fn(usize) -> Result<T, Reason>,
) -> Result<(), Reason> {
    let sum = sum.get_or_insert_with(|| vec![T::default(); places.sources.len()]);
    for (entry, source) in sum.iter_mut().zip(&places.sources) {
        if let Some(at) = *source {
            *entry += number(at)?;
        }
    }
    Ok(())
}

fn finite(call: &Call<'_>, input: usize, number: f64) -> Result<f64, Reason> {
    if number.is_finite() { Ok(number) } else { Err(call.not_finite(input, number)) }
}
