//! Where the networks lie that whole-file tests read.

use std::path::{Path, PathBuf};

/// The root of this checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `../shared` with networks by others and references for them, which are not part of this project; none, with a printed
/// reason, where it is not there.
pub fn shared() -> Option<PathBuf> {
    let folder = root().join("../shared");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there (networks by others, not part of the project)", folder.display());
    None
}

/// Its folder of networks.
pub fn shared_nets() -> Option<PathBuf> {
    shared().map(|folder| folder.join("nets"))
}
