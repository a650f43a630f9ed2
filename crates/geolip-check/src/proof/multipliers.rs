//! Claims that are proved by the multipliers of one quadratic form ([`crate::form`]).
//!
//! **Claim.** If the form of ζ, γ, λ ≥ 0 is non-negative, the bound is at most [`proved_bound`]; that it is non-negative is proved by
//! an elimination, or tested at random.

use super::certificate::{Certificate, check_output, unfit};
use super::file::{Claim, FormProof, Proof};
use super::rejection::Rejection;
use crate::form::{Defect, Draws, MatrixFreeForm, Multipliers, QuadraticForm, RandomTest, Tester, proved_bound};
use crate::problem::{Functional, InputNorm};
use crate::slopes::SlopeNetwork;

/// Checks one claim that is to be proved outright by one form, in the place of its slope network.
pub fn check(form: &QuadraticForm<'_>, norm: InputNorm, claim: &Claim) -> Result<Certificate, Rejection> {
    check_form(form.network(), norm, claim, |functional, multipliers, test| match test {
        Some(_) => Err("it has to be proved outright, not by a random test".to_owned()),
        None => form.prove(norm, functional, multipliers).map_err(|defect| describe(form.network(), defect)),
    })
}

/// Checks one claim by its random test number `test` (see [`crate::form::random_test`]); a claim that has none is rejected. Another
/// number, or another tester, draws other random vectors. Whether an elimination is affordable is not asked here.
pub fn check_probabilistic(
    form: &MatrixFreeForm<'_>,
    norm: InputNorm,
    claim: &Claim,
    (draws, test): (&Draws, u64),
) -> Result<Certificate, Rejection> {
    let certificate = check_form(form.network(), norm, claim, |functional, multipliers, random_test| {
        let random_test = random_test.ok_or("it is too large for an elimination, and the claim has no random test")?;
        // the margin and the top are hints, fitted to the draws of whoever made the claim
        let with_room = random_test.with_room();
        let random_test = match draws.tester() {
            Tester::Maker => random_test,
            Tester::Checker(_) => with_room,
        };
        // a maker has no use for a claim that its checker refuses
        form.test(norm, functional, multipliers, (random_test, with_room.margin), &mut draws.stream(test))
    })?;
    Ok(certificate.tested(Some(draws.tester())))
}

/// Everything about a claim with one form but that this is non-negative, which `prove` answers for.
fn check_form(
    network: &SlopeNetwork,
    norm: InputNorm,
    claim: &Claim,
    prove: impl FnOnce(&Functional, &Multipliers, Option<RandomTest>) -> Result<(), String>,
) -> Result<Certificate, Rejection> {
    check_output(network, claim)?;
    let Proof::Multipliers(form) = &claim.proof else {
        return Err(unfit(claim, "it has to be proved by multipliers, but has none of its own"));
    };
    check_shapes(network, norm, &claim.output, form)?;
    check_numbers(claim, form)?;
    let multipliers = form.multipliers();
    let proved = proved_bound(norm, &claim.output, &multipliers);
    prove(&claim.output, &multipliers, form.random_test)
        .map_err(|reason| Rejection::NotProved { output: claim.output.to_string(), reason })?;
    Certificate::accept(network, norm, claim, proved)
}

fn check_shapes(
    network: &SlopeNetwork,
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
    check("lambda".into(), form.lambda.len(), network.slopes().len())?;
    for (a, (lambda, slopes)) in form.lambda.iter().zip(network.slopes()).enumerate() {
        check(format!("lambda[{a}]"), lambda.len(), slopes.len())?;
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

fn describe(network: &SlopeNetwork, defect: Defect) -> String {
    let layers = network.slopes().len();
    let variable = |block: usize, index: usize| match block {
        0 => format!("input {index}"),
        b if b <= layers => format!("neuron {index} of activation layer {}", b - 1),
        _ => "the bound itself (zeta)".to_owned(),
    };
    match defect {
        Defect::Diagonal { block, index } => format!("{} has no positive multiplier", variable(block, index)),
        Defect::Range { block, index } => {
            format!("the multiplier of {} is outside the range that can be computed with", variable(block, index))
        }
        Defect::Pivot(at) => {
            format!("its matrix is not positive semidefinite (found at {})", variable(at.block, at.index))
        }
    }
}
