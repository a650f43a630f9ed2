//! From multipliers that a baseline found to a bound that the checker accepts.

use crate::{NotApplicable, Question};
use geolip::dual::Repair;
use geolip_check::form::Multipliers;
use geolip_check::problem::{Functional, InputNorm};
use geolip_check::proof::{Certificate, check};

impl Question<'_> {
    /// The least bound proved with these multipliers, those of a layer scaled by one common factor (see [`geolip::dual`]).
    pub(crate) fn certified(
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
