//! Branch by branch: a tree that splits a place by slopes, by inputs and by sides of pre-activations, in any order.
//!
//! # The claim
//!
//! At almost every input x the gradient is that of the slope network with v(x), the derivatives at x, where a pre-activation at a kink counts
//! either derivative: at almost every x where a locally Lipschitz hⱼ is at a kink t, its gradient vanishes, and so does that of the neuron's
//! value, which is v ∇hⱼ for any v; so by induction over the layers the chain rule holds with any of them. (Say the right one is taken, and on
//! a region the left one for opposite twins.) For inputs P and neurons E with slopes e let B(P, E) be
//! the largest ‖J(v)‖ with vⱼ = eⱼ on E and v = v(x) elsewhere, over almost all x of P. B of the root, without fixed neurons, is at least the
//! Lipschitz constant: of a region, or of the whole space.
//!
//! **Claim.** If every leaf (P, E) of a whole binary tree has a bound B(P, E) ≤ B, then so has its root. *Proof.*
//!
//! * *Slope*: a path of the network passes a neuron at most once, so J(v) is affine in every single slope vⱼ, and its norm (of Jᵀu, or an
//!   operator norm) is convex in vⱼ. Over \[α, β\], the interval of the root, it is largest at α or at β, whatever the other slopes are: B(P, E)
//!   is at most the larger of the two children's.
//! * *Input*: parts meet along the cut, so they cover P.
//! * *Side*, on a region: inputs with hⱼ(x) ≤ t, and with hⱼ(x) ≥ t. Where t is a kink and hⱼ(x) = t, x is in both, and one of them counts the derivative
//!   that was taken for it, and for its twins.
//! * *Side*, without a region, of a neuron that is not in E and whose function is cs on either side of t = 0
//!   ([`Activation::around_zero`](crate::function::Activation::around_zero)): the same, and in both children the neuron joins E, with the c of its side. For almost all x with hⱼ(x) < 0, or > 0, that
//!   is vⱼ(x); where hⱼ(x) = 0 the right one was taken, and x counts in the upper child.
//! * A leaf that is *thin* ([`super::thin`]): P has measure zero, so that B(P, E), over almost all of no inputs, is at most anything. ∎
//!
//! Without a region, a tree of slopes alone bounds B over all v in their intervals as well, which is the formal constant. With sides it bounds
//! the Lipschitz constant alone.
//!
//! A leaf is proved like any bound, as that of the slope network in its place, which has at least B(P, E): intervals are worked out for its
//! part, and the slopes that its path fixes are the ends of the root's intervals, as they are proved, or those of a side. Both are worked out here, from the
//! network, the region and the path, and from nothing else in the file. What a thin leaf names are sides of its own path.
//!
//! The tree is written as a list in the order of a walk: a branching, all of its lower child (slope α; at most the number), all of its
//! upper child. This is not the search that finds the tree: nothing of that is trusted.

use super::certificate::Certificate;
use super::file::{Branch, Claim, Proof};
use super::thin::HalfSpaces;
use crate::network::Network;
use crate::place::{Fixing, Knife, Part, Place, Region, RegionError, Side, Twins};
use crate::slopes::{Origin, SlopeNetwork};

/// The twins that a tree has to know; none where it cuts no sides.
pub(super) fn twins_of(network: &Network, tree: &[Branch]) -> Twins {
    match tree.iter().any(|branch| matches!(branch, Branch::Side(..))) {
        true => Twins::new(network),
        false => Twins::none(),
    }
}

/// Where a tree ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Leaf<'a> {
    /// By a proof of the bound.
    Bounded(&'a Proof),
    /// By sides whose inputs have measure zero.
    Thin(&'a [(usize, usize)]),
}

/// The slope of a neuron on a side of a kink that is the only one of its function, and at zero: what a side fixes where there is no region.
pub fn slope_on_side(root: &SlopeNetwork, side: Side) -> Option<Fixing> {
    let Side { layer, neuron, at, above } = side;
    let Origin::Activation(activation, node) = root.origins().nth(layer)? else { return None };
    let (left, right) = activation.around_zero(neuron).filter(|_| neuron < root.network().node(node).len)?;
    (at == 0.0).then_some(Fixing { layer, neuron, slope: if above { right } else { left } })
}

/// The leaves of a tree in their order. One path is kept, that of the leaf at hand, and how its place came from those around it: a tree
/// may have as many leaves as its file has lines, each below as many branchings.
#[derive(Clone, Debug)]
pub(super) struct Leaves<'a> {
    root: &'a SlopeNetwork,
    twins: &'a Twins,
    tree: &'a [Branch],
    /// The node of the tree that follows.
    next: usize,
    /// Whether that begins the subtree at the end of the path; else the subtree has ended.
    below: bool,
    /// The box of the part at hand and its sides, and what is fixed.
    lower: Vec<f64>,
    upper: Vec<f64>,
    sides: Vec<Side>,
    fixings: Vec<Fixing>,
    /// Per layer, the neurons that are fixed.
    fixed: Vec<Vec<bool>>,
    /// The branchings above, outermost first, with what they changed.
    path: Vec<(Knife, Before)>,
    /// The places in the path of those whose upper child is still to come.
    waiting: Vec<usize>,
}

/// Numbers in the half-spaces of a part at most: inputs times sides, those of twins included, which may be as many per cut as a layer
/// has neurons.
const MOST_NUMBERS: usize = 1 << 25;

/// What a branching changed.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// The ends of the input that is cut.
    Ends(f64, f64),
    /// The number of sides.
    Sides(usize),
    /// One fixing more.
    Fixed,
    /// One fixing more, and one side.
    FixedOnSide,
}

impl<'a> Leaves<'a> {
    /// The leaves of a tree over the place of a slope network.
    pub fn new(root: &'a SlopeNetwork, twins: &'a Twins, tree: &'a [Branch]) -> Self {
        let ends = |of: fn(&Region) -> &[f64]| root.region().map_or_else(Vec::new, |region| of(region).to_vec());
        let sides = root.part().map_or_else(Vec::new, |part| part.sides().to_vec());
        let mut fixed: Vec<Vec<bool>> = root.slopes().iter().map(|layer| vec![false; layer.len()]).collect();
        root.place().case().iter().for_each(|fixing| fixed[fixing.layer][fixing.neuron] = true);
        Self {
            root,
            twins,
            tree,
            next: 0,
            below: true,
            lower: ends(Region::lower),
            upper: ends(Region::upper),
            sides,
            fixings: Vec::new(),
            fixed,
            path: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Where the leaf at hand is.
    pub fn place(&self) -> Result<Place, RegionError> {
        let cut = self.root.region().is_some() && self.path.iter().any(|(knife, _)| !matches!(knife, Knife::Slope(..)));
        let place = match cut {
            false => self.root.place().whole(),
            true => Part::new(Region::new_box(self.lower.clone(), self.upper.clone())?, self.sides.clone()).into(),
        };
        Ok(place.in_case(self.root.place().case()).in_case(&self.fixings))
    }

    /// The sides of its path, where there is no region.
    pub fn sides(&self) -> &[Side] {
        &self.sides
    }

    /// Goes on to the next leaf; none after the last. An error if the list is no whole tree over the place.
    pub fn advance(&mut self) -> Result<Option<Leaf<'a>>, &'static str> {
        loop {
            if !self.below {
                let Some(branching) = self.waiting.pop() else {
                    return match self.next == self.tree.len() {
                        true => Ok(None),
                        false => Err("its tree continues after its last leaf"),
                    };
                };
                while self.path.len() > branching + 1 {
                    self.undo();
                }
                if let Some((knife, _)) = self.undo() {
                    self.branch(knife, true);
                }
                self.below = true;
            }
            let branch = self.tree.get(self.next).ok_or("its tree lacks leaves")?;
            self.next += 1;
            let knife = match branch {
                Branch::Leaf(proof) => {
                    self.below = false;
                    return Ok(Some(Leaf::Bounded(proof)));
                }
                Branch::Thin(_) if self.root.region().is_some() => {
                    return Err("its tree has a part without interior on a region; there, parts are bounded");
                }
                Branch::Thin(named) => {
                    self.below = false;
                    return Ok(Some(Leaf::Thin(named)));
                }
                &Branch::Slope(layer, neuron) => match self.fixed.get(layer).and_then(|layer| layer.get(neuron)) {
                    None => return Err("its tree splits a neuron that does not exist"),
                    Some(true) => return Err("its tree splits a neuron twice"),
                    Some(false) => Knife::Slope(layer, neuron),
                },
                &Branch::Input(input, at) => {
                    let ends = self.lower.get(input).zip(self.upper.get(input));
                    if !ends.is_some_and(|(lower, upper)| *lower <= at && at <= *upper) {
                        return Err("its tree cuts outside a part");
                    }
                    Knife::Input(input, at)
                }
                &Branch::Side(layer, neuron, at) => {
                    if self.fixed.get(layer).is_none_or(|neurons| neuron >= neurons.len()) || !at.is_finite() {
                        return Err("its tree cuts at an unknown neuron");
                    }
                    Knife::Side(layer, neuron, at)
                }
            };
            match (knife, self.root.region()) {
                (Knife::Slope(..), _) => {}
                (Knife::Input(..), None) => return Err("its tree cuts inputs, but there is no region"),
                (Knife::Side(layer, neuron, _), None) if self.fixed[layer][neuron] => {
                    return Err("its tree splits a neuron twice");
                }
                (Knife::Side(layer, neuron, at), None) => {
                    if slope_on_side(self.root, Side { layer, neuron, at, above: false }).is_none() {
                        return Err("its tree cuts at a number that is not the only kink of a neuron, at zero");
                    }
                }
                (Knife::Input(..) | Knife::Side(..), Some(region)) if region.ball().is_some() => {
                    return Err("its tree cuts a ball; only boxes can be cut");
                }
                (Knife::Input(..) | Knife::Side(..), Some(_)) => {}
            }
            self.waiting.push(self.path.len());
            self.branch(knife, false);
            // each is a half-space, which has a number for every input
            if self.sides.len().saturating_mul(self.root.inputs()) > MOST_NUMBERS {
                return Err("its tree is deeper than the checker allows");
            }
        }
    }

    /// The number of leaves still to come, if what is left makes a whole tree.
    pub fn count(mut self) -> Result<usize, &'static str> {
        let mut count = 0;
        while self.advance()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Goes down to the lower child of a branching, or to the `upper` one.
    fn branch(&mut self, knife: Knife, upper: bool) {
        let before = match knife {
            Knife::Input(input, at) => {
                let before = Before::Ends(self.lower[input], self.upper[input]);
                *(if upper { &mut self.lower[input] } else { &mut self.upper[input] }) = at;
                before
            }
            Knife::Side(layer, neuron, at) if self.root.region().is_none() => {
                let side = Side { layer, neuron, at, above: upper };
                self.sides.push(side);
                self.fixed[layer][neuron] = true;
                self.fixings.extend(slope_on_side(self.root, side));
                Before::FixedOnSide
            }
            Knife::Side(layer, neuron, at) => {
                let before = Before::Sides(self.sides.len());
                self.sides.extend(Side { layer, neuron, at, above: upper }.with_twins(self.twins));
                before
            }
            Knife::Slope(layer, neuron) => {
                self.fixed[layer][neuron] = true;
                self.fixings.extend(self.root.at_end(layer, neuron, upper));
                Before::Fixed
            }
        };
        self.path.push((knife, before));
    }

    /// Takes the last branching back.
    fn undo(&mut self) -> Option<(Knife, Before)> {
        let (knife, before) = self.path.pop()?;
        match (knife, before) {
            (Knife::Input(input, _), Before::Ends(lower, upper)) => {
                (self.lower[input], self.upper[input]) = (lower, upper);
            }
            (Knife::Slope(layer, neuron), _) => {
                self.fixings.pop();
                self.fixed[layer][neuron] = false;
            }
            (Knife::Side(layer, neuron, _), Before::FixedOnSide) => {
                self.sides.pop();
                self.fixings.pop();
                self.fixed[layer][neuron] = false;
            }
            (_, Before::Sides(count)) => self.sides.truncate(count),
            (Knife::Input(..) | Knife::Side(..), Before::Ends(..) | Before::Fixed | Before::FixedOnSide) => {}
        }
        Some((knife, before))
    }
}

/// A node of a tree of certificates, in the order of the [module](self).
#[derive(Clone, Copy, Debug)]
pub enum CheckedBranch<'a> {
    /// Into the lower child and the upper child.
    Branch(Knife),
    /// The bound of a leaf.
    Leaf(&'a Certificate),
    /// A leaf whose inputs have measure zero, by the sides of these neurons (layer and neuron).
    Thin(&'a [(usize, usize)]),
}

impl Certificate {
    /// The certificate in the place of `root` from those of all leaves of a tree over it; none if they are not all there are, or
    /// are about something else. A tree that is one leaf is that leaf.
    pub fn of_tree(root: &SlopeNetwork, twins: &Twins, tree: &[CheckedBranch<'_>]) -> Option<Self> {
        let leaves = tree.iter().filter_map(|node| match node {
            CheckedBranch::Branch(_) | CheckedBranch::Thin(_) => None,
            CheckedBranch::Leaf(certificate) => Some(*certificate),
        });
        let certificates: Vec<&Self> = leaves.collect();
        let (norm, output) = certificates.first().map(|c| (c.norm(), c.functional().clone()))?;
        let written = tree.iter().map(|node| match node {
            CheckedBranch::Branch(Knife::Slope(layer, neuron)) => Branch::Slope(*layer, *neuron),
            CheckedBranch::Branch(Knife::Input(input, at)) => Branch::Input(*input, *at),
            CheckedBranch::Branch(Knife::Side(layer, neuron, at)) => Branch::Side(*layer, *neuron, *at),
            CheckedBranch::Leaf(certificate) => Branch::Leaf(Box::new(certificate.proof().clone())),
            CheckedBranch::Thin(named) => Branch::Thin(named.to_vec()),
        });
        let written: Vec<Branch> = written.collect();
        let mut leaves = Leaves::new(root, twins, &written);
        let half_spaces = match written.iter().any(|branch| matches!(branch, Branch::Thin(_))) {
            true => Some(HalfSpaces::new(root.network())?),
            false => None,
        };
        for node in tree {
            let certificate = match node {
                CheckedBranch::Branch(_) => continue,
                CheckedBranch::Leaf(certificate) => certificate,
                CheckedBranch::Thin(named) => {
                    leaves.advance().ok()??;
                    half_spaces.as_ref()?.are_thin(leaves.sides(), named).ok()?;
                    continue;
                }
            };
            leaves.advance().ok()??;
            let fits = certificate.norm() == norm
                && *certificate.functional() == output
                && certificate.units() == root.units()
                && certificate.tested_by().is_none()
                && *certificate.place() == leaves.place().ok()?;
            fits.then_some(())?;
        }
        leaves.advance().ok()?.is_none().then_some(())?;
        let upper = certificates.iter().map(|c| c.upper()).fold(0.0, f64::max);
        let proof = match (certificates.as_slice(), written.len()) {
            ([certificate], 1) => certificate.proof().clone(),
            _ => Proof::Tree(written),
        };
        Some(Self::shown(root, norm, Claim { output, upper, proof }, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use crate::problem::{Functional, InputNorm};
    use crate::proof::prove;

    fn leaf() -> Branch {
        Branch::Leaf(Box::new(Proof::Intervals))
    }

    /// Two inputs, two leaky neurons.
    fn network() -> Network {
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let w = Matrix::from_vec(2, 2, vec![1.0, 0.0, 2.0, 1.0]);
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], None).expect("shapes");
        let z = b.activate("z", h, Activation::LeakyRelu { slope: 0.1 }).expect("leaky");
        let y = b.affine("y", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 2, vec![1.0, 1.0])))], None);
        b.finish(y.expect("shapes"))
    }

    fn on_a_box() -> SlopeNetwork {
        let region = Region::new_box(vec![-1.0, -1.0], vec![1.0, 1.0]).expect("a box");
        SlopeNetwork::new(&network(), region).expect("a region")
    }

    #[test]
    fn only_whole_trees_inside_their_place_have_leaves() {
        let (everywhere, local, twins) =
            (SlopeNetwork::everywhere(&network()).expect("bounded"), on_a_box(), Twins::none());
        let read = |root: &SlopeNetwork, tree: &[Branch]| Leaves::new(root, &twins, tree).count();
        assert_eq!(read(&everywhere, &[leaf()]), Ok(1));
        let two = [Branch::Slope(0, 1), leaf(), Branch::Slope(0, 0), leaf(), leaf()];
        assert_eq!((read(&everywhere, &two), read(&local, &two)), (Ok(3), Ok(3)));
        let mixed =
            [Branch::Slope(0, 1), Branch::Input(0, 0.5), leaf(), Branch::Side(0, 0, 0.0), leaf(), leaf(), leaf()];
        assert_eq!(read(&local, &mixed), Ok(4));
        assert!(read(&everywhere, &mixed).is_err(), "there is no region");
        for root in [&everywhere, &local] {
            assert!(read(root, &[]).is_err() && read(root, &[leaf(), leaf()]).is_err());
            assert!(read(root, &[Branch::Slope(0, 1), leaf()]).is_err(), "a leaf lacks");
            assert!(read(root, &[Branch::Slope(0, 2), leaf(), leaf()]).is_err(), "no such neuron");
            assert!(read(root, &[Branch::Slope(1, 0), leaf(), leaf()]).is_err(), "no such layer");
            let twice = [Branch::Slope(0, 1), leaf(), Branch::Slope(0, 1), leaf(), leaf()];
            assert!(read(root, &twice).is_err(), "twice");
        }
        for at in [Branch::Input(0, 1.5), Branch::Input(2, 0.0), Branch::Input(0, f64::NAN), Branch::Side(0, 2, 0.0)] {
            assert!(read(&local, &[at, leaf(), leaf()]).is_err());
        }
        assert!(read(&local, &[Branch::Side(0, 0, f64::NAN), leaf(), leaf()]).is_err());
        let outside = [Branch::Input(0, 0.5), Branch::Input(0, 0.75), leaf(), leaf(), leaf()];
        assert!(read(&local, &outside).is_err(), "outside its part");
    }

    /// A box, its sides, and what is fixed.
    type Own = (Vec<f64>, Vec<f64>, Vec<Side>, Vec<Fixing>);

    /// The places by going down with copies, as a search does.
    fn by_copies(
        root: &SlopeNetwork,
        (lower, upper, sides, fixings): Own,
        tree: &mut std::slice::Iter<'_, Branch>,
        into: &mut Vec<Own>,
    ) {
        let own = (lower.clone(), upper.clone(), sides.clone(), fixings.clone());
        let (mut below, mut above) = (own.clone(), own.clone());
        match tree.next().expect("whole") {
            Branch::Leaf(_) | Branch::Thin(_) => return into.push(own),
            Branch::Input(i, at) => {
                below.1[*i] = *at;
                above.0[*i] = *at;
            }
            Branch::Side(layer, neuron, at) => {
                let side = |above| Side { layer: *layer, neuron: *neuron, at: *at, above };
                below.2.push(side(false));
                above.2.push(side(true));
            }
            Branch::Slope(layer, neuron) => {
                let interval = root.tight_slopes()[*layer][*neuron];
                below.3.push(Fixing { layer: *layer, neuron: *neuron, slope: interval.lower });
                above.3.push(Fixing { layer: *layer, neuron: *neuron, slope: interval.upper });
            }
        }
        by_copies(root, below, tree, into);
        by_copies(root, above, tree, into);
    }

    #[test]
    fn places_are_those_of_the_branchings_above_them() {
        let (root, twins) = (on_a_box(), Twins::none());
        let tree = [
            Branch::Input(0, 0.5),
            Branch::Slope(0, 1),
            Branch::Input(0, 0.25),
            leaf(),
            Branch::Side(0, 0, 0.0),
            leaf(),
            leaf(),
            Branch::Slope(0, 0),
            leaf(),
            Branch::Input(1, 0.0),
            leaf(),
            leaf(),
            Branch::Side(0, 1, 1.0),
            Branch::Slope(0, 1),
            leaf(),
            leaf(),
            leaf(),
        ];
        let (mut leaves, mut found) = (Leaves::new(&root, &twins, &tree), Vec::new());
        while leaves.advance().expect("whole").is_some() {
            found.push(leaves.place().expect("a box"));
        }
        let mut expected = Vec::new();
        let region = root.region().expect("a box");
        let start = (region.lower().to_vec(), region.upper().to_vec(), Vec::new(), Vec::new());
        by_copies(&root, start, &mut tree.iter(), &mut expected);
        let expected = expected.into_iter().map(|(lower, upper, sides, fixings)| {
            let part = Part::new(Region::new_box(lower, upper).expect("a box"), sides);
            Place::from(part).in_case(&fixings)
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }

    #[test]
    fn slopes_of_a_leaf_are_the_ends_of_the_root_s_intervals() {
        let (root, twins) = (SlopeNetwork::everywhere(&network()).expect("bounded"), Twins::none());
        let tree = [Branch::Slope(0, 1), leaf(), leaf()];
        let mut leaves = Leaves::new(&root, &twins, &tree);
        let mut slopes = Vec::new();
        while leaves.advance().expect("whole").is_some() {
            slopes.push(root.within(leaves.place().expect("a place")).expect("inside").slopes()[0].clone());
        }
        let slope = crate::function::Slope::new;
        assert_eq!(slopes, [[slope(0.1, 1.0), slope(0.1, 0.1)], [slope(0.1, 1.0), slope(1.0, 1.0)]]);
    }

    #[test]
    fn sides_everywhere_fix_the_slope_of_their_side_once_and_at_the_kink() {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let one = |b: &mut NetworkBuilder, f| b.activate("z", b.input(), f).expect("known");
        let z = [Activation::LeakyRelu { slope: 2.0 }, Activation::Abs, Activation::Sigmoid].map(|f| one(&mut b, f));
        let y = b.affine("y", z.map(|z| (z, LinearMap::Identity(1))).to_vec(), None).expect("shapes");
        let network = b.finish(y);
        let (root, twins) = (SlopeNetwork::everywhere(&network).expect("bounded"), Twins::none());
        let tree = [Branch::Side(0, 0, 0.0), Branch::Side(1, 0, -0.0), leaf(), leaf(), leaf()];
        let (mut leaves, mut slopes, mut sides) = (Leaves::new(&root, &twins, &tree), Vec::new(), Vec::new());
        while leaves.advance().expect("whole").is_some() {
            let place = leaves.place().expect("a place");
            assert!(place.part().is_none());
            slopes.push(place.case().iter().map(|fixing| fixing.slope).collect::<Vec<f64>>());
            sides.push(leaves.sides().iter().map(|side| side.above).collect::<Vec<bool>>());
        }
        assert_eq!(slopes, [vec![2.0, -1.0], vec![2.0, 1.0], vec![1.0]]);
        assert_eq!(sides, [vec![false, false], vec![false, true], vec![true]]);
        let read = |root: &SlopeNetwork, tree: &[Branch]| Leaves::new(root, &twins, tree).count();
        let refused = [
            [Branch::Side(0, 0, 0.0), Branch::Side(0, 0, 0.0)],
            [Branch::Side(0, 0, 0.0), Branch::Slope(0, 0)],
            [Branch::Slope(0, 0), Branch::Side(0, 0, 0.0)],
            [Branch::Slope(1, 0), Branch::Side(0, 0, 5e-324)],
            [Branch::Slope(1, 0), Branch::Side(2, 0, 0.0)],
            [Branch::Slope(1, 0), Branch::Side(0, 1, 0.0)],
            [Branch::Slope(1, 0), Branch::Side(3, 0, 0.0)],
        ];
        for pair in refused {
            let tree = [pair.to_vec(), vec![leaf(), leaf(), leaf()]].concat();
            assert!(read(&root, &tree).is_err(), "{tree:?}");
        }
        let fixed =
            root.within(Place::everywhere().in_case(&[root.at_end(0, 0, true).expect("a neuron")])).expect("a case");
        let side = [Branch::Side(0, 0, 0.0), leaf(), leaf()];
        assert!(read(&fixed, &side).is_err() && read(&root, &side).is_ok(), "fixed by the case that it is in");
        let thin = [Branch::Side(0, 0, 0.0), Branch::Thin(vec![(0, 0)]), leaf()];
        let region = Region::new_box(vec![-1.0], vec![1.0]).expect("a box");
        assert_eq!(read(&root, &thin), Ok(2), "as far as the shape goes");
        assert!(read(&SlopeNetwork::new(&network, region).expect("a region"), &thin).is_err());
        // and what is thin has to be
        let claim =
            |tree: &[Branch]| Claim { output: Functional::output(0), upper: 9.0, proof: Proof::Tree(tree.to_vec()) };
        let proved = |tree: &[Branch]| prove(&root, InputNorm::Linf, &claim(tree), usize::MAX).is_ok();
        assert!(
            proved(&side)
                && !proved(&thin)
                && !proved(&[Branch::Thin(vec![(0, 0)])])
                && !proved(&[Branch::Thin(vec![])])
        );
        let opposite = [
            Branch::Side(0, 0, 0.0),
            Branch::Side(1, 0, 0.0),
            leaf(),
            Branch::Thin(vec![(0, 0), (1, 0)]),
            Branch::Side(1, 0, 0.0),
            Branch::Thin(vec![(1, 0), (0, 0)]),
            leaf(),
        ];
        assert!(proved(&opposite), "they share their pre-activation, x");
        let mut wrong = opposite.clone();
        wrong.swap(2, 3);
        assert!(!proved(&wrong));
    }

    #[test]
    fn a_deep_tree_takes_memory_in_proportion_to_it() {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let n = 2000;
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(Matrix::zeros(n, 1)))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Sigmoid).expect("sigmoid");
        let region = Region::new_box(vec![0.0], vec![1.0]).expect("a box");
        let (root, twins) = (SlopeNetwork::new(&b.finish(z), region).expect("a region"), Twins::none());
        let branch = |i: usize| match i % 3 {
            0 => Branch::Slope(0, i),
            1 => Branch::Input(0, 0.5),
            _ => Branch::Side(0, 0, 0.0),
        };
        let mut tree: Vec<Branch> = (0..n).map(branch).collect();
        tree.extend((0..=n).map(|_| leaf()));
        let (mut leaves, mut count) = (Leaves::new(&root, &twins, &tree), 0);
        while leaves.advance().expect("whole").is_some() {
            count += 1;
        }
        assert_eq!(count, n + 1);
        assert!(leaves.path.capacity() < 4 * n && leaves.sides.capacity() < 4 * n && leaves.waiting.capacity() < 4 * n);
    }

    #[test]
    fn files_of_version_2_read_as_trees() {
        let cases = r#"{"cases":[{"split":[0,1]},{"leaf":"intervals"},{"leaf":"intervals"}]}"#;
        let parts = r#"{"parts":[{"cut":[0,0.5]},{"leaf":"intervals"},{"side":[0,1,0.0]},{"leaf":"intervals"},{"leaf":"intervals"}]}"#;
        let read = |text: &str| serde_json::from_str::<Proof>(text).expect("a proof");
        assert_eq!(read(cases), Proof::Tree(vec![Branch::Slope(0, 1), leaf(), leaf()]));
        let tree = vec![Branch::Input(0, 0.5), leaf(), Branch::Side(0, 1, 0.0), leaf(), leaf()];
        assert_eq!(read(parts), Proof::Tree(tree));
    }
}
