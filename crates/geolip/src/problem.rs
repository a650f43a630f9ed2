//! What is asked of a network: the input norm, and the outputs whose change is to be bounded.

use crate::matrix::power_of_two_near;
use crate::network::Network;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The norm in which input perturbations are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum InputNorm {
    /// ℓ∞: the largest absolute entry. Its dual norm is ℓ1.
    #[default]
    #[serde(rename = "linf")]
    Linf,
    /// ℓ2: Euclidean length. It is its own dual.
    #[serde(rename = "l2")]
    L2,
}

impl InputNorm {
    /// ‖g‖ in the dual norm, in ordinary floating point: the Lipschitz constant of x ↦ ⟨g, x⟩. The relative error is at
    /// most (n + 4)u: squares are taken after scaling by a power of two, so they neither overflow nor underflow.
    pub fn dual(self, g: impl Iterator<Item = f64> + Clone) -> f64 {
        match self {
            Self::Linf => g.map(f64::abs).sum(),
            Self::L2 => {
                let largest = g.clone().map(f64::abs).fold(0.0, f64::max);
                if largest == 0.0 || !largest.is_finite() {
                    return largest;
                }
                let scale = power_of_two_near(largest);
                scale * g.map(|v| (v / scale) * (v / scale)).sum::<f64>().sqrt()
            }
        }
    }
}

impl fmt::Display for InputNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Linf => "linf",
            Self::L2 => "l2",
        })
    }
}

impl FromStr for InputNorm {
    type Err = ProblemError;

    fn from_str(text: &str) -> Result<Self, ProblemError> {
        match text {
            "linf" => Ok(Self::Linf),
            "l2" => Ok(Self::L2),
            _ => Err(ProblemError::Norm { given: text.to_owned() }),
        }
    }
}

/// Which outputs to bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
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
}

impl FromStr for Outputs {
    type Err = ProblemError;

    fn from_str(text: &str) -> Result<Self, ProblemError> {
        let index = |part: &str| part.parse().map_err(|_| ProblemError::Outputs { given: text.to_owned() });
        match text {
            "each" => Ok(Self::Each),
            "pairs" => Ok(Self::Pairs),
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
        }
    }
}

impl Outputs {
    /// The functionals to bound on a network, in the order of the report.
    pub fn functionals(self, network: &Network) -> Result<Vec<Functional>, ProblemError> {
        let m = network.outputs();
        let check = |i| if i < m { Ok(i) } else { Err(ProblemError::OutputRange { index: i, outputs: m }) };
        match self {
            Self::Each => Ok((0..m).map(Functional::output).collect()),
            Self::One(i) => Ok(vec![Functional::output(check(i)?)]),
            Self::Margin(i, j) if i == j => Err(ProblemError::SameOutput { index: i }),
            Self::Margin(i, j) => Ok(vec![Functional::margin(check(i)?, check(j)?)]),
            Self::Pairs if m < 2 => Err(ProblemError::NoPairs),
            Self::Pairs => Ok((0..m).flat_map(|i| (i + 1..m).map(move |j| Functional::margin(i, j))).collect()),
        }
    }
}

/// A linear functional u of the output: one output, or a margin between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Functional {
    /// u = eᵢ.
    Output(usize),
    /// u = eᵢ − eⱼ.
    Margin(usize, usize),
}

impl Functional {
    /// yᵢ.
    pub fn output(i: usize) -> Self {
        Self::Output(i)
    }

    /// yᵢ − yⱼ.
    pub fn margin(i: usize, j: usize) -> Self {
        Self::Margin(i, j)
    }

    /// The non-zero entries of u: (output, coefficient). All coefficients are ±1, so products with them are exact.
    pub fn entries(self) -> impl Iterator<Item = (usize, f64)> {
        match self {
            Self::Output(i) => [Some((i, 1.0)), None],
            Self::Margin(i, j) => [Some((i, 1.0)), Some((j, -1.0))],
        }
        .into_iter()
        .flatten()
    }
}

impl fmt::Display for Functional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(i) => write!(f, "{i}"),
            Self::Margin(i, j) => write!(f, "{i}-{j}"),
        }
    }
}

impl FromStr for Functional {
    type Err = ProblemError;

    fn from_str(text: &str) -> Result<Self, ProblemError> {
        match text.parse()? {
            Outputs::One(i) => Ok(Self::Output(i)),
            Outputs::Margin(i, j) if i != j => Ok(Self::Margin(i, j)),
            Outputs::Margin(index, _) => Err(ProblemError::SameOutput { index }),
            Outputs::Each | Outputs::Pairs => Err(ProblemError::Outputs { given: text.to_owned() }),
        }
    }
}

/// Why a question makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// An unknown norm.
    #[error("unknown input norm '{given}'; linf and l2 are supported")]
    Norm {
        /// What was given.
        given: String,
    },
    /// An unreadable choice of outputs.
    #[error("unknown output '{given}'; give 'each', 'pairs', an index I counted from 0, or a margin I-J")]
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dual_norms_do_not_underflow_or_overflow() {
        for size in [1.0, 1e-170, 1e170, 1e-300] {
            let g = [3.0 * size, -4.0 * size];
            assert!((InputNorm::L2.dual(g.into_iter()) / (5.0 * size) - 1.0).abs() < 1e-15, "{size}");
            assert!((InputNorm::Linf.dual(g.into_iter()) / (7.0 * size) - 1.0).abs() < 1e-15, "{size}");
        }
        assert_eq!(InputNorm::L2.dual([0.0, 0.0].into_iter()), 0.0);
    }

    #[test]
    fn outputs_read_back_as_they_are_written() {
        for text in ["each", "pairs", "0", "12", "3-7"] {
            assert_eq!(text.parse::<Outputs>().expect("valid").to_string(), text);
        }
        for text in ["", "all", "-1", "1-", "1-2-3", "1.5"] {
            assert!(text.parse::<Outputs>().is_err(), "{text}");
        }
    }
}
