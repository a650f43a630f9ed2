//! `geolip radius`: how far inputs may move before their classification can change: one, or the rows of a data file, with the
//! certified accuracy; resumable, one line of JSON per sample.

use crate::arguments::RadiusArguments;
use crate::failure::Failure;
use crate::numbers;
use crate::output::print;
use crate::progress::Progress;
use crate::{ports, table};
use geolip::import::{Imported, load};
use geolip::{Event, Network, Observer, RadiusError, SampleRadius, certified_radii};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Samples between two looks at the results file and at Ctrl-C.
const TOGETHER: usize = 8;

/// What cannot be done with samples.
#[derive(Debug, thiserror::Error)]
pub enum RadiusFailure {
    #[error("row {row}: {source}")]
    Sample { row: usize, source: RadiusError },
    #[error("{}: {reason}; give another file, or delete this one to start anew", path.display())]
    Results { path: PathBuf, reason: String },
    #[error("{}: --label is one label for one input; this file has {rows} rows, choose one with --row", path.display())]
    OneLabel { path: PathBuf, rows: usize },
}

/// Runs the command.
pub fn run(arguments: &RadiusArguments) -> Result<(), Failure> {
    let imported = load(&arguments.network.network, &arguments.network.options())?;
    let network = &imported.network;
    let mut samples = arguments.data.samples(&arguments.center, network)?;
    if let Some(label) = arguments.label {
        if samples.len() > 1 {
            let (path, rows) = (arguments.center.clone(), samples.len());
            return Err(RadiusFailure::OneLabel { path, rows }.into());
        }
        samples.iter_mut().for_each(|sample| sample.label = Some(label));
    }
    let (started, count) = (Instant::now(), samples.len());
    let mut results = arguments.results.as_deref().map(|path| Results::open(path, arguments, network)).transpose()?;
    let mut lines = results.as_mut().map_or_else(Vec::new, |results| std::mem::take(&mut results.known));
    lines.retain(|line| samples.iter().any(|sample| sample.row == line.row));
    let resumed = lines.len();
    samples.retain(|sample| lines.iter().all(|line| line.row != sample.row));
    let progress = Progress::start("samples");
    progress.event(Event::Started { bounds: samples.len() });
    for batch in samples.chunks(TOGETHER) {
        if progress.cancelled() {
            break;
        }
        let found = certified_radii(network, batch, &arguments.options(), &progress);
        for (line, sample) in found.into_iter().zip(batch) {
            let line = line.map_err(|source| RadiusFailure::Sample { row: sample.row, source })?;
            if let Some(results) = &mut results {
                results.append(&line)?;
            }
            lines.push(line);
        }
    }
    progress.finish();
    lines.sort_by_key(|line| line.row);
    let summary =
        Summary { lines: &lines, radii: &arguments.radii, resumed, count, seconds: started.elapsed().as_secs_f64() };
    let path = arguments.network.network.display().to_string();
    let described = geolip::json::network(Some(&path), &imported);
    print(&match arguments.json {
        true => summary.json(arguments, described).to_string(),
        false => summary.table(arguments, &imported),
    });
    Ok(())
}

/// The results file: a line that says what was asked, then one per sample.
struct Results {
    path: PathBuf,
    file: File,
    known: Vec<SampleRadius>,
}

impl Results {
    /// Opens a file of the same question, or a new one. A last line that was cut short is written anew.
    fn open(path: &Path, arguments: &RadiusArguments, network: &Network) -> Result<Self, Failure> {
        let failure = |reason: String| RadiusFailure::Results { path: path.to_owned(), reason };
        let question = json!({
            "network": network.hash(),
            "center": arguments.center.display().to_string(),
            "scale": arguments.data.scale,
            "norm": arguments.norm.to_string(),
            "clip": arguments.clip,
            "label": arguments.label,
            "linear_bounds_only": arguments.linear_bounds_only,
            "tol": arguments.tol,
        });
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(Failure::write(path))?;
        let mut reader = BufReader::new(&file);
        let (mut known, mut whole, mut text) = (Vec::new(), 0, String::new());
        loop {
            text.clear();
            let length = reader.read_line(&mut text).map_err(|e| failure(e.to_string()))?;
            if length == 0 || !text.ends_with('\n') {
                break;
            }
            if whole == 0 {
                if serde_json::from_str::<Value>(&text).ok().as_ref() != Some(&question) {
                    return Err(failure("it holds the results of another question".to_owned()).into());
                }
            } else {
                let line = serde_json::from_str(&text);
                known.push(
                    line.map_err(|error| failure(format!("line {} is none of results: {error}", known.len() + 2)))?,
                );
            }
            whole += length as u64;
        }
        file.set_len(whole).map_err(Failure::write(path))?;
        file.seek(SeekFrom::End(0)).map_err(Failure::write(path))?;
        let mut results = Self { path: path.to_owned(), file, known };
        if whole == 0 {
            results.write(&question.to_string())?;
        }
        Ok(results)
    }

    fn append(&mut self, line: &SampleRadius) -> Result<(), Failure> {
        self.write(&json!(line).to_string())
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(format!("{text}\n").as_bytes()).and_then(|()| self.file.flush());
        written.map_err(Failure::write(&self.path))
    }
}

/// Everything that is shown.
struct Summary<'a> {
    lines: &'a [SampleRadius],
    radii: &'a [f64],
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
        let missing = match self.count - self.lines.len() {
            0 => String::new(),
            n => format!("\ninterrupted: {n} of {} samples are missing", self.count),
        };
        format!(
            "{}: {} inputs, {} outputs; inputs move in {}{}\n\n{table}\n\n\
             within its radius no input is classified otherwise (proved); {}{accuracies}{missing}",
            arguments.network.network.display(),
            network.inputs(),
            network.outputs(),
            arguments.norm,
            ports::notes(imported),
            numbers::seconds(self.seconds),
        )
    }

    fn json(&self, arguments: &RadiusArguments, network: Value) -> Value {
        let accuracy = |radius: &f64| json!({ "radius": radius, "accuracy": self.accuracy(*radius) });
        json!({
            "network": network,
            "norm": arguments.norm.to_string(),
            "clip": arguments.clip,
            "samples": self.lines,
            "accuracy": self.radii.iter().map(accuracy).collect::<Vec<_>>(),
            "missing": self.count - self.lines.len(),
            "resumed": self.resumed,
            "seconds": self.seconds,
        })
    }
}
