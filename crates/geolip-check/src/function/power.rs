//! Slopes without bound: exponential, logarithm, powers (reciprocal and root among them). They are bounded on regions alone.
//!
//! | φ | defined | φ' | runs |
//! | --- | --- | --- | --- |
//! | eˢ | everywhere | eˢ | rising |
//! | log s | s > 0 | 1/s | falling |
//! | sᵖ, p = 2, 4, … | everywhere | p·sᵖ⁻¹ | rising |
//! | sᵖ, p = 3, 5, … | everywhere | p·sᵖ⁻¹ | falling, then rising, with 0 at 0 |
//! | sᵖ, p = −1, −2, … | s ≠ 0 | p·sᵖ⁻¹ | one way on each side |
//! | sᵖ, other p | s > 0 | p·sᵖ⁻¹ | one way |
//!
//! **Rounded:** `libm` says that its exp, log and pow are off by less than one unit in the last place (2.3·10⁻¹⁶ of the result). p − 1
//! is rounded, which changes sᵖ⁻¹ by at most 2⁻⁵³·|p − 1|·|log s| of itself: at most 1.2·10⁻¹³, as |(p − 1)·log s| < 745 where the result
//! neither overflows nor underflows (with what does, an interval is the whole line, or [`Error::Relative`] adds what underflow costs: less
//! than 2⁻¹⁰⁷⁴, times |p| at most [`LARGEST`], is at most 2⁻¹⁰²²). The margins are 10 and more times that. Whether p − 1 is even is
//! kept, as it is a number where p is a whole one up to [`LARGEST`].

use super::Slope;
use super::scalar::{Domain, Error, Formula, Scalar, Shape};

/// The largest size of a power.
pub(super) const LARGEST: f64 = (1_u64 << 52) as f64;

const MONOTONE: Shape = Shape::Extremes { lowest: None, highest: None };
const RISING: Slope = Slope::new(0.0, f64::INFINITY);
const FALLING: Slope = Slope::new(f64::NEG_INFINITY, 0.0);
const EITHER: Slope = Slope::new(f64::NEG_INFINITY, f64::INFINITY);

pub(super) fn exp() -> Scalar<impl Formula, impl Formula> {
    Scalar::new(|a, s| (a.exp)(s), |a, s| (a.exp)(s), RISING, MONOTONE, Error::Relative(1e-14))
}

pub(super) fn log() -> Scalar<impl Formula, impl Formula> {
    Scalar::new(|_, s| libm::log(s), |_, s| 1.0 / s, RISING, MONOTONE, Error::Relative(1e-14)).on(Domain::Positive)
}

pub(super) fn power(p: f64) -> Scalar<impl Formula, impl Formula> {
    let whole = p.fract() == 0.0;
    let even = whole && (0.5 * p).fract() == 0.0;
    let (domain, shape, slope) = match (whole, p > 0.0) {
        (true, true) if even => (Domain::Line, MONOTONE, EITHER),
        (true, true) => (Domain::Line, Shape::Extremes { lowest: Some(0.0), highest: None }, RISING),
        (true, false) => (Domain::NotZero, MONOTONE, EITHER), // across the pole
        (false, positive) => (Domain::Positive, MONOTONE, if positive { RISING } else { FALLING }),
    };
    let (value, derivative) = (move |_: &_, s| libm::pow(s, p), move |_: &_, s| p * libm::pow(s, p - 1.0));
    Scalar::new(value, derivative, slope, shape, Error::Relative(1e-12)).on(domain)
}

#[cfg(test)]
mod tests {
    use crate::function::lines::lines;
    use crate::function::ranges::{Ends, derivative_range, value};
    use crate::function::{Activation, Slope};

    /// The functions, and an interval that each is defined on.
    fn examples() -> Vec<(Activation, f64, f64)> {
        let power = |exponent| Activation::Power { exponent };
        let mut all = vec![(Activation::Exp, -30.0, 12.0), (Activation::Log, 1e-9, 40.0)];
        all.extend([2.0, 3.0, 4.0, 7.0].map(|p| (power(p), -6.0, 6.0)));
        all.extend([-1.0, -2.0, -3.0].iter().flat_map(|p| [(power(*p), 1e-3, 30.0), (power(*p), -30.0, -1e-3)]));
        all.extend([0.5, -0.5, 1.5, 0.1, -2.5, 2.7].map(|p| (power(p), 1e-4, 30.0)));
        all
    }

    #[test]
    fn a_range_a_value_or_a_line_misses_what_the_function_does() {
        let mut seed = 5_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        };
        for (activation, from, to) in examples() {
            for round in 0..800 {
                let l = from + (to - from) * random().powi(3);
                let u = (l + [0.0, 1e-12, 1e-3, 1.0, to - from][round % 5] * random()).min(to);
                let range = derivative_range(&activation, 0, (l, u), Ends::Closed);
                let found = lines(&activation, 0, (l, u));
                let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
                for i in 0..=50 {
                    let s = (l + (u - l) * f64::from(i) / 50.0).min(u);
                    let (v, d) = (activation.value(0, s), activation.derivative(0, s));
                    (least, most) = (least.min(d), most.max(d));
                    assert!(range.lower <= d && d <= range.upper, "{activation}'({s}) = {d} outside {range:?}");
                    let (below, above) = value(&activation, 0, s);
                    assert!(below <= v && v <= above && above - below <= 1e-11 * (v.abs() + 1e-9), "{activation}({s})");
                    assert!(found.range.0 <= v && v <= found.range.1, "{activation}({s}) = {v}, {found:?}");
                    let slack = 1e-13 * (v.abs() + (found.lower.slope * s).abs() + (found.upper.slope * s).abs());
                    assert!(found.lower.slope * s + found.lower.offset <= v + slack, "{activation}({s}), {found:?}");
                    assert!(found.upper.slope * s + found.upper.offset >= v - slack, "{activation}({s}), {found:?}");
                }
                let loose = (least - range.lower).max(range.upper - most);
                let size = range.lower.abs().max(range.upper.abs()).max(1.0);
                assert!(loose <= 1e-9 * size + 0.05 * (range.upper - range.lower), "{activation} [{l}, {u}] {range:?}");
            }
        }
    }

    #[test]
    fn a_power_is_so_large_that_its_derivative_has_the_wrong_sign() {
        // (−1)ᵖ⁻¹ is −1 for an even p, but p − 1 is rounded to an even number from 2⁵³ on
        for p in [super::LARGEST, -super::LARGEST] {
            let power = Activation::Power { exponent: p };
            assert_eq!(power.defect(), None);
            let Slope { lower, upper } = derivative_range(&power, 0, (-1.0, -1.0), Ends::Closed);
            assert!(lower <= -p && -p <= upper && lower.signum() == upper.signum(), "{lower} to {upper}");
        }
        for p in [9_007_199_254_740_992.0, 9_007_199_254_740_994.0, -9_007_199_254_740_992.0, 1e300, f64::NAN] {
            assert!(Activation::Power { exponent: p }.defect().is_some(), "{p}");
        }
    }

    #[test]
    fn a_pole_or_an_overflow_has_a_bound() {
        let unbounded = |activation: &Activation, l: f64, u: f64| {
            let Slope { lower, upper } = derivative_range(activation, 0, (l, u), Ends::Closed);
            lower == f64::NEG_INFINITY || upper == f64::INFINITY
        };
        let power = |exponent| Activation::Power { exponent };
        for (activation, l, u) in [
            (Activation::Log, 0.0, 1.0),
            (Activation::Log, -1.0, 1.0),
            (Activation::Log, -2.0, -1.0),
            (power(-1.0), -1.0, 1.0),
            (power(-1.0), 0.0, 1.0),
            (power(-2.0), -1.0, 0.0),
            (power(0.5), 0.0, 1.0),
            (power(0.5), -0.0, 1.0),
            (power(0.5), -2.0, -1.0),
            (power(1.5), -2.0, -1.0),
            (power(2.0), f64::NEG_INFINITY, 0.0),
            (power(3.0), -1e200, 1e200),
            (Activation::Exp, 0.0, 710.0),
            (Activation::Exp, 0.0, f64::INFINITY),
            (Activation::Exp, f64::NAN, 0.0),
            (power(-1.0), 1e-310, 1.0),
        ] {
            assert!(unbounded(&activation, l, u), "{activation} on [{l}, {u}]");
            let range = lines(&activation, 0, (l, u)).range;
            assert!(range.0 <= range.1, "{activation} on [{l}, {u}] has values {range:?}");
        }
        for p in [-1.0, -3.0] {
            let found = lines(&power(p), 0, (-1.0, 1.0));
            assert_eq!(found.range, (f64::NEG_INFINITY, f64::INFINITY), "falling on both sides of a pole is no bound");
            assert!(found.lower.offset == f64::NEG_INFINITY && found.upper.offset == f64::INFINITY);
        }
        assert_eq!(value(&Activation::Log, 0, 0.0), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(value(&power(-1.0), 0, -0.0), (f64::NEG_INFINITY, f64::INFINITY));
        let (below, above) = value(&Activation::Exp, 0, 800.0);
        assert!(below <= f64::MAX && above == f64::INFINITY);
        let (below, above) = value(&Activation::Exp, 0, -800.0);
        assert!(below <= 0.0 && above >= f64::MIN_POSITIVE);
        assert!(!unbounded(&Activation::Exp, f64::NEG_INFINITY, 3.0), "e^s is flat far left");
        assert!(!unbounded(&power(-1.0), 2.0, f64::INFINITY));
    }
}
