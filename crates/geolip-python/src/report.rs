//! Bounds: what `geolip bound` computes and prints as JSON.

use crate::network::Network;
use crate::options::Choices;
use crate::{engine, error, numbers};
use geolip::import::Imported;
use geolip::{BoundError, Options};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// A report, and the network it is about.
#[pyclass(frozen, module = "geolip._geolip")]
pub struct Report {
    imported: Arc<Imported>,
    summary: Value,
    report: geolip::Report,
}

#[pymethods]
impl Report {
    /// What `geolip bound --json` prints.
    fn to_json(&self) -> String {
        geolip::json::report(self.summary.clone(), &self.imported.network, &self.report).to_string()
    }

    /// What `geolip bound --certificate` writes.
    fn certificate(&self, py: Python<'_>) -> String {
        py.detach(|| self.report.certificate_file_of(&self.imported).to_json())
    }

    /// The witnesses' inputs (bounds × inputs, float64), as bytes.
    fn witnesses<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        numbers::write(py, self.report.bounds.iter().flat_map(|bound| bound.witness.input.iter().copied()))
    }

    /// The patterns as JSON: for every bound its value, slopes by layer, output weights and input direction.
    fn patterns(&self) -> String {
        let pattern = |bound: &geolip::Bound| {
            let pattern = &bound.pattern;
            let (slopes, weights, direction) = (&pattern.slopes, &pattern.weights, &pattern.direction);
            json!({ "value": pattern.value, "slopes": slopes, "weights": weights, "direction": direction })
        };
        Value::from_iter(self.report.bounds.iter().map(pattern)).to_string()
    }
}

/// Answers questions (a network and its options each), one after the other, on the threads of one computation.
#[pyfunction]
#[pyo3(signature = (questions, progress = None))]
pub fn bound(
    py: Python<'_>,
    questions: Vec<(Py<Network>, Choices<'_>)>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Report>> {
    let mut asked: Vec<(Arc<Imported>, Options)> = Vec::with_capacity(questions.len());
    let mut summaries = Vec::with_capacity(questions.len());
    for (network, choices) in questions {
        asked.push((network.get().imported(), choices.options(py)?));
        summaries.push(network.get().summary());
    }
    let answers = engine::watched(py, progress, move |observer| {
        let answer = |(imported, options): (Arc<Imported>, Options)| {
            let report = geolip::bound(&imported.network, &options, observer)?;
            Ok((imported, report))
        };
        asked.into_iter().map(answer).collect::<Result<Vec<_>, BoundError>>()
    })?;
    let answers = answers.map_err(|e| error::bound(py, &e))?;
    let together = answers.into_iter().zip(summaries);
    Ok(together.map(|((imported, report), summary)| Report { imported, summary, report }).collect())
}
