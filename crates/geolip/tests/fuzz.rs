//! Mutated bytes: the readers of ONNX files and of certificates give an error or a value, never a panic, and never ask for
//! much memory; and no mutated certificate proves a bound that is false.

#![allow(clippy::unwrap_used, unsafe_code)]

mod support;

use geolip::import::{ImportOptions, from_bytes};
use geolip::network::Network;
use geolip::proof::{CertificateFile, check_file};
use geolip::{Matrix, Options, Silent};
use proptest::prelude::*;
use prost::Message;
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::onnx::proto::{AttributeProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto};
use support::onnx::{self, floats, integers, ints, node};

/// The most that the tests of this file, which run side by side, may hold at once. A file of a few hundred bytes may ask for
/// constants of 2²⁶ numbers, 512 MiB, and the operation that makes one holds up to three of them.
const MOST: usize = 5 << 30;

/// The system's allocator, with a limit.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator unchanged, or refused with a null pointer, as the trait allows.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size() > MOST {
            return std::ptr::null_mut(); // aborts the test
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn model(opset: i64, input: &[i64], nodes: Vec<NodeProto>, stored: Vec<TensorProto>) -> Vec<u8> {
    onnx::model(opset, input, nodes, stored).encode_to_vec()
}

/// Gemm and PReLU between changes of shape.
fn dense() -> Vec<u8> {
    let nodes = vec![
        node("Transpose", &["x"], "a", vec![ints("perm", &[1, 0, 2])]),
        node("Reshape", &["a", "s"], "b", vec![]),
        node("Gemm", &["b", "w", "c"], "d", vec![]),
        node("PRelu", &["d", "p"], "y", vec![]),
    ];
    let stored = vec![
        integers("s", &[1, -1]),
        floats("w", &[4, 3], &[0.5; 12]),
        floats("c", &[3], &[1.0, 2.0, 3.0]),
        floats("p", &[3], &[0.25; 3]),
    ];
    model(11, &[1, 2, 2], nodes, stored)
}

/// A convolution, pooling, and padding.
fn convolution() -> Vec<u8> {
    let nodes = vec![
        node("Pad", &["x", "p"], "a", vec![]),
        node(
            "Conv",
            &["a", "w"],
            "b",
            vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), ints("pads", &[0, 0, 1, 1])],
        ),
        node("Relu", &["b"], "c", vec![]),
        node("MaxPool", &["c"], "d", vec![ints("kernel_shape", &[2, 2])]),
        node("Flatten", &["d"], "y", vec![]),
    ];
    let stored = vec![integers("p", &[0, 0, 1, 1, 0, 0, 1, 1]), floats("w", &[2, 1, 2, 2], &[0.5; 8])];
    model(13, &[1, 1, 4, 4], nodes, stored)
}

/// Shape arithmetic and every operator that makes tensors of a size that numbers in the file decide.
fn folding() -> Vec<u8> {
    let axis = |axis| AttributeProto { name: "axis".to_owned(), r#type: 2, i: axis, ..AttributeProto::default() };
    let nodes = vec![
        node("Shape", &["x"], "a", vec![]),
        node("Slice", &["a", "zero", "one"], "b", vec![]),
        node("Concat", &["b", "rest"], "s", vec![axis(0)]),
        node("Reshape", &["x", "s"], "c", vec![]),
        node("ConstantOfShape", &["four"], "d", vec![]),
        node("Expand", &["h", "four"], "e", vec![]),
        node("Tile", &["h", "four"], "f", vec![]),
        node("Range", &["i", "j", "k"], "g", vec![]),
        node("Cast", &["g"], "l", vec![AttributeProto { i: 1, name: "to".to_owned(), ..axis(0) }]),
        node("Sum", &["d", "e"], "m", vec![]),
        node("Add", &["e", "f"], "n", vec![]),
        node("Add", &["n", "l"], "o", vec![]),
        node("Add", &["o", "d"], "q", vec![]),
        node("Gather", &["q", "zero"], "r", vec![axis(0)]),
        node("Mul", &["c", "r"], "y", vec![]),
    ];
    let number = |name: &str, value| TensorProto { dims: vec![], ..integers(name, &[value]) };
    let stored = vec![
        integers("zero", &[0]),
        integers("one", &[1]),
        integers("rest", &[-1]),
        integers("four", &[4]),
        floats("h", &[1], &[2.0]),
        number("i", 0),
        number("j", 4),
        number("k", 1),
    ];
    model(13, &[1, 2, 2], nodes, stored)
}

/// GELU and SiLU spelt out.
fn patterns() -> Vec<u8> {
    let nodes = vec![
        node("Div", &["x", "r"], "a", vec![]),
        node("Erf", &["a"], "b", vec![]),
        node("Add", &["b", "one"], "c", vec![]),
        node("Mul", &["x", "c"], "d", vec![]),
        node("Mul", &["d", "half"], "e", vec![]),
        node("Sigmoid", &["e"], "f", vec![]),
        node("Mul", &["e", "f"], "y", vec![]),
    ];
    let stored =
        vec![floats("r", &[], &[std::f32::consts::SQRT_2]), floats("one", &[], &[1.0]), floats("half", &[], &[0.5])];
    model(13, &[1, 3], nodes, stored)
}

/// A weight in a file that is not there.
fn external() -> Vec<u8> {
    let entry = |key: &str, value: &str| StringStringEntryProto { key: key.to_owned(), value: value.to_owned() };
    let external_data = vec![entry("location", "w.bin"), entry("offset", "0"), entry("length", "48")];
    let weight = TensorProto { data_location: Some(1), external_data, ..floats("w", &[4, 3], &[]) };
    model(13, &[1, 4], vec![node("MatMul", &["x", "w"], "y", vec![])], vec![weight])
}

/// One way to spoil bytes; places are parts of the length.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(f64, u8),
    Set(f64, u8),
    /// A number as protocol buffers write it, over what is there.
    Number(f64, u64),
    Remove(f64, f64),
    Repeat(f64, f64),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        let place = |part: f64| ((part * len as f64) as usize).min(len - 1);
        let range = |a: f64, b: f64| place(a)..(place(a) + (b * b * len as f64) as usize).min(len);
        match *self {
            Self::Flip(at, bits) => bytes[place(at)] ^= bits,
            Self::Set(at, value) => bytes[place(at)] = value,
            Self::Number(at, mut value) => {
                let mut varint = Vec::new();
                while value >= 0x80 {
                    varint.push(value as u8 | 0x80);
                    value >>= 7;
                }
                varint.push(value as u8);
                bytes.splice(place(at)..place(at) + 1, varint);
            }
            Self::Remove(a, b) => drop(bytes.drain(range(a, b))),
            Self::Repeat(a, b) => {
                let copy = bytes[range(a, b)].to_vec();
                bytes.splice(place(a)..place(a), copy);
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let part = 0.0..1.0_f64;
    let number =
        prop_oneof![Just(0), Just(1 << 20), Just(1 << 31), Just(1_000_000_000_000), Just(u64::MAX), any::<u64>()];
    prop_oneof![
        4 => (part.clone(), (0..8_u32).prop_map(|bit| 1 << bit)).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        3 => (part.clone(), any::<u8>()).prop_map(|(at, value)| Mutation::Set(at, value)),
        3 => (part.clone(), number).prop_map(|(at, value)| Mutation::Number(at, value)),
        1 => (part.clone(), part.clone()).prop_map(|(a, b)| Mutation::Remove(a, b)),
        1 => (part.clone(), part).prop_map(|(a, b)| Mutation::Repeat(a, b)),
    ]
}

/// Every whole number in a model, in a fixed order: shapes, indices, axes, attributes.
fn numbers(model: &mut ModelProto) -> Vec<&mut i64> {
    let Some(graph) = &mut model.graph else { return Vec::new() };
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    let attributes = attributes.flat_map(|attribute| std::iter::once(&mut attribute.i).chain(&mut attribute.ints));
    let stored = graph.initializer.iter_mut().flat_map(|tensor| tensor.dims.iter_mut().chain(&mut tensor.int64_data));
    attributes.chain(stored).chain(model.opset_import.iter_mut().map(|set| &mut set.version)).collect()
}

/// Numbers that shapes should not hold, and some that they may.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => -4..6_i64,
        1 => prop_oneof![Just(1 << 20), Just(1 << 31), Just(1_000_000_000_000), Just(i64::MAX), Just(i64::MIN)],
    ]
}

/// One line, short.
fn expect_one_line(text: &str) {
    assert!(text.lines().count() == 1 && text.len() < 4000, "{text:?}");
}

#[test]
fn the_files_that_are_mutated_are_read() {
    for bytes in [dense(), folding(), patterns()] {
        from_bytes(&bytes, Path::new("net.onnx"), &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    }
    for bytes in [external(), convolution()] {
        if let Err(error) = from_bytes(&bytes, Path::new("net.onnx"), &ImportOptions::default()) {
            let text = error.to_string();
            assert!(text.contains("load the model by its path") || text.contains("is not supported"), "{text}");
        }
    }
}

/// A small network and certificate files of its outputs, of every kind.
static CERTIFIED: LazyLock<(Network, Vec<Vec<u8>>)> = LazyLock::new(|| {
    use geolip::network::{Activation, LinearMap, NetworkBuilder};
    let mut builder = NetworkBuilder::new(3).unwrap();
    let dense = |rows, cols| LinearMap::Dense(Matrix::from_fn(rows, cols, |i, j| ((i * 5 + j * 3 + 1) as f64).sin()));
    let h = builder.affine("h", vec![(builder.input(), dense(4, 3))], None).unwrap();
    let z = builder.activate("z", h, Activation::Relu).unwrap();
    let h = builder.affine("h2", vec![(z, dense(3, 4))], None).unwrap();
    let z = builder.activate("z2", h, Activation::Relu).unwrap();
    let y = builder.affine("y", vec![(z, dense(2, 3))], None).unwrap();
    let network = builder.finish(y);
    let kinds = [("linf", "each"), ("l2", "l2"), ("3", "l1"), ("l1", "l2"), ("l1", "linf")];
    let written = kinds.iter().map(|(norm, outputs)| {
        let (norm, outputs) = (norm.parse().unwrap(), outputs.parse().unwrap());
        let report = geolip::bound(&network, &Options { norm, outputs, ..Options::default() }, &Silent).unwrap();
        report.certificate_file(&network).to_json().into_bytes()
    });
    let files = written.collect();
    (network, files)
});

/// No certificate is made of a false claim, whatever it has become after some mutations.
fn expect_truth(network: &Network, file: &CertificateFile) {
    for certificate in check_file(network, file).into_iter().flatten() {
        let fgl = support::brute_force(network, certificate.norm(), certificate.functional()).below;
        assert!(certificate.upper() >= fgl, "{} is accepted, but the FGL is {fgl}", certificate.upper());
    }
}

proptest! {
    #![proptest_config(support::config(2000))]

    #[test]
    fn mutated_onnx_files_do_no_harm(which in 0..5_usize, mutations in prop::collection::vec(mutation(), 1..5)) {
        let mut bytes = [dense, convolution, folding, patterns, external][which]();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        if let Err(error) = from_bytes(&bytes, Path::new("net.onnx"), &ImportOptions::default()) {
            expect_one_line(&error.to_string());
        }
    }

    #[test]
    fn other_numbers_in_onnx_files_do_no_harm(
        which in 0..5_usize,
        changes in prop::collection::vec((0.0..1.0_f64, number()), 1..4),
    ) {
        let bytes = [dense, convolution, folding, patterns, external][which]();
        let mut model = ModelProto::decode(bytes.as_slice()).unwrap();
        for (at, value) in changes {
            let mut numbers = numbers(&mut model);
            let place = (at * numbers.len() as f64) as usize;
            *numbers[place] = value;
        }
        if let Err(error) = from_bytes(&model.encode_to_vec(), Path::new("net.onnx"), &ImportOptions::default()) {
            expect_one_line(&error.to_string());
        }
    }

    #[test]
    fn mutated_certificates_prove_nothing_false(
        which in 0..5_usize, mutations in prop::collection::vec(mutation(), 1..5),
    ) {
        let (network, files) = &*CERTIFIED;
        let mut bytes = files[which].clone();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        match CertificateFile::from_json(&bytes) {
            Err(error) => expect_one_line(&error.to_string()),
            Ok(file) => expect_truth(network, &file),
        }
    }

    /// A digit of a number in a certificate is replaced: still a certificate, and often accepted.
    #[test]
    fn certificates_with_other_digits_prove_nothing_false(
        which in 0..5_usize, at in 0.0..1.0_f64, digit in b'0'..=b'9',
    ) {
        let (network, files) = &*CERTIFIED;
        let whole = &files[which];
        let digits: Vec<usize> = (0..whole.len()).filter(|&place| whole[place].is_ascii_digit()).collect();
        let mut bytes = whole.clone();
        bytes[digits[(at * digits.len() as f64) as usize]] = digit;
        let Ok(file) = CertificateFile::from_json(&bytes) else { return Ok(()) };
        expect_truth(network, &file);
    }
}
