//! `--report FILE`: the bounds as one HTML page that needs nothing else: tables, a picture as inline SVG, and how to check
//! them again. Plain text goes through [`escaped`]; numbers are rounded outwards, as in the terminal.

use crate::numbers;
use geolip::import::Imported;
use geolip::{Bound, Report, text, words};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::Path;

/// Bars that one picture has at most; the largest bounds are shown.
const BARS: usize = 60;

/// What makes the page readable, on a telephone too: wide things scroll by themselves, and dark screens stay dark.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #6a737d; --line: #d8dee4;
  --upper: #b6d4f5; --lower: #1f6fc5; --mark: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --soft: #8b949e; --line: #30363d;
  --upper: #1d3b5f; --lower: #58a6ff; --mark: #f0883e; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 56rem;
  margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th { font-weight: 600; }
code, pre { font-size: .85rem; overflow-wrap: anywhere; white-space: pre-wrap; }
pre { border: 1px solid var(--line); border-radius: 6px; padding: .7rem; } .note { color: var(--soft); }
svg { width: 100%; height: auto; max-width: 34rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dd { margin: 0; min-width: 0; } svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.upper { fill: var(--upper); } .lower { fill: var(--lower); } .mark { stroke: var(--mark); stroke-width: 2; }
";

/// The certificates of the reports, as texts, and the file that was written, if one was.
pub struct Proofs<'a> {
    pub texts: &'a [String],
    pub file: Option<&'a Path>,
}

/// The page.
pub fn page(path: &Path, imported: &Imported, reports: &[Report], notes: &[String], proofs: &Proofs<'_>) -> String {
    let network = &imported.network;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let name = escaped(&name);
    let mut body = format!("<h1>How much can {name} change?</h1>\n");
    let facts = [
        ("inputs", network.inputs().to_string()),
        ("outputs", network.outputs().to_string()),
        ("neurons", network.neurons().to_string()),
        ("parameters", network.parameters().to_string()),
        ("file (SHA-256)", format!("<code>{}</code>", imported.sha256)),
        ("network (hash)", format!("<code>{}</code>", network.hash())),
    ];
    let region = reports.first().and_then(|report| report.region.as_ref());
    let inputs = region
        .map_or_else(|| "For every two inputs".to_owned(), |region| format!("For every two inputs of a {region}"));
    let chain = super::bound::chain(reports).replace("<=", "≤");
    let _ = writeln!(
        body,
        "<p>{inputs}, an output of this network changes by at most <em>upper</em> times the distance of the inputs, and by at \
         least <em>lower</em> times it for some: {chain}.</p>"
    );
    if let Some(unit) = reports.first().and_then(|report| report.unit.as_ref()) {
        let _ = writeln!(body, "<p>Distances are in units: {}.</p>", escaped(&words::units(unit)));
    }
    for report in reports {
        body += &section(report, proofs.file.is_some());
    }
    body += &notes.iter().map(|note| format!("<p class=\"note\">{}</p>\n", escaped(note))).collect::<String>();
    body += "<h2>The network</h2>\n";
    body += &imported.notes().iter().map(|note| format!("<p>{}</p>\n", escaped(note))).collect::<String>();
    body += "<dl>\n";
    body += &facts
        .iter()
        .map(|(what, value)| format!("<dt class=\"note\">{what}</dt><dd>{value}</dd>\n"))
        .collect::<String>();
    body += "</dl>\n<h2>Checking it again</h2>\n";
    body += &recheck(path, reports, proofs);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>geolip: {name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\
         <p class=\"note\">geolip {}</p>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The bounds in one norm.
fn section(report: &Report, is_written: bool) -> String {
    let mut text = format!("<h2>Input changes in {}</h2>\n", report.norm);
    let largest = numbers::up(report.upper());
    let _ = writeln!(text, "<p>Largest upper bound: <strong>{largest}</strong>.</p>");
    text += &picture(report);
    text += "<div class=\"wide\"><table>\n<tr><th>output</th><th>lower</th><th>pattern</th><th>upper</th><th>gap</th>\
             <th>certificate</th><th>time</th></tr>\n";
    for bound in &report.bounds {
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            bound.functional,
            numbers::down(bound.witness.lower),
            numbers::down(bound.pattern_lower),
            numbers::up(bound.upper()),
            if report.is_exact(bound) { "exact".to_owned() } else { numbers::percent(bound.gap()) },
            escaped(&super::bound::certificate(bound)),
            numbers::seconds(bound.time.as_secs_f64()),
        );
    }
    text += "</table></div>\n";
    if bound_by_chance(report) {
        text += "<p class=\"note\">A probabilistic certificate is a random test that a false bound passes with at most the \
                 probability shown.</p>\n";
    }
    if !is_written {
        text += "<p class=\"note\">No certificate file was written: <code>--certificate FILE</code> writes one.</p>\n";
    }
    text
}

fn bound_by_chance(report: &Report) -> bool {
    report.bounds.iter().any(|bound| bound.certificate.failure_probability() > 0.0)
}

/// Every bound as a bar: from 0 to upper, to lower within it, with a mark at pattern.
fn picture(report: &Report) -> String {
    const LEFT: f64 = 64.0;
    const WIDTH: f64 = 230.0;
    const ROW: f64 = 22.0;
    let mut bounds: Vec<&Bound> = report.bounds.iter().collect();
    let all = bounds.len();
    if all > BARS {
        bounds.sort_by(|a, b| b.upper().total_cmp(&a.upper()));
        bounds.truncate(BARS);
    }
    let largest = report.upper();
    if largest <= 0.0 || !largest.is_finite() {
        return String::new();
    }
    let scale = |value: f64| WIDTH * (value / largest).clamp(0.0, 1.0);
    let height = ROW * bounds.len() as f64 + 26.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 390 {height:.0}\" role=\"img\" aria-label=\"lower and upper bounds of every output\">\n"
    );
    for (row, bound) in bounds.iter().enumerate() {
        let (top, middle) = (ROW * row as f64 + 4.0, ROW * row as f64 + 16.0);
        let (lower, upper, mark) =
            (scale(bound.witness.lower), scale(bound.upper()), LEFT + scale(bound.pattern_lower));
        let (label, shown) = (bound.functional.to_string(), numbers::up(bound.upper()));
        let _ = writeln!(svg, "<text x=\"{:.0}\" y=\"{middle:.0}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0);
        for (class, width) in [("upper", upper), ("lower", lower)] {
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.0}\" width=\"{width:.2}\" height=\"15\"/>"
            );
        }
        let bottom = top + 15.0;
        let _ = writeln!(
            svg,
            "<line class=\"mark\" x1=\"{mark:.2}\" x2=\"{mark:.2}\" y1=\"{top:.0}\" y2=\"{bottom:.0}\"/>"
        );
        let _ = writeln!(svg, "<text x=\"{:.2}\" y=\"{middle:.0}\">{shown}</text>", LEFT + upper + 8.0);
    }
    let (y, text) = (height - 14.0, height - 4.0);
    for (x, class, what) in [(8, "lower", "lower (attained)"), (152, "upper", "upper (certified)")] {
        let _ = writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"{y:.0}\" width=\"12\" height=\"12\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{text:.0}\">{what}</text>", x + 18);
    }
    let _ = writeln!(svg, "<line class=\"mark\" x1=\"308\" x2=\"308\" y1=\"{y:.0}\" y2=\"{:.0}\"/>", y + 12.0);
    let _ = writeln!(svg, "<text x=\"315\" y=\"{text:.0}\">pattern</text>\n</svg>");
    if all > BARS {
        let _ = writeln!(svg, "<p class=\"note\">The {BARS} largest of {all} bounds.</p>");
    }
    svg
}

/// What to type, and what the certificate's bytes hash to.
fn recheck(path: &Path, reports: &[Report], proofs: &Proofs<'_>) -> String {
    let mut text = String::new();
    for (report, proof) in reports.iter().zip(proofs.texts) {
        let hash = text::hex(Sha256::digest(proof.as_bytes()));
        let _ = writeln!(
            text,
            "<p>The certificate of these bounds in {} has the SHA-256 <code>{hash}</code>. Equal claims are equal bytes: the \
             same program, options and seed write this file again.</p>",
            report.norm
        );
    }
    let shown = proofs.file.map_or_else(|| "c.json".into(), |file| file.to_string_lossy());
    let command = escaped(&format!("geolip check {} {}", quoted(&shown), quoted(&path.to_string_lossy())));
    let _ = writeln!(
        text,
        "<pre>{command}</pre>\n<p>The checker needs only the network file and the certificate, not the solver. Give it the options with which the network was read (<code>--until</code>, <code>--input</code>, …).</p>"
    );
    text
}

/// A path as a shell takes it.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+=:".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Text in which nothing is markup and nothing hidden.
fn escaped(text: &str) -> String {
    text::plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_neither_markup_nor_commands() {
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
        assert_eq!(escaped("\u{1b}[2K\u{202e}\n"), r"\u{1b}[2K\u{202e}\n");
        assert_eq!(quoted("my net's.onnx"), r"'my net'\''s.onnx'");
        assert_eq!(quoted("models/net-1.onnx"), "models/net-1.onnx");
    }
}
