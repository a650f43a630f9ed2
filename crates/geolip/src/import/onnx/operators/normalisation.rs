//! Normalisations: BatchNormalization in inference mode, one factor and one shift per channel; and those that divide by statistics of
//! what they normalise, (x − mean)·(variance + ε)^{−1/2}, spelt out in products and a power: they are bounded on a region.

use super::arithmetic::{multiplied, product, shifted, term};
use super::axes::{position, single};
use super::places::bounded;
use super::reduction::{length, mean, weighted_sum};
use super::smooth::{combined, power};
use crate::import::onnx::call::Call;
use crate::import::onnx::hints::Coarse;
use crate::import::onnx::tensor::Tensor;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::{Activation, LinearMap};
use std::rc::Rc;

pub(super) fn batch_normalisation(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let &[batch, channels, ref rest @ ..] = x.shape.as_slice() else {
        return Err(format!("works on channels, but has an input of shape {:?}", x.shape));
    };
    let epsilon = call.attributes.float("epsilon", f64::from(1e-5_f32))?;
    call.attributes.float("momentum", 0.0)?; // of training only
    expect_inference(call)?;
    let mut parameters = [vec![], vec![], vec![], vec![]];
    for (index, numbers) in parameters.iter_mut().enumerate() {
        *numbers = per_channel(call, index + 1, channels)?;
    }
    let [scale, shift, mean, variance] = parameters;
    if variance.iter().any(|variance| variance + epsilon <= 0.0) {
        return Err("divides by the root of a variance that is not positive".to_owned());
    }
    let factors: Vec<f64> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
    let biases: Vec<f64> = (0..channels).map(|c| shift[c] - mean[c] * factors[c]).collect();
    bounded(&x.shape)?;
    let size: usize = rest.iter().product();
    let spread = |numbers: &[f64]| -> Vec<f64> {
        (0..batch).flat_map(|_| numbers.iter().flat_map(|&n| std::iter::repeat_n(n, size))).collect()
    };
    let sizes: Vec<f64> = (0..channels).map(|c| shift[c].abs() + (mean[c] * factors[c]).abs()).collect();
    let y = call.linear(vec![(x.id, LinearMap::Scale(spread(&factors)))], Some(spread(&biases)), x.shape.clone())?;
    call.coarse.push((y.id, Coarse::Biases(spread(&sizes))));
    Ok(vec![Value::Variable(y)])
}

/// Over all axes from the given one on, with a scale and a shift per entry of these.
pub(super) fn layer_normalisation(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let axes = from_axis(call, &x)?;
    call.attributes.integer("stash_type", 1)?; // the precision of a runtime
    if call.outputs > 1 {
        return Err("gives its statistics as well, which is not supported".to_owned());
    }
    let epsilon = call.attributes.float("epsilon", f64::from(1e-5_f32))?;
    let y = standardised(call, x, &axes, epsilon)?;
    let scale = call.take_constant(1)?.ok_or("lacks its scale")?;
    let shift = call.take_constant(2)?;
    scaled(call, y, (1, &scale), shift.as_ref().map(|shift| (2, shift)))
}

/// x·(mean of squares + ε)^{−1/2}
pub(super) fn rms_normalisation(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let axes = from_axis(call, &x)?;
    call.attributes.integer("stash_type", 1)?; // the precision of a runtime
    let epsilon = call.attributes.float("epsilon", f64::from(1e-5_f32))?;
    let y = divided_by_root(call, x, &axes, epsilon)?;
    let scale = call.take_constant(1)?.ok_or("lacks its scale")?;
    scaled(call, y, (1, &scale), None)
}

/// Every channel of every element of the batch by itself.
pub(super) fn instance_normalisation(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let groups = *x.shape.get(1).ok_or_else(|| no_channels(&x))?;
    over_groups(call, x, groups)
}

/// Several channels together.
pub(super) fn group_normalisation(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let channels = *x.shape.get(1).ok_or_else(|| no_channels(&x))?;
    let groups = call.attributes.integer("num_groups", 0)?;
    let groups = usize::try_from(groups).ok().filter(|groups| *groups > 0 && channels % groups == 0);
    let groups = groups.ok_or_else(|| format!("does not divide {channels} channels into equal groups"))?;
    if call.opset < 21 && groups != channels {
        return Err(
            "has one scale per group (operator sets 18 to 20), which is not supported; export with 21".to_owned()
        );
    }
    call.attributes.integer("stash_type", 1)?; // the precision of a runtime
    over_groups(call, x, groups)
}

fn no_channels(x: &Variable) -> Reason {
    format!("works on channels, but has an input of shape {:?}", x.shape)
}

/// With a scale and a shift per channel.
fn over_groups(call: &mut Call<'_>, x: Variable, groups: usize) -> NodeOutputs {
    let shape = x.shape.clone();
    let (batch, channels) = (shape[0], shape[1]);
    let each = x.len() / (batch * groups).max(1);
    if each == 0 {
        return Err("works on a tensor without entries".to_owned());
    }
    let epsilon = call.attributes.float("epsilon", f64::from(1e-5_f32))?;
    let y = standardised(call, Variable { shape: vec![batch, groups, each], ..x }, &[2], epsilon)?;
    let mut parameters = [vec![], vec![]];
    for (index, numbers) in parameters.iter_mut().enumerate() {
        *numbers = per_channel(call, index + 1, channels)?;
    }
    let along: Vec<usize> = std::iter::once(channels).chain(shape[2..].iter().map(|_| 1)).collect();
    let [scale, shift] = parameters.map(|numbers| Rc::new(Tensor::floats(along.clone(), numbers)));
    scaled(call, Variable { shape, ..y }, (1, &scale), Some((2, &shift)))
}

/// x divided by its length along an axis.
pub(super) fn lp_normalisation(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let axis = [single(call, -1, x.shape.len())?];
    let size = match call.attributes.integer("p", 2)? {
        1 => {
            let sizes = call.function(x.clone(), Activation::Abs)?;
            weighted_sum(call, sizes, &axis, 1.0)?
        }
        2 => length(call, x.clone(), &axis)?,
        p => return Err(format!("divides by the l{p} norm; l1 and l2 are supported")),
    };
    let inverse = power(call, size, -1.0)?;
    Ok(vec![Value::Variable(product(call, x, inverse)?)])
}

/// The axes from the given one on.
fn from_axis(call: &mut Call<'_>, x: &Variable) -> Result<Vec<usize>, Reason> {
    let rank = x.shape.len();
    let first = call.attributes.integer("axis", -1)?;
    Ok((position(first, rank, rank)?..rank).collect())
}

/// (x − mean)·(variance + ε)^{−1/2} over axes.
fn standardised(call: &mut Call<'_>, x: Variable, axes: &[usize], epsilon: f64) -> Result<Variable, Reason> {
    let shape = x.shape.clone();
    let middle = mean(call, x.clone(), axes)?;
    let terms = vec![(x.id, LinearMap::Identity(x.len())), term(call, middle, -1.0, &shape)?];
    let centred = call.linear(terms, None, shape)?;
    divided_by_root(call, centred, axes, epsilon)
}

/// x·(mean of x² + ε)^{−1/2} over axes.
fn divided_by_root(call: &mut Call<'_>, x: Variable, axes: &[usize], epsilon: f64) -> Result<Variable, Reason> {
    let squares = call.product(x.clone(), x.clone())?;
    let variance = mean(call, squares, axes)?;
    let shifted = combined(call, &[(&variance, 1.0)], epsilon)?;
    let inverse = power(call, shifted, -0.5)?;
    product(call, x, inverse)
}

/// Multiplied by one constant, and another one added, inputs of these numbers.
fn scaled(
    call: &mut Call<'_>,
    x: Variable,
    (index, scale): (usize, &Tensor),
    shift: Option<(usize, &Rc<Tensor>)>,
) -> NodeOutputs {
    let y = multiplied(call, x, index, scale, |factor| factor)?;
    match shift {
        Some((index, shift)) => shifted(call, y, index, shift),
        None => Ok(vec![Value::Variable(y)]),
    }
}

/// Training was once a matter of having more outputs, later of a switch.
fn expect_inference(call: &mut Call<'_>) -> Result<(), Reason> {
    if call.opset < 9 && call.attributes.integer("spatial", 1)? != 1 {
        return Err("has statistics for every pixel (spatial = 0), which is not supported".to_owned());
    }
    let training = if call.opset < 14 { call.outputs > 1 } else { call.attributes.flag("training_mode")? };
    if training { Err("is in training mode; export in inference mode".to_owned()) } else { Ok(()) }
}

/// The numbers of a constant input, one per channel.
fn per_channel(call: &mut Call<'_>, index: usize, channels: usize) -> Result<Vec<f64>, Reason> {
    let tensor = call.take_constant(index)?.ok_or("lacks one of its statistics")?;
    let numbers = call.weights(index, &tensor)?;
    match tensor.shape.as_slice() {
        &[count] if count == channels => Ok(numbers.to_vec()),
        other => Err(format!("has statistics of shape {other:?} for {channels} channels")),
    }
}
