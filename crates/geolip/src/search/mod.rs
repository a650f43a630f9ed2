//! Branch and bound: best first, with one tree, one queue and one checkpoint.
//!
//! A place, all inputs or a region with all slopes there, is branched by the slope of a neuron, by an input, or by the side of a
//! pre-activation ([`crate::proof::tree`]), until the largest bound of a leaf meets what is known from below. What is found by
//! then is valid at any time. Three experts bound places and choose what to branch them by:
//!
//! | expert | branches | bounds | goes down to |
//! | --- | --- | --- | --- |
//! | [`cases`] | slopes | the relaxation, from the solution of the case above; for one hidden layer with cuts | the formal constant |
//! | [`cells`] | sides, slopes where a function has not one kink, at zero | the relaxation, and that no input is there | the Lipschitz constant |
//! | [`parts`] | inputs and sides, slopes where there is no other way | intervals, patterns, the relaxation where it pays | the Lipschitz constant of the region |
//!
//! | option | everywhere, or a ball, or many inputs | a box of few inputs |
//! | --- | --- | --- |
//! | `exact` | cases | cases |
//! | `split` | cases, for that long | parts, for that long |
//! | `real` | cells, everywhere and not in ℓ1; else refused beforehand | parts |
//! | `exact` and `split` | cases, for that long | parts, with slopes, for that long |
//!
//! In ℓ1, where a relaxation has a form for every input, parts are branched by slopes in the place of cases.
//!
//! | file | what |
//! | --- | --- |
//! | `cut.rs` | no search: the bound of the whole, with cuts |
//! | `engine.rs` | the search for one functional: which place next, when to stop |
//! | `tree.rs` | the places so far |
//! | `queue.rs` | their order, and how several bounds share the time |
//! | `checkpoint.rs` | the file in which a search is kept |
//! | `cases/`, `cells/`, `parts/` | the experts |
//!
//! Results do not depend on the number of threads: places are bounded in rounds of fixed size, and what one finds is known to
//! the next round. Nothing here is trusted: the tree and every leaf of it are checked by [`crate::proof`].

mod cases;
mod cells;
mod checkpoint;
mod cut;
mod engine;
mod parts;
mod queue;
mod tree;

pub(crate) use checkpoint::Checkpoint;

use crate::cuts::Groups;
use crate::error::BoundError;
use crate::lower::{GradientBound, InputRules, Realiser, pattern_inside, search_inputs};
use crate::options::{CUT_INPUTS, Options};
use crate::problem::{Functional, InputNorm};
use crate::report::{Bound, Stop};
use crate::slopes::SlopeNetwork;
use crate::upper::Question;
use engine::{Best, Engine, Expert, Progress};
use queue::{Turn, in_turn};
use std::time::Instant;

/// Multiply–adds of the search for an input that is as steep as a better pattern, for every effort.
const INPUT_WORK: f64 = 1e8;

/// The same bounds, better where what the options ask for found something. With `largest`, bounds matter only as far as they
/// exceed what another one is known to reach.
pub(crate) fn close(
    question: Question<'_>,
    (mut bounds, largest): (Vec<Bound>, bool),
    mut checkpoint: Option<&mut Checkpoint>,
) -> Result<Vec<Bound>, BoundError> {
    let Question { network, options, started, .. } = question;
    let is_small_box = network.region().is_some_and(|r| r.ball().is_none() && r.inputs() <= CUT_INPUTS);
    let cuts_inputs = (options.split.is_some() || options.real) && is_small_box;
    let by_cells = options.real && network.region().is_none() && options.norm != InputNorm::L1;
    let by_parts = cuts_inputs || options.norm == InputNorm::L1;
    let searches = options.exact || options.real || options.split.is_some();
    // a search of cases takes cuts with it
    if options.cuts && (by_parts || by_cells || !searches) {
        let limit = (started, options.time_limit);
        let groups = Groups::new(network, options.memory_limit);
        bounds = in_turn(
            (bounds, largest),
            limit,
            |bound| bound.pattern_lower,
            |bound, turn| cut::cut(&Searcher { question, turn }, bound, groups.as_ref()).map(|(bound, _)| bound),
        )?;
    }
    if !searches {
        return Ok(bounds);
    }
    let begun = Instant::now();
    let whole = options.time_limit.map(|limit| limit.saturating_sub(started.elapsed()));
    let limit = (begun, whole.into_iter().chain(options.split).min());
    let reaches = |bound: &Bound| if cuts_inputs || by_cells { bound.witness.lower } else { bound.pattern_lower };
    in_turn((bounds, largest), limit, reaches, |bound, turn| {
        let searcher = Searcher { question, turn };
        let checkpoint = checkpoint.as_deref_mut();
        let mut bound = match (by_cells, by_parts) {
            (true, _) => cells::search(&searcher, bound, checkpoint)?,
            (false, true) => parts::search(&searcher, bound, cuts_inputs, checkpoint)?,
            (false, false) => cases::search(&searcher, bound, checkpoint)?,
        };
        bound.time = started.elapsed();
        Ok(bound)
    })
}

/// The search for one bound.
struct Searcher<'a> {
    question: Question<'a>,
    turn: Turn,
}

impl<'a> Searcher<'a> {
    fn network(&self) -> &'a SlopeNetwork {
        self.question.network
    }

    fn options(&self) -> &'a Options {
        self.question.options
    }

    /// What is known from below before it.
    fn best(&self, bound: &Bound, formal: bool) -> Best {
        let (reached, own) = (self.turn.reached, if formal { bound.pattern_lower } else { bound.witness.lower });
        Best {
            lower: own.max(reached),
            pattern: (bound.pattern.value >= reached || !formal).then(|| bound.pattern.clone()),
            witness: (!formal).then(|| bound.witness.clone()),
            formal,
        }
    }

    /// When the last open places have to be bounded; what is not by then is left open.
    fn end(&self) -> Option<Instant> {
        Some(self.turn.deadline? + self.options().time_limit?.mul_f64(engine::LATE))
    }

    /// The engine, for so many places at most.
    fn engine<'b>(
        &'b self,
        (functional, gradient): (&'b Functional, &'b GradientBound<'b>),
        most: usize,
    ) -> Engine<'b> {
        Engine {
            network: self.network(),
            functional,
            options: self.options(),
            observer: self.question.observer,
            gradient,
            index: self.turn.index,
            deadline: self.turn.deadline,
            most,
        }
    }

    /// Goes back to what a checkpoint holds, runs, and saves.
    fn run<E: Expert>(
        &self,
        (engine, expert): (&Engine<'_>, &mut E),
        progress: &mut Progress<E::Kept>,
        mut checkpoint: Option<&mut Checkpoint>,
    ) -> Result<Stop, BoundError> {
        if let Some(checkpoint) = checkpoint.as_deref_mut()
            && let Some(saved) = checkpoint.saved(self.turn.index)
        {
            engine.resume(progress, saved).map_err(|reason| checkpoint.refuse(self.turn.index, reason))?;
        }
        let stop = engine.run(expert, progress, checkpoint.as_deref_mut());
        if let Some(checkpoint) = checkpoint {
            checkpoint.save(engine.saved(progress));
        }
        Ok(stop)
    }

    /// Adds the best pattern, where it is better than the one known, with a search for an input as steep.
    fn add_pattern(&self, bound: &mut Bound, gradient: &GradientBound<'_>, best: Best) {
        let (network, options) = (self.network(), self.options());
        if let Some(witness) = best.witness.filter(|witness| witness.lower > bound.witness.lower) {
            bound.witness = witness;
        }
        let pattern = best.pattern.map(|pattern| pattern_inside(network, gradient, &bound.functional, pattern));
        let Some(pattern) = pattern.filter(|pattern| pattern.value > bound.pattern.value) else { return };
        let realiser = Realiser::new(network);
        let functionals = std::slice::from_ref(&bound.functional);
        let patterns = std::slice::from_ref(&pattern);
        let rules = InputRules { work: INPUT_WORK * options.effort, seed: options.seed };
        let witnesses = search_inputs(network, options.norm, gradient, functionals, patterns, realiser.as_ref(), rules);
        if let Some(witness) = witnesses.into_iter().find(|witness| witness.lower > bound.witness.lower) {
            bound.witness = witness;
        }
        bound.pattern_lower = bound.pattern_lower.max(pattern.value).max(bound.witness.lower);
        bound.pattern = pattern;
    }
}
