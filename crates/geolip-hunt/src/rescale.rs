//! The same function of numbers of another size: every node multiplied by a power of two, as far as that is exact.

use crate::dice::Dice;
use crate::exact::scaled;
use crate::plan::{Map, Plan, Step};
use geolip::network::Activation;

/// Rows × columns up to which a map without weights becomes a matrix.
const DENSE: usize = 400;

/// Multiplies every node by its own 2ᵉ with |e| ≤ `most`; none where a number would leave the range or be rounded. Gives the
/// e of the input, too. The exponents are independent, or they fall from node to node, or rise.
pub fn random(plan: &Plan, most: i64, dice: &mut Dice) -> Option<(Plan, i64)> {
    let way = dice.whole(-1, 1);
    by(plan, most, way, dice)
}

/// The way in which exponents fall by most of what there is from each affine node to the next, and at last perhaps rise.
const FALLS: i64 = 2;

/// The same with exponents that fall from that of the input to that of the output.
pub fn falling(plan: &Plan, most: i64, dice: &mut Dice) -> Option<(Plan, i64)> {
    by(plan, most, FALLS, dice)
}

fn by(plan: &Plan, most: i64, way: i64, dice: &mut Dice) -> Option<(Plan, i64)> {
    let nodes = plan.output() as i64;
    let draw = |node: usize, dice: &mut Dice| match way {
        1 | -1 => {
            let along = most * (nodes - 2 * node as i64) / nodes.max(1);
            (way * along + dice.whole(-most, most) / 5).clamp(-most, most)
        }
        _ => dice.whole(-most, most),
    };
    let fall = |before: i64, dice: &mut Dice| {
        let by = most * dice.whole(6, 10) / 10;
        match before {
            0 if dice.chance(0.5) => by,
            before if before < -most / 2 && dice.chance(0.5) => before + by,
            before => (before - by).max(-most),
        }
    };
    let input = if dice.chance(0.5) { 0 } else { draw(0, dice) };
    let mut exponents = vec![input];
    let mut steps = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let node = at + 1;
        let (step, own) = match step {
            Step::Affine { terms, bias } => {
                let own = match is_rigid(plan, node) {
                    true => 0,
                    false if way == FALLS => fall(exponents[terms[0].0], dice),
                    false => draw(node, dice),
                };
                let terms = terms.iter().map(|(parent, map)| Some((*parent, times(map, own - exponents[*parent])?)));
                let bias = match bias {
                    Some(bias) => Some(all(bias, own)?),
                    None => None,
                };
                (Step::Affine { terms: terms.collect::<Option<_>>()?, bias }, own)
            }
            Step::Activate { parent, activation } => {
                let before = exponents[*parent];
                let (activation, own) = function(activation, before)?;
                (Step::Activate { parent: *parent, activation }, own)
            }
        };
        exponents.push(own);
        steps.push(step);
    }
    Some((Plan { inputs: plan.inputs, steps }, input))
}

/// Whether something reads the node that cannot be rescaled.
fn is_rigid(plan: &Plan, node: usize) -> bool {
    plan.steps.iter().any(|step| match step {
        Step::Activate { parent, activation } => *parent == node && function(activation, 1).is_none(),
        Step::Affine { .. } => false,
    })
}

fn all(numbers: &[f64], k: i64) -> Option<Vec<f64>> {
    numbers.iter().map(|v| scaled(*v, k)).collect()
}

/// 2ᵏ times a map.
fn times(map: &Map, k: i64) -> Option<Map> {
    if k == 0 {
        return Some(map.clone());
    }
    let mut map = match map {
        Map::Identity(n) => Map::Scale(vec![1.0; *n]),
        Map::Gather(..) => bounded(map)?,
        Map::Transpose(inner) if matches!(**inner, Map::Gather(..) | Map::Identity(_)) => bounded(map)?,
        other => other.clone(),
    };
    let weights = map.weights_mut()?;
    *weights = all(weights, k)?;
    Some(map)
}

fn bounded(map: &Map) -> Option<Map> {
    let (rows, cols) = map.shape();
    (rows * cols <= DENSE).then(|| map.dense())
}

/// An activation of 2ᵏ·s, and the exponent by which its value is multiplied; none if there is no such function.
fn function(activation: &Activation, k: i64) -> Option<(Activation, i64)> {
    Some(match activation {
        Activation::Relu | Activation::Abs | Activation::LeakyRelu { .. } | Activation::PRelu { .. } => {
            (activation.clone(), k)
        }
        Activation::Clip { min, max } => {
            let end = |v: f64| if v.is_finite() { scaled(v, k) } else { Some(v) };
            (Activation::Clip { min: end(*min)?, max: end(*max)? }, k)
        }
        Activation::Celu { alpha } => (Activation::Celu { alpha: scaled(*alpha, k)? }, k),
        Activation::HardSigmoid { slope, offset } => {
            (Activation::HardSigmoid { slope: scaled(*slope, -k)?, offset: *offset }, 0)
        }
        other => return (k == 0).then(|| (other.clone(), 0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::{Dyadic, Number};
    use crate::graph::Graph;
    use crate::networks;

    #[test]
    fn rescaled_networks_are_the_same_function() {
        let mut seen = 0;
        for number in 0..600 {
            let mut dice = Dice::new(3, number);
            let plan = networks::random(&mut dice).plan;
            let Some((other, input)) = random(&plan, 100, &mut dice) else { continue };
            let (Some(a), Some(b)) = (plan.build(), other.build()) else { continue };
            let (a, b) = (Graph::new(&a), Graph::new(&b));
            if a.lens != b.lens {
                continue; // the builder adds up biases around an identity, which rounds; a rescaled one is none
            }
            let x: Vec<f64> = (0..plan.inputs).map(|_| dice.whole(-40, 40) as f64 / 8.0).collect();
            let Some(moved) = all(&x, input) else { continue };
            let (Some(at), Some(there)) = (a.at(&x), b.at(&moved)) else { continue };
            // up to the exponent of the output, which is the same for all of it
            let (one, two) = (&at.output, &there.output);
            for i in 0..one.len() {
                for j in 0..one.len() {
                    assert_eq!(one[i].times(&two[j]), one[j].times(&two[i]), "case {number}");
                }
                assert_eq!(one[i] == Dyadic::zero(), two[i].is_zero());
            }
            seen += 1;
        }
        assert!(seen > 100, "{seen}");
    }
}
