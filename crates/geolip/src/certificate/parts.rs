//! Bounds part by part: a tree of cuts of a box by single inputs.
//!
//! **Claim.** If on every part the local bound is at most B, then so it is on the region: parts meet along their cuts, so they
//! cover it, and the largest gradient norm of the region is that of one of them.
//!
//! The parts are worked out here from the region and the cuts: `lower` and `upper` of the first child meet those of the second
//! at exactly the number that the file gives. The tree is written as a list in the order of a walk, like that of
//! [`super::cases`]: a cut, all of the part where the input is at most the number, all of the part where it is at least that.

use super::format::{Cut, Proof};
use crate::region::Region;

/// The parts of a region, each with its proof; an error if the list is no whole tree of cuts of it.
pub(super) fn parts<'a>(region: &Region, tree: &'a [Cut]) -> Result<Vec<(Region, &'a Proof)>, &'static str> {
    let mut waiting = vec![region.clone()];
    let mut parts = Vec::new();
    for node in tree {
        let part = waiting.pop().ok_or("its tree goes on after its last part")?;
        match node {
            Cut::Leaf(proof) => parts.push((part, &**proof)),
            &Cut::Cut(input, at) => {
                if region.ball().is_some() {
                    return Err("its tree cuts a ball; boxes are cut");
                }
                let inside = input < part.inputs() && part.lower()[input] <= at && at <= part.upper()[input];
                if !inside {
                    return Err("its tree cuts outside a part");
                }
                let (below, above) = part.cut(input, at);
                waiting.push(above);
                waiting.push(below);
            }
        }
    }
    if waiting.is_empty() { Ok(parts) } else { Err("its tree lacks parts") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_trees_inside_the_region_have_parts() {
        let region = Region::new_box(vec![0.0, 0.0], vec![1.0, 2.0]).expect("a box");
        let leaf = || Cut::Leaf(Box::new(Proof::Intervals));
        let read = |tree: &[Cut]| parts(&region, tree).map(|parts| parts.len());
        assert_eq!(read(&[leaf()]), Ok(1));
        assert_eq!(read(&[Cut::Cut(0, 0.5), Cut::Cut(1, 1.0), leaf(), leaf(), leaf()]), Ok(3));
        assert!(read(&[]).is_err() && read(&[leaf(), leaf()]).is_err());
        assert!(read(&[Cut::Cut(0, 0.5), leaf()]).is_err(), "a part lacks");
        assert!(read(&[Cut::Cut(0, 1.5), leaf(), leaf()]).is_err(), "outside");
        assert!(read(&[Cut::Cut(2, 0.5), leaf(), leaf()]).is_err(), "no such input");
        assert!(read(&[Cut::Cut(0, f64::NAN), leaf(), leaf()]).is_err());
        assert!(read(&[Cut::Cut(0, 0.5), Cut::Cut(0, 0.75), leaf(), leaf(), leaf()]).is_err(), "outside its part");
    }
}
