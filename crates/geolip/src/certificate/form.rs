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
use super::coefficients::{LayerForm, Parts, expand};
use super::partition::Partition;
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

impl Multipliers {
    /// γ for each of `inputs` inputs.
    pub(super) fn gamma_per_input(&self, norm: InputNorm, inputs: usize) -> Vec<f64> {
        match norm {
            InputNorm::Linf => self.gamma.clone(),
            InputNorm::L2 => vec![self.gamma[0]; inputs],
        }
    }
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
    partition: Partition,
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
        let partition = Partition::new(network, &layers, &output);
        Self { network, layers, output, sizes, partition }
    }

    /// The network.
    pub fn network(&self) -> &'a Network {
        self.network
    }

    /// Multiply–adds of one elimination, and the most bytes it holds at once: an estimate, from the pattern of blocks.
    pub fn cost(&self) -> (f64, f64) {
        (self.partition.work(), self.partition.memory())
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
        let left = matrix.eliminate().map_err(|NotPositive { block, index }| {
            let (block, index) = self.partition.variable(block, index);
            Defect::Pivot(NotPositive { block, index })
        })?;
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
        let mut matrix = BlockMatrix::zeros(self.partition.sizes().to_vec());
        let mut error = vec![Vec::new(); self.sizes.len()];
        for (block, (d, s)) in diagonal.own.iter().zip(&scales).enumerate() {
            for (index, (d, s)) in d.iter().zip(s).enumerate() {
                // a variable that is not there (scale 0) stands as an isolated 1
                let (tile, place) = self.partition.place(block, index);
                *matrix.diagonal_mut(tile, place) += if *s == 0.0 { 1.0 } else { d * s * s };
            }
            error[block] = vec![UNDERFLOW + 4.0 * UNIT; self.sizes[block]]; // the diagonal's own few roundings
        }
        let mut sum = Sum { partition: &self.partition, scales: &scales, matrix: &mut matrix, error: &mut error };
        for (a, (layer, weights)) in self.layers.iter().zip(&weights).enumerate() {
            sum.add_layer(a + 1, layer, weights, self.layers.len());
        }
        let (t, t_place) = (scales[last][0], self.partition.place(last, 0));
        for (block, (row, row_error)) in target.iter().enumerate() {
            for (j, (value, value_error)) in row.iter().zip(row_error).enumerate() {
                if *value != 0.0 || *value_error != 0.0 {
                    let s = t * scales[block][j];
                    matrix.add(t_place, self.partition.place(block, j), -value * s);
                    let e = s * (2.0 * UNIT * value.abs() + value_error);
                    error[block][j] += e;
                    error[last][0] += e;
                }
            }
        }
        let backward = matrix.backward_error();
        for (block, errors) in error.iter().enumerate() {
            for (index, e) in errors.iter().enumerate() {
                let (tile, place) = self.partition.place(block, index);
                *matrix.diagonal_mut(tile, place) -= e * 1.000_001 + backward[tile];
            }
        }
        match matrix.oversized() {
            Some((tile, place)) => {
                let (block, index) = self.partition.variable(tile, place);
                Err(Defect::Range { block, index })
            }
            None => Ok((matrix, t)),
        }
    }

    /// ∂(uᵀy)/∂block with an entrywise error bound, per block; empty where the output does not read the block.
    fn target(&self, functional: Functional) -> Vec<(Vec<f64>, Vec<f64>)> {
        let mut target = vec![(Vec::new(), Vec::new()); self.sizes.len()];
        for part in &self.output {
            let n = self.sizes[part.block];
            let (mut row, mut error) = (vec![0.0; n], vec![0.0; n]);
            for (i, u) in functional.entries() {
                part.visit_row(i, |j, value, e| {
                    row[j] += u * value;
                    error[j] += u.abs() * e;
                });
            }
            target[part.block] = (row, error);
        }
        target
    }

    /// The diagonal of the form: what is certain to be added to it, and (for scaling) all of it.
    fn diagonal(&self, norm: InputNorm, multipliers: &Multipliers, weights: &[LayerWeights]) -> Diagonal {
        let mut own = vec![multipliers.gamma_per_input(norm, self.sizes[0])];
        own.extend(weights.iter().map(|w| w.lambda.clone()));
        own.push(vec![multipliers.zeta]);
        let mut total = own.clone();
        for (layer, weights) in self.layers.iter().zip(weights) {
            if weights.curved {
                for part in &layer.h {
                    for (j, d) in weights.curvature.iter().enumerate().filter(|(_, d)| **d != 0.0) {
                        part.visit_row(j, |k, a, _| total[part.block][k] += d * a * a);
                    }
                }
            }
        }
        Diagonal { own, total }
    }

    /// Per block, the variables that a neuron with a multiplier reads.
    fn read(&self, diagonal: &Diagonal) -> Vec<Vec<bool>> {
        let mut read: Vec<Vec<bool>> = self.sizes.iter().map(|n| vec![false; *n]).collect();
        for (layer, own) in self.layers.iter().zip(&diagonal.own[1..]) {
            for part in &layer.h {
                for j in (0..part.rows()).filter(|j| own[*j] != 0.0) {
                    part.visit_row(j, |k, _, _| read[part.block][k] = true);
                }
            }
        }
        read
    }

    /// One power of two per variable; 0 for variables that do not occur in the form at all.
    fn scales(&self, diagonal: &Diagonal, target: &[(Vec<f64>, Vec<f64>)]) -> Result<Vec<Vec<f64>>, Defect> {
        let last = self.sizes.len() - 1;
        let read = if diagonal.total.iter().flatten().any(|v| *v == 0.0) { self.read(diagonal) } else { Vec::new() };
        let unused = |block: usize, index: usize| {
            let absent = block > 0 && block < last && !self.layers[block - 1].free[index];
            let (row, error) = &target[block];
            let untouched = row.get(index).is_none_or(|v| *v == 0.0) && error.get(index).is_none_or(|e| *e == 0.0);
            absent || untouched && !read[block][index] && diagonal.own[block][index] == 0.0
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

/// A matrix in the making: where entries go, how they are scaled, and what they may be off by, per variable.
struct Sum<'a> {
    partition: &'a Partition,
    scales: &'a [Vec<f64>],
    matrix: &'a mut BlockMatrix,
    error: &'a mut [Vec<f64>],
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

impl Sum<'_> {
    /// Adds layer `a`, and to `error` the absolute row sums of what its entries may be off by.
    ///
    /// Coupling, row zⱼ: w·(∂h/∂k) with w = ½λ(α+β) is rounded at most four times (α+β, ½λ·, ·∂h, the sum over the layers
    /// that contribute), and ∂h/∂k itself may be off by E. Curvature: γ_{n+…}-sums of |∂h|ᵀ|λαβ||∂h|, and E on either side.
    fn add_layer(&mut self, a: usize, layer: &LayerForm<'_>, weights: &LayerWeights, layers: usize) {
        let per_entry = (8 + layers) as f64 * UNIT;
        let per_sum = gamma_up(layer.free.len() + 8 + layers);
        let by_products = weights.curved
            && layer.h.iter().all(|part| self.target(part.block, part.block).is_some())
            && layer.h.iter().all(|part| part.as_dense().is_some());
        let mut row: Vec<Entry> = Vec::new();
        for j in 0..layer.free.len() {
            let (coupling, curvature) = (weights.coupling[j] * self.scales[a][j], weights.curvature[j]);
            if coupling == 0.0 && curvature == 0.0 {
                continue;
            }
            row.clear();
            for part in &layer.h {
                let scales = &self.scales[part.block];
                part.visit_row(j, |index, value, error| {
                    let (value, error) = (value * scales[index], error * scales[index]);
                    row.push(Entry { block: part.block, index, value, error });
                });
            }
            let (value_sum, error_sum) =
                row.iter().fold((0.0, 0.0), |(v, e), entry| (v + entry.value.abs(), e + entry.error));
            let (w, curved) = (coupling.abs(), curvature.abs());
            self.error[a][j] += w * (per_entry * value_sum + error_sum);
            let per_value = w * per_entry + curved * (per_sum * value_sum + error_sum);
            let per_error = w + curved * (value_sum + error_sum);
            for entry in &row {
                self.error[entry.block][entry.index] += per_value * entry.value.abs() + per_error * entry.error;
            }
            self.couple(a, j, coupling, &row);
            if curvature != 0.0 && !by_products {
                self.curve(curvature, &row);
            }
        }
        if by_products {
            self.curve_by_products(layer, weights);
        }
    }

    /// The tile pair of two blocks, row not before column, if neither is cut.
    fn target(&self, row: usize, col: usize) -> Option<(usize, usize)> {
        let (row, col) = (self.partition.whole(row)?, self.partition.whole(col)?);
        (row >= col).then_some((row, col))
    }

    /// Row zⱼ: −coupling·(∂h/∂k).
    fn couple(&mut self, a: usize, j: usize, coupling: f64, row: &[Entry]) {
        let own = self.partition.place(a, j);
        for part in row.chunk_by(|x, y| x.block == y.block) {
            match self.target(a, part[0].block) {
                Some((tile, other)) => {
                    let target = self.matrix.block_mut(tile, other).row_mut(j);
                    part.iter().for_each(|entry| target[entry.index] -= coupling * entry.value);
                }
                None => {
                    for entry in part {
                        self.matrix.add(own, self.partition.place(entry.block, entry.index), -coupling * entry.value);
                    }
                }
            }
        }
    }

    /// λⱼ αⱼ βⱼ (∂hⱼ/∂k)(∂hⱼ/∂l) for all k and l.
    fn curve(&mut self, curvature: f64, row: &[Entry]) {
        let places: Vec<_> = row.iter().map(|entry| self.partition.place(entry.block, entry.index)).collect();
        for (at, left) in row.iter().enumerate() {
            let weighted = curvature * left.value;
            for (other, right) in row[..=at].iter().enumerate() {
                self.matrix.add(places[at], places[other], weighted * right.value);
            }
        }
    }

    /// The same for all rows of a layer whose parts are dense and whose blocks are not cut.
    fn curve_by_products(&mut self, layer: &LayerForm<'_>, weights: &LayerWeights) {
        let scaled = |block: usize, values: &Matrix, factor: &dyn Fn(usize) -> f64| {
            let scales = &self.scales[block];
            Matrix::from_fn(values.rows(), values.cols(), |j, k| factor(j) * (values.at(j, k) * scales[k]))
        };
        let parts = || layer.h.iter().filter_map(|part| Some((part.block, part.as_dense()?.0)));
        let plain: Vec<Matrix> = parts().map(|(block, values)| scaled(block, values, &|_| 1.0)).collect();
        let weighted: Vec<Matrix> =
            parts().map(|(block, values)| scaled(block, values, &|j| weights.curvature[j])).collect();
        for (left, weighted) in layer.h.iter().zip(&weighted) {
            for (right, plain) in layer.h.iter().zip(&plain) {
                if let Some((row, col)) = self.target(left.block, right.block) {
                    multiply(self.matrix.block_mut(row, col), Store::Add, 1.0, weighted.t(), plain.view());
                }
            }
        }
    }
}

/// A scaled coefficient of one row of a layer.
struct Entry {
    block: usize,
    index: usize,
    value: f64,
    error: f64,
}
