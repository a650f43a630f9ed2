//! What a network becomes in a place: linear maps, and neurons z = v·h with v anywhere in an interval.
//!
//! # Slope networks
//!
//! A [`SlopeNetwork`] is made by one function of a [`Network`] and a [`Place`], and never changes. Its *formal* Jacobians are the maps
//! J(v) with every slope v in its interval \[α, β\]; the formal global Lipschitz constant (FGL) is their largest norm, and is what
//! every upper bound bounds. The relaxation, the quadratic form, activation patterns and the search all work on slope networks and
//! know no functions.
//!
//! **Claim.** On a convex region the Lipschitz constant of the network is at most the FGL of its slope network there. *Proof.* The network
//! is locally Lipschitz, so its Lipschitz constant is the supremum of ‖J(x)‖ over the points of the region where it is differentiable in
//! all its functions but a set of measure zero; at such a point J(x) is the Jacobian of the slope network in which every v is the
//! partial derivative at x, which lies in its interval. ∎ (Derivatives at one point, not secants: a secant of a function of several
//! numbers is an average of products, and need not factor as its derivative does.)
//!
//! A function of one argument is a layer of neurons on its parent, with the range of its derivative. A function of several is a layer
//! per parent, and their sum: d(p·q) = q·dp + p·dq. Biases play no part.
//!
//! With [`Units`] D the input here is the change of D⁻¹x: one more affine node, x = D t, stands between the input and all that read it in
//! the network, so that the Jacobians are J(v) D. Slopes, and where they are taken, are those of the network: D is in no weight.
//!
//! | file | what |
//! | --- | --- |
//! | `mod.rs` | slope networks: their graph, and how they are made |
//! | `passes.rs` | forward and backward through them, with given slopes |
//! | `alone.rs` | one input alone |
//! | `choices.rs` | entries that are one of a few linear functions |
//! | `grouped.rs` | networks with a group of neurons for each of these |

mod alone;
pub mod choices;
pub mod grouped;
mod passes;

use crate::function::{Activation, Combination, Slope};
use crate::matrix::Matrix;
use crate::network::{LinearMap, Network, NodeId, Op, Term, Values};
use crate::place::enclosure::{Detail, Enclosure};
use crate::place::{Fixing, Part, Place, PlaceError, Region};
use crate::problem::Units;
use std::sync::Arc;

/// How a node of a slope network comes from its parents.
#[derive(Clone, Debug, PartialEq)]
pub enum SlopeOp {
    /// The change of the input, in its units.
    Input,
    /// Σ map·parent.
    Affine {
        /// The summands, at least one.
        terms: Vec<Term>,
    },
    /// v∘parent, with the slopes v of one layer.
    Neurons {
        /// The pre-activation.
        parent: NodeId,
    },
}

impl SlopeOp {
    /// The nodes that it reads, as often as it reads them.
    pub fn parents(&self) -> impl Iterator<Item = NodeId> + '_ {
        let (terms, single): (&[Term], _) = match self {
            Self::Input => (&[], None),
            Self::Affine { terms } => (terms, None),
            Self::Neurons { parent } => (&[], Some(*parent)),
        };
        terms.iter().map(|term| term.parent).chain(single)
    }
}

/// One node: `len` numbers, computed by `op`.
#[derive(Clone, Debug, PartialEq)]
pub struct SlopeNode {
    /// How many numbers it holds.
    pub len: usize,
    /// How they are computed.
    pub op: SlopeOp,
}

/// Where the slopes of a layer of neurons come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin<'a> {
    /// The derivative of an activation at a node of the network.
    Activation(&'a Activation, NodeId),
    /// The partial derivatives of a function of several nodes, added up over the arguments that are the moving one.
    Combination {
        /// The function.
        combination: Combination,
        /// Its arguments, nodes of the network.
        arguments: [NodeId; 2],
        /// The argument that moves.
        moving: NodeId,
    },
}

impl Origin<'_> {
    /// The node of the network that moves: the pre-activation.
    pub fn moving(&self) -> NodeId {
        match self {
            Self::Activation(_, parent) => *parent,
            Self::Combination { moving, .. } => *moving,
        }
    }
}

/// A layer of neurons as the network has it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Layer {
    /// The node of the network whose function it belongs to.
    node: NodeId,
    /// Which of its parents moves.
    moving: NodeId,
}

/// The graph, the same in every place.
#[derive(Debug, PartialEq)]
struct Graph {
    nodes: Vec<SlopeNode>,
    output: NodeId,
    /// Where every node of the network stands here.
    images: Vec<NodeId>,
    /// The input as the network reads it: in its units.
    source: NodeId,
    /// The layers of neurons: their nodes here, and what they are in the network; none in that of groups.
    layers: Vec<(NodeId, Option<Layer>)>,
}

/// A network in a place: see the [module](self). Copies share everything large.
#[derive(Clone, Debug, PartialEq)]
pub struct SlopeNetwork {
    network: Network,
    units: Option<Units>,
    place: Place,
    graph: Arc<Graph>,
    /// The intervals as they are proved, and with those that are narrow made wider.
    tight: Arc<Vec<Vec<Slope>>>,
    slopes: Arc<Vec<Vec<Slope>>>,
    /// Whether the place is known to be empty.
    empty: bool,
    /// A point of it, as far as one is found.
    inside: Option<Arc<Vec<f64>>>,
}

/// Multipliers grow like the inverse of an interval's width relative to its slopes, and rounding with them: narrower intervals are
/// widened, to at least this part of the larger end, and to the second number in any case.
const LEAST_WIDTH: (f64, f64) = (1e-7, 1e-30);

impl SlopeNetwork {
    /// A network in a place.
    ///
    /// ```
    /// use geolip_check::network::{Activation, LinearMap, NetworkBuilder};
    /// use geolip_check::place::{Region, RegionNorm};
    /// use geolip_check::slopes::SlopeNetwork;
    ///
    /// let mut b = NetworkBuilder::new(1)?;
    /// let h = b.affine("h", vec![(b.input(), LinearMap::Identity(1))], Some(vec![-1.0]))?;
    /// let z = b.activate("relu", h, Activation::Relu)?;
    /// let network = b.finish(z);
    /// let left = SlopeNetwork::new(&network, Region::around(&[0.0], 0.5, RegionNorm::Linf, None)?)?;
    /// assert_eq!(left.slopes()[0][0].upper, 0.0); // relu(x - 1) is flat on [-0.5, 0.5]
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PlaceError`]: the place is none of this network, or slopes there are not bounded.
    pub fn new(network: &Network, place: impl Into<Place>) -> Result<Self, PlaceError> {
        Self::in_units(network, place, None)
    }

    /// As [`Self::new`], with the input in units; none are ones.
    ///
    /// # Errors
    /// As for [`Self::new`], or the units are none of this network.
    pub fn in_units(network: &Network, place: impl Into<Place>, units: Option<&Units>) -> Result<Self, PlaceError> {
        Self::with_detail(network, place.into(), units, Detail::Refined)
    }

    /// As [`Self::in_units`] on a region, by plain intervals: for many regions of one network.
    ///
    /// # Errors
    /// As for [`Self::in_units`].
    pub fn roughly(network: &Network, region: Region, units: Option<&Units>) -> Result<Self, PlaceError> {
        Self::with_detail(network, region.into(), units, Detail::Plain)
    }

    /// As [`Self::new`] for all inputs.
    ///
    /// # Errors
    /// [`PlaceError::Unbounded`].
    pub fn everywhere(network: &Network) -> Result<Self, PlaceError> {
        Self::new(network, Place::everywhere())
    }

    fn with_detail(network: &Network, place: Place, units: Option<&Units>, detail: Detail) -> Result<Self, PlaceError> {
        units.map_or(Ok(()), |units| units.fits(network))?;
        Self::of((network, units), Arc::new(Graph::of(network, units)), place, detail)
    }

    fn of(
        (network, units): (&Network, Option<&Units>),
        graph: Arc<Graph>,
        place: Place,
        detail: Detail,
    ) -> Result<Self, PlaceError> {
        let (inside, empty, tight) = match place.part() {
            None => (None, false, graph.slopes_everywhere(network)?),
            Some(part) => {
                part.region().fits(network)?;
                let enclosure = Enclosure::new(network, part, detail);
                graph.expect_bounded(network, &enclosure)?;
                (Some(Arc::new(enclosure.inside(part))), enclosure.empty, enclosure.slopes)
            }
        };
        let tight = Arc::new(tight);
        let slopes = match place.part() {
            None => tight.clone(),
            Some(_) => Arc::new(tight.iter().map(|layer| layer.iter().map(widened).collect()).collect()),
        };
        let (network, units) = (network.clone(), units.cloned());
        let whole = Self { network, units, place: place.whole(), graph, tight, slopes, empty, inside };
        whole.fixed(place)
    }

    /// The same network, in the same units, in a place inside this one: where only slopes are fixed, with the intervals that are known.
    ///
    /// # Errors
    /// [`PlaceError`], as for [`Self::new`], or where there is no neuron that is to be fixed.
    pub fn within(&self, place: Place) -> Result<Self, PlaceError> {
        match place.part() == self.part() {
            true => self.fixed(place),
            false => Self::of((&self.network, self.units.as_ref()), self.graph.clone(), place, Detail::Refined),
        }
    }

    /// With the slopes that a case of the same part fixes.
    fn fixed(&self, place: Place) -> Result<Self, PlaceError> {
        if place.case().is_empty() {
            return Ok(Self { place, ..self.clone() });
        }
        let (mut slopes, mut tight) = (self.slopes.to_vec(), self.tight.to_vec());
        for Fixing { layer, neuron, slope } in place.case() {
            for intervals in [&mut slopes, &mut tight] {
                let interval = intervals.get_mut(*layer).and_then(|layer| layer.get_mut(*neuron));
                let interval = interval.ok_or(PlaceError::Neuron { layer: *layer, neuron: *neuron })?;
                *interval = Slope::new(*slope, *slope);
            }
        }
        Ok(Self { place, slopes: Arc::new(slopes), tight: Arc::new(tight), ..self.clone() })
    }

    /// A neuron with its slope at the lower end of its interval, as it is proved, or at the `upper` end; none where there is no such neuron.
    pub fn at_end(&self, layer: usize, neuron: usize, upper: bool) -> Option<Fixing> {
        let interval = self.tight.get(layer)?.get(neuron)?;
        Some(Fixing { layer, neuron, slope: if upper { interval.upper } else { interval.lower } })
    }

    /// Whether both are one graph, with whatever slopes.
    pub fn has_graph_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.graph, &other.graph)
    }

    /// What it was made of.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The units of its input; none are ones.
    pub fn units(&self) -> Option<&Units> {
        self.units.as_ref()
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The region that it lies in; none for everywhere.
    pub fn region(&self) -> Option<&Region> {
        self.place.region()
    }

    /// The part of a region that it is on; none for everywhere.
    pub fn part(&self) -> Option<&Part> {
        self.place.part()
    }

    /// A point of that part, as far as one is found; one of its region in any case.
    pub fn inside(&self) -> Option<&[f64]> {
        self.inside.as_ref().map(|inside| inside.as_slice())
    }

    /// Whether no input lies in its part.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// The slope intervals per layer of neurons, in topological order. On a region, those that are not fixed are at least 10⁻⁷ of
    /// their larger end wide.
    pub fn slopes(&self) -> &[Vec<Slope>] {
        &self.slopes
    }

    /// As [`Self::slopes`], without making narrow intervals wider for the sake of a semidefinite proof.
    pub fn tight_slopes(&self) -> &[Vec<Slope>] {
        &self.tight
    }

    /// The node that holds changes of a node of the network.
    pub fn image(&self, node: NodeId) -> NodeId {
        self.graph.images[node.index()]
    }

    /// The node through which everything reads the input, with what this multiplies it by: the input itself, or it in its units.
    pub fn source(&self) -> (NodeId, Option<&[f64]>) {
        let source = self.graph.source;
        let units = match &self.node(source).op {
            SlopeOp::Affine { terms } => terms.first().map(|term| term.map.coefficients()),
            SlopeOp::Input | SlopeOp::Neurons { .. } => None,
        };
        (source, units)
    }

    /// The nodes in topological order; the first is the input.
    pub fn nodes(&self) -> &[SlopeNode] {
        &self.graph.nodes
    }

    /// The node of an id.
    pub fn node(&self, id: NodeId) -> &SlopeNode {
        &self.graph.nodes[id.index()]
    }

    /// Every id in topological order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.graph.nodes.len()).map(NodeId)
    }

    /// The output node.
    pub fn output(&self) -> NodeId {
        self.graph.output
    }

    /// n₀, the number of inputs.
    pub fn inputs(&self) -> usize {
        self.graph.nodes[0].len
    }

    /// m, the number of outputs.
    pub fn outputs(&self) -> usize {
        self.node(self.output()).len
    }

    /// The layers of neurons in topological order: (node, pre-activation).
    pub fn layers(&self) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        self.graph.layers.iter().map(|(node, _)| match self.node(*node).op {
            SlopeOp::Neurons { parent } => (*node, parent),
            SlopeOp::Input | SlopeOp::Affine { .. } => unreachable!("layers are neurons"),
        })
    }

    /// Where the slopes of every layer come from.
    pub fn origins(&self) -> impl Iterator<Item = Origin<'_>> {
        self.graph.layers().map(|(_, layer)| match &self.network.node(layer.node).op {
            Op::Activate { parent, activation } => Origin::Activation(activation, *parent),
            Op::Combine { parents, combination } => {
                Origin::Combination { combination: *combination, arguments: *parents, moving: layer.moving }
            }
            Op::Input | Op::Affine { .. } => unreachable!("layers come from functions"),
        })
    }

    /// Whether all its slopes are those of activations: then its layers are those of the network, one by one.
    pub fn is_elementwise(&self) -> bool {
        self.origins().all(|origin| matches!(origin, Origin::Activation(..)))
    }

    /// The number of neurons.
    pub fn neurons(&self) -> usize {
        self.slopes.iter().map(Vec::len).sum()
    }

    /// Every summand of every affine node.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.graph.nodes.iter().flat_map(|node| match &node.op {
            SlopeOp::Affine { terms } => terms.as_slice(),
            SlopeOp::Input | SlopeOp::Neurons { .. } => &[],
        })
    }

    /// Multiply–adds of one pass with one column, slopes aside.
    pub fn multiply_adds(&self) -> usize {
        self.terms().map(|term| term.map.nonzeros()).fold(0, usize::saturating_add)
    }

    /// The largest number of layers of neurons on a path to each node, indexed by node: the *depth* in which the certificate's repair is
    /// graded.
    pub fn depths(&self) -> Vec<usize> {
        let mut depths: Vec<usize> = vec![0; self.graph.nodes.len()];
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let before = node.op.parents().map(|parent| depths[parent.index()]).max().unwrap_or(0);
            depths[index] = before + usize::from(matches!(node.op, SlopeOp::Neurons { .. }));
        }
        depths
    }

    /// The slopes at the inputs whose `values` these are, in ordinary floating point, one n × k matrix per layer; at a kink, those on
    /// the right.
    pub fn slopes_at(&self, values: &Values) -> Vec<Matrix> {
        let of = |origin: Origin<'_>| match origin {
            Origin::Activation(activation, parent) => {
                let h = values.of(parent);
                Matrix::from_fn(h.rows(), h.cols(), |i, j| activation.derivative(i, h.at(i, j)))
            }
            Origin::Combination { combination, arguments, moving } => {
                let [p, q] = arguments.map(|argument| values.of(argument));
                Matrix::from_fn(p.rows(), p.cols(), |i, j| {
                    let partials = combination.derivatives([p.at(i, j), q.at(i, j)]);
                    partials.iter().zip(arguments).filter(|(_, argument)| *argument == moving).map(|(d, _)| d).sum()
                })
            }
        };
        self.origins().map(of).collect()
    }
}

/// As wide as a semidefinite proof needs it.
fn widened(slope: &Slope) -> Slope {
    let least = (LEAST_WIDTH.0 * slope.magnitude()).max(LEAST_WIDTH.1);
    let more = 0.5 * (least - (slope.upper - slope.lower));
    match more > 0.0 && !slope.is_fixed() {
        true => Slope::new(slope.lower - more, slope.upper + more),
        false => *slope,
    }
}

impl Graph {
    fn of(network: &Network, units: Option<&Units>) -> Self {
        let mut nodes = Vec::with_capacity(network.nodes().len() + 1);
        let mut layers = Vec::new();
        let mut images: Vec<NodeId> = Vec::with_capacity(network.nodes().len());
        for (index, node) in network.nodes().iter().enumerate() {
            let len = node.len;
            let mut push = |op: SlopeOp| {
                nodes.push(SlopeNode { len, op });
                NodeId(nodes.len() - 1)
            };
            let image = match &node.op {
                Op::Input => {
                    let input = push(SlopeOp::Input);
                    units.map_or(input, |units| {
                        let map = Arc::new(LinearMap::Scale(units.numbers().to_vec()));
                        push(SlopeOp::Affine { terms: vec![Term { parent: input, map }] })
                    })
                }
                Op::Affine { terms, .. } => {
                    let moved = |t: &Term| Term { parent: images[t.parent.index()], map: t.map.clone() };
                    push(SlopeOp::Affine { terms: terms.iter().map(moved).collect() })
                }
                Op::Activate { .. } | Op::Combine { .. } => {
                    let own = node.op.moving().map(|parent| {
                        let id = push(SlopeOp::Neurons { parent: images[parent.index()] });
                        layers.push((id, Some(Layer { node: NodeId(index), moving: parent })));
                        id
                    });
                    match own.collect::<Vec<_>>().as_slice() {
                        [single] => *single,
                        several => {
                            push(SlopeOp::Affine { terms: several.iter().map(|id| Term::identity(*id, len)).collect() })
                        }
                    }
                }
            };
            images.push(image);
        }
        let (source, output) = (images[NodeId::INPUT.index()], images[network.output().index()]);
        Self { nodes, output, images, source, layers }
    }

    /// The layers, with what they are in the network.
    fn layers(&self) -> impl Iterator<Item = (NodeId, &Layer)> {
        self.layers.iter().map(|(node, layer)| (*node, layer.as_ref().expect("grouped networks are for forms alone")))
    }

    fn slopes_everywhere(&self, network: &Network) -> Result<Vec<Vec<Slope>>, PlaceError> {
        let of = |(_, layer): (NodeId, &Layer)| {
            let node = network.node(layer.node);
            let slopes = match &node.op {
                Op::Activate { activation, .. } => Some(activation.slopes(node.len)),
                Op::Combine { .. } | Op::Input | Op::Affine { .. } => None,
            };
            let unbounded = || PlaceError::Unbounded { node: node.name.clone(), function: node.op.function() };
            slopes.filter(|slopes| slopes.iter().all(is_bounded)).ok_or_else(unbounded)
        };
        self.layers().map(of).collect()
    }

    /// That all slopes on a region are finite.
    fn expect_bounded(&self, network: &Network, enclosure: &Enclosure) -> Result<(), PlaceError> {
        for ((_, layer), slopes) in self.layers().zip(&enclosure.slopes) {
            if let Some(i) = slopes.iter().position(|slope| !is_bounded(slope)) {
                let node = network.node(layer.node);
                // a product's slopes are its other argument
                let moving = if let Op::Combine { parents: [p, q], .. } = &node.op {
                    if layer.moving == *p { *q } else { *p }
                } else {
                    layer.moving
                };
                let (lower, upper) = enclosure.interval(moving).ends(i);
                let (node, function) = (node.name.clone(), node.op.function());
                return Err(PlaceError::TooLarge { node, function, lower, upper });
            }
        }
        Ok(())
    }
}

fn is_bounded(slope: &Slope) -> bool {
    slope.lower.is_finite() && slope.upper.is_finite()
}
