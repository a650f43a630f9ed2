//! Functions whose derivative has one formula after the other, from left to right.

use super::scalar::{Interval, NEAR};
use super::{Ends, Slope};

/// A function with at most two seams, in ascending order, at which the formula of its derivative changes.
#[derive(Clone, Copy)]
pub struct Pieces {
    seams: [f64; 2],
    count: usize,
    pieces: [Piece; 3],
    /// Whether the seams are exactly these numbers.
    pub exact: bool,
}

/// A derivative between two seams.
#[derive(Clone, Copy)]
pub(super) enum Piece {
    /// One number.
    Line(f64),
    /// `factor`·e^{s/`rate`}
    Exponential { factor: f64, rate: f64 },
    /// s/`rate` + `offset`
    Ramp { rate: f64, offset: f64 },
}

impl Pieces {
    /// A straight line.
    pub(super) fn straight(slope: f64) -> Self {
        Self { seams: [0.0; 2], count: 0, pieces: [Piece::Line(slope); 3], exact: true }
    }

    /// A seam at zero.
    pub(super) fn at_zero(left: Piece, right: f64) -> Self {
        Self { seams: [0.0; 2], count: 1, pieces: [left, Piece::Line(right), Piece::Line(right)], exact: true }
    }

    /// Something between two straight lines.
    pub(super) fn between(left: f64, seams: [f64; 2], middle: Piece, right: f64, exact: bool) -> Self {
        Self { seams, count: 2, pieces: [Piece::Line(left), middle, Piece::Line(right)], exact }
    }

    /// Where the formula changes: the derivative may jump there, and nowhere else.
    pub fn seams(&self) -> &[f64] {
        &self.seams[..self.count]
    }

    /// Whether the function is linear between the seams.
    pub fn is_linear(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Line(_)))
    }

    /// The kink of a function that is linear on both sides of it, if that is exact.
    pub fn only_kink(&self) -> Option<f64> {
        (self.exact && self.count == 1 && self.is_linear()).then_some(self.seams[0])
    }

    /// Σ|c| of the pieces c·(e^{s/rate} − 1).
    pub(super) fn saturation(&self) -> f64 {
        let size = |piece: &Piece| if let Piece::Exponential { factor, rate } = piece { factor * rate } else { 0.0 };
        self.pieces.iter().map(|piece| size(piece).abs()).sum()
    }

    /// The derivatives on an interval, both sides of a seam that it touches, and whether they are exact: where the function is
    /// linear on all of it. None where nothing is known.
    pub(super) fn range(&self, on: Interval) -> Option<(Slope, bool)> {
        let seams = self.seams();
        // seams that overflowed are nowhere in particular
        if !self.exact && [on.l, on.u].iter().chain(seams).any(|end| !end.is_finite()) {
            return None;
        }
        let slack = |seam: f64| if self.exact || on.ends == Ends::Open { 0.0 } else { NEAR * (1.0 + seam.abs()) };
        let (mut hull, mut exact): (Option<Slope>, _) = (None, true);
        for (p, piece) in self.pieces[..=self.count].iter().enumerate() {
            let before = if p > 0 { seams[p - 1] } else { f64::NEG_INFINITY };
            let after = if p < self.count { seams[p] } else { f64::INFINITY };
            if (p > 0 && !on.reaches_above(before - slack(before)))
                || (p < self.count && !on.reaches_below(after + slack(after)))
            {
                continue;
            }
            let ends = [on.l.max(before), on.u.min(after)];
            let [a, b] = match *piece {
                Piece::Line(slope) => [slope; 2],
                Piece::Exponential { factor, rate } => ends.map(|s| factor * libm::exp(s / rate)),
                Piece::Ramp { rate, offset } => ends.map(|s| s / rate + offset),
            };
            if a.is_nan() || b.is_nan() {
                return None;
            }
            exact &= matches!(piece, Piece::Line(_));
            let own = Slope::new(a.min(b), a.max(b));
            hull = Some(hull.map_or(own, |hull| hull.join(own)));
        }
        hull.map(|hull| (hull, exact))
    }
}
