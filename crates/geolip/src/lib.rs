//! # geolip: certified Lipschitz bounds of neural networks
//!
//! How much can a trained network's output change when its input changes? For an output functional uᵀy and input
//! changes measured in ℓ∞ or ℓ2, [`bound()`] gives
//!
//! > lower ≤ Lip ≤ FGL ≤ upper,
//!
//! where `upper` is proved (the semidefinite relaxation of GeoLIP and LipSDP, certified in floating point), `lower` is
//! the norm of the gradient at a real input, and FGL is the *formal* Lipschitz constant: the largest Jacobian norm when
//! every activation's derivative may be anything in its slope interval.
//!
//! ```
//! use geolip::import::{ImportOptions, load};
//! use geolip::{InputNorm, Options, Outputs, Silent, bound};
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/digits-784-64-10.onnx");
//! # let path = std::path::Path::new(path);
//!
//! let network = load(path, &ImportOptions::default())?.network;
//! let options = Options { norm: InputNorm::L2, outputs: Outputs::Margin(3, 8), ..Options::default() };
//! let report = bound(&network, &options, &Silent)?;
//! let margin = &report.bounds[0];
//! assert!(margin.witness.lower <= margin.upper());
//! assert!(margin.upper() <= margin.relaxation * (1.0 + 1e-6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! | module | idea |
//! | --- | --- |
//! | [`import`] | files become networks |
//! | [`network`] | the graph that is bounded; activations and their slope intervals |
//! | [`relaxation`] | the vector network and its ascent: the value, without a solver |
//! | [`certificate`] | the claim, its proof in floating point, the checker: what you have to trust |
//! | [`dual`] | from the ascent to multipliers the checker accepts |
//! | [`lower`] | bounds from below |
//! | [`baseline`] | what one compares with: every other method on the same question |
//! | [`matrix`], [`sparse`] | dense matrices and the one product; sparse matrices |

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod baseline;
mod bound;
pub mod certificate;
pub mod dual;
mod guarantee;
pub mod import;
mod inputs;
pub mod lower;
pub mod matrix;
pub mod network;
mod observer;
mod onnx;
mod options;
mod problem;
mod random;
pub mod relaxation;
mod report;
mod solve;
pub mod sparse;
mod spectral;
mod weights;

pub use bound::{BoundError, bound};
pub use matrix::Matrix;
pub use network::Network;
pub use observer::{Event, Observer, Silent};
pub use options::{Options, OptionsError};
pub use problem::{Exponent, Functional, InputNorm, OutputNorm, Outputs, ProblemError, Weights};
pub use report::{Bound, Method, Report, Stop};
