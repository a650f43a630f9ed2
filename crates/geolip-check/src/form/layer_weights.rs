//! A layer's multipliers in the combinations that its rows of the form need, and how its curvature is best added.

use super::coefficients::{LayerForm, Part};
use crate::function::Slope;
use crate::rounding::Ball;

/// A layer's multipliers in the combinations the form needs.
pub(super) struct LayerWeights {
    /// λⱼ, zero for neurons that are no variables.
    pub lambda: Vec<f64>,
    /// ½ (αⱼ + βⱼ)
    pub middle: Vec<Ball>,
    /// λⱼ αⱼ βⱼ
    pub curvature: Vec<Ball>,
    /// Whether any curvature is non-zero.
    pub curved: bool,
}

impl LayerWeights {
    pub fn new(layer: &LayerForm<'_>, lambda: &[f64]) -> Self {
        let lambda: Vec<f64> = lambda.iter().zip(&layer.free).map(|(l, free)| if *free { *l } else { 0.0 }).collect();
        let ends = |slope: &Slope| (Ball::exact(slope.lower), Ball::exact(slope.upper));
        let middle = |slope: &Slope| Ball::exact(0.5).times(ends(slope).0.plus(ends(slope).1));
        let product = |(l, slope): (&f64, &Slope)| Ball::exact(*l).times(ends(slope).0.times(ends(slope).1));
        let curvature: Vec<Ball> = lambda.iter().zip(layer.slopes).map(product).collect();
        let curved = curvature.iter().any(|d| d.value != 0.0);
        Self { middle: layer.slopes.iter().map(middle).collect(), curvature, curved, lambda }
    }
}

/// Multiply–adds of a product of matrices in the time of one entry that is added by itself, about.
const PRODUCTS_PER_ENTRY: f64 = 150.0;

/// Whether products of matrices, zeros included, are the cheaper way to the curvature of a layer.
pub(super) fn products_pay(layer: &LayerForm<'_>, weights: &LayerWeights) -> bool {
    let columns: usize = layer.h.iter().map(Part::cols).sum();
    let standing = |j: usize| layer.h.iter().map(|part| part.standing(j)).sum::<usize>() as f64;
    let curved = weights.curvature.iter().enumerate().filter(|(_, k)| k.value != 0.0);
    let entries: f64 = curved.map(|(j, _)| 0.5 * standing(j).powi(2)).sum();
    weights.lambda.len() as f64 * (columns as f64).powi(2) <= PRODUCTS_PER_ENTRY * entries
}

/// The most contributions to one entry beside the coupling and the diagonal's own: one for each neuron that reads a variable, where
/// neurons are curved at all.
pub(super) fn additions(layers: &[LayerForm<'_>], sizes: &[usize]) -> usize {
    let mut readers: Vec<Vec<usize>> = sizes.iter().map(|n| vec![0; *n]).collect();
    for layer in layers.iter().filter(|layer| layer.slopes.iter().any(|s| s.lower != 0.0 && s.upper != 0.0)) {
        for part in &layer.h {
            (0..part.rows()).for_each(|j| part.visit_row(j, |k, _, _| readers[part.block][k] += 1));
        }
    }
    readers.into_iter().flatten().max().unwrap_or(0)
}
