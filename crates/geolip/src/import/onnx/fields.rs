//! What an ONNX file holds in fields that its standard does not define.
//!
//! A decoder of protocol buffers skips what it does not know. Here that is refused: a later standard, or somebody's own, may
//! say in such a field that something else is computed. What the standard defines and the importer need not read is listed in
//! `proto.rs`, with the reasons. Messages whose contents are refused or say nothing are not looked into.

use super::Reason;

/// A message, with the fields that ONNX 1.23.2 gives it and those of them that are looked into.
struct Message {
    name: &'static str,
    fields: &'static [u32],
    inner: &'static [(u32, &'static Message)],
}

static MODEL: Message = Message {
    name: "ModelProto",
    fields: &[1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26],
    inner: &[(7, &GRAPH), (8, &OPERATOR_SET), (25, &FUNCTION)],
};
static OPERATOR_SET: Message = Message { name: "OperatorSetIdProto", fields: &[1, 2], inner: &[] };
static GRAPH: Message = Message {
    name: "GraphProto",
    fields: &[1, 2, 5, 10, 11, 12, 13, 14, 15, 16],
    inner: &[(1, &NODE), (5, &TENSOR), (11, &VALUE_INFO), (12, &VALUE_INFO)],
};
static NODE: Message =
    Message { name: "NodeProto", fields: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], inner: &[(5, &ATTRIBUTE)] };
static ATTRIBUTE: Message = Message {
    name: "AttributeProto",
    fields: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 20, 21, 22, 23],
    inner: &[(5, &TENSOR), (6, &GRAPH)],
};
static FUNCTION: Message = Message {
    name: "FunctionProto",
    fields: &[1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    inner: &[(7, &NODE), (9, &OPERATOR_SET), (11, &ATTRIBUTE)],
};
static TENSOR: Message = Message {
    name: "TensorProto",
    fields: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16],
    inner: &[(3, &SEGMENT), (13, &ENTRY)],
};
static SEGMENT: Message = Message { name: "TensorProto.Segment", fields: &[1, 2], inner: &[] };
static ENTRY: Message = Message { name: "StringStringEntryProto", fields: &[1, 2], inner: &[] };
static VALUE_INFO: Message = Message { name: "ValueInfoProto", fields: &[1, 2, 3, 4], inner: &[(2, &TYPE)] };
static TYPE: Message = Message { name: "TypeProto", fields: &[1, 4, 5, 6, 7, 8, 9], inner: &[(1, &TYPE_TENSOR)] };
static TYPE_TENSOR: Message = Message { name: "TypeProto.Tensor", fields: &[1, 2], inner: &[(2, &SHAPE)] };
static SHAPE: Message = Message { name: "TensorShapeProto", fields: &[1], inner: &[(1, &DIMENSION)] };
static DIMENSION: Message = Message { name: "TensorShapeProto.Dimension", fields: &[1, 2, 3], inner: &[] };

/// That a model's bytes, which a decoder has accepted, hold no field of which nothing is known.
pub(super) fn expect_known(model: &[u8]) -> Result<(), Reason> {
    look_into(model, &MODEL)
}

fn look_into(mut bytes: &[u8], message: &Message) -> Result<(), Reason> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = u32::try_from(key >> 3).map_err(|_| damaged())?;
        if !message.fields.contains(&field) {
            return Err(format!(
                "holds the field {field} of {}, which ONNX 1.23 does not define; export to an earlier version",
                message.name
            ));
        }
        let length = match key & 7 {
            0 => {
                varint(&mut bytes)?;
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes)?,
            5 => 4,
            _ => return Err(format!("not an ONNX file: the field {field} of {} is a group", message.name)),
        };
        let length = usize::try_from(length).map_err(|_| damaged())?;
        let (contents, rest) = bytes.split_at_checked(length).ok_or_else(damaged)?;
        bytes = rest;
        if let Some((_, inner)) = message.inner.iter().find(|(number, _)| *number == field) {
            look_into(contents, inner)?;
        }
    }
    Ok(())
}

/// The number at the start of the bytes, which are moved on behind it.
fn varint(bytes: &mut &[u8]) -> Result<u64, Reason> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(damaged)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(damaged())
}

fn damaged() -> Reason {
    "not an ONNX file: a field that ends nowhere; the file is damaged".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::onnx::testing::{attribute_int, field, floats, model, node, with};
    use prost::Message as _;

    #[test]
    fn what_no_standard_defines_is_refused_wherever_it_could_change_the_meaning() {
        let unknown = field(99, b"something else");
        for (path, name) in [
            (&[][..], "ModelProto"),
            (&[7][..], "GraphProto"),
            (&[7, 1], "NodeProto"),
            (&[7, 1, 5], "AttributeProto"),
            (&[7, 1, 5, 5], "TensorProto"),
            (&[7, 5], "TensorProto"),
            (&[7, 5, 13], "StringStringEntryProto"),
            (&[7, 11, 2, 1, 2, 1], "TensorShapeProto.Dimension"),
            (&[8], "OperatorSetIdProto"),
            (&[25], "FunctionProto"),
            (&[25, 7, 5], "AttributeProto"),
            (&[7, 1, 5, 6, 1, 5, 6, 1], "NodeProto"),
        ] {
            let bytes = path.iter().rev().fold(unknown.clone(), |contents, &number| field(number, &contents));
            let refusal = expect_known(&bytes).expect_err(name);
            assert!(refusal.starts_with(&format!("holds the field 99 of {name}, which ONNX")), "{refusal}");
        }
        // training and documentation are not looked into
        for number in [6, 14, 20] {
            assert_eq!(expect_known(&field(number, &unknown)), Ok(()));
        }
    }

    #[test]
    fn everything_that_the_importer_writes_is_known() {
        let nodes = vec![with(node("Softmax", &["x"], "y"), vec![attribute_int("axis", 1)])];
        let model = model(13, &[1, 2], nodes, vec![floats("w", &[2], &[1.0, 2.0])]);
        assert_eq!(expect_known(&model.encode_to_vec()), Ok(()));
    }

    #[test]
    fn an_unknown_field_stops_an_import() {
        let mut bytes = model(13, &[1, 2], vec![node("Relu", &["x"], "y")], vec![]).encode_to_vec();
        let read = |bytes: &[u8]| {
            crate::import::from_bytes(bytes, std::path::Path::new("n.onnx"), &crate::import::ImportOptions::default())
        };
        assert!(read(&bytes).is_ok());
        bytes.extend(field(30, b""));
        let text = read(&bytes).expect_err("an unknown field").to_string();
        assert!(text.starts_with("n.onnx: holds the field 30 of ModelProto"), "{text}");
    }
}
