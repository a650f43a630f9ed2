//! TopK: which numbers, in which order, along which axis.

use super::{of_shape, output_shape, value};
use crate::import::onnx::proto::{AttributeProto, ModelProto, NodeProto};
use crate::import::onnx::testing::{attribute_int, import, integers, model, node, refusal, with};

fn top(opset: i64, dims: &[i64], k: i64, attributes: Vec<AttributeProto>) -> ModelProto {
    let top = NodeProto { output: vec!["y".to_owned(), "places".to_owned()], ..node("TopK", &["t", "k"], "y") };
    of_shape(opset, dims, with(top, attributes), vec![integers("k", &[k])])
}

const NUMBERS: [f64; 6] = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0];

#[test]
fn the_largest_and_the_smallest_come_in_order() {
    let small = || attribute_int("largest", 0);
    let of = |k, attributes| value(&top(13, &[1, 6], k, attributes), &NUMBERS);
    assert_eq!(of(6, vec![]), [9.0, 4.0, 3.0, 1.0, -1.0, -5.0]);
    assert_eq!(of(6, vec![small()]), [-5.0, -1.0, 1.0, 3.0, 4.0, 9.0]);
    assert_eq!(of(2, vec![]), [9.0, 4.0]);
    assert_eq!(of(4, vec![small()]), [-5.0, -1.0, 1.0, 3.0]);
    assert_eq!(of(1, vec![attribute_int("sorted", 0)]), [9.0]);
}

#[test]
fn every_axis_is_sorted_by_itself() {
    let of = |dims: &[i64], k, axis| value(&top(13, dims, k, vec![attribute_int("axis", axis)]), &NUMBERS);
    assert_eq!(of(&[1, 2, 3], 3, 2), [4.0, 3.0, -1.0, 9.0, 1.0, -5.0]);
    assert_eq!(of(&[1, 2, 3], 2, 1), [3.0, -1.0, 9.0, 1.0, -5.0, 4.0]);
    assert_eq!(of(&[1, 2, 3], 1, -2), [3.0, -1.0, 9.0]);
    assert_eq!(of(&[1, 3, 2], 3, 1), [4.0, 9.0, 3.0, 1.0, -5.0, -1.0]);
    assert_eq!(output_shape(&top(13, &[1, 3, 2], 2, vec![attribute_int("axis", 1)])), [1, 2, 2]);
}

#[test]
fn older_operator_sets_have_the_number_elsewhere() {
    let by_attribute = of_shape(9, &[1, 6], with(node("TopK", &["t"], "y"), vec![attribute_int("k", 2)]), vec![]);
    let found = import(&by_attribute).expect("understood").network.evaluate(&NUMBERS);
    assert_eq!(found, [9.0, 4.0]);
    assert_eq!(import(&top(10, &[1, 6], 3, vec![])).expect("understood").network.evaluate(&NUMBERS), [9.0, 4.0, 3.0]);
}

#[test]
fn a_comparison_is_one_neuron() {
    let neurons = |k| import(&top(13, &[1, 4], k, vec![])).expect("understood").network.neurons();
    assert_eq!((neurons(4), neurons(1)), (5, 3));
}

#[test]
fn what_has_no_order_is_refused() {
    let refused = |k, attributes| refusal(&top(13, &[1, 6], k, attributes));
    assert!(refused(2, vec![attribute_int("sorted", 0)]).contains("leaves the order of what it chooses open"));
    assert!(refused(7, vec![]).ends_with("chooses another number of entries than 1 to 6"));
    assert!(refused(0, vec![]).ends_with("chooses another number of entries than 1 to 6"));
    let places = NodeProto { output: vec!["v".to_owned(), "y".to_owned()], ..node("TopK", &["x", "k"], "v") };
    assert!(refusal(&model(13, &[1, 6], vec![places], vec![integers("k", &[1])])).contains("not supported"));
}
