//! The file: its lock, what is added to it, what replaces it.

use super::lines::{Chain, Content, Fault, Row, read};
use super::record::{PREFIX, Record};
use crate::files::{Place, Temporary, is_at};
use crate::text;
use serde::Serialize;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How often a file is opened that another run replaces at that moment.
const TRIES: usize = 100;

/// Why a file is of no use for results.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// It cannot be opened, read, locked or written.
    #[error("{}: {reason}; give a regular file in a folder that exists and has room", text::path(path))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Another run holds its lock.
    #[error("{}: another run is using it; wait until it ends, or give another path", text::path(path))]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It does not begin with a record.
    #[error(
        "{}: it is not a results file, as its first line records no question; give another path (the file was not changed)",
        text::path(path)
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is of another question.
    #[error(
        "{}: it holds the results of another question: {difference}; give another path, or the same question",
        text::path(path)
    )]
    Question {
        /// The file.
        path: PathBuf,
        /// What differs, there and here.
        difference: String,
    },
    /// A line is not as it was written, or says what cannot be.
    #[error("{}: line {line} {reason}; give another path, or delete this file to start again", text::path(path))]
    Line {
        /// The file.
        path: PathBuf,
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// A file of results of one question, locked until it is dropped.
#[derive(Debug)]
pub struct ResultsFile {
    path: PathBuf,
    /// Where it is: no link.
    place: PathBuf,
    record: Record,
    file: File,
    chain: Chain,
    /// Bytes of whole lines.
    whole: u64,
}

impl ResultsFile {
    /// Opens the file of this question, with the rows it holds, or begins it. A last line that was cut short is cut off: for
    /// files that rows are [added](Self::append) to.
    pub fn open(path: &Path, record: Record) -> Result<(Self, Vec<Row>), ResultsError> {
        Self::open_as(path, record, true)
    }

    /// As [`Self::open`], but what was cut short is refused: no run leaves that of a file that is [replaced](Self::replace) as
    /// a whole.
    pub fn open_whole(path: &Path, record: Record) -> Result<(Self, Vec<Row>), ResultsError> {
        Self::open_as(path, record, false)
    }

    fn open_as(path: &Path, record: Record, cuts: bool) -> Result<(Self, Vec<Row>), ResultsError> {
        let unusable = |error: io::Error| ResultsError::Unusable { path: path.to_owned(), reason: error.to_string() };
        let place = match Place::of(path).map_err(unusable)? {
            Place::File(place) => place,
            Place::Stream(_) | Place::Standard(_) => {
                return Err(unusable(io::Error::other("it is not a regular file")));
            }
        };
        let mut file = locked(&place).map_err(unusable)?.ok_or_else(|| ResultsError::Busy { path: path.to_owned() })?;
        let mut start = Vec::new();
        (&file).take(PREFIX.len() as u64).read_to_end(&mut start).map_err(unusable)?;
        if !start.is_empty() && start != PREFIX {
            return Err(ResultsError::Foreign { path: path.to_owned() }); // however large it is
        }
        let mut bytes = start;
        file.read_to_end(&mut bytes).map_err(unusable)?;
        let Content { rows, chain, whole } = read(&bytes, &record).map_err(|fault| match fault {
            Fault::Foreign => ResultsError::Foreign { path: path.to_owned() },
            Fault::Question(difference) => ResultsError::Question { path: path.to_owned(), difference },
            Fault::Line(line, reason) => ResultsError::Line { path: path.to_owned(), line, reason: reason.to_owned() },
        })?;
        if whole < bytes.len() && whole > 0 && !cuts {
            let (line, reason) = (rows.len() + 2, "was cut short".to_owned());
            return Err(ResultsError::Line { path: path.to_owned(), line, reason });
        }
        let mut results = Self { path: path.to_owned(), place, record, file, chain, whole: whole as u64 };
        if whole < bytes.len() {
            results.file.set_len(results.whole).map_err(unusable)?;
        }
        if whole == 0 {
            results.chain = Chain::start();
            let line = results.chain.seal(&results.record.line());
            results.put(&line)?;
        }
        Ok((results, rows))
    }

    /// That a line says what cannot be.
    pub fn refuse(&self, line: usize, reason: impl Into<String>) -> ResultsError {
        ResultsError::Line { path: self.path.clone(), line, reason: reason.into() }
    }

    /// Adds a row: an object with a member at least.
    pub fn append(&mut self, row: &impl Serialize) -> Result<(), ResultsError> {
        let object = serde_json::to_string(row).map_err(|error| self.unusable(&error.into()))?;
        let mut chain = self.chain;
        let line = chain.seal(&object);
        self.put(&line)?;
        self.chain = chain;
        Ok(())
    }

    /// Replaces all rows, at once: whatever happens meanwhile, the file is the old one or the new one.
    pub fn replace<'a, T: Serialize + 'a>(&mut self, rows: impl Iterator<Item = &'a T>) -> Result<(), ResultsError> {
        let mut chain = Chain::start();
        let mut text = chain.seal(&self.record.line());
        for row in rows {
            let object = serde_json::to_string(row).map_err(|error| self.unusable(&error.into()))?;
            text += &chain.seal(&object);
        }
        let put = || {
            let temporary = Temporary::beside(&self.place)?;
            temporary.file().lock()?; // nobody knows it yet; where it is put, it is locked
            temporary.file().write_all(text.as_bytes())?;
            temporary.put(&self.place)
        };
        self.file = put().map_err(|error: io::Error| self.unusable(&error))?;
        (self.chain, self.whole) = (chain, text.len() as u64);
        Ok(())
    }

    /// Writes lines at the end; what was written in part is cut off again.
    fn put(&mut self, lines: &str) -> Result<(), ResultsError> {
        let written = self.file.seek(SeekFrom::Start(self.whole)).and_then(|_| self.file.write_all(lines.as_bytes()));
        written.map_err(|error| {
            let _ = self.file.set_len(self.whole); // else the next run cuts it off
            self.unusable(&error)
        })?;
        self.whole += lines.len() as u64;
        Ok(())
    }

    fn unusable(&self, error: &io::Error) -> ResultsError {
        ResultsError::Unusable { path: self.path.clone(), reason: error.to_string() }
    }
}

/// The file, locked; none if another run holds the lock.
fn locked(place: &Path) -> io::Result<Option<File>> {
    for _ in 0..TRIES {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(place)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // the lock of a file that was replaced since it was opened says nothing
        match is_at(&file, place) {
            Ok(true) => return Ok(Some(file)),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
