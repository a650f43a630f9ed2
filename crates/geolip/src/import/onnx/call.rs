//! One node as its operator's function sees it: inputs and attributes to take, and a network to add to.
//!
//! Inputs are *taken*, like attributes: whatever is left over when the function returns was not understood, and is an
//! obstacle ([`Call::finish`]).

use super::attributes::Attributes;
use super::hints::Coarse;
use super::tensor::Tensor;
use super::value::{Value, Variable};
use super::{NodeOutputs, Reason};
use crate::import::Quoted;
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::network::{Activation, Combination, LinearMap, NetworkBuilder, NetworkError, NodeId};
use std::rc::Rc;

/// A node whose inputs are all understood.
pub(super) struct Call<'a> {
    /// The version of the operator set in force.
    pub(super) opset: i64,
    /// The attributes not read yet.
    pub(super) attributes: Attributes<'a>,
    /// What the network's nodes made here are called.
    pub(super) name: &'a str,
    /// The names of the inputs, and the values not taken yet.
    pub(super) inputs: Vec<(&'a str, Option<Value>)>,
    /// How many outputs the node names.
    pub(super) outputs: usize,
    /// The network so far.
    pub(super) builder: &'a mut NetworkBuilder,
    /// How many weights, biases and parameters it got from this node.
    pub(super) made: usize,
    /// How many outputs there are before those that are given: labels, which have no meaning here.
    pub(super) labels: usize,
    /// The element type of what the node gives, as far as it is known.
    pub(super) element_type: Option<DataType>,
    /// Whether implementations may give other last digits, or a decision rests on such digits already.
    pub(super) rough: bool,
    /// Which of the network's nodes made here implementations compute more coarsely than their terms suggest.
    pub(super) coarse: Vec<(NodeId, Coarse)>,
}

impl Call<'_> {
    /// Takes an input that has to be there.
    pub(super) fn take(&mut self, index: usize) -> Result<Value, Reason> {
        self.take_optional(index).ok_or_else(|| format!("lacks its input {index}"))
    }

    /// Takes an input that may be absent.
    pub(super) fn take_optional(&mut self, index: usize) -> Option<Value> {
        self.inputs.get_mut(index).and_then(|(_, value)| value.take())
    }

    /// Puts an input back that was taken, as what it has become.
    pub(super) fn put_back(&mut self, index: usize, value: Value) {
        if let Some((_, place)) = self.inputs.get_mut(index) {
            *place = Some(value);
        }
    }

    /// The shape of an input that has not been taken.
    pub(super) fn shape(&self, index: usize) -> Result<&[usize], Reason> {
        let value = self.inputs.get(index).and_then(|(_, value)| value.as_ref());
        value.map(Value::shape).ok_or_else(|| format!("lacks its input {index}"))
    }

    /// Takes an input that has to depend on the network's input.
    pub(super) fn take_variable(&mut self, index: usize) -> Result<Variable, Reason> {
        match self.take(index)? {
            Value::Variable(variable) => Ok(variable),
            Value::Constant(_) => {
                Err("works on constants, which is not supported here; simplify the model first (onnxsim)".to_owned())
            }
        }
    }

    /// Takes an input that has to be constant, if it is there.
    pub(super) fn take_constant(&mut self, index: usize) -> Result<Option<Rc<Tensor>>, Reason> {
        match self.take_optional(index) {
            None => Ok(None),
            Some(Value::Constant(tensor)) => Ok(Some(tensor)),
            Some(Value::Variable(_)) => {
                Err(format!("computes {} from the network's input; only a constant is supported", self.named(index)))
            }
        }
    }

    /// Takes an input that has to be a single constant number, if it is there.
    pub(super) fn take_scalar(&mut self, index: usize) -> Result<Option<f64>, Reason> {
        let Some(tensor) = self.take_constant(index)? else { return Ok(None) };
        match self.numbers(index, &tensor)? {
            [value] => Ok(Some(*value)),
            others => Err(format!("has {} numbers in {} where one is needed", others.len(), self.named(index))),
        }
    }

    /// Takes an input that has to be a constant list of integers, if it is there.
    pub(super) fn take_integers(&mut self, index: usize) -> Result<Option<Vec<i64>>, Reason> {
        let Some(tensor) = self.take_constant(index)? else { return Ok(None) };
        let integers = tensor.as_integers().map_err(|reason| format!("{} {reason}", self.named(index)))?;
        Ok(Some(integers.to_vec()))
    }

    /// The numbers of a constant that was input `index`, none of them NaN.
    fn numbers<'t>(&self, index: usize, tensor: &'t Tensor) -> Result<&'t [f64], Reason> {
        let numbers = tensor.as_floats().map_err(|reason| format!("{} {reason}", self.named(index)))?;
        if numbers.iter().any(|v| v.is_nan()) { Err(self.not_finite(index, f64::NAN)) } else { Ok(numbers) }
    }

    /// The numbers of a constant that was input `index`, all of them finite.
    pub(super) fn weights<'t>(&self, index: usize, tensor: &'t Tensor) -> Result<&'t [f64], Reason> {
        let numbers = self.numbers(index, tensor)?;
        match numbers.iter().find(|v| !v.is_finite()) {
            None => Ok(numbers),
            Some(&value) => Err(self.not_finite(index, value)),
        }
    }

    /// What to say of a number that is none, of input `index`.
    pub(super) fn not_finite(&self, index: usize, value: f64) -> Reason {
        format!("{} holds {value}; every weight must be a finite number", self.named(index))
    }

    fn named(&self, index: usize) -> String {
        let name = self.inputs.get(index).map_or("", |(name, _)| name);
        if name.is_empty() { format!("its input {index}") } else { format!("its input {}", Quoted(name)) }
    }

    /// Adds a sum of linear maps to the network.
    pub(super) fn affine(
        &mut self,
        terms: Vec<(NodeId, LinearMap)>,
        bias: Option<Vec<f64>>,
        shape: Vec<usize>,
    ) -> NodeOutputs {
        Ok(vec![Value::Variable(self.linear(terms, bias, shape)?)])
    }

    /// Adds a sum of linear maps to the network, as a step on the way to the node's output.
    pub(super) fn linear(
        &mut self,
        terms: Vec<(NodeId, LinearMap)>,
        bias: Option<Vec<f64>>,
        shape: Vec<usize>,
    ) -> Result<Variable, Reason> {
        self.made += terms.iter().map(|(_, map)| map.parameters()).sum::<usize>() + bias.as_ref().map_or(0, Vec::len);
        let id = self.builder.affine(self.name, terms, bias).map_err(reason)?;
        Ok(Variable { id, shape })
    }

    /// Adds max(x, 0) to the network, as a step on the way to the node's output.
    pub(super) fn relu(&mut self, x: Variable) -> Result<Variable, Reason> {
        self.function(x, Activation::Relu)
    }

    /// Adds an activation to the network, as a step on the way to the node's output.
    pub(super) fn function(&mut self, x: Variable, activation: Activation) -> Result<Variable, Reason> {
        let id = self.builder.activate(self.name, x.id, activation).map_err(reason)?;
        Ok(Variable { id, ..x })
    }

    /// Adds the product of two tensors of one shape to the network, entry by entry.
    pub(super) fn product(&mut self, a: Variable, b: Variable) -> Result<Variable, Reason> {
        let id = self.builder.combine(self.name, [a.id, b.id], Combination::Product).map_err(reason)?;
        Ok(Variable { id, ..a })
    }

    /// Applies an activation to the first input.
    pub(super) fn activate(&mut self, activation: Activation) -> NodeOutputs {
        let argument = self.take(0)?;
        Ok(vec![self.apply(argument, activation)?])
    }

    /// Adds an activation to the network; of a constant, its values.
    pub(super) fn apply(&mut self, argument: Value, activation: Activation) -> Result<Value, Reason> {
        let parent = match argument {
            Value::Variable(parent) => parent,
            Value::Constant(tensor) => {
                self.rough |= !matches!(activation, Activation::Relu | Activation::Abs | Activation::Clip { .. });
                return on_constant(&tensor, &activation);
            }
        };
        self.made += activation.neurons().unwrap_or(0);
        let id = self.builder.activate(self.name, parent.id, activation).map_err(reason)?;
        Ok(Value::Variable(Variable { id, ..parent }))
    }

    /// What to say when something is left over.
    pub(super) fn finish(&self) -> Result<(), Reason> {
        self.attributes.finish()?;
        match self.inputs.iter().position(|(_, value)| value.is_some()) {
            None => Ok(()),
            Some(index) => Err(format!("has {}, which is not understood in this operator set", self.named(index))),
        }
    }
}

fn on_constant(tensor: &Tensor, activation: &Activation) -> Result<Value, Reason> {
    if let Some(reason) = activation.defect() {
        return Err(reason);
    }
    tensor.expect_numbers()?;
    let values = tensor.as_floats()?.iter().enumerate().map(|(index, &v)| activation.value(index, v)).collect();
    Ok(Tensor::floats(tensor.shape.clone(), values).into())
}

/// The reason within a builder's error, whose node the obstacle names itself.
fn reason(error: NetworkError) -> Reason {
    match error {
        NetworkError::Activation { reason, .. } => reason,
        NetworkError::NotFinite { what, value, .. } => {
            format!("{what} would hold {value}; every weight must be a finite number")
        }
        NetworkError::Length { what, found, expected, .. } => {
            format!("{what} has length {found}, but {expected} is needed")
        }
        NetworkError::Empty { .. } => "works on a tensor without entries".to_owned(),
    }
}
