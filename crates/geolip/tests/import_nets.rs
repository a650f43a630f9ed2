//! Whole files: the project's own networks, and networks by others where `../shared` is there.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use geolip::import::{Format, ImportError, ImportOptions, Imported, Place, Reference, SelfCheck, load};
use geolip::network::Network;
use std::path::{Path, PathBuf};
use support::files::{root, shared_nets};

fn import(path: &Path) -> Imported {
    load(path, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn agrees(imported: &Imported) -> bool {
    matches!(imported.self_check, SelfCheck::Agrees { inputs: 1..=5, largest_ratio, .. } if largest_ratio <= 1.0)
}

/// Inputs that are neither small nor regular.
fn samples(len: usize) -> impl Iterator<Item = Vec<f64>> {
    (0..20).map(move |sample| (0..len).map(|i| ((i * 37 + sample * 101 + 1) as f64).sin() * 1.5).collect())
}

fn largest_difference(a: &Network, b: &Network) -> f64 {
    assert_eq!((a.inputs(), a.outputs()), (b.inputs(), b.outputs()));
    let differences = samples(a.inputs()).flat_map(|x| {
        let (p, q) = (a.evaluate(&x), b.evaluate(&x));
        p.into_iter().zip(q).map(|(p, q)| (p - q).abs()).collect::<Vec<_>>()
    });
    differences.fold(0.0, f64::max)
}

/// Networks that tract cannot run (ReduceMax of a float32 tensor over the last axis).
const TRACT_CANNOT: [&str; 5] = [
    "exlipbab/groupsort_wine_11_12_12_1_topk.onnx",
    "maxmin/maxmin_l2_2fc_16_reduce.onnx",
    "maxmin/maxmin_l2_5fc_32_reduce.onnx",
    "maxmin/maxmin_l2_2fc_16_topk.onnx",
    "maxmin/maxmin_l2_5fc_32_topk.onnx",
];
/// How many ONNX files of the index are read.
const SUPPORTED: usize = 51;
/// A closed loop with products, and attention: read, and bounded on regions.
const SMOOTH: [&str; 3] = ["smooth/lsnc_state.onnx", "smooth/vit_pgd.onnx", "vnn_misc/vit_pgd_2_3_16.onnx"];

#[test]
fn our_own_networks_import_and_agree_with_tract() {
    for (file, neurons) in [("784-64-10", 64), ("784-256-10", 256), ("784-64-64-10", 128), ("784-7x64-10", 448)] {
        let imported = import(&root().join(format!("models/digits-{file}.onnx")));
        assert!(agrees(&imported), "{file}: {:?}", imported.self_check);
        assert_eq!((imported.network.inputs(), imported.network.outputs()), (784, 10), "{file}");
        assert_eq!(imported.network.neurons(), neurons, "{file}");
        assert_eq!((imported.inputs[0].name.as_str(), imported.inputs[0].shape.as_slice()), ("input", &[1, 784][..]));
        assert_eq!((imported.output.name.as_str(), imported.output.shape.as_slice()), ("logits", &[1, 10][..]));
        assert!(matches!(imported.format, Format::Onnx { opset: 13, .. }), "{:?}", imported.format);
        assert_eq!(imported.left_out, [""; 0]);
    }
}

#[test]
fn a_weight_list_is_the_same_function_as_its_onnx_file() {
    let list = import(&root().join("models/digits-784-64-10.npz"));
    let graph = import(&root().join("models/digits-784-64-10.onnx"));
    assert!(matches!(&list.self_check, SelfCheck::NotRun { reason } if reason.starts_with("weight list")));
    assert_eq!(list.format, Format::Npz);
    assert_eq!(largest_difference(&list.network, &graph.network), 0.0);
    assert_eq!(list.sha256, "e44ad5f135b33afd155b887509b9382b20b5eab7b7b7ef8e783f3d8f60e2cb73");
    assert_eq!(graph.sha256, "2295ade1482169e147b994d3c66e950b38511b43812a1becf8907552b57ef093");
}

/// Networks by others whose operators are supported.
const DENSE: [&str; 32] = [
    "archcomp/controller_airplane.onnx",
    "archcomp/controller_single_pendulum.onnx",
    "berkeley_elu/policy_biped_25hz_a.onnx",
    "eran_acasxu/eran_ACASXU_run2a_1_1_batch_2000.onnx",
    "ezkl/1l_gelu_noappx.onnx",
    "ezkl/mish.onnx",
    "ezkl/selu.onnx",
    "ezkl/softplus.onnx",
    "glipsdp_onnx/mlp_L65_W16.onnx",
    "marabou/fc2.onnx",
    "marabou/mnist2x5_sigmoid.onnx",
    "marabou/mnist5x20_leaky_relu.onnx",
    "marabou/oneInput_twoBranches.onnx",
    "marabou/tanh_test.onnx",
    "marabou/yizhak_net.onnx",
    "omlt/gemm_not_transB.onnx",
    "omlt/gemm_transB.onnx",
    "omlt/keras_linear_131_relu.onnx",
    "onnx2c/tfl_sine.onnx",
    "vnn_acasxu/ACASXU_run2a_1_1_batch_2000.onnx",
    "vnn_dist_shift/mnist_concat.onnx",
    "vnn_eran/ffnnSIGMOID__Point_6x200.onnx",
    "vnn_mnist_fc/mnist-net_256x2.onnx",
    "vnn_mnist_fc/mnist-net_256x4.onnx",
    "vnn_nn4sys/lindex.onnx",
    "vnn_reach_prob/vdp.onnx",
    "vnn_rl/cartpole.onnx",
    "vnn_rl/lunarlander.onnx",
    "vnn_test/test_nano.onnx",
    "vnn_test/test_small.onnx",
    "vnn_tll/tll_N8_0.onnx",
    "eclipse_mat/eclipse_lyr2n80test1.npz",
];

#[test]
fn dense_networks_by_others_import_and_agree_with_tract() {
    let Some(shared) = shared_nets() else { return };
    let own = std::fs::read_dir(shared.join("own")).unwrap().map(|entry| entry.unwrap().path());
    let own = own.filter(|path| path.extension().is_some_and(|extension| extension == "onnx" || extension == "npz"));
    let files: Vec<PathBuf> = DENSE.iter().map(|file| shared.join(file)).chain(own).collect();
    assert!(files.len() >= 40, "{} files", files.len());
    for path in files {
        let imported = import(&path);
        let name = path.display();
        assert!(agrees(&imported) || imported.format == Format::Npz, "{name}: {:?}", imported.self_check);
        let shape = |port: &geolip::import::Port| port.shape.iter().product::<usize>();
        assert_eq!(imported.inputs.iter().map(shape).sum::<usize>(), imported.network.inputs(), "{name}");
        assert_eq!(shape(&imported.output), imported.network.outputs(), "{name}");
    }
}

#[test]
fn files_with_the_same_function_import_as_the_same_function() {
    let Some(shared) = shared_nets() else { return };
    for (a, b, tolerance) in [
        ("vnn_acasxu/ACASXU_run2a_1_1_batch_2000.onnx", DENSE[3], 1e-5),
        ("own/net2_8.onnx", "own/net2_8.npz", 1e-5),
        ("own/net2_64.onnx", "own/net2_64.npz", 1e-5),
        ("own/net3.onnx", "own/net3.npz", 1e-5),
    ] {
        let (p, q) = (import(&shared.join(a)), import(&shared.join(b)));
        let difference = largest_difference(&p.network, &q.network);
        assert!(difference <= tolerance, "{a} and {b} differ by {difference}");
    }
}

/// Networks by others that spell out their activations.
#[test]
fn activations_spelt_out_are_one_activation() {
    let Some(shared) = shared_nets() else { return };
    for (file, expected, nodes) in [
        // √2 is float32's: one factor before, one after
        ("ezkl/1l_gelu_noappx.onnx", geolip::network::Activation::Gelu, 4),
        ("ezkl/mish.onnx", geolip::network::Activation::Mish, 2),
    ] {
        let network = import(&shared.join(file)).network;
        let found: Vec<_> = network.activations().map(|(_, _, activation)| activation.clone()).collect();
        assert_eq!((found, network.nodes().len()), (vec![expected], nodes), "{file}");
    }
}

/// 65 hidden layers with weights in another file, some of them divided by their norm in the graph.
#[test]
fn external_data_and_weights_computed_in_the_graph_are_read() {
    let Some(shared) = shared_nets() else { return };
    let path = shared.join("glipsdp_onnx/mlp_L65_W16.onnx");
    let network = import(&path).network;
    assert_eq!((network.inputs(), network.outputs(), network.activations().count()), (784, 10, 65));
    let bytes = std::fs::read(&path).unwrap();
    let alone = geolip::import::from_bytes(&bytes, &path, &ImportOptions::default()).expect_err("no other file");
    assert!(alone.to_string().contains("load the model by its path"), "{alone}");
}

#[test]
fn several_outputs_and_a_batch_are_read() {
    let Some(shared) = shared_nets() else { return };
    let path = shared.join("marabou/oneInput_twoBranches.onnx");
    let first = import(&path);
    assert_eq!((first.network.inputs(), first.network.outputs()), (12, 12));
    assert_eq!((first.output.name.as_str(), first.other_outputs), ("Y", vec!["add1".to_owned()]));
    let options = ImportOptions { output: Some("add1".to_owned()), ..ImportOptions::default() };
    let second = load(&path, &options).unwrap_or_else(|error| panic!("{error}"));
    assert!(agrees(&second), "{:?}", second.self_check);
    assert_eq!((second.output.name.as_str(), second.other_outputs), ("add1", vec!["Y".to_owned()]));
    let up_to = ImportOptions { until: Some("add1".to_owned()), ..ImportOptions::default() };
    let inner = load(&path, &up_to).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(inner.network, second.network);
}

/// The two hold the same square matrix, once with transB and once without: `equivalent_pairs.tsv` takes them for the same
/// function, but onnxruntime, tract and we do not.
#[test]
fn a_square_matrix_is_not_its_transpose() {
    let Some(shared) = shared_nets() else { return };
    let [p, q] = ["omlt/gemm_transB.onnx", "omlt/gemm_not_transB.onnx"].map(|file| import(&shared.join(file)));
    assert!(agrees(&p) && agrees(&q));
    assert!(largest_difference(&p.network, &q.network) > 0.1);
}

/// Every file of the index that is to be supported is read, and tract agrees; every other one is refused at a node, in a
/// sentence that says what would work.
#[test]
fn the_index_says_what_is_supported() {
    let Some(shared) = shared_nets() else { return };
    let index = std::fs::read_to_string(shared.join("INDEX.tsv")).unwrap();
    let (mut supported, mut refused) = (0, 0);
    for line in index.lines().skip(1) {
        let (file, expect) = (line.split('\t').next().unwrap(), line.rsplit('\t').next().unwrap());
        if !file.ends_with(".onnx") {
            continue;
        }
        if expect == "support" || SMOOTH.contains(&file) {
            let imported = import(&shared.join(file));
            assert!(agrees(&imported), "{file}: {:?}", imported.self_check);
            let tract = matches!(imported.self_check, SelfCheck::Agrees { with: Reference::Tract, .. });
            assert!(tract || TRACT_CANNOT.contains(&file), "{file}: {:?}", imported.self_check);
            supported += 1;
            continue;
        }
        let error = load(&shared.join(file), &ImportOptions::default()).map(|_| ()).expect_err(file);
        let text = error.to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        let ImportError::Unsupported { contents, obstacles, .. } = error else { panic!("{text}") };
        assert!(!contents.inputs.is_empty() && !contents.outputs.is_empty(), "{contents:?}");
        assert!(obstacles.iter().any(|obstacle| matches!(obstacle.place, Place::Node { .. })), "{text}");
        let helps = |word: &str| obstacles[0].reason.contains(word);
        assert!(helps("--until") || helps("export"), "{text}");
        refused += 1;
    }
    assert_eq!((supported, refused), (SUPPORTED, 3));
}

/// What an obstacle recommends works: the U-Net until before its softmax.
#[test]
fn the_advice_about_a_softmax_can_be_followed() {
    let Some(shared) = shared_nets() else { return };
    let path = shared.join("vnn_misc/unet_simp_small.onnx");
    let Err(ImportError::Unsupported { obstacles, .. }) = load(&path, &ImportOptions::default()) else {
        panic!("obstacles were expected")
    };
    let advice = obstacles[0].reason.split("--until ").nth(1).unwrap().trim_matches('\'').to_owned();
    let options = ImportOptions { until: Some(advice.clone()), ..ImportOptions::default() };
    let imported = load(&path, &options).unwrap_or_else(|error| panic!("{error}"));
    assert!(agrees(&imported), "{:?}", imported.self_check);
    assert_eq!(imported.output.name, advice);
}
