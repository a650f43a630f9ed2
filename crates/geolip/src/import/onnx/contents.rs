//! What an ONNX file says about itself, supported or not.

use super::graph::version;
use super::tensor::type_name;
use crate::import::onnx::proto::tensor_shape_proto::dimension;
use crate::import::onnx::proto::{ModelProto, ValueInfoProto, type_proto};
use crate::import::{Contents, Format, Plain};

/// The format, inputs and outputs that a model declares.
pub(super) fn of(model: &ModelProto) -> Contents {
    let declared = |ports: &[ValueInfoProto]| ports.iter().map(port).collect();
    let stored = |name: &str| model.graph.iter().flat_map(|graph| &graph.initializer).any(|tensor| tensor.name == name);
    Contents {
        format: Format::Onnx { producer: producer(model), opset: version(model).unwrap_or(0) },
        inputs: model
            .graph
            .iter()
            .flat_map(|graph| graph.input.iter().filter(|input| !stored(&input.name)).map(port))
            .collect(),
        outputs: model.graph.as_ref().map(|graph| declared(&graph.output)).unwrap_or_default(),
    }
}

/// The program that wrote a model, with its version.
pub(super) fn producer(model: &ModelProto) -> String {
    let text = format!("{} {}", model.producer_name, model.producer_version);
    Plain(text.trim()).to_string()
}

/// Name, shape and element type, as far as they are declared.
fn port(port: &ValueInfoProto) -> String {
    let name = Plain(&port.name);
    let Some(type_proto::Value::TensorType(tensor)) = port.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return name.to_string();
    };
    let dims = tensor.shape.as_ref().map(|shape| {
        let size = |value: &Option<dimension::Value>| match value {
            Some(dimension::Value::DimValue(size)) => size.to_string(),
            Some(dimension::Value::DimParam(symbol)) => Plain(symbol).to_string(),
            None => "?".to_owned(),
        };
        shape.dim.iter().map(|dim| size(&dim.value)).collect::<Vec<_>>().join(", ")
    });
    format!("{name} [{}] {}", dims.as_deref().unwrap_or("?"), type_name(tensor.elem_type))
}
