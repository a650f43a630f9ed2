//! The kernels inside a bound: one sweep, one elimination, one matrix–vector product as the unit.

use criterion::{Criterion, criterion_group, criterion_main};
use geolip::dual::{Recovery, Repair};
use geolip::form::QuadraticForm;
use geolip::import::{ImportOptions, load};
use geolip::matrix::{Matrix, Store, multiply};
use geolip::relaxation::{Ascent, Point, VectorNetwork};
use geolip::{Functional, InputNorm};
use std::hint::black_box;
use std::path::Path;

fn kernels(c: &mut Criterion) {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    for name in ["digits-784-256-10", "digits-784-7x64-10"] {
        let imported = load(&models.join(format!("{name}.onnx")), &ImportOptions::default()).expect("a shipped model");
        let network = geolip::slopes::SlopeNetwork::everywhere(&imported.network).expect("bounded slopes");
        let vector_network = VectorNetwork::new(&network, InputNorm::Linf);
        let functionals: Vec<Functional> = (0..5).map(Functional::output).collect();
        let starts: Vec<Point> = (0..5).map(|p| Point::random(&vector_network, 8, 0, p)).collect();
        let start = Point::concat(&starts.iter().collect::<Vec<_>>());
        let mut ascent = Ascent::new(&vector_network, functionals.clone(), start);
        c.bench_function(&format!("{name}: one sweep of five outputs, k = 8"), |b| b.iter(|| ascent.step()));

        let form = QuadraticForm::within(&network, f64::INFINITY).expect("no limit");
        let recovery = Recovery::new(&vector_network, &functionals);
        (0..200).for_each(|_| ascent.step());
        let (_, sweep) = ascent.settle(0);
        let value = sweep.value[0];
        let repair = Repair::new(
            &form,
            InputNorm::Linf,
            functionals[0].clone(),
            recovery.multipliers(0, &functionals[0], &sweep),
        );
        c.bench_function(&format!("{name}: repair of one output"), |b| {
            b.iter(|| repair.within(1e-6, value).expect("a converged problem is repaired"));
        });
    }
    let w = Matrix::from_fn(256, 784, |i, j| ((i * 7 + j) as f64).sin());
    let x = Matrix::from_fn(784, 1, |i, _| (i as f64).cos());
    let mut y = Matrix::zeros(256, 1);
    c.bench_function("unit: 784 x 256 matrix-vector product", |b| {
        b.iter(|| multiply(&mut y, Store::Replace, 1.0, black_box(w.view()), black_box(x.view())));
    });
}

criterion_group!(benches, kernels);
criterion_main!(benches);
