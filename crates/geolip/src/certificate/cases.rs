//! Bounds case by case: a tree of splits in which every neuron that is split has one of the two ends of its slope interval.
//!
//! # The claim
//!
//! **Claim.** If for every leaf of a binary tree the FGL over the slopes that the leaf allows is at most B, so is the FGL.
//! *Proof.* A path of the network passes a neuron at most once, so J(v) is affine in every single slope vⱼ, and its norm
//! (of Jᵀu, or an operator norm) is convex in vⱼ. Over \[α, β\] it is largest at α or at β, whatever the other slopes are:
//! those that a split allows are bounded by the maximum of what its two children allow. ∎
//!
//! A leaf is proved like any other bound ([`super::form`], [`super::signs`]), as that of a network in which the neurons that
//! its path has split are linear; their intervals are worked out here, from the network's own and the path, and from nothing else in the file.
//!
//! The tree is written as a list in the order of a walk: a split, all of its lower child (the slope is α), all of its upper
//! child (β). This is not the search that finds the tree: that is `exact`, and nothing of it is trusted.

use super::format::{Branch, CaseProof};
use crate::network::{Network, Slope};

/// Which end of its slope interval a neuron's slope is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// α
    Lower,
    /// β
    Upper,
}

/// A neuron whose slope is at one end of its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixing {
    /// The activation layer, in topological order.
    pub layer: usize,
    /// The neuron in its layer.
    pub neuron: usize,
    /// The end.
    pub end: End,
}

/// The slope intervals that are left when these neurons are fixed; none if there is no such neuron.
pub fn restricted(network: &Network, fixings: &[Fixing]) -> Option<Vec<Vec<Slope>>> {
    let mut slopes = network.slopes();
    for fixing in fixings {
        let slope = slopes.get_mut(fixing.layer)?.get_mut(fixing.neuron)?;
        let end = match fixing.end {
            End::Lower => slope.lower,
            End::Upper => slope.upper,
        };
        *slope = Slope::new(end, end);
    }
    Some(slopes)
}

/// The leaves of a tree in their order. One path is kept, that of the leaf at hand: a tree may have as many leaves as its
/// file has lines, each below as many splits.
#[derive(Clone, Debug)]
pub(super) struct Leaves<'a> {
    tree: &'a [Branch],
    /// The node of the tree that follows.
    next: usize,
    /// Whether that begins the subtree at the end of the path; else the subtree has ended.
    below: bool,
    path: Vec<Fixing>,
    /// The places in the path of those splits whose upper child is still to come.
    waiting: Vec<usize>,
    /// Per activation layer, the neurons that the path fixes.
    fixed: Vec<Vec<bool>>,
}

impl<'a> Leaves<'a> {
    /// The leaves of a tree of cases of this network.
    pub fn new(network: &Network, tree: &'a [Branch]) -> Self {
        let fixed = network.activations().map(|(node, _, _)| vec![false; network.node(node).len]).collect();
        Self { tree, next: 0, below: true, path: Vec::new(), waiting: Vec::new(), fixed }
    }

    /// The neurons that the path of the leaf at hand fixes.
    pub fn path(&self) -> &[Fixing] {
        &self.path
    }

    /// Goes on to the next leaf; none after the last. An error if the list is no whole tree of this network.
    pub fn advance(&mut self) -> Result<Option<&'a CaseProof>, &'static str> {
        loop {
            if !self.below {
                let Some(split) = self.waiting.pop() else {
                    return if self.next == self.tree.len() {
                        Ok(None)
                    } else {
                        Err("its tree continues after its last case")
                    };
                };
                for fixing in self.path.drain(split + 1..) {
                    self.fixed[fixing.layer][fixing.neuron] = false;
                }
                self.path[split].end = End::Upper;
                self.below = true;
            }
            let branch = self.tree.get(self.next).ok_or("its tree lacks cases")?;
            self.next += 1;
            match branch {
                Branch::Leaf(proof) => {
                    self.below = false;
                    return Ok(Some(proof));
                }
                &Branch::Split(layer, neuron) => {
                    let fixed = self.fixed.get_mut(layer).and_then(|layer| layer.get_mut(neuron));
                    let fixed = fixed.ok_or("its tree splits a neuron that does not exist")?;
                    if std::mem::replace(fixed, true) {
                        return Err("its tree splits a neuron twice");
                    }
                    self.waiting.push(self.path.len());
                    self.path.push(Fixing { layer, neuron, end: End::Lower });
                }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::FormProof;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, NetworkBuilder};

    fn leaf(zeta: Vec<f64>) -> Branch {
        Branch::Leaf(CaseProof::Multipliers(FormProof { zeta, gamma: vec![], lambda: vec![], random_test: None }))
    }

    fn two_neurons() -> Network {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let w = Matrix::from_vec(2, 1, vec![1.0, 2.0]);
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], None).expect("shapes");
        let z = b.activate("z", h, Activation::LeakyRelu { slope: 0.1 }).expect("leaky");
        let y = b.affine("y", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 2, vec![1.0, 1.0])))], None);
        b.finish(y.expect("shapes"))
    }

    #[test]
    fn only_whole_trees_have_leaves() {
        let network = two_neurons();
        let leaf = || leaf(vec![]);
        let read = |tree: &[Branch]| Leaves::new(&network, tree).count();
        assert_eq!(read(&[leaf()]), Ok(1));
        assert_eq!(read(&[Branch::Split(0, 1), leaf(), Branch::Split(0, 0), leaf(), leaf()]), Ok(3));
        assert!(read(&[]).is_err() && read(&[leaf(), leaf()]).is_err());
        assert!(read(&[Branch::Split(0, 1), leaf()]).is_err(), "a case lacks");
        assert!(read(&[Branch::Split(0, 2), leaf(), leaf()]).is_err(), "no such neuron");
        assert!(read(&[Branch::Split(1, 0), leaf(), leaf()]).is_err(), "no such layer");
        assert!(read(&[Branch::Split(0, 1), leaf(), Branch::Split(0, 1), leaf(), leaf()]).is_err(), "twice");
    }

    #[test]
    fn a_path_fixes_slopes_at_the_ends_of_the_network_s_own_intervals() {
        let tree = [Branch::Split(0, 1), leaf(vec![]), leaf(vec![1.0])];
        let network = two_neurons();
        let mut leaves = Leaves::new(&network, &tree);
        let slopes = |leaves: &Leaves<'_>| restricted(&network, leaves.path()).expect("exists");
        leaves.advance().expect("whole");
        assert_eq!(slopes(&leaves), [[Slope::new(0.1, 1.0), Slope::new(0.1, 0.1)]]);
        let second = leaves.advance().expect("whole");
        assert_eq!(slopes(&leaves), [[Slope::new(0.1, 1.0), Slope::new(1.0, 1.0)]]);
        assert!(
            matches!(second, Some(CaseProof::Multipliers(form)) if form.zeta == [1.0]),
            "the upper child comes second"
        );
        assert_eq!(leaves.advance(), Ok(None));
    }

    #[test]
    fn a_path_forgets_the_splits_of_the_subtree_it_leaves() {
        let network = two_neurons();
        let leaf = || leaf(vec![]);
        // neuron 1 is split below both ends of neuron 0
        let tree = [Branch::Split(0, 0), Branch::Split(0, 1), leaf(), leaf(), Branch::Split(0, 1), leaf(), leaf()];
        let (mut leaves, mut paths) = (Leaves::new(&network, &tree), Vec::new());
        while leaves.advance().expect("whole").is_some() {
            paths.push(leaves.path().iter().map(|f| (f.neuron, f.end)).collect::<Vec<_>>());
        }
        let (low, high) = (End::Lower, End::Upper);
        let ends = [[low, low], [low, high], [high, low], [high, high]];
        assert_eq!(paths, ends.map(|[first, second]| [(0, first), (1, second)]));
    }

    #[test]
    fn a_deep_tree_takes_memory_in_proportion_to_it() {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let n = 2000;
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(Matrix::zeros(n, 1)))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let network = b.finish(z);
        let mut tree: Vec<Branch> = (0..n).map(|neuron| Branch::Split(0, neuron)).collect();
        tree.extend((0..=n).map(|_| leaf(vec![])));
        let mut leaves = Leaves::new(&network, &tree);
        let mut count = 0;
        while leaves.advance().expect("whole").is_some() {
            count += 1;
            assert!(leaves.path.len() <= n && leaves.waiting.len() <= n);
        }
        assert_eq!((count, leaves.path.capacity() < 4 * n, leaves.waiting.capacity() < 4 * n), (n + 1, true, true));
    }
}
