//! Single rows of linear maps.

use crate::network::{Convolution, LinearMap};
use crate::sparse::Sparse;
use std::collections::HashMap;
use std::marker::PhantomData;

/// Transposed maps with more entries are not written out.
const MOST_STORED: usize = 1 << 24;

/// Rows of the maps of one network. Transposed maps are written out once.
#[derive(Default)]
pub(super) struct Rows<'a> {
    /// By their places, which are theirs for as long as they are borrowed.
    written: HashMap<*const LinearMap, Sparse>,
    maps: PhantomData<&'a LinearMap>,
}

impl<'a> Rows<'a> {
    /// Appends the (column, value) of row `i`, in any order; whether the row is known.
    pub(super) fn append(&mut self, map: &'a LinearMap, i: usize, to: &mut Vec<(usize, f64)>) -> bool {
        match map {
            LinearMap::Identity(_) => to.push((i, 1.0)),
            LinearMap::Scale(s) => to.extend((s[i] != 0.0).then_some((i, s[i]))),
            LinearMap::Dense(w) => to.extend(w.row(i).iter().copied().enumerate().filter(|(_, v)| *v != 0.0)),
            LinearMap::Gather(gather) => to.extend(gather.source(i).map(|j| (j, 1.0))),
            LinearMap::Convolution(convolution) => of_convolution(convolution, i, to),
            LinearMap::Transpose(inner) => {
                if inner.nonzeros() > MOST_STORED {
                    return false;
                }
                let written = self.written.entry(std::ptr::from_ref(map)).or_insert_with(|| map.to_sparse());
                to.extend(written.row(i));
            }
        }
        true
    }
}

/// By the definition of a convolution.
fn of_convolution(convolution: &Convolution, row: usize, to: &mut Vec<(usize, f64)>) {
    let shape = convolution.shape();
    let split = |n: [usize; 3], at: usize| [at / (n[1] * n[2]), at / n[2] % n[1], at % n[2]];
    let (places, taps) = (shape.output.iter().product::<usize>(), shape.kernel.iter().product::<usize>());
    let size = shape.input.iter().product::<usize>();
    let (channel, at) = (row / places, split(shape.output, row % places));
    let per_group = shape.in_channels / shape.groups;
    let first = channel / (shape.out_channels / shape.groups) * per_group;
    let weights = convolution.weights().row(channel);
    for tap in 0..taps {
        let t = split(shape.kernel, tap);
        let place = |a: usize| {
            let place = (at[a] * shape.stride[a] + t[a] * shape.dilation[a]).checked_sub(shape.pad[a])?;
            (place < shape.input[a]).then_some(place)
        };
        let (Some(p), Some(q), Some(r)) = (place(0), place(1), place(2)) else { continue };
        let column = (p * shape.input[1] + q) * shape.input[2] + r;
        let weight = |c: usize| ((first + c) * size + column, weights[c * taps + tap]);
        to.extend((0..per_group).map(weight).filter(|(_, v)| *v != 0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{ConvolutionShape, Gather};

    #[test]
    fn rows_are_those_of_the_written_map() {
        let shape = ConvolutionShape {
            in_channels: 4,
            out_channels: 6,
            groups: 2,
            input: [2, 5, 4],
            output: [2, 3, 3],
            kernel: [1, 3, 2],
            stride: [1, 2, 1],
            dilation: [1, 1, 2],
            pad: [0, 1, 1],
        };
        let weights = (0..6 * 2 * 6).map(|i| ((i * i) as f64).sin()).collect();
        let convolution = LinearMap::Convolution(Convolution::new(shape, weights).expect("fits"));
        let gather = Gather::new(5, [Some(4), None, Some(0), Some(4)]).expect("inside");
        let maps = [
            LinearMap::Identity(3),
            LinearMap::Scale(vec![2.0, 0.0, -1.0]),
            LinearMap::Dense(Matrix::from_fn(3, 4, |i, j| (i * j) as f64)),
            LinearMap::Gather(gather.clone()),
            LinearMap::Transpose(Box::new(LinearMap::Gather(gather))),
            LinearMap::Transpose(Box::new(convolution.clone())),
            convolution,
        ];
        let mut rows = Rows::default();
        for map in &maps {
            let written = map.to_sparse();
            for i in 0..map.rows() {
                let mut row = vec![];
                assert!(rows.append(map, i, &mut row));
                row.sort_by_key(|(column, _)| *column);
                assert_eq!(row, written.row(i).collect::<Vec<_>>(), "row {i} of a {} map", map.name());
            }
        }
    }
}
