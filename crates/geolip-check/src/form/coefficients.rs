//! Every pre-activation and the output as explicit linear functions of the variables (x, z_1, …, z_d), with an entrywise
//! bound on the rounding wherever a product of weights had to be formed.
//!
//! A *block* is a group of variables: block 0 is the input x, block a ≥ 1 the activations z_a. A neuron whose slope is one
//! fixed number (α = β), or whose pre-activation is structurally zero, is not a variable: it passes through as c·h.
//!
//! An entry *stands* where a product of non-zero weights is behind it; elsewhere the exact coefficient is zero. Products of
//! two dense matrices come from [`crate::matrix`]; all others are accumulated row by row here.

use crate::function::Slope;
use crate::matrix::{Matrix, product};
use crate::network::{LinearMap, NodeId};
use crate::rounding::{TINY, gamma_up};
use crate::slopes::{SlopeNetwork, SlopeOp};
use crate::sparse::Sparse;
use std::borrow::Cow;

/// rows × (size of one block): the part of a linear function that reads that block.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub block: usize,
    pub matrix: Coefficient<'a>,
}

/// The coefficients of a part. `error` bounds |stored − exact| entrywise; none where every entry is exact.
#[derive(Clone, Debug)]
pub(crate) enum Coefficient<'a> {
    /// A diagonal matrix: the variables themselves, scaled or left out. An entry stands where it or its error is not zero.
    Diagonal { values: Vec<f64>, error: Option<Vec<f64>> },
    /// Any matrix; borrowed from the network wherever the weights themselves are meant. An entry stands where it or its
    /// error is not zero.
    Dense { values: Cow<'a, Matrix>, error: Option<Matrix> },
    /// A matrix of which the stored entries stand; the error has the same pattern.
    Sparse { values: Sparse, error: Option<Sparse> },
}

impl Part<'_> {
    /// The variables of a block themselves, those that are not `kept` left out.
    fn variables(block: usize, kept: &[bool]) -> Self {
        let values = kept.iter().map(|k| if *k { 1.0 } else { 0.0 }).collect();
        Self { block, matrix: Coefficient::Diagonal { values, error: None } }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        match &self.matrix {
            Coefficient::Diagonal { values, .. } => values.len(),
            Coefficient::Dense { values, .. } => values.rows(),
            Coefficient::Sparse { values, .. } => values.rows(),
        }
    }

    /// The number of columns: the size of its block.
    pub fn cols(&self) -> usize {
        match &self.matrix {
            Coefficient::Diagonal { values, .. } => values.len(),
            Coefficient::Dense { values, .. } => values.cols(),
            Coefficient::Sparse { values, .. } => values.cols(),
        }
    }

    /// Calls `visit` with (column, coefficient, error bound) for every entry of row i that stands, in ascending order.
    pub fn visit_row(&self, i: usize, mut visit: impl FnMut(usize, f64, f64)) {
        let mut standing = |j: usize, value: f64, error: f64| {
            if value != 0.0 || error != 0.0 {
                visit(j, value, error);
            }
        };
        match &self.matrix {
            Coefficient::Diagonal { values, error } => standing(i, values[i], error.as_ref().map_or(0.0, |e| e[i])),
            Coefficient::Dense { values, error: None } => {
                values.row(i).iter().enumerate().for_each(|(j, v)| standing(j, *v, 0.0));
            }
            Coefficient::Dense { values, error: Some(error) } => {
                let pairs = values.row(i).iter().zip(error.row(i)).enumerate();
                pairs.for_each(|(j, (v, e))| standing(j, *v, *e));
            }
            Coefficient::Sparse { values, error: None } => values.row(i).for_each(|(j, v)| visit(j, v, 0.0)),
            Coefficient::Sparse { values, error: Some(error) } => {
                values.row(i).zip(error.row(i)).for_each(|((j, v), (_, e))| visit(j, v, e));
            }
        }
    }

    /// At least the number of entries of row i that stand.
    pub fn standing(&self, i: usize) -> usize {
        match &self.matrix {
            Coefficient::Diagonal { .. } => 1,
            Coefficient::Dense { values, .. } => values.cols(),
            Coefficient::Sparse { values, .. } => values.row(i).count(),
        }
    }

    fn is_dense(&self) -> bool {
        matches!(self.matrix, Coefficient::Dense { .. })
    }

    /// The entries as an explicit matrix.
    pub fn dense_values(&self) -> Cow<'_, Matrix> {
        if let Coefficient::Dense { values, .. } = &self.matrix {
            return Cow::Borrowed(values);
        }
        let mut values = Matrix::zeros(self.rows(), self.cols());
        (0..self.rows()).for_each(|i| self.visit_row(i, |j, value, _| *values.at_mut(i, j) = value));
        Cow::Owned(values)
    }

    /// Bytes that it holds; nothing for what the network holds.
    fn bytes(&self) -> f64 {
        let dense = |rows: usize, cols: usize| rows as f64 * cols as f64;
        let numbers = match &self.matrix {
            Coefficient::Diagonal { values, error } => values.len() as f64 * if error.is_some() { 2.0 } else { 1.0 },
            Coefficient::Dense { values: Cow::Borrowed(_), .. } => 0.0,
            Coefficient::Dense { values, .. } => 2.0 * dense(values.rows(), values.cols()),
            Coefficient::Sparse { values, .. } => 4.0 * values.stored() as f64 + values.rows() as f64,
        };
        8.0 * numbers
    }

    fn row_stands(&self, i: usize) -> bool {
        let mut stands = false;
        self.visit_row(i, |_, _, _| stands = true);
        stands
    }

    /// The same as explicit matrices: (values, error).
    fn to_dense(&self) -> (Matrix, Option<Matrix>) {
        if let Coefficient::Dense { values, error } = &self.matrix {
            return (values.clone().into_owned(), error.clone());
        }
        let (mut values, mut errors) =
            (Matrix::zeros(self.rows(), self.cols()), Matrix::zeros(self.rows(), self.cols()));
        let mut exact = true;
        for i in 0..self.rows() {
            self.visit_row(i, |j, value, error| {
                *values.at_mut(i, j) = value;
                *errors.at_mut(i, j) = error;
                exact &= error == 0.0;
            });
        }
        (values, (!exact).then_some(errors))
    }
}

/// A linear function of all blocks: the sum of its parts, at most one per block, in ascending block order.
pub(crate) type Parts<'a> = Vec<Part<'a>>;

/// One activation layer: its pre-activation as a function of the earlier blocks, and which neurons are variables.
#[derive(Clone, Debug)]
pub(crate) struct LayerForm<'a> {
    /// The activation's node.
    node: usize,
    pub h: Parts<'a>,
    pub slopes: &'a [Slope],
    /// Whether neuron j is a variable of its own; where not, its multiplier plays no part.
    pub free: Vec<bool>,
}

/// (layer, neuron) of every neuron that is a variable of its own, in ascending order.
pub(crate) fn free_neurons(layers: &[LayerForm<'_>]) -> Vec<(usize, usize)> {
    let of_layer = |(a, layer): (usize, &LayerForm<'_>)| -> Vec<(usize, usize)> {
        (0..layer.free.len()).filter(|j| layer.free[*j]).map(|j| (a, j)).collect()
    };
    layers.iter().enumerate().flat_map(of_layer).collect()
}

/// Writes every pre-activation, and the output, in terms of the blocks; none where that takes more than so many bytes.
pub(crate) fn expand(network: &SlopeNetwork, bytes: f64) -> Option<(Vec<LayerForm<'_>>, Parts<'_>)> {
    let mut forms: Vec<Parts<'_>> = Vec::with_capacity(network.nodes().len());
    let mut layers: Vec<LayerForm<'_>> = Vec::new();
    let mut intervals = network.slopes().iter();
    let last_reader = last_readers(network);
    let mut held = 0.0;
    for (index, node) in network.nodes().iter().enumerate() {
        let form = match &node.op {
            SlopeOp::Input => vec![Part::variables(0, &vec![true; node.len])],
            SlopeOp::Affine { terms } => {
                let mut sum = Parts::new();
                for term in terms {
                    for part in &forms[term.parent.index()] {
                        let own: f64 = sum.iter().map(Part::bytes).sum();
                        add_part(&mut sum, compose(&term.map, part, bytes - held - own)?);
                    }
                }
                sum
            }
            SlopeOp::Neurons { parent } => {
                let h = forms[parent.index()].clone();
                let slopes = intervals.next().expect("one list per activation layer");
                let free: Vec<bool> =
                    (0..node.len).map(|i| !slopes[i].is_fixed() && h.iter().any(|part| part.row_stands(i))).collect();
                let form = pass_fixed(&h, slopes, &free, layers.len() + 1);
                layers.push(LayerForm { node: index, h, slopes, free });
                form
            }
        };
        held += form.iter().map(Part::bytes).sum::<f64>();
        forms.push(form);
        // what nothing reads any more is forgotten
        for parent in node.op.parents().map(NodeId::index).filter(|parent| last_reader[*parent] == index) {
            held -= std::mem::take(&mut forms[parent]).iter().map(Part::bytes).sum::<f64>();
        }
        if layers.last().is_some_and(|layer| layer.node == index) {
            held += layers.last().map_or(0.0, |layer| layer.h.iter().map(Part::bytes).sum());
        }
        if held > bytes {
            return None;
        }
    }
    Some((layers, std::mem::take(&mut forms[network.output().index()])))
}

/// Per node, the last node that reads it; none, which is beyond the end, for the output.
fn last_readers(network: &SlopeNetwork) -> Vec<usize> {
    let count = network.nodes().len();
    let mut last = vec![0; count];
    let nodes = network.nodes().iter().enumerate();
    nodes.for_each(|(index, node)| node.op.parents().for_each(|parent| last[parent.index()] = index));
    last[network.output().index()] = count;
    last
}

/// A ∘ part. Exact for the identity and for weights applied to bare variables; rounded products come with their error. None where
/// that takes more than so many bytes.
fn compose<'a>(map: &'a LinearMap, part: &Part<'a>, bytes: f64) -> Option<Part<'a>> {
    // values, errors, and what is in the making
    let dense = |rows: usize| 32.0 * rows as f64 * part.cols() as f64;
    match map {
        LinearMap::Identity(_) => (part.bytes() <= bytes).then(|| part.clone()),
        LinearMap::Scale(s) => (part.bytes().max(8.0 * s.len() as f64) <= bytes).then(|| scale_rows(part, s)),
        LinearMap::Dense(w) => {
            let borrowed = matches!(&part.matrix,
                Coefficient::Diagonal { values, error: None } if values.iter().all(|v| *v == 1.0));
            (borrowed || dense(w.rows()) <= bytes).then(|| multiply_dense(w, part))
        }
        LinearMap::Convolution(_) | LinearMap::Gather(_) | LinearMap::Transpose(_) => {
            if part.is_dense() && dense(map.rows()) > bytes {
                return None;
            }
            multiply_sparse(&map.to_sparse(), part, bytes)
        }
    }
}

/// diag(s) ∘ part, keeping its kind. Rows with factor zero no longer stand.
fn scale_rows<'a>(part: &Part<'a>, s: &[f64]) -> Part<'a> {
    let scaled = |i: usize, value: f64, error: f64| {
        let exact = is_trivial(s[i]) || error == 0.0 && is_trivial(value);
        let rounded = (!exact).then(|| (s[i] * value).abs());
        (s[i] * value, bound(error * s[i].abs(), rounded, 1))
    };
    let matrix = match &part.matrix {
        Coefficient::Diagonal { values, error } => {
            let pairs = values.iter().enumerate();
            let (values, error): (Vec<f64>, Vec<f64>) = pairs
                .map(|(i, v)| {
                    // a coefficient that underflowed to zero still carries its error
                    let error = error.as_ref().map_or(0.0, |e| e[i]);
                    if s[i] == 0.0 || *v == 0.0 && error == 0.0 { (0.0, 0.0) } else { scaled(i, *v, error) }
                })
                .unzip();
            Coefficient::Diagonal { values, error: error.iter().any(|e| *e != 0.0).then_some(error) }
        }
        Coefficient::Dense { .. } | Coefficient::Sparse { .. } => {
            let mut rows = Rows::new(part.rows(), part.cols(), part.is_dense());
            for (i, factor) in s.iter().enumerate() {
                if *factor == 0.0 {
                    rows.push([]);
                    continue;
                }
                let mut row = Vec::new();
                part.visit_row(i, |j, value, error| {
                    let (value, error) = scaled(i, value, error);
                    row.push((j, value, error));
                });
                rows.push(row);
            }
            rows.finish()
        }
    };
    Part { block: part.block, matrix }
}

/// W ∘ part for a dense W.
fn multiply_dense<'a>(w: &'a Matrix, part: &Part<'a>) -> Part<'a> {
    let matrix = match &part.matrix {
        Coefficient::Diagonal { values, error: None } if values.iter().all(|v| *v == 1.0) => {
            Coefficient::Dense { values: Cow::Borrowed(w), error: None }
        }
        Coefficient::Dense { values: inner, error } => {
            let carried = error.as_ref().map(|e| product(w.abs().view(), e.view()));
            let rounded = product(w.abs().view(), inner.abs().view());
            let stands = product(indicator(w, None).view(), indicator(inner, error.as_ref()).view());
            let error = Matrix::from_fn(w.rows(), inner.cols(), |i, j| match stands.at(i, j) == 0.0 {
                true => 0.0,
                false => bound(carried.as_ref().map_or(0.0, |c| c.at(i, j)), Some(rounded.at(i, j)), w.cols()),
            });
            Coefficient::Dense { values: Cow::Owned(product(w.view(), inner.view())), error: Some(error) }
        }
        Coefficient::Diagonal { .. } | Coefficient::Sparse { .. } => {
            let row = |i: usize| w.row(i).iter().copied().enumerate().filter(|(_, v)| *v != 0.0);
            accumulate(w.rows(), true, row, (part, f64::INFINITY)).expect("no limit")
        }
    };
    Part { block: part.block, matrix }
}

/// S ∘ part for a sparse S: dense if the part is. None where that takes more than so many bytes.
fn multiply_sparse<'a>(s: &Sparse, part: &Part<'_>, bytes: f64) -> Option<Part<'a>> {
    let matrix = accumulate(s.rows(), part.is_dense(), |i| s.row(i), (part, bytes))?;
    Some(Part { block: part.block, matrix })
}

/// The product of a matrix given by its rows with a part, each entry with its own error bound; none where that takes more than so
/// many bytes.
fn accumulate<'a, I: Iterator<Item = (usize, f64)>>(
    count: usize,
    dense: bool,
    row: impl Fn(usize) -> I,
    (part, bytes): (&Part<'_>, f64),
) -> Option<Coefficient<'a>> {
    let mut rows = Rows::new(count, part.cols(), dense);
    let mut sums = vec![Sum::default(); part.cols()];
    let mut touched = Vec::new();
    let mut stored = 0.0;
    for i in 0..count {
        for (m, weight) in row(i) {
            part.visit_row(m, |j, value, error| {
                if sums[j].terms == 0 {
                    touched.push(j);
                }
                sums[j].add(weight, value, error);
            });
        }
        touched.sort_unstable();
        stored += touched.len() as f64;
        if 32.0 * stored > bytes {
            return None;
        }
        rows.push(touched.drain(..).map(|j| {
            let sum = std::mem::take(&mut sums[j]);
            (j, sum.value, sum.error())
        }));
    }
    Some(rows.finish())
}

/// A sum of products in the making.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    /// Σ |weight · error|
    carried: f64,
    /// Σ |weight · value|
    size: f64,
    terms: usize,
    /// Whether every product is with 0 or ±1.
    trivial: bool,
}

impl Sum {
    fn add(&mut self, weight: f64, value: f64, error: f64) {
        self.value += weight * value;
        self.carried += (weight * error).abs();
        self.size += (weight * value).abs();
        self.trivial = (self.terms == 0 || self.trivial) && (is_trivial(weight) || error == 0.0 && is_trivial(value));
        self.terms += 1;
    }

    fn error(&self) -> f64 {
        let exact = self.terms == 1 && self.trivial;
        bound(self.carried, (!exact).then_some(self.size), self.terms)
    }
}

/// Rows in the making, dense or sparse.
struct Rows {
    cols: usize,
    dense: Option<(Matrix, Matrix, usize)>,
    sparse: (Sparse, Sparse),
    exact: bool,
}

impl Rows {
    fn new(rows: usize, cols: usize, dense: bool) -> Self {
        let dense = dense.then(|| (Matrix::zeros(rows, cols), Matrix::zeros(rows, cols), 0));
        Self { cols, dense, sparse: (Sparse::new(cols), Sparse::new(cols)), exact: true }
    }

    /// Adds a row of (column, value, error) that stand, in ascending order.
    fn push(&mut self, entries: impl IntoIterator<Item = (usize, f64, f64)>) {
        let entries: Vec<_> = entries.into_iter().collect();
        self.exact &= entries.iter().all(|(_, _, error)| *error == 0.0);
        match &mut self.dense {
            Some((values, errors, i)) => {
                for (j, value, error) in entries {
                    *values.at_mut(*i, j) = value;
                    *errors.at_mut(*i, j) = error;
                }
                *i += 1;
            }
            None => {
                self.sparse.0.push_row(entries.iter().map(|(j, value, _)| (*j, *value)));
                self.sparse.1.push_row(entries.iter().map(|(j, _, error)| (*j, *error)));
            }
        }
    }

    fn finish<'a>(self) -> Coefficient<'a> {
        let inexact = !self.exact;
        match self.dense {
            Some((values, errors, _)) => {
                Coefficient::Dense { values: Cow::Owned(values), error: inexact.then_some(errors) }
            }
            None => {
                debug_assert_eq!(self.sparse.0.cols(), self.cols);
                Coefficient::Sparse { values: self.sparse.0, error: inexact.then_some(self.sparse.1) }
            }
        }
    }
}

/// Whether multiplying by `v` is exact.
fn is_trivial(v: f64) -> bool {
    v == 0.0 || v.abs() == 1.0
}

/// The error of a sum of `terms` products: carried + γ·rounded, inflated so that the roundings of this very computation
/// (sums of `terms` non-negative products, and five more operations) are covered too, and underflow by the rule of
/// [`crate::rounding`]: each of the `terms` products of weights, of their sizes and of their errors may have lost η, which is 3·`terms`·η.
/// `rounded` is none where the products and their sum are exact.
fn bound(carried: f64, rounded: Option<f64>, terms: usize) -> f64 {
    if carried == 0.0 && rounded.is_none() {
        return 0.0;
    }
    let gamma = gamma_up(terms + 4);
    (carried + gamma * rounded.unwrap_or(0.0)) * (1.0 + 8.0 * gamma) + terms as f64 * TINY
}

/// 1 where an entry stands, else 0.
fn indicator(values: &Matrix, error: Option<&Matrix>) -> Matrix {
    Matrix::from_fn(values.rows(), values.cols(), |i, j| {
        let stands = values.at(i, j) != 0.0 || error.is_some_and(|e| e.at(i, j) != 0.0);
        if stands { 1.0 } else { 0.0 }
    })
}

/// sum ← sum + part. Adding to entries that are already there rounds once.
fn add_part<'a>(sum: &mut Parts<'a>, part: Part<'a>) {
    match sum.iter().position(|p| p.block >= part.block) {
        Some(at) if sum[at].block == part.block => {
            let matrix = if sum[at].is_dense() || part.is_dense() {
                add_dense(&sum[at], &part)
            } else {
                add_sparse(&sum[at], &part)
            };
            sum[at] = Part { block: part.block, matrix };
        }
        Some(at) => sum.insert(at, part),
        None => sum.push(part),
    }
}

fn add_dense<'a>(a: &Part<'_>, b: &Part<'_>) -> Coefficient<'a> {
    let ((a, a_error), (b, b_error)) = (a.to_dense(), b.to_dense());
    let at = |error: &Option<Matrix>, i, j| error.as_ref().map_or(0.0, |e| e.at(i, j));
    let error = Matrix::from_fn(a.rows(), a.cols(), |i, j| {
        let (x, y) = (a.at(i, j), b.at(i, j));
        let rounded = (x != 0.0 && y != 0.0).then(|| x.abs() + y.abs());
        bound(at(&a_error, i, j) + at(&b_error, i, j), rounded, 2)
    });
    let values = Matrix::from_fn(a.rows(), a.cols(), |i, j| a.at(i, j) + b.at(i, j));
    Coefficient::Dense { values: Cow::Owned(values), error: Some(error) }
}

fn add_sparse<'a>(a: &Part<'_>, b: &Part<'_>) -> Coefficient<'a> {
    let mut rows = Rows::new(a.rows(), a.cols(), false);
    for i in 0..a.rows() {
        let mut entries: Vec<(usize, f64, f64)> = Vec::new();
        a.visit_row(i, |j, value, error| entries.push((j, value, error)));
        b.visit_row(i, |j, value, error| entries.push((j, value, error)));
        entries.sort_by_key(|(j, _, _)| *j);
        entries.dedup_by(|(j, value, error), (first, kept, kept_error)| {
            let same = j == first;
            if same {
                *kept_error = bound(*error + *kept_error, Some(value.abs() + kept.abs()), 2);
                *kept += *value;
            }
            same
        });
        rows.push(entries);
    }
    rows.finish()
}

/// The form of an activation layer: free neurons are variables of block `block`, the others pass α·h on (α = β, or h ≡ 0).
fn pass_fixed<'a>(h: &Parts<'a>, slopes: &[Slope], free: &[bool], block: usize) -> Parts<'a> {
    let passed: Vec<f64> = slopes.iter().zip(free).map(|(s, free)| if *free { 0.0 } else { s.lower }).collect();
    let mut form = Parts::new();
    if passed.iter().any(|s| *s != 0.0) {
        form = h.iter().map(|part| scale_rows(part, &passed)).collect();
        form.retain(|part| (0..part.rows()).any(|i| part.row_stands(i)));
    }
    form.push(Part::variables(block, free));
    form
}
