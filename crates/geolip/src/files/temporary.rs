//! Files under other names until they are complete.

use std::fs::{self, File};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::{Builder, NamedTempFile};

/// The temporary files that there are.
static ALL: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn all() -> MutexGuard<'static, Vec<PathBuf>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner) // a list of paths is whole at any time
}

/// Removes every temporary file, and lets no other be made: for a program that ends at once, as on Ctrl-C. Whoever writes a
/// file waits from now on, for that end.
pub fn abandon() {
    let all = all();
    all.iter().for_each(|path| {
        let _ = fs::remove_file(path); // put in its place, or removed, a moment ago
    });
    mem::forget(all);
}

/// A file that is removed unless it is put in its place.
#[derive(Debug)]
pub(crate) struct Temporary(Option<NamedTempFile>);

impl Temporary {
    /// A new file in the folder of `path`, with the permissions of the file that is there, or else those of a new one.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut builder = Builder::new();
        builder.prefix(".geolip-").suffix(".partial");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less what the umask takes
        let mut all = all();
        let file = builder.tempfile_in(folder)?;
        all.push(file.path().to_owned());
        drop(all);
        let temporary = Self(Some(file));
        if let Ok(there) = fs::metadata(path) {
            temporary.file().set_permissions(there.permissions())?;
        }
        Ok(temporary)
    }

    pub fn file(&self) -> &File {
        self.0.as_ref().expect("it is taken only by what consumes it").as_file()
    }

    /// Puts the file in its place, in the stead of what is there.
    pub fn put(mut self, path: &Path) -> io::Result<File> {
        self.file().sync_all()?;
        let file = self.0.take().expect("it is taken only by what consumes it");
        let mut all = all();
        let name = file.path().to_owned();
        let put = file.persist(path).map_err(|error| error.error); // which removes it where it fails
        all.retain(|path| *path != name);
        put
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(file) = self.0.take() {
            let mut all = all();
            let name = file.path().to_owned();
            drop(file);
            all.retain(|path| *path != name);
        }
    }
}
