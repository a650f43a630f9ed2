//! Small ONNX models for tests, built in a line or two.

use crate::import::onnx::proto::attribute_proto::AttributeType;
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use crate::import::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};
use crate::import::{ImportError, ImportOptions, Parts};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use std::path::Path;

pub(crate) fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        name: format!("{output}_node"),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

/// The node with attributes.
pub(crate) fn with(mut node: NodeProto, attributes: Vec<AttributeProto>) -> NodeProto {
    node.attribute = attributes;
    node
}

fn attribute(name: &str, r#type: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: r#type as i32, ..AttributeProto::default() }
}

pub(crate) fn attribute_float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, AttributeType::Float) }
}

pub(crate) fn attribute_int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, AttributeType::Int) }
}

pub(crate) fn attribute_ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), ..attribute(name, AttributeType::Ints) }
}

pub(crate) fn attribute_floats(name: &str, floats: &[f32]) -> AttributeProto {
    AttributeProto { floats: floats.to_vec(), ..attribute(name, AttributeType::Floats) }
}

pub(crate) fn attribute_text(name: &str, text: &str) -> AttributeProto {
    AttributeProto { s: text.as_bytes().to_vec(), ..attribute(name, AttributeType::String) }
}

pub(crate) fn attribute_tensor(name: &str, tensor: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(tensor), ..attribute(name, AttributeType::Tensor) }
}

/// A float32 tensor.
pub(crate) fn floats(name: &str, dims: &[i64], numbers: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: numbers.to_vec(),
        ..TensorProto::default()
    }
}

/// An int64 tensor of rank 1.
pub(crate) fn integers(name: &str, numbers: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![numbers.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: numbers.to_vec(),
        ..TensorProto::default()
    }
}

/// A declaration; dimension 0 stands for a symbolic one.
pub(crate) fn declared(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dimension = |&d: &i64| Dimension {
        value: Some(if d == 0 { dimension::Value::DimParam("n".to_owned()) } else { dimension::Value::DimValue(d) }),
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim: dims.iter().map(dimension).collect() }),
    };
    let r#type = TypeProto { value: Some(type_proto::Value::TensorType(tensor)) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(r#type) }
}

/// A model with the input `x` and the output `y`.
pub(crate) fn model(opset: i64, input: &[i64], nodes: Vec<NodeProto>, stored: Vec<TensorProto>) -> ModelProto {
    let output = ValueInfoProto { r#type: None, ..declared("y", &[]) };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
        graph: Some(GraphProto {
            node: nodes,
            initializer: stored,
            input: vec![declared("x", input)],
            output: vec![output],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

/// The bytes of a field that holds bytes, a text or a message.
pub(crate) fn field(number: u32, contents: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut bytes);
    encode_varint(contents.len() as u64, &mut bytes);
    bytes.extend_from_slice(contents);
    bytes
}

/// Imports a model, self-check included.
pub(crate) fn import(model: &ModelProto) -> Result<Parts, ImportError> {
    import_with(model, &ImportOptions::default())
}

/// Imports what the options choose of a model.
pub(crate) fn import_with(model: &ModelProto, options: &ImportOptions) -> Result<Parts, ImportError> {
    super::read(&model.encode_to_vec(), Path::new("test.onnx"), None, options)
}

/// The one-line error of a model that is not imported.
pub(crate) fn refusal(model: &ModelProto) -> String {
    match import(model) {
        Ok(_) => panic!("the model was imported"),
        Err(error) => error.to_string(),
    }
}
