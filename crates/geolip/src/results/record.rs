//! The question that results answer: what was asked, of which content, by which version.

use super::extended;
use crate::network::Network;
use crate::samples::Sample;
use crate::text;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What every such file begins with.
pub(super) const PREFIX: &[u8] = br#"{"format":"geolip-results","#;
const FORMAT: &str = "geolip-results";
const VERSION: u32 = 1;

/// A question: names and values, in order.
///
/// ```
/// use geolip::results::Record;
/// let asked = |norm: &str| Record::of("radius", "0123").with("norm", norm).number("tol", 0.01);
/// assert_eq!(asked("l2").line(), concat!(
///     r#"{"format":"geolip-results","version":1,"geolip":""#, env!("CARGO_PKG_VERSION"),
///     r#"","command":"radius","network":"0123","norm":"l2","tol":0.01}"#));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Record(Vec<(&'static str, Value)>);

impl Record {
    /// The question of a command about a network.
    pub fn new(command: &str, network: &Network) -> Self {
        Self::of(command, &network.hash())
    }

    /// As [`Self::new`], by the network's hash.
    pub fn of(command: &str, network: &str) -> Self {
        Self(Vec::new())
            .with("format", FORMAT)
            .with("version", VERSION)
            .with("geolip", env!("CARGO_PKG_VERSION"))
            .with("command", command)
            .with("network", network)
    }

    /// With something else that the results depend on.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// As [`Self::with`], for a number, which need not be finite.
    pub fn number(self, name: &'static str, value: f64) -> Self {
        self.with(name, extended::value(value))
    }

    /// As [`Self::number`], for several.
    pub fn numbers(self, name: &'static str, values: &[f64]) -> Self {
        self.with(name, values.iter().map(|v| extended::value(*v)).collect::<Vec<_>>())
    }

    /// The line of JSON, without its hash.
    pub fn line(&self) -> String {
        let members: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
        format!("{{{}}}", members.join(","))
    }

    /// Where another record differs, in words; none if it is the same.
    pub(super) fn difference(&self, other: &Map<String, Value>) -> Option<String> {
        let mut differences: Vec<String> = self
            .0
            .iter()
            .filter(|(name, value)| other.get(*name) != Some(value))
            .map(|(name, value)| match other.get(*name) {
                Some(there) => format!("{name} is {} there and {} here", shown(there), shown(value)),
                None => format!("{name} is not given there and {} here", shown(value)),
            })
            .collect();
        let unknown = other.iter().filter(|(name, _)| self.0.iter().all(|(own, _)| own != name));
        differences.extend(
            unknown.map(|(name, value)| format!("{} is {} there and not given here", text::name(name), shown(value))),
        );
        (!differences.is_empty()).then(|| differences.join(", "))
    }
}

/// A value in a message: hashes by their first digits.
fn shown(value: &Value) -> String {
    let whole = match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    let is_hash = whole.len() == 64 && whole.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { format!("{}…", &whole[..16]) } else { text::name(&whole) }
}

/// SHA-256 of samples: their rows, labels and inputs as they are used, whatever file they were read from and how.
pub fn hash_of_samples(samples: &[Sample]) -> String {
    let mut hash = Sha256::new();
    for sample in samples {
        hash.update((sample.row as u64).to_le_bytes());
        hash.update(sample.label.map_or(0, |label| label as u64 + 1).to_le_bytes());
        hash.update((sample.input.len() as u64).to_le_bytes());
        sample.input.iter().for_each(|v| hash.update(v.to_le_bytes()));
    }
    text::hex(hash.finalize())
}
