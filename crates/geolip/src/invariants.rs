//! What has to hold of every result whatever found it. A result that breaks it is never given out: something that is trusted is
//! wrong then, and nobody can say what else of it is.

use crate::bound::BoundError;
use crate::network::Network;
use crate::region::Region;
use crate::report::{Bound, Report};

/// How a result contradicts itself.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// Something attained exceeds what is proved to be the most.
    #[error("{what} is {lower:e}, more than the upper bound {upper:e}")]
    Exceeds {
        /// Which bound from below.
        what: &'static str,
        /// The bound from below.
        lower: f64,
        /// The bound from above.
        upper: f64,
    },
    /// A bound is negative, infinite, or not a number.
    #[error("{what} is {value}")]
    Value {
        /// Which number.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// The input of a lower bound is none.
    #[error("the input of the lower bound holds {value} at {index}")]
    Input {
        /// Where.
        index: usize,
        /// The number.
        value: f64,
    },
    /// The input of a lower bound has another length than those of the network.
    #[error("the input of the lower bound has {given} numbers, the network {inputs}")]
    Inputs {
        /// How many it has.
        given: usize,
        /// How many the network has.
        inputs: usize,
    },
    /// The input of a lower bound lies outside the region that was asked about.
    #[error("the input of the lower bound is not inside the region")]
    Outside,
}

/// The report, if every bound of it is consistent.
///
/// **Claim.** Of every bound in a report that is given out: `upper`, `witness.lower`, `pattern.value` and `pattern_lower` are
/// finite and not negative, the last three are at most the first, and the witness is a finite input of the network, inside the
/// region if there is one.
pub(crate) fn checked(network: &Network, report: Report) -> Result<Report, BoundError> {
    for bound in &report.bounds {
        check(network, report.region.as_ref(), bound)
            .map_err(|broken| BoundError::Broken { output: bound.functional.to_string(), broken })?;
    }
    Ok(report)
}

fn check(network: &Network, region: Option<&Region>, bound: &Bound) -> Result<(), Broken> {
    let upper = bound.upper();
    let below = [
        ("the lower bound", bound.witness.lower),
        ("the pattern's value", bound.pattern.value),
        ("the pattern bound", bound.pattern_lower),
    ];
    for (what, value) in below.into_iter().chain([("the upper bound", upper)]) {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(Broken::Value { what, value });
        }
    }
    if let Some((what, lower)) = below.into_iter().find(|(_, lower)| *lower > upper) {
        return Err(Broken::Exceeds { what, lower, upper });
    }
    let input = &bound.witness.input;
    if input.len() != network.inputs() {
        return Err(Broken::Inputs { given: input.len(), inputs: network.inputs() });
    }
    if let Some(index) = input.iter().position(|v| !v.is_finite()) {
        return Err(Broken::Input { index, value: input[index] });
    }
    match region.is_none_or(|region| region.contains(input)) {
        true => Ok(()),
        false => Err(Broken::Outside),
    }
}
