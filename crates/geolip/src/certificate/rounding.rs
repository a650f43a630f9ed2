//! Directed rounding without changing the processor's mode: an operation rounded to nearest is at most half a unit in the
//! last place off, so the next number above (below) it bounds the exact result.

/// u = 2⁻⁵³, the unit roundoff of `f64`.
pub const UNIT: f64 = f64::EPSILON / 2.0;

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
