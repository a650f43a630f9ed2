//! Repair: from multipliers that are optimal up to the ascent's error to multipliers that are feasible.
//!
//! Multiplying λ_a by θ^depth(a), θ = 1/(1+δ), is the same as shrinking every pre-activation by √θ while enlarging the
//! output by θ^{−depth/2}: the form gains definiteness in proportion to δ in every direction at once, whatever the scale
//! of the layers, and the bound loses about depth·δ/2. So the smallest δ that works is looked for, on a logarithmic grid.

use crate::certificate::{Claim, Multipliers, QuadraticForm, proved_bound};
use crate::problem::{Functional, InputNorm};

/// One problem's multipliers, to be repaired.
#[derive(Clone, Debug)]
pub struct Repair<'a> {
    form: &'a QuadraticForm<'a>,
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
}

impl Repaired {
    /// The claim to be checked.
    pub fn claim(self, functional: Functional) -> Claim {
        let Multipliers { zeta, gamma, lambda } = self.multipliers;
        Claim { output: functional.to_string(), upper: self.upper, zeta, gamma, lambda }
    }
}

/// The tilts of the full search.
const TILTS: [f64; 14] = [1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 10.0];

impl<'a> Repair<'a> {
    /// Prepares a repair.
    pub fn new(form: &'a QuadraticForm<'a>, norm: InputNorm, functional: Functional, multipliers: Multipliers) -> Self {
        let all = form.network().depths();
        let depths = form.network().activations().map(|(node, _, _)| all[node.index()]).collect();
        Self { form, norm, functional, multipliers, depths }
    }

    /// The repair by the largest tilt that costs no more than `gap`, if its bound is at most (1 + gap)·value. Costs one
    /// elimination.
    pub fn within(&self, gap: f64, value: f64) -> Option<Repaired> {
        if value == 0.0 {
            return Some(self.zero());
        }
        let depth = self.depths.iter().copied().max().unwrap_or(0).max(1);
        self.with_tilt(gap / depth as f64).filter(|r| r.upper <= (1.0 + gap) * value)
    }

    /// The best repair of a search over all tilts: none only if even the largest fails. Costs about five eliminations:
    /// definiteness grows with the tilt, so the smallest that works is found by bisection, and the next one compared (just
    /// above the threshold ζ is still large).
    pub fn best(&self) -> Option<Repaired> {
        if self.multipliers.zeta == 0.0 {
            return Some(self.zero());
        }
        let mut best: Option<Repaired> = None;
        let mut attempt = |index: usize| {
            let repaired = self.with_tilt(TILTS[index]);
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
            attempt(works + 1);
        }
        best
    }

    /// All multipliers zero: what proves that an output does not depend on the input at all.
    fn zero(&self) -> Repaired {
        let Multipliers { gamma, lambda, .. } = &self.multipliers;
        let lambda = lambda.iter().map(|l| vec![0.0; l.len()]).collect();
        Repaired { multipliers: Multipliers { zeta: 0.0, gamma: vec![0.0; gamma.len()], lambda }, upper: 0.0 }
    }

    fn with_tilt(&self, delta: f64) -> Option<Repaired> {
        let theta = 1.0 / (1.0 + delta);
        let mut multipliers = self.multipliers.clone();
        for (lambda, depth) in multipliers.lambda.iter_mut().zip(&self.depths) {
            let factor = theta.powi(i32::try_from(*depth).unwrap_or(i32::MAX));
            lambda.iter_mut().for_each(|l| *l *= factor);
        }
        multipliers.zeta = self.form.smallest_zeta(self.norm, self.functional, &multipliers)?;
        let upper = proved_bound(&multipliers);
        upper.is_finite().then_some(Repaired { multipliers, upper })
    }
}
