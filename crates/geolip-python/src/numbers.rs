//! Arrays of numbers as bytes: float64 in the machine's order, which is what `numpy.frombuffer` reads and `tobytes` writes.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The numbers of `bytes`.
pub fn read(bytes: &[u8]) -> PyResult<Vec<f64>> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    match rest {
        [] => Ok(chunks.iter().map(|chunk| f64::from_ne_bytes(*chunk)).collect()),
        _ => Err(PyValueError::new_err("the bytes are not an array of float64: their number is not a multiple of 8")),
    }
}

/// `numbers` as bytes.
pub fn write<'py>(py: Python<'py>, numbers: impl Iterator<Item = f64>) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &numbers.flat_map(f64::to_ne_bytes).collect::<Vec<u8>>())
}
