//! A vector of numbers: a `.npy` array, or text with numbers between white space or commas.

use super::npy;
use crate::import::{ImportError, stored};
use std::path::Path;

/// Reads the numbers of a file, in their order: an output functional, one number per output.
pub fn load_vector(path: &Path) -> Result<Vec<f64>, ImportError> {
    let (bytes, _) = stored::read(path)?;
    read(&bytes).map_err(|reason| ImportError::Malformed { path: path.to_owned(), reason })
}

fn read(bytes: &[u8]) -> Result<Vec<f64>, String> {
    if bytes.starts_with(b"\x93NUMPY") {
        let array = npy::read(bytes).map_err(|reason| format!("the array {reason}"))?;
        return match array.shape.as_slice() {
            [_] | [1, _] | [_, 1] => Ok(array.data),
            shape => Err(format!("the array has the shape {shape:?}; give a vector")),
        };
    }
    let text = str::from_utf8(bytes).map_err(|_| "neither a NumPy array nor text with numbers".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if text.contains(',') && text.split(',').any(|cell| cell.trim().is_empty()) {
        return Err("a number is missing between two commas, or beside one".to_owned());
    }
    let numbers = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let number = |word: &str| {
        let shown: String = word.chars().take(30).collect();
        word.parse().map_err(|_| format!("'{shown}' is not a number; give numbers between white space or commas"))
    };
    let numbers: Vec<f64> = numbers.map(number).collect::<Result<_, String>>()?;
    if numbers.is_empty() { Err("the file holds no numbers".to_owned()) } else { Ok(numbers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_text() {
        assert_eq!(read(b"1 -2.5,\n3e-2\r\n"), Ok(vec![1.0, -2.5, 0.03]));
        assert_eq!(read("\u{feff}1,2".as_bytes()), Ok(vec![1.0, 2.0]), "a byte-order mark");
        for (bytes, reason) in [
            (&b"1 two"[..], "'two' is not a number; give numbers between white space or commas"),
            (b"", "the file holds no numbers"),
            (b"1,,2", "a number is missing between two commas, or beside one"),
            (b"1,2,", "a number is missing between two commas, or beside one"),
            (b"\xff\xfe", "neither a NumPy array nor text with numbers"),
            (b"\x93NUMPY", "the array is not a NumPy array, or is cut short"),
        ] {
            assert_eq!(read(bytes), Err(reason.to_owned()));
        }
    }
}
