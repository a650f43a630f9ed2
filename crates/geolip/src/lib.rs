//! # geolip: certified Lipschitz bounds of neural networks
//!
//! How much can a trained network's output change when its input changes? For an output functional uᵀy, or a norm of the
//! whole output, and input changes measured in ℓ∞, ℓ2, ℓ1 or ℓp with p ≥ 2, [`bound()`] gives
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
//! # How far off a bound can be
//!
//! Once the relaxation is solved, `upper` ≤ K·FGL with a constant K that is known beforehand for some questions
//! ([`Bound::factor`]). For networks with *one hidden layer* (no path from input to output passes two activations), any slope
//! intervals, any skip connections, and a linear functional or the ℓ∞ norm of the output:
//!
//! | input norm | K | source |
//! | --- | --- | --- |
//! | ℓ∞, ℓp with p > 2 | π/(2 ln(1+√2)) < 1.7823 | Grothendieck's constant, Krivine 1979 |
//! | ℓ2 | √(π/2) < 1.2534 | the little Grothendieck inequality, Rietz 1974, Nesterov 1998 |
//! | ℓ1 | 1 | closed form |
//!
//! (`guarantee.rs` has the derivation, and the constants of ℓ1 and ℓ2 norms of the output where there are any.) For deeper
//! networks no constant is known: the distance is at most what [`Bound::gap`] measures. Where every activation pattern is
//! proved to be reached by some input, [`Bound::lip_is_fgl`] says that Lip = FGL.
//!
//! # Map
//!
//! | module | idea |
//! | --- | --- |
//! | [`bound()`], [`certified_radius`] | the questions; [`Report`] and [`Bound`] are the answers |
//! | [`import`] | files become networks |
//! | [`network`], [`function`] | the graph that is bounded; its functions and their slopes |
//! | [`place`], [`slopes`] | where a claim holds, and what a network becomes there |
//! | [`form`], [`proof`] | the quadratic form; the claim, its proof in floating point, the checker: what you have to trust |
//! | [`options`] | what can be chosen, and the table of every option |
//! | [`samples`] | inputs, boxes and labels from files |
//! | [`json`] | results as the JSON that the command line prints |
//! | [`words`] | what certificates claim, in words and in full |
//! | [`text`] | names and paths, made safe to print |
//! | [`files`], [`results`] | files written whole or not at all; files of results that are gone on with |
//! | [`spectral`] | the largest singular value of a linear map, bounded from above |
//! | [`matrix`], [`sparse`] | dense matrices and the one product; sparse matrices |
//!
//! What is in the crate `geolip_check` stands here under the same names. How bounds are found (the ascent, multipliers, searches,
//! bounds from below) is no part of the interface.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod bound;
mod cuts;
#[doc(hidden)]
pub mod dual;
mod error;
pub mod files;
mod guarantee;
pub mod import;
mod invariants;
pub mod json;
mod local;
#[doc(hidden)]
pub mod lower;
mod observer;
pub mod options;
#[doc(hidden)]
pub mod relaxation;
mod report;
pub mod results;
pub mod samples;
mod search;
mod solve;
pub mod spectral;
pub mod text;
mod threads;
mod upper;
pub mod words;

pub use bound::bound;
pub use error::{BoundError, Broken};
#[doc(no_inline)]
pub use geolip_check::{Matrix, Network, form, function, matrix, network, place, proof, rounding, slopes, sparse};
use geolip_check::{problem, random};
pub use local::radius::{CertifiedRadius, RadiusError, SampleRadius, certified_radii, certified_radius};
pub use lower::Witness;
pub use observer::{Event, Observer, Silent};
pub use options::{CUT_NEURONS, Options, OptionsError, RadiusOptions};
pub use problem::{Exponent, Functional, InputNorm, OutputNorm, Outputs, ProblemError, Units, Weights};
pub use relaxation::Pattern;
pub use report::{Bound, Method, Report, Stop};
pub use threads::on_threads;
