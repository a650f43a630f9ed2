//! The walk over the graph: every step that matters becomes constants and network nodes, or an obstacle.

use super::attributes::Attributes;
use super::call::Call;
use super::graph::{Choice, Graph, Step, foreign};
use super::hints::Hints;
use super::order;
use super::patterns::Pattern;
use super::tensor::{Tensor, USABLE, elements, is_external, is_float, type_name};
use super::value::{Value, Variable};
use super::{NodeOutputs, Reason, fold, operators};
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use crate::import::onnx::proto::type_proto;
use crate::import::onnx::proto::{NodeProto, ValueInfoProto};
use crate::import::{Obstacle, Place, Port, Quoted};
use crate::network::{Gather, LinearMap, Network, NetworkBuilder, NodeId};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Why a target is refused that the input cannot change.
pub(super) const CONSTANT: &str = "does not depend on the input; a constant has nothing to bound";
/// The most numbers the inputs may hold.
const LARGEST_INPUT: usize = 1 << 24;
/// How many numbers the import may make beside those in the file: 512 MiB.
const SPARE_NUMBERS: usize = 1 << 26;

/// What the walk gives: the network, and the two ends of it in the file's terms.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) network: Network,
    /// The inputs that move, one after the other in the network's input vector.
    pub(super) inputs: Vec<Port>,
    /// The inputs that do not.
    pub(super) fixed: Vec<Port>,
    pub(super) output: Port,
    /// The names of the tensors that depend on the input, in the order in which they were made.
    pub(super) tensors: Vec<String>,
    /// What another implementation has to be told about the model.
    pub(super) hints: Hints,
}

/// Translates a graph from files of `size` bytes. Where an input is chosen, the others are fixed at zero.
pub(super) fn translate(graph: &Graph<'_>, input: Option<&str>, size: usize) -> Result<Translated, Vec<Obstacle>> {
    let mut walk = Walk::start(graph, input, size);
    for (place, step) in &graph.steps {
        walk.step(place, step);
    }
    walk.finish()
}

/// The target of a graph, where it is known while importing; as for [`translate`].
pub(super) fn constant(graph: &Graph<'_>, input: Option<&str>, size: usize) -> Option<Rc<Tensor>> {
    let mut walk = Walk::start(graph, input, size);
    for (place, step) in &graph.steps {
        walk.step(place, step);
    }
    match walk.look_up(graph.target?) {
        Ok(Some(Value::Constant(tensor))) if walk.obstacles.is_empty() && !walk.rough.contains(graph.target?) => {
            Some(tensor)
        }
        _ => None,
    }
}

/// What is known about a tensor.
#[derive(Clone)]
enum Slot {
    Known(Value),
    /// It lies behind an obstacle.
    Unknown,
    /// An output that its operator has, but that has no meaning here.
    Meaningless,
}

struct Walk<'a> {
    graph: &'a Graph<'a>,
    inputs: Vec<Port>,
    fixed: Vec<Port>,
    slots: HashMap<&'a str, Slot>,
    /// How often each tensor is still to be read: after the last time, it is no longer held.
    readers: HashMap<&'a str, usize>,
    tensors: Vec<String>,
    hints: Hints,
    builder: NetworkBuilder,
    budget: usize,
    /// Constants whose last digits implementations do differently.
    rough: HashSet<&'a str>,
    obstacles: Vec<Obstacle>,
    /// How many outputs of the last node are labels, before those with numbers.
    labels: usize,
}

impl<'a> Walk<'a> {
    fn start(graph: &'a Graph<'a>, input: Option<&str>, size: usize) -> Self {
        let mut walk = Self {
            graph,
            inputs: Vec::new(),
            fixed: Vec::new(),
            slots: HashMap::new(),
            readers: readers(graph),
            tensors: Vec::new(),
            hints: Hints::default(),
            builder: NetworkBuilder::new(1).expect("one input is enough to go on with"),
            budget: SPARE_NUMBERS.saturating_add(size),
            rough: HashSet::new(),
            obstacles: graph.obstacles.clone(),
            labels: 0,
        };
        walk.open(input);
        walk
    }

    /// Makes the inputs of the graph, or the one that is chosen, the input of the network.
    fn open(&mut self, chosen: Option<&str>) {
        let mut len = 0;
        for &input in &self.graph.inputs {
            match self.port(input, &mut len) {
                Ok(port) if chosen.is_none_or(|name| name == port.name) => self.inputs.push(port),
                Ok(port) => self.fixed.push(port),
                Err(reason) => {
                    self.refuse(Place::Input(input.name.clone()), reason);
                    self.slots.insert(&input.name, Slot::Unknown);
                }
            }
        }
        let moving = self.inputs.iter().map(|port| port.shape.iter().product::<usize>()).sum();
        if let Ok(builder) = NetworkBuilder::new(moving) {
            self.builder = builder;
        }
        let mut start = 0;
        for &input in &self.graph.inputs {
            let place =
                |ports: &[Port]| ports.iter().find(|port| port.name == input.name).map(|port| port.shape.clone());
            let (shape, from) = match (place(&self.inputs), place(&self.fixed)) {
                (Some(shape), _) => (shape, Some(start)),
                (None, Some(shape)) => (shape, None),
                (None, None) => continue, // refused
            };
            let len: usize = shape.iter().product();
            start += from.map_or(0, |_| len);
            let id = self.part(&input.name, from, len);
            self.slots.insert(&input.name, Slot::Known(Value::Variable(Variable { id, shape })));
        }
    }

    /// The node of `len` entries of the input vector from a place on; zeros for an input that does not move, so that what
    /// it meets is still understood as depending on an input.
    fn part(&mut self, name: &str, from: Option<usize>, len: usize) -> NodeId {
        let total = self.builder.len_of(NodeId::INPUT);
        if from == Some(0) && len == total {
            return NodeId::INPUT;
        }
        let gather = Gather::new(total, (0..len).map(|i| from.map(|start| start + i))).expect("the parts lie inside");
        let map = LinearMap::Gather(gather);
        self.builder.affine(name, vec![(NodeId::INPUT, map)], None).expect("a part of the input has entries")
    }

    /// An input of the graph; `len` is how many numbers the inputs hold by now.
    fn port(&self, input: &ValueInfoProto, len: &mut usize) -> Result<Port, Reason> {
        let shape = input_shape(input)?;
        let own = elements(&shape)?;
        if own == 0 {
            return Err(format!("has no entries, its shape is {shape:?}"));
        }
        *len = len.saturating_add(own);
        if *len > LARGEST_INPUT {
            return Err(format!("holds {own} numbers; at most {LARGEST_INPUT} are supported"));
        }
        Ok(Port { name: input.name.clone(), shape })
    }

    /// One step.
    fn step(&mut self, place: &Place, step: &Step<'a>) {
        let (node, outcome) = match step {
            Step::Node(node) => (*node, self.apply(node)),
            Step::Pattern(pattern) => (pattern.node, self.spelt_out(pattern)),
            Step::Choice(choice) => (choice.node, self.chosen(choice)),
        };
        let outputs = match outcome {
            Ok(Some(values)) => {
                let labels = std::mem::take(&mut self.labels);
                let labels = std::iter::repeat_n(Slot::Meaningless, labels);
                labels.chain(values.into_iter().map(Slot::Known)).collect()
            }
            Ok(None) => vec![Slot::Unknown; node.output.len()],
            Err(reason) => {
                self.refuse(place.clone(), reason);
                vec![Slot::Unknown; node.output.len()]
            }
        };
        let slots = outputs.into_iter().chain(std::iter::repeat(Slot::Meaningless));
        for (name, slot) in node.output.iter().zip(slots).filter(|(name, _)| !name.is_empty()) {
            if let Slot::Known(Value::Variable(_)) = slot {
                self.tensors.push(name.clone());
            }
            self.slots.insert(name, slot);
        }
    }

    /// The output of several nodes that amount to one activation.
    fn spelt_out(&mut self, pattern: &Pattern<'a>) -> Result<Option<Vec<Value>>, Reason> {
        let Some(value) = self.look_up(pattern.argument)? else { return Ok(None) };
        let inputs = vec![(pattern.argument, Some(value))];
        self.call(pattern.node, Attributes::none(), inputs, |call| pattern.add_to(call)).map(Some)
    }

    /// The output of a Where and its comparison.
    fn chosen(&mut self, choice: &Choice<'a>) -> Result<Option<Vec<Value>>, Reason> {
        let mut inputs = Vec::with_capacity(choice.inputs.len());
        for name in choice.inputs {
            inputs.push((name, self.look_up(name)?));
        }
        if inputs.iter().any(|(_, value)| value.is_none()) {
            return Ok(None);
        }
        self.call(choice.node, Attributes::none(), inputs, operators::choice::choice).map(Some)
    }

    /// The outputs of a node, or none when they lie behind an obstacle.
    fn apply(&mut self, node: &'a NodeProto) -> Result<Option<Vec<Value>>, Reason> {
        if let Some(reason) = foreign(self.graph, node) {
            return Err(self.unknown(reason));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        let mut blocked = false;
        for name in &node.input {
            let value = if name.is_empty() { None } else { self.look_up(name)? };
            blocked |= value.is_none() && !name.is_empty();
            inputs.push((name.as_str(), value));
        }
        let constant = |(_, value): &(&str, Option<Value>)| !matches!(value, Some(Value::Variable(_)));
        let folded = if !blocked && inputs.iter().all(constant) { fold::find(node) } else { None };
        let own = || operators::find(node, self.graph.opset);
        let function = operators::contributed::find(node).or(folded).map_or_else(own, Ok);
        let first = node.input.first().map_or("", String::as_str);
        let useful = |reason: Reason| {
            // before the node there is another obstacle, or nothing at all
            let pointless = blocked || self.graph.inputs.iter().any(|input| input.name == first);
            if pointless { operators::refused::without_advice(reason) } else { reason }
        };
        let function = function.map_err(useful).map_err(|reason| self.unknown(reason))?;
        if blocked {
            return Ok(None);
        }
        if let Some(reason) = operators::refused::product(node, &inputs, !self.fixed.is_empty()) {
            return Err(useful(reason));
        }
        self.hints.note(node, &inputs, &self.graph.types);
        self.call(node, Attributes::of(node)?, inputs, function).map(Some)
    }

    /// Runs an operator's function and accounts for what it makes.
    fn call(
        &mut self,
        node: &'a NodeProto,
        attributes: Attributes<'a>,
        inputs: Vec<(&'a str, Option<Value>)>,
        function: impl FnOnce(&mut Call<'_>) -> NodeOutputs,
    ) -> NodeOutputs {
        let name = [&node.name, node.output.first().unwrap_or(&node.name)].into_iter().find(|name| !name.is_empty());
        let name = name.map_or(node.op_type.as_str(), String::as_str);
        let (opset, outputs) = (self.graph.opset, node.output.len());
        let element_type = node.output.first().and_then(|output| self.graph.types.get(output.as_str())).copied();
        let rough = node.input.iter().any(|input| self.rough.contains(input.as_str()));
        let mut call = Call {
            opset,
            attributes,
            name,
            inputs,
            outputs,
            builder: &mut self.builder,
            made: 0,
            labels: 0,
            element_type,
            rough,
            coarse: vec![],
        };
        let mut values = function(&mut call)?;
        call.finish()?;
        for (value, output) in values.iter_mut().zip(node.output.iter().skip(call.labels)) {
            let Value::Constant(tensor) = &value else { continue };
            tensor.expect_numbers()?;
            if call.rough {
                self.rough.insert(output);
            }
            if let Some(&element_type) = self.graph.types.get(output.as_str()) {
                *value = tensor.in_type(element_type)?.into();
            }
        }
        self.labels = call.labels;
        self.hints.coarse.append(&mut call.coarse);
        let constants = values.iter().map(|value| if let Value::Constant(tensor) = value { tensor.len() } else { 0 });
        let made = constants.fold(call.made, usize::saturating_add);
        self.budget = self.budget.checked_sub(made).ok_or("needs more memory than the file's size justifies")?;
        Ok(values)
    }

    /// The value of a tensor, or none when it lies behind an obstacle.
    fn look_up(&mut self, name: &'a str) -> Result<Option<Value>, Reason> {
        let left = self.readers.get_mut(name).map(|left| {
            *left = left.saturating_sub(1);
            *left
        });
        let slot = if left == Some(0) { self.slots.remove(name) } else { self.slots.get(name).cloned() };
        match slot {
            Some(Slot::Known(value)) => return Ok(Some(value)),
            Some(Slot::Unknown) => return Ok(None),
            Some(Slot::Meaningless) => {
                return Err(format!("reads {}, an output that is not supported", Quoted(name)));
            }
            None => {}
        }
        let Some(&stored) = self.graph.initialisers.get(name) else {
            return Err(format!("reads {}, which nothing in the file gives; the file is damaged", Quoted(name)));
        };
        if is_external(stored) {
            return Ok(None); // why it could not be fetched is an obstacle already
        }
        let value = match Tensor::read(stored) {
            Ok(tensor) => Some(Value::from(tensor)),
            Err(reason) => {
                self.refuse(Place::Initialiser(name.to_owned()), reason);
                None
            }
        };
        if left != Some(0) {
            self.slots.insert(name, value.clone().map_or(Slot::Unknown, Slot::Known));
        }
        Ok(value)
    }

    fn finish(mut self) -> Result<Translated, Vec<Obstacle>> {
        if !self.obstacles.is_empty() {
            return Err(self.obstacles);
        }
        let Some(target) = self.graph.target else {
            self.refuse(Place::Model, "has no output".to_owned());
            return Err(self.obstacles);
        };
        match self.close(target) {
            Ok(Some((id, output))) if self.obstacles.is_empty() => {
                let Self { inputs, fixed, tensors, mut hints, builder, .. } = self;
                let (network, places) = builder.finish_placed(id);
                hints.coarse.retain_mut(|(id, _)| places[id.index()].map(|place| *id = place).is_some());
                Ok(Translated { network, inputs, fixed, output, tensors, hints })
            }
            Ok(_) => Err(self.obstacles),
            Err(reason) => {
                self.refuse(Place::Output(target.to_owned()), reason);
                Err(self.obstacles)
            }
        }
    }

    /// The node of the tensor that is bounded, or none when it lies behind an obstacle.
    fn close(&mut self, name: &'a str) -> Result<Option<(NodeId, Port)>, Reason> {
        let Some(value) = self.look_up(name)? else { return Ok(None) };
        let Value::Variable(Variable { id, shape }) = value else {
            return Err(CONSTANT.to_owned());
        };
        let len = self.builder.len_of(id);
        let id = if id == NodeId::INPUT {
            // a graph that only reshapes: the output is a node of its own
            self.builder.affine(name, vec![(id, LinearMap::Identity(len))], None).map_err(|error| error.to_string())?
        } else {
            id
        };
        Ok(Some((id, Port { name: name.to_owned(), shape })))
    }

    /// Why a node is refused whose operator is not understood; where it is the first that stands in the way, with the tensor up to
    /// which the network can be bounded.
    fn unknown(&self, reason: Reason) -> Reason {
        let is_node = |obstacle: &Obstacle| matches!(obstacle.place, Place::Node { .. });
        match self.tensors.last() {
            Some(before) if !operators::refused::has_advice(&reason) && !self.obstacles.iter().any(is_node) => {
                reason + &operators::refused::advice(before)
            }
            _ => reason,
        }
    }

    fn refuse(&mut self, place: Place, reason: Reason) {
        self.obstacles.push(Obstacle { place, reason });
    }
}

/// How often each tensor is read.
fn readers<'a>(graph: &Graph<'a>) -> HashMap<&'a str, usize> {
    let mut readers = HashMap::new();
    let mut count = |name: &'a str| *readers.entry(name).or_default() += 1;
    for (_, step) in &graph.steps {
        match step {
            Step::Node(node) => order::inputs(node).for_each(&mut count),
            Step::Pattern(pattern) => count(pattern.argument),
            Step::Choice(choice) => choice.inputs.into_iter().for_each(&mut count),
        }
    }
    graph.target.into_iter().for_each(count);
    readers
}

/// The shape of an input; a symbolic first dimension of several is a batch, and counts as 1.
fn input_shape(input: &ValueInfoProto) -> Result<Vec<usize>, Reason> {
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err("is not declared as a tensor".to_owned());
    };
    if !DataType::try_from(tensor.elem_type).is_ok_and(is_float) {
        return Err(format!("has element type {}; {USABLE}", type_name(tensor.elem_type)));
    }
    let dims = &tensor.shape.as_ref().ok_or("is declared without a shape; export with a fixed shape")?.dim;
    let size = |(axis, dim): (usize, &Dimension)| match &dim.value {
        Some(dimension::Value::DimValue(size @ 0..)) => {
            usize::try_from(*size).map_err(|_| format!("has dimension {axis} of size {size}"))
        }
        _ if axis == 0 && dims.len() >= 2 => Ok(1),
        Some(dimension::Value::DimParam(symbol)) => {
            Err(format!("has the dynamic dimension {axis}, {}; export with a fixed size", Quoted(symbol)))
        }
        _ => Err(format!("has the dynamic dimension {axis}; export with a fixed size")),
    };
    dims.iter().enumerate().map(size).collect()
}
