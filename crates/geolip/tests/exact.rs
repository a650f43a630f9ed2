//! Branch and bound against brute force, its certificates against tampering, and its checkpoints against interruption.

mod support;

use geolip::import::{ImportOptions, load};
use geolip::network::{Activation, Network};
use geolip::proof::{Branch, CertificateFile, CutProof, Proof, SignProof, check_file};
use geolip::{BoundError, InputNorm, Method, Observer, Options, OptionsError, Outputs, Report, Silent, Stop, bound};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::patience::Patience;
use support::{brute_force, config, connected, network};

const TOL: f64 = 1e-9;

fn options(norm: InputNorm) -> Options {
    Options { norm, tol: TOL, exact: true, ..Options::default() }
}

fn any_norm() -> impl Strategy<Value = InputNorm> {
    let p = |p| InputNorm::from_exponent(p).expect("at least 2");
    prop_oneof![4 => Just(InputNorm::Linf), 4 => Just(InputNorm::L2), 1 => (2.0..6.0_f64).prop_map(p)]
}

fn model(name: &str) -> Network {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name);
    load(&path, &ImportOptions::default()).expect("the model is there").network
}

proptest! {
    #![proptest_config(config(300))]

    /// Equal to brute force to 1e-9 on random networks of every kind, however badly scaled; never below.
    #[test]
    fn exact_bounds_are_the_brute_force_fgl(network in network(), norm in any_norm()) {
        let report = bound(&network, &options(norm), &Silent).expect("bounded");
        for bound in &report.bounds {
            let fgl = brute_force(&network, norm, &bound.functional);
            prop_assert!(fgl.below <= bound.upper(), "{:e} below {:e}", bound.upper(), fgl.below);
            prop_assert!(bound.pattern_lower <= fgl.above);
            prop_assert!(bound.witness.lower <= bound.pattern_lower);
        }
        let checked = check_file(&network, &report.certificate_file(&network));
        prop_assert!(checked.is_ok(), "{:?}", checked.err());
    }

    /// The same with cuts in the cases of several hidden layers.
    #[test]
    fn exact_bounds_with_cuts_are_the_brute_force_fgl(seed in any::<u32>(), norm in any_norm(), leaky in any::<bool>()) {
        let activation = if leaky { Activation::LeakyRelu { slope: 0.1 } } else { Activation::Relu };
        let network = connected(&[5, 6, 6, 1], &activation, false, u64::from(seed));
        let options = Options { cuts: true, tol: 1e-6, ..options(norm) };
        let report = bound(&network, &options, &Silent).expect("bounded");
        let fgl = brute_force(&network, norm, &report.bounds[0].functional);
        let upper = report.bounds[0].upper();
        prop_assert!(fgl.below <= upper && upper <= fgl.above * (1.0 + 2e-6), "{upper:e} against {:e}", fgl.below);
        let checked = check_file(&network, &report.certificate_file(&network));
        prop_assert!(checked.is_ok(), "{:?}", checked.err());
    }

    /// The same bytes, whatever the number of threads.
    #[test]
    fn searches_repeat_for_every_number_of_threads(seed in any::<u32>()) {
        let network = connected(&[5, 10, 1], &Activation::Relu, false, u64::from(seed));
        let run = |threads| {
            let options = Options { threads: Some(threads), ..options(InputNorm::Linf) };
            bound(&network, &options, &Silent).expect("bounded").certificate_file(&network).to_json()
        };
        let text = run(1);
        prop_assert_eq!(&text, &run(3));
        let read = CertificateFile::from_json(text.as_bytes()).expect("its own text is readable");
        prop_assert_eq!(read.to_json(), text);
    }
}

/// A network whose relaxation is not tight, and its report.
fn searched() -> (Network, Report) {
    let network = connected(&[8, 8, 7, 1], &Activation::Relu, false, 7);
    let report = bound(&network, &options(InputNorm::Linf), &Silent).expect("bounded");
    assert!(matches!(report.bounds[0].certificate.proof(), Proof::Tree(_)), "it has to be split");
    (network, report)
}

/// Cases that are far from closed by the relaxation are closed by the cuts of those above them; a search that is stopped proves more than its root did.
#[test]
fn cases_of_several_hidden_layers_have_cuts() {
    let network = connected(&[16, 20, 20, 1], &Activation::Relu, false, 3);
    let ask = |case_limit: usize| {
        let options = Options { cuts: true, case_limit, ..options(InputNorm::Linf) };
        bound(&network, &options, &Silent).expect("bounded")
    };
    let (whole, stopped) = (ask(100_000), ask(40));
    let Proof::Tree(tree) = whole.bounds[0].certificate.proof() else { panic!("it has to be split") };
    let with_cuts = |branch: &&Branch| matches!(branch, Branch::Leaf(proof) if matches!(**proof, Proof::Cuts(_)));
    assert!(tree.iter().filter(with_cuts).count() > 2, "{} branches", tree.len());
    assert!(check_file(&network, &whole.certificate_file(&network)).is_ok());
    let root = bound(&network, &Options { exact: false, cuts: true, ..options(InputNorm::Linf) }, &Silent);
    let root = root.expect("bounded").bounds[0].upper();
    let (exact, between) = (whole.bounds[0].upper(), stopped.bounds[0].upper());
    assert_eq!((whole.bounds[0].stop, stopped.bounds[0].stop), (Stop::Converged, Stop::CaseLimit));
    assert!(exact < between && between < root, "{exact} {between} {root}");
}

#[test]
fn a_tampered_tree_is_rejected() {
    let (network, report) = searched();
    let file = report.certificate_file(&network);
    assert!(check_file(&network, &file).is_ok());
    let reject = |what: &str, change: &dyn Fn(&mut Vec<Branch>)| {
        let mut changed = file.clone();
        let Proof::Tree(tree) = &mut changed.bounds[0].proof else { panic!("{what}: cases") };
        change(tree);
        assert!(check_file(&network, &changed).is_err(), "{what}");
    };
    let leaf = |tree: &[Branch]| tree.iter().position(|b| matches!(b, Branch::Leaf(_))).expect("leaves");
    reject("a case left out", &|tree| drop(tree.pop()));
    reject("a case too many", &|tree| tree.push(tree[tree.len() - 1].clone()));
    reject("no cases", &|tree| tree.clear());
    reject("a case of the whole network", &|tree| *tree = vec![tree[leaf(tree)].clone()]);
    reject("cases in another order", &|tree| {
        let leaves: Vec<usize> = (0..tree.len()).filter(|i| matches!(tree[*i], Branch::Leaf(_))).collect();
        tree.swap(leaves[0], leaves[leaves.len() - 1]);
    });
    reject("another neuron", &|tree| {
        if let Branch::Slope(_, neuron) = &mut tree[0] {
            *neuron = 99;
        }
    });
    reject("a smaller multiplier", &|tree| {
        let at = leaf(tree);
        if let Branch::Leaf(proof) = &mut tree[at]
            && let Proof::Multipliers(form) = proof.as_mut()
        {
            form.zeta[0] *= 0.9;
        }
    });
    let mut smaller = file.clone();
    smaller.bounds[0].upper *= 1.0 - 1e-8;
    assert!(check_file(&network, &smaller).is_err(), "a smaller claim");
}

#[test]
fn cuts_give_proved_bounds_below_the_relaxation() {
    let digits = model("digits-784-64-10.onnx");
    let deep = connected(&[8, 12, 12, 1], &Activation::Relu, false, 7);
    let leaky = connected(&[6, 9, 8, 7, 2], &Activation::LeakyRelu { slope: 0.2 }, false, 3);
    for (network, norm) in [
        (&digits, InputNorm::Linf),
        (&deep, InputNorm::Linf),
        (&deep, InputNorm::L2),
        (&leaky, InputNorm::Linf),
        (&leaky, InputNorm::from_exponent(3.0).expect("at least 2")),
    ] {
        let options = Options { norm, cuts: true, outputs: Outputs::One(0), ..Options::default() };
        let report = bound(network, &options, &Silent).expect("bounded");
        let found = &report.bounds[0];
        let gap = |value: f64| value / found.pattern_lower - 1.0;
        let (now, before) = (gap(found.upper()), gap(found.relaxation));
        assert!((0.0..0.5 * before).contains(&now), "{norm}: {now} of {before}");
        let file = report.certificate_file(network);
        let Proof::Cuts(proof) = &file.bounds[0].proof else { panic!("{norm}: a proof by cuts") };
        assert!(check_file(network, &file).is_ok() && !proof.triangles.is_empty() && !proof.vertices.is_empty());
        let reject = |what: &str, change: &dyn Fn(&mut CutProof)| {
            let mut changed = file.clone();
            let Proof::Cuts(proof) = &mut changed.bounds[0].proof else { panic!("{norm}: a proof by cuts") };
            change(proof);
            assert!(check_file(network, &changed).is_err(), "{norm}: {what}");
        };
        reject("no cuts", &|proof| (proof.triangles, proof.vertices) = (vec![], vec![]));
        reject("no links", &|proof| proof.signs.iter_mut().for_each(|sign| (sign.3, sign.4) = (0.0, 0.0)));
        reject("a smaller constant", &|proof| proof.constant *= 0.9);
        reject("heavier cuts", &|proof| proof.vertices.iter_mut().flat_map(|c| &mut c.2).for_each(|c| *c *= 2.0));
        reject("a triangle that signs break", &|proof| proof.triangles[0].1[0] *= -1);
        reject("too few numbers", &|proof| proof.gamma.truncate(0));
    }
}

/// Says stop when it was asked so many times.
struct Asked(AtomicUsize);

impl Observer for Asked {
    fn cancelled(&self) -> bool {
        let count = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).is_err()
    }
}

/// An observer that says stop gets a bound that is proved, and no larger than the relaxation's.
#[test]
fn cuts_that_are_cut_short_prove_what_they_can() {
    let network = connected(&[10, 24, 24, 1], &Activation::Relu, false, 5);
    let ask = |cuts: bool, times: usize| {
        let (asked, options) = (Asked(AtomicUsize::new(times)), Options { cuts, ..Options::default() });
        let report = bound(&network, &options, &asked).expect("bounded");
        (report, times - asked.0.load(Ordering::Relaxed))
    };
    let (plain, before) = ask(false, usize::MAX);
    let (whole, times) = ask(true, usize::MAX);
    assert!(whole.upper() < plain.upper() && matches!(whole.bounds[0].method, Method::Cuts { .. }));
    for part in [0.1, 0.5, 0.9] {
        let (report, _) = ask(true, before + (part * (times - before) as f64) as usize);
        assert_eq!(report.bounds[0].stop, Stop::Interrupted);
        assert!(report.upper() <= plain.upper() && report.bounds[0].pattern_lower <= report.upper());
        assert!(check_file(&network, &report.certificate_file(&network)).is_ok());
    }
}

#[test]
fn cuts_where_there_are_none_are_refused() {
    let network = connected(&[6, 8, 8, 1], &Activation::Relu, false, 7);
    let refused = bound(&network, &Options { cuts: true, norm: InputNorm::L1, ..Options::default() }, &Silent);
    assert!(matches!(refused, Err(BoundError::Cuts { .. })), "{refused:?}");
}

/// One hidden layer that is searched, with its own cuts.
#[test]
fn a_tampered_program_over_signs_is_rejected() {
    let network = model("digits-784-64-10.onnx");
    let options = Options { exact: true, outputs: Outputs::One(0), ..Options::default() };
    let file = bound(&network, &options, &Silent).expect("bounded").certificate_file(&network);
    assert!(check_file(&network, &file).is_ok());
    let reject = |what: &str, change: &dyn Fn(&mut SignProof)| {
        let mut changed = file.clone();
        let Proof::Tree(tree) = &mut changed.bounds[0].proof else { panic!("cases") };
        let first = tree.iter_mut().find_map(|branch| match branch {
            Branch::Leaf(leaf) => match leaf.as_mut() {
                Proof::Signs(proof) if !proof.cuts.is_empty() => Some(proof),
                _ => None,
            },
            _ => None,
        });
        change(first.expect("a leaf with cuts"));
        assert!(check_file(&network, &changed).is_err(), "{what}");
    };
    reject("no cuts", &|proof| proof.cuts.clear());
    reject("a smaller multiplier", &|proof| *proof.delta.last_mut().expect("the constant") *= 0.9);
    reject("a heavier cut", &|proof| proof.cuts[0].2 *= 2.0);
    reject("a cut that signs break", &|proof| proof.cuts[0].1[0] *= -1);
    reject("too few numbers", &|proof| proof.delta.truncate(1));
}

/// Where a test keeps its checkpoint.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("geolip-exact-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

#[test]
fn an_interrupted_search_is_valid_and_goes_on_from_its_checkpoint() {
    let network = connected(&[8, 10, 10, 7], &Activation::Relu, false, 11);
    let folder = folder("interrupted");
    let path = folder.join("checkpoint");
    let ask = |checkpoint| Options { exact: true, checkpoint, outputs: Outputs::One(6), ..Options::default() };
    let whole = bound(&network, &ask(None), &Silent).expect("bounded");
    assert!(whole.is_exact(&whole.bounds[0]));
    let mut uppers = Vec::new();
    loop {
        let report = bound(&network, &ask(Some(path.clone())), &Patience::of(3)).expect("bounded");
        let found = &report.bounds[0];
        assert!(found.pattern_lower <= whole.bounds[0].upper() && whole.bounds[0].pattern_lower <= found.upper());
        assert!(check_file(&network, &report.certificate_file(&network)).is_ok());
        uppers.push(found.upper());
        if report.is_exact(found) {
            assert!((found.upper() / whole.upper() - 1.0).abs() < 2e-6);
            break;
        }
        assert_eq!(found.stop, Stop::Interrupted);
        assert!(uppers.len() < 60, "it comes to an end: {uppers:?}");
    }
    assert!(uppers.len() > 2, "it was interrupted: {uppers:?}");
    // another question, another network, and a forged proof are refused
    let refused = |options: &Options, network: &Network| {
        matches!(bound(network, options, &Silent), Err(BoundError::Checkpoint { .. }))
    };
    assert!(refused(&Options { outputs: Outputs::One(5), ..ask(Some(path.clone())) }, &network));
    assert!(refused(&Options { norm: InputNorm::L2, ..ask(Some(path.clone())) }, &network));
    assert!(refused(&ask(Some(path.clone())), &connected(&[3, 3, 7], &Activation::Relu, false, 1)));
    let text = std::fs::read_to_string(&path).expect("readable");
    let at = text.find("\"zeta\":[").expect("a proof") + 8;
    std::fs::write(&path, format!("{}0.{}", &text[..at], &text[at..].replacen('.', "", 1))).expect("writable");
    assert!(refused(&ask(Some(path.clone())), &network), "a forged proof");
    std::fs::write(&path, &text[..text.len() / 2]).expect("writable");
    assert!(refused(&ask(Some(path)), &network), "half a file");
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_search_with_cuts_goes_on_from_its_checkpoint() {
    let network = model("digits-784-64-10.onnx");
    let folder = folder("cuts");
    let checkpoint = Some(folder.join("checkpoint"));
    let ask = Options { exact: true, checkpoint, outputs: Outputs::One(6), ..Options::default() };
    let first = bound(&network, &ask, &Patience::of(2)).expect("bounded");
    assert_eq!(first.bounds[0].stop, Stop::Interrupted);
    let second = bound(&network, &ask, &Silent).expect("bounded");
    assert!(second.is_exact(&second.bounds[0]) && second.upper() < first.upper());
    for report in [first, second] {
        assert!(check_file(&network, &report.certificate_file(&network)).is_ok());
    }
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_limit_of_cases_ends_with_a_valid_bound() {
    let network = model("digits-784-64-10.onnx");
    let ask = |exact, case_limit| Options { exact, case_limit, outputs: Outputs::One(0), ..Options::default() };
    let plain = bound(&network, &ask(false, 1), &Silent).expect("bounded");
    let report = bound(&network, &ask(true, 9), &Silent).expect("bounded");
    let found = &report.bounds[0];
    assert_eq!(found.stop, Stop::CaseLimit);
    assert!(found.pattern_lower <= found.upper() && found.upper() < plain.bounds[0].upper() && !report.is_exact(found));
    assert!(check_file(&network, &report.certificate_file(&network)).is_ok());
}

#[test]
fn the_largest_output_is_exact_too() {
    let network = connected(&[4, 7, 3], &Activation::Relu, false, 5);
    let each = bound(&network, &options(InputNorm::Linf), &Silent).expect("bounded");
    let outputs = "linf".parse().expect("a norm");
    let report = bound(&network, &Options { outputs, ..options(InputNorm::Linf) }, &Silent).expect("bounded");
    assert!(report.is_exact(&report.bounds[0]) && (report.upper() / each.upper() - 1.0).abs() < 1e-8);
    assert!(check_file(&network, &report.certificate_file(&network)).is_ok());
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let network = connected(&[2, 2, 1], &Activation::Relu, false, 5);
    let refused = |options: Options| match bound(&network, &options, &Silent) {
        Err(BoundError::Options(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Options { case_limit: 0, ..Options::default() }), OptionsError::CaseLimit);
    assert_eq!(refused(Options { checkpoint: Some("x".into()), ..Options::default() }), OptionsError::Checkpoint);
}
