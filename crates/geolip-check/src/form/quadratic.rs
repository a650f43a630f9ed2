//! The quadratic form behind a bound, assembled as a scaled matrix whose positive definiteness proves it.
//!
//! # The form
//!
//! With x the input and z_1, …, z_d the activations, h_a the pre-activations as linear functions of (x, z), U the rows of
//! the output functional (uᵀ alone, or all unit vectors for a norm of the output), w one homogenising variable per row
//! (a scalar t for one), and multipliers ζ, γ, λ ≥ 0,
//!
//! > q(w, x, z) = Σ ζᵢ wᵢ² + Σ γᵢ xᵢ² + Σⱼ λⱼ (zⱼ − αⱼ hⱼ)(zⱼ − βⱼ hⱼ) − 2 wᵀUy(x, z).
//!
//! **Claim.** If q ≥ 0 everywhere, then the FGL is at most √(ζ·Σγᵢ) for a functional in ℓ∞, √(ζ·γ) in ℓ2 (all γᵢ equal to
//! one γ), and in general the root of the product of both support functions ([`crate::form::support`]). *Proof.* Let
//! v ∈ \[α, β\] and z = v∘h, so that every (z − αh)(z − βh) ≤ 0. Then 2 wᵀUy ≤ Σ ζᵢ wᵢ² + Σ γᵢ xᵢ² for all w. With
//! w = t·u for u in the dual ball of the output norm (u = 1 for a functional), the minimum over t gives
//! (uᵀUy)² ≤ Σζᵢuᵢ²·Σγᵢxᵢ², which is at most ζ·Σγᵢ where u = 1 and all |xᵢ| ≤ 1, and so on. ∎
//! (GeoLIP, NeurIPS 2022, §4, in its dual form; LipSDP-Neuron with diagonal multipliers for ℓ2.)
//!
//! Expanding: row zⱼ, column zⱼ: λⱼ; row zⱼ, column k: −½ λⱼ (αⱼ+βⱼ) ∂hⱼ/∂k; rows and columns k, l: Σⱼ λⱼ αⱼ βⱼ
//! (∂hⱼ/∂k)(∂hⱼ/∂l); row wᵢ, column k: −∂(Uy)ᵢ/∂k. A neuron with fixed slope, or with h ≡ 0, is no variable
//! (see `coefficients.rs`). The block w comes last; what the elimination leaves of it has to be positive definite.
//!
//! # Rounding
//!
//! Rows and columns are scaled by powers of two to a diagonal in \[½, 2). Every computed entry differs from the exact one
//! by at most a small multiple of itself (or of the sum of absolute values behind it) plus the carried error of composed
//! weights, and of what underflows, by the rule of [`crate::rounding`]; `QuadraticForm::assemble` bounds the absolute row sums ε of these
//! differences in floating point (sums of non-negative terms, inflated by 10⁻⁶, which covers their own rounding: sums of up to
//! 4·10⁹ terms). With c from [`crate::form::elimination`], a positive elimination of (computed − diag(ε) − diag(c)) proves the exact
//! matrix positive semidefinite.
//!
//! An entry is a sum of contributions: at most one coupling, one curvature for every neuron that reads both variables, and the
//! first number of a diagonal. Each is rounded again whenever another is added on top, so the count of additions in `additions`
//! (the most neurons that read one variable) goes into the error of every contribution.

use crate::form::coefficients::{LayerForm, Parts, expand, free_neurons};
use crate::form::elimination::{BlockMatrix, NotPositive, eliminate_last, is_positive};
use crate::form::layer_weights::{LayerWeights, additions, products_pay};
use crate::form::partition::Partition;
use crate::matrix::{Matrix, Store, multiply};
use crate::problem::{Functional, InputNorm};
use crate::rounding::{Ball, TINY, UNIT, gamma_up, unit_scale, usable_scale};
use crate::slopes::SlopeNetwork;
use std::borrow::Cow;

/// The numbers that make a bound: see the [module](crate::form::quadratic) for the claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Multipliers {
    /// ζ ≥ 0, of the homogenising variables: a single one for a functional and the ℓ2 norm of the output, else one per
    /// output.
    pub zeta: Vec<f64>,
    /// γ ≥ 0: one per input for ℓ∞ and ℓp, a single one for ℓ2 and ℓ1.
    pub gamma: Vec<f64>,
    /// λ ≥ 0: one per neuron, grouped by activation layer in topological order.
    pub lambda: Vec<Vec<f64>>,
}

impl Multipliers {
    /// γ for each of `inputs` inputs.
    pub(crate) fn gamma_per_input(&self, norm: InputNorm, inputs: usize) -> Vec<f64> {
        match norm {
            InputNorm::Linf | InputNorm::Lp(_) => self.gamma.clone(),
            InputNorm::L2 | InputNorm::L1 => vec![self.gamma[0]; inputs],
        }
    }

    /// ζ for each of `rows` homogenising variables.
    pub(crate) fn zeta_per_row(&self, rows: usize) -> Vec<f64> {
        if self.zeta.len() == rows { self.zeta.clone() } else { vec![self.zeta[0]; rows] }
    }

    /// The same with every ζ multiplied by `factor`.
    fn with_zeta_times(&self, factor: f64) -> Self {
        Self { zeta: self.zeta.iter().map(|z| z * factor).collect(), ..self.clone() }
    }
}

/// Why a set of multipliers proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
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
    network: &'a SlopeNetwork,
    layers: Vec<LayerForm<'a>>,
    output: Parts<'a>,
    /// The number of variables per block: x, z_1, …, z_d, and one for w.
    sizes: Vec<usize>,
    /// At most so many contributions are added up in one entry.
    additions: usize,
    partition: Partition,
}

/// Bytes per pair of tiles in the search for an order of elimination, and in a matrix of blocks.
const BYTES_PER_PAIR: f64 = 64.0;

impl<'a> QuadraticForm<'a> {
    /// Expands a network.
    pub fn new(network: &'a SlopeNetwork) -> Self {
        Self::within(network, f64::INFINITY).expect("no limit")
    }

    /// Expands a slope network; none where that takes more than so many bytes.
    pub fn within(network: &'a SlopeNetwork, bytes: f64) -> Option<Self> {
        let slopes = network.slopes();
        // which tiles meet is a table of their pairs
        if BYTES_PER_PAIR * (slopes.len() as f64).powi(2) > bytes {
            return None;
        }
        let (layers, output) = expand(network, bytes)?;
        let sizes: Vec<usize> = std::iter::once(network.inputs())
            .chain(layers.iter().map(|l: &LayerForm<'_>| l.free.len()))
            .chain(std::iter::once(1))
            .collect();
        let additions = additions(&layers, &sizes);
        let partition = Partition::new(network, &layers, &output);
        Some(Self { network, layers, output, sizes, additions, partition })
    }

    /// The network.
    pub fn network(&self) -> &'a SlopeNetwork {
        self.network
    }

    /// (layer, neuron) of every neuron that is a variable: its slope is not fixed, and its pre-activation not structurally zero.
    pub fn free_neurons(&self) -> Vec<(usize, usize)> {
        free_neurons(&self.layers)
    }

    /// Multiply–adds of one elimination, and the most bytes it holds at once: an estimate, from the pattern of blocks.
    pub fn cost(&self) -> (f64, f64) {
        (self.partition.work(), self.partition.memory())
    }

    /// As [`Self::cost`], for a functional with so many rows: every tile meets them, and they come last.
    pub fn cost_with(&self, rows: usize) -> (f64, f64) {
        let (work, bytes) = self.cost();
        let (rows, variables) = ((rows - 1) as f64, self.sizes.iter().sum::<usize>() as f64);
        // a front of the square root of the elimination's own memory meets the rows at every variable
        let front = (bytes / 8.0).sqrt();
        (work + rows * variables * (front + rows), bytes + 8.0 * rows * (variables + rows))
    }

    /// The smallest multiple of the ζ given (all positive, or of variables that do not occur) with which they are proved
    /// together with these γ and λ, or none if no multiple is large enough. For the solver: the result is a proposal that
    /// [`crate::proof::check()`] has to accept.
    pub fn smallest_zeta(
        &self,
        norm: InputNorm,
        functional: &Functional,
        multipliers: &Multipliers,
    ) -> Option<Vec<f64>> {
        let mut trial = multipliers.clone();
        for _ in 0..3 {
            let left = self.eliminated(norm, functional, &trial).ok()?;
            let factor = left.smallest_factor()? * (1.0 + 1e-14);
            let next = trial.with_zeta_times(factor);
            // with the same scale the elimination repeats itself up to the last pivots
            let same = |(a, b): (&f64, &f64)| *a == 0.0 || unit_scale(*a) == unit_scale(*b);
            if !next.zeta.iter().all(|z| z.is_finite()) {
                return None;
            }
            if next.zeta.iter().zip(&trial.zeta).all(same) {
                return Some(next.zeta);
            }
            // with another scale so near it does, too, but for what rounding may cost: at most four times as much of ζ
            if (0.25..4.0).contains(&factor) {
                return Some(next.with_zeta_times((1.0 + 8.0 * left.error) * (1.0 + 1e-14)).zeta);
            }
            trial = next;
        }
        Some(trial.with_zeta_times(1.0 + 1e-9).zeta)
    }

    /// Whether the form of these multipliers is proved non-negative.
    pub(crate) fn prove(
        &self,
        norm: InputNorm,
        functional: &Functional,
        multipliers: &Multipliers,
    ) -> Result<(), Defect> {
        let last = self.sizes.len() - 1;
        let left = self.eliminated(norm, functional, multipliers)?.left;
        eliminate_last(left).map_err(|index| Defect::Pivot(NotPositive { block: last, index }))
    }

    /// What a positive elimination of all variables but w leaves.
    fn eliminated(
        &self,
        norm: InputNorm,
        functional: &Functional,
        multipliers: &Multipliers,
    ) -> Result<Remainder, Defect> {
        let (matrix, zeta, error) = self.assemble(norm, functional, multipliers)?;
        let left = matrix.eliminate().map_err(|NotPositive { block, index }| {
            let (block, index) = self.partition.variable(block, index);
            Defect::Pivot(NotPositive { block, index })
        })?;
        Ok(Remainder { left, zeta, error })
    }

    /// The scaled matrix with all error bounds subtracted from its diagonal, ζ in the scale of w, and what of these bounds is the
    /// elimination's own rounding of w.
    fn assemble(
        &self,
        norm: InputNorm,
        functional: &Functional,
        multipliers: &Multipliers,
    ) -> Result<(BlockMatrix, Vec<f64>, f64), Defect> {
        let last = self.sizes.len() - 1;
        let rows = functional.row_count(self.network.outputs());
        let weights: Vec<LayerWeights> =
            self.layers.iter().zip(&multipliers.lambda).map(|(l, lambda)| LayerWeights::new(l, lambda)).collect();
        // and once more for a sum of its own, and the few roundings of a product
        let per_sum = gamma_up(self.additions + 9);
        let target = self.target(functional);
        let diagonal = self.diagonal(norm, rows, multipliers, &weights);
        let scales = self.scales(&diagonal, &target)?;
        let mut tiles = self.partition.sizes().to_vec();
        *tiles.last_mut().expect("w has a tile") = rows;
        let mut matrix = BlockMatrix::zeros(tiles);
        let mut error = vec![Vec::new(); self.sizes.len()];
        for (block, (d, s)) in diagonal.own.iter().zip(&scales).enumerate() {
            error[block] = Vec::with_capacity(d.len());
            for (index, (d, s)) in d.iter().zip(s).enumerate() {
                // a variable that is not there (scale 0) stands as an isolated 1
                let (tile, place) = self.partition.place(block, index);
                let entry = if *s == 0.0 { 1.0 } else { d * (s * s) }; // s² is a power of two
                *matrix.diagonal_mut(tile, place) += entry;
                // what is left of it is at most 2, so that taking the errors off it rounds by at most 4u
                error[block].push(per_sum * entry + 8.0 * UNIT + TINY);
            }
        }
        let mut sum =
            Sum { partition: &self.partition, scales: &scales, per_sum, matrix: &mut matrix, error: &mut error };
        for (a, (layer, weights)) in self.layers.iter().zip(&weights).enumerate() {
            sum.add_layer(a + 1, layer, weights);
        }
        for (i, entries) in target.iter().enumerate() {
            let own = self.partition.place(last, i);
            for &Entry { block, index, value, error: value_error } in entries {
                let s = scales[last][i] * scales[block][index]; // a power of two
                matrix.add(own, self.partition.place(block, index), -value * s);
                // one rounding of the value itself (see `target`), and the product with s underflows or is exact
                let e = s * (2.0 * UNIT * value.abs() + value_error + TINY) + TINY;
                error[block][index] += e;
                error[last][i] += e;
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
            None => {
                let zeta = diagonal.own[last].iter().zip(&scales[last]).map(|(z, s)| z * s * s).collect();
                Ok((matrix, zeta, *backward.last().expect("w has a tile")))
            }
        }
    }

    /// ∂(Uy)ᵢ/∂variable with entrywise error bounds, row by row.
    fn target(&self, functional: &Functional) -> Vec<Vec<Entry>> {
        let rows = functional.rows(self.network.outputs());
        let row = |entries: Vec<(usize, f64)>| {
            let mut row = Vec::new();
            for part in &self.output {
                let n = self.sizes[part.block];
                let (mut values, mut errors) = (vec![0.0; n], vec![0.0; n]);
                // products with ±1 are exact, and the sum of two of them is rounded where it enters the matrix
                let rounded = entries.len() > 2 || entries.iter().any(|(_, u)| u.abs() != 1.0);
                let gamma = if rounded { gamma_up(entries.len() + 4) } else { 0.0 };
                for &(i, u) in &entries {
                    part.visit_row(i, |j, value, e| {
                        values[j] += u * value;
                        // (1 + 4γ) covers the roundings of these sums themselves; three products may underflow
                        errors[j] += match rounded {
                            true => (u.abs() * e + gamma * (u * value).abs() + TINY) * (1.0 + 4.0 * gamma),
                            false => e,
                        };
                    });
                }
                let pairs = values.into_iter().zip(errors).enumerate();
                let standing = pairs.filter(|(_, (value, error))| *value != 0.0 || *error != 0.0);
                let block = part.block;
                row.extend(standing.map(|(index, (value, error))| Entry { block, index, value, error }));
            }
            row
        };
        rows.into_iter().map(row).collect()
    }

    /// The diagonal of the form: what is certain to be added to it, and (for scaling) all of it.
    fn diagonal(&self, norm: InputNorm, rows: usize, multipliers: &Multipliers, weights: &[LayerWeights]) -> Diagonal {
        let mut own = vec![multipliers.gamma_per_input(norm, self.sizes[0])];
        own.extend(weights.iter().map(|w| w.lambda.clone()));
        own.push(multipliers.zeta_per_row(rows));
        let mut total = own.clone();
        for (layer, weights) in self.layers.iter().zip(weights) {
            if weights.curved {
                for part in &layer.h {
                    for (j, d) in weights.curvature.iter().map(|d| d.value).enumerate().filter(|(_, d)| *d != 0.0) {
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
    fn scales(&self, diagonal: &Diagonal, target: &[Vec<Entry>]) -> Result<Vec<Vec<f64>>, Defect> {
        let last = self.sizes.len() - 1;
        let some_are_zero = diagonal.total.iter().flatten().any(|v| *v == 0.0);
        let mut read = if some_are_zero { self.read(diagonal) } else { Vec::new() };
        if some_are_zero {
            target.iter().flatten().for_each(|entry| read[entry.block][entry.index] = true);
        }
        let unused = |block: usize, index: usize| {
            if block == last {
                return target[index].is_empty();
            }
            let absent = block > 0 && !self.layers[block - 1].free[index];
            absent || !read[block][index] && diagonal.own[block][index] == 0.0
        };
        let mut scales = Vec::with_capacity(self.sizes.len());
        for (block, total) in diagonal.total.iter().enumerate() {
            let mut scale = Vec::with_capacity(total.len());
            for (index, &v) in total.iter().enumerate() {
                scale.push(if v > 0.0 && v.is_finite() {
                    usable_scale(v).ok_or(Defect::Range { block, index })?
                } else if v == 0.0 && unused(block, index) {
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

/// What an elimination leaves of the block w, and ζ in the scale of w.
struct Remainder {
    /// Scaled ζ − C, with C what the other variables take away, all error bounds included; lower triangle.
    left: Matrix,
    zeta: Vec<f64>,
    /// What was taken off its diagonal for the elimination's own rounding.
    error: f64,
}

/// Halvings of the interval in which a factor is looked for.
const HALVINGS: usize = 44;

impl Remainder {
    /// The smallest s found for which s·ζ − C is positive definite.
    fn smallest_factor(&self) -> Option<f64> {
        if let ([zeta], true) = (self.zeta.as_slice(), self.left.rows() == 1) {
            let factor = (zeta - self.left.at(0, 0)) / zeta;
            return Some(factor).filter(|f| is_positive(*f));
        }
        let works = |s: f64| {
            let mut left = self.left.clone();
            self.zeta.iter().enumerate().for_each(|(i, z)| *left.at_mut(i, i) += (s - 1.0) * z);
            eliminate_last(left).is_ok()
        };
        let (mut low, mut high) = (0.0, 1.0);
        while !works(high) {
            (low, high) = (high, 2.0 * high);
            if high > 1e30 {
                return None;
            }
        }
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if works(middle) { high = middle } else { low = middle }
        }
        Some(high * (1.0 + 1e-13))
    }
}

/// A matrix in the making: where entries go, how they are scaled, and what they may be off by, per variable.
struct Sum<'a> {
    partition: &'a Partition,
    scales: &'a [Vec<f64>],
    /// The relative error of a contribution to an entry, in all additions.
    per_sum: f64,
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

impl Sum<'_> {
    /// Adds layer `a`, and to `error` the absolute row sums of what its entries may be off by.
    ///
    /// With v the scaled row ∂h/∂k of neuron j, off by at most E (its own error, scaled, and [`TINY`] for the underflow of
    /// scaling), and σ the rounding of a product and of all additions to an entry,
    ///
    /// * coupling, row zⱼ, with w = ½λ(α+β) in the scale of zⱼ, off by at most e: w v is off by |w|E + e(|v| + E) + σ|w v| + η;
    /// * curvature with κ = λαβ, off by at most e: κ v_k v_l is off by (|κ| + e)(E_k|v_l| + (|v_k| + E_k)E_l) + (e + σ|κ|)|v_k||v_l|
    ///   + η(|v_k| + |v_l| + 1), whichever of the two products is formed first.
    fn add_layer(&mut self, a: usize, layer: &LayerForm<'_>, weights: &LayerWeights) {
        let by_products = weights.curved && products_pay(layer, weights);
        let mut row: Vec<Entry> = Vec::new();
        for j in 0..layer.free.len() {
            if weights.lambda[j] == 0.0 {
                continue; // no contribution at all
            }
            let scaled = Ball::exact(weights.lambda[j]).times(Ball::exact(self.scales[a][j]));
            let (coupling, curvature) = (weights.middle[j].times(scaled), weights.curvature[j]);
            row.clear();
            for part in &layer.h {
                let scales = &self.scales[part.block];
                part.visit_row(j, |index, value, error| {
                    let (value, error) = (value * scales[index], error * scales[index] + TINY);
                    row.push(Entry { block: part.block, index, value, error });
                });
            }
            let (value_sum, error_sum) =
                row.iter().fold((0.0, 0.0), |(v, e), entry| (v + entry.value.abs(), e + entry.error));
            let w = coupling.magnitude();
            // rounding of w·v in all, relative to v
            let off = coupling.error + self.per_sum * w + TINY;
            let count = row.len() as f64;
            self.error[a][j] += w * error_sum + off * value_sum + count * TINY;
            let (mut per_value, mut per_error, mut per_entry) = (off, w, TINY);
            if curvature != Ball::exact(0.0) {
                let (k, off) = (curvature.magnitude(), curvature.error + self.per_sum * curvature.magnitude() + TINY);
                per_value += k * error_sum + off * value_sum + count * TINY;
                per_error += k * (value_sum + error_sum);
                per_entry += (value_sum + count) * TINY;
            }
            for entry in &row {
                self.error[entry.block][entry.index] +=
                    per_value * entry.value.abs() + per_error * entry.error + per_entry;
            }
            if coupling.value != 0.0 {
                self.couple(a, j, coupling.value, &row);
            }
            if curvature.value != 0.0 && !by_products {
                self.curve(curvature.value, &row);
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

    /// The same for all rows of a layer, as products of matrices: where blocks are cut, through a sum of its own for this layer.
    ///
    /// A contribution to such a sum is rounded once more in it than without, when the sum is added.
    fn curve_by_products(&mut self, layer: &LayerForm<'_>, weights: &LayerWeights) {
        let scaled = |block: usize, values: &Matrix, factor: &dyn Fn(usize) -> f64| {
            let scales = &self.scales[block];
            Matrix::from_fn(values.rows(), values.cols(), |j, k| factor(j) * (values.at(j, k) * scales[k]))
        };
        let parts: Vec<(usize, Cow<'_, Matrix>)> =
            layer.h.iter().map(|part| (part.block, part.dense_values())).collect();
        let plain: Vec<Matrix> = parts.iter().map(|(block, values)| scaled(*block, values, &|_| 1.0)).collect();
        let weighted: Vec<Matrix> =
            parts.iter().map(|(block, values)| scaled(*block, values, &|j| weights.curvature[j].value)).collect();
        for ((left, _), weighted) in parts.iter().zip(&weighted) {
            for ((right, _), plain) in parts.iter().zip(&plain) {
                let whole = self.partition.whole(*left).is_some() && self.partition.whole(*right).is_some();
                match self.target(*left, *right) {
                    Some((row, col)) => {
                        multiply(self.matrix.block_mut(row, col), Store::Add, 1.0, weighted.t(), plain.view());
                    }
                    None if whole || left < right => {} // the same pair the other way round
                    None => {
                        let mut sum = Matrix::zeros(weighted.cols(), plain.cols());
                        multiply(&mut sum, Store::Replace, 1.0, weighted.t(), plain.view());
                        self.scatter(*left, *right, &sum);
                    }
                }
            }
        }
    }

    /// Adds the entries of two blocks, of which at least one is cut; of a symmetric matrix, the lower half.
    fn scatter(&mut self, left: usize, right: usize, entries: &Matrix) {
        let columns: Vec<_> = (0..entries.cols()).map(|l| self.partition.place(right, l)).collect();
        for k in 0..entries.rows() {
            let row = self.partition.place(left, k);
            let end = if left == right { k + 1 } else { columns.len() };
            for (column, entry) in columns[..end].iter().zip(entries.row(k)).filter(|(_, entry)| **entry != 0.0) {
                self.matrix.add(row, *column, *entry);
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
