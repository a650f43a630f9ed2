//! Every pre-activation and the output as explicit linear functions of the variables (x, z_1, …, z_d), with an entrywise
//! bound on the rounding wherever a product of weights had to be formed.
//!
//! A *block* is a group of variables: block 0 is the input x, block a ≥ 1 the activations z_a. A neuron whose slope is one
//! fixed number (α = β), or whose pre-activation is structurally zero, is not a variable: it passes through as c·h.

use super::rounding::gamma_up;
use crate::matrix::{Matrix, Store, multiply};
use crate::network::{LinearMap, Network, Op, Slope};
use std::borrow::Cow;

/// rows × (size of one block): the part of a linear function that reads that block.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub block: usize,
    pub matrix: Coefficient<'a>,
    /// Entrywise bound on |stored − exact|, none where every entry is exact. An entry is zero here and in `matrix` if and
    /// only if no product of non-zero weights stands behind it.
    pub error: Option<Matrix>,
}

/// The coefficients of a part.
#[derive(Clone, Debug)]
pub(super) enum Coefficient<'a> {
    /// A diagonal matrix: the variables themselves, scaled or left out.
    Diagonal(Vec<f64>),
    /// Any matrix; borrowed from the network wherever the weights themselves are meant.
    Dense(Cow<'a, Matrix>),
}

impl<'a> Part<'a> {
    /// The variables of a block themselves, those that are not `kept` replaced by zero.
    fn variables(block: usize, kept: &[bool]) -> Self {
        let matrix = Coefficient::Diagonal(kept.iter().map(|k| if *k { 1.0 } else { 0.0 }).collect());
        Self { block, matrix, error: None }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        match &self.matrix {
            Coefficient::Diagonal(d) => d.len(),
            Coefficient::Dense(m) => m.rows(),
        }
    }

    /// Row i with column j multiplied by the power of two `scales[j]`: exact.
    pub fn scaled_row(&self, i: usize, scales: &[f64], row: &mut Vec<f64>) {
        row.clear();
        match &self.matrix {
            Coefficient::Dense(m) => row.extend(m.row(i).iter().zip(scales).map(|(v, s)| v * s)),
            Coefficient::Diagonal(d) => {
                row.resize(d.len(), 0.0);
                row[i] = d[i] * scales[i];
            }
        }
    }

    /// Whether nothing stands behind entry (i, j).
    pub fn is_zero(&self, i: usize, j: usize) -> bool {
        let value = match &self.matrix {
            Coefficient::Diagonal(d) if i == j => d[i],
            Coefficient::Diagonal(_) => 0.0,
            Coefficient::Dense(m) => m.at(i, j),
        };
        value == 0.0 && self.error.as_ref().is_none_or(|e| e.at(i, j) == 0.0)
    }

    fn row_is_zero(&self, i: usize) -> bool {
        match &self.matrix {
            Coefficient::Diagonal(d) => d[i] == 0.0 && self.error.is_none(),
            Coefficient::Dense(m) => (0..m.cols()).all(|j| self.is_zero(i, j)),
        }
    }

    fn cols(&self) -> usize {
        match &self.matrix {
            Coefficient::Diagonal(d) => d.len(),
            Coefficient::Dense(m) => m.cols(),
        }
    }

    /// 1 where something stands behind an entry, else 0.
    fn support(&self) -> Matrix {
        Matrix::from_fn(self.rows(), self.cols(), |i, j| if self.is_zero(i, j) { 0.0 } else { 1.0 })
    }

    /// The entries as an explicit matrix.
    pub fn dense(&self) -> Cow<'_, Matrix> {
        match &self.matrix {
            Coefficient::Dense(m) => Cow::Borrowed(m.as_ref()),
            Coefficient::Diagonal(d) => {
                Cow::Owned(Matrix::from_fn(d.len(), d.len(), |i, j| if i == j { d[i] } else { 0.0 }))
            }
        }
    }
}

/// A linear function of all blocks: the sum of its parts, at most one per block, in ascending block order.
pub(super) type Parts<'a> = Vec<Part<'a>>;

/// One activation layer: its pre-activation as a function of the earlier blocks, and which neurons are variables.
#[derive(Clone, Debug)]
pub(super) struct LayerForm<'a> {
    pub h: Parts<'a>,
    pub slopes: Vec<Slope>,
    /// Whether neuron j is a variable of its own; where not, its multiplier plays no part.
    pub free: Vec<bool>,
}

/// Writes every pre-activation, and the output, in terms of the blocks.
pub(super) fn expand(network: &Network) -> (Vec<LayerForm<'_>>, Parts<'_>) {
    let mut forms: Vec<Parts<'_>> = Vec::with_capacity(network.nodes().len());
    let mut layers = Vec::new();
    for node in network.nodes() {
        let form = match &node.op {
            Op::Input => vec![Part::variables(0, &vec![true; node.len])],
            Op::Affine { terms, .. } => {
                let mut sum = Parts::new();
                for term in terms {
                    for part in &forms[term.parent.index()] {
                        add_part(&mut sum, compose(&term.map, part));
                    }
                }
                sum
            }
            Op::Activate { parent, activation } => {
                let h = forms[parent.index()].clone();
                let slopes = activation.slopes(node.len);
                let free: Vec<bool> =
                    (0..node.len).map(|i| !slopes[i].is_fixed() && !h.iter().all(|part| part.row_is_zero(i))).collect();
                let form = pass_fixed(&h, &slopes, &free, layers.len() + 1);
                layers.push(LayerForm { h, slopes, free });
                form
            }
        };
        forms.push(form);
    }
    let output = forms.swap_remove(network.output().index());
    (layers, output)
}

/// A ∘ part. Exact for the identity and for weights applied to bare variables; rounded products come with their error.
fn compose<'a>(map: &'a LinearMap, part: &Part<'a>) -> Part<'a> {
    match map {
        LinearMap::Identity(_) => part.clone(),
        LinearMap::Scale(s) => scale_rows(part, s),
        LinearMap::Dense(w) => multiply_part(w, part),
    }
}

/// diag(s) ∘ part.
fn scale_rows<'a>(part: &Part<'a>, s: &[f64]) -> Part<'a> {
    let scaled = |m: &Matrix| Matrix::from_fn(m.rows(), m.cols(), |i, j| s[i] * m.at(i, j));
    let exact = s.iter().all(|v| is_trivial(*v))
        || matches!(&part.matrix, Coefficient::Diagonal(d) if d.iter().all(|v| is_trivial(*v)));
    let matrix = match &part.matrix {
        Coefficient::Diagonal(d) => Coefficient::Diagonal(d.iter().zip(s).map(|(d, s)| d * s).collect()),
        Coefficient::Dense(m) => Coefficient::Dense(Cow::Owned(scaled(m))),
    };
    let rounded = (!exact).then(|| scaled(&part.dense()).abs());
    let behind = || scaled(&part.support());
    let error = total_error(behind, part.error.as_ref().map(|e| scaled(e).abs()), rounded, 2);
    Part { block: part.block, matrix, error }
}

/// W ∘ part.
fn multiply_part<'a>(w: &'a Matrix, part: &Part<'a>) -> Part<'a> {
    let carried = part.error.as_ref().map(|e| product(&w.abs(), e));
    let (matrix, rounded) = match &part.matrix {
        Coefficient::Diagonal(d) if d.iter().all(|v| *v == 1.0) => (Cow::Borrowed(w), None),
        Coefficient::Diagonal(d) => {
            let scaled = Matrix::from_fn(w.rows(), w.cols(), |i, j| w.at(i, j) * d[j]);
            let rounded = (!d.iter().all(|v| is_trivial(*v))).then(|| scaled.abs());
            (Cow::Owned(scaled), rounded)
        }
        Coefficient::Dense(inner) => (Cow::Owned(product(w, inner)), Some(product(&w.abs(), &inner.abs()))),
    };
    let behind = || {
        product(&Matrix::from_fn(w.rows(), w.cols(), |i, j| if w.at(i, j) == 0.0 { 0.0 } else { 1.0 }), &part.support())
    };
    let error = total_error(behind, carried, rounded, w.cols());
    Part { block: part.block, matrix: Coefficient::Dense(matrix), error }
}

/// Whether multiplying by `v` is exact.
fn is_trivial(v: f64) -> bool {
    v == 0.0 || v.abs() == 1.0
}

/// carried + γ·rounded, inflated so that the roundings of this very computation (sums of non-negative terms) are covered
/// too, plus a floor that covers underflow: zero only where `behind` says that nothing stands behind an entry.
fn total_error(
    behind: impl FnOnce() -> Matrix,
    carried: Option<Matrix>,
    rounded: Option<Matrix>,
    terms: usize,
) -> Option<Matrix> {
    if carried.is_none() && rounded.is_none() {
        return None;
    }
    let gamma = gamma_up(terms + 4);
    let inflate = 1.0 + 8.0 * gamma;
    let floor = terms as f64 * f64::MIN_POSITIVE;
    let entry = |m: &Option<Matrix>, i, j| m.as_ref().map_or(0.0, |m| m.at(i, j));
    let behind = behind();
    Some(Matrix::from_fn(behind.rows(), behind.cols(), |i, j| match behind.at(i, j) == 0.0 {
        true => 0.0,
        false => (entry(&carried, i, j) + gamma * entry(&rounded, i, j)) * inflate + floor,
    }))
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let mut result = Matrix::zeros(a.rows(), b.cols());
    multiply(&mut result, Store::Replace, 1.0, a.view(), b.view());
    result
}

/// sum ← sum + part. Adding to entries that are already there rounds once.
fn add_part<'a>(sum: &mut Parts<'a>, part: Part<'a>) {
    match sum.iter().position(|p| p.block >= part.block) {
        Some(at) if sum[at].block == part.block => {
            let (a, b) = (sum[at].dense(), part.dense());
            let add = |a: &Matrix, b: &Matrix| Matrix::from_fn(a.rows(), a.cols(), |i, j| a.at(i, j) + b.at(i, j));
            let matrix = add(&a, &b);
            let rounded = add(&a.abs(), &b.abs());
            let carried = match (&sum[at].error, &part.error) {
                (Some(e), Some(f)) => Some(add(e, f)),
                (e, f) => e.as_ref().or(f.as_ref()).cloned(),
            };
            let error = total_error(|| add(&sum[at].support(), &part.support()), carried, Some(rounded), 2);
            sum[at] = Part { block: part.block, matrix: Coefficient::Dense(Cow::Owned(matrix)), error };
        }
        Some(at) => sum.insert(at, part),
        None => sum.push(part),
    }
}

/// The form of an activation layer: free neurons are variables of block `block`, the others pass α·h on (α = β, or h ≡ 0).
fn pass_fixed<'a>(h: &Parts<'a>, slopes: &[Slope], free: &[bool], block: usize) -> Parts<'a> {
    let passed: Vec<f64> = slopes.iter().zip(free).map(|(s, free)| if *free { 0.0 } else { s.lower }).collect();
    let mut form: Parts<'a> = h.iter().map(|part| scale_rows(part, &passed)).collect();
    form.retain(|part| !(0..part.rows()).all(|i| part.row_is_zero(i)));
    form.push(Part::variables(block, free));
    form
}
