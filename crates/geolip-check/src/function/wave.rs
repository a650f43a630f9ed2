//! sin and cos: the derivative has period 2π, with extremes −1 and 1. **Rounded:** all numbers are of order one.

use super::Slope;
use super::scalar::{Formula, SMALL, Scalar, Shape};
use std::f64::consts::{FRAC_PI_2, PI};

pub(super) fn sin() -> Scalar<impl Formula, impl Formula> {
    Scalar::new(|a, s| (a.sin)(s), |a, s| (a.cos)(s), Slope::new(-1.0, 1.0), Shape::Wave { lowest: PI }, SMALL)
}

pub(super) fn cos() -> Scalar<impl Formula, impl Formula> {
    let shape = Shape::Wave { lowest: FRAC_PI_2 };
    Scalar::new(|a, s| (a.cos)(s), |a, s| -(a.sin)(s), Slope::new(-1.0, 1.0), shape, SMALL)
}
