//! The file in which a search is kept, so that it can go on after an interruption. Nothing read from it is trusted: proofs
//! are checked again, the best pattern is evaluated again, and open cases are solved again.
//!
//! One JSON object: `format`, `version`, the question (`network`, the canonical hash; `norm`; `tol`; `outputs`), and
//! `searches`, one per output that has been begun: its best pattern, and its tree in the order of
//! [`crate::certificate::cases`]. Files are replaced as a whole, so an interruption at any time leaves a whole file.

use super::tree::{State, Tree};
use crate::bound::BoundError;
use crate::certificate::CaseProof;
use crate::network::{Network, Slope};
use crate::options::Options;
use crate::problem::{Functional, InputNorm};
use crate::relaxation::Pattern;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FORMAT: &str = "geolip-checkpoint";
const VERSION: u32 = 1;
/// Time between two savings, at least, and as a multiple of the time that one takes.
const PAUSE: (Duration, u32) = (Duration::from_secs(20), 20);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    network: String,
    norm: InputNorm,
    tol: f64,
    outputs: Vec<Functional>,
    /// By the place of the output.
    searches: Vec<Option<Saved>>,
}

/// One search.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    best: Option<SavedPattern>,
    pub tree: Vec<SavedCase>,
}

/// A node of the tree.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedCase {
    /// (activation layer, neuron)
    Split(usize, usize),
    /// With the bound it proves.
    Closed(f64, CaseProof),
    /// With the value of its relaxation, about.
    Open(f64),
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
    pub fn of(network: &Network, tree: &Tree, best: Option<&Pattern>) -> Self {
        let end = |(slope, v): (&Slope, &f64)| if *v == slope.upper { '1' } else { '0' };
        let layer = |(slopes, v): (&Vec<Slope>, &Vec<f64>)| slopes.iter().zip(v).map(end).collect();
        let pattern = |pattern: &Pattern| SavedPattern {
            ends: network.slopes().iter().zip(&pattern.slopes).map(layer).collect(),
            weights: pattern.weights.clone(),
            direction: pattern.direction.clone(),
        };
        let case = |state: &State| match state {
            State::Split((layer, neuron), _) => SavedCase::Split(*layer, *neuron),
            State::Closed(case) => SavedCase::Closed(case.upper(), case.proof().clone()),
            State::Open(open) => SavedCase::Open(open.value),
        };
        Self { best: best.map(pattern), tree: tree.walk().map(case).collect() }
    }

    /// The best pattern, to be evaluated; none if there is none that fits the network.
    pub fn pattern(&self, network: &Network) -> Option<Pattern> {
        let saved = self.best.as_ref()?;
        let intervals = network.slopes();
        let fits = saved.ends.len() == intervals.len()
            && saved.ends.iter().zip(&intervals).all(|(ends, layer)| ends.len() == layer.len())
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
    path: PathBuf,
    file: File,
    written: (Instant, Duration),
}

impl Checkpoint {
    /// Reads the file of this question, or begins it.
    pub fn open(path: &Path, network: &Network, options: &Options, outputs: &[Functional]) -> Result<Self, BoundError> {
        let own = File {
            format: FORMAT.to_owned(),
            version: VERSION,
            network: network.hash(),
            norm: options.norm,
            tol: options.tol,
            outputs: outputs.to_vec(),
            searches: outputs.iter().map(|_| None).collect(),
        };
        let file = match fs::read(path) {
            Ok(bytes) => {
                let file: File = serde_json::from_slice(&bytes)
                    .map_err(|error| refused(path, format!("it is no checkpoint: {error}; give another path")))?;
                own.agrees_with(&file).map_err(|reason| refused(path, reason))?;
                file
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => own,
            Err(error) => return Err(refused(path, format!("it cannot be read: {error}"))),
        };
        let mut checkpoint = Self { path: path.to_owned(), file, written: (Instant::now(), Duration::ZERO) };
        checkpoint.write()?; // a path that cannot be written is known at once
        Ok(checkpoint)
    }

    /// What the file holds of a search.
    pub fn saved(&self, index: usize) -> Option<&Saved> {
        self.file.searches.get(index)?.as_ref()
    }

    /// That what is saved of a search is no proof after all.
    pub fn refuse(&self, reason: &str) -> BoundError {
        refused(&self.path, reason.to_owned())
    }

    /// Whether it is time to save.
    pub fn is_due(&self) -> bool {
        let (when, took) = self.written;
        when.elapsed() >= PAUSE.0.max(took * PAUSE.1)
    }

    /// Saves a search.
    pub fn save(&mut self, index: usize, search: Saved) -> Result<(), BoundError> {
        self.file.searches[index] = Some(search);
        self.write()
    }

    fn write(&mut self) -> Result<(), BoundError> {
        let begun = Instant::now();
        let mut partial = self.path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let text = serde_json::to_vec(&self.file).map_err(std::io::Error::other);
        let written = text.and_then(|text| fs::write(&partial, text)).and_then(|()| fs::rename(&partial, &self.path));
        self.written = (Instant::now(), begun.elapsed());
        written.map_err(|error| {
            refused(&self.path, format!("it cannot be written: {error}; give a path that can be written to"))
        })
    }
}

impl File {
    fn agrees_with(&self, other: &Self) -> Result<(), String> {
        if (other.format.as_str(), other.version) != (FORMAT, VERSION) {
            return Err(format!(
                "it is '{}' version {}, not '{FORMAT}' version {VERSION}",
                other.format, other.version
            ));
        }
        if other.network != self.network {
            return Err("it is of another network; give another path".to_owned());
        }
        let same = other.norm == self.norm
            && other.outputs == self.outputs
            && other.tol == self.tol
            && other.searches.len() == self.outputs.len();
        if same {
            Ok(())
        } else {
            Err("it is of another norm, output or tolerance; give the same again, or another path".to_owned())
        }
    }
}

fn refused(path: &Path, reason: String) -> BoundError {
    BoundError::Checkpoint { path: path.display().to_string(), reason }
}
