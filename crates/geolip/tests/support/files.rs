//! Where the networks lie that whole-file tests read.

use geolip::Network;
use geolip::import::{ImportOptions, load};
use std::io::Write;
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
    // (not by `eprintln!`, which the test runner keeps to itself)
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    let missing = folder.display();
    writeln!(
        std::io::stderr(),
        "{test}: skipped, {missing} is not there (networks by others, not part of the project)"
    )
    .ok();
    None
}

/// Its folder of networks.
pub fn shared_nets() -> Option<PathBuf> {
    shared().map(|folder| folder.join("nets"))
}

/// The rows of a table with a header line; lines that start with # are comments.
pub fn table(path: impl AsRef<Path>) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).expect("a reference table can be read");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// The network of a file. The matrices of GLipSDP's files are stored in x out.
pub fn import(path: &Path) -> Network {
    let transposed = path.to_string_lossy().contains("glipsdp_mat").then_some(true);
    let options = ImportOptions { transposed, ..ImportOptions::default() };
    load(path, &options).unwrap_or_else(|error| panic!("{error}")).network
}
