//! Add, Sub, Mul, Div, Neg, and constants among themselves.

use super::{output_shape, value, value_without_tract};
use crate::import::onnx::proto::ModelProto;
use crate::import::onnx::testing::{floats, integers, model, node, refusal};

fn with_constant(operator: &str, factors: [&str; 2], dims: &[i64], c: &[f32]) -> ModelProto {
    model(13, &[1, 2], vec![node(operator, &factors, "y")], vec![floats("c", dims, c)])
}

#[test]
fn a_constant_meets_a_tensor_in_either_order() {
    let x = [10.0, 20.0];
    for (operator, factors, expected) in [
        ("Add", ["x", "c"], [12.0, 24.0]),
        ("Add", ["c", "x"], [12.0, 24.0]),
        ("Sub", ["x", "c"], [8.0, 16.0]),
        ("Sub", ["c", "x"], [-8.0, -16.0]),
        ("Mul", ["x", "c"], [20.0, 80.0]),
        ("Mul", ["c", "x"], [20.0, 80.0]),
        ("Div", ["x", "c"], [5.0, 5.0]),
    ] {
        for dims in [&[2][..], &[1, 2]] {
            assert_eq!(value(&with_constant(operator, factors, dims, &[2.0, 4.0]), &x), expected, "{operator}");
        }
        let scalar = value(&with_constant(operator, factors, &[], &[2.0]), &x);
        assert_eq!(scalar[0], expected[0], "{operator}");
    }
}

#[test]
fn constants_of_higher_rank_lift_the_shape() {
    let lifted = with_constant("Add", ["x", "c"], &[1, 1, 1, 2], &[1.0, 2.0]);
    assert_eq!(value(&lifted, &[0.0, 0.0]), [1.0, 2.0]);
    assert_eq!(output_shape(&lifted), [1, 1, 1, 2]);
    let misfit = refusal(&with_constant("Mul", ["x", "c"], &[3], &[0.0; 3]));
    assert!(misfit.ends_with("cannot combine the shapes [1, 2] and [3]"), "{misfit}");
}

#[test]
fn tensors_are_repeated_like_constants() {
    let lifted = |operator, factors: [&str; 2]| with_constant(operator, factors, &[2, 1], &[1.0, 2.0]);
    let x = [10.0, 20.0];
    assert_eq!(value(&lifted("Add", ["x", "c"]), &x), [11.0, 21.0, 12.0, 22.0]);
    assert_eq!(value(&lifted("Sub", ["c", "x"]), &x), [-9.0, -19.0, -8.0, -18.0]);
    assert_eq!(value(&lifted("Mul", ["c", "x"]), &x), [10.0, 20.0, 20.0, 40.0]);
    assert_eq!(value(&lifted("Div", ["x", "c"]), &x), [10.0, 20.0, 5.0, 10.0]);
    assert_eq!(output_shape(&lifted("Div", ["x", "c"])), [2, 2]);
    let zeros = with_constant("Add", ["x", "c"], &[2, 1], &[0.0, 0.0]);
    assert_eq!(value(&zeros, &x), [10.0, 20.0, 10.0, 20.0]);
    // a column minus a row, both from the input
    let column = |operator| {
        let nodes = vec![node("Reshape", &["x", "dims"], "column"), node(operator, &["column", "x"], "y")];
        model(13, &[1, 2], nodes, vec![integers("dims", &[2, 1])])
    };
    assert_eq!(value(&column("Sub"), &x), [0.0, -10.0, 10.0, 0.0]);
    assert_eq!(value(&column("Add"), &x), [20.0, 30.0, 30.0, 40.0]);
    let large = refusal(&with_constant("Add", ["x", "c"], &[1 << 24, 1], &[]));
    assert!(large.contains("claims 16777216 numbers"), "{large}");
}

#[test]
fn any_number_of_tensors_are_summed_and_averaged() {
    let many = |operator, inputs: &[&str]| {
        let nodes = vec![node("Neg", &["x"], "n"), node(operator, inputs, "y")];
        model(13, &[1, 2], nodes, vec![floats("c", &[2], &[1.0, 2.0]), floats("d", &[], &[4.0])])
    };
    let x = [10.0, 20.0];
    assert_eq!(value(&many("Sum", &["x"]), &x), x);
    assert_eq!(value(&many("Sum", &["x", "c", "x", "d", "n"]), &x), [15.0, 26.0]);
    let why = "tract cannot run this file";
    assert_eq!(value_without_tract(&many("Mean", &["c", "x", "x", "d"]), &x, why), [6.25, 11.5]);
    assert_eq!(value(&many("Mean", &["x", "n"]), &x), [0.0, 0.0]);
    assert_eq!(value(&many("Mean", &["x"]), &x), x);
    assert!(refusal(&many("Mean", &[])).contains("lacks its input 0"));
}

#[test]
fn branches_add_and_subtract() {
    let nodes = |operator| vec![node("Relu", &["x"], "z"), node("Neg", &["x"], "n"), node(operator, &["z", "n"], "y")];
    assert_eq!(value(&model(13, &[1, 2], nodes("Add"), vec![]), &[3.0, -2.0]), [0.0, 2.0]);
    assert_eq!(value(&model(13, &[1, 2], nodes("Sub"), vec![]), &[3.0, -2.0]), [6.0, -2.0]);
    let doubled = model(13, &[1, 2], vec![node("Add", &["x", "x"], "y")], vec![]);
    assert_eq!(value(&doubled, &[3.0, -2.0]), [6.0, -4.0]);
}

#[test]
fn products_of_two_tensors_are_read_and_repeated_by_broadcasting() {
    let square = model(13, &[1, 2], vec![node("Mul", &["x", "x"], "y")], vec![]);
    assert_eq!(value(&square, &[3.0, -2.0]), [9.0, 4.0]);
    let nodes = vec![node("Relu", &["x"], "z"), node("Mul", &["x", "z"], "y")];
    assert_eq!(value(&model(13, &[1, 2], nodes, vec![]), &[3.0, -2.0]), [9.0, 0.0]);
    let nodes = vec![
        node("Reshape", &["x", "column"], "c"),
        node("Reshape", &["x", "row"], "r"),
        node("Mul", &["c", "r"], "y"),
    ];
    let shapes = vec![integers("column", &[2, 1]), integers("row", &[1, 2])];
    let outer = model(13, &[1, 2], nodes, shapes);
    assert_eq!(value(&outer, &[3.0, -2.0]), [9.0, -6.0, -6.0, 4.0]);
}

#[test]
fn a_division_by_zero_or_a_number_that_is_none_is_read() {
    let zero = refusal(&with_constant("Div", ["x", "c"], &[2], &[1.0, 0.0]));
    assert!(zero.ends_with("node 'y_node' (Div): divides by zero"), "{zero}");
    let subnormal = refusal(&with_constant("Div", ["x", "c"], &[2], &[1.0, f32::NAN]));
    assert!(subnormal.ends_with("its input 'c' holds NaN; every weight must be a finite number"), "{subnormal}");
}

/// Dimensions and numbers.
type Stored<'a> = (&'a [i64], &'a [f32]);

/// x + (a ∘ b), where a ∘ b is folded while importing.
fn folded(operator: &str, a: Stored<'_>, b: Stored<'_>) -> ModelProto {
    let nodes = vec![node(operator, &["a", "b"], "c"), node("Add", &["x", "c"], "y")];
    model(13, &[1, 2], nodes, vec![floats("a", a.0, a.1), floats("b", b.0, b.1)])
}

#[test]
fn constants_combine_among_themselves() {
    let (row, one): (Stored<'_>, Stored<'_>) = ((&[2], &[6.0, 8.0]), (&[], &[2.0]));
    for (operator, expected) in [("Add", [8.0, 10.0]), ("Sub", [4.0, 6.0]), ("Mul", [12.0, 16.0]), ("Div", [3.0, 4.0])]
    {
        assert_eq!(value(&folded(operator, row, one), &[0.0, 0.0]), expected, "{operator}");
    }
    let negated = vec![node("Neg", &["a"], "c"), node("Add", &["x", "c"], "y")];
    let negated = model(13, &[1, 2], negated, vec![floats("a", &[2], &[6.0, 8.0])]);
    assert_eq!(value(&negated, &[0.0, 0.0]), [-6.0, -8.0]);
    let infinite = refusal(&folded("Div", row, (&[], &[0.0])));
    assert!(infinite.ends_with("its input 'c' holds inf; every weight must be a finite number"), "{infinite}");
}

#[test]
fn integers_combine_without_overflow() {
    let reshaped = |operator, a: &[i64], b: &[i64]| {
        let nodes = vec![node(operator, &["a", "b"], "s"), node("Reshape", &["x", "s"], "y")];
        model(13, &[1, 6], nodes, vec![integers("a", a), integers("b", b)])
    };
    assert_eq!(output_shape(&reshaped("Mul", &[1, 3], &[2, 1])), [2, 3]);
    assert_eq!(output_shape(&reshaped("Div", &[7, 6], &[3, 2])), [2, 3]);
    assert!(refusal(&reshaped("Mul", &[i64::MAX, 1], &[2, 1])).ends_with("overflows or divides by zero"));
    assert!(refusal(&reshaped("Div", &[2, 1], &[0, 1])).ends_with("overflows or divides by zero"));
    let mixed = vec![node("Add", &["a", "b"], "c"), node("Add", &["x", "c"], "y")];
    let mixed = model(13, &[1, 2], mixed, vec![integers("a", &[1]), floats("b", &[1], &[1.0])]);
    assert!(refusal(&mixed).ends_with("mixes integers with floating-point numbers"));
}
