//! The certificate file: what it holds and how it is written. Nothing here has been checked.
//!
//! A file is one JSON object:
//!
//! | field | meaning |
//! | --- | --- |
//! | `format` | always `"geolip-certificate"` |
//! | `version` | the version of this format, 6 |
//! | `network` | the canonical network's hash ([`crate::network::Network::hash`]), 64 hexadecimal digits |
//! | `norm` | the input norm, `"linf"`, `"l2"`, `"l1"` or a number p > 2 as text, `"3"` |
//! | `unit` | only where the inputs have units: a list with one number per input, at least 0 and not all 0 ([`Units`]): `norm` is then that of input changes divided by these, entry by entry, and inputs whose unit is 0 do not change |
//! | `region` | `null`: the bounds hold everywhere; else where they hold: `lower` and `upper` of a box, and possibly a `ball` with `centre` and `radius` (ℓ2; in units of its own, an ellipsoid, with `unit`) that has to be met, too ([`Region`]) |
//! | `bounds` | a list of claims |
//!
//! and a claim is `output` (an index `"8"`, a margin `"3-7"`, a list of numbers for a vector u, or a norm `"linf"`, `"l2"`,
//! `"l1"` of the whole output), `upper` (the bound claimed), and `proof`, an object with one field:
//!
//! | field | proves | holds |
//! | --- | --- | --- |
//! | `multipliers` | any claim (in ℓ1, what holds in ℓ2) | `zeta`, `gamma`, `lambda` of [`crate::form::Multipliers`]; a probabilistic claim also `random_test`, with `failure_probability`, `margin` and `top` (see [`crate::form::random_test`]) |
//! | `outputs` | a claim about `"linf"` of the output | a claim for each output, in their order: `upper` is at least their maximum |
//! | `inputs` | any claim in ℓ1 | a list, possibly empty, of `input` (in ascending order) and its `multipliers`: the bound of the network with that input alone; the checker computes intervals for all other inputs by itself ([`crate::proof::intervals`]) |
//! | `signs` | one output (or margin, or vector) of a network with one hidden layer, in ℓ∞ or ℓ2 | `gamma`, `delta` and `cuts` of [`crate::proof::signs`]; a cut is a list of variables, the signs between them, and its weight |
//! | `cuts` | one output (or margin, or vector), or `"l2"` or `"l1"` of the output, in ℓ∞, ℓ2 or ℓp | `constant`, `zeta`, `gamma`, `lambda`, `signs`, `triangles` and `vertices` of [`crate::proof::cuts`]; where there are groups also `choices`, `apart` and `whole` |
//! | `intervals` | any claim | nothing: the checker computes intervals for every entry of the gradient by itself |
//! | `patterns` | any claim | nothing: the checker does so for every pattern of the few neurons whose slope is not fixed |
//! | `tree` | any claim; cuts of inputs on a region without a ball, sides on one or everywhere | a tree ([`super::tree`]) as a list: `{"slope":[layer,neuron]}`, followed by the branch of its lower slope and that of its upper slope; `{"input":[input,at]}`, followed by the part where that input is at most `at` and the part where it is at least `at`; `{"side":[layer,neuron,at]}`, likewise for a pre-activation, without a region at 0 and of a function with one kink there, whose slope is then that of the side; `{"leaf":…}` with a proof of the same bound there; or, without a region, `{"thin":[[layer,neuron],…]}`: the sides of these neurons leave no interior ([`super::thin`]) |
//!
//! Numbers are written in the shortest decimal form that reads back as the same double, fields in a fixed order, so identical
//! claims are identical bytes. On a region the checker works out intervals for all neurons, and slope intervals from these, by
//! itself ([`crate::place`]): the file holds none. Version 5, which knows no groups, version 4, which has no `thin` leaves and sides on regions alone, version 3, which has no `cuts`, and version 2, whose trees are of two kinds, `cases` (with `split` for `slope`) and
//! `parts` (with `cut` for `input`), is read, too. Version 1 had no `proof`, and knew one ζ, ℓ∞ and ℓ2 alone; it is no longer read.

use crate::form::RandomTest;
use crate::form::quadratic::Multipliers;
use crate::place::Region;
use crate::problem::{Functional, InputNorm, Units};
use crate::proof::cuts::CutProof;
use crate::proof::signs::SignProof;
use serde::{Deserialize, Serialize};

/// A certificate file as read, or about to be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// [`CertificateFile::FORMAT`]
    pub format: String,
    /// [`CertificateFile::VERSION`]
    pub version: u32,
    /// The hash of the canonical network.
    pub network: String,
    /// The input norm of every claim.
    pub norm: InputNorm,
    /// The units of the input, if they are not ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Units>,
    /// Where the claims hold; none for everywhere.
    pub region: Option<Region>,
    /// The claims.
    pub bounds: Vec<Claim>,
    /// What its maker says of the file that the network came from: what was left out or fixed, and with what the import was
    /// compared. No part of any claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One claim: the FGL of this output is at most `upper`, because of this proof; where that takes sides or cuts inputs, the Lipschitz constant there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What is measured of the output.
    pub output: Functional,
    /// The bound claimed.
    pub upper: f64,
    /// Why it holds.
    pub proof: Proof,
}

/// What proves a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// One quadratic form that is non-negative.
    Multipliers(FormProof),
    /// The largest output: a claim for each.
    Outputs(Vec<Claim>),
    /// The largest input: a form for each of those listed, intervals for all others.
    Inputs(Vec<InputProof>),
    /// One hidden layer: a program over signs, with cuts.
    Signs(SignProof),
    /// Cuts of all layers.
    Cuts(CutProof),
    /// Intervals for every entry of the gradient.
    Intervals,
    /// The same for every pattern of the few neurons whose slope is not fixed.
    Patterns,
    /// Branch by branch: a tree, in the order of [`super::tree`].
    #[serde(alias = "cases", alias = "parts")]
    Tree(Vec<Branch>),
}

/// A node of a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Branch {
    /// (layer of neurons, neuron): its slope is at the lower end in the first child, at the upper end in the second.
    #[serde(alias = "split")]
    Slope(usize, usize),
    /// (input, at): at most that in the first child, at least that in the second.
    #[serde(alias = "cut")]
    Input(usize, f64),
    /// (layer of neurons, neuron, at): its pre-activation is at most that in the first child, at least that in the second.
    Side(usize, usize, f64),
    /// What proves the bound of the whole tree where the path leads.
    Leaf(Box<Proof>),
    /// Without a region: where the path leads there are almost no inputs, because of its sides of these neurons (layer of neurons, neuron),
    /// by [`super::thin`].
    Thin(Vec<(usize, usize)>),
}

/// Multipliers, and how the form they make is shown to be non-negative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormProof {
    /// ζ
    pub zeta: Vec<f64>,
    /// γ
    pub gamma: Vec<f64>,
    /// λ
    pub lambda: Vec<Vec<f64>>,
    /// How a probabilistic claim is to be tested; none for a claim that is proved outright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_test: Option<RandomTest>,
}

/// The proof for one input of the network, all others being fixed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputProof {
    /// Which, counted from 0.
    pub input: usize,
    /// Multipliers for the network with this input alone.
    pub multipliers: FormProof,
}

impl Proof {
    /// Whether quadratic forms are behind it, at whatever depth.
    pub(super) fn rests_on_forms(&self) -> bool {
        self.rests_on(&|proof| match proof {
            Self::Multipliers(_) | Self::Cuts(_) => true,
            Self::Inputs(inputs) => !inputs.is_empty(),
            Self::Outputs(_) | Self::Signs(_) | Self::Intervals | Self::Patterns | Self::Tree(_) => false,
        })
    }

    /// Whether proofs of a kind are behind it, at whatever depth.
    pub(super) fn rests_on(&self, kind: &dyn Fn(&Self) -> bool) -> bool {
        kind(self)
            || match self {
                Self::Outputs(claims) => claims.iter().any(|claim| claim.proof.rests_on(kind)),
                Self::Tree(tree) => {
                    tree.iter().any(|branch| matches!(branch, Branch::Leaf(proof) if proof.rests_on(kind)))
                }
                Self::Multipliers(_)
                | Self::Inputs(_)
                | Self::Signs(_)
                | Self::Cuts(_)
                | Self::Intervals
                | Self::Patterns => false,
            }
    }

    /// The name of its field in a file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Multipliers(_) => "multipliers",
            Self::Outputs(_) => "outputs",
            Self::Inputs(_) => "inputs",
            Self::Signs(_) => "signs",
            Self::Cuts(_) => "cuts",
            Self::Intervals => "intervals",
            Self::Patterns => "patterns",
            Self::Tree(_) => "tree",
        }
    }
}

impl FormProof {
    /// The multipliers.
    pub fn multipliers(&self) -> Multipliers {
        Multipliers { zeta: self.zeta.clone(), gamma: self.gamma.clone(), lambda: self.lambda.clone() }
    }

    /// A proof by these multipliers.
    pub fn new(multipliers: Multipliers, random_test: Option<RandomTest>) -> Self {
        let Multipliers { zeta, gamma, lambda } = multipliers;
        Self { zeta, gamma, lambda, random_test }
    }
}

impl CertificateFile {
    /// The value of `format`.
    pub const FORMAT: &'static str = "geolip-certificate";
    /// The version this library writes.
    pub const VERSION: u32 = 6;
    /// The versions it reads.
    pub const VERSIONS_READ: [u32; 5] = [2, 3, 4, 5, 6];

    /// Reads a file's bytes.
    pub fn from_json(bytes: &[u8]) -> Result<Self, FormatError> {
        serde_json::from_slice(bytes).map_err(|error| FormatError { reason: error.to_string() })
    }

    /// The file's bytes: one line per claim, so that files can be compared by eye and by line.
    pub fn to_json(&self) -> String {
        let bounds: Vec<String> = self.bounds.iter().map(json).collect();
        let unit = self.unit.as_ref().map_or_else(String::new, |unit| format!("\"unit\":{},", json(unit)));
        format!(
            "{{\"format\":{},\"version\":{},\"network\":{},\"norm\":{},{unit}\"region\":{},\"bounds\":[\n{}\n]}}\n",
            json(&self.format),
            self.version,
            json(&self.network),
            json(&self.norm),
            json(&self.region),
            bounds.join(",\n")
        )
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("strings and numbers always serialise")
}

/// A file that is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a readable geolip certificate: {reason}; it may be truncated, of another version, or not one at all")]
pub struct FormatError {
    reason: String,
}
