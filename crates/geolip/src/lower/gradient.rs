//! ‖J(v)ᵀu‖ for given slopes v, rounded down: the one evaluation behind every lower bound that is reported.

use crate::matrix::{Matrix, Store};
use crate::network::{Network, Op};
use crate::problem::{Functional, InputNorm};

/// u = 2⁻⁵³.
const UNIT: f64 = f64::EPSILON / 2.0;

/// At most ‖J(v)ᵀu‖ in the dual norm.
///
/// **Claim.** The result is a lower bound of the exact dual norm for exactly these slopes. **Shapes.** `slopes` holds one
/// list per activation layer in topological order. **Rounding.** A running bound e on the absolute error of the computed
/// gradient g is carried along: e ← |A|ᵀe + (n+4)u·|A|ᵀ|g| through a linear map whose longest sum has n terms, and
/// |v|e + 2u|v g| through an activation, all inflated by 10⁻⁹ for its own rounding; the norm is taken of
/// max(|gᵢ| − eᵢ, 0) and rounded down by (n₀+4)u.
pub fn pattern_bound(network: &Network, norm: InputNorm, functional: Functional, slopes: &[Vec<f64>]) -> f64 {
    let nodes = network.nodes();
    let zeros = || nodes.iter().map(|n| Matrix::zeros(n.len, 1)).collect::<Vec<_>>();
    let (mut grads, mut errors) = (zeros(), zeros());
    functional.entries().for_each(|(i, u)| *grads[network.output().index()].at_mut(i, 0) = u);
    let mut layer = slopes.len();
    for (index, node) in nodes.iter().enumerate().rev() {
        let (g_before, g_rest) = grads.split_at_mut(index);
        let (e_before, e_rest) = errors.split_at_mut(index);
        let (g, e) = (&g_rest[0], &e_rest[0]);
        match &node.op {
            Op::Input => {}
            Op::Affine { terms, .. } => {
                for term in terms {
                    let parent = term.parent.index();
                    let rounding = (term.map.longest_sum() + terms.len() + 4) as f64 * UNIT;
                    term.map.adjoint(g, Store::Add, &mut g_before[parent]);
                    let mut source = g.abs();
                    for (s, e) in source.data_mut().iter_mut().zip(e.data()) {
                        *s = (rounding * *s + e * (1.0 + rounding)) * (1.0 + 1e-9);
                    }
                    term.map.abs_adjoint(&source, Store::Add, &mut e_before[parent]);
                    add_rounding(&g_before[parent], &mut e_before[parent]);
                }
            }
            Op::Activate { parent, .. } => {
                layer -= 1;
                let parent = parent.index();
                for (j, v) in slopes[layer].iter().enumerate() {
                    *g_before[parent].at_mut(j, 0) += v * g.at(j, 0);
                    let own = v.abs() * (e.at(j, 0) + 2.0 * UNIT * g.at(j, 0).abs()) * (1.0 + 1e-9);
                    *e_before[parent].at_mut(j, 0) += own;
                }
                add_rounding(&g_before[parent], &mut e_before[parent]);
            }
        }
    }
    let certain = grads[0].data().iter().zip(errors[0].data()).map(|(g, e)| (g.abs() - e * (1.0 + 1e-9)).max(0.0));
    let value = norm.dual(certain) * (1.0 - (network.inputs() + 8) as f64 * UNIT);
    if value.is_finite() { value } else { 0.0 }
}

/// The rounding of the sum that has just been stored at a node with several readers, and a guard against underflow.
fn add_rounding(g: &Matrix, e: &mut Matrix) {
    let pairs = e.data_mut().iter_mut().zip(g.data());
    pairs.for_each(|(e, g)| *e += 2.0 * UNIT * g.abs() + f64::MIN_POSITIVE);
}
