//! What each strategy of the search for steep inputs finds and costs, as a table in Markdown.
//!
//! ```sh
//! cargo run --release -p geolip-benches --bin lower-portfolio > table.md
//! ```
//!
//! Networks: every ONNX file of models/ and reproduce/networks, ten outputs each, ℓ2 and ℓ∞, everywhere and on the box of all
//! inputs with entries from 0.4 to 0.6. For a strategy: the part of what all together reach that it reaches alone (the
//! mean of the ratios, and the smallest); what all lose without it (likewise); for how many outputs the best input is its own;
//! and its time among all, per network. Not a test: it asserts nothing.

use geolip::import::{ImportOptions, load};
use geolip::lower::{Found, GradientBound, InputRules, InputSearch, Realiser, Strategy};
use geolip::region::Region;
use geolip::relaxation::{Pattern, PatternRules};
use geolip::{Functional, InputNorm, Network, Options, Silent, bound};
use geolip_benches::process;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The box of the region.
const BOX: (f64, f64) = (0.4, 0.6);

/// What is known of one strategy.
#[derive(Default)]
struct Row {
    alone: Vec<f64>,
    without: Vec<f64>,
    wins: usize,
    time: Duration,
    runs: usize,
}

fn main() {
    let root = process::root();
    let mut files: Vec<PathBuf> = ["models", "reproduce/networks"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the networks are in the repository"))
        .map(|entry| entry.expect("a name").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    files.sort();
    let networks: Vec<Network> =
        files.iter().map(|file| load(file, &ImportOptions::default()).expect("it is an ONNX file").network).collect();
    println!("| where | norm | strategy | alone: mean | least | without: mean | least | wins | ms a network |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for region in [false, true] {
        for norm in [InputNorm::L2, InputNorm::Linf] {
            let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
            for (file, network) in files.iter().zip(&networks) {
                let place = region.then(|| {
                    let n = network.inputs();
                    Region::new_box(vec![BOX.0; n], vec![BOX.1; n]).expect("a box")
                });
                eprintln!("{norm} {} {}", if region { "region" } else { "everywhere" }, file.display());
                question(network, norm, place, &mut rows);
            }
            for (strategy, row) in &rows {
                print(if region { "region" } else { "everywhere" }, norm, Strategy::ALL[*strategy], row);
            }
        }
    }
}

/// Asks all strategies together, each alone, and all but each.
fn question(network: &Network, norm: InputNorm, region: Option<Region>, rows: &mut BTreeMap<usize, Row>) {
    let options = Options { norm, region: region.clone(), ..Options::default() };
    let report = bound(network, &options, &Silent).expect("it has a bound");
    let network = &region.map_or_else(|| network.clone(), |region| network.on(region).expect("it fits"));
    let functionals: Vec<Functional> = report.bounds.iter().map(|b| b.functional.clone()).collect();
    let patterns: Vec<Pattern> = report.bounds.iter().map(|b| b.pattern.clone()).collect();
    // as much as a bound by default gets, roughly: what its ascent took, and some more
    let spent: usize = report.bounds.iter().map(|b| b.iterations * b.rank).sum();
    let spent = (spent / report.bounds.len() * network.multiply_adds()) as f64;
    let rules = InputRules { work: 2.0 * (PatternRules::DEFAULT.work + spent), seed: 0 };
    let (exact, realiser) = (GradientBound::new(network, norm), Realiser::new(network));
    let search = InputSearch {
        network,
        norm,
        exact: &exact,
        functionals: &functionals,
        patterns: &patterns,
        realiser: realiser.as_ref(),
        rules,
    };
    let all = search.run(&Strategy::ALL);
    for (strategy, time) in &all.times {
        let row = rows.entry(index(*strategy)).or_default();
        row.time += *time;
        row.runs += 1;
        row.wins += all.winners.iter().filter(|winner| **winner == Some(*strategy)).count();
        row.alone.extend(ratios(&search.run(&[*strategy]), &all));
        let others: Vec<Strategy> = Strategy::ALL.into_iter().filter(|other| other != strategy).collect();
        row.without.extend(ratios(&search.run(&others), &all));
    }
}

fn index(strategy: Strategy) -> usize {
    Strategy::ALL.iter().position(|other| *other == strategy).expect("it is one of all")
}

/// What some reach of what all reach, per output.
fn ratios(some: &Found, all: &Found) -> Vec<f64> {
    let ratio = |(some, all): (f64, f64)| if all > 0.0 { some / all } else { 1.0 };
    let pairs = some.witnesses.iter().zip(&all.witnesses);
    pairs.map(|(some, all)| ratio((some.lower, all.lower))).collect()
}

fn print(place: &str, norm: InputNorm, strategy: Strategy, row: &Row) {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let least = |v: &[f64]| v.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "| {place} | {norm} | {strategy:?} | {:.4} | {:.3} | {:.4} | {:.3} | {} of {} | {:.1} |",
        mean(&row.alone),
        least(&row.alone),
        mean(&row.without),
        least(&row.without),
        row.wins,
        row.alone.len(),
        row.time.as_secs_f64() * 1e3 / row.runs as f64
    );
}
