//! The exact FGL: branch and bound on slopes, with the relaxation as the bound.
//!
//! The FGL is attained at a pattern of slopes, each at an end of its interval ([`crate::proof::tree`]). A search splits
//! the patterns by the slope of one neuron after the other; a neuron that is fixed is linear, so that a case is a vector
//! network like any other and its relaxation is solved from the point of the case above. A case whose certified bound is no
//! more than the best pattern known is closed; the closed cases together are the proof. What is found by then is valid at
//! any time: open cases are bounded by their own relaxations.
//!
//! | file | what |
//! | --- | --- |
//! | `search.rs` | the search for one functional: which case next, when to stop |
//! | `case.rs` | one case, whatever its relaxation |
//! | `vectors.rs` | a case as a vector network: ascent, certificate, or the neuron to split by |
//! | `signs/` | a case of one hidden layer as a program over signs, with cuts |
//! | `tree.rs` | the cases so far |
//! | `checkpoint.rs` | the file in which a search is kept |
//!
//! Results do not depend on the number of threads: cases are solved in rounds of fixed size, and what one finds is known to
//! the next round. Nothing here is trusted: the tree and every case in it are checked by [`crate::proof`].

mod case;
mod checkpoint;
mod search;
mod signs;
mod tree;
mod vectors;

pub(crate) use checkpoint::Checkpoint;
pub(crate) use search::close;

/// What is to close a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// The cuts of one hidden layer.
    Cuts,
    /// Branch and bound, with cuts where there are any.
    Search,
}
