//! Many numbers brought together two by two: b + φ(a − b), which is max(a, b) for φ = relu, and log(eᵃ + eᵇ) for φ = softplus.
//!
//! Of several numbers it is a tree: neighbours are paired, level by level, and an odd one out goes on to the next level. Every
//! level of all trees of an operator is one activation node.

use super::arithmetic::negated;
use super::places::{Places, gathered};
use crate::import::onnx::Reason;
use crate::import::onnx::call::Call;
use crate::import::onnx::value::Variable;
use crate::network::{Activation, LinearMap, NodeId};

/// For every entry of a vector an entry of another one, or nothing.
pub(super) type Entries = Vec<Option<usize>>;

/// Groups of entries of a vector that are to be brought together.
#[derive(Clone)]
pub(super) struct Groups {
    /// The entries, group after group.
    entries: Vec<usize>,
    /// How many each group has.
    sizes: Vec<usize>,
}

impl Groups {
    /// These groups, one after the other.
    pub(super) fn of(groups: impl Iterator<Item = Vec<usize>>) -> Self {
        let (mut entries, mut sizes) = (vec![], vec![]);
        for mut group in groups {
            sizes.push(group.len());
            entries.append(&mut group);
        }
        Self { entries, sizes }
    }

    /// Groups of the same size, one after the other.
    pub(super) fn of_size(size: usize, entries: Vec<usize>) -> Self {
        let sizes = vec![size; entries.len() / size];
        Self { entries, sizes }
    }

    /// How many entries the largest group has.
    pub(super) fn largest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    fn each(&self) -> impl Iterator<Item = &[usize]> {
        let mut rest = self.entries.as_slice();
        self.sizes.iter().map(move |&size| rest.split_off(..size).unwrap_or_default())
    }
}

/// The levels of all trees, the entries themselves first and the roots last, each with its groups.
pub(super) fn levels(
    call: &mut Call<'_>,
    x: Variable,
    groups: Groups,
    activation: &Activation,
) -> Result<Vec<(Variable, Groups)>, Reason> {
    let mut levels = vec![];
    let (mut x, mut groups) = (x, groups);
    while groups.largest() > 1 {
        let (mut first, mut second, mut sizes) = (vec![], vec![], vec![]);
        for group in groups.each() {
            for pair in group.chunks(2) {
                // of a pair p, q it is q + φ(p − q); an odd one is itself
                first.push((pair.len() == 2).then_some(pair[0]));
                second.push(pair.last().copied());
            }
            sizes.push(group.len().div_ceil(2));
        }
        let next = Groups { entries: (0..second.len()).collect(), sizes };
        let above = joined(call, (&x, first), (&x, second), activation)?;
        levels.push((std::mem::replace(&mut x, above), std::mem::replace(&mut groups, next)));
    }
    levels.push((x, groups));
    Ok(levels)
}

/// What every group comes to, none of which is empty.
pub(super) fn tree(
    call: &mut Call<'_>,
    x: Variable,
    groups: Groups,
    shape: Vec<usize>,
    activation: &Activation,
) -> Result<Variable, Reason> {
    let (roots, groups) = levels(call, x, groups, activation)?.pop().expect("there is a level");
    let places = Places::listed(roots.len(), groups.entries.into_iter().map(Some).collect());
    gathered(call, roots, places.reshaped(shape)?)
}

/// b + φ(a − b), or b where there is no a; there is a b everywhere.
pub(super) fn joined(
    call: &mut Call<'_>,
    (a, of_a): (&Variable, Entries),
    (b, of_b): (&Variable, Entries),
    activation: &Activation,
) -> Result<Variable, Reason> {
    let both: Vec<usize> = (0..of_b.len()).filter(|i| of_a[*i].is_some()).collect();
    let len = of_b.len();
    if both.is_empty() {
        return gathered(call, b.clone(), Places::listed(b.len(), of_b));
    }
    let negative = negated(call, b.clone())?;
    let terms = vec![
        picked(call, a, both.iter().map(|i| of_a[*i]).collect())?,
        picked(call, &negative, both.iter().map(|i| of_b[*i]).collect())?,
    ];
    let difference = call.linear(terms, None, vec![both.len()])?;
    let excess = call.function(difference, activation.clone())?;
    let mut added = vec![None; len];
    both.iter().enumerate().for_each(|(k, i)| added[*i] = Some(k));
    let terms = vec![picked(call, b, of_b)?, picked(call, &excess, added)?];
    call.linear(terms, None, vec![len])
}

/// A term: entries of a vector.
pub(super) fn picked(call: &mut Call<'_>, x: &Variable, entries: Entries) -> Result<(NodeId, LinearMap), Reason> {
    call.made += entries.len();
    Ok((x.id, Places::listed(x.len(), entries).map()?))
}
