//! Which pairs of numbers are proportional, up to rounding: found by their direction, in time linear in their number.

use super::forms::Entry;
use std::collections::HashMap;
use std::f64::consts::PI;

/// How many directions are told apart.
const DIRECTIONS: f64 = (1_u64 << 31) as f64;
/// With how many others of the same direction one is compared: more than that agree by being constant.
const MOST_TRIES: usize = 8;

/// Entries by the direction of their values in two random columns.
#[derive(Default)]
pub(super) struct Alike {
    /// The last entry of each direction.
    last: HashMap<u32, u32>,
    /// Every entry, and the one before it of the same direction.
    all: Vec<(Entry, Option<u32>)>,
}

impl Alike {
    /// The known entries with proportional values, the last ones first; no more of a direction than can be looked at.
    pub(super) fn to(&self, values: [f64; 2]) -> Vec<Entry> {
        let mut found = vec![];
        let Some((near, next)) = directions(values) else { return found };
        for direction in [near, next] {
            let mut at = self.last.get(&direction).copied();
            for _ in 0..MOST_TRIES {
                let Some(place) = at else { break };
                let (entry, before) = self.all[place as usize];
                found.push(entry);
                at = before;
            }
        }
        found
    }

    /// One entry more.
    pub(super) fn add(&mut self, values: [f64; 2], entry: Entry) {
        let Some((direction, _)) = directions(values) else { return };
        let Ok(place) = u32::try_from(self.all.len()) else { return };
        let before = self.last.insert(direction, place);
        self.all.push((entry, before));
    }
}

/// The direction of a line through the origin, as a number, and the one on its other side that is nearer; none for no line.
fn directions([p, q]: [f64; 2]) -> Option<(u32, u32)> {
    let scale = p.abs().max(q.abs());
    if !scale.is_normal() {
        return None;
    }
    let turn = ((q / scale).atan2(p / scale) / PI + 1.0).fract() * DIRECTIONS;
    let all = DIRECTIONS as u64;
    let near = turn as u64 % all;
    let next = if turn.fract() < 0.5 { near + all - 1 } else { near + 1 } % all;
    Some((u32::try_from(near).ok()?, u32::try_from(next).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NodeId;

    #[test]
    fn multiples_are_alike_and_others_are_not() {
        let mut alike = Alike::default();
        let entry = |index| Entry::of(NodeId::INPUT, index);
        let values: Vec<[f64; 2]> =
            (0..1000).map(|i| [(i as f64 * 0.37).sin(), (i as f64 * 0.91 + 0.2).cos()]).collect();
        for (i, v) in values.iter().enumerate() {
            assert_eq!(alike.to(*v), [], "{i}");
            alike.add(*v, entry(i));
        }
        for (i, [p, q]) in values.iter().enumerate() {
            for c in [1.0, -1.0, 0.25, -1e-300, 1e200, 3.0 * (1.0 + 1e-15)] {
                assert_eq!(alike.to([c * p, c * q]), [entry(i)], "{c} times {i}");
            }
        }
        assert_eq!(alike.to([0.0, 0.0]), []);
        assert_eq!(alike.to([f64::NAN, 1.0]), []);
    }
}
