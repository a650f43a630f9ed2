//! Networks with groups of neurons of which exactly one is on: what entries that choose become.
//!
//! # The claim
//!
//! In the place of an entry with k choices h₁, …, h_k ([`super::choices`]) a *grouped network* has Σ zᵢ, zᵢ = vᵢ·hᵢ, a *group* of k neurons of their own. **Claim.** The FGL
//! of the network is at most the largest norm of the Jacobian of the grouped network over those slopes of which exactly one in each group is 1, the others in
//! it are 0, and all others are at an end of their intervals. *Proof.* ‖J(v)‖ is convex in every single slope (no path passes a neuron twice), so that
//! the FGL is attained at a vertex v. There every such entry equals one of its choices; let that one be on, and let all other slopes be those of v. By
//! induction in topological order, every node of the network has the same derivative with respect to the input in both networks. ∎
//!
//! Neurons that the output does not depend on any more get the slope 0: their slopes do not matter, and with that they are no variables of any form.
//!
//! A grouped network is for forms alone: its layers have no functions behind them, and it is never in a file, but made again from the choices.

use super::choices::{Choice, Sum, WrittenOut};
use super::{Graph, SlopeNetwork, SlopeNode, SlopeOp};
use crate::function::Slope;
use crate::matrix::Matrix;
use crate::network::{Gather, LinearMap, NodeId, Term};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes that a term of a sum takes, about.
const TERM: usize = 64;

/// A network with groups.
#[derive(Clone, Debug)]
pub struct Grouped {
    network: SlopeNetwork,
    groups: Vec<Vec<(usize, usize)>>,
}

impl Grouped {
    /// Of a network, with these entries as choices, in so many bytes, about.
    ///
    /// # Errors
    /// An entry or a neuron stands twice, an entry has no neurons, or more choices than neurons and one, it takes more bytes,
    /// or as for [`WrittenOut::choices`]: in words.
    pub fn new(network: &SlopeNetwork, choices: &[Choice], bytes: f64) -> Result<Self, String> {
        let mut written = WrittenOut::new(network);
        let mut by_node: BTreeMap<usize, BTreeMap<usize, Vec<Sum>>> = BTreeMap::new();
        let (mut neurons, mut kept) = (BTreeSet::new(), 0);
        for choice in choices {
            let Choice(node, entry, own) = choice;
            if own.is_empty() || !own.iter().all(|neuron| neurons.insert(*neuron)) {
                return Err(format!(
                    "entry {entry} of node {node} writes out no neuron, or one that is written out already"
                ));
            }
            let sums = written.choices(choice)?;
            if sums.len() > own.len() + 1 {
                return Err(format!("entry {entry} of node {node} has more choices than neurons and one"));
            }
            kept += sums.iter().map(|sum| sum.len() + 1).sum::<usize>();
            if (kept * TERM) as f64 > bytes {
                return Err("its choices take more than the memory limit".to_owned());
            }
            let image = network.image(NodeId(*node)).index();
            if by_node.entry(image).or_default().insert(*entry, sums).is_some() {
                return Err(format!("entry {entry} of node {node} stands twice"));
            }
        }
        match Building::bytes(network, &by_node) <= bytes {
            true => Ok(Building::new(network).build(&by_node)),
            false => Err("its groups take more than the memory limit".to_owned()),
        }
    }

    /// The network.
    pub fn network(&self) -> &SlopeNetwork {
        &self.network
    }

    /// The groups: (layer, neuron) of each of its neurons. One whose pre-activation is zero, if there is one, is the last.
    pub fn groups(&self) -> &[Vec<(usize, usize)>] {
        &self.groups
    }
}

/// What is made.
struct Building<'a> {
    old: &'a SlopeNetwork,
    nodes: Vec<SlopeNode>,
    /// Where the nodes of the old network stand.
    images: Vec<NodeId>,
    /// The new layers: their nodes, and which one of the old network they are.
    layers: Vec<(NodeId, Option<usize>)>,
    groups: Vec<Vec<(usize, usize)>>,
}

impl<'a> Building<'a> {
    fn new(old: &'a SlopeNetwork) -> Self {
        Self { old, nodes: Vec::new(), images: Vec::new(), layers: Vec::new(), groups: Vec::new() }
    }

    /// At least what its matrices take.
    fn bytes(old: &SlopeNetwork, choices: &BTreeMap<usize, BTreeMap<usize, Vec<Sum>>>) -> f64 {
        let of_node = |entries: &BTreeMap<usize, Vec<Sum>>| {
            let sums = || entries.values().flatten();
            let nodes: BTreeSet<usize> = sums().flat_map(|sum| sum.keys().map(|(node, _)| *node)).collect();
            let read: f64 = nodes.into_iter().map(|node| old.nodes()[node].len as f64).sum();
            size_of::<f64>() as f64 * sums().count() as f64 * read
        };
        choices.values().map(of_node).sum()
    }

    fn build(mut self, choices: &BTreeMap<usize, BTreeMap<usize, Vec<Sum>>>) -> Grouped {
        let mut layer = 0;
        for (index, node) in self.old.nodes().iter().enumerate() {
            let op = match &node.op {
                SlopeOp::Input => SlopeOp::Input,
                SlopeOp::Affine { terms } => {
                    let moved = |t: &Term| Term { parent: self.images[t.parent.index()], map: t.map.clone() };
                    SlopeOp::Affine { terms: terms.iter().map(moved).collect() }
                }
                SlopeOp::Neurons { parent } => SlopeOp::Neurons { parent: self.images[parent.index()] },
            };
            let is_layer = matches!(op, SlopeOp::Neurons { .. });
            let mut image = self.push(node.len, op);
            if is_layer {
                self.layers.push((image, Some(layer)));
                layer += 1;
            }
            if let Some(own) = choices.get(&index) {
                image = self.replaced(image, node.len, own);
            }
            self.images.push(image);
        }
        self.finish()
    }

    fn push(&mut self, len: usize, op: SlopeOp) -> NodeId {
        self.nodes.push(SlopeNode { len, op });
        NodeId(self.nodes.len() - 1)
    }

    /// A node with some entries replaced by sums of groups: h, z, and what all others and these come to.
    fn replaced(&mut self, node: NodeId, len: usize, entries: &BTreeMap<usize, Vec<Sum>>) -> NodeId {
        let choices: Vec<&Sum> = entries.values().flatten().collect();
        let count = choices.len();
        let h = self.arguments(&choices);
        let h = self.push(count, SlopeOp::Affine { terms: h });
        let z = self.push(count, SlopeOp::Neurons { parent: h });
        let (layer, mut next) = (self.layers.len(), 0);
        self.layers.push((z, None));
        for sums in entries.values() {
            self.groups.push((next..next + sums.len()).map(|j| (layer, j)).collect());
            next += sums.len();
        }
        let others = (0..len).map(|i| (!entries.contains_key(&i)).then_some(i));
        let roots = entries.iter().flat_map(|(entry, sums)| std::iter::repeat_n(Some(*entry), sums.len()));
        let copies = LinearMap::Gather(gather(len, roots));
        let terms = vec![
            Term { parent: node, map: Arc::new(LinearMap::Gather(gather(len, others))) },
            Term { parent: z, map: Arc::new(LinearMap::Transpose(Box::new(copies))) },
        ];
        self.push(len, SlopeOp::Affine { terms })
    }

    /// These sums as terms, one for every node that they read.
    fn arguments(&self, sums: &[&Sum]) -> Vec<Term> {
        let nodes: BTreeSet<usize> = sums.iter().flat_map(|sum| sum.keys().map(|(node, _)| *node)).collect();
        let of = |node: usize| {
            let len = self.old.nodes()[node].len;
            let own = |sum: &&Sum| sum.range((node, 0)..(node + 1, 0)).map(|((_, i), c)| (*i, *c)).collect::<Vec<_>>();
            let rows: Vec<Vec<(usize, f64)>> = sums.iter().map(own).collect();
            let map = match rows.iter().all(|row| matches!(row.as_slice(), [] | [(_, 1.0)])) {
                true => LinearMap::Gather(gather(len, rows.iter().map(|row| row.first().map(|(i, _)| *i)))),
                false => {
                    let mut matrix = Matrix::zeros(rows.len(), len);
                    for (i, row) in rows.iter().enumerate() {
                        row.iter().for_each(|(j, c)| *matrix.at_mut(i, *j) = *c);
                    }
                    LinearMap::Dense(matrix)
                }
            };
            Term { parent: self.images[node], map: Arc::new(map) }
        };
        let terms: Vec<Term> = nodes.into_iter().map(of).collect();
        if !terms.is_empty() {
            return terms;
        }
        // all choices are zero
        let nothing = gather(self.old.inputs(), std::iter::repeat_n(None, sums.len()));
        vec![Term { parent: NodeId::INPUT, map: Arc::new(LinearMap::Gather(nothing)) }]
    }

    fn finish(self) -> Grouped {
        let old = self.old;
        let layers = self.layers.iter().map(|(node, layer)| (*node, layer.and_then(|layer| old.graph.layers[layer].1)));
        let graph = Graph {
            output: self.images[old.output().index()],
            images: old.graph.images.iter().map(|node| self.images[node.index()]).collect(),
            source: self.images[old.graph.source.index()],
            layers: layers.collect(),
            nodes: self.nodes,
        };
        let reached = reached(&graph);
        let slopes = |of: &[Vec<Slope>]| -> Arc<Vec<Vec<Slope>>> {
            let own = |(node, layer): &(NodeId, Option<usize>)| {
                let reached = reached[node.index()].iter().enumerate();
                let slope = |(j, reached): (usize, &bool)| match (reached, layer) {
                    (false, _) => Slope::new(0.0, 0.0),
                    (true, Some(layer)) => of[*layer][j],
                    (true, None) => Slope::new(0.0, 1.0),
                };
                reached.map(slope).collect()
            };
            Arc::new(self.layers.iter().map(own).collect())
        };
        let (slopes, tight) = (slopes(old.slopes()), slopes(old.tight_slopes()));
        Grouped { network: SlopeNetwork { graph: Arc::new(graph), slopes, tight, ..old.clone() }, groups: self.groups }
    }
}

/// Per node and entry, whether the output may depend on it.
fn reached(graph: &Graph) -> Vec<Vec<bool>> {
    let mut reached: Vec<Vec<bool>> = graph.nodes.iter().map(|node| vec![false; node.len]).collect();
    reached[graph.output.index()].fill(true);
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        let (before, rest) = reached.split_at_mut(index);
        let own = &rest[0];
        match &node.op {
            SlopeOp::Input => {}
            SlopeOp::Affine { terms } => {
                for term in terms {
                    let (map, before) = (term.map.to_sparse(), &mut before[term.parent.index()]);
                    for i in (0..own.len()).filter(|i| own[*i]) {
                        map.row(i).filter(|(_, weight)| *weight != 0.0).for_each(|(j, _)| before[j] = true);
                    }
                }
            }
            SlopeOp::Neurons { parent } => {
                before[parent.index()].iter_mut().zip(own).for_each(|(before, own)| *before |= own);
            }
        }
    }
    reached
}

fn gather(cols: usize, sources: impl IntoIterator<Item = Option<usize>>) -> Gather {
    Gather::new(cols, sources).expect("entries exist, and are fewer than 2³²")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, NetworkBuilder};

    /// |x| of two numbers, then their maximum and both of them, in a sum of all.
    fn example() -> Result<SlopeNetwork, Box<dyn std::error::Error>> {
        let mut b = NetworkBuilder::new(2)?;
        let a = b.activate("abs", b.input(), Activation::Abs)?;
        let dense = |entries: &[f64], rows: usize| {
            LinearMap::Dense(Matrix::from_vec(rows, entries.len() / rows, entries.to_vec()))
        };
        let d = b.affine("d", vec![(a, dense(&[1.0, -1.0], 1))], None)?;
        let z = b.activate("relu", d, Activation::Relu)?;
        let m = b.affine("m", vec![(a, dense(&[0.0, 1.0, 0.3, 0.7], 2)), (z, dense(&[1.0, 0.0], 2))], None)?;
        let y = b.affine("y", vec![(m, dense(&[0.4, -1.1], 1))], None)?;
        Ok(SlopeNetwork::everywhere(&b.finish(y))?)
    }

    /// At every vertex, the Jacobian is that of the grouped network with one of each group on.
    #[test]
    fn vertices_of_the_network_are_among_those_of_the_grouped_one() -> Result<(), Box<dyn std::error::Error>> {
        let network = example()?;
        let grouped = Grouped::new(&network, &[Choice(4, 0, vec![(1, 0)])], f64::INFINITY)?;
        assert_eq!(grouped.groups(), [[(2, 0), (2, 1)]]);
        let inner = grouped.network();
        // the neuron that is written out is read no more
        assert!(inner.slopes()[1][0].is_fixed() && !inner.slopes()[0][1].is_fixed());
        let jacobian = |network: &SlopeNetwork, slopes: &[Vec<f64>]| {
            let slopes: Vec<Matrix> = slopes.iter().map(|s| Matrix::from_vec(s.len(), 1, s.clone())).collect();
            network.adjoint(&slopes, &Matrix::from_vec(1, 1, vec![1.0])).of(NodeId::INPUT).data().to_vec()
        };
        for pattern in 0..8_u32 {
            let bit = |at: u32| f64::from(pattern >> at & 1);
            let abs = vec![2.0 * bit(0) - 1.0, 2.0 * bit(1) - 1.0];
            let before = jacobian(&network, &[abs.clone(), vec![bit(2)]]);
            let on = |which: usize| {
                let group = (0..2).map(|at| f64::from(u8::from(at == which))).collect();
                jacobian(inner, &[abs.clone(), vec![0.0], group])
            };
            let same = |after: Vec<f64>| before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-15);
            assert!(same(on(0)) != same(on(1)), "{pattern}");
        }
        Ok(())
    }

    #[test]
    fn choices_that_do_not_fit_together_are_refused() -> Result<(), Box<dyn std::error::Error>> {
        let network = example()?;
        let refused = |choices: &[Choice]| assert!(Grouped::new(&network, choices, 1e6).is_err(), "{choices:?}");
        let choice = Choice(4, 0, vec![(1, 0)]);
        assert!(Grouped::new(&network, std::slice::from_ref(&choice), 1e6).is_ok());
        assert!(Grouped::new(&network, std::slice::from_ref(&choice), 8.0).is_err());
        refused(&[choice.clone(), choice]);
        refused(&[Choice(4, 0, vec![])]);
        refused(&[Choice(4, 0, vec![(1, 0), (1, 0)])]);
        refused(&[Choice(4, 2, vec![(1, 0)])]);
        // of two slopes ±1 and a maximum: ±|a|, ±|b|
        refused(&[Choice(4, 0, vec![(1, 0), (0, 0), (0, 1), (0, 1)])]);
        Ok(())
    }
}
