//! The tree of a search: which places are branched, which are proved, which are open. It decides nothing.

use super::checkpoint::SavedNode;
use crate::place::{Knife, Part, Place, Side, Twins};
use crate::proof::tree::slope_on_side;
use crate::proof::{Certificate, CheckedBranch, Proof};
use crate::slopes::SlopeNetwork;
use rayon::prelude::*;
use std::sync::Arc;

/// A proof of a node that was checked, and whether it closes its place.
type Checked<E> = Result<(usize, bool, Certificate), E>;

/// All places so far; number 0 is the whole. `K`: what is kept of an open one for those below it.
#[derive(Debug)]
pub(super) struct Tree<K> {
    root: SlopeNetwork,
    twins: Twins,
    nodes: Vec<Node<K>>,
}

#[derive(Debug)]
struct Node<K> {
    /// Whose child it is, and whether the upper one; none for the whole.
    above: Option<(usize, bool)>,
    state: State<K>,
}

#[derive(Debug)]
pub(super) enum State<K> {
    Open(Open<K>),
    /// Into the places below and above; with its own bound, where one was proved, for they may come out worse.
    Branched(Knife, [usize; 2], Option<Box<Certificate>>),
    Closed(Box<Certificate>),
    /// Without interior, by the sides of these neurons.
    Thin(Vec<(usize, usize)>),
}

/// What is known of a place that is neither proved well enough nor branched.
#[derive(Debug)]
pub(super) struct Open<K> {
    /// Its bound, about: proved where there is a certificate.
    pub value: f64,
    /// What to branch by; none where that is not known.
    pub knife: Option<Knife>,
    /// A bound of it, where one is proved on the way.
    pub certificate: Option<Box<Certificate>>,
    /// What its children begin with, if there was room to keep it.
    pub kept: Option<Arc<K>>,
}

impl<K> State<K> {
    /// The bound that is proved of the place itself; infinite where there is none.
    fn upper(&self) -> f64 {
        let own = match self {
            Self::Open(open) => open.certificate.as_ref(),
            Self::Branched(_, _, own) => own.as_ref(),
            Self::Closed(certificate) => Some(certificate),
            Self::Thin(_) => return 0.0,
        };
        own.map_or(f64::INFINITY, |certificate| certificate.upper())
    }
}

impl<K> Open<K> {
    /// One of which nothing is known but this.
    pub fn of(value: f64) -> Self {
        Self { value, knife: None, certificate: None, kept: None }
    }

    /// Whether it has a bound of at most this.
    pub fn is_proved(&self, target: f64) -> bool {
        self.certificate.as_ref().is_some_and(|certificate| certificate.upper() <= target)
    }
}

impl<K> Tree<K> {
    /// The whole, open. Sides that are branched by say the same of these twins.
    pub fn new(root: &SlopeNetwork, twins: Twins, open: Open<K>) -> Self {
        Self { root: root.clone(), twins, nodes: vec![Node { above: None, state: State::Open(open) }] }
    }

    /// The place of a node; none where something on its path cannot be branched.
    pub fn place(&self, id: usize) -> Option<Place> {
        self.placed(id, None)
    }

    /// The place of a child that a node would have.
    pub fn child(&self, id: usize, knife: Knife, upper: bool) -> Option<Place> {
        self.placed(id, Some((knife, upper)))
    }

    fn placed(&self, id: usize, last: Option<(Knife, bool)>) -> Option<Place> {
        let mut path: Vec<(Knife, bool)> = last.into_iter().collect();
        let mut at = id;
        while let Some((above, upper)) = self.nodes[at].above {
            let State::Branched(knife, ..) = self.nodes[above].state else { return None };
            path.push((knife, upper));
            at = above;
        }
        let mut part: Option<Part> = None;
        let mut fixings = Vec::new();
        let everywhere = self.root.region().is_none();
        for (knife, upper) in path.into_iter().rev() {
            match knife {
                Knife::Side(layer, neuron, at) if everywhere => {
                    fixings.push(slope_on_side(&self.root, Side { layer, neuron, at, above: upper })?);
                }
                Knife::Slope(layer, neuron) => fixings.extend(self.root.at_end(layer, neuron, upper)),
                Knife::Input(..) | Knife::Side(..) => {
                    let whole = part.as_ref().or(self.root.part())?;
                    let (below, above) = whole.cut(knife, &self.twins)?;
                    part = Some(if upper { above } else { below });
                }
            }
        }
        let place = part.map_or_else(|| self.root.place().whole(), Place::from);
        Some(place.in_case(self.root.place().case()).in_case(&fixings))
    }

    /// The slope network of a place.
    pub fn network(&self, place: Place) -> Option<SlopeNetwork> {
        self.root.within(place).ok()
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What is known of an open place.
    pub fn open(&self, id: usize) -> Option<&Open<K>> {
        match &self.nodes[id].state {
            State::Open(open) => Some(open),
            State::Branched(..) | State::Closed(_) | State::Thin(_) => None,
        }
    }

    pub fn set(&mut self, id: usize, state: State<K>) {
        self.nodes[id].state = state;
    }

    /// Takes note of a bound of an open place, if it is better than the one that is known.
    pub fn prove(&mut self, id: usize, certificate: Certificate) {
        if let State::Open(open) = &mut self.nodes[id].state
            && open.certificate.as_ref().is_none_or(|known| certificate.upper() < known.upper())
        {
            open.certificate = Some(Box::new(certificate));
        }
    }

    /// Closes an open place with the bound that is proved on the way; whether there is one.
    pub fn close(&mut self, id: usize) -> bool {
        let State::Open(open) = &mut self.nodes[id].state else { return false };
        let Some(certificate) = open.certificate.take() else { return false };
        self.set(id, State::Closed(certificate));
        true
    }

    /// Branches a place; the children take the states given, that below first.
    pub fn branch(&mut self, id: usize, knife: Knife, states: [State<K>; 2]) -> [usize; 2] {
        let children = [self.nodes.len(), self.nodes.len() + 1];
        for (upper, state) in [false, true].into_iter().zip(states) {
            self.nodes.push(Node { above: Some((id, upper)), state });
        }
        let own = match &mut self.nodes[id].state {
            State::Open(open) => open.certificate.take(),
            State::Branched(..) | State::Closed(_) | State::Thin(_) => None,
        };
        self.set(id, State::Branched(knife, children, own));
        children
    }

    /// The ids of all open places.
    pub fn all_open(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|id| self.open(*id).is_some()).collect()
    }

    /// How many places are closed.
    pub fn closed(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node.state, State::Closed(_) | State::Thin(_))).count()
    }

    /// The least bound that is proved of a place: its own, or that of one around it. For every place.
    fn uppers(&self) -> Vec<f64> {
        let mut uppers: Vec<f64> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            // (a place stands behind the one above it)
            let around = node.above.map_or(f64::INFINITY, |(above, _)| uppers[above]);
            uppers.push(around.min(node.state.upper()));
        }
        uppers
    }

    /// The largest bound of a place that is closed; 0 if there is none.
    pub fn proved(&self) -> f64 {
        let closed = self.uppers().into_iter().zip(&self.nodes);
        let closed = closed.filter(|(_, node)| matches!(node.state, State::Closed(_)));
        closed.map(|(upper, _)| upper).fold(0.0, f64::max)
    }

    /// All places in the order of [`crate::proof::tree`].
    pub fn walk(&self) -> impl Iterator<Item = &State<K>> {
        let mut waiting = vec![0];
        std::iter::from_fn(move || {
            let state = &self.nodes[waiting.pop()?].state;
            if let State::Branched(_, [below, above], _) = state {
                waiting.extend([*above, *below]);
            }
            Some(state)
        })
    }

    /// The best that is proved: by all leaves together, or higher up, where a place has a better bound of its own than those below it
    /// have. None while a leaf has no bound, and no place above it.
    pub fn certificate(&self) -> Option<Certificate> {
        // of what is below a place, which stands behind it
        let mut below = vec![f64::INFINITY; self.nodes.len()];
        for id in (0..self.nodes.len()).rev() {
            if let State::Branched(_, children, _) = self.nodes[id].state {
                let best = |child: usize| below[child].min(self.nodes[child].state.upper());
                below[id] = best(children[0]).max(best(children[1]));
            }
        }
        let (mut waiting, mut branches) = (vec![0], Vec::new());
        while let Some(id) = waiting.pop() {
            branches.push(match &self.nodes[id].state {
                State::Branched(knife, [first, second], own)
                    if own.as_ref().is_none_or(|own| below[id] < own.upper()) =>
                {
                    waiting.extend([*second, *first]);
                    CheckedBranch::Branch(*knife)
                }
                State::Branched(_, _, own) => CheckedBranch::Leaf(own.as_deref()?),
                State::Closed(certificate) => CheckedBranch::Leaf(certificate),
                State::Thin(named) => CheckedBranch::Thin(named),
                State::Open(open) => CheckedBranch::Leaf(open.certificate.as_deref()?),
            });
        }
        Certificate::of_tree(&self.root, &self.twins, &branches)
    }
}

impl<K: Send + Sync> Tree<K> {
    /// Rebuilds the tree from its walk; none if that is not whole, or branches by what is not in the network. Proofs go through
    /// `check`, in their places.
    pub fn read<E: Send>(
        &mut self,
        walk: &[SavedNode],
        check: impl Fn(&SlopeNetwork, f64, &Proof) -> Result<Certificate, E> + Sync,
    ) -> Option<Result<(), E>> {
        self.nodes = vec![Node { above: None, state: State::Open(Open::of(f64::INFINITY)) }];
        let mut waiting = vec![0];
        // with whether they close their places
        let mut proofs: Vec<(usize, bool, f64, &Proof)> = Vec::new();
        for node in walk {
            if let SavedNode::Above(upper, proof) = node {
                proofs.push((*waiting.last()?, false, *upper, proof));
                continue;
            }
            let id = waiting.pop()?;
            let knife = match node {
                SavedNode::Above(..) => return None,
                SavedNode::Open(value) => {
                    self.set(id, State::Open(Open::of(*value)));
                    continue;
                }
                SavedNode::Closed(upper, proof) | SavedNode::Bounded(upper, proof) => {
                    proofs.push((id, matches!(node, SavedNode::Closed(..)), *upper, proof));
                    continue;
                }
                &SavedNode::Slope(layer, neuron) => Knife::Slope(layer, neuron),
                &SavedNode::Input(input, at) => Knife::Input(input, at),
                &SavedNode::Side(layer, neuron, at) => Knife::Side(layer, neuron, at),
            };
            if !self.can_be_branched(id, knife) {
                return None;
            }
            let [below, above] = self.branch(id, knife, [(); 2].map(|()| State::Open(Open::of(f64::INFINITY))));
            waiting.extend([above, below]);
        }
        if !waiting.is_empty() {
            return None;
        }
        // the slope network of a place is made for its check alone
        let tree: &Self = self;
        let checked: Option<Vec<Checked<E>>> = proofs
            .into_par_iter()
            .map(|(id, closes, upper, proof)| {
                let network = tree.network(tree.place(id)?)?;
                Some(check(&network, upper, proof).map(|certificate| (id, closes, certificate)))
            })
            .collect();
        let checked: Result<Vec<(usize, bool, Certificate)>, E> = checked?.into_iter().collect();
        Some(checked.map(|checked| {
            for (id, closes, certificate) in checked {
                let certificate = Box::new(certificate);
                match &mut self.nodes[id].state {
                    State::Branched(_, _, own) => *own = Some(certificate),
                    state if closes => *state = State::Closed(certificate),
                    state => *state = State::Open(Open { certificate: Some(certificate), ..Open::of(f64::INFINITY) }),
                }
            }
            for (upper, node) in self.uppers().into_iter().zip(&mut self.nodes) {
                if let State::Open(open) = &mut node.state
                    && open.value > upper
                {
                    open.value = upper;
                }
            }
        }))
    }

    /// Whether a place has both children.
    fn can_be_branched(&self, id: usize, knife: Knife) -> bool {
        let box_of = || self.place(id)?.region().filter(|region| region.ball().is_none()).cloned();
        match knife {
            Knife::Slope(layer, neuron) => self.root.at_end(layer, neuron, false).is_some(),
            Knife::Side(layer, neuron, at) if self.root.region().is_none() => {
                slope_on_side(&self.root, Side { layer, neuron, at, above: false }).is_some()
            }
            Knife::Side(layer, neuron, at) => {
                at.is_finite() && self.root.at_end(layer, neuron, false).is_some() && box_of().is_some()
            }
            Knife::Input(input, at) => box_of().is_some_and(|region| {
                let ends = region.lower().get(input).zip(region.upper().get(input));
                ends.is_some_and(|(lower, upper)| *lower <= at && at <= *upper)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use crate::place::Region;
    use crate::problem::{Functional, InputNorm};
    use crate::proof::{Claim, prove};
    use crate::search::checkpoint::Saved;
    use crate::search::engine::Best;

    fn on_a_box() -> SlopeNetwork {
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let w = Matrix::from_vec(2, 2, vec![1.0, 0.0, 2.0, 1.0]);
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], None).expect("shapes");
        let z = b.activate("z", h, Activation::LeakyRelu { slope: 0.1 }).expect("leaky");
        let region = Region::new_box(vec![-1.0, -1.0], vec![1.0, 1.0]).expect("a box");
        SlopeNetwork::new(&b.finish(z), region).expect("a region")
    }

    fn open() -> State<()> {
        State::Open(Open::of(1.0))
    }

    #[test]
    fn places_are_those_of_the_branchings_above_them() {
        let root = on_a_box();
        let mut tree: Tree<()> = Tree::new(&root, Twins::none(), Open::of(1.0));
        let [_, right] = tree.branch(0, Knife::Input(0, 0.5), [open(), open()]);
        let [steep, _] = tree.branch(right, Knife::Slope(0, 1), [open(), open()]);
        let [_, above] = tree.branch(steep, Knife::Side(0, 0, 0.0), [open(), open()]);
        let place = tree.place(above).expect("a place");
        let part = place.part().expect("on a region");
        assert_eq!((part.region().lower(), part.region().upper()), (&[0.5, -1.0][..], &[1.0, 1.0][..]));
        assert_eq!(part.sides(), [Side { layer: 0, neuron: 0, at: 0.0, above: true }]);
        assert_eq!(place.case(), [root.at_end(0, 1, false).expect("a neuron")]);
        assert_eq!(tree.child(steep, Knife::Side(0, 0, 0.0), true), Some(place));
        assert!(tree.all_open().len() == 4 && tree.certificate().is_none());
    }

    /// y = relu(x₀ − x₁) + x₁ on a box around zero: its gradient is (v, 1 − v), 1 in ℓ∞ for every pattern, and 2 by intervals.
    fn turning() -> SlopeNetwork {
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let row = |a, c| LinearMap::Dense(Matrix::from_vec(1, 2, vec![a, c]));
        let h = b.affine("h", vec![(b.input(), row(1.0, -1.0))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z, LinearMap::Identity(1)), (b.input(), row(0.0, 1.0))], None).expect("shapes");
        let region = Region::new_box(vec![-1.0; 2], vec![1.0; 2]).expect("a box");
        SlopeNetwork::new(&b.finish(y), region).expect("a region")
    }

    #[test]
    fn parts_that_come_out_worse_spoil_a_bound() {
        let root = turning();
        let of = |local: &SlopeNetwork, proof: Proof, upper: f64| {
            let claim = Claim { output: Functional::output(0), upper, proof };
            prove(local, InputNorm::Linf, &claim, usize::MAX)
        };
        let bounded =
            |certificate: Certificate| Open { certificate: Some(Box::new(certificate)), ..Open::of(f64::INFINITY) };
        let own = of(&root, Proof::Patterns, 1.0 + 1e-9).expect("by patterns");
        let mut tree: Tree<()> = Tree::new(&root, Twins::none(), bounded(own));
        let knife = Knife::Input(1, 0.5);
        let part = |upper| {
            let local = tree.network(tree.child(0, knife, upper).expect("a place")).expect("a part");
            of(&local, Proof::Intervals, 2.0 + 1e-9).expect("by intervals")
        };
        let states = [State::Open(bounded(part(false))), State::Closed(Box::new(part(true)))];
        tree.branch(0, knife, states);
        let check = |tree: &Tree<()>| {
            let whole = tree.certificate().expect("every leaf has a bound");
            assert_eq!((whole.upper(), whole.proof()), (1.0 + 1e-9, &Proof::Patterns));
            assert_eq!(tree.proved(), 1.0 + 1e-9);
        };
        check(&tree);
        // and the same once it was saved
        let best = Best { lower: 0.0, pattern: None, witness: None, formal: false };
        let saved = Saved::of(0, &root, &tree, &best);
        let mut again: Tree<()> = Tree::new(&root, Twins::none(), Open::of(7.0));
        let read = again.read(&saved.tree, |local, upper, proof| of(local, proof.clone(), upper));
        assert!(matches!(read, Some(Ok(()))));
        check(&again);
        assert_eq!(again.open(1).map(|open| open.value), Some(1.0 + 1e-9), "no more than around it");
    }

    #[test]
    fn walks_that_are_no_trees_over_the_place_are_not_read() {
        let root = on_a_box();
        let mut tree: Tree<()> = Tree::new(&root, Twins::none(), Open::of(1.0));
        let mut read = |walk: &[SavedNode]| {
            let check = |_: &SlopeNetwork, _: f64, _: &Proof| Err::<Certificate, ()>(());
            tree.read(walk, check).is_some()
        };
        let leaf = || SavedNode::Open(1.0);
        assert!(read(&[leaf()]) && !read(&[]) && !read(&[leaf(), leaf()]));
        for branch in [SavedNode::Slope(0, 1), SavedNode::Input(1, 1.0), SavedNode::Side(0, 0, 7.0)] {
            assert!(!read(&[branch.clone(), leaf()]) && read(&[branch, leaf(), leaf()]));
        }
        let outside = [
            SavedNode::Slope(0, 2),
            SavedNode::Slope(1, 0),
            SavedNode::Input(2, 0.0),
            SavedNode::Input(0, 1.5),
            SavedNode::Input(0, f64::NAN),
            SavedNode::Side(0, 2, 0.0),
            SavedNode::Side(0, 0, f64::INFINITY),
        ];
        for branch in outside {
            assert!(!read(&[branch, leaf(), leaf()]));
        }
    }
}
