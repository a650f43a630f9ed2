//! The proof that q ≥ 0: the pre-activations h = H v are put in as functions of the variables v, and the matrix M of what results is eliminated.
//!
//! With F the matrix of q over variables and pre-activations, in blocks F_vv, F_hv and F_hh,
//!
//! > M = F_vv + U + Uᵀ, U = Hᵀ C, C = F_hv + ½ F_hh H.
//!
//! # Rounding
//!
//! Let B = (I; H), so that M = Bᵀ F B, and let a bar stand for a bound on all absolute values that a matrix may have. F is known up to E (`atoms.rs`) and H up
//! to E_H ([`crate::form::coefficients`]); E_B = (0; E_H). Products add up one after the other, so that the computed M is off by at most
//!
//! > B̄ᵀ E B̄ + E_Bᵀ F̄ B̄ + B̄ᵀ F̄ E_B + γ_n B̄ᵀ F̄ B̄,
//!
//! entry by entry, with n the roundings behind one: those of C (a product for every pre-activation, a sum for every layer and one for F_hv), those of U (the
//! same again), and the two sums of M. All four are symmetric, so that their row sums are those of products with one vector, the scales s of
//! the rows (powers of two, so that scaling is exact). (Halving F_hh may underflow by 2⁻¹⁰⁷⁵; an entry that is not zero has a product of [`Ball`]s behind it,
//! and so an E of at least [`TINY`], 2⁵³ times that.) What underflows ([`TINY`] a product) is n·[`TINY`] an entry of C, carried through Hᵀ, and as much an entry of U.
//! These sums are computed in the ordinary way and inflated by 10⁻⁶, which covers three sums of up to 10⁹ terms each, one inside the other.
//! A symmetric matrix whose absolute row sums are r is at least −diag(r), so that M − diag(r) − c is eliminated, c as in [`crate::form::elimination`].

use super::Shape;
use super::atoms::Atoms;
use crate::form::coefficients::LayerForm;
use crate::form::elimination::{BlockMatrix, eliminate_last};
use crate::matrix::{Matrix, Store, multiply_block};
use crate::rounding::{Ball, INFLATE, TINY, gamma_up, usable_scale};

/// Variables in one block.
const TILE: usize = 128;

/// Pre-activations `rows` as functions of the variables `cols`.
struct Part {
    rows: std::ops::Range<usize>,
    cols: std::ops::Range<usize>,
    values: Matrix,
    errors: Option<Matrix>,
}

/// H, in parts that are not zero.
struct PreActivations {
    parts: Vec<Part>,
    count: usize,
    variables: usize,
}

/// That q ≥ 0; or the variable at which the proof fails.
pub(super) fn prove(shape: &Shape, atoms: Atoms, layers: &[LayerForm<'_>]) -> Result<(), usize> {
    let h = PreActivations::new(shape, layers);
    let both = product(&atoms, &h);
    let variables = shape.variables();
    let diagonal = |v: usize| {
        let own = match v.checked_sub(shape.inputs) {
            None => atoms.squares[v].value,
            Some(row) => atoms.values.at(row, v),
        };
        own + 2.0 * both.at(v, v)
    };
    let alone = alone(shape, &atoms, &h);
    let mut scales = vec![0.0; variables];
    for (v, scale) in scales.iter_mut().enumerate() {
        let entry = diagonal(v);
        if entry > 0.0 && entry < f64::INFINITY {
            *scale = usable_scale(entry).ok_or(v)?;
        } else if entry != 0.0 || !alone[v] {
            return Err(v);
        }
    }
    let errors = row_errors(&atoms, &h, &scales);
    let entry = |i: usize, j: usize| {
        let own = match i.checked_sub(shape.inputs) {
            None => 0.0, // two inputs
            Some(row) => atoms.values.at(row, j),
        };
        (own + both.at(i, j) + both.at(j, i)) * (scales[i] * scales[j])
    };
    eliminate(variables, |v| diagonal(v) * (scales[v] * scales[v]), entry, &errors, &scales)
}

/// The elimination of a scaled matrix, less `errors` on its diagonal; variables of scale 0 are left out.
fn eliminate(
    variables: usize,
    diagonal: impl Fn(usize) -> f64,
    entry: impl Fn(usize, usize) -> f64,
    errors: &[f64],
    scales: &[f64],
) -> Result<(), usize> {
    let tiles = (variables - 1).div_ceil(TILE);
    let start = |tile: usize| if tile == tiles { variables - 1 } else { tile * TILE };
    let end = |tile: usize| if tile == tiles { variables } else { ((tile + 1) * TILE).min(variables - 1) };
    let sizes = (0..=tiles).map(|tile| end(tile) - start(tile)).collect();
    let mut matrix = BlockMatrix::zeros(sizes);
    for row in 0..=tiles {
        for col in 0..=row {
            let lower = |i: usize, j: usize| {
                if start(row) + i > start(col) + j { entry(start(row) + i, start(col) + j) } else { 0.0 }
            };
            let block = Matrix::from_fn(end(row) - start(row), end(col) - start(col), lower);
            if block.data().iter().any(|v| *v != 0.0) {
                *matrix.block_mut(row, col) = block;
            }
        }
    }
    let backward = matrix.backward_error();
    for (tile, backward) in backward.into_iter().enumerate() {
        for v in start(tile)..end(tile) {
            let entry = if scales[v] == 0.0 { 1.0 } else { diagonal(v) };
            // what is left is at most 2 and rounded twice
            *matrix.diagonal_mut(tile, v - start(tile)) =
                (entry - ((errors[v] + backward) * INFLATE).next_up()).next_down();
        }
    }
    if let Some((tile, at)) = matrix.oversized() {
        return Err(start(tile) + at);
    }
    let left = matrix.eliminate().map_err(|at| start(at.block) + at.index)?;
    eliminate_last(left).map_err(|at| start(tiles) + at)
}

/// U.
fn product(atoms: &Atoms, h: &PreActivations) -> Matrix {
    let (variables, count, inputs) = (h.variables, h.count, atoms.inputs());
    let mut c = Matrix::zeros(count, variables);
    for row in 0..count {
        c.row_mut(row).copy_from_slice(&atoms.values.row(variables - inputs + row)[..variables]);
    }
    // ½ F_hh, both triangles
    let half = |i: usize, j: usize| 0.5 * atoms.values.at(variables - inputs + i.max(j), variables + i.min(j));
    let squares = Matrix::from_fn(count, count, half);
    for part in &h.parts {
        let left = squares.block(0, count, part.rows.start, part.rows.len());
        multiply_block(&mut c, (0..count, part.cols.clone()), Store::Add, 1.0, left, part.values.view());
    }
    let mut u = Matrix::zeros(variables, variables);
    for part in &h.parts {
        let right = c.block(part.rows.start, part.rows.len(), 0, variables);
        multiply_block(&mut u, (part.cols.clone(), 0..variables), Store::Add, 1.0, part.values.t(), right);
    }
    u
}

/// Which variables do not occur in q at all.
fn alone(shape: &Shape, atoms: &Atoms, h: &PreActivations) -> Vec<bool> {
    let mut alone = vec![true; shape.atoms()];
    for (i, square) in atoms.squares.iter().enumerate() {
        alone[i] = square.value == 0.0 && square.error == 0.0;
    }
    for row in 0..atoms.values.rows() {
        let atom = shape.inputs + row;
        let entries = atoms.values.row(row).iter().zip(atoms.errors.row(row)).enumerate();
        for (col, _) in entries.take(atom + 1).filter(|(_, (value, error))| **value != 0.0 || **error != 0.0) {
            (alone[atom], alone[col]) = (false, false);
        }
    }
    let mut read = vec![0.0; h.variables];
    h.add_adjoint(&vec![1.0; h.count], &mut read, Part::magnitude);
    read.iter().enumerate().for_each(|(v, read)| alone[v] &= *read == 0.0);
    alone.truncate(h.variables);
    alone
}

/// What the rows of the scaled M may be off by, in all: see the module.
fn row_errors(atoms: &Atoms, h: &PreActivations, scales: &[f64]) -> Vec<f64> {
    let (variables, count) = (h.variables, h.count);
    // once for every product, every part's own sum and F_hv, for C and for U; the two sums of M, and four more for halves and what is added here
    let n = 2 * (count + h.parts.len() + 2) + 6;
    let gamma = gamma_up(n);
    let (mut y, mut y_error) = (scales.to_vec(), vec![0.0; variables]);
    y.extend(h.forward(scales, Part::magnitude));
    y_error.extend(h.forward(scales, Part::error));
    let (carried, whole, shifted) =
        (atoms.errors_times(&y), atoms.magnitudes_times(&y), atoms.magnitudes_times(&y_error));
    // underflow: n TINY an entry of C, and of U, in either triangle
    let total: f64 = scales.iter().sum();
    let mut columns = vec![0.0; variables];
    h.add_adjoint(&vec![1.0; count], &mut columns, Part::magnitude);
    let reach: f64 = scales.iter().zip(&columns).map(|(s, c)| s * (2.0 + c)).sum();
    let lost = n as f64 * TINY;
    let sums: Vec<f64> = (0..variables + count)
        .map(|atom| {
            carried[atom] + shifted[atom] + gamma * whole[atom] + lost * if atom < variables { reach } else { total }
        })
        .collect();
    let mut errors = sums[..variables].to_vec();
    h.add_adjoint(&sums[variables..], &mut errors, Part::magnitude);
    h.add_adjoint(&whole[variables..], &mut errors, Part::error);
    // scaling underflows by TINY an entry
    errors.iter().zip(scales).map(|(e, s)| (e + TINY) * s + variables as f64 * TINY).collect()
}

impl Part {
    fn magnitude(&self, i: usize, j: usize) -> f64 {
        self.values.at(i, j).abs() + self.error(i, j)
    }

    fn error(&self, i: usize, j: usize) -> f64 {
        self.errors.as_ref().map_or(0.0, |errors| errors.at(i, j))
    }
}

impl PreActivations {
    fn new(shape: &Shape, layers: &[LayerForm<'_>]) -> Self {
        let mut parts = Vec::new();
        let neurons = |layer: usize| shape.layers[layer]..shape.layers[layer + 1];
        for (a, layer) in layers.iter().enumerate() {
            let rows = neurons(a);
            for part in layer.h.iter().filter(|_| !rows.is_empty()) {
                // the columns of neurons that are not free do not stand
                let (cols, place): (_, Box<dyn Fn(usize) -> usize>) = match part.block.checked_sub(1) {
                    None => (0..shape.inputs, Box::new(|j| j)),
                    Some(before) => {
                        let own = neurons(before);
                        let cols = shape.neuron(own.start)..shape.neuron(own.end);
                        (cols, Box::new(move |j| shape.neurons[own.clone()].partition_point(|(_, index)| *index < j)))
                    }
                };
                let mut values = Matrix::zeros(rows.len(), cols.len());
                let mut errors: Option<Matrix> = None;
                for (i, (_, index)) in shape.neurons[rows.clone()].iter().enumerate() {
                    part.visit_row(*index, |j, value, error| {
                        *values.at_mut(i, place(j)) = value;
                        if error != 0.0 {
                            let errors = errors.get_or_insert_with(|| Matrix::zeros(rows.len(), cols.len()));
                            *errors.at_mut(i, place(j)) = error;
                        }
                    });
                }
                parts.push(Part { rows: rows.clone(), cols, values, errors });
            }
        }
        Self { parts, count: shape.neurons.len(), variables: shape.variables() }
    }

    /// X v for X a matrix like H.
    fn forward(&self, v: &[f64], entry: impl Fn(&Part, usize, usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        for part in &self.parts {
            for (i, row) in part.rows.clone().enumerate() {
                sums[row] +=
                    part.cols.clone().enumerate().map(|(j, col)| entry(part, i, j) * v[col] + TINY).sum::<f64>();
            }
        }
        sums
    }

    /// Adds Xᵀ v.
    fn add_adjoint(&self, v: &[f64], sums: &mut [f64], entry: impl Fn(&Part, usize, usize) -> f64) {
        for part in &self.parts {
            for (i, row) in part.rows.clone().enumerate() {
                for (j, col) in part.cols.clone().enumerate() {
                    let entry = entry(part, i, j);
                    if entry != 0.0 {
                        sums[col] += entry * v[row] + TINY;
                    }
                }
            }
        }
    }
}

impl Atoms {
    /// How many inputs there are.
    pub(super) fn inputs(&self) -> usize {
        self.squares.len()
    }

    /// E y.
    fn errors_times(&self, y: &[f64]) -> Vec<f64> {
        self.times(y, |row, col| self.errors.at(row, col), |square| square.error)
    }

    /// F̄ y.
    fn magnitudes_times(&self, y: &[f64]) -> Vec<f64> {
        let entry = |row: usize, col: usize| self.values.at(row, col).abs() + self.errors.at(row, col);
        self.times(y, entry, |square| square.value.abs() + square.error)
    }

    fn times(&self, y: &[f64], entry: impl Fn(usize, usize) -> f64, square: impl Fn(&Ball) -> f64) -> Vec<f64> {
        let inputs = self.inputs();
        let mut sums = vec![0.0; y.len()];
        for (i, ball) in self.squares.iter().enumerate() {
            sums[i] += square(ball) * y[i] + TINY;
        }
        for row in 0..self.values.rows() {
            let atom = inputs + row;
            for col in 0..=atom {
                let entry = entry(row, col);
                if entry != 0.0 {
                    sums[atom] += entry * y[col] + TINY;
                    if col != atom {
                        sums[col] += entry * y[atom] + TINY;
                    }
                }
            }
        }
        sums
    }
}
