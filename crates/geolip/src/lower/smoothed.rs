//! Steep gradients by ascent on a smoothed network: one ascent of many columns, wherever they start.
//!
//! The gradient norm of a piecewise linear network is constant between kinks, so it has no useful gradient itself. Averaging
//! an activation φ over [s − w, s + w] makes it smooth, with the exact derivatives
//!
//! > φ_w'(s) = (φ(s+w) − φ(s−w)) / 2w,  φ_w''(s) = (φ'(s+w) − φ'(s−w)) / 2w,
//!
//! and the norm of the smoothed gradient, ⟨u, J_w(x) d⟩ with the direction d that J_wᵀu grows in most, has the gradient that
//! two passes forward and two backward give: a push φ_w''(h_j) G_j ḣ_j at every neuron, ḣ = ∂h/∂x·d, pulled back to the
//! input. Widths are relative to the layer and shrink; steps are relative to the input and shrink, too.
//!
//! Where the rows of the first layer W₁ are independent, its pre-activation is the variable instead (`first_layer.rs`): any is
//! reachable, and W₁ is often so ill-conditioned that steps along gradients in the input get nowhere.
//!
//! Some inputs first follow the best activation pattern, with G and ḣ of its linear network: neurons on the other side of
//! zero are pushed with the weight that the pattern gives them. Nothing here is rigorous: every input reached is offered to
//! the caller's evaluation.

use super::domain::Domain;
use super::first_layer::FirstLayer;
use super::slopes::derivative;
use super::tuning::ascend::{FOLLOWING, FOLLOWING_STEP, MARGIN, NARROW, STEP, WIDTH};
use crate::matrix::Matrix;
use crate::network::{NodeId, Values};
use crate::problem::InputNorm;
use crate::relaxation::Pattern;
use crate::slopes::{Origin, SlopeNetwork};

/// The columns of an ascent: which functional each belongs to, by its u and pattern.
pub(super) struct Ascender<'a> {
    pub network: &'a SlopeNetwork,
    pub norm: InputNorm,
    /// u per column, outputs × columns.
    pub seeds: Matrix,
    /// The pattern that a column follows at first, if any.
    pub guides: Vec<Option<&'a Pattern>>,
    /// What turns steps of the first pre-activation into steps of the input, where there is such a thing.
    pub first: Option<&'a FirstLayer>,
}

impl Ascender<'_> {
    /// Runs `steps` steps from the columns of x; `offer` sees every point on the way, with its values.
    pub fn run(&self, mut x: Matrix, steps: usize, mut offer: impl FnMut(&Matrix, &Values)) {
        let (targets, domain) = (self.targets(), Domain::of(self.network));
        let following = (FOLLOWING * steps as f64) as usize;
        for step in 0..steps {
            let values = self.network.network().evaluate_batch(x.clone());
            offer(&x, &values);
            let along = |(first, last): (f64, f64), t: f64| first * (last / first).powf(t);
            let free = (step.saturating_sub(following)) as f64 / (steps - following).max(1) as f64;
            let width = along(WIDTH, if step < following { 0.0 } else { free });
            let pulled = self.direction(&values, width, (step < following).then_some(&targets));
            let pace: Vec<f64> = (0..x.cols())
                .map(|p| match step < following && self.guides[p].is_some() {
                    true => along(FOLLOWING_STEP, step as f64 / following.max(1) as f64),
                    false => along(STEP, free),
                })
                .collect();
            let (direction, length, size): (_, _, Vec<f64>) = match self.first {
                None => {
                    // of the input itself, whatever its units: inputs that no change is measured of may lie anywhere, too
                    let mut direction = pulled.of(self.network.image(NodeId::INPUT)).clone();
                    stretch(&mut direction, domain.axes());
                    let length = column_lengths(&direction);
                    stretch(&mut direction, domain.axes());
                    (direction, length, domain.lengths(&x))
                }
                Some(first) => {
                    let wanted = pulled.of(first.image());
                    let size = column_lengths(values.of(first.node())).into_iter().map(|size| size.max(1.0));
                    (first.input_step(wanted), column_lengths(wanted), size.collect())
                }
            };
            let factor = |p: usize| match length[p] > 0.0 && length[p].is_finite() {
                true => pace[p] * size[p] / length[p],
                false => 0.0,
            };
            let factors: Vec<f64> = (0..x.cols()).map(factor).collect();
            for i in 0..x.rows() {
                let row = x.row_mut(i).iter_mut().zip(direction.row(i)).zip(&factors);
                row.for_each(|((x, d), factor)| *x += factor * d);
            }
            domain.keep_inside(&mut x);
        }
        offer(&x, &self.network.network().evaluate_batch(x.clone()));
    }

    /// G ḣ of the linear network of every column's pattern, per layer; zero where there is none.
    fn targets(&self) -> Vec<Matrix> {
        let layers = || self.network.layers().enumerate();
        let slopes: Vec<Matrix> = layers()
            .map(|(a, (node, _))| {
                let slope = |i: usize, p: usize| self.guides[p].map_or(0.0, |guide| guide.slopes[a][i]);
                Matrix::from_fn(self.network.node(node).len, self.guides.len(), slope)
            })
            .collect();
        let back = self.network.adjoint(&slopes, &self.seeds);
        let ahead = self.network.forward(&slopes, &self.steepest(back.of(NodeId::INPUT)));
        layers().map(|(_, (node, parent))| product(back.of(node), ahead.of(parent))).collect()
    }

    /// The direction that each column's gradient grows in most.
    fn steepest(&self, gradient: &Matrix) -> Matrix {
        let columns: Vec<Vec<f64>> =
            (0..gradient.cols()).map(|p| self.norm.steepest_direction(&gradient.column(p))).collect();
        Matrix::from_fn(gradient.rows(), gradient.cols(), |i, p| columns[p][i])
    }

    /// Where to move: the gradient of the smoothed gradient norm, or the pushes towards `targets` for columns that have them.
    fn direction(&self, values: &Values, width: f64, targets: Option<&Vec<Matrix>>) -> Values {
        let layers: Vec<(NodeId, NodeId, Origin<'_>)> = self
            .network
            .layers()
            .zip(self.network.origins())
            .map(|((node, parent), own)| (node, parent, own))
            .collect();
        let exact = self.network.slopes_at(values);
        let sizes: Vec<Vec<f64>> = layers
            .iter()
            .map(|(_, _, origin)| {
                let h = values.of(origin.moving());
                column_lengths(h).into_iter().map(|l| (l / (h.rows() as f64).sqrt()).max(1e-12)).collect()
            })
            .collect();
        let narrow = |p: usize| if p / 2 % 2 == 1 { NARROW } else { 1.0 };
        let smooth: Vec<Matrix> = layers
            .iter()
            .zip(&sizes)
            .zip(exact)
            .map(|(((_, _, origin), sizes), exact)| {
                let Origin::Activation(activation, parent) = origin else { return exact };
                let h = values.of(*parent);
                Matrix::from_fn(h.rows(), h.cols(), |i, p| {
                    let (h, w) = (h.at(i, p), width * narrow(p) * sizes[p]);
                    (activation.value(i, h + w) - activation.value(i, h - w)) / (2.0 * w)
                })
            })
            .collect();
        let all_follow = targets.is_some() && self.guides.iter().all(Option::is_some);
        let own: Option<Vec<Matrix>> = (!all_follow).then(|| {
            let back = self.network.adjoint(&smooth, &self.seeds);
            let ahead = self.network.forward(&smooth, &self.steepest(back.of(NodeId::INPUT)));
            layers.iter().map(|(node, parent, _)| product(back.of(*node), ahead.of(*parent))).collect()
        });
        let pushes: Vec<Matrix> = layers
            .iter()
            .enumerate()
            .map(|(a, (_, _, origin))| {
                let h = values.of(origin.moving());
                // what the slopes of a product change is left to chance
                let Origin::Activation(activation, _) = origin else { return Matrix::zeros(h.rows(), h.cols()) };
                let most = column_most(h);
                Matrix::from_fn(h.rows(), h.cols(), |i, p| {
                    let (s, size) = (h.at(i, p), sizes[a][p]);
                    let change =
                        |w: f64| (derivative(activation, i, s + w) - derivative(activation, i, s - w)) / (2.0 * w);
                    match (targets, &own) {
                        (Some(targets), _) if self.guides[p].is_some() => {
                            let push = targets[a].at(i, p) * change(2.0 * most[p].max(1e-12));
                            if push * s > 0.0 && s.abs() > MARGIN * size { 0.0 } else { push }
                        }
                        (_, Some(own)) => own[a].at(i, p) * change(width * narrow(p) * size),
                        (_, None) => 0.0,
                    }
                })
            })
            .collect();
        let nothing = Matrix::zeros(self.network.outputs(), self.guides.len());
        self.network.adjoint_with(&smooth, &nothing, &pushes)
    }
}

/// Multiplies every row by its number.
fn stretch(rows: &mut Matrix, by: Option<&[f64]>) {
    for (i, by) in by.into_iter().flatten().enumerate() {
        rows.row_mut(i).iter_mut().for_each(|v| *v *= by);
    }
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    Matrix::from_vec(a.rows(), a.cols(), a.data().iter().zip(b.data()).map(|(a, b)| a * b).collect())
}

pub(super) fn column_lengths(m: &Matrix) -> Vec<f64> {
    let mut squares = vec![0.0; m.cols()];
    for i in 0..m.rows() {
        squares.iter_mut().zip(m.row(i)).for_each(|(s, v)| *s += v * v);
    }
    squares.into_iter().map(f64::sqrt).collect()
}

fn column_most(m: &Matrix) -> Vec<f64> {
    let mut most = vec![0.0; m.cols()];
    for i in 0..m.rows() {
        most.iter_mut().zip(m.row(i)).for_each(|(s, v): (&mut f64, &f64)| *s = s.max(v.abs()));
    }
    most
}
