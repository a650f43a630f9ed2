//! How a caller watches, and stops, a computation. The library itself never prints.

/// Something that happened on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Work begins on this many bounds.
    Started {
        /// How many.
        bounds: usize,
    },
    /// One upper bound is as good as it gets.
    Finished {
        /// Its place in the report.
        index: usize,
    },
    /// A round of an exact search is over.
    Searched {
        /// The bound's place in the report.
        index: usize,
        /// Cases looked at.
        cases: usize,
        /// Cases that are open.
        open: usize,
        /// How much the largest open relaxation exceeds the best pattern, relatively; not certified.
        gap: f64,
    },
}

/// Gets events, from any thread, and can ask the computation to stop.
pub trait Observer: Sync {
    /// Called when something happened.
    fn event(&self, event: Event) {
        let _ = event;
    }

    /// Asked between sweeps; once it says yes, the computation ends with the best certified bounds so far.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Watches nothing and never cancels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
