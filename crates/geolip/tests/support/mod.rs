//! What test files share.
#![allow(dead_code, unused_imports, clippy::print_stderr, reason = "every test file uses a part of it")]

pub mod dice;
pub mod dyadic;
pub mod files;
pub mod gradients;
mod networks;
pub mod onnx;
pub mod patience;
pub mod room;

pub use networks::*;
