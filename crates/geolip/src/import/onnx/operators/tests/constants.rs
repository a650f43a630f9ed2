//! Constants that are made in the graph: from few bits, from indices, on diagonals, as products.

use super::{refusal_of, value};
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{NodeProto, TensorProto};
use crate::import::onnx::testing::{attribute_float, attribute_int, floats, integers, model, node, with};

/// What a node makes of stored tensors, as the bias of y = x + c.
fn made(opset: i64, operator: NodeProto, stored: Vec<TensorProto>, dims: &[i64]) -> Vec<f64> {
    let nodes = vec![operator, node("Add", &["x", "c"], "y")];
    value(&model(opset, dims, nodes, stored), &vec![0.0; dims.iter().product::<i64>() as usize])
}

fn short(name: &str, kind: DataType, dims: &[i64], numbers: &[i32]) -> TensorProto {
    let (name, dims) = (name.to_owned(), dims.to_vec());
    TensorProto { name, dims, data_type: kind as i32, int32_data: numbers.to_vec(), ..TensorProto::default() }
}

#[test]
fn weights_of_few_bits_are_scaled() {
    let q = || short("q", DataType::Int8, &[2, 3], &[1, 2, -1, 5, -10, 30]);
    let s = f64::from(0.1_f32);
    let rounded = |v: f64| f64::from(v as f32);
    let whole = made(13, node("DequantizeLinear", &["q", "s"], "c"), vec![q(), floats("s", &[], &[0.1])], &[2, 3]);
    assert_eq!(whole, [1.0, 2.0, -1.0, 5.0, -10.0, 30.0].map(|v| rounded(v * s)));
    let u = short("q", DataType::Uint8, &[2, 2], &[255, 128, 0, 1]);
    let zero = short("z", DataType::Uint8, &[2], &[128, 1]);
    let by_axis = |axis| {
        let operator = with(node("DequantizeLinear", &["q", "s", "z"], "c"), vec![attribute_int("axis", axis)]);
        made(13, operator, vec![u.clone(), floats("s", &[2], &[0.5, 2.0]), zero.clone()], &[2, 2])
    };
    assert_eq!(by_axis(0), [63.5, 0.0, -2.0, 0.0]);
    assert_eq!(by_axis(-1), [63.5, 254.0, -64.0, 0.0]);
    // numbers of four bits, two to a byte, in blocks of two along the last axis
    let nibbles = short("q", DataType::Int4, &[1, 3], &[0x1f, 0x08]);
    let attributes = vec![attribute_int("axis", 1), attribute_int("block_size", 2)];
    let blocked = with(node("DequantizeLinear", &["q", "s"], "c"), attributes);
    assert_eq!(made(21, blocked, vec![nibbles, floats("s", &[1, 2], &[0.5, 3.0])], &[1, 3]), [-0.5, 0.5, -24.0]);
    let misfit = with(node("DequantizeLinear", &["q", "s"], "c"), vec![attribute_int("axis", 1)]);
    let misfit = vec![misfit, node("Add", &["x", "c"], "y")];
    refusal_of(model(13, &[2, 3], misfit, vec![q(), floats("s", &[2], &[1.0; 2])]), "has scales of shape [2]");
    let moving = vec![node("QuantizeLinear", &["x", "s"], "q"), node("DequantizeLinear", &["q", "s"], "y")];
    refusal_of(model(13, &[1, 2], moving, vec![floats("s", &[], &[1.0])]), "belongs to a quantised network");
}

#[test]
fn diagonals_and_lines_of_indices() {
    let eye = |attributes| made(9, with(node("EyeLike", &["x"], "c"), attributes), vec![], &[2, 3]);
    assert_eq!(eye(vec![]), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(eye(vec![attribute_int("k", 1), attribute_int("dtype", 1)]), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let one_hot = |axis| {
        let operator = with(node("OneHot", &["i", "d", "v"], "c"), vec![attribute_int("axis", axis)]);
        let stored = vec![integers("i", &[1, -1, 7]), integers("d", &[3]), floats("v", &[2], &[-0.5, 2.0])];
        made(11, operator, stored, &[3, 3])
    };
    let (off, on) = (-0.5, 2.0);
    assert_eq!(one_hot(-1), [off, on, off, off, off, on, off, off, off]);
    assert_eq!(one_hot(0), [off, off, off, on, off, off, off, on, off]);
    let sum = with(node("CumSum", &["a", "axis"], "c"), vec![attribute_int("reverse", 1)]);
    let axis = TensorProto { dims: vec![], ..integers("axis", &[0]) };
    assert_eq!(made(14, sum, vec![floats("a", &[3], &[1.0, 2.0, 4.0]), axis], &[3]), [7.0, 6.0, 4.0]);
}

#[test]
fn products_of_constants() {
    let (a, b) = (|| floats("a", &[2, 1], &[1.0, 2.0]), || floats("b", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let attributes = || vec![attribute_int("transA", 1), attribute_float("alpha", 2.0), attribute_float("beta", 0.5)];
    let gemm = with(node("Gemm", &["a", "b", "d"], "c"), attributes());
    assert_eq!(made(13, gemm, vec![a(), b(), floats("d", &[], &[4.0])], &[1, 3]), [20.0, 26.0, 32.0]);
    let moving = with(node("Gemm", &["a", "b", "x"], "y"), attributes());
    assert_eq!(value(&model(13, &[1, 3], vec![moving], vec![a(), b()]), &[2.0, 4.0, 6.0]), [19.0, 26.0, 33.0]);
    let stack = floats("a", &[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
    let product = made(13, node("MatMul", &["a", "b"], "c"), vec![stack, b()], &[2, 1, 3]);
    assert_eq!(product, [9.0, 12.0, 15.0, 19.0, 26.0, 33.0]);
}

#[test]
fn stacks_of_matrices_by_a_vector() {
    let stack = || floats("w", &[2, 2, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let right = model(13, &[2], vec![node("MatMul", &["w", "x"], "y")], vec![stack()]);
    assert_eq!(value(&right, &[1.0, -1.0]), [-1.0, -1.0, -1.0, -1.0]);
    let left = model(13, &[2], vec![node("MatMul", &["x", "w"], "y")], vec![stack()]);
    assert_eq!(value(&left, &[1.0, -1.0]), [-2.0, -2.0, -2.0, -2.0]);
    let of_x = model(13, &[2, 2, 1], vec![node("MatMul", &["x", "w"], "y")], vec![floats("w", &[1], &[3.0])]);
    assert_eq!(value(&of_x, &[1.0, 2.0, 3.0, 4.0]), [3.0, 6.0, 9.0, 12.0]);
}
