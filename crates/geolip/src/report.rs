//! What a computation found: plain data.

use crate::certificate::{Certificate, CertificateFile};
use crate::lower::Witness;
use crate::network::Network;
use crate::problem::{Functional, InputNorm};
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
            Self::Stalled => "stalled",
            Self::Interrupted => "interrupted",
        })
    }
}

/// One bound: lower.lower ≤ Lip ≤ FGL ≤ certificate.upper(), and pattern_lower ≤ FGL.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The output functional.
    pub functional: Functional,
    /// The checked upper bound.
    pub certificate: Certificate,
    /// The value of the vector network: upper minus this is the solver's error.
    pub relaxation: f64,
    /// The FGL is at least this (rounded down).
    pub pattern_lower: f64,
    /// A real input, and the norm of its gradient: the Lipschitz constant is at least this (rounded down).
    pub witness: Witness,
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
    /// The tolerance in force.
    pub tol: f64,
    /// One per functional, in the order asked.
    pub bounds: Vec<Bound>,
    /// From start to end.
    pub time: Duration,
}

impl Report {
    /// The largest upper bound.
    pub fn upper(&self) -> f64 {
        self.bounds.iter().map(Bound::upper).fold(0.0, f64::max)
    }

    /// Whether the FGL of `bound` is known to the tolerance.
    pub fn is_exact(&self, bound: &Bound) -> bool {
        bound.gap() <= self.tol
    }

    /// The certificates as a file for [`crate::certificate::check_file`].
    pub fn certificate_file(&self, network: &Network) -> CertificateFile {
        CertificateFile {
            format: CertificateFile::FORMAT.to_owned(),
            version: CertificateFile::VERSION,
            network: network.hash(),
            norm: self.norm,
            region: None,
            bounds: self.bounds.iter().map(|b| b.certificate.claim()).collect(),
        }
    }
}
