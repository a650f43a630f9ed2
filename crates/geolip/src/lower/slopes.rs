//! The slopes of a network at real inputs, in plain floating point, and where they jump: what searches go by. What a witness
//! rests on is `proved.rs`.

use crate::matrix::Matrix;
use crate::network::{Activation, Values};
use crate::slopes::SlopeNetwork;

/// The derivatives of every activation layer at the evaluated inputs, from the right on kinks, kept inside the slope intervals
/// of the network (those of its region, if it has one): a pattern of slopes that are possible there.
pub(super) fn slopes_at(network: &SlopeNetwork, values: &Values) -> Vec<Matrix> {
    let mut slopes = network.slopes_at(values);
    for (slopes, own) in slopes.iter_mut().zip(network.tight_slopes()) {
        for (i, own) in own.iter().enumerate() {
            slopes.row_mut(i).iter_mut().for_each(|v| *v = v.clamp(own.lower, own.upper));
        }
    }
    slopes
}

/// φ'(s), kept inside the slope interval whatever its rounding.
pub(super) fn derivative(activation: &Activation, index: usize, s: f64) -> f64 {
    let slope = activation.slope(index);
    activation.derivative(index, s).clamp(slope.lower, slope.upper)
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
