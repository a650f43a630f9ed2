//! The number of lines that README asks a reader to trust.

use std::fs;
use std::path::{Path, PathBuf};

/// What has to be trusted of a bound, everywhere or on a region: README and `docs/trusted.md` say so in words.
const TRUSTED: &[&str] = &["crates/geolip-check/src"];

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.flat_map(|entry| files(&entry.expect("an entry").path())).collect()
}

#[test]
fn readme_counts_the_trusted_lines_wrongly() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources = TRUSTED.iter().flat_map(|path| files(&root.join(path)));
    let count: usize = sources.map(|file| fs::read_to_string(file).expect("a source file").lines().count()).sum();
    let readme = fs::read_to_string(root.join("README.md")).expect("the README");
    let (before, _) = readme.split_once(" lines of Rust").expect("the README says how many lines there are");
    let said: usize = before.rsplit(' ').next().expect("a number").replace(',', "").parse().expect("a number");
    assert!(said.abs_diff(count) <= 500, "the README says about {said} lines of Rust; there are {count}");
}
