//! Ascent on a smoothed network (`smoothed.rs`) from the best inputs known, from the directions of the patterns and from random
//! inputs, half of them guided by the patterns at first.

use super::domain::{Domain, half_side};
use super::portfolio::Search;
use super::slopes::{derivative, slopes_at};
use super::smoothed::Ascender;
use super::tuning::LARGEST_BATCH;
use super::tuning::ascend::{
    CLIMBERS, CLIMBERS_ON_REGION, FAR, PASSES, PASSES_OF_STEP, START, STEPS_OF_ONE, STEPS_ON_REGION,
};
use crate::matrix::Matrix;
use crate::network::{Network, NodeId};
use crate::place::Region;
use crate::random::gaussian;
use crate::relaxation::Pattern;
use rand::RngExt;

/// Ascends for all functionals side by side.
pub(super) fn run(search: &mut Search<'_>, passes: f64) {
    search.prepare();
    let (climbers, steps) = plan(search, passes);
    let own: Vec<usize> = (0..search.best.count() * climbers).map(|j| j / climbers).collect();
    let x = match search.domain {
        Domain::Everywhere => starts_anywhere(search, climbers),
        Domain::Region(region) => starts_in(search, region, climbers),
    };
    let patterns = search.asked.patterns;
    let guided = |j: usize| (j % climbers).is_multiple_of(2);
    let guides = own.iter().enumerate().map(|(j, p)| guided(j).then_some(&patterns[*p])).collect();
    let (network, norm, seeds) = (search.asked.network, search.asked.norm, search.best.seeds(&own));
    let Search { best, first, .. } = search;
    let first = first.as_ref().and_then(Option::as_ref);
    Ascender { network, norm, seeds, guides, first }.run(x, steps, |x, values| {
        best.offer(x, values, &slopes_at(network, values), &own);
    });
}

/// How many inputs per functional ascend side by side, and how many steps each takes.
fn plan(search: &Search<'_>, passes: f64) -> (usize, usize) {
    let network = search.asked.network;
    match search.domain {
        Domain::Everywhere => {
            let passes = passes.clamp(PASSES.0, PASSES.1);
            let together = (LARGEST_BATCH / (network.inputs() + network.neurons()) / search.best.count()).max(1);
            let climbers = ((passes / PASSES_OF_STEP / STEPS_OF_ONE) as usize).clamp(1, CLIMBERS.min(together));
            (climbers, (passes / PASSES_OF_STEP) as usize / climbers)
        }
        Domain::Region(_) => {
            let steps = (passes / PASSES_OF_STEP / CLIMBERS_ON_REGION as f64) as usize;
            (CLIMBERS_ON_REGION, steps.clamp(STEPS_ON_REGION.0, STEPS_ON_REGION.1))
        }
    }
}

fn starts_anywhere(search: &mut Search<'_>, climbers: usize) -> Matrix {
    let (network, patterns) = (search.asked.network.network(), search.asked.patterns);
    let units = search.asked.network.units();
    let unit = |i: usize| units.map_or(1.0, |units| units.numbers()[i]);
    let mut x = Matrix::zeros(network.inputs(), patterns.len() * climbers);
    for j in 0..x.cols() {
        let p = j / climbers;
        let realised = match (search.first(), j % climbers) {
            (Some(first), 0) => Some(first.input(&wanted_start(network, first.node(), &patterns[p]))),
            _ => None,
        };
        for i in 0..x.rows() {
            *x.at_mut(i, j) = match (j % climbers, &realised) {
                (_, Some(realised)) => realised[i],
                (0, None) => START * unit(i) * patterns[p].direction[i] + search.best.input(p)[i],
                (1, None) => search.best.input(p)[i],
                (c, None) => 10f64.powi(c as i32 % 3) * gaussian(&mut search.rng),
            };
        }
    }
    x
}

/// The centre, the best input, and random ones.
fn starts_in(search: &mut Search<'_>, region: &Region, climbers: usize) -> Matrix {
    let centre = region.centre();
    let mut x = Matrix::zeros(region.inputs(), search.best.count() * climbers);
    for j in 0..x.cols() {
        for (i, centre) in centre.iter().enumerate() {
            *x.at_mut(i, j) = match j % climbers {
                0 => *centre,
                1 => search.best.input(j / climbers)[i],
                _ => centre + (2.0 * search.rng.random::<f64>() - 1.0) * half_side(region, i),
            };
        }
    }
    search.domain.keep_inside(&mut x);
    x
}

/// A first pre-activation with the signs that a pattern asks for, well away from the biases.
fn wanted_start(network: &Network, node: NodeId, pattern: &Pattern) -> Vec<f64> {
    let layer = network.activations().position(|(_, parent, _)| parent == node);
    match layer.map(|a| (&pattern.slopes[a], network.activations().nth(a))) {
        Some((v, Some((_, _, activation)))) => v
            .iter()
            .enumerate()
            .map(|(i, v)| {
                let (left, right) = (derivative(activation, i, -FAR), derivative(activation, i, FAR));
                if (v - right).abs() <= (v - left).abs() { START } else { -START }
            })
            .collect(),
        Some((_, None)) | None => vec![START; network.node(node).len],
    }
}
