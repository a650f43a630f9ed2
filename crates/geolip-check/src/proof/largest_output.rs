//! The largest output: a claim for each.
//!
//! **Claim.** The norm of x ↦ y from the input norm into ℓ∞ is the largest over i of the norm of x ↦ yᵢ, whatever the slopes; so the FGL
//! of the ℓ∞ norm of the output is the largest of those of all outputs.

use super::certificate::Certificate;
use super::file::{Claim, Proof};
use crate::problem::{Functional, OutputNorm};
use crate::slopes::SlopeNetwork;

impl Certificate {
    /// The certificate of the largest output, from those of all outputs of a network in their order; none if these are
    /// something else.
    pub fn of_largest_output(network: &SlopeNetwork, outputs: &[Self]) -> Option<Self> {
        let norm = outputs.first()?.norm();
        let fits = |(i, c): (usize, &Self)| {
            c.norm() == norm && c.is_about(network) && *c.functional() == Functional::Output(i)
        };
        if outputs.len() != network.outputs() || !outputs.iter().enumerate().all(fits) {
            return None;
        }
        let upper = outputs.iter().map(Self::upper).fold(0.0, f64::max);
        let proof = Proof::Outputs(outputs.iter().map(Self::claim).collect());
        let tested = outputs.iter().find_map(Self::tested_by);
        let claim = Claim { output: Functional::Norm(OutputNorm::Linf), upper, proof };
        Some(Self::shown(network, norm, claim, tested))
    }
}
