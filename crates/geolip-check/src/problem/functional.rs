//! What is measured of the output: a linear functional uᵀy, or a norm of all outputs.

use super::norm::OutputNorm;
use super::{Outputs, ProblemError};
use crate::network::Network;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What is measured of the output y ∈ R^m.
#[derive(Clone, Debug, PartialEq)]
pub enum Functional {
    /// yᵢ.
    Output(usize),
    /// yᵢ − yⱼ.
    Margin(usize, usize),
    /// uᵀy for any u.
    Vector(Weights),
    /// ‖y‖: uᵀy for the worst u of dual norm one.
    Norm(OutputNorm),
}

/// The numbers of a vector functional: finite, and not all zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights(Arc<[f64]>);

impl Weights {
    /// Takes u, one number per output.
    pub fn new(u: &[f64]) -> Result<Self, ProblemError> {
        match u.iter().position(|v| !v.is_finite()) {
            Some(index) => Err(ProblemError::WeightNumber { index, value: u[index] }),
            None if u.iter().all(|v| *v == 0.0) => Err(ProblemError::ZeroWeights),
            None => Ok(Self(u.into())),
        }
    }

    /// u.
    pub fn numbers(&self) -> &[f64] {
        &self.0
    }
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

    /// The non-zero entries (output, coefficient) of u; none for a norm.
    pub fn entries(&self) -> Option<Vec<(usize, f64)>> {
        match self {
            Self::Output(i) => Some(vec![(*i, 1.0)]),
            Self::Margin(i, j) => Some(vec![(*i, 1.0), (*j, -1.0)]),
            Self::Vector(u) => Some(u.0.iter().copied().enumerate().filter(|(_, v)| *v != 0.0).collect()),
            Self::Norm(_) => None,
        }
    }

    /// The linear functionals whose values it is made of: uᵀy itself, or every yᵢ for a norm of m outputs. One
    /// homogenising variable of the certificate belongs to each.
    pub fn rows(&self, outputs: usize) -> Vec<Vec<(usize, f64)>> {
        match self.entries() {
            Some(entries) => vec![entries],
            None => (0..outputs).map(|i| vec![(i, 1.0)]).collect(),
        }
    }

    /// The number of [`Self::rows`].
    pub fn row_count(&self, outputs: usize) -> usize {
        match self {
            Self::Output(_) | Self::Margin(..) | Self::Vector(_) => 1,
            Self::Norm(_) => outputs,
        }
    }

    /// The number of ζ in a certificate: one per row, but a single one for all rows of ℓ2.
    pub fn zetas(&self, outputs: usize) -> usize {
        match self {
            Self::Output(_) | Self::Margin(..) | Self::Vector(_) | Self::Norm(OutputNorm::L2) => 1,
            Self::Norm(OutputNorm::Linf | OutputNorm::L1) => outputs,
        }
    }

    /// Whether it is a norm of all outputs.
    pub fn is_norm(&self) -> bool {
        matches!(self, Self::Norm(_))
    }

    /// Checks that the outputs it reads exist.
    pub fn fits(&self, network: &Network) -> Result<(), ProblemError> {
        let outputs = network.outputs();
        let check = |index| if index < outputs { Ok(()) } else { Err(ProblemError::OutputRange { index, outputs }) };
        match self {
            Self::Output(i) => check(*i),
            Self::Margin(i, j) if i == j => Err(ProblemError::SameOutput { index: *i }),
            Self::Margin(i, j) => check(*i).and(check(*j)),
            Self::Vector(u) if u.0.len() == outputs => Ok(()),
            Self::Vector(u) => Err(ProblemError::WeightCount { given: u.0.len(), outputs }),
            Self::Norm(_) => Ok(()),
        }
    }
}

impl fmt::Display for Functional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(i) => write!(f, "{i}"),
            Self::Margin(i, j) => write!(f, "{i}-{j}"),
            Self::Vector(_) => f.write_str("vector"),
            Self::Norm(norm) => write!(f, "{norm}"),
        }
    }
}

impl FromStr for Functional {
    type Err = ProblemError;

    /// Reads what is displayed, but a vector: its name does not say its numbers.
    fn from_str(text: &str) -> Result<Self, ProblemError> {
        match text.parse()? {
            Outputs::One(i) => Ok(Self::Output(i)),
            Outputs::Margin(i, j) if i != j => Ok(Self::Margin(i, j)),
            Outputs::Margin(index, _) => Err(ProblemError::SameOutput { index }),
            Outputs::Norm(norm) => Ok(Self::Norm(norm)),
            Outputs::Each | Outputs::Pairs | Outputs::Vector(_) => {
                Err(ProblemError::Outputs { given: text.to_owned() })
            }
        }
    }
}

impl Serialize for Functional {
    /// The name of an output, margin or norm; the numbers of a vector.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Output(_) | Self::Margin(..) | Self::Norm(_) => self.to_string().serialize(serializer),
            Self::Vector(u) => u.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Functional {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an output is a text such as \"8\", \"3-7\" or \"l2\", or a list of numbers")]
        enum Raw {
            Name(String),
            Numbers(Vec<f64>),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Name(name) => name.parse().map_err(D::Error::custom),
            Raw::Numbers(u) => Weights::new(&u).map(Self::Vector).map_err(D::Error::custom),
        }
    }
}
