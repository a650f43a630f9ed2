//! How much every entry of a network can change, carried forward: below the product of the layers' norms in ℓ∞.
//!
//! The size of an entry e is at least max over v of ‖∂e/∂x‖, the dual of the input norm. Through a linear map sizes go by the triangle
//! inequality, through a neuron by the largest of its slopes. A maximum, q + relu(p − q), would count q twice and p once by that: so of
//! a sum of a few entries each neuron of an activation is set to both ends of its slopes, by turns, and what cancels is taken away before sizes are added.
//! A maximum is then as large as the larger of the two, and a network of maxima and of rows with Σ|w| ≤ 1 has a bound of 1, however deep.
//!
//! **Claim.** For every v ∈ \[α, β\], ‖J(v)‖ is at most [`forward_bound`]. *Proof.* By induction over the nodes. For a sum
//! e = Σ cᵢ eᵢ + c zⱼ with zⱼ = vⱼ hⱼ, hⱼ = Σ aₖ fₖ, at one v: the gradient of e is affine in the number vⱼ where those of eᵢ and fₖ are
//! held, and its norm convex, so at most the larger one at vⱼ = α and vⱼ = β; there it is Σ (collected coefficient)·(gradient of an entry),
//! at most Σ |collected coefficient|·size. That eᵢ and fₖ depend on vⱼ themselves does not matter: their sizes hold for every v. An output
//! norm of Jx is at most that norm of the sizes where ‖x‖ ≤ 1. ∎
//!
//! **Rounded** up: coefficients are collected as balls ([`Ball`]), sizes added by [`sum_up`] or as `outward` says.

use super::intervals::{output_norm_up, outward};
use crate::function::Slope;
use crate::matrix::Matrix;
use crate::network::{LinearMap, NodeId, Term};
use crate::problem::Functional;
use crate::rounding::{Ball, mul_up, sum_up};
use crate::slopes::{Origin, SlopeNetwork, SlopeOp};

/// One entry of a node.
type Entry = (NodeId, usize);

/// At least max over v of ‖J(v)ᵀu‖ in the dual of any ℓp norm of the input, or ‖J(v)‖.
pub(super) fn forward_bound(network: &SlopeNetwork, functional: &Functional) -> f64 {
    let (mut sizes, slopes): (Vec<Vec<f64>>, _) = (Vec::new(), network.tight_slopes());
    let mut layers = slopes.iter().zip(network.origins());
    let mut ends = vec![None; network.nodes().len()];
    for id in network.ids() {
        let node = network.node(id);
        let mut own = match &node.op {
            SlopeOp::Input => vec![1.0; node.len], // the dual norm of a unit vector
            SlopeOp::Affine { terms } => added(terms, node.len, &sizes),
            SlopeOp::Neurons { parent } => {
                let (slopes, origin) = layers.next().expect("one list per layer of neurons");
                ends[id.index()] = matches!(origin, Origin::Activation(..)).then_some(slopes);
                let largest = slopes.iter().map(|s| s.lower.abs().max(s.upper.abs()));
                largest.zip(&sizes[parent.index()]).map(|(slope, size)| mul_up(slope, *size)).collect()
            }
        };
        if let Some(terms) = few_terms(network, id) {
            for (i, size) in own.iter_mut().enumerate() {
                let direct = row(network, terms, i);
                *size = with_neurons_at_ends(network, direct, &sizes, &ends).fold(*size, f64::min);
            }
        }
        own.iter_mut().filter(|size| size.is_nan()).for_each(|size| *size = f64::INFINITY);
        sizes.push(own);
    }
    let outputs = &sizes[network.output().index()];
    let of_row = |row: Vec<(usize, f64)>| sum_up(row.into_iter().map(|(i, u)| mul_up(u.abs(), outputs[i])));
    let bound = output_norm_up(functional, functional.rows(network.outputs()).into_iter().map(of_row));
    if bound.is_nan() { f64::INFINITY } else { bound }
}

/// Entries of a sum that is looked at neuron by neuron: the work grows like the cube of their number.
const FEW: usize = 8;
/// Copies that are followed one behind another.
const COPIES: usize = 64;

/// Bounds on the size of a sum of a few entries, each with one of its neurons at the ends of its slopes, and its pre-activation as it is or
/// written out: of the sum as it stands, and with one of the entries written out that are sums themselves
/// (min(p, q) = p + q − max(p, q)).
fn with_neurons_at_ends<'a>(
    network: &'a SlopeNetwork,
    direct: Vec<(Entry, Ball)>,
    sizes: &'a [Vec<f64>],
    ends: &'a [Option<&'a Vec<Slope>>],
) -> impl Iterator<Item = f64> + 'a {
    let written_out = (0..direct.len()).filter_map(|at| {
        let (own, c) = direct[at];
        let inner = inside(network, own)?.into_iter().map(|(entry, a)| (entry, a.times(c)));
        Some(direct[..at].iter().chain(&direct[at + 1..]).copied().chain(inner).collect())
    });
    let rows: Vec<Vec<(Entry, Ball)>> = written_out.chain([direct.clone()]).collect();
    rows.into_iter().flat_map(move |row| {
        let neurons = (0..row.len()).filter_map(|at| {
            let ((node, j), weight) = row[at];
            let (SlopeOp::Neurons { parent }, Some(slopes)) = (&network.node(node).op, ends[node.index()]) else {
                return None;
            };
            let others = || row[..at].iter().chain(&row[at + 1..]).copied();
            let with = |read: &[(Entry, Ball)]| {
                let of = |end: f64| {
                    let factor = weight.times(Ball::exact(end));
                    size_of(others().chain(read.iter().map(|(entry, a)| (*entry, a.times(factor)))), sizes)
                };
                of(slopes[j].lower).max(of(slopes[j].upper))
            };
            let itself = with(&[((*parent, j), Ball::exact(1.0))]);
            Some(inside(network, (*parent, j)).map_or(itself, |inside| itself.min(with(&inside))))
        });
        neurons.collect::<Vec<f64>>()
    })
}

/// Σ |A|·size over the terms of a sum.
fn added(terms: &[Term], len: usize, sizes: &[Vec<f64>]) -> Vec<f64> {
    let mut sums = vec![0.0; len];
    for term in terms {
        let parent = &sizes[term.parent.index()];
        let own = outward(&term.map, LinearMap::abs_forward, len, &Matrix::from_vec(parent.len(), 1, parent.clone()));
        sums.iter_mut().zip(own.data()).for_each(|(sum, own)| *sum = sum_up([*sum, *own]));
    }
    sums
}

/// The terms of a sum whose maps have at most one entry in each row, which [`entries`] finds.
fn copied_terms(network: &SlopeNetwork, id: NodeId) -> Option<&[Term]> {
    let copies = |map: &LinearMap| matches!(map, LinearMap::Identity(_) | LinearMap::Scale(_) | LinearMap::Gather(_));
    match &network.node(id).op {
        SlopeOp::Affine { terms } if terms.iter().all(|term| copies(&term.map)) => Some(terms),
        SlopeOp::Affine { .. } | SlopeOp::Input | SlopeOp::Neurons { .. } => None,
    }
}

/// The same, where there are few.
fn few_terms(network: &SlopeNetwork, id: NodeId) -> Option<&[Term]> {
    copied_terms(network, id).filter(|terms| terms.len() <= FEW)
}

/// The entries that row i of such terms adds up, with their coefficients.
fn entries(terms: &[Term], i: usize) -> impl Iterator<Item = (Entry, f64)> + '_ {
    terms.iter().filter_map(move |term| {
        let (j, c) = match &*term.map {
            LinearMap::Identity(_) => (i, 1.0),
            LinearMap::Scale(s) => (i, s[i]),
            LinearMap::Gather(gather) => (gather.source(i)?, 1.0),
            LinearMap::Dense(_) | LinearMap::Convolution(_) | LinearMap::Transpose(_) => return None,
        };
        (c != 0.0).then_some(((term.parent, j), c))
    })
}

/// The same, each followed back through what only copies it or its negative.
fn row(network: &SlopeNetwork, terms: &[Term], i: usize) -> Vec<(Entry, Ball)> {
    entries(terms, i)
        .map(|(mut entry, mut c)| {
            for _ in 0..COPIES {
                let Some((next, sign)) = copied(network, entry) else { break };
                (entry, c) = (next, c * sign);
            }
            (entry, Ball::exact(c))
        })
        .collect()
}

/// The [`row`] of an entry that is a sum of a few others.
fn inside(network: &SlopeNetwork, (id, i): Entry) -> Option<Vec<(Entry, Ball)>> {
    few_terms(network, id).map(|terms| row(network, terms, i))
}

/// The entry that one is a copy of, or the negative of one.
fn copied(network: &SlopeNetwork, (id, i): Entry) -> Option<(Entry, f64)> {
    let mut entries = entries(copied_terms(network, id)?, i);
    let first = entries.next().filter(|(_, c)| c.abs() == 1.0)?;
    entries.next().is_none().then_some(first)
}

/// Σ |collected coefficient|·size.
fn size_of(entries: impl Iterator<Item = (Entry, Ball)>, sizes: &[Vec<f64>]) -> f64 {
    let mut collected: Vec<(Entry, Ball)> = Vec::new();
    for (entry, c) in entries {
        match collected.iter_mut().find(|(other, _)| *other == entry) {
            Some((_, sum)) => *sum = sum.plus(c),
            None => collected.push((entry, c)),
        }
    }
    let size = sum_up(collected.into_iter().map(|((id, i), c)| mul_up(c.magnitude(), sizes[id.index()][i])));
    if size.is_nan() { f64::INFINITY } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Gather, NetworkBuilder};

    fn gather(builder: &NetworkBuilder, from: NodeId, sources: impl IntoIterator<Item = usize>) -> (NodeId, LinearMap) {
        let gather = Gather::new(builder.len_of(from), sources.into_iter().map(Some)).expect("sources exist");
        (from, LinearMap::Gather(gather))
    }

    /// The maxima of p and q, entry by entry, as q + relu(p − q).
    fn maximum(b: &mut NetworkBuilder, p: (NodeId, LinearMap), q: (NodeId, LinearMap)) -> NodeId {
        let len = q.1.rows();
        let q = b.affine("q", vec![q], None).expect("shapes");
        let h = b.affine("p - q", vec![p, (q, LinearMap::Scale(vec![-1.0; len]))], None).expect("shapes");
        let z = b.activate("relu", h, Activation::Relu).expect("relu");
        b.affine("max", vec![(z, LinearMap::Identity(len)), (q, LinearMap::Identity(len))], None).expect("shapes")
    }

    fn bound(b: NetworkBuilder, y: NodeId, functional: &Functional) -> f64 {
        forward_bound(&SlopeNetwork::everywhere(&b.finish(y)).expect("bounded slopes"), functional)
    }

    #[test]
    fn a_maximum_is_as_large_as_the_larger_number() {
        let mut b = NetworkBuilder::new(16).expect("inputs");
        let mut at = b.input();
        let weights = [1.0, -1.0, 0.25, 0.5, 2.0, 1.0, 1.0, 1.0, 1.0, -3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        at = b.affine("w", vec![(at, LinearMap::Scale(weights.to_vec()))], None).expect("shapes");
        while b.len_of(at) > 1 {
            let len = b.len_of(at);
            let (p, q) = (gather(&b, at, (0..len).step_by(2)), gather(&b, at, (1..len).step_by(2)));
            at = maximum(&mut b, p, q);
        }
        let largest = bound(b, at, &Functional::output(0));
        assert!((3.0..3.0 + 1e-13).contains(&largest), "{largest}");
    }

    #[test]
    fn networks_of_maxima_and_of_rows_of_norm_one_have_a_bound_of_one_at_any_depth() {
        let mut b = NetworkBuilder::new(8).expect("inputs");
        let mut at = b.input();
        for layer in 0..12 {
            let entry = |i: usize, j: usize| if (i * 3 + j * 5 + layer).is_multiple_of(4) { 0.5 } else { 0.0 };
            let w = Matrix::from_fn(8, 8, |i, j| if j.is_multiple_of(2) { -entry(i, j) } else { entry(i, j) });
            let largest = w.abs().data().chunks(8).map(|row| row.iter().sum::<f64>()).fold(0.0, f64::max);
            assert_eq!(largest, 1.0);
            at = b.affine("w", vec![(at, LinearMap::Dense(w))], None).expect("shapes");
            let (p, q) = (gather(&b, at, [0, 2, 4, 6]), gather(&b, at, [1, 3, 5, 7]));
            let large = maximum(&mut b, p.clone(), q.clone());
            // min(p, q) = p + q − max(p, q)
            let small = vec![p, q, (large, LinearMap::Scale(vec![-1.0; 4]))];
            let small = b.affine("min", small, None).expect("shapes");
            let side = |of, first: usize| {
                let places = (0..8).map(|i| (first..first + 4).contains(&i).then(|| i - first));
                (of, LinearMap::Gather(Gather::new(4, places).expect("places exist")))
            };
            at = b.affine("both", vec![side(large, 0), side(small, 4)], None).expect("shapes");
        }
        let largest = bound(b, at, &Functional::Norm(crate::problem::OutputNorm::Linf));
        assert!((1.0..1.0 + 1e-12).contains(&largest), "{largest}");
    }

    #[test]
    fn numbers_that_overflow_or_do_not_depend_on_the_input_are_told_apart() {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let large = b.affine("w", vec![(b.input(), LinearMap::Scale(vec![1e300]))], None).expect("shapes");
        let large = b.affine("w", vec![(large, LinearMap::Scale(vec![1e300]))], None).expect("shapes");
        let zero = b.affine("0", vec![(large, LinearMap::Scale(vec![0.0]))], None).expect("shapes");
        assert_eq!(bound(b.clone(), large, &Functional::output(0)), f64::INFINITY);
        assert_eq!(bound(b, zero, &Functional::output(0)), 0.0);
    }
}
