//! One sweep: a forward and a backward pass of the vector network, which maximise over every block of variables in turn.

use super::point::{Point, problem_squares};
use super::rows;
use crate::function::Slope;
use crate::matrix::{Matrix, Store};
use crate::network::NodeId;
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::slopes::{SlopeNetwork, SlopeOp};

/// A network with its slope intervals and input norm: everything of a problem but the functional.
#[derive(Clone, Debug)]
pub struct VectorNetwork<'a> {
    network: &'a SlopeNetwork,
    norm: InputNorm,
    /// The pre-activation node of every activation layer.
    pre_activations: Vec<NodeId>,
    /// Per node: whether a later activation needs its forward value.
    needed: Vec<bool>,
    /// Per node: whether the output needs it, too.
    needed_by_output: Vec<bool>,
}

/// What a sweep leaves behind, and the memory it works in. One problem per column of the norm matrices.
#[derive(Clone, Debug)]
pub struct Sweep {
    values: Vec<Matrix>,
    grads: Vec<Matrix>,
    /// U, m × (problems·k): what the outputs count with; u in the first column of a linear functional's problem.
    pub weights: Matrix,
    /// ‖Y_i‖, m × problems, at the point the sweep started from; of problems whose functional is a norm.
    pub y_norms: Matrix,
    /// ‖h_j‖, one n_a × problems matrix per activation layer, at the point the sweep started from.
    pub h_norms: Vec<Matrix>,
    /// ‖G_j‖, the gradient with respect to z_j, likewise.
    pub g_norms: Vec<Matrix>,
    /// ‖(G_x)_i‖, n₀ × problems.
    pub x_norms: Matrix,
    /// The value per problem: the dual norm of G_x, attained by the new point (a lower bound of the relaxation).
    pub value: Vec<f64>,
}

impl<'a> VectorNetwork<'a> {
    /// The vector network of a slope network.
    pub fn new(network: &'a SlopeNetwork, norm: InputNorm) -> Self {
        let needed = |output: bool| {
            let mut needed = vec![false; network.nodes().len()];
            needed[network.output().index()] = output;
            for id in network.ids().rev() {
                match &network.node(id).op {
                    SlopeOp::Input => {}
                    SlopeOp::Neurons { parent } => needed[parent.index()] = true,
                    SlopeOp::Affine { terms } => {
                        if needed[id.index()] {
                            terms.iter().for_each(|t| needed[t.parent.index()] = true);
                        }
                    }
                }
            }
            needed
        };
        let pre_activations = network.layers().map(|(_, parent)| parent).collect();
        let (needed, needed_by_output) = (needed(false), needed(true));
        Self { network, norm, pre_activations, needed, needed_by_output }
    }

    /// The network.
    pub fn network(&self) -> &'a SlopeNetwork {
        self.network
    }

    /// The input norm.
    pub fn norm(&self) -> InputNorm {
        self.norm
    }

    /// n₀.
    pub fn inputs(&self) -> usize {
        self.network.inputs()
    }

    /// n_a per activation layer, in topological order.
    pub fn layer_sizes(&self) -> impl Iterator<Item = usize> + '_ {
        self.slopes().iter().map(Vec::len)
    }

    /// The slope intervals per activation layer, in topological order.
    pub fn slopes(&self) -> &[Vec<Slope>] {
        self.network.slopes()
    }

    /// Memory for sweeps of `problems` problems with k features.
    pub fn workspace(&self, k: usize, problems: usize) -> Sweep {
        let nodes = || self.network.nodes().iter().map(|n| Matrix::zeros(n.len, k * problems)).collect();
        let layers = || self.layer_sizes().map(|n| Matrix::zeros(n, problems)).collect();
        Sweep {
            values: nodes(),
            grads: nodes(),
            weights: Matrix::zeros(self.network.outputs(), k * problems),
            y_norms: Matrix::zeros(self.network.outputs(), problems),
            h_norms: layers(),
            g_norms: layers(),
            x_norms: Matrix::zeros(self.inputs(), problems),
            value: vec![0.0; problems],
        }
    }

    /// One sweep from `at` to `next`, one functional per problem.
    ///
    /// **Claim.** `next` is feasible, and (up to rounding) attains at least `work.value`, which is at least the objective at
    /// `at`: for fixed h-directions the objective is linear in each of X, S_1, …, S_d, and convex in every h, so
    /// maximising the linearisation block by block never loses. Zero rows keep the direction they had. For a norm of the
    /// output, the objective is ⟨U, Y⟩ for the best U in its dual ball, chosen between the two passes.
    pub fn sweep(&self, at: &Point, functionals: &[Functional], work: &mut Sweep, next: &mut Point) {
        self.forward(at, functionals.iter().any(Functional::is_norm), work);
        choose_output(self.network.output(), at.k, functionals, work);
        self.backward(at, work, next);
    }

    fn forward(&self, at: &Point, with_output: bool, work: &mut Sweep) {
        let needed = if with_output { &self.needed_by_output } else { &self.needed };
        let mut layer = 0;
        work.values[0].data_mut().copy_from_slice(at.x.data());
        for id in self.network.ids() {
            let (before, rest) = work.values.split_at_mut(id.index());
            match &self.network.node(id).op {
                SlopeOp::Input => {}
                SlopeOp::Affine { terms } => {
                    if !needed[id.index()] {
                        continue;
                    }
                    for (t, term) in terms.iter().enumerate() {
                        let into = if t == 0 { Store::Replace } else { Store::Add };
                        term.map.forward(&before[term.parent.index()], into, &mut rest[0]);
                    }
                }
                SlopeOp::Neurons { parent } => {
                    let (h, slopes) = (&before[parent.index()], &self.slopes()[layer]);
                    rows::activate(at.k, slopes, h, &at.s[layer], &mut rest[0], &mut work.h_norms[layer]);
                    layer += 1;
                }
            }
        }
    }

    fn backward(&self, at: &Point, work: &mut Sweep, next: &mut Point) {
        let mut reached = vec![false; self.network.nodes().len()];
        let output = self.network.output().index();
        work.grads[output].data_mut().copy_from_slice(work.weights.data());
        reached[output] = true;
        let mut layer = self.slopes().len();
        for id in self.network.ids().rev() {
            let (before, rest) = work.grads.split_at_mut(id.index());
            match &self.network.node(id).op {
                SlopeOp::Input => {}
                SlopeOp::Affine { terms } => {
                    for term in terms {
                        let into = target(&mut reached, term.parent);
                        term.map.adjoint(&rest[0], into, &mut before[term.parent.index()]);
                    }
                }
                SlopeOp::Neurons { parent } => {
                    layer -= 1;
                    let h = (&work.values[parent.index()], &work.h_norms[layer]);
                    let slopes = &self.slopes()[layer];
                    let (g_norms, s) = (&mut work.g_norms[layer], &mut next.s[layer]);
                    rows::deactivate(at.k, slopes, h, &mut rest[0], g_norms, s, &at.s[layer]);
                    let (parent_grad, own) = (&mut before[parent.index()], rest[0].data());
                    match target(&mut reached, *parent) {
                        Store::Replace => parent_grad.data_mut().copy_from_slice(own),
                        Store::Add => parent_grad.data_mut().iter_mut().zip(own).for_each(|(p, g)| *p += g),
                    }
                }
            }
        }
        if !reached[0] {
            work.grads[0].fill(0.0);
        }
        self.choose_input(at, work, next);
    }

    /// X ← argmax ⟨G_x, X⟩ over the unit ball of the norm, row by row for ℓ∞; for ℓp, ‖xᵢ‖ ∝ ‖gᵢ‖^{1/(p−1)}; for ℓ1, the
    /// longest row alone (a local maximiser: the ball is not convex in the squares).
    fn choose_input(&self, at: &Point, work: &mut Sweep, next: &mut Point) {
        let g = &work.grads[0];
        rows::unit(at.k, g, &mut work.x_norms, &mut next.x, &at.x);
        match self.norm {
            InputNorm::Linf => {
                work.value.fill(0.0);
                for i in 0..g.rows() {
                    work.value.iter_mut().zip(work.x_norms.row(i)).for_each(|(v, n)| *v += n);
                }
            }
            InputNorm::L2 => {
                work.value = problem_squares(g, at.k, at.problems).into_iter().map(f64::sqrt).collect();
                let scale: Vec<f64> = work.value.iter().map(|v| if *v > 0.0 { 1.0 / v } else { 0.0 }).collect();
                for i in 0..g.rows() {
                    let chunks = next.x.row_mut(i).chunks_mut(at.k).zip(g.row(i).chunks(at.k));
                    for ((x, g), scale) in chunks.zip(&scale) {
                        x.iter_mut().zip(g).for_each(|(x, g)| *x = scale * g);
                    }
                }
            }
            InputNorm::Lp(_) | InputNorm::L1 => {
                for (p, value) in work.value.iter_mut().enumerate() {
                    let lengths = (0..g.rows()).map(|i| work.x_norms.at(i, p));
                    *value = self.norm.dual(lengths);
                }
                let mut taken = vec![false; at.problems];
                for i in 0..g.rows() {
                    let chunks = next.x.row_mut(i).chunks_mut(at.k).zip(work.x_norms.row(i));
                    for ((x, length), (value, taken)) in chunks.zip(work.value.iter().zip(&mut taken)) {
                        let factor = match self.norm {
                            _ if *value == 0.0 => 0.0,
                            InputNorm::Lp(p) => libm::pow(length / value, 1.0 / (p.get() - 1.0)),
                            InputNorm::L1 if length == value && !std::mem::replace(taken, true) => 1.0,
                            InputNorm::L1 | InputNorm::L2 | InputNorm::Linf => 0.0,
                        };
                        x.iter_mut().for_each(|x| *x *= factor);
                    }
                }
            }
        }
    }
}

/// U ← argmax ⟨U, Y⟩ over the dual ball of a norm of the output, of row lengths; u e₁ᵀ for a linear functional. Zero rows
/// become e₁.
fn choose_output(output: NodeId, k: usize, functionals: &[Functional], work: &mut Sweep) {
    let (y, u, norms) = (&work.values[output.index()], &mut work.weights, &mut work.y_norms);
    for (p, functional) in functionals.iter().enumerate() {
        let columns = p * k..(p + 1) * k;
        let norm = match functional {
            Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => {
                (0..u.rows()).for_each(|i| u.row_mut(i)[columns.clone()].fill(0.0));
                functional.entries().into_iter().flatten().for_each(|(i, v)| *u.at_mut(i, p * k) = v);
                continue;
            }
            Functional::Norm(norm) => norm,
        };
        let length = |i: usize| y.row(i)[columns.clone()].iter().map(|v| v * v).sum::<f64>().sqrt();
        let lengths: Vec<f64> = (0..y.rows()).map(length).collect();
        let total = norm.of(lengths.iter().copied());
        let longest = lengths.iter().position(|length| *length == total);
        for (i, length) in lengths.iter().enumerate() {
            *norms.at_mut(i, p) = *length;
            let target = &mut u.row_mut(i)[columns.clone()];
            let weight = match norm {
                OutputNorm::L1 => 1.0,
                OutputNorm::L2 if total > 0.0 => length / total,
                OutputNorm::L2 => 1.0 / (y.rows() as f64).sqrt(),
                OutputNorm::Linf => f64::from(u8::from(longest == Some(i))),
            };
            target.fill(0.0);
            match *length > 0.0 {
                true => target.iter_mut().zip(&y.row(i)[columns.clone()]).for_each(|(u, y)| *u = weight * (y / length)),
                false => target[0] = weight,
            }
        }
    }
}

impl Sweep {
    /// h of activation layer `a` at the point the sweep started from: n_a × (problems·k).
    pub fn pre_activation(&self, network: &VectorNetwork<'_>, a: usize) -> &Matrix {
        &self.values[network.pre_activations[a].index()]
    }
}

/// Whether a gradient is the first to arrive at a node.
fn target(reached: &mut [bool], node: NodeId) -> Store {
    if std::mem::replace(&mut reached[node.index()], true) { Store::Add } else { Store::Replace }
}
