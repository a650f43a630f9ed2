//! Certificates: checked upper bounds. Only this folder makes one, from what [`super::prove`] and the theorems beside it accept.

use super::file::{Branch, Claim, FormProof, Proof};
use super::rejection::Rejection;
use crate::form::Tester;
use crate::place::{Part, Place, Region};
use crate::problem::{Functional, InputNorm, ProblemError, Units};
use crate::slopes::SlopeNetwork;

/// A checked upper bound. Everywhere: for every slope pattern v ∈ \[α, β\], ‖J(v)ᵀu‖ in the dual of `norm` (for a norm of the output,
/// the operator norm of J(v)) is at most `upper`, and so is the Lipschitz constant; on a region or a part, or where the proof
/// [takes sides](Self::takes_sides), the Lipschitz constant there is.
/// In a case, the same with the slopes of its neurons. With [units](Self::units) D, J(v) D takes the place of J(v), and x/D that of x. A theorem about the imported network in real arithmetic, unless its
/// [failure probability](Self::failure_probability) is not zero; only the checker makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    norm: InputNorm,
    units: Option<Units>,
    place: Place,
    claim: Claim,
    /// Who ran its random tests; none where there are none.
    tested: Option<Tester>,
}

impl Certificate {
    /// What the theorems of this folder have shown of a slope network: of its network in its place and its units.
    pub(super) fn shown(network: &SlopeNetwork, norm: InputNorm, claim: Claim, tested: Option<Tester>) -> Self {
        Self { norm, units: network.units().cloned(), place: network.place().clone(), claim, tested }
    }

    /// The certificate, if what is proved is what is claimed.
    pub(super) fn accept(
        network: &SlopeNetwork,
        norm: InputNorm,
        claim: &Claim,
        proved: f64,
    ) -> Result<Self, Rejection> {
        match claim.upper >= proved && claim.upper.is_finite() {
            true => Ok(Self::shown(network, norm, claim.clone(), None)),
            false => Err(Rejection::Claim { output: claim.output.to_string(), proved, claimed: claim.upper }),
        }
    }

    /// The same, whose random tests were run by this tester.
    pub(super) fn tested(self, tested: Option<Tester>) -> Self {
        Self { tested, ..self }
    }

    /// The bound.
    pub fn upper(&self) -> f64 {
        self.claim.upper
    }

    /// The norm of input perturbations.
    pub fn norm(&self) -> InputNorm {
        self.norm
    }

    /// The units of these; none are ones.
    pub fn units(&self) -> Option<&Units> {
        self.units.as_ref()
    }

    /// Whether it is about a slope network's units and place.
    pub(super) fn is_about(&self, network: &SlopeNetwork) -> bool {
        self.units() == network.units() && self.place() == network.place()
    }

    /// Where it holds.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where it holds: on this region, or everywhere.
    pub fn region(&self) -> Option<&Region> {
        self.place.region()
    }

    /// The part of that region, where it is one.
    pub fn part(&self) -> Option<&Part> {
        self.place.part()
    }

    /// What is measured of the output.
    pub fn functional(&self) -> &Functional {
        &self.claim.output
    }

    /// What proves it.
    pub fn proof(&self) -> &Proof {
        &self.claim.proof
    }

    /// Whether its proof cuts the place by inputs or by sides of pre-activations: then it bounds the Lipschitz constant there, and not the norms of
    /// all slope patterns.
    pub fn takes_sides(&self) -> bool {
        self.proof().rests_on(&|proof| match proof {
            Proof::Tree(tree) => tree.iter().any(|branch| matches!(branch, Branch::Input(..) | Branch::Side(..))),
            Proof::Multipliers(_)
            | Proof::Outputs(_)
            | Proof::Inputs(_)
            | Proof::Signs(_)
            | Proof::Cuts(_)
            | Proof::Intervals
            | Proof::Patterns => false,
        })
    }

    /// 0 for a proof; for a probabilistic certificate, the probability that its tests pass what is not true.
    pub fn failure_probability(&self) -> f64 {
        failure_probability(&self.claim.proof)
    }

    /// Who ran the random tests behind it; none where it is proved outright.
    pub fn tested_by(&self) -> Option<Tester> {
        self.tested
    }

    /// The claim this certificate proves, for a file.
    pub fn claim(&self) -> Claim {
        self.claim.clone()
    }

    /// The same bound in ℓ1, whose unit ball lies in that of ℓ2; none if this is not one in ℓ2.
    pub fn of_l2_in_l1(self) -> Option<Self> {
        (self.norm == InputNorm::L2).then_some(Self { norm: InputNorm::L1, ..self })
    }
}

/// At most the sum over all random tests behind a proof.
fn failure_probability(proof: &Proof) -> f64 {
    let of = |form: &FormProof| form.random_test.map_or(0.0, |test| test.failure_probability);
    match proof {
        Proof::Multipliers(form) => of(form),
        Proof::Outputs(claims) => claims.iter().map(|claim| failure_probability(&claim.proof)).sum(),
        Proof::Inputs(inputs) => inputs.iter().map(|input| of(&input.multipliers)).sum(),
        // the checker refuses random tests there
        Proof::Signs(_) | Proof::Cuts(_) | Proof::Tree(_) | Proof::Intervals | Proof::Patterns => 0.0,
    }
}

/// That a list is as long as it has to be.
pub(super) fn fits(what: &str, found: usize, expected: usize) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what} has {found} numbers, but this network needs {expected}")),
    }
}

/// That a claim is not proved, and why.
pub(super) fn unfit(claim: &Claim, reason: &str) -> Rejection {
    Rejection::NotProved { output: claim.output.to_string(), reason: reason.to_owned() }
}

/// That the network has the output of a claim.
pub(super) fn check_output(network: &SlopeNetwork, claim: &Claim) -> Result<(), Rejection> {
    claim.output.fits(network.network()).map_err(|error: ProblemError| Rejection::Output {
        output: claim.output.to_string(),
        reason: error.to_string(),
    })
}
