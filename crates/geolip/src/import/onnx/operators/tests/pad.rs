//! Pad.

use super::{of_shape, output_shape, ramp, value, value_without_tract};
use crate::import::onnx::proto::{AttributeProto, ModelProto};
use crate::import::onnx::testing::{
    attribute_float, attribute_ints, attribute_text, floats, import, integers, node, refusal, with,
};

/// 1, 2, 3 padded by an attribute or an input, by the mode's own constant.
fn padded(opset: i64, mode: &str, pads: &[i64]) -> ModelProto {
    let attributes = vec![attribute_text("mode", mode)];
    if opset < 11 {
        let attributes = [attributes, vec![attribute_ints("pads", pads)]].concat();
        return of_shape(opset, &[3], with(node("Pad", &["t"], "y"), attributes), vec![]);
    }
    of_shape(opset, &[3], with(node("Pad", &["t", "pads"], "y"), attributes), vec![integers("pads", pads)])
}

#[test]
fn entries_are_added_before_and_behind() {
    for (mode, pads, expected) in [
        ("constant", [1, 2], &[0.0, 1.0, 2.0, 3.0, 0.0, 0.0][..]),
        ("constant", [0, 0], &[1.0, 2.0, 3.0]),
        ("reflect", [2, 1], &[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]),
        ("edge", [2, 1], &[1.0, 1.0, 1.0, 2.0, 3.0, 3.0]),
    ] {
        for opset in [7, 11, 13, 19] {
            assert_eq!(value(&padded(opset, mode, &pads), &ramp(3)), expected, "{mode}, {opset}");
        }
    }
    let wrapped = value_without_tract(&padded(19, "wrap", &[2, 1]), &ramp(3), "Unsupported mode wrap");
    assert_eq!(wrapped, [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
    let all = value_without_tract(&padded(19, "wrap", &[3, 3]), &ramp(3), "Unsupported mode wrap");
    assert_eq!(all, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
}

#[test]
fn negative_pads_cut_off() {
    let cut = |pads: &[i64]| import(&padded(13, "constant", pads)).expect("understood").network.evaluate(&ramp(3));
    assert_eq!(cut(&[-1, 0]), [2.0, 3.0]);
    assert_eq!(cut(&[1, -2]), [0.0, 1.0]);
}

/// A matrix of 1 to 4.
fn matrix(opset: i64, inputs: &[&str], pads: &[i64], attributes: Vec<AttributeProto>) -> ModelProto {
    let stored = vec![integers("pads", pads), floats("five", &[], &[5.0]), integers("last", &[-1])];
    of_shape(opset, &[2, 2], with(node("Pad", inputs, "y"), attributes), stored)
}

#[test]
fn constants_and_axes_are_given() {
    let around = matrix(13, &["t", "pads", "five"], &[1, 0, 0, 1], vec![]);
    assert_eq!(value(&around, &ramp(4)), [5.0, 5.0, 5.0, 1.0, 2.0, 5.0, 3.0, 4.0, 5.0]);
    assert_eq!(output_shape(&around), [3, 3]);
    let early = vec![attribute_ints("pads", &[0, 1, 0, 0]), attribute_float("value", 5.0)];
    assert_eq!(value(&matrix(7, &["t"], &[], early), &ramp(4)), [5.0, 1.0, 2.0, 5.0, 3.0, 4.0]);
    let rows = import(&matrix(18, &["t", "pads", "five", "last"], &[1, 0], vec![])).expect("understood");
    assert_eq!(rows.network.evaluate(&ramp(4)), [5.0, 1.0, 2.0, 5.0, 3.0, 4.0]);
    let rows = import(&matrix(18, &["t", "pads", "", "last"], &[1, 0], vec![])).expect("understood");
    assert_eq!(rows.network.evaluate(&ramp(4)), [0.0, 1.0, 2.0, 0.0, 3.0, 4.0]);
}

#[test]
fn pads_that_make_no_sense_are_refused() {
    let infinite = floats("v", &[], &[f32::NEG_INFINITY]);
    let infinite = of_shape(13, &[3], node("Pad", &["t", "p", "v"], "y"), vec![integers("p", &[1, 0]), infinite]);
    for (text, expected) in [
        (refusal(&padded(13, "reflect", &[3, 0])), "pads an axis of size 3 by 3 and 0, more than there is to copy"),
        (refusal(&padded(19, "wrap", &[0, 4])), "pads an axis of size 3 by 0 and 4, more than there is to copy"),
        (refusal(&padded(13, "edge", &[0, -1])), "pads an axis of size 3 by 0 and -1, more than there is to copy"),
        (refusal(&padded(13, "constant", &[-2, -2])), "cuts -2 and -2 off an axis of size 3"),
        (refusal(&padded(13, "constant", &[-2, -1])), "works on a tensor without entries"),
        (refusal(&padded(13, "constant", &[1])), "has 1 pads for 1 axes"),
        (refusal(&padded(13, "constant", &[i64::MAX, 0])), "at most 16777216 numbers are supported"),
        (refusal(&padded(18, "wrap", &[1, 1])), "has mode = 'wrap', which is not understood in this operator set"),
        (
            refusal(&matrix(17, &["t", "pads", "", "last"], &[1, 0, 0, 0], vec![])),
            "not understood in this operator set",
        ),
        (refusal(&matrix(18, &["t", "pads", "", "last"], &[1, 0, 0, 0], vec![])), "has 4 pads for 1 axes"),
        (refusal(&of_shape(13, &[3], node("Pad", &["t"], "y"), vec![])), "lacks its pads"),
        (refusal(&infinite), "pads with -inf; every number must be finite"),
    ] {
        assert!(text.ends_with(expected), "{text}");
    }
}
