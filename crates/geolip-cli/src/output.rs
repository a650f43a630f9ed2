//! Standard output. A reader that stops early (`| head`) is no error. Nothing hidden is printed, whatever names files hold.

use geolip::text;
use serde_json::Value;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

/// Why something was not printed: the first reason.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Prints a text and a line break. The names in it are escaped where they are put into it, as [`text::name`]s: what is done
/// here, for what was forgotten there, leaves line breaks.
pub fn print(text: &str) {
    put(&text::lines(text));
}

/// Prints JSON and a line break.
pub fn print_json(value: &Value) {
    put(&text::json(&value.to_string()));
}

/// Why something was not printed, if so. The files are written all the same.
pub fn failure() -> Option<&'static str> {
    FAILURE.get().map(String::as_str)
}

fn put(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILURE.set(error.to_string()); // the first is enough
    }
}
