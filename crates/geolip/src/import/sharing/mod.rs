//! Neurons that share a pre-activation are one neuron: a network rewritten without changing its function.
//!
//! max(p, q) = q + relu(p − q) and min(p, q) = q − relu(q − p), written down one beside the other, have two neurons whose slopes
//! belong together: where one is active the other is not. Bounds do not know that of two neurons; of one they do not need to,
//! because relu(−h) = relu(h) − h.
//!
//! **Claim.** The network that [`shared`] gives is the same function of real numbers. *Proof.* A neuron φ(h) is replaced only where
//! h = c·r at every input, with r the pre-activation of an earlier neuron ψ(r), and then by a·ψ(r) + b·h + d with the numbers of
//! `functions`, whose identity holds for all real r. That h = c·r is read off the weights (`forms`), and what reads a neuron that is
//! gone gets the sum in its place (`rebuild`). ∎
//!
//! **Rounded**: nothing. A product or sum of weights that is not a floating-point number is not formed; the neurons stay apart then.
//!
//! A network in which nothing is shared comes out as it is. Finding that out takes one pass at two random columns (`alike`): no row
//! of a weight is read before two pre-activations agree there.
//!
//! | file | what |
//! | --- | --- |
//! | `alike.rs` | which pre-activations may be multiples of each other: numbers that are proportional at random |
//! | `functions.rs` | a function at c·r by another one at r |
//! | `forms.rs`, `rows.rs` | entries of nodes as exact sums of others |
//! | `multiples.rs` | the question itself: is this node that one, times numbers? |
//! | `unread.rs` | neurons that cancel in all that reads them, and are gone, too |
//! | `rebuild.rs`, `maps.rs` | the network again, without the neurons that are gone |

mod alike;
mod forms;
mod functions;
mod maps;
#[cfg(feature = "onnx")] // for choices between two branches, which only ONNX has
mod multiples;
mod rebuild;
mod rows;
#[cfg(test)]
mod tests;
mod unread;

use crate::matrix::{Matrix, Store};
use crate::network::{Network, NodeId, Op};
use crate::random::gaussian;
use alike::Alike;
use forms::{Entry, Forms};
use functions::{Neuron, relation};
#[cfg(feature = "onnx")]
pub(super) use multiples::multiples;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The most numbers that the random pass may hold: 64 MiB. Where every entry is shared, rebuilding holds about 250 bytes for each, 1 GiB.
const LARGEST: usize = 1 << 23;
/// Columns of the random pass: the second as a part of the first tells pre-activations apart.
const COLUMNS: usize = 2;

/// The same function with as few neurons as pre-activations that are exact multiples of each other leave.
pub(super) fn shared(network: Network) -> Network {
    let held = network.nodes().iter().fold(0_usize, |sum, node| sum.saturating_add(node.len));
    if held.saturating_mul(COLUMNS) > LARGEST || network.nodes().iter().any(|node| u32::try_from(node.len).is_err()) {
        return network;
    }
    match found(&network) {
        forms if forms.gone().next().is_none() => network,
        forms => rebuild::rebuild(forms),
    }
}

/// Every neuron that is a sum of an earlier one and its own pre-activation.
///
/// Neurons that stay get random values of the size of their pre-activations, others what follows from them: so two pre-activations
/// that are multiples of each other are so here, and others by accident only.
fn found(network: &Network) -> Forms<'_> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut forms = Forms::new(network);
    let mut neurons = Alike::default();
    for id in network.ids() {
        let node = network.node(id);
        let mut values = Matrix::zeros(node.len, COLUMNS);
        match &node.op {
            Op::Input | Op::Combine { .. } => values.data_mut().iter_mut().for_each(|v| *v = gaussian(&mut random)),
            Op::Affine { terms, bias } => {
                if let Some(bias) = bias {
                    values = Matrix::from_fn(node.len, COLUMNS, |i, _| bias[i]);
                }
                terms.iter().for_each(|term| term.map.forward(forms.values(term.parent), Store::Add, &mut values));
            }
            Op::Activate { parent, activation } => {
                let size = typical(forms.values(*parent));
                values.data_mut().iter_mut().for_each(|v| *v = size * gaussian(&mut random));
                for index in 0..node.len {
                    let at = Entry::of(*parent, index);
                    let own = Neuron { activation, index };
                    let of = |rep: Entry| match &network.node(rep.node()).op {
                        Op::Activate { parent, activation } => {
                            Some((Entry::of(*parent, rep.index()), Neuron { activation, index: rep.index() }))
                        }
                        Op::Input | Op::Affine { .. } | Op::Combine { .. } => None,
                    };
                    let h = [forms.values(*parent).at(index, 0), forms.values(*parent).at(index, 1)];
                    let same = neurons.to(h).into_iter().find_map(|rep| {
                        let (pre, neuron) = of(rep)?;
                        let factor = forms.multiple(at, pre)?;
                        Some((rep, relation(own, neuron, factor)?))
                    });
                    match same {
                        Some((rep, relation)) if forms.replace(Entry::of(id, index), rep, relation, at) => {
                            let rep = match rep.node() == id {
                                true => values.row(rep.index()).to_vec(),
                                false => forms.values(rep.node()).row(rep.index()).to_vec(),
                            };
                            let row = values.row_mut(index).iter_mut().zip(rep).zip(h);
                            row.for_each(|((z, m), h)| *z = relation.a * m + relation.b * h + relation.d);
                        }
                        _ => neurons.add(h, Entry::of(id, index)),
                    }
                }
            }
        }
        forms.set_values(values);
    }
    forms
}

/// The root mean square of finite numbers; 1 where that is nothing.
fn typical(values: &Matrix) -> f64 {
    let count = values.data().len() as f64;
    let size = (values.data().iter().map(|v| v * v).sum::<f64>() / count).sqrt();
    if size.is_normal() { size } else { 1.0 }
}

/// A node's entry for entry.
fn entries(network: &Network, node: NodeId) -> impl Iterator<Item = Entry> + use<> {
    (0..network.node(node).len).map(move |index| Entry::of(node, index))
}
