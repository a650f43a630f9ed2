//! The Lipschitz constant itself, of the whole space: branch and bound on sides of pre-activations.
//!
//! A cell is where some pre-activations lie on given sides. Its slopes there are those of a case, which the relaxation bounds, from the point of
//! the cell above ([`super::cases`]). But a case may have patterns that no input has, and these are what the formal constant exceeds the Lipschitz constant by:
//! where the sides of a cell are half-spaces of inputs, and leave no interior, the cell counts for nothing ([`crate::proof::thin`]); where
//! they leave some, a point of it is an input whose gradient is a bound from below. Neurons whose function has not one kink, at zero, are branched by their slopes.
//!
//! | file | what |
//! | --- | --- |
//! | `lines.rs` | sides as half-spaces of inputs |
//! | `program.rs` | a point inside half-spaces, or those that leave none |

mod lines;
mod program;

use super::cases::{Cases, Problem, Relaxed, Start};
use super::engine::{Expert, Found, Progress, Verdict, Work};
use super::tree::{Open, Tree};
use super::{Checkpoint, Searcher};
use crate::dual::Recovery;
use crate::error::BoundError;
use crate::lower::{GradientBound, Witness, witness_at};
use crate::options::Options;
use crate::place::{Knife, Side, Twins};
use crate::problem::Functional;
use crate::proof::Certificate;
use crate::proof::thin::HalfSpaces;
use crate::proof::tree::slope_on_side;
use crate::relaxation::VectorNetwork;
use crate::report::{Bound, Method, Stop};
use crate::slopes::SlopeNetwork;
use lines::Lines;
use program::{Inside, inside};
use std::sync::Arc;

/// The bound with what a search adds to it.
pub(super) fn search(
    searcher: &Searcher<'_>,
    mut bound: Bound,
    checkpoint: Option<&mut Checkpoint>,
) -> Result<Bound, BoundError> {
    let (network, options, turn) = (searcher.network(), searcher.options(), searcher.turn);
    let norm = options.norm;
    let best = searcher.best(&bound, false);
    if bound.upper() <= best.lower * (1.0 + options.tol) || bound.upper() == 0.0 {
        return Ok(bound);
    }
    let functional = bound.functional.clone();
    let layer = Problem::layer(network, norm, &functional);
    let whole = VectorNetwork::new(network, norm);
    let recovery = Recovery::new(&whole, std::slice::from_ref(&functional));
    let gradient = GradientBound::new(network, norm);
    let problem = Problem { norm, functional: functional.clone(), recovery: &recovery, seed: options.seed, layer };
    let origin = problem.origin(&whole, bound.rank, turn.index as u64);
    let Some(root) = Relaxed::new(&problem, network).converge(&origin) else { return Ok(bound) };
    let origin = Arc::new(root.kept);
    let half_spaces = HalfSpaces::new(network.network());
    let mut cells = Cells {
        network,
        options,
        functional: &functional,
        gradient: &gradient,
        lines: half_spaces.as_ref().map(|_| Lines::new(network.network())),
        half_spaces,
        cases: Cases { problem: &problem, origin: Arc::clone(&origin) },
    };
    let Verdict::Open(knife, _) = root.verdict else { return Ok(bound) };
    let open = Open {
        value: root.value.min(bound.upper()),
        knife: knife.map(|knife| cells.on_sides(knife)),
        certificate: Some(Box::new(bound.certificate.clone())),
        kept: Some(Arc::clone(&origin)),
    };
    let room = options.memory_limit / 4 / origin.bytes().max(1);
    let mut progress = Progress::new(Tree::new(network, Twins::none(), open), best, room);
    progress.sweeps = root.sweeps;
    let engine = searcher.engine((&functional, &gradient), options.case_limit);
    let stop = searcher.run((&engine, &mut cells), &mut progress, checkpoint)?;
    if stop != Stop::Converged {
        cells.cases.bound_open(options, &mut progress);
    }
    bound.iterations += progress.sweeps;
    bound.stop = stop;
    let (cases, proved) = (progress.tree.len(), progress.tree.closed());
    let better = progress.tree.certificate().filter(|certificate| certificate.upper() < bound.upper());
    if let Some(witness) = progress.best.witness.filter(|witness| witness.lower > bound.witness.lower) {
        bound.witness = witness;
        bound.pattern_lower = bound.pattern_lower.max(bound.witness.lower);
    }
    if let Some(certificate) = better {
        bound.method = Method::BranchAndBound { cases, proved };
        bound.certificate = certificate;
        bound.relaxation = bound.relaxation.min(bound.upper());
        if bound.certificate.takes_sides() {
            // patterns that no input has may exceed it
            bound.method = Method::Cells { cases, proved };
            bound.pattern_lower = bound.witness.lower;
            bound.pattern.value = bound.pattern.value.min(bound.witness.lower);
        }
    }
    Ok(bound)
}

/// Bounds cells.
struct Cells<'a> {
    network: &'a SlopeNetwork,
    options: &'a Options,
    functional: &'a Functional,
    gradient: &'a GradientBound<'a>,
    cases: Cases<'a>,
    lines: Option<Lines<'a>>,
    half_spaces: Option<HalfSpaces<'a>>,
}

impl Expert for Cells<'_> {
    type Kept = Start;
    const ROUND: usize = 8;
    const ENDS_LATE: bool = true;

    fn bound(&self, local: &SlopeNetwork, above: &Open<Start>, work: Work) -> Option<Found<Start>> {
        let (thin, witness) = self.look(local);
        if let Some(named) = thin {
            let kept = above.kept.as_ref().unwrap_or(&self.cases.origin).as_ref().clone();
            return Some(Found { value: 0.0, verdict: Verdict::Thin(named), kept, sweeps: 0, pattern: None, witness });
        }
        let mut found = self.cases.bound(local, above, work)?;
        if let Verdict::Open(Some(knife), _) = &mut found.verdict {
            *knife = self.on_sides(*knife);
        }
        Some(Found { witness, pattern: None, ..found })
    }

    fn last(&self, local: &SlopeNetwork, open: &Open<Start>, lower: f64) -> Option<Certificate> {
        self.cases.last(local, open, lower)
    }
}

impl Cells<'_> {
    /// By the side of a neuron, where that has its slope.
    fn on_sides(&self, knife: Knife) -> Knife {
        let Knife::Slope(layer, neuron) = knife else { return knife };
        let has_slope = slope_on_side(self.network, Side { layer, neuron, at: 0.0, above: false }).is_some();
        if has_slope && self.half_spaces.is_some() { Knife::Side(layer, neuron, 0.0) } else { knife }
    }

    /// That a cell has no interior, by the sides of some neurons; or what a point of it shows.
    fn look(&self, local: &SlopeNetwork) -> (Option<Vec<(usize, usize)>>, Option<Witness>) {
        let (Some(lines), Some(exact)) = (&self.lines, &self.half_spaces) else { return (None, None) };
        let own = &local.place().case()[self.network.place().case().len()..];
        let sides: Vec<Side> =
            own.iter().filter_map(|fixing| lines.side(fixing.layer, fixing.neuron, fixing.slope)).collect();
        let half_spaces = lines.half_spaces(&sides);
        let rows: Vec<&[f64]> = half_spaces.iter().map(|(_, row)| row.as_slice()).collect();
        match inside(&rows, self.network.inputs()) {
            Some(Inside::Nothing(named)) => {
                let named: Vec<(usize, usize)> = named.into_iter().map(|k| half_spaces[k].0).collect();
                (exact.are_thin(&sides, &named).is_ok().then_some(named), None)
            }
            Some(Inside::Point(x)) => {
                let norm = self.options.norm;
                (None, Some(witness_at(self.network, norm, self.gradient, self.functional, &x).0))
            }
            None => (None, None),
        }
    }
}
