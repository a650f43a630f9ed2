//! What is bounded: a directed acyclic graph of affine maps and slope-bounded activations.
//!
//! A [`Network`] is a list of nodes in topological order. Node 0 is the input x ∈ R^{n₀}; every other node is either
//!
//! * [`Op::Affine`]: Σ_t A_t·(parent t) + b, a sum of [`LinearMap`]s of earlier nodes (so several parents, residual
//!   additions and skip connections need nothing special), or
//! * [`Op::Activate`]: φ applied to each entry of one parent, with φ an [`Activation`] whose secant slopes lie in a known
//!   interval \[α, β\], or
//! * [`Op::Combine`]: a function of several numbers applied to the entries of several parents of one length, a [`Combination`].
//!
//! A network is data. What it can do to a change of its input, everywhere or on a region, is the business of
//! [`crate::slopes::SlopeNetwork`]; this module knows neither regions nor bounds.

mod builder;
mod canonical;
mod convolution;
mod evaluate;
mod gather;
mod hash;
mod linear;

pub use crate::function::{Activation, Combination, Slope};
pub use builder::{NetworkBuilder, NetworkError};
pub use canonical::CanonicalError;
pub use canonical::{looks_canonical, read as read_canonical};
pub use convolution::{Convolution, ConvolutionShape};
pub use evaluate::Values;
pub use gather::Gather;
pub use linear::LinearMap;
use std::sync::Arc;

/// Names a node of one [`Network`], or of one [`SlopeNetwork`](crate::slopes::SlopeNetwork): its place in topological order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

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
    /// The linear map; copies of a network share it.
    pub map: Arc<LinearMap>,
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
    /// A function of several parents of one length, entry by entry.
    Combine {
        /// As many as the function has arguments.
        parents: [NodeId; 2],
        /// The function.
        combination: Combination,
    },
}

impl Op {
    /// The nodes that a function moves with, each once: it has a layer of neurons for each of them.
    pub(crate) fn moving(&self) -> impl Iterator<Item = NodeId> + use<> {
        let (first, second) = match self {
            Self::Input | Self::Affine { .. } => (None, None),
            Self::Activate { parent, .. } => (Some(*parent), None),
            Self::Combine { parents: [p, q], .. } => (Some(*p), (p != q).then_some(*q)),
        };
        first.into_iter().chain(second)
    }

    /// The name of its function, for messages.
    pub fn function(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Affine { .. } => "affine",
            Self::Activate { activation, .. } => activation.name(),
            Self::Combine { combination, .. } => combination.name(),
        }
    }

    /// The nodes that it reads, as often as it reads them.
    pub fn parents(&self) -> impl Iterator<Item = NodeId> + '_ {
        let (terms, own): (&[Term], &[NodeId]) = match self {
            Self::Input => (&[], &[]),
            Self::Affine { terms, .. } => (terms, &[]),
            Self::Activate { parent, .. } => (&[], std::slice::from_ref(parent)),
            Self::Combine { parents, .. } => (&[], parents),
        };
        terms.iter().map(|term| term.parent).chain(own.iter().copied())
    }
}

impl Term {
    /// A node as it is.
    pub fn identity(parent: NodeId, len: usize) -> Self {
        Self { parent, map: Arc::new(LinearMap::Identity(len)) }
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
            Op::Input | Op::Activate { .. } | Op::Combine { .. } => 0,
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
            Op::Input | Op::Affine { .. } | Op::Combine { .. } => None,
        })
    }

    /// The layers of neurons that it has as a slope network, in every place: the node whose function a layer belongs to, and
    /// the node that moves.
    pub fn slope_layers(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.ids().flat_map(|id| self.node(id).op.moving().map(move |parent| (id, parent)))
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
            Op::Input | Op::Activate { .. } | Op::Combine { .. } => &[],
        })
    }

    /// Multiply–adds of one evaluation at one input, activations aside.
    pub fn multiply_adds(&self) -> usize {
        self.terms().map(|term| term.map.nonzeros()).fold(0, usize::saturating_add)
    }
}
