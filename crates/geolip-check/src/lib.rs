//! # geolip-check: what has to be trusted of a certified Lipschitz bound, and nothing else

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod form;
pub mod function;
pub mod matrix;
pub mod network;
pub mod place;
pub mod problem;
pub mod proof;
pub mod random;
pub mod rounding;
pub mod slopes;
pub mod sparse;

pub use matrix::Matrix;
pub use network::Network;
pub use problem::{Exponent, Functional, InputNorm, OutputNorm, Outputs, ProblemError, Weights};
