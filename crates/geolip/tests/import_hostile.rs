//! Damaged and malicious files: always an error of one line or a network, never a panic, never much memory.

#![allow(clippy::unwrap_used)]

mod support;

use geolip::import::{ImportError, ImportOptions, Imported, from_bytes};
use prost::Message;
use std::io::{Cursor, Write};
use std::path::Path;
use support::onnx::proto::{AttributeProto, ModelProto, TensorProto};
use support::onnx::{floats, integers, ints, model, node};

/// Imports, and looks at the error if there is one.
fn import(bytes: &[u8], name: &str) -> Result<Imported, ImportError> {
    let outcome = from_bytes(bytes, Path::new(name), &ImportOptions::default());
    if let Err(error) = &outcome {
        let text = error.to_string();
        assert!(text.starts_with(name) && text.lines().count() == 1 && text.len() < 2000, "{text:?}");
    }
    outcome
}

fn model_file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name)).unwrap()
}

/// Every way in which the tests below spoil one byte.
fn spoilt(byte: u8) -> [u8; 5] {
    [byte ^ 0x01, byte ^ 0x08, byte ^ 0x80, 0x00, 0xff]
}

/// A small network with a node of every kind that reads shapes, attributes or constants.
fn small() -> ModelProto {
    let int = |name: &str, i| AttributeProto { name: name.to_owned(), r#type: 2, i, ..AttributeProto::default() };
    let nodes = vec![
        node("Transpose", &["x"], "a", vec![ints("perm", &[1, 0, 2])]),
        node("Reshape", &["a", "s"], "b", vec![]),
        node("Gemm", &["b", "w", "c"], "d", vec![int("transB", 1)]),
        node("PRelu", &["d", "p"], "e", vec![]),
        node("Mul", &["e", "c"], "f", vec![]),
        node("Unsqueeze", &["f"], "y", vec![ints("axes", &[0])]),
    ];
    let stored = vec![
        integers("s", &[1, -1]),
        floats("w", &[3, 4], &[0.5; 12]),
        floats("c", &[3], &[1.0, 2.0, 3.0]),
        floats("p", &[3], &[0.25; 3]),
    ];
    model(11, &[1, 2, 2], nodes, stored)
}

#[test]
fn cut_files_are_errors() {
    let whole = model_file("digits-784-64-10.onnx");
    let lengths = (0..400).chain((400..whole.len()).step_by(4999)).chain(whole.len() - 200..whole.len());
    for length in lengths {
        assert!(import(&whole[..length], "cut.onnx").is_err(), "{length} bytes");
    }
}

#[test]
fn spoilt_bytes_of_a_small_file_do_no_harm() {
    let whole = small().encode_to_vec();
    assert!(import(&whole, "small.onnx").is_ok());
    let mut refused = 0;
    for place in 0..whole.len() {
        for byte in spoilt(whole[place]) {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            refused += usize::from(import(&bytes, "spoilt.onnx").is_err());
        }
    }
    assert!(refused > 2 * whole.len(), "{refused} of {} refused", 5 * whole.len());
}

#[test]
fn spoilt_structure_of_a_real_file_does_no_harm() {
    let whole = model_file("digits-784-64-10.onnx");
    for place in (0..120).chain(whole.len() - 120..whole.len()) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x04;
        let _ = import(&bytes, "spoilt.onnx");
    }
}

#[test]
fn what_is_no_network_is_an_error() {
    for bytes in [&b""[..], b"\0", b"hello world\n", &[0xff; 100], &[0x08; 100], &[0x3a, 0x00], b"PK", b"PK\x03\x04"] {
        for name in ["net.onnx", "net.npz", "net"] {
            assert!(import(bytes, name).is_err(), "{bytes:?} as {name}");
        }
    }
}

/// The small network with its weight replaced.
fn with_weight(weight: TensorProto) -> String {
    let mut model = small();
    model.graph.as_mut().unwrap().initializer[1] = weight;
    import(&model.encode_to_vec(), "net.onnx").expect_err("a bad weight").to_string()
}

#[test]
fn huge_claims_and_bad_numbers_are_named() {
    let huge = with_weight(floats("w", &[1_000_000, 1_000_000], &[0.5; 12]));
    assert_eq!(huge, "net.onnx: initialiser 'w': claims 1000000000000 numbers but holds 48 bytes; the file is damaged");
    let uncountable = with_weight(floats("w", &[i64::MAX, i64::MAX], &[0.5; 12]));
    assert!(uncountable.contains("initialiser 'w': has the shape"), "{uncountable}");
    let mut numbers = [0.5; 12];
    numbers[7] = f32::NAN;
    let nan = with_weight(floats("w", &[3, 4], &numbers));
    assert_eq!(nan, "net.onnx: node '#2' (Gemm): its input 'w' holds NaN; every weight must be a finite number");
    let external = with_weight(TensorProto { data_location: Some(1), ..floats("w", &[3, 4], &[]) });
    assert!(external.ends_with("load the model by its path"), "{external}");
}

#[test]
fn names_cannot_break_the_line() {
    let mut model = small();
    model.graph.as_mut().unwrap().node[2].name = format!("a\nb\r{}", "c".repeat(5000));
    model.graph.as_mut().unwrap().node[2].op_type = "Conv\n".to_owned();
    assert!(import(&model.encode_to_vec(), "net.onnx").is_err());
}

/// An archive of arrays, each a name, a header and data.
fn npz(arrays: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, header, data) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        archive.write_all(&[b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

const MATRIX: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
const VECTOR: &str = "{'descr': '<f8', 'fortran_order': True, 'shape': (2,), }\n";

#[test]
fn spoilt_archives_do_no_harm() {
    let whole = npz(&[("W1", MATRIX, &[0; 24]), ("b1", VECTOR, &[0; 16])]);
    assert_eq!(import(&whole, "small.npz").unwrap().network.outputs(), 2);
    for length in 0..whole.len() {
        assert!(import(&whole[..length], "cut.npz").is_err(), "{length} bytes");
    }
    for place in 0..whole.len() {
        for byte in spoilt(whole[place]) {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            let _ = import(&bytes, "spoilt.npz");
        }
    }
}

#[test]
fn archives_that_lie_are_errors() {
    let reason = |arrays: &[(&str, &str, &[u8])]| import(&npz(arrays), "net.npz").expect_err("a lie").to_string();
    let huge = reason(&[("W1", "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }", &[0; 24])]);
    assert_eq!(huge, "net.npz: array 'W1' claims the shape [1000000, 1000000] but holds 24 bytes; the file is damaged");
    let nested = "(".repeat(60_000);
    assert_eq!(reason(&[("W1", &nested, &[])]), "net.npz: array 'W1' has a header that is not understood");
    assert_eq!(
        reason(&[("weights", MATRIX, &[0; 24])]),
        "net.npz: array 'weights' is not understood; a weight list holds W1, W2, … and b1, b2, …, or NAME.weight, NAME/kernel and NAME.bias"
    );
    assert_eq!(reason(&[]), "net.npz: holds no matrix W1");
    let pickled = reason(&[("W1", "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", &[0; 24])]);
    assert!(
        pickled.starts_with("net.npz: array 'W1' has element type '|O'; float32 and float64 are read"),
        "{pickled}"
    );
}
