//! Functions of one tensor with slopes of any size (exp, log, powers, …), and those that are made of them: they are bounded on a region.

use super::arithmetic::{multiple, multiplied};
use super::places::repeated;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor, broadcast};
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::Activation;
use std::f64::consts::FRAC_PI_2;

/// xᵖ
pub(super) fn pow(call: &mut Call<'_>) -> NodeOutputs {
    match (call.take(0)?, call.take(1)?) {
        (Value::Variable(x), Value::Constant(p)) => {
            let exponent = only_number(&p)?;
            let shape = broadcast(&x.shape, &p.shape)?;
            let x = repeated(call, x, &shape)?;
            if exponent == 0.0 {
                return Ok(vec![Tensor::floats(shape.clone(), vec![1.0; shape.iter().product()]).into()]);
            }
            Ok(vec![Value::Variable(power(call, x, exponent)?)])
        }
        (Value::Constant(base), Value::Variable(x)) => {
            if call.weights(0, &base)?.iter().any(|a| *a <= 0.0) {
                return Err("raises a number that is not positive to powers that depend on the input".to_owned());
            }
            let x = multiplied(call, x, 0, &base, f64::ln)?;
            Ok(vec![Value::Variable(call.function(x, Activation::Exp)?)])
        }
        (Value::Variable(x), Value::Variable(p)) => {
            let shape = broadcast(&x.shape, &p.shape)?;
            let logarithm = call.function(x, Activation::Log)?;
            let (logarithm, p) = (repeated(call, logarithm, &shape)?, repeated(call, p, &shape)?);
            let exponent = call.product(logarithm, p)?;
            Ok(vec![Value::Variable(call.function(exponent, Activation::Exp)?)])
        }
        (Value::Constant(_), Value::Constant(_)) => Err("works on constants, which is not supported here".to_owned()),
    }
}

/// The number that all entries of a constant are.
fn only_number(tensor: &Tensor) -> Result<f64, Reason> {
    let numbers = match &tensor.data {
        Data::Float(numbers) => numbers.clone(),
        Data::Integer(numbers) => numbers.iter().map(|n| *n as f64).collect(),
    };
    match numbers.as_slice() {
        [first, rest @ ..] if rest.iter().all(|p| p == first) => Ok(*first),
        _ => Err("raises entries to different powers, which is not supported".to_owned()),
    }
}

/// xᵖ for a power that is not 0. A square is a product, like x·x.
pub(super) fn power(call: &mut Call<'_>, x: Variable, exponent: f64) -> Result<Variable, Reason> {
    match exponent {
        1.0 => Ok(x),
        2.0 => call.product(x.clone(), x),
        _ => call.function(x, Activation::Power { exponent }),
    }
}

pub(super) fn sqrt(call: &mut Call<'_>) -> NodeOutputs {
    call.activate(Activation::Power { exponent: 0.5 })
}

pub(super) fn reciprocal(call: &mut Call<'_>) -> NodeOutputs {
    call.activate(Activation::Power { exponent: -1.0 })
}

/// sin(x)/cos(x)
pub(super) fn tan(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let (sin, cos) = (call.function(x.clone(), Activation::Sin)?, call.function(x, Activation::Cos)?);
    let inverse = power(call, cos, -1.0)?;
    Ok(vec![Value::Variable(call.product(sin, inverse)?)])
}

pub(super) fn sinh(call: &mut Call<'_>) -> NodeOutputs {
    exponentials(call, -0.5)
}

pub(super) fn cosh(call: &mut Call<'_>) -> NodeOutputs {
    exponentials(call, 0.5)
}

/// eˣ/2 + weight·e⁻ˣ
fn exponentials(call: &mut Call<'_>, weight: f64) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let negative = combined(call, &[(&x, -1.0)], 0.0)?;
    let (rising, falling) = (call.function(x, Activation::Exp)?, call.function(negative, Activation::Exp)?);
    Ok(vec![Value::Variable(combined(call, &[(&rising, 0.5), (&falling, weight)], 0.0)?)])
}

pub(super) fn asin(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    Ok(vec![Value::Variable(arc_sine(call, x)?)])
}

/// π/2 − asin(x)
pub(super) fn acos(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let angle = arc_sine(call, x)?;
    Ok(vec![Value::Variable(combined(call, &[(&angle, -1.0)], FRAC_PI_2)?)])
}

/// atan(x/√(1 − x²))
fn arc_sine(call: &mut Call<'_>, x: Variable) -> Result<Variable, Reason> {
    let square = call.product(x.clone(), x.clone())?;
    let rest = combined(call, &[(&square, -1.0)], 1.0)?;
    let root = power(call, rest, -0.5)?;
    let tangent = call.product(x, root)?;
    call.function(tangent, Activation::Atan)
}

/// (log(1 + x) − log(1 − x))/2
pub(super) fn atanh(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let (above, below) = (combined(call, &[(&x, 1.0)], 1.0)?, combined(call, &[(&x, -1.0)], 1.0)?);
    let (above, below) = (call.function(above, Activation::Log)?, call.function(below, Activation::Log)?);
    Ok(vec![Value::Variable(combined(call, &[(&above, 0.5), (&below, -0.5)], 0.0)?)])
}

/// log(x + √(x² − 1))
pub(super) fn acosh(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let square = call.product(x.clone(), x.clone())?;
    let rest = combined(call, &[(&square, 1.0)], -1.0)?;
    let root = power(call, rest, 0.5)?;
    let sum = combined(call, &[(&x, 1.0), (&root, 1.0)], 0.0)?;
    Ok(vec![Value::Variable(call.function(sum, Activation::Log)?)])
}

/// Σ weight·x + constant, of tensors of one shape.
pub(super) fn combined(call: &mut Call<'_>, summands: &[(&Variable, f64)], constant: f64) -> Result<Variable, Reason> {
    let (shape, len) = (summands[0].0.shape.clone(), summands[0].0.len());
    let terms = summands.iter().map(|(x, weight)| (x.id, multiple(*weight, len))).collect();
    call.linear(terms, (constant != 0.0).then(|| vec![constant; len]), shape)
}
