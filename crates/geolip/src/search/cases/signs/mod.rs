//! Cases of networks with one hidden layer: programs over signs, relaxed to unit vectors, with cuts that signs obey and unit
//! vectors need not ([`crate::proof::signs`]). Multipliers of the cuts move along their violations, a little after
//! every other sweep; the bound holds for any of them.

mod ascent;
mod cuts;

use super::super::engine::Verdict;
use super::case::{Problem, Solved, Start, in_digits};
use crate::matrix::Matrix;
use crate::network::Slope;
use crate::place::Knife;
use crate::problem::{Functional, InputNorm};
use crate::proof::one_hidden::{OneHidden, Program};
use crate::proof::{Certificate, Claim, Proof, SignProof, signs};
use crate::random::gaussian;
use crate::relaxation::Pattern;
use crate::slopes::SlopeNetwork;
use ascent::{Objective, Swept};
use cuts::{Cuts, Products};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Sweeps between two steps of the multipliers, and steps between two searches for cuts.
const SWEEPS: usize = 2;
const STEPS: usize = 5;
/// Cuts that one search may add, per variable.
const CUTS: usize = 4;
/// The length of a step; what it is shortened by when the bound rises, and its least.
const STEP: f64 = 0.1;
const SHORTER: f64 = 0.9;
const LEAST_STEP: f64 = 0.05;
/// Rounds (searches) that a case is given at most, and those that have to suffice, at the pace of the last few, to close it.
const ROUNDS: usize = 60;
const PATIENCE: f64 = 12.0;
const PACE: usize = 3;
/// Rounds for the network itself, and the relative gain of one that ends them.
const ROOT_ROUNDS: usize = 150;
const ROOT_GAIN: f64 = 2e-4;
/// Sweeps with fixed multipliers: before a certificate, and where a case stays open.
const CLOSING: (f64, usize) = (1e-13, 600);
const LEAVING: (f64, usize) = (1e-8, 40);
/// Sweeps of a case without cuts before they are looked for.
const PLAIN: (f64, usize) = (1e-6, 60);
/// The parts of a gap that rounding a proof's numbers and dropping its lightest cuts may take, and the least gap.
const ROUNDED: f64 = 0.05;
const DROPPED: f64 = 0.5;
const LEAST_GAP: f64 = 1e-12;
/// What the bound of a case that stays open may lose.
const BOUND_GAP: f64 = 1e-6;
/// What a factor of multipliers is taken larger than computed.
const MARGIN: f64 = 1e-11;
/// Random directions for patterns.
const TRIES: usize = 8;

/// The network as a program over signs.
pub(crate) struct Layer {
    hidden: OneHidden,
    u: Vec<(usize, f64)>,
    norm: InputNorm,
    whole: Objective,
}

/// A solution: unit vectors of the neurons and the constant, and cuts with their multipliers.
#[derive(Clone, Debug)]
pub(crate) struct State {
    t: Matrix,
    cuts: Cuts,
}

impl State {
    pub fn bytes(&self) -> usize {
        8 * self.t.data().len() + self.cuts.bytes()
    }
}

impl Layer {
    /// None for norms of the output, other norms than ℓ∞ and ℓ2, and networks without neurons or with too many variables.
    pub fn new(hidden: OneHidden, norm: InputNorm, functional: &Functional) -> Option<Self> {
        let u = functional.entries()?;
        let variables = hidden.network().inputs() + hidden.slopes().len() + 1;
        let fits = matches!(norm, InputNorm::Linf | InputNorm::L2)
            && variables <= Cuts::MOST_VARIABLES
            && hidden.slopes().iter().any(|s| !s.is_fixed());
        if !fits {
            return None;
        }
        let program = hidden.program(&u, hidden.slopes());
        let whole = Objective::new(norm, &program.matrix, free(hidden.slopes()));
        Some(Self { hidden, u, norm, whole })
    }

    /// Where a search begins: random vectors, no cuts.
    pub fn origin(&self, seed: u64) -> State {
        State { t: self.whole.random(seed), cuts: Cuts::default() }
    }
}

/// The neurons that are variables, and the constant.
fn free(slopes: &[Slope]) -> Vec<bool> {
    slopes.iter().map(|s| !s.is_fixed()).chain(std::iter::once(true)).collect()
}

/// A case.
pub(crate) struct Relaxed<'a> {
    layer: &'a Layer,
    problem: &'a Problem<'a>,
    case: &'a SlopeNetwork,
    slopes: &'a [Slope],
    program: Program,
    objective: Objective,
}

/// A solution in the making.
struct Work {
    t: Matrix,
    cuts: Cuts,
    step: f64,
    sweeps: usize,
}

impl Work {
    fn new(t: &Matrix, cuts: Cuts) -> Self {
        Self { t: t.clone(), cuts, step: STEP, sweeps: 0 }
    }
}

impl<'a> Relaxed<'a> {
    /// A case, given by its slope network.
    pub fn new(layer: &'a Layer, problem: &'a Problem<'a>, case: &'a SlopeNetwork) -> Self {
        let slopes = case.slopes().first().map_or(&[][..], Vec::as_slice);
        let program = layer.hidden.program(&layer.u, slopes);
        let objective = Objective::new(layer.norm, &program.matrix, free(slopes));
        Self { layer, problem, case, slopes, program, objective }
    }

    fn begin(&self, start: &State) -> Work {
        let (inputs, constant) = (self.objective.inputs, self.objective.inputs + self.slopes.len());
        let fixed = |variable: usize| {
            let neuron = variable.checked_sub(inputs).filter(|j| *j < self.slopes.len())?;
            let fixing = self.case.place().case().iter().find(|f| f.neuron == neuron)?;
            let upper = self.layer.hidden.network().at_end(0, neuron, true)?;
            Some(if *fixing == upper { 1.0 } else { -1.0 })
        };
        Work::new(&start.t, start.cuts.with_fixed(constant, fixed))
    }

    /// Steps of the multipliers and a search for new cuts; the value with the constants, about.
    fn round(&self, work: &mut Work) -> f64 {
        let mut estimate = f64::NAN;
        let mut products: Option<Products> = None;
        for _ in 0..STEPS {
            let reduced = self.objective.reduced(&work.cuts);
            let mut swept = self.objective.sweep(&reduced, &mut work.t);
            for _ in 1..SWEEPS {
                swept = self.objective.sweep(&reduced, &mut work.t);
            }
            work.sweeps += SWEEPS;
            estimate = swept.value + self.objective.constants(&work.cuts);
            let own = self.objective.products(&swept, &work.t);
            work.cuts.step(&own, work.step * self.objective.scale(estimate));
            products = Some(own);
        }
        if let Some(products) = products {
            work.cuts.tidy(&products);
            self.search(&mut work.cuts, &products);
        }
        self.objective.bound_of(estimate)
    }

    /// Adds the cuts that are violated most.
    fn search(&self, cuts: &mut Cuts, products: &Products) {
        let inputs = if self.layer.norm == InputNorm::Linf { self.objective.inputs } else { 0 };
        cuts.separate(products, CUTS * (self.objective.signs() + inputs));
    }

    /// Solves at fixed multipliers; the value with the constants.
    fn settle(&self, work: &mut Work, (gain, most): (f64, usize)) -> (Matrix, Swept, f64) {
        let reduced = self.objective.reduced(&work.cuts);
        let (swept, sweeps) = self.objective.converge(&reduced, &mut work.t, gain, most);
        work.sweeps += sweeps;
        let value = self.objective.bound_of(swept.value + self.objective.constants(&work.cuts));
        (reduced, swept, value)
    }

    /// Solves until the case is closed by a bound of `target`, or is to be split.
    pub fn solve(&self, start: &State, target: f64) -> Solved {
        let mut work = self.begin(start);
        let (_, swept, mut value) = self.settle(&mut work, PLAIN);
        let products = self.objective.products(&swept, &work.t);
        self.search(&mut work.cuts, &products);
        let mut values = vec![value];
        for round in 0..=ROUNDS {
            if value < target {
                let (_, _, settled) = self.settle(&mut work, CLOSING);
                if settled < target
                    && let Some(case) = self.certify(&work, settled, target).filter(|case| case.upper() <= target)
                {
                    let verdict = Verdict::Closed(Box::new(case));
                    let kept = self.end(work);
                    return Solved { value: settled, kept, sweeps: 0, verdict, pattern: None, witness: None };
                }
                value = settled;
            }
            let pace = values.len().checked_sub(1 + PACE).map(|at| (values[at] - value) / PACE as f64);
            let hopeless = pace.is_some_and(|pace| value - target > PATIENCE * pace);
            if round == ROUNDS || hopeless || !value.is_finite() {
                break;
            }
            let next = self.round(&mut work);
            if next > value {
                work.step = (work.step * SHORTER).max(LEAST_STEP);
            }
            value = next;
            values.push(value);
        }
        self.open(work)
    }

    /// Solves the network itself with all the cuts that help, a case with those it has.
    pub fn converge(&self, start: &State) -> Solved {
        let mut work = self.begin(start);
        let (_, _, value) = self.settle(&mut work, PLAIN);
        let mut values = vec![value];
        for _ in 0..if self.case.place().case().is_empty() { ROOT_ROUNDS } else { 0 } {
            let next = self.round(&mut work);
            if values.last().is_some_and(|last| next > *last) {
                work.step = (work.step * SHORTER).max(LEAST_STEP);
            }
            values.push(next);
            let slow = values.len() > 10 && values[values.len() - 11] - next < 10.0 * ROOT_GAIN * next;
            if slow || !next.is_finite() {
                break;
            }
        }
        self.open(work)
    }

    /// The bound of a solution, `target` or the best there is.
    pub fn bound(&self, solution: &State, target: f64) -> Option<Certificate> {
        let mut work = Work::new(&solution.t, solution.cuts.clone());
        let (_, _, value) = self.settle(&mut work, CLOSING);
        self.certify(&work, value, target.max(value * (1.0 + BOUND_GAP)))
    }

    /// A bound near `value`, that of a settled solution, of at most `target` if that is within reach; its numbers are rounded to what their
    /// distance from the target needs.
    fn certify(&self, work: &Work, value: f64, target: f64) -> Option<Certificate> {
        let gap = (target / value - 1.0).clamp(LEAST_GAP, 1.0);
        let mut best: Option<Certificate> = None;
        for (accuracy, spare) in [(ROUNDED * gap, DROPPED * gap), (ROUNDED * gap, 0.0), (LEAST_GAP, 0.0)] {
            let spare = self.objective.weight_worth(spare, value);
            let cuts = work.cuts.simplified(spare, |weight| in_digits(weight, accuracy));
            let mut own = Work::new(&work.t, cuts);
            let (reduced, swept, _) = self.settle(&mut own, CLOSING);
            let (gamma, delta) = self.objective.multipliers(&reduced, &swept, &own.t);
            let delta: Vec<f64> =
                delta.iter().zip(&self.objective.free).map(|(d, f)| if *f { *d } else { 0.0 }).collect();
            let factor = self.objective.shortfall(&reduced, &gamma, &delta)? * (1.0 + MARGIN);
            let scale = |v: &f64, factor: f64| in_digits(v * factor * (1.0 + accuracy), 0.1 * accuracy);
            let gamma = match self.layer.norm {
                InputNorm::Linf => gamma.iter().map(|g| scale(g, factor)).collect(),
                _ => gamma,
            };
            let delta = delta.iter().map(|d| scale(d, factor)).collect();
            let proof = SignProof { gamma, delta, cuts: own.cuts.proof() };
            let upper = signs::claim(&self.program, self.layer.norm, &proof);
            let claim = Claim { output: self.problem.functional.clone(), upper, proof: Proof::Signs(proof) };
            let checked = signs::check(&self.layer.hidden, self.case, self.layer.norm, &claim);
            let better = |case: &Certificate| best.as_ref().is_none_or(|best| case.upper() < best.upper());
            best = checked.ok().filter(better).or(best);
            if best.as_ref().is_some_and(|case| case.upper() <= target) {
                break;
            }
        }
        best
    }

    fn end(&self, mut work: Work) -> Start {
        work.cuts.rest();
        Start::Signs(State { t: work.t, cuts: work.cuts })
    }

    fn open(&self, mut work: Work) -> Solved {
        let (reduced, swept, value) = self.settle(&mut work, LEAVING);
        let split = self.most_undecided(&reduced, &swept, &work.t);
        let pattern = self.best_pattern(&work.t);
        let sweeps = work.sweeps;
        let (kept, verdict) = (self.end(work), Verdict::Open(split, None));
        Solved { value, kept, sweeps, verdict, pattern: Some(pattern), witness: None }
    }

    /// The neuron of the largest (1 − |⟨t, e⟩|)·δ.
    fn most_undecided(&self, reduced: &Matrix, swept: &Swept, t: &Matrix) -> Option<Knife> {
        let constant = self.slopes.len();
        let (_, delta) = self.objective.multipliers(reduced, swept, t);
        let cosine = |j: usize| t.row(j).iter().zip(t.row(constant)).map(|(a, b)| a * b).sum::<f64>().abs();
        let score = |j: &usize| ((1.0 - cosine(*j)).max(0.0) * delta[*j], delta[*j]);
        let neurons = (0..constant).filter(|j| self.objective.free[*j]);
        let best = neurons.max_by(|a, b| {
            let (a, b) = (score(a), score(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        best.map(|j| Knife::Slope(0, j))
    }

    /// The best of several hyperplane roundings, each improved by choosing inputs and neurons in turn.
    fn best_pattern(&self, t: &Matrix) -> Pattern {
        let a = &self.program.matrix;
        let constant = self.slopes.len();
        let mut rng = ChaCha8Rng::seed_from_u64(self.problem.seed);
        let sign = |v: f64| if v >= 0.0 { 1.0 } else { -1.0 };
        let mut best: Option<(f64, Vec<f64>, Vec<f64>)> = None;
        for _ in 0..TRIES {
            let direction: Vec<f64> = (0..t.cols()).map(|_| gaussian(&mut rng)).collect();
            let side = |j: usize| sign(t.row(j).iter().zip(&direction).map(|(t, d)| t * d).sum());
            let mut s: Vec<f64> = (0..=constant).map(|j| side(j) * side(constant)).collect();
            let mut last = f64::NEG_INFINITY;
            let (value, gradient) = loop {
                let gradient: Vec<f64> =
                    (0..a.rows()).map(|i| a.row(i).iter().zip(&s).map(|(a, s)| a * s).sum()).collect();
                let value = self.layer.norm.dual(gradient.iter().copied());
                if value <= last || value.is_nan() {
                    break (value, gradient);
                }
                last = value;
                let x = self.layer.norm.steepest_direction(&gradient);
                let mut back = vec![0.0; s.len()];
                for (i, x) in x.iter().enumerate() {
                    back.iter_mut().zip(a.row(i)).for_each(|(b, a)| *b += x * a);
                }
                let turned = sign(back[constant]);
                s = back.iter().map(|b| sign(*b) * turned).collect();
            };
            if best.as_ref().is_none_or(|(most, ..)| value > *most) {
                best = Some((value, s, gradient));
            }
        }
        let (value, s, gradient) = best.unwrap_or_default();
        let slope = |(slope, s): (&Slope, &f64)| if *s > 0.0 { slope.upper } else { slope.lower };
        let mut weights = vec![0.0; self.layer.hidden.network().outputs()];
        self.layer.u.iter().for_each(|(i, u)| weights[*i] = *u);
        Pattern {
            slopes: vec![self.slopes.iter().zip(&s).map(slope).collect()],
            weights,
            direction: self.layer.norm.steepest_direction(&gradient),
            value,
        }
    }
}
