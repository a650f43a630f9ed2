//! What a probabilistic claim says of its random test (`random_test.rs`).

use serde::{Deserialize, Serialize};

/// What a probabilistic claim says of its test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomTest {
    /// p: an indefinite form passes with at most this probability.
    pub failure_probability: f64,
    /// m: the smallest eigenvalue is expected above this.
    pub margin: f64,
    /// s: the largest eigenvalue is expected below this.
    pub top: f64,
}

impl RandomTest {
    /// The same test for a spectrum that may reach a little further at either end: a few more steps, so that a claim that is true
    /// passes with other draws than those its maker fitted margin and top to.
    pub(crate) fn with_room(self) -> Self {
        Self { margin: 0.75 * self.margin, top: 1.25 * self.top, ..self }
    }
}
