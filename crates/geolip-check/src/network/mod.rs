//! What is bounded: a directed acyclic graph of affine maps and slope-bounded activations.
//!
//! A [`Network`] is a list of nodes in topological order. Node 0 is the input x ∈ R^{n₀}; every other node is either
//!
//! * [`Op::Affine`]: Σ_t A_t·(parent t) + b, a sum of [`LinearMap`]s of earlier nodes (so several parents, residual
//!   additions and skip connections need nothing special), or
//! * [`Op::Activate`]: φ applied to each entry of one parent, with φ an [`Activation`] whose secant slopes lie in a known
//!   interval \[α, β\].
//!
//! The *formal* Jacobians of the network are those of the linear networks in which every activation is replaced by
//! multiplication with any v ∈ \[α, β\]; the formal global Lipschitz constant (FGL) is their largest norm, and is what
//! every upper bound of this library bounds. Biases do not enter it; they are kept for evaluation and lower bounds.
//!
//! This module knows neither files nor bounds.

mod activation;
mod alone;
mod builder;
mod canonical;
mod convolution;
mod evaluate;
mod gather;
mod hash;
mod linear;
mod linearised;
mod local;
mod twins;

pub use activation::{Activation, Slope};
pub use builder::{NetworkBuilder, NetworkError};
pub use canonical::CanonicalError;
pub use canonical::{looks_canonical, read as read_canonical};
pub use convolution::{Convolution, ConvolutionShape};
pub use evaluate::Values;
pub use gather::Gather;
pub use linear::LinearMap;
use local::Local;
use std::sync::Arc;
pub use twins::Twins;

/// Names a node of one [`Network`]: its place in topological order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

impl NodeId {
    /// The input of every network.
    pub const INPUT: Self = Self(0);

    /// The place in [`Network::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// One summand of an affine node: `map` applied to `parent`.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The node the map reads.
    pub parent: NodeId,
    /// The linear map.
    pub map: LinearMap,
}

/// How a node comes from its parents.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The network's input.
    Input,
    /// Σ map·parent + bias.
    Affine {
        /// The summands, at least one.
        terms: Vec<Term>,
        /// One number per entry, or none for zero.
        bias: Option<Vec<f64>>,
    },
    /// An elementwise activation of one parent.
    Activate {
        /// The pre-activation.
        parent: NodeId,
        /// The function.
        activation: Activation,
    },
}

impl Op {
    /// The nodes that it reads, as often as it reads them.
    pub fn parents(&self) -> impl Iterator<Item = NodeId> + '_ {
        let (terms, single): (&[Term], _) = match self {
            Self::Input => (&[], None),
            Self::Affine { terms, .. } => (terms, None),
            Self::Activate { parent, .. } => (&[], Some(*parent)),
        };
        terms.iter().map(|term| term.parent).chain(single)
    }
}

/// One node: a vector of `len` numbers, computed by `op`.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name it has in the file, for messages.
    pub name: String,
    /// How many numbers it holds.
    pub len: usize,
    /// How they are computed.
    pub op: Op,
}

impl Node {
    /// The number of weights and biases here; a bias that is one number per channel of a convolution counts once.
    pub fn parameters(&self) -> usize {
        match &self.op {
            Op::Input | Op::Activate { .. } => 0,
            Op::Affine { terms, bias } => {
                let places = terms.iter().map(|t| t.map.places()).max().unwrap_or(1);
                let constant = |channel: &[f64]| channel.iter().all(|b| *b == channel[0]);
                let biases = bias.as_ref().map_or(0, |bias| match bias.chunks(places).all(constant) {
                    true => bias.len() / places,
                    false => bias.len(),
                });
                terms.iter().map(|t| t.map.parameters()).sum::<usize>() + biases
            }
        }
    }
}

/// A feed-forward network with one input vector and one output vector. Shapes are consistent and numbers finite: only
/// [`NetworkBuilder`] makes one. Copies share their weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    nodes: Arc<Vec<Node>>,
    output: NodeId,
    /// What it is on a region; none for the whole space.
    local: Option<Arc<Local>>,
}

impl Network {
    /// The nodes in topological order; the first is the input.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Every id in topological order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The output node.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// n₀, the number of inputs.
    pub fn inputs(&self) -> usize {
        self.nodes[0].len
    }

    /// m, the number of outputs.
    pub fn outputs(&self) -> usize {
        self.node(self.output).len
    }

    /// The activation layers in topological order: (node, pre-activation, activation).
    pub fn activations(&self) -> impl Iterator<Item = (NodeId, NodeId, &Activation)> {
        self.ids().filter_map(|id| match &self.node(id).op {
            Op::Activate { parent, activation } => Some((id, *parent, activation)),
            Op::Input | Op::Affine { .. } => None,
        })
    }

    /// The number of neurons (entries of activation layers).
    pub fn neurons(&self) -> usize {
        self.activations().map(|(id, _, _)| self.node(id).len).sum()
    }

    /// The number of stored weights and biases.
    pub fn parameters(&self) -> usize {
        self.nodes.iter().map(Node::parameters).sum()
    }

    /// Every summand of every affine node.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.nodes.iter().flat_map(|node| match &node.op {
            Op::Affine { terms, .. } => terms.as_slice(),
            Op::Input | Op::Activate { .. } => &[],
        })
    }

    /// Multiply–adds of one evaluation at one input, activations aside.
    pub fn multiply_adds(&self) -> usize {
        self.terms().map(|term| term.map.nonzeros()).fold(0, usize::saturating_add)
    }

    /// The largest number of activation layers on a path to each node, indexed by node: the *depth* in which the
    /// certificate's repair is graded.
    pub fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            depths[index] = match &node.op {
                Op::Input => 0,
                Op::Affine { terms, .. } => terms.iter().map(|t| depths[t.parent.0]).max().unwrap_or(0),
                Op::Activate { parent, .. } => depths[parent.0] + 1,
            };
        }
        depths
    }
}
