//! Bounds from above, with what is known from below beside them, by what the input norm asks for.
//!
//! | file | norms |
//! | --- | --- |
//! | `relax.rs` | ℓ∞, ℓ2, ℓp: the relaxation, in batches: ascent → multipliers → check → lower bounds |
//! | `inputs.rs` | ℓ1, input by input |
//! | `quick.rs` | ℓ∞, ℓ2, ℓp: a few cuts, where they cost about as much as the relaxation |
//! | `closed_form.rs` | all: what the checker works out for itself, where that is better |

mod closed_form;
mod inputs;
mod quick;
mod relax;

use crate::error::BoundError;
use crate::observer::{Observer, Silent};
use crate::options::Options;
use crate::problem::{Functional, InputNorm};
use crate::proof::Certificate;
use crate::report::Bound;
use crate::slopes::SlopeNetwork;
pub(crate) use closed_form::by_patterns;
use std::time::Instant;

/// What is asked for, and when that began.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub network: &'a SlopeNetwork,
    pub options: &'a Options,
    pub observer: &'a dyn Observer,
    pub started: Instant,
}

/// Every functional, by what the input norm asks for.
pub(crate) fn solve(question: Question<'_>, functionals: &[Functional]) -> Result<Vec<Bound>, BoundError> {
    match question.options.norm {
        InputNorm::L1 => inputs::solve(question, functionals),
        InputNorm::Linf | InputNorm::L2 | InputNorm::Lp(_) => relax::solve(question, functionals),
    }
}

/// The certificate of one functional by what the input norm asks for, without looking from below; none if nothing is proved.
pub(crate) fn certificate(network: &SlopeNetwork, options: &Options, functional: &Functional) -> Option<Certificate> {
    let question = Question { network, options, observer: &Silent, started: Instant::now() };
    let functionals = std::slice::from_ref(functional);
    match options.norm {
        InputNorm::L1 => inputs::solve(question, functionals).ok()?.pop().map(|bound| bound.certificate),
        InputNorm::Linf | InputNorm::L2 | InputNorm::Lp(_) => relax::certificates(question, functionals).ok()?.pop()?,
    }
}
