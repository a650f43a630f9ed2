//! How a command fails: one line on standard error, and an exit code.

use geolip::BoundError;
use geolip::certificate::{FormatError, Rejection};
use geolip::import::ImportError;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Everything that ends a command early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Bound(#[from] BoundError),
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
            Self::Rejected(_) | Self::Bound(BoundError::NotCertified { .. } | BoundError::Overflow { .. }) => 1,
            Self::Import(_) | Self::Bound(_) | Self::Certificate { .. } | Self::Read { .. } | Self::Write { .. } => 2,
        }
    }

    /// Prints the line and gives the code.
    pub fn report(&self) -> ExitCode {
        eprintln!("error: {self}");
        ExitCode::from(self.code())
    }
}
