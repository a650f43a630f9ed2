//! What the benchmarks share.

pub mod networks;
pub mod process;
pub mod resnet;
