//! Accelerated alternating maximisation: sweeps with Nesterov extrapolation, restarted per problem when its value falls.
//!
//! Values are accurate to rounding only, and multipliers go on settling long after the value has stopped. So momentum is
//! also dropped when it points against the step just made (the gradient scheme of O'Donoghue and Candès, *Adaptive restart
//! for accelerated gradient schemes*, 2015), with every neuron weighted by its share of the objective, ‖G_j‖‖h_j‖.

use super::momentum::Momentum;
use super::point::Point;
use super::rows;
use super::sweep::{Sweep, VectorNetwork};
use crate::matrix::Matrix;
use crate::problem::{Functional, InputNorm};

/// The ascent of a batch of problems that share the network. Every problem keeps its own momentum, so what happens to one
/// does not depend on its neighbours.
#[derive(Debug)]
pub struct Ascent<'a> {
    network: &'a VectorNetwork<'a>,
    functionals: Vec<Functional>,
    /// The last accepted iterate.
    current: Point,
    /// The extrapolated point from which the next sweep starts.
    ahead: Point,
    next: Point,
    work: Sweep,
    pace: Vec<Pace>,
    momentum: Vec<f64>,
}

/// The progress of one problem.
#[derive(Clone, Copy, Debug)]
struct Pace {
    momentum: Momentum,
    /// The value of the last accepted sweep.
    value: f64,
    /// Whether the next sweep starts from the last iterate without momentum, and is accepted whatever it gives.
    fresh: bool,
    /// The relative changes of the value in the last three accepted sweeps, newest first.
    gains: [f64; 3],
    sweeps: usize,
}

/// Relative differences of values that mean nothing.
const NOISE: f64 = 1e-14;

impl Pace {
    const START: Self =
        Self { momentum: Momentum::START, value: 0.0, fresh: true, gains: [f64::INFINITY; 3], sweeps: 0 };

    /// Takes the value a sweep reached, and whether momentum pointed against the step; returns the momentum for the next
    /// sweep, or NaN to go back to the last iterate.
    fn advance(&mut self, value: f64, against: bool) -> f64 {
        self.sweeps += 1;
        if value < self.value * (1.0 - NOISE) && !self.fresh {
            *self = Self { momentum: Momentum::START, fresh: true, ..*self };
            return f64::NAN;
        }
        if against {
            self.momentum = Momentum::START;
        }
        let gain = (value - self.value).abs() / value.abs().max(f64::MIN_POSITIVE);
        *self = Self { value, fresh: false, gains: [gain, self.gains[0], self.gains[1]], ..*self };
        self.momentum.advance()
    }
}

impl<'a> Ascent<'a> {
    /// Starts from `start`, with one functional per problem of it.
    ///
    /// # Panics
    /// When the counts differ.
    pub fn new(network: &'a VectorNetwork<'a>, functionals: Vec<Functional>, start: Point) -> Self {
        let (k, problems) = (start.k, start.problems);
        assert_eq!(functionals.len(), problems, "one functional per problem");
        Self {
            network,
            functionals,
            ahead: start.clone(),
            next: Point::empty(network, k, problems),
            current: start,
            work: network.workspace(k, problems),
            pace: vec![Pace::START; problems],
            momentum: vec![0.0; problems],
        }
    }

    /// One sweep of every problem.
    pub fn step(&mut self) {
        let k = self.current.k;
        self.network.sweep(&self.ahead, &self.functionals, &mut self.work, &mut self.next);
        let against = self.momentum_is_against();
        let results = self.work.value.iter().zip(against);
        for ((momentum, pace), (value, against)) in self.momentum.iter_mut().zip(&mut self.pace).zip(results) {
            *momentum = pace.advance(*value, against);
        }
        let rows_are_unit = self.network.norm() == InputNorm::Linf;
        rows::extrapolate(k, &self.momentum, &self.current.x, &self.next.x, &mut self.ahead.x, rows_are_unit);
        rows::accept(k, &self.momentum, &mut self.current.x, &mut self.next.x);
        for layer in 0..self.current.s.len() {
            let (old, new) = (&mut self.current.s[layer], &mut self.next.s[layer]);
            rows::extrapolate(k, &self.momentum, old, new, &mut self.ahead.s[layer], true);
            rows::accept(k, &self.momentum, old, new);
        }
        self.ahead.normalise_input(self.network.norm());
    }

    /// Per problem: whether Σ w ⟨ahead − next, next − current⟩ > 0 over all rows, w the row's share of the objective.
    fn momentum_is_against(&self) -> Vec<bool> {
        let mut sums = vec![0.0; self.problems()];
        let (k, ones) = (self.current.k, Matrix::from_fn(self.work.x_norms.rows(), self.problems(), |_, _| 1.0));
        let points = [&self.ahead.x, &self.next.x, &self.current.x];
        rows::add_turn(k, [&self.work.x_norms, &ones], points, &mut sums);
        for a in 0..self.current.s.len() {
            let points = [&self.ahead.s[a], &self.next.s[a], &self.current.s[a]];
            rows::add_turn(k, [&self.work.h_norms[a], &self.work.g_norms[a]], points, &mut sums);
        }
        sums.iter().map(|sum| *sum > 0.0).collect()
    }

    /// How many problems run.
    pub fn problems(&self) -> usize {
        self.current.problems
    }

    /// k.
    pub fn rank(&self) -> usize {
        self.current.k
    }

    /// The value of problem `p`'s last accepted sweep.
    pub fn value(&self, p: usize) -> f64 {
        self.pace[p].value
    }

    /// The largest relative change of problem `p`'s value in its last three accepted sweeps.
    pub fn recent_gain(&self, p: usize) -> f64 {
        self.pace[p].gains.iter().copied().fold(0.0, f64::max)
    }

    /// The sweeps problem `p` has made.
    pub fn sweeps(&self, p: usize) -> usize {
        self.pace[p].sweeps
    }

    /// The point of problem `p` after one plain sweep from its last iterate, with the norms of that sweep (what the
    /// multipliers are made of).
    pub fn settle(&self, p: usize) -> (Point, Sweep) {
        let start = self.point(p);
        let mut end = Point::empty(self.network, start.k, 1);
        let mut work = self.network.workspace(start.k, 1);
        self.network.sweep(&start, &self.functionals[p..=p], &mut work, &mut end);
        (end, work)
    }

    /// The last iterate of problem `p`, where [`Self::settle`] starts from.
    pub fn point(&self, p: usize) -> Point {
        self.current.select(&[p])
    }

    /// Goes on with the given problems alone.
    pub fn keep(&mut self, problems: &[usize]) {
        if problems.len() == self.problems() {
            return;
        }
        self.current = self.current.select(problems);
        self.ahead = self.ahead.select(problems);
        self.next = Point::empty(self.network, self.current.k, problems.len());
        self.work = self.network.workspace(self.current.k, problems.len());
        self.functionals = problems.iter().map(|&p| self.functionals[p].clone()).collect();
        self.pace = problems.iter().map(|&p| self.pace[p]).collect();
        self.momentum = vec![0.0; problems.len()];
    }
}
