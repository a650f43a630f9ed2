//! Bounds from below: what is attained.
//!
//! * A *pattern* bound: slopes v, each in its interval, with ‖J(v)ᵀu‖ computed and rounded down. FGL ≥ it.
//! * A *real* bound: an input x whose gradient has that norm, rounded down. The Lipschitz constant is at least it.
//!
//! Both hold whatever the search that found them did: a pattern's slopes lie in their intervals (`pattern_inside`), those at
//! an input are proved (`proved.rs`), and the evaluation ([`GradientBound`]) subtracts a bound on its own rounding.

mod ascend;
mod best;
mod climb;
mod constant;
mod first_layer;
mod gradient;
mod local;
mod pieces;
mod program;
mod proved;
mod realise;
mod sample;
mod slopes;

pub use gradient::GradientBound;
pub(crate) use gradient::pattern_inside;
pub(crate) use local::witness_at;
pub use realise::Realiser;
pub use sample::{InputRules, Witness, sample_inputs, search_inputs};
