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
use crate::lower::{GradientBound, witness_at};
use crate::matrix::Matrix;
use crate::options::Options;
use crate::place::{Knife, Side, Twins};
use crate::problem::Functional;
use crate::proof::Certificate;
use crate::proof::thin::HalfSpaces;
use crate::proof::tree::slope_on_side;
use crate::relaxation::VectorNetwork;
use crate::report::{Bound, Method, Stop};
use crate::slopes::SlopeNetwork;
use lines::{HalfSpace, Lines, Rows};
use program::{Inside, inside};
use std::sync::Arc;

/// Neurons that are asked for whether they have one side in a cell, at most.
const TRIES: usize = 16;

/// What a half-space's largest number is, relative to that of all, if it is zero but for rounding.
const NOTHING: f64 = 1e-13;

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
    let (recovery, seed) = (&recovery, options.seed);
    let problem = Problem { norm, functional: functional.clone(), recovery, seed, layer, cuts: None };
    let origin = problem.origin((&whole, bound.rank), None, turn.index as u64);
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
        cases: Cases { problem: &problem, origin: Arc::clone(&origin), tol: options.tol },
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
        cells.cases.bound_open(&mut progress, searcher.end());
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

    fn bound(&self, local: &SlopeNetwork, above: &Open<Start>, work: Work) -> Option<Found<Start>> {
        let sight = self.look(local);
        if let Some(Sight { thin: Some(named), .. }) = sight {
            let kept = above.kept.as_ref().unwrap_or(&self.cases.origin).as_ref().clone();
            let verdict = Verdict::Thin(named);
            return Some(Found { value: 0.0, verdict, kept, sweeps: 0, pattern: None, witness: None });
        }
        let mut found = self.cases.bound(local, above, work)?;
        if let Verdict::Open(Some(knife), _) = &mut found.verdict {
            *knife = self.on_sides(*knife);
            if let Some(sight) = &sight {
                *knife = self.usable(*knife, local, sight);
            }
        }
        let norm = self.options.norm;
        let at = |x: Vec<f64>| witness_at(self.network, norm, self.gradient, self.functional, &x).0;
        let witness = sight.and_then(|sight| sight.point).map(at);
        Some(Found { witness, pattern: None, ..found })
    }

    fn ending(&self) -> f64 {
        self.cases.ending()
    }

    fn end(&self, local: &SlopeNetwork, open: &Open<Start>, enough: f64) -> Option<Certificate> {
        self.cases.end(local, open, enough)
    }

    fn last(&self, local: &SlopeNetwork, open: &Open<Start>, lower: f64) -> Option<Certificate> {
        self.cases.last(local, open, lower)
    }
}

/// What is seen of the inputs of a cell.
struct Sight {
    rows: Rows,
    half_spaces: Vec<HalfSpace>,
    /// A point in the half-spaces.
    point: Option<Vec<f64>>,
    /// The sides that leave no interior, proved.
    thin: Option<Vec<(usize, usize)>>,
}

impl Cells<'_> {
    /// By the side of a neuron, where that has its slope.
    fn on_sides(&self, knife: Knife) -> Knife {
        let Knife::Slope(layer, neuron) = knife else { return knife };
        let has_slope = slope_on_side(self.network, Side { layer, neuron, at: 0.0, above: false }).is_some();
        if has_slope && self.half_spaces.is_some() { Knife::Side(layer, neuron, 0.0) } else { knife }
    }

    /// What is seen of a cell; nothing where the network has no half-spaces.
    fn look(&self, local: &SlopeNetwork) -> Option<Sight> {
        let (lines, exact) = (self.lines.as_ref()?, self.half_spaces.as_ref()?);
        let own = &local.place().case()[self.network.place().case().len()..];
        let sides = own.iter().filter_map(|fixing| lines.side(fixing.layer, fixing.neuron, fixing.slope));
        let sides: Vec<Side> = sides.collect();
        let rows = lines.on(&sides);
        let mut half_spaces = lines.half_spaces(&rows, &sides);
        // a pre-activation that stays at its kink says nothing
        let size = |row: &[f64]| row.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        let largest = half_spaces.iter().map(|(_, row)| size(row)).fold(0.0, f64::max);
        half_spaces.retain(|(_, row)| size(row) > NOTHING * largest);
        let normals: Vec<&[f64]> = half_spaces.iter().map(|(_, row)| row.as_slice()).collect();
        let (point, thin) = match inside(&normals, self.network.inputs()) {
            Some(Inside::Point(x)) => (Some(x).filter(|x| x.iter().all(|x| x.is_finite())), None),
            Some(Inside::Nothing(named)) => {
                let named: Vec<(usize, usize)> = named.into_iter().map(|k| half_spaces[k].0).collect();
                (None, exact.are_thin(&sides, &named).is_ok().then_some(named))
            }
            None => (None, None),
        };
        Some(Sight { rows, half_spaces, point, thin })
    }

    /// A neuron whose side is a half-space in this cell, in the place of one whose side says nothing of inputs yet. Of those that matter most, one that
    /// has a single side here: it costs no cell. Where there are as many inputs as neurons every set of sides has an input, and the choice stands.
    fn usable(&self, knife: Knife, local: &SlopeNetwork, sight: &Sight) -> Knife {
        let (inputs, Some(lines)) = (self.network.inputs(), &self.lines) else { return knife };
        if self.network.neurons() <= inputs {
            return knife;
        }
        let mut seed = Matrix::zeros(local.outputs(), 1);
        self.functional.rows(local.outputs()).iter().flatten().for_each(|(i, u)| *seed.at_mut(*i, 0) += u.abs());
        let matter = local.abs_adjoint(&seed);
        let mut all: Vec<(f64, Knife, &[f64])> = Vec::new();
        for (layer, ((node, _), slopes)) in local.layers().zip(local.slopes()).enumerate() {
            for (j, interval) in slopes.iter().enumerate().filter(|(_, interval)| !interval.is_fixed()) {
                if let Some(row) = lines.pre_activation(&sight.rows, layer, j)
                    && let knife @ Knife::Side(..) = self.on_sides(Knife::Slope(layer, j))
                {
                    let length = row[..inputs].iter().map(|v| v * v).sum::<f64>().sqrt();
                    all.push((interval.radius() * matter.of(node).at(j, 0) * length, knife, row));
                }
            }
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let has_one_side = |(_, _, row): &&(f64, Knife, &[f64])| {
            let Some(x) = &sight.point else { return false };
            let at = row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>() + row[inputs];
            let other: Vec<f64> = row.iter().map(|v| if at > 0.0 { -v } else { *v }).collect();
            let own = sight.half_spaces.iter().map(|(_, row)| row.as_slice());
            matches!(inside(&own.chain([other.as_slice()]).collect::<Vec<_>>(), inputs), Some(Inside::Nothing(_)))
        };
        let decided = all.iter().take(TRIES).find(has_one_side);
        decided.or(all.first()).map_or(knife, |(_, knife, _)| *knife)
    }
}
