//! One number at a time: functions, comparisons, choices, by numpy's rules of broadcasting.

use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor, broadcast, expand};
use crate::import::onnx::value::Value;
use crate::import::onnx::{NodeOutputs, Reason};
use std::cmp::Ordering;
use std::rc::Rc;

/// A function of floating-point numbers.
pub(super) fn float(call: &mut Call<'_>, f: fn(f64) -> f64) -> NodeOutputs {
    Ok(vec![constant(call, 0)?.map_floats(f)?.into()])
}

/// A function whose last digit implementations do differently.
pub(super) fn rough(call: &mut Call<'_>, f: fn(f64) -> f64) -> NodeOutputs {
    call.rough = true;
    float(call, f)
}

/// A function that gives whole numbers, which must not hang on rounding.
pub(super) fn whole(call: &mut Call<'_>, f: fn(f64) -> f64) -> NodeOutputs {
    let tensor = constant(call, 0)?;
    if call.rough && tensor.as_floats()?.iter().any(|&v| is_nearly_whole(v)) {
        return Err(doubtful());
    }
    Ok(vec![tensor.map_floats(f)?.into()])
}

/// How near, relative to their size, rough numbers must not be where it decides something which is larger.
pub(super) const DOUBT: f64 = 1e-5;

/// Whether rounding decides which whole number comes of a rough one.
pub(in crate::import::onnx) fn is_nearly_whole(v: f64) -> bool {
    (v - v.round()).abs() <= DOUBT * (1.0 + v.abs())
}

/// Why such a node is refused.
pub(in crate::import::onnx) fn doubtful() -> Reason {
    "depends on the last digits of a sum or a function, in which implementations differ".to_owned()
}

pub(super) fn abs(call: &mut Call<'_>) -> NodeOutputs {
    let tensor = constant(call, 0)?;
    Ok(vec![match &tensor.data {
        Data::Float(_) => tensor.map_floats(f64::abs)?.into(),
        Data::Integer(data) => {
            let sizes: Option<_> = data.iter().map(|v| v.checked_abs()).collect();
            integers(&tensor, sizes.ok_or("overflows")?)
        }
    }])
}

pub(super) fn not(call: &mut Call<'_>) -> NodeOutputs {
    let tensor = constant(call, 0)?;
    let data = tensor.as_integers()?.iter().map(|&v| i64::from(v == 0)).collect();
    Ok(vec![integers(&tensor, data)])
}

pub(super) fn and(call: &mut Call<'_>) -> NodeOutputs {
    logical(call, |a, b| a && b)
}

pub(super) fn or(call: &mut Call<'_>) -> NodeOutputs {
    logical(call, |a, b| a || b)
}

fn logical(call: &mut Call<'_>, f: fn(bool, bool) -> bool) -> NodeOutputs {
    let [a, b] = pair(call)?;
    let shape = broadcast(&a.shape, &b.shape)?;
    let data = zip(a.as_integers()?, &a.shape, b.as_integers()?, &b.shape, &shape, |a, b| f(a != 0, b != 0))?;
    Ok(vec![booleans(shape, data)])
}

pub(super) fn comparison(call: &mut Call<'_>, holds: fn(Ordering) -> bool) -> NodeOutputs {
    let [a, b] = pair(call)?;
    let shape = broadcast(&a.shape, &b.shape)?;
    let data = match (&a.data, &b.data) {
        (Data::Float(p), Data::Float(q)) => {
            let near = |p: f64, q: f64| (p - q).abs() <= DOUBT * (p.abs() + q.abs());
            if call.rough && zip(p, &a.shape, q, &b.shape, &shape, near)?.contains(&true) {
                return Err(doubtful());
            }
            zip(p, &a.shape, q, &b.shape, &shape, |p, q| p.partial_cmp(&q).is_some_and(holds))?
        }
        (Data::Integer(p), Data::Integer(q)) => zip(p, &a.shape, q, &b.shape, &shape, |p, q| holds(p.cmp(&q)))?,
        _ => return Err(mixed()),
    };
    Ok(vec![booleans(shape, data)])
}

/// The smallest or largest of any number of tensors.
pub(super) fn extreme(call: &mut Call<'_>, f: fn(f64, f64) -> f64, i: fn(i64, i64) -> i64) -> NodeOutputs {
    let mut tensor = constant(call, 0)?;
    for index in 1..call.inputs.len() {
        let other = constant(call, index)?;
        tensor.expect_numbers()?;
        other.expect_numbers()?;
        let shape = broadcast(&tensor.shape, &other.shape)?;
        tensor = Rc::new(match (&tensor.data, &other.data) {
            (Data::Float(p), Data::Float(q)) => {
                let data = zip(p, &tensor.shape, q, &other.shape, &shape, f)?;
                Tensor::floats(shape, data)
            }
            (Data::Integer(p), Data::Integer(q)) => {
                let data = zip(p, &tensor.shape, q, &other.shape, &shape, i)?;
                Tensor::integers(shape, data)
            }
            _ => return Err(mixed()),
        });
    }
    Ok(vec![Value::Constant(tensor)])
}

/// The sum of any number of tensors, or their mean.
pub(super) fn sum(call: &mut Call<'_>, mean: bool) -> NodeOutputs {
    let mut sum = constant(call, 0)?.map_floats(|v| v)?;
    let count = call.inputs.len();
    for index in 1..count {
        let other = constant(call, index)?;
        let shape = broadcast(&sum.shape, &other.shape)?;
        let data = zip(sum.as_floats()?, &sum.shape, other.as_floats()?, &other.shape, &shape, |p, q| p + q)?;
        sum = Tensor::floats(shape, data);
        if let Some(element_type) = call.element_type {
            sum = sum.in_type(element_type)?; // step by step
        }
    }
    if mean {
        call.rough = true; // a division, or a product with the reciprocal
    }
    Ok(vec![if mean { sum.map_floats(|v| v / count as f64)? } else { sum }.into()])
}

/// The remainder with the sign of the divisor; with `fmod`, of the dividend.
pub(super) fn modulo(call: &mut Call<'_>) -> NodeOutputs {
    let truncated = call.attributes.flag("fmod")?;
    let [a, b] = pair(call)?;
    let shape = broadcast(&a.shape, &b.shape)?;
    let remainder = |a: i64, b: i64| {
        let rest = a.checked_rem(b)?;
        if truncated || rest == 0 || (rest < 0) == (b < 0) { Some(rest) } else { rest.checked_add(b) }
    };
    let data = zip(a.as_integers()?, &a.shape, b.as_integers()?, &b.shape, &shape, remainder)?;
    let data: Option<Vec<i64>> = data.into_iter().collect();
    Ok(vec![Tensor::integers(shape, data.ok_or("divides by zero")?).into()])
}

/// A power in the type of the base.
pub(super) fn pow(call: &mut Call<'_>) -> NodeOutputs {
    call.rough = true;
    let [a, b] = pair(call)?;
    let shape = broadcast(&a.shape, &b.shape)?;
    let exponents = match &b.data {
        Data::Float(data) => data.clone(),
        Data::Integer(data) => data.iter().map(|&v| v as f64).collect(),
    };
    Ok(vec![match &a.data {
        Data::Float(data) => {
            let data = zip(data, &a.shape, &exponents, &b.shape, &shape, power)?;
            Tensor::floats(shape, data).into()
        }
        Data::Integer(data) => {
            let whole = |base: i64, n: f64| {
                if n.fract() == 0.0 && (0.0..64.0).contains(&n) { base.checked_pow(n as u32) } else { None }
            };
            let data: Option<Vec<i64>> =
                zip(data, &a.shape, &exponents, &b.shape, &shape, whole)?.into_iter().collect();
            Tensor::integers(shape, data.ok_or("has a power that is not an integer, or too large")?).into()
        }
    }])
}

/// The correctly rounded root and the exact small powers, where powf need not be.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent == 0.5 {
        base.sqrt()
    } else if exponent == 2.0 {
        base * base
    } else {
        base.powf(exponent)
    }
}

/// Where the condition holds, the second input, elsewhere the third.
pub(super) fn choose(call: &mut Call<'_>) -> NodeOutputs {
    let (condition, a, b) = (constant(call, 0)?, constant(call, 1)?, constant(call, 2)?);
    let shape = broadcast(&broadcast(&condition.shape, &a.shape)?, &b.shape)?;
    let condition = expand(condition.as_integers()?, &condition.shape, &shape)?;
    let chosen = match (&a.data, &b.data) {
        (Data::Float(p), Data::Float(q)) => Tensor::floats(shape.clone(), pick(&condition, p, &a, q, &b, &shape)?),
        (Data::Integer(p), Data::Integer(q)) => {
            Tensor::integers(shape.clone(), pick(&condition, p, &a, q, &b, &shape)?)
        }
        _ => return Err(mixed()),
    };
    Ok(vec![chosen.into()])
}

fn pick<T: Copy>(
    condition: &[i64],
    p: &[T],
    a: &Tensor,
    q: &[T],
    b: &Tensor,
    shape: &[usize],
) -> Result<Vec<T>, Reason> {
    let pairs = zip(p, &a.shape, q, &b.shape, shape, |p, q| (p, q))?;
    Ok(condition.iter().zip(pairs).map(|(&c, (p, q))| if c != 0 { p } else { q }).collect())
}

/// f of every pair of entries, after spreading both over `shape`.
fn zip<T: Copy, U: Copy, R>(
    a: &[T],
    from_a: &[usize],
    b: &[U],
    from_b: &[usize],
    shape: &[usize],
    f: impl Fn(T, U) -> R,
) -> Result<Vec<R>, Reason> {
    let (a, b) = (expand(a, from_a, shape)?, expand(b, from_b, shape)?);
    Ok(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect())
}

pub(super) fn constant(call: &mut Call<'_>, index: usize) -> Result<Rc<Tensor>, Reason> {
    call.take_constant(index)?.ok_or_else(|| format!("lacks its input {index}"))
}

fn pair(call: &mut Call<'_>) -> Result<[Rc<Tensor>; 2], Reason> {
    Ok([constant(call, 0)?, constant(call, 1)?])
}

fn integers(like: &Tensor, data: Vec<i64>) -> Value {
    Tensor::integers(like.shape.clone(), data).into()
}

fn booleans(shape: Vec<usize>, data: Vec<bool>) -> Value {
    Tensor::integers(shape, data.into_iter().map(i64::from).collect()).into()
}

fn mixed() -> Reason {
    "mixes integers with floating-point numbers".to_owned()
}
