//! One case of a search, whatever its relaxation: unit vectors through the network (`vectors.rs`), or for one hidden layer
//! unit vectors in the place of signs, with cuts (`signs`).

use super::super::engine::Found;
use super::signs;
use super::vectors;
use crate::dual::Recovery;
use crate::problem::{Functional, InputNorm};
use crate::proof::Certificate;
use crate::proof::one_hidden::OneHidden;
use crate::relaxation::{Point, VectorNetwork};
use crate::slopes::SlopeNetwork;

/// What all cases of a search share.
pub(in crate::search) struct Problem<'a> {
    pub norm: InputNorm,
    pub functional: Functional,
    pub recovery: &'a Recovery<'a>,
    pub seed: u64,
    /// The network as a program over signs, where it is one.
    pub layer: Option<signs::Layer>,
}

impl<'a> Problem<'a> {
    /// The program over signs, for one hidden layer, one functional and ℓ∞ or ℓ2.
    pub fn layer(network: &'a SlopeNetwork, norm: InputNorm, functional: &Functional) -> Option<signs::Layer> {
        signs::Layer::new(OneHidden::new(network).ok()?, norm, functional)
    }

    /// Where the search begins.
    pub fn origin(&self, whole: &VectorNetwork<'_>, rank: usize, stream: u64) -> Start {
        match &self.layer {
            Some(layer) => Start::Signs(layer.origin(self.seed)),
            None => Start::Vectors(Point::random(whole, rank, self.seed, stream)),
        }
    }
}

/// Where work on a case starts: the solution of the case above.
#[derive(Clone, Debug)]
pub(in crate::search) enum Start {
    Vectors(Point),
    Signs(signs::State),
}

impl Start {
    /// Its size in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Vectors(point) => 8 * (point.x.data().len() + point.s.iter().map(|s| s.data().len()).sum::<usize>()),
            Self::Signs(state) => state.bytes(),
        }
    }
}

/// How work on a case ended.
pub(in crate::search) type Solved = Found<Start>;

/// A case with what it takes to solve it.
pub(in crate::search) enum Relaxed<'a> {
    Vectors(vectors::Relaxed<'a>),
    Signs(signs::Relaxed<'a>),
}

impl<'a> Relaxed<'a> {
    /// A case, given by its slope network.
    pub fn new(problem: &'a Problem<'a>, case: &'a SlopeNetwork) -> Self {
        match &problem.layer {
            Some(layer) => Self::Signs(signs::Relaxed::new(layer, problem, case)),
            None => Self::Vectors(vectors::Relaxed::new(problem, case)),
        }
    }

    /// Solves the relaxation until the case is closed by a bound of `target`, or is to be split.
    pub fn solve(&self, start: &Start, target: f64) -> Option<Solved> {
        match (self, start) {
            (Self::Vectors(relaxed), Start::Vectors(point)) => Some(relaxed.solve(point.clone(), target)),
            (Self::Signs(relaxed), Start::Signs(state)) => Some(relaxed.solve(state, target)),
            (Self::Vectors(_), Start::Signs(_)) | (Self::Signs(_), Start::Vectors(_)) => None,
        }
    }

    /// Solves the relaxation for its value.
    pub fn converge(&self, start: &Start) -> Option<Solved> {
        match (self, start) {
            (Self::Vectors(relaxed), Start::Vectors(point)) => Some(relaxed.converge(point.clone())),
            (Self::Signs(relaxed), Start::Signs(state)) => Some(relaxed.converge(state)),
            (Self::Vectors(_), Start::Signs(_)) | (Self::Signs(_), Start::Vectors(_)) => None,
        }
    }

    /// The bound of a converged case: `target` if that is within reach, else the best there is.
    pub fn bound(&self, solution: &Start, target: f64) -> Option<Certificate> {
        match (self, solution) {
            (Self::Vectors(relaxed), Start::Vectors(point)) => relaxed.bound(point, target),
            (Self::Signs(relaxed), Start::Signs(state)) => relaxed.bound(state, target),
            (Self::Vectors(_), Start::Signs(_)) | (Self::Signs(_), Start::Vectors(_)) => None,
        }
    }
}

/// The number with the fewest digits that is off by no more than about `error`, relatively.
pub(super) fn in_digits(v: f64, error: f64) -> f64 {
    let digits = (-error.log10()).ceil().clamp(0.0, 17.0) as usize;
    if digits < 16 { format!("{v:.digits$e}").parse().unwrap_or(v) } else { v }
}
