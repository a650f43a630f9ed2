//! Files to networks: ONNX files and `.npz` weight lists become a [`Network`], or an error says what is in the way.
//!
//! The import *fails closed*: a file is accepted only when every operator, attribute and number on the way from the input
//! to the output is understood. An ONNX file is then run beside an independent inference (tract) at a few inputs; a
//! difference beyond float32 rounding is an error ([`SelfCheck`]).
//!
//! # What is read
//!
//! **ONNX**, operator sets 7 to 28 of the default domain, one input and one output that depends on it, float32 or float64:
//!
//! | family | operators |
//! | --- | --- |
//! | linear | `Gemm`, `MatMul` with a constant on either side |
//! | arithmetic | `Add`, `Sub`, `Mul`, `Div` with constants by broadcasting, `Add` and `Sub` of two branches, `Neg` |
//! | shape | `Flatten`, `Reshape`, `Squeeze`, `Unsqueeze`, and `Transpose` where it moves no number |
//! | as they are | `Identity`, `Cast` between float types, `Dropout` in inference mode, `Constant` |
//! | activations | `Relu`, `LeakyRelu`, `PRelu`, `Elu`, `Celu`, `Selu`, `Sigmoid`, `HardSigmoid`, `Tanh`, `Softsign`, `Softplus`, `Gelu`, `Swish`, `HardSwish`, `Mish`, `Clip`, `Abs`, `Sin`, `Cos` |
//!
//! A leading batch dimension, symbolic or 1, counts as 1; tensors are read as vectors in row-major order.
//!
//! **`.npz`**: `W1`…`Wd` of shape out × in and optional biases `b1`…`bd` (either case), float32 or float64, with one
//! activation between the layers: ReLU unless [`ImportOptions::activation`] names another.
//!
//! This module knows files and formats, not bounds.

mod error;

pub use error::{ImportError, Obstacle, Place};
pub(crate) use error::{Plain, Quoted};

use crate::network::{Activation, Network};
use crate::{onnx, weights};
use sha2::{Digest, Sha256};
use std::path::Path;

/// How to read a file.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The activation between the layers of a weight list; ReLU when none is given. An ONNX file states its own
    /// activations: giving one for it is an error.
    pub activation: Option<Activation>,
}

/// A network as it was read, with what there is to know about the file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The network.
    pub network: Network,
    /// SHA-256 of the file's bytes, 64 hexadecimal digits.
    pub sha256: String,
    /// What kind of file it is.
    pub format: Format,
    /// The input: its name and shape in the file.
    pub input: Port,
    /// The output: its name and shape in the file.
    pub output: Port,
    /// Inputs of the file that cannot reach the output, and are no part of the network.
    pub left_out: Vec<String>,
    /// How the network compared with another implementation.
    pub self_check: SelfCheck,
}

/// The name and shape of an input or output. A symbolic batch dimension counts as 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The tensor's name.
    pub name: String,
    /// Its dimensions; their product is the number of inputs or outputs.
    pub shape: Vec<usize>,
}

/// What kind of file a network came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// An ONNX file.
    Onnx {
        /// The program that wrote it, with its version; empty where the file does not say.
        producer: String,
        /// The version of the default operator set.
        opset: i64,
    },
    /// A `.npz` weight list.
    Npz,
}

/// What became of the comparison with an independent inference.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SelfCheck {
    /// The network and tract agree within float32 rounding. (A disagreement is an [`ImportError::Disagrees`].)
    Agrees {
        /// The number of inputs compared: the zero vector and random ones, the same for every run.
        inputs: usize,
        /// The largest difference as a part of what float32 rounding can explain: at most 1, usually far below.
        largest_ratio: f64,
    },
    /// No comparison was possible.
    NotRun {
        /// Why.
        reason: String,
    },
}

/// Reads the network file at `path`: ONNX or `.npz`, told apart by content.
///
/// ```
/// use geolip::import::{ImportOptions, SelfCheck, load};
/// use std::path::Path;
///
/// let imported = load(Path::new("../../models/digits-784-64-10.onnx"), &ImportOptions::default())?;
/// assert_eq!((imported.network.inputs(), imported.network.outputs()), (784, 10));
/// assert!(matches!(imported.self_check, SelfCheck::Agrees { .. }));
/// # Ok::<(), geolip::import::ImportError>(())
/// ```
///
/// # Errors
/// [`ImportError`]; for ONNX files that hold something unsupported, [`ImportError::Unsupported`] lists all of it.
pub fn load(path: &Path, options: &ImportOptions) -> Result<Imported, ImportError> {
    let bytes = std::fs::read(path).map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
    from_bytes(&bytes, path, options)
}

/// Reads a network from the bytes of a file; `path` is what error messages call it.
///
/// # Errors
/// As for [`load`].
pub fn from_bytes(bytes: &[u8], path: &Path, options: &ImportOptions) -> Result<Imported, ImportError> {
    let parts = if weights::is_zip(bytes) {
        weights::read(bytes, path, options.activation.as_ref())?
    } else {
        expect_onnx(path, options)?;
        onnx::read(bytes, path)?
    };
    Ok(parts.with_hash(bytes))
}

/// Whether it makes sense to read a file that is no zip archive as ONNX.
fn expect_onnx(path: &Path, options: &ImportOptions) -> Result<(), ImportError> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let malformed = |reason: &str| Err(ImportError::Malformed { path: path.to_owned(), reason: reason.to_owned() });
    match (extension.as_str(), &options.activation) {
        ("npz", _) => malformed("not a zip archive, which every .npz file is"),
        ("npy" | "mat" | "safetensors" | "pt" | "pth" | "h5" | "keras" | "tflite", _) => {
            malformed(".onnx and .npz files are read; export the network to one of them")
        }
        (_, Some(activation)) => {
            Err(ImportError::ActivationOfOnnx { path: path.to_owned(), activation: activation.to_string() })
        }
        (_, None) => Ok(()),
    }
}

/// What a reader of one format gives: everything of [`Imported`] but the hash.
pub(crate) struct Parts {
    pub(crate) network: Network,
    pub(crate) format: Format,
    pub(crate) input: Port,
    pub(crate) output: Port,
    pub(crate) left_out: Vec<String>,
    pub(crate) self_check: SelfCheck,
}

impl Parts {
    fn with_hash(self, bytes: &[u8]) -> Imported {
        let Self { network, format, input, output, left_out, self_check } = self;
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Imported { network, sha256, format, input, output, left_out, self_check }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8], name: &str, options: &ImportOptions) -> String {
        from_bytes(bytes, Path::new(name), options).expect_err("no network").to_string()
    }

    #[test]
    fn files_that_are_no_networks_are_one_line_errors() {
        let plain = ImportOptions::default();
        let missing = load(Path::new("/nonexistent/net.onnx"), &plain).expect_err("no such file").to_string();
        assert!(missing.starts_with("/nonexistent/net.onnx: cannot be read: "), "{missing}");
        assert_eq!(error(b"", "net.onnx", &plain), "net.onnx: the file is empty");
        assert_eq!(error(b"hello", "net.npz", &plain), "net.npz: not a zip archive, which every .npz file is");
        let text = error(b"a network of words\n", "net.onnx", &plain);
        assert!(text.starts_with("net.onnx: not an ONNX file: "), "{text}");
        let mat = error(b"MATLAB 5.0", "net.mat", &plain);
        assert_eq!(mat, "net.mat: .onnx and .npz files are read; export the network to one of them");
    }

    #[test]
    fn an_activation_for_onnx_is_an_error() {
        let tanh = ImportOptions { activation: Some(Activation::Tanh) };
        assert_eq!(
            error(b"\x08\x08", "net.onnx", &tanh),
            "net.onnx: an ONNX file states its own activations; leave out the activation 'tanh'"
        );
    }
}
