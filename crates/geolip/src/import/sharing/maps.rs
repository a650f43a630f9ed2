//! Sums of entries of other nodes as terms of an affine node.

use crate::matrix::Matrix;
use crate::network::{Gather, LinearMap, NetworkBuilder, NetworkError, NodeId, Term};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Matrices with at most this many numbers are written out.
const SMALL: usize = 1 << 12;

/// An entry of the new network with a factor.
pub(super) type Place = (NodeId, usize, f64);

/// The terms whose sum has these rows, of which there is at least one; nodes that choose entries are added on the way.
pub(super) fn terms(builder: &mut NetworkBuilder, name: &str, rows: &[Vec<Place>]) -> Result<Vec<Term>, NetworkError> {
    let mut parts: BTreeMap<NodeId, Vec<Vec<(usize, f64)>>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        for (node, column, factor) in row {
            parts.entry(*node).or_insert_with(|| vec![vec![]; rows.len()])[i].push((*column, *factor));
        }
    }
    if parts.is_empty() {
        // constants
        parts.insert(NodeId::INPUT, vec![vec![]; rows.len()]);
    }
    let mut terms = vec![];
    for (parent, rows) in parts {
        add(builder, name, parent, rows, &mut terms)?;
    }
    Ok(terms)
}

/// The terms of one parent.
fn add(
    builder: &mut NetworkBuilder,
    name: &str,
    parent: NodeId,
    mut rows: Vec<Vec<(usize, f64)>>,
    to: &mut Vec<Term>,
) -> Result<(), NetworkError> {
    let cols = builder.len_of(parent);
    let mut push = |parent, map| to.push(Term { parent, map: Arc::new(map) });
    if let Some(map) = plain(cols, &rows) {
        push(parent, map);
        return Ok(());
    }
    if rows.len().saturating_mul(cols) <= SMALL {
        let mut dense = Matrix::zeros(rows.len(), cols);
        for (i, row) in rows.iter().enumerate() {
            row.iter().for_each(|(j, factor)| *dense.at_mut(i, *j) += factor);
        }
        push(parent, LinearMap::Dense(dense));
        return Ok(());
    }
    // one entry of each row after another, the largest factors first: most are 1
    rows.iter_mut().for_each(|row| row.sort_by(|(_, a), (_, b)| a.total_cmp(b)));
    while rows.iter().any(|row| !row.is_empty()) {
        let next: Vec<Option<(usize, f64)>> = rows.iter_mut().map(Vec::pop).collect();
        let gather = Gather::new(cols, next.iter().map(|entry| entry.map(|(column, _)| column)));
        let gather = LinearMap::Gather(gather.expect("the columns are entries of a node"));
        if next.iter().flatten().all(|(_, factor)| *factor == 1.0) {
            push(parent, gather);
        } else {
            let chosen = builder.affine(name, vec![(parent, gather)], None)?;
            push(chosen, LinearMap::Scale(next.iter().map(|entry| entry.map_or(0.0, |(_, factor)| factor)).collect()));
        }
    }
    Ok(())
}

/// A map with at most one entry per row, if it has a form of its own.
fn plain(cols: usize, rows: &[Vec<(usize, f64)>]) -> Option<LinearMap> {
    if rows.iter().any(|row| row.len() > 1) {
        return None;
    }
    let still = rows.len() == cols && rows.iter().enumerate().all(|(i, row)| row.iter().all(|(j, _)| *j == i));
    let ones = rows.iter().flatten().all(|(_, factor)| *factor == 1.0);
    match (still, ones) {
        (true, true) if rows.iter().all(|row| row.len() == 1) => Some(LinearMap::Identity(cols)),
        (true, false) => Some(LinearMap::Scale(rows.iter().map(|row| row.first().map_or(0.0, |(_, f)| *f)).collect())),
        (_, true) => Gather::new(cols, rows.iter().map(|row| row.first().map(|(j, _)| *j))).map(LinearMap::Gather),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_add_up_to_the_rows() {
        for n in [3, 100] {
            let mut b = NetworkBuilder::new(n).expect("inputs");
            let twice = b.affine("twice", vec![(b.input(), LinearMap::Scale(vec![2.0; n]))], None).expect("shapes");
            let rows: Vec<Vec<Place>> = (0..n)
                .map(|i| match i % 3 {
                    0 => vec![(NodeId::INPUT, i, 1.0), (NodeId::INPUT, (i + 1) % n, -1.0), (twice, 0, 0.5)],
                    1 => vec![],
                    _ => vec![(twice, n - 1, -3.0), (twice, i / 2, 0.25), (twice, 0, 1.0)],
                })
                .collect();
            let terms = terms(&mut b, "sum", &rows).expect("rows");
            let y = b.sum("sum", terms, None).expect("shapes");
            let x: Vec<f64> = (0..n).map(|i| ((i * i) as f64).sin()).collect();
            let network = b.finish(y);
            for (row, y) in rows.iter().zip(network.evaluate(&x)) {
                let at = |node: NodeId, j: usize| if node == NodeId::INPUT { x[j] } else { 2.0 * x[j] };
                let expected: f64 = row.iter().map(|(node, j, factor)| factor * at(*node, *j)).sum();
                assert!((y - expected).abs() < 1e-14);
            }
        }
    }
}
