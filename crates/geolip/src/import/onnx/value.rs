//! What a tensor of the graph is to the importer: known now, or a node of the network.

use super::Reason;
use super::tensor::{Tensor, elements};
use crate::network::NodeId;
use std::rc::Rc;

/// A tensor of the graph.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Known while importing.
    Constant(Rc<Tensor>),
    /// Computed from the input.
    Variable(Variable),
}

/// A tensor that depends on the input: a node of the network, whose vector is the tensor in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) id: NodeId,
    pub(super) shape: Vec<usize>,
}

impl Variable {
    /// How many numbers it holds.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Value {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Constant(tensor) => &tensor.shape,
            Self::Variable(variable) => &variable.shape,
        }
    }

    /// The same numbers under another shape.
    pub(super) fn reshaped(self, shape: Vec<usize>) -> Result<Self, Reason> {
        if elements(&shape)? != elements(self.shape())? {
            return Err(format!("cannot turn the shape {:?} into {shape:?}", self.shape()));
        }
        Ok(match self {
            Self::Constant(tensor) => Rc::unwrap_or_clone(tensor).reshaped(shape).into(),
            Self::Variable(variable) => Self::Variable(Variable { shape, ..variable }),
        })
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Self::Constant(Rc::new(tensor))
    }
}
