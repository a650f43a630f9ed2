//! The table of options, for the package's own use and for its tests, which compare signatures and documentation with it.

use geolip::options::table::{Choice, Default, Kind, of_function};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The options of a function: by name, a dictionary with `default`, `help`, `needs` and `kind`.
#[pyfunction]
pub fn options<'py>(py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for choice in of_function(function) {
        let one = PyDict::new(py);
        one.set_item("default", default(py, choice)?)?;
        one.set_item("help", choice.python_text())?;
        one.set_item("needs", choice.needs.to_vec())?;
        let kind = match choice.kind {
            Kind::Question => "question",
            Kind::Limit => "limit",
            Kind::Manner => "manner",
        };
        one.set_item("kind", kind)?;
        all.set_item(choice.name, one)?;
    }
    Ok(all)
}

/// The defaults of a function's options, by name.
#[pyfunction]
pub fn defaults<'py>(py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for choice in of_function(function) {
        all.set_item(choice.name, default(py, choice)?)?;
    }
    Ok(all)
}

fn default(py: Python<'_>, choice: &Choice) -> PyResult<Py<PyAny>> {
    match choice.default_value() {
        Default::Nothing(_) => Ok(py.None()),
        Default::Off => false.into_py_any(py),
        Default::Text(text) => text.into_py_any(py),
        Default::Number(number) => number.into_py_any(py),
        Default::Count(count) => count.into_py_any(py),
    }
}
