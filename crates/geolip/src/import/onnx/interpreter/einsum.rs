//! Einsum, by the definition: for each entry of the result the sum over everything else.

use super::array::{Array, indices};
use super::node::Node;
use super::{Outputs, Reason};
use std::collections::HashMap;

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    (node.operator() == "Einsum").then(|| einsum(node).map(|array| vec![array]))
}

fn einsum(node: &Node<'_>) -> Result<Array, Reason> {
    let inputs = (0..node.inputs.len()).map(|index| node.input(index)).collect::<Result<Vec<_>, _>>()?;
    let equation = node.text("equation", "").replace(' ', "");
    let (left, right) = equation.split_once("->").map_or((equation.as_str(), None), |(l, r)| (l, Some(r)));
    let terms: Vec<&str> = left.split(',').collect();
    let dots = terms.iter().zip(&inputs).map(|(term, x)| match term.contains("...") {
        true => x.shape.len() + 3 - term.len(),
        false => 0,
    });
    let dots = dots.max().unwrap_or(0);
    // digits for the axes of an ellipsis, the last of them 9
    let spelt = |term: &str, count: usize| {
        let digits: String = (0..count).map(|i| char::from(b'9' - (count - 1 - i) as u8)).collect();
        term.replace("...", &digits)
    };
    let terms: Vec<String> = terms
        .iter()
        .zip(&inputs)
        .map(|(term, x)| spelt(term, if term.contains("...") { x.shape.len() + 3 - term.len() } else { 0 }))
        .collect();
    let result = match right {
        Some(right) => spelt(right, dots),
        None => {
            let all: String = terms.concat();
            let mut once: Vec<char> =
                all.chars().filter(|c| all.matches(*c).count() == 1 && c.is_alphabetic()).collect();
            once.sort_unstable();
            spelt("...", dots) + &once.into_iter().collect::<String>()
        }
    };
    let mut sizes: HashMap<char, usize> = HashMap::new();
    for (term, x) in terms.iter().zip(&inputs) {
        sizes.extend(term.chars().zip(x.shape.iter().copied()));
    }
    let mut rest: Vec<char> = sizes.keys().copied().filter(|c| !result.contains(*c)).collect();
    rest.sort_unstable();
    let shape: Vec<usize> = result.chars().map(|c| sizes[&c]).collect();
    let others: Vec<usize> = rest.iter().map(|c| sizes[c]).collect();
    Ok(Array::filled(shape, inputs[0].kind, |index| {
        let own = result.chars().zip(index.iter().copied());
        let mut sum = 0.0;
        for other in indices(&others) {
            let at: HashMap<char, usize> = own.clone().chain(rest.iter().copied().zip(other)).collect();
            let factor = |(term, x): (&String, &&Array)| x.at(&term.chars().map(|c| at[&c]).collect::<Vec<_>>());
            sum += terms.iter().zip(&inputs).map(factor).product::<f64>();
        }
        sum
    }))
}
