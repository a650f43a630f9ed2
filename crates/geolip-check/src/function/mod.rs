//! Functions that act entry by entry, of one number or of several: values, slopes, ranges of derivatives, lines and planes.

pub mod activation;
pub mod combination;
pub mod lines;
pub mod ranges;

pub use activation::{Activation, Slope};
pub use combination::{Combination, Plane};
