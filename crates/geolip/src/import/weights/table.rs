//! Rows of numbers from data files: a `.npy` array, or text with one row per line. Not what the numbers mean.
//!
//! Text is read strictly. Cells stand between commas, semicolons or tabs, whichever the first line has (quoted or not, as
//! spreadsheets write them), or else between white space. Every row has as many cells as the first, every cell is a number,
//! and there is no empty line but at the end: anything else is an error that names the line and the column. A byte-order
//! mark is skipped. The first line is a heading if none of its cells is a number, or if that is said.

use super::npy;
use crate::import::{ImportError, Quoted, stored};
use std::path::Path;

/// Rows of numbers, all of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The names in its heading; none where it has none.
    pub names: Option<Vec<String>>,
    /// The rows; at least one, with at least one number.
    pub rows: Vec<Vec<f64>>,
    /// Whether they are lines of text: single numbers, one per line, may be a row.
    pub(crate) is_text: bool,
    /// Whether a heading was neither found nor declared nor denied, though there might be one of numbers.
    pub(crate) may_have_heading: bool,
}

impl Table {
    /// Rows from elsewhere; they have one length.
    pub fn of(rows: Vec<Vec<f64>>) -> Self {
        Self { names: None, rows, is_text: false, may_have_heading: false }
    }
}

/// Reads the rows of a `.npy` array (a vector is one row; of an array with more axes, the first counts the rows), or of a
/// text file. `heading` says whether its first line is one; where it is not given, a line without any number is.
///
/// # Errors
/// [`ImportError`], with the line and the column.
pub fn load_table(path: &Path, heading: Option<bool>) -> Result<Table, ImportError> {
    let (bytes, _) = stored::read(path)?;
    read(&bytes, heading).map_err(|reason| ImportError::Malformed { path: path.to_owned(), reason })
}

fn read(bytes: &[u8], heading: Option<bool>) -> Result<Table, String> {
    if bytes.starts_with(b"\x93NUMPY") {
        if heading == Some(true) {
            return Err("a NumPy array has no heading; leave out --header".to_owned());
        }
        let array = npy::read(bytes).map_err(|reason| format!("the array {reason}"))?;
        let rows = if array.shape.len() > 1 { array.shape[0] } else { 1 };
        return match array.data.len().checked_div(rows) {
            Some(columns) if columns > 0 => Ok(Table::of(array.data.chunks(columns).map(<[f64]>::to_vec).collect())),
            Some(_) | None => Err("the array holds no numbers".to_owned()),
        };
    }
    let text =
        str::from_utf8(bytes).map_err(|_| "neither a NumPy array nor text with numbers (in UTF-8)".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_end();
    let lines = lines(text)?;
    let mut lines = lines.into_iter();
    let Some(first) = lines.next() else { return Err("the file holds no numbers".to_owned()) };
    let columns = first.cells.len();
    let is_heading = heading.unwrap_or_else(|| !first.cells.iter().any(|cell| cell.parse::<f64>().is_ok()));
    let (names, mut rows) = match is_heading {
        true => (Some(first.cells), Vec::new()),
        false => (None, vec![first.numbers(heading.is_none())?]),
    };
    for line in lines {
        if line.cells.len() != columns {
            let found = line.cells.len();
            return Err(format!("line {} has {found} cells, but the first has {columns}", line.number));
        }
        rows.push(line.numbers(false)?);
    }
    if rows.is_empty() {
        return Err("the file holds a heading but no numbers".to_owned());
    }
    Ok(Table { may_have_heading: names.is_none() && heading.is_none(), is_text: true, names, rows })
}

/// A line, as it is cut into cells.
struct Line {
    /// Counted from 1.
    number: usize,
    cells: Vec<String>,
}

impl Line {
    /// The numbers; `first` is whether this could be a heading of the file.
    fn numbers(&self, first: bool) -> Result<Vec<f64>, String> {
        let number = |(column, cell): (usize, &String)| {
            cell.parse::<f64>().map_err(|_| {
                let place = format!("line {}, column {}", self.number, column + 1);
                let what =
                    if cell.is_empty() { "is empty".to_owned() } else { format!("{} is not a number", Quoted(cell)) };
                let hint = if first { "; if this line is a heading, say so with --header" } else { "" };
                let joint = if cell.is_empty() { " " } else { ": " };
                format!("{place}{joint}{what}{hint}")
            })
        };
        self.cells.iter().enumerate().map(number).collect()
    }
}

/// The lines of a text, which does not end in white space.
fn lines(text: &str) -> Result<Vec<Line>, String> {
    if let Some(empty) = text.lines().position(|line| line.trim().is_empty()) {
        return Err(format!("line {} is empty", empty + 1));
    }
    let first = text.lines().next().unwrap_or_default();
    let Some(delimiter) = [',', ';', '\t'].into_iter().find(|delimiter| first.contains(*delimiter)) else {
        let line = |(number, line): (usize, &str)| {
            let cells = line.split_whitespace().map(str::to_owned).collect();
            Line { number, cells }
        };
        return Ok((1..).zip(text.lines()).map(line).collect());
    };
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).trim(csv::Trim::All).delimiter(delimiter as u8);
    let mut lines = Vec::new();
    for record in reader.from_reader(text.as_bytes()).records() {
        let record = record.map_err(|error| format!("the text is not understood: {error}"))?;
        let number = record.position().map_or(lines.len() + 1, |at| usize::try_from(at.line()).unwrap_or(usize::MAX));
        lines.push(Line { number, cells: record.iter().map(str::to_owned).collect() });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<f64>> {
        read(text.as_bytes(), None).unwrap_or_else(|reason| panic!("{text:?}: {reason}")).rows
    }

    fn reason(text: &str) -> String {
        read(text.as_bytes(), None).expect_err("no table")
    }

    #[test]
    fn one_row_per_line_is_read() {
        let expected = vec![vec![1.0, 2.0], vec![3.0, 4.5]];
        for text in [
            "1,2\n3,4.5",
            "1, 2\r\n3, 4.5\r\n",
            "1;2\n3;4.5\n\n",
            "1\t2\n3\t4.5",
            " 1   2\n3 4.5 \n",
            "\"1\",\"2\"\n3,4.5",
        ] {
            assert_eq!(rows(text), expected, "{text:?}");
        }
        assert_eq!(rows("7"), [[7.0]]);
        assert_eq!(rows("1\n0.3\n"), [[1.0], [0.3]], "two rows of one number, not one of two");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_number() {
        assert_eq!(rows("\u{feff}1,2\n3,4"), [[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(rows("\u{feff}a,b\n3,4"), [[3.0, 4.0]]);
    }

    #[test]
    fn a_line_is_a_heading_only_without_numbers_or_where_it_is_said() {
        let table = read(b"label,a\n1,2", None).expect("a table");
        assert_eq!((table.names, table.may_have_heading), (Some(vec!["label".to_owned(), "a".to_owned()]), false));
        let table = read(b"0,1\n0.5,2", Some(true)).expect("a table");
        assert_eq!((table.names, table.rows), (Some(vec!["0".to_owned(), "1".to_owned()]), vec![vec![0.5, 2.0]]));
        assert_eq!(read(b"0,1\n0.5,2", Some(false)).map(|table| table.rows.len()), Ok(2));
        assert!(read(b"a,b\n0.5,2", Some(false)).is_err());
        let spoilt = reason("0.1,O.2\n0.3,0.4");
        assert_eq!(spoilt, "line 1, column 2: 'O.2' is not a number; if this line is a heading, say so with --header");
        assert_eq!(reason("a,b"), "the file holds a heading but no numbers");
    }

    #[test]
    fn what_is_not_one_number_per_cell_is_an_error_with_its_place() {
        for (text, expected) in [
            ("1,0.5,,0.3", "line 1, column 3 is empty; if this line is a heading, say so with --header"),
            ("1,2\n3,", "line 2, column 2 is empty"),
            ("1,2\n,3", "line 2, column 1 is empty"),
            ("1,2\n3", "line 2 has 1 cells, but the first has 2"),
            ("1,2\n3,4,5", "line 2 has 3 cells, but the first has 2"),
            ("1,2\n\n3,4", "line 2 is empty"),
            ("\n1,2", "line 1 is empty"),
            ("1,2\n3,four", "line 2, column 2: 'four' is not a number"),
            ("1 2\n3", "line 2 has 1 cells, but the first has 2"),
            ("1\ntwo", "line 2, column 1: 'two' is not a number"),
            (
                "1,5;2,5\n1,5;2,5",
                "line 1, column 2: '5;2' is not a number; if this line is a heading, say so with --header",
            ),
            ("", "the file holds no numbers"),
            ("\n \n", "the file holds no numbers"),
        ] {
            assert_eq!(reason(text), expected, "{text:?}");
        }
        assert!(reason("1,2\n\"3,4\n5,6").starts_with("line 2 has 1 cells"), "a quote that is never closed");
        assert!(read(b"\xff\xfe1\0", None).is_err(), "UTF-16");
    }

    #[test]
    fn arrays_have_rows_along_their_first_axis() {
        let array = |shape: &str| {
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
            let length = u16::try_from(header.len()).expect("short").to_le_bytes();
            [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &[0; 48]].concat()
        };
        for (shape, expected) in [("(6,)", (1, 6)), ("(2, 3)", (2, 3)), ("(3, 1, 2)", (3, 2)), ("(6, 1)", (6, 1))] {
            let table = read(&array(shape), None).expect(shape);
            assert_eq!((table.rows.len(), table.rows[0].len()), expected, "{shape}");
        }
        assert!(read(&array("(2, 3)"), Some(true)).is_err());
    }
}
