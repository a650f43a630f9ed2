//! Linear maps in either precision.

use super::real::{Real, axpy, multiply, view};
use crate::network::LinearMap;

/// A linear map of rows of k numbers.
pub(super) enum Map<T> {
    Identity,
    Scale(Vec<T>),
    Dense { rows: usize, cols: usize, entries: Vec<T> },
    Sparse { rows: Vec<Vec<(u32, T)>> },
}

impl<T: Real> Map<T> {
    pub fn new(map: &LinearMap) -> Self {
        match map {
            LinearMap::Identity(_) => Self::Identity,
            LinearMap::Scale(s) => Self::Scale(s.iter().map(|v| T::of(*v)).collect()),
            LinearMap::Dense(m) => {
                Self::Dense { rows: m.rows(), cols: m.cols(), entries: m.data().iter().map(|v| T::of(*v)).collect() }
            }
            LinearMap::Convolution(_) | LinearMap::Gather(_) | LinearMap::Transpose(_) => {
                let sparse = map.to_sparse();
                let row = |i: usize| sparse.row(i).map(|(j, v)| (j as u32, T::of(v))).collect();
                Self::Sparse { rows: (0..sparse.rows()).map(row).collect() }
            }
        }
    }

    /// y ← [y +] A x.
    pub fn forward(&self, k: usize, x: &[T], add: bool, y: &mut [T]) {
        if !add && !matches!(self, Self::Dense { .. }) {
            y.fill(T::default());
        }
        match self {
            Self::Identity => axpy(y, T::of(1.0), x),
            Self::Scale(s) => {
                for ((y, x), s) in y.chunks_mut(k).zip(x.chunks(k)).zip(s) {
                    axpy(y, *s, x);
                }
            }
            Self::Dense { rows, cols, entries } => multiply(y, add, view(entries, *rows, *cols), view(x, *cols, k)),
            Self::Sparse { rows } => {
                for (y, row) in y.chunks_mut(k).zip(rows) {
                    for (j, v) in row {
                        axpy(y, *v, &x[*j as usize * k..][..k]);
                    }
                }
            }
        }
    }

    /// x ← x + Aᵀ y.
    pub fn adjoint(&self, k: usize, y: &[T], x: &mut [T]) {
        match self {
            // their own transposes
            Self::Identity | Self::Scale(_) => self.forward(k, y, true, x),
            Self::Dense { rows, cols, entries } => {
                multiply(x, true, view(entries, *rows, *cols).transpose(), view(y, *rows, k));
            }
            Self::Sparse { rows } => {
                for (y, row) in y.chunks(k).zip(rows) {
                    for (j, v) in row {
                        axpy(&mut x[*j as usize * k..][..k], *v, y);
                    }
                }
            }
        }
    }
}
