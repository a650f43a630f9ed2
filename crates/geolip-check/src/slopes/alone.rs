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
        // what reads the input reads one number, too, in its unit
        let (source, units) = self.source();
        // neurons or an output that read the input itself get a map of their own to read
        let bare = self.output() == source
            || self.nodes().iter().any(|n| matches!(n.op, SlopeOp::Neurons { parent } if parent == source));
        let mut nodes = vec![SlopeNode { len: 1, op: SlopeOp::Input }];
        if let Some(units) = units {
            let terms = vec![Term { parent: NodeId::INPUT, map: Arc::new(LinearMap::Scale(vec![units[i]])) }];
            nodes.push(SlopeNode { len: 1, op: SlopeOp::Affine { terms } });
        }
        if bare {
            let terms = vec![Term { parent: source, map: Arc::new(LinearMap::Dense(unit.clone())) }];
            nodes.push(SlopeNode { len: self.inputs(), op: SlopeOp::Affine { terms } });
        }
        let moved = |id: NodeId| NodeId(id.index() + usize::from(bare));
        for node in &self.nodes()[source.index() + 1..] {
            let op = match &node.op {
                SlopeOp::Input => SlopeOp::Input,
                SlopeOp::Affine { terms } => {
                    let term = |term: &Term| match term.parent == source {
                        true => Term { parent: source, map: column(&term.map) },
                        false => Term { parent: moved(term.parent), map: term.map.clone() },
                    };
                    SlopeOp::Affine { terms: terms.iter().map(term).collect() }
                }
                SlopeOp::Neurons { parent } => SlopeOp::Neurons { parent: moved(*parent) },
            };
            nodes.push(SlopeNode { len: node.len, op });
        }
        let layers = self.graph.layers.iter().map(|(id, layer)| (moved(*id), *layer)).collect();
        let images = self.graph.images.iter().map(|id| moved(*id)).collect();
        Self { graph: Arc::new(Graph { nodes, output: moved(self.output()), images, source, layers }), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, NetworkBuilder};
    use crate::place::Place;
    use crate::problem::Units;

    #[test]
    fn its_jacobian_is_a_column() {
        let w = |m, n, t: f64| LinearMap::Dense(Matrix::from_fn(m, n, |i, j| ((i * 3 + j * 5) as f64 + t).sin()));
        let mut b = NetworkBuilder::new(4).expect("inputs");
        let direct = b.activate("direct", b.input(), Activation::Abs).expect("abs");
        let h = b.affine("h", vec![(b.input(), w(5, 4, 0.1)), (direct, w(5, 4, 0.2))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let terms = vec![(z, w(2, 5, 0.7)), (b.input(), w(2, 4, 0.4))];
        let y = b.affine("y", terms, None).expect("shapes");
        let inner = b.finish(y);
        let slopes = |network: &SlopeNetwork| -> Vec<Matrix> {
            let layers = network.slopes().iter();
            layers.map(|layer| Matrix::from_fn(layer.len(), 1, |j, _| (j as f64).cos())).collect()
        };
        let units = Units::new(&[0.3, 0.0, 2.0, 7.0]).expect("units");
        for (units, i) in [None, Some(&units)].into_iter().flat_map(|units| (0..4).map(move |i| (units, i))) {
            let network = SlopeNetwork::in_units(&inner, Place::everywhere(), units).expect("bounded slopes");
            let alone = network.with_input_alone(i);
            let unit = Matrix::from_fn(4, 1, |row, _| if row == i { 1.0 } else { 0.0 });
            let whole = network.forward(&slopes(&network), &unit);
            let part = alone.forward(&slopes(&alone), &Matrix::identity(1));
            let (whole, part) = (whole.of(network.output()), part.of(alone.output()));
            let close = |(p, q): (&f64, &f64)| (p - q).abs() <= 1e-13 * (1.0 + p.abs());
            assert!(whole.data().iter().zip(part.data()).all(close), "{whole:?} {part:?}");
        }
    }
}
