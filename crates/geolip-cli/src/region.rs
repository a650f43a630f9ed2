//! Where a bound is to hold: regions as they are typed.

use clap::Args;
use geolip::Network;
use geolip::place::{Region, RegionError, RegionNorm};
use geolip::samples::{LabelColumn, RegionFileError, Sample, SampleError, load_box, load_samples, one_sample, samples};
use std::path::{Path, PathBuf};

/// The region of a local bound.
#[derive(Clone, Debug, Args)]
pub struct RegionArguments {
    /// Bound the network near this input alone: a file with one number per input (.npy, .csv or text), or one with many, of
    /// which --row chooses one
    #[arg(long, value_name = "FILE", requires = "radius", conflicts_with = "box")]
    pub center: Option<PathBuf>,

    /// How far from the centre the region reaches
    #[arg(long, value_name = "R", requires = "center", allow_negative_numbers = true)]
    pub radius: Option<f64>,

    /// The norm of that distance: linf (a box) or l2 (a ball), whatever --norm is
    #[arg(long, value_name = "NORM", default_value_t = RegionNorm::Linf, requires = "center")]
    pub region_norm: RegionNorm,

    /// Only inputs with all entries between LO and HI
    #[arg(long, value_names = ["LO", "HI"], num_args = 2, requires = "center", allow_negative_numbers = true)]
    pub clip: Vec<f64>,

    #[command(flatten)]
    pub data: DataArguments,

    /// Bound the network on this box alone: a file with two rows, lower and upper ends (.npy, .csv or text), or a VNN-LIB
    /// property (.vnnlib), of which the input box counts
    #[arg(long = "box", value_name = "FILE")]
    pub r#box: Option<PathBuf>,
}

/// How a file with inputs is read.
#[derive(Clone, Debug, Args)]
pub struct DataArguments {
    /// The row of the file with the centre, counted from 0 [default: the only one]
    #[arg(long, value_name = "N", requires = "center")]
    pub row: Option<usize>,

    /// Multiply the numbers of that file by this, such as 0.00392156862745098 (1/255) for pixels
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, requires = "center", allow_negative_numbers = true)]
    pub scale: f64,

    /// The first line of that file is a heading; `=false`: it is data [default: a line without any number is a heading]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          requires = "center")]
    pub header: Option<bool>,

    /// The column of that file with the labels: its number from 0, its name in the heading, last, or none [default: the
    /// first where there is one column more than inputs, refused where it might be another]
    #[arg(long, value_name = "COLUMN", value_parser = column, requires = "center")]
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
    pub fn region(&self, network: &Network) -> Result<Option<Region>, RegionChoiceError> {
        if let Some(path) = &self.r#box {
            let region = load_box(path)?;
            region.fits(network)?;
            return Ok(Some(region));
        }
        let (Some(path), Some(radius)) = (&self.center, self.radius) else { return Ok(None) };
        let sample = self.data.sample(path, network)?;
        Ok(Some(Region::around(&sample.input, radius, self.region_norm, self.clip())?))
    }

    fn clip(&self) -> Option<(f64, f64)> {
        match self.clip.as_slice() {
            [low, high] => Some((*low, *high)),
            _ => None,
        }
    }
}
