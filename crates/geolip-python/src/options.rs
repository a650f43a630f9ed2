//! What Python asks for, as [`geolip::Options`]. Names, units and defaults are those of the table of options, with which
//! `python/tests` compares the package's.

use crate::{error, numbers, region};
use geolip::import::load_vector;
use geolip::network::Activation;
use geolip::place::{Region, RegionNorm};
use geolip::{InputNorm, Options, Outputs, Units, Weights};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes.
const GIB: f64 = (1 << 30) as f64;

/// The keyword arguments of `geolip.bound`, as a dictionary. Ranges are the library's to check.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Choices<'py> {
    norm: String,
    unit: Option<Bound<'py, PyAny>>,
    output: Bound<'py, PyAny>,
    /// One input; which one is found by [`region::samples`].
    center: Option<Bound<'py, PyBytes>>,
    radius: Option<f64>,
    region_norm: String,
    clip: Option<(f64, f64)>,
    #[pyo3(item("box"))]
    box_: Option<Bound<'py, PyAny>>,
    split: Option<f64>,
    tol: f64,
    cuts: bool,
    relaxation_only: bool,
    exact: bool,
    #[pyo3(item("true"))]
    real: bool,
    checkpoint: Option<PathBuf>,
    case_limit: usize,
    time_limit: Option<f64>,
    memory_limit: f64,
    effort: f64,
    threads: Option<usize>,
    seed: u64,
}

impl Choices<'_> {
    /// The same for the library.
    pub fn options(self, py: Python<'_>) -> PyResult<Options> {
        let seconds = |name: &str, given: Option<f64>| match given.map(Duration::try_from_secs_f64) {
            None => Ok(None),
            Some(Ok(limit)) if !limit.is_zero() => Ok(Some(limit)),
            Some(_) => {
                let given = given.unwrap_or_default();
                Err(error::option(py, format!("{name} is {given}; it must be a positive number of seconds")))
            }
        };
        if !(self.memory_limit > 0.0 && self.memory_limit.is_finite()) {
            let text = format!("memory_limit is {}; it must be a positive number of GiB", self.memory_limit);
            return Err(error::option(py, text));
        }
        let unit = region::units(self.unit.as_ref())?;
        let options = Options {
            norm: self.norm.parse::<InputNorm>().map_err(|e| error::option(py, e))?,
            outputs: outputs(&self.output)?,
            region: self.region(py, unit.as_ref())?,
            unit,
            split: seconds("split", self.split)?,
            tol: self.tol,
            time_limit: seconds("time_limit", self.time_limit)?,
            cuts: self.cuts,
            relaxation_only: self.relaxation_only,
            exact: self.exact,
            real: self.real,
            checkpoint: self.checkpoint,
            case_limit: self.case_limit,
            memory_limit: (self.memory_limit * GIB) as usize,
            effort: self.effort,
            threads: self.threads,
            seed: self.seed,
            ..Options::default()
        };
        options.validate().map_err(|e| error::option(py, e))?;
        Ok(options)
    }

    /// The region, if there is to be one.
    fn region(&self, py: Python<'_>, units: Option<&Units>) -> PyResult<Option<Region>> {
        if let Some(given) = &self.box_ {
            return region::boxed(given).map(Some);
        }
        let (Some(center), Some(radius)) = (&self.center, self.radius) else { return Ok(None) };
        let norm: RegionNorm = self.region_norm.parse().map_err(|e: String| error::option(py, e))?;
        let region = Region::around_in(units, &numbers::read(center.as_bytes())?, (radius, norm), self.clip);
        region.map(Some).map_err(|e| error::option(py, e))
    }
}

/// What to bound: a name as on the command line, or the numbers of a vector u as bytes.
fn outputs(given: &Bound<'_, PyAny>) -> PyResult<Outputs> {
    let py = given.py();
    if let Ok(bytes) = given.cast::<PyBytes>() {
        let weights = Weights::new(&numbers::read(bytes.as_bytes())?);
        return weights.map(Outputs::Vector).map_err(|e| error::option(py, e));
    }
    given.extract::<String>()?.parse().map_err(|e| error::option(py, e))
}

/// The names of the activations that a weight list can be given.
#[pyfunction]
pub fn activations() -> Vec<&'static str> {
    Activation::NAMES.to_vec()
}

/// The slope interval [α, β] of an activation with PyTorch's default parameters.
#[pyfunction]
pub fn slope(name: &str) -> Option<(f64, f64)> {
    let slope = Activation::from_name(name)?.slope(0);
    Some((slope.lower, slope.upper))
}

/// The numbers of a vector file (.npy or .txt), as bytes.
#[pyfunction]
pub fn vector(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyBytes>> {
    let numbers = load_vector(&path).map_err(|e| error::import(py, &e))?;
    Ok(numbers::write(py, numbers.into_iter()))
}
