//! Maxima, minima and sorting: one bound for all spellings of a function, never above what is known otherwise.

#![allow(clippy::unwrap_used)]

mod support;

use geolip::import::{ImportOptions, from_bytes, load};
use geolip::{InputNorm, Network, Options, OutputNorm, Outputs, Silent, bound};
use prost::Message;
use std::path::Path;
use support::files::shared;
use support::onnx::proto::{AttributeProto, NodeProto, TensorProto};
use support::onnx::{floats, integers, ints, model, node};
use support::random;

fn read(nodes: Vec<NodeProto>, stored: Vec<TensorProto>, inputs: i64) -> Network {
    let bytes = model(13, &[1, inputs], nodes, stored).encode_to_vec();
    from_bytes(&bytes, Path::new("sorting.onnx"), &ImportOptions::default()).unwrap_or_else(|e| panic!("{e}")).network
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 2, i, ..AttributeProto::default() }
}

/// The largest upper bound, with ℓ2 for the output in ℓ2.
fn upper(network: &Network, norm: InputNorm) -> f64 {
    let outputs = match norm {
        InputNorm::L2 => Outputs::Norm(OutputNorm::L2),
        _ => Outputs::Each,
    };
    let report = bound(network, &Options { norm, outputs, ..Options::default() }, &Silent).unwrap();
    report.bounds.iter().map(geolip::Bound::upper).fold(0.0, f64::max)
}

/// How a layer of MaxMin (GroupSort with groups of two neighbours) is written.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    Reduce,
    Slices,
    Split,
    TopK,
    Relus,
    Absolute,
    Where,
}

const SPELLINGS: [Spelling; 7] = [
    Spelling::Reduce,
    Spelling::Slices,
    Spelling::Split,
    Spelling::TopK,
    Spelling::Relus,
    Spelling::Absolute,
    Spelling::Where,
];

/// The nodes from `h` (1 × n) to the pairs' maxima and minima, `to`, in the order max₀ min₀ max₁ min₁ …
fn maxmin(spelling: Spelling, at: &str, to: &str) -> Vec<NodeProto> {
    let name = |part: &str| format!("{at}_{part}");
    let axis = || ints("axes", &[2]);
    let (p, h, big, small) = (name("pairs"), at.to_owned(), name("max"), name("min"));
    let join = |parts: &[&str]| {
        let joined = name("joined");
        vec![node("Concat", parts, &joined, vec![int("axis", 2)]), node("Reshape", &[&joined, "flat"], to, vec![])]
    };
    let two = |list: Vec<NodeProto>| {
        let split = NodeProto {
            output: vec![name("a"), name("b")],
            ..node("Split", &[&p, "halves"], "a", vec![int("axis", 2)])
        };
        [vec![node("Reshape", &[&h, "pairing"], &p, vec![]), split], list, join(&[&big, &small])].concat()
    };
    let (a, b, d, m) = (name("a"), name("b"), name("d"), name("m"));
    match spelling {
        Spelling::Reduce => [
            vec![
                node("Reshape", &[&h, "pairing"], &p, vec![]),
                node("ReduceMax", &[&p], &big, vec![axis()]),
                node("ReduceMin", &[&p], &small, vec![axis()]),
            ],
            join(&[&big, &small]),
        ]
        .concat(),
        Spelling::TopK => {
            let sorted = NodeProto {
                output: vec![name("sorted"), name("places")],
                ..node("TopK", &[&p, "two"], "sorted", vec![int("axis", 2)])
            };
            vec![
                node("Reshape", &[&h, "pairing"], &p, vec![]),
                sorted,
                node("Reshape", &[&name("sorted"), "flat"], to, vec![]),
            ]
        }
        Spelling::Split => two(vec![node("Max", &[&a, &b], &big, vec![]), node("Min", &[&a, &b], &small, vec![])]),
        Spelling::Slices => [
            vec![
                node("Reshape", &[&h, "pairing"], &p, vec![]),
                node("Slice", &[&p, "zero", "one", "last"], &a, vec![]),
                node("Slice", &[&p, "one", "two", "last"], &b, vec![]),
                node("Max", &[&b, &a], &big, vec![]),
                node("Min", &[&a, &b], &small, vec![]),
            ],
            join(&[&big, &small]),
        ]
        .concat(),
        Spelling::Relus => two(vec![
            node("Sub", &[&b, &a], &d, vec![]),
            node("Relu", &[&d], &m, vec![]),
            node("Add", &[&a, &m], &big, vec![]),
            node("Sub", &[&b, &m], &small, vec![]),
        ]),
        Spelling::Absolute => two(vec![
            node("Sub", &[&a, &b], &d, vec![]),
            node("Abs", &[&d], &m, vec![]),
            node("Add", &[&a, &b], &name("sum"), vec![]),
            node("Add", &[&name("sum"), &m], &name("twice"), vec![]),
            node("Sub", &[&name("sum"), &m], &name("least"), vec![]),
            node("Mul", &[&name("twice"), "half"], &big, vec![]),
            node("Mul", &[&name("least"), "half"], &small, vec![]),
        ]),
        Spelling::Where => two(vec![
            node("Greater", &[&a, &b], &d, vec![]),
            node("Where", &[&d, &a, &b], &big, vec![]),
            node("LessOrEqual", &[&a, &b], &m, vec![]),
            node("Where", &[&m, &a, &b], &small, vec![]),
        ]),
    }
}

/// `depth` layers of weights of n × n, each with MaxMin, and one of 2 × n.
fn network(spelling: Spelling, n: usize, depth: usize, seed: u64) -> Network {
    let mut stored = vec![
        integers("pairing", &[1, n as i64 / 2, 2]),
        integers("flat", &[1, n as i64]),
        integers("halves", &[1, 1]),
        integers("zero", &[0]),
        integers("one", &[1]),
        integers("two", &[2]),
        integers("last", &[2]),
        floats("half", &[], &[0.5]),
    ];
    let mut nodes = vec![];
    let mut x = "x".to_owned();
    let matrix = |name: &str, rows: usize, at: u64| {
        let w: Vec<f32> = random(rows, n, seed ^ (at << 32)).data().iter().map(|v| *v as f32).collect();
        floats(name, &[n as i64, rows as i64], &w)
    };
    for layer in 0..depth {
        let (w, h, z) = (format!("w{layer}"), format!("h{layer}"), format!("z{layer}"));
        stored.push(matrix(&w, n, layer as u64));
        nodes.push(node("MatMul", &[&x, &w], &h, vec![]));
        nodes.extend(maxmin(spelling, &h, &z));
        x = z;
    }
    stored.push(matrix("last_w", 2, 99));
    nodes.push(node("MatMul", &[&x, "last_w"], "y", vec![]));
    read(nodes, stored, n as i64)
}

#[test]
fn all_spellings_of_maxmin_have_one_bound() {
    for (n, depth, seed) in [(4, 1, 1), (4, 2, 2), (6, 2, 3)] {
        for norm in [InputNorm::L2, InputNorm::Linf] {
            let bounds: Vec<f64> =
                SPELLINGS.iter().map(|spelling| upper(&network(*spelling, n, depth, seed), norm)).collect();
            let x = random(n, 1, seed ^ 77).data().to_vec();
            let first = network(SPELLINGS[0], n, depth, seed).evaluate(&x);
            for (bound, spelling) in bounds.iter().zip(SPELLINGS) {
                let network = network(spelling, n, depth, seed);
                assert_eq!(network.neurons(), n / 2 * depth, "{spelling:?}");
                assert!(network.evaluate(&x).iter().zip(&first).all(|(a, b)| (a - b).abs() < 1e-12), "{spelling:?}");
                let off = (bound / bounds[0] - 1.0).abs();
                assert!(off < 2e-6, "{spelling:?} in {norm:?}: {bound} against {}", bounds[0]);
            }
        }
    }
}

#[test]
fn no_gradient_of_a_sorting_network_exceeds_its_bound() {
    for (k, n) in [(3_i64, 6_usize), (4, 8), (5, 5)] {
        let groups = n as i64 / k;
        let top = |largest: i64, to: &str| NodeProto {
            output: vec![to.to_owned(), format!("{to}_places")],
            ..node("TopK", &["groups", "k"], to, vec![int("axis", 2), int("largest", largest)])
        };
        let w: Vec<f32> = random(n, n, k as u64).data().iter().map(|v| *v as f32).collect();
        let last: Vec<f32> = random(2, n, 5).data().iter().map(|v| *v as f32).collect();
        let of = |largest: i64| {
            let nodes = vec![
                node("MatMul", &["x", "w"], "h", vec![]),
                node("Reshape", &["h", "grouping"], "groups", vec![]),
                top(largest, "sorted"),
                node("Reshape", &["sorted", "flat"], "z", vec![]),
                node("MatMul", &["z", "last"], "y", vec![]),
            ];
            let stored = vec![
                integers("grouping", &[1, groups, k]),
                integers("flat", &[1, n as i64]),
                integers("k", &[k]),
                floats("w", &[n as i64, n as i64], &w),
                floats("last", &[n as i64, 2], &last),
            ];
            read(nodes, stored, n as i64)
        };
        for network in [of(1), of(0)] {
            for norm in [InputNorm::Linf, InputNorm::L2] {
                let options = Options { norm, ..Options::default() };
                let report = bound(&network, &options, &Silent).unwrap();
                for (i, bound) in report.bounds.iter().enumerate() {
                    for s in 0..200_u64 {
                        let x = random(n, 1, s).data().to_vec();
                        let step = 1e-6;
                        let moved = |j: usize, by: f64| {
                            let mut x = x.clone();
                            x[j] += by;
                            network.evaluate(&x)[i]
                        };
                        let gradient = (0..n).map(|j| (moved(j, step) - moved(j, -step)) / (2.0 * step));
                        let size = norm.dual(gradient.collect::<Vec<f64>>().into_iter());
                        assert!(size <= bound.upper() * (1.0 + 1e-6), "{size} above {}", bound.upper());
                    }
                }
            }
        }
    }
}

#[test]
fn sorting_alone_is_a_permutation() {
    for k in [2_i64, 3, 4, 6] {
        let top =
            NodeProto { output: vec!["y".to_owned(), "places".to_owned()], ..node("TopK", &["x", "k"], "y", vec![]) };
        let network = read(vec![top], vec![integers("k", &[k])], k);
        let bound = upper(&network, InputNorm::L2);
        assert!((1.0..1.0 + 1e-5).contains(&bound), "{k}: {bound}");
    }
}

#[test]
fn windows_that_compare_the_same_pair_share_the_comparison() {
    // (0, 1), then the same with 2, then (1, 2)
    let pool = node("MaxPool", &["t"], "y", vec![ints("kernel_shape", &[3]), ints("pads", &[1, 1])]);
    let nodes = vec![node("Reshape", &["x", "image"], "t", vec![]), pool];
    let network = read(nodes, vec![integers("image", &[1, 1, 3])], 3);
    assert_eq!(network.neurons(), 3);
    assert_eq!(network.evaluate(&[1.0, 3.0, 2.0]), [3.0, 3.0, 3.0]);
}

#[test]
fn one_maximum_in_the_largest_entry_is_one() {
    for k in [2_i64, 3, 9] {
        let network = read(vec![node("ReduceMax", &["x"], "y", vec![ints("axes", &[1])])], vec![], k);
        let bound = upper(&network, InputNorm::Linf);
        assert!((1.0..1.0 + 1e-9).contains(&bound), "{k}: {bound}");
    }
    let Some(folder) = shared() else { return };
    let path = folder.join("cases/maxpool_3x3_linf.onnx");
    let network = load(&path, &ImportOptions::default()).unwrap_or_else(|e| panic!("{e}")).network;
    assert!(upper(&network, InputNorm::Linf) < 1.0 + 1e-9);
}

#[test]
fn choices_are_read_where_they_are_continuous_and_refused_where_they_jump() {
    let choice = |condition: Vec<NodeProto>, above: &str, below: &str| {
        let nodes = [
            vec![
                node("MatMul", &["x", "v"], "s", vec![]),
                node("Mul", &["s", "twice"], "d", vec![]),
                node("Sub", &["x", "d"], "reflected", vec![]),
            ],
            condition,
            vec![node("Where", &["c", above, below], "y", vec![])],
        ]
        .concat();
        let stored = vec![
            floats("v", &[2, 1], &[0.6, 0.8]),
            floats("twice", &[1, 2], &[1.2, 1.6]),
            floats("zero", &[], &[0.0]),
            floats("one", &[], &[1.0]),
        ];
        let bytes = model(13, &[1, 2], nodes, stored).encode_to_vec();
        from_bytes(&bytes, Path::new("choice.onnx"), &ImportOptions::default())
    };
    // a Householder activation: x, or its reflection at the plane of v
    let comparisons = [
        (vec![node("Greater", &["s", "zero"], "c", vec![])], ["x", "reflected"]),
        (vec![node("Less", &["s", "zero"], "c", vec![])], ["reflected", "x"]),
        (vec![node("LessOrEqual", &["s", "zero"], "n", vec![]), node("Not", &["n"], "c", vec![])], ["x", "reflected"]),
    ];
    for (condition, [above, below]) in comparisons {
        let network = choice(condition, above, below).unwrap_or_else(|error| panic!("{error}")).network;
        assert_eq!(network.neurons(), 1);
        let bound = upper(&network, InputNorm::L2);
        assert!((1.0..1.0 + 2e-6).contains(&bound), "{bound}");
        assert_eq!(network.evaluate(&[1.0, 0.0]), [1.0, 0.0]);
    }
    let moved = choice(vec![node("Greater", &["s", "one"], "c", vec![])], "x", "reflected").expect_err("it jumps");
    assert!(moved.to_string().contains("(Where): may jump where its condition changes"), "{moved}");
    let other = choice(vec![node("Greater", &["x", "zero"], "c", vec![])], "x", "reflected").expect_err("it jumps");
    assert!(other.to_string().contains("(Where): may jump where its condition changes"), "{other}");
}

#[test]
fn shared_cases_of_one_lipschitz_networks_are_one() {
    let Some(folder) = shared() else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.join("cases")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("groupsort2") {
            let network = load(&path, &ImportOptions::default()).unwrap_or_else(|e| panic!("{e}")).network;
            let bound = upper(&network, InputNorm::L2);
            assert!(bound <= 1.0 + 1e-5, "{}: {bound}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 14);
    for (name, most) in [("2fc_16", 22.0745), ("5fc_32", 193.18)] {
        for spelling in ["reduce", "topk"] {
            let path = folder.join(format!("nets/maxmin/maxmin_l2_{name}_{spelling}.onnx"));
            let network = load(&path, &ImportOptions::default()).unwrap_or_else(|e| panic!("{e}")).network;
            let bound = upper(&network, InputNorm::L2);
            assert!(bound <= most, "{}: {bound}", path.display());
        }
    }
}
