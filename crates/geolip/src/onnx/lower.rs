//! The walk over the graph: every node that matters becomes constants and network nodes, or an obstacle.

use super::attributes::Attributes;
use super::call::Call;
use super::graph::{Graph, foreign};
use super::operators;
use super::tensor::{Tensor, USABLE, elements, type_name};
use super::value::{Value, Variable};
use super::{Lowered, Reason};
use crate::import::{Obstacle, Place, Port, Quoted};
use crate::network::{self, LinearMap, NetworkBuilder, NodeId};
use std::collections::HashMap;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::type_proto;
use tract_onnx::pb::{NodeProto, ValueInfoProto};

/// The most numbers an input may hold.
const LARGEST_INPUT: usize = 1 << 24;
/// How many numbers the import may make beside those in the file: 512 MiB.
const SPARE_NUMBERS: usize = 1 << 26;

/// What the walk gives: the network, and the two ends of it in the file's terms.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) network: network::Network,
    pub(super) input: Port,
    pub(super) output: Port,
}

/// Lowers a graph from a file of `size` bytes.
pub(super) fn lower(graph: &Graph<'_>, size: usize) -> Result<Network, Vec<Obstacle>> {
    let mut walk = Walk::start(graph, size);
    for (place, node) in &graph.nodes {
        walk.step(place, node);
    }
    walk.finish()
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
    input: Option<Port>,
    slots: HashMap<&'a str, Slot>,
    builder: NetworkBuilder,
    budget: usize,
    obstacles: Vec<Obstacle>,
}

impl<'a> Walk<'a> {
    fn start(graph: &'a Graph<'a>, size: usize) -> Self {
        let obstacles = graph.obstacles.clone();
        let builder = NetworkBuilder::new(1).expect("one input is enough to go on with");
        let budget = SPARE_NUMBERS.saturating_add(size);
        let mut walk = Self { graph, input: None, slots: HashMap::new(), builder, budget, obstacles };
        for &input in &graph.inputs {
            let slot = walk.open(input).unwrap_or_else(|reason| {
                walk.refuse(Place::Input(input.name.clone()), reason);
                Slot::Unknown
            });
            walk.slots.insert(&input.name, slot);
        }
        if graph.outputs.len() > 1 {
            let names = listed(graph.outputs.iter().copied());
            walk.refuse(Place::Model, format!("has the outputs {names}; one output is supported for now"));
        }
        walk
    }

    /// Makes an input of the graph the input of the network.
    fn open(&mut self, input: &ValueInfoProto) -> Result<Slot, Reason> {
        if let [first, .., _] = self.graph.inputs.as_slice() {
            if first.name != input.name {
                return Ok(Slot::Unknown); // the first one has said it
            }
            let names = listed(self.graph.inputs.iter().map(|other| other.name.as_str()));
            return Err(format!("is one of the inputs {names}; one input is supported for now"));
        }
        let (shape, batch) = input_shape(input)?;
        if let Some(size) = batch {
            let reason = format!("holds a batch of {size}; export with a batch of 1 or a symbolic one");
            self.refuse(Place::Input(input.name.clone()), reason); // and go on, to see what else there is
        }
        let len = elements(&shape)?;
        if len > LARGEST_INPUT {
            return Err(format!("holds {len} numbers; at most {LARGEST_INPUT} are supported"));
        }
        self.builder = NetworkBuilder::new(len).map_err(|_| format!("has no entries, its shape is {shape:?}"))?;
        self.input = Some(Port { name: input.name.clone(), shape: shape.clone() });
        Ok(Slot::Known(Value::Variable(Variable { id: self.builder.input(), shape })))
    }

    /// One node.
    fn step(&mut self, place: &Place, node: &'a NodeProto) {
        let outputs = match self.apply(node) {
            Ok(Some(values)) => values.into_iter().map(Slot::Known).collect(),
            Ok(None) => vec![Slot::Unknown; node.output.len()],
            Err(reason) => {
                self.refuse(place.clone(), reason);
                vec![Slot::Unknown; node.output.len()]
            }
        };
        let slots = outputs.into_iter().chain(std::iter::repeat(Slot::Meaningless));
        for (name, slot) in node.output.iter().zip(slots).filter(|(name, _)| !name.is_empty()) {
            self.slots.insert(name, slot);
        }
    }

    /// The outputs of a node, or none when they lie behind an obstacle.
    fn apply(&mut self, node: &'a NodeProto) -> Result<Option<Vec<Value>>, Reason> {
        if let Some(reason) = foreign(self.graph, node) {
            return Err(reason);
        }
        let operator = operators::find(node, self.graph.opset)?;
        let mut inputs = Vec::with_capacity(node.input.len());
        let mut blocked = false;
        for name in &node.input {
            let value = if name.is_empty() { None } else { self.look_up(name)? };
            blocked |= value.is_none() && !name.is_empty();
            inputs.push((name.as_str(), value));
        }
        if blocked {
            return Ok(None);
        }
        self.call(node, operator, inputs).map(Some)
    }

    /// Runs an operator's function and accounts for what it makes.
    fn call(
        &mut self,
        node: &'a NodeProto,
        operator: operators::Function,
        inputs: Vec<(&'a str, Option<Value>)>,
    ) -> Lowered {
        let name = [&node.name, node.output.first().unwrap_or(&node.name)].into_iter().find(|name| !name.is_empty());
        let attributes = Attributes::of(node)?;
        let name = name.map_or(node.op_type.as_str(), String::as_str);
        let mut call = Call { opset: self.graph.opset, attributes, name, inputs, builder: &mut self.builder, made: 0 };
        let values = operator(&mut call)?;
        call.finish()?;
        let constants = values.iter().map(|value| if let Value::Constant(tensor) = value { tensor.len() } else { 0 });
        let made = constants.fold(call.made, usize::saturating_add);
        self.budget = self.budget.checked_sub(made).ok_or("needs more memory than the file's size justifies")?;
        Ok(values)
    }

    /// The value of a tensor, or none when it lies behind an obstacle.
    fn look_up(&mut self, name: &'a str) -> Result<Option<Value>, Reason> {
        if let Some(slot) = self.slots.get(name) {
            return match slot {
                Slot::Known(value) => Ok(Some(value.clone())),
                Slot::Unknown => Ok(None),
                Slot::Meaningless => Err(format!("reads {}, an output that is not supported", Quoted(name))),
            };
        }
        let Some(&stored) = self.graph.initialisers.get(name) else {
            return Err(format!("reads {}, which nothing in the file gives; the file is damaged", Quoted(name)));
        };
        let value = match Tensor::read(stored) {
            Ok(tensor) => Some(Value::from(tensor)),
            Err(reason) => {
                self.refuse(Place::Initialiser(name.to_owned()), reason);
                None
            }
        };
        self.slots.insert(name, value.clone().map_or(Slot::Unknown, Slot::Known));
        Ok(value)
    }

    fn finish(mut self) -> Result<Network, Vec<Obstacle>> {
        if !self.obstacles.is_empty() {
            return Err(self.obstacles);
        }
        let output = match self.graph.outputs.as_slice() {
            [name] => self.close(name).unwrap_or_else(|reason| {
                self.refuse(Place::Output((*name).to_owned()), reason);
                None
            }),
            [] => {
                self.refuse(Place::Model, "has no output".to_owned());
                None
            }
            _ => None,
        };
        match (output, self.input) {
            (Some((id, output)), Some(input)) if self.obstacles.is_empty() => {
                Ok(Network { network: self.builder.finish(id), input, output })
            }
            _ => Err(self.obstacles),
        }
    }

    /// The node of the graph's output, or none when it lies behind an obstacle.
    fn close(&mut self, name: &'a str) -> Result<Option<(NodeId, Port)>, Reason> {
        let Some(value) = self.look_up(name)? else { return Ok(None) };
        let Value::Variable(Variable { id, shape }) = value else {
            return Err("does not depend on the input; a constant has nothing to bound".to_owned());
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

    fn refuse(&mut self, place: Place, reason: Reason) {
        self.obstacles.push(Obstacle { place, reason });
    }
}

/// The shape of an input with a batch of one, and the batch that is declared if it is a larger one.
fn input_shape(input: &ValueInfoProto) -> Result<(Vec<usize>, Option<i64>), Reason> {
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err("is not declared as a tensor".to_owned());
    };
    if !matches!(DataType::try_from(tensor.elem_type), Ok(DataType::Float | DataType::Double)) {
        return Err(format!("has element type {}; {USABLE}", type_name(tensor.elem_type)));
    }
    let dims = &tensor.shape.as_ref().ok_or("is declared without a shape; export with a fixed shape")?.dim;
    let batched = dims.len() >= 2;
    let mut shape = Vec::with_capacity(dims.len());
    let mut batch = None;
    for (axis, dim) in dims.iter().enumerate() {
        shape.push(match (&dim.value, axis) {
            (Some(dimension::Value::DimValue(size @ 2..)), 0) if batched => {
                batch = Some(*size);
                1
            }
            (Some(dimension::Value::DimValue(size @ 0..)), _) => {
                usize::try_from(*size).map_err(|_| format!("has dimension {axis} of size {size}"))?
            }
            (_, 0) if batched => 1,
            (Some(dimension::Value::DimParam(symbol)), _) => {
                return Err(format!("has the dynamic dimension {axis}, {}; export with a fixed size", Quoted(symbol)));
            }
            (_, _) => return Err(format!("has the dynamic dimension {axis}; export with a fixed size")),
        });
    }
    Ok((shape, batch))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| Quoted(name).to_string()).collect::<Vec<_>>().join(", ")
}
