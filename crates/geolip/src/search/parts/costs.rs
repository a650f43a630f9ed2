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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relaxation_pays_where_it_saves_more_cuts_than_it_costs() {
        let costs = |relaxation| Costs { intervals: 1.0, relaxation, cut: -0.1 };
        // a fifth less is what two cuts leave, which make four parts
        assert!(costs(3.0).relaxation_pays(0.8) && !costs(5.0).relaxation_pays(0.8));
        assert!(!costs(1e-9).relaxation_pays(1.0) && !costs(1e-9).relaxation_pays(f64::NAN), "it saves nothing");
        assert!(Costs { cut: 0.0, ..costs(1e12) }.relaxation_pays(0.5), "cuts gain nothing at all");
    }

    #[test]
    fn averages_move_towards_what_is_measured_and_only_by_what_is() {
        let mut costs = Costs::FIRST;
        costs.learn(&[]);
        assert_eq!(costs.relaxation, Costs::FIRST.relaxation);
        let measured = Measured { intervals: 1.0, relaxation: None, cut: f64::NEG_INFINITY };
        (0..200).for_each(|_| costs.learn(&[measured]));
        assert!((costs.intervals - 1.0).abs() < 1e-6);
        assert_eq!((costs.relaxation, costs.cut), (Costs::FIRST.relaxation, Costs::FIRST.cut));
    }
}
