//! Constant tensors: how they are read from a file, and how they are moved about by broadcasting and transposition.
//!
//! A claim about a size is checked against the bytes that are there before anything is allocated. Arithmetic on tensors is
//! in [`super::operators`].

use super::Reason;
use crate::import::onnx::proto::TensorProto;
use crate::import::onnx::proto::tensor_proto::{DataLocation, DataType};

/// The most numbers that broadcasting or expanding may make of a small tensor: 512 MiB of `f64`.
pub(super) const LARGEST_EXPANSION: usize = 1 << 26;

/// A constant tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

/// The numbers of a tensor. float32 is widened, which is exact; booleans are 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Float(Vec<f64>),
    Integer(Vec<i64>),
}

impl Tensor {
    pub(super) fn floats(shape: Vec<usize>, data: Vec<f64>) -> Self {
        Self { shape, data: Data::Float(data) }
    }

    pub(super) fn integers(shape: Vec<usize>, data: Vec<i64>) -> Self {
        Self { shape, data: Data::Integer(data) }
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        match &self.data {
            Data::Float(data) => data.len(),
            Data::Integer(data) => data.len(),
        }
    }

    /// Reads a tensor of a file.
    pub(super) fn read(proto: &TensorProto) -> Result<Self, Reason> {
        expect_location(proto)?;
        if is_external(proto) {
            return Err("has its data in another file, which was not read".to_owned());
        }
        if proto.segment.is_some() {
            return Err("is stored in segments, which are not supported; save it whole".to_owned());
        }
        let shape = dimensions(&proto.dims)?;
        let count = elements(&shape)?;
        let raw = &proto.raw_data;
        let small = &proto.int32_data; // how ONNX lists everything that is shorter
        let data = match DataType::try_from(proto.data_type) {
            Ok(DataType::Float16) => Data::Float(numbers(count, raw, half_bytes, small, half)?),
            Ok(DataType::Bfloat16) => Data::Float(numbers(count, raw, half_bytes, small, brain)?),
            Ok(DataType::Float) => Data::Float(numbers(count, raw, f32::from_le_bytes, &proto.float_data, f64::from)?),
            Ok(DataType::Double) => Data::Float(numbers(count, raw, f64::from_le_bytes, &proto.double_data, |v| v)?),
            Ok(DataType::Int64) => Data::Integer(numbers(count, raw, i64::from_le_bytes, &proto.int64_data, |v| v)?),
            Ok(DataType::Int32) => Data::Integer(numbers(count, raw, i32::from_le_bytes, small, i64::from)?),
            Ok(DataType::Int16) => {
                Data::Integer(numbers(count, raw, |bytes| i16::from_le_bytes(bytes).into(), small, i64::from)?)
            }
            Ok(DataType::Uint16) => Data::Integer(numbers(count, raw, half_bytes, small, i64::from)?),
            Ok(DataType::Int8) => {
                Data::Integer(numbers(count, raw, |bytes| i8::from_le_bytes(bytes).into(), small, i64::from)?)
            }
            Ok(DataType::Uint8) => Data::Integer(numbers(count, raw, |[byte]: [u8; 1]| byte.into(), small, i64::from)?),
            Ok(kind @ (DataType::Int4 | DataType::Uint4)) => Data::Integer(nibbles(count, raw, small, kind)?),
            Ok(DataType::Bool) => {
                Data::Integer(numbers(count, raw, |[byte]: [u8; 1]| byte.into(), small, |v| i64::from(v != 0))?)
            }
            _ => return Err(format!("has element type {}; {USABLE}", type_name(proto.data_type))),
        };
        Ok(Self { shape, data })
    }

    /// That no number is NaN, which maxima of doubles would drop.
    pub(super) fn expect_numbers(&self) -> Result<(), Reason> {
        match &self.data {
            Data::Float(data) if data.iter().any(|v| v.is_nan()) => {
                Err("computes a constant that is not a number".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The numbers as floating point.
    pub(super) fn as_floats(&self) -> Result<&[f64], Reason> {
        match &self.data {
            Data::Float(data) => Ok(data),
            Data::Integer(_) => Err("holds integers where floating-point numbers are needed".to_owned()),
        }
    }

    /// The tensor with a function applied to each of its numbers, which are floating point.
    pub(super) fn map_floats(&self, f: impl Fn(f64) -> f64) -> Result<Self, Reason> {
        Ok(Self::floats(self.shape.clone(), self.as_floats()?.iter().map(|&v| f(v)).collect()))
    }

    /// The numbers as integers.
    pub(super) fn as_integers(&self) -> Result<&[i64], Reason> {
        match &self.data {
            Data::Integer(data) => Ok(data),
            Data::Float(_) => Err("holds floating-point numbers where integers are needed".to_owned()),
        }
    }

    /// The numbers as integers, also where they are stored as floating point.
    pub(super) fn whole(&self) -> Result<Vec<i64>, Reason> {
        match &self.data {
            Data::Integer(data) => Ok(data.clone()),
            Data::Float(data) if data.iter().all(|v| v.fract() == 0.0 && v.abs() < 1e15) => {
                Ok(data.iter().map(|&v| v as i64).collect())
            }
            Data::Float(_) => Err("holds fractions where integers are needed".to_owned()),
        }
    }

    /// The same numbers in another shape of the same size.
    pub(super) fn reshaped(self, shape: Vec<usize>) -> Self {
        Self { shape, ..self }
    }

    /// Axis i of the result is axis `axes[i]` of this tensor.
    pub(super) fn transposed(&self, axes: &[usize]) -> Self {
        let own = strides(&self.shape);
        let shape: Vec<usize> = axes.iter().map(|&axis| self.shape[axis]).collect();
        let moved: Vec<usize> = axes.iter().map(|&axis| own[axis]).collect();
        let data = match &self.data {
            Data::Float(data) => Data::Float(gather(data, &shape, &moved)),
            Data::Integer(data) => Data::Integer(gather(data, &shape, &moved)),
        };
        Self { shape, data }
    }
}

/// Whether the numbers of a tensor are in another file.
pub(super) fn is_external(proto: &TensorProto) -> bool {
    proto.data_location == Some(DataLocation::External as i32) || !proto.external_data.is_empty()
}

/// That the place of a tensor's numbers is one that ONNX defines.
pub(super) fn expect_location(proto: &TensorProto) -> Result<(), Reason> {
    match proto.data_location.map(DataLocation::try_from) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(_)) => Err("has its data in a kind of place that ONNX 1.23 does not define".to_owned()),
    }
}

/// The bits of a 16-bit number as ONNX lists them.
fn half_bytes(bytes: [u8; 2]) -> i32 {
    u16::from_le_bytes(bytes).into()
}

/// The float16 with these bits: sign, 5 bits of exponent, 10 of fraction. Widening is exact.
pub(super) fn half(bits: i32) -> f64 {
    let (sign, exponent, fraction) = (bits >> 15 & 1, bits >> 10 & 0x1f, f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if sign == 1 { -size } else { size }
}

/// The bfloat16 with these bits: the upper half of a float32.
pub(super) fn brain(bits: i32) -> f64 {
    f64::from(f32::from_bits((bits as u32 & 0xffff) << 16))
}

/// Whether numbers of this type are floating point, and are read.
pub(super) fn is_float(data_type: DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Bfloat16 | DataType::Float | DataType::Double)
}

/// Whether numbers of this type are floating point in 16 bits.
pub(super) fn is_short(data_type: i64) -> bool {
    let data_type = i32::try_from(data_type).ok().and_then(|data_type| DataType::try_from(data_type).ok());
    matches!(data_type, Some(DataType::Float16 | DataType::Bfloat16))
}

/// What to say after the name of an unusable element type.
pub(super) const USABLE: &str = "float16, bfloat16, float32 and float64 are supported";

/// The name of an element type, as ONNX writes it.
pub(super) fn type_name(element_type: i32) -> String {
    DataType::try_from(element_type)
        .map_or_else(|_| format!("{element_type} (unknown)"), |known| known.as_str_name().to_lowercase())
}

/// The dimensions of a file, none negative.
fn dimensions(dims: &[i64]) -> Result<Vec<usize>, Reason> {
    dims.iter()
        .map(|&d| usize::try_from(d).map_err(|_| format!("has the dimension {d}; dimensions are never negative")))
        .collect()
}

/// The number of entries of a shape, which may be too large to count.
pub(super) fn elements(shape: &[usize]) -> Result<usize, Reason> {
    shape
        .iter()
        .try_fold(1_usize, |product, &d| product.checked_mul(d))
        .ok_or_else(|| format!("has the shape {shape:?}, which has more entries than can be counted"))
}

/// The `count` numbers of a tensor, which are either bytes or a list, converted.
fn numbers<T: Copy, U, const N: usize>(
    count: usize,
    raw: &[u8],
    decode: impl Fn([u8; N]) -> T,
    list: &[T],
    convert: impl Fn(T) -> U,
) -> Result<Vec<U>, Reason> {
    let (chunks, rest) = raw.as_chunks::<N>();
    if !raw.is_empty() && !list.is_empty() {
        return Err("stores its numbers twice".to_owned());
    }
    if chunks.len() + list.len() != count || !rest.is_empty() {
        let found = format!("{} bytes", raw.len().max(list.len() * N));
        return Err(format!("claims {count} numbers but holds {found}; the file is damaged"));
    }
    if list.is_empty() {
        return Ok(chunks.iter().map(|bytes| convert(decode(*bytes))).collect());
    }
    Ok(list.iter().map(|&v| convert(v)).collect())
}

/// Numbers of four bits, two to a byte, the lower half first.
fn nibbles(count: usize, raw: &[u8], list: &[i32], kind: DataType) -> Result<Vec<i64>, Reason> {
    let byte = |v: i64| v & 0xff;
    let bytes = numbers(count.div_ceil(2), raw, |[byte]: [u8; 1]| byte.into(), list, i64::from)?;
    let sign = |half: i64| if kind == DataType::Int4 && half > 7 { half - 16 } else { half };
    let halves = bytes.into_iter().map(byte).flat_map(|byte| [byte & 0xf, byte >> 4]);
    Ok(halves.take(count).map(sign).collect())
}

/// The shape of the result of combining two shapes by numpy's rules.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Reason> {
    let rank = a.len().max(b.len());
    let dimension = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (dimension(a, axis), dimension(b, axis)) {
            (p, q) if p == q || q == 1 => Ok(p),
            (1, q) => Ok(q),
            _ => Err(format!("cannot combine the shapes {a:?} and {b:?}")),
        })
        .collect()
}

/// The entries of `data`, of shape `from`, repeated by numpy's rules to fill `to`.
pub(super) fn expand<T: Copy>(data: &[T], from: &[usize], to: &[usize]) -> Result<Vec<T>, Reason> {
    if broadcast(from, to)? != to {
        return Err(format!("cannot spread the shape {from:?} over {to:?}"));
    }
    if elements(to)? > LARGEST_EXPANSION.max(data.len()) {
        return Err(format!("would be spread over the shape {to:?}, which is too large"));
    }
    let mut steps = vec![0; to.len() - from.len()];
    steps.extend(strides(from).into_iter().zip(from).map(|(stride, &d)| if d == 1 { 0 } else { stride }));
    Ok(gather(data, to, &steps))
}

/// The row-major strides of a shape.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

/// The entries data[Σ indexᵢ·stepᵢ] for every index of `shape`, in row-major order.
fn gather<T: Copy>(data: &[T], shape: &[usize], steps: &[usize]) -> Vec<T> {
    let Some((&inner, outer)) = shape.split_last() else { return data.to_vec() };
    let count: usize = shape.iter().product();
    let mut gathered = Vec::with_capacity(count);
    let mut index = vec![0; outer.len()];
    let mut start = 0;
    while gathered.len() < count {
        gathered.extend((0..inner).map(|i| data[start + i * steps[outer.len()]]));
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            start += steps[axis];
            if index[axis] < outer[axis] {
                break;
            }
            start -= index[axis] * steps[axis];
            index[axis] = 0;
        }
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proto(dims: &[i64], data_type: DataType) -> TensorProto {
        TensorProto { dims: dims.to_vec(), data_type: data_type as i32, ..TensorProto::default() }
    }

    #[test]
    fn every_supported_storage_is_read() {
        let floats = Tensor::floats(vec![2], vec![1.5, -0.25]);
        let raw = |bytes: Vec<u8>, data_type| TensorProto { raw_data: bytes, ..proto(&[2], data_type) };
        let single: Vec<u8> = [1.5_f32, -0.25].iter().flat_map(|v| v.to_le_bytes()).collect();
        let double: Vec<u8> = [1.5_f64, -0.25].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(Tensor::read(&raw(single, DataType::Float)), Ok(floats.clone()));
        assert_eq!(Tensor::read(&raw(double, DataType::Double)), Ok(floats.clone()));
        let listed = TensorProto { float_data: vec![1.5, -0.25], ..proto(&[2], DataType::Float) };
        assert_eq!(Tensor::read(&listed), Ok(floats));
        let whole = Tensor::integers(vec![2], vec![1, 0]);
        assert_eq!(Tensor::read(&raw(vec![7, 0], DataType::Bool)), Ok(whole.clone()));
        assert_eq!(Tensor::read(&raw(vec![1, 0, 0, 0, 0, 0, 0, 0], DataType::Int32)), Ok(whole.clone()));
        let listed = TensorProto { int64_data: vec![1, 0], ..proto(&[2], DataType::Int64) };
        assert_eq!(Tensor::read(&listed), Ok(whole));
        assert_eq!(Tensor::read(&proto(&[0], DataType::Float)), Ok(Tensor::floats(vec![0], vec![])));
    }

    #[test]
    fn short_floats_are_widened_exactly() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 2_f64.powi(-24))] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert_eq!(half(0x39a8), 0.70703125, "the float16 next to the root of one half");
        assert_eq!(half(0x0400), 2_f64.powi(-14), "the smallest normal number");
        assert!(half(0xfc00) == f64::NEG_INFINITY && half(0x7e00).is_nan());
        assert_eq!((brain(0x3f80), brain(0xc049)), (1.0, -3.140625));
        let listed = TensorProto { int32_data: vec![0x3c00, 0xc000], ..proto(&[2], DataType::Float16) };
        let raw = TensorProto { raw_data: vec![0x00, 0x3c, 0x00, 0xc0], ..proto(&[2], DataType::Float16) };
        let expected = Tensor::floats(vec![2], vec![1.0, -2.0]);
        assert_eq!((Tensor::read(&listed), Tensor::read(&raw)), (Ok(expected.clone()), Ok(expected.clone())));
        let brains = TensorProto { raw_data: vec![0x80, 0x3f, 0x00, 0xc0], ..proto(&[2], DataType::Bfloat16) };
        assert_eq!(Tensor::read(&brains), Ok(expected));
    }

    #[test]
    fn false_claims_are_found_before_anything_is_allocated() {
        let reason = |proto: &TensorProto| Tensor::read(proto).expect_err("a false claim");
        assert!(reason(&proto(&[1_000_000, 1_000_000], DataType::Float)).starts_with("claims 1000000000000 numbers"));
        assert!(reason(&proto(&[i64::MAX, 4], DataType::Float)).contains("more entries than can be counted"));
        assert!(reason(&proto(&[-1], DataType::Float)).starts_with("has the dimension -1"));
        let odd = TensorProto { raw_data: vec![0; 9], ..proto(&[2], DataType::Float) };
        assert_eq!(reason(&odd), "claims 2 numbers but holds 9 bytes; the file is damaged");
        let twice = TensorProto { raw_data: vec![0; 4], float_data: vec![0.0], ..proto(&[1], DataType::Float) };
        assert_eq!(reason(&twice), "stores its numbers twice");
        assert_eq!(
            reason(&proto(&[1], DataType::Complex64)),
            "has element type complex64; float16, bfloat16, float32 and float64 are supported"
        );
        assert!(reason(&proto(&[1], DataType::String)).contains("string"));
        assert!(reason(&TensorProto { data_type: 99, ..TensorProto::default() }).contains("99 (unknown)"));
        let external = TensorProto { data_location: Some(1), ..proto(&[1], DataType::Float) };
        assert_eq!(reason(&external), "has its data in another file, which was not read");
        let elsewhere = TensorProto { data_location: Some(2), raw_data: vec![0; 4], ..proto(&[1], DataType::Float) };
        assert_eq!(reason(&elsewhere), "has its data in a kind of place that ONNX 1.23 does not define");
    }

    #[test]
    fn shapes_combine_as_in_numpy() {
        assert_eq!(broadcast(&[2, 1, 4], &[3, 1]), Ok(vec![2, 3, 4]));
        assert_eq!(broadcast(&[], &[5]), Ok(vec![5]));
        assert_eq!(broadcast(&[1], &[0]), Ok(vec![0]));
        assert!(broadcast(&[2], &[3]).is_err());
    }

    #[test]
    fn expansion_repeats_and_transposition_moves() {
        let row = expand(&[1, 2, 3], &[3], &[2, 3]);
        assert_eq!(row, Ok(vec![1, 2, 3, 1, 2, 3]));
        assert_eq!(expand(&[1, 2], &[2, 1], &[2, 3]), Ok(vec![1, 1, 1, 2, 2, 2]));
        assert_eq!(expand(&[7], &[], &[2, 2]), Ok(vec![7; 4]));
        assert_eq!(expand(&[7], &[1], &[]), Err("cannot spread the shape [1] over []".to_owned()));
        assert!(expand(&[7], &[1], &[1 << 20, 1 << 20]).is_err(), "too large");
        let tensor = Tensor::integers(vec![2, 1, 3], (0..6).collect());
        assert_eq!(tensor.transposed(&[2, 1, 0]), Tensor::integers(vec![3, 1, 2], vec![0, 3, 1, 4, 2, 5]));
    }
}
