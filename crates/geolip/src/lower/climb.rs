//! The best inputs improved by moves along coordinates, each taken for its value alone.
//!
//! The variable is the first pre-activation where there is one (`first_layer.rs`), else the input. Many moves are tried in one
//! batch: every coordinate of a block by several lengths, and by its reflection at zero. Those that help are tried together,
//! the best first. Where rounds no longer help, some coordinates of the best point are thrown anew, or with few inputs all of
//! them. Nothing here is rigorous: what is reached is evaluated again by the caller.

use super::first_layer::FirstLayer;
use super::portfolio::Search;
use super::slopes::slopes_at;
use super::tuning::climb::{BLOCK, FRESH, GAIN, LENGTHS, MOVES, NEUTRAL, PASSES_OF_VALUE, SPREAD, STILL, TOGETHER};
use super::tuning::{FEW_INPUTS, MET};
use crate::matrix::Matrix;
use crate::network::NodeId;
use crate::problem::InputNorm;
use crate::random::gaussian;
use crate::slopes::SlopeNetwork;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Climbs for every functional by itself, from where others lead to.
pub(super) fn run(search: &mut Search<'_>, passes: f64) {
    search.prepare();
    let found: Vec<Vec<f64>> = (0..search.best.count())
        .into_par_iter()
        .map(|p| {
            let space = search.space();
            let starts = match search.leads[p].as_slice() {
                [] => vec![space.at(search.best.input(p))],
                leads => leads.to_vec(),
            };
            let rng = ChaCha8Rng::seed_from_u64(search.asked.rules.seed ^ (p as u64 + 1).rotate_left(32));
            let enough = search.asked.patterns[p].value * (1.0 - MET);
            space.input(&Climber { space, u: search.best.weights(p), enough, passes, rng }.run(starts))
        })
        .collect();
    search.best.offer_columns(&found);
}

/// The variable of a climb, and the function of it.
#[derive(Clone, Copy)]
pub(super) struct Space<'a> {
    pub network: &'a SlopeNetwork,
    pub norm: InputNorm,
    /// The first layer, where its pre-activation is the variable.
    pub first: Option<&'a FirstLayer>,
}

impl<'a> Space<'a> {
    /// The network as a function of the variable.
    pub fn rest(&self) -> &'a SlopeNetwork {
        self.first.map_or(self.network, FirstLayer::rest)
    }

    /// The variable at an input.
    pub fn at(&self, x: &[f64]) -> Vec<f64> {
        self.first.map_or_else(|| x.to_vec(), |first| first.pre_activation(x))
    }

    /// An input with that variable.
    pub fn input(&self, y: &[f64]) -> Vec<f64> {
        self.first.map_or_else(|| y.to_vec(), |first| first.input(y))
    }

    /// ‖J(x)ᵀu‖ at the inputs whose variables are the columns of y.
    pub fn values(&self, y: Matrix, u: &[(usize, f64)]) -> Vec<f64> {
        let rest = self.rest();
        let mut seed = Matrix::zeros(rest.outputs(), y.cols());
        u.iter().for_each(|(i, u)| seed.row_mut(*i).fill(*u));
        let gradients = rest.adjoint(&slopes_at(rest, &rest.network().evaluate_batch(y)), &seed);
        let own = gradients.of(NodeId::INPUT);
        let gradient = self.first.map_or_else(|| own.clone(), |first| self.in_units(first.pull_back(own))).transposed();
        (0..gradient.rows()).map(|p| self.norm.dual(gradient.row(p).iter().copied())).collect()
    }

    /// Gradients with respect to the input, in its units.
    fn in_units(&self, mut gradient: Matrix) -> Matrix {
        for (i, unit) in self.network.units().iter().flat_map(|units| units.numbers()).enumerate() {
            gradient.row_mut(i).iter_mut().for_each(|g| *g *= unit);
        }
        gradient
    }

    /// Moves coordinate j, as far as the others can stand still.
    fn step(&self, y: &mut [f64], (j, length): Move) {
        match self.first.and_then(|first| first.reached(j)) {
            Some(reached) => y.iter_mut().zip(reached).for_each(|(y, r)| *y += length * r),
            None => y[j] += length,
        }
    }
}

/// A coordinate and by how much it changes.
type Move = (usize, f64);

/// A point and its value.
#[derive(Clone)]
struct Spot {
    y: Vec<f64>,
    value: f64,
}

/// One climb for one functional.
pub(super) struct Climber<'a> {
    pub space: Space<'a>,
    /// u, by its non-zero entries.
    pub u: &'a [(usize, f64)],
    /// The value at which to stop.
    pub enough: f64,
    /// Passes through the network that are left.
    pub passes: f64,
    pub rng: ChaCha8Rng,
}

impl Climber<'_> {
    /// The best variable found from the given ones.
    pub fn run(mut self, starts: Vec<Vec<f64>>) -> Vec<f64> {
        let mut best: Option<Spot> = None;
        let share = self.passes / (2 * starts.len()).max(1) as f64;
        for y in starts {
            let value = self.values(std::slice::from_ref(&y))[0];
            let mut spot = Spot { y, value };
            let least = self.passes - share;
            self.climb(&mut spot, least);
            if best.as_ref().is_none_or(|best| spot.value > best.value) {
                best = Some(spot);
            }
        }
        let mut best = best.expect("at least one start");
        let few = self.space.network.inputs() <= FEW_INPUTS;
        for turn in 0_usize.. {
            if self.is_over(&best, 0.0) {
                break;
            }
            let mut other = if few && turn % 2 == 0 { self.fresh() } else { self.thrown(&best) };
            self.climb(&mut other, 0.0);
            if other.value > best.value {
                best = other;
            }
        }
        best.y
    }

    fn is_over(&self, spot: &Spot, least: f64) -> bool {
        self.passes <= least.max(0.0) || spot.value >= self.enough
    }

    fn values(&mut self, points: &[Vec<f64>]) -> Vec<f64> {
        self.passes -= PASSES_OF_VALUE * points.len() as f64;
        let y = Matrix::from_fn(points[0].len(), points.len(), |i, p| points[p][i]);
        self.space.values(y, self.u)
    }

    /// Rounds of moves until they no longer help, or only `least` passes are left.
    fn climb(&mut self, spot: &mut Spot, least: f64) {
        let mut order: Vec<usize> = (0..spot.y.len()).collect();
        let mut still = 0;
        while still < STILL {
            let before = spot.value;
            order.shuffle(&mut self.rng);
            for block in order.chunks(BLOCK) {
                if self.is_over(spot, least) {
                    return;
                }
                self.try_moves(spot, block);
            }
            still = if spot.value > before * (1.0 + GAIN) { 0 } else { still + 1 };
        }
    }

    /// Tries moves of a block of coordinates, and takes the best, or several, or one that changes nothing.
    fn try_moves(&mut self, spot: &mut Spot, block: &[usize]) {
        let moves = self.moves(spot, block);
        let values = self.values(&moves.iter().map(|m| self.moved(spot, &[*m])).collect::<Vec<_>>());
        let mut order: Vec<usize> = (0..moves.len()).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
        let better: Vec<Move> =
            order.iter().take(TOGETHER).filter(|m| values[**m] > spot.value).map(|m| moves[*m]).collect();
        let best = order[0];
        if better.len() < 2 {
            if values[best] >= spot.value * (1.0 - NEUTRAL) {
                *spot = Spot { y: self.moved(spot, &[moves[best]]), value: values[best] };
            }
            return;
        }
        let joint: Vec<Vec<f64>> = (1..=better.len()).map(|count| self.moved(spot, &better[..count])).collect();
        let values = self.values(&joint);
        for (y, value) in joint.into_iter().zip(values) {
            if value > spot.value {
                *spot = Spot { y, value };
            }
        }
    }

    fn moves(&mut self, spot: &Spot, block: &[usize]) -> Vec<Move> {
        let size = size(&spot.y);
        let mut moves = Vec::with_capacity(block.len() * MOVES);
        for &j in block {
            let lengths = LENGTHS.map(|length| length * size * (SPREAD * gaussian(&mut self.rng)).exp());
            moves.extend(lengths.into_iter().chain([-2.0 * spot.y[j]]).map(|length| (j, length)));
        }
        moves
    }

    fn moved(&self, spot: &Spot, moves: &[Move]) -> Vec<f64> {
        let mut y = spot.y.clone();
        moves.iter().for_each(|m| self.space.step(&mut y, *m));
        y
    }

    /// The best of some random inputs.
    fn fresh(&mut self) -> Spot {
        let scale = 10_f64.powf(self.rng.random_range(-2.0..2.0));
        let n = self.space.network.inputs();
        let mut input = || (0..n).map(|_| scale * gaussian(&mut self.rng)).collect::<Vec<f64>>();
        let points: Vec<Vec<f64>> = (0..FRESH).map(|_| self.space.at(&input())).collect();
        let values = self.values(&points);
        let spots = points.into_iter().zip(values).map(|(y, value)| Spot { y, value });
        spots.max_by(|a, b| a.value.total_cmp(&b.value)).expect("some points")
    }

    /// The point with up to an eighth of its coordinates thrown anew.
    fn thrown(&mut self, spot: &Spot) -> Spot {
        let n = spot.y.len();
        let size = 2.0 * size(&spot.y);
        let count = self.rng.random_range(4..=(n / 8).max(5)).min(n);
        let throw = |rng: &mut ChaCha8Rng| {
            let j = rng.random_range(0..n);
            (j, size * gaussian(rng) - spot.y[j])
        };
        let moves: Vec<Move> = (0..count).map(|_| throw(&mut self.rng)).collect();
        let y = self.moved(spot, &moves);
        let value = self.values(std::slice::from_ref(&y))[0];
        Spot { y, value }
    }
}

/// The root mean square, or 1 at the origin.
fn size(y: &[f64]) -> f64 {
    let size = (y.iter().map(|y| y * y).sum::<f64>() / y.len() as f64).sqrt();
    if size > 0.0 { size } else { 1.0 }
}
