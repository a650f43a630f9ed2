//! Files that Python writes, the way the command line does: whole or not at all, through links and devices.

use crate::error;
use geolip::files::Destination;
use pyo3::prelude::*;
use std::path::PathBuf;

/// Writes `bytes` to `path`.
#[pyfunction]
pub fn write(py: Python<'_>, path: PathBuf, bytes: &[u8]) -> PyResult<()> {
    let written = py.detach(|| Destination::open(&path)?.write(bytes));
    written.map_err(|source| error::write(&path, &source))
}
