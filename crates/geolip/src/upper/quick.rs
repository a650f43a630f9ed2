//! A few cuts where they cost about as much as the bound without them.

use crate::cuts::{self, Groups, tighten_quickly};
use crate::dual::Form;
use crate::options::Options;
use crate::proof::Certificate;
use crate::report::Method;
use crate::slopes::SlopeNetwork;
use crate::solve::{Context, Outcome};
use std::time::Instant;

/// The gap from which they are looked for, relatively.
const WORTH: f64 = 5e-3;
/// The number of inputs and twice that of neurons, about the size of the proof, up to which they are: measured, everything together takes 1.2 to
/// 2.5 times as long up to here and leaves a half to two thirds of the gap; with 784 inputs it would take three to six times as long.
const LARGEST: usize = 700;
/// Neurons of a network with groups, as lattices have a few, up to which a proof with all cuts takes some hundredths of a second.
const FEW: usize = 32;

/// What finds them, for all bounds of a network.
pub(super) struct QuickCuts<'a> {
    groups: Option<Groups<'a>>,
}

impl<'a> QuickCuts<'a> {
    /// None where they would cost too much.
    pub fn new(network: &'a SlopeNetwork, options: &Options) -> Option<Self> {
        (network.inputs() + 2 * network.neurons() <= LARGEST).then(|| {
            let groups = Groups::new(network, options.memory_limit);
            Self { groups: groups.filter(|groups| groups.free_neurons() <= FEW) }
        })
    }

    /// The better certificate, if that is found, for the outcome of a relaxation that is known to be at least `lower`.
    pub fn better(&self, context: &Context<'_>, outcome: &Outcome, lower: f64) -> Option<(Certificate, Method)> {
        let (vectors, options, observer) = (context.network, context.options, context.observer);
        let Form::Eliminated(form) = context.form else { return None };
        let known = outcome.certificate.as_ref()?.upper();
        let left = context.time_left();
        let cancelled = || observer.cancelled();
        if known <= lower * (1.0 + WORTH) || cancelled() || left.is_some_and(|left| left.is_zero()) {
            return None;
        }
        let question = cuts::Question {
            vectors,
            groups: None,
            functional: &outcome.functional,
            seed: options.seed,
            memory: options.memory_limit,
            lower,
            deadline: left.and_then(|left| Instant::now().checked_add(left)),
            cancelled: &cancelled,
        };
        let tightened = match &self.groups {
            None => tighten_quickly(question, form, &outcome.solution)?,
            Some(groups) => groups.tighten(question)?,
        };
        let certificate = tightened.certificate.filter(|certificate| certificate.upper() < known)?;
        Some((certificate, Method::Cuts { cuts: tightened.cuts }))
    }
}
