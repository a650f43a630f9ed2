//! Neurons that are constant around an input, *proved*: whatever their slopes there, no gradient depends on them.
//!
//! Two proofs. *By paths*: no path of non-zero weights and of slopes that may differ from zero leads from the input to the
//! neuron. *By exact arithmetic*, for few inputs: the derivative of the pre-activation, Σ over such paths, is computed in
//! sums of which not a digit is lost (products as two numbers, sums as several); where that cannot be had, nothing is said. A
//! derivative that plain floating point finds to be 0 proves nothing: 10¹⁶ + 1 − 10¹⁶ is 0, too.

use super::proved::ProvedSlopes;
use super::tuning::FEW_INPUTS;
use super::tuning::constant::MOST_WORK;
use crate::matrix::Matrix;
use crate::network::LinearMap;
use crate::rounding::two_sum;
use crate::slopes::{SlopeNetwork, SlopeOp};

/// Closes the open slopes of neurons that are proved to be constant around the input: they become 0.
pub(super) fn close_constant(network: &SlopeNetwork, slopes: &mut ProvedSlopes) {
    by_paths(network, slopes);
    let work = network.multiply_adds().saturating_mul(network.inputs());
    if slopes.is_open() && network.inputs() <= FEW_INPUTS && work <= MOST_WORK {
        by_exact_arithmetic(network, slopes);
    }
}

fn by_paths(network: &SlopeNetwork, slopes: &mut ProvedSlopes) {
    let parents: Vec<_> = network.layers().map(|(_, parent)| parent).collect();
    // 1 where a path leads: |A|1 is positive wherever a weight is not 0, for sums of positive numbers do not vanish
    let sign = |moves: bool| if moves { 1.0 } else { 0.0 };
    let ones = Matrix::from_fn(network.inputs(), 1, |_, _| 1.0);
    let reached = |map: &LinearMap, x: &Matrix, into, y: &mut Matrix| {
        map.abs_forward(&Matrix::from_fn(x.rows(), 1, |i, _| sign(x.at(i, 0) != 0.0)), into, y);
    };
    let moving = network.push_forward(&ones, reached, |layer, h| {
        let (v, open) = (&slopes.v[layer], &slopes.open[layer]);
        Matrix::from_fn(h.rows(), 1, |i, _| sign(h.at(i, 0) != 0.0 && !(v[i] == 0.0 && open[i] == 0.0)))
    });
    for (layer, parent) in parents.into_iter().enumerate() {
        for (i, moves) in moving.of(parent).data().iter().enumerate().filter(|(_, moves)| **moves == 0.0) {
            debug_assert!(!moves.is_nan(), "sums of zeros and ones times finite weights");
            (slopes.v[layer][i], slopes.open[layer][i]) = (0.0, 0.0);
        }
    }
}

/// The derivatives of one entry with respect to every input, exactly; none where they are not known.
type Row = Option<Vec<f64>>;

fn by_exact_arithmetic(network: &SlopeNetwork, slopes: &mut ProvedSlopes) {
    let n = network.inputs();
    let is_zero = |row: &Vec<f64>| row.iter().all(|r| *r == 0.0);
    let mut nodes: Vec<Vec<Row>> = Vec::with_capacity(network.nodes().len());
    let mut layer = 0;
    for node in network.nodes() {
        nodes.push(match &node.op {
            SlopeOp::Input => (0..n).map(|i| Some((0..n).map(|p| if i == p { 1.0 } else { 0.0 }).collect())).collect(),
            SlopeOp::Affine { terms } => {
                let maps: Vec<_> = terms.iter().map(|t| (t.map.to_sparse(), &nodes[t.parent.index()])).collect();
                let row = |i: usize| -> Row {
                    let entries = || maps.iter().flat_map(|(map, rows)| map.row(i).map(move |(j, w)| (w, &rows[j])));
                    let known: Vec<(f64, &Vec<f64>)> =
                        entries().map(|(w, row)| Some((w, row.as_ref()?))).collect::<Option<_>>()?;
                    (0..n).map(|p| exact_sum(known.iter().map(|(w, row)| (*w, row[p])))).collect()
                };
                (0..node.len).map(row).collect()
            }
            SlopeOp::Neurons { parent } => {
                let own = nodes[parent.index()].iter().enumerate().map(|(i, row)| {
                    let (v, open) = (&mut slopes.v[layer][i], &mut slopes.open[layer][i]);
                    let row = row.as_ref()?;
                    if is_zero(row) {
                        (*v, *open) = (0.0, 0.0);
                        return Some(row.clone());
                    }
                    if *open > 0.0 {
                        return None;
                    }
                    row.iter().map(|r| exact_sum([(*v, *r)].into_iter())).collect()
                });
                let own = own.collect();
                layer += 1;
                own
            }
        });
    }
}

/// Products of numbers whose product is at least this large have their last digit in range.
const LEAST_PRODUCT: f64 = 1e-290;

/// Σ ab, if that is a double and can be had without losing a digit on the way.
fn exact_sum(products: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    // numbers whose sum is exact, none of them zero (J. R. Shewchuk, Discrete Comput. Geom. 18, 1997)
    let mut parts: Vec<f64> = Vec::new();
    for (a, b) in products.filter(|(a, b)| *a != 0.0 && *b != 0.0) {
        let product = a * b;
        if !(product.abs() >= LEAST_PRODUCT && product.is_finite()) {
            return None;
        }
        for mut carried in [a.mul_add(b, -product), product] {
            let mut kept = Vec::with_capacity(parts.len() + 1);
            for part in parts {
                let (sum, rest) = two_sum(carried, part);
                if rest != 0.0 {
                    kept.push(rest);
                }
                carried = sum;
            }
            if carried != 0.0 {
                kept.push(carried);
            }
            parts = kept;
        }
    }
    // the largest first: what is left over has to be nothing
    let sum = parts.iter().rev().fold((0.0, 0.0_f64), |(sum, lost), part| {
        let (sum, rest) = two_sum(sum, *part);
        (sum, lost.max(rest.abs()))
    });
    (sum.1 == 0.0 && sum.0.is_finite()).then_some(sum.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_or_none() {
        let sum = |terms: &[(f64, f64)]| exact_sum(terms.iter().copied());
        assert_eq!(sum(&[(1e16, 1.0), (1.0, 1.0), (-1e16, 1.0)]), Some(1.0));
        assert_eq!(sum(&[(0.1, 0.3), (-0.3, 0.1)]), Some(0.0));
        assert_eq!(sum(&[(0.1, 0.3)]), None);
        assert_eq!(sum(&[(1e-200, 1e-200), (-1e-200, 1e-200)]), None);
        assert_eq!(sum(&[(1e200, 1e200), (-1e200, 1e200)]), None);
        assert_eq!(sum(&[(1e300, 1.0), (1e-200, 1.0), (-1e300, 1.0)]), Some(1e-200));
        assert_eq!(sum(&[]), Some(0.0));
        assert_eq!(sum(&[(0.0, 1e300)]), Some(0.0));
    }
}
