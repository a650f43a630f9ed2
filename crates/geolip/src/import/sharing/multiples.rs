//! Whether one node is another one, entry by entry times a number: what a choice between two branches has to know to be continuous.

use super::forms::Form;
use super::{entries, found};
use crate::network::{LinearMap, NetworkBuilder, NodeId};

/// The c with (entry of `own`) = c·(entry of `other`) at every input, exactly, for all entries of two nodes that are not built upon;
/// or the first entry for which none is seen.
pub(in crate::import) fn multiples(builder: &NetworkBuilder, own: NodeId, other: NodeId) -> Result<Vec<f64>, usize> {
    let (mut builder, len) = (builder.clone(), builder.len_of(own));
    let both = vec![(own, LinearMap::Identity(len)), (other, LinearMap::Identity(len))];
    let both = builder.affine("", both, None).map_err(|_| 0_usize)?;
    let (network, places) = builder.finish_placed(both);
    let [Some(own), Some(other)] = [own, other].map(|id| places[id.index()]) else { return Err(0) };
    let mut forms = found(&network);
    entries(&network, own)
        .zip(entries(&network, other))
        .map(|(own, other)| if *forms.form(own) == Form::default() { Some(0.0) } else { forms.multiple(own, other) })
        .enumerate()
        .map(|(entry, factor)| factor.ok_or(entry))
        .collect()
}
