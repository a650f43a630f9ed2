//! Running a network on real inputs, many at once.

use super::{Network, Op};
use crate::matrix::{Matrix, Store};

/// The value of every node for a batch of inputs: entry i is the len × k matrix of node i.
#[derive(Clone, Debug)]
pub struct Values(Vec<Matrix>);

impl Values {
    pub(crate) fn new(values: Vec<Matrix>) -> Self {
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
        for node in self.nodes.iter() {
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
                Op::Combine { parents, combination } => {
                    let [p, q] = parents.map(|parent| &values[parent.index()]);
                    Matrix::from_fn(node.len, k, |i, j| combination.value([p.at(i, j), q.at(i, j)]))
                }
            };
            values.push(value);
        }
        Values(values)
    }
}

fn broadcast(bias: Option<&[f64]>, len: usize, k: usize) -> Matrix {
    match bias {
        None => Matrix::zeros(len, k),
        Some(bias) => Matrix::from_fn(len, k, |i, _| bias[i]),
    }
}
