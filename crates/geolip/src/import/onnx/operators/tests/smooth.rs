//! Exp, Log, powers, quotients and what is made of them; Softmax and its kin; products of matrices.

use super::{output_shape, value};
use crate::import::onnx::proto::{ModelProto, NodeProto};
use crate::import::onnx::testing::{attribute_float, attribute_int, floats, integers, model, node, refusal, with};

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-6 * (1.0 + expected.abs()), "{found} is not {expected}");
    }
}

fn unary(operator: &str) -> ModelProto {
    model(13, &[2], vec![node(operator, &["x"], "y")], vec![])
}

/// An operator and its function.
type Known = (&'static str, fn(f64) -> f64);

#[test]
fn functions_of_one_number_are_not_those_of_the_standard() {
    // of numbers between 0 and 1, so that the inputs that are compared are in all domains
    let functions: [Known; 15] = [
        ("Exp", f64::exp),
        ("Log", f64::ln),
        ("Sqrt", f64::sqrt),
        ("Reciprocal", |v| 1.0 / v),
        ("Erf", libm::erf),
        ("Atan", f64::atan),
        ("Asin", f64::asin),
        ("Acos", f64::acos),
        ("Sinh", f64::sinh),
        ("Cosh", f64::cosh),
        ("Tan", f64::tan),
        ("Asinh", f64::asinh),
        ("Atanh", f64::atanh),
        ("Sin", f64::sin),
        ("Cos", f64::cos),
    ];
    let of = |first: &str, operator: &str| {
        model(13, &[2], vec![node(first, &["x"], "s"), node(operator, &["s"], "y")], vec![])
    };
    let x = [0.25, -1.5];
    for (operator, f) in functions {
        close(&value(&of("Sigmoid", operator), &x), &x.map(|v| f(1.0 / (1.0 + (-v).exp()))));
    }
    let above = vec![node("Exp", &["x"], "s"), node("Add", &["s", "one"], "t"), node("Acosh", &["t"], "y")];
    close(&value(&model(13, &[2], above, vec![floats("one", &[], &[1.0])]), &x), &x.map(|v| (v.exp() + 1.0).acosh()));
}

#[test]
fn powers_take_whole_numbers_fractions_and_constants_as_base() {
    let power = |inputs: [&str; 2], c: &[f32]| {
        let dims: &[i64] = if c.len() == 1 { &[] } else { &[2] };
        model(13, &[2], vec![node("Pow", &inputs, "y")], vec![floats("c", dims, c)])
    };
    let x = [0.5, 2.0];
    for p in [1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 1.5] {
        close(&value(&power(["x", "c"], &[p]), &x), &x.map(|v: f64| v.powf(f64::from(p))));
    }
    close(&value(&power(["c", "x"], &[3.0]), &x), &x.map(|v| 3f64.powf(v)));
    close(&value(&power(["x", "x"], &[1.0]), &x), &x.map(|v| v.powf(v)));
    assert!(refusal(&power(["x", "c"], &[1.0, 2.0])).contains("different powers"));
    assert!(refusal(&power(["c", "x"], &[-1.0])).contains("not positive"));
    let whole = model(13, &[2], vec![node("Pow", &["x", "c"], "y")], vec![integers("c", &[3])]);
    close(&value(&whole, &x), &[0.125, 8.0]);
}

#[test]
fn quotients_are_not_products_with_a_reciprocal() {
    let of =
        |inputs: [&str; 2]| model(13, &[2], vec![node("Div", &inputs, "y")], vec![floats("c", &[2], &[3.0, -1.0])]);
    close(&value(&of(["c", "x"]), &[0.5, 4.0]), &[6.0, -0.25]);
    close(&value(&of(["x", "x"]), &[0.5, 4.0]), &[1.0, 1.0]);
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().map(|v| v.exp()).sum();
    x.iter().map(|v| v.exp() / sum).collect()
}

#[test]
fn softmax_goes_along_another_axis_or_is_off_for_any_size() {
    for n in [1, 2, 3, 4, 5, 7, 8, 9, 17] {
        let x: Vec<f64> = (0..n).map(|i| f64::from(i * i % 7) * 0.5 - 1.0).collect();
        let of = |operator: &str| model(13, &[i64::from(n)], vec![node(operator, &["x"], "y")], vec![]);
        let logarithms: Vec<f64> = softmax(&x).iter().map(|s| s.ln()).collect();
        if n > 1 {
            close(&value(&of("Softmax"), &x), &softmax(&x));
            close(&value(&of("LogSoftmax"), &x), &logarithms);
        }
        close(&value(&of("ReduceLogSumExp"), &x), &[x.iter().map(|v| v.exp()).sum::<f64>().ln()]);
    }
    let matrix = |opset: i64, axis: i64| {
        model(opset, &[2, 3], vec![with(node("Softmax", &["x"], "y"), vec![attribute_int("axis", axis)])], vec![])
    };
    let x = [0.1, 0.5, -0.3, 1.0, 0.2, 0.4];
    let rows = [softmax(&x[..3]), softmax(&x[3..])].concat();
    close(&value(&matrix(13, -1), &x), &rows);
    close(&value(&matrix(11, 1), &x), &rows);
    close(&value(&matrix(11, 0), &x), &softmax(&x));
    let columns: Vec<Vec<f64>> = (0..3).map(|j| softmax(&[x[j], x[j + 3]])).collect();
    close(&value(&matrix(13, 0), &x), &(0..6).map(|i| columns[i % 3][i / 3]).collect::<Vec<_>>());
    assert_eq!(output_shape(&matrix(13, 0)), [2, 3]);
}

#[test]
fn normalisations_divide_by_other_statistics_than_the_standard_says() {
    let x = [1.0, 2.0, 4.0, -1.0, 0.5, 3.0];
    let standard = |x: &[f64], epsilon: f64| -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
        x.iter().map(|v| (v - mean) / (variance + epsilon).sqrt()).collect()
    };
    let constants = || vec![floats("s", &[3], &[1.0, 2.0, -1.0]), floats("b", &[3], &[0.5, 0.0, 1.0])];
    let scaled = |y: Vec<f64>| -> Vec<f64> {
        y.iter().enumerate().map(|(i, v)| v * [1.0, 2.0, -1.0][i % 3] + [0.5, 0.0, 1.0][i % 3]).collect()
    };
    let layer = with(node("LayerNormalization", &["x", "s", "b"], "y"), vec![attribute_float("epsilon", 0.125)]);
    let expected = scaled([standard(&x[..3], 0.125), standard(&x[3..], 0.125)].concat());
    close(&value(&model(17, &[2, 3], vec![layer], constants()), &x), &expected);
    let root = |x: &[f64]| {
        x.iter().map(|v| v / (x.iter().map(|v| v * v).sum::<f64>() / 3.0 + 0.125).sqrt()).collect::<Vec<_>>()
    };
    let rms = with(node("RMSNormalization", &["x", "s"], "y"), vec![attribute_float("epsilon", 0.125)]);
    let expected: Vec<f64> =
        [root(&x[..3]), root(&x[3..])].concat().iter().enumerate().map(|(i, v)| v * [1.0, 2.0, -1.0][i % 3]).collect();
    close(&value(&model(23, &[2, 3], vec![rms], vec![floats("s", &[3], &[1.0, 2.0, -1.0])]), &x), &expected);
    let channels = || vec![floats("s", &[2], &[1.0, 2.0]), floats("b", &[2], &[0.5, 0.0])];
    let each = |y: Vec<f64>| -> Vec<f64> {
        y.iter().enumerate().map(|(i, v)| v * [1.0, 2.0][i / 3] + [0.5, 0.0][i / 3]).collect()
    };
    let instance = with(node("InstanceNormalization", &["x", "s", "b"], "y"), vec![attribute_float("epsilon", 0.125)]);
    let expected = each([standard(&x[..3], 0.125), standard(&x[3..], 0.125)].concat());
    close(&value(&model(13, &[1, 2, 3], vec![instance], channels()), &x), &expected);
    let group = with(
        node("GroupNormalization", &["x", "s", "b"], "y"),
        vec![attribute_float("epsilon", 0.125), attribute_int("num_groups", 1)],
    );
    close(&value(&model(21, &[1, 2, 3], vec![group], channels()), &x), &each(standard(&x, 0.125)));
    let unit = with(node("LpNormalization", &["x"], "y"), vec![attribute_int("axis", 1)]);
    let length = |x: &[f64]| x.iter().map(|v| v / x.iter().map(|v| v * v).sum::<f64>().sqrt()).collect::<Vec<_>>();
    close(&value(&model(13, &[2, 3], vec![unit], vec![]), &x), &[length(&x[..3]), length(&x[3..])].concat());
}

#[test]
fn reductions_are_not_norms_and_sums_of_squares() {
    let x = [3.0, -4.0];
    for (operator, expected) in [("ReduceL1", 7.0), ("ReduceL2", 5.0), ("ReduceSumSquare", 25.0)] {
        close(&value(&unary(operator), &x), &[expected]);
    }
    close(&value(&unary("ReduceLogSum"), &[3.0, 4.0]), &[7f64.ln()]);
}

#[test]
fn products_of_matrices_that_both_depend_on_the_input_are_mixed_up() {
    let nodes = |shapes: [&str; 2]| -> Vec<NodeProto> {
        vec![
            node("Reshape", &["x", shapes[0]], "a"),
            node("Reshape", &["x", shapes[1]], "b"),
            node("MatMul", &["a", "b"], "y"),
        ]
    };
    let shape = |name: &str, dims: &[i64]| integers(name, dims);
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let plain = model(13, &[6], nodes(["p", "q"]), vec![shape("p", &[2, 3]), shape("q", &[3, 2])]);
    close(&value(&plain, &x), &[22.0, 28.0, 49.0, 64.0]);
    assert_eq!(output_shape(&plain), [2, 2]);
    let batch = model(13, &[6], nodes(["p", "q"]), vec![shape("p", &[3, 1, 2]), shape("q", &[3, 2, 1])]);
    close(&value(&batch, &x), &[5.0, 25.0, 61.0]);
    let vector = model(13, &[6], nodes(["p", "q"]), vec![shape("p", &[6]), shape("q", &[6])]);
    close(&value(&vector, &x), &[91.0]);
    let repeated = model(13, &[6], nodes(["p", "q"]), vec![shape("p", &[1, 3, 2]), shape("q", &[3, 2, 1])]);
    close(&value(&repeated, &x), &[5.0, 11.0, 17.0, 11.0, 25.0, 39.0, 17.0, 39.0, 61.0]);
}

#[test]
fn gemm_of_two_tensors_forgets_a_transposition_or_a_factor() {
    let nodes = |transposed: [i64; 2]| -> Vec<NodeProto> {
        let attributes = vec![
            attribute_int("transA", transposed[0]),
            attribute_int("transB", transposed[1]),
            attribute_float("alpha", 0.5),
        ];
        let gemm = with(node("Gemm", &["a", "b", "c"], "y"), attributes);
        vec![node("Reshape", &["x", "p"], "a"), node("Reshape", &["x", "q"], "b"), gemm]
    };
    let of = |transposed: [i64; 2], p: [i64; 2], q: [i64; 2]| {
        let stored = vec![integers("p", &p), integers("q", &q), floats("c", &[], &[1.0])];
        model(13, &[6], nodes(transposed), stored)
    };
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    close(&value(&of([0, 0], [2, 3], [3, 2]), &x), &[12.0, 15.0, 25.5, 33.0]);
    close(&value(&of([0, 1], [2, 3], [2, 3]), &x), &[8.0, 17.0, 17.0, 39.5]);
    close(&value(&of([1, 0], [2, 3], [2, 3]), &x), &[9.5, 12.0, 14.5, 12.0, 15.5, 19.0, 14.5, 19.0, 23.5]);
}
