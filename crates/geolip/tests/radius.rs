//! Certified radii: no attack succeeds inside one.

mod support;

use geolip::import::load;
use geolip::matrix::Matrix;
use geolip::network::{Network, NodeId};
use geolip::place::RegionNorm;
use geolip::rounding::UNIT;
use geolip::samples::load_rows;
use geolip::{RadiusOptions, certified_radius};
use proptest::prelude::*;
use std::time::Instant;
use support::{config, network, random};

/// Projected gradient descent on the smallest margin: the least value of y_label − max yⱼ found within the radius.
fn attack(
    network: &Network,
    x: &[f64],
    label: usize,
    (radius, norm, clip): (f64, RegionNorm, (f64, f64)),
    (steps, restarts): (usize, usize),
) -> f64 {
    let (n, m) = (network.inputs(), network.outputs());
    let starts = random(n, restarts, 11);
    let inside = |at: &mut Matrix| {
        for j in 0..at.cols() {
            let length = (0..n).map(|i| (at.at(i, j) - x[i]).powi(2)).sum::<f64>().sqrt();
            for (i, x) in x.iter().enumerate() {
                let d = at.at(i, j) - x;
                *at.at_mut(i, j) = match norm {
                    RegionNorm::Linf => x + d.clamp(-radius, radius),
                    RegionNorm::L2 => x + d * (radius / length.max(radius)),
                }
                .clamp(clip.0, clip.1);
            }
        }
    };
    let mut at = Matrix::from_fn(n, restarts, |i, j| x[i] + if j == 0 { 0.0 } else { radius * starts.at(i, j) });
    inside(&mut at);
    let mut least = f64::INFINITY;
    for step in 0..=steps {
        let values = network.evaluate_batch(at.clone());
        let y = values.of(network.output());
        let mut seed = Matrix::zeros(m, restarts);
        for j in 0..restarts {
            let rival =
                (0..m).filter(|i| *i != label).max_by(|a, b| y.at(*a, j).total_cmp(&y.at(*b, j))).expect("two outputs");
            least = least.min(y.at(label, j) - y.at(rival, j));
            *seed.at_mut(label, j) = 1.0;
            *seed.at_mut(rival, j) = -1.0;
        }
        let slopes: Vec<Matrix> = network
            .activations()
            .map(|(_, parent, activation)| {
                let h = values.of(parent);
                Matrix::from_fn(h.rows(), restarts, |i, j| activation.derivative(i, h.at(i, j)))
            })
            .collect();
        let gradients = support::everywhere(network).adjoint(&slopes, &seed);
        let gradient = gradients.of(NodeId::INPUT);
        let length = radius * 0.2 * (1.0 - step as f64 / (steps + 1) as f64);
        for j in 0..restarts {
            let size = (0..n).map(|i| gradient.at(i, j).powi(2)).sum::<f64>().sqrt().max(1e-300);
            for i in 0..n {
                let g = gradient.at(i, j);
                *at.at_mut(i, j) -= length * if norm == RegionNorm::Linf { g.signum() } else { g / size };
            }
        }
        inside(&mut at);
    }
    least
}

proptest! {
    #![proptest_config(config(300))]

    /// No attack changes the classification of a random network inside the certified radius, whatever the activations.
    #[test]
    fn no_attack_on_a_small_network_succeeds_inside_the_radius(network in network(), seed in any::<u64>(), ball in any::<bool>()) {
        prop_assume!(network.outputs() > 1);
        let x = random(network.inputs(), 1, seed).data().to_vec();
        let norm = if ball { RegionNorm::L2 } else { RegionNorm::Linf };
        let found = certified_radius(&network, &x, &RadiusOptions { norm, ..RadiusOptions::default() }).expect("a radius");
        if found.radius > 0.0 {
            prop_assert!(found.margin > 0.0 && found.label == found.predicted);
            let size: f64 = support::everywhere(&network).abs_forward(&Matrix::from_fn(x.len(), 1, |i, _| x[i].abs() + found.radius))
                .of(network.output()).data().iter().sum();
            let least = attack(&network, &x, found.label, (found.radius, norm, (-1e300, 1e300)), (20, 8));
            prop_assert!(least > -1e3 * UNIT * (1.0 + size), "{least:e} within {:e}", found.radius);
        }
    }
}

/// 100 images, a network that others trained: attacks of 100 steps from 10 starts, and a minute for all radii.
#[test]
fn no_attack_on_mnist_succeeds_inside_the_radius() {
    let Some(shared) = support::files::shared() else { return };
    let path = shared.join("nets/vnn_mnist_fc/mnist-net_256x2.onnx");
    let network = load(&path, &Default::default()).expect("a network").network;
    let images = load_rows(&shared.join("data/mnist_test_100.csv")).expect("images");
    let started = Instant::now();
    let mut radii = Vec::new();
    for row in &images {
        let x: Vec<f64> = row[1..].iter().map(|v| v / 255.0).collect();
        let options =
            RadiusOptions { label: Some(row[0] as usize), clip: Some((0.0, 1.0)), ..RadiusOptions::default() };
        radii.push((certified_radius(&network, &x, &options).expect("a radius"), x));
    }
    let seconds = started.elapsed().as_secs_f64();
    let right = radii.iter().filter(|(found, _)| found.predicted == found.label).count();
    let mean = radii.iter().map(|(found, _)| found.radius).sum::<f64>() / radii.len() as f64;
    eprintln!("{right} of {} right, mean radius {mean:.5}, {seconds:.1} s one after the other", radii.len());
    assert!(right > 90, "{right} of {} are right: these images are not what the network reads", radii.len());
    for (found, x) in radii.iter().filter(|(found, _)| found.radius > 0.0) {
        let least = attack(&network, x, found.label, (found.radius, RegionNorm::Linf, (0.0, 1.0)), (100, 10));
        assert!(least > 0.0, "an attack within {} reaches {least}", found.radius);
    }
}

/// The label that is not the prediction has no radius; a linear network has the distance to its boundary.
#[test]
fn labels_and_linear_networks() {
    use geolip::network::{LinearMap, NetworkBuilder};
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let w = LinearMap::Dense(Matrix::from_vec(2, 2, vec![1.0, 2.0, 0.0, -1.0]));
    let y = b.affine("y", vec![(b.input(), w)], None).expect("shapes");
    let network = b.finish(y);
    let of = |label, norm| {
        certified_radius(&network, &[1.0, 1.0], &RadiusOptions { label, norm, tol: 1e-4, ..RadiusOptions::default() })
            .expect("a radius")
    };
    // the margin is x₁ + 3x₂ = 4: its boundary is 1 away in ℓ∞ and 4/√10 in ℓ2
    assert!((of(None, RegionNorm::Linf).radius - 1.0).abs() < 1e-3);
    assert!((of(Some(0), RegionNorm::L2).radius - 4.0 / 10f64.sqrt()).abs() < 1e-3);
    assert_eq!(of(Some(1), RegionNorm::Linf).radius, 0.0);
    assert!(
        certified_radius(&network, &[1.0, 1.0], &RadiusOptions { label: Some(2), ..RadiusOptions::default() }).is_err()
    );
}

#[test]
fn a_ball_with_a_pole_in_it_is_certified_beyond_the_pole() {
    use geolip::network::{Activation, LinearMap, NetworkBuilder};
    for exponent in [-1.0, -3.0] {
        let mut b = NetworkBuilder::new(1).expect("inputs");
        let power = b.activate("power", b.input(), Activation::Power { exponent }).expect("one input");
        let w = LinearMap::Dense(Matrix::from_vec(2, 1, vec![1.0, 0.0]));
        let y = b.affine("y", vec![(power, w)], Some(vec![50.0, 0.0])).expect("shapes");
        let network = b.finish(y);
        // just left of the pole, 1 away, the margin is −∞
        for norm in [RegionNorm::Linf, RegionNorm::L2] {
            let found = certified_radius(&network, &[1.0], &RadiusOptions { norm, ..RadiusOptions::default() });
            assert!(found.expect("a radius").radius <= 1.0, "{exponent} {norm:?}");
        }
    }
}
