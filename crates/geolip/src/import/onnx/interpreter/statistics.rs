//! Softmax and its kin, and normalisations by statistics of what is normalised: numbers along axes, one group after the other.

use super::array::{Array, indices};
use super::node::{Node, axis};
use super::{Outputs, Reason};

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    Some(match node.operator() {
        "Softmax" => softmax(node, probabilities),
        "LogSoftmax" => softmax(node, logarithms),
        "LayerNormalization" => from_axis(node).and_then(|axes| normalised(node, &axes, standard, along_last)),
        "RMSNormalization" => from_axis(node).and_then(|axes| normalised(node, &axes, root_mean_square, along_last)),
        "InstanceNormalization" => node.input(0).and_then(|x| {
            let axes: Vec<usize> = (2..x.shape.len()).collect();
            normalised(node, &axes, standard, |index, _| index[1])
        }),
        "GroupNormalization" => in_groups(node),
        "LpNormalization" => lengths(node),
        _ => return None,
    })
}

/// What a group of numbers becomes.
type Statistics = fn(&[f64], f64) -> Vec<f64>;

fn standard(group: &[f64], epsilon: f64) -> Vec<f64> {
    let count = group.len() as f64;
    let mean = group.iter().sum::<f64>() / count;
    let variance = group.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
    group.iter().map(|v| (v - mean) / (variance + epsilon).sqrt()).collect()
}

fn root_mean_square(group: &[f64], epsilon: f64) -> Vec<f64> {
    let squares = group.iter().map(|v| v * v).sum::<f64>() / group.len() as f64;
    group.iter().map(|v| v / (squares + epsilon).sqrt()).collect()
}

/// Every group of entries that differ along `axes` alone.
fn grouped(x: &Array, axes: &[usize], of: impl Fn(&[f64]) -> Vec<f64>) -> Array {
    let mut groups: Vec<(Vec<usize>, Vec<f64>)> = Vec::new();
    let mut numbers = std::collections::HashMap::new();
    for (place, index) in indices(&x.shape).enumerate() {
        let key: Vec<usize> = index.iter().enumerate().map(|(a, i)| if axes.contains(&a) { 0 } else { *i }).collect();
        let group = *numbers.entry(key).or_insert_with(|| {
            groups.push((Vec::new(), Vec::new()));
            groups.len() - 1
        });
        groups[group].0.push(place);
        groups[group].1.push(x.data[place]);
    }
    let mut data = x.data.clone();
    for (places, group) in groups {
        places.into_iter().zip(of(&group)).for_each(|(place, v)| data[place] = v);
    }
    Array { data, ..x.clone() }
}

/// Of some numbers, exp(h) as a part of their sum.
pub(super) fn probabilities(group: &[f64]) -> Vec<f64> {
    let (largest, sum) = largest_and_sum(group);
    group.iter().map(|h| (h - largest).exp() / sum).collect()
}

/// The logarithms of [`probabilities`].
fn logarithms(group: &[f64]) -> Vec<f64> {
    let (largest, sum) = largest_and_sum(group);
    group.iter().map(|h| h - largest - sum.ln()).collect()
}

/// The largest number, and Σ exp(h − largest).
fn largest_and_sum(group: &[f64]) -> (f64, f64) {
    let largest = group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (largest, group.iter().map(|h| (h - largest).exp()).sum())
}

fn softmax(node: &Node<'_>, of: fn(&[f64]) -> Vec<f64>) -> Outputs {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let axes: Vec<usize> = match node.opset < 13 {
        true => {
            let first = node.int("axis", 1);
            (usize::try_from(if first < 0 { first + rank as i64 } else { first }).unwrap_or(0)..rank).collect()
        }
        false => vec![axis(node.int("axis", -1), rank)?],
    };
    Ok(vec![grouped(x, &axes, of)])
}

fn from_axis(node: &Node<'_>) -> Result<Vec<usize>, Reason> {
    let rank = node.input(0)?.shape.len();
    Ok((axis(node.int("axis", -1), rank)?..rank).collect())
}

/// The place of a scale that has the shape of the last axes.
fn along_last(index: &[usize], scale: &Array) -> usize {
    let last = &index[index.len() - scale.shape.len()..];
    last.iter().zip(&scale.shape).fold(0, |place, (i, n)| place * n + if *n == 1 { 0 } else { *i })
}

/// Groups made standard, times a scale, plus a shift if there is one: of an entry, those at `place`.
fn normalised(node: &Node<'_>, axes: &[usize], of: Statistics, place: fn(&[usize], &Array) -> usize) -> Outputs {
    let epsilon = node.float("epsilon", 1e-5);
    let y = grouped(node.input(0)?, axes, |group| of(group, epsilon));
    let (scale, shift) = (node.input(1)?, node.optional(2));
    let scaled = |index: &[usize], v: f64| {
        v * scale.data[place(index, scale)] + shift.map_or(0.0, |shift| shift.data[place(index, shift)])
    };
    let data = indices(&y.shape).zip(&y.data).map(|(index, v)| scaled(&index, *v)).collect();
    Ok(vec![Array { data, ..y }])
}

fn in_groups(node: &Node<'_>) -> Outputs {
    let x = node.input(0)?;
    let groups = usize::try_from(node.int("num_groups", 1)).map_err(|_| "no groups")?;
    let each = x.data.len() / (x.shape[0] * groups).max(1);
    let together = x.with_shape(vec![x.shape[0], groups, each])?;
    let epsilon = node.float("epsilon", 1e-5);
    let y = grouped(&together, &[2], |group| standard(group, epsilon)).with_shape(x.shape.clone())?;
    let (scale, shift) = (node.input(1)?, node.input(2)?);
    let data =
        indices(&y.shape).zip(&y.data).map(|(index, v)| v * scale.data[index[1]] + shift.data[index[1]]).collect();
    Ok(vec![Array { data, ..y }])
}

fn lengths(node: &Node<'_>) -> Outputs {
    let x = node.input(0)?;
    let along = axis(node.int("axis", -1), x.shape.len())?;
    let plain = node.int("p", 2) == 1;
    Ok(vec![grouped(x, &[along], |group| {
        let length = match plain {
            true => group.iter().map(|v| v.abs()).sum::<f64>(),
            false => group.iter().map(|v| v * v).sum::<f64>().sqrt(),
        };
        group.iter().map(|v| v / length).collect()
    })])
}
