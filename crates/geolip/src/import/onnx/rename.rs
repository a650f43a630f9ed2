//! Nodes from a function or a branch, put into the graph around them: their tensors get names that nothing else has.

use crate::import::onnx::order::made;
use crate::import::onnx::proto::{GraphProto, NodeProto};
use std::collections::{HashMap, HashSet};

/// The names that tensors have so far.
pub(super) struct Names {
    used: HashSet<String>,
    /// The next number for a name that is used.
    next: HashMap<String, u64>,
}

impl Names {
    /// Those of a graph.
    pub(super) fn of(graph: &GraphProto) -> Self {
        let read = graph.node.iter().flat_map(|node| &node.input).cloned();
        let used = made(graph).into_iter().map(str::to_owned).chain(read).collect();
        Self { used, next: HashMap::new() }
    }

    /// A name like the one given that nothing has yet.
    fn fresh(&mut self, like: &str) -> String {
        if self.used.insert(like.to_owned()) {
            return like.to_owned();
        }
        let next = self.next.entry(like.to_owned()).or_insert(2);
        loop {
            let name = format!("{like}#{next}");
            *next += 1;
            if self.used.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// The beginning of a name: names inside names would grow without end.
fn short(name: &str) -> &str {
    const LONGEST: usize = 120;
    let end = name.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST).last().unwrap_or(0);
    if name.len() <= LONGEST { name } else { &name[..end] }
}

/// What names inside a node begin with outside: its own, or that of its first output.
pub(super) fn prefix(node: &NodeProto) -> String {
    if node.name.is_empty() { node.output.first().cloned().unwrap_or_default() } else { node.name.clone() }
}

/// What the tensors of an inner scope are called outside.
pub(super) struct Renaming<'n> {
    pub(super) names: &'n mut Names,
    /// What inner names begin with outside.
    pub(super) prefix: String,
    /// The names known by now; an empty one stays empty.
    pub(super) known: HashMap<String, String>,
}

impl Renaming<'_> {
    /// The outer name of an inner tensor, which gets one if it has none.
    pub(super) fn of(&mut self, inner: &str) -> String {
        if inner.is_empty() {
            return String::new();
        }
        if let Some(known) = self.known.get(inner) {
            return known.clone();
        }
        let fresh = self.names.fresh(&format!("{}/{}", short(&self.prefix), short(inner)));
        self.known.insert(inner.to_owned(), fresh.clone());
        fresh
    }

    /// A node with the outer names of all it reads and makes, also in graphs inside it.
    pub(super) fn node(&mut self, mut node: NodeProto) -> NodeProto {
        let name = if node.name.is_empty() { &node.op_type } else { &node.name };
        node.name = format!("{}/{}", short(&self.prefix), short(name));
        node.input.iter_mut().chain(&mut node.output).for_each(|name| *name = self.of(name));
        for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_deref_mut()) {
            self.graph(graph);
        }
        node
    }

    fn graph(&mut self, graph: &mut GraphProto) {
        graph.initializer.iter_mut().for_each(|tensor| tensor.name = self.of(&tensor.name));
        graph.input.iter_mut().chain(&mut graph.output).for_each(|port| port.name = self.of(&port.name));
        graph.node = std::mem::take(&mut graph.node).into_iter().map(|node| self.node(node)).collect();
    }
}

/// A node that gives one tensor the name of another.
pub(super) fn identity(from: String, to: String) -> NodeProto {
    NodeProto { op_type: "Identity".to_owned(), input: vec![from], output: vec![to], ..NodeProto::default() }
}
