//! What is asked of a network: the input norm and its units, and the outputs whose change is to be bounded.

mod functional;
mod norm;
mod units;

pub use functional::{Functional, Weights};
pub use norm::power_norm;
pub use norm::{Exponent, InputNorm, OutputNorm};
pub use units::Units;

use crate::network::Network;
use std::fmt;
use std::str::FromStr;

/// Which outputs to bound.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Outputs {
    /// Every output by itself.
    #[default]
    Each,
    /// One output, counted from 0.
    One(usize),
    /// The margin yᵢ − yⱼ.
    Margin(usize, usize),
    /// Every margin yᵢ − yⱼ with i < j (yⱼ − yᵢ has the same constant).
    Pairs,
    /// uᵀy.
    Vector(Weights),
    /// A norm of the whole output.
    Norm(OutputNorm),
}

impl FromStr for Outputs {
    type Err = ProblemError;

    /// Reads what is displayed, but a vector: its name does not say its numbers.
    fn from_str(text: &str) -> Result<Self, ProblemError> {
        let index = |part: &str| part.parse().map_err(|_| ProblemError::Outputs { given: text.to_owned() });
        match text {
            "each" => Ok(Self::Each),
            "pairs" => Ok(Self::Pairs),
            "linf" => Ok(Self::Norm(OutputNorm::Linf)),
            "l2" => Ok(Self::Norm(OutputNorm::L2)),
            "l1" => Ok(Self::Norm(OutputNorm::L1)),
            _ => match text.split_once('-') {
                None => index(text).map(Self::One),
                Some((i, j)) => Ok(Self::Margin(index(i)?, index(j)?)),
            },
        }
    }
}

impl fmt::Display for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each => f.write_str("each"),
            Self::Pairs => f.write_str("pairs"),
            Self::One(i) => write!(f, "{i}"),
            Self::Margin(i, j) => write!(f, "{i}-{j}"),
            Self::Vector(_) => f.write_str("vector"),
            Self::Norm(norm) => write!(f, "{norm}"),
        }
    }
}

impl Outputs {
    /// What to bound on a network, in the order of the report.
    pub fn functionals(&self, network: &Network) -> Result<Vec<Functional>, ProblemError> {
        let m = network.outputs();
        let functionals = match self {
            Self::Each => (0..m).map(Functional::output).collect(),
            Self::One(i) => vec![Functional::output(*i)],
            Self::Margin(i, j) => vec![Functional::margin(*i, *j)],
            Self::Pairs if m < 2 => return Err(ProblemError::NoPairs),
            Self::Pairs => (0..m).flat_map(|i| (i + 1..m).map(move |j| Functional::margin(i, j))).collect(),
            Self::Vector(u) => vec![Functional::Vector(u.clone())],
            Self::Norm(norm) => vec![Functional::Norm(*norm)],
        };
        functionals.iter().try_for_each(|f: &Functional| f.fits(network))?;
        Ok(functionals)
    }
}

/// Why a question makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// An unknown norm.
    #[error("unknown input norm '{given}'; give linf, l2, l1, or a number p of at least 2")]
    Norm {
        /// What was given.
        given: String,
    },
    /// An exponent between 1 and 2.
    #[error(
        "the input norm p = {given} has no semidefinite relaxation, as its unit ball is not convex in the squares; \
             give 1, or a number of at least 2"
    )]
    Exponent {
        /// What was given.
        given: f64,
    },
    /// An unreadable choice of outputs.
    #[error(
        "unknown output '{given}'; give 'each', 'pairs', an index I counted from 0, a margin I-J, \
             or a norm of all outputs (linf, l2, l1)"
    )]
    Outputs {
        /// What was given.
        given: String,
    },
    /// An output that does not exist.
    #[error("output {index} does not exist; the network has {outputs}, counted from 0 to {}", outputs - 1)]
    OutputRange {
        /// The index given.
        index: usize,
        /// How many outputs there are.
        outputs: usize,
    },
    /// A margin of an output with itself.
    #[error("the margin {index}-{index} is always zero; give two different outputs")]
    SameOutput {
        /// The index given twice.
        index: usize,
    },
    /// Pairs of a network with one output.
    #[error("the network has one output, so there are no pairs; bound it with 'each'")]
    NoPairs,
    /// A vector of the wrong length.
    #[error("the output vector has {given} numbers, but the network has {outputs} outputs; give one number per output")]
    WeightCount {
        /// How many numbers were given.
        given: usize,
        /// How many outputs there are.
        outputs: usize,
    },
    /// A vector that holds something else than finite numbers.
    #[error("the output vector holds {value} at place {index}; its numbers have to be finite")]
    WeightNumber {
        /// The place, counted from 0.
        index: usize,
        /// What is there.
        value: f64,
    },
    /// A vector of zeros.
    #[error("the output vector is zero, and so is its Lipschitz constant; give at least one other number")]
    ZeroWeights,
    /// Units for another number of inputs.
    #[error("there are {given} units, but the network has {inputs} inputs; give one unit per input")]
    UnitCount {
        /// How many were given.
        given: usize,
        /// How many inputs there are.
        inputs: usize,
    },
    /// A unit that is negative or no number.
    #[error("the unit of input {index} is {value}; give a finite number of at least 0 (0 holds the input fixed)")]
    UnitNumber {
        /// The input.
        index: usize,
        /// Its unit.
        value: f64,
    },
    /// Units of which all are zero.
    #[error("all units are 0, so no input could change; give at least one that is positive")]
    ZeroUnits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_read_back_as_they_are_written() {
        for text in ["each", "pairs", "0", "12", "3-7", "linf", "l2", "l1"] {
            assert_eq!(text.parse::<Outputs>().expect("valid").to_string(), text);
        }
        for text in ["", "all", "-1", "1-", "1-2-3", "1.5", "vector"] {
            assert!(text.parse::<Outputs>().is_err(), "{text}");
        }
    }

    #[test]
    fn functionals_read_back_as_they_are_written() {
        let vector = Functional::Vector(Weights::new(&[0.1, -0.0, 3.0]).expect("numbers"));
        for functional in [Functional::Output(3), Functional::Margin(3, 7), Functional::Norm(OutputNorm::L1), vector] {
            let text = serde_json::to_string(&functional).expect("text");
            assert_eq!(serde_json::from_str::<Functional>(&text).ok(), Some(functional), "{text}");
        }
        for text in ["\"each\"", "\"3-3\"", "\"vector\"", "[]", "[0.0]", "[1e999]", "8", "[\"8\"]", "{}"] {
            assert!(serde_json::from_str::<Functional>(text).is_err(), "{text}");
        }
    }
}
