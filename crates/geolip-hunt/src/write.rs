//! What was found, as files: the network in its canonical form, the certificate, the region or input, and the commands that
//! show it.

use crate::case::{Case, Find, Kind};
use crate::plan::Map;
use geolip::Network;
use geolip::network::Op;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Numbers as JSON: the shortest decimals that read back as the same; infinite ones as text.
fn numbers(values: &[f64]) -> String {
    let one = |v: &f64| match *v {
        f64::INFINITY => "\"inf\"".to_owned(),
        f64::NEG_INFINITY => "\"-inf\"".to_owned(),
        v => json!(v).to_string(),
    };
    format!("[{}]", values.iter().map(one).collect::<Vec<_>>().join(","))
}

fn map(of: &Map) -> String {
    match of {
        Map::Identity(n) => format!("{{\"identity\":{n}}}"),
        Map::Scale(s) => format!("{{\"scale\":{}}}", numbers(s)),
        Map::Dense(rows, cols, weights) => {
            format!("{{\"dense\":{{\"rows\":{rows},\"cols\":{cols},\"weights\":{}}}}}", numbers(weights))
        }
        Map::Convolution(s, weights) => format!(
            "{{\"convolution\":{{\"in_channels\":{},\"out_channels\":{},\"groups\":{},\"input\":{},\"output\":{},\
             \"kernel\":{},\"stride\":{},\"dilation\":{},\"pad\":{},\"weights\":{}}}}}",
            s.in_channels,
            s.out_channels,
            s.groups,
            json!(s.input),
            json!(s.output),
            json!(s.kernel),
            json!(s.stride),
            json!(s.dilation),
            json!(s.pad),
            numbers(weights)
        ),
        Map::Gather(cols, sources) => format!("{{\"gather\":{{\"cols\":{cols},\"sources\":{}}}}}", json!(sources)),
        Map::Transpose(inner) => format!("{{\"transpose\":{}}}", map(inner)),
    }
}

/// The canonical file of a network: one node per line.
pub fn canonical(network: &Network) -> String {
    let node = |node: &geolip::network::Node| match &node.op {
        Op::Input => format!("{{\"input\":{}}}", node.len),
        Op::Affine { terms, bias } => {
            let term = |term: &geolip::network::Term| {
                format!("{{\"parent\":{},\"map\":{}}}", term.parent.index(), map(&Map::of(&term.map)))
            };
            let terms = terms.iter().map(term).collect::<Vec<_>>().join(",");
            let bias = bias.as_deref().map_or_else(|| "null".to_owned(), numbers);
            format!("{{\"affine\":{{\"terms\":[{terms}],\"bias\":{bias}}}}}")
        }
        Op::Activate { parent, activation } => format!(
            "{{\"activate\":{{\"parent\":{},\"function\":\"{}\",\"parameters\":{}}}}}",
            parent.index(),
            activation.name(),
            numbers(&activation.parameters())
        ),
        Op::Combine { .. } => unreachable!("no plan has functions of several numbers"),
    };
    let nodes = network.nodes().iter().map(node).collect::<Vec<_>>().join(",\n");
    let output = network.output().index();
    format!("{{\"format\":\"geolip-network\",\"version\":1,\"nodes\":[\n{nodes}\n],\"output\":{output}}}\n")
}

/// Writes a find and how to see it; gives the file that says so.
pub fn write(to: &Path, found: &Case, small: &Case, find: &Find) -> io::Result<PathBuf> {
    fs::create_dir_all(to)?;
    let stem = format!("{}-{}-{}", find.check.replace(' ', "-"), found.seed, found.number);
    let file = |suffix: &str| to.join(format!("{stem}{suffix}"));
    let network_file = file(".network.json");
    if let Some(network) = small.plan.build() {
        fs::write(&network_file, canonical(&network))?;
    }
    let rows = |rows: &[&[f64]]| {
        let row = |row: &&[f64]| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        rows.iter().map(row).collect::<Vec<_>>().join("\n") + "\n"
    };
    let mut commands = Vec::new();
    let name = network_file.display();
    if let Some(certificate) = &find.certificate {
        fs::write(file(".certificate.json"), certificate)?;
        commands.push(format!("geolip check {} {name}", file(".certificate.json").display()));
    }
    match small.kind {
        Kind::Radii => {
            if let Some(x) = &find.input {
                fs::write(file(".input.csv"), rows(&[x]))?;
                commands.push(format!("geolip radius {name} --center {}", file(".input.csv").display()));
            }
        }
        Kind::Bounds | Kind::Regions | Kind::Certificates => {
            let mut command = format!("geolip bound {name} {}", small.question.flags());
            match &small.question.region {
                Some(region) if region.ball().is_none() => {
                    fs::write(file(".box.csv"), rows(&[region.lower(), region.upper()]))?;
                    command += &format!(" --box {}", file(".box.csv").display());
                }
                Some(region) => command += &format!("    (on {region:?})"),
                None => {}
            }
            commands.push(command);
        }
    }
    let kind =
        clap::ValueEnum::to_possible_value(&found.kind).map_or_else(String::new, |kind| kind.get_name().to_owned());
    commands.push(format!(
        "cargo run --release -p geolip-hunt -- --seed {} --case {} --kind {kind}    (as it was found)",
        found.seed, found.number
    ));
    let text = format!(
        "{}\nby {}\n{}\n\n{}\n\nthe network and question, shrunk:\n{:?}\n{:?}\n",
        find.check,
        find.by,
        find.detail,
        commands.join("\n"),
        small.plan,
        small.question
    );
    let about = file(".txt");
    fs::write(&about, text)?;
    Ok(about)
}
