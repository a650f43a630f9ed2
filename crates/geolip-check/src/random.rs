//! Random numbers that more than one module draws.

use rand::{Rng, RngExt};

/// A standard normal number, by Box and Muller.
pub fn gaussian(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
