//! Vertex cuts that a solution violates.
//!
//! With orthonormal vectors of the spans of (P, e + t) and (N, e − t) for a neuron, of e + x and e − x for an input, and the products of those of two sides,
//! those of two ψ⁻ with their sign turned, in a matrix K: a cut is violated if and only if K has a singular value above 1, whose
//! vectors are the coefficients.

use super::cut::{Cut, Kind, Shares};
use super::lift::Lift;
use super::real::{Real, axpy, dot, multiply, view};
use super::singular::{largest, largest_of_two};
use rayon::prelude::*;
use std::cmp::Ordering;

/// The violation from which a cut is worth having.
const LEAST: f64 = 0.02;
/// Parts shorter than this fraction of their pre-activation have no direction; nor has what is left of (e ± t)/2, shorter than the second.
pub(super) const SHORT: f64 = 1e-2;
const FLAT: f64 = 0.1;
/// Neurons whose products with all others are computed at once.
const BLOCK: usize = 64;

/// A violation, two sides, and coordinates of ψ in their orthonormal vectors.
pub(super) type Found = (f64, [usize; 2], [[f64; 4]; 2]);

/// What coordinates count, for ψ⁺ and ψ⁻: the first of P, the second of P and of e ± t.
struct Basis([[f64; 3]; 2]);

impl Basis {
    /// a, b, c, d of ψ⁺ = aP + b(e + t), ψ⁻ = cN + d(e − t).
    fn coefficients(&self, x: &[f64; 4]) -> [f64; 4] {
        let Self([plus, minus]) = self;
        [x[0] * plus[0] + x[1] * plus[1], x[1] * plus[2], x[2] * minus[0] + x[3] * minus[1], x[3] * minus[2]]
    }
}

/// Those that are violated most: `most` between two neurons, and as many between a neuron and an input.
pub(super) fn search<T: Real>(lift: &Lift<T>, most: usize, shares: &Shares) -> Vec<Cut> {
    let (k, free) = (lift.k, lift.layout.free);
    let mut rows = vec![T::default(); 4 * free * k];
    let bases: Vec<Basis> = rows.chunks_exact_mut(4 * k).enumerate().map(|(j, rows)| basis(lift, j, rows)).collect();
    let cut = |sides: [usize; 2], coefficients: [f64; 8]| {
        Cut::new(Kind::Vertex(sides.map(|side| 1 + side as u32), coefficients), lift.layout, shares)
    };
    let mut cuts = Vec::new();
    for (_, [j, l], [of_j, of_l]) in between_neurons((k, free), &rows, most, largest) {
        let (a, b) = (bases[j].coefficients(&of_j), bases[l].coefficients(&of_l));
        let coefficients = [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]];
        cuts.push(cut([j, l], coefficients));
    }
    let inputs = shares.inputs();
    let mut sides = vec![T::default(); 2 * inputs * k];
    let lengths: Vec<[f64; 2]> =
        sides.chunks_exact_mut(2 * k).enumerate().map(|(i, rows)| sides_of(lift, i, rows)).collect();
    for (_, [j, i], [of_j, of_i]) in with_inputs((k, free, inputs), (&rows, &sides), most) {
        let a = bases[j].coefficients(&of_j);
        let b = [of_i[0] * lengths[i][0], of_i[1] * lengths[i][1]];
        let coefficients = [a[0], a[1], a[2], a[3], b[0], b[1], 0.0, 0.0];
        cuts.push(cut([j, free + i], coefficients));
    }
    cuts
}

/// Four orthonormal vectors (or zeros) of a neuron.
fn basis<T: Real>(lift: &Lift<T>, j: usize, rows: &mut [T]) -> Basis {
    let k = lift.k;
    let row = |atom: usize| &lift.atoms[atom * k..][..k];
    let (t, p, n) = (row(lift.layout.sign(j)), row(lift.layout.upper(j)), row(lift.layout.lower(j)));
    let reference = (dot(p, p).get() + dot(n, n).get()).sqrt();
    let mut halves = rows.chunks_exact_mut(2 * k);
    let mut one = |part: &[T], sign: f64| {
        let mut pair = halves.next().expect("two pairs of rows").chunks_exact_mut(k);
        let (u, v) = (pair.next().expect("a row"), pair.next().expect("a row"));
        let length = dot(part, part).get().sqrt();
        let first = if length > SHORT * reference { 1.0 / length } else { 0.0 };
        axpy(u, T::of(first), part);
        axpy(v, T::of(0.5 * sign), t);
        v[0] += T::of(0.5);
        let along = dot(v, u).get();
        axpy(v, T::of(-along), u);
        let left = dot(v, v).get().sqrt();
        let second = if left > FLAT { 1.0 / left } else { 0.0 };
        v.iter_mut().for_each(|x| *x *= T::of(second));
        [first, -along * first * second, 0.5 * second]
    };
    let plus = one(p, 1.0);
    Basis([plus, one(n, -1.0)])
}

/// Unit vectors along e + x and e − x, and what these were divided by.
fn sides_of<T: Real>(lift: &Lift<T>, i: usize, rows: &mut [T]) -> [f64; 2] {
    let x = &lift.atoms[lift.layout.input(i) * lift.k..][..lift.k];
    let mut rows = rows.chunks_exact_mut(lift.k);
    [1.0, -1.0].map(|sign| {
        let row = rows.next().expect("two rows");
        axpy(row, T::of(sign), x);
        row[0] += T::of(1.0);
        let length = dot(row, row).get().sqrt();
        let inverse = if length > 1e-6 { 1.0 / length } else { 0.0 };
        row.iter_mut().for_each(|v| *v *= T::of(inverse));
        inverse
    })
}

/// The most violated first, whatever found them.
fn order(x: &Found, y: &Found) -> Ordering {
    y.0.total_cmp(&x.0).then_with(|| x.1.cmp(&y.1))
}

/// Keeps the most violated.
fn keep(found: &mut Vec<Found>, own: Vec<Found>, most: usize) {
    found.extend(own);
    found.sort_by(order);
    found.truncate(most);
}

/// Between two neurons, with N orthonormal vectors of each, those of P in the first half, and what finds the largest singular value.
pub(super) fn between_neurons<T: Real, const N: usize>(
    (k, free): (usize, usize),
    rows: &[T],
    most: usize,
    largest: impl Fn(&[[f64; N]; N]) -> (f64, [f64; 4], [f64; 4]) + Sync,
) -> Vec<Found> {
    let mut found = Vec::new();
    let all = view(rows, N * free, k);
    for first in (0..free).step_by(BLOCK) {
        let (count, others) = (BLOCK.min(free - first), free - first);
        let mut gram = vec![T::default(); N * N * count * others];
        let (left, right) = (all.subrows(N * first, N * count), all.subrows(N * first, N * others));
        multiply(&mut gram, false, left, right.transpose());
        let pair = |j: usize, l: usize| {
            let (mut k, mut square) = ([[0.0; N]; N], 0.0);
            for (a, row) in k.iter_mut().enumerate() {
                let entries = &gram[((N * j + a) * others + l) * N..][..N];
                for (b, (entry, product)) in row.iter_mut().zip(entries).enumerate() {
                    *entry = if 2 * a.min(b) >= N { -product.get() } else { product.get() };
                    square += *entry * *entry;
                }
            }
            // the sum of the squares of all singular values
            if square <= 1.0 {
                return None;
            }
            let (sigma, left, right) = largest(&k);
            let violation = 2.0 * (sigma - 1.0);
            (violation > LEAST).then_some((violation, [first + j, first + l], [left, right]))
        };
        let pair = &pair;
        let own = (0..count).into_par_iter().flat_map_iter(|j| (j + 1..others).filter_map(move |l| pair(j, l)));
        keep(&mut found, own.collect(), most);
    }
    found
}

fn with_inputs<T: Real>(
    (k, free, inputs): (usize, usize, usize),
    (rows, sides): (&[T], &[T]),
    most: usize,
) -> Vec<Found> {
    let mut found = Vec::new();
    let (all, sides) = (view(rows, 4 * free, k), view(sides, 2 * inputs, k));
    for first in (0..free).step_by(BLOCK) {
        let count = BLOCK.min(free - first);
        let mut gram = vec![T::default(); 8 * count * inputs];
        multiply(&mut gram, false, all.subrows(4 * first, 4 * count), sides.transpose());
        let pair = |j: usize, i: usize| {
            let columns = [0, 1, 2, 3].map(|a| {
                let entry = |b: usize| gram[(4 * j + a) * 2 * inputs + 2 * i + b].get();
                [entry(0), if a >= 2 { -entry(1) } else { entry(1) }]
            });
            let (sigma, left, [x, y]) = largest_of_two(&columns);
            let violation = 2.0 * (sigma - 1.0);
            if violation <= LEAST {
                return None;
            }
            Some((violation, [first + j, i], [left, [x, y, 0.0, 0.0]]))
        };
        let pair = &pair;
        let own = (0..count).into_par_iter().flat_map_iter(|j| (0..inputs).filter_map(move |i| pair(j, i)));
        keep(&mut found, own.collect(), most);
    }
    found
}
