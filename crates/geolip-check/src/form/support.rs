//! What multipliers prove: the support functions of the unit balls' squares, rounded up.
//!
//! If q of [`crate::form::quadratic`] is non-negative then, for v ∈ \[α, β\] and z = v∘h, 2 wᵀy ≤ Σ ζᵢwᵢ² + Σ γᵢxᵢ² for all w and x.
//! The maximum of Σγᵢxᵢ² over the unit ball of the input norm is
//!
//! | norm | squares s = x∘x | maximum |
//! | --- | --- | --- |
//! | ℓ∞ | all sᵢ ≤ 1 | Σγᵢ |
//! | ℓp, 2 < p < ∞ | Σ sᵢ^{p/2} ≤ 1 | ‖γ‖_r with r = p/(p − 2), the dual exponent of p/2 |
//! | ℓ2, all γᵢ = γ | Σ sᵢ ≤ 1 | γ |
//! | ℓ1, all γᵢ = γ | corners eᵢ | γ: a bound in ℓ2 is one in ℓ1 |
//!
//! and likewise for ζ: w = t·u with u in the unit ball of the *dual* of the output norm: ζ for a functional (w = t) and for
//! ℓ2, Σζᵢ for ℓ1 (its dual is ℓ∞), and at most max ζᵢ for ℓ∞ (its dual is ℓ1). With w scaled against x, the largest
//! ‖y‖ for ‖x‖ ≤ 1 is at most √(ζ's maximum · γ's maximum).

use crate::form::quadratic::Multipliers;
use crate::problem::{Exponent, Functional, InputNorm, OutputNorm};
use crate::rounding::{mul_up, pow_up, sqrt_up, sum_up};

/// The bound that multipliers prove if their form is non-negative, rounded up.
pub fn proved_bound(norm: InputNorm, functional: &Functional, multipliers: &Multipliers) -> f64 {
    sqrt_up(mul_up(output_support(functional, &multipliers.zeta), input_support(norm, &multipliers.gamma)))
}

/// At least the maximum of Σγᵢxᵢ² over the unit ball of the input norm.
pub fn input_support(norm: InputNorm, gamma: &[f64]) -> f64 {
    match norm {
        InputNorm::Linf => sum_up(gamma.iter().copied()),
        InputNorm::L2 | InputNorm::L1 => largest(gamma),
        InputNorm::Lp(p) => dual_of_half(gamma, p),
    }
}

fn output_support(functional: &Functional, zeta: &[f64]) -> f64 {
    match functional {
        Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => largest(zeta),
        Functional::Norm(OutputNorm::L2 | OutputNorm::Linf) => largest(zeta),
        Functional::Norm(OutputNorm::L1) => sum_up(zeta.iter().copied()),
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// At least ‖γ‖_r, r = p/(p − 2).
///
/// With g the largest γᵢ and all tᵢ = γᵢ/g ≤ 1: tᵢ^r is at most tᵢ to any smaller power, the sum S is at least 1 for one of
/// the tᵢ is 1, and S^{1/r} is at most S to any larger power. So r is rounded down inside and 1/r up outside.
fn dual_of_half(gamma: &[f64], p: Exponent) -> f64 {
    let (p, g) = (p.get(), largest(gamma));
    if g == 0.0 || !g.is_finite() {
        return g;
    }
    let less_two = (p - 2.0).next_up();
    let inner = (p / less_two).next_down().max(1.0);
    let outer = (less_two / p).next_up().min(1.0);
    let powers = gamma.iter().map(|v| if *v == 0.0 { 0.0 } else { pow_up((v / g).next_up().min(1.0), inner) });
    mul_up(g, pow_up(sum_up(powers).max(1.0), outer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_support_function_of_the_ball_dominates_its_points_and_is_attained() {
        let gamma = [3.0, 0.25, 1.0, 0.0, 1e-9];
        for p in [2.000_001, 2.5, 3.0, 4.0, 10.0, 1e6, 1e300] {
            let Ok(InputNorm::Lp(exponent)) = InputNorm::from_exponent(p) else { panic!("{p} is an exponent") };
            let support = dual_of_half(&gamma, exponent);
            // s_i ∝ γ_i^{r−1}, r − 1 = 2/(p−2), attains the maximum of ⟨γ, s⟩ over Σ s^{p/2} ≤ 1
            let s: Vec<f64> = gamma.iter().map(|g| (g / 3.0_f64).powf(2.0 / (p - 2.0))).collect();
            let size = s.iter().map(|s| s.powf(p / 2.0)).sum::<f64>().powf(2.0 / p);
            let attained: f64 = gamma.iter().zip(&s).map(|(g, s)| g * s).sum::<f64>() / size;
            assert!((attained / support - 1.0).abs() < 1e-9, "p = {p}: {attained} against {support}");
            assert!((3.0..=4.250_000_01).contains(&support), "between the maximum and the sum: {support}");
        }
    }
}
