//! What the checker works out for itself, where that is better than what is known.
//!
//! Intervals for every entry of the gradient are below the relaxation where inputs are moved by few paths; all patterns of a few
//! neurons are the formal constant itself. One maximum of k numbers in ℓ∞ is the example: its relaxation is √k, its k − 1 neurons'
//! patterns give 1.

use crate::problem::{Functional, InputNorm};
use crate::proof::intervals::MOST_UNDECIDED;
use crate::proof::{Certificate, certify_by_intervals, certify_by_patterns};
use crate::slopes::SlopeNetwork;

/// Multiply–adds that looking at all patterns may take.
const MOST_WORK: usize = 200_000_000;
/// Rows of a functional for which intervals cost less than the relaxation.
const FEW_ROWS: usize = 16;
/// Numbers that the intervals of all nodes may be.
const MOST_NUMBERS: usize = 1 << 25;

/// The best of a certificate and those by intervals and by patterns.
pub(crate) fn by_itself(
    network: &SlopeNetwork,
    norm: InputNorm,
    functional: &Functional,
    known: Certificate,
) -> Certificate {
    let rows = functional.row_count(network.outputs());
    let held = network.nodes().iter().fold(0_usize, |sum, node| sum.saturating_add(node.len));
    let cheap = rows <= FEW_ROWS || rows.saturating_mul(network.multiply_adds()) <= MOST_WORK;
    let by_intervals = match cheap && rows.saturating_mul(held) <= MOST_NUMBERS {
        true => certify_by_intervals(network, norm, functional),
        false => None,
    };
    let known = better(by_intervals, known);
    by_patterns(network, norm, functional, known)
}

/// The bound by patterns where there are few, if it is better.
pub(crate) fn by_patterns(
    network: &SlopeNetwork,
    norm: InputNorm,
    functional: &Functional,
    known: Certificate,
) -> Certificate {
    let undecided = network.tight_slopes().iter().flatten().filter(|slope| !slope.is_fixed()).count();
    let columns = functional.row_count(network.outputs()) << undecided.min(MOST_UNDECIDED);
    if undecided > MOST_UNDECIDED || columns.saturating_mul(network.multiply_adds()) > MOST_WORK {
        return known;
    }
    better(certify_by_patterns(network, norm, functional), known)
}

fn better(found: Option<Certificate>, known: Certificate) -> Certificate {
    found.filter(|found| found.upper() < known.upper()).unwrap_or(known)
}
