//! The argument times a gate: SiLU, GELU and its approximation by tanh, hard swish, Mish.
//!
//! Their derivatives rise and fall; the extreme ones are no round numbers, except hard swish's, −1/2 and 3/2 at its seams ∓3:
//!
//! | φ | extreme derivatives | where |
//! | --- | --- | --- |
//! | GELU x·Φ(x) | Φ(√2) + √2·ϕ(√2) = 1.12890414518515…, and 1 minus that | ±√2, the zeros of φ'' = (2 − x²)ϕ |
//! | GELU (tanh form) | 1.12899306865877…, and 1 minus that | ±1.41850400879… |
//! | SiLU x·σ(x) | 1.09983932012886…, and 1 minus that | ±2.39935728052… |
//! | Mish x·tanh(log(1+eˣ)) | 1.08849816125172…, −0.11252612238946… | 1.49057117949…, −2.25637639636… |
//!
//! (found with 40 digits, φ'' = 0; the first three have φ'(x) + φ'(−x) = 1). Each has these two critical points and no others.
//!
//! **Rounded:** the constants outwards, by less than 10⁻¹⁴; those of GELU's tanh form by one part in 10⁸, as exporters write its
//! two constants in float32, which moves derivatives and values by 10⁻⁹. Else [`near`] and [`between`].

use super::Slope;
use super::exponential::softplus;
use super::scalar::{Arithmetic, Interval, MARGIN, Scalar, between, near};
use super::sigmoid::{sech_squared, sigmoid};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// s·σ(s)
#[derive(Clone, Copy)]
pub(super) struct Silu;

/// s·Φ(s)
#[derive(Clone, Copy)]
pub(super) struct Gelu;

/// s/2·(1 + tanh(√(2/π)·(s + 0.044715·s³)))
#[derive(Clone, Copy)]
pub(super) struct GeluTanh;

/// s·max(0, min(1, s/6 + 1/2))
#[derive(Clone, Copy)]
pub(super) struct HardSwish;

/// s·tanh(log(1 + eˢ))
#[derive(Clone, Copy)]
pub(super) struct Mish;

/// [`MARGIN`] for the approximation of GELU, whose constants files hold in float32.
const MARGIN_GELU_TANH: f64 = 1e-8;
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
const CUBIC: f64 = 0.044_715;

/// Φ(s)
fn normal_cdf(s: f64) -> f64 {
    0.5 * libm::erfc(-s * FRAC_1_SQRT_2)
}

/// ϕ(s)
fn normal_density<A: Arithmetic>(s: f64) -> f64 {
    0.5 * SQRT_2_OVER_PI * A::exp(-0.5 * s * s)
}

/// What GELU's tanh form takes the tanh of.
fn inner(s: f64) -> f64 {
    SQRT_2_OVER_PI * (s + CUBIC * s * s * s)
}

/// The range of φ', which is smallest and largest at two points and monotone between and beyond.
fn range(function: impl Scalar, on: Interval, smallest: f64, largest: f64, margin: f64) -> Slope {
    let whole = function.slope();
    between(function, on, &[(smallest, whole.lower), (largest, whole.upper)], margin)
}

impl Scalar for Silu {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        A::product(s * sigmoid::<A>(s))
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        sigmoid::<A>(s) * (1.0 + A::product(s * sigmoid::<A>(-s)))
    }
    fn slope(self) -> Slope {
        Slope::new(-0.099_839_320_128_87, 1.099_839_320_128_87)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0)
    }
    fn range(self, on: Interval) -> Slope {
        range(self, on, -2.399_357_280_515_468, 2.399_357_280_515_468, MARGIN)
    }
}

impl Scalar for Gelu {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        A::product(s * normal_cdf(s))
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        normal_cdf(s) + A::product(s * normal_density::<A>(s))
    }
    fn slope(self) -> Slope {
        Slope::new(-0.128_904_145_185_155, 1.128_904_145_185_155)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0)
    }
    fn range(self, on: Interval) -> Slope {
        range(self, on, -SQRT_2, SQRT_2, MARGIN)
    }
}

impl Scalar for GeluTanh {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        A::product(0.5 * s * (1.0 + A::tanh(inner(s))))
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        let steep = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * s * s);
        0.5 * (1.0 + A::tanh(inner(s))) + A::product(0.5 * s * sech_squared::<A>(inner(s)) * steep)
    }
    fn slope(self) -> Slope {
        Slope::new(-0.128_993_08, 1.128_993_08)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, MARGIN_GELU_TANH / MARGIN)
    }
    fn range(self, on: Interval) -> Slope {
        range(self, on, -1.418_504_008_790_829, 1.418_504_008_790_829, MARGIN_GELU_TANH)
    }
}

impl Scalar for HardSwish {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        s * (s / 6.0 + 0.5).clamp(0.0, 1.0)
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        match s {
            s if s < -3.0 => 0.0,
            s if s < 3.0 => s / 3.0 + 0.5,
            _ => 1.0,
        }
    }
    fn slope(self) -> Slope {
        Slope::new(-0.5, 1.5)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 4.0)
    }
    fn seams(self) -> &'static [f64] {
        &[-3.0, 3.0]
    }
    fn linear_on(self, on: Interval) -> Option<f64> {
        match (on.reaches_above(-3.0), on.reaches_below(3.0)) {
            (false, _) => Some(0.0),
            (true, false) => Some(1.0),
            (true, true) => None,
        }
    }
    fn range(self, on: Interval) -> Slope {
        let middle = on.reaches_below(3.0) && on.reaches_above(-3.0);
        let ramp = middle.then(|| [on.l.max(-3.0), on.u.min(3.0)].map(|s| s / 3.0 + 0.5));
        let ends = [on.reaches_below(-3.0).then_some(0.0), on.reaches_above(3.0).then_some(1.0)];
        Slope::hull_of(ramp.into_iter().flatten().chain(ends.into_iter().flatten()), MARGIN)
    }
}

impl Scalar for Mish {
    fn value<A: Arithmetic>(self, s: f64) -> f64 {
        A::product(s * A::tanh(softplus::<A>(s)))
    }
    fn derivative<A: Arithmetic>(self, s: f64) -> f64 {
        let inner = softplus::<A>(s);
        A::tanh(inner) + A::product(s * sech_squared::<A>(inner) * sigmoid::<A>(s))
    }
    fn slope(self) -> Slope {
        Slope::new(-0.112_526_122_389_463, 1.088_498_161_251_73)
    }
    fn enclose(self, s: f64) -> (f64, f64) {
        near(self, s, 1.0)
    }
    fn range(self, on: Interval) -> Slope {
        range(self, on, -2.256_376_396_360_793, 1.490_571_179_485_428, MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use crate::function::Activation;

    #[test]
    fn constants_of_smooth_activations_are_tight_and_outward() {
        for (activation, least, most, width) in [
            (Activation::Gelu, -2f64.sqrt(), 2f64.sqrt(), 1e-14),
            (Activation::GeluTanh, -1.418_504_008_790_829, 1.418_504_008_790_829, 2e-8),
            (Activation::Silu, -2.399_357_280_515_468, 2.399_357_280_515_468, 1e-14),
            (Activation::Mish, -2.256_376_396_360_793, 1.490_571_179_485_428, 1e-14),
        ] {
            let slope = activation.slope(0);
            let (below, above) =
                (activation.derivative(0, least) - slope.lower, slope.upper - activation.derivative(0, most));
            assert!(
                (-1e-15..width).contains(&below) && (-1e-15..width).contains(&above),
                "{activation}: {below} {above}"
            );
        }
    }
}
