//! Values against independent references for networks others trained. The networks and tables are not part of this project:
//! without `../shared` beside the checkout these tests say so and pass.

mod support;

use geolip::certificate::check_file;
use geolip::import::{ImportOptions, load};
use geolip::network::Activation;
use geolip::{InputNorm, Network, Options, Outputs, Silent, bound};
use std::path::PathBuf;
use support::mat;

/// `../shared`, or none with a printed reason.
fn shared() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} is not there (networks by others, not part of the project)", path.display());
    None
}

/// The rows of a table with a header line; lines that start with # are comments.
fn table(path: PathBuf) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).expect("a reference table can be read");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn solve(network: &Network, norm: InputNorm, output: usize) -> geolip::Bound {
    let options = Options { norm, outputs: Outputs::One(output), ..Options::default() };
    let report = bound(network, &options, &Silent).expect("a reference network has a bound");
    check_file(network, &report.certificate_file(network)).expect("its certificate is accepted");
    report.bounds.into_iter().next().expect("one output was asked for")
}

/// The files of the tables that this version has to import: fully-connected, without operators to come.
const DENSE: [&str; 28] = [
    "own/lipsdp_mnist.onnx",
    "own/lipsdp_random.onnx",
    "own/net2_8.onnx",
    "own/net2_16.onnx",
    "own/net2_64.onnx",
    "own/net2_64.npz",
    "own/net2_128.onnx",
    "own/net2_256.onnx",
    "own/net2_512.onnx",
    "own/net2_1024.onnx",
    "own/net3.onnx",
    "own/net3.npz",
    "own/net7.onnx",
    "own/net8.onnx",
    "ezkl/softplus.onnx",
    "archcomp/controller_single_pendulum.onnx",
    "berkeley_elu/policy_biped_25hz_a.onnx",
    "eclipse_mat/eclipse_lyr2n80test1.npz",
    "marabou/mnist2x5_sigmoid.onnx",
    "marabou/mnist5x20_leaky_relu.onnx",
    "marabou/tanh_test.onnx",
    "vnn_acasxu/ACASXU_run2a_1_1_batch_2000.onnx",
    "vnn_eran/ffnnSIGMOID__Point_6x200.onnx",
    "vnn_mnist_fc/mnist-net_256x2.onnx",
    "vnn_reach_prob/vdp.onnx",
    "vnn_rl/cartpole.onnx",
    "vnn_tll/tll_N8_0.onnx",
    "omlt/gemm_transB.onnx",
];

/// upper ∈ [sdp_value_lo, sdp_value_hi·(1 + 1e-6)], relaxation within 1e-6 of upper, lower bounds below the reference's
/// upper ends, for every row of the tables whose file is dense.
#[test]
fn bounds_meet_the_reference_relaxation() {
    let Some(shared) = shared() else { return };
    let mut rows = table(shared.join("reference/reference_own.tsv"));
    rows.extend(table(shared.join("reference/reference_dev.tsv")));
    let mut checked = 0;
    for file in DENSE {
        let own: Vec<&Vec<String>> = rows.iter().filter(|row| row[0] == file && row.len() > 7).collect();
        if own.is_empty() {
            continue;
        }
        let network = load(&shared.join("nets").join(file), &ImportOptions::default()).expect(file).network;
        for row in own {
            let number = |column: usize| row[column].parse::<f64>().expect("a number");
            let (norm, output) = (row[2].parse().expect("a norm"), row[3].parse().expect("an output"));
            let bound = solve(&network, norm, output);
            let at = format!("{file}, {norm}, output {output}");
            assert!(bound.upper() >= number(4) * (1.0 - 1e-9), "{at}: {} is below {}", bound.upper(), number(4));
            assert!(bound.upper() <= number(5) * (1.0 + 1e-6), "{at}: {} is above {}", bound.upper(), number(5));
            assert!(bound.upper() - bound.relaxation <= 1e-6 * bound.upper(), "{at}: loose certificate");
            assert!(bound.pattern_lower <= number(5) * (1.0 + 1e-9), "{at}: pattern {}", bound.pattern_lower);
            checked += 1;
        }
    }
    println!("{checked} reference rows met");
    assert!(checked >= 100, "the tables hold more dense rows than {checked}");
}

/// Brute-force values: pattern_lower ≤ FGL ≤ upper.
#[test]
fn exact_values_lie_between_the_bounds() {
    let Some(shared) = shared() else { return };
    let rows = table(shared.join("reference/reference_exact.tsv"));
    let mut checked = 0;
    for row in rows.iter().filter(|row| DENSE.contains(&row[0].as_str())) {
        let network = load(&shared.join("nets").join(&row[0]), &ImportOptions::default()).expect(&row[0]).network;
        let exact: f64 = row[4].parse().expect("a number");
        let bound = solve(&network, row[2].parse().expect("a norm"), row[3].parse().expect("an output"));
        let at = format!("{}, {}, output {}", row[0], row[2], row[3]);
        assert!(bound.upper() >= exact * (1.0 - 1e-12), "{at}: {} is below {exact}", bound.upper());
        assert!(bound.pattern_lower <= exact * (1.0 + 1e-9), "{at}: {} is above {exact}", bound.pattern_lower);
        checked += 1;
    }
    assert!(checked >= 20, "the table holds more dense rows than {checked}");
}

/// Single-input networks whose exact Lipschitz constant is known.
#[test]
fn true_lipschitz_constants_are_never_exceeded_from_below() {
    let Some(shared) = shared() else { return };
    for row in table(shared.join("reference/exact_1d.tsv")).iter().filter(|row| row[1] == "[-inf,inf]") {
        let Ok(imported) = load(&shared.join("nets").join(&row[0]), &ImportOptions::default()) else { continue };
        let exact: f64 = row[2].parse().expect("a number");
        for norm in [InputNorm::Linf, InputNorm::L2] {
            let bound = solve(&imported.network, norm, 0);
            assert!(bound.upper() >= exact * (1.0 - 1e-9), "{}: {} is below {exact}", row[0], bound.upper());
            assert!(bound.witness.lower <= exact * (1.0 + 1e-9), "{}: {}", row[0], bound.witness.lower);
        }
    }
}

/// LipSDP values published with GLipSDP for digits networks (output row 8 counted from 1, ℓ2, without the scaler).
#[test]
fn published_lipsdp_values_are_met() {
    let Some(shared) = shared() else { return };
    for row in table(shared.join("reference/glipsdp_digits_reference.tsv")) {
        let file = shared.join(format!("nets/glipsdp_mat/glipsdp_{}_seed{}_weights.mat", row[0], row[1]));
        if !row[0].starts_with("fnn") || !file.exists() {
            continue;
        }
        let network = mat::dense_chain(&std::fs::read(file).expect("readable"), &Activation::Relu);
        // the lower of the two published solver runs is the tighter feasible point, both within 1e-6 of the optimum
        let published: f64 = row[3].parse().expect("a number");
        let bound = solve(&network, InputNorm::L2, 7);
        let difference = (bound.upper() - published).abs() / published;
        assert!(difference <= 1e-6, "{} seed {}: {} against {published}", row[0], row[1], bound.upper());
        println!("{} seed {}: {} meets {published}", row[0], row[1], bound.upper());
    }
}
