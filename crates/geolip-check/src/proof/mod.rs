//! Certificates and the checker: the only place where an upper bound can be made.
//!
//! A proof is data ([`Proof`]); one recursion ([`check_file`]) goes down to what it rests on, and the constructors of [`Certificate`] go up
//! the same way, so that what the solver finds is assembled by the theorems that check it.
//!
//! | file | what |
//! | --- | --- |
//! | `file.rs` | the certificate file: data, unchecked |
//! | `whole.rs` | all claims of a file |
//! | `prove.rs` | **the recursion over proofs** |
//! | `certificate.rs` | checked bounds |
//! | `multipliers.rs` | **one form** ([`crate::form`]) |
//! | `closed_form.rs`, `intervals.rs` | **intervals for every entry of the gradient**, and patterns of few neurons |
//! | `sizes.rs` | **sizes of gradients carried forward**: in ℓ∞ at most the product of the layers' norms |
//! | `one_hidden.rs`, `signs.rs` | **one hidden layer**: programs over signs, with cuts |
//! | `cuts/` | **cuts of all layers**: links, triangles and vertex cuts, below the relaxation at any depth |
//! | `largest_output.rs` | **a claim for each output** |
//! | `largest_input.rs` | **a form for each input** |
//! | `tree.rs` | **branch by branch**, by slopes, inputs and sides of pre-activations |
//! | `thin.rs` | **parts without interior**, of the whole space, in whole numbers |
//! | `rank.rs` | a proof that every activation pattern of a layer is reachable |
//! | `rejection.rs`, `room.rs` | why a certificate is rejected; the memory that checking may take |

mod certificate;
mod closed_form;
pub mod cuts;
mod file;
pub mod intervals;
mod largest_input;
mod largest_output;
mod multipliers;
pub mod one_hidden;
mod prove;
pub mod rank;
mod rejection;
mod room;
pub mod signs;
mod sizes;
pub mod thin;
pub mod tree;
mod whole;

pub use certificate::Certificate;
pub use closed_form::{certify_by_intervals, certify_by_patterns};
pub use cuts::{Apart, CutProof, Sign, Triangle, VertexCut, Whole};
pub use file::{Branch, CertificateFile, Claim, FormProof, FormatError, InputProof, Proof};
pub use largest_input::check_inputs;
pub use multipliers::{check, check_probabilistic};
pub use prove::prove;
pub use rejection::Rejection;
pub use signs::{SignCut, SignProof};
pub use tree::CheckedBranch;
pub use whole::{CheckOptions, check_file, check_file_with};
