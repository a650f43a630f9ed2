//! A case with cuts: the relaxation first, which costs little, and where that does not close it, the cuts of the case above with their multipliers.

use super::super::engine::Verdict;
use super::case::{Limits, Problem, Solved, Start};
use super::vectors;
use crate::cuts::{self, Solution};
use crate::place::Knife;
use crate::proof::Certificate;
use crate::relaxation::{Point, VectorNetwork};
use crate::slopes::SlopeNetwork;
use std::sync::Arc;

/// Where the relaxation is above the target by no more than this, relatively, splitting on without cuts takes less time.
const NEAR: f64 = 0.03;

/// A solution of the relaxation, and one with cuts.
#[derive(Clone, Debug)]
pub(in crate::search) struct State {
    pub point: Point,
    /// That of the case above, where no work was done on its cuts.
    pub solution: Arc<Solution>,
}

/// A case with what it takes to solve it.
pub(in crate::search) struct Relaxed<'a> {
    problem: &'a Problem<'a>,
    limits: Limits<'a>,
    vectors: vectors::Relaxed<'a>,
    network: VectorNetwork<'a>,
}

impl<'a> Relaxed<'a> {
    /// A case, given by its slope network.
    pub fn new(problem: &'a Problem<'a>, limits: Limits<'a>, case: &'a SlopeNetwork) -> Self {
        let network = VectorNetwork::new(case, problem.norm);
        Self { problem, limits, vectors: vectors::Relaxed::new(problem, case), network }
    }

    /// Solves until the case is closed by a bound of `target`, or is to be split.
    pub fn solve(&self, state: &State, target: f64) -> Option<Solved> {
        let relaxed = self.vectors.solve(state.point.clone(), target);
        let Verdict::Open(..) = relaxed.verdict else { return Some(relaxed) };
        match relaxed.value <= target * (1.0 + NEAR) {
            true => with_cuts(relaxed, Arc::clone(&state.solution)),
            false => self.cut(relaxed, &state.solution, target),
        }
    }

    /// The relaxation's value and solution, with the cuts of the case above.
    pub fn converge(&self, state: &State) -> Option<Solved> {
        with_cuts(self.vectors.converge(state.point.clone()), Arc::clone(&state.solution))
    }

    /// The bound of a case: what its cuts prove without more work on them, or the relaxation's.
    pub fn bound(&self, state: &State, target: f64) -> Option<Certificate> {
        let cut = cuts::case_bound(self.question(target), &state.solution);
        if cut.as_ref().is_some_and(|case| case.upper() <= target) {
            return cut;
        }
        let relaxed = self.vectors.bound(&state.point, target);
        relaxed.into_iter().chain(cut).min_by(|a, b| a.upper().total_cmp(&b.upper()))
    }

    fn question(&self, target: f64) -> cuts::Question<'_> {
        cuts::Question {
            vectors: &self.network,
            groups: None,
            functional: &self.problem.functional,
            seed: self.problem.seed,
            memory: self.limits.memory,
            lower: target,
            deadline: self.limits.deadline,
            cancelled: self.limits.cancelled,
        }
    }

    fn cut(&self, relaxed: Solved, above: &Arc<Solution>, target: f64) -> Option<Solved> {
        let Some(case) = cuts::case(self.question(target), above, target) else {
            return with_cuts(relaxed, Arc::clone(above));
        };
        let own = case.split.map(|(layer, neuron)| Knife::Slope(layer, neuron));
        let verdict = match (case.certificate, relaxed.verdict) {
            (Some(certificate), _) => Verdict::Closed(Box::new(certificate)),
            (None, Verdict::Open(split, certificate)) => Verdict::Open(own.or(split), certificate),
            (None, closed) => closed,
        };
        let value = relaxed.value.min(case.value);
        let sweeps = relaxed.sweeps + case.evaluations;
        with_cuts(Solved { value, verdict, sweeps, ..relaxed }, case.solution.into())
    }
}

/// What is known of a case, with a solution with cuts.
fn with_cuts(relaxed: Solved, solution: Arc<Solution>) -> Option<Solved> {
    let Start::Vectors(point) = relaxed.kept else { return None };
    let kept = Start::Lifted(State { point, solution }.into());
    Some(Solved { kept, ..relaxed })
}
