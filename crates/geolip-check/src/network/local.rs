//! A network on a region of inputs: the same nodes with narrower slope intervals.

use super::{Network, Slope};
use crate::region::enclosure::{Effort, Enclosure};
use crate::region::{Part, Region, RegionError};
use std::sync::Arc;

/// A region, and the slope intervals that are proved there, per activation layer in topological order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Local {
    part: Part,
    /// Whether it is known to be empty.
    empty: bool,
    /// A point of it, as far as one is found.
    inside: Vec<f64>,
    /// As they are proved.
    tight: Vec<Vec<Slope>>,
    /// Intervals of some width, or none at all.
    slopes: Vec<Vec<Slope>>,
}

/// Multipliers grow like the inverse of an interval's width, and rounding with them: narrower intervals are widened.
const LEAST_WIDTH: f64 = 1e-7;

impl Network {
    /// This network on a region: the formal Jacobians are those whose slopes are possible there, so the FGL becomes a bound of
    /// the local Lipschitz constant. Weights, [hash](Network::hash) and values are the same; a region that it had before
    /// does not count.
    ///
    /// ```
    /// use geolip_check::Matrix;
    /// use geolip_check::network::{Activation, LinearMap, NetworkBuilder};
    /// use geolip_check::region::{Region, RegionNorm};
    ///
    /// let mut b = NetworkBuilder::new(1)?;
    /// let h = b.affine("h", vec![(b.input(), LinearMap::Identity(1))], Some(vec![-1.0]))?;
    /// let z = b.activate("relu", h, Activation::Relu)?;
    /// let network = b.finish(z);
    /// let left = network.on(Region::around(&[0.0], 0.5, RegionNorm::Linf, None)?)?;
    /// assert_eq!(left.slopes()[0][0].upper, 0.0); // relu(x - 1) is flat on [-0.5, 0.5]
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on(&self, region: Region) -> Result<Self, RegionError> {
        self.restricted(region.into(), Effort::Refined)
    }

    /// As [`Self::on`], by plain intervals: for many regions of one network.
    pub fn on_roughly(&self, region: Region) -> Result<Self, RegionError> {
        self.restricted(region.into(), Effort::Plain)
    }

    /// As [`Self::on`], for a part of a region.
    pub fn on_part(&self, part: Part) -> Result<Self, RegionError> {
        self.restricted(part, Effort::Refined)
    }

    fn restricted(&self, part: Part, effort: Effort) -> Result<Self, RegionError> {
        part.region().fits(self)?;
        let enclosure = Enclosure::new(self, &part, effort);
        let (inside, empty, tight) = (enclosure.inside(&part), enclosure.empty, enclosure.slopes);
        let widened = |slope: &Slope| {
            let more = 0.5 * (LEAST_WIDTH - (slope.upper - slope.lower));
            match more > 0.0 && !slope.is_fixed() {
                true => Slope::new(slope.lower - more, slope.upper + more),
                false => *slope,
            }
        };
        let slopes = tight.iter().map(|layer| layer.iter().map(widened).collect()).collect();
        Ok(Self { local: Some(Arc::new(Local { part, empty, inside, tight, slopes })), ..self.clone() })
    }

    /// As [`Network::slopes`], without widening narrow intervals for the sake of a semidefinite proof.
    pub fn tight_slopes(&self) -> Vec<Vec<Slope>> {
        self.local.as_ref().map_or_else(|| self.slopes(), |local| local.tight.clone())
    }

    /// This network everywhere.
    pub fn everywhere(&self) -> Self {
        Self { local: None, ..self.clone() }
    }

    /// The region it is restricted to, if any.
    pub fn region(&self) -> Option<&Region> {
        self.part().map(Part::region)
    }

    /// The part of it.
    pub fn part(&self) -> Option<&Part> {
        self.local.as_ref().map(|local| &local.part)
    }

    /// A point of that part, as far as one is found; one of its region in any case.
    pub fn inside(&self) -> Option<&[f64]> {
        self.local.as_ref().map(|local| local.inside.as_slice())
    }

    /// Whether it is restricted to a part in which no input lies.
    pub fn is_empty(&self) -> bool {
        self.local.as_ref().is_some_and(|local| local.empty)
    }

    /// The slope intervals there.
    pub(super) fn local_slopes(&self) -> Option<&[Vec<Slope>]> {
        self.local.as_ref().map(|local| local.slopes.as_slice())
    }
}
