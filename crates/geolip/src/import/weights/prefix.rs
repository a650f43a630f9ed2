//! The arrays of one network among those of several: by what their names begin with.

use super::Fault;
use crate::import::Quoted;
use std::collections::BTreeSet;

/// What stands between the parts of a name.
const SEPARATORS: [char; 3] = ['.', '_', '/'];

/// A thing and its name.
type Named<T> = (String, T);

/// What belongs to the network that was asked for, named without the prefix, and the names of the rest. Everything
/// belongs to it where no prefix is given, or an empty one.
pub(super) fn choose<T>(named: Vec<Named<T>>, prefix: Option<&str>) -> Result<(Vec<Named<T>>, Vec<String>), Fault> {
    let Some(prefix) = prefix.map(|prefix| prefix.trim_end_matches(SEPARATORS)).filter(|prefix| !prefix.is_empty())
    else {
        return Ok((named, Vec::new()));
    };
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    for (name, thing) in named {
        match name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(SEPARATORS)) {
            Some(rest) => chosen.push((rest.to_owned(), thing)),
            None => others.push(name),
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
        assert_eq!(names(Some("a")), ["0.weight", "W1"]);
        assert_eq!(names(Some("a.")), ["0.weight", "W1"]);
        assert_eq!(names(Some("ab.0")), ["weight"]);
        assert_eq!(choose(named(), Some("a")).expect("some").1, ["ab.0.weight", "b.bias"]);
        let none = choose(named(), Some("c")).expect_err("no such name").reason;
        assert_eq!(none, "no array has a name that begins with 'c'; they begin with 'a', 'ab', 'b'");
    }

    #[test]
    fn names_are_told_apart_by_their_shortest_beginnings() {
        assert_eq!(beginnings("actor.0", "critic.0"), ("actor", "critic"));
        assert_eq!(beginnings("blocks.0.fc1", "blocks.1.fc1"), ("blocks.0", "blocks.1"));
        assert_eq!(beginnings("body", "head"), ("body", "head"));
    }
}
