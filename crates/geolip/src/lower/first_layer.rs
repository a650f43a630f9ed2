//! The first layer as the variable: where W₁ has full row rank, every pre-activation h = W₁x + b is reached by some input.
//!
//! Steps of h become steps of x by the least change of x, W₁ᵀ(W₁W₁ᵀ)⁻¹ Δh, in plain floating point and with a small ridge, so
//! that of a wanted Δh without full row rank the part P Δh that can be had is had, P = W₁W₁ᵀ(W₁W₁ᵀ + ridge)⁻¹. Nothing here
//! proves anything: an input that misses its h is just another input.

use super::realise::{cholesky, solve};
use super::tuning::first_layer::{LEAST_PIVOT, MOST_ROWS, RIDGE};
use crate::matrix::{Matrix, Store, multiply};
use crate::network::{LinearMap, Network, NetworkBuilder, NodeId, Op};
use crate::slopes::SlopeNetwork;

/// W₁ with the Cholesky factor of W₁W₁ᵀ + ridge, and the network behind it.
pub(super) struct FirstLayer {
    node: NodeId,
    /// Where it stands in the slope network.
    image: NodeId,
    w: Matrix,
    bias: Vec<f64>,
    factor: Matrix,
    /// P, symmetric; none where it is the identity.
    reach: Option<Matrix>,
    /// The network as a function of h.
    rest: SlopeNetwork,
}

impl FirstLayer {
    /// None where several nodes read the input, or W₁ is too large for `work` multiply–adds.
    pub fn new(network: &SlopeNetwork, work: f64) -> Option<Self> {
        if !network.is_elementwise() {
            return None;
        }
        let slopes = network;
        let network = network.network();
        let reads = |id: &NodeId| match &network.node(*id).op {
            Op::Input => false,
            Op::Affine { terms, .. } => terms.iter().any(|t| t.parent == NodeId::INPUT),
            Op::Activate { parent, .. } => *parent == NodeId::INPUT,
            Op::Combine { parents, .. } => parents.contains(&NodeId::INPUT),
        };
        let mut readers = network.ids().filter(reads);
        let (Some(node), None) = (readers.next(), readers.next()) else { return None };
        let Op::Affine { terms, bias } = &network.node(node).op else { return None };
        let [term] = terms.as_slice() else { return None };
        let (rows, cols) = (term.map.rows(), term.map.cols());
        if node == network.output() || rows > MOST_ROWS || (rows * rows * rows.max(cols)) as f64 > work {
            return None;
        }
        let mut w = Matrix::zeros(rows, cols);
        let sparse = term.map.to_sparse();
        (0..rows).for_each(|i| sparse.row(i).for_each(|(j, v)| *w.at_mut(i, j) = v));
        let mut gram = Matrix::zeros(rows, rows);
        multiply(&mut gram, Store::Replace, 1.0, w.view(), w.t());
        let mean = (0..rows).map(|i| gram.at(i, i)).sum::<f64>() / rows as f64;
        let mut raised = gram.clone();
        (0..rows).for_each(|i| *raised.at_mut(i, i) += RIDGE * mean);
        let factor = cholesky(raised)?;
        let full = (0..rows).all(|i| factor.at(i, i).powi(2) > LEAST_PIVOT * mean);
        let reach = (!full).then(|| solved(&factor, &gram));
        let bias = bias.clone().unwrap_or_else(|| vec![0.0; rows]);
        Some(Self { node, image: slopes.image(node), w, bias, factor, reach, rest: behind(network, node)? })
    }

    /// The pre-activation.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// It in the slope network.
    pub fn image(&self) -> NodeId {
        self.image
    }

    /// The network as a function of the pre-activation; its activation layers are those of the whole network, in order.
    pub fn rest(&self) -> &SlopeNetwork {
        &self.rest
    }

    /// Whether every pre-activation is reached.
    pub fn is_onto(&self) -> bool {
        self.reach.is_none()
    }

    /// Δh that is had where a change of neuron j alone is wanted, in units of it: column j of P.
    pub fn reached(&self, j: usize) -> Option<&[f64]> {
        self.reach.as_ref().map(|reach| reach.row(j))
    }

    /// h of x.
    pub fn pre_activation(&self, x: &[f64]) -> Vec<f64> {
        let dot = |i: usize| self.w.row(i).iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        self.bias.iter().enumerate().map(|(i, b)| dot(i) + b).collect()
    }

    /// W₁ᵀ g, columnwise.
    pub fn pull_back(&self, g: &Matrix) -> Matrix {
        let mut pulled = Matrix::zeros(self.w.cols(), g.cols());
        multiply(&mut pulled, Store::Replace, 1.0, self.w.t(), g.view());
        pulled
    }

    /// Δx of given Δh, columnwise.
    pub fn input_step(&self, wanted: &Matrix) -> Matrix {
        self.pull_back(&solved(&self.factor, wanted))
    }

    /// An input with the given pre-activation.
    pub fn input(&self, h: &[f64]) -> Vec<f64> {
        let y = h.iter().zip(&self.bias).map(|(h, b)| h - b).collect();
        self.input_step(&Matrix::from_vec(h.len(), 1, y)).column(0)
    }
}

/// (LLᵀ)⁻¹ y, columnwise.
fn solved(factor: &Matrix, y: &Matrix) -> Matrix {
    let mut columns = y.transposed();
    (0..columns.rows()).for_each(|p| solve(factor, columns.row_mut(p)));
    columns.transposed()
}

/// The network with a node as its input, through which everything passes.
fn behind(network: &Network, first: NodeId) -> Option<SlopeNetwork> {
    let mut builder = NetworkBuilder::new(network.node(first).len).ok()?;
    let mut place = vec![builder.input(); network.nodes().len()];
    for id in network.ids().filter(|id| *id > first) {
        let node = network.node(id);
        let name = node.name.as_str();
        place[id.index()] = match &node.op {
            Op::Input => return None,
            Op::Affine { terms, bias } => {
                let terms = terms.iter().map(|t| (place[t.parent.index()], LinearMap::clone(&t.map))).collect();
                builder.affine(name, terms, bias.clone()).ok()?
            }
            Op::Activate { parent, activation } => {
                builder.activate(name, place[parent.index()], activation.clone()).ok()?
            }
            Op::Combine { .. } => return None,
        };
    }
    SlopeNetwork::everywhere(&builder.finish(place[network.output().index()])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;

    fn network(rows: usize, cols: usize) -> Network {
        let w = Matrix::from_fn(rows, cols, |i, j| ((i * i * 5 + i * j + j * j) as f64 + 0.3).sin());
        let mut b = NetworkBuilder::new(cols).expect("inputs");
        let bias = (0..rows).map(|i| i as f64 * 0.1).collect();
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], Some(bias)).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z, LinearMap::Dense(Matrix::from_fn(2, rows, |i, j| (i + j) as f64)))], None);
        b.finish(y.expect("shapes"))
    }

    #[test]
    fn the_rest_of_the_network_is_the_network() {
        let network = network(4, 6);
        let first =
            FirstLayer::new(&SlopeNetwork::everywhere(&network).expect("bounded slopes"), 1e9).expect("a first layer");
        assert!(first.is_onto());
        let x: Vec<f64> = (0..6).map(|i| (i as f64).cos()).collect();
        let h = first.pre_activation(&x);
        let outputs = first.rest().network().evaluate(&h).into_iter().zip(network.evaluate(&x));
        assert!(outputs.into_iter().all(|(a, b)| (a - b).abs() < 1e-12));
        let again = first.pre_activation(&first.input(&h));
        assert!(again.iter().zip(&h).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn of_a_change_that_cannot_be_had_the_nearest_is() {
        let network = network(6, 3);
        let first =
            FirstLayer::new(&SlopeNetwork::everywhere(&network).expect("bounded slopes"), 1e9).expect("a first layer");
        assert!(!first.is_onto());
        for j in 0..6 {
            let reached = first.reached(j).expect("not onto").to_vec();
            let step = first.input_step(&Matrix::from_fn(6, 1, |i, _| if i == j { 1.0 } else { 0.0 })).column(0);
            let moved = |i: usize| first.w.row(i).iter().zip(&step).map(|(w, x)| w * x).sum::<f64>();
            assert!((0..6).all(|i| (moved(i) - reached[i]).abs() < 1e-6), "{j}");
        }
    }
}
