//! What has to hold of every result whatever found it. A result that breaks it is never given out: something that is trusted is
//! wrong then, and nobody can say what else of it is.

use crate::error::{BoundError, Broken};
use crate::place::Region;
use crate::report::{Bound, Report};
use crate::slopes::SlopeNetwork;

/// The report, if every bound of it is consistent.
///
/// **Claim.** Of every bound in a report that is given out: `upper`, `witness.lower`, `pattern.value` and `pattern_lower` are
/// finite and not negative, the last three are at most the first, and the witness is a finite input of the network, inside the
/// region if there is one.
pub(crate) fn checked(network: &SlopeNetwork, report: Report) -> Result<Report, BoundError> {
    for bound in &report.bounds {
        check(network, report.region.as_ref(), bound)
            .map_err(|broken| BoundError::Broken { output: bound.functional.to_string(), broken })?;
    }
    Ok(report)
}

fn check(network: &SlopeNetwork, region: Option<&Region>, bound: &Bound) -> Result<(), Broken> {
    let upper = bound.upper();
    let below = [
        ("the lower bound", bound.witness.lower),
        ("the pattern's value", bound.pattern.value),
        ("the pattern bound", bound.pattern_lower),
    ];
    for (what, value) in below.into_iter().chain([("the upper bound", upper)]) {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(Broken::Value { what, value });
        }
    }
    if let Some((what, lower)) = below.into_iter().find(|(_, lower)| *lower > upper) {
        return Err(Broken::Exceeds { what, lower, upper });
    }
    let input = &bound.witness.input;
    if input.len() != network.inputs() {
        return Err(Broken::Inputs { given: input.len(), inputs: network.inputs() });
    }
    if let Some(index) = input.iter().position(|v| !v.is_finite()) {
        return Err(Broken::Input { index, value: input[index] });
    }
    match region.is_none_or(|region| region.contains(input)) {
        true => Ok(()),
        false => Err(Broken::Outside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use crate::options::Options;
    use crate::place::RegionNorm;

    fn found() -> (SlopeNetwork, Report) {
        let map = |m, n, w: &[f64]| LinearMap::Dense(Matrix::from_vec(m, n, w.to_vec()));
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let h = b.affine("h", vec![(b.input(), map(2, 2, &[1.0, 1.0, 1.0, -1.0]))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z, map(1, 2, &[1.0, -1.0]))], None).expect("shapes");
        let network = b.finish(y);
        let region = Region::around(&[0.5, 0.25], 0.125, RegionNorm::Linf, None).expect("a region");
        let options = Options { region: Some(region), ..Options::default() };
        let report = crate::bound(&network, &options, &crate::Silent).expect("a bound");
        (SlopeNetwork::everywhere(&network).expect("bounded slopes"), report)
    }

    #[test]
    fn a_report_that_contradicts_itself_is_withheld() {
        let (network, report) = found();
        assert!(checked(&network, report.clone()).is_ok());
        type Breaks = (&'static str, fn(&mut Bound));
        let breaks: [Breaks; 9] = [
            ("the lower bound is 1e3, more than", |b| b.witness.lower = 1e3),
            ("the pattern's value is 1e3, more than", |b| b.pattern.value = 1e3),
            ("the pattern bound is 1e3, more than", |b| b.pattern_lower = 1e3),
            ("the lower bound is NaN", |b| b.witness.lower = f64::NAN),
            ("the pattern bound is inf", |b| b.pattern_lower = f64::INFINITY),
            ("the pattern's value is -1", |b| b.pattern.value = -1.0),
            ("holds NaN at 1", |b| b.witness.input[1] = f64::NAN),
            ("has 1 numbers, the network 2", |b| b.witness.input.truncate(1)),
            ("not inside the region", |b| b.witness.input[0] = 0.626),
        ];
        for (text, change) in breaks {
            let mut broken = report.clone();
            change(&mut broken.bounds[0]);
            let error = checked(&network, broken).expect_err(text).to_string();
            assert!(error.contains(text) && error.contains("output 0") && error.contains("report"), "{error}");
        }
    }
}
