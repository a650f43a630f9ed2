//! A node with its inputs, and its attributes by name.

use super::Reason;
use super::array::Array;
use crate::import::onnx::proto::{AttributeProto, NodeProto};
use std::rc::Rc;

/// A node whose inputs are computed.
pub(super) struct Node<'a> {
    pub(super) proto: &'a NodeProto,
    pub(super) opset: i64,
    pub(super) inputs: Vec<Option<Rc<Array>>>,
}

impl Node<'_> {
    pub(super) fn operator(&self) -> &str {
        &self.proto.op_type
    }

    pub(super) fn input(&self, index: usize) -> Result<&Array, Reason> {
        self.optional(index).ok_or_else(|| format!("no input {index}"))
    }

    pub(super) fn optional(&self, index: usize) -> Option<&Array> {
        self.inputs.get(index).and_then(|input| input.as_deref())
    }

    /// An input that is a list of integers.
    pub(super) fn integers(&self, index: usize) -> Option<Vec<i64>> {
        self.optional(index).map(|array| array.data.iter().map(|&v| v as i64).collect())
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f64 {
        self.attribute(name).map_or(default, |attribute| attribute.f).into()
    }

    pub(super) fn text(&self, name: &str, default: &str) -> String {
        self.attribute(name).map_or(default.into(), |attribute| String::from_utf8_lossy(&attribute.s).into_owned())
    }

    pub(super) fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name).map(|attribute| attribute.ints.clone())
    }

    pub(super) fn floats(&self, name: &str) -> Option<Vec<f64>> {
        self.attribute(name).map(|attribute| attribute.floats.iter().map(|&v| v.into()).collect())
    }

    pub(super) fn tensor(&self, name: &str) -> Option<Result<Array, Reason>> {
        self.attribute(name).and_then(|attribute| attribute.t.as_ref()).map(Array::stored)
    }
}

/// An axis that may count back from the end.
pub(super) fn axis(given: i64, rank: usize) -> Result<usize, Reason> {
    let place = if given < 0 { given + rank as i64 } else { given };
    usize::try_from(place).ok().filter(|&axis| axis < rank).ok_or_else(|| format!("no axis {given}"))
}
