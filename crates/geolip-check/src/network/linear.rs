//! The linear maps between nodes. Everything linear that a file can express lowers to these few.
//!
//! The ascent and the evaluation speak to a map only through [`LinearMap::forward`], [`LinearMap::adjoint`] and their
//! absolute versions; the certificate expands it in `form/coefficients.rs`. A new map (convolution, gather) is one
//! more variant here, and every `match` that has to know it fails to compile until it does.

use super::{Convolution, Gather};
use crate::matrix::{Matrix, Store, multiply};
use crate::sparse::Sparse;

/// A linear map from R^cols to R^rows, applied to the columns of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum LinearMap {
    /// y = x on vectors of the given length.
    Identity(usize),
    /// yᵢ = sᵢ xᵢ.
    Scale(Vec<f64>),
    /// y = W x with W row-major, rows × cols.
    Dense(Matrix),
    /// y = K * x.
    Convolution(Convolution),
    /// yᵢ = x at the source of i, or 0.
    Gather(Gather),
    /// y = Aᵀ x: a transposed convolution, a sum of what a gather would copy.
    Transpose(Box<LinearMap>),
}

impl LinearMap {
    /// Length of the result.
    pub fn rows(&self) -> usize {
        match self {
            Self::Identity(n) => *n,
            Self::Scale(s) => s.len(),
            Self::Dense(w) => w.rows(),
            Self::Convolution(c) => c.rows(),
            Self::Gather(g) => g.rows(),
            Self::Transpose(map) => map.cols(),
        }
    }

    /// Length of the argument.
    pub fn cols(&self) -> usize {
        match self {
            Self::Identity(n) => *n,
            Self::Scale(s) => s.len(),
            Self::Dense(w) => w.cols(),
            Self::Convolution(c) => c.cols(),
            Self::Gather(g) => g.cols(),
            Self::Transpose(map) => map.rows(),
        }
    }

    /// y ← \[y +\] A x, columnwise: x is cols × k, y is rows × k.
    pub fn forward(&self, x: &Matrix, into: Store, y: &mut Matrix) {
        match self {
            Self::Identity(_) => scale_rows(|_| 1.0, x, into, y),
            Self::Scale(s) => scale_rows(|i| s[i], x, into, y),
            Self::Dense(w) => multiply(y, into, 1.0, w.view(), x.view()),
            Self::Convolution(c) => c.forward(x, into, y),
            Self::Gather(g) => g.forward(x, into, y),
            Self::Transpose(map) => map.adjoint(x, into, y),
        }
    }

    /// x ← \[x +\] Aᵀ y, columnwise: y is rows × k, x is cols × k.
    pub fn adjoint(&self, y: &Matrix, into: Store, x: &mut Matrix) {
        match self {
            Self::Identity(_) => scale_rows(|_| 1.0, y, into, x),
            Self::Scale(s) => scale_rows(|i| s[i], y, into, x),
            Self::Dense(w) => multiply(x, into, 1.0, w.t(), y.view()),
            Self::Convolution(c) => c.adjoint(y, into, x),
            Self::Gather(g) => g.adjoint(y, into, x),
            Self::Transpose(map) => map.forward(y, into, x),
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
            Self::Convolution(c) => c.abs_forward(x, into, y),
            Self::Gather(g) => g.forward(x, into, y),
            Self::Transpose(map) => map.abs_adjoint(x, into, y),
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
            Self::Convolution(c) => c.abs_adjoint(y, into, x),
            Self::Gather(g) => g.adjoint(y, into, x),
            Self::Transpose(map) => map.abs_forward(y, into, x),
        }
    }

    /// The number of terms in the longest sum behind one entry of A x or Aᵀ y: what rounding bounds count.
    pub fn longest_sum(&self) -> usize {
        match self {
            Self::Identity(_) | Self::Scale(_) => 1,
            Self::Dense(w) => w.rows().max(w.cols()),
            Self::Convolution(c) => c.longest_sum(),
            Self::Gather(g) => g.copies(),
            Self::Transpose(map) => map.longest_sum(),
        }
    }

    /// The matrix without its zeros.
    pub fn to_sparse(&self) -> Sparse {
        let mut matrix = Sparse::new(self.cols());
        match self {
            Self::Identity(n) => (0..*n).for_each(|i| matrix.push_row([(i, 1.0)])),
            Self::Scale(s) => {
                s.iter().enumerate().for_each(|(i, s)| matrix.push_row([(i, *s)].into_iter().filter(|e| e.1 != 0.0)))
            }
            Self::Dense(w) => {
                let entries = |i| w.row(i).iter().copied().enumerate().filter(|(_, v)| *v != 0.0);
                (0..w.rows()).for_each(|i| matrix.push_row(entries(i)));
            }
            Self::Convolution(c) => return c.to_sparse(),
            Self::Gather(g) => g.sources().for_each(|source| matrix.push_row(source.map(|j| (j, 1.0)))),
            Self::Transpose(map) => return map.to_sparse().transposed(),
        }
        matrix
    }

    /// At least the number of non-zero entries of the matrix: the multiply–adds of one application to one column.
    pub fn nonzeros(&self) -> usize {
        match self {
            Self::Identity(_) | Self::Scale(_) | Self::Gather(_) => self.rows(),
            Self::Dense(w) => w.data().len(),
            Self::Convolution(c) => c.rows().saturating_mul(c.weights().cols()),
            Self::Transpose(map) => map.nonzeros(),
        }
    }

    /// Entries of the result that share one channel of a convolution; 1 for other maps.
    pub fn places(&self) -> usize {
        match self {
            Self::Convolution(c) => c.shape().output.iter().product(),
            Self::Transpose(map) => match map.as_ref() {
                Self::Convolution(c) => c.shape().input.iter().product(),
                Self::Identity(_) | Self::Scale(_) | Self::Dense(_) | Self::Gather(_) | Self::Transpose(_) => 1,
            },
            Self::Identity(_) | Self::Scale(_) | Self::Dense(_) | Self::Gather(_) => 1,
        }
    }

    /// How many numbers the map stores.
    pub fn parameters(&self) -> usize {
        self.coefficients().len()
    }

    /// All numbers the map stores.
    pub fn coefficients(&self) -> &[f64] {
        match self {
            Self::Identity(_) | Self::Gather(_) => &[],
            Self::Scale(s) => s,
            Self::Dense(w) => w.data(),
            Self::Convolution(c) => c.weights().data(),
            Self::Transpose(map) => map.coefficients(),
        }
    }

    /// What the map is, in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Identity(_) => "identity",
            Self::Scale(_) => "scale",
            Self::Dense(_) => "dense",
            Self::Convolution(_) => "convolution",
            Self::Gather(_) => "gather",
            Self::Transpose(map) => match map.as_ref() {
                Self::Convolution(_) => "transposed convolution",
                Self::Gather(_) => "sum",
                _ => "transpose",
            },
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
    use crate::network::ConvolutionShape;

    fn maps() -> Vec<LinearMap> {
        vec![
            LinearMap::Identity(3),
            LinearMap::Scale(vec![2.0, -1.0, 0.5]),
            LinearMap::Dense(Matrix::from_fn(5, 3, |i, j| (i as f64 - 2.0) * (j as f64 + 0.5))),
            LinearMap::Gather(gather()),
            LinearMap::Transpose(Box::new(LinearMap::Gather(gather()))),
        ]
        .into_iter()
        .chain(convolutions().into_iter().map(LinearMap::Convolution))
        .chain(convolutions().into_iter().map(|c| LinearMap::Transpose(Box::new(LinearMap::Convolution(c)))))
        .collect()
    }

    /// Convolutions with every feature: (shape, by plain loops as a dense matrix).
    pub(super) fn convolutions() -> Vec<Convolution> {
        let base = ConvolutionShape {
            in_channels: 3,
            out_channels: 5,
            groups: 1,
            input: [1, 6, 7],
            output: [1, 6, 7],
            kernel: [1, 3, 3],
            stride: [1; 3],
            dilation: [1; 3],
            pad: [0, 1, 1],
        };
        let shapes = [
            base,
            ConvolutionShape { output: [1, 3, 3], stride: [1, 2, 2], pad: [0, 1, 0], ..base },
            ConvolutionShape { output: [1, 2, 4], stride: [1, 3, 2], kernel: [1, 2, 4], pad: [0, 0, 2], ..base },
            ConvolutionShape { output: [1, 2, 2], stride: [1, 9, 8], kernel: [1, 1, 1], pad: [0; 3], ..base },
            ConvolutionShape { output: [1, 5, 3], dilation: [1, 2, 3], ..base },
            ConvolutionShape { output: [1, 4, 2], dilation: [1, 3, 2], stride: [1, 2, 4], pad: [0, 4, 3], ..base },
            ConvolutionShape { in_channels: 10, out_channels: 10, groups: 2, ..base },
            ConvolutionShape {
                in_channels: 4,
                out_channels: 4,
                groups: 4,
                output: [1, 3, 4],
                stride: [1, 2, 2],
                ..base
            },
            ConvolutionShape {
                input: [4, 3, 5],
                output: [2, 3, 3],
                kernel: [2, 2, 3],
                stride: [2, 1, 2],
                pad: [1, 0, 1],
                ..base
            },
            // no tap reaches the argument: the only phase of the adjoint is empty
            ConvolutionShape {
                input: [1, 1, 1],
                output: [1, 1, 1],
                kernel: [1; 3],
                stride: [1, 1, 2],
                pad: [0, 0, 1],
                ..base
            },
            ConvolutionShape { input: [1, 1, 2], output: [1, 4, 2], kernel: [1, 3, 2], pad: [0, 2, 9], ..base },
            ConvolutionShape { input: [1, 1, 9], output: [1, 1, 12], kernel: [1, 1, 4], pad: [0, 0, 6], ..base },
        ];
        let weights = |shape: &ConvolutionShape| {
            let count = shape.out_channels * shape.in_channels / shape.groups * shape.kernel.iter().product::<usize>();
            (0..count).map(|i| ((i * i + 3) as f64).sin()).collect()
        };
        shapes.iter().map(|s| Convolution::new(*s, weights(s)).expect("shape and weights fit")).collect()
    }

    /// The matrix of a convolution by its definition.
    fn by_definition(c: &Convolution) -> Matrix {
        let s = c.shape();
        let mut w = Matrix::zeros(c.rows(), c.cols());
        let (per_in, per_out) = (s.in_channels / s.groups, s.out_channels / s.groups);
        let all =
            |n: [usize; 3]| (0..n[0]).flat_map(move |a| (0..n[1]).flat_map(move |b| (0..n[2]).map(move |c| [a, b, c])));
        let flat = |n: [usize; 3], at: [usize; 3]| (at[0] * n[1] + at[1]) * n[2] + at[2];
        for oc in 0..s.out_channels {
            for (ic, o, t) in
                (0..per_in).flat_map(|ic| all(s.output).flat_map(move |o| all(s.kernel).map(move |t| (ic, o, t))))
            {
                let at: Vec<usize> =
                    (0..3).filter_map(|a| (o[a] * s.stride[a] + t[a] * s.dilation[a]).checked_sub(s.pad[a])).collect();
                if at.len() == 3 && (0..3).all(|a| at[a] < s.input[a]) {
                    let row = oc * s.output.iter().product::<usize>() + flat(s.output, o);
                    let channel = oc / per_out * per_in + ic;
                    let column = channel * s.input.iter().product::<usize>() + flat(s.input, [at[0], at[1], at[2]]);
                    *w.at_mut(row, column) +=
                        c.weights().at(oc, ic * s.kernel.iter().product::<usize>() + flat(s.kernel, t));
                }
            }
        }
        w
    }

    #[test]
    fn convolutions_are_what_their_definition_says() {
        for convolution in convolutions() {
            let (dense, shape) = (by_definition(&convolution), *convolution.shape());
            let map = LinearMap::Convolution(convolution);
            for k in [1, 3, 70] {
                let (x, y) = (batch(map.cols(), k), batch(map.rows(), k));
                let (mut found, mut expected) = (batch(map.rows(), k), batch(map.rows(), k));
                map.forward(&x, Store::Add, &mut found);
                multiply(&mut expected, Store::Add, 1.0, dense.view(), x.view());
                let close = |a: &Matrix, b: &Matrix| a.data().iter().zip(b.data()).all(|(a, b)| (a - b).abs() < 1e-12);
                assert!(close(&found, &expected), "forward of {shape:?}, {k} columns");
                let (mut found, mut expected) = (batch(map.cols(), k), Matrix::zeros(map.cols(), k));
                map.adjoint(&y, Store::Replace, &mut found);
                multiply(&mut expected, Store::Replace, 1.0, dense.t(), y.view());
                assert!(close(&found, &expected), "adjoint of {shape:?}, {k} columns");
            }
        }
    }

    fn gather() -> Gather {
        Gather::new(4, [Some(3), None, Some(0), Some(3), Some(1)]).expect("sources exist")
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
    fn sparse_matrices_are_the_maps() {
        for map in maps() {
            let (sparse, x) = (map.to_sparse(), batch(map.cols(), 1));
            let mut ax = Matrix::zeros(map.rows(), 1);
            map.forward(&x, Store::Replace, &mut ax);
            assert_eq!((sparse.rows(), sparse.cols()), (map.rows(), map.cols()));
            assert!(sparse.stored() <= map.nonzeros());
            for i in 0..map.rows() {
                let sum: f64 = sparse.row(i).map(|(j, v)| v * x.at(j, 0)).sum();
                assert!((sum - ax.at(i, 0)).abs() < 1e-12, "{}", map.name());
            }
        }
    }

    #[test]
    fn absolute_maps_dominate_and_are_adjoint_to_each_other() {
        for (map, k) in maps().into_iter().flat_map(|map| [(map.clone(), 1), (map, 2)]) {
            let (x, y) = (batch(map.cols(), k).abs(), batch(map.rows(), k).abs());
            let (mut ax, mut abs_ax) = (Matrix::zeros(map.rows(), k), Matrix::zeros(map.rows(), k));
            map.forward(&x, Store::Replace, &mut ax);
            map.abs_forward(&x, Store::Replace, &mut abs_ax);
            assert!(ax.data().iter().zip(abs_ax.data()).all(|(a, b)| a.abs() <= b + 1e-12), "{}", map.name());
            let mut abs_aty = Matrix::zeros(map.cols(), k);
            map.abs_adjoint(&y, Store::Replace, &mut abs_aty);
            let (left, right) = (dot(&abs_ax, &y), dot(&x, &abs_aty));
            assert!((left - right).abs() <= 1e-13 * left, "{}", map.name());
        }
    }
}
