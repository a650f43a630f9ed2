//! The linear operators of classical models, sample by sample.

use super::array::Array;
use super::elementwise::sigmoid;
use super::node::Node;
use super::statistics::probabilities;
use super::{Outputs, Reason};
use crate::import::onnx::proto::tensor_proto::DataType;

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    Some(match node.operator() {
        "LinearClassifier" => linear(node, "").map(|scores| vec![label(&scores), scores]),
        "LinearRegressor" => linear(node, "targets").map(|scores| vec![scores]),
        "SVMRegressor" => svm(node).map(|scores| vec![scores]),
        "Scaler" => scaler(node).map(|scaled| vec![scaled]),
        _ => return None,
    })
}

/// A label that nothing reads.
fn label(scores: &Array) -> Array {
    Array::new(vec![scores.shape[0]], vec![0.0; scores.shape[0]], DataType::Int64)
}

fn list(node: &Node<'_>, name: &str) -> Vec<f64> {
    node.floats(name).unwrap_or_default()
}

/// The input as samples.
fn samples(node: &Node<'_>) -> Result<Vec<Vec<f64>>, Reason> {
    let x = node.input(0)?;
    let features = *x.shape.last().ok_or("no features")?;
    Ok(x.data.chunks(features.max(1)).map(<[f64]>::to_vec).collect())
}

fn scaler(node: &Node<'_>) -> Result<Array, Reason> {
    let (x, offset, scale) = (node.input(0)?, list(node, "offset"), list(node, "scale"));
    let of = |numbers: &[f64], at: usize| if numbers.len() == 1 { numbers[0] } else { numbers[at] };
    Ok(Array::filled(x.shape.clone(), DataType::Float, |index| {
        let feature = index[index.len() - 1];
        (x.at(index) - of(&offset, feature)) * of(&scale, feature)
    }))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn linear(node: &Node<'_>, counted_by: &str) -> Result<Array, Reason> {
    let (coefficients, intercepts) = (list(node, "coefficients"), list(node, "intercepts"));
    let outputs = if counted_by.is_empty() { intercepts.len() } else { node.int(counted_by, 1) as usize };
    let samples = samples(node)?;
    let after = node.text("post_transform", "NONE");
    let mut data = Vec::new();
    for sample in &samples {
        let rows = coefficients.chunks(sample.len()).take(outputs).enumerate();
        let scores = rows.map(|(output, row)| dot(row, sample) + intercepts.get(output).copied().unwrap_or(0.0));
        match after.as_str() {
            "LOGISTIC" => data.extend(scores.map(sigmoid)),
            "SOFTMAX" => data.extend(probabilities(&scores.collect::<Vec<f64>>())),
            _ => data.extend(scores),
        }
    }
    Ok(Array::new(vec![samples.len(), outputs], data, DataType::Float))
}

fn svm(node: &Node<'_>) -> Result<Array, Reason> {
    let (coefficients, vectors) = (list(node, "coefficients"), list(node, "support_vectors"));
    let rho = list(node, "rho").first().copied().unwrap_or(0.0);
    let samples = samples(node)?;
    let score = |sample: &Vec<f64>| match node.int("n_supports", 0) {
        0 => dot(&coefficients, sample) + rho,
        _ => vectors.chunks(sample.len()).zip(&coefficients).map(|(v, c)| c * dot(v, sample)).sum::<f64>() + rho,
    };
    Ok(Array::new(vec![samples.len(), 1], samples.iter().map(score).collect(), DataType::Float))
}
