//! Parts of a region: a box or ball of inputs, or those of its inputs at which some pre-activations lie on a given side.

use super::Twins;
use crate::place::Region;
use crate::place::program::{HalfSpace, innermost};

/// Inputs of a region at which every pre-activation named lies on its side.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    region: Region,
    sides: Vec<Side>,
}

/// A pre-activation that is at least a number, or at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// Activation layer, in topological order.
    pub layer: usize,
    /// Neuron of it.
    pub neuron: usize,
    /// The number.
    pub at: f64,
    /// At least that.
    pub above: bool,
}

/// What a place is split by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Knife {
    /// An input, at a number.
    Input(usize, f64),
    /// A pre-activation by layer of neurons and neuron, at a number.
    Side(usize, usize, f64),
    /// A slope, by layer of neurons and neuron: either end of its interval.
    Slope(usize, usize),
}

impl From<Region> for Part {
    fn from(region: Region) -> Self {
        Self { region, sides: Vec::new() }
    }
}

impl Side {
    /// It, and what it says of the neuron's twins.
    pub fn with_twins(self, twins: &Twins) -> impl Iterator<Item = Self> + '_ {
        let of_twin = move |(twin, opposite): &(usize, bool)| Self {
            neuron: *twin,
            at: if *opposite { -self.at } else { self.at },
            above: self.above != *opposite,
            ..self
        };
        std::iter::once(self).chain(twins.of(self.layer, self.neuron).iter().map(of_twin))
    }
}

impl Part {
    /// Inputs of a region on these sides.
    pub fn new(region: Region, sides: Vec<Side>) -> Self {
        Self { region, sides }
    }

    /// The box or ball that it lies in.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// What is known of pre-activations besides.
    pub fn sides(&self) -> &[Side] {
        &self.sides
    }

    /// Both sides of a cut: at most the number, at least the number. What that says of a neuron's twins, it says of them, too. None
    /// where it is slopes that are split.
    pub fn cut(&self, knife: Knife, twins: &Twins) -> Option<(Self, Self)> {
        match knife {
            Knife::Input(input, at) => {
                let (below, above) = self.region.cut(input, at);
                let with = |region| Self { region, sides: self.sides.clone() };
                Some((with(below), with(above)))
            }
            Knife::Side(layer, neuron, at) => {
                let with = |above| {
                    let mut part = self.clone();
                    part.sides.extend(Side { layer, neuron, at, above }.with_twins(twins));
                    part
                };
                Some((with(false), with(true)))
            }
            Knife::Slope(..) => None,
        }
    }

    /// What it says of a layer of neurons.
    pub(crate) fn sides_of(&self, layer: usize) -> impl Iterator<Item = &Side> {
        self.sides.iter().filter(move |side| side.layer == layer)
    }
}

/// A point of a box well inside all half-spaces, as far as one is found.
pub(crate) fn inside(region: &Region, half_spaces: &[HalfSpace]) -> Vec<f64> {
    let mut x = match half_spaces {
        [] => region.centre(),
        _ => innermost((region.lower(), region.upper()), half_spaces).unwrap_or_else(|| region.centre()),
    };
    region.project(&mut x);
    x
}
