//! Parts of the whole space that have no interior, shown by half-spaces of inputs whose normals add up to nothing.
//!
//! # The claim
//!
//! A set of sides says hⱼ(x) ≥ 0, or hⱼ(x) ≤ 0, of some neurons whose function is cs on either side of zero
//! ([`Activation::around_zero`]). Where every neuron that hⱼ reads is on a known side itself, or linear, or is multiplied by zero on the
//! way, hⱼ is an affine function of the input, and the side is a half-space aₖ·x + bₖ ≥ 0 (negated where hⱼ ≤ 0).
//!
//! **Claim.** The inputs on all sides of a set have measure zero if there are half-spaces aₖ·x + bₖ ≥ 0 among them and numbers
//! λₖ ≥ 0, not all zero, with Σ λₖ aₖ = 0 and Σ λₖ bₖ ≤ 0, where the last is less than zero or aₖ ≠ 0 for some λₖ > 0.
//!
//! *Proof.* On these sides z = cs holds exactly, also at s = 0, where both formulas agree; so hⱼ is that affine function at every such
//! input, by induction over the layers. At such an x every term of Σ λₖ (aₖ·x + bₖ) = Σ λₖ bₖ is at least 0. If the sum is negative there is no such x. If
//! it is zero then every term is: aₖ·x + bₖ = 0 for the k with λₖ > 0 and aₖ ≠ 0, which is a hyperplane. ∎
//!
//! (A half-space with aₖ = 0 and bₖ = 0, a pre-activation that stays at its kink, says nothing, and proves nothing.)
//!
//! **Not rounded.** Weights and biases are doubles, hence whole numbers times powers of two, and so is everything made of them by sums and
//! products. A half-space is scaled by a power of two until its numbers are whole. λ is not in the file, which names the sides alone: it is
//! the combination of rows that an elimination in whole numbers leaves, unique up to a factor or refused, and then multiplied out.
//!
//! **Bounded** are the numbers' lengths, and the products of words that all of this may take; what exceeds them is refused.

use crate::function::Activation;
use crate::network::{Network, NodeId, Op};
use crate::place::Side;
use crate::sparse::Sparse;
use num_bigint::{BigInt, Sign};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Bits of a number in a half-space, at most.
const MOST_BITS: u64 = 1 << 14;
/// Products of 64-bit words for one set of sides, at most, roughly; one that is short costs about as much as this many.
const MOST_WORK: f64 = 1e9;
const SHORT: f64 = 4.0;
/// Numbers in the affine functions that one set of sides takes, at most: tens of bytes each.
const MOST_NUMBERS: usize = 1 << 21;
/// Entries of the maps of a network, at most: they are written out.
const MOST_ENTRIES: usize = 1 << 21;

const TOO_LONG: &str = "the half-spaces of a part without interior take numbers longer than the checker allows";
const TOO_MUCH: &str = "a part without interior takes more work than the checker allows";

/// A network's maps, row by row: what sides say of inputs.
#[derive(Debug)]
pub struct HalfSpaces<'a> {
    network: &'a Network,
    /// Per layer of neurons: its node, its pre-activation and its function.
    layers: Vec<(NodeId, NodeId, &'a Activation)>,
    /// Per node, its layer.
    layer_of: HashMap<usize, usize>,
    /// Per node, the map of every term.
    maps: Vec<Vec<Sparse>>,
}

/// Numbers times a power of two: the coefficients of an affine function of the input, and what it is at zero.
#[derive(Clone, Debug)]
struct Row {
    numbers: Vec<BigInt>,
    exponent: i64,
}

impl<'a> HalfSpaces<'a> {
    /// Of a network; none where its functions are not all of one number, or its maps are too large.
    pub fn new(network: &'a Network) -> Option<Self> {
        let entries = network.terms().map(|term| term.map.nonzeros()).fold(0, usize::saturating_add);
        if entries > MOST_ENTRIES || network.nodes().iter().any(|node| matches!(node.op, Op::Combine { .. })) {
            return None;
        }
        let maps = network.nodes().iter().map(|node| match &node.op {
            Op::Affine { terms, .. } => terms.iter().map(|term| term.map.to_sparse()).collect(),
            Op::Input | Op::Activate { .. } | Op::Combine { .. } => Vec::new(),
        });
        let layers: Vec<_> = network.activations().collect();
        let layer_of = layers.iter().enumerate().map(|(layer, (id, ..))| (id.index(), layer)).collect();
        Some(Self { network, maps: maps.collect(), layer_of, layers })
    }

    /// That the inputs on these sides have measure zero, because of those of the neurons named (layer and neuron): see the
    /// [module](self).
    ///
    /// # Errors
    /// Why that does not follow.
    pub fn are_thin(&self, sides: &[Side], named: &[(usize, usize)]) -> Result<(), &'static str> {
        if named.is_empty() {
            return Err("a part is said to have no interior, but no sides are named");
        }
        // as many as there may be, one of them depends on the others in several ways
        if named.len() > self.network.inputs() + 1 {
            return Err("a part without interior names more sides than there are inputs, and one more");
        }
        let mut above: BTreeMap<(usize, usize), bool> = BTreeMap::new();
        for side in sides {
            if side.at != 0.0 || above.insert((side.layer, side.neuron), side.above).is_some() {
                return Err("a part without interior lies on sides of which nothing is known");
            }
        }
        let mut seen = BTreeSet::new();
        if !named.iter().all(|neuron| above.contains_key(neuron) && seen.insert(*neuron)) {
            return Err("a part without interior names a side twice, or one that is not above it");
        }
        let rows = self.rows(&above, named)?;
        thin(&rows, self.network.inputs())
    }

    /// The half-spaces of the sides named: numbers a, then b, up to positive factors.
    fn rows(
        &self,
        above: &BTreeMap<(usize, usize), bool>,
        named: &[(usize, usize)],
    ) -> Result<Vec<Vec<BigInt>>, &'static str> {
        let wanted = self.wanted(above, named)?;
        let numbers = wanted.iter().map(BTreeSet::len).sum::<usize>().saturating_mul(self.network.inputs() + 1);
        if numbers > MOST_NUMBERS {
            return Err(TOO_MUCH);
        }
        let mut work = 0.0;
        let mut known: Vec<BTreeMap<usize, Row>> = Vec::with_capacity(wanted.len());
        for (index, wanted) in wanted.iter().enumerate() {
            let row = |i: &usize| Ok((*i, self.row(NodeId(index), *i, above, &known, &mut work)?));
            let rows = wanted.iter().map(row).collect::<Result<_, &'static str>>()?;
            known.push(rows);
        }
        let half_space = |(layer, neuron): &(usize, usize)| {
            let row = &known[self.layers[*layer].1.index()][neuron];
            row.numbers.iter().map(|v| if above[&(*layer, *neuron)] { v.clone() } else { -v }).collect()
        };
        Ok(named.iter().map(half_space).collect())
    }

    /// Per node, the entries that the pre-activations named are made of; an error where one is no affine function of the input.
    fn wanted(
        &self,
        above: &BTreeMap<(usize, usize), bool>,
        named: &[(usize, usize)],
    ) -> Result<Vec<BTreeSet<usize>>, &'static str> {
        let mut wanted = vec![BTreeSet::new(); self.network.nodes().len()];
        for (layer, neuron) in named {
            let (_, parent, _) = self.layers.get(*layer).ok_or("a part without interior names an unknown neuron")?;
            if *neuron >= self.network.node(*parent).len {
                return Err("a part without interior names an unknown neuron");
            }
            wanted[parent.index()].insert(*neuron);
        }
        for id in self.network.ids().rev() {
            for i in std::mem::take(&mut wanted[id.index()]) {
                match &self.network.node(id).op {
                    Op::Input => {}
                    Op::Affine { terms, .. } => {
                        for (term, map) in terms.iter().zip(&self.maps[id.index()]) {
                            wanted[term.parent.index()].extend(map.row(i).map(|(j, _)| j));
                        }
                    }
                    Op::Activate { parent, .. } => {
                        if self.slope(id, i, above)? != 0.0 {
                            wanted[parent.index()].insert(i);
                        }
                    }
                    Op::Combine { .. } => return Err("a part without interior reads a function of several numbers"),
                }
                wanted[id.index()].insert(i);
            }
        }
        Ok(wanted)
    }

    /// c of z = cs, for a neuron on its side.
    fn slope(&self, id: NodeId, i: usize, above: &BTreeMap<(usize, usize), bool>) -> Result<f64, &'static str> {
        let layer = self.layer_of.get(&id.index()).ok_or("a part without interior reads an unknown layer")?;
        let slopes = self.layers[*layer].2.around_zero(i);
        let (left, right) = slopes.ok_or("a part without interior reads a neuron that is not linear on its sides")?;
        match above.get(&(*layer, i)) {
            Some(above) => Ok(if *above { right } else { left }),
            None if left == right => Ok(left),
            None => Err("a part without interior reads a neuron whose side is not known"),
        }
    }

    /// One entry of a node as an affine function of the input, from those before it.
    fn row(
        &self,
        id: NodeId,
        i: usize,
        above: &BTreeMap<(usize, usize), bool>,
        known: &[BTreeMap<usize, Row>],
        work: &mut f64,
    ) -> Result<Row, &'static str> {
        let columns = self.network.inputs() + 1;
        match &self.network.node(id).op {
            Op::Input => {
                let numbers = (0..columns).map(|j| BigInt::from(u8::from(i == j))).collect();
                Ok(Row { numbers, exponent: 0 })
            }
            Op::Affine { terms, bias } => {
                let summands = terms.iter().zip(&self.maps[id.index()]).flat_map(|(term, map)| {
                    let of = &known[term.parent.index()];
                    map.row(i).map(move |(j, w)| (w, &of[&j]))
                });
                sum(summands, bias.as_ref().map_or(0.0, |bias| bias[i]), columns, work)
            }
            Op::Activate { parent, .. } => match self.slope(id, i, above)? {
                0.0 => Ok(Row { numbers: vec![BigInt::ZERO; columns], exponent: 0 }),
                slope => sum(std::iter::once((slope, &known[parent.index()][&i])), 0.0, columns, work),
            },
            Op::Combine { .. } => Err("a part without interior reads a function of several numbers"),
        }
    }
}

/// m and e with v = m·2ᵉ.
fn exact(v: f64) -> (BigInt, i64) {
    let (bits, negative) = (v.to_bits(), v.is_sign_negative());
    let (exponent, fraction) = (i64::from((bits >> 52) as u16 & 0x7ff), bits & ((1 << 52) - 1));
    let (m, e) = match exponent {
        0 => (fraction, -1074),
        _ => (fraction | (1 << 52), exponent - 1075),
    };
    let zeros = if m == 0 { 0 } else { m.trailing_zeros() };
    let m = BigInt::from(m >> zeros);
    (if negative { -m } else { m }, e + i64::from(zeros))
}

/// 64-bit words of a number, at least 1.
fn words(v: &BigInt) -> f64 {
    v.bits().div_ceil(64).max(1) as f64
}

/// Σ w·row, and `constant` in the last column.
fn sum<'r>(
    summands: impl Iterator<Item = (f64, &'r Row)>,
    constant: f64,
    columns: usize,
    work: &mut f64,
) -> Result<Row, &'static str> {
    if !constant.is_finite() {
        return Err("a part without interior reads a number that is not finite");
    }
    let (constant, at) = exact(constant);
    let mut exponent = if constant == BigInt::ZERO { i64::MAX } else { at };
    let mut factors = Vec::new();
    for (w, row) in summands {
        if !w.is_finite() {
            return Err("a part without interior reads a number that is not finite");
        }
        let (m, e) = exact(w);
        if m != BigInt::ZERO {
            exponent = exponent.min(e + row.exponent);
            factors.push((m, e + row.exponent, row));
        }
    }
    let mut numbers = vec![BigInt::ZERO; columns];
    if exponent == i64::MAX {
        return Ok(Row { numbers, exponent: 0 });
    }
    // (a shift is as long as the number it makes)
    let shift = |e: i64| u64::try_from(e - exponent).ok().filter(|shift| *shift <= MOST_BITS).ok_or(TOO_LONG);
    for (m, e, row) in factors {
        let m = m << shift(e)?;
        for (sum, v) in numbers.iter_mut().zip(&row.numbers) {
            *work += SHORT + words(&m) * words(v) + words(sum);
            *sum += &m * v;
        }
        if *work > MOST_WORK {
            return Err(TOO_MUCH);
        }
    }
    if constant != BigInt::ZERO {
        numbers[columns - 1] += constant << shift(at)?;
    }
    let row = reduced(Row { numbers, exponent });
    match row.numbers.iter().all(|v| v.bits() <= MOST_BITS) {
        true => Ok(row),
        false => Err(TOO_LONG),
    }
}

/// Without the factors of two that all its numbers have.
fn reduced(row: Row) -> Row {
    let zeros = row.numbers.iter().filter_map(BigInt::trailing_zeros).min().unwrap_or(0);
    match zeros {
        0 => row,
        _ => Row {
            numbers: row.numbers.into_iter().map(|v| v >> zeros).collect(),
            exponent: row.exponent + i64::try_from(zeros).unwrap_or(i64::MAX / 2),
        },
    }
}

/// That half-spaces (a, then b) of so many inputs have no common interior: the claim of the [module](self).
fn thin(rows: &[Vec<BigInt>], inputs: usize) -> Result<(), &'static str> {
    let lambda = dependence(rows, inputs)?;
    let total = |column: usize| rows.iter().zip(&lambda).map(|(row, l)| l * &row[column]).sum::<BigInt>();
    if lambda.iter().any(|l| l.sign() == Sign::Minus) || lambda.iter().all(|l| *l == BigInt::ZERO) {
        return Err("the sides named leave a part with interior: their normals pull in one direction");
    }
    if (0..inputs).any(|column| total(column) != BigInt::ZERO) {
        return Err("the normals of the sides named do not add up to nothing");
    }
    let has_normal = |row: &Vec<BigInt>| row[..inputs].iter().any(|v| *v != BigInt::ZERO);
    match total(inputs).sign() {
        Sign::Minus => Ok(()),
        Sign::NoSign if rows.iter().zip(&lambda).any(|(row, l)| *l != BigInt::ZERO && has_normal(row)) => Ok(()),
        Sign::NoSign | Sign::Plus => Err("the sides named leave a part with interior"),
    }
}

/// The one combination of rows without their last columns that is zero, up to a factor: by
/// Bareiss' elimination, in which every division is exact. What it finds is multiplied out by who asks.
fn dependence(rows: &[Vec<BigInt>], inputs: usize) -> Result<Vec<BigInt>, &'static str> {
    let count = rows.len();
    let longest = rows.iter().flatten().map(words).fold(1.0, f64::max);
    let (count_f, columns) = (count as f64, (inputs + count) as f64);
    if count_f * count_f * columns * (count_f * longest).powi(2) > MOST_WORK {
        return Err(TOO_MUCH);
    }
    let beside = |i: usize| (0..count).map(move |j| BigInt::from(u8::from(i == j)));
    let mut m: Vec<Vec<BigInt>> =
        rows.iter().enumerate().map(|(i, row)| row[..inputs].iter().cloned().chain(beside(i)).collect()).collect();
    let (mut rank, mut before) = (0, BigInt::from(1));
    for column in 0..inputs {
        let Some(pivot) = (rank..count).find(|i| m[*i][column] != BigInt::ZERO) else { continue };
        m.swap(rank, pivot);
        let (done, rest) = m.split_at_mut(rank + 1);
        let top = &done[rank];
        for row in rest {
            let own = row[column].clone();
            for (v, t) in row.iter_mut().zip(top).skip(column) {
                *v = (&top[column] * &*v - &own * t) / &before;
            }
        }
        before = top[column].clone();
        rank += 1;
        if rank == count {
            return Err("the sides named leave a part with interior: their normals are independent");
        }
    }
    if rank + 1 != count {
        return Err(
            "the normals of the sides named depend on each other in several ways; fewer of them are to be named",
        );
    }
    let found = m.swap_remove(rank).split_off(inputs);
    let negative = found.iter().find(|v| **v != BigInt::ZERO).is_some_and(|v| v.sign() == Sign::Minus);
    Ok(if negative { found.into_iter().map(|v| -v).collect() } else { found })
}

#[cfg(test)]
mod tests;
