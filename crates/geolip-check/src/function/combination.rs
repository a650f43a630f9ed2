//! Functions of several numbers, entry by entry: so far the product.
//!
//! # Slopes
//!
//! **Claim.** On a convex set where argument k lies in its interval, every partial derivative ∂f/∂pₖ lies in
//! [`Combination::partials`]. A network with such a function becomes, at a point x, the linear network in which dz = Σ ∂f/∂pₖ·dpₖ:
//! one neuron per argument, whose slope is the partial derivative. **Rounded**: outwards; the partial derivatives of a product are
//! its other factor, exactly.
//!
//! # Planes
//!
//! **Claim.** Σ cₖpₖ + d of [`Combination::planes`] is at most f (the first), or at least (the second), wherever the arguments lie in
//! their intervals. Two of McCormick's planes: (p − p₋)(q − q₋) ≥ 0 gives pq from below, (p − p₋)(q₊ − q) ≥ 0 from above. (G. P. McCormick, *Computability of global solutions to factorable nonconvex
//! programs I*, 1976.) **Rounded**: coefficients are ends of intervals, exactly; the constant is a product of two ends, rounded outwards.

use super::Slope;
use std::fmt;

/// A function of several numbers, applied entry by entry to nodes of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// p·q
    Product,
}

/// A linear function of the arguments: Σ slopeₖ·pₖ + offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// One slope per argument.
    pub slopes: [f64; 2],
    /// The constant.
    pub offset: f64,
}

impl Combination {
    /// The name in the canonical file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
        }
    }

    /// The function of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "product" => Some(Self::Product),
            _ => None,
        }
    }

    /// f(p), in ordinary floating point.
    pub fn value(self, [p, q]: [f64; 2]) -> f64 {
        match self {
            Self::Product => p * q,
        }
    }

    /// The partial derivatives at p.
    pub fn derivatives(self, [p, q]: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Product => [q, p],
        }
    }

    /// The ranges of the partial derivatives where the arguments lie in these intervals.
    pub fn partials(self, [p, q]: [(f64, f64); 2]) -> [Slope; 2] {
        match self {
            Self::Product => [Slope::new(q.0, q.1), Slope::new(p.0, p.1)],
        }
    }

    /// The range of f there, rounded outwards; `same` says that both arguments are one number.
    pub fn range(self, [p, q]: [(f64, f64); 2], same: bool) -> (f64, f64) {
        match self {
            Self::Product => {
                let corners = [(p.0, q.0), (p.0, q.1), (p.1, q.0), (p.1, q.1)];
                let least = corners.iter().map(|(p, q)| product_down(*p, *q)).fold(f64::INFINITY, f64::min);
                let most = corners.iter().map(|(p, q)| product_up(*p, *q)).fold(f64::NEG_INFINITY, f64::max);
                let smallest = if p.0 <= 0.0 && p.1 >= 0.0 { 0.0 } else { least };
                if same { (smallest.max(0.0), most) } else { (least, most) }
            }
        }
    }

    /// A plane below f, and one above, there; `same` says that both arguments are one number.
    pub fn planes(self, [p, q]: [(f64, f64); 2], same: bool) -> (Plane, Plane) {
        match self {
            // p² ≥ 2cp − c² for every c, and p² ≤ (p₋ + p₊)p − p₋p₊
            Self::Product if same => {
                let c = 0.5 * p.0 + 0.5 * p.1;
                let below = Plane { slopes: [c, c], offset: -product_up(c, c) };
                (below, Plane { slopes: [p.0, p.1], offset: -product_down(p.0, p.1) })
            }
            Self::Product => {
                let below = Plane { slopes: [q.0, p.0], offset: -product_up(p.0, q.0) };
                (below, Plane { slopes: [q.1, p.0], offset: -product_down(p.0, q.1) })
            }
        }
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// At least p·q; +∞ where it is no number. (The step to the next number covers one rounding, underflow included.)
fn product_up(p: f64, q: f64) -> f64 {
    let product = p * q;
    if product.is_nan() {
        f64::INFINITY
    } else if p == 0.0 || q == 0.0 {
        0.0
    } else {
        product.next_up()
    }
}

/// At most p·q; −∞ where it is no number.
fn product_down(p: f64, q: f64) -> f64 {
    -product_up(-p, q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_planes_hold_products_of_every_sample() {
        let ends =
            [(-2.0, 3.0), (0.5, 4.0), (-5.0, -0.25), (0.0, 0.0), (0.0, 1e-300), (-1e-320, 3e-320), (-1e150, 1e150)];
        let between = |(l, u): (f64, f64), t: f64| ((1.0 - t) * l + t * u).clamp(l, u);
        for p in ends {
            for q in ends {
                for (i, j) in (0..=8).flat_map(|i| (0..=8).map(move |j| (f64::from(i) / 8.0, f64::from(j) / 8.0))) {
                    for same in [false, true] {
                        let (q, j) = if same { (p, i) } else { (q, j) };
                        let (x, y) = (between(p, i), between(q, j));
                        let f = Combination::Product;
                        let (least, most) = f.range([p, q], same);
                        let tiny = 1e-12 * (x * y).abs() + f64::MIN_POSITIVE;
                        assert!(least <= x * y + tiny && x * y - tiny <= most, "{x}·{y} in [{least}, {most}]");
                        let (below, above) = f.planes([p, q], same);
                        let at = |plane: Plane| plane.slopes[0] * x + plane.slopes[1] * y + plane.offset;
                        let room = 1e-12 * (p.0.abs().max(p.1.abs()) * q.0.abs().max(q.1.abs())) + f64::MIN_POSITIVE;
                        assert!(at(below) <= x * y + room && x * y - room <= at(above), "{x}·{y}, {p:?} {q:?} {same}");
                        let [dx, dy] = f.derivatives([x, y]);
                        let [sx, sy] = f.partials([p, q]);
                        assert!(sx.lower <= dx && dx <= sx.upper && sy.lower <= dy && dy <= sy.upper);
                    }
                }
            }
        }
    }

    #[test]
    fn infinite_ends_have_no_bounds_that_are_numbers_by_chance() {
        let (least, most) = Combination::Product.range([(0.0, f64::INFINITY), (0.0, 1.0)], false);
        assert!(least <= 0.0 && most == f64::INFINITY);
        let (below, above) = Combination::Product.planes([(0.0, f64::INFINITY), (-1.0, f64::INFINITY)], false);
        assert!(below.offset <= 0.0 && above.offset >= 0.0, "{below:?} {above:?}");
    }
}
