//! Certified radii, attacked: inputs within the radius that are exactly classified otherwise.

use crate::case::{Case, Outcome};
use crate::dice::Dice;
use crate::exact::{Dyadic, Number, times_power};
use crate::graph::Graph;
use crate::truth::{curved_at, is_within};
use geolip::place::RegionNorm;
use geolip::{Network, RadiusOptions, certified_radius};

/// Inputs tried per radius.
const TRIES: usize = 60;

/// Inputs per network: a radius costs little.
const INPUTS: usize = 25;

/// Certifies the radii of some inputs and tries to break them.
pub fn attack(case: &Case, network: &Network, outcome: &mut Outcome) {
    let (graph, mut dice) = (Graph::new(network), case.dice());
    for _ in 0..if graph.outputs() < 2 { 0 } else { INPUTS } {
        if outcome.finds.is_empty() {
            one(case, network, &graph, &mut dice, outcome);
        }
    }
}

fn one(case: &Case, network: &Network, graph: &Graph, dice: &mut Dice, outcome: &mut Outcome) {
    let x: Vec<f64> = match dice.below(6) {
        0 | 1 if case.home.is_some() => case.home.clone().unwrap_or_default(),
        0 => vec![1.0; graph.inputs()],
        1 => vec![0.1; graph.inputs()],
        _ => (0..graph.inputs()).map(|_| times_power(dice.whole(-64, 64) as f64 / 16.0, case.unit)).collect(),
    };
    let norm = *dice.pick(&[RegionNorm::Linf, RegionNorm::L2]);
    let clip = dice.chance(0.2).then(|| {
        let far = x.iter().fold(1.0, |a: f64, v| a.max(v.abs()));
        (-far, far)
    });
    let options = RadiusOptions { norm, clip, relaxation: dice.chance(0.7), tol: 0.05, ..RadiusOptions::default() };
    let Ok(found) = certified_radius(network, &x, &options) else {
        outcome.counts.errors += 1;
        return;
    };
    if found.radius == 0.0 {
        return;
    }
    outcome.counts.radii += 1;
    for at in 0..TRIES {
        let moved = candidate(&x, found.radius, at, dice);
        let moved: Vec<f64> = match clip {
            Some((low, high)) => moved.iter().map(|v| v.clamp(low, high)).collect(),
            None => moved,
        };
        if !moved.iter().all(|v| v.is_finite()) || !is_inside(&moved, &x, found.radius, norm) {
            continue;
        }
        if let Some(rival) = rival(graph, &moved, found.label) {
            let detail = format!(
                "{norm}: radius {:e} of {x:?}, label {}; at {moved:?} output {rival} is as large",
                found.radius, found.label
            );
            outcome.find("radius within which the class changes", norm.to_string(), detail).input = Some(x);
            return;
        }
    }
}

/// An input near the edge of the ball, or inside.
fn candidate(x: &[f64], radius: f64, at: usize, dice: &mut Dice) -> Vec<f64> {
    let n = x.len();
    let length = match at % 4 {
        0 => 1.0 - 1e-9,
        1 => dice.unit(),
        2 => 10f64.powf(-12.0 * dice.unit()),
        _ => 0.999,
    };
    let one = dice.below(n);
    let axis = at.is_multiple_of(3);
    let mut direction: Vec<f64> = (0..n)
        .map(|i| match axis {
            true if i != one => 0.0,
            _ => *dice.pick(&[-1.0, 1.0]) * if at % 3 == 1 { dice.unit() } else { 1.0 },
        })
        .collect();
    if dice.chance(0.5) {
        let size = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
        direction.iter_mut().for_each(|v| *v /= size);
    }
    x.iter().zip(&direction).map(|(x, d)| x + radius * length * d).collect()
}

fn is_inside(moved: &[f64], x: &[f64], radius: f64, norm: RegionNorm) -> bool {
    let far = |(a, b): (&f64, &f64)| Dyadic::of(*a).minus(&Dyadic::of(*b)).abs() <= Dyadic::of(radius);
    match norm {
        RegionNorm::Linf => moved.iter().zip(x).all(far),
        RegionNorm::L2 => is_within(moved, x, radius),
    }
}

/// An output that is at least as large as the label's at x, if that is certain.
fn rival(graph: &Graph, x: &[f64], label: usize) -> Option<usize> {
    let others = (0..graph.outputs()).filter(|j| *j != label);
    if let Some(local) = graph.at(x) {
        return others.into_iter().find(|j| local.output[*j] >= local.output[label]);
    }
    let output = curved_at(graph, x)?.output;
    others.into_iter().find(|j| output[*j] > output[label] + 1e-5)
}
