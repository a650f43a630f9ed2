//! The operators that are understood: one small function each, in the file of its family, and one table of them all.
//!
//! To add an operator, write its function, add its line to [`TABLE`], and take its name off [`refused`].

mod activations;
mod arithmetic;
mod assembly;
mod axes;
pub(super) mod choice;
pub(super) mod contributed;
mod convolution;
pub(super) mod dequantise;
mod einsum;
mod fused;
mod indexed;
mod interpolation;
mod learned;
mod linear;
mod masked;
mod maximum;
mod movement;
mod normalisation;
mod pad;
mod places;
mod pooling;
mod reduction;
pub(super) mod refused;
mod resize;
mod shape;
mod smooth;
mod softmax;
mod sorting;
#[cfg(test)]
mod tests;
mod trees;
mod triangle;
mod unchanged;
mod windows;

use super::call::Call;
use super::graph::OPSETS;
use super::{NodeOutputs, Reason, fold};
use crate::import::onnx::proto::NodeProto;
use crate::network::Activation;

/// Turns a node into constants and nodes of the network.
pub(super) type Function = fn(&mut Call<'_>) -> NodeOutputs;

/// Name, the operator set it appeared in (as far as it matters here), function.
const TABLE: &[(&str, i64, Function)] = &[
    ("Abs", 7, |call| call.activate(Activation::Abs)),
    ("Acos", 7, smooth::acos),
    ("Acosh", 9, smooth::acosh),
    ("Add", 7, arithmetic::add),
    ("Asin", 7, smooth::asin),
    ("Asinh", 9, |call| call.activate(Activation::Asinh)),
    ("Atan", 7, |call| call.activate(Activation::Atan)),
    ("Atanh", 9, smooth::atanh),
    ("AveragePool", 7, pooling::average_pool),
    ("BatchNormalization", 7, normalisation::batch_normalisation),
    ("Cast", 7, unchanged::cast),
    ("Celu", 12, activations::celu),
    ("Clip", 7, activations::clip),
    ("Concat", 7, movement::concat),
    ("Constant", 7, unchanged::constant),
    ("Conv", 7, convolution::conv),
    ("ConvTranspose", 7, convolution::conv_transpose),
    ("Cos", 7, |call| call.activate(Activation::Cos)),
    ("Cosh", 9, smooth::cosh),
    ("CumSum", 11, triangle::cum_sum),
    ("DepthToSpace", 7, movement::depth_to_space),
    ("Div", 7, arithmetic::div),
    ("Dropout", 7, unchanged::dropout),
    ("Einsum", 12, einsum::einsum),
    ("Elu", 7, activations::elu),
    ("Erf", 9, |call| call.activate(Activation::Erf)),
    ("Exp", 7, |call| call.activate(Activation::Exp)),
    ("Expand", 8, movement::expand_to),
    ("EyeLike", 9, triangle::eye_like),
    ("Flatten", 7, shape::flatten),
    ("Gather", 7, movement::gather),
    ("GatherElements", 11, indexed::gather_elements),
    ("GatherND", 11, indexed::gather_nd),
    ("Gelu", 20, activations::gelu),
    ("Gemm", 7, linear::gemm),
    ("GlobalAveragePool", 7, pooling::global_average_pool),
    ("GlobalMaxPool", 7, pooling::global_max_pool),
    ("GroupNormalization", 18, normalisation::group_normalisation),
    ("HardSigmoid", 7, activations::hard_sigmoid),
    ("HardSwish", 14, |call| call.activate(Activation::HardSwish)),
    ("Identity", 7, unchanged::identity),
    ("InstanceNormalization", 7, normalisation::instance_normalisation),
    ("LayerNormalization", 17, normalisation::layer_normalisation),
    ("LeakyRelu", 7, activations::leaky_relu),
    ("Log", 7, |call| call.activate(Activation::Log)),
    ("LogSoftmax", 7, softmax::log_softmax),
    ("LpNormalization", 7, normalisation::lp_normalisation),
    ("MatMul", 7, linear::matmul),
    ("Max", 7, maximum::max),
    ("MaxPool", 7, pooling::max_pool),
    ("Mean", 7, arithmetic::mean),
    ("Min", 7, maximum::min),
    ("Mish", 18, |call| call.activate(Activation::Mish)),
    ("Mul", 7, arithmetic::mul),
    ("Neg", 7, arithmetic::neg),
    ("PRelu", 7, activations::prelu),
    ("Pad", 7, pad::pad),
    ("Pow", 7, smooth::pow),
    ("RMSNormalization", 23, normalisation::rms_normalisation),
    ("Reciprocal", 7, smooth::reciprocal),
    ("ReduceL1", 7, reduction::reduce_l1),
    ("ReduceL2", 7, reduction::reduce_l2),
    ("ReduceLogSum", 7, reduction::reduce_log_sum),
    ("ReduceLogSumExp", 7, softmax::reduce_log_sum_exp),
    ("ReduceMax", 7, reduction::reduce_max),
    ("ReduceMean", 7, reduction::reduce_mean),
    ("ReduceMin", 7, reduction::reduce_min),
    ("ReduceSum", 7, reduction::reduce_sum),
    ("ReduceSumSquare", 7, reduction::reduce_sum_square),
    ("Relu", 7, |call| call.activate(Activation::Relu)),
    ("Reshape", 7, shape::reshape),
    ("Resize", 10, resize::resize),
    ("ScatterElements", 11, indexed::scatter_elements),
    ("ScatterND", 11, indexed::scatter_nd),
    ("Selu", 7, activations::selu),
    ("Shape", 7, fold::shape),
    ("Shrink", 9, activations::shrink),
    ("Sigmoid", 7, |call| call.activate(Activation::Sigmoid)),
    ("Sin", 7, |call| call.activate(Activation::Sin)),
    ("Sinh", 9, smooth::sinh),
    ("Size", 7, fold::size),
    ("Slice", 7, movement::slice),
    ("Softmax", 7, softmax::softmax),
    ("Softplus", 7, |call| call.activate(Activation::Softplus)),
    ("Softsign", 7, |call| call.activate(Activation::Softsign)),
    ("SpaceToDepth", 7, movement::space_to_depth),
    ("Split", 7, movement::split),
    ("Sqrt", 7, smooth::sqrt),
    ("Squeeze", 7, shape::squeeze),
    ("Sub", 7, arithmetic::sub),
    ("Sum", 7, arithmetic::sum_of_all),
    ("Swish", 24, activations::swish),
    ("Tan", 7, smooth::tan),
    ("Tanh", 7, |call| call.activate(Activation::Tanh)),
    ("ThresholdedRelu", 10, activations::thresholded_relu),
    ("Tile", 7, movement::tile),
    ("TopK", 7, sorting::top_k),
    ("Transpose", 7, movement::transpose),
    ("Trilu", 14, triangle::trilu),
    ("Unsqueeze", 7, shape::unsqueeze),
    ("Upsample", 7, resize::upsample),
    ("Where", 9, masked::choose),
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
