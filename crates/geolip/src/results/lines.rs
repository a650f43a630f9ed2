//! Lines and their hashes.

use super::record::{PREFIX, Record};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What stands between a line's own members and its hash.
const MEMBER: &str = r#","hash":""#;
const DIGITS: usize = 16;
const END: &str = r#""}"#;

/// A result of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its line, counted from 1.
    pub line: usize,
    /// The JSON object, without its hash.
    pub text: String,
}

impl Row {
    /// What it says.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_str(&self.text).map_err(|error| error.to_string())
    }
}

/// The SHA-256 of all lines so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain([u8; 32]);

impl Chain {
    pub fn start() -> Self {
        Self([0; 32])
    }

    fn with(self, object: &str) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(object).finalize().into())
    }

    fn digits(self) -> String {
        crate::text::hex(&self.0[..DIGITS / 2])
    }

    /// The line of a JSON object that has a member, with its hash and a line break.
    pub fn seal(&mut self, object: &str) -> String {
        *self = self.with(object);
        let members = object.strip_suffix('}').unwrap_or(object);
        format!("{members}{MEMBER}{}{END}\n", self.digits())
    }

    /// The object of such a line, given without its break; none if it is not what was written after the lines so far.
    fn open(&mut self, line: &[u8]) -> Option<String> {
        let line = std::str::from_utf8(line).ok()?;
        let (members, digits) = line.strip_suffix(END)?.rsplit_once(MEMBER)?;
        let object = format!("{members}}}");
        let next = self.with(&object);
        (next.digits() == digits).then(|| {
            *self = next;
            object
        })
    }
}

/// What a file of a question holds.
#[derive(Debug, PartialEq)]
pub(super) struct Content {
    pub rows: Vec<Row>,
    /// The hash to go on from.
    pub chain: Chain,
    /// Bytes of whole lines; what comes after them was cut short. 0 where there is not even the record.
    pub whole: usize,
}

/// Why a file is not one of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is something else.
    Foreign,
    /// It is of another question, which differs as it says.
    Question(String),
    /// A line is not as it was written.
    Line(usize, &'static str),
}

/// The rows of a file with this record.
pub(super) fn read(bytes: &[u8], record: &Record) -> Result<Content, Fault> {
    let mut chain = Chain::start();
    let own = chain.seal(&record.line());
    // nothing, or a record that was cut short while it was written
    if bytes.is_empty() || bytes.len() >= PREFIX.len() && bytes.len() < own.len() && own.as_bytes().starts_with(bytes) {
        return Ok(Content { rows: Vec::new(), chain, whole: 0 });
    }
    if !bytes.starts_with(PREFIX) {
        return Err(Fault::Foreign);
    }
    let mut content = Content { rows: Vec::new(), chain: Chain::start(), whole: 0 };
    for (index, text) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let Some(whole) = text.strip_suffix(b"\n") else {
            if index == 0 || !is_cut_short(text, content.chain) {
                return Err(Fault::Line(line, "is neither whole nor the beginning of a line of results"));
            }
            break;
        };
        let changed =
            "is not as it was written: it was edited, damaged, duplicated or moved, or a line before it was removed";
        let object = content.chain.open(whole).ok_or(Fault::Line(line, changed))?;
        match index {
            0 => {
                let other: Map<String, Value> =
                    serde_json::from_str(&object).map_err(|_| Fault::Line(line, "is not a JSON object"))?;
                if let Some(difference) = record.difference(&other) {
                    return Err(Fault::Question(difference));
                }
            }
            _ => content.rows.push(Row { line, text: object }),
        }
        content.whole += text.len();
    }
    Ok(content)
}

/// Whether a last line without its break is what an interruption leaves: a whole line, or the beginning of a JSON object.
fn is_cut_short(text: &[u8], mut chain: Chain) -> bool {
    let ends_early = |text| serde_json::from_slice::<Value>(text).is_err_and(|error| error.is_eof());
    chain.open(text).is_some() || text.starts_with(b"{") && ends_early(text)
}
