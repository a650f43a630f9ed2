//! Bounds from below against independent references. Without `../shared` beside the checkout these tests say so and pass.

mod support;

use geolip::network::{Activation, LinearMap, NetworkBuilder};
use geolip::{InputNorm, Matrix, Network, Options, Outputs, Silent, bound};
use support::files::{import, shared, shared_nets, table};

fn one(network: &Network, norm: InputNorm, output: &str, effort: f64) -> geolip::Bound {
    let outputs = Outputs::One(output.parse().expect("an output"));
    let report = bound(network, &Options { norm, effort, outputs, ..Options::default() }, &Silent).expect("a bound");
    report.bounds.into_iter().next().expect("one output was asked for")
}

/// pattern_lower ≥ fgl_lower of a reference table, for networks of at most so many neurons whose file is chosen; returns how
/// many rows there were.
fn meets(table_name: &str, most: usize, effort: f64, chosen: impl Fn(&str) -> bool) -> usize {
    let Some(shared) = shared() else { return usize::MAX };
    let rows = table(shared.join("reference").join(table_name));
    let mut last: Option<(String, Network)> = None;
    let mut met = 0;
    let mut missed = Vec::new();
    for row in rows.iter().filter(|row| row.len() > 7 && chosen(&row[0])) {
        if last.as_ref().is_none_or(|(file, _)| *file != row[0]) {
            last = Some((row[0].clone(), import(&shared.join("nets").join(&row[0]))));
        }
        let network = &last.as_ref().expect("a network was read").1;
        let Ok(reference) = row[6].parse::<f64>() else { continue };
        if network.neurons() > most {
            continue;
        }
        let found = one(network, row[2].parse().expect("a norm"), &row[3], effort);
        let at = format!("{}, {}, output {}", row[0], row[2], row[3]);
        assert!(found.witness.lower <= found.pattern_lower && found.pattern_lower <= found.upper(), "{at}");
        match found.pattern_lower >= reference * (1.0 - 1e-9) {
            true => met += 1,
            false => missed.push(format!("{at}: {} of {reference}", found.pattern_lower)),
        }
    }
    assert!(missed.is_empty(), "{met} met, not {missed:#?}");
    met
}

#[test]
fn patterns_meet_the_best_ones_known() {
    let few = ["own/net2_64.onnx", "own/net2_256.onnx", "own/net3.onnx", "own/lipsdp_mnist.onnx"];
    assert!(meets("reference_own.tsv", 2000, 1.0, |file| few.contains(&file)) >= 24);
}

#[test]
#[ignore = "minutes; cargo test --release -p geolip --test lower -- --ignored"]
fn patterns_of_all_networks_meet_the_best_ones_known() {
    assert!(meets("reference_own.tsv", 3000, 10.0, |_| true) >= 70);
    assert!(meets("reference_dev.tsv", 3000, 10.0, |file| !file.contains("vit")) >= 80);
}

/// Where the FGL is known, by brute force or by branch and bound, the pattern found is within 0.1 % of it, and never above.
#[test]
fn patterns_are_nearly_the_best() {
    let Some(shared) = shared() else { return };
    for (name, exact, above) in [("reference_exact.tsv", 4, 4), ("reference_bb.tsv", 4, 5)] {
        for row in table(shared.join("reference").join(name)) {
            let network = import(&shared.join("nets").join(&row[0]));
            let number = |column: usize| row[column].parse::<f64>().expect("a number");
            let found = one(&network, row[2].parse().expect("a norm"), &row[3], 1.0).pattern_lower;
            let at = format!("{}, {}, output {}: {found} of {}", row[0], row[2], row[3], number(exact));
            assert!(found >= number(exact) * 0.999 && found <= number(above) * (1.0 + 1e-9), "{at}");
        }
    }
}

/// Figures of the design and of the reference tables: what sampling and first linear programs reached.
#[test]
fn real_inputs_are_as_steep_as_those_of_the_design() {
    let Some(shared) = shared() else { return };
    let cases = [
        ("vnn_mnist_fc/mnist-net_256x2.onnx", "8", 20.0, 2600.0),
        ("own/net8.onnx", "8", 1.0, 351.3),
        ("own/net7.onnx", "8", 1.0, 329.1),
        ("own/net3.onnx", "8", 1.0, 97.8),
        ("own/net2_1024.onnx", "8", 1.0, 153.1),
    ];
    for (file, output, effort, least) in cases {
        let network = import(&shared.join("nets").join(file));
        let found = one(&network, InputNorm::Linf, output, effort).witness;
        assert!(found.lower >= least, "{file}: {}", found.lower);
    }
}

/// Networks of ExLipBaB (arXiv 2602.15499), with the exact constants published there: where few inputs are read by many
/// neurons, not all patterns are had, and steep cells are small.
#[test]
fn real_inputs_come_within_two_percent_of_the_true_constants() {
    let Some(nets) = shared_nets() else { return };
    for (file, exact) in [
        ("exlipbab/relu_iris_4_6_6_3.npz", 11.634354),
        ("exlipbab/relu_wine_11_12_12_1.npz", 1.743370),
        ("exlipbab/relu_abalone_9_16_16_1.npz", 11.121602),
        ("exlipbab/groupsort_wine_11_12_12_1_topk.onnx", 2.788306),
    ] {
        let outputs = "l2".parse().expect("a norm of the output");
        let options = Options { norm: InputNorm::L2, outputs, ..Options::default() };
        let found = bound(&import(&nets.join(file)), &options, &Silent).expect("a bound").bounds[0].witness.lower;
        assert!(found >= 0.98 * exact && found <= exact * (1.0 + 1e-6), "{file}: {found} of {exact}");
    }
}

/// One hidden layer whose W₁ has full row rank: every pattern is that of a real input.
#[test]
fn with_one_hidden_layer_the_real_bound_meets_that_of_patterns() {
    let Some(shared) = shared() else { return };
    for file in ["own/net2_16.onnx", "own/net2_64.onnx", "own/net2_128.onnx"] {
        let network = import(&shared.join("nets").join(file));
        for norm in [InputNorm::Linf, InputNorm::L2] {
            let report = bound(&network, &Options { norm, ..Options::default() }, &Silent).expect("a bound");
            for found in &report.bounds {
                assert!(found.lip_is_fgl && found.witness.lower >= found.pattern_lower * (1.0 - 1e-9), "{file}");
            }
        }
    }
}

/// y = relu(x₁) − relu(−x₁) = x₁: at the origin the slopes from the right add up to 2, but there is no gradient.
#[test]
fn a_kink_is_no_witness() {
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let w = Matrix::from_vec(2, 2, vec![1.0, 0.0, -1.0, 0.0]);
    let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], None).expect("shapes");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    let y = b.affine("y", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 2, vec![1.0, -1.0])))], None).expect("shapes");
    let network = b.finish(y);
    for norm in [InputNorm::Linf, InputNorm::L2, InputNorm::L1] {
        let found = one(&network, norm, "0", 1.0);
        assert!(found.witness.lower <= 1.0 && found.witness.lower >= 1.0 - 1e-9, "{norm}: {}", found.witness.lower);
        assert!(found.witness.input[0] != 0.0);
    }
}

/// With one input, every linear piece is visited, and the steepest is the Lipschitz constant.
#[test]
fn one_input_is_solved_exactly() {
    let Some(shared) = shared() else { return };
    let rows = table(shared.join("reference/exact_1d.tsv"));
    for row in rows.iter().filter(|row| row[1] == "[-inf,inf]") {
        let network = import(&shared.join("nets").join(&row[0]));
        let found = one(&network, InputNorm::Linf, "0", 1.0).witness;
        let (exact, pieces): (f64, usize) = (row[2].parse().expect("a number"), row[4].parse().expect("a number"));
        assert!((found.lower / exact - 1.0).abs() < 1e-8, "{}: {} of {exact}", row[0], found.lower);
        assert!(found.pieces.is_some_and(|found| found >= pieces), "{}", row[0]);
    }
}
