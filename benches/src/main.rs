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
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 9;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the workspace");
    let binary = root.join("target/release/geolip");
    if !binary.exists() {
        eprintln!("error: {} does not exist; run `cargo build --release` first", binary.display());
        std::process::exit(2);
    }
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
            let peak = runs.iter().map(|r| r.peak).max().unwrap_or(0) as f64 / 1024.0;
            let name = network.file_name().unwrap_or_default().to_string_lossy();
            let units = median / unit.as_secs_f64();
            let product = if norm == "linf" { format!("{:.2}", norm_product(&network)) } else { String::new() };
            println!(
                "{name:<32} {norm:>4} {median:>9.3} {best:>8.3} {units:>7.0} {peak:>8.0} {:>12.2} {:>12.2} {product:>12}",
                runs[0].lower, runs[0].upper
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
        Op::Input | Op::Activate { .. } => None,
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

/// What one run took and found.
struct Run {
    time: Duration,
    /// Peak resident memory in KiB (Linux; 0 elsewhere).
    peak: u64,
    /// The largest attained lower bound, and the largest certified upper bound, over the outputs.
    lower: f64,
    upper: f64,
}

fn run(binary: &Path, network: &Path, norm: &str) -> Run {
    let started = Instant::now();
    let mut child = Command::new(binary)
        .args(["bound", "--json", "--norm", norm])
        .arg(network)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the release binary starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let (time, code) = loop {
        if let Some(code) = child.try_wait().expect("a child can be waited for") {
            break (started.elapsed(), code);
        }
        peak = peak.max(high_water_mark(&status));
        std::thread::sleep(Duration::from_micros(500));
    };
    assert!(code.success(), "geolip failed on {}", network.display());
    let output = child.stdout.take().expect("its output is piped");
    let json: serde_json::Value = serde_json::from_reader(output).expect("it prints JSON");
    let bounds = json["bounds"].as_array().expect("with bounds").iter();
    let lower = bounds.filter_map(|b| b["lower"].as_f64()).fold(0.0, f64::max);
    Run { time, peak, lower, upper: json["upper"].as_f64().expect("and their maximum") }
}

fn high_water_mark(status: &str) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
