//! Where a bound is to hold: regions as they are typed.

use clap::Args;
use geolip::place::{Region, RegionError, RegionNorm};
use geolip::samples::{LabelColumn, RegionFileError, Sample, SampleError, load_box, load_samples, one_sample, samples};
use geolip::{Network, ProblemError, Units};
use std::path::{Path, PathBuf};

/// The region of a local bound.
#[derive(Clone, Debug, Args)]
pub struct RegionArguments {
    #[arg(long, conflicts_with = "box")]
    pub center: Option<PathBuf>,

    #[arg(long, allow_negative_numbers = true, conflicts_with = "box")]
    pub radius: Option<f64>,

    #[arg(long)]
    pub region_norm: RegionNorm,

    #[arg(long, num_args = 2, allow_negative_numbers = true)]
    pub clip: Vec<f64>,

    #[command(flatten)]
    pub data: DataArguments,

    #[arg(long = "box")]
    pub r#box: Option<PathBuf>,
}

/// How a file with inputs is read.
#[derive(Clone, Debug, Args)]
pub struct DataArguments {
    #[arg(long)]
    pub row: Option<usize>,

    #[arg(long, allow_negative_numbers = true)]
    pub scale: f64,

    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub header: Option<bool>,

    #[arg(long, value_parser = column)]
    pub label_column: Option<LabelColumn>,
}

fn column(given: &str) -> Result<LabelColumn, std::convert::Infallible> {
    given.parse()
}

/// What was typed makes no region.
#[derive(Debug, thiserror::Error)]
pub enum RegionChoiceError {
    #[error(transparent)]
    File(#[from] RegionFileError),
    #[error(transparent)]
    Region(#[from] RegionError),
    #[error(transparent)]
    Units(#[from] ProblemError),
    #[error("{}: {source}", geolip::text::path(path))]
    Sample { path: PathBuf, source: SampleError },
}

impl RegionChoiceError {
    /// What is wrong with the rows of a file.
    fn of(path: &Path) -> impl Fn(SampleError) -> Self {
        |source| Self::Sample { path: path.to_owned(), source }
    }
}

impl DataArguments {
    /// The chosen row of a file, or all of them.
    pub fn samples(&self, path: &Path, network: &Network) -> Result<Vec<Sample>, RegionChoiceError> {
        let table = load_samples(path, self.header)?;
        samples(network, table, self.row, self.scale, &self.labels()).map_err(RegionChoiceError::of(path))
    }

    /// The chosen row of a file, or the only one.
    fn sample(&self, path: &Path, network: &Network) -> Result<Sample, RegionChoiceError> {
        let table = load_samples(path, self.header)?;
        one_sample(network, table, self.row, self.scale, &self.labels()).map_err(RegionChoiceError::of(path))
    }

    fn labels(&self) -> LabelColumn {
        self.label_column.clone().unwrap_or_default()
    }
}

impl RegionArguments {
    /// The region, if there is to be one.
    pub fn region(&self, network: &Network, units: Option<&Units>) -> Result<Option<Region>, RegionChoiceError> {
        if let Some(path) = &self.r#box {
            let region = load_box(path)?;
            region.fits(network)?;
            return Ok(Some(region));
        }
        let (Some(path), Some(radius)) = (&self.center, self.radius) else { return Ok(None) };
        let sample = self.data.sample(path, network)?;
        Ok(Some(Region::around_in(units, &sample.input, (radius, self.region_norm), self.clip())?))
    }

    fn clip(&self) -> Option<(f64, f64)> {
        match self.clip.as_slice() {
            [low, high] => Some((*low, *high)),
            _ => None,
        }
    }
}
