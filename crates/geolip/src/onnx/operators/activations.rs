//! The activations that carry parameters, with the defaults ONNX gives them. Those without are lines in the table.

use crate::import::Quoted;
use crate::network::Activation;
use crate::onnx::Lowered;
use crate::onnx::call::Call;
use crate::onnx::tensor::expand;

pub(super) fn leaky_relu(call: &mut Call<'_>) -> Lowered {
    let slope = call.attributes.float("alpha", f64::from(0.01_f32))?;
    call.activate(Activation::LeakyRelu { slope })
}

/// The slope spreads over the input from the right: a single number, one per channel, or one per entry.
pub(super) fn prelu(call: &mut Call<'_>) -> Lowered {
    let slope = call.take_constant(1)?.ok_or("lacks its slope")?;
    let slopes = call.weights(1, &slope)?;
    let activation = if let [slope] = slopes {
        Activation::LeakyRelu { slope: *slope }
    } else {
        Activation::PRelu { slopes: expand(slopes, &slope.shape, call.shape(0)?)? }
    };
    call.activate(activation)
}

pub(super) fn elu(call: &mut Call<'_>) -> Lowered {
    let alpha = call.attributes.float("alpha", 1.0)?;
    call.activate(Activation::Elu { alpha })
}

pub(super) fn celu(call: &mut Call<'_>) -> Lowered {
    let alpha = call.attributes.float("alpha", 1.0)?;
    call.activate(Activation::Celu { alpha })
}

pub(super) fn selu(call: &mut Call<'_>) -> Lowered {
    let alpha = call.attributes.float("alpha", f64::from(1.673_263_2_f32))?;
    let gamma = call.attributes.float("gamma", f64::from(1.050_701_f32))?;
    call.activate(Activation::Selu { alpha, gamma })
}

pub(super) fn hard_sigmoid(call: &mut Call<'_>) -> Lowered {
    let slope = call.attributes.float("alpha", f64::from(0.2_f32))?;
    let offset = call.attributes.float("beta", 0.5)?;
    call.activate(Activation::HardSigmoid { slope, offset })
}

/// The ends are attributes before operator set 11 and inputs from then on; an absent one is infinite.
pub(super) fn clip(call: &mut Call<'_>) -> Lowered {
    let (min, max) = if call.opset < 11 {
        (call.attributes.float("min", f64::NEG_INFINITY)?, call.attributes.float("max", f64::INFINITY)?)
    } else {
        (call.take_scalar(1)?.unwrap_or(f64::NEG_INFINITY), call.take_scalar(2)?.unwrap_or(f64::INFINITY))
    };
    call.activate(Activation::Clip { min, max })
}

pub(super) fn gelu(call: &mut Call<'_>) -> Lowered {
    let activation = match call.attributes.text("approximate", "none")?.as_str() {
        "none" => Activation::Gelu,
        "tanh" => Activation::GeluTanh,
        other => return Err(format!("has approximate = {}; 'none' and 'tanh' are defined", Quoted(other))),
    };
    call.activate(activation)
}

pub(super) fn swish(call: &mut Call<'_>) -> Lowered {
    match call.attributes.float("alpha", 1.0)? {
        1.0 => call.activate(Activation::Silu),
        other => Err(format!("has alpha = {other}; only alpha = 1 (SiLU) is supported")),
    }
}
