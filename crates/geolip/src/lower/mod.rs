//! Bounds from below: what is attained.
//!
//! * A *pattern* bound: slopes v, each in its interval, with ‖J(v)ᵀu‖ computed and rounded down. FGL ≥ it.
//! * A *real* bound: an input x whose gradient has that norm, rounded down. The Lipschitz constant is at least it.
//!
//! Both are lower bounds of the FGL whatever the search that found them did, because every slope used lies in its interval
//! and the evaluation ([`GradientBound`]) subtracts a bound on its own rounding.

mod ascend;
mod best;
mod climb;
mod first_layer;
mod gradient;
mod local;
mod pieces;
mod program;
mod realise;
mod sample;
mod slopes;

pub use gradient::GradientBound;
pub(crate) use local::witness_at;
pub use realise::Realiser;
pub(crate) use sample::sample_inputs;
pub use sample::{InputRules, Witness, search_inputs};
