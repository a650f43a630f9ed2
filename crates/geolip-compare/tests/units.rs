//! Every method in units of the input: as of the network whose first layer is multiplied by them.

#[path = "../../geolip/tests/support/networks.rs"]
mod support;

use geolip::network::{Activation, LinearMap, Network, NetworkBuilder};
use geolip::{Matrix, Options, Silent, Units};
use geolip_compare::{Guarantee, Method, compare};
use support::random;

const INPUTS: usize = 3;

/// One or two hidden layers, past which another map of the input may lead.
fn network(layers: usize, skip: bool, scale: [f64; INPUTS]) -> Network {
    let scaled = |w: Matrix| Matrix::from_fn(w.rows(), w.cols(), |i, j| w.at(i, j) * scale[j]);
    let mut b = NetworkBuilder::new(INPUTS).expect("inputs");
    let first = LinearMap::Dense(scaled(random(6, INPUTS, 1)));
    let mut h = b.affine("h", vec![(b.input(), first)], None).expect("shapes");
    for layer in 1..layers {
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        h = b.affine("h2", vec![(z, LinearMap::Dense(random(6, 6, layer as u64)))], None).expect("shapes");
    }
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    let mut terms = vec![(z, LinearMap::Dense(random(2, 6, 9)))];
    if skip {
        terms.push((b.input(), LinearMap::Dense(scaled(random(2, INPUTS, 7)))));
    }
    let y = b.affine("y", terms, None).expect("shapes");
    b.finish(y)
}

#[test]
fn a_method_in_units_says_something_else_than_of_the_multiplied_network() {
    for (numbers, layers, skip) in
        [([4.0, 0.5, 0.0625], 1, false), ([4.0, 0.0, 0.5], 2, false), ([0.0, 0.0, 2.0], 1, true)]
    {
        for norm in ["linf", "l2", "l1", "3"] {
            let norm = norm.parse().expect("a norm");
            let options = Options { norm, effort: 0.1, ..Options::default() };
            let unit = Some(Units::new(&numbers).expect("units"));
            let asked = Options { unit, ..options.clone() };
            let in_units = compare(&network(layers, skip, [1.0; INPUTS]), &asked, &Silent).expect("compared");
            let multiplied = compare(&network(layers, skip, numbers), &options, &Silent).expect("compared");
            for method in Method::ALL {
                let (own, other) = (in_units.of(method), multiplied.of(method));
                assert_eq!(own.is_some(), other.is_some(), "{method} {norm}");
                for (own, other) in own.into_iter().zip(other) {
                    let near = |a: f64, b: f64, tol: f64| (a - b).abs() <= tol * b.abs();
                    let tol = if method == Method::NormProduct { 1e-8 } else { 1e-4 };
                    let is_bound = matches!(own.guarantee, Guarantee::Certified | Guarantee::Exact);
                    let (a, b) = (own.largest(), other.largest());
                    assert!(!is_bound || near(a, b, tol), "{method} {norm} {numbers:?}: {a} against {b}");
                }
            }
        }
    }
}
