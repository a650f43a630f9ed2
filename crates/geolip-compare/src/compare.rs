//! All methods on one question.

use crate::{Estimate, Guarantee, Method, NotApplicable, Question};
use geolip::Options;
use geolip::{BoundError, on_threads};
use geolip::{Event, Observer};
use geolip_check::network::Network;
use geolip_check::place::Place;
use geolip_check::problem::{Functional, InputNorm, Units};
use geolip_check::slopes::SlopeNetwork;
use std::time::{Duration, Instant};

/// One method's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The method.
    pub method: Method,
    /// Its values, or why there are none.
    pub outcome: Result<Estimate, NotApplicable>,
}

/// Every method's answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The norm of input perturbations.
    pub norm: InputNorm,
    /// The units of the input; none for ones.
    pub unit: Option<Units>,
    /// What was bounded.
    pub functionals: Vec<Functional>,
    /// By largest value, ascending; methods without one come last.
    pub rows: Vec<Row>,
    /// From start to end.
    pub time: Duration,
}

impl Comparison {
    /// The answer of one method.
    pub fn of(&self, method: Method) -> Option<&Estimate> {
        self.rows.iter().find(|row| row.method == method)?.outcome.as_ref().ok()
    }
}

/// Runs every method on a network, one after the other.
///
/// **Claim.** Whatever is [certified](super::Guarantee::Certified) is at least the FGL of its functional, whatever is a
/// lower bound at most that. `options.time_limit` holds for every method by itself; a method that is stopped says what it
/// has. The observer gets one event per method.
///
/// ```
/// use geolip_compare::{Method, compare};
/// use geolip::network::{Activation, LinearMap, NetworkBuilder};
/// use geolip::{Matrix, Options, Silent};
///
/// // relu(x₁ + x₂) − relu(x₁ − x₂) moves by 2 at most, the product of norms says 2 · 2
/// let mut b = NetworkBuilder::new(2)?;
/// let w = Matrix::from_vec(2, 2, vec![1.0, 1.0, 1.0, -1.0]);
/// let h = b.affine("fc1", vec![(b.input(), LinearMap::Dense(w))], None)?;
/// let z = b.activate("relu", h, Activation::Relu)?;
/// let y = b.affine("fc2", vec![(z, LinearMap::Dense(Matrix::from_vec(1, 2, vec![1.0, -1.0])))], None)?;
/// let comparison = compare(&b.finish(y), &Options::default(), &Silent)?;
/// let value = |method| comparison.of(method).expect("it runs on such a network").largest();
/// assert!(value(Method::BruteForce) <= 2.0 && value(Method::BruteForce) > 2.0 - 1e-12);
/// assert!(value(Method::NormProduct) >= 4.0 && value(Method::NormProduct) < 4.0 + 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn compare(network: &Network, options: &Options, observer: &dyn Observer) -> Result<Comparison, BoundError> {
    let everywhere = SlopeNetwork::in_units(network, Place::everywhere(), options.unit.as_ref())?;
    let question = Question::new(&everywhere, options, observer)?;
    let started = Instant::now();
    observer.event(Event::Started { bounds: Method::ALL.len() });
    let mut rows = on_threads(options.threads, || {
        let run = |(index, method)| {
            let row = Row { method, outcome: question.run(method) };
            observer.event(Event::Finished { index });
            row
        };
        Method::ALL.into_iter().enumerate().map(run).collect::<Vec<_>>()
    })?;
    rows.sort_by_key(place);
    let (norm, unit) = (options.norm, options.unit.clone());
    Ok(Comparison { norm, unit, functionals: question.functionals, rows, time: started.elapsed() })
}

/// Where a row stands: by value; values that agree to four digits or so by what they guarantee, then as in [`Method::ALL`].
fn place(row: &Row) -> (i64, Option<Guarantee>) {
    match &row.outcome {
        Ok(estimate) => ((1e4 * estimate.largest().ln()).round() as i64, Some(estimate.guarantee)),
        Err(_) => (i64::MAX, None),
    }
}
