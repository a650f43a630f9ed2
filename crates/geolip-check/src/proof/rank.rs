//! A proof that a matrix has full row rank: what makes every activation pattern of a hidden layer reachable.

use crate::form::elimination::is_semidefinite;
use crate::matrix::{Matrix, Store, multiply};
use crate::rounding::{UNIT, gamma_up, unit_scale};

/// Whether W (m × n) is *proved* to have m linearly independent rows. False where it has not, or where that is too close to
/// call.
///
/// **Claim.** If true, W Wᵀ is positive definite. **Rounding.** Rows are scaled by powers of two to squared lengths below 2,
/// so an entry of the product is off by at most γ_{n+2}·Σ|w||w'| ≤ 2γ_{n+2}, and a row by m times that at most; this and a
/// little more are taken off the diagonal before the proof of [`crate::form::elimination`]. (Rows whose squares overflow or
/// underflow count as too close to call.)
pub fn has_full_row_rank(w: &Matrix) -> bool {
    let (m, n) = (w.rows(), w.cols());
    if m > n {
        return false;
    }
    let squares: Vec<f64> = (0..m).map(|i| w.row(i).iter().map(|v| v * v).sum()).collect();
    if squares.iter().any(|s| !(1e-200..1e200).contains(s)) {
        return false;
    }
    let scales: Vec<f64> = squares.iter().map(|s| unit_scale(2.0 * s)).collect(); // squared lengths in [¼, 1)
    let scaled = Matrix::from_fn(m, n, |i, j| scales[i] * w.at(i, j));
    let mut product = Matrix::zeros(m, m);
    multiply(&mut product, Store::Replace, 1.0, scaled.view(), scaled.t());
    let off = (2.0 * m as f64 * gamma_up(n + 2) + UNIT) * 1.000_001 + 1e-100;
    (0..m).for_each(|i| *product.at_mut(i, i) -= off);
    is_semidefinite(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_rows_are_never_called_independent() {
        for n in [1, 2, 5, 40] {
            let mut w =
                Matrix::from_fn(n, n + 3, |i, j| ((i * 7 + j * 3) as f64 * 1.3).sin() * 10f64.powi(i as i32 % 5));
            w.data_mut().iter_mut().enumerate().for_each(|(k, v)| *v += if k % (n + 4) == 0 { 3.0 } else { 0.0 });
            assert!(has_full_row_rank(&w), "{n} independent rows");
            if n > 1 {
                let copy: Vec<f64> = w.row(0).iter().map(|v| 3.0 * v).collect();
                w.row_mut(n - 1).copy_from_slice(&copy);
                assert!(!has_full_row_rank(&w), "{n} rows, two of them parallel");
            }
        }
        assert!(!has_full_row_rank(&Matrix::from_fn(3, 2, |i, j| (i * i + j) as f64)), "more rows than columns");
        assert!(!has_full_row_rank(&Matrix::zeros(2, 3)));
        assert!(!has_full_row_rank(&Matrix::from_fn(2, 3, |_, _| f64::NAN)));
    }
}
