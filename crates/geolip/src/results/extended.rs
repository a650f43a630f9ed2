//! Doubles in JSON, all of them: infinities and NaN, which JSON has no numbers for, as texts.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
}

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        v if v.is_finite() => Written::Number(*v),
        v if v.is_nan() => Written::Text("nan".to_owned()),
        v if *v > 0.0 => Written::Text("inf".to_owned()),
        _ => Written::Text("-inf".to_owned()),
    }
    .serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Written::deserialize(deserializer)? {
        Written::Number(v) => Ok(v),
        Written::Text(text) => match text.as_str() {
            "nan" => Ok(f64::NAN),
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            _ => Err(de::Error::custom("a number, or one of 'inf', '-inf' and 'nan', is expected")),
        },
    }
}

/// The same as a JSON value.
pub(crate) fn value(v: f64) -> serde_json::Value {
    serialize(&v, serde_json::value::Serializer).unwrap_or_default()
}
