//! A `.safetensors` file: a header in JSON that names the tensors, and their numbers.
//!
//! The header is read by the safetensors crate, which checks that the tensors fill the file without gaps. Its own way from
//! bytes to tensors is not used: version 0.8 adds sizes from the header without care for overflow, a panic where overflow
//! is checked, as it is in our builds.

use super::array::{Array, decoded};
use super::list::Wanted;
use super::{Fault, Found};
use crate::import::{Plain, Quoted};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

/// What a `.safetensors` list holds.
pub(super) const WANTED: Wanted = Wanted { least: "tensor NAME.weight", all: "NAME.weight and NAME.bias" };

/// Whether the bytes begin as those of a safetensors file: the length of the header, then JSON.
pub(super) fn is_safetensors(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(header, _)| header.starts_with(b"{"))
}

/// The tensors of a file, in the order of their numbers, and the names of those that count training steps.
#[expect(clippy::type_complexity, reason = "two lists")]
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<(String, Found)>, Vec<String>), Fault> {
    let (header, data) = split(bytes)
        .ok_or_else(|| Fault::of_file("not a safetensors file, or one that is cut short: its header is incomplete"))?;
    let metadata: Metadata = serde_json::from_slice(header).map_err(|error| {
        Fault::of_file(format!("the safetensors header is not understood: {}", Plain(&error.to_string())))
    })?;
    if metadata.data_len() != data.len() {
        let (claimed, found) = (metadata.data_len(), data.len());
        return Err(Fault::of_file(format!("the tensors claim {claimed} bytes, but the file has {found} for them")));
    }
    let (mut arrays, mut counters) = (Vec::new(), Vec::new());
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let key = Plain(&name).to_string();
        if is_read(&key) {
            let array = if is_statistic(&key) { Err(STATISTIC.to_owned()) } else { array(info, data) };
            arrays.push((key, array));
        } else {
            counters.push(key);
        }
    }
    Ok((arrays, counters))
}

/// The header, and the bytes after it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// Whether a tensor is part of the network: the counters of training are not.
fn is_read(key: &str) -> bool {
    key.rsplit('.').next() != Some("num_batches_tracked")
}

/// Why a statistic of a batch normalisation is refused.
const STATISTIC: &str = "belongs to a batch normalisation, and a weight list has none: export to ONNX";

fn is_statistic(key: &str) -> bool {
    matches!(key.rsplit('.').next(), Some("running_mean" | "running_var"))
}

fn array(info: &TensorInfo, data: &[u8]) -> Result<Array, String> {
    let (start, end) = info.data_offsets;
    let bytes = data.get(start..end).ok_or("lies outside the file")?;
    let data = match info.dtype {
        Dtype::F16 => decoded(bytes, |b| f16::from_le_bytes(b).to_f64()),
        Dtype::BF16 => decoded(bytes, |b| bf16::from_le_bytes(b).to_f64()),
        Dtype::F32 => decoded(bytes, |b| f64::from(f32::from_le_bytes(b))),
        Dtype::F64 => decoded(bytes, f64::from_le_bytes),
        other => {
            let other = format!("{other:?}");
            return Err(format!("has element type {}; F16, BF16, F32 and F64 are read", Quoted(&other)));
        }
    };
    Ok(Array { shape: info.shape.clone(), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn entry(dtype: &str, shape: &str, end: u64) -> String {
        format!("{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}")
    }

    fn fault(bytes: &[u8]) -> String {
        match read(bytes) {
            Err(Fault { key, reason }) => format!("{}: {reason}", key.unwrap_or_default()),
            Ok((arrays, _)) => {
                let spoilt = arrays.into_iter().find_map(|(key, array)| Some(format!("{key}: {}", array.err()?)));
                spoilt.expect("a fault")
            }
        }
    }

    #[test]
    fn four_float_types_are_read() -> Result<(), Fault> {
        let numbers = [1.0, -2.5, 0.0, 448.0, 2.0_f64.powi(-14), -0.125];
        type Encoding = fn(f64) -> Vec<u8>;
        let encodings: [(&str, Encoding); 4] = [
            ("F16", |v| f16::from_f64(v).to_le_bytes().to_vec()),
            ("BF16", |v| bf16::from_f64(v).to_le_bytes().to_vec()),
            ("F32", |v| (v as f32).to_le_bytes().to_vec()),
            ("F64", |v| v.to_le_bytes().to_vec()),
        ];
        for (dtype, encode) in encodings {
            let data: Vec<u8> = numbers.iter().flat_map(|&v| encode(v)).collect();
            let header = format!("{{\"a.weight\":{}}}", entry(dtype, "[2,3]", data.len() as u64));
            let bytes = file(&header, &data);
            assert!(is_safetensors(&bytes));
            let expected = Array { shape: vec![2, 3], data: numbers.to_vec() };
            assert_eq!(read(&bytes)?.0, [("a.weight".to_owned(), Ok(expected))], "{dtype}");
            for length in 0..bytes.len() {
                assert!(read(&bytes[..length]).is_err(), "{dtype} cut to {length} bytes");
            }
        }
        Ok(())
    }

    #[test]
    fn what_is_no_list_is_named() -> Result<(), Fault> {
        let integers = file(&format!("{{\"a.weight\":{}}}", entry("I64", "[1]", 8)), &[0; 8]);
        assert_eq!(fault(&integers), "a.weight: has element type 'I64'; F16, BF16, F32 and F64 are read");
        let counter = file(&format!("{{\"bn.num_batches_tracked\":{}}}", entry("I64", "[]", 8)), &[0; 8]);
        assert_eq!(read(&counter)?, (vec![], vec!["bn.num_batches_tracked".to_owned()]));
        let mean = file(&format!("{{\"bn.running_mean\":{}}}", entry("F32", "[2]", 8)), &[0; 8]);
        assert_eq!(
            fault(&mean),
            "bn.running_mean: belongs to a batch normalisation, and a weight list has none: export to ONNX"
        );
        assert!(!is_safetensors(b"PK\x03\x04aaaaaaaa"));
        Ok(())
    }

    #[test]
    fn damaged_files_are_errors() {
        assert_eq!(fault(b"hello"), ": not a safetensors file, or one that is cut short: its header is incomplete");
        assert!(fault(&file("{\"a\":1}", &[])).starts_with(": the safetensors header is not understood: "));
        let long = file(&format!("{{\"a\":{}}}", entry("F32", "[2]", 8)), &[0; 12]);
        assert_eq!(fault(&long), ": the tensors claim 8 bytes, but the file has 12 for them");
        let huge = file(&format!("{{\"a\":{}}}", entry("F32", "[1000000,1000000]", 8)), &[0; 8]);
        assert!(fault(&huge).starts_with(": the safetensors header is not understood: "));
        let more = file(&format!("{{\"a\":{}}}", entry("F32", "[1000000,1000000]", 4_000_000_000_000)), &[0; 8]);
        assert_eq!(fault(&more), ": the tensors claim 4000000000000 bytes, but the file has 8 for them");
        let nested = "[".repeat(100_000);
        assert!(read(&file(&format!("{{\"a\":{nested}"), &[])).is_err());
    }

    /// Sizes that add up to 2⁶⁴ − 1, to which the crate's own reader adds the length of the header.
    #[test]
    fn sizes_that_overflow_are_errors() {
        let step = (1_u64 << 61) - 1;
        let tensor = |number: u64, start: u64, end: u64| {
            let shape = end - start;
            format!("\"{number}.weight\":{{\"dtype\":\"U8\",\"shape\":[{shape}],\"data_offsets\":[{start},{end}]}}")
        };
        let mut tensors: Vec<String> = (0..8).map(|i| tensor(i, i * step, (i + 1) * step)).collect();
        tensors.push(tensor(8, 8 * step, u64::MAX));
        let bytes = file(&format!("{{{}}}", tensors.join(",")), &[]);
        assert_eq!(fault(&bytes), ": the tensors claim 18446744073709551615 bytes, but the file has 0 for them");
    }
}
