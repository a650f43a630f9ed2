//! The lowest modes of a scaled form: what a random test would stumble over, found beforehand. Hints, never proofs.
//!
//! At an optimum of the vector network the columns of its solution span the form's null space. Before that, they span its
//! lowest modes: Rayleigh and Ritz's method on them ([`Modes::of`], one application each) tells how far the multipliers are
//! from feasible as well as hundreds of Lanczos steps would. Modes *outside* their span are what more features would add; a
//! Lanczos run from a random start ([`Modes::search`]) finds them.

use crate::form::{Scaled, Vector};
use crate::problem::Functional;
use crate::relaxation::{Point, Sweep, VectorNetwork};
use faer::linalg::solvers::SelfAdjointEigen;
use faer::{Mat, Side};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Approximate eigenpairs, lowest first.
#[derive(Clone, Debug)]
pub struct Modes {
    values: Vec<f64>,
    /// Orthonormal, in the scale of the form they were found for.
    vectors: Vec<Vector>,
}

/// How many modes are kept.
const LOWEST: usize = 16;
/// Modes of earlier multipliers.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    vectors: Vec<Vector>,
    scales: Vector,
}

impl Remembered {
    /// As vectors in the scale of a form.
    pub fn carried(&self, to: &Scaled<'_>) -> impl Iterator<Item = Vector> {
        self.vectors.iter().map(|v| v.rescaled(&self.scales, to.scales()))
    }
}

/// How many modes are remembered.
const REMEMBERED: usize = 6;
/// How many of the lowest modes are refined.
const REFINED: usize = 2;
/// Directions of this relative energy are not in the span of a solution.
const RANK_CUT: f64 = 1e-8;

impl Modes {
    /// The lowest modes within the span of some vectors.
    pub fn of(form: &Scaled<'_>, vectors: &[Vector]) -> Self {
        let n = vectors.len();
        let images: Vec<Vector> = vectors.par_iter().map(|v| form.apply(v)).collect();
        let gram = products(vectors, vectors);
        let projected = products(vectors, &images);
        let Some(gram) = eigen(&gram) else { return Self::none() };
        let sizes: Vec<f64> = (0..n).map(|i| gram.S()[i]).collect();
        let largest = sizes.last().copied().unwrap_or(0.0);
        let kept: Vec<usize> = (0..n).filter(|i| sizes[*i] > RANK_CUT * largest).collect();
        let basis = Mat::<f64>::from_fn(n, kept.len(), |i, c| gram.U()[(i, kept[c])] / sizes[kept[c]].sqrt());
        let Some(inner) = eigen(&(basis.transpose() * projected * &basis)) else { return Self::none() };
        let coefficients = basis * inner.U();
        let lowest = 0..kept.len().min(LOWEST);
        Self {
            values: lowest.clone().map(|c| inner.S()[c]).collect(),
            vectors: lowest.into_par_iter().map(|c| combined(vectors, |i| coefficients[(i, c)])).collect(),
        }
    }

    /// The negative modes that Lanczos' method finds in so many steps from a start that depends on the seed.
    pub fn search(form: &Scaled<'_>, steps: usize, seed: u64) -> Self {
        Self::lanczos(form, form.normal(&mut ChaCha8Rng::seed_from_u64(seed), 1), steps)
    }

    /// These modes with the lowest ones improved by so many steps of Lanczos' method from each.
    pub fn refined(&self, form: &Scaled<'_>, steps: usize) -> Self {
        let lowest = self.vectors.iter().take(REFINED);
        lowest
            .map(|v| Self::lanczos(form, v.clone(), steps))
            .fold(self.clone(), |known, better| Self {
                values: known.values.iter().chain(&better.values).copied().collect(),
                vectors: known.vectors.into_iter().chain(better.vectors).collect(),
            })
            .joined(form, &Self::none())
    }

    /// The negative modes in the Krylov space of a vector.
    fn lanczos(form: &Scaled<'_>, mut v: Vector, steps: usize) -> Self {
        v.scale(1.0 / v.length());
        let (mut basis, mut diagonal, mut beside): (Vec<Vector>, Vec<f64>, Vec<f64>) = (vec![], vec![], vec![]);
        for _ in 0..steps {
            let mut next = form.apply(&v);
            let own = next.dot(&v);
            next.add(-own, &v);
            if let (Some(before), Some(b)) = (basis.last(), beside.last()) {
                next.add(-b, before);
            }
            let length = next.length();
            basis.push(v);
            diagonal.push(own);
            if length.is_nan() || length <= 1e-12 {
                break;
            }
            next.scale(1.0 / length);
            beside.push(length);
            v = next;
        }
        let n = basis.len();
        let tridiagonal = Mat::<f64>::from_fn(n, n, |i, j| match i.abs_diff(j) {
            0 => diagonal[i],
            1 => beside[i.min(j)],
            _ => 0.0,
        });
        let Some(eigen) = eigen(&tridiagonal) else { return Self::none() };
        let negative: Vec<usize> = (0..n).filter(|c| eigen.S()[*c] < 0.0).take(LOWEST).collect();
        Self {
            values: negative.iter().map(|c| eigen.S()[*c]).collect(),
            vectors: negative.par_iter().map(|c| combined(&basis, |i| eigen.U()[(i, *c)])).collect(),
        }
    }

    fn none() -> Self {
        Self { values: Vec::new(), vectors: Vec::new() }
    }

    /// How far below zero the lowest eigenvalue is.
    pub fn defect(&self) -> f64 {
        self.lowest().map_or(0.0, |lowest| (-lowest).max(0.0))
    }

    /// The lowest eigenvalue, if there is a mode.
    pub fn lowest(&self) -> Option<f64> {
        self.values.first().copied()
    }

    /// These modes and others of the same form, joined.
    pub fn joined(&self, form: &Scaled<'_>, other: &Self) -> Self {
        let all: Vec<Vector> = self.vectors.iter().chain(&other.vectors).cloned().collect();
        Self::of(form, &all)
    }

    /// These modes as vectors in the scale of another form.
    pub fn carried(&self, from: &Scaled<'_>, to: &Scaled<'_>) -> Vec<Vector> {
        self.vectors.iter().map(|v| v.rescaled(from.scales(), to.scales())).collect()
    }

    /// The lowest modes, to look at again when the multipliers have changed.
    pub fn remembered(&self, form: &Scaled<'_>) -> Remembered {
        Remembered { vectors: self.vectors.iter().take(REMEMBERED).cloned().collect(), scales: form.scales().clone() }
    }

    /// The modes below `limit` as changes of a point that `sweep` started from: a column of X and of every S each, of a size
    /// that the ascent can grow or shrink within some sweeps.
    pub fn directions(&self, form: &Scaled<'_>, network: &VectorNetwork<'_>, sweep: &Sweep, limit: f64) -> Vec<Point> {
        let size = SIZE * sweep.value[0].sqrt();
        let below = self.values.iter().zip(&self.vectors).filter(|(value, _)| **value < limit);
        below.map(|(_, mode)| direction(form, network, sweep, mode, size)).collect()
    }
}

/// The length of a new column, as a fraction of √value; the solution's own columns together have about √(depth · value).
const SIZE: f64 = 0.1;

/// Adds a column whose pre-activations are those of the mode: z = c h + r‖h‖ s is to be w + α h, so s = (w − r h)/(r‖h‖).
fn direction(form: &Scaled<'_>, network: &VectorNetwork<'_>, sweep: &Sweep, mode: &Vector, size: f64) -> Point {
    let mut point = Point::empty(network, 1, 1);
    let (slopes, scales) = (form.slopes(mode), form.scales());
    let physical = |part: usize, j: usize| size * mode.part(part)[j] * scales.part(part)[j];
    (0..point.x.rows()).for_each(|i| *point.x.at_mut(i, 0) = physical(1, i));
    for (a, s) in point.s.iter_mut().enumerate() {
        for (j, slope) in network.slopes()[a].iter().enumerate() {
            let half = 0.5 * size * slopes.part(a + 2)[j] * scales.part(a + 2)[j];
            let value = (physical(a + 2, j) - half) / (slope.radius() * sweep.h_norms[a].at(j, 0));
            *s.at_mut(j, 0) = if value.is_finite() { value } else { 0.0 };
        }
    }
    point
}

/// The columns of the solution that `sweep` started from, `at`, as vectors in the scale of the form.
pub fn columns(
    form: &Scaled<'_>,
    network: &VectorNetwork<'_>,
    functional: &Functional,
    (at, sweep): (&Point, &Sweep),
) -> Vec<Vector> {
    let column = |f: usize| {
        let weight = |i: usize| if functional.is_norm() { sweep.weights.at(i, f) } else { f64::from(u8::from(f == 0)) };
        // w = z − α h = r (h + ‖h‖ s)
        let own = |part: usize, j: usize| match part {
            0 => weight(j),
            1 => at.x.at(j, f),
            _ => {
                let (h, a) = (sweep.pre_activation(network, part - 2), part - 2);
                network.slopes()[a][j].radius() * (h.at(j, f) + sweep.h_norms[a].at(j, 0) * at.s[a].at(j, f))
            }
        };
        form.scales().map_entries(|part, j, scale| if scale > 0.0 { own(part, j) / scale } else { 0.0 })
    };
    (0..at.k).map(column).collect()
}

/// The eigenpairs of a symmetric matrix; none of an empty one, or where numbers overflow.
fn eigen(matrix: &Mat<f64>) -> Option<SelfAdjointEigen<f64>> {
    let finite = (0..matrix.nrows()).all(|i| (0..matrix.ncols()).all(|j| matrix[(i, j)].is_finite()));
    (matrix.nrows() > 0 && finite).then(|| matrix.self_adjoint_eigen(Side::Lower).ok()).flatten()
}

/// ⟨aᵢ, bⱼ⟩, which is symmetric.
fn products(a: &[Vector], b: &[Vector]) -> Mat<f64> {
    let n = a.len();
    let row = |i: usize| (0..=i).map(|j| a[i].dot(&b[j])).collect();
    let rows: Vec<Vec<f64>> = (0..n).into_par_iter().map(row).collect();
    Mat::from_fn(n, n, |i, j| rows[i.max(j)][i.min(j)])
}

fn combined(vectors: &[Vector], coefficient: impl Fn(usize) -> f64) -> Vector {
    let mut sum = vectors[0].clone();
    sum.scale(coefficient(0));
    vectors.iter().enumerate().skip(1).for_each(|(i, v)| sum.add(coefficient(i), v));
    sum
}
