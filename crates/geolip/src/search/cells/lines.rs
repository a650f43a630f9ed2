//! What sides say of inputs, in floating point: where they can be half-spaces, as [`crate::proof::thin`] has them in whole numbers.

use crate::function::Activation;
use crate::network::{Network, NodeId, Op};
use crate::place::Side;
use crate::sparse::Sparse;
use std::collections::HashMap;

/// A network's maps and functions.
pub(super) struct Lines<'a> {
    network: &'a Network,
    layers: Vec<(NodeId, &'a Activation)>,
    layer_of: HashMap<usize, usize>,
    maps: Vec<Vec<Sparse>>,
}

impl<'a> Lines<'a> {
    pub fn new(network: &'a Network) -> Self {
        let maps = network.nodes().iter().map(|node| match &node.op {
            Op::Affine { terms, .. } => terms.iter().map(|term| term.map.to_sparse()).collect(),
            Op::Input | Op::Activate { .. } | Op::Combine { .. } => Vec::new(),
        });
        let layers = network.activations().map(|(_, parent, activation)| (parent, activation)).collect();
        let layer_of = network.activations().enumerate().map(|(layer, (id, ..))| (id.index(), layer)).collect();
        Self { network, layers, layer_of, maps: maps.collect() }
    }

    /// Which side a slope is that of.
    pub fn side(&self, layer: usize, neuron: usize, slope: f64) -> Option<Side> {
        let (left, right) = self.layers.get(layer)?.1.around_zero(neuron)?;
        (slope == left || slope == right).then_some(Side { layer, neuron, at: 0.0, above: slope == right })
    }

    /// Every node's entries as affine functions of the input, a then b, on these sides; none where they are not.
    pub fn on(&self, sides: &[Side]) -> Rows {
        let n = self.network.inputs();
        let above: HashMap<(usize, usize), bool> = sides.iter().map(|s| ((s.layer, s.neuron), s.above)).collect();
        let mut rows: Vec<Vec<Option<Vec<f64>>>> = Vec::with_capacity(self.network.nodes().len());
        for (index, node) in self.network.nodes().iter().enumerate() {
            rows.push(match &node.op {
                Op::Input => (0..n).map(|i| Some((0..=n).map(|j| f64::from(u8::from(i == j))).collect())).collect(),
                Op::Affine { terms, bias } => {
                    let row = |i: usize| {
                        let mut sum = vec![0.0; n + 1];
                        sum[n] = bias.as_ref().map_or(0.0, |bias| bias[i]);
                        for (term, map) in terms.iter().zip(&self.maps[index]) {
                            for (j, w) in map.row(i) {
                                let own = rows[term.parent.index()][j].as_ref()?;
                                sum.iter_mut().zip(own).for_each(|(sum, v)| *sum += w * v);
                            }
                        }
                        Some(sum)
                    };
                    (0..node.len).map(row).collect()
                }
                Op::Activate { parent, .. } => {
                    let row = |i: usize| {
                        let layer = *self.layer_of.get(&index)?;
                        let (left, right) = self.layers[layer].1.around_zero(i)?;
                        let slope = match above.get(&(layer, i)) {
                            Some(true) => right,
                            Some(false) => left,
                            None => (left == right).then_some(left)?,
                        };
                        match slope {
                            0.0 => Some(vec![0.0; n + 1]),
                            _ => Some(rows[parent.index()][i].as_ref()?.iter().map(|v| slope * v).collect()),
                        }
                    };
                    (0..node.len).map(row).collect()
                }
                Op::Combine { .. } => vec![None; node.len],
            });
        }
        Rows(rows)
    }

    /// The half-spaces a·x + b ≥ 0 of those sides that are some, with their neurons.
    pub fn half_spaces(&self, rows: &Rows, sides: &[Side]) -> Vec<HalfSpace> {
        let half_space = |side: &Side| {
            let sign = if side.above { 1.0 } else { -1.0 };
            let row = self.pre_activation(rows, side.layer, side.neuron)?;
            Some(((side.layer, side.neuron), row.iter().map(|v| sign * v).collect()))
        };
        sides.iter().filter_map(half_space).collect()
    }

    /// A pre-activation, where it is one of these.
    pub fn pre_activation<'r>(&self, rows: &'r Rows, layer: usize, neuron: usize) -> Option<&'r [f64]> {
        rows.0[self.layers[layer].0.index()][neuron].as_deref()
    }
}

/// A neuron (layer and neuron), and a, then b, of a·x + b ≥ 0.
pub(super) type HalfSpace = ((usize, usize), Vec<f64>);

/// By node and entry.
pub(super) struct Rows(Vec<Vec<Option<Vec<f64>>>>);
