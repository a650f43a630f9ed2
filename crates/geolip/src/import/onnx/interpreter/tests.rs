//! The interpreter by hand-made numbers; every file that the importer's tests read is interpreted besides
//! (`self_check::expect_interpreted`).

use super::run;
use crate::import::onnx::proto::ModelProto;
use crate::import::onnx::self_check::Feed;
use crate::import::onnx::testing::{attribute_int, attribute_ints, floats, model, node, with};
use crate::matrix::Matrix;

/// The output of a model at one input.
fn at(model: &ModelProto, shape: &[usize], x: &[f64]) -> Result<Vec<f64>, String> {
    let feed = Feed { name: "x".to_owned(), shape: shape.to_vec(), rows: Some(0..x.len()) };
    run(model, &[feed], &Matrix::from_vec(x.len(), 1, x.to_vec())).map(|y| y.data().to_vec())
}

#[test]
fn constants_are_rounded_to_their_type_and_what_depends_on_the_input_is_not() {
    let nodes = vec![node("Add", &["a", "b"], "c"), node("Add", &["x", "c"], "y")];
    let stored = vec![floats("a", &[1], &[16_777_216.0]), floats("b", &[1], &[1.0])];
    assert_eq!(at(&model(13, &[1], nodes, stored), &[1], &[1.0 / 3.0]), Ok(vec![16_777_216.0 + 1.0 / 3.0]));
}

#[test]
fn a_convolution_is_the_sum_over_its_window() {
    let conv = with(node("Conv", &["x", "w"], "y"), vec![attribute_ints("pads", &[1, 0, 0, 0])]);
    let kernel = floats("w", &[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]);
    let y = at(&model(13, &[1, 1, 2, 2], vec![conv], vec![kernel]), &[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(y, Ok(vec![2100.0, 4321.0]));
}

#[test]
fn nodes_may_come_in_any_order_but_not_in_a_circle() {
    let nodes = vec![node("Neg", &["h"], "y"), node("Relu", &["x"], "h")];
    assert_eq!(at(&model(13, &[2], nodes, vec![]), &[2], &[3.0, -1.0]), Ok(vec![-3.0, -0.0]));
    let circle = vec![node("Add", &["x", "y"], "h"), node("Relu", &["h"], "y")];
    assert_eq!(
        at(&model(13, &[2], circle, vec![]), &[2], &[3.0, -1.0]),
        Err("nodes that wait for each other".to_owned())
    );
}

#[test]
fn unknown_operators_are_named() {
    let hardmax = with(node("Hardmax", &["x"], "y"), vec![attribute_int("axis", 0)]);
    let found = at(&model(13, &[2], vec![hardmax], vec![]), &[2], &[3.0, -1.0]);
    assert_eq!(found, Err("Hardmax 'y_node': this interpreter does not know the operator".to_owned()));
}
