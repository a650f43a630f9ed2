//! Tests: bytes of protocol buffers that readers may take for different things mean what the standard says, or are refused.

use super::decode;
use super::proto::tensor_shape_proto::dimension;
use super::proto::{AttributeProto, ModelProto, NodeProto, TensorProto, TypeProto, type_proto};
use super::testing::{attribute_float, attribute_tensor, field, floats, import, integers, model, node, refusal, with};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

/// The bytes of a field that holds a number.
fn varint(number: u32, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(number, WireType::Varint, &mut bytes);
    encode_varint(value, &mut bytes);
    bytes
}

/// The bytes of a field that holds a float32.
fn single(number: u32, value: f32) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(number, WireType::ThirtyTwoBit, &mut bytes);
    bytes.extend(value.to_le_bytes());
    bytes
}

/// y = relu(x), and where the file has its node, an attribute and a stored tensor, bytes behind what these hold.
fn file(in_node: &[u8], in_tensor: &[u8]) -> Vec<u8> {
    let relu = [node("Relu", &["x"], "y").encode_to_vec(), in_node.to_vec()].concat();
    let stored = [floats("w", &[2], &[1.0, 2.0]).encode_to_vec(), in_tensor.to_vec()].concat();
    let mut model = model(13, &[1, 2], vec![], vec![]);
    let rest = model.graph.take().expect("it has a graph").encode_to_vec();
    let graph = [field(1, &relu), field(5, &stored), rest].concat();
    [model.encode_to_vec(), field(7, &graph)].concat()
}

fn read(bytes: &[u8]) -> ModelProto {
    decode(bytes).expect("a valid file")
}

#[test]
fn lists_mean_the_same_packed_and_unpacked() {
    let mut bytes = varint(1, 2);
    bytes.extend(field(1, &[3, 4]));
    bytes.extend(single(4, 0.5));
    bytes.extend(field(4, &[1.5_f32.to_le_bytes(), 2.5_f32.to_le_bytes()].concat()));
    bytes.extend(single(4, 3.5));
    bytes.extend(field(7, &[1, 2]));
    bytes.extend(varint(7, 3));
    bytes.extend(field(7, &[]));
    let tensor = TensorProto::decode(&*bytes).expect("a tensor");
    assert_eq!((tensor.dims, tensor.float_data), (vec![2, 3, 4], vec![0.5, 1.5, 2.5, 3.5]));
    assert_eq!(tensor.int64_data, [1, 2, 3]);
    let attribute = AttributeProto::decode(&*[varint(8, 1), field(8, &[2, 3]), single(7, 0.5)].concat());
    let attribute = attribute.expect("an attribute");
    assert_eq!((attribute.ints, attribute.floats), (vec![1, 2, 3], vec![0.5]));
    assert!(TensorProto::decode(&*field(4, &[0; 6])).is_err(), "a number and a half");
    assert!(TensorProto::decode(&*field(7, &[1, 0x80])).is_err(), "a number that ends outside its list");
}

#[test]
fn negative_numbers_stay_negative_however_long_they_are_written() {
    let minus_one = [u64::MAX, u64::from(u32::MAX)];
    for value in minus_one {
        let tensor = TensorProto::decode(&*[varint(5, value), varint(2, value)].concat()).expect("a tensor");
        assert_eq!((tensor.int32_data, tensor.data_type), (vec![-1], -1));
    }
    let tensor = TensorProto::decode(&*varint(7, u64::from(u32::MAX))).expect("a tensor");
    assert_eq!(tensor.int64_data, [0xffff_ffff], "64 bits of which 32 are zero");
    let nodes = vec![node("Reshape", &["x", "s"], "y")];
    let negative = import(&model(13, &[1, 6], nodes, vec![integers("s", &[3, -1])])).expect("-1 is what is left");
    assert_eq!(negative.output.shape, [3, 2]);
    let text = refusal(&model(13, &[1, 2], vec![node("Mul", &["x", "w"], "y")], vec![floats("w", &[-2], &[1.0, 2.0])]));
    assert!(text.contains("has the dimension -2"), "{text}");
}

#[test]
fn of_a_field_given_twice_the_last_counts_and_of_messages_the_sum() {
    let node = NodeProto::decode(&*[field(4, b"Relu"), field(1, b"a"), field(4, b"Abs"), field(1, b"b")].concat());
    let node = node.expect("a node");
    assert_eq!((node.op_type.as_str(), node.input), ("Abs", vec!["a".to_owned(), "b".to_owned()]));
    let tensor = TensorProto::decode(&*[field(9, &[1; 8]), field(9, &[2; 4])].concat()).expect("a tensor");
    assert_eq!(tensor.raw_data, [2; 4]);
    // the parts of one tensor: two dimensions, the last numbers
    let parts =
        [field(5, &[varint(1, 2), field(9, &[1; 8])].concat()), field(5, &[varint(1, 3), field(9, &[2])].concat())];
    let tensor = AttributeProto::decode(&*parts.concat()).expect("an attribute").t.expect("its tensor");
    assert_eq!((tensor.dims, tensor.raw_data), (vec![2, 3], vec![2]));
    // a graph in two parts is one graph: the second part may not take the place of the first, nor be dropped
    let first = model(13, &[1, 2], vec![super::testing::node("Relu", &["x"], "h")], vec![]);
    let mut bytes = first.encode_to_vec();
    let second = super::testing::node("Sigmoid", &["h"], "y").encode_to_vec();
    bytes.extend(field(7, &field(1, &second)));
    let graph = read(&bytes).graph.expect("a graph");
    let operators: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
    assert_eq!((operators, graph.input.len()), (vec!["Relu", "Sigmoid"], 1));
    // an operator that two readers might take from different places is the last one in the network, too
    let imported = super::read(&file(&field(4, b"Abs"), &[]), "n.onnx".as_ref(), None, &<_>::default()).expect("it is");
    assert_eq!(imported.network.evaluate(&[-1.0, 2.0]), [1.0, 2.0]);
}

#[test]
fn of_several_values_of_a_choice_the_last_counts() {
    let shape = |size: u64| field(2, &field(1, &varint(1, size)));
    let tensor = |size: u64| field(1, &[varint(1, 1), shape(size)].concat());
    let other = field(4, &field(1, &tensor(9)));
    let sizes = |bytes: &[u8]| match TypeProto::decode(bytes).expect("a type").value {
        Some(type_proto::Value::TensorType(tensor)) => {
            let dims = tensor.shape.expect("a shape").dim;
            Some(dims.into_iter().map(|dim| dim.value).collect::<Vec<_>>())
        }
        _ => None,
    };
    let size = |size| Some(dimension::Value::DimValue(size));
    assert_eq!(sizes(&[tensor(2), other.clone()].concat()), None, "a sequence");
    assert_eq!(sizes(&[tensor(2), other.clone(), tensor(3)].concat()), Some(vec![size(3)]), "nothing of the first");
    assert_eq!(sizes(&[tensor(2), tensor(3)].concat()), Some(vec![size(2), size(3)]), "one tensor in two parts");
    let symbol = field(1, &field(2, &field(1, &[varint(1, 2), field(2, b"n")].concat())));
    assert_eq!(sizes(&symbol), Some(vec![Some(dimension::Value::DimParam("n".to_owned()))]));
    let number = field(1, &field(2, &field(1, &[field(2, b"n"), varint(1, 2)].concat())));
    assert_eq!(sizes(&number), Some(vec![size(2)]));

    let mut model = model(13, &[1, 2], vec![node("Relu", &["x"], "y")], vec![]);
    assert!(import(&model).is_ok());
    let input = &mut model.graph.as_mut().expect("a graph").input[0];
    let declared = input.r#type.as_ref().expect("a type").encode_to_vec();
    input.r#type = Some(TypeProto::decode(&*[declared, other].concat()).expect("a type"));
    let text = refusal(&model);
    assert!(text.contains("is not declared as a tensor"), "{text}");
}

#[test]
fn groups_are_refused_wherever_they_are() {
    let group = |number| {
        let mut bytes = Vec::new();
        encode_key(number, WireType::StartGroup, &mut bytes);
        bytes.extend(varint(1, 1));
        encode_key(number, WireType::EndGroup, &mut bytes);
        bytes
    };
    let whole = file(&[], &[]);
    assert!(decode(&whole).is_ok());
    // one that is read, one that is not, and one of which nothing is known
    for number in [7, 6, 99] {
        assert!(decode(&[whole.clone(), group(number)].concat()).is_err(), "{number}");
    }
    for (node, tensor) in [(group(6), vec![]), (group(4), vec![]), (vec![], group(12)), (vec![], group(9))] {
        assert!(decode(&file(&node, &tensor)).is_err());
    }
    let known = decode(&[whole.clone(), group(6)].concat());
    assert_eq!(known, Err("not an ONNX file: the field 6 of ModelProto is a group".to_owned()));
    let mut end = whole;
    encode_key(6, WireType::EndGroup, &mut end);
    assert!(decode(&end).is_err(), "the end of a group that never began");
}

#[test]
fn values_of_enumerations_that_no_standard_defines_are_refused() {
    let alpha = |r#type| vec![AttributeProto { r#type, ..attribute_float("alpha", 0.5) }];
    let leaky = |attributes| model(13, &[1, 2], vec![with(node("LeakyRelu", &["x"], "y"), attributes)], vec![]);
    assert!(import(&leaky(alpha(1))).is_ok());
    for r#type in [99, -1, 0, 15] {
        let text = refusal(&leaky(alpha(r#type)));
        assert!(text.contains("has the attribute alpha with another type than FLOAT"), "{text}");
    }
    let scaled = |weight: TensorProto| model(13, &[1, 2], vec![node("Mul", &["x", "w"], "y")], vec![weight]);
    let weight = floats("w", &[2], &[1.0, 2.0]);
    assert!(import(&scaled(TensorProto { data_location: Some(0), ..weight.clone() })).is_ok());
    let text = refusal(&scaled(TensorProto { data_location: Some(2), ..weight.clone() }));
    assert!(text.contains("has its data in a kind of place that ONNX 1.23 does not define"), "{text}");
    for data_type in [99, -1, 0] {
        let text = refusal(&scaled(TensorProto { data_type, ..weight.clone() }));
        assert!(text.contains("has element type"), "{text}");
    }
    let constant = with(
        node("Constant", &[], "w"),
        vec![attribute_tensor("value", TensorProto { data_location: Some(7), ..weight })],
    );
    let text = refusal(&model(13, &[1, 2], vec![constant, node("Mul", &["x", "w"], "y")], vec![]));
    assert!(text.contains("a kind of place"), "{text}");
}

#[test]
fn a_field_that_is_written_as_another_kind_is_refused() {
    for (node, tensor) in [
        (varint(4, 1), vec![]),              // a number for the operator
        (vec![], varint(9, 1)),              // a number for bytes
        (vec![], field(2, b"a")),            // bytes for the element type
        (vec![], single(8, 1.0)),            // a number for the name
        (field(5, &varint(2, 1)), vec![]),   // a whole number for a float
        (field(5, &single(3, 1.0)), vec![]), // a float for a whole number
    ] {
        assert!(decode(&file(&node, &tensor)).is_err(), "{node:?} {tensor:?}");
    }
    assert!(decode(&file(&field(4, &[0xff, 0xfe]), &[])).is_err(), "an operator that is no text");
}

#[test]
fn depth_costs_neither_stack_nor_meaning() {
    // graphs in attributes of nodes in graphs: where nothing reaches them, they do not matter, unless they are deeper than any
    let deep = |depth: usize| {
        let innermost = field(1, &field(5, &field(1, b"innermost")));
        (0..depth).fold(innermost, |inner, _| field(1, &field(5, &field(6, &inner))))
    };
    let aside = |depth: usize| {
        let aside = [node("If", &["x"], "aside").encode_to_vec(), field(5, &field(6, &deep(depth)))].concat();
        super::read(&[file(&[], &[]), field(7, &field(1, &aside))].concat(), "n.onnx".as_ref(), None, &<_>::default())
    };
    assert!(aside(10).is_ok());
    assert!(aside(1000).is_err());
    // and in the way, they are an obstacle
    let relu = [field(1, b"then_branch"), varint(20, 5), field(6, &deep(10))].concat();
    let refused = super::read(&file(&field(5, &relu), &[]), "n.onnx".as_ref(), None, &<_>::default());
    let text = refused.err().expect("a graph in an attribute").to_string();
    assert!(text.contains("then_branch"), "{text}");
    // groups are the one thing that a decoder descends into unasked
    let mut groups = file(&[], &[]);
    for _ in 0..100_000 {
        encode_key(6, WireType::StartGroup, &mut groups);
    }
    assert!(decode(&groups).is_err());
}

#[test]
fn sizes_and_numbers_that_overflow_are_refused() {
    let whole = file(&[], &[]);
    for length in [1, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
        let mut bytes = whole.clone();
        encode_key(6, WireType::LengthDelimited, &mut bytes);
        encode_varint(length, &mut bytes);
        assert!(decode(&bytes).is_err(), "{length} bytes that are not there");
    }
    // a name that ends outside its node, inside the file
    let mut outside = Vec::new();
    encode_key(3, WireType::LengthDelimited, &mut outside);
    encode_varint(4, &mut outside);
    assert!(decode(&file(&outside, &[])).is_err());
    let long = |bytes: &[u8]| decode(&[whole.as_slice(), &[0x08], bytes].concat()).map(|model| model.ir_version);
    assert_eq!(long(&[0x87, 0x80, 0x00]), Ok(7), "with leading zeros");
    assert_eq!(long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Ok(-1));
    assert!(long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).is_err(), "65 bits");
    assert!(long(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]).is_err(), "eleven bytes");
    for key in [0_u64, 1, 2, 1 << 32 | 0x08, u64::MAX] {
        let mut bytes = whole.clone();
        encode_varint(key, &mut bytes);
        bytes.push(1);
        assert!(decode(&bytes).is_err(), "the field of key {key}");
    }
    for end in 1..whole.len() {
        let _ = decode(&whole[..end]); // whatever it is: no panic
    }
}

/// The other decoder reads original bytes; what it found, written again, is what the importer found in the original.
#[cfg(feature = "self-check")]
#[test]
fn damaged_bytes_mean_to_us_what_they_mean_to_tract() {
    use rand::{RngExt, SeedableRng};
    let attributes = vec![
        attribute_float("f", 0.5),
        super::testing::attribute_int("i", -3),
        super::testing::attribute_ints("is", &[1, -2]),
        super::testing::attribute_floats("fs", &[0.5, 1.5]),
        super::testing::attribute_text("s", "text"),
        attribute_tensor("t", integers("n", &[1, -2, 3])),
    ];
    let nodes = vec![with(node("Gemm", &["x", "w"], "h"), attributes), node("Relu", &["h"], "y")];
    let whole = model(13, &[0, 2], nodes, vec![floats("w", &[2], &[1.0, 2.0])]).encode_to_vec();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(17);
    let mut compared = 0;
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..random.random_range(1..4) {
            let place = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[place] = random.random_range(0..=255),
                1 => bytes[place] ^= 1 << random.random_range(0..8),
                _ => drop(bytes.remove(place)),
            }
        }
        let Ok(ours) = decode(&bytes) else { continue };
        let Ok(theirs) = tract_onnx::pb::ModelProto::decode(&*bytes) else { continue };
        let again = ModelProto::decode(&*theirs.encode_to_vec()).expect("tract writes what it reads");
        assert_eq!(without_what_tract_drops(ours).encode_to_vec(), again.encode_to_vec(), "{bytes:?}");
        compared += 1;
    }
    assert!(compared > 1000, "{compared}");
}

/// tract's messages have no overloads, and no types but tensors.
#[cfg(feature = "self-check")]
fn without_what_tract_drops(mut model: ModelProto) -> ModelProto {
    let graph = model.graph.as_mut().expect("decoded");
    graph.node.iter_mut().for_each(|node| node.overload.clear());
    for port in graph.input.iter_mut().chain(&mut graph.output) {
        if let Some(declared) = &mut port.r#type
            && !matches!(declared.value, Some(type_proto::Value::TensorType(_)))
        {
            declared.value = None;
        }
    }
    model
}
