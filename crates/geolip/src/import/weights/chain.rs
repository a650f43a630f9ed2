//! Layers as they are stored to layers in their order and out × in: what the shapes say about both, and where they leave
//! a choice.
//!
//! The order is the order of the numbers in the names. Layers whose names differ in more than numbers (`body`, `head`) are
//! placed by their shapes, and refused where the shapes allow two orders. The orientation is what was asked for, by habit
//! out × in (kernels: in × out), and the other one where only that fits. It is an error where the shapes contradict what was asked
//! for, and where a format has no habit and the shapes allow both.

use super::{Fault, Layer, prefix};
use crate::import::{Plain, Quoted};
use crate::matrix::Matrix;
use std::collections::BTreeMap;

/// How the files of a format store a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// As out × in, unless it is said otherwise.
    OutByIn,
    /// As in × out, unless it is said otherwise.
    InByOut,
    /// One way or the other.
    Either,
}

/// How a matrix is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Orientation {
    OutByIn,
    InByOut,
}

impl Orientation {
    /// What a layer takes.
    fn taken(self, layer: &Layer) -> usize {
        let (_, matrix) = &layer.weight;
        if self == Self::OutByIn { matrix.cols() } else { matrix.rows() }
    }

    /// What a layer gives.
    fn given(self, layer: &Layer) -> usize {
        let (_, matrix) = &layer.weight;
        if self == Self::OutByIn { matrix.rows() } else { matrix.cols() }
    }

    fn other(self) -> Self {
        if self == Self::OutByIn { Self::InByOut } else { Self::OutByIn }
    }

    fn turned(self, matrix: Matrix) -> Matrix {
        if self == Self::OutByIn { matrix } else { matrix.transposed() }
    }
}

/// The layers in their order, out × in; `transposed` says that they are stored in × out, or that they are not, and `one`
/// that they are of one network.
pub(super) fn arrange(
    layers: Vec<Layer>,
    transposed: Option<bool>,
    habit: Habit,
    one: bool,
) -> Result<Vec<Layer>, Fault> {
    let mut orientation = match (transposed, habit) {
        (Some(true), _) | (None, Habit::InByOut) => Orientation::InByOut,
        (Some(false), _) | (None, Habit::OutByIn | Habit::Either) => Orientation::OutByIn,
    };
    let mut orders = orders(&layers, orientation);
    if transposed.is_none() && orders.is_empty() {
        // shapes that fit one way only say which it is
        let others = self::orders(&layers, orientation.other());
        if !others.is_empty() {
            (orientation, orders) = (orientation.other(), others);
        }
    }
    let otherwise = || !self::orders(&layers, orientation.other()).is_empty();
    match (orders.pop(), orders.is_empty()) {
        (None, _) => Err(misfit(&layers, orientation, otherwise())),
        (Some(_), true) if transposed.is_none() && habit == Habit::Either && otherwise() => Err(Fault::of_file(
            "the shapes fit as out x in and as in x out, and the file does not say which: give --transposed=false or --transposed",
        )),
        (Some(order), true) => {
            let layers = placed(layers, &order, orientation);
            if one { Ok(layers) } else { one_network(layers) }
        }
        (Some(_), false) => {
            let names = names(&layers);
            Err(Fault::of_file(format!(
                "the order of the layers {names} is not clear: number them, as in fc1, fc2, or choose some with --prefix"
            )))
        }
    }
}

fn placed(layers: Vec<Layer>, order: &[usize], orientation: Orientation) -> Vec<Layer> {
    let mut layers: Vec<Option<Layer>> = layers.into_iter().map(Some).collect();
    let placed = order.iter().filter_map(|&index| layers[index].take());
    placed
        .map(|Layer { name, weight: (key, matrix), bias, family, group }| Layer {
            name,
            weight: (key, orientation.turned(matrix)),
            bias,
            family,
            group,
        })
        .collect()
}

/// The layers, out × in and in their order, where nothing suggests that they are of two networks.
///
/// Shapes that fit are no proof that one layer follows another. Numbers in names are: layers of one group are of one
/// network. A second group is taken for a continuation of the first only if it is a single layer, of no other module
/// (`actor.0`, `critic.0`), that fits nowhere else: neither at the input nor behind the end of another group.
fn one_network(layers: Vec<Layer>) -> Result<Vec<Layer>, Fault> {
    let taken = |layer: &Layer| Orientation::OutByIn.taken(layer);
    let given = |layer: &Layer| Orientation::OutByIn.given(layer);
    let count = |group: usize| layers.iter().filter(|layer| layer.group == group).count();
    let module = |layer: &Layer| layer.name.split_once(['.', '/']).map(|(module, _)| module.to_owned());
    let doubt = layers.iter().enumerate().skip(1).find_map(|(index, layer)| {
        let before = &layers[..index];
        if before.iter().any(|earlier| earlier.group == layer.group) {
            return None;
        }
        before.iter().enumerate().find_map(|(at, other)| {
            let is_end = layers[at + 1..].iter().all(|later| later.group != other.group);
            let several = count(other.group) > 1 && count(layer.group) > 1;
            let apart = module(other).zip(module(layer)).is_some_and(|(a, b)| a != b);
            let elsewhere = at + 1 < index && is_end && given(other) == taken(layer);
            let beside = at == 0 && taken(other) == taken(layer);
            (several || apart || elsewhere || beside).then_some((other, layer))
        })
    });
    let Some((one, other)) = doubt else { return Ok(layers) };
    let (a, b) = prefix::beginnings(&one.name, &other.name);
    Err(Fault::of_file(format!(
        "holds {} and {}, which may be of two networks: choose one with --prefix {} or --prefix {}, or say that all \
         arrays are of one with --prefix ''",
        Quoted(&one.weight.0),
        Quoted(&other.weight.0),
        Plain(a),
        Plain(b)
    )))
}

/// Most steps in the search for an order, and most families among which it searches. Numbered layers need no search.
const MOST_STEPS: usize = 4096;
const MOST_FAMILIES: usize = 64;

/// The orders in which every layer takes what the one before gives and every family keeps its own order: none, one, or
/// two of them. Two also stands for a search that was given up.
fn orders(layers: &[Layer], orientation: Orientation) -> Vec<Vec<usize>> {
    let fits = |(a, b): (&Layer, &Layer)| orientation.given(a) == orientation.taken(b);
    if layers.iter().any(|layer| bias_fault(layer, orientation).is_some()) {
        return Vec::new();
    }
    let families = families(layers);
    if families.len() <= 1 {
        let fit = layers.iter().zip(layers.iter().skip(1)).all(fits);
        return if fit { vec![(0..layers.len()).collect()] } else { Vec::new() };
    }
    let unclear = || vec![Vec::new(); 2];
    if families.len() > MOST_FAMILIES {
        return unclear();
    }
    let mut found = Vec::new();
    let mut partial = vec![Vec::new()];
    for _ in 0..MOST_STEPS {
        let Some(order): Option<Vec<usize>> = partial.pop() else { return found };
        if order.len() == layers.len() {
            found.push(order);
            if found.len() == 2 {
                return found;
            }
            continue;
        }
        for family in &families {
            let next = family.iter().copied().find(|index| !order.contains(index));
            let next = next.filter(|&next| order.last().is_none_or(|&last| fits((&layers[last], &layers[next]))));
            partial.extend(next.map(|next| [order.as_slice(), &[next]].concat()));
        }
    }
    unclear()
}

/// The layers of each family, in their order.
fn families(layers: &[Layer]) -> Vec<Vec<usize>> {
    let mut families: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, layer) in layers.iter().enumerate() {
        families.entry(layer.family).or_default().push(index);
    }
    families.into_values().collect()
}

fn bias_fault(layer: &Layer, orientation: Orientation) -> Option<Fault> {
    let (key, bias) = layer.bias.as_ref()?;
    let (found, given, weight) = (bias.len(), orientation.given(layer), &layer.weight.0);
    (found != given).then(|| Fault::of(key, format!("has {found} numbers where {weight} gives {given}")))
}

/// The first misfit in the order of the names; `otherwise` is whether all would fit in the other orientation.
fn misfit(layers: &[Layer], orientation: Orientation, otherwise: bool) -> Fault {
    let pairs = layers.iter().zip(layers.iter().skip(1));
    let shape = |(a, b): (&Layer, &Layer)| {
        let (given, taken) = (orientation.given(a), orientation.taken(b));
        let fault = || Fault::of(&b.weight.0, format!("takes {taken} numbers where {} gives {given}", a.weight.0));
        (given != taken).then(fault)
    };
    let mut shapes = std::iter::once(None).chain(pairs.map(shape));
    let fault = layers.iter().find_map(|layer| shapes.next().flatten().or_else(|| bias_fault(layer, orientation)));
    let hint = match (otherwise, orientation) {
        (true, Orientation::OutByIn) => "; as in x out all shapes fit: give --transposed".to_owned(),
        (true, Orientation::InByOut) => "; as out x in all shapes fit: leave out --transposed".to_owned(),
        (false, _) if families(layers).len() > 1 => {
            format!(" (layers in the order {}); if they are of two networks, choose one with --prefix", names(layers))
        }
        (false, _) => String::new(),
    };
    let Fault { key, reason } = fault.unwrap_or_else(|| Fault::of_file("the shapes of the layers do not fit"));
    Fault { key, reason: reason + &hint }
}

/// The first few keys.
fn names(layers: &[Layer]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<String> = layers.iter().take(SHOWN).map(|layer| Quoted(&layer.weight.0).to_string()).collect();
    shown.join(", ") + if layers.len() > SHOWN { ", …" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer of a family, with or without a bias of this length.
    fn layer(key: &str, family: usize, shape: (usize, usize), bias: Option<usize>) -> Layer {
        let weight = (key.to_owned(), Matrix::zeros(shape.0, shape.1));
        let bias = bias.map(|len| (format!("{key}'s bias"), vec![0.0; len]));
        Layer { name: key.to_owned(), weight, bias, family, group: family }
    }

    fn chain(shapes: &[(usize, usize)]) -> Vec<Layer> {
        (1..).zip(shapes).map(|(number, &shape)| layer(&format!("W{number}"), 0, shape, None)).collect()
    }

    fn fault(layers: Vec<Layer>, transposed: Option<bool>, habit: Habit) -> String {
        let Fault { key, reason } = arrange(layers, transposed, habit, false).expect_err("a fault");
        format!("{}: {reason}", key.unwrap_or_default())
    }

    fn keys(layers: Vec<Layer>) -> Result<String, Fault> {
        let layers = arrange(layers, None, Habit::OutByIn, false)?;
        Ok(layers.into_iter().map(|layer| layer.weight.0).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_orientation_asked_for_is_the_one_read() -> Result<(), Fault> {
        let stored = layer("W1", 0, (2, 3), Some(3));
        let read = arrange(vec![stored.clone()], Some(true), Habit::Either, false)?;
        assert_eq!((read[0].weight.1.rows(), read[0].weight.1.cols()), (3, 2));
        let square = chain(&[(2, 2), (2, 2)]);
        for (transposed, habit) in [
            (None, Habit::OutByIn),
            (Some(true), Habit::OutByIn),
            (Some(false), Habit::Either),
            (Some(true), Habit::Either),
        ] {
            assert_eq!(arrange(square.clone(), transposed, habit, false)?.len(), 2);
        }
        Ok(())
    }

    #[test]
    fn shapes_that_contradict_it_are_named() {
        let hint = "as in x out all shapes fit: give --transposed";
        for habit in [Habit::OutByIn, Habit::InByOut, Habit::Either] {
            let taken = format!("W2: takes 5 numbers where W1 gives 3; {hint}");
            assert_eq!(fault(chain(&[(3, 2), (2, 5)]), Some(false), habit), taken);
            let bias = vec![layer("W1", 0, (3, 2), Some(2))];
            assert_eq!(fault(bias, Some(false), habit), format!("W1's bias: has 2 numbers where W1 gives 3; {hint}"));
        }
        let turned = fault(chain(&[(2, 3), (5, 2)]), Some(true), Habit::Either);
        assert_eq!(turned, "W2: takes 5 numbers where W1 gives 3; as out x in all shapes fit: leave out --transposed");
        assert_eq!(
            fault(chain(&[(3, 2), (5, 4)]), None, Habit::OutByIn),
            "W2: takes 4 numbers where W1 gives 3",
            "no orientation fits"
        );
    }

    #[test]
    fn what_fits_one_way_only_is_read_that_way() -> Result<(), Fault> {
        for habit in [Habit::OutByIn, Habit::InByOut, Habit::Either] {
            let read = arrange(chain(&[(3, 2), (2, 5)]), None, habit, false)?;
            assert_eq!((read[0].weight.1.cols(), read[1].weight.1.rows()), (3, 5), "in x out");
            let read = arrange(chain(&[(2, 3), (5, 2)]), None, habit, false)?;
            assert_eq!((read[0].weight.1.cols(), read[1].weight.1.rows()), (3, 5), "out x in");
            let told = arrange(vec![layer("W1", 0, (3, 2), Some(2))], None, habit, false)?;
            assert_eq!(told[0].weight.1.cols(), 3, "the bias tells");
        }
        let kernel = arrange(chain(&[(3, 3), (3, 3)]), None, Habit::InByOut, false)?;
        assert_eq!(kernel.len(), 2, "by habit in x out");
        Ok(())
    }

    #[test]
    fn two_orientations_are_a_choice_where_the_format_has_no_habit() {
        let choice = ": the shapes fit as out x in and as in x out, and the file does not say which: \
                      give --transposed=false or --transposed";
        for shapes in [&[(2, 2), (2, 2)][..], &[(4, 3), (3, 4)], &[(2, 3)]] {
            assert_eq!(fault(chain(shapes), None, Habit::Either), choice, "{shapes:?}");
        }
        let told = vec![layer("W1", 0, (2, 3), Some(2))];
        assert!(arrange(told, None, Habit::Either, false).is_ok(), "the bias tells");
    }

    #[test]
    fn names_that_are_not_numbered_are_placed_by_their_shapes() -> Result<(), Fault> {
        let body = || layer("body", 0, (4, 3), None);
        let head = || layer("head", 1, (2, 4), None);
        assert_eq!(keys(vec![body(), head()])?, "body head");
        assert_eq!(keys(vec![layer("a", 0, (2, 4), None), layer("b", 1, (4, 3), None)])?, "b a");
        let numbered = [layer("fc1", 0, (4, 3), None), layer("fc2", 0, (4, 4), None), layer("fc3", 0, (4, 4), None)];
        assert_eq!(keys([numbered.to_vec(), vec![layer("out", 1, (2, 4), None)]].concat())?, "fc1 fc2 fc3 out");
        let square = vec![body(), layer("neck", 2, (4, 4), None), layer("spine", 3, (4, 4), None), head()];
        assert_eq!(
            keys(square).expect_err("two orders").reason,
            "the order of the layers 'body', 'neck', 'spine', 'head' is not clear: number them, as in fc1, fc2, or choose some with --prefix"
        );
        assert_eq!(
            fault(vec![body(), layer("head", 1, (2, 5), None)], None, Habit::OutByIn),
            "head: takes 5 numbers where body gives 4 (layers in the order 'body', 'head'); if they are of two networks, \
             choose one with --prefix"
        );
        assert!(fault(vec![body(), head()], None, Habit::Either).contains("and as in x out"), "head, then body");
        Ok(())
    }

    #[test]
    fn what_may_be_two_networks_is_refused_with_the_choice() {
        let group = |key: &str, group: usize, shape| Layer { group, ..layer(key, 0, shape, None) };
        let reason = |layers: Vec<Layer>| arrange(layers, None, Habit::OutByIn, false).expect_err("two").reason;
        let twins = || {
            vec![group("q1.0", 0, (4, 4)), group("q1.2", 0, (4, 4)), group("q2.0", 1, (4, 4)), group("q2.2", 1, (1, 4))]
        };
        assert_eq!(
            reason(twins()),
            "holds 'q1.0' and 'q2.0', which may be of two networks: choose one with --prefix q1 or --prefix q2, or say \
             that all arrays are of one with --prefix ''"
        );
        assert_eq!(arrange(twins(), None, Habit::OutByIn, true).map(|layers| layers.len()), Ok(4));
        let two = |a: &str, b: &str, last| vec![layer(a, 0, (4, 3), None), layer(b, 1, last, None)];
        assert!(reason(two("actor.0", "critic.0", (1, 4))).contains("--prefix actor or --prefix critic"));
        let beside = vec![layer("policy", 0, (3, 3), None), layer("value", 1, (1, 3), None)];
        assert!(reason(beside).contains("'policy' and 'value'"), "both may take the input");
        let heads =
            vec![layer("body", 0, (4, 3), None), layer("policy", 1, (4, 4), None), layer("value", 2, (1, 4), None)];
        assert!(reason(heads).contains("'body' and 'value'"), "both may take what the body gives");
        assert!(arrange(two("net.0", "head", (1, 4)), None, Habit::OutByIn, false).is_ok());
        assert!(arrange(two("net.0", "net.head", (1, 4)), None, Habit::OutByIn, false).is_ok());
    }

    #[test]
    fn a_long_search_is_given_up() {
        let many = (0..200).map(|family| layer(&family.to_string(), family, (2, 2), None)).collect();
        assert!(fault(many, None, Habit::OutByIn).contains("'5', … is not clear"));
        let mut apart: Vec<Layer> = (0..20).map(|family| layer(&family.to_string(), family, (2, 2), None)).collect();
        apart.push(layer("no neighbour", 20, (3, 3), None));
        assert!(fault(apart, None, Habit::OutByIn).contains("is not clear"));
    }
}
