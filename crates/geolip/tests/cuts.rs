//! Proofs by cuts: bounds hold for any multipliers, and inequalities that vertices break are refused.

#![allow(clippy::unwrap_used)]

mod support;

use geolip::network::{Activation, LinearMap, Network, NetworkBuilder};
use geolip::proof::cuts;
use geolip::proof::{
    Apart, Certificate, CertificateFile, Claim, CutProof, Proof, Sign, Triangle, VertexCut, Whole, check_file, prove,
};
use geolip::slopes::SlopeNetwork;
use geolip::slopes::choices::Choice;
use geolip::slopes::grouped::Grouped;
use geolip::{Functional, InputNorm, Method, Options, OutputNorm, Outputs, Silent, bound};
use proptest::prelude::*;
use support::dice::Dice;
use support::{any_norm, any_outputs, brute_force, config, connected, everywhere, maxima, network, random};

/// A number in [-1, 1].
fn real(dice: &mut Dice) -> f64 {
    dice.below(2_000_001) as f64 / 1e6 - 1.0
}

/// Multipliers that make the form positive, most of the time: those of layers that are further on are smaller.
fn plain(network: &SlopeNetwork, norm: InputNorm, functional: &Functional) -> CutProof {
    let depths = network.depths();
    let lambda = network.layers().zip(network.slopes()).map(|((node, _), slopes)| {
        let factor = 16f64.powi(-i32::try_from(depths[node.index()]).unwrap());
        slopes.iter().map(|slope| factor / (slope.upper - slope.lower).max(1e-3).powi(2)).collect()
    });
    let zeta = match functional {
        Functional::Norm(OutputNorm::L2) => vec![1e6],
        Functional::Norm(_) => vec![1e6; network.outputs()],
        _ => Vec::new(),
    };
    let gammas = if norm == InputNorm::L2 { 1 } else { network.inputs() };
    CutProof { constant: 1e6, zeta, gamma: vec![30.0; gammas], lambda: lambda.collect(), ..CutProof::default() }
}

/// With signs and cuts of some size added at random.
fn with_cuts(network: &SlopeNetwork, norm: InputNorm, mut proof: CutProof, size: f64, dice: &mut Dice) -> CutProof {
    for (layer, slopes) in network.slopes().iter().enumerate() {
        for neuron in (0..slopes.len()).filter(|j| !slopes[*j].is_fixed()) {
            if dice.below(4) > 0 {
                proof.signs.push(Sign(layer, neuron, 1.0, size * real(dice), size * real(dice)));
            }
        }
    }
    let inputs = if norm == InputNorm::Linf { network.inputs() } else { 0 };
    let signs = proof.signs.len();
    let variables = 1 + signs + inputs;
    for _ in 0..12 {
        let [a, b, c] = [0; 3].map(|_| dice.below(variables));
        let [s, t] = [0; 2].map(|_| dice.one_of(&[-1_i8, 1]));
        proof.triangles.push(Triangle([a, b, c], [s, t, -s * t], size * real(dice).abs()));
        let count = |v: usize| if v > signs { 2 } else { 4 };
        let coefficients = (0..count(a) + count(b)).map(|_| size.sqrt() * real(dice)).collect();
        proof.vertices.push(VertexCut(a, b, coefficients));
    }
    let is_input = |v: &usize| *v > signs;
    let fit = |list: &[usize]| list.iter().filter(|v| is_input(v)).count() < 2;
    proof.triangles.retain(|Triangle(v, ..)| v[0] != v[1] && v[0] != v[2] && v[1] != v[2] && fit(v));
    proof.vertices.retain(|VertexCut(a, b, _)| a != b && *a > 0 && *b > 0 && fit(&[*a, *b]));
    proof
}

fn check(
    network: &SlopeNetwork,
    norm: InputNorm,
    functional: &Functional,
    proof: CutProof,
) -> Result<Certificate, geolip::proof::Rejection> {
    let upper = cuts::bound((norm, functional), &proof);
    let claim = Claim { output: functional.clone(), upper, proof: Proof::Cuts(proof) };
    prove(network, norm, &claim, usize::MAX)
}

/// The proof with the largest cuts that is accepted, of some at random.
fn accepted(
    network: &SlopeNetwork,
    norm: InputNorm,
    functional: &Functional,
    seed: u64,
) -> Option<(CutProof, Certificate)> {
    (0..12).find_map(|round| {
        let size = 3.0 * 0.25_f64.powi(round);
        let proof = with_cuts(network, norm, plain(network, norm, functional), size, &mut Dice::of(seed, 0));
        Some((proof.clone(), check(network, norm, functional, proof).ok()?))
    })
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn bounds_hold_for_any_multipliers(network in network(), norm in any_norm(), outputs in any_outputs(), seed in any::<u64>()) {
        let (place, outputs) = (everywhere(&network), outputs.of(&network));
        for functional in outputs.functionals(&network).unwrap() {
            if norm == InputNorm::L1 || functional == Functional::Norm(OutputNorm::Linf) {
                prop_assert!(check(&place, norm, &functional, plain(&place, norm, &functional)).is_err());
                continue;
            }
            if let Some((_, certificate)) = accepted(&place, norm, &functional, seed) {
                let fgl = brute_force(&network, norm, &functional);
                prop_assert!(fgl.below <= certificate.upper(), "{} below {}", certificate.upper(), fgl.below);
            }
        }
    }
}

/// By default small networks get a few cuts: below the relaxation, and above what every pattern attains.
#[test]
fn a_few_cuts_are_below_the_relaxation() {
    for norm in [InputNorm::Linf, InputNorm::L2] {
        for seed in [3, 4] {
            let network = connected(&[3, 5, 4, 1], &Activation::Relu, false, seed);
            let bounded = |relaxation_only: bool| {
                let options = Options { norm, relaxation_only, effort: 0.0, ..Options::default() };
                bound(&network, &options, &Silent).expect("bounded").bounds.swap_remove(0)
            };
            let (plain, tight) = (bounded(true), bounded(false));
            assert_eq!(plain.method, Method::Relaxation);
            assert!(tight.upper() <= plain.upper(), "{norm}, seed {seed}");
            let fgl = brute_force(&network, norm, &Functional::output(0));
            assert!(fgl.below <= tight.upper(), "{norm}, seed {seed}: {} below {}", tight.upper(), fgl.below);
        }
        let network = connected(&[6, 12, 12, 12, 1], &Activation::Relu, false, 1);
        let bounded = |relaxation_only: bool, threads: usize| {
            let options = Options { norm, relaxation_only, threads: Some(threads), ..Options::default() };
            bound(&network, &options, &Silent).expect("bounded").bounds.swap_remove(0)
        };
        let (plain, tight) = (bounded(true, 1), bounded(false, 1));
        assert!(matches!(tight.method, Method::Cuts { .. }), "{norm}: {}", tight.method);
        assert!(tight.upper() < 0.99 * plain.upper(), "{norm}: {} against {}", tight.upper(), plain.upper());
        assert!(tight.pattern_lower <= tight.upper());
        assert_eq!(tight.certificate, bounded(false, 2).certificate, "{norm}: whatever the number of threads");
    }
    let both = Options { relaxation_only: true, cuts: true, ..Options::default() };
    assert!(both.validate().is_err());
}

/// A network of two hidden layers and a proof with cuts of every kind.
fn example(norm: InputNorm) -> (Network, CutProof) {
    let network = connected(&[4, 4, 3, 1], &Activation::Relu, false, 11);
    let place = everywhere(&network);
    let found = (0..200).find_map(|seed| {
        let (proof, _) = accepted(&place, norm, &Functional::output(0), seed)?;
        let kinds = proof.signs.len() > 5 && proof.triangles.len() > 2 && proof.vertices.len() > 2;
        (kinds && proof.signs[0].3.abs() > 1e-6).then_some(proof)
    });
    (network, found.expect("one of many is accepted"))
}

#[test]
fn what_vertices_break_is_refused() {
    for norm in [InputNorm::Linf, InputNorm::L2] {
        let (network, proof) = example(norm);
        let place = everywhere(&network);
        let functional = Functional::output(0);
        let refused = |what: &str, change: &dyn Fn(&mut CutProof)| {
            let mut changed = proof.clone();
            change(&mut changed);
            assert!(check(&place, norm, &functional, changed).is_err(), "{norm}: {what}");
        };
        let variables = 1 + proof.signs.len() + if norm == InputNorm::Linf { 4 } else { 0 };
        refused("a triangle whose signs may all hold", &|p| p.triangles[0].1[0] *= -1);
        refused("a sign that is none", &|p| p.triangles[0].1[0] = -128);
        refused("a sign of zero", &|p| p.triangles[0].1 = [0, 1, -1]);
        refused("a variable twice", &|p| p.triangles[0].0[0] = p.triangles[0].0[1]);
        refused("no such variable", &|p| p.triangles[0].0[0] = variables);
        refused("a number beyond all", &|p| p.triangles[0].0[0] = usize::MAX);
        refused("a negative weight", &|p| p.triangles[0].2 = -1e-300);
        refused("no number", &|p| p.triangles[0].2 = f64::NAN);
        refused("a cut with itself", &|p| p.vertices[0].0 = p.vertices[0].1);
        refused("a cut with the constant", &|p| p.vertices[0].0 = 0);
        refused("a coefficient too many", &|p| p.vertices[0].2.push(0.0));
        refused("a coefficient too few", &|p| p.vertices[0].2.truncate(3));
        refused("an infinite coefficient", &|p| p.vertices[0].2[0] = f64::INFINITY);
        refused("a neuron with two signs", &|p| p.signs[1] = p.signs[0].clone());
        refused("a sign of no neuron", &|p| p.signs[0].0 = 7);
        refused("an infinite link", &|p| p.signs[0].3 = f64::NEG_INFINITY);
        refused("a negative multiplier of a sign", &|p| p.signs[0].2 = -1.0);
        refused("a sign without a multiplier", &|p| p.signs[0].2 = 0.0);
        refused("a negative constant", &|p| p.constant = -1.0);
        refused("a form without a constant", &|p| p.constant = 0.0);
        refused("a negative λ", &|p| p.lambda[0][0] = -1.0);
        refused("a λ too few", &|p| p.lambda[1].truncate(2));
        refused("a layer too many", &|p| p.lambda.push(vec![]));
        refused("a γ too many", &|p| p.gamma.push(1.0));
        refused("a ζ without a norm of the output", &|p| p.zeta.push(1.0));
        refused("weak multipliers", &|p| p.lambda.iter_mut().flatten().for_each(|l| *l = 1e-9));
        if norm == InputNorm::Linf {
            refused("two inputs", &|p| p.triangles[0].0 = [0, variables - 1, variables - 2]);
            refused("two inputs", &|p| p.vertices[0] = VertexCut(variables - 1, variables - 2, vec![0.0; 4]));
        } else {
            refused("an input that is no sign", &|p| p.triangles[0].0 = [0, 1, variables]);
        }
    }
}

/// A bound of less than what is proved is no bound.
#[test]
fn a_claim_below_the_multipliers_is_refused() {
    let (network, proof) = example(InputNorm::Linf);
    let functional = Functional::output(0);
    let proved = cuts::bound((InputNorm::Linf, &functional), &proof);
    let claim = |upper| Claim { output: functional.clone(), upper, proof: Proof::Cuts(proof.clone()) };
    let verdict = |upper| prove(&everywhere(&network), InputNorm::Linf, &claim(upper), usize::MAX);
    assert!(verdict(proved).is_ok() && verdict(proved.next_down()).is_err() && verdict(f64::NAN).is_err());
}

/// Else the tests above would have nothing to look at.
#[test]
fn most_proofs_at_random_are_accepted() {
    for norm in [InputNorm::Linf, InputNorm::L2] {
        let found = (0..60).filter(|seed| {
            let network = connected(&[3, 3, 2, 1], &Activation::Relu, false, *seed);
            let found = accepted(&everywhere(&network), norm, &Functional::output(0), *seed);
            found.is_some_and(|(proof, _)| !proof.vertices.is_empty() && !proof.triangles.is_empty())
        });
        let count = found.count();
        assert!(count >= 40, "{norm}: {count} of 60");
    }
}

/// A network with maxima of three between two dense layers, and its choices.
fn with_maxima(seed: u64) -> (Network, Vec<Choice>) {
    let mut b = NetworkBuilder::new(3).unwrap();
    let dense = |b: &mut NetworkBuilder, from, rows: usize, seed: u64| {
        let weights = LinearMap::Dense(random(rows, b.len_of(from), seed));
        b.affine("dense", vec![(from, weights)], None).unwrap()
    };
    let input = b.input();
    let h = dense(&mut b, input, 6, seed);
    let (largest, neurons) = maxima(&mut b, h, vec![vec![0, 1, 2], vec![3, 4, 5]], 0);
    let h = dense(&mut b, largest, 2, seed ^ 1);
    let z = b.activate("relu", h, Activation::Relu).unwrap();
    let y = dense(&mut b, z, 2, seed ^ 2);
    let choices = neurons.into_iter().enumerate().map(|(i, own)| Choice(largest.index(), i, own)).collect();
    (b.finish(y), choices)
}

/// With all that is said of groups added at random.
fn with_groups(grouped: &Grouped, choices: &[Choice], mut proof: CutProof, size: f64, dice: &mut Dice) -> CutProof {
    proof.choices = choices.to_vec();
    let variable = |(layer, neuron): &(usize, usize)| {
        1 + proof.signs.iter().position(|Sign(a, j, ..)| (a, j) == (layer, neuron)).expect("every neuron has a sign")
    };
    for (number, group) in grouped.groups().iter().enumerate() {
        for (i, a) in group.iter().enumerate() {
            for b in &group[i + 1..] {
                proof.apart.push(Apart(variable(a), variable(b), [0; 4].map(|_| size * real(dice))));
            }
        }
        proof.whole.push(Whole(number, size * real(dice)));
    }
    proof
}

/// A proof about a network with maxima that is accepted, with groups.
fn accepted_with_groups(
    network: &Network,
    choices: &[Choice],
    (norm, functional): (InputNorm, &Functional),
    seed: u64,
) -> Option<(CutProof, Certificate)> {
    let place = everywhere(network);
    let grouped = Grouped::new(&place, choices, f64::INFINITY).unwrap();
    let inner = grouped.network();
    (0..12).find_map(|round| {
        let (size, mut dice) = (3.0 * 0.25_f64.powi(round), Dice::of(seed, 1));
        let mut proof = plain(inner, norm, functional);
        for (layer, slopes) in inner.slopes().iter().enumerate() {
            let free = (0..slopes.len()).filter(|j| !slopes[*j].is_fixed());
            proof.signs.extend(free.map(|j| Sign(layer, j, 1.0, size * real(&mut dice), size * real(&mut dice))));
        }
        let proof = with_groups(&grouped, choices, proof, size, &mut dice);
        Some((proof.clone(), check(&place, norm, functional, proof).ok()?))
    })
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn bounds_with_groups_hold_for_any_multipliers(seed in any::<u64>(), norm in any_norm()) {
        prop_assume!(norm != InputNorm::L1);
        let (network, choices) = with_maxima(seed);
        for functional in [Functional::output(0), Functional::Norm(OutputNorm::L2), Functional::Norm(OutputNorm::L1)] {
            if let Some((_, certificate)) = accepted_with_groups(&network, &choices, (norm, &functional), seed) {
                let fgl = brute_force(&network, norm, &functional);
                prop_assert!(fgl.below <= certificate.upper(), "{} below {}", certificate.upper(), fgl.below);
            }
        }
    }
}

#[test]
fn what_groups_do_not_satisfy_is_refused() {
    let (network, choices) = with_maxima(5);
    let (norm, functional) = (InputNorm::Linf, Functional::output(0));
    let found = (0..50).find_map(|seed| accepted_with_groups(&network, &choices, (norm, &functional), seed));
    let (proof, _) = found.expect("one of many is accepted");
    let refused = |what: &str, change: &dyn Fn(&mut CutProof)| {
        let mut changed = proof.clone();
        change(&mut changed);
        assert!(check(&everywhere(&network), norm, &functional, changed).is_err(), "{what}");
    };
    let last = proof.apart.len() - 1;
    refused("two of different groups", &|p| p.apart[0].1 = p.apart[last].1);
    refused("a neuron and itself", &|p| p.apart[0].1 = p.apart[0].0);
    refused("the constant", &|p| p.apart[0].0 = 0);
    refused("an input", &|p| p.apart[0].0 = p.signs.len() + 1);
    refused("a neuron of no group", &|p| p.apart[0].0 = p.signs.len());
    refused("no number", &|p| p.apart[0].2[3] = f64::NAN);
    refused("no such group", &|p| p.whole[0].0 = 2);
    refused("an infinite multiplier", &|p| p.whole[0].1 = f64::INFINITY);
    refused("a group that lacks a sign", &|p| {
        let first = p.signs.remove(0);
        assert!(first.0 == 2, "the first group's layer");
        p.apart.clear();
    });
    refused("no groups", &|p| p.choices.clear());
    refused("an entry twice", &|p| p.choices[1].1 = 0);
    refused("a neuron twice", &|p| p.choices[0].2[0] = p.choices[0].2[1]);
    refused("no such neuron", &|p| p.choices[0].2[0] = (0, 2));
    refused("no such layer", &|p| p.choices[0].2[0] = (usize::MAX, 0));
    refused("no such entry", &|p| p.choices[0].1 = 2);
    refused("no such node", &|p| p.choices[0].0 = usize::MAX);
    refused("a choice without neurons", &|p| p.choices[0].2.clear());
    refused("neurons of another tree", &|p| {
        let other = p.choices[1].2.clone();
        p.choices[1].2 = std::mem::replace(&mut p.choices[0].2, other);
    });
}

/// The difference of two maxima of k sums each: at every vertex a difference of two of them, the largest of which groups prove to be the FGL.
#[test]
fn a_difference_of_maxima_is_that_of_two_of_their_numbers() {
    for (k, with_relu) in [(6, false), (9, false), (3, true), (4, true)] {
        let mut b = NetworkBuilder::new(6).unwrap();
        let weights = random(2 * k, 6, k as u64);
        let relu = usize::from(with_relu);
        // with ReLUs either may be 0
        let row = |of: usize, i: usize| (i < k).then(|| weights.row(of * k + i));
        let entry = |row: Option<&[f64]>, at: usize| row.map_or(0.0, |row| row[at]);
        let distance =
            |i: usize, j: usize| (0..6).map(|at| (entry(row(0, i), at) - entry(row(1, j), at)).abs()).sum::<f64>();
        let pairs = (0..k + relu).flat_map(|i| (0..k + relu).map(move |j| (i, j)));
        let largest = pairs.map(|(i, j)| distance(i, j)).fold(0.0, f64::max);
        let mut h = b.affine("h", vec![(b.input(), LinearMap::Dense(weights.clone()))], None).unwrap();
        if with_relu {
            h = b.activate("relu", h, Activation::Relu).unwrap();
        }
        let (maxima, _) = maxima(&mut b, h, vec![(0..k).collect(), (k..2 * k).collect()], relu);
        let difference = LinearMap::Dense(geolip::Matrix::from_vec(1, 2, vec![1.0, -1.0]));
        let y = b.affine("y", vec![(maxima, difference)], None).unwrap();
        let network = b.finish(y);
        let upper = |relaxation_only: bool, cuts: bool| {
            let options = Options { relaxation_only, cuts, outputs: Outputs::One(0), ..Options::default() };
            let report = bound(&network, &options, &Silent).unwrap();
            let file = report.certificate_file(&network);
            assert!(check_file(&network, &file).is_ok());
            if !relaxation_only {
                let older = CertificateFile { version: 5, ..file };
                assert!(check_file(&network, &older).is_err(), "version 5 knows no groups");
            }
            report.bounds[0].upper()
        };
        let plain = upper(true, false);
        // by default, too: groups of so few neurons take no time
        for tight in [upper(false, true), upper(false, false)] {
            assert!(tight >= largest && tight < largest * 1.005, "{k}: {tight} for {largest}");
        }
        assert!(plain > largest * 1.04, "{k}: {plain} for {largest}");
    }
}
