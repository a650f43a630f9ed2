//! Bounds from above, with what is known from below beside them, by what the input norm asks for.
//!
//! | file | norms |
//! | --- | --- |
//! | `relax.rs` | ℓ∞, ℓ2, ℓp: the relaxation, in batches: ascent → multipliers → check → lower bounds |
//! | `inputs.rs` | ℓ1, input by input |

mod inputs;
mod relax;

use crate::error::BoundError;
use crate::observer::{Observer, Silent};
use crate::options::Options;
use crate::problem::{Functional, InputNorm};
use crate::proof::Certificate;
use crate::report::Bound;
use crate::slopes::SlopeNetwork;
use std::time::Instant;

/// Every functional, by what the input norm asks for.
pub(crate) fn solve(
    network: &SlopeNetwork,
    options: &Options,
    functionals: &[Functional],
    observer: &dyn Observer,
    started: Instant,
) -> Result<Vec<Bound>, BoundError> {
    match options.norm {
        InputNorm::L1 => inputs::solve(network, options, functionals, observer, started),
        InputNorm::Linf | InputNorm::L2 | InputNorm::Lp(_) => {
            relax::solve(network, options, functionals, observer, started)
        }
    }
}

/// The certificate of one functional by what the input norm asks for, without looking from below; none if nothing is proved.
pub(crate) fn certificate(network: &SlopeNetwork, options: &Options, functional: &Functional) -> Option<Certificate> {
    let (functionals, started) = (std::slice::from_ref(functional), Instant::now());
    match options.norm {
        InputNorm::L1 => {
            let bounds = inputs::solve(network, options, functionals, &Silent, started);
            bounds.ok()?.pop().map(|bound| bound.certificate)
        }
        InputNorm::Linf | InputNorm::L2 | InputNorm::Lp(_) => {
            relax::certificates(network, options, functionals, started).ok()?.pop()?
        }
    }
}
