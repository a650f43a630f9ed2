//! The self-check catches networks that were read wrongly, and does not cry wolf.

use super::{Difference, Disagreement, first_difference, inputs_for};
use crate::import::onnx::graph::Graph;
use crate::import::onnx::hints::Hints;
use crate::import::onnx::proto::ModelProto;
use crate::import::onnx::testing::{attribute_float, declared, floats, model, node, with};
use crate::import::onnx::translate::{Translated, translate};
use crate::import::{ImportError, ImportOptions, Port, Reference, SelfCheck};
use crate::matrix::Matrix;
use crate::network::{Activation, LinearMap, Network, NetworkBuilder, NetworkError, Op};
use prost::Message;
use std::path::Path;

type Fallible = Result<(), Box<dyn std::error::Error>>;

/// Compares a network with a model whose input x has the given shape.
fn run(network: &Network, model: &ModelProto, shape: &[usize]) -> Result<SelfCheck, Disagreement> {
    let name = model.graph.as_ref().map(|graph| graph.input[0].name.clone()).unwrap_or_default();
    let inputs = vec![Port { name, shape: shape.to_vec() }];
    let output = Port { name: "y".to_owned(), shape: vec![network.outputs()] };
    let translated = Translated {
        network: network.clone(),
        inputs,
        fixed: vec![],
        output,
        tensors: vec![],
        hints: Hints::default(),
    };
    super::run(&translated, model, model)
}

/// A trained network of seven hidden layers of 64, and its file.
fn trained() -> Result<(Network, ModelProto), Box<dyn std::error::Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/digits-784-7x64-10.onnx");
    let bytes = std::fs::read(&path)?;
    let network = crate::import::onnx::read(&bytes, &path, None, &ImportOptions::default())?.network;
    Ok((network, crate::import::onnx::decode(&bytes)?))
}

/// The network with `edit` applied to the matrix and bias of each affine layer, counted from 0.
fn rebuilt(
    network: &Network,
    edit: impl Fn(usize, Matrix, Vec<f64>) -> (Matrix, Vec<f64>),
) -> Result<Network, NetworkError> {
    let mut builder = NetworkBuilder::new(network.inputs())?;
    let mut node = builder.input();
    let mut layer = 0;
    for old in network.nodes() {
        match &old.op {
            Op::Input => {}
            Op::Affine { terms, bias } => {
                let LinearMap::Dense(weight) = terms[0].map.as_ref() else { continue };
                let (weight, bias) = edit(layer, weight.clone(), bias.clone().unwrap_or_default());
                node = builder.affine(&old.name, vec![(node, LinearMap::Dense(weight))], Some(bias))?;
                layer += 1;
            }
            Op::Activate { activation, .. } => node = builder.activate(&old.name, node, activation.clone())?,
            Op::Combine { .. } => unreachable!("a chain of layers"),
        }
    }
    Ok(builder.finish(node))
}

#[test]
fn the_network_itself_agrees() -> Fallible {
    let (network, model) = trained()?;
    let same = rebuilt(&network, |_, weight, bias| (weight, bias))?;
    assert_eq!(same, network);
    let Ok(SelfCheck::Agrees { with: Reference::Tract, inputs: 5, largest_ratio }) = run(&same, &model, &[1, 784])
    else {
        panic!("a disagreement")
    };
    assert!(0.0 < largest_ratio && largest_ratio < 0.25, "{largest_ratio}");
    Ok(())
}

#[test]
fn a_transposed_weight_is_caught_in_every_layer() -> Fallible {
    let (network, model) = trained()?;
    for wrong in 1..7 {
        let edit = |layer, weight: Matrix, bias| (if layer == wrong { weight.transposed() } else { weight }, bias);
        assert!(run(&rebuilt(&network, edit)?, &model, &[1, 784]).is_err(), "layer {wrong}");
    }
    Ok(())
}

#[test]
fn a_dropped_bias_is_caught_in_every_layer() -> Fallible {
    let (network, model) = trained()?;
    for wrong in 0..8 {
        let edit = |layer, weight, bias: Vec<f64>| (weight, if layer == wrong { vec![0.0; bias.len()] } else { bias });
        assert!(run(&rebuilt(&network, edit)?, &model, &[1, 784]).is_err(), "layer {wrong}");
    }
    Ok(())
}

#[test]
fn a_single_wrong_weight_is_caught() -> Fallible {
    let (network, model) = trained()?;
    let edit = |layer, mut weight: Matrix, bias| {
        if layer == 0 {
            *weight.at_mut(17, 400) *= -1.0;
        }
        (weight, bias)
    };
    assert!(run(&rebuilt(&network, edit)?, &model, &[1, 784]).is_err());
    Ok(())
}

#[test]
fn another_activation_is_caught() -> Fallible {
    let model = model(13, &[1, 3], vec![node("LeakyRelu", &["x"], "y")], vec![]);
    let mut builder = NetworkBuilder::new(3)?;
    let node = builder.activate("y", builder.input(), Activation::LeakyRelu { slope: 0.0101 })?;
    let Err(Disagreement { difference: Difference::Value { found, expected, tolerance, .. }, .. }) =
        run(&builder.finish(node), &model, &[1, 3])
    else {
        panic!("another slope")
    };
    assert!((found - expected).abs() > tolerance);
    let difference = Difference::Value { output: 2, found: 1.5, expected: 1.25, tolerance: 1e-6 };
    let found = Disagreement { reference: Reference::Tract, difference };
    let text = found.at(Path::new("n.onnx"), Some("h".to_owned()));
    assert_eq!(
        text.to_string(),
        "n.onnx: the self-check failed: output 2 differs by 2.500e-1 from tract's (1.5 against 1.25, while \
         rounding explains 1.0e-6); the first tensor that differs is 'h'; please report this file"
    );
    Ok(())
}

#[test]
fn another_number_of_outputs_is_caught() -> Fallible {
    let model = model(13, &[1, 3], vec![node("Relu", &["x"], "y")], vec![]);
    let mut builder = NetworkBuilder::new(3)?;
    let map = LinearMap::Dense(Matrix::from_vec(1, 3, vec![1.0; 3]));
    let node = builder.affine("y", vec![(builder.input(), map)], None)?;
    let found = run(&builder.finish(node), &model, &[1, 3]);
    let difference = Difference::Length { found: 1, expected: 3 };
    assert_eq!(found, Err(Disagreement { reference: Reference::Tract, difference }));
    Ok(())
}

#[test]
fn what_cannot_be_compared_is_said() -> Fallible {
    let unknown = model(13, &[1, 3], vec![node("Frobnicate", &["x"], "y")], vec![]);
    let mut builder = NetworkBuilder::new(3)?;
    let node = builder.activate("y", builder.input(), Activation::Relu)?;
    let network = builder.finish(node);
    let Ok(SelfCheck::NotRun { reason }) = run(&network, &unknown, &[1, 3]) else { panic!("a comparison") };
    assert!(reason.starts_with("tract cannot run this file: "), "{reason}");
    assert!(reason.contains("; geolip's interpreter: Frobnicate"), "{reason}");
    Ok(())
}

#[test]
fn what_float32_cannot_hold_is_compared_in_double_precision() -> Fallible {
    let weights = vec![floats("w", &[3, 1], &[1e38; 3]), floats("v", &[1, 1], &[1e3])];
    let nodes = vec![node("MatMul", &["x", "w"], "h"), node("MatMul", &["h", "v"], "y")];
    let steep = model(13, &[1, 3], nodes, weights);
    let network = |first: f64| -> Result<Network, NetworkError> {
        let mut builder = NetworkBuilder::new(3)?;
        let map = LinearMap::Dense(Matrix::from_vec(1, 3, vec![first * f64::from(1e3_f32); 3]));
        let node = builder.affine("y", vec![(builder.input(), map)], None)?;
        Ok(builder.finish(node))
    };
    let right = run(&network(f64::from(1e38_f32))?, &steep, &[1, 3]);
    let Ok(SelfCheck::Agrees { with: Reference::Interpreter { because }, inputs: 5, .. }) = right else {
        panic!("{right:?}")
    };
    assert_eq!(because, "in float32 values overflow at 4 inputs");
    let wrong = run(&network(1.0001e38)?, &steep, &[1, 3]);
    assert!(matches!(wrong, Err(Disagreement { reference: Reference::Interpreter { .. }, .. })), "{wrong:?}");
    Ok(())
}

/// A reading of files that takes every LeakyReLU for a ReLU.
fn without_leaks(
    graph: &Graph<'_>,
    input: Option<&str>,
    size: usize,
) -> Result<Translated, Vec<crate::import::Obstacle>> {
    let right = translate(graph, input, size)?;
    let mut builder = NetworkBuilder::new(right.network.inputs()).expect("inputs");
    let mut ids = vec![builder.input()];
    for node in right.network.nodes().iter().skip(1) {
        let id = match &node.op {
            Op::Input => builder.input(),
            Op::Affine { terms, bias } => {
                let terms = terms.iter().map(|term| (ids[term.parent.index()], LinearMap::clone(&term.map))).collect();
                builder.affine(&node.name, terms, bias.clone()).expect("as before")
            }
            Op::Activate { parent, activation } => {
                let wrong =
                    if matches!(activation, Activation::LeakyRelu { .. }) { &Activation::Relu } else { activation };
                builder.activate(&node.name, ids[parent.index()], wrong.clone()).expect("as before")
            }
            Op::Combine { parents, combination } => {
                let parents = parents.map(|parent| ids[parent.index()]);
                builder.combine(&node.name, parents, *combination).expect("as before")
            }
        };
        ids.push(id);
    }
    let network = builder.finish(ids[right.network.output().index()]);
    Ok(Translated { network, ..right })
}

/// x → MatMul → Tanh → LeakyRelu → MatMul → y.
fn leaking() -> ModelProto {
    let nodes = vec![
        node("MatMul", &["x", "w"], "a"),
        node("Tanh", &["a"], "b"),
        with(node("LeakyRelu", &["b"], "c"), vec![attribute_float("alpha", 0.25)]),
        node("MatMul", &["c", "w"], "y"),
    ];
    model(13, &[1, 2], nodes, vec![floats("w", &[2, 2], &[1.0, -2.0, 0.5, 3.0])])
}

#[test]
fn the_first_tensor_that_differs_is_named() {
    let bytes = leaking().encode_to_vec();
    let read = |translate: &crate::import::onnx::Translate| {
        crate::import::onnx::read_with(translate, &bytes, Path::new("n.onnx"), None, &ImportOptions::default())
    };
    assert!(read(&translate).is_ok());
    let Err(error @ ImportError::Disagrees { .. }) = read(&without_leaks).map(|_| ()) else { panic!("a disagreement") };
    assert!(error.to_string().ends_with("; the first tensor that differs is 'c'; please report this file"), "{error}");
}

#[test]
fn many_tensors_are_searched_by_bisection() {
    let tensors: Vec<String> = (0..1000).map(|i| format!("t{i}")).collect();
    let number = |name: &str| name[1..].parse::<usize>().expect("a number");
    for first in [0, 31, 500, 999] {
        let mut asked = 0;
        let found = first_difference(&tensors, |name| {
            asked += 1;
            Some(number(name) >= first)
        });
        assert_eq!(found, Some(format!("t{first}")));
        assert!(asked < 45, "{asked}");
    }
    assert_eq!(first_difference(&tensors, |_| None), None);
}

#[test]
fn expensive_networks_are_compared_at_fewer_inputs() -> Fallible {
    let dense = |size: usize| -> Result<Network, NetworkError> {
        let mut builder = NetworkBuilder::new(size)?;
        let map = LinearMap::Dense(Matrix::zeros(size, size));
        let node = builder.affine("y", vec![(builder.input(), map)], None)?;
        Ok(builder.finish(node))
    };
    assert_eq!(inputs_for(&dense(100)?), 5);
    assert_eq!(inputs_for(&dense(16_000)?), 2);
    Ok(())
}

#[test]
fn several_inputs_and_fixed_ones_are_fed() -> Result<(), ImportError> {
    let mut model = model(13, &[1, 2], vec![node("Sub", &["z", "x"], "d"), node("Tanh", &["d"], "y")], vec![]);
    if let Some(graph) = &mut model.graph {
        graph.input.push(declared("z", &[1, 2]));
    }
    for input in [None, Some("x"), Some("z")] {
        let options = ImportOptions { input: input.map(str::to_owned), ..ImportOptions::default() };
        let found = crate::import::onnx::testing::import_with(&model, &options)?.self_check;
        assert!(matches!(found, SelfCheck::Agrees { .. }), "{input:?}: {found:?}");
    }
    Ok(())
}
