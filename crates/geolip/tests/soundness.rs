//! The worst defect there can be is an upper bound below a feasible lower bound. These tests hunt for it, with no slack.

mod support;

use geolip::network::Network;
use geolip::proof::{Branch, CertificateFile, FormProof, Proof, check_file};
use geolip::{Functional, InputNorm, Method, Options, Outputs, Report, Silent, bound};
use proptest::prelude::*;
use support::{OutputPlan, any_norm, any_outputs, brute_force, config, network};

fn options(norm: InputNorm) -> Options {
    Options { norm, effort: 0.1, ..Options::default() }
}

fn solved(network: &Network, norm: InputNorm, outputs: OutputPlan) -> Report {
    let options = Options { outputs: outputs.of(network), ..options(norm) };
    bound(network, &options, &Silent).expect("small networks have bounds")
}

/// Every form in a certificate file.
fn forms(file: &mut CertificateFile) -> Vec<&mut FormProof> {
    fn of(proof: &mut Proof) -> Vec<&mut FormProof> {
        match proof {
            Proof::Multipliers(form) => vec![form],
            Proof::Outputs(claims) => claims.iter_mut().flat_map(|claim| of(&mut claim.proof)).collect(),
            Proof::Inputs(inputs) => inputs.iter_mut().map(|input| &mut input.multipliers).collect(),
            Proof::Signs(_) | Proof::Cuts(_) | Proof::Intervals | Proof::Patterns => Vec::new(),
            Proof::Tree(tree) => {
                let leaves = tree.iter_mut().filter_map(|branch| match branch {
                    Branch::Leaf(proof) => Some(of(proof)),
                    Branch::Slope(..) | Branch::Input(..) | Branch::Side(..) | Branch::Thin(_) => None,
                });
                leaves.flatten().collect()
            }
        }
    }
    file.bounds.iter_mut().flat_map(|claim| of(&mut claim.proof)).collect()
}

proptest! {
    #![proptest_config(config(4000))]

    /// brute-force FGL ≤ upper, every lower bound ≤ upper, pattern bound ≤ brute force, and every certificate checks.
    #[test]
    fn no_upper_bound_is_below_the_brute_force_fgl(
        network in network(), norm in any_norm(), outputs in any_outputs(),
    ) {
        let report = solved(&network, norm, outputs);
        for bound in &report.bounds {
            let fgl = brute_force(&network, norm, &bound.functional);
            prop_assert!(fgl.below <= bound.upper(), "brute force {:e} exceeds {:e}", fgl.below, bound.upper());
            prop_assert!(bound.pattern_lower <= fgl.above, "pattern {:e} exceeds {:e}", bound.pattern_lower, fgl.above);
            prop_assert!(bound.pattern_lower <= bound.upper());
            prop_assert!(bound.witness.lower <= bound.pattern_lower);
            let below = matches!(bound.method, Method::Cuts { .. });
            prop_assert!(below || bound.relaxation <= bound.upper() * (1.0 + 1e-12));
        }
        let checked = check_file(&network, &report.certificate_file(&network));
        let made: Vec<_> = report.bounds.iter().map(|b| b.certificate.clone()).collect();
        prop_assert!(checked.as_ref() == Ok(&made), "{:?}", checked.err());
    }

    /// The gap between certified bound and relaxation is within the tolerance, also for badly scaled networks.
    #[test]
    fn certified_bounds_meet_the_relaxation(network in network(), norm in any_norm(), outputs in any_outputs()) {
        for bound in &solved(&network, norm, outputs).bounds {
            let gap = bound.upper() - bound.relaxation;
            prop_assert!(gap <= 1e-6 * bound.upper(), "gap {gap:e} of {:e} ({:?})", bound.upper(), bound.stop);
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    /// One number changed for the worse, and the certificate is rejected.
    #[test]
    fn a_tampered_certificate_is_rejected(
        network in network(), norm in any_norm(), outputs in any_outputs(), which in any::<prop::sample::Index>(),
    ) {
        let report = solved(&network, norm, outputs);
        let file = report.certificate_file(&network);
        prop_assert!(check_file(&network, &file).is_ok());
        let index = which.index(file.bounds.len());
        if file.bounds[index].upper == 0.0 {
            return Ok(());
        }
        let reject = |change: &dyn Fn(&mut CertificateFile)| {
            let mut changed = file.clone();
            change(&mut changed);
            check_file(&network, &changed).is_err()
        };
        prop_assert!(reject(&|f| f.bounds[index].upper *= 1.0 - 1e-9), "a smaller claim");
        prop_assert!(reject(&|f| f.bounds[index].upper = f64::NAN), "a claim that is no number");
        prop_assert!(reject(&|f| f.bounds[index].upper = f64::INFINITY), "an infinite claim");
        prop_assert!(reject(&|f| f.bounds[index].output = Functional::Output(99)), "an output that is not there");
        prop_assert!(reject(&|f| f.network = "0".repeat(64)), "another network");
        prop_assert!(reject(&|f| f.version += 1), "another version");
        prop_assert!(reject(&|f| f.bounds.clear()), "no claims");
        prop_assert!(reject(&|f| f.bounds[index].proof = Proof::Outputs(Vec::new())), "an empty proof");
        let count = forms(&mut file.clone()).len();
        if count == 0 {
            return Ok(());
        }
        let form = which.index(count);
        if forms(&mut file.clone())[form].zeta.iter().all(|z| *z == 0.0) {
            return Ok(());
        }
        prop_assert!(reject(&|f| forms(f)[form].zeta.iter_mut().for_each(|z| *z *= 0.99)), "a smaller zeta");
        prop_assert!(reject(&|f| forms(f)[form].gamma[0] = f64::NAN), "a NaN");
        prop_assert!(reject(&|f| forms(f)[form].zeta[0] = f64::INFINITY), "an infinity");
        prop_assert!(reject(&|f| forms(f)[form].gamma[0] *= -1.0), "a negative number");
        prop_assert!(reject(&|f| { forms(f)[form].gamma.pop(); }), "a shortened list");
        prop_assert!(reject(&|f| { forms(f)[form].zeta.push(1.0); }), "a longer list");
    }

    /// The same question gets the same bytes, whatever the number of threads.
    #[test]
    fn results_repeat_for_every_number_of_threads(network in network(), norm in any_norm(), outputs in any_outputs()) {
        let run = |threads| {
            let outputs = outputs.of(&network);
            let options = Options { threads: Some(threads), outputs, ..options(norm) };
            bound(&network, &options, &Silent).expect("bounded").certificate_file(&network).to_json()
        };
        let text = run(1);
        prop_assert_eq!(&text, &run(3));
        let read = CertificateFile::from_json(text.as_bytes()).expect("its own text is readable");
        prop_assert_eq!(read.to_json(), text);
    }
}

#[test]
fn an_output_that_ignores_its_input_has_the_bound_zero() {
    use geolip::network::{Activation, LinearMap, NetworkBuilder};
    let mut b = NetworkBuilder::new(3).expect("inputs");
    let h = b.affine("dead", vec![(b.input(), LinearMap::Dense(geolip::Matrix::zeros(2, 3)))], Some(vec![1.0, 2.0]));
    let z = b.activate("tanh", h.expect("shapes"), Activation::Tanh).expect("activation");
    let w = geolip::Matrix::from_vec(2, 2, vec![1.0, 2.0, 0.0, 0.0]);
    let y = b.affine("out", vec![(z, LinearMap::Dense(w))], None).expect("shapes");
    let network = b.finish(y);
    let norms = ["linf", "l2", "l1", "3"].map(|norm| norm.parse().expect("a norm"));
    let outputs = [Outputs::Each, "l1".parse().expect("a norm"), "l2".parse().expect("a norm")];
    for (norm, outputs) in norms.iter().flat_map(|norm| outputs.iter().map(|outputs| (*norm, outputs.clone()))) {
        let report = bound(&network, &Options { outputs, ..options(norm) }, &Silent).expect("bounded");
        assert!(report.bounds.iter().all(|b| b.upper() == 0.0), "{:?}", report.bounds);
        assert!(check_file(&network, &report.certificate_file(&network)).is_ok());
    }
}

#[test]
fn coupled_multipliers_would_be_unsound_here() {
    // relu(x + 1) − relu(x) moves by 1; LipSDP's "network" mode gives 0
    use geolip::network::{Activation, LinearMap, NetworkBuilder};
    let mut b = NetworkBuilder::new(1).expect("inputs");
    let column = geolip::Matrix::from_vec(2, 1, vec![1.0, 1.0]);
    let h = b.affine("fc1", vec![(b.input(), LinearMap::Dense(column))], Some(vec![1.0, 0.0])).expect("shapes");
    let z = b.activate("relu", h, Activation::Relu).expect("activation");
    let row = geolip::Matrix::from_vec(1, 2, vec![1.0, -1.0]);
    let y = b.affine("fc2", vec![(z, LinearMap::Dense(row))], None).expect("shapes");
    let network = b.finish(y);
    let report = solved(&network, InputNorm::L2, OutputPlan::Each);
    assert!(report.bounds[0].upper() >= 1.0 && report.bounds[0].upper() < 1.0 + 1e-6);
    assert!(report.bounds[0].witness.lower > 0.999_999, "attained between −1 and 0: {:?}", report.bounds[0].witness);
    assert_eq!(report.bounds[0].functional, Functional::output(0));
}
