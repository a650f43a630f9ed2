//! Where a bound is to hold, as Python gives it. The command line's `region.rs` says the same in the same words;
//! `python/tests/test_same_as_command_line.py` compares.

use crate::network::Network;
use crate::{error, numbers};
use geolip::region::{Region, RegionFileError, load_box, load_rows};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Inputs, one per row: an array (its numbers, and how many rows they are), or a file.
#[derive(FromPyObject)]
pub enum Centers<'py> {
    Array(Bound<'py, PyBytes>, usize),
    File(PathBuf),
}

/// A row: its number, the label it begins with (where it has one number more than inputs), and the input.
pub type Sample<'py> = (usize, Option<usize>, Bound<'py, PyBytes>);

impl Centers<'_> {
    /// What errors call it.
    fn name(&self) -> String {
        match self {
            Self::Array(..) => "center".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn rows(&self, py: Python<'_>) -> PyResult<Vec<Vec<f64>>> {
        match self {
            Self::Array(numbers, count) => {
                let numbers = numbers::read(numbers.as_bytes())?;
                let length = numbers.len().checked_div(*count).unwrap_or(0);
                Ok((0..*count).map(|row| numbers[row * length..(row + 1) * length].to_vec()).collect())
            }
            Self::File(path) => load_rows(path).map_err(|e| file(py, &e)),
        }
    }
}

/// The chosen row, or all of them; `one`: there has to be one.
#[pyfunction]
pub fn samples<'py>(
    py: Python<'py>,
    network: &Network,
    center: Centers<'py>,
    row: Option<usize>,
    scale: f64,
    one: bool,
) -> PyResult<Vec<Sample<'py>>> {
    let (rows, name) = (center.rows(py)?, center.name());
    let count = rows.len();
    if row.map_or(one && count != 1, |row| row >= count) {
        let last = count.saturating_sub(1);
        return Err(error::option(py, format!("{name}: it has {count} rows; choose one with --row 0 to --row {last}")));
    }
    let chosen = rows.into_iter().enumerate().filter(|(index, _)| row.is_none_or(|row| row == *index));
    let sample = |(row, numbers): (usize, Vec<f64>)| {
        let (label, input) = sample(&network.imported().network, row, numbers);
        let input = input.map_err(|reason| error::option(py, format!("{name}: {reason}")))?;
        Ok((row, label, numbers::write(py, input.into_iter().map(|v| v * scale))))
    };
    chosen.map(sample).collect()
}

/// The label, and the input or what is wrong with the row.
fn sample(network: &geolip::Network, row: usize, mut numbers: Vec<f64>) -> (Option<usize>, Result<Vec<f64>, String>) {
    let (found, inputs, outputs) = (numbers.len(), network.inputs(), network.outputs());
    if let Some(value) = numbers.iter().find(|v| !v.is_finite()) {
        return (None, Err(format!("row {row} holds {value}; its numbers have to be finite")));
    }
    if found == inputs {
        return (None, Ok(numbers));
    }
    if found != inputs + 1 {
        let reason = format!(
            "row {row} has {found} numbers, but the network has {inputs} inputs; \
             give one number per input, or a label and then the inputs"
        );
        return (None, Err(reason));
    }
    let value = numbers.remove(0);
    if value.fract() == 0.0 && (0.0..outputs as f64).contains(&value) {
        return (Some(value as usize), Ok(numbers));
    }
    let last = outputs - 1;
    (None, Err(format!("the label of row {row} is {value}; it has to be an output, from 0 to {last}")))
}

/// A box: a file, or the numbers of an array with two rows.
pub fn boxed(given: &Bound<'_, PyAny>) -> PyResult<Region> {
    let py = given.py();
    let Ok(bytes) = given.cast::<PyBytes>() else {
        return load_box(&given.extract::<PathBuf>()?).map_err(|e| file(py, &e));
    };
    let mut lower = numbers::read(bytes.as_bytes())?;
    let upper = lower.split_off(lower.len() / 2);
    Region::new_box(lower, upper).map_err(|e| error::option(py, e))
}

fn file(py: Python<'_>, error: &RegionFileError) -> PyErr {
    match error {
        RegionFileError::File(error) => error::import(py, error),
        other => error::option(py, other),
    }
}

/// A region as JSON describes it: `null`, a box, or a ball in a box.
pub fn to_json(region: Option<&Region>) -> Value {
    match region {
        None => Value::Null,
        Some(region) => json!({
            "lower": region.lower(),
            "upper": region.upper(),
            "ball": region.ball().map(|ball| json!({ "centre": ball.centre, "radius": ball.radius })),
        }),
    }
}
