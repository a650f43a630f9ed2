//! Activations that exporters spell out in several nodes: GELU by erf or tanh, SiLU, Mish, HardSwish, softplus, softsign,
//! LeakyReLU as a maximum, clips as chains of Min and Max.
//!
//! Nothing is compared with a list of graphs. The nodes before a Mul, Add, … are multiplied out as a formula in one tensor h
//! (`formula`), whatever the order of the operations, and the formula is recognised:
//!
//! | formula | activation |
//! | --- | --- |
//! | c·h·(1 + erf(s·h)) | 2c/b · GELU(b·h), b = √2·s |
//! | c·h·(1 + tanh(k·h + l·h³)) | 2c/b · GELU in tanh form(b·h), b = k·√(π/2), if l = 0.044715·k·b² |
//! | c·h·(1 + tanh(s·h)), 2c·h·σ(2s·h) | c/s · SiLU(2s·h) |
//! | c·h·tanh(log(1 + e^{s·h})) | c/s · Mish(s·h) |
//! | c·h·min(max(s·h + m/2, 0), m) | c·m/b · HardSwish(b·h), b = 6s/m |
//! | c·h/(1 + s·\|h\|), c/(1 + e^{−s·h}), c·log(1 + e^{s·h}) | c/s · softsign(s·h), c·σ(s·h), c·softplus(s·h) |
//! | max(h, a·h) for a ≤ 1, min(h, a·h) for a ≥ 1, h > 0 ? h : a·h | LeakyReLU with slope a |
//! | min(max(h, a), b) | clip |
//!
//! **Claim.** The activation in the network, with its factors before and after, is the formula in the file with its constants as
//! they are stored (float32 numbers near √2 and the like), but for roundings of double precision: b is off by at most a few
//! parts in 2⁵³, which the slopes and values of these activations have room for wherever they are bounded
//! (`function::ranges`), and so is the factor after where it is a quotient, **rounded** away from zero. The tanh form has room
//! for 0.044715 in float32, too. Nothing else is replaced by a standard constant: GELU with √2 in float32 is
//! GELU(b·h)/b with b = 1 + 2·10⁻⁸.
//!
//! Constants computed from constants inside a formula (√2 by a Sqrt node) are rounded to the file's type, as everywhere
//! ([`super::types`]).
//!
//! A formula that is none of these is left alone, and its nodes stand for themselves.

mod formula;

use super::call::Call;
use super::tensor::broadcast;
use super::types::Types;
use super::value::{Value, Variable};
use super::{NodeOutputs, Reason};
use crate::import::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::network::{Activation, LinearMap};
use formula::{Atom, Formula, Formulas, Function, Polynomial};
use std::collections::HashMap;

/// Where patterns are looked for.
pub(super) struct Patterns<'a, 'g> {
    pub(super) graph: &'a GraphProto,
    /// The node that makes each tensor.
    pub(super) makers: &'g HashMap<&'a str, usize>,
    pub(super) initialisers: &'g HashMap<&'a str, &'a TensorProto>,
    /// The element type of each tensor.
    pub(super) types: &'g Types<'a>,
    pub(super) opset: i64,
}

/// Nodes that amount to `after`·activation(`before`·argument).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern<'a> {
    /// The node that gives the result.
    pub(super) node: &'a NodeProto,
    /// The tensor h.
    pub(super) argument: &'a str,
    pub(super) before: f64,
    pub(super) activation: Activation,
    pub(super) after: f64,
    /// The highest rank among the constants, which the result has at least.
    pub(super) rank: usize,
}

impl Pattern<'_> {
    /// Adds the activation to the network, between its two factors.
    pub(super) fn add_to(&self, call: &mut Call<'_>) -> NodeOutputs {
        let argument = call.take(0)?;
        let shape = broadcast(argument.shape(), &vec![1; self.rank])?;
        let argument = times(call, argument.reshaped(shape)?, self.before)?;
        let value = call.apply(argument, self.activation.clone())?;
        Ok(vec![times(call, value, self.after)?])
    }
}

/// slope/b · activation(b·value)
pub(super) fn stretched(
    call: &mut Call<'_>,
    value: Value,
    slope: f64,
    b: f64,
    activation: Activation,
) -> Result<Value, Reason> {
    let (before, activation, after) = scaled(slope, b, activation);
    let argument = times(call, value, before)?;
    let value = call.apply(argument, activation)?;
    times(call, value, after)
}

/// factor·value; a factor of one adds nothing.
pub(super) fn times(call: &mut Call<'_>, value: Value, factor: f64) -> Result<Value, Reason> {
    match value {
        value if factor == 1.0 => Ok(value),
        Value::Constant(tensor) => Ok(tensor.map_floats(|v| factor * v)?.into()),
        Value::Variable(Variable { id, shape }) => {
            let len = shape.iter().product();
            let scaled = call.affine(vec![(id, LinearMap::Scale(vec![factor; len]))], None, shape)?;
            scaled.into_iter().next().ok_or_else(|| "gives nothing".to_owned())
        }
    }
}

/// Operators that can complete a pattern.
const LAST: [&str; 9] = ["Add", "Div", "Log", "Max", "Min", "Mul", "Reciprocal", "Sub", "Where"];
/// How many tensors before the last node are looked at.
const CONE: usize = 24;
/// How far from 1 an inner factor may be by rounding alone, in double precision.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

impl<'a> Patterns<'a, '_> {
    /// The pattern that ends in `node`. Of several, the one whose inner factor is nearest to one and that reaches back furthest.
    pub(super) fn find(&self, node: &'a NodeProto) -> Option<Pattern<'a>> {
        let [output] = node.output.as_slice() else { return None };
        if !LAST.contains(&node.op_type.as_str()) {
            return None;
        }
        let (tensors, curved) = self.cone(output);
        if !curved {
            return None;
        }
        let mut found: Option<Pattern<'_>> = None;
        for argument in tensors {
            let formulas = Formulas::in_terms_of(self, argument);
            let Some(formula) = formulas.of(output) else { continue };
            let Some((before, activation, after)) = recognise(&formula, &node.op_type) else { continue };
            let stretch = |factor: f64| (factor - 1.0).abs();
            if found.as_ref().is_none_or(|known| stretch(before) <= stretch(known.before)) {
                found = Some(Pattern { node, argument, before, activation, after, rank: formulas.rank() });
            }
        }
        found
    }

    /// The node that makes a tensor.
    pub(super) fn maker(&self, name: &str) -> Option<&'a NodeProto> {
        let node = &self.graph.node[*self.makers.get(name)?];
        let ours = node.domain.is_empty() || node.domain == "ai.onnx";
        (ours && node.output.first().is_some_and(|first| first == name)).then_some(node)
    }

    /// The tensors before `output` that elementwise operators lead back to, nearest first; and whether any of those
    /// operators is curved.
    fn cone(&self, output: &'a str) -> (Vec<&'a str>, bool) {
        let mut tensors: Vec<&str> = vec![output];
        let mut curved = false;
        let mut next = 0;
        while next < tensors.len() {
            if let Some(node) = self.maker(tensors[next]).filter(|node| formula::is_elementwise(&node.op_type)) {
                curved |= formula::is_curved(&node.op_type);
                for name in node.input.iter().map(String::as_str) {
                    let constant = name.is_empty() || self.initialisers.contains_key(name);
                    if !constant && tensors.len() < CONE && !tensors.contains(&name) {
                        tensors.push(name);
                    }
                }
            }
            next += 1;
        }
        tensors.remove(0);
        (tensors, curved)
    }
}

/// The inner factor, activation and outer factor that a formula amounts to; `last` is the operator that completes it.
fn recognise(formula: &Formula, last: &str) -> Option<(f64, Activation, f64)> {
    let Formula { plain, factor, atom: Some(atom) } = formula else { return None };
    let Atom { function, argument } = atom;
    if let Some(c) = factor.as_multiple() {
        return gated(plain, c, *function, argument);
    }
    let c = factor.as_constant().filter(|_| plain.is_zero())?;
    let s = argument.as_multiple()?;
    match (*function, last) {
        (Function::Sigmoid, "Div" | "Reciprocal") => Some((s, Activation::Sigmoid, c)),
        (Function::Softplus, "Log") => Some((s, Activation::Softplus, c)),
        (Function::Softsign, "Div" | "Mul") if s == 1.0 => Some((1.0, Activation::Softsign, c)),
        (Function::Softsign, "Div" | "Mul") => {
            let slope = away_from_zero(away_from_zero(c * s)); // c is a quotient by s
            Some(scaled(slope, s, Activation::Softsign))
        }
        (Function::Leaky { slope }, "Max" | "Min" | "Where") if s == 1.0 => {
            Some((1.0, Activation::LeakyRelu { slope }, c))
        }
        (Function::Clip { min, max }, "Max" | "Min") if s == 1.0 => Some((1.0, Activation::Clip { min, max }, c)),
        _ => None,
    }
}

/// plain + c·h·function(argument)
fn gated(plain: &Polynomial, c: f64, function: Function, argument: &Polynomial) -> Option<(f64, Activation, f64)> {
    // ±(1 + function) for the odd functions; a minus moves into the argument
    let sign = match plain.as_multiple() {
        Some(p) if p == c => 1.0,
        Some(p) if p == -c => -1.0,
        _ => 0.0,
    };
    match function {
        Function::Erf if sign != 0.0 => {
            Some(scaled(2.0 * c * sign, sign * argument.as_multiple()? * std::f64::consts::SQRT_2, Activation::Gelu))
        }
        Function::Tanh if sign != 0.0 => match argument.as_multiple() {
            Some(s) => Some(scaled(2.0 * c * sign, 2.0 * sign * s, Activation::Silu)),
            None => {
                let before = sign * gelu_tanh(argument)?;
                Some(scaled(2.0 * c * sign, before, Activation::GeluTanh))
            }
        },
        Function::Sigmoid if plain.is_zero() => Some(scaled(c, argument.as_multiple()?, Activation::Silu)),
        Function::TanhOfSoftplus if plain.is_zero() => Some(scaled(c, argument.as_multiple()?, Activation::Mish)),
        Function::Clip { min: 0.0, max } if plain.is_zero() => {
            let (offset, s) = argument.as_line()?;
            (offset / max == 0.5).then(|| scaled(c * max, 6.0 * s / max, Activation::HardSwish))
        }
        _ => None,
    }
}

/// b in k·h + l·h³ = √(2/π)·(b·h + 0.044715·(b·h)³).
fn gelu_tanh(argument: &Polynomial) -> Option<f64> {
    const CUBIC: f64 = 0.044715;
    /// The slope interval of the activation has room for twice this.
    const CUBIC_ROUNDING: f64 = 1.0 / (1 << 22) as f64;
    let (k, l) = argument.as_odd_cubic()?;
    let b = k / std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::SQRT_2;
    let cubic = l / (k * b * b);
    ((cubic / CUBIC - 1.0).abs() <= CUBIC_ROUNDING).then_some(b)
}

/// `slope`/b · activation(b·h), of which every slope is `slope` times one of the activation's.
fn scaled(slope: f64, b: f64, activation: Activation) -> (f64, Activation, f64) {
    if (b - 1.0).abs() <= ROUNDING {
        return (1.0, activation, slope);
    }
    let after = slope / b;
    let exact = slope.abs() == b.abs() || is_power_of_two(b);
    (b, activation, if exact { after } else { away_from_zero(after) })
}

fn is_power_of_two(v: f64) -> bool {
    v.is_normal() && v.to_bits() & ((1 << 52) - 1) == 0
}

fn away_from_zero(v: f64) -> f64 {
    if v > 0.0 { v.next_up() } else { v.next_down() }
}
