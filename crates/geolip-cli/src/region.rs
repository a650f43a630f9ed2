//! Where a bound is to hold: regions as they are typed, and as they are shown.

use clap::Args;
use geolip::Network;
use geolip::region::{Region, RegionError, RegionFileError, RegionNorm, load_box, load_rows};
use serde_json::{Value, json};
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
    #[error("{}: it has {rows} rows; choose one with --row 0 to --row {}", path.display(), rows - 1)]
    Row { path: PathBuf, rows: usize },
    #[error(
        "{}: row {row} has {found} numbers, but the network has {inputs} inputs; \
         give one number per input, or a label and then the inputs", path.display()
    )]
    Inputs { path: PathBuf, row: usize, found: usize, inputs: usize },
    #[error("{}: row {row} holds {value}; its numbers have to be finite", path.display())]
    Number { path: PathBuf, row: usize, value: f64 },
    #[error("{}: the label of row {row} is {value}; it has to be an output, from 0 to {}", path.display(), outputs - 1)]
    Label { path: PathBuf, row: usize, value: f64, outputs: usize },
}

/// A row of a data file.
pub struct Sample {
    pub row: usize,
    /// The first number, where there is one more than inputs.
    pub label: Option<usize>,
    pub input: Vec<f64>,
}

impl DataArguments {
    /// The chosen row of a file, or all of them.
    pub fn samples(&self, path: &Path, network: &Network) -> Result<Vec<Sample>, RegionChoiceError> {
        let rows = load_rows(path)?;
        if self.row.is_some_and(|row| row >= rows.len()) {
            return Err(RegionChoiceError::Row { path: path.to_owned(), rows: rows.len() });
        }
        let chosen = rows.into_iter().enumerate().filter(|(row, _)| self.row.is_none_or(|chosen| chosen == *row));
        chosen.map(|(row, numbers)| self.sample(path, network, row, numbers)).collect()
    }

    fn sample(
        &self,
        path: &Path,
        network: &Network,
        row: usize,
        mut numbers: Vec<f64>,
    ) -> Result<Sample, RegionChoiceError> {
        let (found, inputs, outputs) = (numbers.len(), network.inputs(), network.outputs());
        if let Some(value) = numbers.iter().find(|v| !v.is_finite()) {
            return Err(RegionChoiceError::Number { path: path.to_owned(), row, value: *value });
        }
        let label = match found {
            n if n == inputs => None,
            n if n == inputs + 1 => {
                let value = numbers.remove(0);
                if !(value.fract() == 0.0 && (0.0..outputs as f64).contains(&value)) {
                    return Err(RegionChoiceError::Label { path: path.to_owned(), row, value, outputs });
                }
                Some(value as usize)
            }
            _ => return Err(RegionChoiceError::Inputs { path: path.to_owned(), row, found, inputs }),
        };
        numbers.iter_mut().for_each(|v| *v *= self.scale);
        Ok(Sample { row, label, input: numbers })
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
        let mut samples = self.data.samples(path, network)?;
        let rows = samples.len();
        match (samples.pop(), samples.is_empty()) {
            (Some(sample), true) => Ok(Some(Region::around(&sample.input, radius, self.region_norm, self.clip())?)),
            _ => Err(RegionChoiceError::Row { path: path.to_owned(), rows }),
        }
    }

    fn clip(&self) -> Option<(f64, f64)> {
        match self.clip.as_slice() {
            [low, high] => Some((*low, *high)),
            _ => None,
        }
    }
}

/// A region as JSON describes it: `null`, a box, or a ball in a box.
pub fn to_json(region: Option<&Region>) -> Value {
    match region {
        None => Value::Null,
        Some(region) => json!({
            "lower": region.lower(),
            "upper": region.upper(),
            "ball": region.ball().map(|ball| json!({ "centre": ball.centre, "radius": ball.radius })),
        }),
    }
}
