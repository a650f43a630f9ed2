//! The trusted checker: the only place where a [`Certificate`] can be made.
//!
//! It takes a claim (ζ, γ, λ and the bound they are said to prove) and the network, and re-does the proof from these
//! numbers alone: that they are finite and non-negative, that the form q of [`super::form`] is non-negative (proved in
//! floating point by [`super::cholesky`], or tested by [`super::randomised`]), and that √(ζ·Σγ), rounded up, does not
//! exceed the bound claimed. It knows nothing of how the multipliers were found, and imports nothing from the solver.
//!
//! What you trust when you trust a certificate: this folder, [`crate::matrix`], the network's own definition
//! ([`crate::network`]: weights, slope intervals) and its import, and IEEE-754 arithmetic.

use super::cholesky::is_positive;
use super::form::{Defect, Multipliers, QuadraticForm};
use super::format::{CertificateFile, Claim};
use super::randomised::{MatrixFreeForm, RandomTest};
use super::rounding::{mul_up, sqrt_up, sum_up};
use crate::network::Network;
use crate::problem::{Functional, InputNorm};
use sha2::{Digest, Sha256};
use std::cell::LazyCell;

/// A checked upper bound: for every slope pattern v ∈ \[α, β\], ‖J(v)ᵀu‖ in the dual of `norm` is at most `upper`, and so
/// is the Lipschitz constant. A theorem about the imported network in real arithmetic, unless its
/// [failure probability](Self::failure_probability) is not zero; only the checker makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    norm: InputNorm,
    functional: Functional,
    upper: f64,
    multipliers: Multipliers,
    random_test: Option<RandomTest>,
}

impl Certificate {
    /// The bound.
    pub fn upper(&self) -> f64 {
        self.upper
    }

    /// The norm of input perturbations.
    pub fn norm(&self) -> InputNorm {
        self.norm
    }

    /// The output functional u.
    pub fn functional(&self) -> Functional {
        self.functional
    }

    /// The numbers that prove it.
    pub fn multipliers(&self) -> &Multipliers {
        &self.multipliers
    }

    /// 0 for a proof; for a probabilistic certificate, the probability that its test passes what is not true.
    pub fn failure_probability(&self) -> f64 {
        self.random_test.map_or(0.0, |test| test.failure_probability)
    }

    /// The claim this certificate proves, for a file.
    pub fn claim(&self) -> Claim {
        let Multipliers { zeta, gamma, lambda } = self.multipliers.clone();
        let (output, random_test) = (self.functional.to_string(), self.random_test);
        Claim { output, upper: self.upper, zeta, gamma, lambda, random_test }
    }
}

/// Why a certificate is rejected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Another format or version.
    #[error("the file says format '{format}' version {version}; this checker reads 'geolip-certificate' version 1")]
    Format {
        /// The format it names.
        format: String,
        /// The version it names.
        version: u32,
    },
    /// It was made for another network.
    #[error(
        "the certificate is for the network {expected:.16}…, but this one is {found:.16}…; check it with its own network"
    )]
    Network {
        /// The hash in the file.
        expected: String,
        /// The hash of the network at hand.
        found: String,
    },
    /// It claims nothing.
    #[error("the certificate holds no bounds; nothing is claimed")]
    Nothing,
    /// An output that the network does not have.
    #[error("output '{output}': {reason}")]
    Output {
        /// What the claim names.
        output: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A list is too short or too long.
    #[error("output '{output}': {what} has {found} numbers, but this network needs {expected}")]
    Shape {
        /// The claim.
        output: String,
        /// Which list.
        what: String,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// NaN, infinite or negative.
    #[error("output '{output}': {what} holds {value}; multipliers and bounds are finite and not negative")]
    Number {
        /// The claim.
        output: String,
        /// Which number.
        what: String,
        /// Its value.
        value: f64,
    },
    /// The form is not proved non-negative.
    #[error("output '{output}': the multipliers prove no bound: {reason}")]
    NotProved {
        /// The claim.
        output: String,
        /// Where the proof fails.
        reason: String,
    },
    /// The multipliers prove a larger bound only.
    #[error("output '{output}': the multipliers prove {proved}, which is more than the {claimed} claimed")]
    Claim {
        /// The claim.
        output: String,
        /// What follows from the multipliers.
        proved: f64,
        /// What was claimed.
        claimed: f64,
    },
}

/// The bound that multipliers prove if their form is non-negative: √(ζ·Σγ), rounded up.
pub fn proved_bound(multipliers: &Multipliers) -> f64 {
    sqrt_up(mul_up(multipliers.zeta, sum_up(multipliers.gamma.iter().copied())))
}

/// Checks one claim that is to be proved outright.
pub fn check(form: &QuadraticForm<'_>, norm: InputNorm, claim: &Claim) -> Result<Certificate, Rejection> {
    let network = form.network();
    check_claim(network, norm, claim, |functional, multipliers| match form.surplus(norm, functional, multipliers) {
        Ok(surplus) if is_positive(surplus) => Ok(None),
        Ok(_) => Err("its matrix is not positive semidefinite (the last pivot is not positive)".to_owned()),
        Err(defect) => Err(describe(network, defect)),
    })
}

/// Checks one claim by its random test (see [`super::randomised`]); a claim that has none is rejected. The random numbers
/// depend on the claim and the network alone, so a verdict repeats.
pub fn check_probabilistic(
    form: &MatrixFreeForm<'_>,
    norm: InputNorm,
    claim: &Claim,
) -> Result<Certificate, Rejection> {
    check_claim(form.network(), norm, claim, |functional, multipliers| {
        let test = claim.random_test.ok_or("it is too large for an elimination, and the claim has no random test")?;
        form.test(norm, functional, multipliers, test, seed(form.network(), claim))?;
        Ok(Some(test))
    })
}

/// A claim's random numbers: from its hash and the network's.
fn seed(network: &Network, claim: &Claim) -> u64 {
    let text = serde_json::to_string(claim).expect("a claim of finite numbers can be written");
    let hash = Sha256::new().chain_update(network.hash()).chain_update(text).finalize();
    hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// Everything about a claim but the positive definiteness of its form, which `prove` answers for.
fn check_claim(
    network: &Network,
    norm: InputNorm,
    claim: &Claim,
    prove: impl FnOnce(Functional, &Multipliers) -> Result<Option<RandomTest>, String>,
) -> Result<Certificate, Rejection> {
    let output = || claim.output.clone();
    let functional: Functional =
        claim.output.parse().map_err(|e| Rejection::Output { output: output(), reason: format!("{e}") })?;
    if let Some((index, _)) = functional.entries().find(|(i, _)| *i >= network.outputs()) {
        let reason = format!("output {index} does not exist; the network has {}", network.outputs());
        return Err(Rejection::Output { output: output(), reason });
    }
    let multipliers = claim.multipliers();
    check_shapes(network, norm, claim)?;
    check_numbers(claim)?;
    let proved = proved_bound(&multipliers);
    let random_test =
        prove(functional, &multipliers).map_err(|reason| Rejection::NotProved { output: output(), reason })?;
    if claim.upper >= proved {
        Ok(Certificate { norm, functional, upper: claim.upper, multipliers, random_test })
    } else {
        Err(Rejection::Claim { output: output(), proved, claimed: claim.upper })
    }
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
    let (form, operator) =
        (LazyCell::new(|| QuadraticForm::new(network)), LazyCell::new(|| MatrixFreeForm::new(network)));
    let verdict = |claim: &Claim| match claim.random_test {
        None => check(&form, file.norm, claim),
        Some(_) => check_probabilistic(&operator, file.norm, claim),
    };
    file.bounds.iter().map(verdict).collect()
}

fn check_shapes(network: &Network, norm: InputNorm, claim: &Claim) -> Result<(), Rejection> {
    let check = |what: String, found: usize, expected: usize| {
        if found == expected {
            Ok(())
        } else {
            Err(Rejection::Shape { output: claim.output.clone(), what, found, expected })
        }
    };
    let gammas = match norm {
        InputNorm::Linf => network.inputs(),
        InputNorm::L2 => 1,
    };
    check("gamma".into(), claim.gamma.len(), gammas)?;
    check("lambda".into(), claim.lambda.len(), network.activations().count())?;
    for (a, (lambda, (node, _, _))) in claim.lambda.iter().zip(network.activations()).enumerate() {
        check(format!("lambda[{a}]"), lambda.len(), network.node(node).len)?;
    }
    Ok(())
}

fn check_numbers(claim: &Claim) -> Result<(), Rejection> {
    let lambdas = claim.lambda.iter().enumerate();
    let numbers = [("upper".to_owned(), claim.upper), ("zeta".to_owned(), claim.zeta)]
        .into_iter()
        .chain(claim.gamma.iter().enumerate().map(|(i, v)| (format!("gamma[{i}]"), *v)))
        .chain(lambdas.flat_map(|(a, l)| l.iter().enumerate().map(move |(j, v)| (format!("lambda[{a}][{j}]"), *v))));
    for (what, value) in numbers {
        if !(0.0..f64::INFINITY).contains(&value) {
            return Err(Rejection::Number { output: claim.output.clone(), what, value });
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
