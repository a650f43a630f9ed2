//! Entries picked and put by tensors of constant indices: GatherND, GatherElements, ScatterND, ScatterElements.

use super::assembly::{Part, assembled};
use super::axes::{counted, single};
use super::places::{Places, bounded, moved};
use crate::import::Quoted;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor, elements};
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::LinearMap;

/// Indices along the first axes behind the batch, one tuple for each slice of the result.
pub(super) fn gather_nd(call: &mut Call<'_>) -> NodeOutputs {
    let batch = if call.opset < 12 { 0 } else { call.attributes.integer("batch_dims", 0)? };
    let value = call.take(0)?;
    let indices = indices(call)?;
    let batch = usize::try_from(batch).ok().filter(|&b| b < indices.shape.len() && b < value.shape().len());
    let batch = batch.ok_or("counts more axes as a batch than there are")?;
    let tuples = Tuples::of(value.shape(), &indices, batch)?;
    let shape = [&indices.shape[..indices.shape.len() - 1], &value.shape()[batch + tuples.depth..]].concat();
    bounded(&shape)?;
    let places = Places::listed(elements(value.shape())?, tuples.places().map(Some).collect()).reshaped(shape)?;
    Ok(vec![moved(call, value, places)?])
}

/// An index along one axis for each entry of the result.
pub(super) fn gather_elements(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let indices = indices(call)?;
    let axis = single(call, 0, value.shape().len())?;
    let places = along(value.shape(), &indices, axis)?;
    let places = places.into_iter().map(Some).collect();
    let places = Places::listed(elements(value.shape())?, places).reshaped(indices.shape.clone())?;
    Ok(vec![moved(call, value, places)?])
}

/// Slices put at tuples of indices along the first axes.
pub(super) fn scatter_nd(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let indices = indices(call)?;
    let updates = call.take(2)?;
    let tuples = Tuples::of(value.shape(), &indices, 0)?;
    let shape = [&indices.shape[..indices.shape.len() - 1], &value.shape()[tuples.depth..]].concat();
    if updates.shape() != shape {
        return Err(format!("puts a tensor of shape {:?} where {shape:?} is needed", updates.shape()));
    }
    let since = 16;
    scattered(call, value, updates, tuples.places().collect(), since)
}

/// Each entry put at an index along one axis.
pub(super) fn scatter_elements(call: &mut Call<'_>) -> NodeOutputs {
    let value = call.take(0)?;
    let indices = indices(call)?;
    let updates = call.take(2)?;
    let axis = single(call, 0, value.shape().len())?;
    if updates.shape() != indices.shape {
        return Err(format!("puts a tensor of shape {:?} at indices of shape {:?}", updates.shape(), indices.shape));
    }
    let targets = along(value.shape(), &indices, axis)?;
    let since = 16;
    scattered(call, value, updates, targets, since)
}

/// The first tensor with entry j of the second put at place `targets[j]`, or added to what is there. (The attribute that says so
/// exists from an operator set on.)
fn scattered(call: &mut Call<'_>, value: Value, updates: Value, targets: Vec<usize>, since: i64) -> NodeOutputs {
    let mode = if call.opset < since { "none".to_owned() } else { call.attributes.text("reduction", "none")? };
    let shape = value.shape().to_vec();
    let mut own = Places::of(&shape)?;
    let mut put = vec![None; own.sources.len()];
    let mut twice = false;
    for (j, &target) in targets.iter().enumerate() {
        twice |= put[target].replace(j).is_some();
    }
    match mode.as_str() {
        "none" if twice => return Err("puts two entries at one place, which implementations do differently".to_owned()),
        "none" => targets.iter().for_each(|&target| own.sources[target] = None),
        "add" => {}
        other => return Err(format!("has reduction = {}; 'none' and 'add' are supported", Quoted(other))),
    }
    let (updates, places) = if twice {
        (summed(call, updates, &targets, &shape)?, Places::of(&shape)?)
    } else {
        let places = Places::listed(targets.len(), put).reshaped(shape.clone())?;
        (updates, places)
    };
    let parts = vec![Part { input: 0, value, places: own }, Part { input: 2, value: updates, places }];
    assembled(call, parts, shape)
}

/// A tensor of zeros to which entry j is added at `targets[j]`.
fn summed(call: &mut Call<'_>, updates: Value, targets: &[usize], shape: &[usize]) -> Result<Value, Reason> {
    match updates {
        Value::Variable(x) => {
            let places = Places::listed(elements(shape)?, targets.iter().copied().map(Some).collect());
            let map = LinearMap::Transpose(Box::new(places.map()?));
            let Variable { id, .. } = call.linear(vec![(x.id, map)], None, shape.to_vec())?;
            Ok(Value::Variable(Variable { id, shape: shape.to_vec() }))
        }
        Value::Constant(tensor) => {
            call.rough = true; // in some order
            let mut sums = vec![0.0; elements(shape)?];
            let Data::Float(data) = &tensor.data else { return Err("adds up integers at one place".to_owned()) };
            targets.iter().zip(data).for_each(|(&target, v)| sums[target] += v);
            Ok(Tensor::floats(shape.to_vec(), sums).into())
        }
    }
}

fn indices(call: &mut Call<'_>) -> Result<std::rc::Rc<Tensor>, Reason> {
    call.take_constant(1)?.ok_or_else(|| "lacks its indices".to_owned())
}

/// An index that may count back from the end.
fn index(given: i64, size: usize) -> Result<usize, Reason> {
    let at = counted(given, size).filter(|at| *at < size);
    at.ok_or_else(|| format!("names index {given} of an axis of size {size}"))
}

/// For each index, the place in the tensor that has it along an axis and the index's own position along the others.
fn along(shape: &[usize], indices: &Tensor, axis: usize) -> Result<Vec<usize>, Reason> {
    let inside = |a: usize| a == axis || indices.shape[a] <= shape[a];
    if indices.shape.len() != shape.len() || !(0..shape.len()).all(inside) {
        return Err(format!("has indices of shape {:?} for a tensor of shape {shape:?}", indices.shape));
    }
    bounded(&indices.shape)?;
    let mut places = Vec::with_capacity(indices.len());
    for (number, &given) in indices.as_integers()?.iter().enumerate() {
        let (mut rest, mut place, mut stride) = (number, 0, 1);
        for a in (0..shape.len()).rev() {
            let own = rest % indices.shape[a];
            rest /= indices.shape[a];
            place += stride * if a == axis { index(given, shape[a])? } else { own };
            stride *= shape[a];
        }
        places.push(place);
    }
    Ok(places)
}

/// Slices of a tensor, by tuples of indices along its first axes behind a batch.
struct Tuples {
    /// How many axes a tuple indexes.
    depth: usize,
    /// Where each slice begins.
    starts: Vec<usize>,
    /// How many entries a slice has.
    len: usize,
}

impl Tuples {
    fn of(shape: &[usize], indices: &Tensor, batch: usize) -> Result<Self, Reason> {
        let misfit = || format!("has indices of shape {:?} for a tensor of shape {shape:?}", indices.shape);
        let (&depth, outer) = indices.shape.split_last().ok_or_else(misfit)?;
        if batch + depth > shape.len() || outer.len() < batch || outer[..batch] != shape[..batch] || depth == 0 {
            return Err(misfit());
        }
        let len = elements(&shape[batch + depth..])?;
        let (count, batches) = (elements(outer)?, elements(&outer[..batch])?);
        bounded(&[count, len])?;
        let block = elements(&shape[batch..])?;
        let per_batch = count.checked_div(batches).unwrap_or(0).max(1);
        let mut starts = Vec::with_capacity(count);
        for (number, tuple) in indices.as_integers()?.chunks(depth).enumerate() {
            let mut place = 0;
            for (&given, &size) in tuple.iter().zip(&shape[batch..]) {
                place = place * size + index(given, size)?;
            }
            starts.push(number / per_batch * block + place * len);
        }
        Ok(Self { depth, starts, len })
    }

    /// The places of the entries of all slices.
    fn places(&self) -> impl Iterator<Item = usize> {
        self.starts.iter().flat_map(|&start| start..start + self.len)
    }
}
