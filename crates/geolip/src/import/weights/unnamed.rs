//! Arrays that have only a place, `arr_0`, `arr_1`, … as `numpy.savez(file, W1, b1, W2, b2)` calls them, to layers.
//!
//! They are weights alone, or a weight and its bias in turn. Where they may be either (rows or columns that may be a bias, or a
//! layer), the file is refused.

use super::array::Array;
use super::{Fault, Layer, list};

/// The layers of such a list; none for arrays that have names.
pub(super) fn layers(arrays: &[(String, Array)]) -> Result<Option<Vec<Layer>>, Fault> {
    let number = |key: &str| key.strip_prefix("arr_").and_then(|digits| digits.parse::<usize>().ok());
    let Some(numbers) = arrays.iter().map(|(key, _)| number(key)).collect::<Option<Vec<usize>>>() else {
        return Ok(None);
    };
    if arrays.is_empty() {
        return Ok(None);
    }
    let mut order: Vec<usize> = (0..arrays.len()).collect();
    order.sort_by_key(|&at| numbers[at]);
    if let Some(missing) = (0..arrays.len()).find(|&at| numbers[order[at]] != at) {
        return Err(Fault::of(&format!("arr_{missing}"), "is missing, but later ones are there"));
    }
    let sorted: Vec<&(String, Array)> = order.into_iter().map(|at| &arrays[at]).collect();
    let rank = |at: usize| sorted[at].1.shape.len();
    let thin = |at: usize| sorted[at].1.shape.contains(&1);
    let in_turn = sorted.len().is_multiple_of(2)
        && (0..sorted.len())
            .all(|at| if at % 2 == 0 { rank(at) == 2 } else { rank(at) == 1 || (rank(at) == 2 && thin(at)) });
    let alone = (0..sorted.len()).all(|at| rank(at) == 2);
    let step = match (in_turn, alone) {
        (true, false) => 2,
        (false, true) => 1,
        (true, true) => {
            return Err(Fault::of(
                &sorted[1].0,
                "may be a bias or a layer; save the arrays with names, W1, b1, …, or biases as vectors",
            ));
        }
        (false, false) => {
            return Err(Fault::of(
                &sorted[0].0,
                "has no name, and the arrays are not a weight and its bias in turn; save them with names, W1, b1, …",
            ));
        }
    };
    let layer = |pair: &[&(String, Array)]| {
        let ((key, array), bias) = (pair[0], pair.get(1));
        list::check_finite(key, array)?;
        let weight = (key.clone(), list::matrix(key, array.clone())?);
        let bias = bias.map(|(key, array)| {
            list::check_finite(key, array)?;
            Ok((key.clone(), list::vector(key, array.clone())?))
        });
        Ok(Layer { name: key.clone(), weight, bias: bias.transpose()?, family: 0, group: 0 })
    };
    sorted.chunks(step).map(layer).collect::<Result<_, Fault>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(shapes: &[&[usize]]) -> Vec<(String, Array)> {
        let array = |shape: &&[usize]| Array { shape: shape.to_vec(), data: vec![1.0; shape.iter().product()] };
        shapes.iter().enumerate().map(|(at, shape)| (format!("arr_{at}"), array(shape))).rev().collect()
    }

    #[test]
    fn places_say_what_arrays_are() {
        let found = |shapes: &[&[usize]]| -> Result<Vec<String>, Fault> {
            let shown =
                |layer: Layer| format!("{} {}", layer.weight.0, layer.bias.map_or("-".to_owned(), |(key, _)| key));
            Ok(layers(&list(shapes))?.unwrap_or_default().into_iter().map(shown).collect())
        };
        let named = |list: &[&str]| Ok(list.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(found(&[&[4, 3], &[4], &[2, 4], &[2]]), named(&["arr_0 arr_1", "arr_2 arr_3"]));
        assert_eq!(found(&[&[4, 3], &[4], &[2, 4], &[2, 1]]), named(&["arr_0 arr_1", "arr_2 arr_3"]));
        assert_eq!(found(&[&[4, 3], &[2, 4]]), named(&["arr_0 -", "arr_1 -"]));
        assert!(found(&[&[4, 3], &[1, 4]]).expect_err("two readings").reason.contains("may be a bias or a layer"));
        assert!(found(&[&[4, 3], &[4], &[2, 4]]).expect_err("no bias").reason.contains("in turn"));
        assert!(found(&[&[4], &[4, 3]]).is_err(), "a bias first");
        assert_eq!(layers(&[("W1".to_owned(), list(&[&[1, 1]])[0].1.clone())]), Ok(None));
        let gap = vec![("arr_1".to_owned(), list(&[&[1, 2]])[0].1.clone())];
        assert_eq!(layers(&gap).expect_err("a gap").key.as_deref(), Some("arr_0"));
    }
}
