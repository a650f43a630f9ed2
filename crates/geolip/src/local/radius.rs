//! How far an input may move before its classification can change.

use super::quick;
use crate::dual::Form;
use crate::network::Network;
use crate::observer::{Event, Observer, Silent};
use crate::options::{Options, RadiusOptions};
use crate::place::enclosure::{Detail, Enclosure};
use crate::place::{Region, RegionError, RegionNorm};
use crate::problem::{Functional, InputNorm};
use crate::report::Bound;
use crate::rounding::mul_up;
use crate::samples::Sample;
use crate::slopes::SlopeNetwork;
use crate::upper::{self, Question};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::time::Instant;

/// Why there is no radius.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RadiusError {
    /// The input and the valid range make no region of the network.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// A network with one output classifies nothing.
    #[error("the network has one output; a classification has at least two")]
    OneOutput,
    /// A label that is no output.
    #[error("the label {label} is not an output; the network has {outputs}, counted from 0 to {}", outputs - 1)]
    Label {
        /// The label.
        label: usize,
        /// How many outputs there are.
        outputs: usize,
    },
    /// A tolerance outside its range.
    #[error("the tolerance is {given}; it must be a positive number, such as 0.01")]
    Tolerance {
        /// What was given.
        given: f64,
    },
    /// What was found contradicts itself, so something that is trusted is wrong; no radius is given out.
    #[error(
        "internal error: the radius is {radius} with a margin of {margin}; the result is withheld; \
             please report it with the network file, the input and the command"
    )]
    Broken {
        /// The radius.
        radius: f64,
        /// The margin.
        margin: f64,
    },
}

/// A radius within which a classification cannot change.
///
/// **Claim.** For every x' with ‖x' − x‖ ≤ `radius` (in the units asked for, if any; and all entries in the valid range, if there is one), output `label` is
/// larger than every other output, for the network's weights as real numbers; where `radius` is 0, nothing is claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct CertifiedRadius {
    /// The output that is largest at the input, in plain floating point.
    pub predicted: usize,
    /// The output that stays the largest.
    pub label: usize,
    /// At most the smallest margin y_label − yⱼ at the input; negative where it is not the largest.
    pub margin: f64,
    /// The radius, 0 where none is certified.
    pub radius: f64,
    /// The output that could not be excluded a little further out.
    pub rival: Option<usize>,
    /// Radii tried.
    pub tries: usize,
}

impl CertifiedRadius {
    /// The same, if it is consistent: a finite radius of at least 0, and of more only with a positive margin.
    fn checked(self) -> Result<Self, RadiusError> {
        let Self { radius, margin, .. } = self;
        match radius.is_finite() && !margin.is_nan() && (radius == 0.0 || radius > 0.0 && margin > 0.0) {
            true => Ok(self),
            false => Err(RadiusError::Broken { radius, margin }),
        }
    }
}

/// What is known of one sample, as the command line writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleRadius {
    /// Its row.
    pub row: usize,
    /// Its label, as given.
    pub label: Option<usize>,
    /// The output that is largest at the input, in plain floating point.
    pub predicted: usize,
    /// At most the smallest margin at the input; minus infinity, which JSON writes as null, where nothing is known of it.
    #[serde(with = "null_for_minus_infinity")]
    pub margin: f64,
    /// 0 where the prediction is not the label, or nothing is certified.
    pub radius: f64,
    /// The output that could not be excluded a little further out.
    pub rival: Option<usize>,
    /// How long it took.
    pub seconds: f64,
}

/// Minus infinity as null; other numbers that JSON does not have as texts.
mod null_for_minus_infinity {
    use crate::results::extended;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Any(#[serde(with = "extended")] f64);

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        (*value > f64::NEG_INFINITY || value.is_nan()).then_some(Any(*value)).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<Any>::deserialize(deserializer)?.map_or(f64::NEG_INFINITY, |any| any.0))
    }
}

impl SampleRadius {
    /// Whether it can be what is known of `sample`: the same row and label, and a radius only where there is a margin.
    pub fn fits(&self, sample: &Sample) -> bool {
        let is_possible = self.radius.is_finite() && (self.radius == 0.0 || self.radius > 0.0 && self.margin > 0.0);
        (self.row, self.label) == (sample.row, sample.label) && is_possible
    }

    /// Whether the prediction is not the label.
    pub fn is_wrong(&self) -> bool {
        self.label.is_some_and(|label| label != self.predicted)
    }

    fn of(network: &Network, sample: &Sample, options: &RadiusOptions) -> Result<Self, RadiusError> {
        let begun = Instant::now();
        let options = RadiusOptions { label: sample.label, ..options.clone() };
        let CertifiedRadius { predicted, margin, radius, rival, .. } =
            certified_radius(network, &sample.input, &options)?;
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Self { row: sample.row, label: sample.label, predicted, margin, radius, rival, seconds })
    }
}

/// [`certified_radius`] of many samples (with their own labels), side by side; `observer` hears of each by its row.
pub fn certified_radii(
    network: &Network,
    samples: &[Sample],
    options: &RadiusOptions,
    observer: &dyn Observer,
) -> Vec<Result<SampleRadius, RadiusError>> {
    let one = |sample: &Sample| {
        let found = SampleRadius::of(network, sample, options)?;
        observer.event(Event::Finished { index: sample.row });
        Ok(found)
    };
    samples.par_iter().map(one).collect()
}

/// Radii beyond this are not looked for.
const FAR: f64 = 1e6;
/// Radii tried at most.
const MOST_TRIES: usize = 60;
/// Radii tried with Lipschitz constants beyond what linear bounds certify, and how far each is from the one before, in
/// tolerances.
const FURTHER: usize = 4;
const STRIDE: f64 = 5.0;

/// The largest radius found at which the classification of `x` provably cannot change.
///
/// A radius ρ is certified if for every other output j one of two conditions holds on the ball B around x:
///
/// * backward linear bounds show that y_label − yⱼ > 0 on B, or
/// * y_label(x) − yⱼ(x) > ρ·L with a certified local Lipschitz constant L of the margin on B, in the norm of the ball.
///
/// ρ is found by bracketing. **Rounded:** margins down, constants and their product with ρ up, the ball outwards.
///
/// ```
/// use geolip::network::{LinearMap, NetworkBuilder};
/// use geolip::{Matrix, RadiusOptions, certified_radius};
///
/// // y = (x, -x) at x = 0.5: the outputs meet at 0
/// let mut b = NetworkBuilder::new(1)?;
/// let y = b.affine("y", vec![(b.input(), LinearMap::Dense(Matrix::from_vec(2, 1, vec![1.0, -1.0])))], None)?;
/// let found = certified_radius(&b.finish(y), &[0.5], &RadiusOptions::default())?;
/// assert!(found.label == 0 && found.radius <= 0.5 && found.radius > 0.49);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn certified_radius(network: &Network, x: &[f64], options: &RadiusOptions) -> Result<CertifiedRadius, RadiusError> {
    let outputs = network.outputs();
    if outputs < 2 {
        return Err(RadiusError::OneOutput);
    }
    if !(options.tol > 0.0 && options.tol.is_finite()) {
        return Err(RadiusError::Tolerance { given: options.tol });
    }
    if let Some(label) = options.label.filter(|label| *label >= outputs) {
        return Err(RadiusError::Label { label, outputs });
    }
    let point = Region::around_in(options.unit.as_ref(), x, (0.0, options.norm), options.clip)?;
    point.fits(network)?;
    let y = network.evaluate(x);
    let predicted = (0..outputs).max_by(|a, b| y[*a].total_cmp(&y[*b]).then(b.cmp(a))).unwrap_or(0);
    let label = options.label.unwrap_or(predicted);
    let rivals: Vec<usize> = (0..outputs).filter(|j| *j != label).collect();
    let rows: Vec<Vec<(usize, f64)>> = rivals.iter().map(|j| vec![(label, 1.0), (*j, -1.0)]).collect();
    let margins = Enclosure::new(network, &point.clone().into(), Detail::Plain).least(network, &point, &rows);
    // of a margin that is no number nothing is known
    let margins: Vec<f64> = margins.into_iter().map(|m| if m.is_nan() { f64::NEG_INFINITY } else { m }).collect();
    let margin = margins.iter().copied().fold(f64::INFINITY, f64::min);
    let closest = (0..rivals.len()).min_by(|a, b| margins[*a].total_cmp(&margins[*b])).map(|j| rivals[j]);
    let mut found = CertifiedRadius { predicted, label, margin, radius: 0.0, rival: closest, tries: 0 };
    if margin > 0.0 {
        let relaxation_is_proved = OnceCell::new();
        let (rivals, rows, margins) = (&rivals[..], &rows[..], &margins[..]);
        let search = Search { network, x, options, rivals, rows, margins, label, relaxation_is_proved };
        search.bracket(&mut found, &point);
    }
    found.checked()
}

struct Search<'a> {
    network: &'a Network,
    x: &'a [f64],
    options: &'a RadiusOptions,
    rivals: &'a [usize],
    /// y_label − yⱼ, by its entries, for every rival.
    rows: &'a [Vec<(usize, f64)>],
    /// What these are at least at x.
    margins: &'a [f64],
    label: usize,
    /// Whether relaxations are small enough for proofs: known once it is asked.
    relaxation_is_proved: OnceCell<bool>,
}

impl Search<'_> {
    /// Doubles or halves from a guess until a radius that linear bounds certify and one that they do not enclose the answer,
    /// then bisects; then tries how much further Lipschitz constants reach.
    fn bracket(&self, found: &mut CertifiedRadius, point: &Region) {
        let (mut low, mut high) = (0.0, FAR);
        let mut radius = self.guess(point);
        while found.tries < MOST_TRIES && high - low > self.options.tol * high && radius > f64::MIN_POSITIVE {
            found.tries += 1;
            match self.open_rivals(radius).first() {
                None => low = radius,
                Some(rival) => {
                    high = radius;
                    found.rival = Some(self.rivals[*rival]);
                }
            }
            radius = match (low, high) {
                (0.0, high) => 0.5 * high,
                (low, high) if high == FAR => (2.0 * low).min(FAR),
                (low, high) => 0.5 * (low + high),
            };
            if low >= FAR {
                break;
            }
        }
        found.radius = low;
        let mut radius = high.min(FAR);
        for _ in 0..FURTHER {
            if !self.options.relaxation || low >= FAR || radius <= f64::MIN_POSITIVE {
                break;
            }
            found.tries += 1;
            match self.unheld(radius) {
                Some(rival) => {
                    found.rival = Some(rival);
                    break;
                }
                None => found.radius = radius,
            }
            radius *= 1.0 + STRIDE * self.options.tol;
        }
    }

    /// Where the smallest margin would end if the network were linear.
    fn guess(&self, point: &Region) -> f64 {
        let Ok(local) = SlopeNetwork::roughly(self.network, point.clone(), self.options.unit.as_ref()) else {
            return 1.0;
        };
        let options = self.bound_options();
        let ratio = |(j, margin): (&usize, &f64)| {
            let slope = quick(&local, &options, &Functional::margin(self.label, *j), Instant::now());
            slope.map_or(1.0, |bound| margin / bound.upper())
        };
        let least = self.rivals.iter().zip(self.margins).map(ratio).fold(f64::INFINITY, f64::min);
        if least > 0.0 && least < FAR { 0.7 * least } else { 1.0 }
    }

    /// The rivals that linear bounds do not exclude within this radius, by their places, the likeliest first.
    fn open_rivals(&self, radius: f64) -> Vec<usize> {
        let all = (0..self.rivals.len()).collect();
        let Ok(region) = self.ball(radius) else { return all };
        let least =
            Enclosure::new(self.network, &region.clone().into(), Detail::Plain).least(self.network, &region, self.rows);
        // what is no number excludes nothing
        let mut open: Vec<usize> = all.into_iter().filter(|j| !matches!(least[*j], least if least > 0.0)).collect();
        open.sort_by(|a, b| least[*a].total_cmp(&least[*b]));
        open
    }

    /// A rival that neither linear bounds nor Lipschitz constants exclude within this radius.
    fn unheld(&self, radius: f64) -> Option<usize> {
        let first = Some(self.rivals[0]);
        let open = self.open_rivals(radius);
        if open.is_empty() {
            return None;
        }
        let Ok(region) = self.ball(radius) else { return first };
        let Ok(local) = SlopeNetwork::roughly(self.network, region, self.options.unit.as_ref()) else { return first };
        open.iter().find(|j| !self.is_held_by_lipschitz(&local, **j, radius)).map(|j| self.rivals[*j])
    }

    /// Whether margin j exceeds radius·L, L its certified constant on the ball: a proved one, for a radius is a proof.
    fn is_held_by_lipschitz(&self, local: &SlopeNetwork, j: usize, radius: f64) -> bool {
        let (functional, options) = (Functional::margin(self.label, self.rivals[j]), self.bound_options());
        let holds = |bound: &Bound| {
            bound.certificate.failure_probability() == 0.0 && mul_up(radius, bound.upper()) < self.margins[j]
        };
        let Some(by_intervals) = quick(local, &options, &functional, Instant::now()) else { return false };
        if holds(&by_intervals) {
            return true;
        }
        if radius * by_intervals.witness.lower >= self.margins[j] {
            return false; // the gradient at the centre alone is too steep
        }
        let proves =
            || matches!(Form::choose(local, (options.memory_limit, options.affordable), 1), Form::Eliminated(_));
        if !self.relaxation_is_proved.get_or_init(proves) {
            return false; // it would be tested at random
        }
        let question = Question { network: local, options: &options, observer: &Silent, started: Instant::now() };
        let found = upper::solve(question, &[functional]);
        found.is_ok_and(|bounds| bounds.iter().all(holds))
    }

    fn ball(&self, radius: f64) -> Result<Region, RegionError> {
        Region::around_in(self.options.unit.as_ref(), self.x, (radius, self.options.norm), self.options.clip)
    }

    fn bound_options(&self) -> Options {
        let norm = match self.options.norm {
            RegionNorm::Linf => InputNorm::Linf,
            RegionNorm::L2 => InputNorm::L2,
        };
        Options { norm, tol: 1e-3, effort: 0.0, sweep_limit: 200, ..Options::default() }
    }
}
