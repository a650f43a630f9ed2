//! Softmax, log-softmax and the logarithm of a sum of exponentials: made of softplus and sigmoid, whose slopes are bounded everywhere.
//!
//! log(eᵃ + eᵇ) = b + softplus(a − b), so that of several numbers is a tree, as a maximum is one with relu. An entry of a softmax is
//! σ(hᵢ − log Σ_{j≠i} e^{hⱼ}): its slope is at most ¼ of a difference between an entry and a mean of the others, everywhere, and
//! tends to the true one on small regions. The logarithms of all sums but one entry come of one pass down the tree: outside a node
//! lie its sibling and what lies outside its parent. An entry of a log-softmax is hᵢ − log Σⱼ e^{hⱼ}, the last term the same for
//! all, so that it cancels in margins.

use super::arithmetic::negated;
use super::axes::{position, single};
use super::places::{Places, gathered, transposed};
use super::reduction::{reduced, together, without};
use super::smooth::combined;
use super::trees::{Entries, Groups, joined, levels, picked, tree};
use crate::import::onnx::call::Call;
use crate::import::onnx::hints::Coarse;
use crate::import::onnx::tensor::Tensor;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::{Activation, LinearMap};

pub(super) fn softmax(call: &mut Call<'_>) -> NodeOutputs {
    normalised(call, probabilities)
}

/// The softmax of every row of a matrix; of rows of one number none.
pub(super) fn of_rows(call: &mut Call<'_>, scores: Variable) -> Result<Option<Variable>, Reason> {
    let (shape, size) = (scores.shape.clone(), scores.shape[scores.shape.len() - 1]);
    let groups = Groups::of_size(size, (0..scores.len()).collect());
    Ok(probabilities(call, &scores, groups)?.map(|found| Variable { shape, ..found }))
}

/// sigmoid(h − log Σ eʰ of the others); none where there are no others.
fn probabilities(call: &mut Call<'_>, h: &Variable, groups: Groups) -> Result<Option<Variable>, Reason> {
    let Some(others) = without_one(call, h, groups)? else { return Ok(None) };
    let margin = combined(call, &[(h, 1.0), (&others, -1.0)], 0.0)?;
    Ok(Some(call.function(margin, Activation::Sigmoid)?))
}

pub(super) fn log_softmax(call: &mut Call<'_>) -> NodeOutputs {
    normalised(call, |call, h, groups| {
        let size = groups.largest();
        let all = tree(call, h.clone(), groups, vec![h.len() / size], &Activation::Softplus)?;
        let negative = negated(call, all)?;
        let spread = (0..h.len()).map(|i| Some(i / size)).collect();
        let terms = vec![(h.id, LinearMap::Identity(h.len())), picked(call, &negative, spread)?];
        Ok(Some(call.linear(terms, None, vec![h.len()])?))
    })
}

/// log Σ eˣ over axes.
pub(super) fn reduce_log_sum_exp(call: &mut Call<'_>) -> NodeOutputs {
    reduced(call, 18, |call, x, axes| {
        let shape = without(&x.shape, axes);
        let (h, groups) = brought_together(call, x, axes)?;
        let alone = groups.largest() == 1;
        let y = tree(call, h, groups, shape, &Activation::Softplus)?;
        if !alone {
            return Ok(y);
        }
        // log eˣ = x is nothing here, and two functions that round in a runtime
        let y = call.linear(vec![(y.id, LinearMap::Identity(y.len()))], None, y.shape)?;
        call.coarse.push((y.id, Coarse::Biases(vec![1.0; y.len()])));
        Ok(y)
    })
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
    let places = Places::of(&moved)?.put_back(&order);
    Ok(vec![Value::Variable(gathered(call, y, places)?)])
}

/// The entries along the given axes one after the other.
fn brought_together(call: &mut Call<'_>, x: Variable, axes: &[usize]) -> Result<(Variable, Groups), Reason> {
    let size: usize = axes.iter().map(|axis| x.shape[*axis]).product();
    let groups = Groups::of_size(size, (0..x.len()).collect());
    let order = together(x.shape.len(), axes);
    Ok((transposed(call, x, &order)?, groups))
}

/// For every number of a group, log Σ eʰ of the others; none where there are no others.
fn without_one(call: &mut Call<'_>, h: &Variable, groups: Groups) -> Result<Option<Variable>, Reason> {
    let mut levels = levels(call, h.clone(), groups, &Activation::Softplus)?;
    levels.pop(); // nothing lies outside a root
    let mut outside: Option<(Variable, usize)> = None;
    while let Some((inside, groups)) = levels.pop() {
        let size = groups.largest();
        let place = |of: &dyn Fn(usize) -> Option<usize>, size_of: usize| -> Entries {
            (0..inside.len()).map(|i| of(i % size).map(|k| i / size * size_of + k)).collect()
        };
        let sibling = place(&|k| Some(k ^ 1).filter(|other| *other < size), size);
        let own = match outside {
            None => gathered(call, inside.clone(), Places::listed(inside.len(), sibling))?,
            Some((above, size_above)) => {
                let parents = place(&|k| Some(k / 2), size_above);
                joined(call, (&inside, sibling), (&above, parents), &Activation::Softplus)?
            }
        };
        outside = Some((own, size));
    }
    Ok(outside.map(|(outside, _)| outside))
}
