//! What the mathematics of the relaxation promises, on random networks.

mod support;

use geolip::lower::GradientBound;
use geolip::network::{Activation, LinearMap, Network, NetworkBuilder, NodeId, Op};
use geolip::relaxation::{Ascent, PatternRules, Point, VectorNetwork, search_patterns};
use geolip::{Functional, InputNorm, Matrix, Options, Silent, bound};
use proptest::prelude::*;
use support::{any_norm, any_outputs, brute_force, config, network, random};

fn norm() -> impl Strategy<Value = InputNorm> {
    any_norm().prop_filter("the relaxation of l1 goes input by input", |norm| *norm != InputNorm::L1)
}

fn upper(network: &Network, norm: InputNorm) -> f64 {
    let report = bound(network, &Options { norm, ..Options::default() }, &Silent).expect("bounded");
    report.bounds[0].upper()
}

/// inputs–widths…–1 with ReLU and random weights.
fn relu_chain(inputs: usize, widths: &[usize], seed: u64) -> Vec<Matrix> {
    let sizes: Vec<usize> = std::iter::once(inputs).chain(widths.iter().copied()).chain([1]).collect();
    sizes.windows(2).enumerate().map(|(a, pair)| random(pair[1], pair[0], seed.wrapping_add(a as u64))).collect()
}

fn chain(weights: &[Matrix]) -> Network {
    let mut b = NetworkBuilder::new(weights[0].cols()).expect("inputs");
    let mut at = b.input();
    for (a, w) in weights.iter().enumerate() {
        at = b.affine("affine", vec![(at, LinearMap::Dense(w.clone()))], None).expect("shapes fit");
        if a + 1 < weights.len() {
            at = b.activate("relu", at, Activation::Relu).expect("relu");
        }
    }
    b.finish(at)
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn the_ascent_never_lowers_the_value(
        network in network(), norm in norm(), outputs in any_outputs(), seed in any::<u64>(),
    ) {
        let everywhere = support::everywhere(&network);
        let vector_network = VectorNetwork::new(&everywhere, norm);
        let functionals = outputs.of(&network).functionals(&network).expect("outputs")[..1].to_vec();
        let mut at = Point::random(&vector_network, 4, seed, 0);
        let mut ascent = Ascent::new(&vector_network, functionals.clone(), at.clone());
        let (mut next, mut work) = (Point::empty(&vector_network, 4, 1), vector_network.workspace(4, 1));
        let (mut plain, mut accelerated) = (0.0, 0.0);
        for _ in 0..30 {
            vector_network.sweep(&at, &functionals, &mut work, &mut next);
            std::mem::swap(&mut at, &mut next);
            prop_assert!(work.value[0] >= plain * (1.0 - 1e-12), "{plain:e} fell to {:e}", work.value[0]);
            plain = work.value[0];
            ascent.step();
            prop_assert!(ascent.value(0) >= accelerated * (1.0 - 1e-12), "{accelerated:e} fell to {:e}", ascent.value(0));
            accelerated = ascent.value(0);
            // what a plain sweep from the last iterate reaches is no less than what that iterate was accepted for
            prop_assert!(ascent.settle(0).1.value[0] >= accelerated * (1.0 - 1e-12));
        }
    }

    #[test]
    fn patterns_are_between_zero_and_the_brute_force_fgl(
        network in network(), norm in any_norm(), outputs in any_outputs(), seed in any::<u64>(),
    ) {
        let everywhere = support::everywhere(&network);
        let vector_network = VectorNetwork::new(&everywhere, norm);
        let point = Point::random(&vector_network, 4, seed, 0);
        let functional = outputs.of(&network).functionals(&network).expect("outputs").remove(0);
        let rules = PatternRules { tries: 5, sweeps: 20, work: 1e6, seed };
        let pattern = search_patterns(&vector_network, std::slice::from_ref(&functional), &[&point], &[f64::INFINITY], rules).remove(0);
        for (slopes, intervals) in pattern.slopes.iter().zip(support::everywhere(&network).slopes()) {
            prop_assert!(slopes.iter().zip(intervals).all(|(v, s)| *v == s.lower || *v == s.upper));
        }
        let everywhere = support::everywhere(&network);
        let found = GradientBound::new(&everywhere, norm).lower(&functional, &pattern.weights, &pattern.slopes);
        let exact = brute_force(&network, norm, &functional);
        prop_assert!(found <= exact.above, "{found:e} against {exact:?}");
        // (for a norm of the output, the evaluation goes on looking for the best u)
        prop_assert!(found >= pattern.value * (1.0 - 1e-9), "{found:e} against {:e}", pattern.value);
        prop_assert!(functional.is_norm() || found <= pattern.value * (1.0 + 1e-9), "{found:e} against {:e}", pattern.value);
    }

    #[test]
    fn the_bound_of_one_neuron_is_exact(inputs in 1..6_usize, norm in norm(), seed in any::<u64>()) {
        let network = chain(&relu_chain(inputs, &[1], seed));
        let (upper, exact) = (upper(&network, norm), brute_force(&network, norm, &Functional::output(0)).below);
        prop_assert!(exact <= upper && upper <= exact * (1.0 + 1e-6), "{upper:e} against {exact:e}");
    }

    #[test]
    fn the_bound_of_non_negative_weights_is_exact(
        inputs in 1..5_usize, a in 1..5_usize, c in 1..5_usize, norm in norm(), seed in any::<u64>(),
    ) {
        let weights: Vec<Matrix> = relu_chain(inputs, &[a, c], seed).iter().map(Matrix::abs).collect();
        let network = chain(&weights);
        let (upper, exact) = (upper(&network, norm), brute_force(&network, norm, &Functional::output(0)).below);
        prop_assert!(exact <= upper && upper <= exact * (1.0 + 1e-6), "{upper:e} against {exact:e}");
    }

    #[test]
    fn the_bound_of_an_affine_network_is_its_dual_norm(inputs in 1..9_usize, norm in norm(), seed in any::<u64>()) {
        let w = random(1, inputs, seed);
        let exact = norm.dual(w.data().iter().copied());
        let upper = upper(&chain(&[w]), norm);
        prop_assert!(exact * (1.0 - 1e-15) <= upper && upper <= exact * (1.0 + 1e-9), "{upper:e} against {exact:e}");
    }

    #[test]
    fn one_hidden_layer_is_within_grothendiecks_constant(
        inputs in 1..6_usize, hidden in 1..9_usize, norm in norm(), seed in any::<u64>(),
    ) {
        let network = chain(&relu_chain(inputs, &[hidden], seed));
        let ratio = upper(&network, norm) / brute_force(&network, norm, &Functional::output(0)).below;
        let limit = match norm {
            InputNorm::Linf => std::f64::consts::PI / (2.0 * 2f64.sqrt().ln_1p()),
            InputNorm::L2 => std::f64::consts::FRAC_PI_2.sqrt(),
            InputNorm::Lp(_) | InputNorm::L1 => std::f64::consts::PI / (2.0 * 2f64.sqrt().ln_1p()),
        };
        prop_assert!(ratio <= limit * (1.0 + 1e-6), "ratio {ratio}");
    }

    #[test]
    fn renaming_and_rescaling_neurons_changes_nothing(inputs in 1..5_usize, norm in norm(), seed in any::<u64>()) {
        let weights = relu_chain(inputs, &[4, 3], seed);
        let reference = upper(&chain(&weights), norm);
        let scale = [1e3, 0.02, 7.0, 1.0];
        let order = [2, 0, 3, 1];
        let first = Matrix::from_fn(4, inputs, |i, j| scale[i] * weights[0].at(order[i], j));
        let second = Matrix::from_fn(3, 4, |i, j| weights[1].at(i, order[j]) / scale[j]);
        let changed = upper(&chain(&[first, second, weights[2].clone()]), norm);
        prop_assert!((changed - reference).abs() <= 3e-6 * reference, "{changed:e} against {reference:e}");
    }

    #[test]
    fn the_product_of_operator_norms_is_never_below_the_bound(network in network()) {
        let size = support::everywhere(&network).abs_forward(&Matrix::from_fn(network.inputs(), 1, |_, _| 1.0));
        let product = size.of(network.output()).at(0, 0);
        prop_assert!(upper(&network, InputNorm::Linf) <= product * (1.0 + 1e-6));
    }
}

#[test]
fn two_activation_layers_without_a_map_between_compose() {
    // |relu(x)|, and an output that is itself an activation
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let z = b.activate("relu", NodeId::INPUT, Activation::Relu).expect("relu");
    let z = b.activate("abs", z, Activation::Abs).expect("abs");
    let network = b.finish(z);
    assert!(network.nodes().iter().all(|n| !matches!(n.op, Op::Affine { .. })));
    for norm in [InputNorm::Linf, InputNorm::L2] {
        let upper = upper(&network, norm);
        assert!((1.0..1.0 + 1e-6).contains(&upper), "{upper}");
    }
}
