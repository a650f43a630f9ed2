//! What is true of a network: Jacobians that some slopes, or some inputs, have. Whatever claims less is false.

use crate::dice::Dice;
use crate::exact::{Dyadic, Number, Wide};
use crate::graph::{Graph, is_piecewise_linear};
use crate::size::{self, Size};
use geolip::network::Activation;
use geolip::place::Region;
use geolip::{Functional, InputNorm};

/// Free neurons up to which all their patterns are looked at; beyond, some.
const ALL: usize = 11;
/// Patterns looked at there, and points of a region.
const SOME: usize = 400;
const POINTS: usize = 48;
/// Candidates that are as large as the largest up to this relative distance are all compared exactly, up to so many.
const CLOSE: f64 = 1e-11;
const CANDIDATES: usize = 3;
/// Slopes of curved activations, evaluated in plain numbers, are off by less than this.
const CURVED: f64 = 1e-7;
/// Plain numbers are trusted that far while everything stays below this.
const MODERATE: f64 = 1e5;

/// A Jacobian: its slopes, where these are known exactly; an upper bound of what its entries are off by, otherwise.
struct Jacobian {
    slopes: Vec<Vec<f64>>,
    exponent: i64,
    rows: Vec<Vec<f64>>,
    off: Option<Vec<Vec<f64>>>,
}

/// Jacobians of a network, everywhere or on a region.
pub struct Truth<'a> {
    graph: &'a Graph,
    all: Vec<Jacobian>,
}

impl<'a> Truth<'a> {
    /// Everywhere: patterns of slopes at the ends of their intervals.
    pub fn everywhere(graph: &'a Graph, dice: &mut Dice) -> Self {
        let ends: Vec<Vec<(f64, f64)>> = (0..graph.layers.len())
            .map(|layer| (0..graph.lens[graph.layers[layer].0]).map(|j| ends(graph.activation(layer), j)).collect())
            .collect();
        let free: Vec<(usize, usize)> = ends
            .iter()
            .enumerate()
            .flat_map(|(a, layer)| layer.iter().enumerate().filter(|(_, (l, u))| l != u).map(move |(j, _)| (a, j)))
            .collect();
        let lower: Vec<Vec<f64>> = ends.iter().map(|layer| layer.iter().map(|(l, _)| *l).collect()).collect();
        let count = if free.len() <= ALL { 1 << free.len() } else { SOME };
        let one = |pattern: usize| {
            let mut slopes = lower.clone();
            for (at, (a, j)) in free.iter().enumerate() {
                let up = if free.len() <= ALL { pattern >> at & 1 == 1 } else { dice.chance(0.5) || pattern == 0 };
                if up {
                    slopes[*a][*j] = ends[*a][*j].1;
                }
            }
            let (exponent, rows) = size::plain_of_wide(&graph.jacobian::<Wide>(&slopes, false));
            Jacobian { slopes, exponent, rows, off: None }
        };
        Self { graph, all: (0..count).map(one).collect() }
    }

    /// On a region: gradients at inputs in it that are at no kink.
    pub fn on(graph: &'a Graph, region: &Region, dice: &mut Dice) -> Self {
        let exact = graph.is_piecewise_linear();
        let one = |at: usize| {
            let x = point(region, at, dice)?;
            match exact {
                true => {
                    let local = graph.at(&x)?;
                    let clear = local.kinks.is_empty();
                    let (exponent, rows) = size::plain_of_wide(&graph.jacobian::<Wide>(&local.slopes, false));
                    clear.then_some(Jacobian { slopes: local.slopes, exponent, rows, off: None })
                }
                false => curved(graph, &x),
            }
        };
        Self { graph, all: (0..POINTS).filter_map(one).collect() }
    }

    /// A number that the constant of this norm and output is at least; none where nothing is known.
    pub fn size(&self, norm: InputNorm, functional: &Functional) -> Option<Size> {
        let value = |j: &Jacobian| size::nearly(norm, functional, j.exponent, &j.rows);
        let mut found: Vec<(Wide, &Jacobian)> = self.all.iter().filter_map(|j| Some((value(j)?, j))).collect();
        found.sort_by_key(|(value, _)| std::cmp::Reverse(value.key()));
        let most = found.first()?.0;
        let near = |v: &Wide| Wide::new(most.mantissa * (1.0 - CLOSE), most.exponent).below(*v);
        let closest = found.iter().enumerate().take_while(|(at, (v, _))| *at == 0 || *at < CANDIDATES && near(v));
        closest.filter_map(|(_, (_, j))| self.exactly(norm, functional, j)).reduce(Size::max)
    }

    fn exactly(&self, norm: InputNorm, functional: &Functional, j: &Jacobian) -> Option<Size> {
        match &j.off {
            None => size::of_jacobian(norm, functional, &self.graph.jacobian::<Dyadic>(&j.slopes, false)),
            Some(off) => {
                let (directions, divided) = size::directions(norm, functional, &j.rows)?;
                let single = !divided && directions.len() == 1;
                let u = if single { directions[0].clone() } else { largest_row(&j.rows) };
                let entry = |p: usize| {
                    let (value, off) = u.iter().fold((0.0, 0.0), |(value, sum), (i, u)| {
                        (value + u * j.rows[*i][p], sum + u.abs() * off[*i][p])
                    });
                    Dyadic::of((f64::abs(value) - 1.01 * off).max(0.0))
                };
                let row = vec![(0..j.rows[0].len()).map(entry).collect::<Vec<_>>()];
                size::of_jacobian(norm, &Functional::output(0), &row)
            }
        }
    }
}

fn largest_row(rows: &[Vec<f64>]) -> Vec<(usize, f64)> {
    let length = |i: &usize| rows[*i].iter().map(|v| v.abs()).sum::<f64>();
    (0..rows.len()).max_by(|a, b| length(a).total_cmp(&length(b))).map_or(Vec::new(), |i| vec![(i, 1.0)])
}

/// The gradient at x in plain numbers, with what its entries may be off by; none near a kink, or where numbers are large.
fn curved(graph: &Graph, x: &[f64]) -> Option<Jacobian> {
    let Curved { slopes, rows, off, clear, .. } = curved_at(graph, x)?;
    clear.then_some(Jacobian { slopes, exponent: 0, rows, off: Some(off) })
}

/// A network with curved activations at an input, in plain numbers.
pub struct Curved {
    slopes: Vec<Vec<f64>>,
    /// The Jacobian.
    pub rows: Vec<Vec<f64>>,
    /// What its entries are off by at most.
    pub off: Vec<Vec<f64>>,
    /// Whether no pre-activation is near a kink.
    pub clear: bool,
    /// The outputs, off by less than a millionth.
    pub output: Vec<f64>,
}

/// At x; none where numbers are so large that plain numbers do not suffice.
pub fn curved_at(graph: &Graph, x: &[f64]) -> Option<Curved> {
    let sizes = graph.values::<Plain>(x, true, |_, a, _, h| Plain(4.0 + steepness(a) * h.0));
    if sizes.iter().flatten().any(|v| v.0.is_nan() || v.0 > MODERATE) {
        return None;
    }
    let mut slopes: Vec<Vec<f64>> = graph.layers.iter().map(|_| Vec::new()).collect();
    let mut clear = true;
    let values = graph.values::<Plain>(x, false, |layer, activation, j, h| {
        clear &= kinks(activation).iter().all(|kink| (h.0 - kink).abs() > 1e-6);
        slopes[layer].push(activation.derivative(j, h.0));
        Plain(activation.value(j, h.0))
    });
    let rows = graph.jacobian::<Plain>(&slopes, false);
    let steep: Vec<Vec<f64>> =
        (0..slopes.len()).map(|a| slopes[a].iter().map(|_| 0.1 + steepness(graph.activation(a))).collect()).collect();
    let off = graph.jacobian::<Plain>(&steep, true);
    let plain = |rows: Vec<Vec<Plain>>, factor: f64| {
        rows.into_iter().map(|row| row.into_iter().map(|v| v.0 * factor).collect()).collect()
    };
    let output = values[graph.output].iter().map(|v| v.0).collect();
    Some(Curved { rows: plain(rows, 1.0), off: plain(off, CURVED), slopes, clear, output })
}

/// A bound on |φ'|, generously.
fn steepness(activation: &Activation) -> f64 {
    let parameters = activation.parameters().iter().filter(|v| v.is_finite()).fold(1.0, |a, v| f64::max(a, v.abs()));
    2.0 * parameters * parameters
}

/// Where its derivative jumps.
fn kinks(activation: &Activation) -> Vec<f64> {
    match activation {
        Activation::Clip { min, max } => vec![*min, *max],
        Activation::HardSigmoid { slope, offset } => vec![-offset / slope, (1.0 - offset) / slope],
        Activation::HardSwish => vec![-3.0, 3.0],
        _ => vec![0.0],
    }
}

/// An ordinary double.
#[derive(Clone, Debug)]
struct Plain(f64);

impl Number for Plain {
    fn of(v: f64) -> Self {
        Self(v)
    }

    fn is_zero(&self) -> bool {
        self.0 == 0.0
    }

    fn plus(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }

    fn times(&self, other: &Self) -> Self {
        Self(self.0 * other.0)
    }
}

/// The ends of a slope interval, from the function itself: exact where they are parameters, else a little inside.
fn ends(activation: &Activation, j: usize) -> (f64, f64) {
    let hull = |a: f64, b: f64| (a.min(b), a.max(b));
    let inside = |low: f64, high: f64| (low + 1e-9 * low.abs(), high - 1e-9 * high.abs());
    match activation {
        Activation::Relu | Activation::Clip { .. } => match activation {
            Activation::Clip { min, max } if min == max => (0.0, 0.0),
            _ => (0.0, 1.0),
        },
        Activation::LeakyRelu { slope } => hull(*slope, 1.0),
        Activation::PRelu { slopes } => hull(slopes[j], 1.0),
        Activation::Abs => (-1.0, 1.0),
        Activation::HardSigmoid { slope, .. } => hull(0.0, *slope),
        Activation::Sigmoid => (0.0, 0.25),
        Activation::Tanh | Activation::Softsign | Activation::Softplus | Activation::Celu { .. } => (0.0, 1.0),
        Activation::Elu { alpha } => (alpha.min(0.0), alpha.max(1.0)),
        Activation::Selu { alpha, gamma } => {
            let (a, b) = hull(*gamma, alpha * gamma * (1.0 - 1e-12));
            (a.min(0.0), b.max(0.0))
        }
        Activation::Silu => inside(-0.099_839_32, 1.099_839_32),
        Activation::Gelu => inside(-0.128_904_145, 1.128_904_145),
        Activation::GeluTanh => inside(-0.128_993_068, 1.128_993_068),
        Activation::Mish => inside(-0.112_526_122, 1.088_498_161),
        Activation::HardSwish => (-0.5, 1.5),
        Activation::Sin | Activation::Cos => (-1.0, 1.0),
        Activation::Atan | Activation::Asinh => (0.0, 1.0),
        Activation::Erf => inside(0.0, std::f64::consts::FRAC_2_SQRT_PI),
        // of any size, or, where a power is even or of a negative number, of any sign
        Activation::Exp | Activation::Log => (0.0, f64::INFINITY),
        Activation::Power { .. } => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

/// Whether this slope is one of the interval's.
pub fn is_slope(activation: &Activation, j: usize, slope: f64) -> bool {
    let (low, high) = ends(activation, j);
    match is_piecewise_linear(activation) {
        true => low <= slope && slope <= high || matches!(activation, Activation::Clip { .. }) && slope == 1.0,
        false => low - 1e-7 * (1.0 + low.abs()) <= slope && slope <= high + 1e-7 * (1.0 + high.abs()),
    }
}

/// A point of a region, exactly in it; none where none was found.
pub fn point(region: &Region, at: usize, dice: &mut Dice) -> Option<Vec<f64>> {
    let (lower, upper) = (region.lower(), region.upper());
    let kind = at % 6;
    let same = dice.unit();
    let mut entry = |i: usize| {
        let t = match kind {
            0 => f64::from(u8::from(dice.chance(0.5))),
            1 => dice.unit(),
            2 => *dice.pick(&[0.0, 0.5, 1.0, 0.25, 0.75]),
            3 => *dice.pick(&[1.0 / 1024.0, 1023.0 / 1024.0, 0.5]),
            4 => same,
            _ => 0.5 + (dice.unit() - 0.5) * 2f64.powi(-(dice.below(20) as i32)),
        };
        (lower[i] * (1.0 - t) + upper[i] * t).clamp(lower[i], upper[i])
    };
    let mut x: Vec<f64> = (0..lower.len()).map(&mut entry).collect();
    if let Some(ball) = region.ball() {
        let toward = |x: &f64, c: &f64, t: f64| c + (x - c) * t;
        for t in [1.0, 0.7, 0.4, 0.1, 0.0] {
            let moved: Vec<f64> = x.iter().zip(&ball.centre).map(|(x, c)| toward(x, c, t)).collect();
            let boxed: Vec<f64> = moved.iter().enumerate().map(|(i, v)| v.clamp(lower[i], upper[i])).collect();
            if is_within(&boxed, &ball.centre, ball.radius) {
                x = boxed;
                return Some(x);
            }
        }
        return None;
    }
    Some(x)
}

/// Whether ‖x − c‖₂ ≤ r, exactly.
pub fn is_within(x: &[f64], c: &[f64], r: f64) -> bool {
    let squares = x.iter().zip(c).map(|(x, c)| Dyadic::of(*x).minus(&Dyadic::of(*c)).square());
    squares.fold(Dyadic::zero(), |sum, v| sum.plus(&v)) <= Dyadic::of(r).square()
}
