//! The activations that carry parameters, with the defaults ONNX gives them. Those without are lines in the table.

use crate::import::Quoted;
use crate::import::onnx::NodeOutputs;
use crate::import::onnx::call::Call;
use crate::import::onnx::patterns::stretched;
use crate::import::onnx::tensor::expand;
use crate::import::onnx::value::Value;
use crate::network::{Activation, LinearMap};

pub(super) fn leaky_relu(call: &mut Call<'_>) -> NodeOutputs {
    let slope = call.attributes.float("alpha", f64::from(0.01_f32))?;
    call.activate(Activation::LeakyRelu { slope })
}

/// The slope spreads over the input from the right: a single number, one per channel, or one per entry.
pub(super) fn prelu(call: &mut Call<'_>) -> NodeOutputs {
    let slope = call.take_constant(1)?.ok_or("lacks its slope")?;
    let slopes = call.weights(1, &slope)?;
    let activation = if let [slope] = slopes {
        Activation::LeakyRelu { slope: *slope }
    } else {
        Activation::PRelu { slopes: expand(slopes, &slope.shape, call.shape(0)?)? }
    };
    call.activate(activation)
}

pub(super) fn elu(call: &mut Call<'_>) -> NodeOutputs {
    let alpha = call.attributes.float("alpha", 1.0)?;
    call.activate(Activation::Elu { alpha })
}

pub(super) fn celu(call: &mut Call<'_>) -> NodeOutputs {
    let alpha = call.attributes.float("alpha", 1.0)?;
    call.activate(Activation::Celu { alpha })
}

pub(super) fn selu(call: &mut Call<'_>) -> NodeOutputs {
    let alpha = call.attributes.float("alpha", f64::from(1.673_263_2_f32))?;
    let gamma = call.attributes.float("gamma", f64::from(1.050_701_f32))?;
    call.activate(Activation::Selu { alpha, gamma })
}

pub(super) fn hard_sigmoid(call: &mut Call<'_>) -> NodeOutputs {
    let slope = call.attributes.float("alpha", f64::from(0.2_f32))?;
    let offset = call.attributes.float("beta", 0.5)?;
    call.activate(Activation::HardSigmoid { slope, offset })
}

/// The ends are attributes before operator set 11 and inputs from then on; an absent one is infinite.
pub(super) fn clip(call: &mut Call<'_>) -> NodeOutputs {
    let (min, max) = if call.opset < 11 {
        (call.attributes.float("min", f64::NEG_INFINITY)?, call.attributes.float("max", f64::INFINITY)?)
    } else {
        (call.take_scalar(1)?.unwrap_or(f64::NEG_INFINITY), call.take_scalar(2)?.unwrap_or(f64::INFINITY))
    };
    call.activate(Activation::Clip { min, max })
}

pub(super) fn gelu(call: &mut Call<'_>) -> NodeOutputs {
    let activation = match call.attributes.text("approximate", "none")?.as_str() {
        "none" => Activation::Gelu,
        "tanh" => Activation::GeluTanh,
        other => return Err(format!("has approximate = {}; 'none' and 'tanh' are defined", Quoted(other))),
    };
    call.activate(activation)
}

/// x·σ(alpha·x)
pub(super) fn swish(call: &mut Call<'_>) -> NodeOutputs {
    let alpha = call.attributes.float("alpha", 1.0)?;
    stretched_silu(call, alpha)
}

/// x·σ(alpha·x), which is SiLU(alpha·x)/alpha.
pub(super) fn stretched_silu(call: &mut Call<'_>, alpha: f64) -> NodeOutputs {
    if alpha == 0.0 || !alpha.is_finite() {
        return Err(format!("has alpha = {alpha}; it must be finite and not zero"));
    }
    let argument = call.take(0)?;
    Ok(vec![stretched(call, argument, 1.0, alpha, Activation::Silu)?])
}

/// 0 within ±lambd, and x − bias or x + bias outside. With bias = lambd that is x − min(max(x, −lambd), lambd).
pub(super) fn shrink(call: &mut Call<'_>) -> NodeOutputs {
    let threshold = call.attributes.float("lambd", 0.5)?;
    let bias = call.attributes.float("bias", 0.0)?;
    if threshold != bias || threshold < 0.0 {
        return Err(format!(
            "jumps, with lambd = {threshold} and bias = {bias}, so it has no Lipschitz constant; with bias = lambd it would"
        ));
    }
    let x = call.take_variable(0)?;
    let clip = Activation::Clip { min: -threshold, max: threshold };
    let Value::Variable(clipped) = call.apply(Value::Variable(x.clone()), clip)? else {
        return Err("gives a constant".to_owned());
    };
    let minus = LinearMap::Scale(vec![-1.0; x.len()]);
    call.affine(vec![(x.id, LinearMap::Identity(x.len())), (clipped.id, minus)], None, x.shape)
}

/// x above alpha, and 0 below.
pub(super) fn thresholded_relu(call: &mut Call<'_>) -> NodeOutputs {
    match call.attributes.float("alpha", 1.0)? {
        0.0 => call.activate(Activation::Relu),
        alpha => Err(format!("jumps at alpha = {alpha}, so it has no Lipschitz constant; with alpha = 0 it is Relu")),
    }
}
