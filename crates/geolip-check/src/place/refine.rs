//! Better lines for backward linear bounds: the slopes of the lines below free ReLUs, optimised per bound (K. Xu et al., *Fast
//! and complete: enabling complete verification with rapid and massively parallel incomplete verifiers*, ICLR 2021: α-CROWN).
//!
//! relu(s) ≥ a·s holds for every a ∈ \[0, 1\], so every step gives bounds that are as rigorous as the first, and the best one of
//! each neuron counts. The derivative of a bound in one slope a is Λ⁺·h at the minimiser: the coefficient that meets the
//! neuron, times the pre-activation that the chosen lines give at the input where the bound is attained. Steps have the sign of
//! it and shrink. Not rigorous and not trusted: which slopes are tried.

use crate::matrix::{Matrix, Store};
use crate::network::{NodeId, Op};
use crate::place::backward::{Backward, Fixed};

/// The first step and the ratio of the next to it.
const STEP: f64 = 0.4;
const SHRINK: f64 = 0.75;

impl Backward<'_> {
    /// As [`Backward::minima`], improved for so many steps.
    pub(crate) fn refined(&self, node: NodeId, start: &Matrix, steps: usize) -> Vec<f64> {
        let k = start.cols();
        let mut slopes: Vec<Option<Matrix>> = self.fixed[..node.index()]
            .iter()
            .map(|fixed| match fixed {
                Fixed::Activation { lines, free, .. } if free.iter().any(|free| *free) => {
                    Some(Matrix::from_fn(lines.len(), k, |i, _| lines[i].lower.slope))
                }
                Fixed::Activation { .. } | Fixed::Combination { .. } | Fixed::Affine { .. } | Fixed::Input => None,
            })
            .collect();
        slopes.resize(node.index() + 1, None);
        if slopes.iter().all(Option::is_none) {
            return self.minima(node, start.clone());
        }
        let mut best = vec![f64::NEG_INFINITY; k];
        let mut step = STEP;
        for round in 0..=steps {
            let (lower, met) = self.pass(node, start.clone(), Some(&slopes));
            best.iter_mut().zip(&lower).for_each(|(best, lower)| *best = best.max(*lower));
            if round == steps {
                break;
            }
            let values = self.attained(node, &met, &slopes, k);
            for (index, slopes) in slopes.iter_mut().enumerate() {
                let (Some(slopes), Fixed::Activation { free, .. }) = (slopes, &self.fixed[index]) else { continue };
                let (Op::Activate { parent, .. }, Some(own)) = (&self.network.nodes()[index].op, &met[index]) else {
                    continue;
                };
                let Some(h) = &values[parent.index()] else { continue };
                for i in (0..free.len()).filter(|i| free[*i]) {
                    let rows = slopes.row_mut(i).iter_mut().zip(own.row(i)).zip(h.row(i));
                    for ((a, coefficient), h) in rows {
                        if *coefficient > 0.0 && *h != 0.0 {
                            *a = (*a + step * h.signum()).clamp(0.0, 1.0);
                        }
                    }
                }
            }
            step *= SHRINK;
        }
        best
    }

    /// What the chosen lines make of every node at the inputs where the bounds are attained, one column each.
    fn attained(
        &self,
        node: NodeId,
        met: &[Option<Matrix>],
        slopes: &[Option<Matrix>],
        k: usize,
    ) -> Vec<Option<Matrix>> {
        let mut values: Vec<Option<Matrix>> = vec![None; node.index() + 1];
        values[0] = Some(match &met[0] {
            Some(coefficients) => self.minimisers(coefficients),
            None => {
                let centre = self.region.centre();
                Matrix::from_fn(centre.len(), k, |i, _| centre[i])
            }
        });
        for index in 1..node.index() {
            let Some(own) = &met[index] else { continue };
            values[index] = match (&self.network.nodes()[index].op, &self.fixed[index]) {
                (Op::Affine { terms, bias }, _) => {
                    let mut sum = Matrix::from_fn(own.rows(), k, |i, _| bias.as_ref().map_or(0.0, |bias| bias[i]));
                    for term in terms {
                        if let Some(from) = &values[term.parent.index()] {
                            term.map.forward(from, Store::Add, &mut sum);
                        }
                    }
                    Some(sum)
                }
                (Op::Activate { parent, .. }, Fixed::Activation { lines, free, .. }) => {
                    values[parent.index()].as_ref().map(|h| {
                        Matrix::from_fn(own.rows(), k, |i, j| match (own.at(i, j) >= 0.0, &slopes[index]) {
                            (true, Some(slopes)) if free[i] => slopes.at(i, j) * h.at(i, j),
                            (true, _) => lines[i].lower.slope * h.at(i, j) + lines[i].lower.offset,
                            (false, _) => lines[i].upper.slope * h.at(i, j) + lines[i].upper.offset,
                        })
                    })
                }
                (Op::Combine { parents: [p, q], combination }, _) => {
                    let both = values[p.index()].as_ref().zip(values[q.index()].as_ref());
                    both.map(|(p, q)| {
                        Matrix::from_fn(own.rows(), k, |i, j| combination.value([p.at(i, j), q.at(i, j)]))
                    })
                }
                (Op::Input | Op::Activate { .. }, _) => None,
            };
        }
        values
    }

    /// The point of the region that is lowest along every column.
    fn minimisers(&self, coefficients: &Matrix) -> Matrix {
        let (lower, upper) = (self.region.lower(), self.region.upper());
        let Some(ball) = self.region.ball() else {
            return Matrix::from_fn(coefficients.rows(), coefficients.cols(), |i, j| {
                if coefficients.at(i, j) >= 0.0 { lower[i] } else { upper[i] }
            });
        };
        let mut squares = vec![0.0; coefficients.cols()];
        for i in 0..coefficients.rows() {
            let unit = ball.unit_of(i);
            squares.iter_mut().zip(coefficients.row(i)).for_each(|(s, a)| *s += (a * unit).powi(2));
        }
        Matrix::from_fn(coefficients.rows(), coefficients.cols(), |i, j| {
            let length = squares[j].sqrt();
            let unit = ball.unit_of(i);
            let along = if length > 0.0 { coefficients.at(i, j) * unit / length * unit } else { 0.0 };
            (ball.centre[i] - ball.radius * along).clamp(lower[i], upper[i])
        })
    }
}
