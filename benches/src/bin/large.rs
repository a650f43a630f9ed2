//! Large convolutional networks: the time of a sweep, and whole bounds with their peak memory.
//!
//! ```sh
//! cargo build --release && cargo run --release -p geolip-benches --bin large -- [scaling|chain|resnet18|all]
//! ```
//!
//! * `scaling`: sweeps of four chains of convolutions, and the exponent of their time in the number of multiply–adds;
//! * `chain`: four 3×3 convolutions on 32×32×64 feature maps, one output, both norms;
//! * `resnet18`: a ResNet-18 for 32×32 images, written as ONNX and given to the release binary: one output, ℓ2.
//!
//! Weights are random. Whole bounds run in processes of their own. Not a test: it asserts no times.

use geolip::import::{ImportOptions, load};
use geolip::slopes::SlopeNetwork;
use geolip::{InputNorm, Options, Silent, bound};
use geolip_benches::networks::{self, COLUMNS, Sweeps};
use geolip_benches::process::{self, Run};
use geolip_benches::resnet;
use serde_json::json;
use std::process::Command;

/// Sweeps timed per network.
const SWEEPS: usize = 9;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["scaling"] => scaling(),
        ["chain"] => chain(),
        ["resnet18"] => resnet18(),
        [] | ["all"] => {
            scaling();
            chain();
            resnet18();
        }
        ["chain-in-this-process", inputs, norm] => {
            chain_in_this_process(inputs.parse().expect("a number"), norm.parse().expect("a norm"));
        }
        _ => {
            eprintln!("error: usage: large [scaling|chain|resnet18|all]");
            std::process::exit(2);
        }
    }
}

fn scaling() {
    println!("one sweep, {COLUMNS} columns: four 3x3 convolutions and one output, l2");
    scaling_of("larger maps", [(12, 64), (24, 64), (44, 64), (68, 64)]);
    scaling_of("more channels", [(32, 24), (32, 48), (32, 80), (32, 136)]);
    println!();
}

/// Four chains, (size, channels) of their feature maps.
fn scaling_of(what: &str, shapes: [(usize, usize); 4]) {
    let networks = shapes.map(|(size, channels)| networks::chain(size, channels, channels));
    let networks = networks.each_ref().map(|network| SlopeNetwork::everywhere(network).expect("bounded slopes"));
    let vector_networks = networks.each_ref().map(|network| networks::vector_network(network));
    let mut sweeps = vector_networks.each_ref().map(Sweeps::new);
    // in turns, so that what else the machine does meets all alike
    (0..=SWEEPS).for_each(|_| sweeps.iter_mut().for_each(Sweeps::time));
    print_sweeps_header();
    for ((size, channels), sweeps) in shapes.iter().zip(&sweeps) {
        print_sweeps(&format!("{size}x{size}x{channels}"), sweeps);
    }
    let points = sweeps.each_ref().map(|s| (s.multiply_adds(), s.median()));
    println!("{what}: time grows like multiply-adds to the power {:.3}", networks::exponent(&points));
}

fn print_sweeps_header() {
    println!("{:<12} {:>13} {:>9} {:>8} {:>8}", "feature maps", "multiply-adds", "median s", "best s", "GMAC/s");
}

fn print_sweeps(name: &str, sweeps: &Sweeps<'_>) {
    let (work, median) = (sweeps.multiply_adds(), sweeps.median());
    println!("{name:<12} {work:>13.3e} {median:>9.4} {:>8.4} {:>8.2}", sweeps.best(), work / median / 1e9);
}

fn chain() {
    let program = std::env::current_exe().expect("this program is a file");
    for inputs in ["3", "64"] {
        println!("32x32x{inputs} input, four 3x3 convolutions with 32x32x64 feature maps, one output");
        print_bound_header();
        for norm in ["l2", "linf"] {
            let run = process::run(Command::new(&program).args(["chain-in-this-process", inputs, norm]));
            print_bound(norm, &run, &run.json);
        }
    }
    println!();
}

/// Prints a bound as the command line does.
fn chain_in_this_process(inputs: usize, norm: InputNorm) {
    let network = networks::chain(32, 64, inputs);
    let options = Options { norm, tol: 1e-3, ..Options::default() };
    let report = bound(&network, &options, &Silent).expect("the chain has a bound");
    let bound = &report.bounds[0];
    let json = json!({
        "upper": bound.upper(),
        "failure_probability": bound.certificate.failure_probability(),
        "relaxation": bound.relaxation,
        "pattern_lower": bound.pattern_lower,
        "stop": bound.stop,
        "iterations": bound.iterations,
        "rank": bound.rank,
    });
    println!("{json}");
}

fn print_bound_header() {
    println!(
        "{:>4} {:>12} {:>12} {:>8} {:>12} {:>10} {:>10} {:>6} {:>4} {:>7} {:>9} {:>8}",
        "norm",
        "upper",
        "relaxation",
        "gap",
        "pattern",
        "failure p",
        "stop",
        "sweeps",
        "rank",
        "s",
        "cores x s",
        "peak MiB"
    );
}

fn print_bound(norm: &str, run: &Run, bound: &serde_json::Value) {
    let number = |name: &str| bound[name].as_f64().unwrap_or(f64::NAN);
    println!(
        "{norm:>4} {:>12.6} {:>12.6} {:>8.1e} {:>12.6} {:>10.0e} {:>10} {:>6} {:>4} {:>7.1} {:>9.1} {:>8.0}",
        number("upper"),
        number("relaxation"),
        number("upper") / number("relaxation") - 1.0,
        number("pattern_lower"),
        number("failure_probability"),
        bound["stop"].as_str().unwrap_or_default(),
        bound["iterations"],
        bound["rank"],
        run.time.as_secs_f64(),
        run.processor.as_secs_f64(),
        run.peak_mib()
    );
}

fn resnet18() {
    let folder = process::target().join("large");
    let path = folder.join("resnet18.onnx");
    std::fs::create_dir_all(&folder).expect("the target folder can be written to");
    std::fs::write(&path, resnet::resnet18()).expect("the target folder can be written to");

    let run = process::run(
        Command::new(process::geolip()).args(["bound", "--norm", "l2", "--output", "0", "--json"]).arg(&path),
    );
    let (neurons, parameters) = (resnet::NEURONS, resnet::PARAMETERS);
    assert_eq!(run.json["network"]["neurons"], neurons, "it is a ResNet-18");
    println!("ResNet-18 for 32x32 images: {neurons} neurons, {parameters} parameters, one output, whole process");
    print_bound_header();
    print_bound("l2", &run, &run.json["bounds"][0]);

    let imported = load(&path, &ImportOptions::default()).expect("it was just bounded");
    let network = SlopeNetwork::everywhere(&imported.network).expect("bounded slopes");
    let vector_network = networks::vector_network(&network);
    let mut sweeps = Sweeps::new(&vector_network);
    (0..=SWEEPS).for_each(|_| sweeps.time());
    println!("one sweep, {COLUMNS} columns");
    print_sweeps_header();
    print_sweeps("ResNet-18", &sweeps);
}
