//! Upsample and Resize, by the formula for one entry of the result.

use super::array::{Array, indices};
use super::node::{Node, axis};
use super::{Outputs, Reason};

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    let made = match node.operator() {
        "Upsample" => simple(node, node.floats("scales").or_else(|| numbers(node, 1))),
        "Resize" if node.opset < 11 => simple(node, numbers(node, 1)),
        "Resize" => resize(node),
        _ => return None,
    };
    Some(made.map(|array| vec![array]))
}

fn numbers(node: &Node<'_>, index: usize) -> Option<Vec<f64>> {
    node.optional(index).map(|array| array.data.clone()).filter(|numbers| !numbers.is_empty())
}

/// Positions divided by the scale, and the entry before.
fn simple(node: &Node<'_>, scales: Option<Vec<f64>>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let scales = scales.ok_or("no scales")?;
    let shape = x.shape.iter().zip(&scales).map(|(&size, scale)| (size as f64 * scale).floor() as usize).collect();
    let mode = node.text("mode", "nearest");
    let taps = |at: f64| if mode == "linear" { linear(at) } else { vec![(at.floor(), 1.0)] };
    interpolated(x, shape, |a, i| if scales[a] == 1.0 { vec![(i as f64, 1.0)] } else { taps(i as f64 / scales[a]) })
}

fn resize(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let rank = x.shape.len();
    let axes = match node.ints("axes") {
        Some(axes) => axes.into_iter().map(|a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    let (mut scale, mut shape) = (vec![1.0; rank], x.shape.clone());
    match (numbers(node, 2), numbers(node, 3)) {
        (Some(scales), _) => {
            for (&a, s) in axes.iter().zip(scales) {
                scale[a] = s;
                shape[a] = (x.shape[a] as f64 * s).floor() as usize;
            }
        }
        (None, Some(sizes)) => {
            let ratio = |place: usize| sizes[place] / x.shape[axes[place]] as f64;
            let ratios = (0..axes.len()).map(ratio);
            let policy = node.text("keep_aspect_ratio_policy", "stretch");
            let shared = match policy.as_str() {
                "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
                "not_smaller" => Some(ratios.fold(0.0, f64::max)),
                _ => None,
            };
            for (place, &a) in axes.iter().enumerate() {
                scale[a] = shared.unwrap_or_else(|| ratio(place));
                shape[a] = match shared {
                    Some(s) => (x.shape[a] as f64 * s + 0.5).floor() as usize,
                    None => sizes[place] as usize,
                };
            }
        }
        (None, None) => return Err("neither scales nor sizes".to_owned()),
    }
    let mode = node.text("mode", "nearest");
    let place = node.text("coordinate_transformation_mode", "half_pixel");
    let rounding = node.text("nearest_mode", "round_prefer_floor");
    let (cubic_a, exclude) = (node.float("cubic_coeff_a", -0.75), node.int("exclude_outside", 0) != 0);
    let (target, from) = (shape.clone(), x.shape.clone());
    interpolated(x, shape, |a, i| {
        let (input, output, s, i) = (from[a] as f64, target[a] as f64, scale[a], i as f64);
        if from[a] == target[a] && s == 1.0 {
            return vec![(i, 1.0)];
        }
        let at = match place.as_str() {
            "align_corners" | "pytorch_half_pixel" if target[a] == 1 => 0.0,
            "align_corners" => i * (input - 1.0) / (output - 1.0),
            "asymmetric" => i / s,
            "tf_half_pixel_for_nn" => (i + 0.5) / s,
            "half_pixel_symmetric" => input / 2.0 * (1.0 - output / (s * input)) + (i + 0.5) / s - 0.5,
            _ => (i + 0.5) / s - 0.5,
        };
        match mode.as_str() {
            "linear" => linear(at),
            "cubic" => cubic(at, cubic_a, if exclude { Some(input) } else { None }),
            _ => vec![(nearest(at, &rounding), 1.0)],
        }
    })
}

fn nearest(at: f64, mode: &str) -> f64 {
    match mode {
        "floor" => at.floor(),
        "ceil" => at.ceil(),
        "round_prefer_ceil" => (at + 0.5).floor(),
        _ => (at - 0.5).ceil(),
    }
}

fn linear(at: f64) -> Vec<(f64, f64)> {
    let part = at - at.floor();
    vec![(at.floor(), 1.0 - part), (at.floor() + 1.0, part)]
}

/// Keys' cubic kernel at the four neighbours; without those outside [0, size) the weights are made to sum to one.
fn cubic(at: f64, a: f64, size: Option<f64>) -> Vec<(f64, f64)> {
    let kernel = |t: f64| {
        let t = t.abs();
        if t <= 1.0 {
            (a + 2.0) * t.powi(3) - (a + 3.0) * t.powi(2) + 1.0
        } else if t < 2.0 {
            a * t.powi(3) - 5.0 * a * t.powi(2) + 8.0 * a * t - 4.0 * a
        } else {
            0.0
        }
    };
    let mut taps: Vec<(f64, f64)> =
        (-1..3).map(|step| at.floor() + f64::from(step)).map(|p| (p, kernel(at - p))).collect();
    if let Some(size) = size {
        taps.iter_mut().filter(|(p, _)| *p < 0.0 || *p >= size).for_each(|(_, weight)| *weight = 0.0);
        let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
        taps.iter_mut().for_each(|(_, weight)| *weight /= sum);
    }
    taps
}

/// The sum over all combinations of the taps of every axis; taps beyond an end count as the end.
fn interpolated(x: &Array, shape: Vec<usize>, taps: impl Fn(usize, usize) -> Vec<(f64, f64)>) -> Result<Array, Reason> {
    if shape.contains(&0) {
        return Err("a result without entries".to_owned());
    }
    let all: Vec<Vec<Vec<(f64, f64)>>> =
        shape.iter().enumerate().map(|(a, &size)| (0..size).map(|i| taps(a, i)).collect()).collect();
    Ok(Array::filled(shape, x.kind, |index| {
        let own: Vec<&Vec<(f64, f64)>> = index.iter().enumerate().map(|(a, &i)| &all[a][i]).collect();
        let counts: Vec<usize> = own.iter().map(|taps| taps.len()).collect();
        let mut sum = 0.0;
        for choice in indices(&counts) {
            let chosen = choice.iter().zip(&own).map(|(&c, taps)| taps[c]);
            let weight: f64 = chosen.clone().map(|(_, weight)| weight).product();
            let place: Vec<usize> =
                chosen.zip(&x.shape).map(|((p, _), &size)| p.clamp(0.0, (size - 1) as f64) as usize).collect();
            sum += weight * x.at(&place);
        }
        sum
    }))
}
