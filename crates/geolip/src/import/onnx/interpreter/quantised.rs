//! Numbers stored in few bits, as the numbers they stand for.

use super::array::Array;
use super::node::{Node, axis};
use super::{Outputs, Reason};

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    (node.operator() == "DequantizeLinear").then(|| dequantise(node).map(|array| vec![array]))
}

fn dequantise(node: &Node<'_>) -> Result<Array, Reason> {
    let (x, scale) = (node.input(0)?, node.input(1)?);
    let block = node.int("block_size", 0) as usize;
    let along = if scale.data.len() == 1 { 0 } else { axis(node.int("axis", 1), x.shape.len())? };
    Ok(Array::filled(x.shape.clone(), scale.kind, |index| {
        let of = |numbers: &Array| match (numbers.data.len(), block) {
            (1, 0) => numbers.data[0],
            (_, 0) => numbers.data[index[along]],
            _ => {
                let mut at = index.to_vec();
                at[along] /= block;
                numbers.at(&at)
            }
        };
        (x.at(index) - node.optional(2).map_or(0.0, of)) * of(scale)
    }))
}
