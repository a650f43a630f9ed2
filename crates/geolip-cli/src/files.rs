//! The files of a command: none is read and written, none is written twice, and what was read is told by its hash.

use crate::failure::Failure;
use geolip::files::same;
use geolip::text;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Two files that have to be different.
#[derive(Debug, thiserror::Error)]
pub enum Clash {
    #[error("{what} would overwrite '{}', which this command reads; give another file", text::path(path))]
    Read { what: &'static str, path: PathBuf },
    #[error("{first} and {second} are the same file, '{}'; give each its own", text::path(path))]
    Twice { first: &'static str, second: &'static str, path: PathBuf },
}

/// A file by the option that names it.
pub type Named<'a> = (&'static str, &'a Path);

/// Whether files can be read and written side by side.
pub fn distinct(read: &[Named<'_>], written: &[Named<'_>]) -> Result<(), Failure> {
    for (index, (what, path)) in written.iter().enumerate() {
        if read.iter().any(|(_, read)| same(path, read)) {
            return Err(Clash::Read { what, path: path.to_path_buf() }.into());
        }
        if let Some((first, _)) = written.iter().take(index).find(|(_, other)| same(path, other)) {
            return Err(Clash::Twice { first, second: what, path: path.to_path_buf() }.into());
        }
    }
    Ok(())
}

/// What was read, for JSON: `what`, `path` and `sha256` of each; without a hash where it can be read once only, such as a pipe.
pub fn described(read: &[Named<'_>]) -> Value {
    let file = |(what, path): &Named<'_>| json!({ "what": what.trim_start_matches("--"), "path": path.display().to_string(), "sha256": sha256(path).ok() });
    read.iter().map(file).collect()
}

fn sha256(path: &Path) -> io::Result<String> {
    if !path.metadata()?.is_file() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(text::hex(hash.finalize()))
}
