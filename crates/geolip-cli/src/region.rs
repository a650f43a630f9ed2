//! Where a bound is to hold: regions as they are typed.

use clap::Args;
use geolip::Network;
use geolip::region::{
    Region, RegionError, RegionFileError, RegionNorm, Sample, SampleError, load_box, load_rows, one_sample, samples,
};
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
        samples(network, load_rows(path)?, self.row, self.scale).map_err(RegionChoiceError::of(path))
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
        let rows = load_rows(path)?;
        let sample = one_sample(network, rows, self.data.row, self.data.scale).map_err(RegionChoiceError::of(path))?;
        Ok(Some(Region::around(&sample.input, radius, self.region_norm, self.clip())?))
    }

    fn clip(&self) -> Option<(f64, f64)> {
        match self.clip.as_slice() {
            [low, high] => Some((*low, *high)),
            _ => None,
        }
    }
}
