//! Upsample and Resize.

use super::{of_shape, output_shape, ramp, value, value_without_tract};
use crate::import::onnx::proto::{AttributeProto, ModelProto};
use crate::import::onnx::testing::{
    attribute_float, attribute_floats, attribute_int, attribute_ints, attribute_text, floats, import, integers, node,
    refusal, with,
};

fn text(name: &str, value: &str) -> AttributeProto {
    attribute_text(name, value)
}

/// A Resize of one row of an image, by a scale or to a size.
fn resized(size: i64, to: Result<f32, i64>, attributes: Vec<AttributeProto>) -> ModelProto {
    let (inputs, stored) = match to {
        Ok(scale) => (vec!["t", "", "scales"], floats("scales", &[4], &[1.0, 1.0, 1.0, scale])),
        Err(size) => (vec!["t", "", "", "sizes"], integers("sizes", &[1, 1, 1, size])),
    };
    of_shape(13, &[1, 1, 1, size], with(node("Resize", &inputs, "y"), attributes), vec![stored])
}

fn place(name: &str) -> AttributeProto {
    text("coordinate_transformation_mode", name)
}

/// Evaluated without a word from tract, which is checked against elsewhere.
fn alone(model: &ModelProto, x: &[f64]) -> Vec<f64> {
    import(model).unwrap_or_else(|error| panic!("{error}")).network.evaluate(x)
}

#[test]
fn upsample_repeats_or_interpolates() {
    let scales = || floats("scales", &[4], &[1.0, 1.0, 2.0, 1.0]);
    let early = with(node("Upsample", &["t"], "y"), vec![attribute_floats("scales", &[1.0, 1.0, 2.0, 1.0])]);
    let why = "tract cannot run this file";
    let x = [1.0, 3.0, 2.0, 4.0];
    let doubled = [1.0, 3.0, 1.0, 3.0, 2.0, 4.0, 2.0, 4.0];
    assert_eq!(value_without_tract(&of_shape(7, &[1, 1, 2, 2], early, vec![]), &x, why), doubled);
    let late = |mode| {
        let upsample = with(node("Upsample", &["t", "scales"], "y"), vec![text("mode", mode)]);
        of_shape(9, &[1, 1, 2, 2], upsample, vec![scales()])
    };
    assert_eq!(value(&late("nearest"), &x), doubled);
    assert_eq!(output_shape(&late("nearest")), [1, 1, 4, 2]);
    let between = [1.0, 3.0, 1.5, 3.5, 2.0, 4.0, 2.0, 4.0];
    assert_eq!(value(&late("linear"), &x), between);
    assert!(refusal(&late("cubic")).ends_with("has mode = 'cubic'; 'nearest' and 'linear' are defined"));
    let ended = of_shape(10, &[1, 1, 2, 2], node("Upsample", &["t", "scales"], "y"), vec![scales()]);
    assert!(refusal(&ended).ends_with("ended with operator set 9; use Resize"));
}

#[test]
fn resize_began_as_upsample() {
    let resize = |mode, scale| {
        let resize = with(node("Resize", &["t", "scales"], "y"), vec![text("mode", mode)]);
        of_shape(10, &[1, 1, 1, 3], resize, vec![floats("scales", &[4], &[1.0, 1.0, 1.0, scale])])
    };
    assert_eq!(value(&resize("nearest", 2.0), &ramp(3)), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    assert_eq!(value(&resize("linear", 2.0), &ramp(3)), [1.0, 1.5, 2.0, 2.5, 3.0, 3.0]);
    let smaller = refusal(&resize("nearest", 0.5));
    assert!(smaller.ends_with("which operator set 10 does not define"), "{smaller}");
}

#[test]
fn nearest_entries_follow_every_rule() {
    for (from, name, rule, expected) in [
        (Ok(2.0), "half_pixel", "round_prefer_floor", &[1.0, 1.0, 2.0, 2.0, 3.0, 3.0][..]),
        (Ok(2.0), "asymmetric", "floor", &[1.0, 1.0, 2.0, 2.0, 3.0, 3.0]),
        (Ok(2.0), "asymmetric", "ceil", &[1.0, 2.0, 2.0, 3.0, 3.0, 3.0]),
        (Ok(2.0), "asymmetric", "round_prefer_floor", &[1.0, 1.0, 2.0, 2.0, 3.0, 3.0]),
        (Ok(2.0), "asymmetric", "round_prefer_ceil", &[1.0, 2.0, 2.0, 3.0, 3.0, 3.0]),
        (Err(5), "align_corners", "floor", &[1.0, 1.0, 2.0, 2.0, 3.0]),
        (Err(5), "align_corners", "ceil", &[1.0, 2.0, 2.0, 3.0, 3.0]),
        (Err(1), "align_corners", "floor", &[1.0]),
        (Err(1), "pytorch_half_pixel", "floor", &[1.0]),
        (Err(1), "half_pixel", "floor", &[2.0]),
        (Err(2), "half_pixel", "floor", &[1.0, 2.0]),
    ] {
        let resize = resized(3, from, vec![place(name), text("nearest_mode", rule), text("mode", "nearest")]);
        assert_eq!(value(&resize, &ramp(3)), expected, "{name} {rule}");
    }
}

#[test]
fn lines_are_drawn_between_entries() {
    for (to, name, expected) in [
        (Ok(2.0), "half_pixel", &[1.0, 1.25, 1.75, 2.25, 2.75, 3.0][..]),
        (Ok(2.0), "asymmetric", &[1.0, 1.5, 2.0, 2.5, 3.0, 3.0]),
        (Err(5), "align_corners", &[1.0, 1.5, 2.0, 2.5, 3.0]),
        (Err(1), "align_corners", &[1.0]),
        (Err(1), "pytorch_half_pixel", &[1.0]),
        (Err(1), "half_pixel", &[2.0]),
    ] {
        let resize = resized(3, to, vec![text("mode", "linear"), place(name)]);
        assert_eq!(value(&resize, &ramp(3)), expected, "{name}");
        assert_eq!(output_shape(&resize), [1, 1, 1, expected.len()]);
    }
    // both axes of an image
    let scales = floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
    let resize = with(node("Resize", &["t", "", "scales"], "y"), vec![text("mode", "linear"), place("asymmetric")]);
    let plane = of_shape(13, &[1, 1, 2, 2], resize, vec![scales]);
    let expected = [1.0, 1.5, 2.0, 2.0, 2.0, 2.5, 3.0, 3.0, 3.0, 3.5, 4.0, 4.0, 3.0, 3.5, 4.0, 4.0];
    assert_eq!(value(&plane, &ramp(4)), expected);
}

#[test]
fn cubic_weights_are_those_of_keys() {
    // half a step between entries: weights (a, 4 − a, 4 − a, a)/8 with a = −0.75, −0.5
    let x = [0.0, 0.0, 8.0, 0.0, 0.0];
    let cubic = |attributes: Vec<AttributeProto>| {
        let given = vec![text("mode", "cubic"), place("asymmetric")];
        resized(5, Ok(2.0), [given, attributes].concat())
    };
    let standard = [0.0, -0.75, 0.0, 4.75, 8.0, 4.75, 0.0, -0.75, 0.0, 0.0];
    assert_eq!(alone(&cubic(vec![]), &x), standard);
    let half = vec![attribute_float("cubic_coeff_a", -0.5)];
    assert_eq!(alone(&cubic(half), &x), [0.0, -0.5, 0.0, 4.5, 8.0, 4.5, 0.0, -0.5, 0.0, 0.0]);
    // left out beyond the ends: at 0.5 the weights (4.75, 4.75, −0.75)/8.75 remain
    let inside = alone(&cubic(vec![attribute_int("exclude_outside", 1)]), &[8.75, 0.0, 0.0, 0.0, 0.0]);
    assert!((inside[1] - 4.75).abs() < 1e-12 && (inside[0] - 8.75).abs() < 1e-12, "{inside:?}");
    let clamped = alone(&cubic(vec![]), &[8.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(clamped[1], 4.0, "the first entry stands for what is before it");
}

#[test]
fn later_operator_sets_name_axes_and_keep_ratios() {
    let resize = |opset, list: &[i64], attributes: Vec<AttributeProto>| {
        let given = vec![attribute_ints("axes", &[3, 2])];
        let resize = with(node("Resize", &["t", "", "", "sizes"], "y"), [given, attributes].concat());
        of_shape(opset, &[1, 1, 2, 4], resize, vec![integers("sizes", list)])
    };
    assert_eq!(output_shape(&resize(18, &[8, 2], vec![])), [1, 1, 2, 8]);
    let policy = |policy| vec![text("keep_aspect_ratio_policy", policy)];
    assert_eq!(output_shape(&resize(18, &[8, 2], policy("stretch"))), [1, 1, 2, 8]);
    assert_eq!(output_shape(&resize(18, &[8, 2], policy("not_larger"))), [1, 1, 2, 4]);
    assert_eq!(output_shape(&resize(19, &[8, 2], policy("not_smaller"))), [1, 1, 4, 8]);
    assert!(refusal(&resize(18, &[8, 2], policy("any"))).contains("keep_aspect_ratio_policy = 'any'"));
    assert!(refusal(&resize(13, &[8, 2], vec![])).contains("has 2 scales or sizes for 4 axes"));
    assert!(refusal(&resize(18, &[8, 0], vec![])).ends_with("asks for a size that is not positive"));
    let antialias = |on| resize(18, &[8, 2], vec![attribute_int("antialias", on)]);
    assert!(refusal(&antialias(1)).ends_with("resizes with antialias, which is not supported"));
    assert_eq!(output_shape(&antialias(0)), [1, 1, 2, 8]);
    // a scaled size that is no whole number is centred: 3·0.5 = 1.5 leaves one entry, at 1
    let scales = floats("scales", &[4], &[1.0, 1.0, 1.0, 0.5]);
    let symmetric = |opset| {
        let resize = with(
            node("Resize", &["t", "", "scales"], "y"),
            vec![place("half_pixel_symmetric"), text("mode", "linear")],
        );
        of_shape(opset, &[1, 1, 1, 3], resize, vec![scales.clone()])
    };
    assert_eq!(value(&symmetric(19), &ramp(3)), [2.0]);
    assert!(refusal(&symmetric(18)).contains("= 'half_pixel_symmetric', which is not supported"));
}

/// Implementations in float32 make cubic weights of terms that cancel: that they are a little off is no alarm.
#[test]
fn cubic_images_of_any_scale_raise_no_false_alarm() {
    let mut read = 0;
    for step in 11..=40_u8 {
        for size in [3, 4, 7] {
            for (name, exclude) in [("half_pixel", 0), ("half_pixel", 1), ("asymmetric", 0), ("pytorch_half_pixel", 0)]
            {
                let scale = f32::from(step) / 10.0;
                let attributes = vec![text("mode", "cubic"), place(name), attribute_int("exclude_outside", exclude)];
                let operator = with(node("Resize", &["t", "", "scales"], "y"), attributes);
                let scales = floats("scales", &[4], &[1.0, 1.0, scale, scale]);
                match import(&of_shape(13, &[1, 1, size, size], operator, vec![scales])) {
                    Ok(_) => read += 1,
                    Err(error) => assert!(!error.to_string().contains("self-check"), "{name} {size} {scale}: {error}"),
                }
            }
        }
    }
    assert!(read > 200, "{read}");
}

#[test]
fn attributes_without_effect_are_read() {
    let attributes = vec![attribute_float("extrapolation_value", 3.0), attribute_int("exclude_outside", 0)];
    assert_eq!(value(&resized(3, Ok(2.0), attributes), &ramp(3)), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    let roi = floats("roi", &[0], &[]);
    let resize = with(
        node("Resize", &["t", "roi", "roi", "sizes"], "y"),
        vec![place("tf_half_pixel_for_nn"), text("nearest_mode", "floor")],
    );
    let early =
        |opset| of_shape(opset, &[1, 1, 1, 2], resize.clone(), vec![roi.clone(), integers("sizes", &[1, 1, 1, 4])]);
    assert_eq!(alone(&early(11), &ramp(2)), [1.0, 1.0, 2.0, 2.0]);
    assert!(refusal(&early(13)).contains("= 'tf_half_pixel_for_nn', which is not supported"));
}

#[test]
fn what_rounding_or_implementations_decide_is_refused() {
    let floor = || vec![place("asymmetric"), text("nearest_mode", "floor")];
    for (model, expected) in [
        // entry 3 is at 3/0.6, which is 5 in single and a little less in double precision
        (resized(10, Ok(0.6), floor()), "by rounding, which implementations do differently"),
        (resized(10, Ok(0.7), floor()), "where rounding decides how many there are"),
        (resized(3, Ok(1.3), floor()), "to as many, which implementations do differently"),
        (resized(3, Ok(-1.0), floor()), "has the scale -1"),
        (resized(3, Ok(1e-3), floor()), "works on a tensor without entries"),
        (resized(3, Ok(2_f32.powi(100)), floor()), "at most 16777216 numbers are supported"),
        (resized(3, Err(1 << 25), floor()), "at most 16777216 numbers are supported"),
        (resized(3, Ok(2.0), vec![place("tf_crop_and_resize")]), "= 'tf_crop_and_resize', which is not supported"),
        (resized(3, Ok(2.0), vec![text("nearest_mode", "round")]), "nearest_mode = 'round', which is not defined"),
        (resized(3, Ok(2.0), vec![text("mode", "area")]), "'nearest', 'linear' and 'cubic' are defined"),
    ] {
        let text = refusal(&model);
        assert!(text.ends_with(expected), "{text}");
    }
    let neither = of_shape(13, &[1, 1, 1, 2], node("Resize", &["t"], "y"), vec![]);
    assert!(refusal(&neither).ends_with("has 0 scales or sizes for 4 axes"));
}
