//! Small linear programs over a box with some half-spaces: the multipliers that make backward linear bounds on a part of a
//! region the better.
//!
//! min cᵀx over \[l, u\] with gₖᵀx + dₖ ≤ 0 is at least min over the box of (c + Σ βₖ gₖ)ᵀx + Σ βₖ dₖ for every β ≥ 0; linear
//! programming duality says that the best β attains it. It is found by the dual simplex method with bounded variables, which
//! can begin at once: at the corner of the box that c asks for. Where no point is left, β is a ray along which that bound grows
//! without end: for c = 0 it is positive then, and shows that nothing lies there.
//!
//! Not rigorous and not trusted: any β ≥ 0 gives a bound. Dense, for few inputs; a step costs inputs × half-spaces.

/// The half-space gᵀx + d ≤ 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HalfSpace {
    pub normal: Vec<f64>,
    pub offset: f64,
}

/// What a program came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// One multiplier per half-space, and where the minimum is attained.
    Best(Vec<f64>, Vec<f64>),
    /// No point is left: multipliers with which the half-spaces contradict each other on the box.
    Empty(Vec<f64>),
}

/// What counts as met, relative to the size of a half-space's summands; and a coefficient that is no pivot.
const FEASIBLE: f64 = 1e-10;
const PIVOT: f64 = 1e-11;

/// The multipliers for min cᵀx over the box and the half-spaces.
pub(crate) fn multipliers(c: &[f64], (lower, upper): (&[f64], &[f64]), half_spaces: &[HalfSpace]) -> Outcome {
    let (n, m) = (c.len(), half_spaces.len());
    let mut state = Dictionary {
        n,
        rows: half_spaces.iter().map(|h| h.normal.iter().map(|g| -g).collect()).collect(),
        constants: half_spaces.iter().map(|h| -h.offset).collect(),
        costs: c.to_vec(),
        ends: (lower.iter().copied().zip(upper.iter().copied())).chain((0..m).map(|_| (0.0, f64::INFINITY))).collect(),
        outside: (0..n).collect(),
        at_upper: c.iter().map(|c| *c < 0.0).collect(),
        basis: (n..n + m).collect(),
    };
    let size = |h: &HalfSpace| {
        let summands = h.normal.iter().zip(lower.iter().zip(upper)).map(|(g, (l, u))| g.abs() * l.abs().max(u.abs()));
        summands.sum::<f64>() + h.offset.abs()
    };
    let sizes: Vec<f64> =
        lower.iter().zip(upper).map(|(l, u)| l.abs().max(u.abs())).chain(half_spaces.iter().map(size)).collect();
    for _ in 0..4 * (n + m) {
        let Some((row, up)) = state.most_violated(&sizes) else { break };
        let Some(column) = state.entering(row, up) else { return Outcome::Empty(state.ray(row, up, m)) };
        state.pivot(row, column, up);
    }
    Outcome::Best(state.multipliers(m), state.point())
}

/// The point of the box and the half-spaces that is farthest from all boundaries of the half-spaces, if there is one.
pub(crate) fn innermost((lower, upper): (&[f64], &[f64]), half_spaces: &[HalfSpace]) -> Option<Vec<f64>> {
    let n = lower.len();
    let most = lower.iter().zip(upper).map(|(l, u)| u - l).fold(0.0, f64::max);
    let with = |ends: &[f64], last: f64| ends.iter().copied().chain([last]).collect::<Vec<f64>>();
    let lifted = |h: &HalfSpace| {
        let length = h.normal.iter().map(|g| g * g).sum::<f64>().sqrt();
        HalfSpace { normal: with(&h.normal, length), offset: h.offset }
    };
    let lifted: Vec<HalfSpace> = half_spaces.iter().map(lifted).collect();
    match multipliers(&with(&vec![0.0; n], -1.0), (&with(lower, 0.0), &with(upper, most)), &lifted) {
        Outcome::Best(_, point) => Some(point[..n].to_vec()),
        Outcome::Empty(_) => None,
    }
}

/// Basic variables as functions of the others: basic = constant + Σ row·outside; the objective likewise.
struct Dictionary {
    n: usize,
    rows: Vec<Vec<f64>>,
    constants: Vec<f64>,
    costs: Vec<f64>,
    /// Of all variables: inputs, then what is left of the half-spaces.
    ends: Vec<(f64, f64)>,
    outside: Vec<usize>,
    at_upper: Vec<bool>,
    basis: Vec<usize>,
}

impl Dictionary {
    /// The values of the variables outside.
    fn values(&self) -> Vec<f64> {
        let end = |(variable, at_upper): (&usize, &bool)| match at_upper {
            true => self.ends[*variable].1,
            false => self.ends[*variable].0,
        };
        self.outside.iter().zip(&self.at_upper).map(end).collect()
    }

    fn value(&self, row: usize, outside: &[f64]) -> f64 {
        self.constants[row] + self.rows[row].iter().zip(outside).map(|(t, v)| t * v).sum::<f64>()
    }

    /// The inputs.
    fn point(&self) -> Vec<f64> {
        let outside = self.values();
        let mut point = vec![0.0; self.n];
        for (variable, value) in self.outside.iter().zip(&outside).filter(|(variable, _)| **variable < self.n) {
            point[*variable] = *value;
        }
        for (row, variable) in self.basis.iter().enumerate().filter(|(_, variable)| **variable < self.n) {
            point[*variable] = self.value(row, &outside);
        }
        point
    }

    /// The row whose variable is out of its ends by most, and whether it has to grow.
    fn most_violated(&self, sizes: &[f64]) -> Option<(usize, bool)> {
        let outside = self.values();
        let mut worst = (1.0, None);
        for i in 0..self.rows.len() {
            let value = self.value(i, &outside);
            let (l, u) = self.ends[self.basis[i]];
            let scale = FEASIBLE * sizes[self.basis[i]] + f64::MIN_POSITIVE;
            for (missing, up) in [((l - value) / scale, true), ((value - u) / scale, false)] {
                if missing > worst.0 {
                    worst = (missing, Some((i, up)));
                }
            }
        }
        worst.1
    }

    /// The variable outside that moves the row's the right way, at the least cost.
    fn entering(&self, row: usize, up: bool) -> Option<usize> {
        let largest = self.rows[row].iter().fold(0.0_f64, |most, t| most.max(t.abs()));
        let mut best: Option<(f64, f64, usize)> = None;
        for (j, t) in self.rows[row].iter().enumerate() {
            let (l, u) = self.ends[self.outside[j]];
            let helps = if self.at_upper[j] == up { *t < 0.0 } else { *t > 0.0 };
            if !helps || t.abs() <= PIVOT * largest || l == u {
                continue;
            }
            let ratio = self.costs[j].abs() / t.abs();
            // of equal ratios the largest pivot
            if best.is_none_or(|(least, pivot, _)| ratio < least || (ratio == least && t.abs() > pivot)) {
                best = Some((ratio, t.abs(), j));
            }
        }
        best.map(|(_, _, j)| j)
    }

    fn pivot(&mut self, row: usize, column: usize, up: bool) {
        // solve the row for the entering variable
        let t = self.rows[row][column];
        let mut own: Vec<f64> = self.rows[row].iter().map(|v| -v / t).collect();
        own[column] = 1.0 / t;
        let constant = -self.constants[row] / t;
        for i in (0..self.rows.len()).filter(|i| *i != row) {
            let factor = self.rows[i][column];
            if factor != 0.0 {
                self.rows[i][column] = 0.0;
                self.rows[i].iter_mut().zip(&own).for_each(|(v, o)| *v += factor * o);
                self.constants[i] += factor * constant;
            }
        }
        let factor = self.costs[column];
        self.costs[column] = 0.0;
        self.costs.iter_mut().zip(&own).for_each(|(v, o)| *v += factor * o);
        self.rows[row] = own;
        self.constants[row] = constant;
        std::mem::swap(&mut self.basis[row], &mut self.outside[column]);
        self.at_upper[column] = !up;
    }

    /// What the slack of each half-space costs.
    fn multipliers(&self, m: usize) -> Vec<f64> {
        let mut multipliers = vec![0.0; m];
        for (variable, cost) in self.outside.iter().zip(&self.costs) {
            if *variable >= self.n {
                multipliers[variable - self.n] = cost.max(0.0);
            }
        }
        multipliers
    }

    /// What shows that a row's variable cannot get inside its ends.
    fn ray(&self, row: usize, up: bool, m: usize) -> Vec<f64> {
        let sign = if up { -1.0 } else { 1.0 };
        let mut multipliers = vec![0.0; m];
        for (variable, t) in self.outside.iter().zip(&self.rows[row]) {
            if *variable >= self.n {
                multipliers[variable - self.n] = (sign * t).max(0.0);
            }
        }
        if self.basis[row] >= self.n {
            multipliers[self.basis[row] - self.n] = 1.0;
        }
        multipliers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound that multipliers give.
    fn bound(c: &[f64], (lower, upper): (&[f64], &[f64]), half_spaces: &[HalfSpace], multipliers: &[f64]) -> f64 {
        let mut c = c.to_vec();
        let mut sum = 0.0;
        for (h, b) in half_spaces.iter().zip(multipliers) {
            c.iter_mut().zip(&h.normal).for_each(|(c, g)| *c += b * g);
            sum += b * h.offset;
        }
        sum + c.iter().zip(lower.iter().zip(upper)).map(|(c, (l, u))| (c * l).min(c * u)).sum::<f64>()
    }

    fn random(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// In the plane, a minimum is at a corner: the intersection of two boundaries.
    #[test]
    fn multipliers_meet_the_least_corner_of_polygons() {
        let mut seed = 5;
        let (mut empty, mut cut_off) = (0, 0);
        for _ in 0..3000 {
            let c = [random(&mut seed), random(&mut seed)];
            let half_spaces: Vec<HalfSpace> = (0..6)
                .map(|_| HalfSpace {
                    normal: vec![random(&mut seed), random(&mut seed)],
                    offset: 0.6 * (random(&mut seed) - 0.4),
                })
                .collect();
            let (lower, upper) = ([-1.0, -1.0], [1.0, 1.0]);
            let mut lines: Vec<(Vec<f64>, f64)> = half_spaces.iter().map(|h| (h.normal.clone(), h.offset)).collect();
            for i in 0..2 {
                for sign in [1.0, -1.0] {
                    let mut normal = vec![0.0; 2];
                    normal[i] = sign;
                    lines.push((normal, -1.0));
                }
            }
            let mut least = f64::INFINITY;
            for (i, (g, d)) in lines.iter().enumerate() {
                for (h, e) in &lines[..i] {
                    let det = g[0] * h[1] - g[1] * h[0];
                    if det.abs() < 1e-9 {
                        continue;
                    }
                    let x = [(-d * h[1] + e * g[1]) / det, (-e * g[0] + d * h[0]) / det];
                    if lines.iter().all(|(g, d)| g[0] * x[0] + g[1] * x[1] + d <= 1e-9) {
                        least = least.min(c[0] * x[0] + c[1] * x[1]);
                    }
                }
            }
            match multipliers(&c, (&lower, &upper), &half_spaces) {
                Outcome::Best(found, x) => {
                    assert!((c[0] * x[0] + c[1] * x[1] - least).abs() < 1e-6, "attained at {x:?}");
                    let found = bound(&c, (&lower, &upper), &half_spaces, &found);
                    assert!((found - least).abs() < 1e-6, "{found} against {least}");
                    cut_off += usize::from(least > -c[0].abs() - c[1].abs() + 1e-6);
                }
                Outcome::Empty(ray) => {
                    assert!(ray.iter().all(|b| *b >= 0.0));
                    assert!(bound(&[0.0; 2], (&lower, &upper), &half_spaces, &ray) > 0.0);
                    assert!(least == f64::INFINITY, "a corner at {least} is inside");
                    empty += 1;
                }
            }
        }
        assert!(empty > 100 && cut_off > 100, "{empty} without a point, {cut_off} in which half-spaces matter");
    }
}
