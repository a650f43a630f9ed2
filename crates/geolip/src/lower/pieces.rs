//! Networks with one input and piecewise linear activations: one point inside every linear piece.
//!
//! Layer by layer in topological order: on an interval where all earlier layers are linear, so are the pre-activations of the
//! next, and where these meet a kink the interval is cut. Cuts are computed in plain floating point: pieces shorter than its
//! resolution may be missed, so this is no proof of an upper bound; the gradient at every point found is a lower bound.

use super::gradient::GradientBound;
use super::portfolio::{Progress, Search};
use super::proved::ProvedSlopes;
use super::slopes::slopes_at;
use super::tuning::MET;
use super::tuning::pieces::{MOST_PIECES, MOST_PROVED, MOST_WORK};
use super::witness::Witness;
use crate::function::Pieces;
use crate::matrix::Matrix;
use crate::network::{Activation, NodeId};
use crate::problem::Functional;
use crate::slopes::SlopeNetwork;

/// Visits all pieces, where that can be done.
pub(super) fn run(search: &Search<'_>) -> Progress {
    let (network, exact) = (search.asked.network, search.asked.exact);
    points(network)
        .map_or(Progress::Open, |points| Progress::Visited(visit(network, exact, search.asked.functionals, &points)))
}

/// One point inside every linear piece, in order; none where the network has several inputs, curved activations, or too many
/// pieces.
fn points(network: &SlopeNetwork) -> Option<Vec<f64>> {
    let inner = network.network();
    let linear = |(node, _, activation): (NodeId, NodeId, &Activation)| {
        (0..inner.node(node).len).all(|i| activation.linear_pieces(i).is_some())
    };
    let linear = inner.activations().all(linear);
    if network.inputs() != 1 || !linear || !network.is_elementwise() {
        return None;
    }
    let mut cuts: Vec<f64> = Vec::new();
    let layers: Vec<_> = inner.activations().map(|(_, parent, activation)| (parent, activation)).collect();
    for (parent, activation) in layers {
        let points = between(&cuts);
        let n = points.len();
        if n > MOST_PIECES || n.saturating_mul(network.multiply_adds()) > MOST_WORK {
            return None;
        }
        let values = inner.evaluate_batch(Matrix::from_vec(1, n, points.clone()));
        let slopes = slopes_at(network, &values);
        // (by a step of 1, in units of the input)
        let step = network.units().map_or(1.0, |units| 1.0 / units.numbers()[0]);
        let moved = network.forward(&slopes, &Matrix::from_vec(1, n, vec![step; n]));
        let (h, steep) = (values.of(parent), moved.of(network.image(parent)));
        let mut found = Vec::new();
        for (p, point) in points.iter().enumerate() {
            let low = if p == 0 { f64::NEG_INFINITY } else { cuts[p - 1] };
            let high = cuts.get(p).copied().unwrap_or(f64::INFINITY);
            for i in 0..h.rows() {
                for kink in activation.linear_pieces(i).iter().flat_map(Pieces::seams) {
                    let x = point + (kink - h.at(i, p)) / steep.at(i, p);
                    if x.is_finite() && low < x && x < high {
                        found.push(x);
                    }
                }
            }
        }
        cuts.extend(found);
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
    }
    let points = between(&cuts);
    (points.len() <= MOST_PIECES).then_some(points)
}

/// One point in every interval between neighbouring cuts, and beyond the first and last.
fn between(cuts: &[f64]) -> Vec<f64> {
    let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else { return vec![0.0] };
    let inner = cuts.windows(2).map(|pair| pair[0] + 0.5 * (pair[1] - pair[0]));
    std::iter::once(first - first.abs() - 1.0).chain(inner).chain([last + last.abs() + 1.0]).collect()
}

/// The steepest of the linear pieces of a network with one input, for every functional: in the order of what plain floating
/// point makes of them, until none that is left promises more than one is proved to have.
fn visit(
    network: &SlopeNetwork,
    exact: &GradientBound<'_>,
    functionals: &[Functional],
    points: &[f64],
) -> Vec<Witness> {
    let x = Matrix::from_vec(1, points.len(), points.to_vec());
    let values = network.network().evaluate_batch(x.clone());
    let slopes = slopes_at(network, &values);
    let moved = network.forward(&slopes, &Matrix::from_vec(1, points.len(), vec![1.0; points.len()]));
    let moved = moved.of(network.output());
    let steepest = |functional: &Functional| {
        let value = |p: usize| match functional {
            Functional::Norm(norm) => norm.of((0..moved.rows()).map(|i| moved.at(i, p))),
            Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => {
                functional.entries().into_iter().flatten().map(|(i, u)| u * moved.at(i, p)).sum::<f64>().abs()
            }
        };
        let mut order: Vec<(f64, usize)> = (0..points.len()).map(|p| (value(p), p)).collect();
        order.retain(|(value, _)| value.is_finite());
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut best = Witness { input: vec![0.0], lower: 0.0, pieces: Some(points.len()) };
        for (value, p) in order.into_iter().take(MOST_PROVED) {
            if best.lower >= value * (1.0 - MET) {
                break;
            }
            let Some(own) = ProvedSlopes::at(network, &x, &values, p) else { continue };
            let lower = exact.lower_of_all(functional, &moved.column(p), &own.v, &own.open);
            if lower > best.lower {
                best = Witness { input: vec![points[p]], lower, pieces: Some(points.len()) };
            }
        }
        best
    };
    functionals.iter().map(steepest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{LinearMap, NetworkBuilder};

    #[test]
    fn every_piece_has_one_point() {
        // |x| − 1 has kinks at 0, and its clip to [0, 1] at ±1 and ±2
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let one = || LinearMap::Dense(Matrix::from_vec(1, 1, vec![1.0]));
        let h = b.affine("h", vec![(b.input(), one())], None).expect("shapes");
        let z = b.activate("z", h, Activation::Abs).expect("abs");
        let h = b.affine("h2", vec![(z, one())], Some(vec![-1.0])).expect("shapes");
        let z = b.activate("z2", h, Activation::Clip { min: 0.0, max: 1.0 }).expect("clip");
        let network = SlopeNetwork::everywhere(&b.finish(z)).expect("bounded slopes");
        assert_eq!(points(&network), Some(vec![-5.0, -1.5, -0.5, 0.5, 1.5, 5.0]));
    }
}
