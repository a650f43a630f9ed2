//! The end of a search that is stopped: what is proved of the cases that are open.
//!
//! Every open case gets a bound from its own solution. The largest of them is the bound of the whole, and a few cases, in which an ascent ended in a bad place, have bounds
//! far above their values: as long as there is time, these are split, which mostly mends it.

use super::{Cases, Relaxed, Start};
use crate::proof::Certificate;
use crate::search::engine::{Expert, Progress, TARGET, Verdict};
use crate::search::tree::{Open, State, Tree};
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// Open cases up to which each gets the best bound it can have; of more, a bound near the largest of their values will do, which costs no more than solving them did.
const FEW: usize = 32;
/// Cases that are split in one round, and rounds in a row that do not lower the bound after which no more follow.
const ROUND: usize = 8;
const IDLE: usize = 8;

impl Cases<'_> {
    /// Proves for open cases what their own solutions give, so that the tree as it stands is a bound.
    pub fn bound_open(&self, progress: &mut Progress<Start>, end: Option<Instant>) {
        let (near, target) = (progress.near(self.tol), progress.target(self.tol));
        let open = progress.tree.all_open();
        let enough = if open.len() > FEW && near.is_finite() { near } else { target };
        let tree = &progress.tree;
        let bounded: Vec<(usize, Certificate)> = open
            .par_iter()
            .filter(|_| end.is_none_or(|end| Instant::now() < end))
            .filter_map(|&id| {
                let open = tree.open(id)?;
                if open.is_proved(enough) {
                    return None;
                }
                let network = tree.network(tree.place(id)?)?;
                let relaxed = Relaxed::after(self.problem, &network, end);
                Some((id, self.bound_one(&relaxed, self.start(open), enough)?))
            })
            .collect();
        for (id, certificate) in bounded {
            progress.tree.prove(id, certificate);
        }
        if open.len() > FEW {
            self.split_above(near, progress, end);
        }
        for id in progress.tree.all_open() {
            progress.tree.close(id);
        }
    }

    /// A bound of a case: `enough` if that is within reach, else the best there is.
    pub(super) fn bound_one(&self, relaxed: &Relaxed<'_>, start: &Start, enough: f64) -> Option<Certificate> {
        if self.problem.cuts.is_some() {
            return relaxed.bound(start, enough);
        }
        if let Some(Verdict::Closed(case)) = relaxed.solve(start, enough).map(|solved| solved.verdict) {
            return Some(*case);
        }
        let solved = relaxed.converge(start)?;
        let own = (solved.value * (1.0 + TARGET * self.tol)).max(enough);
        let bounded = relaxed.bound(&solved.kept, own);
        if bounded.as_ref().is_some_and(|case| case.upper() <= own) {
            return bounded;
        }
        // an ascent that ended in a bad place: once more, from the solution of the whole
        let again = relaxed.converge(&self.origin).and_then(|solved| relaxed.bound(&solved.kept, own));
        bounded.into_iter().chain(again).min_by(|a, b| a.upper().total_cmp(&b.upper()))
    }

    /// Splits the cases with the largest bounds above `near`, for as long as there is time.
    fn split_above(&self, near: f64, progress: &mut Progress<Start>, end: Option<Instant>) {
        let each = progress.ending(self.ending());
        let (mut idle, mut before, mut longest) =
            (0, f64::INFINITY, each * (2 * ROUND / rayon::current_num_threads()) as u32);
        while idle < IDLE && end.is_none_or(|end| Instant::now() + longest < end) {
            let begun = Instant::now();
            let tree = &progress.tree;
            let upper = |id: usize| tree.open(id).and_then(|open| Some(open.certificate.as_ref()?.upper()));
            let mut above: Vec<(f64, usize)> =
                tree.all_open().into_iter().map(|id| (upper(id).unwrap_or(f64::INFINITY), id)).collect();
            above.retain(|(upper, id)| *upper > near && tree.open(*id).is_some_and(|open| open.knife.is_some()));
            above.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let Some((largest, _)) = above.first().copied() else { return };
            idle = if largest < before { 0 } else { idle + 1 };
            before = before.min(largest);
            above.truncate(ROUND);
            let halves: Vec<(usize, bool)> = above.iter().flat_map(|(_, id)| [(*id, false), (*id, true)]).collect();
            let found: Vec<Option<State<Start>>> =
                halves.into_par_iter().map(|half| self.half(tree, half, (near, end))).collect();
            let mut found = found.into_iter();
            for (_, id) in above {
                let knife = progress.tree.open(id).and_then(|open| open.knife);
                let halves = (found.next().flatten(), found.next().flatten());
                if let (Some(knife), (Some(lower), Some(upper))) = (knife, halves) {
                    progress.tree.branch(id, knife, [lower, upper]);
                } else {
                    progress.tree.close(id);
                }
            }
            longest = longest.max(begun.elapsed());
        }
    }

    /// One half of an open case, with a bound of it.
    fn half(
        &self,
        tree: &Tree<Start>,
        (id, upper): (usize, bool),
        (near, end): (f64, Option<Instant>),
    ) -> Option<State<Start>> {
        let above = tree.open(id)?;
        let network = tree.network(tree.child(id, above.knife?, upper)?)?;
        let relaxed = Relaxed::after(self.problem, &network, end);
        let found = self.solve(&relaxed, &network, self.start(above), near)?;
        Some(match found.verdict {
            Verdict::Closed(certificate) => State::Closed(certificate),
            Verdict::Thin(named) => State::Thin(named),
            Verdict::Open(knife, _) => {
                let certificate = self.bound_one(&relaxed, &found.kept, near).map(Box::new);
                State::Open(Open { value: found.value, knife, certificate, kept: Some(Arc::new(found.kept)) })
            }
        })
    }
}
