//! Where a bound holds: boxes and Euclidean balls of inputs, and what a network does on them.
//!
//! A [`Region`] is a box, or the intersection of a box and a ball; it is convex, so for x, x' in it
//! |uᵀy(x) − uᵀy(x')| ≤ L‖x − x'‖ with L the largest ‖∇(uᵀy)‖* in the region: the *local Lipschitz constant*, which is what
//! local bounds bound from both sides. (A box that is flat in some inputs counts gradients with respect to these all the
//! same; a point has the norm of its gradient.)

use crate::matrix::power_of_two_near;
use crate::network::Network;
use crate::problem::{ProblemError, Units};
use crate::rounding::{mul_up, sqrt_up, sum_up};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A box \[lower, upper\] of inputs, or what a Euclidean ball has in common with one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    lower: Vec<f64>,
    upper: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ball: Option<Ball>,
}

/// ‖x − centre‖₂ ≤ radius. With a unit u, ‖(x − centre)/u‖₂ ≤ radius, entry by entry: centre + radius·u∘t with ‖t‖₂ ≤ 1, an ellipsoid
/// in which inputs whose unit is 0 are those of the centre.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ball {
    /// One number per input.
    pub centre: Vec<f64>,
    /// At least 0.
    pub radius: f64,
    /// What the distance is measured in; none are ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Units>,
}

/// The norm of a ball of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionNorm {
    /// A box.
    Linf,
    /// A Euclidean ball.
    L2,
}

impl fmt::Display for RegionNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Linf => "linf",
            Self::L2 => "l2",
        })
    }
}

impl std::str::FromStr for RegionNorm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "linf" => Ok(Self::Linf),
            "l2" => Ok(Self::L2),
            _ => Err(format!("a region is a ball in linf (a box) or l2, not in '{text}'")),
        }
    }
}

/// Numbers that make no region.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// The wrong number of inputs.
    #[error("the region has {given} inputs, but the network has {inputs}; give one number per input")]
    Length {
        /// How many it has.
        given: usize,
        /// How many the network has.
        inputs: usize,
    },
    /// NaN or infinite.
    #[error("the region holds {value} at input {index}; its numbers have to be finite")]
    Number {
        /// Where.
        index: usize,
        /// What.
        value: f64,
    },
    /// No point at all.
    #[error("the region is empty: input {index} would lie between {lower} and {upper}")]
    Empty {
        /// Where.
        index: usize,
        /// The lower end.
        lower: f64,
        /// The upper end.
        upper: f64,
    },
    /// A ball outside its box.
    #[error(
        "the region is empty: the centre of the ball is {distance} away from the valid range, its radius is {radius}"
    )]
    Apart {
        /// How far.
        distance: f64,
        /// The radius.
        radius: f64,
    },
    /// Units of a ball for another number of inputs.
    #[error(transparent)]
    Units(#[from] ProblemError),
    /// A negative or infinite radius.
    #[error("the radius is {given}; it must be a finite number of at least 0")]
    Radius {
        /// What was given.
        given: f64,
    },
}

impl Region {
    /// The box of all x with lower ≤ x ≤ upper.
    pub fn new_box(lower: Vec<f64>, upper: Vec<f64>) -> Result<Self, RegionError> {
        let region = Self { lower, upper, ball: None };
        region.validate()?;
        Ok(region)
    }

    /// All x with ‖x − centre‖ ≤ radius; with `clip`, those with all entries in a valid range. The box around it is rounded
    /// outwards by at most a unit in the last place.
    pub fn around(
        centre: &[f64],
        radius: f64,
        norm: RegionNorm,
        clip: Option<(f64, f64)>,
    ) -> Result<Self, RegionError> {
        Self::around_in(None, centre, (radius, norm), clip)
    }

    /// As [`Self::around`], with the distance in units: |x − centre| ≤ radius·unit entry by entry, or the ellipsoid of these half-axes. Inputs
    /// whose unit is 0 are those of the centre. The box around it is rounded outwards by at most two units in the last place.
    pub fn around_in(
        units: Option<&Units>,
        centre: &[f64],
        (radius, norm): (f64, RegionNorm),
        clip: Option<(f64, f64)>,
    ) -> Result<Self, RegionError> {
        if !(radius >= 0.0 && radius.is_finite()) {
            return Err(RegionError::Radius { given: radius });
        }
        if let Some(index) = centre.iter().position(|v| !v.is_finite()) {
            return Err(RegionError::Number { index, value: centre[index] });
        }
        units.map_or(Ok(()), |units| units.fit(centre.len()))?;
        let (low, high) = clip.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let reach = |i: usize| units.map_or(radius, |units| mul_up(radius, units.numbers()[i]));
        let down = |i: usize, c: f64| if reach(i) == 0.0 { c } else { (c - reach(i)).next_down() };
        let up = |i: usize, c: f64| if reach(i) == 0.0 { c } else { (c + reach(i)).next_up() };
        let lower = centre.iter().enumerate().map(|(i, c)| down(i, *c).max(low)).collect();
        let upper = centre.iter().enumerate().map(|(i, c)| up(i, *c).min(high)).collect();
        let ball = (norm == RegionNorm::L2).then(|| Ball { centre: centre.to_vec(), radius, unit: units.cloned() });
        let region = Self { lower, upper, ball };
        region.validate()?;
        Ok(region)
    }

    /// Whether the numbers make a region: what a file says has to pass this, too.
    pub fn validate(&self) -> Result<(), RegionError> {
        let n = self.lower.len();
        let lengths = [self.upper.len(), self.ball.as_ref().map_or(n, |ball| ball.centre.len())];
        if let Some(given) = lengths.into_iter().find(|length| *length != n) {
            return Err(RegionError::Length { given, inputs: n });
        }
        for (index, (lower, upper)) in self.lower.iter().zip(&self.upper).enumerate() {
            if let Some(value) = [*lower, *upper].into_iter().find(|v| !v.is_finite()) {
                return Err(RegionError::Number { index, value });
            }
            if lower > upper {
                return Err(RegionError::Empty { index, lower: *lower, upper: *upper });
            }
        }
        if let Some(ball @ Ball { centre, radius, unit }) = &self.ball {
            unit.as_ref().map_or(Ok(()), |unit| unit.fit(n))?;
            if let Some(index) = centre.iter().position(|v| !v.is_finite()) {
                return Err(RegionError::Number { index, value: centre[index] });
            }
            if !(*radius >= 0.0 && radius.is_finite()) {
                return Err(RegionError::Radius { given: *radius });
            }
            let nearest: Vec<f64> =
                centre.iter().enumerate().map(|(i, c)| c.clamp(self.lower[i], self.upper[i])).collect();
            let distance = ball.distance_up(&nearest);
            if distance > *radius {
                return Err(RegionError::Apart { distance, radius: *radius });
            }
        }
        Ok(())
    }

    /// Whether it is one for this network.
    pub fn fits(&self, network: &Network) -> Result<(), RegionError> {
        self.validate()?;
        match self.lower.len() == network.inputs() {
            true => Ok(()),
            false => Err(RegionError::Length { given: self.lower.len(), inputs: network.inputs() }),
        }
    }

    /// The lower ends of the box.
    pub fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// The upper ends of the box.
    pub fn upper(&self) -> &[f64] {
        &self.upper
    }

    /// The ball that it lies in, too, if any.
    pub fn ball(&self) -> Option<&Ball> {
        self.ball.as_ref()
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.lower.len()
    }

    /// Whether x is proved to lie in it: the distance from the centre of a ball is rounded up.
    pub fn contains(&self, x: &[f64]) -> bool {
        let mut entries = x.iter().zip(self.lower.iter().zip(&self.upper));
        let in_box = x.len() == self.inputs() && entries.all(|(x, (l, u))| l <= x && x <= u);
        in_box && self.ball.as_ref().is_none_or(|ball| ball.distance_up(x) <= ball.radius)
    }

    /// The centre of the ball where it lies in the box, else a point near the middle of the region.
    pub fn centre(&self) -> Vec<f64> {
        let mut x: Vec<f64> = match &self.ball {
            Some(ball) => ball.centre.clone(),
            None => self.lower.iter().zip(&self.upper).map(|(l, u)| 0.5 * l + 0.5 * u).collect(),
        };
        self.project(&mut x);
        x
    }

    /// A point of the region near x: the nearest one of a box; for a ball, what alternating projections find. It keeps a few
    /// units in the last place away from boundaries, which are rounded outwards.
    pub fn project(&self, x: &mut [f64]) {
        let Some(ball) = &self.ball else { return self.clamp(x) };
        ball.hold(x);
        let given = x.to_vec();
        // rounding may leave a point a little outside a ball: then a little further in, and at last the centre
        for shrink in [1e-12, 1e-9, 1e-6, 1e-3, 0.5, 1.0] {
            x.copy_from_slice(&given);
            for _ in 0..3 {
                let (distance, most) = (ball.distance(x), ball.radius * (1.0 - shrink));
                if distance > most {
                    x.iter_mut().zip(&ball.centre).for_each(|(x, c)| *x = c + (*x - c) * (most / distance));
                }
                self.clamp(x);
            }
            if self.contains(x) {
                return;
            }
        }
        // a region that is valid holds this one
        x.iter_mut().enumerate().for_each(|(i, x)| *x = ball.centre[i].clamp(self.lower[i], self.upper[i]));
    }

    fn clamp(&self, x: &mut [f64]) {
        for (x, (l, u)) in x.iter_mut().zip(self.lower.iter().zip(&self.upper)) {
            let (inner_l, inner_u) = (l.next_up().next_up(), u.next_down().next_down());
            *x = if inner_l <= inner_u { x.clamp(inner_l, inner_u) } else { x.clamp(*l, *u) };
        }
    }

    /// Half the diagonal of the box, or the largest half-axis of the ball where that is less: the scale of steps inside.
    pub fn size(&self) -> f64 {
        let square = |(l, u): (&f64, &f64)| (0.5 * (u - l)).powi(2);
        let diagonal = self.lower.iter().zip(&self.upper).map(square).sum::<f64>().sqrt();
        self.ball.as_ref().map_or(diagonal, |ball| diagonal.min(ball.reach()))
    }

    /// Both parts of the region on either side of x_input = at.
    pub fn cut(&self, input: usize, at: f64) -> (Self, Self) {
        let (mut below, mut above) = (self.clone(), self.clone());
        below.upper[input] = at;
        above.lower[input] = at;
        (below, above)
    }

    /// The largest of half-widths.
    pub fn radius(&self) -> f64 {
        let half = self.lower.iter().zip(&self.upper).map(|(l, u)| 0.5 * (u - l)).fold(0.0, f64::max);
        self.ball.as_ref().map_or(half, |ball| half.min(ball.reach()))
    }
}

impl Ball {
    /// The unit of an input.
    pub fn unit_of(&self, input: usize) -> f64 {
        self.unit.as_ref().map_or(1.0, |unit| unit.numbers()[input])
    }

    /// The largest half-axis.
    fn reach(&self) -> f64 {
        self.unit.as_ref().map_or(self.radius, |unit| self.radius * unit.numbers().iter().copied().fold(0.0, f64::max))
    }

    /// In plain floating point, of inputs that do not change where their unit is 0.
    fn distance(&self, x: &[f64]) -> f64 {
        let part = |(i, (x, c)): (usize, (&f64, &f64))| if x == c { 0.0 } else { (x - c) / self.unit_of(i) };
        x.iter().zip(&self.centre).enumerate().map(part).map(|d| d * d).sum::<f64>().sqrt()
    }

    /// Takes inputs whose unit is 0 from the centre.
    fn hold(&self, x: &mut [f64]) {
        for (i, unit) in self.unit.iter().flat_map(|unit| unit.numbers()).enumerate() {
            if *unit == 0.0 {
                x[i] = self.centre[i];
            }
        }
    }

    /// At least the distance from the centre; infinite where an input moves whose unit is 0.
    fn distance_up(&self, x: &[f64]) -> f64 {
        distance_up(x, &self.centre, self.unit.as_ref().map(Units::numbers))
    }
}

/// At least ‖(x − y)/unit‖₂; exactly 0 for the same point, and without units exact where a single entry differs, by a double.
fn distance_up(x: &[f64], y: &[f64], unit: Option<&[f64]>) -> f64 {
    let difference = |(i, (x, y)): (usize, (&f64, &f64))| {
        // d + lost is the difference exactly (D. E. Knuth's TwoSum)
        let d = x - y;
        let second = d - x;
        let lost = (x - (d - second)) - (y + second);
        let apart = if lost == 0.0 { d.abs() } else { d.abs().next_up() };
        match unit {
            Some(unit) if apart != 0.0 => (apart / unit[i]).next_up(),
            Some(_) | None => apart,
        }
    };
    let apart: Vec<f64> = x.iter().zip(y).enumerate().map(difference).filter(|d| *d != 0.0).collect();
    match apart.as_slice() {
        [] => 0.0,
        [one] => *one,
        _ => {
            let largest = apart.iter().copied().fold(0.0, |most: f64, d| if d > most || d.is_nan() { d } else { most });
            if !largest.is_finite() {
                return f64::INFINITY;
            }
            let scale = power_of_two_near(largest);
            mul_up(scale, sqrt_up(sum_up(apart.iter().map(|d| d / scale).map(|d| mul_up(d, d)))))
        }
    }
}

impl fmt::Display for Region {
    /// In a few words: `box of 784 inputs, half-width at most 0.01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ball {
            Some(Ball { radius, unit: None, .. }) => write!(f, "l2 ball of {} inputs, radius {radius}", self.inputs()),
            Some(Ball { radius, .. }) => {
                write!(f, "l2 ball of {} inputs, radius {radius} in their units", self.inputs())
            }
            None => {
                let half = self.lower.iter().zip(&self.upper).map(|(l, u)| 0.5 * u - 0.5 * l).fold(0.0, f64::max);
                // in the digits of a float, which a box rounded outwards by its last place does not show; the ends say exactly
                write!(f, "box of {} inputs, half-width at most {}", self.inputs(), half as f32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balls_are_boxes_rounded_outwards_and_clipped() {
        let box_ = Region::around(&[0.1, 0.95], 0.1, RegionNorm::Linf, Some((0.0, 1.0))).expect("a region");
        assert!(box_.lower()[0] <= 0.0 && box_.lower()[0] >= 0.0 && box_.upper()[1] == 1.0);
        assert!(box_.upper()[0] >= 0.2 && box_.upper()[0] < 0.2 + 1e-15);
        let point = Region::around(&[0.1, 0.95], 0.0, RegionNorm::L2, None).expect("a region");
        assert_eq!(
            (point.lower(), point.upper(), point.centre()),
            (&[0.1, 0.95][..], &[0.1, 0.95][..], vec![0.1, 0.95])
        );
        let ball = Region::around(&[0.0, 0.0], 1.0, RegionNorm::L2, None).expect("a region");
        let mut x = vec![3.0, 4.0];
        ball.project(&mut x);
        assert!(ball.contains(&x) && (x[0] - 0.6).abs() < 1e-9 && (x[1] - 0.8).abs() < 1e-9);
    }

    /// √(n·0.1²) and the like, compared with squares of integers: a distance is never rounded down.
    #[test]
    fn distances_are_rounded_up() {
        assert_eq!(distance_up(&[0.1, 5.0], &[0.1, 2.0], None), 3.0);
        assert_eq!(distance_up(&[0.1, 0.2], &[0.1, 0.2], None), 0.0);
        for (size, n) in [(1.0, 3_usize), (1e-200, 3), (1e200, 3), (3e-320, 5), (1e-3, 1000)] {
            let far = distance_up(&vec![size; n], &vec![0.0; n], None);
            let exact = size * (n as f64).sqrt();
            assert!(far >= exact.next_down() && far <= exact * (1.0 + 1e-12) + 1e-321, "{size} {n}: {far:e}");
        }
        assert_eq!(distance_up(&[f64::MAX, 0.0], &[-f64::MAX, 1.0], None), f64::INFINITY);
        // 3² + 4² = 5²: on the sphere, but not proved to be; a hair inside is
        let ball = Region::around(&[0.0, 0.0], 5.0, RegionNorm::L2, None).expect("a region");
        assert!(ball.contains(&[3.0, 4.0 - 1e-14]) && !ball.contains(&[3.0, 4.0 + 1e-15]));
    }

    /// The ellipsoid is no larger than its unit says, and its box no smaller; an input whose unit is 0 stays.
    #[test]
    fn balls_in_units_are_boxes_and_ellipsoids_of_these_half_axes() {
        let units = Units::new(&[2.0, 0.0, 0.1]).expect("units");
        let around = |norm, clip| Region::around_in(Some(&units), &[1.0, 5.0, -1.0], (0.5, norm), clip);
        let box_ = around(RegionNorm::Linf, None).expect("a region");
        for (i, (c, half)) in [(1.0, 1.0), (5.0, 0.0), (-1.0, 0.05)].into_iter().enumerate() {
            let (lower, upper) = (box_.lower()[i], box_.upper()[i]);
            assert!(lower <= c - half && lower > c - half - 1e-14 && upper >= c + half && upper < c + half + 1e-14);
        }
        assert!(around(RegionNorm::Linf, Some((-2.0, 4.0))).is_err(), "the fixed input is outside the valid range");
        let ball = around(RegionNorm::L2, None).expect("a region");
        assert!(ball.contains(&[1.99, 5.0, -1.0]) && ball.contains(&[1.0, 5.0, -0.951]));
        assert!(!ball.contains(&[2.01, 5.0, -1.0]) && !ball.contains(&[1.0, 5.0, -0.94]));
        assert!(!ball.contains(&[1.0, 5.000_001, -1.0]) && !ball.contains(&[1.8, 5.0, -0.96]));
        let mut x = vec![9.0, 4.0, -3.0];
        ball.project(&mut x);
        assert!(ball.contains(&x) && x[1] == 5.0);
        for ball in [&ball, &around(RegionNorm::L2, Some((-9.0, 9.0))).expect("a region")] {
            let text = serde_json::to_string(ball).expect("text");
            assert_eq!(serde_json::from_str::<Region>(&text).ok().as_ref(), Some(ball), "{text}");
        }
        assert!(Region::around_in(Some(&units), &[1.0], (0.5, RegionNorm::L2), None).is_err(), "three units");
        // an ellipsoid of moves that underflow is not a point
        let tiny = Units::new(&[1e-200, 1.0]).expect("units");
        let ball = Region::around_in(Some(&tiny), &[0.0, 0.0], (1e-200, RegionNorm::L2), None).expect("a region");
        assert!(ball.lower()[0] < 0.0 && ball.upper()[0] > 0.0);
    }

    #[test]
    fn every_valid_ball_holds_the_point_that_projections_end_in() {
        for (lower, centre, radius) in [(1.0, 0.0, 1.0), (0.3, 0.1, 0.2), (1e-300, 0.0, 1e-300), (1e200, -1e200, 3e200)]
        {
            let region = Region {
                lower: vec![lower; 1],
                upper: vec![1e300],
                ball: Some(Ball { centre: vec![centre], radius, unit: None }),
            };
            if region.validate().is_ok() {
                assert!(region.contains(&region.centre()), "{lower} {centre} {radius}");
            }
        }
    }

    #[test]
    fn numbers_that_make_no_region_are_named() {
        let around = |c: f64, r: f64, norm, clip| Region::around(&[c], r, norm, clip).map(|_| ());
        assert_eq!(around(0.0, -1.0, RegionNorm::Linf, None), Err(RegionError::Radius { given: -1.0 }));
        assert!(matches!(around(f64::NAN, 1.0, RegionNorm::Linf, None), Err(RegionError::Number { .. })));
        assert!(matches!(around(5.0, 1.0, RegionNorm::Linf, Some((0.0, 1.0))), Err(RegionError::Empty { .. })));
        assert!(matches!(Region::new_box(vec![0.0], vec![1.0, 2.0]), Err(RegionError::Length { .. })));
        assert!(matches!(Region::new_box(vec![2.0], vec![1.0]), Err(RegionError::Empty { .. })));
    }
}
