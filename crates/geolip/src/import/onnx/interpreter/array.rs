//! Tensors of the interpreter: numbers in row-major order, whatever their type, as doubles.

use super::Reason;
use crate::import::onnx::proto::TensorProto;
use crate::import::onnx::proto::tensor_proto::DataType;

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    /// Integers beyond 2⁵³ lose digits; they occur as "to the end" only.
    pub(super) data: Vec<f64>,
    pub(super) kind: DataType,
    /// Whether it depends on no input.
    pub(super) constant: bool,
}

impl Array {
    pub(super) fn new(shape: Vec<usize>, data: Vec<f64>, kind: DataType) -> Self {
        Self { shape, data, kind, constant: false }
    }

    /// What is fed to an input.
    pub(super) fn moving(shape: Vec<usize>, data: Vec<f64>) -> Self {
        Self::new(shape, data, DataType::Float)
    }

    pub(super) fn integers(numbers: &[i64]) -> Self {
        Self::new(vec![numbers.len()], numbers.iter().map(|&v| v as f64).collect(), DataType::Int64)
    }

    /// A tensor of the file.
    pub(super) fn stored(tensor: &TensorProto) -> Result<Self, Reason> {
        let shape: Vec<usize> = tensor.dims.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect();
        let kind = DataType::try_from(tensor.data_type).map_err(|error| error.to_string())?;
        let bytes = &tensor.raw_data;
        let words = tensor.int32_data.iter().map(|&v| f64::from(v));
        let data: Vec<f64> = match (kind, bytes.is_empty()) {
            (DataType::Float, true) => tensor.float_data.iter().map(|&v| f64::from(v)).collect(),
            (DataType::Double, true) => tensor.double_data.clone(),
            (DataType::Int64, true) => tensor.int64_data.iter().map(|&v| v as f64).collect(),
            (DataType::Float16, true) => {
                tensor.int32_data.iter().map(|&v| half::f16::from_bits(v as u16).to_f64()).collect()
            }
            (DataType::Bfloat16, true) => {
                tensor.int32_data.iter().map(|&v| half::bf16::from_bits(v as u16).to_f64()).collect()
            }
            (DataType::Bool, true) => words.map(|v| f64::from(v != 0.0)).collect(),
            (_, true) => words.collect(),
            (DataType::Float, _) => decode(bytes, |b| f32::from_le_bytes(b).into()),
            (DataType::Double, _) => decode(bytes, f64::from_le_bytes),
            (DataType::Float16, _) => decode(bytes, |b| half::f16::from_le_bytes(b).to_f64()),
            (DataType::Bfloat16, _) => decode(bytes, |b| half::bf16::from_le_bytes(b).to_f64()),
            (DataType::Int64, _) => decode(bytes, |b| i64::from_le_bytes(b) as f64),
            (DataType::Int32, _) => decode(bytes, |b| i32::from_le_bytes(b).into()),
            (DataType::Int16, _) => decode(bytes, |b| i16::from_le_bytes(b).into()),
            (DataType::Uint16, _) => decode(bytes, |b| u16::from_le_bytes(b).into()),
            (DataType::Int8, _) => decode(bytes, |b| i8::from_le_bytes(b).into()),
            (DataType::Uint8 | DataType::Int4 | DataType::Uint4, _) => decode(bytes, |[b]: [u8; 1]| b.into()),
            (DataType::Bool, _) => decode(bytes, |[b]: [u8; 1]| f64::from(b != 0)),
            _ => return Err(format!("stored numbers of type {}", kind.as_str_name())),
        };
        let data = if matches!(kind, DataType::Int4 | DataType::Uint4) { halves(data, kind, &shape) } else { data };
        if data.len() != shape.iter().product::<usize>() {
            return Err("a stored tensor of another size than its shape".to_owned());
        }
        Ok(Self { constant: true, ..Self::new(shape, data, kind) })
    }

    /// How results in this tensor's type are rounded: not at all where it depends on an input.
    pub(super) fn rounding(&self) -> fn(f64) -> f64 {
        match self.kind {
            _ if !self.constant => |v| v,
            DataType::Float => |v| f64::from(v as f32),
            DataType::Float16 => |v| half::f16::from_f64(v).to_f64(),
            DataType::Bfloat16 => |v| half::bf16::from_f64(v).to_f64(),
            _ => |v| v,
        }
    }

    /// The numbers as their type holds them.
    pub(super) fn rounded(mut self) -> Self {
        let round = self.rounding();
        self.data.iter_mut().for_each(|v| *v = round(*v));
        self
    }

    /// That integers are small enough to be doubles.
    pub(super) fn expect_exact(&self) -> Result<(), Reason> {
        const LARGEST: f64 = (1_u64 << 53) as f64;
        if self.is_float() || self.data.iter().all(|v| v.abs() < LARGEST) {
            return Ok(());
        }
        Err("computes with integers beyond 2^53".to_owned())
    }

    pub(super) fn is_float(&self) -> bool {
        matches!(self.kind, DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16)
    }

    /// The same shape and type with every number mapped.
    pub(super) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { data: self.data.iter().map(|&v| f(v)).collect(), ..self.clone() }
    }

    /// The same numbers in another shape.
    pub(super) fn with_shape(&self, shape: Vec<usize>) -> Result<Self, Reason> {
        if shape.iter().product::<usize>() != self.data.len() {
            return Err(format!("the shape {:?} as {shape:?}", self.shape));
        }
        Ok(Self { shape, ..self.clone() })
    }

    /// The number at an index.
    pub(super) fn at(&self, index: &[usize]) -> f64 {
        let place = self.shape.iter().zip(index).fold(0, |place, (size, i)| place * size + i);
        self.data[place]
    }

    /// A tensor of a shape whose entry at each index is a number.
    pub(super) fn filled(shape: Vec<usize>, kind: DataType, mut f: impl FnMut(&[usize]) -> f64) -> Self {
        let data = indices(&shape).map(|index| f(&index)).collect();
        Self::new(shape, data, kind)
    }

    /// The tensor repeated to fill a shape, by numpy's rules.
    pub(super) fn spread(&self, shape: &[usize]) -> Self {
        let missing = shape.len() - self.shape.len();
        Self::filled(shape.to_vec(), self.kind, |index| {
            let own: Vec<usize> =
                self.shape.iter().zip(&index[missing..]).map(|(&size, &i)| if size == 1 { 0 } else { i }).collect();
            self.at(&own)
        })
    }
}

/// All indices of a shape in row-major order.
pub(super) fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let count = shape.iter().product();
    let shape = shape.to_vec();
    (0..count).map(move |place| {
        let mut rest = place;
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            index[axis] = rest % shape[axis];
            rest /= shape[axis];
        }
        index
    })
}

/// The shape that two shapes are spread to.
pub(super) fn common(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Reason> {
    let rank = a.len().max(b.len());
    let size =
        |shape: &[usize], axis: usize| if axis + shape.len() < rank { 1 } else { shape[axis + shape.len() - rank] };
    let mut shape = Vec::with_capacity(rank);
    for axis in 0..rank {
        shape.push(match (size(a, axis), size(b, axis)) {
            (p, q) if p == q => p,
            (1, q) => q,
            (p, 1) => p,
            _ => return Err(format!("the shapes {a:?} and {b:?} together")),
        });
    }
    Ok(shape)
}

/// Bytes as pairs of numbers of four bits; the last may be half full.
fn halves(bytes: Vec<f64>, kind: DataType, shape: &[usize]) -> Vec<f64> {
    let mut numbers = Vec::new();
    for byte in bytes {
        let byte = byte.rem_euclid(256.0);
        numbers.extend([byte % 16.0, (byte / 16.0).floor()]);
    }
    if kind == DataType::Int4 {
        numbers.iter_mut().filter(|v| **v >= 8.0).for_each(|v| *v -= 16.0);
    }
    numbers.truncate(shape.iter().product());
    numbers
}

fn decode<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| f(chunk)).collect()
}
