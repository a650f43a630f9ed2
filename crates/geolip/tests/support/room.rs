//! Certificates with a little more room, to tell rejections that are rounding from others.

use serde_json::{Value, json};

/// By how much ζ or γ is raised to see whether a rejection is one of rounding alone.
const ROOM: f64 = 1e-6;

/// The same with every ζ, γ, δ and bound a little larger.
pub fn with_room(file: &Value) -> Value {
    fn raise(value: &mut Value, inside: bool) {
        match value {
            Value::Number(n) if inside => {
                *value = json!(n.as_f64().expect("a double") * (1.0 + ROOM) + f64::MIN_POSITIVE)
            }
            Value::Array(list) => list.iter_mut().for_each(|v| raise(v, inside)),
            Value::Object(fields) => {
                let own = ["zeta", "gamma", "delta", "constant", "upper"];
                // [layer, neuron, τ, κ, ν]
                let signs = fields.get_mut("signs").and_then(Value::as_array_mut);
                signs.into_iter().flatten().filter_map(|sign| sign.get_mut(2)).for_each(|tau| raise(tau, true));
                fields.iter_mut().for_each(|(name, v)| raise(v, inside || own.contains(&name.as_str())));
            }
            Value::Number(_) | Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    let mut file = file.clone();
    raise(&mut file["bounds"], false);
    // twice for the bound, which goes with the square root; and what may have underflowed
    file["bounds"].as_array_mut().expect("claims").iter_mut().for_each(|claim| {
        let upper = claim["upper"].as_f64().expect("a bound");
        claim["upper"] = json!(upper * (1.0 + 2.0 * ROOM) + 1e-290);
    });
    file
}
