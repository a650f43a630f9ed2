//! Functions with slopes of any size, on regions: random graphs of exp, log, powers, erf and their kin, products and quotients.

#![allow(clippy::unwrap_used)]

mod support;

use geolip::network::{Activation, Combination, LinearMap, NetworkBuilder, NodeId};
use geolip::place::{Region, RegionNorm};
use geolip::proof::{CertificateFile, check_file};
use geolip::{InputNorm, Network, Options, Outputs, Silent, bound};
use proptest::prelude::*;
use support::gradients::{Off, expect_between, gradient};
use support::{any_norm, config, random};

/// Functions of any numbers, and of positive ones.
fn functions() -> (Vec<Activation>, Vec<Activation>) {
    let power = |exponent| Activation::Power { exponent };
    let any = vec![
        Activation::Exp,
        Activation::Erf,
        Activation::Atan,
        Activation::Asinh,
        Activation::Softplus,
        Activation::Sin,
        power(2.0),
        power(3.0),
    ];
    let positive = vec![Activation::Log, power(-1.0), power(0.5), power(-0.5), power(1.7), power(-2.0)];
    (any, positive)
}

/// Layers of h = A·(all before) + a, f(h), g(|h| + ½), and f(h)·g(|h| + ½).
fn network(inputs: usize, width: usize, layers: usize, seed: u64) -> Network {
    let (any, positive) = functions();
    let dense = |rows, cols, at: u64| {
        let scale = 0.7 / (cols as f64).sqrt();
        let numbers = random(rows, cols, seed ^ (at << 32));
        LinearMap::Dense(geolip::Matrix::from_fn(rows, cols, |i, j| scale * numbers.at(i, j)))
    };
    let mut b = NetworkBuilder::new(inputs).unwrap();
    let mut before: Vec<(NodeId, usize)> = vec![(b.input(), inputs)];
    for layer in 0..layers as u64 {
        let pick = |from: &[Activation], at: u64| {
            from[((seed >> (8 * (layer % 4) + at)) % from.len() as u64) as usize].clone()
        };
        let terms = before.iter().enumerate();
        let terms = terms.map(|(t, (id, n))| (*id, dense(width, *n, 10 * layer + t as u64 + 1))).collect();
        let bias = random(width, 1, seed ^ (layer + 77)).data().to_vec();
        let h = b.affine("h", terms, Some(bias)).unwrap();
        let f = b.activate("f", h, pick(&any, 0)).unwrap();
        let size = b.activate("size", h, Activation::Softplus).unwrap();
        let above = b.affine("above", vec![(size, LinearMap::Identity(width))], Some(vec![0.5; width])).unwrap();
        let g = b.activate("g", above, pick(&positive, 3)).unwrap();
        let product = b.combine("product", [f, g], Combination::Product).unwrap();
        before = vec![(product, width), (if layer % 2 == 0 { g } else { h }, width)];
    }
    let terms = before.iter().enumerate().map(|(t, (id, n))| (*id, dense(2, *n, 99 + t as u64))).collect();
    let y = b.affine("y", terms, None).unwrap();
    b.finish(y)
}

/// How far differences are off.
const OFF: Off = Off { above: (1e-4, 1e-6), below: (1e-3, 1e-6) };

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_sampled_gradient_exceeds_a_bound_or_a_witness_is_not_attained(
        inputs in 1..4_usize, width in 1..4_usize, layers in 1..4_usize, norm in any_norm(), radius in 1e-3..0.6_f64,
        ball in any::<bool>(), seed in any::<u64>(),
    ) {
        let network = network(inputs, width, layers, seed);
        let centre = random(inputs, 1, seed ^ 99).data().to_vec();
        let shape = if ball { RegionNorm::L2 } else { RegionNorm::Linf };
        let region = Region::around(&centre, radius, shape, None).unwrap();
        let options = Options { norm, region: Some(region.clone()), effort: 0.05, ..Options::default() };
        // intervals may reach a pole, or the proof fail where slopes are huge: that is said, and no bound
        let Ok(report) = bound(&network, &options, &Silent) else { return Ok(()) };
        let file = report.certificate_file(&network);
        check_file(&network, &CertificateFile::from_json(file.to_json().as_bytes()).unwrap()).unwrap();
        for bound in report.bounds.iter().enumerate() {
            expect_between(&network, (&region, &centre, radius), norm, bound, seed, OFF);
        }
    }

    #[test]
    fn bounds_stay_above_the_gradient_as_regions_shrink(
        inputs in 1..4_usize, width in 1..4_usize, layers in 1..4_usize, norm in any_norm(), seed in any::<u64>(),
    ) {
        let network = network(inputs, width, layers, seed);
        let centre = random(inputs, 1, seed ^ 99).data().to_vec();
        let region = Region::around(&centre, 1e-5, RegionNorm::Linf, None).unwrap();
        let options = Options { norm, outputs: Outputs::One(0), region: Some(region), effort: 0.05, ..Options::default() };
        let upper = bound(&network, &options, &Silent).unwrap().bounds[0].upper();
        let at = norm.dual(gradient(&network, &centre, 0).into_iter());
        prop_assert!(upper <= 1.05 * at + 1e-3, "{upper} against {at}");
        prop_assert!(upper >= at * (1.0 - 1e-4) - 1e-6, "{upper} against {at}");
    }
}

/// y = φ(x + a) of one number.
fn one(activation: Activation, a: f64) -> Network {
    let mut b = NetworkBuilder::new(1).unwrap();
    let h = b.affine("shifted", vec![(b.input(), LinearMap::Identity(1))], Some(vec![a])).unwrap();
    let z = b.activate("z", h, activation).unwrap();
    b.finish(z)
}

fn upper(network: &Network, centre: f64, radius: f64) -> Result<f64, String> {
    let region = Some(Region::around(&[centre], radius, RegionNorm::Linf, None).unwrap());
    let options = Options { norm: InputNorm::L2, region, ..Options::default() };
    bound(network, &options, &Silent).map(|report| report.bounds[0].upper()).map_err(|error| error.to_string())
}

#[test]
fn slopes_are_not_those_of_calculus() {
    let power = |exponent| Activation::Power { exponent };
    for (activation, centre, radius, expected) in [
        (Activation::Exp, 1.0, 1.0, 2f64.exp()),
        (Activation::Log, 1.0, 0.75, 4.0),
        (power(-1.0), 1.0, 0.5, 4.0),
        (power(-1.0), -1.0, 0.5, 4.0),
        (power(0.5), 1.0, 0.75, 1.0),
        (power(3.0), 0.0, 2.0, 12.0),
        (power(2.0), -1.0, 2.0, 6.0),
        (power(-2.0), 1.0, 0.5, 16.0),
        (Activation::Erf, 0.3, 1.0, std::f64::consts::FRAC_2_SQRT_PI),
        (Activation::Atan, 1.0, 0.5, 0.8),
        (Activation::Asinh, 0.75, 0.0, 0.8),
    ] {
        let found = upper(&one(activation.clone(), 0.0), centre, radius).unwrap();
        assert!(
            expected <= found * (1.0 + 1e-12) && found <= expected * (1.0 + 1e-6),
            "{activation}: {found} for {expected}"
        );
    }
}

#[test]
fn a_pole_is_not_named_with_its_interval() {
    let reached = upper(&one(Activation::Log, 0.5), 0.0, 1.0).unwrap_err();
    assert_eq!(
        reached,
        "node 'z' (log): an argument lies between -0.5 and 1.5 as far as is known, where slopes have no bound; give a smaller region"
    );
    let everywhere = bound(&one(Activation::Exp, 0.0), &Options::default(), &Silent).unwrap_err().to_string();
    assert_eq!(everywhere, "node 'z' (exp) has slopes of any size over all inputs; give a region of inputs");
    assert!(upper(&one(Activation::Power { exponent: -1.0 }, 0.0), 0.0, 0.1).is_err());
    assert!(upper(&one(Activation::Power { exponent: 0.5 }, 0.0), 0.5, 0.5).is_err());
}

#[test]
fn a_network_of_these_functions_changes_by_its_canonical_file() {
    for seed in 0..20 {
        let network = network(2, 3, 3, seed * 0x0123_4567_89ab);
        let mut file = Vec::new();
        network.export(&mut file).unwrap();
        let read =
            geolip::import::from_bytes(&file, std::path::Path::new("n.json"), &Default::default()).unwrap().network;
        assert_eq!(read.hash(), network.hash());
    }
}
