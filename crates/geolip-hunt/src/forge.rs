//! Certificates made up: proofs of zeros, and honest ones pushed down as far as the checker follows.

use crate::certificates::Judge;
use crate::dice::Dice;
use crate::exact::Dyadic;
use crate::graph::Graph;
use crate::mutate::{claim, cycle, nudge, number, test};
use crate::size;
use geolip::{Functional, InputNorm, Network};
use serde_json::{Value, json};

/// Steps of a descent.
const STEPS: usize = 160;

/// Proofs of every kind with nothing but zeros, for claims of next to nothing.
pub fn from_nothing(honest: &Value, graph: &Graph, network: &Network, dice: &mut Dice) -> Vec<(&'static str, Value)> {
    let claims = honest["bounds"].as_array().map_or(0, Vec::len);
    let mut forged = Vec::new();
    for _ in 0..8 {
        let at = dice.below(claims.max(1));
        let mut file = honest.clone();
        let output = file["bounds"][at]["output"].clone();
        let Ok(functional) = serde_json::from_value::<Functional>(output.clone()) else { continue };
        let value = *dice.pick(&[0.0, 0.0, 1e-30, 1.0]);
        let proof = zeros(graph, network, honest["norm"].as_str().unwrap_or_default(), &functional, value, dice);
        let honest = file["bounds"][at]["upper"].as_f64().unwrap_or(0.0);
        let upper = *dice.pick(&[0.0, 5e-324, 1e-25, 1e-9 * honest, 0.5 * honest, 0.9 * honest, 0.999_999 * honest]);
        file["bounds"] = json!([{"output": output, "upper": upper, "proof": proof}]);
        forged.push(("from nothing", file));
    }
    forged
}

fn zeros(graph: &Graph, network: &Network, norm: &str, functional: &Functional, value: f64, dice: &mut Dice) -> Value {
    let gammas = if matches!(norm, "l1" | "l2") { 1 } else { graph.inputs() };
    let lambda: Vec<Vec<f64>> = graph.layers.iter().map(|(node, _)| vec![value; graph.lens[*node]]).collect();
    let mut form = json!({
        "zeta": vec![value; functional.zetas(network.outputs())],
        "gamma": vec![value; gammas],
        "lambda": lambda,
    });
    if dice.chance(0.4) {
        form["random_test"] = test(dice);
    }
    let neurons = graph.layers.first().map_or(0, |(node, _)| graph.lens[*node]);
    let mut signs = json!({"gamma": vec![value; gammas], "delta": vec![value; neurons + 1], "cuts": []});
    if dice.chance(0.3) {
        let weight = dice.unit() * *dice.pick(&[0.0, 1e-30, 1.0]);
        signs["cuts"] = json!([cycle(graph.inputs() + neurons + 1, weight, dice)]);
    }
    let one_hidden = graph.layers.len() <= 1;
    match dice.below(if one_hidden { 12 } else { 9 }) {
        7 | 8 => json!({"cuts": cuts(graph, network, &form, value, dice)}),
        0 | 1 => json!({"multipliers": form}),
        2 | 3 | 9.. => json!({"signs": signs}),
        4 => json!({"inputs": []}),
        5 => {
            let leaf = *dice.pick(&["signs", "multipliers"]);
            let leaf = json!({"leaf": {leaf: if leaf == "signs" { signs } else { form }}});
            if dice.chance(0.5) && neurons > 0 {
                json!({"cases": [{"split": [0, 0]}, leaf, leaf]})
            } else {
                json!({"cases": [leaf]})
            }
        }
        _ => json!({"inputs": [{"input": 0, "multipliers": form}]}),
    }
}

/// Cuts between any variables on multipliers of zeros.
fn cuts(graph: &Graph, network: &Network, form: &Value, value: f64, dice: &mut Dice) -> Value {
    let zeta =
        if form["zeta"].as_array().map_or(0, Vec::len) == network.outputs() { form["zeta"].clone() } else { json!([]) };
    let signs: Vec<Value> = (graph.layers.iter().enumerate())
        .flat_map(|(a, (node, _))| (0..graph.lens[*node]).map(move |j| (a, j)))
        .map(|(a, j)| json!([a, j, value, dice.unit() * value, *dice.pick(&[0.0, value, -value, 1e300])]))
        .collect();
    let variables = 1 + signs.len() + graph.inputs();
    let size = *dice.pick(&[0.0, 1e-30, 1e-9, 1.0, 1e150]);
    let triangles: Vec<Value> = (0..dice.below(4))
        .map(|_| {
            let visits: Vec<usize> = (0..3).map(|_| dice.below(variables)).collect();
            let signs: Vec<i64> = (0..3).map(|_| *dice.pick(&[-1, -1, 1])).collect();
            json!([visits, signs, size])
        })
        .collect();
    let vertices: Vec<Value> = (0..dice.below(4))
        .map(|_| {
            let coefficients: Vec<f64> = (0..*dice.pick(&[8, 8, 6, 4])).map(|_| size * (dice.unit() - 0.5)).collect();
            json!([dice.below(variables), dice.below(variables), coefficients])
        })
        .collect();
    let (gamma, lambda) = (form["gamma"].clone(), form["lambda"].clone());
    let mut proof = json!({
        "constant": value, "zeta": zeta, "gamma": gamma, "lambda": lambda,
        "signs": signs, "triangles": triangles, "vertices": vertices,
    });
    if dice.chance(0.3) {
        let neurons: Vec<Value> = (0..dice.below(3)).map(|_| json!([dice.below(3), dice.below(3)])).collect();
        proof["choices"] = json!([[dice.below(graph.lens.len()), dice.below(3), neurons]]);
        proof["apart"] = json!([[dice.below(variables), dice.below(variables), [size, -size, 0.0, size]]]);
        proof["whole"] = json!([[dice.below(2), -size]]);
        if dice.chance(0.5) {
            // lists of the grouped network, perhaps
            let group = vec![value; 1 + dice.below(3)];
            let layers = proof["lambda"].as_array_mut().expect("a list of layers");
            layers.insert(dice.below(layers.len() + 1), json!(group));
        }
    }
    proof
}

/// Certificates whose claims went down step by step, the checker accepting every one: an honest one, and one on signs.
pub fn by_descent(
    honest: &Value,
    graph: &Graph,
    functionals: &[Functional],
    norm: InputNorm,
    judge: &Judge<'_>,
    dice: &mut Dice,
) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    let claims = honest["bounds"].as_array().map_or(0, Vec::len);
    if claims == 0 {
        return found;
    }
    let at = dice.below(claims);
    let mut single = honest.clone();
    single["bounds"] = json!([honest["bounds"][at]]);
    // large ones take their time
    if dice.chance(0.3) && single.to_string().len() < 4000 {
        found.push(("pushed down", descend(&single, graph, judge, dice)));
    }
    let everywhere = honest["region"].is_null();
    if everywhere
        && matches!(norm, InputNorm::Linf | InputNorm::L2)
        && let Some(functional) = functionals.get(at)
        && let Some(proof) = signs(graph, functional, norm)
    {
        let (upper, proof) = proof;
        single["bounds"] = json!([{"output": functional, "upper": upper, "proof": {"signs": proof}}]);
        for _ in 0..3 {
            found.push(("signs pushed down", descend(&single, graph, judge, dice)));
        }
    }
    found
}

/// Changes a file in ways that lower its claim as long as it is accepted.
fn descend(start: &Value, graph: &Graph, judge: &Judge<'_>, dice: &mut Dice) -> Value {
    let mut best = start.clone();
    if !judge.accepts(&best) {
        return best;
    }
    for step in 0..STEPS {
        let mut next = match best["bounds"][0]["proof"].get("signs") {
            Some(_) if step % 2 == 0 => with_cycle(&best, graph, dice),
            _ => nudge(&best, dice),
        };
        claim(&mut next, &|upper| upper * (1.0 - 1e-5));
        if !judge.accepts(&next) {
            continue;
        }
        best = next;
        for factor in [0.0, 0.5, 0.9, 0.99, 0.999] {
            let mut lower = best.clone();
            claim(&mut lower, &|upper| upper * factor);
            if judge.accepts(&lower) {
                best = lower;
                break;
            }
        }
    }
    best
}

/// Adds a cycle to a proof on signs, and takes from the multipliers of what it visits what it might be good for.
fn with_cycle(file: &Value, graph: &Graph, dice: &mut Dice) -> Value {
    let mut file = file.clone();
    let proof = &mut file["bounds"][0]["proof"]["signs"];
    let (gammas, deltas) =
        (proof["gamma"].as_array().map_or(0, Vec::len), proof["delta"].as_array().map_or(0, Vec::len));
    let inputs = graph.inputs();
    let largest = proof["delta"].as_array().into_iter().flatten().filter_map(Value::as_f64).fold(0.0, f64::max);
    let weight = largest * *dice.pick(&[0.5, 0.25, 0.125, 0.4, 0.01]);
    let mut added = cycle(inputs + deltas, weight, dice);
    if gammas == 1 {
        // in ℓ2 cycles visit no inputs
        for visit in added[0].as_array_mut().into_iter().flatten() {
            *visit = Value::from(inputs + visit.as_u64().unwrap_or(0) as usize % deltas.max(1));
        }
    }
    let factor = *dice.pick(&[0.5, 1.0, 2.0]) * (1.0 - 1e-4);
    let mut visited: Vec<usize> =
        added[0].as_array().into_iter().flatten().filter_map(Value::as_u64).map(|v| v as usize).collect();
    visited.sort_unstable();
    visited.dedup();
    for variable in visited {
        let multiplier = match variable.checked_sub(inputs) {
            Some(j) => &mut proof["delta"][j],
            None if gammas > 1 => &mut proof["gamma"][variable],
            None => continue,
        };
        if let Some(value) = multiplier.as_f64() {
            *multiplier = number((value - factor * weight).max(0.0));
        }
    }
    if let Some(cuts) = proof["cuts"].as_array_mut() {
        cuts.push(added);
    }
    file
}

/// A true proof on signs by diagonal dominance, for a network with one hidden layer; none for others, or where numbers
/// leave the range.
fn signs(graph: &Graph, functional: &Functional, norm: InputNorm) -> Option<(f64, Value)> {
    let [(node, _)] = graph.layers.as_slice() else { return None };
    let (u, n) = (functional.entries()?, graph.lens[*node]);
    let interval = |j: usize| {
        let slope = graph.activation(0).slope(j);
        (slope.centre(), slope.radius())
    };
    let centre: Vec<f64> = (0..n).map(|j| interval(j).0).collect();
    let row = |slopes: Vec<f64>| {
        let rows = graph.jacobian::<Dyadic>(&[slopes], false);
        size::combine(&rows, &u)
    };
    let middle = row(centre.clone());
    // A: the columns of the neurons, and that of the constant
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let near = |v: &Dyadic| v.wide().near();
    for j in 0..n {
        let mut slopes = centre.clone();
        slopes[j] += interval(j).1;
        let moved = row(slopes);
        columns.push(moved.iter().zip(&middle).map(|(a, b)| near(&a.minus(b))).collect());
    }
    columns.push(middle.iter().map(near).collect());
    let inputs = graph.inputs();
    let slack = 1.0 + 1e-6;
    let (gamma, delta): (Vec<f64>, Vec<f64>) = match norm {
        InputNorm::Linf => (
            (0..inputs).map(|i| slack * columns.iter().map(|c| c[i].abs()).sum::<f64>()).collect(),
            columns.iter().map(|c| slack * c.iter().map(|v| v.abs()).sum::<f64>()).collect(),
        ),
        _ => {
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>().abs();
            let sums: Vec<f64> = columns.iter().map(|a| columns.iter().map(|b| product(a, b)).sum()).collect();
            let total = sums.iter().sum::<f64>().sqrt();
            (vec![slack * total], sums.iter().map(|s| slack * s / total).collect())
        }
    };
    let upper = (gamma.iter().sum::<f64>() * delta.iter().sum::<f64>()).sqrt() * slack;
    let usable = upper.is_finite() && upper > 0.0 && delta.iter().all(|v| v.is_finite());
    usable.then(|| (upper, json!({"gamma": gamma, "delta": delta, "cuts": []})))
}
