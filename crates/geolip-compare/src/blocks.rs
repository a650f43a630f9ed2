//! Sorting counts as 1: the norm of a part of a network between two nodes, where it falls apart into small blocks.
//!
//! **Claim.** If every path from the input to a node passes through another one, the *base*, then the formal Jacobian of the node is the
//! product of that of the part between the two and that of the base. [`factor`] bounds the norm of the part, for every slope pattern. For
//! MaxMin, x' = (q + m, p − m) with m = relu(p − q), it is 1 in every norm: its ends are the two permutations of p and q.
//!
//! *Proof.* Entries of the part that no weight connects are independent: its Jacobian is block diagonal, and the norm from ℓp to itself
//! the largest of the blocks. A block is affine in each slope, so its norm is convex in each and largest at an end of each interval; and
//! ‖B‖₂² ≤ ‖B‖₁‖B‖∞, ‖B‖_p ≤ max(‖B‖₁, ‖B‖∞) (Riesz and Thorin). ∎
//!
//! **Rounded**: nothing; where a coefficient of a block would be rounded, there is no answer. The last root, up.

use geolip_check::network::NodeId;
use geolip_check::problem::InputNorm;
use geolip_check::rounding::{exact_product, exact_sum, mul_up, sqrt_up};
use geolip_check::slopes::{SlopeNetwork, SlopeOp};
use geolip_check::sparse::Sparse;
use std::collections::HashMap;

/// Entries of a part, weights in it.
const MOST: (usize, usize) = (1 << 18, 1 << 20);
/// Neurons of a block, all of whose patterns are looked at, and entries of the base that it reads.
const BLOCK: (usize, usize) = (8, 16);

/// The node through which all paths to each node pass, last before it.
pub(crate) fn bases(network: &SlopeNetwork) -> Vec<NodeId> {
    let mut base: Vec<usize> = vec![0];
    for node in &network.nodes()[1..] {
        let mut common: Option<usize> = None;
        for parent in node.op.parents() {
            let mut other = parent.index();
            common = Some(match common {
                None => other,
                Some(mut one) => {
                    while one != other {
                        if one > other { one = base[one] } else { other = base[other] }
                    }
                    one
                }
            });
        }
        base.push(common.unwrap_or(0));
    }
    let ids: Vec<NodeId> = network.ids().collect();
    base.into_iter().map(|at| ids[at]).collect()
}

/// At least the norm of the part from a base to a node; none where it does not fall apart into small blocks.
pub(crate) fn factor(network: &SlopeNetwork, base: NodeId, node: NodeId, norm: InputNorm) -> Option<f64> {
    let part = Part::new(network, base, node)?;
    part.blocks()?.into_iter().try_fold(0.0_f64, |most, block| Some(most.max(part.norm(&block, norm)?)))
}

/// One entry of the part.
enum Entry {
    /// Of the base.
    Base,
    /// Σ coefficient·(another entry)
    Sum(Vec<(usize, f64)>),
    /// A slope times another entry.
    Neuron(usize, [f64; 2]),
}

/// The part, entry by entry, each after those it reads.
struct Part {
    entries: Vec<Entry>,
    /// Where the entries of the node begin.
    outputs: usize,
}

impl Part {
    fn new(network: &SlopeNetwork, base: NodeId, node: NodeId) -> Option<Self> {
        let ids: Vec<NodeId> = network.ids().take(node.index() + 1).skip(base.index()).collect();
        let mut reached = vec![false; network.nodes().len()];
        reached[node.index()] = true;
        for id in ids.iter().rev().filter(|id| **id != base) {
            if reached[id.index()] {
                network.node(*id).op.parents().for_each(|parent| reached[parent.index()] = true);
            }
        }
        let layers: HashMap<usize, usize> =
            network.layers().enumerate().map(|(layer, (id, _))| (id.index(), layer)).collect();
        let (mut starts, mut weights): (HashMap<usize, usize>, usize) = (HashMap::new(), 0);
        let mut part = Self { entries: vec![], outputs: 0 };
        for id in ids.into_iter().filter(|id| reached[id.index()]) {
            let (at, len) = (part.entries.len(), network.node(id).len);
            if at.saturating_add(len) > MOST.0 {
                return None;
            }
            match &network.node(id).op {
                _ if id == base => part.entries.extend((0..len).map(|_| Entry::Base)),
                SlopeOp::Input => return None,
                SlopeOp::Neurons { parent } => {
                    let (slopes, start) = (&network.slopes()[layers[&id.index()]], starts[&parent.index()]);
                    let neuron = |j: usize| Entry::Neuron(start + j, [slopes[j].lower, slopes[j].upper]);
                    part.entries.extend((0..len).map(neuron));
                }
                SlopeOp::Affine { terms } => {
                    let mut sums = vec![vec![]; len];
                    for term in terms {
                        weights = weights.saturating_add(term.map.nonzeros());
                        if weights > MOST.1 {
                            return None;
                        }
                        let (map, start): (Sparse, usize) = (term.map.to_sparse(), starts[&term.parent.index()]);
                        for (i, sum) in sums.iter_mut().enumerate() {
                            sum.extend(map.row(i).map(|(j, weight)| (start + j, weight)));
                        }
                    }
                    part.entries.extend(sums.into_iter().map(Entry::Sum));
                }
            }
            starts.insert(id.index(), at);
            part.outputs = at;
        }
        Some(part)
    }

    /// The entries that each entry reads.
    fn reads(&self, entry: usize) -> Vec<usize> {
        match &self.entries[entry] {
            Entry::Base => vec![],
            Entry::Sum(sum) => sum.iter().map(|(other, _)| *other).collect(),
            Entry::Neuron(other, _) => vec![*other],
        }
    }

    /// Entries that are connected, in order; none where a block is large.
    fn blocks(&self) -> Option<Vec<Vec<usize>>> {
        let mut root: Vec<usize> = (0..self.entries.len()).collect();
        fn find(root: &mut [usize], mut at: usize) -> usize {
            while root[at] != at {
                root[at] = root[root[at]];
                at = root[at];
            }
            at
        }
        for entry in 0..self.entries.len() {
            for other in self.reads(entry) {
                let (a, b) = (find(&mut root, entry), find(&mut root, other));
                root[a.max(b)] = a.min(b);
            }
        }
        let mut blocks: HashMap<usize, Vec<usize>> = HashMap::new();
        for entry in 0..self.entries.len() {
            blocks.entry(find(&mut root, entry)).or_default().push(entry);
        }
        let small = |block: &Vec<usize>| {
            let count = |is: fn(&Entry) -> bool| block.iter().filter(|entry| is(&self.entries[**entry])).count();
            let undecided = |entry: &Entry| matches!(entry, Entry::Neuron(_, [lower, upper]) if lower != upper);
            count(undecided) <= BLOCK.0 && count(|entry| matches!(entry, Entry::Base)) <= BLOCK.1
        };
        blocks.values().all(small).then(|| blocks.into_values().collect())
    }

    /// At least the norm of a block; none where a coefficient is rounded.
    fn norm(&self, block: &[usize], norm: InputNorm) -> Option<f64> {
        let inputs: Vec<usize> = block.iter().copied().filter(|e| matches!(self.entries[*e], Entry::Base)).collect();
        let undecided = |e: &&usize| matches!(self.entries[**e], Entry::Neuron(_, [lower, upper]) if lower != upper);
        let neurons = block.iter().filter(undecided).count();
        let mut most = 0.0_f64;
        for pattern in 0..1_usize << neurons {
            let mut rows: HashMap<usize, Vec<f64>> = HashMap::new();
            let mut seen = 0;
            for &entry in block {
                let mut row = vec![0.0; inputs.len()];
                match &self.entries[entry] {
                    Entry::Base => row[inputs.iter().position(|i| *i == entry)?] = 1.0,
                    Entry::Sum(sum) => {
                        for (other, weight) in sum {
                            for (to, from) in row.iter_mut().zip(&rows[other]) {
                                *to = exact_sum(*to, exact_product(*weight, *from)?)?;
                            }
                        }
                    }
                    Entry::Neuron(other, ends) => {
                        let end = if ends[0] == ends[1] { 0 } else { pattern >> seen & 1 };
                        seen += usize::from(ends[0] != ends[1]);
                        for (to, from) in row.iter_mut().zip(&rows[other]) {
                            *to = exact_product(ends[end], *from)?;
                        }
                    }
                }
                rows.insert(entry, row);
            }
            let outputs: Vec<&Vec<f64>> = block.iter().filter(|e| **e >= self.outputs).map(|e| &rows[e]).collect();
            let (mut by_rows, mut by_columns) = (0.0_f64, 0.0_f64);
            for row in &outputs {
                by_rows = by_rows.max(absolute_sum(row.iter().copied())?);
            }
            for j in 0..inputs.len() {
                by_columns = by_columns.max(absolute_sum(outputs.iter().map(|row| row[j]))?);
            }
            most = most.max(match norm {
                InputNorm::Linf => by_rows,
                InputNorm::L1 => by_columns,
                InputNorm::L2 if by_rows != by_columns => sqrt_up(mul_up(by_rows, by_columns)),
                InputNorm::L2 | InputNorm::Lp(_) => by_rows.max(by_columns),
            });
        }
        Some(most)
    }
}

/// Σ|v|, where no sum on the way is rounded.
fn absolute_sum(mut numbers: impl Iterator<Item = f64>) -> Option<f64> {
    numbers.try_fold(0.0, |sum, v| exact_sum(sum, v.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use geolip_check::matrix::Matrix;
    use geolip_check::network::{Activation, LinearMap, NetworkBuilder};

    /// W x, sorted in pairs, and the node of it.
    fn pairs(twice: f64) -> (SlopeNetwork, NodeId, NodeId) {
        let dense = |rows, cols, data: &[f64]| LinearMap::Dense(Matrix::from_vec(rows, cols, data.to_vec()));
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let h = b.affine("h", vec![(b.input(), dense(2, 2, &[0.3, -1.7, 2.1, 0.9]))], None).expect("shapes");
        let d = b.affine("d", vec![(h, dense(1, 2, &[1.0, -1.0]))], None).expect("shapes");
        let m = b.activate("m", d, Activation::Relu).expect("relu");
        let terms = vec![(h, dense(2, 2, &[0.0, 1.0, 1.0, 0.0])), (m, dense(2, 1, &[twice, -1.0]))];
        let sorted = b.affine("sorted", terms, None).expect("shapes");
        let y = b.affine("y", vec![(sorted, dense(1, 2, &[0.7, 0.2]))], None).expect("shapes");
        let network = SlopeNetwork::everywhere(&b.finish(y)).expect("bounded slopes");
        let ids: Vec<NodeId> = network.ids().collect();
        (network, ids[1], ids[4])
    }

    #[test]
    fn sorting_has_norm_one() {
        let (network, h, sorted) = pairs(1.0);
        assert_eq!(bases(&network)[sorted.index()], h);
        for norm in [InputNorm::L1, InputNorm::L2, InputNorm::Linf, InputNorm::from_exponent(3.0).expect("at least 2")]
        {
            assert_eq!(factor(&network, h, sorted, norm), Some(1.0));
        }
    }

    #[test]
    fn what_is_no_sorting_has_the_norm_of_its_worst_end() {
        // (q + 2m, p − m): at the upper end (2p − q, q)
        let (network, h, sorted) = pairs(2.0);
        assert_eq!(factor(&network, h, sorted, InputNorm::Linf), Some(3.0));
        assert_eq!(factor(&network, h, sorted, InputNorm::L1), Some(2.0));
        let l2 = factor(&network, h, sorted, InputNorm::L2).expect("a small block");
        assert!((6.0_f64.sqrt()..6.0_f64.sqrt() + 1e-12).contains(&l2));
        assert_eq!(factor(&network, NodeId::INPUT, sorted, InputNorm::L2), None, "weights are rounded");
    }
}
