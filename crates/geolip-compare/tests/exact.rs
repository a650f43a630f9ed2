//! Branch and bound against trying every pattern, for more neurons than the tests of `geolip` itself try.

#[path = "../../geolip/tests/support/networks.rs"]
mod support;

use geolip::network::{Activation, Network};
use geolip::proof::check_file;
use geolip::{InputNorm, Options, Report, Silent, bound};
use geolip_compare::exhaustive;
use proptest::prelude::*;
use support::{any_norm, config, connected};

const TOL: f64 = 1e-9;

fn assert_agrees(network: &Network, report: &Report) -> Result<(), TestCaseError> {
    for bound in &report.bounds {
        let fgl = exhaustive(&support::everywhere(network), report.norm, &bound.functional).expect("few neurons");
        prop_assert!(fgl.below <= bound.upper(), "{:e} below {:e}", bound.upper(), fgl.below);
        prop_assert!(bound.pattern_lower <= fgl.above, "{:e} above {:e}", bound.pattern_lower, fgl.above);
        prop_assert!(report.is_exact(bound), "{}: gap {:e} ({:?})", bound.functional, bound.gap(), bound.stop);
        prop_assert!(bound.upper() <= fgl.above * (1.0 + TOL) + f64::MIN_POSITIVE);
    }
    let checked = check_file(network, &report.certificate_file(network));
    let made: Vec<_> = report.bounds.iter().map(|b| b.certificate.clone()).collect();
    prop_assert!(checked.as_ref() == Ok(&made), "{:?}", checked.err());
    Ok(())
}

proptest! {
    #![proptest_config(config(300))]

    /// One and two hidden layers of at most 16 neurons, positive and mixed weights.
    #[test]
    fn exact_bounds_are_the_exhaustive_fgl(
        widths in prop_oneof![(1..7_usize, 1..17_usize).prop_map(|(n, a)| vec![n, a, 2]),
                              (1..7_usize, 1..9_usize, 1..9_usize).prop_map(|(n, a, b)| vec![n, a, b, 2])],
        activation in prop_oneof![3 => Just(Activation::Relu), 1 => Just(Activation::LeakyRelu { slope: -0.3 }),
                                  1 => Just(Activation::Abs)],
        positive in any::<bool>(), norm in any_norm().prop_filter("there is no exact search in l1", |norm| *norm != InputNorm::L1), seed in any::<u32>(),
    ) {
        let network = connected(&widths, &activation, positive, u64::from(seed));
        let options = Options { norm, tol: TOL, exact: true, ..Options::default() };
        let report = bound(&network, &options, &Silent).expect("bounded");
        assert_agrees(&network, &report)?;
    }
}
