//! A comparison as the JSON object of `--json`: one description for the command line and for bindings. Fields are added, never
//! taken away; `docs/output.md` says what they mean.

use crate::{Comparison, Row};
use serde_json::{Value, json};

/// Every method's answer about one network, which `described` is about.
pub fn comparison(described: Value, comparison: &Comparison) -> Value {
    let row = |row: &Row| match &row.outcome {
        Ok(estimate) => {
            let bounds = comparison.functionals.iter().zip(&estimate.values);
            json!({
                "method": row.method,
                "value": estimate.largest(),
                "guarantee": estimate.guarantee,
                "seconds": estimate.time.as_secs_f64(),
                "note": estimate.note,
                "bounds": bounds.map(|(f, v)| json!({ "output": f.to_string(), "value": v })).collect::<Vec<_>>(),
            })
        }
        Err(reason) => json!({ "method": row.method, "value": null, "reason": reason.to_string() }),
    };
    json!({
        "network": described,
        "norm": comparison.norm,
        "unit": comparison.unit,
        "region": null,
        "methods": comparison.rows.iter().map(row).collect::<Vec<_>>(),
        "seconds": comparison.time.as_secs_f64(),
    })
}
