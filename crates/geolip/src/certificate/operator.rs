//! The quadratic form of [`super::form`] applied to a vector without its matrix: one pass forward and one backward.
//!
//! Its variables are t (one per row of the functional), x and wⱼ = zⱼ − αⱼhⱼ, what a neuron adds to its smallest slope: a linear substitution with an
//! inverse, so that it changes nothing about definiteness. With it the form is Σζt² + Σγx² + Σⱼ λⱼwⱼ(wⱼ − (βⱼ−αⱼ)hⱼ) − 2tᵀUy:
//! layers couple only with deeper ones, which is what the margin of a tilt rests on (`dual/tilt.rs`). Half its gradient at
//! (t, x, w), with h_a and y the pre-activations and outputs as linear functions of (x, w),
//!
//! > t: ζ∘t − Uy;  wⱼ: λⱼwⱼ − ½λⱼ(βⱼ−αⱼ)hⱼ + …;  x: γ∘x + …
//!
//! where … is the adjoint, through the network with slopes α, of −½λ(β−α)∘w at every pre-activation and of −Uᵀt at the
//! output. A neuron whose slope is one fixed number is no variable: it passes α·h on. One whose pre-activation is zero
//! whatever the slopes counts as one with the fixed slope 0.

use super::form::Multipliers;
use crate::matrix::{Matrix, Store};
use crate::network::{LinearMap, Network, NodeId, Op, Slope};
use crate::problem::Functional;
use crate::random::gaussian;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A network's form, ready to be given multipliers.
#[derive(Clone, Debug)]
pub(super) struct Operator<'a> {
    network: &'a Network,
    /// Per activation layer: node, pre-activation, slopes.
    layers: Vec<(NodeId, NodeId, Vec<Slope>)>,
}

/// The form of one claim, scaled to D M D with D² the reciprocal of (ζ, γ, λ); variables with a zero among these are left
/// out.
#[derive(Clone, Debug)]
pub(crate) struct Scaled<'a> {
    operator: &'a Operator<'a>,
    /// The rows of the functional.
    rows: Vec<Vec<(usize, f64)>>,
    multipliers: Multipliers,
    /// D, shaped as the vectors it multiplies; zero for variables that are left out.
    scales: Vector,
    magnitude: bool,
}

/// A value for every variable: t, x, w₁, … as columns.
#[derive(Clone, Debug)]
pub(crate) struct Vector(Vec<Matrix>);

impl Vector {
    pub fn parts(&self) -> impl Iterator<Item = &[f64]> {
        self.0.iter().map(Matrix::data)
    }

    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.0.iter_mut().map(Matrix::data_mut)
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self(self.0.iter().map(|m| Matrix::from_vec(m.rows(), 1, m.data().iter().map(|v| f(*v)).collect())).collect())
    }

    fn times(&mut self, other: &Self) {
        for (part, other) in self.0.iter_mut().zip(&other.0) {
            part.data_mut().iter_mut().zip(other.data()).for_each(|(v, o)| *v *= o);
        }
    }

    pub fn dot(&self, other: &Self) -> f64 {
        self.parts().zip(other.parts()).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>()).sum()
    }

    pub fn length(&self) -> f64 {
        self.dot(self).sqrt()
    }

    pub fn part(&self, part: usize) -> &[f64] {
        self.0[part].data()
    }

    /// v ← factor·v
    pub fn scale(&mut self, factor: f64) {
        self.parts_mut().flatten().for_each(|v| *v *= factor);
    }

    /// v ← v + factor·other
    pub fn add(&mut self, factor: f64, other: &Self) {
        for (part, other) in self.parts_mut().zip(other.parts()) {
            part.iter_mut().zip(other).for_each(|(v, o)| *v += factor * o);
        }
    }

    /// The same vector where scales `to` are used in the place of `from`; zero where either leaves a variable out.
    pub fn rescaled(&self, from: &Self, to: &Self) -> Self {
        self.map_entries(|part, j, v| {
            let (from, to) = (from.part(part)[j], to.part(part)[j]);
            if to > 0.0 { v * from / to } else { 0.0 }
        })
    }

    /// f(part, index, entry) for every entry.
    pub fn map_entries(&self, f: impl Fn(usize, usize, f64) -> f64) -> Self {
        let parts = self.0.iter().enumerate();
        Self(parts.map(|(part, m)| Matrix::from_fn(m.rows(), 1, |j, _| f(part, j, m.at(j, 0)))).collect())
    }
}

impl<'a> Operator<'a> {
    pub fn new(network: &'a Network) -> Self {
        let mut slopes = network.slopes();
        let live = live(network, &slopes);
        let mut layers = Vec::new();
        for ((node, parent, _), slopes) in network.activations().zip(&mut slopes) {
            let dead = slopes.iter_mut().zip(live[parent.index()].data()).filter(|(_, live)| **live == 0.0);
            dead.for_each(|(slope, _)| *slope = Slope::new(0.0, 0.0));
            layers.push((node, parent, std::mem::take(slopes)));
        }
        Self { network, layers }
    }

    pub fn network(&self) -> &'a Network {
        self.network
    }

    /// The form of these multipliers, one γ per input and one ζ per row of the functional.
    pub fn scaled(&'a self, functional: &Functional, multipliers: Multipliers) -> Scaled<'a> {
        let column = |values: &[f64]| Matrix::from_vec(values.len(), 1, values.to_vec());
        let mut own = vec![column(&multipliers.zeta), column(&multipliers.gamma)];
        own.extend(multipliers.lambda.iter().map(|lambda| column(lambda)));
        let scales = Vector(own).map(|v| if v > 0.0 { 1.0 / v.sqrt() } else { 0.0 });
        let rows = functional.rows(self.network.outputs());
        Scaled { operator: self, rows, multipliers, scales, magnitude: false }
    }
}

impl Scaled<'_> {
    /// The scales of all variables: a vector of the right shape.
    pub fn scales(&self) -> &Vector {
        &self.scales
    }

    /// Independent standard normal numbers for every variable that is not left out.
    pub fn normal(&self, seed: u64) -> Vector {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut v = self.scales.clone();
        v.parts_mut().flatten().for_each(|v| *v = if *v == 0.0 { 0.0 } else { gaussian(&mut random) });
        v
    }

    /// √λ (β − α) h at every neuron that is a variable, for the vector v in the scale of the form; zero for t and x.
    pub fn slopes(&self, v: &Vector) -> Vector {
        let layers = &self.operator.layers;
        let mut physical = v.clone();
        physical.times(&self.scales);
        let Some((x, w)) = physical.0.get(1).zip(physical.0.get(2..)) else { return v.clone() };
        let free = |a: usize, j: usize| !layers[a].2[j].is_fixed();
        let values = self.operator.network.push_forward(x, LinearMap::forward, |a, h| {
            let own = |j: usize| if free(a, j) { w[a].at(j, 0) } else { 0.0 };
            Matrix::from_fn(h.rows(), 1, |j, _| own(j) + layers[a].2[j].lower * h.at(j, 0))
        });
        self.scales.map_entries(|part, j, scale| {
            let Some(a) = part.checked_sub(2) else { return 0.0 };
            let slope = layers[a].2[j];
            let wide = free(a, j) && scale > 0.0;
            if wide { (slope.upper - slope.lower) * values.of(layers[a].1).at(j, 0) / scale } else { 0.0 }
        })
    }

    /// D M D v.
    pub fn apply(&self, v: &Vector) -> Vector {
        let mut scaled = v.clone();
        scaled.times(&self.scales);
        let mut result = self.form(&scaled);
        result.times(&self.scales);
        result
    }

    /// The sums of absolute values of the entries of D M D, row by row; infinite in the row of a variable that is left out
    /// but occurs elsewhere in the form. In plain floating point.
    pub fn row_sums(&self) -> Vector {
        let absolute = Self { magnitude: true, ..self.clone() };
        let mut sums = absolute.form(&self.scales);
        let scales = self.scales.map(|s| if s == 0.0 { f64::INFINITY } else { s });
        for (sums, scales) in sums.0.iter_mut().zip(&scales.0) {
            let pairs = sums.data_mut().iter_mut().zip(scales.data());
            pairs.for_each(|(sum, scale)| *sum = if *sum == 0.0 { 0.0 } else { *sum * scale });
        }
        sums
    }

    /// M v; with `magnitude`, |M| v for v ≥ 0, from absolute values all along.
    fn form(&self, v: &Vector) -> Vector {
        let (network, layers) = (self.operator.network, &self.operator.layers);
        let sign = if self.magnitude { 1.0 } else { -1.0 };
        let size = |value: f64| if self.magnitude { value.abs() } else { value };
        let [t, x, w @ ..] = v.0.as_slice() else { return v.clone() };
        let (forward, adjoint): (Apply, Apply) = match self.magnitude {
            true => (LinearMap::abs_forward, LinearMap::abs_adjoint),
            false => (LinearMap::forward, LinearMap::adjoint),
        };
        let free = |a: usize, j: usize| !layers[a].2[j].is_fixed();
        let steady = |a: usize, j: usize| size(layers[a].2[j].lower);
        let coupling = |a: usize, j: usize| {
            let Slope { lower, upper } = layers[a].2[j];
            sign * 0.5 * self.multipliers.lambda[a][j] * (upper - lower)
        };

        let values = network.push_forward(x, forward, |a, h| {
            Matrix::from_fn(h.rows(), 1, |j, _| {
                let own = if free(a, j) { w[a].at(j, 0) } else { 0.0 };
                own + steady(a, j) * h.at(j, 0)
            })
        });
        let mut result = v.clone();
        let y = values.of(network.output());
        let mut pushed = Matrix::zeros(network.outputs(), 1);
        let own = self.multipliers.zeta.iter().zip(t.data());
        for ((row, result), (zeta, t)) in self.rows.iter().zip(result.0[0].data_mut()).zip(own) {
            let output: f64 = row.iter().map(|(i, u)| size(*u) * y.at(*i, 0)).sum();
            *result = zeta * t + sign * output;
            row.iter().for_each(|(i, u)| *pushed.at_mut(*i, 0) += sign * size(*u) * t);
        }

        let gradients = network.pull_back(&pushed, adjoint, |a, g| {
            Matrix::from_fn(g.rows(), 1, |j, _| {
                let own = if free(a, j) { coupling(a, j) * w[a].at(j, 0) } else { 0.0 };
                own + steady(a, j) * g.at(j, 0)
            })
        });
        let pulled = gradients.of(NodeId::INPUT).data();
        let own = self.multipliers.gamma.iter().zip(x.data());
        let sums = result.0[1].data_mut().iter_mut().zip(own.zip(pulled));
        sums.for_each(|(r, ((gamma, x), g))| *r = gamma * x + g);
        for (a, (node, parent, _)) in layers.iter().enumerate() {
            let (g, h, lambda) = (gradients.of(*node), values.of(*parent), &self.multipliers.lambda[a]);
            for (j, r) in result.0[a + 2].data_mut().iter_mut().enumerate() {
                let own = lambda[j] * w[a].at(j, 0) + coupling(a, j) * h.at(j, 0);
                *r = if free(a, j) { own + g.at(j, 0) } else { 0.0 };
            }
        }
        result
    }
}

/// Per node, 1 where a path of non-zero weights and slopes leads from an input, else 0: there the value is zero whatever
/// the slopes. Free of underflow, for every sum starts from ones.
fn live(network: &Network, slopes: &[Vec<Slope>]) -> Vec<Matrix> {
    let mut nodes: Vec<Matrix> = Vec::with_capacity(network.nodes().len());
    let mut slopes = slopes.iter();
    for node in network.nodes() {
        let mut reached = Matrix::zeros(node.len, 1);
        match &node.op {
            Op::Input => reached.fill(1.0),
            Op::Affine { terms, .. } => {
                terms.iter().for_each(|t| t.map.abs_forward(&nodes[t.parent.index()], Store::Add, &mut reached));
            }
            Op::Activate { parent, .. } => {
                let own = slopes.next().into_iter().flatten().zip(nodes[parent.index()].data());
                let steepest = own.map(|(slope, live)| slope.magnitude() * live);
                reached.data_mut().iter_mut().zip(steepest).for_each(|(r, s)| *r = s);
            }
        }
        reached.data_mut().iter_mut().for_each(|v| *v = if *v > 0.0 { 1.0 } else { 0.0 });
        nodes.push(reached);
    }
    nodes
}

type Apply = fn(&LinearMap, &Matrix, Store, &mut Matrix);
