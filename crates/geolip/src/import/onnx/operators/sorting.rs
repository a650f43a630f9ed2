//! TopK, and with it sorting, as a network of comparisons: Batcher's odd-even merge sort.
//!
//! Every comparison of p and q has one neuron m = relu(p − q), and gives both max(p, q) = q + m and min(p, q) = p − m, exactly.
//! Comparisons that do not reach a wanted entry are left out: the largest of several numbers is the tree of
//! [`super::maximum`]. The smallest numbers are the last of the same network.
//!
//! **Source.** K. E. Batcher, *Sorting networks and their applications*, AFIPS 1968; Knuth, *The Art of Computer Programming* 3,
//! 5.3.4. The merge of 2ᵗ numbers; others are thought to stand behind n, smaller than all, where they stay.

use super::arithmetic::{multiple, negated};
use super::axes::single;
use super::places::{LARGEST_TENSOR, Places, gathered};
use crate::import::onnx::call::Call;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};

/// The second output, the places of the numbers, has no meaning here.
pub(super) fn top_k(call: &mut Call<'_>) -> NodeOutputs {
    let x = call.take_variable(0)?;
    let axis = single(call, -1, x.shape.len())?;
    let k = match call.opset {
        ..10 => call.attributes.integer("k", -1)?,
        _ => match call.take_integers(1)?.as_deref() {
            Some(&[k]) => k,
            Some(_) => return Err("needs one number K".to_owned()),
            None => return Err("lacks its number K".to_owned()),
        },
    };
    let (largest, sorted) = match call.opset {
        ..11 => (true, true),
        _ => (call.attributes.integer("largest", 1)? != 0, call.attributes.integer("sorted", 1)? != 0),
    };
    let n = x.shape[axis];
    let k = usize::try_from(k).ok().filter(|k| (1..=n).contains(k));
    let k = k.ok_or_else(|| format!("chooses another number of entries than 1 to {n}"))?;
    if !sorted && k > 1 {
        return Err("leaves the order of what it chooses open (sorted = 0); export it with sorted = 1".to_owned());
    }
    Ok(vec![Value::Variable(chosen(call, x, axis, k, largest)?)])
}

/// The `k` largest entries along an axis, the largest first, or the `k` smallest, the smallest first.
fn chosen(call: &mut Call<'_>, x: Variable, axis: usize, k: usize, largest: bool) -> Result<Variable, Reason> {
    let (n, rank) = (x.shape[axis], x.shape.len());
    let wanted: Vec<usize> = if largest { (0..k).collect() } else { (n - k..n).rev().collect() };
    let levels = needed(levels(n), &wanted);
    let lines = x.len() / n;
    let compared = levels.iter().map(Vec::len).sum::<usize>().saturating_mul(lines);
    if compared > LARGEST_TENSOR {
        return Err(format!("compares {compared} pairs of numbers; at most {LARGEST_TENSOR} are supported"));
    }
    // the axis first, every entry of it a block of `lines` numbers
    let order: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|a| *a != axis)).collect();
    let moved = Places::of(&x.shape)?.transposed(&order);
    let mut shape = moved.shape.clone();
    let mut x = gathered(call, x, moved)?;
    for level in levels {
        x = exchanged(call, x, &level, lines)?;
    }
    shape[0] = k;
    let block = |at: &usize| (at * lines..(at + 1) * lines).map(Some);
    let places = Places::listed(x.len(), wanted.iter().flat_map(block).collect()).reshaped(shape)?;
    gathered(call, x, places.put_back(&order))
}

/// The larger number of every pair of blocks in the place of the first, the smaller in that of the second.
fn exchanged(call: &mut Call<'_>, x: Variable, pairs: &[(usize, usize)], lines: usize) -> Result<Variable, Reason> {
    let blocks = |list: &mut dyn Iterator<Item = Option<usize>>| -> Vec<Option<usize>> {
        list.flat_map(|at| (0..lines).map(move |line| at.map(|at| at * lines + line))).collect()
    };
    let (n, len) = (x.len(), pairs.len() * lines);
    let first = Places::listed(n, blocks(&mut pairs.iter().map(|pair| Some(pair.0)))).map()?;
    let second = Places::listed(n, blocks(&mut pairs.iter().map(|pair| Some(pair.1))));
    let second = gathered(call, x.clone(), second)?;
    let difference = call.linear(vec![(x.id, first), (second.id, multiple(-1.0, len))], None, vec![len])?;
    let excess = call.relu(difference)?;
    let less = negated(call, excess.clone())?;
    let (mut kept, mut raised, mut lowered): (Vec<_>, Vec<_>, Vec<_>) =
        ((0..n / lines).map(Some).collect(), vec![None; n / lines], vec![None; n / lines]);
    for (number, (p, q)) in pairs.iter().enumerate() {
        (kept[*p], kept[*q]) = (Some(*q), Some(*p));
        (raised[*p], lowered[*q]) = (Some(number), Some(number));
    }
    let terms = vec![
        (x.id, Places::listed(n, blocks(&mut kept.into_iter())).map()?),
        (excess.id, Places::listed(len, blocks(&mut raised.into_iter())).map()?),
        (less.id, Places::listed(len, blocks(&mut lowered.into_iter())).map()?),
    ];
    call.made += 4 * n;
    call.linear(terms, None, x.shape)
}

/// The comparisons that sort n numbers, the largest first: level by level, each number in one pair of a level at most.
fn levels(n: usize) -> Vec<Vec<(usize, usize)>> {
    let mut levels = vec![];
    let mut merged = 1;
    while merged < n {
        let mut step = merged;
        while step > 0 {
            let all = (step % merged..n.saturating_sub(step)).step_by(2 * step);
            let pairs = all.flat_map(|start| (start..start + step).map(|i| (i, i + step)));
            let inside = |(i, j): &(usize, usize)| *j < n && i / (2 * merged) == j / (2 * merged);
            levels.push(pairs.filter(inside).collect());
            step /= 2;
        }
        merged *= 2;
    }
    levels
}

/// The comparisons that reach the wanted places.
fn needed(levels: Vec<Vec<(usize, usize)>>, wanted: &[usize]) -> Vec<Vec<(usize, usize)>> {
    let mut wanted: std::collections::HashSet<usize> = wanted.iter().copied().collect();
    let mut kept = vec![];
    for mut level in levels.into_iter().rev() {
        level.retain(|(i, j)| wanted.contains(i) || wanted.contains(j));
        wanted.extend(level.iter().flat_map(|(i, j)| [*i, *j]));
        kept.push(level);
    }
    kept.retain(|level| !level.is_empty());
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_zeros_and_ones_is_sorted() {
        // and so every list of numbers (Knuth 3, 5.3.4, theorem Z)
        for n in 1..13 {
            let levels = levels(n);
            for bits in 0..1_usize << n {
                let mut list: Vec<usize> = (0..n).map(|i| bits >> i & 1).collect();
                for level in &levels {
                    for &(i, j) in level {
                        (list[i], list[j]) = (list[i].max(list[j]), list[i].min(list[j]));
                    }
                }
                assert!(list.is_sorted_by(|a, b| a >= b), "{n} numbers, {bits:b}");
            }
            for level in levels {
                let mut places: Vec<usize> = level.iter().flat_map(|(i, j)| [*i, *j]).collect();
                places.sort_unstable();
                assert!(places.is_sorted_by(|a, b| a < b), "a number is compared twice at once");
            }
        }
    }

    #[test]
    fn the_largest_number_needs_a_tree() {
        for n in 2..20 {
            let levels = needed(levels(n), &[0]);
            assert_eq!(levels.iter().map(Vec::len).sum::<usize>(), n - 1);
            assert_eq!(levels.len(), n.next_power_of_two().trailing_zeros() as usize);
        }
        assert_eq!(levels(4).iter().map(Vec::len).sum::<usize>(), 5);
    }
}
