//! Row-major matrices of `f64`, and the one matrix product everything is built on.
//!
//! Batches of columns (the *features* of the vector network, or many inputs side by side) are [`Matrix`] values of shape
//! n × k, one row per neuron. This is storage and products, not a linear-algebra library: kernels come from faer.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::ops::Range;

/// A dense row-major matrix: entry (i, j) is `data[i * cols + j]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    data: Vec<f64>,
}

impl Matrix {
    /// The rows × cols matrix of zeros.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: vec![0.0; rows * cols] }
    }

    /// Takes `data` (row-major, of length rows · cols) as it is.
    ///
    /// # Panics
    /// When the length is not rows · cols.
    pub fn from_vec(rows: usize, cols: usize, data: Vec<f64>) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows} x {cols} matrix needs {} numbers", rows * cols);
        Self { rows, cols, data }
    }

    /// The matrix whose entry (i, j) is `f(i, j)`.
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> f64) -> Self {
        let mut data = Vec::with_capacity(rows * cols);
        for i in 0..rows {
            for j in 0..cols {
                data.push(f(i, j));
            }
        }
        Self { rows, cols, data }
    }

    /// The n × n identity.
    pub fn identity(n: usize) -> Self {
        Self::from_fn(n, n, |i, j| if i == j { 1.0 } else { 0.0 })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All entries, row after row.
    pub fn data(&self) -> &[f64] {
        &self.data
    }

    /// All entries, row after row, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [f64] {
        &mut self.data
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    /// Row `i`, to be changed in place.
    pub fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.data[i * self.cols..(i + 1) * self.cols]
    }

    /// Entry (i, j).
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.cols + j]
    }

    /// Entry (i, j), to be changed in place.
    pub fn at_mut(&mut self, i: usize, j: usize) -> &mut f64 {
        &mut self.data[i * self.cols + j]
    }

    /// Column `j` as a vector.
    pub fn column(&self, j: usize) -> Vec<f64> {
        (0..self.rows).map(|i| self.at(i, j)).collect()
    }

    /// A copy of the given columns.
    pub fn columns(&self, columns: Range<usize>) -> Self {
        let mut data = Vec::with_capacity(self.rows * columns.len());
        (0..self.rows).for_each(|i| data.extend_from_slice(&self.row(i)[columns.clone()]));
        Self { rows: self.rows, cols: columns.len(), data }
    }

    /// The transpose.
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.cols, self.rows, |i, j| self.at(j, i))
    }

    /// The matrix of absolute values.
    pub fn abs(&self) -> Self {
        Self { rows: self.rows, cols: self.cols, data: self.data.iter().map(|v| v.abs()).collect() }
    }

    /// Sets every entry to `value`.
    pub fn fill(&mut self, value: f64) {
        self.data.fill(value);
    }

    /// The Euclidean length of every row.
    pub fn row_lengths(&self) -> Vec<f64> {
        (0..self.rows()).map(|i| self.row(i).iter().map(|v| v * v).sum::<f64>().sqrt()).collect()
    }

    /// Rows divided by their lengths; rows of zeros stay.
    pub fn normalise_rows(&mut self) {
        for (i, length) in self.row_lengths().into_iter().enumerate().filter(|(_, length)| *length > 0.0) {
            self.row_mut(i).iter_mut().for_each(|v| *v /= length);
        }
    }

    /// The transpose as a view to multiply by.
    pub fn t(&self) -> View<'_> {
        View { transposed: true, ..self.view() }
    }

    /// This matrix as a view to multiply by.
    pub fn view(&self) -> View<'_> {
        View { data: &self.data, rows: self.rows, cols: self.cols, stride: self.cols, transposed: false }
    }

    /// The block of `rows` rows from `row` and `cols` columns from `col` as a view to multiply by.
    pub fn block(&self, row: usize, rows: usize, col: usize, cols: usize) -> View<'_> {
        assert!(row + rows <= self.rows && col + cols <= self.cols, "block lies inside the matrix");
        let start = (row * self.cols + col).min(self.data.len());
        View { data: &self.data[start..], rows, cols, stride: self.cols, transposed: false }
    }
}

/// A power of two near the positive number `v`: dividing by it is exact and brings `v` to order one.
pub fn power_of_two_near(v: f64) -> f64 {
    2f64.powi(v.log2().floor().clamp(-1000.0, 1000.0) as i32)
}

/// A read-only, possibly transposed block of a row-major matrix.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    data: &'a [f64],
    rows: usize,
    cols: usize,
    stride: usize,
    transposed: bool,
}

impl<'a> View<'a> {
    /// The rows × cols matrix that `data` holds, row after row.
    ///
    /// # Panics
    /// When the length is not rows · cols.
    pub fn of(data: &'a [f64], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows} x {cols} matrix needs {} numbers", rows * cols);
        Self { data, rows, cols, stride: cols, transposed: false }
    }

    /// The transpose of this view.
    pub fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// Number of rows, the transposition taken into account.
    pub fn rows(&self) -> usize {
        if self.transposed { self.cols } else { self.rows }
    }

    /// Number of columns, the transposition taken into account.
    pub fn cols(&self) -> usize {
        if self.transposed { self.rows } else { self.cols }
    }

    fn faer(self) -> MatRef<'a, f64> {
        let stored = if self.rows == 0 || self.cols == 0 {
            MatRef::from_row_major_slice(&[], self.rows, self.cols)
        } else {
            MatRef::from_column_major_slice_with_stride(self.data, self.cols, self.rows, self.stride).transpose()
        };
        if self.transposed { stored.transpose() } else { stored }
    }
}

/// Whether a product replaces what the target held or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// target ← product
    Replace,
    /// target ← target + product
    Add,
}

/// Multiply–adds above which a product is cut into row blocks for several threads.
const PARALLEL_WORK: usize = 1 << 22;
/// Rows of one such block: fixed, so that the result does not depend on the number of threads.
const ROW_BLOCK: usize = 96;

/// target ← \[target +\] alpha · a · b.
///
/// Every entry is an ordinary sum of products (no Strassen-like recombination), in an order that depends on the shapes
/// alone, each operation rounded once or fused; the rounding analyses in [`crate::proof`] rest on this.
///
/// # Panics
/// When the shapes do not fit.
pub fn multiply(target: &mut Matrix, into: Store, alpha: f64, a: View<'_>, b: View<'_>) {
    let (rows, cols) = (target.rows, target.cols);
    multiply_block(target, (0..rows, 0..cols), into, alpha, a, b);
}

/// A·B.
pub fn product(a: View<'_>, b: View<'_>) -> Matrix {
    let mut product = Matrix::zeros(a.rows(), b.cols());
    multiply(&mut product, Store::Replace, 1.0, a, b);
    product
}

/// As [`multiply`], for the given rows and columns of the target alone.
///
/// # Panics
/// When the shapes do not fit, or the block is not inside the target.
pub fn multiply_block(
    target: &mut Matrix,
    (rows, cols): (Range<usize>, Range<usize>),
    into: Store,
    alpha: f64,
    a: View<'_>,
    b: View<'_>,
) {
    let shape = (rows.len(), cols.len(), a.cols());
    assert_eq!(shape, (a.rows(), b.cols(), b.rows()), "shapes of a product fit");
    assert!(rows.end <= target.rows && cols.end <= target.cols, "the block is inside the target");
    if rows.is_empty() || cols.is_empty() {
        return;
    }
    let stride = target.cols;
    let data = &mut target.data[rows.start * stride + cols.start..(rows.end - 1) * stride + cols.end];
    multiply_rows(data, stride, cols.len(), into, alpha, a, b);
}

/// As [`multiply`] for the matrix that `data` holds: rows of `cols` numbers, `stride` apart, as many as `a` has.
///
/// # Panics
/// When the shapes do not fit.
pub fn multiply_rows(data: &mut [f64], stride: usize, cols: usize, into: Store, alpha: f64, a: View<'_>, b: View<'_>) {
    let rows = a.rows();
    assert_eq!((cols, a.cols()), (b.cols(), b.rows()), "shapes of a product fit");
    if rows == 0 || cols == 0 {
        return;
    }
    assert!(cols <= stride && data.len() >= (rows - 1) * stride + cols, "the data hold the rows");
    if a.cols() == 0 {
        if into == Store::Replace {
            data.chunks_mut(stride).take(rows).for_each(|row| row[..cols].fill(0.0));
        }
        return;
    }
    let accum = match into {
        Store::Replace => Accum::Replace,
        Store::Add => Accum::Add,
    };
    let work = rows * cols * a.cols();
    let (lhs, rhs) = (a.faer(), b.faer());
    let product = |data: &mut [f64], rows: usize, lhs: MatRef<'_, f64>| {
        // (faer 0.24.4's from_row_major_slice_with_stride_mut swaps the strides, hence the transposes)
        let target = MatMut::from_column_major_slice_with_stride_mut(data, cols, rows, stride);
        matmul(target.transpose_mut(), accum, lhs, rhs, alpha, Par::Seq);
    };
    if work < PARALLEL_WORK || rows <= ROW_BLOCK {
        product(data, rows, lhs);
        return;
    }
    data.par_chunks_mut(ROW_BLOCK * stride).take(rows.div_ceil(ROW_BLOCK)).enumerate().for_each(|(block, chunk)| {
        let first = block * ROW_BLOCK;
        let count = ROW_BLOCK.min(rows - first);
        product(chunk, count, lhs.subrows(first, count));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(rows: usize, cols: usize) -> Matrix {
        Matrix::from_fn(rows, cols, |i, j| ((i * 31 + j * 17) % 23) as f64 - 11.0)
    }

    fn naive(a: &Matrix, b: &Matrix) -> Matrix {
        Matrix::from_fn(a.rows(), b.cols(), |i, j| (0..a.cols()).map(|l| a.at(i, l) * b.at(l, j)).sum())
    }

    #[test]
    fn products_equal_the_textbook_sum_for_awkward_sizes() {
        for (m, l, n) in [(1, 1, 1), (3, 0, 2), (0, 3, 2), (7, 5, 1), (1, 9, 8), (33, 17, 9), (300, 130, 120)] {
            let (a, b) = (numbered(m, l), numbered(l, n));
            let expected = naive(&a, &b);
            let mut target = Matrix::zeros(m, n);
            multiply(&mut target, Store::Replace, 1.0, a.view(), b.view());
            assert_eq!(target, expected, "{m} x {l} x {n}"); // small integers: every order of summation is exact
            let (at, bt) = (a.transposed(), b.transposed());
            multiply(&mut target, Store::Add, -1.0, at.t(), bt.t());
            assert_eq!(target, Matrix::zeros(m, n), "{m} x {l} x {n}, transposed and subtracted");
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_product() {
        let a = Matrix::from_fn(500, 300, |i, j| ((i * 7 + j * 3) as f64).sin());
        let b = Matrix::from_fn(300, 80, |i, j| ((i + j * 11) as f64).cos());
        let run = |threads| {
            let mut target = Matrix::zeros(500, 80);
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a thread pool starts")
                .install(|| multiply(&mut target, Store::Replace, 1.0, a.view(), b.view()));
            target
        };
        assert_eq!(run(1), run(4));
    }
}
