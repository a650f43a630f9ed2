//! The linear operators of classical models (ai.onnx.ml), as converters of scikit-learn write them: one row per sample.
//!
//! What a classifier gives as its label is no number, and has no meaning here.

use super::linear::{Layout, each};
use super::softmax::of_rows;
use crate::import::Quoted;
use crate::import::onnx::call::Call;
use crate::import::onnx::hints::Coarse;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::matrix::Matrix;
use crate::network::{Activation, LinearMap};

/// (x − offset)·scale, numbers for each feature or one for all.
pub(super) fn scaler(call: &mut Call<'_>) -> NodeOutputs {
    let (x, features) = features(call)?;
    let mut list = |name: &str| -> Result<Vec<f64>, Reason> {
        let given = call.attributes.floats(name)?.ok_or_else(|| format!("lacks its {name}"))?;
        let numbers = finite(name, given)?;
        match numbers.len() {
            1 => Ok(vec![numbers[0]; features]),
            count if count == features => Ok(numbers),
            count => Err(format!("has {count} numbers in {name} for {features} features")),
        }
    };
    let (offset, scale) = (list("offset")?, list("scale")?);
    let rows = x.len() / features;
    let bias: Vec<f64> = offset.iter().zip(&scale).map(|(o, s)| -o * s).collect();
    let sizes: Vec<f64> = bias.iter().map(|v| v.abs()).collect();
    let (scale, bias, sizes) = (scale.repeat(rows), bias.repeat(rows), sizes.repeat(rows));
    let y = call.linear(vec![(x.id, LinearMap::Scale(scale))], Some(bias), x.shape)?;
    call.coarse.push((y.id, Coarse::Biases(sizes)));
    Ok(vec![Value::Variable(y)])
}

pub(super) fn linear_regressor(call: &mut Call<'_>) -> NodeOutputs {
    let targets = call.attributes.integer("targets", 1)?;
    let targets = usize::try_from(targets).ok().filter(|targets| *targets > 0);
    let targets = targets.ok_or("has no targets")?;
    untransformed(call)?;
    let intercepts = call.attributes.floats("intercepts")?.filter(|list| !list.is_empty());
    let y = rows(call, targets, intercepts.unwrap_or_else(|| vec![0.0; targets]))?;
    Ok(vec![Value::Variable(y)])
}

/// What is done to scores.
enum Scores {
    Plain,
    Logistic,
    Softmax,
}

/// The scores of at least two classes. (The label before them has no meaning here.)
pub(super) fn linear_classifier(call: &mut Call<'_>) -> NodeOutputs {
    call.labels = 1;
    for about_labels in ["classlabels_ints", "classlabels_strings"] {
        call.attributes.ignore(about_labels);
    }
    call.attributes.integer("multi_class", 0)?;
    let after = match call.attributes.text("post_transform", "NONE")?.as_str() {
        "NONE" => Scores::Plain,
        "LOGISTIC" => Scores::Logistic,
        "SOFTMAX" => Scores::Softmax,
        other => {
            return Err(format!("has post_transform = {}; NONE, LOGISTIC and SOFTMAX are supported", Quoted(other)));
        }
    };
    let intercepts = call.attributes.floats("intercepts")?.ok_or("lacks its intercepts")?;
    if intercepts.len() < 2 {
        return Err(
            "has coefficients for one of two classes, of which implementations make the other's differently".to_owned()
        );
    }
    let y = rows(call, intercepts.len(), intercepts)?;
    Ok(vec![match after {
        Scores::Plain => Value::Variable(y),
        Scores::Logistic => call.apply(Value::Variable(y), Activation::Sigmoid)?,
        Scores::Softmax => Value::Variable(of_rows(call, y)?.ok_or("has one class")?),
    }])
}

/// With a linear kernel: the coefficients by themselves, or those of support vectors, whose sum they are.
pub(super) fn svm_regressor(call: &mut Call<'_>) -> NodeOutputs {
    let kernel = call.attributes.text("kernel_type", "LINEAR")?;
    if kernel != "LINEAR" {
        return Err(format!("has the kernel {}; only LINEAR is supported", Quoted(&kernel)));
    }
    call.attributes.floats("kernel_params")?; // of other kernels
    if call.attributes.flag("one_class")? {
        return Err("gives a class, which jumps, so it has no Lipschitz constant".to_owned());
    }
    untransformed(call)?;
    let count = call.attributes.integer("n_supports", 0)?;
    let count = usize::try_from(count).map_err(|_| format!("has n_supports = {count}"))?;
    let (x, features) = features(call)?;
    let vectors = finite("support_vectors", call.attributes.floats("support_vectors")?.unwrap_or_default())?;
    let coefficients = finite("coefficients", call.attributes.floats("coefficients")?.unwrap_or_default())?;
    let rho = finite("rho", call.attributes.floats("rho")?.unwrap_or_default())?;
    let &[rho] = rho.as_slice() else { return Err(format!("has {} numbers in rho", rho.len())) };
    let fits = if count == 0 {
        coefficients.len() == features && vectors.is_empty()
    } else {
        coefficients.len() == count && count.checked_mul(features) == Some(vectors.len())
    };
    if !fits {
        let (c, v) = (coefficients.len(), vectors.len());
        return Err(format!("has {c} coefficients and {v} numbers in support vectors for {features} features"));
    }
    let weights = if count == 0 {
        coefficients
    } else {
        let weight = |f: usize| (0..count).map(|i| coefficients[i] * vectors[i * features + f]).sum();
        (0..features).map(weight).collect()
    };
    let y = product(call, x, Matrix::from_vec(1, features, weights), &[rho])?;
    Ok(vec![Value::Variable(y)])
}

/// Coefficients and intercepts of some outputs, applied to each sample.
fn rows(call: &mut Call<'_>, outputs: usize, intercepts: Vec<f64>) -> Result<Variable, Reason> {
    let (x, features) = features(call)?;
    let coefficients = call.attributes.floats("coefficients")?.ok_or("lacks its coefficients")?;
    let coefficients = finite("coefficients", coefficients)?;
    let intercepts = finite("intercepts", intercepts)?;
    if intercepts.len() != outputs || features.checked_mul(outputs) != Some(coefficients.len()) {
        let (c, i) = (coefficients.len(), intercepts.len());
        return Err(format!("has {c} coefficients and {i} intercepts for {features} features and {outputs} outputs"));
    }
    product(call, x, Matrix::from_vec(outputs, features, coefficients), &intercepts)
}

/// W·x + b for each sample.
fn product(call: &mut Call<'_>, x: Variable, w: Matrix, bias: &[f64]) -> Result<Variable, Reason> {
    let (samples, outputs) = (x.len() / w.cols(), w.rows());
    let layout = Layout { before: samples, after: 1 };
    let term = each(call, x, w, layout, layout)?;
    call.linear(vec![term], Some(bias.repeat(samples)), vec![samples, outputs])
}

/// The input, samples × features, or one sample alone.
fn features(call: &mut Call<'_>) -> Result<(Variable, usize), Reason> {
    let x = call.take_variable(0)?;
    match *x.shape.as_slice() {
        [features] | [_, features] if x.len() > 0 => Ok((x, features)),
        _ => Err(format!("works on rows of features, but has an input of shape {:?}", x.shape)),
    }
}

/// That nothing happens to the results.
fn untransformed(call: &mut Call<'_>) -> Result<(), Reason> {
    match call.attributes.text("post_transform", "NONE")?.as_str() {
        "NONE" => Ok(()),
        other => Err(format!("has post_transform = {}; only NONE is supported", Quoted(other))),
    }
}

fn finite(name: &str, numbers: Vec<f64>) -> Result<Vec<f64>, Reason> {
    match numbers.iter().find(|v| !v.is_finite()) {
        None => Ok(numbers),
        Some(value) => Err(format!("has {value} in {name}; every weight must be a finite number")),
    }
}
