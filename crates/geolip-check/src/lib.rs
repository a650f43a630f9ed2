//! # geolip-check: what has to be trusted of a certified Lipschitz bound, and nothing else
//!
//! It reads two files, a certificate ([`proof::CertificateFile`]) and a canonical network ([`network`]), and says whether the one proves what
//! it claims about the other ([`proof::check_file`]). How a proof was found is no matter to it.
//!
//! ```
//! use geolip_check::proof::{CertificateFile, Rejection, check_file};
//! use geolip_check::network::{Activation, LinearMap, NetworkBuilder};
//!
//! // y = relu(2 x): its slopes are at most 2, and intervals prove it
//! let mut b = NetworkBuilder::new(1)?;
//! let h = b.affine("h", vec![(b.input(), LinearMap::Scale(vec![2.0]))], None)?;
//! let y = b.activate("y", h, Activation::Relu)?;
//! let network = b.finish(y);
//! let file = |upper: f64| {
//!     let claim = format!(r#"{{"output":"0","upper":{upper},"proof":"intervals"}}"#);
//!     let head = format!(r#""format":"geolip-certificate","version":4,"network":"{}""#, network.hash());
//!     CertificateFile::from_json(format!(r#"{{{head},"norm":"l2","region":null,"bounds":[{claim}]}}"#).as_bytes())
//! };
//! assert!(check_file(&network, &file(2.000001)?).is_ok());
//! assert!(matches!(check_file(&network, &file(1.5)?), Err(Rejection::Claim { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Its folders, and what each may use: `docs/architecture.md`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod form;
pub mod function;
pub mod matrix;
pub mod network;
pub mod place;
pub mod problem;
pub mod proof;
#[cfg(feature = "probabilistic")]
pub mod random;
pub mod rounding;
pub mod slopes;
pub mod sparse;

pub use matrix::Matrix;
pub use network::Network;
pub use problem::{Exponent, Functional, InputNorm, OutputNorm, Outputs, ProblemError, Units, Weights};
