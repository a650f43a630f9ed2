//! Random small networks of every kind the library accepts, and their FGL by brute force. The tests of `geolip-compare` use this
//! file, too: it needs nothing but the library and proptest.
#![allow(dead_code, reason = "every test file uses a part of it")]

use geolip::matrix::Matrix;
use geolip::network::{Activation, Convolution, ConvolutionShape, Gather, LinearMap, Network, NetworkBuilder, NodeId};
use geolip::slopes::SlopeNetwork;
use geolip::{Functional, InputNorm, OutputNorm, Outputs, Weights};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Most neurons for which every pattern is tried.
pub const BRUTE_FORCE_NEURONS: usize = 12;

/// The same cases on every run, so that a red CI means a change; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` explore others.
pub fn config(cases: u32) -> ProptestConfig {
    let set = |name: &str| std::env::var_os(name).is_some();
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    ProptestConfig {
        cases: if set("PROPTEST_CASES") { default.cases } else { cases },
        rng_seed: if set("PROPTEST_RNG_SEED") { default.rng_seed } else { RngSeed::Fixed(0x6765_6f6c_6970) },
        ..default
    }
}

/// Every activation, with ordinary and with odd parameters.
pub fn activations() -> Vec<Activation> {
    let mut all: Vec<Activation> = Activation::NAMES.iter().filter_map(|name| Activation::from_name(name)).collect();
    all.extend([
        Activation::LeakyRelu { slope: -0.4 },
        Activation::LeakyRelu { slope: 1.0 }, // linear
        Activation::LeakyRelu { slope: 2.5 },
        Activation::Elu { alpha: 1.7 },
        Activation::Selu { alpha: 0.5, gamma: 1.3 },
        Activation::HardSigmoid { slope: 0.2, offset: 0.5 },
        Activation::Clip { min: -1.0, max: 1.0 },
    ]);
    all
}

/// The kinds of linear maps.
#[derive(Clone, Copy, Debug)]
pub enum MapPlan {
    Dense,
    Convolution { kernel: usize, stride: usize, dilation: usize, pad: usize },
    Transposed { kernel: usize, stride: usize, dilation: usize, pad: usize },
    Gather,
    Sum,
}

fn map_plan() -> impl Strategy<Value = MapPlan> {
    let shape = || (1..4_usize, 1..3_usize, 1..3_usize, 0..3_usize);
    prop_oneof![
        4 => Just(MapPlan::Dense),
        1 => shape().prop_map(|(kernel, stride, dilation, pad)| MapPlan::Convolution { kernel, stride, dilation, pad }),
        1 => shape().prop_map(|(kernel, stride, dilation, pad)| MapPlan::Transposed { kernel, stride, dilation, pad }),
        1 => Just(MapPlan::Gather),
        1 => Just(MapPlan::Sum),
    ]
}

/// A map of that kind from vectors of length `from` to vectors of length `to`; `weights` (to × from) for a dense one.
fn map(plan: MapPlan, weights: Matrix, seed: u64) -> LinearMap {
    let (to, from) = (weights.rows(), weights.cols());
    let convolution = |from: usize, to: usize, kernel: usize, stride: usize, dilation: usize, pad: usize| {
        let shape = ConvolutionShape {
            in_channels: 1,
            out_channels: 1,
            groups: 1,
            input: [1, 1, from],
            output: [1, 1, to],
            kernel: [1, 1, kernel],
            stride: [1, 1, stride],
            dilation: [1, 1, dilation],
            pad: [0, 0, pad],
        };
        let scale = weights.at(0, 0);
        let kernel = random(1, kernel, seed).data().iter().map(|w| w * scale).collect();
        LinearMap::Convolution(Convolution::new(shape, kernel).expect("the kernel fits its shape"))
    };
    let sources = |from: usize, to: usize| {
        let places = random(to, 1, seed);
        let source = |v: &f64| Some((v.abs() * 1e6) as usize % (from + 1)).filter(|j| *j < from);
        LinearMap::Gather(Gather::new(from, places.data().iter().map(source)).expect("sources exist"))
    };
    match plan {
        MapPlan::Dense => LinearMap::Dense(weights),
        MapPlan::Convolution { kernel, stride, dilation, pad } => convolution(from, to, kernel, stride, dilation, pad),
        MapPlan::Transposed { kernel, stride, dilation, pad } => {
            LinearMap::Transpose(Box::new(convolution(to, from, kernel, stride, dilation, pad)))
        }
        MapPlan::Gather => sources(from, to),
        MapPlan::Sum => LinearMap::Transpose(Box::new(sources(to, from))),
    }
}

/// What a random layer looks like.
#[derive(Clone, Debug)]
pub struct LayerPlan {
    width: usize,
    activation: usize,
    /// What kind of linear map it is.
    map: MapPlan,
    /// Powers of ten by which the layer's weights are scaled.
    scale: i32,
    /// Which defects the weights have.
    zero_row: bool,
    duplicate_row: bool,
    zero_column: bool,
    /// Whether the layer also reads the input directly.
    skip: bool,
    /// Whether a second affine map follows at once (weights composed by the checker).
    doubled: bool,
    seed: u64,
}

fn layer_plan() -> impl Strategy<Value = LayerPlan> {
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let shape = (prop::bool::weighted(0.15), prop::bool::weighted(0.1));
    let scale = prop_oneof![6 => Just(0), 1 => Just(6), 1 => Just(-6), 1 => -3..3_i32];
    (1..6_usize, 0..activations().len(), map_plan(), scale, flags, shape, any::<u64>()).prop_map(
        |(width, activation, map, scale, (zero_row, duplicate_row, zero_column), (skip, doubled), seed)| LayerPlan {
            width,
            activation,
            map,
            scale,
            zero_row,
            duplicate_row,
            zero_column,
            skip,
            doubled,
            seed,
        },
    )
}

/// A network of at most [`BRUTE_FORCE_NEURONS`] neurons: one to four activation layers, sizes from one up, layers scaled by
/// powers of ten, dead neurons, unused inputs, duplicated neurons, skip connections, consecutive affine maps.
pub fn network() -> impl Strategy<Value = Network> {
    let plans = prop::collection::vec(layer_plan(), 0..5);
    (1..5_usize, 1..4_usize, plans, any::<u64>()).prop_map(|(inputs, outputs, mut plans, seed)| {
        let mut neurons = 0;
        plans.retain(|plan| {
            let fits = neurons + plan.width <= BRUTE_FORCE_NEURONS;
            neurons += if fits { plan.width } else { 0 };
            fits
        });
        build(inputs, outputs, &plans, seed)
    })
}

fn build(inputs: usize, outputs: usize, plans: &[LayerPlan], seed: u64) -> Network {
    let mut b = NetworkBuilder::new(inputs).expect("at least one input");
    let mut at = b.input();
    for plan in plans {
        let width = b.len_of(at);
        let mut weights = random(plan.width, width, plan.seed);
        weights.data_mut().iter_mut().for_each(|v| *v *= 10f64.powi(plan.scale));
        if plan.zero_row {
            weights.row_mut(0).fill(0.0);
        }
        if plan.duplicate_row && plan.width > 1 {
            let copy = weights.row(0).to_vec();
            weights.row_mut(plan.width - 1).copy_from_slice(&copy);
        }
        if plan.zero_column {
            (0..plan.width).for_each(|i| *weights.at_mut(i, 0) = 0.0);
        }
        let mut terms = vec![(at, map(plan.map, weights, plan.seed))];
        if plan.skip {
            terms.push((NodeId::INPUT, LinearMap::Dense(random(plan.width, inputs, plan.seed ^ 1))));
        }
        let bias = random(plan.width, 1, plan.seed ^ 2).data().to_vec();
        let mut h = b.affine("affine", terms, Some(bias)).expect("shapes fit");
        if plan.doubled {
            let again = LinearMap::Dense(random(plan.width, plan.width, plan.seed ^ 3));
            h = b.affine("affine again", vec![(h, again)], None).expect("shapes fit");
            let scale = LinearMap::Scale(random(plan.width, 1, plan.seed ^ 4).data().to_vec());
            h = b.affine("scale", vec![(h, scale)], None).expect("shapes fit");
        }
        let activation = activations().swap_remove(plan.activation);
        at = b.activate("activation", h, activation).expect("parameters fit");
    }
    let last = random(outputs, b.len_of(at), seed);
    let y = b.affine("output", vec![(at, LinearMap::Dense(last))], None).expect("shapes fit");
    b.finish(y)
}

/// A fully connected network of these widths; `sign` 0 leaves the weights their signs, 1 makes them positive.
pub fn connected(widths: &[usize], activation: &Activation, positive: bool, seed: u64) -> Network {
    let mut b = NetworkBuilder::new(widths[0]).expect("inputs");
    let mut at = b.input();
    for (layer, pair) in widths.windows(2).enumerate() {
        let w = random(pair[1], pair[0], seed + layer as u64);
        let w = if positive { w.abs() } else { w };
        at = b.affine("affine", vec![(at, LinearMap::Dense(w))], None).expect("shapes");
        if layer + 2 < widths.len() {
            at = b.activate("activation", at, activation.clone()).expect("activation");
        }
    }
    b.finish(at)
}

/// Numbers around one, by a small generator of their own (splitmix64).
pub fn random(rows: usize, cols: usize, seed: u64) -> Matrix {
    let mut state = seed;
    Matrix::from_fn(rows, cols, |_, _| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) as f64 / u64::MAX as f64 - 0.5) * 3.0
    })
}

/// An interval around a number computed in floating point.
#[derive(Clone, Copy, Debug)]
pub struct Enclosure {
    pub below: f64,
    pub above: f64,
}

/// Every kind of input norm.
pub fn any_norm() -> impl Strategy<Value = InputNorm> {
    let p = |p| InputNorm::from_exponent(p).expect("at least 2");
    prop_oneof![
        3 => Just(InputNorm::Linf),
        3 => Just(InputNorm::L2),
        2 => Just(InputNorm::L1),
        1 => (2.0..6.0_f64).prop_map(p),
        1 => prop_oneof![Just(2.000_001), Just(3.0), Just(100.0), Just(1e9)].prop_map(p),
    ]
}

/// Every kind of question about a network's outputs.
pub fn any_outputs() -> impl Strategy<Value = OutputPlan> {
    prop_oneof![
        2 => Just(OutputPlan::Each),
        1 => Just(OutputPlan::Norm(OutputNorm::Linf)),
        2 => Just(OutputPlan::Norm(OutputNorm::L2)),
        2 => Just(OutputPlan::Norm(OutputNorm::L1)),
        1 => any::<u64>().prop_map(OutputPlan::Vector),
    ]
}

/// A question about outputs whose number is not known yet.
#[derive(Clone, Copy, Debug)]
pub enum OutputPlan {
    Each,
    Norm(OutputNorm),
    Vector(u64),
}

impl OutputPlan {
    pub fn of(self, network: &Network) -> Outputs {
        match self {
            Self::Each => Outputs::Each,
            Self::Norm(norm) => Outputs::Norm(norm),
            Self::Vector(seed) => {
                let u = random(network.outputs(), 1, seed);
                Outputs::Vector(Weights::new(u.data()).expect("finite numbers"))
            }
        }
    }
}

/// The FGL: max over all slope patterns (each slope at an end of its interval) of ‖J(v)ᵀu‖ in the dual norm, or of ‖J(v)‖
/// for a norm of the output, by trying all of them; enclosed by far more than the rounding of these short sums. (From ℓp
/// with 2 < p < ∞ to ℓ2 the enclosure is wide.)
pub fn brute_force(network: &Network, norm: InputNorm, functional: &Functional) -> Enclosure {
    brute_force_in(&everywhere(network), norm, functional)
}

/// The slope network everywhere.
pub fn everywhere(network: &Network) -> SlopeNetwork {
    SlopeNetwork::everywhere(network).expect("bounded slopes")
}

/// As [`brute_force`], in the place of a slope network.
pub fn brute_force_in(network: &SlopeNetwork, norm: InputNorm, functional: &Functional) -> Enclosure {
    let intervals = network.slopes();
    let neurons: usize = intervals.iter().map(Vec::len).sum();
    assert!(neurons <= BRUTE_FORCE_NEURONS, "{neurons} neurons have too many patterns");
    let count = 1_usize << neurons;
    let mut neuron = 0;
    let slopes: Vec<Matrix> = intervals
        .iter()
        .map(|layer| {
            let first = neuron;
            neuron += layer.len();
            Matrix::from_fn(layer.len(), count, |i, pattern| {
                if pattern >> (first + i) & 1 == 0 { layer[i].lower } else { layer[i].upper }
            })
        })
        .collect();
    let gradients: Vec<Matrix> = functional
        .rows(network.outputs())
        .into_iter()
        .map(|entries| {
            let mut seed = Matrix::zeros(network.outputs(), count);
            entries.into_iter().for_each(|(i, u)| seed.row_mut(i).fill(u));
            network.adjoint(&slopes, &seed).of(NodeId::INPUT).clone()
        })
        .collect();
    let largest = functional.entries().map_or(1.0, |u| u.iter().fold(0.0, |most: f64, (_, v)| most.max(v.abs())));
    let ones = Matrix::from_fn(network.outputs(), 1, |_, _| 1.0);
    let size: f64 = largest * network.abs_adjoint(&ones).of(NodeId::INPUT).data().iter().sum::<f64>();
    let jacobian = |j: usize| Matrix::from_fn(gradients.len(), network.inputs(), |r, i| gradients[r].at(i, j));
    let norms = (0..count).map(|j| operator_norm(&jacobian(j), norm, functional));
    let (below, above) = norms.fold((0.0, 0.0), |(b, a): (f64, f64), (below, above)| (b.max(below), a.max(above)));
    Enclosure { below: (below - 1e-13 * size).max(0.0), above: above * (1.0 + 1e-13) + 1e-13 * size }
}

/// ‖J‖ from the input norm to that of the functional's rows, enclosed up to rounding.
fn operator_norm(jacobian: &Matrix, norm: InputNorm, functional: &Functional) -> (f64, f64) {
    let (m, n) = (jacobian.rows(), jacobian.cols());
    let dual = |r: usize| norm.dual(jacobian.row(r).iter().copied());
    let output = match functional {
        Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) => return (dual(0), dual(0)),
        Functional::Norm(output) => *output,
    };
    let sign = |bits: usize, i: usize| if bits >> i & 1 == 0 { 1.0 } else { -1.0 };
    let times = |x: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..m).map(|r| jacobian.row(r).iter().enumerate().map(|(i, v)| v * x(i)).sum()).collect()
    };
    let length = |y: Vec<f64>| y.iter().map(|v| v * v).sum::<f64>().sqrt();
    let exact = match (output, norm) {
        (OutputNorm::Linf, _) => (0..m).map(dual).fold(0.0, f64::max),
        (OutputNorm::L1, _) => (0..1_usize << m)
            .map(|bits| norm.dual((0..n).map(|i| (0..m).map(|r| sign(bits, r) * jacobian.at(r, i)).sum())))
            .fold(0.0, f64::max),
        (OutputNorm::L2, InputNorm::L1) => (0..n).map(|i| length(jacobian.column(i))).fold(0.0, f64::max),
        (OutputNorm::L2, InputNorm::Linf) => {
            (0..1_usize << n).map(|bits| length(times(&|i| sign(bits, i)))).fold(0.0, f64::max)
        }
        (OutputNorm::L2, InputNorm::L2) => {
            // ‖G‖₂ = lim ‖G^(2^s)‖_F^(1/2^s) for the Gram matrix G
            let entry = |r: usize, s: usize| jacobian.row(r).iter().zip(jacobian.row(s)).map(|(a, b)| a * b).sum();
            let (mut power, mut log) = (Matrix::from_fn(m, m, entry), 0.0);
            for s in 0..40 {
                let size = length(power.data().to_vec());
                if size == 0.0 {
                    return (0.0, 0.0);
                }
                log += size.ln() * 0.5_f64.powi(s);
                power.data_mut().iter_mut().for_each(|v| *v /= size);
                let square = |r: usize, s: usize| (0..m).map(|t| power.at(r, t) * power.at(t, s)).sum();
                power = Matrix::from_fn(m, m, square);
            }
            (0.5 * log).exp() // off by a few units of 1e-14, which the enclosures below cover
        }
        (OutputNorm::L2, InputNorm::Lp(_)) => {
            // alternating maximisation from every unit vector; Cauchy and Schwarz from above
            let mut below: f64 = 0.0;
            for start in 0..n {
                let mut x: Vec<f64> = (0..n).map(|i| if i == start { 1.0 } else { 0.1 }).collect();
                for _ in 0..40 {
                    let y = times(&|i| x[i]);
                    let g: Vec<f64> = (0..n).map(|i| (0..m).map(|r| y[r] * jacobian.at(r, i)).sum()).collect();
                    let size = length(y);
                    if size == 0.0 {
                        break;
                    }
                    below = below.max(norm.dual(g.iter().copied()) / size);
                    let power = match norm {
                        InputNorm::Lp(p) => 1.0 / (p.get() - 1.0),
                        InputNorm::Linf | InputNorm::L2 | InputNorm::L1 => unreachable!("only ℓp gets here"),
                    };
                    let largest = g.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
                    x = g.iter().map(|v| v.signum() * (v.abs() / largest).powf(power)).collect();
                }
            }
            return (below * (1.0 - 1e-13), length((0..m).map(dual).collect()));
        }
    };
    match (output, norm) {
        (OutputNorm::L2, InputNorm::L2) => (exact * (1.0 - 1e-12), exact * (1.0 + 1e-12)),
        _ => (exact, exact),
    }
}

/// The largest entry of every group, as trees of q + relu(p − q), with the neurons (layer, neuron) of every tree; the first layer is that of this number.
pub fn maxima(
    b: &mut NetworkBuilder,
    mut x: NodeId,
    mut groups: Vec<Vec<usize>>,
    first_layer: usize,
) -> (NodeId, Vec<Vec<(usize, usize)>>) {
    let mut neurons = vec![Vec::new(); groups.len()];
    for layer in first_layer.. {
        if groups.iter().all(|group| group.len() == 1) {
            break;
        }
        let (mut pairs, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
        for (group, neurons) in groups.iter_mut().zip(&mut neurons) {
            let start = second.len();
            for pair in group.chunks(2) {
                first.push((pair.len() == 2).then_some(pairs.len()));
                second.push(pair.last().copied());
                if let [p, q] = pair {
                    neurons.push((layer, pairs.len()));
                    pairs.push((*p, *q));
                }
            }
            *group = (start..second.len()).collect();
        }
        let len = b.len_of(x);
        let picked = |of: Vec<Option<usize>>, len: usize| LinearMap::Gather(Gather::new(len, of).expect("entries"));
        let negative = b.affine("negative", vec![(x, LinearMap::Scale(vec![-1.0; len]))], None).expect("shapes");
        let terms = vec![
            (x, picked(pairs.iter().map(|(p, _)| Some(*p)).collect(), len)),
            (negative, picked(pairs.iter().map(|(_, q)| Some(*q)).collect(), len)),
        ];
        let difference = b.affine("difference", terms, None).expect("shapes");
        let excess = b.activate("excess", difference, Activation::Relu).expect("shapes");
        let terms = vec![(x, picked(second, len)), (excess, picked(first, pairs.len()))];
        x = b.affine("larger", terms, None).expect("shapes");
    }
    (x, neurons)
}

/// So many inputs, and maxima of k numbers, or of their ReLUs, between two dense layers.
pub fn with_maxima((inputs, count, k): (usize, usize, usize), of_relus: bool, seed: u64) -> Network {
    let mut b = NetworkBuilder::new(inputs).expect("inputs");
    let dense = |b: &mut NetworkBuilder, from: NodeId, rows: usize, seed: u64| {
        let weights = LinearMap::Dense(random(rows, b.len_of(from), seed));
        b.affine("affine", vec![(from, weights)], None).expect("shapes")
    };
    let input = b.input();
    let mut x = dense(&mut b, input, k * count, seed);
    if of_relus {
        x = b.activate("relu", x, Activation::Relu).expect("relu");
    }
    let groups = (0..count).map(|group| (group * k..(group + 1) * k).collect()).collect();
    let (largest, _) = maxima(&mut b, x, groups, usize::from(of_relus));
    let h = dense(&mut b, largest, 3, seed ^ 1);
    let z = b.activate("relu", h, Activation::Relu).expect("relu");
    let y = dense(&mut b, z, 2, seed ^ 2);
    b.finish(y)
}
