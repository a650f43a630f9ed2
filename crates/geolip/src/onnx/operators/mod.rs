//! The operators that are understood: one small function each, in the file of its family, and one table of them all.
//!
//! To add an operator, write its function, add its line to [`TABLE`], and take its name off [`refused`].

mod activations;
mod arithmetic;
mod linear;
mod refused;
mod shape;
#[cfg(test)]
mod tests;
mod unchanged;

use super::call::Call;
use super::graph::OPSETS;
use super::{Lowered, Reason};
use crate::network::Activation;
use tract_onnx::pb::NodeProto;

/// Turns a node into constants and nodes of the network.
pub(super) type Function = fn(&mut Call<'_>) -> Lowered;

/// Name, the operator set it appeared in (as far as it matters here), function.
const TABLE: &[(&str, i64, Function)] = &[
    ("Abs", 7, |call| call.activate(Activation::Abs)),
    ("Add", 7, arithmetic::add),
    ("Cast", 7, unchanged::cast),
    ("Celu", 12, activations::celu),
    ("Clip", 7, activations::clip),
    ("Constant", 7, unchanged::constant),
    ("Cos", 7, |call| call.activate(Activation::Cos)),
    ("Div", 7, arithmetic::div),
    ("Dropout", 7, unchanged::dropout),
    ("Elu", 7, activations::elu),
    ("Flatten", 7, shape::flatten),
    ("Gelu", 20, activations::gelu),
    ("Gemm", 7, linear::gemm),
    ("HardSigmoid", 7, activations::hard_sigmoid),
    ("HardSwish", 14, |call| call.activate(Activation::HardSwish)),
    ("Identity", 7, unchanged::identity),
    ("LeakyRelu", 7, activations::leaky_relu),
    ("MatMul", 7, linear::matmul),
    ("Mish", 18, |call| call.activate(Activation::Mish)),
    ("Mul", 7, arithmetic::mul),
    ("Neg", 7, arithmetic::neg),
    ("PRelu", 7, activations::prelu),
    ("Relu", 7, |call| call.activate(Activation::Relu)),
    ("Reshape", 7, shape::reshape),
    ("Selu", 7, activations::selu),
    ("Sigmoid", 7, |call| call.activate(Activation::Sigmoid)),
    ("Sin", 7, |call| call.activate(Activation::Sin)),
    ("Softplus", 7, |call| call.activate(Activation::Softplus)),
    ("Softsign", 7, |call| call.activate(Activation::Softsign)),
    ("Squeeze", 7, shape::squeeze),
    ("Sub", 7, arithmetic::sub),
    ("Swish", 24, activations::swish),
    ("Tanh", 7, |call| call.activate(Activation::Tanh)),
    ("Transpose", 7, shape::transpose),
    ("Unsqueeze", 7, shape::unsqueeze),
];

/// The function of a node's operator.
pub(super) fn find(node: &NodeProto, opset: i64) -> Result<Function, Reason> {
    let index = TABLE
        .binary_search_by_key(&node.op_type.as_str(), |(name, _, _)| name)
        .map_err(|_| refused::reason(&node.op_type, node.input.first().map_or("", String::as_str)))?;
    let (name, since, function) = TABLE[index];
    if opset < since {
        return Err(format!(
            "uses {name}, which exists from operator set {since} on, in a file of operator set {opset}"
        ));
    }
    debug_assert!(OPSETS.contains(&since), "every operator is reachable");
    Ok(function)
}
