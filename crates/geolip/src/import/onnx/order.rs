//! Which nodes of a graph reach a tensor, and an order in which each comes after those it reads.
//!
//! ONNX asks for sorted files, and some exporters do not care. A sorted file keeps its order.

use crate::import::onnx::proto::{GraphProto, NodeProto};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// The part of a graph that reaches a tensor.
#[derive(Default)]
pub(super) struct Order<'a> {
    /// The places of its nodes in the file, in topological order.
    pub(super) nodes: Vec<usize>,
    /// The places of nodes that cannot be ordered, because they read each other or what comes of them.
    pub(super) cyclic: Vec<usize>,
    /// The names of its tensors.
    pub(super) tensors: HashSet<&'a str>,
}

impl<'a> Order<'a> {
    /// The order of what reaches `target` in `graph`, given the node that makes each tensor.
    pub(super) fn of(graph: &'a GraphProto, makers: &HashMap<&'a str, usize>, target: &'a str) -> Self {
        let (needed, tensors) = reaching(graph, makers, target);
        let mut waiting_for: HashMap<usize, usize> = HashMap::new();
        let mut readers: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut ready = BinaryHeap::new();
        for &node in &needed {
            let read: HashSet<usize> = inputs(&graph.node[node]).filter_map(|name| makers.get(name).copied()).collect();
            if read.is_empty() {
                ready.push(Reverse(node));
            } else {
                waiting_for.insert(node, read.len());
            }
            read.into_iter().for_each(|maker| readers.entry(maker).or_default().push(node));
        }
        let mut nodes = Vec::with_capacity(needed.len());
        while let Some(Reverse(node)) = ready.pop() {
            nodes.push(node);
            for reader in readers.remove(&node).unwrap_or_default() {
                let left = waiting_for.get_mut(&reader).expect("a reader waits for each of its makers once");
                *left -= 1;
                if *left == 0 {
                    waiting_for.remove(&reader);
                    ready.push(Reverse(reader));
                }
            }
        }
        let mut cyclic: Vec<usize> = waiting_for.into_keys().collect();
        cyclic.sort_unstable();
        Self { nodes, cyclic, tensors }
    }
}

/// The nodes and the tensors that reach the target.
fn reaching<'a>(
    graph: &'a GraphProto,
    makers: &HashMap<&'a str, usize>,
    target: &'a str,
) -> (HashSet<usize>, HashSet<&'a str>) {
    let mut tensors = HashSet::from([target]);
    let mut open = vec![target];
    let mut nodes = HashSet::new();
    while let Some(name) = open.pop() {
        if let Some(&maker) = makers.get(name)
            && nodes.insert(maker)
        {
            open.extend(inputs(&graph.node[maker]).filter(|name| tensors.insert(name)));
        }
    }
    (nodes, tensors)
}

/// The inputs of a node that are not left out, and what its branches read of the graph around them.
pub(super) fn inputs(node: &NodeProto) -> impl Iterator<Item = &str> {
    let own = node.input.iter().map(String::as_str).filter(|name| !name.is_empty());
    own.chain(node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()).flat_map(captured))
}

/// What a graph inside a node reads and does not make itself.
fn captured(graph: &GraphProto) -> Vec<&str> {
    let inside = made(graph);
    let read = graph.node.iter().flat_map(inputs).chain(graph.output.iter().map(|output| output.name.as_str()));
    read.filter(|name| !inside.contains(name)).collect()
}

/// The tensors that a graph makes or stores.
pub(super) fn made(graph: &GraphProto) -> HashSet<&str> {
    let nodes = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
    let stored = graph.initializer.iter().map(|tensor| tensor.name.as_str());
    nodes.chain(stored).chain(graph.input.iter().map(|input| input.name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::onnx::testing::node;

    fn order(nodes: Vec<NodeProto>) -> (Vec<usize>, Vec<usize>) {
        let graph = GraphProto { node: nodes, ..GraphProto::default() };
        let makers = graph.node.iter().enumerate().map(|(index, node)| (node.output[0].as_str(), index)).collect();
        let order = Order::of(&graph, &makers, "y");
        (order.nodes, order.cyclic)
    }

    #[test]
    fn sorted_files_keep_their_order_and_others_get_one() {
        let (a, b, c) = (node("Relu", &["x"], "a"), node("Tanh", &["x"], "b"), node("Abs", &["x"], "c"));
        let y = node("Sum", &["b", "", "a", "b"], "y");
        assert_eq!(order(vec![a.clone(), b.clone(), c.clone(), y.clone()]), (vec![0, 1, 3], vec![]));
        assert_eq!(order(vec![y, c, b, a]), (vec![2, 3, 0], vec![]));
    }

    #[test]
    fn cycles_are_found() {
        let y = node("Add", &["a", "b"], "y");
        let (a, b) = (node("Relu", &["x"], "a"), node("Add", &["b", "a"], "b"));
        assert_eq!(order(vec![a, b, y]), (vec![0], vec![1, 2]));
        assert_eq!(order(vec![node("Relu", &["y"], "y")]), (vec![], vec![0]));
    }
}
