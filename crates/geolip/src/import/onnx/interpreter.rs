//! A plain interpreter of ONNX graphs in double precision: node after node as the standard defines them, nothing fused, nothing
//! folded. It is what the importer is compared with where tract cannot run a file, and shares nothing with the importer: not
//! how tensors are read, not the order of nodes, not one operator. Written for clarity; nobody waits for it.
//!
//! What does not depend on an input is rounded to its element type, as a runtime would have it; what does depend on one is the
//! function of real numbers that the file describes, in double precision.

mod array;
mod einsum;
mod elementwise;
mod fused;
mod indexed;
mod learned;
mod linear;
mod node;
mod quantised;
mod resize;
mod scopes;
mod shapes;
mod statistics;
mod sums;
mod windows;

use super::Reason;
use super::self_check::Feed;
use crate::import::Quoted;
use crate::import::onnx::proto::{FunctionProto, ModelProto, NodeProto};
use crate::matrix::Matrix;
use array::Array;
use node::Node;
use std::collections::HashMap;
use std::rc::Rc;

/// Where nodes are computed.
struct Scope<'m> {
    opset: i64,
    functions: &'m [FunctionProto],
    depth: usize,
}

impl Scope<'_> {
    /// Inside a node of this scope.
    fn deeper(&self) -> Result<Scope<'_>, Reason> {
        const DEEPEST: usize = 64;
        if self.depth == DEEPEST {
            return Err("nodes inside nodes without end".to_owned());
        }
        Ok(Scope { opset: self.opset, functions: self.functions, depth: self.depth + 1 })
    }
}

/// What one operator makes of its inputs.
type Outputs = Result<Vec<Array>, Reason>;

/// The outputs (m × k) for the k input vectors that are the columns of `inputs`, handed out by `feeds`.
pub(super) fn run(model: &ModelProto, feeds: &[Feed], inputs: &Matrix) -> Result<Matrix, Reason> {
    let graph = model.graph.as_ref().ok_or("no graph")?;
    let set = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    let opset = set.ok_or("no version of the operator set")?.version;
    let scope = Scope { opset, functions: &model.functions, depth: 0 };
    let mut stored = HashMap::new();
    for tensor in &graph.initializer {
        stored.insert(tensor.name.as_str(), Rc::new(Array::stored(tensor)?));
    }
    let target = graph.output.first().ok_or("no output")?.name.as_str();
    let mut outputs: Vec<Vec<f64>> = Vec::with_capacity(inputs.cols());
    for column in 0..inputs.cols() {
        let vector = inputs.column(column);
        let mut values = stored.clone();
        for feed in feeds {
            let data = match &feed.rows {
                Some(rows) => vector[rows.clone()].to_vec(),
                None => vec![0.0; feed.shape.iter().product()],
            };
            values.insert(&feed.name, Rc::new(Array::moving(feed.shape.clone(), data)));
        }
        evaluate(&graph.node, &scope, &mut values)?;
        outputs.push(values.get(target).ok_or("the output is not computed")?.data.clone());
    }
    let len = outputs.first().map_or(0, Vec::len);
    Ok(Matrix::from_fn(len, outputs.len(), |i, j| outputs[j][i]))
}

/// Computes every node as soon as its inputs are there.
fn evaluate<'a>(
    nodes: &'a [NodeProto],
    scope: &Scope<'_>,
    values: &mut HashMap<&'a str, Rc<Array>>,
) -> Result<(), Reason> {
    let mut waiting: Vec<&NodeProto> = nodes.iter().collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut later = Vec::new();
        for proto in waiting {
            let names = || proto.input.iter().filter(|name| !name.is_empty());
            let condition = names().next().and_then(|name| values.get(name.as_str())).filter(|_| proto.op_type == "If");
            let waits = condition.is_some_and(|condition| !scopes::is_ready(proto, condition, values));
            if waits || !names().all(|name| values.contains_key(name.as_str())) {
                later.push(proto);
                continue;
            }
            let inputs = proto.input.iter().map(|name| values.get(name.as_str()).cloned()).collect();
            let constant = names().all(|name| values[name.as_str()].constant);
            let node = Node { proto, opset: scope.opset, inputs };
            let place = |reason| format!("{} {}: {reason}", proto.op_type, Quoted(&proto.name));
            let inside = match (scopes::called(scope.functions, proto), proto.op_type.as_str()) {
                (Some(function), _) => Some(scopes::call(function, proto, node.inputs.clone(), scope)),
                (None, "If") => Some(node.input(0).and_then(|holds| scopes::branch(proto, holds, scope, values))),
                (None, _) => None,
            };
            if let Some(outputs) = inside {
                let outputs = outputs.map_err(place)?.into_iter().map(Rc::new);
                values
                    .extend(proto.output.iter().map(String::as_str).zip(outputs).filter(|(name, _)| !name.is_empty()));
                continue;
            }
            let outputs = apply(&node).map_err(place)?;
            for (name, output) in proto.output.iter().zip(outputs).filter(|(name, _)| !name.is_empty()) {
                let output = Array { constant, ..output };
                values.insert(name, Rc::new(if constant { output.rounded() } else { output }));
            }
        }
        if later.len() == before {
            return Err("nodes that wait for each other".to_owned());
        }
        waiting = later;
    }
    Ok(())
}

/// The operators of the default domain.
const FAMILIES: [fn(&Node<'_>) -> Option<Outputs>; 10] = [
    elementwise::apply,
    linear::apply,
    windows::apply,
    sums::apply,
    statistics::apply,
    shapes::apply,
    resize::apply,
    indexed::apply,
    einsum::apply,
    quantised::apply,
];

fn apply(node: &Node<'_>) -> Outputs {
    let domain = node.proto.domain.as_str();
    let known = match domain {
        "" | "ai.onnx" => FAMILIES.iter().find_map(|family| family(node)),
        "com.microsoft" => fused::apply(node),
        "ai.onnx.ml" => learned::apply(node),
        _ => None,
    };
    known.unwrap_or_else(|| Err("this interpreter does not know the operator".to_owned()))
}

#[cfg(test)]
mod tests;
