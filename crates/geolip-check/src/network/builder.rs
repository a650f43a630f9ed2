//! Building a network node by node; every shape and every number is checked here, so that nothing later has to.

use super::{Activation, Combination, LinearMap, Network, Node, NodeId, Op, Term};
use crate::rounding::exact_sum;
use std::sync::Arc;

/// Why a network cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// Two lengths that must agree do not.
    #[error("node '{node}': {what} has length {found}, but {expected} is needed")]
    Length {
        /// The node at fault.
        node: String,
        /// What is too long or too short.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// A weight, bias or parameter is NaN or infinite.
    #[error("node '{node}': {what} holds the value {value}; every weight must be a finite number")]
    NotFinite {
        /// The node at fault.
        node: String,
        /// Where the number stands.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// An activation's parameters make no slope-bounded function.
    #[error("node '{node}': {reason}")]
    Activation {
        /// The node at fault.
        node: String,
        /// What is wrong.
        reason: String,
    },
    /// A node without entries, or an affine node without terms.
    #[error("node '{node}' is empty; a network needs at least one number at every node")]
    Empty {
        /// The node at fault.
        node: String,
    },
}

/// Builds a [`Network`], node by node in topological order.
///
/// ```
/// use geolip_check::Matrix;
/// use geolip_check::network::{Activation, LinearMap, NetworkBuilder};
///
/// let mut b = NetworkBuilder::new(2)?;
/// let w = Matrix::from_vec(2, 2, vec![1.0, -1.0, 0.5, 2.0]);
/// let h = b.affine("fc1", vec![(b.input(), LinearMap::Dense(w))], Some(vec![0.1, 0.0]))?;
/// let z = b.activate("relu1", h, Activation::Relu)?;
/// let y = b.affine("fc2", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 2, vec![1.0, 1.0])))], None)?;
/// let network = b.finish(y);
/// assert_eq!(network.evaluate(&[1.0, 0.0]), [1.6]);
/// # Ok::<(), geolip_check::network::NetworkError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NetworkBuilder {
    nodes: Vec<Node>,
}

impl NetworkBuilder {
    /// Starts a network with `inputs` inputs.
    pub fn new(inputs: usize) -> Result<Self, NetworkError> {
        let name = "input".to_owned();
        if inputs == 0 {
            return Err(NetworkError::Empty { node: name });
        }
        Ok(Self { nodes: vec![Node { name, len: inputs, op: Op::Input }] })
    }

    /// The input node.
    pub fn input(&self) -> NodeId {
        NodeId::INPUT
    }

    /// The length of a node built so far.
    pub fn len_of(&self, id: NodeId) -> usize {
        self.nodes[id.0].len
    }

    /// Adds Σ map·parent + bias.
    pub fn affine(
        &mut self,
        name: &str,
        terms: Vec<(NodeId, LinearMap)>,
        bias: Option<Vec<f64>>,
    ) -> Result<NodeId, NetworkError> {
        let terms = terms.into_iter().map(|(parent, map)| Term { parent, map: Arc::new(map) }).collect();
        self.sum(name, terms, bias)
    }

    /// As [`Self::affine`], of maps that may be shared with another network.
    pub fn sum(&mut self, name: &str, terms: Vec<Term>, bias: Option<Vec<f64>>) -> Result<NodeId, NetworkError> {
        let len = terms.first().map_or(0, |term| term.map.rows());
        if len == 0 {
            return Err(NetworkError::Empty { node: name.to_owned() });
        }
        for Term { parent, map } in &terms {
            check_len(name, "the parent of a linear map", self.len_of(*parent), map.cols())?;
            check_len(name, "the result of a linear map", map.rows(), len)?;
            check_finite(name, "the weight", map.coefficients())?;
        }
        if let Some(bias) = &bias {
            check_len(name, "the bias", bias.len(), len)?;
            check_finite(name, "the bias", bias)?;
        }
        self.push(name, len, Op::Affine { terms, bias })
    }

    /// Adds an activation of `parent`.
    pub fn activate(&mut self, name: &str, parent: NodeId, activation: Activation) -> Result<NodeId, NetworkError> {
        let len = self.len_of(parent);
        if let Some(reason) = activation.defect() {
            return Err(NetworkError::Activation { node: name.to_owned(), reason });
        }
        if let Some(neurons) = activation.neurons() {
            check_len(name, "the activation's parameter", neurons, len)?;
        }
        self.push(name, len, Op::Activate { parent, activation })
    }

    /// Adds a function of several parents of one length, entry by entry.
    pub fn combine(
        &mut self,
        name: &str,
        parents: [NodeId; 2],
        combination: Combination,
    ) -> Result<NodeId, NetworkError> {
        let len = self.len_of(parents[0]);
        for parent in parents {
            check_len(name, "an argument", self.len_of(parent), len)?;
        }
        self.push(name, len, Op::Combine { parents, combination })
    }

    /// The network whose output is `output`. Nodes that cannot reach it are left out, and a bias added to an affine node
    /// that nothing else reads becomes part of that node.
    pub fn finish(self, output: NodeId) -> Network {
        self.finish_placed(output).0
    }

    /// As [`Self::finish`], and what became of each node so far: its place in the network, if it is needed.
    pub fn finish_placed(mut self, output: NodeId) -> (Network, Vec<Option<NodeId>>) {
        self.fuse_biases(output);
        let mut needed = vec![false; self.nodes.len()];
        needed[0] = true; // a network that ignores its input is still a function of it
        needed[output.0] = true;
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                self.nodes[index].op.parents().for_each(|p| needed[p.0] = true);
            }
        }
        let mut place = vec![None; self.nodes.len()];
        let new =
            |place: &[Option<NodeId>], old: NodeId| place[old.0].expect("parents of a node that is needed are needed");
        let mut nodes = Vec::new();
        for (index, mut node) in self.nodes.into_iter().enumerate().filter(|(index, _)| needed[*index]) {
            match &mut node.op {
                Op::Input => {}
                Op::Affine { terms, .. } => terms.iter_mut().for_each(|t| t.parent = new(&place, t.parent)),
                Op::Activate { parent, .. } => *parent = new(&place, *parent),
                Op::Combine { parents, .. } => parents.iter_mut().for_each(|p| *p = new(&place, *p)),
            }
            place[index] = Some(NodeId(nodes.len()));
            nodes.push(node);
        }
        (Network { output: new(&place, output), nodes: Arc::new(nodes) }, place)
    }

    /// The network of all nodes as they are, for a reader of networks that were finished before: whether a bias is fused into a
    /// node that it follows depends on nodes that are gone by then. Every node must reach the output.
    pub(super) fn finish_as_it_is(self, output: NodeId) -> Network {
        Network { output, nodes: Arc::new(self.nodes) }
    }

    /// Exporters write W·x and + b as two nodes. Where only the second reads the first, they become one; not where that would round a
    /// sum of two biases.
    fn fuse_biases(&mut self, output: NodeId) {
        let mut readers = vec![0; self.nodes.len()];
        readers[output.0] += 1;
        for node in &self.nodes {
            node.op.parents().for_each(|p| readers[p.0] += 1);
        }
        for index in 1..self.nodes.len() {
            let Op::Affine { terms, bias } = &self.nodes[index].op else { continue };
            let [Term { parent, map }] = terms.as_slice() else { continue };
            let LinearMap::Identity(_) = **map else { continue };
            let (parent, added) = (*parent, bias.clone());
            let Op::Affine { bias, .. } = &self.nodes[parent.0].op else { continue };
            if readers[parent.0] != 1 || !sums_are_exact(bias.as_deref(), added.as_deref()) {
                continue;
            }
            let earlier = std::mem::replace(&mut self.nodes[parent.0].op, Op::Input); // left behind, unread
            let Op::Affine { terms, bias } = earlier else { continue };
            let bias = match (bias, added) {
                (Some(a), Some(b)) => Some(a.iter().zip(&b).map(|(a, b)| a + b).collect()),
                (a, b) => a.or(b),
            };
            self.nodes[index].op = Op::Affine { terms, bias };
        }
    }

    fn push(&mut self, name: &str, len: usize, op: Op) -> Result<NodeId, NetworkError> {
        self.nodes.push(Node { name: name.to_owned(), len, op });
        Ok(NodeId(self.nodes.len() - 1))
    }
}

/// Whether a + b is exact for every pair.
fn sums_are_exact(a: Option<&[f64]>, b: Option<&[f64]>) -> bool {
    a.zip(b).is_none_or(|(a, b)| a.iter().zip(b).all(|(a, b)| exact_sum(*a, *b).is_some()))
}

fn check_len(node: &str, what: &'static str, found: usize, expected: usize) -> Result<(), NetworkError> {
    if found == expected { Ok(()) } else { Err(NetworkError::Length { node: node.to_owned(), what, found, expected }) }
}

fn check_finite(node: &str, what: &'static str, numbers: &[f64]) -> Result<(), NetworkError> {
    match numbers.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(&value) => Err(NetworkError::NotFinite { node: node.to_owned(), what, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;

    fn dense(rows: usize, cols: usize) -> LinearMap {
        LinearMap::Dense(Matrix::from_fn(rows, cols, |i, j| (i + 2 * j) as f64 - 1.5))
    }

    #[test]
    fn wrong_shapes_and_numbers_are_named() -> Result<(), NetworkError> {
        let mut b = NetworkBuilder::new(3)?;
        assert!(matches!(b.affine("fc", vec![(b.input(), dense(2, 4))], None), Err(NetworkError::Length { .. })));
        let bias = Some(vec![0.0; 3]);
        assert!(matches!(b.affine("fc", vec![(b.input(), dense(2, 3))], bias), Err(NetworkError::Length { .. })));
        let infinite = LinearMap::Scale(vec![1.0, f64::INFINITY, 0.0]);
        let error = b.affine("fc", vec![(b.input(), infinite)], None).expect_err("infinite weight");
        assert_eq!(
            error.to_string(),
            "node 'fc': the weight holds the value inf; every weight must be a finite number"
        );
        assert!(b.affine("fc", vec![], None).is_err() && NetworkBuilder::new(0).is_err());
        let slopes = Activation::PRelu { slopes: vec![0.1; 2] };
        assert!(matches!(b.activate("a", b.input(), slopes), Err(NetworkError::Length { .. })));
        Ok(())
    }

    #[test]
    fn biases_fuse_and_unreachable_nodes_go() -> Result<(), NetworkError> {
        let mut b = NetworkBuilder::new(3)?;
        let product = b.affine("matmul", vec![(b.input(), dense(2, 3))], None)?;
        let sum = b.affine("add", vec![(product, LinearMap::Identity(2))], Some(vec![1.0, -1.0]))?;
        let z = b.activate("relu", sum, Activation::Relu)?;
        b.activate("unused", sum, Activation::Tanh)?;
        let network = b.finish(z);
        assert_eq!(network.nodes().len(), 3);
        assert_eq!(network.evaluate(&[0.0, 0.0, 0.0]), [1.0, 0.0]);
        Ok(())
    }

    #[test]
    fn biases_do_not_fuse_where_their_sum_would_be_rounded() -> Result<(), NetworkError> {
        for (first, second, nodes) in
            [(1.0, 2.0, 2), (1e16, 1.0, 3), (f64::MAX, f64::MAX, 3), (0.1, 0.2, 3), (-0.5, 0.5, 2)]
        {
            let mut b = NetworkBuilder::new(1)?;
            let product = b.affine("product", vec![(b.input(), LinearMap::Identity(1))], Some(vec![first]))?;
            let sum = b.affine("sum", vec![(product, LinearMap::Identity(1))], Some(vec![second]))?;
            assert_eq!(b.finish(sum).nodes().len(), nodes, "{first} and {second}");
        }
        Ok(())
    }

    #[test]
    fn a_bias_does_not_fuse_into_a_node_that_others_read() -> Result<(), NetworkError> {
        let mut b = NetworkBuilder::new(3)?;
        let product = b.affine("matmul", vec![(b.input(), dense(3, 3))], None)?;
        let shifted = b.affine("add", vec![(product, LinearMap::Identity(3))], Some(vec![1.0; 3]))?;
        let z = b.activate("relu", shifted, Activation::Relu)?;
        let residual = vec![(z, LinearMap::Identity(3)), (product, LinearMap::Identity(3))];
        let y = b.affine("residual", residual, None)?;
        let network = b.finish(y);
        assert_eq!(network.evaluate(&[0.0, 0.0, 0.0]), [1.0, 1.0, 1.0]);
        assert_eq!(network.nodes().len(), 5);
        Ok(())
    }
}
