//! Repair: from multipliers that are optimal up to the ascent's error to multipliers that are feasible.
//!
//! Multiplying λ_a by θ^depth(a), θ = 1/(1+δ), is the same as shrinking every pre-activation by √θ while enlarging the
//! output by θ^{−depth/2}: the form gains definiteness in proportion to δ in every direction at once, whatever the scale
//! of the layers, and the bound loses about depth·δ/2. So the smallest δ that works is looked for, on a logarithmic grid.

use super::form::Form;
use crate::certificate::{
    Claim, FormProof, MatrixFreeForm, Multipliers, Proof, QuadraticForm, RandomTest, proved_bound,
};
use crate::problem::{Functional, InputNorm};

/// One problem's multipliers, to be repaired.
#[derive(Clone, Debug)]
pub struct Repair<'a> {
    form: &'a Form<'a>,
    norm: InputNorm,
    functional: Functional,
    multipliers: Multipliers,
    depths: Vec<usize>,
}

/// Multipliers that the form proves (the checker has yet to agree), and the bound they give.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// The multipliers, with the smallest ζ.
    pub multipliers: Multipliers,
    /// The bound they prove.
    pub upper: f64,
    /// The random test they are to pass, where there is no elimination.
    random_test: Option<RandomTest>,
}

impl Repaired {
    /// The claim to be checked.
    pub fn claim(self, functional: &Functional) -> Claim {
        let proof = Proof::Multipliers(FormProof::new(self.multipliers, self.random_test));
        Claim { output: functional.clone(), upper: self.upper, proof }
    }
}

/// Of what a tilt adds to every eigenvalue, the part that a random test may use; the rest is for the ascent's error.
const MARGIN: f64 = 0.5;
/// The probability that a false bound passes one random test. At most ten are tried per bound.
const FAILURE_PROBABILITY: f64 = 1e-8;
/// Gaps tried by random tests when the one aimed at fails: so many, each this many times the one before.
const WIDER_GAPS: (i32, f64) = (8, 4.0);
/// Seed of the power iteration for a test's hint.
const TOP_SEED: u64 = 1;
/// The tilts of the full search.
const TILTS: [f64; 14] = [1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 10.0];

impl<'a> Repair<'a> {
    /// Prepares a repair.
    pub fn new(form: &'a Form<'a>, norm: InputNorm, functional: Functional, multipliers: Multipliers) -> Self {
        let all = form.network().depths();
        let depths = form.network().activations().map(|(node, _, _)| all[node.index()]).collect();
        Self { form, norm, functional, multipliers, depths }
    }

    /// The repair by the largest tilt that costs no more than `gap`, if its bound is at most (1 + gap)·value. Costs one
    /// elimination, or nothing where a random test will decide.
    pub fn within(&self, gap: f64, value: f64) -> Option<Repaired> {
        if value == 0.0 {
            return Some(self.zero());
        }
        match self.form {
            Form::Eliminated(form) => {
                // a tilt costs a factor of (1+δ)^(depth/2) at most where the form was feasible without it
                let repaired = self.with_tilt(form, 1.9 * gap.ln_1p() / self.depth() as f64);
                repaired.filter(|r| r.upper <= (1.0 + gap) * value)
            }
            Form::MatrixFree(form) => Some(self.for_test(form, gap)),
        }
    }

    /// What to hand to the checker until it accepts, best first: the best repair of a search over all tilts (definiteness
    /// grows with the tilt, so the smallest that works is found by bisection; about five eliminations), or wider and wider
    /// gaps, from `gap` on, for the random test.
    pub fn proposals(&self, gap: f64) -> Box<dyn Iterator<Item = Repaired> + '_> {
        if self.multipliers.zeta.iter().all(|z| *z == 0.0) {
            return Box::new(std::iter::once(self.zero()));
        }
        match self.form {
            Form::Eliminated(form) => Box::new(self.best(form).into_iter()),
            Form::MatrixFree(form) => {
                let (count, factor) = WIDER_GAPS;
                Box::new((0..count).map(move |i| self.for_test(form, gap * factor.powi(i))))
            }
        }
    }

    fn best(&self, form: &QuadraticForm<'_>) -> Option<Repaired> {
        let mut best: Option<Repaired> = None;
        let mut attempt = |index: usize| {
            let repaired = self.with_tilt(form, TILTS[index]);
            let works = repaired.is_some();
            if let Some(repaired) = repaired
                && best.as_ref().is_none_or(|known| repaired.upper < known.upper)
            {
                best = Some(repaired);
            }
            works
        };
        let (mut fails, mut works) = (None, TILTS.len());
        while fails.map_or(0, |f: usize| f + 1) < works {
            let middle = (fails.map_or(0, |f| f + 1) + works) / 2;
            if attempt(middle) { works = middle } else { fails = Some(middle) }
        }
        if works + 1 < TILTS.len() {
            attempt(works + 1); // just above the threshold ζ is still large
        }
        best
    }

    fn depth(&self) -> usize {
        self.depths.iter().copied().max().unwrap_or(0).max(1)
    }

    /// All multipliers zero: what proves that an output does not depend on the input at all.
    fn zero(&self) -> Repaired {
        let Multipliers { zeta, gamma, lambda } = &self.multipliers;
        let lambda = lambda.iter().map(|l| vec![0.0; l.len()]).collect();
        let multipliers = Multipliers { zeta: vec![0.0; zeta.len()], gamma: vec![0.0; gamma.len()], lambda };
        let trivial = RandomTest { failure_probability: FAILURE_PROBABILITY, margin: 0.5, top: 1.0 };
        let random_test = matches!(self.form, Form::MatrixFree(_)).then_some(trivial); // no variable is left in the form
        Repaired { multipliers, upper: 0.0, random_test }
    }

    fn with_tilt(&self, form: &QuadraticForm<'_>, delta: f64) -> Option<Repaired> {
        let mut multipliers = self.tilted(delta);
        multipliers.zeta = form.smallest_zeta(self.norm, &self.functional, &multipliers)?;
        let upper = proved_bound(self.norm, &self.functional, &multipliers);
        upper.is_finite().then_some(Repaired { multipliers, upper, random_test: None })
    }

    fn tilted(&self, delta: f64) -> Multipliers {
        let theta = 1.0 / (1.0 + delta);
        let mut multipliers = self.multipliers.clone();
        for (lambda, depth) in multipliers.lambda.iter_mut().zip(&self.depths) {
            let factor = theta.powi(i32::try_from(*depth).unwrap_or(i32::MAX));
            lambda.iter_mut().for_each(|l| *l *= factor);
        }
        multipliers
    }

    /// The proposal whose tilt costs about `gap`, with the hints for its random test. ζ is tilted as if t came after the
    /// last layer; then, in the variables and the scale of the test, every entry off the diagonal shrinks by the factor
    /// θ^(|difference of depths|/2). Where layers couple with the next alone, every eigenvalue of a form that was feasible
    /// rises to 1 − √θ; with skips, to half of that at least (a Schur product with a positive definite Toeplitz matrix).
    fn for_test(&self, form: &MatrixFreeForm<'_>, gap: f64) -> Repaired {
        let delta = 2.0 * gap / (self.depth() + 1) as f64;
        let mut multipliers = self.tilted(delta);
        let factor = (1.0 + delta).powi(i32::try_from(self.depth() + 1).unwrap_or(i32::MAX));
        multipliers.zeta.iter_mut().for_each(|z| *z *= factor);
        let margin = MARGIN * (1.0 - (1.0 + delta).powf(-0.5));
        let top = form.top(self.norm, &self.functional, &multipliers, TOP_SEED);
        let random_test = Some(RandomTest { failure_probability: FAILURE_PROBABILITY, margin, top });
        Repaired { upper: proved_bound(self.norm, &self.functional, &multipliers), multipliers, random_test }
    }
}
