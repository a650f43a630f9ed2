//! The comparison with tract, in float32.

use super::{Disagreement, compare, feeds, noise, not_run, probes, usable};
use crate::import::onnx::proto::ModelProto;
use crate::import::onnx::tract::{self, Mode};
use crate::import::onnx::translate::Translated;
use crate::import::{Reference, SelfCheck};
use crate::network::{Activation, Network, Values};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Compares a network with what tract makes of its model at `count` inputs, or at fewer where float32 does not hold the values.
pub(super) fn by_tract(translated: &Translated, model: &ModelProto, count: usize) -> Result<SelfCheck, Disagreement> {
    let network = &translated.network;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let probes = probes(network.inputs(), count, &mut random);
    let Some((inputs, values)) = usable(network, probes, &in_range) else {
        return Ok(not_run("in float32 values overflow at all inputs"));
    };
    let precision = noise::Precision { unit: 1.0 / (1 << 24) as f64, smallest: f64::from(f32::MIN_POSITIVE) };
    let deviation = noise::deviation(network, &translated.hints.coarse, &values, precision, &mut random);
    let feeds = feeds(translated);
    let encoded = tract::encoded(model, &translated.hints);
    let compared = |mode| match tract::run(&encoded, &feeds, &inputs, mode) {
        Ok(expected) => compare(values.of(network.output()), &expected, &deviation, precision, Reference::Tract),
        Err(reason) => Ok(SelfCheck::NotRun { reason }),
    };
    // a file may not mean the same with another batch: only the shape it declares can convict
    match compared(Mode::Batch) {
        Ok(agrees @ SelfCheck::Agrees { .. }) => Ok(agrees),
        Ok(SelfCheck::NotRun { .. }) | Err(_) => compared(Mode::Single),
    }
}

/// Whether no value at input `j` is too large for float32, or for exp in float32 where a softplus is computed by it.
fn in_range(network: &Network, values: &Values, j: usize) -> bool {
    const LARGEST: f64 = f32::MAX as f64 / 1024.0; // room for partial sums
    const LARGEST_EXPONENT: f64 = 80.0;
    let below = |id, limit| (0..network.node(id).len).all(|i| values.of(id).at(i, j).abs() <= limit);
    let softplus = |activation: &Activation| matches!(activation, Activation::Softplus);
    network.ids().all(|id| below(id, LARGEST))
        && network.activations().filter(|(_, _, a)| softplus(a)).all(|(_, h, _)| below(h, LARGEST_EXPONENT))
}
