//! Triangles that a solution violates: of three unit vectors in the place of signs, s₀⟨a, b⟩ + s₁⟨a, c⟩ + s₂⟨b, c⟩ > 1.
//!
//! Of every pair and every choice of signs the best third vector is taken: a sign, or an input.

use super::cut::{Cut, Kind, Shares};
use super::lift::Lift;
use super::lists::Cuts;
use super::real::{Real, WIDTH, multiply, view};
use rayon::prelude::*;

/// The violation from which a triangle is worth having.
const LEAST: f32 = 0.01;

/// A violation, variables and signs.
type Found = (f32, [u32; 3], [i8; 3]);

/// Products of the constant and the signs, with each other and with the inputs.
struct Products {
    signs: usize,
    inputs: usize,
    among: Vec<f32>,
    across: Vec<f32>,
}

/// Those that are violated most, `most` of them, but for those that are known.
pub(super) fn search<T: Real>(lift: &Lift<T>, known: &Cuts, most: usize, shares: &Shares) -> Vec<Cut> {
    let products = Products::new(lift, shares.inputs());
    let mut found: Vec<Found> = (0..products.signs).into_par_iter().flat_map_iter(|a| products.of_row(a)).collect();
    found.sort_by(|x, y| y.0.total_cmp(&x.0).then_with(|| (x.1, x.2).cmp(&(y.1, y.2))));
    let new = found.into_iter().filter(|(_, variables, signs)| !known.has_triangle(*variables, *signs)).take(most);
    new.map(|(_, variables, signs)| Cut::new(Kind::Triangle(variables, signs), lift.layout, shares)).collect()
}

impl Products {
    fn new<T: Real>(lift: &Lift<T>, inputs: usize) -> Self {
        let (k, signs) = (lift.k, lift.layout.free + 1);
        let rows = |first: usize, count: usize| view(&lift.atoms[first * k..(first + count) * k], count, k);
        let single = |values: Vec<T>| values.into_iter().map(|v| v.get() as f32).collect();
        let first = rows(0, signs);
        let mut among = vec![T::default(); signs * signs];
        multiply(&mut among, false, first, first.transpose());
        let mut across = vec![T::default(); signs * inputs];
        multiply(&mut across, false, first, rows(lift.layout.input(0), inputs).transpose());
        Self { signs, inputs, among: single(among), across: single(across) }
    }

    /// The triangles with a as their first variable.
    fn of_row(&self, a: usize) -> Vec<Found> {
        let mut found = Vec::new();
        let row =
            |b: usize| (&self.among[b * self.signs..][..self.signs], &self.across[b * self.inputs..][..self.inputs]);
        let (signs_a, inputs_a) = row(a);
        for b in a + 1..self.signs {
            let (signs_b, inputs_b) = row(b);
            let ab = signs_a[b];
            for sign in [1.0, -1.0] {
                // −sign·ab + |ac + sign·bc|
                let least = 1.0 + sign * ab + LEAST;
                if least >= 2.0 {
                    continue;
                }
                let best = largest_sum(inputs_a, inputs_b, sign);
                let sum = |i: usize| inputs_a[i] + sign * inputs_b[i];
                if best > least
                    && let Some(i) = (0..self.inputs).find(|i| sum(*i).abs() == best)
                {
                    let (s, w) = (sign as i8, if sum(i) > 0.0 { 1 } else { -1 });
                    found.push((best - least + LEAST, [a, b, self.signs + i].map(|v| v as u32), [-s, w, s * w]));
                }
            }
            for (s, t) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
                let mut best = (LEAST, 0);
                for c in b + 1..self.signs {
                    let violation = s * ab + t * signs_a[c] - s * t * signs_b[c] - 1.0;
                    if violation > best.0 {
                        best = (violation, c);
                    }
                }
                if best.1 > 0 {
                    let (s, t) = (s as i8, t as i8);
                    found.push((best.0, [a, b, best.1].map(|v| v as u32), [s, t, -s * t]));
                }
            }
        }
        found
    }
}

/// max |x + sign·y|.
fn largest_sum(x: &[f32], y: &[f32], sign: f32) -> f32 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut best = [0.0_f32; WIDTH];
            let (a, b) = (x.chunks_exact(WIDTH), y.chunks_exact(WIDTH));
            let rest = a.remainder().iter().zip(b.remainder()).map(|(x, y)| (x + sign * y).abs()).fold(0.0, f32::max);
            for (a, b) in a.zip(b) {
                for (best, (x, y)) in best.iter_mut().zip(a.iter().zip(b)) {
                    let sum = (x + sign * y).abs();
                    *best = if sum > *best { sum } else { *best };
                }
            }
            best.into_iter().fold(rest, f32::max)
        },
    )
}
