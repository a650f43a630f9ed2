//! The lifted vector network: input vectors, unit vectors and signs of neurons, and the (augmented) Lagrangian with its gradient.
//!
//! With h a pre-activation, p = (h + ‖h‖s)/2, n = h − p and z = αh + (β − α)p; at a vertex p = 0 or n = 0. The Lagrangian is
//!
//! > ⟨u eᵀ, Y⟩ + Σ κ⟨p, t − e⟩ + Σ ν⟨n, t + e⟩ − Σ_c μ_c c
//!
//! over cuts c ≤ 0, augmented by penalties −½ w (⟨p, t − e⟩² + ⟨n, t + e⟩²) and those of cuts (`lists.rs`).

use super::layout::Layout;
use super::lists::Cuts;
use super::maps::Map;
use super::real::{Real, axpy, dot};
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::slopes::{SlopeNetwork, SlopeOp};

/// How a node comes from others.
enum Node<T> {
    Input,
    Affine(Vec<(usize, Map<T>)>),
    /// The pre-activation and the layer.
    Neurons(usize, usize),
}

/// One neuron.
#[derive(Clone, Copy)]
struct Neuron<T> {
    lower: T,
    width: T,
    /// Its number among the free ones.
    free: Option<usize>,
}

/// The network in one precision, and the memory to work in.
pub(super) struct Lift<T> {
    pub k: usize,
    norm: InputNorm,
    pub layout: Layout,
    nodes: Vec<(usize, Node<T>)>,
    layers: Vec<Vec<Neuron<T>>>,
    output: usize,
    functional: Functional,
    /// 1/value, so that the Lagrangian is of order one.
    scale: f64,
    /// The square root of each row's share of the objective: inputs, then unit vectors, then signs.
    shares: Vec<T>,
    values: Vec<Vec<T>>,
    grads: Vec<Vec<T>>,
    /// e, t, p, n, x.
    pub atoms: Vec<T>,
    pull: Vec<T>,
    gram: Vec<T>,
    weights: Vec<T>,
    /// Per free neuron ‖h‖, the gain ⟨g, s⟩ = λ‖h‖ with g the gradient of p at a fixed h, and the links.
    pub lengths: Vec<f64>,
    pub gains: Vec<f64>,
    pub links: Vec<(f64, f64)>,
    /// New multipliers of the cuts.
    pub multipliers: Vec<f64>,
    /// ⟨gradient, variable⟩ of inputs and signs; of outputs for norms.
    pub input_gains: Vec<f64>,
    pub sign_gains: Vec<f64>,
    pub output_gains: Vec<f64>,
}

/// What is maximised.
pub(super) enum Goal<'a> {
    /// With all penalties times a factor.
    Augmented { cuts: &'a mut Cuts, factor: f64 },
    /// At fixed multipliers: the products' weights and the constant of the cuts.
    Plain { cuts: &'a Cuts, weights: &'a [f64], constant: f64 },
}

/// Multipliers of the links, and the penalties' weights.
#[derive(Clone, Debug)]
pub(super) struct Links {
    pub kappa: Vec<f64>,
    pub nu: Vec<f64>,
    pub weights: Vec<f64>,
}

impl<T: Real> Lift<T> {
    pub fn new(
        network: &SlopeNetwork,
        (norm, functional): (InputNorm, &Functional),
        free: &[Vec<Option<usize>>],
        (k, scale): (usize, f64),
        shares: &[f64],
    ) -> Self {
        let (mut layers, mut nodes) = (Vec::new(), Vec::new());
        for node in network.nodes() {
            let op = match &node.op {
                SlopeOp::Input => Node::Input,
                SlopeOp::Affine { terms } => {
                    Node::Affine(terms.iter().map(|t| (t.parent.index(), Map::new(&t.map))).collect())
                }
                SlopeOp::Neurons { parent } => {
                    let a = layers.len();
                    let neuron = |(j, slope): (usize, &crate::function::Slope)| Neuron {
                        lower: T::of(slope.lower),
                        width: T::of(slope.upper - slope.lower),
                        free: free[a][j],
                    };
                    layers.push(network.slopes()[a].iter().enumerate().map(neuron).collect());
                    Node::Neurons(parent.index(), a)
                }
            };
            nodes.push((node.len, op));
        }
        let count = free.iter().flatten().flatten().count();
        let layout = Layout { free: count, inputs: network.inputs() };
        let buffers = || nodes.iter().map(|(len, _)| vec![T::default(); len * k]).collect::<Vec<_>>();
        let (values, grads) = (buffers(), buffers());
        let atoms = vec![T::default(); layout.atoms() * k];
        Self {
            k,
            norm,
            layout,
            nodes,
            layers,
            output: network.output().index(),
            functional: functional.clone(),
            scale,
            shares: shares.iter().map(|s| T::of(*s)).collect(),
            values,
            grads,
            pull: atoms.clone(),
            atoms,
            gram: Vec::new(),
            weights: Vec::new(),
            lengths: vec![0.0; count],
            gains: vec![0.0; count],
            links: vec![(0.0, 0.0); count],
            multipliers: Vec::new(),
            input_gains: vec![0.0; layout.inputs],
            sign_gains: vec![0.0; count],
            output_gains: Vec::new(),
        }
    }

    /// The rows of a point, put on their spheres: rows · shares is what is optimised over.
    pub fn normalised(&self, v: &[T]) -> (Vec<T>, Vec<T>) {
        let k = self.k;
        let mut rows = v.to_vec();
        let mut norms: Vec<T> = vec![T::of(1.0); rows.len() / k];
        let arch = pulp::Arch::new();
        arch.dispatch(
            #[inline(always)]
            || {
                for (row, share) in rows.chunks_exact_mut(k).zip(&self.shares) {
                    let inverse = T::of(1.0) / *share;
                    row.iter_mut().for_each(|x| *x *= inverse);
                }
                for (at, row) in rows.chunks_exact_mut(k).enumerate() {
                    if at < self.layout.inputs && self.norm != InputNorm::Linf {
                        continue;
                    }
                    let length = T::of(dot(row, row).get().sqrt().max(1e-30));
                    let inverse = T::of(1.0) / length;
                    row.iter_mut().for_each(|x| *x *= inverse);
                    norms[at] = length;
                }
            },
        );
        if self.norm != InputNorm::Linf {
            let lengths = rows.chunks(k).take(self.layout.inputs).map(|row| dot(row, row).get().sqrt());
            let size = T::of(self.norm_of(lengths).max(1e-30));
            let inverse = T::of(1.0) / size;
            rows[..self.layout.inputs * k].iter_mut().for_each(|x| *x *= inverse);
            norms[..self.layout.inputs].fill(size);
        }
        (rows, norms)
    }

    fn norm_of(&self, lengths: impl Iterator<Item = f64>) -> f64 {
        match self.norm {
            InputNorm::Lp(p) => libm::pow(lengths.map(|l| libm::pow(l, p.get())).sum::<f64>(), 1.0 / p.get()),
            _ => lengths.map(|l| l * l).sum::<f64>().sqrt(),
        }
    }

    /// A point of these rows.
    pub fn scaled(&self, rows: &[T]) -> Vec<T> {
        let mut v = rows.to_vec();
        for (row, share) in v.chunks_exact_mut(self.k).zip(&self.shares) {
            row.iter_mut().for_each(|x| *x *= *share);
        }
        v
    }

    /// The Lagrangian at a point, and its gradient with respect to that.
    pub fn evaluate(&mut self, v: &[T], links: &Links, goal: &mut Goal<'_>, gradient: &mut [T]) -> f64 {
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || self.evaluate_inlined(v, links, goal, gradient),
        )
    }

    #[inline(always)]
    fn evaluate_inlined(&mut self, v: &[T], links: &Links, goal: &mut Goal<'_>, gradient: &mut [T]) -> f64 {
        let (rows, norms) = self.normalised(v);
        let (k, n0, free) = (self.k, self.layout.inputs, self.layout.free);
        let mut atoms = std::mem::take(&mut self.atoms);
        atoms[..k].fill(T::default());
        atoms[0] = T::of(1.0);
        let base = (1 + 3 * free) * k;
        atoms[base..].copy_from_slice(&rows[..n0 * k]);
        atoms[k..(1 + free) * k].copy_from_slice(&rows[(n0 + free) * k..]);
        let units = &rows[n0 * k..(n0 + free) * k];
        self.forward(&rows[..n0 * k], units, &mut atoms);
        let mut value = self.begin_backward();
        // links
        let mut factors = [vec![T::default(); free], vec![T::default(); free]];
        let penalty = match goal {
            Goal::Augmented { factor, .. } => *factor,
            Goal::Plain { .. } => 0.0,
        };
        for j in 0..free {
            let t = &atoms[self.layout.sign(j) * k..][..k];
            let (p, n) = (&atoms[self.layout.upper(j) * k..][..k], &atoms[self.layout.lower(j) * k..][..k]);
            let (r1, r2) = ((dot(p, t) - p[0]).get(), (dot(n, t) + n[0]).get());
            self.links[j] = (r1, r2);
            let w = penalty * links.weights[j];
            value += links.kappa[j] * r1 + links.nu[j] * r2 - 0.5 * w * (r1 * r1 + r2 * r2);
            factors[0][j] = T::of(links.kappa[j] - w * r1);
            factors[1][j] = T::of(links.nu[j] - w * r2);
        }
        // cuts
        let mut pull = std::mem::take(&mut self.pull);
        pull.fill(T::default());
        match goal {
            Goal::Augmented { cuts, factor } => {
                cuts.gram(k, &atoms, &mut self.gram);
                value -= cuts.lost(*factor, &self.gram, &mut self.weights, &mut self.multipliers);
                cuts.add_gradient(k, &atoms, &self.weights, &mut pull);
            }
            Goal::Plain { cuts, weights, constant } => {
                cuts.gram(k, &atoms, &mut self.gram);
                value += self.gram.iter().zip(*weights).map(|(g, w)| g.get() * w).sum::<f64>() + *constant;
                self.weights.clear();
                self.weights.extend(weights.iter().map(|w| T::of(*w)));
                cuts.add_gradient(k, &atoms, &self.weights, &mut pull);
            }
        }
        for j in 0..free {
            let (a1, a2) = (factors[0][j], factors[1][j]);
            let own = self.layout.sign(j) * k;
            axpy(&mut pull[own..own + k], a1, &atoms[self.layout.upper(j) * k..][..k]);
            axpy(&mut pull[own..own + k], a2, &atoms[self.layout.lower(j) * k..][..k]);
            let (p, n) = (self.layout.upper(j) * k, self.layout.lower(j) * k);
            axpy(&mut pull[p..p + k], a1, &atoms[own..own + k]);
            pull[p] -= a1;
            axpy(&mut pull[n..n + k], a2, &atoms[own..own + k]);
            pull[n] += a2;
        }
        // back through the network; gradient holds that of the rows
        let (of_inputs, rest) = gradient.split_at_mut(n0 * k);
        let (of_units, of_signs) = rest.split_at_mut(free * k);
        self.backward(units, &pull, of_units);
        of_inputs.copy_from_slice(&self.grads[0]);
        axpy(of_inputs, T::of(1.0), &pull[base..]);
        of_signs.copy_from_slice(&pull[k..(1 + free) * k]);
        (self.atoms, self.pull) = (atoms, pull);
        self.project(&rows, &norms, gradient);
        value
    }

    /// From the gradient of the rows to that of the point.
    #[inline(always)]
    fn project(&mut self, rows: &[T], norms: &[T], gradient: &mut [T]) {
        let (k, n0, free) = (self.k, self.layout.inputs, self.layout.free);
        let mut gains = vec![0.0; rows.len() / k];
        for (at, (g, u)) in gradient.chunks_exact(k).zip(rows.chunks_exact(k)).enumerate() {
            gains[at] = dot(g, u).get();
        }
        self.input_gains.copy_from_slice(&gains[..n0]);
        self.sign_gains.copy_from_slice(&gains[n0 + free..]);
        let whole: f64 = gains[..n0].iter().sum();
        for (at, (g, u)) in gradient.chunks_exact_mut(k).zip(rows.chunks_exact(k)).enumerate() {
            let along = match self.norm {
                InputNorm::Linf => gains[at],
                InputNorm::Lp(p) if at < n0 => {
                    let length = dot(u, u).get().sqrt();
                    if length > 0.0 { whole * libm::pow(length, p.get() - 2.0) } else { 0.0 }
                }
                _ if at < n0 => whole,
                _ => gains[at],
            };
            axpy(g, T::of(-along), u);
            let factor = T::of(1.0) / (norms[at] * self.shares[at]);
            g.iter_mut().for_each(|g| *g *= factor);
        }
    }

    #[inline(always)]
    fn forward(&mut self, x: &[T], units: &[T], atoms: &mut [T]) {
        let (k, free) = (self.k, self.layout.free);
        for at in 0..self.nodes.len() {
            let (before, rest) = self.values.split_at_mut(at);
            let target = &mut rest[0];
            match &self.nodes[at].1 {
                Node::Input => target.copy_from_slice(x),
                Node::Affine(terms) => {
                    for (i, (parent, map)) in terms.iter().enumerate() {
                        map.forward(k, &before[*parent], i > 0, target);
                    }
                }
                Node::Neurons(parent, layer) => {
                    let rows = target.chunks_exact_mut(k).zip(before[*parent].chunks_exact(k));
                    for ((z, h), neuron) in rows.zip(&self.layers[*layer]) {
                        match neuron.free {
                            None => z.iter_mut().zip(h).for_each(|(z, h)| *z = neuron.lower * *h),
                            Some(j) => {
                                let length = T::of(dot(h, h).get().sqrt());
                                self.lengths[j] = length.get();
                                let s = &units[j * k..][..k];
                                let half = T::of(0.5);
                                let (p, n) = ((1 + free + j) * k, (1 + 2 * free + j) * k);
                                for i in 0..k {
                                    let part = half * (h[i] + length * s[i]);
                                    atoms[p + i] = part;
                                    atoms[n + i] = h[i] - part;
                                    z[i] = neuron.lower * h[i] + neuron.width * part;
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The objective, with its gradient at the output.
    #[inline(always)]
    fn begin_backward(&mut self) -> f64 {
        let (k, scale) = (self.k, self.scale);
        self.grads.iter_mut().for_each(|g| g.fill(T::default()));
        let (y, g) = (&self.values[self.output], &mut self.grads[self.output]);
        match &self.functional {
            Functional::Norm(norm) => {
                let lengths: Vec<f64> = y.chunks(k).map(|row| dot(row, row).get().sqrt()).collect();
                let total = norm.of(lengths.iter().copied());
                self.output_gains = vec![0.0; lengths.len()];
                for (i, (g, y)) in g.chunks_mut(k).zip(y.chunks(k)).enumerate() {
                    let divisor = match norm {
                        OutputNorm::L2 => total,
                        _ => lengths[i],
                    };
                    let factor = if divisor > 0.0 { scale / divisor } else { 0.0 };
                    axpy(g, T::of(factor), y);
                    self.output_gains[i] = factor * lengths[i] * lengths[i];
                }
                scale * total
            }
            other => {
                let mut value = 0.0;
                for (i, u) in other.entries().into_iter().flatten() {
                    g[i * k] = T::of(scale * u);
                    value += scale * u * y[i * k].get();
                }
                value
            }
        }
    }

    #[inline(always)]
    fn backward(&mut self, units: &[T], pull: &[T], of_units: &mut [T]) {
        let (k, free) = (self.k, self.layout.free);
        let half = T::of(0.5);
        for at in (0..self.nodes.len()).rev() {
            let (before, rest) = self.grads.split_at_mut(at);
            let g = &rest[0];
            match &self.nodes[at].1 {
                Node::Input => {}
                Node::Affine(terms) => {
                    for (parent, map) in terms {
                        map.adjoint(k, g, &mut before[*parent]);
                    }
                }
                Node::Neurons(parent, layer) => {
                    let targets = before[*parent].chunks_exact_mut(k).zip(g.chunks_exact(k));
                    let h_rows = self.values[*parent].chunks_exact(k);
                    for (((target, g), h), neuron) in targets.zip(h_rows).zip(&self.layers[*layer]) {
                        match neuron.free {
                            None => axpy(target, neuron.lower, g),
                            Some(j) => {
                                let s = &units[j * k..][..k];
                                let (p, n) = (&pull[(1 + free + j) * k..][..k], &pull[(1 + 2 * free + j) * k..][..k]);
                                let length = T::of(self.lengths[j]);
                                let own = &mut of_units[j * k..][..k];
                                for i in 0..k {
                                    own[i] = neuron.width * g[i] + p[i] - n[i];
                                }
                                let gain = dot(own, s);
                                self.gains[j] = gain.get();
                                let turn = if length.get() > 0.0 { half * gain / length } else { T::default() };
                                for i in 0..k {
                                    target[i] += half * own[i] + turn * h[i] + neuron.lower * g[i] + n[i];
                                    own[i] = half * length * own[i];
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
