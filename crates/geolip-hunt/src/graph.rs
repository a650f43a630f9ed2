//! A network as a list of entries, evaluated and differentiated in any [`Number`]: independent of the library's own passes.

use crate::exact::{Dyadic, Number};
use crate::plan::Map;
use geolip::Network;
use geolip::network::{Activation, Op};

/// A network, taken apart.
#[derive(Debug)]
pub struct Graph {
    /// The length of every node.
    pub lens: Vec<usize>,
    nodes: Vec<Item>,
    /// The output.
    pub output: usize,
    /// (node, pre-activation) of every activation layer.
    pub layers: Vec<(usize, usize)>,
}

#[derive(Debug)]
enum Item {
    Input,
    /// (row, parent, column, weight), and a bias.
    Affine(Vec<(usize, usize, usize, f64)>, Vec<f64>),
    /// (parent, layer, function)
    Activate(usize, usize, Activation),
}

impl Graph {
    /// Of a network.
    pub fn new(network: &Network) -> Self {
        let mut layers = Vec::new();
        let take = |(at, node): (usize, &geolip::network::Node)| match &node.op {
            Op::Input => Item::Input,
            Op::Affine { terms, bias } => {
                let mut entries = Vec::new();
                for term in terms {
                    let parent = term.parent.index();
                    Map::of(&term.map).entries(&mut |i, j, w| entries.push((i, parent, j, w)));
                }
                Item::Affine(entries, bias.clone().unwrap_or_else(|| vec![0.0; node.len]))
            }
            Op::Activate { parent, activation } => {
                layers.push((at, parent.index()));
                Item::Activate(parent.index(), layers.len() - 1, activation.clone())
            }
            Op::Combine { .. } => unreachable!("no plan has functions of several numbers"),
        };
        let nodes = network.nodes().iter().enumerate().map(take).collect();
        let lens = network.nodes().iter().map(|node| node.len).collect();
        Self { lens, nodes, output: network.output().index(), layers }
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.lens[0]
    }

    /// The number of outputs.
    pub fn outputs(&self) -> usize {
        self.lens[self.output]
    }

    /// The function of an activation layer.
    pub fn activation(&self, layer: usize) -> &Activation {
        match &self.nodes[self.layers[layer].0] {
            Item::Activate(_, _, activation) => activation,
            Item::Input | Item::Affine(..) => unreachable!("layers are activations"),
        }
    }

    /// The value of every node at x, with `activate` (function, neuron, pre-activation) in the place of activations; with
    /// `size`, absolute weights and biases.
    pub fn values<T: Number>(
        &self,
        x: &[f64],
        size: bool,
        mut activate: impl FnMut(usize, &Activation, usize, &T) -> T,
    ) -> Vec<Vec<T>> {
        let own = |v: f64| T::of(if size { v.abs() } else { v });
        let mut values: Vec<Vec<T>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let value = match node {
                Item::Input => x.iter().map(|x| own(*x)).collect(),
                Item::Affine(entries, bias) => {
                    let mut sums: Vec<T> = bias.iter().map(|b| own(*b)).collect();
                    for (i, parent, j, w) in entries {
                        let from = &values[*parent][*j];
                        if !from.is_zero() {
                            sums[*i] = sums[*i].plus(&own(*w).times(from));
                        }
                    }
                    sums
                }
                Item::Activate(parent, layer, activation) => {
                    let from = values[*parent].iter().enumerate();
                    from.map(|(j, h)| activate(*layer, activation, j, h)).collect()
                }
            };
            values.push(value);
        }
        values
    }

    /// The gradient with respect to the input of ⟨seed, node⟩, with these slopes; with `size`, from absolute values.
    pub fn gradient<T: Number>(&self, node: usize, seed: &[T], slopes: &[Vec<f64>], size: bool) -> Vec<T> {
        let own = |v: f64| T::of(if size { v.abs() } else { v });
        let mut gradients: Vec<Vec<T>> = self.lens[..=node].iter().map(|len| vec![T::of(0.0); *len]).collect();
        gradients[node] = seed.to_vec();
        for at in (1..=node).rev() {
            let mine = std::mem::take(&mut gradients[at]);
            match &self.nodes[at] {
                Item::Input => {}
                Item::Affine(entries, _) => {
                    for (i, parent, j, w) in entries {
                        if !mine[*i].is_zero() {
                            let to = &mut gradients[*parent][*j];
                            *to = to.plus(&own(*w).times(&mine[*i]));
                        }
                    }
                }
                Item::Activate(parent, layer, _) => {
                    for (j, g) in mine.iter().enumerate().filter(|(_, g)| !g.is_zero()) {
                        let slope = slopes[*layer][j];
                        if slope != 0.0 {
                            let to = &mut gradients[*parent][j];
                            *to = to.plus(&own(slope).times(g));
                        }
                    }
                }
            }
        }
        gradients.swap_remove(0)
    }

    /// The rows of the Jacobian, m × n₀, with these slopes.
    pub fn jacobian<T: Number>(&self, slopes: &[Vec<f64>], size: bool) -> Vec<Vec<T>> {
        let unit = |i: usize| (0..self.outputs()).map(|j| T::of(if i == j { 1.0 } else { 0.0 })).collect::<Vec<T>>();
        (0..self.outputs()).map(|i| self.gradient(self.output, &unit(i), slopes, size)).collect()
    }

    /// Whether all activations are piecewise linear, so that everything is dyadic.
    pub fn is_piecewise_linear(&self) -> bool {
        (0..self.layers.len()).all(|layer| is_piecewise_linear(self.activation(layer)))
    }

    /// What happens at x, exactly; none for curved activations.
    pub fn at(&self, x: &[f64]) -> Option<Local> {
        self.is_piecewise_linear().then(|| {
            let mut slopes: Vec<Vec<f64>> = self.layers.iter().map(|_| Vec::new()).collect();
            let mut kinks = Vec::new();
            let values = self.values::<Dyadic>(x, false, |layer, activation, j, h| {
                let (value, slope, other) = piece(activation, j, h);
                if let Some(other) = other {
                    kinks.push((layer, j, other));
                }
                slopes[layer].push(slope);
                value
            });
            // where a pre-activation does not depend on the input, neither does what its kink makes of it
            let depends = |(layer, j): (usize, usize)| {
                let node = self.layers[layer].1;
                let seed: Vec<Dyadic> =
                    (0..self.lens[node]).map(|i| Dyadic::of(if i == j { 1.0 } else { 0.0 })).collect();
                self.gradient(node, &seed, &slopes, false).iter().any(|g| !g.is_zero())
            };
            let mut open: Vec<(usize, usize, f64)> = Vec::new();
            for (layer, j, other) in kinks {
                if !open.is_empty() || depends((layer, j)) {
                    open.push((layer, j, other)); // below an open kink, slopes are not known
                }
            }
            Local { output: values[self.output].clone(), slopes, kinks: open }
        })
    }
}

/// A network at an input.
#[derive(Debug)]
pub struct Local {
    /// y(x)
    pub output: Vec<Dyadic>,
    /// The slopes; at a kink, the one from the right.
    pub slopes: Vec<Vec<f64>>,
    /// (layer, neuron, slope from the left) where it is at a kink that matters.
    pub kinks: Vec<(usize, usize, f64)>,
}

/// Whether it is piecewise linear.
pub fn is_piecewise_linear(activation: &Activation) -> bool {
    use Activation::{Abs, Clip, HardSigmoid, LeakyRelu, PRelu, Relu};
    matches!(activation, Relu | LeakyRelu { .. } | PRelu { .. } | Abs | Clip { .. } | HardSigmoid { .. })
}

/// φ(s), its slope from the right, and the one from the left where it is another.
fn piece(activation: &Activation, j: usize, s: &Dyadic) -> (Dyadic, f64, Option<f64>) {
    let (zero, one) = (Dyadic::zero(), Dyadic::of(1.0));
    let leaky = |left: f64| {
        if s.is_zero() {
            (zero.clone(), 1.0, (left != 1.0).then_some(left))
        } else if s.is_negative() {
            (Dyadic::of(left).times(s), left, None)
        } else {
            (s.clone(), 1.0, None)
        }
    };
    // t between two numbers, with that slope
    let clamp = |t: &Dyadic, low: Option<&Dyadic>, high: Option<&Dyadic>, slope: f64| match (low, high) {
        (Some(low), Some(high)) if low == high => (low.clone(), 0.0, None),
        (Some(low), _) if t < low => (low.clone(), 0.0, None),
        (_, Some(high)) if t > high => (high.clone(), 0.0, None),
        (Some(low), _) if t == low => (low.clone(), slope, (slope != 0.0).then_some(0.0)),
        (_, Some(high)) if t == high => (high.clone(), slope, (slope != 0.0).then_some(0.0)),
        _ => (t.clone(), slope, None),
    };
    match activation {
        Activation::Relu => leaky(0.0),
        Activation::LeakyRelu { slope } => leaky(*slope),
        Activation::PRelu { slopes } => leaky(slopes[j]),
        Activation::Abs => leaky(-1.0),
        Activation::Clip { min, max } if *min == f64::INFINITY || *max == f64::NEG_INFINITY => {
            unreachable!("the hunt makes no constant of infinite value")
        }
        Activation::Clip { min, max } => {
            let end = |v: f64| v.is_finite().then(|| Dyadic::of(v));
            clamp(s, end(*min).as_ref(), end(*max).as_ref(), 1.0)
        }
        Activation::HardSigmoid { slope, offset } => {
            let ramp = Dyadic::of(*slope).times(s).plus(&Dyadic::of(*offset));
            clamp(&ramp, Some(&zero), Some(&one), *slope)
        }
        other => unreachable!("{other} is not piecewise linear"),
    }
}
