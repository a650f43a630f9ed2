//! Activation patterns by hyperplane rounding and local search: the vector network with k = 1.
//!
//! A random direction g turns the vectors of a solution into signs, sign⟨xᵢ, g⟩ and sign⟨sⱼ, g⟩. From there plain sweeps
//! with one feature climb to a fixed point: a pattern of slopes, each at an end of its interval, whose Jacobian norm is a
//! lower bound of the FGL (its rigorous value is [`crate::lower`]'s business).

use super::point::Point;
use super::sweep::{Sweep, VectorNetwork};
use crate::matrix::Matrix;
use crate::problem::Functional;
use crate::random::gaussian;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// How hard to search.
#[derive(Clone, Copy, Debug)]
pub struct PatternRules {
    /// Random directions per problem, at least 1.
    pub tries: usize,
    /// Sweeps per start at most.
    pub sweeps: usize,
    /// Seed of the directions.
    pub seed: u64,
}

impl PatternRules {
    /// What [`crate::bound()`] uses.
    pub const DEFAULT: Self = Self { tries: 8, sweeps: 30, seed: 0 };
}

/// A slope for every neuron, one list per activation layer, each at an end of the neuron's interval; and the input signs
/// (or unit vector) that go with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// The slopes.
    pub slopes: Vec<Vec<f64>>,
    /// u, one number per output: the functional's own, or the best for a norm of the output.
    pub weights: Vec<f64>,
    /// The direction x that attains the value, one number per input.
    pub direction: Vec<f64>,
    /// The value found, in plain floating point.
    pub value: f64,
}

/// The best pattern found for every problem from its solution (a point with that one problem).
///
/// # Panics
/// When the counts differ, or there are none.
pub fn search_patterns(
    network: &VectorNetwork<'_>,
    functionals: &[Functional],
    solutions: &[&Point],
    rules: PatternRules,
) -> Vec<Pattern> {
    assert_eq!(functionals.len(), solutions.len(), "one solution per functional");
    let starts: Vec<Point> = solutions.iter().map(|solution| round(network, solution, rules)).collect();
    let mut at = Point::concat(&starts.iter().collect::<Vec<_>>());
    let repeated: Vec<Functional> = functionals.iter().flat_map(|f| vec![f.clone(); rules.tries]).collect();
    let mut next = Point::empty(network, 1, at.problems);
    let mut work = network.workspace(1, at.problems);
    let mut best = vec![0.0; functionals.len()];
    for _ in 0..rules.sweeps {
        network.sweep(&at, &repeated, &mut work, &mut next);
        std::mem::swap(&mut at, &mut next);
        let values = work.value.chunks(rules.tries).map(|values| values.iter().copied().fold(0.0, f64::max));
        let mut risen = false;
        for (best, value) in best.iter_mut().zip(values) {
            risen |= value > *best * (1.0 + 1e-12);
            *best = value.max(*best);
        }
        if !risen {
            break;
        }
    }
    // one more sweep: its h and s belong together
    network.sweep(&at, &repeated, &mut work, &mut next);
    let winner = |p: usize| {
        let tries = p * rules.tries..(p + 1) * rules.tries;
        tries.max_by(|a, b| work.value[*a].total_cmp(&work.value[*b])).expect("at least one try")
    };
    (0..functionals.len()).map(winner).map(|column| read_pattern(network, &work, &next, column)).collect()
}

/// The pattern behind one column: the slope is at the upper end where h and s have the same sign (at h = 0 a sweep goes on
/// with the upper slope).
fn read_pattern(network: &VectorNetwork<'_>, work: &Sweep, next: &Point, column: usize) -> Pattern {
    let slopes = network.slopes().iter().enumerate().map(|(a, slopes)| {
        let (h, s) = (work.pre_activation(network, a), &next.s[a]);
        let upper = |j: usize| h.at(j, column) * s.at(j, column) >= 0.0;
        slopes.iter().enumerate().map(|(j, slope)| if upper(j) { slope.upper } else { slope.lower }).collect()
    });
    let (slopes, weights) = (slopes.collect(), work.weights.column(column));
    Pattern { slopes, weights, direction: next.x.column(column), value: work.value[column] }
}

/// `tries` problems of one feature: the solution seen from random directions.
fn round(network: &VectorNetwork<'_>, solution: &Point, rules: PatternRules) -> Point {
    let mut rng = ChaCha8Rng::seed_from_u64(rules.seed);
    let directions: Vec<Vec<f64>> = (0..rules.tries)
        .map(|t| match t {
            0 => (0..solution.k).map(|c| if c == 0 { 1.0 } else { 0.0 }).collect(), // e₁ itself, the output's direction
            _ => (0..solution.k).map(|_| gaussian(&mut rng)).collect(),
        })
        .collect();
    let project =
        |m: &Matrix, i: usize, t: usize| -> f64 { m.row(i).iter().zip(&directions[t]).map(|(v, g)| v * g).sum() };
    let sign = |v: f64| if v >= 0.0 { 1.0 } else { -1.0 };
    let mut point = Point {
        k: 1,
        problems: rules.tries,
        x: Matrix::from_fn(solution.x.rows(), rules.tries, |i, t| project(&solution.x, i, t)),
        s: solution.s.iter().map(|s| Matrix::from_fn(s.rows(), rules.tries, |j, t| sign(project(s, j, t)))).collect(),
    };
    if network.norm() == crate::problem::InputNorm::Linf {
        point.x.data_mut().iter_mut().for_each(|v| *v = sign(*v));
    }
    point.normalise(network.norm());
    point
}
