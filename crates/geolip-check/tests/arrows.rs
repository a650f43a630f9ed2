//! The folders of this crate use only those before them, and so do those of `geolip`, where its sources are beside.

use std::fs;
use std::path::{Path, PathBuf};

/// From the base up: `docs/architecture.md` says what each is.
const CHECK: &[&str] =
    &["matrix", "sparse", "random", "rounding", "function", "network", "problem", "place", "slopes", "form", "proof"];
/// The same for `geolip`, above all of these.
const GEOLIP: &[&str] = &[
    "text",
    "files",
    "observer",
    "spectral",
    "import",
    "samples",
    "results",
    "words",
    "options",
    "relaxation",
    "lower",
    "dual",
    "guarantee",
    "report",
    "error",
    "invariants",
    "threads",
    "solve",
    "cuts",
    "upper",
    "local",
    "search",
    "json",
    "bound",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The modules of the crate that a source names, outside comments and tests.
fn used(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let names = lines.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>());
    names.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

/// The arrows of a crate that point back, and how many there are in all.
fn backwards(root: &Path, order: &[&str]) -> (Vec<String>, usize) {
    let place = |module: &str| order.iter().position(|name| *name == module);
    let (mut wrong, mut arrows) = (Vec::new(), 0);
    for path in sources(root) {
        let inside = path.strip_prefix(root).expect("inside");
        let own = inside.components().next().expect("a name").as_os_str().to_string_lossy();
        let own = own.trim_end_matches(".rs");
        if own == "lib" {
            continue;
        }
        let Some(at) = place(own) else {
            wrong.push(format!("{own} has no place"));
            continue;
        };
        for module in used(&fs::read_to_string(&path).expect("a source")) {
            arrows += 1;
            if place(&module).is_none_or(|other| other > at) {
                wrong.push(format!("{}: {module}", inside.display()));
            }
        }
    }
    (wrong, arrows)
}

#[test]
fn a_folder_uses_a_later_one() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../geolip/src");
    let all: Vec<&str> = CHECK.iter().chain(GEOLIP).copied().collect();
    for (root, order) in [(own, CHECK), (beside, &all)] {
        if !root.is_dir() {
            continue;
        }
        let (wrong, arrows) = backwards(&root, order);
        assert!(arrows > 50, "{arrows} arrows are found");
        assert!(wrong.is_empty(), "arrows that point back:\n{}", wrong.join("\n"));
    }
}

#[test]
fn a_file_is_longer_than_600_lines() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for path in sources(&crates).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        let lines = fs::read_to_string(&path).expect("a source").lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}
