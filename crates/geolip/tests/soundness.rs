//! The worst defect there can be is an upper bound below a feasible lower bound. These tests hunt for it, with no slack.

mod support;

use geolip::certificate::{QuadraticForm, check, check_file};
use geolip::network::Network;
use geolip::{Functional, InputNorm, Options, Report, Silent, bound};
use proptest::prelude::*;
use support::{brute_force, config, network};

fn options(norm: InputNorm) -> Options {
    Options { norm, threads: None, ..Options::default() }
}

fn norm() -> impl Strategy<Value = InputNorm> {
    prop_oneof![Just(InputNorm::Linf), Just(InputNorm::L2)]
}

fn solved(network: &Network, norm: InputNorm) -> Report {
    bound(network, &options(norm), &Silent).expect("small networks have bounds")
}

proptest! {
    #![proptest_config(config(4000))]

    /// brute-force FGL ≤ upper, every lower bound ≤ upper, pattern bound ≤ brute force, and every certificate checks.
    #[test]
    fn no_upper_bound_is_below_the_brute_force_fgl(network in network(), norm in norm()) {
        let report = solved(&network, norm);
        let form = QuadraticForm::new(&network);
        for bound in &report.bounds {
            let fgl = brute_force(&network, norm, bound.functional).below;
            prop_assert!(fgl <= bound.upper(), "brute force {fgl:e} exceeds {:e}", bound.upper());
            prop_assert!(bound.pattern_lower <= bound.upper());
            prop_assert!(bound.witness.lower <= bound.pattern_lower);
            prop_assert!(bound.relaxation <= bound.upper() * (1.0 + 1e-12));
            prop_assert!(check(&form, norm, &bound.certificate.claim()).is_ok());
        }
    }

    /// The gap between certified bound and relaxation is within the tolerance, also for badly scaled networks.
    #[test]
    fn certified_bounds_meet_the_relaxation(network in network(), norm in norm()) {
        for bound in &solved(&network, norm).bounds {
            let gap = bound.upper() - bound.relaxation;
            prop_assert!(gap <= 1e-6 * bound.upper(), "gap {gap:e} of {:e} ({:?})", bound.upper(), bound.stop);
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    /// One number changed for the worse, and the certificate is rejected.
    #[test]
    fn a_tampered_certificate_is_rejected(network in network(), norm in norm(), which in any::<prop::sample::Index>()) {
        let report = solved(&network, norm);
        let file = report.certificate_file(&network);
        prop_assert!(check_file(&network, &file).is_ok());
        let index = which.index(file.bounds.len());
        let honest = &file.bounds[index];
        if honest.upper == 0.0 {
            return Ok(());
        }
        let reject = |change: &dyn Fn(&mut geolip::certificate::CertificateFile)| {
            let mut changed = file.clone();
            change(&mut changed);
            check_file(&network, &changed).is_err()
        };
        prop_assert!(reject(&|f| f.bounds[index].upper *= 1.0 - 1e-9), "a smaller claim");
        prop_assert!(reject(&|f| f.bounds[index].zeta *= 0.99), "a smaller zeta");
        prop_assert!(reject(&|f| f.bounds[index].gamma[0] = f64::NAN), "a NaN");
        prop_assert!(reject(&|f| f.bounds[index].zeta = f64::INFINITY), "an infinity");
        prop_assert!(reject(&|f| f.bounds[index].gamma[0] = -f.bounds[index].gamma[0] - 1e-300), "a negative number");
        prop_assert!(reject(&|f| { f.bounds[index].gamma.pop(); }), "a shortened list");
        prop_assert!(reject(&|f| f.bounds[index].output = "99".to_owned()), "an output that is not there");
        prop_assert!(reject(&|f| f.network = "0".repeat(64)), "another network");
        prop_assert!(reject(&|f| f.version += 1), "another version");
        prop_assert!(reject(&|f| f.bounds.clear()), "no claims");
    }

    /// The same question gets the same bytes, whatever the number of threads.
    #[test]
    fn results_repeat_for_every_number_of_threads(network in network(), norm in norm()) {
        let run = |threads| {
            let report = bound(&network, &Options { threads: Some(threads), ..options(norm) }, &Silent).expect("bounded");
            report.certificate_file(&network).to_json()
        };
        prop_assert_eq!(run(1), run(3));
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
    for norm in [InputNorm::Linf, InputNorm::L2] {
        let report = solved(&network, norm);
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
    let report = solved(&network, InputNorm::L2);
    assert!(report.bounds[0].upper() >= 1.0 && report.bounds[0].upper() < 1.0 + 1e-6);
    assert!(report.bounds[0].witness.lower > 0.999_999, "attained between −1 and 0: {:?}", report.bounds[0].witness);
    assert_eq!(report.bounds[0].functional, Functional::output(0));
}
