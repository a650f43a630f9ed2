//! # geolip-compare: what a certified bound is compared with
//!
//! Every method on one question, side by side: [`compare`] runs them all, a [`Question`] runs them one by one. Each answers with an
//! [`Estimate`] (one value per output functional, and what these values guarantee) or says in one line why it cannot run on this
//! network. It is what `geolip compare` shows.
//!
//! | file | method | in short |
//! | --- | --- | --- |
//! | `product.rs` | product of norms | ‖A_d‖⋯‖A_1‖, with certified singular values for ℓ2 |
//! | `linear_program.rs` | LiPopt, degree 2 | one hidden layer: products of variables relaxed one by one |
//! | `eclipse.rs` | ECLipsE-Fast | one multiplier per layer, in closed form |
//! | `layerwise.rs` | layer-wise relaxation | one multiplier per layer, the best ones |
//! | `natural.rs` | natural form | one hidden layer: GeoLIP's program on signs, solved and proved by itself |
//! | `exhaustive.rs` | brute force | all slope patterns |
//! | `chain.rs`, `proof.rs` | | chains as matrices; from multipliers to a bound that the checker accepts |
//! | `question.rs`, `compare.rs`, `json.rs` | | one question put to one method, or to all; the answers as JSON |
//!
//! Nothing here is used to make a bound of [`geolip::bound()`]. Values called certified are proved: by the checker, or by
//! the argument at the top of the method's file, with every rounding accounted for.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod blocks;
mod chain;
mod compare;
mod eclipse;
mod exhaustive;
pub mod json;
mod layerwise;
mod linear_program;
mod natural;
mod product;
mod proof;
mod question;

pub use compare::{Comparison, Row, compare};
pub use exhaustive::{Exhaustive, exhaustive};
pub use question::Question;

use geolip_check::problem::Functional;
use geolip_check::proof::one_hidden::{LARGEST, OneHidden, Unsuitable};
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// A way to bound or estimate a Lipschitz constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The largest gradient at random inputs.
    Sampling,
    /// geolip's real input: the gradient there.
    Witness,
    /// geolip's best pattern of slopes.
    Pattern,
    /// Every pattern of slopes.
    BruteForce,
    /// geolip's certified bound.
    Geolip,
    /// GeoLIP's natural relaxation of one hidden layer as a program of its own.
    NaturalForm,
    /// The relaxation with one multiplier per layer.
    LayerWise,
    /// One multiplier per layer in closed form.
    EclipseFast,
    /// The linear relaxation of degree two.
    LinearProgram,
    /// The product of the layers' operator norms.
    NormProduct,
}

impl Method {
    /// All of them, cheap ones before dear ones of the same kind.
    pub const ALL: [Self; 10] = [
        Self::Sampling,
        Self::Witness,
        Self::Pattern,
        Self::Geolip,
        Self::NormProduct,
        Self::EclipseFast,
        Self::NaturalForm,
        Self::LayerWise,
        Self::LinearProgram,
        Self::BruteForce,
    ];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sampling => "sampled gradients",
            Self::Witness => "geolip, real input",
            Self::Pattern => "geolip, slope pattern",
            Self::BruteForce => "brute force",
            Self::Geolip => "geolip",
            Self::NaturalForm => "natural form",
            Self::LayerWise => "layer-wise relaxation",
            Self::EclipseFast => "ECLipsE-Fast",
            Self::LinearProgram => "LiPopt, degree 2",
            Self::NormProduct => "product of norms",
        })
    }
}

/// What a value promises, from below to above. There are no heuristics among the methods: all values are bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Lip is at least this: the gradient's norm at a real input, rounded down.
    Attained,
    /// The FGL is at least this: the Jacobian's norm for some slopes, rounded down. Lip may be less.
    PatternAttained,
    /// The FGL is this, up to rounding (rounded down).
    Exact,
    /// The FGL is at most this: proved.
    Certified,
    /// The FGL is at most this, unless a random test passed what is not true.
    Probabilistic,
}

impl Guarantee {
    /// Whether the value is at least the FGL.
    pub fn is_upper(self) -> bool {
        match self {
            Self::Certified | Self::Probabilistic => true,
            Self::Attained | Self::PatternAttained | Self::Exact => false,
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Attained => "lower bound of Lip, attained",
            Self::PatternAttained => "lower bound of FGL, attained",
            Self::Exact => "exact FGL, in floating point",
            Self::Certified => "upper bound, certified",
            Self::Probabilistic => "upper bound, probabilistic",
        })
    }
}

/// What a method found.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// One value per output functional, in the order of the question.
    pub values: Vec<f64>,
    /// What every value promises.
    pub guarantee: Guarantee,
    /// How long all of them took together.
    pub time: Duration,
    /// What a reader has to know besides.
    pub note: Option<String>,
}

impl Estimate {
    /// The largest value.
    pub fn largest(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }
}

/// Why a method has no value for a network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotApplicable {
    /// The method is for one hidden layer.
    #[error("only for one hidden layer; this network has {layers}")]
    Layers {
        /// Activation layers of the network.
        layers: usize,
    },
    /// The method is for chains.
    #[error("only for chains of layers; node '{node}' reads more than the layer before it")]
    Branches {
        /// The node that does not fit in.
        node: String,
    },
    /// The method needs one slope interval per layer.
    #[error("only for one slope interval per layer; those of node '{node}' differ")]
    Slopes {
        /// The activation.
        node: String,
    },
    /// The method is for linear functionals.
    #[error("only for linear functionals of the output, not for its {norm} norm")]
    OutputNorm {
        /// The norm asked for.
        norm: String,
    },
    /// Too many patterns.
    #[error("2^{neurons} patterns are too many to try; at most {limit} hidden neurons are practical")]
    Patterns {
        /// Neurons whose slope is not fixed.
        neurons: usize,
        /// The most that is tried.
        limit: usize,
    },
    /// Too much memory or time.
    #[error("{what}: {size}, more than the {limit} that are practical")]
    Size {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Its proof would be a random test, which is kept for geolip's own bound.
    #[error("the network is too large for a proof by elimination (see --memory-limit)")]
    Proof,
    /// Nothing was accepted by the checker.
    #[error("no bound of output {output} could be certified")]
    NotCertified {
        /// The functional.
        output: String,
    },
    /// The numbers overflow.
    #[error("the numbers overflow double precision; scale the weights down")]
    Overflow,
    /// The solver gave up.
    #[error("the linear-programming solver ended with '{status}'")]
    Solver {
        /// Its own word.
        status: String,
    },
    /// Time was up, or the caller asked to stop.
    #[error("stopped before it had a value")]
    Stopped,
    /// geolip's own bound failed.
    #[error("{reason}")]
    Bound {
        /// Its error.
        reason: String,
    },
}

/// The non-zero entries of u.
fn entries(functional: &Functional) -> Result<Vec<(usize, f64)>, NotApplicable> {
    functional.entries().ok_or_else(|| NotApplicable::OutputNorm { norm: functional.to_string() })
}

/// The program of one hidden layer.
fn one_hidden(question: &Question<'_>) -> Result<OneHidden, NotApplicable> {
    OneHidden::new(question.network).map_err(|reason| match reason {
        Unsuitable::Layers(layers) => NotApplicable::Layers { layers },
        Unsuitable::Numbers(size) => {
            let what = "numbers in the matrix of the hidden layer";
            NotApplicable::Size { what, size, limit: LARGEST }
        }
    })
}
