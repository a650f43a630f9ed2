//! What only the walk over a graph knows, and the comparison with another implementation needs.

use super::tensor::is_short;
use super::types::Types;
use super::value::Value;
use crate::import::onnx::proto::NodeProto;
use crate::network::NodeId;

/// Remarks on nodes, made while walking.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    /// Products of two vectors, by the names of what the nodes give.
    pub(super) dots: Vec<String>,
    /// Constants that are rounded to 16 bits by a Cast, and the element type.
    pub(super) shortened: Vec<(String, i64)>,
    /// Other constants that are computed in 16 bits, and the element type.
    pub(super) short: Vec<(String, i64)>,
    /// Nodes of the network whose weights an implementation in float32 computes with cancellation.
    pub(super) coarse: Vec<(NodeId, Coarse)>,
}

/// What the rounding noise of an affine node is proportional to, beside its own terms.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Coarse {
    /// So many times the parent's entry of the same index: weights made of numbers that large.
    Weights(f64),
    /// One number per entry: biases that are differences of numbers that large.
    Biases(Vec<f64>),
}

impl Hints {
    /// Notes what there is to say of a node before it is translated.
    pub(super) fn note(&mut self, node: &NodeProto, inputs: &[(&str, Option<Value>)], types: &Types<'_>) {
        let Some(output) = node.output.first() else { return };
        let mut values = inputs.iter().filter_map(|(_, value)| value.as_ref());
        if node.op_type == "MatMul" && values.clone().all(|value| value.shape().len() == 1) {
            self.dots.push(output.clone());
        }
        let constant = values.clone().all(|value| matches!(value, Value::Constant(_)));
        let to = node.attribute.iter().find(|a| a.name == "to").map(|a| a.i);
        if let (Some(Value::Constant(_)), Some(to), "Cast") = (values.next(), to, node.op_type.as_str()) {
            self.shortened.extend(is_short(to).then(|| (output.clone(), to)));
        } else if constant && node.op_type != "Constant" {
            let to = types.get(output.as_str()).map_or(0, |&known| known as i64);
            self.short.extend(is_short(to).then(|| (output.clone(), to)));
        }
    }
}
