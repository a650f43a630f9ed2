//! Why no report can be given.

use crate::options::OptionsError;
use crate::place::PlaceError;
use crate::problem::ProblemError;
use crate::results::ResultsError;

/// Why no report can be given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BoundError {
    /// The question makes no sense for this network.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// An option is outside its range.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The region is none of this network, or slopes are not bounded there.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The numbers overflow.
    #[error("the bound of output {output} overflows double precision; scale the weights down")]
    Overflow {
        /// The functional.
        output: String,
    },
    /// No multipliers were accepted by the checker.
    #[error(
        "no bound of output {output} could be certified; its relaxation is about {relaxation}; \
             a longer time limit, or rescaling layers of very different size, may help"
    )]
    NotCertified {
        /// The functional.
        output: String,
        /// The uncertified value.
        relaxation: f64,
    },
    /// Cuts were asked for where there are none.
    #[error("output {output}: cuts work in linf, l2 and lp with p > 2; leave --cuts out, or ask for another norm")]
    Cuts {
        /// The functional.
        output: String,
    },
    /// What was found contradicts itself, so something that is trusted is wrong; the result is withheld.
    #[error(
        "internal error: output {output}: {broken}; the results of this run are withheld; \
             please report it with the network file and the command"
    )]
    Broken {
        /// The functional.
        output: String,
        /// What does not hold.
        broken: Broken,
    },
    /// The file of an exact search is of no use.
    #[error("checkpoint {0}")]
    Checkpoint(#[from] ResultsError),
    /// The worker threads cannot be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system says.
        reason: String,
    },
}

/// How a result contradicts itself.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// Something attained exceeds what is proved to be the most.
    #[error("{what} is {lower:e}, more than the upper bound {upper:e}")]
    Exceeds {
        /// Which bound from below.
        what: &'static str,
        /// The bound from below.
        lower: f64,
        /// The bound from above.
        upper: f64,
    },
    /// A bound is negative, infinite, or not a number.
    #[error("{what} is {value}")]
    Value {
        /// Which number.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// The input of a lower bound is none.
    #[error("the input of the lower bound holds {value} at {index}")]
    Input {
        /// Where.
        index: usize,
        /// The number.
        value: f64,
    },
    /// The input of a lower bound has another length than those of the network.
    #[error("the input of the lower bound has {given} numbers, the network {inputs}")]
    Inputs {
        /// How many it has.
        given: usize,
        /// How many the network has.
        inputs: usize,
    },
    /// The input of a lower bound lies outside the region that was asked about.
    #[error("the input of the lower bound is not inside the region")]
    Outside,
}
