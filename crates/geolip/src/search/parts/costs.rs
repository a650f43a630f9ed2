//! What bounds of parts cost and bring: whether a relaxation is worth it.

/// How much of the running averages a round keeps.
const MEMORY: f64 = 0.9;

/// What bounds cost and bring, averaged over the rounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// Seconds for a part by intervals, and more for its relaxation.
    pub intervals: f64,
    pub relaxation: f64,
    /// The logarithm of what a cut leaves of the bound by intervals.
    cut: f64,
}

impl Costs {
    /// What is expected before anything is measured.
    pub const FIRST: Self = Self { intervals: 1e-3, relaxation: 2e-2, cut: -0.1 };

    /// Whether a relaxation that leaves `gain` of the bound is cheaper than as many cuts: k of them make 2ᵏ parts.
    pub fn relaxation_pays(&self, gain: f64) -> bool {
        let cuts = gain.ln() / self.cut.min(-1e-3);
        gain < 1.0 && self.relaxation < self.intervals * cuts.min(60.0).exp2()
    }

    /// Takes a round's parts into the averages.
    pub fn learn(&mut self, parts: &[Measured]) {
        let mean = |values: Vec<f64>, old: &mut f64| {
            if !values.is_empty() {
                *old = MEMORY * *old + (1.0 - MEMORY) * values.iter().sum::<f64>() / values.len() as f64;
            }
        };
        mean(parts.iter().map(|m| m.intervals).collect(), &mut self.intervals);
        mean(parts.iter().filter_map(|m| m.relaxation).collect(), &mut self.relaxation);
        mean(parts.iter().map(|m| m.cut).filter(|cut| cut.is_finite()).collect(), &mut self.cut);
    }
}

/// What one part cost and brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Seconds for its slopes and intervals, and for its relaxation, if that was tried.
    pub intervals: f64,
    pub relaxation: Option<f64>,
    /// The logarithm of its bound by intervals over that of the part above.
    pub cut: f64,
}

impl Measured {
    /// Of a part that was not measured.
    pub const NOTHING: Self = Self { intervals: 0.0, relaxation: None, cut: 0.0 };
}
