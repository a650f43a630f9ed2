//! Every method side by side: what `geolip compare` computes and prints as JSON.

use crate::network::Network;
use crate::options::Choices;
use crate::{engine, error};
use pyo3::prelude::*;

/// Every method on one question, as `geolip compare --json` prints it; each method also has its `title` in words.
#[pyfunction]
#[pyo3(signature = (network, choices, progress = None))]
pub fn compare(
    py: Python<'_>,
    network: Py<Network>,
    choices: Choices<'_>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let options = choices.options(py)?;
    let (imported, summary) = (network.get().imported(), network.get().summary());
    let comparison =
        engine::watched(py, progress, move |observer| geolip_compare::compare(&imported.network, &options, observer))?;
    let comparison = comparison.map_err(|e| error::bound(py, &e))?;
    let mut value = geolip_compare::json::comparison(summary, &comparison);
    let rows = value["methods"].as_array_mut().into_iter().flatten().zip(&comparison.rows);
    for (described, row) in rows {
        described["title"] = row.method.to_string().into();
        if let Ok(estimate) = &row.outcome {
            described["upper"] = estimate.guarantee.is_upper().into();
        }
    }
    Ok(value.to_string())
}
