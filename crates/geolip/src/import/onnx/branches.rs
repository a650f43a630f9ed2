//! If with a condition that is known while importing, replaced by the branch that it chooses.
//!
//! Exporters leave such nodes where a module asks for a shape (a squeeze of a batch that may be 1). One whose condition depends on the
//! input stays, and is refused.

use super::graph::Graph;
use super::order::made;
use super::rename::{Names, Renaming, identity, prefix};
use super::translate;
use crate::import::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use std::collections::{HashMap, HashSet};

/// How many branches are chosen at most: each takes a walk over what its condition depends on.
const MOST: usize = 256;

/// Chooses branches in the part of a model that reaches `target`; `input` and `size` are as for [`translate::translate`].
pub(super) fn choose(model: &mut ModelProto, target: Option<&str>, input: Option<&str>, size: usize) {
    for _ in 0..MOST {
        let Some((place, holds)) = known(model, target, input, size) else { return };
        let Some(graph) = &mut model.graph else { return };
        let mut names = Names::of(graph);
        let node = graph.node[place].clone();
        let Some(branch) = branch(&node, holds) else { return };
        let (nodes, stored) = taken(&node, branch.clone(), &mut names);
        graph.initializer.extend(stored);
        graph.node.splice(place..=place, nodes);
    }
}

/// The place of an If whose condition is known, and the condition.
fn known(model: &ModelProto, target: Option<&str>, input: Option<&str>, size: usize) -> Option<(usize, bool)> {
    let graph = model.graph.as_ref()?;
    let ours = |node: &NodeProto| node.op_type == "If" && matches!(node.domain.as_str(), "" | "ai.onnx");
    if !graph.node.iter().any(ours) {
        return None;
    }
    let kept = Graph::of(model, target).kept();
    let reached = |node: &NodeProto| node.output.iter().any(|name| kept.holds(name));
    graph.node.iter().enumerate().filter(|(_, node)| ours(node) && reached(node)).find_map(|(place, node)| {
        let [condition] = node.input.as_slice() else { return None };
        let found = translate::constant(&Graph::of(model, Some(condition)), input, size)?;
        let [holds] = found.as_integers().ok()? else { return None };
        branch(node, *holds != 0).map(|_| (place, *holds != 0))
    })
}

/// The branch for a condition, where the node is as it should be.
fn branch(node: &NodeProto, holds: bool) -> Option<&GraphProto> {
    let named = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name)?.g.as_deref();
    let (yes, no) = (named("then_branch")?, named("else_branch")?);
    let chosen = if holds { yes } else { no };
    let fits = node.attribute.len() == 2
        && chosen.input.is_empty()
        && chosen.sparse_initializer.is_empty()
        && chosen.output.len() >= node.output.len();
    fits.then_some(chosen)
}

/// The nodes and stored tensors of a branch in the graph around it.
fn taken(node: &NodeProto, branch: GraphProto, names: &mut Names) -> (Vec<NodeProto>, Vec<TensorProto>) {
    let stored: HashSet<String> = branch.initializer.iter().map(|tensor| tensor.name.clone()).collect();
    let inside: HashSet<String> = made(&branch).into_iter().map(str::to_owned).collect();
    let mut known: HashMap<String, String> = HashMap::new();
    let mut passed = Vec::new();
    for (inner, outer) in branch.output.iter().map(|port| port.name.clone()).zip(&node.output) {
        if outer.is_empty() {
            continue;
        }
        if inside.contains(&inner) && !stored.contains(&inner) && !known.contains_key(&inner) {
            known.insert(inner, outer.clone());
        } else {
            passed.push((inner, outer.clone()));
        }
    }
    // what a branch does not make it reads from around it, by its name there
    let around = branch.node.iter().flat_map(super::order::inputs).filter(|name| !inside.contains(*name));
    known.extend(around.map(|name| (name.to_owned(), name.to_owned())).collect::<Vec<_>>());
    for (inner, _) in passed.iter().filter(|(inner, _)| !inside.contains(inner)) {
        known.insert(inner.clone(), inner.clone());
    }
    let mut renaming = Renaming { names, prefix: prefix(node), known };
    let mut nodes: Vec<NodeProto> = branch.node.into_iter().map(|node| renaming.node(node)).collect();
    nodes.extend(passed.into_iter().map(|(inner, outer)| identity(renaming.of(&inner), outer)));
    let stored = branch.initializer.into_iter().map(|mut tensor| {
        tensor.name = renaming.of(&tensor.name);
        tensor
    });
    (nodes, stored.collect())
}
