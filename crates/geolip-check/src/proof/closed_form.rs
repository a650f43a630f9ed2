//! Claims that the checker works out for itself: by intervals for every entry of the gradient, or by the patterns of few neurons.

use super::certificate::{Certificate, check_output, unfit};
use super::file::{Claim, Proof};
use super::intervals::{MOST_UNDECIDED, entrywise_bound, patterns_bound};
use super::rejection::Rejection;
use super::room::Room;
use super::sizes::forward_bound;
use crate::problem::{Functional, InputNorm};
use crate::slopes::SlopeNetwork;

/// Checks a claim by intervals for every entry of the gradient ([`entrywise_bound`]), or by patterns ([`patterns_bound`]), computed here
/// within some memory.
pub(super) fn check_within(
    network: &SlopeNetwork,
    norm: InputNorm,
    (claim, room): (&Claim, Room),
) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    let undecided = || network.tight_slopes().iter().flatten().filter(|slope| !slope.is_fixed()).count();
    let patterns = match claim.proof {
        Proof::Patterns => 1 << undecided().min(MOST_UNDECIDED),
        _ => 1,
    };
    room.gradients(network, patterns * claim.output.row_count(network.outputs()), claim)?;
    let proved = match claim.proof {
        Proof::Intervals => bound_by_intervals(network, norm, &claim.output),
        Proof::Patterns => patterns_bound(network, norm, &claim.output)
            .ok_or_else(|| unfit(claim, "too many neurons have no fixed slope for all their patterns to be checked"))?,
        _ => return Err(unfit(claim, "it has to be proved by intervals, but is not")),
    };
    Certificate::accept(network, norm, claim, proved)
}

/// [`entrywise_bound`], in ℓ∞ or [`forward_bound`] where that is smaller; nothing on a part in which no input lies.
fn bound_by_intervals(network: &SlopeNetwork, norm: InputNorm, functional: &Functional) -> f64 {
    if network.is_empty() {
        return 0.0;
    }
    let entrywise = entrywise_bound(network, norm, functional);
    if norm == InputNorm::Linf { entrywise.min(forward_bound(network, functional)) } else { entrywise }
}

/// The certificate that intervals alone make; none where they overflow, or the functional is none of this network.
pub fn certify_by_intervals(network: &SlopeNetwork, norm: InputNorm, functional: &Functional) -> Option<Certificate> {
    functional.fits(network.network()).ok()?;
    let upper = bound_by_intervals(network, norm, functional);
    let claim = Claim { output: functional.clone(), upper, proof: Proof::Intervals };
    Certificate::accept(network, norm, &claim, upper).ok()
}

/// The certificate that the patterns of few undecided neurons make; none where there are many.
pub fn certify_by_patterns(network: &SlopeNetwork, norm: InputNorm, functional: &Functional) -> Option<Certificate> {
    functional.fits(network.network()).ok()?;
    let upper = patterns_bound(network, norm, functional)?;
    let claim = Claim { output: functional.clone(), upper, proof: Proof::Patterns };
    Certificate::accept(network, norm, &claim, upper).ok()
}
