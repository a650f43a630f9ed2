//! Operators that move numbers.

use super::{of_shape, output_shape, ramp, value};
use crate::import::onnx::proto::{AttributeProto, ModelProto, TensorProto};
use crate::import::onnx::testing::{
    attribute_int, attribute_ints, attribute_text, floats, import, integers, model, node, refusal, with,
};

/// An operator on 1, 2, … with attributes, and constant lists as further inputs.
fn moved(opset: i64, dims: &[i64], operator: &str, attributes: Vec<AttributeProto>, lists: &[&[i64]]) -> ModelProto {
    let names = ["first", "second", "third", "fourth"];
    let inputs: Vec<&str> = [&["t"], &names[..lists.len()]].concat();
    let stored = names.iter().zip(lists).map(|(name, list)| integers(name, list)).collect();
    of_shape(opset, dims, with(node(operator, &inputs, "y"), attributes), stored)
}

/// What it gives of 1, 2, ….
fn result(model: &ModelProto) -> Vec<f64> {
    let inputs = import(model).unwrap_or_else(|error| panic!("{error}")).network.inputs();
    value(model, &ramp(inputs))
}

#[test]
fn transpose_moves_constants_and_tensors() {
    let nodes = vec![node("Transpose", &["w"], "v"), node("MatMul", &["x", "v"], "y")];
    let weights = model(13, &[1, 3], nodes, vec![floats("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])]);
    assert_eq!(value(&weights, &[1.0, -1.0, 2.0]), [5.0, 11.0]);
    let transposed = |dims: &[i64], perm: &[i64]| moved(13, dims, "Transpose", vec![attribute_ints("perm", perm)], &[]);
    assert_eq!(output_shape(&transposed(&[1, 1, 3, 4], &[0, 2, 1, 3])), [1, 3, 1, 4]);
    let still = import(&transposed(&[1, 1, 3, 4], &[0, 2, 1, 3])).expect("understood");
    assert_eq!(still.network.nodes().len(), 2, "axes of size one move no number");
    assert_eq!(result(&transposed(&[1, 2, 3], &[0, 2, 1])), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(result(&transposed(&[2, 1, 3], &[2, 1, 0])), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(result(&transposed(&[2, 2, 2], &[1, 2, 0])), [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]);
    assert_eq!(result(&moved(7, &[2, 2], "Transpose", vec![], &[])), [1.0, 3.0, 2.0, 4.0]);
    let short = refusal(&transposed(&[1, 3], &[0]));
    assert!(short.ends_with("has the permutation [0] for the shape [1, 3]"), "{short}");
    assert!(refusal(&transposed(&[1, 3], &[0, 0])).ends_with("names an axis twice in [0, 0]"));
}

#[test]
fn slice_cuts_steps_and_turns_around() {
    let five = |lists: &[&[i64]]| moved(13, &[5], "Slice", vec![], lists);
    for (lists, expected) in [
        (&[&[1][..], &[4]][..], &[2.0, 3.0, 4.0][..]),
        (&[&[-2], &[i64::MAX]], &[4.0, 5.0]),
        (&[&[-100], &[-3], &[0]], &[1.0, 2.0]),
        (&[&[0], &[5], &[-1], &[2]], &[1.0, 3.0, 5.0]),
        (&[&[1], &[5], &[0], &[3]], &[2.0, 5.0]),
        (&[&[-1], &[i64::MIN], &[0], &[-1]], &[5.0, 4.0, 3.0, 2.0, 1.0]),
        (&[&[3], &[0], &[0], &[-2]], &[4.0, 2.0]),
        (&[&[0], &[2], &[0], &[i64::MAX]], &[1.0]),
    ] {
        let found = import(&five(lists)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.network.evaluate(&ramp(5)), expected, "{lists:?}");
    }
    assert_eq!(result(&five(&[&[1], &[4]])), [2.0, 3.0, 4.0]);
    let plane = moved(13, &[2, 3], "Slice", vec![], &[&[1, 0], &[3, 1], &[1, 0]]);
    assert_eq!((result(&plane), output_shape(&plane)), (vec![2.0, 3.0], vec![1, 2]));
    let bounds = |axes| [attribute_ints("starts", &[0, 1]), attribute_ints("ends", &[1, 3]), axes];
    let early = moved(9, &[2, 3], "Slice", bounds(attribute_ints("axes", &[0, 1])).to_vec(), &[]);
    assert_eq!(result(&early), [2.0, 3.0]);
    assert_eq!(
        result(&moved(7, &[2, 3], "Slice", bounds(attribute_ints("axes", &[0, 1]))[..2].to_vec(), &[])),
        [2.0, 3.0]
    );
}

#[test]
fn slices_that_make_no_sense_are_refused() {
    let five = |lists: &[&[i64]]| refusal(&moved(13, &[5], "Slice", vec![], lists));
    assert!(five(&[&[0], &[5], &[0], &[0]]).ends_with("slices with step 0"));
    assert!(five(&[&[0], &[5], &[1]]).ends_with("names the axis '1', which does not exist"));
    assert!(five(&[&[0, 0], &[5, 5], &[0, 0]]).ends_with("names an axis twice in [0, 0]"));
    assert!(five(&[&[0], &[5, 5]]).ends_with("does not name one start, end, axis and step for every axis it cuts"));
    assert!(five(&[&[3], &[3]]).ends_with("works on a tensor without entries"));
    assert!(five(&[&[0]]).ends_with("lacks its ends"));
    let attributes = vec![attribute_ints("starts", &[0]), attribute_ints("ends", &[1])];
    assert!(refusal(&moved(10, &[5], "Slice", attributes, &[])).ends_with("lacks its starts"));
}

/// The output of a Split of 1 to 6 that is read, of as many as there are.
fn part(opset: i64, read: usize, count: usize, attributes: Vec<AttributeProto>, sizes: &[i64]) -> ModelProto {
    let inputs: &[&str] = if sizes.is_empty() { &["t"] } else { &["t", "sizes"] };
    let mut split = with(node("Split", inputs, "y"), attributes);
    split.output = (0..count).map(|i| if i == read { "y".to_owned() } else { format!("part {i}") }).collect();
    of_shape(opset, &[6, 1], split, vec![integers("sizes", sizes)])
}

#[test]
fn split_gives_parts_of_given_or_equal_size() {
    assert_eq!(result(&part(7, 1, 3, vec![], &[])), [3.0, 4.0]);
    assert_eq!(result(&part(11, 1, 2, vec![attribute_ints("split", &[2, 4])], &[])), [3.0, 4.0, 5.0, 6.0]);
    assert_eq!(result(&part(13, 0, 2, vec![attribute_int("axis", -2)], &[2, 4])), [1.0, 2.0]);
    assert_eq!(result(&part(13, 2, 3, vec![], &[])), [5.0, 6.0]);
    assert_eq!(result(&part(18, 1, 2, vec![attribute_int("num_outputs", 2)], &[])), [4.0, 5.0, 6.0]);
    let uneven = vec![attribute_int("num_outputs", 4)];
    assert!(refusal(&part(18, 3, 4, uneven, &[])).ends_with("works on a tensor without entries"), "of 2, 2, 2 and 0");
    let five = |attributes| {
        let mut split = with(node("Split", &["t"], "z"), attributes);
        split.output = vec!["z".to_owned(), "y".to_owned()];
        of_shape(18, &[5], split, vec![])
    };
    assert_eq!(result(&five(vec![attribute_int("num_outputs", 2)])), [4.0, 5.0]);
    assert!(refusal(&five(vec![])).ends_with("does not say how 5 entries become 2 parts"));
    assert!(refusal(&five(vec![attribute_int("num_outputs", 3)])).ends_with("how 5 entries become 2 parts"));
    assert!(refusal(&part(13, 0, 2, vec![], &[2, 5])).ends_with("splits 6 entries into parts of [2, 5]"));
    assert!(refusal(&part(13, 0, 2, vec![], &[2, 3])).ends_with("splits 6 entries into parts of [2, 3]"));
    assert!(refusal(&part(13, 0, 2, vec![], &[7, -1])).ends_with("splits 6 entries into parts of [7, -1]"));
    assert!(refusal(&part(13, 0, 2, vec![], &[2, 2, 2])).ends_with("gives 3 parts for 2 outputs"));
}

#[test]
fn concat_joins_tensors_and_constants() {
    let joined = |axis, inputs: &[&str]| {
        let nodes =
            vec![node("Neg", &["x"], "n"), with(node("Concat", inputs, "y"), vec![attribute_int("axis", axis)])];
        let empty = floats("nothing", &[1, 0], &[]);
        model(13, &[1, 2], nodes, vec![floats("c", &[1, 2], &[5.0, 6.0]), floats("d", &[1, 1], &[7.0]), empty])
    };
    let x = [1.0, 2.0];
    assert_eq!(value(&joined(1, &["x", "n"]), &x), [1.0, 2.0, -1.0, -2.0]);
    assert_eq!(value(&joined(-1, &["c", "x", "d", "x"]), &x), [5.0, 6.0, 1.0, 2.0, 7.0, 1.0, 2.0]);
    assert_eq!(value(&joined(0, &["x", "c", "n"]), &x), [1.0, 2.0, 5.0, 6.0, -1.0, -2.0]);
    assert_eq!(output_shape(&joined(0, &["x", "c", "n"])), [3, 2]);
    assert_eq!(output_shape(&joined(1, &["x", "nothing", "d"])), [1, 3]);
    // along the last axis rows interleave
    let rows = of_shape(
        13,
        &[2, 2],
        with(node("Concat", &["t", "c"], "y"), vec![attribute_int("axis", 1)]),
        vec![floats("c", &[2, 1], &[5.0, 6.0])],
    );
    assert_eq!(value(&rows, &ramp(4)), [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
    assert!(refusal(&joined(0, &["x", "d"])).ends_with("cannot join the shapes [1, 2] and [1, 1] along axis 0"));
    assert!(refusal(&joined(2, &["x", "n"])).ends_with("names the axis '2', which does not exist"));
}

#[test]
fn gather_picks_by_constant_indices() {
    let picked = |dims: &[i64], attributes, indices: &[i64]| moved(13, dims, "Gather", attributes, &[indices]);
    assert_eq!(result(&picked(&[2, 2], vec![], &[1, 0, -1])), [3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
    let columns = picked(&[2, 2], vec![attribute_int("axis", 1)], &[1]);
    assert_eq!((result(&columns), output_shape(&columns)), (vec![2.0, 4.0], vec![2, 1]));
    let single = TensorProto { dims: vec![], ..integers("i", &[1]) };
    let single = of_shape(13, &[2, 2], node("Gather", &["t", "i"], "y"), vec![single]);
    assert_eq!((value(&single, &ramp(4)), output_shape(&single)), (vec![3.0, 4.0], vec![2]));
    let matrix = TensorProto { dims: vec![2, 1], ..integers("i", &[1, 0]) };
    let matrix = of_shape(13, &[2], node("Gather", &["t", "i"], "y"), vec![matrix]);
    assert_eq!((value(&matrix, &ramp(2)), output_shape(&matrix)), (vec![2.0, 1.0], vec![2, 1]));
    assert!(refusal(&picked(&[2, 2], vec![], &[2])).ends_with("picks index 2 of an axis of size 2"));
    assert!(refusal(&picked(&[2, 2], vec![], &[-3])).ends_with("picks index -3 of an axis of size 2"));
    let real = of_shape(13, &[2], node("Gather", &["t", "i"], "y"), vec![floats("i", &[1], &[0.0])]);
    assert!(refusal(&real).ends_with("its indices: holds floating-point numbers where integers are needed"));
}

#[test]
fn expand_and_tile_repeat() {
    let expanded = |dims: &[i64], shape: &[i64]| moved(13, dims, "Expand", vec![], &[shape]);
    assert_eq!(result(&expanded(&[2, 1], &[2, 2])), [1.0, 1.0, 2.0, 2.0]);
    assert_eq!(result(&expanded(&[1, 2], &[2, 1])), [1.0, 2.0, 1.0, 2.0]);
    assert_eq!(output_shape(&expanded(&[2], &[3, 1, 1])), [3, 1, 2]);
    assert!(refusal(&expanded(&[2], &[3])).ends_with("cannot combine the shapes [2] and [3]"));
    assert!(refusal(&expanded(&[2], &[-1])).ends_with("has the target shape [-1]"));
    assert!(refusal(&expanded(&[1], &[1 << 25])).ends_with("at most 16777216 numbers are supported"));
    let tiled = |dims: &[i64], repeats: &[i64]| moved(13, dims, "Tile", vec![], &[repeats]);
    assert_eq!(result(&tiled(&[1, 2], &[2, 2])), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    assert_eq!(result(&tiled(&[2, 1], &[1, 2])), [1.0, 1.0, 2.0, 2.0]);
    assert!(refusal(&tiled(&[2, 1], &[2])).ends_with("repeats the shape [2, 1] by [2]"));
    assert!(refusal(&tiled(&[2, 1], &[1, -1])).ends_with("repeats the shape [2, 1] by [1, -1]"));
    assert!(refusal(&tiled(&[2, 1], &[1, i64::MAX])).contains("at most 16777216 numbers are supported"));
    assert!(refusal(&tiled(&[2, 1], &[1, 0])).ends_with("works on a tensor without entries"));
}

#[test]
fn depth_becomes_space_and_back() {
    let block = || attribute_int("blocksize", 2);
    let deep =
        |opset, dims: &[i64], attributes| moved(opset, dims, "DepthToSpace", [vec![block()], attributes].concat(), &[]);
    // eight channels of one pixel: four places of two channels, or two channels of four places
    let apart = [1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 6.0, 8.0];
    assert_eq!(result(&deep(7, &[1, 8, 1, 1], vec![])), apart);
    assert_eq!(result(&deep(11, &[1, 8, 1, 1], vec![attribute_text("mode", "DCR")])), apart);
    assert_eq!(result(&deep(13, &[1, 8, 1, 1], vec![attribute_text("mode", "CRD")])), ramp(8));
    assert_eq!(output_shape(&deep(13, &[1, 8, 3, 5], vec![])), [1, 2, 6, 10]);
    assert!(refusal(&deep(13, &[1, 6, 1, 1], vec![])).ends_with("cannot turn 6 channels into blocks of 2 by 2"));
    assert!(refusal(&deep(13, &[1, 8, 1, 1], vec![attribute_text("mode", "XYZ")])).contains("has mode = 'XYZ'"));
    assert!(refusal(&deep(7, &[1, 8, 1, 1], vec![attribute_text("mode", "DCR")])).contains("'mode', which is not"));
    assert!(refusal(&deep(13, &[8, 1, 1], vec![])).ends_with("works on images, but has an input of shape [8, 1, 1]"));
    let flat = |dims: &[i64], block: i64| moved(13, dims, "SpaceToDepth", vec![attribute_int("blocksize", block)], &[]);
    assert_eq!(result(&flat(&[1, 2, 2, 2], 2)), [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]);
    assert_eq!(output_shape(&flat(&[1, 2, 4, 6], 2)), [1, 8, 2, 3]);
    assert!(refusal(&flat(&[1, 2, 3, 2], 2)).ends_with("cannot cut an image of 3 by 2 into blocks of 2 by 2"));
    assert!(refusal(&flat(&[1, 2, 2, 2], 0)).ends_with("lacks a block size that makes sense"));
}

#[test]
fn constants_move_like_tensors() {
    // 10 and 20, picked from a constant by a constant, are added to x
    let nodes =
        vec![node("Gather", &["w", "i"], "v"), node("Expand", &["v", "to"], "e"), node("Add", &["x", "e"], "y")];
    let stored = vec![floats("w", &[3], &[10.0, 15.0, 20.0]), integers("i", &[0, 2]), integers("to", &[1, 2])];
    assert_eq!(value(&model(13, &[1, 2], nodes, stored), &[1.0, 2.0]), [11.0, 22.0]);
    let shape = vec![node("Slice", &["list", "from", "to"], "s"), node("Reshape", &["x", "s"], "y")];
    let stored = vec![integers("list", &[9, 3, 2, 9]), integers("from", &[1]), integers("to", &[3])];
    assert_eq!(output_shape(&model(13, &[1, 6], shape, stored)), [3, 2]);
}
