//! Positive definiteness without a factorisation: a random test that an indefinite form passes with small probability.
//!
//! # What is shown
//!
//! Let A = D M D be the form's matrix in the scale of its multipliers, g₁, …, g_c independent vectors of independent standard
//! normal numbers, T_q the Chebyshev polynomial and ℓ the affine map that takes \[m, s\] to \[−1, 1\]. The test computes
//! yₖ = T_q(ℓ(A)) gₖ and passes if ‖yₖ‖ < ½ τ |T_q(ℓ(0))| for every k, with τ = p^{1/c} √(π/2).
//!
//! **Claim.** If A has a negative eigenvalue, the test passes with probability at most p, in exact arithmetic.
//! *Proof.* Let e be a unit eigenvector to an eigenvalue below 0. There |T_q∘ℓ| ≥ |T_q(ℓ(0))|, for ℓ(0) < −1 and |T_q| grows
//! away from \[−1, 1\]. So ‖yₖ‖ ≥ |⟨e, yₖ⟩| ≥ |T_q(ℓ(0))| |⟨e, gₖ⟩|, and ⟨e, gₖ⟩ is standard normal: its absolute value is
//! below τ with probability at most τ√(2/π) = p^{1/c}. These are c independent numbers. ∎ (q, m and s are the same for all,
//! and q may depend on the lengths of the gₖ: the inequality holds for every q.)
//!
//! **Definite and every variable.** D is positive: every variable has a multiplier, which has to be between 2⁻⁸⁰⁰ and 2⁸⁰⁰,
//! and the only neurons left out are no variables (`operator.rs`). A form without a negative eigenvalue is non-negative, and
//! that is what a bound needs.
//!
//! **Several vectors.** If the spectrum of A lies in \[m, s\], then ‖yₖ‖ ≤ ‖gₖ‖, so the test passes as soon as
//! |T_q(ℓ(0))| ≥ 2‖gₖ‖/τ. With ℓ(0) = −1 − 2m/(s−m), that takes q ≈ ln(4‖g‖/τ)·½√(s/m) applications of A, where ln(1/τ) is
//! ln(1/p)/c: one vector with p = 10⁻¹² takes two and a half times as many as four, which in turn cost between two and a half and
//! four times as much an application (four 3×3 convolutions, 32×32×64: with c = 1, 4, 8, 16 a test takes 1, 1.1, 1.8, 4 in the
//! units of one vector). So four cost about as much as one, and more do not pay. They are taken because a tiny τ could
//! not be trusted: normal numbers made of 53 random bits, or of a seed of 64, say nothing of single events as rare as 10⁻³⁰,
//! while four of 10⁻³ each are what they seem. The margin m and the top s are hints: bad ones make the test fail, never pass
//! wrongly.
//!
//! This is the randomised Lanczos bound of Kuczyński and Woźniakowski (SIAM J. Matrix Anal. Appl. 13, 1992) with the
//! polynomial fixed beforehand in the place of Lanczos' own: the same exponential in q√(m/s) with the same constants, from
//! a recurrence of two terms that is stable without reorthogonalisation.
//!
//! **Randomness** is the tester's (`randomness.rs`). Whoever makes a claim tests it with numbers from a seed, so that
//! results repeat; the claim may depend on them. So the checker draws others: by default from the operating system.
//!
//! **Rounding** is estimated, not bounded: one application of A is off by at most γ·(row sums of |A|), which is taken off the
//! margin (underflow: `magnitudes.rs`); over the recurrence, errors add up to about q²u‖g‖ in units of T_q, which has to be below ¼τ: the
//! factor ½ leaves as much again. A certificate that rests on this test is *probabilistic* and says so, with its p.

use crate::form::operator::{MULTIPLIERS, Operator, Scaled, Unusable, Vector};
use crate::form::quadratic::Multipliers;
use crate::form::test_claim::RandomTest;
use crate::problem::{Functional, InputNorm};
use crate::rounding::{UNIT, gamma_up};
use crate::slopes::{SlopeNetwork, SlopeOp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::ops::RangeInclusive;

/// The probabilities of failure that a claim may have: small enough never to happen, and large enough for the arithmetic
/// behind a test to mean something.
pub const PROBABILITIES: RangeInclusive<f64> = 1e-16..=1e-12;
/// c: the vectors of one test.
const COLUMNS: usize = 4;
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
    pub fn new(network: &'a SlopeNetwork) -> Self {
        let longest = |op: &SlopeOp| match op {
            SlopeOp::Affine { terms } => terms.iter().map(|t| t.map.longest_sum() + 2).sum(),
            SlopeOp::Input | SlopeOp::Neurons { .. } => 4,
        };
        // errors along a chain of affine nodes add up; to count all nodes is simple and enough
        let sums: usize = network.nodes().iter().map(|node| longest(&node.op)).sum();
        Self { operator: Operator::new(network), rounding: gamma_up(2 * sums + 16) }
    }

    /// The network.
    pub fn network(&self) -> &'a SlopeNetwork {
        self.operator.network()
    }

    /// The form of these multipliers; none if one of a variable is zero, or out of range.
    pub fn scaled(&self, norm: InputNorm, functional: &Functional, multipliers: &Multipliers) -> Option<Scaled<'_>> {
        self.usable(norm, functional, multipliers).ok()
    }

    fn usable(
        &self,
        norm: InputNorm,
        functional: &Functional,
        multipliers: &Multipliers,
    ) -> Result<Scaled<'_>, Unusable> {
        let (network, mut multipliers) = (self.network(), multipliers.clone());
        multipliers.gamma = multipliers.gamma_per_input(norm, network.inputs());
        multipliers.zeta = multipliers.zeta_per_row(functional.row_count(network.outputs()));
        self.operator.scaled(functional, multipliers)
    }

    /// The activation layer and number of every neuron that is a variable.
    pub fn variables(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let layers = self.network().layers().enumerate();
        let all = layers.flat_map(|(a, (node, _))| (0..self.network().node(node).len).map(move |j| (a, j)));
        all.filter(|(a, j)| self.operator.is_free(*a, *j))
    }

    /// Probably above the largest eigenvalue of the scaled form: power iteration with headroom, for a hint.
    pub fn top(&self, scaled: &Scaled<'_>, seed: u64) -> f64 {
        let mut v = scaled.normal(&mut ChaCha8Rng::seed_from_u64(seed), 1);
        let mut top = 0.0;
        for _ in 0..POWER_STEPS {
            let length = v.length();
            v.scale(1.0 / length);
            v = scaled.apply(&v);
            top = v.length();
        }
        top * HEADROOM
    }

    /// The test for these multipliers; `Err` says why it did not pass. `spare` is the margin that has to be more than rounding: that of
    /// the test, or a smaller one with which it will be done again.
    pub(crate) fn test(
        &self,
        norm: InputNorm,
        functional: &Functional,
        multipliers: &Multipliers,
        (test, spare): (RandomTest, f64),
        random: &mut impl Rng,
    ) -> Result<(), String> {
        let RandomTest { failure_probability, .. } = test;
        if !PROBABILITIES.contains(&failure_probability) {
            let (least, most) = PROBABILITIES.into_inner();
            return Err(format!(
                "its random test has the failure probability {failure_probability:e}; it has to be between {least:e} and {most:e}"
            ));
        }
        let scaled = self.usable(norm, functional, multipliers).map_err(|unusable| describe(&unusable))?;
        self.draw(&scaled, (test, spare), random)
    }

    /// The test itself, for any probability.
    fn draw(&self, scaled: &Scaled<'_>, (test, spare): (RandomTest, f64), random: &mut impl Rng) -> Result<(), String> {
        let RandomTest { failure_probability, margin, top } = test;
        if !(margin > 0.0 && margin < top && top.is_finite()) {
            return Err("its random test needs a margin between 0 and the top".to_owned());
        }
        let largest = scaled.largest_row_sum().map_err(|found| {
            format!("its numbers reach {:e} at node {}, out of the range of a random test", found.magnitude, found.node)
        })?;
        // the computed form may be off by so much at either end of the interval and at zero
        let rounding = 2.0 * self.rounding * largest;
        let margin = margin - rounding;
        if margin.min(spare - rounding) <= 0.0 {
            return Err("the margin of its random test is below the rounding of the form".to_owned());
        }
        let start = scaled.normal(random, COLUMNS);
        let lengths = start.lengths();
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        // rounded down, for `pow` is off by less than a unit in the last place
        let tau =
            libm::pow(failure_probability, 1.0 / COLUMNS as f64) * (std::f64::consts::PI / 2.0).sqrt() * (1.0 - 1e-12);
        // T_q(ℓ(0)) = cosh(q·acosh|ℓ(0)|), which is to be 2·‖g‖/τ, with a little to spare
        let rate = (1.0 + 2.0 * margin / (top - margin)).acosh();
        let steps = ((2.1 * longest / tau).max(1.0).acosh() / rate).ceil().max(1.0);
        if steps.is_nan() || steps > LONGEST_TEST {
            return Err(format!("its random test would take {steps:.0} steps; {LONGEST_TEST:.0} are allowed"));
        }
        // relative to the size of the polynomial at zero, with which an error in the direction of a negative eigenvalue grows
        if 8.0 * UNIT * steps * steps * longest > 0.25 * tau {
            return Err(format!("its random test would take {steps:.0} steps, too many for double precision"));
        }
        let passes = 0.5 * tau * (rate * steps).cosh();
        let (centre, half) = (0.5 * (top + margin), 0.5 * (top - margin));
        let mut before = start.clone();
        let mut now = shifted(scaled, &start, centre, half);
        for _ in 1..steps as usize {
            let mut next = shifted(scaled, &now, centre, half);
            entrywise(&mut next, &before, |n, b| 2.0 * n - b);
            before = std::mem::replace(&mut now, next);
            // inside [−1, 1] the polynomial is at most 1
            let outside = |(now, start): (f64, &f64)| now.is_nan() || now > 4.0 * start;
            if now.lengths().into_iter().zip(&lengths).any(outside) {
                return Err("an eigenvalue of its matrix is outside the range that its random test allows".to_owned());
            }
        }
        let all = now.lengths().into_iter().all(|length| length < passes);
        if all { Ok(()) } else { Err("its matrix did not pass the random test".to_owned()) }
    }
}

/// ℓ(A) v.
fn shifted(scaled: &Scaled<'_>, v: &Vector, centre: f64, half: f64) -> Vector {
    let mut result = scaled.apply(v);
    entrywise(&mut result, v, |r, v| (r - centre * v) / half);
    result
}

/// v ← f(v, other), entry by entry.
fn entrywise(v: &mut Vector, other: &Vector, f: impl Fn(f64, f64) -> f64 + Sync) {
    for (v, other) in v.parts_mut().zip(other.parts()) {
        let chunks = v.par_chunks_mut(CHUNK).zip(other.par_chunks(CHUNK));
        chunks.for_each(|(v, other)| v.iter_mut().zip(other).for_each(|(v, other)| *v = f(*v, *other)));
    }
}

/// Entries that one thread handles at a time.
const CHUNK: usize = 1 << 15;

fn describe(unusable: &Unusable) -> String {
    let Unusable { part, index, value } = unusable;
    let which = match part {
        0 => format!("zeta[{index}]"),
        1 => format!("gamma[{index}]"),
        layer => format!("lambda[{}][{index}]", layer - 2),
    };
    let (least, most) = MULTIPLIERS.into_inner();
    format!("{which} is {value:e}; a random test takes multipliers between {least:.1e} and {most:.1e}")
}

#[cfg(test)]
mod tests {
    use super::super::randomness::Draws;
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, NetworkBuilder};

    /// y = relu(x): the form ζt² + γx² + λw(w − x) − 2tw is 0 for ζ = γ = 1, λ = 2 and (t, x, w) = (1, 1, 1).
    fn relu() -> SlopeNetwork {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let h = b.affine("h", vec![(b.input(), LinearMap::Identity(1))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        SlopeNetwork::everywhere(&b.finish(z)).expect("bounded slopes")
    }

    fn multipliers(factor: f64) -> Multipliers {
        Multipliers { zeta: vec![factor], gamma: vec![factor], lambda: vec![vec![2.0]] }
    }

    fn passed(network: &SlopeNetwork, factor: f64, probability: f64, draws: u64) -> usize {
        let form = MatrixFreeForm::new(network);
        let scaled = form.scaled(InputNorm::Linf, &Functional::output(0), &multipliers(factor)).expect("positive");
        let test = RandomTest { failure_probability: probability, margin: 1e-3, top: 2.5 };
        let numbers = Draws::of_maker(1);
        (0..draws).filter(|draw| form.draw(&scaled, (test, test.margin), &mut numbers.stream(*draw)).is_ok()).count()
    }

    #[test]
    fn an_indefinite_form_passes_at_most_as_often_as_stated() {
        let network = relu();
        assert_eq!(passed(&network, 1.01, 1e-12, 100), 100, "a definite form passes");
        // (below 1 by so little that the polynomial hardly grows from 0 to the negative eigenvalue)
        let mut all = 0.0;
        for (probability, draws) in [(0.5, 4000), (0.1, 4000), (0.01, 4000)] {
            let expected = probability * draws as f64;
            let found = passed(&network, 1.0 - 1e-9, probability, draws) as f64;
            assert!(found <= expected + 4.0 * expected.sqrt(), "{found} of {draws} with p = {probability}");
            all += found;
        }
        assert!(all > 0.0, "or this says nothing");
        assert_eq!(passed(&network, 0.95, 1e-12, 1000), 0);
    }

    #[test]
    fn every_multiplier_has_to_be_in_range_and_so_have_the_numbers_behind_it() {
        let network = relu();
        let form = MatrixFreeForm::new(&network);
        let test = RandomTest { failure_probability: 1e-12, margin: 1e-3, top: 2.5 };
        let numbers = Draws::of_maker(1);
        let verdict = |multipliers: Multipliers| {
            form.test(
                InputNorm::Linf,
                &Functional::output(0),
                &multipliers,
                (test, test.margin),
                &mut numbers.stream(0),
            )
        };
        assert_eq!(verdict(multipliers(1.01)), Ok(()));
        for bad in [0.0, 1e-242, 1e242, f64::MIN_POSITIVE] {
            let other = multipliers(1.01);
            for changed in [
                Multipliers { zeta: vec![bad], ..other.clone() },
                Multipliers { gamma: vec![bad], ..other.clone() },
                Multipliers { lambda: vec![vec![bad]], ..other },
            ] {
                assert!(verdict(changed).expect_err("out of range").contains("between"), "{bad}");
            }
        }
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let scale = |v: f64| LinearMap::Dense(Matrix::from_vec(1, 1, vec![v]));
        // 1e-300 and 1e300 one after the other: the function is relu(x) again, the numbers between are not to be had
        let h = b.affine("small", vec![(b.input(), scale(1e-300))], None).expect("shapes");
        let h = b.affine("large", vec![(h, scale(1e300))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let network = SlopeNetwork::everywhere(&b.finish(z)).expect("bounded slopes");
        let form = MatrixFreeForm::new(&network);
        let verdict = form.test(
            InputNorm::Linf,
            &Functional::output(0),
            &multipliers(1.01),
            (test, test.margin),
            &mut numbers.stream(0),
        );
        assert!(verdict.expect_err("out of range").contains("at node"));
    }
}
