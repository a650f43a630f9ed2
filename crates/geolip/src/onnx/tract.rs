//! The other implementation: tract runs the same file in its own way. All that knows tract's inference is here.
//!
//! tract sees only files that the importer has understood, in a thread of its own, so that even a panic in there becomes a
//! reason why there was no comparison.

use super::Reason;
use crate::import::Plain;
use crate::matrix::Matrix;
use std::any::Any;
use tract_onnx::pb::{ModelProto, NodeProto};
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

/// Enough for graphs some thousand nodes deep.
const STACK: usize = 32 << 20;

/// The outputs (m × k) for the k inputs that are the columns of `inputs`, each a tensor of the given shape.
pub(super) fn run(model: &ModelProto, shape: &[usize], inputs: &Matrix, mode: Mode) -> Result<Matrix, Reason> {
    if let Some(reason) = known_defect(model) {
        return Err(reason.to_owned());
    }
    let work = || match mode {
        Mode::Batch => as_batch(model, shape, inputs),
        Mode::Single => one_by_one(model, shape, inputs),
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

/// Why tract is no witness for a model, where it is known to be wrong about it.
fn known_defect(model: &ModelProto) -> Option<&'static str> {
    let celu =
        |node: &NodeProto| node.op_type == "Celu" && node.attribute.iter().any(|a| a.name == "alpha" && a.f != 1.0);
    let scaled_celu = model.graph.iter().flat_map(|graph| &graph.node).any(celu);
    // tract 0.23 leaves out the factor: min(0, exp(x/alpha) - 1)
    scaled_celu.then_some("tract computes Celu with an alpha other than 1 differently from its definition")
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

fn as_batch(model: &ModelProto, shape: &[usize], inputs: &Matrix) -> TractResult<Matrix> {
    let [1, entry @ ..] = shape else { bail!("no batch dimension") };
    let batch: TVec<usize> = std::iter::once(inputs.cols()).chain(entry.iter().copied()).collect();
    let (network, element_type) = parsed(model, &batch)?;
    let plan = network.into_typed()?.into_runnable()?;
    let rows = inputs.transposed();
    let output = numbers(plan.run(tvec!(tensor(rows.data(), &batch, element_type)?))?)?;
    ensure!(output.len() % inputs.cols() == 0, "the batch is not the first dimension of the output");
    Ok(Matrix::from_vec(inputs.cols(), output.len() / inputs.cols(), output).transposed())
}

fn one_by_one(model: &ModelProto, shape: &[usize], inputs: &Matrix) -> TractResult<Matrix> {
    let (network, element_type) = parsed(model, shape)?;
    let plan = network.into_optimized()?.into_runnable()?;
    let outputs = (0..inputs.cols())
        .map(|j| numbers(plan.run(tvec!(tensor(&inputs.column(j), shape, element_type)?))?))
        .collect::<TractResult<Vec<_>>>()?;
    let len = outputs.first().map_or(0, Vec::len);
    Ok(Matrix::from_fn(len, outputs.len(), |i, j| outputs[j][i]))
}

/// The file as tract reads it, for inputs of the given shape, and the element type of the input.
fn parsed(model: &ModelProto, shape: &[usize]) -> TractResult<(InferenceModel, DatumType)> {
    let parsed = onnx().with_ignore_value_info(true).parse(model, None)?;
    ensure!(parsed.unresolved_inputs.is_empty(), "unresolved inputs");
    let network = parsed.model;
    let element_type = network.input_fact(0)?.datum_type.concretize().unwrap_or(f32::datum_type());
    Ok((network.with_input_fact(0, InferenceFact::dt_shape(element_type, shape))?, element_type))
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
