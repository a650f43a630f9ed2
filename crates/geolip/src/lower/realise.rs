//! Inputs that realise a given activation pattern, where every pattern can be realised.

use super::portfolio::{Progress, Search};
use super::tuning::realise::MOST_NEURONS;
use crate::matrix::{Matrix, Store, multiply};
use crate::network::{Activation, NodeId, Op};
use crate::proof::rank::has_full_row_rank;
use crate::relaxation::Pattern;
use crate::slopes::SlopeNetwork;

/// A network in which every pattern is realised by an open set of inputs, so that Lip = FGL.
///
/// **Claim.** There is one activation layer, its pre-activation is W₁x + b with the rows of W₁ linearly independent (proved
/// by [`has_full_row_rank`]), and its activations are linear on either side of zero with the two ends of their slope
/// interval as slopes. Then W₁x + b takes every value, hence every combination of signs on an open set; ‖J(v)‖ is convex in
/// v, so its maximum, the FGL, is attained at such a combination; and there the Lipschitz constant is at least as large.
#[derive(Clone, Debug)]
pub struct Realiser {
    w: Matrix,
    bias: Vec<f64>,
    /// The Cholesky factor of W₁W₁ᵀ, in plain floating point.
    factor: Matrix,
    activation: Activation,
}

/// Offers inputs that realise the patterns, and sees whether they attain what these promise.
pub(super) fn run(search: &mut Search<'_>) -> Progress {
    let (Some(realiser), patterns) = (search.asked.realiser, search.asked.patterns) else { return Progress::Open };
    let realised: Vec<Vec<f64>> = patterns.iter().map(|pattern| realiser.realise(pattern)).collect();
    let slopes = search.best.offer_columns(&realised);
    let attained = |(p, pattern): (usize, &Pattern)| {
        pattern.slopes.iter().zip(&slopes).all(|(wanted, found)| *wanted == found.column(p))
    };
    if patterns.iter().enumerate().all(attained) { Progress::Attained } else { Progress::Open }
}

impl Realiser {
    /// The network's realiser; none where the claim is not proved.
    pub fn new(network: &SlopeNetwork) -> Option<Self> {
        if network.region().is_some() {
            return None; // the inputs may lie elsewhere
        }
        if !network.is_elementwise() {
            return None;
        }
        let network = network.network();
        let mut layers = network.activations();
        let (node, parent, activation) = layers.next()?;
        let neurons = network.node(node).len;
        if layers.next().is_some() || neurons > MOST_NEURONS || !has_two_slopes(activation, neurons) {
            return None;
        }
        let Op::Affine { terms, bias } = &network.node(parent).op else { return None };
        let [term] = terms.as_slice() else { return None };
        if term.parent != NodeId::INPUT || term.map.rows() > term.map.cols() {
            return None;
        }
        let mut w = Matrix::zeros(term.map.rows(), term.map.cols());
        let sparse = term.map.to_sparse();
        (0..w.rows()).for_each(|i| sparse.row(i).for_each(|(j, v)| *w.at_mut(i, j) = v));
        if !has_full_row_rank(&w) {
            return None;
        }
        let mut gram = Matrix::zeros(w.rows(), w.rows());
        multiply(&mut gram, Store::Replace, 1.0, w.view(), w.t());
        let bias = bias.clone().unwrap_or_else(|| vec![0.0; w.rows()]);
        Some(Self { factor: cholesky(gram)?, w, bias, activation: activation.clone() })
    }

    /// An input at which, up to rounding, every neuron is on the side of zero that the pattern asks for, all equally far
    /// from it: the least-squares solution of W₁x + b = ±s.
    pub fn realise(&self, pattern: &Pattern) -> Vec<f64> {
        let size = self.bias.iter().fold(1.0, |most: f64, b| most.max(b.abs()));
        let right = |j: usize| pattern.slopes[0][j] == self.activation.derivative(j, 1.0);
        let side = |j: usize| if right(j) { size } else { -size };
        let mut y: Vec<f64> = self.bias.iter().enumerate().map(|(j, b)| side(j) - b).collect();
        solve(&self.factor, &mut y);
        let mut x = vec![0.0; self.w.cols()];
        for (i, y) in y.iter().enumerate() {
            x.iter_mut().zip(self.w.row(i)).for_each(|(x, w)| *x += y * w);
        }
        x
    }
}

/// Whether it is linear on either side of zero, so that these slopes are the ends of its slope interval.
pub(super) fn has_two_slopes(activation: &Activation, neurons: usize) -> bool {
    let kink = |i| activation.linear_pieces(i).and_then(|pieces| pieces.only_kink());
    (0..neurons).all(|i| kink(i) == Some(0.0))
}

/// y ← (LLᵀ)⁻¹ y.
pub(super) fn solve(l: &Matrix, y: &mut [f64]) {
    for i in 0..y.len() {
        let known: f64 = l.row(i)[..i].iter().zip(&*y).map(|(l, y)| l * y).sum();
        y[i] = (y[i] - known) / l.at(i, i);
    }
    for i in (0..y.len()).rev() {
        y[i] /= l.at(i, i);
        let solved = y[i];
        y[..i].iter_mut().zip(l.row(i)).for_each(|(y, l)| *y -= solved * l);
    }
}

/// The lower triangular factor of a symmetric matrix, in plain floating point.
pub(super) fn cholesky(mut a: Matrix) -> Option<Matrix> {
    for i in 0..a.rows() {
        for j in 0..=i {
            let known: f64 = a.row(i)[..j].iter().zip(&a.row(j)[..j]).map(|(x, y)| x * y).sum();
            let left = a.at(i, j) - known;
            *a.at_mut(i, j) = if i > j { left / a.at(j, j) } else { left.sqrt() };
        }
        if !(a.at(i, i) > 0.0 && a.at(i, i).is_finite()) {
            return None;
        }
    }
    Some(a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{LinearMap, NetworkBuilder};

    #[test]
    fn realised_inputs_have_the_pattern() {
        let w = Matrix::from_fn(4, 6, |i, j| ((i * i * 5 + i * j + j * j) as f64 + 0.3).sin());
        let mut b = NetworkBuilder::new(6).expect("inputs");
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], Some(vec![5.0, -3.0, 0.1, 0.0])).expect("shapes");
        let z = b.activate("z", h, Activation::LeakyRelu { slope: 2.0 }).expect("leaky");
        let network = b.finish(z);
        let realiser =
            Realiser::new(&SlopeNetwork::everywhere(&network).expect("bounded slopes")).expect("four independent rows");
        for bits in 0..16_u32 {
            let slopes: Vec<f64> = (0..4).map(|j| if bits >> j & 1 == 0 { 1.0 } else { 2.0 }).collect();
            let pattern = Pattern { slopes: vec![slopes.clone()], weights: vec![], direction: vec![], value: 0.0 };
            let x = realiser.realise(&pattern);
            let values = network.evaluate_batch(Matrix::from_vec(6, 1, x));
            for (h, slope) in values.of(h).data().iter().zip(&slopes) {
                assert_eq!(*h > 0.0, *slope == 1.0, "{bits}: {h}");
            }
        }
    }
}
