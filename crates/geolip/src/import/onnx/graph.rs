//! The graph of a model before any operator is looked at: its stored tensors, which nodes and inputs reach the tensor that
//! is bounded, and what the model as a whole asks for.

use super::Reason;
use super::functions;
use super::operators::{choice, contributed};
use super::order::{self, Order};
use super::patterns::{Pattern, Patterns};
use super::types::{self, Types};
use crate::import::onnx::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::import::{Obstacle, Place, Quoted};
use std::collections::{HashMap, HashSet};

/// The operator sets whose semantics the operators here follow.
pub(super) const OPSETS: std::ops::RangeInclusive<i64> = 7..=28;

/// A graph, reduced to what reaches one tensor.
pub(super) struct Graph<'a> {
    /// The version of the default operator set.
    pub(super) opset: i64,
    /// What is to be done, each step after those it reads; the order of the file where that is one.
    pub(super) steps: Vec<(Place, Step<'a>)>,
    /// The inputs that are not stored tensors and reach the target.
    pub(super) inputs: Vec<&'a ValueInfoProto>,
    /// The names of the inputs that do not.
    pub(super) left_out: Vec<&'a str>,
    /// The tensor that is bounded; none in a graph without outputs.
    pub(super) target: Option<&'a str>,
    /// The stored tensors.
    pub(super) initialisers: HashMap<&'a str, &'a TensorProto>,
    /// The element types of the tensors.
    pub(super) types: Types<'a>,
    /// The functions the model defines, by domain and name.
    pub(super) functions: HashMap<(&'a str, &'a str), &'a FunctionProto>,
    /// What stands in the way before any node is looked at.
    pub(super) obstacles: Vec<Obstacle>,
    /// The names of the tensors that reach the target.
    tensors: HashSet<&'a str>,
}

/// A part of the graph that is translated as one.
#[derive(Clone, Debug)]
pub(super) enum Step<'a> {
    /// A node by itself.
    Node(&'a NodeProto),
    /// Several nodes that spell out one activation.
    Pattern(Pattern<'a>),
    /// A Where and the comparison that it asks.
    Choice(Choice<'a>),
}

/// A Where whose condition compares numbers that depend on an input.
#[derive(Clone, Debug)]
pub(super) struct Choice<'a> {
    pub(super) node: &'a NodeProto,
    /// What is larger where the condition holds, what is smaller there, and the branches: there, and elsewhere.
    pub(super) inputs: [&'a str; 4],
}

impl<'a> Graph<'a> {
    /// The part of the model's graph that reaches `target`.
    pub(super) fn of(model: &'a ModelProto, target: Option<&'a str>) -> Self {
        let graph = model.graph.as_ref().expect("decoding has checked that there is a graph");
        let (opset, obstacle) = opset(model);
        let mut obstacles: Vec<Obstacle> = obstacle.into_iter().collect();
        let initialisers = initialisers(graph, &mut obstacles);
        let makers = makers(graph, &initialisers, &mut obstacles);
        let order = target.map(|target| Order::of(graph, &makers, target)).unwrap_or_default();
        for index in order.cyclic {
            let reason = "is part of a cycle, or lies behind one; the file is damaged".to_owned();
            obstacles.push(Obstacle { place: place(index, &graph.node[index]), reason });
        }
        let reached = |input: &&ValueInfoProto| order.tensors.contains(input.name.as_str());
        let (inputs, others): (Vec<_>, Vec<_>) =
            graph.input.iter().filter(|input| !initialisers.contains_key(input.name.as_str())).partition(reached);
        let functions = model.functions.iter().map(|f| ((canonical(&f.domain), f.name.as_str()), f)).collect();
        let types = types::of(graph, &initialisers, &order.nodes);
        let patterns = Patterns { graph, makers: &makers, initialisers: &initialisers, types: &types, opset };
        let steps = steps(&patterns, &order.nodes, target);
        Self {
            opset,
            steps,
            inputs,
            left_out: others.iter().map(|input| input.name.as_str()).collect(),
            target,
            initialisers,
            types,
            functions,
            obstacles,
            tensors: order.tensors,
        }
    }

    /// The names of what reaches the target.
    pub(super) fn kept(&self) -> Kept {
        Kept(self.tensors.iter().map(|&name| name.to_owned()).collect())
    }
}

/// Nodes in topological order as steps, without those that patterns make superfluous.
fn steps<'a>(patterns: &Patterns<'a, '_>, nodes: &[usize], target: Option<&'a str>) -> Vec<(Place, Step<'a>)> {
    let mut wanted: HashSet<&str> = target.into_iter().collect();
    let moving = moving(patterns, nodes);
    let mut steps = Vec::with_capacity(nodes.len());
    for &index in nodes.iter().rev() {
        let node = &patterns.graph.node[index];
        if !node.output.iter().any(|name| wanted.contains(name.as_str())) {
            continue;
        }
        let step = match (patterns.find(node), choice(patterns, &moving, node)) {
            (Some(pattern), _) => Step::Pattern(pattern),
            (None, Some(choice)) => Step::Choice(choice),
            (None, None) => Step::Node(node),
        };
        match &step {
            Step::Node(node) => wanted.extend(order::inputs(node)),
            Step::Pattern(pattern) => wanted.extend([pattern.argument]),
            Step::Choice(choice) => wanted.extend(choice.inputs),
        }
        steps.push((place(index, node), step));
    }
    steps.reverse();
    steps
}

/// The tensors whose numbers depend on an input.
fn moving<'a>(patterns: &Patterns<'a, '_>, nodes: &[usize]) -> HashSet<&'a str> {
    let inputs = patterns.graph.input.iter().map(|input| input.name.as_str());
    let mut moving: HashSet<&str> = inputs.filter(|name| !patterns.initialisers.contains_key(name)).collect();
    for &index in nodes {
        let node = &patterns.graph.node[index];
        let shape_alone = matches!(node.op_type.as_str(), "Shape" | "Size");
        if !shape_alone && order::inputs(node).any(|name| moving.contains(name)) {
            moving.extend(node.output.iter().map(String::as_str));
        }
    }
    moving
}

/// A Where with the comparison behind it, perhaps negated.
fn choice<'a>(patterns: &Patterns<'a, '_>, moving: &HashSet<&str>, node: &'a NodeProto) -> Option<Choice<'a>> {
    let [condition, above, below] = node.input.as_slice() else { return None };
    if node.op_type != "Where" || !node.attribute.is_empty() {
        return None;
    }
    let (mut holds, mut compared) = (true, patterns.maker(condition)?);
    while let ("Not", [negated]) = (compared.op_type.as_str(), compared.input.as_slice()) {
        (holds, compared) = (!holds, patterns.maker(negated)?);
    }
    let first = choice::first_is_larger(&compared.op_type)?;
    let [p, q] = compared.input.as_slice() else { return None };
    if !compared.attribute.is_empty() || !(moving.contains(p.as_str()) || moving.contains(q.as_str())) {
        return None;
    }
    let (p, q) = if first == holds { (p, q) } else { (q, p) };
    Some(Choice { node, inputs: [p, q, above, below] })
}

/// The names of the tensors that reach the target.
pub(super) struct Kept(HashSet<String>);

impl Kept {
    pub(super) fn holds(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Removes everything else from the model, so that another implementation need not understand it.
    pub(super) fn prune(&self, model: &mut ModelProto, target: &str) {
        let Some(graph) = &mut model.graph else { return };
        graph.node.retain(|node| node.output.iter().any(|name| self.holds(name)));
        graph.initializer.retain(|tensor| self.holds(&tensor.name));
        graph.input.retain(|input| self.holds(&input.name));
        graph.output = vec![ValueInfoProto { name: target.to_owned(), ..ValueInfoProto::default() }];
    }
}

/// What a node is called in messages.
fn place(index: usize, node: &NodeProto) -> Place {
    let name = if node.name.is_empty() { format!("#{index}") } else { node.name.clone() };
    Place::Node { name, operator: node.op_type.clone() }
}

/// The node that makes each tensor. A tensor that is given twice is an obstacle.
fn makers<'a>(
    graph: &'a GraphProto,
    initialisers: &HashMap<&str, &TensorProto>,
    obstacles: &mut Vec<Obstacle>,
) -> HashMap<&'a str, usize> {
    let inputs: HashSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    let mut makers = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().map(String::as_str).filter(|name| !name.is_empty()) {
            if makers.insert(name, index).is_some() || initialisers.contains_key(name) || inputs.contains(name) {
                let reason = format!("gives {} a second time; the file is damaged", Quoted(name));
                obstacles.push(Obstacle { place: place(index, node), reason });
            }
        }
    }
    makers
}

fn initialisers<'a>(graph: &'a GraphProto, obstacles: &mut Vec<Obstacle>) -> HashMap<&'a str, &'a TensorProto> {
    let mut initialisers = HashMap::new();
    for tensor in &graph.initializer {
        if initialisers.insert(tensor.name.as_str(), tensor).is_some() {
            let place = Place::Initialiser(tensor.name.clone());
            obstacles.push(Obstacle { place, reason: "is stored twice; the file is damaged".to_owned() });
        }
    }
    for sparse in &graph.sparse_initializer {
        let name = sparse.values.as_ref().map_or("", |values| values.name.as_str());
        let place = Place::Initialiser(name.to_owned());
        obstacles.push(Obstacle { place, reason: "is sparse, which is not supported; store it dense".to_owned() });
    }
    initialisers
}

/// The version of the default operator set, and what is wrong with it; for listing obstacles, a wrong one is replaced by
/// the nearest that is supported.
fn opset(model: &ModelProto) -> (i64, Option<Obstacle>) {
    let mut versions = versions(model);
    let (first, second) = (versions.next(), versions.next());
    let (least, most) = OPSETS.into_inner();
    let problem = match (first, second) {
        (None, _) => Some("names no version of the default operator set".to_owned()),
        (Some(a), Some(b)) if a != b => Some(format!("names the versions {a} and {b} of the default operator set")),
        (Some(version), _) if version < least => {
            Some(format!("uses operator set {version}; convert it to {least} or later (onnx.version_converter)"))
        }
        (Some(version), _) if version > most => {
            Some(format!("uses operator set {version}; export with {most} or earlier"))
        }
        (Some(_), _) => None,
    };
    let obstacle = problem.map(|reason| Obstacle { place: Place::Model, reason });
    (first.unwrap_or(most).clamp(least, most), obstacle)
}

/// The version of the default operator set that a model names first.
pub(super) fn version(model: &ModelProto) -> Option<i64> {
    versions(model).next()
}

fn versions(model: &ModelProto) -> impl Iterator<Item = i64> {
    model.opset_import.iter().filter(|set| canonical(&set.domain).is_empty()).map(|set| set.version)
}

/// The name of a domain; the standard one, which has two, is the empty one.
pub(super) fn canonical(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// Why a node cannot be looked up in the table of operators, if it cannot.
pub(super) fn foreign(graph: &Graph<'_>, node: &NodeProto) -> Option<Reason> {
    if let Some(function) = graph.functions.get(&(canonical(&node.domain), node.op_type.as_str())) {
        let reason = functions::obstacle(function, node, graph.opset).unwrap_or("is too deep or too large");
        return Some(format!(
            "calls a function defined in the model, which {reason}; inline functions before exporting"
        ));
    }
    if !node.overload.is_empty() {
        let overload = Quoted(&node.overload);
        return Some(format!("calls the overload {overload} of a function; inline functions before exporting"));
    }
    if !canonical(&node.domain).is_empty() && contributed::find(node).is_none() {
        return Some(contributed::reason(node));
    }
    None
}
