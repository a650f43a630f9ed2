//! Max and Min of several tensors, and MaxMin as exporters write it.

use super::{output_shape, value};
use crate::import::onnx::proto::ModelProto;
use crate::import::onnx::testing::{
    attribute_int, attribute_ints, floats, import, integers, model, node, refusal, with,
};

/// Of x, −x, and constants.
fn of(operator: &str, inputs: &[&str]) -> ModelProto {
    let nodes = vec![node("Neg", &["x"], "n"), node(operator, inputs, "y")];
    let stored =
        vec![floats("c", &[2], &[1.0, -1.0]), floats("zero", &[], &[0.0]), floats("column", &[2, 1], &[-4.0, 4.0])];
    model(13, &[1, 2], nodes, stored)
}

#[test]
fn branches_and_constants_are_compared() {
    let x = [3.0, -2.0];
    for (inputs, largest, smallest) in [
        (&["x"][..], &[3.0, -2.0][..], &[3.0, -2.0][..]),
        (&["x", "n"], &[3.0, 2.0], &[-3.0, -2.0]),
        (&["x", "c"], &[3.0, -1.0], &[1.0, -2.0]),
        (&["c", "x"], &[3.0, -1.0], &[1.0, -2.0]),
        (&["x", "zero"], &[3.0, 0.0], &[0.0, -2.0]),
        (&["zero", "x", "c"], &[3.0, 0.0], &[0.0, -2.0]),
        (&["x", "n", "c"], &[3.0, 2.0], &[-3.0, -2.0]),
        (&["x", "n", "x", "c", "n"], &[3.0, 2.0], &[-3.0, -2.0]),
        (&["column", "x"], &[3.0, -2.0, 4.0, 4.0], &[-4.0, -4.0, 3.0, -2.0]),
    ] {
        assert_eq!(value(&of("Max", inputs), &x), largest, "{inputs:?}");
        assert_eq!(value(&of("Min", inputs), &x), smallest, "{inputs:?}");
    }
    assert_eq!(output_shape(&of("Max", &["column", "x"])), [2, 2]);
}

#[test]
fn a_comparison_is_one_relu() {
    let neurons = |inputs: &[&str]| import(&of("Max", inputs)).expect("understood").network.neurons();
    assert_eq!(neurons(&["x"]), 0);
    assert_eq!(neurons(&["x", "n"]), 2);
    assert_eq!(neurons(&["x", "c", "zero"]), 2, "constants are compared while importing");
    assert_eq!(neurons(&["x", "n", "x", "n"]), 6);
    let relu = import(&of("Max", &["x", "zero"])).expect("understood").network;
    assert_eq!(relu.nodes().len(), 2, "max(x, 0) is a ReLU of x");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let infinite =
        model(13, &[1, 2], vec![node("Max", &["x", "c"], "y")], vec![floats("c", &[], &[f32::NEG_INFINITY])]);
    assert!(refusal(&infinite).ends_with("its input 'c' holds -inf; every weight must be a finite number"));
    let misfit = model(13, &[1, 2], vec![node("Min", &["x", "c"], "y")], vec![floats("c", &[3], &[0.0; 3])]);
    assert!(refusal(&misfit).contains("cannot combine the shapes [1, 2] and [3]"));
}

/// Pairs of neighbours, sorted: GroupSort with groups of two.
#[test]
fn sorted_pairs_are_two_comparisons() {
    let reduce = |operator: &str, output: &str| {
        let attributes = vec![attribute_ints("axes", &[2]), attribute_int("keepdims", 1)];
        with(node(operator, &["pairs"], output), attributes)
    };
    let nodes = vec![
        node("Reshape", &["x", "pairing"], "pairs"),
        reduce("ReduceMin", "low"),
        reduce("ReduceMax", "high"),
        with(node("Concat", &["low", "high"], "sorted"), vec![attribute_int("axis", 2)]),
        node("Reshape", &["sorted", "flat"], "y"),
    ];
    let stored = vec![integers("pairing", &[1, 2, 2]), integers("flat", &[1, 4])];
    assert_eq!(value(&model(13, &[1, 4], nodes, stored), &[4.0, 1.0, 2.0, 3.0]), [1.0, 4.0, 2.0, 3.0]);
}

/// The two halves compared: MaxMin.
#[test]
fn halves_are_split_and_compared() {
    let mut split = with(node("Split", &["x"], "p"), vec![attribute_int("axis", 1)]);
    split.output.push("q".to_owned());
    let nodes = vec![
        split,
        node("Max", &["p", "q"], "high"),
        node("Min", &["p", "q"], "low"),
        with(node("Concat", &["high", "low"], "y"), vec![attribute_int("axis", 1)]),
    ];
    assert_eq!(value(&model(13, &[1, 4], nodes, vec![]), &[4.0, 1.0, 2.0, 3.0]), [4.0, 3.0, 2.0, 1.0]);
}
