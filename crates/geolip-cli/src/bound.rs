//! `geolip bound`: bounds as a table or JSON, certificates to a file.

use crate::arguments::BoundArguments;
use crate::failure::{Failure, Unwritten};
use crate::files::{described, distinct};
use crate::output::{print, print_json};
use crate::progress::Progress;
use crate::{attained, numbers, page, table};
use geolip::files::Destination;
use geolip::import::{Imported, load};
use geolip::{Bound, BoundError, CUT_NEURONS, Method, Network, Report, Stop, json, text, words};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn run(arguments: &BoundArguments) -> Result<(), Failure> {
    distinct(&arguments.read(), &arguments.written())?;
    let imported = load(&arguments.network.network, &arguments.network.options())?;
    let questions = arguments.questions(&imported.network)?;
    let files = if arguments.json { described(&arguments.read()) } else { Value::Null };
    let open = |path: &PathBuf| Destination::open(path).map_err(Failure::write(path));
    let certificate = arguments.certificate.as_ref().map(open).transpose()?;
    let witness = arguments.witness.as_ref().map(open).transpose()?;
    let pattern = arguments.pattern.as_ref().map(open).transpose()?;
    let page = arguments.report.as_ref().map(open).transpose()?;
    let progress = Progress::start("bounds certified");
    let reports: Result<Vec<Report>, BoundError> =
        questions.iter().map(|options| geolip::bound(&imported.network, options, &progress)).collect();
    progress.finish();
    let reports = reports?;
    let path = &arguments.network.network;
    match (arguments.json, reports.as_slice()) {
        (true, [report]) => print_json(&to_json(path, &imported, report, &files)),
        (true, reports) => print_json(&reports.iter().map(|r| to_json(path, &imported, r, &files)).collect()),
        (false, reports) => print(&to_table(path, &imported, (reports, arguments.cuts))),
    }
    // what fails from here on is said at the end, when the rest is written
    let mut unwritten = Unwritten::default();
    let mut write = |destination: Option<Destination>, path: &Option<PathBuf>, bytes: &dyn Fn() -> Vec<u8>| {
        if let (Some(destination), Some(path)) = (destination, path) {
            unwritten.note(path, destination.write(&bytes()));
        }
    };
    let certificates: Vec<String> = match certificate.is_some() || page.is_some() {
        true => reports.iter().map(|report| report.certificate_file_of(&imported).to_json()).collect(),
        false => Vec::new(),
    };
    if let [text] = certificates.as_slice() {
        write(certificate, &arguments.certificate, &|| text.clone().into_bytes());
    }
    write(page, &arguments.report, &|| {
        let notes = notes(&imported.network, (&reports, arguments.cuts));
        let proofs = page::Proofs { texts: &certificates, file: arguments.certificate.as_deref() };
        page::page(path, &imported, &reports, &notes, &proofs).into_bytes()
    });
    write(witness, &arguments.witness, &|| attained::inputs(&reports));
    write(pattern, &arguments.pattern, &|| attained::patterns(&imported.network, &reports).to_string().into_bytes());
    reports.iter().for_each(|report| unwritten.note_results(report.unsaved.as_ref()));
    unwritten.result()
}

fn to_table(path: &Path, imported: &Imported, (reports, cuts): (&[Report], bool)) -> String {
    let network = &imported.network;
    let several = reports.len() > 1;
    let all = || reports.iter().flat_map(|report| report.bounds.iter().map(move |bound| (report, bound)));
    let rows = all().map(|(report, bound)| {
        let norm = several.then(|| report.norm.to_string());
        let rest = [
            bound.functional.to_string(),
            numbers::down(bound.witness.lower),
            numbers::down(bound.pattern_lower),
            numbers::up(bound.upper()),
            if report.is_exact(bound) { "exact".to_owned() } else { numbers::percent(bound.gap()) },
            certificate(bound),
            numbers::seconds(bound.time.as_secs_f64()),
        ];
        norm.into_iter().chain(rest).collect()
    });
    let headings = ["norm", "output", "lower", "pattern", "upper", "gap", "certificate", "time"];
    let skipped = usize::from(!several);
    let table = table::table(&headings[skipped..], 2 - skipped, rows);
    let norms: Vec<String> = reports.iter().map(|report| report.norm.to_string()).collect();
    let largest: Vec<String> = reports.iter().map(|report| numbers::up(report.upper())).collect();
    let region = reports.first().and_then(|report| report.region.as_ref());
    let mut above = imported.notes();
    above.extend(reports.first().and_then(|report| report.unit.as_ref()).map(words::units));
    above.extend(region.map(|region| format!("local: on a {region}")));
    let choices: String = above.iter().map(|line| format!("\n{line}")).collect();
    let chain = chain(reports);
    let notes: String = notes(network, (reports, cuts)).iter().map(|line| format!("\n{line}")).collect();
    format!(
        "{}: {} inputs, {} outputs, {} neurons; input norm {}{choices}\n\n{table}\n\n\
         {chain}; largest upper bound {}{notes}",
        text::path(path),
        network.inputs(),
        network.outputs(),
        network.neurons(),
        norms.join(", "),
        largest.join(", "),
    )
}

/// What is known about the bounds beforehand, in a line each; `cuts` were asked for, or not.
fn notes(network: &Network, (reports, cuts): (&[Report], bool)) -> Vec<String> {
    let mut notes = Vec::new();
    let without = |bound: &Bound| bound.method == Method::Relaxation;
    if cuts && network.neurons() > CUT_NEURONS && reports.iter().flat_map(|report| &report.bounds).any(without) {
        notes.push(format!("no cuts: they are looked for up to {CUT_NEURONS} neurons"));
    }
    for report in reports {
        let mut lines = Vec::new();
        let factors: Option<Vec<f64>> = report.bounds.iter().map(|bound| bound.factor(network)).collect();
        match factors.map(|factors| factors.into_iter().fold(1.0, f64::max)) {
            Some(factor) if factor < 1.0 + 1e-3 => lines.push("upper = FGL, to the tolerance".to_owned()),
            Some(factor) => lines.push(format!("upper <= {} FGL for every network like this one", factor_up(factor))),
            None if report.bounds.iter().any(|bound| matches!(bound.method, Method::Cells { .. })) => {
                lines.push("how far upper is above Lip is known only from the gap".to_owned());
            }
            None => lines.push("how far upper is above FGL is known only from the gap".to_owned()),
        }
        let methods: Vec<String> = report
            .bounds
            .iter()
            .filter(|bound| bound.method != Method::Relaxation)
            .map(|bound| format!("{}: {}", bound.functional, bound.method))
            .collect();
        match report.bounds.iter().all(|bound| matches!(bound.method, Method::ClosedForm { .. })) {
            true => lines.push("closed form".to_owned()),
            false => lines.extend(methods),
        }
        let name = if reports.len() > 1 { format!("{}: ", report.norm) } else { String::new() };
        notes.extend(lines.into_iter().map(|line| format!("{name}{line}")));
    }
    if reports.iter().flat_map(|report| &report.bounds).any(|bound| bound.certificate.tested_by().is_some()) {
        notes.push(
            "probabilistic: tested only by its maker so far; `geolip check` tests it with random numbers of its own"
                .to_owned(),
        );
    }
    if reports.iter().flat_map(|report| &report.bounds).all(|bound| bound.lip_is_fgl) {
        notes.push("Lip = FGL: every activation pattern is reached by some input (proved)".to_owned());
    }
    let all = || reports.iter().flat_map(|report| &report.bounds);
    let pieces: Vec<usize> = all().filter_map(|bound| bound.witness.pieces).collect();
    if let Some(count) = pieces.first() {
        notes.push(format!("one input: lower is the steepest of the {count} linear pieces found, in floating point"));
    }
    if reports.iter().all(|report| report.bounds.iter().all(|bound| report.is_lip_exact(bound))) {
        notes.push("lower = upper, to the tolerance: the Lipschitz constant itself".to_owned());
    } else if all().all(|bound| {
        // after parts and cells the pattern is that of the input
        let own = !matches!(bound.method, Method::Parts { .. } | Method::Cells { .. });
        own && bound.witness.lower >= bound.pattern_lower * (1.0 - 1e-9) && !bound.lip_is_fgl
    }) {
        notes.push("lower = pattern: the steepest activation pattern found is reached by a real input".to_owned());
    }
    notes
}

/// A factor in four decimals, rounded up.
fn factor_up(factor: f64) -> String {
    format!("{:.4}", (factor * 1e4).ceil() / 1e4)
}

/// What lies between what: the columns of the table.
pub fn chain(reports: &[Report]) -> &'static str {
    let local = reports.iter().any(|report| report.region.is_some());
    let parts = reports.iter().flat_map(|r| &r.bounds).any(|bound| bound.certificate.takes_sides());
    match (local, parts) {
        (false, true) => "lower <= Lip <= upper",
        (false, false) => "lower <= Lip <= FGL <= upper, pattern <= FGL",
        (true, false) => "lower <= local Lip <= local FGL <= upper, pattern <= local FGL",
        // the formal constants of parts are smaller than that of the region, or of the whole space
        (true, true) => "lower <= local Lip <= upper",
    }
}

/// What kind of certificate it is, and why work on it ended where that was not by itself.
pub fn certificate(bound: &Bound) -> String {
    let kind = match bound.certificate.failure_probability() {
        0.0 => "verified".to_owned(),
        p => format!("probabilistic {p:.0e}"),
    };
    match bound.stop {
        Stop::Converged => kind,
        stop => format!("{kind} ({stop})"),
    }
}

fn to_json(path: &Path, imported: &Imported, report: &Report, files: &Value) -> Value {
    let described = json::network(Some(&path.display().to_string()), imported);
    let mut value = json::report(described, &imported.network, report);
    value["files"] = files.clone();
    value
}
