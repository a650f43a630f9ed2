//! Where the variables of a proof by cuts stand, and how much room they take.

use super::{CutProof, Sign};
use crate::form::coefficients::{LayerForm, free_neurons};
use crate::problem::Functional;
use crate::slopes::SlopeNetwork;

/// Bytes that a proof takes, about: the form and its errors, the matrix with what is made on the way, and its blocks.
pub(super) fn bytes(inputs: f64, neurons: f64, others: f64) -> f64 {
    let variables = inputs + neurons + others;
    let form = 2.0 * (variables + neurons - inputs) * (variables + neurons);
    8.0 * (form + 2.5 * variables * variables + neurons * (variables + neurons))
}

/// What a variable of a cut is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Constant,
    Sign(usize),
    Input(usize),
}

/// Where everything stands among the variables: inputs, signs, free neurons by layer, rows of the output, the constant; and after them, as no
/// variables of their own, the pre-activations of the free neurons.
pub(super) struct Shape {
    pub inputs: usize,
    /// Per sign, its free neuron.
    pub signs: Vec<usize>,
    /// Per group, the signs of its neurons; none of those that have none.
    pub groups: Vec<Vec<Option<usize>>>,
    /// Per sign, its group; none of those outside groups.
    pub group_of: Vec<Option<usize>>,
    /// (layer, neuron) of every free neuron.
    pub neurons: Vec<(usize, usize)>,
    /// Where the free neurons of each layer begin, and their end.
    pub layers: Vec<usize>,
    /// Rows of a norm of the output; none for a functional.
    pub rows: usize,
}

impl Shape {
    pub fn new(
        (network, groups): (&SlopeNetwork, &[Vec<(usize, usize)>]),
        layers: &[LayerForm<'_>],
        output: &Functional,
        proof: &CutProof,
    ) -> Result<Self, String> {
        let neurons = free_neurons(layers);
        let starts = (0..=layers.len()).map(|a| neurons.partition_point(|(layer, _)| *layer < a)).collect();
        let mut signs = Vec::with_capacity(proof.signs.len());
        let mut numbers = vec![None; neurons.len()];
        for (number, Sign(layer, neuron, ..)) in proof.signs.iter().enumerate() {
            let at = neurons.binary_search(&(*layer, *neuron));
            let at = at.map_err(|_| {
                format!("neuron {neuron} of activation layer {layer} has no sign: it is none whose slope is free")
            })?;
            if numbers[at].replace(number).is_some() {
                return Err(format!("neuron {neuron} of activation layer {layer} has two signs"));
            }
            signs.push(at);
        }
        let sign = |neuron: &(usize, usize)| {
            let at = neurons.binary_search(neuron).ok()?;
            numbers[at]
        };
        let groups: Vec<Vec<Option<usize>>> = groups.iter().map(|group| group.iter().map(sign).collect()).collect();
        let mut group_of = vec![None; signs.len()];
        for (group, own) in groups.iter().enumerate() {
            own.iter().flatten().for_each(|sign| group_of[*sign] = Some(group));
        }
        let rows = if output.is_norm() { network.outputs() } else { 0 };
        Ok(Self { inputs: network.inputs(), signs, groups, group_of, neurons, layers: starts, rows })
    }

    pub fn sign(&self, sign: usize) -> usize {
        self.inputs + sign
    }

    pub fn neuron(&self, neuron: usize) -> usize {
        self.inputs + self.signs.len() + neuron
    }

    pub fn row(&self, row: usize) -> usize {
        self.neuron(self.neurons.len()) + row
    }

    pub fn constant(&self) -> usize {
        self.row(self.rows)
    }

    /// How many variables there are.
    pub fn variables(&self) -> usize {
        self.constant() + 1
    }

    /// Of a free neuron.
    pub fn pre_activation(&self, neuron: usize) -> usize {
        self.variables() + neuron
    }

    /// Variables and pre-activations.
    pub fn atoms(&self) -> usize {
        self.pre_activation(self.neurons.len())
    }

    /// A variable of a cut.
    pub fn variable(&self, number: usize) -> Result<Variable, String> {
        let (signs, inputs) = (self.signs.len(), self.inputs);
        match number {
            0 => Ok(Variable::Constant),
            n if n <= signs => Ok(Variable::Sign(n - 1)),
            n if n - signs <= inputs => Ok(Variable::Input(n - signs - 1)),
            n => Err(format!("a cut has variable {n}, which does not exist")),
        }
    }

    /// Bytes that a proof takes, about.
    pub fn bytes(&self) -> f64 {
        let others = self.variables() - self.inputs - self.neurons.len();
        bytes(self.inputs as f64, self.neurons.len() as f64, others as f64)
    }

    pub fn name(&self, variable: usize) -> String {
        let neuron = |at: usize| {
            let (layer, neuron) = self.neurons[at];
            format!("neuron {neuron} of activation layer {layer}")
        };
        let (first_sign, first_neuron, first_row) = (self.sign(0), self.neuron(0), self.row(0));
        match variable {
            i if i < first_sign => format!("input {i}"),
            t if t < first_neuron => format!("the sign of {}", neuron(self.signs[t - first_sign])),
            z if z < first_row => neuron(z - first_neuron),
            w if w < self.constant() => format!("output {}", w - first_row),
            _ => "the constant".to_owned(),
        }
    }
}
