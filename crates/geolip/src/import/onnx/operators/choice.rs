//! Where(p > q, a, b), between branches that meet where p = q: b + c·relu(p − q).
//!
//! **Claim.** If a − b = c·(p − q) at every input, then Where(p > q, a, b) = b + c·relu(p − q), and p ≥ q chooses the same. That the
//! difference is a multiple is read off the weights, exactly ([`crate::import::sharing`]): Householder activations, maxima and minima
//! and whatever else is linear on both sides of one hyperplane. Branches of which it is not read off may jump, and are refused.

use super::arithmetic::{Sum, multiple, summed};
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::broadcast;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::import::sharing::multiples;
use crate::network::LinearMap;

/// Comparisons, and whether it is the first operand that is larger where they hold.
const COMPARISONS: [(&str, bool); 4] =
    [("Greater", true), ("GreaterOrEqual", true), ("Less", false), ("LessOrEqual", false)];

/// Whether the first operand of a comparison is the larger one where it holds; none for other operators.
pub(in crate::import::onnx) fn first_is_larger(operator: &str) -> Option<bool> {
    COMPARISONS.iter().find(|(name, _)| *name == operator).map(|(_, first)| *first)
}

/// Where, with four inputs: the operands of the comparison, the larger one first, and the branches.
pub(in crate::import::onnx) fn choice(call: &mut Call<'_>) -> NodeOutputs {
    let [p, q, a, b] = [call.take(0)?, call.take(1)?, call.take(2)?, call.take(3)?];
    let shape = [&p, &q, &a, &b].iter().try_fold(vec![], |shape, value| broadcast(&shape, value.shape()))?;
    let Some(s) = difference(call, (0, p), (1, q), &shape)? else {
        return Err("compares constants, which is not supported here; simplify the model first (onnxsim)".to_owned());
    };
    let below = summed(call, vec![(3, b.clone(), 1.0)], &shape)?;
    let Some(d) = difference(call, (2, a), (3, b), &shape)? else {
        return Err("chooses between constants, which jumps, so it has no Lipschitz constant".to_owned());
    };
    let factors = multiples(call.builder, d.id, s.id).map_err(|entry| {
        format!(
            "may jump where its condition changes: its branches do not differ by a multiple of what is compared \
             (entry {entry}), so that no Lipschitz constant is known"
        )
    })?;
    let excess = call.relu(s)?;
    let scaled = (excess.id, LinearMap::Scale(factors));
    let (terms, bias) = match below {
        Sum::Variable(b) => (vec![(b.id, multiple(1.0, b.len())), scaled], None),
        Sum::Constant(bias) => (vec![scaled], Some(bias)),
    };
    call.affine(terms, bias, shape)
}

/// The difference of two inputs of a node, repeated to fill a shape; none for constants.
fn difference(
    call: &mut Call<'_>,
    (i, p): (usize, Value),
    (j, q): (usize, Value),
    shape: &[usize],
) -> Result<Option<Variable>, Reason> {
    match summed(call, vec![(i, p, 1.0), (j, q, -1.0)], shape)? {
        Sum::Variable(x) => Ok(Some(x)),
        Sum::Constant(_) => Ok(None),
    }
}
