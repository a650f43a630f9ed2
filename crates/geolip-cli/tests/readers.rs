//! What is read, on the command line: strict data files, several networks in one file, and what was left out, which every
//! command says.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn geolip(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_geolip")).args(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is printed by a run that succeeds.
fn shown(arguments: &[&str]) -> String {
    let output = geolip(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The one line of a run that is refused.
fn refused(arguments: &[&str]) -> String {
    let output = geolip(arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}{error}", text(&output.stdout));
    assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    error
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a plain path").to_owned()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("writable");
        path
    }
}

/// A MATLAB file of level 5: its variables by name, rows, columns and numbers (column after column).
fn mat(variables: &[(&str, u32, u32, &[f64])]) -> Vec<u8> {
    let element = |kind: u32, content: &[u8]| {
        let mut bytes = [kind.to_le_bytes(), u32::try_from(content.len()).expect("short").to_le_bytes()].concat();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let mut file = b"MATLAB 5.0 MAT-file".to_vec();
    file.resize(124, b' ');
    file.extend_from_slice(b"\x00\x01IM");
    for (name, rows, cols, numbers) in variables {
        let numbers: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
        let parts = [
            element(6, &[6, 0, 0, 0, 0, 0, 0, 0]),
            element(5, &[rows.to_le_bytes(), cols.to_le_bytes()].concat()),
            element(1, name.as_bytes()),
            element(9, &numbers),
        ];
        file.extend(element(14, &parts.concat()));
    }
    file
}

/// x ↦ W2·relu(W1·x + b1) with two inputs, three neurons, two outputs; the bias tells how matrices are stored.
const LAYERS: [(&str, u32, u32, &[f64]); 3] = [
    ("W1", 3, 2, &[1.0, -1.0, 0.5, 0.25, 1.0, -0.5]),
    ("b1", 1, 3, &[0.5, -0.25, 0.125]),
    ("W2", 2, 3, &[1.0, -1.0, 0.5, 0.25, 1.0, -0.5]),
];

#[test]
fn every_command_says_that_a_scaler_was_left_out() {
    let files = Files::new();
    let scaler: [(&str, u32, u32, &[f64]); 2] =
        [("input_mean", 1, 2, &[0.5, 0.5]), ("input_scale", 1, 2, &[10.0, 10.0])];
    let net = files.write("net.mat", mat(&[&LAYERS[..], &scaler[..]].concat()));
    let (center, certificate, page) =
        (files.write("x.csv", "0.1,0.2\n"), files.path("c.json"), files.path("page.html"));
    let note = "left out: input_mean, input_scale, a scaler; the network begins after it, and its inputs, distances and \
                radii are scaled";
    let bound = ["bound", &net, "--certificate", &certificate, "--report", &page];
    let runs: [&[&str]; 6] = [
        &bound,
        &["check", &certificate, &net],
        &["compare", &net],
        &["radius", &net, "--center", &center],
        &["info", &net],
        &["export", &net, &files.path("net.json")],
    ];
    for arguments in runs {
        let table = shown(arguments);
        assert!(table.contains(note), "{arguments:?}: {table}");
        if arguments[0] == "export" {
            continue;
        }
        let json: Value = serde_json::from_str(&shown(&[arguments, &["--json"]].concat())).expect("one JSON object");
        assert_eq!(json["network"]["notes"], serde_json::json!([note]), "{arguments:?}");
    }
    assert!(fs::read_to_string(page).expect("a page").contains(note));
    let plain = files.write("plain.mat", mat(&LAYERS));
    let json: Value = serde_json::from_str(&shown(&["info", &plain, "--json"])).expect("one JSON object");
    assert_eq!(json["network"]["notes"], serde_json::json!([]));
}

#[test]
fn a_data_file_is_read_as_it_is_or_not_at_all() {
    let files = Files::new();
    let net = files.write("net.mat", mat(&LAYERS));
    let radius = |name: &str, content: &str, more: &[&str]| {
        let center = files.write(name, content);
        let arguments = [&["radius", &net, "--center", &center, "--json"], more].concat();
        let json: Value = serde_json::from_str(&shown(&arguments)).expect("one JSON object");
        let rows = json["samples"].as_array().expect("a list").clone();
        rows.iter().map(|sample| (sample["row"].as_u64(), sample["label"].as_u64())).collect::<Vec<_>>()
    };
    let error = |name: &str, content: &str, more: &[&str]| {
        let center = files.write(name, content);
        refused(&[&["radius", &net, "--center", &center], more].concat())
    };
    assert_eq!(radius("bom.csv", "\u{feff}0.1,0.2\n0.3,0.4\n", &[]).len(), 2, "the mark hides no row");
    assert_eq!(radius("row.csv", "x,y\n0.1,0.2\n0.3,0.4\n", &["--row", "1"]), [(Some(1), None)]);
    assert_eq!(radius("last.csv", "0.1,0.2,1\n", &["--label-column", "last"]), [(Some(0), Some(1))]);
    assert_eq!(radius("name.csv", "x,class,y\n0.1,1,0.2\n", &["--label-column", "class"]), [(Some(0), Some(1))]);
    assert_eq!(radius("head.csv", "0,1\n0.1,0.2\n", &["--header"]), [(Some(0), None)]);
    assert_eq!(radius("data.csv", "0,1\n0.1,0.2\n", &["--header=false"]).len(), 2);
    assert!(error("head.csv", "0,1\n0.1,0.2\n", &[]).contains("--header"));
    assert!(error("gap.csv", "1,0.5,,0.3", &[]).contains("line 1, column 3 is empty"));
    assert!(error("word.csv", "0.1,0.2\n0.3,x\n", &[]).contains("line 2, column 2: 'x' is not a number"));
    assert!(error("ragged.csv", "0.1,0.2\n0.3\n", &[]).contains("line 2 has 1 cells, but the first has 2"));
    assert!(error("index.csv", ",x,y\n0,0.1,0.2\n1,0.3,0.4\n", &[]).contains("may be an index"));
    assert!(error("none.csv", "1,0.1,0.2\n", &["--label-column", "none"]).contains("has 3 numbers"));
}

fn doors() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/red/doors");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there (cases by others, not part of the project)", folder.display());
        return None;
    }
    Some(folder)
}

#[test]
fn two_networks_in_one_list_are_not_composed() {
    let Some(doors) = doors() else { return };
    let file = doors.join("actor_critic.safetensors");
    let file = file.to_str().expect("a plain path");
    let error = refused(&["bound", file]);
    assert!(error.contains("--prefix actor or --prefix critic"), "{error}");
    let info: Value = serde_json::from_str(&shown(&["info", file, "--prefix", "critic", "--json"])).expect("JSON");
    assert_eq!((&info["network"]["inputs"], &info["network"]["outputs"]), (&Value::from(4), &Value::from(1)));
    assert_eq!(
        info["network"]["notes"],
        serde_json::json!([
            "left out: actor.0.weight, actor.2.weight, which are not part of the network that is bounded"
        ])
    );
    assert!(refused(&["bound", file, "--prefix", "other"]).contains("they begin with 'actor', 'critic'"));
    let scale = doors.join("mat_scalar_left_out.mat");
    let error = refused(&["bound", scale.to_str().expect("a plain path"), "--transposed=false"]);
    assert!(error.contains("array 'output_scale' is a single number that may be a part of the network"), "{error}");
}

#[test]
fn rows_and_labels_of_others_files_are_not_shifted() {
    let Some(doors) = doors() else { return };
    let path = |name: &str| doors.join(name).to_str().expect("a plain path").to_owned();
    let (net, one) = (path("n.npz"), path("one.npz"));
    let json: Value =
        serde_json::from_str(&shown(&["radius", &net, "--center", &path("bom.csv"), "--json"])).expect("JSON");
    assert_eq!(json["samples"].as_array().map(Vec::len), Some(4), "the first row counts");
    assert!(refused(&["radius", &net, "--center", &path("miss2.csv")]).contains("line 1, column 3 is empty"));
    assert!(refused(&["radius", &one, "--center", &path("two.csv")]).contains("--label-column"));
}
