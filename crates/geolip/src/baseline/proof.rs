//! From multipliers that a baseline found to a bound that the checker accepts.

use super::{NotApplicable, Question};
use crate::dual::Repair;
use crate::form::Multipliers;
use crate::problem::{Functional, InputNorm};
use crate::proof::{Certificate, check};

impl Question<'_> {
    /// The least bound proved with these multipliers, those of a layer scaled by one common factor (see `dual/tilt.rs`).
    pub(super) fn certified(
        &self,
        norm: InputNorm,
        functional: &Functional,
        multipliers: Multipliers,
    ) -> Result<f64, NotApplicable> {
        let form = self.form()?;
        let repair = Repair::new(form, norm, functional.clone(), multipliers);
        let found = repair.best().and_then(|repaired| check(form, norm, &repaired.claim(functional)).ok());
        let failed = || NotApplicable::NotCertified { output: functional.to_string() };
        found.as_ref().map(Certificate::upper).ok_or_else(failed)
    }
}
