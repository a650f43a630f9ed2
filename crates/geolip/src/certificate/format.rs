//! The certificate file: what it holds and how it is written. Nothing here has been checked.
//!
//! A file is one JSON object:
//!
//! | field | meaning |
//! | --- | --- |
//! | `format` | always `"geolip-certificate"` |
//! | `version` | the version of this format, 1 |
//! | `network` | the canonical network's hash ([`crate::network::Network::hash`]), 64 hexadecimal digits |
//! | `norm` | the input norm, `"linf"` or `"l2"` |
//! | `region` | `null`: the bounds hold everywhere |
//! | `bounds` | a list of claims |
//!
//! and a claim is `output` (an index `"8"` or a margin `"3-7"`), `upper` (the bound claimed), and the multipliers `zeta`,
//! `gamma`, `lambda` of [`super::Multipliers`]. A probabilistic claim also has `random_test`, with `failure_probability`,
//! `margin` and `top` (see [`super::randomised`]); claims without it are proved outright. Numbers are written in the shortest decimal form that reads back as the
//! same double, fields in a fixed order, so identical claims are identical bytes.

use super::form::Multipliers;
use super::randomised::RandomTest;
use crate::problem::InputNorm;
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
    /// Always none: local bounds are another claim, which this version does not have.
    pub region: Option<NoRegion>,
    /// The claims.
    pub bounds: Vec<Claim>,
}

/// A region: there is none in this version, so no value of this type exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoRegion {}

/// One claim: the FGL of this output is at most `upper`, because of these multipliers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The output functional, as [`crate::Functional`] writes it.
    pub output: String,
    /// The bound claimed.
    pub upper: f64,
    /// ζ
    pub zeta: f64,
    /// γ
    pub gamma: Vec<f64>,
    /// λ
    pub lambda: Vec<Vec<f64>>,
    /// How a probabilistic claim is to be tested; none for a claim that is proved outright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_test: Option<RandomTest>,
}

impl Claim {
    /// The claim's multipliers.
    pub fn multipliers(&self) -> Multipliers {
        Multipliers { zeta: self.zeta, gamma: self.gamma.clone(), lambda: self.lambda.clone() }
    }
}

impl CertificateFile {
    /// The value of `format`.
    pub const FORMAT: &'static str = "geolip-certificate";
    /// The version this library writes and reads.
    pub const VERSION: u32 = 1;

    /// Reads a file's bytes.
    pub fn from_json(bytes: &[u8]) -> Result<Self, FormatError> {
        serde_json::from_slice(bytes).map_err(|error| FormatError { reason: error.to_string() })
    }

    /// The file's bytes: one line per claim, so that files can be compared by eye and by line.
    pub fn to_json(&self) -> String {
        let bounds: Vec<String> = self.bounds.iter().map(json).collect();
        format!(
            "{{\"format\":{},\"version\":{},\"network\":{},\"norm\":{},\"region\":null,\"bounds\":[\n{}\n]}}\n",
            json(&self.format),
            self.version,
            json(&self.network),
            json(&self.norm),
            bounds.join(",\n")
        )
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("strings and numbers always serialise")
}

/// A file that is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a readable geolip certificate: {reason}; it may be truncated, or not one at all")]
pub struct FormatError {
    reason: String,
}
