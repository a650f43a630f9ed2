//! The activations that onnxruntime's optimiser fuses, in its own domain.

use super::{Function, activations};
use crate::import::onnx::NodeOutputs;
use crate::import::onnx::call::Call;
use crate::import::onnx::proto::NodeProto;
use crate::import::onnx::tensor::expand;
use crate::import::onnx::value::Value;
use crate::network::{Activation, LinearMap};

/// The name of the domain.
const DOMAIN: &str = "com.microsoft";

const TABLE: [(&str, Function); 4] = [
    ("BiasGelu", |call| with_bias(call, Activation::Gelu)),
    ("FastGelu", |call| with_bias(call, Activation::GeluTanh)),
    ("Gelu", |call| call.activate(Activation::Gelu)),
    ("QuickGelu", quick_gelu),
];

/// The function of a node of that domain, where it is supported.
pub(in crate::import::onnx) fn find(node: &NodeProto) -> Option<Function> {
    let found = TABLE.iter().find(|(name, _)| node.domain == DOMAIN && *name == node.op_type);
    found.map(|(_, function)| *function)
}

/// x·σ(alpha·x)
fn quick_gelu(call: &mut Call<'_>) -> NodeOutputs {
    let alpha = call.attributes.float("alpha", f64::from(1.702_f32))?;
    activations::stretched_silu(call, alpha)
}

/// The activation of the sum of the first input and a constant, which may be absent.
fn with_bias(call: &mut Call<'_>, activation: Activation) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let Some(bias) = call.take_constant(1)? else {
        return Ok(vec![call.apply(Value::Variable(x), activation)?]);
    };
    let bias = expand(call.weights(1, &bias)?, &bias.shape, &x.shape)?;
    let sum = call.affine(vec![(x.id, LinearMap::Identity(x.len()))], Some(bias), x.shape)?;
    sum.into_iter().map(|sum| call.apply(sum, activation.clone())).collect()
}
