//! Two checkers that share nothing, on the same certificates: the one of this library, and `checker/geolip_check.py` in whole numbers.
//!
//! Certificates of random networks, rescaled by powers of two, and of the models, true and tampered with, are written to files; one
//! Python process says what it thinks of each. A verdict that differs fails the test, and the files stay where they are.
//! `GEOLIP_SECOND_CHECKER=N` looks at N networks instead, from the seed `PROPTEST_RNG_SEED`.
//!
//! The second checker is exact, this library leaves room for rounding: it may refuse what the other one accepts, but only within that
//! room ([`with_room`]), or where multipliers leave its range. It must never accept what the second one rejects.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use geolip::function::Combination;
use geolip::import::{ImportOptions, load};
use geolip::network::{Activation, LinearMap, NetworkBuilder, NodeId, Op};
use geolip::place::{Place, Region, RegionNorm};
use geolip::proof::{Certificate, CertificateFile, certify_by_intervals, certify_by_patterns, check_file};
use geolip::slopes::SlopeNetwork;
use geolip::{Functional, InputNorm, Matrix, Network, Options, OutputNorm, Outputs, Silent, Units, bound};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::dice::Dice;
use support::files::root;
use support::room::with_room;
use support::{any_norm, any_outputs, network, random, with_maxima};

/// Networks in an ordinary run, and forgeries per certificate.
const NETWORKS: u64 = 60;
const FORGERIES: usize = 4;

/// Every affine node's maps and bias multiplied by a power of two; activations that are not piecewise linear replaced where `linear`.
fn varied(network: &Network, dice: &mut Dice, linear: bool) -> Network {
    let mut b = NetworkBuilder::new(network.inputs()).unwrap();
    for id in network.ids().skip(1) {
        let node = network.node(id);
        match &node.op {
            Op::Input => unreachable!("the input comes first"),
            Op::Affine { terms, bias } => {
                let power = dice.one_of(&[0, 0, 0, 0, 3, -3, 40, -40]);
                let scale = 2f64.powi(power);
                let scaled = |map: &LinearMap| match map {
                    LinearMap::Dense(w) => {
                        LinearMap::Dense(Matrix::from_fn(w.rows(), w.cols(), |i, j| scale * w.at(i, j)))
                    }
                    LinearMap::Scale(s) => LinearMap::Scale(s.iter().map(|s| scale * s).collect()),
                    other => other.clone(),
                };
                let terms = terms.iter().map(|t| (at(t.parent), scaled(&t.map))).collect();
                b.affine("affine", terms, bias.as_ref().map(|b| b.iter().map(|b| scale * b).collect())).unwrap();
            }
            Op::Activate { parent, activation } => {
                let pieces = [
                    Activation::Relu,
                    Activation::Relu,
                    Activation::Relu,
                    Activation::Abs,
                    Activation::LeakyRelu { slope: 0.1 },
                    Activation::PRelu { slopes: (0..node.len).map(|i| 0.3 * i as f64 - 0.2).collect() },
                    Activation::Clip { min: -1.0, max: f64::INFINITY },
                    Activation::Clip { min: 0.0, max: 6.0 },
                    Activation::HardSigmoid { slope: 0.3, offset: 0.5 },
                ];
                let activation = if linear { dice.one_of(&pieces) } else { activation.clone() };
                b.activate("activation", at(*parent), activation).unwrap();
            }
            Op::Combine { parents, combination } => {
                b.combine("combination", parents.map(at), *combination).unwrap();
            }
        }
    }
    b.finish(at(network.output()))
}

/// A ReLU network with enough neurons that cuts, cases and parts are needed: one or two hidden layers.
fn with_layers(layers: usize, dice: &mut Dice) -> Network {
    let inputs = 2 + dice.below(3);
    let mut b = NetworkBuilder::new(inputs).unwrap();
    let mut last = b.input();
    for _ in 0..layers {
        let (rows, cols) = (6 + dice.below(6), b.len_of(last));
        let scale = 2f64.powi(dice.one_of(&[0, 0, 30, -30]));
        let scaled = |m: Matrix| Matrix::from_fn(m.rows(), m.cols(), |i, j| scale * m.at(i, j));
        let weights = LinearMap::Dense(scaled(random(rows, cols, dice.next())));
        let bias = scaled(random(rows, 1, dice.next())).data().to_vec();
        let h = b.affine("affine", vec![(last, weights)], Some(bias)).unwrap();
        last = b.activate("relu", h, Activation::Relu).unwrap();
    }
    let weights = LinearMap::Dense(random(2, b.len_of(last), dice.next()));
    let y = b.affine("output", vec![(last, weights)], None).unwrap();
    b.finish(y)
}

/// A network with products: of two layers, of a layer with itself, or both, and with ReLUs before or behind them.
fn multiplied(dice: &mut Dice) -> Network {
    let (inputs, n) = (1 + dice.below(3), 2 + dice.below(3));
    let mut b = NetworkBuilder::new(inputs).unwrap();
    let scale = 2f64.powi(dice.one_of(&[0, 0, 20, -20]));
    let affine = |b: &mut NetworkBuilder, from: NodeId, rows: usize, dice: &mut Dice| {
        let weights = random(rows, b.len_of(from), dice.next());
        let weights = Matrix::from_fn(rows, weights.cols(), |i, j| scale * weights.at(i, j));
        let bias = random(rows, 1, dice.next()).data().to_vec();
        b.affine("affine", vec![(from, LinearMap::Dense(weights))], Some(bias)).unwrap()
    };
    let input = b.input();
    let (h, g) = (affine(&mut b, input, n, dice), affine(&mut b, input, n, dice));
    let z = b.activate("relu", h, Activation::Relu).unwrap();
    let pairs = [[h, g], [z, g], [g, z], [h, h], [z, z], [h, z]];
    let mut last = b.combine("product", dice.one_of(&pairs), Combination::Product).unwrap();
    if dice.below(2) == 0 {
        let h = affine(&mut b, last, n, dice);
        let z = b.activate("relu", h, Activation::Relu).unwrap();
        last = b.combine("product", dice.one_of(&[[z, last], [z, z], [h, g]]), Combination::Product).unwrap();
    }
    let y = affine(&mut b, last, 2, dice);
    b.finish(y)
}

/// Trees of all three branchings over a place, whose leaves have one proof each.
struct Forge<'a> {
    dice: &'a mut Dice,
    /// Neurons by layer.
    layers: Vec<usize>,
    /// The proof of every leaf.
    leaf: Value,
    /// Whether inputs and sides are cut.
    cuts: bool,
}

impl Forge<'_> {
    /// The branchings below a place: its box, and the neurons that are split already. (A form that is not negative stays so where
    /// a slope is one end of its interval; now and then a branching is wrong.)
    fn tree(&mut self, ends: &[(f64, f64)], split: &[(usize, usize)], depth: usize) -> Vec<Value> {
        let below = |forge: &mut Self, ends: &[(f64, f64)], split: &[(usize, usize)]| match forge.dice.below(6) {
            0 if depth > 0 => vec![json!({ "leaf": { "tree": forge.tree(ends, split, depth - 1) } })],
            1 => vec![json!({ "leaf": forge.leaf })],
            _ => forge.tree(ends, split, depth.saturating_sub(1)),
        };
        if depth == 0 && !self.cuts && self.dice.below(12) == 0 {
            let named: Vec<&(usize, usize)> = split.iter().filter(|_| self.dice.below(3) > 0).collect();
            return vec![json!({ "thin": named })];
        }
        if depth == 0 {
            return vec![json!({ "leaf": self.leaf })];
        }
        let wrong = self.dice.below(60) == 0;
        let layer = self.dice.below(self.layers.len());
        let neuron = self.dice.below(self.layers[layer]);
        let (mut first, mut second) = (ends.to_vec(), ends.to_vec());
        let mut split = split.to_vec();
        let branching = match self.dice.below(3) {
            0 if self.cuts || wrong => {
                let input = self.dice.below(ends.len());
                let (lower, upper) = ends[input];
                let part = if wrong { 2.0 } else { self.dice.one_of(&[0.0, 0.25, 0.5, 0.5, 1.0]) };
                let cut = if wrong { upper + part } else { (lower + part * (upper - lower)).max(lower).min(upper) };
                (first[input].1, second[input].0) = (cut, cut);
                json!({ "input": [input, cut] })
            }
            1 if self.cuts => json!({ "side": [layer, neuron, self.dice.one_of(&[0.0, 0.0, 0.1, -1.0, 1e-3])] }),
            1 if wrong || !split.contains(&(layer, neuron)) => {
                split.push((layer, neuron));
                json!({ "side": [layer, neuron, if wrong { 1.0 } else { 0.0 }] })
            }
            _ if wrong || !split.contains(&(layer, neuron)) => {
                split.push((layer, neuron));
                json!({ "slope": [layer, neuron] })
            }
            _ => return vec![json!({ "leaf": self.leaf })],
        };
        let mut tree = vec![branching];
        tree.extend(below(self, &first, &split));
        tree.extend(below(self, &second, &split));
        tree
    }
}

/// The builder counts as the network does.
fn at(id: NodeId) -> NodeId {
    id
}

/// The kinds of proof in a certificate, such as `parts`.
fn kinds(file: &Value) -> Vec<String> {
    let kind = |claim: &Value| match &claim["proof"] {
        Value::String(kind) => kind.clone(),
        other => other.as_object().unwrap().keys().next().unwrap().clone(),
    };
    file["bounds"].as_array().unwrap().iter().map(kind).collect()
}

/// Units of any size for a third of all networks, some of them 0.
fn units(inputs: usize, dice: &mut Dice) -> Option<Units> {
    let mut unit = || dice.one_of(&[0.0, 1.0, 1.0, 0.1, 3.0, 2f64.powi(-30), 1e5]);
    let units: Vec<f64> = (0..inputs).map(|_| unit()).collect();
    Units::new(&units).ok().filter(|_| dice.below(3) == 0)
}

/// What is asked of a network: everywhere, or on a box, with the methods that make every kind of proof.
fn question(network: &Network, dice: &mut Dice, local: bool, (norm, outputs): (InputNorm, Outputs)) -> Options {
    let region = local.then(|| {
        let centre: Vec<f64> = (0..network.inputs()).map(|_| dice.below(9) as f64 / 4.0 - 1.0).collect();
        let radii: &[f64] = if network.neurons() > 12 { &[1.0, 3.0] } else { &[0.0, 0.01, 0.1, 0.25, 1.0, 4.0] };
        let radius = dice.one_of(radii);
        let norm = if dice.below(12) == 0 { RegionNorm::L2 } else { RegionNorm::Linf };
        Region::around(&centre, radius, norm, None).unwrap()
    });
    let neurons = network.neurons();
    let method = if local && neurons > 12 { 0 } else { dice.below(4) };
    Options {
        norm,
        unit: units(network.inputs(), dice),
        outputs,
        split: (local && method == 0 && norm != InputNorm::L1).then_some(Duration::from_millis(150)),
        exact: method == 1,
        cuts: method == 2,
        real: method == 3 && !local && norm != InputNorm::L1,
        case_limit: 40,
        time_limit: Some(Duration::from_millis(500)),
        effort: 0.01,
        region,
        ..Options::default()
    }
}

/// Where something may be changed: the path of every number of a proof, and of every list.
fn places(value: &Value, path: &mut Vec<String>, numbers: &mut Vec<Vec<String>>, lists: &mut Vec<Vec<String>>) {
    match value {
        Value::Number(_) => numbers.push(path.clone()),
        Value::Array(list) => {
            lists.push(path.clone());
            for (i, entry) in list.iter().enumerate() {
                path.push(i.to_string());
                places(entry, path, numbers, lists);
                path.pop();
            }
        }
        Value::Object(fields) => {
            for (name, entry) in fields {
                path.push(name.clone());
                places(entry, path, numbers, lists);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn find<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(value, |value, step| match value {
        Value::Array(list) => &mut list[step.parse::<usize>().unwrap()],
        other => &mut other[step.as_str()],
    })
}

/// The certificate with one thing changed, and what that is.
fn forged(file: &Value, dice: &mut Dice) -> (Value, String) {
    let mut file = file.clone();
    let bounds = file["bounds"].as_array().unwrap().len();
    let claim = dice.below(bounds);
    if dice.below(4) == 0 {
        let part = dice.one_of(&[1e-3, 1e-2, 0.3, 1.0]);
        let upper = &mut file["bounds"][claim]["upper"];
        *upper = json!(upper.as_f64().unwrap() * (1.0 - part));
        return (file, format!("claim lowered by {part}"));
    }
    if let (Some(units), 0) = (file["unit"].as_array_mut(), dice.below(4)) {
        let (at, factor) = (dice.below(units.len()), dice.one_of(&[0.0, 0.5, 1.1, 2.0, -1.0]));
        units[at] = json!(units[at].as_f64().unwrap() * factor);
        return (file, format!("unit {at} times {factor}"));
    }
    let (mut numbers, mut lists) = (Vec::new(), Vec::new());
    places(&file["bounds"][claim]["proof"], &mut Vec::new(), &mut numbers, &mut lists);
    let proof = &mut file["bounds"][claim]["proof"];
    if !numbers.is_empty() && dice.below(2) == 0 {
        let path = dice.one_of(&numbers);
        let number = find(proof, &path);
        let factor = dice.one_of(&[0.0, 0.5, 0.9, 1.1, 2.0, 1e3, -1.0]);
        *number = match number.as_u64() {
            Some(n) => json!(dice.one_of(&[n + 1, n.saturating_sub(1), 0, 1])),
            None => json!(number.as_f64().unwrap() * factor),
        };
        return (file, format!("{} changed ({factor})", path.join(".")));
    }
    if lists.is_empty() {
        return (file, "nothing to change".to_owned());
    }
    let path = dice.one_of(&lists);
    let list = find(proof, &path).as_array_mut().unwrap();
    let what = match (list.len(), dice.below(4)) {
        (0, _) => "left empty",
        (n, 0) => {
            list.remove(dice.below(n));
            "without an entry"
        }
        (n, 1) => {
            let copy = list[dice.below(n)].clone();
            list.insert(dice.below(n), copy);
            "with an entry twice"
        }
        (n, 2) => {
            let (i, j) = (dice.below(n), dice.below(n));
            list.swap(i, j);
            "with two entries swapped"
        }
        (n, _) => {
            list.truncate(dice.below(n));
            "cut short"
        }
    };
    (file, format!("{} {what}", path.join(".")))
}

/// One file to look at.
struct Case {
    name: String,
    change: String,
    /// This library's verdict: none where the file is no certificate.
    verdict: Option<Result<(), String>>,
    /// Whether this library accepts it with a little more room.
    nearly: bool,
}

/// The certificates of a network in a folder, with this library's verdicts.
struct Desk {
    folder: PathBuf,
    cases: Vec<Case>,
    /// How many claims of true certificates have each kind of proof.
    kinds: BTreeMap<String, usize>,
}

impl Desk {
    fn put(&mut self, network: &Network, dice: &mut Dice, options: &Options, forgeries: usize) {
        let Ok(report) = bound(network, options, &Silent) else { return };
        let file: Value = serde_json::from_str(&report.certificate_file(network).to_json()).unwrap();
        let name = format!("{:05}", self.cases.len());
        let mut written = Vec::new();
        network.export(&mut written).unwrap();
        std::fs::write(self.folder.join(format!("{name}.net.json")), written).unwrap();
        if options.unit.is_some() {
            *self.kinds.entry("in units".to_owned()).or_default() += file["bounds"].as_array().unwrap().len();
        }
        let place = if options.region.is_some() { "on a region" } else { "everywhere" };
        if file.to_string().contains("choices") {
            *self.kinds.entry(format!("groups {place}")).or_default() += 1;
        }
        kinds(&file).into_iter().for_each(|k| *self.kinds.entry(format!("{k} {place}")).or_default() += 1);
        self.look(network, &name, 0, &file, "true");
        for k in 1..=forgeries {
            let (forged, change) = forged(&file, dice);
            self.look(network, &name, k, &forged, &change);
        }
    }

    fn look(&mut self, network: &Network, name: &str, k: usize, file: &Value, change: &str) {
        let text = file.to_string();
        std::fs::write(self.folder.join(format!("{name}.{k}.json")), &text).unwrap();
        let verdict = |text: &str| {
            let file = CertificateFile::from_json(text.as_bytes()).ok()?;
            Some(check_file(network, &file).map(|_| ()).map_err(|rejection| rejection.to_string()))
        };
        let own = verdict(&text);
        let nearly = matches!(own, Some(Err(_))) && verdict(&with_room(file).to_string()).is_some_and(|v| v.is_ok());
        self.cases.push(Case { name: format!("{name}.{k}"), change: change.to_owned(), verdict: own, nearly });
    }

    /// Trees over a place, made by hand, with the claims of the leaves' proofs as they are in the whole place.
    fn put_trees(&mut self, network: &Network, dice: &mut Dice, region: Option<&Region>, norm: InputNorm) {
        let place = region.cloned().map_or_else(Place::everywhere, Place::from);
        let unit = units(network.inputs(), dice);
        let Ok(whole) = SlopeNetwork::in_units(network, place, unit.as_ref()) else { return };
        let output = Functional::Output(0);
        let (time_limit, outputs) = (Some(Duration::from_millis(300)), Outputs::One(0));
        let options =
            Options { norm, unit, outputs, region: region.cloned(), time_limit, effort: 0.01, ..Options::default() };
        let Ok(report) = bound(network, &options, &Silent) else { return };
        let mut file: Value = serde_json::from_str(&report.certificate_file(network).to_json()).unwrap();
        let closed = |c: Option<Certificate>| c.map(|c| serde_json::to_value(c.claim()).unwrap());
        let claims = [
            Some(file["bounds"][0].clone()),
            closed(certify_by_intervals(&whole, norm, &output)),
            closed(certify_by_patterns(&whole, norm, &output)),
        ];
        let name = format!("{:05}", self.cases.len());
        let mut written = Vec::new();
        network.export(&mut written).unwrap();
        std::fs::write(self.folder.join(format!("{name}.net.json")), written).unwrap();
        let ends = |r: &Region| r.lower().iter().copied().zip(r.upper().iter().copied()).collect();
        let ends: Vec<(f64, f64)> = region.map_or_else(|| vec![(0.0, 0.0); network.inputs()], ends);
        let mut count = 0;
        for claim in claims.into_iter().flatten() {
            let layers = whole.slopes().iter().map(Vec::len).collect();
            let leaf = claim["proof"].clone();
            let mut forge = Forge { dice, layers, leaf, cuts: region.is_some_and(|r| r.ball().is_none()) };
            let tree = forge.tree(&ends, &[], 4);
            let words = tree.iter().filter_map(|node| node.as_object().unwrap().keys().find(|word| *word != "leaf"));
            words.for_each(|word| *self.kinds.entry(format!("trees with {word}")).or_default() += 1);
            file["bounds"] = json!([{ "output": "0", "upper": claim["upper"], "proof": { "tree": tree } }]);
            self.look(network, &name, count, &file, "true tree");
            count += 1;
            for _ in 0..2 {
                let (forged, change) = forged(&file, dice);
                self.look(network, &name, count, &forged, &change);
                count += 1;
            }
        }
    }

    /// What the second checker says, in the order of the cases.
    fn second_opinion(&self, python: &str) -> Vec<String> {
        let list = self.folder.join("list");
        let line = |case: &Case| {
            let net = self.folder.join(format!("{}.net.json", case.name.split('.').next().unwrap()));
            format!("{}\t{}\n", net.display(), self.folder.join(format!("{}.json", case.name)).display())
        };
        std::fs::write(&list, self.cases.iter().map(line).collect::<String>()).unwrap();
        let script = root().join("checker/geolip_check.py");
        let output = Command::new(python).arg(script).arg("--batch").arg(&list).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the second checker failed: {errors}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

/// `python3`, if it is there and recent enough.
fn python() -> Option<&'static str> {
    let recent = "import sys; sys.exit(sys.version_info < (3, 10))";
    let found = Command::new("python3").args(["-c", recent]).output();
    match found {
        Ok(output) if output.status.success() => Some("python3"),
        _ => {
            eprintln!("skipped: the second checker needs python3, 3.10 or newer");
            None
        }
    }
}

/// Compares all verdicts, and says how many there were of each kind.
fn compare(desk: &Desk, said: &[String]) {
    assert_eq!(said.len(), desk.cases.len(), "a verdict for each file");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut differing, mut wider) = (Vec::new(), Vec::new());
    for (case, said) in desk.cases.iter().zip(said) {
        let kind = said.split(':').next().unwrap_or_default().to_owned();
        let agree = match (&case.verdict, kind.as_str()) {
            (_, "not covered") => true,
            (Some(Ok(())), "accepted") | (Some(Err(_)), "rejected") => true,
            // its intervals on parts may be wider than this library's
            (Some(Ok(())), "rejected") if said.contains("intervals are wider") => {
                wider.push(format!("{} ({})", case.name, case.change));
                true
            }
            (Some(Err(reason)), "accepted") => case.nearly || reason.contains("out of the range"),
            (None, "bad file" | "rejected") | (Some(Err(_)), "bad file") => true,
            _ => false,
        };
        let whose = match &case.verdict {
            None => "no certificate",
            Some(Ok(())) => "accepted",
            Some(Err(_)) => "rejected",
        };
        let detail = if kind == "not covered" { said.clone() } else { kind };
        *counts.entry(format!("{whose} / {detail}")).or_default() += 1;
        if !agree {
            differing.push(format!("{} ({}): {:?} here, {said} there", case.name, case.change, case.verdict));
        }
    }
    desk.kinds.iter().for_each(|(kind, count)| eprintln!("{count:7}  true claims by {kind}"));
    for (kind, count) in &counts {
        eprintln!("{count:7}  {kind}");
    }
    let accepted = counts.get("accepted / accepted").copied().unwrap_or(0);
    let rejected = counts.get("rejected / rejected").copied().unwrap_or(0);
    assert!(accepted > desk.cases.len() / 10 && rejected > desk.cases.len() / 10, "both kinds are there: {counts:?}");
    assert!(
        differing.is_empty(),
        "{} differ, in {}:\n{}",
        differing.len(),
        desk.folder.display(),
        differing.join("\n")
    );
}

fn desk(name: &str) -> Desk {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    Desk { folder, cases: Vec::new(), kinds: BTreeMap::new() }
}

#[test]
fn both_checkers_agree_on_random_networks() {
    let Some(python) = python() else { return };
    let count = std::env::var("GEOLIP_SECOND_CHECKER").map_or(NETWORKS, |n| n.parse().expect("a number of networks"));
    let mut runner = TestRunner::new(support::config(1));
    let mut desk = desk("second_checker");
    let seed = std::env::var("PROPTEST_RNG_SEED").map_or(7, |s| s.parse().expect("a seed"));
    for turn in 0..count {
        let mut dice = Dice::of(seed, turn);
        let question = (network(), any_norm(), any_outputs());
        let (plain, norm, outputs) = question.new_tree(&mut runner).unwrap().current();
        let local = turn % 2 == 1;
        let network = match turn % 6 {
            4 | 5 => with_layers(1 + dice.below(2), &mut dice),
            _ => varied(&plain, &mut dice, local || turn % 4 == 0),
        };
        let asked = match local && network.neurons() > 12 {
            true => (InputNorm::Linf, Outputs::One(0)), // which is split into parts
            false => (norm, outputs.of(&network)),
        };
        let options = self::question(&network, &mut dice, local, asked);
        desk.put(&network, &mut dice, &options, FORGERIES);
    }
    let mut dice = Dice::of(seed, count);
    for norm in [InputNorm::Linf, InputNorm::L2] {
        for (exact, real) in [(true, false), (false, false), (false, true), (false, true)] {
            // for cuts, of one layer and of several, and parts without interior, which few of the others have
            let network = with_layers(if exact { 1 } else { 2 }, &mut dice);
            let (outputs, cuts) = (Outputs::One(0), !exact && !real);
            let options = Options { norm, outputs, exact, cuts, real, effort: 0.01, ..Options::default() };
            desk.put(&network, &mut dice, &options, FORGERIES);
        }
    }
    for turn in 0..8 {
        let sizes = (2 + dice.below(3), 2 + dice.below(2), 3 + dice.below(2));
        let network = with_maxima(sizes, dice.below(2) == 0, dice.next());
        let norm = dice.one_of(&[InputNorm::Linf, InputNorm::L2]);
        let asked = (norm, if turn % 4 == 0 { Outputs::Norm(OutputNorm::L2) } else { Outputs::One(0) });
        let options = question(&network, &mut dice, turn % 2 == 1, asked);
        let options = Options { cuts: true, exact: false, real: false, split: None, ..options };
        desk.put(&network, &mut dice, &options, 2 * FORGERIES);
    }
    compare(&desk, &desk.second_opinion(python));
    for kind in [
        "multipliers everywhere",
        "signs everywhere",
        "cuts everywhere",
        "tree everywhere",
        "patterns on a region",
        "groups everywhere",
    ] {
        assert!(desk.kinds.contains_key(kind), "no proof by {kind}: {:?}", desk.kinds);
    }
}

#[test]
fn both_checkers_agree_on_trees_of_every_branching_and_on_products() {
    let Some(python) = python() else { return };
    let count =
        std::env::var("GEOLIP_SECOND_CHECKER").map_or(NETWORKS / 2, |n| n.parse().expect("a number of networks"));
    let mut desk = desk("second_checker_trees");
    let seed = std::env::var("PROPTEST_RNG_SEED").map_or(5, |s| s.parse().expect("a seed"));
    for turn in 0..count {
        let mut dice = Dice::of(seed, turn);
        let products = turn % 3 == 0;
        let network = if products { multiplied(&mut dice) } else { with_layers(1 + dice.below(2), &mut dice) };
        let norm = dice.one_of(&[InputNorm::Linf, InputNorm::L2, InputNorm::L1]);
        let centre: Vec<f64> = (0..network.inputs()).map(|_| dice.below(9) as f64 / 4.0 - 1.0).collect();
        let shape = if dice.below(12) == 0 { RegionNorm::L2 } else { RegionNorm::Linf };
        let region = Region::around(&centre, dice.one_of(&[0.1, 0.5, 2.0]), shape, None).unwrap();
        let region = (products || dice.below(4) > 0).then_some(region);
        desk.put_trees(&network, &mut dice, region.as_ref(), norm);
    }
    compare(&desk, &desk.second_opinion(python));
    for kind in ["slope", "input", "side"] {
        assert!(desk.kinds.contains_key(&format!("trees with {kind}")), "none: {:?}", desk.kinds);
    }
}

#[test]
fn both_checkers_agree_on_models() {
    let Some(python) = python() else { return };
    let mut desk = desk("second_checker_models");
    let mut dice = Dice(11);
    let centre = vec![0.3; 784];
    let near = |radius| Some(Region::around(&centre, radius, RegionNorm::Linf, None).unwrap());
    for (model, norm, output, region) in [
        ("digits-784-64-10.onnx", InputNorm::Linf, Functional::Output(8), None),
        ("digits-784-64-10.onnx", InputNorm::L2, Functional::Margin(3, 8), None),
        ("digits-784-64-64-10.onnx", InputNorm::L2, Functional::Norm(OutputNorm::L2), None),
        ("digits-784-64-10.onnx", InputNorm::Linf, Functional::Output(8), near(0.05)),
    ] {
        let network = load(&root().join("models").join(model), &ImportOptions::default()).unwrap().network;
        let outputs = match output {
            Functional::Output(i) => Outputs::One(i),
            Functional::Margin(i, j) => Outputs::Margin(i, j),
            Functional::Norm(norm) => Outputs::Norm(norm),
            Functional::Vector(u) => Outputs::Vector(u),
        };
        let options = Options { norm, outputs, region, effort: 0.01, ..Options::default() };
        desk.put(&network, &mut dice, &options, 1);
    }
    compare(&desk, &desk.second_opinion(python));
}
