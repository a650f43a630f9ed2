//! Weight lists as whole files: `.safetensors` written by its own library, `.mat` networks by others where `../shared` is
//! there. The readers' own tests are beside them.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use geolip::import::{Format, ImportError, ImportOptions, Imported, SelfCheck, from_bytes, load};
use geolip::network::{Activation, LinearMap, Network, Op};
use geolip::{Matrix, network::NodeId};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::path::Path;
use support::files::{root, shared_nets};

fn options(transposed: Option<bool>) -> ImportOptions {
    ImportOptions { transposed, ..ImportOptions::default() }
}

/// Imports, and looks at the error if there is one.
fn import(bytes: &[u8], name: &str, transposed: Option<bool>) -> Result<Imported, ImportError> {
    let outcome = from_bytes(bytes, Path::new(name), &options(transposed));
    if let Err(error) = &outcome {
        let text = error.to_string();
        assert!(text.starts_with(name) && text.lines().count() == 1 && text.len() < 2000, "{text:?}");
    }
    outcome
}

/// The matrices and biases of a network that came from a list.
fn layers(network: &Network) -> Vec<(Matrix, Vec<f64>)> {
    let affine = |id: NodeId| match &network.node(id).op {
        Op::Affine { terms, bias } => {
            let LinearMap::Dense(matrix) = terms[0].map.as_ref() else { panic!("a dense layer") };
            Some((matrix.clone(), bias.clone().unwrap()))
        }
        _ => None,
    };
    network.ids().filter_map(affine).collect()
}

/// A file of float32 tensors.
fn safetensors(tensors: &[(String, Vec<usize>, Vec<f64>)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, data)| data.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    serialize(views, None).unwrap()
}

/// The tensors of a network as PyTorch names them, every matrix turned or not.
fn tensors(network: &Network, turned: bool) -> Vec<(String, Vec<usize>, Vec<f64>)> {
    let layer = |(number, (matrix, bias)): (usize, (Matrix, Vec<f64>))| {
        let matrix = if turned { matrix.transposed() } else { matrix };
        let (name, shape) = (format!("net.{}", 2 * number), vec![matrix.rows(), matrix.cols()]);
        [(format!("{name}.weight"), shape, matrix.data().to_vec()), (format!("{name}.bias"), vec![bias.len()], bias)]
    };
    layers(network).into_iter().enumerate().flat_map(layer).collect()
}

#[test]
fn a_safetensors_file_is_the_same_network_as_its_npz() {
    let npz = load(&root().join("models/digits-784-64-10.npz"), &options(None)).unwrap();
    let same = |imported: &Imported| {
        assert_eq!(imported.network.hash(), npz.network.hash());
        assert_eq!(imported.format, Format::Safetensors);
        assert!(matches!(&imported.self_check, SelfCheck::NotRun { reason } if reason.starts_with("weight list")));
        assert_eq!((imported.inputs[0].shape.as_slice(), imported.output.shape.as_slice()), (&[784][..], &[10][..]));
        assert_eq!(imported.left_out, [""; 0]);
    };
    let straight = safetensors(&tensors(&npz.network, false));
    for name in ["net.safetensors", "net", "net.onnx"] {
        same(&import(&straight, name, None).unwrap());
    }
    same(&import(&straight, "net.safetensors", Some(false)).unwrap());
    let turned = safetensors(&tensors(&npz.network, true));
    same(&import(&turned, "net.safetensors", Some(true)).unwrap());
    same(&import(&turned, "net.safetensors", None).unwrap());
    assert_eq!(
        import(&turned, "net.safetensors", Some(false)).expect_err("transposed").to_string(),
        "net.safetensors: array 'net.0.bias' has 64 numbers where net.0.weight gives 784; \
         as in x out all shapes fit: give --transposed"
    );
    assert_eq!(
        import(&straight, "net.safetensors", Some(true)).expect_err("not transposed").to_string(),
        "net.safetensors: array 'net.0.bias' has 64 numbers where net.0.weight gives 784; \
         as out x in all shapes fit: leave out --transposed"
    );
    let tanh = ImportOptions { activation: Some(Activation::Tanh), ..options(None) };
    let tanh = from_bytes(&straight, Path::new("net.safetensors"), &tanh).unwrap().network;
    assert_ne!(tanh.hash(), npz.network.hash());
}

#[test]
fn spoilt_safetensors_do_no_harm() {
    let numbers = |n: usize| (0..n).map(|i| 0.5 + 0.25 * i as f64).collect::<Vec<_>>();
    let list = |name: &str, shape: &[usize]| (name.to_owned(), shape.to_vec(), numbers(shape.iter().product()));
    let small = [list("0.weight", &[2, 3]), list("0.bias", &[2]), list("2.weight", &[1, 2])];
    let whole = safetensors(&small);
    assert_eq!(import(&whole, "small.safetensors", None).unwrap().network.neurons(), 2);
    for length in 0..whole.len() {
        assert!(import(&whole[..length], "cut.safetensors", None).is_err(), "{length} bytes");
    }
    for place in 0..whole.len() {
        for byte in [whole[place] ^ 0x01, whole[place] ^ 0x08, whole[place] ^ 0x80, 0x00, 0xff] {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            let _ = import(&bytes, "spoilt.safetensors", None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_of_any_name_do_no_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        start in prop::sample::select(vec![&b""[..], b"MATLAB 5.0", b"PK\x03\x04", b"\x10\0\0\0\0\0\0\0{\"a\":"]),
        extension in prop::sample::select(vec!["mat", "safetensors", "npz", "onnx"]),
    ) {
        let bytes = [start, &bytes].concat();
        let name = format!("net.{extension}");
        prop_assert!(import(&bytes, &name, None).is_err());
    }
}

/// Files with their orientation, and the layer sizes that the index of the shared networks states.
const MAT: [(&str, Option<bool>, &[usize]); 8] = [
    ("eclipse_mat/eclipse_mnist_base.mat", None, &[784, 128, 128, 128, 10]),
    ("eclipse_mat/eclipse_mnist_lyr3n100test1.mat", None, &[784, 100, 100, 10]),
    ("eclipse_mat/eclipse_rand_lyr5n10.mat", None, &[5, 10, 10, 10, 10, 2]),
    ("glipsdp_mat/glipsdp_fnn2_seed0_weights.mat", Some(true), &[64, 32, 10]),
    ("glipsdp_mat/glipsdp_fnn3_seed0_weights.mat", Some(true), &[64, 32, 32, 10]),
    ("lipmip_mat/lipmip_40023ce1.mat", None, &[4, 16, 1]),
    ("lipsdp_mat/lipsdp_mnist_weights.mat", None, &[784, 50, 10]),
    ("lipsdp_mat/lipsdp_random_weights.mat", None, &[2, 10, 30, 20, 2]),
];

#[test]
fn mat_networks_by_others_are_imported() {
    let Some(shared) = shared_nets() else { return };
    for (file, transposed, sizes) in MAT {
        let imported = load(&shared.join(file), &options(transposed)).unwrap();
        let network = &imported.network;
        assert_eq!(imported.format, Format::Mat, "{file}");
        assert_eq!((network.inputs(), network.outputs()), (sizes[0], sizes[sizes.len() - 1]), "{file}");
        assert_eq!(network.neurons(), sizes[1..sizes.len() - 1].iter().sum::<usize>(), "{file}");
        let scaled = file.starts_with("glipsdp");
        assert_eq!(imported.left_out, if scaled { &["input_mean", "input_scale"][..] } else { &[] }, "{file}");
        let error = load(&shared.join(file), &options(Some(transposed != Some(true)))).expect_err(file).to_string();
        assert!(error.contains(if scaled { "fit: give --transposed" } else { "leave out --transposed" }), "{error}");
    }
    // what fits one way only is read that way
    let [unsaid, said] =
        [None, Some(true)].map(|transposed| load(&shared.join(MAT[3].0), &options(transposed)).unwrap());
    assert_eq!(unsaid.network.hash(), said.network.hash());
}

#[test]
fn a_mat_file_is_the_same_function_as_its_onnx_file() {
    let Some(shared) = shared_nets() else { return };
    for (mat, onnx) in [(MAT[6].0, "own/lipsdp_mnist.onnx"), (MAT[7].0, "own/lipsdp_random.onnx")] {
        let [p, q] = [mat, onnx].map(|file| load(&shared.join(file), &options(None)).unwrap().network);
        for sample in 0..20 {
            let x: Vec<f64> = (0..p.inputs()).map(|i| ((i * 37 + sample * 101 + 1) as f64).sin() * 1.5).collect();
            for (a, b) in p.evaluate(&x).into_iter().zip(q.evaluate(&x)) {
                assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{mat}: {a} and {b}");
            }
        }
    }
}
