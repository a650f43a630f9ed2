//! Entries of nodes as exact sums of multiples of other entries, the *atoms*.
//!
//! Atoms are inputs, neurons that stay, and rows of weights. Nodes that only choose, copy, negate, scale or add up a few entries
//! are seen through: their entries are sums of atoms, and what cancels is gone. **Exact**: a product or a sum that would be rounded is
//! not formed; the entry is an atom then. Two rows of weights that are exact multiples of each other are one atom.

use super::alike::Alike;
use super::functions::{Relation, exact_ratio};
use super::rows::Rows;
use crate::matrix::Matrix;
use crate::network::{Network, NodeId, Op};
use crate::rounding::{exact_product, exact_sum};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// An entry of a node that adds up more than this many others is a row of weights.
const LIGHT: usize = 8;
/// Sums of more atoms are not formed.
const MOST_ATOMS: usize = 32;
/// Nodes that are seen through one behind another; further ones are atoms.
const DEEPEST: usize = 256;

/// One entry of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Entry {
    node: NodeId,
    index: u32,
}

impl Entry {
    /// Entry `index` of a node with fewer than 2³² of them.
    pub(super) fn of(node: NodeId, index: usize) -> Self {
        Self { node, index: u32::try_from(index).expect("nodes that are looked at are not larger") }
    }

    pub(super) fn node(self) -> NodeId {
        self.node
    }

    pub(super) fn index(self) -> usize {
        self.index as usize
    }
}

/// Σ coefficient·atom + bias, the atoms in order, no coefficient zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Form {
    pub(super) atoms: Vec<(Entry, f64)>,
    pub(super) bias: f64,
}

impl Form {
    fn atom(entry: Entry) -> Self {
        Self { atoms: vec![(entry, 1.0)], bias: 0.0 }
    }

    /// The c with self = c·other, both with atoms.
    fn multiple_of(&self, other: &Self) -> Option<f64> {
        let ((_, own), (_, its)) = (self.atoms.first()?, other.atoms.first()?);
        let c = exact_ratio(*own, *its)?;
        let is = |own: f64, its: f64| exact_product(c, its) == Some(own);
        let pairs = self.atoms.iter().zip(&other.atoms);
        let same = self.atoms.len() == other.atoms.len()
            && is(self.bias, other.bias)
            && pairs.into_iter().all(|((p, own), (q, its))| p == q && is(*own, *its));
        same.then_some(c)
    }
}

/// A sum being formed.
#[derive(Default)]
struct Sum {
    atoms: BTreeMap<Entry, f64>,
    bias: f64,
}

impl Sum {
    /// Adds factor·form, if that is exact.
    fn add(&mut self, factor: f64, form: &Form) -> Option<()> {
        for (entry, coefficient) in &form.atoms {
            let sum = self.atoms.entry(*entry).or_insert(0.0);
            *sum = exact_sum(*sum, exact_product(factor, *coefficient)?)?;
        }
        self.bias = exact_sum(self.bias, exact_product(factor, form.bias)?)?;
        Some(())
    }

    fn form(self) -> Form {
        Form { atoms: self.atoms.into_iter().filter(|(_, c)| *c != 0.0).collect(), bias: self.bias }
    }
}

/// Whether an entry is seen through.
#[derive(Clone)]
struct Known {
    form: Rc<Form>,
    /// A row of weights, which is an atom or a multiple of one.
    opaque: bool,
}

/// The forms of the entries of a network, as far as they were asked for.
pub(super) struct Forms<'a> {
    network: &'a Network,
    values: Vec<Matrix>,
    rows: Rows<'a>,
    known: HashMap<Entry, Known>,
    /// Those of neurons that are gone.
    gone: HashMap<Entry, Rc<Form>>,
    /// Rows of weights that stand for all multiples of them.
    weights: Alike,
}

impl<'a> Forms<'a> {
    pub(super) fn new(network: &'a Network) -> Self {
        Self {
            network,
            values: Vec::with_capacity(network.nodes().len()),
            rows: Rows::default(),
            known: HashMap::new(),
            gone: HashMap::new(),
            weights: Alike::default(),
        }
    }

    pub(super) fn network(&self) -> &'a Network {
        self.network
    }

    /// The values of the next node in the random columns.
    pub(super) fn set_values(&mut self, values: Matrix) {
        self.values.push(values);
    }

    /// The values of a node in the random columns.
    pub(super) fn values(&self, node: NodeId) -> &Matrix {
        &self.values[node.index()]
    }

    /// The neurons that are gone, with what they are.
    pub(super) fn gone(&self) -> impl Iterator<Item = (Entry, &Form)> {
        self.gone.iter().map(|(entry, form)| (*entry, form.as_ref()))
    }

    /// Whether a neuron is gone.
    pub(super) fn is_gone(&self, entry: Entry) -> bool {
        self.gone.contains_key(&entry)
    }

    /// The exact c with one entry = c·another, if there is one and it can be seen.
    pub(super) fn multiple(&mut self, own: Entry, other: Entry) -> Option<f64> {
        if own == other {
            return Some(1.0);
        }
        let other = self.form(other); // first, so that earlier rows stand for later ones
        self.form(own).multiple_of(&other)
    }

    /// A neuron is `relation.a`·rep + `relation.b`·(its pre-activation) + `relation.d` from now on, if that sum is exact.
    pub(super) fn replace(&mut self, own: Entry, rep: Entry, relation: Relation, pre: Entry) -> bool {
        let Relation { a, b, d } = relation;
        let pre = self.form(pre);
        let sum = || {
            let mut sum = Sum { bias: d, ..Sum::default() };
            sum.add(a, &Form::atom(rep))?;
            sum.add(b, &pre)?;
            let form = sum.form();
            (form.atoms.len() <= MOST_ATOMS).then_some(form)
        };
        match sum() {
            Some(form) => {
                self.gone.insert(own, Rc::new(form));
                true
            }
            None => false,
        }
    }

    /// What an entry is.
    pub(super) fn form(&mut self, entry: Entry) -> Rc<Form> {
        self.look(entry, 0).form
    }

    /// What an entry is, if it is no row of weights.
    pub(super) fn seen_through(&mut self, entry: Entry) -> Option<Rc<Form>> {
        let known = self.look(entry, 0);
        (!known.opaque).then_some(known.form)
    }

    fn look(&mut self, entry: Entry, depth: usize) -> Known {
        let of = |form| Known { form, opaque: false };
        match &self.network.node(entry.node).op {
            Op::Input | Op::Combine { .. } => return of(Rc::new(Form::atom(entry))),
            Op::Activate { .. } => {
                return of(self.gone.get(&entry).cloned().unwrap_or_else(|| Rc::new(Form::atom(entry))));
            }
            Op::Affine { .. } => {}
        }
        if let Some(known) = self.known.get(&entry) {
            return known.clone();
        }
        let known = match self.light(entry, depth) {
            Some(form) => of(Rc::new(form)),
            None => Known { form: Rc::new(self.weights_row(entry, depth)), opaque: true },
        };
        self.known.insert(entry, known.clone());
        known
    }

    /// The entries that an entry of an affine node adds up, each with its factor, and the bias; none where they are not known.
    fn read(&mut self, entry: Entry) -> Option<(Vec<(Entry, f64)>, f64)> {
        let Op::Affine { terms, bias } = &self.network.node(entry.node).op else { return None };
        let (mut all, mut row) = (vec![], vec![]);
        for term in terms {
            if !self.rows.append(&term.map, entry.index(), &mut row) {
                return None;
            }
            all.extend(row.drain(..).map(|(column, factor)| (Entry::of(term.parent, column), factor)));
        }
        Some((all, bias.as_ref().map_or(0.0, |bias| bias[entry.index()])))
    }

    /// An entry that adds up a few others, or is a multiple of one.
    fn light(&mut self, entry: Entry, depth: usize) -> Option<Form> {
        let few = |op: &Op| match op {
            // a row of weights is not read only to be counted
            Op::Affine { terms, .. } => terms.iter().all(|term| term.map.name() != "convolution"),
            Op::Input | Op::Activate { .. } | Op::Combine { .. } => false,
        };
        if depth > DEEPEST || !few(&self.network.node(entry.node).op) {
            return None;
        }
        let (read, bias) = self.read(entry)?;
        let chooses = read.len() <= LIGHT && read.iter().all(|(_, factor)| is_power_of_two(*factor));
        if !chooses && read.len() > 1 {
            return None;
        }
        let mut sum = Sum { bias, ..Sum::default() };
        for (parent, factor) in read {
            sum.add(factor, &self.look(parent, depth + 1).form)?;
        }
        let form = sum.form();
        (form.atoms.len() <= MOST_ATOMS).then_some(form)
    }

    /// A row of weights: a multiple of one that is known, or an atom.
    fn weights_row(&mut self, entry: Entry, depth: usize) -> Form {
        let (entry, factor) = self.representative(entry, depth);
        Form { atoms: vec![(entry, factor)], bias: 0.0 }
    }

    /// The entry that stands for all multiples of this one, and the factor.
    fn representative(&mut self, entry: Entry, depth: usize) -> (Entry, f64) {
        let row = self.values[entry.node.index()].row(entry.index());
        let values = [row[0], row[1]];
        if depth > DEEPEST {
            return (entry, 1.0);
        }
        let known = self.weights.to(values);
        if !known.is_empty()
            && let Some(own) = self.definition(entry, depth)
        {
            // one of a later node could not be read where this entry is
            for other in known.into_iter().filter(|other| other.node <= entry.node) {
                if let Some(factor) = self.definition(other, depth).and_then(|its| own.multiple_of(&its)) {
                    return (other, factor);
                }
            }
        }
        self.weights.add(values, entry);
        (entry, 1.0)
    }

    /// A row of weights as a sum of what it reads.
    fn definition(&mut self, entry: Entry, depth: usize) -> Option<Form> {
        let (read, bias) = self.read(entry)?;
        let mut sum = Sum { bias, ..Sum::default() };
        for (parent, factor) in read {
            let known = self.look(parent, depth + 1);
            match (known.form.atoms.as_slice(), known.form.bias) {
                ([_], 0.0) if sum.add(factor, &known.form).is_some() => {}
                ([_], 0.0) => return None, // a part of it may have been added
                _ => {
                    let (parent, own) = self.representative(parent, depth + 1);
                    sum.add(factor, &Form { atoms: vec![(parent, own)], bias: 0.0 })?;
                }
            }
        }
        Some(sum.form())
    }
}

fn is_power_of_two(factor: f64) -> bool {
    factor.is_normal() && factor.to_bits() & ((1 << 52) - 1) == 0
}
