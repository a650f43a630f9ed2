//! The parts of small ONNX models.

/// The library's own messages of ONNX files, which it does not make public.
#[path = "../../src/import/onnx/proto.rs"]
pub mod proto;

use proto::tensor_proto::DataType;
use proto::tensor_shape_proto::{Dimension, dimension};
use proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

/// A stored float32 tensor.
pub fn floats(name: &str, dims: &[i64], numbers: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        raw_data: numbers.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

/// A stored int64 tensor of rank 1.
pub fn integers(name: &str, numbers: &[i64]) -> TensorProto {
    let dims = vec![numbers.len() as i64];
    TensorProto { data_type: DataType::Int64 as i32, int64_data: numbers.to_vec(), dims, ..floats(name, &[], &[]) }
}

/// An attribute that is a list of integers.
pub fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 7, ints: ints.to_vec(), ..AttributeProto::default() }
}

pub fn node(operator: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

/// A model with the float32 input `x` and the output `y`.
pub fn model(opset: i64, input: &[i64], nodes: Vec<NodeProto>, stored: Vec<TensorProto>) -> ModelProto {
    let dimension = |&d: &i64| Dimension { value: Some(dimension::Value::DimValue(d)) };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim: input.iter().map(dimension).collect() }),
    };
    let r#type = TypeProto { value: Some(type_proto::Value::TensorType(tensor)) };
    let graph = GraphProto {
        node: nodes,
        initializer: stored,
        input: vec![ValueInfoProto { name: "x".to_owned(), r#type: Some(r#type) }],
        output: vec![ValueInfoProto { name: "y".to_owned(), ..ValueInfoProto::default() }],
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { version: opset, ..OperatorSetIdProto::default() }];
    ModelProto { ir_version: 7, opset_import, graph: Some(graph), ..ModelProto::default() }
}
