//! What onnxruntime's optimiser fuses, and the linear operators of classical models, against the nodes they stand for.

use super::{of_shape, ramp, refusal_of, value, value_without_tract};
use crate::import::SelfCheck;
use crate::import::onnx::proto::attribute_proto::AttributeType;
use crate::import::onnx::proto::{AttributeProto, ModelProto, NodeProto, TensorProto};
use crate::import::onnx::testing::{
    attribute_float, attribute_floats, attribute_int, attribute_ints, attribute_text, floats, import_with, model, node,
    with,
};
use crate::import::{ImportOptions, Reference};

fn runtime(operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto { domain: "com.microsoft".to_owned(), ..with(node(operator, inputs, "y"), attributes) }
}

fn learned(operator: &str, attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto { domain: "ai.onnx.ml".to_owned(), ..with(node(operator, &["x"], "y"), attributes) }
}

/// The value of a model, which tract cannot run.
fn fused(model: &ModelProto, x: &[f64]) -> Vec<f64> {
    value_without_tract(model, x, "")
}

fn gemm() -> Vec<TensorProto> {
    vec![floats("w", &[2, 3], &[1.0, 2.0, -1.0, 0.5, -1.0, 3.0]), floats("b", &[2], &[0.5, -0.25])]
}

#[test]
fn a_fused_gemm_is_a_gemm_and_an_activation() {
    let x = [1.0, -2.0, 0.5];
    let spelt = |name: &str, own: Vec<AttributeProto>| {
        let product = with(node("Gemm", &["x", "w", "b"], "g"), vec![attribute_int("transB", 1)]);
        value(&model(13, &[1, 3], vec![product, with(node(name, &["g"], "y"), own)], gemm()), &x)
    };
    for (name, parameters) in [
        ("Relu", vec![]),
        ("Sigmoid", vec![]),
        ("Tanh", vec![]),
        ("Softplus", vec![]),
        ("Softsign", vec![]),
        ("LeakyRelu", vec![("alpha", 0.25)]),
        ("Elu", vec![("alpha", 1.0)]),
        ("ThresholdedRelu", vec![("alpha", 0.0)]),
        ("HardSigmoid", vec![("alpha", 0.25), ("beta", 0.5)]),
        ("Selu", vec![("alpha", 1.5), ("gamma", 1.25)]),
    ] {
        let named = |prefix: &str| -> Vec<AttributeProto> {
            parameters.iter().map(|(name, v)| attribute_float(&format!("{prefix}{name}"), *v)).collect()
        };
        let own = vec![attribute_int("transB", 1), attribute_text("activation", name)];
        let node = runtime("FusedGemm", &["x", "w", "b"], [own, named("activation_")].concat());
        assert_eq!(fused(&model(13, &[1, 3], vec![node], gemm()), &x), spelt(name, named("")), "{name}");
    }
    let refused = |attributes: Vec<AttributeProto>, expected: &str| {
        let own = [vec![attribute_int("transB", 1)], attributes].concat();
        refusal_of(model(13, &[1, 3], vec![runtime("FusedGemm", &["x", "w", "b"], own)], gemm()), expected);
    };
    refused(vec![attribute_text("activation", "LeakyRelu")], "lacks its activation_alpha");
    refused(vec![attribute_text("activation", "ScaledTanh")], "has the activation 'ScaledTanh'");
    refused(vec![attribute_text("activation", "Relu"), attribute_float("activation_alpha", 1.0)], "'activation_alpha'");
    let jump = vec![attribute_text("activation", "ThresholdedRelu"), attribute_float("activation_alpha", 1.0)];
    refused(jump, "jumps at alpha = 1");
}

#[test]
fn a_fused_convolution_may_add_a_tensor_before_its_activation() {
    let stored = || vec![floats("w", &[1, 1, 2], &[1.0, -1.0]), floats("b", &[1], &[0.5])];
    let of = |inputs: &[&str], attributes: Vec<AttributeProto>, more: Vec<TensorProto>| {
        let stored = [stored(), more].concat();
        fused(&of_shape(13, &[1, 1, 3], runtime("FusedConv", inputs, attributes), stored), &[1.0, 3.0, 0.0])
    };
    let named = |name: &str| vec![attribute_text("activation", name)];
    assert_eq!(of(&["t", "w", "b"], named("Relu"), vec![]), [0.0, 3.5]);
    assert_eq!(of(&["t", "w", "b"], vec![], vec![]), [-1.5, 3.5]);
    let with_list =
        |name: &str, list: &[f32]| [named(name), vec![attribute_floats("activation_params", list)]].concat();
    assert_eq!(of(&["t", "w", "b"], with_list("LeakyRelu", &[0.5]), vec![]), [-0.75, 3.5]);
    assert_eq!(of(&["t", "w", "b"], with_list("Clip", &[-1.0, 2.0]), vec![]), [-1.0, 2.0]);
    assert_eq!(of(&["t", "w", "b"], with_list("HardSigmoid", &[0.25, 0.5]), vec![]), [0.125, 1.0]);
    let added = vec![floats("z", &[1, 1, 2], &[2.0, -5.0])];
    assert_eq!(of(&["t", "w", "b", "z"], named("Relu"), added), [0.5, 0.0]);
    let same =
        runtime("FusedConv", &["t", "w", "b", "t"], [named("Relu"), vec![attribute_ints("pads", &[0, 1])]].concat());
    let same = of_shape(13, &[1, 1, 3], same, stored());
    assert_eq!(fused(&same, &[1.0, 3.0, 0.0]), [0.0, 6.5, 0.5]);
}

#[test]
fn a_fused_product_is_scaled_and_transposed() {
    let w = || floats("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let attributes =
        |a: i64, b: i64| vec![attribute_int("transA", a), attribute_int("transB", b), attribute_float("alpha", 0.5)];
    let right = of_shape(13, &[1, 3], runtime("FusedMatMul", &["t", "w"], attributes(0, 1)), vec![w()]);
    assert_eq!(fused(&right, &ramp(3)), [7.0, 16.0]);
    let left = of_shape(13, &[2, 1], runtime("FusedMatMul", &["t", "w"], attributes(1, 0)), vec![w()]);
    assert_eq!(fused(&left, &ramp(2)), [4.5, 6.0, 7.5]);
    let batch = vec![attribute_int("transBatchA", 1)];
    refusal_of(of_shape(13, &[1, 2], runtime("FusedMatMul", &["t", "w"], batch), vec![w()]), "transposes a batch");
    let sum =
        of_shape(13, &[1, 2, 2], runtime("BiasAdd", &["t", "b", "t"], vec![]), vec![floats("b", &[2], &[0.5, 1.0])]);
    assert_eq!(fused(&sum, &ramp(4)), [2.5, 5.0, 6.5, 9.0]);
}

#[test]
fn what_is_packed_for_a_processor_is_refused_with_the_level_that_is_read() {
    let packed = NodeProto { domain: "com.microsoft.nchwc".to_owned(), ..node("Conv", &["x"], "y") };
    refusal_of(model(13, &[1, 3], vec![packed], vec![]), "save the model with at most ORT_ENABLE_EXTENDED");
    let other = NodeProto { domain: "com.microsoft".to_owned(), ..node("Attention", &["x"], "y") };
    refusal_of(model(13, &[1, 3], vec![other], vec![]), "belongs to the domain 'com.microsoft'");
}

#[test]
fn scalers_and_regressors_are_linear() {
    let of = |operator: NodeProto, x: &[f64]| {
        let parts = crate::import::onnx::testing::import(&model(13, &[1, x.len() as i64], vec![operator], vec![]));
        let parts = parts.unwrap_or_else(|error| panic!("{error}"));
        assert!(matches!(parts.self_check, SelfCheck::Agrees { .. }), "{:?}", parts.self_check);
        parts.network.evaluate(x)
    };
    let scaler = |offset: &[f32], scale: &[f32]| {
        learned("Scaler", vec![attribute_floats("offset", offset), attribute_floats("scale", scale)])
    };
    assert_eq!(of(scaler(&[1.0, 2.0, 3.0], &[0.5, 2.0, 1.0]), &[3.0, 3.0, 3.0]), [1.0, 2.0, 0.0]);
    assert_eq!(of(scaler(&[1.0], &[0.5]), &[3.0, 4.0]), [1.0, 1.5]);
    refusal_of(model(13, &[1, 3], vec![scaler(&[1.0, 2.0], &[1.0])], vec![]), "has 2 numbers in offset for 3 features");
    let lists = |coefficients: &[f32], name: &str, numbers: &[f32]| {
        vec![attribute_floats("coefficients", coefficients), attribute_floats(name, numbers)]
    };
    let two = [vec![attribute_int("targets", 2)], lists(&[1.0, 2.0, 3.0, 4.0], "intercepts", &[0.5, -0.5])].concat();
    assert_eq!(of(learned("LinearRegressor", two), &[1.0, 10.0]), [21.5, 42.5]);
    let plain = learned("SVMRegressor", lists(&[1.0, 2.0], "rho", &[0.25]));
    assert_eq!(of(plain, &[1.0, 10.0]), [21.25]);
    let vectors = vec![
        attribute_int("n_supports", 2),
        attribute_text("kernel_type", "LINEAR"),
        attribute_floats("kernel_params", &[0.1, 0.0, 3.0]),
        attribute_floats("support_vectors", &[1.0, 0.0, 2.0, 1.0]),
    ];
    let vectors = learned("SVMRegressor", [vectors, lists(&[3.0, -1.0], "rho", &[0.5])].concat());
    assert_eq!(of(vectors, &[1.0, 10.0]), [1.0 - 10.0 + 0.5]);
    let kernel = learned("SVMRegressor", vec![attribute_text("kernel_type", "RBF")]);
    refusal_of(model(13, &[1, 2], vec![kernel], vec![]), "has the kernel 'RBF'; only LINEAR is supported");
    let norm = learned("Normalizer", vec![attribute_text("norm", "L2")]);
    refusal_of(model(13, &[1, 2], vec![norm], vec![]), "divides by a norm of what it normalises");
}

#[test]
fn a_classifier_gives_scores_and_a_label_that_is_left_out() {
    let names = AttributeProto {
        name: "classlabels_strings".to_owned(),
        r#type: AttributeType::Strings as i32,
        ..AttributeProto::default()
    };
    let mut classifier = learned(
        "LinearClassifier",
        vec![
            attribute_floats("coefficients", &[1.0, 2.0, -1.0, -2.0]),
            attribute_floats("intercepts", &[0.5, -0.5]),
            attribute_int("multi_class", 1),
            names,
        ],
    );
    classifier.output = vec!["label".to_owned(), "y".to_owned()];
    let file = |classifier: &NodeProto| model(13, &[1, 2], vec![classifier.clone()], vec![]);
    let parts = import_with(&file(&classifier), &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(
        parts.self_check,
        SelfCheck::Agrees { with: Reference::Interpreter { .. } | Reference::Tract, .. }
    ));
    assert_eq!(parts.network.evaluate(&[1.0, 1.0]), [3.5, -3.5]);
    classifier.attribute.push(attribute_text("post_transform", "SOFTMAX"));
    let parts = import_with(&file(&classifier), &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(parts.self_check, SelfCheck::Agrees { .. }));
    let (found, expected) = (parts.network.evaluate(&[-0.25, 0.5]), 1.0 / (1.0 + (-2.5_f64).exp()));
    assert!((found[0] - expected).abs() < 1e-14 && (found[1] - (1.0 - expected)).abs() < 1e-14, "{found:?}");
    classifier.attribute.pop();
    classifier.attribute.push(attribute_text("post_transform", "PROBIT"));
    refusal_of(file(&classifier), "has post_transform = 'PROBIT'");
    classifier.attribute.pop();
    classifier.attribute[0] = attribute_floats("coefficients", &[1.0, 2.0]);
    classifier.attribute[1] = attribute_floats("intercepts", &[0.5]);
    refusal_of(file(&classifier), "one of two classes");
    let label = NodeProto { output: vec!["y".to_owned(), "scores".to_owned()], ..classifier };
    refusal_of(file(&label), "");
}
