//! Numbers without rounding: m·2ᵉ with an integer m of any size ([`Dyadic`]); and rounded ones without a range ([`Wide`]), to
//! choose by. Every double is a dyadic number, and so are sums and products: what networks and gradients are made of.

use num_bigint::{BigInt, Sign};
use std::cmp::Ordering;

/// What a network is evaluated in.
pub trait Number: Clone {
    /// The double itself, which has to be finite.
    fn of(v: f64) -> Self;
    /// Whether it is zero.
    fn is_zero(&self) -> bool;
    /// The sum.
    fn plus(&self, other: &Self) -> Self;
    /// The product.
    fn times(&self, other: &Self) -> Self;
}

/// m·2ᵉ, exact.
#[derive(Clone, Debug)]
pub struct Dyadic {
    mantissa: BigInt,
    exponent: i64,
}

/// Mantissas above so many bits lose their trailing zeros.
const LONG: u64 = 192;

impl Dyadic {
    /// 0.
    pub fn zero() -> Self {
        Self { mantissa: BigInt::ZERO, exponent: 0 }
    }

    /// |v|.
    pub fn abs(&self) -> Self {
        Self { mantissa: BigInt::from(self.mantissa.magnitude().clone()), exponent: self.exponent }
    }

    /// −v.
    pub fn negated(&self) -> Self {
        Self { mantissa: -self.mantissa.clone(), exponent: self.exponent }
    }

    /// v − w.
    pub fn minus(&self, other: &Self) -> Self {
        self.plus(&other.negated())
    }

    /// v².
    pub fn square(&self) -> Self {
        self.times(self)
    }

    /// v < 0.
    pub fn is_negative(&self) -> bool {
        self.mantissa.sign() == Sign::Minus
    }

    /// The rounded number, without a range: off by less than 2⁻⁵⁰ relatively.
    pub fn wide(&self) -> Wide {
        let bits = self.mantissa.bits();
        let shift = bits.saturating_sub(60);
        let top = &self.mantissa >> shift;
        let top = i64::try_from(top).expect("at most 61 bits with the sign");
        Wide::new(top as f64, self.exponent + shift as i64)
    }

    fn shortened(mut self) -> Self {
        if self.mantissa.bits() > LONG
            && let Some(zeros) = self.mantissa.trailing_zeros().filter(|zeros| *zeros > 0)
        {
            self.mantissa >>= zeros;
            self.exponent += zeros as i64;
        }
        self
    }
}

impl Number for Dyadic {
    fn of(v: f64) -> Self {
        assert!(v.is_finite(), "only finite numbers are dyadic");
        let bits = v.to_bits();
        let (field, fraction) = ((bits >> 52 & 0x7ff) as i64, (bits & ((1 << 52) - 1)) as i64);
        let (mantissa, exponent) = if field == 0 { (fraction, -1074) } else { (fraction | 1 << 52, field - 1075) };
        let zeros = if mantissa == 0 { 0 } else { mantissa.trailing_zeros() };
        let mantissa = BigInt::from((mantissa >> zeros) * if v < 0.0 { -1 } else { 1 });
        Self { mantissa, exponent: exponent + i64::from(zeros) }
    }

    fn is_zero(&self) -> bool {
        self.mantissa.sign() == Sign::NoSign
    }

    fn plus(&self, other: &Self) -> Self {
        if self.is_zero() {
            return other.clone();
        }
        if other.is_zero() {
            return self.clone();
        }
        let (low, high) = if self.exponent <= other.exponent { (self, other) } else { (other, self) };
        let shift = (high.exponent - low.exponent) as u64;
        Self { mantissa: &low.mantissa + (&high.mantissa << shift), exponent: low.exponent }.shortened()
    }

    fn times(&self, other: &Self) -> Self {
        let mantissa = &self.mantissa * &other.mantissa;
        Self { mantissa, exponent: self.exponent + other.exponent }.shortened()
    }
}

impl PartialEq for Dyadic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Dyadic {}

impl PartialOrd for Dyadic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dyadic {
    fn cmp(&self, other: &Self) -> Ordering {
        self.minus(other).mantissa.sign().cmp(&Sign::NoSign)
    }
}

/// m·2ᵉ with m = 0 or 1 ≤ |m| < 2, rounded to nearest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wide {
    /// m
    pub mantissa: f64,
    /// e
    pub exponent: i64,
}

impl Wide {
    /// 0.
    pub const ZERO: Self = Self { mantissa: 0.0, exponent: 0 };

    /// m·2ᵉ for any finite m.
    pub fn new(m: f64, exponent: i64) -> Self {
        if m == 0.0 {
            return Self::ZERO;
        }
        let (m, offset) = if m.abs() < f64::MIN_POSITIVE { (m * 2f64.powi(64), -64) } else { (m, 0) };
        let own = (m.to_bits() >> 52 & 0x7ff) as i64 - 1023;
        let mantissa = f64::from_bits(m.to_bits() & !(0x7ff << 52) | 1023 << 52);
        Self { mantissa, exponent: exponent + own + offset }
    }

    /// What numbers that are not negative are in order of.
    pub fn key(self) -> (bool, i64, u64) {
        match self.mantissa == 0.0 {
            true => (false, 0, 0),
            false => (true, self.exponent, self.mantissa.to_bits()),
        }
    }

    /// v < w for numbers that are not negative.
    pub fn below(self, other: Self) -> bool {
        self.key() < other.key()
    }

    /// As a double: 0 or infinite where it is out of range.
    pub fn near(self) -> f64 {
        times_power(self.mantissa, self.exponent)
    }

    /// √v, v ≥ 0.
    pub fn root(self) -> Self {
        let odd = self.exponent.rem_euclid(2);
        Self::new((self.mantissa * if odd == 1 { 2.0 } else { 1.0 }).sqrt(), (self.exponent - odd) / 2)
    }
}

impl std::fmt::Display for Wide {
    /// In decimals, also out of range.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.exponent.abs() < 1000 || self.mantissa == 0.0 {
            true => write!(f, "{:e}", self.near()),
            false => write!(f, "{}·2^{}", self.mantissa, self.exponent),
        }
    }
}

impl Number for Wide {
    fn of(v: f64) -> Self {
        Self::new(v, 0)
    }

    fn is_zero(&self) -> bool {
        self.mantissa == 0.0
    }

    fn plus(&self, other: &Self) -> Self {
        if self.is_zero() {
            return *other;
        }
        if other.is_zero() {
            return *self;
        }
        let (low, high) = if self.exponent <= other.exponent { (self, other) } else { (other, self) };
        match high.exponent - low.exponent {
            64.. => *high,
            shift => Self::new(high.mantissa + times_power(low.mantissa, -shift), high.exponent),
        }
    }

    fn times(&self, other: &Self) -> Self {
        Self::new(self.mantissa * other.mantissa, self.exponent + other.exponent)
    }
}

/// v·2ᵏ, rounded once at most.
pub fn times_power(v: f64, k: i64) -> f64 {
    let mut v = v;
    let mut k = k.clamp(-4400, 4400);
    while k > 1000 {
        v *= 2f64.powi(1000);
        k -= 1000;
    }
    // in steps that stay normal as long as can be, so that only the last one rounds
    while k < -1000 && v.abs() >= 1.0 {
        v *= 2f64.powi(-1000);
        k += 1000;
    }
    if k < -1000 {
        // below the range, or in it only for v far above 1
        let half = 2f64.powi(-500);
        while k < -500 {
            v *= half;
            k += 500;
        }
    }
    v * 2f64.powi(k as i32)
}

/// v·2ᵏ where that is a double, neither zero nor infinite; exact.
pub fn scaled(v: f64, k: i64) -> Option<f64> {
    if v == 0.0 {
        return Some(v);
    }
    let result = times_power(v, k);
    let exact = result.is_finite() && result != 0.0 && {
        let (from, to) = (Dyadic::of(v), Dyadic::of(result));
        from.mantissa == to.mantissa && from.exponent + k == to.exponent
    };
    exact.then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f64; 12] =
        [0.0, 1.0, -1.0, 0.1, -3.75, 1e300, -1e-300, 5e-324, f64::MIN_POSITIVE, f64::MAX, -2.5e-310, 123_456_789.123];

    #[test]
    fn doubles_are_themselves() {
        for v in VALUES {
            let d = Dyadic::of(v);
            assert_eq!(d.wide().near(), v);
            assert_eq!(d.is_negative(), v < 0.0);
            assert_eq!(Wide::of(v).near(), v);
            for w in VALUES {
                assert_eq!(d.cmp(&Dyadic::of(w)), v.total_cmp(&(w + 0.0)), "{v} {w}");
            }
        }
    }

    #[test]
    fn sums_and_products_are_exact() {
        let d = Dyadic::of;
        assert_eq!(d(1e300).plus(&d(1.0)).minus(&d(1e300)), d(1.0));
        assert_eq!(d(5e-324).times(&d(5e-324)).wide(), Wide::new(1.0, -2148));
        assert_eq!(d(0.1).times(&d(3.0)).cmp(&d(0.1 * 3.0)), Ordering::Less); // 0.1 is a little above, its triple rounds up
        let sum = (0..1000).fold(Dyadic::zero(), |sum, _| sum.plus(&d(2f64.powi(-60))));
        assert_eq!(sum.plus(&d(1.0)).minus(&d(1.0)), sum);
        assert_eq!(sum.times(&d(2f64.powi(60))), d(1000.0));
        assert!(d(-2.0).abs() > d(1.5) && d(-2.0) < d(1.5));
    }

    #[test]
    fn wide_numbers_follow_exact_ones() {
        for v in VALUES {
            for w in VALUES {
                let (sum, product) = (Wide::of(v).plus(&Wide::of(w)), Wide::of(v).times(&Wide::of(w)));
                let close = |a: Wide, b: Wide| a.exponent.abs_diff(b.exponent) <= 1 || a == b || b.is_zero();
                assert!(close(sum, Dyadic::of(v).plus(&Dyadic::of(w)).wide()), "{v} + {w}");
                assert!(close(product, Dyadic::of(v).times(&Dyadic::of(w)).wide()), "{v} {w}");
            }
        }
        assert_eq!(Wide::new(9.0, -3000).root(), Wide::new(3.0, -1500));
        assert_eq!(Wide::new(8.0, 1).root(), Wide::new(4.0, 0));
    }

    #[test]
    fn scaling_is_exact_or_refused() {
        assert_eq!(scaled(3.0, -1074), Some(1.5e-323));
        assert_eq!(scaled(3.0, -1075), None, "it would round");
        assert_eq!(scaled(1.0, 1024), None);
        assert_eq!(scaled(5e-324, 2000), scaled(1.0, 926));
        assert_eq!(scaled(f64::MAX, -2060), None, "53 bits do not fit below the normal numbers");
        assert_eq!(scaled(1.0, -1074), Some(5e-324));
        assert_eq!(scaled(0.0, 5000), Some(0.0));
    }
}
