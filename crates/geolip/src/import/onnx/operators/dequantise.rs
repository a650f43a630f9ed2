//! DequantizeLinear of constants: weights that are stored in few bits, (x − zero point)·scale.
//!
//! Of tensors that depend on the input it is refused: what quantised them jumps.

use super::axes::single;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor, elements, expand};
use crate::import::onnx::types::rounded;
use crate::import::onnx::{NodeOutputs, Reason};

/// One scale for all entries, one per index of an axis, or one per block along an axis.
pub(in crate::import::onnx) fn dequantise(call: &mut Call<'_>) -> NodeOutputs {
    let lacks = |what: &str| format!("lacks its {what}");
    let x = call.take_constant(0)?.ok_or_else(|| lacks("input"))?;
    let scale = call.take_constant(1)?.ok_or_else(|| lacks("scale"))?;
    let zero = call.take_constant(2)?;
    let block = if call.opset < 21 { 0 } else { call.attributes.integer("block_size", 0)? };
    let block = usize::try_from(block).map_err(|_| format!("has block_size = {block}"))?;
    if call.opset >= 23 {
        call.attributes.integer("output_dtype", 0)?; // the type of what this gives, which is known
    }
    let element_type = call.element_type.ok_or("gives numbers of a type that is not known")?;
    let scales = call.weights(1, &scale)?;
    if let Some(zero) = &zero
        && zero.shape != scale.shape
    {
        return Err(format!("has scales of shape {:?} and zero points of shape {:?}", scale.shape, zero.shape));
    }
    let whole = scales.len() == 1 && scale.shape.len() <= 1 && block == 0;
    let axis = match call.opset {
        ..13 => None,
        _ if whole => {
            call.attributes.integer("axis", 1)?;
            None
        }
        _ => Some(single(call, 1, x.shape.len())?),
    };
    let Data::Integer(numbers) = &x.data else { return Err("works on floating-point numbers".to_owned()) };
    let zeros = zero.as_ref().map(|zero| zero.as_integers().map(<[i64]>::to_vec)).transpose()?;
    let zeros = zeros.unwrap_or_else(|| vec![0; scales.len()]);
    let places = match axis {
        None if whole => vec![0; numbers.len()],
        None => return Err(format!("has {} scales where one is needed", scales.len())),
        Some(axis) => places(&x.shape, &scale.shape, axis, block)?,
    };
    let number = |(&q, at): (&i64, usize)| {
        let steps = q.checked_sub(zeros[at]).ok_or("overflows")?;
        Ok::<f64, Reason>(rounded(steps as f64, element_type) * scales[at])
    };
    let data = numbers.iter().zip(places).map(number).collect::<Result<_, _>>()?;
    Ok(vec![Tensor::floats(x.shape.clone(), data).into()])
}

/// For each entry, which scale is its own.
fn places(shape: &[usize], scales: &[usize], axis: usize, block: usize) -> Result<Vec<usize>, Reason> {
    let misfit =
        || format!("has scales of shape {scales:?} for the shape {shape:?}, axis {axis} and blocks of {block}");
    let numbers: Vec<usize> = (0..elements(scales)?).collect();
    if block == 0 {
        let mut along = vec![1; shape.len()];
        along[axis] = shape[axis];
        if scales != [shape[axis]] {
            return Err(misfit());
        }
        return expand(&numbers, &along, shape);
    }
    let fits = |a: usize| if a == axis { shape[a].div_ceil(block) == scales[a] } else { shape[a] == scales[a] };
    if scales.len() != shape.len() || !(0..shape.len()).all(fits) {
        return Err(misfit());
    }
    let inner: usize = shape[axis + 1..].iter().product();
    let place = |at: usize| {
        let (outer, along, rest) = (at / (inner * shape[axis]), at / inner % shape[axis], at % inner);
        numbers[(outer * scales[axis] + along / block) * inner + rest]
    };
    Ok((0..elements(shape)?).map(place).collect())
}
