//! The relaxation as a *vector network*, and its ascent (low-rank semidefinite programming without a solver).
//!
//! The semidefinite relaxation of the FGL (GeoLIP's natural form for one hidden layer, its dual form and LipSDP-Neuron for
//! any depth are the same program) is, in Burer–Monteiro form, the network itself with every scalar replaced by a vector of
//! R^k:
//!
//! > h_a = A_a(x, z) columnwise,  z_j = c_j h_j + r_j ‖h_j‖ s_j with unit vectors s_j,  value = ⟨u e₁ᵀ, Y⟩,
//!
//! with the rows of X on the unit sphere (ℓ∞), ‖X‖_F = 1 (ℓ2) or Σ‖xᵢ‖^p = 1 (ℓp); for a norm of the output, u e₁ᵀ is
//! replaced by the best U whose row lengths lie in the dual ball; c = (α+β)/2, r = (β−α)/2. k = 1 is exactly the FGL over
//! sign patterns; k large is exactly the semidefinite program.
//!
//! | file | what |
//! | --- | --- |
//! | `point.rs` | the variables (X, S) of many problems side by side |
//! | `sweep.rs` | one forward and one backward pass: the block-coordinate maximiser |
//! | `rows.rs` | the row operations inside a sweep, compiled for the usual k |
//! | `momentum.rs` | how far a step is extrapolated |
//! | `ascent.rs` | extrapolation, restarts, when to stop |
//! | `pattern.rs` | hyperplane rounding and k = 1: activation patterns, lower bounds of the FGL |
//! | `flips.rs` | local search over patterns: flips of single neurons and pairs |
//!
//! Nothing here is rigorous and nothing here knows certificates: that is [`crate::dual`] and [`crate::proof`].

mod ascent;
mod flips;
mod momentum;
mod pattern;
mod point;
mod rows;
mod sweep;

pub use ascent::Ascent;
pub(crate) use flips::{Flipper, Pose};
pub use momentum::Momentum;
pub use pattern::{Pattern, PatternRules, search_patterns};

pub use point::Point;
pub use sweep::{Sweep, VectorNetwork};
