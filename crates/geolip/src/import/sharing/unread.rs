//! Which nodes are sums because of neurons that are gone, and which neurons these sums cancel.
//!
//! A weight list has no branches: what passes a layer unchanged is relu(q) − relu(−q) there, of which m − (m − q) = q is left once the two
//! neurons share a pre-activation. m plays no part then, in any network; a bound that does not know it has a neuron to account for.
//!
//! **Claim.** What reads a node of sums gets exactly nothing of a neuron of [`Moved::unread`]: for each of its rows, the weights times the
//! neuron's coefficients add up to zero, with no product or sum rounded.

use super::entries;
use super::forms::{Entry, Form, Forms};
use crate::matrix::Matrix;
use crate::network::{LinearMap, NodeId, Op};
use crate::rounding::{exact_product, exact_sum};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

/// What becomes of the nodes of a network whose neurons are partly gone.
pub(super) struct Moved {
    /// The layers that lose neurons.
    pub(super) reduced: HashSet<NodeId>,
    /// The nodes whose entries are sums, these layers among them.
    pub(super) sums: HashSet<NodeId>,
    /// Neurons that stay, but that nothing reads.
    pub(super) unread: HashSet<Entry>,
}

impl Moved {
    pub(super) fn new(forms: &mut Forms<'_>) -> Self {
        let network = forms.network();
        let reduced: HashSet<NodeId> = forms.gone().map(|(entry, _)| entry.node()).collect();
        let mut sums = reduced.clone();
        let mut read = HashSet::new();
        let all = |read: &mut HashSet<Entry>, sums: &[Rc<Form>]| {
            read.extend(sums.iter().flat_map(|sum| sum.atoms.iter().map(|(atom, _)| *atom)));
        };
        for id in network.ids() {
            match &network.node(id).op {
                Op::Input => {}
                Op::Activate { parent, .. } if reduced.contains(&id) => {
                    for entry in entries(network, id).filter(|entry| !forms.is_gone(*entry)).collect::<Vec<_>>() {
                        let sum = forms.seen_through(Entry::of(*parent, entry.index()));
                        all(&mut read, sum.as_slice());
                    }
                }
                op @ (Op::Activate { .. } | Op::Combine { .. }) => {
                    for parent in op.parents().filter(|parent| sums.contains(parent)) {
                        all(&mut read, &of(forms, parent).unwrap_or_default());
                    }
                }
                Op::Affine { terms, .. } => {
                    if !terms.iter().any(|term| sums.contains(&term.parent)) {
                        continue;
                    }
                    if of(forms, id).is_some() {
                        sums.insert(id);
                        continue;
                    }
                    for term in terms.iter().filter(|term| sums.contains(&term.parent)) {
                        let parent = of(forms, term.parent).unwrap_or_default();
                        match term.map.as_ref() {
                            LinearMap::Dense(w) => read.extend(not_cancelled(w, &parent)),
                            _ => all(&mut read, &parent),
                        }
                    }
                }
            }
        }
        if sums.contains(&network.output()) {
            all(&mut read, &of(forms, network.output()).unwrap_or_default());
        }
        let neurons = reduced.iter().flat_map(|id| entries(network, *id));
        let unread = neurons.filter(|entry| !forms.is_gone(*entry) && !read.contains(entry)).collect();
        Self { reduced, sums, unread }
    }
}

/// A node's entries as sums; none if one of them is a row of weights.
fn of(forms: &mut Forms<'_>, node: NodeId) -> Option<Vec<Rc<Form>>> {
    entries(forms.network(), node).map(|entry| forms.seen_through(entry)).collect()
}

/// The atoms of sums of which a matrix leaves something.
fn not_cancelled(w: &Matrix, sums: &[Rc<Form>]) -> Vec<Entry> {
    let mut columns: BTreeMap<Entry, Vec<(usize, f64)>> = BTreeMap::new();
    for (i, sum) in sums.iter().enumerate() {
        sum.atoms.iter().for_each(|(atom, factor)| columns.entry(*atom).or_default().push((i, *factor)));
    }
    let cancels = |column: &[(usize, f64)]| {
        (0..w.rows()).all(|row| {
            let product = |(i, factor): &(usize, f64)| exact_product(w.at(row, *i), *factor);
            column.iter().try_fold(0.0, |sum, entry| exact_sum(sum, product(entry)?)) == Some(0.0)
        })
    };
    columns.into_iter().filter(|(_, column)| !cancels(column)).map(|(atom, _)| atom).collect()
}
