//! What is attained, as files: the inputs of the steepest gradients, and the steepest activation patterns.

use geolip::{Network, Report};
use serde_json::{Value, json};

/// The witnesses' inputs as a NumPy array (`.npy`, version 1.0, float64): one row per bound, in order.
pub fn inputs(reports: &[Report]) -> Vec<u8> {
    let rows: Vec<&[f64]> = reports.iter().flat_map(|r| &r.bounds).map(|b| b.witness.input.as_slice()).collect();
    let columns = rows.first().map_or(0, |row| row.len());
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, {columns}), }}", rows.len());
    // magic number, version and length are 10 bytes; with them the header ends in a line break at a multiple of 64
    header.extend(std::iter::repeat_n(' ', 64 - (header.len() + 11) % 64));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    rows.into_iter().flatten().for_each(|v| bytes.extend(v.to_le_bytes()));
    bytes
}

/// The patterns as JSON: for every bound the slopes of every activation layer in topological order, the weights of the
/// outputs, the input direction, and the Jacobian's norm, rounded down.
pub fn patterns(network: &Network, reports: &[Report]) -> Value {
    let bounds = reports.iter().flat_map(|report| report.bounds.iter().map(move |bound| (report, bound)));
    let bounds: Vec<Value> = bounds
        .map(|(report, bound)| {
            json!({
                "output": bound.functional.to_string(),
                "norm": report.norm,
                "value": bound.pattern.value,
                "slopes": bound.pattern.slopes,
                "weights": bound.pattern.weights,
                "direction": bound.pattern.direction,
            })
        })
        .collect();
    json!({ "network": network.hash(), "bounds": bounds })
}
