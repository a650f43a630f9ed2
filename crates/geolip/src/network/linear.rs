//! The linear maps between nodes. Everything linear that a file can express lowers to these few.
//!
//! The ascent and the evaluation speak to a map only through [`LinearMap::forward`], [`LinearMap::adjoint`] and their
//! absolute versions; the certificate expands it in `certificate/coefficients.rs`. A new map (convolution, gather) is one
//! more variant here, and every `match` that has to know it fails to compile until it does.

use crate::matrix::{Matrix, Store, multiply};

/// A linear map from R^cols to R^rows, applied to the columns of a batch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LinearMap {
    /// y = x on vectors of the given length.
    Identity(usize),
    /// yᵢ = sᵢ xᵢ.
    Scale(Vec<f64>),
    /// y = W x with W row-major, rows × cols.
    Dense(Matrix),
}

impl LinearMap {
    /// Length of the result.
    pub fn rows(&self) -> usize {
        match self {
            Self::Identity(n) => *n,
            Self::Scale(s) => s.len(),
            Self::Dense(w) => w.rows(),
        }
    }

    /// Length of the argument.
    pub fn cols(&self) -> usize {
        match self {
            Self::Identity(n) => *n,
            Self::Scale(s) => s.len(),
            Self::Dense(w) => w.cols(),
        }
    }

    /// y ← \[y +\] A x, columnwise: x is cols × k, y is rows × k.
    pub fn forward(&self, x: &Matrix, into: Store, y: &mut Matrix) {
        match self {
            Self::Identity(_) => scale_rows(|_| 1.0, x, into, y),
            Self::Scale(s) => scale_rows(|i| s[i], x, into, y),
            Self::Dense(w) => multiply(y, into, 1.0, w.view(), x.view()),
        }
    }

    /// x ← \[x +\] Aᵀ y, columnwise: y is rows × k, x is cols × k.
    pub fn adjoint(&self, y: &Matrix, into: Store, x: &mut Matrix) {
        match self {
            Self::Identity(_) => scale_rows(|_| 1.0, y, into, x),
            Self::Scale(s) => scale_rows(|i| s[i], y, into, x),
            Self::Dense(w) => multiply(x, into, 1.0, w.t(), y.view()),
        }
    }

    /// y ← \[y +\] |A| x, with the absolute value of every entry of A: the map that carries error bounds forward.
    pub fn abs_forward(&self, x: &Matrix, into: Store, y: &mut Matrix) {
        match self {
            Self::Identity(_) => scale_rows(|_| 1.0, x, into, y),
            Self::Scale(s) => scale_rows(|i| s[i].abs(), x, into, y),
            Self::Dense(w) if x.cols() == 1 => {
                for (i, y) in y.data_mut().iter_mut().enumerate() {
                    let sum: f64 = w.row(i).iter().zip(x.data()).map(|(w, x)| w.abs() * x).sum();
                    *y = if into == Store::Add { *y + sum } else { sum };
                }
            }
            Self::Dense(w) => multiply(y, into, 1.0, w.abs().view(), x.view()),
        }
    }

    /// x ← \[x +\] |A|ᵀ y: the map that carries error bounds backward.
    pub fn abs_adjoint(&self, y: &Matrix, into: Store, x: &mut Matrix) {
        match self {
            Self::Identity(_) => scale_rows(|_| 1.0, y, into, x),
            Self::Scale(s) => scale_rows(|i| s[i].abs(), y, into, x),
            Self::Dense(w) if y.cols() == 1 => {
                if into == Store::Replace {
                    x.fill(0.0);
                }
                for (i, y) in y.data().iter().enumerate() {
                    x.data_mut().iter_mut().zip(w.row(i)).for_each(|(x, w)| *x += w.abs() * y);
                }
            }
            Self::Dense(w) => multiply(x, into, 1.0, w.abs().t(), y.view()),
        }
    }

    /// The number of terms in the longest sum behind one entry of A x or Aᵀ y: what rounding bounds count.
    pub fn longest_sum(&self) -> usize {
        match self {
            Self::Identity(_) | Self::Scale(_) => 1,
            Self::Dense(w) => w.rows().max(w.cols()),
        }
    }

    /// How many numbers the map stores.
    pub fn parameters(&self) -> usize {
        self.coefficients().len()
    }

    /// All numbers the map stores.
    pub fn coefficients(&self) -> &[f64] {
        match self {
            Self::Identity(_) => &[],
            Self::Scale(s) => s,
            Self::Dense(w) => w.data(),
        }
    }

    /// What the map is, in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Identity(_) => "identity",
            Self::Scale(_) => "scale",
            Self::Dense(_) => "dense",
        }
    }
}

fn scale_rows(factor: impl Fn(usize) -> f64, x: &Matrix, into: Store, y: &mut Matrix) {
    assert_eq!((x.rows(), x.cols()), (y.rows(), y.cols()), "a diagonal map keeps the shape");
    for i in 0..x.rows() {
        let s = factor(i);
        let pairs = y.row_mut(i).iter_mut().zip(x.row(i));
        match into {
            Store::Replace => pairs.for_each(|(y, x)| *y = s * x),
            Store::Add => pairs.for_each(|(y, x)| *y += s * x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps() -> Vec<LinearMap> {
        vec![
            LinearMap::Identity(3),
            LinearMap::Scale(vec![2.0, -1.0, 0.5]),
            LinearMap::Dense(Matrix::from_fn(5, 3, |i, j| (i as f64 - 2.0) * (j as f64 + 0.5))),
        ]
    }

    fn batch(rows: usize, k: usize) -> Matrix {
        Matrix::from_fn(rows, k, |i, j| ((i * 5 + j * 3 + 1) as f64).sin())
    }

    fn dot(a: &Matrix, b: &Matrix) -> f64 {
        a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn the_adjoint_is_the_adjoint() {
        for map in maps() {
            let (x, y) = (batch(map.cols(), 4), batch(map.rows(), 4));
            let (mut ax, mut aty) = (Matrix::zeros(map.rows(), 4), Matrix::zeros(map.cols(), 4));
            map.forward(&x, Store::Replace, &mut ax);
            map.adjoint(&y, Store::Replace, &mut aty);
            assert!((dot(&ax, &y) - dot(&x, &aty)).abs() < 1e-12, "{}", map.name());
        }
    }

    #[test]
    fn absolute_maps_dominate_and_are_adjoint_to_each_other() {
        for (map, k) in maps().into_iter().flat_map(|map| [(map.clone(), 1), (map, 2)]) {
            let (x, y) = (batch(map.cols(), k).abs(), batch(map.rows(), k).abs());
            let (mut ax, mut abs_ax) = (Matrix::zeros(map.rows(), k), Matrix::zeros(map.rows(), k));
            map.forward(&x, Store::Replace, &mut ax);
            map.abs_forward(&x, Store::Replace, &mut abs_ax);
            assert!(ax.data().iter().zip(abs_ax.data()).all(|(a, b)| a.abs() <= b + 1e-15), "{}", map.name());
            let mut abs_aty = Matrix::zeros(map.cols(), k);
            map.abs_adjoint(&y, Store::Replace, &mut abs_aty);
            assert!((dot(&abs_ax, &y) - dot(&x, &abs_aty)).abs() < 1e-12, "{}", map.name());
        }
    }
}
