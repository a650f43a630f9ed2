//! The axes that a node names: counted from the front or the back, as an attribute or an input.

use crate::import::Quoted;
use crate::import::onnx::Reason;
use crate::import::onnx::call::Call;

/// The axes of a node: an attribute before operator set `since`, an input from then on.
pub(super) fn listed(call: &mut Call<'_>, since: i64) -> Result<Option<Vec<i64>>, Reason> {
    if call.opset < since { Ok(call.attributes.integers("axes")?.map(<[i64]>::to_vec)) } else { call.take_integers(1) }
}

/// The one axis of a node.
pub(super) fn single(call: &mut Call<'_>, default: i64, rank: usize) -> Result<usize, Reason> {
    let axis = call.attributes.integer("axis", default)?;
    position(axis, rank, rank)
}

/// Axes counted from the front, each once.
pub(super) fn positions(axes: &[i64], rank: usize) -> Result<Vec<usize>, Reason> {
    let found: Vec<usize> = axes.iter().map(|&axis| position(axis, rank, rank)).collect::<Result<_, _>>()?;
    let mut sorted = found.clone();
    sorted.sort_unstable();
    if sorted.is_sorted_by(|a, b| a < b) { Ok(found) } else { Err(format!("names an axis twice in {axes:?}")) }
}

/// The place of an axis among `count`, where negative ones count back from `end`.
pub(super) fn position(axis: i64, count: usize, end: usize) -> Result<usize, Reason> {
    counted(axis, end)
        .filter(|&axis| axis < count)
        .ok_or_else(|| format!("names the axis {}, which does not exist", Quoted(&axis.to_string())))
}

/// A place counted from the front, where negative ones count back from `end`.
pub(super) fn counted(given: i64, end: usize) -> Option<usize> {
    let from_front = if given < 0 { given.checked_add_unsigned(end as u64) } else { Some(given) };
    from_front.and_then(|place| usize::try_from(place).ok())
}
