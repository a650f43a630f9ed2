//! A network on a region of inputs: the same nodes with narrower slope intervals.

use super::{Network, Slope};
use crate::region::enclosure::{Effort, Enclosure};
use crate::region::{Region, RegionError};
use std::sync::Arc;

/// A region, and the slope intervals that are proved there, per activation layer in topological order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Local {
    region: Region,
    slopes: Vec<Vec<Slope>>,
}

impl Network {
    /// This network on a region: the formal Jacobians are those whose slopes are possible there, so the FGL becomes a bound of
    /// the local Lipschitz constant. Weights, [hash](Network::hash) and values are the same; a region that it had before
    /// does not count.
    ///
    /// ```
    /// use geolip::Matrix;
    /// use geolip::network::{Activation, LinearMap, NetworkBuilder};
    /// use geolip::region::{Region, RegionNorm};
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
        self.restricted(region, Effort::Refined)
    }

    /// As [`Self::on`], for one of many parts of a region.
    pub(crate) fn on_part(&self, region: Region) -> Result<Self, RegionError> {
        self.restricted(region, Effort::Plain)
    }

    fn restricted(&self, region: Region, effort: Effort) -> Result<Self, RegionError> {
        region.fits(self)?;
        let slopes = Enclosure::new(self, &region, effort).slopes;
        Ok(Self { local: Some(Arc::new(Local { region, slopes })), ..self.clone() })
    }

    /// This network everywhere.
    pub fn everywhere(&self) -> Self {
        Self { local: None, ..self.clone() }
    }

    /// The region it is restricted to, if any.
    pub fn region(&self) -> Option<&Region> {
        self.local.as_ref().map(|local| &local.region)
    }

    /// The slope intervals there.
    pub(super) fn local_slopes(&self) -> Option<&[Vec<Slope>]> {
        self.local.as_ref().map(|local| local.slopes.as_slice())
    }
}
