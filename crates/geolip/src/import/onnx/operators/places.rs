//! Tensors of places: where in a node's vector the entries of a tensor lie.
//!
//! Whatever only moves numbers arranges places first, like a tensor, and becomes one gather at the end ([`moved`]).

use crate::import::onnx::Reason;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{Data, Tensor, elements, expand};
use crate::import::onnx::value::{Value, Variable};
use crate::network::{Gather, LinearMap};

/// The most numbers that a tensor made by moving others may hold.
pub(super) const LARGEST_TENSOR: usize = 1 << 24;

/// A tensor whose entries are places in a vector, or zero.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Places {
    pub(super) shape: Vec<usize>,
    /// The length of the vector.
    of: usize,
    /// The place of each entry, row-major; none for an entry that is zero.
    pub(super) sources: Vec<Option<usize>>,
}

impl Places {
    /// Every entry of a tensor at its own place.
    pub(super) fn of(shape: &[usize]) -> Result<Self, Reason> {
        let of = bounded(shape)?;
        Ok(Self { shape: shape.to_vec(), of, sources: (0..of).map(Some).collect() })
    }

    /// Entries of a vector of length `of` as a tensor of rank 1.
    pub(super) fn listed(of: usize, sources: Vec<Option<usize>>) -> Self {
        Self { shape: vec![sources.len()], of, sources }
    }

    /// The same places under another shape.
    pub(super) fn reshaped(self, shape: Vec<usize>) -> Result<Self, Reason> {
        if elements(&shape)? != self.sources.len() {
            return Err(format!("cannot turn the shape {:?} into {shape:?}", self.shape));
        }
        Ok(Self { shape, ..self })
    }

    /// Axis i of the result is axis `axes[i]` of this tensor.
    pub(super) fn transposed(self, axes: &[usize]) -> Self {
        let mut order = vec![0];
        for &axis in axes {
            let stride: usize = self.shape[axis + 1..].iter().product();
            order = order.iter().flat_map(|&at| (0..self.shape[axis]).map(move |i| at + i * stride)).collect();
        }
        let shape = axes.iter().map(|&axis| self.shape[axis]).collect();
        Self { shape, of: self.of, sources: order.into_iter().map(|at| self.sources[at]).collect() }
    }

    /// Undoes [`Self::transposed`]: axis i of this tensor is axis `axes[i]` of the result.
    pub(super) fn put_back(self, axes: &[usize]) -> Self {
        let mut back = vec![0; axes.len()];
        axes.iter().enumerate().for_each(|(i, axis)| back[*axis] = i);
        self.transposed(&back)
    }

    /// Index i of `axis` becomes what index `pick(i)` was, or zero.
    pub(super) fn picked(
        self,
        axis: usize,
        count: usize,
        pick: impl Fn(usize) -> Option<usize>,
    ) -> Result<Self, Reason> {
        let mut shape = self.shape;
        let size = std::mem::replace(&mut shape[axis], count);
        let mut sources = Vec::with_capacity(bounded(&shape)?);
        let inner: usize = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        for outer in 0..outer {
            for i in 0..count {
                match pick(i).filter(|&j| j < size).map(|j| (outer * size + j) * inner) {
                    Some(start) => sources.extend_from_slice(&self.sources[start..start + inner]),
                    None => sources.extend(std::iter::repeat_n(None, inner)),
                }
            }
        }
        Ok(Self { shape, of: self.of, sources })
    }

    /// Entries repeated by numpy's rules to fill a shape.
    pub(super) fn expanded(self, shape: &[usize]) -> Result<Self, Reason> {
        bounded(shape)?;
        let sources = expand(&self.sources, &self.shape, shape)?;
        Ok(Self { shape: shape.to_vec(), of: self.of, sources })
    }

    /// The map from the vector to the tensor.
    pub(super) fn map(&self) -> Result<LinearMap, Reason> {
        if self.is_still() {
            return Ok(LinearMap::Identity(self.of));
        }
        let gather = Gather::new(self.of, self.sources.iter().copied());
        gather.map(LinearMap::Gather).ok_or_else(|| "works on a tensor that is too large".to_owned())
    }

    /// Whether every entry is at its own place.
    fn is_still(&self) -> bool {
        self.sources.len() == self.of && self.sources.iter().enumerate().all(|(i, source)| *source == Some(i))
    }
}

/// The number of entries of a shape, which is not too large.
pub(super) fn bounded(shape: &[usize]) -> Result<usize, Reason> {
    match elements(shape)? {
        count if count <= LARGEST_TENSOR => Ok(count),
        _ => Err(format!("makes a tensor of shape {shape:?}; at most {LARGEST_TENSOR} numbers are supported")),
    }
}

/// The tensor of what is at the given places of another one.
pub(super) fn moved(call: &mut Call<'_>, value: Value, places: Places) -> Result<Value, Reason> {
    match value {
        Value::Variable(x) => Ok(Value::Variable(gathered(call, x, places)?)),
        Value::Constant(tensor) => Ok(of_constant(&tensor, places).into()),
    }
}

/// Axis i of the result is axis `axes[i]` of the tensor.
pub(super) fn transposed(call: &mut Call<'_>, x: Variable, axes: &[usize]) -> Result<Variable, Reason> {
    let places = Places::of(&x.shape)?.transposed(axes);
    gathered(call, x, places)
}

/// What is at the given places of a tensor that depends on the input. Without a move there is no node.
pub(super) fn gathered(call: &mut Call<'_>, x: Variable, places: Places) -> Result<Variable, Reason> {
    match places.map()? {
        LinearMap::Identity(_) => Ok(Variable { shape: places.shape, ..x }),
        map => {
            call.made += map.rows();
            call.linear(vec![(x.id, map)], None, places.shape)
        }
    }
}

fn of_constant(tensor: &Tensor, places: Places) -> Tensor {
    fn at<T: Copy + Default>(data: &[T], sources: &[Option<usize>]) -> Vec<T> {
        sources.iter().map(|source| source.map_or(T::default(), |at| data[at])).collect()
    }
    let data = match &tensor.data {
        Data::Float(data) => Data::Float(at(data, &places.sources)),
        Data::Integer(data) => Data::Integer(at(data, &places.sources)),
    };
    Tensor { shape: places.shape, data }
}

/// A tensor repeated by numpy's rules to fill a shape.
pub(super) fn repeated(call: &mut Call<'_>, x: Variable, shape: &[usize]) -> Result<Variable, Reason> {
    if elements(shape)? == x.len() {
        return Ok(Variable { shape: shape.to_vec(), ..x });
    }
    let places = Places::of(&x.shape)?.expanded(shape)?;
    gathered(call, x, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(places: Result<Places, Reason>) -> Vec<Option<usize>> {
        places.expect("fits").sources
    }

    #[test]
    fn places_move_like_the_entries_of_a_tensor() {
        let tensor = || Places::of(&[2, 3]).expect("small");
        assert_eq!(tensor().transposed(&[1, 0]).sources, [0, 3, 1, 4, 2, 5].map(Some));
        let turned = Places::of(&[2, 3, 4]).expect("small").transposed(&[1, 2, 0]).put_back(&[1, 2, 0]);
        assert_eq!(Ok(turned), Places::of(&[2, 3, 4]), "put back");
        let picked = tensor().picked(1, 3, |i| if i == 1 { None } else { Some(2 - i) });
        assert_eq!(sources(picked), [Some(2), None, Some(0), Some(5), None, Some(3)]);
        assert_eq!(sources(tensor().picked(0, 1, |_| Some(1))), [3, 4, 5].map(Some));
        assert_eq!(sources(tensor().picked(0, 1, |_| Some(2))), [None; 3], "nothing lies outside");
        let row = Places::of(&[1, 2]).and_then(|row| row.expanded(&[2, 2]));
        assert_eq!(sources(row), [0, 1, 0, 1].map(Some));
    }

    #[test]
    fn what_does_not_move_is_the_identity() {
        let still = Places::of(&[2, 1, 3]).expect("small").transposed(&[1, 0, 2]);
        assert_eq!(still.map(), Ok(LinearMap::Identity(6)));
        let moving = Places::of(&[2, 3]).expect("small").transposed(&[1, 0]);
        assert_eq!(moving.map().map(|map| map.name()), Ok("gather"));
    }

    #[test]
    fn nothing_large_is_allocated() {
        let tensor = || Places::of(&[2, 3]).expect("small");
        assert!(tensor().picked(0, usize::MAX, Some).is_err());
        assert!(tensor().picked(1, 1 << 24, Some).is_err());
        assert!(tensor().expanded(&[1 << 24, 2, 3]).is_err());
        assert!(tensor().reshaped(vec![7]).is_err());
    }
}
