//! Repair: from multipliers that are optimal up to the ascent's error to multipliers that are feasible.
//!
//! Multiplying λ_a by θ^depth(a), θ = 1/(1+δ), is the same as shrinking every pre-activation by √θ while enlarging the
//! output by θ^{−depth/2}: the form gains definiteness in proportion to δ in every direction at once, whatever the scale
//! of the layers, and the bound loses about depth·δ/2. So the smallest δ that works is looked for, on a logarithmic grid.

use crate::form::{Multipliers, QuadraticForm, RandomTest, proved_bound};
use crate::problem::{Functional, InputNorm};
use crate::proof::{Claim, FormProof, Proof};
use crate::slopes::SlopeNetwork;

/// One problem's multipliers, to be repaired for a proof by elimination (for random tests, see `margin.rs`).
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
    /// The random test they are to pass, where there is no elimination.
    pub(super) random_test: Option<RandomTest>,
}

impl Repaired {
    /// All multipliers zero: what proves that an output does not depend on the input at all.
    fn zero(shape: &Multipliers) -> Self {
        let zeros = |v: &Vec<f64>| vec![0.0; v.len()];
        let lambda = shape.lambda.iter().map(zeros).collect();
        let multipliers = Multipliers { zeta: zeros(&shape.zeta), gamma: zeros(&shape.gamma), lambda };
        Self { multipliers, upper: 0.0, random_test: None }
    }

    /// The claim to be checked.
    pub fn claim(self, functional: &Functional) -> Claim {
        let proof = Proof::Multipliers(FormProof::new(self.multipliers, self.random_test));
        Claim { output: functional.clone(), upper: self.upper, proof }
    }
}

/// The tilts of the full search.
const TILTS: [f64; 14] = [1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 10.0];

impl<'a> Repair<'a> {
    /// Prepares a repair.
    pub fn new(form: &'a QuadraticForm<'a>, norm: InputNorm, functional: Functional, multipliers: Multipliers) -> Self {
        let depths = depths(form.network());
        Self { form, norm, functional, multipliers, depths }
    }

    /// The repair by the largest tilt that costs no more than `gap`, if its bound is at most (1 + gap)·value. Costs one
    /// elimination.
    pub fn within(&self, gap: f64, value: f64) -> Option<Repaired> {
        self.towards(gap, value).filter(|r| r.upper <= (1.0 + gap) * value)
    }

    /// The same, whatever its bound.
    pub fn towards(&self, gap: f64, value: f64) -> Option<Repaired> {
        if value == 0.0 {
            return Some(Repaired::zero(&self.multipliers));
        }
        // a tilt costs a factor of (1+δ)^(depth/2) at most where the form was feasible without it
        self.with_tilt(1.9 * gap.ln_1p() / self.depth() as f64)
    }

    /// The best repair of a search over all tilts: definiteness grows with the tilt, so the smallest that works is found by
    /// bisection, in about five eliminations.
    pub fn best(&self) -> Option<Repaired> {
        if self.multipliers.zeta.iter().all(|z| *z == 0.0) {
            return Some(Repaired::zero(&self.multipliers));
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
            attempt(works + 1); // just above the threshold ζ is still large
        }
        best
    }

    fn depth(&self) -> usize {
        self.depths.iter().copied().max().unwrap_or(0).max(1)
    }

    /// The repair by a tilt, with the smallest ζ.
    pub fn with_tilt(&self, delta: f64) -> Option<Repaired> {
        let mut multipliers = tilted(&self.multipliers, &self.depths, delta);
        multipliers.zeta = self.form.smallest_zeta(self.norm, &self.functional, &multipliers)?;
        let upper = proved_bound(self.norm, &self.functional, &multipliers);
        upper.is_finite().then_some(Repaired { multipliers, upper, random_test: None })
    }
}

/// The depth of every activation layer.
pub(super) fn depths(network: &SlopeNetwork) -> Vec<usize> {
    let all = network.depths();
    network.layers().map(|(node, _)| all[node.index()]).collect()
}

/// λ_a·θ^depth(a) with θ = 1/(1+δ).
pub(super) fn tilted(multipliers: &Multipliers, depths: &[usize], delta: f64) -> Multipliers {
    let theta = 1.0 / (1.0 + delta);
    let mut multipliers = multipliers.clone();
    for (lambda, depth) in multipliers.lambda.iter_mut().zip(depths) {
        let factor = theta.powi(i32::try_from(*depth).unwrap_or(i32::MAX));
        lambda.iter_mut().for_each(|l| *l *= factor);
    }
    multipliers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use crate::proof::check;

    /// y = relu(x), whose bound is 1: with λ = c the form needs γ ≥ c/2·… and ζ as small as the rest allows.
    fn relu() -> SlopeNetwork {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let z = b.activate("z", b.input(), Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 1, vec![1.0])))], None).expect("shapes");
        SlopeNetwork::everywhere(&b.finish(y)).expect("bounded")
    }

    fn multipliers(lambda: f64) -> Multipliers {
        Multipliers { zeta: vec![1.0], gamma: vec![1.0], lambda: vec![vec![lambda]] }
    }

    fn repair<'a>(form: &'a QuadraticForm<'a>, lambda: f64) -> Repair<'a> {
        Repair::new(form, InputNorm::Linf, Functional::output(0), multipliers(lambda))
    }

    #[test]
    fn repaired_multipliers_are_accepted_and_lose_what_they_may() {
        let network = relu();
        let form = QuadraticForm::new(&network);
        for gap in [1e-8, 1e-4, 1e-1] {
            let found = repair(&form, 2.0).within(gap, 1.0);
            let Some(found) = found else { continue };
            assert!(found.upper <= 1.0 + gap);
            assert!(check(&form, InputNorm::Linf, &found.claim(&Functional::output(0))).is_ok());
        }
        let best = repair(&form, 2.0).best().expect("some tilt works");
        assert!(best.upper >= 1.0 && best.upper < 1.1, "{}", best.upper);
        assert!(check(&form, InputNorm::Linf, &best.claim(&Functional::output(0))).is_ok());
    }

    #[test]
    fn a_bound_that_is_not_within_reach_is_not_claimed() {
        let network = relu();
        let form = QuadraticForm::new(&network);
        assert!(repair(&form, 2.0).within(1e-3, 0.5).is_none(), "the constant is 1");
        assert!(repair(&form, 1e-9).within(1e-3, 1.0).is_none(), "a λ that is far too small");
    }

    #[test]
    fn tilting_shrinks_deeper_layers_more() {
        let m = Multipliers { zeta: vec![1.0], gamma: vec![1.0], lambda: vec![vec![1.0], vec![1.0]] };
        let tilted = tilted(&m, &[1, 2], 1.0);
        assert_eq!(tilted.lambda, [[0.5], [0.25]]);
    }
}
