//! Files in 16 bits: numbers are widened exactly, casts between float types change nothing but constants.

use super::value;
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{ModelProto, TensorProto, type_proto};
use crate::import::onnx::testing::{attribute_int, floats, import, model, node, with};

/// A tensor of 16-bit floats, by their bits.
fn short(name: &str, data_type: DataType, bits: &[u16]) -> TensorProto {
    let raw_data = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    TensorProto { data_type: data_type as i32, raw_data, ..floats(name, &[bits.len() as i64], &[]) }
}

/// A model whose input has another element type.
fn typed(mut model: ModelProto, data_type: DataType) -> ModelProto {
    let input = model.graph.as_mut().and_then(|graph| graph.input.first_mut()).and_then(|input| input.r#type.as_mut());
    if let Some(type_proto::Value::TensorType(tensor)) = input.and_then(|r#type| r#type.value.as_mut()) {
        tensor.elem_type = data_type as i32;
    }
    model
}

#[test]
fn networks_in_sixteen_bits_are_read_and_compared() {
    for (data_type, bits) in [(DataType::Float16, [0x3c00, 0x3555]), (DataType::Bfloat16, [0x3f80, 0x3eab])] {
        let nodes = vec![node("Mul", &["x", "w"], "h"), node("Relu", &["h"], "y")];
        let stored = vec![short("w", data_type, &bits)];
        let model = typed(model(13, &[1, 2], nodes, stored), data_type);
        let third = if data_type == DataType::Float16 { 0.333_251_953_125 } else { 0.333_984_375 };
        assert_eq!(value(&model, &[-1.0, 1.0]), [0.0, third], "{data_type:?}");
    }
}

#[test]
fn casts_leave_what_depends_on_the_input_and_round_constants() {
    for (to, third) in [
        (DataType::Float16, 0.333_251_953_125),
        (DataType::Bfloat16, 0.333_984_375),
        (DataType::Float, f64::from(1.0_f32 / 3.0)),
    ] {
        let nodes = vec![
            with(node("Cast", &["x"], "a"), vec![attribute_int("to", to as i64)]),
            with(node("Cast", &["c"], "b"), vec![attribute_int("to", to as i64)]),
            node("Add", &["a", "b"], "d"),
            with(node("Cast", &["d"], "y"), vec![attribute_int("to", 1)]),
        ];
        let stored = vec![floats("c", &[4], &[1.0 / 3.0, -1.0, 0.0, 1e-3])];
        let network = import(&model(13, &[1, 4], nodes, stored)).unwrap_or_else(|error| panic!("{error}")).network;
        let values = network.evaluate(&[0.1, 0.0, 0.0, 0.0]);
        assert_eq!(values[..3], [0.1 + third, -1.0, 0.0], "{to:?}");
    }
}

#[test]
fn casts_of_constants_round_as_the_types_do() {
    let cast = |to: DataType, number: f32| {
        let nodes = vec![
            with(node("Cast", &["c"], "a"), vec![attribute_int("to", to as i64)]),
            with(node("Cast", &["a"], "b"), vec![attribute_int("to", 1)]),
            node("Add", &["x", "b"], "y"),
        ];
        import(&model(13, &[1, 1], nodes, vec![floats("c", &[1], &[number])]))
            .map(|parts| parts.network.evaluate(&[0.0])[0])
    };
    let half = |number| cast(DataType::Float16, number).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(half(2049.0), 2048.0, "ties to even");
    assert_eq!(half(2051.0), 2052.0, "ties to even");
    assert_eq!(half(65519.0), 65504.0, "the largest");
    assert_eq!(half(2_f32.powi(-25)), 0.0, "a tie with zero");
    assert_eq!(half(1.5 * 2_f32.powi(-24)), 2_f64.powi(-23), "subnormal");
    let infinite = cast(DataType::Float16, 65520.0).map(|_| ()).expect_err("an infinite weight");
    assert!(infinite.to_string().contains("every weight must be a finite number"), "{infinite}");
    let whole = |number| cast(DataType::Int64, number).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((whole(-1.75), whole(2.5)), (-1.0, 2.0));
    let wide = cast(DataType::Int8, 300.0).map(|_| ()).expect_err("too wide");
    assert!(wide.to_string().contains("casts a constant to int8, which does not hold it"), "{wide}");
}
