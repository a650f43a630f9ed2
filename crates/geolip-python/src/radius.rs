//! Certified radii: what `geolip radius` computes and prints as JSON.

use crate::network::Network;
use crate::region::{self, Sample as Given};
use crate::{engine, error, numbers};
use geolip::samples::Sample;
use geolip::{Event, RadiusError, RadiusOptions, certified_radii};
use pyo3::prelude::*;
use serde_json::json;
use std::time::Instant;

/// Samples between two looks at Ctrl-C.
const TOGETHER: usize = 8;

/// The keyword arguments of `geolip.radius`, as a dictionary.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Choices<'py> {
    norm: String,
    unit: Option<Bound<'py, PyAny>>,
    clip: Option<(f64, f64)>,
    tol: f64,
    linear_bounds_only: bool,
}

impl Choices<'_> {
    fn options(&self, py: Python<'_>) -> PyResult<RadiusOptions> {
        let norm = self.norm.parse().map_err(|e: String| error::option(py, e))?;
        let (unit, relaxation) = (region::units(self.unit.as_ref())?, !self.linear_bounds_only);
        Ok(RadiusOptions { norm, unit, clip: self.clip, label: None, tol: self.tol, relaxation })
    }
}

/// How far every sample may move, as `geolip radius --json` prints it.
#[pyfunction]
#[pyo3(signature = (network, samples, choices, progress = None))]
pub fn radius(
    py: Python<'_>,
    network: Py<Network>,
    samples: Vec<Given<'_>>,
    choices: Choices<'_>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let started = Instant::now();
    let options = choices.options(py)?;
    let unit = options.unit.clone();
    let (imported, summary) = (network.get().imported(), network.get().summary());
    let read = |(row, label, input): Given<'_>| Ok(Sample { row, label, input: numbers::read(input.as_bytes())? });
    let asked = samples.into_iter().map(read).collect::<PyResult<Vec<Sample>>>()?;
    let found = engine::watched(py, progress, move |observer| {
        observer.event(Event::Started { bounds: asked.len() });
        let mut found = Vec::with_capacity(asked.len());
        for batch in asked.chunks(TOGETHER) {
            if observer.cancelled() {
                break;
            }
            for (found_here, sample) in
                certified_radii(&imported.network, batch, &options, observer).into_iter().zip(batch)
            {
                found.push(found_here.map_err(|reason| (sample.row, reason))?);
            }
        }
        Ok(found)
    })?;
    let lines = found.map_err(|(row, reason): (usize, RadiusError)| match reason {
        RadiusError::Broken { .. } => error::internal(py, format!("row {row}: {reason}")),
        reason => error::option(py, format!("row {row}: {reason}")),
    })?;
    let value = json!({
        "network": summary,
        "norm": choices.norm,
        "unit": unit,
        "clip": choices.clip.map_or_else(Vec::new, |(low, high)| vec![low, high]),
        "samples": lines,
        "seconds": started.elapsed().as_secs_f64(),
    });
    Ok(value.to_string())
}
