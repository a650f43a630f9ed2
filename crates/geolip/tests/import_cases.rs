//! Files as people save them, each with the value that is right for it (`../shared/cases`), bounded.

#![allow(clippy::unwrap_used)]

mod support;

use geolip::import::{Format, ImportError, ImportOptions, Imported, Reference, SelfCheck, load};
use geolip::{InputNorm, Network, Options, Outputs, Silent, bound};
use std::path::PathBuf;
use support::files::shared;

const NORMS: [InputNorm; 3] = [InputNorm::Linf, InputNorm::L2, InputNorm::L1];

fn cases() -> Option<PathBuf> {
    shared().map(|folder| folder.join("cases"))
}

fn import(name: &str) -> Option<Result<Imported, ImportError>> {
    cases().map(|folder| load(&folder.join(name), &ImportOptions::default()))
}

/// A file that is read, and compared with another implementation where it is an ONNX file.
fn read(name: &str) -> Option<Network> {
    let imported = import(name)?.unwrap_or_else(|error| panic!("{error}"));
    let is_list = !matches!(imported.format, Format::Onnx { .. });
    assert!(is_list || matches!(imported.self_check, SelfCheck::Agrees { .. }), "{name}: {:?}", imported.self_check);
    Some(imported.network)
}

/// The largest upper bound of a network's outputs, or that of one.
fn upper(network: &Network, norm: InputNorm, outputs: Outputs) -> f64 {
    let options = Options { norm, outputs, effort: 0.1, ..Options::default() };
    bound(network, &options, &Silent).unwrap_or_else(|error| panic!("{error}")).upper()
}

/// That the largest bound of a file's outputs is a value, in a norm.
fn is(name: &str, norm: InputNorm, outputs: Outputs, right: f64) {
    let Some(network) = read(name) else { return };
    let found = upper(&network, norm, outputs);
    assert!((right..=right * (1.0 + 1e-5) + 1e-30).contains(&found), "{name} in {norm:?}: {found}, not {right}");
}

#[test]
fn what_the_input_cannot_change_has_the_bound_zero() {
    for norm in NORMS {
        is("sub_same.onnx", norm, Outputs::Each, 0.0);
        is("zero_first.onnx", norm, Outputs::Each, 0.0);
        is("zero_row.onnx", norm, Outputs::One(1), 0.0);
        let Some(dueling) = read("dueling.onnx") else { return };
        for outputs in [Outputs::Each, Outputs::Margin(0, 1), Outputs::Pairs] {
            assert!(upper(&dueling, norm, outputs) < 1e-12, "up to rounding");
        }
        let Some(zero_row) = read("zero_row.onnx") else { return };
        assert!(upper(&zero_row, norm, Outputs::One(0)) > 1.0, "the other row counts");
    }
}

#[test]
fn constants_and_indices_that_are_known_leave_a_network_linear() {
    for norm in NORMS {
        is("where_const_mask.onnx", norm, Outputs::Each, 1.0);
        is("scatternd_const.onnx", norm, Outputs::Each, 1.0);
        is("gemm_const_const.onnx", norm, Outputs::Each, 1.0);
    }
    // its columns overlap, by strides of 2 where the kernel has 3
    for (norm, right) in NORMS.into_iter().zip([2.0, 2_f64.sqrt(), 1.0]) {
        is("convtranspose_output_shape.onnx", norm, Outputs::Each, right);
    }
    is("if_static_squeeze.onnx", InputNorm::Linf, Outputs::Each, 1.0);
    is("einsum_linear.onnx", InputNorm::Linf, Outputs::One(0), 4.0);
    is("dq_const_weight.onnx", InputNorm::Linf, Outputs::One(0), f64::from(0.1_f32) * 4.0);
}

#[test]
fn a_stack_of_matrices_times_a_vector_is_what_numpy_gives() {
    let Some(network) = read("matmul_vector_right.onnx") else { return };
    // the first rows of the two matrices in the file
    let rows = [[0.34558418_f64, 0.82161814, 0.33043706], [-0.73645407, -0.16290995, -0.48211932]];
    let y = network.evaluate(&[1.0, -2.0, 0.5]);
    assert_eq!(y.len(), 8);
    for (row, y) in rows.iter().zip([y[0], y[4]]) {
        assert!((y - (row[0] - 2.0 * row[1] + 0.5 * row[2])).abs() < 1e-6, "{y}");
        let sum: f64 = row.iter().map(|v| v.abs()).sum();
        assert!(upper(&network, InputNorm::Linf, Outputs::Each) >= sum);
    }
}

#[test]
fn a_constant_output_names_the_others() {
    let Some(outcome) = import("first_output_const.onnx") else { return };
    let error = outcome.expect_err("a constant").to_string();
    let expected = "output 'version': does not depend on the input; a constant has nothing to bound; \
                    choose another output with --output-name: 'action'";
    assert!(error.ends_with(expected), "{error}");
    let options = ImportOptions { output: Some("action".to_owned()), ..ImportOptions::default() };
    let other = load(&cases().unwrap().join("first_output_const.onnx"), &options).unwrap().network;
    for norm in NORMS {
        assert!((1.0..1.0 + 1e-5).contains(&upper(&other, norm, Outputs::Each)));
    }
}

#[test]
fn cubic_interpolation_raises_no_false_alarm() {
    is("cubic_1.5_4.onnx", InputNorm::Linf, Outputs::Each, 1.460_069);
    is("cubic_1.5_4.onnx", InputNorm::L2, Outputs::Each, 1.188_681_5);
    read("cubic_2.0_4.onnx");
}

#[test]
fn what_optimisers_and_converters_write_is_read() {
    let interpreted = |name: &str| {
        let Some(outcome) = import(name) else { return };
        let SelfCheck::Agrees { with, .. } = outcome.unwrap().self_check else { panic!("{name}: no comparison") };
        assert!(matches!(with, Reference::Interpreter { .. }), "{name}: {with:?}");
    };
    interpreted("fusedgemm.onnx");
    let Some(network) = read("fusedgemm.onnx") else { return };
    // relu(h₁) + 2·relu(h₂) is steepest where h₁ < 0 < h₂: 2·(0.5 + 1 + 3)
    assert!((9.0..9.0 * (1.0 + 1e-5)).contains(&upper(&network, InputNorm::Linf, Outputs::Each)));
    is("ml_scaler.onnx", InputNorm::Linf, Outputs::One(0), 5.5);
}

#[test]
fn files_are_read_compressed_and_pointers_are_called_pointers() {
    read("zipped.onnx.gz");
    let Some(outcome) = import("lfs_pointer.onnx") else { return };
    let error = outcome.expect_err("a pointer").to_string();
    assert!(error.contains("a pointer of Git LFS, not the file itself; fetch the file with 'git lfs pull'"), "{error}");
}

#[test]
fn biases_may_be_columns() {
    let Some(network) = read("numpy_from_scratch.npz") else { return };
    assert_eq!((network.inputs(), network.outputs(), network.neurons()), (3, 2, 4));
}
