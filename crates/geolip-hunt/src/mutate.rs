//! Certificates, spoilt: numbers, lists, claims, norms, regions, proofs.

use crate::dice::Dice;
use crate::graph::Graph;
use serde_json::{Value, json};

/// The path to a place in a file.
type Place = Vec<String>;

/// All places of a value that `wanted` wants.
fn places(value: &Value, wanted: &dyn Fn(&Value) -> bool) -> Vec<Place> {
    fn walk(value: &Value, path: &mut Place, wanted: &dyn Fn(&Value) -> bool, found: &mut Vec<Place>) {
        if wanted(value) {
            found.push(path.clone());
        }
        let mut inside = |key: String, value: &Value| {
            path.push(key);
            walk(value, path, wanted, found);
            path.pop();
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| inside(key.clone(), value)),
            Value::Array(list) => list.iter().enumerate().for_each(|(i, value)| inside(i.to_string(), value)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), wanted, &mut found);
    found
}

fn at<'a>(value: &'a mut Value, place: &[String]) -> Option<&'a mut Value> {
    place.iter().try_fold(value, |value, key| match value {
        Value::Object(map) => map.get_mut(key),
        Value::Array(list) => list.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A number of a file; null where it is none.
pub fn number(v: f64) -> Value {
    serde_json::Number::from_f64(v).map_or(Value::Null, Value::Number)
}

/// Multiplies all claims, nested ones too.
pub fn claim(file: &mut Value, change: &dyn Fn(f64) -> f64) {
    let uppers = places(file, &|value| value.get("upper").is_some_and(Value::is_number));
    for place in uppers {
        if let Some(found) = at(file, &place)
            && let Some(upper) = found["upper"].as_f64()
        {
            found["upper"] = number(change(upper));
        }
    }
}

const FACTORS: [f64; 14] =
    [0.0, 0.5, 0.9, 1.0 - 1e-12, 1.0 + 1e-12, 2.0, -1.0, 1e300, 1e-300, 1.1, 0.25, 4.0, 1e-20, 1.0 - f64::EPSILON];

fn spoilt(v: f64, dice: &mut Dice) -> f64 {
    match dice.below(12) {
        0 => v.next_up(),
        1 => v.next_down(),
        2 => f64::NAN,
        3 => 5e-324,
        _ => v * dice.pick(&FACTORS),
    }
}

/// Changes numbers of the proofs a little: a step of a descent.
pub fn nudge(file: &Value, dice: &mut Dice) -> Value {
    let mut changed = file.clone();
    let numbers = in_bounds(places(file, &Value::is_number));
    for _ in 0..1 + dice.below(2) {
        if numbers.is_empty() {
            break;
        }
        let place = dice.pick(&numbers);
        let factor = *dice.pick(&[0.0, 0.5, 0.8, 0.9, 0.99, 0.999, 1.01, 1.1, 2.0]);
        if let Some(value) = at(&mut changed, place).filter(|value| value.is_f64())
            && place.last().is_some_and(|key| key != "upper")
        {
            *value = number(value.as_f64().unwrap_or(0.0) * factor);
        }
    }
    changed
}

fn in_bounds(places: Vec<Place>) -> Vec<Place> {
    places.into_iter().filter(|place| place.first().is_some_and(|key| key == "bounds")).collect()
}

/// A file with something changed, and what. Two of three times its claims are lowered, too.
pub fn random(honest: &Value, graph: &Graph, dice: &mut Dice) -> (&'static str, Value) {
    let mut file = honest.clone();
    if dice.below(3) > 0 {
        let factor = *dice.pick(&[0.0, 0.5, 0.9, 0.99, 0.9999, 1.0 - 1e-9, 1.0 - 2.3e-16]);
        claim(&mut file, &|upper| upper * factor);
    }
    let numbers = in_bounds(places(honest, &Value::is_number));
    let lists = in_bounds(places(honest, &|value| value.as_array().is_some_and(|list| !list.is_empty())));
    let forms = in_bounds(places(honest, &|value| value.get("zeta").is_some()));
    if lists.is_empty() || numbers.is_empty() {
        return ("claim", file);
    }
    let place = dice.pick(&lists).clone();
    let (one, other) = (dice.below(64), dice.below(64));
    let mut list = |change: &mut dyn FnMut(&mut Vec<Value>)| {
        if let Some(Value::Array(list)) = at(&mut file, &place) {
            change(list);
        }
    };
    let name = match dice.below(16) {
        0..=3 => {
            for _ in 0..1 + dice.below(3) {
                let place = dice.pick(&numbers);
                let Some(value) = at(&mut file, place) else { continue };
                *value = match value.as_u64() {
                    Some(_) if value.is_u64() => Value::from(dice.below(6)),
                    _ => number(spoilt(value.as_f64().unwrap_or(0.0), dice)),
                };
            }
            "numbers"
        }
        4 => {
            let factor = *dice.pick(&FACTORS);
            list(&mut |list| {
                for value in list.iter_mut().filter(|value| value.is_f64()) {
                    *value = number(value.as_f64().unwrap_or(0.0) * factor);
                }
            });
            "a list by a factor"
        }
        5 => {
            list(&mut |list| {
                let n = list.len();
                list.swap(one % n, other % n);
            });
            "swapped"
        }
        6 => {
            list(&mut |list| drop(list.remove(one % list.len())));
            "dropped"
        }
        7 => {
            list(&mut |list| list.insert(other % list.len(), list[one % list.len()].clone()));
            "duplicated"
        }
        8 => {
            file["norm"] = Value::from(*dice.pick(&["linf", "l2", "l1", "3", "2.5", "1e300", "2.0000000000000004"]));
            "another norm"
        }
        9 => {
            region(&mut file, graph.inputs(), dice);
            "another region"
        }
        10 => {
            let claims = file["bounds"].as_array().map_or(0, Vec::len);
            let proofs = [json!("intervals"), json!("patterns"), json!({"inputs": []}), json!({"parts": []})];
            file["bounds"][dice.below(claims)]["proof"] = dice.pick(&proofs).clone();
            "another proof"
        }
        11 => {
            let claims = file["bounds"].as_array().map_or(0, Vec::len);
            let names = ["0", "1", "2", "l2", "linf", "l1", "0-1", "1-0"];
            let mut output = Value::from(*dice.pick(&names));
            if dice.chance(0.2) {
                output = Value::from((0..graph.outputs()).map(|_| dice.normal()).collect::<Vec<f64>>());
            }
            file["bounds"][dice.below(claims)]["output"] = output;
            "another output"
        }
        12 => {
            let (a, b) = (dice.pick(&numbers), dice.pick(&numbers));
            let values = (at(&mut file, a).cloned(), at(&mut file, b).cloned());
            if let (Some(first), Some(second)) = values {
                at(&mut file, a).into_iter().for_each(|value| *value = second.clone());
                at(&mut file, b).into_iter().for_each(|value| *value = first.clone());
            }
            "numbers swapped"
        }
        13 => {
            random_test(&mut file, &forms, dice);
            "random test"
        }
        14 => {
            let cuts = in_bounds(places(honest, &|value| value.get("cuts").is_some()));
            if !cuts.is_empty()
                && let Some(Value::Array(list)) =
                    at(&mut file, dice.pick(&cuts).as_slice()).map(|proof| &mut proof["cuts"])
            {
                let variables = graph.inputs() + graph.layers.first().map_or(0, |(node, _)| graph.lens[*node]) + 1;
                let weight = dice.unit();
                list.push(cycle(variables, weight, dice));
            }
            "a cycle"
        }
        _ => "claim",
    };
    (name, file)
}

/// A cycle of variables, that may repeat, with any signs.
pub fn cycle(variables: usize, weight: f64, dice: &mut Dice) -> Value {
    let length = *dice.pick(&[3, 3, 3, 4, 4, 2, 5]);
    let few: Vec<usize> = (0..*dice.pick(&[2, 3, 4])).map(|_| dice.below(variables)).collect();
    let visits: Vec<usize> = (0..length).map(|at| if at < few.len() { few[at] } else { *dice.pick(&few) }).collect();
    let signs: Vec<i64> = (0..length).map(|_| *dice.pick(&[-1, 1])).collect();
    json!([visits, signs, weight])
}

fn region(file: &mut Value, inputs: usize, dice: &mut Dice) {
    if file["region"].is_null() {
        let half = *dice.pick(&[0.0, 1.0, 1e-3, 1e100]);
        file["region"] = json!({"lower": vec![-half; inputs], "upper": vec![half; inputs]});
    } else if dice.chance(0.4) {
        file["region"] = Value::Null;
    } else {
        let end = *dice.pick(&["lower", "upper"]);
        let factor = *dice.pick(&[0.0, 0.5, 2.0, -1.0]);
        let entry = &mut file["region"][end][dice.below(inputs)];
        *entry = number(entry.as_f64().unwrap_or(0.0) * factor);
    }
}

/// Adds a random test with any numbers, perhaps takes the multipliers away.
fn random_test(file: &mut Value, forms: &[Place], dice: &mut Dice) {
    if forms.is_empty() {
        return;
    }
    let Some(form) = at(file, dice.pick(forms).as_slice()) else { return };
    form["random_test"] = test(dice);
    let keep = dice.below(3);
    let mut some = |value: &mut Value| {
        if value.is_f64() && (keep == 0 || keep == 1 && dice.chance(0.4)) {
            *value = number(0.0);
        }
    };
    for key in ["zeta", "gamma"] {
        form[key].as_array_mut().into_iter().flatten().for_each(&mut some);
    }
    let layers = form["lambda"].as_array_mut().into_iter().flatten();
    layers.filter_map(Value::as_array_mut).flatten().for_each(&mut some);
}

/// What a claim may say of its test.
pub fn test(dice: &mut Dice) -> Value {
    let probability = *dice.pick(&[1e-6, 1e-12, 1e-7, 0.5, 1e-300, 0.0]);
    let margin = *dice.pick(&[0.5, 0.9, 1e-3, 1e-9, 5e-324]);
    let top = *dice.pick(&[1.0, 2.1, 1e6, 1e300, 10.0]);
    json!({"failure_probability": probability, "margin": margin, "top": top})
}
