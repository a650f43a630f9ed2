//! Picking entries: every reshape, transposition, slice, pad, concatenation and nearest-neighbour resize.

use crate::matrix::{Matrix, Store};

/// yᵢ = x at the source of i, or 0 where i has none. Sources may repeat, and need not all be used.
///
/// The adjoint adds up what was copied, so sums over axes are transposed gathers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    cols: usize,
    /// One source per row; [`Self::ZERO`] for none.
    sources: Vec<u32>,
    /// How often the most copied entry is copied, at least 1.
    copies: usize,
}

impl Gather {
    /// The source of an entry that is always zero.
    const ZERO: u32 = u32::MAX;

    /// Picks from vectors of length `cols`; `None` where a source lies outside, or there are more than 2³² − 1 entries.
    pub fn new(cols: usize, sources: impl IntoIterator<Item = Option<usize>>) -> Option<Self> {
        let limit = u32::try_from(cols).ok().filter(|n| *n < Self::ZERO)?;
        let place = |source: Option<usize>| match source {
            None => Some(Self::ZERO),
            Some(j) => u32::try_from(j).ok().filter(|j| *j < limit),
        };
        let sources: Vec<u32> = sources.into_iter().map(place).collect::<Option<_>>()?;
        let mut counts = vec![0_usize; cols];
        sources.iter().filter(|j| **j != Self::ZERO).for_each(|j| counts[*j as usize] += 1);
        let copies = counts.into_iter().max().unwrap_or(0).max(1);
        Some(Self { cols, sources, copies })
    }

    /// Length of the result.
    pub fn rows(&self) -> usize {
        self.sources.len()
    }

    /// Length of the argument.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Where every entry of the result comes from.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Option<usize>> + '_ {
        (0..self.sources.len()).map(|i| self.source(i))
    }

    /// Where entry `i` of the result comes from.
    pub fn source(&self, i: usize) -> Option<usize> {
        self.sources.get(i).filter(|j| **j != Self::ZERO).map(|j| *j as usize)
    }

    /// How often the most copied entry is copied: the length of the longest sum of the adjoint.
    pub(super) fn copies(&self) -> usize {
        self.copies
    }

    pub(super) fn forward(&self, x: &Matrix, into: Store, y: &mut Matrix) {
        for (i, source) in self.sources().enumerate() {
            let y = y.row_mut(i);
            match (source, into) {
                (Some(j), Store::Replace) => y.copy_from_slice(x.row(j)),
                (Some(j), Store::Add) => y.iter_mut().zip(x.row(j)).for_each(|(y, x)| *y += x),
                (None, Store::Replace) => y.fill(0.0),
                (None, Store::Add) => {}
            }
        }
    }

    pub(super) fn adjoint(&self, y: &Matrix, into: Store, x: &mut Matrix) {
        if into == Store::Replace {
            x.fill(0.0);
        }
        for (i, source) in self.sources().enumerate() {
            if let Some(j) = source {
                x.row_mut(j).iter_mut().zip(y.row(i)).for_each(|(x, y)| *x += y);
            }
        }
    }
}
