//! One number at a time: activations, arithmetic, comparisons, choices.

use super::array::{Array, common};
use super::node::Node;
use super::{Outputs, Reason};
use crate::import::onnx::proto::tensor_proto::DataType;
use std::f64::consts::{PI, SQRT_2};

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    let Some(function) = activation(node, node.operator(), "") else { return several(node) };
    Some(node.input(0).map(|x| vec![x.map(function)]))
}

/// A function of one number by its operator's name; the names of its attributes begin with `prefix`.
pub(super) fn activation(node: &Node<'_>, operator: &str, prefix: &str) -> Option<Box<dyn Fn(f64) -> f64>> {
    let number = |name: &str, default: f32| node.float(&format!("{prefix}{name}"), default);
    let alpha = |default: f32| number("alpha", default);
    Some(match operator {
        "Abs" => Box::new(f64::abs),
        "Acos" => Box::new(f64::acos),
        "Acosh" => Box::new(f64::acosh),
        "Asin" => Box::new(f64::asin),
        "Asinh" => Box::new(f64::asinh),
        "Atan" => Box::new(f64::atan),
        "Atanh" => Box::new(f64::atanh),
        "Ceil" => Box::new(f64::ceil),
        "Celu" => {
            let a = alpha(1.0);
            Box::new(move |v| v.max(0.0) + (a * (v / a).exp_m1()).min(0.0))
        }
        "Cos" => Box::new(f64::cos),
        "Cosh" => Box::new(f64::cosh),
        "Elu" => {
            let a = alpha(1.0);
            Box::new(move |v| if v < 0.0 { a * v.exp_m1() } else { v })
        }
        "Erf" => Box::new(libm::erf),
        "Exp" => Box::new(f64::exp),
        "Floor" => Box::new(f64::floor),
        "Gelu" if node.text("approximate", "none") == "tanh" => Box::new(gelu_by_tanh),
        "Gelu" => Box::new(gelu),
        "HardSigmoid" => {
            let (a, b) = (alpha(0.2), number("beta", 0.5));
            Box::new(move |v| (a * v + b).clamp(0.0, 1.0))
        }
        "HardSwish" => Box::new(|v| v * (v / 6.0 + 0.5).clamp(0.0, 1.0)),
        "Identity" | "Dropout" => Box::new(|v| v),
        "LeakyRelu" => {
            let a = alpha(0.01);
            Box::new(move |v| if v < 0.0 { a * v } else { v })
        }
        "Log" => Box::new(f64::ln),
        "Mish" => Box::new(|v| v * softplus(v).tanh()),
        "Neg" => Box::new(|v| -v),
        "Not" => Box::new(|v| f64::from(v == 0.0)),
        "Reciprocal" => Box::new(|v| 1.0 / v),
        "Relu" => Box::new(|v| if v < 0.0 { 0.0 } else { v }),
        "Selu" => {
            let (a, g) = (alpha(1.673_263_2), number("gamma", 1.050_701));
            Box::new(move |v| if v > 0.0 { g * v } else { g * a * v.exp_m1() })
        }
        "Shrink" => {
            let (bias, lambda) = (number("bias", 0.0), number("lambd", 0.5));
            Box::new(move |v| {
                if v < -lambda {
                    v + bias
                } else if v > lambda {
                    v - bias
                } else {
                    0.0
                }
            })
        }
        "Sigmoid" => Box::new(sigmoid),
        "Sin" => Box::new(f64::sin),
        "Sinh" => Box::new(f64::sinh),
        "Softplus" => Box::new(softplus),
        "Softsign" => Box::new(|v| v / (1.0 + v.abs())),
        "Sqrt" => Box::new(f64::sqrt),
        "Swish" => {
            let a = alpha(1.0);
            Box::new(move |v| v * sigmoid(a * v))
        }
        "Tan" => Box::new(f64::tan),
        "Tanh" => Box::new(f64::tanh),
        "ThresholdedRelu" => {
            let a = alpha(1.0);
            Box::new(move |v| if v > a { v } else { 0.0 })
        }
        _ => return None,
    })
}

/// Operators with several inputs.
fn several(node: &Node<'_>) -> Option<Outputs> {
    let truth = |f: fn(f64, f64) -> bool| {
        pair(node)
            .and_then(|(a, b)| zip(a, b, |p, q| f64::from(f(p, q))))
            .map(|array| vec![Array { kind: DataType::Bool, ..array }])
    };
    let number = |f: &dyn Fn(f64, f64) -> f64| pair(node).and_then(|(a, b)| zip(a, b, f)).map(|array| vec![array]);
    let fold = |f: fn(f64, f64) -> f64| -> Result<Array, Reason> {
        let first = node.input(0)?.clone();
        (1..node.inputs.len()).try_fold(first, |sum, index| {
            let other = node.input(index)?;
            let constant = sum.constant && other.constant;
            Ok(Array { constant, ..zip(&sum, other, f)? }.rounded()) // step by step
        })
    };
    let whole = node.inputs.first().and_then(|x| x.as_deref()).is_some_and(|x| !x.is_float());
    Some(match node.operator() {
        "Add" => number(&|p, q| p + q),
        "Sub" => number(&|p, q| p - q),
        "Mul" => number(&|p, q| p * q),
        "Div" if whole => number(&|p, q| (p / q).trunc()),
        "Div" => number(&|p, q| p / q),
        "Pow" => number(&f64::powf),
        "Mod" if node.int("fmod", 0) == 1 => number(&|p, q| p % q),
        "Mod" => number(&|p, q| p - q * (p / q).floor()),
        "And" => truth(|p, q| p != 0.0 && q != 0.0),
        "Or" => truth(|p, q| p != 0.0 || q != 0.0),
        "Equal" => truth(|p, q| p == q),
        "Greater" => truth(|p, q| p > q),
        "GreaterOrEqual" => truth(|p, q| p >= q),
        "Less" => truth(|p, q| p < q),
        "LessOrEqual" => truth(|p, q| p <= q),
        "PRelu" => pair(node).and_then(|(x, slope)| {
            let slope = slope.spread(&x.shape);
            Ok(vec![zip(x, &slope, |v, a| if v < 0.0 { a * v } else { v })?])
        }),
        "Sum" => fold(|p, q| p + q).map(|sum| vec![sum]),
        "Mean" => fold(|p, q| p + q).map(|sum| vec![sum.map(|v| v / node.inputs.len() as f64)]),
        "Max" => fold(larger).map(|most| vec![most]),
        "Min" => fold(smaller).map(|least| vec![least]),
        "Clip" => clip(node),
        "Where" => choose(node),
        "Cast" => cast(node),
        _ => return None,
    })
}

fn pair<'n>(node: &'n Node<'_>) -> Result<(&'n Array, &'n Array), Reason> {
    let pair = (node.input(0)?, node.input(1)?);
    pair.0.expect_exact()?;
    pair.1.expect_exact()?;
    Ok(pair)
}

/// The larger number, or what is none.
pub(super) fn larger(p: f64, q: f64) -> f64 {
    if p.is_nan() || q.is_nan() { f64::NAN } else { p.max(q) }
}

/// The smaller number, or what is none.
pub(super) fn smaller(p: f64, q: f64) -> f64 {
    if p.is_nan() || q.is_nan() { f64::NAN } else { p.min(q) }
}

pub(super) fn zip(a: &Array, b: &Array, f: impl Fn(f64, f64) -> f64) -> Result<Array, Reason> {
    let shape = common(&a.shape, &b.shape)?;
    let (p, q) = (a.spread(&shape), b.spread(&shape));
    let data = p.data.iter().zip(&q.data).map(|(&p, &q)| f(p, q)).collect();
    Ok(Array::new(shape, data, a.kind))
}

fn clip(node: &Node<'_>) -> Outputs {
    let x = node.input(0)?;
    let (min, max) = if node.opset < 11 {
        (node.float("min", f32::MIN), node.float("max", f32::MAX))
    } else {
        let end = |index: usize, absent: f64| {
            node.optional(index).and_then(|end| end.data.first().copied()).unwrap_or(absent)
        };
        (end(1, f64::NEG_INFINITY), end(2, f64::INFINITY))
    };
    Ok(vec![x.map(|v| v.max(min).min(max))])
}

fn choose(node: &Node<'_>) -> Outputs {
    let (condition, yes, no) = (node.input(0)?, node.input(1)?, node.input(2)?);
    let shape = common(&common(&condition.shape, &yes.shape)?, &no.shape)?;
    let [condition, p, q] = [condition, yes, no].map(|array| array.spread(&shape));
    let data = (0..p.data.len()).map(|i| if condition.data[i] != 0.0 { p.data[i] } else { q.data[i] }).collect();
    Ok(vec![Array::new(shape, data, yes.kind)])
}

fn cast(node: &Node<'_>) -> Outputs {
    let kind = i32::try_from(node.int("to", 0)).ok().and_then(|to| DataType::try_from(to).ok()).ok_or("no type")?;
    let x = Array { kind, ..node.input(0)?.clone() };
    Ok(vec![match kind {
        DataType::Bool => x.map(|v| f64::from(v != 0.0)),
        _ if x.is_float() => x,
        _ => x.map(f64::trunc),
    }])
}

pub(super) fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

fn softplus(v: f64) -> f64 {
    if v > 30.0 { v + (-v).exp() } else { v.exp().ln_1p() }
}

pub(super) fn gelu(v: f64) -> f64 {
    0.5 * v * libm::erfc(-v / SQRT_2)
}

pub(super) fn gelu_by_tanh(v: f64) -> f64 {
    0.5 * v * (1.0 + ((2.0 / PI).sqrt() * (v + 0.044715 * v.powi(3))).tanh())
}
