//! Named arrays to layers: `W1`, `b1`, … (counted from 0 or 1), `NAME.weight`, `NAME.bias`, …, or `NAME/kernel`, `NAME/bias`, … as
//! JAX and Keras have them, in the order of the numbers in the names. Arrays without names are in [`super::unnamed`].

use super::array::Array;
use super::{Fault, Layer};
use crate::import::Quoted;
use crate::matrix::Matrix;
use std::collections::{BTreeMap, BTreeSet};

/// What the lists of a format hold, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// What the smallest one holds.
    pub(super) least: &'static str,
    /// What one may hold.
    pub(super) all: &'static str,
}

impl Wanted {
    pub(super) fn nothing(&self) -> Fault {
        Fault::of_file(format!("holds no {}", self.least))
    }

    pub(super) fn unknown(&self, key: &str) -> Fault {
        Fault::of(key, format!("is not understood; a weight list holds {}", self.all))
    }
}

/// The layers of a list, in the order of their names, as they are stored.
pub(super) fn layers(arrays: Vec<(String, Array)>, wanted: &Wanted) -> Result<Vec<Layer>, Fault> {
    let mut parts: BTreeMap<Label, Part> = BTreeMap::new();
    let mut first: Option<(Style, String)> = None;
    let keys: Vec<Option<Key>> = arrays.iter().map(|(key, _)| Key::parse(key)).collect();
    let kernels = keys.iter().flatten().any(|key| key.style == Style::Kernel);
    let names: BTreeSet<String> = keys.iter().flatten().map(|key| key.name.clone()).collect();
    for ((key, array), parsed) in arrays.into_iter().zip(keys) {
        let Some(Key { style, kind, name }) = parsed else { return Err(wanted.unknown(&key)) };
        // a bias is called one beside a weight and beside a kernel
        let style = if kernels && style == Style::Named && kind == Kind::Bias { Style::Kernel } else { style };
        // Keras calls its layers dense, dense_1, dense_2
        let is_first = kernels && names.contains(&format!("{name}_1")) && !names.contains(&format!("{name}_0"));
        let name = if is_first { format!("{name}_0") } else { name };
        match &first {
            Some((earlier, other)) if *earlier != style => return Err(second_list(&key, other)),
            Some(_) => {}
            None => first = Some((style, key.clone())),
        }
        check_finite(&key, &array)?;
        let part = parts.entry(Label::of(&name)).or_insert_with(|| Part { name, ..Part::default() });
        let earlier = match kind {
            Kind::Weight => part.weight.replace((key.clone(), matrix(&key, array)?)).map(|(key, _)| key),
            Kind::Bias => part.bias.replace((key.clone(), vector(&key, array)?)).map(|(key, _)| key),
        };
        if let Some(earlier) = earlier {
            return Err(Fault::of(&key, format!("appears twice, also as {}", Quoted(&earlier))));
        }
    }
    match first {
        None => Err(wanted.nothing()),
        Some((style, _)) => complete(parts, style),
    }
}

/// Every bias has its weight, and numbered lists have no gaps.
fn complete(parts: BTreeMap<Label, Part>, style: Style) -> Result<Vec<Layer>, Fault> {
    let weight = |number: &str| parts.get(&Label::of(number)).is_some_and(|part| part.weight.is_some());
    let last = parts.values().rev().find(|part| part.weight.is_some());
    if let (Style::Numbered, Some(last)) = (style, last)
        && let from = usize::from(!weight("0"))
        && let Some(missing) = (from..=parts.len()).map(|number| number.to_string()).find(|number| !weight(number))
        && Label::of(&missing) < Label::of(&last.name)
    {
        return Err(Fault::of(
            &style.weight(&missing),
            format!("is missing, but {} is there", style.weight(&last.name)),
        ));
    }
    let (mut families, mut groups) = (BTreeMap::new(), BTreeMap::new());
    let mut layers = Vec::new();
    for (label, Part { name, weight, bias }) in parts {
        let (family_count, group_count) = (families.len(), groups.len());
        let family = *families.entry(label.text()).or_insert(family_count);
        let group = *groups.entry(label.stem()).or_insert(group_count);
        match (weight, bias) {
            (Some(weight), bias) => layers.push(Layer { name, weight, bias, family, group }),
            (None, bias) => {
                let (key, weight) = (bias.map(|(key, _)| key).unwrap_or_default(), style.weight(&name));
                return Err(Fault::of(&key, format!("belongs to no layer: there is no {weight}")));
            }
        }
    }
    Ok(layers)
}

/// What was found of one layer.
#[derive(Default)]
struct Part {
    name: String,
    weight: Option<(String, Matrix)>,
    bias: Option<(String, Vec<f64>)>,
}

/// How a list names its arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `W1`, `b1`.
    Numbered,
    /// `NAME.weight`, `NAME_bias`.
    Named,
    /// `NAME/kernel`, which is in × out.
    Kernel,
}

impl Style {
    /// The usual key of the weight of a layer.
    fn weight(self, name: &str) -> String {
        match (self, name) {
            (Self::Numbered, _) => format!("W{name}"),
            (Self::Named, "") => "weight".to_owned(),
            (Self::Named, _) => format!("{name}.weight"),
            (Self::Kernel, "") => "kernel".to_owned(),
            (Self::Kernel, _) => format!("{name}/kernel"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Weight,
    Bias,
}

/// What the key of an array says.
pub(super) struct Key {
    style: Style,
    pub(super) kind: Kind,
    /// The layer's name: `1` of `W1`, `layers.0` of `layers.0.weight`.
    name: String,
}

impl Key {
    /// Reads `W1` or `layers.0.weight`, in either case; none for any other key.
    pub(super) fn parse(key: &str) -> Option<Self> {
        Self::numbered(key).or_else(|| Self::named(key))
    }

    fn numbered(key: &str) -> Option<Self> {
        let kind = match key.chars().next()? {
            'W' | 'w' => Kind::Weight,
            'B' | 'b' => Kind::Bias,
            _ => return None,
        };
        let digits = key.get(1..)?;
        let plain = (digits == "0" || !digits.starts_with('0')) && digits.bytes().all(|b| b.is_ascii_digit());
        let number: Option<u64> = if plain { digits.parse().ok() } else { None };
        number.map(|_| Self { style: Style::Numbered, kind, name: digits.to_owned() })
    }

    fn named(key: &str) -> Option<Self> {
        let key = key.strip_suffix(":0").unwrap_or(key); // as TensorFlow numbers what an operation gives
        let (name, word) = key.rsplit_once(['.', '_', '/']).unwrap_or(("", key));
        let (style, kind) = match word {
            _ if word.eq_ignore_ascii_case("weight") => (Style::Named, Kind::Weight),
            _ if word.eq_ignore_ascii_case("kernel") => (Style::Kernel, Kind::Weight),
            _ if word.eq_ignore_ascii_case("bias") => (Style::Named, Kind::Bias),
            _ => return None,
        };
        Some(Self { style, kind, name: name.to_owned() })
    }
}

/// A name, cut where digits begin and end: numbers are compared as numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Label(Vec<Chunk>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Chunk {
    Number(u64),
    Text(String),
}

impl Label {
    fn of(name: &str) -> Self {
        let mut chunks = Vec::new();
        let mut rest = name;
        while let Some(first) = rest.bytes().next() {
            let digit = first.is_ascii_digit();
            let end = rest.bytes().position(|byte| byte.is_ascii_digit() != digit).unwrap_or(rest.len());
            let (chunk, after) = rest.split_at(end);
            let number = if digit { chunk.parse().ok() } else { None };
            chunks.push(number.map_or_else(|| Chunk::Text(chunk.to_owned()), Chunk::Number));
            rest = after;
        }
        Self(chunks)
    }

    /// The name without its numbers.
    fn text(&self) -> Vec<Chunk> {
        let blank = |chunk: &Chunk| if matches!(chunk, Chunk::Number(_)) { Chunk::Number(0) } else { chunk.clone() };
        self.0.iter().map(blank).collect()
    }

    /// The name without its last number.
    fn stem(&self) -> Vec<Chunk> {
        let mut chunks = self.0.clone();
        if let Some(last) = chunks.iter_mut().rev().find(|chunk| matches!(chunk, Chunk::Number(_))) {
            *last = Chunk::Number(0);
        }
        chunks
    }
}

/// The array of a weight, as it is stored.
pub(super) fn matrix(key: &str, array: Array) -> Result<Matrix, Fault> {
    let hint = match *array.shape.as_slice() {
        [rows, cols] if rows > 0 && cols > 0 => return Ok(Matrix::from_vec(rows, cols, array.data)),
        [_] => "; a network with layers of another kind can be exported to ONNX",
        [_, _] | [] => "",
        _ => "; a network with convolutions can be exported to ONNX",
    };
    Err(Fault::of(key, format!("has the shape {:?}; a weight is a matrix, out x in{hint}", array.shape)))
}

/// The array of a bias: a vector, a column or a row.
pub(super) fn vector(key: &str, array: Array) -> Result<Vec<f64>, Fault> {
    match *array.shape.as_slice() {
        [_] | [1, _] | [_, 1] => Ok(array.data),
        _ => Err(Fault::of(key, format!("has the shape {:?}; a bias is a vector", array.shape))),
    }
}

pub(super) fn check_finite(key: &str, array: &Array) -> Result<(), Fault> {
    match array.data.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Fault::of(key, format!("holds {value}; every weight must be a finite number"))),
    }
}

/// A key of another list than the one that `other` belongs to.
pub(super) fn second_list(key: &str, other: &str) -> Fault {
    Fault::of(key, format!("is of another weight list than {}: keep one of the two in the file", Quoted(other)))
}

/// Whether arrays are kernels, which are in × out.
pub(super) fn are_kernels<'k>(mut keys: impl Iterator<Item = &'k str>) -> bool {
    keys.any(|key| matches!(Key::parse(key), Some(Key { style: Style::Kernel, .. })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted { least: "matrix W1", all: "W1 and b1" };

    fn array(key: &str, shape: &[usize]) -> (String, Array) {
        let count: usize = shape.iter().product();
        let data = (0..count).map(|i| i as f64 - 1.0).collect();
        (key.to_owned(), Array { shape: shape.to_vec(), data })
    }

    fn fault(arrays: Vec<(String, Array)>) -> String {
        let Fault { key, reason } = layers(arrays, &WANTED).expect_err("no layers");
        format!("{}: {reason}", key.unwrap_or_default())
    }

    /// Keys of matrices and biases in order, with the families.
    fn order(keys: &[&str]) -> Result<Vec<String>, Fault> {
        let arrays = keys.iter().map(|key| {
            let bias = matches!(Key::parse(key), Some(Key { kind: Kind::Bias, .. }));
            array(key, if bias { &[2] } else { &[2, 2] })
        });
        let show = |layer: Layer| {
            let bias = layer.bias.map_or("-".to_owned(), |(key, _)| key);
            format!("{} {bias} {}", layer.weight.0, layer.family)
        };
        Ok(layers(arrays.collect(), &WANTED)?.into_iter().map(show).collect())
    }

    #[test]
    fn arrays_in_any_order_and_case_are_layers() -> Result<(), Fault> {
        let listed = layers(vec![array("b1", &[2]), array("w2", &[1, 2]), array("W1", &[2, 3])], &WANTED)?;
        assert_eq!(listed[0].weight, ("W1".to_owned(), Matrix::from_vec(2, 3, vec![-1.0, 0.0, 1.0, 2.0, 3.0, 4.0])));
        assert_eq!(listed[0].bias, Some(("b1".to_owned(), vec![-1.0, 0.0])));
        assert_eq!(listed[1].weight.0, "w2");
        assert_eq!((listed.len(), &listed[1].bias), (2, &None));
        Ok(())
    }

    #[test]
    fn numbers_in_names_count_as_numbers() -> Result<(), Fault> {
        assert_eq!(order(&["W10", "W9", "W8", "W7", "W6", "W5", "W4", "W3", "W2", "W1"])?[9], "W10 - 0");
        assert_eq!(
            order(&["10.weight", "2.bias", "0.weight", "2.weight"])?,
            ["0.weight - 0", "2.weight 2.bias 0", "10.weight - 0"]
        );
        assert_eq!(order(&["fc2_weight", "fc1_bias", "fc1_weight"])?, ["fc1_weight fc1_bias 0", "fc2_weight - 0"]);
        assert_eq!(
            order(&["net.1.fc10.weight", "net.1.fc9.weight", "net.0.fc11.weight", "out.weight"])?,
            ["net.0.fc11.weight - 0", "net.1.fc9.weight - 0", "net.1.fc10.weight - 0", "out.weight - 1"]
        );
        assert_eq!(order(&["weight", "bias"])?, ["weight bias 0"]);
        let long = "a99999999999999999999999.weight";
        assert_eq!(order(&[long])?, [format!("{long} - 0")]);
        Ok(())
    }

    #[test]
    fn counting_may_start_at_zero() -> Result<(), Fault> {
        assert_eq!(order(&["b0", "W1", "W0"])?, ["W0 b0 0", "W1 - 0"]);
        assert_eq!(fault(vec![array("W0", &[2, 2]), array("W2", &[2, 2])]), "W1: is missing, but W2 is there");
        assert_eq!(order(&["W00"]).expect_err("no number").key.as_deref(), Some("W00"));
        Ok(())
    }

    #[test]
    fn kernels_are_layers_in_their_order() -> Result<(), Fault> {
        let kernel = |key: &str| matches!(Key::parse(key), Some(Key { kind: Kind::Weight, style: Style::Kernel, .. }));
        assert!(kernel("params/Dense_0/kernel") && kernel("dense.kernel") && kernel("dense/kernel:0"));
        assert_eq!(
            order(&["Dense_1/bias", "Dense_1/kernel", "Dense_0/kernel"])?,
            ["Dense_0/kernel - 0", "Dense_1/kernel Dense_1/bias 0"]
        );
        assert_eq!(
            order(&["dense_1/kernel:0", "dense/bias:0", "dense/kernel:0", "dense_2/kernel:0"])?,
            ["dense/kernel:0 dense/bias:0 0", "dense_1/kernel:0 - 0", "dense_2/kernel:0 - 0"]
        );
        assert_eq!(
            fault(vec![array("a/kernel", &[2, 2]), array("b.weight", &[2, 2])]),
            "b.weight: is of another weight list than 'a/kernel': keep one of the two in the file"
        );
        assert_eq!(fault(vec![array("a/kernel", &[2, 2]), array("n/scale", &[2])]).split(':').next(), Some("n/scale"));
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(fault(vec![]), ": holds no matrix W1");
        assert_eq!(fault(vec![array("W2", &[2, 2])]), "W1: is missing, but W2 is there");
        assert_eq!(fault(vec![array("W1", &[2, 2]), array("W3", &[2, 2])]), "W2: is missing, but W3 is there");
        assert_eq!(
            fault(vec![array("W1", &[2, 2]), array("b2", &[2]), array("W3", &[2, 2])]),
            "W2: is missing, but W3 is there"
        );
        assert_eq!(
            fault(vec![array("W1", &[2])]),
            "W1: has the shape [2]; a weight is a matrix, out x in; \
             a network with layers of another kind can be exported to ONNX"
        );
        assert_eq!(
            fault(vec![array("conv.weight", &[2, 1, 3, 3])]),
            "conv.weight: has the shape [2, 1, 3, 3]; a weight is a matrix, out x in; \
             a network with convolutions can be exported to ONNX"
        );
        assert_eq!(fault(vec![array("W1", &[0, 2])]), "W1: has the shape [0, 2]; a weight is a matrix, out x in");
        assert_eq!(
            fault(vec![array("W1", &[2, 3]), array("b1", &[2, 2])]),
            "b1: has the shape [2, 2]; a bias is a vector"
        );
        assert_eq!(fault(vec![array("W1", &[2, 3]), array("b2", &[2])]), "b2: belongs to no layer: there is no W2");
        assert_eq!(fault(vec![array("a.bias", &[2])]), "a.bias: belongs to no layer: there is no a.weight");
        assert_eq!(fault(vec![array("W1", &[2, 3]), array("w1", &[2, 3])]), "w1: appears twice, also as 'W1'");
        assert_eq!(
            fault(vec![array("a.weight", &[2, 3]), array("a_weight", &[2, 3])]),
            "a_weight: appears twice, also as 'a.weight'"
        );
        assert_eq!(
            fault(vec![array("W1", &[2, 3]), array("fc.weight", &[2, 3])]),
            "fc.weight: is of another weight list than 'W1': keep one of the two in the file"
        );
        for unknown in ["W00", "W01", "x1", "W", "W1a", "weights", "", "ß1", "weight_ih_l0", "W99999999999999999999"] {
            let expected = format!("{unknown}: is not understood; a weight list holds W1 and b1");
            assert_eq!(fault(vec![array(unknown, &[1, 1])]), expected);
        }
        let (key, mut nan) = array("W1", &[1, 2]);
        nan.data[1] = f64::NAN;
        assert_eq!(fault(vec![(key, nan)]), "W1: holds NaN; every weight must be a finite number");
    }
}
