//! Named float32 matrices of an uncompressed MATLAB v5 file (`fc1_weight`, stored in × out), as the reference networks have
//! them. A helper for tests until `.mat` files are imported; little more than that layout is understood.

use geolip::Matrix;
use geolip::network::{Activation, LinearMap, Network, NetworkBuilder};
use std::collections::BTreeMap;

/// The network fc1 – activation – fc2 – … of the file's weights and biases.
pub fn dense_chain(bytes: &[u8], activation: &Activation) -> Network {
    let arrays = arrays(bytes);
    let layers = (1..).take_while(|a| arrays.contains_key(&format!("fc{a}_weight"))).count();
    let mut b = NetworkBuilder::new(arrays["fc1_weight"].rows()).expect("inputs");
    let mut at = b.input();
    for a in 1..=layers {
        let weights = LinearMap::Dense(arrays[&format!("fc{a}_weight")].transposed());
        let bias = arrays[&format!("fc{a}_bias")].data().to_vec();
        at = b.affine(&format!("fc{a}"), vec![(at, weights)], Some(bias)).expect("shapes fit");
        if a < layers {
            at = b.activate(&format!("act{a}"), at, activation.clone()).expect("no parameters");
        }
    }
    b.finish(at)
}

fn arrays(bytes: &[u8]) -> BTreeMap<String, Matrix> {
    let mut arrays = BTreeMap::new();
    let mut at = 128;
    while at < bytes.len() {
        let (kind, body, next) = element(bytes, at);
        assert_eq!(kind, 14, "only uncompressed matrices");
        let (_, _flags, after_flags) = element(body, 0);
        let (_, dims, after_dims) = element(body, after_flags);
        let (_, name, after_name) = element(body, after_dims);
        let (_, data, _) = element(body, after_name);
        let word = |i: usize| u32::from_le_bytes(dims[4 * i..4 * i + 4].try_into().expect("four bytes")) as usize;
        let (rows, cols) = (word(0), word(1));
        let value = |i: usize| f32::from_le_bytes(data[4 * i..4 * i + 4].try_into().expect("four bytes"));
        let matrix = Matrix::from_fn(rows, cols, |i, j| f64::from(value(i + j * rows)));
        arrays.insert(String::from_utf8_lossy(name).into_owned(), matrix);
        at = next;
    }
    arrays
}

/// (type, content, offset of the next element).
fn element(bytes: &[u8], at: usize) -> (u32, &[u8], usize) {
    let word = |i: usize| u32::from_le_bytes(bytes[i..i + 4].try_into().expect("four bytes"));
    let (kind, length) = (word(at), word(at + 4) as usize);
    if kind >> 16 != 0 {
        let length = (kind >> 16) as usize; // a small element: its length in the upper half, its content beside it
        return (kind & 0xffff, &bytes[at + 4..at + 4 + length], at + 8);
    }
    (kind, &bytes[at + 8..at + 8 + length], at + 8 + length.next_multiple_of(8))
}
