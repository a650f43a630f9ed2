//! The network again, without the neurons that are gone.
//!
//! What does not read them stays as it is, weights shared. A layer that loses neurons keeps the others; what it gave is a sum of
//! them and of pre-activations, and so are the nodes after it that only choose and add up. Where weights read such a sum, it is a node.

use super::entries;
use super::forms::{Entry, Form, Forms};
use super::maps::{Place, terms};
use super::unread::Moved;
use crate::matrix::Matrix;
use crate::network::{Activation, LinearMap, Network, NetworkBuilder, NetworkError, Node, NodeId, Op, Term};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The network of the same function.
pub(super) fn rebuild(forms: Forms<'_>) -> Network {
    let old = forms.network().clone();
    let mut new = Rebuild::new(forms);
    old.ids().skip(1).try_for_each(|id| new.add(id)).expect("numbers stay finite and shapes what they were");
    let Rebuild { builder, whole, .. } = new;
    builder.finish(whole[old.output().index()])
}

struct Rebuild<'a> {
    forms: Forms<'a>,
    old: &'a Network,
    builder: NetworkBuilder,
    /// Every node so far, in the new network.
    whole: Vec<NodeId>,
    moved: Moved,
    /// Where atoms are that are not at their old place.
    places: HashMap<Entry, (NodeId, usize)>,
}

impl<'a> Rebuild<'a> {
    fn new(mut forms: Forms<'a>) -> Self {
        let old = forms.network();
        Self {
            moved: Moved::new(&mut forms),
            builder: NetworkBuilder::new(old.inputs()).expect("it has inputs"),
            whole: vec![NodeId::INPUT],
            places: HashMap::new(),
            forms,
            old,
        }
    }

    /// The next node.
    fn add(&mut self, id: NodeId) -> Result<(), NetworkError> {
        let Node { name, op, .. } = self.old.node(id);
        let new = match op {
            Op::Input => NodeId::INPUT,
            Op::Activate { parent, activation } if self.moved.reduced.contains(&id) => {
                self.keep(id, *parent, activation)?;
                let sums = self.sums(entries(self.old, id)).expect("neurons are no rows of weights");
                self.sum(name, &sums)?
            }
            Op::Activate { parent, activation } => {
                self.builder.activate(name, self.whole[parent.index()], activation.clone())?
            }
            Op::Combine { parents, combination } => {
                self.builder.combine(name, parents.map(|parent| self.whole[parent.index()]), *combination)?
            }
            Op::Affine { terms, bias } => {
                let sums = match self.moved.sums.contains(&id) {
                    true => self.sums(entries(self.old, id)),
                    false => None,
                };
                if let Some(sums) = sums {
                    self.sum(name, &sums)?
                } else {
                    let term = |term: &Term| Term { parent: self.whole[term.parent.index()], map: term.map.clone() };
                    self.builder.sum(name, terms.iter().map(term).collect(), bias.clone())?
                }
            }
        };
        self.whole.push(new);
        Ok(())
    }

    /// The neurons of a layer that stay.
    fn keep(&mut self, id: NodeId, parent: NodeId, activation: &Activation) -> Result<(), NetworkError> {
        let gone = |entry: &Entry| self.forms.is_gone(*entry) || self.moved.unread.contains(entry);
        let stay: Vec<Entry> = entries(self.old, id).filter(|entry| !gone(entry)).collect();
        if stay.is_empty() {
            return Ok(());
        }
        let read: Vec<Entry> = stay.iter().map(|entry| Entry::of(parent, entry.index())).collect();
        let h = match self.sums(read.iter().copied()) {
            Some(sums) => self.sum(&self.old.node(parent).name, &sums)?,
            None => self.chosen(parent, &read)?,
        };
        let activation = match activation {
            Activation::PRelu { slopes } => {
                Activation::PRelu { slopes: stay.iter().map(|entry| slopes[entry.index()]).collect() }
            }
            other => other.clone(),
        };
        let z = self.builder.activate(&self.old.node(id).name, h, activation)?;
        self.places.extend(stay.into_iter().enumerate().map(|(place, entry)| (entry, (z, place))));
        Ok(())
    }

    /// Some entries of a node that holds rows of weights. Rows of matrices are taken out, and are where they are read from now on.
    fn chosen(&mut self, node: NodeId, entries: &[Entry]) -> Result<NodeId, NetworkError> {
        let Node { name, op, .. } = self.old.node(node);
        let dense = |op: &Op| match op {
            Op::Affine { terms, bias } => {
                let rows = |term: &Term| match term.map.as_ref() {
                    LinearMap::Dense(w) => {
                        let w = Matrix::from_fn(entries.len(), w.cols(), |i, j| w.at(entries[i].index(), j));
                        Some(Term { parent: self.whole[term.parent.index()], map: Arc::new(LinearMap::Dense(w)) })
                    }
                    _ => None,
                };
                let terms = terms.iter().map(rows).collect::<Option<Vec<Term>>>()?;
                let bias = bias.as_ref().map(|bias| entries.iter().map(|entry| bias[entry.index()]).collect());
                Some((terms, bias))
            }
            Op::Input | Op::Activate { .. } | Op::Combine { .. } => None,
        };
        let Some((terms, bias)) = dense(op) else {
            let rows: Vec<Vec<Place>> =
                entries.iter().map(|entry| vec![(self.whole[node.index()], entry.index(), 1.0)]).collect();
            let terms = terms(&mut self.builder, name, &rows)?;
            return self.builder.sum(name, terms, None);
        };
        let h = self.builder.sum(name, terms, bias)?;
        self.places.extend(entries.iter().enumerate().map(|(place, entry)| (*entry, (h, place))));
        Ok(h)
    }

    /// What entries are; none if one of them is a row of weights.
    fn sums(&mut self, entries: impl Iterator<Item = Entry>) -> Option<Vec<Rc<Form>>> {
        let forms = &mut self.forms;
        entries.map(|entry| forms.seen_through(entry)).collect()
    }

    /// A node of sums.
    fn sum(&mut self, name: &str, sums: &[Rc<Form>]) -> Result<NodeId, NetworkError> {
        let place = |(entry, factor): &(Entry, f64)| {
            let at = self.places.get(entry).copied();
            let (node, index) = at.unwrap_or_else(|| (self.whole[entry.node().index()], entry.index()));
            (node, index, *factor)
        };
        let read = |sum: &Form| {
            let atoms = sum.atoms.iter().filter(|(atom, _)| !self.moved.unread.contains(atom));
            atoms.map(place).collect()
        };
        let rows: Vec<Vec<Place>> = sums.iter().map(|sum| read(sum)).collect();
        let bias: Vec<f64> = sums.iter().map(|sum| sum.bias).collect();
        let terms = terms(&mut self.builder, name, &rows)?;
        self.builder.sum(name, terms, bias.iter().any(|b| *b != 0.0).then_some(bias))
    }
}
