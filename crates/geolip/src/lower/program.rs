//! A point that realises a pattern as far as that pays, by a linear program.
//!
//! With a pattern's slopes the network is affine: every pre-activation is h_j = R_j y + c_j in the variable y. The pattern is
//! realised where σ_j h_j > 0 for the sides σ_j it asks for. Not all can be had at once in general; the program
//!
//! > minimise Σ_j w_j s_j  over  σ_j (R_j y + c_j) + s_j ≥ margin, s ≥ 0
//!
//! gives up those that matter least, w_j = |G_j| ‖R_j‖₂. Neurons that read y itself are held on their side: y is the first
//! pre-activation wherever every one of those is reached by an input. Solved by Clarabel; nothing here is rigorous.
//!
//! Why a solver in this crate: an interior-point method of our own (160 lines) was as good on average and 10 % faster on deep networks, but
//! from its slightly different y nine lower bounds of 540 ended up to 1.7 % lower, and two higher.

use super::first_layer::FirstLayer;
use super::portfolio::Search;
use super::realise::has_two_slopes;
use super::tuning::program::{ACCURACY, HELD, STEPS};
use crate::matrix::{Matrix, Store};
use crate::network::Network;
use crate::network::{NodeId, Op};
use crate::relaxation::Pattern;
use crate::slopes::SlopeNetwork;
use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};
use rayon::prelude::*;

/// Where every first pre-activation is reached: offers an input near the pattern of every functional, and leads climbs there.
pub(super) fn run(search: &mut Search<'_>) {
    search.prepare();
    let (asked, space) = (search.asked, search.space());
    let rest = space.rest();
    if !space.first.is_none_or(FirstLayer::is_onto) || cost(rest).is_none_or(|cost| cost >= asked.rules.work) {
        return;
    }
    let near = |p: usize| realise(rest, search.best.weights(p), &asked.patterns[p]);
    let near: Vec<Option<Vec<f64>>> = (0..search.best.count()).into_par_iter().map(near).collect();
    let inputs: Vec<Vec<f64>> = near
        .iter()
        .enumerate()
        .map(|(p, y)| y.as_ref().map_or_else(|| search.best.input(p).to_vec(), |y| space.input(y)))
        .collect();
    let leads = near.into_iter().enumerate();
    let leads = leads.map(|(p, y)| std::iter::once(space.at(search.best.input(p))).chain(y).collect());
    search.leads = leads.collect();
    search.best.offer_columns(&inputs);
}

/// Multiply–adds of [`realise`], roughly; none where it does not apply.
fn cost(network: &SlopeNetwork) -> Option<f64> {
    if !network.is_elementwise() {
        return None;
    }
    let network = network.network();
    let applies = network.activations().all(|(id, _, activation)| has_two_slopes(activation, network.node(id).len));
    let (n, m) = (network.inputs() as f64, network.neurons() as f64);
    applies.then_some(f64::from(STEPS) * n * n * (n + m) / 2.0 + n * network.multiply_adds() as f64)
}

/// One neuron's side: σ, R_j, c_j, w_j.
struct Side {
    sign: f64,
    row: Vec<f64>,
    offset: f64,
    weight: f64,
}

/// A y near the pattern; none where the solver finds none.
fn realise(network: &SlopeNetwork, u: &[(usize, f64)], pattern: &Pattern) -> Option<Vec<f64>> {
    let gradients = gradients(network, u, &pattern.slopes);
    let network = network.network();
    let n = network.inputs();
    let biases = network.nodes().iter().filter_map(|node| match &node.op {
        Op::Affine { bias, .. } => bias.as_ref(),
        Op::Input | Op::Activate { .. } | Op::Combine { .. } => None,
    });
    let margin = biases.flatten().fold(1.0, |most: f64, b| most.max(b.abs()));
    let mut held = vec![None; n];
    let mut sides = Vec::new();
    let rows = affine(network, &pattern.slopes);
    for (a, (_, parent, activation)) in network.activations().enumerate() {
        for (j, slope) in pattern.slopes[a].iter().enumerate() {
            let (left, right) = (activation.derivative(j, -1.0), activation.derivative(j, 1.0));
            let sign = if *slope == right { 1.0 } else { -1.0 };
            if left == right {
                continue;
            }
            if parent == NodeId::INPUT {
                held[j] = Some(sign);
                continue;
            }
            let (offset, row) = rows[parent.index()].row(j).split_first().expect("a column for the offset");
            let row: Vec<f64> = row.iter().map(|r| r - offset).collect();
            let length = row.iter().map(|r| r * r).sum::<f64>().sqrt();
            let weight = gradients[a].at(j, 0).abs() * length;
            if weight > 0.0 {
                sides.push(Side { sign, row, offset: *offset, weight });
            }
        }
    }
    solve(&held, &sides, margin)
}

/// Every node's value with slopes in the place of activations: at 0 in the first column, then at the unit vectors.
fn affine(network: &Network, slopes: &[Vec<f64>]) -> Vec<Matrix> {
    let n = network.inputs();
    let mut values: Vec<Matrix> = Vec::with_capacity(network.nodes().len());
    let mut layers = slopes.iter();
    for node in network.nodes() {
        values.push(match &node.op {
            Op::Input => Matrix::from_fn(n, n + 1, |i, p| if i + 1 == p { 1.0 } else { 0.0 }),
            Op::Affine { terms, bias } => {
                let mut sum = Matrix::from_fn(node.len, n + 1, |i, _| bias.as_ref().map_or(0.0, |bias| bias[i]));
                terms.iter().for_each(|t| t.map.forward(&values[t.parent.index()], Store::Add, &mut sum));
                sum
            }
            Op::Combine { .. } => Matrix::zeros(node.len, n + 1), // not asked for these
            Op::Activate { parent, .. } => {
                let slopes = layers.next().expect("slopes for every layer");
                let h = &values[parent.index()];
                Matrix::from_fn(node.len, n + 1, |i, p| slopes[i] * h.at(i, p))
            }
        });
    }
    values
}

/// G per activation layer.
fn gradients(network: &SlopeNetwork, u: &[(usize, f64)], slopes: &[Vec<f64>]) -> Vec<Matrix> {
    let mut seed = Matrix::zeros(network.outputs(), 1);
    u.iter().for_each(|(i, u)| *seed.at_mut(*i, 0) = *u);
    let slopes: Vec<Matrix> = slopes.iter().map(|v| Matrix::from_vec(v.len(), 1, v.clone())).collect();
    let back = network.adjoint(&slopes, &seed);
    network.layers().map(|(node, _)| back.of(node).clone()).collect()
}

/// The program's y. Its columns are y and s; its rows the sides, s ≥ 0, and two bounds of every entry of y: those held by a
/// sign lie between [`HELD`] times the margin on their side, the others within the larger of these.
fn solve(held: &[Option<f64>], sides: &[Side], margin: f64) -> Option<Vec<f64>> {
    let (n, m) = (held.len(), sides.len());
    let (rows, columns) = (2 * m + 2 * n, n + m);
    let mut entries: Vec<(usize, f64)> = Vec::with_capacity(n * (m + 2) + 2 * m);
    let mut starts = vec![0];
    for (j, held) in held.iter().enumerate() {
        entries.extend(sides.iter().enumerate().map(|(i, side)| (i, -side.sign * side.row[j])).filter(|e| e.1 != 0.0));
        let sign = held.unwrap_or(1.0);
        entries.extend([(2 * m + 2 * j, -sign), (2 * m + 2 * j + 1, sign)]);
        starts.push(entries.len());
    }
    for i in 0..m {
        entries.extend([(i, -1.0), (m + i, -1.0)]);
        starts.push(entries.len());
    }
    let mut limits: Vec<f64> = sides.iter().map(|side| side.sign * side.offset - margin).collect();
    limits.resize(2 * m, 0.0);
    for held in held {
        let least = if held.is_some() { HELD.0 } else { -HELD.1 };
        limits.extend([-least * margin, HELD.1 * margin]);
    }
    let largest = sides.iter().fold(f64::MIN_POSITIVE, |most, side| most.max(side.weight));
    let mut costs = vec![0.0; n];
    costs.extend(sides.iter().map(|side| side.weight / largest));
    let (places, numbers) = entries.into_iter().unzip();
    let matrix = CscMatrix::new(rows, columns, starts, places, numbers);
    let settings = DefaultSettings {
        verbose: false,
        max_threads: 1,
        max_iter: STEPS,
        tol_gap_rel: ACCURACY,
        tol_feas: ACCURACY,
        ..DefaultSettings::default()
    };
    let nothing = CscMatrix::zeros((columns, columns));
    let cones = [SupportedConeT::NonnegativeConeT(rows)];
    let mut solver = DefaultSolver::new(&nothing, &costs, &matrix, &limits, &cones, settings).ok()?;
    solver.solve();
    match solver.solution.status {
        // any of these leaves a y: how good it is shows in its gradient
        SolverStatus::Solved
        | SolverStatus::AlmostSolved
        | SolverStatus::MaxIterations
        | SolverStatus::InsufficientProgress
        | SolverStatus::NumericalError => {
            let y = solver.solution.x[..n].to_vec();
            y.iter().all(|y| y.is_finite()).then_some(y)
        }
        SolverStatus::MaxTime
        | SolverStatus::CallbackTerminated
        | SolverStatus::Unsolved
        | SolverStatus::PrimalInfeasible
        | SolverStatus::DualInfeasible
        | SolverStatus::AlmostPrimalInfeasible
        | SolverStatus::AlmostDualInfeasible => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, LinearMap, NetworkBuilder};

    #[test]
    fn a_pattern_that_can_be_had_is_realised() {
        let w = |m, n, t: f64| LinearMap::Dense(Matrix::from_fn(m, n, |i, j| ((i * 3 + j * 5) as f64 + t).sin()));
        let mut b = NetworkBuilder::new(5).expect("inputs");
        let z = b.activate("z1", b.input(), Activation::Relu).expect("relu");
        let h = b.affine("h", vec![(z, w(4, 5, 0.3))], Some(vec![0.4, -0.3, 0.2, 0.1])).expect("shapes");
        let z = b.activate("z2", h, Activation::LeakyRelu { slope: 0.1 }).expect("leaky");
        let y = b.affine("y", vec![(z, w(2, 4, 0.7))], None).expect("shapes");
        let network = b.finish(y);
        let everywhere = SlopeNetwork::everywhere(&network).expect("bounded slopes");
        for seed in 0..8 {
            // the pattern of some point
            let x: Vec<f64> = (0..5).map(|i| ((i * 7 + seed * 3) as f64).cos()).collect();
            let slopes = |x: &[f64]| -> Vec<Vec<f64>> {
                let values = network.evaluate_batch(Matrix::from_vec(5, 1, x.to_vec()));
                let layers = network.activations();
                let slope = |(_, parent, activation): (NodeId, NodeId, &Activation)| {
                    values.of(parent).data().iter().enumerate().map(|(i, h)| activation.derivative(i, *h)).collect()
                };
                layers.map(slope).collect()
            };
            let pattern = Pattern { slopes: slopes(&x), weights: vec![], direction: vec![], value: 0.0 };
            let y = realise(&everywhere, &[(0, 1.0), (1, 0.5)], &pattern).expect("solved");
            assert_eq!(slopes(&y), pattern.slopes, "{seed}");
        }
    }
}
