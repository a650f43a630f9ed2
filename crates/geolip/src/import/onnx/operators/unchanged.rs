//! Operators that give what they are given: Identity, Cast, Dropout in inference mode; and Constant.

use crate::import::onnx::call::Call;
use crate::import::onnx::fold::{doubtful, is_nearly_whole};
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::tensor::{Data, Tensor, USABLE, is_float, is_short, type_name};
use crate::import::onnx::types::rounded;
use crate::import::onnx::value::Value;
use crate::import::onnx::{NodeOutputs, Reason};

pub(super) fn identity(call: &mut Call<'_>) -> NodeOutputs {
    Ok(vec![call.take(0)?])
}

pub(super) fn constant(call: &mut Call<'_>) -> NodeOutputs {
    Ok(vec![call.attributes.value()?.into()])
}

/// Between float types the network is the same function of real numbers; constants are rounded as the cast says.
pub(super) fn cast(call: &mut Call<'_>) -> NodeOutputs {
    let target = i32::try_from(call.attributes.integer("to", 0)?).unwrap_or(0);
    if call.opset >= 19 {
        call.attributes.integer("saturate", 1)?; // of 8-bit floats only
    }
    if call.opset >= 24 {
        call.attributes.text("round_mode", "up")?; // of 8-bit exponents only
    }
    let element_type = DataType::try_from(target).unwrap_or(DataType::Undefined);
    match call.take(0)? {
        Value::Constant(tensor) => {
            expect_certain(call, &tensor, element_type)?;
            Ok(vec![tensor.in_type(element_type)?.into()])
        }
        value @ Value::Variable(_) => match element_type {
            _ if is_float(element_type) => Ok(vec![value]),
            _ => Err(format!("casts to {}; {USABLE}", type_name(target))),
        },
    }
}

/// Numbers that implementations agree on, where a cast makes whole numbers of them or rounds them in one step or two.
fn expect_certain(call: &Call<'_>, tensor: &Tensor, to: DataType) -> Result<(), Reason> {
    let Data::Float(data) = &tensor.data else { return Ok(()) };
    if !is_float(to) && call.rough && data.iter().any(|&v| is_nearly_whole(v)) {
        return Err(doubtful());
    }
    let steps = |v: f64| rounded(v, to) != rounded(rounded(v, DataType::Float), to);
    if is_short(to as i64) && data.iter().any(|&v| steps(v)) {
        return Err("rounds a double to 16 bits, which implementations do in one step or two".to_owned());
    }
    Ok(())
}

/// In inference mode nothing is dropped. The ratio is then of no effect, and the mask has no meaning here.
pub(super) fn dropout(call: &mut Call<'_>) -> NodeOutputs {
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
