//! Every activation: its parameters, and their defaults in the operator set in force.

use super::{value, value_without_tract};
use crate::import::onnx::proto::{AttributeProto, ModelProto, TensorProto};
use crate::import::onnx::testing::{attribute_float, attribute_text, floats, import, model, node, refusal, with};
use crate::import::{Parts, SelfCheck};
use crate::network::{Activation, Op};

fn single(operator: &str, opset: i64, attributes: Vec<AttributeProto>) -> ModelProto {
    model(opset, &[1, 4], vec![with(node(operator, &["x"], "y"), attributes)], vec![])
}

fn imported(model: &ModelProto) -> Parts {
    import(model).unwrap_or_else(|error| panic!("{error}"))
}

/// The activation of a network of one node.
fn activation(model: &ModelProto) -> Activation {
    let network = imported(model).network;
    match &network.node(network.output()).op {
        Op::Activate { activation, .. } => activation.clone(),
        other => panic!("no activation: {other:?}"),
    }
}

#[test]
fn activations_without_parameters_are_themselves() {
    for (operator, opset, expected) in [
        ("Relu", 7, Activation::Relu),
        ("Sigmoid", 7, Activation::Sigmoid),
        ("Tanh", 13, Activation::Tanh),
        ("Softsign", 7, Activation::Softsign),
        ("Softplus", 7, Activation::Softplus),
        ("Abs", 13, Activation::Abs),
        ("Gelu", 20, Activation::Gelu),
        ("HardSwish", 14, Activation::HardSwish),
        ("Mish", 18, Activation::Mish),
        ("Swish", 24, Activation::Silu),
        ("Sin", 7, Activation::Sin),
        ("Cos", 22, Activation::Cos),
    ] {
        let parts = imported(&single(operator, opset, vec![]));
        assert!(matches!(parts.self_check, SelfCheck::Agrees { .. }), "{operator}: {:?}", parts.self_check);
        assert_eq!(activation(&single(operator, opset, vec![])), expected, "{operator}");
    }
}

#[test]
fn parameters_are_read_and_have_the_defaults_of_onnx() {
    let narrow = |v: f32| f64::from(v);
    for (operator, opset, attributes, expected) in [
        ("LeakyRelu", 7, vec![], Activation::LeakyRelu { slope: narrow(0.01) }),
        ("LeakyRelu", 16, vec![attribute_float("alpha", -0.5)], Activation::LeakyRelu { slope: -0.5 }),
        ("Elu", 7, vec![], Activation::Elu { alpha: 1.0 }),
        ("Elu", 22, vec![attribute_float("alpha", 2.0)], Activation::Elu { alpha: 2.0 }),
        ("Celu", 12, vec![], Activation::Celu { alpha: 1.0 }),
        ("Selu", 7, vec![], Activation::selu()),
        (
            "Selu",
            7,
            vec![attribute_float("alpha", 1.5), attribute_float("gamma", 2.0)],
            Activation::Selu { alpha: 1.5, gamma: 2.0 },
        ),
        ("HardSigmoid", 7, vec![], Activation::HardSigmoid { slope: narrow(0.2), offset: 0.5 }),
        (
            "HardSigmoid",
            22,
            vec![attribute_float("alpha", 0.25), attribute_float("beta", 0.75)],
            Activation::HardSigmoid { slope: 0.25, offset: 0.75 },
        ),
        ("Gelu", 20, vec![attribute_text("approximate", "none")], Activation::Gelu),
        ("Gelu", 20, vec![attribute_text("approximate", "tanh")], Activation::GeluTanh),
        ("Swish", 24, vec![attribute_float("alpha", 1.0)], Activation::Silu),
    ] {
        let model = single(operator, opset, attributes);
        assert_eq!(activation(&model), expected, "{operator}");
        value(&model, &[-2.0, -0.5, 0.5, 2.0]);
    }
}

/// Where exp overflows in float32: agreement, or fewer inputs compared, but no false alarm.
#[test]
fn large_arguments_raise_no_false_alarm() {
    for (operator, opset) in [
        ("Elu", 7),
        ("Selu", 7),
        ("Celu", 12),
        ("Softplus", 7),
        ("Sigmoid", 7),
        ("Tanh", 7),
        ("Softsign", 7),
        ("Gelu", 20),
        ("Mish", 18),
        ("Swish", 24),
        ("HardSwish", 14),
        ("HardSigmoid", 7),
        ("Sin", 7),
        ("Cos", 7),
    ] {
        for scale in [1e-6, 0.01, 100.0, 1e5] {
            let nodes = vec![node("Mul", &["x", "c"], "h"), node(operator, &["h"], "y")];
            let model = model(opset, &[1, 50], nodes, vec![floats("c", &[], &[scale])]);
            let found = imported(&model).self_check;
            assert!(matches!(found, SelfCheck::Agrees { .. }), "{operator} at {scale}: {found:?}");
        }
    }
}

#[test]
fn clip_has_attributes_first_and_inputs_later() {
    let (below, above) = (f64::NEG_INFINITY, f64::INFINITY);
    let early = |attributes| activation(&single("Clip", 10, attributes));
    assert_eq!(early(vec![]), Activation::Clip { min: below, max: above });
    assert_eq!(early(vec![attribute_float("min", 0.0)]), Activation::Clip { min: 0.0, max: above });
    let both = vec![attribute_float("min", 0.0), attribute_float("max", 6.0)];
    assert_eq!(early(both), Activation::Clip { min: 0.0, max: 6.0 });
    let stored = || vec![floats("lo", &[], &[-1.0]), floats("hi", &[1], &[1.0]), floats("inf", &[], &[f32::INFINITY])];
    let late = |inputs: &[&str]| activation(&model(13, &[1, 4], vec![node("Clip", inputs, "y")], stored()));
    assert_eq!(late(&["x"]), Activation::Clip { min: below, max: above });
    assert_eq!(late(&["x", "lo"]), Activation::Clip { min: -1.0, max: above });
    assert_eq!(late(&["x", "", "hi"]), Activation::Clip { min: below, max: 1.0 });
    assert_eq!(late(&["x", "lo", "hi"]), Activation::Clip { min: -1.0, max: 1.0 });
    assert_eq!(late(&["x", "lo", "inf"]), Activation::Clip { min: -1.0, max: above });
    let clipped = model(13, &[1, 4], vec![node("Clip", &["x", "lo", "hi"], "y")], stored());
    assert_eq!(value(&clipped, &[-3.0, -0.5, 0.5, 3.0]), [-1.0, -0.5, 0.5, 1.0]);
}

fn prelu(input: &[i64], slope: TensorProto) -> ModelProto {
    model(16, input, vec![node("PRelu", &["x", "slope"], "y")], vec![slope])
}

#[test]
fn prelu_slopes_spread_over_the_input() {
    let scalar = prelu(&[1, 4], floats("slope", &[1], &[0.5]));
    assert_eq!(activation(&scalar), Activation::LeakyRelu { slope: 0.5 });
    let full = prelu(&[1, 2], floats("slope", &[1, 2], &[0.5, -0.5]));
    assert_eq!(value(&full, &[-2.0, -2.0]), [-1.0, 1.0]);
    let channels = prelu(&[1, 2, 2], floats("slope", &[2, 1], &[0.5, 2.0]));
    assert_eq!(value(&channels, &[-2.0, 3.0, -2.0, 4.0]), [-1.0, 3.0, -4.0, 4.0]);
    let misfit = refusal(&prelu(&[1, 4], floats("slope", &[3], &[0.5, 0.5, 0.5])));
    assert!(misfit.contains("cannot combine the shapes [3] and [1, 4]"), "{misfit}");
    let wide = refusal(&prelu(&[1, 2], floats("slope", &[2, 2], &[0.5; 4])));
    assert!(wide.contains("cannot spread the shape [2, 2] over [1, 2]"), "{wide}");
}

#[test]
fn where_tract_is_known_to_be_wrong_it_is_not_asked() {
    let celu = single("Celu", 12, vec![attribute_float("alpha", 0.5)]);
    assert_eq!(activation(&celu), Activation::Celu { alpha: 0.5 });
    let values = value_without_tract(&celu, &[-0.5, 0.0, 1.0, 2.0], "Celu with an alpha other than 1");
    assert_eq!(values, [0.5 * (-1_f64).exp_m1(), 0.0, 1.0, 2.0]);
}

#[test]
fn parameters_that_make_no_function_are_refused() {
    let reason = |model: &ModelProto| {
        let text = refusal(model);
        text.strip_prefix("test.onnx: node 'y_node' ").map(str::to_owned).unwrap_or(text)
    };
    assert_eq!(
        reason(&single("Celu", 12, vec![attribute_float("alpha", 0.0)])),
        "(Celu): Celu needs a positive alpha, got 0"
    );
    let swapped = vec![attribute_float("min", 1.0), attribute_float("max", 0.0)];
    assert_eq!(reason(&single("Clip", 7, swapped)), "(Clip): Clip needs min <= max, got 1 and 0");
    assert_eq!(
        reason(&single("Swish", 24, vec![attribute_float("alpha", 0.0)])),
        "(Swish): has alpha = 0; it must be finite and not zero"
    );
    assert_eq!(
        reason(&single("ThresholdedRelu", 10, vec![])),
        "(ThresholdedRelu): jumps at alpha = 1, so it has no Lipschitz constant; with alpha = 0 it is Relu"
    );
    let hard = reason(&single("Shrink", 9, vec![]));
    assert!(hard.starts_with("(Shrink): jumps, with lambd = 0.5 and bias = 0, so"), "{hard}");
    assert_eq!(
        reason(&single("Gelu", 20, vec![attribute_text("approximate", "erf")])),
        "(Gelu): has approximate = 'erf'; 'none' and 'tanh' are defined"
    );
    assert_eq!(
        reason(&single("Gelu", 19, vec![])),
        "(Gelu): uses Gelu, which exists from operator set 20 on, in a file of operator set 19"
    );
    let nan = model(13, &[1, 4], vec![node("Clip", &["x", "lo"], "y")], vec![floats("lo", &[], &[f32::NAN])]);
    assert_eq!(reason(&nan), "(Clip): its input 'lo' holds NaN; every weight must be a finite number");
    let moving = model(13, &[1, 4], vec![node("Clip", &["x", "x"], "y")], vec![]);
    assert_eq!(
        reason(&moving),
        "(Clip): computes its input 'x' from the network's input; only a constant is supported"
    );
    let late = model(10, &[1, 4], vec![node("Clip", &["x", "lo"], "y")], vec![floats("lo", &[], &[0.0])]);
    assert_eq!(reason(&late), "(Clip): has its input 'lo', which is not understood in this operator set");
}

#[test]
fn activations_of_constants_are_constants() {
    let nodes = vec![node("LeakyRelu", &["c"], "z"), node("Add", &["x", "z"], "y")];
    let folded = model(13, &[1, 2], nodes, vec![floats("c", &[2], &[-100.0, 3.0])]);
    assert_eq!(value(&folded, &[1.0, 1.0]), [1.0 + f64::from(-100.0_f32 * 0.01), 4.0]);
}

#[test]
fn soft_shrink_is_what_a_clip_leaves() {
    let soft = single("Shrink", 9, vec![attribute_float("lambd", 0.5), attribute_float("bias", 0.5)]);
    assert_eq!(value(&soft, &[-2.0, -0.25, 0.5, 3.0]), [-1.5, 0.0, 0.0, 2.5]);
    assert_eq!(activation(&single("ThresholdedRelu", 10, vec![attribute_float("alpha", 0.0)])), Activation::Relu);
}

#[test]
fn swish_and_what_onnxruntime_fuses_are_stretched() {
    let wide = single("Swish", 24, vec![attribute_float("alpha", 2.0)]);
    let wide = value_without_tract(&wide, &[1.0, -1.0, 0.0, 3.0], "Swish with an alpha other than 1");
    let sigmoid = |s: f64| 1.0 / (1.0 + (-s).exp());
    for (found, x) in wide.into_iter().zip([1.0, -1.0, 0.0, 3.0]) {
        assert!((found - x * sigmoid(2.0 * x)).abs() < 1e-15, "{x}");
    }
    let fused = |operator: &str, inputs: &[&str]| {
        let mut node = node(operator, inputs, "y");
        node.domain = "com.microsoft".to_owned();
        imported(&model(13, &[1, 2], vec![node], vec![floats("b", &[2], &[1.0, 0.0])])).network
    };
    let x = [0.5, -1.5];
    for (operator, reference) in [("Gelu", Activation::Gelu), ("FastGelu", Activation::GeluTanh)] {
        assert_eq!(fused(operator, &["x"]).evaluate(&x), x.map(|x| reference.value(0, x)), "{operator}");
    }
    assert_eq!(fused("BiasGelu", &["x", "b"]).evaluate(&x), [1.5, -1.5].map(|x| Activation::Gelu.value(0, x)));
    let quick = fused("QuickGelu", &["x"]).evaluate(&x);
    let alpha = f64::from(1.702_f32);
    assert!(quick.iter().zip(x).all(|(y, x)| (y - x * sigmoid(alpha * x)).abs() < 1e-15), "{quick:?}");
}
