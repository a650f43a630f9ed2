//! A case of a search: from the solution of the case above to a proof that it is no more than a target, or to the neuron that it is to be split by.
//!
//! What helps most is to split on: the dual problem for the multipliers of the case above takes a tenth of a second on a hundred neurons, and mostly closes one of two
//! cases at once. One that stays open gets a step of the multipliers, no new cuts, and passes on what it has.

use super::ascent::{Clock, DUAL_NOISE, GAIN, State};
use super::lift::Lift;
use super::prove::Prover;
use super::solution::Solution;
use super::{Case, Question};
use crate::proof::Certificate;

/// Steps for the dual problem in single and, where what these come to is not enough for a proof, in double precision.
const DUAL_STEPS: (usize, usize) = (60, 80);
/// By how much, relatively, the dual value exceeds the target where there is no hope.
const HOPELESS: f64 = 3e-3;
/// Steps of the augmented Lagrangian, and its penalties: with larger ones so few steps leave multipliers that prove less than those before.
const STEPS: usize = 20;
const FACTOR: f64 = 0.1;
/// How far below the target its maximum has to be for the dual problem to be tried again, after rounds with these penalties.
const BELOW: f64 = 5e-4;
const SETTLING: [f64; 1] = [0.02];

/// The work on a case; none where its form does not fit.
pub(super) fn solve(question: Question<'_>, above: &Solution, target: f64) -> Option<Case> {
    let mut state = State::of(question, above.within(question.vectors.network(), question.memory)?);
    let clock = Clock::new(question);
    let mut single = state.lift::<f32>();
    let aim = target / state.sizes.value;
    let mut certificate = state.close(&mut single, (target, aim * (1.0 + HOPELESS)), &clock);
    let mut value = aim;
    if certificate.is_none() && !clock.over(1.0) {
        let mut v = state.noisy(&single, 0.0);
        value = state.round(&mut single, &mut v, (STEPS, GAIN, FACTOR), || clock.over(1.0));
        if value < aim * (1.0 - BELOW) {
            state.settle(&mut single, &SETTLING, &clock);
            certificate = state.close(&mut single, (target, aim), &clock);
        }
    }
    Some(Case {
        value: value * state.sizes.value,
        certificate,
        split: state.most_undecided(&single),
        evaluations: state.evaluations,
        solution: state.solution(),
    })
}

/// A bound that a solution's multipliers prove, in about the time that it takes to close a case.
pub(super) fn bound(question: Question<'_>, above: &Solution) -> Option<Certificate> {
    let mut state = State::of(question, above.within(question.vectors.network(), question.memory)?);
    let clock = Clock::new(question);
    let mut single = state.lift::<f32>();
    let mut v = state.noisy(&single, DUAL_NOISE);
    let (value, _) = state.dual(&mut single, &mut v, (DUAL_STEPS.0, f64::INFINITY), || clock.over(1.0));
    Prover::new(question, &state.sizes).roughly(&state.lifted(&single, &v, value))
}

impl State<'_> {
    /// The dual problem for the multipliers as they are, and a proof of the target; none once its value exceeds `most`, as a part of what everything is divided by.
    fn close(&mut self, single: &mut Lift<f32>, (target, most): (f64, f64), clock: &Clock<'_>) -> Option<Certificate> {
        let aim = target / self.sizes.value;
        self.cuts.renew(f64::INFINITY, Vec::new(), single.layout.atoms());
        let late = || clock.over(1.0);
        let mut rough = self.noisy(single, DUAL_NOISE);
        let (value, highest) = self.dual(single, &mut rough, (DUAL_STEPS.0, most), late);
        if highest > aim || late() {
            self.rows = single.normalised(&rough).0.into_iter().map(f64::from).collect();
            return None;
        }
        let certificate = Prover::new(self.question, &self.sizes).within(&self.lifted(single, &rough, value), target);
        if certificate.is_some() {
            return certificate;
        }
        let mut lift = self.lift::<f64>();
        let mut v: Vec<f64> = rough.into_iter().map(f64::from).collect();
        let (value, highest) = self.dual(&mut lift, &mut v, (DUAL_STEPS.1, aim), late);
        if highest > aim || late() {
            return None;
        }
        Prover::new(self.question, &self.sizes).within(&self.lifted(&lift, &v, value), target)
    }

    /// The neuron of the largest (1 − |⟨t, e⟩|) of its share.
    pub fn most_undecided(&self, lift: &Lift<f32>) -> Option<(usize, usize)> {
        let score = |j: &usize| {
            let cosine = f64::from(lift.atoms[lift.layout.sign(*j) * lift.k]).abs();
            let share = lift.gains[*j] * lift.lengths[*j];
            ((1.0 - cosine).max(0.0) * share, share)
        };
        let best = (0..lift.layout.free).max_by(|a, b| {
            let (a, b) = (score(a), score(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        })?;
        let neuron = self.sizes.neurons[best];
        Some((neuron.layer, neuron.index))
    }
}
