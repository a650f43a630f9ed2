//! Every operator on constants, against values worked out by hand, with tract's opinion of the same model.

use crate::import::SelfCheck;
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{AttributeProto, NodeProto, TensorProto};
use crate::import::onnx::testing::{
    attribute_int, attribute_ints, attribute_tensor, floats, import, integers, model, node, refusal, with,
};

/// What nodes make of stored tensors, as the bias c of y = x + c, with tract's opinion.
fn folded(opset: i64, nodes: Vec<NodeProto>, stored: Vec<TensorProto>, len: i64) -> Vec<f64> {
    let mut nodes = nodes;
    nodes.push(node("Add", &["x", "c"], "y"));
    let parts = import(&model(opset, &[1, len], nodes, stored)).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(parts.self_check, SelfCheck::Agrees { .. }), "{:?}", parts.self_check);
    parts.network.evaluate(&vec![0.0; len as usize])
}

fn one(operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Vec<NodeProto> {
    vec![with(node(operator, inputs, "c"), attributes)]
}

/// The same, of an operator that gives integers or booleans.
fn cast(operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Vec<NodeProto> {
    vec![with(node(operator, inputs, "i"), attributes), with(node("Cast", &["i"], "c"), vec![attribute_int("to", 1)])]
}

fn ab() -> Vec<TensorProto> {
    vec![floats("a", &[3], &[4.0, -1.5, 2.0]), floats("b", &[3], &[2.0, 3.0, 2.0])]
}

#[test]
fn numbers_one_by_one() {
    let unary = |operator: &str, numbers: &[f32; 3]| {
        folded(13, one(operator, &["a"], vec![]), vec![floats("a", &[3], numbers)], 3)
    };
    assert_eq!(unary("Sqrt", &[4.0, 2.0, 0.0]), [2.0, f64::from(2_f32.sqrt()), 0.0]);
    assert_eq!(unary("Reciprocal", &[4.0, -2.0, 3.0]), [0.25, -0.5, f64::from(1_f32 / 3.0)]);
    assert_eq!(unary("Exp", &[0.0, 1.0, -1.0])[0], 1.0);
    assert_eq!(unary("Log", &[1.0, 2.0, 4.0])[0], 0.0);
    assert_eq!(unary("Floor", &[1.5, -1.5, 2.0]), [1.0, -2.0, 2.0]);
    assert_eq!(unary("Ceil", &[1.5, -1.5, 2.0]), [2.0, -1.0, 2.0]);
    assert_eq!(unary("Abs", &[1.5, -1.5, 0.0]), [1.5, 1.5, 0.0]);
    assert_eq!(unary("Erf", &[0.0, 1.0, -1.0])[0], 0.0);
    assert_eq!(folded(13, one("Pow", &["a", "b"], vec![]), ab(), 3), [16.0, -3.375, 4.0]);
    assert_eq!(folded(13, one("Max", &["a", "b"], vec![]), ab(), 3), [4.0, 3.0, 2.0]);
    assert_eq!(folded(13, one("Sum", &["a", "b", "a"], vec![]), ab(), 3), [10.0, 0.0, 6.0]);
    assert_eq!(folded(13, one("Mean", &["a", "b"], vec![]), ab(), 3), [3.0, 0.75, 2.0]);
    assert_eq!(folded(13, one("Min", &["a", "b"], vec![]), ab(), 3), [2.0, -1.5, 2.0]);
}

#[test]
fn comparisons_and_choices() {
    for (operator, expected) in [
        ("Equal", [0.0, 0.0, 1.0]),
        ("Greater", [1.0, 0.0, 0.0]),
        ("GreaterOrEqual", [1.0, 0.0, 1.0]),
        ("Less", [0.0, 1.0, 0.0]),
        ("LessOrEqual", [0.0, 1.0, 1.0]),
    ] {
        assert_eq!(folded(16, cast(operator, &["a", "b"], vec![]), ab(), 3), expected, "{operator}");
    }
    let logic = |operator: &str| {
        let nodes = vec![
            node("Greater", &["a", "b"], "p"),
            node("Equal", &["a", "b"], "q"),
            node(operator, if operator == "Not" { &["p"] } else { &["p", "q"] }, "i"),
            node("Where", &["i", "a", "b"], "c"),
        ];
        folded(16, nodes, ab(), 3)
    };
    assert_eq!(logic("And"), [2.0, 3.0, 2.0]);
    assert_eq!(logic("Or"), [4.0, 3.0, 2.0]);
    assert_eq!(logic("Not"), [2.0, -1.5, 2.0]);
    let remainder = cast("Mod", &["p", "q"], vec![]);
    assert_eq!(
        folded(13, remainder, vec![integers("p", &[7, -7, 7]), integers("q", &[3, 3, -3])], 3),
        [1.0, 2.0, -2.0]
    );
}

#[test]
fn entries_are_picked() {
    let table = || floats("a", &[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let gathered = one("Gather", &["a", "i"], vec![attribute_int("axis", 1)]);
    let flat = |mut nodes: Vec<NodeProto>| {
        nodes[0].output[0] = "d".to_owned();
        nodes.push(node("Reshape", &["d", "all"], "c"));
        nodes
    };
    let all = || integers("all", &[-1]);
    assert_eq!(folded(13, flat(gathered), vec![table(), integers("i", &[-1, 0]), all()], 4), [2.0, 0.0, 5.0, 3.0]);
    let sliced = one("Slice", &["a", "s", "e", "axes", "steps"], vec![]);
    let bounds = |s: &[i64], e: &[i64], axes: &[i64], steps: &[i64]| {
        vec![table(), all(), integers("s", s), integers("e", e), integers("axes", axes), integers("steps", steps)]
    };
    let last = bounds(&[-2], &[i64::MAX], &[1], &[1]);
    assert_eq!(folded(13, flat(sliced.clone()), last, 4), [1.0, 2.0, 4.0, 5.0]);
    let backwards = bounds(&[-1, 0], &[-4, 1], &[1, 0], &[-1, 1]);
    assert_eq!(folded(13, flat(sliced), backwards, 3), [2.0, 1.0, 0.0]);
    let early =
        ["starts", "ends", "axes"].into_iter().zip([1, 2, 0]).map(|(name, v)| attribute_ints(name, &[v])).collect();
    assert_eq!(folded(9, flat(one("Slice", &["a"], early)), vec![table(), all()], 3), [3.0, 4.0, 5.0]);
    let joined = one("Concat", &["a", "b"], vec![attribute_int("axis", -1)]);
    let column = floats("b", &[2, 1], &[7.0, 8.0]);
    assert_eq!(folded(13, flat(joined), vec![table(), column, all()], 8), [0.0, 1.0, 2.0, 7.0, 3.0, 4.0, 5.0, 8.0]);
    let expanded = one("Expand", &["a", "s"], vec![]);
    let row = || floats("a", &[1, 2], &[5.0, 6.0]);
    assert_eq!(folded(13, flat(expanded), vec![row(), integers("s", &[2, 1]), all()], 4), [5.0, 6.0, 5.0, 6.0]);
    let tiled = one("Tile", &["a", "s"], vec![]);
    assert_eq!(folded(13, flat(tiled), vec![row(), integers("s", &[1, 2]), all()], 4), [5.0, 6.0, 5.0, 6.0]);
}

/// What tract 0.23 gets wrong: steps that do not divide the length.
#[test]
fn places_of_a_slice() {
    let places = crate::import::onnx::fold::indexing::places;
    assert_eq!(places(-1, i64::MIN, -2, 3), Ok(vec![2, 0]));
    assert_eq!(places(0, i64::MAX, 2, 3), Ok(vec![0, 2]));
    assert_eq!(places(i64::MAX, 0, -2, 4), Ok(vec![3, 1]));
    assert_eq!(places(2, 1, 1, 3), Ok(vec![]));
    assert_eq!(places(0, i64::MIN, -1, 0), Ok(vec![]));
    assert!(places(0, 1, 0, 3).is_err());
}

#[test]
fn comparisons_are_those_of_the_files_type() {
    // in double precision 2²⁴ + 1 is another number than 2²⁴, and 10·x would become x
    let nodes = vec![
        node("Add", &["big", "one"], "sum"),
        node("Equal", &["sum", "big"], "same"),
        node("Where", &["same", "ten", "one"], "factor"),
        node("Mul", &["x", "factor"], "y"),
    ];
    let stored = vec![floats("big", &[], &[16_777_216.0]), floats("one", &[], &[1.0]), floats("ten", &[], &[10.0])];
    let parts = import(&model(13, &[1, 2], nodes, stored)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parts.network.evaluate(&[1.0, -0.5]), [10.0, -5.0]);
}

/// The reason why nodes on stored float32 tensors, which give `c`, are refused.
fn refused(nodes: Vec<NodeProto>, stored: Vec<TensorProto>) -> String {
    let nodes = [nodes, vec![node("Add", &["x", "c"], "y")]].concat();
    refusal(&model(13, &[3], nodes, stored))
}

#[test]
fn sums_are_rounded_step_by_step() {
    // in double precision 10⁸ + 5 − 10⁸ is 5, in float32 it is 8
    let three = vec![floats("a", &[3], &[1e8; 3]), floats("b", &[3], &[5.0; 3]), floats("d", &[3], &[-1e8; 3])];
    assert_eq!(folded(13, one("Sum", &["a", "b", "d"], vec![]), three, 3), [8.0; 3]);
    let overflow = vec![floats("a", &[3], &[3e38; 3]), floats("b", &[3], &[3e38; 3]), floats("d", &[3], &[-3e38; 3])];
    assert!(refused(one("Mean", &["a", "b", "d"], vec![]), overflow).contains("finite number"));
}

#[test]
fn sums_that_implementations_do_differently_decide_nothing() {
    let long = || floats("a", &[3], &[16_777_216.0, 1.0, 1.0]);
    let sum = || with(node("ReduceSum", &["a"], "s"), vec![attribute_int("keepdims", 0)]);
    let equal = vec![sum(), node("Equal", &["s", "big"], "e"), node("Where", &["e", "big", "one"], "c")];
    let numbers = || vec![long(), floats("big", &[], &[16_777_216.0]), floats("one", &[], &[1.0])];
    assert!(refused(equal, numbers()).contains("depends on the last digits"));
    let floor = vec![with(node("Exp", &["one"], "s"), vec![]), node("Log", &["s"], "l"), node("Floor", &["l"], "c")];
    assert!(refused(floor, numbers()).contains("depends on the last digits"));
    let cancel = vec![floats("a", &[3], &[1e8, 5.0, -1e8])];
    assert!(refused(one("ReduceSum", &["a"], vec![]), cancel).contains("cancel or overflow"));
    let large = vec![floats("a", &[2], &[1e30, 1e30])];
    assert!(refused(one("ReduceL2", &["a"], vec![]), large).contains("cancel or overflow"));
}

#[test]
fn what_is_no_number_is_not_dropped() {
    let numbers = || vec![floats("a", &[3], &[f32::NAN, 1.0, 2.0]), floats("b", &[3], &[0.5; 3])];
    for nodes in [
        one("Max", &["a", "b"], vec![]),
        one("Min", &["b", "a"], vec![]),
        one("ReduceMax", &["a"], vec![]),
        one("Relu", &["a"], vec![]),
        one("Neg", &["a"], vec![]),
    ] {
        let reason = refused(nodes, numbers());
        assert!(reason.contains("not a number") || reason.contains("NaN"), "{reason}");
    }
}

#[test]
fn integers_stay_in_their_type() {
    let nodes = vec![node("Mul", &["i", "i"], "s"), node("Reshape", &["x", "s"], "y")];
    let short = TensorProto {
        data_type: DataType::Int32 as i32,
        int32_data: vec![1 << 16],
        int64_data: vec![],
        ..integers("i", &[1])
    };
    let refused = refusal(&model(13, &[1, 2], nodes, vec![short]));
    assert!(refused.contains("int32, which does not hold it"), "{refused}");
}

#[test]
fn sums_over_axes_and_products() {
    let table = || floats("a", &[2, 3], &[1.0, 2.0, 2.0, 3.0, 4.0, 0.0]);
    let rows = |operator: &str| {
        let attributes = vec![attribute_ints("axes", &[1]), attribute_int("keepdims", 0)];
        folded(11, one(operator, &["a"], attributes), vec![table()], 2)
    };
    assert_eq!(rows("ReduceSum"), [5.0, 7.0]);
    assert_eq!(rows("ReduceProd"), [4.0, 0.0]);
    assert_eq!(rows("ReduceMax"), [2.0, 4.0]);
    assert_eq!(rows("ReduceMin"), [1.0, 0.0]);
    assert_eq!(rows("ReduceMean"), [5.0 / 3.0, 7.0 / 3.0].map(|v: f32| f64::from(v)));
    assert_eq!(rows("ReduceL2"), [3.0, 5.0]);
    assert_eq!(rows("ReduceSumSquare"), [9.0, 25.0]);
    let everything = folded(13, one("ReduceSum", &["a"], vec![attribute_int("keepdims", 0)]), vec![table()], 1);
    assert_eq!(everything, [12.0]);
    let columns = one("ReduceSum", &["a", "i"], vec![]);
    assert_eq!(folded(13, columns, vec![table(), integers("i", &[-2])], 3), [4.0, 6.0, 2.0]);
    let product = one("MatMul", &["a", "b"], vec![]);
    assert_eq!(folded(13, product.clone(), vec![table(), floats("b", &[3], &[1.0, 0.0, -1.0])], 2), [-1.0, 3.0]);
    let vector = floats("a", &[2], &[1.0, 2.0]);
    assert_eq!(folded(13, product, vec![vector, floats("b", &[2, 2], &[1.0, 2.0, 3.0, 4.0])], 2), [7.0, 10.0]);
}

#[test]
fn shapes_become_numbers() {
    // Shape → Slice → Concat with −1 → Reshape, as exporters flatten
    let nodes = vec![
        node("Shape", &["x"], "s"),
        node("Gather", &["s", "zero"], "batch"),
        with(node("Concat", &["batch", "rest"], "target"), vec![attribute_int("axis", 0)]),
        node("Reshape", &["x", "target"], "y"),
    ];
    let stored = vec![integers("zero", &[0]), integers("rest", &[-1])];
    let parts = import(&model(13, &[0, 2, 3], nodes, stored)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parts.output.shape, [1, 6]);
    assert!(matches!(parts.self_check, SelfCheck::Agrees { .. }), "{:?}", parts.self_check);

    let part = vec![
        with(node("Shape", &["x"], "i"), vec![attribute_int("start", -2), attribute_int("end", 3)]),
        with(node("Cast", &["i"], "j"), vec![attribute_int("to", 1)]),
        node("Size", &["x"], "n"),
        with(node("Cast", &["n"], "m"), vec![attribute_int("to", 1)]),
        node("Mul", &["j", "m"], "c"),
        node("Add", &["x", "c"], "y"),
    ];
    let parts = import(&model(15, &[1, 3, 2], part, vec![])).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parts.network.evaluate(&[0.0; 6]), [18.0, 12.0, 18.0, 12.0, 18.0, 12.0]);
}

#[test]
fn constants_come_from_nothing() {
    let filled = one("ConstantOfShape", &["s"], vec![attribute_tensor("value", floats("", &[1], &[2.5]))]);
    assert_eq!(folded(13, filled, vec![integers("s", &[2])], 2), [2.5, 2.5]);
    let zeros = one("ConstantOfShape", &["s"], vec![]);
    assert_eq!(folded(13, zeros, vec![integers("s", &[2])], 2), [0.0, 0.0]);
    let scalar = |name: &str, value: i64| TensorProto { dims: vec![], ..integers(name, &[value]) };
    for (start, limit, step, expected) in [
        (1, 7, 2, &[1.0, 3.0, 5.0][..]),
        (1, 6, 2, &[1.0, 3.0, 5.0]), // where tract 0.23 takes one fewer, as in the next
        (5, -1, -3, &[5.0, 2.0]),
        (2, 4, 1, &[2.0, 3.0]),
    ] {
        let bounds = vec![scalar("a", start), scalar("b", limit), scalar("d", step)];
        let mut nodes = cast("Range", &["a", "b", "d"], vec![]);
        nodes.push(node("Add", &["x", "c"], "y"));
        let parts =
            import(&model(13, &[1, expected.len() as i64], nodes, bounds)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(parts.network.evaluate(&vec![0.0; expected.len()]), expected, "{:?}", parts.self_check);
    }
    let number = |name: &str, value| floats(name, &[], &[value]);
    let halves = one("Range", &["a", "b", "d"], vec![]);
    let mut nodes = halves;
    nodes.push(node("Add", &["x", "c"], "y"));
    let bounds = vec![number("a", 0.0), number("b", 1.25), number("d", 0.5)];
    let parts = import(&model(13, &[1, 3], nodes, bounds)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parts.network.evaluate(&[0.0; 3]), [0.0, 0.5, 1.0], "tract 0.23 panics here");
}

/// W/σ, as spectral normalisation leaves it in the graph, and the bound it is for: the network has the norm of W/σ.
#[test]
fn weights_computed_in_the_graph() {
    let nodes = vec![
        node("MatMul", &["u", "w"], "uw"),
        node("MatMul", &["uw", "v"], "sigma"),
        node("Div", &["w", "sigma"], "normal"),
        node("MatMul", &["x", "normal"], "y"),
    ];
    let stored = vec![
        floats("w", &[2, 2], &[3.0, 0.0, 0.0, 5.0]),
        floats("u", &[2], &[0.0, 1.0]),
        floats("v", &[2], &[0.0, 1.0]),
    ];
    let parts = import(&model(13, &[1, 2], nodes, stored)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parts.network.evaluate(&[1.0, 1.0]), [f64::from(0.6_f32), 1.0], "in the file's type");
    assert!(matches!(parts.self_check, SelfCheck::Agrees { .. }), "{:?}", parts.self_check);
}

#[test]
fn a_trillion_numbers_are_refused_before_they_are_made() {
    let million = || integers("s", &[1_000_000, 1_000_000]);
    let scalar = |name: &str, value: i64| TensorProto { dims: vec![], ..integers(name, &[value]) };
    for (nodes, stored) in [
        (one("ConstantOfShape", &["s"], vec![]), vec![million()]),
        (one("Expand", &["a", "s"], vec![]), vec![floats("a", &[], &[1.0]), million()]),
        (one("Tile", &["a", "s"], vec![]), vec![floats("a", &[1, 1], &[1.0]), million()]),
        (cast("Range", &["a", "b", "d"], vec![]), vec![scalar("a", 0), scalar("b", 1_000_000_000_000), scalar("d", 1)]),
    ] {
        let mut nodes = nodes;
        nodes.push(node("Add", &["x", "c"], "y"));
        let text = refusal(&model(13, &[1, 1], nodes, stored));
        assert!(text.ends_with("which is too large"), "{text}");
    }
    let uncountable = integers("s", &[i64::MAX, i64::MAX]);
    let mut nodes = one("ConstantOfShape", &["s"], vec![]);
    nodes.push(node("Add", &["x", "c"], "y"));
    assert!(refusal(&model(13, &[1, 1], nodes, vec![uncountable])).contains("more entries than can be counted"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (nodes, stored, expected) in [
        (one("Gather", &["a", "i"], vec![]), vec![floats("a", &[2], &[0.0; 2]), integers("i", &[2])], "names an entry"),
        (one("Sqrt", &["i"], vec![]), vec![integers("i", &[4])], "holds integers"),
        (
            cast("Range", &["n", "n", "n"], vec![]),
            vec![TensorProto { dims: vec![], ..integers("n", &[0]) }],
            "the step 0",
        ),
        (
            one("Concat", &["a", "i"], vec![attribute_int("axis", 0)]),
            vec![floats("a", &[1], &[0.0]), integers("i", &[1])],
            "holds integers",
        ),
        (one("MatMul", &["a", "a"], vec![]), vec![floats("a", &[1, 2], &[0.0; 2])], "cannot multiply"),
        (one("Pow", &["i", "i"], vec![]), vec![integers("i", &[99])], "too large"),
        (one("Where", &["i", "a", "i"], vec![]), vec![floats("a", &[1], &[0.0]), integers("i", &[1])], "mixes"),
    ] {
        let mut nodes = nodes;
        nodes.push(node("Add", &["x", "c"], "y"));
        let text = refusal(&model(13, &[1, 1], nodes, stored));
        assert!(text.contains(expected), "{text}");
    }
    let random = vec![node("RandomNormalLike", &["a"], "c"), node("Add", &["x", "c"], "y")];
    assert!(refusal(&model(13, &[1, 1], random, vec![floats("a", &[1], &[0.0])])).contains("is random"));
}

#[test]
fn the_table_is_sorted() {
    assert!(super::TABLE.is_sorted_by(|a, b| a.0 < b.0));
}
