//! Formulas in one tensor h: P(h) + Q(h)·f(R(h)) with polynomials P, Q, R up to the third degree and one function f, or
//! none. Every elementwise node maps formulas to a formula, or to none where the result is not of this shape.

use super::Patterns;
use crate::import::onnx::attributes::Attributes;
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{NodeProto, TensorProto};
use crate::import::onnx::tensor::{Data, Tensor, is_float};
use crate::import::onnx::types::rounded;
use std::cell::Cell;

/// A curved function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Erf,
    Tanh,
    Sigmoid,
    Exp,
    Softplus,
    /// tanh(log(1 + eˢ))
    TanhOfSoftplus,
    Abs,
    /// s/(1 + |s|)
    Softsign,
    Clip {
        min: f64,
        max: f64,
    },
    /// s, or `slope`·s where s is negative.
    Leaky {
        slope: f64,
    },
}

/// The sum of `self.0[n]`·hⁿ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Polynomial([f64; 4]);

/// function(argument)
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Atom {
    pub(super) function: Function,
    pub(super) argument: Polynomial,
}

/// plain + factor·atom
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Formula {
    pub(super) plain: Polynomial,
    pub(super) factor: Polynomial,
    pub(super) atom: Option<Atom>,
}

impl Polynomial {
    const ZERO: Self = Self([0.0; 4]);
    const H: Self = Self([0.0, 1.0, 0.0, 0.0]);

    fn constant(c: f64) -> Self {
        Self([c, 0.0, 0.0, 0.0])
    }

    pub(super) fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    pub(super) fn as_constant(&self) -> Option<f64> {
        (self.0[1..] == [0.0; 3]).then_some(self.0[0])
    }

    /// c in c·h, not zero.
    pub(super) fn as_multiple(&self) -> Option<f64> {
        let [a, c, q, l] = self.0;
        ((a, q, l) == (0.0, 0.0, 0.0) && c != 0.0).then_some(c)
    }

    /// a and c in a + c·h, c not zero.
    pub(super) fn as_line(&self) -> Option<(f64, f64)> {
        let [a, c, q, l] = self.0;
        ((q, l) == (0.0, 0.0) && c != 0.0).then_some((a, c))
    }

    /// k and l in k·h + l·h³, neither zero.
    pub(super) fn as_odd_cubic(&self) -> Option<(f64, f64)> {
        let [a, k, q, l] = self.0;
        ((a, q) == (0.0, 0.0) && k != 0.0 && l != 0.0).then_some((k, l))
    }

    fn plus(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|n| self.0[n] + other.0[n]))
    }

    fn each(&self, f: impl Fn(f64) -> f64) -> Self {
        Self(self.0.map(f))
    }

    fn times(&self, other: &Self) -> Option<Self> {
        let mut product = [0.0; 7];
        for (n, p) in self.0.iter().enumerate() {
            for (m, q) in other.0.iter().enumerate() {
                product[n + m] += p * q;
            }
        }
        (product[4..] == [0.0; 3]).then(|| Self([product[0], product[1], product[2], product[3]]))
    }
}

impl Formula {
    fn polynomial(plain: Polynomial) -> Self {
        Self { plain, factor: Polynomial::ZERO, atom: None }
    }

    fn function(function: Function, argument: Polynomial) -> Self {
        Self { plain: Polynomial::ZERO, factor: Polynomial::constant(1.0), atom: Some(Atom { function, argument }) }
    }

    /// The polynomial that this is.
    fn as_polynomial(&self) -> Option<Polynomial> {
        self.atom.is_none().then_some(self.plain)
    }

    fn as_constant(&self) -> Option<f64> {
        self.as_polynomial()?.as_constant()
    }

    /// The atom that this is, alone.
    fn as_atom(&self) -> Option<&Atom> {
        self.atom.as_ref().filter(|_| self.plain.is_zero() && self.factor == Polynomial::constant(1.0))
    }

    fn plus(&self, other: &Self) -> Option<Self> {
        let atom = match (&self.atom, &other.atom) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.as_ref().or(b.as_ref()),
        };
        let (plain, factor) = (self.plain.plus(&other.plain), self.factor.plus(&other.factor));
        Some(Self { plain, factor, atom: atom.cloned() })
    }

    fn each(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { plain: self.plain.each(&f), factor: self.factor.each(&f), atom: self.atom.clone() }
    }

    fn times(&self, other: &Self) -> Option<Self> {
        let (curved, polynomial) = match (self.as_polynomial(), other.as_polynomial()) {
            (_, Some(q)) => (self, q),
            (Some(p), None) => (other, p),
            (None, None) => return None,
        };
        let (plain, factor) = (curved.plain.times(&polynomial)?, curved.factor.times(&polynomial)?);
        Some(Self { plain, factor, atom: curved.atom.clone() })
    }

    /// self / (a + b·f(R)), for the two denominators that make an activation.
    fn over(&self, other: &Self) -> Option<Self> {
        if let Some(c) = other.as_constant() {
            return (c != 0.0).then(|| self.each(|v| v / c));
        }
        let (numerator, atom) = (self.as_polynomial()?, other.atom.as_ref()?);
        let (a, b) = (other.plain.as_constant().filter(|a| *a != 0.0)?, other.factor.as_constant()?);
        match atom.function {
            Function::Exp if a == b => {
                let sigmoid = Self::function(Function::Sigmoid, atom.argument.each(|v| -v));
                sigmoid.times(&Self::polynomial(numerator.each(|v| v / a)))
            }
            Function::Abs => {
                let (c, r) = (numerator.as_multiple()?, atom.argument.as_multiple()?);
                let s = b * r.abs() / a;
                let softsign = Self::function(Function::Softsign, Polynomial::H.each(|v| s * v));
                (s > 0.0).then(|| softsign.each(|v| v * (c / a / s)))
            }
            _ => None,
        }
    }

    fn log(&self) -> Option<Self> {
        let one = Polynomial::constant(1.0);
        match &self.atom {
            Some(Atom { function: Function::Exp, argument }) if self.plain == one && self.factor == one => {
                Some(Self::function(Function::Softplus, *argument))
            }
            Some(Atom { function: Function::Sigmoid, argument }) if self.as_atom().is_some() => {
                Some(Self::function(Function::Softplus, argument.each(|v| -v)).each(|v| -v))
            }
            _ => None,
        }
    }

    fn tanh(&self) -> Option<Self> {
        match self.as_atom() {
            Some(Atom { function: Function::Softplus, argument }) => {
                Some(Self::function(Function::TanhOfSoftplus, *argument))
            }
            _ => Some(Self::function(Function::Tanh, self.as_polynomial()?)),
        }
    }

    /// max(min, min(max, self))
    fn clipped(&self, min: f64, max: f64) -> Option<Self> {
        let clip = |argument, min, max| Self::function(Function::Clip { min, max }, argument);
        if min.is_nan() || max.is_nan() || min > max {
            return None;
        }
        match self.as_atom() {
            Some(&Atom { function: Function::Clip { min: lower, max: upper }, argument }) => {
                Some(clip(argument, lower.clamp(min, max), upper.clamp(min, max)))
            }
            _ => Some(clip(self.as_polynomial()?, min, max)),
        }
    }

    /// The formula that is `positive` where h is, and `negative` elsewhere.
    fn leaky(positive: &Self, negative: &Self) -> Option<Self> {
        let slope = |formula: &Self| {
            formula.as_polynomial().and_then(|p| if p.is_zero() { Some(0.0) } else { p.as_multiple() })
        };
        let (one, slope) = (slope(positive)?, slope(negative)?);
        (one == 1.0).then(|| Self::function(Function::Leaky { slope }, Polynomial::H))
    }
}

/// The operators of formulas.
pub(super) fn is_elementwise(operator: &str) -> bool {
    let straight =
        ["Add", "Cast", "Constant", "Div", "Identity", "Mul", "Neg", "Pow", "Reciprocal", "Sqrt", "Sub", "Sum"];
    let comparisons = ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"];
    straight.contains(&operator) || comparisons.contains(&operator) || is_curved(operator)
}

/// The operators that introduce a function.
pub(super) fn is_curved(operator: &str) -> bool {
    matches!(
        operator,
        "Abs"
            | "Clip"
            | "Erf"
            | "Exp"
            | "HardSigmoid"
            | "Log"
            | "Max"
            | "Min"
            | "Relu"
            | "Sigmoid"
            | "Softplus"
            | "Tanh"
            | "Where"
    )
}

/// Formulas in terms of one tensor.
pub(super) struct Formulas<'p, 'a, 'g> {
    patterns: &'p Patterns<'a, 'g>,
    h: &'p str,
    /// How many more nodes may be looked at.
    fuel: Cell<u32>,
    rank: Cell<usize>,
}

impl<'p, 'a, 'g> Formulas<'p, 'a, 'g> {
    pub(super) fn in_terms_of(patterns: &'p Patterns<'a, 'g>, h: &'p str) -> Self {
        Self { patterns, h, fuel: Cell::new(200), rank: Cell::new(0) }
    }

    /// The highest rank among the constants met so far.
    pub(super) fn rank(&self) -> usize {
        self.rank.get()
    }

    /// What a tensor is in terms of h.
    pub(super) fn of(&self, name: &str) -> Option<Formula> {
        if name == self.h {
            return Some(Formula::polynomial(Polynomial::H));
        }
        self.fuel.set(self.fuel.get().checked_sub(1)?);
        if let Some(stored) = self.patterns.initialisers.get(name) {
            return self.stored(stored);
        }
        let node = self.patterns.maker(name)?;
        let mut attributes = Attributes::of(node).ok()?;
        let formula = self.made(node, &mut attributes)?;
        attributes.finish().ok()?;
        let Some(number) = formula.as_constant() else { return Some(formula) };
        let number = rounded(number, *self.patterns.types.get(name)?);
        number.is_finite().then(|| Formula::polynomial(Polynomial::constant(number)))
    }

    /// A stored tensor of one number.
    fn stored(&self, tensor: &TensorProto) -> Option<Formula> {
        if tensor.dims.iter().any(|&d| d != 1) {
            return None;
        }
        let tensor = Tensor::read(tensor).ok()?;
        self.rank.set(self.rank.get().max(tensor.shape.len()));
        let number = match &tensor.data {
            Data::Float(data) => *data.first()?,
            Data::Integer(data) => *data.first()? as f64,
        };
        number.is_finite().then(|| Formula::polynomial(Polynomial::constant(number)))
    }

    fn made(&self, node: &NodeProto, attributes: &mut Attributes<'_>) -> Option<Formula> {
        let input = |index: usize| node.input.get(index).and_then(|name| self.of(name));
        let only = || if node.input.len() == 1 { input(0) } else { None };
        let pair = || if node.input.len() == 2 { Some((input(0)?, input(1)?)) } else { None };
        let of = |function| Some(Formula::function(function, only()?.as_polynomial()?));
        match node.op_type.as_str() {
            "Abs" => of(Function::Abs),
            "Add" => pair().and_then(|(a, b)| a.plus(&b)),
            "Cast" => self.cast(node, attributes),
            "Clip" => self.clip(node, attributes),
            "Constant" => self.constant(node, attributes),
            "Div" => pair().and_then(|(a, b)| a.over(&b)),
            "Erf" => of(Function::Erf),
            "Exp" => of(Function::Exp),
            "HardSigmoid" => {
                let alpha = attributes.float("alpha", f64::from(0.2_f32)).ok()?;
                let beta = attributes.float("beta", 0.5).ok()?;
                let line = only()?.each(|v| alpha * v).plus(&Formula::polynomial(Polynomial::constant(beta)))?;
                line.clipped(0.0, 1.0)
            }
            "Identity" => only(),
            "Log" => only()?.log(),
            "Max" => self.extreme(node, f64::max, |c| (c, f64::INFINITY), |a| a <= 1.0),
            "Min" => self.extreme(node, f64::min, |c| (f64::NEG_INFINITY, c), |a| a >= 1.0),
            "Mul" => pair().and_then(|(a, b)| a.times(&b)),
            "Neg" => Some(only()?.each(|v| -v)),
            "Pow" => pair().and_then(|(a, n)| power(&a, n.as_constant()?)),
            "Reciprocal" => Formula::polynomial(Polynomial::constant(1.0)).over(&only()?),
            "Relu" => only()?.clipped(0.0, f64::INFINITY),
            "Sigmoid" => of(Function::Sigmoid),
            "Softplus" => of(Function::Softplus),
            "Sqrt" => power(&only()?, 0.5),
            "Sub" => pair().and_then(|(a, b)| a.plus(&b.each(|v| -v))),
            "Sum" => {
                node.input.iter().try_fold(Formula::polynomial(Polynomial::ZERO), |sum, name| sum.plus(&self.of(name)?))
            }
            "Tanh" => only()?.tanh(),
            "Where" => self.choice(node),
            _ => None,
        }
    }

    /// Between float types: numbers are what they were.
    fn cast(&self, node: &NodeProto, attributes: &mut Attributes<'_>) -> Option<Formula> {
        let to = attributes.integer("to", 0).ok()?;
        attributes.integer("saturate", 1).ok()?; // of 8-bit floats only
        attributes.text("round_mode", "up").ok()?; // of 8-bit exponents only
        let to = DataType::try_from(i32::try_from(to).ok()?).ok()?;
        is_float(to).then(|| node.input.first().and_then(|name| self.of(name)))?
    }

    fn clip(&self, node: &NodeProto, attributes: &mut Attributes<'_>) -> Option<Formula> {
        let end = |index: usize, absent: f64| match node.input.get(index).filter(|name| !name.is_empty()) {
            Some(name) => self.of(name)?.as_constant(),
            None => Some(absent),
        };
        let (min, max) = if self.patterns.opset < 11 {
            (attributes.float("min", f64::NEG_INFINITY).ok()?, attributes.float("max", f64::INFINITY).ok()?)
        } else {
            (end(1, f64::NEG_INFINITY)?, end(2, f64::INFINITY)?)
        };
        let limit = if self.patterns.opset < 11 { 1 } else { 3 };
        if node.input.len() > limit { None } else { self.of(node.input.first()?)?.clipped(min, max) }
    }

    fn constant(&self, node: &NodeProto, attributes: &mut Attributes<'_>) -> Option<Formula> {
        if let Some(tensor) = node.attribute.iter().find_map(|a| a.t.as_ref())
            && tensor.dims.iter().any(|&d| d != 1)
        {
            return None; // before its numbers are converted
        }
        let tensor = attributes.value().ok().filter(|tensor| tensor.len() == 1)?;
        self.rank.set(self.rank.get().max(tensor.shape.len()));
        let number = match &tensor.data {
            Data::Float(data) => data[0],
            Data::Integer(data) => data[0] as f64,
        };
        number.is_finite().then(|| Formula::polynomial(Polynomial::constant(number)))
    }

    /// The extreme of a tensor and constants, or of h and a multiple of it that `lies_below`.
    fn extreme(
        &self,
        node: &NodeProto,
        of: impl Fn(f64, f64) -> f64,
        ends: impl Fn(f64) -> (f64, f64),
        is_beyond: impl Fn(f64) -> bool,
    ) -> Option<Formula> {
        let formulas: Vec<Formula> = node.input.iter().map(|name| self.of(name)).collect::<Option<_>>()?;
        let (constants, curves): (Vec<&Formula>, Vec<&Formula>) =
            formulas.iter().partition(|formula| formula.as_constant().is_some());
        match curves.as_slice() {
            [curve] => {
                let (min, max) = ends(constants.iter().filter_map(|formula| formula.as_constant()).reduce(of)?);
                curve.clipped(min, max)
            }
            [p, q] if constants.is_empty() => {
                let multiple = |formula: &Formula| formula.as_polynomial().and_then(|p| p.as_multiple());
                let (a, b) = (multiple(p)?, multiple(q)?);
                if a == 1.0 && is_beyond(b) {
                    Formula::leaky(p, q)
                } else if b == 1.0 && is_beyond(a) {
                    Formula::leaky(q, p)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// Where the condition compares a positive multiple of h with zero.
    fn choice(&self, node: &NodeProto) -> Option<Formula> {
        let [condition, yes, no] = node.input.as_slice() else { return None };
        let compared = self.patterns.maker(condition).filter(|node| node.attribute.is_empty())?;
        let [left, right] = compared.input.as_slice() else { return None };
        let (left, right) = (self.of(left)?.as_polynomial()?, self.of(right)?.as_polynomial()?);
        let positive = match compared.op_type.as_str() {
            "Greater" | "GreaterOrEqual" => true,
            "Less" | "LessOrEqual" => false,
            _ => return None,
        };
        let on_the_left = match (left.as_multiple(), right.as_multiple()) {
            (Some(c), None) if c > 0.0 && right.is_zero() => true,
            (None, Some(c)) if c > 0.0 && left.is_zero() => false,
            _ => return None,
        };
        let (yes, no) = (self.of(yes)?, self.of(no)?);
        if positive == on_the_left { Formula::leaky(&yes, &no) } else { Formula::leaky(&no, &yes) }
    }
}

/// A constant to any power, or a formula to a whole one.
fn power(formula: &Formula, exponent: f64) -> Option<Formula> {
    if let Some(c) = formula.as_constant() {
        let value = if exponent == 0.5 { c.sqrt() } else { c.powf(exponent) };
        return value.is_finite().then(|| Formula::polynomial(Polynomial::constant(value)));
    }
    let p = formula.as_polynomial()?;
    if exponent == 2.0 {
        p.times(&p).map(Formula::polynomial)
    } else if exponent == 3.0 {
        p.times(&p)?.times(&p).map(Formula::polynomial)
    } else {
        None
    }
}
