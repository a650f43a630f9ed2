//! The trusted checker, on the bytes of a certificate file.

use crate::network::Network;
use crate::{engine, error};
use geolip::certificate::{CertificateFile, check_file};
use pyo3::prelude::*;

/// One accepted claim: output, norm, upper bound, probability that a random test passed what is not true, region.
type Accepted = (String, String, f64, f64, Option<String>);

/// Checks every claim of a certificate file against a network.
#[pyfunction]
pub fn check(py: Python<'_>, certificate: &[u8], network: Py<Network>) -> PyResult<Vec<Accepted>> {
    let file = CertificateFile::from_json(certificate).map_err(|e| error::format(py, &e))?;
    let imported = network.get().imported();
    let checked = engine::watched(py, None, move |_| {
        let region = file.region.as_ref().map(ToString::to_string);
        check_file(&imported.network, &file).map(|accepted| (accepted, region))
    })?;
    let (checked, region) = checked.map_err(|e| error::rejected(py, &e))?;
    let accepted = |c: &geolip::certificate::Certificate| {
        (c.functional().to_string(), c.norm().to_string(), c.upper(), c.failure_probability(), region.clone())
    };
    Ok(checked.iter().map(accepted).collect())
}
