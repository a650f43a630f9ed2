//! Repair for a random test: how far to tilt multipliers, and which margin the test may then count on.
//!
//! In the scale of the multipliers the form's matrix has a unit diagonal, and with λ_a multiplied by θ_1⋯θ_a (a the depth)
//! and ζ divided by θ_1⋯θ_{d+1}, its entries between depths a and b shrink by √(θ_{a+1}⋯θ_b). If layers couple with the next
//! alone, an eigenvalue −e of the form becomes at least s − e where all √θ = 1 − s, at the price of the factor (1 − s)^{−(d+1)}
//! on the bound. With skips the gain is between half of that and more (a Schur product with a positive definite matrix).
//!
//! Modes that an unfinished ascent leaves below zero have no share of t: the output's gradient settles first. So the
//! last θ, between the deepest layer and t, needs to make room for the test's margin only.

use super::modes::{Modes, Remembered, columns};
use super::tilt::{Repaired, depths, tilted};
use crate::form::{MatrixFreeForm, Multipliers, RandomTest, Scaled, proved_bound};
use crate::problem::Functional;
use crate::relaxation::{Point, Sweep, VectorNetwork};

/// The probability that a false bound passes one random test. At most ten are tried per bound.
const FAILURE_PROBABILITY: f64 = 1e-12;
/// Seed of the power iteration for a test's hint, and of the search for modes.
const SEED: u64 = 1;
/// What is added to the estimated defect.
const HEADROOM: f64 = 1.1;
/// The part of the lowest eigenvalue expected after a tilt that the test counts on.
const MARGIN: f64 = 0.8;
/// A test is worth its time if at least this part of the gap is left for its margin.
const LEAST_SHARE: f64 = 0.25;
/// Lanczos steps that refine the modes in the span of the solution.
const REFINING: usize = 16;
/// Lanczos steps of a search for modes: an eighth of what a test takes, and enough to see what would make it fail.
const SEARCH: usize = 300;
/// Modes this far below zero, compared with a step's share of the gap, lack columns to grow in.
const FAR: f64 = 8.0;
/// Gaps tried when the one aimed at fails: so many, each this many times the one before.
const WIDER_GAPS: (i32, f64) = (6, 1.7);

/// One problem's multipliers, to be repaired for a random test.
pub(crate) struct RandomRepair<'a> {
    form: &'a MatrixFreeForm<'a>,
    network: &'a VectorNetwork<'a>,
    functional: Functional,
    multipliers: Multipliers,
    scaled: Scaled<'a>,
    modes: Modes,
}

impl<'a> RandomRepair<'a> {
    /// Prepares for the multipliers of `sweep`, which started at the point `at` (of one problem), with what an earlier search
    /// found; none where some variable has no usable multiplier.
    pub fn new(
        form: &'a MatrixFreeForm<'a>,
        network: &'a VectorNetwork<'a>,
        functional: Functional,
        multipliers: Multipliers,
        solution: (&Point, &Sweep),
        remembered: Option<&Remembered>,
    ) -> Option<Self> {
        let scaled = form.scaled(network.norm(), &functional, &multipliers)?;
        let mut vectors = columns(&scaled, network, &functional, solution);
        vectors.extend(remembered.into_iter().flat_map(|modes| modes.carried(&scaled)));
        let modes = Modes::of(&scaled, &vectors).refined(&scaled, REFINING);
        Some(Self { form, network, functional, multipliers, scaled, modes })
    }

    /// How far the lowest known mode is below zero.
    pub fn defect(&self) -> f64 {
        self.modes.defect()
    }

    /// Looks for modes outside the span of the solution; returns the lowest of all.
    pub fn search(&mut self) -> Remembered {
        let outside = Modes::search(&self.scaled, SEARCH, SEED);
        self.modes = self.modes.joined(&self.scaled, &outside).refined(&self.scaled, REFINING);
        self.modes.remembered(&self.scaled)
    }

    /// Whether a gap leaves a margin to test with, going by the known modes.
    pub fn fits(&self, gap: f64) -> bool {
        self.margin(gap) >= LEAST_SHARE * gap.ln_1p() / self.steps()
    }

    /// Whether a mode is so far below zero that it cannot be on its way up.
    pub fn lacks_features(&self, gap: f64) -> bool {
        self.defect() > FAR * gap.ln_1p() / self.steps()
    }

    /// The known modes that a gap does not make room for, as changes of the point that `sweep` started from.
    pub fn directions(&self, gap: f64, sweep: &Sweep) -> Vec<Point> {
        let room = gap.ln_1p() / self.steps();
        self.modes.directions(&self.scaled, self.network, sweep, -LEAST_SHARE * room)
    }

    /// The proposal whose tilt costs `gap`, if the known modes leave it a margin.
    pub fn within(&self, gap: f64) -> Option<Repaired> {
        let margin = self.margin(gap);
        if margin <= 0.0 {
            return None;
        }
        let (inner, last) = (2.0 * (self.loss() + margin), 2.0 * margin);
        let mut multipliers = tilted(&self.multipliers, &depths(self.network.network()), inner.exp_m1());
        let factor = (self.depth() * inner + last).exp();
        multipliers.zeta.iter_mut().for_each(|z| *z *= factor);
        let norm = self.network.norm();
        let scaled = self.form.scaled(norm, &self.functional, &multipliers)?;
        let modes = Modes::of(&scaled, &self.modes.carried(&self.scaled, &scaled));
        let margin = MARGIN * modes.lowest().unwrap_or(0.0).min(margin);
        let top = self.form.top(&scaled, SEED);
        let random_test = Some(RandomTest { failure_probability: FAILURE_PROBABILITY, margin, top });
        let upper = proved_bound(norm, &self.functional, &multipliers);
        (margin > 0.0).then_some(Repaired { upper, multipliers, random_test })
    }

    /// Proposals of growing gaps, from `gap` and from what the known modes need on.
    pub fn proposals(&self, gap: f64) -> impl Iterator<Item = Repaired> + '_ {
        // to the modes' own loss comes a margin of a third of it, so that the test does not take forever
        let first = (self.steps() * 4.0 / 3.0 * self.loss()).max(gap.ln_1p());
        let (count, factor) = WIDER_GAPS;
        (0..count).filter_map(move |i| self.within((first * factor.powi(i)).exp_m1()))
    }

    /// What is left of each step's share of the gap (in logarithms) for the margin.
    fn margin(&self, gap: f64) -> f64 {
        (gap.ln_1p() - self.depth() * self.loss()) / self.steps()
    }

    /// −ln √θ that makes up for the defect.
    fn loss(&self) -> f64 {
        -(-HEADROOM * self.defect()).max(-0.9).ln_1p()
    }

    fn depth(&self) -> f64 {
        depths(self.network.network()).into_iter().max().unwrap_or(0).max(1) as f64
    }

    fn steps(&self) -> f64 {
        self.depth() + 1.0
    }
}
