//! Inputs as rows of numbers, with a label before them or without.

use crate::network::Network;

/// A row of a data file.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which row, counted from 0.
    pub row: usize,
    /// The first number, where there is one more than inputs.
    pub label: Option<usize>,
    /// The input.
    pub input: Vec<f64>,
}

/// Rows that are no samples of a network; what they are rows of is the caller's to say.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// One row has to be chosen, and none, or none that is there, was.
    #[error("it has {rows} rows; choose one with --row 0 to --row {}", rows.saturating_sub(1))]
    Row {
        /// How many there are.
        rows: usize,
    },
    /// Too few numbers, or too many.
    #[error(
        "row {row} has {found} numbers, but the network has {inputs} inputs; \
         give one number per input, or a label and then the inputs"
    )]
    Inputs {
        /// The row.
        row: usize,
        /// How many it has.
        found: usize,
        /// How many the network has.
        inputs: usize,
    },
    /// NaN or infinite.
    #[error("row {row} holds {value}; its numbers have to be finite")]
    Number {
        /// The row.
        row: usize,
        /// What it holds.
        value: f64,
    },
    /// A label that is no output.
    #[error("the label of row {row} is {value}; it has to be an output, from 0 to {}", outputs - 1)]
    Label {
        /// The row.
        row: usize,
        /// What it begins with.
        value: f64,
        /// How many outputs the network has.
        outputs: usize,
    },
}

/// The chosen row as a sample, or all of them; inputs are multiplied by `scale`.
pub fn samples(
    network: &Network,
    rows: Vec<Vec<f64>>,
    chosen: Option<usize>,
    scale: f64,
) -> Result<Vec<Sample>, SampleError> {
    if chosen.is_some_and(|row| row >= rows.len()) {
        return Err(SampleError::Row { rows: rows.len() });
    }
    let rows = rows.into_iter().enumerate().filter(|(row, _)| chosen.is_none_or(|chosen| chosen == *row));
    rows.map(|(row, numbers)| sample(network, row, numbers, scale)).collect()
}

/// As [`samples`], where it has to be one.
pub fn one_sample(
    network: &Network,
    rows: Vec<Vec<f64>>,
    chosen: Option<usize>,
    scale: f64,
) -> Result<Sample, SampleError> {
    let count = rows.len();
    let mut samples = samples(network, rows, chosen, scale)?;
    match (samples.pop(), samples.is_empty()) {
        (Some(sample), true) => Ok(sample),
        _ => Err(SampleError::Row { rows: count }),
    }
}

fn sample(network: &Network, row: usize, mut numbers: Vec<f64>, scale: f64) -> Result<Sample, SampleError> {
    let (found, inputs, outputs) = (numbers.len(), network.inputs(), network.outputs());
    if let Some(value) = numbers.iter().find(|v| !v.is_finite()) {
        return Err(SampleError::Number { row, value: *value });
    }
    let label = match found {
        n if n == inputs => None,
        n if n == inputs + 1 => {
            let value = numbers.remove(0);
            if !(value.fract() == 0.0 && (0.0..outputs as f64).contains(&value)) {
                return Err(SampleError::Label { row, value, outputs });
            }
            Some(value as usize)
        }
        _ => return Err(SampleError::Inputs { row, found, inputs }),
    };
    numbers.iter_mut().for_each(|v| *v *= scale);
    Ok(Sample { row, label, input: numbers })
}
