//! Entries picked and put by indices, and what is above or below a diagonal.

use super::array::{Array, indices};
use super::node::{Node, axis};
use super::{Outputs, Reason};
use crate::import::onnx::proto::tensor_proto::DataType;

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    let made = match node.operator() {
        "CumSum" => cum_sum(node),
        "EyeLike" => eye_like(node),
        "GatherElements" => gather_elements(node),
        "GatherND" => gather_nd(node),
        "OneHot" => one_hot(node),
        "ScatterElements" => scatter_elements(node),
        "ScatterND" => scatter_nd(node),
        "Trilu" => trilu(node),
        _ => return None,
    };
    Some(made.map(|array| vec![array]))
}

fn number(node: &Node<'_>, index: usize) -> Option<i64> {
    node.integers(index).and_then(|numbers| numbers.first().copied())
}

/// An index of an axis, which may count from its end.
fn within(given: f64, size: usize) -> Result<usize, Reason> {
    let at = if given < 0.0 { given + size as f64 } else { given };
    if at >= 0.0 && at < size as f64 { Ok(at as usize) } else { Err("an index beyond its axis".to_owned()) }
}

fn trilu(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let (k, upper) = (number(node, 1).unwrap_or(0), node.int("upper", 1) != 0);
    Ok(Array::filled(x.shape.clone(), x.kind, |index| {
        let (i, j) = (index[index.len() - 2] as i64, index[index.len() - 1] as i64);
        let inside = if upper { j >= i + k } else { j <= i + k };
        if inside { x.at(index) } else { 0.0 }
    }))
}

fn cum_sum(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let along = axis(number(node, 1).ok_or("no axis")?, x.shape.len())?;
    let (exclusive, reverse) = (node.int("exclusive", 0) != 0, node.int("reverse", 0) != 0);
    let round = x.rounding();
    Ok(Array::filled(x.shape.clone(), x.kind, |index| {
        let own = index[along];
        let mut others: Vec<usize> = if reverse { (own..x.shape[along]).rev().collect() } else { (0..=own).collect() };
        if exclusive {
            others.pop();
        }
        let mut at = index.to_vec();
        others.into_iter().fold(0.0, |sum, place| {
            at[along] = place;
            round(sum + x.at(&at))
        })
    }))
}

fn eye_like(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let kind = DataType::try_from(node.int("dtype", x.kind as i64) as i32).map_err(|error| error.to_string())?;
    let k = node.int("k", 0);
    Ok(Array::filled(x.shape.clone(), kind, |index| f64::from(index[1] as i64 == index[0] as i64 + k)))
}

fn one_hot(node: &Node<'_>) -> Result<Array, Reason> {
    let (x, values) = (node.input(0)?, node.input(2)?);
    let depth = number(node, 1).ok_or("no depth")? as usize;
    let along = axis(node.int("axis", -1), x.shape.len() + 1)?;
    let mut shape = x.shape.clone();
    shape.insert(along, depth);
    Ok(Array::filled(shape, values.kind, |index| {
        let mut from = index.to_vec();
        let place = from.remove(along);
        values.data[usize::from(within(x.at(&from), depth) == Ok(place))]
    }))
}

fn gather_elements(node: &Node<'_>) -> Result<Array, Reason> {
    let (x, picks) = (node.input(0)?, node.input(1)?);
    let along = axis(node.int("axis", 0), x.shape.len())?;
    let mut data = Vec::new();
    for mut index in indices(&picks.shape) {
        index[along] = within(picks.at(&index), x.shape[along])?;
        data.push(x.at(&index));
    }
    Ok(Array::new(picks.shape.clone(), data, x.kind))
}

/// The index that a tuple, the last axis of a tensor, stands for, behind the batch's own.
fn tuple(x: &Array, picks: &Array, outer: &[usize], batch: usize) -> Result<Vec<usize>, Reason> {
    let depth = picks.shape[picks.shape.len() - 1];
    let mut index = outer[..batch].to_vec();
    for i in 0..depth {
        index.push(within(picks.at(&[outer, &[i]].concat()), x.shape[batch + i])?);
    }
    Ok(index)
}

fn gather_nd(node: &Node<'_>) -> Result<Array, Reason> {
    let (x, picks) = (node.input(0)?, node.input(1)?);
    let batch = node.int("batch_dims", 0) as usize;
    let (outer, rest) = picks.shape.split_at(picks.shape.len() - 1);
    let inner = &x.shape[batch + rest[0]..];
    let mut data = Vec::new();
    for place in indices(outer) {
        let start = tuple(x, picks, &place, batch)?;
        data.extend(indices(inner).map(|end| x.at(&[&start[..], &end].concat())));
    }
    Ok(Array::new([outer, inner].concat(), data, x.kind))
}

/// Puts a number at an index, or adds it.
fn put(y: &mut Array, index: &[usize], v: f64, node: &Node<'_>) -> Result<(), Reason> {
    let at = y.shape.iter().zip(index).fold(0, |at, (size, i)| at * size + i);
    match node.text("reduction", "none").as_str() {
        "none" => y.data[at] = v,
        "add" => y.data[at] += v,
        _ => return Err("another reduction".to_owned()),
    }
    Ok(())
}

fn scatter_nd(node: &Node<'_>) -> Result<Array, Reason> {
    let (mut y, picks, updates) = (node.input(0)?.clone(), node.input(1)?, node.input(2)?);
    let outer = &picks.shape[..picks.shape.len() - 1];
    for place in indices(outer) {
        let start = tuple(&y, picks, &place, 0)?;
        let inner = y.shape[start.len()..].to_vec();
        for end in indices(&inner) {
            let v = updates.at(&[&place[..], &end].concat());
            put(&mut y, &[&start[..], &end].concat(), v, node)?;
        }
    }
    Ok(y)
}

fn scatter_elements(node: &Node<'_>) -> Result<Array, Reason> {
    let (mut y, picks, updates) = (node.input(0)?.clone(), node.input(1)?, node.input(2)?);
    let along = axis(node.int("axis", 0), y.shape.len())?;
    for place in indices(&picks.shape) {
        let mut index = place.clone();
        index[along] = within(picks.at(&place), y.shape[along])?;
        put(&mut y, &index, updates.at(&place), node)?;
    }
    Ok(y)
}
