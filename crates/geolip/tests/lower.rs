//! Bounds from below against independent references. Without `../shared` beside the checkout these tests say so and pass.

mod support;

use geolip::import::{ImportOptions, load};
use geolip::{InputNorm, Network, Options, Outputs, Silent, bound};
use std::path::{Path, PathBuf};
use std::time::Instant;
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

/// Rows whose reference was found by a longer search than the test's: the part of it that is required.
const HARDER: [(&str, &str, &str, f64); 1] = [("berkeley_elu/policy_biped_25hz_a.onnx", "linf", "0", 0.97)];

fn one(network: &Network, norm: InputNorm, output: &str, effort: f64) -> geolip::Bound {
    let outputs = Outputs::One(output.parse().expect("an output"));
    let report = bound(network, &Options { norm, effort, outputs, ..Options::default() }, &Silent).expect("a bound");
    report.bounds.into_iter().next().expect("one output was asked for")
}

/// pattern_lower ≥ fgl_lower of the reference tables for dense networks, at ten times the usual effort, and the real input
/// has the gradient it claims.
#[test]
fn patterns_meet_the_best_ones_known() {
    let Some(shared) = shared() else { return };
    let mut rows = table(shared.join("reference/reference_own.tsv"));
    rows.extend(table(shared.join("reference/reference_dev.tsv")));
    let mut last: Option<(String, Network)> = None;
    let mut met = 0;
    for row in rows.iter().filter(|row| row.len() > 7 && !row[0].contains("vit")) {
        if last.as_ref().is_none_or(|(file, _)| *file != row[0]) {
            last = Some((row[0].clone(), import(&shared.join("nets").join(&row[0]))));
        }
        let network = &last.as_ref().expect("a network was read").1;
        let Ok(reference) = row[6].parse::<f64>() else { continue };
        if network.neurons() > 2000 {
            continue;
        }
        let found = one(network, row[2].parse().expect("a norm"), &row[3], 10.0);
        let harder =
            HARDER.iter().find(|(file, norm, output, _)| (*file, *norm, *output) == (&row[0], &row[2], &row[3]));
        let part = harder.map_or(1.0 - 1e-9, |harder| harder.3);
        let at = format!("{}, {}, output {}", row[0], row[2], row[3]);
        assert!(found.pattern_lower >= reference * part, "{at}: {} of {reference}", found.pattern_lower);
        assert!(found.witness.lower <= found.pattern_lower && found.pattern_lower <= found.upper(), "{at}");
        met += 1;
    }
    println!("{met} reference rows met");
    assert!(met >= 150, "the tables hold more rows than {met}");
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
    for row in table(shared.join("reference/exact_1d.tsv")) {
        let network = import(&shared.join("nets").join(&row[0]));
        let found = one(&network, InputNorm::Linf, "0", 1.0).witness;
        let (exact, pieces): (f64, usize) = (row[2].parse().expect("a number"), row[4].parse().expect("a number"));
        assert!((found.lower / exact - 1.0).abs() < 1e-8, "{}: {} of {exact}", row[0], found.lower);
        println!("{}: {:?} pieces, {pieces} in the table", row[0], found.pieces);
        assert!(found.pieces.is_some_and(|found| found >= pieces), "{}", row[0]);
    }
}

#[test]
#[ignore = "prints a table"]
fn print_table() {
    let Some(shared) = shared() else { return };
    let only = std::env::var("ONLY").unwrap_or_default();
    let most: usize = std::env::var("MOST").ok().and_then(|m| m.parse().ok()).unwrap_or(3000);
    let mut rows = table(shared.join("reference/reference_own.tsv"));
    rows.extend(table(shared.join("reference/reference_dev.tsv")));
    let mut exact: Vec<(String, String, String, f64)> = Vec::new();
    for row in table(shared.join("reference/reference_exact.tsv")) {
        exact.push((row[0].clone(), row[2].clone(), row[3].clone(), row[4].parse().expect("number")));
    }
    for row in table(shared.join("reference/reference_bb.tsv")) {
        exact.push((row[0].clone(), row[2].clone(), row[3].clone(), row[4].parse().expect("number")));
    }
    let mut last: Option<(String, Network)> = None;
    for row in rows.iter().filter(|row| row.len() > 7 && row[0].contains(&only) && !row[0].contains("vit")) {
        if last.as_ref().is_none_or(|(f, _)| *f != row[0]) {
            last = Some((row[0].clone(), import(&shared.join("nets").join(&row[0]))));
        }
        let network = &last.as_ref().expect("set").1;
        if network.neurons() > most {
            println!("skip {}", row[0]);
            continue;
        }
        let number = |column: usize| row[column].parse::<f64>().unwrap_or(f64::NAN);
        let norm: InputNorm = row[2].parse().expect("norm");
        let effort = std::env::var("EFFORT").ok().and_then(|m| m.parse().ok()).unwrap_or(1.0);
        let options = Options { norm, effort, outputs: Outputs::One(row[3].parse().expect("o")), ..Options::default() };
        let started = Instant::now();
        let report = bound(network, &options, &Silent).expect("bound");
        let seconds = started.elapsed().as_secs_f64();
        let b = &report.bounds[0];
        let known = exact.iter().find(|e| e.0 == row[0] && e.1 == row[2] && e.2 == row[3]).map_or(f64::NAN, |e| e.3);
        println!(
            "{}\t{}\t{}\t{}\tpat {:.6}\tref {:.6}\texact {:.6}\treal {:.6}\treftrue {:.6}\tup {:.6}\tr {:.5}\t{:.5}\trr {:.4}\t{}\t{:.3}s of {:.3}s",
            row[0],
            network.neurons(),
            row[2],
            row[3],
            b.pattern_lower,
            number(6),
            known,
            b.witness.lower,
            number(7),
            b.upper(),
            b.pattern_lower / number(6),
            b.pattern_lower / known,
            b.witness.lower / number(7),
            if b.pattern_lower < number(6) * (1.0 - 1e-9) { "BELOW" } else { "" },
            seconds - b.time.as_secs_f64(),
            seconds
        );
    }
}
