//! BatchNormalization.

use super::{of_shape, value};
use crate::import::onnx::proto::{AttributeProto, ModelProto, TensorProto};
use crate::import::onnx::testing::{attribute_float, attribute_int, floats, model, node, refusal, with};

/// y = scale·(x − mean)/√(variance + epsilon) + shift, for two channels: 2·(x − 1)/√4 + 10 and 3·(x + 1)/√9 − 1.
fn parameters() -> Vec<TensorProto> {
    vec![
        floats("scale", &[2], &[2.0, 3.0]),
        floats("shift", &[2], &[10.0, -1.0]),
        floats("mean", &[2], &[1.0, -1.0]),
        floats("variance", &[2], &[3.0, 8.0]),
    ]
}

const INPUTS: [&str; 5] = ["t", "scale", "shift", "mean", "variance"];

fn normalised(opset: i64, dims: &[i64], attributes: Vec<AttributeProto>) -> ModelProto {
    let attributes = [vec![attribute_float("epsilon", 1.0)], attributes].concat();
    of_shape(opset, dims, with(node("BatchNormalization", &INPUTS, "y"), attributes), parameters())
}

#[test]
fn channels_are_scaled_and_shifted() {
    let x = [1.0, 2.0, 3.0, 4.0];
    for (dims, expected) in [
        (&[1, 2, 2][..], [10.0, 11.0, 3.0, 4.0]),
        (&[2, 2], [10.0, 2.0, 12.0, 4.0]),
        (&[2, 2, 1, 1], [10.0, 2.0, 12.0, 4.0]),
        (&[1, 2, 1, 2, 1], [10.0, 11.0, 3.0, 4.0]),
    ] {
        for (opset, attributes) in [
            (7, vec![attribute_int("spatial", 1)]),
            (9, vec![attribute_float("momentum", 0.5)]),
            (15, vec![attribute_int("training_mode", 0)]),
        ] {
            assert_eq!(value(&normalised(opset, dims, attributes), &x), expected, "{dims:?}, {opset}");
        }
    }
}

#[test]
fn epsilon_has_a_default() {
    let model = of_shape(15, &[1, 2], node("BatchNormalization", &INPUTS, "y"), parameters());
    let expected = 2.0 * 4.0 / (3.0 + f64::from(1e-5_f32)).sqrt() + 10.0;
    assert!((value(&model, &[5.0, 0.0])[0] - expected).abs() < 1e-12);
}

#[test]
fn training_and_odd_statistics_are_refused() {
    let one = |opset, attribute| refusal(&normalised(opset, &[1, 2, 1], vec![attribute]));
    let training = "is in training mode; export in inference mode";
    assert!(one(15, attribute_int("training_mode", 1)).ends_with(training));
    assert!(one(7, attribute_int("spatial", 0)).contains("(spatial = 0), which is not supported"));
    assert!(one(9, attribute_int("spatial", 1)).contains("'spatial', which is not understood in this operator set"));
    let mut node = node("BatchNormalization", &INPUTS, "y");
    node.output.push("running mean".to_owned());
    assert!(refusal(&of_shape(9, &[1, 2, 1], node, parameters())).ends_with(training));
    let wide = refusal(&normalised(15, &[1, 3], vec![]));
    assert!(wide.ends_with("has statistics of shape [2] for 3 channels"), "{wide}");
    let flat = refusal(&normalised(15, &[2], vec![]));
    assert!(flat.ends_with("works on channels, but has an input of shape [2]"), "{flat}");
    let mut negative = parameters();
    negative[3] = floats("variance", &[2], &[3.0, -2.0]);
    let negative = of_shape(15, &[1, 2], super::node("BatchNormalization", &INPUTS, "y"), negative);
    assert!(refusal(&negative).ends_with("divides by the root of a variance that is not positive"));
    let nodes = vec![super::node("BatchNormalization", &["x", "scale", "shift", "x", "variance"], "y")];
    let variable = refusal(&model(15, &[1, 2], nodes, parameters()));
    assert!(variable.ends_with("computes its input 'x' from the network's input; only a constant is supported"));
}
