//! geolip: certified Lipschitz bounds of neural networks.

mod bound;
pub mod certificate;
pub mod dual;
pub mod lower;
pub mod matrix;
pub mod network;
mod observer;
mod options;
mod problem;
pub mod relaxation;
mod report;
mod solve;

pub use bound::{BoundError, bound};
pub use matrix::Matrix;
pub use observer::{Event, Observer, Silent};
pub use options::{Options, OptionsError};
pub use problem::{Functional, InputNorm, Outputs, ProblemError};
pub use report::{Bound, Report, Stop};
