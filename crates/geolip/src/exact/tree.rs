//! The tree of cases: which are split, which are proved, which are open. It decides nothing.

use super::case::Start;
use super::checkpoint::SavedCase;
use crate::certificate::cases::restricted;
use crate::certificate::{CaseProof, Certificate, CheckedBranch, CheckedCase, End, Fixing};
use crate::network::Network;
use rayon::prelude::*;
use std::sync::Arc;

/// (activation layer, neuron in it)
pub(super) type Neuron = (usize, usize);

/// All cases so far; number 0 is the network itself.
#[derive(Debug, Default)]
pub(crate) struct Tree {
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
    Closed(Box<CheckedCase>),
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
    /// The network itself, open.
    pub fn new(open: Open) -> Self {
        Self { cases: vec![Case { fixings: Vec::new(), state: State::Open(open) }] }
    }

    /// Rebuilds a tree from its walk; none if that is not whole, or names a neuron that is not in the network. Proofs go
    /// through `check`, with the path of their case.
    pub fn read<E>(
        network: &Network,
        walk: &[SavedCase],
        check: impl Fn(&[Fixing], f64, &CaseProof) -> Result<CheckedCase, E> + Sync,
    ) -> Option<Result<Self, E>>
    where
        E: Send,
    {
        let mut tree = Self::new(Open { value: f64::INFINITY, split: None, start: None });
        let mut waiting = vec![0];
        let mut proofs: Vec<(usize, f64, &CaseProof)> = Vec::new();
        for case in walk {
            let id = waiting.pop()?;
            match case {
                SavedCase::Open(value) => {
                    tree.set(id, State::Open(Open { value: *value, split: None, start: None }));
                }
                SavedCase::Closed(upper, proof) => proofs.push((id, *upper, proof)),
                SavedCase::Split(layer, neuron) => {
                    let blank = || State::Open(Open { value: f64::INFINITY, split: None, start: None });
                    let [lower, upper] = tree.split(id, (*layer, *neuron), [blank(), blank()]);
                    restricted(network, &tree.case(lower).fixings)?;
                    waiting.extend([upper, lower]);
                }
            }
        }
        if !waiting.is_empty() {
            return None;
        }
        let checked: Result<Vec<(usize, CheckedCase)>, E> = proofs
            .into_par_iter()
            .map(|(id, upper, proof)| Ok((id, check(&tree.case(id).fixings, upper, proof)?)))
            .collect();
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
    pub fn path(&self, id: usize, (layer, neuron): Neuron, end: End) -> Vec<Fixing> {
        let own = self.cases[id].fixings.iter().copied();
        own.chain(std::iter::once(Fixing { layer, neuron, end })).collect()
    }

    /// Splits a case; the children take the states given.
    pub fn split(&mut self, id: usize, neuron: Neuron, [lower, upper]: [State; 2]) -> [usize; 2] {
        let children = [self.cases.len(), self.cases.len() + 1];
        for (end, state) in [(End::Lower, lower), (End::Upper, upper)] {
            let fixings = self.path(id, neuron, end);
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

    /// All cases in the order of [`crate::certificate::cases`].
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
    pub fn certificate(&self, network: &Network) -> Option<Certificate> {
        let branch = |state| match state {
            &State::Split((layer, neuron), _) => Some(CheckedBranch::Split(layer, neuron)),
            State::Closed(case) => Some(CheckedBranch::Leaf(case)),
            State::Open(_) => None,
        };
        let branches: Option<Vec<CheckedBranch<'_>>> = self.walk().map(branch).collect();
        Certificate::of_cases(network, &branches?)
    }
}
