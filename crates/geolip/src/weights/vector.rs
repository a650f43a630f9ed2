//! A vector of numbers, or rows of them: a `.npy` array, or text with numbers between white space or commas.

use super::npy;
use crate::import::ImportError;
use std::path::Path;

/// Reads the numbers of a file, in their order: an output functional, one number per output.
pub fn load_vector(path: &Path) -> Result<Vec<f64>, ImportError> {
    let bytes = std::fs::read(path).map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
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
    let numbers = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let number = |word: &str| {
        let shown: String = word.chars().take(30).collect();
        word.parse().map_err(|_| format!("'{shown}' is no number; give numbers between white space or commas"))
    };
    let numbers: Vec<f64> = numbers.map(number).collect::<Result<_, String>>()?;
    if numbers.is_empty() { Err("the file holds no numbers".to_owned()) } else { Ok(numbers) }
}

/// Reads rows of numbers: a `.npy` array (a vector is one row; of an array with more axes, the first counts the rows), or text
/// with one row per line (a column of single numbers is one row; a first line of words is a heading).
pub fn load_table(path: &Path) -> Result<Vec<Vec<f64>>, ImportError> {
    let bytes = std::fs::read(path).map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
    read_table(&bytes).map_err(|reason| ImportError::Malformed { path: path.to_owned(), reason })
}

fn read_table(bytes: &[u8]) -> Result<Vec<Vec<f64>>, String> {
    if bytes.starts_with(b"\x93NUMPY") {
        let array = npy::read(bytes).map_err(|reason| format!("the array {reason}"))?;
        let rows = if array.shape.len() > 1 { array.shape[0] } else { 1 };
        return match array.data.len().checked_div(rows) {
            Some(columns) if columns > 0 => Ok(array.data.chunks(columns).map(<[f64]>::to_vec).collect()),
            Some(_) | None => Err("the array holds no numbers".to_owned()),
        };
    }
    let text = str::from_utf8(bytes).map_err(|_| "neither a NumPy array nor text with numbers".to_owned())?;
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let words = text.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|word| !word.is_empty());
        let numbers: Result<Vec<f64>, &str> = words.map(|word| word.parse().map_err(|_| word)).collect();
        match numbers {
            Ok(row) if row.is_empty() => {}
            Ok(row) => rows.push(row),
            Err(_) if line == 0 => {} // a heading
            Err(word) => {
                let shown: String = word.chars().take(30).collect();
                return Err(format!("line {}: '{shown}' is no number", line + 1));
            }
        }
    }
    if rows.len() > 1 && rows.iter().all(|row| row.len() == 1) {
        rows = vec![rows.concat()];
    }
    match rows.first().map(Vec::len) {
        None => Err("the file holds no numbers".to_owned()),
        Some(columns) => match rows.iter().position(|row| row.len() != columns) {
            None => Ok(rows),
            Some(at) => {
                Err(format!("row {at} has {} numbers, but row 0 has {columns}; rows have one length", rows[at].len()))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_text() {
        assert_eq!(read_table(b"label,a\n1, 2\n3;4\n\n"), Ok(vec![vec![1.0, 2.0], vec![3.0, 4.0]]));
        assert_eq!(read_table(b"1\n2\n3"), Ok(vec![vec![1.0, 2.0, 3.0]]));
        assert!(read_table(b"1 2\n3").is_err() && read_table(b"1\ntwo").is_err() && read_table(b"").is_err());
    }

    #[test]
    fn numbers_are_read_from_text() {
        assert_eq!(read(b"1 -2.5,\n3e-2\r\n"), Ok(vec![1.0, -2.5, 0.03]));
        for (bytes, reason) in [
            (&b"1 two"[..], "'two' is no number; give numbers between white space or commas"),
            (b"", "the file holds no numbers"),
            (b"\xff\xfe", "neither a NumPy array nor text with numbers"),
            (b"\x93NUMPY", "the array is no NumPy array, or is cut short"),
        ] {
            assert_eq!(read(bytes), Err(reason.to_owned()));
        }
    }
}
