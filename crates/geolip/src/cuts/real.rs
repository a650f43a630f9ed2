//! Single and double precision, and the few operations on rows that everything here is made of.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// f32 or f64.
pub(super) trait Real:
    faer::traits::ComplexField
    + Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Sum
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + 'static
{
    fn of(v: f64) -> Self;
    fn get(self) -> f64;
}

impl Real for f32 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v as Self
    }
    #[inline(always)]
    fn get(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v
    }
    #[inline(always)]
    fn get(self) -> f64 {
        self
    }
}

/// Numbers that are worked on side by side.
pub(super) const WIDTH: usize = 16;

#[inline(always)]
pub(super) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::default(); WIDTH];
    let (x, y) = (a.chunks_exact(WIDTH), b.chunks_exact(WIDTH));
    let rest: T = x.remainder().iter().zip(y.remainder()).map(|(a, b)| *a * *b).sum();
    for (a, b) in x.zip(y) {
        for i in 0..WIDTH {
            sums[i] += a[i] * b[i];
        }
    }
    let mut half = WIDTH / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0] + rest
}

#[inline(always)]
pub(super) fn axpy<T: Real>(y: &mut [T], a: T, x: &[T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * *x;
    }
}

/// target (rows × cols) ← [target +] a (rows × inner) · b (inner × cols), all row after row.
pub(super) fn multiply<T: Real>(target: &mut [T], add: bool, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let (rows, cols) = (a.nrows(), b.ncols());
    let accum = if add { Accum::Add } else { Accum::Replace };
    if rows == 0 || cols == 0 {
        return;
    }
    if a.ncols() == 0 {
        if !add {
            target.fill(T::default());
        }
        return;
    }
    const BLOCK: usize = 96;
    let one = T::of(1.0);
    let product = |target: &mut [T], a: MatRef<'_, T>| {
        let target = MatMut::from_row_major_slice_mut(target, a.nrows(), cols);
        matmul(target, accum, a, b, one, Par::Seq);
    };
    if rows * cols * a.ncols() < 1 << 21 {
        product(target, a);
        return;
    }
    use rayon::prelude::*;
    target.par_chunks_mut(BLOCK * cols).enumerate().for_each(|(block, chunk)| {
        product(chunk, a.subrows(block * BLOCK, BLOCK.min(rows - block * BLOCK)));
    });
}

pub(super) fn view<T: Real>(data: &[T], rows: usize, cols: usize) -> MatRef<'_, T> {
    MatRef::from_row_major_slice(data, rows, cols)
}
