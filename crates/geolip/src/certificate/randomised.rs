//! Positive definiteness without a factorisation: a random test that an indefinite form passes with small probability.
//!
//! # What is shown
//!
//! Let A = D M D be the form's matrix in the scale of its multipliers, g a vector of independent standard normal numbers,
//! T_q the Chebyshev polynomial and ℓ the affine map that takes \[m, s\] to \[−1, 1\]. The test computes
//! y = T_q(ℓ(A)) g and passes if ‖y‖ < ½ τ |T_q(ℓ(0))|.
//!
//! **Claim.** If A has a negative eigenvalue, the test passes with probability at most p = τ√(2/π), in exact arithmetic.
//! *Proof.* Let e be a unit eigenvector to an eigenvalue below 0. There |T_q∘ℓ| ≥ |T_q(ℓ(0))|, for ℓ(0) < −1 and |T_q| grows
//! away from \[−1, 1\]. So ‖y‖ ≥ |⟨e, y⟩| ≥ |T_q(ℓ(0))| |⟨e, g⟩|, and ⟨e, g⟩ is standard normal: its absolute value is below
//! τ with probability at most τ√(2/π). ∎
//!
//! If the spectrum of A lies in \[m, s\], then ‖y‖ ≤ ‖g‖, so the test passes as soon as |T_q(ℓ(0))| ≥ 2‖g‖/τ. With
//! ℓ(0) = −1 − 2m/(s−m), that takes q ≈ ln(4‖g‖/τ)·½√(s/m) applications of A. The margin m and the top s are hints: bad
//! ones make the test fail, never pass wrongly.
//!
//! This is the randomised Lanczos bound of Kuczyński and Woźniakowski (SIAM J. Matrix Anal. Appl. 13, 1992) with the
//! polynomial fixed beforehand in the place of Lanczos' own: the same exponential in q√(m/s) with the same constants, from
//! a recurrence of two terms that is stable without reorthogonalisation.
//!
//! **Rounding** is estimated, not bounded: one application of A is off by at most γ·(row sums of |A|), which is taken off the
//! margin; over the recurrence, errors add up to about q²u, which the factor ½ covers many times over. A certificate that
//! rests on this test is *probabilistic* and says so, with its p.

use super::form::Multipliers;
use super::operator::{Operator, Scaled, Vector};
use super::rounding::gamma_up;
use crate::network::{Network, Op};
use crate::problem::{Functional, InputNorm};
use serde::{Deserialize, Serialize};

/// What a probabilistic claim says of its test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomTest {
    /// p: an indefinite form passes with at most this probability.
    pub failure_probability: f64,
    /// m: the smallest eigenvalue is expected above this.
    pub margin: f64,
    /// s: the largest eigenvalue is expected below this.
    pub top: f64,
}

/// The largest probability of failure that a claim may have: the random numbers follow from the claim, so whoever forges
/// one can try again and again.
const LARGEST_PROBABILITY: f64 = 1e-6;
/// Applications of the form that a test may take: a day's work on the largest networks.
const LONGEST_TEST: f64 = 1e6;
/// Steps of the power iteration behind [`MatrixFreeForm::top`], and what is added to its result.
const POWER_STEPS: usize = 30;
const HEADROOM: f64 = 1.1;

/// A network's quadratic form as an operator: for networks whose matrix would not fit.
#[derive(Clone, Debug)]
pub struct MatrixFreeForm<'a> {
    operator: Operator<'a>,
    /// Bounds the rounding of one application, as a part of the row sums.
    rounding: f64,
}

impl<'a> MatrixFreeForm<'a> {
    /// Prepares for a network.
    pub fn new(network: &'a Network) -> Self {
        let longest = |op: &Op| match op {
            Op::Affine { terms, .. } => terms.iter().map(|t| t.map.longest_sum() + 2).sum(),
            Op::Input | Op::Activate { .. } => 4,
        };
        // errors along a chain of affine nodes add up; to count all nodes is simple and enough
        let sums: usize = network.nodes().iter().map(|node| longest(&node.op)).sum();
        Self { operator: Operator::new(network), rounding: gamma_up(2 * sums + 16) }
    }

    /// The network.
    pub fn network(&self) -> &'a Network {
        self.operator.network()
    }

    /// The form of these multipliers.
    pub(crate) fn scaled(&self, norm: InputNorm, functional: &Functional, multipliers: &Multipliers) -> Scaled<'_> {
        let (network, mut multipliers) = (self.network(), multipliers.clone());
        multipliers.gamma = multipliers.gamma_per_input(norm, network.inputs());
        multipliers.zeta = multipliers.zeta_per_row(functional.row_count(network.outputs()));
        self.operator.scaled(functional, multipliers)
    }

    /// Probably above the largest eigenvalue of the scaled form: power iteration with headroom, for a hint.
    pub fn top(&self, norm: InputNorm, functional: &Functional, multipliers: &Multipliers, seed: u64) -> f64 {
        let scaled = self.scaled(norm, functional, multipliers);
        let mut v = scaled.normal(seed);
        let mut top = 0.0;
        for _ in 0..POWER_STEPS {
            let length = v.length();
            v.scale(1.0 / length);
            v = scaled.apply(&v);
            top = v.length();
        }
        top * HEADROOM
    }

    /// The test for these multipliers; `Err` says why it did not pass.
    pub(super) fn test(
        &self,
        norm: InputNorm,
        functional: &Functional,
        multipliers: &Multipliers,
        test: RandomTest,
        seed: u64,
    ) -> Result<(), String> {
        let RandomTest { failure_probability, margin, top } = test;
        let sound =
            failure_probability > 0.0 && failure_probability <= LARGEST_PROBABILITY && margin > 0.0 && margin < top;
        if !sound || !top.is_finite() {
            return Err("its random test needs a probability up to 1e-6 and a margin between 0 and the top".to_owned());
        }
        let scaled = self.scaled(norm, functional, multipliers);
        let largest = scaled.row_sums().parts().flatten().copied().fold(0.0, f64::max);
        if !largest.is_finite() {
            return Err("a variable with a zero multiplier occurs in the form".to_owned());
        }
        let margin = margin - self.rounding * largest;
        if margin <= 0.0 {
            return Err("the margin of its random test is below the rounding of the form".to_owned());
        }
        let start = scaled.normal(seed);
        let length = start.length();
        let tau = failure_probability * (std::f64::consts::PI / 2.0).sqrt();
        // T_q(ℓ(0)) = cosh(q·acosh|ℓ(0)|), which is to be 2·‖g‖/τ, with a little to spare
        let rate = (1.0 + 2.0 * margin / (top - margin)).acosh();
        let steps = ((2.1 * length / tau).max(1.0).acosh() / rate).ceil().max(1.0);
        if steps > LONGEST_TEST {
            return Err(format!("its random test would take {steps:.0} steps; {LONGEST_TEST:.0} are allowed"));
        }
        let passes = 0.5 * tau * (rate * steps).cosh();
        let (centre, half) = (0.5 * (top + margin), 0.5 * (top - margin));
        let mut before = start.clone();
        let mut now = shifted(&scaled, &start, centre, half);
        for _ in 1..steps as usize {
            let mut next = shifted(&scaled, &now, centre, half);
            let pairs = next.parts_mut().zip(before.parts());
            pairs.for_each(|(n, b)| n.iter_mut().zip(b).for_each(|(n, b)| *n = 2.0 * *n - b));
            before = std::mem::replace(&mut now, next);
            // inside [−1, 1] the polynomial is at most 1
            let size = now.length();
            if size.is_nan() || size > 4.0 * length {
                return Err("an eigenvalue of its matrix is outside the range that its random test allows".to_owned());
            }
        }
        if now.length() < passes { Ok(()) } else { Err("its matrix did not pass the random test".to_owned()) }
    }
}

/// ℓ(A) v.
fn shifted(scaled: &Scaled<'_>, v: &Vector, centre: f64, half: f64) -> Vector {
    let mut result = scaled.apply(v);
    let pairs = result.parts_mut().zip(v.parts());
    pairs.for_each(|(r, v)| r.iter_mut().zip(v).for_each(|(r, v)| *r = (*r - centre * v) / half));
    result
}
