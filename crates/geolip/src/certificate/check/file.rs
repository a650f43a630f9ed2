//! All claims of a certificate file, and what whoever checks them can choose.

use super::super::affordable::Affordable;
use super::super::form::QuadraticForm;
use super::super::format::{CertificateFile, Claim, FormProof, Proof};
use super::super::one_hidden::OneHidden;
use super::super::randomised::MatrixFreeForm;
use super::super::randomness::{Draws, Randomness};
use super::super::rejection::Rejection;
use super::inputs::{check_inputs_within, check_intervals_within};
use super::room::Room;
use super::trees::{NOT_ONE_LAYER, check_cases, check_parts};
use super::{Certificate, accept, check, check_probabilistic, check_signs, unfit};
use crate::network::Network;
use crate::problem::{Functional, OutputNorm};
use std::cell::LazyCell;

/// The options of [`check_file_with`].
///
/// | name | default | purpose |
/// | --- | --- | --- |
/// | `randomness` | the system | where the numbers of random tests come from |
/// | `affordable` | 5·10¹¹ multiply–adds, 256 MiB | up to there an elimination is asked for in the place of a random test |
/// | `memory_limit` | 4 GiB | bytes for the forms that are made at once; a file that needs more is refused |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckOptions {
    /// Where the random numbers of tests come from.
    pub randomness: Randomness,
    /// Which eliminations are so cheap that a random test in their place is refused.
    pub affordable: Affordable,
    /// Bytes that the forms behind proofs may take.
    pub memory_limit: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { randomness: Randomness::System, affordable: Affordable::default(), memory_limit: 4 << 30 }
    }
}

/// Checks every claim of a file against a network; all of them hold, or the first that does not is named.
///
/// By default random tests draw their numbers from the operating system, and are refused where an elimination is affordable.
pub fn check_file(network: &Network, file: &CertificateFile) -> Result<Vec<Certificate>, Rejection> {
    check_file_with(network, file, &CheckOptions::default())
}

/// As [`check_file`], with other options.
pub fn check_file_with(
    network: &Network,
    file: &CertificateFile,
    options: &CheckOptions,
) -> Result<Vec<Certificate>, Rejection> {
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
    let room = Room::new(options.memory_limit);
    let (form, operator) = (
        LazyCell::new(|| QuadraticForm::within(network, room.bytes())),
        LazyCell::new(|| MatrixFreeForm::new(network)),
    );
    // one row asks for least
    let affordable = LazyCell::new(|| options.affordable.form(network, 1));
    let layer = LazyCell::new(|| OneHidden::new(network).ok());
    let draws = LazyCell::new(|| Draws::of_checker(options.randomness));
    let mut tests = 0..;
    // proofs input by input share the forms of the inputs, so they are checked side by side
    let nested = |claim| match claim {
        &Claim { proof: Proof::Outputs(ref claims), .. } => claims.iter().collect(),
        claim => vec![claim],
    };
    let singles = file.bounds.iter().flat_map(nested);
    let by_input: Vec<&Claim> = singles.filter(|claim| matches!(claim.proof, Proof::Inputs(_))).collect();
    let mut by_input = check_inputs_within(network, file.norm, (&by_input, room)).into_iter();
    let mut single = |claim: &Claim| match &claim.proof {
        Proof::Multipliers(FormProof { random_test: None, .. }) => {
            room.writes_out(network, claim)?;
            let form = form.as_ref().ok_or_else(|| room.exceeded(claim))?;
            room.holds(form, claim.output.row_count(network.outputs()), claim)?;
            check(form, file.norm, claim)
        }
        Proof::Multipliers(FormProof { random_test: Some(_), .. }) => {
            let rows = claim.output.row_count(network.outputs());
            if affordable.as_ref().is_some_and(|form| options.affordable.covers(form, rows)) {
                return Err(Rejection::Affordable { output: claim.output.to_string() });
            }
            let draws = draws.as_ref().map_err(|reason| Rejection::Entropy { reason: reason.clone() })?;
            let test = tests.next().expect("fewer claims than integers");
            check_probabilistic(&operator, file.norm, claim, (draws, test))
        }
        Proof::Signs(_) => match &*layer {
            Some(layer) => check_signs(layer, file.norm, claim, layer.slopes()),
            None => Err(unfit(claim, NOT_ONE_LAYER)),
        },
        Proof::Cases(tree) => check_cases(network, file.norm, claim, (tree, room)),
        Proof::Intervals | Proof::Patterns => check_intervals_within(network, file.norm, (claim, room)),
        Proof::Parts(tree) => check_parts(network, file.norm, claim, (tree, room)),
        Proof::Inputs(_) => by_input.next().expect("one verdict per claim, in their order"),
        Proof::Outputs(_) => Err(unfit(claim, "a claim for each output proves only the largest output")),
    };
    let verdict = |claim: &Claim| match &claim.proof {
        Proof::Outputs(outputs) if claim.output == Functional::Norm(OutputNorm::Linf) => {
            let outputs = outputs.iter().map(&mut single).collect::<Result<Vec<Certificate>, Rejection>>()?;
            let largest = Certificate::of_largest_output(network, &outputs);
            let largest = largest.ok_or_else(|| unfit(claim, "it needs a claim for each output, in their order"))?;
            Ok(Certificate { tested: largest.tested, ..accept(network, file.norm, claim, largest.upper())? })
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
