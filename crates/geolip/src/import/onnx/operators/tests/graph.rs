//! What concerns the graph as a whole: inputs, outputs, batch, operator sets, and files that contradict themselves.

use super::value;
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::tensor_shape_proto::dimension;
use crate::import::onnx::proto::type_proto;
use crate::import::onnx::proto::{FunctionProto, GraphProto, ModelProto, OperatorSetIdProto, SparseTensorProto};
use crate::import::onnx::testing::{attribute_int, declared, floats, import, import_with, model, node, refusal, with};
use crate::import::{ImportError, ImportOptions, Parts, SelfCheck};

fn relu() -> ModelProto {
    model(13, &[1, 2], vec![node("Relu", &["x"], "y")], vec![])
}

fn edited(edit: impl FnOnce(&mut ModelProto, &mut GraphProto)) -> ModelProto {
    let mut model = relu();
    let mut graph = model.graph.take().unwrap_or_default();
    edit(&mut model, &mut graph);
    ModelProto { graph: Some(graph), ..model }
}

#[test]
fn inputs_that_do_not_reach_the_output_are_left_out() -> Result<(), ImportError> {
    let parts = import(&edited(|_, graph| graph.input.push(declared("state", &[0]))))?;
    assert_eq!(parts.left_out, ["state"]);
    assert_eq!((parts.inputs[0].name.as_str(), parts.network.inputs()), ("x", 2));
    Ok(())
}

#[test]
fn stored_tensors_may_be_listed_as_inputs() {
    let mut model = model(8, &[1, 2], vec![node("Mul", &["x", "w"], "y")], vec![floats("w", &[2], &[2.0, 3.0])]);
    model.graph.as_mut().expect("a graph").input.insert(0, declared("w", &[2]));
    assert_eq!(value(&model, &[1.0, 1.0]), [2.0, 3.0]);
}

/// y = 2·x + (z₀, z₁) − (z₂, z₃), and v = |x|.
fn two_inputs() -> ModelProto {
    edited(|_, graph| {
        graph.input.push(declared("z", &[1, 4]));
        graph.initializer =
            vec![floats("two", &[], &[2.0]), floats("w", &[4, 2], &[1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0])];
        graph.node = vec![
            node("Mul", &["x", "two"], "a"),
            node("MatMul", &["z", "w"], "b"),
            node("Add", &["a", "b"], "y"),
            node("Abs", &["x"], "v"),
        ];
        graph.output.push(declared("v", &[]));
    })
}

fn choose(model: &ModelProto, edit: impl FnOnce(&mut ImportOptions)) -> Result<Parts, ImportError> {
    let mut options = ImportOptions::default();
    edit(&mut options);
    let parts = import_with(model, &options)?;
    assert!(matches!(parts.self_check, SelfCheck::Agrees { .. }), "{:?}", parts.self_check);
    Ok(parts)
}

#[test]
fn several_inputs_are_one_vector_and_the_first_output_is_meant() -> Result<(), ImportError> {
    let parts = choose(&two_inputs(), |_| ())?;
    let names: Vec<&str> = parts.inputs.iter().map(|port| port.name.as_str()).collect();
    assert_eq!((names, parts.output.name.as_str()), (vec!["x", "z"], "y"));
    assert_eq!((parts.other_outputs, parts.left_out), (vec!["v".to_owned()], vec![]));
    assert_eq!(parts.network.evaluate(&[1.0, 2.0, 10.0, 20.0, 3.0, 4.0]), [9.0, 20.0]);
    Ok(())
}

#[test]
fn one_input_moves_alone_and_the_others_are_fixed() -> Result<(), ImportError> {
    let parts = choose(&two_inputs(), |options| options.input = Some("z".to_owned()))?;
    assert_eq!((parts.inputs[0].name.as_str(), parts.fixed[0].name.as_str()), ("z", "x"));
    assert_eq!(parts.network.evaluate(&[10.0, 20.0, 3.0, 4.0]), [7.0, 16.0]);
    let parts = choose(&two_inputs(), |options| options.input = Some("x".to_owned()))?;
    assert_eq!(parts.network.evaluate(&[1.0, 2.0]), [2.0, 4.0]);
    Ok(())
}

/// A fixed input is no constant: what it multiplies would have a slope that depends on it.
#[test]
fn a_fixed_input_may_not_multiply() {
    let product = edited(|_, graph| {
        graph.input.push(declared("z", &[1, 2]));
        graph.node = vec![node("Mul", &["x", "z"], "y")];
    });
    let error = choose(&product, |options| options.input = Some("x".to_owned())).map(|_| ()).expect_err("a product");
    assert!(error.to_string().contains("or on inputs that are fixed, which have no values: 'x' and 'z'"), "{error}");
}

#[test]
fn outputs_and_inner_tensors_are_chosen() -> Result<(), ImportError> {
    let parts = choose(&two_inputs(), |options| options.output = Some("v".to_owned()))?;
    assert_eq!((parts.output.name.as_str(), parts.other_outputs), ("v", vec!["y".to_owned()]));
    assert_eq!((parts.left_out, parts.network.evaluate(&[-1.0, 2.0])), (vec!["z".to_owned()], vec![1.0, 2.0]));
    for name in ["a", "a_node"] {
        let parts = choose(&two_inputs(), |options| options.until = Some(name.to_owned()))?;
        assert_eq!((parts.output.name.as_str(), parts.network.evaluate(&[1.0, 2.0])), ("a", vec![2.0, 4.0]));
    }
    let itself = choose(&two_inputs(), |options| options.until = Some("x".to_owned()))?;
    assert_eq!(itself.network.evaluate(&[1.0, 2.0]), [1.0, 2.0]);
    Ok(())
}

#[test]
fn an_obstacle_behind_the_chosen_tensor_does_not_matter() -> Result<(), ImportError> {
    let head = edited(|_, graph| {
        graph.node = vec![node("Relu", &["x"], "logits"), node("ArgMax", &["logits"], "y")];
    });
    let advice = "bound the tensor before it: --until 'logits'";
    assert!(refusal(&head).ends_with(advice));
    let parts = choose(&head, |options| options.until = Some("logits".to_owned()))?;
    assert_eq!(parts.network.evaluate(&[1.0, -1.0]), [1.0, 0.0]);
    Ok(())
}

#[test]
fn choices_that_are_not_there_are_errors() {
    let text =
        |edit: fn(&mut ImportOptions)| choose(&two_inputs(), edit).map(|_| ()).expect_err("no such thing").to_string();
    assert_eq!(
        text(|options| options.until = Some("yy".to_owned())),
        "test.onnx: no tensor or node is called 'yy'; the nearest names are 'y', 'a', 'b'"
    );
    let unreached = text(|options| (options.output, options.input) = (Some("v".to_owned()), Some("z".to_owned())));
    assert_eq!(unreached, "test.onnx: the input 'z' cannot reach 'v'; the inputs that do are 'x'");
    assert!(refusal(&edited(|_, graph| graph.output.clear())).ends_with("the model: has no output"));
}

#[test]
fn the_batch_is_one() {
    let declared_as = |dims: &[i64]| edited(|_, graph| graph.input = vec![declared("x", dims)]);
    assert_eq!(value(&declared_as(&[0, 2]), &[1.0, -1.0]), [1.0, 0.0]);
    assert_eq!(value(&declared_as(&[-1, 2]), &[1.0, -1.0]), [1.0, 0.0]);
    assert_eq!(value(&declared_as(&[2]), &[1.0, -1.0]), [1.0, 0.0]);
    assert_eq!(value(&declared_as(&[3, 1]), &[1.0, -1.0, 2.0]), [1.0, 0.0, 2.0], "a fixed batch is a larger vector");
    for (dims, expected) in [
        (&[1, 0][..], "input 'x': has the dynamic dimension 1, 'n'; export with a fixed size"),
        (&[1, -1], "input 'x': has the dynamic dimension 1; export with a fixed size"),
        (&[0], "input 'x': has the dynamic dimension 0, 'n'; export with a fixed size"),
        (&[1, 1_000_000_000_000], "input 'x': holds 1000000000000 numbers; at most 16777216 are supported"),
    ] {
        let text = refusal(&declared_as(dims));
        assert!(text.ends_with(expected), "{text}");
    }
    let empty = edited(|_, graph| {
        if let Some(type_proto::Value::TensorType(tensor)) =
            graph.input[0].r#type.as_mut().and_then(|t| t.value.as_mut())
        {
            tensor.shape.as_mut().expect("a shape").dim[1].value = Some(dimension::Value::DimValue(0));
        }
    });
    assert!(refusal(&empty).ends_with("input 'x': has no entries, its shape is [1, 0]"));
    let shapeless = edited(|_, graph| graph.input[0].r#type = None);
    assert!(refusal(&shapeless).ends_with("input 'x': is not declared as a tensor"));
}

#[test]
fn double_precision_is_compared_in_double_precision() {
    let mut model = model(13, &[1, 2], vec![node("MatMul", &["x", "w"], "y")], vec![floats("w", &[2, 1], &[])]);
    let graph = model.graph.as_mut().expect("a graph");
    graph.initializer[0].data_type = DataType::Double as i32;
    graph.initializer[0].double_data = vec![0.1, 0.2];
    if let Some(type_proto::Value::TensorType(tensor)) = graph.input[0].r#type.as_mut().and_then(|t| t.value.as_mut()) {
        tensor.elem_type = DataType::Double as i32;
    }
    assert_eq!(value(&model, &[1.0, 0.0]), [0.1]);
}

#[test]
fn the_operator_set_must_be_known() {
    let version = |version| edited(|model, _| model.opset_import[0].version = version);
    assert!(refusal(&version(6)).contains("the model: uses operator set 6; convert it to 7 or later"));
    assert!(refusal(&version(29)).contains("the model: uses operator set 29; export with 28 or earlier"));
    let none = edited(|model, _| model.opset_import.clear());
    assert!(refusal(&none).ends_with("the model: names no version of the default operator set"));
    let two = OperatorSetIdProto { domain: "ai.onnx".to_owned(), version: 12 };
    let two = edited(|model, _| model.opset_import.push(two));
    assert!(refusal(&two).ends_with("the model: names the versions 13 and 12 of the default operator set"));
    let other = OperatorSetIdProto { domain: "ai.onnx.ml".to_owned(), version: 2 };
    assert!(import(&edited(|model, _| model.opset_import.push(other))).is_ok());
}

#[test]
fn foreign_domains_functions_and_unknown_attributes_are_refused() {
    let foreign = edited(|_, graph| graph.node[0].domain = "com.example".to_owned());
    assert!(
        refusal(&foreign)
            .contains("belongs to the domain 'com.example'; of other domains than ONNX's own, few operators")
    );
    assert!(import(&edited(|_, graph| graph.node[0].domain = "ai.onnx".to_owned())).is_ok());
    let function = FunctionProto { name: "Relu".to_owned(), ..FunctionProto::default() };
    let function = edited(|model, _| model.functions.push(function));
    assert!(refusal(&function).contains("calls a function defined in the model, which has the domain of ONNX's own"));
    let overload = edited(|_, graph| graph.node[0].overload = "fast".to_owned());
    assert!(refusal(&overload).ends_with("calls the overload 'fast' of a function; inline functions before exporting"));
    let attribute = edited(|_, graph| graph.node[0].attribute = vec![attribute_int("axis", 1)]);
    assert!(refusal(&attribute).ends_with("has the attribute 'axis', which is not understood in this operator set"));
    let input = edited(|_, graph| graph.node[0].input.push("x".to_owned()));
    assert!(refusal(&input).ends_with("has its input 'x', which is not understood in this operator set"));
}

#[test]
fn every_obstacle_is_listed_once() {
    let nodes = vec![
        node("LSTM", &["x", "w"], "a"),
        node("Relu", &["a"], "b"),
        node("LRN", &["b"], "c"),
        with(node("Elu", &["x"], "d"), vec![attribute_int("beta", 1)]),
        node("Add", &["c", "d"], "y"),
    ];
    let Err(ImportError::Unsupported { obstacles, .. }) = import(&model(13, &[1, 2], nodes, vec![])) else {
        panic!("obstacles were expected")
    };
    let listed: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    assert_eq!(
        listed,
        [
            "node 'a_node' (LSTM): reads 'w', which nothing in the file gives; the file is damaged",
            "node 'c_node' (LRN): is not supported",
            "node 'd_node' (Elu): has the attribute 'beta', which is not understood in this operator set",
        ]
    );
}

#[test]
fn constant_outputs_and_empty_graphs_are_refused() {
    let constant = model(13, &[1, 2], vec![node("Identity", &["w"], "y")], vec![floats("w", &[1], &[1.0])]);
    assert!(refusal(&constant).ends_with("output 'y': does not depend on the input; a constant has nothing to bound"));
    let empty = edited(|_, graph| graph.node.clear());
    assert_eq!(refusal(&empty), "test.onnx: the graph is empty; there is no network in it");
    let unused = edited(|_, graph| graph.output = vec![declared("z", &[])]);
    assert!(refusal(&unused).ends_with("output 'z': reads 'z', which nothing in the file gives; the file is damaged"));
    let reshaped = model(13, &[1, 2], vec![with(node("Flatten", &["x"], "y"), vec![attribute_int("axis", 0)])], vec![]);
    assert_eq!(value(&reshaped, &[1.0, 2.0]), [1.0, 2.0]);
}

#[test]
fn files_that_contradict_themselves_are_damaged() {
    let twice = edited(|_, graph| graph.node.push(node("Abs", &["x"], "y")));
    assert!(refusal(&twice).ends_with("node 'y_node' (Abs): gives 'y' a second time; the file is damaged"));
    let stored = edited(|_, graph| graph.initializer.push(floats("y", &[1], &[1.0])));
    assert!(refusal(&stored).ends_with("gives 'y' a second time; the file is damaged"));
    let dangling = edited(|_, graph| graph.node[0].input[0] = "nothing".to_owned());
    assert!(refusal(&dangling).ends_with("reads 'nothing', which nothing in the file gives; the file is damaged"));
    let circular = edited(|_, graph| graph.node[0].input[0] = "y".to_owned());
    assert!(refusal(&circular).ends_with("is part of a cycle, or lies behind one; the file is damaged"));
    let sparse = edited(|_, graph| graph.sparse_initializer.push(SparseTensorProto::default()));
    assert!(refusal(&sparse).ends_with("initialiser '': is sparse, which is not supported; store it dense"));
    let stored = model(13, &[1, 2], vec![node("Mul", &["x", "w"], "y")], vec![floats("w", &[3], &[0.0; 2])]);
    assert!(refusal(&stored).ends_with("initialiser 'w': claims 3 numbers but holds 8 bytes; the file is damaged"));
    let twice = model(
        13,
        &[1, 2],
        vec![node("Mul", &["x", "w"], "y")],
        vec![floats("w", &[1], &[0.0]), floats("w", &[1], &[1.0])],
    );
    assert!(refusal(&twice).contains("initialiser 'w': is stored twice"));
    let unsorted = model(13, &[1, 2], vec![node("Abs", &["a"], "y"), node("Neg", &["x"], "a")], vec![]);
    assert_eq!(value(&unsorted, &[1.0, -2.0]), [1.0, 2.0]);
}

#[test]
fn a_small_file_cannot_ask_for_much_memory() {
    let nodes = (0..40).map(|i| {
        let (from, to) = (
            if i == 0 { "x".to_owned() } else { format!("a{i}") },
            if i == 39 { "y".to_owned() } else { format!("a{}", i + 1) },
        );
        node("Add", &[&from, "c"], &to)
    });
    let model = model(13, &[1, 1 << 22], nodes.collect(), vec![floats("c", &[1], &[1.0])]);
    assert!(refusal(&model).ends_with("needs more memory than the file's size justifies"));
}
