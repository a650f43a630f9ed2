//! The trusted checker: the only place where a [`Certificate`] can be made.
//!
//! It takes a claim (ζ, γ, λ and the bound they are said to prove) and the network, and re-does the proof from these
//! numbers alone: that they are finite and non-negative, that the form q of [`super::form`] is non-negative (proved in
//! floating point by [`super::cholesky`], or tested by [`super::randomised`]), and that what then follows
//! ([`super::support`]), rounded up, does not exceed the bound claimed. For the largest of all outputs it checks a claim for
//! each; for ℓ1, the claims about single inputs, and an interval ([`super::intervals`]) for every other input; case by case
//! ([`super::cases`]), that the cases are all there are, and each by itself; for one hidden layer, programs on signs
//! ([`super::signs`]); on a region, with slope intervals that it works out itself ([`crate::region`]), and part by part
//! ([`super::parts`]), that the parts cover it. It knows nothing of how the multipliers were found, and imports nothing from
//! the solver.
//!
//! What you trust when you trust a certificate: this folder, [`crate::matrix`], the network's own definition
//! ([`crate::network`]: weights, slope intervals) and its import, for local bounds [`crate::region`], and IEEE-754 arithmetic.

use super::cases::{Fixing, leaves, restricted};
use super::form::{Defect, Multipliers, QuadraticForm};
use super::format::{Branch, CaseProof, CertificateFile, Claim, Cut, FormProof, InputProof, Proof};
use super::intervals::{entrywise_bound, input_bounds, patterns_bound};
use super::one_hidden::OneHidden;
use super::parts::parts;
use super::randomised::{MatrixFreeForm, RandomTest};
use super::rejection::Rejection;
use super::signs::{self, SignProof};
use super::support::proved_bound;
use crate::network::{Network, Slope, Twins};
use crate::problem::{Functional, InputNorm, OutputNorm, ProblemError};
use crate::region::{Knife, Part, Region};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::cell::LazyCell;

/// A checked upper bound: for every slope pattern v ∈ \[α, β\], ‖J(v)ᵀu‖ in the dual of `norm` (for a norm of the output,
/// the operator norm of J(v)) is at most `upper`, and so is the Lipschitz constant. A theorem about the imported network in
/// real arithmetic, unless its [failure probability](Self::failure_probability) is not zero; only the checker makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    norm: InputNorm,
    /// Where it holds; none for everywhere.
    part: Option<Part>,
    claim: Claim,
}

impl Certificate {
    /// The bound.
    pub fn upper(&self) -> f64 {
        self.claim.upper
    }

    /// The norm of input perturbations.
    pub fn norm(&self) -> InputNorm {
        self.norm
    }

    /// Where it holds: on this region, or everywhere.
    pub fn region(&self) -> Option<&Region> {
        self.part.as_ref().map(Part::region)
    }

    /// The part of that region, where it is one.
    pub(crate) fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    /// What is measured of the output.
    pub fn functional(&self) -> &Functional {
        &self.claim.output
    }

    /// What proves it.
    pub fn proof(&self) -> &Proof {
        &self.claim.proof
    }

    /// 0 for a proof; for a probabilistic certificate, the probability that its tests pass what is not true.
    pub fn failure_probability(&self) -> f64 {
        failure_probability(&self.claim.proof)
    }

    /// The claim this certificate proves, for a file.
    pub fn claim(&self) -> Claim {
        self.claim.clone()
    }

    /// The same bound in ℓ1, whose unit ball lies in that of ℓ2; none if this is not one in ℓ2.
    pub fn of_l2_in_l1(self) -> Option<Self> {
        (self.norm == InputNorm::L2).then_some(Self { norm: InputNorm::L1, ..self })
    }

    /// The certificate of the largest output, from those of all outputs of a network in their order; none if these are
    /// something else.
    pub fn of_largest_output(network: &Network, outputs: &[Self]) -> Option<Self> {
        let norm = outputs.first()?.norm;
        let part = network.part();
        let fits =
            |(i, c): (usize, &Self)| c.norm == norm && c.part() == part && *c.functional() == Functional::Output(i);
        if outputs.len() != network.outputs() || !outputs.iter().enumerate().all(fits) {
            return None;
        }
        let upper = outputs.iter().map(Self::upper).fold(0.0, f64::max);
        let proof = Proof::Outputs(outputs.iter().map(Self::claim).collect());
        Some(Self {
            norm,
            part: part.cloned(),
            claim: Claim { output: Functional::Norm(OutputNorm::Linf), upper, proof },
        })
    }

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
        let paths = leaves(network, &written).ok()?;
        let (norm, functional) = cases.first().map(|case| (case.norm, &case.functional))?;
        let fits = |(case, (path, _)): (&&CheckedCase, &(Vec<Fixing>, &CaseProof))| {
            case.norm == norm && case.functional == *functional && case.fixings == *path
        };
        if !cases.iter().zip(&paths).all(fits) {
            return None;
        }
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
        Some(Self { norm, part: part.cloned(), claim: Claim { output: functional.clone(), upper, proof } })
    }

    /// The certificate on the region of `network` from certificates of all its parts, in the order of [`super::parts`]; none
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
        let parts = parts(region, (&layers(network), twins), &written).ok()?;
        let fits = |(certificate, (part, _)): (&&Self, &(Part, &Proof))| {
            certificate.norm == norm && certificate.claim.output == output && certificate.part() == Some(part)
        };
        if !certificates.iter().zip(&parts).all(fits) {
            return None;
        }
        let upper = certificates.iter().map(|c| c.upper()).fold(0.0, f64::max);
        let proof = match certificates.as_slice() {
            [certificate] => certificate.claim.proof.clone(),
            _ => Proof::Parts(written),
        };
        Some(Self { norm, part: network.part().cloned(), claim: Claim { output, upper, proof } })
    }
}

/// A node of a tree of certificates for the parts of a region, in the order of [`super::parts`].
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

/// A node of a tree of checked cases, in the order of [`super::cases`].
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

/// Checks one claim that is to be proved on signs, with these slope intervals.
fn check_signs(
    layer: &OneHidden<'_>,
    norm: InputNorm,
    claim: &Claim,
    slopes: &[Slope],
) -> Result<Certificate, Rejection> {
    check_output(layer.network(), claim)?;
    let Proof::Signs(proof) = &claim.proof else {
        return Err(unfit(claim, "it is to be proved on signs, and is not"));
    };
    let u = claim.output.entries().ok_or_else(|| unfit(claim, "a norm of the output is not proved on signs"))?;
    let proved =
        signs::proved_bound(&layer.program(&u, slopes), norm, proof).map_err(|reason| unfit(claim, &reason))?;
    accept(layer.network(), norm, claim, proved)
}

/// At most the sum over all random tests behind a proof.
fn failure_probability(proof: &Proof) -> f64 {
    let of = |form: &FormProof| form.random_test.map_or(0.0, |test| test.failure_probability);
    match proof {
        Proof::Multipliers(form) => of(form),
        Proof::Outputs(claims) => claims.iter().map(|claim| failure_probability(&claim.proof)).sum(),
        Proof::Inputs(inputs) => inputs.iter().map(|input| of(&input.multipliers)).sum(),
        // the checker refuses random tests there
        Proof::Signs(_) | Proof::Cases(_) | Proof::Intervals | Proof::Patterns | Proof::Parts(_) => 0.0,
    }
}

/// Checks one claim that is to be proved outright by one form.
///
/// The form has to be that of the network itself: one of a case ([`check_case`]) proves nothing about the others.
pub fn check(form: &QuadraticForm<'_>, norm: InputNorm, claim: &Claim) -> Result<Certificate, Rejection> {
    if !form.fixings().is_empty() {
        return Err(unfit(claim, "the form fixes some neurons"));
    }
    check_form(form.network(), norm, claim, |functional, multipliers, _| {
        form.prove(norm, functional, multipliers).map_err(|defect| describe(form.network(), defect))
    })
}

/// Checks one claim by its random test (see [`super::randomised`]); a claim that has none is rejected. The random numbers
/// depend on the claim and the network alone, so a verdict repeats.
pub fn check_probabilistic(
    form: &MatrixFreeForm<'_>,
    norm: InputNorm,
    claim: &Claim,
) -> Result<Certificate, Rejection> {
    check_form(form.network(), norm, claim, |functional, multipliers, test| {
        let test = test.ok_or("it is too large for an elimination, and the claim has no random test")?;
        form.test(norm, functional, multipliers, test, seed(form.network(), claim))
    })
}

/// A claim's random numbers: from its hash and the network's.
fn seed(network: &Network, claim: &Claim) -> u64 {
    let text = serde_json::to_string(claim).expect("a claim of finite numbers can be written");
    let hash = Sha256::new().chain_update(network.hash()).chain_update(text).finalize();
    hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// Everything about a claim with one form but that this is non-negative, which `prove` answers for.
fn check_form(
    network: &Network,
    norm: InputNorm,
    claim: &Claim,
    prove: impl FnOnce(&Functional, &Multipliers, Option<RandomTest>) -> Result<(), String>,
) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    let Proof::Multipliers(form) = &claim.proof else {
        return Err(unfit(claim, "it is to be proved by multipliers, and has none of its own"));
    };
    check_shapes(network, norm, &claim.output, form)?;
    check_numbers(claim, form)?;
    let multipliers = form.multipliers();
    let proved = proved_bound(norm, &claim.output, &multipliers);
    prove(&claim.output, &multipliers, form.random_test)
        .map_err(|reason| Rejection::NotProved { output: claim.output.to_string(), reason })?;
    accept(network, norm, claim, proved)
}

/// The certificate, if what is proved is what is claimed.
fn accept(network: &Network, norm: InputNorm, claim: &Claim, proved: f64) -> Result<Certificate, Rejection> {
    if claim.upper >= proved && claim.upper.is_finite() {
        Ok(Certificate { norm, part: network.part().cloned(), claim: claim.clone() })
    } else {
        Err(Rejection::Claim { output: claim.output.to_string(), proved, claimed: claim.upper })
    }
}

fn unfit(claim: &Claim, reason: &str) -> Rejection {
    Rejection::NotProved { output: claim.output.to_string(), reason: reason.to_owned() }
}

fn check_output(network: &Network, claim: &Claim) -> Result<(), Rejection> {
    claim.output.fits(network).map_err(|error: ProblemError| Rejection::Output {
        output: claim.output.to_string(),
        reason: error.to_string(),
    })
}

/// Checks every claim of a file against a network; all of them hold, or the first that does not is named.
pub fn check_file(network: &Network, file: &CertificateFile) -> Result<Vec<Certificate>, Rejection> {
    if file.format != CertificateFile::FORMAT || file.version != CertificateFile::VERSION {
        return Err(Rejection::Format { format: file.format.clone(), version: file.version });
    }
    let found = network.hash();
    if file.network != found {
        return Err(Rejection::Network { expected: file.network.clone(), found });
    }
    if file.bounds.is_empty() {
        return Err(Rejection::Nothing);
    }
    let network = &match &file.region {
        None => network.everywhere(),
        Some(region) => network.on(region.clone())?,
    };
    let (form, operator) =
        (LazyCell::new(|| QuadraticForm::new(network)), LazyCell::new(|| MatrixFreeForm::new(network)));
    let layer = LazyCell::new(|| OneHidden::new(network).ok());
    // proofs input by input share the forms of the inputs, so they are checked side by side
    let nested = |claim| match claim {
        &Claim { proof: Proof::Outputs(ref claims), .. } => claims.iter().collect(),
        claim => vec![claim],
    };
    let singles = file.bounds.iter().flat_map(nested);
    let by_input: Vec<&Claim> = singles.filter(|claim| matches!(claim.proof, Proof::Inputs(_))).collect();
    let mut by_input = check_inputs(network, file.norm, &by_input).into_iter();
    let mut single = |claim: &Claim| match &claim.proof {
        Proof::Multipliers(FormProof { random_test: None, .. }) => check(&form, file.norm, claim),
        Proof::Multipliers(FormProof { random_test: Some(_), .. }) => check_probabilistic(&operator, file.norm, claim),
        Proof::Signs(_) => match &*layer {
            Some(layer) => check_signs(layer, file.norm, claim, layer.slopes()),
            None => Err(unfit(claim, NOT_ONE_LAYER)),
        },
        Proof::Cases(tree) => check_cases(network, file.norm, claim, tree),
        Proof::Intervals | Proof::Patterns => check_intervals(network, file.norm, claim),
        Proof::Parts(tree) => check_parts(network, file.norm, claim, tree),
        Proof::Inputs(_) => by_input.next().expect("one verdict per claim, in their order"),
        Proof::Outputs(_) => Err(unfit(claim, "a claim for each output proves the largest output alone")),
    };
    let verdict = |claim: &Claim| match &claim.proof {
        Proof::Outputs(outputs) if claim.output == Functional::Norm(OutputNorm::Linf) => {
            let outputs = outputs.iter().map(&mut single).collect::<Result<Vec<Certificate>, Rejection>>()?;
            let largest = Certificate::of_largest_output(network, &outputs);
            let largest = largest.ok_or_else(|| unfit(claim, "it needs a claim for each output, in their order"))?;
            accept(network, file.norm, claim, largest.upper())
        }
        Proof::Outputs(_)
        | Proof::Multipliers(_)
        | Proof::Inputs(_)
        | Proof::Signs(_)
        | Proof::Cases(_)
        | Proof::Intervals
        | Proof::Patterns
        | Proof::Parts(_) => single(claim),
    };
    file.bounds.iter().map(verdict).collect()
}

const NOT_ONE_LAYER: &str = "a proof on signs is one for a network with one hidden layer of moderate size";

/// Checks a claim case by case: that its tree is whole, and that every leaf proves at most the bound claimed.
fn check_cases(network: &Network, norm: InputNorm, claim: &Claim, tree: &[Branch]) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    let leaves = leaves(network, tree).map_err(|reason| unfit(claim, reason))?;
    let layer = OneHidden::new(network).ok();
    leaves.into_par_iter().try_for_each(|(path, proof)| match proof {
        CaseProof::Multipliers(proof) => {
            let form = QuadraticForm::of_case(network, path);
            let form = form.ok_or_else(|| unfit(claim, "it is about unknown neurons"))?;
            check_case(&form, norm, &claim.output, (claim.upper, proof.clone())).map(|_| ())
        }
        CaseProof::Signs(proof) => {
            let layer = layer.as_ref().ok_or_else(|| unfit(claim, NOT_ONE_LAYER))?;
            check_sign_case(layer, norm, &claim.output, &path, (claim.upper, proof.clone())).map(|_| ())
        }
    })?;
    Ok(Certificate { norm, part: network.part().cloned(), claim: claim.clone() })
}

/// Checks a claim by intervals for every entry of the gradient ([`super::intervals::entrywise_bound`]), or by patterns
/// ([`super::intervals::patterns_bound`]), computed here.
pub fn check_intervals(network: &Network, norm: InputNorm, claim: &Claim) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    match claim.proof {
        Proof::Intervals => accept(network, norm, claim, bound_by_intervals(network, norm, &claim.output)),
        Proof::Patterns => match patterns_bound(network, norm, &claim.output) {
            Some(proved) => accept(network, norm, claim, proved),
            None => Err(unfit(claim, "too many neurons have no fixed slope to look at all their patterns")),
        },
        _ => Err(unfit(claim, "it is to be proved by intervals, and is not")),
    }
}

/// [`entrywise_bound`]; nothing on a part in which no input lies.
fn bound_by_intervals(network: &Network, norm: InputNorm, functional: &Functional) -> f64 {
    if network.is_empty() { 0.0 } else { entrywise_bound(network, norm, functional) }
}

/// Neurons per activation layer.
fn layers(network: &Network) -> Vec<usize> {
    network.activations().map(|(node, _, _)| network.node(node).len).collect()
}

/// The certificate that intervals alone make; none where they overflow, or the functional is none of this network.
pub fn certify_by_intervals(network: &Network, norm: InputNorm, functional: &Functional) -> Option<Certificate> {
    functional.fits(network).ok()?;
    let upper = bound_by_intervals(network, norm, functional);
    let claim = Claim { output: functional.clone(), upper, proof: Proof::Intervals };
    accept(network, norm, &claim, upper).ok()
}

/// The certificate that the patterns of few undecided neurons make; none where there are many.
pub fn certify_by_patterns(network: &Network, norm: InputNorm, functional: &Functional) -> Option<Certificate> {
    functional.fits(network).ok()?;
    let upper = patterns_bound(network, norm, functional)?;
    let claim = Claim { output: functional.clone(), upper, proof: Proof::Patterns };
    accept(network, norm, &claim, upper).ok()
}

/// Checks a claim part by part of the region: that the parts cover it, and that the proof of each proves at most the bound
/// claimed on that part, with slope intervals that are worked out for it here.
fn check_parts(network: &Network, norm: InputNorm, claim: &Claim, tree: &[Cut]) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    let region = network.region().ok_or_else(|| unfit(claim, "it has parts, but no region"))?;
    let parts = parts(region, (&layers(network), &Twins::new(network)), tree).map_err(|reason| unfit(claim, reason))?;
    parts.into_par_iter().try_for_each(|(part, proof)| {
        let local = network.on_part(part).map_err(|error| unfit(claim, &error.to_string()))?;
        let own = Claim { output: claim.output.clone(), upper: claim.upper, proof: proof.clone() };
        match &own.proof {
            Proof::Intervals | Proof::Patterns => check_intervals(&local, norm, &own),
            Proof::Multipliers(FormProof { random_test: None, .. }) => check(&QuadraticForm::new(&local), norm, &own),
            Proof::Inputs(_) => check_inputs(&local, norm, &[&own]).pop().expect("one verdict per claim"),
            Proof::Cases(tree) => check_cases(&local, norm, &own, tree),
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
    Ok(Certificate { norm, part: network.part().cloned(), claim: claim.clone() })
}

/// Checks claims in ℓ1, a verdict for each: the inputs listed by their multipliers, on the network with that input alone,
/// and all others by intervals that are computed here.
///
/// **Claim.** The unit ball of ℓ1 is the hull of ±eᵢ, so the FGL is the largest over i of that of the network in which
/// input i alone moves.
pub fn check_inputs(network: &Network, norm: InputNorm, claims: &[&Claim]) -> Vec<Result<Certificate, Rejection>> {
    let lists: Vec<Result<&[InputProof], Rejection>> =
        claims.par_iter().map(|claim| listed_inputs(network, norm, claim)).collect();
    let mut listing: Vec<Vec<(usize, &FormProof)>> = vec![Vec::new(); network.inputs()];
    for (c, list) in lists.iter().enumerate() {
        list.iter().flat_map(|list| *list).for_each(|proof| listing[proof.input].push((c, &proof.multipliers)));
    }
    let one_input = |(input, proofs): (usize, Vec<(usize, &FormProof)>)| {
        let alone = network.with_input_alone(input);
        let form = QuadraticForm::new(&alone);
        let verdict = |(c, proof): (usize, &FormProof)| {
            // with one input, all norms are the same
            let (output, upper) = (claims[c].output.clone(), claims[c].upper);
            let own = Claim { output, upper, proof: Proof::Multipliers(proof.clone()) };
            (c, check(&form, InputNorm::Linf, &own).map(|_| ()))
        };
        proofs.into_iter().map(verdict).collect::<Vec<_>>()
    };
    let listing = listing.into_par_iter().enumerate().filter(|(_, proofs)| !proofs.is_empty());
    let checked: Vec<Vec<(usize, Result<(), Rejection>)>> = listing.map(one_input).collect();
    let mut failed: Vec<Option<Rejection>> = vec![None; claims.len()];
    for (c, verdict) in checked.into_iter().flatten() {
        failed[c] = failed[c].take().or(verdict.err());
    }
    let verdict = |(c, list): (usize, Result<&[InputProof], Rejection>)| {
        let (claim, list) = (claims[c], list?);
        if let Some(rejection) = &failed[c] {
            return Err(rejection.clone());
        }
        let mut proved = input_bounds(network, &claim.output);
        // what the form of an input proves is at most the whole claim
        list.iter().for_each(|proof| proved[proof.input] = claim.upper);
        accept(network, norm, claim, proved.into_iter().fold(0.0, f64::max))
    };
    lists.into_iter().enumerate().map(verdict).collect()
}

/// The inputs of a proof input by input, if it is one that makes sense for this network.
fn listed_inputs<'a>(network: &Network, norm: InputNorm, claim: &'a Claim) -> Result<&'a [InputProof], Rejection> {
    check_output(network, claim)?;
    let Proof::Inputs(inputs) = &claim.proof else {
        return Err(unfit(claim, "it is to be proved input by input, and is not"));
    };
    if norm != InputNorm::L1 {
        return Err(unfit(claim, "a proof input by input is one in l1 alone"));
    }
    if inputs.windows(2).any(|pair| pair[0].input >= pair[1].input) {
        return Err(unfit(claim, "its inputs are not in ascending order"));
    }
    if inputs.last().is_some_and(|last| last.input >= network.inputs()) {
        return Err(unfit(claim, "it is about an input that does not exist"));
    }
    if inputs.iter().any(|proof| proof.multipliers.random_test.is_some()) {
        return Err(unfit(claim, "a proof input by input has no random tests"));
    }
    Ok(inputs)
}

fn check_shapes(
    network: &Network,
    norm: InputNorm,
    functional: &Functional,
    form: &FormProof,
) -> Result<(), Rejection> {
    let check = |what: String, found: usize, expected: usize| {
        if found == expected {
            Ok(())
        } else {
            Err(Rejection::Shape { output: functional.to_string(), what, found, expected })
        }
    };
    let gammas = match norm {
        InputNorm::Linf | InputNorm::Lp(_) => network.inputs(),
        InputNorm::L2 | InputNorm::L1 => 1,
    };
    check("zeta".into(), form.zeta.len(), functional.zetas(network.outputs()))?;
    check("gamma".into(), form.gamma.len(), gammas)?;
    check("lambda".into(), form.lambda.len(), network.activations().count())?;
    for (a, (lambda, (node, _, _))) in form.lambda.iter().zip(network.activations()).enumerate() {
        check(format!("lambda[{a}]"), lambda.len(), network.node(node).len)?;
    }
    Ok(())
}

fn check_numbers(claim: &Claim, form: &FormProof) -> Result<(), Rejection> {
    let lambdas = form.lambda.iter().enumerate();
    let numbers = std::iter::once(("upper".to_owned(), claim.upper))
        .chain(form.zeta.iter().enumerate().map(|(i, v)| (format!("zeta[{i}]"), *v)))
        .chain(form.gamma.iter().enumerate().map(|(i, v)| (format!("gamma[{i}]"), *v)))
        .chain(lambdas.flat_map(|(a, l)| l.iter().enumerate().map(move |(j, v)| (format!("lambda[{a}][{j}]"), *v))));
    for (what, value) in numbers {
        if !(0.0..f64::INFINITY).contains(&value) {
            return Err(Rejection::Number { output: claim.output.to_string(), what, value });
        }
    }
    Ok(())
}

fn describe(network: &Network, defect: Defect) -> String {
    let layers = network.activations().count();
    let variable = |block: usize, index: usize| match block {
        0 => format!("input {index}"),
        b if b <= layers => format!("neuron {index} of activation layer {}", b - 1),
        _ => "the bound itself (zeta)".to_owned(),
    };
    match defect {
        Defect::Diagonal { block, index } => format!("{} has no positive multiplier", variable(block, index)),
        Defect::Range { block, index } => {
            format!("the multiplier of {} is out of the range to compute with", variable(block, index))
        }
        Defect::Pivot(at) => {
            format!("its matrix is not positive semidefinite (found at {})", variable(at.block, at.index))
        }
    }
}
