//! Einsum of the input and constants, against sums worked out entry by entry.

use super::{of_shape, output_shape, ramp, refusal_of, value};
use crate::import::onnx::testing::{attribute_text, floats, model, node, with};

/// y for x = 1, 2, … of the shape `dims` and w = 1, 2, … of the shape `other`, with the shape of y.
fn of(equation: &str, dims: &[i64], other: &[i64]) -> (Vec<usize>, Vec<f64>) {
    let count = other.iter().product::<i64>() as usize;
    let numbers: Vec<f32> = (1..=count).map(|i| i as f32).collect();
    let operator = with(node("Einsum", &["t", "w"], "y"), vec![attribute_text("equation", equation)]);
    let model = of_shape(12, dims, operator, vec![floats("w", other, &numbers)]);
    (output_shape(&model), value(&model, &ramp(dims.iter().product::<i64>() as usize)))
}

#[test]
fn products_with_a_constant_are_linear_maps() {
    assert_eq!(of("bi,oi->bo", &[1, 3], &[2, 3]), (vec![1, 2], vec![14.0, 32.0]));
    assert_eq!(of("bi,io->bo", &[2, 2], &[2, 2]), (vec![2, 2], vec![7.0, 10.0, 15.0, 22.0]));
    assert_eq!(of("bi, io -> ob", &[2, 2], &[2, 2]), (vec![2, 2], vec![7.0, 15.0, 10.0, 22.0]));
    // a batch of products, an outer product, an inner one, and one entry by entry
    assert_eq!(of("bij,bjk->bik", &[2, 1, 2], &[2, 2, 1]), (vec![2, 1, 1], vec![5.0, 25.0]));
    assert_eq!(of("i,j->ij", &[2], &[3]), (vec![2, 3], vec![1.0, 2.0, 3.0, 2.0, 4.0, 6.0]));
    assert_eq!(of("i,i->", &[3], &[3]), (vec![], vec![14.0]));
    assert_eq!(of("ij,ij->ij", &[2, 2], &[2, 2]), (vec![2, 2], vec![1.0, 4.0, 9.0, 16.0]));
    // labels of one factor alone that are summed over
    assert_eq!(of("ik,ij->i", &[2, 2], &[2, 2]), (vec![2], vec![3.0 * 3.0, 7.0 * 7.0]));
    // diagonals of either
    assert_eq!(of("ii,i->i", &[2, 2], &[2]), (vec![2], vec![1.0, 8.0]));
    assert_eq!(of("i,ii->i", &[2], &[2, 2]), (vec![2], vec![1.0, 8.0]));
    // an ellipsis, and no arrow
    assert_eq!(of("...i,oi->...o", &[1, 2, 2], &[1, 2]), (vec![1, 2, 1], vec![5.0, 11.0]));
    assert_eq!(of("ij,jk", &[1, 2], &[2, 2]), (vec![1, 2], vec![7.0, 10.0]));
}

#[test]
fn one_operand_or_several_constants() {
    let single = |equation: &str| {
        let operator = with(node("Einsum", &["t"], "y"), vec![attribute_text("equation", equation)]);
        value(&of_shape(12, &[2, 3], operator, vec![]), &ramp(6))
    };
    assert_eq!(single("ij->ji"), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(single("ij->i"), [6.0, 15.0]);
    assert_eq!(single("ij->"), [21.0]);
    let three = with(node("Einsum", &["a", "x", "b"], "y"), vec![attribute_text("equation", "oi,i,i->o")]);
    let stored = vec![floats("a", &[2, 2], &[1.0, 2.0, 3.0, 4.0]), floats("b", &[2], &[5.0, 6.0])];
    assert_eq!(value(&model(12, &[2], vec![three], stored), &[1.0, 1.0]), [17.0, 39.0]);
    let constant = with(node("Einsum", &["a", "b"], "c"), vec![attribute_text("equation", "oi,i->o")]);
    let nodes = vec![constant, node("Add", &["x", "c"], "y")];
    let stored = vec![floats("a", &[2, 2], &[1.0, 2.0, 3.0, 4.0]), floats("b", &[2], &[5.0, 6.0])];
    assert_eq!(value(&model(12, &[2], nodes, stored), &[0.0, 0.0]), [17.0, 39.0]);
}

#[test]
fn what_is_not_linear_or_makes_no_sense_is_refused() {
    let refused = |equation: &str, inputs: &[&str], expected: &str| {
        let operator = with(node("Einsum", inputs, "y"), vec![attribute_text("equation", equation)]);
        refusal_of(of_shape(12, &[2, 2], operator, vec![floats("w", &[2, 2], &[1.0; 4])]), expected);
    };
    refused("ij,jk->ik", &["t", "t"], "multiplies tensors that depend on the input");
    for equation in ["ij->ik", "ij,jk->ikk", "i,jk->ik", "ijk,jk->i", "i!,jk->ik", "ij,jk->iz"] {
        refused(equation, &["t", "w"], "is not understood for its inputs");
    }
    let operator = with(node("Einsum", &["t", "w"], "y"), vec![attribute_text("equation", "ij,jk->ik")]);
    refusal_of(of_shape(12, &[2, 3], operator, vec![floats("w", &[2, 2], &[1.0; 4])]), "axes of one name");
}
