//! What an activation does on an interval: its values, and the range of its derivative. Part of what has to be trusted.
//!
//! **Claim.** For every activation φ and numbers l ≤ u, [`derivative_range`] holds φ'(s) for every s ∈ \[l, u\] where it
//! exists, hence by the mean value theorem every secant slope between two points of \[l, u\]; [`value`] holds φ(s).
//!
//! A derivative is taken apart into pieces on which it is monotone, so its range is the hull of its values at both ends and at
//! the critical points between them, whose extreme values are the constants of [`Activation::slope`]. Where it jumps (ReLU at
//! 0), an interval that touches the kink has both sides.
//!
//! **Rounded** outwards. Smooth functions are evaluated with `libm`, the same on every machine; its functions are off by a few
//! units in the last place, and every composition here is well conditioned in the absolute sense (|s|ᵏ only meets e^{−|s|}), so
//! `MARGIN` is more than a hundred times what can be lost. Ranges of smooth derivatives are then widened to multiples of
//! `GRID`, so that last digits that differ between processors (fused products) do not show.

use crate::function::activation::{GELU_CUBIC, SQRT_2_OVER_PI, gelu_inner};
use crate::function::{Activation, Slope};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI};

/// Absolute error of a smooth value or derivative of order one, generously.
const MARGIN: f64 = 1e-13;
/// The same for the approximation of GELU by tanh, whose constants files hold in float32.
const MARGIN_GELU_TANH: f64 = 1e-8;
/// 2⁻³⁴.
const GRID: f64 = 1.0 / (1_u64 << 34) as f64;
/// How close to a critical point its extreme value counts.
const NEAR: f64 = 1e-6;

/// Whether the ends of an interval count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// \[l, u\]: at a kink, both sides.
    Closed,
    /// (l, u)
    Open,
}

/// The range of φ' on an interval.
pub fn derivative_range(activation: &Activation, index: usize, (l, u): (f64, f64), ends: Ends) -> Slope {
    range(activation, index, (l, u), ends, |smooth| {
        Slope::new((smooth.lower / GRID).floor() * GRID, (smooth.upper / GRID).ceil() * GRID)
    })
}

/// As [`derivative_range`] of a closed interval, but not widened to multiples of `GRID`: for intervals of a few units in the
/// last place around one number, whose ranges are hardly wider.
pub fn derivative_near(activation: &Activation, index: usize, (l, u): (f64, f64)) -> Slope {
    range(activation, index, (l, u), Ends::Closed, |smooth| smooth)
}

/// Ranges of smooth derivatives are what `outwards` makes of them, as far as that is in the slope interval.
fn range(
    activation: &Activation,
    index: usize,
    (l, u): (f64, f64),
    ends: Ends,
    outwards: impl Fn(Slope) -> Slope,
) -> Slope {
    let whole = activation.slope(index);
    if l.is_nan() || u.is_nan() || l > u {
        return whole;
    }
    let range = if let Some(pieces) = linear_pieces(activation, index) {
        // kinks that overflowed are nowhere in particular
        if !pieces.exact && [l, u].iter().chain(&pieces.kinks).any(|end| !end.is_finite()) {
            return whole;
        }
        let slack = |kink: f64| if pieces.exact || ends == Ends::Open { 0.0 } else { NEAR * (1.0 + kink.abs()) };
        let touches = |a: f64, b: f64| if ends == Ends::Closed { a <= b } else { a < b };
        let mut hull: Option<Slope> = None;
        for (p, slope) in pieces.slopes.iter().enumerate() {
            let after = p == 0 || touches(pieces.kinks[p - 1] - slack(pieces.kinks[p - 1]), u);
            let before = p == pieces.kinks.len() || touches(l, pieces.kinks[p] + slack(pieces.kinks[p]));
            if after && before {
                hull = Some(join(hull, Slope::new(*slope, *slope)));
            }
        }
        return hull.unwrap_or(whole);
    } else if let Some(slope) = constant_slope(activation, (l, u), ends) {
        return Slope::new(slope, slope);
    } else {
        outwards(smooth_range(activation, (l, u), ends))
    };
    if range.lower.is_nan() || range.upper.is_nan() {
        return whole; // which `max` and `min` would drop
    }
    let inside = Slope::new(range.lower.max(whole.lower), range.upper.min(whole.upper));
    if inside.lower <= inside.upper { inside } else { whole }
}

fn join(hull: Option<Slope>, slope: Slope) -> Slope {
    hull.map_or(slope, |h| Slope::new(h.lower.min(slope.lower), h.upper.max(slope.upper)))
}

/// A piecewise linear activation: slopes between kinks in ascending order.
pub struct LinearPieces {
    /// Where the slope changes.
    pub kinks: Vec<f64>,
    slopes: Vec<f64>,
    /// Whether the kinks are exactly these numbers.
    pub exact: bool,
}

/// The pieces of a piecewise linear activation; none for others.
pub fn linear_pieces(activation: &Activation, index: usize) -> Option<LinearPieces> {
    let at_zero = |left: f64, right: f64| LinearPieces { kinks: vec![0.0], slopes: vec![left, right], exact: true };
    Some(match activation {
        Activation::Relu => at_zero(0.0, 1.0),
        Activation::LeakyRelu { slope } => at_zero(*slope, 1.0),
        Activation::PRelu { slopes } => at_zero(slopes[index], 1.0),
        Activation::Abs => at_zero(-1.0, 1.0),
        Activation::Clip { min, max } => {
            LinearPieces { kinks: vec![*min, *max], slopes: vec![0.0, 1.0, 0.0], exact: true }
        }
        Activation::HardSigmoid { slope, .. } if *slope == 0.0 => {
            LinearPieces { kinks: vec![], slopes: vec![0.0], exact: true }
        }
        Activation::HardSigmoid { slope, offset } => {
            let mut kinks = vec![-offset / slope, (1.0 - offset) / slope];
            kinks.sort_by(f64::total_cmp);
            LinearPieces { kinks, slopes: vec![0.0, *slope, 0.0], exact: false }
        }
        Activation::Sigmoid
        | Activation::Tanh
        | Activation::Softsign
        | Activation::Softplus
        | Activation::Elu { .. }
        | Activation::Celu { .. }
        | Activation::Selu { .. }
        | Activation::Silu
        | Activation::Gelu
        | Activation::GeluTanh
        | Activation::HardSwish
        | Activation::Mish
        | Activation::Sin
        | Activation::Cos => return None,
    })
}

/// Where the derivative of an activation that is not piecewise linear jumps.
pub fn jumps(activation: &Activation) -> &'static [f64] {
    match activation {
        Activation::Elu { .. } | Activation::Celu { .. } | Activation::Selu { .. } => &[0.0],
        Activation::HardSwish => &[-3.0, 3.0],
        _ => &[],
    }
}

/// The slope where an activation that is curved elsewhere is linear on the whole interval.
fn constant_slope(activation: &Activation, (l, u): (f64, f64), ends: Ends) -> Option<f64> {
    let right_of = |kink: f64| if ends == Ends::Closed { l > kink } else { l >= kink };
    let left_of = |kink: f64| if ends == Ends::Closed { u < kink } else { u <= kink };
    match activation {
        Activation::Elu { .. } | Activation::Celu { .. } => right_of(0.0).then_some(1.0),
        Activation::Selu { gamma, .. } => right_of(0.0).then_some(*gamma),
        Activation::HardSwish if left_of(-3.0) => Some(0.0),
        Activation::HardSwish => right_of(3.0).then_some(1.0),
        _ => None,
    }
}

/// The range of the derivative of an activation that is not piecewise linear, up to the last rounding outwards.
fn smooth_range(activation: &Activation, (l, u): (f64, f64), ends: Ends) -> Slope {
    let monotone = |critical: &[(f64, f64)], derivative: fn(f64) -> f64| {
        let near = critical.iter().filter(|(at, _)| l <= at + NEAR && at - NEAR <= u).map(|(_, extreme)| *extreme);
        let margin = if *activation == Activation::GeluTanh { MARGIN_GELU_TANH } else { MARGIN };
        hull(near.chain([derivative(l), derivative(u)]), margin)
    };
    let touches = |a: f64, b: f64| if ends == Ends::Closed { a <= b } else { a < b };
    // left of zero exponential, right of it constant
    let one_sided = |factor: f64, rate: f64, right: f64| {
        let size = MARGIN * (1.0 + factor.abs() + right.abs());
        let left = touches(l, 0.0).then(|| [l, u.min(0.0)].map(|s| factor * libm::exp(s / rate)));
        hull(left.into_iter().flatten().chain(touches(0.0, u).then_some(right)), size)
    };
    match activation {
        Activation::Sigmoid => monotone(&[(0.0, 0.25)], |s| sigmoid(s) * sigmoid(-s)),
        Activation::Tanh => monotone(&[(0.0, 1.0)], sech_squared),
        Activation::Softsign => monotone(&[(0.0, 1.0)], |s| 1.0 / ((1.0 + s.abs()) * (1.0 + s.abs()))),
        Activation::Softplus => monotone(&[], sigmoid),
        Activation::Silu => {
            let whole = activation.slope(0);
            let at = 2.399_357_280_515_468;
            monotone(&[(-at, whole.lower), (at, whole.upper)], |s| sigmoid(s) * (1.0 + finite(s * sigmoid(-s))))
        }
        Activation::Gelu => {
            let (whole, at) = (activation.slope(0), std::f64::consts::SQRT_2);
            monotone(&[(-at, whole.lower), (at, whole.upper)], |s| normal_cdf(s) + finite(s * normal_density(s)))
        }
        Activation::GeluTanh => {
            let (whole, at) = (activation.slope(0), 1.418_504_008_790_829);
            monotone(&[(-at, whole.lower), (at, whole.upper)], |s| {
                let inner = gelu_inner(s);
                let steep = SQRT_2_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * s * s);
                0.5 * (1.0 + libm::tanh(inner)) + finite(0.5 * s * sech_squared(inner) * steep)
            })
        }
        Activation::Mish => {
            let whole = activation.slope(0);
            monotone(&[(-2.256_376_396_360_793, whole.lower), (1.490_571_179_485_428, whole.upper)], |s| {
                libm::tanh(softplus(s)) + finite(s * sech_squared(softplus(s)) * sigmoid(s))
            })
        }
        Activation::Elu { alpha } => one_sided(*alpha, 1.0, 1.0),
        Activation::Celu { alpha } => one_sided(1.0, *alpha, 1.0),
        Activation::Selu { alpha, gamma } => one_sided(alpha * gamma, 1.0, *gamma),
        Activation::HardSwish => {
            let middle = touches(l, 3.0) && touches(-3.0, u);
            let ramp = middle.then(|| [l.max(-3.0), u.min(3.0)].map(|s| s / 3.0 + 0.5));
            let ends = [touches(l, -3.0).then_some(0.0), touches(3.0, u).then_some(1.0)];
            hull(ramp.into_iter().flatten().chain(ends.into_iter().flatten()), MARGIN)
        }
        Activation::Sin => wave_range((l, u), PI, libm::cos),
        Activation::Cos => wave_range((l, u), FRAC_PI_2, |s| -libm::sin(s)),
        Activation::Relu
        | Activation::LeakyRelu { .. }
        | Activation::PRelu { .. }
        | Activation::Abs
        | Activation::Clip { .. }
        | Activation::HardSigmoid { .. } => activation.slope(0),
    }
}

/// The hull of some values, each off by at most `margin`; NaN makes it NaN.
fn hull(values: impl Iterator<Item = f64>, margin: f64) -> Slope {
    let start = Slope::new(f64::INFINITY, f64::NEG_INFINITY);
    let undefined = Slope::new(f64::NAN, f64::NAN); // which `min` and `max` would drop
    values.fold(start, |h, v| match v.is_nan() || h.lower.is_nan() {
        true => undefined,
        false => Slope::new(h.lower.min(v - margin), h.upper.max(v + margin)),
    })
}

/// The range of a function of period 2π, here ±sin or cos, that is −1 at `lowest`, 1 half a turn on, and monotone between.
fn wave_range((l, u): (f64, f64), lowest: f64, wave: fn(f64) -> f64) -> Slope {
    // beyond 10⁶ the phase would lose digits; nearly a whole turn has everything
    if u - l >= 2.0 * PI || l.abs() > 1e6 || u.abs() > 1e6 {
        return Slope::new(-1.0, 1.0);
    }
    let holds = |at: f64| ((u - at + NEAR) / (2.0 * PI)).floor() >= ((l - at - NEAR) / (2.0 * PI)).ceil();
    let extremes = [holds(lowest).then_some(-1.0), holds(lowest - PI).then_some(1.0)];
    hull(extremes.into_iter().flatten().chain([wave(l), wave(u)]), MARGIN)
}

/// φ(s), enclosed.
pub fn value(activation: &Activation, index: usize, s: f64) -> (f64, f64) {
    let near = |v: f64, scale: f64| {
        let margin = MARGIN * scale * (1.0 + s.abs());
        (v - margin, v + margin)
    };
    let leaky = |slope: f64| if s >= 0.0 { (s, s) } else { ((slope * s).next_down(), (slope * s).next_up()) };
    match activation {
        Activation::Relu => (s.max(0.0), s.max(0.0)),
        Activation::LeakyRelu { slope } => leaky(*slope),
        Activation::PRelu { slopes } => leaky(slopes[index]),
        Activation::Abs => (s.abs(), s.abs()),
        Activation::Clip { min, max } => (s.clamp(*min, *max), s.clamp(*min, *max)),
        Activation::HardSigmoid { slope, offset } => {
            near((slope * s + offset).clamp(0.0, 1.0), 1.0 + slope.abs() + offset.abs())
        }
        Activation::Sigmoid => near(sigmoid(s), 1.0),
        Activation::Tanh => near(libm::tanh(s), 1.0),
        Activation::Softsign => near(finite(s / (1.0 + s.abs())), 1.0),
        Activation::Softplus => near(softplus(s), 1.0),
        Activation::Elu { alpha } => near(if s >= 0.0 { s } else { alpha * libm::expm1(s) }, 1.0 + alpha.abs()),
        Activation::Celu { alpha } => {
            near(if s >= 0.0 { s } else { alpha * libm::expm1(s / alpha) }, 1.0 + alpha.abs())
        }
        Activation::Selu { alpha, gamma } => {
            let value = gamma * if s >= 0.0 { s } else { alpha * libm::expm1(s) };
            near(value, (1.0 + alpha.abs()) * (1.0 + gamma.abs()))
        }
        Activation::Silu => near(finite(s * sigmoid(s)), 1.0),
        Activation::Gelu => near(finite(s * normal_cdf(s)), 1.0),
        Activation::GeluTanh => near(finite(0.5 * s * (1.0 + libm::tanh(gelu_inner(s)))), MARGIN_GELU_TANH / MARGIN),
        Activation::HardSwish => near(s * (s / 6.0 + 0.5).clamp(0.0, 1.0), 4.0),
        Activation::Mish => near(finite(s * libm::tanh(softplus(s))), 1.0),
        Activation::Sin => near(libm::sin(s), 1.0),
        Activation::Cos => near(libm::cos(s), 1.0),
    }
}

/// ∞·0 is 0 here: an exponential wins against any power.
fn finite(v: f64) -> f64 {
    if v.is_nan() { 0.0 } else { v }
}

fn sigmoid(s: f64) -> f64 {
    let e = libm::exp(-s.abs());
    if s >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

fn softplus(s: f64) -> f64 {
    s.max(0.0) + libm::log1p(libm::exp(-s.abs()))
}

fn sech_squared(s: f64) -> f64 {
    let e = libm::exp(-2.0 * s.abs());
    4.0 * e / ((1.0 + e) * (1.0 + e))
}

fn normal_cdf(s: f64) -> f64 {
    0.5 * libm::erfc(-s * FRAC_1_SQRT_2)
}

fn normal_density(s: f64) -> f64 {
    0.5 * SQRT_2_OVER_PI * libm::exp(-0.5 * s * s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::activation::examples;

    fn random(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[test]
    fn kinks_that_overflow_hide_no_piece() {
        // slope 1e-300 on a ramp far from zero, and kinks at −∞: everything is possible where an end is infinite, too
        for (slope, offset) in [(1e-300, 1e10), (-1e-300, 1e10), (1e-10, -1e300), (-1e-310, -5.0)] {
            let activation = Activation::HardSigmoid { slope, offset };
            for ends in
                [(f64::NEG_INFINITY, 0.0), (0.0, f64::INFINITY), (f64::NEG_INFINITY, f64::INFINITY), (-1e308, 1e308)]
            {
                assert_eq!(
                    derivative_range(&activation, 0, ends, Ends::Closed),
                    activation.slope(0),
                    "{slope} {ends:?}"
                );
            }
        }
    }

    #[test]
    fn ranges_hold_every_sampled_derivative_and_value_and_are_tight() {
        let mut seed = 7;
        for activation in examples() {
            for round in 0..3000 {
                let width = [1e-9, 1e-3, 0.3, 3.0, 30.0][round % 5];
                let l = 12.0 * (random(&mut seed) - 0.5);
                let u = l + width * random(&mut seed);
                let range = derivative_range(&activation, 0, (l, u), Ends::Closed);
                let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
                for i in 0..=200 {
                    let s = (l + (u - l) * f64::from(i) / 200.0).min(u);
                    let d = activation.derivative(0, s);
                    assert!(range.lower <= d && d <= range.upper, "{activation}'({s}) = {d} is outside {range:?}");
                    least = least.min(d);
                    most = most.max(d);
                    let (below, above) = value(&activation, 0, s);
                    let v = activation.value(0, s);
                    assert!(below <= v && v <= above && above - below < 1e-6, "{activation}({s})");
                }
                let smooth = linear_pieces(&activation, 0).is_none() && jumps(&activation).is_empty();
                if smooth {
                    let loose = (least - range.lower).max(range.upper - most);
                    assert!(loose < 1e-7 + 1e-2 * (u - l), "{activation} on [{l}, {u}]: {range:?} is loose by {loose}");
                }
            }
        }
    }

    #[test]
    fn kinks_have_both_sides_and_critical_points_their_extremes() {
        let range = |a: &Activation, l, u| derivative_range(a, 0, (l, u), Ends::Closed);
        assert_eq!(range(&Activation::Relu, 0.0, 1.0), Slope::new(0.0, 1.0));
        assert_eq!(range(&Activation::Relu, 1e-300, 1.0), Slope::new(1.0, 1.0));
        assert_eq!(range(&Activation::Relu, -1.0, -1e-300), Slope::new(0.0, 0.0));
        assert_eq!(derivative_range(&Activation::Relu, 0, (0.0, 1.0), Ends::Open), Slope::new(1.0, 1.0));
        assert_eq!(range(&Activation::Sigmoid, -0.1, 0.1).upper, 0.25);
        let whole = Activation::Gelu.slope(0);
        assert_eq!(range(&Activation::Gelu, -2.0, 2.0), whole);
        assert_eq!(range(&Activation::Sin, -1e9, 1.0), Slope::new(-1.0, 1.0));
        for activation in examples() {
            let whole = activation.slope(0);
            for ends in [(f64::NEG_INFINITY, f64::INFINITY), (f64::NAN, 1.0), (-1e308, 1e308)] {
                let range = derivative_range(&activation, 0, ends, Ends::Closed);
                assert!(range.lower <= range.upper && whole.lower <= range.lower && range.upper <= whole.upper);
                if !ends.0.is_nan() {
                    assert!(range.upper - range.lower > 0.9 * (whole.upper - whole.lower), "{activation}: {range:?}");
                }
            }
        }
    }
}
