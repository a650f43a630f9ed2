//! `geolip bound`: bounds as a table or JSON, certificates to a file.

use crate::arguments::BoundArguments;
use crate::failure::Failure;
use crate::output::print;
use crate::progress::Progress;
use crate::{numbers, ports, table};
use geolip::import::{Imported, load};
use geolip::{Bound, Report, Stop};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn run(arguments: &BoundArguments) -> Result<(), Failure> {
    let imported = load(&arguments.network.network, &arguments.network.options())?;
    let destination = arguments.certificate.as_deref().map(Destination::open).transpose()?;
    let progress = Progress::start("bounds certified");
    let report = geolip::bound(&imported.network, &arguments.options(), &progress);
    progress.finish();
    let report = report?;
    let path = &arguments.network.network;
    print(&if arguments.json {
        to_json(path, &imported, &report).to_string()
    } else {
        to_table(path, &imported, &report)
    });
    if let Some(destination) = destination {
        destination.write(&report.certificate_file(&imported.network).to_json())?;
    }
    Ok(())
}

/// A file that will be written: opened before the work, so that an unwritable path is known at once, and put in place
/// only when complete.
struct Destination {
    path: PathBuf,
    partial: PathBuf,
}

impl Destination {
    fn open(path: &Path) -> Result<Self, Failure> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        if path.is_dir() {
            return Err(Failure::write(path)(std::io::ErrorKind::IsADirectory.into()));
        }
        fs::write(&partial, "").map_err(Failure::write(path))?;
        Ok(Self { path: path.to_owned(), partial })
    }

    fn write(self, text: &str) -> Result<(), Failure> {
        let written = fs::write(&self.partial, text).and_then(|()| fs::rename(&self.partial, &self.path));
        written.map_err(Failure::write(&self.path))
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.partial); // already renamed after a success
    }
}

fn to_table(path: &Path, imported: &Imported, report: &Report) -> String {
    let network = &imported.network;
    let rows = report.bounds.iter().map(|bound| {
        vec![
            bound.functional.to_string(),
            numbers::down(bound.witness.lower),
            numbers::down(bound.pattern_lower),
            numbers::up(bound.upper()),
            if report.is_exact(bound) { "exact".to_owned() } else { numbers::percent(bound.gap()) },
            certificate(bound),
            numbers::seconds(bound.time.as_secs_f64()),
        ]
    });
    let choices: String = ports::choices(imported).iter().map(|line| format!("\n{line}")).collect();
    format!(
        "{}: {} inputs, {} outputs, {} neurons; input norm {}{choices}\n\n{}\n\n\
         lower <= Lip <= FGL <= upper, pattern <= FGL; largest upper bound {}",
        path.display(),
        network.inputs(),
        network.outputs(),
        network.neurons(),
        report.norm,
        table::table(&["output", "lower", "pattern", "upper", "gap", "certificate", "time"], 1, rows),
        numbers::up(report.upper())
    )
}

/// What kind of certificate it is, and why work on it ended where that was not by itself.
fn certificate(bound: &Bound) -> String {
    let kind = match bound.certificate.failure_probability() {
        0.0 => "verified".to_owned(),
        p => format!("probabilistic {p:.0e}"),
    };
    match bound.stop {
        Stop::Converged => kind,
        stop => format!("{kind} ({stop})"),
    }
}

fn to_json(path: &Path, imported: &Imported, report: &Report) -> Value {
    let bounds: Vec<Value> = report
        .bounds
        .iter()
        .map(|bound| {
            json!({
                "output": bound.functional.to_string(),
                "upper": bound.upper(),
                "certificate": if bound.certificate.failure_probability() == 0.0 { "verified" } else { "probabilistic" },
                "failure_probability": bound.certificate.failure_probability(),
                "relaxation": bound.relaxation,
                "pattern_lower": bound.pattern_lower,
                "lower": bound.witness.lower,
                "exact": report.is_exact(bound),
                "stop": bound.stop,
                "iterations": bound.iterations,
                "rank": bound.rank,
                "seconds": bound.time.as_secs_f64(),
            })
        })
        .collect();
    json!({
        "network": ports::network(path, imported),
        "norm": report.norm,
        "region": null,
        "bounds": bounds,
        "upper": report.upper(),
        "seconds": report.time.as_secs_f64(),
    })
}
