//! Pad: entries before and after an axis, constant or copied from inside. Negative pads cut off.

use super::axes::positions;
use super::places::{Places, moved};
use crate::import::Quoted;
use crate::import::onnx::call::Call;
use crate::import::onnx::value::Value;
use crate::import::onnx::{NodeOutputs, Reason};

/// Where the entries beyond an edge come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

/// What happens to an axis.
struct Margin {
    axis: usize,
    before: i64,
    after: i64,
}

/// Pads and the constant are attributes before operator set 11 and inputs from then on.
pub(super) fn pad(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let mode = mode(call)?;
    let (pads, constant) = if call.opset < 11 {
        (call.attributes.integers("pads")?.map(<[i64]>::to_vec), call.attributes.float("value", 0.0)?)
    } else {
        (call.take_integers(1)?, call.take_scalar(2)?.unwrap_or(0.0))
    };
    let axes = if call.opset < 18 { None } else { call.take_integers(3)? };
    let margins = margins(&pads.ok_or("lacks its pads")?, axes.as_deref(), value.shape().len())?;
    let mut places = Places::of(value.shape())?;
    for margin in margins {
        places = padded(places, &margin, mode)?;
    }
    if mode != Mode::Constant || constant == 0.0 || !places.sources.contains(&None) {
        return Ok(vec![moved(call, value, places)?]);
    }
    if !constant.is_finite() {
        return Err(format!("pads with {constant}; every number must be finite"));
    }
    let Value::Variable(x) = value else {
        return Err("pads a constant, which is not supported yet; fold constants before exporting".to_owned());
    };
    let bias = places.sources.iter().map(|source| if source.is_none() { constant } else { 0.0 }).collect();
    call.made += places.sources.len();
    let map = places.map()?;
    call.affine(vec![(x.id, map)], Some(bias), places.shape)
}

fn mode(call: &mut Call<'_>) -> Result<Mode, Reason> {
    match call.attributes.text("mode", "constant")?.as_str() {
        "constant" => Ok(Mode::Constant),
        "reflect" => Ok(Mode::Reflect),
        "edge" => Ok(Mode::Edge),
        "wrap" if call.opset >= 19 => Ok(Mode::Wrap),
        other => Err(format!("has mode = {}, which is not understood in this operator set", Quoted(other))),
    }
}

/// All pads before, then all pads after, of the axes that are named or of all.
fn margins(pads: &[i64], axes: Option<&[i64]>, rank: usize) -> Result<Vec<Margin>, Reason> {
    let axes = match axes {
        Some(axes) => positions(axes, rank)?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(format!("has {} pads for {} axes", pads.len(), axes.len()));
    }
    let (before, after) = pads.split_at(axes.len());
    let sides = before.iter().zip(after);
    Ok(axes.into_iter().zip(sides).map(|(axis, (&before, &after))| Margin { axis, before, after }).collect())
}

fn padded(places: Places, margin: &Margin, mode: Mode) -> Result<Places, Reason> {
    let &Margin { axis, before, after } = margin;
    if (before, after) == (0, 0) {
        return Ok(places);
    }
    let size = places.shape[axis] as i128;
    let count = usize::try_from(size + i128::from(before) + i128::from(after))
        .map_err(|_| format!("cuts {before} and {after} off an axis of size {size}"))?;
    let last = size - 1;
    let longest = match mode {
        Mode::Constant => i128::MAX,
        Mode::Reflect => last,
        Mode::Edge if size > 0 => i128::MAX,
        Mode::Edge | Mode::Wrap => size,
    };
    let copied = i128::from(before.max(after));
    if copied > longest || mode != Mode::Constant && before.min(after) < 0 {
        return Err(format!("pads an axis of size {size} by {before} and {after}, more than there is to copy"));
    }
    places.picked(axis, count, |i| {
        let at = i as i128 - i128::from(before);
        let at = match mode {
            Mode::Constant => at,
            Mode::Reflect => last - (last - at.abs()).abs(),
            Mode::Edge => at.clamp(0, last),
            Mode::Wrap => at.rem_euclid(size),
        };
        usize::try_from(at).ok()
    })
}
