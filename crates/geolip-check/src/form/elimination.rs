//! Block-sparse Cholesky elimination that proves positive definiteness in floating point.
//!
//! # What is proved
//!
//! **Claim.** Let B be a symmetric matrix of doubles with diagonal entries at most 2, given by the lower triangle of its
//! blocks. If `BlockMatrix::eliminate` returns a matrix that passes `eliminate_last` then B + diag(c) is positive
//! semidefinite, with c the vector `BlockMatrix::backward_error` of the same block pattern.
//!
//! **Why.** The elimination computes, for every entry (i, j) of the filled pattern,
//! ℓᵢⱼ = fl((bᵢⱼ − Σ_{k<j} ℓᵢₖ ℓⱼₖ) / ℓⱼⱼ) and ℓⱼⱼ = fl(√(bⱼⱼ − Σ ℓⱼₖ²)), with p terms in the sum, in some order, fused
//! or not, and the division possibly as a product with a rounded reciprocal. By Higham (*Accuracy and Stability*, 2nd ed.,
//! Lemma 8.4, Theorems 10.3 and 10.5), whatever that order, L Lᵀ = B + ΔB with
//! |ΔBᵢⱼ| ≤ γ_{p+4} Σ_k |ℓᵢₖ| |ℓⱼₖ| ≤ γ/(1−γ) · √(bᵢᵢ bⱼⱼ) ≤ 2 γ/(1−γ),
//! and ΔBᵢⱼ = 0 outside the pattern. (Higham's γ_{p+1} counts the p products and one division; three more cover the
//! reciprocal, the final subtraction from a partial sum, and the square root.) A symmetric matrix whose absolute row sums
//! are at most c is at least −diag(c) (Gershgorin), so B + diag(c) ⪰ B + ΔB = L Lᵀ ⪰ 0. This is Rump's verification of
//! positive definiteness (BIT 46, 2006) with row sums over the sparsity pattern in the place of the trace.
//!
//! **Assumed.** IEEE-754 double arithmetic; matrix products that sum products in the ordinary way ([`crate::matrix`]).
//! Underflow: entries are of order one, so it adds at most p·2⁻¹⁰⁷⁴ to an entry, which the constant in
//! `backward_error` covers.

use crate::matrix::{Matrix, Store, multiply_block};
use crate::rounding::gamma_up;
use rayon::prelude::*;

/// The lower triangle of a symmetric matrix in blocks; absent blocks are zero.
#[derive(Clone, Debug)]
pub(crate) struct BlockMatrix {
    sizes: Vec<usize>,
    /// Off-diagonal and dense diagonal blocks, row ≥ column, at [`place`]. Of a dense diagonal block only the lower triangle
    /// is read.
    dense: Vec<Option<Matrix>>,
    /// Diagonal blocks that are diagonal matrices; none where the block is dense (or eliminated).
    diagonal: Vec<Option<Vec<f64>>>,
}

/// Where block (row, col) stands in the table.
fn place(row: usize, col: usize) -> usize {
    debug_assert!(col <= row, "blocks of the lower triangle");
    row * (row + 1) / 2 + col
}

/// Where the elimination met a pivot that is not positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotPositive {
    pub block: usize,
    pub index: usize,
}

/// Multiply–adds above which blocks are worked on by several threads.
const PARALLEL_WORK: usize = 1 << 22;
/// Columns eliminated by scalar code between two updates by matrix products.
const PANEL: usize = 32;
/// Rows of a symmetric update done by one product, so that little above the diagonal is computed in vain.
const STRIP: usize = 64;

impl BlockMatrix {
    /// The zero matrix with diagonal blocks of the given sizes, every diagonal block a diagonal matrix.
    pub fn zeros(sizes: Vec<usize>) -> Self {
        let diagonal = sizes.iter().map(|n| Some(vec![0.0; *n])).collect();
        Self { dense: (0..place(sizes.len(), 0)).map(|_| None).collect(), diagonal, sizes }
    }

    /// The block (row, col), row ≥ col, as a dense matrix to be filled; made (and a diagonal one expanded) if need be.
    pub fn block_mut(&mut self, row: usize, col: usize) -> &mut Matrix {
        let (sizes, diagonal) = (&self.sizes, &mut self.diagonal);
        self.dense[place(row, col)].get_or_insert_with(|| {
            let mut block = Matrix::zeros(sizes[row], sizes[col]);
            if row == col {
                let old = diagonal[row].take().expect("a diagonal block is either diagonal or dense");
                old.into_iter().enumerate().for_each(|(i, v)| *block.at_mut(i, i) = v);
            }
            block
        })
    }

    /// Adds `value` to the entries ((block, index), (block, index)) and its mirror image.
    pub fn add(&mut self, (row, i): (usize, usize), (col, j): (usize, usize), value: f64) {
        match row.cmp(&col) {
            std::cmp::Ordering::Greater => *self.block_mut(row, col).at_mut(i, j) += value,
            std::cmp::Ordering::Less => *self.block_mut(col, row).at_mut(j, i) += value,
            std::cmp::Ordering::Equal => {
                let block = self.block_mut(row, col);
                *block.at_mut(i.max(j), i.min(j)) += value;
            }
        }
    }

    /// Entry `index` of the diagonal of block `block`.
    pub fn diagonal_mut(&mut self, block: usize, index: usize) -> &mut f64 {
        match &mut self.diagonal[block] {
            Some(diagonal) => &mut diagonal[index],
            None => {
                let dense = self.dense[place(block, block)].as_mut();
                dense.expect("a diagonal block is either diagonal or dense").at_mut(index, index)
            }
        }
    }

    /// The place of a diagonal entry that is more than 2 (or NaN), the largest for which [`Self::backward_error`] holds.
    pub fn oversized(&mut self) -> Option<(usize, usize)> {
        let sizes = self.sizes.clone();
        let mut all = sizes.iter().enumerate().flat_map(|(block, n)| (0..*n).map(move |index| (block, index)));
        all.find(|(block, index)| !matches!(*self.diagonal_mut(*block, *index), v if v <= 2.0))
    }

    /// Whether block (row, col) is present.
    fn has(&self, row: usize, col: usize) -> bool {
        self.dense[place(row, col)].is_some()
    }

    /// The block rows below the diagonal in block column `col`.
    fn below(&self, col: usize) -> Vec<usize> {
        (col + 1..self.sizes.len()).filter(|row| self.has(*row, col)).collect()
    }

    /// c, one number per row and block: see the module's claim. Depends on the block pattern alone.
    pub fn backward_error(&self) -> Vec<f64> {
        let count = self.sizes.len();
        let mut filled: Vec<Vec<bool>> = (0..count).map(|i| (0..i).map(|j| self.has(i, j)).collect()).collect();
        // terms[i][j]: products in the longest sum of an entry of block (i, j); dense_diagonal: whether (i, i) fills in
        let mut terms: Vec<Vec<usize>> = (0..count).map(|i| vec![0; i + 1]).collect();
        let mut dense_diagonal: Vec<bool> = (0..count).map(|i| self.has(i, i)).collect();
        for k in 0..count {
            let own = if dense_diagonal[k] { self.sizes[k] } else { 1 };
            terms[k][k] += own;
            let rows: Vec<usize> = (k + 1..count).filter(|i| filled[*i][k]).collect();
            for (at, &i) in rows.iter().enumerate() {
                terms[i][k] += own;
                terms[i][i] += self.sizes[k];
                dense_diagonal[i] = true;
                for &j in &rows[..at] {
                    filled[i][j] = true;
                    terms[i][j] += self.sizes[k];
                }
            }
        }
        let entry = |terms: usize| {
            let gamma = gamma_up(terms + 4);
            2.0 * gamma / (1.0 - gamma) * 1.000_001 + 1e-300
        };
        let mut error = vec![0.0; count];
        for i in 0..count {
            error[i] += if dense_diagonal[i] { self.sizes[i] as f64 } else { 1.0 } * entry(terms[i][i]);
            for j in (0..i).filter(|j| filled[i][*j]) {
                error[i] += self.sizes[j] as f64 * entry(terms[i][j]);
                error[j] += self.sizes[i] as f64 * entry(terms[i][j]);
            }
        }
        error.iter().map(|e| e * 1.000_001).collect()
    }

    /// Eliminates every variable but those of the last block and returns the lower triangle of what is left of it, the
    /// Schur complement; all earlier pivots were positive.
    pub fn eliminate(mut self) -> Result<Matrix, NotPositive> {
        let last = self.sizes.len() - 1;
        for col in 0..last {
            let below = self.below(col);
            let mut panels: Vec<Panel> = below
                .iter()
                .map(|row| (*row, self.dense[place(*row, col)].take().expect("listed as present")))
                .collect();
            match self.diagonal[col].take() {
                Some(pivots) => divide_by_diagonal(&pivots, &mut panels),
                None => divide_by_dense(self.dense[place(col, col)].take(), &mut panels),
            }
            .map_err(|index| NotPositive { block: col, index })?;
            self.subtract_products(&panels);
        }
        self.block_mut(last, last);
        Ok(self.dense[place(last, last)].take().expect("made a line ago"))
    }

    /// Subtracts from every block (row, other) what the eliminated column's panels of these rows make.
    fn subtract_products(&mut self, panels: &[Panel]) {
        let lefts = panels.iter().enumerate();
        let pairs: Vec<[&Panel; 2]> =
            lefts.flat_map(|(at, left)| panels[..=at].iter().map(move |right| [left, right])).collect();
        // blocks leave the table while they are worked on side by side
        let mut targets = Vec::with_capacity(pairs.len());
        for [(row, _), (other, _)] in &pairs {
            self.block_mut(*row, *other);
            targets.push(self.dense[place(*row, *other)].take().expect("made a line ago"));
        }
        let width = panels.first().map_or(0, |(_, panel)| panel.cols());
        let work = targets.iter().map(|t| t.data().len()).sum::<usize>() * width;
        let update = |(target, [(row, left), (other, right)]): (&mut Matrix, &[&Panel; 2])| {
            subtract_product(target, row == other, left, right);
        };
        match work < PARALLEL_WORK || pairs.len() == 1 {
            true => targets.iter_mut().zip(&pairs).for_each(update),
            false => targets.par_iter_mut().zip(&pairs).for_each(update),
        }
        for (target, [(row, _), (other, _)]) in targets.into_iter().zip(&pairs) {
            self.dense[place(*row, *other)] = Some(target);
        }
    }
}

/// The block of a row in the column that is being eliminated.
type Panel = (usize, Matrix);

/// panels ← panels · diag(pivots)^−½.
fn divide_by_diagonal(pivots: &[f64], panels: &mut [Panel]) -> Result<(), usize> {
    if let Some(index) = pivots.iter().position(|p| !is_positive(*p)) {
        return Err(index);
    }
    let inverse: Vec<f64> = pivots.iter().map(|p| 1.0 / p.sqrt()).collect();
    for (_, block) in panels {
        for i in 0..block.rows() {
            block.row_mut(i).iter_mut().zip(&inverse).for_each(|(v, s)| *v *= s);
        }
    }
    Ok(())
}

/// panels ← panels · L⁻ᵀ with L the Cholesky factor of the pivot block.
fn divide_by_dense(pivot: Option<Matrix>, panels: &mut [Panel]) -> Result<(), usize> {
    let mut pivot = pivot.expect("a diagonal block is either diagonal or dense");
    factor(&mut pivot)?;
    let work = panels.iter().map(|(_, p)| p.data().len()).sum::<usize>() * pivot.rows();
    match work < PARALLEL_WORK || panels.len() == 1 {
        true => panels.iter_mut().for_each(|(_, panel)| solve_right(panel, &pivot)),
        false => panels.par_iter_mut().for_each(|(_, panel)| solve_right(panel, &pivot)),
    }
    Ok(())
}

/// Whether the symmetric matrix whose lower triangle is given is proved positive semidefinite, by the module's claim with
/// one block. Only matrices with diagonal entries at most 2 are; scale larger ones down by a power of two.
pub fn is_semidefinite(lower: Matrix) -> bool {
    let n = lower.rows();
    let mut matrix = BlockMatrix::zeros(vec![n, 1]);
    *matrix.block_mut(0, 0) = lower;
    let error = matrix.backward_error();
    (0..n).for_each(|i| *matrix.diagonal_mut(0, i) = (*matrix.diagonal_mut(0, i) - error[0]).next_down());
    *matrix.diagonal_mut(1, 0) = 1.0; // isolated
    matrix.oversized().is_none() && matrix.eliminate().is_ok()
}

/// Eliminates what [`BlockMatrix::eliminate`] left, from its lower triangle; `Err` names the first pivot that is not
/// positive.
pub(crate) fn eliminate_last(mut left: Matrix) -> Result<(), usize> {
    factor(&mut left)
}

/// Positive and finite: what a pivot has to be. NaN is not.
pub(crate) fn is_positive(pivot: f64) -> bool {
    pivot > 0.0 && pivot < f64::INFINITY
}

/// target ← target − left · rightᵀ; of a symmetric target only the lower triangle (and a little more).
fn subtract_product(target: &mut Matrix, symmetric: bool, left: &Matrix, right: &Matrix) {
    let (rows, cols, inner) = (target.rows(), target.cols(), left.cols());
    if !symmetric {
        multiply_block(target, (0..rows, 0..cols), Store::Add, -1.0, left.view(), right.t());
        return;
    }
    for first in (0..rows).step_by(STRIP) {
        let end = (first + STRIP).min(rows);
        let (a, b) = (left.block(first, end - first, 0, inner), right.block(0, end, 0, inner).t());
        multiply_block(target, (first..end, 0..end), Store::Add, -1.0, a, b);
    }
}

/// Overwrites the lower triangle of `a` with its Cholesky factor; `Err` names the first pivot that is not positive.
pub fn factor(a: &mut Matrix) -> Result<(), usize> {
    let n = a.rows();
    for first in (0..n).step_by(PANEL) {
        let end = (first + PANEL).min(n);
        let done = a.columns(0..first);
        let (left, right) = (done.block(first, n - first, 0, first), done.block(first, end - first, 0, first));
        multiply_block(a, (first..n, first..end), Store::Add, -1.0, left, right.t());
        for j in first..end {
            for i in j..end {
                let sum = a.at(i, j) - dot(&a.row(i)[first..j], &a.row(j)[first..j]);
                if i > j {
                    *a.at_mut(i, j) = sum / a.at(j, j);
                } else if is_positive(sum) {
                    *a.at_mut(j, j) = sum.sqrt();
                } else {
                    return Err(j);
                }
            }
        }
        let triangle = Triangle::new(a, first, end);
        (end..n).for_each(|i| triangle.solve(&mut a.row_mut(i)[first..end]));
    }
    Ok(())
}

/// b ← b · L⁻ᵀ with L the lower triangle of `l`.
pub fn solve_right(b: &mut Matrix, l: &Matrix) {
    let (rows, n) = (b.rows(), l.rows());
    for first in (0..n).step_by(PANEL) {
        let end = (first + PANEL).min(n);
        let done = b.columns(0..first);
        multiply_block(
            b,
            (0..rows, first..end),
            Store::Add,
            -1.0,
            done.view(),
            l.block(first, end - first, 0, first).t(),
        );
        let triangle = Triangle::new(l, first, end);
        (0..rows).for_each(|i| triangle.solve(&mut b.row_mut(i)[first..end]));
    }
}

/// A small triangular block, transposed so that eliminating one unknown runs along memory.
struct Triangle {
    /// Row j holds column j of the block, from the diagonal on.
    columns: Vec<Vec<f64>>,
}

impl Triangle {
    fn new(l: &Matrix, first: usize, end: usize) -> Self {
        Self { columns: (first..end).map(|j| (j..end).map(|i| l.at(i, j)).collect()).collect() }
    }

    /// x ← x · L⁻ᵀ: every entry is its own value minus products with earlier ones, divided by the diagonal.
    fn solve(&self, x: &mut [f64]) {
        for (j, column) in self.columns.iter().enumerate() {
            x[j] /= column[0];
            let solved = x[j];
            x[j + 1..].iter_mut().zip(&column[1..]).for_each(|(x, l)| *x -= solved * l);
        }
    }
}

/// Σ aᵢ bᵢ.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A positive definite matrix of the given block sizes with unit diagonal, blocks present as told.
    fn example(sizes: &[usize], present: impl Fn(usize, usize) -> bool) -> BlockMatrix {
        let mut m = BlockMatrix::zeros(sizes.to_vec());
        let total: usize = sizes.iter().sum();
        for i in 0..sizes.len() {
            for j in 0..=i {
                if i != j && present(i, j) || i == j && i > 0 && i + 1 < sizes.len() {
                    let block = m.block_mut(i, j);
                    for r in 0..sizes[i] {
                        for c in 0..sizes[j] {
                            *block.at_mut(r, c) = ((r * 7 + c * 3 + i + j) as f64).sin() / total as f64;
                        }
                    }
                    if i == j {
                        let copy = block.clone();
                        for r in 0..sizes[i] {
                            for c in 0..sizes[i] {
                                *block.at_mut(r, c) = 0.5 * (copy.at(r, c) + copy.at(c, r));
                            }
                        }
                    }
                }
            }
            (0..sizes[i]).for_each(|r| *m.diagonal_mut(i, r) += 1.0);
        }
        m
    }

    fn dense(m: &BlockMatrix) -> Matrix {
        let offsets: Vec<usize> = m.sizes.iter().scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n))).collect();
        let total = m.sizes.iter().sum();
        let mut full = Matrix::zeros(total, total);
        for (i, diagonal) in m.diagonal.iter().enumerate() {
            let entries = diagonal.iter().flatten().enumerate();
            entries.for_each(|(r, v)| *full.at_mut(offsets[i] + r, offsets[i] + r) = *v);
        }
        let places = (0..m.sizes.len()).flat_map(|i| (0..=i).map(move |j| (i, j)));
        for ((i, j), block) in places.filter_map(|(i, j)| Some(((i, j), m.dense[place(i, j)].as_ref()?))) {
            for r in 0..block.rows() {
                for c in 0..block.cols() {
                    *full.at_mut(offsets[i] + r, offsets[j] + c) = block.at(r, c);
                    *full.at_mut(offsets[j] + c, offsets[i] + r) = block.at(r, c);
                }
            }
        }
        full
    }

    #[test]
    fn the_factor_rebuilds_its_matrix() {
        for n in [1, 2, 5, 31, 32, 33, 64, 100, 200] {
            let g = Matrix::from_fn(n, n, |i, j| ((i * 13 + j * 5) as f64).sin());
            let mut a = Matrix::identity(n);
            multiply_block(&mut a, (0..n, 0..n), Store::Add, 1.0, g.view(), g.t());
            let mut l = a.clone();
            factor(&mut l).expect("positive definite");
            for i in 0..n {
                for j in 0..=i {
                    let rebuilt: f64 = (0..=j).map(|k| l.at(i, k) * l.at(j, k)).sum();
                    let bound = gamma_up(n + 4) * (a.at(i, i) * a.at(j, j)).sqrt() * 2.0;
                    assert!((rebuilt - a.at(i, j)).abs() <= bound, "n = {n}, entry {i}, {j}");
                }
            }
        }
    }

    #[test]
    fn block_elimination_leaves_the_schur_complement_of_the_dense_matrix() {
        type Present = fn(usize, usize) -> bool;
        let patterns: [(&str, Present); 3] =
            [("chain", |i, j| i == j + 1), ("residual", |i, j| i == j + 1 || i == j + 2), ("all", |_, _| true)];
        for (name, present) in patterns {
            let m = example(&[40, 70, 33, 5, 1], present);
            let full = dense(&m);
            let mut l = full.clone();
            factor(&mut l).expect("diagonally dominant");
            let n = full.rows();
            let expected = l.at(n - 1, n - 1).powi(2);
            let complement = m.eliminate().expect("diagonally dominant").at(0, 0);
            assert!((complement - expected).abs() < 1e-12, "{name}: {complement} against {expected}");
        }
    }

    #[test]
    fn an_indefinite_matrix_and_nan_are_found() {
        let mut m = example(&[3, 4, 1], |_, _| true);
        *m.diagonal_mut(1, 1) -= 1.5;
        assert_eq!(m.eliminate(), Err(NotPositive { block: 1, index: 1 }));
        let mut m = example(&[3, 4, 1], |_, _| true);
        *m.diagonal_mut(0, 0) = f64::NAN;
        assert_eq!(m.eliminate(), Err(NotPositive { block: 0, index: 0 }));
        let mut m = example(&[3, 4, 1], |_, _| true);
        *m.block_mut(2, 1).at_mut(0, 0) = f64::INFINITY;
        assert!(!m.eliminate().is_ok_and(|left| eliminate_last(left).is_ok()));
    }
}
