//! Nodes that do not depend on the input: evaluated while importing.
//!
//! Exporters leave shape arithmetic in the graph (Shape, Gather, Concat before a Reshape) and weights that are computed there
//! (a weight divided by its spectral norm). Such a node takes constants and gives constants; nothing here touches the
//! network.
//!
//! Constants are computed in double precision or 64-bit integers, and what a node gives is rounded to its element type
//! ([`super::types`]), as a runtime's result would be; integers must not overflow theirs. Sums of several inputs are rounded
//! step by step. Over axes and in products of matrices, implementations add in different orders: there the sum in order, rounded
//! step by step, has to be near the one in double precision. The result is *rough*, like those of exp and its kind
//! (`Call::rough`), and where a comparison or a whole number hangs on its last digits, the file is refused.
//!
//! The operators that also act on what depends on the input (Add, MatMul by a constant, Reshape, …) take constants in
//! [`super::operators`], unless they are listed here.

mod elementwise;
mod generate;
mod indexing;
mod sums;

use super::Reason;
use super::operators::{Function, dequantise};
use super::tensor::{LARGEST_EXPANSION, elements};
use crate::import::onnx::proto::NodeProto;
pub(super) use elementwise::{doubtful, is_nearly_whole};
pub(super) use generate::{shape, size};
pub(super) use sums::product;

/// Operators on constants alone.
const TABLE: &[(&str, Function)] = &[
    ("Abs", elementwise::abs),
    ("And", elementwise::and),
    ("Ceil", |call| elementwise::whole(call, f64::ceil)),
    ("Concat", indexing::concat),
    ("ConstantOfShape", generate::constant_of_shape),
    ("DequantizeLinear", dequantise::dequantise),
    ("Equal", |call| elementwise::comparison(call, |order| order.is_eq())),
    ("Erf", |call| elementwise::rough(call, libm::erf)),
    ("Exp", |call| elementwise::rough(call, f64::exp)),
    ("Expand", indexing::expand),
    ("Floor", |call| elementwise::whole(call, f64::floor)),
    ("Gather", indexing::gather),
    ("Greater", |call| elementwise::comparison(call, |order| order.is_gt())),
    ("GreaterOrEqual", |call| elementwise::comparison(call, |order| order.is_ge())),
    ("Less", |call| elementwise::comparison(call, |order| order.is_lt())),
    ("LessOrEqual", |call| elementwise::comparison(call, |order| order.is_le())),
    ("Log", |call| elementwise::rough(call, f64::ln)),
    ("MatMul", sums::matmul),
    ("Max", |call| elementwise::extreme(call, f64::max, i64::max)),
    ("Mean", |call| elementwise::sum(call, true)),
    ("Min", |call| elementwise::extreme(call, f64::min, i64::min)),
    ("Mod", elementwise::modulo),
    ("Not", elementwise::not),
    ("OneHot", generate::one_hot),
    ("Or", elementwise::or),
    ("Pow", elementwise::pow),
    ("Range", generate::range),
    ("Reciprocal", |call| elementwise::float(call, |v| 1.0 / v)),
    ("ReduceL2", |call| sums::reduce(call, &sums::L2)),
    ("ReduceMax", |call| sums::reduce(call, &sums::MAX)),
    ("ReduceMean", |call| sums::reduce(call, &sums::MEAN)),
    ("ReduceMin", |call| sums::reduce(call, &sums::MIN)),
    ("ReduceProd", |call| sums::reduce(call, &sums::PRODUCT)),
    ("ReduceSum", |call| sums::reduce(call, &sums::SUM)),
    ("ReduceSumSquare", |call| sums::reduce(call, &sums::SQUARES)),
    ("Slice", indexing::slice),
    ("Sqrt", |call| elementwise::float(call, f64::sqrt)),
    ("Sum", |call| elementwise::sum(call, false)),
    ("Tile", indexing::tile),
    ("Where", elementwise::choose),
];

/// The function of a node whose inputs are all constant, where it is listed here.
pub(super) fn find(node: &NodeProto) -> Option<Function> {
    let index = TABLE.binary_search_by_key(&node.op_type.as_str(), |(name, _)| name).ok()?;
    Some(TABLE[index].1)
}

/// The number of entries of a shape that is about to be filled from nothing.
fn affordable(shape: &[usize]) -> Result<usize, Reason> {
    let count = elements(shape)?;
    if count > LARGEST_EXPANSION {
        return Err(format!("would make a constant of shape {shape:?}, which is too large"));
    }
    Ok(count)
}

/// The place of an axis, which may count back from the end.
fn axis(given: i64, rank: usize) -> Result<usize, Reason> {
    let from_front = if given < 0 { given.checked_add_unsigned(rank as u64) } else { Some(given) };
    let place = from_front.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
    place.ok_or_else(|| format!("names the axis {given}, which does not exist"))
}

#[cfg(test)]
mod tests;
