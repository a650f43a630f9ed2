//! Every method side by side: what `geolip compare` computes and prints as JSON.

use crate::network::Network;
use crate::options::Choices;
use crate::{engine, error};
use geolip::baseline::{self, Row};
use pyo3::prelude::*;
use serde_json::{Value, json};

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
        engine::watched(py, progress, move |observer| baseline::compare(&imported.network, &options, observer))?;
    let comparison = comparison.map_err(|e| error::bound(py, &e))?;
    let row = |row: &Row| match &row.outcome {
        Ok(estimate) => {
            let bounds = comparison.functionals.iter().zip(&estimate.values);
            json!({
                "method": row.method,
                "title": row.method.to_string(),
                "value": estimate.largest(),
                "guarantee": estimate.guarantee,
                "upper": estimate.guarantee.is_upper(),
                "seconds": estimate.time.as_secs_f64(),
                "note": estimate.note,
                "bounds": bounds.map(|(f, v)| json!({ "output": f.to_string(), "value": v })).collect::<Vec<_>>(),
            })
        }
        Err(reason) => {
            let title = row.method.to_string();
            json!({ "method": row.method, "title": title, "value": null, "reason": reason.to_string() })
        }
    };
    let value = json!({
        "network": summary,
        "norm": comparison.norm,
        "region": null,
        "methods": comparison.rows.iter().map(row).collect::<Vec<Value>>(),
        "seconds": comparison.time.as_secs_f64(),
    });
    Ok(value.to_string())
}
