//! Maxima and minima as ReLU networks: max(p, q) = q + relu(p − q), exactly; of several numbers, as a tree ([`super::trees`]).

use super::arithmetic::{multiple, negated};
use super::places::repeated;
use super::trees::{Groups, tree};
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{broadcast, expand};
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::Activation;

/// The largest entry of every group, none of which is empty.
pub(super) fn largest(call: &mut Call<'_>, x: Variable, groups: Groups, shape: Vec<usize>) -> Result<Variable, Reason> {
    tree(call, x, groups, shape, &Activation::Relu)
}

/// The smallest entry of every group, none of which is empty.
pub(super) fn smallest(
    call: &mut Call<'_>,
    x: Variable,
    groups: Groups,
    shape: Vec<usize>,
) -> Result<Variable, Reason> {
    let x = negated(call, x)?;
    let y = largest(call, x, groups, shape)?;
    negated(call, y)
}

/// Which of two numbers is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Larger,
    Smaller,
}

impl Wanted {
    /// 1 or −1: the result is q + sign·relu(sign·(p − q)).
    fn sign(self) -> f64 {
        if self == Self::Larger { 1.0 } else { -1.0 }
    }

    fn of(self, p: f64, q: f64) -> f64 {
        if self == Self::Larger { p.max(q) } else { p.min(q) }
    }
}

pub(super) fn max(call: &mut Call<'_>) -> NodeOutputs {
    extremum(call, Wanted::Larger)
}

pub(super) fn min(call: &mut Call<'_>) -> NodeOutputs {
    extremum(call, Wanted::Smaller)
}

/// The constants among the operands are one operand, the last.
fn extremum(call: &mut Call<'_>, wanted: Wanted) -> NodeOutputs {
    let values: Vec<Value> = (0..call.inputs.len()).map(|index| call.take(index)).collect::<Result<_, _>>()?;
    let shape = values.iter().try_fold(vec![], |shape, value| broadcast(&shape, value.shape()))?;
    let mut level = vec![];
    let mut bound: Option<Vec<f64>> = None;
    for (index, value) in values.into_iter().enumerate() {
        match value {
            Value::Variable(x) => level.push(repeated(call, x, &shape)?),
            Value::Constant(tensor) => {
                let numbers = expand(call.weights(index, &tensor)?, &tensor.shape, &shape)?;
                bound = Some(match bound {
                    None => numbers,
                    Some(bound) => bound.iter().zip(&numbers).map(|(&p, &q)| wanted.of(p, q)).collect(),
                });
            }
        }
    }
    while level.len() > 1 {
        let mut next = Vec::with_capacity(level.len().div_ceil(2));
        let mut rest = level.into_iter();
        while let Some(p) = rest.next() {
            next.push(match rest.next() {
                Some(q) => of_two(call, &p, q, wanted)?,
                None => p,
            });
        }
        level = next;
    }
    let x = level.pop().ok_or("works on constants, which is not supported yet; fold constants before exporting")?;
    let y = match bound {
        Some(bound) => of_constant(call, &x, bound, wanted)?,
        None => x,
    };
    Ok(vec![Value::Variable(y)])
}

/// q + sign·relu(sign·(p − q))
fn of_two(call: &mut Call<'_>, p: &Variable, q: Variable, wanted: Wanted) -> Result<Variable, Reason> {
    let (sign, len) = (wanted.sign(), p.len());
    let terms = vec![(p.id, multiple(sign, len)), (q.id, multiple(-sign, len))];
    let difference = call.linear(terms, None, p.shape.clone())?;
    let excess = call.relu(difference)?;
    call.linear(vec![(q.id, multiple(1.0, len)), (excess.id, multiple(sign, len))], None, q.shape)
}

/// c + sign·relu(sign·(x − c))
fn of_constant(call: &mut Call<'_>, x: &Variable, bound: Vec<f64>, wanted: Wanted) -> Result<Variable, Reason> {
    let sign = wanted.sign();
    let moved = |call: &mut Call<'_>, x: &Variable, bias: Vec<f64>| {
        if sign == 1.0 && bias.iter().all(|b| *b == 0.0) {
            return Ok(x.clone());
        }
        call.linear(vec![(x.id, multiple(sign, x.len()))], Some(bias), x.shape.clone())
    };
    let difference = moved(call, x, bound.iter().map(|c| -sign * c).collect())?;
    let excess = call.relu(difference)?;
    moved(call, &excess, bound)
}
