//! Add, Sub, Sum, Mean, Mul, Div and Neg: between constants, between a tensor and a constant, and sums of branches.
//!
//! Shapes combine by numpy's rules: constants are repeated while importing, tensors that depend on the input by a gather.

use super::places::{Places, repeated};
use super::smooth::power;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor, broadcast, elements, expand};
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::{LinearMap, NodeId};

#[derive(Clone, Copy)]
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
}

pub(super) fn add(call: &mut Call<'_>) -> NodeOutputs {
    sum(call, Operation::Add, 1.0)
}

pub(super) fn sub(call: &mut Call<'_>) -> NodeOutputs {
    sum(call, Operation::Sub, -1.0)
}

/// a + sign·b
fn sum(call: &mut Call<'_>, operation: Operation, sign: f64) -> NodeOutputs {
    match (call.take(0)?, call.take(1)?) {
        (Value::Constant(a), Value::Constant(b)) => fold(operation, &a, &b),
        (a, b) => combination(call, vec![(a, 1.0), (b, sign)]),
    }
}

/// The sum of any number of tensors.
pub(super) fn sum_of_all(call: &mut Call<'_>) -> NodeOutputs {
    let values = all(call, 1.0)?;
    combination(call, values)
}

pub(super) fn mean(call: &mut Call<'_>) -> NodeOutputs {
    let weight = 1.0 / call.inputs.len() as f64;
    let values = all(call, weight)?;
    combination(call, values)
}

/// Every input, with the same factor.
fn all(call: &mut Call<'_>, factor: f64) -> Result<Vec<(Value, f64)>, Reason> {
    (0..call.inputs.len()).map(|index| Ok((call.take(index)?, factor))).collect()
}

/// Σ factor·value; the constants become the bias.
fn combination(call: &mut Call<'_>, values: Vec<(Value, f64)>) -> NodeOutputs {
    let shape = values.iter().try_fold(vec![], |shape, (value, _)| broadcast(&shape, value.shape()))?;
    let values = values.into_iter().enumerate().map(|(index, (value, factor))| (index, value, factor)).collect();
    match summed(call, values, &shape)? {
        Sum::Variable(sum) => Ok(vec![Value::Variable(sum)]),
        Sum::Constant(_) => {
            Err("works on constants, which is not supported yet; fold constants before exporting".to_owned())
        }
    }
}

/// A sum of tensors and constants.
pub(super) enum Sum {
    Variable(Variable),
    Constant(Vec<f64>),
}

/// Σ factor·value of inputs by their numbers, repeated to fill a shape. A shift by nothing adds no node.
pub(super) fn summed(call: &mut Call<'_>, values: Vec<(usize, Value, f64)>, shape: &[usize]) -> Result<Sum, Reason> {
    let mut bias: Option<Vec<f64>> = None;
    let mut branches: Vec<(Variable, f64)> = vec![];
    for (index, value, factor) in values {
        match value {
            // x − x is 0·x, to the last digit
            Value::Variable(x) => match branches.iter_mut().find(|(known, _)| *known == x) {
                Some((_, sum)) => *sum += factor,
                None => branches.push((x, factor)),
            },
            Value::Constant(tensor) => {
                let numbers = expand(call.weights(index, &tensor)?, &tensor.shape, shape)?;
                let bias = bias.get_or_insert_with(|| vec![0.0; numbers.len()]);
                bias.iter_mut().zip(numbers).for_each(|(b, c)| *b += factor * c);
            }
        }
    }
    let bias = bias.filter(|bias| branches.is_empty() || bias.iter().any(|b| *b != 0.0));
    Ok(match (branches.as_slice(), bias) {
        ([], bias) => Sum::Constant(bias.unwrap_or_default()),
        ([(x, 1.0)], None) => Sum::Variable(repeated(call, x.clone(), shape)?),
        (_, bias) => {
            let terms = branches.into_iter().map(|(x, factor)| term(call, x, factor, shape));
            let terms = terms.collect::<Result<_, _>>()?;
            Sum::Variable(call.linear(terms, bias, shape.to_vec())?)
        }
    })
}

/// factor·x, repeated to fill a shape, as a term.
pub(super) fn term(
    call: &mut Call<'_>,
    x: Variable,
    factor: f64,
    shape: &[usize],
) -> Result<(NodeId, LinearMap), Reason> {
    if x.len() == elements(shape)? {
        return Ok((x.id, multiple(factor, x.len())));
    }
    let places = Places::of(&x.shape)?.expanded(shape)?;
    let x = scale(call, x.clone(), vec![factor; x.len()], x.shape)?;
    call.made += places.sources.len();
    Ok((x.id, places.map()?))
}

pub(super) fn mul(call: &mut Call<'_>) -> NodeOutputs {
    let (x, index, c) = match (call.take(0)?, call.take(1)?) {
        (Value::Constant(a), Value::Constant(b)) => return fold(Operation::Mul, &a, &b),
        (Value::Variable(x), Value::Constant(c)) => (x, 1, c),
        (Value::Constant(c), Value::Variable(x)) => (x, 0, c),
        (Value::Variable(a), Value::Variable(b)) => return Ok(vec![Value::Variable(product(call, a, b)?)]),
    };
    Ok(vec![Value::Variable(multiplied(call, x, index, &c, |factor| factor)?)])
}

/// a·b, repeated to one shape.
pub(super) fn product(call: &mut Call<'_>, a: Variable, b: Variable) -> Result<Variable, Reason> {
    let shape = broadcast(&a.shape, &b.shape)?;
    let (a, b) = (repeated(call, a, &shape)?, repeated(call, b, &shape)?);
    call.product(a, b)
}

pub(super) fn div(call: &mut Call<'_>) -> NodeOutputs {
    let (x, c) = match (call.take(0)?, call.take(1)?) {
        (Value::Constant(a), Value::Constant(b)) => return fold(Operation::Div, &a, &b),
        (Value::Variable(x), Value::Constant(c)) => (x, c),
        (Value::Constant(c), Value::Variable(x)) => {
            let inverse = power(call, x, -1.0)?;
            return Ok(vec![Value::Variable(multiplied(call, inverse, 0, &c, |factor| factor)?)]);
        }
        (Value::Variable(a), Value::Variable(b)) => {
            let inverse = power(call, b, -1.0)?;
            return Ok(vec![Value::Variable(product(call, a, inverse)?)]);
        }
    };
    if call.weights(1, &c)?.contains(&0.0) {
        return Err("divides by zero".to_owned());
    }
    Ok(vec![Value::Variable(multiplied(call, x, 1, &c, |divisor| 1.0 / divisor)?)])
}

pub(super) fn neg(call: &mut Call<'_>) -> NodeOutputs {
    match call.take(0)? {
        Value::Constant(c) => fold(Operation::Mul, &c, &minus_one(&c)),
        Value::Variable(x) => Ok(vec![Value::Variable(negated(call, x)?)]),
    }
}

/// −x
pub(super) fn negated(call: &mut Call<'_>, x: Variable) -> Result<Variable, Reason> {
    call.linear(vec![(x.id, multiple(-1.0, x.len()))], None, x.shape)
}

/// x plus a constant that was input `index`, repeated to x's shape.
pub(super) fn shifted(call: &mut Call<'_>, x: Variable, index: usize, constant: &Tensor) -> NodeOutputs {
    let bias = expand(call.weights(index, constant)?, &constant.shape, &x.shape)?;
    call.affine(vec![(x.id, LinearMap::Identity(x.len()))], Some(bias), x.shape)
}

/// x, every entry multiplied by `factor` of the constant's, which was input `index`.
pub(super) fn multiplied(
    call: &mut Call<'_>,
    x: Variable,
    index: usize,
    constant: &Tensor,
    factor: impl Fn(f64) -> f64,
) -> Result<Variable, Reason> {
    let shape = broadcast(&x.shape, &constant.shape)?;
    let factors = expand(call.weights(index, constant)?, &constant.shape, &shape)?;
    let x = repeated(call, x, &shape)?;
    scale(call, x, factors.into_iter().map(factor).collect(), shape)
}

/// x with each entry multiplied; a scale of one adds no node.
fn scale(call: &mut Call<'_>, x: Variable, factors: Vec<f64>, shape: Vec<usize>) -> Result<Variable, Reason> {
    if factors.iter().all(|&f| f == 1.0) {
        return Ok(Variable { shape, ..x });
    }
    call.linear(vec![(x.id, LinearMap::Scale(factors))], None, shape)
}

/// The map x ↦ factor·x.
pub(super) fn multiple(factor: f64, len: usize) -> LinearMap {
    if factor == 1.0 { LinearMap::Identity(len) } else { LinearMap::Scale(vec![factor; len]) }
}

/// −1 in the type of `like`.
fn minus_one(like: &Tensor) -> Tensor {
    match like.data {
        Data::Float(_) => Tensor::floats(vec![], vec![-1.0]),
        Data::Integer(_) => Tensor::integers(vec![], vec![-1]),
    }
}

/// Arithmetic on constants, in double precision or in integers that must not overflow.
fn fold(operation: Operation, a: &Tensor, b: &Tensor) -> NodeOutputs {
    let shape = broadcast(&a.shape, &b.shape)?;
    let folded = match (&a.data, &b.data) {
        (Data::Float(p), Data::Float(q)) => {
            let (p, q) = (expand(p, &a.shape, &shape)?, expand(q, &b.shape, &shape)?);
            Tensor::floats(shape, p.into_iter().zip(q).map(|(p, q)| in_floats(operation, p, q)).collect())
        }
        (Data::Integer(p), Data::Integer(q)) => {
            let (p, q) = (expand(p, &a.shape, &shape)?, expand(q, &b.shape, &shape)?);
            let numbers: Option<_> = p.into_iter().zip(q).map(|(p, q)| in_integers(operation, p, q)).collect();
            Tensor::integers(shape, numbers.ok_or("overflows or divides by zero")?)
        }
        _ => return Err("mixes integers with floating-point numbers".to_owned()),
    };
    Ok(vec![folded.into()])
}

fn in_floats(operation: Operation, p: f64, q: f64) -> f64 {
    match operation {
        Operation::Add => p + q,
        Operation::Sub => p - q,
        Operation::Mul => p * q,
        Operation::Div => p / q,
    }
}

fn in_integers(operation: Operation, p: i64, q: i64) -> Option<i64> {
    match operation {
        Operation::Add => p.checked_add(q),
        Operation::Sub => p.checked_sub(q),
        Operation::Mul => p.checked_mul(q),
        Operation::Div => p.checked_div(q),
    }
}
