//! What an input shows: the norm of the gradient there, rounded down.

use super::gradient::GradientBound;
use super::proved::ProvedSlopes;
use super::slopes::slopes_at;
use crate::matrix::Matrix;
use crate::network::NodeId;
use crate::problem::{Functional, InputNorm};
use crate::relaxation::Pattern;
use crate::slopes::SlopeNetwork;

/// An input and the norm of the gradient there: feed it to the network and check.
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    /// The input.
    pub input: Vec<f64>,
    /// ‖∇(uᵀy)(x)‖ in the dual norm, rounded down: the Lipschitz constant is at least this.
    pub lower: f64,
    /// For a network with one input and piecewise linear activations: how many linear pieces were found, of which this is the
    /// steepest. Kinks are located in plain floating point: pieces shorter than its resolution may be missed, so this proves
    /// nothing about the others.
    pub pieces: Option<usize>,
}

/// The witness that an input is; with the pattern there, whose slopes are those that plain floating point finds.
pub(crate) fn witness_at(
    network: &SlopeNetwork,
    norm: InputNorm,
    exact: &GradientBound<'_>,
    functional: &Functional,
    x: &[f64],
) -> (Witness, Pattern) {
    let input = Matrix::from_vec(x.len(), 1, x.to_vec());
    let values = network.network().evaluate_batch(input.clone());
    let columns = slopes_at(network, &values);
    let slopes: Vec<Vec<f64>> = columns.iter().map(|m| m.column(0)).collect();
    let mut weights = vec![0.0; network.outputs()];
    match functional.entries() {
        Some(entries) => entries.iter().for_each(|(i, u)| weights[*i] = *u),
        None => weights.fill(1.0),
    }
    let value = exact.lower(functional, &weights, &slopes);
    let lower = match ProvedSlopes::at(network, &input, &values, 0) {
        None => 0.0,
        Some(own) if !own.is_open() && own.v == slopes => value,
        Some(own) => exact.lower_of_all(functional, &weights, &own.v, &own.open),
    };
    let gradient = network.adjoint(&columns, &Matrix::from_vec(weights.len(), 1, weights.clone()));
    let direction = norm.steepest_direction(gradient.of(NodeId::INPUT).data());
    let pattern = Pattern { slopes, weights, direction, value };
    (Witness { input: x.to_vec(), lower, pieces: None }, pattern)
}
