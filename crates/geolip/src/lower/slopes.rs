//! The slopes of a network at real inputs, and what kinks leave open.
//!
//! On a kink the gradient does not exist, and the slopes from the right need not be those of any neighbouring point: of
//! relu(x) − relu(−x) they add up to 2 at 0, where the slope is 1. So a slope within [`NEAR`] of a kink counts as unknown. The
//! distance is far above what evaluation in double precision is off by, short of networks that amplify rounding 10⁶-fold; it
//! is no rigorous bound of that.

use crate::matrix::Matrix;
use crate::network::{Activation, LinearMap, Network, NodeId, Values};

/// The distance, in units of the root mean square of the layer, at which a pre-activation counts as on a kink.
const NEAR: f64 = 1e-9;
/// Inputs up to which neurons are looked for that are constant around an input.
pub(super) const FEW_INPUTS: usize = 64;

/// The derivatives of every activation layer at the evaluated inputs, kept inside the slope intervals of the network (those of
/// its region, if it has one) whatever their rounding: a lower bound is one of the formal constant, too.
pub(super) fn slopes_at(network: &Network, values: &Values) -> Vec<Matrix> {
    let intervals = network.tight_slopes();
    let layers = network.activations().zip(&intervals);
    layers
        .map(|((_, parent, activation), own)| {
            let h = values.of(parent);
            let slope = |i: usize, j: usize| activation.derivative(i, h.at(i, j)).clamp(own[i].lower, own[i].upper);
            Matrix::from_fn(h.rows(), h.cols(), slope)
        })
        .collect()
}

/// φ'(s), kept inside the slope interval whatever its rounding.
pub(super) fn derivative(activation: &Activation, index: usize, s: f64) -> f64 {
    let slope = activation.slope(index);
    activation.derivative(index, s).clamp(slope.lower, slope.upper)
}

/// How far the slopes v at one evaluated input may be from the derivatives: the width of the slope interval on a kink, else 0.
/// With few inputs, neurons that are constant around the input (R_j = 0, whatever the open slopes before them) count as closed:
/// no slope of theirs matters.
pub(super) fn open_at(network: &Network, values: &Values, v: &[Vec<f64>], column: usize) -> Vec<Vec<f64>> {
    let intervals = network.tight_slopes();
    let layers = network.activations().zip(&intervals);
    let open = layers.map(|((_, parent, activation), own)| {
        let (h, kinks) = (values.of(parent).column(column), Kinks::of(activation).places);
        let near = NEAR * (h.iter().map(|h| h * h).sum::<f64>() / h.len() as f64).sqrt();
        let on_kink = |h: f64| kinks.iter().any(|kink| (h - kink).abs() <= near);
        let width = |(i, h): (usize, &f64)| if on_kink(*h) { 2.0 * own[i].radius() } else { 0.0 };
        h.iter().enumerate().map(width).collect()
    });
    let mut open: Vec<Vec<f64>> = open.collect();
    if network.inputs() <= FEW_INPUTS && open.iter().flatten().any(|open| *open > 0.0) {
        close_constant(network, v, &mut open);
    }
    open
}

fn close_constant(network: &Network, v: &[Vec<f64>], open: &mut [Vec<f64>]) {
    let n = network.inputs();
    let wide = |v: &Vec<f64>| Matrix::from_fn(v.len(), n, |i, _| v[i]);
    let rows = network.forward(&v.iter().map(wide).collect::<Vec<_>>(), &Matrix::identity(n));
    let parents: Vec<NodeId> = network.activations().map(|(_, parent, _)| parent).collect();
    // what open slopes may add to R: E ← |A|E, then (|v| + r)E + r|R|
    let added = network.push_forward(&Matrix::zeros(n, n), LinearMap::abs_forward, |layer, e| {
        let row = rows.of(parents[layer]);
        let (v, r) = (&v[layer], &open[layer]);
        Matrix::from_fn(e.rows(), n, |i, p| (v[i].abs() + r[i]) * e.at(i, p) + r[i] * row.at(i, p).abs())
    });
    for (open, parent) in open.iter_mut().zip(parents) {
        for (j, open) in open.iter_mut().enumerate() {
            let still = |m: &Matrix| m.row(j).iter().all(|r| *r == 0.0);
            if still(rows.of(parent)) && still(added.of(parent)) {
                *open = 0.0;
            }
        }
    }
}

/// Where the derivative of an activation jumps.
pub(super) struct Kinks {
    /// The places.
    pub places: Vec<f64>,
    /// Whether the activation is linear between them.
    pub linear_between: bool,
}

impl Kinks {
    pub fn of(activation: &Activation) -> Self {
        let linear = |places: &[f64]| Self { places: places.to_vec(), linear_between: true };
        let curved = |places: &[f64]| Self { places: places.to_vec(), linear_between: false };
        match activation {
            Activation::Relu | Activation::LeakyRelu { .. } | Activation::PRelu { .. } | Activation::Abs => {
                linear(&[0.0])
            }
            Activation::HardSigmoid { slope, offset } => linear(&[-offset / slope, (1.0 - offset) / slope]),
            Activation::Clip { min, max } => linear(&[*min, *max]),
            Activation::Elu { .. } | Activation::Selu { .. } => curved(&[0.0]),
            Activation::HardSwish => curved(&[-3.0, 3.0]),
            Activation::Sigmoid
            | Activation::Tanh
            | Activation::Softsign
            | Activation::Softplus
            | Activation::Celu { .. }
            | Activation::Silu
            | Activation::Gelu
            | Activation::GeluTanh
            | Activation::Mish
            | Activation::Sin
            | Activation::Cos => curved(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkBuilder;

    /// h₁ = (x₁, x₁), h₂ = z₁₁ − z₁₂ = 0: on a kink everywhere, but constant.
    #[test]
    fn slopes_of_constant_neurons_are_closed_and_those_on_kinks_open() {
        let map = |m, n, w: &[f64]| LinearMap::Dense(Matrix::from_vec(m, n, w.to_vec()));
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let h = b.affine("h1", vec![(b.input(), map(2, 2, &[1.0, 0.0, 1.0, 0.0]))], None).expect("shapes");
        let z1 = b.activate("z1", h, Activation::Relu).expect("relu");
        let h = b.affine("h2", vec![(z1, map(1, 2, &[1.0, -1.0]))], None).expect("shapes");
        let z2 = b.activate("z2", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z2, map(1, 1, &[1.0])), (z1, map(1, 2, &[1.0, 0.0]))], None).expect("shapes");
        let network = b.finish(y);
        let open = |x: [f64; 2]| {
            let values = network.evaluate_batch(Matrix::from_vec(2, 1, x.to_vec()));
            let v: Vec<Vec<f64>> = slopes_at(&network, &values).iter().map(|m| m.column(0)).collect();
            open_at(&network, &values, &v, 0)
        };
        assert_eq!(open([1.0, 3.0]), [vec![0.0, 0.0], vec![0.0]]);
        assert_eq!(open([0.0, 3.0]), [vec![1.0, 1.0], vec![1.0]]);
    }
}
