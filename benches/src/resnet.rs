//! A ResNet-18 for images of 32 × 32 pixels with random weights, as PyTorch writes it to ONNX for inference: batch
//! normalisation is folded into the convolutions.

#[path = "../../crates/geolip/src/import/onnx/proto.rs"]
#[allow(dead_code, reason = "the messages of ONNX files, of which a writer needs a part")]
mod proto;

use crate::networks::Random;
use prost::Message;
use proto::attribute_proto::AttributeType;
use proto::tensor_proto::DataType;
use proto::tensor_shape_proto::{Dimension, dimension};
use proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

/// Neurons of the network.
pub const NEURONS: usize = 557_056;
/// Its parameters: those of PyTorch's model, 11 173 962, less one per channel where a normalisation was.
pub const PARAMETERS: usize = 11_173_962 - 4_800;

/// The ONNX file's bytes.
pub fn resnet18() -> Vec<u8> {
    let mut graph = Graph::default();
    let stem = graph.convolution("input", "conv1", 3, 64, 3, 1);
    let (mut at, mut channels) = (graph.relu(&stem), 64);
    for (stage, width) in [(1, 64), (2, 128), (3, 256), (4, 512)] {
        for block in 0..2 {
            let name = format!("layer{stage}.{block}");
            let stride = if stage > 1 && block == 0 { 2 } else { 1 };
            let first = graph.convolution(&at, &format!("{name}.conv1"), channels, width, 3, stride);
            let first = graph.relu(&first);
            let second = graph.convolution(&first, &format!("{name}.conv2"), width, width, 3, 1);
            let shortcut = match stride {
                1 => at,
                _ => graph.convolution(&at, &format!("{name}.downsample.0"), channels, width, 1, stride),
            };
            let sum = graph.node("Add", &[&second, &shortcut], vec![]);
            at = graph.relu(&sum);
            channels = width;
        }
    }
    let pooled = graph.node("GlobalAveragePool", &[&at], vec![]);
    let flat = graph.node("Flatten", &[&pooled], vec![int("axis", 1)]);
    graph.weights("fc.weight", &[10, channels], channels);
    graph.weights("fc.bias", &[10], channels);
    let transposed = vec![float("alpha", 1.0), float("beta", 1.0), int("transB", 1)];
    let logits = graph.node("Gemm", &[&flat, "fc.weight", "fc.bias"], transposed);
    graph.finish(&[1, 3, 32, 32], &logits, &[1, 10])
}

/// A graph under construction.
#[derive(Default)]
struct Graph {
    nodes: Vec<NodeProto>,
    stored: Vec<TensorProto>,
    numbers: usize,
}

impl Graph {
    /// Adds a node; returns its output.
    fn node(&mut self, operator: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        let name = format!("{operator}_{}", self.nodes.len());
        let output = format!("{name}_output_0");
        self.nodes.push(NodeProto {
            op_type: operator.to_owned(),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.clone()],
            name,
            attribute,
            ..NodeProto::default()
        });
        output
    }

    fn relu(&mut self, input: &str) -> String {
        self.node("Relu", &[input], vec![])
    }

    /// Adds a square convolution with bias that keeps the size but for its stride.
    fn convolution(&mut self, x: &str, name: &str, from: usize, to: usize, kernel: usize, stride: i64) -> String {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let fan_in = from * kernel * kernel;
        self.weights(&weight, &[to, from, kernel, kernel], fan_in);
        self.weights(&bias, &[to], fan_in);
        let (kernel, pad) = (kernel as i64, kernel as i64 / 2);
        let attributes = vec![
            ints("dilations", &[1, 1]),
            int("group", 1),
            ints("kernel_shape", &[kernel, kernel]),
            ints("pads", &[pad; 4]),
            ints("strides", &[stride; 2]),
        ];
        self.node("Conv", &[x, &weight, &bias], attributes)
    }

    /// Stores random numbers in single precision, variance 2/fan-in.
    fn weights(&mut self, name: &str, dims: &[usize], fan_in: usize) {
        let count = dims.iter().product();
        let numbers = Random(self.stored.len() as u64 + 1).weights(count, fan_in);
        self.numbers += count;
        self.stored.push(TensorProto {
            name: name.to_owned(),
            dims: dims.iter().map(|n| *n as i64).collect(),
            data_type: DataType::Float as i32,
            raw_data: numbers.into_iter().flat_map(|v| (v as f32).to_le_bytes()).collect(),
            ..TensorProto::default()
        });
    }

    fn finish(self, input: &[i64], output: &str, result: &[i64]) -> Vec<u8> {
        assert_eq!(self.numbers, PARAMETERS, "it is a ResNet-18");
        let graph = GraphProto {
            node: self.nodes,
            initializer: self.stored,
            input: vec![declared("input", input)],
            output: vec![declared(output, result)],
            ..GraphProto::default()
        };
        let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
        let model = ModelProto {
            ir_version: 8,
            producer_name: "geolip-benches".to_owned(),
            opset_import: vec![opset],
            graph: Some(graph),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }
}

fn attribute(name: &str, r#type: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: r#type as i32, ..AttributeProto::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, AttributeType::Int) }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, AttributeType::Float) }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), ..attribute(name, AttributeType::Ints) }
}

fn declared(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dimension = |&d: &i64| Dimension { value: Some(dimension::Value::DimValue(d)) };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dimension).collect() });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let r#type = TypeProto { value: Some(type_proto::Value::TensorType(tensor)) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(r#type) }
}
