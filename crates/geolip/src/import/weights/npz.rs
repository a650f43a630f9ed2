//! A `.npz` archive: a zip file with one `.npy` file per array.

use super::archive::{self, Damage};
use super::list::Wanted;
use super::{Fault, Found, npy};
use crate::import::Plain;

/// What a `.npz` list holds. (Names as in `.safetensors` are read as well.)
pub(super) const WANTED: Wanted =
    Wanted { least: "matrix W1", all: "W1, W2, … and b1, b2, …, or NAME.weight, NAME/kernel and NAME.bias" };

pub(super) use archive::is_zip;

/// The arrays of an archive, in its order.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Found)>, Fault> {
    let members = archive::members(bytes).map_err(|Damage { member, reason }| match member {
        Some(name) => Fault::of(key(&name), reason),
        None => Fault::of_file(reason),
    })?;
    let array =
        |archive::Member { name, content }: archive::Member<'_>| (Plain(key(&name)).to_string(), npy::read(&content));
    Ok(members.into_iter().map(array).collect())
}

/// The name of an array in the archive, as NumPy shows it.
fn key(name: &str) -> &str {
    name.strip_suffix(".npy").unwrap_or(name)
}
