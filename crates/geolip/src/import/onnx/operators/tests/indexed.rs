//! Where, scatters, gathers and triangles of a tensor that depends on the input, and of constants.

use super::{of_shape, ramp, refusal_of, value};
use crate::import::onnx::proto::{ModelProto, NodeProto, TensorProto};
use crate::import::onnx::testing::{attribute_int, attribute_text, floats, integers, model, node, refusal, with};

/// y of one operator on the input under a shape, beside integer tensors of given shapes.
fn of(opset: i64, dims: &[i64], operator: NodeProto, stored: Vec<TensorProto>) -> Vec<f64> {
    value(&of_shape(opset, dims, operator, stored), &ramp(dims.iter().product::<i64>() as usize))
}

fn shaped(tensor: TensorProto, dims: &[i64]) -> TensorProto {
    TensorProto { dims: dims.to_vec(), ..tensor }
}

fn truth(name: &str, dims: &[i64], bits: &[i32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 9,
        int32_data: bits.to_vec(),
        ..Default::default()
    }
}

#[test]
fn where_picks_entries_by_a_constant() {
    let pick = |inputs: &[&str], stored: Vec<TensorProto>| {
        of(
            16,
            &[2, 3],
            node("Where", &[&["m"], inputs].concat(), "y"),
            [vec![truth("m", &[3], &[1, 0, 1])], stored].concat(),
        )
    };
    assert_eq!(pick(&["t", "c"], vec![floats("c", &[], &[9.0])]), [1.0, 9.0, 3.0, 4.0, 9.0, 6.0]);
    assert_eq!(pick(&["c", "t"], vec![floats("c", &[2, 1], &[8.0, 9.0])]), [8.0, 2.0, 8.0, 9.0, 5.0, 9.0]);
    assert_eq!(pick(&["t", "t"], vec![]), ramp(6));
    // what is picked nowhere need not be a number
    assert_eq!(pick(&["t", "c"], vec![floats("c", &[3], &[f32::NAN, 5.0, f32::NAN])]), [1.0, 5.0, 3.0, 4.0, 5.0, 6.0]);
    let infinite = of_shape(
        16,
        &[2, 3],
        node("Where", &["m", "t", "c"], "y"),
        vec![truth("m", &[3], &[1, 0, 1]), floats("c", &[], &[f32::NEG_INFINITY])],
    );
    assert!(refusal(&infinite).contains("'c' holds -inf"), "{}", refusal(&infinite));
}

#[test]
fn where_by_the_input_is_refused_with_the_way_around_it() {
    let nodes = vec![node("Relu", &["x"], "r"), node("Cast", &["r"], "b"), node("Where", &["r", "x", "r"], "y")];
    let reason = refusal(&model(16, &[1, 3], nodes.into_iter().filter(|n| n.op_type != "Cast").collect(), vec![]));
    assert!(reason.contains("may jump where the choice changes; bound the tensor before it: --until 'r'"), "{reason}");
}

#[test]
fn slices_are_scattered() {
    let scatter = |extra: &[(&str, i64)], stored: Vec<TensorProto>| -> ModelProto {
        let mut operator = node("ScatterND", &["t", "i", "u"], "y");
        operator.attribute = extra.iter().map(|(text, _)| attribute_text("reduction", text)).collect();
        of_shape(16, &[3, 2], operator, stored)
    };
    let rows = |numbers: &[i64]| shaped(integers("i", numbers), &[numbers.len() as i64, 1]);
    let two = || floats("u", &[2, 2], &[7.0, 8.0, 9.0, 10.0]);
    let six = ramp(6);
    assert_eq!(value(&scatter(&[], vec![rows(&[2, -3]), two()]), &six), [9.0, 10.0, 3.0, 4.0, 7.0, 8.0]);
    let added = scatter(&[("add", 0)], vec![rows(&[1, 1]), two()]);
    assert_eq!(value(&added, &six), [1.0, 2.0, 3.0 + 16.0, 4.0 + 18.0, 5.0, 6.0]);
    assert!(refusal(&scatter(&[], vec![rows(&[1, 1]), two()])).contains("two entries at one place"));
    assert!(refusal(&scatter(&[("mul", 0)], vec![rows(&[1, 2]), two()])).contains("'none' and 'add'"));
    assert!(refusal(&scatter(&[], vec![rows(&[1, 3]), two()])).contains("names index 3"));
    // what is put depends on the input, and what is there does not; or both do
    let nodes = |operator: NodeProto| vec![node("Neg", &["x"], "n"), operator];
    let i = || shaped(integers("i", &[1, 2, 0, 1]), &[2, 2]);
    let into = model(
        16,
        &[2],
        nodes(node("ScatterND", &["c", "i", "n"], "y")),
        vec![floats("c", &[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), i()],
    );
    assert_eq!(value(&into, &[6.0, 7.0]), [0.0, -7.0, 2.0, 3.0, 4.0, -6.0]);
    let both = with(node("ScatterND", &["x", "i", "n"], "y"), vec![attribute_text("reduction", "add")]);
    let twice = model(16, &[2], nodes(both), vec![shaped(integers("i", &[1, 1]), &[2, 1])]);
    assert_eq!(value(&twice, &[6.0, 7.0]), [6.0, 7.0 - 13.0]);
}

#[test]
fn entries_are_scattered_along_an_axis() {
    let put = |axis: i64, indices: &[i64], dims: &[i64]| {
        let count = indices.len();
        let updates: Vec<f32> = (0..count).map(|i| 10.0 + i as f32).collect();
        let operator = with(node("ScatterElements", &["t", "i", "u"], "y"), vec![attribute_int("axis", axis)]);
        of(11, &[2, 3], operator, vec![shaped(integers("i", indices), dims), floats("u", dims, &updates)])
    };
    assert_eq!(put(1, &[1, 0, 2, -2], &[2, 2]), [11.0, 10.0, 3.0, 4.0, 13.0, 12.0]);
    assert_eq!(put(0, &[1, 0], &[1, 2]), [1.0, 11.0, 3.0, 10.0, 5.0, 6.0]);
    refusal_of(
        of_shape(
            11,
            &[2, 3],
            node("ScatterElements", &["t", "i", "u"], "y"),
            vec![shaped(integers("i", &[0, 0]), &[2, 1]), floats("u", &[2, 1], &[0.0; 2])],
        ),
        "two entries at one place",
    );
}

#[test]
fn entries_are_gathered_by_tuples_and_along_an_axis() {
    let tuples = |batch: i64, numbers: &[i64], dims: &[i64]| {
        let operator = with(node("GatherND", &["t", "i"], "y"), vec![attribute_int("batch_dims", batch)]);
        of(12, &[2, 2, 3], operator, vec![shaped(integers("i", numbers), dims)])
    };
    assert_eq!(tuples(0, &[1, 0, 2, 0, -1, 1], &[2, 3]), [9.0, 5.0]);
    assert_eq!(tuples(0, &[1, 1], &[1, 2]), [10.0, 11.0, 12.0]);
    assert_eq!(tuples(1, &[1, 0], &[2, 1]), [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    assert_eq!(tuples(2, &[0, 1, 2, -1], &[2, 2, 1]), [1.0, 5.0, 9.0, 12.0]);
    let elements = |axis: i64, numbers: &[i64], dims: &[i64]| {
        let operator = with(node("GatherElements", &["t", "i"], "y"), vec![attribute_int("axis", axis)]);
        of(13, &[2, 3], operator, vec![shaped(integers("i", numbers), dims)])
    };
    assert_eq!(elements(1, &[2, 2, 0, -3], &[2, 2]), [3.0, 3.0, 4.0, 4.0]);
    assert_eq!(elements(0, &[1, 0, 1], &[1, 3]), [4.0, 2.0, 6.0]);
}

#[test]
fn triangles_are_kept_and_summed() {
    let lower = |k: i64, upper: i64| {
        let operator = with(node("Trilu", &["t", "k"], "y"), vec![attribute_int("upper", upper)]);
        of(14, &[2, 3], operator, vec![shaped(integers("k", &[k]), &[])])
    };
    assert_eq!(lower(0, 0), [1.0, 0.0, 0.0, 4.0, 5.0, 0.0]);
    assert_eq!(lower(1, 0), [1.0, 2.0, 0.0, 4.0, 5.0, 6.0]);
    assert_eq!(lower(1, 1), [0.0, 2.0, 3.0, 0.0, 0.0, 6.0]);
    assert_eq!(lower(-1, 1), ramp(6));
    let sums = |axis: i64, exclusive: i64, reverse: i64, dims: &[i64]| {
        let flags = vec![attribute_int("exclusive", exclusive), attribute_int("reverse", reverse)];
        of(14, dims, with(node("CumSum", &["t", "a"], "y"), flags), vec![shaped(integers("a", &[axis]), &[])])
    };
    assert_eq!(sums(0, 0, 0, &[4]), [1.0, 3.0, 6.0, 10.0]);
    assert_eq!(sums(-1, 1, 0, &[2, 3]), [0.0, 1.0, 3.0, 0.0, 4.0, 9.0]);
    assert_eq!(sums(0, 0, 1, &[2, 3]), [5.0, 7.0, 9.0, 4.0, 5.0, 6.0]);
    assert_eq!(sums(1, 1, 1, &[1, 3, 2]), [8.0, 10.0, 5.0, 6.0, 0.0, 0.0]);
}
