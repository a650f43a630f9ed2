//! Regions from files: centres (`.npy`, `.csv`, text), boxes (two rows of them), and the input boxes of VNN-LIB properties; units.

use crate::import::{ImportError, Table, load_table, stored};
use crate::place::Region;
use crate::problem::Units;
use std::path::{Path, PathBuf};

/// Why a file makes no region.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegionFileError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] ImportError),
    /// It holds something else.
    #[error("{}: {}", crate::text::path(path), crate::text::plain(reason))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The rows of numbers of a file: a `.npy` array (a vector is one row; a batch of images one row each), or text with one row
/// per line, numbers between commas, semicolons, tabs or white space. Rows have one length, and every cell is a number; a
/// first line without any number is a heading.
///
/// # Errors
/// [`RegionFileError`], with the line and the column.
pub fn load_rows(path: &Path) -> Result<Vec<Vec<f64>>, RegionFileError> {
    Ok(load_table(path, None)?.rows)
}

/// As [`load_rows`], with the heading, for [`samples`](super::samples()); `heading` says whether the first line is one.
///
/// # Errors
/// As for [`load_rows`].
pub fn load_samples(path: &Path, heading: Option<bool>) -> Result<Table, RegionFileError> {
    Ok(load_table(path, heading)?)
}

/// The units of the inputs from a file: one row, or one number per line.
///
/// # Errors
/// [`RegionFileError`].
pub fn load_units(path: &Path) -> Result<Units, RegionFileError> {
    let content = |reason: String| RegionFileError::Content { path: path.to_owned(), reason };
    let mut rows = load_rows(path)?;
    let units = match rows.len() {
        1 => rows.swap_remove(0),
        _ if rows.iter().all(|row| row.len() == 1) => rows.concat(),
        found => return Err(content(format!("units are one row, or one number per line; this file has {found} rows"))),
    };
    Units::new(&units).map_err(|error| content(error.to_string()))
}

/// A box from a file: two rows, the lower ends and the upper ends; or the input box of a VNN-LIB property (`.vnnlib`). Like every file of samples, it may
/// be compressed by gzip.
pub fn load_box(path: &Path) -> Result<Region, RegionFileError> {
    let content = |reason: String| RegionFileError::Content { path: path.to_owned(), reason };
    let (lower, upper) = if is_vnnlib(path) {
        let (bytes, _) = stored::read(path)?;
        let text = str::from_utf8(&bytes).map_err(|_| content("not text in UTF-8".to_owned()))?;
        vnnlib(text).map_err(content)?
    } else {
        let mut rows = load_rows(path)?;
        match (rows.pop(), rows.pop(), rows.len()) {
            (Some(upper), Some(lower), 0) => (lower, upper),
            (last, before, more) => {
                let found = usize::from(last.is_some()) + usize::from(before.is_some()) + more;
                return Err(content(format!("a box is two rows, lower and upper ends; this file has {found}")));
            }
        }
    };
    Region::new_box(lower, upper).map_err(|error| content(error.to_string()))
}

/// Whether a file is named like a VNN-LIB property, compressed or not.
fn is_vnnlib(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.ends_with(".vnnlib") || name.ends_with(".vnnlib.gz")
}

/// The box of `(assert (<= X_i c))` and `(assert (>= X_i c))`, numbers on either side.
///
/// What is said about outputs (Y_j) does not matter here. Anything else about inputs (sums, disjunctions that name them)
/// is refused: leaving it out would make another region.
fn vnnlib(text: &str) -> Result<(Vec<f64>, Vec<f64>), String> {
    let mut ends: Vec<(f64, f64)> = Vec::new();
    for statement in statements(text)? {
        let words: Vec<&str> = statement.split(|c: char| c.is_whitespace() || c == '(' || c == ')').collect();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            ["declare-const", name, "Real"] | ["declare-fun", name, "Real"] => {
                if let Some(index) = input(name) {
                    let least = ends.len().max(index.saturating_add(1).min(text.len())); // every input takes some text
                    ends.resize(least, (f64::NEG_INFINITY, f64::INFINITY));
                }
            }
            ["assert", relation @ ("<=" | ">=" | "<" | ">" | "="), a, b]
                if input(a).is_some() != input(b).is_some() && statement.matches('(').count() == 2 =>
            {
                let (index, number, flipped) = match input(a) {
                    Some(index) => (index, *b, false),
                    None => (input(b).unwrap_or(usize::MAX), *a, true),
                };
                let value: f64 = number.parse().map_err(|_| unread(&statement))?;
                let end = ends.get_mut(index).ok_or_else(|| format!("input X_{index} is not declared"))?;
                let at_most = matches!((*relation, flipped), ("<=" | "<", false) | (">=" | ">", true));
                if at_most || *relation == "=" {
                    end.1 = end.1.min(value);
                }
                if !at_most {
                    end.0 = end.0.max(value);
                }
            }
            ["assert", rest @ ..] if !rest.iter().any(|word| input(word).is_some()) => {}
            ["set-logic" | "check-sat" | "exit" | "set-info" | "set-option" | "get-model", ..] | [] => {}
            _ => return Err(unread(&statement)),
        }
    }
    if ends.is_empty() {
        return Err("it declares no inputs X_0, X_1, …".to_owned());
    }
    match ends.iter().position(|(l, u)| !(l.is_finite() && u.is_finite())) {
        Some(index) => Err(format!("input X_{index} is not bounded from both sides")),
        None => Ok(ends.into_iter().unzip()),
    }
}

fn unread(statement: &str) -> String {
    let shown: String = statement.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
    format!(
        "'{shown}' is not understood; only input boxes are read, such as (assert (<= X_0 1.5)), one property per file"
    )
}

/// i of `X_i`.
fn input(word: &str) -> Option<usize> {
    word.strip_prefix("X_")?.parse().ok()
}

/// The statements, comments left out.
fn statements(text: &str) -> Result<Vec<String>, String> {
    let lines = text.lines().map(|line| line.split(';').next().unwrap_or_default());
    let (mut statements, mut open, mut current) = (Vec::new(), 0_usize, String::new());
    for c in lines.flat_map(|line| line.chars().chain(std::iter::once('\n'))) {
        match c {
            '(' => open += 1,
            ')' => open = open.checked_sub(1).ok_or("it closes a bracket that is not open")?,
            _ => {}
        }
        if open > 0 || c == ')' {
            current.push(c);
        }
        if c == ')' && open == 0 {
            statements.push(std::mem::take(&mut current));
        }
    }
    if open > 0 { Err("it ends inside a statement; it is cut short".to_owned()) } else { Ok(statements) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &str = "; a property\n(declare-const X_0 Real)\n(declare-const X_1 Real)(declare-const Y_0 Real)\n";

    #[test]
    fn input_boxes_are_read_whatever_the_order_and_side() {
        let text = format!(
            "{DECLARED}(assert (<= X_0 0.5)) ; upper\n(assert (>= X_0 -0.25))\n(assert (<= -1e-3 X_1))\n\
             (assert (>= 2 X_1))\n(assert (or (and (>= Y_0 3))))\n"
        );
        assert_eq!(vnnlib(&text), Ok((vec![-0.25, -1e-3], vec![0.5, 2.0])));
    }

    #[test]
    fn what_would_make_another_region_is_refused() {
        let bounded = "(assert (<= X_0 1))(assert (>= X_0 0))(assert (<= X_1 1))(assert (>= X_1 0))";
        for (extra, reason) in [
            ("(assert (or (and (<= X_0 0.1)) (and (>= X_0 0.9))))", "not understood"),
            ("(assert (<= (+ X_0 X_1) 1))", "not understood"),
            ("(assert (<= X_0 X_1))", "not understood"),
            ("(assert (<= X_7 1))", "not declared"),
            ("(assert (<= X_0 one))", "not understood"),
            ("(assert (<= X_0 1)", "cut short"),
        ] {
            let error = vnnlib(&format!("{DECLARED}{bounded}{extra}")).expect_err(extra);
            assert!(error.contains(reason), "{extra}: {error}");
        }
        assert!(vnnlib(&format!("{DECLARED}(assert (<= X_0 1))")).is_err(), "no lower end");
        assert!(vnnlib("").is_err());
    }
}
