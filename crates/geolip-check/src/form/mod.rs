//! The quadratic form behind a bound, and how it is proved non-negative: by an elimination, or by a random test.
//!
//! | file | what |
//! | --- | --- |
//! | `quadratic.rs` | **the claim and its proof**: the form, assembled with bounds on every rounding |
//! | `layer_weights.rs` | a layer's multipliers in the combinations that the form needs |
//! | `coefficients.rs` | pre-activations as linear functions of the variables, composed weights with their errors |
//! | `partition.rs` | which variables are eliminated together, and in which order |
//! | `elimination.rs` | **the proof of positive definiteness** in floating point |
//! | `support.rs` | what multipliers prove in which norm |
//! | `operator.rs` | the form applied to vectors without its matrix |
//! | `random_test.rs` | **a random test of positive definiteness**, for networks too large for an elimination |
//! | `magnitudes.rs` | how large its numbers get, and the range outside which it is refused |
//! | `test_claim.rs`, `tester.rs`, `randomness.rs` | what a claim says of it; whose random numbers it uses, and where these come from |
//! | `without_random_test.rs` | what stands for it in a build without the feature `probabilistic` |
//! | `affordable.rs` | for which networks an elimination is asked for |

mod affordable;
pub(crate) mod coefficients;
pub mod elimination;
mod layer_weights;
#[cfg(feature = "probabilistic")]
mod magnitudes;
#[cfg(feature = "probabilistic")]
mod operator;
mod partition;
pub mod quadratic;
#[cfg_attr(not(feature = "probabilistic"), path = "without_random_test.rs")]
pub mod random_test;
#[cfg(feature = "probabilistic")]
mod randomness;
pub mod support;
mod test_claim;
mod tester;

pub use affordable::{Affordable, written_out};
#[cfg(feature = "probabilistic")]
pub use operator::{Scaled, Vector};
pub(crate) use quadratic::Defect;
pub use quadratic::{Multipliers, QuadraticForm};
#[cfg(not(feature = "probabilistic"))]
pub use random_test::Draws;
pub use random_test::MatrixFreeForm;
#[cfg(feature = "probabilistic")]
pub use randomness::Draws;
pub use support::proved_bound;
pub use test_claim::RandomTest;
pub use tester::{Randomness, Tester};
