//! The linear networks inside a slope network: neurons multiplied with given slopes, or with their largest slopes on absolute values.
//! Batches of k columns, forward and adjoint.

use super::{SlopeNetwork, SlopeOp};
use crate::matrix::{Matrix, Store};
use crate::network::{LinearMap, Values};

impl SlopeNetwork {
    /// J(v) x at every node, columnwise. **Shapes:** `slopes` holds one n_a × k matrix per activation layer in topological
    /// order, x is inputs × k.
    pub fn forward(&self, slopes: &[Matrix], x: &Matrix) -> Values {
        self.push_forward(x, LinearMap::forward, |layer, h| product(&slopes[layer], h))
    }

    /// J(v)ᵀ y at every node: the gradient with respect to it of ⟨y, output⟩. **Shapes:** as in [`SlopeNetwork::forward`], y is
    /// outputs × k. The gradient with respect to an activation node is that before multiplication with its slopes.
    pub fn adjoint(&self, slopes: &[Matrix], y: &Matrix) -> Values {
        self.pull_back(y, LinearMap::adjoint, |layer, g| product(&slopes[layer], g))
    }

    /// As [`SlopeNetwork::adjoint`], with `pushes` (shaped like the slopes) added to the gradients of the pre-activations.
    pub fn adjoint_with(&self, slopes: &[Matrix], y: &Matrix, pushes: &[Matrix]) -> Values {
        self.pull_back(y, LinearMap::adjoint, |layer, g| {
            let mut gradient = product(&slopes[layer], g);
            gradient.data_mut().iter_mut().zip(pushes[layer].data()).for_each(|(g, p)| *g += p);
            gradient
        })
    }

    /// The largest conceivable |value| at every node for |input| ≤ x, biases left out: |A| in the place of A, max(|α|, |β|)
    /// in the place of every activation.
    pub fn abs_forward(&self, x: &Matrix) -> Values {
        let steepest = self.steepest();
        self.push_forward(x, LinearMap::abs_forward, |layer, h| scaled_rows(&steepest[layer], h))
    }

    /// The largest conceivable |gradient| at every node of any ⟨y', output⟩ with |y'| ≤ y.
    pub fn abs_adjoint(&self, y: &Matrix) -> Values {
        let steepest = self.steepest();
        self.pull_back(y, LinearMap::abs_adjoint, |layer, g| scaled_rows(&steepest[layer], g))
    }

    fn steepest(&self) -> Vec<Vec<f64>> {
        self.slopes().iter().map(|layer| layer.iter().map(|s| s.magnitude()).collect()).collect()
    }

    /// A pass forward with the given application of maps, in which `activate` says what stands at an activation layer, from
    /// what stands before it.
    pub fn push_forward(
        &self,
        x: &Matrix,
        apply: impl Fn(&LinearMap, &Matrix, Store, &mut Matrix),
        activate: impl Fn(usize, &Matrix) -> Matrix,
    ) -> Values {
        let mut values: Vec<Matrix> = Vec::with_capacity(self.nodes().len());
        let mut layer = 0;
        for node in self.nodes().iter() {
            values.push(match &node.op {
                SlopeOp::Input => x.clone(),
                SlopeOp::Affine { terms } => {
                    let mut sum = Matrix::zeros(node.len, x.cols());
                    terms.iter().for_each(|t| apply(&t.map, &values[t.parent.index()], Store::Add, &mut sum));
                    sum
                }
                SlopeOp::Neurons { parent } => {
                    layer += 1;
                    activate(layer - 1, &values[parent.index()])
                }
            });
        }
        Values::new(values)
    }

    /// A pass backward from y, in which `activate` says what an activation layer adds to the gradient before it, from the
    /// gradient at it.
    pub fn pull_back(
        &self,
        y: &Matrix,
        apply: impl Fn(&LinearMap, &Matrix, Store, &mut Matrix),
        activate: impl Fn(usize, &Matrix) -> Matrix,
    ) -> Values {
        let mut grads: Vec<Matrix> = self.nodes().iter().map(|n| Matrix::zeros(n.len, y.cols())).collect();
        grads[self.output().index()] = y.clone();
        let mut layer = self.graph.layers.len();
        for (index, node) in self.nodes().iter().enumerate().rev() {
            let (before, rest) = grads.split_at_mut(index);
            match &node.op {
                SlopeOp::Input => {}
                SlopeOp::Affine { terms } => {
                    terms.iter().for_each(|t| apply(&t.map, &rest[0], Store::Add, &mut before[t.parent.index()]));
                }
                SlopeOp::Neurons { parent } => {
                    layer -= 1;
                    let gradient = activate(layer, &rest[0]);
                    let target = before[parent.index()].data_mut();
                    target.iter_mut().zip(gradient.data()).for_each(|(t, g)| *t += g);
                }
            }
        }
        Values::new(grads)
    }
}

fn product(v: &Matrix, h: &Matrix) -> Matrix {
    Matrix::from_vec(h.rows(), h.cols(), v.data().iter().zip(h.data()).map(|(v, h)| v * h).collect())
}

fn scaled_rows(factors: &[f64], h: &Matrix) -> Matrix {
    Matrix::from_fn(h.rows(), h.cols(), |i, j| factors[i] * h.at(i, j))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, NetworkBuilder};

    /// A residual network with two activation layers, different in kind.
    fn example() -> Result<SlopeNetwork, Box<dyn std::error::Error>> {
        let w = |m, n, t: f64| LinearMap::Dense(Matrix::from_fn(m, n, |i, j| ((i * 3 + j * 5) as f64 + t).sin()));
        let mut b = NetworkBuilder::new(4)?;
        let h = b.affine("h1", vec![(b.input(), w(5, 4, 0.1))], Some(vec![0.1; 5]))?;
        let z = b.activate("z1", h, Activation::LeakyRelu { slope: -0.2 })?;
        let h =
            b.affine("h2", vec![(z, w(5, 5, 0.7)), (z, LinearMap::Identity(5)), (b.input(), w(5, 4, 2.0))], None)?;
        let z2 = b.activate("z2", h, Activation::Gelu)?;
        let y = b.affine("y", vec![(z2, w(3, 5, 0.3)), (z, w(3, 5, 0.4))], None)?;
        Ok(SlopeNetwork::everywhere(&b.finish(y))?)
    }

    #[test]
    fn forward_and_adjoint_are_adjoint_and_the_jacobian_of_the_network() -> Result<(), Box<dyn std::error::Error>> {
        let network = example()?;
        let x = Matrix::from_vec(4, 1, vec![0.3, -0.8, 1.1, 0.2]);
        let slopes = network.slopes_at(&network.network().evaluate_batch(x.clone()));
        let step = Matrix::from_vec(4, 1, vec![1.0, 0.5, -0.3, 0.8]);
        let y = Matrix::from_vec(3, 1, vec![0.2, -1.0, 0.6]);
        let forward = network.forward(&slopes, &step);
        let adjoint = network.adjoint(&slopes, &y);
        let dot = |a: &Matrix, b: &Matrix| a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum::<f64>();
        let through = dot(forward.of(network.output()), &y);
        assert!((through - dot(adjoint.of(crate::network::NodeId::INPUT), &step)).abs() < 1e-12);
        let at = |t: f64| {
            let moved: Vec<f64> = x.data().iter().zip(step.data()).map(|(x, s)| x + t * s).collect();
            network.network().evaluate(&moved).iter().zip(y.data()).map(|(a, b)| a * b).sum::<f64>()
        };
        assert!(((at(1e-6) - at(-1e-6)) / 2e-6 - through).abs() < 1e-8);
        Ok(())
    }

    #[test]
    fn absolute_passes_dominate_every_slope_pattern() -> Result<(), Box<dyn std::error::Error>> {
        let network = example()?;
        let x = Matrix::from_vec(4, 1, vec![0.3, -0.8, 1.1, 0.2]);
        let y = Matrix::from_vec(3, 1, vec![0.2, -1.0, 0.6]);
        let (sizes, grads) = (network.abs_forward(&x.abs()), network.abs_adjoint(&y.abs()));
        for pattern in 0..1024_usize {
            let mut neuron = 0;
            let slopes: Vec<Matrix> = network
                .slopes()
                .iter()
                .map(|layer| {
                    Matrix::from_fn(layer.len(), 1, |i, _| {
                        neuron += 1;
                        if pattern >> (neuron - 1) & 1 == 0 { layer[i].lower } else { layer[i].upper }
                    })
                })
                .collect();
            let (forward, adjoint) = (network.forward(&slopes, &x), network.adjoint(&slopes, &y));
            for id in network.ids() {
                let below =
                    |v: &Matrix, limit: &Matrix| v.data().iter().zip(limit.data()).all(|(v, l)| v.abs() <= l + 1e-12);
                assert!(below(forward.of(id), sizes.of(id)) && below(adjoint.of(id), grads.of(id)));
            }
        }
        Ok(())
    }
}
