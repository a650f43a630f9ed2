//! Weight lists: files that hold the matrices and biases of a fully connected network and nothing else.
//!
//! | step | file |
//! | --- | --- |
//! | the archive to named arrays | `npz` |
//! | one array | `npy` |
//! | named arrays to a network | `list` |

mod list;
mod npy;
mod npz;

pub(crate) use npz::is_zip;

use crate::import::{Format, ImportError, Parts, Port, SelfCheck};
use crate::network::Activation;
use std::path::Path;

/// Reads a `.npz` weight list with `activation` (ReLU if none) between its layers; `path` is for messages.
pub(crate) fn read(bytes: &[u8], path: &Path, activation: Option<&Activation>) -> Result<Parts, ImportError> {
    let arrays = npz::read(bytes).map_err(|fault| fault.at(path))?;
    let network = list::network(arrays, activation.unwrap_or(&Activation::Relu)).map_err(|fault| fault.at(path))?;
    Ok(Parts {
        input: Port { name: "input".to_owned(), shape: vec![network.inputs()] },
        output: Port { name: "output".to_owned(), shape: vec![network.outputs()] },
        format: Format::Npz,
        left_out: Vec::new(),
        self_check: SelfCheck::NotRun { reason: "weight list: no other implementation to compare with".to_owned() },
        network,
    })
}

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
