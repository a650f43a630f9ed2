//! Where inputs are searched for: everywhere, or in a region. What differs between the two for more than one strategy stands here.

use super::smoothed::column_lengths;
use crate::matrix::Matrix;
use crate::place::Region;
use crate::problem::Units;
use crate::slopes::SlopeNetwork;

/// Where inputs may lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Domain<'a> {
    /// Anywhere.
    Everywhere,
    /// In a region.
    Region(&'a Region),
}

impl<'a> Domain<'a> {
    /// That of a network.
    pub fn of(network: &'a SlopeNetwork) -> Self {
        network.region().map_or(Self::Everywhere, Self::Region)
    }

    /// Whether it is one point.
    pub fn is_point(self) -> bool {
        match self {
            Self::Everywhere => false,
            Self::Region(region) => region.size() <= 0.0,
        }
    }

    /// The input that a search begins with.
    pub fn centre(self, inputs: usize) -> Vec<f64> {
        match self {
            Self::Everywhere => vec![0.0; inputs],
            Self::Region(region) => region.centre(),
        }
    }

    /// Projects every column into the domain.
    pub fn keep_inside(self, x: &mut Matrix) {
        let Self::Region(region) = self else { return };
        for j in 0..x.cols() {
            let mut column = x.column(j);
            region.project(&mut column);
            column.into_iter().enumerate().for_each(|(i, v)| *x.at_mut(i, j) = v);
        }
    }

    /// The half-axes of an ellipsoid, relative to its radius: steps are taken in coordinates in which it is a ball.
    pub fn axes(self) -> Option<&'a [f64]> {
        match self {
            Self::Everywhere => None,
            Self::Region(region) => region.ball()?.unit.as_ref().map(Units::numbers),
        }
    }

    /// The length in whose units steps from each column are taken.
    pub fn lengths(self, x: &Matrix) -> Vec<f64> {
        match self {
            Self::Everywhere => column_lengths(x).into_iter().map(|size| size.max(1.0)).collect(),
            Self::Region(region) => {
                let radius = region.ball().filter(|ball| ball.unit.is_some()).map(|ball| ball.radius);
                vec![radius.unwrap_or_else(|| region.size()); x.cols()]
            }
        }
    }
}

/// Half the side of a region along input i.
pub(super) fn half_side(region: &Region, i: usize) -> f64 {
    0.5 * region.upper()[i] - 0.5 * region.lower()[i]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_is_left_outside_a_region() {
        let region = Region::new_box(vec![-1.0, 2.0], vec![1.0, 2.0]).expect("a box");
        let mut x = Matrix::from_vec(2, 2, vec![5.0, 0.5, 7.0, 2.0]);
        Domain::Region(&region).keep_inside(&mut x);
        assert!((0..2).all(|j| region.contains(&x.column(j))));
        assert_eq!(x.column(1), [0.5, 2.0], "what lies inside stays");
        assert!(!Domain::Region(&region).is_point() && !Domain::Everywhere.is_point());
        let point = Region::new_box(vec![1.0], vec![1.0]).expect("a point");
        assert!(Domain::Region(&point).is_point());
    }
}
