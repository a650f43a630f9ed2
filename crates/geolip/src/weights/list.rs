//! Named arrays to a network: W1…Wd and b1…bd, an activation between the layers and none after the last.

use super::Fault;
use super::npy::Array;
use crate::matrix::Matrix;
use crate::network::{Activation, LinearMap, Network, NetworkBuilder, NetworkError};
use std::collections::BTreeMap;

/// One layer: its matrix (out × in) and its bias, with their keys.
struct Layer {
    weight: (String, Matrix),
    bias: Option<(String, Vec<f64>)>,
}

/// The network of a weight list.
pub(super) fn network(arrays: Vec<(String, Array)>, activation: &Activation) -> Result<Network, Fault> {
    let layers = layers(arrays)?;
    check_shapes(&layers)?;
    let (first, last) = (layers.first(), layers.len());
    let inputs = first.map_or(0, |layer| layer.weight.1.cols());
    let mut builder = NetworkBuilder::new(inputs).map_err(|_| Fault::of_file("holds no matrix W1"))?;
    let mut node = builder.input();
    for (number, Layer { weight: (key, weight), bias }) in (1..).zip(layers) {
        let build = |error: NetworkError| Fault::of(&key, format!("makes no layer: {error}"));
        let terms = vec![(node, LinearMap::Dense(weight))];
        node = builder.affine(&format!("layer{number}"), terms, bias.map(|(_, bias)| bias)).map_err(build)?;
        if number < last {
            let name = format!("{}{number}", activation.name());
            node = builder.activate(&name, node, activation.clone()).map_err(build)?;
        }
    }
    Ok(builder.finish(node))
}

/// The kind of an array and the number of its layer, by its key: `W1`, `b12`, either case.
fn parse(key: &str) -> Option<(char, usize)> {
    let kind = key.chars().next()?.to_ascii_lowercase();
    let digits = key.get(1..)?;
    let plain = matches!(kind, 'w' | 'b') && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok().map(|number| (kind, number)) } else { None }
}

/// Sorts the arrays into layers.
fn layers(arrays: Vec<(String, Array)>) -> Result<Vec<Layer>, Fault> {
    let mut weights = BTreeMap::new();
    let mut biases = BTreeMap::new();
    for (key, array) in arrays {
        check_finite(&key, &array)?;
        let replaced = match (parse(&key), array.shape.as_slice()) {
            (Some(('w', number)), &[rows, cols]) if rows > 0 && cols > 0 => {
                let matrix = Matrix::from_vec(rows, cols, array.data);
                weights.insert(number, (key.clone(), matrix)).is_some()
            }
            (Some(('w', _)), shape) => {
                return Err(Fault::of(&key, format!("has the shape {shape:?}; a weight is a matrix, out x in")));
            }
            (Some((_, number)), [_]) => biases.insert(number, (key.clone(), array.data)).is_some(),
            (Some(_), shape) => {
                return Err(Fault::of(&key, format!("has the shape {shape:?}; a bias is a vector")));
            }
            (None, _) => {
                return Err(Fault::of(&key, "is not understood; a weight list holds W1, W2, … and b1, b2, …"));
            }
        };
        if replaced {
            return Err(Fault::of(&key, "is there twice, in upper and in lower case"));
        }
    }
    let depth = weights.keys().next_back().copied().unwrap_or(0);
    if let Some(missing) = (1..depth).find(|number| !weights.contains_key(number)) {
        return Err(Fault::of(&format!("W{missing}"), format!("is missing, but W{depth} is there")));
    }
    if let Some((number, (key, _))) = biases.iter().find(|(number, _)| !weights.contains_key(number)) {
        return Err(Fault::of(key, format!("belongs to no layer: there is no W{number}")));
    }
    Ok(weights.into_iter().map(|(number, weight)| Layer { weight, bias: biases.remove(&number) }).collect())
}

fn check_finite(key: &str, array: &Array) -> Result<(), Fault> {
    match array.data.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Fault::of(key, format!("holds {value}; every weight must be a finite number"))),
    }
}

/// Every layer takes what the one before gives, and every bias is as long as its layer.
fn check_shapes(layers: &[Layer]) -> Result<(), Fault> {
    let fault = chain_fault(layers, Matrix::rows, Matrix::cols);
    let transposed = chain_fault(layers, Matrix::cols, Matrix::rows);
    match (fault, transposed) {
        (None, _) => Ok(()),
        (Some(fault), Some(_)) => Err(fault),
        (Some(Fault { key, reason }), None) => {
            let hint = "; as in x out all shapes fit: store the transposes";
            Err(Fault { key, reason: reason + hint })
        }
    }
}

/// The first misfit, where `out` and `into` are the sizes of a matrix to either side.
fn chain_fault(layers: &[Layer], out: fn(&Matrix) -> usize, into: fn(&Matrix) -> usize) -> Option<Fault> {
    let mut before: Option<&(String, Matrix)> = None;
    for Layer { weight, bias } in layers {
        let (key, matrix) = weight;
        if let Some((earlier, narrower)) = before
            && out(narrower) != into(matrix)
        {
            let (taken, given) = (into(matrix), out(narrower));
            return Some(Fault::of(key, format!("takes {taken} numbers where {earlier} gives {given}")));
        }
        if let Some((bias_key, bias)) = bias
            && bias.len() != out(matrix)
        {
            let (found, given) = (bias.len(), out(matrix));
            return Some(Fault::of(bias_key, format!("has {found} numbers where {key} gives {given}")));
        }
        before = Some(weight);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(key: &str, shape: &[usize]) -> (String, Array) {
        let count: usize = shape.iter().product();
        let data = (0..count).map(|i| i as f64 - 1.0).collect();
        (key.to_owned(), Array { shape: shape.to_vec(), data })
    }

    fn fault(arrays: Vec<(String, Array)>) -> String {
        let Fault { key, reason } = network(arrays, &Activation::Relu).expect_err("no network");
        format!("{}: {reason}", key.unwrap_or_default())
    }

    #[test]
    fn a_list_in_any_order_and_case_is_a_network() -> Result<(), Fault> {
        let arrays = vec![array("b1", &[2]), array("w2", &[1, 2]), array("W1", &[2, 3])];
        let network = network(arrays, &Activation::Abs)?;
        assert_eq!((network.inputs(), network.outputs(), network.neurons()), (3, 1, 2));
        // W1 = [[-1, 0, 1], [2, 3, 4]], b1 = [-1, 0], W2 = [-1, 0]
        assert_eq!(network.evaluate(&[3.0, 1.0, 1.0]), [-3.0]);
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(fault(vec![]), ": holds no matrix W1");
        assert_eq!(fault(vec![array("W2", &[2, 2])]), "W1: is missing, but W2 is there");
        assert_eq!(fault(vec![array("W1", &[2])]), "W1: has the shape [2]; a weight is a matrix, out x in");
        assert_eq!(
            fault(vec![array("W1", &[2, 3]), array("b1", &[2, 1])]),
            "b1: has the shape [2, 1]; a bias is a vector"
        );
        assert_eq!(fault(vec![array("W1", &[2, 3]), array("b1", &[4])]), "b1: has 4 numbers where W1 gives 2");
        assert_eq!(fault(vec![array("W1", &[2, 3]), array("b2", &[2])]), "b2: belongs to no layer: there is no W2");
        assert_eq!(
            fault(vec![array("W1", &[2, 3]), array("w1", &[2, 3])]),
            "w1: is there twice, in upper and in lower case"
        );
        for unknown in ["W0", "W01", "x1", "W", "W1a", "weights", "", "ß1"] {
            assert!(fault(vec![array(unknown, &[1, 1])]).contains("is not understood"), "{unknown}");
        }
        let (key, mut nan) = array("W1", &[1, 2]);
        nan.data[1] = f64::NAN;
        assert_eq!(fault(vec![(key, nan)]), "W1: holds NaN; every weight must be a finite number");
    }

    #[test]
    fn transposed_lists_are_recognised() {
        assert_eq!(
            fault(vec![array("W1", &[3, 2]), array("W2", &[2, 5])]),
            "W2: takes 5 numbers where W1 gives 3; as in x out all shapes fit: store the transposes"
        );
        assert_eq!(
            fault(vec![array("W1", &[3, 2]), array("b1", &[2])]),
            "b1: has 2 numbers where W1 gives 3; as in x out all shapes fit: store the transposes"
        );
        assert_eq!(fault(vec![array("W1", &[3, 2]), array("W2", &[5, 4])]), "W2: takes 4 numbers where W1 gives 3");
    }
}
