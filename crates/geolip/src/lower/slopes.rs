//! The slopes of a network at real inputs, in plain floating point: what searches go by. What a witness rests on is
//! `proved.rs`.

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
