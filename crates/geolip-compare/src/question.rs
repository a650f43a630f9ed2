//! One question put to many methods: what they share, and which function answers.

use crate::{Estimate, Guarantee, Method, NotApplicable};
use crate::{eclipse, exhaustive, layerwise, linear_program, natural, product};
use geolip::Observer;
use geolip::Options;
use geolip::dual::Form;
use geolip::lower::{GradientBound, sample_inputs};
use geolip::{Bound, Report};
use geolip::{BoundError, bound};
use geolip_check::form::QuadraticForm;
use geolip_check::problem::{Functional, InputNorm};
use geolip_check::slopes::SlopeNetwork;
use rayon::prelude::*;
use std::sync::OnceLock;
use std::time::Instant;

/// Random inputs of [`Method::Sampling`]: this many, fewer where an evaluation is dear, but at least …
const SAMPLES: (usize, usize) = (2000, 64);
/// … as many as fit into this many multiply–adds.
const SAMPLING_WORK: usize = 100_000_000_000;

/// A network, what is asked of it, and what several methods need: made when first needed.
pub struct Question<'a> {
    pub(crate) network: &'a SlopeNetwork,
    pub(crate) options: &'a Options,
    pub(crate) functionals: Vec<Functional>,
    observer: &'a dyn Observer,
    form: OnceLock<Form<'a>>,
    report: OnceLock<Result<Report, String>>,
}

/// When to stop.
#[derive(Clone, Copy)]
pub(crate) struct Clock<'a> {
    pub(crate) observer: &'a dyn Observer,
    pub(crate) deadline: Option<Instant>,
}

impl Clock<'_> {
    pub(crate) fn stopped(&self) -> bool {
        self.observer.cancelled() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// The two norms that every method knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ball {
    /// That of ℓ∞.
    Cube,
    /// That of ℓ2.
    Round,
}

impl Ball {
    /// The smaller of the two that holds the unit ball of the norm, and what a reader has to know if it is larger.
    pub(crate) fn around(norm: InputNorm) -> (Self, Option<&'static str>) {
        match norm {
            InputNorm::Linf => (Self::Cube, None),
            InputNorm::L2 => (Self::Round, None),
            InputNorm::L1 => (Self::Round, Some("its l2 bound, as |x|_2 <= |x|_1")),
            InputNorm::Lp(_) => (Self::Cube, Some("its linf bound, as |x|_inf <= |x|_p")),
        }
    }

    pub(crate) fn norm(self) -> InputNorm {
        match self {
            Self::Cube => InputNorm::Linf,
            Self::Round => InputNorm::L2,
        }
    }
}

/// Passes on the wish to stop, and nothing else.
struct Quiet<'a>(&'a dyn Observer);

impl Observer for Quiet<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

impl<'a> Question<'a> {
    /// The units are those of the slope network, and have to be those of the options. Of these, `norm`, `unit`, `outputs`, `tol`, `time_limit` (for each method by itself), `memory_limit` and `seed` count;
    /// threads are those of the caller. The observer is asked whether to stop.
    pub fn new(
        network: &'a SlopeNetwork,
        options: &'a Options,
        observer: &'a dyn Observer,
    ) -> Result<Self, BoundError> {
        options.validate()?;
        let functionals = options.outputs.functionals(network.network())?;
        Ok(Self { network, options, functionals, observer, form: OnceLock::new(), report: OnceLock::new() })
    }

    /// The output functionals, in the order of every [`Estimate::values`].
    pub fn functionals(&self) -> &[Functional] {
        &self.functionals
    }

    /// Runs one method.
    pub fn run(&self, method: Method) -> Result<Estimate, NotApplicable> {
        if self.observer.cancelled() {
            return Err(NotApplicable::Stopped);
        }
        let started = Instant::now();
        let deadline = self.options.time_limit.and_then(|limit| started.checked_add(limit));
        let clock = Clock { observer: self.observer, deadline };
        let mut estimate = match method {
            Method::Sampling => self.sampling(clock),
            Method::Witness => self.own(Guarantee::Attained, |bound| bound.witness.lower),
            Method::Pattern => self.own(Guarantee::PatternAttained, |bound| bound.pattern_lower),
            Method::Geolip => self.own(Guarantee::Certified, Bound::upper),
            Method::BruteForce => exhaustive::run(self, clock),
            Method::NaturalForm => natural::run(self, clock),
            Method::LayerWise => layerwise::run(self, clock),
            Method::EclipseFast => eclipse::run(self),
            Method::LinearProgram => linear_program::run(self, clock),
            Method::NormProduct => product::run(self),
        }?;
        if estimate.time.is_zero() {
            estimate.time = started.elapsed();
        }
        if estimate.values.iter().all(|v| v.is_finite()) { Ok(estimate) } else { Err(NotApplicable::Overflow) }
    }

    /// An estimate whose time is still to be measured.
    pub(crate) fn estimate(values: Vec<f64>, guarantee: Guarantee, note: Option<String>) -> Estimate {
        Estimate { values, guarantee, time: std::time::Duration::ZERO, note }
    }

    /// One value per functional, worked out side by side.
    pub(crate) fn each<T: Send>(
        &self,
        one: impl Fn(&Functional) -> Result<T, NotApplicable> + Sync,
    ) -> Result<Vec<T>, NotApplicable> {
        self.functionals.par_iter().map(&one).collect()
    }

    /// The form that certificates are checked in, if that is by elimination.
    pub(crate) fn form(&self) -> Result<&QuadraticForm<'a>, NotApplicable> {
        match self
            .form
            .get_or_init(|| Form::choose(self.network, (self.options.memory_limit, self.options.affordable), 1))
        {
            Form::Eliminated(form) => Ok(form),
            Form::MatrixFree(_) => Err(NotApplicable::Proof),
        }
    }

    fn sampling(&self, clock: Clock<'_>) -> Result<Estimate, NotApplicable> {
        let exact = GradientBound::new(self.network, self.options.norm);
        let (norm, seed) = (self.options.norm, self.options.seed);
        let stopped = || clock.stopped();
        let work = self.network.multiply_adds().saturating_mul(1 + self.functionals.len()).max(1);
        let samples = (SAMPLING_WORK / work).clamp(SAMPLES.1, SAMPLES.0);
        let (made, found) = sample_inputs(self.network, norm, &exact, &self.functionals, seed, samples, &stopped);
        let values = found.into_iter().map(|witness| witness.lower).collect();
        Ok(Self::estimate(values, Guarantee::Attained, Some(format!("{made} random inputs"))))
    }

    /// A part of geolip's own report.
    fn own(&self, guarantee: Guarantee, part: impl Fn(&Bound) -> f64) -> Result<Estimate, NotApplicable> {
        let options = Options { threads: None, ..self.options.clone() };
        let report = self.report.get_or_init(|| {
            bound(self.network.network(), &options, &Quiet(self.observer)).map_err(|error| error.to_string())
        });
        let report = report.as_ref().map_err(|reason| NotApplicable::Bound { reason: reason.clone() })?;
        let values = report.bounds.iter().map(part).collect();
        let chance = report.bounds.iter().map(|b| b.certificate.failure_probability()).fold(0.0, f64::max);
        let (guarantee, note) = match guarantee {
            Guarantee::Certified if chance > 0.0 => {
                (Guarantee::Probabilistic, Some(format!("a false bound passes with probability {chance:.0e} at most")))
            }
            Guarantee::Attained | Guarantee::PatternAttained => (guarantee, Some("from geolip's run".to_owned())),
            Guarantee::Certified | Guarantee::Exact | Guarantee::Probabilistic => (guarantee, None),
        };
        Ok(Estimate { values, guarantee, time: report.time, note })
    }
}
