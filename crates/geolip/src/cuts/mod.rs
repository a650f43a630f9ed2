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
//! | `quick.rs` | a short one, with cuts between the parts of neurons alone |
//! | `case.rs`, `solution.rs` | a case of a search, and what is kept of it for those below |
//! | `start.rs` | where it starts: the relaxation's solution |
//! | `lift.rs` | the Lagrangian and its gradient: one pass forward and one back |
//! | `cut.rs`, `lists.rs`, `layout.rs` | one cut, the cuts at hand, and where variables and atoms stand |
//! | `triangles.rs`, `vertices.rs`, `parts.rs` | what is violated most |
//! | `groups.rs` | which entries are taken for choices: maxima, minima, lattices of both |
//! | `equations.rs` | what holds of the neurons of one group |
//! | `singular.rs` | singular vectors of small matrices |
//! | `lbfgs.rs` | the maximiser |
//! | `maps.rs`, `real.rs` | linear maps and rows in single and double precision |
//! | `prove.rs` | from multipliers to a certificate |
//!
//! Nothing here is rigorous.

mod ascent;
mod case;
mod cut;
mod equations;
mod groups;
mod layout;
mod lbfgs;
mod lift;
mod lists;
mod maps;
mod parts;
mod prove;
mod quick;
mod real;
mod singular;
mod solution;
mod start;
mod triangles;
mod vertices;

use crate::form::QuadraticForm;
use crate::options::CUT_NEURONS;
use crate::problem::{Functional, InputNorm};
use crate::proof::Certificate;
use crate::relaxation::{Point, VectorNetwork};
pub(crate) use groups::Groups;
pub(crate) use solution::Solution;
use std::time::Instant;

/// What is to be tightened.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub vectors: &'a VectorNetwork<'a>,
    /// Where this is the vector network of a grouped network, what that was made of.
    pub groups: Option<&'a Groups<'a>>,
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
    /// What cases below begin with.
    pub solution: Solution,
}

/// The bound with cuts; none where there is no place for them: in ℓ1, for too many neurons, or for none.
pub(crate) fn tighten(question: Question<'_>) -> Option<Tightened> {
    if question.vectors.norm() == InputNorm::L1 {
        return None;
    }
    let start = start::Start::new(question)?;
    if start.sizes.neurons.is_empty() || start.sizes.neurons.len() > CUT_NEURONS {
        return None;
    }
    Some(ascent::run(question, start))
}

/// The bound with a few cuts from the relaxation's solution, in about the time that that took; none where there is no place for them.
pub(crate) fn tighten_quickly(question: Question<'_>, form: &QuadraticForm<'_>, solution: &Point) -> Option<Tightened> {
    quick::run(question, form, solution)
}

/// What came of a case.
pub(crate) struct Case {
    /// Its value, about.
    pub value: f64,
    /// A proof of the target.
    pub certificate: Option<Certificate>,
    /// (layer, neuron) to split it by.
    pub split: Option<(usize, usize)>,
    pub evaluations: usize,
    pub solution: Solution,
}

/// A case, from the solution of one above it: a proof of at most `target`, or what else is known; none where there is no place for cuts.
pub(crate) fn case(question: Question<'_>, above: &Solution, target: f64) -> Option<Case> {
    case::solve(question, above, target)
}

/// The best bound of a case that a solution of its own, or of one above it, proves.
pub(crate) fn case_bound(question: Question<'_>, solution: &Solution) -> Option<Certificate> {
    case::bound(question, solution)
}
