//! The arrays of one network among those of several: by what their names begin with.

use super::Fault;
use crate::import::Quoted;
use std::collections::BTreeSet;

/// What stands between the parts of a name.
const SEPARATORS: [char; 3] = ['.', '_', '/'];
/// What stands between modules.
const MODULES: [char; 2] = ['.', '/'];

/// A thing and its name.
type Named<T> = (String, T);

/// What belongs to the network that was asked for, named without the prefix, and the names of the rest. Everything
/// belongs to it where no prefix is given, or an empty one.
pub(super) fn choose<T>(named: Vec<Named<T>>, prefix: Option<&str>) -> Result<(Vec<Named<T>>, Vec<String>), Fault> {
    let Some(prefix) = prefix.map(|prefix| prefix.trim_end_matches(SEPARATORS)).filter(|prefix| !prefix.is_empty())
    else {
        return Ok((named, Vec::new()));
    };
    // actor_obs_normalizer.mean is no part of actor where there is an actor.0
    let modules = named.iter().any(|(name, _)| rest(name, prefix, &MODULES).is_some());
    let separators = if modules { &MODULES[..] } else { &SEPARATORS[..] };
    let heads = if modules { None } else { Heads::of(&named, prefix)? };
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    for (name, thing) in named {
        let inner = match &heads {
            Some(heads) => heads.inner(&name),
            None => rest(&name, prefix, separators).map(str::to_owned),
        };
        match inner {
            Some(inner) if !is_noise(&inner) => chosen.push((inner, thing)),
            _ => others.push(name),
        }
    }
    if chosen.is_empty() {
        let first = |name: &String| name.split(SEPARATORS).next().unwrap_or_default().to_owned();
        let known: BTreeSet<String> = others.iter().map(first).collect();
        let known: Vec<String> = known.iter().take(6).map(|name| Quoted(name).to_string()).collect();
        let (prefix, known) = (Quoted(prefix), known.join(", "));
        return Err(Fault::of_file(format!("no array has a name that begins with {prefix}; they begin with {known}")));
    }
    Ok((chosen, others))
}

/// A name without its beginning.
fn rest<'a>(name: &'a str, prefix: &str, separators: &[char]) -> Option<&'a str> {
    name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(separators))
}

/// Whether an array is the noise that an actor explores with, beside its mean.
fn is_noise(name: &str) -> bool {
    let module = name.rsplit_once(['.', '/']).map_or(name, |(module, _)| module);
    matches!(module, "log_std" | "std")
}

/// A network of stable-baselines3 (`--prefix actor` or `critic`) in two parts: hidden layers in `mlp_extractor`, and a head.
struct Heads {
    body: &'static str,
    head: &'static str,
    /// The number of the head among the layers of the body.
    last: u64,
}

impl Heads {
    fn of<T>(named: &[Named<T>], prefix: &str) -> Result<Option<Self>, Fault> {
        let (body, head) = match prefix {
            "actor" => ("mlp_extractor.policy_net.", "action_net."),
            "critic" => ("mlp_extractor.value_net.", "value_net."),
            _ => return Ok(None),
        };
        if !named.iter().any(|(name, _)| name.starts_with(head)) {
            return Ok(None);
        }
        let before = |(name, _): &&Named<T>| name.contains("features_extractor.");
        if let Some((name, _)) = named.iter().find(before) {
            return Err(Fault::of(name, "is of a network before this one; export both together to ONNX"));
        }
        let number = |(name, _): &Named<T>| name.strip_prefix(body)?.split('.').next()?.parse::<u64>().ok();
        let last = named.iter().filter_map(number).max().map_or(0, |last| last.saturating_add(1));
        Ok(Some(Self { body, head, last }))
    }

    /// The name of an array within the network.
    fn inner(&self, name: &str) -> Option<String> {
        let head = || name.strip_prefix(self.head).map(|rest| format!("{}.{rest}", self.last));
        name.strip_prefix(self.body).map(str::to_owned).or_else(head)
    }
}

/// The shortest beginnings that tell two names apart.
pub(super) fn beginnings<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    let ends = |name: &'a str| {
        name.char_indices().filter(|(_, c)| SEPARATORS.contains(c)).map(|(at, _)| at).chain([name.len()])
    };
    for (i, j) in ends(a).zip(ends(b)) {
        if a[..i] != b[..j] {
            return (&a[..i], &b[..j]);
        }
    }
    (a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_chooses_whole_parts_of_names() {
        let named = || ["a.0.weight", "ab.0.weight", "a_W1", "b.bias"].map(|name| (name.to_owned(), ())).to_vec();
        let names = |prefix: Option<&str>| -> Vec<String> {
            choose(named(), prefix).expect("some").0.into_iter().map(|(name, ())| name).collect()
        };
        assert_eq!(names(None).len(), 4);
        assert_eq!(names(Some("")).len(), 4);
        assert_eq!(names(Some("a")), ["0.weight"], "a_W1 is no module's");
        assert_eq!(names(Some("a.")), ["0.weight"]);
        assert_eq!(names(Some("ab.0")), ["weight"]);
        assert_eq!(choose(named(), Some("a")).expect("some").1, ["ab.0.weight", "a_W1", "b.bias"]);
        let none = choose(named(), Some("c")).expect_err("no such name").reason;
        assert_eq!(none, "no array has a name that begins with 'c'; they begin with 'a', 'ab', 'b'");
    }

    #[test]
    fn actors_are_chosen_as_people_save_them() {
        let names = |named: &[&str], prefix: &str| -> Result<Vec<String>, Fault> {
            let named = named.iter().map(|&name| (name.to_owned(), ())).collect();
            Ok(choose(named, Some(prefix))?.0.into_iter().map(|(name, ())| name).collect())
        };
        let rsl = ["std", "actor.0.weight", "actor.0.bias", "actor_obs_normalizer._mean", "critic.0.weight"];
        assert_eq!(names(&rsl, "actor"), Ok(vec!["0.weight".to_owned(), "0.bias".to_owned()]));
        let sac = ["actor.latent_pi.0.weight", "actor.mu.weight", "actor.log_std.weight", "critic.qf0.0.weight"];
        assert_eq!(names(&sac, "actor"), Ok(vec!["latent_pi.0.weight".to_owned(), "mu.weight".to_owned()]));
        let ppo = [
            "log_std",
            "mlp_extractor.policy_net.0.weight",
            "mlp_extractor.policy_net.2.weight",
            "mlp_extractor.value_net.0.weight",
            "action_net.weight",
            "value_net.weight",
        ];
        assert_eq!(names(&ppo, "actor"), Ok(vec!["0.weight".to_owned(), "2.weight".to_owned(), "3.weight".to_owned()]));
        assert_eq!(names(&ppo, "critic"), Ok(vec!["0.weight".to_owned(), "1.weight".to_owned()]));
        let cnn = [&ppo[..], &["features_extractor.cnn.0.weight"]].concat();
        assert!(names(&cnn, "actor").expect_err("it has an extractor").reason.contains("export both together"));
    }

    #[test]
    fn names_are_told_apart_by_their_shortest_beginnings() {
        assert_eq!(beginnings("actor.0", "critic.0"), ("actor", "critic"));
        assert_eq!(beginnings("blocks.0.fc1", "blocks.1.fc1"), ("blocks.0", "blocks.1"));
        assert_eq!(beginnings("body", "head"), ("body", "head"));
    }
}
