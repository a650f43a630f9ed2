//! Results as the JSON objects of `--json`: one description for the command line and for bindings. Fields are added, never
//! taken away; `docs/output.md` says what they mean.

use crate::form::Tester;
use crate::import::Imported;
use crate::network::Network;
use crate::place::{Ball, Region};
use crate::problem::Functional;
use crate::proof::{Certificate, CertificateFile};
use crate::report::{Bound, Report};
use serde_json::{Value, json};

/// A network that was read, from a file or (without a path) from memory.
pub fn network(path: Option<&str>, imported: &Imported) -> Value {
    let network = &imported.network;
    json!({
        "path": path,
        "sha256": imported.sha256,
        "input_names": imported.inputs.iter().map(|port| &port.name).collect::<Vec<_>>(),
        "output_name": imported.output.name,
        "inputs": network.inputs(),
        "outputs": network.outputs(),
        "neurons": network.neurons(),
        "parameters": network.parameters(),
        "notes": imported.notes(),
        "self_check": imported.self_check.to_string(),
    })
}

/// Where bounds hold: `null` for everywhere, a box, or a ball in a box.
pub fn region(region: Option<&Region>) -> Value {
    match region {
        None => Value::Null,
        Some(region) => json!({
            "lower": region.lower(),
            "upper": region.upper(),
            "ball": region.ball().map(ball),
        }),
    }
}

fn ball(ball: &Ball) -> Value {
    json!({ "centre": ball.centre, "radius": ball.radius, "unit": ball.unit })
}

/// The bounds of one network, which `described` is about, in one norm.
pub fn report(described: Value, network: &Network, report: &Report) -> Value {
    let bounds: Vec<Value> = report.bounds.iter().map(|b| bound(network, report, b)).collect();
    json!({
        "network": described,
        "norm": report.norm,
        "unit": report.unit,
        "region": region(report.region.as_ref()),
        "bounds": bounds,
        "upper": report.upper(),
        "seconds": report.time.as_secs_f64(),
        "unsaved": report.unsaved.as_ref().map(ToString::to_string),
    })
}

fn bound(network: &Network, report: &Report, bound: &Bound) -> Value {
    let failure_probability = bound.certificate.failure_probability();
    json!({
        "output": bound.functional.to_string(),
        "upper": bound.upper(),
        "certificate": if failure_probability == 0.0 { "verified" } else { "probabilistic" },
        "failure_probability": failure_probability,
        "tested_by": tester(&bound.certificate),
        "relaxation": bound.relaxation,
        "pattern_lower": bound.pattern_lower,
        "lower": bound.witness.lower,
        "exact": report.is_exact(bound),
        "method": bound.method.to_string(),
        "factor": bound.factor(network),
        "lip_is_fgl": bound.lip_is_fgl,
        "lip_exact": report.is_lip_exact(bound),
        "linear_pieces": bound.witness.pieces,
        "stop": bound.stop,
        "iterations": bound.iterations,
        "rank": bound.rank,
        "cases": bound.method.cases(),
        "seconds": bound.time.as_secs_f64(),
    })
}

/// Who ran the random tests of a bound: `"maker"` or `"checker"`; `null` for a proof.
fn tester(certificate: &Certificate) -> Option<&'static str> {
    certificate.tested_by().map(|tester| match tester {
        Tester::Maker => "maker",
        Tester::Checker(_) => "checker",
    })
}

/// What the checker accepted of a file about one network, which `described` is about: every claim in full.
pub fn checked(described: Value, file: &CertificateFile, accepted: &[Certificate]) -> Value {
    let bound = |certificate: &Certificate| {
        let vector = match certificate.functional() {
            Functional::Vector(u) => Some(u.numbers()),
            Functional::Output(_) | Functional::Margin(..) | Functional::Norm(_) => None,
        };
        json!({
            "output": certificate.functional().to_string(),
            "vector": vector,
            "upper": certificate.upper(),
            "proof": certificate.proof().kind(),
            "failure_probability": certificate.failure_probability(),
            "tested_by": tester(certificate),
            "randomness": match certificate.tested_by() {
                Some(Tester::Checker(source)) => Some(source.to_string()),
                Some(Tester::Maker) | None => None,
            },
        })
    };
    json!({
        "accepted": true,
        "network": described,
        "hash": file.network,
        "norm": file.norm,
        "unit": file.unit,
        "region": region(file.region.as_ref()),
        "bounds": accepted.iter().map(bound).collect::<Vec<_>>(),
    })
}
