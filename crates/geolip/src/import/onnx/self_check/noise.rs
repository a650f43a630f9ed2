//! How far rounding moves the outputs of a network: simulated, by rounding noise at every node.
//!
//! A bound that carries the worst case through every layer grows like the product of the
//! layers' norms: for seven layers of 64 it is a million times what happens, and would excuse a wrong import. Here every
//! entry of every node is moved by random noise of the size of its rounding, and the network itself carries the noise on.

use crate::import::onnx::hints::Coarse;
use crate::matrix::{Matrix, Store};
use crate::network::{Network, NodeId, Op, Values};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How often each input is run with fresh noise.
pub(super) const SAMPLES: usize = 4;
/// The arithmetic whose rounding is simulated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Precision {
    /// The unit roundoff.
    pub(super) unit: f64,
    /// What is below it may be flushed to zero.
    pub(super) smallest: f64,
}

/// Noise of a sum of products, in units of its terms' absolute sum.
const SUM_UNITS: f64 = 2.0;
/// How many terms add one unit more: sums of many equal numbers one after the other are off in one direction.
const LONG_SUM: f64 = 128.0;
/// Noise of an activation: implementations are accurate to a few units, not to one.
const ACTIVATION_UNITS: f64 = 4.0;

/// The root mean square over [`SAMPLES`] noisy runs of each output's deviation from `values`, m × k for k inputs.
/// Nodes that are `coarse` have more noise than their terms make.
pub(super) fn deviation(
    network: &Network,
    coarse: &[(NodeId, Coarse)],
    values: &Values,
    precision: Precision,
    random: &mut ChaCha8Rng,
) -> Matrix {
    let mut runs: Vec<Matrix> = Vec::with_capacity(network.nodes().len());
    let mut sizes: Vec<Matrix> = Vec::with_capacity(network.nodes().len());
    for (id, node) in network.ids().zip(network.nodes()) {
        let (exact, k) = (values.of(id), values.of(id).cols());
        // the run before its noise, the noise in roundings, and the size that later nodes see
        let (run, units, size) = match &node.op {
            Op::Input => {
                let still = Matrix::zeros(node.len, k);
                (Matrix::from_fn(node.len, SAMPLES * k, |i, j| exact.at(i, j % k)), still, exact.abs())
            }
            Op::Affine { terms, bias } => {
                let offset = |i: usize| bias.as_ref().map_or(0.0, |bias| bias[i]);
                let mut sum = Matrix::from_fn(node.len, SAMPLES * k, |i, _| offset(i));
                let mut size = Matrix::from_fn(node.len, k, |i, _| offset(i).abs());
                for term in terms {
                    term.map.forward(&runs[term.parent.index()], Store::Add, &mut sum);
                    term.map.abs_forward(&values.of(term.parent).abs(), Store::Add, &mut size);
                }
                for (_, extra) in coarse.iter().filter(|(coarse, _)| *coarse == id) {
                    let parent = values.of(terms[0].parent);
                    let extra = |i: usize, j: usize| match extra {
                        Coarse::Weights(size) => size * parent.at(i, j).abs(),
                        Coarse::Biases(sizes) => sizes[i],
                    };
                    size = Matrix::from_fn(node.len, k, |i, j| size.at(i, j) + extra(i, j));
                }
                let units = SUM_UNITS + terms.iter().map(|t| t.map.longest_sum()).sum::<usize>() as f64 / LONG_SUM;
                (sum, Matrix::from_fn(node.len, k, |i, j| units * size.at(i, j)), size)
            }
            Op::Activate { parent, activation } => {
                let (argument, carried) = (&runs[parent.index()], &sizes[parent.index()]);
                let applied = Matrix::from_fn(node.len, SAMPLES * k, |i, j| activation.value(i, argument.at(i, j)));
                // the size of the sum before, not what is left of it: so near a kink every run sees it
                let steepness = |i, j| match activation.slope(i).magnitude() {
                    f64::INFINITY => activation.derivative(i, values.of(*parent).at(i, j)).abs(),
                    bounded => bounded,
                };
                let scale = |i, j| exact.at(i, j).abs().max(carried.at(i, j) * steepness(i, j));
                let units = |i, j| ACTIVATION_UNITS * (scale(i, j) + activation.saturation(i));
                (applied, Matrix::from_fn(node.len, k, units), exact.abs())
            }
            Op::Combine { parents, combination } => {
                let [p, q] = parents.map(|parent| &runs[parent.index()]);
                let value = |i: usize, j: usize| combination.value([p.at(i, j), q.at(i, j)]);
                let units = |i, j| ACTIVATION_UNITS * exact.at(i, j).abs();
                (Matrix::from_fn(node.len, SAMPLES * k, value), Matrix::from_fn(node.len, k, units), exact.abs())
            }
        };
        if matches!(node.op, Op::Input) {
            runs.push(run);
        } else {
            runs.push(blur(run, precision, random, &units));
        }
        if id == network.output() {
            let simulated = root_mean_square(exact, &runs[id.index()]);
            // a few samples may all be small by chance; the output's own noise is known
            return Matrix::from_fn(node.len, k, |i, j| simulated.at(i, j).max(0.5 * precision.unit * units.at(i, j)));
        }
        sizes.push(size);
    }
    unreachable!("the output is a node")
}

fn root_mean_square(exact: &Matrix, runs: &Matrix) -> Matrix {
    let k = exact.cols();
    Matrix::from_fn(exact.rows(), k, |i, j| {
        let squares = (0..SAMPLES).map(|sample| (runs.at(i, sample * k + j) - exact.at(i, j)).powi(2));
        (squares.sum::<f64>() / SAMPLES as f64).sqrt()
    })
}

/// Adds noise of root mean square `units` (i, j) roundings to entry (i, j) of each sample. The smallest normal number is
/// added to that, for implementations that flush what is below it to zero.
fn blur(mut matrix: Matrix, precision: Precision, random: &mut ChaCha8Rng, units: &Matrix) -> Matrix {
    let k = matrix.cols() / SAMPLES;
    for i in 0..matrix.rows() {
        for (j, entry) in matrix.row_mut(i).iter_mut().enumerate() {
            let uniform = 3_f64.sqrt() * random.random_range(-1.0..1.0); // mean square 1
            *entry += uniform * (precision.unit * units.at(i, j % k) + precision.smallest);
        }
    }
    matrix
}
