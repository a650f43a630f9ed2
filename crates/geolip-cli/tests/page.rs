//! `--report`: one page that needs nothing else.

use std::path::Path;
use std::process::Command;

#[test]
fn a_page_shows_the_bounds_and_the_hash_of_their_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (page, certificate) = (at("page.html"), at("c.json"));
    let arguments = ["bound", "models/digits-784-64-10.onnx", "--report", &page, "--certificate", &certificate];
    let output = Command::new(env!("CARGO_BIN_EXE_geolip"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .expect("the binary runs");
    assert!(output.status.success());
    let html = std::fs::read_to_string(&page).expect("the page is written");
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
    let (page, centre) = (at("page.html"), at("centre.txt"));
    std::fs::write(&centre, "0.3 ".repeat(784)).expect("a centre");
    let arguments =
        ["bound", "models/digits-784-64-10.onnx", "--report", &page, "--center", &centre, "--radius", "0.01"];
    let output = Command::new(env!("CARGO_BIN_EXE_geolip"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .expect("the binary runs");
    assert!(output.status.success());
    let html = std::fs::read_to_string(&page).expect("the page is written");
    assert!(html.contains("For every two inputs of a box of 784 inputs, half-width at most 0.01"), "{html}");
    assert!(html.contains("lower ≤ local Lip ≤ local FGL ≤ upper") && !html.contains("≤ Lip"), "{html}");
}
