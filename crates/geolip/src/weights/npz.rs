//! A `.npz` archive: a zip file with one `.npy` file per array.

use super::array::Array;
use super::list::Wanted;
use super::{Fault, npy};
use crate::import::Plain;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// The most that deflate can make of a byte. An entry that claims more is damaged or hostile.
const LARGEST_EXPANSION: u64 = 1032;

/// What a `.npz` list holds. (Names as in `.safetensors` are read as well.)
pub(super) const WANTED: Wanted = Wanted { least: "matrix W1", all: "W1, W2, … and b1, b2, …" };

/// Whether the bytes are those of a zip archive.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// The arrays of an archive, in its order.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Array)>, Fault> {
    let damaged = |error: &dyn std::fmt::Display| format!("damaged archive: {}", Plain(&error.to_string()));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| Fault::of_file(damaged(&error)))?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| Fault::of_file(damaged(&error)))?;
        let name = entry.name().map_err(|error| Fault::of_file(damaged(&error)))?;
        let key = Plain(name.strip_suffix(".npy").unwrap_or(&name)).to_string();
        let size = entry.size();
        if size > entry.compressed_size().saturating_mul(LARGEST_EXPANSION) || size > limit(bytes) {
            return Err(Fault::of(&key, format!("claims {size} bytes, more than the file can hold")));
        }
        let mut content = Vec::new();
        entry.by_ref().take(size).read_to_end(&mut content).map_err(|error| Fault::of(&key, damaged(&error)))?;
        let array = npy::read(&content).map_err(|reason| Fault::of(&key, reason))?;
        arrays.push((key, array));
    }
    Ok(arrays)
}

/// What all the bytes of the file could expand to.
fn limit(bytes: &[u8]) -> u64 {
    (bytes.len() as u64).saturating_mul(LARGEST_EXPANSION)
}
