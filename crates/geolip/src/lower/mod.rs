//! Bounds from below: what is attained.
//!
//! * A *pattern* bound: slopes v, each in its interval, with ‖J(v)ᵀu‖ computed and rounded down. FGL ≥ it.
//! * A *real* bound: an input x whose gradient has that norm, rounded down. The Lipschitz constant is at least it.
//!
//! Both hold whatever the search that found them did: a pattern's slopes lie in their intervals (`pattern_inside`), those at
//! an input are proved (`proved.rs`), and the evaluation ([`GradientBound`]) subtracts a bound on its own rounding.
//!
//! | what | files |
//! | --- | --- |
//! | what makes a bound a claim | `gradient.rs`, `proved.rs`, `constant.rs`, `witness.rs` |
//! | the table of strategies, their shares of the work, and where they search | `portfolio.rs`, `domain.rs`, `tuning.rs` |
//! | strategies, one a file | `pieces.rs`, `sample.rs`, `realise.rs`, `ascend.rs`, `program.rs`, `climb.rs`, `walk.rs`, `perturb.rs` |
//! | what they share | `best.rs`, `slopes.rs`, `smoothed.rs`, `first_layer.rs`, `cells.rs` |

mod ascend;
mod best;
mod cells;
mod climb;
mod constant;
mod domain;
mod first_layer;
mod gradient;
mod perturb;
mod pieces;
mod portfolio;
mod program;
mod proved;
mod realise;
mod sample;
mod slopes;
mod smoothed;
mod tuning;
mod walk;
mod witness;

pub use gradient::GradientBound;
pub(crate) use gradient::pattern_inside;
pub use portfolio::{Found, InputRules, InputSearch, Strategy, search_inputs};
pub use realise::Realiser;
pub use sample::sample_inputs;
pub use witness::Witness;
pub(crate) use witness::witness_at;
