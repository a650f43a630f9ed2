//! Nodes inside nodes: calls of functions that the model defines, and branches.

use super::array::Array;
use super::{Outputs, Reason, Scope, evaluate};
use crate::import::onnx::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The function that a node calls.
pub(super) fn called<'a>(functions: &'a [FunctionProto], node: &NodeProto) -> Option<&'a FunctionProto> {
    let is = |function: &&FunctionProto| {
        (&function.domain, &function.name, &function.overload) == (&node.domain, &node.op_type, &node.overload)
    };
    functions.iter().find(is)
}

/// What a call gives: its function's nodes in a scope of their own.
pub(super) fn call(
    function: &FunctionProto,
    node: &NodeProto,
    inputs: Vec<Option<Rc<Array>>>,
    scope: &Scope<'_>,
) -> Outputs {
    let deeper = scope.deeper()?;
    let own = function.opset_import.iter().find(|set| set.domain.is_empty()).map_or(scope.opset, |set| set.version);
    let deeper = Scope { opset: own, ..deeper };
    let nodes: Vec<NodeProto> = function.node.iter().map(|inner| filled(inner, function, node)).collect();
    let mut values: HashMap<&str, Rc<Array>> = HashMap::new();
    for (name, value) in function.input.iter().zip(inputs) {
        values.extend(value.map(|value| (name.as_str(), value)));
    }
    // an input that the caller leaves out is left out inside, too
    let left_out: HashSet<&str> =
        function.input.iter().map(String::as_str).filter(|name| !values.contains_key(name)).collect();
    let mut nodes = nodes;
    for name in nodes.iter_mut().flat_map(|node| &mut node.input) {
        if left_out.contains(name.as_str()) {
            name.clear();
        }
    }
    evaluate(&nodes, &deeper, &mut values)?;
    outputs(function.output.iter().map(String::as_str), node, &values)
}

/// A node of a function, with the attributes of the call in the place of references to them.
fn filled(inner: &NodeProto, function: &FunctionProto, call: &NodeProto) -> NodeProto {
    let mut attributes = Vec::new();
    for attribute in &inner.attribute {
        if attribute.ref_attr_name.is_empty() {
            attributes.push(attribute.clone());
            continue;
        }
        let name = &attribute.ref_attr_name;
        let known = call.attribute.iter().chain(&function.attribute_proto).find(|given| given.name == *name);
        attributes.extend(known.map(|known| AttributeProto { name: attribute.name.clone(), ..known.clone() }));
    }
    NodeProto { attribute: attributes, ..inner.clone() }
}

/// What a branch gives, in the scope around it.
pub(super) fn branch<'v>(
    node: &'v NodeProto,
    condition: &Array,
    scope: &Scope<'_>,
    around: &HashMap<&'v str, Rc<Array>>,
) -> Outputs {
    let deeper = scope.deeper()?;
    let graph = chosen(node, condition).ok_or("no branch")?;
    let mut values = around.clone();
    for tensor in &graph.initializer {
        values.insert(&tensor.name, Rc::new(Array::stored(tensor)?));
    }
    evaluate(&graph.node, &deeper, &mut values)?;
    outputs(graph.output.iter().map(|output| output.name.as_str()), node, &values)
}

fn chosen<'a>(node: &'a NodeProto, condition: &Array) -> Option<&'a GraphProto> {
    let name = if condition.data.first().is_some_and(|v| *v != 0.0) { "then_branch" } else { "else_branch" };
    node.attribute.iter().find(|attribute| attribute.name == name)?.g.as_deref()
}

/// Whether all is there that the branch of a condition reads.
pub(super) fn is_ready(node: &NodeProto, condition: &Array, around: &HashMap<&str, Rc<Array>>) -> bool {
    let Some(graph) = chosen(node, condition) else { return true };
    let mut own: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    own.extend(graph.node.iter().flat_map(|node| &node.output).map(String::as_str));
    let read = graph.node.iter().flat_map(|node| &node.input).chain(graph.output.iter().map(|output| &output.name));
    let mut read = read.map(String::as_str).filter(|name| !name.is_empty());
    read.all(|name| own.contains(name) || around.contains_key(name))
}

fn outputs<'n>(
    names: impl Iterator<Item = &'n str>,
    node: &NodeProto,
    values: &HashMap<&str, Rc<Array>>,
) -> Result<Vec<Array>, Reason> {
    let of =
        |name: &str| values.get(name).map(|value| Array::clone(value)).ok_or_else(|| format!("no value of {name}"));
    names.take(node.output.len()).map(of).collect()
}
