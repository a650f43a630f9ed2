//! Directed rounding without changing the processor's mode: an operation rounded to nearest is at most half a unit in the
//! last place off, so the next number above (below) it bounds the exact result.
//!
//! # The rule of underflow
//!
//! A sum or difference of doubles is rounded by at most u times its result, however small. A product, a quotient or a fused
//! product may underflow, which costs η = 2⁻¹⁰⁷⁵ more, whatever its size. So n products, added up in any order, fused or not, are off
//! by at most γ_n Σ|a||b| + nη(1 + γ_n).
//!
//! **Rule.** Every proof pays for η *where the product is formed*: its error bound has [`TINY`] added, which is 2⁵³η, and is
//! carried through all that follows as any other error is. Nothing further on stands in for it, so there is no range outside which
//! a bound would be false: where weights make an error large, the proof fails. Error bounds are themselves computed, by sums and products
//! of numbers that are not negative: those rounded one by one go through [`add_up`] and [`mul_up`], which cover underflow (the
//! number above 0 is 2η); those rounded in the ordinary way are inflated for their roundings, and have [`TINY`] added
//! *before* they are multiplied by anything else.
//!
//! Numbers that overflow are infinite or NaN, and so is then every bound and every pivot made of them, which no comparison accepts.

/// u = 2⁻⁵³, the unit roundoff of `f64`.
pub const UNIT: f64 = f64::EPSILON / 2.0;

/// 2⁻¹⁰²², the smallest normal number: pays for the underflow of 2⁵³ products, more than any sum has.
pub const TINY: f64 = f64::MIN_POSITIVE;

/// A number that is known up to an error: the exact one is within `error` of `value`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    /// What is computed.
    pub value: f64,
    /// What it may be off by, rounded up.
    pub error: f64,
}

impl Ball {
    /// A number that is exact.
    pub fn exact(value: f64) -> Self {
        Self { value, error: 0.0 }
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Self {
        let value = self.value + other.value;
        let rounded = if self.value == 0.0 || other.value == 0.0 { 0.0 } else { mul_up(UNIT, value.abs()) };
        Self { value, error: sum_up([self.error, other.error, rounded]) }
    }

    /// The product: |ab − a'b'| ≤ |a||b − b'| + |b||a − a'| + |a − a'||b − b'|, and one rounding.
    pub fn times(self, other: Self) -> Self {
        let value = self.value * other.value;
        let carried = [
            mul_up(self.value.abs(), other.error),
            mul_up(other.value.abs(), self.error),
            mul_up(self.error, other.error),
        ];
        let rounded =
            if self.value == 0.0 || other.value == 0.0 { 0.0 } else { add_up(mul_up(UNIT, value.abs()), TINY) };
        Self { value, error: sum_up(carried.into_iter().chain([rounded])) }
    }

    /// The largest absolute value it may have.
    pub fn magnitude(self) -> f64 {
        if self.error == 0.0 { self.value.abs() } else { add_up(self.value.abs(), self.error) }
    }
}

/// At least a + b.
pub fn add_up(a: f64, b: f64) -> f64 {
    (a + b).next_up()
}

/// At least a · b. Exact zeros stay exact.
pub fn mul_up(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { (a * b).next_up() }
}

/// At least √a. Zero stays exact.
pub fn sqrt_up(a: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a.sqrt().next_up() }
}

/// At least Σ terms. A sum of zeros stays exact.
pub fn sum_up(terms: impl IntoIterator<Item = f64>) -> f64 {
    terms.into_iter().fold(0.0, |sum, term| if term == 0.0 { sum } else { add_up(sum, term) })
}

/// The rounded sum of two numbers and its error, exactly, unless it overflows (Knuth, *The Art of Computer Programming* 2, 4.2.2).
pub fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let second = sum - a;
    (sum, (a - (sum - second)) + (b - second))
}

/// a + b, where that is a floating-point number.
pub fn exact_sum(a: f64, b: f64) -> Option<f64> {
    let (sum, error) = two_sum(a, b);
    (sum.is_finite() && error == 0.0).then_some(sum)
}

/// Products this small leave room below them for their errors.
const LEAST_PRODUCT: f64 = 1e-280;

/// a·b, where that is a floating-point number; none for products of less than 10⁻²⁸⁰, whose error could underflow.
pub fn exact_product(a: f64, b: f64) -> Option<f64> {
    let product = a * b;
    if a == 0.0 || b == 0.0 {
        return Some(0.0);
    }
    let exact = product.is_finite() && product.abs() >= LEAST_PRODUCT && a.mul_add(b, -product) == 0.0;
    exact.then_some(product)
}

/// How far [`pow_up`] trusts `libm::pow`: 256 units in the last place. Its source (FreeBSD's e_pow.c) documents an error
/// below 0.70 units; the margin costs a bound less than 10⁻¹³.
const POWER_MARGIN: f64 = 256.0 * f64::EPSILON;

/// At least a^b for a, b ≥ 0. `libm`'s function in place of the system's: the same result on every machine.
pub fn pow_up(a: f64, b: f64) -> f64 {
    (libm::pow(a, b) * (1.0 + POWER_MARGIN)).next_up() + f64::MIN_POSITIVE
}

/// γ_n = n u / (1 − n u), rounded up: the relative error of n successive roundings (Higham, *Accuracy and Stability of
/// Numerical Algorithms*, 2nd ed., Lemma 3.1).
pub fn gamma_up(n: usize) -> f64 {
    let nu = n as f64 * UNIT; // n < 2⁵³: exact
    assert!(nu < 0.5, "an error bound for {n} roundings exists");
    (nu / (1.0 - nu).next_down()).next_up()
}

/// The power of two nearest to 1/√v in the exponent: v · scale² lies in [½, 2].
///
/// # Panics
/// When `v` is not positive and finite.
pub fn unit_scale(v: f64) -> f64 {
    assert!(v > 0.0 && v.is_finite(), "scales are taken of positive numbers");
    // v = m·2^e with m in [1, 2); frexp by bits, subnormals brought into range first
    let (v, shift) = if v < f64::MIN_POSITIVE { (v * 2f64.powi(200), 200) } else { (v, 0) };
    let exponent = ((v.to_bits() >> 52) & 0x7ff) as i32 - 1023 - shift;
    // even e: scale = 2^{−e/2}, v·scale² = m ∈ [1, 2); odd e: scale = 2^{−(e+1)/2}, v·scale² = m/2 ∈ [½, 1)
    2f64.powi(-(exponent + 1).div_euclid(2))
}

/// The largest scale of a variable, and the inverse of the smallest: beyond, multipliers are out of any reasonable range.
const LARGEST_SCALE: f64 = 1e120;

/// [`unit_scale`], where it is in the range that can be computed with.
///
/// # Panics
/// When `v` is not positive and finite.
pub(crate) fn usable_scale(v: f64) -> Option<f64> {
    Some(unit_scale(v)).filter(|scale| (1.0 / LARGEST_SCALE..=LARGEST_SCALE).contains(scale))
}

/// Covers the roundings of sums of non-negative numbers, of up to 4·10⁹ terms.
pub(crate) const INFLATE: f64 = 1.000_001;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_powers_of_two_that_bring_numbers_near_one() {
        for v in [1.0, 2.0, 3.0, 0.5, 0.7, 1e-300, 1e300, 5e-324, f64::MAX, f64::MIN_POSITIVE, 1.999_999] {
            let s = unit_scale(v);
            assert_eq!(s.to_bits() & ((1 << 52) - 1), 0, "{v}: {s} is a power of two");
            let scaled = v * s * s;
            assert!((0.5..2.0).contains(&scaled) || v < 1e-320, "{v} scales to {scaled}");
        }
    }

    #[test]
    fn balls_hold_sums_and_products_at_every_scale() {
        // the exact results, as multiples of the smallest number or by hand
        let small = f64::from_bits(3); // 3·2⁻¹⁰⁷⁴
        let product = Ball::exact(small).times(Ball::exact(0.3));
        assert!(product.value - product.error <= 0.9 * small / 3.0 && product.error > 0.0);
        let nothing = Ball::exact(1e-200).times(Ball::exact(1e-200));
        assert!(nothing.value == 0.0 && nothing.error >= TINY, "what underflows leaves its error");
        let large = nothing.times(Ball::exact(1e300));
        assert!(large.value == 0.0 && large.error > 1e-9, "and carries it on: {}", large.error);
        assert_eq!(Ball::exact(0.0).times(Ball::exact(5.0)), Ball::exact(0.0));
        let third = Ball { value: 1.0, error: 0.25 }.times(Ball { value: -2.0, error: 0.5 });
        assert!(third.value == -2.0 && (1.125..1.126).contains(&third.error), "{}", third.error);
        let sum = Ball::exact(0.1).plus(Ball::exact(0.2));
        assert!(sum.error >= 2.7e-17 && sum.error < 6e-17 && sum.magnitude() > 0.300_000_000_000_000_04);
        assert!(Ball::exact(f64::MAX).times(Ball::exact(2.0)).error.is_infinite());
    }

    #[test]
    fn what_is_rounded_is_called_exact() {
        let (third, epsilon) = (1.0 / 3.0, f64::EPSILON);
        assert_eq!((exact_sum(0.1, 0.2), exact_sum(0.25, -0.5)), (None, Some(-0.25)));
        assert_eq!((exact_sum(1.0, epsilon), exact_sum(1.0, 0.25 * epsilon)), (Some(1.0 + epsilon), None));
        assert_eq!((exact_sum(f64::MAX, f64::MAX), exact_sum(f64::NAN, 0.0)), (None, None));
        assert_eq!((exact_sum(5e-324, -1.0), exact_sum(5e-324, 5e-324)), (None, Some(1e-323)));
        assert_eq!((exact_product(0.1, 0.5), exact_product(third, 3.0)), (Some(0.05), None));
        assert_eq!((exact_product(1e-150, 2f64.powi(-500)), exact_product(0.0, f64::MAX)), (None, Some(0.0)));
        assert_eq!((exact_product(1e200, 1e200), exact_product(f64::NAN, 1.0)), (None, None));
    }

    #[test]
    fn directed_operations_bound_exact_ones() {
        let (a, b) = (0.1, 0.2); // 0.1 + 0.2 = 0.3000000000000000166… exactly, as doubles
        assert!(add_up(a, b) > 0.300_000_000_000_000_02);
        assert!(sqrt_up(2.0).powi(2) > 2.0 && sqrt_up(0.0) == 0.0 && mul_up(0.0, 5.0) == 0.0);
        assert_eq!(sum_up([0.0, 0.0]), 0.0);
        assert!(pow_up(2.0, 0.5) > sqrt_up(2.0) && pow_up(2.0, 0.5) < 1.414_213_562_374);
        assert!(pow_up(0.5, 2000.0) > 0.0 && pow_up(1e-300, 0.001) >= 10f64.powf(-0.3));
        assert!(gamma_up(1000) >= 1000.0 * UNIT && gamma_up(1000) < 1001.0 * UNIT);
    }
}
