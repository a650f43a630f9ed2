//! The other implementation: tract runs the same file in its own way. All that knows tract's inference is here.
//!
//! tract gets the model as bytes and decodes them itself. It sees only files that the importer has understood, in a thread of its
//! own, so that even a panic in there becomes a reason why there was no comparison.

mod defects;

use super::Reason;
use super::self_check::Feed;
use crate::import::Plain;
use crate::import::onnx::hints::Hints;
use crate::import::onnx::proto::attribute_proto::AttributeType;
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, type_proto};
use crate::import::onnx::tensor::{brain, half, is_short};
use crate::matrix::Matrix;
use prost::Message;
use std::any::Any;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{bail, ensure};
use tract_onnx::tract_hir::infer::Factoid;

/// How several inputs go through tract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As one batch along the first dimension. Faster, but not every file works with another batch than its own.
    Batch,
    /// One after the other, in the shape that the file declares.
    Single,
}

/// The element type that is none of 16 bits: what constants of 16 bits become.
const WIDE: i64 = DataType::Float as i64;
/// Enough for graphs some thousand nodes deep.
const STACK: usize = 32 << 20;

/// A model as the bytes of a file, adapted to tract, or why tract is no witness for it.
pub(super) type Encoded = Result<Vec<u8>, &'static str>;

/// The bytes that tract gets of a model.
pub(super) fn encoded(model: &ModelProto, hints: &Hints) -> Encoded {
    let mut adapted = model.clone();
    adapt(&mut adapted, hints);
    defects::known(&adapted).map_or_else(|| Ok(adapted.encode_to_vec()), Err)
}

/// The outputs (m × k) for the k input vectors that are the columns of `inputs`, handed out by `feeds`.
pub(super) fn run(model: &Encoded, feeds: &[Feed], inputs: &Matrix, mode: Mode) -> Result<Matrix, Reason> {
    let model = model.as_ref().map_err(|&reason| reason.to_owned())?;
    let work = || match mode {
        Mode::Batch => as_batch(model, feeds, inputs),
        Mode::Single => one_by_one(model, feeds, inputs),
    };
    let outcome = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("tract".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        thread.map(std::thread::ScopedJoinHandle::join)
    });
    match outcome {
        Err(error) => Err(format!("no thread for tract: {error}")),
        Ok(Err(panic)) => Err(format!("tract panicked: {}", Plain(panic_message(panic.as_ref())))),
        Ok(Ok(Err(error))) => Err(format!("tract cannot run this file: {}", Plain(&error.root_cause().to_string()))),
        Ok(Ok(Ok(outputs))) => Ok(outputs),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

fn as_batch(model: &[u8], feeds: &[Feed], inputs: &Matrix) -> TractResult<Matrix> {
    let [Feed { name, shape, rows: Some(_) }] = feeds else { bail!("several inputs") };
    let [1, entry @ ..] = shape.as_slice() else { bail!("no batch dimension") };
    let batch: Vec<usize> = std::iter::once(inputs.cols()).chain(entry.iter().copied()).collect();
    let feed = Feed { name: name.clone(), shape: batch, rows: None };
    let (network, types) = parsed(model, std::slice::from_ref(&feed))?;
    let plan = network.into_typed()?.into_runnable()?;
    let rows = inputs.transposed();
    let input = types.iter().map(|(_, element_type)| tensor(rows.data(), &feed.shape, *element_type));
    let output = numbers(plan.run(input.collect::<TractResult<_>>()?)?)?;
    ensure!(output.len() % inputs.cols() == 0, "the batch is not the first dimension of the output");
    Ok(Matrix::from_vec(inputs.cols(), output.len() / inputs.cols(), output).transposed())
}

fn one_by_one(model: &[u8], feeds: &[Feed], inputs: &Matrix) -> TractResult<Matrix> {
    let (network, types) = parsed(model, feeds)?;
    let plan = network.into_optimized()?.into_runnable()?;
    let run = |j: usize| {
        let column = inputs.column(j);
        let tensors = types.iter().map(|(feed, element_type)| match &feed.rows {
            Some(rows) => tensor(&column[rows.clone()], &feed.shape, *element_type),
            None => tensor(&vec![0.0; feed.shape.iter().product()], &feed.shape, *element_type),
        });
        numbers(plan.run(tensors.collect::<TractResult<_>>()?)?)
    };
    let outputs = (0..inputs.cols()).map(run).collect::<TractResult<Vec<_>>>()?;
    let len = outputs.first().map_or(0, Vec::len);
    Ok(Matrix::from_fn(len, outputs.len(), |i, j| outputs[j][i]))
}

/// The file as tract reads it, for inputs of the given shapes; and in its own order of the inputs, what goes into them and
/// their element types.
fn parsed<'f>(model: &[u8], feeds: &'f [Feed]) -> TractResult<(InferenceModel, Vec<(&'f Feed, DatumType)>)> {
    let reader = onnx().with_ignore_value_info(true);
    let parsed = reader.parse(&reader.proto_model_for_read(&mut &*model)?, None)?;
    ensure!(parsed.unresolved_inputs.is_empty(), "unresolved inputs");
    let mut network = parsed.model;
    let mut types = Vec::with_capacity(feeds.len());
    for index in 0..network.input_outlets()?.len() {
        let name = network.node(network.input_outlets()?[index].node).name.clone();
        let Some(feed) = feeds.iter().find(|feed| feed.name == name) else { bail!("an input that is not fed") };
        let element_type = network.input_fact(index)?.datum_type.concretize().unwrap_or(f32::datum_type());
        network = network.with_input_fact(index, InferenceFact::dt_shape(element_type, &feed.shape))?;
        types.push((feed, element_type));
    }
    Ok((network, types))
}

fn tensor(numbers: &[f64], shape: &[usize], element_type: DatumType) -> TractResult<TValue> {
    let tensor = Tensor::from_shape(shape, numbers)?;
    Ok(tensor.cast_to_dt(element_type)?.into_owned().into_tvalue())
}

fn numbers(outputs: TVec<TValue>) -> TractResult<Vec<f64>> {
    let [output] = outputs.as_slice() else { bail!("{} outputs", outputs.len()) };
    let wide = output.cast_to::<f64>()?;
    Ok(wide.to_plain_array_view::<f64>()?.iter().copied().collect())
}

/// Changes a model in ways that do not change what it computes, so that tract understands it and compares formulas.
fn adapt(model: &mut ModelProto, hints: &Hints) {
    widen(model);
    modernise(model);
    let Some(graph) = &mut model.graph else { return };
    for dot in &hints.dots {
        // tract 0.23 has no MatMul of two vectors
        after(graph, dot, "ReduceSum", ("keepdims", 0), |product| product.op_type = "Mul".to_owned());
    }
    for (short, to) in &hints.shortened {
        // constants that are rounded stay rounded; tract 0.23 has no bfloat16, and will say so
        let restore =
            |cast: &mut NodeProto| cast.attribute.iter_mut().filter(|a| a.name == "to").for_each(|a| a.i = *to);
        after(graph, short, "Cast", ("to", WIDE), restore);
    }
    for (short, to) in &hints.short {
        // rounded and widened again, by two nodes more
        after(graph, short, "Cast", ("to", WIDE), |_| {});
        after(graph, &before(short, "Cast"), "Cast", ("to", *to), |_| {});
    }
}

/// Upsample, which tract 0.23 does not run, is Resize of the next operator set. Nothing else that is supported changed there
/// but Slice. In that set Resize takes the entry before, which tract has to be told.
fn modernise(model: &mut ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    let has = |operator: &str| graph.node.iter().any(|node| node.op_type == operator);
    let early = |version: i64| version == 9 || version == 10;
    let Some(set) = model.opset_import.iter_mut().find(|set| early(set.version) && set.domain.is_empty()) else {
        return;
    };
    if set.version == 9 && (!has("Upsample") || has("Slice")) {
        return;
    }
    set.version = 10;
    for node in graph.node.iter_mut().filter(|node| matches!(node.op_type.as_str(), "Upsample" | "Resize")) {
        node.op_type = "Resize".to_owned();
        node.attribute.push(AttributeProto {
            name: "nearest_mode".to_owned(),
            r#type: AttributeType::String as i32,
            s: b"floor".to_vec(),
            ..AttributeProto::default()
        });
    }
}

/// The name of a tensor that is about to go through another node.
fn before(tensor: &str, operator: &str) -> String {
    format!("{tensor}/before {operator}")
}

/// Edits the node that gives a tensor, and lets another one with one attribute give it from there.
fn after(graph: &mut GraphProto, tensor: &str, operator: &str, value: (&str, i64), edit: impl FnOnce(&mut NodeProto)) {
    let Some(place) = graph.node.iter().position(|node| node.output.first().is_some_and(|name| name == tensor)) else {
        return;
    };
    let between = before(tensor, operator);
    let attribute = AttributeProto {
        name: value.0.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value.1,
        ..AttributeProto::default()
    };
    let next = NodeProto {
        op_type: operator.to_owned(),
        input: vec![between.clone()],
        output: vec![tensor.to_owned()],
        attribute: vec![attribute],
        ..NodeProto::default()
    };
    edit(&mut graph.node[place]);
    graph.node[place].output = vec![between];
    graph.node.insert(place + 1, next);
}

/// Replaces 16-bit floats by float32 in everything a model stores and declares, so that what is compared is the formula and
/// not its rounding to three digits.
fn widen(model: &mut ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    graph.initializer.iter_mut().for_each(widen_tensor);
    for input in &mut graph.input {
        if let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|t| t.value.as_mut())
            && is_short(tensor.elem_type.into())
        {
            tensor.elem_type = DataType::Float as i32;
        }
    }
    for node in &mut graph.node {
        for attribute in &mut node.attribute {
            attribute.t.iter_mut().for_each(widen_tensor);
            if node.op_type == "Cast" && attribute.name == "to" && is_short(attribute.i) {
                attribute.i = DataType::Float as i64;
            }
        }
    }
}

fn widen_tensor(tensor: &mut TensorProto) {
    let value = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float16) => half,
        Ok(DataType::Bfloat16) => brain,
        _ => return,
    };
    let wide = |bits: i32| (value(bits) as f32).to_le_bytes();
    let (pairs, _) = tensor.raw_data.as_chunks::<2>();
    let raw = pairs.iter().flat_map(|&pair| wide(u16::from_le_bytes(pair).into()));
    tensor.raw_data = raw.chain(tensor.int32_data.iter().flat_map(|&bits| wide(bits))).collect();
    tensor.int32_data.clear();
    tensor.data_type = DataType::Float as i32;
}
