//! Ctrl-C. While something is computed that can end early, the first asks for that; at any other time, and the second time, it
//! ends the program with exit code 130. No temporary file stays behind.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something is computed that asks whether it should end.
static LISTENING: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicBool = AtomicBool::new(false);

/// The exit code of what was interrupted.
pub const CODE: u8 = 130;

/// From now on.
pub fn watch() {
    // without a handler Ctrl-C ends the program as it always does; temporary files are all that depends on it
    let _ = ctrlc::set_handler(|| {
        let is_first = LISTENING.load(Ordering::SeqCst) && !ASKED.swap(true, Ordering::SeqCst);
        if !is_first {
            geolip::files::abandon();
            std::process::exit(CODE.into());
        }
    });
}

/// Something that can end early begins, or is over.
pub fn listen(whether: bool) {
    LISTENING.store(whether, Ordering::SeqCst);
}

/// Whether it should end.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
