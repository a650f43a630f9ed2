//! Which entries are written out as choices ([`crate::slopes::choices`]): those that have fewer than what makes them has neurons.
//!
//! Only neurons through which nothing else reaches the output are written out. (Others could be, but would be lost as what several entries have in common.)

use super::{Question, Tightened, tighten};
use crate::options::CUT_NEURONS;
use crate::relaxation::VectorNetwork;
use crate::slopes::choices::{Choice, WrittenOut};
use crate::slopes::grouped::Grouped;
use crate::slopes::{SlopeNetwork, SlopeOp};
use std::collections::HashSet;

/// Neurons of a network in which they are looked for: with groups there may be half as many.
const MOST_NEURONS: usize = 2 * CUT_NEURONS;

/// Entries that are looked at for one.
const MOST_LOOKED_AT: usize = 20_000;
/// The fewest choices that are worth it: of two, a sign says everything.
const LEAST: usize = 3;

/// A network with groups in it.
pub(crate) struct Groups<'a> {
    /// The network without them.
    pub network: &'a SlopeNetwork,
    pub choices: Vec<Choice>,
    pub grouped: Grouped,
}

impl<'a> Groups<'a> {
    /// None where there are none, or the network is too large for them.
    pub fn new(network: &'a SlopeNetwork, memory: usize) -> Option<Self> {
        if network.neurons() > MOST_NEURONS {
            return None;
        }
        let choices = Search::new(network).run();
        let grouped = (!choices.is_empty()).then(|| Grouped::new(network, &choices, memory as f64).ok()).flatten()?;
        Some(Self { network, choices, grouped })
    }

    /// Neurons of the network with groups whose slopes are not fixed.
    pub fn free_neurons(&self) -> usize {
        self.grouped.network().slopes().iter().flatten().filter(|slope| !slope.is_fixed()).count()
    }

    /// The bound with cuts of the network with groups, as [`tighten`].
    pub fn tighten(&self, question: Question<'_>) -> Option<Tightened> {
        let vectors = VectorNetwork::new(self.grouped.network(), question.vectors.norm());
        tighten(Question { vectors: &vectors, groups: Some(self), ..question })
    }
}

/// What is known of entries, which are numbered through: those of node n from `starts[n]`.
struct Search<'a> {
    network: &'a SlopeNetwork,
    starts: Vec<usize>,
    /// Per entry the first one that all paths from it to the output go through, or its own number where there is none; and how many there are. None where no
    /// path goes to the output.
    gates: Vec<Option<(usize, usize)>>,
    /// Per node its layer, and the node of the network that it is the image of.
    layers: Vec<Option<usize>>,
    originals: Vec<Option<usize>>,
    taken: HashSet<(usize, usize)>,
}

impl<'a> Search<'a> {
    fn new(network: &'a SlopeNetwork) -> Self {
        let mut starts = vec![0];
        network.nodes().iter().for_each(|node| starts.push(starts[starts.len() - 1] + node.len));
        let mut layers = vec![None; network.nodes().len()];
        network.layers().enumerate().for_each(|(layer, (node, _))| layers[node.index()] = Some(layer));
        let mut originals = vec![None; network.nodes().len()];
        network.network().ids().for_each(|id| originals[network.image(id).index()] = Some(id.index()));
        let gates = gates(network, &starts);
        Self { network, starts, gates, layers, originals, taken: HashSet::new() }
    }

    fn run(mut self) -> Vec<Choice> {
        let mut written = WrittenOut::new(self.network);
        let mut found = Vec::new();
        for node in (1..self.network.nodes().len()).rev() {
            for entry in 0..self.network.nodes()[node].len {
                if let Some(choice) = self.best((node, entry), &mut written) {
                    self.taken.extend(choice.2.iter().copied());
                    found.push(choice);
                }
            }
        }
        found
    }

    /// The choice that writes out most neurons, in whole layers from the last.
    fn best(&self, place: (usize, usize), written: &mut WrittenOut<'_>) -> Option<Choice> {
        self.gates[self.starts[place.0] + place.1]?;
        let original = self.originals[place.0]?;
        let neurons = self.neurons(place, written);
        let mut best = None;
        for end in 2..=neurons.len() {
            if neurons.get(end).is_some_and(|next| next.0 == neurons[end - 1].0) {
                continue;
            }
            let choice = Choice(original, place.1, neurons[..end].to_vec());
            let Ok(sums) = written.choices(&choice) else { break };
            if (LEAST..=end + 1).contains(&sums.len()) {
                best = Some(choice);
            }
        }
        best
    }

    /// The neurons (layer, neuron) that may be written out in an entry, the last first.
    fn neurons(&self, place: (usize, usize), written: &mut WrittenOut<'_>) -> Vec<(usize, usize)> {
        let (mut stack, mut seen, mut neurons) = (vec![place], HashSet::from([place]), Vec::new());
        while let Some((node, entry)) = stack.pop() {
            if seen.len() > MOST_LOOKED_AT {
                return Vec::new();
            }
            let next: Vec<(usize, usize)> = match &self.network.nodes()[node].op {
                SlopeOp::Input => continue,
                SlopeOp::Affine { .. } => {
                    written.row((node, entry)).map_or(Vec::new(), |row| row.into_keys().collect())
                }
                SlopeOp::Neurons { parent } => {
                    let neuron = (self.layers[node].expect("a layer"), entry);
                    if self.taken.contains(&neuron) || !self.passes((node, entry), place) {
                        continue;
                    }
                    neurons.push(neuron);
                    vec![(parent.index(), entry)]
                }
            };
            stack.extend(next.into_iter().filter(|place| seen.insert(*place)));
        }
        neurons.sort_by(|a, b| b.cmp(a));
        neurons
    }

    /// Whether all paths from one entry to the output go through another.
    fn passes(&self, (node, entry): (usize, usize), through: (usize, usize)) -> bool {
        let (mut at, through) = (self.starts[node] + entry, self.starts[through.0] + through.1);
        while at < through {
            match self.gates[at] {
                Some((gate, _)) if gate > at => at = gate,
                _ => return false,
            }
        }
        at == through
    }
}

/// As in [`Search`]: from the output backward, an entry's gate is the first that its readers' chains of gates have in common.
fn gates(network: &SlopeNetwork, starts: &[usize]) -> Vec<Option<(usize, usize)>> {
    let count = starts[starts.len() - 1];
    // the gate so far; `count` for none in common
    let mut meets: Vec<Option<usize>> = vec![None; count];
    let output = network.output().index();
    meets[starts[output]..starts[output + 1]].fill(Some(count));
    let mut gates: Vec<Option<(usize, usize)>> = vec![None; count];
    for (index, node) in network.nodes().iter().enumerate().rev() {
        for entry in starts[index]..starts[index + 1] {
            gates[entry] = meets[entry].map(|gate| match gates.get(gate) {
                Some(Some((_, depth))) => (gate, depth + 1),
                _ => (entry, 0),
            });
        }
        let mut read = |reader: usize, entry: usize| {
            if gates[reader].is_some() {
                meets[entry] = Some(meets[entry].map_or(reader, |known| common(&gates, known, reader)));
            }
        };
        match &node.op {
            SlopeOp::Input => {}
            SlopeOp::Affine { terms } => {
                for term in terms {
                    let (map, first) = (term.map.to_sparse(), starts[term.parent.index()]);
                    for i in 0..node.len {
                        map.row(i).filter(|(_, w)| *w != 0.0).for_each(|(j, _)| read(starts[index] + i, first + j));
                    }
                }
            }
            SlopeOp::Neurons { parent } => {
                (0..node.len).for_each(|i| read(starts[index] + i, starts[parent.index()] + i));
            }
        }
    }
    gates
}

/// The first that two chains have in common; the number of entries where there is none.
fn common(gates: &[Option<(usize, usize)>], mut a: usize, mut b: usize) -> usize {
    while a != b {
        let (Some(Some((next_a, depth_a))), Some(Some((next_b, depth_b)))) = (gates.get(a), gates.get(b)) else {
            return gates.len();
        };
        if depth_a == depth_b && *depth_a == 0 {
            return gates.len();
        }
        if depth_a >= depth_b {
            a = *next_a;
        }
        if depth_b >= depth_a {
            b = *next_b;
        }
    }
    a
}
