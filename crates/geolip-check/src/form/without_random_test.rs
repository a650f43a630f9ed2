//! What stands for random tests in a build without the feature `probabilistic`: there are no random numbers, so none is ever run.

use super::quadratic::Multipliers;
use super::test_claim::RandomTest;
use super::tester::{Randomness, Tester};
use crate::problem::{Functional, InputNorm};
use crate::slopes::SlopeNetwork;

/// The random numbers of a tester: there are none.
#[derive(Clone, Debug)]
pub enum Draws {}

impl Draws {
    /// An error that names the feature.
    pub fn of_checker(_randomness: Randomness) -> Result<Self, String> {
        Err("this build has no random tests; build with the feature `probabilistic`".to_owned())
    }

    /// Whose they are.
    pub fn tester(&self) -> Tester {
        match *self {}
    }

    pub(crate) fn stream(&self, _test: u64) -> Self {
        match *self {}
    }
}

/// A form as an operator, which only a random test needs.
#[derive(Clone, Copy, Debug)]
pub struct MatrixFreeForm<'a>(&'a SlopeNetwork);

impl<'a> MatrixFreeForm<'a> {
    /// Prepares for a network.
    pub fn new(network: &'a SlopeNetwork) -> Self {
        Self(network)
    }

    /// The network.
    pub fn network(&self) -> &'a SlopeNetwork {
        self.0
    }

    pub(crate) fn test(
        &self,
        _norm: InputNorm,
        _functional: &Functional,
        _multipliers: &Multipliers,
        _claim: (RandomTest, f64),
        draws: &mut Draws,
    ) -> Result<(), String> {
        match *draws {}
    }
}
