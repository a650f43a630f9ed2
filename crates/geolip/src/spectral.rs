//! Certified upper bounds of a linear map's largest singular value (power iteration alone would give a lower one).
//!
//! Two of them: [`roughly`] costs a few matrix products, [`tightly`] an iteration and a factorisation more.

use crate::form::elimination::is_semidefinite;
use crate::matrix::{Matrix, Store, multiply, power_of_two_near};
use crate::network::{Gather, LinearMap};
use crate::random::gaussian;
use crate::rounding::{UNIT, gamma_up, sqrt_up};
use crate::sparse::Sparse;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Squarings of the Gram matrix: the rough bound is at most n^(1/32) times the singular value.
const SQUARINGS: usize = 3;
/// Covers the few scalar roundings of each step.
const INFLATE: f64 = 1.0 + 1e-12;
/// Largest Gram matrix that is factorised.
const LARGEST_GRAM: usize = 2048;
/// Steps of the Lanczos iteration at most.
const LANCZOS_STEPS: usize = 120;
/// How far above the estimate the proof is tried, relative to it.
const MARGINS: [f64; 6] = [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2];

/// At least ‖A‖₂, and at most n^(1/32) times it for matrices; √(‖A‖₁ ‖A‖_∞) for convolutions.
///
/// **Claim.** With G the Gram matrix on the shorter side, ‖A‖₂² = ‖G‖₂, and for symmetric S, ‖S‖₂ = √‖S²‖₂ ≤ ‖S²‖_F^½.
/// **Rounding.** A computed square is entrywise within γ_{n+2}|S||S| of S², so ‖S²‖₂ ≤ ‖computed‖₂ + γ_{n+2}‖S‖_F²;
/// likewise for G. Scalars are inflated by 10⁻¹² a step. Scaling is by powers of two, and exact.
pub fn roughly(map: &LinearMap) -> f64 {
    match map {
        LinearMap::Identity(_) => 1.0,
        LinearMap::Scale(s) => s.iter().fold(0.0, |most, v| most.max(v.abs())),
        LinearMap::Dense(w) => dense(w),
        LinearMap::Convolution(_) => by_row_and_column_sums(map),
        LinearMap::Gather(g) => gather(g),
        LinearMap::Transpose(map) => roughly(map),
    }
}

/// At least ‖A‖₂, and nearly equal to it (1 part in 10⁹ or so) unless the shorter side is longer than 2048; then as
/// [`roughly`]. Infinite where A holds numbers too large to compute with.
///
/// **Claim.** τI − G ⪰ 0 with G = AAᵀ or AᵀA is proved by a factorisation that runs to completion
/// ([`crate::form::elimination`]; Rump, BIT 2006), so ‖A‖₂² = ‖G‖₂ ≤ τ. An estimate of ‖G‖₂ by Lanczos' iteration only
/// suggests τ. **Rounding.** A computed entry of G is within γ_{n+2}(|A||Aᵀ|)ᵢⱼ of the exact one; the row sums of these
/// errors, inflated by 10⁻⁶, are taken off the diagonal.
pub fn tightly(map: &LinearMap) -> f64 {
    let proved = match map {
        LinearMap::Identity(_) | LinearMap::Scale(_) | LinearMap::Gather(_) => None,
        LinearMap::Dense(w) if w.rows().min(w.cols()) <= LARGEST_GRAM => prove(&Gram::of_dense(w)),
        LinearMap::Convolution(_) if map.rows().min(map.cols()) <= LARGEST_GRAM => prove(&Gram::of_sparse(map)),
        LinearMap::Dense(_) | LinearMap::Convolution(_) => None,
        LinearMap::Transpose(map) => return tightly(map),
    };
    proved.unwrap_or(f64::INFINITY).min(roughly(map))
}

/// Whether [`tightly`] is no better than [`roughly`], and that not exact.
pub fn is_too_large(map: &LinearMap) -> bool {
    match map {
        LinearMap::Identity(_) | LinearMap::Scale(_) | LinearMap::Gather(_) => false,
        LinearMap::Dense(_) | LinearMap::Convolution(_) => map.rows().min(map.cols()) > LARGEST_GRAM,
        LinearMap::Transpose(map) => is_too_large(map),
    }
}

/// Rows with a single 1 each: AᵀA is diagonal and counts the copies.
fn gather(g: &Gather) -> f64 {
    let mut copies = vec![0_u32; g.cols()];
    g.sources().flatten().for_each(|j| copies[j] += 1);
    sqrt_up(f64::from(copies.into_iter().max().unwrap_or(0)))
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
    let scale = scale_of(m.data());
    if scale != 0.0 {
        m.data_mut().iter_mut().for_each(|v| *v /= scale);
    }
    (m, scale)
}

/// A power of two near the largest absolute value, or 0.
fn scale_of(values: &[f64]) -> f64 {
    match values.iter().fold(0.0, |most: f64, v| most.max(v.abs())) {
        0.0 => 0.0,
        largest => power_of_two_near(largest),
    }
}

/// At least ‖M‖_F, for entries of order one or less: n squares, added up in any order, lose at most γ_n of their sum.
fn frobenius(m: &Matrix) -> f64 {
    let sum = m.data().iter().map(|v| v * v).sum::<f64>();
    (sum * (1.0 + 2.0 * gamma_up(m.data().len()))).sqrt() * INFLATE
}

/// A computed Gram matrix of A/scale, and the absolute row sums of what it may be off by.
struct Gram {
    scale: f64,
    matrix: Matrix,
    error: Vec<f64>,
}

impl Gram {
    fn of_dense(w: &Matrix) -> Self {
        let (w, scale) = normalised(w.clone());
        let wide = w.rows() <= w.cols();
        let n = w.rows().min(w.cols());
        let mut matrix = Matrix::zeros(n, n);
        let (left, right) = if wide { (w.view(), w.t()) } else { (w.t(), w.view()) };
        multiply(&mut matrix, Store::Replace, 1.0, left, right);
        let absolute = LinearMap::Dense(if wide { w } else { w.transposed() });
        Self { scale, matrix, error: Self::error(&absolute) }
    }

    /// Row by row of the longer side; a sum over rows that read an entry has no more terms than rows.
    fn of_sparse(map: &LinearMap) -> Self {
        let scale = scale_of(map.coefficients());
        let wide = map.rows() <= map.cols();
        let n = map.rows().min(map.cols());
        let rows: Sparse = if wide { map.to_sparse().transposed() } else { map.to_sparse() };
        let mut matrix = Matrix::zeros(n, n);
        for l in 0..if scale == 0.0 { 0 } else { rows.rows() } {
            for (i, a) in rows.row(l) {
                for (j, b) in rows.row(l).take_while(|(j, _)| *j <= i) {
                    *matrix.at_mut(i, j) += (a / scale) * (b / scale);
                }
            }
        }
        for i in 0..n {
            (0..i).for_each(|j| *matrix.at_mut(j, i) = matrix.at(i, j));
        }
        let mut error = if wide { Self::error(map) } else { Self::error(&LinearMap::Transpose(Box::new(map.clone()))) };
        error.iter_mut().for_each(|e| *e = if scale == 0.0 { 0.0 } else { *e / scale / scale });
        Self { scale, matrix, error }
    }

    /// γ |A|(|A|ᵀ1), inflated, for a map with as many rows as G.
    fn error(map: &LinearMap) -> Vec<f64> {
        let gamma = gamma_up(map.rows().max(map.cols()) + 2) * 1.000_001;
        let (mut columns, mut rows) = (Matrix::zeros(map.cols(), 1), Matrix::zeros(map.rows(), 1));
        map.abs_adjoint(&Matrix::from_fn(map.rows(), 1, |_, _| 1.0), Store::Replace, &mut columns);
        map.abs_forward(&columns, Store::Replace, &mut rows);
        rows.data().iter().map(|sum| gamma * sum + f64::MIN_POSITIVE).collect()
    }
}

/// √τ for the smallest τ of a short list with τI − G proved semidefinite.
fn prove(gram: &Gram) -> Option<f64> {
    if gram.scale == 0.0 {
        return Some(0.0);
    }
    if !gram.scale.is_finite() {
        return None;
    }
    let estimate = largest_eigenvalue(&gram.matrix);
    let n = gram.matrix.rows();
    let loss = gram.error.iter().copied().fold(0.0, f64::max) + 3.0 * (n * (n + 8)) as f64 * UNIT * estimate;
    let taus = MARGINS.into_iter().map(|margin| estimate * (1.0 + margin) + 2.0 * loss);
    let tau = taus.filter(|tau| tau.is_finite() && *tau > 0.0).find(|tau| is_above(*tau, gram))?;
    Some(gram.scale * sqrt_up(tau) * (1.0 + 4.0 * UNIT))
}

/// Whether τI − G is proved positive semidefinite for the exact G. Everything is divided by a power of two near τ.
fn is_above(tau: f64, gram: &Gram) -> bool {
    let unit = power_of_two_near(tau);
    let n = gram.matrix.rows();
    let lower = Matrix::from_fn(n, n, |i, j| match i.cmp(&j) {
        std::cmp::Ordering::Greater => -gram.matrix.at(i, j) / unit,
        std::cmp::Ordering::Equal => {
            ((tau - gram.matrix.at(i, i)).next_down() / unit - gram.error[i] / unit).next_down()
        }
        std::cmp::Ordering::Less => 0.0,
    });
    is_semidefinite(lower)
}

/// An estimate of the largest eigenvalue of a symmetric G ⪰ 0, from below: Lanczos' iteration with full
/// reorthogonalisation.
fn largest_eigenvalue(g: &Matrix) -> f64 {
    let n = g.rows();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut basis: Vec<Matrix> = Vec::new();
    let (mut diagonal, mut side): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut v = Matrix::from_fn(n, 1, |_, _| gaussian(&mut rng));
    let mut estimate = 0.0;
    for step in 0..LANCZOS_STEPS.min(n) {
        let length = dot(&v, &v).sqrt();
        if length <= 1e-14 * estimate {
            break; // an invariant subspace is complete
        }
        if step > 0 {
            side.push(length);
        }
        v.data_mut().iter_mut().for_each(|v| *v /= length);
        let mut w = Matrix::zeros(n, 1);
        multiply(&mut w, Store::Replace, 1.0, g.view(), v.view());
        diagonal.push(dot(&w, &v));
        basis.push(v);
        for _ in 0..2 {
            for b in &basis {
                let along = dot(&w, b);
                w.data_mut().iter_mut().zip(b.data()).for_each(|(w, b)| *w -= along * b);
            }
        }
        v = w;
        let before = estimate;
        estimate = largest_of_tridiagonal(&diagonal, &side);
        if step > 5 && estimate <= before * (1.0 + 1e-15) {
            break;
        }
    }
    estimate
}

fn dot(a: &Matrix, b: &Matrix) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum()
}

/// The largest eigenvalue of a symmetric tridiagonal matrix, by bisection on the signs of its leading minors.
fn largest_of_tridiagonal(diagonal: &[f64], side: &[f64]) -> f64 {
    let beside = |i: usize| i.checked_sub(1).map_or(0.0, |j| side[j].abs()) + side.get(i).map_or(0.0, |s| s.abs());
    let mut above = diagonal.iter().enumerate().map(|(i, d)| d + beside(i)).fold(f64::NEG_INFINITY, f64::max);
    let mut below = diagonal.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exceeds_all = |x: f64| {
        let mut pivot = f64::INFINITY;
        diagonal.iter().enumerate().all(|(i, d)| {
            pivot = x - d - if i == 0 { 0.0 } else { side[i - 1] * side[i - 1] / pivot };
            pivot > 0.0
        })
    };
    for _ in 0..100 {
        let middle = 0.5 * (below + above);
        if middle <= below || middle >= above {
            break;
        }
        if exceeds_all(middle) { above = middle } else { below = middle }
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Convolution, ConvolutionShape};

    /// Power iteration: converges from below.
    fn below(map: &LinearMap) -> f64 {
        let (mut x, mut below) = (Matrix::from_fn(map.cols(), 1, |j, _| 1.0 + (j as f64).cos()), 0.0);
        for _ in 0..500 {
            let (mut y, mut z) = (Matrix::zeros(map.rows(), 1), Matrix::zeros(map.cols(), 1));
            map.forward(&x, Store::Replace, &mut y);
            map.adjoint(&y, Store::Replace, &mut z);
            below = frobenius(&y) / frobenius(&x);
            let length = frobenius(&z);
            x = Matrix::from_fn(map.cols(), 1, |j, _| z.at(j, 0) / length);
        }
        below * (1.0 - 1e-11)
    }

    fn convolution() -> LinearMap {
        let shape = ConvolutionShape {
            in_channels: 2,
            out_channels: 3,
            groups: 1,
            input: [1, 6, 7],
            output: [1, 3, 4],
            kernel: [1, 3, 3],
            stride: [1, 2, 2],
            dilation: [1; 3],
            pad: [0, 1, 1],
        };
        let weights = (0..54).map(|i| 3e5 * (i as f64 * 1.3).sin()).collect();
        LinearMap::Convolution(Convolution::new(shape, weights).expect("weights fit"))
    }

    #[test]
    fn the_bounds_are_above_and_near_the_largest_singular_value() {
        let dense = [(1, 1), (1, 7), (5, 3), (20, 30), (64, 64), (90, 40)].map(|(rows, cols)| {
            LinearMap::Dense(Matrix::from_fn(rows, cols, |i, j| ((i * 31 + j * 17) as f64 * 1.7 + 0.5).sin()))
        });
        for map in dense.into_iter().chain([convolution(), LinearMap::Transpose(Box::new(convolution()))]) {
            let (below, rough, tight) = (below(&map), roughly(&map), tightly(&map));
            let shape = format!("{} {} x {}", map.name(), map.rows(), map.cols());
            assert!(tight >= below && rough >= below, "{shape}: {tight} or {rough} is below {below}");
            assert!(tight <= below * (1.0 + 1e-9), "{shape}: {tight} is far above {below}");
            if matches!(map, LinearMap::Dense(_)) {
                let factor = (map.rows().min(map.cols()) as f64).powf(1.0 / 32.0);
                assert!(rough <= below * factor * (1.0 + 1e-6), "{shape}");
            }
        }
    }

    #[test]
    fn clusters_and_simple_maps_have_their_norms() {
        // many equal singular values: the iteration ends early, the proof does not suffer
        for n in [1, 2, 50] {
            let tight = tightly(&LinearMap::Dense(Matrix::identity(n)));
            assert!((1.0..1.0 + 1e-10).contains(&tight), "{tight}");
        }
        let copies = Gather::new(3, [Some(0), Some(2), Some(2), None, Some(2), Some(2)]).expect("sources exist");
        assert!((2.0..2.000_000_001).contains(&tightly(&LinearMap::Gather(copies))));
        for norm in [roughly, tightly] {
            assert_eq!(norm(&LinearMap::Dense(Matrix::zeros(3, 2))), 0.0);
            assert_eq!(norm(&LinearMap::Scale(vec![1.0, -3.0])), 3.0);
        }
    }

    #[test]
    fn tiny_and_huge_weights_scale_exactly() {
        let w = |s: f64| LinearMap::Dense(Matrix::from_fn(4, 6, |i, j| s * ((i + 2 * j) as f64).sin()));
        for norm in [roughly, tightly] {
            let one = norm(&w(1.0));
            for s in [2f64.powi(-400), 2f64.powi(400)] {
                assert_eq!(norm(&w(s)), s * one);
            }
        }
    }
}
