//! Times whole runs of the release binary, from process start to exit, beside a unit that carries over between machines.
//!
//! ```sh
//! cargo build --release && cargo run --release -p geolip-benches -- [NETWORK ...]
//! ```
//!
//! For every network (the shipped ones, and those given): all outputs, both norms, default options, certificates checked.
//! Shown are the median and the best of several runs, the median in units of one dense 784 × 256 matrix–vector product in
//! double precision on one core, the peak memory, the largest bounds from below and above over the outputs, and the
//! product of the layers' ∞-norms. Not a test: it asserts no times.

use geolip::import::{ImportOptions, load};
use geolip::matrix::{Matrix, Store, multiply};
use geolip::network::{LinearMap, Op};
use geolip_benches::process::{self, Run};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const RUNS: usize = 9;

fn main() {
    let (root, binary) = (process::root(), process::geolip());
    let given: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let shipped = ["784-64-10", "784-256-10", "784-64-64-10", "784-7x64-10"];
    let networks = shipped.iter().map(|name| root.join(format!("models/digits-{name}.onnx"))).chain(given);
    let unit = matrix_vector_product();
    println!("unit: one 784 x 256 matrix-vector product, {:.1} us", unit.as_secs_f64() * 1e6);
    println!(
        "{:<32} {:>4} {:>9} {:>8} {:>7} {:>8} {:>12} {:>12} {:>12}",
        "network", "norm", "median s", "best s", "units", "peak MiB", "lower", "upper", "norm product"
    );
    for network in networks {
        for norm in ["linf", "l2"] {
            let mut runs: Vec<Run> = (0..RUNS).map(|_| run(&binary, &network, norm)).collect();
            runs.sort_by_key(|run| run.time);
            let (median, best) = (runs[RUNS / 2].time.as_secs_f64(), runs[0].time.as_secs_f64());
            let peak = runs.iter().map(Run::peak_mib).fold(0.0, f64::max);
            let name = network.file_name().unwrap_or_default().to_string_lossy();
            let units = median / unit.as_secs_f64();
            let product = if norm == "linf" { format!("{:.2}", norm_product(&network)) } else { String::new() };
            println!(
                "{name:<32} {norm:>4} {median:>9.3} {best:>8.3} {units:>7.0} {peak:>8.0} {:>12.2} {:>12.2} {product:>12}",
                lower(&runs[0]),
                runs[0].json["upper"].as_f64().expect("the largest upper bound")
            );
        }
    }
}

/// The bound everybody computes first: the product of the layers' ∞-norms (slopes at most 1 are assumed).
fn norm_product(network: &Path) -> f64 {
    let network = load(network, &ImportOptions::default()).expect("it was just bounded").network;
    let norm = |map: &LinearMap| {
        let ones = Matrix::from_fn(map.cols(), 1, |_, _| 1.0);
        let mut sums = Matrix::zeros(map.rows(), 1);
        map.abs_forward(&ones, Store::Replace, &mut sums);
        sums.data().iter().copied().fold(0.0, f64::max)
    };
    let affine = network.nodes().iter().filter_map(|node| match &node.op {
        Op::Affine { terms, .. } => Some(terms.iter().map(|t| norm(&t.map)).sum::<f64>()),
        Op::Input | Op::Activate { .. } | Op::Combine { .. } => None,
    });
    affine.product()
}

/// The time of one product, the best of many.
fn matrix_vector_product() -> Duration {
    let w = Matrix::from_fn(256, 784, |i, j| ((i * 7 + j) as f64).sin());
    let x = Matrix::from_fn(784, 1, |i, _| (i as f64).cos());
    let mut y = Matrix::zeros(256, 1);
    let time = || {
        let started = Instant::now();
        multiply(&mut y, Store::Replace, 1.0, black_box(w.view()), black_box(x.view()));
        started.elapsed()
    };
    std::iter::repeat_with(time).take(2000).min().unwrap_or_default()
}

fn run(binary: &Path, network: &Path, norm: &str) -> Run {
    process::run(Command::new(binary).args(["bound", "--json", "--norm", norm]).arg(network))
}

/// The largest attained lower bound over the outputs.
fn lower(run: &Run) -> f64 {
    let bounds = run.json["bounds"].as_array().expect("a list of bounds").iter();
    bounds.filter_map(|bound| bound["lower"].as_f64()).fold(0.0, f64::max)
}
