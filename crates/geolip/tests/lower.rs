//! Bounds from below against independent references. Without `../shared` beside the checkout these tests say so and pass.

mod support;

use geolip::import::{ImportOptions, load};
use geolip::{InputNorm, Network, Options, Outputs, Silent, bound};
use std::path::{Path, PathBuf};
use support::files::shared;

/// The rows of a table with a header line; lines that start with # are comments.
fn table(path: PathBuf) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).expect("a reference table can be read");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// The network of a file. The matrices of GLipSDP's files are stored in x out.
fn import(path: &Path) -> Network {
    let transposed = path.to_string_lossy().contains("glipsdp_mat").then_some(true);
    let options = ImportOptions { transposed, ..ImportOptions::default() };
    load(path, &options).unwrap_or_else(|error| panic!("{error}")).network
}

fn one(network: &Network, norm: InputNorm, output: &str, effort: f64) -> geolip::Bound {
    let outputs = Outputs::One(output.parse().expect("an output"));
    let report = bound(network, &Options { norm, effort, outputs, ..Options::default() }, &Silent).expect("a bound");
    report.bounds.into_iter().next().expect("one output was asked for")
}

/// pattern_lower ≥ fgl_lower of the reference table for our own networks, at ten times the usual effort, and the real input
/// has the gradient it claims.
#[test]
fn patterns_meet_the_best_ones_known() {
    let Some(shared) = shared() else { return };
    let rows = table(shared.join("reference/reference_own.tsv"));
    let mut last: Option<(String, Network)> = None;
    let mut met = 0;
    for row in rows.iter().filter(|row| row.len() > 7) {
        if last.as_ref().is_none_or(|(file, _)| *file != row[0]) {
            last = Some((row[0].clone(), import(&shared.join("nets").join(&row[0]))));
        }
        let network = &last.as_ref().expect("a network was read").1;
        let Ok(reference) = row[6].parse::<f64>() else { continue };
        if network.neurons() > 2000 {
            continue;
        }
        let found = one(network, row[2].parse().expect("a norm"), &row[3], 10.0);
        let at = format!("{}, {}, output {}", row[0], row[2], row[3]);
        assert!(found.pattern_lower >= reference * (1.0 - 1e-9), "{at}: {} of {reference}", found.pattern_lower);
        assert!(found.witness.lower <= found.pattern_lower && found.pattern_lower <= found.upper(), "{at}");
        met += 1;
    }
    println!("{met} reference rows met");
    assert!(met >= 60, "the tables hold more rows than {met}");
}

/// Figures of the design: what sampling and the first linear programs reached.
#[test]
fn real_inputs_are_as_steep_as_those_of_the_design() {
    let Some(shared) = shared() else { return };
    for (file, output, least) in [("vnn_mnist_fc/mnist-net_256x2.onnx", "8", 2600.0), ("own/net8.onnx", "8", 351.0)] {
        let network = import(&shared.join("nets").join(file));
        let found = one(&network, InputNorm::Linf, output, 10.0).witness;
        assert!(found.lower >= least, "{file}: {}", found.lower);
    }
}

/// With one input, every linear piece is visited.
#[test]
fn one_input_is_solved_exactly() {
    let Some(shared) = shared() else { return };
    let rows = table(shared.join("reference/exact_1d.tsv"));
    for row in rows.iter().filter(|row| row[1] == "[-inf,inf]") {
        let network = import(&shared.join("nets").join(&row[0]));
        let found = one(&network, InputNorm::Linf, "0", 1.0).witness;
        let (exact, pieces): (f64, usize) = (row[2].parse().expect("a number"), row[4].parse().expect("a number"));
        assert!((found.lower / exact - 1.0).abs() < 1e-8, "{}: {} of {exact}", row[0], found.lower);
        println!("{}: {:?} pieces, {pieces} in the table", row[0], found.pieces);
        assert!(found.pieces.is_some_and(|found| found >= pieces), "{}", row[0]);
    }
}
