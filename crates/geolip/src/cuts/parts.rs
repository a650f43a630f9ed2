//! Vertex cuts between the parts P and N of neurons alone, without their signs: the cheapest, and with depth strong ones.
//!
//! As in [`super::vertices`], with one vector for a part: K is 2 × 2.

use super::cut::{Cut, Kind, Shares};
use super::lift::Lift;
use super::real::{Real, axpy, dot};
use super::singular::largest_of_two;
use super::vertices::{Found, SHORT, between_neurons};

/// The `most` that are violated most.
pub(super) fn search<T: Real>(lift: &Lift<T>, most: usize, shares: &Shares) -> Vec<Cut> {
    let (k, free) = (lift.k, lift.layout.free);
    let mut rows = vec![T::default(); 2 * free * k];
    let inverses: Vec<[f64; 2]> =
        rows.chunks_exact_mut(2 * k).enumerate().map(|(j, rows)| directions(lift, j, rows)).collect();
    let largest = |m: &[[f64; 2]; 2]| {
        let (sigma, left, [x, y]) = largest_of_two(m);
        (sigma, left, [x, y, 0.0, 0.0])
    };
    let found = between_neurons((k, free), &rows, most, largest);
    let cut = |(_, [j, l], [of_j, of_l]): Found| {
        let side = |at: usize, x: [f64; 4]| [x[0] * inverses[at][0], 0.0, x[1] * inverses[at][1], 0.0];
        let (a, b) = (side(j, of_j), side(l, of_l));
        let coefficients = [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]];
        Cut::new(Kind::Vertex([j, l].map(|at| 1 + at as u32), coefficients), lift.layout, shares)
    };
    found.into_iter().map(cut).collect()
}

/// Unit vectors along P and N, or zeros, and what these were multiplied by.
fn directions<T: Real>(lift: &Lift<T>, j: usize, rows: &mut [T]) -> [f64; 2] {
    let k = lift.k;
    let parts = [lift.layout.upper(j), lift.layout.lower(j)].map(|atom| &lift.atoms[atom * k..][..k]);
    let lengths = parts.map(|part| dot(part, part).get().sqrt());
    let mut rows = rows.chunks_exact_mut(k);
    let mut inverses = [0.0; 2];
    for ((part, length), inverse) in parts.into_iter().zip(lengths).zip(&mut inverses) {
        *inverse = if length > SHORT * lengths[0].hypot(lengths[1]) { 1.0 / length } else { 0.0 };
        axpy(rows.next().expect("two rows"), T::of(*inverse), part);
    }
    inverses
}
