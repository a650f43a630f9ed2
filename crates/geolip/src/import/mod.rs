//! Files to networks: ONNX files and weight lists become a [`Network`], or an error says what is in the way.
//!
//! The import *fails closed*: a file is accepted only when every operator, attribute and number on the way from the input
//! to the output is understood. An ONNX file is then run beside an independent inference (tract, or where that cannot run it a
//! plain interpreter of the graph) at a few inputs; a difference beyond rounding is an error ([`SelfCheck`]).
//!
//! Two features of the crate, both on by default: without `self-check` tract is not built and the interpreter alone compares;
//! without `onnx` no ONNX file is read, only weight lists and canonical networks.
//!
//! # What is read
//!
//! **ONNX**, operator sets 7 to 28 of the default domain, in float16, bfloat16, float32 or float64, with stored tensors in the
//! file or in files beside it:
//!
//! | family | operators |
//! | --- | --- |
//! | linear | `Gemm`, `MatMul` (of two tensors that depend on the input, too, on regions), `Conv`, `ConvTranspose` (over one to three axes) with a constant factor or kernel; `Einsum` with constants; `CumSum`; `BatchNormalization` in inference mode |
//! | arithmetic | `Add`, `Sub`, `Sum`, `Mean`, `Mul`, `Div` of any branches and constants; `Neg`; with broadcasting (products and quotients of two branches on regions) |
//! | pools | `AveragePool`, `GlobalAveragePool`, `ReduceMean`, `ReduceSum`; `MaxPool`, `GlobalMaxPool`, `ReduceMax`, `ReduceMin`, `Max`, `Min` as ReLU trees; `TopK` (sorting) as a network of comparisons |
//! | images | `Upsample`, `Resize` (nearest, linear, cubic; not cropped nor antialiased), `DepthToSpace`, `SpaceToDepth` |
//! | shape | `Flatten`, `Reshape`, `Squeeze`, `Unsqueeze`, `Transpose`, `Slice`, `Split`, `Concat`, `Gather`, `Expand`, `Tile`, `Pad`, `Trilu` |
//! | constant indices | `Where` with a constant condition; `GatherElements`, `GatherND`, `ScatterElements`, `ScatterND` (put or added) |
//! | as they are | `Identity`, `Cast` between float types, `Dropout` in inference mode |
//! | known while importing | `Constant`, `EyeLike`, `Shape`, `Size` |
//! | activations | `Relu`, `LeakyRelu`, `PRelu`, `ThresholdedRelu` with alpha 0, `Elu`, `Celu`, `Selu`, `Sigmoid`, `HardSigmoid`, `Tanh`, `Softsign`, `Softplus`, `Gelu`, `Swish`, `HardSwish`, `Mish`, `Shrink` with bias = lambd, `Clip`, `Abs`, `Sin`, `Cos`, `Erf`, `Atan`, `Asinh` |
//! | softmax | `Softmax`, `LogSoftmax`, `ReduceLogSumExp` |
//! | on regions | `Exp`, `Log`, `Pow`, `Sqrt`, `Reciprocal`, `Sinh`, `Cosh`, `Tan`, `Asin`, `Acos`, `Atanh`, `Acosh`; `LayerNormalization`, `InstanceNormalization`, `GroupNormalization`, `RMSNormalization`, `LpNormalization`; `ReduceL2`, `ReduceSumSquare`, `ReduceLogSum` (and `ReduceL1`, everywhere) |
//!
//! Activations may be spelt out: GELU by erf or tanh, SiLU as x·σ(x), Mish, HardSwish, softsign, softplus, LeakyReLU as a
//! maximum, clips as chains of Min and Max, in any order of the operations. So may be constants: what does not depend on the
//! input is evaluated while importing, and rounded to the file's types (shape arithmetic, weights divided by their norm, …), with
//! comparisons, reductions, `Concat`, `Range`, `OneHot`, `DequantizeLinear` of stored weights and the like besides the operators
//! above. Functions that a file defines are replaced by their nodes, and an If whose condition is known by its branch.
//!
//! Of onnxruntime's domain `com.microsoft`, what its optimiser makes up to `ORT_ENABLE_EXTENDED` is read: FusedGemm, FusedConv,
//! FusedMatMul, BiasAdd, Gelu, FastGelu, BiasGelu and QuickGelu. Of classical models (`ai.onnx.ml`): Scaler, LinearRegressor,
//! SVMRegressor with a linear kernel, and the scores of a LinearClassifier; outputs that are labels are left out.
//!
//! What the messages of a file hold in fields that ONNX 1.23 does not define is refused where it could change what is computed.
//!
//! A symbolic first dimension of several is a batch and counts as 1; a fixed one is a dimension like any other. Tensors are
//! read as vectors in row-major order. Several inputs make one vector, or one of them is chosen
//! ([`ImportOptions::input`]); of several outputs the first is meant, or the one that is chosen, or an inner tensor
//! ([`ImportOptions::output`], [`ImportOptions::until`]). Only what reaches it has to be supported.
//!
//! **Weight lists**: the matrices of a fully connected network and optional biases, with one activation between the layers:
//! ReLU unless [`ImportOptions::activation`] names another.
//!
//! | file | arrays | numbers | matrices |
//! | --- | --- | --- | --- |
//! | `.npz` | `W1`…`Wd` and `b1`…`bd` in either case, counted from 0 or 1; or as in `.safetensors`; or `arr_0`, `arr_1`, …, weights or weight and bias in turn | float32, float64 | out × in |
//! | `.safetensors` | `NAME.weight` and `NAME.bias`, or `NAME/kernel` and `NAME/bias` (JAX, Keras) | F16, BF16, F32, F64 | out × in; kernels in × out |
//! | `.mat`, level 5 | cell arrays `weights` and `biases` or `W` and `b`; or variables `W1`…, or `NAME_weight`… | real, dense, of any class | as their shapes say |
//!
//! Layers come in the order of the numbers in their names; single layers whose names differ in more than numbers (`body`,
//! `head`) are placed by their shapes. [`ImportOptions::transposed`] states that matrices are in × out; where it does not, and the
//! shapes of matrices and biases fit one way only, they are read that way. Biases may be columns or rows. What the names and
//! shapes leave open is refused with the choice to make, and so is what may be two networks (`actor.0`, `critic.0`, or layers
//! that would fit beside others as well): [`ImportOptions::prefix`] chooses one (`actor` and `critic` also in checkpoints of
//! stable-baselines3, where the networks have other names). In a `.mat` file, a scaler in front of the
//! network (`input_mean`, `input_scale`), single numbers, texts and structs are left out and listed in
//! [`Imported::left_out`]: the network that is bounded begins after the scaler. A single number that may be a part of the
//! network (by its name, or where the network has one input or output) is refused.
//!
//! Any of these files may be compressed by gzip (`net.onnx.gz`); a pointer of Git LFS is called one.
//!
//! An archive is read only if its checksums are right and its members are what its directory says.
//!
//! **Canonical networks** (`.json`): what [`Network::export`] writes, for other programs to read and to be read again.
//!
//! This module knows files and formats, not bounds.

mod error;
mod notes;
#[cfg_attr(not(feature = "onnx"), path = "without_onnx.rs")]
mod onnx;
mod sharing;
pub(crate) mod stored;
pub(crate) mod weights;

pub use error::{Contents, ImportError, Obstacle, Place, folded};
pub(crate) use error::{Plain, Quoted};
pub(crate) use notes::SCALER;

pub(crate) use crate::import::weights::{Table, load_table};
pub use weights::load_vector;

use crate::network::{Activation, Network, looks_canonical, read_canonical};

use sha2::{Digest, Sha256};
use std::fmt::{Display, Formatter};
use std::path::Path;

/// How to read a file.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The activation between the layers of a weight list; ReLU when none is given. An ONNX file states its own
    /// activations: giving one for it is an error.
    pub activation: Option<Activation>,
    /// Whether the matrices of a weight list are stored in × out, transposed. When nothing is said: out × in, but a
    /// `.mat` file whose shapes would fit both ways is refused. An ONNX file states it for every operator: giving it for
    /// one is an error.
    pub transposed: Option<bool>,
    /// What the names of the arrays of a weight list begin with that are read, up to a `.` or `/` (or `_`, where no module is called
    /// so): one network of several in the file. All of those arrays are of that network; so an empty prefix says that there is only one.
    pub prefix: Option<String>,
    /// The input of an ONNX file that alone moves, by name; all of them when none is given. The others are fixed, at zero
    /// where values matter.
    pub input: Option<String>,
    /// The output of an ONNX file that is bounded, by name; its first one when none is given.
    pub output: Option<String>,
    /// An inner tensor of an ONNX file up to which it is bounded, by its name or that of its node, instead of an output.
    pub until: Option<String>,
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
    /// The inputs: their names and shapes in the file. The network's input vector is made of them, one after the other.
    pub inputs: Vec<Port>,
    /// Inputs of the file that were fixed, because another one was chosen to move. Evaluation, lower bounds and the
    /// self-check have them at zero; upper bounds hold whatever they are fixed at, since they hold for all slopes.
    pub fixed: Vec<Port>,
    /// The output: its name and shape in the file.
    pub output: Port,
    /// The outputs of the file that were not chosen.
    pub other_outputs: Vec<String>,
    /// The outputs of the file that hold labels, or maps from labels to numbers: left out, because there is no slope to bound.
    pub labels: Vec<String>,
    /// What the file holds besides the network: inputs that cannot reach the output (ONNX), variables that are no part
    /// of the weight list (`.mat`), arrays of other networks ([`ImportOptions::prefix`]).
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
    /// A `.mat` weight list.
    Mat,
    /// A `.safetensors` weight list.
    Safetensors,
    /// A canonical network file ([`Network::export`]).
    Canonical,
}

/// What became of the comparison with an independent inference.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SelfCheck {
    /// The network and another implementation agree within rounding. (A disagreement is an [`ImportError::Disagrees`].)
    Agrees {
        /// Which implementation.
        with: Reference,
        /// The number of inputs compared: the zero vector and random ones, the same for every run.
        inputs: usize,
        /// The largest difference as a part of what rounding can explain: at most 1, usually far below.
        largest_ratio: f64,
    },
    /// No comparison was possible.
    NotRun {
        /// Why.
        reason: String,
    },
}

/// What runs a file beside the imported network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference {
    /// tract, in the file's precision.
    Tract,
    /// A plain interpreter of the file's graph, in double precision; ours, but nothing of the importer.
    Interpreter {
        /// Why tract did not run.
        because: String,
    },
}

impl Display for Reference {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tract => f.write_str("tract"),
            Self::Interpreter { .. } => f.write_str("geolip's interpreter"),
        }
    }
}

impl Display for SelfCheck {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agrees { with, inputs, largest_ratio } => {
                write!(
                    f,
                    "agrees with {with} at {inputs} inputs (largest difference {largest_ratio:.2} of what rounding explains)"
                )?;
                match with {
                    Reference::Tract => Ok(()),
                    Reference::Interpreter { because } => write!(f, "; {}", crate::text::plain(because)),
                }
            }
            Self::NotRun { reason } => write!(f, "not run: {}", crate::text::plain(reason)),
        }
    }
}

/// Reads the network file at `path`: ONNX, `.npz`, `.mat`, `.safetensors` or a canonical `.json`, told apart by content.
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
    let folder = path.parent().unwrap_or(Path::new(""));
    read(&bytes, path, Some(folder), options)
}

/// Reads a network from the bytes of a file; `path` is what error messages call it. An ONNX file must hold all its numbers
/// itself: nothing else is read.
///
/// # Errors
/// As for [`load`].
pub fn from_bytes(bytes: &[u8], path: &Path, options: &ImportOptions) -> Result<Imported, ImportError> {
    read(bytes, path, None, options)
}

fn read(bytes: &[u8], path: &Path, folder: Option<&Path>, options: &ImportOptions) -> Result<Imported, ImportError> {
    let (content, name) = stored::content(bytes, path)?;
    let (content, path) = (content.as_ref(), name.as_ref());
    if is_canonical(content, path) {
        expect_no_option(path, options)?;
        return Ok(canonical(content, path)?.with_hash(bytes));
    }
    let parts = match weights::Kind::of(content, path) {
        Some(kind) => {
            expect_no_choice(path, options)?;
            weights::read(content, path, kind, options)?
        }
        None => {
            expect_onnx(path, options)?;
            onnx::read(content, path, folder, options)?
        }
    };
    let parts = Parts { network: sharing::shared(parts.network), ..parts };
    Ok(parts.with_hash(bytes))
}

/// Whether a file is, or is named like, a canonical network file.
fn is_canonical(bytes: &[u8], path: &Path) -> bool {
    looks_canonical(bytes) || path.extension().is_some_and(|found| found.eq_ignore_ascii_case("json"))
}

/// A canonical network file: what [`Network::export`] writes.
fn canonical(bytes: &[u8], path: &Path) -> Result<Parts, ImportError> {
    let malformed = |reason: String| ImportError::Malformed { path: path.to_owned(), reason };
    let network = read_canonical(bytes).map_err(|error| malformed(error.to_string()))?;
    Ok(Parts {
        inputs: vec![Port { name: "input".to_owned(), shape: vec![network.inputs()] }],
        fixed: Vec::new(),
        output: Port { name: "output".to_owned(), shape: vec![network.outputs()] },
        other_outputs: Vec::new(),
        format: Format::Canonical,
        left_out: Vec::new(),
        labels: Vec::new(),
        self_check: SelfCheck::NotRun { reason: "canonical network: it is what is bounded".to_owned() },
        network,
    })
}

/// A canonical network states everything.
fn expect_no_option(path: &Path, options: &ImportOptions) -> Result<(), ImportError> {
    let ImportOptions { activation, transposed, prefix, input, output, until } = options;
    let named = [prefix, input, output, until].into_iter().any(Option::is_some);
    if activation.is_none() && transposed.is_none() && !named {
        return Ok(());
    }
    let reason = "a canonical network is read as it is; give import options when it is exported".to_owned();
    Err(ImportError::Choice { path: path.to_owned(), reason })
}

/// A weight list has one input, one output, and no names for what is between them.
fn expect_no_choice(path: &Path, options: &ImportOptions) -> Result<(), ImportError> {
    let ImportOptions { activation: _, transposed: _, prefix: _, input, output, until } = options;
    if input.is_none() && output.is_none() && until.is_none() {
        return Ok(());
    }
    let reason = "a weight list has one input and one output; leave out the choice of one".to_owned();
    Err(ImportError::Choice { path: path.to_owned(), reason })
}

/// Whether it makes sense to read a file that is no weight list as ONNX.
fn expect_onnx(path: &Path, options: &ImportOptions) -> Result<(), ImportError> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let malformed = |reason: &str| Err(ImportError::Malformed { path: path.to_owned(), reason: reason.to_owned() });
    if options.prefix.is_some() {
        let reason = "an ONNX file holds one network; leave out --prefix".to_owned();
        return Err(ImportError::Choice { path: path.to_owned(), reason });
    }
    match (extension.as_str(), &options.activation, options.transposed) {
        ("npz", ..) => malformed("not a zip archive, which every .npz file is"),
        ("npy" | "pt" | "pth" | "h5" | "keras" | "tflite", ..) => {
            malformed(".onnx, .npz, .mat, .safetensors and .json files are read; export the network to one of them")
        }
        (_, Some(activation), _) => {
            Err(ImportError::ActivationOfOnnx { path: path.to_owned(), activation: activation.to_string() })
        }
        (_, None, Some(_)) => Err(ImportError::OrientationOfOnnx { path: path.to_owned() }),
        (_, None, None) => Ok(()),
    }
}

/// What a reader of one format gives: everything of [`Imported`] but the hash.
pub(crate) struct Parts {
    pub(crate) network: Network,
    pub(crate) format: Format,
    pub(crate) inputs: Vec<Port>,
    pub(crate) fixed: Vec<Port>,
    pub(crate) output: Port,
    pub(crate) other_outputs: Vec<String>,
    pub(crate) left_out: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) self_check: SelfCheck,
}

impl Parts {
    fn with_hash(self, bytes: &[u8]) -> Imported {
        let Self { network, format, inputs, fixed, output, other_outputs, left_out, labels, self_check } = self;
        let sha256 = crate::text::hex(Sha256::digest(bytes));
        Imported { network, sha256, format, inputs, fixed, output, other_outputs, labels, left_out, self_check }
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
        let torch = error(b"MATLAB", "net.pt", &plain);
        let read =
            "net.pt: .onnx, .npz, .mat, .safetensors and .json files are read; export the network to one of them";
        assert_eq!(torch, read);
        assert!(error(b"hello", "net.MAT", &plain).starts_with("net.MAT: not a MAT-file, or one that is cut short"));
        assert!(error(b"hello", "net.safetensors", &plain).starts_with("net.safetensors: not a safetensors file"));
    }

    #[test]
    fn what_onnx_states_itself_is_not_to_be_given() {
        let tanh = ImportOptions { activation: Some(Activation::Tanh), ..ImportOptions::default() };
        assert_eq!(
            error(b"\x08\x08", "net.onnx", &tanh),
            "net.onnx: an ONNX file states its own activations; leave out the activation 'tanh'"
        );
        let transposed = ImportOptions { transposed: Some(false), ..ImportOptions::default() };
        assert_eq!(
            error(b"\x08\x08", "net.onnx", &transposed),
            "net.onnx: an ONNX file states what is transposed; leave out --transposed"
        );
    }
}
