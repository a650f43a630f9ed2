//! Many numbers into one along axes.

use super::Outputs;
use super::array::{Array, indices};
use super::elementwise::{larger, smaller};
use super::node::{Node, axis};

/// What many numbers come to, every step rounded by the given function.
type Reduction = fn(&[f64], fn(f64) -> f64) -> f64;

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    // constants are rounded after every step, as a runtime in their type would
    let of: Reduction = match node.operator() {
        "ReduceSum" => |all, round| all.iter().fold(0.0, |sum, v| round(sum + v)),
        "ReduceMean" => |all, round| all.iter().fold(0.0, |sum, v| round(sum + v)) / all.len() as f64,
        "ReduceMax" => |all, _| all.iter().copied().fold(f64::NEG_INFINITY, larger),
        "ReduceMin" => |all, _| all.iter().copied().fold(f64::INFINITY, smaller),
        "ReduceProd" => |all, round| all.iter().fold(1.0, |product, v| round(product * v)),
        "ReduceSumSquare" => squares,
        "ReduceL1" => |all, round| all.iter().fold(0.0, |sum, v| round(sum + v.abs())),
        "ReduceLogSum" => |all, round| all.iter().fold(0.0, |sum, v| round(sum + v)).ln(),
        "ReduceLogSumExp" => |all, _| {
            let largest = all.iter().copied().fold(f64::NEG_INFINITY, larger);
            largest + all.iter().map(|v| (v - largest).exp()).sum::<f64>().ln()
        },
        "ReduceL2" => |all, round| squares(all, round).sqrt(),
        _ => return None,
    };
    Some(reduce(node, of))
}

fn squares(all: &[f64], round: fn(f64) -> f64) -> f64 {
    all.iter().fold(0.0, |sum, v| round(sum + round(v * v)))
}

fn reduce(node: &Node<'_>, of: Reduction) -> Outputs {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let given = node.ints("axes").or_else(|| node.integers(1)).filter(|axes| !axes.is_empty());
    if given.is_none() && node.int("noop_with_empty_axes", 0) != 0 {
        return Ok(vec![x.clone()]);
    }
    let axes = match given {
        Some(axes) => axes.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    let shape: Vec<usize> = (0..rank).map(|a| if axes.contains(&a) { 1 } else { x.shape[a] }).collect();
    let mut groups: Vec<Vec<f64>> = vec![Vec::new(); shape.iter().product()];
    for (index, &v) in indices(&x.shape).zip(&x.data) {
        let place = (0..rank).fold(0, |place, a| place * shape[a] + if shape[a] == 1 { 0 } else { index[a] });
        groups[place].push(v);
    }
    let reduced = Array::new(shape.clone(), groups.iter().map(|group| of(group, x.rounding())).collect(), x.kind);
    let keep = node.int("keepdims", 1) != 0;
    Ok(vec![reduced.with_shape((0..rank).filter(|a| keep || !axes.contains(a)).map(|a| shape[a]).collect())?])
}
