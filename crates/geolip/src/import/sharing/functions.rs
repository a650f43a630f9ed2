//! A function at c·r by another one at r.
//!
//! | functions | identity |
//! | --- | --- |
//! | one kink, at zero: slope l below, u above | φ(c·r) = \|c\|·(u − l)·relu(r) + l·c·r for c > 0, and + u·c·r for c < 0, as relu(−r) = relu(r) − r |
//! | the same function, c = 1 | φ(r) |
//! | odd (tanh, softsign, sin, erf, atan, asinh), c = −1 | −φ(r) |
//! | even (cos), c = −1 | φ(r) |
//! | s·σ(s) with σ(−s) = 1 − σ(s) (SiLU, both GELUs, hard swish), and softplus, c = −1 | φ(r) − r |
//! | sigmoid, c = −1 | 1 − φ(r) |
//!
//! **Claim.** φ(h) = a·ψ(r) + b·h + d for all real r with h = c·r, and the [`Relation`]'s numbers are exact.

use crate::network::Activation;
use crate::rounding::{exact_product, exact_sum};

/// A neuron's function.
#[derive(Clone, Copy)]
pub(super) struct Neuron<'a> {
    pub(super) activation: &'a Activation,
    pub(super) index: usize,
}

/// φ(h) = a·ψ(r) + b·h + d
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Relation {
    pub(super) a: f64,
    pub(super) b: f64,
    pub(super) d: f64,
}

/// `own` at c·r by `other` at r, if there is an exact way.
pub(super) fn relation(own: Neuron<'_>, other: Neuron<'_>, c: f64) -> Option<Relation> {
    if let (Some(own), Some(other)) = (kink(own), kink(other)) {
        return of_kinks(own, other, c);
    }
    if own.activation != other.activation || own.activation.neurons().is_some() {
        return None;
    }
    if c == 1.0 {
        return Some(Relation { a: 1.0, b: 0.0, d: 0.0 });
    }
    reflection(own.activation).filter(|_| c == -1.0)
}

/// The slopes below and above zero of a function that is linear on both sides of it and zero there.
fn kink(Neuron { activation, index }: Neuron<'_>) -> Option<(f64, f64)> {
    match activation {
        Activation::Relu => Some((0.0, 1.0)),
        Activation::LeakyRelu { slope } => Some((*slope, 1.0)),
        Activation::PRelu { slopes } => Some((slopes[index], 1.0)),
        Activation::Abs => Some((-1.0, 1.0)),
        Activation::Clip { min, max } => match (*min, *max) {
            (0.0, f64::INFINITY) => Some((0.0, 1.0)),
            (f64::NEG_INFINITY, 0.0) => Some((1.0, 0.0)),
            _ => None,
        },
        Activation::Sigmoid
        | Activation::Tanh
        | Activation::Softsign
        | Activation::Softplus
        | Activation::Elu { .. }
        | Activation::Celu { .. }
        | Activation::Selu { .. }
        | Activation::HardSigmoid { .. }
        | Activation::Silu
        | Activation::Gelu
        | Activation::GeluTanh
        | Activation::HardSwish
        | Activation::Mish
        | Activation::Sin
        | Activation::Cos
        | Activation::Erf
        | Activation::Atan
        | Activation::Asinh
        | Activation::Exp
        | Activation::Log
        | Activation::Power { .. } => None,
    }
}

/// From relu(r) = (ψ(r) − l'·r)/(u' − l').
fn of_kinks((l, u): (f64, f64), (other_l, other_u): (f64, f64), c: f64) -> Option<Relation> {
    let (jump, other_jump) = (exact_sum(u, -l)?, exact_sum(other_u, -other_l)?);
    if other_jump == 0.0 || c == 0.0 {
        return None;
    }
    let ratio = exact_ratio(jump, other_jump)?;
    let removed = exact_product(ratio, other_l)?;
    let b = if c > 0.0 { exact_sum(l, -removed)? } else { exact_sum(u, removed)? };
    Some(Relation { a: exact_product(c.abs(), ratio)?, b, d: 0.0 })
}

/// φ(−r) by φ(r).
fn reflection(activation: &Activation) -> Option<Relation> {
    let (a, b, d) = match activation {
        Activation::Tanh
        | Activation::Softsign
        | Activation::Sin
        | Activation::Erf
        | Activation::Atan
        | Activation::Asinh => (-1.0, 0.0, 0.0),
        Activation::Cos => (1.0, 0.0, 0.0),
        Activation::Softplus | Activation::Silu | Activation::Gelu | Activation::GeluTanh | Activation::HardSwish => {
            (1.0, 1.0, 0.0)
        }
        Activation::Sigmoid => (-1.0, 0.0, 1.0),
        Activation::Relu
        | Activation::LeakyRelu { .. }
        | Activation::PRelu { .. }
        | Activation::Abs
        | Activation::Clip { .. }
        | Activation::Elu { .. }
        | Activation::Celu { .. }
        | Activation::Selu { .. }
        | Activation::HardSigmoid { .. }
        | Activation::Mish
        | Activation::Exp
        | Activation::Log
        | Activation::Power { .. } => return None,
    };
    Some(Relation { a, b, d })
}

/// a/b, where that is a floating-point number.
pub(super) fn exact_ratio(a: f64, b: f64) -> Option<f64> {
    let ratio = a / b;
    (exact_product(ratio, b)? == a).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_relation_is_an_identity() {
        let leaky = |slope| Activation::LeakyRelu { slope };
        let clip = |min, max| Activation::Clip { min, max };
        let kinks = [
            Activation::Relu,
            leaky(f64::from(0.01_f32)),
            leaky(-2.0),
            Activation::PRelu { slopes: vec![9.0, 0.5] },
            Activation::Abs,
            clip(0.0, f64::INFINITY),
            clip(f64::NEG_INFINITY, 0.0),
        ];
        let others = [
            Activation::Tanh,
            Activation::Softsign,
            Activation::Sin,
            Activation::Cos,
            Activation::Softplus,
            Activation::Silu,
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::HardSwish,
            Activation::Sigmoid,
        ];
        let mut seen = 0;
        let mut check = |own: &Activation, other: &Activation, c: f64| {
            let neuron = |activation| Neuron { activation, index: 1 };
            let Some(Relation { a, b, d }) = relation(neuron(own), neuron(other), c) else { return false };
            for r in [-3.0, -0.7, -0.0, 0.0, 0.2, 1.9] {
                let (h, value) = (c * r, own.value(1, c * r));
                let by_other = a * other.value(1, r) + b * h + d;
                assert!((value - by_other).abs() < 1e-14, "{own} by {other} at {c}·{r}: {value} and {by_other}");
            }
            seen += 1;
            true
        };
        for own in &kinks {
            for c in [1.0, -1.0, 0.5, -4.0, 1.7, -0.3] {
                assert!(check(own, own, c), "{own}, {c}");
                kinks.iter().for_each(|other| {
                    check(own, other, c);
                });
            }
            assert!(check(own, &Activation::Relu, -1.0) && check(own, &Activation::Abs, -1.0), "{own}");
        }
        for own in &others {
            assert!(check(own, own, 1.0) && check(own, own, -1.0) && !check(own, own, 2.0), "{own}");
            assert!(!check(own, &Activation::Relu, 1.0) && !check(&Activation::Relu, own, 1.0));
        }
        assert!(!check(&Activation::Mish, &Activation::Mish, -1.0) && check(&Activation::Mish, &Activation::Mish, 1.0));
        assert!(!check(&leaky(0.1), &Activation::Relu, 1.0), "0.9 is no difference of 1 and 0.1 in double precision");
        assert!(seen > 200);
    }

    #[test]
    fn what_would_be_rounded_is_not_formed() {
        assert_eq!((exact_sum(1.0, 2.0), exact_sum(1.0, 1e-20)), (Some(3.0), None));
        assert_eq!((exact_product(0.1, 4.0), exact_product(0.1, 0.1)), (Some(0.4), None));
        assert_eq!((exact_product(1e-200, 2e-200), exact_product(1e200, 1e200)), (None, None));
        assert_eq!((exact_ratio(0.6, 0.3), exact_ratio(1.0, 3.0)), (Some(2.0), None));
    }
}
