//! Operators that give what they are given: Identity, Cast, Dropout in inference mode; and Constant.

use crate::onnx::call::Call;
use crate::onnx::tensor::{Data, Tensor, USABLE, is_float, type_name};
use crate::onnx::value::Value;
use crate::onnx::{Lowered, Reason};
use tract_onnx::pb::tensor_proto::DataType;

pub(super) fn identity(call: &mut Call<'_>) -> Lowered {
    Ok(vec![call.take(0)?])
}

pub(super) fn constant(call: &mut Call<'_>) -> Lowered {
    Ok(vec![call.attributes.value()?.into()])
}

/// Between float types the network is the same function of real numbers; constants are rounded as the cast says.
pub(super) fn cast(call: &mut Call<'_>) -> Lowered {
    let target = i32::try_from(call.attributes.integer("to", 0)?).unwrap_or(0);
    if call.opset >= 19 {
        call.attributes.integer("saturate", 1)?; // of 8-bit floats only
    }
    if call.opset >= 24 {
        call.attributes.text("round_mode", "up")?; // of 8-bit exponents only
    }
    let element_type = DataType::try_from(target).unwrap_or(DataType::Undefined);
    match call.take(0)? {
        Value::Constant(tensor) => Ok(vec![converted(&tensor, element_type)?.into()]),
        value @ Value::Variable(_) => match element_type {
            _ if is_float(element_type) => Ok(vec![value]),
            _ => Err(format!("casts to {}; {USABLE}", type_name(target))),
        },
    }
}

fn converted(tensor: &Tensor, to: DataType) -> Result<Tensor, Reason> {
    let shape = tensor.shape.clone();
    if is_float(to) {
        let numbers: Vec<f64> = match &tensor.data {
            Data::Float(data) => data.iter().map(|&v| rounded(v, to)).collect(),
            Data::Integer(data) => data.iter().map(|&v| rounded(v as f64, to)).collect(),
        };
        return Ok(Tensor::floats(shape, numbers));
    }
    let numbers: Option<Vec<i64>> = match &tensor.data {
        Data::Float(data) => data.iter().map(|&v| truncated(v, to)).collect(),
        Data::Integer(data) => data.iter().map(|&v| narrowed(v, to)).collect(),
    };
    let refusal = || format!("casts a constant to {}, which does not hold it", to.as_str_name().to_lowercase());
    Ok(Tensor::integers(shape, numbers.ok_or_else(refusal)?))
}

/// The nearest number of a float type.
fn rounded(v: f64, to: DataType) -> f64 {
    match to {
        DataType::Float16 => shortened(v, 10, -14, 65504.0),
        DataType::Bfloat16 => shortened(v, 7, -126, f64::from(f32::from_bits(0x7f7f_0000))),
        DataType::Float => f64::from(v as f32),
        _ => v,
    }
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

/// In inference mode nothing is dropped. The ratio is then of no effect, and the mask has no meaning here.
pub(super) fn dropout(call: &mut Call<'_>) -> Lowered {
    if call.opset < 12 {
        call.attributes.float("ratio", 0.5)?;
    } else {
        call.attributes.integer("seed", 0)?;
        call.take_constant(1)?;
        if let Some(training) = call.take_integers(2)?
            && training != [0]
        {
            return Err("is in training mode, which is random; export in inference mode".to_owned());
        }
    }
    Ok(vec![call.take(0)?])
}
