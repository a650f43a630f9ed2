//! How a command fails: one line on standard error, and an exit code.
//!
//! | code | what |
//! | --- | --- |
//! | 1 | a certificate was rejected, or no bound could be certified |
//! | 2 | bad usage, or unreadable or unsupported input, or a file that could not be written: known before the work |
//! | 3 | an internal error: a result contradicts itself and is withheld |
//! | 4 | the result is there, but could not be written to every place: a disk is full, a folder went away |
//! | 5 | another run is using the file of results, or the checkpoint |
//! | 130 | interrupted, before there was anything to give or a second time |

use crate::arguments::QuestionError;
use crate::files::Clash;
#[cfg(feature = "compare")]
use crate::interrupt;
use crate::radius::RadiusFailure;
use crate::region::RegionChoiceError;
use clap::error::ErrorKind;
use geolip::import::ImportError;
use geolip::network::CanonicalError;
use geolip::proof::{FormatError, Rejection};
use geolip::results::ResultsError;
use geolip::{BoundError, RadiusError, text};
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
    #[error("{}: {source}", text::path(path))]
    Certificate { path: PathBuf, source: FormatError },
    #[error("rejected: {0}")]
    Rejected(#[from] Rejection),
    #[error("cannot read '{}': {source}", text::path(path))]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write '{}': {source}; give a path in a folder that exists and can be written to", text::path(path))]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Clash(#[from] Clash),
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error(transparent)]
    Unwritten(#[from] Unwritten),
    #[cfg(not(feature = "compare"))]
    #[error("this build of geolip has no 'compare'; build geolip-cli with its default features")]
    NoCompare,
    #[cfg(feature = "compare")]
    #[error("interrupted before anything was certified")]
    Interrupted,
}

/// What was found and is not in the files where it should be.
#[derive(Debug, Default, thiserror::Error)]
#[error("not written: {}; the result itself is complete", .0.join("; "))]
pub struct Unwritten(Vec<String>);

impl Unwritten {
    /// One file.
    pub fn of(path: &Path, source: &io::Error) -> Self {
        Self(vec![format!("'{}': {source}", text::path(path))])
    }

    /// With another one, if it failed.
    pub fn note(&mut self, path: &Path, written: io::Result<()>) {
        self.0.extend(written.err().map(|source| format!("'{}': {source}", text::path(path))));
    }

    /// With a file of results, if it failed.
    pub fn note_results(&mut self, failure: Option<&ResultsError>) {
        self.0.extend(failure.map(ToString::to_string));
    }

    /// An error if anything failed.
    pub fn result(self) -> Result<(), Failure> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into()) }
    }
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
            Self::Results(ResultsError::Busy { .. })
            | Self::Bound(BoundError::Checkpoint(ResultsError::Busy { .. })) => 5,
            Self::Unwritten(_) => 4,
            #[cfg(feature = "compare")]
            Self::Interrupted => interrupt::CODE,
            Self::Rejected(_) | Self::Bound(BoundError::NotCertified { .. } | BoundError::Overflow { .. }) => 1,
            #[cfg(not(feature = "compare"))]
            Self::NoCompare => 2,
            Self::Import(_)
            | Self::Question(_)
            | Self::Bound(_)
            | Self::Region(_)
            | Self::Radius(_)
            | Self::Canonical(_)
            | Self::Certificate { .. }
            | Self::Read { .. }
            | Self::Clash(_)
            | Self::Results(_)
            | Self::Write { .. } => 2,
        }
    }

    /// Prints the line and gives the code.
    pub fn report(&self) -> ExitCode {
        eprintln!("error: {}", text::plain(&self.to_string()));
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
    eprintln!("{}; try --help", text::plain(&message.join(" ")));
    ExitCode::from(2)
}
