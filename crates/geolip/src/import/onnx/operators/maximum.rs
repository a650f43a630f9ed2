//! Maxima and minima as ReLU networks: max(p, q) = q + relu(p − q), exactly.
//!
//! The maximum of several numbers is a tree: neighbours are paired, level by level, and an odd one out goes on to the next
//! level. Every level of all trees of an operator is one activation node.

use super::arithmetic::multiple;
use super::places::{Places, gathered, repeated};
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{broadcast, expand};
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::{LinearMap, NodeId};

/// Groups of entries of a vector, whose maxima are wanted.
pub(super) struct Groups {
    /// The entries, group after group.
    entries: Vec<usize>,
    /// How many each group has.
    sizes: Vec<usize>,
}

impl Groups {
    /// These groups, one after the other.
    pub(super) fn of(groups: impl Iterator<Item = Vec<usize>>) -> Self {
        let (mut entries, mut sizes) = (vec![], vec![]);
        for mut group in groups {
            sizes.push(group.len());
            entries.append(&mut group);
        }
        Self { entries, sizes }
    }

    /// Groups of the same size, one after the other.
    pub(super) fn of_size(size: usize, entries: Vec<usize>) -> Self {
        let sizes = vec![size; entries.len() / size];
        Self { entries, sizes }
    }

    fn each(&self) -> impl Iterator<Item = &[usize]> {
        let mut rest = self.entries.as_slice();
        self.sizes.iter().map(move |&size| rest.split_off(..size).unwrap_or_default())
    }

    /// The comparisons of the next level.
    fn level(&self) -> Level {
        let mut level = Level { first: vec![], second: vec![], kept: vec![], added: vec![], sizes: vec![] };
        for group in self.each() {
            for pair in group.chunks(2) {
                match *pair {
                    [p, q] => {
                        level.added.push(Some(level.first.len()));
                        level.first.push(Some(p));
                        level.second.push(Some(q));
                        level.kept.push(Some(q));
                    }
                    _ => {
                        level.added.push(None);
                        level.kept.push(pair.first().copied());
                    }
                }
            }
            level.sizes.push(group.len().div_ceil(2));
        }
        level
    }
}

/// One level of trees: the pairs p, q that are compared, and what goes on to the next level: `kept` + relu of `added`.
struct Level {
    first: Vec<Option<usize>>,
    second: Vec<Option<usize>>,
    kept: Vec<Option<usize>>,
    /// The number of the pair, where there is one.
    added: Vec<Option<usize>>,
    sizes: Vec<usize>,
}

/// The largest entry of every group, none of which is empty.
pub(super) fn tree(
    call: &mut Call<'_>,
    x: Variable,
    mut groups: Groups,
    shape: Vec<usize>,
) -> Result<Variable, Reason> {
    if groups.sizes.iter().all(|size| *size == 1) {
        let places = Places::listed(x.len(), groups.entries.into_iter().map(Some).collect());
        return gathered(call, x, places.reshaped(shape)?);
    }
    let mut x = x;
    while groups.sizes.iter().any(|size| *size > 1) {
        let level = groups.level();
        let next: Vec<usize> = (0..level.kept.len()).collect();
        groups = Groups { entries: next, sizes: level.sizes };
        let pairs = level.first.len();
        let negative = negated(call, x.clone())?;
        let terms = vec![picked(call, &x, level.first)?, picked(call, &negative, level.second)?];
        let difference = call.linear(terms, None, vec![pairs])?;
        let excess = call.relu(difference)?;
        let terms = vec![picked(call, &x, level.kept)?, picked(call, &excess, level.added)?];
        x = call.linear(terms, None, vec![groups.entries.len()])?;
    }
    Ok(Variable { shape, ..x })
}

/// The smallest entry of every group, none of which is empty.
pub(super) fn lower_tree(
    call: &mut Call<'_>,
    x: Variable,
    groups: Groups,
    shape: Vec<usize>,
) -> Result<Variable, Reason> {
    let x = negated(call, x)?;
    let y = tree(call, x, groups, shape)?;
    negated(call, y)
}

fn negated(call: &mut Call<'_>, x: Variable) -> Result<Variable, Reason> {
    call.linear(vec![(x.id, multiple(-1.0, x.len()))], None, x.shape)
}

/// A term: entries of a vector.
fn picked(call: &mut Call<'_>, x: &Variable, sources: Vec<Option<usize>>) -> Result<(NodeId, LinearMap), Reason> {
    call.made += sources.len();
    Ok((x.id, Places::listed(x.len(), sources).map()?))
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
