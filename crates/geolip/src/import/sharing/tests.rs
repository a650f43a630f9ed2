//! The rewritten network is the same function, with fewer neurons where pre-activations are shared, and untouched where none are.

use super::shared;
use crate::matrix::Matrix;
use crate::network::{
    Activation, Convolution, ConvolutionShape, Gather, LinearMap, Network, NetworkBuilder, NodeId, Op,
};
use crate::random::gaussian;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn weights(rows: usize, cols: usize, random: &mut ChaCha8Rng) -> Matrix {
    Matrix::from_fn(rows, cols, |_, _| gaussian(random))
}

/// The largest difference of the outputs of two networks at random inputs, as a part of the outputs' size.
fn difference(a: &Network, b: &Network, random: &mut ChaCha8Rng) -> f64 {
    let x = weights(a.inputs(), 20, random);
    let (a, b) = (a.evaluate_batch(x.clone()).of(a.output()).clone(), b.evaluate_batch(x).of(b.output()).clone());
    let size = a.data().iter().fold(1e-300_f64, |size, v| size.max(v.abs()));
    a.data().iter().zip(b.data()).fold(0.0_f64, |most, (a, b)| most.max((a - b).abs() / size))
}

/// The network rewritten, which must be the same function, of so many neurons.
fn rewritten(network: Network, neurons: usize) -> Network {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let new = shared(network.clone());
    assert_eq!(new.neurons(), neurons, "of {} neurons", network.neurons());
    assert!(difference(&network, &new, &mut random) < 1e-13);
    new
}

/// W φ(h) with h given by its weights.
fn one_layer(h: Matrix, bias: Option<Vec<f64>>, activation: Activation) -> Network {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let (n, inputs) = (h.rows(), h.cols());
    let mut b = NetworkBuilder::new(inputs).expect("inputs");
    let h = b.affine("h", vec![(b.input(), LinearMap::Dense(h))], bias).expect("shapes");
    let z = b.activate("z", h, activation).expect("activation");
    let y = b.affine("y", vec![(z, LinearMap::Dense(weights(3, n, &mut random)))], None).expect("shapes");
    b.finish(y)
}

#[test]
fn rows_that_are_multiples_share_a_neuron() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let w = weights(4, 6, &mut random);
    let factors = [(0, 1.0), (1, 1.0), (0, -1.0), (2, 1.0), (1, 0.5), (3, 1.0), (1, -4.0), (0, 1.0)];
    let rows = |far: f64| Matrix::from_fn(8, 6, |i, j| far * factors[i].1 * w.at(factors[i].0, j));
    let bias: Vec<f64> = factors.iter().map(|(row, factor)| factor * [0.3, -0.1, 0.0, 2.0][*row]).collect();
    let kinked = [
        Activation::Relu,
        Activation::Abs,
        Activation::LeakyRelu { slope: 0.25 },
        Activation::Clip { min: 0.0, max: f64::INFINITY },
        Activation::PRelu { slopes: vec![0.5, 0.5, -1.0, 0.0, 2.0, 0.125, 0.5, 4.0] },
    ];
    for activation in kinked {
        for bias in [None, Some(bias.clone())] {
            let new = rewritten(one_layer(rows(1.0), bias, activation.clone()), 4);
            assert_eq!(new.node(NodeId::INPUT).len, 6);
            let h = new.nodes().iter().find(|node| node.name == "h").expect("the rows that stay");
            assert_eq!(h.len, 4, "rows that are not needed are left out");
        }
    }
    rewritten(one_layer(rows(1.0), None, Activation::Tanh), 6); // multiples other than ±1 stay
    rewritten(one_layer(rows(1.0), None, Activation::Elu { alpha: 1.0 }), 7); // only what is equal
    let mut moved = bias.clone();
    moved[2] += 1e-9;
    rewritten(one_layer(rows(1.0), Some(moved), Activation::Relu), 5);
    let mut off = rows(1.0);
    *off.at_mut(7, 5) = off.at(7, 5).next_up();
    rewritten(one_layer(off, None, Activation::Relu), 5);
}

#[test]
fn maxima_and_minima_of_one_pair_share_a_neuron() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut b = NetworkBuilder::new(4).expect("inputs");
    let mut x = b.input();
    for _ in 0..3 {
        let h = b.affine("h", vec![(x, LinearMap::Dense(weights(6, 4, &mut random)))], None).expect("shapes");
        let part = |b: &mut NetworkBuilder, from: usize, of: NodeId| {
            let half = Gather::new(6, (0..3).map(|i| Some(2 * i + from))).expect("inside");
            b.affine("part", vec![(of, LinearMap::Gather(half))], None).expect("shapes")
        };
        let minus = |b: &mut NetworkBuilder, of: NodeId| {
            b.affine("minus", vec![(of, LinearMap::Scale(vec![-1.0; b.len_of(of)]))], None).expect("shapes")
        };
        let larger = |b: &mut NetworkBuilder, p: NodeId, q: NodeId| {
            let terms = vec![(p, LinearMap::Identity(3)), (q, LinearMap::Scale(vec![-1.0; 3]))];
            let d = b.affine("d", terms, None).expect("shapes");
            let m = b.activate("m", d, Activation::Relu).expect("relu");
            b.affine("max", vec![(q, LinearMap::Identity(3)), (m, LinearMap::Identity(3))], None).expect("shapes")
        };
        let (p, q) = (part(&mut b, 0, h), part(&mut b, 1, h));
        let max = larger(&mut b, p, q);
        let (less_p, less_q) = (minus(&mut b, p), minus(&mut b, q));
        let less = larger(&mut b, less_p, less_q);
        let min = minus(&mut b, less);
        x = b
            .affine(
                "next",
                vec![
                    (max, LinearMap::Dense(weights(4, 3, &mut random))),
                    (min, LinearMap::Dense(weights(4, 3, &mut random))),
                ],
                None,
            )
            .expect("shapes");
    }
    let new = rewritten(b.finish(x), 9);
    // min = p − m: nothing that cancels is left
    let min = new.nodes().iter().find(|node| node.name == "minus").expect("the minimum");
    let Op::Affine { terms, .. } = &min.op else { panic!("{min:?}") };
    let entries: usize = terms.iter().map(|term| term.map.to_sparse().stored()).sum();
    assert_eq!(entries, 6);
}

#[test]
fn what_passes_a_weight_list_unchanged_is_no_neuron() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    // max(p, q) = relu(p - q) + relu(q) - relu(-q), min(p, q) = relu(q) - relu(-q) - relu(q - p)
    let before = Matrix::from_vec(4, 2, vec![1.0, -1.0, -1.0, 1.0, 0.0, 1.0, 0.0, -1.0]);
    let after = Matrix::from_vec(2, 4, vec![1.0, 0.0, 1.0, -1.0, 0.0, -1.0, 1.0, -1.0]);
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let mut x = b.input();
    let product = |a: &Matrix, b: &Matrix| crate::matrix::product(a.view(), b.view());
    let mut w = before.clone();
    for _ in 0..3 {
        let h = b.affine("h", vec![(x, LinearMap::Dense(w))], None).expect("shapes");
        x = b.activate("z", h, Activation::Relu).expect("relu");
        w = product(&before, &product(&weights(2, 2, &mut random), &after));
        for j in 0..4 {
            *w.at_mut(1, j) = -w.at(0, j); // however the product was rounded
            *w.at_mut(3, j) = -w.at(2, j);
        }
        for i in 0..4 {
            *w.at_mut(i, 3) = -w.at(i, 2);
        }
    }
    let y = b.affine("y", vec![(x, LinearMap::Dense(w))], None).expect("shapes");
    rewritten(b.finish(y), 3);
}

#[test]
fn channels_of_opposite_kernels_share_neurons_and_convolutions_stay() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let shape = ConvolutionShape {
        in_channels: 2,
        out_channels: 4,
        groups: 1,
        input: [1, 6, 6],
        output: [1, 6, 6],
        kernel: [1, 3, 3],
        stride: [1; 3],
        dilation: [1; 3],
        pad: [0, 1, 1],
    };
    let mut network = |opposite: bool| {
        let mut kernel = weights(4, 18, &mut random);
        for j in 0..18 {
            if opposite {
                *kernel.at_mut(2, j) = -2.0 * kernel.at(0, j);
            }
        }
        let convolution = Convolution::new(shape, kernel.data().to_vec()).expect("fits");
        let mut b = NetworkBuilder::new(72).expect("inputs");
        let h = b.affine("h", vec![(b.input(), LinearMap::Convolution(convolution))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z, LinearMap::Dense(weights(2, 144, &mut random)))], None).expect("shapes");
        b.finish(y)
    };
    let plain = network(false);
    assert_eq!(shared(plain.clone()), plain);
    let new = rewritten(network(true), 108);
    assert!(new.terms().any(|term| matches!(*term.map, LinearMap::Convolution(_))));
}

/// Sums, choices, multiples, weights and functions in any order.
fn any_network(random: &mut ChaCha8Rng) -> Network {
    let n = random.random_range(1..5_usize);
    let mut b = NetworkBuilder::new(n).expect("inputs");
    let mut all = vec![b.input()];
    let exact = [1.0, -1.0, 2.0, -0.5, 3.0, 0.3];
    for _ in 0..random.random_range(4..16) {
        let parent = all[random.random_range(0..all.len())];
        let functions = [Activation::Relu, Activation::Relu, Activation::Abs, Activation::Tanh, Activation::Silu];
        let bias = |random: &mut ChaCha8Rng| {
            random.random::<bool>().then(|| (0..n).map(|_| random.random_range(-2..3) as f64).collect())
        };
        let other = all[random.random_range(0..all.len())];
        let map = |random: &mut ChaCha8Rng| match random.random_range(0..4) {
            0 => LinearMap::Identity(n),
            1 => LinearMap::Scale((0..n).map(|_| exact[random.random_range(0..exact.len())]).collect()),
            2 => {
                let place = |random: &mut ChaCha8Rng| random.random::<bool>().then(|| random.random_range(0..n));
                let gather = Gather::new(n, (0..n).map(|_| place(random))).expect("inside");
                if random.random() {
                    LinearMap::Gather(gather)
                } else {
                    LinearMap::Transpose(Box::new(LinearMap::Gather(gather)))
                }
            }
            _ if random.random() => LinearMap::Dense(weights(n, n, random)),
            _ => LinearMap::Dense(Matrix::from_fn(n, n, |_, _| random.random_range(-1..2) as f64)),
        };
        let node = match random.random_range(0..5) {
            0 | 1 => b.activate("f", parent, functions[random.random_range(0..functions.len())].clone()),
            2 => b.affine("a", vec![(parent, map(random))], bias(random)),
            _ => b.affine("s", vec![(parent, map(random)), (other, map(random))], bias(random)),
        };
        all.push(node.expect("shapes"));
    }
    let terms = all.iter().map(|id| (*id, LinearMap::Dense(weights(2, n, random)))).collect();
    let y = b.affine("y", terms, None).expect("shapes");
    b.finish(y)
}

#[test]
fn random_graphs_stay_the_same_function() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut fewer = 0;
    for case in 0..2000 {
        let network = any_network(&mut random);
        let new = shared(network.clone());
        let off = difference(&network, &new, &mut random);
        assert!(off < 1e-12, "case {case}: off by {off}, {network:#?}\n{new:#?}");
        assert!(new.neurons() <= network.neurons());
        fewer += usize::from(new.neurons() < network.neurons());
        assert_eq!(new.neurons() == network.neurons(), new == network, "untouched where nothing is shared");
        assert_eq!(shared(new.clone()).neurons(), new.neurons(), "case {case}: once is enough");
    }
    assert!(fewer > 300, "{fewer}");
}

#[test]
fn weights_that_come_twice_are_read_before_they_are_there() {
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let same = |p: f64, q: f64| LinearMap::Dense(Matrix::from_vec(2, 2, vec![p, q, p, q]));
    let h = b.affine("h", vec![(b.input(), same(1.0, 0.3))], None).expect("shapes");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    let first = b.affine("first", vec![(b.input(), same(0.7, -0.2))], None).expect("shapes");
    let sum = vec![(first, LinearMap::Identity(2)), (z, LinearMap::Identity(2))];
    let sum = b.affine("sum", sum, None).expect("shapes");
    let second = b.affine("second", vec![(b.input(), same(0.7, -0.2))], None).expect("shapes");
    // the second is looked at first
    let second = b.activate("of the second", second, Activation::Relu).expect("relu");
    let sum = b.activate("of the sum", sum, Activation::Relu).expect("relu");
    let terms = [z, sum, second].map(|id| (id, LinearMap::Scale(vec![0.3, 0.5])));
    let y = b.affine("y", terms.into(), None).expect("shapes");
    rewritten(b.finish(y), 3);
}

#[test]
fn a_long_chain_of_choices_is_no_deep_recursion() {
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let mut x = b.input();
    for _ in 0..50_000 {
        x = b.affine("swap", vec![(x, LinearMap::Scale(vec![-1.0; 2]))], None).expect("shapes");
    }
    let mut branch = |of: NodeId| b.activate("z", of, Activation::Relu).expect("relu");
    let (p, q) = (branch(x), branch(NodeId::INPUT));
    let y =
        b.affine("y", vec![(p, LinearMap::Identity(2)), (q, LinearMap::Scale(vec![0.3; 2]))], None).expect("shapes");
    let network = b.finish(y);
    let new = shared(network.clone());
    assert!(difference(&network, &new, &mut ChaCha8Rng::seed_from_u64(6)) < 1e-14);
}
