//! The norms in which changes of the input and of the output are measured.

use super::ProblemError;
use crate::matrix::power_of_two_near;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The norm in which input perturbations are measured.
///
/// For p ≥ 2 the unit ball {Σ|xᵢ|^p ≤ 1} is convex in the squares xᵢ², which is what makes the relaxation a semidefinite
/// program. ℓ1 is taken apart into its corners, one input at a time. Other p below 2 have neither property and are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(try_from = "String", into = "String")]
pub enum InputNorm {
    /// ℓ∞: the largest absolute entry. Its dual norm is ℓ1.
    #[default]
    Linf,
    /// ℓ2: Euclidean length. It is its own dual.
    L2,
    /// ℓ1: the sum of absolute entries. Its dual norm is ℓ∞.
    L1,
    /// ℓp with 2 < p < ∞. Its dual norm is ℓp* with 1/p + 1/p* = 1.
    Lp(Exponent),
}

/// An exponent p with 2 < p < ∞.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponent(f64);

impl Eq for Exponent {} // never NaN

impl Exponent {
    /// p.
    pub fn get(self) -> f64 {
        self.0
    }

    /// p* = p/(p − 1), rounded.
    pub fn dual(self) -> f64 {
        self.0 / (self.0 - 1.0)
    }
}

/// Bounds the relative error of a sum of powers and its root as [`InputNorm::dual`] computes them: the exponent is off by
/// at most 3u relatively, which moves t^q for t in \[2⁻¹⁰⁷⁴, 1\] by at most 745·2·3u; `libm::pow` is off by less than one
/// unit in the last place; the root of a number in \[1, n\] adds less.
const POWER_ERROR: f64 = 2e-12;

impl InputNorm {
    /// ℓp for any p that is supported: 1, and 2 ≤ p ≤ ∞.
    pub fn from_exponent(p: f64) -> Result<Self, ProblemError> {
        match p {
            1.0 => Ok(Self::L1),
            2.0 => Ok(Self::L2),
            f64::INFINITY => Ok(Self::Linf),
            p if p > 2.0 => Ok(Self::Lp(Exponent(p))),
            p if p >= 1.0 => Err(ProblemError::Exponent { given: p }),
            p => Err(ProblemError::Norm { given: p.to_string() }),
        }
    }

    /// ‖g‖ in the dual norm, in ordinary floating point: the Lipschitz constant of x ↦ ⟨g, x⟩. The relative error is at
    /// most [`Self::dual_error`]: powers are taken after scaling, so they neither overflow nor lose what counts.
    pub fn dual(self, g: impl Iterator<Item = f64> + Clone) -> f64 {
        let largest = || g.clone().map(f64::abs).fold(0.0, f64::max);
        match self {
            Self::Linf => g.map(f64::abs).sum(),
            Self::L2 => {
                let largest = largest();
                if largest == 0.0 || !largest.is_finite() {
                    return largest;
                }
                let scale = power_of_two_near(largest);
                scale * g.map(|v| (v / scale) * (v / scale)).sum::<f64>().sqrt()
            }
            Self::L1 => largest(),
            Self::Lp(p) => power_norm(g, p.dual()),
        }
    }

    /// A direction x with ⟨g, x⟩ = ‖g‖‖x‖ (for ℓ1 with several largest entries, any); zeros where g has none.
    pub fn steepest_direction(self, g: &[f64]) -> Vec<f64> {
        let largest = g.iter().map(|v| v.abs()).fold(0.0, f64::max);
        let direction = |v: &f64| match self {
            Self::Linf => v.signum(),
            Self::L2 => v / largest,
            Self::Lp(p) => v.signum() * (v.abs() / largest).powf(1.0 / (p.get() - 1.0)),
            Self::L1 => {
                if v.abs() == largest {
                    v.signum()
                } else {
                    0.0
                }
            }
        };
        g.iter().map(direction).map(|x| if x.is_finite() { x } else { 0.0 }).collect()
    }

    /// At least the relative error of [`Self::dual`] of n numbers.
    pub fn dual_error(self, n: usize) -> f64 {
        let sums = (n + 6) as f64 * (f64::EPSILON / 2.0);
        match self {
            Self::Linf | Self::L2 => sums,
            Self::L1 => 0.0,
            Self::Lp(_) => sums + POWER_ERROR,
        }
    }
}

/// (Σ|v|^q)^{1/q} in plain floating point, without overflow.
pub fn power_norm(values: impl Iterator<Item = f64> + Clone, q: f64) -> f64 {
    let largest = values.clone().map(f64::abs).fold(0.0, f64::max);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * libm::pow(values.map(|v| libm::pow(v.abs() / largest, q)).sum(), 1.0 / q)
}

impl fmt::Display for InputNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linf => f.pad("linf"),
            Self::L2 => f.pad("l2"),
            Self::L1 => f.pad("l1"),
            Self::Lp(p) => f.pad(&p.0.to_string()),
        }
    }
}

impl FromStr for InputNorm {
    type Err = ProblemError;

    fn from_str(text: &str) -> Result<Self, ProblemError> {
        match text {
            "linf" => Ok(Self::Linf),
            "l2" => Ok(Self::L2),
            "l1" => Ok(Self::L1),
            _ => match text.parse() {
                Ok(p) => Self::from_exponent(p).map_err(|error| match error {
                    ProblemError::Norm { .. } => ProblemError::Norm { given: text.to_owned() },
                    other => other,
                }),
                Err(_) => Err(ProblemError::Norm { given: text.to_owned() }),
            },
        }
    }
}

impl TryFrom<String> for InputNorm {
    type Error = ProblemError;

    fn try_from(text: String) -> Result<Self, ProblemError> {
        text.parse()
    }
}

impl From<InputNorm> for String {
    fn from(norm: InputNorm) -> Self {
        norm.to_string()
    }
}

/// A norm of the whole output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputNorm {
    /// ℓ∞: the largest absolute entry.
    Linf,
    /// ℓ2: Euclidean length.
    L2,
    /// ℓ1: the sum of absolute entries.
    L1,
}

impl OutputNorm {
    /// ‖u‖ in the dual norm, with a relative error of at most (n + 6)u: what uᵀy has to be divided by to be at most ‖y‖.
    pub fn dual(self, u: impl Iterator<Item = f64> + Clone) -> f64 {
        match self {
            Self::Linf => InputNorm::Linf.dual(u),
            Self::L2 => InputNorm::L2.dual(u),
            Self::L1 => InputNorm::L1.dual(u),
        }
    }

    /// ‖y‖, likewise.
    pub fn of(self, y: impl Iterator<Item = f64> + Clone) -> f64 {
        match self {
            Self::Linf => InputNorm::L1.dual(y),
            Self::L2 => InputNorm::L2.dual(y),
            Self::L1 => InputNorm::Linf.dual(y),
        }
    }
}

impl fmt::Display for OutputNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Linf => "linf",
            Self::L2 => "l2",
            Self::L1 => "l1",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dual_norms_do_not_underflow_or_overflow() {
        let p = InputNorm::from_exponent(4.0).expect("a norm"); // dual 4/3: (3^{4/3} + 4^{4/3})^{3/4}
        for size in [1.0, 1e-170, 1e170, 1e-300] {
            let g = [3.0 * size, -4.0 * size];
            assert!((InputNorm::L2.dual(g.into_iter()) / (5.0 * size) - 1.0).abs() < 1e-15, "{size}");
            assert!((InputNorm::Linf.dual(g.into_iter()) / (7.0 * size) - 1.0).abs() < 1e-15, "{size}");
            assert!((InputNorm::L1.dual(g.into_iter()) / (4.0 * size) - 1.0).abs() < 1e-15, "{size}");
            let expected = (3f64.powf(4.0 / 3.0) + 4f64.powf(4.0 / 3.0)).powf(0.75);
            assert!((p.dual(g.into_iter()) / (expected * size) - 1.0).abs() < 1e-14, "{size}");
        }
        assert_eq!(InputNorm::L2.dual([0.0, 0.0].into_iter()), 0.0);
        assert_eq!(p.dual([0.0, 0.0].into_iter()), 0.0);
    }

    #[test]
    fn norms_read_back_as_they_are_written() {
        for text in ["linf", "l2", "l1", "3", "2.5", "100", "2.0000000000000004"] {
            let norm: InputNorm = text.parse().expect("a norm");
            assert_eq!(norm.to_string(), text);
            assert_eq!(
                serde_json::from_str::<InputNorm>(&serde_json::to_string(&norm).expect("text")).ok(),
                Some(norm)
            );
        }
        assert_eq!("2".parse(), Ok(InputNorm::L2));
        assert_eq!("1".parse(), Ok(InputNorm::L1));
        assert_eq!("inf".parse(), Ok(InputNorm::Linf));
        for text in ["", "l3", "0.5", "-3", "NaN", "1.5", "1.9999999"] {
            assert!(text.parse::<InputNorm>().is_err(), "{text}");
        }
    }
}
