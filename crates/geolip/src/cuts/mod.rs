//! Bounds below the semidefinite relaxation, at any depth, by cuts: links between neurons and their signs, triangles of signs, and vertex cuts
//! ([`crate::proof::cuts`] has the inequalities and why they hold).
//!
//! The variables are those of the vector network ([`crate::relaxation`]), inputs and unit vectors of neurons, and a *sign* for every neuron, a unit vector, too
//! (`lift.rs`). Cuts are added where they are violated most (`triangles.rs`, `vertices.rs`), their multipliers move by an augmented Lagrangian
//! (`ascent.rs`), and what results is a proposal that the checker has to accept (`prove.rs`). The bound holds for any multipliers, so that work may be stopped at any
//! time.
//!
//! | file | what |
//! | --- | --- |
//! | `mod.rs` | the question and the answer |
//! | `ascent.rs` | the schedule: rounds with new cuts, rounds that settle, the dual value |
//! | `start.rs` | where it starts: the relaxation's solution |
//! | `lift.rs` | the Lagrangian and its gradient: one pass forward and one back |
//! | `lists.rs` | the cuts at hand |
//! | `triangles.rs`, `vertices.rs` | what is violated most |
//! | `singular.rs` | singular vectors of small matrices |
//! | `lbfgs.rs` | the maximiser |
//! | `maps.rs`, `real.rs` | linear maps and rows in single and double precision |
//! | `prove.rs` | from multipliers to a certificate |
//!
//! Nothing here is rigorous.

mod ascent;
mod lbfgs;
mod lift;
mod lists;
mod maps;
mod prove;
mod real;
mod singular;
mod start;
mod triangles;
mod vertices;

use crate::problem::{Functional, InputNorm};
use crate::proof::Certificate;
use crate::relaxation::{Point, VectorNetwork};
use std::time::Instant;

/// What is to be tightened.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub vectors: &'a VectorNetwork<'a>,
    pub functional: &'a Functional,
    pub seed: u64,
    /// Bytes that the certificate's check may take.
    pub memory: usize,
    /// What is known from below: what is proved matters as far as it is above.
    pub lower: f64,
    /// When the work has to end.
    pub deadline: Option<Instant>,
    /// Whether it is to end now.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// What came of it.
pub(crate) struct Tightened {
    /// None where nothing is proved.
    pub certificate: Option<Certificate>,
    /// Cuts in the proof.
    pub cuts: usize,
    /// Evaluations of the Lagrangian.
    pub evaluations: usize,
    /// The solution: patterns are rounded from it.
    pub point: Point,
}

/// Neurons up to which cuts are looked for: every pair of them is looked at in every search.
const MOST_NEURONS: usize = 2500;

/// The bound with cuts; none where there is no place for them: in ℓ1, for too many neurons, or for none.
pub(crate) fn tighten(question: Question<'_>) -> Option<Tightened> {
    if question.vectors.norm() == InputNorm::L1 {
        return None;
    }
    let start = start::Start::new(question)?;
    if start.neurons.is_empty() || start.neurons.len() > MOST_NEURONS {
        return None;
    }
    Some(ascent::run(question, &start))
}
