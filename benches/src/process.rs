//! Runs a program to its end and measures it from outside.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one run took, and what it printed.
#[derive(Clone, Debug)]
pub struct Run {
    /// From process start to exit.
    pub time: Duration,
    /// Processor time of all its threads (Linux; 0 elsewhere), to a few hundredths of a second.
    pub processor: Duration,
    /// Peak resident memory in KiB (Linux; 0 elsewhere).
    pub peak: u64,
    /// Standard output, as JSON.
    pub json: serde_json::Value,
}

impl Run {
    /// Peak resident memory in MiB.
    pub fn peak_mib(&self) -> f64 {
        self.peak as f64 / 1024.0
    }
}

/// The release binary of the command line, which must have been built before.
///
/// Ends the process where it was not.
pub fn geolip() -> PathBuf {
    let binary = target().join("release/geolip");
    if !binary.exists() {
        eprintln!("error: {} does not exist; run `cargo build --release` first", binary.display());
        std::process::exit(2);
    }
    binary
}

/// The workspace's folder of build results.
pub fn target() -> PathBuf {
    root().join("target")
}

/// The workspace.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this crate lies in the workspace").to_owned()
}

/// Runs a command that prints JSON.
///
/// # Panics
/// Where it fails, or prints something else.
pub fn run(command: &mut Command) -> Run {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut output = child.stdout.take().expect("its output is piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let (mut peak, mut processor) = (0, Duration::ZERO);
    let (time, code) = loop {
        peak = peak.max(high_water_mark(child.id()));
        processor = processor.max(processor_time(child.id()));
        if let Some(code) = child.try_wait().expect("a child can be waited for") {
            break (started.elapsed(), code);
        }
        let pause = started.elapsed() / 1000;
        std::thread::sleep(pause.clamp(Duration::from_micros(500), Duration::from_millis(20)));
    };
    assert!(code.success(), "{command:?} failed");
    let text = reader.join().expect("the reader ends").expect("the output is text");
    Run { time, processor, peak, json: serde_json::from_str(&text).expect("the output is JSON") }
}

fn high_water_mark(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// User and system time: fields 14 and 15 of `stat`, in hundredths of a second. Field 2, the name, may hold anything.
fn processor_time(id: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(10 * times.sum::<u64>())
}
