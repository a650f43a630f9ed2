//! Certificates and the trusted checker.
//!
//! This folder is what has to be right for an upper bound to be true. It imports the network's definition, what a network does
//! on a region ([`crate::region`]: for local bounds) and a matrix product, and nothing of how bounds are found; the solver  uses it, never the other way round.
//!
//! | file | what |
//! | --- | --- |
//! | `format.rs` | the certificate file: data, unchecked |
//! | `check.rs`, `check/` | the checker, and the only constructor of [`Certificate`] |
//! | `rejection.rs` | why a certificate is rejected |
//! | `form.rs` | **the claim and its proof**: the quadratic form, assembled with bounds on every rounding |
//! | `coefficients.rs` | pre-activations as linear functions of the variables, composed weights with their errors |
//! | `cases.rs` | **a bound case by case**: which cases a tree of splits has |
//! | `one_hidden.rs` | networks with one hidden layer as programs over signs |
//! | `signs.rs` | **bounds on such programs with cuts**, below the relaxation |
//! | `parts.rs` | **a bound part by part of a region**: which parts a tree of cuts has |
//! | `partition.rs` | which variables are eliminated together, and in which order |
//! | `cholesky.rs` | **the proof of positive definiteness** in floating point |
//! | `operator.rs` | the form applied to a vector without its matrix |
//! | `support.rs` | what multipliers prove in which norm |
//! | `intervals.rs` | **bounds on single inputs** in closed form |
//! | `rank.rs` | a proof that every activation pattern of a layer is reachable |
//! | `randomised.rs` | **a random test of positive definiteness**, for networks too large for an elimination |
//! | `magnitudes.rs` | how large its numbers get, and the range outside which it is refused |
//! | `randomness.rs` | whose random numbers it uses |
//! | `affordable.rs` | for which networks an elimination is asked for |
//! | `rounding.rs` | directed rounding |

mod affordable;
pub mod cases;
mod check;
pub mod cholesky;
mod coefficients;
pub mod form;
mod format;
pub mod intervals;
mod magnitudes;
pub mod one_hidden;
mod operator;
mod partition;
pub mod parts;
pub mod randomised;
mod randomness;
pub mod rank;
mod rejection;
pub mod rounding;
pub mod signs;
pub mod support;

pub use affordable::Affordable;
pub use affordable::written_out;
pub use cases::{End, Fixing};
pub use check::{
    Certificate, CheckOptions, CheckedBranch, CheckedCase, certify_by_intervals, certify_by_patterns, check,
    check_case, check_file, check_file_with, check_inputs, check_intervals, check_probabilistic,
};
pub use check::{CheckedCut, check_sign_case};
pub use form::{Multipliers, QuadraticForm};
pub use format::{Branch, CaseProof, CertificateFile, Claim, Cut, FormProof, FormatError, InputProof, Proof};
pub use operator::{Scaled, Vector};
pub use randomised::{MatrixFreeForm, RandomTest};
pub use randomness::{Draws, Randomness, Tester};
pub use rejection::Rejection;
pub use signs::{SignCut, SignProof};
pub use support::proved_bound;
