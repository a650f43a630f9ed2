//! The file in which a search is kept, so that it can go on after an interruption: a file of results ([`crate::results`]),
//! with a row per output that has been begun. A row has the place of the `output`, the `best` pattern, the best `input`, and
//! the `tree` in the order of [`crate::proof::tree`]. Nothing read from it is trusted: proofs are checked again, pattern and
//! input are evaluated again, and open places are bounded again. Files are replaced as a whole, so an interruption at any time leaves a
//! whole file.
//!
//! How long a search may go on (its limits of time, cases and memory, its threads) is no part of the question: a search is
//! gone on with under others.

use super::engine::Best;
use super::tree::{State, Tree};
use crate::function::Slope;
use crate::lower::{GradientBound, Witness, witness_at};
use crate::options::Options;
use crate::place::{Knife, Region};
use crate::problem::{Functional, InputNorm};
use crate::proof::Proof;
use crate::relaxation::Pattern;
use crate::results::{Record, ResultsError, ResultsFile, extended};
use crate::slopes::SlopeNetwork;
use crate::text::hex;
use crate::words;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::{Duration, Instant};

/// Time between two savings, at least, and as a multiple of the time that one takes.
const PAUSE: (Duration, u32) = (Duration::from_secs(20), 20);

/// One search.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// The place of the output.
    output: usize,
    best: Option<SavedPattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<Vec<f64>>,
    pub tree: Vec<SavedNode>,
}

/// A node of the tree.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedNode {
    /// By a slope: (layer of neurons, neuron).
    Slope(usize, usize),
    /// By an input, at a number.
    Input(usize, f64),
    /// By the side of a pre-activation: (layer of neurons, neuron), at a number.
    Side(usize, usize, f64),
    /// With the bound it proves.
    Closed(#[serde(with = "extended")] f64, Proof),
    /// A bound of its own of the place that is branched next.
    Above(#[serde(with = "extended")] f64, Proof),
    /// The same of a place that is yet to be branched.
    Bounded(#[serde(with = "extended")] f64, Proof),
    /// With the value of its relaxation, about.
    Open(#[serde(with = "extended")] f64),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPattern {
    /// Per activation layer, 0 for the lower end of the interval and 1 for the upper end.
    ends: Vec<String>,
    weights: Vec<f64>,
    direction: Vec<f64>,
}

impl Saved {
    /// A search as it stands.
    pub(super) fn of<K>(output: usize, network: &SlopeNetwork, tree: &Tree<K>, best: &Best) -> Self {
        let end = |(slope, v): (&Slope, &f64)| if *v == slope.upper { '1' } else { '0' };
        let layer = |(slopes, v): (&Vec<Slope>, &Vec<f64>)| slopes.iter().zip(v).map(end).collect();
        let pattern = |pattern: &Pattern| SavedPattern {
            ends: network.slopes().iter().zip(&pattern.slopes).map(layer).collect(),
            weights: pattern.weights.clone(),
            direction: pattern.direction.clone(),
        };
        let node = |state: &State<K>| match state {
            State::Branched(knife, _, own) => {
                let own = own.as_ref().map(|own| SavedNode::Above(own.upper(), own.proof().clone()));
                let branch = match *knife {
                    Knife::Slope(layer, neuron) => SavedNode::Slope(layer, neuron),
                    Knife::Input(input, at) => SavedNode::Input(input, at),
                    Knife::Side(layer, neuron, at) => SavedNode::Side(layer, neuron, at),
                };
                own.into_iter().chain([branch]).collect()
            }
            State::Closed(certificate) => vec![SavedNode::Closed(certificate.upper(), certificate.proof().clone())],
            // which is quickly shown again
            State::Thin(_) => vec![SavedNode::Open(0.0)],
            State::Open(open) => vec![match &open.certificate {
                Some(certificate) => SavedNode::Bounded(certificate.upper(), certificate.proof().clone()),
                None => SavedNode::Open(open.value),
            }],
        };
        let is_finite = |best: &&Pattern| best.weights.iter().chain(&best.direction).all(|v| v.is_finite());
        let input = best.witness.as_ref().map(|witness| witness.input.clone());
        let best = best.pattern.as_ref().filter(|_| best.formal).filter(is_finite);
        Self { output, best: best.map(pattern), input, tree: tree.walk().flat_map::<Vec<SavedNode>, _>(node).collect() }
    }

    /// The best input, evaluated; none if there is none of this network in its place.
    pub(super) fn witness(
        &self,
        network: &SlopeNetwork,
        norm: InputNorm,
        exact: &GradientBound<'_>,
        functional: &Functional,
    ) -> Option<Witness> {
        let input = self.input.as_ref().filter(|input| input.iter().all(|v| v.is_finite()))?;
        let is_inside = input.len() == network.inputs()
            && network.region().is_none_or(|region| {
                let mut near = input.clone();
                region.project(&mut near);
                near == *input
            });
        is_inside.then(|| witness_at(network, norm, exact, functional, input).0)
    }

    /// The best pattern, to be evaluated; none if there is none that fits the network.
    pub fn pattern(&self, network: &SlopeNetwork) -> Option<Pattern> {
        let saved = self.best.as_ref()?;
        let intervals = network.slopes();
        let fits = saved.ends.len() == intervals.len()
            && saved.ends.iter().zip(intervals).all(|(ends, layer)| ends.len() == layer.len())
            && saved.weights.len() == network.outputs()
            && saved.direction.len() == network.inputs()
            && saved.weights.iter().chain(&saved.direction).all(|v| v.is_finite());
        let end = |(slope, end): (&Slope, u8)| if end == b'1' { slope.upper } else { slope.lower };
        let slopes =
            intervals.iter().zip(&saved.ends).map(|(layer, ends)| layer.iter().zip(ends.bytes()).map(end).collect());
        fits.then(|| Pattern {
            slopes: slopes.collect(),
            weights: saved.weights.clone(),
            direction: saved.direction.clone(),
            value: f64::INFINITY, // unknown: whatever it is will be computed
        })
    }
}

/// The file, and when it was last written.
pub(crate) struct Checkpoint {
    file: ResultsFile,
    /// By the place of the output.
    searches: Vec<Option<Saved>>,
    /// The lines they came from.
    lines: Vec<usize>,
    written: (Instant, Duration),
    /// Why it could not be written, if so: the search goes on all the same.
    failure: Option<ResultsError>,
}

impl Checkpoint {
    /// Reads the file of this question, or begins it.
    pub fn open(
        path: &Path,
        network: &SlopeNetwork,
        options: &Options,
        outputs: &[Functional],
    ) -> Result<Self, ResultsError> {
        // a vector is told by its numbers
        let output = outputs.iter().find_map(words::functional).unwrap_or_else(|| options.outputs.to_string());
        let (file, rows) = ResultsFile::open_whole(path, question(&network.network().hash(), options, output))?;
        let mut checkpoint = Self {
            file,
            searches: outputs.iter().map(|_| None).collect(),
            lines: vec![0; outputs.len()],
            written: (Instant::now(), Duration::ZERO),
            failure: None,
        };
        for row in rows {
            let search: Saved =
                row.parse().map_err(|error| checkpoint.file.refuse(row.line, format!("is not a search: {error}")))?;
            match checkpoint.searches.get_mut(search.output) {
                Some(place @ None) => {
                    checkpoint.lines[search.output] = row.line;
                    *place = Some(search);
                }
                Some(Some(_)) => return Err(checkpoint.file.refuse(row.line, "is for an output that appears twice")),
                None => return Err(checkpoint.file.refuse(row.line, "is for an output that was not asked for")),
            }
        }
        Ok(checkpoint)
    }

    /// What the file holds of a search.
    pub fn saved(&self, index: usize) -> Option<&Saved> {
        self.searches.get(index)?.as_ref()
    }

    /// That what is saved of a search is no proof after all.
    pub fn refuse(&self, index: usize, reason: &str) -> ResultsError {
        self.file.refuse(self.lines[index], reason)
    }

    /// Whether it is time to save.
    pub fn is_due(&self) -> bool {
        let (when, took) = self.written;
        when.elapsed() >= PAUSE.0.max(took * PAUSE.1)
    }

    /// Saves a search. What keeps it from being written is no reason to lose the search: see [`Self::failure`].
    pub fn save(&mut self, search: Saved) {
        let begun = Instant::now();
        let index = search.output;
        self.searches[index] = Some(search);
        self.failure = self.file.replace(self.searches.iter().flatten()).err();
        self.written = (Instant::now(), begun.elapsed());
    }

    /// Why what was saved last is not in the file.
    pub fn failure(self) -> Option<ResultsError> {
        self.failure
    }
}

/// SHA-256 of a region, as it stands in certificates.
fn hash(region: &Region) -> String {
    let text = serde_json::to_string(region).unwrap_or_default();
    hex(Sha256::digest(text))
}

/// What a search depends on. A new option that it depends on belongs here, or a test fails.
fn question(network: &str, options: &Options, output: String) -> Record {
    Record::of("exact search", network)
        .with("norm", options.norm.to_string())
        .with("unit", options.unit.as_ref().map(|unit| words::numbers(unit.numbers())))
        .with("output", output)
        .with("region", options.region.as_ref().map(hash))
        .with("split", options.split.is_some())
        .with("exact", options.exact)
        .with("true", options.real)
        .number("tol", options.tol)
        .with("cuts", options.cuts)
        .with("relaxation_only", options.relaxation_only)
        .number("effort", options.effort)
        .with("seed", options.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::table::{CHOICES, Kind};

    #[test]
    fn a_search_goes_on_under_another_option_that_it_depends_on() {
        let line = question("0123", &Options::default(), "each".to_owned()).line();
        let record: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let of_region = ["center", "box"]; // the record has the region that they make
        for choice in CHOICES.iter().filter(|c| c.commands.contains(&"bound") && c.kind == Kind::Question) {
            let is_reading = choice.functions.contains(&"load"); // the network's hash says it
            let is_region = of_region.iter().any(|name| choice.name == *name || choice.needs.contains(name));
            let name = if is_region || choice.needs.contains(&"radius") { "region" } else { choice.name };
            assert!(is_reading || record.get(name).is_some(), "the record has no {name}");
        }
    }

    /// A case whose relaxation is not known has an infinite value, and one that went wrong none: a search with such cases goes on.
    #[test]
    fn values_that_are_no_numbers_are_read_as_they_were() {
        let values = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, f64::MIN_POSITIVE / 3.0, f64::MAX, 0.1];
        let tree = values.map(SavedNode::Open).to_vec();
        let text = serde_json::to_string(&Saved { output: 3, best: None, input: None, tree }).expect("JSON");
        let read: Saved = serde_json::from_str(&text).expect("the same");
        let bits: Vec<u64> =
            read.tree.iter().map(|case| if let SavedNode::Open(v) = case { v.to_bits() } else { 0 }).collect();
        assert_eq!((read.output, bits), (3, values.map(f64::to_bits).to_vec()));
    }
}
