//! The tree of cases: which are split, which are proved, which are open. It decides nothing.

use super::case::Start;
use super::checkpoint::SavedCase;
use crate::place::{Fixing, Knife, Twins};
use crate::proof::{Certificate, CheckedBranch, Proof};
use crate::slopes::SlopeNetwork;
use rayon::prelude::*;
use std::sync::Arc;

/// (activation layer, neuron in it)
pub(super) type Neuron = (usize, usize);

/// All cases so far; number 0 is the whole.
#[derive(Debug)]
pub(crate) struct Tree {
    root: SlopeNetwork,
    cases: Vec<Case>,
}

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    /// The neurons on its path.
    pub fixings: Vec<Fixing>,
    pub state: State,
}

#[derive(Debug)]
pub(crate) enum State {
    Open(Open),
    /// By the slope of a neuron, into the cases of its lower and its upper end.
    Split(Neuron, [usize; 2]),
    Closed(Box<Certificate>),
}

/// What is known of a case that is neither proved nor split.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    /// The value of its relaxation, about.
    pub value: f64,
    /// The neuron to split by; none where that is not known.
    pub split: Option<Neuron>,
    /// A solution of its relaxation, if there was room to keep it.
    pub start: Option<Arc<Start>>,
}

impl Tree {
    /// The whole, open.
    pub fn new(root: &SlopeNetwork, open: Open) -> Self {
        Self { root: root.clone(), cases: vec![Case { fixings: Vec::new(), state: State::Open(open) }] }
    }

    /// The slope network of a case.
    pub fn network(&self, fixings: &[Fixing]) -> Option<SlopeNetwork> {
        self.root.within(self.root.place().clone().in_case(fixings)).ok()
    }

    /// Rebuilds a tree from its walk; none if that is not whole, or names a neuron that is not in the network. Proofs go
    /// through `check`, with the path of their case.
    pub fn read<E>(
        network: &SlopeNetwork,
        walk: &[SavedCase],
        check: impl Fn(&SlopeNetwork, f64, &Proof) -> Result<Certificate, E> + Sync,
    ) -> Option<Result<Self, E>>
    where
        E: Send,
    {
        let mut tree = Self::new(network, Open { value: f64::INFINITY, split: None, start: None });
        let mut waiting = vec![0];
        let mut proofs: Vec<(usize, f64, &Proof)> = Vec::new();
        for case in walk {
            let id = waiting.pop()?;
            match case {
                SavedCase::Open(value) => {
                    tree.set(id, State::Open(Open { value: *value, split: None, start: None }));
                }
                SavedCase::Closed(upper, proof) => proofs.push((id, *upper, proof)),
                SavedCase::Split(layer, neuron) => {
                    let blank = || State::Open(Open { value: f64::INFINITY, split: None, start: None });
                    network.at_end(*layer, *neuron, false)?;
                    let [lower, upper] = tree.split(id, (*layer, *neuron), [blank(), blank()]);
                    waiting.extend([upper, lower]);
                }
            }
        }
        if !waiting.is_empty() {
            return None;
        }
        // the slope network of a case is made for its check alone
        let checked: Option<Vec<Result<(usize, Certificate), E>>> = proofs
            .into_par_iter()
            .map(|(id, upper, proof)| {
                let case = tree.network(&tree.case(id).fixings)?;
                Some(check(&case, upper, proof).map(|certificate| (id, certificate)))
            })
            .collect();
        let checked: Result<Vec<(usize, Certificate)>, E> = checked?.into_iter().collect();
        Some(checked.map(|checked| {
            checked.into_iter().for_each(|(id, case)| tree.set(id, State::Closed(Box::new(case))));
            tree
        }))
    }

    /// The largest bound of a case that is proved; 0 if there is none.
    pub fn proved(&self) -> f64 {
        let bound = |case: &Case| match &case.state {
            State::Closed(case) => case.upper(),
            State::Open(_) | State::Split(..) => 0.0,
        };
        self.cases.iter().map(bound).fold(0.0, f64::max)
    }

    pub fn len(&self) -> usize {
        self.cases.len()
    }

    pub fn case(&self, id: usize) -> &Case {
        &self.cases[id]
    }

    pub fn set(&mut self, id: usize, state: State) {
        self.cases[id].state = state;
    }

    /// The path of a child.
    pub fn path(&self, id: usize, (layer, neuron): Neuron, upper: bool) -> Vec<Fixing> {
        let own = self.cases[id].fixings.iter().copied();
        own.chain(self.root.at_end(layer, neuron, upper)).collect()
    }

    /// Splits a case; the children take the states given.
    pub fn split(&mut self, id: usize, neuron: Neuron, [lower, upper]: [State; 2]) -> [usize; 2] {
        let children = [self.cases.len(), self.cases.len() + 1];
        for (is_upper, state) in [(false, lower), (true, upper)] {
            let fixings = self.path(id, neuron, is_upper);
            self.cases.push(Case { fixings, state });
        }
        self.cases[id].state = State::Split(neuron, children);
        children
    }

    /// The ids of all open cases.
    pub fn open(&self) -> Vec<usize> {
        (0..self.cases.len()).filter(|id| matches!(self.cases[*id].state, State::Open(_))).collect()
    }

    /// How many cases are proved.
    pub fn closed(&self) -> usize {
        self.cases.iter().filter(|case| matches!(case.state, State::Closed(_))).count()
    }

    /// All cases in the order of [`crate::proof::tree`].
    pub fn walk(&self) -> impl Iterator<Item = &State> {
        let mut waiting = vec![0];
        std::iter::from_fn(move || {
            let state = &self.cases[waiting.pop()?].state;
            if let State::Split(_, [lower, upper]) = state {
                waiting.extend([*upper, *lower]);
            }
            Some(state)
        })
    }

    /// The certificate; none while cases are open.
    pub fn certificate(&self) -> Option<Certificate> {
        let branch = |state| match state {
            &State::Split((layer, neuron), _) => Some(CheckedBranch::Branch(Knife::Slope(layer, neuron))),
            State::Closed(case) => Some(CheckedBranch::Leaf(case)),
            State::Open(_) => None,
        };
        let branches: Option<Vec<CheckedBranch<'_>>> = self.walk().map(branch).collect();
        Certificate::of_tree(&self.root, &Twins::none(), &branches?)
    }
}
