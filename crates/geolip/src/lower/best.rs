//! The steepest real inputs that a search has come by, one per functional: the same rules for all inputs and for a region.

use super::gradient::GradientBound;
use super::portfolio::Strategy;
use super::proved::ProvedSlopes;
use super::slopes::slopes_at;
use super::witness::Witness;
use crate::matrix::Matrix;
use crate::network::{NodeId, Values};
use crate::problem::{Functional, InputNorm};
use crate::slopes::SlopeNetwork;

/// Columns of one offer that are looked at closely, per functional: where what is proved is well below what plain floating point
/// finds, all of them would be.
const PROOFS: usize = 4;

/// The best input per functional. One input replaces another for what its gradient norm is proved to be at least; plain
/// floating point chooses which are looked at that closely.
pub(super) struct Best<'a> {
    pub network: &'a SlopeNetwork,
    pub norm: InputNorm,
    exact: &'a GradientBound<'a>,
    /// u per functional: its own, or that of its pattern.
    weights: Vec<Vec<(usize, f64)>>,
    inputs: Vec<Known>,
    /// The strategy whose inputs are offered now.
    now: Option<Strategy>,
}

/// The best input of a functional.
struct Known {
    input: Vec<f64>,
    /// What ‖J(x)ᵀu‖ is proved to be at least there; negative for the input that a search begins with.
    certain: f64,
    /// What another input has to exceed in plain floating point to be looked at closely: the norm found here in the same way,
    /// so that a search that comes back to this input proves nothing twice; or what is proved, where kinks take much of that norm.
    threshold: f64,
    /// What found it.
    by: Option<Strategy>,
}

impl Known {
    /// Of a proof's result, what plain floating point may be above it by rounding alone.
    const ROUNDING: f64 = 1.0 + 1e-9;

    fn new(input: Vec<f64>, certain: f64, plain: f64, by: Option<Strategy>) -> Self {
        let threshold = if plain <= certain * Self::ROUNDING { plain.max(certain) } else { certain };
        Self { input, certain, threshold, by }
    }
}

impl<'a> Best<'a> {
    /// For functionals with these weights; `start` is the input where there is no better one.
    pub fn new(
        network: &'a SlopeNetwork,
        norm: InputNorm,
        exact: &'a GradientBound<'a>,
        weights: Vec<Vec<(usize, f64)>>,
        start: &[f64],
    ) -> Self {
        let inputs = weights.iter().map(|_| Known::new(start.to_vec(), -1.0, -1.0, None)).collect();
        Self { network, norm, exact, weights, inputs, now: None }
    }

    /// From now on, a strategy's inputs are offered.
    pub fn begin(&mut self, strategy: Strategy) {
        self.now = Some(strategy);
    }

    /// What found the best inputs.
    pub fn winners(&self) -> Vec<Option<Strategy>> {
        self.inputs.iter().map(|known| known.by).collect()
    }

    /// How many functionals there are.
    pub fn count(&self) -> usize {
        self.weights.len()
    }

    /// u of a functional, by its non-zero entries.
    pub fn weights(&self, functional: usize) -> &[(usize, f64)] {
        &self.weights[functional]
    }

    /// The best input known for a functional.
    pub fn input(&self, functional: usize) -> &[f64] {
        &self.inputs[functional].input
    }

    /// u per column, for the functional that each belongs to.
    pub fn seeds(&self, functionals: &[usize]) -> Matrix {
        let mut seeds = Matrix::zeros(self.network.outputs(), functionals.len());
        for (j, p) in functionals.iter().enumerate() {
            self.weights[*p].iter().for_each(|(i, u)| *seeds.at_mut(*i, j) = *u);
        }
        seeds
    }

    /// Takes every column of x that is better than what is known for the functional it is offered to.
    pub fn offer(&mut self, x: &Matrix, values: &Values, slopes: &[Matrix], functionals: &[usize]) {
        let gradients = self.network.adjoint(slopes, &self.seeds(functionals));
        let gradient = gradients.of(NodeId::INPUT);
        let norm = |j: usize| self.norm.dual((0..gradient.rows()).map(|i| gradient.at(i, j)));
        let mut columns: Vec<(usize, f64)> = (0..functionals.len()).map(|j| (j, norm(j))).collect();
        // the steepest first: most of the others then need no proof
        columns.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let mut proofs = vec![0; self.count()];
        for (j, norm) in columns {
            let p = functionals[j];
            if norm > self.inputs[p].threshold && proofs[p] < PROOFS {
                proofs[p] += 1;
                let Some(own) = ProvedSlopes::at(self.network, x, values, j) else { continue };
                let certain = self.exact.along(&self.weights[p], &own.v, &own.open);
                if certain > self.inputs[p].certain {
                    self.inputs[p] = Known::new(x.column(j), certain, norm, self.now);
                }
            }
        }
    }

    /// Offers every column of x to every functional.
    pub fn offer_to_all(&mut self, x: &Matrix) {
        let values = self.network.network().evaluate_batch(x.clone());
        let slopes = slopes_at(self.network, &values);
        for p in 0..self.count() {
            self.offer(x, &values, &slopes, &vec![p; x.cols()]);
        }
    }

    /// Offers to every functional the input that is for it, in order; returns their slopes.
    pub fn offer_columns(&mut self, inputs: &[Vec<f64>]) -> Vec<Matrix> {
        let x = Matrix::from_fn(self.network.inputs(), inputs.len(), |i, p| inputs[p][i]);
        self.offer_each(&x, &(0..inputs.len()).collect::<Vec<_>>())
    }

    /// Offers columns of x to the functional that each is for; returns their slopes.
    pub fn offer_each(&mut self, x: &Matrix, functionals: &[usize]) -> Vec<Matrix> {
        let values = self.network.network().evaluate_batch(x.clone());
        let slopes = slopes_at(self.network, &values);
        self.offer(x, &values, &slopes, functionals);
        slopes
    }

    /// The best inputs with what each is worth.
    pub fn witnesses(self, functionals: &[Functional]) -> Vec<Witness> {
        let columns = Matrix::from_fn(self.network.inputs(), self.count(), |i, p| self.inputs[p].input[i]);
        let values = self.network.network().evaluate_batch(columns.clone());
        let witness = |(p, known): (usize, &Known)| {
            let mut weights = vec![0.0; self.network.outputs()];
            self.weights[p].iter().for_each(|(i, u)| weights[*i] = *u);
            let lower = |own: ProvedSlopes| self.exact.lower_of_all(&functionals[p], &weights, &own.v, &own.open);
            let lower = ProvedSlopes::at(self.network, &columns, &values, p).map_or(0.0, lower);
            Witness { input: known.input.clone(), lower, pieces: None }
        };
        self.inputs.iter().enumerate().map(witness).collect()
    }
}
