//! Bounds on every entry of the formal Jacobians, by intervals carried backward: the closed form behind ℓ1.
//!
//! ‖J‖_{1→q} is the largest norm of a column, so an interval for ∂(Uy)/∂xᵢ bounds input i. From the functional's rows,
//! gradients are carried back as centre ± radius: through a linear map by Aᵀ and |A|ᵀ, through an activation by the product
//! with its slope interval \[α, β\]. On a region where most slopes are fixed they are close to the truth in every norm
//! ([`entrywise_bound`]).
//!
//! **Claim.** For every v ∈ \[α, β\] and every input i, ‖∂(Uy)/∂xᵢ‖ ≤ the i-th number of [`input_bounds`]. Where
//! [`are_exact`], the largest v attains it, up to rounding: for a functional of a network with one hidden layer,
//! ∂(uᵀy)/∂xᵢ = Σⱼ (W₂ᵀu)ⱼ vⱼ (W₁)ⱼᵢ is a sum in which every vⱼ occurs once (provided that W₁ is one map, not a product or a
//! sum of maps, whose absolute values would be multiplied or added instead of its own).
//!
//! **Rounded** outwards: a product with a map whose longest sum has n terms is off by at most γ_{n+4}|A|ᵀ|centre|, sums of
//! non-negative terms by as much of themselves, and every entry behind which a product of non-zero numbers stands may have
//! underflowed (the rule of [`crate::rounding`]).

use crate::function::Slope;
use crate::matrix::{Matrix, Store};
use crate::network::{LinearMap, NodeId};
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::rounding::{TINY, UNIT, add_up, gamma_up, mul_up, sqrt_up, sum_up};
use crate::slopes::{SlopeNetwork, SlopeOp};
use std::ops::Range;

/// centre ± radius, n × rows.
#[derive(Clone)]
struct Interval {
    centre: Matrix,
    radius: Matrix,
}

/// At least max over v of ‖∂(Uy)/∂xᵢ‖, for every input i.
pub fn input_bounds(network: &SlopeNetwork, functional: &Functional) -> Vec<f64> {
    let slopes = network.tight_slopes();
    let gradient = gradient(network, &functional.rows(network.outputs()), |layer, j, _| slopes[layer][j]);
    sizes_by_input(&gradient, 0..gradient.centre.cols(), functional)
}

/// The norms over the given columns, input by input, rounded up.
fn sizes_by_input(gradient: &Interval, columns: Range<usize>, functional: &Functional) -> Vec<f64> {
    let size = |c: &f64, r: &f64| {
        let size = if *c == 0.0 { *r } else { add_up(c.abs(), *r) };
        if size.is_nan() { f64::INFINITY } else { size } // weights so large that a product overflowed
    };
    (0..gradient.centre.rows())
        .map(|i| {
            let (centres, radii) = (&gradient.centre.row(i)[columns.clone()], &gradient.radius.row(i)[columns.clone()]);
            output_norm_up(functional, centres.iter().zip(radii).map(|(c, r)| size(c, r)))
        })
        .collect()
}

/// At least the norm of the functional's rows whose sizes are given; that of a single row is its size.
pub(super) fn output_norm_up(functional: &Functional, sizes: impl Iterator<Item = f64>) -> f64 {
    match functional {
        Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => sum_up(sizes),
        Functional::Norm(OutputNorm::L1) => sum_up(sizes),
        Functional::Norm(OutputNorm::Linf) => sizes.fold(0.0, f64::max),
        Functional::Norm(OutputNorm::L2) => length_up(&sizes.collect::<Vec<f64>>()),
    }
}

/// At least max over v of ‖J(v)ᵀu‖ in the dual of the input norm, or ‖J(v)‖: the dual norm of [`input_bounds`], rounded up.
///
/// *Proof.* ‖J x‖ ≤ Σ|xᵢ|‖J eᵢ‖, at most the dual norm of the numbers ‖J eᵢ‖ where ‖x‖ ≤ 1; it grows with each of them. For a
/// linear functional whose slopes are all fixed it is exact up to rounding.
pub fn entrywise_bound(network: &SlopeNetwork, norm: InputNorm, functional: &Functional) -> f64 {
    rounded_up(norm, &input_bounds(network, functional))
}

/// At least the dual norm.
fn rounded_up(norm: InputNorm, bounds: &[f64]) -> f64 {
    if bounds.iter().any(|b| !b.is_finite()) {
        return f64::INFINITY;
    }
    let dual = norm.dual(bounds.iter().copied());
    if dual == 0.0 { 0.0 } else { (dual * (1.0 + 2.0 * norm.dual_error(bounds.len())) * (1.0 + 4.0 * UNIT)).next_up() }
}

/// Neurons without a fixed slope up to which all their patterns are looked at.
pub const MOST_UNDECIDED: usize = 9;

/// At least max over v of ‖J(v)ᵀu‖, as [`entrywise_bound`], the largest over all patterns in which each of the few neurons
/// without a fixed slope is at one end of its interval; none if there are more than [`MOST_UNDECIDED`].
///
/// *Proof.* As for [`crate::proof::tree`]: the norm is convex in every single slope. With all slopes fixed a functional's bound is exact
/// up to rounding, so this is its formal constant.
pub fn patterns_bound(network: &SlopeNetwork, norm: InputNorm, functional: &Functional) -> Option<f64> {
    let slopes = network.tight_slopes();
    let mut place: Vec<Vec<Option<usize>>> = slopes.iter().map(|layer| vec![None; layer.len()]).collect();
    let mut undecided = 0;
    for (layer, slopes) in slopes.iter().enumerate() {
        for j in (0..slopes.len()).filter(|j| !slopes[*j].is_fixed()) {
            place[layer][j] = Some(undecided);
            undecided += 1;
        }
    }
    if undecided > MOST_UNDECIDED {
        return None;
    }
    let (rows, patterns) = (functional.rows(network.outputs()), 1_usize << undecided);
    let columns: Vec<Vec<(usize, f64)>> = (0..patterns).flat_map(|_| rows.iter().cloned()).collect();
    let gradient = gradient(network, &columns, |layer, j, column| {
        let slope = slopes[layer][j];
        match place[layer][j] {
            None => slope,
            Some(bit) if (column / rows.len()) >> bit & 1 == 0 => Slope::new(slope.lower, slope.lower),
            Some(_) => Slope::new(slope.upper, slope.upper),
        }
    });
    let of_pattern = |pattern: usize| {
        let own = pattern * rows.len()..(pattern + 1) * rows.len();
        rounded_up(norm, &sizes_by_input(&gradient, own, functional))
    };
    Some((0..patterns).map(of_pattern).fold(0.0, f64::max))
}

/// Whether [`input_bounds`] are attained, up to rounding: networks without activations, and functionals of networks with one
/// hidden layer that read the input by one map each.
pub fn are_exact(network: &SlopeNetwork, functional: &Functional) -> bool {
    match network.depths()[network.output().index()] {
        0 => true,
        1 => !functional.is_norm() && network.layers().all(|(_, parent)| reads_by_one_map(network, parent)),
        _ => false,
    }
}

/// Whether a node is one map of the input, up to maps with at most one entry per row and column.
fn reads_by_one_map(network: &SlopeNetwork, mut node: NodeId) -> bool {
    let mut maps = 0;
    loop {
        match &network.node(node).op {
            SlopeOp::Input => return maps <= 1,
            SlopeOp::Neurons { .. } => return false,
            SlopeOp::Affine { terms } => {
                let [term] = terms.as_slice() else { return false };
                maps += usize::from(term.map.longest_sum() > 1);
                node = term.parent;
            }
        }
    }
}

/// At least the Euclidean length, without overflow or underflow.
fn length_up(sizes: &[f64]) -> f64 {
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let squares = sizes.iter().map(|v| (v / largest).next_up()).map(|t| mul_up(t, t));
    mul_up(largest, sqrt_up(sum_up(squares)))
}

/// Intervals for the gradients of all rows with respect to the input, with slopes by layer, neuron and row.
fn gradient(
    network: &SlopeNetwork,
    rows: &[Vec<(usize, f64)>],
    slope: impl Fn(usize, usize, usize) -> Slope,
) -> Interval {
    let nodes = network.nodes();
    let mut layer = network.slopes().len();
    let zero = |len| Interval { centre: Matrix::zeros(len, rows.len()), radius: Matrix::zeros(len, rows.len()) };
    let mut intervals: Vec<Interval> = nodes.iter().map(|node| zero(node.len)).collect();
    let top = &mut intervals[network.output().index()].centre;
    for (r, entries) in rows.iter().enumerate() {
        entries.iter().for_each(|(i, u)| *top.at_mut(*i, r) = *u);
    }
    for (index, node) in nodes.iter().enumerate().rev() {
        let (before, rest) = intervals.split_at_mut(index);
        match &node.op {
            SlopeOp::Input => {}
            SlopeOp::Affine { terms } => {
                for term in terms {
                    add(&mut before[term.parent.index()], &pulled(&term.map, &rest[0]));
                }
            }
            SlopeOp::Neurons { parent } => {
                let (own, mut scaled) = (&rest[0], zero(node.len));
                layer -= 1;
                for j in 0..node.len {
                    for r in 0..rows.len() {
                        let (centre, radius) = times(slope(layer, j, r), own.centre.at(j, r), own.radius.at(j, r));
                        *scaled.centre.at_mut(j, r) = centre;
                        *scaled.radius.at_mut(j, r) = radius;
                    }
                }
                add(&mut before[parent.index()], &scaled);
            }
        }
    }
    intervals.swap_remove(NodeId::INPUT.index())
}

/// Aᵀ of an interval.
fn pulled(map: &LinearMap, from: &Interval) -> Interval {
    let gamma = gamma_up(map.longest_sum() + 4);
    // γ|c| may underflow before it is multiplied by weights
    let size = |(c, r): (&f64, &f64)| if *c == 0.0 { *r } else { gamma * c.abs() + r + TINY };
    let spread = from.centre.data().iter().zip(from.radius.data()).map(|pair| size(pair) * (1.0 + 4.0 * gamma));
    let spread = Matrix::from_vec(from.centre.rows(), from.centre.cols(), spread.collect());
    let mut centre = Matrix::zeros(map.cols(), spread.cols());
    map.adjoint(&from.centre, Store::Replace, &mut centre);
    Interval { centre, radius: outward(map, LinearMap::abs_adjoint, map.cols(), &spread) }
}

/// At least |A| or |A|ᵀ, whichever `apply` is, times numbers that are not negative; 0 where nothing but zeros is added.
pub(super) fn outward(
    map: &LinearMap,
    apply: fn(&LinearMap, &Matrix, Store, &mut Matrix),
    len: usize,
    sizes: &Matrix,
) -> Matrix {
    let (gamma, terms) = (gamma_up(map.longest_sum() + 4), map.longest_sum() as f64);
    let product = |sizes: &Matrix| {
        let mut result = Matrix::zeros(len, sizes.cols());
        apply(map, sizes, Store::Replace, &mut result);
        result
    };
    let stands = sizes.data().iter().map(|size| if *size == 0.0 { 0.0 } else { 1.0 }).collect();
    let (reached, mut sums) = (product(&Matrix::from_vec(sizes.rows(), sizes.cols(), stands)), product(sizes));
    for (sum, reached) in sums.data_mut().iter_mut().zip(reached.data()) {
        *sum = if *reached == 0.0 { 0.0 } else { *sum * (1.0 + 4.0 * gamma) + 4.0 * terms * TINY };
    }
    sums
}

/// sum ← sum + part.
fn add(sum: &mut Interval, part: &Interval) {
    let centres = sum.centre.data_mut().iter_mut().zip(part.centre.data());
    let radii = sum.radius.data_mut().iter_mut().zip(part.radius.data());
    for ((centre, c), (radius, r)) in centres.zip(radii) {
        let both = *centre + c;
        let rounded = if *centre == 0.0 || *c == 0.0 { 0.0 } else { (UNIT * both.abs()).next_up() };
        *centre = both;
        *radius = sum_up([*radius, *r, rounded]);
    }
}

/// \[α, β\] · (centre ± radius).
fn times(slope: Slope, centre: f64, radius: f64) -> (f64, f64) {
    if slope.is_fixed() && (slope.lower == 1.0 || slope.lower == 0.0) {
        return (slope.lower * centre, slope.lower * radius);
    }
    if centre == 0.0 && radius == 0.0 {
        return (0.0, 0.0);
    }
    let (low, high) = match radius {
        0.0 => (centre, centre),
        _ => ((centre - radius).next_down(), (centre + radius).next_up()),
    };
    let mut ends = (f64::INFINITY, f64::NEG_INFINITY);
    for product in [low * slope.lower, low * slope.upper, high * slope.lower, high * slope.upper] {
        if product.is_nan() {
            return (0.0, f64::INFINITY);
        }
        ends = (ends.0.min(product.next_down()), ends.1.max(product.next_up()));
    }
    let middle = 0.5 * ends.0 + 0.5 * ends.1;
    if !middle.is_finite() {
        return (0.0, f64::INFINITY);
    }
    (middle, (ends.1 - middle).max(middle - ends.0).next_up())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, NetworkBuilder};

    #[test]
    fn one_hidden_layer_is_exact() {
        // y = 3·relu(x₁ − 2x₂) − relu(−x₁ + x₂): ∂₁ ∈ {0, 3} + {0, 1}, ∂₂ ∈ {0, −6} + {0, −1}
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let w = Matrix::from_vec(2, 2, vec![1.0, -2.0, -1.0, 1.0]);
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let w = Matrix::from_vec(1, 2, vec![3.0, -1.0]);
        let y = b.affine("y", vec![(z, LinearMap::Dense(w))], None).expect("shapes");
        let bounds =
            input_bounds(&SlopeNetwork::everywhere(&b.finish(y)).expect("bounded slopes"), &Functional::output(0));
        for (bound, exact) in bounds.iter().zip([4.0, 7.0]) {
            assert!((exact..exact * (1.0 + 1e-14)).contains(bound), "{bound} against {exact}");
        }
    }

    #[test]
    fn products_with_slopes_enclose_their_ends() {
        let slope = Slope::new(-0.25, 1.5);
        for (centre, radius) in [(1.0, 0.0), (0.1, 0.3), (-2.0, 0.5), (0.0, 1.0), (1e-310, 0.0), (0.0, 0.0)] {
            let (c, r) = times(slope, centre, radius);
            for end in [centre - radius, centre, centre + radius] {
                for v in [slope.lower, 0.0, slope.upper] {
                    assert!((end * v - c).abs() <= r, "{end} · {v} is outside {c} ± {r}");
                }
            }
        }
    }
}
