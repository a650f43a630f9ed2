//! What a part is branched by.

use crate::function::ranges::linear_pieces;
use crate::matrix::Matrix;
use crate::network::Activation;
use crate::place::{Knife, Region};
use crate::problem::Functional;
use crate::slopes::{Origin, SlopeNetwork};

/// Undecided neurons, per input, up to which parts are cut at a neuron's kink: it settles one for good, but the part hardly
/// shrinks; with more of them, half an input settles more.
const FEW_PER_INPUT: usize = 5;

/// What matters in a part: how much intervals lose to every input and to every undecided neuron.
///
/// With r the half-widths of slopes, G bounds of the gradients and H those of how far input i moves a pre-activation,
/// Σ r G H is what intervals lose to input i, and to a neuron.
pub(super) struct Losses {
    inputs: Vec<f64>,
    /// Of the neuron that matters most: its place.
    slope: Option<Knife>,
    /// The same among those with one kink: where it is.
    side: Option<Knife>,
    undecided: usize,
}

impl Losses {
    /// In a part.
    pub fn of(local: &SlopeNetwork, functional: &Functional) -> Self {
        let n = local.inputs();
        let moved = local.abs_forward(&Matrix::identity(n));
        let mut seed = Matrix::zeros(local.outputs(), 1);
        functional.rows(local.outputs()).iter().flatten().for_each(|(i, u)| *seed.at_mut(*i, 0) += u.abs());
        let matter = local.abs_adjoint(&seed);
        let mut inputs: Vec<f64> = vec![0.0; n];
        let (mut slope, mut side): ((f64, Option<Knife>), (f64, Option<Knife>)) = ((-1.0, None), (0.0, None));
        let mut undecided = 0;
        let layers = local.layers().zip(local.origins()).zip(local.slopes());
        for (layer, (((node, parent), origin), slopes)) in layers.enumerate() {
            for (j, interval) in slopes.iter().enumerate().filter(|(_, interval)| !interval.is_fixed()) {
                undecided += 1;
                let weight = interval.radius() * matter.of(node).at(j, 0);
                let moves = moved.of(parent).row(j);
                inputs.iter_mut().zip(moves).for_each(|(score, h)| *score += weight * h);
                let score = weight * moves.iter().sum::<f64>();
                if score > slope.0 {
                    slope = (score, Some(Knife::Slope(layer, j)));
                }
                if score > side.0
                    && let Origin::Activation(activation, _) = origin
                    && let Some(at) = only_kink(activation, j)
                {
                    side = (score, Some(Knife::Side(layer, j, at)));
                }
            }
        }
        Self { inputs, slope: slope.1, side: side.1, undecided }
    }

    /// The slope that matters most.
    pub fn slope(&self) -> Option<Knife> {
        self.slope
    }

    /// The middle of the input that matters most; or the kink of the neuron that does, where few are undecided or no input can be cut.
    pub fn cut(&self, region: &Region) -> Option<Knife> {
        let middle = |i: usize| 0.5 * region.lower()[i] + 0.5 * region.upper()[i];
        let can = |i: &usize| region.lower()[*i] < middle(*i) && middle(*i) < region.upper()[*i];
        let width = |i: usize| self.inputs[i] * (region.upper()[i] - region.lower()[i]);
        let input = (0..self.inputs.len()).filter(can).max_by(|a, b| width(*a).total_cmp(&width(*b)));
        let input = input.map(|i| Knife::Input(i, middle(i)));
        match self.undecided <= FEW_PER_INPUT * region.inputs() {
            true => self.side.or(input),
            false => input.or(self.side),
        }
    }
}

/// The kink of an activation that is linear on both sides of it.
fn only_kink(activation: &Activation, index: usize) -> Option<f64> {
    let pieces = linear_pieces(activation, index).filter(|pieces| pieces.exact)?;
    match pieces.kinks.as_slice() {
        [kink] => Some(*kink),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{LinearMap, NetworkBuilder};
    use crate::place::Region;

    /// relu(a x₀) + relu(b x₁) on a box of these half-widths around zero.
    fn losses((a, b): (f64, f64), half: (f64, f64)) -> (SlopeNetwork, Losses) {
        let mut builder = NetworkBuilder::new(2).expect("inputs");
        let w = LinearMap::Dense(Matrix::from_vec(2, 2, vec![a, 0.0, 0.0, b]));
        let h = builder.affine("h", vec![(builder.input(), w)], None).expect("shapes");
        let z = builder.activate("z", h, Activation::Relu).expect("relu");
        let sum = LinearMap::Dense(Matrix::from_vec(1, 2, vec![1.0, 1.0]));
        let y = builder.affine("y", vec![(z, sum)], None).expect("shapes");
        let region = Region::new_box(vec![-half.0, -half.1], vec![half.0, half.1]).expect("a box");
        let local = SlopeNetwork::new(&builder.finish(y), region).expect("a region");
        let losses = Losses::of(&local, &Functional::output(0));
        (local, losses)
    }

    #[test]
    fn the_neuron_that_matters_most_is_cut_at_its_kink() {
        let (local, losses) = losses((1.0, 3.0), (1.0, 1.0));
        assert_eq!(losses.slope(), Some(Knife::Slope(0, 1)));
        assert_eq!(losses.cut(local.region().expect("a box")), Some(Knife::Side(0, 1, 0.0)));
    }

    #[test]
    fn inputs_are_cut_in_the_middle_of_the_one_that_moves_most() {
        let (local, mut losses) = losses((1.0, 3.0), (10.0, 1.0));
        losses.undecided = 100; // as if there were many
        assert_eq!(losses.cut(local.region().expect("a box")), Some(Knife::Input(0, 0.0)));
    }

    #[test]
    fn where_all_slopes_are_known_there_is_nothing_to_branch_by() {
        let (around_zero, _) = losses((1.0, 3.0), (1.0, 1.0));
        let region = Region::new_box(vec![1.0, 1.0], vec![2.0, 2.0]).expect("a box");
        let local = SlopeNetwork::new(around_zero.network(), region).expect("a region");
        let losses = Losses::of(&local, &Functional::output(0));
        assert!(losses.slope().is_none() && losses.side.is_none() && losses.inputs == [0.0, 0.0]);
    }
}
