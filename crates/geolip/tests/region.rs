//! Local bounds: no gradient inside a region exceeds its bound, with no slack; regions nest; points and the whole space are
//! the two ends.

mod support;

use geolip::lower::GradientBound;
use geolip::matrix::Matrix;
use geolip::network::{Network, NodeId};
use geolip::place::{Region, RegionNorm};
use geolip::proof::{Branch, CertificateFile, Claim, Proof, certify_by_intervals, check_file};
use geolip::slopes::SlopeNetwork;
use geolip::{Functional, InputNorm, Options, Outputs, Report, Silent, bound};
use proptest::prelude::*;
use std::collections::BTreeSet;
use support::{any_norm, any_outputs, config, network, random};

/// A region as it can be asked for: a ball or box of some size at a random place, possibly clipped.
#[derive(Clone, Debug)]
struct RegionPlan {
    seed: u64,
    radius: f64,
    norm: RegionNorm,
    clip: bool,
}

impl RegionPlan {
    fn of(&self, network: &Network) -> Region {
        let centre = random(network.inputs(), 1, self.seed);
        let clip = self.clip.then_some((-1.0, 1.0));
        let centre: Vec<f64> = match clip {
            Some((low, high)) => centre.data().iter().map(|v| v.clamp(low, high)).collect(),
            None => centre.data().to_vec(),
        };
        Region::around(&centre, self.radius, self.norm, clip).expect("a region")
    }
}

fn any_region() -> impl Strategy<Value = RegionPlan> {
    let radius = prop_oneof![
        1 => Just(0.0), 1 => Just(1e-9), 2 => Just(0.01), 3 => 0.01..0.5_f64, 3 => 0.5..3.0_f64, 1 => Just(1e6),
    ];
    let norm = prop_oneof![Just(RegionNorm::Linf), Just(RegionNorm::L2)];
    (any::<u64>(), radius, norm, prop::bool::weighted(0.3)).prop_map(|(seed, radius, norm, clip)| RegionPlan {
        seed,
        radius,
        norm,
        clip,
    })
}

fn solved(network: &Network, region: &Region, norm: InputNorm, outputs: Outputs) -> Report {
    let options = Options { norm, outputs, region: Some(region.clone()), effort: 0.1, ..Options::default() };
    bound(network, &options, &Silent).expect("small networks have bounds")
}

/// Points of a region: its middle, random ones, vertices.
fn points(region: &Region, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let n = region.inputs();
    let numbers = random(n, count, seed);
    let point = |j: usize| {
        let mut x = region.centre();
        for (i, x) in x.iter_mut().enumerate() {
            let t = (numbers.at(i, j) / 3.0 + 0.5).clamp(0.0, 1.0);
            let t = if j % 3 == 1 { t.round() } else { t };
            if j > 0 {
                *x = region.lower()[i] + t * (region.upper()[i] - region.lower()[i]);
            }
        }
        region.project(&mut x);
        x
    };
    (0..count).map(point).collect()
}

/// φ' of every layer at x.
fn derivatives(network: &Network, x: &[f64]) -> Vec<Vec<f64>> {
    let values = network.evaluate_batch(Matrix::from_vec(x.len(), 1, x.to_vec()));
    let layer = |(_, parent, activation): (NodeId, NodeId, &geolip::network::Activation)| {
        let h = values.of(parent).data();
        h.iter().enumerate().map(|(i, s)| activation.derivative(i, *s)).collect()
    };
    network.activations().map(layer).collect()
}

proptest! {
    #![proptest_config(config(4000))]

    /// Gradients at points of the region, and the formal constant by brute force, never exceed the bound; certificates check,
    /// and witnesses lie inside.
    #[test]
    fn no_gradient_in_the_region_exceeds_the_bound(
        network in network(), plan in any_region(), norm in any_norm(), outputs in any_outputs(), seed in any::<u64>(),
    ) {
        let region = plan.of(&network);
        let report = solved(&network, &region, norm, outputs.of(&network));
        let local = SlopeNetwork::new(&network, region.clone()).expect("a region");
        let everywhere = support::everywhere(&network);
        let exact = GradientBound::new(&everywhere, norm);
        for bound in &report.bounds {
            let weights = match bound.functional.entries() {
                Some(entries) => (0..network.outputs())
                    .map(|i| entries.iter().filter(|e| e.0 == i).map(|e| e.1).sum()).collect(),
                None => vec![1.0; network.outputs()],
            };
            for x in points(&region, 12, seed) {
                let slopes = derivatives(&network, &x);
                for (slopes, intervals) in slopes.iter().zip(local.slopes()) {
                    for (slope, interval) in slopes.iter().zip(intervals) {
                        prop_assert!(
                            interval.lower <= *slope && *slope <= interval.upper,
                            "slope {slope:e} at {x:?} is outside {interval:?}"
                        );
                    }
                }
                let steep = exact.lower(&bound.functional, &weights, &slopes);
                prop_assert!(steep <= bound.upper(), "gradient {steep:e} at {x:?} exceeds {:e}", bound.upper());
            }
            // intervals are proved with narrower slopes than forms
            let fgl = support::brute_force_in(&local, norm, &bound.functional);
            let by_form = matches!(bound.certificate.proof(), Proof::Multipliers(_));
            prop_assert!(!by_form || fgl.below <= bound.upper(), "brute force {:e} exceeds {:e}", fgl.below, bound.upper());
            prop_assert!(bound.pattern_lower <= fgl.above && bound.pattern_lower <= bound.upper());
            prop_assert!(bound.witness.lower <= bound.pattern_lower);
            prop_assert!(region.contains(&bound.witness.input), "the witness {:?} lies outside", bound.witness.input);
        }
        let file = report.certificate_file(&network);
        let read = CertificateFile::from_json(file.to_json().as_bytes()).expect("a file");
        prop_assert_eq!(&read, &file);
        let checked = check_file(&network, &read);
        let made: Vec<_> = report.bounds.iter().map(|b| b.certificate.clone()).collect();
        prop_assert!(checked.as_ref() == Ok(&made), "{:?}", checked.err());
    }
}

proptest! {
    #![proptest_config(config(600))]

    /// A smaller region has a smaller bound, and none exceeds the global one, by the relaxation alone: what cuts add depends on which
    /// are found. (The first to a percent: backward linear bounds choose their lines by area, which is not monotone in principle.)
    #[test]
    fn shrinking_never_raises_the_bound(network in network(), plan in any_region(), norm in any_norm(), part in 0.1..0.9_f64) {
        let alone = Options { norm, effort: 0.0, relaxation_only: true, ..Options::default() };
        let on = |region: Option<Region>| bound(&network, &Options { region, ..alone.clone() }, &Silent).expect("a bound");
        let (global, large) = (on(None), on(Some(plan.of(&network))));
        let small = on(Some(RegionPlan { radius: part * plan.radius, ..plan.clone() }.of(&network)));
        for ((small, large), global) in small.bounds.iter().zip(&large.bounds).zip(&global.bounds) {
            prop_assert!(small.upper() <= large.upper() * (1.0 + 1e-2), "{:e} > {:e}", small.upper(), large.upper());
            prop_assert!(
                large.upper() <= global.upper() * (1.0 + 2e-6),
                "{:e} ({:?}, {}, {:e}) > {:e} ({:?})",
                large.upper(), large.stop, large.method, large.relaxation, global.upper(), global.stop
            );
        }
    }

    /// A point has the norm of its gradient, unless it lies at a kink.
    #[test]
    fn a_point_has_the_norm_of_its_gradient(network in network(), seed in any::<u64>(), norm in any_norm()) {
        let plan = RegionPlan { seed, radius: 0.0, norm: RegionNorm::Linf, clip: false };
        let region = plan.of(&network);
        let report = solved(&network, &region, norm, Outputs::Each);
        let x = region.centre();
        let local = SlopeNetwork::new(&network, region.clone()).expect("a region");
        prop_assume!(local.slopes().iter().flatten().all(|slope| slope.upper - slope.lower < 2e-7)); // no kink
        let everywhere = support::everywhere(&network);
        let exact = GradientBound::new(&everywhere, norm);
        let size = support::everywhere(&network).abs_adjoint(&Matrix::from_fn(network.outputs(), 1, |_, _| 1.0));
        let size: f64 = size.of(NodeId::INPUT).data().iter().sum();
        for (i, bound) in report.bounds.iter().enumerate() {
            let weights: Vec<f64> = (0..network.outputs()).map(|j| if i == j { 1.0 } else { 0.0 }).collect();
            let gradient = exact.lower(&bound.functional, &weights, &derivatives(&network, &x));
            let gap = bound.upper() - gradient;
            prop_assert!(gap <= 1e-6 * bound.upper() + 1e-9 * size, "{:e} against {gradient:e}", bound.upper());
        }
    }
}

/// A region that is far larger than the network's features has the global bound.
#[test]
fn a_large_region_has_the_global_bound() {
    let path = support::files::root().join("models/digits-784-64-10.onnx");
    let network = geolip::import::load(&path, &Default::default()).expect("a network").network;
    for norm in [InputNorm::Linf, InputNorm::L2, InputNorm::L1] {
        let options = Options { norm, outputs: Outputs::One(3), ..Options::default() };
        let global = bound(&network, &options, &Silent).expect("a bound");
        let region = Region::around(&vec![0.5; 784], 1e3, RegionNorm::Linf, None).expect("a region");
        let local = bound(&network, &Options { region: Some(region), ..options }, &Silent).expect("a bound");
        let (local, global) = (local.bounds[0].upper(), global.bounds[0].upper());
        assert!((local - global).abs() <= 2e-6 * global, "{local} against {global} in {norm}");
    }
}

/// The checker works out its own intervals: another region, a smaller bound, or none is no proof.
#[test]
fn a_certificate_holds_on_its_region_alone() {
    let path = support::files::root().join("models/digits-784-64-10.onnx");
    let network = geolip::import::load(&path, &Default::default()).expect("a network").network;
    let around = |radius| Region::around(&vec![0.3; 784], radius, RegionNorm::Linf, None).expect("a region");
    let report = solved(&network, &around(0.02), InputNorm::Linf, Outputs::One(3));
    let file = report.certificate_file(&network);
    check_file(&network, &file).expect("its own region");
    for region in [None, Some(around(0.2)), Some(Region::new_box(vec![0.0], vec![1.0]).expect("a box"))] {
        let other = CertificateFile { region, ..file.clone() };
        assert!(check_file(&network, &other).is_err(), "{:?}", other.region.map(|r| r.to_string()));
    }
}

/// relu(x) − relu(−x) = x: the slopes from the right add up to 2 at 0, where the gradient is 1.
#[test]
fn kinks_at_the_centre_are_no_gradients() {
    use geolip::network::{Activation, LinearMap, NetworkBuilder};
    let mut b = NetworkBuilder::new(1).expect("inputs");
    let map = |rows, cols, w: [f64; 2]| LinearMap::Dense(Matrix::from_vec(rows, cols, w.to_vec()));
    let h = b.affine("h", vec![(b.input(), map(2, 1, [1.0, -1.0]))], None).expect("shapes");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    let y = b.affine("y", vec![(z, map(1, 2, [1.0, -1.0]))], None).expect("shapes");
    let network = b.finish(y);
    for (radius, least) in [(0.0, 0.0), (0.5, 1.0 - 1e-9)] {
        let region = Region::around(&[0.0], radius, RegionNorm::Linf, None).expect("a region");
        let report = solved(&network, &region, InputNorm::Linf, Outputs::Each);
        let lower = report.bounds[0].witness.lower;
        assert!((least..=1.0).contains(&lower), "radius {radius}: {lower}");
        let split = Some(std::time::Duration::from_millis(300));
        let options = Options { region: Some(region), split, ..Options::default() };
        let report = bound(&network, &options, &Silent).expect("a bound");
        let (lower, upper) = (report.bounds[0].witness.lower, report.upper());
        assert!((least..=1.0).contains(&lower), "radius {radius}, in parts: {lower}");
        // both kinks are one: a point has no parts, but a box is cut at it
        assert!(radius == 0.0 || (1.0..1.0 + 1e-6).contains(&upper), "radius {radius}: {upper}");
        check_file(&network, &report.certificate_file(&network)).expect("its parts are proved");
    }
}

/// With many inputs, cases of neurons are split instead of the box.
#[test]
fn splitting_many_inputs_tightens_the_formal_bound() {
    let path = support::files::root().join("models/digits-784-64-64-10.onnx");
    let network = geolip::import::load(&path, &Default::default()).expect("a network").network;
    let region = Region::around(&vec![0.3; 784], 0.1, RegionNorm::Linf, None).expect("a region");
    let whole = solved(&network, &region, InputNorm::Linf, Outputs::One(8));
    let split = Some(std::time::Duration::from_secs(2));
    let options = Options { outputs: Outputs::One(8), region: Some(region), split, effort: 0.1, ..Options::default() };
    let report = bound(&network, &options, &Silent).expect("a bound");
    assert!(whole.bounds[0].pattern_lower <= report.upper() && report.upper() < whole.upper(), "{}", report.upper());
    check_file(&network, &report.certificate_file(&network)).expect("all cases are proved");
}

/// Splitting brings both bounds of a controller together, and the checker accepts all parts.
#[test]
fn splitting_converges_and_is_checked() {
    use geolip::network::{Activation, LinearMap, NetworkBuilder};
    for activation in [Activation::Relu, Activation::Tanh] {
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let mut at = b.input();
        for (layer, width) in [8, 8].into_iter().enumerate() {
            let w = LinearMap::Dense(random(width, b.len_of(at), 3 + layer as u64));
            let bias = random(width, 1, 30 + layer as u64).data().to_vec();
            let h = b.affine("h", vec![(at, w)], Some(bias)).expect("shapes");
            at = b.activate("z", h, activation.clone()).expect("an activation");
        }
        let y = b.affine("y", vec![(at, LinearMap::Dense(random(1, 8, 9)))], None).expect("shapes");
        let network = b.finish(y);
        let region = Region::new_box(vec![-1.0, -1.0], vec![1.0, 1.0]).expect("a box");
        let whole = solved(&network, &region, InputNorm::Linf, Outputs::Each);
        let split = Some(std::time::Duration::from_secs(60));
        let options = Options { tol: 1e-2, region: Some(region), split, ..Options::default() };
        let report = bound(&network, &options, &Silent).expect("a bound");
        let (found, before) = (&report.bounds[0], &whole.bounds[0]);
        assert!(found.upper() <= before.upper() && found.witness.lower <= found.upper());
        assert!(found.witness.lower >= found.upper() * (1.0 - 1.1e-2), "{} {}", found.witness.lower, found.upper());
        let file = report.certificate_file(&network);
        check_file(&network, &file).expect("all parts are proved");
        let mut false_claim = file;
        false_claim.bounds[0].upper *= 0.9;
        assert!(check_file(&network, &false_claim).is_err());
    }
}

/// What a tree of cuts is made of, in the order of its walk.
#[derive(Clone, Debug)]
enum CutPlan {
    /// The slope of a neuron.
    Slope(usize),
    /// The middle of an input.
    Input(usize),
    /// A neuron: at zero, or at its pre-activation at a point of the region.
    Neuron(usize, Option<u64>),
    Leaf(bool),
}

fn any_tree() -> impl Strategy<Value = Vec<CutPlan>> {
    let cut = prop_oneof![
        1 => any::<usize>().prop_map(CutPlan::Input),
        2 => (any::<usize>(), prop::option::of(any::<u64>())).prop_map(|(neuron, at)| CutPlan::Neuron(neuron, at)),
        1 => any::<usize>().prop_map(CutPlan::Slope),
        1 => any::<bool>().prop_map(CutPlan::Leaf),
    ];
    prop::collection::vec(cut, 1..40)
}

/// The tree for a network on a box, all leaves proved by intervals or by patterns.
fn tree(network: &Network, region: &Region, plan: &[CutPlan]) -> Vec<Branch> {
    let sizes: Vec<usize> = network.activations().map(|(node, _, _)| network.node(node).len).collect();
    let neurons: usize = sizes.iter().sum();
    let mut waiting = vec![(region.clone(), BTreeSet::new())];
    let mut tree = Vec::new();
    let mut plan = plan.iter();
    let place = |mut neuron: usize| {
        let mut layer = 0;
        while neuron >= sizes[layer] {
            neuron -= sizes[layer];
            layer += 1;
        }
        (layer, neuron)
    };
    while let Some((part, mut fixed)) = waiting.pop() {
        let leaf = CutPlan::Leaf(false);
        match plan.next().unwrap_or(&leaf) {
            CutPlan::Input(input) => {
                let input = input % part.inputs();
                let middle = 0.5 * part.lower()[input] + 0.5 * part.upper()[input];
                let (mut below, mut above) = (part.upper().to_vec(), part.lower().to_vec());
                (below[input], above[input]) = (middle, middle);
                waiting.push((Region::new_box(above, part.upper().to_vec()).expect("a half"), fixed.clone()));
                waiting.push((Region::new_box(part.lower().to_vec(), below).expect("a half"), fixed));
                tree.push(Branch::Input(input, middle));
            }
            CutPlan::Neuron(neuron, seed) if neurons > 0 => {
                let (layer, neuron) = place(neuron % neurons);
                let at = seed.map_or(0.0, |seed| {
                    let x = points(region, 2, seed).pop().expect("a point");
                    let values = network.evaluate_batch(Matrix::from_vec(x.len(), 1, x));
                    let (_, parent, _) = network.activations().nth(layer).expect("a layer");
                    values.of(parent).at(neuron, 0)
                });
                waiting.extend([(part.clone(), fixed.clone()), (part, fixed)]);
                tree.push(Branch::Side(layer, neuron, at));
            }
            CutPlan::Slope(neuron) if neurons > 0 && fixed.insert(neuron % neurons) => {
                let (layer, neuron) = place(neuron % neurons);
                waiting.extend([(part.clone(), fixed.clone()), (part, fixed)]);
                tree.push(Branch::Slope(layer, neuron));
            }
            CutPlan::Neuron(..) | CutPlan::Slope(_) => {
                waiting.push((part, fixed));
            }
            CutPlan::Leaf(patterns) => {
                tree.push(Branch::Leaf(Box::new(if *patterns { Proof::Patterns } else { Proof::Intervals })));
            }
        }
    }
    tree
}

proptest! {
    #![proptest_config(config(3000))]

    /// However a box is cut, by inputs and by neurons, the checker proves nothing below a gradient of it; and what it proves
    /// for the whole box it proves for its parts, too.
    #[test]
    fn no_tree_of_cuts_proves_less_than_a_gradient(
        network in network(), plan in any_region(), cuts in any_tree(), norm in any_norm(), seed in any::<u64>(),
    ) {
        let region = RegionPlan { norm: RegionNorm::Linf, ..plan }.of(&network);
        let tree = tree(&network, &region, &cuts);
        let functional = Functional::Output(0);
        let everywhere = support::everywhere(&network);
        let exact = GradientBound::new(&everywhere, norm);
        let mut weights = vec![0.0; network.outputs()];
        weights[0] = 1.0;
        let steep = |x: Vec<f64>| exact.lower(&functional, &weights, &derivatives(&network, &x));
        let steepest = points(&region, 24, seed).into_iter().map(steep).fold(0.0, f64::max);
        let claim = |upper: f64| CertificateFile {
            format: CertificateFile::FORMAT.to_owned(),
            version: CertificateFile::VERSION,
            network: network.hash(),
            norm,
            unit: None,
            region: Some(region.clone()),
            bounds: vec![Claim { output: functional.clone(), upper, proof: Proof::Tree(tree.clone()) }],
            notes: vec![],
        };
        if steepest > 0.0 {
            prop_assert!(check_file(&network, &claim(steepest.next_down())).is_err(), "a gradient reaches {steepest:e}");
        }
        let whole = certify_by_intervals(&SlopeNetwork::new(&network, region.clone()).expect("a region"), norm, &functional);
        let patterns = tree.iter().any(|cut| matches!(cut, Branch::Leaf(proof) if **proof == Proof::Patterns));
        if let Some(whole) = whole.filter(|_| !patterns) {
            // lines of parts may be chosen worse than those of the whole
            let checked = check_file(&network, &claim(2.0 * whole.upper() + 1e-9));
            prop_assert!(checked.is_ok(), "{:?}", checked.err());
        }
    }
}
