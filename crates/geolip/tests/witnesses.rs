//! Bounds from below at real inputs, evaluated again without any rounding: no witness is worth more than its gradient.

mod support;

use geolip::import::load;
use geolip::network::{Activation, LinearMap, Network, NetworkBuilder};
use geolip::place::{Region, RegionNorm};
use geolip::samples::load_box;
use geolip::{BoundError, InputNorm, Matrix, Options, Outputs, Report, Silent, bound};
use proptest::prelude::*;
use support::config;
use support::dyadic::{is_attained, is_inside};
use support::files::shared;

/// Checks every witness of a report; returns how many there were with a positive bound, and how many of them have too many
/// neurons on a kink to tell.
fn check(network: &Network, report: &Report, at: &str) -> (usize, usize) {
    let (mut attained, mut untold) = (0, 0);
    for bound in &report.bounds {
        let (x, lower) = (&bound.witness.input, bound.witness.lower);
        assert!(x.iter().all(|v| v.is_finite()) && lower >= 0.0 && lower <= bound.upper(), "{at}: {x:?}, {lower:e}");
        assert!(report.region.as_ref().is_none_or(|region| is_inside(region, x)), "{at}: {x:?} is outside");
        match is_attained(network, report.norm, &bound.functional, x, lower) {
            Some(holds) => assert!(holds, "{at}, {}: no gradient of norm {lower:e} at {x:?}", bound.functional),
            None => untold += 1,
        }
        attained += usize::from(lower > 0.0);
    }
    (attained, untold)
}

/// A sequence of numbers from a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` up to `high`, both included.
    fn int(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    fn chance(&mut self, part: f64) -> bool {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64 <= part
    }
}

fn dense(rows: usize, cols: usize, data: Vec<f64>) -> LinearMap {
    LinearMap::Dense(Matrix::from_vec(rows, cols, data))
}

/// Two ways to the same function relu(x + c), one through a bias of 2^k that is taken off again, the other one not; their
/// difference after another activation with a kink within rounding: 0 everywhere, whatever the size. With several inputs and
/// copies, and scaled by powers of two.
fn zero(n: &mut Numbers) -> Network {
    let (inputs, pairs) = (n.int(1, 3) as usize, n.int(1, 3) as usize);
    let mut b = NetworkBuilder::new(inputs).expect("inputs");
    let (mut w1, mut b1, mut w2, mut b2, mut b3, mut w4) = (vec![], vec![], vec![], vec![], vec![], vec![]);
    for pair in 0..pairs {
        let row: Vec<f64> = (0..inputs).map(|_| n.int(-2, 2) as f64).collect();
        let (big, scale) = (2f64.powi(n.int(20, 60) as i32), 2f64.powi(n.int(-60, 60) as i32));
        // big − c has to be a double
        let unit = (big * f64::EPSILON).max(1.0);
        let c = unit * n.int(1, 8) as f64;
        w1.extend(row.iter().copied().chain(row.iter().map(|w| w * scale)));
        b1.extend([big, c * scale]);
        for own in [2 * pair, 2 * pair + 1] {
            w2.extend((0..2 * pairs).map(|j| {
                if j != own {
                    0.0
                } else if own % 2 == 0 {
                    1.0
                } else {
                    1.0 / scale
                }
            }));
        }
        b2.extend([c - big, 0.0]);
        let kink = -(c + n.int(-2, 2) as f64 * big * f64::EPSILON / 4.0 * n.int(0, 1) as f64);
        b3.extend([kink, kink]);
        let weight = n.int(1, 3) as f64;
        w4.extend([weight, -weight]);
    }
    let width = 2 * pairs;
    let one = dense(width, width, Matrix::identity(width).data().to_vec());
    let h = b.affine("h1", vec![(b.input(), dense(width, inputs, w1))], Some(b1)).expect("shapes");
    let z = b.activate("z1", h, Activation::Relu).expect("relu");
    let h = b.affine("h2", vec![(z, dense(width, width, w2))], Some(b2)).expect("shapes");
    let z = b.activate("z2", h, Activation::Relu).expect("relu");
    let h = b.affine("h3", vec![(z, one)], Some(b3)).expect("shapes");
    let z = b.activate("z3", h, Activation::Relu).expect("relu");
    let y = b.affine("y", vec![(z, dense(1, width, w4))], None).expect("shapes");
    b.finish(y)
}

/// Layers of small integers, scaled by powers of two, whose biases are large and mostly cancel in the next layer.
fn cancelling(n: &mut Numbers) -> Network {
    let (inputs, outputs, depth) = (n.int(1, 3) as usize, n.int(1, 2) as usize, n.int(1, 4));
    let mut b = NetworkBuilder::new(inputs).expect("inputs");
    let mut at = b.input();
    let mut before: Vec<f64> = vec![0.0; inputs]; // what is to be taken off
    for _ in 0..depth {
        let (width, from) = (n.int(1, 4) as usize, b.len_of(at));
        let w: Vec<f64> = (0..width * from).map(|_| n.int(-2, 2) as f64).collect();
        let mut bias: Vec<f64> =
            w.chunks(from).map(|row| -row.iter().zip(&before).map(|(w, b)| w * b).sum::<f64>()).collect();
        bias.iter_mut().for_each(|b| *b += n.int(-4, 4) as f64 / if n.chance(0.3) { 4.0 } else { 1.0 });
        before = (0..width).map(|_| if n.chance(0.5) { 2f64.powi(n.int(20, 60) as i32) } else { 0.0 }).collect();
        bias.iter_mut().zip(&before).for_each(|(b, big)| *b += big);
        let mut terms = vec![(at, dense(width, from, w))];
        if n.chance(0.2) {
            terms.push((b.input(), dense(width, inputs, (0..width * inputs).map(|_| n.int(-1, 1) as f64).collect())));
        }
        let h = b.affine("h", terms, Some(bias)).expect("shapes");
        let activation = match n.int(0, 5) {
            0 => Activation::LeakyRelu { slope: 0.5 },
            1 => Activation::Abs,
            2 => Activation::Clip { min: -1.0, max: 2f64.powi(n.int(0, 61) as i32) },
            _ => Activation::Relu,
        };
        at = b.activate("z", h, activation).expect("parameters");
    }
    let from = b.len_of(at);
    let w: Vec<f64> = (0..outputs * from).map(|_| n.int(-2, 2) as f64).collect();
    let y = b.affine("y", vec![(at, dense(outputs, from, w))], None).expect("shapes");
    b.finish(y)
}

fn options(n: &mut Numbers, network: &Network) -> Options {
    let norm = [InputNorm::Linf, InputNorm::L2, InputNorm::L1][n.int(0, 2) as usize];
    let outputs = if network.outputs() > 1 && n.chance(0.3) { Outputs::Pairs } else { Outputs::Each };
    let region = n.chance(0.4).then(|| {
        let shape = if n.chance(0.3) { RegionNorm::L2 } else { RegionNorm::Linf };
        let centre: Vec<f64> = (0..network.inputs())
            .map(|_| n.int(-64, 64) as f64 / 16.0 * if n.chance(0.1) { 2f64.powi(n.int(10, 50) as i32) } else { 1.0 })
            .collect();
        let radius = [0.0, 0.25, 1.0, 8.0, 1e6][n.int(0, 4) as usize];
        Region::around(&centre, radius, shape, None).expect("a region")
    });
    Options {
        norm,
        outputs,
        region,
        seed: n.next(),
        effort: if n.chance(0.5) { 0.1 } else { 1.0 },
        ..Options::default()
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_network_that_is_zero_has_no_steep_input(seed in any::<u64>()) {
        let mut n = Numbers(seed);
        let network = zero(&mut n);
        let options = options(&mut n, &network);
        let report = bound(&network, &options, &Silent).expect("a bound");
        check(&network, &report, &format!("seed {seed}"));
        prop_assert_eq!(report.bounds[0].witness.lower, 0.0);
    }

    #[test]
    fn with_large_cancelling_biases_every_witness_has_its_gradient(seed in any::<u64>()) {
        let mut n = Numbers(seed);
        let network = cancelling(&mut n);
        let options = options(&mut n, &network);
        if let Ok(report) = bound(&network, &options, &Silent) {
            check(&network, &report, &format!("seed {seed}"));
        }
    }
}

/// By hand: `WITNESSES=20000 cargo test --release -p geolip --test witnesses -- --ignored --nocapture`.
#[test]
#[ignore = "as many networks as WITNESSES says"]
#[allow(clippy::print_stderr, reason = "what was looked at is the result")]
fn many_networks_with_cancelling_biases() {
    let count: u64 = std::env::var("WITNESSES").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let (mut reports, mut errors, mut bounds, mut attained, mut untold) = (0, 0, 0, 0, 0);
    for seed in 0..count {
        let mut n = Numbers(seed ^ 0x5eed_0000_0000);
        let network = if seed % 3 == 0 { zero(&mut n) } else { cancelling(&mut n) };
        let options = options(&mut n, &network);
        match bound(&network, &options, &Silent) {
            Ok(report) => {
                let found = check(&network, &report, &format!("number {seed}"));
                assert!(seed % 3 != 0 || found.0 == 0, "number {seed}: a network that is zero");
                (reports, bounds) = (reports + 1, bounds + report.bounds.len());
                (attained, untold) = (attained + found.0, untold + found.1);
            }
            Err(error) => {
                assert!(!matches!(error, BoundError::Broken { .. }), "number {seed}: {error}");
                errors += 1;
            }
        }
    }
    eprintln!(
        "{count} networks: {reports} reports, {errors} without; {bounds} bounds, {attained} with a positive lower bound, \
         {untold} with too many kinks to tell"
    );
}

fn case(name: &str) -> Option<Network> {
    let path = shared()?.join("red/cases").join(name);
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(load(&path, &Default::default()).unwrap_or_else(|error| panic!("{error}")).network)
}

const NORMS: [InputNorm; 3] = [InputNorm::Linf, InputNorm::L2, InputNorm::L1];

#[test]
fn rounding_makes_no_slope_of_a_zero_function() {
    for name in ["2p31", "2p33", "2p35", "2p45", "2p53"] {
        let Some(network) = case(&format!("H_zero_{name}.npz")) else { return };
        for norm in NORMS {
            for seed in 0..5 {
                let report = bound(&network, &Options { norm, seed, ..Options::default() }, &Silent).expect("a bound");
                let found = &report.bounds[0];
                assert_eq!(found.witness.lower, 0.0, "{name}, {norm}: {:?}", found.witness.input);
                assert!(!report.is_lip_exact(found));
            }
        }
    }
}

#[test]
fn sides_of_kinks_that_rounding_decides_do_not_count() {
    let regions = || {
        let boxed = shared().map(|shared| load_box(&shared.join("red/cases/H_box.npy")).expect("a box"));
        let point = [9.685_754_776_000_977e-8, 0.0];
        let around = Region::around(&point, 0.0, RegionNorm::Linf, None).expect("a point");
        [None, boxed, Some(around)]
    };
    for name in ["1e9", "2p40", "2p53"] {
        let Some(network) = case(&format!("H_lower_{name}.npz")) else { return };
        for (norm, region) in NORMS.into_iter().flat_map(|norm| regions().map(|region| (norm, region))) {
            let report = bound(&network, &Options { norm, region, ..Options::default() }, &Silent).expect("a bound");
            check(&network, &report, &format!("{name}, {norm}"));
        }
    }
}

#[test]
fn a_witness_is_made_of_numbers() {
    let Some(network) = case("N_nan.npz") else { return };
    let region = shared().map(|shared| load_box(&shared.join("red/cases/N_box.npy")).expect("a box"));
    for norm in NORMS {
        for (seed, region) in (0..5).flat_map(|seed| [None, region.clone()].map(|region| (seed, region))) {
            let everywhere = region.is_none();
            match bound(&network, &Options { norm, seed, region, ..Options::default() }, &Silent) {
                Ok(report) => {
                    check(&network, &report, &format!("seed {seed}, {norm}"));
                }
                // weights of 1e200 and 1e-200 may be too far apart for a proof
                Err(error) => assert!(everywhere && !matches!(error, BoundError::Broken { .. }), "{norm}: {error}"),
            }
        }
    }
}
