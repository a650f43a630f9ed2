//! What a path leads to, and whether two paths lead to the same.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Symbolic links one after the other, as many as systems follow.
const LINKS: usize = 40;

/// Where bytes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A regular file, or one that is not there yet: no link, its folder in full.
    File(PathBuf),
    /// A device, a pipe, or an open file by the name of its descriptor.
    Stream(PathBuf),
    /// Standard output or standard error of this process.
    Standard(Standard),
}

/// A stream that this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standard {
    Output,
    Error,
}

impl Standard {
    /// The stream itself, not a second opening of what it leads to.
    #[cfg(unix)]
    pub fn file(self) -> io::Result<File> {
        use std::os::fd::AsFd;
        let descriptor = match self {
            Self::Output => io::stdout().as_fd().try_clone_to_owned()?,
            Self::Error => io::stderr().as_fd().try_clone_to_owned()?,
        };
        Ok(File::from(descriptor))
    }

    #[cfg(not(unix))]
    pub fn file(self) -> io::Result<File> {
        Err(ErrorKind::Unsupported.into())
    }
}

impl Place {
    /// Follows `path` to its end. Folders, and the file that standard output goes to, are no place for a file.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            if let Some(descriptor) = descriptor(&path) {
                return Ok(descriptor);
            }
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    let target = fs::read_link(&path)?;
                    path = path.parent().unwrap_or(Path::new("")).join(target);
                }
                Ok(found) if found.is_dir() => return Err(ErrorKind::IsADirectory.into()),
                Ok(found) if found.is_file() => {
                    if is_standard_output(&found) {
                        return Err(io::Error::other("it is the file that standard output goes to"));
                    }
                    return in_full(&path).map(Self::File);
                }
                Ok(_) => return Ok(Self::Stream(path)),
                Err(error) if error.kind() == ErrorKind::NotFound => return in_full(&path).map(Self::File),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("too many symbolic links one after the other"))
    }
}

/// A file's path with its folder in full.
fn in_full(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(ErrorKind::NotADirectory.into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize()?.join(name))
}

/// An open file that is named by its descriptor, such as `/dev/stdout` or `/dev/fd/3` name it in the end.
fn descriptor(path: &Path) -> Option<Place> {
    let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
    let folder = path.parent()?;
    let in_full = folder.canonicalize().ok()?;
    let own = Path::new("/proc/self/fd").canonicalize().ok();
    let is_own = own.as_deref() == Some(&in_full) || folder == Path::new("/dev/fd");
    match number {
        1 if is_own => Some(Place::Standard(Standard::Output)),
        2 if is_own => Some(Place::Standard(Standard::Error)),
        _ => {
            (is_own || in_full.starts_with("/proc") && in_full.ends_with("fd")).then(|| Place::Stream(path.to_owned()))
        }
    }
}

fn is_standard_output(found: &Metadata) -> bool {
    Standard::Output.file().and_then(|file| file.metadata()).is_ok_and(|output| is_one(found, &output))
}

/// Whether two paths lead to the same file, by whatever names; character devices such as `/dev/null` do not count. What is not
/// there is compared by its name.
pub fn same(a: &Path, b: &Path) -> bool {
    if cfg!(unix)
        && let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b))
    {
        return is_one(&a, &b) && !is_character_device(&a);
    }
    matches!((Place::of(a), Place::of(b)), (Ok(a), Ok(b)) if a == b)
}

/// Whether `file` is what stands under `path` now; on systems where an open file cannot be replaced, it is.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    Ok(cfg!(not(unix)) || is_one(&file.metadata()?, &fs::metadata(path)?))
}

#[cfg(unix)]
fn is_one(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_one(_: &Metadata, _: &Metadata) -> bool {
    false // files are compared by their paths
}

#[cfg(unix)]
fn is_character_device(found: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    found.file_type().is_char_device()
}

#[cfg(not(unix))]
fn is_character_device(_: &Metadata) -> bool {
    false
}
