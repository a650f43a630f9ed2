//! Units of the input: sensors of different scales, or some features of many.

use super::ProblemError;
use crate::network::Network;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A unit for every input: a change x of the input has the norm ‖x/unit‖, entry by entry; inputs whose unit is 0 do not change.
///
/// **Claim.** With D = diag(unit), changes are x = D t with ‖t‖ the norm that is asked for, so what bounds the network t ↦ y(x₀ + D t)
/// for every x₀ bounds the network in these units. Its Jacobians are J(x) D. (Inputs whose unit is 0 stay where they are, wherever
/// that is: bounds hold for each of their values.)
///
/// Finite, not negative, and not all zero; no units at all are ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Units(Arc<[f64]>);

impl Units {
    /// Takes one number per input.
    pub fn new(units: &[f64]) -> Result<Self, ProblemError> {
        match units.iter().position(|v| !(*v >= 0.0 && v.is_finite())) {
            Some(index) => Err(ProblemError::UnitNumber { index, value: units[index] }),
            None if units.iter().all(|v| *v == 0.0) => Err(ProblemError::ZeroUnits),
            // −0 is 0, in files and in hashes, too
            None => Ok(Self(units.iter().map(|v| v.abs()).collect())),
        }
    }

    /// One number per input.
    pub fn numbers(&self) -> &[f64] {
        &self.0
    }

    /// How many inputs are held fixed.
    pub fn fixed(&self) -> usize {
        self.0.iter().filter(|v| **v == 0.0).count()
    }

    /// That there is one per input.
    pub fn fits(&self, network: &Network) -> Result<(), ProblemError> {
        self.fit(network.inputs())
    }

    /// As [`Self::fits`], for so many inputs.
    pub(crate) fn fit(&self, inputs: usize) -> Result<(), ProblemError> {
        match self.0.len() == inputs {
            true => Ok(()),
            false => Err(ProblemError::UnitCount { given: self.0.len(), inputs }),
        }
    }
}

impl TryFrom<Vec<f64>> for Units {
    type Error = ProblemError;

    fn try_from(units: Vec<f64>) -> Result<Self, ProblemError> {
        Self::new(&units)
    }
}

impl From<Units> for Vec<f64> {
    fn from(units: Units) -> Self {
        units.0.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_that_measure_nothing_are_refused() {
        for units in [vec![], vec![0.0, 0.0], vec![1.0, -1.0], vec![f64::NAN], vec![f64::INFINITY, 1.0]] {
            let error = Units::new(&units).expect_err("no units").to_string();
            assert!(!error.contains('\n') && error.len() > 20, "{error}");
        }
        let units = Units::new(&[0.0, 2.5, -0.0]).expect("units");
        assert_eq!((units.numbers(), units.fixed()), (&[0.0, 2.5, 0.0][..], 2));
        let text = serde_json::to_string(&units).expect("text");
        assert_eq!(serde_json::from_str::<Units>(&text).ok(), Some(units), "{text}");
        for text in ["[]", "[-1.0]", "[0.0]", "\"1\"", "[1e999]"] {
            assert!(serde_json::from_str::<Units>(text).is_err(), "{text}");
        }
    }
}
