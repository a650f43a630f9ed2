//! The schedule: rounds in which cuts are added while multipliers move, then rounds in which penalties fall and the dual value comes down to the primal one,
//! then the dual problem itself, in double precision, whose solution gives the remaining multipliers.

use super::cut::Shares;
use super::equations::equations;
use super::lbfgs::maximise;
use super::lift::{Goal, Lift, Links};
use super::lists::Cuts;
use super::prove::{Lifted, Prover};
use super::real::Real;
use super::solution::Solution;
use super::start::{Sizes, Start};
use super::{Question, Tightened, triangles, vertices};
use crate::matrix::Matrix;
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::proof::{Certificate, Proof};
use crate::random::gaussian;
use crate::relaxation::Point;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::cell::Cell;
use std::time::Instant;

/// Features, for up to so many neurons: few need few, and of many every one costs.
const FEATURES: [(usize, usize); 4] = [(16, 16), (32, 48), (64, 256), (48, usize::MAX)];
/// Rounds with new cuts, and one more for so many neurons: of one hidden layer, whose cuts are found sooner, and of more; steps of a round, and one more
/// for so many neurons up to a number.
const ROUNDS_OF_ONE: (usize, usize) = (14, 64);
const ROUNDS: (usize, usize) = (28, 32);
const STEPS: (usize, usize, usize) = (15, 100, 20);
/// Rounds between two searches for cuts.
const SEARCH: usize = 2;
/// Triangles and vertex cuts that one search adds: a number, and more for every neuron.
const TRIANGLES: (usize, usize) = (1100, 7);
const VERTICES: (usize, usize) = (500, 5);
/// The noise of a row at first, of length about this, down to nothing: the relaxation's solution has a low rank.
const NOISE: f64 = 0.1;
/// Penalties of cuts, in units of the smallest share of those that take part.
const PENALTY: f64 = 5.0;
/// Cuts are kept while their violation is above this, and while they settle.
pub(super) const SLACK: f64 = -0.1;
const TIGHT: f64 = -0.02;
/// Rounds that settle: steps, and what penalties are multiplied by, down to the least.
const SETTLING: [f64; 4] = [0.3, 0.09, 0.027, 0.01];
const SETTLING_STEPS: usize = 60;
/// Steps for the dual problem in single and double precision, and how often the latter, while a proof loses more than a part of the gap, or than the
/// least that counts; the noise it starts with.
const DUAL_STEPS: (usize, usize) = (80, 60);
const DUAL_RUNS: usize = 4;
const LOST: (f64, f64) = (0.05, 1e-6);
pub(super) const DUAL_NOISE: f64 = 0.05;
/// Relative gain of a step that ends a run.
pub(super) const GAIN: f64 = 1e-9;
/// Parts of the time until a deadline after which rounds with new cuts, all rounds, and the dual problem end.
const PARTS: [f64; 3] = [0.5, 0.75, 0.85];

/// When to stop.
pub(super) struct Clock<'a> {
    begun: Instant,
    question: Question<'a>,
}

impl<'a> Clock<'a> {
    /// From now on.
    pub fn new(question: Question<'a>) -> Self {
        Self { begun: Instant::now(), question }
    }

    /// Whether this part of the time is over.
    pub fn over(&self, part: f64) -> bool {
        let late =
            |deadline: Instant| self.begun.elapsed() >= deadline.saturating_duration_since(self.begun).mul_f64(part);
        (self.question.cancelled)() || self.question.deadline.is_some_and(late)
    }
}

/// What moves.
pub(super) struct State<'a> {
    pub question: Question<'a>,
    pub sizes: Sizes,
    k: usize,
    pub links: Links,
    pub cuts: Cuts,
    /// The square roots of the rows' shares.
    shares: Vec<f64>,
    pub rows: Vec<f64>,
    rng: ChaCha8Rng,
    pub evaluations: usize,
}

/// The whole schedule.
pub(super) fn run(question: Question<'_>, start: Start) -> Tightened {
    let clock = Clock::new(question);
    let mut state = State::new(question, start);
    let mut single = state.lift::<f32>();
    state.add_cuts(&mut single, &clock);
    state.settle(&mut single, &SETTLING, &clock);
    let mut double = state.lift::<f64>();
    let certificate = state.prove((&mut single, &mut double), &clock);
    state.tightened(certificate)
}

impl<'a> State<'a> {
    fn new(question: Question<'a>, start: Start) -> Self {
        let count = start.sizes.neurons.len();
        let k = FEATURES.iter().find(|(_, most)| count <= *most).map_or(start.k, |(k, _)| *k);
        Self::wide(question, start, k)
    }

    /// At the start, with at least so many features.
    pub fn wide(question: Question<'a>, Start { sizes, k: known, rows }: Start, least: usize) -> Self {
        let k = least.max(known);
        let wide = rows.chunks(known).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, k - known)));
        let rows = wide.map(|v| v as f32).collect();
        let zero = || vec![0.0; sizes.neurons.len()];
        let (kappa, nu) = (zero(), zero());
        Self::of(question, Solution { sizes, k, rows, kappa, nu, cuts: Vec::new() })
    }

    /// Where a solution is.
    pub fn of(question: Question<'a>, solution: Solution) -> Self {
        let layout = solution.layout();
        let mut cuts = Cuts::default();
        let Solution { sizes, k, rows, kappa, nu, .. } = &solution;
        let shares_of_cuts = shares(question.vectors.norm(), sizes);
        let mut own = solution.cuts(&shares_of_cuts);
        own.extend(equations(sizes, layout, &shares_of_cuts));
        cuts.renew(f64::INFINITY, own, layout.atoms());
        let links = Links { kappa: kappa.clone(), nu: nu.clone(), weights: sizes.link_weights.clone() };
        let shares = sizes.input_shares.iter().chain(&sizes.neuron_shares).chain(&sizes.neuron_shares);
        Self {
            question,
            k: *k,
            links,
            cuts,
            shares: shares.map(|s| s.sqrt()).collect(),
            rows: rows.iter().map(|v| f64::from(*v)).collect(),
            rng: ChaCha8Rng::seed_from_u64(question.seed),
            evaluations: 0,
            sizes: solution.sizes,
        }
    }

    /// What came of it.
    pub fn tightened(&self, certificate: Option<Certificate>) -> Tightened {
        let cuts = certificate.as_ref().map_or(0, |certificate| match certificate.proof() {
            Proof::Cuts(proof) => proof.triangles.len() + proof.vertices.len(),
            _ => 0,
        });
        let (point, solution) = (self.point(), self.solution());
        Tightened { certificate, cuts, evaluations: self.evaluations, point, solution }
    }

    /// What is kept of it.
    pub fn solution(&self) -> Solution {
        let cuts = self.cuts.all.iter().filter(|cut| cut.mu > 0.0 && !cut.kind.is_equation());
        Solution {
            sizes: self.sizes.clone(),
            k: self.k,
            rows: self.rows.iter().map(|v| *v as f32).collect(),
            kappa: self.links.kappa.clone(),
            nu: self.links.nu.clone(),
            cuts: cuts.map(|cut| (cut.kind, cut.mu)).collect(),
        }
    }

    pub fn lift<T: Real>(&self) -> Lift<T> {
        let (vectors, functional) = (self.question.vectors, self.question.functional);
        let network = vectors.network();
        let sizes = (self.k, 1.0 / self.sizes.value);
        Lift::new(network, (vectors.norm(), functional), &self.sizes.numbers(network), sizes, &self.shares)
    }

    /// The rows with noise, as a point to start from.
    pub fn noisy<T: Real>(&mut self, lift: &Lift<T>, noise: f64) -> Vec<T> {
        let inputs = self.sizes.input_shares.len();
        let mut rows = Vec::with_capacity(self.rows.len());
        for (at, row) in self.rows.chunks(self.k).enumerate() {
            // outside ℓ∞ all inputs together are of length one
            let others = if at < inputs && self.question.vectors.norm() != InputNorm::Linf { inputs } else { 1 };
            let size = noise / ((self.k * others) as f64).sqrt();
            rows.extend(row.iter().map(|v| T::of(v + size * gaussian(&mut self.rng))));
        }
        lift.scaled(&rows)
    }

    /// Maximises the augmented Lagrangian with all penalties times `factor`, and moves the multipliers; the maximum.
    pub fn round<T: Real>(
        &mut self,
        lift: &mut Lift<T>,
        v: &mut Vec<T>,
        (steps, gain, factor): (usize, f64, f64),
        stop: impl FnMut() -> bool,
    ) -> f64 {
        let (links, cuts) = (&self.links, &mut self.cuts);
        let mut goal = |v: &[T], gradient: &mut [T]| {
            lift.evaluate(v, links, &mut Goal::Augmented { cuts: &mut *cuts, factor }, gradient)
        };
        self.evaluations += maximise(v, (steps, gain), &mut goal, stop);
        let mut gradient = vec![T::default(); v.len()];
        let value = goal(v, &mut gradient);
        let weights = self.links.weights.iter().map(|w| factor * w);
        let multipliers = self.links.kappa.iter_mut().zip(&mut self.links.nu);
        for (((kappa, nu), (upper, lower)), weight) in multipliers.zip(lift.links.iter()).zip(weights) {
            *kappa -= weight * upper;
            *nu -= weight * lower;
        }
        self.cuts.all.iter_mut().zip(&lift.multipliers).for_each(|(cut, mu)| cut.mu = *mu);
        self.rows = lift.normalised(v).0.into_iter().map(Real::get).collect();
        value
    }

    /// Rounds with new cuts.
    fn add_cuts(&mut self, lift: &mut Lift<f32>, clock: &Clock<'_>) {
        let count = self.sizes.neurons.len();
        let one = self.question.vectors.network().layers().count() == 1;
        let (least, per) = if one { ROUNDS_OF_ONE } else { ROUNDS };
        let rounds = least + count / per;
        let steps = (STEPS.0 + count / STEPS.1).min(STEPS.2);
        let stop = || clock.over(PARTS[0]);
        self.rounds(lift, (rounds, steps), stop, |state, lift, round| {
            if round % SEARCH == 0 {
                state.search(lift);
            }
            true
        });
    }

    /// So many rounds of so many steps, with noise that falls, and between two of them what looks for cuts, by the number of those that are done, and says whether to go on.
    pub fn rounds(
        &mut self,
        lift: &mut Lift<f32>,
        (rounds, steps): (usize, usize),
        stop: impl Fn() -> bool,
        between: impl Fn(&mut Self, &Lift<f32>, usize) -> bool,
    ) {
        for round in 1..=rounds {
            if stop() {
                break;
            }
            let left = 1.0 - (round - 1) as f64 / rounds as f64;
            let mut v = self.noisy(lift, NOISE * left);
            self.round(lift, &mut v, (steps, 0.0, 1.0), &stop);
            if round < rounds && !between(self, lift, round) {
                break;
            }
        }
    }

    /// Adds the cuts that are violated most.
    pub fn search(&mut self, lift: &Lift<f32>) {
        let count = self.sizes.neurons.len();
        let shares = shares(self.question.vectors.norm(), &self.sizes);
        let mut found = triangles::search(lift, &self.cuts, TRIANGLES.0 + TRIANGLES.1 * count, &shares);
        found.extend(vertices::search(lift, VERTICES.0 + VERTICES.1 * count, &shares));
        self.cuts.renew(SLACK, found, lift.layout.atoms());
    }

    /// Rounds without new cuts, in which penalties fall.
    pub fn settle(&mut self, lift: &mut Lift<f32>, factors: &[f64], clock: &Clock<'_>) {
        let mut v = self.noisy(lift, 0.0);
        for factor in factors {
            if clock.over(PARTS[1]) {
                return;
            }
            self.cuts.renew(TIGHT, Vec::new(), lift.layout.atoms());
            self.round(lift, &mut v, (SETTLING_STEPS, GAIN, *factor), || clock.over(PARTS[1]));
        }
    }

    /// The dual problem for the multipliers as they are, from a point, in so many steps or until its value exceeds `most`: the value where that ends, and the
    /// largest on the way.
    pub fn dual<T: Real>(
        &mut self,
        lift: &mut Lift<T>,
        v: &mut Vec<T>,
        (steps, most): (usize, f64),
        stop: impl Fn() -> bool,
    ) -> (f64, f64) {
        let (weights, constant) = self.cuts.fixed();
        let (links, cuts) = (&self.links, &self.cuts);
        let highest = Cell::new(f64::NEG_INFINITY);
        let mut goal = |v: &[T], gradient: &mut [T]| {
            let value = lift.evaluate(v, links, &mut Goal::Plain { cuts, weights: &weights, constant }, gradient);
            highest.set(value.max(highest.get()));
            value
        };
        self.evaluations += maximise(v, (steps, GAIN), &mut goal, || highest.get() > most || stop());
        let value = goal(v, &mut vec![T::default(); v.len()]);
        (value, highest.get())
    }

    /// The dual problem, and a proof from it.
    fn prove(&mut self, (single, lift): (&mut Lift<f32>, &mut Lift<f64>), clock: &Clock<'_>) -> Option<Certificate> {
        self.cuts.renew(f64::INFINITY, Vec::new(), lift.layout.atoms());
        let stop = || clock.over(PARTS[2]);
        let mut rough = self.noisy(single, DUAL_NOISE);
        self.dual(single, &mut rough, (DUAL_STEPS.0, f64::INFINITY), stop);
        let mut v: Vec<f64> = rough.into_iter().map(f64::from).collect();
        let mut best: Option<Certificate> = None;
        for _ in 0..DUAL_RUNS {
            let (value, _) = self.dual(lift, &mut v, (DUAL_STEPS.1, f64::INFINITY), stop);
            let gap = (value * self.sizes.value / self.question.lower - 1.0).clamp(0.0, 1.0);
            let worth = (LOST.0 * gap).max(LOST.1);
            let prover = Prover::new(self.question, &self.sizes);
            let Some((certificate, mixed)) = prover.certify(&self.lifted(lift, &v, value), worth) else {
                break;
            };
            let better = |known: &Certificate| certificate.upper() < known.upper() * (1.0 - LOST.1);
            let better = best.as_ref().is_none_or(better);
            if better {
                best = Some(certificate);
            }
            if !better || mixed <= worth || clock.over(PARTS[2]) {
                break;
            }
        }
        best
    }

    /// The multipliers of a solution of the dual problem: by Euler's identity each is its variable's product with the gradient.
    pub fn lifted<T: Real>(&self, lift: &Lift<T>, v: &[T], value: f64) -> Lifted {
        let constant = self.cuts.constant();
        let gains: f64 = lift.input_gains.iter().sum();
        let rows = lift.normalised(v).0;
        let squares = rows.chunks(self.k).map(|row| row.iter().map(|v| v.get() * v.get()).sum::<f64>());
        let gamma = match self.question.vectors.norm() {
            InputNorm::Linf => lift.input_gains.clone(),
            InputNorm::L2 | InputNorm::L1 => vec![gains],
            InputNorm::Lp(_) => {
                lift.input_gains.iter().zip(squares).map(|(g, s)| if s > 0.0 { g / s } else { 0.0 }).collect()
            }
        };
        let zeta = match self.question.functional {
            Functional::Norm(OutputNorm::L2) => vec![lift.output_gains.iter().sum()],
            Functional::Norm(_) => lift.output_gains.clone(),
            Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => Vec::new(),
        };
        let taken = gains + lift.sign_gains.iter().sum::<f64>() + zeta.iter().sum::<f64>();
        let lambda = lift.gains.iter().zip(&lift.lengths).map(|(g, h)| if *h > 0.0 { g / h } else { 0.0 });
        Lifted {
            constant: 2.0 * (value - constant) - taken,
            zeta,
            gamma,
            lambda: lambda.collect(),
            tau: lift.sign_gains.clone(),
            kappa: self.links.kappa.clone(),
            nu: self.links.nu.clone(),
            cuts: self.cuts.all.clone(),
        }
    }

    /// The solution without its signs.
    pub fn point(&self) -> Point {
        let (k, inputs) = (self.k, self.sizes.input_shares.len());
        let x = Matrix::from_vec(inputs, k, self.rows[..inputs * k].to_vec());
        let layer = |free: &Vec<Option<usize>>| {
            let mut s = Matrix::zeros(free.len(), k);
            for (j, place) in free.iter().enumerate() {
                match place {
                    Some(place) => s.row_mut(j).copy_from_slice(&self.rows[(inputs + place) * k..][..k]),
                    None => *s.at_mut(j, 0) = 1.0,
                }
            }
            s
        };
        Point { k, problems: 1, x, s: self.sizes.numbers(self.question.vectors.network()).iter().map(layer).collect() }
    }
}

/// The shares of what cuts are about.
pub(super) fn shares(norm: InputNorm, sizes: &Sizes) -> Shares {
    let inputs = match norm {
        InputNorm::Linf => &sizes.input_shares[..],
        _ => &[],
    };
    Shares::new(&sizes.neuron_shares, inputs, PENALTY)
}
