//! Many numbers into one along axes, or into their order.

use super::Outputs;
use super::array::{Array, indices};
use super::elementwise::{larger, smaller};
use super::node::{Node, axis};
use crate::import::onnx::proto::tensor_proto::DataType;

/// What many numbers come to, every step rounded by the given function.
type Reduction = fn(&[f64], fn(f64) -> f64) -> f64;

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    // constants are rounded after every step, as a runtime in their type would
    let of: Reduction = match node.operator() {
        "TopK" => return Some(top(node)),
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

/// The k largest or smallest along an axis, in order, and where they were.
fn top(node: &Node<'_>) -> Outputs {
    let x = node.input(0)?;
    let along = axis(node.int("axis", -1), x.shape.len())?;
    let k = node.integers(1).and_then(|k| k.first().copied()).unwrap_or_else(|| node.int("k", 0));
    let k = usize::try_from(k).ok().filter(|k| *k <= x.shape[along]).ok_or("no such number of entries")?;
    let largest = node.int("largest", 1) != 0;
    let mut shape = x.shape.clone();
    shape[along] = k;
    let sorted = |index: &[usize]| {
        let mut line: Vec<(f64, usize)> = (0..x.shape[along])
            .map(|i| {
                let mut index = index.to_vec();
                index[along] = i;
                (x.at(&index), i)
            })
            .collect();
        line.sort_by(|(a, _), (b, _)| if largest { b.total_cmp(a) } else { a.total_cmp(b) });
        line[index[along]]
    };
    let values = Array::filled(shape.clone(), x.kind, |index| sorted(index).0);
    let places = Array::filled(shape, DataType::Int64, |index| sorted(index).1 as f64);
    Ok(vec![values, places])
}

fn squares(all: &[f64], round: fn(f64) -> f64) -> f64 {
    all.iter().fold(0.0, |sum, v| round(sum + round(v * v)))
}

fn reduce(node: &Node<'_>, of: Reduction) -> Outputs {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let given = node.ints("axes").or_else(|| node.integers(1)).filter(|axes| !axes.is_empty());
    let axes = match given {
        Some(axes) => axes.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None if node.int("noop_with_empty_axes", 0) != 0 => vec![],
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
