//! Activation patterns by hyperplane rounding and local search: the vector network with k = 1.
//!
//! A random direction g turns the vectors of a solution into signs, sign⟨xᵢ, g⟩ and sign⟨sⱼ, g⟩. From there plain sweeps
//! with one feature climb to a fixed point: a pattern of slopes, each at an end of its interval, whose Jacobian norm is a
//! lower bound of the FGL (its rigorous value is [`crate::lower`]'s business).

use super::flips::{Flipper, Pose};
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
    /// Starts per problem that are followed to their end, at least 1.
    pub tries: usize,
    /// Sweeps per start at most.
    pub sweeps: usize,
    /// Multiply–adds that more directions, and flips of neurons, may take per problem: up to ten times as many where they
    /// keep helping.
    pub work: f64,
    /// Seed of the directions.
    pub seed: u64,
}

impl PatternRules {
    /// What [`crate::bound()`] uses.
    pub const DEFAULT: Self = Self { tries: 8, sweeps: 30, work: 1e7, seed: 0 };
}

/// Random directions per problem at most, and the sweeps after which the better ones are chosen.
const MOST_TRIES: usize = 128;
const FIRST_SWEEPS: usize = 6;
/// While kicks keep helping they may take this much more work.
const LONGER: f64 = 9.0;
/// They end when none has helped for this part of the work.
const PATIENCE: f64 = 0.5;
/// Networks with several layers have more local maxima: so many times the work, where that is less than so many multiply–adds.
const DEEP: (f64, f64) = (3.0, 1e8);
/// Local maxima that are kicked in turn, at most.
const POOL: usize = 3;
/// Relative distance to a limit at which it counts as met.
const MET: f64 = 1e-7;
/// Every so many starts have random signs for the neurons instead of rounded ones.
const RANDOM: usize = 4;

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

/// The best pattern found for every problem from its solution (a point with that one problem): hyperplane rounding from
/// many directions, sweeps of the better ones to a fixed point, and flips of neurons from there. `limits` are values that no
/// pattern exceeds (the relaxation's): where they are nearly met, the search ends.
///
/// # Panics
/// When the counts differ, or there are none.
pub fn search_patterns(
    network: &VectorNetwork<'_>,
    functionals: &[Functional],
    solutions: &[&Point],
    limits: &[f64],
    rules: PatternRules,
) -> Vec<Pattern> {
    assert_eq!(functionals.len(), solutions.len(), "one solution per functional");
    assert_eq!(functionals.len(), limits.len(), "one limit per functional");
    let flipper = Flipper::new(network.network(), network.norm(), network.slopes());
    let deep = network.slopes().len() > 1;
    let work = if deep { rules.work.max((DEEP.0 * rules.work).min(DEEP.1)) } else { rules.work };
    let rules = PatternRules { work, ..rules };
    let sweep = 2.0 * network.network().multiply_adds() as f64;
    let share = if deep { 0.4 } else { 0.2 };
    let tries = ((share * rules.work / sweep) as usize / FIRST_SWEEPS).clamp(rules.tries, MOST_TRIES);
    let starts: Vec<Point> = solutions.iter().map(|solution| round(network, solution, tries, rules.seed)).collect();
    let at = Point::concat(&starts.iter().collect::<Vec<_>>());
    let of = |tries: usize| functionals.iter().flat_map(|f| vec![f.clone(); tries]).collect::<Vec<_>>();
    let (work, next) = climb(network, &of(tries), at, if tries > rules.tries { FIRST_SWEEPS } else { rules.sweeps });
    let best = |p: usize| {
        let mut own: Vec<usize> = (p * tries..(p + 1) * tries).collect();
        own.sort_by(|a, b| work.value[*b].total_cmp(&work.value[*a]).then(a.cmp(b)));
        own.truncate(rules.tries);
        own
    };
    let (work, next) = match tries > rules.tries {
        true => {
            let better: Vec<usize> = (0..functionals.len()).flat_map(best).collect();
            climb(network, &of(rules.tries), next.select(&better), rules.sweeps)
        }
        false => (work, next),
    };
    let finish = |(p, functional): (usize, &Functional)| {
        let mut own: Vec<usize> = (p * rules.tries..(p + 1) * rules.tries).collect();
        own.sort_by(|a, b| work.value[*b].total_cmp(&work.value[*a]).then(a.cmp(b)));
        own.dedup_by(|a, b| work.value[*a] == work.value[*b]);
        let starts = own.into_iter().map(|column| read_pattern(network, &work, &next, column)).collect();
        improve(network, flipper.as_ref(), functional, starts, limits[p] * (1.0 - MET), rules)
    };
    functionals.iter().enumerate().map(finish).collect()
}

/// Plain sweeps, at most so many; the last sweep and the point after it.
fn climb(network: &VectorNetwork<'_>, functionals: &[Functional], mut at: Point, sweeps: usize) -> (Sweep, Point) {
    let mut next = Point::empty(network, 1, at.problems);
    let mut work = network.workspace(1, at.problems);
    let mut values = vec![-1.0; at.problems];
    for _ in 0..sweeps {
        network.sweep(&at, functionals, &mut work, &mut next);
        std::mem::swap(&mut at, &mut next);
        if work.value.iter().zip(&values).all(|(new, old)| *new <= old * (1.0 + 1e-14)) {
            break;
        }
        values.clone_from(&work.value);
    }
    network.sweep(&at, functionals, &mut work, &mut next);
    (work, next)
}

/// Flips from the starts, the best first, as far as `rules.work` allows.
fn improve(
    network: &VectorNetwork<'_>,
    flipper: Option<&Flipper<'_>>,
    functional: &Functional,
    starts: Vec<Pattern>,
    enough: f64,
    rules: PatternRules,
) -> Pattern {
    let mut starts = starts.into_iter();
    let mut best = starts.next().expect("at least one try");
    let Some(flipper) = flipper else { return best };
    let mut work = rules.work;
    if work < flipper.least_work() || best.value >= enough {
        return best;
    }
    let climbed = |start: &Pattern, work: &mut f64| {
        let mut pose = flipper.pose(&start.slopes, &start.weights, work);
        flipper.climb(&mut pose, work);
        pose
    };
    let mut poses = vec![climbed(&best, &mut work)];
    for start in starts {
        if work < 0.5 * rules.work || poses[0].value >= enough {
            break;
        }
        let other = climbed(&start, &mut work);
        if !functional.is_norm() {
            poses.push(other);
        } else if start.value > best.value {
            (poses, best) = (vec![other], start); // u differs from start to start
        }
    }
    poses.sort_by(|a, b| b.value.total_cmp(&a.value));
    poses.truncate(POOL);
    if poses[0].value < enough {
        flipper.pairs(&mut poses[0], &mut work);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(rules.seed);
    work += LONGER * rules.work;
    flipper.kick(&mut poses, enough, &mut rng, &mut work, PATIENCE * rules.work);
    let pose = poses.swap_remove(0);
    if functional.is_norm() {
        return reweigh(network, functional, &pose, best);
    }
    if pose.value <= best.value {
        return best;
    }
    let direction = network.norm().steepest_direction(pose.gradient());
    Pattern { slopes: pose.slopes(), weights: best.weights, direction, value: pose.value }
}

/// For a norm of the output: sweeps from a pattern, which choose u anew; the better of the result and `known`.
fn reweigh(network: &VectorNetwork<'_>, functional: &Functional, pose: &Pose, known: Pattern) -> Pattern {
    let x = network.norm().steepest_direction(pose.gradient());
    let layers = pose.pre_activations(&x).into_iter().zip(pose.slopes()).zip(network.slopes());
    let s = layers.map(|((h, v), slopes)| {
        let side = |j: usize| if (v[j] == slopes[j].upper) == (h[j] >= 0.0) { 1.0 } else { -1.0 };
        Matrix::from_fn(v.len(), 1, |j, _| side(j))
    });
    let mut point = Point { k: 1, problems: 1, s: s.collect(), x: Matrix::from_vec(x.len(), 1, x) };
    point.normalise(network.norm());
    let (work, next) = climb(network, std::slice::from_ref(functional), point, 30);
    let found = read_pattern(network, &work, &next, 0);
    if found.value > known.value { found } else { known }
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
fn round(network: &VectorNetwork<'_>, solution: &Point, tries: usize, seed: u64) -> Point {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let directions: Vec<Vec<f64>> = (0..tries)
        .map(|t| match t {
            0 => (0..solution.k).map(|c| if c == 0 { 1.0 } else { 0.0 }).collect(), // e₁ itself, the output's direction
            _ => (0..solution.k).map(|_| gaussian(&mut rng)).collect(),
        })
        .collect();
    let project =
        |m: &Matrix, i: usize, t: usize| -> f64 { m.row(i).iter().zip(&directions[t]).map(|(v, g)| v * g).sum() };
    let sign = |v: f64| if v >= 0.0 { 1.0 } else { -1.0 };
    let mut side = |s: &Matrix, j: usize, t: usize| match t % RANDOM {
        3 => sign(gaussian(&mut rng)),
        _ => sign(project(s, j, t)),
    };
    let mut point = Point {
        k: 1,
        problems: tries,
        x: Matrix::from_fn(solution.x.rows(), tries, |i, t| project(&solution.x, i, t)),
        s: solution.s.iter().map(|s| Matrix::from_fn(s.rows(), tries, |j, t| side(s, j, t))).collect(),
    };
    if network.norm() == crate::problem::InputNorm::Linf {
        point.x.data_mut().iter_mut().for_each(|v| *v = sign(*v));
    }
    point.normalise(network.norm());
    point
}
