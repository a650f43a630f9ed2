//! Claims with a tree: case by case ([`crate::certificate::cases`]) and part by part of a region ([`crate::certificate::parts`]).
//!
//! Leaves are taken from the tree a few at a time: what a leaf needs besides its proof (the neurons that its path fixes, its
//! part of the region) is made for it and then forgotten, so that memory grows with the file and the network, not with their product.

use super::super::cases::{self, Fixing, restricted};
use super::super::form::QuadraticForm;
use super::super::format::{Branch, CaseProof, Claim, Cut, FormProof, Proof};
use super::super::one_hidden::OneHidden;
use super::super::parts;
use super::super::rejection::Rejection;
use super::super::signs::SignProof;
use super::inputs::{check_inputs_within, check_intervals_within};
use super::room::Room;
use super::{Certificate, check, check_form, check_output, check_signs, describe, unfit};
use crate::network::{Network, Twins};
use crate::problem::{Functional, InputNorm};
use crate::region::{Knife, Part};

impl Certificate {
    /// The certificate of the network from checked cases of it that are all there are; none if they are not, or are about
    /// something else. A tree that is one leaf is a bound by multipliers like any other.
    pub fn of_cases(network: &Network, tree: &[CheckedBranch<'_>]) -> Option<Self> {
        let cases: Vec<&CheckedCase> = tree
            .iter()
            .filter_map(|branch| match branch {
                CheckedBranch::Split(..) => None,
                CheckedBranch::Leaf(case) => Some(*case),
            })
            .collect();
        let written: Vec<Branch> = tree
            .iter()
            .map(|branch| match branch {
                CheckedBranch::Split(layer, neuron) => Branch::Split(*layer, *neuron),
                CheckedBranch::Leaf(case) => Branch::Leaf(case.proof.clone()),
            })
            .collect();
        let (norm, functional) = cases.first().map(|case| (case.norm, &case.functional))?;
        let mut leaves = cases::Leaves::new(network, &written);
        for case in &cases {
            leaves.advance().ok()??;
            let fits = case.norm == norm && case.functional == *functional && case.fixings == leaves.path();
            fits.then_some(())?;
        }
        leaves.advance().ok()?.is_none().then_some(())?;
        let upper = cases.iter().map(|case| case.upper).fold(0.0, f64::max);
        let proof = match cases.as_slice() {
            [CheckedCase { proof: CaseProof::Multipliers(proof), .. }] => Proof::Multipliers(proof.clone()),
            [CheckedCase { proof: CaseProof::Signs(proof), .. }] => Proof::Signs(proof.clone()),
            _ => Proof::Cases(written),
        };
        let part = network.part();
        if !cases.iter().all(|case| case.part.as_ref() == part) {
            return None;
        }
        let claim = Claim { output: functional.clone(), upper, proof };
        Some(Self { norm, part: part.cloned(), claim, tested: None })
    }

    /// The certificate on the region of `network` from certificates of all its parts, in the order of [`crate::certificate::parts`]; none
    /// if they are not all there are, or are about something else.
    pub(crate) fn of_parts(network: &Network, twins: &Twins, tree: &[CheckedCut<'_>]) -> Option<Self> {
        let leaves = tree.iter().filter_map(|node| match node {
            CheckedCut::Cut(_) => None,
            CheckedCut::Leaf(certificate) => Some(*certificate),
        });
        let certificates: Vec<&Self> = leaves.collect();
        let (norm, output) = certificates.first().map(|c| (c.norm, c.claim.output.clone()))?;
        let written = tree.iter().map(|node| match node {
            CheckedCut::Cut(Knife::Input(input, at)) => Cut::Cut(*input, *at),
            CheckedCut::Cut(Knife::Neuron(layer, neuron, at)) => Cut::Side(*layer, *neuron, *at),
            CheckedCut::Leaf(certificate) => Cut::Leaf(Box::new(certificate.claim.proof.clone())),
        });
        let written: Vec<Cut> = written.collect();
        let region = network.region()?;
        let layers = layers(network);
        let mut leaves = parts::Leaves::new(region, (&layers, twins), &written);
        for certificate in &certificates {
            leaves.advance().ok()??;
            let part = leaves.part().ok()?;
            let fits = certificate.norm == norm && certificate.claim.output == output;
            (fits && certificate.part() == Some(&part)).then_some(())?;
        }
        leaves.advance().ok()?.is_none().then_some(())?;
        let upper = certificates.iter().map(|c| c.upper()).fold(0.0, f64::max);
        let proof = match certificates.as_slice() {
            [certificate] => certificate.claim.proof.clone(),
            _ => Proof::Parts(written),
        };
        Some(Self { norm, part: network.part().cloned(), claim: Claim { output, upper, proof }, tested: None })
    }
}

/// A node of a tree of certificates for the parts of a region, in the order of [`crate::certificate::parts`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum CheckedCut<'a> {
    /// Into the part at most, and the part at least.
    Cut(Knife),
    /// The bound of a part.
    Leaf(&'a Certificate),
}

/// A checked bound of one case: of all slope patterns in which the neurons of its path are at the given ends. Only the
/// checker makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedCase {
    norm: InputNorm,
    part: Option<Part>,
    functional: Functional,
    fixings: Vec<Fixing>,
    upper: f64,
    proof: CaseProof,
}

impl CheckedCase {
    /// The bound of the case.
    pub fn upper(&self) -> f64 {
        self.upper
    }

    /// What proves it.
    pub fn proof(&self) -> &CaseProof {
        &self.proof
    }
}

/// A node of a tree of checked cases, in the order of [`crate::certificate::cases`].
#[derive(Clone, Copy, Debug)]
pub enum CheckedBranch<'a> {
    /// (activation layer, neuron)
    Split(usize, usize),
    /// A case.
    Leaf(&'a CheckedCase),
}

/// Checks the bound of one case by its multipliers: the form names the neurons that are fixed in it.
pub fn check_case(
    form: &QuadraticForm<'_>,
    norm: InputNorm,
    functional: &Functional,
    (upper, proof): (f64, FormProof),
) -> Result<CheckedCase, Rejection> {
    let claim = Claim { output: functional.clone(), upper, proof: Proof::Multipliers(proof.clone()) };
    check_form(form.network(), norm, &claim, |functional, multipliers, test| match test {
        Some(_) => Err("a case is proved outright, not by a random test".to_owned()),
        None => form.prove(norm, functional, multipliers).map_err(|defect| describe(form.network(), defect)),
    })?;
    let (part, proof) = (form.network().part().cloned(), CaseProof::Multipliers(proof));
    Ok(CheckedCase { norm, part, functional: functional.clone(), fixings: form.fixings().to_vec(), upper, proof })
}

/// Checks the bound of one case of a network with one hidden layer by a proof with cuts.
pub(crate) fn check_sign_case(
    layer: &OneHidden<'_>,
    norm: InputNorm,
    functional: &Functional,
    fixings: &[Fixing],
    (upper, proof): (f64, SignProof),
) -> Result<CheckedCase, Rejection> {
    let claim = Claim { output: functional.clone(), upper, proof: Proof::Signs(proof.clone()) };
    let slopes = restricted(layer.network(), fixings).ok_or_else(|| unfit(&claim, "it is about unknown neurons"))?;
    check_signs(layer, norm, &claim, slopes.first().map_or(&[], Vec::as_slice))?;
    let (part, proof) = (layer.network().part().cloned(), CaseProof::Signs(proof));
    Ok(CheckedCase { norm, part, functional: functional.clone(), fixings: fixings.to_vec(), upper, proof })
}

pub(super) const NOT_ONE_LAYER: &str =
    "a proof on signs works only for a network with one hidden layer of moderate size";

/// Checks a claim case by case: that its tree is whole, and that every leaf proves at most the bound claimed.
pub(super) fn check_cases(
    network: &Network,
    norm: InputNorm,
    claim: &Claim,
    (tree, room): (&[Branch], Room),
) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    cases::Leaves::new(network, tree).count().map_err(|reason| unfit(claim, reason))?;
    let rows = claim.output.row_count(network.outputs());
    let by_form = |branch: &Branch| matches!(branch, Branch::Leaf(CaseProof::Multipliers(_)));
    let side_by_side = match tree.iter().any(by_form) {
        true => room.forms(network, rows, claim)?,
        false => room.leaves(),
    };
    let layer = OneHidden::new(network).ok();
    let mut leaves = cases::Leaves::new(network, tree);
    let next = || {
        let proof = leaves.advance().map_err(|reason| unfit(claim, reason))?;
        Ok(proof.map(|proof| (leaves.path().to_vec(), proof)))
    };
    side_by_side.all(next, |(path, proof)| match proof {
        CaseProof::Multipliers(proof) => {
            let form = QuadraticForm::of_case(network, path, room.bytes());
            let form = form.ok_or_else(|| unfit(claim, "it is about unknown neurons, or takes too much memory"))?;
            room.holds(&form, rows, claim)?;
            check_case(&form, norm, &claim.output, (claim.upper, proof.clone())).map(|_| ())
        }
        CaseProof::Signs(proof) => {
            let layer = layer.as_ref().ok_or_else(|| unfit(claim, NOT_ONE_LAYER))?;
            check_sign_case(layer, norm, &claim.output, &path, (claim.upper, proof.clone())).map(|_| ())
        }
    })?;
    Ok(Certificate { norm, part: network.part().cloned(), claim: claim.clone(), tested: None })
}

/// Neurons per activation layer.
fn layers(network: &Network) -> Vec<usize> {
    network.activations().map(|(node, _, _)| network.node(node).len).collect()
}

/// Checks a claim part by part of the region: that the parts cover it, and that the proof of each proves at most the bound
/// claimed on that part, with slope intervals that are worked out for it here.
pub(super) fn check_parts(
    network: &Network,
    norm: InputNorm,
    claim: &Claim,
    (tree, room): (&[Cut], Room),
) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    let region = network.region().ok_or_else(|| unfit(claim, "it has parts, but no region"))?;
    let (layers, twins) = (layers(network), Twins::new(network));
    let leaves = || parts::Leaves::new(region, (&layers, &twins), tree);
    leaves().count().map_err(|reason| unfit(claim, reason))?;
    let rows = claim.output.row_count(network.outputs());
    let by_form = |cut: &Cut| matches!(cut, Cut::Leaf(proof) if matches!(**proof, Proof::Multipliers(_)));
    let side_by_side = match tree.iter().any(by_form) {
        true => room.forms(network, rows, claim)?,
        false => room.leaves(),
    };
    let mut leaves = leaves();
    let next = || match leaves.advance().map_err(|reason| unfit(claim, reason))? {
        Some(proof) => Ok(Some((leaves.part()?, proof))),
        None => Ok(None),
    };
    side_by_side.all(next, |(part, proof): (Part, &Proof)| {
        let local = network.on_part(part).map_err(|error| unfit(claim, &error.to_string()))?;
        let own = Claim { output: claim.output.clone(), upper: claim.upper, proof: proof.clone() };
        match &own.proof {
            Proof::Intervals | Proof::Patterns => check_intervals_within(&local, norm, (&own, room)),
            Proof::Multipliers(FormProof { random_test: None, .. }) => {
                let form = room.form(&local, rows, claim)?;
                check(&form, norm, &own)
            }
            Proof::Inputs(_) => {
                check_inputs_within(&local, norm, (&[&own], room)).pop().expect("one verdict per claim")
            }
            Proof::Cases(tree) => check_cases(&local, norm, &own, (tree, room)),
            Proof::Signs(_) => match OneHidden::new(&local) {
                Ok(layer) => check_signs(&layer, norm, &own, layer.slopes()),
                Err(_) => Err(unfit(claim, NOT_ONE_LAYER)),
            },
            Proof::Multipliers(_) | Proof::Outputs(_) | Proof::Parts(_) => {
                Err(unfit(claim, "a part is proved outright, by one form, by cases, by inputs or by intervals"))
            }
        }
        .map(|_| ())
    })?;
    Ok(Certificate { norm, part: network.part().cloned(), claim: claim.clone(), tested: None })
}
