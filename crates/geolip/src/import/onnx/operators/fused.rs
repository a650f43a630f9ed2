//! What onnxruntime's optimiser makes of several nodes: products, convolutions and sums with the activation behind them.

use super::activations::stretched_silu;
use super::arithmetic::{shifted, sum_of_all, term};
use super::axes::position;
use super::places::transposed;
use super::{convolution, linear};
use crate::import::Quoted;
use crate::import::onnx::call::Call;
use crate::import::onnx::patterns::times;
use crate::import::onnx::tensor::broadcast;
use crate::import::onnx::value::Value;
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::Activation;

/// Gemm, and an activation whose parameters have names of their own.
pub(super) fn gemm(call: &mut Call<'_>) -> NodeOutputs {
    let name = call.attributes.text("activation", "")?;
    let wanted: &[&str] = match name.as_str() {
        "Elu" | "LeakyRelu" | "ThresholdedRelu" => &["activation_alpha"],
        "HardSigmoid" => &["activation_alpha", "activation_beta"],
        "Selu" => &["activation_alpha", "activation_gamma"],
        _ => &[],
    };
    let mut parameters = Vec::with_capacity(wanted.len());
    for parameter in wanted {
        let number = call.attributes.float(parameter, f64::NAN)?;
        parameters.push(if number.is_nan() { Err(format!("lacks its {parameter}")) } else { Ok(number) }?);
    }
    let activation = activation(&name, &parameters)?;
    let made = linear::gemm(call)?;
    activated(call, made, activation)
}

/// Conv, a tensor that may be added, and an activation with its parameters in a list.
pub(super) fn conv(call: &mut Call<'_>) -> NodeOutputs {
    let name = call.attributes.text("activation", "")?;
    let parameters = call.attributes.floats("activation_params")?.unwrap_or_default();
    let activation = activation(&name, &parameters)?;
    let added = call.take_optional(3);
    let mut made = convolution::conv(call)?;
    if let (Some(added), Some(Value::Variable(y))) = (added, made.first()) {
        let y = y.clone();
        made = match added {
            Value::Constant(tensor) => shifted(call, y, 3, &tensor)?,
            Value::Variable(x) if broadcast(&x.shape, &y.shape)? == y.shape => {
                let terms = vec![term(call, y.clone(), 1.0, &y.shape)?, term(call, x, 1.0, &y.shape)?];
                call.affine(terms, None, y.shape)?
            }
            Value::Variable(x) => return Err(format!("adds a tensor of shape {:?} to one of {:?}", x.shape, y.shape)),
        };
    }
    activated(call, made, activation)
}

/// alpha times the product of two stacks of matrices, each perhaps transposed.
pub(super) fn matmul(call: &mut Call<'_>) -> NodeOutputs {
    let alpha = call.attributes.float("alpha", 1.0)?;
    if call.attributes.flag("transBatchA")? || call.attributes.flag("transBatchB")? {
        return Err("transposes a batch (transBatchA, transBatchB), which is not supported".to_owned());
    }
    for (index, name) in ["transA", "transB"].into_iter().enumerate() {
        if call.attributes.flag(name)? {
            let value = call.take(index)?;
            let turned = turned(call, value)?;
            call.put_back(index, turned);
        }
    }
    let made = linear::matmul(call)?;
    made.into_iter().map(|value| times(call, value, alpha)).collect()
}

/// A stack of matrices with each of them transposed; a vector stays.
fn turned(call: &mut Call<'_>, value: Value) -> Result<Value, Reason> {
    let rank = value.shape().len();
    if rank < 2 {
        return Ok(value);
    }
    let axes: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    Ok(match value {
        Value::Constant(tensor) => tensor.transposed(&axes).into(),
        Value::Variable(x) => Value::Variable(transposed(call, x, &axes)?),
    })
}

/// x·σ(alpha·x)
pub(super) fn quick_gelu(call: &mut Call<'_>) -> NodeOutputs {
    let alpha = call.attributes.float("alpha", f64::from(1.702_f32))?;
    stretched_silu(call, alpha)
}

/// The activation of the sum of the first input and a constant, which may be absent.
pub(super) fn with_bias(call: &mut Call<'_>, activation: Activation) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let Some(bias) = call.take_constant(1)? else {
        return Ok(vec![call.apply(Value::Variable(x), activation)?]);
    };
    let sum = shifted(call, x, 1, &bias)?;
    activated(call, sum, Some(activation))
}

/// The sum of a tensor, a bias along its last axis, and a tensor that goes around.
pub(super) fn bias_add(call: &mut Call<'_>) -> NodeOutputs {
    let (x, bias, around) = (call.shape(0)?.to_vec(), call.shape(1)?.to_vec(), call.shape(2)?.to_vec());
    let last = x.get(position(-1, x.len(), x.len())?);
    if around != x || bias.len() != 1 || bias.first() != last {
        return Err(format!("adds the shapes {x:?}, {bias:?} and {around:?}"));
    }
    sum_of_all(call)
}

/// A node's one output with an activation behind it.
fn activated(call: &mut Call<'_>, made: Vec<Value>, activation: Option<Activation>) -> NodeOutputs {
    match activation {
        None => Ok(made),
        Some(activation) => made.into_iter().map(|value| call.apply(value, activation.clone())).collect(),
    }
}

/// An activation by its ONNX name; none for no name.
fn activation(name: &str, parameters: &[f64]) -> Result<Option<Activation>, Reason> {
    Ok(Some(match (name, parameters) {
        ("", []) => return Ok(None),
        ("Relu", []) | ("ThresholdedRelu", [0.0]) => Activation::Relu,
        ("Sigmoid", []) => Activation::Sigmoid,
        ("Tanh", []) => Activation::Tanh,
        ("Softplus", []) => Activation::Softplus,
        ("Softsign", []) => Activation::Softsign,
        ("HardSwish", []) => Activation::HardSwish,
        ("LeakyRelu", &[slope]) => Activation::LeakyRelu { slope },
        ("Elu", &[alpha]) => Activation::Elu { alpha },
        ("Selu", &[alpha, gamma]) => Activation::Selu { alpha, gamma },
        ("HardSigmoid", &[slope, offset]) => Activation::HardSigmoid { slope, offset },
        ("Clip", &[min, max]) => Activation::Clip { min, max },
        ("ThresholdedRelu", &[alpha]) => {
            return Err(format!(
                "jumps at alpha = {alpha}, so it has no Lipschitz constant; with alpha = 0 it is Relu"
            ));
        }
        _ => {
            return Err(format!(
                "has the activation {} with {} parameters, which is not understood",
                Quoted(name),
                parameters.len()
            ));
        }
    }))
}
