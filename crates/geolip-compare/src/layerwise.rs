//! The relaxation with one multiplier per layer, at its best.
//!
//! In the vector network (see [`geolip::relaxation`]) every neuron has its constraint ‖z_j − c_j h_j‖ ≤ r_j‖h_j‖, and so its
//! multiplier. Here a layer has one of each, Σⱼ ‖z_j − c_j h_j‖² ≤ Σⱼ r_j²‖h_j‖², that is
//!
//! > Z_a = C H_a + ‖R H_a‖_F S_a,   ‖S_a‖_F = 1,
//!
//! the dual of multipliers λ_a that are constant in a layer (LipSDP-Layer for ℓ2; for ℓ∞ every input keeps its own γᵢ).
//! Alternating maximisation goes as there: S_a ← G_a/‖G_a‖_F, the gradient of H_a is C G_a + ‖G_a‖_F R²H_a/‖R H_a‖_F, and
//! at the end λ_a = ‖G_a‖_F/‖R H_a‖_F. Neurons of fixed slope are linear, those that nothing reaches (h ≡ 0) are zero: both
//! have no part in S, as they are no variables of the checker's form.
//!
//! **Claim.** The bound is what the checker makes of these multipliers.
//! **Source.** Fazlyab et al., *Efficient and accurate estimation of Lipschitz constants for deep neural networks*,
//! NeurIPS 2019, §3.

use crate::question::{Ball, Clock};
use crate::{Estimate, Guarantee, NotApplicable, Question, entries};
use geolip::dual::Repair;
use geolip::relaxation::Momentum;
use geolip_check::form::Multipliers;
use geolip_check::function::Slope;
use geolip_check::matrix::Matrix;
use geolip_check::network::{LinearMap, NodeId};
use geolip_check::problem::{Functional, InputNorm};
use geolip_check::proof::check;
use geolip_check::random::gaussian;
use geolip_check::slopes::SlopeNetwork;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Features, tried in turn until the proof closes.
const RANKS: [usize; 3] = [8, 16, 32];
/// Sweeps per rank.
const SWEEPS: usize = 3000;
/// Smallest γᵢ, as a fraction of their sum.
const GAMMA_FLOOR: f64 = 1e-14;

pub(crate) fn run(question: &Question<'_>, clock: Clock<'_>) -> Result<Estimate, NotApplicable> {
    question.form()?;
    let (ball, note) = Ball::around(question.options.norm);
    let layers = Layers::of(question, ball);
    let values = question.each(|functional| layers.solve(question, functional, clock))?;
    Ok(Question::estimate(values, Guarantee::Certified, Some(note.unwrap_or("one multiplier per layer").to_owned())))
}

struct Layers<'a> {
    network: &'a SlopeNetwork,
    ball: Ball,
    slopes: &'a [Vec<Slope>],
    /// Whether a neuron has more than one slope and anything to multiply with it.
    free: Vec<Vec<bool>>,
}

/// X and S_a, or the directions found for them.
#[derive(Clone)]
struct Point(Vec<Matrix>);

/// What a sweep from a point finds.
struct Step {
    value: f64,
    next: Point,
    multipliers: Multipliers,
}

impl<'a> Layers<'a> {
    fn of(question: &Question<'a>, ball: Ball) -> Self {
        let network = question.network;
        let sizes = network.abs_forward(&Matrix::from_fn(network.inputs(), 1, |_, _| 1.0));
        let slopes = network.slopes();
        let layers = network.layers().zip(slopes);
        let free = layers.map(|((_, parent), slopes)| {
            let reached = sizes.of(parent).data().iter().map(|size| *size > 0.0);
            slopes.iter().zip(reached).map(|(slope, reached)| reached && !slope.is_fixed()).collect()
        });
        Self { network, ball, free: free.collect(), slopes }
    }

    fn solve(&self, question: &Question<'_>, functional: &Functional, clock: Clock<'_>) -> Result<f64, NotApplicable> {
        let (form, tol) = (question.form()?, question.options.tol);
        let (norm, entries) = (self.ball.norm(), entries(functional)?);
        let mut latest = None;
        for k in RANKS {
            let mut at = self.random(k, question.options.seed);
            let mut ahead = at.clone();
            let (mut momentum, mut value, mut calm) = (Momentum::START, 0.0, (4.0 * tol).powi(2));
            for sweep in 0..SWEEPS {
                let step = self.sweep(&ahead, &entries);
                if !step.value.is_finite() {
                    return Err(NotApplicable::Overflow);
                }
                let gain = (step.value - value) / step.value.max(f64::MIN_POSITIVE);
                if gain < -1e-14 && !momentum.is_fresh() {
                    (momentum, ahead) = (Momentum::START, at.clone());
                    continue;
                }
                let last = sweep + 1 == SWEEPS || clock.stopped();
                if gain.abs() <= calm {
                    let repair = Repair::new(form, norm, functional.clone(), step.multipliers.clone());
                    let repaired = repair.within(0.9 * tol, step.value);
                    if let Some(certificate) = repaired.and_then(|r| check(form, norm, &r.claim(functional)).ok()) {
                        return Ok(certificate.upper());
                    }
                    calm *= 0.1;
                }
                latest = Some(step.multipliers);
                if last || calm < 1e-18 {
                    break;
                }
                ahead = self.extrapolated(&at, &step.next, momentum.advance());
                (at, value) = (step.next, step.value);
            }
            if clock.stopped() {
                break;
            }
        }
        question.certified(norm, functional, latest.ok_or(NotApplicable::Stopped)?)
    }

    fn random(&self, k: usize, seed: u64) -> Point {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let sizes = std::iter::once(self.network.inputs()).chain(self.slopes.iter().map(Vec::len));
        let matrices = sizes.map(|n| Matrix::from_fn(n, k, |_, _| gaussian(&mut rng))).collect();
        self.normalised(Point(matrices))
    }

    /// Puts X on its sphere(s), and every S_a on the unit sphere, neurons that are not free left out.
    fn normalised(&self, mut point: Point) -> Point {
        self.normalise_input(&mut point.0[0]);
        for (s, free) in point.0[1..].iter_mut().zip(&self.free) {
            for (j, _) in free.iter().enumerate().filter(|(_, free)| !**free) {
                s.row_mut(j).fill(0.0);
            }
            scale_to_one(s.data_mut());
        }
        point
    }

    fn normalise_input(&self, x: &mut Matrix) {
        match self.ball {
            Ball::Cube => (0..x.rows()).for_each(|i| scale_to_one(x.row_mut(i))),
            Ball::Round => scale_to_one(x.data_mut()),
        }
    }

    fn extrapolated(&self, old: &Point, new: &Point, momentum: f64) -> Point {
        let moved = new.0.iter().zip(&old.0).map(|(new, old)| {
            let data = new.data().iter().zip(old.data()).map(|(n, o)| n + momentum * (n - o)).collect();
            Matrix::from_vec(new.rows(), new.cols(), data)
        });
        self.normalised(Point(moved.collect()))
    }

    fn sweep(&self, at: &Point, u: &[(usize, f64)]) -> Step {
        let k = at.0[0].cols();
        let values = self.network.push_forward(&at.0[0], LinearMap::forward, |a, h| {
            let (slopes, length) = (&self.slopes[a], self.weighted_length(a, h));
            let s = &at.0[a + 1];
            Matrix::from_fn(h.rows(), k, |j, l| slopes[j].centre() * h.at(j, l) + length * s.at(j, l))
        });
        let pre: Vec<&Matrix> = self.network.layers().map(|(_, parent)| values.of(parent)).collect();
        let mut seed = Matrix::zeros(self.network.outputs(), k);
        u.iter().for_each(|(i, u)| *seed.at_mut(*i, 0) = *u);
        let gradients = self.network.pull_back(&seed, LinearMap::adjoint, |a, g| {
            let (slopes, h) = (&self.slopes[a], pre[a]);
            let (length, steep) = (self.weighted_length(a, h), self.free_length(a, g));
            let outward = if length > 0.0 { steep / length } else { 0.0 };
            Matrix::from_fn(h.rows(), k, |j, l| {
                let (c, r) = (slopes[j].centre(), slopes[j].radius());
                c * g.at(j, l) + outward * r * r * h.at(j, l)
            })
        });
        let g = gradients.of(NodeId::INPUT);
        let rows: Vec<f64> = (0..g.rows()).map(|i| length(g.row(i))).collect();
        let value = self.ball.norm().dual(rows.iter().copied());
        let gamma = match self.ball {
            Ball::Cube => rows.iter().map(|norm| norm.max(GAMMA_FLOOR * value)).collect(),
            Ball::Round => vec![value],
        };
        let mut lambda = Vec::new();
        let mut next = vec![match self.ball {
            Ball::Cube => or_before(g, &at.0[0]),
            Ball::Round if value > 0.0 => g.clone(),
            Ball::Round => at.0[0].clone(),
        }];
        for (a, (node, _)) in self.network.layers().enumerate() {
            let (g, h) = (gradients.of(node), pre[a]);
            let multiplier = self.free_length(a, g) / self.weighted_length(a, h);
            let multiplier = if multiplier.is_finite() { multiplier } else { 0.0 };
            lambda.push(vec![multiplier; h.rows()]);
            next.push(if self.free_length(a, g) > 0.0 { g.clone() } else { at.0[a + 1].clone() });
        }
        let next = self.normalised(Point(next));
        Step { value, next, multipliers: Multipliers { zeta: vec![value], gamma, lambda } }
    }

    /// ‖R H‖_F.
    fn weighted_length(&self, a: usize, h: &Matrix) -> f64 {
        let rows = self.slopes[a].iter().enumerate().map(|(j, slope)| slope.radius() * length(h.row(j)));
        length(&rows.collect::<Vec<_>>())
    }

    /// ‖G‖_F of the free neurons.
    fn free_length(&self, a: usize, g: &Matrix) -> f64 {
        let free = self.free[a].iter().enumerate().filter(|(_, free)| **free);
        length(&free.map(|(j, _)| length(g.row(j))).collect::<Vec<_>>())
    }
}

/// The rows of g, those that vanish as they were before.
fn or_before(g: &Matrix, before: &Matrix) -> Matrix {
    let mut next = g.clone();
    for i in 0..g.rows() {
        if length(g.row(i)) == 0.0 {
            next.row_mut(i).copy_from_slice(before.row(i));
        }
    }
    next
}

/// ‖v‖₂, without overflow.
fn length(v: &[f64]) -> f64 {
    InputNorm::L2.dual(v.iter().copied())
}

fn scale_to_one(v: &mut [f64]) {
    let length = length(v);
    if length > 0.0 {
        v.iter_mut().for_each(|v| *v /= length);
    }
}
