//! Which proof a network gets: an elimination where it fits, a random test where it does not.

use crate::certificate::{Certificate, Claim, MatrixFreeForm, QuadraticForm, check, check_probabilistic};
use crate::network::Network;
use crate::problem::InputNorm;

/// A network's quadratic form in the representation that its certificates are checked in.
#[derive(Clone, Debug)]
pub enum Form<'a> {
    /// Proofs by elimination.
    Eliminated(QuadraticForm<'a>),
    /// Random tests.
    MatrixFree(MatrixFreeForm<'a>),
}

/// Bytes per non-zero entry of a written-out map, with what composing it takes.
const BYTES_PER_ENTRY: usize = 32;
/// Multiply–adds of an elimination above which a random test takes over: half a minute or so on two cores.
const MOST_WORK: f64 = 5e11;

/// Multiply–adds of an elimination that takes about a second.
const SLOW_WORK: f64 = 2e10;

impl<'a> Form<'a> {
    /// The form by elimination if that needs at most `memory` bytes and bearable time, else the one by random test.
    ///
    /// `rows` is the largest number of rows of the functionals to come.
    pub fn choose(network: &'a Network, memory: usize, rows: usize) -> Self {
        if network.multiply_adds().saturating_mul(BYTES_PER_ENTRY) > memory {
            return Self::MatrixFree(MatrixFreeForm::new(network));
        }
        let form = QuadraticForm::new(network);
        let (work, bytes) = form.cost_with(rows);
        if work > MOST_WORK || bytes > memory as f64 {
            Self::MatrixFree(MatrixFreeForm::new(network))
        } else {
            Self::Eliminated(form)
        }
    }

    /// Whether a single elimination takes a second or more.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Eliminated(form) if form.cost().0 > SLOW_WORK)
    }

    /// The network.
    pub fn network(&self) -> &'a Network {
        match self {
            Self::Eliminated(form) => form.network(),
            Self::MatrixFree(form) => form.network(),
        }
    }

    /// Hands a claim to the checker.
    pub fn certify(&self, norm: InputNorm, claim: &Claim) -> Option<Certificate> {
        match self {
            Self::Eliminated(form) => check(form, norm, claim).ok(),
            Self::MatrixFree(form) => check_probabilistic(form, norm, claim).ok(),
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
    pub fn of(network: &Network) -> Self {
        let work = 2.0 * network.multiply_adds() as f64;
        let depth = network.depths().into_iter().max().unwrap_or(0) as f64;
        // √(top/margin)·ln(…)/2 of `certificate::randomised`, with the margin that a gap leaves (`dual::tilt`)
        let steps = |gap: f64| 12.0 * (4.0 * (depth + 1.0) / gap).sqrt();
        let gap = GAPS.into_iter().find(|gap| work * steps(*gap) <= TEST_WORK).unwrap_or(GAPS[GAPS.len() - 1]);
        let rank = RANKS.into_iter().find(|rank| work * *rank as f64 * SWEEPS <= ASCENT_WORK).unwrap_or(RANKS[2]);
        Self { gap, rank }
    }
}
