//! A progress bar on standard error, on a terminal only, and only when the work takes longer than a moment.

use crate::interrupt;
use geolip::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// How long a moment is.
const MOMENT: Duration = Duration::from_millis(500);

/// Watches a computation for the person in front of the screen.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Starts watching; `what` says what is counted. Until [`Self::finish`] Ctrl-C asks the computation to end with what it
    /// has; a second one ends the program.
    pub fn start(what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {prefix}  {elapsed}  {msg}");
        bar.set_style(style.expect("the template is valid"));
        bar.set_prefix(what.to_owned());
        interrupt::listen(true);
        let later = bar.downgrade();
        let started = Instant::now();
        std::thread::spawn(move || {
            std::thread::sleep(MOMENT.saturating_sub(started.elapsed()));
            if let Some(bar) = later.upgrade() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.enable_steady_tick(Duration::from_millis(100));
            }
        });
        Self { bar }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        interrupt::listen(false);
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn event(&self, event: Event) {
        match event {
            Event::Started { bounds } => self.bar.set_length(bounds as u64),
            Event::Finished { .. } => self.bar.inc(1),
            Event::Searched { cases, open, gap, .. } => {
                self.bar.set_message(format!("{cases} cases, {open} open, gap {:.4} %", 100.0 * gap));
            }
            _ => {}
        }
    }

    fn cancelled(&self) -> bool {
        let interrupted = interrupt::asked();
        if interrupted {
            self.bar.set_message("interrupted: certifying what there is");
        }
        interrupted
    }
}
