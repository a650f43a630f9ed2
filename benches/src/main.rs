//! Times whole runs of the release binary, from process start to exit, beside a unit that carries over between machines.
//!
//! ```sh
//! cargo build --release && cargo run --release -p geolip-benches -- [NETWORK ...]
//! ```
//!
//! For every network (the shipped ones, and those given): all outputs, both norms, default options, certificates checked,
//! table printed. Shown are the median and the best of several runs, the peak memory, and the median in units of one dense
//! 784 × 256 matrix–vector product in double precision on one core. Not a test: it asserts nothing.

use geolip::matrix::{Matrix, Store, multiply};
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
    println!("{:<34} {:>5} {:>9} {:>9} {:>9} {:>9}", "network", "norm", "median s", "best s", "units", "peak MiB");
    for network in networks {
        for norm in ["linf", "l2"] {
            let mut runs: Vec<(Duration, u64)> = (0..RUNS).map(|_| run(&binary, &network, norm)).collect();
            runs.sort();
            let (median, best) = (runs[RUNS / 2].0.as_secs_f64(), runs[0].0.as_secs_f64());
            let peak = runs.iter().map(|r| r.1).max().unwrap_or(0) as f64 / 1024.0;
            let name = network.file_name().unwrap_or_default().to_string_lossy();
            let units = median / unit.as_secs_f64();
            println!("{name:<34} {norm:>5} {median:>9.3} {best:>9.3} {units:>9.0} {peak:>9.0}");
        }
    }
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

/// One run: its duration, and its peak resident memory in KiB (Linux; 0 elsewhere).
fn run(binary: &Path, network: &Path, norm: &str) -> (Duration, u64) {
    let started = Instant::now();
    let mut child = Command::new(binary)
        .args(["bound", "--norm", norm])
        .arg(network)
        .stdout(Stdio::null())
        .spawn()
        .expect("the release binary starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Some(code) = child.try_wait().expect("a child can be waited for") {
            let elapsed = started.elapsed();
            assert!(code.success(), "geolip failed on {}", network.display());
            return (elapsed, peak);
        }
        peak = peak.max(high_water_mark(&status));
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn high_water_mark(status: &str) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
