//! BatchNormalization in inference mode: one factor and one shift per channel.
//!
//! Other normalisations divide by statistics of what they normalise; they are refused in [`super::refused`].

use super::places::bounded;
use crate::import::onnx::call::Call;
use crate::import::onnx::hints::Coarse;
use crate::import::onnx::value::Value;
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::LinearMap;

pub(super) fn batch_normalisation(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let &[batch, channels, ref rest @ ..] = x.shape.as_slice() else {
        return Err(format!("works on channels, but has an input of shape {:?}", x.shape));
    };
    let epsilon = call.attributes.float("epsilon", f64::from(1e-5_f32))?;
    call.attributes.float("momentum", 0.0)?; // of training only
    expect_inference(call)?;
    let mut parameters = [vec![], vec![], vec![], vec![]];
    for (index, numbers) in parameters.iter_mut().enumerate() {
        *numbers = per_channel(call, index + 1, channels)?;
    }
    let [scale, shift, mean, variance] = parameters;
    if variance.iter().any(|variance| variance + epsilon <= 0.0) {
        return Err("divides by the root of a variance that is not positive".to_owned());
    }
    let factors: Vec<f64> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
    let biases: Vec<f64> = (0..channels).map(|c| shift[c] - mean[c] * factors[c]).collect();
    bounded(&x.shape)?;
    let size: usize = rest.iter().product();
    let spread = |numbers: &[f64]| -> Vec<f64> {
        (0..batch).flat_map(|_| numbers.iter().flat_map(|&n| std::iter::repeat_n(n, size))).collect()
    };
    let sizes: Vec<f64> = (0..channels).map(|c| shift[c].abs() + (mean[c] * factors[c]).abs()).collect();
    let y = call.linear(vec![(x.id, LinearMap::Scale(spread(&factors)))], Some(spread(&biases)), x.shape.clone())?;
    call.coarse.push((y.id, Coarse::Biases(spread(&sizes))));
    Ok(vec![Value::Variable(y)])
}

/// Training was once a matter of having more outputs, later of a switch.
fn expect_inference(call: &mut Call<'_>) -> Result<(), Reason> {
    if call.opset < 9 && call.attributes.integer("spatial", 1)? != 1 {
        return Err("has statistics for every pixel (spatial = 0), which is not supported".to_owned());
    }
    let training = if call.opset < 14 { call.outputs > 1 } else { call.attributes.flag("training_mode")? };
    if training { Err("is in training mode; export in inference mode".to_owned()) } else { Ok(()) }
}

/// The numbers of a constant input, one per channel.
fn per_channel(call: &mut Call<'_>, index: usize, channels: usize) -> Result<Vec<f64>, Reason> {
    let tensor = call.take_constant(index)?.ok_or("lacks one of its statistics")?;
    let numbers = call.weights(index, &tensor)?;
    match tensor.shape.as_slice() {
        &[count] if count == channels => Ok(numbers.to_vec()),
        other => Err(format!("has statistics of shape {other:?} for {channels} channels")),
    }
}
