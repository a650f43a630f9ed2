//! One case of a search, whatever its relaxation: unit vectors through the network (`vectors.rs`), the same with cuts (`lifted.rs`), or for one
//! hidden layer unit vectors in the place of signs, with cuts (`signs`).

use super::super::engine::Found;
use super::lifted;
use super::signs;
use super::vectors;
use crate::cuts::Solution;
use crate::dual::Recovery;
use crate::problem::{Functional, InputNorm};
use crate::proof::Certificate;
use crate::proof::one_hidden::OneHidden;
use crate::relaxation::{Point, VectorNetwork};
use crate::slopes::SlopeNetwork;
use std::time::Instant;

/// What all cases of a search share.
pub(in crate::search) struct Problem<'a> {
    pub norm: InputNorm,
    pub functional: Functional,
    pub recovery: &'a Recovery<'a>,
    pub seed: u64,
    /// The network as a program over signs, where it is one.
    pub layer: Option<signs::Layer>,
    /// The limits of work with cuts, where cases are to have them.
    pub cuts: Option<Limits<'a>>,
}

/// Limits of work on a case.
#[derive(Clone, Copy)]
pub(in crate::search) struct Limits<'a> {
    pub memory: usize,
    pub deadline: Option<Instant>,
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Problem<'a> {
    /// The program over signs, for one hidden layer, one functional and ℓ∞ or ℓ2.
    pub fn layer(network: &'a SlopeNetwork, norm: InputNorm, functional: &Functional) -> Option<signs::Layer> {
        signs::Layer::new(OneHidden::new(network).ok()?, norm, functional)
    }

    /// Where the search begins.
    pub fn origin(&self, (whole, rank): (&VectorNetwork<'_>, usize), cuts: Option<Solution>, stream: u64) -> Start {
        let point = || Point::random(whole, rank, self.seed, stream);
        match (cuts, &self.layer) {
            (Some(solution), _) => Start::Lifted(lifted::State { point: point(), solution: solution.into() }.into()),
            (None, Some(layer)) => Start::Signs(layer.origin(self.seed)),
            (None, None) => Start::Vectors(point()),
        }
    }
}

/// Where work on a case starts: the solution of the case above.
#[derive(Clone, Debug)]
pub(in crate::search) enum Start {
    Vectors(Point),
    Lifted(Box<lifted::State>),
    Signs(signs::State),
}

impl Start {
    /// Its size in memory.
    pub fn bytes(&self) -> usize {
        let of_point =
            |point: &Point| 8 * (point.x.data().len() + point.s.iter().map(|s| s.data().len()).sum::<usize>());
        match self {
            Self::Vectors(point) => of_point(point),
            Self::Lifted(state) => of_point(&state.point) + state.solution.bytes(),
            Self::Signs(state) => state.bytes(),
        }
    }
}

/// How work on a case ended.
pub(in crate::search) type Solved = Found<Start>;

/// A case with what it takes to solve it.
pub(in crate::search) enum Relaxed<'a> {
    Vectors(vectors::Relaxed<'a>),
    Lifted(lifted::Relaxed<'a>),
    Signs(signs::Relaxed<'a>),
}

impl<'a> Relaxed<'a> {
    /// A case, given by its slope network.
    pub fn new(problem: &'a Problem<'a>, case: &'a SlopeNetwork) -> Self {
        Self::limited(problem, problem.cuts, case)
    }

    /// The same when the search has ended: only this time counts.
    pub fn after(problem: &'a Problem<'a>, case: &'a SlopeNetwork, deadline: Option<Instant>) -> Self {
        let limits = |limits: Limits<'a>| Limits { deadline, cancelled: &|| false, ..limits };
        Self::limited(problem, problem.cuts.map(limits), case)
    }

    fn limited(problem: &'a Problem<'a>, cuts: Option<Limits<'a>>, case: &'a SlopeNetwork) -> Self {
        match (cuts, &problem.layer) {
            (Some(limits), _) => Self::Lifted(lifted::Relaxed::new(problem, limits, case)),
            (None, Some(layer)) => Self::Signs(signs::Relaxed::new(layer, problem, case)),
            (None, None) => Self::Vectors(vectors::Relaxed::new(problem, case)),
        }
    }

    /// Solves the relaxation until the case is closed by a bound of `target`, or is to be split.
    pub fn solve(&self, start: &Start, target: f64) -> Option<Solved> {
        match (self, start) {
            (Self::Vectors(relaxed), Start::Vectors(point)) => Some(relaxed.solve(point.clone(), target)),
            (Self::Lifted(relaxed), Start::Lifted(state)) => relaxed.solve(state, target),
            (Self::Signs(relaxed), Start::Signs(state)) => Some(relaxed.solve(state, target)),
            (Self::Vectors(_) | Self::Lifted(_) | Self::Signs(_), _) => None,
        }
    }

    /// Solves the relaxation for its value.
    pub fn converge(&self, start: &Start) -> Option<Solved> {
        match (self, start) {
            (Self::Vectors(relaxed), Start::Vectors(point)) => Some(relaxed.converge(point.clone())),
            (Self::Lifted(relaxed), Start::Lifted(state)) => relaxed.converge(state),
            (Self::Signs(relaxed), Start::Signs(state)) => Some(relaxed.converge(state)),
            (Self::Vectors(_) | Self::Lifted(_) | Self::Signs(_), _) => None,
        }
    }

    /// The bound of a converged case: `target` if that is within reach, else the best there is.
    pub fn bound(&self, solution: &Start, target: f64) -> Option<Certificate> {
        match (self, solution) {
            (Self::Vectors(relaxed), Start::Vectors(point)) => relaxed.bound(point, target),
            (Self::Lifted(relaxed), Start::Lifted(state)) => relaxed.bound(state, target),
            (Self::Signs(relaxed), Start::Signs(state)) => relaxed.bound(state, target),
            (Self::Vectors(_) | Self::Lifted(_) | Self::Signs(_), _) => None,
        }
    }
}

/// The number with the fewest digits that is off by no more than about `error`, relatively.
pub(super) fn in_digits(v: f64, error: f64) -> f64 {
    let digits = (-error.log10()).ceil().clamp(0.0, 17.0) as usize;
    if digits < 16 { format!("{v:.digits$e}").parse().unwrap_or(v) } else { v }
}
