//! How large the numbers get that an application of the form computes: what its rounding is measured by, and the range
//! outside which a random test is refused.
//!
//! # Underflow
//!
//! An operation whose result is smaller than 2⁻¹⁰²² may be off by 2⁻¹⁰⁷⁴ beyond its relative rounding. For the vector 1 (in the
//! scale of the form), [`Scaled::magnitudes`] computes the sum of absolute values behind every entry of every node, forward
//! and backward, and refuses the form unless each of them either is 0 because no path of non-zero weights leads there, or
//! lies between 2⁻⁹⁰⁰ and 2⁹⁰⁰. Then nothing overflows, and the fewer than 2⁶⁰ underflows behind an entry are together
//! below 2⁻¹⁰¹⁴, that is 2⁻¹¹⁴ times its magnitude: relative to a vector of length √n a part of 2⁻¹¹⁴ of the row sums, where
//! rounding is counted with more than 2⁻⁵⁰ of them. What remains, products with multipliers (2^±800), scales (2^±400) and the
//! numbers of the functional at the end of a pass, is off by 2⁻¹⁰⁷⁴ times at most one further scale.

use crate::form::operator::{Scaled, power_of_two, width};
use crate::matrix::{Matrix, Store};
use crate::network::NodeId;
use crate::slopes::SlopeOp;

/// What the magnitudes of a form may be, unless they are 0.
const SMALLEST: f64 = power_of_two(-900);
const LARGEST: f64 = power_of_two(900);

/// A node at which some magnitude is out of range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OutOfRange {
    pub node: usize,
    pub magnitude: f64,
}

/// Columns: the magnitude; 1 where something other than zero may arrive, else 0.
type Sizes = Matrix;

impl Scaled<'_> {
    /// The largest sum of the absolute values in a row of D M D, in plain floating point, relatively off by as much as an
    /// application of the form.
    pub(crate) fn largest_row_sum(&self) -> Result<f64, OutOfRange> {
        let (forward, backward) = self.magnitudes()?;
        let [t, x, w @ ..] = self.scales.0.as_slice() else { return Ok(0.0) };
        let y = &forward[self.operator.network.output().index()];
        let mut largest = 0.0_f64;
        let mut row = |sum: f64, scale: f64| {
            let sum = sum * scale;
            // a sum that is no number is as bad as infinite
            largest = if sum > largest || sum.is_nan() { sum } else { largest };
        };
        for ((entries, zeta), scale) in self.rows.iter().zip(&self.multipliers.zeta).zip(t.data()) {
            let output: f64 = entries.iter().map(|(i, u)| u.abs() * y.at(*i, 0)).sum();
            row(zeta * scale + output, *scale);
        }
        for (i, (gamma, scale)) in self.multipliers.gamma.iter().zip(x.data()).enumerate() {
            row(gamma * scale + backward[NodeId::INPUT.index()].at(i, 0), *scale);
        }
        for (a, (node, parent, _)) in self.operator.layers.iter().enumerate() {
            let (g, h) = (&backward[node.index()], &forward[parent.index()]);
            for (j, (lambda, scale)) in self.multipliers.lambda[a].iter().zip(w[a].data()).enumerate() {
                if *scale > 0.0 {
                    row(lambda * scale + self.coupling(a, j) * h.at(j, 0) + g.at(j, 0), *scale);
                }
            }
        }
        if largest.is_finite() { Ok(largest) } else { Err(OutOfRange { node: 0, magnitude: largest }) }
    }

    /// |½λ(β−α)|
    fn coupling(&self, layer: usize, neuron: usize) -> f64 {
        0.5 * self.multipliers.lambda[layer][neuron] * width(self.operator.layers[layer].2[neuron])
    }

    /// Per node, what arrives there from the inputs and neurons before it, and from the rows and neurons after it.
    fn magnitudes(&self) -> Result<(Vec<Sizes>, Vec<Sizes>), OutOfRange> {
        let (network, layers) = (self.operator.network, &self.operator.layers);
        let [t, x, w @ ..] = self.scales.0.as_slice() else { return Ok((Vec::new(), Vec::new())) };
        let both = |size: f64, column: usize| if column == 0 { size } else { f64::from(u8::from(size > 0.0)) };
        let mut forward: Vec<Sizes> = Vec::with_capacity(network.nodes().len());
        let mut a = 0;
        for (index, node) in network.nodes().iter().enumerate() {
            let mut here = Matrix::zeros(node.len, 2);
            match &node.op {
                SlopeOp::Input => here = Matrix::from_fn(node.len, 2, |i, column| both(x.at(i, 0), column)),
                SlopeOp::Affine { terms } => {
                    terms.iter().for_each(|t| t.map.abs_forward(&forward[t.parent.index()], Store::Add, &mut here));
                }
                SlopeOp::Neurons { parent } => {
                    let h = &forward[parent.index()];
                    here = Matrix::from_fn(node.len, 2, |j, column| {
                        both(w[a].at(j, 0), column) + layers[a].2[j].lower.abs() * h.at(j, column)
                    });
                    a += 1;
                }
            }
            forward.push(in_range(index, here)?);
        }

        let mut backward: Vec<Sizes> = network.nodes().iter().map(|node| Matrix::zeros(node.len, 2)).collect();
        let y = &mut backward[network.output().index()];
        for (entries, scale) in self.rows.iter().zip(t.data()) {
            entries.iter().for_each(|(i, u)| {
                *y.at_mut(*i, 0) += u.abs() * scale;
                *y.at_mut(*i, 1) = 1.0;
            });
        }
        for (index, node) in network.nodes().iter().enumerate().rev() {
            let (before, rest) = backward.split_at_mut(index);
            rest[0] = in_range(index, std::mem::replace(&mut rest[0], Matrix::zeros(0, 2)))?;
            match &node.op {
                SlopeOp::Input => {}
                SlopeOp::Affine { terms } => {
                    terms.iter().for_each(|t| t.map.abs_adjoint(&rest[0], Store::Add, &mut before[t.parent.index()]));
                }
                SlopeOp::Neurons { parent } => {
                    a -= 1;
                    let target = &mut before[parent.index()];
                    for j in 0..node.len {
                        let own = if w[a].at(j, 0) > 0.0 { self.coupling(a, j) * w[a].at(j, 0) } else { 0.0 };
                        let own = [own, f64::from(u8::from(w[a].at(j, 0) > 0.0))];
                        for (column, own) in own.into_iter().enumerate() {
                            *target.at_mut(j, column) += own + layers[a].2[j].lower.abs() * rest[0].at(j, column);
                        }
                    }
                }
            }
        }
        Ok((forward, backward))
    }
}

/// The sizes of a node, if they are in range.
fn in_range(node: usize, mut sizes: Sizes) -> Result<Sizes, OutOfRange> {
    for row in sizes.data_mut().chunks_exact_mut(2) {
        let (size, arrives) = (row[0], row[1] != 0.0);
        if if arrives { !(SMALLEST..=LARGEST).contains(&size) } else { size != 0.0 } {
            return Err(OutOfRange { node, magnitude: size });
        }
        row[1] = f64::from(u8::from(arrives));
    }
    Ok(sizes)
}
