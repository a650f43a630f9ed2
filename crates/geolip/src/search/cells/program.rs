//! A point well inside half-spaces, or those among them that leave none: a linear program in few unknowns, by the simplex method.
//!
//! > minimise Σ bₖ λₖ  over  λ ≥ 0 with Σ λₖ = 1 and Σ λₖ aₖ = 0
//!
//! is the dual of: the largest t with aₖ·x + bₖ ≥ t for all k, where aₖ has length 1. If there is no such λ, then half-spaces reach inside without
//! end; if the least is above zero, its multipliers are a point; else its λ names the half-spaces that leave no interior, at most one more than
//! there are inputs, and their normals depend on each other in one way, as λ is a corner. Nothing here is rigorous.

/// An entry that counts as zero.
const ZERO: f64 = 1e-9;
/// A width that counts as none.
const NONE: f64 = 1e-9;
/// Steps per row and column, at most.
const STEPS: usize = 20;

/// What half-spaces have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Inside {
    /// A point.
    Point(Vec<f64>),
    /// Nothing, because of these.
    Nothing(Vec<usize>),
}

/// Rows are a, then b: a·x + b ≥ 0. None where the program gets nowhere.
pub(super) fn inside(rows: &[&[f64]], inputs: usize) -> Option<Inside> {
    let mut table = Table::new(rows, inputs)?;
    if table.count == 0 {
        return Some(Inside::Point(vec![0.0; inputs]));
    }
    table.minimise(true)?;
    if table.value() > ZERO {
        // y·(aₖ, 1) ≤ 0 for all k, and its last number is above zero
        let y = table.duals(1.0);
        let last = y[inputs];
        let direction: Vec<f64> = y[..inputs].iter().map(|v| -v / last).collect();
        // (one step along it gains at least 1 in every half-space of length 1)
        let reach = 2.0 * table.rows.iter().map(|row| row[inputs].abs()).fold(0.0, f64::max) + 1.0;
        return Some(Inside::Point(direction.iter().map(|d| table.scale * d * reach).collect()));
    }
    table.leave_artificial();
    table.minimise(false)?;
    if table.value() > NONE {
        return Some(Inside::Point(table.duals(0.0)[..inputs].iter().map(|y| -table.scale * y).collect()));
    }
    let mut named: Vec<usize> = table.corner().filter(|(_, v)| *v > ZERO).map(|(k, _)| k).collect();
    named.sort_unstable();
    Some(Inside::Nothing(named))
}

/// A tableau: the rows of the program, with its columns λ, then one that is artificial per row, then the right-hand side.
struct Table {
    /// The half-spaces, with normals of length 1 and b divided by `scale`.
    rows: Vec<Vec<f64>>,
    scale: f64,
    count: usize,
    /// inputs + 1
    height: usize,
    t: Vec<Vec<f64>>,
    basis: Vec<usize>,
    costs: Vec<f64>,
}

impl Table {
    fn new(rows: &[&[f64]], inputs: usize) -> Option<Self> {
        let mut own = Vec::with_capacity(rows.len());
        for row in rows {
            let largest = row[..inputs].iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            let length = row[..inputs].iter().map(|v| (v / largest).powi(2)).sum::<f64>().sqrt() * largest;
            let length = if largest > 0.0 { length } else { 1.0 };
            own.push(row.iter().map(|v| v / length).collect::<Vec<f64>>());
        }
        let scale = own.iter().map(|row| row[inputs].abs()).fold(0.0, f64::max);
        let scale = if scale > 0.0 { scale } else { 1.0 };
        own.iter_mut().for_each(|row| row[inputs] /= scale);
        if own.iter().flatten().any(|v| !v.is_finite()) || !scale.is_finite() {
            return None;
        }
        let (count, height) = (own.len(), inputs + 1);
        let width = count + height + 1;
        let mut t = vec![vec![0.0; width]; height];
        for (k, row) in own.iter().enumerate() {
            (0..inputs).for_each(|i| t[i][k] = row[i]);
            t[inputs][k] = 1.0;
        }
        for (i, line) in t.iter_mut().enumerate() {
            line[count + i] = 1.0;
        }
        t[inputs][width - 1] = 1.0;
        let basis = (count..count + height).collect();
        Some(Self { rows: own, scale, count, height, t, basis, costs: vec![0.0; width] })
    }

    /// The reduced costs of a phase, the value negated in the last place.
    fn price(&mut self, first: bool) {
        let cost = |k: usize| match first {
            true => f64::from(u8::from(k >= self.count)),
            false if k < self.count => self.rows[k][self.height - 1],
            false => 0.0,
        };
        let width = self.count + self.height + 1;
        self.costs = (0..width).map(|k| if k + 1 < width { cost(k) } else { 0.0 }).collect();
        for (line, basic) in self.t.iter().zip(&self.basis) {
            let c = cost(*basic);
            self.costs.iter_mut().zip(line).for_each(|(cost, v)| *cost -= c * v);
        }
    }

    fn value(&self) -> f64 {
        -self.costs[self.count + self.height]
    }

    /// The multipliers of the rows; artificial columns cost so much.
    fn duals(&self, artificial: f64) -> Vec<f64> {
        self.costs[self.count..self.count + self.height].iter().map(|c| artificial - c).collect()
    }

    fn corner(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let last = self.count + self.height;
        let basic = self.basis.iter().zip(&self.t).map(move |(k, line)| (*k, line[last]));
        basic.filter(|(k, _)| *k < self.count)
    }

    fn pivot(&mut self, i: usize, k: usize) {
        let at = self.t[i][k];
        self.t[i].iter_mut().for_each(|v| *v /= at);
        let line = self.t[i].clone();
        let others = self.t.iter_mut().enumerate().filter(|(other, _)| *other != i).map(|(_, line)| line);
        for other in others.chain(std::iter::once(&mut self.costs)) {
            let factor = other[k];
            if factor != 0.0 {
                other.iter_mut().zip(&line).for_each(|(v, l)| *v -= factor * l);
                other[k] = 0.0;
            }
        }
        self.basis[i] = k;
    }

    /// Artificial columns that are left in the basis, at zero, make way where they can.
    fn leave_artificial(&mut self) {
        for i in 0..self.height {
            if self.basis[i] >= self.count {
                let best = (0..self.count).max_by(|j, k| self.t[i][*j].abs().total_cmp(&self.t[i][*k].abs()));
                if let Some(k) = best.filter(|k| self.t[i][*k].abs() > ZERO) {
                    self.pivot(i, k);
                }
            }
        }
    }

    /// Goes on to the least; the largest gain first, and the first column there is where that takes long.
    fn minimise(&mut self, first: bool) -> Option<()> {
        self.price(first);
        let last = self.count + self.height;
        let patience = STEPS * (self.count + self.height);
        for step in 0..2 * patience {
            let gains = (0..self.count).filter(|k| self.costs[*k] < -ZERO);
            let entering = match step < patience {
                true => gains.min_by(|j, k| self.costs[*j].total_cmp(&self.costs[*k])),
                false => gains.min(),
            };
            let Some(k) = entering else { return Some(()) };
            let mut leaving: Option<(f64, usize)> = None;
            for (i, line) in self.t.iter().enumerate().filter(|(_, line)| line[k] > ZERO) {
                let ratio = line[last].max(0.0) / line[k];
                let better = leaving.is_none_or(|(least, other)| {
                    ratio < least - 1e-12 || ratio <= least + 1e-12 && self.basis[i] < self.basis[other]
                });
                if better {
                    leaving = Some((ratio, i));
                }
            }
            self.pivot(leaving?.1, k);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&[f64]]) -> Inside {
        inside(rows, rows[0].len() - 1).expect("solved")
    }

    fn is_inside(rows: &[&[f64]]) -> bool {
        match of(rows) {
            Inside::Point(x) => {
                let slack = |row: &[f64]| row.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>() + row[x.len()];
                rows.iter().all(|row| slack(row) > 0.0)
            }
            Inside::Nothing(_) => false,
        }
    }

    #[test]
    fn points_are_inside_bounded_and_unbounded_parts() {
        assert!(is_inside(&[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[-1.0, -1.0, 1.0]]), "a triangle");
        assert!(is_inside(&[&[1.0, 0.0, -50.0], &[0.0, 1.0, 3.0]]), "a quadrant");
        assert!(is_inside(&[&[1.0, 0.0, 0.5], &[-1.0, 0.0, 0.5]]), "a strip");
        assert!(is_inside(&[&[1e-200, 0.0, -1e-200], &[0.0, 0.0, 5.0]]), "a small number and none");
    }

    #[test]
    fn half_spaces_that_leave_nothing_are_named() {
        let nothing = |rows: &[&[f64]]| match of(rows) {
            Inside::Nothing(named) => named,
            Inside::Point(x) => panic!("{x:?}"),
        };
        let (right, up) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]);
        assert_eq!(nothing(&[&right, &up, &[0.0, 1.0, 7.0], &[-1.0, -1.0, -1.0]]), [0, 1, 3]);
        assert_eq!(nothing(&[&right, &up, &[-2.0, -2.0, 0.0]]), [0, 1, 2], "they meet in a point");
        assert_eq!(nothing(&[&up, &right, &[-3.0, 0.0, 0.0]]), [1, 2], "in a line");
        assert_eq!(nothing(&[&up, &[0.0, 0.0, -1.0]]), [1]);
    }
}
