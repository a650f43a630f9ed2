//! Local bounds and certified radii on the command line: whole runs of the binary.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const SMALL: &str = "models/digits-784-64-10.onnx";

fn geolip(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Command::new(env!("CARGO_BIN_EXE_geolip")).args(arguments).current_dir(root).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(arguments: &[&str]) -> Value {
    let output = geolip(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Files to work with: one input, two rows with labels, a box, a property.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let row = |value: f64| (0..784).map(|i| format!("{}", value * f64::from(i % 5))).collect::<Vec<_>>().join(",");
        files.write("x.csv", &row(0.1));
        files.write("data.csv", &format!("3,{}\n7,{}\n", row(0.1), row(0.05)));
        files.write("box.csv", &format!("{}\n{}\n", row(0.1), row(0.11)));
        files.write("two.csv", "1,2\n");
        files.write("empty.vnnlib", "(declare-const X_0 Real)\n(assert (<= X_0 1))\n");
        files
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a plain path").to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(PathBuf::from(self.path(name)), text).expect("writable");
    }
}

#[test]
fn a_local_bound_has_a_region_in_table_json_and_certificate() {
    let files = Files::new();
    let (center, certificate) = (files.path("x.csv"), files.path("c.json"));
    let question = ["bound", SMALL, "--center", &center, "--radius", "0.01", "--clip", "0", "1", "--output", "3"];
    let table = geolip(&question);
    let shown = text(&table.stdout);
    assert!(shown.contains("local: on a box of 784 inputs") && shown.contains("local Lip <= local FGL"), "{shown}");
    let report = json(&[&question[..], &["--json", "--certificate", &certificate]].concat());
    assert_eq!(report["region"]["lower"].as_array().map(Vec::len), Some(784));
    let (local, lower) = (report["upper"].as_f64().expect("a number"), report["bounds"][0]["lower"].as_f64());
    assert!(lower.is_some_and(|lower| 0.0 < lower && lower <= local));
    let global = json(&["bound", SMALL, "--output", "3", "--json"]);
    assert!(global["region"].is_null() && local < global["upper"].as_f64().expect("a number"));
    let checked = geolip(&["check", &certificate, SMALL]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("local Lip <="), "{}", text(&checked.stdout));

    let ball = json(&["bound", SMALL, "--center", &center, "--radius", "0.1", "--region-norm", "l2", "--json"]);
    assert_eq!(ball["region"]["ball"]["radius"], 0.1);
    for norm in ["l2", "3", "l1"] {
        let boxed = ["bound", SMALL, "--box", &files.path("box.csv"), "--norm", norm, "--certificate", &certificate];
        assert!(geolip(&boxed).status.success());
        assert!(geolip(&["check", &certificate, SMALL]).status.success(), "{norm}");
    }
}

#[test]
fn mistakes_about_regions_are_one_line_and_exit_code_2() {
    let files = Files::new();
    let [center, data, two, vnnlib] = ["x.csv", "data.csv", "two.csv", "empty.vnnlib"].map(|name| files.path(name));
    let runs: [(&[&str], &str); 9] = [
        (&["bound", SMALL, "--center", &center], "--radius"),
        (&["bound", SMALL, "--center", &center, "--radius", "-1"], "at least 0"),
        (&["bound", SMALL, "--center", "missing.npy", "--radius", "1"], "missing.npy"),
        (&["bound", SMALL, "--center", &two, "--radius", "1"], "784 inputs"),
        (&["bound", SMALL, "--center", &data, "--radius", "1"], "--row"),
        (&["bound", SMALL, "--box", &vnnlib], "not bounded from both sides"),
        (&["bound", SMALL, "--checkpoint", "x"], "--split"),
        (&["radius", SMALL, "--center", &center, "--label", "10"], "counted from 0 to 9"),
        (&["radius", SMALL, "--center", &data, "--label", "1"], "--row"),
    ];
    for (arguments, part) in runs {
        let output = geolip(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.lines().count() == 1 && error.contains(part), "{arguments:?}: {error}");
    }
}

#[test]
fn radii_are_certified_and_resumed() {
    let files = Files::new();
    let (data, results) = (files.path("data.csv"), files.path("results.jsonl"));
    let question = ["radius", SMALL, "--center", &data, "--radii", "0,0.001", "--results", &results, "--json"];
    let first = json(&question);
    assert_eq!(first["samples"].as_array().map(Vec::len), Some(2));
    assert_eq!((first["resumed"].as_u64(), first["missing"].as_u64()), (Some(0), Some(0)));
    let again = json(&question);
    assert_eq!(again["resumed"], 2);
    assert_eq!(again["samples"], first["samples"]);

    // the last line was cut short: it is done again
    let text = fs::read_to_string(&results).expect("results");
    fs::write(&results, &text[..text.len() - 5]).expect("writable");
    assert_eq!(json(&question)["resumed"], 1);
    let other = geolip(&["radius", SMALL, "--center", &data, "--norm", "l2", "--results", &results]);
    assert_eq!(other.status.code(), Some(2), "another question is refused");
}
