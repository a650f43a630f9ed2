//! Gemm and MatMul.

use super::{of_shape, output_shape, value};
use crate::import::onnx::proto::ModelProto;
use crate::import::onnx::testing::{attribute_float, attribute_int, floats, import, model, node, refusal, with};

/// W = [[1, 2, 3], [4, 5, 6]], 2 × 3, and its transpose; W·(1, −1, 2) = (5, 11).
const W: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
const WT: [f32; 6] = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
const X: [f64; 3] = [1.0, -1.0, 2.0];

fn gemm(input: &[i64], factors: [&str; 2], w: (&[i64], &[f32]), transpose: &[&str]) -> ModelProto {
    let attributes = transpose.iter().map(|name| attribute_int(name, 1)).collect();
    let gemm = with(node("Gemm", &factors, "y"), attributes);
    model(13, input, vec![gemm], vec![floats("w", w.0, w.1)])
}

#[test]
fn gemm_takes_its_constant_on_either_side_and_transposed() {
    for (input, factors, w, transpose) in [
        (&[1, 3], ["x", "w"], (&[3, 2], &WT), &[][..]),
        (&[0, 3], ["x", "w"], (&[3, 2], &WT), &[]),
        (&[1, 3], ["x", "w"], (&[2, 3], &W), &["transB"]),
        (&[1, 3], ["w", "x"], (&[2, 3], &W), &["transB"]),
        (&[1, 3], ["w", "x"], (&[3, 2], &WT), &["transA", "transB"]),
    ] {
        let model = gemm(input, factors, (w.0, w.1), transpose);
        assert_eq!(value(&model, &X), [5.0, 11.0], "{factors:?} {transpose:?}");
    }
}

#[test]
fn gemm_multiplies_a_column_or_several_vectors() {
    // x as a column: [1, 3] is squeezed and unsqueezed to [3, 1]
    let column = |nodes: Vec<_>| {
        let reshape = node("Reshape", &["x", "shape"], "c");
        let shape = crate::import::onnx::testing::integers("shape", &[3, 1]);
        model(13, &[1, 3], [vec![reshape], nodes].concat(), vec![shape, floats("w", &[2, 3], &W)])
    };
    assert_eq!(value(&column(vec![node("Gemm", &["w", "c"], "y")]), &X), [5.0, 11.0]);
    let transposed = with(node("Gemm", &["c", "w"], "y"), vec![attribute_int("transA", 1), attribute_int("transB", 1)]);
    assert_eq!(value(&column(vec![transposed]), &X), [5.0, 11.0]);
    // the outer product of the column with a row is three vectors of length 1, each with the same 1 × 2 matrix
    let row = model(
        13,
        &[1, 3],
        vec![node("Reshape", &["x", "shape"], "c"), node("Gemm", &["c", "w"], "y")],
        vec![crate::import::onnx::testing::integers("shape", &[3, 1]), floats("w", &[1, 2], &[10.0, 1.0])],
    );
    assert_eq!(value(&row, &X), [10.0, 1.0, -10.0, -1.0, 20.0, 2.0]);
    assert_eq!(output_shape(&row), [3, 2]);
    // two columns from the left, and the same with everything transposed
    let square = |node| {
        let reshape = super::node("Reshape", &["x", "shape"], "c");
        let stored = vec![crate::import::onnx::testing::integers("shape", &[2, 2]), floats("w", &[1, 2], &[10.0, 1.0])];
        model(13, &[1, 4], vec![reshape, node], stored)
    };
    let x = [1.0, 2.0, 3.0, 4.0];
    assert_eq!(value(&square(node("Gemm", &["w", "c"], "y")), &x), [13.0, 24.0]);
    let transposed = with(node("Gemm", &["w", "c"], "y"), vec![attribute_int("transB", 1)]);
    assert_eq!(value(&square(transposed), &x), [12.0, 34.0]);
    let transposed = with(node("Gemm", &["c", "w"], "y"), vec![attribute_int("transA", 1), attribute_int("transB", 1)]);
    assert_eq!(value(&square(transposed), &x), [13.0, 24.0]);
}

#[test]
fn gemm_scales_and_adds_a_bias_of_any_shape() {
    for (dims, c, expected) in [
        (&[][..], &[100.0][..], [60.0, 72.0]),
        (&[1], &[100.0], [60.0, 72.0]),
        (&[2], &[100.0, 200.0], [60.0, 122.0]),
        (&[1, 1], &[100.0], [60.0, 72.0]),
        (&[1, 2], &[100.0, 200.0], [60.0, 122.0]),
    ] {
        let attributes = vec![attribute_float("alpha", 2.0), attribute_float("beta", 0.5), attribute_int("transB", 1)];
        let gemm = with(node("Gemm", &["x", "w", "c"], "y"), attributes);
        let model = model(13, &[1, 3], vec![gemm], vec![floats("w", &[2, 3], &W), floats("c", dims, c)]);
        assert_eq!(value(&model, &X), expected, "{dims:?}");
    }
}

#[test]
fn gemm_adds_a_second_branch() {
    let gemm = with(node("Gemm", &["x", "w", "x"], "y"), vec![attribute_float("beta", 3.0)]);
    let square = |beta_x| model(13, &[1, 2], vec![beta_x], vec![floats("w", &[2, 2], &[0.0, 1.0, 2.0, 0.0])]);
    assert_eq!(value(&square(gemm), &[1.0, 10.0]), [23.0, 31.0]);
    let ignored = with(node("Gemm", &["x", "w", "x"], "y"), vec![attribute_float("beta", 0.0)]);
    assert_eq!(value(&square(ignored), &[1.0, 10.0]), [20.0, 1.0]);
    // of one number, which is repeated
    let nodes = vec![
        node("MatMul", &["x", "ones"], "c"),
        with(node("Gemm", &["x", "w", "c"], "y"), vec![attribute_float("beta", 2.0)]),
    ];
    let stored = vec![floats("w", &[2, 2], &[0.0, 1.0, 2.0, 0.0]), floats("ones", &[2, 1], &[1.0, 1.0])];
    assert_eq!(value(&model(13, &[1, 2], nodes, stored), &[1.0, 10.0]), [42.0, 23.0]);
    let large = with(node("Gemm", &["x", "w", "x"], "y"), vec![]);
    let large = refusal(&model(13, &[1, 2], vec![large], vec![floats("w", &[2, 1], &[1.0, 1.0])]));
    assert!(large.ends_with("adds a tensor of shape [1, 2] to one of [1, 1]"), "{large}");
}

#[test]
fn matmul_follows_numpy_on_both_sides() {
    for (input, factors, w, dims, shape) in [
        (&[1, 3][..], ["x", "w"], &WT, &[3, 2][..], &[1, 2][..]),
        (&[3], ["x", "w"], &WT, &[3, 2], &[2]),
        (&[3], ["w", "x"], &W, &[2, 3], &[2]),
        (&[1, 1, 3], ["x", "w"], &WT, &[3, 2], &[1, 1, 2]),
        (&[1, 3], ["x", "w"], &WT, &[1, 3, 2], &[1, 1, 2]),
        (&[1, 3, 1], ["w", "x"], &W, &[2, 3], &[1, 2, 1]),
        (&[1, 3, 1], ["w", "x"], &W, &[1, 2, 3], &[1, 2, 1]),
    ] {
        let model = model(13, input, vec![node("MatMul", &factors, "y")], vec![floats("w", dims, w)]);
        assert_eq!(value(&model, &X), [5.0, 11.0], "{input:?} {dims:?}");
        assert_eq!(output_shape(&model), shape, "{input:?} {dims:?}");
    }
    let product = |input, factors: [&str; 2]| {
        model(13, input, vec![node("MatMul", &factors, "y")], vec![floats("w", &[3], &[1.0, 2.0, 3.0])])
    };
    assert_eq!(value(&product(&[1, 3], ["x", "w"]), &X), [5.0]);
    assert_eq!(output_shape(&product(&[1, 3], ["x", "w"])), [1]);
    assert_eq!(value(&product(&[3], ["w", "x"]), &X), [5.0]);
    assert_eq!(output_shape(&product(&[3], ["w", "x"])), [0; 0]);
}

#[test]
fn matmul_applies_a_shared_matrix_to_every_row_or_column() {
    let w = || vec![floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0])];
    let x = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    let rows = model(13, &[1, 3, 2], vec![node("MatMul", &["x", "w"], "y")], w());
    assert_eq!(value(&rows, &x), [1.0, 2.0, 3.0, 4.0, 4.0, 6.0]);
    let columns = model(13, &[1, 2, 3], vec![node("MatMul", &["w", "x"], "y")], w());
    assert_eq!(value(&columns, &x), [3.0, 2.0, 2.0, 7.0, 4.0, 4.0]);
    assert_eq!(output_shape(&columns), [1, 2, 3]);
}

#[test]
fn matmul_applies_a_stack_of_matrices() {
    let stack = || vec![floats("w", &[2, 2, 2], &[1.0, 0.0, 0.0, 1.0, 0.0, 2.0, 3.0, 0.0])];
    let times = |dims: &[i64], factors: [&str; 2]| of_shape(13, dims, node("MatMul", &factors, "y"), stack());
    let x = [1.0, 2.0, 3.0, 4.0];
    // one row each
    assert_eq!(value(&times(&[2, 1, 2], ["t", "w"]), &x), [1.0, 2.0, 12.0, 6.0]);
    assert_eq!(output_shape(&times(&[2, 1, 2], ["t", "w"])), [2, 1, 2]);
    // one column each
    assert_eq!(value(&times(&[2, 2, 1], ["w", "t"]), &x), [1.0, 2.0, 8.0, 9.0]);
    // the same matrix with every matrix of the stack
    assert_eq!(value(&times(&[1, 2, 2], ["t", "w"]), &x), [1.0, 2.0, 3.0, 4.0, 6.0, 2.0, 12.0, 6.0]);
    assert_eq!(value(&times(&[2, 2], ["w", "t"]), &x), [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 3.0, 6.0]);
    assert_eq!(output_shape(&times(&[2, 2], ["w", "t"])), [2, 2, 2]);
    // one matrix for a stack of columns
    let shared = vec![floats("w", &[1, 2], &[10.0, 1.0])];
    let shared = of_shape(13, &[2, 2, 1], node("MatMul", &["w", "t"], "y"), shared);
    assert_eq!(value(&shared, &x), [12.0, 34.0]);
    let shared = vec![floats("w", &[2, 2], &[10.0, 1.0, 0.0, -1.0])];
    let shared = of_shape(13, &[2, 2, 1], node("MatMul", &["w", "t"], "y"), shared);
    assert_eq!(value(&shared, &x), [12.0, -2.0, 34.0, -4.0]);
}

#[test]
fn no_matrix_is_formed_for_many_vectors() {
    let rows = vec![floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0])];
    let rows = import(&of_shape(13, &[500, 2], node("MatMul", &["t", "w"], "y"), rows)).expect("understood");
    assert_eq!(rows.network.parameters(), 4);
}

#[test]
fn products_that_do_not_fit_are_read() {
    let one = |node, stored| refusal(&model(13, &[1, 3], vec![node], stored));
    let misfit = one(node("MatMul", &["x", "x"], "y"), vec![]);
    assert!(misfit.ends_with("cannot multiply the shapes [1, 3] and [1, 3]"), "{misfit}");
    let misfit = one(node("MatMul", &["x", "w"], "y"), vec![floats("w", &[2, 3], &W)]);
    assert_eq!(misfit, "test.onnx: node 'y_node' (MatMul): cannot multiply the shapes [1, 3] and [2, 3]");
    let bias = one(node("Gemm", &["x", "w", "c"], "y"), vec![floats("w", &[3, 2], &W), floats("c", &[3], &[0.0; 3])]);
    assert!(bias.contains("cannot combine the shapes [3] and [1, 2]"), "{bias}");
    let nan = one(node("MatMul", &["x", "w"], "y"), vec![floats("w", &[3, 1], &[1.0, f32::NAN, 0.0])]);
    assert!(nan.ends_with("its input 'w' holds NaN; every weight must be a finite number"), "{nan}");
    let infinite = one(node("Gemm", &["x", "w"], "y"), vec![floats("w", &[3, 1], &[1.0, f32::INFINITY, 0.0])]);
    assert!(infinite.ends_with("its input 'w' holds inf; every weight must be a finite number"), "{infinite}");
    let empty = one(node("MatMul", &["x", "w"], "y"), vec![floats("w", &[3, 0], &[])]);
    assert!(empty.ends_with("works on a tensor without entries"), "{empty}");
    let large = refusal(&model(
        13,
        &[1, 1 << 20, 1],
        vec![node("MatMul", &["x", "w"], "y")],
        vec![floats("w", &[1, 32], &[2.0; 32])],
    ));
    assert!(large.ends_with("at most 16777216 numbers are supported"), "{large}");
}
