//! The largest input: claims in ℓ1, input by input.
//!
//! **Claim.** The unit ball of ℓ1 is the hull of ±eᵢ, so the FGL is the largest over i of that of the network in which input i alone moves.

use super::certificate::{Certificate, check_output, unfit};
use super::file::{Claim, FormProof, InputProof, Proof};
use super::intervals::input_bounds;
use super::multipliers::check;
use super::rejection::Rejection;
use super::room::{Room, SideBySide};
use crate::problem::InputNorm;
use crate::slopes::SlopeNetwork;
use rayon::prelude::*;

/// Checks claims in ℓ1, a verdict for each: the inputs listed by their multipliers, on the network with that input alone,
/// and all others by intervals that are computed here.
pub fn check_inputs(network: &SlopeNetwork, norm: InputNorm, claims: &[&Claim]) -> Vec<Result<Certificate, Rejection>> {
    check_within(network, norm, (claims, Room::new(usize::MAX)))
}

/// As [`check_inputs`], within some memory.
pub(crate) fn check_within(
    network: &SlopeNetwork,
    norm: InputNorm,
    (claims, room): (&[&Claim], Room),
) -> Vec<Result<Certificate, Rejection>> {
    let lists: Vec<Result<&[InputProof], Rejection>> =
        claims.par_iter().map(|claim| listed_inputs(network, norm, claim)).collect();
    let mut listing: Vec<Vec<(usize, &FormProof)>> = vec![Vec::new(); network.inputs()];
    for (c, list) in lists.iter().enumerate() {
        list.iter().flat_map(|list| *list).for_each(|proof| listing[proof.input].push((c, &proof.multipliers)));
    }
    let one_input = |(input, proofs): (usize, Vec<(usize, &FormProof)>)| {
        let alone = network.with_input_alone(input);
        let rows = |c: usize| claims[c].output.row_count(network.outputs());
        let most = proofs.iter().copied().max_by_key(|(c, _)| rows(*c));
        let form = most.map(|(c, _)| room.form(&alone, rows(c), claims[c]));
        let verdict = |(c, proof): (usize, &FormProof)| {
            // with one input, all norms are the same
            let (output, upper) = (claims[c].output.clone(), claims[c].upper);
            let own = Claim { output, upper, proof: Proof::Multipliers(proof.clone()) };
            let form = form.as_ref().expect("some claim lists this input").as_ref().map_err(Clone::clone);
            (c, form.and_then(|form| check(form, InputNorm::Linf, &own)).map(|_| ()))
        };
        proofs.into_iter().map(verdict).collect::<Vec<_>>()
    };
    let listing: Vec<_> = listing.into_iter().enumerate().filter(|(_, proofs)| !proofs.is_empty()).collect();
    // inputs whose forms do not fit are refused one by one
    let most = listing.first().zip(claims.first()).map(|((input, _), claim)| {
        let alone = network.with_input_alone(*input);
        room.forms(&alone, (claim.output.row_count(network.outputs()), 0.0), claim).unwrap_or(SideBySide::ONE)
    });
    let checked = most.map_or_else(Vec::new, |most| most.map(listing, one_input));
    let mut failed: Vec<Option<Rejection>> = vec![None; claims.len()];
    for (c, verdict) in checked.into_iter().flatten() {
        failed[c] = failed[c].take().or(verdict.err());
    }
    let verdict = |(c, list): (usize, Result<&[InputProof], Rejection>)| {
        let (claim, list) = (claims[c], list?);
        if let Some(rejection) = &failed[c] {
            return Err(rejection.clone());
        }
        room.gradients(network, claim.output.row_count(network.outputs()), claim)?;
        let mut proved = input_bounds(network, &claim.output);
        // what the form of an input proves is at most the whole claim
        list.iter().for_each(|proof| proved[proof.input] = claim.upper);
        Certificate::accept(network, norm, claim, proved.into_iter().fold(0.0, f64::max))
    };
    lists.into_iter().enumerate().map(verdict).collect()
}

/// The inputs of a proof input by input, if it is one that makes sense for this network.
fn listed_inputs<'a>(network: &SlopeNetwork, norm: InputNorm, claim: &'a Claim) -> Result<&'a [InputProof], Rejection> {
    check_output(network, claim)?;
    let Proof::Inputs(inputs) = &claim.proof else {
        return Err(unfit(claim, "it has to be proved input by input, but is not"));
    };
    if norm != InputNorm::L1 {
        return Err(unfit(claim, "a proof input by input works only in l1"));
    }
    if inputs.windows(2).any(|pair| pair[0].input >= pair[1].input) {
        return Err(unfit(claim, "its inputs are not in ascending order"));
    }
    if inputs.last().is_some_and(|last| last.input >= network.inputs()) {
        return Err(unfit(claim, "it is about an input that does not exist"));
    }
    if inputs.iter().any(|proof| proof.multipliers.random_test.is_some()) {
        return Err(unfit(claim, "a proof input by input cannot have random tests"));
    }
    Ok(inputs)
}
