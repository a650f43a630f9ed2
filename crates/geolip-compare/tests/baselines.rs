//! Baselines agree with brute force, with each other, and with geolip: no bound on the wrong side, with no slack.

#[path = "../../geolip/tests/support/networks.rs"]
mod support;

use geolip::lower::GradientBound;
use geolip::network::{Activation, LinearMap, Network, NetworkBuilder, NodeId};
use geolip::{Functional, InputNorm, Matrix, Options, Silent, bound};
use geolip_compare::{Guarantee, Method, NotApplicable, Question, exhaustive};
use proptest::prelude::*;
use support::{any_norm, config, network, random};

fn norm() -> impl Strategy<Value = InputNorm> {
    prop_oneof![Just(InputNorm::Linf), Just(InputNorm::L2)]
}

/// One hidden layer, with or without a skip past it.
fn one_hidden(inputs: usize, hidden: usize, activation: Activation, skip: bool, seed: u64) -> Network {
    let mut b = NetworkBuilder::new(inputs).expect("inputs");
    let w = LinearMap::Dense(random(hidden, inputs, seed));
    let h = b.affine("h", vec![(b.input(), w)], None).expect("shapes fit");
    let z = b.activate("z", h, activation).expect("parameters fit");
    let mut terms = vec![(z, LinearMap::Dense(random(2, hidden, seed ^ 1)))];
    if skip {
        terms.push((NodeId::INPUT, LinearMap::Dense(random(2, inputs, seed ^ 2))));
    }
    let y = b.affine("y", terms, None).expect("shapes fit");
    b.finish(y)
}

fn activation() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::Relu),
        Just(Activation::Abs),
        Just(Activation::LeakyRelu { slope: -0.3 }),
        Just(Activation::Gelu),
    ]
}

proptest! {
    #![proptest_config(config(1500))]

    /// Uppers are at least, lowers at most the FGL by brute force; the layer-wise value is at least geolip's, and the closed form at least the layer-wise one;
    /// in ℓ∞ the product of norms is at least geolip's bound with closed forms.
    #[test]
    fn every_method_is_on_its_side_of_the_fgl(network in network(), norm in any_norm()) {
        let options = Options { norm, effort: 0.1, relaxation_only: true, ..Options::default() };
        let everywhere = support::everywhere(&network);
        let question = Question::new(&everywhere, &options, &Silent).expect("a good question");
        let exact: Vec<_> = question.functionals().iter()
            .map(|f| exhaustive(&support::everywhere(&network), norm, f).expect("few neurons")).collect();
        let geolip = bound(&network, &options, &Silent).expect("bounded");
        let closed_forms = Options { norm, effort: 0.0, ..Options::default() };
        let closed = bound(&network, &closed_forms, &Silent).expect("bounded");
        let mut one_per_layer = [None, None];
        for method in Method::ALL {
            let estimate = match question.run(method) {
                Ok(estimate) => estimate,
                Err(reason) => {
                    let one = matches!(reason, NotApplicable::Layers { layers } if layers > 1);
                    let chain = matches!(reason, NotApplicable::Branches { .. } | NotApplicable::Slopes { .. });
                    match method {
                        Method::NaturalForm | Method::LinearProgram => prop_assert!(one, "{method}: {reason}"),
                        Method::EclipseFast => prop_assert!(chain, "{method}: {reason}"),
                        _ => prop_assert!(false, "{method}: {reason}"),
                    }
                    continue;
                }
            };
            prop_assert_eq!(estimate.values.len(), exact.len());
            for (p, (value, exact)) in estimate.values.iter().zip(&exact).enumerate() {
                let relaxation = geolip.bounds[p].relaxation;
                match estimate.guarantee {
                    Guarantee::Certified => prop_assert!(exact.below <= *value, "{method}: {value:e} < {exact:?}"),
                    Guarantee::Attained | Guarantee::PatternAttained | Guarantee::Exact => {
                        prop_assert!(*value <= exact.above, "{method}: {value:e} > {exact:?}");
                    }
                    Guarantee::Probabilistic => prop_assert!(false, "small networks are proved"),
                }
                match method {
                    Method::LayerWise => prop_assert!(relaxation <= value * (1.0 + 1e-12), "{value:e} < {relaxation:e}"),
                    Method::NaturalForm if matches!(norm, InputNorm::Linf | InputNorm::L2) => {
                        let gap = (value - geolip.bounds[p].upper()).abs();
                        prop_assert!(gap <= 2e-6 * value.max(1e-250), "{value:e} against {:e}", geolip.bounds[p].upper());
                    }
                    Method::BruteForce => prop_assert_eq!(*value, exact.below),
                    // (in other norms it may be below the relaxation where it knows blocks of comparisons)
                    Method::NormProduct if norm == InputNorm::Linf => {
                        let upper = closed.bounds[p].upper();
                        prop_assert!(upper <= value * (1.0 + 1.01 * closed_forms.tol), "{value:e} < {upper:e}");
                    }
                    Method::NormProduct | Method::Sampling | Method::Witness | Method::Pattern | Method::Geolip | Method::LinearProgram
                    | Method::EclipseFast | Method::NaturalForm => {}
                }
            }
            match method {
                Method::LayerWise => one_per_layer[0] = Some(estimate.values),
                Method::EclipseFast => one_per_layer[1] = Some(estimate.values),
                _ => {}
            }
        }
        // (for other p the two bound by balls of different norms)
        if let ([Some(best), Some(closed)], false) = (one_per_layer, matches!(norm, InputNorm::Lp(_))) {
            for (best, closed) in best.iter().zip(&closed) {
                prop_assert!(*best <= closed * (1.0 + 2e-6), "closed form {closed:e}, best {best:e}");
            }
        }
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// Two programs, two solvers, two proofs, one number (A2: natural form = dual form).
    #[test]
    fn the_natural_form_is_geolips_bound(
        inputs in 1..20_usize, hidden in 1..30_usize, skip in any::<bool>(),
        activation in activation(), norm in norm(), seed in any::<u64>(),
    ) {
        let network = one_hidden(inputs, hidden, activation, skip, seed);
        let options = Options { norm, effort: 0.1, relaxation_only: true, ..Options::default() };
        let everywhere = support::everywhere(&network);
        let question = Question::new(&everywhere, &options, &Silent).expect("a good question");
        let natural = question.run(Method::NaturalForm).expect("one hidden layer").values;
        let geolip = question.run(Method::Geolip).expect("bounded").values;
        for (natural, geolip) in natural.iter().zip(&geolip) {
            prop_assert!((natural - geolip).abs() <= 1e-6 * geolip, "{natural:e} against {geolip:e}");
        }
    }

    /// The linear program of degree two has half-integral vertices (roof duality: Hammer, Hansen, Simeone 1984): its value
    /// is the largest over x, t in {−1, 0, 1}.
    #[test]
    fn the_linear_program_is_the_best_half_integral_point(
        inputs in 1..5_usize, hidden in 1..4_usize, activation in activation(), seed in any::<u64>(),
    ) {
        let network = one_hidden(inputs, hidden, activation, seed % 2 == 0, seed);
        let options = Options::default();
        let everywhere = support::everywhere(&network);
        let question = Question::new(&everywhere, &options, &Silent).expect("a good question");
        let values = question.run(Method::LinearProgram).expect("one hidden layer").values;
        for (p, value) in values.iter().enumerate() {
            let best = half_integral(&network, p);
            prop_assert!((value - best).abs() <= 1e-6 * best, "{value:e} against {best:e}");
        }
    }

    /// What brute force encloses is what the definition says, pattern by pattern.
    #[test]
    fn brute_force_is_the_largest_of_all_patterns(network in network(), norm in any_norm()) {
        let functional = Functional::output(0);
        let found = exhaustive(&support::everywhere(&network), norm, &functional).expect("few neurons");
        let everywhere = support::everywhere(&network);
        let exact = GradientBound::new(&everywhere, norm);
        let intervals = support::everywhere(&network).slopes().to_vec();
        let neurons: usize = intervals.iter().map(Vec::len).sum();
        let mut best = 0.0_f64;
        for pattern in 0..1_usize << neurons.min(8) {
            let mut neuron = 0;
            let slopes: Vec<Vec<f64>> = intervals.iter().map(|layer| layer.iter().map(|slope| {
                neuron += 1;
                if pattern >> (neuron - 1) & 1 == 0 { slope.lower } else { slope.upper }
            }).collect()).collect();
            best = best.max(exact.lower(&functional, &[], &slopes));
        }
        prop_assert!(best <= found.above, "{best:e} exceeds {found:?}");
        if neurons <= 8 {
            prop_assert!((best - found.below).abs() <= 1e-9 * best, "{best:e} against {found:?}");
        }
    }
}

/// Σ lᵢxᵢ + Σ |Aᵢⱼ| (1 − |xᵢ − sgn(Aᵢⱼ) tⱼ|) at its best over {−1, 0, 1}, from gradients at given slopes.
fn half_integral(network: &Network, output: usize) -> f64 {
    let slopes = support::everywhere(network).slopes()[0].clone();
    let (inputs, hidden) = (network.inputs(), slopes.len());
    let gradient = |v: Vec<f64>| {
        let mut seed = Matrix::zeros(network.outputs(), 1);
        *seed.at_mut(output, 0) = 1.0;
        support::everywhere(network).adjoint(&[Matrix::from_vec(hidden, 1, v)], &seed).of(NodeId::INPUT).column(0)
    };
    let centre = || slopes.iter().map(|s| s.centre()).collect::<Vec<_>>();
    let l = gradient(centre());
    let a: Vec<Vec<f64>> = (0..hidden)
        .map(|j| {
            let mut v = centre();
            v[j] = slopes[j].upper;
            gradient(v).iter().zip(&l).map(|(g, l)| g - l).collect()
        })
        .collect();
    let digits = |mut code: usize, n: usize| -> Vec<f64> {
        let digit = |_| {
            let digit = code % 3;
            code /= 3;
            digit as f64 - 1.0
        };
        (0..n).map(digit).collect()
    };
    let mut best = 0.0_f64;
    for code in 0..3_usize.pow((inputs + hidden) as u32) {
        let v = digits(code, inputs + hidden);
        let (x, t) = v.split_at(inputs);
        let products = (0..hidden).flat_map(|j| (0..inputs).map(move |i| (i, j)));
        let products: f64 = products.map(|(i, j)| a[j][i].abs() * (1.0 - (x[i] - a[j][i].signum() * t[j]).abs())).sum();
        best = best.max(products + x.iter().zip(&l).map(|(x, l)| x * l).sum::<f64>());
    }
    best
}

#[test]
fn brute_force_is_refused_above_24_neurons_and_done_at_20() {
    let network = one_hidden(3, 25, Activation::Relu, false, 1);
    let refused = exhaustive(&support::everywhere(&network), InputNorm::Linf, &Functional::output(0));
    assert_eq!(refused, Err(NotApplicable::Patterns { neurons: 25, limit: 24 }));
    // in two dimensions the number of realisable patterns is small, and the true Lip = FGL is found by both
    let network = one_hidden(20, 20, Activation::Relu, false, 7);
    for norm in [InputNorm::Linf, InputNorm::L2] {
        let found = exhaustive(&support::everywhere(&network), norm, &Functional::output(0)).expect("few enough");
        let geolip = bound(&network, &Options { norm, ..Options::default() }, &Silent).expect("bounded");
        assert!(found.complete && found.above - found.below <= 1e-9 * found.above, "{found:?}");
        assert!(geolip.bounds[0].pattern_lower <= found.above && found.below <= geolip.bounds[0].upper());
    }
}

#[test]
fn an_off_by_one_layer_would_show_in_the_closed_form() {
    // for one hidden layer of scalars the closed form can be followed by hand: λ = 2/w², X = λ − λ²w²/4 = 1/w², bound |u w|
    let mut b = NetworkBuilder::new(1).expect("inputs");
    let scalar = |v: f64| LinearMap::Dense(Matrix::from_vec(1, 1, vec![v]));
    let h = b.affine("h", vec![(b.input(), scalar(3.0))], None).expect("shapes fit");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    let y = b.affine("y", vec![(z, scalar(-2.0))], None).expect("shapes fit");
    let network = b.finish(y);
    for norm in [InputNorm::L2, InputNorm::Linf] {
        let options = Options { norm, ..Options::default() };
        let everywhere = support::everywhere(&network);
        let question = Question::new(&everywhere, &options, &Silent).expect("a good question");
        let value = question.run(Method::EclipseFast).expect("a chain").values[0];
        assert!((6.0..6.000_01).contains(&value), "{value}");
    }
}
