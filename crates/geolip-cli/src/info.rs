//! `geolip info`: what a network file holds, or everything that keeps it from being bounded.

use crate::arguments::InfoArguments;
use crate::failure::Failure;
use crate::files::described;
use crate::output::{print, print_json};
use crate::{ports, table};
use geolip::import::{Contents, Format, ImportError, Imported, folded, load};
use geolip::network::{Network, NodeId, Op, Slope};
use geolip::text;
use serde_json::{Value, json};
use std::path::Path;

/// Runs the command.
pub fn run(arguments: &InfoArguments) -> Result<(), Failure> {
    let path = &arguments.network.network;
    let imported =
        load(path, &arguments.network.options()).inspect_err(|error| print_obstacles(error, arguments.json))?;
    match arguments.json {
        true => print_json(&to_json(path, &imported)),
        false => print(&to_table(path, &imported)),
    }
    Ok(())
}

/// What the file says about itself and every obstacle, on standard output; the error that follows names the first.
fn print_obstacles(error: &ImportError, as_json: bool) {
    let ImportError::Unsupported { path, contents, obstacles } = error else { return };
    let Contents { format, inputs, outputs } = contents.as_ref();
    if as_json {
        let list: Vec<Value> =
            obstacles.iter().map(|o| json!({ "place": o.place.to_string(), "reason": o.reason })).collect();
        let (inputs, outputs) = (json!(inputs), json!(outputs));
        let contents = json!({ "format": format_line(format), "inputs": inputs, "outputs": outputs });
        print_json(&json!({ "supported": false, "contents": contents, "obstacles": list }));
    } else {
        print(&format!("{}: {}", text::path(path), format_line(format)));
        inputs.iter().for_each(|input| print(&format!("input   {}", text::plain(input))));
        outputs.iter().for_each(|output| print(&format!("output  {}", text::plain(output))));
        print("not supported:");
        folded(obstacles).iter().for_each(|line| print(&format!("  {line}")));
    }
}

fn to_table(path: &Path, imported: &Imported) -> String {
    let network = &imported.network;
    let mut lines = vec![format!("{}: {}", text::path(path), format_line(&imported.format))];
    lines.extend(imported.inputs.iter().map(|port| format!("input   {}", ports::line(port))));
    lines.extend(imported.fixed.iter().map(|port| format!("fixed   {}", ports::line(port))));
    lines.push(format!("output  {}", ports::line(&imported.output)));
    lines.extend(imported.notes());
    lines.push(format!("{} neurons, {} parameters", network.neurons(), network.parameters()));
    lines.push(format!("self-check: {}", imported.self_check));
    lines.push(format!("network hash {}\n", network.hash()));
    let rows = network.ids().skip(1).map(|id| {
        let node = network.node(id);
        vec![text::name(&node.name), what(network, id), node.len.to_string(), node.parameters().to_string()]
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
            "notes": imported.notes(),
        },
        "inputs": imported.inputs.iter().map(ports::line).collect::<Vec<_>>(),
        "fixed": imported.fixed.iter().map(ports::line).collect::<Vec<_>>(),
        "output": ports::line(&imported.output),
        "other_outputs": imported.other_outputs,
        "left_out": imported.left_out,
        "self_check": imported.self_check.to_string(),
        "nodes": nodes,
        "files": described(&[("network", path)]),
    })
}

fn format_line(format: &Format) -> String {
    match format {
        Format::Onnx { producer, opset } if producer.is_empty() => format!("ONNX, operator set {opset}"),
        Format::Onnx { producer, opset } => format!("ONNX by {}, operator set {opset}", text::name(producer)),
        Format::Npz => "weight list (.npz)".to_owned(),
        Format::Mat => "weight list (.mat)".to_owned(),
        Format::Safetensors => "weight list (.safetensors)".to_owned(),
        Format::Canonical => "canonical network (.json)".to_owned(),
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
        Op::Combine { combination, .. } => format!("{combination}, of two nodes entry by entry"),
    }
}

/// The hull of an activation node's slope intervals.
fn slopes(network: &Network, id: NodeId) -> Option<Slope> {
    let Op::Activate { activation, .. } = &network.node(id).op else { return None };
    let all = activation.slopes(network.node(id).len);
    all.into_iter().reduce(|a, b| Slope::new(a.lower.min(b.lower), a.upper.max(b.upper)))
}
