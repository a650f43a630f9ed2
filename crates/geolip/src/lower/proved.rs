//! The slopes of a network at one real input, *proved*: what a witness rests on.
//!
//! Plain floating point says on which side of a kink a pre-activation lies, and may be wrong about it: 2⁵³ + 4 − 2⁵³ is not
//! always 4. So every pre-activation gets an interval that holds it, in one pass beside the evaluation, and a neuron's slope is
//! the range of the derivative there: one number where the interval holds no kink (of a piecewise linear activation), else
//! *open*, known up to ± some radius. [`super::GradientBound`] subtracts what open slopes may do.
//!
//! On a kink the gradient need not exist, and the slopes from the right need not be those of any neighbouring point: of
//! relu(x) − relu(−x) they add up to 2 at 0, where the slope is 1. What is attained for all slopes in the ranges is attained by
//! the gradients at neighbouring points in any case.

use super::constant::close_constant;
use crate::function::Combination;
use crate::function::ranges::{derivative_near, value};
use crate::matrix::{Matrix, Store};
use crate::network::{Activation, Op, Term, Values};
use crate::rounding::{UNIT, add_up, gamma_up, mul_up};
use crate::slopes::SlopeNetwork;

/// The smallest positive number: an operation that underflows is off by less.
pub(super) const SMALLEST: f64 = f64::from_bits(1);

/// Slopes within v ± open, one list each per activation layer in topological order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ProvedSlopes {
    pub v: Vec<Vec<f64>>,
    pub open: Vec<Vec<f64>>,
}

impl ProvedSlopes {
    /// What is proved of the slopes at column `column` of the inputs x (inputs × k), `values` being what
    /// [`Network::evaluate_batch`] gave for them; none where the input is not finite or not in the network's region, or a
    /// value is not finite.
    ///
    /// **Claim.** Where the network is differentiable at the input, every neuron's slope is within v ± open, or does not matter
    /// to the gradient, the neuron being constant around the input; and the same of the slopes at all points near enough.
    pub fn at(network: &SlopeNetwork, x: &Matrix, values: &Values, column: usize) -> Option<Self> {
        let input = x.column(column);
        let inside = network.region().is_none_or(|region| region.contains(&input));
        if !inside || input.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let mut proved = Self { v: Vec::new(), open: Vec::new() };
        // by node: the value as computed, and how far it may be from that of real arithmetic
        let mut nodes: Vec<(Matrix, Matrix)> = Vec::with_capacity(network.network().nodes().len());
        for id in network.network().ids() {
            let computed = values.of(id).column(column);
            if computed.iter().any(|v| !v.is_finite()) {
                return None;
            }
            let off = match &network.network().node(id).op {
                Op::Input => vec![0.0; input.len()],
                Op::Affine { terms, bias } => affine(terms, bias.as_deref(), &nodes),
                Op::Activate { parent, activation } => {
                    let (h, off) = &nodes[parent.index()];
                    let mut after = Vec::with_capacity(computed.len());
                    let (mut v, mut open) = (Vec::with_capacity(computed.len()), Vec::with_capacity(computed.len()));
                    for (i, z) in computed.iter().enumerate() {
                        let neuron = Neuron::new(activation, i, h.at(i, 0), off.at(i, 0));
                        after.push(neuron.off(activation, i, *z));
                        v.push(neuron.v);
                        open.push(neuron.open);
                    }
                    proved.v.push(v);
                    proved.open.push(open);
                    after
                }
                Op::Combine { parents, combination: Combination::Product } => {
                    let [(p, p_off), (q, q_off)] = parents.map(|parent| &nodes[parent.index()]);
                    let numbers = |m: &Matrix| m.data().to_vec();
                    // ∂(pq)/∂p = q, and where both are one node the sum of the two
                    match parents[0] == parents[1] {
                        true => {
                            proved.v.push(p.data().iter().map(|p| 2.0 * p).collect());
                            proved.open.push(p_off.data().iter().map(|off| 2.0 * off).collect());
                        }
                        false => {
                            proved.v.extend([numbers(q), numbers(p)]);
                            proved.open.extend([numbers(q_off), numbers(p_off)]);
                        }
                    }
                    let pairs = p.data().iter().zip(p_off.data()).zip(q.data().iter().zip(q_off.data()));
                    let off = pairs.zip(&computed).map(|(((p, p_off), (q, q_off)), z)| {
                        // |pq − p̂q̂| ≤ |p̂|δq + (|q̂| + δq)δp, and one rounding, which may underflow
                        let carried = add_up_from_zero(
                            mul_up(p.abs(), *q_off),
                            mul_up(add_up_from_zero(q.abs(), *q_off), *p_off),
                        );
                        let exact = *z == 0.0 && (*p == 0.0 || *q == 0.0);
                        let own = if exact { 0.0 } else { add_up(mul_up(UNIT, z.abs()), SMALLEST) };
                        or_infinite(add_up_from_zero(carried, own))
                    });
                    off.collect()
                }
            };
            let column = |data: Vec<f64>| Matrix::from_vec(data.len(), 1, data);
            nodes.push((column(computed), column(off)));
        }
        if proved.is_open() {
            close_constant(network, &mut proved);
        }
        Some(proved)
    }

    /// Whether any slope is not known to the last digit.
    pub fn is_open(&self) -> bool {
        self.open.iter().flatten().any(|open| *open > 0.0)
    }
}

/// How far Σ Az + b, as computed, may be from that of the exact values of its parents.
///
/// With N summands in all, of which products underflow at most, in any order of additions (what several terms add up also
/// rounds what is there already, once per addition): |computed − exact of computed parents| ≤ γ_N (Σ|A||z| + |b|) + N·2⁻¹⁰⁷⁴,
/// and Σ|A|·(what these are off by) more.
fn affine(terms: &[Term], bias: Option<&[f64]>, nodes: &[(Matrix, Matrix)]) -> Vec<f64> {
    let count = terms.iter().map(|t| t.map.longest_sum() + 4).sum::<usize>() + 4;
    let gamma = gamma_up(count);
    let inflate = 1.0 + 4.0 * gamma; // for what this bound's own sums lose
    let floor = 2.0 * count as f64 * SMALLEST;
    let mut sum = Matrix::zeros(terms[0].map.rows(), 1);
    for term in terms {
        let (z, off) = &nodes[term.parent.index()];
        let own = z.data().iter().zip(off.data()).map(|(z, off)| add_up_from_zero(mul_up(gamma, z.abs()), *off));
        term.map.abs_forward(&Matrix::from_vec(z.rows(), 1, own.collect()), Store::Add, &mut sum);
    }
    let total = |(i, sum): (usize, &f64)| {
        let bias = bias.map_or(0.0, |bias| mul_up(gamma, bias[i].abs()));
        or_infinite(mul_up(add_up_from_zero(add_up(*sum, floor), bias), inflate))
    };
    sum.data().iter().enumerate().map(total).collect()
}

/// At least a + b, and exactly 0 for zeros: what is known exactly stays so.
fn add_up_from_zero(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { a + b } else { add_up(a, b) }
}

fn or_infinite(off: f64) -> f64 {
    if off.is_nan() { f64::INFINITY } else { off }
}

/// One neuron whose pre-activation is within h ± off.
struct Neuron {
    h: f64,
    before: f64,
    v: f64,
    open: f64,
    /// At least |φ'| on the interval.
    steepest: f64,
}

impl Neuron {
    fn new(activation: &Activation, index: usize, h: f64, off: f64) -> Self {
        let ends = if off == 0.0 { (h, h) } else { ((h - off).next_down(), (h + off).next_up()) };
        let range = derivative_near(activation, index, ends);
        let (v, open) = match range.is_fixed() {
            true => (range.lower, 0.0),
            false => {
                let v = range.centre();
                (v, (range.upper - v).max(v - range.lower).next_up())
            }
        };
        Self { h, before: off, v, open, steepest: range.magnitude() }
    }

    /// How far the activation's value `z`, as computed, may be from the exact one.
    fn off(&self, activation: &Activation, index: usize, z: f64) -> f64 {
        let (below, above) = value(activation, index, self.h);
        let (less, more) = (z - below, above - z);
        let own = if less == 0.0 && more == 0.0 { 0.0 } else { less.max(more).next_up() };
        if below.is_nan() || above.is_nan() {
            return f64::INFINITY;
        }
        or_infinite(add_up_from_zero(own.max(0.0), mul_up(self.steepest, self.before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{LinearMap, NetworkBuilder};

    fn map(m: usize, n: usize, w: &[f64]) -> LinearMap {
        LinearMap::Dense(Matrix::from_vec(m, n, w.to_vec()))
    }

    fn proved(network: &crate::Network, x: &[f64]) -> Option<ProvedSlopes> {
        let x = Matrix::from_vec(x.len(), 1, x.to_vec());
        let values = network.evaluate_batch(x.clone());
        ProvedSlopes::at(&SlopeNetwork::everywhere(network).expect("bounded slopes"), &x, &values, 0)
    }

    /// h₁ = (x₁, x₁), h₂ = z₁₁ − z₁₂ = 0: on a kink everywhere, but constant.
    #[test]
    fn slopes_of_constant_neurons_are_closed_and_those_on_kinks_open() {
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let h = b.affine("h1", vec![(b.input(), map(2, 2, &[1.0, 0.0, 1.0, 0.0]))], None).expect("shapes");
        let z1 = b.activate("z1", h, Activation::Relu).expect("relu");
        let h = b.affine("h2", vec![(z1, map(1, 2, &[1.0, -1.0]))], None).expect("shapes");
        let z2 = b.activate("z2", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z2, map(1, 1, &[1.0])), (z1, map(1, 2, &[1.0, 0.0]))], None).expect("shapes");
        let network = b.finish(y);
        let open = |x: [f64; 2]| proved(&network, &x).expect("finite numbers").open;
        assert_eq!(open([1.0, 3.0]), [vec![0.0, 0.0], vec![0.0]]);
        let halves = |open: &Vec<f64>| open.iter().all(|open| (0.5..0.5 + 1e-12).contains(open));
        assert!(open([0.0, 3.0]).iter().all(halves));
    }

    /// h = (x + 2⁵³) − 2⁵³ is x exactly, and 0 or 2 as computed: no side of the kink is proved.
    #[test]
    fn a_side_that_rounding_decides_is_open() {
        let big = 2f64.powi(53);
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let h = b.affine("h1", vec![(b.input(), map(1, 1, &[1.0]))], Some(vec![big])).expect("shapes");
        let z = b.activate("z1", h, Activation::Relu).expect("relu");
        let h = b.affine("h2", vec![(z, map(1, 1, &[1.0]))], Some(vec![-big])).expect("shapes");
        let z = b.activate("z2", h, Activation::Relu).expect("relu");
        let network = b.finish(z);
        for x in [-0.4, 0.4, 1.7, -1e-300] {
            let found = proved(&network, &[x]).expect("finite numbers");
            assert!(found.open[0] == [0.0] && found.open[1][0] >= 0.5, "{x}: {found:?}");
        }
        for x in [64.0, -64.0] {
            let found = proved(&network, &[x]).expect("finite numbers");
            assert!(found.open[1] == [0.0] && found.v[1] == [if x > 0.0 { 1.0 } else { 0.0 }], "{x}: {found:?}");
        }
    }

    #[test]
    fn numbers_that_are_none_prove_nothing() {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let h = b.affine("h", vec![(b.input(), map(2, 1, &[1e200, -1e200]))], None).expect("shapes");
        let h = b.affine("h2", vec![(h, map(1, 2, &[1e200, 1e200]))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let network = b.finish(z);
        for x in [f64::NAN, f64::INFINITY, 1.0] {
            assert_eq!(proved(&network, &[x]), None, "{x}");
        }
        assert!(proved(&network, &[1e-300]).is_some());
    }

    /// Every slope of smooth activations is within v ± open, which is no wider than rounding asks for.
    #[test]
    fn smooth_slopes_are_enclosed_closely() {
        for name in Activation::NAMES {
            let activation = Activation::from_name(name).expect("a name");
            for s in [-3.3, -0.7, 0.2, 1.9, 7.5] {
                let neuron = Neuron::new(&activation, 0, s, 1e-15);
                let d = activation.derivative(0, s);
                assert!((neuron.v - d).abs() <= neuron.open, "{name} at {s}: {d} and {} ± {}", neuron.v, neuron.open);
                assert!(neuron.open < 3e-8, "{name} at {s}: {}", neuron.open);
            }
        }
    }
}
