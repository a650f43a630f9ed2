//! Gradients by differences, and bounds on a region beside them.

use super::random;
use geolip::place::Region;
use geolip::{Bound, InputNorm, Network};

/// ∇y_i by central differences.
pub fn gradient(network: &Network, x: &[f64], output: usize) -> Vec<f64> {
    let step = 1e-5;
    let moved = |i: usize, by: f64| {
        let mut x = x.to_vec();
        x[i] += by;
        network.evaluate(&x)[output]
    };
    (0..x.len()).map(|i| (moved(i, step) - moved(i, -step)) / (2.0 * step)).collect()
}

/// How far differences may be off: relative to a bound from above and in any case, and relative to one from below.
#[derive(Clone, Copy, Debug)]
pub struct Off {
    pub above: (f64, f64),
    pub below: (f64, f64),
}

/// That no gradient at a dozen points of a region exceeds the bound of an output, and that its witness is in the region and attained.
pub fn expect_between(
    network: &Network,
    (region, centre, radius): (&Region, &[f64], f64),
    norm: InputNorm,
    (output, bound): (usize, &Bound),
    seed: u64,
    off: Off,
) {
    let size = |x: &[f64]| norm.dual(gradient(network, x, output).into_iter());
    for k in 0..12_u64 {
        let directions = random(centre.len(), 1, seed ^ (1000 + k));
        let mut x: Vec<f64> = directions.data().iter().zip(centre).map(|(s, c)| c + radius * s).collect();
        region.project(&mut x);
        let found = size(&x);
        assert!(found <= bound.upper() * (1.0 + off.above.0) + off.above.1, "{found} at {x:?}: {}", bound.upper());
    }
    let witness = &bound.witness;
    assert!(witness.lower <= bound.upper());
    assert!(region.contains(&witness.input));
    let attained = size(&witness.input) * (1.0 + off.below.0) + off.below.1;
    assert!(witness.lower <= attained, "{} is not attained", witness.lower);
}
