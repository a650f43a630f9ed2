//! Entries that choose: maxima, minima, medians, whatever is one of a few linear functions wherever every slope is at an end of its interval.
//!
//! # The claim
//!
//! An entry of a node is a sum of entries before it. Where it reads c·z of a neuron z = v·h with v in \[α, β\], and R besides, it is R + cα·h where v = α, and
//! R + cβ·h where v = β: one of two sums. So, neuron by neuron, the last first, an entry is written out as one of several sums, its *choices*. **Claim.**
//! At every *vertex*, where all slopes are at an end of their intervals, the entry equals one of its choices. *Proof.* By induction over the steps: one
//! that writes out an affine entry, or adds up what is equal, changes no value, and one that writes out a neuron leaves a sum that is equal among those that
//! come of it. ∎ Sums that come out the same are one choice, which is why b + relu(a − b), a tree of such pairs, and lattices of them have few.
//!
//! Which neurons are written out is said by whoever proposes a [`Choice`]; of affine entries, all are whose coefficients are powers of two, or none. Other
//! neurons, inputs and affine entries stay as they are.
//!
//! **Rounded**: nothing. A coefficient that is no floating-point number is not formed, and the entry is refused.

use super::{SlopeNetwork, SlopeOp};
use crate::network::NodeId;
use crate::rounding::{exact_product, exact_sum};
use crate::sparse::Sparse;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// An entry of a node of the network, and the neurons (layer, neuron) that are written out in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice(pub usize, pub usize, pub Vec<(usize, usize)>);

/// A sum of entries (node, entry) of a slope network, none of its coefficients zero.
pub type Sum = BTreeMap<(usize, usize), f64>;

/// The most choices of an entry, and the most terms of each, on the way.
const MOST: (usize, usize) = (256, 4096);
/// The most terms of sums that are gone through for all entries together: less than a second.
const MOST_WORK: usize = 4_000_000;

/// Writes out the entries of one network.
pub struct WrittenOut<'a> {
    network: &'a SlopeNetwork,
    /// Per layer its node, and the other way round.
    layers: Vec<usize>,
    numbers: HashMap<usize, usize>,
    /// The maps of affine nodes, once they are needed.
    maps: HashMap<usize, Vec<(usize, Sparse)>>,
    /// Terms gone through so far.
    work: usize,
}

impl<'a> WrittenOut<'a> {
    /// Of this network.
    pub fn new(network: &'a SlopeNetwork) -> Self {
        let layers: Vec<usize> = network.layers().map(|(node, _)| node.index()).collect();
        let numbers = layers.iter().enumerate().map(|(layer, node)| (*node, layer)).collect();
        Self { network, layers, numbers, maps: HashMap::new(), work: 0 }
    }

    /// The choices of an entry, one that is zero last.
    ///
    /// # Errors
    /// There is no such entry or neuron, or the entry stays as it is, or there are too many choices or terms, or one is not exact: in words.
    pub fn choices(&mut self, Choice(node, entry, neurons): &Choice) -> Result<Vec<Sum>, String> {
        let len = |node: usize| self.network.nodes().get(node).map_or(0, |node| node.len);
        if self.network.network().nodes().get(*node).is_none_or(|node| *entry >= node.len) {
            return Err(format!("node {node} has no entry {entry}"));
        }
        let mut chosen = HashSet::with_capacity(neurons.len());
        for (layer, neuron) in neurons {
            let place = self.layers.get(*layer).filter(|node| *neuron < len(**node));
            chosen.insert((*place.ok_or_else(|| format!("there is no neuron {neuron} of layer {layer}"))?, *neuron));
        }
        let image = self.network.image(NodeId(*node)).index();
        let mut sums = vec![Sum::from([((image, *entry), 1.0)])];
        let mut end = (image, *entry + 1);
        while let Some(place) =
            sums.iter().filter_map(|sum| sum.range(..end).next_back().map(|(place, _)| *place)).max()
        {
            let parts = self.parts(place, &chosen);
            if let Some(parts) = parts {
                self.work += parts.len() * sums.iter().map(|sum| sum.len() + 1).sum::<usize>();
                if self.work > MOST_WORK {
                    return Err("to write out its choices takes too much work".to_owned());
                }
                sums = written_out(sums, place, &parts)
                    .ok_or_else(|| format!("the choices of entry {entry} of node {node} are too many, or not exact"))?;
            }
            end = place;
        }
        // all else that a choice reads stands before its node
        if sums.iter().any(|sum| sum.contains_key(&(image, *entry))) {
            return Err(format!("entry {entry} of node {node} is not written out"));
        }
        let is_zero = |sum: &Sum| sum.is_empty();
        sums.sort_by_key(is_zero);
        Ok(sums)
    }

    /// What an entry is a choice of; none where it stays as it is.
    fn parts(&mut self, (node, entry): (usize, usize), chosen: &HashSet<(usize, usize)>) -> Option<Vec<Sum>> {
        match &self.network.nodes()[node].op {
            SlopeOp::Input => None,
            SlopeOp::Affine { .. } => self.row((node, entry)).map(|row| vec![row]),
            SlopeOp::Neurons { parent } => {
                let slope = self.network.slopes()[self.numbers[&node]][entry];
                let end = |v: f64| Sum::from_iter((v != 0.0).then_some(((parent.index(), entry), v)));
                chosen.contains(&(node, entry)).then(|| vec![end(slope.lower), end(slope.upper)])
            }
        }
    }

    /// An affine entry, if all its coefficients are powers of two.
    pub fn row(&mut self, (node, entry): (usize, usize)) -> Option<Sum> {
        let SlopeOp::Affine { terms } = &self.network.nodes()[node].op else { return None };
        let maps = self
            .maps
            .entry(node)
            .or_insert_with(|| terms.iter().map(|term| (term.parent.index(), term.map.to_sparse())).collect());
        let mut sum = Sum::new();
        for (parent, map) in maps {
            for (i, weight) in map.row(entry).filter(|(_, weight)| *weight != 0.0) {
                if !is_power_of_two(weight) {
                    return None;
                }
                add(&mut sum, (*parent, i), weight)?;
            }
        }
        Some(sum)
    }
}

/// Every sum, with each of `parts` in the place of an entry.
fn written_out(sums: Vec<Sum>, place: (usize, usize), parts: &[Sum]) -> Option<Vec<Sum>> {
    let mut result: Vec<Sum> = Vec::with_capacity(sums.len());
    let mut known = HashSet::with_capacity(sums.len());
    for mut sum in sums {
        let Some(coefficient) = sum.remove(&place) else {
            push(&mut result, &mut known, sum)?;
            continue;
        };
        for part in parts {
            let mut sum = sum.clone();
            for (other, weight) in part {
                add(&mut sum, *other, exact_product(coefficient, *weight)?)?;
            }
            push(&mut result, &mut known, sum)?;
        }
    }
    Some(result)
}

/// Adds a sum unless it is there; none where there are too many, or it is too long.
fn push(sums: &mut Vec<Sum>, known: &mut HashSet<Vec<(usize, usize, u64)>>, sum: Sum) -> Option<()> {
    if known.insert(sum.iter().map(|((node, entry), c)| (*node, *entry, c.to_bits())).collect()) {
        (sums.len() < MOST.0 && sum.len() <= MOST.1).then_some(())?;
        sums.push(sum);
    }
    Some(())
}

/// Adds to a coefficient; none where it is not exact.
fn add(sum: &mut Sum, place: (usize, usize), weight: f64) -> Option<()> {
    let total = exact_sum(sum.remove(&place).unwrap_or(0.0), weight)?;
    if total != 0.0 {
        sum.insert(place, total);
    }
    Some(())
}

/// Whether the absolute value is one.
fn is_power_of_two(weight: f64) -> bool {
    const FRACTION: u64 = (1 << 52) - 1;
    weight.is_normal() && weight.to_bits() & FRACTION == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, Network, NetworkBuilder};
    use crate::place::{Place, Region, RegionNorm};

    /// c + factor·φ(s·(max(a, b) − c)) with max(a, b) = b + relu(a − b), of three numbers.
    fn tree(factor: f64, s: f64, inner: f64, activation: &Activation) -> Network {
        let mut b = NetworkBuilder::new(3).expect("inputs");
        let row = |b: &mut NetworkBuilder, name: &str, terms: &[(NodeId, &[f64])]| {
            let dense = |w: &[f64]| LinearMap::Dense(Matrix::from_vec(1, w.len(), w.to_vec()));
            b.affine(name, terms.iter().map(|(from, w)| (*from, dense(w))).collect(), None).expect("shapes")
        };
        let x = b.input();
        let d = row(&mut b, "a - b", &[(x, &[1.0, -1.0, 0.0])]);
        let z = b.activate("relu", d, Activation::Relu).expect("relu");
        let m = row(&mut b, "max(a, b)", &[(x, &[0.0, 1.0, 0.0]), (z, &[inner])]);
        let d = row(&mut b, "m - c", &[(m, &[s]), (x, &[0.0, 0.0, -s])]);
        let z = b.activate("outer", d, activation.clone()).expect("activation");
        let y = row(&mut b, "y", &[(x, &[0.0, 0.0, 1.0]), (z, &[factor])]);
        b.finish(y)
    }

    /// The choices of the output with these neurons written out, as (input, coefficient).
    fn choices(network: &SlopeNetwork, neurons: &[(usize, usize)]) -> Result<Vec<Vec<(usize, f64)>>, String> {
        let root = Choice(network.network().output().index(), 0, neurons.to_vec());
        let plain = |sum: Sum| sum.into_iter().map(|((node, i), c)| (10 * node + i, c)).collect();
        Ok(WrittenOut::new(network).choices(&root)?.into_iter().map(plain).collect())
    }

    fn everywhere(network: &Network) -> SlopeNetwork {
        SlopeNetwork::everywhere(network).expect("bounded slopes")
    }

    const BOTH: [(usize, usize); 2] = [(0, 0), (1, 0)];

    #[test]
    fn a_maximum_is_one_of_its_numbers() {
        let single = |i: usize| vec![(i, 1.0)];
        let largest = everywhere(&tree(1.0, 1.0, 1.0, &Activation::Relu));
        assert_eq!(choices(&largest, &BOTH), Ok(vec![single(2), single(1), single(0)]));
        // its own neuron, node 2, stays
        assert_eq!(choices(&largest, &BOTH[1..]), Ok(vec![single(2), vec![(1, 1.0), (20, 1.0)]]));
        // min(max(a, b), c)
        let median = everywhere(&tree(-1.0, -1.0, 1.0, &Activation::Relu));
        assert_eq!(choices(&median, &BOTH), Ok(vec![single(2), single(1), single(0)]));
        // a slope that is fixed leaves one choice
        let case = Place::everywhere().in_case(&[largest.at_end(0, 0, false).expect("a neuron")]);
        assert_eq!(choices(&largest.within(case).expect("a case"), &BOTH), Ok(vec![single(2), single(1)]));
        let left = Region::around(&[-5.0, 5.0, 0.0], 1.0, RegionNorm::Linf, None).expect("a region");
        let left = SlopeNetwork::new(largest.network(), left).expect("bounded slopes");
        assert_eq!(choices(&left, &BOTH), Ok(vec![single(1)]));
    }

    #[test]
    fn what_is_no_maximum_is_not_taken_for_one() {
        // c + relu(c − m) is c or 2c − m
        let turned = everywhere(&tree(1.0, -1.0, 1.0, &Activation::Relu));
        assert_eq!(choices(&turned, &BOTH).map(|sums| sums[1].clone()), Ok(vec![(1, -1.0), (2, 2.0)]));
        // b + 2 relu(a − b) is b or 2a − b
        let doubled = everywhere(&tree(1.0, 1.0, 2.0, &Activation::Relu));
        assert_eq!(choices(&doubled, &BOTH).map(|sums| sums[2].clone()), Ok(vec![(0, 2.0), (1, -1.0)]));
        // slopes in [0, 1/2]
        let half = Activation::HardSigmoid { slope: 0.5, offset: 0.0 };
        let half = everywhere(&tree(1.0, 1.0, 1.0, &half));
        assert_eq!(choices(&half, &BOTH).map(|sums| sums[2].clone()), Ok(vec![(0, 0.5), (2, 0.5)]));
        // 1.25 (m − c) is no power of two: its entry stays
        let scaled = everywhere(&tree(1.0, 1.25, 1.0, &Activation::Relu));
        assert_eq!(choices(&scaled, &BOTH), Ok(vec![vec![(2, 1.0)], vec![(2, 1.0), (40, 1.0)]]));
    }

    #[test]
    fn what_is_not_exact_or_not_there_is_refused() {
        let tiny = everywhere(&tree(2f64.powi(-60), 1.0, 1.0, &Activation::Relu));
        assert!(choices(&tiny, &BOTH).is_err());
        let network = everywhere(&tree(1.0, 1.0, 1.0, &Activation::Relu));
        assert!(choices(&network, &[(2, 0)]).is_err() && choices(&network, &[(0, 1)]).is_err());
        let at = |node: usize, entry: usize| WrittenOut::new(&network).choices(&Choice(node, entry, vec![(0, 0)]));
        assert!(at(6, 1).is_err() && at(7, 0).is_err() && at(usize::MAX, 0).is_err());
        // an input, a neuron that is not to be written out, an entry with another coefficient
        assert!(at(0, 1).is_err() && at(5, 0).is_err());
        let scaled = everywhere(&tree(1.25, 1.0, 1.0, &Activation::Relu));
        assert!(choices(&scaled, &BOTH).is_err());
    }
}
