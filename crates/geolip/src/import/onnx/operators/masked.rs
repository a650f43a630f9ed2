//! Where with a constant condition: entries of two tensors side by side.

use super::assembly::{Part, assembled};
use super::places::Places;
use crate::import::onnx::NodeOutputs;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{broadcast, expand};

pub(super) fn choose(call: &mut Call<'_>) -> NodeOutputs {
    let condition = call.take_constant(0)?.ok_or("lacks its condition")?;
    let (yes, no) = (call.take(1)?, call.take(2)?);
    let shape = broadcast(&broadcast(&condition.shape, yes.shape())?, no.shape())?;
    let holds = expand(condition.as_integers()?, &condition.shape, &shape)?;
    let mut parts = Vec::with_capacity(2);
    for (input, value, wanted) in [(1, yes, true), (2, no, false)] {
        let mut places = Places::of(value.shape())?.expanded(&shape)?;
        for (source, &holds) in places.sources.iter_mut().zip(&holds) {
            *source = source.filter(|_| (holds != 0) == wanted);
        }
        parts.push(Part { input, value, places });
    }
    assembled(call, parts, shape)
}
