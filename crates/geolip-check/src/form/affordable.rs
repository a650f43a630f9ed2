//! Which eliminations are so cheap that nothing less than one is accepted: a random test is for networks that have no choice.

use crate::form::quadratic::QuadraticForm;
use crate::slopes::SlopeNetwork;

/// Up to which cost an elimination is asked for in the place of a random test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affordable {
    /// Multiply–adds of one elimination.
    pub work: f64,
    /// Bytes that it holds at once.
    pub bytes: f64,
}

/// Bytes per non-zero entry of a written-out map, with what composing it takes.
const BYTES_PER_ENTRY: f64 = 32.0;

impl Default for Affordable {
    /// 5·10¹¹ multiply–adds, half a minute or so on two cores, and 256 MiB.
    fn default() -> Self {
        Self { work: Self::MOST_WORK, bytes: (256_u64 << 20) as f64 }
    }
}

impl Affordable {
    /// Multiply–adds of an elimination above which a random test takes over.
    pub const MOST_WORK: f64 = 5e11;
    /// No elimination at all: random tests are accepted for networks of every size. For tests.
    pub const NONE: Self = Self { work: 0.0, bytes: 0.0 };

    /// The form of a network, if an elimination for a functional of so many rows is affordable.
    pub fn form<'a>(&self, network: &'a SlopeNetwork, rows: usize) -> Option<QuadraticForm<'a>> {
        let form = self.writes_out(network).then(|| QuadraticForm::within(network, self.bytes)).flatten();
        form.filter(|form| self.covers(form, rows))
    }

    /// Whether the maps of a network fit, written out.
    fn writes_out(&self, network: &SlopeNetwork) -> bool {
        written_out(network) <= self.bytes
    }

    /// Whether the elimination of this form is affordable.
    pub fn covers(&self, form: &QuadraticForm<'_>, rows: usize) -> bool {
        let (work, bytes) = form.cost_with(rows);
        self.writes_out(form.network()) && work <= self.work && bytes <= self.bytes
    }
}

/// Bytes that a network's maps take where they are written out for a form, which is the first thing a form does.
pub fn written_out(network: &SlopeNetwork) -> f64 {
    network.multiply_adds() as f64 * BYTES_PER_ENTRY
}
