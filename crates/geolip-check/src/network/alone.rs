//! The network in which one input moves and all others are fixed.

use super::{LinearMap, Network, Node, NodeId, Op, Term};
use crate::matrix::{Matrix, Store};
use std::sync::Arc;

impl Network {
    /// The network with input `i` alone: its formal Jacobians are the i-th columns of those of this network.
    ///
    /// Maps that read the input become their i-th column, exactly: every entry of a column is one stored weight, or a count
    /// of copies. Biases keep their place but not their meaning, for the other inputs count as zero; slope intervals of a
    /// region stay those of the whole network.
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
            LinearMap::Dense(column)
        };
        // an activation or output that reads the input itself gets a map of its own to read
        let bare = self.output == NodeId::INPUT
            || self.nodes.iter().any(|n| matches!(n.op, Op::Activate { parent: NodeId::INPUT, .. }));
        let input = Node { len: 1, ..self.nodes[0].clone() };
        let mut nodes = vec![input];
        if bare {
            let terms = vec![Term { parent: NodeId::INPUT, map: LinearMap::Dense(unit.clone()) }];
            nodes.push(Node { name: "input".to_owned(), len: self.inputs(), op: Op::Affine { terms, bias: None } });
        }
        let moved = |id: NodeId| NodeId(id.0 + usize::from(bare));
        for node in &self.nodes[1..] {
            let op = match &node.op {
                Op::Input => Op::Input,
                Op::Affine { terms, bias } => {
                    let term = |term: &Term| match term.parent {
                        NodeId::INPUT => Term { parent: NodeId::INPUT, map: column(&term.map) },
                        parent => Term { parent: moved(parent), map: term.map.clone() },
                    };
                    Op::Affine { terms: terms.iter().map(term).collect(), bias: bias.clone() }
                }
                Op::Activate { parent, activation } => {
                    Op::Activate { parent: moved(*parent), activation: activation.clone() }
                }
            };
            nodes.push(Node { op, ..node.clone() });
        }
        Self { nodes: Arc::new(nodes), output: moved(self.output), local: self.local.clone() }
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
        let network = b.finish(y);
        let slopes = |network: &Network| -> Vec<Matrix> {
            let layers = network.activations();
            layers.map(|(n, ..)| Matrix::from_fn(network.node(n).len, 1, |j, _| (j as f64).cos())).collect()
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
