//! `geolip radius`: how far inputs may move before their classification can change: one, or the rows of a data file, with the
//! certified accuracy; resumable, one line of JSON per sample.

use crate::arguments::RadiusArguments;
use crate::failure::{Failure, Unwritten};
use crate::files::{described, distinct};
use crate::numbers;
use crate::output::{print, print_json};
use crate::progress::Progress;
use crate::{ports, table};
use geolip::import::{Imported, load};
use geolip::results::{Record, ResultsError, ResultsFile, hash_of_samples};
use geolip::samples::Sample;
use geolip::{Event, Observer, RadiusError, SampleRadius, Units, certified_radii, text, words};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Samples between two looks at the results file and at Ctrl-C.
const TOGETHER: usize = 8;

/// What cannot be done with samples.
#[derive(Debug, thiserror::Error)]
pub enum RadiusFailure {
    #[error("row {row}: {source}")]
    Sample { row: usize, source: RadiusError },
    #[error(
        "{}: --label is one label for one input; this file has {rows} rows, choose one with --row",
        text::path(path)
    )]
    OneLabel { path: PathBuf, rows: usize },
}

/// Runs the command.
pub fn run(arguments: &RadiusArguments) -> Result<(), Failure> {
    let (path, results) = (arguments.network.network.as_path(), arguments.results.as_deref());
    let mut read = vec![("network", path), ("--center", arguments.center.as_path())];
    read.extend(arguments.unit.as_deref().map(|path| ("--unit", path)));
    distinct(&read, &results.map(|path| ("--results", path)).into_iter().collect::<Vec<_>>())?;
    let imported = load(path, &arguments.network.options())?;
    let network = &imported.network;
    let options = arguments.options(network)?;
    let mut samples = arguments.data.samples(&arguments.center, network)?;
    if let Some(label) = arguments.label {
        if samples.len() > 1 {
            let (path, rows) = (arguments.center.clone(), samples.len());
            return Err(RadiusFailure::OneLabel { path, rows }.into());
        }
        samples.iter_mut().for_each(|sample| sample.label = Some(label));
    }
    let files = if arguments.json { described(&read) } else { Value::Null };
    let (started, count) = (Instant::now(), samples.len());
    let (mut results, mut lines) = match results {
        Some(path) => {
            Results::open(path, question(arguments, (&network.hash(), options.unit.as_ref()), &samples), &samples)?
        }
        None => (Results::default(), Vec::new()),
    };
    let resumed = lines.len();
    let known: HashSet<usize> = lines.iter().map(|line| line.row).collect();
    samples.retain(|sample| !known.contains(&sample.row));
    let progress = Progress::start("samples");
    progress.event(Event::Started { bounds: samples.len() });
    for batch in samples.chunks(TOGETHER) {
        if progress.cancelled() {
            break;
        }
        let found = certified_radii(network, batch, &options, &progress);
        for (line, sample) in found.into_iter().zip(batch) {
            let line = line.map_err(|source| RadiusFailure::Sample { row: sample.row, source })?;
            results.append(&line);
            lines.push(line);
        }
    }
    progress.finish();
    lines.sort_by_key(|line| line.row);
    let (unit, seconds) = (options.unit.as_ref(), started.elapsed().as_secs_f64());
    let summary = Summary { lines: &lines, radii: &arguments.radii, unit, resumed, count, seconds };
    match arguments.json {
        true => {
            let network = geolip::json::network(Some(&path.display().to_string()), &imported);
            print_json(&summary.json(arguments, network, files));
        }
        false => print(&summary.table(arguments, &imported)),
    }
    let mut unwritten = Unwritten::default();
    unwritten.note_results(results.failure.as_ref());
    unwritten.result()
}

/// Everything that the radii depend on. A new option that they depend on belongs here, or a test fails.
fn question(arguments: &RadiusArguments, (network, unit): (&str, Option<&Units>), samples: &[Sample]) -> Record {
    Record::of("radius", network)
        .with("data", hash_of_samples(samples))
        .with("samples", samples.len())
        .with("row", arguments.data.row)
        .with("label", arguments.label)
        .number("scale", arguments.data.scale)
        .with("norm", arguments.norm.to_string())
        .with("unit", unit.map(|unit| words::numbers(unit.numbers())))
        .numbers("clip", &arguments.clip)
        .number("tol", arguments.tol)
        .with("linear_bounds_only", arguments.linear_bounds_only)
}

/// The results file, if there is to be one; what keeps it from being written is no reason to lose the results.
#[derive(Default)]
struct Results {
    file: Option<ResultsFile>,
    failure: Option<ResultsError>,
}

impl Results {
    /// Opens the file of a question, with what it holds of the samples.
    fn open(path: &Path, question: Record, samples: &[Sample]) -> Result<(Self, Vec<SampleRadius>), ResultsError> {
        let (file, rows) = ResultsFile::open(path, question)?;
        let mut asked: HashMap<usize, &Sample> = samples.iter().map(|sample| (sample.row, sample)).collect();
        let known = rows.iter().map(|row| {
            let refused = |reason: String| file.refuse(row.line, reason);
            let line: SampleRadius = row.parse().map_err(|error| refused(format!("is not a radius: {error}")))?;
            match asked.remove(&line.row) {
                Some(sample) if line.fits(sample) => Ok(line),
                Some(_) => Err(refused(format!("is not a possible result for sample {}", line.row))),
                None => Err(refused(format!("is for sample {}, which was not asked for or appears twice", line.row))),
            }
        });
        let known = known.collect::<Result<Vec<_>, _>>()?;
        Ok((Self { file: Some(file), failure: None }, known))
    }

    fn append(&mut self, line: &SampleRadius) {
        if let (Some(file), None) = (&mut self.file, &self.failure) {
            self.failure = file.append(line).err();
        }
    }
}

/// Everything that is shown.
struct Summary<'a> {
    lines: &'a [SampleRadius],
    radii: &'a [f64],
    unit: Option<&'a Units>,
    /// Lines that came from the results file.
    resumed: usize,
    /// Samples there are.
    count: usize,
    seconds: f64,
}

impl Summary<'_> {
    /// The part of the samples that is classified right (where there are labels) and certified at a radius.
    fn accuracy(&self, radius: f64) -> f64 {
        let held = self.lines.iter().filter(|line| !line.is_wrong() && line.radius >= radius && line.margin > 0.0);
        held.count() as f64 / self.lines.len().max(1) as f64
    }

    fn table(&self, arguments: &RadiusArguments, imported: &Imported) -> String {
        let network = &imported.network;
        let name = |output: Option<usize>| output.map_or("-".to_owned(), |output| output.to_string());
        let rows = self.lines.iter().map(|line| {
            vec![
                line.row.to_string(),
                name(line.label),
                line.predicted.to_string(),
                numbers::down(line.margin),
                if line.is_wrong() { "wrong".to_owned() } else { numbers::down(line.radius) },
                name(line.rival),
                numbers::seconds(line.seconds),
            ]
        });
        let headings = ["row", "label", "predicted", "margin", "radius", "rival", "time"];
        let table = table::table(&headings, 0, rows);
        let accuracies = self.radii.iter().map(|radius| {
            let what =
                if self.lines.iter().any(|line| line.label.is_some()) { "right and certified" } else { "certified" };
            format!("\n{what} at radius {radius}: {:.1} % of {}", 100.0 * self.accuracy(*radius), self.lines.len())
        });
        let accuracies: String = accuracies.collect();
        let earlier = match (self.resumed, &arguments.results) {
            (1.., Some(path)) => {
                format!("\n{} of {} were found by an earlier run: {}", self.resumed, self.lines.len(), text::path(path))
            }
            _ => String::new(),
        };
        let missing = match self.count - self.lines.len() {
            0 => String::new(),
            n => format!("\ninterrupted: {n} of {} samples are missing", self.count),
        };
        let unit = self.unit.map_or_else(String::new, |unit| format!("\n{}", words::units(unit)));
        format!(
            "{}: {} inputs, {} outputs; inputs move in {}{unit}{}\n\n{table}\n\n\
             within its radius no input is classified differently (proved); {}{accuracies}{earlier}{missing}",
            text::path(&arguments.network.network),
            network.inputs(),
            network.outputs(),
            arguments.norm,
            ports::notes(imported),
            numbers::seconds(self.seconds),
        )
    }

    fn json(&self, arguments: &RadiusArguments, network: Value, files: Value) -> Value {
        let accuracy = |radius: &f64| json!({ "radius": radius, "accuracy": self.accuracy(*radius) });
        json!({
            "network": network,
            "norm": arguments.norm.to_string(),
            "unit": self.unit,
            "clip": arguments.clip,
            "samples": self.lines,
            "accuracy": self.radii.iter().map(accuracy).collect::<Vec<_>>(),
            "missing": self.count - self.lines.len(),
            "resumed": self.resumed,
            "seconds": self.seconds,
            "files": files,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::FromArgMatches;
    use geolip::options::table::{CHOICES, Kind};

    #[test]
    fn results_go_on_under_another_option_that_they_depend_on() {
        let typed = crate::options::command().get_matches_from(["geolip", "radius", "net.onnx", "--center", "x.npy"]);
        let Ok(Arguments { command: Command::Radius(arguments) }) = Arguments::from_arg_matches(&typed) else {
            panic!("that is a radius")
        };
        let record: Value = serde_json::from_str(&question(&arguments, ("0123", None), &[]).line()).expect("JSON");
        for choice in CHOICES.iter().filter(|c| c.commands.contains(&"radius") && c.kind == Kind::Question) {
            let in_data = ["center", "header", "label_column"].contains(&choice.name);
            let is_reading = choice.functions.contains(&"load"); // the network's hash says it
            assert!(in_data || is_reading || record.get(choice.name).is_some(), "the record has no {}", choice.name);
        }
    }
}
