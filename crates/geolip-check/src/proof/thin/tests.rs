use super::*;
use crate::matrix::Matrix;
use crate::network::{LinearMap, NetworkBuilder};

fn side(layer: usize, neuron: usize, above: bool) -> Side {
    Side { layer, neuron, at: 0.0, above }
}

/// One layer h = Wx + b of ReLU.
fn layer(rows: &[(&[f64], f64)]) -> Network {
    let n = rows[0].0.len();
    let mut b = NetworkBuilder::new(n).expect("inputs");
    let w = Matrix::from_vec(rows.len(), n, rows.iter().flat_map(|(row, _)| row.to_vec()).collect());
    let bias = rows.iter().map(|(_, b)| *b).collect();
    let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], Some(bias)).expect("shapes");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    b.finish(z)
}

/// Whether the part where every row is at least 0 is found to be thin, by all of them.
fn is_thin(rows: &[(&[f64], f64)]) -> bool {
    let network = layer(rows);
    let all: Vec<Side> = (0..rows.len()).map(|j| side(0, j, true)).collect();
    let named: Vec<(usize, usize)> = (0..rows.len()).map(|j| (0, j)).collect();
    HalfSpaces::new(&network).expect("small").are_thin(&all, &named).is_ok()
}

#[test]
fn strips_are_thin_where_they_have_no_width_and_not_where_that_is_tiny() {
    for scale in [1.0, 1e300, 1e-300, 5e-324] {
        for (width, thin) in [(0.0, true), (-scale, true), (scale, false)] {
            assert_eq!(is_thin(&[(&[scale, 0.0], 0.0), (&[-scale, 0.0], width)]), thin, "{scale} {width}");
        }
    }
    // normals that differ in the last digit meet somewhere
    let near = 1.0_f64.next_up();
    assert!(!is_thin(&[(&[1.0, 1.0], -1.0), (&[-1.0, -near], -1.0)]));
    assert!(is_thin(&[(&[1.0, near], -1.0), (&[-1.0, -near], -1.0)]));
    // x >= 0, y >= 0, x + y <= t
    for (t, thin) in [(0.0, true), (-5e-324, true), (5e-324, false), (1.0, false)] {
        assert_eq!(is_thin(&[(&[1.0, 0.0], 0.0), (&[0.0, 1.0], 0.0), (&[-1.0, -1.0], t)]), thin, "{t}");
    }
}

#[test]
fn a_pre_activation_that_stays_where_it_is_proves_something_only_off_its_kink() {
    for (b, thin) in [(-1.0, true), (-5e-324, true), (0.0, false), (1.0, false)] {
        assert_eq!(is_thin(&[(&[0.0, 0.0], b)]), thin, "{b}");
    }
    // with a second one, the first alone depends on nothing: it is not unique what they add up to
    assert!(!is_thin(&[(&[0.0, 0.0], 0.0), (&[0.0, 0.0], 0.0)]));
}

#[test]
fn what_is_named_has_to_be_on_the_path_once_and_to_depend_in_one_way() {
    let network = layer(&[(&[1.0, 0.0], 0.0), (&[-1.0, 0.0], -1.0), (&[2.0, 0.0], 0.0), (&[0.0, 1.0], 0.0)]);
    let known = HalfSpaces::new(&network).expect("small");
    let all: Vec<Side> = (0..4).map(|j| side(0, j, true)).collect();
    let reason = |sides: &[Side], named: &[(usize, usize)]| known.are_thin(sides, named).expect_err("not thin");
    assert!(known.are_thin(&all, &[(0, 0), (0, 1)]).is_ok());
    assert!(known.are_thin(&all, &[(0, 1), (0, 2)]).is_ok());
    assert!(reason(&all, &[]).contains("no sides"));
    assert!(reason(&all, &[(0, 0), (0, 0)]).contains("twice"));
    assert!(reason(&all[..1], &[(0, 0), (0, 1)]).contains("not above"));
    assert!(reason(&all, &[(0, 0), (1, 0)]).contains("not above"));
    assert!(reason(&all, &[(0, 0), (0, 1), (0, 2)]).contains("several ways"));
    assert!(reason(&all, &[(0, 0), (0, 2)]).contains("one direction"));
    assert!(reason(&all, &[(0, 0), (0, 3)]).contains("independent"));
    assert!(reason(&all, &[(0, 0), (0, 1), (0, 2), (0, 3)]).contains("more sides"));
    assert!(reason(&[side(0, 0, true), side(0, 1, false)], &[(0, 0), (0, 1)]).contains("one direction"));
    let elsewhere = [side(0, 0, true), Side { at: 1.0, ..side(0, 1, true) }];
    assert!(reason(&elsewhere, &[(0, 0), (0, 1)]).contains("nothing is known"));
    assert!(reason(&[all[0], all[1], side(0, 0, false)], &[(0, 0), (0, 1)]).contains("nothing is known"));
    let unknown = [side(0, 9, true), side(7, 0, true)];
    assert!(reason(&unknown, &[(0, 9)]).contains("unknown") && reason(&unknown, &[(7, 0)]).contains("unknown"));
}

/// |x|, leaky and ReLU of x, then the rows given of these three, and ReLU.
fn deep(rows: &[[f64; 3]], bias: &[f64]) -> Network {
    let mut b = NetworkBuilder::new(1).expect("inputs");
    let one = |b: &mut NetworkBuilder, name: &str, activation| {
        let h = b.affine(name, vec![(b.input(), LinearMap::Identity(1))], None).expect("shapes");
        b.activate(&format!("z{name}"), h, activation).expect("known")
    };
    let z = [Activation::Abs, Activation::LeakyRelu { slope: 2.0 }, Activation::Relu];
    let z: Vec<NodeId> = z.into_iter().enumerate().map(|(i, f)| one(&mut b, &i.to_string(), f)).collect();
    let column = |j: usize| LinearMap::Dense(Matrix::from_vec(rows.len(), 1, rows.iter().map(|row| row[j]).collect()));
    let terms = z.iter().enumerate().map(|(j, z)| (*z, column(j))).collect();
    let h = b.affine("h", terms, Some(bias.to_vec())).expect("shapes");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    b.finish(z)
}

#[test]
fn deeper_half_spaces_take_the_slopes_of_their_sides() {
    // x <= 0: |x| - 1 >= 0 there is x <= -1, and 1 + 2x >= 0 is x >= -1/2
    let network = deep(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], &[-1.0, 1.0, -1.0]);
    let known = HalfSpaces::new(&network).expect("small");
    let below: Vec<Side> = [side(0, 0, false), side(1, 0, false), side(2, 0, false)].to_vec();
    let with = |more: &[(usize, bool)]| {
        let more = more.iter().map(|(neuron, above)| side(3, *neuron, *above));
        below.iter().copied().chain(more).collect::<Vec<Side>>()
    };
    assert!(known.are_thin(&with(&[(0, true), (1, true)]), &[(3, 0), (3, 1)]).is_ok());
    assert!(known.are_thin(&with(&[(0, true), (1, false)]), &[(3, 0), (3, 1)]).is_err(), "x <= -1");
    assert!(known.are_thin(&with(&[(0, false), (1, true)]), &[(3, 0), (3, 1)]).is_err(), "-1/2 <= x");
    assert!(known.are_thin(&with(&[(2, true)]), &[(3, 2)]).is_ok(), "0 - 1 >= 0");
    // without the side that one of them reads
    let reason = known.are_thin(&with(&[(0, true), (1, true)])[1..], &[(3, 0), (3, 1)]);
    assert!(reason.expect_err("not known").contains("whose side is not known"));
}

#[test]
fn functions_that_are_not_linear_on_a_side_and_numbers_that_grow_are_refused() {
    let mut b = NetworkBuilder::new(1).expect("inputs");
    let z = b.activate("z", b.input(), Activation::Sigmoid).expect("sigmoid");
    let h = b.affine("h", vec![(z, LinearMap::Identity(1))], Some(vec![-2.0])).expect("shapes");
    let y = b.activate("y", h, Activation::Relu).expect("relu");
    let network = b.finish(y);
    let known = HalfSpaces::new(&network).expect("small");
    assert!(
        known.are_thin(&[side(0, 0, true), side(1, 0, true)], &[(1, 0)]).expect_err("curved").contains("not linear")
    );
    let mut b = NetworkBuilder::new(1).expect("inputs");
    let mut h = b.input();
    for i in 0..30 {
        let w = Matrix::from_vec(2, 1, vec![1e300, 3e-300]);
        let two = b.affine(&format!("a{i}"), vec![(h, LinearMap::Dense(w))], None).expect("shapes");
        let sum = Matrix::from_vec(1, 2, vec![1e300, 3e-300]);
        h = b.affine(&format!("b{i}"), vec![(two, LinearMap::Dense(sum))], None).expect("shapes");
    }
    let y = b.activate("y", h, Activation::Relu).expect("relu");
    let network = b.finish(y);
    let known = HalfSpaces::new(&network).expect("small");
    assert!(known.are_thin(&[side(0, 0, true)], &[(0, 0)]).expect_err("long").contains("longer"));
}

#[test]
fn no_part_around_a_point_is_thin() {
    let mut state = 7_u64;
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as i64
    };
    let activations = [Activation::Relu, Activation::Abs, Activation::LeakyRelu { slope: 1.5 }];
    let (mut thin, mut with_interior) = (0, 0);
    for round in 0..24 {
        // small whole numbers, so that kinks meet often, and every value is exact
        let mut map = |m, n| LinearMap::Dense(Matrix::from_fn(m, n, |_, _| (next() % 7 - 3) as f64));
        let (w0, w1) = (map(4, 2), map(3, 4));
        let mut bias = |n| (0..n).map(|_| (next() % 5 - 2) as f64).collect::<Vec<f64>>();
        let (b0, b1) = (bias(4), bias(3));
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let h = b.affine("h", vec![(b.input(), w0)], Some(b0)).expect("shapes");
        let z = b.activate("z", h, activations[round % 3].clone()).expect("known");
        let h = b.affine("h2", vec![(z, w1)], Some(b1)).expect("shapes");
        let y = b.activate("y", h, Activation::Relu).expect("relu");
        let network = b.finish(y);
        let known = HalfSpaces::new(&network).expect("small");
        let values = |x: &[f64]| {
            let values = network.evaluate_batch(Matrix::from_vec(2, 1, x.to_vec()));
            network.activations().map(|(_, h, _)| values.of(h).data().to_vec()).collect::<Vec<_>>()
        };
        // every set of sides of up to three neurons against a grid of points strictly inside
        let grid: Vec<Vec<Vec<f64>>> =
            (0..81).map(|p| values(&[f64::from(p % 9) * 0.8125 - 3.3125, f64::from(p / 9) * 0.75 - 2.9375])).collect();
        let neurons: Vec<(usize, usize)> = (0..4).map(|j| (0, j)).chain((0..3).map(|j| (1, j))).collect();
        for pattern in 0..128_u32 {
            let is_above = |(layer, j): (usize, usize)| pattern >> (4 * layer + j) & 1 == 1;
            let sides: Vec<Side> = neurons.iter().map(|&(layer, j)| side(layer, j, is_above((layer, j)))).collect();
            let has_point = grid.iter().any(|h| {
                neurons
                    .iter()
                    .all(|&(layer, j)| if is_above((layer, j)) { h[layer][j] > 0.0 } else { h[layer][j] < 0.0 })
            });
            with_interior += usize::from(has_point);
            for subset in 1..128_u32 {
                let named: Vec<(usize, usize)> =
                    neurons.iter().enumerate().filter(|(i, _)| subset >> i & 1 == 1).map(|(_, n)| *n).collect();
                if named.len() <= 3 && known.are_thin(&sides, &named).is_ok() {
                    thin += 1;
                    assert!(!has_point, "{pattern} {named:?}");
                }
            }
        }
    }
    assert!(thin > 1000 && with_interior > 100, "{thin} {with_interior}");
}

/// Sums of all of many inputs would take a number for every input and each of them.
#[test]
fn what_would_take_much_memory_is_refused() {
    let ends = |inputs: usize| {
        let mut b = NetworkBuilder::new(inputs).expect("inputs");
        let w = Matrix::from_fn(2, inputs, |i, _| if i == 0 { 1.0 } else { -1.0 });
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(w))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let network = b.finish(z);
        let known = HalfSpaces::new(&network).expect("small");
        known.are_thin(&[side(0, 0, true), side(0, 1, true)], &[(0, 0), (0, 1)])
    };
    assert!(ends(800).is_ok());
    assert!(ends(2000).expect_err("four million numbers").contains("more work"));
    let mut b = NetworkBuilder::new(1500).expect("inputs");
    let h = b.affine("h", vec![(b.input(), LinearMap::Dense(Matrix::zeros(1500, 1500)))], None).expect("shapes");
    let z = b.activate("z", h, Activation::Relu).expect("relu");
    assert!(HalfSpaces::new(&b.finish(z)).is_none(), "its maps are written out");
}
