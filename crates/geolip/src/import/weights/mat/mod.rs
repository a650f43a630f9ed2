//! A MATLAB `.mat` file of level 5 (`save -v6`, `save -v7`, and what scipy and Octave write) to the layers of a network.
//!
//! | step | file |
//! | --- | --- |
//! | the header and the variables, inflated where they are compressed | this file |
//! | tags: the type and the length of an element | `element` |
//! | one variable | `variable` |
//! | variables to layers | `layout` |
//!
//! Level 4 has no cell arrays and no single precision, and level 7.3 is HDF5: both are refused by name. A reader of our
//! own, because the libraries for this format read no cell arrays or not these files, and none is made for hostile ones.
//!
//! Source: MATLAB MAT-File Format (The MathWorks), chapter 1.

mod element;
mod layout;
mod variable;

#[cfg(test)]
mod tests;

use super::inflate::{budget, inflate};
use super::{Fault, List};
use crate::import::Plain;
use element::{ByteOrder, Element, Elements, kind};
use flate2::bufread::ZlibDecoder;
use std::io::Read;
use variable::Variable;

pub(super) use layout::UNCLEAR;

/// Whether the bytes begin as those of a MAT-file of level 5 or later.
pub(super) fn is_mat(bytes: &[u8]) -> bool {
    bytes.starts_with(b"MATLAB ")
}

/// The layers of a file, or of those of its variables whose names begin with `prefix`.
pub(super) fn read(bytes: &[u8], prefix: Option<&str>) -> Result<List, Fault> {
    layout::list(variables(bytes)?, prefix)
}

/// The variables of a file, in its order.
fn variables(bytes: &[u8]) -> Result<Vec<Variable>, Fault> {
    let (order, body) = header(bytes).map_err(Fault::of_file)?;
    let mut elements = Elements::new(body, order);
    let (mut variables, mut budget): (Vec<Variable>, u64) = (Vec::new(), budget(bytes));
    while let Some(Element { kind, content }) = elements.next().map_err(Fault::of_file)? {
        let variable = match kind {
            kind::MATRIX => variable::read(content, order)?,
            kind::COMPRESSED => variable::read(&inflated(content, order, &mut budget).map_err(Fault::of_file)?, order)?,
            other => {
                let reason =
                    format!("holds an element of type {other} where a variable should be; the file is damaged");
                return Err(Fault::of_file(reason));
            }
        };
        if let Some(Variable { name, .. }) = &variable
            && variables.iter().any(|earlier| earlier.name == *name)
        {
            return Err(Fault::of(name, "is in the file twice"));
        }
        variables.extend(variable);
    }
    Ok(variables)
}

/// The byte order of a file, and what follows its header.
fn header(bytes: &[u8]) -> Result<(ByteOrder, &[u8]), String> {
    const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
    const SAVE: &str = "save it in MATLAB with save(..., '-v7')";
    if bytes.starts_with(HDF5) {
        return Err(format!("an HDF5 file, as MAT-files of version 7.3 are; {SAVE}"));
    }
    let level_4 = !is_mat(bytes) && bytes.len() >= 20 && bytes[..4].contains(&0);
    let header = bytes.split_first_chunk::<128>();
    let order = header.and_then(|(header, _)| match &header[126..] {
        b"IM" => Some(ByteOrder::Little),
        b"MI" => Some(ByteOrder::Big),
        _ => None,
    });
    match (order, header) {
        (Some(order), Some((header, body))) => match order.u16([header[124], header[125]]) {
            0x0100 => Ok((order, body)),
            0x0200 => Err(format!("a MAT-file of version 7.3, which is HDF5; {SAVE}")),
            other => Err(format!("a MAT-file of the unknown version {other:#06x}; {SAVE}")),
        },
        _ if level_4 => Err(format!("not a MAT-file of level 5, maybe one of level 4; {SAVE}")),
        _ => Err("not a MAT-file, or one that is cut short: its header of level 5 is incomplete".to_owned()),
    }
}

/// The matrix in a compressed element, without its tag. No more is read than the tag inside claims and `budget` allows; the
/// checksum at the end is verified, and nothing may follow it.
fn inflated(content: &[u8], order: ByteOrder, budget: &mut u64) -> Result<Vec<u8>, String> {
    const TAG: usize = 8;
    const PADDING: u64 = 7;
    let mut tag = [[0; 4]; 2];
    let peeked = ZlibDecoder::new(content).read_exact(tag.as_flattened_mut());
    peeked.map_err(|error| format!("damaged compression: {}", Plain(&error.to_string())))?;
    let (kind, length) = (order.u32(tag[0]), u64::from(order.u32(tag[1])));
    if kind != kind::MATRIX {
        return Err(format!("holds a compressed element of type {kind} where a variable should be"));
    }
    *budget = budget.checked_sub(length).ok_or_else(|| {
        format!(
            "a compressed variable of {length} bytes is too large beside the file; save it uncompressed, with '-v6'"
        )
    })?;
    let mut matrix = inflate(content, true, TAG as u64 + length + PADDING)
        .map_err(|reason| format!("damaged compression: a variable {reason}"))?;
    let end = usize::try_from(length).ok().and_then(|length| length.checked_add(TAG));
    match end {
        Some(end) if end <= matrix.len() => matrix.truncate(end),
        _ => return Err(format!("a compressed variable claims {length} bytes but holds fewer; the file is damaged")),
    }
    matrix.drain(..TAG);
    Ok(matrix)
}
