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

/// The leaves of a tree, each with the neurons that its path fixes; an error if the list is no whole tree of this network.
pub(super) fn leaves<'a>(
    network: &Network,
    tree: &'a [Branch],
) -> Result<Vec<(Vec<Fixing>, &'a CaseProof)>, &'static str> {
    let sizes: Vec<usize> = network.activations().map(|(node, _, _)| network.node(node).len).collect();
    let mut waiting: Vec<Vec<Fixing>> = vec![Vec::new()];
    let mut leaves = Vec::new();
    for branch in tree {
        let path = waiting.pop().ok_or("its tree goes on after its last case")?;
        match branch {
            Branch::Leaf(proof) => leaves.push((path, proof)),
            &Branch::Split(layer, neuron) => {
                if sizes.get(layer).is_none_or(|size| neuron >= *size) {
                    return Err("its tree splits a neuron that does not exist");
                }
                if path.iter().any(|fixing| (fixing.layer, fixing.neuron) == (layer, neuron)) {
                    return Err("its tree splits a neuron twice");
                }
                for end in [End::Upper, End::Lower] {
                    let mut child = path.clone();
                    child.push(Fixing { layer, neuron, end });
                    waiting.push(child);
                }
            }
        }
    }
    if waiting.is_empty() { Ok(leaves) } else { Err("its tree lacks cases") }
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
        let read = |tree: &[Branch]| leaves(&network, tree).map(|leaves| leaves.len());
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
        let leaves = leaves(&network, &tree).expect("whole");
        let slopes: Vec<_> = leaves.iter().map(|(path, _)| restricted(&network, path).expect("exists")).collect();
        assert_eq!(slopes[0], [[Slope::new(0.1, 1.0), Slope::new(0.1, 0.1)]]);
        assert_eq!(slopes[1], [[Slope::new(0.1, 1.0), Slope::new(1.0, 1.0)]]);
        assert!(
            matches!(leaves[1].1, CaseProof::Multipliers(form) if form.zeta == [1.0]),
            "the upper child comes second"
        );
    }
}
