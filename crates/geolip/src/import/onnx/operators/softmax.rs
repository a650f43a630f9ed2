//! Softmax, log-softmax and the logarithm of a sum of exponentials: made of softplus and sigmoid, whose slopes are bounded everywhere.
//!
//! log(eᵃ + eᵇ) = b + softplus(a − b), so that of several numbers is a tree, as a maximum is one with relu. An entry of a softmax is
//! σ(hᵢ − log Σ_{j≠i} e^{hⱼ}): its slope is at most ¼ of a difference between an entry and a mean of the others, everywhere, and
//! tends to the true one on small regions. The logarithms of all sums but one entry come of one pass down the tree: outside a node
//! lie its sibling and what lies outside its parent. An entry of a log-softmax is hᵢ − log Σⱼ e^{hⱼ}, the last term the same for
//! all, so that it cancels in margins.

use super::axes::{position, single};
use super::places::{Places, gathered};
use super::reduction::{reduced, together, without};
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::Tensor;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::{Activation, LinearMap, NodeId};

/// For every entry of a vector an entry of another one, or nothing.
type Entries = Vec<Option<usize>>;

pub(super) fn softmax(call: &mut Call<'_>) -> NodeOutputs {
    normalised(call, |call, h, groups| {
        let Some(others) = without_one(call, h, groups)? else { return Ok(None) };
        let margin = super::smooth::combined(call, &[(h, 1.0), (&others, -1.0)], 0.0)?;
        Ok(Some(call.function(margin, Activation::Sigmoid)?))
    })
}

pub(super) fn log_softmax(call: &mut Call<'_>) -> NodeOutputs {
    normalised(call, |call, h, groups| {
        let all = root(call, h, groups)?;
        let negative = super::smooth::combined(call, &[(&all, -1.0)], 0.0)?;
        let spread = (0..h.len()).map(|i| Some(i / groups.size)).collect();
        let terms = vec![(h.id, LinearMap::Identity(h.len())), picked(call, &negative, spread)?];
        Ok(Some(call.linear(terms, None, vec![h.len()])?))
    })
}

/// log Σ eˣ over axes.
pub(super) fn reduce_log_sum_exp(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 18, |call, x, axes| {
        let shape = without(&x.shape, axes);
        let (h, groups) = brought_together(call, x, axes)?;
        let all = root(call, &h, groups)?;
        Ok(Variable { shape, ..all })
    })
}

/// Groups of as many numbers each, one after the other.
#[derive(Clone, Copy)]
struct Groups {
    count: usize,
    size: usize,
}

impl Groups {
    /// For each number of each group, what `of` (its place in the group) is in groups of `size`.
    fn entries(self, size: usize, of: impl Fn(usize) -> Option<usize>) -> Entries {
        let group = |g: usize| (0..self.size).map(move |i| (g, i));
        (0..self.count).flat_map(group).map(|(g, i)| of(i).map(|j| g * size + j)).collect()
    }
}

/// The axes over which a softmax goes, brought together for `each`, and put back; where that has nothing to give, ones.
fn normalised(
    call: &mut Call<'_>,
    each: impl FnOnce(&mut Call<'_>, &Variable, Groups) -> Result<Option<Variable>, Reason>,
) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let rank = x.shape.len();
    // before operator set 13 all axes from the given one on
    let axes: Vec<usize> = if call.opset < 13 {
        let first = call.attributes.integer("axis", 1)?;
        (position(first, rank + 1, rank)?..rank).collect()
    } else {
        vec![single(call, -1, rank)?]
    };
    if x.shape.contains(&0) {
        return Err("works on a tensor without entries".to_owned());
    }
    let shape = x.shape.clone();
    let order = together(rank, &axes);
    let (h, groups) = brought_together(call, x, &axes)?;
    let Some(y) = each(call, &h, groups)? else {
        return Ok(vec![Tensor::floats(shape.clone(), vec![1.0; shape.iter().product()]).into()]);
    };
    let moved: Vec<usize> = order.iter().map(|axis| shape[*axis]).collect();
    let back: Vec<usize> = (0..rank).map(|axis| order.iter().position(|o| *o == axis).expect("an order")).collect();
    let places = Places::of(&moved)?.transposed(&back);
    Ok(vec![Value::Variable(gathered(call, y, places)?)])
}

/// The entries along the given axes one after the other.
fn brought_together(call: &mut Call<'_>, x: Variable, axes: &[usize]) -> Result<(Variable, Groups), Reason> {
    let size: usize = axes.iter().map(|axis| x.shape[*axis]).product();
    let groups = Groups { count: x.len() / size, size };
    let places = Places::of(&x.shape)?.transposed(&together(x.shape.len(), axes));
    Ok((gathered(call, x, places)?, groups))
}

/// The levels of the trees of log Σ eʰ of all groups, the numbers themselves first, but for the root; with their groups.
fn levels(call: &mut Call<'_>, h: &Variable, groups: Groups) -> Result<Vec<(Variable, Groups)>, Reason> {
    let mut levels = vec![(h.clone(), groups)];
    while let Some((below, Groups { count, size })) = levels.last().filter(|(_, groups)| groups.size > 2).cloned() {
        let next = Groups { count, size: size.div_ceil(2) };
        levels.push((pairs(call, &below, size, next)?, next));
    }
    Ok(levels)
}

/// log Σ eʰ of every group.
fn root(call: &mut Call<'_>, h: &Variable, groups: Groups) -> Result<Variable, Reason> {
    let (below, Groups { count, size }) = levels(call, h, groups)?.pop().expect("there is a lowest level");
    pairs(call, &below, size, Groups { count, size: size.div_ceil(2) })
}

/// The next level: neighbours together, an odd one out as it is.
fn pairs(call: &mut Call<'_>, below: &Variable, size: usize, next: Groups) -> Result<Variable, Reason> {
    let first = next.entries(size, |k| Some(2 * k));
    let second = next.entries(size, |k| Some(2 * k + 1).filter(|j| *j < size));
    log_sum(call, (below, second), (below, first))
}

/// For every number of a group, log Σ eʰ of the others; none where there are no others.
fn without_one(call: &mut Call<'_>, h: &Variable, groups: Groups) -> Result<Option<Variable>, Reason> {
    if groups.size == 1 {
        return Ok(None);
    }
    // what lies outside a node: nothing outside the root
    let mut outside: Option<(Variable, usize)> = None;
    for (inside, groups) in levels(call, h, groups)?.into_iter().rev() {
        let sibling = groups.entries(groups.size, |k| Some(k ^ 1).filter(|j| *j < groups.size));
        let own = match outside {
            None => gathered(call, inside.clone(), Places::listed(inside.len(), sibling))?,
            Some((above, size)) => {
                let parents = groups.entries(size, |k| Some(k / 2));
                log_sum(call, (&inside, sibling), (&above, parents))?
            }
        };
        outside = Some((own, groups.size));
    }
    Ok(outside.map(|(outside, _)| outside))
}

/// log(eᵃ + eᵇ), or b where there is no a.
fn log_sum(call: &mut Call<'_>, a: (&Variable, Entries), b: (&Variable, Entries)) -> Result<Variable, Reason> {
    let len = b.1.len();
    let both: Vec<usize> = (0..len).filter(|i| a.1[*i].is_some()).collect();
    if both.is_empty() {
        return gathered(call, b.0.clone(), Places::listed(b.0.len(), b.1));
    }
    let negative = super::smooth::combined(call, &[(b.0, -1.0)], 0.0)?;
    let terms = vec![
        picked(call, a.0, both.iter().map(|i| a.1[*i]).collect())?,
        picked(call, &negative, both.iter().map(|i| b.1[*i]).collect())?,
    ];
    let difference = call.linear(terms, None, vec![both.len()])?;
    let more = call.function(difference, Activation::Softplus)?;
    let mut added = vec![None; len];
    both.iter().enumerate().for_each(|(k, i)| added[*i] = Some(k));
    let terms = vec![picked(call, b.0, b.1)?, picked(call, &more, added)?];
    call.linear(terms, None, vec![len])
}

/// A term: entries of a vector.
fn picked(call: &mut Call<'_>, x: &Variable, entries: Entries) -> Result<(NodeId, LinearMap), Reason> {
    call.made += entries.len();
    Ok((x.id, Places::listed(x.len(), entries).map()?))
}
