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

/// Writes out the entries of one network.
pub struct WrittenOut<'a> {
    network: &'a SlopeNetwork,
    /// Per layer its node, and the other way round.
    layers: Vec<usize>,
    numbers: HashMap<usize, usize>,
    /// The maps of affine nodes, once they are needed.
    maps: HashMap<usize, Vec<(usize, Sparse)>>,
}

impl<'a> WrittenOut<'a> {
    /// Of this network.
    pub fn new(network: &'a SlopeNetwork) -> Self {
        let layers: Vec<usize> = network.layers().map(|(node, _)| node.index()).collect();
        let numbers = layers.iter().enumerate().map(|(layer, node)| (*node, layer)).collect();
        Self { network, layers, numbers, maps: HashMap::new() }
    }

    /// The choices of an entry, one that is zero last.
    ///
    /// # Errors
    /// There is no such entry or neuron, or there are too many choices or terms, or one is not exact: in words.
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
                sums = written_out(sums, place, &parts)
                    .ok_or_else(|| format!("the choices of entry {entry} of node {node} are too many, or not exact"))?;
            }
            end = place;
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
