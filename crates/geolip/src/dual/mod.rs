//! From the ascent's last sweep to multipliers that prove a bound.
//!
//! At an optimum of the vector network the dual multipliers come for nothing (`multipliers.rs`); away from it they are
//! feasible only up to the ascent's error (how far from that, `modes.rs` estimates), and a graded shrinking repairs them
//! (`tilt.rs`, for random tests `margin.rs`). How they are then
//! proved depends on the network's size (`form.rs`). What results is a proposal:
//! only [`crate::proof::check()`] turns it into a bound.

mod form;
mod margin;
mod modes;
mod multipliers;
mod tilt;

pub use form::{Budget, Form};
pub(crate) use margin::RandomRepair;
pub(crate) use modes::Remembered;
pub use multipliers::Recovery;
pub use tilt::{Repair, Repaired};
