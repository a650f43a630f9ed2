//! Bounds in units of the input: those of the network whose first layer is multiplied by the units; what is claimed of
//! a region in them; certificates in them, and forged ones.

#![allow(clippy::unwrap_used)]

use geolip::network::{Activation, LinearMap, NetworkBuilder};
use geolip::place::{Region, RegionNorm};
use geolip::proof::{CertificateFile, check_file};
use geolip::{InputNorm, Matrix, Network, Options, RadiusOptions, Report, Silent, Units, bound, certified_radius};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

const INPUTS: usize = 4;

/// A layer, a skip connection past it, and a second one; with the maps that read the input times these.
fn network(seed: u64, deep: bool, scale: &[f64]) -> Network {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut w = |m: usize, n: usize| Matrix::from_fn(m, n, |_, _| rng.random_range(-1.0..1.0));
    let scaled = |w: Matrix| Matrix::from_fn(w.rows(), w.cols(), |i, j| w.at(i, j) * scale[j]);
    let (first, skip, second, last) =
        (scaled(w(6, INPUTS)), scaled(w(5, INPUTS)), w(5, 6), w(2, if deep { 5 } else { 6 }));
    let bias = w(6, 1).column(0);
    let mut b = NetworkBuilder::new(INPUTS).unwrap();
    let h = b.affine("h", vec![(b.input(), LinearMap::Dense(first))], Some(bias)).unwrap();
    let mut z = b.activate("z", h, Activation::Relu).unwrap();
    if deep {
        let maps = vec![(z, LinearMap::Dense(second)), (b.input(), LinearMap::Dense(skip))];
        let h = b.affine("h2", maps, Some(vec![0.1, -0.3, 0.0, 0.2, -0.1])).unwrap();
        z = b.activate("z2", h, Activation::LeakyRelu { slope: 0.1 }).unwrap();
    }
    let y = b.affine("y", vec![(z, LinearMap::Dense(last))], None).unwrap();
    b.finish(y)
}

fn units(numbers: &[f64]) -> Option<Units> {
    Some(Units::new(numbers).unwrap())
}

fn norms() -> Vec<InputNorm> {
    ["linf", "l2", "l1", "3"].into_iter().map(|norm| norm.parse().unwrap()).collect()
}

fn asked(network: &Network, options: &Options) -> Report {
    let report = bound(network, options, &Silent).unwrap();
    let file = CertificateFile::from_json(report.certificate_file(network).to_json().as_bytes()).unwrap();
    assert_eq!(file.unit, options.unit);
    let accepted = check_file(network, &file).unwrap();
    assert!(accepted.iter().all(|certificate| certificate.units() == options.unit.as_ref()));
    report
}

/// Every number of two reports, to the tolerance of a search (or much closer).
fn agree(a: &Report, b: &Report, tol: f64, what: &str) {
    for (a, b) in a.bounds.iter().zip(&b.bounds) {
        let near = |a: f64, b: f64| (a - b).abs() <= tol * b.abs().max(1e-300);
        assert!(near(a.upper(), b.upper()), "{what}: upper {} against {}", a.upper(), b.upper());
        let worst = a.pattern_lower.max(b.pattern_lower) * (1.0 - tol);
        assert!(worst <= a.upper().min(b.upper()), "{what}: {worst} is attained");
        assert!(a.witness.lower >= 0.9 * b.witness.lower, "{what}: {} {}", a.witness.lower, b.witness.lower);
    }
}

/// Multiplication by powers of two is exact: the network in units is the network with its first layer multiplied by them.
#[test]
fn units_are_not_the_first_layer_multiplied_by_them() {
    let numbers = [4.0, 0.5, 1.0, 0.125];
    for (seed, deep) in [(1, false), (2, true), (3, true)] {
        let (plain, multiplied) = (network(seed, deep, &[1.0; INPUTS]), network(seed, deep, &numbers));
        for norm in norms() {
            for (exact, cuts, split) in [(false, false, false), (false, true, false), (true, false, false)] {
                if cuts && (deep || !matches!(norm, InputNorm::Linf | InputNorm::L2))
                    || exact && norm.to_string() == "3"
                {
                    continue;
                }
                let split = split.then_some(Duration::from_secs(60));
                let options = Options { norm, exact, cuts, split, tol: 1e-7, ..Options::default() };
                let in_units = asked(&plain, &Options { unit: units(&numbers), ..options.clone() });
                let what = format!("seed {seed} {norm} exact {exact} cuts {cuts}");
                agree(&in_units, &asked(&multiplied, &options), 3e-7, &what);
            }
        }
    }
}

/// On a region: the same box, ball or point in the other network's own coordinates, x = D t.
#[test]
fn regions_in_units_are_not_those_of_the_multiplied_network() {
    let numbers = [4.0, 0.5, 1.0, 0.125];
    let centre = [0.5, -0.25, 1.0, 0.125];
    let own: Vec<f64> = centre.iter().zip(numbers).map(|(c, d)| c / d).collect();
    for (seed, deep) in [(4, false), (5, true)] {
        let (plain, multiplied) = (network(seed, deep, &[1.0; INPUTS]), network(seed, deep, &numbers));
        for (shape, radius) in
            [(RegionNorm::Linf, 0.25), (RegionNorm::L2, 0.5), (RegionNorm::L2, 0.0), (RegionNorm::Linf, 4.0)]
        {
            for (norm, split) in norms().into_iter().flat_map(|norm| [(norm, false), (norm, true)]) {
                let unit = units(&numbers);
                let there = Region::around_in(unit.as_ref(), &centre, (radius, shape), None).unwrap();
                let here = Region::around(&own, radius, shape, None).unwrap();
                let split = (split && shape == RegionNorm::Linf).then_some(Duration::from_secs(60));
                let options = Options { norm, split, tol: 1e-5, effort: 0.1, ..Options::default() };
                let in_units = asked(&plain, &Options { unit, region: Some(there), ..options.clone() });
                let other = asked(&multiplied, &Options { region: Some(here), ..options });
                agree(&in_units, &other, 3e-5, &format!("seed {seed} {norm} {shape} {radius} {}", split.is_some()));
            }
        }
    }
}

/// A unit of 0 holds an input fixed, wherever it is: everywhere that is the network in which nothing reads it.
#[test]
fn inputs_without_a_unit_are_not_fixed() {
    for (seed, deep) in [(6, false), (7, true)] {
        for numbers in [[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]] {
            let (plain, without) = (network(seed, deep, &[1.0; INPUTS]), network(seed, deep, &numbers));
            for (norm, exact) in norms().into_iter().flat_map(|norm| [(norm, false), (norm, true)]) {
                let options = Options { norm, exact, tol: 1e-7, ..Options::default() };
                let held = asked(&plain, &Options { unit: units(&numbers), ..options.clone() });
                agree(
                    &held,
                    &asked(&without, &options),
                    3e-7,
                    &format!("seed {seed} {norm} {numbers:?} exact {exact}"),
                );
            }
        }
    }
}

/// Pairs of inputs of a box whose entries without a unit agree, and their distance in units.
fn pairs(rng: &mut ChaCha8Rng, ends: (&[f64], &[f64]), numbers: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut point = || -> Vec<f64> {
        ends.0.iter().zip(ends.1).map(|(l, u)| if l < u { rng.random_range(*l..*u) } else { *l }).collect()
    };
    let (x, mut other) = (point(), point());
    let near = 10_f64.powf(rng.random_range(-3.0..0.0));
    for i in 0..x.len() {
        other[i] = if numbers[i] == 0.0 { x[i] } else { x[i] + near * (other[i] - x[i]) };
    }
    (x, other)
}

fn distance(norm: InputNorm, x: &[f64], y: &[f64], numbers: &[f64]) -> f64 {
    let parts = x.iter().zip(y).zip(numbers).filter(|(_, d)| **d > 0.0).map(|((x, y), d)| ((x - y) / d).abs());
    match norm.to_string().as_str() {
        "linf" => parts.fold(0.0, f64::max),
        "l2" => parts.map(|d| d * d).sum::<f64>().sqrt(),
        "l1" => parts.sum(),
        p => {
            let p: f64 = p.parse().unwrap();
            parts.map(|d| d.powf(p)).sum::<f64>().powf(1.0 / p)
        }
    }
}

#[test]
fn a_sampled_pair_moves_outputs_by_more_than_the_bound() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for seed in 20..32 {
        let network = network(seed, seed % 2 == 0, &[1.0; INPUTS]);
        let numbers: Vec<f64> = (0..INPUTS)
            .map(|_| if rng.random_bool(0.3) { 0.0 } else { 10_f64.powf(rng.random_range(-2.0..2.0)) })
            .collect();
        let Ok(unit) = Units::new(&numbers) else { continue };
        let lower: Vec<f64> = (0..INPUTS).map(|_| rng.random_range(-2.0..0.5)).collect();
        let upper: Vec<f64> = lower.iter().map(|l| l + rng.random_range(0.0..2.0)).collect();
        for norm in norms() {
            for local in [false, true] {
                let region = local.then(|| Region::new_box(lower.clone(), upper.clone()).unwrap());
                let ends = if local { (&lower[..], &upper[..]) } else { (&[-3.0; INPUTS][..], &[3.0; INPUTS][..]) };
                let options = Options { norm, unit: Some(unit.clone()), region, effort: 0.2, ..Options::default() };
                let report = asked(&network, &options);
                for _ in 0..2000 {
                    let (x, other) = pairs(&mut rng, ends, &numbers);
                    let moved = distance(norm, &x, &other, &numbers);
                    let (y, z) = (network.evaluate(&x), network.evaluate(&other));
                    for (i, bound) in report.bounds.iter().enumerate() {
                        let (change, rounding) = ((y[i] - z[i]).abs(), 1e-13);
                        assert!(change <= bound.upper() * moved + rounding, "seed {seed} {norm} output {i}: {change}");
                    }
                }
                // what is attained is attained by a pair: a step along the best direction at the witness
                for (i, bound) in report.bounds.iter().enumerate() {
                    let x = &bound.witness.input;
                    let gradient = |j: usize| {
                        let step = 1e-6;
                        let at = |t: f64| {
                            network.evaluate(
                                &x.iter().enumerate().map(|(k, v)| if k == j { v + t } else { *v }).collect::<Vec<_>>(),
                            )[i]
                        };
                        numbers[j] * (at(step) - at(-step)) / (2.0 * step)
                    };
                    let size = norm.dual((0..INPUTS).map(gradient).collect::<Vec<_>>().into_iter());
                    assert!(
                        size >= bound.witness.lower * (1.0 - 1e-4),
                        "{size} at the witness of {}",
                        bound.witness.lower
                    );
                }
            }
        }
    }
}

/// Trees of cut boxes, with sides and twins, where an input that is held fixed is cut all the same.
#[test]
fn a_search_in_parts_stays_above_what_is_attained() {
    for (seed, numbers) in [(41, [1.0, 0.0, 3.0, 0.1]), (42, [0.0, 2.0, 0.0, 1.0])] {
        for (deep, norm) in [(false, InputNorm::Linf), (true, InputNorm::L2), (true, InputNorm::L1)] {
            let network = network(seed, deep, &[1.0; INPUTS]);
            let region = Some(Region::new_box(vec![-1.0; INPUTS], vec![1.0; INPUTS]).unwrap());
            let split = Some(Duration::from_secs(20));
            let options = Options { norm, unit: units(&numbers), region, split, tol: 1e-4, ..Options::default() };
            let report = asked(&network, &options);
            for bound in &report.bounds {
                let gap = bound.upper() / bound.witness.lower - 1.0;
                assert!(gap < 2e-4, "seed {seed} {norm}: {} against {}", bound.upper(), bound.witness.lower);
            }
        }
    }
}

#[test]
fn certificates_with_other_units_are_accepted() {
    let network = network(9, true, &[1.0; INPUTS]);
    // each of them less than 1, and than what it is changed into
    let numbers = vec![0.5, 0.0, 0.25, 0.125];
    let region = Region::around_in(units(&numbers).as_ref(), &[0.1; INPUTS], (0.7, RegionNorm::L2), None).unwrap();
    for (norm, region) in norms().into_iter().flat_map(|norm| [(norm, None), (norm, Some(region.clone()))]) {
        for exact in [false, true] {
            let options = Options { norm, exact, unit: units(&numbers), region: region.clone(), ..Options::default() };
            let file = asked(&network, &options).certificate_file(&network);
            let text = file.to_json();
            let changed = |unit: Vec<f64>| CertificateFile { unit: Some(Units::new(&unit).unwrap()), ..file.clone() };
            let forged = [
                CertificateFile { unit: None, ..file.clone() },
                changed(vec![0.5, 0.0, 0.25]),
                changed(vec![0.5, 0.0, 0.25, 0.125, 1.0]),
                changed(vec![0.51, 0.0, 0.25, 0.125]),
                changed(vec![0.5, 0.1, 0.25, 0.125]),
                changed(vec![0.5, 1e-3, 0.26, 0.125]),
            ];
            for (case, forged) in forged.iter().enumerate() {
                // (in l1 and on a region an input may not count)
                let may_hold = norm == InputNorm::L1 && case > 2;
                assert!(may_hold || check_file(&network, forged).is_err(), "{norm} {case}");
            }
            for unit in
                ["[0.5,0.0,0.25,-0.125]", "[0.0,0.0,0.0,0.0]", "[]", "[1e999,0.0,0.25,0.125]", "\"2\"", "[null,0,1,1]"]
            {
                let spoilt =
                    text.replace("\"unit\":[0.5,0.0,0.25,0.125],\"region\"", &format!("\"unit\":{unit},\"region\""));
                assert_ne!(spoilt, text);
                assert!(CertificateFile::from_json(spoilt.as_bytes()).is_err(), "{unit}");
            }
        }
    }
}

/// An ellipsoid in a certificate is another region than the ball of the same radius.
#[test]
fn certificates_on_a_larger_ellipsoid_are_accepted() {
    let network = network(10, true, &[1.0; INPUTS]);
    let unit = units(&[0.5, 0.25, 1.0, 0.0]);
    let region = Region::around_in(unit.as_ref(), &[0.1, 0.2, -0.3, 0.4], (0.5, RegionNorm::L2), None).unwrap();
    let file = asked(&network, &Options { region: Some(region), ..Options::default() }).certificate_file(&network);
    let text = file.to_json();
    for unit in ["[0.5,0.25]", "[0.5,-0.25,1.0,0.0]", "[0.0,0.0,0.0,0.0]"] {
        let spoilt = text.replace("[0.5,0.25,1.0,0.0]", unit);
        assert_ne!(spoilt, text);
        let file = CertificateFile::from_json(spoilt.as_bytes());
        assert!(file.is_err() || file.is_ok_and(|file| check_file(&network, &file).is_err()), "{unit}");
    }
}

#[test]
fn units_that_make_no_sense_are_taken() {
    let network = network(1, false, &[1.0; INPUTS]);
    for numbers in [vec![1.0; 3], vec![1.0; 5]] {
        let unit = units(&numbers);
        let error = bound(&network, &Options { unit: unit.clone(), ..Options::default() }, &Silent).unwrap_err();
        let radius = certified_radius(&network, &[0.1; INPUTS], &RadiusOptions { unit, ..RadiusOptions::default() });
        for error in [error.to_string(), radius.unwrap_err().to_string()] {
            assert!(error.contains("give one unit per input") && !error.contains('\n'), "{error}");
        }
    }
}

/// Samples of the ball in units, and steps down the margin's gradient, change nothing within the radius.
#[test]
fn within_a_radius_in_units_an_attack_succeeds() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for seed in 50..62 {
        let network = network(seed, seed % 2 == 0, &[1.0; INPUTS]);
        let x: Vec<f64> = (0..INPUTS).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut numbers: Vec<f64> = (0..INPUTS).map(|_| 10_f64.powf(rng.random_range(-1.0..1.0))).collect();
        numbers[seed as usize % INPUTS] = 0.0;
        for norm in [RegionNorm::Linf, RegionNorm::L2] {
            let options = RadiusOptions { norm, unit: units(&numbers), ..RadiusOptions::default() };
            let found = certified_radius(&network, &x, &options).unwrap();
            assert!(found.margin <= 0.0 || found.radius > 0.0);
            for _ in 0..3000 {
                let mut t: Vec<f64> = (0..INPUTS).map(|_| rng.random_range(-1.0..1.0)).collect();
                if rng.random_bool(0.5) {
                    t.iter_mut().for_each(|t| *t = t.signum());
                }
                let length = t.iter().map(|t| t * t).sum::<f64>().sqrt();
                let reach = found.radius.min(1e3) / if norm == RegionNorm::L2 { length } else { 1.0 };
                let moved: Vec<f64> = (0..INPUTS).map(|i| x[i] + reach * numbers[i] * t[i]).collect();
                let y = network.evaluate(&moved);
                assert!(y[found.label] - y[1 - found.label] >= -1e-12, "seed {seed} {norm}: {y:?}");
            }
        }
    }
}

#[test]
fn a_radius_in_units_is_not_that_of_the_multiplied_network() {
    let numbers = [4.0, 0.5, 0.0, 0.125];
    let x = [0.5, -0.25, 1.0, 0.125];
    for seed in [70, 71, 72, 73] {
        let plain = network(seed, true, &[1.0; INPUTS]);
        let other = {
            // the input that is held fixed becomes a bias by a box of no width: its unit is tiny instead
            let tiny = [4.0, 0.5, 1e-12, 0.125];
            RadiusOptions { unit: units(&tiny), ..RadiusOptions::default() }
        };
        let held = certified_radius(&plain, &x, &RadiusOptions { unit: units(&numbers), ..RadiusOptions::default() });
        let (held, tiny) = (held.unwrap(), certified_radius(&plain, &x, &other).unwrap());
        assert!((held.radius - tiny.radius).abs() <= 2e-2 * held.radius, "{} {}", held.radius, tiny.radius);
        let whole = certified_radius(
            &plain,
            &x,
            &RadiusOptions { unit: units(&[4.0, 0.5, 1.0, 0.125]), ..RadiusOptions::default() },
        );
        let multiplied = network(seed, true, &[4.0, 0.5, 1.0, 0.125]);
        let own: Vec<f64> = x.iter().zip([4.0, 0.5, 1.0, 0.125]).map(|(x, d)| x / d).collect();
        let direct = certified_radius(&multiplied, &own, &RadiusOptions::default()).unwrap();
        assert!((whole.unwrap().radius / direct.radius - 1.0).abs() < 1e-9);
    }
}
