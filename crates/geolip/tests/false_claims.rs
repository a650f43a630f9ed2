//! Claims that are false, and honest questions whose answers once were: extreme scales, underflow, sums of many terms, forged cuts.
//! Each test is named after what would go wrong.

#![allow(clippy::unwrap_used)]

mod support;

use geolip::network::{Activation, Gather, LinearMap, Network, NetworkBuilder};
use geolip::place::{Region, RegionNorm};
use geolip::proof::{CertificateFile, Claim, FormProof, Proof, SignCut, SignProof, check_file};
use geolip::samples::load_box;
use geolip::{Functional, InputNorm, Matrix, Options, RadiusOptions, Silent, bound, certified_radius};
use support::files::{import, shared};

const NORMS: [&str; 4] = ["linf", "l2", "l1", "3"];

/// y = wₖ(… relu(w₂(relu(w₁x + b₁)) + b₂)), with relu or without.
fn chain(weights: &[(f64, f64)], relu: bool) -> Network {
    let mut b = NetworkBuilder::new(1).unwrap();
    let mut z = b.input();
    for (i, (w, bias)) in weights.iter().enumerate() {
        z = b.affine("h", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 1, vec![*w])))], Some(vec![*bias])).unwrap();
        if relu && i + 1 < weights.len() {
            z = b.activate("z", z, Activation::Relu).unwrap();
        }
    }
    b.finish(z)
}

fn options(norm: &str) -> Options {
    Options { norm: norm.parse().unwrap(), ..Options::default() }
}

/// No claim below `truth` comes out of a question; that there is none at all is allowed.
fn never_below(network: &Network, options: &Options, truth: f64, what: &str) {
    if let Ok(report) = bound(network, options, &Silent) {
        let bound = &report.bounds[0];
        assert!(bound.upper() >= truth, "{what} in {}: {} is below {truth}", options.norm, bound.upper());
        let lowers = [bound.witness.lower, bound.pattern_lower];
        assert!(lowers.iter().all(|lower| *lower <= bound.upper()), "{what}: {lowers:?} above {}", bound.upper());
        let file = report.certificate_file(network);
        assert!(check_file(network, &file).is_ok(), "{what}: its certificate is rejected");
    }
}

fn file(network: &Network, norm: InputNorm, upper: f64, proof: Proof) -> CertificateFile {
    CertificateFile {
        format: CertificateFile::FORMAT.to_owned(),
        version: CertificateFile::VERSION,
        network: network.hash(),
        norm,
        unit: None,
        region: None,
        bounds: vec![Claim { output: Functional::output(0), upper, proof }],
        notes: vec![],
    }
}

fn zeros(network: &Network, norm: InputNorm) -> Proof {
    let gammas = if norm == InputNorm::L2 || norm == InputNorm::L1 { 1 } else { network.inputs() };
    let lambda = network.activations().map(|(node, _, _)| vec![0.0; network.node(node).len]).collect();
    Proof::Multipliers(FormProof { zeta: vec![0.0], gamma: vec![0.0; gammas], lambda, random_test: None })
}

/// Powers of two that multiply to one, with partial products far below the smallest number.
const VANISHING: [f64; 4] = [-600.0, -600.0, 600.0, 600.0];

#[test]
fn an_output_whose_coefficients_underflow_is_not_zero() {
    for relu in [false, true] {
        for order in [[0, 1, 2, 3], [2, 3, 0, 1], [0, 2, 1, 3], [3, 0, 1, 2]] {
            let weights: Vec<(f64, f64)> = order.iter().map(|i| (VANISHING[*i].exp2(), 0.0)).collect();
            let network = chain(&weights, relu);
            for norm in NORMS {
                never_below(&network, &options(norm), 1.0, "a chain of powers of two");
                let norm = norm.parse().unwrap();
                let claim = file(&network, norm, 0.0, zeros(&network, norm));
                assert!(check_file(&network, &claim).is_err(), "all zero in {norm}, relu {relu}, {order:?}");
            }
        }
    }
}

#[test]
fn scaled_coefficients_that_underflow_keep_their_error() {
    // diagonal maps alone: their products stay diagonal, and what has underflowed is scaled again
    for (scales, at) in [
        ([1e-200, 1e-200, 1e200, 1e200], 3),
        ([3e-170, 3e-170, 1e170, 1e170], 3),
        ([1e-200, 1e-200, 1e200, 1e200], 1),
        ([3e-170, 3e-170, 1e170, 1e170], 4),
    ] {
        let mut b = NetworkBuilder::new(2).unwrap();
        let mut z = b.input();
        for (i, s) in scales.iter().enumerate() {
            z = b.affine("scale", vec![(z, LinearMap::Scale(vec![*s, 0.0]))], None).unwrap();
            if i == at {
                z = b.activate("relu", z, Activation::LeakyRelu { slope: 0.5 }).unwrap();
            }
        }
        let network = b.finish(z);
        let truth = scales[0] / 1e-200 * scales[1] / 1e-200 * 0.999;
        let truth = if scales[0] == 1e-200 { truth } else { 8.99 };
        for norm in NORMS {
            never_below(&network, &options(norm), truth, "diagonal maps");
            let norm = norm.parse().unwrap();
            let claim = file(&network, norm, 0.0, zeros(&network, norm));
            assert!(check_file(&network, &claim).is_err(), "all zero in {norm}");
        }
    }
}

#[test]
fn intervals_of_large_values_do_not_lose_what_their_weights_underflow_to() {
    // h₃ = relu(1e300 x)·1e-200·1e-200 − 5e-101 changes its sign at x = ½, and the last weight makes 1 of it
    let network = chain(&[(1e300, 0.0), (1e-200, 0.0), (1e-200, -5e-101), (1e100, 0.0)], true);
    for (lower, upper) in [(0.0, 1.0), (0.4, 0.6), (0.49, 0.500_001)] {
        for norm in NORMS {
            let region = Some(Region::new_box(vec![lower], vec![upper]).unwrap());
            never_below(&network, &Options { region, ..options(norm) }, 0.999_999, "a box");
        }
        let (centre, half) = ([0.5 * (lower + upper)], 0.5 * (upper - lower) * 1.000_1);
        let region = Some(Region::around(&centre, half, RegionNorm::L2, None).unwrap());
        never_below(&network, &Options { region, ..options("l2") }, 0.999_999, "a ball");
    }
}

#[test]
fn a_ramp_whose_kinks_overflow_is_not_taken_for_flat() {
    // hard-sigmoid(1e300 x; 1e-300, 1e10) has the slope 1 on (−1e10, −1e10 + 1)
    for sign in [1.0, -1.0] {
        let mut b = NetworkBuilder::new(1).unwrap();
        let map = LinearMap::Dense(Matrix::from_vec(1, 1, vec![sign * 1e300]));
        let h = b.affine("h", vec![(b.input(), map)], None).unwrap();
        let z = b.activate("z", h, Activation::HardSigmoid { slope: sign * 1e-300, offset: 1e10 }).unwrap();
        let network = b.finish(z);
        let region = Some(Region::new_box(vec![-1e11], vec![0.0]).unwrap());
        NORMS.iter().for_each(|norm| {
            never_below(&network, &Options { region: region.clone(), ..options(norm) }, 1.0 - 1e-9, "a far ramp");
        });
    }
}

#[test]
fn large_tolerances_and_short_limits_give_bounds_or_errors() {
    let network = chain(&[(1.5, 0.5), (-2.0, 0.25), (0.75, -0.5), (1.0, 0.0)], true);
    let region = Some(Region::new_box(vec![-1.0], vec![1.0]).unwrap());
    for tol in [0.05, 0.12, 0.34, 0.5, 0.999] {
        for limit in [1e-9, 0.05] {
            let limit = Some(std::time::Duration::from_secs_f64(limit));
            let o = Options { tol, time_limit: limit, ..options("linf") };
            never_below(&network, &o, 2.25 * (1.0 - 1e-12), "everywhere");
            never_below(&network, &Options { region: region.clone(), split: limit, ..o }, 0.0, "in parts");
        }
    }
    assert!(bound(&network, &Options { tol: 1.0, ..options("linf") }, &Silent).is_err());
}

#[test]
fn a_radius_does_not_reach_past_a_class_that_underflow_hid() {
    let mut b = NetworkBuilder::new(1).unwrap();
    let mut z = b.input();
    for (w, bias) in [(1e90, 0.0), (1e-165, 0.0), (1e-165, -5e-241)] {
        z = b.affine("h", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 1, vec![w])))], Some(vec![bias])).unwrap();
        z = b.activate("z", z, Activation::Relu).unwrap();
    }
    let w = Matrix::from_vec(2, 1, vec![0.0, 1e240]);
    let y = b.affine("y", vec![(z, LinearMap::Dense(w))], Some(vec![0.25, 0.0])).unwrap();
    let network = b.finish(y);
    // the class flips where x − ½ = ¼
    for norm in [RegionNorm::Linf, RegionNorm::L2] {
        let found = certified_radius(&network, &[0.4], &RadiusOptions { norm, ..RadiusOptions::default() }).unwrap();
        assert!(found.radius < 0.350_001, "{norm}: {}", found.radius);
    }
}

/// h = s·x₀ + Σ x₁…xₙ − (s + ½n·t) by a sum of copies that is added onto the large term, one small number after the other.
fn sum_of_copies(n: usize, s: f64, t: f64) -> Network {
    let mut b = NetworkBuilder::new(n + 1).unwrap();
    let pick = |sources: Vec<Option<usize>>| LinearMap::Gather(Gather::new(n + 1, sources).unwrap());
    let first = b.affine("first", vec![(b.input(), pick(vec![Some(0)]))], None).unwrap();
    let rest = b.affine("rest", vec![(b.input(), pick((1..=n).map(Some).collect()))], None).unwrap();
    let sum = LinearMap::Transpose(Box::new(LinearMap::Gather(Gather::new(1, (0..n).map(|_| Some(0))).unwrap())));
    let terms = vec![(first, LinearMap::Scale(vec![s])), (rest, sum)];
    let h = b.affine("h", terms, Some(vec![-(s + 0.5 * n as f64 * t)])).unwrap();
    let z = b.activate("z", h, Activation::Relu).unwrap();
    b.finish(z)
}

#[test]
fn a_sum_of_many_copies_onto_a_large_number_is_not_taken_for_inactive() {
    for (n, s, t) in [(10_000, 1e10, 1e-7), (3_000, 2f64.powi(40), 2f64.powi(-13)), (500, 1e12, 5e-5)] {
        let network = sum_of_copies(n, s, t);
        let mut x = vec![t; n + 1];
        x[0] = 1.0;
        // h = s + n·t − (s + ½n·t) > 0: the slope is one, the gradient norm in linf s + n
        for region in
            [Region::new_box(x.clone(), x.clone()).unwrap(), Region::around(&x, 1e-12, RegionNorm::L2, None).unwrap()]
        {
            never_below(&network, &Options { region: Some(region), ..options("linf") }, s, "many copies");
        }
    }
}

#[test]
fn programs_over_signs_pay_for_products_that_underflow_late() {
    // ∂y/∂x = g·v·h with g·r below the smallest number and h far above one
    for (g, slope, h) in [(1e-250, 1e-100, 1e300), (2f64.powi(-1000), 2f64.powi(-80), 2f64.powi(1020))] {
        let mut b = NetworkBuilder::new(1).unwrap();
        let map = |v: f64| LinearMap::Dense(Matrix::from_vec(1, 1, vec![v]));
        let z = b.affine("h", vec![(b.input(), map(h))], None).unwrap();
        let z = b.activate("z", z, Activation::HardSigmoid { slope, offset: 0.5 }).unwrap();
        let y = b.affine("y", vec![(z, map(g))], None).unwrap();
        let network = b.finish(y);
        let truth = g * h * slope;
        assert!(truth > 0.0, "the truth itself is in range");
        for norm in NORMS {
            never_below(&network, &options(norm), truth * (1.0 - 1e-12), "a steep first layer");
        }
        for norm in [InputNorm::Linf, InputNorm::L2] {
            let proof = SignProof { gamma: vec![0.0], delta: vec![0.0, 0.0], cuts: vec![] };
            let claim = file(&network, norm, truth / 2.0, Proof::Signs(proof));
            assert!(check_file(&network, &claim).is_err(), "no multipliers in {norm}");
        }
    }
}

#[test]
fn a_cycle_that_visits_a_variable_twice_proves_nothing() {
    // y = relu(x): the truth is 1
    let network = chain(&[(1.0, 0.0), (1.0, 0.0)], true);
    for (cycle, signs) in
        [(vec![1, 1, 2], vec![-1, 1, 1]), (vec![1, 2, 1, 2], vec![1, 1, 1, -1]), (vec![2, 1, 1], vec![1, -1, 1])]
    {
        for weight in [0.125, 0.25, 0.5] {
            let cut = SignCut(cycle.clone(), signs.clone(), weight);
            let proof = SignProof { gamma: vec![1.0], delta: vec![0.25 * (1.0 + 1e-9); 2], cuts: vec![cut] };
            let claim = file(&network, InputNorm::L2, 0.95, Proof::Signs(proof));
            assert!(check_file(&network, &claim).is_err(), "{cycle:?}");
        }
    }
}

#[test]
fn curvature_added_neuron_by_neuron_counts_every_addition() {
    // y = Σ relu'(…) of many equal leaky neurons with opposite slopes, one by one in sparse rows: large terms that cancel
    let n = 400;
    let mut b = NetworkBuilder::new(1).unwrap();
    let copies = LinearMap::Gather(Gather::new(1, (0..n).map(|_| Some(0))).unwrap());
    let h = b.affine("h", vec![(b.input(), copies)], None).unwrap();
    let z =
        b.activate("z", h, Activation::PRelu { slopes: (0..n).map(|j| if j % 2 == 0 { -1.0 } else { 1.0 }).collect() });
    let w = Matrix::from_fn(1, n, |_, j| if j % 2 == 0 { 1e-3 } else { -1e-3 });
    let y = b.affine("y", vec![(z.unwrap(), LinearMap::Dense(w))], None).unwrap();
    let network = b.finish(y);
    // even neurons have slopes in [−1, 1], odd ones the slope 1: at most ½n·2e-3
    for norm in NORMS {
        never_below(&network, &options(norm), n as f64 * 1e-3 * (1.0 - 1e-13), "equal neurons");
    }
}

#[test]
fn certificates_of_others_that_were_once_accepted_are_rejected() {
    let Some(cases) = shared().map(|folder| folder.join("red/cases")) else { return };
    let forged = [
        ("A_signs_1.json", "A_signs_1.npz"),
        ("B3_honest_3.json", "B3_honest.onnx"),
        ("B3_honest_l2.json", "B3_honest.onnx"),
        ("B3_honest_linf.json", "B3_honest.onnx"),
        ("B_f32.json", "B_f32.onnx"),
        ("B_linear.json", "B_linear.onnx"),
        ("B_relu.json", "B_relu.onnx"),
        ("D_hs_l2.json", "D_hs.onnx"),
        ("D_hs_linf.json", "D_hs.onnx"),
        ("E_region.json", "E_region.npz"),
    ];
    for (certificate, network) in forged {
        let bytes = std::fs::read(cases.join(certificate)).unwrap();
        let network = import(&cases.join(network));
        let verdict = check_file(&network, &CertificateFile::from_json(&bytes).unwrap());
        assert!(verdict.is_err(), "{certificate}");
    }
    let honest: [(&str, f64); 5] = [
        ("B3_honest.onnx", 1.099_999e-30),
        ("B_linear.onnx", 0.0),
        ("B_relu.onnx", 0.0),
        ("B_f32.onnx", 0.0),
        ("D_hs.onnx", 0.0),
    ];
    for (name, truth) in honest {
        let network = import(&cases.join(name));
        NORMS.iter().for_each(|norm| never_below(&network, &options(norm), truth, name));
    }
    let network = import(&cases.join("E_region.npz"));
    let region = Some(load_box(&cases.join("E_box.npy")).unwrap());
    NORMS.iter().for_each(|norm| {
        never_below(&network, &Options { region: region.clone(), ..options(norm) }, 0.999_999, "E_region");
    });
}
