//! Where a claim holds, and what every node of a network does there.
//!
//! | file | what |
//! | --- | --- |
//! | `whereabouts.rs` | a place: everywhere or a part of a region, and a case |
//! | `region.rs` | boxes and Euclidean balls of inputs |
//! | `part.rs` | **parts of a region**, by inputs and by sides of pre-activations |
//! | `case.rs` | neurons whose slopes are single numbers |
//! | `twins.rs` | pre-activations that are equal or opposite |
//! | `enclosure.rs` | **intervals for every node**, forward |
//! | `backward.rs` | **backward linear bounds** (CROWN) of single nodes |
//! | `refine.rs` | better lines for these (α-CROWN); rigorous whatever they are |
//! | `program.rs` | which half-spaces of a part make a backward bound better; rigorous whatever they are |

mod backward;
mod case;
pub mod enclosure;
mod part;
mod program;
mod refine;
mod region;
mod twins;
mod whereabouts;

pub use case::Fixing;
pub use part::{Knife, Part, Side};
pub use region::{Ball, Region, RegionError, RegionNorm};
pub use twins::Twins;
pub use whereabouts::{Place, PlaceError};
