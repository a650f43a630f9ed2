//! Conv and ConvTranspose.

use super::{of_shape, output_shape, ramp, value, value_without_tract};
use crate::import::onnx::proto::{AttributeProto, ModelProto};
use crate::import::onnx::testing::{
    attribute_int, attribute_ints, attribute_text, floats, integers, model, node, refusal, with,
};

/// A kernel without bias, applied to the input under the given shape.
fn applied(operator: &str, dims: &[i64], kernel: (&[i64], &[f32]), attributes: Vec<AttributeProto>) -> ModelProto {
    let operator = with(node(operator, &["t", "w"], "y"), attributes);
    of_shape(13, dims, operator, vec![floats("w", kernel.0, kernel.1)])
}

fn conv(dims: &[i64], kernel: (&[i64], &[f32]), attributes: Vec<AttributeProto>) -> ModelProto {
    applied("Conv", dims, kernel, attributes)
}

fn transposed(dims: &[i64], kernel: (&[i64], &[f32]), attributes: Vec<AttributeProto>) -> ModelProto {
    applied("ConvTranspose", dims, kernel, attributes)
}

/// Reads one digit per place: what a window of three sees is told by the number it gives.
const DIGITS: (&[i64], &[f32]) = (&[1, 1, 3], &[100.0, 10.0, 1.0]);

#[test]
fn conv_strides_dilates_and_pads() {
    for (attributes, expected) in [
        (vec![], &[123.0, 234.0, 345.0][..]),
        (vec![attribute_ints("kernel_shape", &[3])], &[123.0, 234.0, 345.0]),
        (vec![attribute_ints("strides", &[2])], &[123.0, 345.0]),
        (vec![attribute_ints("dilations", &[2])], &[135.0]),
        (vec![attribute_ints("pads", &[1, 0])], &[12.0, 123.0, 234.0, 345.0]),
        (vec![attribute_ints("pads", &[0, 2])], &[123.0, 234.0, 345.0, 450.0, 500.0]),
        (vec![attribute_ints("pads", &[2, 1]), attribute_ints("strides", &[3])], &[1.0, 234.0]),
        (vec![attribute_text("auto_pad", "VALID")], &[123.0, 234.0, 345.0]),
        (vec![attribute_text("auto_pad", "NOTSET"), attribute_ints("pads", &[0, 0])], &[123.0, 234.0, 345.0]),
    ] {
        let model = conv(&[1, 1, 5], DIGITS, attributes.clone());
        assert_eq!(value(&model, &ramp(5)), expected, "{attributes:?}");
        assert_eq!(output_shape(&model), [1, 1, expected.len()]);
    }
}

#[test]
fn conv_pads_to_keep_the_size() {
    for (size, stride, auto_pad, expected) in [
        (5, 1, "SAME_UPPER", &[12.0, 123.0, 234.0, 345.0, 450.0][..]),
        (5, 1, "SAME_LOWER", &[12.0, 123.0, 234.0, 345.0, 450.0]),
        (4, 2, "SAME_UPPER", &[123.0, 340.0]),
        (4, 2, "SAME_LOWER", &[12.0, 234.0]),
    ] {
        let attributes = vec![attribute_text("auto_pad", auto_pad), attribute_ints("strides", &[stride])];
        let model = conv(&[1, 1, size], DIGITS, attributes);
        assert_eq!(value(&model, &ramp(size as usize)), expected, "{auto_pad}");
    }
}

#[test]
fn conv_has_channels_groups_and_a_bias() {
    // two channels of two entries; kernels of size one
    let two = |group, kernel: (&[i64], &[f32])| conv(&[1, 2, 2], kernel, vec![attribute_int("group", group)]);
    let x = [1.0, 2.0, 3.0, 4.0];
    assert_eq!(value(&two(1, (&[1, 2, 1], &[10.0, 1.0])), &x), [13.0, 24.0]);
    assert_eq!(value(&two(1, (&[2, 2, 1], &[10.0, 1.0, 0.0, -1.0])), &x), [13.0, 24.0, -3.0, -4.0]);
    assert_eq!(value(&two(2, (&[2, 1, 1], &[10.0, 100.0])), &x), [10.0, 20.0, 300.0, 400.0]);
    let four = two(2, (&[4, 1, 1], &[1.0, 2.0, 3.0, 4.0]));
    assert_eq!(value(&four, &x), [1.0, 2.0, 2.0, 4.0, 9.0, 12.0, 12.0, 16.0]);
    let stored = vec![floats("w", &[2, 2, 1], &[10.0, 1.0, 0.0, -1.0]), floats("b", &[2], &[0.5, 0.25])];
    let biased = of_shape(7, &[1, 2, 2], node("Conv", &["t", "w", "b"], "y"), stored);
    assert_eq!(value(&biased, &x), [13.5, 24.5, -2.75, -3.75]);
}

#[test]
fn conv_has_up_to_three_axes_and_any_batch() {
    let square = (&[1, 1, 2, 2][..], &[1000.0, 100.0, 10.0, 1.0][..]);
    assert_eq!(value(&conv(&[1, 1, 2, 3], square, vec![]), &ramp(6)), [1245.0, 2356.0]);
    let attributes = vec![attribute_ints("pads", &[0, 1, 1, 0]), attribute_ints("strides", &[1, 2])];
    assert_eq!(value(&conv(&[1, 1, 2, 3], square, attributes), &ramp(6)), [104.0, 2356.0, 400.0, 5600.0]);
    let cube: Vec<f32> = [7, 6, 5, 4, 3, 2, 1, 0].iter().map(|&e| 10_f32.powi(e)).collect();
    let cube = conv(&[1, 1, 2, 2, 2], (&[1, 1, 2, 2, 2], &cube), vec![]);
    assert_eq!(value(&cube, &ramp(8)), [12_345_678.0]);
    let batch = conv(&[2, 1, 4], DIGITS, vec![]);
    assert_eq!(value(&batch, &ramp(8)), [123.0, 234.0, 567.0, 678.0]);
    assert_eq!(output_shape(&batch), [2, 1, 2]);
    // two images of two channels to three channels each
    let channels = (&[3, 2, 1, 1][..], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0][..]);
    let batch = conv(&[2, 2, 1, 2], channels, vec![]);
    assert_eq!(value(&batch, &ramp(8)), [1.0, 2.0, 3.0, 4.0, 4.0, 6.0, 5.0, 6.0, 7.0, 8.0, 12.0, 14.0]);
    assert_eq!(output_shape(&batch), [2, 3, 1, 2]);
}

#[test]
fn transposed_conv_spreads_its_kernel() {
    for (attributes, expected) in [
        (vec![], &[100.0, 210.0, 21.0, 2.0][..]),
        (vec![attribute_ints("strides", &[3])], &[100.0, 10.0, 1.0, 200.0, 20.0, 2.0]),
        (vec![attribute_ints("strides", &[2])], &[100.0, 10.0, 201.0, 20.0, 2.0]),
        (vec![attribute_ints("dilations", &[2])], &[100.0, 200.0, 10.0, 20.0, 1.0, 2.0]),
        (vec![attribute_ints("pads", &[1, 0])], &[210.0, 21.0, 2.0]),
        (vec![attribute_ints("pads", &[0, 2])], &[100.0, 210.0]),
        (
            vec![attribute_ints("strides", &[2]), attribute_ints("output_padding", &[1])],
            &[100.0, 10.0, 201.0, 20.0, 2.0, 0.0],
        ),
        (vec![attribute_text("auto_pad", "VALID")], &[100.0, 210.0, 21.0, 2.0]),
    ] {
        let model = transposed(&[1, 1, 2], DIGITS, attributes.clone());
        assert_eq!(value(&model, &ramp(2)), expected, "{attributes:?}");
        assert_eq!(output_shape(&model), [1, 1, expected.len()]);
    }
}

#[test]
fn transposed_conv_takes_an_output_size() {
    let tract = "tract";
    let sized = |attributes| {
        let attributes = [vec![attribute_ints("strides", &[2])], attributes].concat();
        value_without_tract(&transposed(&[1, 1, 2], DIGITS, attributes), &ramp(2), tract)
    };
    // of 100 10 201 20 2 one entry goes: at the beginning, or at the end
    let shape = |size| attribute_ints("output_shape", &[size]);
    assert_eq!(sized(vec![shape(4)]), [10.0, 201.0, 20.0, 2.0]);
    assert_eq!(sized(vec![shape(4), attribute_text("auto_pad", "SAME_UPPER")]), [100.0, 10.0, 201.0, 20.0]);
    assert_eq!(sized(vec![shape(3), attribute_text("auto_pad", "SAME_UPPER")]), [10.0, 201.0, 20.0]);
    let lower = vec![attribute_ints("strides", &[2]), attribute_text("auto_pad", "SAME_LOWER")];
    assert_eq!(value(&transposed(&[1, 1, 2], DIGITS, lower), &ramp(2)), [10.0, 201.0, 20.0, 2.0]);
    // beyond the kernel's reach there is nothing, as in onnxruntime
    assert_eq!(sized(vec![shape(6)]), [100.0, 10.0, 201.0, 20.0, 2.0, 0.0]);
    assert_eq!(sized(vec![shape(6), attribute_text("auto_pad", "SAME_LOWER")]), [100.0, 10.0, 201.0, 20.0, 2.0, 0.0]);
    for unclear in [vec![shape(7)], vec![shape(6), attribute_text("auto_pad", "SAME_UPPER")]] {
        let unclear = [vec![attribute_ints("strides", &[2])], unclear].concat();
        let unclear = refusal(&transposed(&[1, 1, 2], DIGITS, unclear));
        assert!(unclear.contains("along an axis where the kernel reaches 5"), "{unclear}");
    }
}

#[test]
fn transposed_conv_has_channels_groups_a_bias_and_a_batch() {
    let x = [1.0, 2.0, 3.0, 4.0];
    // in channels × out channels
    let full = transposed(&[1, 2, 2], (&[2, 1, 1], &[10.0, 1.0]), vec![]);
    assert_eq!(value(&full, &x), [13.0, 24.0]);
    let grouped = transposed(&[1, 2, 2], (&[2, 2, 1], &[1.0, 2.0, 3.0, 4.0]), vec![attribute_int("group", 2)]);
    assert_eq!(value(&grouped, &x), [1.0, 2.0, 2.0, 4.0, 9.0, 12.0, 12.0, 16.0]);
    let stored = vec![floats("w", &[1, 2, 1], &[10.0, 1.0]), floats("b", &[2], &[0.5, 0.25])];
    let biased = of_shape(13, &[1, 1, 2], node("ConvTranspose", &["t", "w", "b"], "y"), stored);
    assert_eq!(value(&biased, &ramp(2)), [10.5, 20.5, 1.25, 2.25]);
    let batch = transposed(&[2, 1, 2], (&[1, 2, 1], &[10.0, 1.0]), vec![]);
    assert_eq!(value(&batch, &x), [10.0, 20.0, 1.0, 2.0, 30.0, 40.0, 3.0, 4.0]);
    let plane = transposed(&[1, 1, 1, 2], (&[1, 1, 2, 2], &[1000.0, 100.0, 10.0, 1.0]), vec![]);
    assert_eq!(value(&plane, &ramp(2)), [1000.0, 2100.0, 200.0, 10.0, 21.0, 2.0]);
    let space = transposed(&[1, 1, 1, 1, 2], (&[1, 1, 1, 2, 1], &[10.0, 1.0]), vec![]);
    assert_eq!(value(&space, &ramp(2)), [10.0, 20.0, 1.0, 2.0]);
}

#[test]
fn kernels_that_do_not_fit_are_refused() {
    let line = |attribute| refusal(&conv(&[1, 1, 5], DIGITS, vec![attribute]));
    for (text, expected) in [
        (line(attribute_ints("kernel_shape", &[2])), "has kernel_shape = [2], but a kernel of shape [1, 1, 3]"),
        (line(attribute_ints("strides", &[0])), "has strides = [0]; 1 numbers from 1 to 16777216 are needed"),
        (line(attribute_ints("strides", &[1, 1])), "has strides = [1, 1]; 1 numbers from 1 to 16777216 are needed"),
        (line(attribute_ints("dilations", &[3])), "moves a window of 7 over an axis of 5 with its padding"),
        (line(attribute_ints("pads", &[-1, 0])), "has pads = [-1, 0]; 2 numbers from 0 to 16777216 are needed"),
        (line(attribute_ints("pads", &[1 << 24, 0])), "at most 16777216 numbers are supported"),
        (line(attribute_text("auto_pad", "SAME")), "has auto_pad = 'SAME', which is not defined"),
        (line(attribute_int("group", 0)), "has group = 0"),
        (
            line(attribute_int("group", 2)),
            "cannot apply a kernel of shape [1, 1, 3] in 2 groups to the shape [1, 1, 5]",
        ),
        (
            line(attribute_ints("output_padding", &[0])),
            "'output_padding', which is not understood in this operator set",
        ),
        (refusal(&conv(&[1, 5], (&[1, 5], &[0.0; 5]), vec![])), "one to three spatial axes are supported"),
        (refusal(&conv(&[1, 1, 5], (&[1, 1, 1, 1], &[1.0]), vec![])), "one to three spatial axes are supported"),
        (refusal(&conv(&[1, 1, 5], (&[0, 1, 1], &[]), vec![])), "works on a tensor without entries"),
        (refusal(&conv(&[1, 1, 5], (&[1, 1, 1], &[f32::NAN]), vec![])), "every weight must be a finite number"),
        (refusal(&conv(&[2, 1, 1, 1, 2], (&[1, 1, 1, 1, 1], &[1.0]), vec![])), "export with a batch of 1"),
        (
            refusal(&transposed(&[1, 1, 2], DIGITS, vec![attribute_ints("pads", &[2, 2])])),
            "cuts 2 and 2 off an axis of 4",
        ),
        (
            refusal(&transposed(&[1, 2, 2], DIGITS, vec![])),
            "cannot apply a kernel of shape [1, 1, 3] in 1 groups to the shape [1, 2, 2]",
        ),
    ] {
        assert!(text.ends_with(expected), "{text}");
    }
    let both = vec![attribute_text("auto_pad", "VALID"), attribute_ints("pads", &[1, 0])];
    assert!(refusal(&conv(&[1, 1, 5], DIGITS, both)).ends_with("has both pads and auto_pad"));
    let stored = vec![floats("w", DIGITS.0, DIGITS.1), floats("b", &[2], &[0.0, 0.0])];
    let bias = refusal(&of_shape(13, &[1, 1, 5], node("Conv", &["t", "w", "b"], "y"), stored));
    assert!(bias.ends_with("has a bias of shape [2] for 1 channels"), "{bias}");
}

#[test]
fn kernels_from_the_network_are_refused() {
    let squares = refusal(&of_shape(13, &[1, 1, 5], node("Conv", &["t", "t"], "y"), vec![]));
    assert!(squares.ends_with("convolves two tensors that depend on the input, which has no Lipschitz constant"));
    let constant =
        refusal(&of_shape(13, &[1, 1, 5], node("Conv", &["w", "t"], "y"), vec![floats("w", &[1, 1, 5], &[0.0; 5])]));
    assert!(constant.ends_with("convolves a constant; only a constant kernel is supported"), "{constant}");
    let nodes = vec![
        node("Reshape", &["x", "dims"], "t"),
        node("Reshape", &["x", "one"], "b"),
        node("Conv", &["t", "w", "b"], "y"),
    ];
    let stored = vec![integers("dims", &[1, 1, 1]), integers("one", &[1]), floats("w", &[1, 1, 1], &[1.0])];
    let bias = refusal(&model(13, &[1, 1], nodes, stored));
    assert!(bias.ends_with("computes its input 'b' from the network's input; only a constant is supported"), "{bias}");
}
