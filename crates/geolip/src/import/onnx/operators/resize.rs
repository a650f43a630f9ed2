//! Upsample and Resize: nearest neighbours, linear and cubic interpolation, axis by axis.

use super::axes::positions;
use super::interpolation::{Axis, Mode, Nearest, Place, Tap};
use super::places::{Places, bounded, gathered};
use crate::import::Quoted;
use crate::import::onnx::call::Call;
use crate::import::onnx::hints::Coarse;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::LinearMap;

/// The scales are an attribute in operator set 7 and 8, and an input in 9.
pub(super) fn upsample(call: &mut Call<'_>) -> NodeOutputs {
    if call.opset >= 10 {
        return Err("ended with operator set 9; use Resize".to_owned());
    }
    let x = call.take_variable(0)?;
    let scales = if call.opset < 9 { call.attributes.floats("scales")? } else { scales(call, 1)? };
    let axes = scaled(&x.shape, &scales.ok_or("lacks its scales")?)?;
    simple(call, x, &axes)
}

/// What Resize was in operator set 10, and Upsample before: positions are divided by the scale.
fn simple(call: &mut Call<'_>, x: Variable, axes: &[Axis]) -> NodeOutputs {
    let mode = match call.attributes.text("mode", "nearest")?.as_str() {
        "nearest" => Mode::Nearest(Nearest::Floor),
        "linear" => Mode::Linear,
        other => return Err(format!("has mode = {}; 'nearest' and 'linear' are defined", Quoted(other))),
    };
    let shrinks = |axis: &Axis| axis.scale.is_some_and(|scale| scale < 1.0);
    if mode != Mode::Linear && axes.iter().any(shrinks) {
        return Err("picks nearest entries of a larger axis, which operator set 10 does not define".to_owned());
    }
    resized(call, x, axes, Place::Asymmetric, mode)
}

pub(super) fn resize(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    if call.opset < 11 {
        let scales = scales(call, 1)?.ok_or("lacks its scales")?;
        let axes = scaled(&x.shape, &scales)?;
        return simple(call, x, &axes);
    }
    call.take_constant(1)?; // a region for tf_crop_and_resize only
    call.attributes.float("extrapolation_value", 0.0)?; // likewise
    let place = place(call)?;
    let mode = mode(call)?;
    if call.opset >= 18 && call.attributes.flag("antialias")? {
        return Err("resizes with antialias, which is not supported".to_owned());
    }
    let axes = axes(call, &x.shape)?;
    let uneven = |axis: &Axis| axis.scale.is_some_and(|scale| scale * axis.input as f64 != axis.output as f64);
    if place == Place::AlignCorners && axes.iter().any(uneven) {
        return Err(
            "aligns corners at a scale that gives no whole size, which implementations do differently".to_owned()
        );
    }
    resized(call, x, &axes, place, mode)
}

fn place(call: &mut Call<'_>) -> Result<Place, Reason> {
    match call.attributes.text("coordinate_transformation_mode", "half_pixel")?.as_str() {
        "half_pixel" => Ok(Place::HalfPixel),
        "half_pixel_symmetric" if call.opset >= 19 => Ok(Place::HalfPixelSymmetric),
        "pytorch_half_pixel" => Ok(Place::TorchHalfPixel),
        "align_corners" => Ok(Place::AlignCorners),
        "asymmetric" => Ok(Place::Asymmetric),
        "tf_half_pixel_for_nn" if call.opset < 13 => Ok(Place::HalfPixelForNearest),
        other => Err(format!("has coordinate_transformation_mode = {}, which is not supported", Quoted(other))),
    }
}

/// The attributes of all modes are read: they are there, and of no effect, in others.
fn mode(call: &mut Call<'_>) -> Result<Mode, Reason> {
    let nearest = match call.attributes.text("nearest_mode", "round_prefer_floor")?.as_str() {
        "round_prefer_floor" => Nearest::RoundPreferFloor,
        "round_prefer_ceil" => Nearest::RoundPreferCeil,
        "floor" => Nearest::Floor,
        "ceil" => Nearest::Ceil,
        other => return Err(format!("has nearest_mode = {}, which is not defined", Quoted(other))),
    };
    let a = call.attributes.float("cubic_coeff_a", -0.75)?;
    let inside = call.attributes.flag("exclude_outside")?; // of no effect where positions are moved inside
    match call.attributes.text("mode", "nearest")?.as_str() {
        "nearest" => Ok(Mode::Nearest(nearest)),
        "linear" => Ok(Mode::Linear),
        "cubic" => Ok(Mode::Cubic { a, inside }),
        other => Err(format!("has mode = {}; 'nearest', 'linear' and 'cubic' are defined", Quoted(other))),
    }
}

/// What becomes of every axis: scales, or sizes, for the axes that are named or for all.
fn axes(call: &mut Call<'_>, shape: &[usize]) -> Result<Vec<Axis>, Reason> {
    let (scales, sizes) = (scales(call, 2)?, call.take_integers(3)?.filter(|sizes| !sizes.is_empty()));
    let (mut named, mut policy) = (None, "stretch".to_owned());
    if call.opset >= 18 {
        named = call.attributes.integers("axes")?;
        policy = call.attributes.text("keep_aspect_ratio_policy", "stretch")?;
    }
    if policy != "stretch" && named.is_some_and(|axes| axes.iter().any(|&axis| axis < 0)) {
        return Err(
            "keeps the aspect ratio of axes that count from the end, which implementations do differently".to_owned()
        );
    }
    let named = match named {
        Some(axes) => positions(axes, shape.len())?,
        None => (0..shape.len()).collect(),
    };
    let count = scales.as_ref().map_or(0, Vec::len) + sizes.as_ref().map_or(0, Vec::len);
    if count != named.len() {
        return Err(format!("has {count} scales or sizes for {} axes", named.len()));
    }
    let chosen: Vec<usize> = named.iter().map(|&axis| shape[axis]).collect();
    let chosen = match (scales, sizes) {
        (Some(scales), None) => scaled(&chosen, &scales)?,
        (None, Some(sizes)) => sized(&chosen, &sizes, &policy)?,
        _ => return Err("needs either scales or sizes".to_owned()),
    };
    let mut axes: Vec<Axis> = shape.iter().map(|&size| Axis { input: size, output: size, scale: None }).collect();
    named.into_iter().zip(chosen).for_each(|(axis, chosen)| axes[axis] = chosen);
    Ok(axes)
}

/// An input of scales, unless it is empty.
fn scales(call: &mut Call<'_>, index: usize) -> Result<Option<Vec<f64>>, Reason> {
    let Some(tensor) = call.take_constant(index)? else { return Ok(None) };
    let scales = call.weights(index, &tensor)?;
    Ok((!scales.is_empty()).then(|| scales.to_vec()))
}

fn scaled(shape: &[usize], scales: &[f64]) -> Result<Vec<Axis>, Reason> {
    if scales.len() != shape.len() {
        return Err(format!("has {} scales for {} axes", scales.len(), shape.len()));
    }
    let axis = |(&input, &scale): (&usize, &f64)| {
        if scale <= 0.0 {
            return Err(format!("has the scale {scale}"));
        }
        let output = whole(input, scale, f64::floor)?;
        if output == input && scale != 1.0 {
            return Err(format!("scales {input} entries by {scale} to as many, which implementations do differently"));
        }
        Ok(Axis { input, output, scale: Some(scale) })
    };
    shape.iter().zip(scales).map(axis).collect()
}

/// size·scale, rounded to a whole number on which double and single precision agree.
fn whole(size: usize, scale: f64, round: fn(f64) -> f64) -> Result<usize, Reason> {
    let exact = size as f64 * scale;
    if round(exact) != round(f64::from(exact as f32)) {
        return Err(format!("scales {size} entries to {exact}, where rounding decides how many there are"));
    }
    Ok(round(exact) as usize) // a size beyond all bounds becomes one that is refused
}

fn sized(shape: &[usize], sizes: &[i64], policy: &str) -> Result<Vec<Axis>, Reason> {
    let sizes = sizes.iter().map(|&size| usize::try_from(size).ok().filter(|size| *size > 0));
    let sizes = sizes.collect::<Option<Vec<usize>>>().ok_or("asks for a size that is not positive")?;
    let ratios = shape.iter().zip(&sizes).map(|(&input, &output)| output as f64 / input as f64);
    let scale = match policy {
        "stretch" => None,
        "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
        "not_smaller" => Some(ratios.fold(0.0, f64::max)),
        other => return Err(format!("has keep_aspect_ratio_policy = {}, which is not defined", Quoted(other))),
    };
    let axis = |(&input, &size): (&usize, &usize)| {
        let output = scale.map_or(Ok(size), |scale| whole(input, scale, |v| (v + 0.5).floor()));
        Ok(Axis { input, output: output?, scale })
    };
    shape.iter().zip(&sizes).map(axis).collect()
}

fn resized(call: &mut Call<'_>, mut x: Variable, axes: &[Axis], place: Place, mode: Mode) -> NodeOutputs {
    let shape: Vec<usize> = axes.iter().map(|axis| axis.output).collect();
    bounded(&shape)?;
    if shape.contains(&0) || x.shape.contains(&0) {
        return Err("works on a tensor without entries".to_owned());
    }
    let moving = axes.iter().enumerate().filter(|(_, axis)| !axis.is_still());
    if let Mode::Nearest(_) = mode {
        let mut places = Places::of(&x.shape)?;
        for (index, axis) in moving {
            let taps = axis.taps(place, mode)?;
            places = places.picked(index, axis.output, |at| Some(taps[at].0))?;
        }
        return Ok(vec![Value::Variable(gathered(call, x, places)?)]);
    }
    for (index, axis) in moving {
        let mut shape = x.shape.clone();
        shape[index] = axis.output;
        bounded(&[&[mode.taps()], shape.as_slice()].concat())?;
        x = interpolated(call, x, shape, index, &axis.taps(place, mode)?, coarse(mode, axis))?;
    }
    Ok(vec![Value::Variable(x)])
}

/// How large the numbers are that an implementation in float32 makes its weights of. They are off as positions are, by units of an
/// axis's length; and cubic ones as the terms of a·(t³ − 5t² + 8t − 4), which cancel, of up to 48·|a| together.
fn coarse(mode: Mode, axis: &Axis) -> f64 {
    let length = axis.input as f64;
    match mode {
        Mode::Cubic { a, .. } => 4.0 * length + 48.0 * a.abs(),
        Mode::Linear | Mode::Nearest(_) => length + 4.0,
    }
}

/// Copies of all the entries that are needed, their weights, and their sum.
fn interpolated(
    call: &mut Call<'_>,
    x: Variable,
    shape: Vec<usize>,
    axis: usize,
    taps: &[Tap],
    coarse: f64,
) -> Result<Variable, Reason> {
    let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
    let (count, len) = (taps.len() / shape[axis], outer * shape[axis] * inner);
    let (mut sources, mut weights) = (Vec::with_capacity(count * len), Vec::with_capacity(count * len));
    for tap in 0..count {
        let along = || taps.iter().skip(tap).step_by(count);
        sources.extend(Places::of(&x.shape)?.picked(axis, shape[axis], |at| Some(taps[at * count + tap].0))?.sources);
        weights.extend((0..outer).flat_map(|_| along().flat_map(|tap| std::iter::repeat_n(tap.1, inner))));
    }
    let places = Places::listed(x.len(), sources);
    let copies = gathered(call, x, places)?;
    let weighted = call.linear(vec![(copies.id, LinearMap::Scale(weights))], None, copies.shape)?;
    call.coarse.push((weighted.id, Coarse::Weights(coarse)));
    let copied = Places::listed(len, (0..count).flat_map(|_| (0..len).map(Some)).collect());
    let sum = LinearMap::Transpose(Box::new(copied.map()?));
    call.made += count * len;
    call.linear(vec![(weighted.id, sum)], None, shape)
}
