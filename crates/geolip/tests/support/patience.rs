//! Stopping a search in the middle.

use geolip::{Event, Observer};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stops after so many rounds of a search.
pub struct Patience(AtomicUsize);

impl Patience {
    pub fn of(rounds: usize) -> Self {
        Self(AtomicUsize::new(rounds))
    }
}

impl Observer for Patience {
    fn event(&self, event: Event) {
        if matches!(event, Event::Searched { .. }) {
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        }
    }

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}
