//! What can be typed. Ranges that depend on the network are the library's to check.

use crate::files::Named;
use crate::region::{DataArguments, RegionArguments, RegionChoiceError};
use clap::{Args, Parser, Subcommand};
use geolip::form::Randomness;
use geolip::import::{ImportError, ImportOptions, load_vector};
use geolip::network::Activation;
use geolip::place::{Region, RegionNorm};
use geolip::proof::CheckOptions;
use geolip::{InputNorm, Network, Options, Outputs, ProblemError, RadiusOptions, Weights};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Bytes.
const GIB: f64 = (1 << 30) as f64;

/// Certified Lipschitz bounds of neural networks: a number from above that is proved, a number from below that is attained.
#[derive(Debug, Parser)]
#[command(name = "geolip", version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bound how much the outputs can change when the input changes
    Bound(Box<BoundArguments>),
    /// Check a certificate against a network: exit code 0 if it holds, 1 if not
    Check(CheckArguments),
    /// Put every method side by side: value, time, what it guarantees
    Compare(CompareArguments),
    /// Certify how far inputs may move before their classification can change
    Radius(RadiusArguments),
    /// Show what a network file holds: layers, shapes, activations and their slopes, or why it is not supported
    Info(InfoArguments),
    /// Write what is bounded as a canonical network file (.json), for other programs to read; every command takes it, too
    Export(ExportArguments),
}

/// The network file, and how to read it.
#[derive(Debug, Args)]
pub struct NetworkArguments {
    /// The network: .onnx, or a weight list: .npz (W1..Wd, b1..bd), .mat (cells weights and biases, W1.. or
    /// NAME_weight..), .safetensors (NAME.weight, NAME.bias); or .json as `geolip export` writes it
    pub network: PathBuf,

    /// Activation between the layers of a weight list, which does not say it itself [default: relu]
    #[arg(long, value_name = "NAME", value_parser = activation)]
    pub activation: Option<Activation>,

    /// The matrices of a weight list are stored in x out; `=false`: out x in [default: out x in, refused where a .mat
    /// file fits both ways]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub transposed: Option<bool>,

    /// Read only the arrays of a weight list whose names begin with NAME: one network of several. All of them are of one
    /// network; `--prefix ''`: so is the whole file [default: what may be two networks is refused]
    #[arg(long, value_name = "NAME")]
    pub prefix: Option<String>,

    /// Bound the response to this input of an ONNX file alone, the others being fixed [default: all inputs, as one vector]
    #[arg(long, value_name = "NAME")]
    pub input: Option<String>,

    /// Bound this output of an ONNX file [default: the first]
    #[arg(long, value_name = "NAME", conflicts_with = "until")]
    pub output_name: Option<String>,

    /// Bound an ONNX file up to this inner tensor (or node), such as the logits before a softmax
    #[arg(long, value_name = "NAME")]
    pub until: Option<String>,
}

impl NetworkArguments {
    /// How the library is to read the file.
    pub fn options(&self) -> ImportOptions {
        ImportOptions {
            activation: self.activation.clone(),
            transposed: self.transposed,
            prefix: self.prefix.clone(),
            input: self.input.clone(),
            output: self.output_name.clone(),
            until: self.until.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub struct BoundArguments {
    #[command(flatten)]
    pub network: NetworkArguments,

    /// Norm of input changes: linf (largest entry), l2 (Euclidean), l1, a number p of at least 2, or all (linf, l2 and l1
    /// side by side)
    #[arg(long, default_value_t = Norms::One(Options::default().norm), value_parser = text::<Norms>)]
    pub norm: Norms,

    /// What to bound: each output, one output I (from 0), a margin I-J, all pairs, the largest output (linf) or another
    /// norm of the whole output (l2, l1), or a vector u of numbers in a file (.npy or .txt), for u'y
    #[arg(long, default_value_t = OutputChoice::Named(Options::default().outputs), value_parser = text::<OutputChoice>)]
    pub output: OutputChoice,

    #[command(flatten)]
    pub region: RegionArguments,

    /// Cut the region (a box) into parts for this long, or until bounds from both sides agree to the tolerance
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "exact")]
    pub split: Option<Duration>,

    /// Relative gap between the certified bound and the relaxation at which an output is done
    #[arg(long, default_value_t = Options::default().tol, value_parser = positive)]
    pub tol: f64,

    /// Tighten the relaxation of a network with one hidden layer by cuts: a bound below it, in seconds (linf and l2)
    #[arg(long)]
    pub cuts: bool,

    /// Search for the FGL itself by branch and bound, until bound and best pattern agree to the tolerance; what is found by
    /// the time limit (or Ctrl-C) is certified all the same
    #[arg(long)]
    pub exact: bool,

    /// Keep that search in this file, and go on from there if it exists: the file of the same question and version alone
    #[arg(long, value_name = "FILE", requires = "exact")]
    pub checkpoint: Option<PathBuf>,

    /// Cases per output after which that search stops
    #[arg(long, value_name = "N", default_value_t = Options::default().case_limit, requires = "exact")]
    pub case_limit: usize,

    /// Stop improving after this long; certifying what was found by then comes on top
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub time_limit: Option<Duration>,

    /// Memory that a proof may take, in GiB; networks that need more, or minutes for one proof, get probabilistic
    /// certificates, with gaps of 1e-3 or larger; those that need less than 256 MiB get a proof in any case
    #[arg(long, value_name = "GIB", default_value_t = Options::default().memory_limit as f64 / GIB, value_parser = positive)]
    pub memory_limit: f64,

    /// Work on the bounds from below, in units of the usual; 10 takes up to 10 times as long
    #[arg(long, value_name = "FACTOR", default_value_t = Options::default().effort, value_parser = not_negative)]
    pub effort: f64,

    /// Worker threads; the result does not depend on it [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = Options::default().seed)]
    pub seed: u64,

    /// Write the certificates to this file, for `geolip check`
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,

    /// Write the inputs of the steepest gradients found to this file (.npy, one row per bound, in the order of the table)
    #[arg(long, value_name = "FILE")]
    pub witness: Option<PathBuf>,

    /// Write the steepest activation patterns found to this file (JSON: slopes per layer, output weights, input direction)
    #[arg(long, value_name = "FILE")]
    pub pattern: Option<PathBuf>,

    /// Write one HTML page to this file: tables, a picture, and how to check the bounds again
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

impl BoundArguments {
    /// The files that are read.
    pub fn read(&self) -> Vec<Named<'_>> {
        let region = [("--center", &self.region.center), ("--box", &self.region.r#box)];
        let region = region.into_iter().filter_map(|(what, path)| Some((what, path.as_deref()?)));
        [("network", self.network.network.as_path())].into_iter().chain(self.output.file()).chain(region).collect()
    }

    /// The files that are written.
    pub fn written(&self) -> Vec<Named<'_>> {
        let all = [
            ("--certificate", &self.certificate),
            ("--report", &self.report),
            ("--witness", &self.witness),
            ("--pattern", &self.pattern),
            ("--checkpoint", &self.checkpoint),
        ];
        all.into_iter().filter_map(|(what, path)| Some((what, path.as_deref()?))).collect()
    }

    /// What the library is asked for, norm by norm.
    pub fn questions(&self, network: &Network) -> Result<Vec<Options>, QuestionError> {
        let outputs = self.output.outputs()?;
        let region = self.region.region(network)?;
        match self.norm {
            Norms::One(norm) => Ok(vec![self.options(norm, outputs, region)]),
            Norms::All if self.certificate.is_some() => Err(QuestionError::CertificateOfAll),
            Norms::All if self.checkpoint.is_some() => Err(QuestionError::CheckpointOfAll),
            Norms::All => {
                let norms = [InputNorm::Linf, InputNorm::L2, InputNorm::L1];
                Ok(norms.into_iter().map(|norm| self.options(norm, outputs.clone(), region.clone())).collect())
            }
        }
    }

    fn options(&self, norm: InputNorm, outputs: Outputs, region: Option<Region>) -> Options {
        Options {
            norm,
            outputs,
            region,
            split: self.split,
            tol: self.tol,
            time_limit: self.time_limit,
            cuts: self.cuts,
            exact: self.exact,
            checkpoint: self.checkpoint.clone(),
            case_limit: self.case_limit,
            memory_limit: (self.memory_limit * GIB) as usize,
            effort: self.effort,
            threads: self.threads,
            seed: self.seed,
            ..Options::default()
        }
    }
}

/// The norms to bound in.
#[derive(Clone, Copy, Debug)]
pub enum Norms {
    One(InputNorm),
    /// ℓ∞, ℓ2 and ℓ1.
    All,
}

impl FromStr for Norms {
    type Err = ProblemError;

    fn from_str(text: &str) -> Result<Self, ProblemError> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::One) }
    }
}

impl fmt::Display for Norms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(norm) => norm.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

/// The outputs to bound.
#[derive(Clone, Debug)]
pub enum OutputChoice {
    Named(Outputs),
    /// A file with a vector.
    File(PathBuf),
}

impl OutputChoice {
    /// The file that is read for it, if there is one.
    pub fn file(&self) -> Option<Named<'_>> {
        match self {
            Self::Named(_) => None,
            Self::File(path) => Some(("--output", path)),
        }
    }

    fn outputs(&self) -> Result<Outputs, QuestionError> {
        match self {
            Self::Named(outputs) => Ok(outputs.clone()),
            Self::File(path) => Ok(Outputs::Vector(Weights::new(&load_vector(path)?)?)),
        }
    }
}

impl FromStr for OutputChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let extension = Path::new(text).extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match extension.as_str() {
            "npy" | "txt" => Ok(Self::File(text.into())),
            _ => text.parse().map(Self::Named).map_err(|error| match error {
                ProblemError::Outputs { .. } => format!("{error}, or a file with numbers (.npy or .txt)"),
                other => other.to_string(),
            }),
        }
    }
}

impl fmt::Display for OutputChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(outputs) => outputs.fmt(f),
            Self::File(path) => f.write_str(&geolip::text::path(path)),
        }
    }
}

/// What was typed makes no question.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    #[error(transparent)]
    File(#[from] ImportError),
    #[error(transparent)]
    Problem(#[from] ProblemError),
    #[error("a certificate file holds the bounds of one norm; give --norm linf, l2 or l1 with --certificate")]
    CertificateOfAll,
    #[error(transparent)]
    Region(#[from] RegionChoiceError),
    #[error("a checkpoint keeps the search of one norm; give --norm linf or l2 with --checkpoint")]
    CheckpointOfAll,
}

#[derive(Debug, Args)]
pub struct CompareArguments {
    #[command(flatten)]
    pub network: NetworkArguments,

    /// Norm of input changes: linf (largest entry), l2 (Euclidean), l1, or a number p of at least 2
    #[arg(long, default_value_t = Options::default().norm, value_parser = text::<InputNorm>)]
    pub norm: InputNorm,

    /// What to bound: each output, one output I (from 0), a margin I-J, all pairs, a norm of the whole output (linf, l2,
    /// l1: not every method has one), or a vector in a file (.npy or .txt); the table shows the largest value
    #[arg(long, default_value_t = OutputChoice::Named(Options::default().outputs), value_parser = text::<OutputChoice>)]
    pub output: OutputChoice,

    /// Stop every single method after this long; it shows what it has by then
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub time_limit: Option<Duration>,

    /// Memory that a proof may take, in GiB
    #[arg(long, value_name = "GIB", default_value_t = Options::default().memory_limit as f64 / GIB, value_parser = positive)]
    pub memory_limit: f64,

    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = Options::default().seed)]
    pub seed: u64,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

impl CompareArguments {
    /// What the library is asked for.
    pub fn question(&self) -> Result<Options, QuestionError> {
        Ok(Options {
            norm: self.norm,
            outputs: self.output.outputs()?,
            time_limit: self.time_limit,
            memory_limit: (self.memory_limit * GIB) as usize,
            threads: self.threads,
            seed: self.seed,
            ..Options::default()
        })
    }
}

#[derive(Debug, Args)]
pub struct RadiusArguments {
    #[command(flatten)]
    pub network: NetworkArguments,

    /// The input, or a data file with one per row (.npy, .csv or text); rows with one number more than inputs begin with a
    /// label (see --label-column)
    #[arg(long, value_name = "FILE")]
    pub center: PathBuf,

    #[command(flatten)]
    pub data: DataArguments,

    /// The output that has to stay the largest, for a single input [default: the prediction]
    #[arg(long, value_name = "L")]
    pub label: Option<usize>,

    /// The norm in which inputs move: linf or l2
    #[arg(long, default_value_t = RadiusOptions::default().norm, value_parser = text::<RegionNorm>)]
    pub norm: RegionNorm,

    /// Only inputs with all entries between LO and HI count
    #[arg(long, value_names = ["LO", "HI"], num_args = 2, allow_negative_numbers = true)]
    pub clip: Vec<f64>,

    /// Radii at which to state the certified accuracy
    #[arg(long, value_name = "R,…", value_delimiter = ',', value_parser = not_negative)]
    pub radii: Vec<f64>,

    /// Relative width of the bracket at which the search for a radius ends
    #[arg(long, default_value_t = RadiusOptions::default().tol, value_parser = positive)]
    pub tol: f64,

    /// Leave out local Lipschitz constants: faster, and rarely smaller radii
    #[arg(long)]
    pub linear_bounds_only: bool,

    /// Write a line of JSON per sample to this file, and go on from there if it exists: the file of the same network, data,
    /// options and version alone
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

impl RadiusArguments {
    /// What the library is asked for.
    pub fn options(&self) -> RadiusOptions {
        let clip = match self.clip.as_slice() {
            [low, high] => Some((*low, *high)),
            _ => None,
        };
        RadiusOptions { norm: self.norm, clip, label: None, tol: self.tol, relaxation: !self.linear_bounds_only }
    }
}

#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The certificate, as written by `geolip bound --certificate`
    pub certificate: PathBuf,

    #[command(flatten)]
    pub network: NetworkArguments,

    /// Draw the numbers of random tests from the operating system (the default): nobody could know them beforehand
    #[arg(long, conflicts_with = "seed")]
    pub entropy: bool,

    /// Draw them from this seed instead, to repeat a check; what a test says holds only if the seed was chosen after the
    /// certificate
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Memory that the forms behind proofs may take, in GiB; a certificate that needs more is refused
    #[arg(long, value_name = "GIB", default_value_t = CheckOptions::default().memory_limit as f64 / GIB, value_parser = positive)]
    pub memory_limit: f64,

    /// Print one JSON object with every claim in full
    #[arg(long)]
    pub json: bool,
}

impl CheckArguments {
    /// What the library is asked for.
    pub fn options(&self) -> CheckOptions {
        let randomness = self.seed.map_or(Randomness::System, Randomness::Seed);
        CheckOptions { randomness, memory_limit: (self.memory_limit * GIB) as usize, ..CheckOptions::default() }
    }
}

#[derive(Debug, Args)]
pub struct InfoArguments {
    #[command(flatten)]
    pub network: NetworkArguments,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    pub network: NetworkArguments,

    /// The file to write (.json); the same format as any other network for every command
    pub file: PathBuf,
}

fn text<T: FromStr>(given: &str) -> Result<T, T::Err> {
    given.parse()
}

fn positive(given: &str) -> Result<f64, String> {
    match given.parse::<f64>() {
        Ok(v) if v > 0.0 && v.is_finite() => Ok(v),
        _ => Err("it must be a positive number".to_owned()),
    }
}

fn not_negative(given: &str) -> Result<f64, String> {
    match given.parse::<f64>() {
        Ok(v) if v >= 0.0 && v.is_finite() => Ok(v),
        _ => Err("it must be a number of at least 0".to_owned()),
    }
}

fn seconds(given: &str) -> Result<Duration, String> {
    let seconds = positive(given)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "it is too long".to_owned())
}

fn activation(given: &str) -> Result<Activation, String> {
    Activation::from_name(given).ok_or_else(|| format!("known activations: {}", Activation::NAMES.join(", ")))
}
