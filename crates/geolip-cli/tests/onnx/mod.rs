//! Small ONNX files, written field by field: a protocol buffer is a list of numbered fields, each a number or bytes.

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn text(field: u64, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

/// A model whose graph is made of the given parts.
pub fn model(opset: u64, parts: &[Vec<u8>]) -> Vec<u8> {
    [number(1, 8), bytes(7, &parts.concat()), bytes(8, &number(2, opset))].concat()
}

/// As [`model`], by a program with this name.
#[allow(dead_code)] // not every test program names one
pub fn model_by(producer: &str, opset: u64, parts: &[Vec<u8>]) -> Vec<u8> {
    [model(opset, parts), text(2, producer)].concat()
}

pub fn node(name: &str, operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    bytes(1, &[inputs, text(2, output), text(3, name), text(4, operator)].concat())
}

/// A stored float32 tensor.
pub fn tensor(name: &str, dims: &[u64], numbers: &[f32]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&d| number(1, d)).collect();
    let raw: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    bytes(5, &[dims, number(2, 1), text(8, name), bytes(9, &raw)].concat())
}

/// The declaration of a float32 tensor.
pub fn port(name: &str, dims: &[u64]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&d| bytes(1, &number(1, d))).collect();
    let tensor = [number(1, 1), bytes(2, &dims)].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

pub fn input(port: &[u8]) -> Vec<u8> {
    bytes(11, port)
}

pub fn output(port: &[u8]) -> Vec<u8> {
    bytes(12, port)
}
