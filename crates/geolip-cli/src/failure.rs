//! How a command fails: one line on standard error, and an exit code.

use crate::arguments::QuestionError;
use crate::radius::RadiusFailure;
use crate::region::RegionChoiceError;
use clap::error::ErrorKind;
use geolip::certificate::{FormatError, Rejection};
use geolip::import::ImportError;
use geolip::network::CanonicalError;
use geolip::{BoundError, RadiusError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Everything that ends a command early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Question(#[from] QuestionError),
    #[error(transparent)]
    Bound(#[from] BoundError),
    #[error(transparent)]
    Region(#[from] RegionChoiceError),
    #[error(transparent)]
    Canonical(CanonicalError),
    #[error(transparent)]
    Radius(#[from] RadiusFailure),
    #[error("{}: {source}", path.display())]
    Certificate { path: PathBuf, source: FormatError },
    #[error("rejected: {0}")]
    Rejected(#[from] Rejection),
    #[error("cannot read '{}': {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write '{}': {source}; give a path in a folder that exists and can be written to", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Failure {
    /// A failure to write `path`.
    pub fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Write { path: path.to_owned(), source }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Bound(BoundError::Broken { .. })
            | Self::Radius(RadiusFailure::Sample { source: RadiusError::Broken { .. }, .. }) => 3,
            Self::Rejected(_) | Self::Bound(BoundError::NotCertified { .. } | BoundError::Overflow { .. }) => 1,
            Self::Import(_)
            | Self::Question(_)
            | Self::Bound(_)
            | Self::Region(_)
            | Self::Radius(_)
            | Self::Canonical(_)
            | Self::Certificate { .. }
            | Self::Read { .. }
            | Self::Write { .. } => 2,
        }
    }

    /// Prints the line and gives the code.
    pub fn report(&self) -> ExitCode {
        eprintln!("error: {self}");
        ExitCode::from(self.code())
    }
}

/// What to do where the command line itself cannot be read: help and version are no errors; everything else is one line.
pub fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message: Vec<&str> =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more")).collect();
    eprintln!("{}; try --help", message.join(" "));
    ExitCode::from(2)
}
