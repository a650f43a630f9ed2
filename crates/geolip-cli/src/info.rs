//! `geolip info`: what a network file holds, or everything that keeps it from being bounded.

use crate::arguments::InfoArguments;
use crate::failure::Failure;
use crate::output::print;
use crate::table;
use geolip::import::{Format, ImportError, ImportOptions, Imported, Port, SelfCheck, load};
use geolip::network::{Network, NodeId, Op, Slope};
use serde_json::{Value, json};
use std::path::Path;

/// Runs the command.
pub fn run(arguments: &InfoArguments) -> Result<(), Failure> {
    let path = &arguments.network.network;
    let options = ImportOptions { activation: arguments.network.activation.clone() };
    let imported = load(path, &options).inspect_err(|error| print_obstacles(error, arguments.json))?;
    print(&if arguments.json { to_json(path, &imported).to_string() } else { to_table(path, &imported) });
    Ok(())
}

/// Every obstacle, on standard output; the error that follows names the first.
fn print_obstacles(error: &ImportError, as_json: bool) {
    let ImportError::Unsupported { obstacles, .. } = error else { return };
    if as_json {
        let list: Vec<Value> =
            obstacles.iter().map(|o| json!({ "place": o.place.to_string(), "reason": o.reason })).collect();
        print(&json!({ "supported": false, "obstacles": list }).to_string());
    } else {
        print("not supported:");
        obstacles.iter().for_each(|obstacle| print(&format!("  {obstacle}")));
    }
}

fn to_table(path: &Path, imported: &Imported) -> String {
    let network = &imported.network;
    let mut lines = vec![
        format!("{}: {}", path.display(), format_line(&imported.format)),
        format!("input   {}", port_line(&imported.input, network.inputs())),
        format!("output  {}", port_line(&imported.output, network.outputs())),
    ];
    if !imported.left_out.is_empty() {
        lines.push(format!("left out (cannot reach the output): {}", imported.left_out.join(", ")));
    }
    lines.push(format!("{} neurons, {} parameters", network.neurons(), network.parameters()));
    lines.push(format!("self-check: {}", check_line(&imported.self_check)));
    lines.push(format!("network hash {}\n", network.hash()));
    let rows = network.ids().skip(1).map(|id| {
        let node = network.node(id);
        vec![node.name.clone(), what(network, id), node.len.to_string(), node.parameters().to_string()]
    });
    lines.push(table::table(&["node", "operation", "size", "parameters"], 2, rows));
    lines.join("\n")
}

fn to_json(path: &Path, imported: &Imported) -> Value {
    let network = &imported.network;
    let nodes: Vec<Value> = network
        .ids()
        .skip(1)
        .map(|id| {
            let node = network.node(id);
            let slope = slopes(network, id).map(|s| json!([s.lower, s.upper]));
            json!({ "name": node.name, "operation": what(network, id), "size": node.len,
                    "parameters": node.parameters(), "slope": slope })
        })
        .collect();
    json!({
        "supported": true,
        "network": {
            "path": path.display().to_string(),
            "sha256": imported.sha256,
            "hash": network.hash(),
            "inputs": network.inputs(),
            "outputs": network.outputs(),
            "neurons": network.neurons(),
            "parameters": network.parameters(),
        },
        "self_check": check_line(&imported.self_check),
        "nodes": nodes,
    })
}

fn format_line(format: &Format) -> String {
    match format {
        Format::Onnx { producer, opset } if producer.is_empty() => format!("ONNX, operator set {opset}"),
        Format::Onnx { producer, opset } => format!("ONNX by {producer}, operator set {opset}"),
        Format::Npz => "weight list (.npz)".to_owned(),
        other => format!("{other:?}"),
    }
}

fn port_line(port: &Port, size: usize) -> String {
    let shape: Vec<String> = port.shape.iter().map(ToString::to_string).collect();
    format!("{} [{}]: {size} numbers", port.name, shape.join(", "))
}

fn check_line(check: &SelfCheck) -> String {
    match check {
        SelfCheck::Agrees { inputs, largest_ratio } => {
            format!(
                "agrees with tract at {inputs} inputs (largest difference {largest_ratio:.2} of what float32 explains)"
            )
        }
        SelfCheck::NotRun { reason } => format!("not run: {reason}"),
        other => format!("{other:?}"),
    }
}

/// The operation of a node in words, with the slope interval of an activation.
fn what(network: &Network, id: NodeId) -> String {
    match &network.node(id).op {
        Op::Input => "input".to_owned(),
        Op::Affine { terms, bias } => {
            let mut words: Vec<String> =
                terms.iter().map(|t| format!("{} {} x {}", t.map.name(), t.map.rows(), t.map.cols())).collect();
            words.extend(bias.iter().map(|_| "bias".to_owned()));
            words.join(" + ")
        }
        Op::Activate { activation, .. } => match slopes(network, id) {
            Some(slope) => format!("{activation}, slopes in [{}, {}]", slope.lower, slope.upper),
            None => activation.to_string(),
        },
    }
}

/// The hull of an activation node's slope intervals.
fn slopes(network: &Network, id: NodeId) -> Option<Slope> {
    let Op::Activate { activation, .. } = &network.node(id).op else { return None };
    let all = activation.slopes(network.node(id).len);
    all.into_iter().reduce(|a, b| Slope::new(a.lower.min(b.lower), a.upper.max(b.upper)))
}
