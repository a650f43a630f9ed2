//! The trusted checker, on the bytes of a certificate file.

use crate::network::Network;
use crate::{engine, error};
use geolip::form::Randomness;
use geolip::proof::{Certificate, CertificateFile, CheckOptions, check_file_with};
use geolip::words;
use pyo3::prelude::*;

/// One accepted claim: output, norm, upper bound, probability that a random test passed what is not true, region, by whom and
/// how it was tested, what else the claim says, in lines, and which constant it bounds.
type Accepted = (String, String, f64, f64, Option<String>, String, Vec<String>, &'static str);

const GIB: f64 = (1_u64 << 30) as f64;

/// Checks every claim of a certificate file against a network.
#[pyfunction]
#[pyo3(signature = (certificate, network, seed, memory_limit))]
pub fn check(
    py: Python<'_>,
    certificate: &[u8],
    network: Py<Network>,
    seed: Option<u64>,
    memory_limit: f64,
) -> PyResult<Vec<Accepted>> {
    if !(memory_limit > 0.0 && memory_limit.is_finite()) {
        let text = format!("memory_limit is {memory_limit}; it must be a positive number of GiB");
        return Err(error::option(py, text));
    }
    let randomness = seed.map_or(Randomness::System, Randomness::Seed);
    let memory_limit = (memory_limit * GIB) as usize;
    let options = CheckOptions { randomness, memory_limit, ..CheckOptions::default() };
    let file = CertificateFile::from_json(certificate).map_err(|e| error::format(py, &e))?;
    let imported = network.get().imported();
    let checked = engine::watched(py, None, move |_| {
        let region = file.region.as_ref().map(|region| (region.to_string(), words::region(region)));
        let unit = file.unit.as_ref().map(words::units);
        check_file_with(&imported.network, &file, &options).map(|accepted| (accepted, region, unit))
    })?;
    let (checked, region, unit) = checked.map_err(|e| error::rejected(py, &e))?;
    let (region, region_lines) = region.unzip();
    let accepted = |c: &Certificate| {
        let (output, norm) = (c.functional().to_string(), c.norm().to_string());
        let lines = words::functional(c.functional()).into_iter().chain(unit.clone());
        let lines = lines.chain(region_lines.iter().flatten().cloned());
        let constant = words::constant(c);
        (output, norm, c.upper(), c.failure_probability(), region.clone(), words::test(c), lines.collect(), constant)
    };
    Ok(checked.iter().map(accepted).collect())
}
