//! Networks that are chains of layers, written as dense matrices.
//!
//! In ordinary floating point: what is found with these matrices is proved elsewhere.

use crate::{NotApplicable, Question};
use geolip_check::function::Slope;
use geolip_check::matrix::{Matrix, Store};
use geolip_check::network::{LinearMap, NodeId, Op};

/// Numbers of one matrix.
const LARGEST: usize = 1 << 24;

/// Layers h_a = W_a z_{a−1}, z_a = v∘h_a.
pub(crate) struct Chain {
    /// (W_a, the slope interval shared by the layer's neurons, its place among the network's activation layers).
    pub layers: Vec<(Matrix, Slope, usize)>,
    /// y = W z_d.
    pub last: Matrix,
}

impl Chain {
    /// Consecutive affine maps, and layers of one fixed slope, are multiplied together.
    pub(crate) fn of(question: &Question<'_>) -> Result<Self, NotApplicable> {
        let network = question.network.network();
        let mut layers = Vec::new();
        let mut own: Option<Matrix> = None;
        // what reads the input itself reads it in its units
        let in_units = |before: NodeId, mut matrix: Matrix| {
            if let Some(units) = question.network.units().filter(|_| before == NodeId::INPUT) {
                (0..matrix.rows()).for_each(|i| {
                    matrix.row_mut(i).iter_mut().zip(units.numbers()).for_each(|(v, unit)| *v *= unit);
                });
            }
            matrix
        };
        let mut before = NodeId::INPUT;
        let mut activation_layers = 0;
        for (id, node) in network.ids().zip(network.nodes()) {
            let columns = own.as_ref().map_or(network.node(before).len, Matrix::cols);
            let numbers = node.len.saturating_mul(columns);
            if numbers > LARGEST {
                return Err(NotApplicable::Size { what: "numbers in a layer's matrix", size: numbers, limit: LARGEST });
            }
            let branches = || NotApplicable::Branches { node: node.name.clone() };
            match &node.op {
                Op::Input => continue,
                Op::Affine { terms, .. } => match terms.as_slice() {
                    [term] if term.parent == before => {
                        own = Some(match own {
                            None => in_units(before, composed(&term.map, None)),
                            own => composed(&term.map, own),
                        });
                    }
                    _ => return Err(branches()),
                },
                Op::Activate { parent, .. } if *parent != before => return Err(branches()),
                Op::Combine { .. } => return Err(branches()),
                Op::Activate { activation, .. } => {
                    let slopes = activation.slopes(node.len);
                    if slopes.iter().any(|slope| *slope != slopes[0]) {
                        return Err(NotApplicable::Slopes { node: node.name.clone() });
                    }
                    if slopes[0].is_fixed() {
                        own = own.or_else(|| Some(in_units(before, Matrix::identity(node.len))));
                        own = Some(composed(&LinearMap::Scale(vec![slopes[0].lower; node.len]), own));
                    } else {
                        let weights = own.take().unwrap_or_else(|| in_units(before, Matrix::identity(node.len)));
                        layers.push((weights, slopes[0], activation_layers));
                    }
                    activation_layers += 1;
                }
            }
            before = id;
        }
        Ok(Self { layers, last: own.unwrap_or_else(|| in_units(before, Matrix::identity(network.outputs()))) })
    }
}

/// map·own, where none stands for the identity.
fn composed(map: &LinearMap, own: Option<Matrix>) -> Matrix {
    match (map, own) {
        (LinearMap::Dense(w), None) => w.clone(),
        (_, own) => {
            let own = own.unwrap_or_else(|| Matrix::identity(map.cols()));
            let mut product = Matrix::zeros(map.rows(), own.cols());
            map.forward(&own, Store::Replace, &mut product);
            product
        }
    }
}
