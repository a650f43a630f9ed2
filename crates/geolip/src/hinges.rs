//! A small linear program: which inequalities to give up, where not all can be had.
//!
//! > minimise Σ wⱼ max(0, bⱼ − (By)ⱼ) over l ≤ y ≤ u.
//!
//! With s the amounts by which they are missed and t = By + s − b, both non-negative, and multipliers λ of t, μ = w − λ of s,
//! ζ and η of the two ends of y, a point is best where Bᵀλ + ζ − η = 0 and the products tλ, sμ, (y − l)ζ, (u − y)η vanish. Every
//! y inside its ends makes a feasible point, and every 0 < λ < w feasible multipliers; so this interior-point method starts and
//! stays feasible (Mehrotra's predictor and corrector, *On the implementation of a primal-dual interior point method*, SIAM J.
//! Optim. 1992). A step solves (BᵀDB + E) dy = r by Cholesky, D and E positive diagonal matrices: n²m + n³/3 multiply–adds for
//! m inequalities in n variables.
//!
//! Nothing here is rigorous. Unlike a corner that the simplex method would find, its y is inside of what is optimal, if that is
//! more than a point.

use crate::form::elimination::{factor, solve_right};
use crate::matrix::{Matrix, product};

/// Inequalities By ≥ b with what it costs to miss each, and the ends of y.
pub(crate) struct Hinges {
    /// B.
    pub rows: Matrix,
    /// b.
    pub least: Vec<f64>,
    /// w, all positive.
    pub weights: Vec<f64>,
    /// (lᵢ, uᵢ), lᵢ < uᵢ.
    pub ends: Vec<(f64, f64)>,
}

/// The part of the way to the boundary that a step goes.
const SHORT_OF: f64 = 0.99;

/// What has to stay positive, t, s, y − l and u − y one after the other; their multipliers; and y itself.
struct State {
    y: Vec<f64>,
    values: Vec<f64>,
    multipliers: Vec<f64>,
}

/// Where a state is about to go.
struct Direction {
    y: Vec<f64>,
    values: Vec<f64>,
    multipliers: Vec<f64>,
}

impl Hinges {
    /// A nearly best y: the objective is within `accuracy` times itself (or the largest weight) of the least, unless `steps` do not
    /// suffice. It lies strictly between its ends. `start` is between them, too. None where the numbers overflow.
    pub fn minimise(&self, start: Vec<f64>, steps: usize, accuracy: f64) -> Option<Vec<f64>> {
        let largest = self.weights.iter().copied().fold(0.0, f64::max);
        let mut state = self.feasible(start);
        for _ in 0..steps {
            let gap: f64 = dot(&state.values, &state.multipliers);
            let missed = &state.values[self.least.len()..2 * self.least.len()];
            if gap <= accuracy * dot(missed, &self.weights).max(largest) {
                break;
            }
            let Some(system) = self.system(&state) else { break };
            let mean = gap / state.values.len() as f64;
            // as if all products could vanish at once; how far that gets says how many of them to keep
            let plain: Vec<f64> = products(&state.values, &state.multipliers).map(|p| -p).collect();
            let predictor = self.direction(&state, &system, &plain);
            let (far, far_dual) = lengths(&state, &predictor);
            let ahead: f64 = state
                .values
                .iter()
                .zip(&predictor.values)
                .map(|(x, d)| x + far * d)
                .zip(state.multipliers.iter().zip(&predictor.multipliers).map(|(z, d)| z + far_dual * d))
                .map(|(x, z)| x * z)
                .sum();
            let target = mean * (ahead / gap).powi(3);
            let second = products(&predictor.values, &predictor.multipliers);
            let corrected: Vec<f64> = plain.iter().zip(second).map(|(p, q)| p + target - q).collect();
            let direction = self.direction(&state, &system, &corrected);
            state.go(&direction);
        }
        state.y.iter().all(|y| y.is_finite()).then_some(state.y)
    }

    /// A start in the middle: with equal products of each inequality's two pairs, and of each variable's two ends.
    fn feasible(&self, y: Vec<f64>) -> State {
        let (n, m) = (y.len(), self.least.len());
        let excess: Vec<f64> = (0..m).map(|j| dot(self.rows.row(j), &y) - self.least[j]).collect();
        let room = excess.iter().map(|e| e.abs()).sum::<f64>() / m.max(1) as f64 + f64::MIN_POSITIVE;
        let met = excess.iter().map(|e| e.max(0.0) + room);
        let missed = excess.iter().map(|e| (-e).max(0.0) + room);
        let mut values: Vec<f64> = met.chain(missed).collect();
        let mut multipliers: Vec<f64> =
            (0..m).map(|j| self.weights[j] * values[m + j] / (values[j] + values[m + j])).collect();
        let pull = self.pulled(&multipliers);
        let mean = dot(&values[..m], &multipliers) / m.max(1) as f64;
        multipliers
            .extend((0..m).map(|j| self.weights[j] * values[j] / (values[j] + values[m + j])).collect::<Vec<_>>());
        values.extend(y.iter().zip(&self.ends).map(|(y, (l, _))| y - l));
        values.extend(y.iter().zip(&self.ends).map(|(y, (_, u))| u - y));
        let least = (0..n).map(|i| mean / (values[2 * m + i] * values[2 * m + n + i]).sqrt()).collect::<Vec<_>>();
        multipliers.extend((0..n).map(|i| least[i] + (-pull[i]).max(0.0)));
        multipliers.extend((0..n).map(|i| least[i] + pull[i].max(0.0)));
        State { y, values, multipliers }
    }

    /// Bᵀv.
    fn pulled(&self, v: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.rows.cols()];
        for (j, v) in v.iter().enumerate() {
            sum.iter_mut().zip(self.rows.row(j)).for_each(|(sum, b)| *sum += v * b);
        }
        sum
    }

    /// D, and the Cholesky factor of BᵀDB + E.
    fn system(&self, state: &State) -> Option<(Vec<f64>, Matrix)> {
        let (n, m) = (self.ends.len(), self.least.len());
        let ratio = |i: usize| state.values[i] / state.multipliers[i];
        let d: Vec<f64> = (0..m).map(|j| 1.0 / (ratio(j) + ratio(m + j))).collect();
        let roots: Vec<f64> = d.iter().map(|d| d.sqrt()).collect();
        let scaled = Matrix::from_fn(m, n, |j, i| roots[j] * self.rows.at(j, i));
        let mut matrix = product(scaled.t(), scaled.view());
        (0..n).for_each(|i| *matrix.at_mut(i, i) += 1.0 / ratio(2 * m + i) + 1.0 / ratio(2 * m + n + i));
        factor(&mut matrix).ok()?;
        Some((d, matrix))
    }

    /// The step after which every product has changed by the given amount, to first order.
    fn direction(&self, state: &State, (d, triangle): &(Vec<f64>, Matrix), change: &[f64]) -> Direction {
        let (n, m) = (self.ends.len(), self.least.len());
        let (x, z) = (&state.values, &state.multipliers);
        let by_pair: Vec<f64> = (0..m).map(|j| change[j] / z[j] - change[m + j] / z[m + j]).collect();
        let mut right = self.pulled(&products(d, &by_pair).collect::<Vec<_>>());
        for (i, right) in right.iter_mut().enumerate() {
            let (p, q) = (2 * m + i, 2 * m + n + i);
            *right += change[p] / x[p] - change[q] / x[q];
        }
        let y = solved(triangle, right);
        let lambda: Vec<f64> = (0..m).map(|j| d[j] * (by_pair[j] - dot(self.rows.row(j), &y))).collect();
        let mut multipliers = lambda.clone();
        multipliers.extend(lambda.iter().map(|l| -l));
        multipliers.extend((0..n).map(|i| (change[2 * m + i] - z[2 * m + i] * y[i]) / x[2 * m + i]));
        multipliers.extend((0..n).map(|i| (change[2 * m + n + i] + z[2 * m + n + i] * y[i]) / x[2 * m + n + i]));
        let mut values: Vec<f64> = (0..2 * m).map(|j| (change[j] - x[j] * multipliers[j]) / z[j]).collect();
        values.extend(&y);
        values.extend(y.iter().map(|y| -y));
        Direction { y, values, multipliers }
    }
}

impl State {
    fn go(&mut self, direction: &Direction) {
        let (primal, dual) = lengths(self, direction);
        let moved = |x: &mut Vec<f64>, d: &[f64], by: f64| x.iter_mut().zip(d).for_each(|(x, d)| *x += by * d);
        moved(&mut self.y, &direction.y, primal);
        moved(&mut self.values, &direction.values, primal);
        moved(&mut self.multipliers, &direction.multipliers, dual);
    }
}

/// How far values and multipliers may go in a direction, at most 1.
fn lengths(state: &State, direction: &Direction) -> (f64, f64) {
    let within = |x: &[f64], d: &[f64]| {
        let ways = x.iter().zip(d).filter(|(_, d)| **d < 0.0).map(|(x, d)| -SHORT_OF * x / d);
        ways.fold(1.0, f64::min)
    };
    (within(&state.values, &direction.values), within(&state.multipliers, &direction.multipliers))
}

fn products<'a>(a: &'a [f64], b: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    a.iter().zip(b).map(|(a, b)| a * b)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    products(a, b).sum()
}

/// x with L Lᵀ x = b.
fn solved(l: &Matrix, b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    let mut forward = Matrix::from_vec(1, n, b);
    solve_right(&mut forward, l);
    let mut x = forward.row(0).to_vec();
    for i in (0..n).rev() {
        x[i] /= l.at(i, i);
        let (before, at) = x.split_at_mut(i);
        before.iter_mut().zip(l.row(i)).for_each(|(x, l)| *x -= at[0] * l);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::gaussian;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn missed(hinges: &Hinges, y: &[f64]) -> f64 {
        let miss = |j: usize| (hinges.least[j] - dot(hinges.rows.row(j), y)).max(0.0);
        (0..hinges.least.len()).map(|j| hinges.weights[j] * miss(j)).sum()
    }

    /// In the plane the least is at a corner: where two of the lines By = b and the ends meet.
    fn least_of_all_corners(hinges: &Hinges) -> f64 {
        let mut lines: Vec<([f64; 2], f64)> =
            (0..hinges.least.len()).map(|j| ([hinges.rows.at(j, 0), hinges.rows.at(j, 1)], hinges.least[j])).collect();
        for (i, (l, u)) in hinges.ends.iter().enumerate() {
            let unit = [f64::from(u8::from(i == 0)), f64::from(u8::from(i == 1))];
            lines.extend([(unit, *l), (unit, *u)]);
        }
        let mut least = f64::INFINITY;
        for (i, (g, a)) in lines.iter().enumerate() {
            for (h, b) in &lines[..i] {
                let det = g[0] * h[1] - g[1] * h[0];
                let y = [(a * h[1] - b * g[1]) / det, (b * g[0] - a * h[0]) / det];
                let inside = |(y, (l, u)): (&f64, &(f64, f64))| *y >= l - 1e-9 && *y <= u + 1e-9;
                if det.abs() > 1e-9 && y.iter().zip(&hinges.ends).all(inside) {
                    least = least.min(missed(hinges, &y));
                }
            }
        }
        least
    }

    #[test]
    fn a_better_point_is_left_at_a_corner() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut all_met = 0;
        for case in 0..2000 {
            let m = case % 9;
            let hinges = Hinges {
                rows: Matrix::from_fn(m, 2, |_, _| gaussian(&mut rng)),
                least: (0..m).map(|_| gaussian(&mut rng)).collect(),
                weights: (0..m).map(|_| gaussian(&mut rng).abs() + 1e-9).collect(),
                ends: vec![(-1.0, 2.0), (0.5, 3.0)],
            };
            let y = hinges.minimise(vec![0.0, 1.0], 40, 1e-9).expect("finite");
            assert!(y.iter().zip(&hinges.ends).all(|(y, (l, u))| l < y && y < u), "{case}: {y:?}");
            let (found, least) = (missed(&hinges, &y), least_of_all_corners(&hinges));
            assert!(found <= least + 1e-8 * (1.0 + least), "{case}: {found} at {y:?}, {least} at a corner");
            all_met += usize::from(least == 0.0);
        }
        assert!((200..1800).contains(&all_met), "{all_met} can be had at once");
    }
}
