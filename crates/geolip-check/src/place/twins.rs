//! Pre-activations that are the same function of the input up to their sign: rows and biases that are equal, or all negated.
//!
//! relu(s) and relu(−s) side by side are how maxima, minima and absolute values are written. To bounds in floating point they are
//! two kinks that happen to be close; here they are known to be one.
//!
//! **Claim.** hⱼ = hᵢ, or hⱼ = −hᵢ, at every input, for every twin j of i. **Rounding**: rows are products of a map's adjoint with unit
//! vectors, sums with a single summand that is not zero, which are exact; they are compared number by number.

use crate::matrix::{Matrix, Store};
use crate::network::{Network, NodeId, Op};
use std::collections::HashMap;

/// Numbers in the rows of a layer at most: beyond, no twins are looked for.
const MOST_NUMBERS: usize = 1 << 22;

/// By activation layer and neuron: the others that are equal (false) or opposite (true) to it.
#[derive(Clone, Debug)]
pub struct Twins(Vec<Vec<Vec<(usize, bool)>>>);

impl Twins {
    /// Those of every layer of neurons.
    pub fn new(network: &Network) -> Self {
        Self(network.slope_layers().map(|(_, parent)| twins(network, parent)).collect())
    }

    /// None at all.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Those of a neuron.
    pub fn of(&self, layer: usize, neuron: usize) -> &[(usize, bool)] {
        self.0.get(layer).and_then(|layer| layer.get(neuron)).map_or(&[], Vec::as_slice)
    }
}

fn twins(network: &Network, node: NodeId) -> Vec<Vec<(usize, bool)>> {
    let n = network.node(node).len;
    let mut found = vec![Vec::new(); n];
    let Op::Affine { terms, bias } = &network.node(node).op else { return found };
    let columns = terms.iter().map(|term| term.map.cols()).fold(n, usize::saturating_add);
    if n.saturating_mul(columns) > MOST_NUMBERS {
        return found;
    }
    let units = Matrix::identity(n);
    let rows = terms.iter().map(|term| {
        let mut rows = Matrix::zeros(term.map.cols(), n);
        term.map.adjoint(&units, Store::Replace, &mut rows);
        rows
    });
    let rows: Vec<Matrix> = rows.collect();
    let mut seen: HashMap<Vec<u64>, Vec<(usize, bool)>> = HashMap::new();
    for i in 0..n {
        let own = rows.iter().flat_map(|rows| rows.column(i)).chain(bias.as_ref().map(|bias| bias[i]));
        let own: Vec<f64> = own.collect();
        let negated = own.iter().find(|v| **v != 0.0).is_some_and(|v| *v < 0.0);
        // with a positive first number, and one zero instead of two
        let key = own.iter().map(|v| (if negated { -v } else { *v } + 0.0).to_bits()).collect();
        seen.entry(key).or_default().push((i, negated));
    }
    for same in seen.into_values().filter(|same| same.len() > 1) {
        for (i, sign) in &same {
            found[*i] = same.iter().filter(|(j, _)| j != i).map(|(j, other)| (*j, other != sign)).collect();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, LinearMap, NetworkBuilder};

    #[test]
    fn equal_and_opposite_rows_are_twins_and_nothing_else() {
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let rows = [[1.0, -2.0], [-1.0, 2.0], [1.0, -2.0], [1.0, -2.0], [0.0, 1.0], [0.0, -1.0], [2.0, -4.0]];
        let w = Matrix::from_fn(7, 2, |i, j| rows[i][j]);
        let bias = vec![0.5, -0.5, 0.5, 0.25, 0.0, -0.0, 1.0];
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], Some(bias)).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let twins = Twins::new(&b.finish(z));
        assert_eq!(twins.of(0, 0), [(1, true), (2, false)]);
        assert_eq!(twins.of(0, 1), [(0, true), (2, true)]);
        assert!(twins.of(0, 3).is_empty() && twins.of(0, 6).is_empty() && twins.of(1, 0).is_empty());
        assert_eq!(twins.of(0, 4), [(5, true)], "zeros have no sign");
    }
}
