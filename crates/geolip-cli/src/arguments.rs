//! What can be typed. Ranges that depend on the network are the library's to check.
//!
//! An option's help, its default and what it needs are not here but in the library's table of options, from which `options.rs`
//! adds them: a field that is no `Option` has its default there.

use crate::files::Named;
use crate::region::{DataArguments, RegionArguments, RegionChoiceError};
use clap::{Args, Parser, Subcommand};
use geolip::form::Randomness;
use geolip::import::{ImportError, ImportOptions, load_vector};
use geolip::network::Activation;
use geolip::place::{Region, RegionNorm};
use geolip::proof::CheckOptions;
use geolip::samples::load_units;
use geolip::{InputNorm, Network, Options, Outputs, ProblemError, RadiusOptions, Units, Weights};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Bytes.
const GIB: f64 = (1 << 30) as f64;

/// Certified Lipschitz bounds of neural networks: an upper bound that is proved, a lower bound that is attained.
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
    /// Compare the bound with those of other methods: value, time, what each guarantees
    Compare(CompareArguments),
    /// Certify how far inputs may move before their classification can change
    Radius(RadiusArguments),
    /// Show what a network file holds: layers, shapes, activations and their slopes, or why it is not supported
    Info(InfoArguments),
    /// Write what is bounded as a canonical network file (.json), which every command and other programs can read
    Export(ExportArguments),
}

/// The network file, and how to read it.
#[derive(Debug, Args)]
pub struct NetworkArguments {
    /// The network: .onnx, or a weight list: .npz (W1..Wd, b1..bd), .mat (cells weights and biases, W1.. or
    /// NAME_weight..), .safetensors (NAME.weight, NAME.bias); or .json as `geolip export` writes it
    pub network: PathBuf,

    #[arg(long, value_parser = activation)]
    pub activation: Option<Activation>,

    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub transposed: Option<bool>,

    #[arg(long)]
    pub prefix: Option<String>,

    #[arg(long)]
    pub input: Option<String>,

    #[arg(long, conflicts_with = "until")]
    pub output_name: Option<String>,

    #[arg(long)]
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

    #[arg(long, value_parser = text::<Norms>)]
    pub norm: Norms,

    #[arg(long)]
    pub unit: Option<PathBuf>,

    #[arg(long, value_parser = text::<OutputChoice>)]
    pub output: OutputChoice,

    #[command(flatten)]
    pub region: RegionArguments,

    #[arg(long, value_parser = seconds)]
    pub split: Option<Duration>,

    #[arg(long, value_parser = positive)]
    pub tol: f64,

    #[arg(long)]
    pub cuts: bool,

    #[arg(long)]
    pub relaxation_only: bool,

    #[arg(long)]
    pub exact: bool,

    #[arg(id = "true", long = "true")]
    pub real: bool,

    #[arg(long)]
    pub checkpoint: Option<PathBuf>,

    #[arg(long)]
    pub case_limit: usize,

    #[arg(long, value_parser = seconds)]
    pub time_limit: Option<Duration>,

    #[arg(long, value_parser = positive)]
    pub memory_limit: f64,

    #[arg(long, value_parser = not_negative)]
    pub effort: f64,

    #[arg(long)]
    pub threads: Option<usize>,

    #[arg(long)]
    pub seed: u64,

    #[arg(long)]
    pub certificate: Option<PathBuf>,

    #[arg(long)]
    pub witness: Option<PathBuf>,

    #[arg(long)]
    pub pattern: Option<PathBuf>,

    #[arg(long)]
    pub report: Option<PathBuf>,

    #[arg(long)]
    pub json: bool,
}

impl BoundArguments {
    /// The files that are read.
    pub fn read(&self) -> Vec<Named<'_>> {
        let region = [("--unit", &self.unit), ("--center", &self.region.center), ("--box", &self.region.r#box)];
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
        let unit = units(self.unit.as_deref(), network)?;
        let region = self.region.region(network, unit.as_ref())?;
        let asked = |norm| Options { unit: unit.clone(), ..self.options(norm, outputs.clone(), region.clone()) };
        match self.norm {
            Norms::One(norm) => Ok(vec![asked(norm)]),
            Norms::All if self.certificate.is_some() => Err(QuestionError::CertificateOfAll),
            Norms::All if self.checkpoint.is_some() => Err(QuestionError::CheckpointOfAll),
            Norms::All => {
                let norms = [InputNorm::Linf, InputNorm::L2, InputNorm::L1];
                Ok(norms.into_iter().map(asked).collect())
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
            relaxation_only: self.relaxation_only,
            exact: self.exact,
            real: self.real,
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

/// The units of a file, if there is to be one, which fit a network.
fn units(path: Option<&Path>, network: &Network) -> Result<Option<Units>, RegionChoiceError> {
    let units = path.map(load_units).transpose()?;
    units.as_ref().map_or(Ok(()), |units| units.fits(network))?;
    Ok(units)
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
    #[error("a checkpoint stores the search in one norm; give one norm, such as --norm l2, with --checkpoint")]
    CheckpointOfAll,
}

#[derive(Debug, Args)]
pub struct CompareArguments {
    #[command(flatten)]
    pub network: NetworkArguments,

    #[arg(long, value_parser = text::<InputNorm>)]
    pub norm: InputNorm,

    #[arg(long)]
    pub unit: Option<PathBuf>,

    #[arg(long, value_parser = text::<OutputChoice>)]
    pub output: OutputChoice,

    #[arg(long, value_parser = seconds)]
    pub time_limit: Option<Duration>,

    #[arg(long, value_parser = positive)]
    pub memory_limit: f64,

    #[arg(long)]
    pub threads: Option<usize>,

    #[arg(long)]
    pub seed: u64,

    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "compare")]
impl CompareArguments {
    /// What the library is asked for.
    pub fn question(&self, network: &Network) -> Result<Options, QuestionError> {
        Ok(Options {
            norm: self.norm,
            unit: units(self.unit.as_deref(), network)?,
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

    #[arg(long)]
    pub center: PathBuf,

    #[command(flatten)]
    pub data: DataArguments,

    #[arg(long)]
    pub label: Option<usize>,

    #[arg(long, value_parser = text::<RegionNorm>)]
    pub norm: RegionNorm,

    #[arg(long)]
    pub unit: Option<PathBuf>,

    #[arg(long, num_args = 2, allow_negative_numbers = true)]
    pub clip: Vec<f64>,

    #[arg(long, value_delimiter = ',', value_parser = not_negative)]
    pub radii: Vec<f64>,

    #[arg(long, value_parser = positive)]
    pub tol: f64,

    #[arg(long)]
    pub linear_bounds_only: bool,

    #[arg(long)]
    pub results: Option<PathBuf>,

    #[arg(long)]
    pub json: bool,
}

impl RadiusArguments {
    /// What the library is asked for.
    pub fn options(&self, network: &Network) -> Result<RadiusOptions, RegionChoiceError> {
        let unit = units(self.unit.as_deref(), network)?;
        let clip = match self.clip.as_slice() {
            [low, high] => Some((*low, *high)),
            _ => None,
        };
        let (norm, tol, relaxation) = (self.norm, self.tol, !self.linear_bounds_only);
        Ok(RadiusOptions { norm, unit, clip, label: None, tol, relaxation })
    }
}

#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The certificate, as written by `geolip bound --certificate`
    pub certificate: PathBuf,

    #[command(flatten)]
    pub network: NetworkArguments,

    #[arg(long, conflicts_with = "seed")]
    pub entropy: bool,

    #[arg(long)]
    pub seed: Option<u64>,

    #[arg(long, value_parser = positive)]
    pub memory_limit: f64,

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

    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    pub network: NetworkArguments,

    /// The file to write (.json); every command reads it like any other network file
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
