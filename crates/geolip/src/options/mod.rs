//! What a user can choose: plain data. The [table](table::CHOICES) says how each option is called and what it does, for the
//! command line and the Python package.

mod choice;
pub mod table;

use crate::form::Affordable;
use crate::place::{Region, RegionNorm};
use crate::problem::{InputNorm, Outputs, Units};
use std::path::PathBuf;
use std::time::Duration;

/// The options of [`crate::bound()`].
///
/// Their defaults, units and ranges are in the [table](table::CHOICES). Three have no name there: `region`, which `center`,
/// `radius`, `box` and others make; `affordable`, which only tests change; and `sweep_limit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The norm of input perturbations.
    pub norm: InputNorm,
    /// What every input's changes are measured in, 0 for inputs that do not change; none for ones. The `region` stands as it is.
    pub unit: Option<Units>,
    /// What to bound.
    pub outputs: Outputs,
    /// Where the bounds hold: the local Lipschitz constant of this region is bounded; none for everywhere.
    pub region: Option<Region>,
    /// Search by branch and bound for this long, or until bounds from both sides agree to `tol`: on a box of few inputs by parts of
    /// it, which goes down to the Lipschitz constant there; elsewhere by slopes, as `exact`.
    pub split: Option<Duration>,
    /// The relative gap between bound and relaxation at which a problem is done.
    pub tol: f64,
    /// Stop improving after this long.
    pub time_limit: Option<Duration>,
    /// Bytes that the elimination behind one proof may take. Networks that need more, or for which it would take minutes,
    /// get probabilistic certificates with gaps of 1e-3 or `tol`, whichever is larger. Batches run side by side. Where an
    /// elimination takes less than 256 MiB it is made whatever the limit: the checker refuses random tests there.
    pub memory_limit: usize,
    /// Which eliminations those are. A report for the checker has the default; with less, small networks get random tests, which
    /// [`crate::proof::check_file_with`] accepts if it is told the same.
    pub affordable: Affordable,
    /// Whether to do without what may better the relaxation cheaply: a few cuts, intervals, and the patterns of a few neurons.
    pub relaxation_only: bool,
    /// How much work goes into the bounds from below, in units of the usual, which is of the order of the work on the bounds
    /// from above.
    pub effort: f64,
    /// Worker threads; none means one per core.
    pub threads: Option<usize>,
    /// Seed of everything random.
    pub seed: u64,
    /// Sweeps per problem after which it stops.
    pub sweep_limit: usize,
    /// Whether to tighten the relaxation by inequalities that hold for signs and not for the unit vectors in their place: at any depth, in ℓ∞, ℓ2 and
    /// ℓp, for up to [`CUT_NEURONS`] neurons. An exact search of one hidden layer does so by itself.
    pub cuts: bool,
    /// Whether to search for the formal constant itself by branch and bound on slopes, until upper bound and best pattern agree to
    /// `tol` or a limit is met; with `split` on a box of few inputs, slopes are fixed in parts that cannot be cut. Exponential in the number of neurons at worst.
    pub exact: bool,
    /// Whether to search for the Lipschitz constant itself: over the whole space by branch and bound on sides of pre-activations, on a box of at
    /// most 24 inputs on inputs and sides, until upper bound and the best gradient of a real input agree to `tol` or a limit is met.
    pub real: bool,
    /// The file in which a search is saved every so often, at its end, and where it is interrupted; if it exists, the
    /// search goes on from there. One of another question is refused.
    pub checkpoint: Option<PathBuf>,
    /// Cases (parts) per functional after which a search stops; the certificate holds every one of them that is proved.
    pub case_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            norm: InputNorm::Linf,
            unit: None,
            outputs: Outputs::Each,
            region: None,
            split: None,
            tol: 1e-6,
            time_limit: None,
            memory_limit: 4 << 30,
            affordable: Affordable::default(),
            relaxation_only: false,
            effort: 1.0,
            threads: None,
            seed: 0,
            sweep_limit: 20_000,
            cuts: false,
            exact: false,
            real: false,
            checkpoint: None,
            case_limit: 200_000,
        }
    }
}

/// Neurons with a free slope up to which `cuts` are looked for: every pair of them is looked at, again and again.
pub const CUT_NEURONS: usize = 2500;

/// Inputs up to which regions are cut.
pub(crate) const CUT_INPUTS: usize = 24;

/// The options of [`crate::certified_radius`].
///
/// | name | default | purpose | range |
/// | --- | --- | --- | --- |
/// | `norm` | ℓ∞ | the norm in which the input moves | ℓ∞, ℓ2 |
/// | `unit` | ones | what every input's changes are measured in; inputs whose unit is 0 stay | one per input, ≥ 0 |
/// | `clip` | none | the valid range of every input; perturbed inputs outside it do not count | LO ≤ HI |
/// | `label` | the prediction | the output that has to stay the largest | an output |
/// | `tol` | 0.01 | the relative width of the bracket at which the search ends | > 0 |
/// | `relaxation` | yes | whether local Lipschitz constants are tried where linear bounds do not suffice | |
#[derive(Clone, Debug, PartialEq)]
pub struct RadiusOptions {
    /// The norm in which the input moves.
    pub norm: RegionNorm,
    /// What every input's changes are measured in, 0 for inputs that stay; none for ones.
    pub unit: Option<Units>,
    /// The valid range of every input.
    pub clip: Option<(f64, f64)>,
    /// The output that has to stay the largest; the largest one at the input if none is given.
    pub label: Option<usize>,
    /// The relative width of the bracket at which the search ends.
    pub tol: f64,
    /// Whether local Lipschitz constants are tried where linear bounds do not suffice.
    pub relaxation: bool,
}

impl Default for RadiusOptions {
    fn default() -> Self {
        Self { norm: RegionNorm::Linf, unit: None, clip: None, label: None, tol: 1e-2, relaxation: true }
    }
}

/// An option outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The tolerance.
    #[error("the tolerance is {given}; it must be a positive number below 1, such as 1e-6")]
    Tolerance {
        /// What was given.
        given: f64,
    },
    /// The effort.
    #[error("the effort is {given}; it must be a number of at least 0, such as 10")]
    Effort {
        /// What was given.
        given: f64,
    },
    /// The number of threads.
    #[error("0 threads cannot do any work; give at least 1, or leave the option out for one per core")]
    Threads,
    /// The sweep limit.
    #[error("a limit of 0 sweeps allows no bound; give at least 1")]
    SweepLimit,
    /// A checkpoint without a search.
    #[error(
        "a checkpoint stores a search (exact, true, split), but none was asked for; ask for one, or leave the checkpoint out"
    )]
    Checkpoint,
    /// Two constants at once.
    #[error(
        "exact asks for the formal constant and true for the Lipschitz constant itself, which is at most that; ask for one of them"
    )]
    TwoConstants,
    /// The Lipschitz constant itself where no search goes down to it.
    #[error("true does not work {place}; {instead}")]
    True {
        /// Where it was asked for.
        place: &'static str,
        /// What would work.
        instead: &'static str,
    },
    /// Cuts that are asked for and ruled out.
    #[error("cuts tighten the relaxation, and relaxation_only asks for nothing but that; ask for one of them")]
    CutsAndNone,
    /// The case limit.
    #[error("a limit of 0 cases allows no search; give at least 1")]
    CaseLimit,
}

impl Options {
    /// Checks every range.
    pub fn validate(&self) -> Result<(), OptionsError> {
        if !(self.tol > 0.0 && self.tol < 1.0) {
            return Err(OptionsError::Tolerance { given: self.tol });
        }
        if !(self.effort >= 0.0 && self.effort.is_finite()) {
            return Err(OptionsError::Effort { given: self.effort });
        }
        if self.threads == Some(0) {
            return Err(OptionsError::Threads);
        }
        if self.sweep_limit == 0 {
            return Err(OptionsError::SweepLimit);
        }
        if self.checkpoint.is_some() && !self.exact && !self.real && self.split.is_none() {
            return Err(OptionsError::Checkpoint);
        }
        if self.cuts && self.relaxation_only {
            return Err(OptionsError::CutsAndNone);
        }
        if self.case_limit == 0 {
            return Err(OptionsError::CaseLimit);
        }
        if self.real { self.allows_true() } else { Ok(()) }
    }

    /// Whether a search goes down to the Lipschitz constant itself.
    fn allows_true(&self) -> Result<(), OptionsError> {
        let refuse = |place, instead| Err(OptionsError::True { place, instead });
        if self.exact {
            return Err(OptionsError::TwoConstants);
        }
        match &self.region {
            None if self.norm == InputNorm::L1 => {
                refuse("over all inputs in l1", "ask for another norm, for a box of few inputs, or for exact")
            }
            None => Ok(()),
            Some(region) if region.ball().is_some() => {
                refuse("on a ball", "give a box (radius with the region norm linf, or box), or ask for split")
            }
            Some(region) if region.inputs() > CUT_INPUTS => {
                refuse("on a region of more than 24 inputs", "ask for split or exact, or leave the region out")
            }
            Some(_) => Ok(()),
        }
    }
}
