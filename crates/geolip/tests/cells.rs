//! The Lipschitz constant itself over the whole space: against gradients of many inputs, and certificates of it against forgery.

mod support;

use geolip::network::{Activation, LinearMap, Network, NetworkBuilder, NodeId};
use geolip::place::{Region, RegionNorm};
use geolip::proof::{Branch, CertificateFile, Proof, check_file};
use geolip::slopes::SlopeNetwork;
use geolip::{BoundError, InputNorm, Matrix, Options, OptionsError, Outputs, Report, Silent, Stop, Units, bound};
use proptest::prelude::*;
use std::time::Duration;
use support::config;
use support::dice::Dice;
use support::files::{import, shared_nets};

const TOL: f64 = 1e-7;

fn options(norm: InputNorm) -> Options {
    let time_limit = Some(Duration::from_secs(5));
    Options { norm, tol: TOL, real: true, effort: 0.1, case_limit: 2000, time_limit, ..Options::default() }
}

/// Two hidden layers of two inputs. Numbers are small and whole, so that kinks meet in points and lines, and gradients are exact; `bias`: whether
/// there are any, else all cells are cones; `pairs`: neurons come with their opposites, as sorting has them.
fn network(dice: &mut Dice, bias: bool, pairs: bool) -> Network {
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let mut at = (b.input(), 2);
    for (layer, n) in [(0, 2 + dice.below(3)), (1, 2 + dice.below(3))] {
        let rows: Vec<Vec<f64>> = (0..n).map(|_| (0..=at.1).map(|_| dice.below(7) as f64 - 3.0).collect()).collect();
        let opposite =
            rows.iter().map(|row| row.iter().map(|v| -v).collect::<Vec<f64>>()).filter(|_| pairs && layer == 0);
        let rows: Vec<Vec<f64>> = rows.clone().into_iter().chain(opposite).collect();
        let w = Matrix::from_fn(rows.len(), at.1, |i, j| rows[i][j]);
        let shift = bias.then(|| rows.iter().map(|row| row[at.1]).collect());
        let h = b.affine("h", vec![(at.0, LinearMap::Dense(w))], shift).expect("shapes");
        let activations = [
            Activation::Relu,
            Activation::Relu,
            Activation::Abs,
            Activation::LeakyRelu { slope: 0.25 },
            Activation::LeakyRelu { slope: 2.0 },
        ];
        let z = b.activate("z", h, dice.one_of(&activations)).expect("known");
        at = (z, rows.len());
    }
    let w = Matrix::from_fn(1 + dice.below(2), at.1, |_, _| dice.below(7) as f64 - 3.0);
    let y = b.affine("y", vec![(at.0, LinearMap::Dense(w))], None).expect("shapes");
    b.finish(y)
}

/// The largest gradient of an output in the dual norm, at many inputs of all sizes off every kink. Inputs have few digits: nothing is rounded but the norm.
fn steepest(network: &Network, norm: InputNorm, output: usize, dice: &mut Dice) -> f64 {
    let slopes = SlopeNetwork::everywhere(network).expect("bounded slopes");
    let mut most: f64 = 0.0;
    for _ in 0..1500 {
        let size = dice.one_of(&[0.25, 1.0, 4.0, 64.0]);
        let x: Vec<f64> = (0..2).map(|_| size * (dice.below(1 << 20) as f64 / f64::from(1 << 19) - 1.0)).collect();
        let values = network.evaluate_batch(Matrix::from_vec(2, 1, x));
        if network.activations().any(|(_, parent, _)| values.of(parent).data().contains(&0.0)) {
            continue;
        }
        let seed = Matrix::from_fn(network.outputs(), 1, |i, _| f64::from(u8::from(i == output)));
        let adjoint = slopes.adjoint(&slopes.slopes_at(&values), &seed);
        let g = adjoint.of(NodeId::INPUT).data();
        most = most.max(match norm {
            InputNorm::Linf => g.iter().map(|g| g.abs()).sum(),
            _ => g.iter().map(|g| g * g).sum::<f64>().sqrt(),
        });
    }
    most
}

/// The sides that a tree takes.
fn tree(file: &mut CertificateFile) -> Option<&mut Vec<Branch>> {
    match &mut file.bounds[0].proof {
        Proof::Tree(tree) if tree.iter().any(|branch| matches!(branch, Branch::Side(..))) => Some(tree),
        _ => None,
    }
}

fn accepted(network: &Network, file: &CertificateFile) -> bool {
    let text = file.to_json();
    let read = CertificateFile::from_json(text.as_bytes()).expect("its own text");
    assert_eq!(&read, file);
    check_file(network, file).is_ok()
}

proptest! {
    #![proptest_config(config(200))]

    /// No gradient exceeds an upper bound, every bound is attained, and is at most the formal constant.
    #[test]
    fn no_gradient_is_steeper(seed in any::<u64>(), bias in any::<bool>(), pairs in any::<bool>(), l2 in any::<bool>()) {
        let mut dice = Dice::of(seed, 1);
        let network = network(&mut dice, bias, pairs);
        let norm = if l2 { InputNorm::L2 } else { InputNorm::Linf };
        let report = bound(&network, &options(norm), &Silent).expect("bounded");
        let formal = bound(&network, &Options { real: false, exact: true, ..options(norm) }, &Silent).expect("bounded");
        for (output, (own, formal)) in report.bounds.iter().zip(&formal.bounds).enumerate() {
            let most = steepest(&network, norm, output, &mut dice);
            prop_assert!(most * (1.0 - 1e-12) <= own.upper(), "{most} above {}", own.upper());
            prop_assert!(own.witness.lower <= own.upper() && own.upper() <= formal.upper() * (1.0 + 1e-6));
            // (a constant of zero has no relative tolerance)
            prop_assert!(own.witness.lower == 0.0 || report.is_lip_exact(own), "{} {} {}", own.witness.lower, own.upper(), own.method);
        }
        prop_assert!(accepted(&network, &report.certificate_file(&network)));
    }

    /// A certificate with one branch changed is rejected, or claims what is true all the same.
    #[test]
    fn forged_trees_prove_nothing_false(seed in any::<u64>(), bias in any::<bool>()) {
        let mut dice = Dice::of(seed, 2);
        let network = network(&mut dice, bias, false);
        let options = Options { outputs: Outputs::One(0), ..options(InputNorm::L2) };
        let report = bound(&network, &options, &Silent).expect("bounded");
        let truth = report.bounds[0].witness.lower;
        let mut file = report.certificate_file(&network);
        let upper = file.bounds[0].upper;
        let Some(length) = tree(&mut file).map(|tree| tree.len()) else { return Ok(()) };
        for _ in 0..40 {
            let mut forged = file.clone();
            let at = dice.below(length);
            let other = dice.below(length);
            let any = |dice: &mut Dice| (dice.below(2), dice.below(4));
            let named: Vec<(usize, usize)> = (0..1 + dice.below(3)).map(|_| any(&mut dice)).collect();
            let (layer, neuron) = any(&mut dice);
            forged.bounds[0].upper = upper * dice.one_of(&[1.0, 1.0 - 1e-5, 0.5, 0.0]);
            let tree = tree(&mut forged).expect("a tree");
            match dice.below(5) {
                0 => tree[at] = Branch::Thin(named),
                1 => tree.swap(at, other),
                2 => tree[at] = Branch::Side(layer, neuron, dice.one_of(&[0.0, 0.0, 1.0])),
                3 => drop(tree.splice(at..=at, [Branch::Side(layer, neuron, 0.0), tree[at].clone(), Branch::Thin(named)])
                    .collect::<Vec<_>>()),
                _ => {
                    if let Branch::Thin(own) = &mut tree[at] {
                        let last = own.pop();
                        own.extend(last.filter(|_| dice.below(2) == 0).map(|_| (layer, neuron)));
                    }
                }
            }
            if check_file(&network, &forged).is_ok() {
                prop_assert!(truth <= forged.bounds[0].upper, "{truth} {:?}", forged.bounds[0]);
            }
        }
    }
}

#[test]
fn published_constants_are_closed() {
    let Some(nets) = shared_nets().map(|nets| nets.join("exlipbab")).filter(|nets| nets.is_dir()) else {
        return println!("skipped: there is no folder ../shared/nets/exlipbab");
    };
    let known = [
        ("relu_iris_4_6_6_3.npz", 11.634354),
        ("relu_wine_11_12_12_1.npz", 1.743370),
        ("relu_abalone_9_16_16_1.npz", 11.121602),
        ("groupsort_wine_11_12_12_1_topk.onnx", 2.788306),
    ];
    for (name, constant) in known {
        let network = import(&nets.join(name));
        let outputs = Outputs::Norm(geolip::OutputNorm::L2);
        let options = Options { norm: InputNorm::L2, outputs, tol: 1e-5, real: true, ..Options::default() };
        let report = bound(&network, &options, &Silent).expect("bounded");
        let own = &report.bounds[0];
        assert!(
            report.is_lip_exact(own) && own.stop == Stop::Converged,
            "{name}: {} {}",
            own.witness.lower,
            own.upper()
        );
        assert!((own.upper() / constant - 1.0).abs() < 2e-5, "{name}: {}", own.upper());
        assert!(accepted(&network, &report.certificate_file(&network)), "{name}");
    }
}

/// Two layers of three neurons on inputs multiplied by these.
fn narrow_of(numbers: [f64; 2]) -> Network {
    let dense = |m, n, w: &[f64]| LinearMap::Dense(Matrix::from_vec(m, n, w.to_vec()));
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let w = [[1.0, 1.0], [1.0, -1.0], [0.5, 0.25]].map(|[p, q]| [p * numbers[0], q * numbers[1]]).concat();
    let h = b.affine("h", vec![(b.input(), dense(3, 2, &w))], Some(vec![0.0, 0.0, -1.0])).expect("shapes");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    let w = [1.0, -1.0, 2.0, -1.0, 1.0, 1.0, 0.5, 1.0, -2.0];
    let h = b.affine("h2", vec![(z, dense(3, 3, &w))], Some(vec![-1.0, -1.0, 0.5])).expect("shapes");
    let z = b.activate("z2", h, Activation::Relu).expect("relu");
    let y = b.affine("y", vec![(z, dense(1, 3, &[1.0, 1.0, -1.0]))], None).expect("shapes");
    b.finish(y)
}

fn narrow() -> Network {
    narrow_of([1.0, 1.0])
}

fn asked(options: &Options) -> Result<Report, BoundError> {
    bound(&narrow(), options, &Silent)
}

#[test]
fn a_search_that_is_stopped_is_never_worse_than_none() {
    let options = options(InputNorm::L2);
    let plain = asked(&Options { real: false, ..options.clone() }).expect("bounded").bounds[0].upper();
    let whole = asked(&options).expect("bounded");
    assert!(whole.is_lip_exact(&whole.bounds[0]));
    for case_limit in [1, 2, 4, 8] {
        let report = asked(&Options { case_limit, ..options.clone() }).expect("bounded");
        let own = &report.bounds[0];
        assert!(own.upper() <= plain && own.upper() >= whole.bounds[0].witness.lower, "{case_limit}");
        assert!(accepted(&narrow(), &report.certificate_file(&narrow())));
    }
}

/// Inputs whose unit is 0 do not move: cells are those of all inputs, gradients those of the others.
#[test]
fn units_multiply_the_first_layer() {
    let numbers = [4.0, 0.125];
    let options = options(InputNorm::L2);
    let unit = Some(Units::new(&numbers).expect("units"));
    let own = asked(&Options { unit, ..options.clone() }).expect("bounded").bounds[0].clone();
    let other = bound(&narrow_of(numbers), &options, &Silent).expect("bounded").bounds[0].clone();
    assert!(own.witness.lower <= other.upper() && other.witness.lower <= own.upper());
    assert!(own.upper() <= own.witness.lower * (1.0 + 2.0 * TOL), "{} {}", own.witness.lower, own.upper());
    let unit = Some(Units::new(&[1.0, 0.0]).expect("units"));
    let one = asked(&Options { unit, ..options.clone() }).expect("bounded").bounds[0].clone();
    assert!(one.upper() <= asked(&options).expect("bounded").bounds[0].upper() * (1.0 + TOL));
    let slopes = SlopeNetwork::everywhere(&narrow()).expect("bounded slopes");
    for point in 0..400 {
        let x = [f64::from(point % 20) * 0.53125 - 5.0, f64::from(point / 20) * 0.59375 - 5.9];
        let values = narrow().evaluate_batch(Matrix::from_vec(2, 1, x.to_vec()));
        let adjoint = slopes.adjoint(&slopes.slopes_at(&values), &Matrix::from_vec(1, 1, vec![1.0]));
        assert!(adjoint.of(NodeId::INPUT).at(0, 0).abs() <= one.upper());
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads| {
        let report = asked(&Options { threads: Some(threads), ..options(InputNorm::L2) }).expect("bounded");
        report.certificate_file(&narrow()).to_json()
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn where_no_search_goes_down_to_it_that_is_said_before_work_begins() {
    let options = options(InputNorm::L2);
    let refused = |options: Options| match asked(&options) {
        Err(BoundError::Options(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Options { exact: true, ..options.clone() }), OptionsError::TwoConstants);
    let ball = Region::around(&[0.0, 0.0], 1.0, RegionNorm::L2, None).expect("a ball");
    for (options, text) in [
        (Options { norm: InputNorm::L1, ..options.clone() }, "over all inputs in l1"),
        (Options { region: Some(ball), ..options.clone() }, "on a ball"),
        (
            Options { region: Some(Region::new_box(vec![0.0; 25], vec![1.0; 25]).expect("a box")), ..options.clone() },
            "more than 24 inputs",
        ),
    ] {
        let error = refused(options);
        assert!(error.to_string().contains(text) && matches!(error, OptionsError::True { .. }), "{error}");
    }
}

#[test]
fn on_a_box_it_is_the_constant_of_the_box() {
    let region = Region::new_box(vec![-2.0, -1.0], vec![1.0, 3.0]).expect("a box");
    let report = asked(&Options { region: Some(region), tol: 1e-4, ..options(InputNorm::L2) }).expect("bounded");
    let (own, whole) = (&report.bounds[0], asked(&options(InputNorm::L2)).expect("bounded"));
    assert!(report.is_lip_exact(own), "{} {}", own.witness.lower, own.upper());
    assert!(own.witness.lower <= whole.bounds[0].upper());
}

/// Where all slopes are fixed and the terms of the gradient cancel, the form of a case proves nothing, but its intervals do.
#[test]
fn cells_without_a_gradient_are_closed() {
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let dense =
        |rows, entries: &[f64]| LinearMap::Dense(Matrix::from_vec(rows, entries.len() / rows, entries.to_vec()));
    let h = b.affine("h", vec![(b.input(), dense(2, &[-3.0, 2.0, -2.0, -3.0]))], None).expect("shapes");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    let h = b.affine("h2", vec![(z, dense(2, &[1.0, 1.0, 3.0, -1.0]))], None).expect("shapes");
    let z = b.activate("z2", h, Activation::Abs).expect("abs");
    let y = b.affine("y", vec![(z, dense(1, &[-3.0, 1.0]))], None).expect("shapes");
    let report = bound(&b.finish(y), &options(InputNorm::Linf), &Silent).expect("bounded");
    assert!(report.is_lip_exact(&report.bounds[0]) && (report.bounds[0].upper() - 28.0).abs() < 1e-4);
}
