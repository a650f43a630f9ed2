//! Inputs, boxes and labels from files.
//!
//! | file | what |
//! | --- | --- |
//! | `files.rs` | rows, units, boxes and VNN-LIB properties |
//! | `rows.rs` | rows as inputs, with their labels |

mod files;
mod rows;

pub use crate::import::weights::Table;
pub use files::{RegionFileError, load_box, load_rows, load_samples, load_units};
pub use rows::{LabelColumn, Sample, SampleError, one_sample, samples};
