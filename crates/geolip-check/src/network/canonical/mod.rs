//! The canonical network file: exactly what is bounded, in a form that another program reads in an afternoon.
//!
//! A file is one JSON object, `{"format":"geolip-network","version":1,"nodes":[…],"output":…}`; `docs/canonical.md` defines every
//! field. It holds the nodes of [`Network`] as they stand after the import (after fusions, folded constants, trees of ReLUs for
//! maxima) with exact numbers, and no names.
//!
//! **Claim.** What [`read`] makes of what [`Network::export`] wrote is the same network up to its nodes' names, so it has the same
//! [hash](Network::hash). The reader refuses unknown and repeated fields, trailing bytes, other versions, shapes that do not fit, numbers
//! that are not finite, nodes that the output does not need, and sizes beyond the limits below, before it allocates anything that is
//! not proportional to the file.
//!
//! | step | file |
//! | --- | --- |
//! | what a file may hold, as data | this one |
//! | a network to a file | `write` |
//! | a file to a network | `read` |

mod read;
mod write;

pub use read::{looks_canonical, read};

use super::ConvolutionShape;
use super::convolution::AXES;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

/// The value of `format`.
const FORMAT: &str = "geolip-network";
/// The version written and read.
const VERSION: u64 = 1;
/// Numbers that one node, or one side of a map, holds at most.
const LONGEST: usize = 1 << 24;
/// Numbers that all nodes hold together at most.
const LONGEST_TOTAL: usize = 1 << 26;
/// Phases of a convolution at most: one per residue of its strides, for each of which its adjoint holds a matrix.
const MOST_PHASES: usize = 1 << 16;
/// Phases times entries of the kernel at most: how long it takes to tabulate them.
const MOST_PHASES_AND_TAPS: usize = 1 << 26;

/// Why a network is not written to, or not read from, a canonical file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// The bytes are no canonical network.
    #[error("not a readable geolip network: {reason}")]
    Malformed {
        /// What is wrong, and where.
        reason: String,
    },
    /// The network has no canonical file.
    #[error("the network cannot be exported: {reason}")]
    Unwritable {
        /// What is in the way.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write the network: {0}")]
    Write(#[from] std::io::Error),
}

/// Whether the tables of a convolution's adjoint are of a size that files may ask for.
fn within_limits(shape: &ConvolutionShape) -> bool {
    let product = |factors: [usize; AXES]| factors.into_iter().try_fold(1_usize, usize::checked_mul);
    let phases = product([0, 1, 2].map(|axis| shape.stride[axis].min(shape.input[axis])));
    let small = |phases: usize| {
        let both = product(shape.kernel).and_then(|taps| taps.checked_mul(phases));
        phases <= MOST_PHASES && both.is_some_and(|n| n <= MOST_PHASES_AND_TAPS)
    };
    phases.is_some_and(small)
}

/// A file as it is read, before anything is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileData {
    format: String,
    version: u64,
    nodes: Vec<NodeData>,
    output: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum NodeData {
    Input(usize),
    Affine(Object<AffineData>),
    Activate(Object<ActivateData>),
    Combine(Object<CombineData>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AffineData {
    terms: Vec<Object<TermData>>,
    /// `null` where there is none; the field is always there.
    #[serde(deserialize_with = "Option::deserialize")]
    bias: Option<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermData {
    parent: usize,
    map: MapData,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivateData {
    parent: usize,
    function: String,
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CombineData {
    parents: [usize; 2],
    function: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum MapData {
    Identity(usize),
    Scale(Vec<f64>),
    Dense(Object<DenseData>),
    Convolution(Object<ConvolutionData>),
    Gather(Object<GatherData>),
    Transpose(Box<MapData>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenseData {
    rows: usize,
    cols: usize,
    weights: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConvolutionData {
    in_channels: usize,
    out_channels: usize,
    groups: usize,
    input: [usize; AXES],
    output: [usize; AXES],
    kernel: [usize; AXES],
    stride: [usize; AXES],
    dilation: [usize; AXES],
    pad: [usize; AXES],
    weights: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GatherData {
    cols: usize,
    sources: Vec<Option<usize>>,
}

/// A number, or an infinite end of a clip.
struct Parameter(f64);

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl Visitor<'_> for Numbers {
            type Value = f64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"inf\" or \"-inf\"")
            }
            fn visit_f64<E>(self, v: f64) -> Result<f64, E> {
                Ok(v)
            }
            fn visit_u64<E>(self, v: u64) -> Result<f64, E> {
                Ok(v as f64)
            }
            fn visit_i64<E>(self, v: i64) -> Result<f64, E> {
                Ok(v as f64)
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<f64, E> {
                match v {
                    "inf" => Ok(f64::INFINITY),
                    "-inf" => Ok(f64::NEG_INFINITY),
                    other => Err(E::custom(format!("the parameter '{}' is not a number", other.escape_default()))),
                }
            }
        }
        from.deserialize_any(Numbers).map(Self)
    }
}

/// A struct that is written as an object and nothing else (derived readers take arrays of its fields, too).
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Objects<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Objects<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        from.deserialize_map(Objects(PhantomData)).map(Self)
    }
}
