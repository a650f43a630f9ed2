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
use crate::region::{Knife, Part, Region};

/// The parts of a region, each with its proof, for a network with so many neurons in each activation layer, and these twins;
/// an error if the list is no whole tree of cuts of it.
pub(super) fn parts<'a>(
    region: &Region,
    (layers, twins): (&[usize], &Twins),
    tree: &'a [Cut],
) -> Result<Vec<(Part, &'a Proof)>, &'static str> {
    let mut waiting = vec![Part::from(region.clone())];
    let mut parts = Vec::new();
    for node in tree {
        let part = waiting.pop().ok_or("its tree goes on after its last part")?;
        match node {
            Cut::Leaf(proof) => parts.push((part, &**proof)),
            &Cut::Cut(input, at) => {
                let of = part.region();
                let inside = input < of.inputs() && of.lower()[input] <= at && at <= of.upper()[input];
                if !inside {
                    return Err("its tree cuts outside a part");
                }
                cut(&mut waiting, &part, Knife::Input(input, at), twins)?;
            }
            &Cut::Side(layer, neuron, at) => {
                if layers.get(layer).is_none_or(|neurons| neuron >= *neurons) || !at.is_finite() {
                    return Err("its tree cuts at an unknown neuron");
                }
                cut(&mut waiting, &part, Knife::Neuron(layer, neuron, at), twins)?;
            }
        }
    }
    if waiting.is_empty() { Ok(parts) } else { Err("its tree lacks parts") }
}

fn cut(waiting: &mut Vec<Part>, part: &Part, knife: Knife, twins: &Twins) -> Result<(), &'static str> {
    if part.region().ball().is_some() {
        return Err("its tree cuts a ball; boxes are cut");
    }
    let (below, above) = part.cut(knife, twins);
    waiting.push(above);
    waiting.push(below);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_trees_inside_the_region_have_parts() {
        let region = Region::new_box(vec![0.0, 0.0], vec![1.0, 2.0]).expect("a box");
        let leaf = || Cut::Leaf(Box::new(Proof::Intervals));
        let twins = Twins::none();
        let read = |tree: &[Cut]| parts(&region, (&[3, 2], &twins), tree).map(|parts| parts.len());
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
}
