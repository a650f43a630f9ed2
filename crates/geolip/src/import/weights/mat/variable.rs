//! One variable: an array of numbers, a cell array of them, or something that holds no weights.

use super::super::Fault;
use super::super::array::{Array, row_major};
use super::element::{ByteOrder, Element, Elements, kind};
use crate::import::Plain;

/// A variable and its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A real matrix, dense.
    Numbers(Array),
    /// The cells of a cell array, column after column, and its shape.
    Cells(Vec<usize>, Vec<Value>),
    /// Numbers of another kind, in words.
    OtherNumbers(String),
    /// No numbers: what it is, in words.
    Other(&'static str),
}

/// Classes of arrays.
mod class {
    pub const CELL: u32 = 1;
    pub const STRUCT: u32 = 2;
    pub const OBJECT: u32 = 3;
    pub const TEXT: u32 = 4;
    pub const SPARSE: u32 = 5;
    pub const DOUBLE: u32 = 6;
    pub const UINT64: u32 = 15;
    pub const FUNCTION: u32 = 16;
    pub const OPAQUE: u32 = 17;
}

const COMPLEX: u32 = 0x0800;

/// The variable in the content of a matrix element; none where it has no name (what MATLAB keeps of its objects).
pub(super) fn read(content: &[u8], order: ByteOrder) -> Result<Option<Variable>, Fault> {
    let mut parts = Elements::new(content, order);
    let Header { class, complex, dims, name } = Header::read(&mut parts, order).map_err(Fault::of_file)?;
    if name.is_empty() {
        return Ok(None);
    }
    let value = match class {
        class::CELL => cells(&dims, parts, order),
        _ => simple(class, complex, &dims, parts, order),
    };
    match value {
        Ok(value) => Ok(Some(Variable { name, value })),
        Err(reason) => Err(Fault::of(&name, reason)),
    }
}

/// The cells of a cell array. A cell array in one of them is not opened.
fn cells(dims: &[usize], mut parts: Elements<'_>, order: ByteOrder) -> Result<Value, String> {
    let mut cells = Vec::new();
    while let Some(Element { kind, content }) = parts.next()? {
        if kind != kind::MATRIX {
            return Err(format!("has a cell with an element of type {kind}; the file is damaged"));
        }
        cells.push(if content.is_empty() {
            Value::Numbers(Array { shape: vec![0, 0], data: Vec::new() })
        } else {
            let mut parts = Elements::new(content, order);
            let Header { class, complex, dims, .. } = Header::read(&mut parts, order)?;
            match class {
                class::CELL => Value::Other("a cell array"),
                _ => simple(class, complex, &dims, parts, order)?,
            }
        });
    }
    if count(dims) != Some(cells.len()) {
        return Err(format!("claims the shape {dims:?} but holds {} cells; the file is damaged", cells.len()));
    }
    Ok(Value::Cells(dims.to_vec(), cells))
}

/// A value that is no cell array.
fn simple(
    class: u32,
    complex: bool,
    dims: &[usize],
    mut parts: Elements<'_>,
    order: ByteOrder,
) -> Result<Value, String> {
    Ok(match class {
        class::STRUCT => Value::Other("a struct"),
        class::OBJECT | class::OPAQUE => Value::Other("an object"),
        class::TEXT => Value::Other("a text"),
        class::FUNCTION => Value::Other("a function"),
        class::SPARSE => Value::OtherNumbers("a sparse matrix; save it as full(...)".to_owned()),
        class::DOUBLE..=class::UINT64 if complex => Value::OtherNumbers("a complex array".to_owned()),
        class::DOUBLE..=class::UINT64 => {
            let numbers = parts.next()?.ok_or("holds no numbers; the file is damaged")?;
            matrix(dims, &numbers.numbers(order)?)?
        }
        other => return Err(format!("is of the unknown class {other}")),
    })
}

fn matrix(dims: &[usize], columns: &[f64]) -> Result<Value, String> {
    if count(dims) != Some(columns.len()) {
        return Err(format!("claims the shape {dims:?} but holds {} numbers; the file is damaged", columns.len()));
    }
    Ok(match *dims {
        [rows, cols] => Value::Numbers(Array { shape: vec![rows, cols], data: row_major(rows, cols, columns) }),
        _ => Value::OtherNumbers(format!(
            "an array of shape {dims:?} where matrices are read; a network with convolutions can be exported to ONNX"
        )),
    })
}

fn count(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1_usize, |product, &d| product.checked_mul(d))
}

/// What comes before the content of every array.
struct Header {
    class: u32,
    complex: bool,
    dims: Vec<usize>,
    name: String,
}

impl Header {
    fn read(parts: &mut Elements<'_>, order: ByteOrder) -> Result<Self, &'static str> {
        const DAMAGED: &str = "a variable has a header that is not understood; the file is damaged";
        let flags = parts.next()?.ok_or(DAMAGED)?;
        let flags = match (flags.kind, flags.content.first_chunk()) {
            (kind::UINT32, Some(&flags)) => order.u32(flags),
            _ => return Err(DAMAGED),
        };
        let (class, complex) = (flags & 0xff, flags & COMPLEX != 0);
        let dims = if class == class::OPAQUE { Vec::new() } else { dims(parts.next()?, order).ok_or(DAMAGED)? };
        let name = match parts.next()? {
            Some(Element { kind: kind::INT8 | kind::UINT8 | kind::UTF8, content }) => {
                Plain(&String::from_utf8_lossy(content)).to_string()
            }
            _ => return Err(DAMAGED),
        };
        Ok(Self { class, complex, dims, name })
    }
}

fn dims(element: Option<Element<'_>>, order: ByteOrder) -> Option<Vec<usize>> {
    let Element { kind: kind::INT32 | kind::UINT32, content } = element? else { return None };
    let (dims, []) = content.as_chunks() else { return None };
    dims.iter().map(|&dim| i32::try_from(order.u32(dim)).ok().and_then(|dim| usize::try_from(dim).ok())).collect()
}
