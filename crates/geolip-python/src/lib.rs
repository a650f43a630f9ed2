//! `geolip._geolip`: the engine as Python's `geolip` package sees it. Not for users: `python/geolip` is.
//!
//! | file | one idea |
//! | --- | --- |
//! | `network.rs` | a network that was read, from a file or from bytes |
//! | `options.rs` | what Python asks for, as [`geolip::Options`] |
//! | `table.rs` | the table of options, as Python sees it |
//! | `region.rs` | where bounds are to hold: inputs and boxes, from arrays and files |
//! | `engine.rs` | work on threads of its own: the GIL is released, Ctrl-C and progress are heard |
//! | `report.rs`, `comparison.rs`, `radius.rs`, `check.rs` | what came out, as JSON text and bytes |
//! | `numbers.rs` | arrays of numbers as bytes, both ways |
//! | `files.rs` | files that Python writes |
//! | `error.rs` | errors as the exceptions of `geolip.errors` |
//!
//! What crosses the border is text, numbers and bytes, so that the module depends on no version of NumPy. JSON carries
//! doubles exactly.
//!
//! The workspace denies `unsafe`, here too: PyO3 keeps its own inside what its macros call.

mod check;
mod comparison;
mod engine;
mod error;
mod files;
mod network;
mod numbers;
mod options;
mod radius;
mod region;
mod report;
mod table;

/// The engine behind the package `geolip`.
#[pyo3::pymodule]
mod _geolip {
    #[pymodule_export]
    use super::check::check;
    #[pymodule_export]
    use super::comparison::compare;
    #[pymodule_export]
    use super::files::write;
    #[pymodule_export]
    use super::network::{Network, from_bytes, load};
    #[pymodule_export]
    use super::options::{activations, slope, vector};
    #[pymodule_export]
    use super::radius::radius;
    #[pymodule_export]
    use super::region::samples;
    #[pymodule_export]
    use super::report::{Report, bound};
    #[pymodule_export]
    use super::table::{defaults, options};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
