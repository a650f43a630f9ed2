//! The element type of every tensor of a graph, by the rules of its operators; and numbers as a type holds them.
//!
//! What does not depend on the input is computed while importing, and a runtime computes it in the file's type: whether
//! 2²⁴ + 1 equals 2²⁴ is another question in float32 than in double. So every constant that a node gives is rounded to the
//! type of that node's output ([`Tensor::in_type`]). What depends on the input stands for a function of real numbers, and is
//! not rounded.

use super::Reason;
use super::tensor::{Data, Tensor, is_float};
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto, type_proto};
use std::collections::HashMap;

/// Element types by the names of tensors; those that nothing says are missing.
pub(super) type Types<'a> = HashMap<&'a str, DataType>;

/// The types of what is stored, of the inputs, and of what the nodes, in topological order, make of them.
pub(super) fn of<'a>(
    graph: &'a GraphProto,
    initialisers: &HashMap<&'a str, &'a TensorProto>,
    nodes: &[usize],
) -> Types<'a> {
    let known = |number: i32| DataType::try_from(number).ok();
    let inputs = graph.input.iter().filter_map(|input| Some((input.name.as_str(), known(declared(input)?)?)));
    let mut types: Types<'a> = inputs.collect();
    types.extend(initialisers.iter().filter_map(|(name, stored)| Some((*name, known(stored.data_type)?))));
    for &index in nodes {
        let node = &graph.node[index];
        let Some(found) = of_outputs(node, &types) else { continue };
        types.extend(node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.as_str(), found)));
    }
    types
}

fn declared(input: &ValueInfoProto) -> Option<i32> {
    let type_proto::Value::TensorType(tensor) = input.r#type.as_ref()?.value.as_ref()? else { return None };
    Some(tensor.elem_type)
}

/// The type of what a node gives (its first output; those of others that are read have the same one).
fn of_outputs(node: &NodeProto, types: &Types<'_>) -> Option<DataType> {
    let input = |index: usize| node.input.get(index).and_then(|name| types.get(name.as_str()).copied());
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    match node.op_type.as_str() {
        "And" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Not" | "Or" => Some(DataType::Bool),
        "Shape" | "Size" => Some(DataType::Int64),
        "Cast" => attribute("to").and_then(|to| DataType::try_from(i32::try_from(to.i).ok()?).ok()),
        "Constant" => node.attribute.iter().find_map(of_constant),
        "ConstantOfShape" => match attribute("value") {
            Some(value) => of_constant(value),
            None => Some(DataType::Float),
        },
        "DequantizeLinear" => match attribute("output_dtype").map(|to| to.i).filter(|to| *to != 0) {
            Some(to) => DataType::try_from(i32::try_from(to).ok()?).ok(),
            None => input(1),
        },
        "EyeLike" => match attribute("dtype") {
            Some(to) => DataType::try_from(i32::try_from(to.i).ok()?).ok(),
            None => input(0),
        },
        "LinearClassifier" | "LinearRegressor" | "SVMRegressor" | "Scaler" => Some(DataType::Float),
        "OneHot" => input(2),
        "Where" => input(1),
        _ => input(0),
    }
}

fn of_constant(attribute: &AttributeProto) -> Option<DataType> {
    match attribute.name.as_str() {
        "value" => attribute.t.as_ref().and_then(|stored| DataType::try_from(stored.data_type).ok()),
        "value_float" | "value_floats" => Some(DataType::Float),
        "value_int" | "value_ints" => Some(DataType::Int64),
        _ => None,
    }
}

impl Tensor {
    /// The numbers as the type holds them: floating point to the nearest, ties to even, beyond the largest infinite; integers
    /// as they are.
    ///
    /// # Errors
    /// An integer that the type does not hold, or a type of neither.
    pub(super) fn in_type(&self, to: DataType) -> Result<Self, Reason> {
        let shape = self.shape.clone();
        if is_float(to) {
            let numbers: Vec<f64> = match &self.data {
                Data::Float(data) => data.iter().map(|&v| rounded(v, to)).collect(),
                Data::Integer(data) => data.iter().map(|&v| from_integer(v, to)).collect(),
            };
            return Ok(Self::floats(shape, numbers));
        }
        let numbers: Option<Vec<i64>> = match &self.data {
            Data::Float(data) => data.iter().map(|&v| truncated(v, to)).collect(),
            Data::Integer(data) => data.iter().map(|&v| narrowed(v, to)).collect(),
        };
        let refusal = || format!("casts a constant to {}, which does not hold it", to.as_str_name().to_lowercase());
        Ok(Self::integers(shape, numbers.ok_or_else(refusal)?))
    }
}

/// The nearest number of a float type.
pub(super) fn rounded(v: f64, to: DataType) -> f64 {
    match to {
        DataType::Float16 => shortened(v, 10, -14, 65504.0),
        DataType::Bfloat16 => shortened(v, 7, -126, f64::from(f32::from_bits(0x7f7f_0000))),
        DataType::Float => f64::from(v as f32),
        _ => v,
    }
}

/// An integer as a float type holds it, rounded once where that is possible.
fn from_integer(v: i64, to: DataType) -> f64 {
    if to == DataType::Float { f64::from(v as f32) } else { rounded(v as f64, to) }
}

/// The nearest number with that many bits of fraction, ties to even; beyond the largest, infinity.
fn shortened(v: f64, bits: i32, least_exponent: i32, largest: f64) -> f64 {
    if v == 0.0 || !v.is_finite() {
        return v;
    }
    let exponent = ((v.to_bits() >> 52 & 0x7ff) as i32 - 1023).max(least_exponent);
    let step = 2_f64.powi(exponent - bits);
    let short = (v / step).round_ties_even() * step;
    if short.abs() > largest { f64::INFINITY.copysign(v) } else { short }
}

fn truncated(v: f64, to: DataType) -> Option<i64> {
    const LARGEST: f64 = (1_u64 << 62) as f64;
    if to == DataType::Bool {
        return Some(i64::from(v != 0.0));
    }
    (v.abs() < LARGEST).then_some(v.trunc() as i64).and_then(|v| narrowed(v, to))
}

fn narrowed(v: i64, to: DataType) -> Option<i64> {
    let fits = match to {
        DataType::Bool => return Some(i64::from(v != 0)),
        DataType::Int64 => true,
        DataType::Int32 => i32::try_from(v).is_ok(),
        DataType::Int16 => i16::try_from(v).is_ok(),
        DataType::Int8 => i8::try_from(v).is_ok(),
        DataType::Uint16 => u16::try_from(v).is_ok(),
        DataType::Uint8 => u8::try_from(v).is_ok(),
        _ => false,
    };
    fits.then_some(v)
}
