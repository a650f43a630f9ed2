//! `--report`: one page that needs nothing else.

use std::path::Path;
use std::process::Command;

/// The page of a shipped network's bounds, written to a file.
fn page(file: &str, options: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_geolip"))
        .args(["bound", "models/digits-784-64-10.onnx", "--report", file])
        .args(options)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .expect("the binary runs");
    assert!(output.status.success());
    std::fs::read_to_string(file).expect("the page is written")
}

#[test]
fn a_page_shows_the_bounds_and_the_hash_of_their_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let certificate = at("c.json");
    let html = page(&at("page.html"), &["--certificate", &certificate]);
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"));
    for tag in ["table", "svg", "style", "dl", "body", "html"] {
        let count = |text: &str| html.matches(text).count();
        assert_eq!(count(&format!("<{tag}")), count(&format!("</{tag}>")), "{tag}");
    }
    assert_eq!(html.matches("class=\"mark\"").count(), 11, "one mark per output and one in the legend");
    for outside in ["http:", "https:", "src=", "@import", "<script"] {
        assert!(!html.contains(outside), "the page asks for something else: {outside}");
    }
    assert!(html.contains(&format!("geolip check {certificate} models/digits-784-64-10.onnx")));
    let again = Command::new("sha256sum").arg(&certificate).output();
    if let Some(hash) = again.ok().and_then(|o| String::from_utf8(o.stdout).ok()?.split(' ').next().map(str::to_owned))
    {
        assert!(html.contains(&hash), "the page names the certificate's hash, {hash}");
    }
}

#[test]
fn a_page_of_local_bounds_claims_nothing_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let centre = at("centre.txt");
    std::fs::write(&centre, "0.3 ".repeat(784)).expect("a centre");
    let html = page(&at("page.html"), &["--center", &centre, "--radius", "0.01"]);
    assert!(html.contains("For every two inputs of a box of 784 inputs, half-width at most 0.01"), "{html}");
    assert!(html.contains("lower ≤ local Lip ≤ local FGL ≤ upper") && !html.contains("≤ Lip"), "{html}");
}
