//! Calls of functions that a model defines itself, replaced by the functions' nodes.
//!
//! A call that cannot be replaced (a function that calls itself, another operator set, …) stays, and is refused as an unknown
//! operator with the reason ([`obstacle`]).

use super::graph::{canonical, version};
use super::rename::{Names, Renaming, identity, prefix};
use crate::import::onnx::proto::{AttributeProto, FunctionProto, ModelProto, NodeProto};
use prost::Message;
use std::collections::HashMap;

/// How deep calls may lead, and how many nodes they may become.
const DEEPEST: usize = 64;
const MOST_NODES: usize = 1 << 16;
/// How many bytes: as many times the file's, or so many.
const GROWTH: usize = 16;
const MOST_BYTES: usize = 1 << 26;

/// The functions of a model by domain, name and overload.
type Functions = HashMap<(String, String, String), FunctionProto>;

/// Replaces the calls in a model's graph.
pub(super) fn inline(model: &mut ModelProto) {
    let Some(opset) = version(model) else { return };
    if model.functions.is_empty() {
        return;
    }
    let mut budget = model.encoded_len().saturating_mul(GROWTH).max(MOST_BYTES);
    let Some(graph) = &mut model.graph else { return };
    let key = |function: &FunctionProto| {
        (canonical(&function.domain).to_owned(), function.name.clone(), function.overload.clone())
    };
    let functions: Functions = model.functions.iter().map(|function| (key(function), function.clone())).collect();
    if functions.len() < model.functions.len() {
        return; // of two functions of one name, neither is meant
    }
    let mut names = Names::of(graph);
    let mut nodes = Vec::with_capacity(graph.node.len());
    let mut open: Vec<(usize, NodeProto)> = std::mem::take(&mut graph.node).into_iter().rev().map(|n| (0, n)).collect();
    while let Some((depth, node)) = open.pop() {
        let key = (canonical(&node.domain).to_owned(), node.op_type.clone(), node.overload.clone());
        match functions.get(&key) {
            Some(function)
                if depth < DEEPEST
                    && nodes.len() + open.len() < MOST_NODES
                    && budget > 0
                    && obstacle(function, &node, opset).is_none() =>
            {
                let nodes = called(function, &node, &mut names);
                budget = nodes.iter().fold(budget, |budget, node| budget.saturating_sub(node.encoded_len()));
                open.extend(nodes.into_iter().rev().map(|node| (depth + 1, node)));
            }
            _ => nodes.push(node),
        }
    }
    graph.node = nodes;
}

/// Why a call cannot be replaced by its function's nodes, if it cannot, in a file of an operator set.
pub(super) fn obstacle(function: &FunctionProto, call: &NodeProto, opset: i64) -> Option<&'static str> {
    let sets = function.opset_import.iter().filter(|set| canonical(&set.domain).is_empty());
    let known = |name: &str| {
        function.attribute.iter().any(|known| known == name)
            || function.attribute_proto.iter().any(|known| known.name == name)
    };
    if canonical(&function.domain).is_empty() {
        Some("has the domain of ONNX's own operators")
    } else if sets.into_iter().any(|set| set.version != opset) {
        Some("is of another operator set than the model")
    } else if function.overload != call.overload {
        Some("has another overload than is called")
    } else if call.input.len() > function.input.len() || call.output.len() > function.output.len() {
        Some("has fewer inputs or outputs than the call")
    } else if !call.attribute.iter().all(|attribute| known(&attribute.name)) {
        Some("lacks an attribute that the call gives")
    } else {
        None
    }
}

/// The nodes that a call stands for.
fn called(function: &FunctionProto, call: &NodeProto, names: &mut Names) -> Vec<NodeProto> {
    let actual = |names: &[String], at: usize| names.get(at).cloned().unwrap_or_default();
    let inputs = function.input.iter().enumerate().map(|(at, name)| (name.clone(), actual(&call.input, at)));
    let mut renaming = Renaming { names, prefix: prefix(call), known: inputs.collect() };
    let mut passed = Vec::new();
    for (at, name) in function.output.iter().enumerate() {
        let outer = actual(&call.output, at);
        if outer.is_empty() {
            continue;
        }
        // an output that is an input, or another output, gets a node of its own
        match renaming.known.get(name) {
            Some(known) => passed.push(identity(known.clone(), outer)),
            None => {
                renaming.known.insert(name.clone(), outer);
            }
        }
    }
    let mut nodes: Vec<NodeProto> =
        function.node.iter().map(|node| renaming.node(with_attributes(node.clone(), function, call))).collect();
    nodes.extend(passed);
    nodes
}

/// A node of a function, whose attributes are the call's where it says so.
fn with_attributes(mut node: NodeProto, function: &FunctionProto, call: &NodeProto) -> NodeProto {
    let meant = |name: &str| {
        let given = call.attribute.iter().find(|attribute| attribute.name == name);
        given.or_else(|| function.attribute_proto.iter().find(|attribute| attribute.name == name)).cloned()
    };
    let attributes = std::mem::take(&mut node.attribute).into_iter();
    let resolved = attributes.filter_map(|attribute| match attribute.ref_attr_name.as_str() {
        "" => Some(attribute),
        name => meant(name).map(|meant| AttributeProto { name: attribute.name.clone(), ..meant }),
    });
    node.attribute = resolved.collect();
    for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_deref_mut()) {
        let inner = std::mem::take(&mut graph.node).into_iter();
        graph.node = inner.map(|node| with_attributes(node, function, call)).collect();
    }
    node
}
