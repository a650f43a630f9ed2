//! What was read: the inputs and outputs of a file in words. Names are shown as [`text::name`]s.

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

/// What a reader of any result has to know about the network: a line each, after a line break.
pub fn notes(imported: &Imported) -> String {
    imported.notes().iter().map(|note| format!("\n{note}")).collect()
}
