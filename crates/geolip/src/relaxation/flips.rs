//! Local search over activation patterns: flips of single neurons and of pairs, and kicks, with incremental updates.
//!
//! With slopes v, let G_j be the gradient of uᵀy with respect to z_j, and R_j the row ∂h_j/∂x. In any network of the library,
//! at any depth, the gradient of uᵀy is affine in every single v_j:
//!
//! > g(v + δe_j) = g(v) + δ G_j R_j,
//!
//! because G_j depends on later slopes alone and R_j on earlier ones. So the value of a flip costs n₀ operations, and a flip
//! that is made moves R by a matrix of rank one in every later layer, and G in the earlier ones.
//!
//! Nothing here is rigorous: what is found is evaluated again by [`crate::lower`]. Networks whose R is too large have
//! sweeps from many starts (`pattern.rs`) alone.

use crate::function::Slope;
use crate::matrix::{Matrix, Store};
use crate::network::{LinearMap, NodeId, Term};
use crate::problem::InputNorm;
use crate::slopes::{SlopeNetwork, SlopeOp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Numbers of R up to which flips are tried: 64 MiB.
const LARGEST: usize = 1 << 23;
/// Relative gain below which a flip is rounding.
const GAIN: f64 = 1e-12;
/// Neurons whose flip costs least: the first halves of pairs that are tried.
const PAIRS: usize = 24;
/// Most neurons that a kick flips, and among how many of those whose flip costs least.
const KICK: usize = 8;
const KICKED: usize = 48;

/// What looking at one flip costs beside its arithmetic, in multiply–adds.
const OVERHEAD: usize = 100;

/// What does not depend on the pattern.
pub(crate) struct Flipper<'a> {
    network: &'a SlopeNetwork,
    norm: InputNorm,
    slopes: &'a [Vec<Slope>],
    /// Per node, the part of ∂/∂x that comes straight from the input.
    direct: Vec<Option<Matrix>>,
    /// Activation and pre-activation node of every layer.
    layers: Vec<(NodeId, NodeId)>,
    /// Multiply–adds of one look at every flip, and of making one.
    look: f64,
    /// Multiply–adds of a Jacobian from scratch.
    fresh: f64,
}

/// One pattern and what its flips need.
#[derive(Clone)]
pub(crate) struct Pose {
    u: Matrix,
    v: Vec<Matrix>,
    rows: Vec<Matrix>,
    back: Vec<Matrix>,
    g: Vec<f64>,
    pub value: f64,
}

impl Pose {
    /// The slopes, one list per layer.
    pub fn slopes(&self) -> Vec<Vec<f64>> {
        self.v.iter().map(|v| v.data().to_vec()).collect()
    }

    /// R_j of neuron j of layer a.
    pub fn row(&self, (a, j): (usize, usize)) -> &[f64] {
        self.rows[a].row(j)
    }

    /// The slope of neuron j of layer a.
    pub fn slope(&self, (a, j): (usize, usize)) -> f64 {
        self.v[a].at(j, 0)
    }

    /// g.
    pub fn gradient(&self) -> &[f64] {
        &self.g
    }

    /// h = R x per layer.
    pub fn pre_activations(&self, x: &[f64]) -> Vec<Vec<f64>> {
        let dot = |row: &[f64]| row.iter().zip(x).map(|(r, x)| r * x).sum();
        self.rows.iter().map(|rows| (0..rows.rows()).map(|j| dot(rows.row(j))).collect()).collect()
    }
}

impl<'a> Flipper<'a> {
    /// None where R is too large, or there is nothing to flip.
    pub fn new(network: &'a SlopeNetwork, norm: InputNorm, slopes: &'a [Vec<Slope>]) -> Option<Self> {
        let numbers = network.neurons().saturating_mul(network.inputs());
        if numbers > LARGEST || slopes.iter().flatten().all(|s| s.is_fixed()) {
            return None;
        }
        // the input as the network reads it: its units are put into the matrices of what does
        let (source, units) = network.source();
        let direct = network.nodes().iter().map(|node| match &node.op {
            SlopeOp::Input | SlopeOp::Neurons { .. } => None,
            SlopeOp::Affine { terms } => {
                let mut own = terms.iter().filter(|t| t.parent == source).peekable();
                own.peek()?;
                let mut sum = Matrix::zeros(node.len, network.inputs());
                for term in own {
                    if let LinearMap::Dense(m) = term.map.as_ref() {
                        sum.data_mut().iter_mut().zip(m.data()).for_each(|(s, m)| *s += m);
                    } else {
                        let sparse = term.map.to_sparse();
                        (0..node.len).for_each(|i| sparse.row(i).for_each(|(j, v)| *sum.at_mut(i, j) += v));
                    }
                }
                if let Some(units) = units {
                    (0..node.len).for_each(|i| {
                        sum.row_mut(i).iter_mut().zip(units).for_each(|(s, unit)| *s *= unit);
                    });
                }
                Some(sum)
            }
        });
        let read = |t: &&Term| t.parent == source || t.parent == NodeId::INPUT;
        let inner = network.terms().filter(|t| !read(t)).map(|t| t.map.nonzeros()).sum::<usize>();
        Some(Self {
            network,
            norm,
            slopes,
            direct: direct.collect(),
            layers: network.layers().collect(),
            look: (numbers + OVERHEAD * network.neurons() + network.multiply_adds()) as f64,
            fresh: (inner * network.inputs() + network.multiply_adds()) as f64,
        })
    }

    /// Multiply–adds of the least that [`Self::climb`] does from one start.
    pub fn least_work(&self) -> f64 {
        self.fresh + 2.0 * self.look
    }

    /// The pose of a pattern.
    pub fn pose(&self, slopes: &[Vec<f64>], weights: &[f64], work: &mut f64) -> Pose {
        *work -= self.fresh;
        let (source, _) = self.network.source();
        let v: Vec<Matrix> = slopes.iter().map(|v| Matrix::from_vec(v.len(), 1, v.clone())).collect();
        let mut values: Vec<Option<Matrix>> = Vec::with_capacity(self.direct.len());
        let mut layer = 0;
        for (node, direct) in self.network.nodes().iter().zip(&self.direct) {
            let value = match &node.op {
                SlopeOp::Input => None,
                SlopeOp::Affine { terms } => {
                    let mut sum = direct.clone();
                    for term in terms {
                        if let Some(before) = &values[term.parent.index()] {
                            let sum = sum.get_or_insert_with(|| Matrix::zeros(node.len, self.network.inputs()));
                            term.map.forward(before, Store::Add, sum);
                        }
                    }
                    sum
                }
                SlopeOp::Neurons { parent } => {
                    layer += 1;
                    let v = &v[layer - 1];
                    match &values[parent.index()] {
                        _ if *parent == source => {
                            let unit = self.unit_rows();
                            Some(Matrix::from_fn(node.len, node.len, |i, j| v.at(i, 0) * unit.at(i, j)))
                        }
                        before => before.as_ref().map(|h| {
                            let mut z = h.clone();
                            (0..z.rows()).for_each(|i| z.row_mut(i).iter_mut().for_each(|z| *z *= v.at(i, 0)));
                            z
                        }),
                    }
                }
            };
            values.push(value);
        }
        let rows = self.layers.iter().map(|(node, parent)| {
            let size = self.network.node(*node).len;
            match *parent {
                parent if parent == source => self.unit_rows(),
                parent => values[parent.index()].take().unwrap_or_else(|| Matrix::zeros(size, self.network.inputs())),
            }
        });
        // (two layers may read one pre-activation; the second then reads nothing, so take it from the first)
        let mut rows: Vec<Matrix> = rows.collect();
        for a in 1..rows.len() {
            if let Some(b) = (0..a).find(|b| self.layers[*b].1 == self.layers[a].1) {
                rows[a] = rows[b].clone();
            }
        }
        let u = Matrix::from_vec(weights.len(), 1, weights.to_vec());
        let mut pose = Pose { u, v, rows, back: Vec::new(), g: Vec::new(), value: 0.0 };
        self.renew(&mut pose);
        pose
    }

    /// The input as the network reads it, by its units.
    fn unit_rows(&self) -> Matrix {
        let (n, (_, units)) = (self.network.inputs(), self.network.source());
        let unit = |i: usize| units.map_or(1.0, |units| units[i]);
        Matrix::from_fn(n, n, |i, j| if i == j { unit(i) } else { 0.0 })
    }

    fn renew(&self, pose: &mut Pose) {
        let gradients = self.network.adjoint(&pose.v, &pose.u);
        pose.back = self.layers.iter().map(|(node, _)| gradients.of(*node).clone()).collect();
        pose.g = gradients.of(NodeId::INPUT).data().to_vec();
        pose.value = self.norm.dual(pose.g.iter().copied());
    }

    /// δ G_j of a flip, and the new slope; none where it changes nothing.
    fn step(&self, pose: &Pose, (a, j): (usize, usize)) -> Option<(f64, f64)> {
        let (slope, v) = (self.slopes[a][j], pose.v[a].at(j, 0));
        let other = if v == slope.upper { slope.lower } else { slope.upper };
        let step = (other - v) * pose.back[a].at(j, 0);
        (step != 0.0).then_some((step, other))
    }

    /// The value with one neuron's slope at its other end.
    pub fn flipped_value(&self, pose: &Pose, at: (usize, usize)) -> f64 {
        match self.step(pose, at) {
            None => pose.value,
            Some((step, _)) => shifted_norm(self.norm, &pose.g, pose.rows[at.0].row(at.1), step),
        }
    }

    /// Puts one neuron's slope at its other end.
    pub fn flip(&self, pose: &mut Pose, (a, j): (usize, usize)) {
        let Some((step, other)) = self.step(pose, (a, j)) else { return };
        let delta = other - pose.v[a].at(j, 0);
        let row = pose.rows[a].row(j).to_vec();
        *pose.v[a].at_mut(j, 0) = other;
        add_multiple(&mut pose.g, &row, step);
        pose.value = self.norm.dual(pose.g.iter().copied());
        if a + 1 < self.layers.len() {
            for (b, moved) in self.moved(&pose.v, (a, j)) {
                for i in 0..moved.rows() {
                    if moved.at(i, 0) != 0.0 {
                        add_multiple(pose.rows[b].row_mut(i), &row, delta * moved.at(i, 0));
                    }
                }
            }
        }
        if a > 0 {
            let gradients = self.network.adjoint(&pose.v, &pose.u);
            for (b, (node, _)) in self.layers[..a].iter().enumerate() {
                pose.back[b].data_mut().copy_from_slice(gradients.of(*node).data());
            }
        }
    }

    /// ∂h_b/∂z_j of every later layer that z_j reaches.
    fn moved(&self, v: &[Matrix], (a, j): (usize, usize)) -> Vec<(usize, Matrix)> {
        let mut values: Vec<Option<Matrix>> = vec![None; self.direct.len()];
        let mut found = Vec::new();
        let mut layer = 0;
        for (index, node) in self.network.nodes().iter().enumerate() {
            match &node.op {
                SlopeOp::Input => {}
                SlopeOp::Affine { terms } => {
                    let mut sum: Option<Matrix> = None;
                    for term in terms {
                        if let Some(before) = &values[term.parent.index()] {
                            let sum = sum.get_or_insert_with(|| Matrix::zeros(node.len, 1));
                            term.map.forward(before, Store::Add, sum);
                        }
                    }
                    values[index] = sum;
                }
                SlopeOp::Neurons { parent } => {
                    if layer == a {
                        values[index] = Some(Matrix::from_fn(node.len, 1, |i, _| if i == j { 1.0 } else { 0.0 }));
                    } else if layer > a
                        && let Some(h) = &values[parent.index()]
                    {
                        let z = h.data().iter().zip(v[layer].data()).map(|(h, v)| h * v).collect();
                        found.push((layer, h.clone()));
                        values[index] = Some(Matrix::from_vec(node.len, 1, z));
                    }
                    layer += 1;
                }
            }
        }
        found
    }

    /// The neurons whose slope has two ends, each by its layer and its number there.
    pub fn places(&self) -> Vec<(usize, usize)> {
        let all = self.slopes.iter().enumerate().flat_map(|(a, layer)| (0..layer.len()).map(move |j| (a, j)));
        all.filter(|(a, j)| !self.slopes[*a][*j].is_fixed()).collect()
    }

    /// Flips single neurons while that helps. Afterwards, unless work ran out, no single flip does.
    pub fn climb(&self, pose: &mut Pose, work: &mut f64) {
        let places = self.places();
        let each = self.look / places.len() as f64;
        let (mut at, mut still) = (0, 0);
        while still < places.len() && *work > 0.0 {
            let place = places[at];
            at = (at + 1) % places.len();
            still += 1;
            *work -= each;
            if self.flipped_value(pose, place) > pose.value * (1.0 + GAIN) {
                self.flip(pose, place);
                *work -= self.cost(place.0);
                still = 0;
            }
        }
    }

    /// Multiply–adds of making a flip.
    fn cost(&self, a: usize) -> f64 {
        if self.layers.len() == 1 { self.network.inputs() as f64 } else { self.look / (1.0 + a as f64).min(2.0) }
    }

    /// The neurons, those whose flip costs least first.
    fn by_loss(&self, pose: &Pose, work: &mut f64) -> Vec<(usize, usize)> {
        *work -= self.look;
        let mut all: Vec<(f64, (usize, usize))> = self
            .places()
            .into_iter()
            .filter(|at| self.step(pose, *at).is_some())
            .map(|at| (self.flipped_value(pose, at), at))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        all.into_iter().map(|(_, at)| at).collect()
    }

    /// Flips pairs while that helps: the neurons whose flip costs least with every other. Leaves a pattern that [`Self::climb`]
    /// has left; returns whether it is another.
    pub fn pairs(&self, pose: &mut Pose, work: &mut f64) -> bool {
        let places = self.places();
        let mut any = false;
        'again: while *work > 0.0 {
            let first: Vec<(usize, usize)> = self.by_loss(pose, work).into_iter().take(PAIRS).collect();
            for place in first {
                if *work <= 0.0 {
                    break 'again;
                }
                let before = pose.value;
                self.flip(pose, place);
                *work -= self.look + 2.0 * self.cost(place.0);
                let values = places.iter().filter(|p| **p != place).map(|p| (self.flipped_value(pose, *p), *p));
                let best = values.max_by(|a, b| a.0.total_cmp(&b.0));
                if let Some((value, second)) = best
                    && value > before * (1.0 + GAIN)
                {
                    self.flip(pose, second);
                    self.climb(pose, work);
                    any = true;
                    continue 'again;
                }
                self.flip(pose, place);
            }
            break;
        }
        any
    }

    /// Kicks patterns out of their local maxima in turn and climbs again, as long as there is work left, less than `enough` is
    /// reached and the last gain is less than `patience` of work ago. Leaves the best first.
    pub fn kick(&self, poses: &mut [Pose], enough: f64, rng: &mut ChaCha8Rng, work: &mut f64, patience: f64) {
        let mut nearest: Vec<Vec<(usize, usize)>> = poses.iter().map(|pose| self.by_loss(pose, work)).collect();
        let mut gained = *work;
        for turn in (0..poses.len()).cycle() {
            let (pose, near) = (&mut poses[turn], &mut nearest[turn]);
            if *work <= 0.0 || gained - *work >= patience || near.len() < 3 || pose.value >= enough {
                break;
            }
            let mut other = self.kicked(pose, near, rng, work);
            self.climb(&mut other, work);
            if other.value > pose.value * (1.0 + GAIN) {
                self.pairs(&mut other, work);
                *pose = other;
                *near = self.by_loss(pose, work);
                gained = *work;
            }
        }
        poses.sort_by(|a, b| b.value.total_cmp(&a.value));
    }

    /// The pattern with a few neurons flipped, of those whose flip costs least or of half of all.
    fn kicked(&self, pose: &Pose, nearest: &[(usize, usize)], rng: &mut ChaCha8Rng, work: &mut f64) -> Pose {
        let mut other = pose.clone();
        *work -= self.look;
        let (among, most) = match rng.random() {
            true => (nearest.len().min(KICKED), KICK),
            false => (nearest.len().div_ceil(2), KICK.max(nearest.len() / 16)),
        };
        for _ in 0..rng.random_range(2..=most) {
            let place = nearest[rng.random_range(0..among)];
            self.flip(&mut other, place);
            *work -= self.cost(place.0);
        }
        other
    }
}

fn add_multiple(target: &mut [f64], row: &[f64], factor: f64) {
    target.iter_mut().zip(row).for_each(|(t, r)| *t += factor * r);
}

/// Partial sums side by side, so that additions need not wait for each other.
const LANES: usize = 8;

/// The dual norm of g + factor·row.
fn shifted_norm(norm: InputNorm, g: &[f64], row: &[f64], factor: f64) -> f64 {
    let sum = |size: fn(f64) -> f64| {
        let mut sums = [0.0; LANES];
        let (chunks, rows) = (g.chunks_exact(LANES), row.chunks_exact(LANES));
        let rest: f64 = chunks.remainder().iter().zip(rows.remainder()).map(|(g, r)| size(g + factor * r)).sum();
        for (g, r) in chunks.zip(rows) {
            for ((sum, g), r) in sums.iter_mut().zip(g).zip(r) {
                *sum += size(g + factor * r);
            }
        }
        sums.iter().sum::<f64>() + rest
    };
    match norm {
        InputNorm::Linf => sum(f64::abs),
        InputNorm::L2 => sum(|v| v * v).sqrt(),
        InputNorm::L1 => g.iter().zip(row).fold(0.0, |most: f64, (g, r)| most.max((g + factor * r).abs())),
        InputNorm::Lp(_) => norm.dual(g.iter().zip(row).map(|(g, r)| g + factor * r)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, NetworkBuilder};
    use crate::place::Place;
    use crate::problem::Units;
    use rand::SeedableRng;

    /// Two layers with a skip connection, and a layer that reads the input itself.
    fn example(units: bool) -> SlopeNetwork {
        let w = |m, n, t: f64| LinearMap::Dense(Matrix::from_fn(m, n, |i, j| ((i * 3 + j * 5) as f64 + t).sin()));
        let mut b = NetworkBuilder::new(4).expect("inputs");
        let z0 = b.activate("z0", b.input(), Activation::Abs).expect("abs");
        let h = b.affine("h1", vec![(b.input(), w(5, 4, 0.1)), (z0, w(5, 4, 0.9))], None).expect("shapes");
        let z = b.activate("z1", h, Activation::LeakyRelu { slope: -0.2 }).expect("leaky");
        let h = b.affine("h2", vec![(z, w(6, 5, 0.7)), (b.input(), w(6, 4, 2.0))], None).expect("shapes");
        let z2 = b.activate("z2", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z2, w(2, 6, 0.3)), (z, w(2, 5, 0.4))], None).expect("shapes");
        let units = units.then(|| Units::new(&[0.5, 3.0, 0.0, 1.2]).expect("units"));
        SlopeNetwork::in_units(&b.finish(y), Place::everywhere(), units.as_ref()).expect("bounded slopes")
    }

    fn norms() -> [InputNorm; 4] {
        [InputNorm::Linf, InputNorm::L2, InputNorm::L1, InputNorm::from_exponent(3.0).expect("a norm")]
    }

    #[test]
    fn flips_one_after_another_give_the_pose_from_scratch() {
        for (units, norm) in [false, true].into_iter().flat_map(|units| norms().map(move |norm| (units, norm))) {
            let network = example(units);
            let slopes = network.slopes();
            let flipper = Flipper::new(&network, norm, slopes).expect("small");
            let first: Vec<Vec<f64>> = slopes.iter().map(|l| l.iter().map(|s| s.lower).collect()).collect();
            let mut pose = flipper.pose(&first, &[1.0, -0.5], &mut 1e9);
            for step in 0..40 {
                let places = flipper.places();
                let place = places[(step * 7) % places.len()];
                let promised = flipper.flipped_value(&pose, place);
                flipper.flip(&mut pose, place);
                assert!((pose.value - promised).abs() < 1e-12 * promised.max(1.0), "{norm}: {step}");
                let scratch = flipper.pose(&pose.slopes(), &[1.0, -0.5], &mut 1e9);
                assert!((pose.value - scratch.value).abs() < 1e-12 * scratch.value.max(1.0), "{norm}: {step}");
                for (own, fresh) in pose.rows.iter().zip(&scratch.rows) {
                    assert!(own.data().iter().zip(fresh.data()).all(|(a, b)| (a - b).abs() < 1e-12), "{norm}: {step}");
                }
            }
        }
    }

    #[test]
    fn climbing_never_loses_and_ends_where_no_flip_gains() {
        let network = example(false);
        let slopes = network.slopes();
        let flipper = Flipper::new(&network, InputNorm::Linf, slopes).expect("small");
        let first: Vec<Vec<f64>> = slopes.iter().map(|l| l.iter().map(|s| s.lower).collect()).collect();
        let mut pose = flipper.pose(&first, &[1.0, -0.5], &mut 1e9);
        let mut last = pose.value;
        let mut work = 1e9;
        flipper.climb(&mut pose, &mut work);
        assert!(pose.value >= last);
        assert!(flipper.places().into_iter().all(|p| flipper.flipped_value(&pose, p) <= pose.value * (1.0 + 1e-9)));
        last = pose.value;
        flipper.pairs(&mut pose, &mut work);
        assert!(pose.value >= last * (1.0 - 1e-12));
        last = pose.value;
        flipper.kick(std::slice::from_mut(&mut pose), f64::INFINITY, &mut ChaCha8Rng::seed_from_u64(1), &mut 1e6, 1e6);
        assert!(pose.value >= last);
    }
}
