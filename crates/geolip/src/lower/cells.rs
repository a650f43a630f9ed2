//! The cells of a piecewise linear network, and ways through them.
//!
//! A cell is the set of inputs with one activation pattern. In it every pre-activation is affine, h_j(x + d) = h_j + R_j d, so
//! that it is a polyhedron, and the gradient is constant. Along a line out of a point inside, the neuron that first comes to
//! its kink is a facet: behind it lies a cell that differs by this neuron's slope, whose gradient is known before going there
//! (`relaxation/flips.rs`). Nothing is solved for but where a facet is likely to be met: from near the middle of the cell,
//! along H⁻¹R_j, where H = Σ R_jᵀR_j/h_j² takes the cell for an ellipsoid.
//!
//! Nothing here is rigorous. A point that rounding takes into another cell is found there, and goes on from there.

use super::realise::{cholesky, has_two_slopes, solve};
use super::slopes::slopes_at;
use super::tuning::cells::{FAR, LEAST, OWN, PART, RIDGE, SPREAD};
use crate::matrix::Matrix;
use crate::network::NodeId;
use crate::problem::InputNorm;
use crate::relaxation::{Flipper, Pose};
use crate::slopes::SlopeNetwork;

/// What does not depend on the cell.
pub(super) struct Cells<'a> {
    network: &'a SlopeNetwork,
    flipper: Flipper<'a>,
    /// The neurons that have two slopes, each by its layer and its number there.
    neurons: Vec<(usize, usize)>,
    /// Per layer, what it reads.
    parents: Vec<NodeId>,
}

/// A point and its cell.
pub(super) struct Spot {
    pub x: Vec<f64>,
    /// The pre-activations of the neurons that have two slopes.
    h: Vec<f64>,
    pose: Pose,
}

impl Spot {
    /// The norm of the gradient in its cell.
    pub fn value(&self) -> f64 {
        self.pose.value
    }
}

/// A line out of a point in a cell.
pub(super) struct Ray {
    direction: Vec<f64>,
    /// How fast every pre-activation changes.
    rates: Vec<f64>,
    /// Where it leaves the cell, and over the kink of which neuron; none where it never does.
    exit: Option<(f64, usize)>,
}

impl Ray {
    /// The neuron over whose kink it leaves the cell.
    pub fn facet(&self) -> Option<usize> {
        self.exit.map(|(_, j)| j)
    }
}

impl<'a> Cells<'a> {
    /// None where activations have other kinks than one at zero, no slope is open, or the network is too large.
    pub fn new(network: &'a SlopeNetwork, norm: InputNorm) -> Option<Self> {
        if !network.is_elementwise() {
            return None;
        }
        let graph = network.network();
        if !graph.activations().all(|(id, _, activation)| has_two_slopes(activation, graph.node(id).len)) {
            return None;
        }
        let flipper = Flipper::new(network, norm, network.tight_slopes())?;
        let parents = graph.activations().map(|(_, parent, _)| parent).collect();
        Some(Self { network, neurons: flipper.places(), flipper, parents })
    }

    /// How many neurons have two slopes.
    pub fn neurons(&self) -> usize {
        self.neurons.len()
    }

    /// Multiply–adds of all R_j d.
    pub fn look(&self) -> f64 {
        (self.neurons.len() * (self.network.inputs() + 1)) as f64
    }

    /// Multiply–adds of coming to the middle of a cell and of going on to the next, roughly.
    pub fn step(&self) -> f64 {
        let (n, one) = (self.network.inputs() as f64, self.network.multiply_adds() as f64);
        self.look() * (0.5 * n + 4.0) + n.powi(3) / 6.0 + 3.0 * one
    }

    /// The cell of x; u by all its entries.
    pub fn at(&self, x: Vec<f64>, u: &[f64], work: &mut f64) -> Spot {
        let (h, slopes) = self.evaluate(&x, work);
        let pose = self.flipper.pose(&slopes, u, work);
        Spot { x, h, pose }
    }

    /// The pre-activations at x, and the slopes there.
    fn evaluate(&self, x: &[f64], work: &mut f64) -> (Vec<f64>, Vec<Vec<f64>>) {
        *work -= self.network.multiply_adds() as f64;
        let values = self.network.network().evaluate_batch(Matrix::from_vec(x.len(), 1, x.to_vec()));
        let h = self.neurons.iter().map(|(a, j)| values.of(self.parents[*a]).at(*j, 0)).collect();
        (h, slopes_at(self.network, &values).into_iter().map(|v| v.data().to_vec()).collect())
    }

    /// Whether a neuron's slope is the larger one in the cell.
    pub fn is_upper(&self, spot: &Spot, j: usize) -> bool {
        let (a, i) = self.neurons[j];
        spot.pose.slope((a, i)) == self.network.tight_slopes()[a][i].upper
    }

    /// The norm of the gradient behind the facet of neuron j, if it is one.
    pub fn value_behind(&self, spot: &Spot, j: usize) -> f64 {
        self.flipper.flipped_value(&spot.pose, self.neurons[j])
    }

    /// Moves towards the middle of the cell, and returns the Cholesky factor of H from where it began; none where rounding is
    /// in the way.
    pub fn centre(&self, spot: &mut Spot, work: &mut f64) -> Option<Matrix> {
        let n = spot.x.len();
        *work -= self.look() * (0.5 * n as f64 + 1.0) + (n as f64).powi(3) / 6.0;
        let place: Vec<f64> = (0..n).map(|i| self.in_units(i, spot.x[i])).collect();
        let size = place.iter().map(|y| y * y).sum::<f64>() / n as f64;
        let ridge = RIDGE / size.max(LEAST);
        let mut towards: Vec<f64> = place.iter().map(|y| -ridge * y).collect();
        let mut metric = Matrix::zeros(n, n);
        for (at, h) in self.neurons.iter().zip(&spot.h) {
            let row = spot.pose.row(*at);
            let weight = 1.0 / if h.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE.copysign(*h) } else { *h };
            for (i, r) in row.iter().enumerate().filter(|(_, r)| **r != 0.0) {
                let own = weight * r;
                towards[i] += own;
                let own = own * weight;
                metric.row_mut(i)[..=i].iter_mut().zip(row).for_each(|(m, r)| *m += own * r);
            }
        }
        let most = (0..n).fold(0.0, |most: f64, i| most.max(metric.at(i, i)));
        (0..n).for_each(|i| *metric.at_mut(i, i) += ridge + OWN * most);
        let factor = cholesky(metric)?;
        solve(&factor, &mut towards);
        let ray = self.along(spot, towards, work);
        let length = ray.exit.map_or(1.0, |(exit, _)| (PART * exit).min(1.0));
        self.advance(spot, &ray, length);
        Some(factor)
    }

    /// The line along which the kink of neuron j should be met first.
    pub fn towards(&self, spot: &Spot, metric: &Matrix, j: usize, work: &mut f64) -> Ray {
        let sign = if spot.h[j] >= 0.0 { -1.0 } else { 1.0 };
        let mut direction: Vec<f64> = spot.pose.row(self.neurons[j]).iter().map(|r| sign * r).collect();
        *work -= (direction.len() * direction.len()) as f64;
        solve(metric, &mut direction);
        self.along(spot, direction, work)
    }

    /// Moves along a direction inside the cell, by some part of the way out.
    pub fn wander(&self, spot: &mut Spot, metric: &Matrix, mut direction: Vec<f64>, part: f64, work: &mut f64) {
        solve(metric, &mut direction);
        let ray = self.along(spot, direction, work);
        let length = ray.exit.map_or(SPREAD, |(exit, _)| (part * exit).min(SPREAD));
        self.advance(spot, &ray, length);
    }

    fn along(&self, spot: &Spot, direction: Vec<f64>, work: &mut f64) -> Ray {
        let rates = self.rates(spot, &direction, work);
        let exit = exit(&spot.h, &rates, None);
        Ray { direction, rates, exit }
    }

    fn rates(&self, spot: &Spot, direction: &[f64], work: &mut f64) -> Vec<f64> {
        *work -= self.look();
        let rate = |at: &(usize, usize)| spot.pose.row(*at).iter().zip(direction).map(|(r, d)| r * d).sum();
        self.neurons.iter().map(rate).collect()
    }

    fn advance(&self, spot: &mut Spot, ray: &Ray, length: f64) {
        let units = self.network.units().map(|units| units.numbers());
        for (i, (x, d)) in spot.x.iter_mut().zip(&ray.direction).enumerate() {
            *x += length * d * units.map_or(1.0, |units| units[i]);
        }
        spot.h.iter_mut().zip(&ray.rates).for_each(|(h, rate)| *h += length * rate);
    }

    /// An entry of x in units of the input.
    fn in_units(&self, i: usize, x: f64) -> f64 {
        match self.network.units().map_or(1.0, |units| units.numbers()[i]) {
            0.0 => 0.0,
            unit => x / unit,
        }
    }

    /// Goes into the next cell along a line that leaves this one, half as far as the line is in it.
    pub fn cross(&self, spot: &mut Spot, mut ray: Ray, u: &[f64], work: &mut f64) {
        let Some((exit_at, facet)) = ray.exit else { return };
        self.advance(spot, &ray, exit_at);
        self.flipper.flip(&mut spot.pose, self.neurons[facet]);
        *work -= self.look() + 2.0 * self.network.multiply_adds() as f64;
        ray.rates = self.rates(spot, &ray.direction, work);
        let size = exit_at.max(LEAST);
        let next = exit(&spot.h, &ray.rates, Some(facet)).map_or(size, |(next, _)| next.min(FAR * size));
        self.advance(spot, &ray, (0.5 * next).max(LEAST * size));
        // the sides as they are: neurons may share a kink, and rounding adds up
        let (h, slopes) = self.evaluate(&spot.x, work);
        spot.h = h;
        if self.neurons.iter().any(|(a, j)| slopes[*a][*j] != spot.pose.slope((*a, *j))) {
            spot.pose = self.flipper.pose(&slopes, u, work);
        }
    }
}

/// Where a line first comes to a kink, and of which neuron other than `not`.
fn exit(h: &[f64], rates: &[f64], not: Option<usize>) -> Option<(f64, usize)> {
    let mut first: Option<(f64, usize)> = None;
    for (j, (h, rate)) in h.iter().zip(rates).enumerate() {
        let nears = if *h >= 0.0 { *rate < 0.0 } else { *rate > 0.0 };
        if nears && Some(j) != not {
            let at = -h / rate;
            if first.is_none_or(|(first, _)| at < first) {
                first = Some((at, j));
            }
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::super::climb::Space;
    use super::*;
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use crate::place::Place;
    use crate::problem::Units;

    fn dense(m: usize, n: usize, t: f64) -> LinearMap {
        LinearMap::Dense(Matrix::from_fn(m, n, |i, j| ((i * 3 + j * 5) as f64 + t).sin()))
    }

    /// Three layers with a skip connection, absolute values, and a layer that reads the input itself; one input does not count.
    fn example(units: bool) -> SlopeNetwork {
        let mut b = NetworkBuilder::new(4).expect("inputs");
        let z0 = b.activate("z0", b.input(), Activation::Abs).expect("abs");
        let bias = Some(vec![0.3, -0.2, 0.1, 0.4, -0.5]);
        let h = b.affine("h1", vec![(b.input(), dense(5, 4, 0.1)), (z0, dense(5, 4, 0.9))], bias).expect("shapes");
        let z = b.activate("z1", h, Activation::LeakyRelu { slope: -0.2 }).expect("leaky");
        let h = b.affine("h2", vec![(z, dense(6, 5, 0.7)), (b.input(), dense(6, 4, 2.0))], None).expect("shapes");
        let z2 = b.activate("z2", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z2, dense(2, 6, 0.3)), (z, dense(2, 5, 0.4))], None).expect("shapes");
        let units = units.then(|| Units::new(&[0.5, 3.0, 0.0, 1.2]).expect("units"));
        SlopeNetwork::in_units(&b.finish(y), Place::everywhere(), units.as_ref()).expect("bounded slopes")
    }

    /// ‖J(x)ᵀu‖ for u = (1, −0.5).
    fn evaluated(network: &SlopeNetwork, norm: InputNorm, x: &[f64]) -> f64 {
        let space = Space { network, norm, first: None };
        space.values(Matrix::from_vec(x.len(), 1, x.to_vec()), &[(0, 1.0), (1, -0.5)])[0]
    }

    #[test]
    fn what_is_said_to_lie_behind_a_facet_lies_there() {
        for (units, norm) in
            [(false, InputNorm::L2), (false, InputNorm::Linf), (true, InputNorm::L2), (true, InputNorm::L1)]
        {
            let network = example(units);
            let cells = Cells::new(&network, norm).expect("piecewise linear");
            let (u, work) = ([1.0, -0.5], &mut 1e9);
            let mut crossed = 0;
            for start in 0..4 {
                let x = (0..4).map(|i| ((i * 7 + start * 3) as f64).cos()).collect();
                let mut spot = cells.at(x, &u, work);
                for step in 0..20 {
                    let Some(metric) = cells.centre(&mut spot, work) else { break };
                    let ray = cells.towards(&spot, &metric, (step * 5) % cells.neurons(), work);
                    let Some(facet) = ray.facet() else { continue };
                    let behind = cells.value_behind(&spot, facet);
                    cells.cross(&mut spot, ray, &u, work);
                    let value = evaluated(&network, norm, &spot.x);
                    assert!((spot.value() - value).abs() < 1e-9 * value.max(1.0), "{norm} {start} {step}");
                    crossed += usize::from((behind - value).abs() < 1e-9 * value.max(1.0));
                }
            }
            assert!(crossed > 60, "{norm}: all but cells that are too thin, not {crossed}");
        }
    }

    #[test]
    fn steps_inside_a_cell_stay_there() {
        let network = example(false);
        let cells = Cells::new(&network, InputNorm::L2).expect("piecewise linear");
        for start in 0..20 {
            let x = (0..4).map(|i| ((i * 7 + start * 3) as f64).cos()).collect();
            let mut spot = cells.at(x, &[1.0, -0.5], &mut 1e9);
            let pattern = |spot: &Spot| cells.evaluate(&spot.x, &mut 1e9).1;
            let before = pattern(&spot);
            let metric = cells.centre(&mut spot, &mut 1e9).expect("no rounding is in the way");
            assert_eq!(pattern(&spot), before, "{start}: to the middle");
            cells.wander(&mut spot, &metric, vec![1.0, -2.0, 0.5, 0.1], 0.9, &mut 1e9);
            assert_eq!(pattern(&spot), before, "{start}: by a random step");
        }
    }

    #[test]
    fn a_kink_that_two_neurons_share_is_crossed_by_both() {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let map = |m, n, w: &[f64]| LinearMap::Dense(Matrix::from_vec(m, n, w.to_vec()));
        let h = b.affine("h", vec![(b.input(), map(2, 1, &[1.0, 1.0]))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z, map(1, 2, &[1.0, 1.0]))], None).expect("shapes");
        let network = SlopeNetwork::everywhere(&b.finish(y)).expect("bounded slopes");
        let cells = Cells::new(&network, InputNorm::L2).expect("piecewise linear");
        let mut spot = cells.at(vec![1.0], &[1.0], &mut 1e9);
        let metric = cells.centre(&mut spot, &mut 1e9).expect("no rounding is in the way");
        let ray = cells.towards(&spot, &metric, 0, &mut 1e9);
        cells.cross(&mut spot, ray, &[1.0], &mut 1e9);
        assert!(spot.x[0] < 0.0 && spot.value() == 0.0, "{:?}: {}", spot.x, spot.value());
    }
}
