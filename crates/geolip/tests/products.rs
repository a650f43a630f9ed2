//! Products of two nodes: bounded on regions, refused everywhere, from the network to the certificate.

#![allow(clippy::unwrap_used)]

mod support;

use geolip::network::{Activation, Combination, LinearMap, NetworkBuilder};
use geolip::place::{Region, RegionNorm};
use geolip::proof::{CertificateFile, check_file};
use geolip::{InputNorm, Matrix, Network, Options, Outputs, Silent, bound};
use proptest::prelude::*;
use support::gradients::{Off, expect_between, gradient};
use support::{any_norm, config, random};

/// y = W (p∘q, p∘p, z) with p = A x + a, z = φ(B x + b), q = C z + D x.
fn network(inputs: usize, hidden: usize, activation: Activation, seed: u64) -> Network {
    let dense = |rows, cols, at: u64| LinearMap::Dense(random(rows, cols, seed ^ (at << 32)));
    let bias = |n, at: u64| Some(random(n, 1, seed ^ (at << 40)).data().to_vec());
    let mut b = NetworkBuilder::new(inputs).unwrap();
    let p = b.affine("p", vec![(b.input(), dense(hidden, inputs, 1))], bias(hidden, 1)).unwrap();
    let h = b.affine("h", vec![(b.input(), dense(hidden, inputs, 2))], bias(hidden, 2)).unwrap();
    let z = b.activate("z", h, activation).unwrap();
    let q = b.affine("q", vec![(z, dense(hidden, hidden, 3)), (b.input(), dense(hidden, inputs, 4))], None).unwrap();
    let product = b.combine("product", [p, q], Combination::Product).unwrap();
    let square = b.combine("square", [p, p], Combination::Product).unwrap();
    let terms = vec![(product, dense(2, hidden, 5)), (square, dense(2, hidden, 6)), (z, dense(2, hidden, 7))];
    let y = b.affine("y", terms, None).unwrap();
    b.finish(y)
}

/// How far differences are off.
const OFF: Off = Off { above: (1e-5, 1e-7), below: (1e-4, 1e-6) };

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn no_sampled_gradient_exceeds_a_bound_and_no_witness_exceeds_its_gradient(
        inputs in 1..4_usize, hidden in 1..5_usize, tanh in any::<bool>(), norm in any_norm(), radius in 1e-3..2.0_f64,
        ball in any::<bool>(), split in any::<bool>(), seed in any::<u64>(),
    ) {
        let network = network(inputs, hidden, if tanh { Activation::Tanh } else { Activation::Softplus }, seed);
        let centre = random(inputs, 1, seed ^ 99).data().to_vec();
        let shape = if ball && !split { RegionNorm::L2 } else { RegionNorm::Linf };
        let region = Region::around(&centre, radius, shape, None).unwrap();
        let split = (split && norm != InputNorm::L1).then(|| std::time::Duration::from_millis(20));
        let options = Options { norm, region: Some(region.clone()), effort: 0.05, split, ..Options::default() };
        let report = bound(&network, &options, &Silent).unwrap();
        let file = report.certificate_file(&network);
        check_file(&network, &CertificateFile::from_json(file.to_json().as_bytes()).unwrap()).unwrap();
        for bound in report.bounds.iter().enumerate() {
            expect_between(&network, (&region, &centre, radius), norm, bound, seed, OFF);
        }
    }

    #[test]
    fn bounds_tend_to_the_gradient_as_regions_shrink(
        inputs in 1..4_usize, hidden in 1..5_usize, norm in any_norm(), seed in any::<u64>(),
    ) {
        let network = network(inputs, hidden, Activation::Tanh, seed);
        let centre = random(inputs, 1, seed ^ 99).data().to_vec();
        let region = Region::around(&centre, 1e-5, RegionNorm::Linf, None).unwrap();
        let options = Options { norm, outputs: Outputs::One(0), region: Some(region), effort: 0.05, ..Options::default() };
        let upper = bound(&network, &options, &Silent).unwrap().bounds[0].upper();
        let at = norm.dual(gradient(&network, &centre, 0).into_iter());
        prop_assert!(upper <= 1.05 * at + 1e-3, "{upper} against {at}");
    }
}

#[test]
fn without_a_region_the_node_is_named_and_a_region_is_asked_for() {
    let network = network(2, 3, Activation::Relu, 1);
    let error = bound(&network, &Options::default(), &Silent).unwrap_err().to_string();
    assert_eq!(error, "node 'product' (product) has slopes of any size over all inputs; give a region of inputs");
}

#[test]
fn a_network_with_products_is_the_same_after_its_canonical_file() {
    let network = network(2, 3, Activation::Relu, 5);
    let mut file = Vec::new();
    network.export(&mut file).unwrap();
    let text = String::from_utf8(file.clone()).unwrap();
    assert!(text.contains(r#"{"combine":{"parents":[1,4],"function":"product"}}"#), "{text}");
    let read = geolip::import::from_bytes(&file, std::path::Path::new("n.json"), &Default::default()).unwrap().network;
    assert_eq!(read.hash(), network.hash());
    let x = Matrix::from_vec(2, 1, vec![0.3, -0.7]);
    assert_eq!(read.evaluate(x.data()), network.evaluate(x.data()));
}
