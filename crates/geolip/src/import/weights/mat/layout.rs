//! Variables to layers: the cell arrays `weights` and `biases` (or `W` and `b`), or one variable for each array as in every
//! weight list. What else the file holds is left out and named if it cannot be part of the network, and refused otherwise.

use super::super::array::Array;
use super::super::list::{self, Key, Kind, Wanted};
use super::super::{Fault, Layer, List, prefix};
use super::variable::{Value, Variable};
use crate::import::SCALER;

const WANTED: Wanted = Wanted {
    least: "weights",
    all: "the cell arrays weights and biases, or W1, W2, … and b1, b2, …, or NAME_weight and NAME_bias",
};

/// Why a single number is refused.
pub(in super::super) const UNCLEAR: &str =
    "is a single number that may be a part of the network; save the file without it, or with it in the weights";

/// What the names of numbers contain that scale or shift.
const SCALES: [&str; 9] = ["scale", "std", "gain", "mean", "shift", "offset", "norm", "factor", "slope"];

/// The layers of a file's variables, or of those whose names begin with `prefix`.
pub(super) fn list(variables: Vec<Variable>, prefix: Option<&str>) -> Result<List, Fault> {
    let named = variables.into_iter().map(|Variable { name, value }| (name, value)).collect();
    let (chosen, others) = prefix::choose(named, prefix)?;
    let mut found = Found::default();
    chosen.into_iter().try_for_each(|(name, value)| found.add(Variable { name, value }))?;
    let Found { weights, biases, arrays, mut left_out, numbers } = found;
    left_out.extend(others);
    let layers = match (weights, biases, arrays.first()) {
        (Some((key, _)), _, Some((other, _))) | (None, Some((key, _)), Some((other, _))) => {
            return Err(list::second_list(&key, other));
        }
        (Some(weights), biases, None) => layers_of_cells(weights, biases)?,
        (None, Some((key, _)), None) => return Err(Fault::of(&key, "belongs to no cell array of weights")),
        (None, None, None) => return Err(WANTED.nothing()),
        (None, None, Some(_)) => list::layers(arrays, &WANTED)?,
    };
    Ok(List { layers, left_out, numbers })
}

type Cells = (String, Vec<Value>);

/// What a file holds, by what it is for.
#[derive(Default)]
struct Found {
    weights: Option<Cells>,
    biases: Option<Cells>,
    arrays: Vec<(String, Array)>,
    left_out: Vec<String>,
    /// Those left out that are single numbers.
    numbers: Vec<String>,
}

impl Found {
    fn add(&mut self, Variable { name, value }: Variable) -> Result<(), Fault> {
        match (value, cell_list(&name), Key::parse(&name)) {
            (Value::Cells(shape, cells), Some(Kind::Weight), _) => put(&mut self.weights, name, &shape, cells),
            (Value::Cells(shape, cells), Some(Kind::Bias), _) => put(&mut self.biases, name, &shape, cells),
            (Value::Numbers(array), _, Some(key)) => {
                let array = if key.kind == Kind::Bias { as_vector(array) } else { array };
                self.arrays.push((name, array));
                Ok(())
            }
            (value, None, None) if is_aside(&name, &value) => {
                if matches!(&value, Value::Numbers(array) if array.data.len() == 1) && !SCALER.contains(&name.as_str())
                {
                    let lower = name.to_lowercase();
                    if SCALES.iter().any(|word| lower.contains(word)) {
                        return Err(Fault::of(&name, UNCLEAR));
                    }
                    self.numbers.push(name.clone());
                }
                self.left_out.push(name);
                Ok(())
            }
            (Value::OtherNumbers(what), _, _) => Err(Fault::of(&name, format!("is {what}"))),
            (Value::Other(what), _, _) => {
                Err(Fault::of(&name, format!("is {what}; a weight list holds {}", WANTED.all)))
            }
            (Value::Numbers(_) | Value::Cells(..), _, _) => Err(WANTED.unknown(&name)),
        }
    }
}

fn put(place: &mut Option<Cells>, name: String, shape: &[usize], cells: Vec<Value>) -> Result<(), Fault> {
    if !cells.is_empty() && shape.iter().filter(|&&d| d > 1).count() > 1 {
        return Err(Fault::of(&name, format!("has the shape {shape:?}; a list is one row or one column of cells")));
    }
    match place {
        Some((earlier, _)) => Err(list::second_list(&name, earlier)),
        None => {
            *place = Some((name, cells));
            Ok(())
        }
    }
}

/// What a cell array of this name lists.
fn cell_list(name: &str) -> Option<Kind> {
    match name.to_ascii_lowercase().as_str() {
        "weights" | "w" => Some(Kind::Weight),
        "biases" | "bias" | "b" => Some(Kind::Bias),
        _ => None,
    }
}

/// Whether a variable cannot be part of the network: the scaler before it, single numbers, and what holds no numbers.
fn is_aside(name: &str, value: &Value) -> bool {
    let aside = |value: &Value| match value {
        Value::Numbers(array) => array.data.len() <= 1,
        Value::Other(_) => true,
        Value::Cells(..) | Value::OtherNumbers(_) => false,
    };
    match value {
        Value::Numbers(_) if SCALER.contains(&name) => true,
        Value::Cells(_, cells) => cells.iter().all(aside),
        value => aside(value),
    }
}

/// A row or a column as a vector: MATLAB has only matrices.
fn as_vector(Array { shape, data }: Array) -> Array {
    let shape = if matches!(*shape.as_slice(), [1, _] | [_, 1]) { vec![data.len()] } else { shape };
    Array { shape, data }
}

/// The layers of two cell arrays, one cell each.
fn layers_of_cells((name, cells): Cells, biases: Option<Cells>) -> Result<Vec<Layer>, Fault> {
    let (bias_name, bias_cells) = biases.unwrap_or_default();
    if bias_cells.len() > cells.len() || (bias_cells.len() < cells.len() && !bias_name.is_empty()) {
        let reason = format!("has {} cells where {name} has {}", bias_cells.len(), cells.len());
        return Err(Fault::of(&bias_name, reason));
    }
    let mut bias_cells = bias_cells.into_iter();
    let layer = |(number, cell)| {
        let (key, array) = numbers(&name, number, cell)?;
        let matrix = list::matrix(&key, array)?;
        let bias = match bias_cells.next().map(|cell| numbers(&bias_name, number, cell)).transpose()? {
            Some((_, Array { data, .. })) if data.is_empty() => None, // an empty cell: this layer has no bias
            Some((key, array)) => Some(list::vector(&key, as_vector(array)).map(|data| (key, data))?),
            None => None,
        };
        Ok(Layer { name: key.clone(), weight: (key, matrix), bias, family: 0, group: 0 })
    };
    let layers: Vec<Layer> = (1..).zip(cells).map(layer).collect::<Result<_, Fault>>()?;
    if layers.is_empty() { Err(Fault::of(&name, "is an empty cell array")) } else { Ok(layers) }
}

/// The array in a cell, and the cell's name as MATLAB writes it.
fn numbers(name: &str, number: usize, cell: Value) -> Result<(String, Array), Fault> {
    let key = format!("{name}{{{number}}}");
    match cell {
        Value::Numbers(array) => {
            list::check_finite(&key, &array)?;
            Ok((key, array))
        }
        Value::OtherNumbers(what) => Err(Fault::of(&key, format!("is {what}"))),
        Value::Other(what) => Err(Fault::of(&key, format!("is {what}; every cell holds a matrix"))),
        Value::Cells(..) => Err(Fault::of(&key, "is a cell array; every cell holds a matrix")),
    }
}
