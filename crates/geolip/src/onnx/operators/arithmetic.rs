//! Add, Sub, Mul, Div and Neg: between constants, between a tensor and a constant, and sums of two branches.
//!
//! Shapes combine by numpy's rules. A constant may be repeated to the size of the tensor it meets; a tensor that depends
//! on the input may not (that is a linear map of its own, not supported yet).

use crate::network::LinearMap;
use crate::onnx::call::Call;
use crate::onnx::tensor::{Data, Tensor, broadcast, elements, expand};
use crate::onnx::value::{Value, Variable};
use crate::onnx::{Lowered, Reason};

#[derive(Clone, Copy)]
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
}

pub(super) fn add(call: &mut Call<'_>) -> Lowered {
    sum(call, Operation::Add, 1.0)
}

pub(super) fn sub(call: &mut Call<'_>) -> Lowered {
    sum(call, Operation::Sub, -1.0)
}

/// a + sign·b
fn sum(call: &mut Call<'_>, operation: Operation, sign: f64) -> Lowered {
    match (call.take(0)?, call.take(1)?) {
        (Value::Constant(a), Value::Constant(b)) => fold(operation, &a, &b),
        (Value::Variable(x), Value::Constant(c)) => {
            let (shape, c) = spread(call, 1, &c, &x)?;
            shift(call, x, 1.0, c.into_iter().map(|c| sign * c).collect(), shape)
        }
        (Value::Constant(c), Value::Variable(x)) => {
            let (shape, c) = spread(call, 0, &c, &x)?;
            shift(call, x, sign, c, shape)
        }
        (Value::Variable(x), Value::Variable(y)) => {
            let shape = common_shape(&x, &y)?;
            call.affine(vec![(x.id, multiple(1.0, x.len())), (y.id, multiple(sign, y.len()))], None, shape)
        }
    }
}

pub(super) fn mul(call: &mut Call<'_>) -> Lowered {
    let (x, index, c) = match (call.take(0)?, call.take(1)?) {
        (Value::Constant(a), Value::Constant(b)) => return fold(Operation::Mul, &a, &b),
        (Value::Variable(x), Value::Constant(c)) => (x, 1, c),
        (Value::Constant(c), Value::Variable(x)) => (x, 0, c),
        (Value::Variable(_), Value::Variable(_)) => {
            return Err("multiplies two tensors that depend on the input, which has no Lipschitz constant".to_owned());
        }
    };
    let (shape, factors) = spread(call, index, &c, &x)?;
    scale(call, x, factors, shape)
}

pub(super) fn div(call: &mut Call<'_>) -> Lowered {
    let (x, c) = match (call.take(0)?, call.take(1)?) {
        (Value::Constant(a), Value::Constant(b)) => return fold(Operation::Div, &a, &b),
        (Value::Variable(x), Value::Constant(c)) => (x, c),
        (_, Value::Variable(_)) => {
            return Err("divides by a tensor that depends on the input, which has no Lipschitz constant".to_owned());
        }
    };
    let (shape, divisors) = spread(call, 1, &c, &x)?;
    if divisors.contains(&0.0) {
        return Err("divides by zero".to_owned());
    }
    scale(call, x, divisors.into_iter().map(|c| 1.0 / c).collect(), shape)
}

pub(super) fn neg(call: &mut Call<'_>) -> Lowered {
    match call.take(0)? {
        Value::Constant(c) => fold(Operation::Mul, &c, &minus_one(&c)),
        Value::Variable(x) => call.affine(vec![(x.id, multiple(-1.0, x.len()))], None, x.shape),
    }
}

/// factor·x + bias; a shift by nothing adds no node.
fn shift(call: &mut Call<'_>, x: Variable, factor: f64, bias: Vec<f64>, shape: Vec<usize>) -> Lowered {
    if factor == 1.0 && bias.iter().all(|&b| b == 0.0) {
        return Ok(vec![Value::Variable(Variable { shape, ..x })]);
    }
    let map = multiple(factor, x.len());
    call.affine(vec![(x.id, map)], Some(bias), shape)
}

/// x with each entry multiplied; a scale of one adds no node.
fn scale(call: &mut Call<'_>, x: Variable, factors: Vec<f64>, shape: Vec<usize>) -> Lowered {
    if factors.iter().all(|&f| f == 1.0) {
        return Ok(vec![Value::Variable(Variable { shape, ..x })]);
    }
    call.affine(vec![(x.id, LinearMap::Scale(factors))], None, shape)
}

/// The map x ↦ factor·x.
pub(super) fn multiple(factor: f64, len: usize) -> LinearMap {
    if factor == 1.0 { LinearMap::Identity(len) } else { LinearMap::Scale(vec![factor; len]) }
}

/// The shape of a constant combined with x, and the constant's numbers at that shape, one for each entry of x.
fn spread(call: &Call<'_>, index: usize, constant: &Tensor, x: &Variable) -> Result<(Vec<usize>, Vec<f64>), Reason> {
    let numbers = call.weights(index, constant)?;
    let shape = broadcast(&x.shape, &constant.shape)?;
    expect_unrepeated(x, &shape)?;
    let numbers = expand(numbers, &constant.shape, &shape)?;
    Ok((shape, numbers))
}

fn common_shape(x: &Variable, y: &Variable) -> Result<Vec<usize>, Reason> {
    let shape = broadcast(&x.shape, &y.shape)?;
    expect_unrepeated(x, &shape)?;
    expect_unrepeated(y, &shape)?;
    Ok(shape)
}

fn expect_unrepeated(x: &Variable, shape: &[usize]) -> Result<(), Reason> {
    if elements(shape)? == x.len() {
        return Ok(());
    }
    Err(format!("repeats a tensor of shape {:?} to fill {shape:?}, which is not supported yet", x.shape))
}

/// −1 in the type of `like`.
fn minus_one(like: &Tensor) -> Tensor {
    match like.data {
        Data::Float(_) => Tensor::floats(vec![], vec![-1.0]),
        Data::Integer(_) => Tensor::integers(vec![], vec![-1]),
    }
}

/// Arithmetic on constants, in double precision or in integers that must not overflow.
fn fold(operation: Operation, a: &Tensor, b: &Tensor) -> Lowered {
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
