//! Functions that a model defines, and branches whose condition is known.

use super::{refusal_of, value};
use crate::import::onnx::proto::attribute_proto::AttributeType;
use crate::import::onnx::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};
use crate::import::onnx::testing::{
    attribute_float, attribute_int, declared, floats, import, import_with, integers, model, node, with,
};
use crate::import::{ImportOptions, SelfCheck};

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: name.to_owned(),
        domain: "own".to_owned(),
        input: names(inputs),
        output: names(outputs),
        node: nodes,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        ..FunctionProto::default()
    }
}

fn call(name: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { domain: "own".to_owned(), output: names(outputs), ..node(name, inputs, outputs[0]) }
}

fn with_functions(nodes: Vec<NodeProto>, stored: Vec<TensorProto>, functions: Vec<FunctionProto>) -> ModelProto {
    ModelProto { functions, ..model(13, &[1, 2], nodes, stored) }
}

/// An attribute that is the caller's.
fn referring(name: &str, to: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ref_attr_name: to.to_owned(),
        r#type: AttributeType::Float as i32,
        ..AttributeProto::default()
    }
}

#[test]
fn calls_stand_for_their_functions_nodes() {
    // the inner names are those outside, too, and the function is called twice, once by another one
    let inner = || {
        let nodes = vec![
            node("Mul", &["a", "b"], "x"),
            with(node("LeakyRelu", &["x"], "y"), vec![referring("alpha", "slope")]),
        ];
        let mut inner = function("Scaled", &["a", "b"], &["y"], nodes);
        inner.attribute_proto = vec![attribute_float("slope", 0.5)];
        inner
    };
    let outer = || {
        function("Twice", &["p", "q"], &["r", "p"], vec![call("Scaled", &["p", "q"], &["s"]), node("Neg", &["s"], "r")])
    };
    let mut plain = call("Scaled", &["x", "w"], &["t"]);
    plain.attribute = vec![attribute_float("slope", 0.25)];
    let nodes = || vec![plain.clone(), call("Twice", &["t", "w"], &["u", "same"]), node("Add", &["u", "same"], "y")];
    let w = || vec![floats("w", &[2], &[2.0, 4.0])];
    let file = with_functions(nodes(), w(), vec![outer(), inner()]);
    // t = leaky(2x₀, 4x₁; ¼), u = −leaky(2t₀, 4t₁; ½)
    assert_eq!(value(&file, &[1.0, -1.0]), [2.0 - 4.0, -1.0 + 2.0]);
    // tensors inside can be chosen
    let until = ImportOptions { until: Some("u_node/s".to_owned()), ..ImportOptions::default() };
    let until = import_with(&file, &until).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(until.network.evaluate(&[1.0, -1.0]), [4.0, -2.0]);
    assert!(matches!(until.self_check, SelfCheck::Agrees { .. }));
}

#[test]
fn an_output_that_is_not_asked_for_and_an_input_that_is_left_out() {
    let clip = function(
        "Bounded",
        &["a", "low", "high"],
        &["c", "n"],
        vec![node("Clip", &["a", "low", "high"], "c"), node("Neg", &["a"], "n")],
    );
    let nodes = vec![call("Bounded", &["x", "", "h"], &["y"])];
    let file = with_functions(nodes, vec![floats("h", &[], &[0.5])], vec![clip]);
    assert_eq!(value(&file, &[1.0, -7.0]), [0.5, -7.0]);
}

#[test]
fn functions_that_cannot_be_inlined_are_refused_with_the_reason() {
    let endless = function("F", &["a"], &["b"], vec![call("F", &["a"], &["b"])]);
    let calling = |functions: Vec<FunctionProto>| with_functions(vec![call("F", &["x"], &["y"])], vec![], functions);
    refusal_of(calling(vec![endless]), "is too deep or too large");
    let plain = || function("F", &["a"], &["b"], vec![node("Relu", &["a"], "b")]);
    assert!(import(&calling(vec![plain()])).is_ok());
    let mut later = plain();
    later.opset_import[0].version = 18;
    refusal_of(calling(vec![later]), "is of another operator set than the model");
    let mut extra = calling(vec![plain()]);
    extra.graph.as_mut().expect("a graph").node[0].attribute = vec![attribute_int("axis", 1)];
    refusal_of(extra, "lacks an attribute that the call gives");
    let mut many = calling(vec![plain()]);
    many.graph.as_mut().expect("a graph").node[0].input.push("x".to_owned());
    refusal_of(many, "has fewer inputs or outputs than the call");
    refusal_of(calling(vec![plain(), plain()]), "inline functions before exporting");
    let doubling =
        |name: &str, of: &str| function(name, &["a"], &["c"], vec![call(of, &["a"], &["b"]), call(of, &["b"], &["c"])]);
    let mut bomb: Vec<FunctionProto> = (1..40).map(|i| doubling(&format!("G{i}"), &format!("G{}", i + 1))).collect();
    bomb.push(function("G40", &["a"], &["c"], vec![node("Relu", &["a"], "c")]));
    bomb.push(doubling("F", "G1"));
    refusal_of(calling(bomb), "is too deep or too large");
}

fn branch(name: &str, output: &str, nodes: Vec<NodeProto>, stored: Vec<TensorProto>) -> AttributeProto {
    let output = ValueInfoProto { r#type: None, ..declared(output, &[]) };
    let graph = GraphProto { node: nodes, initializer: stored, output: vec![output], ..GraphProto::default() };
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Graph as i32,
        g: Some(Box::new(graph)),
        ..AttributeProto::default()
    }
}

/// y = relu(if the first dimension is `size` then 2·x else x), the branches each with a tensor `k` of their own.
fn squeezing(size: i64) -> ModelProto {
    let yes = branch("then_branch", "o", vec![node("Mul", &["x", "k"], "o")], vec![floats("k", &[], &[2.0])]);
    let inner_yes = branch("then_branch", "same", vec![node("Identity", &["x"], "same")], vec![]);
    let inner_no = branch("else_branch", "k", vec![], vec![floats("k", &[1, 2], &[5.0, 5.0])]);
    let nested = with(node("If", &["holds"], "z"), vec![inner_yes, inner_no]);
    let no = branch("else_branch", "z", vec![node("Not", &["c"], "holds"), nested], vec![]);
    let nodes = vec![
        node("Shape", &["x"], "s"),
        node("Gather", &["s", "zero"], "d"),
        node("Equal", &["d", "one"], "c"),
        with(node("If", &["c"], "q"), vec![yes, no]),
        node("Relu", &["q"], "y"),
    ];
    let scalar = |name: &str, v: i64| TensorProto { dims: vec![], ..integers(name, &[v]) };
    model(13, &[1, 2], nodes, vec![scalar("zero", 0), scalar("one", size)])
}

#[test]
fn a_branch_whose_condition_is_known_is_taken() {
    assert_eq!(value(&squeezing(1), &[1.0, -1.0]), [2.0, 0.0]);
    assert_eq!(value(&squeezing(7), &[1.0, -1.0]), [1.0, 0.0]);
    let mut by_input = squeezing(1);
    by_input.graph.as_mut().expect("a graph").node[3].input[0] = "x".to_owned();
    refusal_of(by_input, "is recurrent or control flow");
}
