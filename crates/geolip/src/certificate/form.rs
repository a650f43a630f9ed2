//! The quadratic form behind a bound, assembled as a scaled matrix whose positive definiteness proves it.
//!
//! # The form
//!
//! With t a homogenising scalar, x the input and z_1, …, z_d the activations, h_a the pre-activations as linear functions
//! of (x, z), u the output functional, and multipliers ζ, γ, λ ≥ 0,
//!
//! > q(t, x, z) = ζ t² + Σ γᵢ xᵢ² + Σⱼ λⱼ (zⱼ − αⱼ hⱼ)(zⱼ − βⱼ hⱼ) − 2 t uᵀy(x, z).
//!
//! **Claim.** If q ≥ 0 everywhere, then the FGL of uᵀy is at most √(ζ·Σγᵢ) for ℓ∞ and √(ζ·γ) for ℓ2 (all γᵢ equal to one
//! γ). *Proof.* Let v ∈ \[α, β\] and z = v∘h, so that every (z − αh)(z − βh) ≤ 0. Then 2 t uᵀy ≤ ζ t² + Σ γᵢ xᵢ² for all
//! t, and the minimum over t gives (uᵀy)² ≤ ζ·Σγᵢxᵢ², which is at most ζ·Σγᵢ where all |xᵢ| ≤ 1, and ζγ‖x‖². ∎
//! (GeoLIP, NeurIPS 2022, §4, in its dual form; LipSDP-Neuron with diagonal multipliers for ℓ2.)
//!
//! Expanding: row zⱼ, column zⱼ: λⱼ; row zⱼ, column k: −½ λⱼ (αⱼ+βⱼ) ∂hⱼ/∂k; rows and columns k, l: Σⱼ λⱼ αⱼ βⱼ
//! (∂hⱼ/∂k)(∂hⱼ/∂l); row t, column k: −∂(uᵀy)/∂k. A neuron with fixed slope, or with h ≡ 0, is no variable
//! (see `coefficients.rs`).
//!
//! # Rounding
//!
//! Rows and columns are scaled by powers of two to a diagonal in \[½, 2). Every computed entry differs from the exact one
//! by at most a small multiple of itself (or of the sum of absolute values behind it) plus the carried error of composed
//! weights; `QuadraticForm::assemble` bounds the absolute row sums ε of these differences in floating point (sums of
//! non-negative terms, inflated by 10⁻⁶, which covers their own rounding). With c from [`super::cholesky`], a positive
//! elimination of (computed − diag(ε) − diag(c)) proves the exact matrix positive semidefinite.

use super::cholesky::{BlockMatrix, NotPositive, is_positive};
use super::coefficients::{LayerForm, Part, Parts, expand};
use super::rounding::{UNIT, gamma_up, unit_scale};
use crate::matrix::{Matrix, Store, multiply};
use crate::network::Network;
use crate::problem::{Functional, InputNorm};

/// The numbers that make a bound: see the [module](crate::certificate::form) for the claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Multipliers {
    /// ζ ≥ 0, of the homogenising variable.
    pub zeta: f64,
    /// γ ≥ 0: one per input for ℓ∞, a single one for ℓ2.
    pub gamma: Vec<f64>,
    /// λ ≥ 0: one per neuron, grouped by activation layer in topological order.
    pub lambda: Vec<Vec<f64>>,
}

/// Why a set of multipliers proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// A variable with a zero (or negative) diagonal entry occurs elsewhere in the form.
    Diagonal { block: usize, index: usize },
    /// A multiplier is so small, or cancels so badly, that scaling would lose its meaning.
    Range { block: usize, index: usize },
    /// The elimination met a pivot that is not positive.
    Pivot(NotPositive),
}

/// A network's pre-activations and output as linear functions of the variables, made once and used for every functional
/// and every set of multipliers.
#[derive(Clone, Debug)]
pub struct QuadraticForm<'a> {
    network: &'a Network,
    layers: Vec<LayerForm<'a>>,
    output: Parts<'a>,
    /// The number of variables per block: x, z_1, …, z_d, t.
    sizes: Vec<usize>,
}

/// Largest scale taken: beyond it, multipliers are too small for the underflow argument in `assemble`.
const LARGEST_SCALE: f64 = 1.0e120; // < 2^400
/// Covers every underflow: at most 2⁻¹⁰⁷⁴ per operation before scaling by at most 2^800, fewer than 2^60 operations.
const UNDERFLOW: f64 = 1.0e-60;

impl<'a> QuadraticForm<'a> {
    /// Expands a network.
    pub fn new(network: &'a Network) -> Self {
        let (layers, output) = expand(network);
        let sizes = std::iter::once(network.inputs())
            .chain(layers.iter().map(|l: &LayerForm<'_>| l.free.len()))
            .chain(std::iter::once(1))
            .collect();
        Self { network, layers, output, sizes }
    }

    /// The network.
    pub fn network(&self) -> &'a Network {
        self.network
    }

    /// The smallest ζ with which these γ and λ are proved (the ζ given is a first guess, and must be positive), or none if
    /// no ζ is large enough. For the solver: the result is a proposal that [`super::check()`] has to accept.
    pub fn smallest_zeta(&self, norm: InputNorm, functional: Functional, multipliers: &Multipliers) -> Option<f64> {
        let mut trial = multipliers.clone();
        for _ in 0..3 {
            let surplus = self.surplus(norm, functional, &trial).ok()?;
            let zeta = (trial.zeta - surplus) * (1.0 + 1e-14);
            if !is_positive(zeta) {
                return None;
            }
            // with the same scale the elimination repeats itself up to the last pivot
            if unit_scale(zeta) == unit_scale(trial.zeta) {
                return Some(zeta);
            }
            trial.zeta = zeta;
        }
        Some(trial.zeta * (1.0 + 1e-9))
    }

    /// What a positive elimination leaves of t's diagonal entry, in units of ζ: q with ζ replaced by ζ − (this) is still
    /// (barely) proved non-negative. Positive means proved as it stands.
    pub(super) fn surplus(
        &self,
        norm: InputNorm,
        functional: Functional,
        multipliers: &Multipliers,
    ) -> Result<f64, Defect> {
        let (matrix, scale_t) = self.assemble(norm, functional, multipliers)?;
        let left = matrix.eliminate().map_err(Defect::Pivot)?;
        Ok(if scale_t == 0.0 { left } else { left / scale_t / scale_t })
    }

    /// The scaled matrix with all error bounds subtracted from its diagonal, and the scale of t.
    fn assemble(
        &self,
        norm: InputNorm,
        functional: Functional,
        multipliers: &Multipliers,
    ) -> Result<(BlockMatrix, f64), Defect> {
        let last = self.sizes.len() - 1;
        let weights: Vec<LayerWeights> =
            self.layers.iter().zip(&multipliers.lambda).map(|(l, lambda)| LayerWeights::new(l, lambda)).collect();
        let target = self.target(functional);
        let diagonal = self.diagonal(norm, multipliers, &weights);
        let scales = self.scales(&diagonal, &target)?;
        let mut matrix = BlockMatrix::zeros(self.sizes.clone());
        let mut error = vec![Vec::new(); self.sizes.len()];
        for (block, (d, s)) in diagonal.own.iter().zip(&scales).enumerate() {
            // a variable that is not there (scale 0) stands as an isolated 1
            let scaled = d.iter().zip(s).map(|(d, s)| if *s == 0.0 { 1.0 } else { d * s * s });
            matrix.add_diagonal(block, scaled);
            error[block] = vec![UNDERFLOW + 4.0 * UNIT; self.sizes[block]]; // the diagonal's own few roundings
        }
        for (a, (layer, weights)) in self.layers.iter().zip(&weights).enumerate() {
            add_layer(&mut matrix, &mut error, a + 1, layer, weights, &scales, self.layers.len());
        }
        for (block, (row, row_error)) in target.iter().enumerate().filter(|(_, (row, _))| !row.is_empty()) {
            let t = scales[last][0];
            let entries = matrix.block_mut(last, block).row_mut(0);
            for (j, entry) in entries.iter_mut().enumerate() {
                let s = t * scales[block][j];
                *entry = -row[j] * s;
                let e = s * (2.0 * UNIT * row[j].abs() + row_error[j]);
                error[block][j] += e;
                error[last][0] += e;
            }
        }
        let backward = matrix.backward_error();
        for (block, errors) in error.iter().enumerate() {
            matrix.add_diagonal(block, errors.iter().map(|e| -(e * 1.000_001 + backward[block])));
        }
        match matrix.oversized() {
            Some((block, index)) => Err(Defect::Range { block, index }),
            None => Ok((matrix, scales[last][0])),
        }
    }

    /// ∂(uᵀy)/∂block with an entrywise error bound, per block; empty where the output does not read the block.
    fn target(&self, functional: Functional) -> Vec<(Vec<f64>, Vec<f64>)> {
        let mut target = vec![(Vec::new(), Vec::new()); self.sizes.len()];
        for part in &self.output {
            let n = self.sizes[part.block];
            let (mut row, mut error) = (vec![0.0; n], vec![0.0; n]);
            let dense = part.dense();
            for (i, u) in functional.entries() {
                row.iter_mut().zip(dense.row(i)).for_each(|(r, v)| *r += u * v);
                if let Some(e) = &part.error {
                    error.iter_mut().zip(e.row(i)).for_each(|(r, e)| *r += u.abs() * e);
                }
            }
            target[part.block] = (row, error);
        }
        target
    }

    /// The diagonal of the form: what is certain to be added to it, and (for scaling) all of it.
    fn diagonal(&self, norm: InputNorm, multipliers: &Multipliers, weights: &[LayerWeights]) -> Diagonal {
        let gamma = match norm {
            InputNorm::Linf => multipliers.gamma.clone(),
            InputNorm::L2 => vec![multipliers.gamma[0]; self.sizes[0]],
        };
        let mut own = vec![gamma];
        own.extend(weights.iter().map(|w| w.lambda.clone()));
        own.push(vec![multipliers.zeta]);
        let mut total = own.clone();
        for (layer, weights) in self.layers.iter().zip(weights) {
            if weights.curved {
                for part in &layer.h {
                    let dense = part.dense();
                    for (j, d) in weights.curvature.iter().enumerate().filter(|(_, d)| **d != 0.0) {
                        total[part.block].iter_mut().zip(dense.row(j)).for_each(|(t, a)| *t += d * a * a);
                    }
                }
            }
        }
        Diagonal { own, total }
    }

    /// One power of two per variable; 0 for variables that do not occur in the form at all.
    fn scales(&self, diagonal: &Diagonal, target: &[(Vec<f64>, Vec<f64>)]) -> Result<Vec<Vec<f64>>, Defect> {
        let last = self.sizes.len() - 1;
        let unused = |block: usize, index: usize| {
            let absent = block > 0 && block < last && !self.layers[block - 1].free[index];
            let (row, error) = &target[block];
            let untouched = row.get(index).is_none_or(|v| *v == 0.0) && error.get(index).is_none_or(|e| *e == 0.0);
            // nothing multiplies the variable: no layer that reads it has a multiplier, nor has it one itself
            let unread = self.layers.iter().enumerate().all(|(a, layer)| {
                layer
                    .h
                    .iter()
                    .filter(|part| part.block == block)
                    .all(|part| (0..part.rows()).all(|j| diagonal.own[a + 1][j] == 0.0 || part.is_zero(j, index)))
            });
            absent || untouched && unread && diagonal.own[block][index] == 0.0
        };
        let t_unused = || target.iter().all(|(row, error)| row.iter().chain(error).all(|v| *v == 0.0));
        let mut scales = Vec::with_capacity(self.sizes.len());
        for (block, total) in diagonal.total.iter().enumerate() {
            let mut scale = Vec::with_capacity(total.len());
            for (index, &v) in total.iter().enumerate() {
                scale.push(if v > 0.0 && v.is_finite() {
                    Some(unit_scale(v)).filter(|s| *s <= LARGEST_SCALE).ok_or(Defect::Range { block, index })?
                } else if v == 0.0 && if block == last { t_unused() } else { unused(block, index) } {
                    0.0
                } else {
                    return Err(Defect::Diagonal { block, index });
                });
            }
            scales.push(scale);
        }
        Ok(scales)
    }
}

/// Diagonal entries per block.
struct Diagonal {
    /// ζ, γ, λ.
    own: Vec<Vec<f64>>,
    /// With what the curvature of later layers adds, in plain floating point: for choosing scales only.
    total: Vec<Vec<f64>>,
}

/// A layer's multipliers in the combinations the form needs.
struct LayerWeights {
    /// λⱼ, zero for neurons that are no variables.
    lambda: Vec<f64>,
    /// ½ λⱼ (αⱼ + βⱼ)
    coupling: Vec<f64>,
    /// λⱼ αⱼ βⱼ
    curvature: Vec<f64>,
    /// Whether any curvature is non-zero.
    curved: bool,
}

impl LayerWeights {
    fn new(layer: &LayerForm<'_>, lambda: &[f64]) -> Self {
        let lambda: Vec<f64> = lambda.iter().zip(&layer.free).map(|(l, free)| if *free { *l } else { 0.0 }).collect();
        let with_slopes = |f: fn(f64, f64) -> f64| {
            lambda.iter().zip(&layer.slopes).map(|(l, s)| l * f(s.lower, s.upper)).collect::<Vec<f64>>()
        };
        let curvature = with_slopes(|a, b| a * b);
        let curved = curvature.iter().any(|d| *d != 0.0);
        Self { coupling: with_slopes(|a, b| 0.5 * (a + b)), curvature, curved, lambda }
    }
}

/// Adds layer `a` to the scaled matrix, and to `error` the absolute row sums of what its entries may be off by.
///
/// Coupling, row zⱼ: w·(∂h/∂k) with w = ½λ(α+β) is rounded at most four times (α+β, ½λ·, ·∂h, the sum over the layers
/// that contribute), and ∂h/∂k itself may be off by E. Curvature: γ_{n+…}-sums of |∂h|ᵀ|λαβ||∂h|, and E on either side.
fn add_layer(
    matrix: &mut BlockMatrix,
    error: &mut [Vec<f64>],
    a: usize,
    layer: &LayerForm<'_>,
    weights: &LayerWeights,
    scales: &[Vec<f64>],
    layers: usize,
) {
    let per_entry = (8 + layers) as f64 * UNIT;
    let per_sum = gamma_up(layer.free.len() + 8 + layers);
    let mut row = Vec::new();
    for j in 0..layer.free.len() {
        let (coupling, curvature) = (weights.coupling[j] * scales[a][j], weights.curvature[j].abs());
        if coupling == 0.0 && curvature == 0.0 {
            continue;
        }
        let w = coupling.abs();
        let (mut value_sum, mut error_sum) = (0.0, 0.0);
        for part in &layer.h {
            part.scaled_row(j, &scales[part.block], &mut row);
            let target = matrix.block_mut(a, part.block).row_mut(j);
            target.iter_mut().zip(&row).for_each(|(t, v)| *t -= coupling * v);
            value_sum += sum_abs(&row);
            if let Some(e) = &part.error {
                error_sum += e.row(j).iter().zip(&scales[part.block]).map(|(e, s)| e * s).sum::<f64>();
            }
        }
        error[a][j] += w * (per_entry * value_sum + error_sum);
        let per_value = w * per_entry + curvature * (per_sum * value_sum + error_sum);
        let per_error = w + curvature * (value_sum + error_sum);
        for part in &layer.h {
            part.scaled_row(j, &scales[part.block], &mut row);
            error[part.block].iter_mut().zip(&row).for_each(|(e, v)| *e += per_value * v.abs());
            if let Some(carried) = &part.error {
                let entries = carried.row(j).iter().zip(&scales[part.block]);
                error[part.block].iter_mut().zip(entries).for_each(|(e, (c, s))| *e += per_error * c * s);
            }
        }
    }
    if weights.curved {
        add_curvature(matrix, layer, weights, scales);
    }
}

/// Σⱼ λⱼ αⱼ βⱼ (∂hⱼ/∂k)(∂hⱼ/∂l), scaled.
fn add_curvature(matrix: &mut BlockMatrix, layer: &LayerForm<'_>, weights: &LayerWeights, scales: &[Vec<f64>]) {
    let scaled = |part: &Part<'_>, factor: &dyn Fn(usize) -> f64| {
        let mut row = Vec::new();
        let mut data = Vec::new();
        for j in 0..part.rows() {
            part.scaled_row(j, &scales[part.block], &mut row);
            data.extend(row.iter().map(|v| factor(j) * v));
        }
        Matrix::from_vec(part.rows(), scales[part.block].len(), data)
    };
    for (at, left) in layer.h.iter().enumerate() {
        let weighted = scaled(left, &|j| weights.curvature[j]);
        for right in &layer.h[..=at] {
            let target = matrix.block_mut(left.block, right.block);
            multiply(target, Store::Add, 1.0, weighted.t(), scaled(right, &|_| 1.0).view());
        }
    }
}

/// Σ |v|, with several running sums so that it vectorises.
fn sum_abs(values: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|v| v.abs()).sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(s, v)| *s += v.abs());
    }
    sums.iter().sum::<f64>() + rest
}
