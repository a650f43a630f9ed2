//! Products with matrices, and normalisation by stored statistics.

use super::Outputs;
use super::array::{Array, common};
use super::node::Node;

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    Some(match node.operator() {
        "MatMul" => matmul(node),
        "Gemm" => gemm(node),
        "BatchNormalization" => batch_normalisation(node),
        _ => return None,
    })
}

/// Products of the last two axes, the axes before spread over each other; a vector is a row on the left, a column on the right.
pub(super) fn matmul(node: &Node<'_>) -> Outputs {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let row = if a.shape.len() == 1 { a.with_shape(vec![1, a.shape[0]])? } else { a.clone() };
    let column = if b.shape.len() == 1 { b.with_shape(vec![b.shape[0], 1])? } else { b.clone() };
    let (before_a, [m, k]) = row.shape.split_last_chunk().ok_or("a product of numbers")?;
    let (before_b, [l, n]) = column.shape.split_last_chunk().ok_or("a product of numbers")?;
    if k != l {
        return Err(format!("the product of shapes {:?} and {:?}", a.shape, b.shape));
    }
    let outer = common(before_a, before_b)?;
    let (p, q) = (row.spread(&[&outer[..], &[*m, *k]].concat()), column.spread(&[&outer[..], &[*l, *n]].concat()));
    let count: usize = outer.iter().product();
    let round = if b.constant { a.rounding() } else { |v| v };
    let mut data = vec![0.0; count * m * n];
    for o in 0..count {
        for i in 0..*m {
            for j in 0..*k {
                let factor = p.data[(o * m + i) * k + j];
                for c in 0..*n {
                    let place = &mut data[(o * m + i) * n + c];
                    *place = round(*place + round(factor * q.data[(o * k + j) * n + c]));
                }
            }
        }
    }
    let mut shape = outer;
    shape.extend((a.shape.len() > 1).then_some(*m));
    shape.extend((b.shape.len() > 1).then_some(*n));
    Ok(vec![Array::new(shape, data, a.kind)])
}

/// alpha·A·B + beta·C, A and B possibly transposed.
pub(super) fn gemm(node: &Node<'_>) -> Outputs {
    let (a, b) = (node.input(0)?, node.input(1)?);
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let (turn_a, turn_b) = (node.int("transA", 0) != 0, node.int("transB", 0) != 0);
    let (&[p, q], &[r, s]) = (a.shape.as_slice(), b.shape.as_slice()) else { return Err("no matrices".to_owned()) };
    let ((m, k), (l, n)) = (if turn_a { (q, p) } else { (p, q) }, if turn_b { (s, r) } else { (r, s) });
    if k != l {
        return Err(format!("the product of shapes {:?} and {:?}", a.shape, b.shape));
    }
    let entry =
        |array: &Array, turned: bool, i: usize, j: usize| if turned { array.at(&[j, i]) } else { array.at(&[i, j]) };
    let shift = node.optional(2).map(|c| c.spread(&[m, n]));
    Ok(vec![Array::filled(vec![m, n], a.kind, |index| {
        let (i, j) = (index[0], index[1]);
        let product: f64 = (0..k).map(|t| entry(a, turn_a, i, t) * entry(b, turn_b, t, j)).sum();
        alpha * product + shift.as_ref().map_or(0.0, |c| beta * c.at(&[i, j]))
    })])
}

fn batch_normalisation(node: &Node<'_>) -> Outputs {
    let x = node.input(0)?;
    let (scale, shift, mean, variance) = (node.input(1)?, node.input(2)?, node.input(3)?, node.input(4)?);
    let epsilon = node.float("epsilon", 1e-5);
    Ok(vec![Array::filled(x.shape.clone(), x.kind, |index| {
        let c = index[1];
        (x.at(index) - mean.data[c]) / (variance.data[c] + epsilon).sqrt() * scale.data[c] + shift.data[c]
    })])
}
