//! Sparse matrices in compressed rows: how the certificate writes out convolutions and gathers.

/// A sparse matrix, row after row; the columns of a row ascend.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Sparse {
    cols: usize,
    /// Where each row starts in `columns` and `values`; one more for the end.
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Sparse {
    /// A matrix without rows, to be added with [`Self::push_row`].
    pub fn new(cols: usize) -> Self {
        Self { cols, starts: vec![0], columns: Vec::new(), values: Vec::new() }
    }

    /// Adds a row of (column, value), in ascending order of columns.
    ///
    /// # Panics
    /// When a column is outside the matrix, or 2³² or more.
    pub fn push_row(&mut self, entries: impl IntoIterator<Item = (usize, f64)>) {
        for (column, value) in entries {
            assert!(column < self.cols, "columns lie inside the matrix");
            self.columns.push(u32::try_from(column).expect("a matrix has fewer than 2^32 columns"));
            self.values.push(value);
        }
        self.starts.push(self.columns.len());
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of stored entries.
    pub fn stored(&self) -> usize {
        self.values.len()
    }

    /// The (column, value) of row `i`.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> + Clone + '_ {
        let range = self.starts[i]..self.starts[i + 1];
        self.columns[range.clone()].iter().zip(&self.values[range]).map(|(column, value)| (*column as usize, *value))
    }

    /// The transpose.
    pub fn transposed(&self) -> Self {
        let mut starts = vec![0; self.cols + 1];
        self.columns.iter().for_each(|column| starts[*column as usize + 1] += 1);
        (0..self.cols).for_each(|j| starts[j + 1] += starts[j]);
        let mut next = starts.clone();
        let (mut columns, mut values) = (vec![0; self.stored()], vec![0.0; self.stored()]);
        for i in 0..self.rows() {
            for (j, value) in self.row(i) {
                columns[next[j]] = u32::try_from(i).expect("a matrix has fewer than 2^32 rows");
                values[next[j]] = value;
                next[j] += 1;
            }
        }
        Self { cols: self.rows(), starts, columns, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_gives_the_matrix() {
        let mut m = Sparse::new(4);
        m.push_row([(0, 1.0), (3, 2.0)]);
        m.push_row([]);
        m.push_row([(1, -1.0), (2, 0.0), (3, 5.0)]);
        let t = m.transposed();
        assert_eq!((t.rows(), t.cols(), t.stored()), (4, 3, 5));
        assert_eq!(t.row(3).collect::<Vec<_>>(), [(0, 2.0), (2, 5.0)]);
        assert_eq!(t.transposed(), m);
    }
}
