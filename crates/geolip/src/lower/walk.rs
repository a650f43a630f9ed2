//! A walk from cell to cell: always on to the neighbour whose gradient is the steepest of those that were seen, and never back.
//!
//! What lies behind a facet costs no evaluation to know (`cells.rs`), so the neurons are sorted by it, and lines towards the
//! first few are followed to where they leave the cell. The best way out is taken even where it leads down: cells that were
//! visited are not entered again, so that the walk leaves local maxima behind. Where nothing better comes for long, another
//! begins at another input; some look at more neurons in a cell, others at one only, and come further. Nothing here is
//! rigorous: what is reached is evaluated again by the caller.

use super::cells::{Cells, Ray, Spot};
use super::climb::Space;
use super::portfolio::Search;
use super::tuning::MET;
use super::tuning::climb::PASSES_OF_VALUE;
use super::tuning::walk::{FRESH, KEPT, LEAST_STEPS, LOOKS, SCALES, STILL, TO_MIDDLE, TRIES};
use crate::matrix::Matrix;
use crate::random::gaussian;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::HashSet;

/// Walks for every functional by itself, first from the best input known.
pub(super) fn run(search: &mut Search<'_>, passes: f64) {
    let asked = search.asked;
    let Some(cells) = Cells::new(asked.network, asked.norm) else { return };
    let work = passes * asked.network.multiply_adds() as f64;
    if work < LEAST_STEPS * cells.step() {
        return;
    }
    let found: Vec<Vec<Vec<f64>>> = (0..search.best.count())
        .into_par_iter()
        .map(|p| {
            let mut rng = ChaCha8Rng::seed_from_u64(asked.rules.seed ^ (p as u64 + 1).rotate_left(24));
            let mut u = vec![0.0; asked.network.outputs()];
            search.best.weights(p).iter().for_each(|(i, w)| u[*i] = *w);
            let marks = (0..cells.neurons()).map(|_| rng.random()).collect();
            let space = Space { network: asked.network, norm: asked.norm, first: None };
            let enough = asked.patterns[p].value * (1.0 - MET);
            let (cells, visited, steepest) = (&cells, HashSet::new(), Vec::new());
            Walker { cells, space, entries: search.best.weights(p), u, enough, work, marks, visited, steepest, rng }
                .run(search.best.input(p).to_vec())
        })
        .collect();
    let own: Vec<usize> = found.iter().enumerate().flat_map(|(p, inputs)| vec![p; inputs.len()]).collect();
    let inputs: Vec<Vec<f64>> = found.into_iter().flatten().collect();
    search.best.offer_each(&Matrix::from_fn(asked.network.inputs(), inputs.len(), |i, j| inputs[j][i]), &own);
}

/// The walks for one functional.
struct Walker<'a> {
    cells: &'a Cells<'a>,
    space: Space<'a>,
    /// u, by its non-zero entries, and by all.
    entries: &'a [(usize, f64)],
    u: Vec<f64>,
    /// The value at which to stop.
    enough: f64,
    /// Multiply–adds that are left.
    work: f64,
    /// A random number per neuron: the exclusive or of those with the larger slope stands for a cell.
    marks: Vec<u64>,
    visited: HashSet<u64>,
    /// Inputs in cells that were steeper than all before, with their values: the last of them.
    steepest: Vec<(f64, Vec<f64>)>,
    rng: ChaCha8Rng,
}

impl Walker<'_> {
    /// Inputs of the steepest cells found, the last the best.
    fn run(mut self, start: Vec<f64>) -> Vec<Vec<f64>> {
        let mut start = Some(start);
        for looks in LOOKS.into_iter().cycle() {
            if self.is_over() {
                break;
            }
            let x = start.take().unwrap_or_else(|| self.fresh());
            let spot = self.cells.at(x, &self.u, &mut self.work);
            self.walk(spot, looks);
        }
        let Self { cells, u, steepest, .. } = self;
        let middle = |(_, x): (f64, Vec<f64>)| {
            let mut spot = cells.at(x, &u, &mut 0.0);
            // as far from every kink as can be, so that the sides are easily proved
            (0..TO_MIDDLE).find(|_| cells.centre(&mut spot, &mut 0.0).is_none());
            spot.x
        };
        steepest.into_iter().map(middle).collect()
    }

    fn is_over(&self) -> bool {
        self.work <= 0.0 || self.steepest.last().is_some_and(|(value, _)| *value >= self.enough)
    }

    /// One walk, until nothing steeper than all before on it has come for long.
    fn walk(&mut self, mut spot: Spot, looks: usize) {
        self.note(&spot);
        let (mut top, mut still) = (spot.value(), 0);
        while still < STILL && !self.is_over() {
            let Some(ray) = self.way_out(&mut spot, looks) else { return };
            self.cells.cross(&mut spot, ray, &self.u, &mut self.work);
            self.note(&spot);
            still += 1;
            if spot.value() > top {
                (top, still) = (spot.value(), 0);
            }
        }
    }

    fn note(&mut self, spot: &Spot) {
        if self.steepest.last().is_none_or(|(value, _)| spot.value() > *value) {
            if self.steepest.len() == KEPT {
                self.steepest.remove(0);
            }
            self.steepest.push((spot.value(), spot.x.clone()));
        }
    }

    /// Marks the cell as visited, and looks for the best way into one that is not.
    fn way_out(&mut self, spot: &mut Spot, looks: usize) -> Option<Ray> {
        let count = self.marks.len();
        let upper = (0..count).filter(|j| self.cells.is_upper(spot, *j));
        let mark = upper.fold(0, |mark, j| mark ^ self.marks[j]);
        self.visited.insert(mark);
        self.work -= self.cells.look();
        let behind: Vec<Option<f64>> = (0..count)
            .map(|j| (!self.visited.contains(&(mark ^ self.marks[j]))).then(|| self.cells.value_behind(spot, j)))
            .collect();
        let mut order: Vec<(f64, usize)> = behind.iter().enumerate().filter_map(|(j, v)| v.map(|v| (v, j))).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for _ in 0..TRIES {
            let metric = self.cells.centre(spot, &mut self.work)?;
            let mut best: Option<(f64, Ray)> = None;
            let mut seen = vec![false; count];
            let mut looks = looks;
            for (value, j) in &order {
                if looks == 0 || best.as_ref().is_some_and(|(best, _)| best >= value) {
                    break;
                }
                if seen[*j] {
                    continue;
                }
                looks -= 1;
                let ray = self.cells.towards(spot, &metric, *j, &mut self.work);
                if let Some(facet) = ray.facet()
                    && let Some(value) = behind[facet]
                    && !seen[facet]
                {
                    seen[facet] = true;
                    if best.as_ref().is_none_or(|(best, _)| value > *best) {
                        best = Some((value, ray));
                    }
                }
                seen[*j] = true;
            }
            if let Some((_, ray)) = best {
                return Some(ray);
            }
            let direction = spot.x.iter().map(|_| gaussian(&mut self.rng)).collect();
            let part = self.rng.random();
            self.cells.wander(spot, &metric, direction, part, &mut self.work);
        }
        None
    }

    /// The steepest of some random inputs.
    fn fresh(&mut self) -> Vec<f64> {
        let n = self.space.network.inputs();
        let inputs: Vec<Vec<f64>> = (0..FRESH)
            .map(|_| {
                let scale = 10_f64.powf(self.rng.random_range(SCALES.0..SCALES.1));
                (0..n).map(|_| scale * gaussian(&mut self.rng)).collect()
            })
            .collect();
        self.work -= PASSES_OF_VALUE * (FRESH * self.space.network.multiply_adds()) as f64;
        let values = self.space.values(Matrix::from_fn(n, FRESH, |i, j| inputs[j][i]), self.entries);
        let best = inputs.into_iter().zip(values).max_by(|a, b| a.1.total_cmp(&b.1));
        best.expect("some inputs").0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::{GradientBound, InputRules, InputSearch, Strategy};
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use crate::problem::{Functional, InputNorm};
    use crate::relaxation::Pattern;
    use crate::slopes::SlopeNetwork;

    /// Two hidden layers, two inputs.
    fn network(activation: &Activation, seed: f64) -> SlopeNetwork {
        let w =
            |m, n, t: f64| LinearMap::Dense(Matrix::from_fn(m, n, |i, j| ((i * i * 3 + j * 5 + 1) as f64 * t).sin()));
        let bias = |m, t: f64| Some((0..m).map(|i| 0.5 * ((i * i + 1) as f64 * t).cos()).collect());
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let h = b.affine("h1", vec![(b.input(), w(7, 2, seed + 0.3))], bias(7, seed)).expect("shapes");
        let z = b.activate("z1", h, activation.clone()).expect("a known activation");
        let h = b.affine("h2", vec![(z, w(6, 7, seed + 0.7))], bias(6, seed + 0.1)).expect("shapes");
        let z = b.activate("z2", h, activation.clone()).expect("a known activation");
        let y = b.affine("y", vec![(z, w(1, 6, seed + 0.2))], None).expect("shapes");
        SlopeNetwork::everywhere(&b.finish(y)).expect("bounded slopes")
    }

    fn asked<T>(network: &SlopeNetwork, work: f64, then: impl FnOnce(&InputSearch<'_>) -> T) -> T {
        let slopes = vec![vec![1.0; 7], vec![1.0; 6]];
        let pattern = Pattern { slopes, weights: vec![1.0], direction: vec![1.0; 2], value: f64::INFINITY };
        let (norm, exact) = (InputNorm::L2, GradientBound::new(network, InputNorm::L2));
        let rules = InputRules { work, seed: 3 };
        let (functionals, patterns) = (&[Functional::output(0)], &[pattern]);
        then(&InputSearch { network, norm, exact: &exact, functionals, patterns, realiser: None, rules })
    }

    #[test]
    fn no_input_of_a_fine_grid_is_steeper() {
        for seed in 1..=6 {
            let network = network(&Activation::Relu, f64::from(seed));
            let found = asked(&network, 1e6, |asked| asked.run(&[Strategy::Walk])).witnesses[0].lower;
            let space = Space { network: &network, norm: InputNorm::L2, first: None };
            let steepest = [0.01, 0.1, 1.0].into_iter().flat_map(|scale| {
                let at = move |i: usize| scale * (i as f64 - 100.0) / 5.0;
                let grid = Matrix::from_fn(2, 201 * 201, |i, p| at(if i == 0 { p % 201 } else { p / 201 }));
                space.values(grid, &[(0, 1.0)])
            });
            let steepest = steepest.fold(0.0, f64::max);
            assert!(found >= steepest * (1.0 - 1e-9), "{seed}: {found} and {steepest}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_input() {
        let network = network(&Activation::LeakyRelu { slope: 0.1 }, 1.0);
        let found = || asked(&network, 1e5, |asked| asked.run(&[Strategy::Walk])).witnesses[0].input.clone();
        assert_eq!(found(), found());
    }

    #[test]
    fn without_cells_or_with_little_work_nothing_is_offered() {
        for (activation, work) in [(Activation::Tanh, 1e7), (Activation::Relu, 1e3)] {
            let network = network(&activation, 1.0);
            let winners = asked(&network, work, |asked| asked.run(&[Strategy::Walk])).winners;
            assert_eq!(winners, [None], "{activation:?}");
        }
    }
}
