//! Whole runs of the binary: what is printed, and the exit codes.

mod onnx;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn geolip(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_geolip")).args(arguments).current_dir(root()).output().expect("the binary runs")
}

/// Exit code, standard output and standard error as one text, with what differs between runs masked.
fn transcript(arguments: &[&str]) -> String {
    let output = geolip(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().map_or("killed".to_owned(), |c| c.to_string());
    format!("exit {code}\n{}{}", text(&output.stdout), text(&output.stderr))
}

/// Compares with `snapshots/`. Times, and digits that another processor's rounding may change, are masked.
fn shows(name: &str, runs: &[&[&str]]) {
    let text: Vec<String> = runs.iter().map(|run| format!("$ geolip {}\n{}", run.join(" "), transcript(run))).collect();
    let filters = vec![
        (r" +\d+\.\d\d s", " [time]"),
        (r"(\d+\.\d\d)\d{3,}", "$1[..]"),
        (r"difference \d\.\d+ of", "difference [small] of"),
        (r"/\S*/(\w+\.onnx)", "$1"),
    ];
    insta::with_settings!({ filters => filters, omit_expression => true }, {
        insta::assert_snapshot!(name, text.join("\n"));
    });
}

const SMALL: &str = "models/digits-784-64-10.onnx";

#[test]
fn a_bound_is_a_table() {
    shows("table", &[&["bound", SMALL, "--output", "3-8", "--norm", "l2"]]);
}

#[test]
fn norms_stand_side_by_side() {
    shows("norms", &[&["bound", SMALL, "--output", "3-8", "--norm", "all"], &["bound", SMALL, "--output", "l2"]]);
}

#[test]
fn json_of_several_norms_is_a_list_of_objects() {
    let output = geolip(&["bound", SMALL, "--norm", "all", "--output", "8", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON array");
    let norms: Vec<_> = json.as_array().expect("a list").iter().map(|report| report["norm"].as_str()).collect();
    assert_eq!(norms, [Some("linf"), Some("l2"), Some("l1")]);
    let uppers: Vec<f64> = (0..3).map(|i| json[i]["upper"].as_f64().expect("a number")).collect();
    assert!(uppers[0] > uppers[1] && uppers[1] > uppers[2]);
    for (report, limit) in [(0, 1.782_22), (1, 1.253_32), (2, 1.000_001)] {
        let bound = &json[report]["bounds"][0];
        assert!(bound["factor"].as_f64().is_some_and(|factor| (1.0..limit).contains(&factor)), "{bound}");
        assert_eq!(bound["lip_is_fgl"], true);
        assert!(bound["lower"].as_f64() >= bound["pattern_lower"].as_f64().map(|v| v * (1.0 - 1e-9)));
    }
    assert_eq!(json[2]["bounds"][0]["method"], "closed form, exact");
}

/// Every norm and kind of output: the bound is written, and its certificate accepted.
#[test]
fn every_norm_and_output_has_a_certificate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (certificate, vector) = (folder.path().join("c.json"), folder.path().join("u.txt"));
    std::fs::write(&vector, "1 0 0 -1, 0.5\n0 0 0 0 2e-1").expect("writable");
    let [certificate, vector] = [&certificate, &vector].map(|path| path.to_str().expect("a plain path"));
    for norm in ["linf", "2", "3", "l1"] {
        for output in ["linf", "l2", "l1", "8", vector] {
            let written = geolip(&["bound", SMALL, "--norm", norm, "--output", output, "--certificate", certificate]);
            assert!(written.status.success(), "{norm} {output}: {}", String::from_utf8_lossy(&written.stderr));
            let checked = geolip(&["check", certificate, SMALL]);
            assert!(checked.status.success(), "{norm} {output}: {}", String::from_utf8_lossy(&checked.stderr));
        }
    }
}

#[test]
fn info_lists_nodes_and_slopes() {
    shows("info", &[&["info", SMALL]]);
}

/// What is exported is the same network for every command, also where options chose what it is.
#[test]
fn an_exported_network_takes_the_certificate_of_its_source() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let (certificate, network, nowhere) = (path("c.json"), path("net.json"), path("none/net.json"));
    let weights = "models/digits-784-64-10.npz";
    let bound = ["bound", weights, "--activation", "tanh", "--output", "8", "--certificate", &certificate];
    assert!(geolip(&bound).status.success());
    let exported = geolip(&["export", weights, &network, "--activation", "tanh"]);
    assert!(exported.status.success() && exported.stdout.starts_with(b"network hash "));
    assert!(geolip(&["check", &certificate, &network]).status.success());
    let [there, here] = [vec!["info", weights, "--activation", "tanh", "--json"], vec!["info", &network, "--json"]]
        .map(|run| {
            let info: serde_json::Value = serde_json::from_slice(&geolip(&run).stdout).expect("one JSON object");
            info["network"]["hash"].clone()
        });
    assert_eq!(there, here);
    assert_eq!(geolip(&["export", weights, &network]).status.code(), Some(0));
    assert_eq!(geolip(&["check", &certificate, &network]).status.code(), Some(1), "that of a relu network");
    assert_eq!(geolip(&["export", weights, &nowhere]).status.code(), Some(2));
    assert_eq!(geolip(&["info", &certificate]).status.code(), Some(2), "a certificate is no network");
    assert_eq!(geolip(&["info", &network, "--activation", "tanh"]).status.code(), Some(2));
}

#[test]
fn mistakes_are_one_line_and_exit_code_2() {
    shows(
        "mistakes",
        &[
            &["bound", "missing.onnx"],
            &["bound", "README.md"],
            &["bound", SMALL, "--output", "10"],
            &["bound", SMALL, "--output", "3-3"],
            &["bound", SMALL, "--output", "x"],
            &["bound", SMALL, "--tol", "0"],
            &["bound", SMALL, "--tol", "NaN"],
            &["bound", SMALL, "--norm", "l3"],
            &["bound", SMALL, "--norm", "1.5"],
            &["bound", SMALL, "--norm", "all", "--certificate", "c.json"],
            &["bound", SMALL, "--output", "missing.npy"],
            &["bound", SMALL, "--output", "models/requirements.txt"],
            &["bound", SMALL, "--threads", "0"],
            &["bound", SMALL, "--time-limit=-1"],
            &["bound", SMALL, "--certificate", "no/such/folder/c.json"],
            &["bound", SMALL, "--activation", "tanh"],
            &["bound"],
            &["bound", SMALL, "--frobnicate"],
        ],
    );
}

/// x and z; logits = relu(x·w + z); y = hardmax(logits), features = tanh(logits).
fn two_by_two(folder: &Path) -> String {
    use onnx::{model, node, port, tensor};
    let path = folder.join("head.onnx");
    let parts = [
        node("fc", "MatMul", &["x", "w"], "product"),
        node("add", "Add", &["product", "z"], "sum"),
        node("relu", "Relu", &["sum"], "logits"),
        node("hardmax", "Hardmax", &["logits"], "y"),
        node("tanh", "Tanh", &["logits"], "features"),
        tensor("w", &[3, 2], &[1.0, 0.0, -2.0, 1.0, 0.5, 3.0]),
        onnx::input(&port("x", &[1, 3])),
        onnx::input(&port("z", &[1, 2])),
        onnx::output(&port("y", &[1, 2])),
        onnx::output(&port("features", &[1, 2])),
    ];
    std::fs::write(&path, model(13, &parts)).expect("writable");
    path.to_str().expect("a plain path").to_owned()
}

#[test]
fn outputs_inner_tensors_and_inputs_are_chosen() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = two_by_two(folder.path());
    shows(
        "choices",
        &[
            &["bound", &file, "--output-name", "features"],
            &["bound", &file, "--until", "logits", "--input", "x"],
            &["info", &file, "--until", "relu", "--input", "z"],
        ],
    );
}

#[test]
fn info_lists_every_obstacle() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("obstacles.onnx");
    let parts = [
        onnx::node("relu", "Relu", &["x"], "h"),
        onnx::node("", "Sign", &["h"], "a"),
        onnx::node("square", "Mul", &["h", "h"], "b"),
        onnx::node("head", "Hardmax", &["h"], "c"),
        onnx::node("sum", "Sum", &["a", "b", "c"], "y"),
        onnx::input(&onnx::port("x", &[1, 3])),
        onnx::output(&onnx::port("y", &[1, 3])),
    ];
    std::fs::write(&path, onnx::model(13, &parts)).expect("writable");
    let file = path.to_str().expect("a plain path");
    shows("obstacles", &[&["info", file], &["info", file, "--json"], &["bound", file]]);
}

#[test]
fn wrong_choices_are_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = two_by_two(folder.path());
    shows(
        "wrong_choices",
        &[
            &["bound", &file],
            &["bound", &file, "--output-name", "feature"],
            &["bound", &file, "--output-name", "logits"],
            &["bound", &file, "--until", "logit"],
            &["bound", &file, "--until", "w"],
            &["bound", &file, "--until", "logits", "--input", "w"],
            &["bound", &file, "--until", "product", "--input", "z"],
            &["bound", &file, "--until", "logits", "--output-name", "y"],
            &["bound", "models/digits-784-64-10.npz", "--until", "logits"],
        ],
    );
}

/// The choice is a part of what a certificate is about: with another one it is about another network.
#[test]
fn a_certificate_is_checked_against_the_same_choice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = two_by_two(folder.path());
    let certificate = folder.path().join("c.json");
    let certificate = certificate.to_str().expect("a plain path");
    let until = |tensor| ["--until", tensor];
    let bound = [&["bound", &file, "--certificate", certificate][..], &until("logits")].concat();
    assert!(geolip(&bound).status.success());
    let check = |tensor| geolip(&[&["check", certificate, &file][..], &until(tensor)].concat()).status.code();
    assert_eq!((check("logits"), check("sum")), (Some(0), Some(1)));
}

#[test]
fn json_holds_the_fields_of_the_contract() {
    let output = geolip(&["bound", SMALL, "--json"]);
    assert!(output.status.success());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    for field in ["path", "sha256", "inputs", "outputs", "neurons", "parameters"] {
        assert!(!json["network"][field].is_null(), "network.{field}");
    }
    assert_eq!((json["norm"].as_str(), json["region"].is_null()), (Some("linf"), true));
    let bounds = json["bounds"].as_array().expect("a list");
    assert_eq!(bounds.len(), 10);
    let mut largest: f64 = 0.0;
    for (index, bound) in bounds.iter().enumerate() {
        let number = |field: &str| bound[field].as_f64().expect(field);
        assert_eq!(bound["output"], index.to_string());
        assert_eq!((bound["certificate"].as_str(), bound["stop"].as_str()), (Some("verified"), Some("converged")));
        assert!(number("lower") <= number("pattern_lower") && number("pattern_lower") <= number("upper"));
        assert!(number("upper") - number("relaxation") <= 1e-6 * number("upper"));
        assert!(number("failure_probability") == 0.0 && number("iterations") > 0.0 && number("rank") >= 1.0);
        assert!(bound["exact"].is_boolean() && number("seconds") >= 0.0);
        largest = largest.max(number("upper"));
    }
    assert_eq!(json["upper"].as_f64(), Some(largest));
}

#[test]
fn a_certificate_is_accepted_for_its_network_and_rejected_when_changed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("c.json");
    let file = path.to_str().expect("a plain path");
    let check = |network: &str| geolip(&["check", file, network]);
    assert!(geolip(&["bound", SMALL, "--output", "8", "--certificate", file]).status.success());
    assert!(check(SMALL).status.success(), "its own network");
    assert!(check("models/digits-784-64-10.npz").status.success(), "the same function from another file");
    assert_eq!(check("models/digits-784-256-10.onnx").status.code(), Some(1), "another network");

    let honest = std::fs::read_to_string(&path).expect("written");
    let number = |field: &str| {
        let start = honest.find(field).expect(field) + field.len();
        honest[start..].split([',', ']', '}']).next().expect("a number").to_owned()
    };
    for (field, factor) in [("\"upper\":", 0.999), ("\"zeta\":[", 0.99), ("\"gamma\":[", 0.5), ("\"lambda\":[[", 3.0)] {
        let old = number(field);
        let new = (old.parse::<f64>().expect("a number") * factor).to_string();
        let changed = honest.replacen(&format!("{field}{old}"), &format!("{field}{new}"), 1);
        assert_ne!(changed, honest, "{field} was changed");
        std::fs::write(&path, changed).expect("writable");
        let output = check(SMALL);
        assert_eq!(output.status.code(), Some(1), "{field}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: rejected: output '8': "), "{field}");
    }
    for (text, what) in [(&honest[..honest.len() / 2], "truncated"), ("", "empty"), ("{}", "no fields")] {
        std::fs::write(&path, text).expect("writable");
        assert_eq!(check(SMALL).status.code(), Some(2), "{what}");
    }
}

#[test]
fn the_same_question_writes_the_same_certificate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, threads: &str| {
        let path = folder.path().join(name);
        let file = path.to_str().expect("a plain path");
        assert!(geolip(&["bound", SMALL, "--threads", threads, "--certificate", file]).status.success());
        std::fs::read(&path).expect("written")
    };
    assert_eq!(write("a", "1"), write("b", "3"));
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("readable").collect();
    assert_eq!(left.len(), 2, "no partial file is left behind");
}

#[test]
fn a_time_limit_still_gives_certified_bounds() {
    let output = geolip(&["bound", "models/digits-784-7x64-10.onnx", "--time-limit", "0.000001", "--json"]);
    assert!(output.status.success());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    for bound in json["bounds"].as_array().expect("a list") {
        assert_eq!((bound["stop"].as_str(), bound["certificate"].as_str()), (Some("time_limit"), Some("verified")));
        assert!(bound["lower"].as_f64() <= bound["upper"].as_f64());
    }
}

#[test]
fn a_comparison_is_a_table_with_notes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = two_by_two(folder.path());
    shows(
        "compare",
        &[
            &["compare", &file, "--until", "logits", "--output", "0-1"],
            &["compare", &file, "--until", "logits", "--norm", "l2"],
            &["compare", SMALL, "--output", "10"],
            &["compare", SMALL, "--norm", "l3"],
            &["compare", SMALL, "--threads", "0"],
        ],
    );
}

#[test]
fn methods_that_cannot_run_say_why() {
    let output = geolip(&["compare", "models/digits-784-7x64-10.onnx", "--output", "3", "--json"]);
    assert!(output.status.success());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let without: Vec<_> = json["methods"].as_array().expect("a list").iter().filter(|r| r["value"].is_null()).collect();
    let reasons: Vec<_> = without.iter().map(|row| row["reason"].as_str().expect("a reason")).collect();
    let layers = "only for one hidden layer; this network has 7";
    let patterns = "2^448 patterns are too many to try; at most 24 hidden neurons are practical";
    assert_eq!(reasons, [layers, layers, patterns]);
    let methods = json["methods"].as_array().expect("a list");
    let value = |name: &str| methods.iter().find(|row| row["method"] == name).expect(name)["value"].as_f64();
    assert!(value("witness") > value("sampling"), "a search of about the time of sampling finds more");
}

/// Every row is filled, and the rows are in the order that theory asks for.
#[test]
fn methods_are_ordered_as_they_must_be() {
    for norm in ["linf", "l2"] {
        let output = geolip(&["compare", SMALL, "--output", "3-8", "--norm", norm, "--json"]);
        assert!(output.status.success());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        let methods = json["methods"].as_array().expect("a list");
        let value = |name: &str| {
            let row = methods.iter().find(|row| row["method"] == name).expect(name);
            assert_eq!(row["value"].as_f64().is_none(), row["reason"].is_string(), "{name}");
            row["value"].as_f64().unwrap_or_else(|| panic!("{name} in {norm}: {}", row["reason"]))
        };
        let (geolip, natural) = (value("geolip"), value("natural_form"));
        assert!(value("sampling") <= geolip && value("witness") <= value("pattern") && value("pattern") <= geolip);
        assert!((geolip - natural).abs() <= 1e-6 * geolip, "{geolip} and {natural} are one number");
        assert!(geolip <= value("layer_wise") && value("layer_wise") <= value("eclipse_fast"));
        assert!(geolip <= value("norm_product") && geolip <= value("linear_program"));
        assert!(methods.iter().find(|row| row["method"] == "brute_force").expect("listed")["value"].is_null());
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_comparison_with_what_there_is() {
    // on a busy machine it may have no bound yet, which has a code of its own
    let mut runs = (0..4).map(|n| interrupted(&["compare", "models/digits-784-256-10.onnx", "--json"], 5000 << n));
    let text = runs.find_map(|(code, text)| (code != Some(130)).then_some(text)).expect("a bound in 40 seconds");
    let json: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
    let methods = json["methods"].as_array().expect("a list");
    let note = |row: &serde_json::Value| row["note"].as_str().is_some_and(|note| note.ends_with("stopped early"));
    let stopped = |row: &serde_json::Value| row["reason"] == "stopped before it had a value";
    assert!(methods.iter().any(|row| note(row) || stopped(row)), "{text}");
    assert!(methods.iter().any(|row| row["guarantee"] == "certified"), "{text}");
}

/// The exit code and standard output of a run that gets an interrupt after so many milliseconds.
#[cfg(unix)]
fn interrupted(arguments: &[&str], milliseconds: u64) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_geolip"))
        .args(arguments)
        .current_dir(root())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success(), "the computation was still running");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().expect("piped"), &mut text).expect("text");
    (child.wait().expect("ends").code(), text)
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_the_best_certified_bounds() {
    let (code, text) = interrupted(&["bound", "models/digits-784-256-10.onnx", "--tol", "1e-30", "--json"], 700);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
    let bounds = json["bounds"].as_array().expect("a list");
    assert!(bounds.iter().any(|bound| bound["stop"] == "interrupted"));
    assert!(bounds.iter().all(|bound| bound["certificate"] == "verified"));
}

/// The rows of a NumPy file of float64 numbers in C order.
fn npy(path: &Path) -> Vec<Vec<f64>> {
    let bytes = std::fs::read(path).expect("a file");
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!(start % 64, 0);
    let header = String::from_utf8_lossy(&bytes[10..start]).into_owned();
    assert!(header.starts_with("{'descr': '<f8', 'fortran_order': False, 'shape': (") && header.ends_with('\n'));
    let shape = header.split(['(', ')']).nth(1).expect("a shape");
    let shape: Vec<usize> = shape.split(", ").map(|n| n.parse().expect("a number")).collect();
    let number = |chunk: &[u8]| f64::from_le_bytes(chunk.try_into().expect("eight bytes"));
    let numbers: Vec<f64> = bytes[start..].chunks(8).map(number).collect();
    assert_eq!(numbers.len(), shape[0] * shape[1]);
    numbers.chunks(shape[1]).map(<[f64]>::to_vec).collect()
}

/// The witness by differences, the pattern by the linear network it stands for.
#[test]
fn witness_and_pattern_files_give_the_values_claimed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [witness, pattern] = ["x.npy", "v.json"].map(|name| folder.path().join(name));
    let model = "models/digits-784-64-64-10.onnx";
    let files = ["--witness", witness.to_str().expect("plain"), "--pattern", pattern.to_str().expect("plain")];
    let output = geolip(&[&["bound", model, "--json"], files.as_slice()].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let path = root().join(model);
    let network = geolip::import::load(&path, &geolip::import::ImportOptions::default()).expect("a network").network;

    let inputs = npy(&witness);
    assert_eq!((inputs.len(), inputs[0].len()), (10, 784));
    for (p, x) in inputs.iter().enumerate() {
        let claimed = report["bounds"][p]["lower"].as_f64().expect("a number");
        let step = 1e-6 * x.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let moved = geolip::Matrix::from_fn(784, 2 * 784, |i, c| match (i == c / 2, c % 2) {
            (true, 0) => x[i] - step,
            (true, _) => x[i] + step,
            (false, _) => x[i],
        });
        let values = network.evaluate_batch(moved);
        let y = values.of(network.output()).row(p);
        let slope: f64 = y.chunks(2).map(|pair| (pair[1] - pair[0]).abs() / (2.0 * step)).sum();
        assert!((slope / claimed - 1.0).abs() < 1e-6, "output {p}: {slope} for {claimed}");
    }

    let patterns: serde_json::Value = serde_json::from_slice(&std::fs::read(&pattern).expect("a file")).expect("JSON");
    let numbers = |list: &serde_json::Value| -> Vec<f64> {
        list.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
    };
    for (p, bound) in patterns["bounds"].as_array().expect("a list").iter().enumerate() {
        let column = |v: Vec<f64>| geolip::Matrix::from_vec(v.len(), 1, v);
        let slopes: Vec<_> = bound["slopes"].as_array().expect("layers").iter().map(|v| column(numbers(v))).collect();
        let first = network.ids().next().expect("the input node");
        let gradients = geolip::slopes::SlopeNetwork::everywhere(&network)
            .expect("bounded slopes")
            .adjoint(&slopes, &column(numbers(&bound["weights"])));
        let value: f64 = gradients.of(first).data().iter().map(|g| g.abs()).sum();
        let claimed = bound["value"].as_f64().expect("a number");
        assert!(claimed <= value * (1.0 + 1e-12) && claimed >= value * (1.0 - 1e-9), "output {p}: {value}");
        assert!(report["bounds"][p]["pattern_lower"].as_f64() >= Some(claimed));
        // the direction is a unit vector that attains it
        let direction = numbers(&bound["direction"]);
        let along: f64 = gradients.of(first).data().iter().zip(&direction).map(|(g, d)| g * d).sum();
        assert!(direction.iter().all(|d| d.abs() <= 1.0) && along >= claimed * (1.0 - 1e-9), "output {p}: {along}");
    }
}

/// Told before anything is computed: with such an effort that would take years.
#[test]
fn a_file_that_cannot_be_written_is_refused_at_once() {
    for option in ["--witness", "--pattern", "--certificate"] {
        let output = geolip(&["bound", SMALL, "--effort", "1e12", option, "/nowhere/at/all"]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), message.lines().count()), (Some(2), 1), "{message}");
        assert!(message.contains("/nowhere/at/all"), "{message}");
        assert!(output.stdout.is_empty());
    }
}
