//! Where a bound is to hold, as Python gives it.

use crate::network::Network;
use crate::{error, numbers};
use geolip::Units;
use geolip::place::Region;
use geolip::samples::{LabelColumn, RegionFileError, Table, load_box, load_samples, load_units};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
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
            Self::File(path) => geolip::text::path(path),
        }
    }

    fn rows(&self, py: Python<'_>, header: Option<bool>) -> PyResult<Table> {
        match self {
            Self::Array(numbers, count) => {
                let numbers = numbers::read(numbers.as_bytes())?;
                let length = numbers.len().checked_div(*count).unwrap_or(0);
                Ok(Table::of((0..*count).map(|row| numbers[row * length..(row + 1) * length].to_vec()).collect()))
            }
            Self::File(path) => load_samples(path, header).map_err(|e| file(py, &e)),
        }
    }
}

/// The chosen row, or all of them; `one`: there has to be one.
#[pyfunction]
#[pyo3(signature = (network, center, row, scale, one, label_column, header))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn samples<'py>(
    py: Python<'py>,
    network: &Network,
    center: Centers<'py>,
    row: Option<usize>,
    scale: f64,
    one: bool,
    label_column: Option<String>,
    header: Option<bool>,
) -> PyResult<Vec<Sample<'py>>> {
    let (rows, imported) = (center.rows(py, header)?, network.imported());
    let label = label_column.map_or_else(LabelColumn::default, |text| match text.parse() {
        Ok(column) => column,
        Err(never) => match never {},
    });
    let found = match one {
        true => geolip::samples::one_sample(&imported.network, rows, row, scale, &label).map(|sample| vec![sample]),
        false => geolip::samples::samples(&imported.network, rows, row, scale, &label),
    };
    let found = found.map_err(|reason| error::option(py, format!("{}: {reason}", center.name())))?;
    Ok(found.into_iter().map(|s| (s.row, s.label, numbers::write(py, s.input.into_iter()))).collect())
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

/// Units: a file, or the numbers of an array.
pub fn units(given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Units>> {
    let Some(given) = given else { return Ok(None) };
    let py = given.py();
    match given.cast::<PyBytes>() {
        Ok(bytes) => Units::new(&numbers::read(bytes.as_bytes())?).map(Some).map_err(|e| error::option(py, e)),
        Err(_) => load_units(&given.extract::<PathBuf>()?).map(Some).map_err(|e| file(py, &e)),
    }
}

fn file(py: Python<'_>, error: &RegionFileError) -> PyErr {
    match error {
        RegionFileError::File(error) => error::import(py, error),
        other => error::option(py, other),
    }
}
