//! A network that was read.

use crate::{engine, error, numbers};
use geolip::Matrix;
use geolip::files::Destination;
use geolip::import::{self, ImportError, ImportOptions, Imported, Port, Reference, SelfCheck};
use geolip::network::{Activation, CanonicalError, Op, Slope};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A network, and what there is to know about the file it came from.
#[pyclass(frozen, module = "geolip._geolip")]
pub struct Network {
    imported: Arc<Imported>,
    path: Option<String>,
    hash: OnceLock<String>,
}

impl Network {
    /// What was read.
    pub fn imported(&self) -> Arc<Imported> {
        Arc::clone(&self.imported)
    }

    /// The network as the command line's JSON describes it; the path is null for one from bytes.
    pub fn summary(&self) -> Value {
        geolip::json::network(self.path.as_deref(), &self.imported)
    }
}

#[pymethods]
impl Network {
    #[getter]
    fn inputs(&self) -> usize {
        self.imported.network.inputs()
    }

    #[getter]
    fn outputs(&self) -> usize {
        self.imported.network.outputs()
    }

    #[getter]
    fn neurons(&self) -> usize {
        self.imported.network.neurons()
    }

    #[getter]
    fn parameters(&self) -> usize {
        self.imported.network.parameters()
    }

    #[getter]
    fn sha256(&self) -> &str {
        &self.imported.sha256
    }

    #[getter]
    fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The hash of the canonical network, which certificates name.
    #[getter]
    fn hash(&self, py: Python<'_>) -> &str {
        py.detach(|| self.hash.get_or_init(|| self.imported.network.hash()))
    }

    /// What the file holds, as a JSON object: ports, the self-check, and every node.
    fn describe(&self) -> String {
        let imported = &self.imported;
        let port = |port: &Port| json!({ "name": port.name, "shape": port.shape });
        let self_check = match &imported.self_check {
            SelfCheck::Agrees { with, inputs, largest_ratio } => {
                let tract = if let Reference::Interpreter { because } = with { Some(because) } else { None };
                let with = with.to_string();
                json!({
                    "agrees": true, "with": with, "inputs": inputs, "largest_ratio": largest_ratio, "reason": tract,
                })
            }
            SelfCheck::NotRun { reason } => json!({ "agrees": null, "reason": reason }),
            other => json!({ "agrees": null, "reason": format!("{other:?}") }),
        };
        let network = &imported.network;
        let nodes: Vec<Value> = network
            .ids()
            .map(|id| {
                let node = network.node(id);
                let (operation, slope) = match &node.op {
                    Op::Input => ("input".to_owned(), None),
                    Op::Affine { terms, .. } => {
                        let maps: Vec<&str> = terms.iter().map(|term| term.map.name()).collect();
                        (maps.join(" + "), None)
                    }
                    Op::Activate { activation, .. } => {
                        let hull = activation.slopes(node.len).into_iter().reduce(|a, b| {
                            Slope::new(a.lower.min(b.lower), a.upper.max(b.upper))
                        });
                        (activation.name().to_owned(), hull.map(|slope| [slope.lower, slope.upper]))
                    }
                    Op::Combine { combination, .. } => (combination.name().to_owned(), None),
                };
                let (size, parameters) = (node.len, node.parameters());
                json!({ "name": node.name, "operation": operation, "size": size, "parameters": parameters, "slope": slope })
            })
            .collect();
        json!({
            "inputs": imported.inputs.iter().map(port).collect::<Vec<_>>(),
            "fixed": imported.fixed.iter().map(port).collect::<Vec<_>>(),
            "output": port(&imported.output),
            "other_outputs": imported.other_outputs,
            "left_out": imported.left_out,
            "notes": imported.notes(),
            "self_check": self_check,
            "nodes": nodes,
        })
        .to_string()
    }

    /// Writes the canonical network file.
    fn export(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let write = || {
            let destination = Destination::open(&path)?;
            destination.write_with(|mut out| self.imported.network.export(&mut out))
        };
        let written: Result<(), CanonicalError> = py.detach(write);
        written.map_err(|error| error::export(py, &path, &error))
    }

    /// Outputs (count × outputs) at inputs (count × inputs), both float64 as bytes, row-major.
    fn evaluate<'py>(&self, py: Python<'py>, x: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let network = &self.imported.network;
        let x = numbers::read(x)?;
        let n = network.inputs();
        if n == 0 || x.len() % n != 0 {
            return Err(PyValueError::new_err(format!("{} numbers do not make rows of {n} inputs", x.len())));
        }
        let count = x.len() / n;
        let columns = Matrix::from_fn(n, count, |i, j| x[j * n + i]);
        let values =
            py.detach(|| engine::on_pool(|| network.evaluate_batch(columns))).map_err(PyRuntimeError::new_err)?;
        let y = values.of(network.output());
        let rows = (0..count).flat_map(|j| (0..y.rows()).map(move |i| y.at(i, j)));
        Ok(numbers::write(py, rows))
    }
}

/// How a file is to be read: the options of the command line.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Reading {
    activation: Option<String>,
    transposed: Option<bool>,
    prefix: Option<String>,
    input: Option<String>,
    output_name: Option<String>,
    until: Option<String>,
}

impl Reading {
    fn options(self, py: Python<'_>) -> PyResult<ImportOptions> {
        if self.output_name.is_some() && self.until.is_some() {
            return Err(error::option(py, "output_name and until both choose what is bounded; give one of them"));
        }
        let activation = |name: String| {
            let unknown = || format!("unknown activation '{name}'; known are {}", Activation::NAMES.join(", "));
            Activation::from_name(&name).ok_or_else(|| error::option(py, unknown()))
        };
        Ok(ImportOptions {
            activation: self.activation.map(activation).transpose()?,
            transposed: self.transposed,
            prefix: self.prefix,
            input: self.input,
            output: self.output_name,
            until: self.until,
        })
    }
}

/// Reads a file.
#[pyfunction]
pub fn load(py: Python<'_>, path: PathBuf, reading: Reading) -> PyResult<Network> {
    let options = reading.options(py)?;
    let read = || import::load(&path, &options);
    let network = network(py, read)?;
    Ok(Network { path: Some(path.display().to_string()), ..network })
}

/// Reads the bytes of a file; `name` is what errors call it.
#[pyfunction]
pub fn from_bytes(py: Python<'_>, bytes: &[u8], name: &str, reading: Reading) -> PyResult<Network> {
    let options = reading.options(py)?;
    network(py, || import::from_bytes(bytes, Path::new(name), &options))
}

fn network(py: Python<'_>, read: impl FnOnce() -> Result<Imported, ImportError> + Send) -> PyResult<Network> {
    let imported = py.detach(|| engine::on_pool(read)).map_err(PyRuntimeError::new_err)?;
    let imported = imported.map_err(|e| error::import(py, &e))?;
    Ok(Network { imported: Arc::new(imported), path: None, hash: OnceLock::new() })
}
