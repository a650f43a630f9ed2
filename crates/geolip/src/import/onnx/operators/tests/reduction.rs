//! ReduceSum, ReduceMean, ReduceMax and ReduceMin.

use super::{of_shape, output_shape, ramp, value};
use crate::import::onnx::proto::{AttributeProto, ModelProto};
use crate::import::onnx::testing::{attribute_int, attribute_ints, import, integers, node, refusal, with};
use std::collections::BTreeMap;

/// A reduction of 1 to 24 as a tensor of shape [2, 3, 4] over the axes of an attribute.
fn reduced(operator: &str, axes: &[i64], attributes: Vec<AttributeProto>) -> ModelProto {
    let attributes = [vec![attribute_ints("axes", axes)], attributes].concat();
    of_shape(11, &[2, 3, 4], with(node(operator, &["t"], "y"), attributes), vec![])
}

#[test]
fn sums_run_over_any_axes() {
    for (axes, expected) in [
        (&[0][..], ramp(12).iter().map(|i| i + (i + 12.0)).collect()),
        (&[1], vec![15.0, 18.0, 21.0, 24.0, 51.0, 54.0, 57.0, 60.0]),
        (&[-1], vec![10.0, 26.0, 42.0, 58.0, 74.0, 90.0]),
        (&[1, 2], vec![78.0, 222.0]),
        (&[-1, 0], vec![68.0, 100.0, 132.0]),
        (&[1, 0], vec![66.0, 72.0, 78.0, 84.0]),
        (&[0, 1, 2], vec![300.0]),
    ] {
        let sum: Vec<f64> = expected;
        assert_eq!(value(&reduced("ReduceSum", axes, vec![]), &ramp(24)), sum, "{axes:?}");
        let count = 24.0 / sum.len() as f64;
        let mean = value(&reduced("ReduceMean", axes, vec![]), &ramp(24));
        assert!(mean.iter().zip(&sum).all(|(mean, sum)| (mean - sum / count).abs() < 1e-12), "{axes:?}");
    }
}

#[test]
fn extremes_run_over_any_axes() {
    let x: Vec<f64> = ramp(24).iter().map(|i| (7.0 * i) % 25.0).collect();
    for axes in [&[0_i64][..], &[1], &[2], &[0, 2], &[1, -1], &[0, 1, 2]] {
        let given = |axis: usize| axes.iter().any(|a| a.rem_euclid(3) as usize == axis);
        // the entries of one result have the same index along the axes that are not given
        let mut results: BTreeMap<[usize; 3], Vec<f64>> = BTreeMap::new();
        for (at, &x) in x.iter().enumerate() {
            let index = [at / 12, at / 4 % 3, at % 4];
            results.entry([0, 1, 2].map(|axis| if given(axis) { 0 } else { index[axis] })).or_default().push(x);
        }
        let folded = |of: fn(f64, f64) -> f64| -> Vec<f64> {
            results.values().map(|group| group.iter().copied().reduce(of).expect("no group is empty")).collect()
        };
        assert_eq!(value(&reduced("ReduceMax", axes, vec![]), &x), folded(f64::max), "{axes:?}");
        assert_eq!(value(&reduced("ReduceMin", axes, vec![]), &x), folded(f64::min), "{axes:?}");
    }
}

#[test]
fn axes_are_kept_or_dropped() {
    let kept = |keep| output_shape(&reduced("ReduceMean", &[1], vec![attribute_int("keepdims", keep)]));
    assert_eq!(kept(1), [2, 1, 4]);
    assert_eq!(kept(0), [2, 4]);
    assert_eq!(output_shape(&reduced("ReduceMax", &[0, 2], vec![])), [1, 3, 1]);
    assert_eq!(output_shape(&reduced("ReduceMin", &[0, 2], vec![attribute_int("keepdims", 0)])), [3]);
}

#[test]
fn axes_become_an_input() {
    let input = |operator, opset, list: &[i64], attributes| {
        let stored = vec![integers("axes", list)];
        of_shape(opset, &[2, 2], with(node(operator, &["t", "axes"], "y"), attributes), stored)
    };
    assert_eq!(value(&input("ReduceSum", 13, &[0], vec![]), &ramp(4)), [4.0, 6.0]);
    assert_eq!(value(&input("ReduceMean", 18, &[1], vec![]), &ramp(4)), [1.5, 3.5]);
    assert_eq!(value(&input("ReduceMax", 18, &[-2], vec![]), &ramp(4)), [3.0, 4.0]);
    assert_eq!(value(&input("ReduceMin", 18, &[1], vec![]), &ramp(4)), [1.0, 3.0]);
    assert!(refusal(&input("ReduceMean", 17, &[1], vec![])).contains("has its input 'axes', which is not understood"));
    let attribute = vec![attribute_ints("axes", &[0])];
    let attribute = of_shape(18, &[2, 2], with(node("ReduceMean", &["t"], "y"), attribute), vec![]);
    assert!(refusal(&attribute).contains("'axes', which is not understood in this operator set"));
}

#[test]
fn without_axes_all_are_meant_or_none() {
    let bare =
        |operator, opset, attributes| of_shape(opset, &[2, 2], with(node(operator, &["t"], "y"), attributes), vec![]);
    for opset in [7, 13, 18] {
        assert_eq!(value(&bare("ReduceSum", opset, vec![]), &ramp(4)), [10.0]);
        assert_eq!(value(&bare("ReduceMean", opset, vec![]), &ramp(4)), [2.5]);
    }
    let still = |on| vec![attribute_int("noop_with_empty_axes", on)];
    assert_eq!(import(&bare("ReduceSum", 13, still(0))).expect("understood").network.outputs(), 1);
    let idle = import(&bare("ReduceSum", 13, still(1))).expect("understood");
    assert_eq!(idle.network.evaluate(&ramp(4)), ramp(4));
    assert!(refusal(&bare("ReduceMax", 13, still(0))).contains("'noop_with_empty_axes', which is not understood"));
    // over no axes, what surrounds a sum is done all the same
    let alone = |operator: &'static str, x: &[f64]| value(&bare(operator, 18, still(1)), x);
    for operator in ["ReduceMean", "ReduceMax", "ReduceMin"] {
        assert_eq!(alone(operator, &[1.0, -2.0, 3.0, 0.5]), [1.0, -2.0, 3.0, 0.5], "{operator}");
    }
    assert_eq!(alone("ReduceLogSumExp", &[1.0, -2.0, 3.0, 0.5]), [1.0, -2.0, 3.0, 0.5]);
    for operator in ["ReduceL1", "ReduceL2"] {
        assert_eq!(alone(operator, &[1.0, -2.0, 3.0, 0.5]), [1.0, 2.0, 3.0, 0.5], "{operator}");
    }
    assert_eq!(alone("ReduceSumSquare", &[1.0, -2.0, 3.0, 0.5]), [1.0, 4.0, 9.0, 0.25]);
    let far = refusal(&reduced("ReduceSum", &[3], vec![]));
    assert!(far.ends_with("names the axis '3', which does not exist"), "{far}");
    let twice = refusal(&reduced("ReduceSum", &[0, -3], vec![]));
    assert!(twice.ends_with("names an axis twice in [0, -3]"), "{twice}");
}
