//! Inputs as rows of numbers, with a label among them or without.

use super::Table;
use crate::import::Quoted;
use crate::network::Network;
use std::fmt;
use std::str::FromStr;

/// A row of a data file.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which row, counted from 0; a heading is none.
    pub row: usize,
    /// The number in the label's column, where there is one.
    pub label: Option<usize>,
    /// The input.
    pub input: Vec<f64>,
}

/// Which column of a data file holds labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelColumn {
    /// The first, where a row has one number more than the network has inputs; none where it has as many. What else it
    /// may be is refused: a last column that may hold labels as well, an index, and in any case for one input.
    #[default]
    Guess,
    /// None.
    None,
    /// The last.
    Last,
    /// This one, counted from 0.
    Number(usize),
    /// The one of this name in the heading.
    Name(String),
}

impl FromStr for LabelColumn {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match (text, text.parse()) {
            ("none", _) => Self::None,
            ("last", _) => Self::Last,
            (_, Ok(number)) => Self::Number(number),
            (name, Err(_)) => Self::Name(name.to_owned()),
        })
    }
}

impl fmt::Display for LabelColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guess => f.write_str("guess"),
            Self::None => f.write_str("none"),
            Self::Last => f.write_str("last"),
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Rows that are no samples of a network; what they are rows of is the caller's to say.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// One row has to be chosen, and none, or none that is there, was.
    #[error("it has {rows} rows; choose one with --row 0 to --row {}", rows.saturating_sub(1))]
    Row {
        /// How many there are.
        rows: usize,
    },
    /// Too few numbers, or too many.
    #[error(
        "row {row} has {found} numbers, but the network has {inputs} inputs; \
         give one number per input, or a label and then the inputs"
    )]
    Inputs {
        /// The row.
        row: usize,
        /// How many it has.
        found: usize,
        /// How many the network has.
        inputs: usize,
    },
    /// Too few numbers, or too many, besides the label's column.
    #[error("row {row} has {found} numbers besides the label's column, but the network has {inputs} inputs")]
    InputsBesides {
        /// The row.
        row: usize,
        /// How many it has.
        found: usize,
        /// How many the network has.
        inputs: usize,
    },
    /// NaN or infinite.
    #[error("row {row} holds {value}; its numbers have to be finite")]
    Number {
        /// The row.
        row: usize,
        /// What it holds.
        value: f64,
    },
    /// A label that is no output.
    #[error(
        "the label of row {row} is {value}; it has to be an output, from 0 to {}; say where labels are with --label-column",
        outputs - 1
    )]
    Label {
        /// The row.
        row: usize,
        /// What it is.
        value: f64,
        /// How many outputs the network has.
        outputs: usize,
    },
    /// The label's column is not there.
    #[error("there is no label column '{column}'; {known}")]
    Column {
        /// What was asked for.
        column: LabelColumn,
        /// What there is.
        known: String,
    },
    /// The rows can be read in two ways.
    #[error("{reason}")]
    Unclear {
        /// Which ways, and how to choose.
        reason: String,
    },
}

/// The chosen row as a sample, or all of them; inputs are multiplied by `scale`.
///
/// A column of single numbers is one row, where the network has as many inputs.
///
/// # Errors
/// [`SampleError`]; also where the rows may be samples in two ways.
pub fn samples(
    network: &Network,
    table: Table,
    chosen: Option<usize>,
    scale: f64,
    label: &LabelColumn,
) -> Result<Vec<Sample>, SampleError> {
    let table = upright(network, table, label)?;
    if chosen.is_some_and(|row| row >= table.rows.len()) {
        return Err(SampleError::Row { rows: table.rows.len() });
    }
    let column = column(network, &table, label)?;
    let rows = table.rows.into_iter().enumerate().filter(|(row, _)| chosen.is_none_or(|chosen| chosen == *row));
    rows.map(|(row, numbers)| sample(network, row, numbers, scale, column)).collect()
}

/// As [`samples`], where it has to be one.
///
/// # Errors
/// As for [`samples`].
pub fn one_sample(
    network: &Network,
    table: Table,
    chosen: Option<usize>,
    scale: f64,
    label: &LabelColumn,
) -> Result<Sample, SampleError> {
    let mut samples = samples(network, table, chosen, scale, label)?;
    match (samples.pop(), samples.is_empty()) {
        (Some(sample), true) => Ok(sample),
        (last, _) => Err(SampleError::Row { rows: samples.len() + usize::from(last.is_some()) }),
    }
}

/// A column of single numbers as the row that it is, unless the network has one input.
fn upright(network: &Network, table: Table, label: &LabelColumn) -> Result<Table, SampleError> {
    let (rows, inputs) = (table.rows.len(), network.inputs());
    if !table.is_text || rows == 1 || table.rows.iter().any(|row| row.len() != 1) {
        return Ok(table);
    }
    match (inputs, rows, label) {
        (1, 2, LabelColumn::Guess) => Err(SampleError::Unclear {
            reason:
                "two lines of one number each may be two inputs, or a label and an input: say --label-column none for \
                     two inputs, or write the label and the input on one line"
                    .to_owned(),
        }),
        (1, ..) => Ok(table),
        _ => Ok(Table::of(vec![table.rows.concat()])),
    }
}

/// Whether numbers are 0, 1, 2, ….
fn count_up<'a>(numbers: impl Iterator<Item = &'a f64>) -> bool {
    (0..).map(f64::from as fn(u32) -> f64).zip(numbers).all(|(count, number)| count == *number)
}

/// The column of the labels, if there is one.
fn column(network: &Network, table: &Table, label: &LabelColumn) -> Result<Option<usize>, SampleError> {
    let (inputs, width) = (network.inputs(), table.rows.first().map_or(0, Vec::len));
    let unclear = |reason: &str| Err(SampleError::Unclear { reason: reason.to_owned() });
    if table.may_have_heading && table.rows.len() > 1 && width > 1 && count_up(table.rows[0].iter()) {
        return unclear(
            "its first line counts 0, 1, 2, … and may be a heading: say --header, or --header=false if it is data",
        );
    }
    let known = || match &table.names {
        Some(names) if names.len() <= 12 => {
            let names: Vec<String> = names.iter().map(|name| Quoted(name).to_string()).collect();
            format!("the heading has {}", names.join(", "))
        }
        _ => format!("columns are counted from 0 to {}", width.saturating_sub(1)),
    };
    let missing = || SampleError::Column { column: label.clone(), known: known() };
    match label {
        LabelColumn::None => Ok(None),
        LabelColumn::Last => Ok(Some(width.saturating_sub(1))),
        LabelColumn::Number(number) if *number < width => Ok(Some(*number)),
        LabelColumn::Number(_) => Err(missing()),
        LabelColumn::Name(name) => {
            let mut found = table.names.iter().flatten().enumerate().filter(|(_, known)| *known == name);
            match (found.next(), found.next()) {
                (Some((column, _)), None) => Ok(Some(column)),
                (Some(_), Some(_)) => unclear("the heading has two columns of that name; choose one by its number"),
                (None, _) => Err(missing()),
            }
        }
        LabelColumn::Guess if width != inputs + 1 => Ok(None),
        LabelColumn::Guess if inputs == 1 => unclear(
            "two numbers for a network with one input may be a label and the input, or the input and a label: say which \
             column has the label, with --label-column 0 or --label-column last",
        ),
        LabelColumn::Guess => {
            let is_label = |value: &f64| value.fract() == 0.0 && (0.0..network.outputs() as f64).contains(value);
            let all = |column: usize, holds: &dyn Fn(&f64) -> bool| table.rows.iter().all(|row| holds(&row[column]));
            let unnamed = table.names.as_ref().is_some_and(|names| names[0].is_empty());
            if unnamed || (table.rows.len() > 2 && count_up(table.rows.iter().map(|row| &row[0]))) {
                return unclear(
                    "its first column may be an index, not labels: say which column has the labels, with --label-column \
                     (0 for the first), or save the file without the index",
                );
            }
            // the last pixels of pictures are 0 in all of them
            if all(0, &is_label) && all(inputs, &is_label) && !all(inputs, &|value| *value == 0.0) {
                return unclear(
                    "its first column and its last may both hold labels: say which one does, with --label-column 0 or \
                     --label-column last",
                );
            }
            Ok(Some(0))
        }
    }
}

fn sample(
    network: &Network,
    row: usize,
    mut numbers: Vec<f64>,
    scale: f64,
    column: Option<usize>,
) -> Result<Sample, SampleError> {
    let (inputs, outputs) = (network.inputs(), network.outputs());
    if let Some(value) = numbers.iter().find(|v| !v.is_finite()) {
        return Err(SampleError::Number { row, value: *value });
    }
    let value = column.filter(|column| *column < numbers.len()).map(|column| numbers.remove(column));
    let found = numbers.len();
    match value {
        _ if found == inputs => {}
        Some(_) => return Err(SampleError::InputsBesides { row, found, inputs }),
        None => return Err(SampleError::Inputs { row, found, inputs }),
    }
    let label = match value {
        Some(value) if value.fract() == 0.0 && (0.0..outputs as f64).contains(&value) => Some(value as usize),
        Some(value) => return Err(SampleError::Label { row, value, outputs }),
        None => None,
    };
    numbers.iter_mut().for_each(|v| *v *= scale);
    Ok(Sample { row, label, input: numbers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{LinearMap, NetworkBuilder};

    /// A linear network.
    fn network(inputs: usize, outputs: usize) -> Network {
        let mut b = NetworkBuilder::new(inputs).expect("inputs");
        let map = LinearMap::Dense(Matrix::from_fn(outputs, inputs, |i, j| (i + j) as f64));
        let y = b.affine("y", vec![(b.input(), map)], None).expect("it fits");
        b.finish(y)
    }

    /// A label and an input.
    type Read = (Option<usize>, Vec<f64>);

    /// Labels and inputs, or why there are none.
    fn read(inputs: usize, rows: &[&[f64]], label: &LabelColumn) -> Result<Vec<Read>, String> {
        let table = Table { is_text: true, ..Table::of(rows.iter().map(|row| row.to_vec()).collect()) };
        let found = samples(&network(inputs, 3), table, None, 1.0, label);
        found.map(|all| all.into_iter().map(|s| (s.label, s.input)).collect()).map_err(|error| error.to_string())
    }

    fn guess(inputs: usize, rows: &[&[f64]]) -> Result<Vec<Read>, String> {
        read(inputs, rows, &LabelColumn::Guess)
    }

    #[test]
    fn a_column_of_numbers_is_one_input_or_many() {
        assert_eq!(guess(3, &[&[1.0], &[2.0], &[3.0]]), Ok(vec![(None, vec![1.0, 2.0, 3.0])]));
        assert_eq!(guess(1, &[&[1.0], &[2.0], &[3.0]]).map(|all| all.len()), Ok(3));
        let unclear = guess(1, &[&[1.0], &[0.3]]).expect_err("two inputs, or a label and one");
        assert!(unclear.contains("--label-column none"), "{unclear}");
        let two = read(1, &[&[1.0], &[0.3]], &LabelColumn::None);
        assert_eq!(two, Ok(vec![(None, vec![1.0]), (None, vec![0.3])]));
    }

    #[test]
    fn an_input_is_not_taken_for_a_label() {
        let both = guess(1, &[&[1.0, 0.3]]).expect_err("one input");
        assert!(both.contains("--label-column 0 or --label-column last"), "{both}");
        assert_eq!(read(1, &[&[1.0, 0.3]], &LabelColumn::Number(0)), Ok(vec![(Some(1), vec![0.3])]));
        assert_eq!(read(1, &[&[0.3, 1.0]], &LabelColumn::Last), Ok(vec![(Some(1), vec![0.3])]));
        assert_eq!(guess(2, &[&[1.0, 0.5, 0.3]]), Ok(vec![(Some(1), vec![0.5, 0.3])]));
        assert!(guess(2, &[&[0.5, 0.3, 1.0]]).expect_err("labels are last").contains("--label-column"));
        let both = guess(2, &[&[1.0, 0.3, 1.0], &[0.0, 0.5, 2.0]]).expect_err("both ends hold labels");
        assert!(both.contains("its first column and its last may both hold labels"), "{both}");
        assert!(guess(2, &[&[1.0, 0.3, 0.0], &[0.0, 0.5, 0.0]]).is_ok(), "pictures end in 0");
        let index = guess(2, &[&[0.0, 0.3, 0.1], &[1.0, 0.5, 0.2], &[2.0, 0.5, 0.2]]).expect_err("an index");
        assert!(index.contains("may be an index"), "{index}");
        assert!(read(2, &[&[1.0, 0.3]], &LabelColumn::Last).expect_err("too few").contains("1 numbers besides"));
        assert!(read(2, &[&[1.0, 0.3, 0.2]], &LabelColumn::None).expect_err("too many").contains("3 numbers, but"));
        assert!(read(2, &[&[1.0, 0.3, 0.2]], &LabelColumn::Number(3)).expect_err("none").contains("from 0 to 2"));
    }

    #[test]
    fn headings_of_numbers_are_asked_about() {
        let table = |may_have_heading| Table { may_have_heading, ..Table::of(vec![vec![0.0, 1.0], vec![0.5, 0.25]]) };
        let open = samples(&network(2, 3), table(true), None, 1.0, &LabelColumn::Guess).expect_err("0,1 is a heading");
        assert!(open.to_string().contains("--header=false"), "{open}");
        assert!(samples(&network(2, 3), table(false), None, 1.0, &LabelColumn::Guess).is_ok());
    }

    #[test]
    fn labels_are_found_by_name() {
        let table = |names: [&str; 3]| Table {
            names: Some(names.map(str::to_owned).to_vec()),
            ..Table::of(vec![vec![0.5, 2.0, 0.25]])
        };
        let named = |names, label: &str| {
            let label = label.parse().expect("any text is a column");
            samples(&network(2, 3), table(names), None, 1.0, &label).map(|all| all[0].label)
        };
        assert_eq!(named(["a", "class", "b"], "class"), Ok(Some(2)));
        let missing = named(["a", "class", "b"], "label").expect_err("no such name").to_string();
        assert_eq!(missing, "there is no label column 'label'; the heading has 'a', 'class', 'b'");
        assert!(named(["class", "class", "b"], "class").is_err());
        let unnamed = samples(&network(2, 3), table(["", "a", "b"]), None, 1.0, &LabelColumn::Guess);
        assert!(unnamed.expect_err("an index").to_string().contains("may be an index"));
    }
}
