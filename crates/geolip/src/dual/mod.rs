//! From the ascent's last sweep to multipliers that prove a bound.
//!
//! At an optimum of the vector network the dual multipliers come for nothing (`multipliers.rs`); away from it they are
//! feasible only up to the ascent's error, and a graded shrinking repairs them (`tilt.rs`). How they are then
//! proved depends on the network's size (`form.rs`). What results is a proposal:
//! only [`crate::certificate::check()`] turns it into a bound.

mod form;
mod multipliers;
mod tilt;

pub use form::{Budget, Form};
pub use multipliers::Recovery;
pub use tilt::{Repair, Repaired};
