//! A place, as data.

use super::{Fixing, Part, Region, RegionError};
use crate::problem::ProblemError;

/// Where a claim holds: everywhere or on a part of a region, and there for all slopes or for those of a case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    part: Option<Part>,
    case: Vec<Fixing>,
}

impl Place {
    /// All inputs.
    pub fn everywhere() -> Self {
        Self::default()
    }

    /// The slopes of this place with which these neurons have these, too.
    pub fn in_case(mut self, fixings: &[Fixing]) -> Self {
        self.case.extend_from_slice(fixings);
        self
    }

    /// The region that it lies in; none for everywhere.
    pub fn region(&self) -> Option<&Region> {
        self.part.as_ref().map(Part::region)
    }

    /// The part of a region that it is; none for everywhere.
    pub fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    /// The neurons whose slopes are fixed.
    pub fn case(&self) -> &[Fixing] {
        &self.case
    }

    /// All slopes of the inputs of this place.
    pub fn whole(&self) -> Self {
        Self { part: self.part.clone(), case: Vec::new() }
    }
}

impl From<Region> for Place {
    fn from(region: Region) -> Self {
        Self { part: Some(region.into()), case: Vec::new() }
    }
}

impl From<Part> for Place {
    fn from(part: Part) -> Self {
        Self { part: Some(part), case: Vec::new() }
    }
}

/// Why there is no bound in a place.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// It is no region, or none for this network.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// Its units are none of this network.
    #[error(transparent)]
    Units(#[from] ProblemError),
    /// A function whose slopes are bounded nowhere but on a region.
    #[error("node '{node}' ({function}) has slopes of any size over all inputs; give a region of inputs")]
    Unbounded {
        /// The node.
        node: String,
        /// Its function.
        function: &'static str,
    },
    /// A function whose slopes are not found to be bounded on the region.
    #[error(
        "node '{node}' ({function}): an argument lies between {} and {} as far as is known, where slopes have no bound; give a \
         smaller region", short(*lower), short(*upper)
    )]
    TooLarge {
        /// The node.
        node: String,
        /// Its function.
        function: &'static str,
        /// At most the smallest value of an argument there.
        lower: f64,
        /// At least its largest.
        upper: f64,
    },
    /// A case of a neuron that does not exist.
    #[error("layer {layer} has no neuron {neuron}, or the network no such layer")]
    Neuron {
        /// The layer.
        layer: usize,
        /// The neuron.
        neuron: usize,
    },
}

/// A number in a message.
fn short(v: f64) -> String {
    if v == 0.0 || !v.is_finite() || (1e-3..1e6).contains(&v.abs()) {
        let text = format!("{v:.6}");
        let shorter = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        shorter.to_owned()
    } else {
        format!("{v:.3e}")
    }
}
