//! Every way to search: slopes, parts and both, everywhere, on boxes and on balls, in every norm, interrupted and gone on with.
//! Bounds never lie below brute force or a sampled gradient, and each search goes down to what it is said to go down to.

mod support;

use geolip::network::{Activation, LinearMap, Network, NetworkBuilder};
use geolip::place::{Region, RegionNorm};
use geolip::proof::{Branch, Proof, check_file};
use geolip::slopes::SlopeNetwork;
use geolip::{BoundError, InputNorm, Options, Outputs, Report, Silent, Stop, bound};
use proptest::prelude::*;
use std::path::PathBuf;
use std::time::Duration;
use support::patience::Patience;
use support::{brute_force_in, config, random};

const TOL: f64 = 1e-6;

/// A fully connected network of ReLUs of these widths, with biases.
fn connected(widths: &[usize], seed: u64) -> Network {
    let mut b = NetworkBuilder::new(widths[0]).expect("inputs");
    let mut at = b.input();
    for (layer, pair) in widths.windows(2).enumerate() {
        let seed = seed + layer as u64;
        let bias = (0..pair[1]).map(|i| 0.5 * random(pair[1], 1, seed + 77).at(i, 0)).collect();
        at = b
            .affine("affine", vec![(at, LinearMap::Dense(random(pair[1], pair[0], seed)))], Some(bias))
            .expect("shapes");
        if layer + 2 < widths.len() {
            at = b.activate("relu", at, Activation::Relu).expect("activation");
        }
    }
    b.finish(at)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    Everywhere,
    Box,
    Ball,
}

fn region(place: Where, inputs: usize) -> Option<Region> {
    let centre: Vec<f64> = (0..inputs).map(|i| 0.3 * i as f64 - 0.4).collect();
    let around = |norm| Region::around(&centre, 1.0, norm, None).expect("a region");
    match place {
        Where::Everywhere => None,
        Where::Box => Some(around(RegionNorm::Linf)),
        Where::Ball => Some(around(RegionNorm::L2)),
    }
}

fn options(norm: InputNorm, region: Option<Region>, exact: bool, splits: bool) -> Options {
    let split = splits.then_some(Duration::from_secs(30));
    Options { norm, region, exact, split, tol: TOL, effort: 0.1, outputs: Outputs::One(0), ..Options::default() }
}

/// The formal constant of the place, and whether the checker accepts what a report says.
fn check(network: &Network, report: &Report) -> f64 {
    let checked = check_file(network, &report.certificate_file(network));
    assert!(checked.is_ok(), "{:?}", checked.err());
    let place = report.region.clone().map_or_else(Default::default, geolip::place::Place::from);
    let formal =
        brute_force_in(&SlopeNetwork::new(network, place).expect("bounded"), report.norm, &report.bounds[0].functional);
    let bound = &report.bounds[0];
    assert!(bound.witness.lower <= bound.upper() && bound.witness.lower <= formal.above * (1.0 + 1e-9));
    formal.above
}

fn length(norm: InputNorm, moves: impl Iterator<Item = f64>) -> f64 {
    match norm {
        InputNorm::Linf => moves.fold(0.0, f64::max),
        InputNorm::L1 => moves.sum(),
        _ => moves.map(|v| v * v).sum::<f64>().sqrt(),
    }
}

fn is_cut(report: &Report) -> bool {
    match report.bounds[0].certificate.proof() {
        Proof::Tree(tree) => tree.iter().any(|branch| matches!(branch, Branch::Input(..) | Branch::Side(..))),
        _ => false,
    }
}

proptest! {
    #![proptest_config(config(120))]

    #[test]
    fn searches_end_above_or_below_what_they_search_for(
        widths in prop_oneof![Just(vec![2, 6, 1]), Just(vec![2, 5, 4, 1]), Just(vec![3, 6, 2])],
        place in prop_oneof![Just(Where::Everywhere), Just(Where::Box), Just(Where::Ball)],
        norm in prop_oneof![Just(InputNorm::Linf), Just(InputNorm::L2), Just(InputNorm::L1)],
        (exact, splits) in prop_oneof![Just((true, false)), Just((false, true)), Just((true, true))],
        seed in any::<u32>(),
    ) {
        let network = connected(&widths, u64::from(seed));
        let region = region(place, widths[0]);
        let report = bound(&network, &options(norm, region.clone(), exact, splits), &Silent).expect("bounded");
        let found = &report.bounds[0];
        let formal = check(&network, &report);
        if place == Where::Box && splits {
            // down to the Lipschitz constant, which is at most the formal one
            prop_assert!(found.upper() <= formal * (1.0 + 2.0 * TOL) + f64::MIN_POSITIVE);
        } else {
            prop_assert!(!is_cut(&report));
            prop_assert!(report.is_exact(found), "gap {:e} ({:?}, {:?})", found.gap(), found.stop, found.method);
            let place = report.region.clone().map_or_else(Default::default, geolip::place::Place::from);
            let slopes = SlopeNetwork::new(&network, place).expect("bounded");
            let below = brute_force_in(&slopes, norm, &found.functional).below;
            prop_assert!(below * (1.0 - 1e-6) <= found.upper() && found.upper() <= formal * (1.0 + 1e-5));
        }
        let mut rng_point = 0;
        for k in 0..20 {
            let n = widths[0];
            let mut x: Vec<f64> = (0..n).map(|i| 1.5 * random(n, 20, u64::from(seed)).at(i, k)).collect();
            if let Some(region) = &region { region.project(&mut x); }
            let y = |x: &[f64]| network.evaluate(x)[0];
            for (i, step) in [1e-5, -1e-5].into_iter().enumerate() {
                let mut moved = x.clone();
                moved[i % n] += step;
                if let Some(region) = &region { region.project(&mut moved); }
                let h = length(norm, moved.iter().zip(&x).map(|(a, b)| (a - b).abs()));
                if h > 1e-7 {
                    rng_point += 1;
                    prop_assert!((y(&moved) - y(&x)).abs() <= found.upper() * h * (1.0 + 1e-6) + 1e-12);
                }
            }
        }
        prop_assert!(rng_point > 0);
    }

    /// Interrupted after a round or two and gone on with, again and again: the same as in one go, and no worse than at first in between.
    #[test]
    fn a_search_that_goes_on_forgets_what_was_proved(
        place in prop_oneof![Just(Where::Everywhere), Just(Where::Box), Just(Where::Ball)],
        (exact, splits) in prop_oneof![Just((true, false)), Just((false, true)), Just((true, true))],
        norm in prop_oneof![Just(InputNorm::Linf), Just(InputNorm::L2), Just(InputNorm::L1)],
        seed in 0..1000_u64,
    ) {
        let network = connected(&[3, 6, 6, 1], seed);
        let path = checkpoint(&format!("on-{seed}-{norm}-{exact}-{splits}-{place:?}"));
        let ask = |checkpoint| Options {
            checkpoint, tol: 1e-3, ..options(norm, region(place, 3), exact, splits)
        };
        let whole = bound(&network, &ask(None), &Silent).expect("bounded");
        let mut uppers = Vec::new();
        loop {
            let rounds = 1 + uppers.len() / 4;
            let part = bound(&network, &ask(Some(path.clone())), &Patience::of(rounds)).expect("bounded");
            check(&network, &part);
            uppers.push(part.upper());
            if part.bounds[0].stop != Stop::Interrupted {
                break;
            }
            prop_assert!(uppers.len() < 120, "it comes to an end: {uppers:?}");
        }
        prop_assert!(uppers.iter().all(|upper| *upper <= uppers[0] * (1.0 + 1e-3)), "{uppers:?}");
        let last = uppers.last().copied().unwrap_or(0.0);
        prop_assert!(last <= whole.upper() * (1.0 + 2e-3), "{last} after {} runs, {} in one", uppers.len(), whole.upper());
        std::fs::remove_file(&path).ok();
    }
}

fn checkpoint(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("geolip-searches-{name}-{}", std::process::id()));
    std::fs::remove_file(&path).ok();
    path
}

#[test]
fn a_checkpoint_of_another_region_or_way_is_taken() {
    let network = connected(&[2, 8, 6, 1], 3);
    let path = checkpoint("other");
    let ask = |region, exact, splits| Options {
        checkpoint: Some(path.clone()),
        ..options(InputNorm::Linf, region, exact, splits)
    };
    let patience = Patience::of(1);
    bound(&network, &ask(region(Where::Box, 2), false, true), &patience).expect("bounded");
    let refused = |options: Options| matches!(bound(&network, &options, &Silent), Err(BoundError::Checkpoint(_)));
    assert!(refused(ask(region(Where::Ball, 2), false, true)));
    assert!(refused(ask(None, false, true)));
    assert!(refused(ask(region(Where::Box, 2), true, true)));
    assert!(!refused(ask(region(Where::Box, 2), false, true)));
    std::fs::remove_file(path).ok();
}

/// Parts go below the formal constant, where inputs that some pattern asks for do not exist.
#[test]
fn parts_stop_at_the_formal_constant() {
    let network = connected(&[2, 10, 8, 1], 5);
    let run = |exact, splits| bound(&network, &options(InputNorm::L2, region(Where::Box, 2), exact, splits), &Silent);
    let (formal, parts, both) = (run(true, false), run(false, true), run(true, true));
    let upper = |report: &Result<Report, BoundError>| report.as_ref().map_or(f64::NAN, Report::upper);
    assert!(upper(&parts) < 0.99 * upper(&formal) && upper(&both) < 0.99 * upper(&formal));
    for report in [&parts, &both].into_iter().flatten() {
        assert!(is_cut(report) && report.bounds[0].witness.lower >= report.upper() * (1.0 - 1e-4));
    }
}
