//! Every operator in every variation, against values worked out by hand, with tract's opinion of the same model.

mod activations;
mod arithmetic;
mod constants;
mod convolution;
mod einsum;
mod fused;
mod graph;
mod indexed;
mod linear;
mod maximum;
mod movement;
mod nested;
mod normalisation;
mod pad;
mod patterns;
mod pooling;
mod precision;
mod reduction;
mod resize;
mod shape;
mod smooth;
mod sorting;

use super::{OPSETS, TABLE, find, refused};
use crate::import::onnx::proto::{ModelProto, NodeProto, TensorProto};
use crate::import::onnx::testing::{import, integers, model, node};
use crate::import::{Reference, SelfCheck};

/// y(x) of a model, about which tract must agree.
fn value(model: &ModelProto, x: &[f64]) -> Vec<f64> {
    let parts = import(model).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(parts.self_check, SelfCheck::Agrees { .. }), "{:?}", parts.self_check);
    parts.network.evaluate(x)
}

/// y(x) of a model that tract cannot run or runs differently from what ONNX defines, for the reason given; the
/// interpreter must agree.
fn value_without_tract(model: &ModelProto, x: &[f64], why: &str) -> Vec<f64> {
    let parts = import(model).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        matches!(&parts.self_check,
            SelfCheck::Agrees { with: Reference::Interpreter { because }, .. } if because.contains(why)),
        "{:?}",
        parts.self_check
    );
    parts.network.evaluate(x)
}

/// A model of one node that reads `t`: the input under the given shape, whatever the first dimension.
fn of_shape(opset: i64, dims: &[i64], operator: NodeProto, stored: Vec<TensorProto>) -> ModelProto {
    let nodes = vec![node("Reshape", &["x", "dims"], "t"), operator];
    let stored = [vec![integers("dims", dims)], stored].concat();
    model(opset, &[1, dims.iter().product()], nodes, stored)
}

/// 1, 2, …, n.
fn ramp(n: usize) -> Vec<f64> {
    (1..=n).map(|i| i as f64).collect()
}

/// That a model is refused with a message that holds some words.
fn refusal_of(model: ModelProto, expected: &str) {
    let reason = crate::import::onnx::testing::refusal(&model);
    assert!(reason.contains(expected), "{reason}");
}

/// The shape of the output.
fn output_shape(model: &ModelProto) -> Vec<usize> {
    import(model).unwrap_or_else(|error| panic!("{error}")).output.shape
}

#[test]
fn the_table_is_sorted_and_nothing_in_it_is_refused() {
    assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
    for (name, since, _) in TABLE {
        assert!(find(&node(name, &["x"], "y"), *since).is_ok(), "{name}");
        assert!(!refused::is_listed(name), "{name} is both understood and refused");
    }
}

#[test]
fn the_documentation_lists_exactly_what_is_understood() {
    let page = include_str!("../../../mod.rs");
    let rows = page.lines().skip_while(|line| !line.contains("| --- |")).skip(1).take_while(|line| line.contains('|'));
    let mut listed: Vec<&str> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    listed.sort_unstable();
    listed.dedup();
    let understood: Vec<&str> = TABLE.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(listed, understood);
    assert!(page.contains(&format!("operator sets {} to {}", OPSETS.start(), OPSETS.end())));
}
