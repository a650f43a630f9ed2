//! Which proof a network gets: an elimination where it fits, a random test where it does not.

use crate::form::written_out;
use crate::form::{Affordable, Draws, MatrixFreeForm, QuadraticForm};
use crate::problem::InputNorm;
use crate::proof::{Certificate, Claim};
use crate::proof::{check, check_probabilistic};
use crate::slopes::SlopeNetwork;

/// A network's quadratic form in the representation that its certificates are checked in.
#[derive(Clone, Debug)]
pub enum Form<'a> {
    /// Proofs by elimination.
    Eliminated(QuadraticForm<'a>),
    /// Random tests.
    MatrixFree(MatrixFreeForm<'a>),
}

/// Multiply–adds of an elimination that takes about a second.
const SLOW_WORK: f64 = 2e10;

impl<'a> Form<'a> {
    /// The form by elimination if that needs at most `memory` bytes and bearable time, or is affordable, for then the checker
    /// takes nothing else; else the one by random test.
    ///
    /// `rows` is the largest number of rows of the functionals to come.
    pub fn choose(network: &'a SlopeNetwork, (memory, affordable): (usize, Affordable), rows: usize) -> Self {
        let allowed = Affordable { work: Affordable::MOST_WORK, bytes: memory as f64 };
        // one form for both questions: to make it is most of the work
        let larger = if allowed.bytes >= affordable.bytes { [allowed, affordable] } else { [affordable, allowed] };
        let form = (written_out(network) <= larger[0].bytes)
            .then(|| QuadraticForm::within(network, larger[0].bytes))
            .flatten();
        match form.filter(|form| larger.iter().any(|limit| limit.covers(form, rows))) {
            Some(form) => Self::Eliminated(form),
            None => Self::MatrixFree(MatrixFreeForm::new(network)),
        }
    }

    /// Whether a single elimination takes a second or more.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Eliminated(form) if form.cost().0 > SLOW_WORK)
    }

    /// The network.
    pub fn network(&self) -> &'a SlopeNetwork {
        match self {
            Self::Eliminated(form) => form.network(),
            Self::MatrixFree(form) => form.network(),
        }
    }

    /// Hands a claim to the checker; `test` numbers random tests, for each its own random numbers.
    pub fn certify(&self, norm: InputNorm, claim: &Claim, (draws, test): (&Draws, u64)) -> Option<Certificate> {
        match self {
            Self::Eliminated(form) => check(form, norm, claim).ok(),
            Self::MatrixFree(form) => check_probabilistic(form, norm, claim, (draws, test)).ok(),
        }
    }
}

/// What random tests and the ascents before them can afford: minutes, counted in multiply–adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// The smallest gap whose test is affordable.
    pub gap: f64,
    /// The largest number of features with which an ascent is affordable.
    pub rank: usize,
}

/// Multiply–adds of one test, and of one ascent, that take some minutes.
const TEST_WORK: f64 = 1.5e12;
const ASCENT_WORK: f64 = 3.6e12;
/// Sweeps of an ascent that is to reach a gap of a thousandth.
const SWEEPS: f64 = 200.0;
/// The gaps aimed at, and the ranks.
const GAPS: [f64; 5] = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1];
const RANKS: [usize; 4] = [32, 24, 16, 8];

impl Budget {
    /// The budget of a network.
    pub fn of(network: &SlopeNetwork) -> Self {
        let work = 2.0 * network.multiply_adds() as f64;
        let depth = network.depths().into_iter().max().unwrap_or(0) as f64;
        // √(top/margin)·ln(…)/2 of `certificate::randomised`, with the margin that a gap leaves (`dual::tilt`)
        let steps = |gap: f64| 12.0 * (4.0 * (depth + 1.0) / gap).sqrt();
        let gap = GAPS.into_iter().find(|gap| work * steps(*gap) <= TEST_WORK).unwrap_or(GAPS[GAPS.len() - 1]);
        let rank = RANKS.into_iter().find(|rank| work * *rank as f64 * SWEEPS <= ASCENT_WORK).unwrap_or(RANKS[2]);
        Self { gap, rank }
    }
}
