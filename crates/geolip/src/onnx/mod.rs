//! How an ONNX file becomes a network.
//!
//! | step | file |
//! | --- | --- |
//! | bytes to protocol buffer | here, by prost |
//! | which nodes and inputs matter, in which order; what the model as a whole asks for | `graph`, `order` |
//! | node after node: look up the operator, hand it its inputs and attributes, keep what it gives | `lower`, `call` |
//! | one small function per operator, in the file of its family, in one table | `operators` |
//! | the same file by another implementation, at a few inputs | `self_check`, `tract` |
//!
//! A tensor of the graph is either constant or a node of the network ([`value::Value`]). An operator that is not in the
//! table, an attribute or input that no one read, a tensor that cannot be read: each is an [`Obstacle`], the tensors behind
//! it are unknown, and the walk goes on, so that the error lists everything at once.

mod attributes;
mod call;
mod graph;
mod lower;
mod operators;
mod order;
mod self_check;
mod tensor;
#[cfg(test)]
mod testing;
mod tract;
mod value;

use crate::import::{Format, ImportError, Obstacle, Parts, Plain};
use graph::Graph;
use prost::Message;
use std::path::Path;
use tract_onnx::pb::ModelProto;

/// Why a node is refused: a clause that follows its name, with what would work where that is not plain.
type Reason = String;

/// The outputs of a node, from the first on, or why it is refused.
type Lowered = Result<Vec<value::Value>, Reason>;

/// Reads an ONNX file from its bytes; `path` is for messages.
pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Parts, ImportError> {
    let mut model = decode(bytes).map_err(|reason| ImportError::Malformed { path: path.to_owned(), reason })?;
    let unsupported = |obstacles: Vec<Obstacle>| ImportError::Unsupported { path: path.to_owned(), obstacles };
    let graph = Graph::of(&model);
    let lowered = lower::lower(&graph, bytes.len()).map_err(unsupported)?;
    let format = Format::Onnx { producer: producer(&model), opset: graph.opset };
    let left_out = graph.left_out.iter().map(|&name| name.to_owned()).collect();
    let kept = graph.kept();
    kept.prune(&mut model);
    let self_check = self_check::run(&lowered.network, &model, &lowered.input.shape).map_err(|found| found.at(path))?;
    let lower::Network { network, input, output } = lowered;
    Ok(Parts { network, format, input, output, left_out, self_check })
}

/// The protocol buffer, with a graph in it.
fn decode(bytes: &[u8]) -> Result<ModelProto, Reason> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let model =
        ModelProto::decode(bytes).map_err(|error| format!("not an ONNX file: {}", Plain(&error.to_string())))?;
    match &model.graph {
        None => Err("not an ONNX file: it holds no graph".to_owned()),
        Some(graph) if graph.node.is_empty() => Err("the graph is empty; there is no network in it".to_owned()),
        Some(_) => Ok(model),
    }
}

fn producer(model: &ModelProto) -> String {
    let text = format!("{} {}", model.producer_name, model.producer_version);
    Plain(text.trim()).to_string()
}
