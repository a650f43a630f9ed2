//! One array in NumPy's `.npy` format: a magic number, a short header in Python's notation, and the numbers.
//!
//! This reads what `numpy.save` writes for arrays of float32 and float64, of either byte order, in C or Fortran order. It is
//! no reader of general Python literals: a header with anything else in it is an error, and its claim about the size is
//! checked against the bytes present before anything is allocated.
//!
//! Source: NumPy Enhancement Proposal 1, versions 1.0 to 3.0 of the format.

use super::array::{Array, decoded, row_major};
use crate::import::Quoted;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an array from the bytes of a `.npy` file.
pub(super) fn read(bytes: &[u8]) -> Result<Array, String> {
    let (header, data) = split(bytes).ok_or("is not a NumPy array, or is cut short")?;
    let Header { number, fortran, shape } = Header::read(header)?;
    let count = shape.iter().try_fold(1_usize, |product, &d| product.checked_mul(d));
    if count.and_then(|count| count.checked_mul(number.size())) != Some(data.len()) {
        return Err(format!("claims the shape {shape:?} but holds {} bytes; the file is damaged", data.len()));
    }
    let data = number.decode(data);
    if !fortran {
        return Ok(Array { shape, data });
    }
    match *shape.as_slice() {
        [rows, cols] => Ok(Array { shape, data: row_major(rows, cols, &data) }),
        [_] => Ok(Array { shape, data }),
        _ => Err(format!("has the shape {shape:?} in Fortran order; of these, matrices and vectors are read")),
    }
}

/// The text of the header, and the bytes after it.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = match version {
        [1, 0] => rest.split_first_chunk().map(|(length, rest)| (u32::from(u16::from_le_bytes(*length)), rest))?,
        [2 | 3, 0] => rest.split_first_chunk().map(|(length, rest)| (u32::from_le_bytes(*length), rest))?,
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((str::from_utf8(header).ok()?, data))
}

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    number: Number,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (64, 784), }`, the keys in any order.
    fn read(text: &str) -> Result<Self, String> {
        let unreadable = || "has a header that is not understood".to_owned();
        let mut rest = text.trim().strip_prefix('{').ok_or_else(unreadable)?.trim_start();
        let (mut number, mut fortran, mut shape) = (None, None, None);
        while !rest.starts_with('}') {
            let (key, after) = quoted(rest).ok_or_else(unreadable)?;
            let value = after.trim_start().strip_prefix(':').ok_or_else(unreadable)?.trim_start();
            rest = match key {
                "descr" if number.is_none() => {
                    let (descr, after) = quoted(value).ok_or("holds records; only plain arrays of numbers are read")?;
                    number = Some(Number::of(descr)?);
                    after
                }
                "fortran_order" if fortran.is_none() => {
                    let (is_fortran, after) = boolean(value).ok_or_else(unreadable)?;
                    fortran = Some(is_fortran);
                    after
                }
                "shape" if shape.is_none() => {
                    let (dims, after) = tuple(value).ok_or_else(unreadable)?;
                    shape = Some(dims);
                    after
                }
                _ => return Err(unreadable()),
            };
            rest = rest.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(after) => after.trim_start(),
                None if rest == "}" => rest,
                None => return Err(unreadable()),
            };
        }
        match (number, fortran, shape, rest) {
            (Some(number), Some(fortran), Some(shape), "}") => Ok(Self { number, fortran, shape }),
            _ => Err(unreadable()),
        }
    }
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn boolean(text: &str) -> Option<(bool, &str)> {
    let yes = text.strip_prefix("True").map(|rest| (true, rest));
    yes.or_else(|| text.strip_prefix("False").map(|rest| (false, rest)))
}

/// `()`, `(3,)` or `(3, 4)`, and what follows it.
fn tuple(text: &str) -> Option<(Vec<usize>, &str)> {
    let (inside, rest) = text.strip_prefix('(')?.split_once(')')?;
    let inside = inside.trim();
    if inside.is_empty() {
        return Some((Vec::new(), rest));
    }
    let dimension = |text: &str| {
        let text = text.trim();
        let digits = text.strip_suffix('L').unwrap_or(text); // as Python 2 wrote them
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let listed = inside.strip_suffix(',').unwrap_or(inside);
    let dims: Vec<usize> = listed.split(',').map(dimension).collect::<Option<_>>()?;
    // (3) is a number in brackets, (3,) is a shape
    (dims.len() > 1 || listed != inside).then_some((dims, rest))
}

/// The element types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Single { big_endian: bool },
    Double { big_endian: bool },
}

impl Number {
    fn of(descr: &str) -> Result<Self, String> {
        match descr {
            "<f4" => Ok(Self::Single { big_endian: false }),
            ">f4" => Ok(Self::Single { big_endian: true }),
            "<f8" => Ok(Self::Double { big_endian: false }),
            ">f8" => Ok(Self::Double { big_endian: true }),
            other => {
                let other = Quoted(other);
                Err(format!("has element type {other}; float32 and float64 are read, convert it with .astype"))
            }
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Single { .. } => 4,
            Self::Double { .. } => 8,
        }
    }

    fn decode(self, bytes: &[u8]) -> Vec<f64> {
        match self {
            Self::Single { big_endian: false } => decoded(bytes, |b| f64::from(f32::from_le_bytes(b))),
            Self::Single { big_endian: true } => decoded(bytes, |b| f64::from(f32::from_be_bytes(b))),
            Self::Double { big_endian: false } => decoded(bytes, f64::from_le_bytes),
            Self::Double { big_endian: true } => decoded(bytes, f64::from_be_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).expect("a short header").to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn header(descr: &str, order: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}      \n")
    }

    #[test]
    fn both_precisions_byte_orders_and_layouts_are_read() {
        let numbers = [1.0, -2.5, 3.0, 4.0, 0.5, 6.0];
        let expected = Ok(Array { shape: vec![2, 3], data: numbers.to_vec() });
        let bytes = |encode: fn(f64) -> Vec<u8>, order: &[usize]| -> Vec<u8> {
            order.iter().flat_map(|&i| encode(numbers[i])).collect()
        };
        let (rows, columns) = ([0, 1, 2, 3, 4, 5], [0, 3, 1, 4, 2, 5]);
        type Encoding = fn(f64) -> Vec<u8>;
        let encodings: [(&str, Encoding); 4] = [
            ("<f4", |v| (v as f32).to_le_bytes().to_vec()),
            (">f4", |v| (v as f32).to_be_bytes().to_vec()),
            ("<f8", |v| v.to_le_bytes().to_vec()),
            (">f8", |v| v.to_be_bytes().to_vec()),
        ];
        for (descr, encode) in encodings {
            assert_eq!(read(&npy(&header(descr, "False", "(2, 3)"), &bytes(encode, &rows))), expected, "{descr}");
            assert_eq!(read(&npy(&header(descr, "True", "(2, 3)"), &bytes(encode, &columns))), expected, "{descr}");
        }
        let vector = read(&npy(&header("<f8", "True", "(1,)"), &1.0_f64.to_le_bytes()));
        assert_eq!(vector, Ok(Array { shape: vec![1], data: vec![1.0] }));
    }

    #[test]
    fn headers_may_vary_but_not_much() {
        let odd = "{ \"shape\":(3L , 4), 'fortran_order':True,'descr':'>f8'}";
        let number = Number::Double { big_endian: true };
        assert_eq!(Header::read(odd), Ok(Header { number, fortran: true, shape: vec![3, 4] }));
        assert_eq!(tuple("()x"), Some((vec![], "x")));
        for bad in ["", "{", "{}", "{'descr': '<f4'}", "{'descr' '<f4'}", "{'x': 1}", "((((", "{'shape': (-1,)}"] {
            assert!(Header::read(bad).is_err(), "{bad}");
        }
        assert!(Header::read("{'descr': [('a', '<f4')], }").expect_err("a record").contains("records"));
        assert!(Header::read("{'descr': '<f2', }").expect_err("half").starts_with("has element type '<f2'"));
    }

    /// NumPy refuses these, or reads another of two values.
    #[test]
    fn headers_with_two_meanings_are_errors() {
        assert!(Header::read(&header("<f4", "False", "(2, 3)")).is_ok());
        for shape in ["(3)", "(+3,)", "(3,,)", "(,)", "(3LL,)", "(3 4)", "3", "[3]", "(3.0,)", "(0x3,)"] {
            assert!(Header::read(&header("<f4", "False", shape)).is_err(), "{shape}");
        }
        let twice = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'shape': (3, 2)}";
        assert!(Header::read(twice).is_err());
        for bad in [
            "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}",
            "{'descr': '<f4',, 'fortran_order': False, 'shape': (2, 3)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} }",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
        ] {
            assert!(Header::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn damaged_arrays_are_errors() {
        let whole = npy(&header("<f4", "False", "(2,)"), &[0; 8]);
        assert!(read(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut to {length} bytes");
        }
        let huge = read(&npy(&header("<f4", "False", "(1000000, 1000000)"), &[0; 8])).expect_err("too little data");
        assert_eq!(huge, "claims the shape [1000000, 1000000] but holds 8 bytes; the file is damaged");
        assert!(read(&npy(&header("<f8", "False", "(99999999999, 99999999999)"), &[0; 8])).is_err());
        assert!(read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").is_err());
    }
}
