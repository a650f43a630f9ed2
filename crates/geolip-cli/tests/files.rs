//! What is written and what is not: outputs through links, devices and pipes, two outputs in one place, inputs as outputs,
//! results files and checkpoints of other questions, interruptions.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const SMALL: &str = "models/digits-784-64-10.onnx";
const LARGE: &str = "models/digits-784-256-10.onnx";

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_geolip"));
    command.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command
}

fn geolip(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A run that is refused in one line with this part and this code, without a result.
fn refused(arguments: &[&str], code: i32, part: &str) {
    let output = geolip(arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(error.lines().count() == 1 && error.contains(part), "{arguments:?}: {error}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

struct Files(TempDir);

impl Files {
    /// Three samples with labels, and the same with other numbers.
    fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a folder"));
        let row = |label: i32, value: f64| {
            let numbers: Vec<String> = (0..784).map(|i| format!("{}", value * f64::from(i % 5))).collect();
            format!("{label},{}\n", numbers.join(","))
        };
        fs::write(files.path("data.csv"), [row(3, 0.1), row(7, 0.05), row(3, 0.02)].concat()).expect("writable");
        fs::write(files.path("other.csv"), [row(3, 0.1), row(7, 0.05), row(3, 0.03)].concat()).expect("writable");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_str().expect("a plain path").to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("there")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("readable");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[test]
fn two_outputs_in_one_place_and_inputs_as_outputs_are_refused_before_any_work() {
    let files = Files::new();
    let [same, detour, network, center] = ["c.json", "./c.json", "net.onnx", "x.csv"].map(|name| files.at(name));
    fs::copy(command(&[]).get_current_dir().expect("set").join(SMALL), &network).expect("copied");
    fs::write(&center, "0.3 ".repeat(784)).expect("writable");
    let hard = files.at("hard");
    fs::hard_link(&network, &hard).expect("a link");
    let before = fs::read(&network).expect("there");
    let much = ["--effort", "1e12"]; // years of work
    let bound = |rest: &[&str]| -> Vec<String> {
        [&["bound", &network][..], &much, rest].concat().into_iter().map(str::to_owned).collect()
    };
    let runs = [
        (bound(&["--certificate", &same, "--report", &detour]), "the same file"),
        (bound(&["--witness", &same, "--pattern", &same]), "the same file"),
        (bound(&["--exact", "--checkpoint", &same, "--certificate", &same]), "the same file"),
        (bound(&["--certificate", &network]), "which this command reads"),
        (bound(&["--report", &hard]), "which this command reads"),
        (bound(&["--center", &center, "--radius", "0.1", "--witness", &center]), "which this command reads"),
        (vec!["export".into(), network.clone(), hard.clone()], "which this command reads"),
        (
            ["radius", &network, "--center", &center, "--results", &center].map(str::to_owned).to_vec(),
            "which this command reads",
        ),
    ];
    for (run, part) in runs {
        refused(&run.iter().map(String::as_str).collect::<Vec<_>>(), 2, part);
    }
    assert_eq!(fs::read(&network).expect("there"), before);
    assert!(!files.path("c.json").exists());
}

#[test]
fn a_partial_file_of_the_users_stays_and_none_of_ours_does() {
    let files = Files::new();
    fs::write(files.path("c.json.partial"), "mine").expect("writable");
    let certificate = files.at("c.json");
    assert!(geolip(&["bound", SMALL, "--output", "3", "--certificate", &certificate]).status.success());
    assert_eq!(files.read("c.json.partial"), "mine");
    assert_eq!(files.names(), ["c.json", "c.json.partial", "data.csv", "other.csv"]);
}

#[cfg(unix)]
#[test]
fn a_certificate_goes_through_links_and_streams() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let files = Files::new();
    let link = files.at("link");
    symlink("target.json", files.path("link")).expect("a link");
    let ask = ["bound", SMALL, "--output", "3", "--certificate"];
    assert!(geolip(&[&ask[..], &[&link]].concat()).status.success());
    assert!(files.path("link").is_symlink() && geolip(&["check", &link, SMALL]).status.success());
    assert!(geolip(&[&ask[..], &["/dev/null"]].concat()).status.success());
    assert!(fs::metadata("/dev/null").expect("there").file_type().is_char_device());
    if !Path::new("/proc/self/fd").exists() {
        return println!("skipped: there is no /proc");
    }
    // standard output: a pipe, and a file
    let piped = text(&geolip(&[&ask[..], &["/dev/stdout"]].concat()).stdout);
    let out = files.path("out.txt");
    let file = fs::File::create(&out).expect("made");
    let run = command(&[&ask[..], &["/dev/stdout"]].concat()).stdout(file).status().expect("runs");
    assert!(run.success());
    for text in [piped, files.read("out.txt")] {
        let (table, certificate) = text.split_at(text.find("{\"").expect("a certificate"));
        assert!(table.contains("largest upper bound"), "{text}");
        fs::write(files.path("c.json"), certificate).expect("writable");
        assert!(geolip(&["check", &files.at("c.json"), SMALL]).status.success());
    }
    let both = files.at("both.txt");
    let file = fs::File::create(&both).expect("made");
    let run = command(&[&ask[..], &[&both]].concat()).stdout(file).status().expect("runs");
    assert_eq!(run.code(), Some(2), "a certificate in the place of the table");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_costs_the_file_and_not_the_result() {
    let files = Files::new();
    let certificate = files.at("c.json");
    let output = geolip(&["bound", SMALL, "--output", "3", "--report", "/dev/full", "--certificate", &certificate]);
    let error = text(&output.stderr);
    assert_eq!((output.status.code(), error.lines().count()), (Some(4), 1), "{error}");
    assert!(error.contains("/dev/full") && text(&output.stdout).contains("largest upper bound"));
    assert!(geolip(&["check", &certificate, SMALL]).status.success(), "the other file is written");
    fs::remove_file(&certificate).expect("removed");
    // the other way round: standard output is full, and the certificate is written
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("there");
    let run = command(&["bound", SMALL, "--output", "3", "--certificate", &certificate]).stdout(full).output();
    let run = run.expect("runs");
    assert_eq!(run.status.code(), Some(4), "{}", text(&run.stderr));
    assert!(geolip(&["check", &certificate, SMALL]).status.success());
}

#[test]
fn results_of_other_data_networks_and_options_are_refused_with_the_difference() {
    let files = Files::new();
    let [data, results, center] = ["data.csv", "r.jsonl", "data.csv"].map(|name| files.at(name));
    let ask = ["radius", SMALL, "--center", &center, "--results", &results];
    assert!(geolip(&ask).status.success());
    let before = files.read("r.jsonl");
    assert_eq!(before.lines().count(), 4);
    let with = |rest: &[&str], part: &str| refused(&[&ask[..], rest].concat(), 2, part);
    with(&["--norm", "l2"], "norm is linf there and l2 here");
    with(&["--tol", "0.5"], "tol is 0.01 there and 0.5 here");
    with(&["--scale", "0.5"], "scale is 1.0 there and 0.5 here");
    with(&["--clip", "0", "1"], "clip is [] there and [0.0,1.0] here");
    with(&["--linear-bounds-only"], "linear_bounds_only is false there and true here");
    with(&["--row", "1"], "row is none there and 1 here");
    refused(&["radius", LARGE, "--center", &center, "--results", &results], 2, "network is");
    // the same name, other numbers
    let honest = fs::read(&data).expect("there");
    fs::copy(files.path("other.csv"), &data).expect("copied");
    refused(&ask, 2, "data is");
    fs::write(&data, honest).expect("writable");
    assert_eq!(files.read("r.jsonl"), before, "nothing of it was changed");
    // the radii at which accuracy is stated are no part of the question
    let again = geolip(&[&ask[..], &["--radii", "0.1"]].concat());
    assert!(text(&again.stdout).contains("3 of 3 were found by an earlier run"), "{}", text(&again.stdout));
}

#[test]
fn spoilt_results_are_named_by_their_line_and_kept() {
    let files = Files::new();
    let [data, results, table] = ["data.csv", "r.jsonl", "other.csv"].map(|name| files.at(name));
    let ask = ["radius", SMALL, "--center", &data, "--results", &results];
    assert!(geolip(&ask).status.success());
    let honest = files.read("r.jsonl");
    let last = honest.lines().last().expect("a line");
    let old = "{\"center\":\"data.csv\",\"norm\":\"linf\"}\n{\"row\":0}\n";
    for (spoilt, part) in [
        (format!("{honest}{last}\n"), "line 5 "),
        (honest.replacen("\"radius\":0", "\"radius\":9", 1), "line "),
        (old.to_owned(), "records no question"),
        ("a line without an end".to_owned(), "records no question"),
    ] {
        fs::write(files.path("r.jsonl"), &spoilt).expect("writable");
        refused(&ask, 2, part);
        assert_eq!(files.read("r.jsonl"), spoilt);
    }
    let before = files.read("other.csv");
    refused(&["radius", SMALL, "--center", &data, "--results", &table], 2, "records no question");
    assert_eq!(files.read("other.csv"), before);
}

#[test]
fn json_says_what_was_read_by_its_hash() {
    let files = Files::new();
    let [data, certificate] = ["data.csv", "c.json"].map(|name| files.at(name));
    let said = |arguments: &[&str]| -> Vec<(String, bool)> {
        let output = geolip(arguments);
        let value: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        let list = value["files"].as_array().expect("a list").clone();
        let is_hash = |file: &Value| file["sha256"].as_str().is_some_and(|hash| hash.len() == 64);
        list.iter().map(|file| (file["what"].as_str().expect("a name").to_owned(), is_hash(file))).collect()
    };
    let two = |second: &str| vec![("network".to_owned(), true), (second.to_owned(), true)];
    assert_eq!(said(&["radius", SMALL, "--center", &data, "--row", "1", "--json"]), two("center"));
    let local = ["--center", &data, "--row", "0", "--radius", "0.01", "--output", "3", "--certificate", &certificate];
    assert_eq!(said(&[&["bound", SMALL, "--json"], &local[..]].concat()), two("center"));
    let checked = said(&["check", &certificate, SMALL, "--json"]);
    assert_eq!(checked, [("certificate".to_owned(), true), ("network".to_owned(), true)]);
    assert_eq!(said(&["info", SMALL, "--json"]), [("network".to_owned(), true)]);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::time::{Duration, Instant};

    /// Waits until the file has so many lines.
    fn wait_for(path: &Path, lines: usize) {
        let started = Instant::now();
        while fs::read_to_string(path).map_or(0, |text| text.lines().count()) < lines {
            assert!(started.elapsed() < Duration::from_secs(300), "it never began");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(child: &std::process::Child, name: &str) {
        let killed = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
        assert!(killed.success(), "it was still running");
    }

    /// A file with many samples.
    fn many(files: &Files) -> String {
        let row =
            |i: usize| (0..784).map(|j| format!("{}", ((i * j) % 17) as f64 / 17.0)).collect::<Vec<_>>().join(",");
        fs::write(files.path("many.csv"), (0..400).map(|i| row(i) + "\n").collect::<String>()).expect("writable");
        files.at("many.csv")
    }

    #[test]
    fn a_second_run_on_the_same_file_is_told_to_wait_and_a_killed_one_leaves_no_lock() {
        let files = Files::new();
        let (data, results) = (many(&files), files.at("r.jsonl"));
        let ask = ["radius", LARGE, "--center", &data, "--results", &results];
        let mut first = command(&ask).stdout(Stdio::null()).spawn().expect("runs");
        wait_for(&files.path("r.jsonl"), 9);
        refused(&ask, 5, "another run is using it");
        signal(&first, "-KILL");
        first.wait().expect("ended");
        let rows = files.read("r.jsonl").matches('\n').count() - 1;
        // gone on with, up to the first look at Ctrl-C
        let mut second = command(&[&ask[..], &["--json"]].concat()).stdout(Stdio::piped()).spawn().expect("runs");
        wait_for(&files.path("r.jsonl"), rows + 3);
        signal(&second, "-INT");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut second.stdout.take().expect("piped"), &mut text).expect("text");
        assert_eq!(second.wait().expect("ended").code(), Some(0));
        let json: Value = serde_json::from_str(&text).expect("one JSON object");
        assert_eq!(json["resumed"].as_u64(), Some(rows as u64));
        let names = files.names();
        assert!(names.iter().all(|name| !name.starts_with(".geolip")), "{names:?}");
    }

    #[test]
    fn an_interrupted_comparison_without_a_bound_says_so() {
        for milliseconds in [300, 600, 1000] {
            let mut child =
                command(&["compare", LARGE]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("runs");
            std::thread::sleep(Duration::from_millis(milliseconds));
            signal(&child, "-INT");
            let mut text = String::new();
            std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut text).expect("text");
            let code = child.wait().expect("ended").code();
            assert!(code == Some(0) || code == Some(130), "{code:?}: {text}");
            assert!(!text.contains("overflows"), "{text}");
        }
    }

    #[test]
    fn a_second_interrupt_ends_a_search_and_leaves_a_whole_checkpoint_alone() {
        let files = Files::new();
        let checkpoint = files.at("c.jsonl");
        let ask = ["bound", LARGE, "--output", "3", "--exact", "--tol", "1e-9", "--checkpoint", &checkpoint];
        let mut child = command(&ask).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
        wait_for(&files.path("c.jsonl"), 1);
        refused(&ask, 5, "another run is using it");
        signal(&child, "-INT");
        std::thread::sleep(Duration::from_millis(20));
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        let code = child.wait().expect("ended").code();
        assert!(code == Some(130) || code == Some(0), "{code:?}");
        assert_eq!(files.names(), ["c.jsonl", "data.csv", "other.csv"]);
        let other = [&ask[..4], &["--exact", "--norm", "l2", "--checkpoint", &checkpoint]].concat();
        refused(&other, 2, "norm is linf there and l2 here");
    }
}
