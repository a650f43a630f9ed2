//! The slope network in which one input moves and all others are fixed.

use super::{Graph, SlopeNetwork, SlopeNode, SlopeOp};
use crate::matrix::{Matrix, Store};
use crate::network::{LinearMap, NodeId, Term};
use std::sync::Arc;

impl SlopeNetwork {
    /// The slope network with input `i` alone: its formal Jacobians are the i-th columns of those of this one, its slopes and its place
    /// the same.
    ///
    /// Maps that read the input become their i-th column, exactly: every entry of a column is one stored weight, or a count
    /// of copies.
    ///
    /// # Panics
    /// When there is no such input.
    pub fn with_input_alone(&self, i: usize) -> Self {
        assert!(i < self.inputs(), "the network has the input");
        let unit = Matrix::from_fn(self.inputs(), 1, |row, _| if row == i { 1.0 } else { 0.0 });
        let column = |map: &LinearMap| {
            let mut column = Matrix::zeros(map.rows(), 1);
            match map {
                LinearMap::Dense(w) => column.data_mut().iter_mut().enumerate().for_each(|(row, c)| *c = w.at(row, i)),
                _ => map.forward(&unit, Store::Replace, &mut column),
            }
            Arc::new(LinearMap::Dense(column))
        };
        // neurons or an output that read the input itself get a map of their own to read
        let bare = self.output() == NodeId::INPUT
            || self.nodes().iter().any(|n| matches!(n.op, SlopeOp::Neurons { parent: NodeId::INPUT }));
        let mut nodes = vec![SlopeNode { len: 1, op: SlopeOp::Input }];
        if bare {
            let terms = vec![Term { parent: NodeId::INPUT, map: Arc::new(LinearMap::Dense(unit.clone())) }];
            nodes.push(SlopeNode { len: self.inputs(), op: SlopeOp::Affine { terms } });
        }
        let moved = |id: NodeId| NodeId(id.index() + usize::from(bare));
        for node in &self.nodes()[1..] {
            let op = match &node.op {
                SlopeOp::Input => SlopeOp::Input,
                SlopeOp::Affine { terms } => {
                    let term = |term: &Term| match term.parent {
                        NodeId::INPUT => Term { parent: NodeId::INPUT, map: column(&term.map) },
                        parent => Term { parent: moved(parent), map: term.map.clone() },
                    };
                    SlopeOp::Affine { terms: terms.iter().map(term).collect() }
                }
                SlopeOp::Neurons { parent } => SlopeOp::Neurons { parent: moved(*parent) },
            };
            nodes.push(SlopeNode { len: node.len, op });
        }
        let layers = self.graph.layers.iter().map(|(id, layer)| (moved(*id), *layer)).collect();
        Self { graph: Arc::new(Graph { nodes, output: moved(self.output()), layers }), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, NetworkBuilder};

    #[test]
    fn its_jacobian_is_a_column() {
        let w = |m, n, t: f64| LinearMap::Dense(Matrix::from_fn(m, n, |i, j| ((i * 3 + j * 5) as f64 + t).sin()));
        let mut b = NetworkBuilder::new(4).expect("inputs");
        let direct = b.activate("direct", b.input(), Activation::Abs).expect("abs");
        let h = b.affine("h", vec![(b.input(), w(5, 4, 0.1)), (direct, w(5, 4, 0.2))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let terms = vec![(z, w(2, 5, 0.7)), (b.input(), w(2, 4, 0.4))];
        let y = b.affine("y", terms, None).expect("shapes");
        let network = SlopeNetwork::everywhere(&b.finish(y)).expect("bounded slopes");
        let slopes = |network: &SlopeNetwork| -> Vec<Matrix> {
            let layers = network.slopes().iter();
            layers.map(|layer| Matrix::from_fn(layer.len(), 1, |j, _| (j as f64).cos())).collect()
        };
        for i in 0..4 {
            let alone = network.with_input_alone(i);
            let unit = Matrix::from_fn(4, 1, |row, _| if row == i { 1.0 } else { 0.0 });
            let whole = network.forward(&slopes(&network), &unit);
            let part = alone.forward(&slopes(&alone), &Matrix::identity(1));
            assert_eq!(whole.of(network.output()), part.of(alone.output()));
        }
    }
}
