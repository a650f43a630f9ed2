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
//! two constants in float32, which moves derivatives and values by less than 9·10⁻⁹. Values and derivatives are of the order of s and of one.

use super::Slope;
use super::exponential::log_1p_exp;
use super::pieces::{Piece, Pieces};
use super::scalar::{Arithmetic, Error, Formula, MARGIN, SMALL, Scalar, Shape};
use super::sigmoid::{logistic, sech_squared};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// [`MARGIN`] for the approximation of GELU, whose constants files hold in float32.
const MARGIN_GELU_TANH: f64 = 1e-8;
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
const CUBIC: f64 = 0.044_715;

/// Φ(s)
fn normal_cdf(s: f64) -> f64 {
    0.5 * libm::erfc(-s * FRAC_1_SQRT_2)
}

/// ϕ(s)
fn normal_density(a: &Arithmetic, s: f64) -> f64 {
    0.5 * SQRT_2_OVER_PI * (a.exp)(-0.5 * s * s)
}

/// What GELU's tanh form takes the tanh of.
fn cubic(s: f64) -> f64 {
    SQRT_2_OVER_PI * (s + CUBIC * s * s * s)
}

/// With the least and the largest derivative at the two places.
fn gate(
    value: impl Formula,
    derivative: impl Formula,
    slope: Slope,
    (lowest, highest): (f64, f64),
    error: Error,
) -> Scalar<impl Formula, impl Formula> {
    let shape = Shape::Extremes { lowest: Some(lowest), highest: Some(highest) };
    Scalar::new(value, derivative, slope, shape, error)
}

pub(super) fn silu() -> Scalar<impl Formula, impl Formula> {
    gate(
        |a, s| (a.product)(s * logistic(a, s)),
        |a, s| logistic(a, s) * (1.0 + (a.product)(s * logistic(a, -s))),
        Slope::new(-0.099_839_320_128_87, 1.099_839_320_128_87),
        (-2.399_357_280_515_468, 2.399_357_280_515_468),
        SMALL,
    )
}

pub(super) fn gelu() -> Scalar<impl Formula, impl Formula> {
    gate(
        |a, s| (a.product)(s * normal_cdf(s)),
        |a, s| normal_cdf(s) + (a.product)(s * normal_density(a, s)),
        Slope::new(-0.128_904_145_185_155, 1.128_904_145_185_155),
        (-SQRT_2, SQRT_2),
        SMALL,
    )
}

pub(super) fn gelu_tanh() -> Scalar<impl Formula, impl Formula> {
    gate(
        |a, s| (a.product)(0.5 * s * (1.0 + (a.tanh)(cubic(s)))),
        |a, s| {
            let steep = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * s * s);
            0.5 * (1.0 + (a.tanh)(cubic(s))) + (a.product)(0.5 * s * sech_squared(a, cubic(s)) * steep)
        },
        Slope::new(-0.128_993_08, 1.128_993_08),
        (-1.418_504_008_790_829, 1.418_504_008_790_829),
        Error::Near(MARGIN_GELU_TANH / MARGIN, MARGIN_GELU_TANH),
    )
}

pub(super) fn mish() -> Scalar<impl Formula, impl Formula> {
    gate(
        |a, s| (a.product)(s * (a.tanh)(log_1p_exp(a, s))),
        |a, s| {
            let inner = log_1p_exp(a, s);
            (a.tanh)(inner) + (a.product)(s * sech_squared(a, inner) * logistic(a, s))
        },
        Slope::new(-0.112_526_122_389_463, 1.088_498_161_251_73),
        (-2.256_376_396_360_793, 1.490_571_179_485_428),
        SMALL,
    )
}

pub(super) fn hard_swish() -> Scalar<impl Formula, impl Formula> {
    let ramp = Piece::Ramp { rate: 3.0, offset: 0.5 };
    Scalar::new(
        |_, s| s * (s / 6.0 + 0.5).clamp(0.0, 1.0),
        |_, s| match s < 3.0 {
            true if s < -3.0 => 0.0,
            true => s / 3.0 + 0.5,
            false => 1.0,
        },
        Slope::new(-0.5, 1.5),
        Shape::Pieces(Pieces::between(0.0, [-3.0, 3.0], ramp, 1.0, true)),
        Error::Near(4.0, MARGIN),
    )
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
