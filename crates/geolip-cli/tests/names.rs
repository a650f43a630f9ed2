//! Names that are made to fool whoever reads: no command prints a control character, or a character that turns the direction of
//! reading, and no name begins a line.

mod onnx;

use onnx::{input, node, output, port, tensor};
use std::fs;
use std::path::Path;
use std::process::Command;

const NAME: &str = "\u{1b}[2K\raccepted\n\u{202e}\u{9b}31m\u{2066}";

fn named(what: &str) -> String {
    format!("{NAME}{what}")
}

/// x and z; logits = relu(x·w + z); y = hardmax(logits), features = tanh(logits); every name is [`NAME`] and a word.
fn hostile(folder: &Path) -> String {
    let path = folder.join(format!("{NAME}.onnx"));
    let [x, z, w, product, sum, logits, y, features] =
        ["x", "z", "w", "product", "sum", "logits", "y", "features"].map(named);
    let parts = [
        node(&named("fc"), "MatMul", &[&x, &w], &product),
        node(&named("add"), "Add", &[&product, &z], &sum),
        node(&named("relu"), "Relu", &[&sum], &logits),
        node(&named("hardmax"), "Hardmax", &[&logits], &y),
        node(&named("strange"), &named("Operator"), &[&logits], &features),
        tensor(&w, &[3, 2], &[1.0, 0.0, -2.0, 1.0, 0.5, 3.0]),
        input(&port(&x, &[1, 3])),
        input(&port(&z, &[1, 2])),
        output(&port(&y, &[1, 2])),
        output(&port(&features, &[1, 2])),
    ];
    fs::write(&path, onnx::model_by(&named("producer"), 13, &parts)).expect("writable");
    path.to_str().expect("text").to_owned()
}

fn is_hidden(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
}

#[test]
fn no_name_reaches_the_terminal_or_the_page_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = hostile(folder.path());
    let at = |name: &str| folder.path().join(named(name)).to_str().expect("text").to_owned();
    let [certificate, page, export, data, nowhere] = ["c.json", "page.html", "n.json", "data.csv", "none.csv"].map(at);
    let [npz, missing] = ["w.npz", "u.txt"].map(at);
    fs::write(&data, "0,1,1,1,1,1\n1,2,2,2,2,2\n").expect("writable");
    fs::write(&npz, "none").expect("writable");
    let (until, x) = (named("logits"), named("x"));
    let read = ["--until", until.as_str()];
    let runs: Vec<(Vec<&str>, i32)> = vec![
        (vec!["info", &file], 2),
        (vec!["info", &file, "--json"], 2),
        (vec!["bound", &file], 2),
        (vec!["bound", &file, "--until", NAME], 2),
        (vec!["bound", &file, "--output-name", NAME], 2),
        (vec!["bound", &file, "--input", NAME], 2),
        (vec!["bound", NAME], 2),
        (vec![NAME], 2),
        (vec!["bound", &npz], 2),
        ([&["info", &file], &read[..]].concat(), 0),
        ([&["info", &file, "--input", &x], &read[..]].concat(), 0),
        ([&["info", &file, "--json"], &read[..]].concat(), 0),
        ([&["bound", &file, "--certificate", &certificate, "--report", &page], &read[..]].concat(), 0),
        ([&["bound", &file, "--certificate", &certificate, "--report", &certificate], &read[..]].concat(), 2),
        ([&["bound", &file, "--input", &x, "--json"], &read[..]].concat(), 0),
        ([&["bound", &file, "--output", &missing], &read[..]].concat(), 2),
        ([&["compare", &file], &read[..]].concat(), 0),
        ([&["compare", &file, "--json"], &read[..]].concat(), 0),
        ([&["check", &certificate, &file], &read[..]].concat(), 0),
        ([&["check", &certificate, &file, "--json"], &read[..]].concat(), 0),
        ([&["check", &data, &file], &read[..]].concat(), 2),
        ([&["radius", &file, "--center", &data], &read[..]].concat(), 0),
        ([&["radius", &file, "--center", &nowhere], &read[..]].concat(), 2),
        ([&["radius", &file, "--center", &data, "--results", &data], &read[..]].concat(), 2),
        ([&["radius", &file, "--center", &data, "--results", &page], &read[..]].concat(), 2),
        ([&["export", &file, &export], &read[..]].concat(), 0),
        (vec!["info", &export], 0),
        (vec!["info", &export, "--json"], 0),
    ];
    for (arguments, code) in runs {
        let output = Command::new(env!("CARGO_BIN_EXE_geolip")).args(&arguments).output().expect("the binary runs");
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            assert!(!text.contains(is_hidden), "{arguments:?} prints {text:?}");
            let forged = |line: &&str| line.starts_with("accepted") && arguments[0] != "check";
            assert_eq!(text.lines().find(forged), None, "{arguments:?}");
        }
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let html = fs::read_to_string(&page).expect("the page");
    assert!(!html.contains(is_hidden) && html.contains("accepted\\n"));
}
