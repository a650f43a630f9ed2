//! Values against those of independent solvers: for the project's own networks from the table of its reproduction, for networks
//! others trained from tables that are not part of this project (without `../shared` beside the checkout these tests say so and
//! pass).

mod support;

use geolip::matrix::Matrix;
use geolip::network::NodeId;
use geolip::place::{Region, RegionNorm};
use geolip::proof::check_file;
use geolip::{InputNorm, Network, Options, Outputs, Silent, bound};
use support::files::{import, root, shared, table};

fn solve(network: &Network, norm: InputNorm, output: usize) -> geolip::Bound {
    solve_to(Options::default().tol, network, norm, output)
}

fn solve_to(tol: f64, network: &Network, norm: InputNorm, output: usize) -> geolip::Bound {
    // (without what may be better than the relaxation)
    let options = Options { norm, outputs: Outputs::One(output), tol, relaxation_only: true, ..Options::default() };
    let report = bound(network, &options, &Silent).expect("a reference network has a bound");
    check_file(network, &report.certificate_file(network)).expect("its certificate is accepted");
    report.bounds.into_iter().next().expect("one output was asked for")
}

/// CSDP, DSDP and brute force on the networks of `reproduce/`, as its results have them: the solvers stop at gaps of 1e-6 or so, and
/// what brute force attains no bound may lie below.
#[test]
fn other_solvers_find_other_values() {
    let results = root().join("reproduce/results/2026-11-23-amd-epyc-2-cores/rows.tsv");
    let (mut met, mut known) = (0, std::collections::HashMap::new());
    for row in table(results) {
        let [network, norm, method, status] = [&row[1], &row[2], &row[3], &row[4]].map(String::as_str);
        let is_solver = method.ends_with("CSDP") || method.ends_with("DSDP");
        let is_small = ["784-8-10", "784-16-10", "784-64-10"].iter().any(|name| network.starts_with(name));
        if status != "ok" || !is_small || !(is_solver || method == "brute force") {
            continue;
        }
        let file = root().join("reproduce/networks").join(format!("digits-{}.onnx", network.replace(' ', "-")));
        let values: std::collections::BTreeMap<String, f64> = serde_json::from_str(&row[11]).expect("values");
        for (output, value) in values {
            let (output, norm): (usize, InputNorm) = (output.parse().expect("a number"), norm.parse().expect("a norm"));
            let upper = *known
                .entry((file.clone(), norm.to_string(), output))
                .or_insert_with(|| solve(&import(&file), norm, output).upper());
            if method == "brute force" {
                assert!(value <= upper, "{network} {norm} {output}: {upper} is below {value}");
            } else {
                let off = (upper / value - 1.0).abs();
                assert!(off < 3e-6, "{network} {norm} {output}: {upper} against {value} of {method}");
            }
            met += 1;
        }
    }
    assert!(met > 100, "{met}");
}

/// The files of the tables.
const FILES: [&str; 42] = [
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
    "eclipse_mat/eclipse_mnist_base.mat",
    "eclipse_mat/eclipse_mnist_lyr3n100test1.mat",
    "eclipse_mat/eclipse_rand_lyr5n10.mat",
    "glipsdp_mat/glipsdp_fnn2_seed0_weights.mat",
    "glipsdp_mat/glipsdp_fnn3_seed0_weights.mat",
    "lipmip_mat/lipmip_40023ce1.mat",
    "lipsdp_mat/lipsdp_mnist_weights.mat",
    "lipsdp_mat/lipsdp_random_weights.mat",
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
    "omlt/gemm_not_transB.onnx",
    "omlt/keras_linear_131_relu.onnx",
    "vnn_test/test_nano.onnx",
    "vnn_test/test_small.onnx",
    "marabou/oneInput_twoBranches.onnx",
    "marabou/linear2-3_bn1-linear3-1.onnx",
];

/// Convolutional files of the tables, with how many of their rows are tried: the pooled one takes a minute a row.
const CONVOLUTIONAL: [(&str, usize); 5] = [
    ("vnn_oval21/cifar_base_kw.onnx", 6),
    ("vnn_resnet/resnet_2b.onnx", 2),
    ("vnn_verivital/Convnet_avgpool.onnx", 2),
    ("vnn_verivital/Convnet_maxpool.onnx", 1),
    ("dnnv/convSmallRELU__Point.onnx", 6),
];

/// Its comparisons share neurons since, which the tables do not know: the relaxation of what is left is smaller.
const SHARED: &str = "vnn_tll/tll_N8_0.onnx";

/// upper ∈ [sdp_value_lo, sdp_value_hi·(1 + 1e-6)], relaxation within 1e-6 of upper, lower bounds below the reference's
/// upper ends, for every row of the tables of these files.
#[test]
fn bounds_meet_the_reference_relaxation() {
    let Some(shared) = shared() else { return };
    let mut rows = table(shared.join("reference/reference_own.tsv"));
    rows.extend(table(shared.join("reference/reference_dev.tsv")));
    let mut checked = 0;
    for file in FILES {
        let own: Vec<&Vec<String>> = rows.iter().filter(|row| row[0] == file && row.len() > 7).collect();
        if own.is_empty() {
            continue;
        }
        let network = import(&shared.join("nets").join(file));
        for row in own {
            let number = |column: usize| row[column].parse::<f64>().expect("a number");
            let (norm, output) = (row[2].parse().expect("a norm"), row[3].parse().expect("an output"));
            let bound = solve(&network, norm, output);
            let at = format!("{file}, {norm}, output {output}");
            let below = bound.upper() < number(4) * (1.0 - 1e-9);
            assert!(file == SHARED || !below, "{at}: {} is below {}", bound.upper(), number(4));
            assert!(bound.upper() <= number(5) * (1.0 + 1e-6), "{at}: {} is above {}", bound.upper(), number(5));
            assert!(bound.upper() - bound.relaxation <= 1e-6 * bound.upper(), "{at}: loose certificate");
            assert!(bound.pattern_lower <= number(5) * (1.0 + 1e-9), "{at}: pattern {}", bound.pattern_lower);
            checked += 1;
        }
    }
    println!("{checked} reference rows met");
    assert!(checked >= 168, "the tables hold more rows than {checked}");
}

/// The same for convolutional files, to 1e-5.
#[test]
fn bounds_of_convolutional_networks_meet_the_reference_relaxation() {
    let Some(shared) = shared() else { return };
    let rows = table(shared.join("reference/reference_dev.tsv"));
    for (file, count) in CONVOLUTIONAL {
        let own: Vec<&Vec<String>> = rows.iter().filter(|row| row[0] == file && row.len() > 7).collect();
        assert!(own.len() >= count, "the table holds {file}");
        let network = import(&shared.join("nets").join(file));
        for row in &own[..count] {
            let number = |column: usize| row[column].parse::<f64>().expect("a number");
            let (norm, output) = (row[2].parse().expect("a norm"), row[3].parse().expect("an output"));
            let bound = solve_to(8e-6, &network, norm, output);
            let at = format!("{file}, {norm}, output {output}");
            assert_eq!(bound.certificate.failure_probability(), 0.0, "{at} is verified");
            assert!(bound.upper() >= number(4) * (1.0 - 1e-9), "{at}: {} is below {}", bound.upper(), number(4));
            assert!(bound.upper() <= number(5) * (1.0 + 1e-5), "{at}: {} is above {}", bound.upper(), number(5));
            assert!(bound.pattern_lower <= number(5) * (1.0 + 1e-9), "{at}: pattern {}", bound.pattern_lower);
        }
    }
}

/// Brute-force values: pattern_lower ≤ FGL ≤ upper.
#[test]
fn exact_values_lie_between_the_bounds() {
    let Some(shared) = shared() else { return };
    let rows = table(shared.join("reference/reference_exact.tsv"));
    let mut checked = 0;
    for row in rows.iter().filter(|row| FILES.contains(&row[0].as_str())) {
        let network = import(&shared.join("nets").join(&row[0]));
        let exact: f64 = row[4].parse().expect("a number");
        let bound = solve(&network, row[2].parse().expect("a norm"), row[3].parse().expect("an output"));
        let at = format!("{}, {}, output {}", row[0], row[2], row[3]);
        assert!(bound.upper() >= exact * (1.0 - 1e-12), "{at}: {} is below {exact}", bound.upper());
        assert!(bound.pattern_lower <= exact * (1.0 + 1e-9), "{at}: {} is above {exact}", bound.pattern_lower);
        checked += 1;
    }
    assert!(checked >= 34, "the table holds more rows than {checked}");
}

/// Networks without activations: the spectral norm of their Jacobian, by power iteration on the imported network.
#[test]
fn affine_networks_have_the_exact_spectral_norm() {
    let Some(shared) = shared() else { return };
    for row in table(shared.join("reference/affine_exact.tsv")) {
        let network = import(&shared.join("nets").join(&row[0]));
        assert_eq!(network.neurons(), 0, "{} is affine", row[0]);
        let exact: f64 = row[1].parse().expect("a number");
        let mut x = Matrix::from_fn(network.inputs(), 1, |i, _| 1.0 + (i as f64).sin());
        let mut found = 0.0;
        for _ in 0..2000 {
            let y = support::everywhere(&network).forward(&[], &x);
            let length = |m: &Matrix| m.data().iter().map(|v| v * v).sum::<f64>().sqrt();
            found = length(y.of(network.output())) / length(&x);
            let back = support::everywhere(&network).adjoint(&[], y.of(network.output())).of(NodeId::INPUT).clone();
            let scale = length(&back);
            x = Matrix::from_fn(network.inputs(), 1, |i, _| back.at(i, 0) / scale);
        }
        assert!((found / exact - 1.0).abs() <= 1e-5, "{}: {found}, not {exact}", row[0]);
        let whole = Options { norm: InputNorm::L2, outputs: "l2".parse().expect("a norm"), ..Options::default() };
        let whole = bound(&network, &whole, &Silent).expect("bounded").upper();
        assert!(whole >= found * (1.0 - 1e-12), "{}: {whole} is below {found}", row[0]);
        assert!((whole / exact - 1.0).abs() <= 1e-5, "{}: {whole}, not {exact}", row[0]);
        for output in 0..network.outputs() {
            let upper = solve(&network, InputNorm::L2, output).upper();
            assert!(upper <= found * (1.0 + 1e-6), "{}: output {output} has {upper}", row[0]);
            assert!(network.outputs() > 1 || upper >= found * (1.0 - 1e-12), "{}: {upper} is below {found}", row[0]);
        }
    }
}

/// Single-input networks whose exact Lipschitz constant is known.
#[test]
fn true_lipschitz_constants_are_never_exceeded_from_below() {
    let Some(shared) = shared() else { return };
    for row in table(shared.join("reference/exact_1d.tsv")).iter().filter(|row| row[1] == "[-inf,inf]") {
        let network = import(&shared.join("nets").join(&row[0]));
        let exact: f64 = row[2].parse().expect("a number");
        for norm in [InputNorm::Linf, InputNorm::L2] {
            let bound = solve(&network, norm, 0);
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
        let network = import(&file);
        // the lower of the two published solver runs is the tighter feasible point, both within 1e-6 of the optimum
        let published: f64 = row[3].parse().expect("a number");
        let bound = solve(&network, InputNorm::L2, 7);
        let difference = (bound.upper() - published).abs() / published;
        assert!(difference <= 1e-6, "{} seed {}: {} against {published}", row[0], row[1], bound.upper());
        println!("{} seed {}: {} meets {published}", row[0], row[1], bound.upper());
    }
}

/// Local bounds: at most the relaxation's value on the intervals of the reference (IBP and CROWN), and never below what is
/// attained. Boxes around a centre, not clipped; the bound's norm is that of the table.
#[test]
fn local_bounds_meet_the_references() {
    let Some(shared) = shared() else { return };
    let (mut rows, mut worst, mut above) = (0, 0.0_f64, Vec::new());
    let mut networks: std::collections::BTreeMap<String, Network> = std::collections::BTreeMap::new();
    for (index, row) in table(shared.join("reference/reference_local_dev.tsv")).into_iter().enumerate() {
        // a convolutional network takes many seconds each
        if row[0].contains("cifar") && index % 6 != 0 {
            continue;
        }
        let (file, norm) = (row[0].clone(), row[4].parse().expect("a norm"));
        let number = |column: usize| row[column].parse::<f64>().expect("a number");
        let (radius, output) = (number(3), row[5].parse().expect("an output"));
        let network = networks.entry(file.clone()).or_insert_with(|| import(&shared.join("nets").join(&file)));
        let centre = geolip::samples::load_rows(&shared.join("nets").join(&row[2])).expect("a centre").concat();
        let region = Region::around(&centre, radius, RegionNorm::Linf, None).expect("a region");
        let options = Options { norm, outputs: Outputs::One(output), region: Some(region), ..Options::default() };
        let report = bound(network, &options, &Silent).expect("a reference network has a bound");
        let upper = report.bounds[0].upper();
        let ratio = upper / number(13);
        eprintln!(
            "{file} {} {radius} {norm}: {upper} / {} = {ratio:.6}, lower {} of {}, {:.2} s",
            row[2],
            number(13),
            report.bounds[0].witness.lower,
            number(15),
            report.time.as_secs_f64()
        );
        assert!(upper >= number(15), "{file} {} {radius} {norm}: {upper} is below {}", row[2], row[15]);
        if upper > number(13) * (1.0 + 1e-4) {
            let stop = report.bounds[0].stop;
            above.push(format!("{file} {} {radius} {norm}: {upper} above {} ({stop})", row[2], row[13]));
        }
        check_file(network, &report.certificate_file(network)).expect("its certificate is accepted");
        worst = worst.max(ratio);
        rows += 1;
    }
    assert!(above.is_empty(), "{}", above.join("\n"));
    eprintln!("{rows} local references, at most {worst:.6} of the reference");
}
