//! Operators that move no number, and those that give what they are given.

use super::{output_shape, value};
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{AttributeProto, ModelProto, TensorProto};
use crate::import::onnx::testing::{
    attribute_float, attribute_floats, attribute_int, attribute_ints, attribute_tensor, attribute_text, floats,
    integers, model, node, refusal, with,
};

fn shaped(
    opset: i64,
    input: &[i64],
    operator: &str,
    attributes: Vec<AttributeProto>,
    list: Option<&[i64]>,
) -> ModelProto {
    let inputs: &[&str] = if list.is_some() { &["x", "list"] } else { &["x"] };
    let stored = list.iter().map(|list| integers("list", list)).collect();
    model(opset, input, vec![with(node(operator, inputs, "y"), attributes)], stored)
}

#[test]
fn flatten_splits_at_any_axis() {
    for (axis, expected) in [(0, [1, 24]), (1, [1, 24]), (2, [2, 12]), (4, [24, 1]), (-1, [6, 4]), (-4, [1, 24])] {
        let flat = shaped(13, &[1, 2, 3, 4], "Flatten", vec![attribute_int("axis", axis)], None);
        assert_eq!(output_shape(&flat), expected, "axis {axis}");
    }
    assert_eq!(output_shape(&shaped(7, &[0, 2, 3], "Flatten", vec![], None)), [1, 6]);
    let far = refusal(&shaped(13, &[1, 2], "Flatten", vec![attribute_int("axis", 3)], None));
    assert!(far.ends_with("names the axis '3', which does not exist"), "{far}");
}

#[test]
fn reshape_keeps_and_infers_dimensions() {
    for (target, expected) in [
        (&[6, 4][..], &[6, 4][..]),
        (&[-1], &[24]),
        (&[0, -1], &[1, 24]),
        (&[0, 0, 12], &[1, 2, 12]),
        (&[2, -1, 1], &[2, 12, 1]),
    ] {
        assert_eq!(output_shape(&shaped(13, &[1, 2, 3, 4], "Reshape", vec![], Some(target))), expected, "{target:?}");
    }
    for (target, expected) in [
        (&[5, 5][..], "cannot turn the shape [1, 2, 3, 4] into [5, 5]"),
        (&[-1, -1], "has the target shape [-1, -1]"),
        (&[-2], "has the target shape [-2]"),
        (&[1, 2, 3, 4, 0], "keeps a dimension that is not there"),
        (&[i64::MAX, i64::MAX], "has more entries than can be counted"),
        (&[7, -1], "cannot turn the shape [1, 2, 3, 4] into [7, 3]"),
    ] {
        let text = refusal(&shaped(13, &[1, 2, 3, 4], "Reshape", vec![], Some(target)));
        assert!(text.ends_with(expected), "{text}");
    }
    let zero = shaped(14, &[1, 2], "Reshape", vec![attribute_int("allowzero", 1)], Some(&[0, 2]));
    assert!(refusal(&zero).ends_with("cannot turn the shape [1, 2] into [0, 2]"));
    let zero = shaped(14, &[1, 2], "Reshape", vec![attribute_int("allowzero", 1)], Some(&[0, -1]));
    assert!(refusal(&zero).ends_with("leaves a dimension undetermined"));
    let early = shaped(13, &[1, 2], "Reshape", vec![attribute_int("allowzero", 0)], Some(&[2]));
    assert!(refusal(&early).contains("the attribute 'allowzero', which is not understood"));
}

#[test]
fn squeeze_and_unsqueeze_take_axes_as_attribute_or_input() {
    let axes = |axes| vec![attribute_ints("axes", axes)];
    assert_eq!(output_shape(&shaped(11, &[1, 1, 3, 1], "Squeeze", axes(&[1, -1]), None)), [1, 3]);
    assert_eq!(output_shape(&shaped(13, &[1, 1, 3, 1], "Squeeze", vec![], Some(&[1]))), [1, 3, 1]);
    assert_eq!(output_shape(&shaped(13, &[1, 1, 3, 1], "Squeeze", vec![], None)), [3]);
    assert_eq!(output_shape(&shaped(11, &[1, 3], "Unsqueeze", axes(&[0, 3]), None)), [1, 1, 3, 1]);
    assert_eq!(output_shape(&shaped(13, &[1, 3], "Unsqueeze", vec![], Some(&[-1, 1]))), [1, 1, 3, 1]);
    let wide = refusal(&shaped(13, &[1, 3], "Squeeze", vec![], Some(&[1])));
    assert!(wide.ends_with("drops axis 1 of the shape [1, 3], which is not of size 1"), "{wide}");
    let twice = refusal(&shaped(13, &[1, 3], "Unsqueeze", vec![], Some(&[0, 0])));
    assert!(twice.ends_with("names an axis twice in [0, 0]"), "{twice}");
    assert!(refusal(&shaped(13, &[1, 3], "Unsqueeze", vec![], None)).ends_with("lacks its axes"));
    assert!(refusal(&shaped(13, &[1, 3], "Unsqueeze", axes(&[0]), None)).ends_with("lacks its axes"));
}

#[test]
fn identity_cast_and_idle_dropout_change_nothing() {
    let x = [1.5, -2.0];
    let after = |opset, node| value(&model(opset, &[1, 2], vec![node, super::node("Abs", &["c"], "y")], vec![]), &x);
    assert_eq!(after(13, node("Identity", &["x"], "c")), [1.5, 2.0]);
    assert_eq!(after(13, with(node("Cast", &["x"], "c"), vec![attribute_int("to", 1)])), [1.5, 2.0]);
    assert_eq!(after(24, with(node("Cast", &["x"], "c"), vec![attribute_int("to", 1)])), [1.5, 2.0]);
    assert_eq!(after(7, node("Dropout", &["x"], "c")), [1.5, 2.0]);
    assert_eq!(after(10, with(node("Dropout", &["x"], "c"), vec![attribute_float("ratio", 0.9)])), [1.5, 2.0]);
    assert_eq!(after(13, with(node("Dropout", &["x"], "c"), vec![attribute_int("seed", 7)])), [1.5, 2.0]);
    let single = |to| refusal(&shaped(13, &[1, 2], "Cast", vec![attribute_int("to", to)], None));
    assert!(single(7).ends_with("casts to int64; float16, bfloat16, float32 and float64 are supported"));
    assert!(single(99).ends_with("casts to 99 (unknown); float16, bfloat16, float32 and float64 are supported"));
}

#[test]
fn dropout_in_training_mode_and_its_mask_are_refused() {
    let training = |on: i32| {
        let mode = TensorProto { int32_data: vec![on], ..floats("mode", &[], &[]) };
        let mode = TensorProto { data_type: DataType::Bool as i32, ..mode };
        let dropout = node("Dropout", &["x", "", "mode"], "y");
        model(13, &[1, 2], vec![dropout], vec![mode])
    };
    assert!(refusal(&training(1)).ends_with("is in training mode, which is random; export in inference mode"));
    assert_eq!(value(&training(0), &[1.0, 2.0]), [1.0, 2.0]);
    let mut dropout = node("Dropout", &["x"], "z");
    dropout.output.push("mask".to_owned());
    let unused = model(13, &[1, 2], vec![dropout.clone(), node("Relu", &["z"], "y")], vec![]);
    assert_eq!(value(&unused, &[1.0, 2.0]), [1.0, 2.0]);
    let used = model(13, &[1, 2], vec![dropout, node("Add", &["z", "mask"], "y")], vec![]);
    assert!(refusal(&used).ends_with("'y_node' (Add): reads 'mask', an output that is not supported"));
}

#[test]
fn constants_come_in_every_attribute() {
    let sum = |attribute: AttributeProto| {
        let nodes = vec![with(node("Constant", &[], "c"), vec![attribute]), node("Add", &["x", "c"], "y")];
        model(13, &[1, 2], nodes, vec![])
    };
    assert_eq!(value(&sum(attribute_tensor("value", floats("", &[2], &[1.0, 2.0]))), &[0.0; 2]), [1.0, 2.0]);
    assert_eq!(value(&sum(attribute_float("value_float", 3.0)), &[0.0; 2]), [3.0, 3.0]);
    assert_eq!(value(&sum(attribute_floats("value_floats", &[1.0, 2.0])), &[0.0; 2]), [1.0, 2.0]);
    for integers in [attribute_int("value_int", 3), attribute_ints("value_ints", &[1, 2])] {
        assert!(
            refusal(&sum(integers)).ends_with("its input 'c' holds integers where floating-point numbers are needed")
        );
    }
    assert!(refusal(&sum(attribute_text("value_string", "a"))).contains("holds no dense tensor of numbers"));
    let list = vec![
        with(node("Constant", &[], "s"), vec![attribute_ints("value_ints", &[2, 1])]),
        node("Reshape", &["x", "s"], "y"),
    ];
    assert_eq!(output_shape(&model(13, &[1, 2], list, vec![])), [2, 1]);
}

#[test]
fn constants_are_cast_and_reshaped() {
    let nodes = vec![
        with(node("Cast", &["n"], "c"), vec![attribute_int("to", 1)]),
        node("Unsqueeze", &["c", "axes"], "d"),
        node("Identity", &["d"], "e"),
        node("Add", &["x", "e"], "y"),
    ];
    let cast = model(13, &[1, 2], nodes, vec![integers("n", &[3, 4]), integers("axes", &[0])]);
    assert_eq!(value(&cast, &[0.0, 0.0]), [3.0, 4.0]);
}
