//! Files built byte by byte, sound and unsound.

use super::element::kind;
use super::variable::Value;
use super::*;
use crate::import::weights::Layer;
use crate::import::weights::array::Array;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use std::io::Write;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];
const DOUBLE: u32 = 6;

/// Writes files of one byte order.
#[derive(Clone, Copy)]
struct Writer(ByteOrder);

impl Writer {
    fn bytes<const N: usize>(self, mut little: [u8; N]) -> Vec<u8> {
        if self.0 == ByteOrder::Big {
            little.reverse();
        }
        little.to_vec()
    }

    fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| self.bytes(word.to_le_bytes())).collect()
    }

    /// An element: small where it can be, padded to eight bytes.
    fn element(self, kind: u32, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).expect("short");
        let tag = if matches!(length, 1..=4) { vec![kind | length << 16] } else { vec![kind, length] };
        let mut element = [self.words(&tag), content.to_vec()].concat();
        element.resize(element.len().next_multiple_of(8), 0);
        element
    }

    fn matrix(self, name: &str, class: u32, dims: &[u32], content: &[u8]) -> Vec<u8> {
        let parts = [
            self.element(kind::UINT32, &self.words(&[class, 0])),
            self.element(kind::INT32, &self.words(dims)),
            self.element(kind::INT8, name.as_bytes()),
            content.to_vec(),
        ];
        self.element(kind::MATRIX, &parts.concat())
    }

    /// Numbers counted up from `first`, column after column.
    fn doubles(self, name: &str, rows: u32, cols: u32, first: f64) -> Vec<u8> {
        let numbers: Vec<u8> =
            (0..rows * cols).flat_map(|i| self.bytes((first + f64::from(i)).to_le_bytes())).collect();
        self.matrix(name, DOUBLE, &[rows, cols], &self.element(kind::DOUBLE, &numbers))
    }

    fn cells(self, name: &str, cells: &[Vec<u8>]) -> Vec<u8> {
        self.matrix(name, 1, &[1, u32::try_from(cells.len()).expect("few")], &cells.concat())
    }

    fn compressed(self, variable: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(variable).expect("memory");
        let content = encoder.finish().expect("memory");
        [self.words(&[kind::COMPRESSED, u32::try_from(content.len()).expect("short")]), content].concat()
    }

    fn file(self, variables: &[Vec<u8>]) -> Vec<u8> {
        let mut header = b"MATLAB 5.0 MAT-file, written by a test".to_vec();
        header.resize(124, b' ');
        header.extend(self.bytes(0x0100_u16.to_le_bytes()));
        header.extend(if self.0 == ByteOrder::Big { b"MI" } else { b"IM" });
        [header, variables.concat()].concat()
    }

    fn small_weights(self) -> Vec<u8> {
        self.cells("weights", &[self.doubles("", 2, 3, 1.0), self.doubles("", 1, 2, 7.0)])
    }

    /// Two layers, 3 – 2 – 1, in cell arrays.
    fn small(self) -> Vec<u8> {
        let biases = self.cells("biases", &[self.doubles("", 1, 2, 9.0), self.doubles("", 1, 1, 11.0)]);
        self.file(&[self.small_weights(), self.compressed(&biases)])
    }
}

const LITTLE: Writer = Writer(ByteOrder::Little);

fn fault(bytes: &[u8]) -> String {
    let Fault { key, reason } = read(bytes, None).map(|_| ()).expect_err("a fault");
    format!("{}: {reason}", key.unwrap_or_default())
}

fn fault_of(variables: &[Vec<u8>]) -> String {
    fault(&LITTLE.file(variables))
}

/// The keys and shapes of a file's layers, and what is left out.
fn summary(variables: &[Vec<u8>]) -> Result<(Vec<String>, Vec<String>), Fault> {
    let List { layers, left_out, .. } = read(&LITTLE.file(variables), None)?;
    let show = |layer: Layer| {
        let (key, matrix) = layer.weight;
        let bias = layer.bias.map_or("-".to_owned(), |(key, bias)| format!("{key} {}", bias.len()));
        format!("{key} {}x{} {bias}", matrix.rows(), matrix.cols())
    };
    Ok((layers.into_iter().map(show).collect(), left_out))
}

#[test]
fn cell_arrays_are_read_in_both_byte_orders() -> Result<(), Fault> {
    for order in ORDERS {
        let List { layers, left_out, .. } = read(&Writer(order).small(), None)?;
        assert_eq!(left_out, [""; 0]);
        let [first, second] = layers.as_slice() else { panic!("{layers:?}") };
        assert_eq!(first.weight.0, "weights{1}");
        assert_eq!(first.weight.1.data(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0], "column after column in the file");
        assert_eq!(first.bias, Some(("biases{1}".to_owned(), vec![9.0, 10.0])));
        assert_eq!(second.weight.1.data(), [7.0, 8.0]);
        assert_eq!(second.bias, Some(("biases{2}".to_owned(), vec![11.0])));
    }
    Ok(())
}

#[test]
fn numbers_are_read_from_every_type_they_are_stored_in() -> Result<(), Fault> {
    type Encoding = fn(Writer, i8) -> Vec<u8>;
    let types: [(u32, Encoding); 10] = [
        (kind::INT8, |w, v| w.bytes(v.to_le_bytes())),
        (kind::UINT8, |w, v| w.bytes(v.unsigned_abs().to_le_bytes())),
        (kind::INT16, |w, v| w.bytes(i16::from(v).to_le_bytes())),
        (kind::UINT16, |w, v| w.bytes(u16::from(v.unsigned_abs()).to_le_bytes())),
        (kind::INT32, |w, v| w.bytes(i32::from(v).to_le_bytes())),
        (kind::UINT32, |w, v| w.bytes(u32::from(v.unsigned_abs()).to_le_bytes())),
        (kind::SINGLE, |w, v| w.bytes(f32::from(v).to_le_bytes())),
        (kind::DOUBLE, |w, v| w.bytes(f64::from(v).to_le_bytes())),
        (kind::INT64, |w, v| w.bytes(i64::from(v).to_le_bytes())),
        (kind::UINT64, |w, v| w.bytes(u64::from(v.unsigned_abs()).to_le_bytes())),
    ];
    for order in ORDERS {
        let writer = Writer(order);
        for (kind, encode) in types {
            let signed = [kind::UINT8, kind::UINT16, kind::UINT32, kind::UINT64].iter().all(|&u| u != kind);
            let numbers = [3, if signed { -100 } else { 100 }, 0, 7, 5, 1];
            let content: Vec<u8> = numbers.iter().flat_map(|&v| encode(writer, v)).collect();
            let variable = writer.matrix("W1", DOUBLE, &[2, 3], &writer.element(kind, &content));
            let rows = [3.0, 0.0, 5.0, f64::from(numbers[1]), 7.0, 1.0];
            let value = Value::Numbers(Array { shape: vec![2, 3], data: rows.to_vec() });
            let expected = [Variable { name: "W1".to_owned(), value }];
            assert_eq!(variables(&writer.file(std::slice::from_ref(&variable)))?, expected, "type {kind}, {order:?}");
            assert_eq!(variables(&writer.file(&[writer.compressed(&variable)]))?, expected, "type {kind}, {order:?}");
        }
    }
    let large = LITTLE.element(kind::INT64, &i64::MAX.to_le_bytes());
    assert_eq!(
        fault_of(&[LITTLE.matrix("W1", 14, &[1, 1], &large)]),
        "W1: holds the integer 9.223372036854776e18, too large for float64; convert it with double()"
    );
    Ok(())
}

#[test]
fn the_known_layouts_are_read() -> Result<(), Fault> {
    let w = LITTLE;
    let empty = w.element(kind::MATRIX, &[]);
    let cells = |name: &str, cells: &[Vec<u8>]| w.cells(name, cells);
    let matrix = || w.doubles("", 2, 3, 0.0);
    assert_eq!(summary(&[cells("W", &[matrix()])])?.0, ["W{1} 2x3 -"]);
    assert_eq!(
        summary(&[cells("b", &[w.doubles("", 2, 1, 0.0), empty]), cells("W", &[matrix(), w.doubles("", 1, 2, 0.0)])])?
            .0,
        ["W{1} 2x3 b{1} 2", "W{2} 1x2 -"]
    );
    let row = |name: &str| w.doubles(name, 1, 3, 0.0);
    let fc = |name: &str| w.doubles(name, 2, 3, 0.0);
    let (layers, left_out) = summary(&[
        fc("fc2_weight"),
        row("fc2_bias"),
        fc("fc1_weight"),
        row("input_mean"),
        row("input_scale"),
        w.doubles("accuracy", 1, 1, 0.97),
        w.matrix("note", 4, &[1, 2], &w.element(kind::UINT16, &[104, 0, 105, 0])),
        w.matrix("history", 2, &[1, 1], &[]),
        cells("labels", &[w.matrix("", 4, &[1, 1], &w.element(kind::UINT16, &[104, 0]))]),
        w.matrix("", 9, &[1, 8], &w.element(kind::UINT8, &[0; 8])),
    ])?;
    assert_eq!(layers, ["fc1_weight 2x3 -", "fc2_weight 2x3 fc2_bias 3"]);
    assert_eq!(left_out, ["input_mean", "input_scale", "accuracy", "note", "history", "labels"]);
    assert_eq!(summary(&[w.doubles("b1", 2, 1, 0.0), w.doubles("W1", 2, 3, 0.0)])?.0, ["W1 2x3 b1 2"]);
    Ok(())
}

#[test]
fn what_is_no_clear_list_is_refused_by_name() {
    let w = LITTLE;
    let all = "a weight list holds the cell arrays weights and biases, or W1, W2, … and b1, b2, …, \
               or NAME_weight and NAME_bias";
    let (matrix, cell) = (|name| w.doubles(name, 2, 3, 0.0), || w.doubles("", 2, 3, 0.0));
    let text = |name| w.matrix(name, 4, &[1, 1], &w.element(kind::UINT16, &[104, 0]));
    assert_eq!(fault_of(&[]), ": holds no weights");
    assert_eq!(fault_of(&[matrix("scale")]), format!("scale: is not understood; {all}"));
    assert_eq!(fault_of(&[matrix("weights")]), format!("weights: is not understood; {all}"));
    assert_eq!(fault_of(&[w.cells("layers", &[cell()])]), format!("layers: is not understood; {all}"));
    assert_eq!(fault_of(&[text("weights")]), format!("weights: is a text; {all}"));
    assert_eq!(fault_of(&[w.matrix("W1", 2, &[1, 1], &[])]), format!("W1: is a struct; {all}"));
    let two = "is of another weight list than";
    let twice = [w.cells("weights", &[cell()]), w.cells("W", &[cell()])];
    assert_eq!(fault_of(&twice), format!("W: {two} 'weights': keep one of the two in the file"));
    let mixed = [matrix("W1"), w.cells("weights", &[cell()])];
    assert_eq!(fault_of(&mixed), format!("weights: {two} 'W1': keep one of the two in the file"));
    let numbered = [matrix("fc1_weight"), matrix("W1")];
    assert_eq!(fault_of(&numbered), format!("W1: {two} 'fc1_weight': keep one of the two in the file"));
    assert_eq!(fault_of(&[w.cells("b", &[cell()])]), "b: belongs to no cell array of weights");
    assert_eq!(fault_of(&[w.cells("weights", &[])]), "weights: is an empty cell array");
    assert_eq!(
        fault_of(&[w.cells("weights", &[cell(), cell()]), w.cells("biases", &[cell()])]),
        "biases: has 1 cells where weights has 2"
    );
    assert_eq!(
        fault_of(&[w.cells("weights", &[cell()]), w.cells("biases", &[cell()])]),
        "biases{1}: has the shape [2, 3]; a bias is a vector"
    );
    assert_eq!(
        fault_of(&[w.cells("weights", &[w.cells("", &[])])]),
        "weights{1}: is a cell array; every cell holds a matrix"
    );
    assert_eq!(fault_of(&[w.cells("weights", &[text("")])]), "weights{1}: is a text; every cell holds a matrix");
    let square = w.matrix("weights", 1, &[2, 2], &[cell(), cell(), cell(), cell()].concat());
    assert_eq!(fault_of(&[square]), "weights: has the shape [2, 2]; a list is one row or one column of cells");
    let empty = w.element(kind::MATRIX, &[]);
    assert_eq!(
        fault_of(&[w.cells("weights", &[empty])]),
        "weights{1}: has the shape [0, 0]; a weight is a matrix, out x in"
    );
    assert_eq!(fault_of(&[w.matrix("W1", 5, &[2, 3], &[])]), "W1: is a sparse matrix; save it as full(...)");
    assert_eq!(fault_of(&[w.matrix("W1", DOUBLE | 0x0800, &[2, 3], &[])]), "W1: is a complex array");
    assert_eq!(fault_of(&[w.matrix("W1", 99, &[2, 3], &[])]), "W1: is of the unknown class 99");
    let kernel = w.element(kind::DOUBLE, &[0; 64]);
    assert_eq!(
        fault_of(&[w.matrix("conv1_weight", DOUBLE, &[2, 2, 1, 2], &kernel)]),
        "conv1_weight: is an array of shape [2, 2, 1, 2] where matrices are read; \
         a network with convolutions can be exported to ONNX"
    );
    assert_eq!(
        fault_of(&[w.cells("weights", &[w.doubles("", 1, 1, f64::NAN)])]),
        "weights{1}: holds NaN; every weight must be a finite number"
    );
}

/// A scale behind the network, or a last layer of one neuron.
#[test]
fn a_number_that_may_be_a_part_of_the_network_is_refused() {
    let w = LITTLE;
    let number = |name: &str| [w.doubles("W1", 2, 3, 0.0), w.doubles(name, 1, 1, 100.0)];
    for name in ["output_scale", "y_std", "Gain", "temperature_factor"] {
        assert_eq!(fault_of(&number(name)), format!("{name}: {UNCLEAR}"));
    }
    assert_eq!(summary(&number("accuracy")).expect("two outputs").1, ["accuracy"]);
    let listed = read(&w.file(&number("accuracy")), None).expect("a list");
    assert_eq!(listed.numbers, ["accuracy"], "refused where the network has one output");
}

#[test]
fn one_network_of_several_is_chosen_by_its_names() {
    let w = LITTLE;
    let names = ["actor_0_weight", "actor_2_weight", "critic_0_weight", "critic_2_weight"];
    let file = w.file(&names.map(|name| w.doubles(name, 3, 3, 0.0)));
    let List { layers, left_out, .. } = read(&file, Some("critic")).expect("a list");
    assert_eq!(layers.iter().map(|layer| layer.weight.0.as_str()).collect::<Vec<_>>(), ["0_weight", "2_weight"]);
    assert_eq!(left_out, names[..2]);
    let cells = ["actor_weights", "critic_weights"].map(|name| w.cells(name, &[w.doubles("", 3, 3, 0.0)]));
    assert_eq!(read(&w.file(&cells), Some("actor")).expect("a list").left_out, ["critic_weights"]);
}

#[test]
fn files_of_other_versions_are_named() {
    let save = "save it in MATLAB with save(..., '-v7')";
    let mut hdf5 = LITTLE.file(&[]);
    hdf5[125] = 2;
    assert_eq!(fault(&hdf5), format!(": a MAT-file of version 7.3, which is HDF5; {save}"));
    hdf5[125] = 9;
    assert_eq!(fault(&hdf5), format!(": a MAT-file of the unknown version 0x0900; {save}"));
    let plain = [b"\x89HDF\r\n\x1a\n".to_vec(), vec![0; 600]].concat();
    assert_eq!(fault(&plain), format!(": an HDF5 file, as MAT-files of version 7.3 are; {save}"));
    let old = [[0_u32, 2, 3, 0, 2].map(u32::to_le_bytes).concat(), b"W\0".to_vec(), vec![0; 48]].concat();
    assert_eq!(fault(&old), format!(": not a MAT-file of level 5, maybe one of level 4; {save}"));
    for bytes in [&b""[..], b"MATLAB 5.0", b"hello, this is a file of words"] {
        assert_eq!(fault(bytes), ": not a MAT-file, or one that is cut short: its header of level 5 is incomplete");
    }
}

#[test]
fn claims_are_checked_before_they_are_believed() {
    let w = LITTLE;
    let numbers = w.element(kind::DOUBLE, &[0; 48]);
    let lie = |dims: &[u32]| fault_of(&[w.matrix("W1", DOUBLE, dims, &numbers)]);
    assert_eq!(
        lie(&[1_000_000, 1_000_000]),
        "W1: claims the shape [1000000, 1000000] but holds 6 numbers; the file is damaged"
    );
    let largest = u32::MAX >> 1;
    assert!(lie(&[largest, largest, largest]).contains("but holds 6 numbers"));
    assert_eq!(lie(&[u32::MAX, 1]), ": a variable has a header that is not understood; the file is damaged");
    assert_eq!(
        fault_of(&[w.matrix("weights", 1, &[1, 1_000_000_000], &w.doubles("", 1, 1, 0.0))]),
        "weights: claims the shape [1, 1000000000] but holds 1 cells; the file is damaged"
    );
    let too_large = "is too large beside the file; save it uncompressed, with '-v6'";
    let bomb = w.compressed(&w.words(&[kind::MATRIX, u32::MAX]));
    assert_eq!(fault_of(&[bomb]), format!(": a compressed variable of 4294967295 bytes {too_large}"));
    let zeros = w.compressed(&w.matrix("note", 4, &[1, 1], &w.element(kind::UINT8, &vec![0; 40 << 20])));
    assert!(fault_of(&[zeros.clone(), zeros]).ends_with(too_large), "each would fit, the two do not");
    let (mut short, variable) = (w.doubles("W1", 2, 3, 0.0), w.doubles("W1", 2, 3, 0.0));
    short[4] -= 8;
    let more = "damaged compression: a variable holds more than the ";
    assert!(fault_of(&[w.compressed(&short)]).contains(more));
    let fewer = "but holds fewer; the file is damaged";
    assert!(fault_of(&[w.compressed(&variable[..variable.len() - 8])]).ends_with(fewer));
    let mut longer = w.compressed(&variable);
    longer[4] += 1;
    longer.push(0);
    assert!(fault_of(&[longer]).ends_with("has bytes behind its compressed content"));
    let mut cut = w.compressed(&variable);
    cut[4] -= 4;
    cut.truncate(cut.len() - 4);
    assert!(fault_of(&[cut]).ends_with("is cut short in its compressed content"), "without its checksum");
    assert_eq!(fault_of(&[variable.clone(), variable.clone()]), "W1: is in the file twice");
    let mut checksum = w.compressed(&variable);
    *checksum.last_mut().expect("a checksum") ^= 1;
    assert!(fault_of(&[checksum]).starts_with(": damaged compression: "));
    assert_eq!(
        fault_of(&[w.element(kind::DOUBLE, &[0; 8])]),
        ": holds an element of type 9 where a variable should be; the file is damaged"
    );
    let half = w.matrix("W1", DOUBLE, &[1, 1], &w.element(kind::DOUBLE, &[0; 12]));
    assert_eq!(fault_of(&[half]), "W1: holds 12 bytes of numbers of 8 bytes each; the file is damaged");
}

#[test]
fn spoilt_files_do_no_harm() {
    for order in ORDERS {
        let writer = Writer(order);
        let whole = writer.small();
        for length in 0..whole.len() {
            // nothing in a file says how many variables it has
            let between = writer.file(&[writer.small_weights()]).len();
            assert_eq!(read(&whole[..length], None).is_ok(), length == between, "{length} bytes, {order:?}");
        }
        for place in 0..whole.len() {
            for byte in [whole[place] ^ 0x01, whole[place] ^ 0x08, whole[place] ^ 0x80, 0x00, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] = byte;
                let _ = read(&bytes, None);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_do_no_harm(body in prop::collection::vec(any::<u8>(), 0..300), big in any::<bool>()) {
        let writer = Writer(if big { ByteOrder::Big } else { ByteOrder::Little });
        let _ = read(&writer.file(std::slice::from_ref(&body)), None);
        let _ = read(&writer.file(&[writer.compressed(&writer.element(kind::MATRIX, &body))]), None);
        let _ = read(&writer.file(&[writer.matrix("weights", 1, &[1, 2], &body)]), None);
        let _ = read(&writer.file(&[writer.matrix("W1", DOUBLE, &[1, 2], &body)]), None);
    }
}
