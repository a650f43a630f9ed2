//! The quadratic form behind a bound, and how it is proved non-negative: by an elimination, or by a random test.
//!
//! | file | what |
//! | --- | --- |
//! | `quadratic.rs` | **the claim and its proof**: the form, assembled with bounds on every rounding |
//! | `coefficients.rs` | pre-activations as linear functions of the variables, composed weights with their errors |
//! | `partition.rs` | which variables are eliminated together, and in which order |
//! | `elimination.rs` | **the proof of positive definiteness** in floating point |
//! | `support.rs` | what multipliers prove in which norm |
//! | `operator.rs` | the form applied to vectors without its matrix |
//! | `random_test.rs` | **a random test of positive definiteness**, for networks too large for an elimination |
//! | `magnitudes.rs` | how large its numbers get, and the range outside which it is refused |
//! | `randomness.rs` | whose random numbers it uses |
//! | `affordable.rs` | for which networks an elimination is asked for |

mod affordable;
mod coefficients;
pub mod elimination;
mod magnitudes;
mod operator;
mod partition;
pub mod quadratic;
pub mod random_test;
mod randomness;
pub mod support;

pub use affordable::{Affordable, written_out};
pub use operator::{Scaled, Vector};
pub(crate) use quadratic::Defect;
pub use quadratic::{Multipliers, QuadraticForm};
pub use random_test::{MatrixFreeForm, RandomTest};
pub use randomness::{Draws, Randomness, Tester};
pub use support::proved_bound;
