//! What best-first searches share: their queue, and how several bounds share the time.

use crate::report::Bound;
use std::cmp::Ordering;
use std::time::{Duration, Instant};

/// A node in a queue: the largest value first, and of equal ones the oldest.
pub(crate) struct Entry {
    pub value: f64,
    pub id: usize,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.total_cmp(&other.value).then_with(|| other.id.cmp(&self.id))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

/// One bound's turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// The bound's place in the report.
    pub index: usize,
    /// What another bound is known to reach: matters only where the largest of all counts.
    pub reached: f64,
    /// When its share of the time ends.
    pub deadline: Option<Instant>,
}

/// Improves bounds one after the other; each gets an equal share of what is left of `limit`, counted from `begun`. With
/// `largest`, bounds matter only as far as they exceed what another one reaches (as `reaches` says), and the largest comes first.
pub(crate) fn in_turn<E>(
    (bounds, largest): (Vec<Bound>, bool),
    (begun, limit): (Instant, Option<Duration>),
    reaches: impl Fn(&Bound) -> f64,
    mut improve: impl FnMut(Bound, Turn) -> Result<Bound, E>,
) -> Result<Vec<Bound>, E> {
    let mut reached = if largest { bounds.iter().map(&reaches).fold(0.0, f64::max) } else { 0.0 };
    let mut order: Vec<usize> = (0..bounds.len()).collect();
    if largest {
        order.sort_by(|a, b| bounds[*b].upper().total_cmp(&bounds[*a].upper()));
    }
    let mut bounds: Vec<Option<Bound>> = bounds.into_iter().map(Some).collect();
    for (done, index) in order.iter().enumerate() {
        let Some(bound) = bounds[*index].take() else { continue };
        let deadline = limit.and_then(|limit| {
            let left = limit.saturating_sub(begun.elapsed());
            Instant::now().checked_add(left / u32::try_from(order.len() - done).unwrap_or(u32::MAX))
        });
        let bound = improve(bound, Turn { index: *index, reached, deadline })?;
        if largest {
            reached = reached.max(reaches(&bound));
        }
        bounds[*index] = Some(bound);
    }
    Ok(bounds.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BinaryHeap;

    #[test]
    fn the_largest_comes_first_and_of_equal_ones_the_oldest() {
        let entries = [(1.0, 0), (3.0, 2), (3.0, 1), (f64::INFINITY, 3)];
        let mut queue: BinaryHeap<Entry> = entries.into_iter().map(|(value, id)| Entry { value, id }).collect();
        let order: Vec<usize> = std::iter::from_fn(|| queue.pop()).map(|entry| entry.id).collect();
        assert_eq!(order, [3, 1, 2, 0]);
    }
}
