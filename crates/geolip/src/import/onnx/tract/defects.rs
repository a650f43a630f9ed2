//! What tract 0.23 is known to compute differently from the standard: files on which it is no witness. Each line was met by a
//! file on which onnxruntime and the standard agree with each other.

use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use std::collections::HashMap;

/// Why tract is no witness for a model, where it is known to be wrong about it.
pub(super) fn known(model: &ModelProto) -> Option<&'static str> {
    let graph = model.graph.as_ref()?;
    graph.node.iter().find_map(|node| of_node(graph, node)).or_else(|| of_graph(graph))
}

fn of_node(graph: &GraphProto, node: &NodeProto) -> Option<&'static str> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let scaled = || attribute("alpha").is_some_and(|alpha| alpha.f != 1.0);
    let text = |name: &str, value: &str| attribute(name).is_some_and(|attribute| attribute.s == value.as_bytes());
    let given = |index: usize| node.input.get(index).is_some_and(|name| !name.is_empty());
    match node.op_type.as_str() {
        // min(0, exp(x/alpha) - 1), without the factor
        "Celu" if scaled() => Some("tract computes Celu with an alpha other than 1 differently from its definition"),
        "Swish" if scaled() => Some("tract computes Swish with an alpha other than 1 differently from its definition"),
        "Pad" if given(2) && attribute("mode").is_some_and(|mode| mode.s != b"constant") => {
            Some("tract pads with a constant where one is given, whatever the mode")
        }
        "Slice" if node.input.get(4).is_some_and(|steps| runs_backwards(graph, steps)) => {
            Some("tract places the starts of slices that run backwards differently")
        }
        "Resize" if text("mode", "cubic") && text("coordinate_transformation_mode", "pytorch_half_pixel") => {
            Some("tract places a single entry of a cubic Resize differently")
        }
        "Einsum" if attribute("equation").is_none_or(|equation| is_unusual(&equation.s)) => {
            Some("tract takes diagonals, and sums over one tensor alone, in an Einsum differently from its definition")
        }
        "ConvTranspose" if attribute("output_shape").is_some() => {
            Some("tract pads a ConvTranspose of a given output size differently from its definition")
        }
        _ => None,
    }
}

/// Whether an equation of Einsum takes a diagonal, or sums over a label of one tensor alone.
fn is_unusual(equation: &[u8]) -> bool {
    let equation = String::from_utf8_lossy(equation);
    let Some((terms, result)) = equation.split_once("->") else { return true };
    let terms: Vec<&str> = terms.split(',').collect();
    let count = |text: &str, label: char| text.matches(label).count();
    let labels = || terms.iter().flat_map(|term| term.chars()).filter(|c| c.is_alphabetic());
    labels().any(|label| {
        let alone = terms.iter().filter(|term| term.contains(label)).count() == 1 && !result.contains(label);
        alone || terms.iter().any(|term| count(term, label) > 1)
    })
}

/// Whether stored steps, or steps that are computed, may be negative.
fn runs_backwards(graph: &GraphProto, steps: &str) -> bool {
    let Some(stored) = graph.initializer.iter().find(|tensor| tensor.name == steps) else {
        let constant = graph.node.iter().find(|node| node.output.first().is_some_and(|output| output == steps));
        let value = constant.and_then(|node| node.attribute.iter().find_map(|attribute| attribute.t.as_ref()));
        return value.is_none_or(has_negative);
    };
    has_negative(stored)
}

/// Whether a tensor of integers holds a negative one.
fn has_negative(tensor: &TensorProto) -> bool {
    let width = if tensor.data_type == DataType::Int64 as i32 { 8 } else { 4 };
    let signs = tensor.raw_data.chunks(width).any(|bytes| bytes.last().is_some_and(|byte| byte & 0x80 != 0));
    signs || tensor.int64_data.iter().any(|v| *v < 0) || tensor.int32_data.iter().any(|v| *v < 0)
}

/// What tract makes of several nodes.
fn of_graph(graph: &GraphProto) -> Option<&'static str> {
    let makers: HashMap<&str, &NodeProto> =
        graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node))).collect();
    let repeats = |node: &&&NodeProto| matches!(node.op_type.as_str(), "Expand" | "Tile");
    let product = |node: &NodeProto| matches!(node.op_type.as_str(), "MatMul" | "Gemm");
    for node in graph.node.iter().filter(|node| product(node)) {
        if node.input.iter().filter_map(|name| makers.get(name.as_str())).any(|maker| repeats(&maker)) {
            return Some("tract sums over one entry where a repeated axis meets a matrix");
        }
    }
    let root =
        |node: &NodeProto| constants(graph, node).into_iter().any(|c| (c.abs() - 2.0).abs() > 1.0 / (1 << 21) as f64);
    for node in graph.node.iter().filter(|node| node.op_type == "Erf") {
        let maker = node.input.first().and_then(|name| makers.get(name.as_str()));
        if maker.is_some_and(|maker| matches!(maker.op_type.as_str(), "Mul" | "Div") && root(maker)) {
            return Some("tract takes GELU with a root of two of few digits for the exact one");
        }
    }
    None
}

/// The squares of a node's stored scalar factors, and of its divisors the squares of their reciprocals, times four: 2 for what
/// GELU has.
fn constants(graph: &GraphProto, node: &NodeProto) -> Vec<f64> {
    let stored = |name: &String| graph.initializer.iter().find(|tensor| tensor.name == *name);
    let number = |name: &String| match stored(name)?.raw_data.as_slice() {
        [] => stored(name)?.float_data.first().map(|&v| f64::from(v)),
        raw => raw.try_into().ok().map(|bytes| f64::from(f32::from_le_bytes(bytes))),
    };
    let square = |c: f64| if node.op_type == "Div" { c * c } else { 4.0 * c * c };
    node.input.iter().filter_map(number).map(square).collect()
}
