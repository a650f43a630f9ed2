//! Random networks of every kind of layer that the library's builder takes.

use crate::dice::Dice;
use crate::exact::{scaled, times_power};
use crate::plan::{Map, Plan, Step};
use crate::{rescale, special};
use geolip::network::{Activation, ConvolutionShape};

/// How numbers are drawn.
#[derive(Clone, Copy)]
pub enum Style {
    /// Small whole numbers.
    Whole,
    /// Multiples of a power of two.
    Dyadic,
    /// Normal numbers.
    Normal,
    /// Powers of two and their negatives.
    Powers,
    /// Normal numbers of very different size.
    Mixed,
}

impl Style {
    fn random(dice: &mut Dice) -> Self {
        *dice.pick(&[Self::Whole, Self::Whole, Self::Dyadic, Self::Normal, Self::Normal, Self::Powers, Self::Mixed])
    }

    /// A number.
    pub fn number(self, dice: &mut Dice) -> f64 {
        match self {
            Self::Whole => dice.whole(-4, 4) as f64,
            Self::Dyadic => dice.whole(-64, 64) as f64 / 16.0,
            Self::Normal => dice.normal(),
            Self::Powers => 2f64.powi(dice.whole(-6, 6) as i32) * if dice.chance(0.5) { -1.0 } else { 1.0 },
            Self::Mixed => dice.normal() * 10f64.powi(dice.whole(-4, 4) as i32),
        }
    }
}

/// A random network.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What kind of network it is.
    pub family: &'static str,
    /// The network.
    pub plan: Plan,
    /// Inputs of ordinary size are multiples of 2 to this power.
    pub unit: i64,
    /// The input at which something is close, if there is one.
    pub home: Option<Vec<f64>>,
}

/// A network of any kind.
pub fn random(dice: &mut Dice) -> Draft {
    // how likely it is rescaled, and whether its numbers then fall from layer to layer
    let (family, plan, likely, falling) = match dice.below(21) {
        0 => ("cancelling", special::cancelling(dice), 0.3, false),
        1 => ("zero", special::zero(dice), 0.3, false),
        2 | 3 => ("chain", special::chain(dice), 0.0, false),
        4 => ("copies", special::copies(dice), 0.1, false),
        5 => ("ramp", special::ramp(dice), 0.0, false),
        6 => ("opposite", special::opposite(dice), 0.3, false),
        7 => ("descent", special::descent(dice), 1.0, true),
        8 => ("maxima", special::maxima(dice), 0.2, false),
        _ => ("layered", layered(dice), 0.5, false),
    };
    let home = (family == "copies").then(|| vec![1.0, 1.0]);
    let mut rescaled = None;
    if dice.chance(likely) {
        for _ in 0..3 {
            let (falls, all) = ([450, 600, 800, 1000], [20, 60, 150, 300, 600, 1000]);
            rescaled = rescaled.or_else(|| match falling {
                true => rescale::falling(&plan, *dice.pick(&falls), dice),
                false => rescale::random(&plan, *dice.pick(&all), dice),
            });
        }
    }
    let (plan, unit) = rescaled.unwrap_or((plan, 0));
    let home = home.map(|home| home.iter().map(|v| times_power(*v, unit)).collect());
    Draft { family, plan, unit, home }
}

/// Neurons at most.
const NEURONS: usize = 12;

fn layered(dice: &mut Dice) -> Plan {
    let style = Style::random(dice);
    let most = if dice.chance(0.05) { 30 } else { NEURONS };
    let wide = if most > NEURONS { 8 } else { 4 };
    let mut plan = Plan { inputs: 1 + dice.below(wide), steps: Vec::new() };
    let blocks = dice.below(4); // of affine nodes and an activation
    let mut neurons = 0;
    for _ in 0..blocks {
        affine(&mut plan, wide, style, dice);
        let n = plan.len(plan.output());
        neurons += n;
        if neurons > most {
            break;
        }
        let activation = activation(n, style, dice);
        plan.steps.push(Step::Activate { parent: plan.output(), activation });
        if dice.chance(0.05) {
            let activation = Activation::LeakyRelu { slope: *dice.pick(&[0.5, 1.0, -1.0]) };
            if neurons + n <= most {
                neurons += n;
                plan.steps.push(Step::Activate { parent: plan.output(), activation });
            }
        }
    }
    let outputs = 1 + dice.below(3);
    let last = plan.output();
    let map = Map::Dense(outputs, plan.len(last), numbers(outputs * plan.len(last), style, dice));
    let mut terms = vec![(last, map)];
    residual(&plan, &mut terms, style, dice);
    plan.steps.push(Step::Affine { terms, bias: bias(outputs, style, dice) });
    if dice.chance(0.03) {
        // an output that does not depend on the input
        if let Some(Step::Affine { terms, .. }) = plan.steps.last_mut() {
            terms.iter_mut().filter_map(|(_, map)| map.weights_mut()).for_each(|w| w.fill(0.0));
        }
    }
    plan
}

/// Adds affine nodes, mostly one.
fn affine(plan: &mut Plan, wide: usize, style: Style, dice: &mut Dice) {
    for _ in 0..if dice.chance(0.25) { 2 + dice.below(2) } else { 1 } {
        let last = plan.output();
        let map = map(plan.len(last), wide, style, dice);
        if map.shape().0 > 12 {
            continue;
        }
        let rows = map.shape().0;
        let mut terms = vec![(last, map)];
        residual(plan, &mut terms, style, dice);
        plan.steps.push(Step::Affine { terms, bias: bias(rows, style, dice) });
    }
}

fn bias(n: usize, style: Style, dice: &mut Dice) -> Option<Vec<f64>> {
    dice.chance(0.7).then(|| numbers(n, style, dice))
}

/// Adds terms from earlier nodes.
fn residual(plan: &Plan, terms: &mut Vec<(usize, Map)>, style: Style, dice: &mut Dice) {
    let rows = terms[0].1.shape().0;
    while dice.chance(0.25) {
        let from = dice.below(plan.output() + 1);
        let cols = plan.len(from);
        let map = match dice.below(5) {
            0 if cols == rows => Map::Identity(rows),
            1 if cols == rows => Map::Scale(numbers(rows, style, dice)),
            2 => gather(rows, cols, dice),
            3 => Map::Transpose(Box::new(gather(cols, rows, dice))),
            _ => Map::Dense(rows, cols, numbers(rows * cols, style, dice)),
        };
        terms.push((from, map));
    }
}

fn numbers(n: usize, style: Style, dice: &mut Dice) -> Vec<f64> {
    (0..n).map(|_| if dice.chance(0.15) { 0.0 } else { style.number(dice) }).collect()
}

fn gather(rows: usize, cols: usize, dice: &mut Dice) -> Map {
    Map::Gather(cols, (0..rows).map(|_| dice.chance(0.85).then(|| dice.below(cols))).collect())
}

fn map(cols: usize, wide: usize, style: Style, dice: &mut Dice) -> Map {
    let rows = 1 + dice.below(wide);
    match dice.below(12) {
        0 => Map::Scale(numbers(cols, style, dice)),
        1 => gather(rows, cols, dice),
        2 => Map::Transpose(Box::new(gather(cols, rows, dice))),
        3 => convolution(cols, style, dice),
        4 => {
            // the transpose of a convolution to `cols` numbers
            let Map::Convolution(mut shape, _) = convolution(rows, style, dice) else { return Map::Identity(cols) };
            let channels = divisor(cols, dice);
            shape.groups = 1;
            shape.out_channels = channels;
            shape.output = [1, 1, cols / channels];
            let weights = numbers(channels * shape.in_channels * shape.kernel[2], style, dice);
            Map::Transpose(Box::new(Map::Convolution(shape, weights)))
        }
        5 => Map::Transpose(Box::new(Map::Dense(cols, rows, numbers(rows * cols, style, dice)))),
        6 => Map::Identity(cols),
        _ => {
            let mut weights = numbers(rows * cols, style, dice);
            relate(&mut weights, rows, cols, dice);
            Map::Dense(rows, cols, weights)
        }
    }
}

/// Makes some rows twins of others: equal, opposite, multiplied by powers of two; or zero.
fn relate(weights: &mut [f64], rows: usize, cols: usize, dice: &mut Dice) {
    for _ in 0..2 {
        if rows < 2 || !dice.chance(0.2) {
            continue;
        }
        let (from, to) = (dice.below(rows), dice.below(rows));
        let factor = *dice.pick(&[1.0, -1.0, 2.0, -0.25, 0.0]);
        for p in 0..cols {
            weights[to * cols + p] = factor * weights[from * cols + p];
        }
    }
    if dice.chance(0.02) {
        weights.fill(0.0);
    }
}

fn divisor(n: usize, dice: &mut Dice) -> usize {
    let all: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
    *dice.pick(&all)
}

fn convolution(cols: usize, style: Style, dice: &mut Dice) -> Map {
    let channels = divisor(cols, dice);
    let groups = if dice.chance(0.3) { divisor(channels, dice) } else { 1 };
    let out_channels = groups * (1 + dice.below(2));
    let shape = ConvolutionShape {
        in_channels: channels,
        out_channels,
        groups,
        input: [1, 1, cols / channels],
        output: [1, 1, 1 + dice.below(3)],
        kernel: [1, 1, 1 + dice.below(3)],
        stride: [1, 1, 1 + dice.below(2)],
        dilation: [1, 1, 1 + dice.below(2)],
        pad: [0, 0, dice.below(3)],
    };
    Map::Convolution(shape, numbers(out_channels * (channels / groups) * shape.kernel[2], style, dice))
}

/// An activation of n neurons.
fn activation(n: usize, style: Style, dice: &mut Dice) -> Activation {
    let plain = |dice: &mut Dice| *dice.pick(&[0.5, 1.0, 2.0, 0.25, 1.5]);
    match dice.below(36) {
        0..=11 => Activation::Relu,
        12..=14 => {
            let slope = *dice.pick(&[0.5, -0.5, 1.0, 2.0, -1.0, 0.01, 1.0 - f64::EPSILON / 2.0, 0.999_999, -3.0]);
            Activation::LeakyRelu { slope: if dice.chance(0.5) { slope } else { style.number(dice) } }
        }
        15..=17 => Activation::Abs,
        18 | 19 => Activation::PRelu { slopes: numbers(n, style, dice) },
        20..=22 => {
            let (a, b) = (style.number(dice), style.number(dice));
            let (min, max) = (a.min(b), a.max(b));
            match dice.below(5) {
                0 => Activation::Clip { min: f64::NEG_INFINITY, max },
                1 => Activation::Clip { min, max: f64::INFINITY },
                2 if dice.chance(0.3) => Activation::Clip { min: f64::NEG_INFINITY, max: f64::INFINITY },
                _ => Activation::Clip { min, max },
            }
        }
        23 | 24 => {
            let slope = *dice.pick(&[0.25, -0.5, 1.0, 1.0 / 6.0, 0.0]);
            Activation::HardSigmoid { slope, offset: *dice.pick(&[0.5, 0.0, 1.0, -2.0]) }
        }
        25 => Activation::Elu { alpha: plain(dice) * if dice.chance(0.2) { -1.0 } else { 1.0 } },
        26 => Activation::Celu { alpha: plain(dice) },
        27 if dice.chance(0.5) => Activation::selu(),
        27 => Activation::Selu { alpha: plain(dice), gamma: plain(dice) },
        28 => Activation::Silu,
        29 => Activation::Gelu,
        30 => Activation::GeluTanh,
        31 => Activation::Mish,
        32 => Activation::HardSwish,
        33 if dice.chance(0.5) => Activation::Softplus,
        33 => Activation::Softsign,
        34 if dice.chance(0.5) => Activation::Sin,
        34 => Activation::Cos,
        _ => match dice.below(5) {
            0 => Activation::Sigmoid,
            1 => Activation::Erf,
            2 => Activation::Atan,
            3 => Activation::Asinh,
            _ => Activation::Tanh,
        },
    }
}

/// A power of two with an exponent up to `most` in size.
pub fn power(most: i64, dice: &mut Dice) -> f64 {
    scaled(1.0, dice.whole(-most, most)).expect("in range")
}
