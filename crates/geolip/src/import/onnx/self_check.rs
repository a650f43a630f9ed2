//! The imported network beside another implementation of the same file, at a few inputs.
//!
//! **Claim.** [`SelfCheck::Agrees`] says that at every input compared, every output of the network (in double precision)
//! and of the other implementation differ by at most [`SLACK`] times what simulated rounding noise makes of it (`noise`). The
//! inputs are the zero vector, where biases stand alone, and standard normal ones, rounded to float32; inputs and noise are the
//! same in every run. Networks that take long to evaluate are compared at fewer inputs ([`inputs_for`]).
//!
//! The other implementation is tract, in the file's precision (usually float32). Where tract cannot run the file, or float32
//! does not hold what the network computes, it is our own plain interpreter of the graph, in double precision
//! ([`super::interpreter`]): the same standard read a second time, by other code.
//!
//! It is evidence about the importer and about the other implementation, not a proof; no bound rests on it.

#[cfg_attr(not(feature = "self-check"), path = "self_check/without_tract.rs")]
mod by_tract;
mod noise;

use super::interpreter;
use super::translate::Translated;
use crate::import::onnx::proto::ModelProto;
use crate::import::{ImportError, Plain, Reference, SelfCheck};
use crate::matrix::Matrix;
use crate::network::{Network, Values};
use by_tract::by_tract;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::path::Path;

/// How many inputs are compared at most and at least, the zero vector among them.
const INPUTS: (usize, usize) = (5, 2);
/// How many multiplications the comparison may take before it is content with fewer inputs: a second or two.
const WORK: usize = 1 << 32;
/// The same for the interpreter, which is in no hurry: some seconds.
const PATIENCE: usize = 1 << 27;
/// How many times the simulated deviation a difference may be. Agreeing implementations were seen to reach 7 of 32.
const SLACK: f64 = 32.0;
/// The most numbers that evaluation may hold: 1 GiB.
const LARGEST_EVALUATION: usize = 1 << 27;

/// An input of the file, and what goes into it.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// The rows of the input vectors that go there; none for zeros.
    pub(super) rows: Option<Range<usize>>,
}

/// How the two differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Disagreement {
    reference: Reference,
    difference: Difference,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Difference {
    /// They have different numbers of outputs.
    Length { found: usize, expected: usize },
    /// The output that differs most, relative to its tolerance.
    Value { output: usize, found: f64, expected: f64, tolerance: f64 },
}

impl Disagreement {
    /// The error of a file, given the first tensor in which the two differ.
    pub(super) fn at(self, path: &Path, tensor: Option<String>) -> ImportError {
        let (path, reference) = (path.to_owned(), self.reference);
        match self.difference {
            Difference::Length { found, expected } => {
                ImportError::DisagreesInLength { path, found, expected, reference, tensor }
            }
            Difference::Value { output, found, expected, tolerance } => {
                ImportError::Disagrees { path, output, found, expected, reference, tolerance, tensor }
            }
        }
    }
}

/// The first of `tensors`, which are in the order of computation, where the two implementations differ: found by looking at
/// all of them if they are few, and by bisection if they are many. `differs` says nothing about a tensor that cannot be
/// compared.
pub(super) fn first_difference(tensors: &[String], mut differs: impl FnMut(&str) -> Option<bool>) -> Option<String> {
    const FEW: usize = 32;
    let (mut start, mut end) = (0, tensors.len());
    while end - start > FEW {
        let middle = start + (end - start) / 2;
        match differs(&tensors[middle]) {
            Some(true) => end = middle + 1,
            Some(false) | None => start = middle + 1,
        }
    }
    tensors[start..end].iter().find(|tensor| differs(tensor) == Some(true)).cloned()
}

/// Compares a network with what others make of the model it was read from: `model` without its functions and branches, and as it
/// is `written`.
pub(super) fn run(
    translated: &Translated,
    model: &ModelProto,
    written: &ModelProto,
) -> Result<SelfCheck, Disagreement> {
    let network = &translated.network;
    let held = network.nodes().iter().fold(0_usize, |sum, node| sum.saturating_add(node.len));
    let count = inputs_for(network);
    if held.saturating_mul(count * (2 + noise::SAMPLES)) > LARGEST_EVALUATION {
        return Ok(not_run("the network is too large to be evaluated a second time"));
    }
    match by_tract(translated, model, count)? {
        SelfCheck::NotRun { reason } => by_interpreter(translated, written, count, reason),
        SelfCheck::Agrees { inputs, .. } if inputs < count => by_interpreter(
            translated,
            written,
            count,
            format!("in float32 values overflow at {} inputs", count - inputs),
        ),
        agrees @ SelfCheck::Agrees { .. } => Ok(agrees),
    }
}

/// By our own interpreter, in double precision, because tract did not run.
fn by_interpreter(
    translated: &Translated,
    model: &ModelProto,
    count: usize,
    because: String,
) -> Result<SelfCheck, Disagreement> {
    let network = &translated.network;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let probes = probes(network.inputs(), count.min(inputs_within(PATIENCE, network)), &mut random);
    if probes.cols() == 0 {
        return Ok(not_run(&format!("{because}; and the network is too large for geolip's interpreter")));
    }
    let finite = |network: &Network, values: &Values, j: usize| {
        network.ids().all(|id| (0..network.node(id).len).all(|i| values.of(id).at(i, j).is_finite()))
    };
    let Some((inputs, values)) = usable(network, probes, &finite) else {
        return Ok(not_run("the network's values at the inputs compared overflow"));
    };
    // coarser than double precision: the tanh form of GELU has its standard constant here, and float32's in the file
    let precision = noise::Precision { unit: 1.0 / (1 << 30) as f64, smallest: f64::MIN_POSITIVE };
    let deviation = noise::deviation(network, &translated.hints.coarse, &values, precision, &mut random);
    match interpreter::run(model, &feeds(translated), &inputs) {
        Ok(expected) => {
            let reference = Reference::Interpreter { because };
            compare(values.of(network.output()), &expected, &deviation, precision, reference)
        }
        Err(reason) => Ok(not_run(&format!("{because}; geolip's interpreter: {}", Plain(&reason)))),
    }
}

/// In tests, every file that is read is interpreted, too, whether or not tract runs it.
#[cfg(test)]
pub(super) fn expect_interpreted(translated: &Translated, model: &ModelProto) {
    let found = by_interpreter(translated, model, 3, "in a test".to_owned());
    let large = |reason: &str| reason.ends_with("too large for geolip's interpreter") || reason.ends_with("overflow");
    match found {
        Ok(SelfCheck::NotRun { reason }) if !large(&reason) => panic!("{reason}"),
        Ok(_) => {}
        Err(disagreement) => panic!("{disagreement:?}"),
    }
}

/// How many inputs are compared: fewer where an evaluation takes many multiplications.
fn inputs_for(network: &Network) -> usize {
    let (most, least) = INPUTS;
    (inputs_within(WORK, network) / (2 + noise::SAMPLES)).clamp(least, most)
}

/// At how many inputs a network can be evaluated with so many multiplications.
fn inputs_within(work: usize, network: &Network) -> usize {
    work / network.multiply_adds().saturating_add(1)
}

/// Where the rows of the input vectors go in the file.
fn feeds(translated: &Translated) -> Vec<Feed> {
    let mut start = 0;
    let moving = translated.inputs.iter().map(|port| {
        let rows = start..start + port.shape.iter().product::<usize>();
        start = rows.end;
        Feed { name: port.name.clone(), shape: port.shape.clone(), rows: Some(rows) }
    });
    let mut feeds: Vec<Feed> = moving.collect();
    feeds.extend(translated.fixed.iter().map(|port| Feed {
        name: port.name.clone(),
        shape: port.shape.clone(),
        rows: None,
    }));
    feeds
}

fn not_run(reason: &str) -> SelfCheck {
    SelfCheck::NotRun { reason: reason.to_owned() }
}

/// The zero vector, and standard normal vectors rounded to float32, as columns.
fn probes(len: usize, count: usize, random: &mut ChaCha8Rng) -> Matrix {
    let mut normal = || {
        let (radius, angle): (f64, f64) = (random.random(), random.random());
        let radius = (-2.0 * (1.0 - radius).ln()).sqrt(); // Box and Muller
        f64::from((radius * (std::f64::consts::TAU * angle).cos()) as f32)
    };
    Matrix::from_fn(len, count, |_, j| if j == 0 { 0.0 } else { normal() })
}

/// The inputs at which the values are `fit`, and the values there; none if there is no such input.
fn usable(
    network: &Network,
    probes: Matrix,
    fit: &dyn Fn(&Network, &Values, usize) -> bool,
) -> Option<(Matrix, Values)> {
    let values = network.evaluate_batch(probes.clone());
    let usable: Vec<usize> = (0..probes.cols()).filter(|&j| fit(network, &values, j)).collect();
    if usable.len() == probes.cols() {
        return Some((probes, values));
    }
    let inputs = Matrix::from_fn(probes.rows(), usable.len(), |i, j| probes.at(i, usable[j]));
    let values = network.evaluate_batch(inputs.clone());
    (!usable.is_empty()).then_some((inputs, values))
}

/// The outputs, m × k, against those of another implementation.
fn compare(
    found: &Matrix,
    expected: &Matrix,
    deviation: &Matrix,
    precision: noise::Precision,
    reference: Reference,
) -> Result<SelfCheck, Disagreement> {
    if (found.rows(), found.cols()) != (expected.rows(), expected.cols()) {
        let difference = Difference::Length { found: found.rows(), expected: expected.rows() };
        return Err(Disagreement { reference, difference });
    }
    // a step on the way may overflow in the other implementation alone: exp in a softplus that is spelt out
    let overflows = |j: usize| (0..expected.rows()).any(|i| !expected.at(i, j).is_finite());
    let left_out: Vec<bool> = (0..expected.cols()).map(overflows).collect();
    let inputs = left_out.iter().filter(|out| !**out).count();
    if inputs == 0 {
        return Ok(not_run(&format!("values of {reference} overflow at all inputs")));
    }
    let mut largest_ratio = 0.0;
    let mut worst = None;
    for (index, (&found, &expected)) in found.data().iter().zip(expected.data()).enumerate() {
        if left_out[index % left_out.len()] {
            continue;
        }
        let tolerance = SLACK * deviation.data()[index] + precision.smallest;
        let ratio = (found - expected).abs() / tolerance;
        if ratio > largest_ratio || ratio.is_nan() {
            largest_ratio = if ratio.is_nan() { f64::INFINITY } else { ratio };
            worst = Some((index, found, expected, tolerance));
        }
    }
    match worst {
        Some((index, found, expected, tolerance)) if largest_ratio > 1.0 => {
            let difference = Difference::Value { output: index / deviation.cols(), found, expected, tolerance };
            Err(Disagreement { reference, difference })
        }
        _ => Ok(SelfCheck::Agrees { with: reference, inputs, largest_ratio }),
    }
}

#[cfg(test)]
mod tests;
