//! A certified upper bound of a linear map's largest singular value (power iteration alone would give a lower one).

use crate::certificate::rounding::gamma_up;
use crate::matrix::{Matrix, Store, multiply, power_of_two_near};
use crate::network::LinearMap;

/// Squarings of the Gram matrix: the bound is at most n^(1/32) times the singular value.
const SQUARINGS: usize = 3;
/// Covers the few scalar roundings of each step.
const INFLATE: f64 = 1.0 + 1e-12;

/// At least ‖A‖₂.
///
/// **Claim.** With G the Gram matrix on the shorter side, ‖A‖₂² = ‖G‖₂, and for symmetric S, ‖S‖₂ = √‖S²‖₂ ≤ ‖S²‖_F^½.
/// **Rounding.** A computed square is entrywise within γ_{n+2}|S||S| of S², so ‖S²‖₂ ≤ ‖computed‖₂ + γ_{n+2}‖S‖_F²;
/// likewise for G. Scalars are inflated by 10⁻¹² a step. Scaling is by powers of two, and exact.
pub(super) fn largest_singular_value(map: &LinearMap) -> f64 {
    match map {
        LinearMap::Identity(_) => 1.0,
        LinearMap::Scale(s) => s.iter().fold(0.0, |most, v| most.max(v.abs())),
        LinearMap::Dense(w) => dense(w),
        LinearMap::Convolution(_) | LinearMap::Gather(_) => by_row_and_column_sums(map),
        LinearMap::Transpose(map) => largest_singular_value(map),
    }
}

/// ‖A‖₂ ≤ √(‖A‖₁ ‖A‖_∞). **Rounding.** Sums of at most 10⁶ non-negative terms, covered by the inflation.
fn by_row_and_column_sums(map: &LinearMap) -> f64 {
    let ones = |n| Matrix::from_fn(n, 1, |_, _| 1.0);
    let (mut rows, mut columns) = (Matrix::zeros(map.rows(), 1), Matrix::zeros(map.cols(), 1));
    map.abs_forward(&ones(map.cols()), Store::Replace, &mut rows);
    map.abs_adjoint(&ones(map.rows()), Store::Replace, &mut columns);
    let largest = |m: &Matrix| m.data().iter().copied().fold(0.0, f64::max);
    (largest(&rows) * INFLATE * 1.000_000_01).sqrt() * (largest(&columns) * INFLATE * 1.000_000_01).sqrt() * INFLATE
}

fn dense(w: &Matrix) -> f64 {
    let (w, scale) = normalised(w.clone());
    if scale == 0.0 {
        return 0.0;
    }
    let n = w.rows().min(w.cols());
    let mut gram = Matrix::zeros(n, n);
    let (left, right) = if w.rows() <= w.cols() { (w.view(), w.t()) } else { (w.t(), w.view()) };
    multiply(&mut gram, Store::Replace, 1.0, left, right);
    let error = gamma_up(w.rows().max(w.cols()) + 2) * frobenius(&w).powi(2);
    scale * ((symmetric(gram, SQUARINGS) + error) * INFLATE).sqrt() * INFLATE
}

/// At least ‖S‖₂ for a symmetric S.
fn symmetric(s: Matrix, squarings: usize) -> f64 {
    let (s, scale) = normalised(s);
    if scale == 0.0 || squarings == 0 {
        return scale * frobenius(&s) * INFLATE;
    }
    let mut square = Matrix::zeros(s.rows(), s.cols());
    multiply(&mut square, Store::Replace, 1.0, s.view(), s.view());
    let error = gamma_up(s.rows() + 2) * frobenius(&s).powi(2);
    scale * ((symmetric(square, squarings - 1) + error) * INFLATE).sqrt() * INFLATE
}

/// The matrix divided by a power of two near its largest entry, and that power (0 for the zero matrix). Entries so small
/// that this underflows are lost; they are below 10⁻³⁰⁰ of the largest, which `INFLATE` covers.
fn normalised(mut m: Matrix) -> (Matrix, f64) {
    let largest = m.data().iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    if largest == 0.0 {
        return (m, 0.0);
    }
    let scale = power_of_two_near(largest);
    m.data_mut().iter_mut().for_each(|v| *v /= scale);
    (m, scale)
}

fn frobenius(m: &Matrix) -> f64 {
    m.data().iter().map(|v| v * v).sum::<f64>().sqrt() * INFLATE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_above_and_near_the_largest_singular_value() {
        for (rows, cols) in [(1, 1), (1, 7), (5, 3), (20, 30), (64, 64)] {
            let w = Matrix::from_fn(rows, cols, |i, j| ((i * 31 + j * 17) as f64 * 1.7 + 0.5).sin());
            // power iteration gives a lower bound that converges from below
            let (mut x, mut below) = (Matrix::from_fn(cols, 1, |j, _| 1.0 + (j as f64).cos()), 0.0);
            for _ in 0..500 {
                let (mut y, mut z) = (Matrix::zeros(rows, 1), Matrix::zeros(cols, 1));
                multiply(&mut y, Store::Replace, 1.0, w.view(), x.view());
                multiply(&mut z, Store::Replace, 1.0, w.t(), y.view());
                below = frobenius(&y) / frobenius(&x);
                let length = frobenius(&z);
                x = Matrix::from_fn(cols, 1, |j, _| z.at(j, 0) / length);
            }
            let bound = largest_singular_value(&LinearMap::Dense(w));
            assert!(bound >= below * (1.0 - 1e-10), "{rows} x {cols}: {bound} is below {below}");
            assert!(bound <= below * (rows.min(cols) as f64).powf(1.0 / 32.0) * (1.0 + 1e-6), "{rows} x {cols}");
        }
        assert_eq!(largest_singular_value(&LinearMap::Dense(Matrix::zeros(3, 2))), 0.0);
        assert_eq!(largest_singular_value(&LinearMap::Scale(vec![1.0, -3.0])), 3.0);
    }

    #[test]
    fn tiny_and_huge_weights_scale_exactly() {
        let w = |s: f64| LinearMap::Dense(Matrix::from_fn(4, 6, |i, j| s * ((i + 2 * j) as f64).sin()));
        let one = largest_singular_value(&w(1.0));
        for s in [2f64.powi(-400), 2f64.powi(400)] {
            assert_eq!(largest_singular_value(&w(s)), s * one);
        }
    }
}
