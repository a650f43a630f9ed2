//! Forged claims with random tests, and files that would take the checker's memory: none is accepted.

mod support;

use geolip::form::{Affordable, Draws, MatrixFreeForm, RandomTest, Randomness};
use geolip::network::{Activation, LinearMap, Network, NetworkBuilder};
use geolip::proof::{
    Certificate, CertificateFile, CheckOptions, Claim, FormProof, Proof, Rejection, check_file, check_file_with,
    check_probabilistic,
};
use geolip::{BoundError, Functional, InputNorm, Matrix, Options, Outputs, Silent, bound};
use proptest::prelude::*;
use std::path::PathBuf;
use support::files::{import, root, shared};
use support::{brute_force, config, network};

/// Options that force random tests.
fn tested(norm: InputNorm) -> Options {
    let outputs = Outputs::One(0);
    Options { norm, outputs, memory_limit: 0, affordable: Affordable::NONE, tol: 1e-3, ..Options::default() }
}

/// Checks a file in which random tests are accepted for networks of every size.
fn checked(network: &Network, file: &CertificateFile, randomness: Randomness) -> Result<Vec<Certificate>, Rejection> {
    check_file_with(
        network,
        file,
        &CheckOptions { randomness, affordable: Affordable::NONE, ..CheckOptions::default() },
    )
}

fn form(claim: &mut Claim) -> Option<&mut FormProof> {
    match &mut claim.proof {
        Proof::Multipliers(form) => Some(form),
        _ => None,
    }
}

/// The cases of a review, which are not part of this project.
fn cases() -> Option<PathBuf> {
    let folder = shared()?.join("red/cases");
    if folder.is_dir() { Some(folder) } else { None }
}

#[test]
fn forged_files_are_rejected() {
    let Some(cases) = cases() else { return };
    let forged = [
        ("Z_zero_digits-784-64-10_linf.json", root().join("models/digits-784-64-10.onnx")),
        ("Z_zero_digits-784-64-10_l2.json", root().join("models/digits-784-64-10.onnx")),
        ("I_search.json", cases.join("I_search.npz")),
    ];
    for (file, network) in forged {
        let bytes = std::fs::read(cases.join(file)).expect("the case can be read");
        let (file, network) = (CertificateFile::from_json(&bytes).expect("it is a certificate"), import(&network));
        check_file(&network, &file).expect_err("it is false");
        for seed in 0..20 {
            checked(&network, &file, Randomness::Seed(seed)).expect_err("it is false");
        }
        // the same with a probability that is allowed
        let mut file = file;
        for claim in &mut file.bounds {
            if let Some(test) = form(claim).and_then(|form| form.random_test.as_mut()) {
                test.failure_probability = 1e-12;
            }
        }
        let rejection = checked(&network, &file, Randomness::System).expect_err("it is false");
        println!("{rejection}");
    }
}

#[test]
fn a_network_with_unread_neurons_is_bounded_truly() {
    let Some(cases) = cases() else { return };
    let network = import(&cases.join("P_prob.npz"));
    let norm: InputNorm = "3".parse().expect("a norm");
    let small = Options { norm, memory_limit: 1, ..Options::default() };
    for (options, random) in [(small, false), (tested(norm), true)] {
        match bound(&network, &options, &Silent) {
            Ok(report) => {
                assert!(report.upper() >= 1.0, "{}", report.upper());
                assert!(random || report.bounds[0].certificate.tested_by().is_none(), "an elimination is affordable");
            }
            // the solver finds nothing where layers differ by so many orders of magnitude, and says so
            Err(error) => assert!(matches!(error, BoundError::NotCertified { .. }), "{error}"),
        }
    }
}

/// What a forger does to multipliers.
#[derive(Clone, Debug)]
enum Forgery {
    /// All of these.
    Zero { zeta: bool, gamma: bool, lambda: bool },
    /// One number by a factor; 0 for zero.
    One { which: prop::sample::Index, factor: f64 },
    /// Every number by a factor of its own.
    Every { seed: u64, decades: f64 },
    /// As honest ones for another claim.
    Scaled { zeta: f64, gamma: f64, lambda: f64 },
}

fn factor() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(1e-300),
        Just(1e300),
        Just(-1.0),
        Just(2f64.powi(-800)),
        Just(2f64.powi(800)),
        (-20.0..20.0_f64).prop_map(|e| 10f64.powf(e)),
        0.5..2.0_f64,
    ]
}

fn forgery() -> impl Strategy<Value = Forgery> {
    prop_oneof![
        any::<(bool, bool, bool)>().prop_map(|(zeta, gamma, lambda)| Forgery::Zero { zeta, gamma, lambda }),
        (any::<prop::sample::Index>(), factor()).prop_map(|(which, factor)| Forgery::One { which, factor }),
        (any::<u64>(), prop_oneof![Just(0.01), Just(1.0), Just(100.0)])
            .prop_map(|(seed, decades)| Forgery::Every { seed, decades }),
        (factor(), factor(), factor()).prop_map(|(zeta, gamma, lambda)| Forgery::Scaled { zeta, gamma, lambda }),
    ]
}

impl Forgery {
    fn apply(&self, form: &mut FormProof) {
        match self {
            Self::Zero { zeta, gamma, lambda } => {
                let numbers = |all: &mut Vec<f64>, zero: bool| all.iter_mut().filter(|_| zero).for_each(|v| *v = 0.0);
                numbers(&mut form.zeta, *zeta);
                numbers(&mut form.gamma, *gamma);
                form.lambda.iter_mut().for_each(|layer| numbers(layer, *lambda));
            }
            Self::One { which, factor } => {
                let mut all = numbers(form);
                let count = all.len();
                *all[which.index(count)] *= factor;
            }
            Self::Every { seed, decades } => {
                let mut all = numbers(form);
                let noise = support::random(all.len(), 1, *seed);
                all.iter_mut().zip(noise.data()).for_each(|(v, e)| **v *= 10f64.powf(e * decades));
            }
            Self::Scaled { zeta, gamma, lambda } => {
                form.zeta.iter_mut().for_each(|v| *v *= zeta);
                form.gamma.iter_mut().for_each(|v| *v *= gamma);
                form.lambda.iter_mut().flatten().for_each(|v| *v *= lambda);
            }
        }
    }
}

fn numbers(form: &mut FormProof) -> Vec<&mut f64> {
    form.zeta.iter_mut().chain(&mut form.gamma).chain(form.lambda.iter_mut().flatten()).collect()
}

fn norm() -> impl Strategy<Value = InputNorm> {
    prop_oneof![Just(InputNorm::Linf), Just(InputNorm::L2), Just("3".parse::<InputNorm>().expect("a norm"))]
}

/// Multipliers to begin with: honest ones, or ones where there is no honest claim.
fn honest(network: &Network, norm: InputNorm) -> (Claim, f64) {
    let fgl = brute_force(network, norm, &Functional::output(0)).below;
    let found = bound(network, &tested(norm), &Silent).ok().map(|report| report.bounds[0].certificate.claim());
    let claim = found.filter(|claim| matches!(claim.proof, Proof::Multipliers(_))).unwrap_or_else(|| {
        let gammas = if norm == InputNorm::L2 { 1 } else { network.inputs() };
        let lambda = network.activations().map(|(node, _, _)| vec![1.0; network.node(node).len]).collect();
        let random_test = Some(RandomTest { failure_probability: 1e-12, margin: 1e-3, top: 3.0 });
        let form = FormProof { zeta: vec![1.0], gamma: vec![1.0; gammas], lambda, random_test };
        Claim { output: Functional::output(0), upper: fgl, proof: Proof::Multipliers(form) }
    });
    (claim, fgl)
}

/// The claim with what its multipliers give as its bound, as a forger would write it.
fn with_their_bound(mut claim: Claim, network: &Network, norm: InputNorm) -> Claim {
    let multipliers = form(&mut claim).expect("multipliers").multipliers();
    let sound = |v: &f64| *v >= 0.0 && v.is_finite();
    let upper = match multipliers.zeta.iter().chain(&multipliers.gamma).all(sound) {
        true => geolip::form::proved_bound(norm, &claim.output, &multipliers),
        false => 0.0,
    };
    assert_eq!(network.hash().len(), 64);
    Claim { upper, ..claim }
}

/// What no claim may do: pass below the truth.
fn expect_no_lie(network: &Network, norm: InputNorm, forgeries: &[Forgery], hints: (f64, f64), seed: u64) -> bool {
    let (mut claim, fgl) = honest(network, norm);
    let own = form(&mut claim).expect("multipliers");
    forgeries.iter().for_each(|forgery| forgery.apply(own));
    if let Some(test) = &mut own.random_test {
        test.margin *= hints.0;
        test.top *= hints.1;
    }
    let claim = with_their_bound(claim, network, norm);
    let verdict = check_probabilistic(
        &MatrixFreeForm::new(&support::everywhere(network)),
        norm,
        &claim,
        (&Draws::of_maker(seed), 0),
    );
    match verdict {
        Err(_) => false,
        Ok(certificate) => {
            assert!(certificate.upper() >= fgl, "{:e} passed, but the FGL is {fgl:e}: {claim:?}", certificate.upper());
            true
        }
    }
}

fn hints() -> impl Strategy<Value = (f64, f64)> {
    let decades = |e: f64| 10f64.powf(e);
    (prop_oneof![Just(0.0), -2.0..2.0_f64].prop_map(decades), prop_oneof![Just(0.0), -2.0..2.0_f64].prop_map(decades))
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn no_forged_multipliers_pass_below_the_truth(
        network in network(),
        norm in norm(),
        forgeries in prop::collection::vec(forgery(), 1..3),
        hints in hints(),
        seed in any::<u64>(),
    ) {
        expect_no_lie(&network, norm, &forgeries, hints, seed);
    }
}

/// `cargo test --release -p geolip --test forged -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn fifty_thousand_forgeries_do_not_pass_below_the_truth() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(config(1));
    let (mut tried, mut passed) = (0, 0);
    while tried < 50_000 {
        let (network, norm) = (network(), norm()).new_tree(&mut runner).expect("a network").current();
        let (claim, fgl) = honest(&network, norm);
        let everywhere = support::everywhere(&network);
        let operator = MatrixFreeForm::new(&everywhere);
        for _ in 0..100 {
            let all = (prop::collection::vec(forgery(), 1..4), hints(), any::<u64>());
            let (forgeries, hints, seed) = all.new_tree(&mut runner).expect("a forgery").current();
            let mut claim = claim.clone();
            let own = form(&mut claim).expect("multipliers");
            forgeries.iter().for_each(|forgery| forgery.apply(own));
            let test = own.random_test.as_mut().expect("a random test");
            (test.margin, test.top) = (test.margin * hints.0, test.top * hints.1);
            if test.top / test.margin > 1e7 {
                continue; // long, and nothing new
            }
            let claim = with_their_bound(claim, &network, norm);
            tried += 1;
            if check_probabilistic(&operator, norm, &claim, (&Draws::of_maker(seed), 0)).is_ok() {
                assert!(claim.upper >= fgl, "{:e} passed, but the FGL is {fgl:e}: {claim:?}", claim.upper);
                passed += 1;
            }
        }
    }
    println!("{tried} forgeries, {passed} of them true");
}

/// y = relu(x₁ + x₂) − relu(x₁ − x₂).
fn two_neurons() -> Network {
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let w = Matrix::from_vec(2, 2, vec![1.0, 1.0, 1.0, -1.0]);
    let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], None).expect("shapes");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    let y = b.affine("y", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 2, vec![1.0, -1.0])))], None);
    b.finish(y.expect("shapes"))
}

#[test]
fn a_false_claim_never_passes_however_often_it_is_tested() {
    let network = two_neurons();
    let mut claim = bound(&network, &tested(InputNorm::L2), &Silent).expect("bounded").bounds[0].certificate.claim();
    let fgl = brute_force(&network, InputNorm::L2, &Functional::output(0)).below;
    let factor = 0.95 * fgl / claim.upper;
    form(&mut claim).expect("multipliers").zeta[0] *= factor * factor;
    claim.upper *= factor * (1.0 + 1e-12);
    let everywhere = support::everywhere(&network);
    let operator = MatrixFreeForm::new(&everywhere);
    for seed in 0..1000 {
        let verdict = check_probabilistic(&operator, InputNorm::L2, &claim, (&Draws::of_maker(seed), seed));
        verdict.expect_err("it is false");
    }
}

#[test]
fn a_deep_file_is_refused_before_it_overflows_the_stack() {
    let deep = |open: &str, inner: &str, close: &str| {
        let proof = format!("{}{inner}{}", open.repeat(100_000), close.repeat(100_000));
        let text = format!(
            r#"{{"format":"geolip-certificate","version":2,"network":"","norm":"linf","region":null,
                "bounds":[{{"output":"0","upper":1,"proof":{proof}}}]}}"#
        );
        CertificateFile::from_json(text.as_bytes())
    };
    assert!(deep(r#"{"parts":[{"leaf":"#, r#""intervals""#, "}]}").is_err());
    assert!(deep(r#"{"outputs":[{"output":"0","upper":1,"proof":"#, r#""intervals""#, "}]}").is_err());
}

#[test]
fn what_takes_more_memory_than_allowed_is_refused() {
    let network = two_neurons();
    for options in [Options::default(), Options { exact: true, ..Options::default() }] {
        let report = bound(&network, &options, &Silent).expect("bounded");
        let file = report.certificate_file(&network);
        check_file(&network, &file).expect("its own certificate");
        let small = CheckOptions { memory_limit: 16, ..CheckOptions::default() };
        match check_file_with(&network, &file, &small) {
            Err(Rejection::Memory { needed, .. }) => assert!(needed > 16.0),
            // a proof on signs has no form
            other => assert!(options.exact && other.is_ok(), "{other:?}"),
        }
    }
}

/// The most memory that this process has had, in MiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib >> 10)
}

/// `cargo test --release -p geolip --test forged -- --ignored --nocapture --test-threads 1 peak`
#[test]
#[ignore = "prints the memory that checking takes; alone in its process"]
fn peak_memory_grows_with_the_file() {
    let before = peak();
    // a box cut again and again: every part but the last lies inside all before it
    let network = two_neurons();
    let n = 60_000;
    let cuts = (0..n).map(|i| if i % 2 == 0 { r#"{"cut":[0,0.5]}"# } else { r#"{"side":[0,0,0]}"# });
    let tree: Vec<&str> = cuts.chain((0..=n).map(|_| r#"{"leaf":"intervals"}"#)).collect();
    let text = format!(
        r#"{{"format":"geolip-certificate","version":2,"network":"{}","norm":"linf","region":{{"lower":[0,0],"upper":[1,1]}},
            "bounds":[{{"output":"0","upper":0,"proof":{{"parts":[{}]}}}}]}}"#,
        network.hash(),
        tree.join(",")
    );
    let file = CertificateFile::from_json(text.as_bytes()).expect("it is a certificate");
    let rejection = check_file(&network, &file).expect_err("it is false");
    println!("{} kB of parts: {before:?} MiB before, {:?} MiB after: {rejection}", text.len() / 1000, peak());
    let Some(doors) = shared().map(|folder| folder.join("red/doors")).filter(|folder| folder.is_dir()) else { return };
    let (before, bytes) = (peak(), std::fs::read(doors.join("gapcases.json")).expect("the case can be read"));
    let file = CertificateFile::from_json(&bytes).expect("it is a certificate");
    let verdict = check_file(&import(&doors.join("gap.onnx")), &file).map(|accepted| accepted.len());
    println!("{} kB of cases: {before:?} MiB before, {:?} MiB after: {verdict:?}", bytes.len() / 1000, peak());
}
