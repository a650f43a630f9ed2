//! Networks as plain data: what is generated, rescaled and shrunk. The library's network is built from it, and read back
//! into a [`Graph`](crate::graph::Graph) before anything is computed.

use geolip::Network;
use geolip::matrix::Matrix;
use geolip::network::{Activation, Convolution, ConvolutionShape, Gather, LinearMap, NetworkBuilder, NodeId};

/// Node 0 is the input, node i + 1 is step i, the last one the output.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number of inputs.
    pub inputs: usize,
    /// All other nodes.
    pub steps: Vec<Step>,
}

/// A node.
#[derive(Clone, Debug)]
pub enum Step {
    /// Σ map·parent + bias.
    Affine {
        /// (parent, map)
        terms: Vec<(usize, Map)>,
        /// One number per entry.
        bias: Option<Vec<f64>>,
    },
    /// An activation of each entry of a parent.
    Activate {
        /// The parent.
        parent: usize,
        /// The function.
        activation: Activation,
    },
}

/// A linear map.
#[derive(Clone, Debug)]
pub enum Map {
    /// x of that length.
    Identity(usize),
    /// sᵢxᵢ.
    Scale(Vec<f64>),
    /// rows × columns, row by row.
    Dense(usize, usize, Vec<f64>),
    /// A convolution with its weights.
    Convolution(ConvolutionShape, Vec<f64>),
    /// From vectors of that length, these entries, or zeros.
    Gather(usize, Vec<Option<usize>>),
    /// The transpose.
    Transpose(Box<Map>),
}

impl Map {
    /// (rows, columns)
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::Identity(n) => (*n, *n),
            Self::Scale(s) => (s.len(), s.len()),
            Self::Dense(rows, cols, _) => (*rows, *cols),
            Self::Convolution(shape, _) => {
                let area = |n: [usize; 3]| n.iter().product::<usize>();
                (shape.out_channels * area(shape.output), shape.in_channels * area(shape.input))
            }
            Self::Gather(cols, sources) => (sources.len(), *cols),
            Self::Transpose(map) => {
                let (rows, cols) = map.shape();
                (cols, rows)
            }
        }
    }

    /// Calls `visit` with (row, column, weight) for all entries that are not zero; those of one place add up.
    pub fn entries(&self, visit: &mut dyn FnMut(usize, usize, f64)) {
        match self {
            Self::Identity(n) => (0..*n).for_each(|i| visit(i, i, 1.0)),
            Self::Scale(s) => s.iter().enumerate().filter(|(_, s)| **s != 0.0).for_each(|(i, s)| visit(i, i, *s)),
            Self::Dense(_, cols, weights) => {
                let all = weights.iter().enumerate().filter(|(_, w)| **w != 0.0);
                all.for_each(|(at, w)| visit(at / cols, at % cols, *w));
            }
            Self::Convolution(shape, weights) => convolve(shape, weights, visit),
            Self::Gather(_, sources) => {
                sources.iter().enumerate().for_each(|(i, j)| j.iter().for_each(|j| visit(i, *j, 1.0)));
            }
            Self::Transpose(map) => map.entries(&mut |i, j, w| visit(j, i, w)),
        }
    }

    /// The same as a dense matrix; none where entries of one place do not add up exactly.
    pub fn dense(&self) -> Self {
        let (rows, cols) = self.shape();
        let mut weights = vec![0.0; rows * cols];
        self.entries(&mut |i, j, w| weights[i * cols + j] += w);
        Self::Dense(rows, cols, weights)
    }

    /// Its weights; none of an identity or a gather.
    pub fn weights_mut(&mut self) -> Option<&mut Vec<f64>> {
        match self {
            Self::Identity(_) | Self::Gather(..) => None,
            Self::Scale(weights) | Self::Dense(_, _, weights) | Self::Convolution(_, weights) => Some(weights),
            Self::Transpose(map) => map.weights_mut(),
        }
    }

    fn build(&self) -> Option<LinearMap> {
        Some(match self {
            Self::Identity(n) => LinearMap::Identity(*n),
            Self::Scale(s) => LinearMap::Scale(s.clone()),
            Self::Dense(rows, cols, weights) => LinearMap::Dense(Matrix::from_vec(*rows, *cols, weights.clone())),
            Self::Convolution(shape, weights) => LinearMap::Convolution(Convolution::new(*shape, weights.clone())?),
            Self::Gather(cols, sources) => LinearMap::Gather(Gather::new(*cols, sources.iter().copied())?),
            Self::Transpose(map) => LinearMap::Transpose(Box::new(map.build()?)),
        })
    }

    /// What a map of the library is.
    pub fn of(map: &LinearMap) -> Self {
        match map {
            LinearMap::Identity(n) => Self::Identity(*n),
            LinearMap::Scale(s) => Self::Scale(s.clone()),
            LinearMap::Dense(w) => Self::Dense(w.rows(), w.cols(), w.data().to_vec()),
            LinearMap::Convolution(c) => Self::Convolution(*c.shape(), c.weights().data().to_vec()),
            LinearMap::Gather(g) => Self::Gather(g.cols(), g.sources().collect()),
            LinearMap::Transpose(map) => Self::Transpose(Box::new(Self::of(map))),
        }
    }
}

/// The entries of a cross-correlation with zeros beyond the edges: axis by axis, as its documentation says.
fn convolve(shape: &ConvolutionShape, weights: &[f64], visit: &mut dyn FnMut(usize, usize, f64)) {
    let s = shape;
    let grid =
        |n: [usize; 3]| (0..n[0]).flat_map(move |a| (0..n[1]).flat_map(move |b| (0..n[2]).map(move |c| [a, b, c])));
    let flat = |n: [usize; 3], at: [usize; 3]| (at[0] * n[1] + at[1]) * n[2] + at[2];
    let area = |n: [usize; 3]| n.iter().product::<usize>();
    let (per_in, per_out) = (s.in_channels / s.groups, s.out_channels / s.groups);
    for channel in 0..s.out_channels {
        for at in grid(s.output) {
            for own in 0..per_in {
                for tap in grid(s.kernel) {
                    let place = |axis: usize| {
                        let from =
                            (at[axis] * s.stride[axis] + tap[axis] * s.dilation[axis]).checked_sub(s.pad[axis])?;
                        (from < s.input[axis]).then_some(from)
                    };
                    let (Some(a), Some(b), Some(c)) = (place(0), place(1), place(2)) else { continue };
                    let weight = weights[(channel * per_in + own) * area(s.kernel) + flat(s.kernel, tap)];
                    let column = (channel / per_out * per_in + own) * area(s.input) + flat(s.input, [a, b, c]);
                    if weight != 0.0 {
                        visit(channel * area(s.output) + flat(s.output, at), column, weight);
                    }
                }
            }
        }
    }
}

impl Plan {
    /// The length of a node.
    pub fn len(&self, node: usize) -> usize {
        match node.checked_sub(1).map(|step| &self.steps[step]) {
            None => self.inputs,
            Some(Step::Affine { terms, .. }) => terms.first().map_or(0, |(_, map)| map.shape().0),
            Some(Step::Activate { parent, .. }) => self.len(*parent),
        }
    }

    /// The last node.
    pub fn output(&self) -> usize {
        self.steps.len()
    }

    /// The library's network; none where it refuses it.
    pub fn build(&self) -> Option<Network> {
        let mut builder = NetworkBuilder::new(self.inputs).ok()?;
        let mut ids: Vec<NodeId> = vec![builder.input()];
        for (at, step) in self.steps.iter().enumerate() {
            let id = match step {
                Step::Affine { terms, bias } => {
                    let terms = terms.iter().map(|(parent, map)| Some((*ids.get(*parent)?, map.build()?)));
                    builder.affine(&format!("h{at}"), terms.collect::<Option<_>>()?, bias.clone())
                }
                Step::Activate { parent, activation } => {
                    builder.activate(&format!("z{at}"), *ids.get(*parent)?, activation.clone())
                }
            };
            ids.push(id.ok()?);
        }
        Some(builder.finish(*ids.last()?))
    }
}
