//! Files that are written: whole or not at all.
//!
//! A regular file is written beside its place, under a name that nothing else has, and put there when it is complete; it keeps
//! its permissions, and a symbolic link to it stays a link. Devices, pipes and standard output are written through. What is
//! found to be in the way ([`Destination::open`]) is known before the work begins; nothing is left behind, also where the
//! program is interrupted ([`abandon`]).
//!
//! | file | one idea |
//! | --- | --- |
//! | `place.rs` | what a path leads to, and whether two lead to the same |
//! | `temporary.rs` | files under other names until they are complete |
//!
//! This module knows nothing of what is written.

mod place;
mod temporary;

pub use place::same;
pub(crate) use place::{Place, is_at};
pub(crate) use temporary::Temporary;
pub use temporary::abandon;

#[cfg(test)]
use place::Standard;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A file that will be written.
#[derive(Debug)]
pub struct Destination(Place);

impl Destination {
    /// Looks whether `path` can be written, and changes nothing: a file in a folder in which files can be made, or something
    /// that takes bytes.
    pub fn open(path: &Path) -> io::Result<Self> {
        let place = Place::of(path)?;
        if let Place::File(path) = &place {
            if path.exists() {
                OpenOptions::new().append(true).open(path)?; // what is read-only was made so on purpose
            }
            Temporary::beside(path)?;
        }
        Ok(Self(place))
    }

    /// Writes it.
    pub fn write(self, bytes: &[u8]) -> io::Result<()> {
        self.write_with(|out| out.write_all(bytes))
    }

    /// Writes what `content` writes. If that fails, a regular file is as it was.
    pub fn write_with<E: From<io::Error>>(
        self,
        content: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        let through = |file: File, content: &mut dyn FnMut(&mut dyn Write) -> Result<(), E>| {
            let mut out = BufWriter::new(file);
            content(&mut out)?;
            out.into_inner().map_err(|error| E::from(error.into_error()))
        };
        let mut content = Some(content);
        let mut once = |out: &mut dyn Write| content.take().map_or(Ok(()), |content| content(out));
        match self.0 {
            Place::File(path) => {
                let temporary = Temporary::beside(&path)?;
                through(temporary.file().try_clone()?, &mut once)?;
                temporary.put(&path)?;
            }
            Place::Stream(path) => {
                through(OpenOptions::new().append(true).open(path)?, &mut once)?;
            }
            Place::Standard(standard) => {
                through(standard.file()?, &mut once)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
