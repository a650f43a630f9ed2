//! The quadratic form of [`crate::form::quadratic`] applied to vectors without its matrix: one pass forward and one backward, of one
//! vector or of several side by side.
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
//! whatever the slopes counts as one with the fixed slope 0. Every other neuron is a variable, whether anything reads it or
//! not, and every variable needs a positive multiplier ([`Operator::scaled`]): none is left out.

use crate::form::quadratic::Multipliers;
use crate::function::Slope;
use crate::matrix::{Matrix, Store};
use crate::network::{LinearMap, NodeId, Values};
use crate::problem::Functional;
use crate::random::gaussian;
use crate::slopes::{SlopeNetwork, SlopeOp};
use rand::Rng;
use std::ops::RangeInclusive;

/// A network's form, ready to be given multipliers.
#[derive(Clone, Debug)]
pub(crate) struct Operator<'a> {
    pub(crate) network: &'a SlopeNetwork,
    /// Per activation layer: node, pre-activation, slopes.
    pub(crate) layers: Vec<(NodeId, NodeId, Vec<Slope>)>,
}

/// The form of one claim, scaled to D M D with D² the reciprocal of (ζ, γ, λ), rounded: D is what it is, and positive.
#[derive(Clone, Debug)]
pub struct Scaled<'a> {
    pub(crate) operator: &'a Operator<'a>,
    /// The rows of the functional.
    pub(crate) rows: Vec<Vec<(usize, f64)>>,
    pub(crate) multipliers: Multipliers,
    /// D, shaped as the vectors it multiplies; zero for neurons that are no variables, and for them alone.
    pub(crate) scales: Vector,
}

/// The multipliers that a random test takes: so that all scales are positive, and far from overflow and underflow.
pub(crate) const MULTIPLIERS: RangeInclusive<f64> = power_of_two(-800)..=power_of_two(800);

/// 2^exponent, exactly, for normal numbers.
pub(crate) const fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// A variable without a usable multiplier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unusable {
    /// t, x, w₁, …: 0, 1, 2, …
    pub part: usize,
    pub index: usize,
    pub value: f64,
}

/// Values for every variable: t, x, w₁, … as columns, one per vector.
#[derive(Clone, Debug)]
pub struct Vector(pub(crate) Vec<Matrix>);

impl Vector {
    /// The blocks t, x, w₁, …, row by row.
    pub fn parts(&self) -> impl Iterator<Item = &[f64]> {
        self.0.iter().map(Matrix::data)
    }

    /// As [`Self::parts`], to change.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.0.iter_mut().map(Matrix::data_mut)
    }

    /// Multiplies every column by one and the same vector, entry by entry.
    fn times(&mut self, vector: &Self) {
        for (part, factors) in self.0.iter_mut().zip(&vector.0) {
            let columns = part.cols();
            let rows = part.data_mut().chunks_exact_mut(columns).zip(factors.data());
            rows.for_each(|(row, factor)| row.iter_mut().for_each(|v| *v *= factor));
        }
    }

    /// The sum of all products of entries in the same place.
    pub fn dot(&self, other: &Self) -> f64 {
        self.parts().zip(other.parts()).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>()).sum()
    }

    /// Of a single vector.
    pub fn length(&self) -> f64 {
        self.dot(self).sqrt()
    }

    /// The length of every column.
    pub fn lengths(&self) -> Vec<f64> {
        let columns = self.0.first().map_or(0, Matrix::cols);
        let mut squares = vec![0.0; columns];
        for row in self.parts().flat_map(|part| part.chunks_exact(columns.max(1))) {
            squares.iter_mut().zip(row).for_each(|(sum, v)| *sum += v * v);
        }
        squares.into_iter().map(f64::sqrt).collect()
    }

    /// One block, row by row.
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

    /// The same vector where scales `to` are used in the place of `from`; zero for neurons that are no variables.
    pub fn rescaled(&self, from: &Self, to: &Self) -> Self {
        self.map_entries(|part, j, v| {
            let (from, to) = (from.part(part)[j], to.part(part)[j]);
            if to > 0.0 { v * from / to } else { 0.0 }
        })
    }

    /// f(part, index, entry) for every entry of a single vector.
    pub fn map_entries(&self, f: impl Fn(usize, usize, f64) -> f64) -> Self {
        let parts = self.0.iter().enumerate();
        Self(parts.map(|(part, m)| Matrix::from_fn(m.rows(), 1, |j, _| f(part, j, m.at(j, 0)))).collect())
    }
}

impl<'a> Operator<'a> {
    pub fn new(network: &'a SlopeNetwork) -> Self {
        let mut slopes = network.slopes().to_vec();
        let live = live(network, &slopes);
        let mut layers = Vec::new();
        for ((node, parent), slopes) in network.layers().zip(&mut slopes) {
            let dead = slopes.iter_mut().zip(live[parent.index()].data()).filter(|(_, live)| **live == 0.0);
            dead.for_each(|(slope, _)| *slope = Slope::new(0.0, 0.0));
            layers.push((node, parent, std::mem::take(slopes)));
        }
        Self { network, layers }
    }

    pub fn network(&self) -> &'a SlopeNetwork {
        self.network
    }

    /// The form of these multipliers, one γ per input and one ζ per row of the functional; each of a variable has to be one
    /// of [`MULTIPLIERS`], those of neurons that are no variables play no part.
    pub fn scaled(&'a self, functional: &Functional, multipliers: Multipliers) -> Result<Scaled<'a>, Unusable> {
        let own = [&multipliers.zeta, &multipliers.gamma].into_iter().chain(&multipliers.lambda);
        let scales = own.enumerate().map(|(part, values)| {
            let scale = |(index, value): (usize, &f64)| match self.is_variable(part, index) {
                false => Ok(0.0),
                true if MULTIPLIERS.contains(value) => Ok(1.0 / value.sqrt()),
                true => Err(Unusable { part, index, value: *value }),
            };
            let scales = values.iter().enumerate().map(scale).collect::<Result<Vec<f64>, Unusable>>()?;
            Ok(Matrix::from_vec(scales.len(), 1, scales))
        });
        let scales = Vector(scales.collect::<Result<_, Unusable>>()?);
        let rows = functional.rows(self.network.outputs());
        Ok(Scaled { operator: self, rows, multipliers, scales })
    }

    fn is_variable(&self, part: usize, index: usize) -> bool {
        part.checked_sub(2).is_none_or(|layer| self.is_free(layer, index))
    }

    /// Whether a neuron is a variable: its slope is not fixed, and its pre-activation not always zero.
    pub(crate) fn is_free(&self, layer: usize, neuron: usize) -> bool {
        !self.layers[layer].2[neuron].is_fixed()
    }
}

impl Scaled<'_> {
    /// The scales of all variables: a vector of the right shape.
    pub fn scales(&self) -> &Vector {
        &self.scales
    }

    /// So many vectors of independent standard normal numbers for every variable.
    pub fn normal(&self, random: &mut impl Rng, columns: usize) -> Vector {
        let part = |scales: &Matrix| {
            Matrix::from_fn(scales.rows(), columns, |j, _| if scales.at(j, 0) > 0.0 { gaussian(random) } else { 0.0 })
        };
        Vector(self.scales.0.iter().map(part).collect())
    }

    /// √λ (β − α) h at every neuron that is a variable, for the single vector v in the scale of the form; zero for t and x.
    pub fn slopes(&self, v: &Vector) -> Vector {
        let layers = &self.operator.layers;
        let mut physical = v.clone();
        physical.times(&self.scales);
        let Some((x, w)) = physical.0.get(1).zip(physical.0.get(2..)) else { return v.clone() };
        let values = self.values(x, w);
        self.scales.map_entries(|part, j, scale| {
            let Some(a) = part.checked_sub(2) else { return 0.0 };
            let slope = layers[a].2[j];
            if scale > 0.0 { width(slope) * values.of(layers[a].1).at(j, 0) / scale } else { 0.0 }
        })
    }

    /// D M D v, column by column.
    pub fn apply(&self, v: &Vector) -> Vector {
        let mut scaled = v.clone();
        scaled.times(&self.scales);
        let mut result = self.form(scaled);
        result.times(&self.scales);
        result
    }

    /// Every node as a function of x and w: a neuron is w + αh. (w is zero for neurons that are no variables.)
    fn values(&self, x: &Matrix, w: &[Matrix]) -> Values {
        self.operator.network.push_forward(x, LinearMap::forward, |a, h| self.steady(a, h, |_| 1.0, &w[a]))
    }

    /// α∘h + factors∘w in an activation layer.
    fn steady(&self, layer: usize, h: &Matrix, factor: impl Fn(usize) -> f64, w: &Matrix) -> Matrix {
        let (mut sum, columns) = (h.clone(), h.cols());
        let rows = sum.data_mut().chunks_exact_mut(columns).zip(w.data().chunks_exact(columns));
        for (j, ((sum, w), slope)) in rows.zip(&self.operator.layers[layer].2).enumerate() {
            let factor = if slope.is_fixed() { 0.0 } else { factor(j) };
            sum.iter_mut().zip(w).for_each(|(s, w)| *s = factor * w + slope.lower * *s);
        }
        sum
    }

    /// M v; what v holds for neurons that are no variables is zero.
    fn form(&self, v: Vector) -> Vector {
        let (network, layers) = (self.operator.network, &self.operator.layers);
        let coupling = |a: usize, j: usize| -0.5 * self.multipliers.lambda[a][j] * width(layers[a].2[j]);
        let [t, x, w @ ..] = v.0.as_slice() else { return v };
        let columns = x.cols();
        let values = self.values(x, w);
        let y = values.of(network.output());
        let mut pushed = Matrix::zeros(network.outputs(), columns);
        let mut result = Vec::with_capacity(v.0.len());
        let mut own = t.clone();
        for (r, row) in self.rows.iter().enumerate() {
            own.row_mut(r).iter_mut().for_each(|v| *v *= self.multipliers.zeta[r]);
            for &(i, u) in row {
                own.row_mut(r).iter_mut().zip(y.row(i)).for_each(|(v, y)| *v -= u * y);
                pushed.row_mut(i).iter_mut().zip(t.row(r)).for_each(|(p, t)| *p -= u * t);
            }
        }
        result.push(own);

        let gradients =
            network.pull_back(&pushed, LinearMap::adjoint, |a, g| self.steady(a, g, |j| coupling(a, j), &w[a]));
        let mut own = x.clone();
        let pulled = gradients.of(NodeId::INPUT).data().chunks_exact(columns);
        for ((own, pulled), gamma) in own.data_mut().chunks_exact_mut(columns).zip(pulled).zip(&self.multipliers.gamma)
        {
            own.iter_mut().zip(pulled).for_each(|(x, g)| *x = gamma * *x + g);
        }
        result.push(own);
        for (a, (node, parent, slopes)) in layers.iter().enumerate() {
            let (g, h, mut own) = (gradients.of(*node), values.of(*parent), w[a].clone());
            let rows = own.data_mut().chunks_exact_mut(columns).zip(g.data().chunks_exact(columns));
            let rows = rows.zip(h.data().chunks_exact(columns)).zip(slopes);
            for (j, (((own, g), h), slope)) in rows.enumerate() {
                if slope.is_fixed() {
                    own.fill(0.0);
                    continue;
                }
                let (lambda, coupling) = (self.multipliers.lambda[a][j], coupling(a, j));
                own.iter_mut().zip(g).zip(h).for_each(|((w, g), h)| *w = lambda * *w + coupling * h + g);
            }
            result.push(own);
        }
        Vector(result)
    }
}

/// β − α
pub(crate) fn width(slope: Slope) -> f64 {
    slope.upper - slope.lower
}

/// Per node, 1 where a path of non-zero weights and slopes leads from an input, else 0: there the value is zero whatever
/// the slopes. Free of underflow, for every sum starts from ones.
fn live(network: &SlopeNetwork, slopes: &[Vec<Slope>]) -> Vec<Matrix> {
    let mut nodes: Vec<Matrix> = Vec::with_capacity(network.nodes().len());
    let mut slopes = slopes.iter();
    for node in network.nodes() {
        let mut reached = Matrix::zeros(node.len, 1);
        match &node.op {
            SlopeOp::Input => reached.fill(1.0),
            SlopeOp::Affine { terms } => {
                terms.iter().for_each(|t| t.map.abs_forward(&nodes[t.parent.index()], Store::Add, &mut reached));
            }
            SlopeOp::Neurons { parent } => {
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
