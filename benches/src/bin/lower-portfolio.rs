//! What each strategy of the search for steep inputs finds and costs, as tables in Markdown.
//!
//! ```sh
//! cargo run --release -p geolip-benches --bin lower-portfolio > tables.md
//! ```
//!
//! Networks: every ONNX file of models/ and reproduce/networks, and small random ones with what those lack. The first four
//! outputs; ℓ∞ and ℓ2; everywhere, on a wide box and on a narrow ball. For a strategy, of the bounds of the questions where it
//! runs: how often the best input is its own; what the others lack without it, in parts of what all together reach (the mean,
//! and the most); its share of the time; and the time of the others without it, in units of that of all together. Names of places as arguments: only these. Not a test: it asserts nothing.

use geolip::import::{ImportOptions, load};
use geolip::lower::{Found, GradientBound, InputRules, InputSearch, Realiser, Strategy};
use geolip::matrix::Matrix;
use geolip::network::{Activation, LinearMap, NetworkBuilder};
use geolip::place::{Region, RegionNorm};
use geolip::relaxation::{Pattern, PatternRules};
use geolip::slopes::SlopeNetwork;
use geolip::{Functional, InputNorm, Network, Options, Silent, bound};
use geolip_benches::networks::{Random, chain};
use geolip_benches::process;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Outputs of a network that are asked about, at most.
const OUTPUTS: usize = 4;
/// Where questions are asked: a name, and how far from 0.5 the inputs may be in which norm.
const PLACES: [(&str, Option<(f64, RegionNorm)>); 3] =
    [("everywhere", None), ("box", Some((0.1, RegionNorm::Linf))), ("ball", Some((0.2, RegionNorm::L2)))];

/// What is known of one strategy.
#[derive(Clone, Default)]
struct Row {
    lost: Vec<f64>,
    wins: usize,
    time: Duration,
    /// Of all strategies, and of the others, where it runs.
    together: Duration,
    others: Duration,
}

fn main() {
    let networks = networks();
    let asked: Vec<String> = std::env::args().skip(1).collect();
    for (place, around) in PLACES.into_iter().filter(|(place, _)| asked.is_empty() || asked.iter().any(|a| a == place))
    {
        println!("\n| {place} | best input is its own | lost without it: mean | most | time | time without it |");
        println!("| --- | --- | --- | --- | --- | --- |");
        let mut rows = vec![Row::default(); Strategy::ALL.len()];
        for (name, network) in &networks {
            for norm in [InputNorm::Linf, InputNorm::L2] {
                eprintln!("{place} {norm} {name}");
                let centre = vec![0.5; network.inputs()];
                let region = around.map(|(r, of)| Region::around(&centre, r, of, None).expect("a region"));
                question(name, network, norm, region, &mut rows);
            }
        }
        let all: Duration = rows.iter().map(|row| row.time).sum();
        for (strategy, row) in Strategy::ALL.iter().zip(&rows).filter(|(_, row)| !row.lost.is_empty()) {
            print(*strategy, row, all);
        }
    }
}

/// The networks, with their names.
fn networks() -> Vec<(String, Network)> {
    let root = process::root();
    let mut files: Vec<PathBuf> = ["models", "reproduce/networks"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the networks are in the repository"))
        .map(|entry| entry.expect("a name").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    files.sort();
    let load = |file: &PathBuf| load(file, &ImportOptions::default()).expect("it is an ONNX file").network;
    let mut networks: Vec<(String, Network)> =
        files.iter().map(|file| (file.display().to_string(), load(file))).collect();
    networks.push(("convolutions".into(), chain(6, 4, 1)));
    for (name, widths, activation) in [
        ("relu", &[1, 20, 20, 2], Activation::Relu),
        ("relu", &[2, 30, 30, 3], Activation::Relu),
        ("abs", &[10, 40, 30, 3], Activation::Abs),
        ("tanh", &[10, 40, 30, 3], Activation::Tanh),
        ("gelu", &[40, 20, 20, 3], Activation::Gelu),
    ] {
        networks.push((format!("{name} {widths:?}"), dense(widths, &activation)));
    }
    networks
}

/// Dense layers of these widths, with random weights and biases.
fn dense(widths: &[usize], activation: &Activation) -> Network {
    let mut random = Random(widths.iter().sum::<usize>() as u64);
    let mut b = NetworkBuilder::new(widths[0]).expect("there are inputs");
    let mut at = b.input();
    for (layer, pair) in widths.windows(2).enumerate() {
        let map = LinearMap::Dense(Matrix::from_vec(pair[1], pair[0], random.weights(pair[0] * pair[1], pair[0])));
        at = b.affine(&format!("h{layer}"), vec![(at, map)], Some(random.weights(pair[1], 4))).expect("they agree");
        if layer + 2 < widths.len() {
            at = b.activate(&format!("z{layer}"), at, activation.clone()).expect("it has no parameters");
        }
    }
    b.finish(at)
}

/// Asks all strategies together, and all but each.
fn question(name: &str, network: &Network, norm: InputNorm, region: Option<Region>, rows: &mut [Row]) {
    let options = Options { norm, region: region.clone(), ..Options::default() };
    let report = bound(network, &options, &Silent).expect("it has a bound");
    let network = &match region {
        None => SlopeNetwork::everywhere(network).expect("bounded slopes"),
        Some(region) => SlopeNetwork::new(network, region).expect("it fits"),
    };
    let bounds = &report.bounds[..report.bounds.len().min(OUTPUTS)];
    let functionals: Vec<Functional> = bounds.iter().map(|b| b.functional.clone()).collect();
    let patterns: Vec<Pattern> = bounds.iter().map(|b| b.pattern.clone()).collect();
    // as much as a bound by default gets, roughly: what its ascent took, and some more
    let spent = bounds.iter().map(|b| b.iterations * b.rank).sum::<usize>() / bounds.len();
    let spent = ((spent * network.multiply_adds()) as f64).min(1e9);
    let rules = InputRules { work: 2.0 * (PatternRules::DEFAULT.work + spent), seed: 0 };
    let (exact, realiser) = (GradientBound::new(network, norm), Realiser::new(network));
    let (functionals, patterns) = (functionals.as_slice(), patterns.as_slice());
    let (exact, realiser) = (&exact, realiser.as_ref());
    let search = InputSearch { network, norm, exact, functionals, patterns, realiser, rules };
    let timed = |strategies: &[Strategy]| {
        let started = Instant::now();
        (search.run(strategies), started.elapsed())
    };
    let (all, together) = timed(&Strategy::ALL);
    for (strategy, time) in &all.times {
        let row = &mut rows[Strategy::ALL.iter().position(|other| other == strategy).expect("it is one of all")];
        row.time += *time;
        row.together += together;
        row.wins += all.winners.iter().filter(|winner| **winner == Some(*strategy)).count();
        let others: Vec<Strategy> = Strategy::ALL.into_iter().filter(|other| other != strategy).collect();
        let (some, time) = timed(&others);
        row.others += time;
        let lost = lost(&some, &all);
        let most = lost.iter().copied().fold(0.0, f64::max);
        if most > 1e-4 {
            eprintln!("  without {strategy:?}: {most:.1e} ({name})");
        }
        row.lost.extend(lost);
    }
}

/// What some lack of what all reach, in parts of that, per bound.
fn lost(some: &Found, all: &Found) -> Vec<f64> {
    let pairs = some.witnesses.iter().zip(&all.witnesses);
    pairs.map(|(some, all)| if all.lower > 0.0 { 1.0 - some.lower / all.lower } else { 0.0 }).collect()
}

fn print(strategy: Strategy, row: &Row, all: Duration) {
    let mean = |v: &[f64]| part(v.iter().sum::<f64>() / v.len() as f64);
    let most = |v: &[f64]| part(v.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    println!(
        "| {strategy:?} | {} of {} | {} | {} | {:.1} % | {:.2} |",
        row.wins,
        row.lost.len(),
        mean(&row.lost),
        most(&row.lost),
        100.0 * row.time.as_secs_f64() / all.as_secs_f64(),
        row.others.as_secs_f64() / row.together.as_secs_f64()
    );
}

/// A part of the whole: nothing at all, below a hundred-thousandth, or two digits.
fn part(value: f64) -> String {
    match value {
        v if v < -1e-5 => format!("−{}", part(-v)),
        v if v.abs() < 1e-5 => "0".into(),
        v => format!("{v:.1e}"),
    }
}
