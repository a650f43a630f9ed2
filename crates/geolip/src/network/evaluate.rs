//! Running a network on real inputs, many at once, with a bound on the rounding of another float32 run.

use super::{Network, Op};
use crate::matrix::{Matrix, Store};

/// The value of every node for a batch of inputs: entry i is the len × k matrix of node i.
#[derive(Clone, Debug)]
pub struct Values(Vec<Matrix>);

impl Values {
    pub(super) fn new(values: Vec<Matrix>) -> Self {
        Self(values)
    }

    /// The len × k values of a node.
    pub fn of(&self, id: super::NodeId) -> &Matrix {
        &self.0[id.index()]
    }
}

impl Network {
    /// y(x), in ordinary double precision.
    ///
    /// # Panics
    /// When `x` has not [`Network::inputs`] entries.
    pub fn evaluate(&self, x: &[f64]) -> Vec<f64> {
        let values = self.evaluate_batch(Matrix::from_vec(self.inputs(), 1, x.to_vec()));
        values.of(self.output()).data().to_vec()
    }

    /// The value of every node at the k inputs that are the columns of `x` (inputs × k).
    pub fn evaluate_batch(&self, x: Matrix) -> Values {
        assert_eq!(x.rows(), self.inputs(), "one row per input");
        let k = x.cols();
        let mut values: Vec<Matrix> = Vec::with_capacity(self.nodes.len());
        let mut input = Some(x);
        for node in &self.nodes {
            let value = match &node.op {
                Op::Input => input.take().expect("a network has one input node"),
                Op::Affine { terms, bias } => {
                    let mut y = broadcast(bias.as_deref(), node.len, k);
                    for term in terms {
                        term.map.forward(&values[term.parent.index()], Store::Add, &mut y);
                    }
                    y
                }
                Op::Activate { parent, activation } => {
                    let h = &values[parent.index()];
                    Matrix::from_fn(node.len, k, |i, j| activation.value(i, h.at(i, j)))
                }
            };
            values.push(value);
        }
        Values(values)
    }

    /// For every node, a bound on |float32 result − exact result| at the given values, entrywise.
    ///
    /// **Claim.** A float32 inference that rounds every weight product and every sum once (in any order, fused or not)
    /// and computes each activation to within `ULPS` units in the last place stays within this distance of the exact
    /// value, to first order in 2⁻²⁴. Errors are carried by |A| through affine nodes and by max(|α|, |β|) through
    /// activations. It serves to judge the import's comparison against another inference; no bound rests on it.
    pub fn float32_error(&self, values: &Values) -> Values {
        const UNIT: f64 = 1.0 / (1 << 24) as f64;
        const ULPS: f64 = 16.0;
        let k = values.0[0].cols();
        let mut errors: Vec<Matrix> = Vec::with_capacity(self.nodes.len());
        for (node, value) in self.nodes.iter().zip(&values.0) {
            let error = match &node.op {
                Op::Input => Matrix::zeros(node.len, k),
                Op::Affine { terms, bias } => {
                    let mut error = Matrix::zeros(node.len, k);
                    let mut size = broadcast(bias.as_deref(), node.len, k).abs();
                    let mut longest = terms.len() + 1;
                    for term in terms {
                        let parent = term.parent.index();
                        term.map.abs_forward(&errors[parent], Store::Add, &mut error);
                        term.map.abs_forward(&values.0[parent].abs(), Store::Add, &mut size);
                        longest = longest.max(term.map.longest_sum() + terms.len() + 1);
                    }
                    let rounding = (longest as f64 + 2.0) * UNIT;
                    error.data_mut().iter_mut().zip(size.data()).for_each(|(e, s)| *e += rounding * s);
                    error
                }
                Op::Activate { parent, activation } => {
                    let carried = &errors[parent.index()];
                    let argument = &values.0[parent.index()];
                    Matrix::from_fn(node.len, k, |i, j| {
                        let size = value.at(i, j).abs().max(argument.at(i, j).abs() * activation.slope(i).magnitude());
                        carried.at(i, j) * activation.slope(i).magnitude() + ULPS * UNIT * (size + 1e-30)
                    })
                }
            };
            errors.push(error);
        }
        Values(errors)
    }
}

fn broadcast(bias: Option<&[f64]>, len: usize, k: usize) -> Matrix {
    match bias {
        None => Matrix::zeros(len, k),
        Some(bias) => Matrix::from_fn(len, k, |i, _| bias[i]),
    }
}
