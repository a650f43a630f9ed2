//! How large a Jacobian is, exactly: its norm as the root of a quotient of dyadic numbers.

use crate::exact::{Dyadic, Number, Wide};
use geolip::{Functional, InputNorm, OutputNorm};

/// √(square / over): what a bound is compared with.
#[derive(Clone, Debug)]
pub struct Size {
    square: Dyadic,
    over: Dyadic,
}

impl Size {
    /// Whether it is larger than this number.
    pub fn exceeds(&self, bound: f64) -> bool {
        if bound.is_nan() || bound < 0.0 {
            return true; // no bound at all
        }
        bound.is_finite() && self.square > Dyadic::of(bound).square().times(&self.over)
    }

    /// Whether it is smaller than this number.
    pub fn is_below(&self, claim: f64) -> bool {
        !claim.is_finite() || claim > 0.0 && self.square < Dyadic::of(claim).square().times(&self.over)
    }

    /// Rounded.
    pub fn near(&self) -> Wide {
        let (square, over) = (self.square.wide(), self.over.wide());
        Wide::new(square.mantissa / over.mantissa, square.exponent - over.exponent).root()
    }

    /// The larger one.
    pub fn max(self, other: Self) -> Self {
        if self.square.times(&other.over) < other.square.times(&self.over) { other } else { self }
    }
}

/// Lower bounds of ℓp norms give up this much relatively: powers, their sum and the root.
const POWERS: f64 = 1e-11;

/// ‖g‖ in the dual of the norm over ‖u‖₂ where `over` is that squared; in ℓp a number a little below.
fn dual(norm: InputNorm, g: &[Dyadic], over: Dyadic) -> Size {
    let sizes = || g.iter().map(Dyadic::abs);
    let square = match norm {
        InputNorm::Linf => sizes().fold(Dyadic::zero(), |sum, v| sum.plus(&v)).square(),
        InputNorm::L1 => sizes().max().unwrap_or_else(Dyadic::zero).square(),
        InputNorm::L2 => g.iter().fold(Dyadic::zero(), |sum, v| sum.plus(&v.square())),
        InputNorm::Lp(_) => {
            let (exponent, entries) = plain(&[g.to_vec()]);
            let value = norm.dual(entries[0].iter().copied()) * (1.0 - POWERS);
            let scale = Dyadic::of(2f64.powi((exponent % 1000) as i32));
            let thousands = Dyadic::of(2f64.powi(if exponent < 0 { -1000 } else { 1000 }));
            let scale = (0..(exponent / 1000).abs()).fold(scale, |s, _| s.times(&thousands));
            Dyadic::of(value).times(&scale).square()
        }
    };
    Size { square, over }
}

/// Σ uᵢ rowᵢ.
pub fn combine(rows: &[Vec<Dyadic>], u: &[(usize, f64)]) -> Vec<Dyadic> {
    let mut sum = vec![Dyadic::zero(); rows.first().map_or(0, Vec::len)];
    for (i, u) in u {
        let u = Dyadic::of(*u);
        sum.iter_mut().zip(&rows[*i]).for_each(|(s, r)| *s = s.plus(&u.times(r)));
    }
    sum
}

/// The vectors u whose ‖Jᵀu‖/‖u‖ is looked at, and whether the last needs a division by ‖u‖₂.
type Directions = (Vec<Vec<(usize, f64)>>, bool);

/// All u that matter, for ℓ2 of the output those that an alternation finds. `None` where the output does not exist.
pub fn directions(norm: InputNorm, functional: &Functional, plain: &[Vec<f64>]) -> Option<Directions> {
    let m = plain.len();
    let exists = |i: usize| i < m;
    Some(match functional {
        Functional::Output(i) if exists(*i) => (vec![vec![(*i, 1.0)]], false),
        Functional::Margin(i, j) if exists(*i) && exists(*j) => (vec![vec![(*i, 1.0), (*j, -1.0)]], false),
        Functional::Vector(u) if u.numbers().len() == m => {
            (vec![u.numbers().iter().copied().enumerate().collect()], false)
        }
        Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => None?,
        Functional::Norm(OutputNorm::Linf) => ((0..m).map(|i| vec![(i, 1.0)]).collect(), false),
        Functional::Norm(OutputNorm::L1) => {
            let signs = |bits: usize| (0..m).map(|i| (i, if bits >> i & 1 == 1 { -1.0 } else { 1.0 })).collect();
            ((0..1_usize << m.saturating_sub(1).min(6)).map(signs).collect(), false)
        }
        // in ℓ1 one input moves: the columns of J, of which the longest is its own u
        Functional::Norm(OutputNorm::L2) if norm == InputNorm::L1 => {
            let column = |p: usize| plain.iter().map(|row| row[p]).enumerate().collect::<Vec<(usize, f64)>>();
            let columns = (0..plain.first().map_or(0, Vec::len)).map(column);
            (columns.filter(|u| u.iter().any(|(_, v)| *v != 0.0)).collect(), true)
        }
        Functional::Norm(OutputNorm::L2) => ((0..m).filter_map(|i| alternate(norm, plain, i)).collect(), true),
    })
}

/// Squarings that make a power of JJᵀ: singular values that differ by one part in 2²⁰ are told apart.
const SQUARINGS: usize = 24;

/// A column of a high power of JJᵀ, scaled: close to a largest left singular vector, unless that is orthogonal to the unit vector.
fn power(rows: &[Vec<f64>], start: usize) -> Vec<f64> {
    let product = |a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let of = |r: &Vec<f64>| b.iter().map(|s| r.iter().zip(s).map(|(r, s)| r * s).sum()).collect();
        a.iter().map(of).collect()
    };
    let scaled = |g: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
        let most = g.iter().flatten().fold(0.0, |most: f64, v| most.max(v.abs()));
        if most > 0.0 { g.iter().map(|row| row.iter().map(|v| v / most).collect()).collect() } else { g }
    };
    let gram = scaled(product(rows, rows));
    let high = (0..SQUARINGS).fold(gram, |g, _| scaled(product(&g, &g)));
    high.into_iter().map(|row| row[start]).collect()
}

/// A maximiser of ‖Jᵀu‖/‖u‖₂ from the i-th unit vector, by alternation: any u makes a lower bound.
fn alternate(norm: InputNorm, rows: &[Vec<f64>], start: usize) -> Option<Vec<(usize, f64)>> {
    let mut u: Vec<f64> = (0..rows.len()).map(|i| if i == start { 1.0 } else { 0.0 }).collect();
    if norm == InputNorm::L2 {
        let near = power(rows, start);
        if near.iter().any(|v| *v != 0.0) && near.iter().all(|v| v.is_finite()) {
            u = near; // steps alone are slow where singular values are close
        }
    }
    for _ in 0..40 {
        let g: Vec<f64> = (0..rows[0].len()).map(|p| rows.iter().zip(&u).map(|(r, u)| r[p] * u).sum()).collect();
        let most = g.iter().map(|v: &f64| v.abs()).fold(0.0, f64::max);
        let x = |v: &f64| match norm {
            InputNorm::Linf => v.signum(),
            InputNorm::L2 => v / most,
            InputNorm::L1 => f64::from(v.abs() == most) * v.signum(),
            InputNorm::Lp(p) => v.signum() * (v.abs() / most).powf(1.0 / (p.get() - 1.0)),
        };
        if most == 0.0 {
            return None;
        }
        let x: Vec<f64> = g.iter().map(x).collect();
        let next: Vec<f64> = rows.iter().map(|r| r.iter().zip(&x).map(|(r, x)| r * x).sum()).collect();
        let largest = next.iter().map(|v: &f64| v.abs()).fold(0.0, f64::max);
        if largest == 0.0 || !largest.is_finite() {
            return None;
        }
        u = next.iter().map(|v| v / largest).collect();
    }
    Some(u.into_iter().enumerate().collect())
}

/// The norm of a Jacobian, from below: exactly, but for ℓp and for ℓ2 of the output.
pub fn of_jacobian(norm: InputNorm, functional: &Functional, rows: &[Vec<Dyadic>]) -> Option<Size> {
    let (_, entries) = plain(rows);
    let (directions, divided) = directions(norm, functional, &entries)?;
    let one = |u: &Vec<(usize, f64)>| {
        let over = match divided {
            true => u.iter().fold(Dyadic::zero(), |sum, (_, u)| sum.plus(&Dyadic::of(*u).square())),
            false => Dyadic::of(1.0),
        };
        dual(norm, &combine(rows, u), over)
    };
    let nothing = Size { square: Dyadic::zero(), over: Dyadic::of(1.0) };
    Some(directions.iter().map(one).fold(nothing, Size::max))
}

/// Whether [`of_jacobian`] is the norm itself.
pub fn is_exact(norm: InputNorm, functional: &Functional) -> bool {
    !matches!(norm, InputNorm::Lp(_)) && *functional != Functional::Norm(OutputNorm::L2)
}

/// The same in plain numbers, as m·2ᵉ with all entries at most 1: to choose by.
pub fn nearly(norm: InputNorm, functional: &Functional, exponent: i64, rows: &[Vec<f64>]) -> Option<Wide> {
    let (directions, divided) = directions(norm, functional, rows)?;
    let one = |u: &Vec<(usize, f64)>| {
        let g: Vec<f64> = (0..rows[0].len()).map(|p| u.iter().map(|(i, u)| rows[*i][p] * u).sum()).collect();
        let over = if divided { u.iter().map(|(_, u)| u * u).sum::<f64>().sqrt() } else { 1.0 };
        norm.dual(g.into_iter()) / over
    };
    let value = directions.iter().map(one).fold(0.0, f64::max);
    value.is_finite().then(|| Wide::new(value, exponent))
}

/// Rows with a common exponent taken out: their largest entry is between ½ and 2.
pub fn plain(rows: &[Vec<Dyadic>]) -> (i64, Vec<Vec<f64>>) {
    let wide: Vec<Vec<Wide>> = rows.iter().map(|row| row.iter().map(Dyadic::wide).collect()).collect();
    plain_of_wide(&wide)
}

/// The same of wide numbers.
pub fn plain_of_wide(rows: &[Vec<Wide>]) -> (i64, Vec<Vec<f64>>) {
    let all = rows.iter().flatten().filter(|w| w.mantissa != 0.0);
    let exponent = all.map(|w| w.exponent).max().unwrap_or(0);
    let entry = |w: &Wide| Wide { mantissa: w.mantissa, exponent: w.exponent - exponent }.near();
    (exponent, rows.iter().map(|row| row.iter().map(entry).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[f64]]) -> Vec<Vec<Dyadic>> {
        rows.iter().map(|row| row.iter().map(|v| Dyadic::of(*v)).collect()).collect()
    }

    #[test]
    fn norms_are_compared_without_slack() {
        let j = rows(&[&[3.0, -4.0], &[1e-300, 0.0]]);
        let size = |norm: InputNorm, functional: &Functional| of_jacobian(norm, functional, &j).expect("exists");
        let first = Functional::output(0);
        for (norm, value) in [(InputNorm::L2, 5.0_f64), (InputNorm::Linf, 7.0), (InputNorm::L1, 4.0)] {
            let size = size(norm, &first);
            assert!(!size.exceeds(value) && size.exceeds(value.next_down()), "{norm}");
            assert!(!size.is_below(value) && size.is_below(value.next_up()), "{norm}");
        }
        let both = size(InputNorm::Linf, &Functional::Norm(OutputNorm::L1));
        assert!(both.exceeds(7.0) && !both.exceeds(7.0_f64.next_up()), "7 + 1e-300");
        let largest = size(InputNorm::L2, &Functional::Norm(OutputNorm::L2));
        assert!((largest.near().near() - 5.0).abs() < 1e-14);
        let p = size(InputNorm::from_exponent(4.0).expect("a norm"), &first);
        assert!((p.near().near() / (3f64.powf(4.0 / 3.0) + 4f64.powf(4.0 / 3.0)).powf(0.75) - 1.0).abs() < 1e-10);
        assert!(of_jacobian(InputNorm::L2, &Functional::output(2), &j).is_none());
        assert!(size(InputNorm::L2, &first).exceeds(f64::NAN) && !size(InputNorm::L2, &first).exceeds(f64::INFINITY));
    }

    #[test]
    fn close_singular_values_are_told_apart() {
        // σ² = 1 + ε²/2 ± ε√(1 + ε²/4)
        let e = 2f64.powi(-6);
        let j = rows(&[&[1.0, 0.0], &[-e, 1.0]]);
        let size = of_jacobian(InputNorm::L2, &Functional::Norm(OutputNorm::L2), &j).expect("exists");
        let largest = e / 2.0 + (1.0 + e * e / 4.0).sqrt();
        assert!((size.near().near() / largest - 1.0).abs() < 1e-14);
    }

    #[test]
    fn in_l1_the_longest_column_counts() {
        // no entry of the longest column is the largest of its row
        let j = rows(&[&[0.0, 3.375, -3.0], &[3.5, 0.0, -2.0]]);
        let size = of_jacobian(InputNorm::L1, &Functional::Norm(OutputNorm::L2), &j).expect("exists");
        let root = 13.0_f64.sqrt();
        assert!(size.exceeds(root * (1.0 - 1e-15)) && size.is_below(root * (1.0 + 1e-15)));
    }

    #[test]
    fn tiny_norms_are_no_zeros() {
        let j = rows(&[&[5e-324, 5e-324]]);
        let size = of_jacobian(InputNorm::L2, &Functional::output(0), &j).expect("exists");
        assert!(size.exceeds(5e-324) && !size.exceeds(1e-323) && size.exceeds(0.0));
    }
}
