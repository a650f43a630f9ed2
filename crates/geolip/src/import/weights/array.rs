//! An array of numbers as a file holds it, and what its readers share. Not what the numbers mean.

/// An array, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<f64>,
}

/// The numbers in `bytes`, `N` bytes each.
pub(super) fn decoded<const N: usize>(bytes: &[u8], decode: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| decode(*chunk)).collect()
}

/// The numbers of a rows × cols matrix that is stored column after column, row after row.
pub(super) fn row_major(rows: usize, cols: usize, columns: &[f64]) -> Vec<f64> {
    (0..rows * cols).map(|index| columns[index % cols * rows + index / cols]).collect()
}
