//! Intervals for every node of a network on a region, and the slope intervals that follow.
//!
//! Forward, in topological order: interval arithmetic through every map (IBP), and for what an activation reads also backward
//! linear bounds (`backward.rs`); the tighter end counts, neuron by neuron, and is what later layers build on.
//!
//! **Claim.** For every x in the region, every node's value lies in its interval, and every activation's secant slopes there in
//! its slope interval. **Rounded** outwards, by bounds that hold whatever the order of the additions: a node whose sums have at most
//! n terms is off by at most γ_{n+8}Σ|A||x|, and by underflow (the rule of [`crate::rounding`]).

use crate::function::lines::{Lines, lines};
use crate::function::ranges::{Ends, derivative_range};
use crate::matrix::{Matrix, Store};
use crate::network::{Activation, Gather, LinearMap, Network, NodeId, Op, Slope, Term};
use crate::place::Region;
use crate::place::backward::{Backward, Fixed};
use crate::place::part::{Part, Side, inside};
use crate::place::program::HalfSpace;
use crate::rounding::{TINY, UNIT, add_up, gamma_up, mul_up, sum_up};

/// lower ≤ value ≤ upper, one each per entry of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// The lower ends.
    pub lower: Vec<f64>,
    /// The upper ends.
    pub upper: Vec<f64>,
}

impl Interval {
    /// (lower, upper)
    pub fn ends(&self, i: usize) -> (f64, f64) {
        (self.lower[i], self.upper[i])
    }

    /// max(|lower|, |upper|).
    pub fn magnitude(&self, i: usize) -> f64 {
        self.lower[i].abs().max(self.upper[i].abs())
    }

    /// What [`TINY`] in every coefficient of a linear function of these entries may be worth: TINY·Σ|z|, rounded up.
    pub fn underflow(&self) -> f64 {
        mul_up(TINY, sum_up((0..self.lower.len()).map(|i| self.magnitude(i))))
    }
}

/// What is known of a network on a region.
#[derive(Clone, Debug)]
pub struct Enclosure {
    nodes: Vec<Interval>,
    fixed: Vec<Fixed>,
    /// By activation layer, in topological order.
    pub slopes: Vec<Vec<Slope>>,
    /// What every input of a part satisfies that is given by sides of pre-activations.
    half_spaces: Vec<HalfSpace>,
    /// Whether the sides of a part are found to contradict each other.
    pub empty: bool,
}

/// How much goes into intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Interval arithmetic and backward linear bounds: for many small regions.
    Plain,
    /// Backward linear bounds with optimised lines as well, where that is affordable.
    Refined,
}

/// Steps of refinement, and the multiply-adds that it may take at one node.
const STEPS: usize = 10;
const MOST_WORK: f64 = 2e9;

impl Enclosure {
    /// Everything about a network on a part of a region that fits it.
    pub fn new(network: &Network, part: &Part, detail: Detail) -> Self {
        let region = part.region();
        let input = Interval { lower: region.lower().to_vec(), upper: region.upper().to_vec() };
        let mut nodes: Vec<Interval> = Vec::with_capacity(network.nodes().len());
        let mut fixed: Vec<Fixed> = Vec::with_capacity(network.nodes().len());
        let mut slopes = Vec::new();
        let mut half_spaces: Vec<HalfSpace> = Vec::new();
        let mut empty = false;
        let last = network.slope_layers().last().map_or(NodeId::INPUT, |(id, _)| id);
        for id in network.ids() {
            // what a function reads is cut by sides and bounded backward, before its slopes are taken
            let mut sides: Vec<&Side> = Vec::new();
            for (layer, parent) in (slopes.len()..).zip(network.node(id).op.moving()) {
                let own = part.sides_of(layer).collect::<Vec<_>>();
                for side in &own {
                    let backward =
                        Backward { network, region, nodes: &nodes, fixed: &fixed, half_spaces: &half_spaces };
                    half_spaces.extend(backward.half_space(parent, side.neuron, side.at, side.above));
                    empty |= clip(&mut nodes[parent.index()], side);
                }
                if !half_spaces.is_empty() || needs_backward(network, region, parent) {
                    let rows = worth_bounding(&network.node(id).op, &nodes[parent.index()], id == last);
                    let backward =
                        Backward { network, region, nodes: &nodes, fixed: &fixed, half_spaces: &half_spaces };
                    empty |= !own.is_empty() && backward.is_empty();
                    let bounds = bounds(&backward, parent, &rows);
                    let again = (detail == Detail::Refined)
                        .then(|| still_free(&network.node(id).op, &nodes[parent.index()], &rows, &bounds))
                        .filter(|rows| affordable(network, parent, rows.len()));
                    let refined = again.map(|again| (backward.bounds(parent, &again, STEPS), again));
                    let mut missed = tighten(&mut nodes[parent.index()], &rows, &bounds);
                    if let Some((bounds, again)) = refined {
                        missed |= tighten(&mut nodes[parent.index()], &again, &bounds);
                    }
                    empty |= missed && !half_spaces.is_empty();
                }
                sides.extend(own);
            }
            let (interval, known) = match &network.node(id).op {
                Op::Input => (input.clone(), Fixed::Input),
                Op::Affine { terms, bias } => propagate(terms, bias.as_deref(), &nodes),
                Op::Activate { parent, activation } => {
                    let before = &nodes[parent.index()];
                    let own = 0..before.lower.len();
                    let ends = |i: usize| match sides.iter().any(|side| side.neuron == i) {
                        true if activation.linear_pieces(i).is_some_and(|pieces| pieces.exact) => Ends::Open,
                        _ => Ends::Closed,
                    };
                    slopes
                        .push(own.clone().map(|i| derivative_range(activation, i, before.ends(i), ends(i))).collect());
                    let lines: Vec<Lines> = own.map(|i| lines(activation, i, before.ends(i))).collect();
                    let lower = lines.iter().map(|l| l.range.0).collect();
                    let upper = lines.iter().map(|l| l.range.1).collect();
                    let free = (0..lines.len()).map(|i| is_free(activation, before.ends(i))).collect();
                    let underflow = before.underflow();
                    (Interval { lower, upper }, Fixed::Activation { lines, free, underflow })
                }
                Op::Combine { parents, combination } => {
                    let own = parents.map(|parent| &nodes[parent.index()]);
                    let (mut lower, mut upper, mut planes) = (Vec::new(), Vec::new(), Vec::new());
                    let mut partials: Vec<Vec<Slope>> = vec![Vec::new(); 2];
                    let same = parents[0] == parents[1];
                    for i in 0..network.node(id).len {
                        let ends = own.map(|interval| interval.ends(i));
                        let (least, most) = combination.range(ends, same);
                        lower.push(least);
                        upper.push(most);
                        planes.push(combination.planes(ends, same));
                        let [p, q] = combination.partials(ends);
                        match same {
                            // both arguments move together, and their partial derivatives add up
                            true => partials[0].push(Slope::new(-add_up(-p.lower, -q.lower), add_up(p.upper, q.upper))),
                            false => partials.iter_mut().zip([p, q]).for_each(|(list, slope)| list.push(slope)),
                        }
                    }
                    slopes.extend(partials.into_iter().take(if same { 1 } else { 2 }));
                    let underflow = add_up(own[0].underflow(), own[1].underflow());
                    (Interval { lower, upper }, Fixed::Combination { planes, underflow })
                }
            };
            nodes.push(interval);
            fixed.push(known);
        }
        Self { nodes, fixed, slopes, half_spaces, empty }
    }

    /// Where the values of a node are.
    pub fn interval(&self, node: NodeId) -> &Interval {
        &self.nodes[node.index()]
    }

    /// A point of the part, as far as one is found.
    pub fn inside(&self, part: &Part) -> Vec<f64> {
        inside(part.region(), &self.half_spaces)
    }

    /// At most the minimum of uᵀy over the region, for every u (by its non-zero entries).
    pub fn least(&self, network: &Network, region: &Region, functionals: &[Vec<(usize, f64)>]) -> Vec<f64> {
        let (output, nodes) = (network.output(), &self.nodes);
        let mut start = Matrix::zeros(network.outputs(), functionals.len());
        for (j, u) in functionals.iter().enumerate() {
            u.iter().for_each(|(i, u)| *start.at_mut(*i, j) = *u);
        }
        let (fixed, half_spaces) = (&self.fixed[..], &self.half_spaces[..]);
        Backward { network, region, nodes, fixed, half_spaces }.minima(output, start)
    }
}

/// Backward bounds of entries of a node; where it only moves entries of another one, each of those is bounded once.
fn bounds(backward: &Backward<'_>, node: NodeId, rows: &[usize]) -> Vec<(f64, f64)> {
    let Some((parent, gather)) = moved(&backward.network.node(node).op) else {
        return backward.bounds(node, rows, 0);
    };
    let mut distinct: Vec<usize> = rows.iter().filter_map(|i| gather.source(*i)).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let found = backward.bounds(parent, &distinct, 0);
    let place = |source: usize| distinct.binary_search(&source).expect("every source is among the distinct ones");
    // (an entry that comes of nothing is 0)
    rows.iter().map(|i| gather.source(*i).map_or((0.0, 0.0), |source| found[place(source)])).collect()
}

/// The node of which another one only moves entries, and how.
fn moved(op: &Op) -> Option<(NodeId, &Gather)> {
    let Op::Affine { terms, bias: None } = op else { return None };
    match terms.as_slice() {
        [Term { parent, map }] => {
            if let LinearMap::Gather(gather) = &**map {
                Some((*parent, gather))
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Whether intervals lose anything at a node: not where it is maps of a box alone.
fn needs_backward(network: &Network, region: &Region, node: NodeId) -> bool {
    match &network.node(node).op {
        Op::Input => region.ball().is_some(),
        Op::Affine { terms, .. } => region.ball().is_some() || terms.len() > 1 || terms[0].parent != NodeId::INPUT,
        // intervals of products lose what their factors share
        Op::Combine { .. } => true,
        Op::Activate { .. } => false,
    }
}

/// The neurons that a tighter interval may help: whose slope is not fixed yet, and, unless this is the `last` activation, those
/// whose values later intervals are made of.
fn worth_bounding(op: &Op, interval: &Interval, last: bool) -> Vec<usize> {
    let open = |i: &usize| {
        let ends = interval.ends(*i);
        let decided = match op {
            Op::Activate { activation, .. } => {
                let slope = derivative_range(activation, *i, ends, Ends::Closed);
                slope.is_fixed() && (last || slope.lower == 0.0)
            }
            Op::Input | Op::Affine { .. } | Op::Combine { .. } => false,
        };
        ends.0 < ends.1 && !decided
    };
    (0..interval.lower.len()).filter(open).collect()
}

/// Whether it is a ReLU that may be on either side.
fn is_free(activation: &Activation, (lower, upper): (f64, f64)) -> bool {
    *activation == Activation::Relu && lower < 0.0 && upper > 0.0
}

/// The neurons whose slope better bounds may still fix.
fn still_free(op: &Op, interval: &Interval, rows: &[usize], bounds: &[(f64, f64)]) -> Vec<usize> {
    let Op::Activate { activation, .. } = op else { return Vec::new() };
    let free = |(i, (lower, upper)): &(&usize, &(f64, f64))| {
        is_free(activation, (lower.max(interval.lower[**i]), upper.min(interval.upper[**i])))
    };
    rows.iter().zip(bounds).filter(free).map(|(i, _)| *i).collect()
}

/// Whether refining that many neurons of a node is: a step is a pass back and a pass forward.
fn affordable(network: &Network, node: NodeId, rows: usize) -> bool {
    let before = network.ids().take(node.index() + 1).map(|id| match &network.node(id).op {
        Op::Affine { terms, .. } => terms.iter().map(|t| t.map.nonzeros()).sum::<usize>() as f64,
        Op::Input | Op::Activate { .. } | Op::Combine { .. } => 0.0,
    });
    rows > 0 && 4.0 * (STEPS + 1) as f64 * rows as f64 * before.sum::<f64>() <= MOST_WORK
}

/// Takes the tighter ends; where bounds miss each other, the old interval stays: whether there are such.
fn tighten(interval: &mut Interval, rows: &[usize], bounds: &[(f64, f64)]) -> bool {
    let mut missed = false;
    for (i, (lower, upper)) in rows.iter().zip(bounds) {
        let (lower, upper) = (lower.max(interval.lower[*i]), upper.min(interval.upper[*i]));
        if lower <= upper {
            (interval.lower[*i], interval.upper[*i]) = (lower, upper);
        }
        missed |= lower > upper;
    }
    missed
}

/// Leaves what is on one side; whether nothing is.
fn clip(interval: &mut Interval, side: &Side) -> bool {
    let (lower, upper) = (&mut interval.lower[side.neuron], &mut interval.upper[side.neuron]);
    let beyond = if side.above { *upper < side.at } else { *lower > side.at };
    if !beyond {
        let end = if side.above { &mut *lower } else { &mut *upper };
        *end = if side.above { end.max(side.at) } else { end.min(side.at) };
    }
    beyond
}

/// Σ A·\[l, u\] + b, with what `backward.rs` bounds its rounding with: Σ |A|·max(|l|, |u|), and what underflow may cost.
///
/// All terms are added up in one sum, in which each is rounded again whenever a number of another one is added (a transposed gather
/// adds its numbers one by one): the sum has n terms, those of all maps together, and is off by at most γ_n Σ|A||z| + nη.
fn propagate(terms: &[Term], bias: Option<&[f64]>, nodes: &[Interval]) -> (Interval, Fixed) {
    let rows = terms[0].map.rows();
    let (mut centre, mut radius, mut magnitude) =
        (Matrix::zeros(rows, 1), Matrix::zeros(rows, 1), Matrix::zeros(rows, 1));
    let gamma = gamma_up(terms.iter().map(|t| t.map.longest_sum() + 1).sum::<usize>() + 8);
    let mut underflow = 0.0;
    for term in terms {
        let from = &nodes[term.parent.index()];
        let ends = || from.lower.iter().zip(&from.upper);
        let column = |data: Vec<f64>| Matrix::from_vec(data.len(), 1, data);
        let middle = column(ends().map(|(l, u)| 0.5 * l + 0.5 * u).collect());
        let spread = column(ends().zip(middle.data()).map(|((l, u), c)| (u - c).max(c - l).next_up()).collect());
        let largest = column((0..from.lower.len()).map(|i| from.magnitude(i)).collect());
        underflow = add_up(underflow, from.underflow());
        term.map.forward(&middle, Store::Add, &mut centre);
        term.map.abs_forward(&spread, Store::Add, &mut radius);
        term.map.abs_forward(&largest, Store::Add, &mut magnitude);
    }
    // sums of numbers that are not negative, off by at most as much of themselves, and by underflow
    magnitude.data_mut().iter_mut().for_each(|m| *m = *m * (1.0 + 4.0 * gamma) + TINY);
    let mut interval = Interval { lower: Vec::with_capacity(rows), upper: Vec::with_capacity(rows) };
    for i in 0..rows {
        let b = bias.map_or(0.0, |bias| bias[i]);
        let (c, m) = (centre.at(i, 0) + b, magnitude.at(i, 0));
        let off = (radius.at(i, 0) + gamma * m) * (1.0 + 8.0 * gamma) + 4.0 * UNIT * (c.abs() + b.abs()) + TINY;
        let (lower, upper) = ((c - off).next_down(), (c + off).next_up());
        interval.lower.push(if lower.is_nan() { f64::NEG_INFINITY } else { lower });
        interval.upper.push(if upper.is_nan() { f64::INFINITY } else { upper });
    }
    (interval, Fixed::Affine { magnitudes: magnitude.data().to_vec(), underflow })
}
