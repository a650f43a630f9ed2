//! Multipliers from a sweep's norms.
//!
//! At a stationary point of the Lagrangian, G_j = λ_j (z_j − c_j h_j) and (G_x)_i = γ_i x_i, so
//! λ_j = ‖G_j‖ / (r_j ‖h_j‖), γ_i = ‖(G_x)_i‖ / ‖x_i‖, which is ‖(G_x)_i‖ for ℓ∞, ‖G_x‖_F for ℓ2 and, with the value V,
//! V (‖(G_x)_i‖/V)^{(p−2)/(p−1)} for ℓp; and ζ = V for a functional, ‖Y‖_F for the ℓ2 norm of the output, ‖Y_i‖ for ℓ1: all
//! up to one common factor, which the bound does not see once ζ is scaled to be as small as the rest allows.

use crate::form::Multipliers;
use crate::matrix::Matrix;
use crate::network::Slope;
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::relaxation::{Sweep, VectorNetwork};

/// Vanishing ‖h_j‖ and ‖G_j‖ count as this fraction of what their neuron's share of the layer would be, so that they get
/// usable multipliers; see [`floors`].
const FLOOR: f64 = 1e-9;
/// The share of the value that an unread neuron of the first layer has, far below the floor of the γ that it reads; and how much smaller
/// that is in the next layer, where what it reads may be unread, too; down to the last.
const UNREAD: f64 = 1e-20;
const DEEPER: f64 = 1e-6;
const SMALLEST: f64 = 1e-200;
/// Likewise for γ_i, against Σγ.
const GAMMA_FLOOR: f64 = 1e-14;

/// What turns sweeps into multipliers: the network, and how large ‖h‖ and ‖G‖ could be.
#[derive(Clone, Debug)]
pub struct Recovery<'a> {
    network: &'a VectorNetwork<'a>,
    /// Per activation layer, the largest conceivable |h_j| for |x_i| ≤ 1.
    h_limits: Vec<Matrix>,
    /// Per activation layer, the largest conceivable |G_j|: one column per functional.
    g_limits: Vec<Matrix>,
}

impl<'a> Recovery<'a> {
    /// Prepares for these functionals.
    pub fn new(network: &'a VectorNetwork<'a>, functionals: &[Functional]) -> Self {
        let inner = network.network();
        let mut outputs = Matrix::zeros(inner.outputs(), functionals.len());
        for (p, functional) in functionals.iter().enumerate() {
            let rows = functional.rows(inner.outputs());
            rows.into_iter().flatten().for_each(|(i, u)| *outputs.at_mut(i, p) = u.abs());
        }
        let sizes = inner.abs_forward(&Matrix::from_fn(inner.inputs(), 1, |_, _| 1.0));
        let grads = inner.abs_adjoint(&outputs);
        let limits = inner.layers().map(|(z, h)| (sizes.of(h).clone(), grads.of(z).clone()));
        let (h_limits, g_limits) = limits.unzip();
        Self { network, h_limits, g_limits }
    }

    /// The same for other slope intervals within those of the network.
    pub fn with_slopes_of<'b>(&self, network: &'b VectorNetwork<'b>) -> Recovery<'b> {
        Recovery { network, h_limits: self.h_limits.clone(), g_limits: self.g_limits.clone() }
    }

    /// The multipliers of the one problem in `sweep`, that of functional number `index`.
    pub fn multipliers(&self, index: usize, functional: &Functional, sweep: &Sweep) -> Multipliers {
        let layer = |(a, slopes): (usize, &Vec<Slope>)| {
            let g = floors(sweep.g_norms[a].column(0), self.g_limits[a].column(index));
            let h = floors(sweep.h_norms[a].column(0), self.h_limits[a].column(0));
            let multiplier = |(j, slope): (usize, &Slope)| {
                let multiplier = g[j] / (slope.radius() * h[j]);
                // a neuron that is fixed, dead or unseen is no variable of the form; its number is never read
                if multiplier.is_finite() { multiplier } else { 0.0 }
            };
            slopes.iter().enumerate().map(multiplier).collect()
        };
        let total = sweep.value[0];
        let floor = GAMMA_FLOOR * total;
        let lengths = (0..self.network.inputs()).map(|i| sweep.x_norms.at(i, 0));
        let gamma = match self.network.norm() {
            InputNorm::Linf => lengths.map(|g| g.max(floor)).collect(),
            InputNorm::L2 | InputNorm::L1 => vec![total],
            InputNorm::Lp(p) => {
                let power = (p.get() - 2.0) / (p.get() - 1.0);
                let ratio = |g: f64| if total > 0.0 { libm::pow(g / total, power) } else { 0.0 };
                lengths.map(|g| (total * ratio(g)).max(floor)).collect()
            }
        };
        let rows = || (0..self.network.network().outputs()).map(|i| sweep.y_norms.at(i, 0));
        let zeta = match functional {
            Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => vec![total],
            Functional::Norm(OutputNorm::L2) => {
                let lengths: Vec<f64> = rows().collect();
                vec![OutputNorm::L2.of(lengths.into_iter()).max(floor)]
            }
            Functional::Norm(OutputNorm::L1) => rows().map(|y| y.max(floor)).collect(),
            Functional::Norm(OutputNorm::Linf) => vec![total; rows().count()],
        };
        let lambda = self.network.slopes().iter().enumerate().map(layer).collect();
        Multipliers { zeta, gamma, lambda }
    }

    /// The multipliers with a positive λ for each of these neurons (layer, neuron): a random test takes no others. Those that
    /// nothing reads get so small ones that their λ(β−α)²‖h‖²/4 together are a small part of the value.
    pub fn all_positive(
        &self,
        mut multipliers: Multipliers,
        sweep: &Sweep,
        variables: impl Iterator<Item = (usize, usize)>,
    ) -> Multipliers {
        let mut sizes: Vec<Option<Vec<f64>>> = vec![None; multipliers.lambda.len()];
        for (a, j) in variables.filter(|(a, j)| multipliers.lambda[*a][*j] == 0.0).collect::<Vec<_>>() {
            let sizes = sizes[a].get_or_insert_with(|| floors(sweep.h_norms[a].column(0), self.h_limits[a].column(0)));
            let reach = self.network.slopes()[a][j].radius() * sizes[j];
            let share = (UNREAD * DEEPER.powi(i32::try_from(a).unwrap_or(i32::MAX))).max(SMALLEST);
            let smallest = share * sweep.value[0] / (reach * reach);
            multipliers.lambda[a][j] = if smallest.is_finite() { smallest } else { 0.0 };
        }
        multipliers
    }
}

/// Raises every norm to at least [`FLOOR`] times its neuron's conceivable size, measured by the most active neuron of the
/// layer: weights of one layer may span many orders of magnitude, and conceivable sizes of deep layers are far from real.
fn floors(norms: Vec<f64>, limits: Vec<f64>) -> Vec<f64> {
    let ratios = norms.iter().zip(&limits).filter(|(_, limit)| **limit > 0.0);
    let real = ratios.map(|(norm, limit)| norm / limit).fold(0.0, f64::max);
    norms.iter().zip(&limits).map(|(norm, limit)| norm.max(FLOOR * real * limit)).collect()
}
