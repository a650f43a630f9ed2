//! A few rounds with vertex cuts between the parts of neurons alone, from the relaxation's solution: in about the time that a bound takes
//! without them, a fifth to a half of its gap, and more in ℓ2 and with depth.
//!
//! No signs take part, so that there are no links.

use super::ascent::{Clock, DUAL_NOISE, SLACK, State, shares};
use super::parts;
use super::prove::Prover;
use super::start::Start;
use super::{Question, Tightened};
use crate::form::QuadraticForm;
use crate::relaxation::Point;

/// Features at least.
const FEATURES: usize = 16;
/// Rounds, and their steps.
const ROUNDS: usize = 5;
const STEPS: usize = 10;
/// After the first round, when the noise of a deep network has settled, and every so many rounds then, cuts are looked for: this many for every neuron.
const SEARCH: usize = 2;
const CUTS: usize = 6;
/// Rounds that settle.
const SETTLING: [f64; 2] = [0.3, 0.09];
/// Steps for the dual problem.
const DUAL_STEPS: usize = 80;

/// What a few rounds come to.
pub(super) fn run(question: Question<'_>, form: &QuadraticForm<'_>, solution: &Point) -> Option<Tightened> {
    let clock = Clock::new(question);
    let mut state = State::wide(question, Start::at(question, form, solution)?, FEATURES);
    state.links.weights.fill(0.0);
    let shares = shares(question.vectors.norm(), &state.sizes);
    let mut lift = state.lift::<f32>();
    let stop = || clock.over(1.0);
    state.rounds(&mut lift, (ROUNDS, STEPS), stop, |state, lift, round| {
        if round % SEARCH == 1 {
            let found = parts::search(lift, CUTS * lift.layout.free, &shares);
            state.cuts.renew(SLACK, found, lift.layout.atoms());
        }
        !state.cuts.all.is_empty()
    });
    if state.cuts.all.is_empty() {
        return None;
    }
    state.settle(&mut lift, &SETTLING, &clock);
    let mut v = state.noisy(&lift, DUAL_NOISE);
    let (value, _) = state.dual(&mut lift, &mut v, (DUAL_STEPS, f64::INFINITY), stop);
    if stop() {
        return None;
    }
    let certificate = Prover::new(question, &state.sizes).roughly(&state.lifted(&lift, &v, value));
    Some(state.tightened(certificate))
}
