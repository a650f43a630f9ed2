//! Bounds part by part: a tree of cuts of a box, by single inputs or by single pre-activations.
//!
//! **Claim.** If on every part the local bound is at most B, then so it is on the region: parts meet along their cuts, so they
//! cover it, and the largest gradient norm of the region is that of one of them.
//!
//! A part on one side of a kink counts the slopes on that side alone: for almost every input that is its slope, and the Lipschitz
//! constant of a convex region is the largest gradient norm at almost every input of it. (Where a pre-activation is at its kink
//! on a set that is more than a boundary, its own gradient vanishes almost everywhere there, and its slope does not matter.)
//!
//! The parts are worked out here from the region and the cuts: `lower` and `upper` of the first child meet those of the second
//! at exactly the number that the file gives. The tree is written as a list in the order of a walk, like that of
//! [`super::cases`]: a cut, all of the part where the input or pre-activation is at most the number, all of the part where it is
//! at least that.

use super::format::{Cut, Proof};
use crate::network::Twins;
use crate::region::{Knife, Part, Region, RegionError, Side};

/// The parts at the leaves of a tree of cuts, in their order. One part is kept, that of the leaf at hand, and how it came from
/// those around it: a tree may have as many parts as its file has lines, each inside as many others.
#[derive(Clone, Debug)]
pub(super) struct Leaves<'a> {
    region: &'a Region,
    /// Neurons per activation layer.
    layers: &'a [usize],
    twins: &'a Twins,
    tree: &'a [Cut],
    /// The node of the tree that follows.
    next: usize,
    /// Whether that begins the subtree of the part at hand; else the subtree has ended.
    below: bool,
    /// The box of the part at hand, and its sides.
    lower: Vec<f64>,
    upper: Vec<f64>,
    sides: Vec<Side>,
    /// The cuts around it, outermost first, with what they changed.
    cuts: Vec<(Knife, Before)>,
    /// The places among the cuts of those whose second part is still to come.
    waiting: Vec<usize>,
}

/// Numbers in the half-spaces of a part at most: inputs times sides, those of twins included, which may be as many per cut as a layer
/// has neurons.
const MOST_NUMBERS: usize = 1 << 25;

/// What a cut changed.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// The ends of the input that is cut.
    Ends(f64, f64),
    /// The number of sides.
    Sides(usize),
}

impl<'a> Leaves<'a> {
    /// The parts of a region, for a network with so many neurons in each activation layer, and these twins.
    pub fn new(region: &'a Region, (layers, twins): (&'a [usize], &'a Twins), tree: &'a [Cut]) -> Self {
        let (lower, upper) = (region.lower().to_vec(), region.upper().to_vec());
        let (sides, cuts, waiting) = (Vec::new(), Vec::new(), Vec::new());
        Self { region, layers, twins, tree, next: 0, below: true, lower, upper, sides, cuts, waiting }
    }

    /// The part at hand.
    pub fn part(&self) -> Result<Part, RegionError> {
        match self.cuts.is_empty() {
            true => Ok(self.region.clone().into()),
            false => Ok(Part::new(Region::new_box(self.lower.clone(), self.upper.clone())?, self.sides.clone())),
        }
    }

    /// Goes on to the next leaf; none after the last. An error if the list is no whole tree of cuts of the region.
    pub fn advance(&mut self) -> Result<Option<&'a Proof>, &'static str> {
        loop {
            if !self.below {
                let Some(cut) = self.waiting.pop() else {
                    return if self.next == self.tree.len() {
                        Ok(None)
                    } else {
                        Err("its tree continues after its last part")
                    };
                };
                while self.cuts.len() > cut + 1 {
                    self.undo();
                }
                if let Some((knife, _)) = self.undo() {
                    self.cut(knife, true);
                }
                self.below = true;
            }
            let node = self.tree.get(self.next).ok_or("its tree lacks parts")?;
            self.next += 1;
            let knife = match node {
                Cut::Leaf(proof) => {
                    self.below = false;
                    return Ok(Some(proof));
                }
                &Cut::Cut(input, at) => {
                    let ends = self.lower.get(input).zip(self.upper.get(input));
                    if !ends.is_some_and(|(lower, upper)| *lower <= at && at <= *upper) {
                        return Err("its tree cuts outside a part");
                    }
                    Knife::Input(input, at)
                }
                &Cut::Side(layer, neuron, at) => {
                    if self.layers.get(layer).is_none_or(|neurons| neuron >= *neurons) || !at.is_finite() {
                        return Err("its tree cuts at an unknown neuron");
                    }
                    Knife::Neuron(layer, neuron, at)
                }
            };
            if self.region.ball().is_some() {
                return Err("its tree cuts a ball; only boxes can be cut");
            }
            self.waiting.push(self.cuts.len());
            self.cut(knife, false);
            // each is a half-space, which has a number for every input
            if self.sides.len().saturating_mul(self.region.inputs()) > MOST_NUMBERS {
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

    /// Cuts the part at hand down to what is at most the knife's number, or at least (`above`).
    fn cut(&mut self, knife: Knife, above: bool) {
        let before = match knife {
            Knife::Input(input, at) => {
                let before = Before::Ends(self.lower[input], self.upper[input]);
                *(if above { &mut self.lower[input] } else { &mut self.upper[input] }) = at;
                before
            }
            Knife::Neuron(layer, neuron, at) => {
                let before = Before::Sides(self.sides.len());
                self.sides.extend(Side { layer, neuron, at, above }.with_twins(self.twins));
                before
            }
        };
        self.cuts.push((knife, before));
    }

    /// Takes the last cut back.
    fn undo(&mut self) -> Option<(Knife, Before)> {
        let (knife, before) = self.cuts.pop()?;
        match (knife, before) {
            (Knife::Input(input, _), Before::Ends(lower, upper)) => {
                (self.lower[input], self.upper[input]) = (lower, upper);
            }
            (_, Before::Sides(count)) => self.sides.truncate(count),
            (Knife::Neuron(..), Before::Ends(..)) => {}
        }
        Some((knife, before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_trees_inside_the_region_have_parts() {
        let region = Region::new_box(vec![0.0, 0.0], vec![1.0, 2.0]).expect("a box");
        let leaf = || Cut::Leaf(Box::new(Proof::Intervals));
        let twins = Twins::none();
        let read = |tree: &[Cut]| Leaves::new(&region, (&[3, 2], &twins), tree).count();
        assert_eq!(read(&[leaf()]), Ok(1));
        assert_eq!(read(&[Cut::Cut(0, 0.5), Cut::Cut(1, 1.0), leaf(), leaf(), leaf()]), Ok(3));
        assert_eq!(read(&[Cut::Side(1, 1, 0.5), Cut::Cut(1, 1.0), leaf(), leaf(), leaf()]), Ok(3));
        assert!(read(&[Cut::Side(1, 2, 0.5), leaf(), leaf()]).is_err(), "no such neuron");
        assert!(read(&[Cut::Side(2, 0, 0.5), leaf(), leaf()]).is_err(), "no such layer");
        assert!(read(&[Cut::Side(0, 0, f64::NAN), leaf(), leaf()]).is_err());
        assert!(read(&[]).is_err() && read(&[leaf(), leaf()]).is_err());
        assert!(read(&[Cut::Cut(0, 0.5), leaf()]).is_err(), "a part lacks");
        assert!(read(&[Cut::Cut(0, 1.5), leaf(), leaf()]).is_err(), "outside");
        assert!(read(&[Cut::Cut(2, 0.5), leaf(), leaf()]).is_err(), "no such input");
        assert!(read(&[Cut::Cut(0, f64::NAN), leaf(), leaf()]).is_err());
        assert!(read(&[Cut::Cut(0, 0.5), Cut::Cut(0, 0.75), leaf(), leaf(), leaf()]).is_err(), "outside its part");
    }

    /// The parts by cutting copies, as a search does.
    fn by_copies(part: Part, tree: &mut std::slice::Iter<'_, Cut>, twins: &Twins, into: &mut Vec<Part>) {
        let knife = match tree.next().expect("whole") {
            Cut::Leaf(_) => return into.push(part),
            Cut::Cut(input, at) => Knife::Input(*input, *at),
            Cut::Side(layer, neuron, at) => Knife::Neuron(*layer, *neuron, *at),
        };
        let (below, above) = part.cut(knife, twins);
        by_copies(below, tree, twins, into);
        by_copies(above, tree, twins, into);
    }

    #[test]
    fn parts_are_those_of_their_cuts() {
        let region = Region::new_box(vec![0.0, 0.0], vec![1.0, 2.0]).expect("a box");
        let leaf = || Cut::Leaf(Box::new(Proof::Intervals));
        let tree = [
            Cut::Cut(0, 0.5),
            Cut::Side(0, 1, 0.0),
            Cut::Cut(0, 0.25),
            leaf(),
            Cut::Cut(1, 1.0),
            leaf(),
            leaf(),
            Cut::Side(1, 0, -1.0),
            leaf(),
            leaf(),
            Cut::Cut(0, 0.75),
            Cut::Cut(1, 0.0),
            leaf(),
            leaf(),
            Cut::Side(0, 1, 1.0),
            leaf(),
            leaf(),
        ];
        let twins = Twins::none();
        let (mut leaves, mut found) = (Leaves::new(&region, (&[3, 2], &twins), &tree), Vec::new());
        while leaves.advance().expect("whole").is_some() {
            found.push(leaves.part().expect("a box"));
        }
        let mut expected = Vec::new();
        by_copies(region.clone().into(), &mut tree.iter(), &twins, &mut expected);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_deep_tree_takes_memory_in_proportion_to_it() {
        let region = Region::new_box(vec![0.0], vec![1.0]).expect("a box");
        let n = 2000;
        let cut = |i: usize| if i.is_multiple_of(2) { Cut::Cut(0, 0.5) } else { Cut::Side(0, 0, 0.0) };
        let mut tree: Vec<Cut> = (0..n).map(cut).collect();
        tree.extend((0..=n).map(|_| Cut::Leaf(Box::new(Proof::Intervals))));
        let twins = Twins::none();
        let mut leaves = Leaves::new(&region, (&[1], &twins), &tree);
        while leaves.advance().expect("whole").is_some() {}
        assert!(leaves.cuts.capacity() < 4 * n && leaves.sides.capacity() < 4 * n && leaves.waiting.capacity() < 4 * n);
    }
}
