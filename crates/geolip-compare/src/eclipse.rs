//! ECLipsE-Fast: one multiplier per layer, chosen layer by layer in closed form.
//!
//! Take the form q of [`geolip_check::form::quadratic`] for a chain, ‖·‖₂, γ = 1, λ constant in every layer, and eliminate from
//! the input. What is left on z_a once everything before is gone is X_a, with X_0 = γI and Y_a = W_a X_{a−1}⁻¹ W_aᵀ. With
//! c = (α+β)/2, r = (β−α)/2 and αβ = c² − r², Woodbury's identity gives
//!
//! > X_a = λI − λ²c² W (X_{a−1} + λαβ WᵀW)⁻¹ Wᵀ = λ (I − λr² Y_a) (I + λαβ Y_a)⁻¹.
//!
//! All three factors commute, and the eigenvalue λ(1 − λr²y)/(1 + λαβy) falls with y. So the smallest eigenvalue of X_a
//! belongs to σ, the largest of Y_a, and it is largest where 1 − 2r²λσ − r²αβ(λσ)² = 0, that is for
//!
//! > λ_a = 1 / (r (|c| + r) σ_a)          (ReLU: 2/σ_a).
//!
//! The closed form takes these λ. In inverses, X_a⁻¹ = λ⁻¹((1 − c²/r²) I + c²/r² (I − λr² Y_a)⁻¹), where I − λr²Y_a has a
//! condition number of (|c| + r)/|c| at most.
//!
//! **Claim.** The bound is what the checker makes of these multipliers, √(ζγ) with the smallest ζ. In ℓ∞ it is the same
//! with all γᵢ = 1: √n₀ times the ℓ2 bound, since ‖x‖₂ ≤ √n₀‖x‖∞.
//!
//! **Source.** Xu, Sivaranjani, *ECLipsE: efficient compositional Lipschitz constant estimation for deep neural networks*,
//! NeurIPS 2024, §4 (there for slopes \[0, 1\]; the last layer is no layer with multipliers, which a published
//! implementation missed).

use crate::chain::Chain;
use crate::{Estimate, Guarantee, NotApplicable, Question, entries};
use geolip::spectral;
use geolip_check::form::Multipliers;
use geolip_check::form::elimination::{factor, solve_right};
use geolip_check::matrix::{Matrix, Store, multiply};
use geolip_check::network::LinearMap;
use geolip_check::problem::InputNorm;

pub(crate) fn run(question: &Question<'_>) -> Result<Estimate, NotApplicable> {
    question.form()?;
    let chain = Chain::of(question)?;
    let (lambdas, last) = closed_form(&chain).ok_or(NotApplicable::Overflow)?;
    let ones = || vec![1.0; question.network.inputs()];
    let (norm, gamma, note) = match question.options.norm {
        InputNorm::L2 => (InputNorm::L2, vec![1.0], None),
        InputNorm::L1 => (InputNorm::L2, vec![1.0], Some("its l2 bound, as |x|_2 <= |x|_1")),
        InputNorm::Linf => {
            (InputNorm::Linf, ones(), Some("its l2 bound times sqrt(inputs), as |x|_2 <= sqrt(n) |x|_inf"))
        }
        norm @ InputNorm::Lp(_) => {
            (norm, ones(), Some("its l2 bound times inputs^(1/2 - 1/p), as |x|_2 <= n^(1/2 - 1/p) |x|_p"))
        }
    };
    let mut lambda: Vec<Vec<f64>> = question.network.slopes().iter().map(|layer| vec![0.0; layer.len()]).collect();
    for ((_, _, place), value) in chain.layers.iter().zip(lambdas) {
        lambda[*place].fill(value);
    }
    let values = question.each(|functional| {
        let entries = entries(functional)?;
        let pairs = entries.iter().flat_map(|a| entries.iter().map(move |b| (a, b)));
        let zeta: f64 = pairs.map(|((i, u), (j, v))| u * v * last.at(*i, *j)).sum();
        let multipliers = Multipliers { zeta: vec![zeta.max(0.0)], gamma: gamma.clone(), lambda: lambda.clone() };
        question.certified(norm, functional, multipliers)
    })?;
    Ok(Question::estimate(values, Guarantee::Certified, note.map(str::to_owned)))
}

/// λ per layer, and W X_d⁻¹ Wᵀ of the output; none where numbers overflow.
fn closed_form(chain: &Chain) -> Option<(Vec<f64>, Matrix)> {
    let mut lambdas = Vec::new();
    // X⁻¹ = scale·(a·I + b·V Vᵀ) is kept as W ↦ W X⁻¹ Wᵀ
    let mut inverse = Inverse { scale: 1.0, identity: 1.0, curved: None };
    for (weights, slope, _) in &chain.layers {
        let y = inverse.conjugated(weights);
        let sigma = spectral::tightly(&LinearMap::Dense(y.clone()));
        let (c, r) = (slope.centre().abs(), slope.radius());
        let lambda = 1.0 / (r * (c + r) * sigma);
        if !lambda.is_finite() {
            // nothing passes this layer (or overflows): any multipliers will do, the rest of the chain is zero
            let rest = chain.layers.len() - lambdas.len();
            lambdas.extend(std::iter::repeat_n(1.0, rest));
            let n = chain.last.rows();
            return (sigma == 0.0).then(|| (lambdas, Matrix::zeros(n, n)));
        }
        let n = y.rows();
        let mut rest = Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j)) - lambda * r * r * y.at(i, j));
        let curved = if c > 0.0 {
            factor(&mut rest).ok()?;
            Some((c * c / (r * r), rest))
        } else {
            None
        };
        let identity = 1.0 - curved.as_ref().map_or(0.0, |(weight, _)| *weight);
        inverse = Inverse { scale: 1.0 / lambda, identity, curved };
        lambdas.push(lambda);
    }
    let last = inverse.conjugated(&chain.last);
    last.data().iter().all(|v| v.is_finite()).then_some((lambdas, last))
}

/// X⁻¹ = scale·(identity·I + weight·(L Lᵀ)⁻¹).
struct Inverse {
    scale: f64,
    identity: f64,
    /// (weight, L).
    curved: Option<(f64, Matrix)>,
}

impl Inverse {
    /// W X⁻¹ Wᵀ.
    fn conjugated(&self, w: &Matrix) -> Matrix {
        let mut product = Matrix::zeros(w.rows(), w.rows());
        if self.identity != 0.0 {
            multiply(&mut product, Store::Add, self.scale * self.identity, w.view(), w.t());
        }
        if let Some((weight, l)) = &self.curved {
            let mut solved = w.clone();
            solve_right(&mut solved, l);
            multiply(&mut product, Store::Add, self.scale * weight, solved.view(), solved.t());
        }
        product
    }
}
