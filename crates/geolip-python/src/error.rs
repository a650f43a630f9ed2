//! Errors of the library as the exceptions of `geolip.errors`, with the same one-line texts as on the command line: whatever
//! names they hold, nothing in them is hidden ([`geolip::text`]).

use geolip::BoundError;
use geolip::import::ImportError;
use geolip::network::CanonicalError;
use geolip::proof::{FormatError, Rejection};
use geolip::text::{path as shown, plain};
use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use std::io;
use std::path::Path;

/// The exception `geolip.errors.{class}` with these arguments; or what keeps it from being made.
fn exception<'py>(py: Python<'py>, class: &str, arguments: impl PyCallArgs<'py>) -> PyErr {
    let make = || py.import("geolip.errors")?.getattr(class)?.call1(arguments);
    make().map_or_else(|error| error, PyErr::from_value)
}

/// A file that is not there, cannot be read, or holds no network.
pub fn import(py: Python<'_>, error: &ImportError) -> PyErr {
    let text = plain(&error.to_string());
    match error {
        ImportError::Unreadable { source, .. } => match source.raw_os_error() {
            // two arguments or more make OSError the subclass of the code, such as FileNotFoundError
            Some(code) => PyOSError::new_err((code, text)),
            None => PyOSError::new_err(text),
        },
        ImportError::Unsupported { obstacles, .. } => {
            let list: Vec<(String, String)> =
                obstacles.iter().map(|o| (o.place.to_string(), plain(&o.reason))).collect();
            exception(py, "UnsupportedNetworkError", (text, list))
        }
        _ => exception(py, "NetworkFileError", (text,)),
    }
}

/// A network that cannot be written as a canonical file, to this path or at all.
pub fn export(py: Python<'_>, path: &Path, error: &CanonicalError) -> PyErr {
    match error {
        CanonicalError::Write(source) => write(path, source),
        other => exception(py, "NetworkFileError", (plain(&other.to_string()),)),
    }
}

/// A file that cannot be written.
pub fn write(path: &Path, source: &io::Error) -> PyErr {
    let text = format!("{}: cannot be written: {source}", shown(path));
    match source.raw_os_error() {
        Some(code) => PyOSError::new_err((code, text)),
        None => PyOSError::new_err(text),
    }
}

/// A question or option that makes no sense.
pub fn option(py: Python<'_>, error: impl std::fmt::Display) -> PyErr {
    exception(py, "OptionError", (plain(&error.to_string()),))
}

/// No bound.
pub fn bound(py: Python<'_>, error: &BoundError) -> PyErr {
    match error {
        BoundError::NotCertified { .. } | BoundError::Overflow { .. } => {
            exception(py, "NotCertifiedError", (plain(&error.to_string()),))
        }
        BoundError::Broken { .. } => internal(py, error),
        _ => option(py, error),
    }
}

/// A result that contradicts itself.
pub fn internal(py: Python<'_>, error: impl std::fmt::Display) -> PyErr {
    exception(py, "InternalError", (plain(&error.to_string()),))
}

/// A file that is no certificate.
pub fn format(py: Python<'_>, error: &FormatError) -> PyErr {
    exception(py, "CertificateFormatError", (plain(&error.to_string()),))
}

/// A certificate that does not hold.
pub fn rejected(py: Python<'_>, error: &Rejection) -> PyErr {
    exception(py, "RejectedError", (plain(&error.to_string()),))
}
