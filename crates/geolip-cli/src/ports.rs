//! What was read: the inputs and outputs of a file in words, and what was chosen of them. Names are shown as [`text::name`]s.

use geolip::import::{Imported, Port};
use geolip::text;

/// Name, shape and size.
pub fn line(port: &Port) -> String {
    let shape: Vec<String> = port.shape.iter().map(ToString::to_string).collect();
    let size: usize = port.shape.iter().product();
    format!(
        "{} [{}]: {size} {}",
        text::name(&port.name),
        shape.join(", "),
        if size == 1 { "number" } else { "numbers" }
    )
}

/// What a reader has to know where a file has several inputs or outputs; nothing for most files.
pub fn choices(imported: &Imported, local: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if let [_, _, ..] = imported.inputs.as_slice() {
        let names = names(imported.inputs.iter().map(|port| &port.name));
        lines.push(format!("inputs {names} as one vector; choose one with --input"));
    }
    if !imported.fixed.is_empty() {
        let (moving, fixed) =
            (names(imported.inputs.iter().map(|port| &port.name)), names(imported.fixed.iter().map(|port| &port.name)));
        let held = match local {
            true => "at 0: local bounds hold for these values alone",
            false => "at 0 for lower bounds; upper bounds hold whatever the fixed values are",
        };
        lines.push(format!("input {moving} moves; {fixed} fixed ({held})"));
    }
    if !imported.other_outputs.is_empty() {
        let others = names(imported.other_outputs.iter());
        lines
            .push(format!("output {}; choose another with --output-name: {others}", text::name(&imported.output.name)));
    }
    if !imported.left_out.is_empty() {
        lines.push(format!("left out (no part of the network): {}", names(imported.left_out.iter())));
    }
    lines
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| text::name(name)).collect::<Vec<_>>().join(", ")
}
