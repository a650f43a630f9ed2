//! How an ONNX file becomes a network.
//!
//! | step | file |
//! | --- | --- |
//! | bytes to protocol buffer | here, by prost, as the messages of `proto`; `fields` refuses what no standard defines |
//! | which tensor is bounded, and which input moves | `selection` |
//! | calls of the file's own functions become their nodes | `functions`, `rename` |
//! | numbers that lie in other files | `external` |
//! | branches whose condition is known become theirs | `branches` |
//! | which nodes and inputs matter, in which order; what the model as a whole asks for | `graph`, `order` |
//! | several nodes that spell out one activation | `patterns` |
//! | step after step: look up the operator, hand it its inputs and attributes, keep what it gives | `translate`, `call` |
//! | one small function per operator, in the file of its family, in one table | `operators` |
//! | nodes that do not depend on the input, in the file's types | `fold`, `types` |
//! | the same file by another implementation, at a few inputs | `self_check`, by `tract` or our own plain `interpreter`; `hints` |
//!
//! A tensor of the graph is either constant or a node of the network ([`value::Value`]). An operator that is not in the
//! table, an attribute or input that no one read, a tensor that cannot be read: each is an [`Obstacle`], the tensors behind
//! it are unknown, and the walk goes on, so that the error lists everything at once.

mod attributes;
mod branches;
mod call;
mod contents;
mod external;
mod fields;
mod fold;
mod functions;
mod graph;
mod hints;
mod interpreter;
mod operators;
mod order;
mod patterns;
mod proto;
mod rename;
mod selection;
mod self_check;
mod tensor;
#[cfg(test)]
mod testing;
#[cfg(feature = "self-check")]
mod tract;
mod translate;
mod types;
mod value;
#[cfg(test)]
mod wire;

use crate::import::{Format, ImportError, ImportOptions, Obstacle, Parts, Plain};
use graph::Graph;
use prost::Message;
use proto::{ModelProto, NodeProto};
use selection::Selection;
use std::path::Path;
use translate::Translated;

/// Why a node is refused: a clause that follows its name, with what would work where that is not plain.
type Reason = String;

/// The outputs of a node, from the first on, or why it is refused.
type NodeOutputs = Result<Vec<value::Value>, Reason>;

/// How a graph becomes a network: [`translate::translate`], or something wrong in tests of the self-check.
type Translate = dyn Fn(&Graph<'_>, Option<&str>, usize) -> Result<Translated, Vec<Obstacle>>;

/// Reads an ONNX file from its bytes. `path` is for messages; `folder` is where other files with its numbers may lie.
pub(crate) fn read(
    bytes: &[u8],
    path: &Path,
    folder: Option<&Path>,
    options: &ImportOptions,
) -> Result<Parts, ImportError> {
    read_with(&translate::translate, bytes, path, folder, options)
}

fn read_with(
    translate: &Translate,
    bytes: &[u8],
    path: &Path,
    folder: Option<&Path>,
    options: &ImportOptions,
) -> Result<Parts, ImportError> {
    let mut model = decode(bytes).map_err(|reason| ImportError::Malformed { path: path.to_owned(), reason })?;
    let mut written = is_nested(&model).then(|| model.clone());
    functions::inline(&mut model);
    let choice = |reason| ImportError::Choice { path: path.to_owned(), reason };
    let selection = Selection::of(model.graph.as_ref().expect("decoded"), options).map_err(choice)?;
    let target = selection.target.as_deref();
    let kept = Graph::of(&model, target).kept();
    let (fetched, unfetched) = external::fetch(&mut model, &kept, folder);
    let size = bytes.len().saturating_add(fetched);
    branches::choose(&mut model, target, selection.input.as_deref(), size);
    let kept = Graph::of(&model, target).kept();

    let mut graph = Graph::of(&model, target);
    graph.obstacles.extend(unfetched);
    selection.expect_reaching(&graph).map_err(choice)?;
    let unsupported = |mut obstacles: Vec<Obstacle>| {
        for obstacle in obstacles.iter_mut().filter(|obstacle| obstacle.reason == translate::CONSTANT) {
            obstacle.reason += &selection.other_choices();
        }
        ImportError::Unsupported { path: path.to_owned(), contents: Box::new(contents::of(&model)), obstacles }
    };
    let translated = translate(&graph, selection.input.as_deref(), size).map_err(unsupported)?;
    let format = Format::Onnx { producer: contents::producer(&model), opset: graph.opset };
    let left_out = graph.left_out.iter().map(|&name| name.to_owned()).collect();
    kept.prune(&mut model, &translated.output.name);
    if let Some(written) = &mut written {
        let kept = Graph::of(written, target).kept();
        external::fetch(written, &kept, folder);
        kept.prune(written, &translated.output.name);
    }
    // what stands in the file, unless the target is inside one of its functions or branches
    let is_made = |model: &&ModelProto| model.graph.iter().any(|graph| !graph.node.is_empty());
    let written = written.as_ref().filter(is_made).unwrap_or(&model);
    let self_check = self_check::run(&translated, &model, written).map_err(|found| {
        let first = self_check::first_difference(&translated.tensors, |tensor| {
            let graph = Graph::of(&model, Some(tensor));
            let part = translate(&graph, selection.input.as_deref(), size).ok()?;
            let mut model = model.clone();
            graph.kept().prune(&mut model, tensor);
            Some(self_check::run(&part, &model, &model).is_err())
        });
        found.at(path, first)
    })?;
    #[cfg(test)]
    self_check::expect_interpreted(&translated, written);
    let Translated { network, inputs, fixed, output, tensors: _, hints: _ } = translated;
    let Selection { other_outputs, labels, .. } = selection;
    Ok(Parts { network, format, inputs, fixed, output, other_outputs, left_out, labels, self_check })
}

/// Whether a model has nodes inside nodes: functions of its own, or branches.
fn is_nested(model: &ModelProto) -> bool {
    let has_graph = |node: &NodeProto| node.attribute.iter().any(|attribute| attribute.g.is_some());
    !model.functions.is_empty() || model.graph.iter().flat_map(|graph| &graph.node).any(has_graph)
}

/// The protocol buffer, with a graph in it.
fn decode(bytes: &[u8]) -> Result<ModelProto, Reason> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let model =
        ModelProto::decode(bytes).map_err(|error| format!("not an ONNX file: {}", Plain(&error.to_string())))?;
    fields::expect_known(bytes)?;
    match &model.graph {
        None => Err("not an ONNX file: it holds no graph".to_owned()),
        Some(graph) if graph.node.is_empty() => Err("the graph is empty; there is no network in it".to_owned()),
        Some(_) => Ok(model),
    }
}
