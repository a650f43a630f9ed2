//! Data elements: a tag with a type and a length, and the content. Nothing here allocates for what a tag claims.

use super::super::array::decoded;

/// Types of elements.
pub(super) mod kind {
    pub const INT8: u32 = 1;
    pub const UINT8: u32 = 2;
    pub const INT16: u32 = 3;
    pub const UINT16: u32 = 4;
    pub const INT32: u32 = 5;
    pub const UINT32: u32 = 6;
    pub const SINGLE: u32 = 7;
    pub const DOUBLE: u32 = 9;
    pub const INT64: u32 = 12;
    pub const UINT64: u32 = 13;
    pub const MATRIX: u32 = 14;
    pub const COMPRESSED: u32 = 15;
    pub const UTF8: u32 = 16;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self == Self::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self == Self::Little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    }
}

/// An element: its type and its content, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) kind: u32,
    pub(super) content: &'a [u8],
}

impl Element<'_> {
    /// The numbers of a numeric element; MATLAB stores them in the smallest type that holds them all.
    pub(super) fn numbers(&self, order: ByteOrder) -> Result<Vec<f64>, String> {
        match self.kind {
            kind::INT8 => self.decoded(order, |b| f64::from(i8::from_le_bytes(b))),
            kind::UINT8 => self.decoded(order, |b| f64::from(u8::from_le_bytes(b))),
            kind::INT16 => self.decoded(order, |b| f64::from(i16::from_le_bytes(b))),
            kind::UINT16 => self.decoded(order, |b| f64::from(u16::from_le_bytes(b))),
            kind::INT32 => self.decoded(order, |b| f64::from(i32::from_le_bytes(b))),
            kind::UINT32 => self.decoded(order, |b| f64::from(u32::from_le_bytes(b))),
            kind::SINGLE => self.decoded(order, |b| f64::from(f32::from_le_bytes(b))),
            kind::DOUBLE => self.decoded(order, f64::from_le_bytes),
            kind::INT64 => exact(self.decoded(order, |b| i64::from_le_bytes(b) as f64)?),
            kind::UINT64 => exact(self.decoded(order, |b| u64::from_le_bytes(b) as f64)?),
            other => Err(format!("holds an element of type {other} where numbers should be; the file is damaged")),
        }
    }

    /// The numbers, `N` bytes each, by a function of their little-endian bytes.
    fn decoded<const N: usize>(&self, order: ByteOrder, decode: fn([u8; N]) -> f64) -> Result<Vec<f64>, String> {
        if !self.content.len().is_multiple_of(N) {
            return Err(format!(
                "holds {} bytes of numbers of {N} bytes each; the file is damaged",
                self.content.len()
            ));
        }
        Ok(decoded(self.content, |mut bytes: [u8; N]| {
            if order == ByteOrder::Big {
                bytes.reverse();
            }
            decode(bytes)
        }))
    }
}

/// Integers of 64 bits, if float64 holds them as they are.
fn exact(numbers: Vec<f64>) -> Result<Vec<f64>, String> {
    const LARGEST: f64 = (1_u64 << 53) as f64;
    match numbers.iter().find(|v| v.abs() >= LARGEST) {
        Some(v) => Err(format!("holds the integer {v:e}, too large for float64; convert it with double()")),
        None => Ok(numbers),
    }
}

/// The elements of some bytes, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
    order: ByteOrder,
}

impl<'a> Elements<'a> {
    pub(super) fn new(bytes: &'a [u8], order: ByteOrder) -> Self {
        Self { rest: bytes, order }
    }

    /// The next element; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, &'static str> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.element().map(Some).ok_or("an element is cut short; the file is damaged")
    }

    fn element(&mut self) -> Option<Element<'a>> {
        let (&tag, after) = self.rest.split_first_chunk()?;
        let tag = self.order.u32(tag);
        let (kind, length) = (tag & 0xffff, (tag >> 16) as usize);
        if length > 0 {
            // a small element: its length above its type, its content in the four bytes after them
            let (small, rest) = after.split_first_chunk::<4>()?;
            self.rest = rest;
            return Some(Element { kind, content: small.get(..length)? });
        }
        let (&length, after) = after.split_first_chunk()?;
        let (content, rest) = after.split_at_checked(usize::try_from(self.order.u32(length)).ok()?)?;
        let padding = if kind == kind::COMPRESSED { 0 } else { content.len().next_multiple_of(8) - content.len() };
        self.rest = rest.get(padding..).unwrap_or_default();
        Some(Element { kind, content })
    }
}
