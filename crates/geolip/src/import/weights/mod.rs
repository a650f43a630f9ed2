//! Weight lists: files that hold the matrices and biases of a fully connected network and nothing else.
//!
//! | step | file |
//! | --- | --- |
//! | compressed bytes and archives, with their checksums | `inflate`, `archive` |
//! | bytes to named arrays | `npz` and `npy`, `safetensors`, `mat` |
//! | the arrays of one network among those of several | `prefix` |
//! | names to layers | `list`, and `unnamed` for arrays that have only a place; for the cell arrays of MATLAB, `mat/layout` |
//! | layers to their order and orientation | `chain` |
//! | layers to a network | this file |

mod archive;
mod array;
mod chain;
mod inflate;
mod list;
mod mat;
mod npy;
mod npz;
mod prefix;
mod safetensors;
mod table;
mod unnamed;
mod vector;

pub(crate) use inflate::budget;
pub use table::{Table, load_table};
pub use vector::load_vector;

use crate::import::{Format, ImportError, ImportOptions, Parts, Port, SelfCheck};
use crate::matrix::Matrix;
use crate::network::{Activation, LinearMap, Network, NetworkBuilder, NetworkError};
use array::Array;
use chain::Habit;
use list::Wanted;
use std::path::Path;

/// The kinds of files that hold weight lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Npz,
    Mat,
    Safetensors,
}

impl Kind {
    /// What the bytes are, or what the extension says they should be; none for anything else.
    pub(crate) fn of(bytes: &[u8], path: &Path) -> Option<Self> {
        let named = |extension: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        if npz::is_zip(bytes) {
            Some(Self::Npz)
        } else if mat::is_mat(bytes) || named("mat") {
            Some(Self::Mat)
        } else if safetensors::is_safetensors(bytes) || named("safetensors") {
            Some(Self::Safetensors)
        } else {
            None
        }
    }

    fn format(self) -> Format {
        match self {
            Self::Npz => Format::Npz,
            Self::Mat => Format::Mat,
            Self::Safetensors => Format::Safetensors,
        }
    }

    /// NumPy and PyTorch write out × in; MATLAB files come both ways.
    fn habit(self) -> Habit {
        match self {
            Self::Npz | Self::Safetensors => Habit::OutByIn,
            Self::Mat => Habit::Either,
        }
    }
}

/// Reads a weight list with `options.activation` (ReLU if none) between its layers; `path` is for messages.
pub(crate) fn read(bytes: &[u8], path: &Path, kind: Kind, options: &ImportOptions) -> Result<Parts, ImportError> {
    parts(bytes, kind, options).map_err(|fault| fault.at(path))
}

fn parts(bytes: &[u8], kind: Kind, options: &ImportOptions) -> Result<Parts, Fault> {
    let prefix = options.prefix.as_deref();
    let List { layers, left_out, numbers } = match kind {
        Kind::Npz => List::of(npz::read(bytes)?, Vec::new(), prefix, &npz::WANTED)?,
        Kind::Safetensors => {
            let (arrays, counters) = safetensors::read(bytes)?;
            List::of(arrays, counters, prefix, &safetensors::WANTED)?
        }
        Kind::Mat => mat::read(bytes, prefix)?,
    };
    let kernels = list::are_kernels(layers.iter().map(|layer| layer.weight.0.as_str()));
    let habit = if kernels { Habit::InByOut } else { kind.habit() };
    let layers = chain::arrange(layers, options.transposed, habit, prefix.is_some())?;
    let network = network(layers, options.activation.as_ref().unwrap_or(&Activation::Relu))?;
    if let Some(number) = numbers.first().filter(|_| network.inputs() == 1 || network.outputs() == 1) {
        return Err(Fault::of(number, mat::UNCLEAR));
    }
    Ok(Parts {
        inputs: vec![Port { name: "input".to_owned(), shape: vec![network.inputs()] }],
        fixed: Vec::new(),
        output: Port { name: "output".to_owned(), shape: vec![network.outputs()] },
        other_outputs: Vec::new(),
        format: kind.format(),
        left_out,
        labels: Vec::new(),
        self_check: SelfCheck::NotRun { reason: "weight list: no other implementation to compare with".to_owned() },
        network,
    })
}

/// Layers in their order, out × in, become a network: an activation between them and none after the last.
fn network(layers: Vec<Layer>, activation: &Activation) -> Result<Network, Fault> {
    let (first, last) = (layers.first(), layers.len());
    let inputs = first.map_or(0, |layer| layer.weight.1.cols());
    let mut builder = NetworkBuilder::new(inputs).map_err(|_| Fault::of_file("holds no layer"))?;
    let mut node = builder.input();
    for (number, Layer { weight: (key, weight), bias, .. }) in (1..).zip(layers) {
        let build = |error: NetworkError| Fault::of(&key, format!("does not make a layer: {error}"));
        let terms = vec![(node, LinearMap::Dense(weight))];
        node = builder.affine(&format!("layer{number}"), terms, bias.map(|(_, bias)| bias)).map_err(build)?;
        if number < last {
            let name = format!("{}{number}", activation.name());
            node = builder.activate(&name, node, activation.clone()).map_err(build)?;
        }
    }
    Ok(builder.finish(node))
}

/// One layer as it is stored: its matrix and its bias, with their keys.
#[derive(Clone, Debug, PartialEq)]
struct Layer {
    /// What the keys call it.
    name: String,
    weight: (String, Matrix),
    bias: Option<(String, Vec<f64>)>,
    /// Layers of one family have names that differ only in numbers, which give their order.
    family: usize,
    /// Layers of one group have names that differ only in the last number: they are of one network.
    group: usize,
}

/// The layers of a file, and the names of what it holds besides.
struct List {
    layers: Vec<Layer>,
    left_out: Vec<String>,
    /// Those of `left_out` that are single numbers.
    numbers: Vec<String>,
}

impl List {
    /// The layers of those arrays that are of one network.
    fn of(
        arrays: Vec<(String, Found)>,
        mut left_out: Vec<String>,
        prefix: Option<&str>,
        wanted: &Wanted,
    ) -> Result<Self, Fault> {
        let (chosen, others) = prefix::choose(arrays, prefix)?;
        left_out.extend(others);
        let read = |(key, array): (String, Found)| match array {
            Ok(array) => Ok((key, array)),
            Err(reason) => Err(Fault::of(&key, reason)),
        };
        let chosen = chosen.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let layers = match unnamed::layers(&chosen)? {
            Some(layers) => layers,
            None => list::layers(chosen, wanted)?,
        };
        Ok(Self { layers, left_out, numbers: Vec::new() })
    }
}

/// An array, or why it is none: an error only where it is of the network that is read.
type Found = Result<Array, String>;

/// What is wrong with a weight list: with one of its arrays, or with the file as a whole.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    key: Option<String>,
    reason: String,
}

impl Fault {
    fn of(key: &str, reason: impl Into<String>) -> Self {
        Self { key: Some(key.to_owned()), reason: reason.into() }
    }

    fn of_file(reason: impl Into<String>) -> Self {
        Self { key: None, reason: reason.into() }
    }

    fn at(self, path: &Path) -> ImportError {
        let (path, reason) = (path.to_owned(), self.reason);
        match self.key {
            Some(key) => ImportError::WeightList { path, key, reason },
            None => ImportError::Malformed { path, reason },
        }
    }
}
