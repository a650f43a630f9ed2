//! Functions that act entry by entry, of one number or of several: values, slopes, ranges of derivatives, lines and planes.
//!
//! `scalar.rs` says what is to be known about a function of one number, one file per family knows it, and `activation.rs` has the
//! names.

pub mod activation;
pub mod combination;
mod exponential;
mod gated;
mod leaky;
pub mod lines;
mod pieces;
mod power;
mod ramps;
pub mod ranges;
mod scalar;
mod sigmoid;
mod slope;
mod wave;

pub use activation::Activation;
pub use combination::{Combination, Plane};
pub use pieces::Pieces;
use ranges::Ends;
pub use slope::Slope;
