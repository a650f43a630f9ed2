//! Standard output. A reader that stops early (`| head`) is no error.

use std::io::{ErrorKind, Write};

/// Prints a text and a line break.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {error}");
            std::process::exit(2);
        }
        _ => {}
    }
}
