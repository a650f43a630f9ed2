//! What a computation found: plain data.

use crate::guarantee::factor;
use crate::import::Imported;
use crate::lower::Witness;
use crate::network::Network;
use crate::place::Region;
use crate::problem::{Functional, InputNorm, Units};
use crate::proof::{Certificate, CertificateFile};
use crate::relaxation::Pattern;
use crate::results::ResultsError;
use crate::slopes::SlopeNetwork;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// Why work on one bound ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stop {
    /// Certified bound and relaxation agree to the tolerance.
    Converged,
    /// The time limit was reached.
    TimeLimit,
    /// The sweep limit was reached.
    IterationLimit,
    /// The limit of cases of an exact search was reached.
    CaseLimit,
    /// Neither more sweeps nor a higher rank closed the gap; the bound is certified all the same.
    Stalled,
    /// The caller asked to stop.
    Interrupted,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Converged => "converged",
            Self::TimeLimit => "time limit",
            Self::IterationLimit => "iteration limit",
            Self::CaseLimit => "case limit",
            Self::Stalled => "stalled",
            Self::Interrupted => "interrupted",
        })
    }
}

/// How an upper bound was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// The semidefinite relaxation.
    Relaxation,
    /// The relaxation, tightened.
    Cuts {
        /// Cuts in the proof.
        cuts: usize,
    },
    /// The relaxation, case by case.
    BranchAndBound {
        /// Cases looked at.
        cases: usize,
        /// Cases in the proof.
        proved: usize,
    },
    /// The relaxation, cell by cell of the whole space, down to the Lipschitz constant itself.
    Cells {
        /// Cells looked at.
        cases: usize,
        /// Cells in the proof.
        proved: usize,
    },
    /// The largest bound of a part of the region.
    Parts {
        /// How many parts there are.
        parts: usize,
    },
    /// ℓ1: the relaxation of this many inputs, intervals for the others.
    InputByInput {
        /// How many inputs were bounded by their relaxation.
        inputs: usize,
    },
    /// ℓ1: the relaxation of ℓ2, whose unit ball is larger.
    RelaxationOfL2,
    /// Intervals for every entry of the gradient: in ℓ1, and on a region.
    ClosedForm {
        /// Whether they are attained ([`crate::proof::intervals::are_exact`], or by a witness), so that upper = FGL up to
        /// the tolerance.
        exact: bool,
    },
}

impl Method {
    /// Cases looked at by an exact search; none where there was none.
    pub fn cases(self) -> Option<usize> {
        match self {
            Self::BranchAndBound { cases, .. } | Self::Cells { cases, .. } => Some(cases),
            Self::Relaxation
            | Self::Cuts { .. }
            | Self::Parts { .. }
            | Self::InputByInput { .. }
            | Self::RelaxationOfL2
            | Self::ClosedForm { .. } => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relaxation => f.pad("relaxation"),
            Self::Cuts { cuts } => f.pad(&format!("relaxation with {cuts} cuts")),
            Self::BranchAndBound { cases, proved } => {
                f.pad(&format!("branch and bound, {cases} cases, {proved} in the proof"))
            }
            Self::Cells { cases, proved } => {
                f.pad(&format!("branch and bound by sides, {cases} cells, {proved} in the proof"))
            }
            Self::Parts { parts } => f.pad(&format!("the largest of {parts} parts")),
            Self::InputByInput { inputs: 1 } => f.pad("relaxation of 1 input, closed form for the others"),
            Self::InputByInput { inputs } => {
                f.pad(&format!("relaxation of {inputs} inputs, closed form for the others"))
            }
            Self::RelaxationOfL2 => f.pad("relaxation of l2, whose unit ball is larger"),
            Self::ClosedForm { exact: true } => f.pad("closed form, exact"),
            Self::ClosedForm { exact: false } => f.pad("closed form"),
        }
    }
}

/// One bound: lower.lower ≤ Lip ≤ FGL ≤ certificate.upper(), and pattern_lower ≤ FGL.
#[derive(Clone, Debug)]
pub struct Bound {
    /// What was measured of the output.
    pub functional: Functional,
    /// The checked upper bound.
    pub certificate: Certificate,
    /// The value of the vector network: upper minus this is the solver's error. After an exact search, upper may be less.
    pub relaxation: f64,
    /// The FGL is at least this (rounded down).
    pub pattern_lower: f64,
    /// The best activation pattern found, its value rounded down: slopes, each in its interval, with that Jacobian norm.
    pub pattern: Pattern,
    /// A real input, and the norm of its gradient: the Lipschitz constant is at least this (rounded down).
    pub witness: Witness,
    /// How the upper bound was found.
    pub method: Method,
    /// Whether Lip = FGL is proved, every activation pattern being reachable ([`crate::lower::Realiser`]).
    pub lip_is_fgl: bool,
    /// Why work ended.
    pub stop: Stop,
    /// Sweeps made.
    pub iterations: usize,
    /// k, the number of features it ended with.
    pub rank: usize,
    /// When its upper bound was done, from the start of the computation.
    pub time: Duration,
}

impl Bound {
    /// The certified upper bound.
    pub fn upper(&self) -> f64 {
        self.certificate.upper()
    }

    /// K with upper ≤ K·FGL, up to the rounding of `relaxation`, for a network, norm and output of which such a constant is
    /// known beforehand (see the [front page](crate#how-far-off-a-bound-can-be)), and once the relaxation was solved; none
    /// where the only thing known is [`Self::gap`].
    pub fn factor(&self, network: &Network) -> Option<f64> {
        let known = match self.method {
            Method::ClosedForm { exact } => exact.then_some(1.0)?,
            Method::RelaxationOfL2 | Method::Parts { .. } | Method::Cells { .. } => None?,
            Method::Relaxation | Method::Cuts { .. } | Method::BranchAndBound { .. } | Method::InputByInput { .. } => {
                factor(&SlopeNetwork::everywhere(network).ok()?, self.certificate.norm(), &self.functional)?
            }
        };
        let solved = self.upper() <= self.relaxation * (1.0 + 1e-2);
        (solved && self.relaxation > 0.0).then(|| (known * (self.upper() / self.relaxation).max(1.0)).next_up())
    }

    /// (upper − best lower bound of the FGL) / upper: how much of the bound may be air.
    pub fn gap(&self) -> f64 {
        if self.upper() == 0.0 { 0.0 } else { (self.upper() - self.pattern_lower) / self.upper() }
    }
}

/// Everything about one question.
#[derive(Clone, Debug)]
pub struct Report {
    /// The norm of input perturbations.
    pub norm: InputNorm,
    /// The units of the input; none for ones.
    pub unit: Option<Units>,
    /// Where the bounds hold; none for everywhere.
    pub region: Option<Region>,
    /// The tolerance in force.
    pub tol: f64,
    /// One per functional, in the order asked.
    pub bounds: Vec<Bound>,
    /// From start to end.
    pub time: Duration,
    /// Why the checkpoint of an exact search does not hold its last state, if so.
    pub unsaved: Option<ResultsError>,
}

impl Report {
    /// The largest upper bound.
    pub fn upper(&self) -> f64 {
        self.bounds.iter().map(Bound::upper).fold(0.0, f64::max)
    }

    /// Whether the Lipschitz constant of `bound` itself is known to the tolerance: the real input's gradient meets the upper
    /// bound.
    pub fn is_lip_exact(&self, bound: &Bound) -> bool {
        bound.witness.lower >= bound.upper() * (1.0 - self.tol)
    }

    /// Whether the FGL of `bound` is known to the tolerance.
    pub fn is_exact(&self, bound: &Bound) -> bool {
        bound.gap() <= self.tol
    }

    /// As [`Self::certificate_file`], with what there is to know about the file that the network came from.
    pub fn certificate_file_of(&self, imported: &Imported) -> CertificateFile {
        let mut notes = imported.notes();
        notes.push(format!("self-check of the import: {}", imported.self_check));
        CertificateFile { notes, ..self.certificate_file(&imported.network) }
    }

    /// The certificates as a file for [`crate::proof::check_file`].
    pub fn certificate_file(&self, network: &Network) -> CertificateFile {
        CertificateFile {
            format: CertificateFile::FORMAT.to_owned(),
            version: CertificateFile::VERSION,
            network: network.hash(),
            norm: self.norm,
            unit: self.unit.clone(),
            region: self.region.clone(),
            bounds: self.bounds.iter().map(|b| b.certificate.claim()).collect(),
            notes: Vec::new(),
        }
    }
}
