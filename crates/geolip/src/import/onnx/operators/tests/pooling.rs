//! Pools, moving and over whole images.

use super::{of_shape, output_shape, ramp, value};
use crate::import::onnx::proto::{AttributeProto, ModelProto};
use crate::import::onnx::testing::{attribute_int, attribute_ints, attribute_text, import, model, node, refusal, with};

fn pool(operator: &str, opset: i64, dims: &[i64], kernel: &[i64], attributes: Vec<AttributeProto>) -> ModelProto {
    let attributes = [vec![attribute_ints("kernel_shape", kernel)], attributes].concat();
    of_shape(opset, dims, with(node(operator, &["t"], "y"), attributes), vec![])
}

fn average(dims: &[i64], kernel: &[i64], attributes: Vec<AttributeProto>) -> ModelProto {
    pool("AveragePool", 13, dims, kernel, attributes)
}

fn maximum(dims: &[i64], kernel: &[i64], attributes: Vec<AttributeProto>) -> ModelProto {
    pool("MaxPool", 13, dims, kernel, attributes)
}

#[test]
fn averages_move() {
    let ceil = || attribute_int("ceil_mode", 1);
    let counted = || attribute_int("count_include_pad", 1);
    let strides = |strides: i64| attribute_ints("strides", &[strides]);
    for (attributes, expected) in [
        (vec![], &[1.5, 2.5, 3.5, 4.5][..]),
        (vec![strides(2)], &[1.5, 3.5]),
        (vec![strides(2), ceil()], &[1.5, 3.5, 5.0]),
        (vec![attribute_ints("pads", &[1, 0])], &[1.0, 1.5, 2.5, 3.5, 4.5]),
        (vec![attribute_ints("pads", &[1, 0]), counted()], &[0.5, 1.5, 2.5, 3.5, 4.5]),
        (vec![attribute_ints("pads", &[0, 1]), counted()], &[1.5, 2.5, 3.5, 4.5, 2.5]),
        (vec![attribute_ints("pads", &[1, 1]), strides(3)], &[1.0, 3.5]),
        (vec![attribute_text("auto_pad", "SAME_UPPER")], &[1.5, 2.5, 3.5, 4.5, 5.0]),
        (vec![attribute_text("auto_pad", "SAME_LOWER")], &[1.0, 1.5, 2.5, 3.5, 4.5]),
        (vec![attribute_text("auto_pad", "VALID"), strides(4)], &[1.5]),
    ] {
        let model = average(&[1, 1, 5], &[2], attributes.clone());
        assert_eq!(value(&model, &ramp(5)), expected, "{attributes:?}");
        assert_eq!(output_shape(&model), [1, 1, expected.len()]);
    }
}

#[test]
fn averages_end_with_what_is_there() {
    // the last window sees 4, 5, one zero of the padding, and nothing
    let last = |counted| {
        let attributes = vec![
            attribute_ints("pads", &[0, 1]),
            attribute_ints("strides", &[3]),
            attribute_int("ceil_mode", 1),
            attribute_int("count_include_pad", counted),
        ];
        average(&[1, 1, 5], &[4], attributes)
    };
    assert_eq!(value(&last(0), &ramp(5)), [2.5, 4.5]);
    assert_eq!(value(&last(1), &ramp(5)), [2.5, 3.0]);
}

#[test]
fn averages_have_several_axes_channels_and_images() {
    let square = average(&[1, 1, 2, 3], &[2, 2], vec![]);
    assert_eq!(value(&square, &ramp(6)), [3.0, 4.0]);
    let padded = average(&[1, 1, 2, 3], &[2, 2], vec![attribute_ints("pads", &[1, 0, 0, 1])]);
    assert_eq!(value(&padded, &ramp(6)), [1.5, 2.5, 3.0, 3.0, 4.0, 4.5]);
    let many = average(&[2, 2, 1, 2], &[1, 2], vec![]);
    assert_eq!(value(&many, &ramp(8)), [1.5, 3.5, 5.5, 7.5]);
    assert_eq!(output_shape(&many), [2, 2, 1, 1]);
    let space = average(&[1, 2, 2, 2, 2], &[2, 2, 2], vec![]);
    assert_eq!(value(&space, &ramp(16)), [4.5, 12.5]);
    let one = import(&many).expect("understood");
    assert_eq!(one.network.parameters(), 2, "one kernel for all channels and images");
}

#[test]
fn averages_may_be_dilated_from_operator_set_19_on() {
    let dilated = |opset| pool("AveragePool", opset, &[1, 1, 5], &[2], vec![attribute_ints("dilations", &[3])]);
    assert_eq!(value(&dilated(19), &ramp(5)), [2.5, 3.5]);
    assert!(refusal(&dilated(18)).contains("'dilations', which is not understood in this operator set"));
}

#[test]
fn maxima_move_and_never_see_padding() {
    let strides = |strides: i64| attribute_ints("strides", &[strides]);
    for (attributes, expected) in [
        (vec![], &[-1.0, -2.0, -3.0][..]),
        (vec![strides(2)], &[-1.0, -3.0]),
        (vec![strides(3)], &[-1.0]),
        (vec![strides(3), attribute_int("ceil_mode", 1)], &[-1.0, -4.0]),
        (vec![attribute_ints("pads", &[1, 2])], &[-1.0, -1.0, -2.0, -3.0, -4.0, -5.0]),
        (vec![attribute_ints("dilations", &[2])], &[-1.0]),
        (vec![attribute_text("auto_pad", "SAME_UPPER"), strides(2)], &[-1.0, -2.0, -4.0]),
        (vec![attribute_text("auto_pad", "VALID")], &[-1.0, -2.0, -3.0]),
        (vec![attribute_int("storage_order", 1)], &[-1.0, -2.0, -3.0]),
    ] {
        let model = maximum(&[1, 1, 5], &[3], attributes.clone());
        let falling: Vec<f64> = ramp(5).iter().map(|x| -x).collect();
        assert_eq!(value(&model, &falling), expected, "{attributes:?}");
        let rising = value(&model, &ramp(5));
        assert!(rising.iter().is_sorted() && rising[0] >= 2.0, "{attributes:?}");
    }
    let lower = maximum(&[1, 1, 4], &[3], vec![attribute_text("auto_pad", "SAME_LOWER"), strides(2)]);
    assert_eq!(value(&lower, &ramp(4)), [2.0, 4.0]);
}

#[test]
fn maxima_have_several_axes_channels_and_images() {
    let x = [3.0, 1.0, -2.0, 5.0, 0.0, 4.0];
    assert_eq!(value(&maximum(&[1, 1, 2, 3], &[2, 2], vec![]), &x), [5.0, 4.0]);
    let overlapping = maximum(&[1, 1, 2, 3], &[2, 2], vec![attribute_ints("pads", &[1, 0, 0, 1])]);
    assert_eq!(value(&overlapping, &x), [3.0, 1.0, -2.0, 5.0, 4.0, 4.0]);
    let many = maximum(&[2, 1, 3], &[2], vec![]);
    assert_eq!(value(&many, &x), [3.0, 1.0, 5.0, 4.0]);
    let space = maximum(&[1, 2, 1, 3, 1], &[1, 3, 1], vec![]);
    assert_eq!(value(&space, &x), [3.0, 5.0]);
    let copy = maximum(&[1, 1, 2, 3], &[1, 1], vec![]);
    assert_eq!(value(&copy, &x), x);
    assert_eq!(import(&copy).expect("understood").network.neurons(), 0);
}

#[test]
fn a_maximum_is_a_tree_with_one_activation_per_level() {
    let neurons = |model: &ModelProto| -> Vec<usize> {
        let network = import(model).expect("understood").network;
        network.activations().map(|(id, ..)| network.node(id).len).collect()
    };
    assert_eq!(neurons(&maximum(&[1, 1, 2, 4], &[2, 2], vec![attribute_ints("strides", &[2, 2])])), [4, 2]);
    // nine entries, row by row and then the rows: a pair and one left each, a pair; and so the three rows
    assert_eq!(neurons(&maximum(&[1, 1, 3, 3], &[3, 3], vec![])), [3, 3, 1, 1]);
    // windows that overlap share their rows: of four rows instead of six
    assert_eq!(neurons(&maximum(&[1, 1, 4, 3], &[3, 3], vec![])), [4, 4, 2, 2]);
    // the last row and column are in no window
    assert_eq!(neurons(&maximum(&[1, 1, 3, 5], &[2, 2], vec![attribute_ints("strides", &[2, 2])])), [4, 2]);
    // windows of two, three and two entries
    let padded = maximum(&[1, 1, 3], &[3], vec![attribute_ints("pads", &[1, 1])]);
    assert_eq!(neurons(&padded), [3, 1]);
    assert_eq!(value(&padded, &[1.0, 3.0, 2.0]), [3.0, 3.0, 3.0]);
}

#[test]
fn pools_over_whole_images() {
    let whole = |operator, dims: &[i64]| of_shape(13, dims, node(operator, &["t"], "y"), vec![]);
    let x = [3.0, 1.0, -2.0, 6.0, 0.0, 4.0, 5.0, -1.0];
    assert_eq!(value(&whole("GlobalAveragePool", &[1, 2, 2, 2]), &x), [2.0, 2.0]);
    assert_eq!(value(&whole("GlobalAveragePool", &[2, 2, 2]), &x), [2.0, 2.0, 2.0, 2.0]);
    assert_eq!(value(&whole("GlobalMaxPool", &[1, 2, 2, 2]), &x), [6.0, 5.0]);
    assert_eq!(value(&whole("GlobalMaxPool", &[2, 2, 2]), &x), [3.0, 6.0, 4.0, 5.0]);
    assert_eq!(output_shape(&whole("GlobalMaxPool", &[2, 1, 2, 1, 2])), [2, 1, 1, 1, 1]);
    assert_eq!(output_shape(&whole("GlobalAveragePool", &[1, 2, 2, 2])), [1, 2, 1, 1]);
    let flat = refusal(&whole("GlobalMaxPool", &[1, 8]));
    assert!(flat.ends_with("works on images, but has an input of shape [1, 8]"), "{flat}");
}

#[test]
fn pools_that_are_not_understood_are_refused() {
    let ceil = || attribute_int("ceil_mode", 1);
    let same = || attribute_text("auto_pad", "SAME_UPPER");
    let only_padding = vec![attribute_ints("pads", &[2, 0])];
    for (text, expected) in [
        (refusal(&pool("MaxPool", 9, &[1, 1, 5], &[2], vec![ceil()])), "'ceil_mode', which is not understood"),
        (refusal(&pool("MaxPool", 7, &[1, 1, 5], &[2], vec![attribute_int("storage_order", 0)])), "not understood"),
        (
            refusal(&pool("MaxPool", 9, &[1, 1, 5], &[2], vec![attribute_ints("dilations", &[1])])),
            "'dilations', which is not understood",
        ),
        (refusal(&maximum(&[1, 1, 5], &[2], vec![ceil(), same()])), "has both ceil_mode and auto_pad"),
        (
            refusal(&maximum(&[1, 1, 5], &[2], vec![attribute_ints("dilations", &[2]), same()])),
            "has both dilations and auto_pad, about which implementations differ",
        ),
        (refusal(&maximum(&[1, 1, 5], &[2], only_padding.clone())), "has a window that sees nothing but padding"),
        (refusal(&average(&[1, 1, 5], &[2], only_padding)), "has a window that sees nothing but padding"),
        (refusal(&maximum(&[1, 1, 5], &[6], vec![])), "moves a window of 6 over an axis of 5 with its padding"),
        (refusal(&maximum(&[1, 1, 5], &[2, 2], vec![])), "has kernel_shape = [2, 2]"),
        (refusal(&average(&[1, 5], &[2], vec![])), "works on images, but has an input of shape [1, 5]"),
        (
            refusal(&average(&[1, 1, 1, 1, 1, 2], &[1, 1, 1, 2], vec![])),
            "pools over more than three axes, which is not supported",
        ),
        (
            refusal(&maximum(&[1, 1, 80, 80], &[65, 65], vec![attribute_ints("pads", &[64, 64, 64, 64])])),
            "at most 16777216 are supported",
        ),
        (
            refusal(&pool(
                "AveragePool",
                13,
                &[1, 1, 8],
                &[1 << 20],
                vec![attribute_ints("pads", &[1 << 19, 1 << 20])],
            )),
            "which sees too much",
        ),
        (refusal(&of_shape(13, &[1, 1, 5], node("MaxPool", &["t"], "y"), vec![])), "lacks its kernel_shape"),
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_places_of_maxima_are_refused_where_they_are_read() {
    let mut pool = with(node("MaxPool", &["x"], "z"), vec![attribute_ints("kernel_shape", &[2])]);
    pool.output.push("places".to_owned());
    let unread = model(13, &[1, 1, 3], vec![pool.clone(), node("Relu", &["z"], "y")], vec![]);
    let parts = import(&unread).expect("understood");
    assert_eq!(parts.network.evaluate(&[1.0, -2.0, -3.0]), [1.0, 0.0]);
    let read = model(13, &[1, 1, 3], vec![pool, node("Add", &["z", "places"], "y")], vec![]);
    assert!(refusal(&read).ends_with("reads 'places', an output that is not supported"));
}
